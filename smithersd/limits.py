"""The limits and defaults of smithersd, each with its name and unit.

Everything that can grow has a limit here. What a user may set has its default here, once.
"""

KIB = 1024
MIB = 1024 * KIB

# The author's side
NODE_ID_LENGTH_MAX = 200
SCOPED_ID_LENGTH_MAX = 1_000
"""Characters of an id with the names of the groups and loops around it."""
NODES_MAX = 100_000
"""Nodes that one run may have, over all frames."""
TREE_DEPTH_MAX = 90
"""Elements inside elements, lazy subtrees included; the JSON of a frame is twice as deep and a little more."""
JSON_DEPTH_MAX = 100
"""Lists and objects inside one another, in a JSON value that comes from outside or that is kept inside of another: a
request's body, an input, an approval's metadata, a heartbeat. Readers of JSON give up at some 200."""
OUTPUT_BYTES_MAX = 10 * MIB
OUTPUTS_HELD_BYTES_MAX = 32 * MIB
"""Bytes of outputs that a run's engine keeps in memory; the others are read from the store when they are needed."""
OUTPUT_SMALL_LENGTH = 64 * KIB
"""Characters of an output that a run which is taken up has at hand from the start, as long as all of them fit."""
INPUT_BYTES_MAX = 1 * MIB
RUN_ID_LENGTH_MAX = 200
LABEL_BYTES_MAX = 1 * KIB
"""Bytes of a node's label, and of an approval's title."""
APPROVAL_TEXT_BYTES_MAX = 64 * KIB
"""Bytes of an approval's summary, and of its metadata as JSON; what is larger belongs into the output that it shows."""
MAX_CONCURRENCY_DEFAULT = 4
RETRY_DELAY_S_DEFAULT = 1.0
RETRY_MAX_DELAY_S_DEFAULT = 300.0
CRASHES_IN_A_ROW_MAX = 3
"""A node that is interrupted by a crash once more than this fails with INTERRUPTED_TOO_OFTEN."""

# Attempts
STOP_GRACE_S = 3.0
"""How long an attempt that was told to end may take before it is killed or left behind."""
NODE_OUTPUT_FLUSH_S = 0.1
NODE_OUTPUT_CHUNK_BYTES_MAX = 64 * KIB
NODE_OUTPUT_ATTEMPT_BYTES_MAX = 10 * MIB
START_RETRY_FIRST_S = 0.1
START_RETRY_MAX_S = 2.0
"""How often an attempt that the system has no room for (files, processes, threads) is tried to be started."""
PROGRESS_INTERVAL_S = 0.5
HEARTBEAT_BYTES_MAX = 64 * KIB

# The lease and the store
LEASE_S = 15.0
"""How long a run stays its driver's without a sign of life from it; `open_store` and `up --lease` take another time."""
LEASE_S_MIN = 0.1
LEASE_RENEWALS = 3
"""Renewals that fit into a lease: every 5 s of 15."""
LOOP_LOOK_S = 0.25
"""How often the watchdog asks an event loop for a sign of life."""
LOOP_HELD_S = 1.0
"""How long author code may hold the event loop before it is named."""
HELD_LOOP_LINE_S = 10.0
"""The least time from one such line to the next."""
HELD_LOOP_SAME_LINE_S = 60.0
"""The least time until the same function is named again."""
STANDBY_POLL_S = 0.5
"""How often a process that stands by looks whether the run needs it."""
STORE_RETRY_FIRST_S = 0.1
STORE_RETRY_MAX_S = 1.0
"""Also how late a driver that was cut off finds out that the run was taken from it."""
WRITE_LOCK_RETRY_S = 0.0002
WRITE_LOCK_TIMEOUT_S = 10.0
DATA_VERSION_POLL_S = 0.05
READERS_MAX = 4
"""Connections (each with a thread) that read a SQLite store beside its writer."""
PRUNE_ROWS_MAX = 500
"""Rows that one transaction of a prune deletes: others write in between."""
RUNS_PER_PRUNE_PAGE = 500
POSTGRES_CONNECT_TIMEOUT_S = 5.0
POSTGRES_IDLE_IN_TRANSACTION_MS = 5_000
"""How long a session may hold its locks while its client is silent (stopped, cut off)."""
POSTGRES_LOCK_TIMEOUT_MS = 8_000
"""Longer than a silent session may hold a lock: who waits for one gets it."""
POSTGRES_STATEMENT_TIMEOUT_MS = 10_000
POSTGRES_ANSWER_TIMEOUT_S = 12.0
"""How long we wait for the answer to a transaction: a little longer than the server works on a statement."""
LISTEN_CHECK_S = 30.0
"""How often the listener sends itself a notification, to find out whether it still hears."""
LISTEN_CHECK_TIMEOUT_S = 2.0
LISTEN_POLL_S = 0.5
"""How often those who follow a run look for themselves while the listener hears nothing."""
EVENTS_PER_PAGE_MAX = 5_000
EVENT_PAGE_BYTES_MAX = 4 * MIB

