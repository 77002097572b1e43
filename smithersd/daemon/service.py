"""The process that runs a workflow: it opens the store, starts or resumes the run, serves it, drives it, and stops.

The order at the start is the order of what can be undone: nothing is created until the workflow has rendered, and the
port is taken before the run is started.
"""

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
)
from typing import Any

from smithersd.core.log.events import Recorded
from smithersd.core.log.states import NodeState, RunStatus
from smithersd.daemon import command_lines
from smithersd.daemon.guard import guarded
from smithersd.daemon.launch.store_wait import StoreWait
from smithersd.daemon.notify.approval_reports import reporting_approvals
from smithersd.daemon.notify.hooks import running_hooks
from smithersd.daemon.notify.sent import SentFile
from smithersd.daemon.options import Hooks, ServiceOptions
from smithersd.daemon.report import Report, ServiceLog, StandingBy, StartedRun
from smithersd.daemon.signals import StopSignals
from smithersd.daemon.state.hold_run import held_run
from smithersd.daemon.state.process_record import ProcessRecordFile
from smithersd.daemon.state.tracebacks import keeping_tracebacks
from smithersd.daemon.stop import stop_sender
from smithersd.engine import (
    UNSET,
    Engine,
    Standby,
    StartMode,
    SystemClock,
    WorkflowSource,
    check_run_id,
    driver_name,
    fitting_input,
    new_run_id,
    start_run,
)
from smithersd.engine.loading.dry_render import dry_render
from smithersd.errors import InvalidOutput, LeaseLost, ResultNotFound, RunNotFound, StoreUnavailable
from smithersd.exit_codes import ExitCode, exit_code_of_status
from smithersd.limits import STOP_GRACE_S
from smithersd.loggers import logger
from smithersd.posix.open_files import raise_files_limit
from smithersd.posix.terminal import has_terminal
from smithersd.query.result import read_result
from smithersd.query.select import select_run
from smithersd.store import Store, open_store
from smithersd.store.records import RunRow

_log = logger(__name__)

_SIGNAL_CODES = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}
_CAUSES = {signal.SIGINT: RunStatus.CANCELLED, signal.SIGTERM: RunStatus.SUSPENDED}
"""The status that a signal leads to; a run with another final status was not ended by it."""
_SUSPENDED_BY_SIGTERM = "stopped"


