"""Tests of refold.AsyncClient, in the event loops of asyncio and uvloop, and in one that cannot poll descriptors."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import json
import logging
import os
import pathlib
import signal
import sys
import threading
import time
import unittest
import warnings
import weakref
from collections.abc import AsyncIterator, Awaitable, Coroutine
from typing import Any, Callable, Optional, TypeVar
from unittest import mock

import refold
from refold import _log, _native
from refold._loop import LoopQueue
from test_refold import (
    COMPLETED,
    PATIENCE,
    UNAVAILABLE,
    Lines,
    ProcessTestCase,
    Server,
    TestCase,
    on_thread,
)

Result = TypeVar("Result")


class LoopWithoutReaders(asyncio.SelectorEventLoop):
    """Like the loops of Windows that wait for completed operations."""

    def add_reader(self, *_: Any) -> None:  # type: ignore[override]
        raise NotImplementedError


def new_uvloop() -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = importlib.import_module("uvloop").new_event_loop()
    return loop


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "selector": asyncio.SelectorEventLoop,
    "uvloop": new_uvloop,
    "notify": LoopWithoutReaders,
}


def run_in(loop: asyncio.AbstractEventLoop, main: Coroutine[Any, Any, Result]) -> Result:
    loop.set_debug(False)  # it would be slow
    try:
        return loop.run_until_complete(asyncio.wait_for(main, PATIENCE))
    finally:
        loop.close()


class BusyServer:
    """Receives any number of requests at the same time, and responds when there are enough. Keeps its connections."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_debug(False)
        self._held: set[asyncio.StreamWriter] = set()
        self._wanted = 0  # respond when this many requests are held
        self._arrived = threading.Condition()
        self.most = 0
        self.url = ""
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,))
        self._thread.start()
        started.wait()

    def _run(self, started: threading.Event) -> None:
        async def begin() -> asyncio.AbstractServer:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
            self.url = "http://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
            started.set()
            return server

        async def end() -> None:
            server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)  # closes the connections

        server = self._loop.run_until_complete(begin())
        self._loop.run_forever()
        self._loop.run_until_complete(end())
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self._hold(writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            with self._arrived:
                self._held.discard(writer)
                self._arrived.notify_all()
            writer.close()

    def _hold(self, writer: asyncio.StreamWriter) -> None:
        with self._arrived:
            self._held.add(writer)
            self.most = max(self.most, len(self._held))
            self._arrived.notify_all()
            self._respond(self._wanted)

    def _respond(self, wanted: int) -> None:
        self._wanted = wanted
        if 0 < wanted <= len(self._held):
            for writer in self._held:
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(COMPLETED)}\r\n\r\n{COMPLETED}".encode())
            self._held.clear()

    def respond_to(self, number: int) -> None:
        """Responds when this many requests are held; 0 for never."""
        self._loop.call_soon_threadsafe(self._respond, number)

    def await_held(self, number: int) -> None:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self._held) == number, PATIENCE), len(self._held)

    async def held(self, number: int) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.await_held, number)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def pending(client: refold.AsyncClient) -> int:
    """The number of calls that the queues of a client have not ended."""
    queues = [reference() for reference in client._queues.values()]
    return sum(_native.lib.refold_queue_pending(queue._handle) for queue in queues if queue is not None)


class AsyncTestCase(TestCase):
    def busy_server(self) -> BusyServer:
        server = BusyServer()
        self.addCleanup(server.close)
        return server

    def client(self, server: Optional[Any] = None, **settings: Any) -> refold.AsyncClient:
        own = {"max_retries": 0, "poll_interval": 0.05}
        if server is not None:
            own = {**Server.settings(server), **own}
        return refold.AsyncClient(**{**own, **settings})

    def in_all_loops(self, main: Callable[[], Coroutine[Any, Any, object]]) -> None:
        for name, new_loop in LOOPS.items():
            with self.subTest(loop=name):
                run_in(new_loop(), main())

    async def fails(self, code: int, call: Awaitable[object]) -> refold.Error:
        with self.assertRaises(refold.Error) as caught:
            await call
        self.assertEqual(caught.exception.code, code, caught.exception)
        return caught.exception


