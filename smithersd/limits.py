"""The limits and defaults of smithersd, each with its unit in its name.

Everything that can grow has a limit here, and every option its default.
"""

KIB = 1024
MIB = 1024 * KIB

# Workflows
NODE_ID_LENGTH_MAX = 200
SCOPED_ID_LENGTH_MAX = 1_000
"""Characters of an id with the names of the groups and loops around it."""
NODES_MAX = 100_000
"""Nodes that one run may have in all its frames together."""
TREE_DEPTH_MAX = 90
"""How deep elements may be nested, including lazy subtrees; a frame's JSON is about twice as deep."""
JSON_DEPTH_MAX = 100
"""How deep lists and objects may be nested in JSON that comes from outside or becomes part of other JSON: a request's
body, an input, an approval's metadata, a heartbeat. JSON parsers refuse more than some 200 levels."""
OUTPUT_BYTES_MAX = 10 * MIB
OUTPUTS_HELD_BYTES_MAX = 32 * MIB
"""Bytes of outputs that an engine keeps in memory; the others are read from the store when they are needed."""
OUTPUT_SMALL_LENGTH = 64 * KIB
"""Characters of an output that a resumed run reads into memory at its start, as long as all of them fit."""
INPUT_BYTES_MAX = 1 * MIB
RUN_ID_LENGTH_MAX = 200
LABEL_BYTES_MAX = 1 * KIB
"""Bytes of a node's label, and of an approval's title."""
APPROVAL_TEXT_BYTES_MAX = 64 * KIB
"""Bytes of an approval's summary, and of its metadata as JSON; larger data belong in the output that it shows."""
SIGNAL_NAME_LENGTH_MAX = 200
"""Characters of a signal's name, and of its correlation id."""
SIGNAL_DATA_BYTES_MAX = 64 * KIB
"""Bytes of the JSON that a signal brings; larger data belong into a file or a bucket."""
SIGNALS_KEPT_MAX = 10_000
"""Signals that a run keeps and that no node has taken."""
MAX_CONCURRENCY_DEFAULT = 4
RETRY_DELAY_S_DEFAULT = 1.0
RETRY_MAX_DELAY_S_DEFAULT = 300.0
CRASHES_IN_A_ROW_MAX = 3
"""Crashes in a row that may interrupt a node; one more, and it fails with INTERRUPTED_TOO_OFTEN."""

# Attempts
STOP_GRACE_S = 3.0
"""How long an attempt that was told to end may take before it is killed or abandoned."""
NODE_OUTPUT_FLUSH_S = 0.1
NODE_OUTPUT_CHUNK_BYTES_MAX = 64 * KIB
NODE_OUTPUT_ATTEMPT_BYTES_MAX = 10 * MIB
START_RETRY_FIRST_S = 0.1
START_RETRY_MAX_S = 2.0
"""The longest time between tries to start an attempt for which the system lacks files, processes or threads."""
PROGRESS_INTERVAL_S = 0.5
SECRET_BYTES_MAX = 64 * KIB
SECRET_LENGTH_MIN = 4
"""Characters of a secret; a shorter one occurs by chance in what an attempt prints."""
HEARTBEAT_BYTES_MAX = 64 * KIB

# The lease and the store
LEASE_S = 15.0
"""How long a lease lasts without a renewal; `open_store(lease_s=)` and `up --lease` set another time."""
LEASE_S_MIN = 0.1
LEASE_RENEWALS = 3
"""Renewals in the time of a lease: every 5 s of 15 s."""
LOOP_LOOK_S = 0.25
"""How often the watchdog checks whether an event loop is blocked."""
LOOP_HELD_S = 1.0
"""How long author code may block the event loop before a warning names it."""
HELD_LOOP_LINE_S = 10.0
"""The shortest time between two such warnings."""
HELD_LOOP_SAME_LINE_S = 60.0
"""The shortest time between two such warnings of the same function."""
STANDBY_POLL_S = 0.5
"""How often a standby process checks whether the run has a driver."""
STORE_RETRY_FIRST_S = 0.1
STORE_RETRY_MAX_S = 1.0
"""The longest time between retries, and so how late a driver that was disconnected finds out that it lost its lease."""
REQUESTS_PER_STEP_MAX = 500
"""Requests from outside that one step of a driver applies; the others follow in the next one."""
WRITE_LOCK_RETRY_S = 0.0002
WRITE_LOCK_TIMEOUT_S = 10.0
DATA_VERSION_POLL_S = 0.05
READERS_MAX = 4
"""Connections, each with a thread, that read a SQLite store."""
PRUNE_ROWS_MAX = 500
"""Rows that one transaction of a prune deletes, so that other writers do not wait for long."""
RUNS_PER_PRUNE_PAGE = 500
POSTGRES_CONNECT_TIMEOUT_S = 5.0
POSTGRES_IDLE_IN_TRANSACTION_MS = 5_000
"""How long a session may hold its locks while its client sends nothing (stopped or disconnected)."""
POSTGRES_LOCK_TIMEOUT_MS = 8_000
"""Longer than a silent session may hold a lock, so that a waiting transaction gets it."""
POSTGRES_STATEMENT_TIMEOUT_MS = 10_000
POSTGRES_ANSWER_TIMEOUT_S = 12.0
"""How long to wait for the server during a transaction: a little longer than its limit for a statement."""
LISTEN_CHECK_S = 30.0
"""How often the listener checks that it still receives notifications."""
LISTEN_CHECK_TIMEOUT_S = 2.0
LISTEN_POLL_S = 0.5
"""How often the followers of runs read the store while the listener receives no notifications."""
EVENTS_PER_PAGE_MAX = 5_000
EVENT_PAGE_BYTES_MAX = 4 * MIB

