-- Statements for PostgreSQL only. Transactions are READ COMMITTED: each statement sees what was committed before it.

-- name: lock_run
-- The first statement of a request from outside: it locks the run's row until the transaction ends. A foreign key's
-- lock would be too weak (the driver could end the run meanwhile), and FOR SHARE would let two requests check at once.
SELECT status, owner IS NOT NULL AND lease_expires_at_ms > {now_ms} AS is_leased, signals_kept
FROM {runs} WHERE run_id = :run_id FOR NO KEY UPDATE

-- name: end_former_writer
-- A former driver that was stopped within a transaction still locks the run's row: end its session. The row's xmax is
-- the transaction that locks it. Transactions of less than a second are left alone: they will end by themselves.
SELECT pg_terminate_backend(sessions.pid)
FROM {runs} AS runs JOIN pg_stat_activity AS sessions ON sessions.backend_xid = runs.xmax
WHERE runs.run_id = :run_id AND sessions.usename = current_user
  AND sessions.xact_start < clock_timestamp() - interval '1 second'

-- name: lock_lease
SELECT owner, lease_expires_at_ms > {now_ms} AS has_time_left FROM {runs} WHERE run_id = :run_id FOR NO KEY UPDATE

-- name: select_small_outputs
-- As many as fit into :bytes_max bytes, but at least one.
SELECT node_id, iteration, created_at_ms, output
FROM (
  SELECT node_id, iteration, created_at_ms, output,
         sum(octet_length(output)) OVER (ORDER BY node_id, iteration ROWS UNBOUNDED PRECEDING) AS bytes
  FROM {outputs} WHERE run_id = :run_id AND length(output) <= :length_max
) AS page
WHERE bytes <= :bytes_max OR bytes = octet_length(output)

-- name: select_events
-- As many as fit into :bytes_max bytes, but at least one. octet_length does not read a large payload.
SELECT seq, timestamp_ms, type, node_id, payload
FROM (
  SELECT seq, timestamp_ms, type, node_id, payload,
         sum(octet_length(payload)) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS bytes
  FROM {events} WHERE run_id = :run_id AND seq > :after_seq ORDER BY seq LIMIT :limit
) AS page
WHERE bytes <= :bytes_max OR bytes = octet_length(payload)
ORDER BY seq
