"""What only a server has: passwords, schemas, roles, hosts, connections that break, sessions that hang."""

import asyncio
import logging
import os
import shutil
import signal
import socket
import traceback
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from smithersd.core.log.states import AttemptState, NodeState
from smithersd.errors import LeaseLost, SmithersError, StoreInvalid, StoreUnavailable
from smithersd.store import Store, open_store
from smithersd.store.postgres import connection as connections
from smithersd.store.postgres import listener
from smithersd.store.postgres.address import parse_address
from smithersd.store.records import EventRow, Topic
from smithersd.store.requests import decision_of
from tests.store.fault_proxy import Fault, FaultProxy, fault_proxy
from tests.store.processes import child, ready_child
from tests.store.rows import NOW_MS, OTHER, approval, begin, decision, end, event, output, pending, step
from tests.store.tls_front import make_certificate, tls_front
from tests.support.backends import PostgresBackend
from tests.support.network import network
from tests.support.ports import free_port
from tests.support.postgres_server import PASSWORD
from tests.support.waiting import DEADLINE_S

NEVER_S = 3_600.0
PREPARED = b"__asyncpg_stmt_"
"""How the driver names what it leaves with a session to be used again."""


@pytest.fixture
async def store(postgres: PostgresBackend) -> AsyncIterator[Store]:
    async with open_store(postgres.url) as opened:
        yield opened


@pytest.fixture
async def proxy(postgres: PostgresBackend) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(postgres.server.port) as running:
        yield running


async def refusal(url: str) -> SmithersError:
    with pytest.raises(SmithersError) as caught:
        async with open_store(url):
            pass
    return caught.value


async def seqs(store: Store) -> list[int]:
    return [row.seq for row in await store.events("run-1", after_seq=-1)]


