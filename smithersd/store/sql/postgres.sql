-- What PostgreSQL is told in its own way. Transactions are READ COMMITTED: each statement sees what was committed before.

-- name: lock_run
-- The first statement of a request from outside: the run's row stays as it is until the request is decided. A foreign
-- key's lock would be too weak (the driver could end the run beside it), FOR SHARE would let two requests check at once.
SELECT status, owner IS NOT NULL AND lease_expires_at_ms > {now_ms} AS is_leased
FROM {runs} WHERE run_id = :run_id FOR NO KEY UPDATE

-- name: end_former_writer
-- A former driver that was stopped in the middle of a transaction still holds the run's row: its session is ended. Who
-- holds a row is written in it (xmax); younger transactions come to their own end.
SELECT pg_terminate_backend(sessions.pid)
FROM {runs} AS runs JOIN pg_stat_activity AS sessions ON sessions.backend_xid = runs.xmax
WHERE runs.run_id = :run_id AND sessions.usename = current_user
  AND sessions.xact_start < clock_timestamp() - interval '1 second'

-- name: lock_lease
SELECT owner, lease_expires_at_ms > {now_ms} AS has_time_left FROM {runs} WHERE run_id = :run_id FOR NO KEY UPDATE

-- name: select_small_outputs
-- As many as fit into :bytes_max bytes, the first in any case.
SELECT node_id, iteration, created_at_ms, output
FROM (
  SELECT node_id, iteration, created_at_ms, output,
         sum(octet_length(output)) OVER (ORDER BY node_id, iteration ROWS UNBOUNDED PRECEDING) AS bytes
  FROM {outputs} WHERE run_id = :run_id AND length(output) <= :length_max
) AS page
WHERE bytes <= :bytes_max OR bytes = octet_length(output)

-- name: select_events
-- As many as fit into :bytes_max bytes, the first in any case: the sizes are known without reading what is large.
SELECT seq, timestamp_ms, type, node_id, payload
FROM (
  SELECT seq, timestamp_ms, type, node_id, payload,
         sum(octet_length(payload)) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS bytes
  FROM {events} WHERE run_id = :run_id AND seq > :after_seq ORDER BY seq LIMIT :limit
) AS page
WHERE bytes <= :bytes_max OR bytes = octet_length(payload)
ORDER BY seq
