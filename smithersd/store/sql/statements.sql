-- The statements that every database understands, by name. Parameters are numbered (?1, ?2 ...), so that $1 or :p1 is a
-- mechanical translation; {runs}, {events} ... are the tables under each backend's name for them; {now_ms} is the
-- database's own clock in milliseconds. What a database must be told in its own way stands in a file of its own.

-- name: insert_run
-- A run's row with its first lease; no row comes back when the id is taken.
INSERT INTO {runs} (run_id, workflow_name, workflow_path, workflow_hash, status, from_run_id, created_at_ms,
                  last_seq, fence, owner, lease_expires_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, -1, ?8, ?9, {now_ms} + ?10)
ON CONFLICT (run_id) DO NOTHING
RETURNING run_id

-- name: insert_input
INSERT INTO {inputs} (run_id, input) VALUES (?1, ?2)

-- name: advance_run
-- The first statement of every step. No row comes back when the fence was raised, when the lease was given back, or
-- when the run's last event is not the one before the step's first (?3). It renews the lease for free.
UPDATE {runs}
SET last_seq = CASE WHEN ?4 > last_seq THEN ?4 ELSE last_seq END,
    status = ?5, finished_at_ms = ?6, error = ?7, lease_expires_at_ms = {now_ms} + ?8
WHERE run_id = ?1 AND fence = ?2 AND owner IS NOT NULL AND (CAST(?3 AS BIGINT) IS NULL OR last_seq = ?3)
RETURNING last_seq

-- name: select_last_seq
SELECT last_seq FROM {runs} WHERE run_id = ?1 AND fence = ?2

-- name: insert_event
INSERT INTO {events} (run_id, seq, timestamp_ms, type, node_id, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6)

-- name: insert_output
INSERT INTO {outputs} (run_id, node_id, iteration, output, created_at_ms) VALUES (?1, ?2, ?3, ?4, ?5)

-- name: insert_frame
INSERT INTO {frames} (run_id, frame_no, created_at_ms, hash, scopes) VALUES (?1, ?2, ?3, ?4, ?5)

