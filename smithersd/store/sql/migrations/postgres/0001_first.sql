-- The first schema. Times are integer milliseconds, JSON is text; views rebuild nodes and attempts from the log.
-- Everything is made in the schema that the connection has chosen.

-- Half of each page stays free: the row is written anew with every step, in its own page while there is room.
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
  fence BIGINT NOT NULL CHECK (fence >= 1),
  owner TEXT,
  lease_expires_at_ms BIGINT,
  CHECK ((finished_at_ms IS NOT NULL) = (status IN ('finished', 'failed', 'cancelled', 'continued'))),
  CHECK ((owner IS NULL) = (lease_expires_at_ms IS NULL))
) WITH (fillfactor = 50);

CREATE INDEX smithers_runs_by_age ON smithers_runs (created_at_ms);

-- Apart from runs, since that row is written anew with every step and an input may have a megabyte.
CREATE TABLE smithers_inputs (
  run_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES smithers_runs (run_id) ON DELETE CASCADE,
  input TEXT NOT NULL
);

CREATE TABLE smithers_events (
  run_id TEXT COLLATE "C" NOT NULL REFERENCES smithers_runs (run_id) ON DELETE CASCADE,
  seq BIGINT NOT NULL CHECK (seq >= 0),
  timestamp_ms BIGINT NOT NULL,
  type TEXT NOT NULL,
  node_id TEXT COLLATE "C",
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

CREATE TABLE smithers_approvals (
  run_id TEXT COLLATE "C" NOT NULL REFERENCES smithers_runs (run_id) ON DELETE CASCADE,
  node_id TEXT COLLATE "C" NOT NULL,
  iteration BIGINT NOT NULL CHECK (iteration >= 0),
  status TEXT NOT NULL CHECK (status IN ('requested', 'granted', 'denied', 'cancelled')),
  title TEXT NOT NULL,
  summary TEXT,
  metadata TEXT NOT NULL,
  show TEXT,
  on_deny TEXT NOT NULL CHECK (on_deny IN ('fail', 'continue', 'skip')),
  requested_at_ms BIGINT NOT NULL,
  note TEXT,
  decided_by TEXT,
  decision TEXT,
  decided_at_ms BIGINT,
  PRIMARY KEY (run_id, node_id, iteration),
  CHECK ((decided_at_ms IS NOT NULL) = (status IN ('granted', 'denied')))
);

CREATE TABLE smithers_inbox (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id TEXT COLLATE "C" NOT NULL REFERENCES smithers_runs (run_id) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('approve', 'deny', 'cancel')),
  node_id TEXT COLLATE "C",
  iteration BIGINT,
  note TEXT,
  decided_by TEXT,
  decision TEXT,
  created_at_ms BIGINT NOT NULL,
  CHECK ((kind = 'cancel') = (node_id IS NULL)),
  CHECK ((node_id IS NULL) = (iteration IS NULL))
);

CREATE INDEX smithers_inbox_by_run ON smithers_inbox (run_id, id);
CREATE UNIQUE INDEX smithers_inbox_one_decision
  ON smithers_inbox (run_id, node_id, iteration) WHERE kind IN ('approve', 'deny');
CREATE UNIQUE INDEX smithers_inbox_one_cancel ON smithers_inbox (run_id) WHERE kind = 'cancel';

-- Who is woken, at the commit. A notification makes commits of the whole server wait for one another, so there is none
-- for events that nobody follows: who does holds a shared lock by the run's name (729384 is our own class of them).
-- A request and a raised fence wake the driver in any case, a lease's renewal nobody.
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
CREATE TRIGGER smithers_inbox_filled AFTER INSERT ON smithers_inbox
  FOR EACH ROW EXECUTE FUNCTION smithers_wake();

-- The payload's fields that the views show; a NUL, which JSON may hold and a text of PostgreSQL may not, is replaced.
CREATE VIEW smithers_facts AS
SELECT
  run_id,
  node_id,
  seq,
  timestamp_ms,
  type,
  (fields ->> 'iteration')::bigint AS iteration,
  (fields ->> 'attempt')::bigint AS attempt,
  fields -> 'error' AS error
FROM smithers_events, LATERAL (SELECT replace(payload, '\u0000', '\ufffd')::json AS fields) AS body
WHERE node_id IS NOT NULL;

CREATE VIEW smithers_attempts AS
SELECT
  started.run_id,
  started.node_id,
  started.iteration,
  started.attempt,
  CASE ended.type
    WHEN 'NodeFinished' THEN 'finished'
    WHEN 'NodeFailed' THEN 'failed'
    WHEN 'NodeCancelled' THEN 'cancelled'
    WHEN 'NodeInterrupted' THEN 'interrupted'
    ELSE 'in-progress'
  END AS state,
  started.timestamp_ms AS started_at_ms,
  ended.timestamp_ms AS finished_at_ms,
  ended.error
FROM smithers_facts AS started
LEFT JOIN smithers_facts AS ended
  ON ended.run_id = started.run_id
  AND ended.node_id = started.node_id
  AND ended.type IN ('NodeFinished', 'NodeFailed', 'NodeCancelled', 'NodeInterrupted')
  AND ended.iteration = started.iteration
  AND ended.attempt = started.attempt
WHERE started.type = 'NodeStarted';

CREATE VIEW smithers_nodes AS
SELECT DISTINCT ON (run_id, node_id, iteration)
  run_id,
  node_id,
  iteration,
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
  END AS state,
  timestamp_ms AS changed_at_ms
FROM smithers_facts
WHERE type IN (
  'NodePending', 'NodeStarted', 'NodeFinished', 'NodeFailed', 'NodeCancelled', 'NodeSkipped',
  'NodeWaitingApproval', 'NodeRetrying', 'NodeInterrupted', 'ApprovalGranted', 'ApprovalDenied',
  'NodeWaitingTimer', 'TimerFired')
ORDER BY run_id, node_id, iteration, seq DESC;
