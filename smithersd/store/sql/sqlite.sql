-- Statements for SQLite only. A transaction that writes has locked the whole file before its first statement.

-- name: lock_run
-- The first statement of a request from outside; nobody else can change the run's row until the transaction ends.
SELECT status, owner IS NOT NULL AND lease_expires_at_ms > {now_ms} AS is_leased, signals_kept
FROM {runs} WHERE run_id = :run_id

-- name: end_former_writer
-- Nothing to do: a lock ends with the process that holds it.
SELECT 1 WHERE :run_id IS NULL

-- name: lock_lease
SELECT owner, lease_expires_at_ms > {now_ms} AS has_time_left FROM {runs} WHERE run_id = :run_id

-- name: select_small_outputs
SELECT node_id, iteration, created_at_ms, output
FROM {outputs} WHERE run_id = :run_id AND length(output) <= :length_max

-- name: select_events
SELECT seq, timestamp_ms, type, node_id, payload
FROM {events} WHERE run_id = :run_id AND seq > :after_seq ORDER BY seq LIMIT :limit