-- name: put_approval
INSERT INTO {approvals} (run_id, node_id, iteration, status, title, summary, metadata, show, on_deny, requested_at_ms,
                       note, decided_by, decision, decided_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
ON CONFLICT (run_id, node_id, iteration) DO UPDATE
SET status = excluded.status, title = excluded.title, summary = excluded.summary, metadata = excluded.metadata,
    show = excluded.show, on_deny = excluded.on_deny, requested_at_ms = excluded.requested_at_ms, note = excluded.note,
    decided_by = excluded.decided_by, decision = excluded.decision, decided_at_ms = excluded.decided_at_ms

-- name: delete_inbox
DELETE FROM {inbox} WHERE id = ?1

-- name: select_inbox
SELECT id, kind, node_id, iteration, note, decided_by, decision, created_at_ms
FROM {inbox} WHERE run_id = ?1 ORDER BY id

-- name: is_in_inbox
SELECT 1 FROM {inbox} WHERE run_id = ?1 AND id = ?2

-- name: insert_inbox
INSERT INTO {inbox} (run_id, kind, node_id, iteration, note, decided_by, decision, created_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
RETURNING id

-- name: select_run
SELECT runs.run_id, workflow_name, workflow_path, workflow_hash, status, input, from_run_id, created_at_ms,
       finished_at_ms, error, last_seq, fence, owner, lease_expires_at_ms, {now_ms}
FROM {runs} AS runs JOIN {inputs} AS inputs ON inputs.run_id = runs.run_id
WHERE runs.run_id = ?1

-- name: select_runs
SELECT runs.run_id, workflow_name, workflow_path, workflow_hash, status, input, from_run_id, created_at_ms,
       finished_at_ms, error, last_seq, fence, owner, lease_expires_at_ms, {now_ms}
FROM {runs} AS runs JOIN {inputs} AS inputs ON inputs.run_id = runs.run_id
WHERE (CAST(?1 AS BOOLEAN) IS NULL OR (status NOT IN ('finished', 'failed', 'cancelled', 'continued')) = ?1)
ORDER BY created_at_ms DESC, runs.run_id DESC
LIMIT ?2

-- name: select_runs_with_prefix
SELECT runs.run_id, workflow_name, workflow_path, workflow_hash, status, input, from_run_id, created_at_ms,
       finished_at_ms, error, last_seq, fence, owner, lease_expires_at_ms, {now_ms}
FROM {runs} AS runs JOIN {inputs} AS inputs ON inputs.run_id = runs.run_id
WHERE substr(runs.run_id, 1, length(CAST(?1 AS TEXT))) = ?1
ORDER BY created_at_ms DESC, runs.run_id DESC
LIMIT ?2

-- name: select_lease
SELECT owner, lease_expires_at_ms > {now_ms} FROM {runs} WHERE run_id = ?1

-- name: take_lease
UPDATE {runs} SET fence = fence + 1, owner = ?2, lease_expires_at_ms = {now_ms} + ?3 WHERE run_id = ?1
RETURNING fence

-- name: renew_lease
UPDATE {runs} SET lease_expires_at_ms = {now_ms} + ?3 WHERE run_id = ?1 AND fence = ?2 AND owner IS NOT NULL
RETURNING run_id

-- name: mark_crashed
-- The fence is raised, so that nothing which the driver still has under way can be written.
UPDATE {runs} SET fence = fence + 1, owner = ?3, lease_expires_at_ms = {now_ms}
WHERE run_id = ?1 AND fence = ?2 AND owner IS NOT NULL

-- name: holds_lease
SELECT 1 FROM {runs}
WHERE run_id = ?1 AND (finished_at_ms IS NOT NULL OR (fence = ?2 AND lease_expires_at_ms > {now_ms}))

-- name: is_fence
SELECT 1 FROM {runs} WHERE run_id = ?1 AND fence = ?2

-- name: release_lease
UPDATE {runs} SET owner = NULL, lease_expires_at_ms = NULL WHERE run_id = ?1 AND fence = ?2

-- name: is_node
SELECT 1 FROM {events} WHERE run_id = ?1 AND node_id = ?2 AND type = 'NodePending' LIMIT 1

-- name: select_outputs
SELECT node_id, iteration, output, created_at_ms
FROM {outputs} WHERE run_id = ?1 ORDER BY created_at_ms, node_id, iteration

-- name: select_output
SELECT output FROM {outputs} WHERE run_id = ?1 AND node_id = ?2 AND iteration = ?3

-- name: select_shown_output
SELECT output FROM {outputs} WHERE run_id = ?1 AND node_id = ?2 ORDER BY iteration = ?3 DESC, iteration DESC LIMIT 1

-- name: select_frames
SELECT frame_no, created_at_ms, hash, scopes
FROM {frames} WHERE run_id = ?1 AND frame_no > ?2 AND frame_no <= ?3 ORDER BY frame_no

-- name: select_approvals
SELECT node_id, iteration, status, title, summary, metadata, show, on_deny, requested_at_ms,
       note, decided_by, decision, decided_at_ms
FROM {approvals} WHERE run_id = ?1 ORDER BY requested_at_ms, node_id, iteration

-- name: select_approvals_of_node
SELECT node_id, iteration, status, title, summary, metadata, show, on_deny, requested_at_ms,
       note, decided_by, decision, decided_at_ms
FROM {approvals} WHERE run_id = ?1 AND node_id = ?2 ORDER BY iteration

-- name: select_ended_runs
-- The last column: whether a run that has not ended takes over what this one has done.
SELECT run_id, status, finished_at_ms,
       run_id IN (SELECT from_run_id FROM {runs} WHERE finished_at_ms IS NULL AND from_run_id IS NOT NULL)
FROM {runs}
WHERE finished_at_ms < ?1 AND (finished_at_ms, run_id) > (?2, ?3)
ORDER BY finished_at_ms, run_id
LIMIT ?4

-- name: is_prunable
SELECT 1 FROM {runs}
WHERE run_id = ?1 AND finished_at_ms < ?2
  AND run_id NOT IN (SELECT from_run_id FROM {runs} WHERE finished_at_ms IS NULL AND from_run_id IS NOT NULL)

-- name: delete_input
-- No reader finds a run without one.
DELETE FROM {inputs} WHERE run_id = ?1

-- name: delete_some_inbox
DELETE FROM {inbox} WHERE id IN (SELECT id FROM {inbox} WHERE run_id = ?1 LIMIT ?2) RETURNING 1

-- name: delete_some_approvals
DELETE FROM {approvals}
WHERE run_id = ?1 AND (node_id, iteration) IN (SELECT node_id, iteration FROM {approvals} WHERE run_id = ?1 LIMIT ?2)
RETURNING 1

-- name: delete_some_frames
DELETE FROM {frames}
WHERE run_id = ?1 AND frame_no IN (SELECT frame_no FROM {frames} WHERE run_id = ?1 LIMIT ?2)
RETURNING 1

-- name: delete_some_outputs
DELETE FROM {outputs}
WHERE run_id = ?1 AND (node_id, iteration) IN (SELECT node_id, iteration FROM {outputs} WHERE run_id = ?1 LIMIT ?2)
RETURNING 1

-- name: delete_some_events
-- Those with the greatest numbers.
DELETE FROM {events}
WHERE run_id = ?1 AND seq > (SELECT MAX(seq) FROM {events} WHERE run_id = ?1) - ?2
RETURNING 1

-- name: delete_run
DELETE FROM {runs} WHERE run_id = ?1

-- name: ping
SELECT {now_ms}, EXISTS (SELECT 1 FROM {runs})
