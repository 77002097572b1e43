-- The statements for all databases, by name. Parameters are named (:run_id), and so is every column that is read;
-- {runs}, {events} ... stand for the names of the tables, {now_ms} for the database's time in milliseconds. Statements
-- for one database only are in a file of their own.

-- name: insert_run
-- A run's row with its first lease. It returns no row if the id exists.
INSERT INTO {runs} (run_id, workflow_name, workflow_path, workflow_hash, status, from_run_id, created_at_ms,
                  last_seq, fence, owner, lease_expires_at_ms)
VALUES (:run_id, :workflow_name, :workflow_path, :workflow_hash, :status, :from_run_id, :created_at_ms,
        -1, :fence, :owner, {now_ms} + :lease_ms)
ON CONFLICT (run_id) DO NOTHING
RETURNING run_id

-- name: insert_input
INSERT INTO {inputs} (run_id, input) VALUES (:run_id, :input)

-- name: advance_run
-- The first statement of every step, which also renews the lease. It returns no row if the fence was raised, if the
-- lease was given back, or if the run's last event is not the one before the step's first (:before_seq).
UPDATE {runs}
SET last_seq = CASE WHEN :last_seq > last_seq THEN :last_seq ELSE last_seq END,
    status = :status, signals_kept = :signals_kept, finished_at_ms = :finished_at_ms, error = :error,
    lease_expires_at_ms = {now_ms} + :lease_ms
WHERE run_id = :run_id AND fence = :fence AND owner IS NOT NULL
  AND (CAST(:before_seq AS BIGINT) IS NULL OR last_seq = :before_seq)
RETURNING last_seq

-- name: select_last_seq
SELECT last_seq FROM {runs} WHERE run_id = :run_id AND fence = :fence

-- name: insert_event
INSERT INTO {events} (run_id, seq, timestamp_ms, type, node_id, iteration, attempt, node_state, attempt_state, payload)
VALUES (:run_id, :seq, :timestamp_ms, :type, :node_id, :iteration, :attempt, :node_state, :attempt_state, :payload)

-- name: insert_output
INSERT INTO {outputs} (run_id, node_id, iteration, output, created_at_ms)
VALUES (:run_id, :node_id, :iteration, :output, :created_at_ms)

-- name: insert_frame
INSERT INTO {frames} (run_id, frame_no, created_at_ms, hash, scopes)
VALUES (:run_id, :frame_no, :created_at_ms, :hash, :scopes)

-- name: put_wait
INSERT INTO {waits} (run_id, node_id, iteration, kind, status, request, answer, requested_at_ms, due_at_ms, ended_at_ms)
VALUES (:run_id, :node_id, :iteration, :kind, :status, :request, :answer, :requested_at_ms, :due_at_ms, :ended_at_ms)
ON CONFLICT (run_id, node_id, iteration, kind) DO UPDATE
SET status = excluded.status, request = excluded.request, answer = excluded.answer,
    requested_at_ms = excluded.requested_at_ms, due_at_ms = excluded.due_at_ms, ended_at_ms = excluded.ended_at_ms

-- name: delete_request
DELETE FROM {requests} WHERE id = :id

-- name: select_requests
SELECT id, kind, node_id, iteration, sender, payload, created_at_ms
FROM {requests} WHERE run_id = :run_id ORDER BY id

-- name: select_requests_page
SELECT id, kind, node_id, iteration, sender, payload, created_at_ms
FROM {requests} WHERE run_id = :run_id ORDER BY id LIMIT :limit

-- name: select_requests_of_node
SELECT id, kind, node_id, iteration, sender, payload, created_at_ms
FROM {requests} WHERE run_id = :run_id AND node_id = :node_id ORDER BY id

-- name: select_cancel
SELECT id FROM {requests} WHERE run_id = :run_id AND kind = 'cancel'

-- name: count_signal_requests
SELECT COUNT(*) AS count FROM {requests} WHERE run_id = :run_id AND kind = 'signal'

-- name: is_request_left
SELECT 1 FROM {requests} WHERE run_id = :run_id AND id = :id

-- name: insert_request
INSERT INTO {requests} (run_id, kind, node_id, iteration, sender, payload, created_at_ms)
VALUES (:run_id, :kind, :node_id, :iteration, :sender, :payload, :created_at_ms)
RETURNING id

-- name: select_run
SELECT runs.run_id, workflow_name, workflow_path, workflow_hash, status, input, from_run_id, created_at_ms,
       finished_at_ms, error, last_seq, fence, owner, lease_expires_at_ms, {now_ms} AS store_now_ms
FROM {runs} AS runs JOIN {inputs} AS inputs ON inputs.run_id = runs.run_id
WHERE runs.run_id = :run_id

-- name: select_runs
SELECT runs.run_id, workflow_name, workflow_path, workflow_hash, status, input, from_run_id, created_at_ms,
       finished_at_ms, error, last_seq, fence, owner, lease_expires_at_ms, {now_ms} AS store_now_ms
FROM {runs} AS runs JOIN {inputs} AS inputs ON inputs.run_id = runs.run_id
WHERE (CAST(:is_live AS BOOLEAN) IS NULL OR (status NOT IN ('finished', 'failed', 'cancelled', 'continued')) = :is_live)
ORDER BY created_at_ms DESC, runs.run_id DESC
LIMIT :limit

-- name: select_runs_with_prefix
SELECT runs.run_id, workflow_name, workflow_path, workflow_hash, status, input, from_run_id, created_at_ms,
       finished_at_ms, error, last_seq, fence, owner, lease_expires_at_ms, {now_ms} AS store_now_ms