class Service:
    """A process that runs a workflow as its options say. Listening `sockets`, if given, replace host and port."""

    def __init__(
        self,
        options: ServiceOptions,
        source: WorkflowSource,
        report: Report,
        log: ServiceLog | None = None,
        *,
        sockets: Sequence[socket.socket] = (),
    ) -> None:
        self._options = options
        self._source = source
        self._report = report
        self._log = log
        self._sockets = sockets
        self._folder = options.storage.folder
        self._input: Any = UNSET if options.input is None else json.loads(options.input)
        self._engine: Engine | None = None
        self._stopped_by: signal.Signals | None = None
        self._is_stopped = asyncio.Event()
        self._is_settled = asyncio.Event()
        self._has_stood_by = False
        self._began_on_terminal = has_terminal()
        self._store_wait = StoreWait(report, self._is_stopped, waits=options.waits_for_store)
        self._abort = asyncio.Event()

    async def run(self) -> ExitCode:
        """Run the workflow; return when its run has ended, or at a signal when it is served.

        An unavailable store is waited for if the options say so. With `is_standby` a driver that lost its lease stands
        by. SIGINT cancels the run, SIGTERM suspends it, a second signal ends the process at once. SIGHUP opens the log
        anew.

        Raises:
            UserError: something that the author or the operator must correct; no run was started.
            StoreUnavailable: the store is unavailable, and is not waited for.
            LeaseLost: another driver took the run, and this process does not stand by.
        """
        signals = StopSignals(
            on_first=self._stop,
            on_second=self._abandon,
            on_hangup=self._hang_up,
            exit_code=self._forced_exit_code,
            before_exit=self._report.release,
        )
        options = self._options
        if options.run_id is not None:
            check_run_id(options.run_id)
        self._check_serving()
        raise_files_limit()
        with signals.installed():
            self._check_unmade_store()
            async with AsyncExitStack() as opened:
                store = await self._store_wait.retry_until_available(
                    lambda: opened.enter_async_context(open_store(options.storage.address, lease_s=options.lease_s))
                )
                if store is not None:
                    await self._run_in(store)
            if self._is_stopped.is_set():
                self._report.release()  # a stopped process does not wait for a slow reader
        return self._exit_code()

    async def _run_in(self, store: Store) -> None:
        run_id = await self._store_wait.retry_until_available(lambda: self._run_id(store))
        if run_id is None:
            return
        async with self._held(run_id) as record_file, self._served(store, run_id) as url:
            record_file.add_addresses(url=url, log_file=None if self._log is None else self._log.path)
            while (engine := await self._start(store, run_id, url, record_file)) is not None:
                is_over = engine.state.status.is_final
                record_file.take_run(driving_since_ms=None if is_over else SystemClock().now_ms())
                try:
                    await self._run(StartedRun(engine, self._options.workflow, self._options.storage, url), store)
                except LeaseLost as error:
                    if not self._options.is_standby:
                        raise
                    self._release_run(error)
                else:
                    return

    async def _run(self, begun: StartedRun, store: Store) -> None:
        """Drive the run to its end, and then serve its final state."""
        engine = begun.engine
        self._begin(begun)
        async with self._running_hooks(begun, store):
            async with reporting_approvals(begun, self._report, store=store), guarded(engine):
                with self._keeping_tracebacks(engine.run_id):
                    await self._drive(engine)
            is_still_served = begun.url is not None and self._keeps_serving(engine.state.status)
            self._report.end(is_still_served=is_still_served, result=await _result(engine, store))
            if is_still_served:
                await self._is_stopped.wait()

    def _release_run(self, error: LeaseLost) -> None:
        """Stand by, because another driver has taken the run; this process's engine is closed."""
        self._engine = None
        self._has_stood_by = True
        self._report.warn(error.message)

    @asynccontextmanager
    async def _held(self, run_id: str) -> AsyncIterator[ProcessRecordFile]:
        """Hold the run, and open its log."""
        async with held_run(self._options, run_id) as record_file:
            try:
                if self._log is not None:
                    self._log.settle(run_id, self._folder.run(run_id))
                yield record_file
            finally:
                if self._engine is None and not self._has_stood_by and self._log is not None:
                    self._log.discard()

    def _keeping_tracebacks(self, run_id: str) -> AbstractContextManager[None]:
        if self._log is not None and self._log.path is not None:
            return nullcontext()  # the log has them
        return keeping_tracebacks(self._folder.run(run_id).tracebacks_file)

    def _check_serving(self) -> None:
        if self._options.serve is not None:
            # A run that is not served needs no web server.
            from smithersd.daemon.serving import check_serving  # noqa: PLC0415

            check_serving(self._options.serve)

    def _check_unmade_store(self) -> None:
        """Check that a run can start before a store is created for it."""
        options = self._options
        if options.storage.store is not None or self._folder.store_path.exists():
            return
        if options.run.mode is StartMode.RESUME or options.run.from_run is not None:
            raise RunNotFound(f"There is no store {str(self._folder.store_path)!r}.", remedy="Start a run first.")
        dry_render(self._source.workflow, run_id=options.run_id or self._new_run_id(), input=self._input)

    def _new_run_id(self) -> str:
        return new_run_id(self._source.workflow.name, SystemClock().now_ms())

    async def _run_id(self, store: Store) -> str:
        """Return the id of the run to start or to resume; a prefix is enough for one that must exist."""
        given = self._options.run_id
        if self._options.run.mode is StartMode.RESUME:
            return (await select_run(store, given)).run_id
        return given or self._new_run_id()

    def _served(self, store: Store, run_id: str) -> AbstractAsyncContextManager[str | None]:
        if self._options.serve is None:
            return nullcontext()
        from smithersd.daemon.serving import served  # noqa: PLC0415 - as above

        return served(
            self._options.serve,
            sockets=self._sockets,
            workflow_name=self._source.workflow.name,
            store=store,
            run_id=run_id,
            abort=self._abort,
            warn=self._report.warn,
            is_settled=self._is_settled,
        )

    async def _start(self, store: Store, run_id: str, url: str | None, record_file: ProcessRecordFile) -> Engine | None:
        """Start or resume the run, as a standby when the driver is gone; return None if stopped before that."""

        def start() -> Awaitable[Engine]:
            return start_run(self._source, store=store, run_id=run_id, input=self._input, options=self._options.run)

        if not self._options.is_standby:
            return await self._store_wait.retry_until_available(start)
        standby = Standby(
            store,
            run_id,
            start,
            on_wait=lambda row: self._stand_by(row, url, record_file),
            has_waited=self._has_stood_by,
        )
        return await standby.start_when_free(self._is_stopped)

    def _stand_by(self, row: RunRow, url: str | None, record_file: ProcessRecordFile) -> None:
        fitting_input(self._source.workflow, row, self._input)  # fail now, not at the takeover
        self._has_stood_by = True
        self._is_settled.set()
        record_file.stand_by()
        self._report.stand_by(StandingBy(row.run_id, self._options.workflow, driver_name(row), url))

    def _begin(self, begun: StartedRun) -> None:
        self._engine = engine = begun.engine
        self._is_settled.set()
        self._report.begin(begun)
        engine.observe(self._show)
        if self._stopped_by is not None:
            self._request_end(engine, self._stopped_by)

    def _show(self, recorded: Sequence[Recorded]) -> None:
        """Report events; an error of a report must not stop the run."""
        try:
            self._report.show(recorded)
        except Exception:  # noqa: BLE001 - the run matters more than any error of a report
            _log.exception("Events could not be reported.")

    def _running_hooks(self, begun: StartedRun, store: Store) -> AbstractAsyncContextManager[None]:
        hooks = self._options.hooks
        if self._has_stood_by and begun.engine.is_ended_before:
            hooks = Hooks()  # the driver that ended the run sends that
        if hooks == Hooks():
            return nullcontext()
        sent = SentFile(self._folder.run(begun.engine.run_id).sent_file)
        return running_hooks(hooks, begun, store=store, sent=sent, is_stopped=self._is_stopped)

    async def _drive(self, engine: Engine) -> None:
        try:
            await engine.drive(is_cancel_crash=True)
        except StoreUnavailable as error:
            if self._stopped_by is None:
                raise
            self._report.warn(f"{error.message} The run's end was not stored; --resume continues from the last commit.")

    def _keeps_serving(self, status: RunStatus) -> bool:
        """Return whether the process continues to serve the run that has ended."""
        if status is RunStatus.FAILED and self._options.ends_when_failed:
            return False
        return status.is_final and not self._is_stopped.is_set()

    # Stopping

    def _stop(self, signum: signal.Signals) -> None:
        engine = self._engine
        if engine is None or not _is_over(engine):
            self._stopped_by = signum
        if engine is not None:
            self._request_end(engine, signum)
        self._is_stopped.set()

    def _hang_up(self) -> None:
        """Reopen the log; but if the terminal has been closed, or there is no log, suspend the run."""
        if self._log is not None:
            self._log.reopen()
        self._report.reload()
        if self._began_on_terminal and (self._log is None or not has_terminal()):
            self._stop(signal.SIGTERM)

    def _request_end(self, engine: Engine, signum: signal.Signals) -> None:
        if not _is_over(engine) and not engine.is_cancel_requested:
            self._report_stopping(engine, signum)
        if signum is signal.SIGINT:
            engine.request_cancel()
        else:
            engine.request_suspend(_SUSPENDED_BY_SIGTERM)

    def _report_stopping(self, engine: Engine, signum: signal.Signals) -> None:
        is_busy = engine.state.count(NodeState.IN_PROGRESS) > 0
        grace = f" Its tasks have {STOP_GRACE_S:g} s to end. A second signal ends at once." if is_busy else ""
        if signum is signal.SIGINT:
            suspend = command_lines.suspend(engine.run_id, storage=self._options.storage)
            self._report.warn(
                f"Cancelling the run: SIGINT (Ctrl+C).{grace}\nTo stop a run without cancelling it: {suspend}"
            )
        else:
            sender = stop_sender(self._folder.run(engine.run_id))
            self._report.warn(f"Suspending the run: SIGTERM{'' if sender is None else f' from {sender}'}.{grace}")

    def _abandon(self) -> None:
        if self._engine is not None:
            self._engine.abandon()

    def _forced_exit_code(self, first: signal.Signals) -> ExitCode:
        """Return the exit code for a process that author code keeps from ending, perhaps with the loop blocked."""
        if self._engine is None or not _is_over(self._engine):
            return _SIGNAL_CODES[first]
        return self._exit_code()

    def _exit_code(self) -> ExitCode:
        engine, stopped_by = self._engine, self._stopped_by
        if stopped_by is not None and (
            engine is None or not _is_over(engine) or engine.state.status is _CAUSES[stopped_by]
        ):
            return _SIGNAL_CODES[stopped_by]
        assert engine is not None, "a service without a run ends by a signal or an error"
        return exit_code_of_status(engine.state.status)


async def _result(engine: Engine, store: Store) -> str | None:
    """Return the run's result as JSON; None if there is none, or if the store does not answer now."""
    try:
        return await read_result(store, engine.state)
    except (ResultNotFound, InvalidOutput, StoreUnavailable):
        return None


def _is_over(engine: Engine) -> bool:
    status = engine.state.status
    return status.is_at_rest