# The feed and the streams
FEED_POLL_S = 0.5
FEED_RING_BYTES_MAX = 4 * MIB
FEED_PAGE_ROWS = 1_000
"""Stored events that a follower who is behind reads at once; followers at the same place share them."""
FEED_PAGES_BYTES_MAX = 8 * MIB
"""Bytes of such pages that one feed remembers for all its followers together."""
FEED_REST_S = 0.000_1
"""How long the tail rests after it woke a follower: some four times what that costs, so that the rest of the loop has
most of the time, however many follow."""
STREAMS_MAX = 1_000
"""Fewer where the process may not open enough files: three of four connections."""
STREAM_WRITE_BYTES_MAX = 64 * KIB
STREAM_PING_S = 8.0
STREAM_DRAIN_S = 1.0
STREAM_RETRY_MS = 1_000
STREAM_RETRY_AFTER_S = 5
"""When a client that found all streams taken should ask again."""

# The serve app
HOST_DEFAULT = "127.0.0.1"
PORT_DEFAULT = 7331
PORT_MAX = 65_535
BODY_BYTES_MAX = 1 * MIB
BODY_TIMEOUT_S = 30.0
BODY_LINGER_S = 1.0
"""How long the rest of a refused body is read and thrown away, so that its sender sees the answer."""
STORE_ANSWER_S = 4.0
"""How long a request waits for a store that is silent, before it is answered with 503."""
READY_TIMEOUT_S = 2.0
"""A store that takes longer to say that it is there is not ready."""
SERVER_STOP_S = 2.0
"""How long plain requests may take to end when the server stops."""
REQUEST_ARRIVAL_S = 1.0
"""How long a server that stops waits for requests on connections that it has taken and that had none yet."""
FILES_MAX = 16_384
"""How many files the process lets itself open, where the system lets it."""
FILES_RESERVED = 256
"""Files of those that connections leave to the engine, its store and its commands."""
CONNECTIONS_MAX = 4_096
IDLE_TIMEOUT_S = 15.0
"""How long a connection may take to bring the head of a request, from its beginning or from the answer before."""
WRITE_TIMEOUT_S = 30.0
"""How long a client may take nothing of what is written to it; then it is cut off."""
SWEEP_S = 5.0
"""How often it is looked whether closed connections still wait for their clients."""
ACCEPT_PAUSE_S = 1.0
"""How long no connection is taken after the system has refused one."""
LOG_REPEAT_S = 5.0
"""How long a line that strangers can cause stands for all that are like it."""
SEND_BUFFER_BYTES = 64 * KIB
"""The kernel's send buffer of a client's socket: what a client that never reads may hold."""
FOLD_SLICE_EVENTS = 200
"""Events that a reader folds before it lets the loop go on."""
APPLIED_WAIT_S = 1.0
"""How long a decision's answer waits for a live engine to have applied it."""
FRAMES_LIMIT_DEFAULT = 50
FRAMES_LIMIT_MAX = 1_000
FRAMES_PAGE_BYTES_MAX = 4 * MIB
NODES_LIMIT_DEFAULT = 1_000
NODES_LIMIT_MAX = 1_000
SHOWN_BYTES_MAX = 64 * KIB
"""Bytes of the output shown with an approval that /approvals carries; the rest is cut and said."""

# What people read
CLOCK_CHECK_S = 1.0
"""How often whoever waits for a time looks whether somebody has put the machine's clock."""

TEXT_READ_IN_LOOP_LENGTH_MAX = 64 * KIB
"""Characters of JSON that an attempt runs with and that are still read in the event loop: about a millisecond."""

CALL_ARGUMENT_LENGTH_MAX = 80
"""Characters of an argument, in what an approval says of the call that it holds back."""
APPROVAL_LINES_MAX = 20
"""Lines of an approval, with what it shows, where there is a screen for it."""
APPROVAL_LINES_LISTED_MAX = 10
"""The same in a list of runs."""
APPROVAL_LINE_LENGTH_MAX = 400

# The process
ATTEMPT_TAG_VARIABLE = "SMITHERS_ATTEMPT"
"""The environment variable by which a process of a shell attempt is known."""
DRIVER_TAG_VARIABLE = "SMITHERS_DRIVER"
"""The environment variable by which whatever a run's driver has started is known."""
FORCED_STOP_S = 5.0
"""How long a process whose run is taken over by force may take to suspend it; then it is killed."""
HOOK_TIMEOUT_S = 30.0
"""How long a command of --on-wait, --on-fail or --on-end may take; then it is killed."""
END_HOOKS_GRACE_S = 10.0
"""How long a process that was asked to stop, and whose run has ended, waits for those that tell of the end."""
STOP_TIMEOUT_S_DEFAULT = 30.0
STOP_POLL_S = 0.05
UNKNOWN_HOLDER_S = 1.0
"""How long a process that holds a run's pidfile may take to be known as the run's, or to let go of it."""
RUNS_LISTED_MAX = 10_000
LOG_POLL_S = 0.2
BACKLOG_LENGTH_MAX = 1 * MIB
"""Characters for a terminal or a pipe that wait for their reader in memory; more wait in a temporary file."""
BACKLOG_FILE_BYTES_MAX = 1024 * MIB
"""Bytes that such a file may have; what comes then is left out, and that is said."""
TRACEBACKS_BYTES_MAX = 1 * MIB
TRACEBACK_BYTES_MAX = 64 * KIB
"""Bytes that the file with what tasks raised may have, and one traceback in it."""