# The feed and the streams
FEED_POLL_S = 0.5
FEED_RING_BYTES_MAX = 4 * MIB
FEED_PAGE_ROWS = 1_000
"""Stored events that a follower which is behind reads at once; followers at the same position share them."""
FEED_PAGES_BYTES_MAX = 8 * MIB
"""Bytes of such pages that one feed keeps for all its followers together."""
FEED_REST_S = 0.000_1
"""How long the tail pauses after waking a follower: about four times what that takes, so that most of the loop's time
is left for other work, however many followers there are."""
STREAMS_MAX = 1_000
"""Streams at the same time; fewer if the process may not open enough files: three quarters of its connections."""
STREAM_WRITE_BYTES_MAX = 64 * KIB
STREAM_PING_S = 8.0
STREAM_DRAIN_S = 1.0
STREAM_RETRY_MS = 1_000
STREAM_RETRY_AFTER_S = 5
"""When a client that was refused a stream should try again."""

# The serve app
HOST_DEFAULT = "127.0.0.1"
PORT_DEFAULT = 7331
PORT_MAX = 65_535
BODY_BYTES_MAX = 1 * MIB
BODY_TIMEOUT_S = 30.0
BODY_LINGER_S = 1.0
"""How long the rest of a refused body is read and discarded, so that its sender receives the response."""
STORE_ANSWER_S = 4.0
"""How long a request waits for a store that does not answer, before the response is 503."""
READY_TIMEOUT_S = 2.0
"""How long the store may take to answer before /ready says that it is not ready."""
SERVER_STOP_S = 2.0
"""How long requests other than streams may take to end when the server stops."""
REQUEST_ARRIVAL_S = 1.0
"""How long a server that stops waits for the first request on connections that it has accepted."""
FILES_MAX = 16_384
"""The limit of open files that the process sets for itself, if the system allows it."""
FILES_RESERVED = 256
"""How many of these files are kept for the engine, its store and its commands, and not used for connections."""
CONNECTIONS_MAX = 4_096
IDLE_TIMEOUT_S = 15.0
"""How long a connection may take to send the head of a request, from its start or from the response before."""
WRITE_TIMEOUT_S = 30.0
"""How long a client may read nothing of what is written to it before it is disconnected."""
SWEEP_S = 5.0
"""How often the server checks for closed connections that still wait for their clients."""
ACCEPT_PAUSE_S = 1.0
"""How long no connection is accepted after the system has refused one."""
LOG_REPEAT_S = 5.0
"""The shortest time between two lines of the same kind in the log that clients can cause; others are counted."""
SEND_BUFFER_BYTES = 64 * KIB
"""The kernel's send buffer of a client's socket, which limits the memory for a client that never reads."""
FOLD_SLICE_EVENTS = 200
"""Events that a reader folds before it lets other work run in the loop."""
APPLIED_WAIT_S = 1.0
"""How long the response to a decision waits until a live engine has applied it."""
FRAMES_LIMIT_DEFAULT = 50
FRAMES_LIMIT_MAX = 1_000
FRAMES_PAGE_BYTES_MAX = 4 * MIB
NODES_LIMIT_DEFAULT = 1_000
NODES_LIMIT_MAX = 1_000
SHOWN_BYTES_MAX = 64 * KIB
"""Bytes of an output that /approvals shows with an approval; a longer one is cut, and marked as cut."""

# Time and texts
CLOCK_CHECK_S = 1.0
"""How often an alarm checks whether the system clock was set."""

TEXT_READ_IN_LOOP_LENGTH_MAX = 64 * KIB
"""Characters of JSON arguments of an attempt that are parsed in the event loop, which takes about a millisecond."""

CALL_ARGUMENT_LENGTH_MAX = 80
"""Characters of an argument in the call that an approval describes."""
APPROVAL_LINES_MAX = 20
"""Lines of an approval with its output, if it is shown alone."""
APPROVAL_LINES_LISTED_MAX = 10
"""Lines of an approval with its output in a list of runs."""
APPROVAL_LINE_LENGTH_MAX = 400

# The process
ATTEMPT_TAG_VARIABLE = "SMITHERS_ATTEMPT"
"""The environment variable that marks the processes of a shell attempt."""
DRIVER_TAG_VARIABLE = "SMITHERS_DRIVER"
"""The environment variable that marks all processes that a run's driver has started."""
FORCED_STOP_S = 5.0
"""How long a process whose run is taken over by force may take to suspend it before it is killed."""
HOOK_TIMEOUT_S = 30.0
"""How long a command of --on-wait, --on-fail or --on-end may take before it is killed."""
END_HOOKS_GRACE_S = 10.0
"""How long a process that was asked to stop, and whose run has ended, waits for commands of its hooks."""
STOP_TIMEOUT_S_DEFAULT = 30.0
STOP_POLL_S = 0.05
UNKNOWN_HOLDER_S = 1.0
"""How long `down` waits until the process that holds a run's pidfile is recorded, or has released it."""
RUNS_LISTED_MAX = 10_000
LOG_POLL_S = 0.2
BACKLOG_LENGTH_MAX = 1 * MIB
"""Characters for a terminal or a pipe that are kept in memory until they are read; more go to a temporary file."""
BACKLOG_FILE_BYTES_MAX = 1024 * MIB
"""Bytes of such a file; later output is left out, and a line says so."""
TRACEBACKS_BYTES_MAX = 1 * MIB
TRACEBACK_BYTES_MAX = 64 * KIB
"""Bytes of one traceback in the file of the tasks' tracebacks; the file may have TRACEBACKS_BYTES_MAX."""