class TestTheAddress:
    async def test_a_password_is_shown_nowhere(
        self, postgres: PostgresBackend, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        async with open_store(postgres.url) as store:
            assert store.url == f"postgresql://smith@127.0.0.1:{postgres.server.port}/{postgres.database}"
            shown = [store.url, repr(store), repr(vars(store.database)), repr(parse_address(postgres.url))]
        server, dead = postgres.server, free_port()
        for url in (
            server.url("nowhere"), server.url("postgres", user="nobody"), server.url("postgres", port=dead),
            server.url("postgres") + "?sslmode=odd", server.url("postgres") + "?sslmode=require",
            server.url("postgres") + f"?listen_url={quote(server.url('x'), safe='')}&odd=1",
            server.url("postgres") + f"?listen_url={server.url('x')}",
            f"postgresql://smith:{PASSWORD}@h/db", "postgresql://smith:ss?ss/w@h/db", "postgresql://smith:\u2100ss/w@h/db",
            f"postgresql://127.0.0.1:{dead}/db?password=p%40ss%2Fw",
        ):  # fmt: skip
            error = await refusal(url)
            shown += [str(error), str(error.remedy), "".join(traceback.format_exception(error))]
        for text in [*shown, caplog.text]:
            assert "ss/w" not in text
            assert "ss%2Fw" not in text

    @pytest.mark.parametrize("options", ["keepalives=1", "pooling=odd", "connect_timeout=soon", "connect_timeout=0"])
    async def test_an_option_that_is_not_known_is_named(self, options: str) -> None:
        error = await refusal(f"postgresql://smith@127.0.0.1/db?{options}")
        assert isinstance(error, StoreInvalid)
        assert options.partition("=")[0] in str(error)

    @pytest.mark.parametrize(
        ("url", "shown", "dsn", "password"),
        [
            ("postgresql:///db", "postgresql:///db", "postgresql:///db", None),
            ("postgres://u:p%40@h:1,g/d", "postgres://u@h:1,g/d", "postgres://u@h:1,g/d", "p@"),
            ("postgresql://h/d?sslmode=no", "postgresql://h/d?sslmode=no", "postgresql://h/d?sslmode=no", None),
            ("postgresql://h/d?pooling=session", "postgresql://h/d?pooling=session", "postgresql://h/d", None),
            ("postgresql://h/db?password=x&schema=a+b", "postgresql://h/db?schema=a+b", "postgresql://h/db", "x"),
            ("postgresql://[::1]/d?host=/r", "postgresql://[::1]/d?host=%2Fr", "postgresql://[::1]/d?host=%2Fr", None),
        ],
    )  # fmt: skip
    def test_what_is_ours_and_what_is_secret_is_kept_from_the_driver(
        self, url: str, shown: str, dsn: str, password: str | None
    ) -> None:
        address = parse_address(url)
        assert (address.shown, address.dsn, address.password) == (shown, dsn, password)

    async def test_the_first_host_of_several_that_serves_is_used(self, postgres: PostgresBackend) -> None:
        host = f"127.0.0.1:{postgres.server.port}"
        url = postgres.url.replace(host, f"127.0.0.1:{free_port()},{host}") + "?target_session_attrs=primary"
        async with open_store(url) as store:
            await store.commit(begin())

    async def test_that_no_host_takes_writes_is_said(self, postgres: PostgresBackend) -> None:
        error = await refusal(postgres.url + "?target_session_attrs=standby")
        assert isinstance(error, StoreUnavailable)

    async def test_tls_that_the_server_does_not_speak_is_refused(self, postgres: PostgresBackend) -> None:
        assert "SSL" in str(await refusal(postgres.url + "?sslmode=require"))

    @pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
    async def test_tls_options_of_libpq_are_kept(self, postgres: PostgresBackend, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        (certificate, key), (unknown, _) = make_certificate(tmp_path), make_certificate(tmp_path / "other")
        async with tls_front(postgres.server.port, certificate, key) as port:
            url = postgres.server.url(postgres.database, port=port) + "?sslmode=verify-full&sslrootcert="
            async with open_store(f"{url}{certificate}") as store:
                await store.commit(begin())
            error = await refusal(f"{url}{unknown}")
        assert isinstance(error, StoreInvalid)
        assert "certificate verify failed" in str(error)


class TestOpening:
    async def test_a_server_that_is_not_there_is_one_clear_error(self, postgres: PostgresBackend) -> None:
        error = await refusal(postgres.server.url("db", port=free_port()))
        assert isinstance(error, StoreUnavailable)
        assert "refused" in str(error)

    async def test_a_server_that_never_answers_is_given_up_after_the_connect_timeout(self) -> None:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            async with asyncio.timeout(DEADLINE_S):
                error = await refusal(f"postgresql://u:p@127.0.0.1:{silent.getsockname()[1]}/db?connect_timeout=1")
        assert isinstance(error, StoreUnavailable)
        assert "no answer in time" in str(error)

    async def test_a_wrong_password_or_database_is_to_be_mended(self, postgres: PostgresBackend) -> None:
        for url in (postgres.server.url("postgres", password="wrong"), postgres.server.url("nowhere")):
            assert isinstance(await refusal(url), StoreInvalid)

    @pytest.mark.parametrize("schema", ["team", 'Odd "schema"; -- ß'])
    async def test_a_schema_of_its_own_is_made_and_kept_apart(self, postgres: PostgresBackend, schema: str) -> None:
        url = f"{postgres.url}?schema={schema}"
        async with open_store(postgres.url) as plain, open_store(url) as team:
            await team.commit(begin("run-1", event(1)))
            assert await plain.find_run("run-1") is None
        async with open_store(url) as again:
            assert (await again.run("run-1")).last_seq == 1

    async def test_a_role_that_may_not_change_the_schema_can_use_one_that_is_up_to_date(
        self, postgres: PostgresBackend
    ) -> None:
        role = postgres.database
        url = postgres.server.url(postgres.database, user=role, password="pw")
        await postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'")
        try:
            error = await refusal(url)
            assert isinstance(error, StoreInvalid)
            assert "permission denied" in str(error)
            async with open_store(postgres.url):
                pass
            await postgres.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
            async with open_store(url) as store:
                await store.commit(begin("run-1", pending(1, "approval"), waits=(approval(),)))
                await store.submit_decision(*decision())
                await store.take_lease("run-1", OTHER, is_dead=lambda _: True)
        finally:
            await postgres.execute(f"DROP OWNED BY {role}")
            await postgres.execute(f"DROP ROLE {role}")

    async def test_a_store_that_must_exist_is_not_made(self, postgres: PostgresBackend) -> None:
        with pytest.raises(StoreInvalid, match="no store"):
            async with open_store(postgres.url, must_exist=True):
                pass
        assert await postgres.execute("SELECT to_regclass('smithers_runs')::text") == [(None,)]


class TestLosses:
    @pytest.mark.parametrize("after", range(6))
    @pytest.mark.parametrize("fault", [Fault.CUT, Fault.LOSE_ANSWER])
    async def test_a_commit_cut_at_any_point_is_written_once_when_it_is_asked_for_again(
        self, postgres: PostgresBackend, proxy: FaultProxy, fault: Fault, after: int
    ) -> None:
        """BEGIN, the run's row, events, outputs (prepared, then executed), COMMIT."""
        async with open_store(postgres.server.url(postgres.database, port=proxy.port)) as store:
            await store.commit(begin())
            commit = step("run-1", event(1), event(2), outputs=(output("a"),))
            proxy.arm(fault, after)
            with pytest.raises(StoreUnavailable) as caught:
                await store.commit(commit)
            assert caught.value.remedy is not None
            assert await seqs(store) == ([0, 1, 2] if (fault, after) == (Fault.LOSE_ANSWER, 5) else [0])
            await store.commit(commit)
            assert (await seqs(store), await store.outputs("run-1")) == ([0, 1, 2], [output("a")])

    async def test_an_end_whose_answer_was_lost_is_found_out(
        self, postgres: PostgresBackend, proxy: FaultProxy
    ) -> None:
        async with open_store(postgres.server.url(postgres.database, port=proxy.port)) as store:
            await store.commit(begin())
            commit = replace(step("run-1", event(1)), closing=end(2), is_release=True)
            proxy.arm_at(Fault.LOSE_ANSWER, b"COMMIT\0")
            with pytest.raises(StoreUnavailable):
                await store.commit(commit)
            assert (await store.run("run-1")).status == "finished"
            assert (await store.commit(commit)).is_closed

    async def test_a_decision_whose_answer_was_lost_is_accepted_again(
        self, postgres: PostgresBackend, proxy: FaultProxy
    ) -> None:
        async with open_store(postgres.server.url(postgres.database, port=proxy.port)) as store:
            await store.commit(begin("run-1", pending(1, "approval"), waits=(approval(),)))
            proxy.arm_at(Fault.LOSE_ANSWER, b"COMMIT\0")
            with pytest.raises(StoreUnavailable):
                await store.submit_decision(*decision())
            (row,) = await store.requests("run-1")
            assert (await store.submit_decision(*decision())).request_id == row.id

    async def test_a_server_that_falls_silent_is_given_up(
        self, postgres: PostgresBackend, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connections, "POSTGRES_ANSWER_TIMEOUT_S", 0.5)
        async with open_store(postgres.server.url(postgres.database, port=proxy.port)) as store:
            await store.commit(begin())
            proxy.arm(Fault.DROP, after=1)
            with pytest.raises(StoreUnavailable, match="no answer in time"):
                await store.commit(step("run-1", event(1)))
            await store.commit(step("run-1", event(1)))

    async def test_a_connection_that_broke_while_nobody_used_it_is_not_noticed(
        self, postgres: PostgresBackend, store: Store
    ) -> None:
        await store.commit(begin())
        await store.check()
        await postgres.end_sessions()
        await store.commit(step("run-1", event(1)))
        assert await seqs(store) == [0, 1]

    async def test_a_server_that_takes_no_writes_is_waited_for(self, postgres: PostgresBackend, store: Store) -> None:
        await store.commit(begin())
        await postgres.administer("ALTER DATABASE {database} SET default_transaction_read_only = on")
        await postgres.end_sessions()
        with pytest.raises(StoreUnavailable, match="read-only"):
            await store.commit(step("run-1", event(1)))
        assert await seqs(store) == [0]
        await postgres.administer("ALTER DATABASE {database} RESET default_transaction_read_only")
        await store.commit(step("run-1", event(1)))

    async def test_a_server_without_a_free_connection_is_waited_for(self, postgres: PostgresBackend) -> None:
        role = postgres.database
        await postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'pw' CONNECTION LIMIT 1")
        await postgres.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
        try:
            async with open_store(postgres.server.url(postgres.database, user=role, password="pw")) as store:
                await store.commit(begin())
                with pytest.raises(StoreUnavailable, match="too many connections"):
                    await store.check()
                await postgres.execute(f"ALTER ROLE {role} CONNECTION LIMIT 2")
                await store.check()
        finally:
            await postgres.execute(f"DROP OWNED BY {role}")
            await postgres.execute(f"DROP ROLE {role}")

    async def test_a_mistake_of_ours_is_no_refusal(self, store: Store) -> None:
        await store.commit(begin())
        with pytest.raises(asyncpg.UniqueViolationError):
            await store.commit(step("run-1", event(1), outputs=(output("a"), output("a"))))
        await store.commit(step("run-1", event(1)))


class TestSessions:
    async def test_a_takeover_ends_the_session_that_still_holds_the_run(
        self, postgres: PostgresBackend, store: Store
    ) -> None:
        await store.commit(begin())
        stopped = await asyncpg.connect(postgres.url)
        await stopped.execute("BEGIN; UPDATE smithers_runs SET last_seq = 9; SELECT pg_sleep(1.1)")
        lease = await store.take_lease("run-1", OTHER, is_dead=lambda _: False, force=True)
        assert (lease.fence, lease.run.last_seq) == (2, 0)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)):
            await stopped.execute("COMMIT")
        await stopped.close()
        with pytest.raises(LeaseLost):
            await store.commit(step("run-1", event(1)))

    async def test_a_session_that_holds_the_run_is_left_alone_while_its_lease_lasts(
        self, postgres: PostgresBackend, store: Store
    ) -> None:
        await store.commit(begin())
        driver = await asyncpg.connect(postgres.url)
        await driver.execute("BEGIN; UPDATE smithers_runs SET last_seq = 0; SELECT pg_sleep(1.1)")
        with pytest.raises(SmithersError, match="driven"):
            await store.take_lease("run-1", OTHER, is_dead=lambda _: False)
        await driver.execute("COMMIT")
        await driver.close()

    async def test_a_run_costs_a_listener_and_two_connections(self, postgres: PostgresBackend, store: Store) -> None:
        await store.commit(begin())
        store.subscribe("run-1", Topic.REQUESTS, lambda: None)
        store.subscribe("run-1", Topic.EVENTS, lambda: None)
        await asyncio.gather(*(store.check() for _ in range(20)), *(store.renew_lease("run-1", 1) for _ in range(20)))
        async with asyncio.timeout(DEADLINE_S):
            while await postgres.sessions() < 3:
                await store.check()
        await asyncio.gather(*(store.check() for _ in range(20)))
        assert await postgres.sessions() == 3

    @pytest.mark.parametrize("pooling", ["transaction", "session"])
    async def test_a_pooling_proxy_needs_no_session(self, postgres: PostgresBackend, pooling: str) -> None:
        with network(postgres.server.port) as way:
            url = postgres.server.url(postgres.database, port=way.port)
            async with open_store(f"{url}?pooling={pooling}") as store:
                await store.commit(begin("run-1", pending(1, "approval"), waits=(approval(),)))
                await store.submit_decision(*decision())
                assert len(await store.requests("run-1")) == 1
            assert (way.count(PREPARED) == 0) == (pooling == "transaction")

    async def test_a_forked_worker_holds_no_connection(self, postgres: PostgresBackend) -> None:
        async with child("fork_sockets", postgres.url) as other:
            told = await other.line()
            try:
                assert told["here"] >= 2
                assert told["there"] == 0
                other.process.send_signal(signal.SIGKILL)
                async with asyncio.timeout(DEADLINE_S):
                    while await postgres.sessions():
                        pass
            finally:
                os.kill(told["worker"], signal.SIGKILL)