class AsyncCallTest(AsyncTestCase):
    def test_get_returns_an_execution(self) -> None:
        async def main() -> None:
            async with self.client() as client:
                execution = await client.get("completed")
                self.assertIs(execution.state, refold.State.COMPLETED)
                self.assertEqual(len(execution.nodes), 8)
                self.assertGreater(execution.timings.total or 0, 0)
                self.assertEqual(execution.attempts, 1)

        self.in_all_loops(main)

    def test_errors_are_those_of_the_blocking_client(self) -> None:
        blocking = self.sandbox()

        async def main() -> None:
            async with self.client() as client:
                for name in ("error-409-other", "no-such-id", "rate-limited-7", ".."):
                    expected = self.raises(blocking_code[name], lambda: blocking.get(name))
                    error = await self.fails(blocking_code[name], client.get(name))
                    for field in ("message", "http_status", "http_error_type", "api_code", "retry_after", "attempts"):
                        self.assertEqual(getattr(error, field), getattr(expected, field), field)
                    self.assertEqual(error.body is None, expected.body is None)
                    self.assertEqual(error.timings.total is None, expected.timings.total is None)

        blocking_code = {"error-409-other": 409, "no-such-id": 404, "rate-limited-7": 429, "..": -1}
        self.in_all_loops(main)

    def test_wait_returns_the_last_snapshot(self) -> None:
        async def main() -> None:
            async with self.client() as client:
                here = threading.get_ident()
                seen: list[refold.Execution] = []

                def show(snapshot: refold.Execution) -> None:
                    seen.append(snapshot)
                    self.assertEqual(threading.get_ident(), here)

                last = await client.wait(new_run(), timeout=30, on_progress=show)
                self.assertIs(seen[-1], last)
                self.assertIs(last.state, refold.State.COMPLETED)
                self.assertEqual({snapshot.status for snapshot in seen[:-1]}, {"RUNNING"})
                self.assertEqual((await client.wait("completed")).status, "COMPLETED")

        self.in_all_loops(main)

    def test_watch_yields_snapshots_up_to_the_last_one(self) -> None:
        async def main() -> None:
            async with self.client() as client:
                watch = client.watch(new_run())
                seen = [snapshot.status async for snapshot in watch]
                self.assertEqual(seen[-1], "COMPLETED")
                self.assertEqual(set(seen[:-1]), {"RUNNING"})
                self.assertEqual([snapshot async for snapshot in watch], [])

        self.in_all_loops(main)

    def test_wait_times_out_with_the_cause(self) -> None:
        async def main() -> None:
            async with self.client(poll_interval=3600) as client:
                error = await self.fails(refold.Code.TIMEOUT, client.wait("error-503", timeout=0.5))
                cause = error.__cause__
                assert isinstance(cause, refold.Error)
                self.assertEqual((cause.code, cause.attempts), (503, 1))
                with self.assertRaises(refold.Error):
                    async for _ in client.watch("stuck", timeout=0.1):
                        pass

        self.in_all_loops(main)

    def test_false_stops_the_wait(self) -> None:
        async def main() -> None:
            calls: list[str] = []

            def show(snapshot: refold.Execution) -> bool:
                calls.append(snapshot.status)
                return len(calls) < 2

            async with self.client() as client:
                await self.fails(refold.Code.CANCELLED, client.wait("stuck", on_progress=show))
                self.assertEqual(calls, ["RUNNING"] * 2)
                self.assertEqual((await client.wait("completed", on_progress=lambda _: False)).status, "COMPLETED")

        self.in_all_loops(main)

    def test_exception_of_progress_ends_the_wait(self) -> None:
        own = LookupError("own")

        def fail(_: refold.Execution) -> None:
            raise own

        async def main() -> None:
            server = Server('{"status": "RUNNING"}')
            try:
                async with self.client(server, poll_interval=3600) as client:
                    with self.assertRaises(LookupError) as caught:
                        await client.wait("an-id", on_progress=fail)
                    self.assertIs(caught.exception, own)
                    await until(lambda: pending(client) == 0)
            finally:
                server.close()

        self.in_all_loops(main)

    def test_invalid_arguments_are_rejected(self) -> None:
        async def progress(_: refold.Execution) -> bool:
            return True

        async def main() -> None:
            async with self.client() as client:
                for invalid in ("an\0id", "half a pair: \ud83d"):
                    with self.assertRaises(ValueError):
                        await client.get(invalid)
                with self.assertRaises(TypeError):
                    await client.get(7)  # type: ignore[arg-type]
                with self.assertRaises(ValueError):
                    await client.wait("stuck", timeout=0)
                with self.assertRaises(ValueError):
                    client.watch("stuck", timeout=-1)
                with self.assertRaisesRegex(TypeError, "on_progress"):
                    await client.wait("stuck", on_progress=progress)  # type: ignore[arg-type]
                self.assertEqual(pending(client), 0)

        self.in_all_loops(main)
        for number in (0, -1, 1025):
            with self.assertRaises(ValueError):
                self.client(max_concurrent=number)
        self.raises(refold.Code.INVALID_ARGUMENT, lambda: self.client(base_url="nonsense"))

    def test_settings_are_those_of_the_blocking_client(self) -> None:
        async def main() -> None:
            server = Server(UNAVAILABLE, COMPLETED)
            try:
                async with self.client(server, max_retries=1, headers={"X-Team": "a"}, user_agent="x/1") as client:
                    self.assertEqual((await client.get("an-id")).attempts, 2)
                    self.assertIn("X-Team: a\r\n", server.heads[0])
                    self.assertRegex(server.heads[0], "(?i)user-agent: x/1 ")
            finally:
                server.close()
            async with self.client(session_token="sandbox.session.token") as client:
                await client.get("completed")
                client.set_session_token("wrong")
                await self.fails(refold.Code.UNAUTHORIZED, client.get("completed"))

        self.in_all_loops(main)

    def test_secrets_are_in_no_repr(self) -> None:
        server = self.server()

        async def main() -> None:
            client = refold.AsyncClient(
                api_key="key-secret",
                linked_account_id="an-account",
                headers={"X-Team": "header-secret"},
                proxy="",
                base_url=server.url,
            )
            task = asyncio.ensure_future(client.get("an-id"))
            watch = client.watch("an-id")
            await asyncio.sleep(0)
            for thing in (client, vars(client), task, watch, vars(watch), *gc.get_referrers(client)):
                self.assertNotIn("secret", repr(thing))
            client.close()
            self.assertNotIn("secret", repr(await self.fails(refold.Code.CANCELLED, task)))

        run_in(asyncio.SelectorEventLoop(), main())


