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
  fence INTEGER NOT NULL CHECK (fence >= 1),
  owner TEXT,
  lease_expires_at_ms INTEGER,
  CHECK ((finished_at_ms IS NOT NULL) = (status IN ('finished', 'failed', 'cancelled', 'continued'))),
  CHECK ((owner IS NULL) = (lease_expires_at_ms IS NULL))
) STRICT;

CREATE INDEX runs_by_age ON runs (created_at_ms);

-- Apart from runs, since that row is written anew with every step and an input may have a megabyte.
CREATE TABLE inputs (
  run_id TEXT NOT NULL PRIMARY KEY REFERENCES runs (run_id) ON DELETE CASCADE,
  input TEXT NOT NULL
) STRICT;

CREATE TABLE events (
  run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
  seq INTEGER NOT NULL CHECK (seq >= 0),
  timestamp_ms INTEGER NOT NULL,
  type TEXT NOT NULL,
  node_id TEXT,
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

CREATE TABLE approvals (
  run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
  node_id TEXT NOT NULL,
  iteration INTEGER NOT NULL CHECK (iteration >= 0),
  status TEXT NOT NULL CHECK (status IN ('requested', 'granted', 'denied', 'cancelled')),
  title TEXT NOT NULL,
  summary TEXT,
  metadata TEXT NOT NULL,
  show TEXT,
  on_deny TEXT NOT NULL CHECK (on_deny IN ('fail', 'continue', 'skip')),
  requested_at_ms INTEGER NOT NULL,
  note TEXT,
  decided_by TEXT,
  decision TEXT,
  decided_at_ms INTEGER,
  PRIMARY KEY (run_id, node_id, iteration),
  CHECK ((decided_at_ms IS NOT NULL) = (status IN ('granted', 'denied')))
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: an id is never given twice, so "is my request still there?" has one answer.
CREATE TABLE inbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('approve', 'deny', 'cancel')),
  node_id TEXT,
  iteration INTEGER,
  note TEXT,
  decided_by TEXT,
  decision TEXT,
  created_at_ms INTEGER NOT NULL,
  CHECK ((kind = 'cancel') = (node_id IS NULL)),
  CHECK ((node_id IS NULL) = (iteration IS NULL))
) STRICT;

CREATE UNIQUE INDEX inbox_one_decision ON inbox (run_id, node_id, iteration) WHERE kind IN ('approve', 'deny');
CREATE UNIQUE INDEX inbox_one_cancel ON inbox (run_id) WHERE kind = 'cancel';

CREATE VIEW attempts AS
SELECT
  started.run_id,
  started.node_id,
  json_extract(started.payload, '$.iteration') AS iteration,
  json_extract(started.payload, '$.attempt') AS attempt,
  CASE ended.type
    WHEN 'NodeFinished' THEN 'finished'
    WHEN 'NodeFailed' THEN 'failed'
    WHEN 'NodeCancelled' THEN 'cancelled'
    WHEN 'NodeInterrupted' THEN 'interrupted'
    ELSE 'in-progress'
  END AS state,
  started.timestamp_ms AS started_at_ms,
  ended.timestamp_ms AS finished_at_ms,
  json_extract(ended.payload, '$.error') AS error
FROM events AS started
LEFT JOIN events AS ended
  ON ended.run_id = started.run_id
  AND ended.node_id = started.node_id
  AND ended.type IN ('NodeFinished', 'NodeFailed', 'NodeCancelled', 'NodeInterrupted')
  AND json_extract(ended.payload, '$.iteration') = json_extract(started.payload, '$.iteration')
  AND json_extract(ended.payload, '$.attempt') = json_extract(started.payload, '$.attempt')
WHERE started.type = 'NodeStarted';

CREATE VIEW nodes AS
WITH changes AS (
  SELECT
    run_id,
    node_id,
    json_extract(payload, '$.iteration') AS iteration,
    seq,
    timestamp_ms,
    CASE type
      WHEN 'NodePending' THEN 'pending'
      WHEN 'NodeStarted' THEN 'in-progress'
      WHEN 'NodeFinished' THEN 'finished'
      WHEN 'NodeFailed' THEN 'failed'
      WHEN 'NodeCancelled' THEN 'cancelled'
      WHEN 'NodeSkipped' THEN 'skipped'
      WHEN 'NodeWaitingApproval' THEN 'waiting-approval'
      WHEN 'NodeWaitingTimer' THEN 'waiting-timer'
      ELSE 'pending'  -- NodeRetrying, NodeInterrupted, and an approval that was decided
    END AS state
  FROM events
  WHERE type IN (
    'NodePending', 'NodeStarted', 'NodeFinished', 'NodeFailed', 'NodeCancelled', 'NodeSkipped',
    'NodeWaitingApproval', 'NodeRetrying', 'NodeInterrupted', 'ApprovalGranted', 'ApprovalDenied',
    'NodeWaitingTimer', 'TimerFired')
)
SELECT run_id, node_id, iteration, state, timestamp_ms AS changed_at_ms
FROM changes
WHERE seq = (
  SELECT MAX(later.seq) FROM changes AS later
  WHERE later.run_id = changes.run_id AND later.node_id = changes.node_id AND later.iteration = changes.iteration
);