class TestWakeUps:
    @pytest.fixture
    async def run(self, store: Store) -> None:
        await store.commit(begin())

    async def woken_by_another_process(self, postgres: PostgresBackend, url: str) -> None:
        woken = asyncio.Event()
        async with open_store(url) as store, ready_child("commit", postgres.url, "run-1", 1) as other:
            store.subscribe("run-1", Topic.EVENTS, woken.set)
            other.go()
            async with asyncio.timeout(DEADLINE_S):
                while (await store.run("run-1")).last_seq < 1:
                    await woken.wait()
                    woken.clear()

    @pytest.mark.usefixtures("run")
    async def test_notifications_wake_without_the_poll(
        self, postgres: PostgresBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listener, "LISTEN_POLL_S", NEVER_S)
        await self.woken_by_another_process(postgres, postgres.url)

    @pytest.mark.usefixtures("run")
    async def test_the_poll_wakes_without_notifications(
        self, postgres: PostgresBackend, caplog: pytest.LogCaptureFixture
    ) -> None:
        await self.woken_by_another_process(
            postgres, f"{postgres.url}?listen_url=postgresql://127.0.0.1:{free_port()}/nowhere"
        )
        assert "no notifications" in caplog.text

    @pytest.mark.usefixtures("run")
    async def test_a_listener_that_was_cut_off_listens_again(
        self, postgres: PostgresBackend, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listener, "LISTEN_POLL_S", 0.05)
        woken = asyncio.Event()
        store.subscribe("run-1", Topic.EVENTS, woken.set)

        async def listening() -> list[object]:
            which = (
                "SELECT l.pid FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database "
                "WHERE l.locktype = 'advisory' AND d.datname = '{database}'"
            )
            return [row[0] for row in await postgres.administer(which)]

        async with asyncio.timeout(DEADLINE_S):
            while not (first := await listening()):
                pass
            await postgres.end_sessions()
            while (await listening()) in ([], first):
                pass

    @pytest.mark.usefixtures("run")
    async def test_a_renewed_lease_and_our_own_commits_wake_nobody_a_second_time(
        self, postgres: PostgresBackend, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listener, "LISTEN_POLL_S", NEVER_S)
        wakes: list[int] = []
        async with open_store(postgres.url) as other:
            store.subscribe("run-1", Topic.EVENTS, lambda: wakes.append(1))
            async with asyncio.timeout(DEADLINE_S):
                while not wakes:  # it says that it hears now
                    await store.check()
            wakes.clear()
            for seq in range(1, 6):
                await store.commit(step("run-1", event(seq)))
                await other.renew_lease("run-1", 1)
            assert len(wakes) == 5
            await other.commit(step("run-1", event(6)))
            async with asyncio.timeout(DEADLINE_S):
                while len(wakes) < 6:
                    await store.check()
            assert len(wakes) == 6

    @pytest.mark.usefixtures("run")
    async def test_nobody_is_notified_of_events_that_nobody_follows(
        self, postgres: PostgresBackend, store: Store
    ) -> None:
        heard: list[object] = []
        listening = await asyncpg.connect(postgres.url)
        try:
            await listening.add_listener("smithers", lambda *said: heard.append(said[-1]))
            await store.commit(step("run-1", event(1)))
            await listening.fetchval("SELECT pg_advisory_lock_shared(729384, hashtext('run-1'))")
            await store.commit(step("run-1", event(2)))
            async with asyncio.timeout(DEADLINE_S):
                while not heard:
                    await listening.fetchval("SELECT 1")
            assert heard == ["run-1"]
        finally:
            await listening.close()


async def test_a_name_with_a_nul_is_kept_with_a_mark_in_its_place(store: Store) -> None:
    await store.commit(begin("run-1", pending(1, "approval"), waits=(approval(),)))
    await store.submit_decision(*decision(note="a\0b", by="an\0n"))
    (row,) = await store.requests("run-1")
    assert (decision_of(row).note, row.sender) == ("a\0b", "an\ufffdn")


async def test_a_payload_with_a_nul_does_not_break_the_views(postgres: PostgresBackend, store: Store) -> None:
    payload = '{"error": "\\u0000"}'
    began = EventRow(1, NOW_MS, "NodeStarted", "a", payload, 0, 1, NodeState.IN_PROGRESS, AttemptState.IN_PROGRESS)
    failed = EventRow(2, NOW_MS, "NodeFailed", "a", payload, 0, 1, NodeState.FAILED, AttemptState.FAILED)
    await store.commit(begin("run-1", began, failed))
    rows = await postgres.execute("SELECT state, error FROM {attempts}")
    assert [tuple(row) for row in rows] == [("failed", r'"\ufffd"')]
