-- The first schema. Times are integer milliseconds, JSON is text; views rebuild nodes and attempts from the log.
-- Everything is created in the current schema of the connection.

-- Half of each page stays free, since every step updates a row, which stays in its page while there is room.
CREATE TABLE smithers_runs (
  run_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  workflow_name TEXT NOT NULL,
  workflow_path TEXT,
  workflow_hash TEXT,
  status TEXT NOT NULL CHECK (status IN (
    'running', 'waiting-approval', 'waiting-timer', 'waiting-event', 'suspended',
    'finished', 'failed', 'cancelled', 'continued')),
  from_run_id TEXT,
  created_at_ms BIGINT NOT NULL,
  finished_at_ms BIGINT,
  error TEXT,
  last_seq BIGINT NOT NULL CHECK (last_seq >= -1),
  signals_kept BIGINT NOT NULL DEFAULT 0 CHECK (signals_kept >= 0),
  fence BIGINT NOT NULL CHECK (fence >= 1),
  owner TEXT,
  lease_expires_at_ms BIGINT,
  CHECK ((finished_at_ms IS NOT NULL) = (status IN ('finished', 'failed', 'cancelled', 'continued'))),
  CHECK ((owner IS NULL) = (lease_expires_at_ms IS NULL))
) WITH (fillfactor = 50);

CREATE INDEX smithers_runs_by_age ON smithers_runs (created_at_ms);

-- Not in runs, since every step writes a new version of that row, and an input may have a megabyte.
CREATE TABLE smithers_inputs (
  run_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES smithers_runs (run_id) ON DELETE CASCADE,
  input TEXT NOT NULL
);

-- The columns beside the payload are for queries. An event has the states to which it has changed node and attempt.
CREATE TABLE smithers_events (
  run_id TEXT COLLATE "C" NOT NULL REFERENCES smithers_runs (run_id) ON DELETE CASCADE,
  seq BIGINT NOT NULL CHECK (seq >= 0),
  timestamp_ms BIGINT NOT NULL,
  type TEXT NOT NULL,
  node_id TEXT COLLATE "C",
  iteration BIGINT,
  attempt BIGINT,
  node_state TEXT,
  attempt_state TEXT,
  payload TEXT NOT NULL,
  PRIMARY KEY (run_id, seq)
);

CREATE INDEX smithers_events_of_new_nodes ON smithers_events (run_id, node_id) WHERE type = 'NodePending';

CREATE TABLE smithers_outputs (
  run_id TEXT COLLATE "C" NOT NULL REFERENCES smithers_runs (run_id) ON DELETE CASCADE,
  node_id TEXT COLLATE "C" NOT NULL,
  iteration BIGINT NOT NULL CHECK (iteration >= 0),
  output TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  PRIMARY KEY (run_id, node_id, iteration)
);

CREATE TABLE smithers_frames (
  run_id TEXT COLLATE "C" NOT NULL REFERENCES smithers_runs (run_id) ON DELETE CASCADE,
  frame_no BIGINT NOT NULL CHECK (frame_no >= 1),
  created_at_ms BIGINT NOT NULL,
  hash TEXT NOT NULL,
  scopes TEXT NOT NULL,
  PRIMARY KEY (run_id, frame_no)
);

-- The waits of nodes, ended ones too: request is the event that began the wait, answer the one that ended it, as JSON.
CREATE TABLE smithers_waits (
  run_id TEXT COLLATE "C" NOT NULL REFERENCES smithers_runs (run_id) ON DELETE CASCADE,
  node_id TEXT COLLATE "C" NOT NULL,
  iteration BIGINT NOT NULL CHECK (iteration >= 0),
  kind TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('open', 'ended', 'cancelled')),
  request TEXT NOT NULL,
  answer TEXT,
  requested_at_ms BIGINT NOT NULL,
  due_at_ms BIGINT,
  ended_at_ms BIGINT,
  PRIMARY KEY (run_id, node_id, iteration, kind),
  CHECK ((answer IS NOT NULL) = (status = 'ended')),
  CHECK ((ended_at_ms IS NULL) = (status = 'open'))
);

CREATE TABLE smithers_requests (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id TEXT COLLATE "C" NOT NULL REFERENCES smithers_runs (run_id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  node_id TEXT COLLATE "C",
  iteration BIGINT,
  sender TEXT,
  payload TEXT,
  created_at_ms BIGINT NOT NULL,
  CHECK ((node_id IS NULL) = (iteration IS NULL))
);

CREATE INDEX smithers_requests_by_run ON smithers_requests (run_id, id);
-- A wait is ended by one request.
CREATE UNIQUE INDEX smithers_requests_one_a_wait
  ON smithers_requests (run_id, node_id, iteration) WHERE node_id IS NOT NULL;
CREATE UNIQUE INDEX smithers_requests_one_cancel ON smithers_requests (run_id) WHERE kind = 'cancel';

-- Notifications, which are sent at the commit. Commits of the whole server that notify wait for one another, so events
-- that nobody follows cause none: a follower holds a shared advisory lock of the run's id (729384 is the class of these
-- locks). A request and a raised fence notify in any case, the renewal of a lease does not.
CREATE FUNCTION smithers_wake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('smithers', NEW.run_id);
  RETURN NULL;
END
$$;

CREATE FUNCTION smithers_wake_followers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock(729384, hashtext(NEW.run_id)) THEN
    PERFORM pg_notify('smithers', NEW.run_id);
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER smithers_runs_moved AFTER INSERT OR UPDATE OF last_seq ON smithers_runs
  FOR EACH ROW EXECUTE FUNCTION smithers_wake_followers();
CREATE TRIGGER smithers_runs_taken AFTER UPDATE OF fence ON smithers_runs
  FOR EACH ROW EXECUTE FUNCTION smithers_wake();
CREATE TRIGGER smithers_requests_filled AFTER INSERT ON smithers_requests
  FOR EACH ROW EXECUTE FUNCTION smithers_wake();

-- A NUL, which JSON may contain and a text of PostgreSQL may not, is replaced.
CREATE VIEW smithers_attempts AS
SELECT
  started.run_id,
  started.node_id,
  started.iteration,
  started.attempt,
  coalesce(ended.attempt_state, started.attempt_state) AS state,
  started.timestamp_ms AS started_at_ms,
  ended.timestamp_ms AS finished_at_ms,
  replace(ended.payload, '\u0000', '\ufffd')::json -> 'error' AS error
FROM smithers_events AS started
LEFT JOIN smithers_events AS ended
  ON ended.run_id = started.run_id
  AND ended.node_id = started.node_id
  AND ended.iteration = started.iteration
  AND ended.attempt = started.attempt
  AND ended.attempt_state IS NOT NULL
  AND ended.seq > started.seq
WHERE started.type = 'NodeStarted';

CREATE VIEW smithers_nodes AS
SELECT run_id, node_id, iteration, node_state AS state, timestamp_ms AS changed_at_ms
FROM (
  SELECT
    run_id, node_id, iteration, node_state, timestamp_ms,
    row_number() OVER (PARTITION BY run_id, node_id, iteration ORDER BY seq DESC) AS age
  FROM smithers_events
  WHERE node_state IS NOT NULL
) AS states
WHERE age = 1;
