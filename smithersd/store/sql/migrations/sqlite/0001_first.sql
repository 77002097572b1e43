-- The first schema. Times are integer milliseconds, JSON is text; views rebuild nodes and attempts from the log.

CREATE TABLE runs (
  run_id TEXT NOT NULL PRIMARY KEY,
  workflow_name TEXT NOT NULL,
  workflow_path TEXT,
  workflow_hash TEXT,
  status TEXT NOT NULL CHECK (status IN (
    'running', 'waiting-approval', 'waiting-timer', 'waiting-event', 'suspended',
    'finished', 'failed', 'cancelled', 'continued')),
  from_run_id TEXT,
  created_at_ms INTEGER NOT NULL,
  finished_at_ms INTEGER,
  error TEXT,
  last_seq INTEGER NOT NULL CHECK (last_seq >= -1),
  signals_kept INTEGER NOT NULL DEFAULT 0 CHECK (signals_kept >= 0),
  fence INTEGER NOT NULL CHECK (fence >= 1),
  owner TEXT,
  lease_expires_at_ms INTEGER,
  CHECK ((finished_at_ms IS NOT NULL) = (status IN ('finished', 'failed', 'cancelled', 'continued'))),
  CHECK ((owner IS NULL) = (lease_expires_at_ms IS NULL))
) STRICT;

CREATE INDEX runs_by_age ON runs (created_at_ms);

-- Not in runs, since every step writes that row, and an input may have a megabyte.
CREATE TABLE inputs (
  run_id TEXT NOT NULL PRIMARY KEY REFERENCES runs (run_id) ON DELETE CASCADE,
  input TEXT NOT NULL
) STRICT;

-- The columns beside the payload are for queries. An event has the states to which it has changed node and attempt.
CREATE TABLE events (
  run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
  seq INTEGER NOT NULL CHECK (seq >= 0),
  timestamp_ms INTEGER NOT NULL,
  type TEXT NOT NULL,
  node_id TEXT,
  iteration INTEGER,
  attempt INTEGER,
  node_state TEXT,
  attempt_state TEXT,
  payload TEXT NOT NULL,
  PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX events_of_new_nodes ON events (run_id, node_id) WHERE type = 'NodePending';

CREATE TABLE outputs (
  run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
  node_id TEXT NOT NULL,
  iteration INTEGER NOT NULL CHECK (iteration >= 0),
  output TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  PRIMARY KEY (run_id, node_id, iteration)
) STRICT, WITHOUT ROWID;

CREATE TABLE frames (
  run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
  frame_no INTEGER NOT NULL CHECK (frame_no >= 1),
  created_at_ms INTEGER NOT NULL,
  hash TEXT NOT NULL,
  scopes TEXT NOT NULL,
  PRIMARY KEY (run_id, frame_no)
) STRICT, WITHOUT ROWID;

-- The waits of nodes, ended ones too: request is the event that began the wait, answer the one that ended it, as JSON.
CREATE TABLE waits (
  run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
  node_id TEXT NOT NULL,
  iteration INTEGER NOT NULL CHECK (iteration >= 0),
  kind TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('open', 'ended', 'cancelled')),
  request TEXT NOT NULL,
  answer TEXT,
  requested_at_ms INTEGER NOT NULL,
  due_at_ms INTEGER,
  ended_at_ms INTEGER,
  PRIMARY KEY (run_id, node_id, iteration, kind),
  CHECK ((answer IS NOT NULL) = (status = 'ended')),
  CHECK ((ended_at_ms IS NULL) = (status = 'open'))
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT, so that an id is never used again and identifies a request even after it was deleted.
CREATE TABLE requests (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  node_id TEXT,
  iteration INTEGER,
  sender TEXT,
  payload TEXT,
  created_at_ms INTEGER NOT NULL,
  CHECK ((node_id IS NULL) = (iteration IS NULL))
) STRICT;

CREATE INDEX requests_by_run ON requests (run_id, id);

-- A wait is ended by one request.
CREATE UNIQUE INDEX requests_one_a_wait ON requests (run_id, node_id, iteration) WHERE node_id IS NOT NULL;
CREATE UNIQUE INDEX requests_one_cancel ON requests (run_id) WHERE kind = 'cancel';

CREATE VIEW attempts AS
SELECT
  started.run_id,
  started.node_id,
  started.iteration,
  started.attempt,
  coalesce(ended.attempt_state, started.attempt_state) AS state,
  started.timestamp_ms AS started_at_ms,
  ended.timestamp_ms AS finished_at_ms,
  json_extract(ended.payload, '$.error') AS error
FROM events AS started
LEFT JOIN events AS ended
  ON ended.run_id = started.run_id
  AND ended.node_id = started.node_id
  AND ended.iteration = started.iteration
  AND ended.attempt = started.attempt
  AND ended.attempt_state IS NOT NULL
  AND ended.seq > started.seq
WHERE started.type = 'NodeStarted';

CREATE VIEW nodes AS
SELECT run_id, node_id, iteration, node_state AS state, timestamp_ms AS changed_at_ms
FROM (
  SELECT
    run_id, node_id, iteration, node_state, timestamp_ms,
    row_number() OVER (PARTITION BY run_id, node_id, iteration ORDER BY seq DESC) AS age
  FROM events
  WHERE node_state IS NOT NULL
)
WHERE age = 1;