runs = 0


def new_run() -> str:
    global runs
    runs += 1
    return f"running-async-{runs}"


async def until(is_true: Callable[[], bool]) -> None:
    """Waits for something that happens in a moment, and that no event reports."""
    deadline = time.monotonic() + PATIENCE
    while not is_true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.002)


class ConcurrencyTest(AsyncTestCase):
    def test_500_gets_run_256_at_a_time(self) -> None:
        server = self.busy_server()

        async def main() -> None:
            async with self.client(server) as client:
                server.most = 0
                server.respond_to(256)
                gets = [asyncio.ensure_future(client.get(f"id-{number}")) for number in range(500)]
                await asyncio.wait(gets[:256])
                server.respond_to(244)
                executions = await asyncio.gather(*gets)
                self.assertEqual([execution.id for execution in executions], [f"id-{n}" for n in range(500)])
                self.assertEqual(server.most, 256)
                self.assertEqual(pending(client), 0)

        self.in_all_loops(main)

    def test_threads_are_bounded_by_max_concurrent(self) -> None:
        server = self.busy_server()

        def threads() -> int:
            count = 0
            for task in pathlib.Path("/proc/self/task").iterdir():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
                    count += (task / "comm").read_text() == "refold-queue\n"
            return count

        async def main() -> None:
            async with self.client(server, max_concurrent=3) as client:
                before = threads()
                gets = [asyncio.ensure_future(client.get("an-id")) for _ in range(50)]
                await server.held(3)
                self.assertLessEqual(threads() - before, 4)
                server.respond_to(1)
                await asyncio.gather(*gets)
                self.assertEqual(server.most, 3)
                server.respond_to(0)

        self.in_all_loops(main)

    def test_loops_of_threads_share_a_client(self) -> None:
        client = self.client()

        async def main() -> int:
            executions = await asyncio.gather(*(client.get("completed") for _ in range(20)), client.wait(new_run()))
            return len(executions)

        results: list[int] = []
        threads = [
            threading.Thread(target=lambda new_loop=new_loop: results.append(run_in(new_loop(), main())))
            for new_loop in [*LOOPS.values()] * 2
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(results, [21] * 6)

    def test_loops_use_a_client_one_after_another(self) -> None:
        client = self.client()
        with self.counted("refold_queue_new") as made, self.counted("refold_queue_free") as freed:
            for _ in range(3):
                for new_loop in LOOPS.values():
                    self.assertEqual(run_in(new_loop(), client.get("completed")).status, "COMPLETED")
                self.assertEqual(asyncio.run(client.get("completed")).status, "COMPLETED")
            gc.collect()
            self.assertEqual(made.count, 12)
            # A thread of a queue that is about to end may be the last that refers to the queue, and cannot free it itself.
            asyncio.run(until(lambda: freed.count + len(LoopQueue.unfreed) == 12))

    def test_slow_consumer_gets_the_latest_snapshot(self) -> None:
        async def main(is_blocked: bool) -> None:
            server = Server(*[json.dumps({"status": "RUNNING", "completion_percentage": n}) for n in range(1, 6)])
            loop = asyncio.get_running_loop()
            try:
                async with self.client(server, poll_interval=0.01) as client:
                    watch = client.watch("an-id")
                    await watch.__anext__()
                    for _ in range(6):
                        if is_blocked:
                            server.await_request()
                        else:
                            await loop.run_in_executor(None, server.await_request)
                    snapshot = await watch.__anext__()
                    self.assertEqual(snapshot.completion_percentage, 5)
                    await watch.aclose()
                    await until(lambda: pending(client) == 0)
            finally:
                server.close()

        for is_blocked in (False, True):
            self.in_all_loops(lambda: main(is_blocked))

    def test_second_consumer_of_a_watch_is_rejected(self) -> None:
        async def main() -> None:
            server = Server()
            try:
                async with self.client(server) as client:
                    watch = client.watch("an-id")
                    first = asyncio.ensure_future(watch.__anext__())
                    await asyncio.sleep(0)
                    with self.assertRaises(RuntimeError):
                        await watch.__anext__()
                    self.assertFalse(first.done())
                    first.cancel()
            finally:
                server.close()

        self.in_all_loops(main)


class TaskCancellationTest(AsyncTestCase):
    def test_cancelling_a_task_cancels_its_call(self) -> None:
        async def main() -> None:
            server = Server()
            loop = asyncio.get_running_loop()
            try:
                async with self.client(server) as client:
                    for call in (client.get("an-id"), client.wait("an-id"), collect(client.watch("an-id"))):
                        task = asyncio.ensure_future(call)
                        await loop.run_in_executor(None, server.await_request)
                        task.cancel()
                        with self.assertRaises(asyncio.CancelledError):
                            await task
                        await loop.run_in_executor(None, server.await_disconnect)
                    await until(lambda: pending(client) == 0)
            finally:
                server.close()

        self.in_all_loops(main)

    def test_timeouts_of_asyncio_cancel_the_call(self) -> None:
        async def main() -> None:
            server = Server()
            loop = asyncio.get_running_loop()
            try:
                async with self.client(server) as client:
                    with self.assertRaises(asyncio.TimeoutError):
                        await asyncio.wait_for(client.get("an-id"), 0.05)
                    await loop.run_in_executor(None, server.await_disconnect)
                    if sys.version_info >= (3, 11):
                        with self.assertRaises(TimeoutError):
                            async with asyncio.timeout(0.05):
                                await client.wait("an-id")
                        await loop.run_in_executor(None, server.await_disconnect)
            finally:
                server.close()

        self.in_all_loops(main)

    def test_leaving_a_watch_cancels_the_wait(self) -> None:
        async def leave(client: refold.AsyncClient) -> None:
            async for _ in client.watch("an-id"):
                break

        async def leave_by_exception(client: refold.AsyncClient) -> None:
            with contextlib.suppress(LookupError):
                async for _ in client.watch("an-id"):
                    raise LookupError

        async def close(client: refold.AsyncClient) -> None:
            watch = client.watch("an-id")
            await watch.__anext__()
            await watch.aclose()
            self.assertEqual(await collect(watch), [])

        async def main() -> None:
            for abandon in (leave, leave_by_exception, close):
                server = Server('{"status": "RUNNING"}')
                try:
                    async with self.client(server, poll_interval=3600) as client:
                        await abandon(client)
                        await until(lambda: pending(client) == 0)
                finally:
                    server.close()

        self.in_all_loops(main)

    def test_1000_cancelled_calls_leave_nothing(self) -> None:
        server = self.busy_server()

        async def cancel_many(client: refold.AsyncClient, number: int) -> None:
            kinds: list[Callable[[], Coroutine[Any, Any, object]]] = [
                lambda: client.get("an-id"),
                lambda: client.wait("an-id"),
                lambda: collect(client.watch("an-id")),
            ]
            tasks = [asyncio.ensure_future(kinds[index % 3]()) for index in range(number)]
            await server.held(min(number, 50))
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            self.assertEqual({type(result) for result in results}, {asyncio.CancelledError})
            await until(lambda: pending(client) == 0)
            await server.held(0)

        async def main() -> None:
            with self.counted("refold_cancel_new") as made, self.counted("refold_cancel_free") as freed:
                async with self.client(server, max_concurrent=50) as client:
                    await cancel_many(client, 60)
                    gc.collect()
                    before = descriptors()
                    await cancel_many(client, 1000)
                    await until(lambda: descriptors() <= before)
                    gc.collect()
                    self.assertEqual(made.count, 1060)
                    self.assertEqual(freed.count, 1060)

        self.in_all_loops(main)

    def test_call_that_never_starts_costs_nothing(self) -> None:
        async def main() -> None:
            async with self.client() as client:
                watch = client.watch("stuck")
                del watch
                task = asyncio.ensure_future(client.get("stuck"))
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                self.assertEqual(len(client._queues), 0)

        self.in_all_loops(main)


async def collect(watch: AsyncIterator[refold.Execution]) -> list[refold.Execution]:
    return [snapshot async for snapshot in watch]


class LifetimeTest(AsyncTestCase):
    def test_closing_a_client_cancels_its_calls(self) -> None:
        async def main() -> None:
            server = Server()
            loop = asyncio.get_running_loop()
            try:
                closings: list[Callable[[refold.AsyncClient], None]] = [
                    lambda client: client.close(),
                    lambda client: on_thread(client.close),
                ]
                for close in closings:
                    with self.counted("refold_queue_free") as freed, self.counted("refold_client_free") as clients:
                        client = self.client(server)
                        get = asyncio.ensure_future(client.get("an-id"))
                        await loop.run_in_executor(None, server.await_request)
                        close(client)
                        await self.fails(refold.Code.CANCELLED, get)
                        await until(lambda: freed.count == 1 and clients.count == 1)
                    with self.assertRaisesRegex(ValueError, "closed"):
                        await client.get("an-id")
                    with self.assertRaisesRegex(ValueError, "closed"):
                        await collect(client.watch("an-id"))
            finally:
                server.close()

        self.in_all_loops(main)

    def test_unreachable_client_is_freed(self) -> None:
        async def main() -> None:
            with self.counted("refold_queue_free") as freed, self.counted("refold_client_free") as clients:
                client: Optional[refold.AsyncClient] = self.client()
                assert client is not None
                await client.get("completed")
                client = None
                gc.collect()
                await until(lambda: (freed.count, clients.count) == (1, 1))

        self.in_all_loops(main)

    def test_closing_a_loop_ends_its_calls(self) -> None:
        for name in ("selector", "uvloop"):
            with self.subTest(loop=name), self.counted("refold_queue_free") as freed:
                server = self.server()
                client = self.client(server)
                loop = LOOPS[name]()

                async def begin() -> asyncio.Task[refold.Execution]:
                    task = asyncio.ensure_future(client.get("an-id"))
                    await loop.run_in_executor(None, server.await_request)
                    return task

                task = loop.run_until_complete(begin())
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                loop.run_until_complete(loop.shutdown_default_executor())
                loop.close()
                self.assertEqual(freed.count, 1)
                server.await_disconnect()

    def test_closed_loop_that_the_library_wakes_ends_its_calls(self) -> None:
        # It is noticed at the next event: of a wait, at its next snapshot.
        for is_taken in (False, True):
            server = self.server(*['{"status": "RUNNING"}'] * 100)
            client = self.client(server, poll_interval=0.01)
            loop = LoopWithoutReaders()

            async def begin() -> asyncio.Task[refold.Execution]:
                first = loop.create_future()
                task = asyncio.ensure_future(client.wait("an-id", on_progress=lambda _: first.cancel() and None))
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                await (asyncio.wait([first]) if is_taken else asyncio.sleep(0))
                return task

            with self.counted("refold_cancel_trigger") as triggered:
                task = loop.run_until_complete(begin())
                if not is_taken:
                    for _ in range(2):
                        server.await_request()
                self.assertEqual(triggered.count, 0)
                loop.close()
                # A thread of the library may still be about to wake the loop.
                asyncio.run(until(lambda: triggered.count > 0))
                self.assertEqual(triggered.count, 1)
            del task

    def test_unreachable_loop_ends_its_calls(self) -> None:
        server = self.server()
        client = self.client(server)

        def abandon() -> None:
            loop = asyncio.SelectorEventLoop()

            async def begin() -> None:
                task = asyncio.ensure_future(client.get("an-id"))
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                await asyncio.sleep(0)

            loop.run_until_complete(begin())

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            abandon()
            server.await_request()
            gc.collect()
        server.await_disconnect()

    def test_queue_is_not_freed_on_its_own_threads(self) -> None:
        client = self.client()
        with self.counted("refold_queue_free") as freed:
            loop = asyncio.SelectorEventLoop()
            loop.run_until_complete(client.get("completed"))
            with mock.patch.object(_log.this_thread, "is_in_callback", True):
                loop.close()
            self.assertEqual(freed.count, 0)
            asyncio.run(client.get("completed"))
            self.assertEqual(freed.count, 2)

    def test_client_works_in_a_forked_child(self) -> None:
        async def main() -> None:
            server = Server()
            loop = asyncio.get_running_loop()
            try:
                async with self.client() as client, self.client(server) as waiting:
                    await client.get("completed")
                    get = asyncio.ensure_future(waiting.get("an-id"))
                    await loop.run_in_executor(None, server.await_request)
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore", DeprecationWarning)
                        child = os.fork()
                    if child == 0:
                        status = 1
                        try:
                            signal.alarm(PATIENCE)
                            status = 2 if asyncio.run(client.get("completed")).status != "COMPLETED" else 0
                            client.close()
                            waiting.close()
                            gc.collect()
                        finally:
                            os._exit(status)
                    ended = await loop.run_in_executor(None, os.waitpid, child, 0)
                    self.assertEqual(os.waitstatus_to_exitcode(ended[1]), 0)
                    self.assertEqual((await client.get("completed")).status, "COMPLETED")
                    self.assertFalse(get.done())
                    waiting.close()
                    await self.fails(refold.Code.CANCELLED, get)
            finally:
                server.close()

        self.in_all_loops(main)


class AsyncLogTest(AsyncTestCase):
    def test_lines_are_logged_on_the_loop_before_the_result(self) -> None:
        async def main() -> None:
            lines = Lines()
            async with self.client(log=lines.logger()) as client:
                await client.get("completed")
                self.assertRegex(lines.text, r"INFO call \d+ [^:]*: execution completed: OK, COMPLETED; .*\n\Z")
                self.assertEqual({record.thread for record in lines.records}, {threading.get_ident()})
                lines.records.clear()
                await self.fails(404, client.get("no-such-id"))
                self.assertRegex(lines.text, r"INFO call \d+ [^:]*: execution no-such-id: NOT_FOUND .*\n\Z")

        self.in_all_loops(main)

    def test_lines_are_logged_during_a_call(self) -> None:
        async def main() -> None:
            server = Server()
            sent = asyncio.Event()
            lines = Lines(lambda record: sent.set() if "sent GET" in record.getMessage() else None)
            try:
                async with self.client(server, log=lines.logger()) as client:
                    get = asyncio.ensure_future(client.get("an-id"))
                    await sent.wait()
                    self.assertFalse(get.done())
                    get.cancel()
            finally:
                server.close()

        self.in_all_loops(main)

    def test_last_lines_of_calls_of_a_closed_loop_are_logged(self) -> None:
        server = self.server()
        lines = Lines()
        client = self.client(server, log=lines.logger(logging.INFO))
        with contextlib.suppress(asyncio.TimeoutError):
            asyncio.run(asyncio.wait_for(client.get("an-id"), 0.05))
        self.assertRegex(lines.text, r"\AINFO call .*CANCELLED \(-2\).*\n\Z")

    def test_exception_of_a_handler_is_dropped_but_exit_propagates(self) -> None:
        async def get(lines: Lines) -> str:
            async with self.client(log=lines.logger(logging.INFO)) as client:
                return (await client.get("completed")).status

        for new_loop in LOOPS.values():
            self.assertEqual(run_in(new_loop(), get(Lines(lambda _: 1 // 0))), "COMPLETED")
        loop = asyncio.SelectorEventLoop()
        main = loop.create_task(get(Lines(lambda _: sys.exit(7))))
        with self.assertRaises(SystemExit):
            loop.run_until_complete(main)
        self.assertEqual(loop.run_until_complete(main), "COMPLETED")
        loop.close()

    def test_handler_may_use_a_blocking_client(self) -> None:
        lines = Lines(lambda _: blocking.get("completed"))
        blocking = self.sandbox(log=lines.logger())

        async def main() -> None:
            lines.records.clear()
            async with self.client(log=lines.logger()) as client:
                await client.get("errored")
            self.assertNotIn("execution completed", lines.text)

        self.in_all_loops(main)

    def test_log_lives_as_long_as_the_client_and_its_calls(self) -> None:
        async def main() -> None:
            lines = Lines()
            logger = lines.logger()
            last = weakref.ref(logger)
            async with self.client(log=logger) as client:
                del logger
                await client.get("completed")
            del client
            gc.collect()
            await until(lambda: last() is None)

        self.in_all_loops(main)


class AsyncProcessTest(ProcessTestCase):
    PROGRAM = ProcessTestCase.COUNT_LINES + """
import asyncio, os, uvloop
logging.getLogger("asyncio").disabled = True
client = refold.AsyncClient(poll_interval=0.01)
async def main():
    await asyncio.gather(*(client.wait("stuck") for _ in range(8)))
"""

    def test_interpreter_exits_while_loops_of_daemon_threads_run(self) -> None:
        program = """
for loop in (asyncio.new_event_loop(), uvloop.new_event_loop()):
    threading.Thread(target=loop.run_until_complete, args=(main(),), daemon=True).start()
for _ in range(200):
    lines.acquire()
print("done")
"""
        self.assertEqual(self.ends(self.start(self.PROGRAM + program), 0, "done\n"), "")

    def test_interpreter_exits_with_a_stopped_loop(self) -> None:
        program = """
loop = asyncio.new_event_loop()
task = loop.create_task(main())
loop.run_until_complete(asyncio.sleep(0.2))
print("done")
"""
        self.ends(self.start(self.PROGRAM + program), 0, "done\n")

    def test_ctrl_c_ends_asyncio_run(self) -> None:
        program = """
import asyncio
client = refold.AsyncClient(**SETTINGS)
async def main():
    try:
        await client.get("an-id")
    except asyncio.CancelledError:
        print("cancelled")
        raise
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""
        server = self.server()
        process = self.interrupt(program.replace("SETTINGS", repr(server.settings())), server)
        self.assertEqual(self.ends(process, 0, "cancelled\ninterrupted\n"), "")

    def test_multiprocessing_forks_with_calls_in_flight(self) -> None:
        program = """
import multiprocessing, warnings
warnings.simplefilter("ignore", DeprecationWarning)
async def get():
    return (await client.get("completed")).status
def work():
    print(asyncio.run(get()), flush=True)
async def fork():
    waits = asyncio.ensure_future(main())
    print(await get(), flush=True)
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    await asyncio.get_running_loop().run_in_executor(None, process.join)
    print(process.exitcode, waits.done())
    waits.cancel()
asyncio.run(fork())
"""
        self.assertEqual(self.ends(self.start(self.PROGRAM + program), 0, "COMPLETED\nCOMPLETED\n0 False\n"), "")

    def watch(self, *arguments: str) -> tuple[int, str, str]:
        ended = self.run_program("watch.py", *arguments)
        return ended.returncode, ended.stdout, ended.stderr

    def test_watch_program_shows_a_line_for_each_change(self) -> None:
        runs = [new_run() for _ in range(3)]
        status, out, err = self.watch(*runs)
        self.assertEqual((status, err), (0, ""))
        for name in runs:
            lines = [line for line in out.splitlines() if name in line]
            self.assertEqual(len(lines), len(set(lines)))
            self.assertRegex(lines[0], "RUNNING")
            self.assertRegex(lines[-1], "COMPLETED, 100 %$")

    def test_watch_program_reports_failures(self) -> None:
        status, out, err = self.watch("no-such-id", "completed")
        self.assertEqual(status, 1)
        self.assertRegex(err, r"\Awatch: no-such-id: Execution not found \(404 NOT_FOUND, host .*\)\n\Z")
        self.assertIn("COMPLETED", out)
        self.assertEqual(self.watch("errored")[0], 1)
        self.assertEqual(self.watch(), (1, "", "usage: watch.py [--verbose] EXECUTION_ID...\n"))
        self.assertRegex(self.watch("--verbose", "completed")[2], r"(?m)^DEBUG call .* sent GET ")


if __name__ == "__main__":
    unittest.main()