FROM {runs} AS runs JOIN {inputs} AS inputs ON inputs.run_id = runs.run_id
WHERE substr(runs.run_id, 1, length(CAST(:prefix AS TEXT))) = :prefix
ORDER BY created_at_ms DESC, runs.run_id DESC
LIMIT :limit

-- name: select_lease
SELECT owner, lease_expires_at_ms > {now_ms} AS has_time_left FROM {runs} WHERE run_id = :run_id

-- name: take_lease
UPDATE {runs} SET fence = fence + 1, owner = :owner, lease_expires_at_ms = {now_ms} + :lease_ms WHERE run_id = :run_id
RETURNING fence

-- name: renew_lease
UPDATE {runs} SET lease_expires_at_ms = {now_ms} + :lease_ms
WHERE run_id = :run_id AND fence = :fence AND owner IS NOT NULL
RETURNING run_id

-- name: mark_crashed
-- The fence is raised, so that the driver can write nothing more.
UPDATE {runs} SET fence = fence + 1, owner = :owner, lease_expires_at_ms = {now_ms}
WHERE run_id = :run_id AND fence = :fence AND owner IS NOT NULL

-- name: holds_lease
SELECT 1 FROM {runs}
WHERE run_id = :run_id AND (finished_at_ms IS NOT NULL OR (fence = :fence AND lease_expires_at_ms > {now_ms}))

-- name: is_fence
SELECT 1 FROM {runs} WHERE run_id = :run_id AND fence = :fence

-- name: release_lease
UPDATE {runs} SET owner = NULL, lease_expires_at_ms = NULL WHERE run_id = :run_id AND fence = :fence

-- name: is_node
SELECT 1 FROM {events} WHERE run_id = :run_id AND node_id = :node_id AND type = 'NodePending' LIMIT 1

-- name: select_outputs
SELECT node_id, iteration, output, created_at_ms
FROM {outputs} WHERE run_id = :run_id ORDER BY created_at_ms, node_id, iteration

-- name: select_output
SELECT output FROM {outputs} WHERE run_id = :run_id AND node_id = :node_id AND iteration = :iteration

-- name: select_shown_output
SELECT output FROM {outputs} WHERE run_id = :run_id AND node_id = :node_id
ORDER BY iteration = :iteration DESC, iteration DESC LIMIT 1

-- name: select_frames
SELECT frame_no, created_at_ms, hash, scopes
FROM {frames} WHERE run_id = :run_id AND frame_no > :after_frame_no AND frame_no <= :up_to_frame_no ORDER BY frame_no

-- name: select_waits
SELECT node_id, iteration, kind, status, request, answer, requested_at_ms, due_at_ms, ended_at_ms
FROM {waits} WHERE run_id = :run_id AND kind = :kind ORDER BY requested_at_ms, node_id, iteration

-- name: select_waits_of_node
SELECT node_id, iteration, kind, status, request, answer, requested_at_ms, due_at_ms, ended_at_ms
FROM {waits} WHERE run_id = :run_id AND node_id = :node_id AND kind = :kind ORDER BY iteration

-- name: select_ended_runs
-- is_needed: whether a run that has not ended reuses results of this one.
SELECT run_id, status, finished_at_ms,
       run_id IN (SELECT from_run_id FROM {runs} WHERE finished_at_ms IS NULL AND from_run_id IS NOT NULL) AS is_needed
FROM {runs}
WHERE finished_at_ms < :finished_before_ms AND (finished_at_ms, run_id) > (:after_finished_at_ms, :after_run_id)
ORDER BY finished_at_ms, run_id
LIMIT :limit

-- name: is_prunable
SELECT 1 FROM {runs}
WHERE run_id = :run_id AND finished_at_ms < :finished_before_ms
  AND run_id NOT IN (SELECT from_run_id FROM {runs} WHERE finished_at_ms IS NULL AND from_run_id IS NOT NULL)

-- name: delete_input
-- No reader finds a run without an input.
DELETE FROM {inputs} WHERE run_id = :run_id

-- name: delete_some_requests
DELETE FROM {requests} WHERE id IN (SELECT id FROM {requests} WHERE run_id = :run_id LIMIT :limit) RETURNING 1

-- name: delete_some_waits
DELETE FROM {waits}
WHERE run_id = :run_id
  AND (node_id, iteration, kind) IN (
    SELECT node_id, iteration, kind FROM {waits} WHERE run_id = :run_id LIMIT :limit)
RETURNING 1

-- name: delete_some_frames
DELETE FROM {frames}
WHERE run_id = :run_id AND frame_no IN (SELECT frame_no FROM {frames} WHERE run_id = :run_id LIMIT :limit)
RETURNING 1

-- name: delete_some_outputs
DELETE FROM {outputs}
WHERE run_id = :run_id
  AND (node_id, iteration) IN (SELECT node_id, iteration FROM {outputs} WHERE run_id = :run_id LIMIT :limit)
RETURNING 1

-- name: delete_some_events
-- The last ones, so that the rest of the log has no gap.
DELETE FROM {events}
WHERE run_id = :run_id AND seq > (SELECT MAX(seq) FROM {events} WHERE run_id = :run_id) - :limit
RETURNING 1

-- name: delete_run
DELETE FROM {runs} WHERE run_id = :run_id

-- name: ping
SELECT {now_ms} AS now_ms, EXISTS (SELECT 1 FROM {runs}) AS has_runs
