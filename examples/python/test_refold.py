"""Tests of the package refold, against the sandbox that tests/python.sh starts and against a server in this process."""

from __future__ import annotations

import base64
import contextlib
import copy
import errno
import faulthandler
import gc
import json
import logging
import math
import os
import pathlib
import pickle
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, Optional, TypeVar
from unittest import mock

import refold
from refold import _json, _library, _native, _timings

DOCUMENTED = "6a106ba44480b80424a65289"
HERE = pathlib.Path(__file__).resolve().parent
PATIENCE = 60  # seconds to wait for what should happen immediately

Result = TypeVar("Result")


def setUpModule() -> None:
    """Restores the handler of SIGINT: shells start background commands with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    faulthandler.dump_traceback_later(5 * PATIENCE, exit=True)  # ends a hanging call


class Server:
    """Sends each body once, one per connection, and then never responds. Runs in Python, on its own thread.

    A body that begins with "HTTP/1.1" is a whole response.
    """

    def __init__(self, *bodies: str) -> None:
        self._bodies = list(bodies)
        self._held: list[socket.socket] = []
        self.heads: list[str] = []  # of the requests
        self._requests = threading.Semaphore(0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            head = b""
            while received := connection.recv(65536):
                head += received
                if b"\r\n\r\n" in head:
                    break
            if not received:  # closed before the request was complete
                connection.close()
                continue
            self.heads.append(head.decode())
            if self._bodies:
                body = self._bodies.pop(0)
                whole = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
                connection.sendall((body if body.startswith("HTTP/1.1 ") else whole).encode())
                connection.close()
            else:
                self._held.append(connection)
            self._requests.release()

    def await_request(self) -> None:
        assert self._requests.acquire(timeout=PATIENCE)

    def await_disconnect(self) -> None:
        """Waits until the last client without a response closes its connection."""
        assert select.select([self._held[-1]], [], [], PATIENCE)[0]
        assert self._held[-1].recv(1) == b""

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for connection in self._held:
            connection.close()

    def client(self, **settings: Any) -> refold.Client:
        return refold.Client(**{**self.settings(), **settings})

    def settings(self) -> dict[str, Any]:
        return {
            "base_url": self.url,
            "api_key": "tk_key",
            "linked_account_id": "an-account",
            "timeout": None,
            "max_retries": 0,
            "poll_interval": 0.01,
        }


def on_thread(function: Callable[[], Result]) -> Result:
    """Calls a function on a new thread, and returns its result or raises its exception."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


class TestCase(unittest.TestCase):
    def server(self, *bodies: str) -> Server:
        server = Server(*bodies)
        self.addCleanup(server.close)
        return server

    def sandbox(self, **settings: Any) -> refold.Client:
        return refold.Client(**{"max_retries": 0, "poll_interval": 0.05, **settings})

    def raises(self, code: int, call: Callable[[], object]) -> refold.Error:
        with self.assertRaises(refold.Error) as caught:
            call()
        self.assertEqual(caught.exception.code, code, caught.exception)
        return caught.exception

    @contextmanager
    def counted(self, name: str) -> Iterator[Counter]:
        """Counts the calls of a C function."""
        counter = Counter(getattr(_native.lib, name))
        with mock.patch.object(_native.lib, name, counter):
            yield counter

    def on_both_threads(self, call: Callable[[], Result]) -> Iterator[Callable[[], Result]]:
        """Yields the call for the main thread, where Python handles signals, and for another thread."""
        for name, variant in (("main", call), ("another", lambda: on_thread(call))):
            with self.subTest(thread=name):
                yield variant


class GetTest(TestCase):
    def test_get_returns_an_execution(self) -> None:
        client = self.sandbox()
        for get in self.on_both_threads(lambda: client.get(DOCUMENTED)):
            execution = get()
            self.assertEqual(execution.id, DOCUMENTED)
            self.assertEqual(execution.name, "Execution for workflow 6a106ba44480b80424a65289")
            self.assertIs(execution.state, refold.State.COMPLETED)
            self.assertEqual(execution.completion_percentage, 100)
            self.assertEqual([node.name for node in execution.nodes], ["Start"])
            self.assertEqual(execution.nodes[0].latest_output["message"], "Workflow started successfully")

    def test_session_token_replaces_key_of_environment(self) -> None:
        with self.sandbox(session_token="sandbox.session.token") as client:
            self.assertEqual(client.get("completed").status, "COMPLETED")
            client.set_session_token("wrong")
            self.raises(refold.Code.UNAUTHORIZED, lambda: client.get("completed"))
            client.set_session_token("sandbox.session.token")
            self.assertEqual(client.get("completed").status, "COMPLETED")

    def test_rejected_session_token_keeps_the_old_one(self) -> None:
        with self.sandbox(session_token="sandbox.session.token") as client:
            error = self.raises(refold.Code.INVALID_ARGUMENT, lambda: client.set_session_token(""))
            self.assertIn("is invalid", error.message)
            # The result in a process that was forked while another thread set a token.
            failing = mock.Mock(return_value=refold.Code.INTERNAL.value)
            with mock.patch.object(_native.lib, "refold_client_set_session_token", failing):
                error = self.raises(refold.Code.INTERNAL, lambda: client.set_session_token("another"))
            self.assertIn("create a new client", error.message)
            self.assertEqual(client.get("completed").status, "COMPLETED")

    def test_error_has_envelope_fields(self) -> None:
        client = self.sandbox()
        for get in self.on_both_threads(lambda: client.get("error-409-other")):
            error = self.raises(409, get)
            body = json.loads(error.body or b"")
            self.assertEqual(error.code, refold.Code.CONFLICT)
            self.assertEqual(error.code_name, "CONFLICT")
            self.assertEqual(error.http_status, 500)
            self.assertEqual(error.http_error_type, body["http_error_type"])
            self.assertEqual(error.api_code, body["error_code"])
            self.assertEqual(error.request_id, body["request_id"])
            self.assertEqual(error.message, body["message"])
            self.assertEqual(error.host, os.environ["REFOLD_BASE_URL"].partition("://")[2])
            self.assertEqual(
                str(error), f"{error.message} (409 CONFLICT, host {error.host}, request {error.request_id})"
            )
            self.assertEqual(error.attempts, 1)
            self.assertFalse(error.is_retryable)
            self.assertIsNone(error.retry_after)

    def test_message_is_not_repeated_in_text_of_error(self) -> None:
        host = "127.0.0.1:1"
        error = self.raises(refold.Code.CONNECT, lambda: self.sandbox(base_url=f"http://{host}/v1").get("an-id"))
        self.assertEqual((error.host, str(error)), (host, f"{error.message} (CONNECT)"))
        self.assertEqual(str(error).count(host), 1)
        error = refold.Error(418, "a teapot")
        self.assertEqual(str(error), "a teapot (418)")

    def test_common_errors_have_classes(self) -> None:
        sandbox, slow = self.sandbox(), self.server().client(timeout=0.05)
        token = refold.CancelToken()
        token.trigger()
        for kind, code, call in (
            (refold.NotFound, 404, lambda: sandbox.get("no-such-id")),
            (refold.Unauthorized, 401, lambda: self.sandbox(api_key="wrong", linked_account_id="a").get("completed")),
            (refold.Cancelled, refold.Code.CANCELLED, lambda: sandbox.get("completed", cancel=token)),
            (refold.Cancelled, refold.Code.CANCELLED, lambda: sandbox.wait("stuck", on_progress=lambda _: False)),
            (refold.Timeout, refold.Code.TIMEOUT, lambda: slow.get("an-id")),
            (refold.Error, 409, lambda: sandbox.get("error-409-other")),
        ):
            for get in self.on_both_threads(call):
                self.assertIs(type(self.raises(code, get)), kind)

    def test_timeout_is_a_timeout_of_the_system_too(self) -> None:
        client = self.server().client(timeout=0.05)
        with self.assertRaises(TimeoutError) as raised:
            client.get("an-id")
        error = raised.exception
        assert isinstance(error, refold.Timeout)
        self.assertEqual(error.errno, errno.ETIMEDOUT)
        for same in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            self.assertIs(type(same), refold.Timeout)
            self.assertEqual((same.code, same.errno, str(same)), (-3, errno.ETIMEDOUT, str(error)))
            self.assertEqual(vars(same), vars(error))

    def test_error_has_retry_after(self) -> None:
        error = self.raises(429, lambda: self.sandbox().get("rate-limited-7"))
        self.assertEqual(error.retry_after, 7.0)
        self.assertTrue(error.is_retryable)

    def test_error_can_be_pickled(self) -> None:
        error = self.raises(404, lambda: self.sandbox().get("no-such-id"))
        for same in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            self.assertIs(type(same), refold.NotFound)
            self.assertEqual((same.message, str(same)), ("Execution not found", str(error)))
            self.assertEqual(vars(same), vars(error))

    def test_error_without_response_has_no_fields(self) -> None:
        error = self.raises(refold.Code.INVALID_ARGUMENT, lambda: self.sandbox().get(".."))
        self.assertIn("execution_id", str(error))
        self.assertEqual((error.http_status, error.body, error.request_id, error.attempts), (None, None, None, 0))
        self.assertEqual((error.host, str(error)), (None, f"{error.message} (INVALID_ARGUMENT)"))

    def test_call_times_out(self) -> None:
        client = self.server().client(timeout=0.1)
        for get in self.on_both_threads(lambda: client.get("an-id")):
            self.assertTrue(self.raises(refold.Code.TIMEOUT, get).is_retryable)

    def test_call_releases_the_gil(self) -> None:
        """The server runs in Python and needs the GIL while the call waits."""
        client = self.server('{"status": "COMPLETED"}', '{"status": "COMPLETED"}').client()
        for get in self.on_both_threads(lambda: client.get("an-id")):
            self.assertEqual(get().status, "COMPLETED")

    def test_threads_share_a_client(self) -> None:
        client = self.sandbox()
        good: list[bool] = []

        def work() -> None:
            for _ in range(10):
                good.append(client.get("completed").state is refold.State.COMPLETED)
                self.raises(404, lambda: client.get("no-such-id"))

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(good, [True] * 160)

    def test_invalid_arguments_are_rejected(self) -> None:
        client = self.sandbox()
        with self.assertRaises(ValueError):
            client.get("an\0id")
        with self.assertRaises(ValueError):
            client.get("half a pair: \ud83d")
        with self.assertRaises(TypeError):
            client.get(7)  # type: ignore[arg-type]
        for timeout in (0, -1, math.nan):
            with self.assertRaises(ValueError):
                client.wait("stuck", timeout=timeout)
            with self.assertRaises(ValueError):
                self.sandbox(timeout=timeout)
        for settings in ({"max_retries": -1}, {"max_retries": 2**32}, {"max_response_bytes": 0}):
            with self.assertRaises(ValueError):
                self.sandbox(**settings)
        self.raises(refold.Code.INVALID_ARGUMENT, lambda: self.sandbox(base_url="nonsense"))
        self.raises(refold.Code.INVALID_ARGUMENT, lambda: self.sandbox(ca_file=HERE / "nothing.pem"))
        self.raises(refold.Code.INVALID_ARGUMENT, lambda: self.sandbox(ca_pem="nothing"))
        self.raises(refold.Code.INVALID_ARGUMENT, lambda: self.sandbox(api_key="tk_key"))
        self.raises(refold.Code.INVALID_ARGUMENT, lambda: client.set_session_token("a.b.c"))

    def test_extreme_settings_are_accepted(self) -> None:
        with self.sandbox(
            timeout=None, connect_timeout=math.inf, max_response_bytes=None, proxy="", user_agent="x/1"
        ) as client:
            self.assertEqual(client.get("completed").status, "COMPLETED")
        self.raises(
            refold.Code.RESPONSE_TOO_LARGE, lambda: self.sandbox(max_response_bytes=1000).get("large-4096")
        )

    def test_closed_client_rejects_calls(self) -> None:
        client = self.sandbox()
        with client as same:
            self.assertIs(same, client)
        client.close()
        with self.assertRaisesRegex(ValueError, "closed"):
            client.get("completed")

    def test_client_may_be_closed_during_a_call(self) -> None:
        server = self.server()
        client = server.client()
        cancel = refold.CancelToken()

        def close() -> None:
            server.await_request()
            client.close()
            cancel.trigger()

        closing = threading.Thread(target=close)
        closing.start()
        self.raises(refold.Code.CANCELLED, lambda: client.get("an-id", cancel=cancel))
        closing.join()
        server.await_disconnect()

    def test_client_survives_fork(self) -> None:
        client = self.sandbox()
        client.get("completed")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if client.get("completed").status == "COMPLETED" else 2
            finally:
                os._exit(status)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        self.assertEqual(client.get("completed").status, "COMPLETED")


class CancelTest(TestCase):
    def on_request(self, server: Server, act: Callable[[], object]) -> None:
        def run() -> None:
            server.await_request()
            act()

        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)

    def test_another_thread_cancels_a_call(self) -> None:
        server = self.server()
        client = server.client()
        cancel = refold.CancelToken()
        for get in self.on_both_threads(lambda: client.get("an-id", cancel=cancel)):
            cancel = refold.CancelToken()
            self.assertFalse(cancel.is_triggered)
            self.on_request(server, cancel.trigger)
            self.raises(refold.Code.CANCELLED, get)
            self.assertTrue(cancel.is_triggered)

    def test_wait_is_cancelled_during_its_pause(self) -> None:
        server = self.server('{"status": "RUNNING"}')
        client = server.client(poll_interval=3600)
        cancel = refold.CancelToken()
        self.on_request(server, cancel.trigger)
        self.raises(refold.Code.CANCELLED, lambda: client.wait("an-id", cancel=cancel))

    def test_triggered_token_cancels_immediately(self) -> None:
        client = self.sandbox()
        cancel = refold.CancelToken()
        cancel.trigger()
        for get in self.on_both_threads(lambda: client.get("completed", cancel=cancel)):
            self.raises(refold.Code.CANCELLED, get)
        submit = _native.lib.refold_queue_get_execution
        with self.counted("refold_cancel_trigger") as triggers:

            def submit_triggered(*arguments: Any) -> object:
                self.assertEqual(triggers.count, 1)
                return submit(*arguments)

            with mock.patch.object(_native.lib, "refold_queue_get_execution", submit_triggered):
                self.raises(refold.Code.CANCELLED, lambda: client.get("completed", cancel=cancel))

    def test_token_cancels_all_its_calls_and_no_other(self) -> None:
        server, other = self.server(), self.server('{"status": "COMPLETED"}')
        client = server.client()
        cancel = refold.CancelToken()
        codes: list[int] = []

        def get() -> None:
            try:
                client.get("an-id", cancel=cancel)
            except refold.Error as error:
                codes.append(error.code)

        threads = [threading.Thread(target=get) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in threads:
            server.await_request()
        cancel.trigger()
        for thread in threads:
            thread.join()
        self.assertEqual(codes, [refold.Code.CANCELLED] * 4)
        self.assertEqual(other.client().get("an-id").status, "COMPLETED")


class ProgressTest(TestCase):
    def test_progress_gets_every_snapshot_on_the_calling_thread(self) -> None:
        client = self.sandbox()
        for wait in self.on_both_threads(lambda: self.wait_for_a_run(client)):
            seen, last, threads = wait()
            self.assertGreater(len(seen), 1)
            self.assertEqual({snapshot.status for snapshot in seen[:-1]}, {"RUNNING"})
            self.assertEqual(seen[-1].json_text, last.json_text)
            self.assertIs(last.state, refold.State.COMPLETED)
            self.assertEqual(threads, {True})

    runs = 0

    def wait_for_a_run(self, client: refold.Client) -> tuple[list[refold.Execution], refold.Execution, set[bool]]:
        here = threading.get_ident()
        seen: list[refold.Execution] = []
        is_here: set[bool] = set()

        def show(snapshot: refold.Execution) -> None:
            seen.append(snapshot)
            is_here.add(threading.get_ident() == here)

        ProgressTest.runs += 1
        last = client.wait(f"running-python-{ProgressTest.runs}", timeout=30, on_progress=show)
        return seen, last, is_here

    def test_wait_without_progress(self) -> None:
        client = self.sandbox()
        for wait in self.on_both_threads(lambda: client.wait("completed")):
            self.assertEqual(wait().status, "COMPLETED")

    def test_wait_times_out(self) -> None:
        client = self.sandbox(poll_interval=3600)  # the timeout expires in the first pause
        for wait in self.on_both_threads(lambda: client.wait("error-503", timeout=2)):
            error = self.raises(refold.Code.TIMEOUT, wait)
            cause = error.__cause__
            assert isinstance(cause, refold.Error)
            self.assertEqual((cause.code, cause.http_status, cause.attempts), (503, 503, 1))
            self.assertIsNone(cause.__cause__)
            copy = pickle.loads(pickle.dumps(error))
            self.assertEqual((str(copy), str(copy.__cause__)), (str(error), str(cause)))
            self.assertEqual(copy.__cause__.body, cause.body)
        for wait in self.on_both_threads(lambda: client.wait("stuck", timeout=0.2)):
            self.raises(refold.Code.TIMEOUT, wait)

    def test_false_stops_the_wait(self) -> None:
        client = self.sandbox()
        calls: list[str] = []

        def show(snapshot: refold.Execution) -> bool:
            calls.append(snapshot.status)
            return len(calls) < 2

        for wait in self.on_both_threads(lambda: client.wait("stuck", on_progress=show)):
            calls.clear()
            self.raises(refold.Code.CANCELLED, wait)
            self.assertEqual(calls, ["RUNNING"] * 2)

    def test_false_is_ignored_at_the_last_snapshot(self) -> None:
        client = self.sandbox()
        for wait in self.on_both_threads(lambda: client.wait("completed", on_progress=lambda _: False)):
            self.assertEqual(wait().status, "COMPLETED")

    def test_exception_of_progress_ends_the_wait_and_propagates(self) -> None:
        client = self.sandbox()
        calls: list[str] = []
        own = LookupError("own")

        def fail(snapshot: refold.Execution) -> None:
            calls.append(snapshot.status)
            raise own

        for name in ("stuck", "completed"):
            for wait in self.on_both_threads(lambda: client.wait(name, on_progress=fail)):
                calls.clear()
                with self.assertRaises(LookupError) as caught:
                    wait()
                self.assertIs(caught.exception, own)
                self.assertEqual(len(calls), 1)

    def test_progress_may_use_the_client(self) -> None:
        client = self.sandbox()

        def ask(snapshot: refold.Execution) -> bool:
            return client.get(snapshot.id or "").status != "RUNNING"

        for wait in self.on_both_threads(lambda: client.wait("stuck", on_progress=ask)):
            self.raises(refold.Code.CANCELLED, wait)


def response(status: str, *fields: str, body: str = "") -> str:
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *fields, "", body])


UNAVAILABLE = response("503 Service Unavailable", "Retry-After: 0")
COMPLETED = '{"status": "COMPLETED"}'


class Lines(logging.Handler):
    """Collects records, after it has called a function with each."""

    def __init__(self, action: Callable[[logging.LogRecord], object] = lambda _: None) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self._action = action

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self._action(record)

    @property
    def text(self) -> str:
        return "".join(f"{record.levelname} {record.getMessage()}\n" for record in self.records)

    def logger(self, level: int = logging.DEBUG) -> logging.Logger:
        logger = logging.Logger("a-logger", level)
        logger.addHandler(self)
        return logger


class LogTest(TestCase):
    def test_level_of_the_logger_decides_what_is_logged(self) -> None:
        for number, level in enumerate((logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)):
            lines = Lines()
            logger = lines.logger(level)
            client = self.server(*[UNAVAILABLE, COMPLETED] * 2).client(max_retries=1, log=logger)
            logger.setLevel(logging.DEBUG)  # too late
            for get in self.on_both_threads(lambda: client.get("an-id")):
                lines.records.clear()
                get()
                for logged, pattern in (
                    (number < 1, r"DEBUG call \d+ connection \d+ \+[\d.]+ ms: received HTTP/1.1 200 OK\n"),
                    (number < 2, r"INFO call \d+ [^:]*: execution an-id: OK, COMPLETED; attempts 2; "),
                    (number < 3, r"WARNING call \d+ [^:]*: attempt 1 failed, retrying in 0 ms: SERVICE_UNAVAILABLE \(503\), HTTP 503 "),
                ):
                    self.assertEqual(bool(re.search("(?m)^" + pattern, lines.text)), logged, (pattern, lines.text))

    def test_logger_refold_is_the_default(self) -> None:
        with self.assertLogs("refold", logging.INFO) as logged, self.sandbox() as client:
            client.get("completed")
        self.assertEqual([record.levelname for record in logged.records], ["INFO"])
        with self.assertLogs("refold", logging.WARNING) as logged, self.sandbox() as client:
            client.get("completed")
            logging.getLogger("refold").warning("something")  # assertLogs() requires a line
        self.assertEqual(len(logged.records), 1)

    def test_lines_are_logged_on_the_calling_thread(self) -> None:
        lines = Lines()
        client = self.sandbox(log=lines.logger())
        for wait in self.on_both_threads(lambda: (client.wait("completed"), threading.get_ident())):
            lines.records.clear()
            _, thread = wait()
            self.assertEqual({record.thread for record in lines.records}, {thread})

    def test_lines_and_snapshots_arrive_in_order(self) -> None:
        events: list[str] = []
        lines = Lines(lambda _: events.append("line"))
        client = self.sandbox(log=lines.logger(logging.INFO))
        for wait in self.on_both_threads(
            lambda: client.wait("completed", on_progress=lambda _: events.append("snapshot"))
        ):
            events.clear()
            wait()
            self.assertEqual(events[0], "line", lines.text)  # of the poll
            self.assertEqual(sorted(events), ["line", "line", "snapshot"], lines.text)  # also of the wait

    def test_exceptions_of_handlers_and_filters_are_dropped(self) -> None:
        lines = Lines(lambda _: 1 // 0)
        broken = lines.logger()
        filtered = Lines().logger()
        filtered.addFilter(lambda record: 1 // 0 > 0)
        for logger in (broken, filtered):
            client = self.sandbox(log=logger)
            for get in self.on_both_threads(lambda: client.get("completed")):
                self.assertEqual(get().status, "COMPLETED")
        self.assertEqual(len(re.findall("(?m)^INFO", lines.text)), 2)

    def test_exit_in_a_handler_ends_the_call_and_propagates(self) -> None:
        client = self.server().client(log=Lines(lambda _: sys.exit(7)).logger())
        for get in self.on_both_threads(lambda: client.get("an-id")):
            with self.assertRaises(SystemExit) as caught:
                get()
            self.assertEqual(caught.exception.code, 7)

    def test_handler_may_use_the_client(self) -> None:
        lines = Lines(lambda _: client.wait("errored", on_progress=lambda _: bool(client.get("completed"))))
        client = self.sandbox(log=lines.logger())
        for get in self.on_both_threads(lambda: client.get(DOCUMENTED)):
            lines.records.clear()
            get()
            numbers = {re.findall(r"call (\d+)", record.getMessage())[0] for record in lines.records}
            self.assertEqual(len(numbers), 1, lines.text)
            self.assertRegex(lines.text, rf"INFO .* execution {DOCUMENTED}: OK, COMPLETED.*\n\Z")

    def test_handler_may_use_the_client_for_lines_of_others(self) -> None:
        """The thread holds the lock of the handler, which the lines of its call need, too."""
        lines = Lines(lambda record: client.get("completed") if record.name == "another" else None)
        client = self.sandbox(log=lines.logger(logging.INFO))
        another = logging.Logger("another")
        another.addHandler(lines)
        for warn in self.on_both_threads(lambda: another.warning("a line")):
            lines.records.clear()
            warn()
            self.assertEqual([record.levelname for record in lines.records], ["WARNING", "INFO"], lines.text)

    def test_last_lines_of_a_call_that_an_exception_ends_are_logged(self) -> None:
        lines = Lines()
        client = self.sandbox(log=lines.logger())
        for wait in self.on_both_threads(lambda: client.wait("stuck", on_progress=lambda _: 1 // 0 > 0)):
            lines.records.clear()
            self.assertRaises(ZeroDivisionError, wait)
            self.assertRegex(lines.text, r"INFO call \d+ \+[\d.]+ ms: execution stuck: CANCELLED \(-2\).*\n\Z")

    def test_lines_before_an_exception_are_logged(self) -> None:
        server = self.server()

        def exit_during_call(record: logging.LogRecord) -> None:
            if len(lines.records) == 1:
                server.await_request()  # meanwhile the call has written further lines
                sys.exit(7)

        lines = Lines(exit_during_call)
        client = server.client(log=lines.logger())
        self.assertRaises(SystemExit, lambda: client.get("an-id"))
        for words in ("get an-id", "connected to", "CANCELLED (-2)"):
            self.assertIn(words, lines.text)
        times = re.findall(r"\+([\d.]+) ms", lines.text)
        self.assertEqual(times, sorted(times, key=float))

    def test_threads_log_at_the_same_time(self) -> None:
        lines = Lines()
        client = self.sandbox(log=lines.logger())
        threads = [threading.Thread(target=client.get, args=("completed",)) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(set(re.findall(r"(?m)^INFO call (\d+) ", lines.text))), 16)

    def test_log_lives_as_long_as_the_client_and_its_calls(self) -> None:
        server = self.server()
        for _ in self.on_both_threads(lambda: None):
            lines = Lines()
            logger = lines.logger()
            client: Optional[refold.Client] = server.client(log=logger)
            cancel = refold.CancelToken()
            last = weakref.ref(logger)

            def close() -> None:
                nonlocal client
                server.await_request()
                assert client is not None
                client.close()
                client = None
                gc.collect()
                cancel.trigger()

            closing = threading.Thread(target=close)
            closing.start()
            del logger
            assert client is not None
            get = client.get
            self.raises(refold.Code.CANCELLED, lambda: get("an-id", cancel=cancel))
            closing.join()
            del get
            self.assertIn("CANCELLED (-2)", lines.text)
            gc.collect()
            self.assertIsNone(last())

    def test_log_has_no_secrets(self) -> None:
        lines = Lines()

        def get(secrets: list[str], **settings: Any) -> None:
            lines.records.clear()
            with contextlib.suppress(refold.Error):
                refold.Client(
                    headers={"X-Team": "header-secret"}, log=lines.logger(), max_retries=0, timeout=PATIENCE, **settings
                ).get("an-id")
            self.assertGreater(len(lines.records), 2)
            for secret in [*secrets, "header-secret"]:
                self.assertNotIn(secret, lines.text)
            shown.append(lines.text)

        shown: list[str] = []
        login = base64.b64encode(b"proxy-user:proxy-secret").decode()
        proxied: dict[str, Any] = {"base_url": "https://refold.invalid"}
        credentials: list[tuple[str, dict[str, Any]]] = [
            ("key-secret", {"api_key": "key-secret", "linked_account_id": "an-account"}),
            ("token-secret", {"session_token": "token-secret"}),
        ]
        for secret, settings in credentials:
            echo = f"{secret} header-secret"
            responses = [
                response("200 OK", f"X-Echo: {echo}", f"X-Request-Id: {echo}", body=json.dumps({"status": echo})),
                response("403 Forbidden", f"X-Echo: {echo}", body=json.dumps({"message": echo, "request_id": echo})),
                response(f"418 {echo}", body=echo),
            ]
            url = self.server(*responses).url
            for _ in responses:
                get([secret], base_url=url, **settings)
            get([secret], base_url="http://127.0.0.1:9", **settings)
            refusal = response(f"407 {login}", f"X-Echo: proxy-secret {login}", body="proxy-secret")
            proxy = self.server(refusal).url.replace("//", "//proxy-user:proxy-secret@")
            get([secret, "proxy-secret", login], proxy=proxy, **proxied, **settings)
            proxy = "socks5h://proxy-user:proxy-secret@127.0.0.1:9"
            get([secret, "proxy-secret", login], proxy=proxy, **proxied, **settings)
        everything = "".join(shown)
        for pattern in ("(?i)with the fields .*x-team", r"X-Echo: .*\*\*\*", "407", "FORBIDDEN"):
            self.assertRegex(everything, pattern)


class HeaderTest(TestCase):
    def test_headers_are_sent(self) -> None:
        server = self.server(COMPLETED)
        server.client(headers={"X-Team": "a", "X-Empty": "", "x-team": " b: ä\t"}).get("an-id")
        lines = server.heads[0].split("\r\n")
        self.assertIn("x-team: b: ä", lines)
        self.assertIn("X-Empty:", [line.rstrip() for line in lines])
        self.assertEqual([line for line in lines if line.lower().startswith("x-team")], ["x-team: b: ä"])

    def test_invalid_headers_are_rejected(self) -> None:
        for headers, words in (
            ({"a b": "value-secret"}, "a b"),
            ({"": "value-secret"}, "header"),
            ({"X-Line": "value-secret\n"}, "X-Line"),
            ({"Authorization": "value-secret"}, "Authorization"),
            ({f"X-{number}": "" for number in range(33)}, "32"),
        ):
            error = self.raises(refold.Code.INVALID_ARGUMENT, lambda: self.sandbox(headers=headers))
            self.assertIn(words, str(error))
            self.assertNotIn("value-secret", str(error))
        for invalid in ({"X-Nul": "\0"}, {"\0": ""}):
            with self.assertRaises(ValueError):
                self.sandbox(headers=invalid)
        for mistyped in ({"X-None": None}, {None: "a"}, {"X-Bytes": b"a"}, {"X-Number": 7}):
            with self.assertRaises(TypeError):
                self.sandbox(headers=mistyped)


class TimesTest(TestCase):
    def test_execution_has_times_attempts_and_request_id(self) -> None:
        client = self.server(
            *[UNAVAILABLE, response("200 OK", "X-Request-Id: req-7", body=COMPLETED)] * 4
        ).client(max_retries=1)
        for call in (client.get, client.wait):
            for get in self.on_both_threads(lambda: call("an-id")):
                begin = time.monotonic()
                execution = get()
                elapsed = time.monotonic() - begin
                times = execution.timings
                assert times.total and times.connect and times.first_byte and times.transfer is not None
                self.assertLessEqual(times.connect + times.first_byte + times.transfer, times.total)
                self.assertLessEqual(times.total, elapsed)
                self.assertGreater(times.total, elapsed / 1000)  # seconds
                self.assertEqual((times.resolve, times.tls), (None, None))
                self.assertEqual((execution.attempts, execution.request_id), (2, "req-7"))

    def test_parsed_execution_has_no_times(self) -> None:
        execution = refold.Execution.parse(COMPLETED)
        self.assertEqual(execution.timings, refold.Timings())
        self.assertEqual((execution.attempts, execution.request_id), (0, None))

    def test_error_has_times(self) -> None:
        client = self.server().client(timeout=0.1)
        for get in self.on_both_threads(lambda: client.get("an-id")):
            error = self.raises(refold.Code.TIMEOUT, get)
            assert error.timings.total is not None and error.timings.first_byte is not None
            self.assertGreaterEqual(error.timings.total, 0.1)
            self.assertLessEqual(error.timings.first_byte, error.timings.total)
            self.assertIsNone(error.timings.transfer)
            self.assertEqual(pickle.loads(pickle.dumps(error)).timings, error.timings)
        self.assertEqual(self.raises(refold.Code.INVALID_ARGUMENT, lambda: client.get("..")).timings, refold.Timings())

    def test_cause_has_the_times_of_its_poll(self) -> None:
        error = self.raises(refold.Code.TIMEOUT, lambda: self.sandbox(poll_interval=3600).wait("error-503", timeout=1))
        cause = error.__cause__
        assert isinstance(cause, refold.Error) and cause.timings.total and error.timings.total
        self.assertLess(cause.timings.total, error.timings.total)

    def test_parts_have_the_order_of_the_library(self) -> None:
        self.assertEqual(
            _timings.timings_of(lambda _, part: -1 if part == 3 else part * 1000, None),
            refold.Timings(0, 0.001, 0.002, None, 0.004, 0.005),
        )

    def test_times_are_shown_without_absent_parts(self) -> None:
        for times, text in {
            refold.Timings(): "-",
            refold.Timings(1.5): "1500.000 ms",
            refold.Timings(0.1234567, None, 0.0002, None, 0): "123.457 ms (connect 0.200, first byte 0.000)",
            refold.Timings(6, 1, 2, 3, 4, 5): "6000.000 ms (resolve 1000.000, connect 2000.000, TLS 3000.000, "
            "first byte 4000.000, transfer 5000.000)",
        }.items():
            self.assertEqual(str(times), text)
        with self.assertRaises(AttributeError):
            refold.Timings().total = 1  # type: ignore[misc]


class SnapshotTest(TestCase):
    DOCUMENT = {
        "_id": "an-id",
        "name": "A name",
        "org_id": "org",
        "environment": "test",
        "status": "STOPPING",
        "completion_percentage": 12.5,
        "config_id": "config",
        "linked_account_id": "an-account",
        "createdAt": "2024-05-06T07:08:09.000Z",
        "updatedAt": "2024-05-06T07:08:10.000Z",
        "extra": [1, 2.5, None, True],
        "nodes": [
            {
                "node_id": "1",
                "node_name": "Start",
                "node_type": "start",
                "node_status": "Success",
                "is_batch": True,
                "attempts_made": 1,
                "maximum_attempts": 3,
                "execution_time": 403,
                "latest_output": {"a": [1, 2]},
                "input_data": "text",
            },
            {},
        ],
    }

    def parsed(self) -> refold.Execution:
        return refold.Execution.parse(json.dumps(self.DOCUMENT))

    def test_execution_has_its_fields(self) -> None:
        execution = self.parsed()
        for field in ("name", "org_id", "environment", "status", "config_id", "linked_account_id"):
            self.assertEqual(getattr(execution, field), self.DOCUMENT[field])
        self.assertEqual(execution.id, "an-id")
        self.assertEqual(execution.created_at, "2024-05-06T07:08:09.000Z")
        self.assertEqual(execution.updated_at, "2024-05-06T07:08:10.000Z")
        self.assertEqual(execution.completion_percentage, 12.5)
        self.assertIs(execution.state, refold.State.STOPPING)
        self.assertFalse(execution.state.is_final)
        self.assertEqual(execution.json, self.DOCUMENT)
        self.assertEqual(json.loads(execution.json_text), self.DOCUMENT)
        self.assertIn("an-id", repr(execution))

    def test_percentage_may_be_any_number(self) -> None:
        for percentage in (-0.5, 0, 250):
            text = json.dumps({"status": "RUNNING", "completion_percentage": percentage})
            self.assertEqual(refold.Execution.parse(text).completion_percentage, percentage)

    def test_node_has_its_fields(self) -> None:
        node = self.parsed().nodes[0]
        self.assertEqual((node.id, node.name, node.type, node.status), ("1", "Start", "start", "Success"))
        self.assertIs(node.state, refold.State.COMPLETED)
        self.assertTrue(node.state.is_final)
        self.assertFalse(node.state.is_failure)
        failures = [state for state in refold.State if state.is_failure]
        self.assertEqual([state.name for state in failures], ["ERRORED", "SKIPPED", "STOPPED", "TIMED_OUT", "REJECTED"])
        self.assertIs(node.is_batch, True)
        self.assertEqual((node.attempts_made, node.maximum_attempts, node.execution_time), (1, 3, 0.403))
        self.assertEqual(node.latest_output, {"a": [1, 2]})
        self.assertEqual(node.latest_output_text, '{"a": [1, 2]}')
        self.assertEqual(node.input_data, "text")
        self.assertEqual(node.json["node_name"], "Start")
        self.assertIn("Start", repr(node))

    def test_absent_fields_are_none(self) -> None:
        execution = refold.Execution.parse(b'{"status": "PAUSED", "name": null, "org_id": 7, "nodes": [{}]}')
        for field in ("id", "name", "org_id", "environment", "config_id", "linked_account_id"):
            self.assertIsNone(getattr(execution, field))
        self.assertIsNone(execution.created_at)
        self.assertIsNone(execution.updated_at)
        self.assertIsNone(execution.completion_percentage)
        self.assertIs(execution.state, refold.State.UNKNOWN)
        node = execution.nodes[0]
        for field in ("id", "name", "type", "status", "attempts_made", "maximum_attempts", "execution_time"):
            self.assertIsNone(getattr(node, field))
        self.assertIsNone(node.latest_output)
        self.assertIsNone(node.latest_output_text)
        self.assertIsNone(node.input_data)
        self.assertIs(node.is_batch, False)

    def test_nodes_are_a_sequence(self) -> None:
        nodes = self.sandbox().get("nodes-100").nodes
        self.assertEqual(len(nodes), 100)
        self.assertEqual(len(list(nodes)), 100)
        self.assertEqual(nodes[-1].id, nodes[99].id)
        self.assertEqual([node.id for node in nodes[98:]], [nodes[98].id, nodes[99].id])
        self.assertEqual([node.id for node in reversed(nodes)][0], nodes[99].id)
        for index in (100, -101):
            with self.assertRaises(IndexError):
                nodes[index]

    def test_nodes_are_found_by_id(self) -> None:
        execution = self.parsed()
        found = execution.node_by_id("1")
        self.assertEqual(found and found.name, "Start")
        self.assertIsNone(execution.node_by_id("2"))

    def test_parse_rejects_text_that_is_not_an_execution(self) -> None:
        for text in ("", "[]", "{", '{"status": 7}', b"\xff"):
            self.raises(refold.Code.INVALID_RESPONSE, lambda: refold.Execution.parse(text))
        with self.assertRaises(TypeError):
            refold.Execution.parse(7)  # type: ignore[arg-type]

    def test_closed_execution_rejects_access(self) -> None:
        with self.parsed() as execution:
            nodes, node = execution.nodes, execution.nodes[0]
        with self.assertRaisesRegex(ValueError, "closed"):
            execution.name
        self.assertIn("closed", repr(execution))
        self.assertEqual(node.name, "Start")
        self.assertEqual(nodes[1].name, None)

    def test_copies_share_the_snapshot(self) -> None:
        execution = self.parsed()
        copies = (copy.copy(execution), copy.deepcopy(execution))
        node = copy.deepcopy(execution.nodes[0])
        execution.close()
        for same in copies:
            self.assertEqual(same.nodes[0].name, "Start")
        self.assertEqual(node.name, "Start")

    def test_pickling_reports_what_to_pickle_instead(self) -> None:
        execution = self.parsed()
        for value in (execution, execution.nodes, execution.nodes[0], refold.Client(session_token="token")):
            with self.assertRaisesRegex(TypeError, "pickle Execution.json_text"):
                pickle.dumps(value)

    def output(self, text: str) -> Any:
        document = '{"status": "RUNNING", "nodes": [{"latest_output": %s}]}' % text
        return refold.Execution.parse(document).nodes[0].latest_output

    def test_lone_surrogates_are_replaced(self) -> None:
        cases = {
            r'"\ud83d"': "\ufffd",
            r'"\uDE00 and \uD83D\uD83D\uDE00"': "\ufffd and \ufffd\U0001f600",
            r'"\\ud83d and \\\ud83d"': "\\ud83d and \\\ufffd",
            r'{"a\ud83d": ["\ud83d\ude00", "\u00e4\"\ude00\""]}': {"a\ufffd": ["\U0001f600", 'ä"\ufffd"']},
        }
        for text, expected in cases.items():
            self.assertEqual(self.output(text), expected)
        for node in self.sandbox().get("lone-surrogate").nodes:
            json.dumps(node.json, ensure_ascii=False).encode()

    def test_numbers_of_any_size_are_parsed(self) -> None:
        self.assertEqual(self.output("[1e400, -1e400, 1e-400, 403.0]"), [math.inf, -math.inf, 0, 403.0])
        self.assertEqual(self.output("123456789012345678901234567890"), 123456789012345678901234567890)
        digits = "7" * 5000
        output = self.output('{"a": [%s, -%s, 7, "x\\"]", null], "b": {}, "a2": {"c": [[]]}}' % (digits, digits))
        huge = output["a"].pop(0)
        self.assertTrue(huge == math.inf or str(huge) == digits)
        self.assertEqual(output["a"].pop(0), -huge)
        self.assertEqual(output, {"a": [7, 'x"]', None], "b": {}, "a2": {"c": [[]]}})
        execution = self.sandbox().get("extreme-numbers")
        self.assertIsInstance(execution.json, dict)

    def test_any_depth_is_parsed(self) -> None:
        client = self.sandbox()
        for name in ("deep-100000", "deep-objects-100000"):
            value: Any = client.get(name).json
            depth = 0
            pending = [value]
            while pending:
                value = pending.pop()
                depth += 1
                pending.extend(value.values() if isinstance(value, dict) else value if isinstance(value, list) else [])
            self.assertGreater(depth, 100000)

    def test_iterative_parsing_equals_json_loads(self) -> None:
        text = ' { "a" : [ 1 , -2.5e3, "x,]}\\\\\\"", true, false, null, [], {}, [[{"b": {}}]] ], "a": {"c": "" } }\n'
        for document in (text, json.dumps(self.DOCUMENT), "7", '"x"', "null", "[]", "{}"):
            self.assertEqual(_json.load_json_iteratively(document), json.loads(document))

    def test_outputs_of_all_types(self) -> None:
        execution = self.sandbox().get("outputs-of-all-types")
        outputs = [node.latest_output for node in execution.nodes]
        self.assertEqual(outputs, [node.json.get("latest_output") for node in execution.nodes])
        self.assertEqual(self.output('"a\\u0000b"'), "a\0b")
        self.assertEqual(self.output('{"t": false, "t": true}'), {"t": True})


class Counter:
    """Counts the calls of a function. Unlike a mock it is thread-safe."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function
        self._calls: list[None] = []

    def __call__(self, *arguments: Any) -> object:
        self._calls.append(None)
        return self._function(*arguments)

    @property
    def count(self) -> int:
        return len(self._calls)


class OwnershipTest(TestCase):
    def test_execution_is_freed_with_its_last_reference(self) -> None:
        with self.counted("refold_execution_free") as freed:
            execution: Optional[refold.Execution] = refold.Execution.parse('{"status": "RUNNING", "nodes": [{}]}')
            assert execution is not None
            node: Optional[refold.Node] = execution.nodes[0]
            execution.close()
            execution = None
            gc.collect()
            self.assertEqual(freed.count, 0)
            node = None
            gc.collect()
            self.assertEqual(freed.count, 1)

    def test_every_owner_frees_once(self) -> None:
        client = self.sandbox()
        with self.counted("refold_execution_free") as freed, self.counted("refold_execution_retain") as retained:
            for wait in self.on_both_threads(lambda: client.wait("completed", on_progress=lambda _: None)):
                wait()
            for wait in self.on_both_threads(lambda: client.wait("completed", on_progress=lambda _: 1 // 0 > 0)):
                self.assertRaises(ZeroDivisionError, wait)
            gc.collect()
            self.assertEqual(retained.count, 4)
            self.assertEqual(freed.count, retained.count + 2)  # the results of direct calls have one owner more

    def test_errors_tokens_options_and_clients_are_freed(self) -> None:
        names = ("error", "event", "cancel", "options", "client")
        with contextlib.ExitStack() as stack:
            counters = [stack.enter_context(self.counted(f"refold_{name}_free")) for name in names]
            client: Optional[refold.Client] = self.sandbox()

            def get() -> None:
                assert client is not None
                with contextlib.suppress(refold.Error):
                    client.get("no-such-id")

            get()  # an event has the error
            on_thread(get)
            client = None
            gc.collect()
            self.assertEqual([counter.count for counter in counters], [1, 1, 2, 1, 1])

    def test_nodes_outlive_execution_and_client(self) -> None:
        def nodes() -> list[refold.Node]:
            with self.sandbox() as client, client.get("completed") as execution:
                return list(execution.nodes)

        kept = nodes()
        gc.collect()
        self.assertEqual(len(kept), 8)
        self.assertTrue(all(node.id for node in kept))

    def test_memory_does_not_grow(self) -> None:
        client = self.sandbox()

        def resident() -> int:
            pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
            return pages * os.sysconf("SC_PAGESIZE")

        client.get("large-4000000").nodes[0].latest_output
        before = resident()
        for _ in range(20):
            client.get("large-4000000").nodes[0].latest_output
        self.assertLess(resident() - before, 40_000_000)


class ProcessTestCase(TestCase):
    # Counts the lines of the log in a semaphore, `lines`.
    COUNT_LINES = """
import logging
lines = threading.Semaphore(0)
class Handler(logging.Handler):
    def emit(self, record):
        lines.release()
logging.getLogger("refold").addHandler(Handler())
logging.getLogger("refold").setLevel(logging.DEBUG)
"""

    def start(self, program: str, server: Optional[Server] = None) -> subprocess.Popen[str]:
        settings = {} if server is None else server.settings()
        prelude = f"import refold, signal, sys, threading, time\nclient = refold.Client(**{settings!r})\n"
        return subprocess.Popen(
            [sys.executable, "-c", prelude + program],
            cwd=HERE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ends(self, process: subprocess.Popen[str], status: int, output: str) -> str:
        assert process.stdout is not None and process.stderr is not None
        with process:  # communicate() would lose what readline() has buffered
            out, err = process.stdout.read(), process.stderr.read()
        self.assertEqual((process.returncode, out), (status, output), err)
        return err

    def interrupt(self, program: str, server: Server) -> subprocess.Popen[str]:
        """Sends SIGINT when the request arrives, and waits until the client, which has no timeout, disconnects."""
        process = self.start(program, server)
        server.await_request()
        process.send_signal(signal.SIGINT)
        server.await_disconnect()
        return process

    def run_program(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=HERE,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )


class ProcessTest(ProcessTestCase):
    """Programs in child processes: signals, interpreter exit, `python -m refold`."""

    PROGRAM = """
try:
    {call}
except KeyboardInterrupt:
    print("interrupted", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""

    def test_ctrl_c_ends_a_call(self) -> None:
        for call in ("client.get('an-id')", "client.wait('an-id', on_progress=print)"):
            process = self.interrupt(self.PROGRAM.format(call=call), self.server())
            self.assertEqual(self.ends(process, 0, "interrupted True\n"), "")

    def test_ctrl_c_ends_a_call_if_another_thread_gets_the_signal(self) -> None:
        prelude = """
threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
"""
        process = self.interrupt(prelude + self.PROGRAM.format(call="client.get('an-id')"), self.server())
        self.assertEqual(self.ends(process, 0, "interrupted True\n"), "")

    @unittest.skipUnless(sys.platform == "linux", "reads the masks of other threads from /proc")
    def test_threads_of_queues_block_all_signals_but_those_of_faults(self) -> None:
        server = self.server('{"status": "COMPLETED"}')
        tasks = pathlib.Path("/proc/self/task")
        others = set(tasks.iterdir())
        faults = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS)
        masks: list[int] = []

        def read_masks() -> Iterator[int]:
            for task in set(tasks.iterdir()) - others:
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
                    lines = (task / "status").read_text().splitlines()
                    yield from (int(line.split()[1], 16) for line in lines if line.startswith("SigBlk"))

        def note_masks(_: refold.Execution) -> None:
            end = time.monotonic() + 10
            while time.monotonic() < end:  # the C library blocks all signals while a thread starts or ends
                masks[:] = read_masks()
                if not any(mask >> (fault - 1) & 1 for mask in masks for fault in faults):
                    break

        server.client().wait("an-id", on_progress=note_masks)
        self.assertTrue(any(mask >> (signal.SIGINT - 1) & 1 for mask in masks))
        for fault in faults:
            self.assertFalse(any(mask >> (fault - 1) & 1 for mask in masks), fault)

    def test_ctrl_c_ends_a_pause_between_polls(self) -> None:
        call = "client.wait('stuck', on_progress=lambda snapshot: print(snapshot.status, flush=True))"
        process = self.start("client = refold.Client(poll_interval=3600)\n" + self.PROGRAM.format(call=call))
        assert process.stdout is not None
        self.assertEqual(process.stdout.readline(), "RUNNING\n")
        process.send_signal(signal.SIGINT)
        self.ends(process, 0, "interrupted True\n")

    def test_ctrl_c_during_a_call_of_another_thread(self) -> None:
        program = """
cancel = refold.CancelToken()
ended = threading.Event()  # joining a thread once more after an KeyboardInterrupt fails in Python up to 3.12
def work():
    try:
        client.get("an-id", cancel=cancel)
    except refold.Error as error:
        print(error.code_name, flush=True)
    ended.set()
try:
    threading.Thread(target=work).start()
    ended.wait()
except KeyboardInterrupt:
    print("interrupted", flush=True)
    cancel.trigger()
    ended.wait()
"""
        process = self.interrupt(program, self.server())
        self.assertEqual(self.ends(process, 0, "interrupted\nCANCELLED\n"), "")

    def test_ctrl_c_does_not_trigger_the_token(self) -> None:
        program = "cancel = refold.CancelToken()\n" + self.PROGRAM.format(call="client.get('an-id', cancel=cancel)")
        process = self.interrupt(program + "print(cancel.is_triggered)", self.server())
        self.ends(process, 0, "interrupted True\nFalse\n")

    def test_call_without_descriptors_for_a_queue_is_made_directly(self) -> None:
        program = """
import resource
client.get("an-id")
refold._main_thread.QueueOfMainThread.idle.clear()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
filler = []
try:
    while True:
        filler.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
os.close(filler.pop())  # for the connection
print(client.get("an-id").status, len(refold._main_thread.QueueOfMainThread.idle))
"""
        process = self.start("import os\n" + program, self.server(COMPLETED, COMPLETED))
        self.assertEqual(self.ends(process, 0, "COMPLETED 0\n"), "")

    def test_call_of_the_parent_fails_in_a_forked_child(self) -> None:
        program = """
import os
def fork(snapshot):
    if os.fork() == 0:
        return True
    os.wait()
    raise SystemExit(0)
try:
    client.wait("an-id", on_progress=fork)
except refold.Error as error:
    print(error.code_name, error.message, flush=True)
    os._exit(0)
"""
        process = self.start(program, self.server('{"status": "RUNNING"}'))
        self.assertEqual(self.ends(process, 0, "INVALID_ARGUMENT the call belongs to the parent of this process\n"), "")

    def test_handlers_and_callbacks_make_calls_during_a_call(self) -> None:
        program = """
depth = 0
def nest(*_):
    global depth
    depth += 1
    if depth < 4:
        client.wait("completed", on_progress=nest)
        signal.raise_signal(signal.SIGUSR1)
client = refold.Client()
signal.signal(signal.SIGUSR1, nest)
client.wait("completed", on_progress=nest)
print(depth, threading.active_count(), len(refold._main_thread.QueueOfMainThread.idle) <= 4)
"""
        self.assertEqual(self.ends(self.start(program), 0, "7 1 True\n"), "")

    def test_uncaught_ctrl_c_ends_the_process(self) -> None:
        process = self.interrupt("client.get('an-id')", self.server())
        self.assertIn("KeyboardInterrupt", self.ends(process, -signal.SIGINT, ""))

    def test_signal_handler_runs_during_a_call(self) -> None:
        program = """
cancel = refold.CancelToken()
def handler(number, frame):
    print("handled", flush=True)
    if number == signal.SIGUSR2:
        cancel.trigger()
signal.signal(signal.SIGUSR1, handler)
signal.signal(signal.SIGUSR2, handler)
try:
    client.get("an-id", cancel=cancel)
except refold.Error as error:
    print(error.code_name)
"""
        server = self.server()
        process = self.start(program, server)
        server.await_request()
        assert process.stdout is not None
        for number in (signal.SIGUSR1, signal.SIGUSR1, signal.SIGUSR2):
            process.send_signal(number)
            self.assertEqual(process.stdout.readline(), "handled\n")
        self.ends(process, 0, "CANCELLED\n")

    def test_interpreter_exits_during_calls_of_daemon_threads(self) -> None:
        program = """
import atexit
atexit.unregister(refold._calls.Call.abandon_all)
atexit.register(lambda: print("active calls:", len(refold._calls.Call.active)))
atexit.register(refold._calls.Call.abandon_all)
client = refold.Client(poll_interval=0.01)
running = threading.Semaphore(0)
def work():
    client.wait("stuck", on_progress=lambda snapshot: running.release())
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
for _ in range(20):
    running.acquire()
class Late:
    def __del__(self, sleep=time.sleep):
        sleep(0.3)  # gives the threads time to return to the interpreter during its shutdown
late = Late()
print("done")
"""
        self.assertEqual(self.ends(self.start(program), 0, "done\nactive calls: 0\n"), "")

    def run_module(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        ended = self.run_program("-m", "refold", *arguments, **environment)
        return ended.returncode, ended.stdout, ended.stderr

    def test_module_prints_an_execution(self) -> None:
        expected = "Execution for workflow 6a106ba44480b80424a65289: COMPLETED, 100 %\n  Start: Success, 403 ms\n"
        status, out, err = self.run_module(DOCUMENTED)
        self.assertEqual((status, err), (0, ""))
        self.assertRegex(out, rf"\A{expected}fetched in [\d.]+ ms \(connect .*\), attempts 1\n\Z")
        for more in ([], ["--json"], ["--wait"]):
            status, out, err = self.run_module("errored", *more)
            self.assertEqual((status, err), (3, ""))
            self.assertIn("Errored", out)
        status, out, err = self.run_module("--json", DOCUMENTED)
        self.assertEqual(json.loads(out)["status"], "COMPLETED")
        for name in ("deep-100000", "lone-surrogate", "nul-character", "null-node-fields", "extreme-numbers"):
            status, out, err = self.run_module(name, PYTHONIOENCODING="latin-1")
            self.assertEqual((status, err), (0, ""))

    def test_module_prints_its_version_and_that_of_the_library(self) -> None:
        expected = f"refold {refold.__version__}, library {refold.version()}\n"
        self.assertEqual(self.run_module("--version"), (0, expected, ""))

    def test_module_prints_the_bytes_of_the_document_in_any_encoding(self) -> None:
        for encoding in ("latin-1", "ascii", "utf-16"):
            ended = subprocess.run(
                [sys.executable, "-m", "refold", "--json", "hostile-text"],
                cwd=HERE,
                env={**os.environ, "PYTHONIOENCODING": encoding},
                capture_output=True,
                timeout=PATIENCE,
            )
            text = refold.Client().get("hostile-text").json_text
            self.assertEqual((ended.returncode, ended.stdout), (3, text.encode() + b"\n"), encoding)

    def test_programs_report_a_closed_standard_output(self) -> None:
        for program in (
            ["get.py"], ["watch.py"], ["-m", "refold"], ["-m", "refold", "--wait"], ["-m", "refold", "--json"]
        ):
            ended = subprocess.run(
                ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, *program, DOCUMENTED],
                cwd=HERE,
                stderr=subprocess.PIPE,
                text=True,
                timeout=PATIENCE,
            )
            self.assertEqual((ended.returncode, ended.stderr.count("\n")), (1, 1), ended.stderr)

    def test_get_requires_one_id(self) -> None:
        for arguments in ([], ["one", "another"]):
            ended = subprocess.run(
                [sys.executable, "get.py", *arguments], cwd=HERE, capture_output=True, text=True, timeout=PATIENCE
            )
            self.assertEqual((ended.returncode, ended.stderr), (1, "usage: get.py [--verbose] EXECUTION_ID\n"))

    def test_get_replaces_what_the_terminal_lacks_and_absent_fields(self) -> None:
        for name, words in (("hostile-text", "?"), ("null-node-fields", "-: COMPLETED\n  -: - ")):
            ended = subprocess.run(
                [sys.executable, "-X", "utf8=0", "get.py", name],
                cwd=HERE,
                env={**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
                capture_output=True,
                timeout=PATIENCE,
            )
            self.assertEqual((ended.returncode, ended.stderr), (0, b""))
            self.assertIn(words, ended.stdout.decode("ascii"))

    def test_module_prints_100_percent_only_for_100(self) -> None:
        self.assertIn("STOPPED, 99.9999996 %", self.run_module("nearly-complete")[1])

    def test_module_waits_for_an_execution(self) -> None:
        status, out, err = self.run_module("--wait", "running-module")
        self.assertEqual(status, 0)
        self.assertIn("COMPLETED", out)
        self.assertIn("RUNNING", err)
        status, out, err = self.run_module("--wait", "--timeout", "0.2", "stuck")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("200 ms", err)

    def test_module_reports_retries(self) -> None:
        status, out, err = self.run_module("--wait", "flaky-module")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"\nlast poll in [\d.]+ ms \(.*\), attempts [23]\n\Z")
        self.assertRegex(err, r"\A(refold: WARNING call \d+ poll \d+ .*: attempt \d failed, retrying in .*\n)+\Z")

    def test_programs_log_what_they_do(self) -> None:
        for program in (["get.py"], ["-m", "refold"], ["-m", "refold", "--wait"]):
            ended = self.run_program(*program, "--verbose", "completed", REFOLD_LOG="off")
            self.assertEqual(ended.returncode, 0)
            self.assertRegex(ended.stderr, r"(?m)^(refold: )?DEBUG call .* sent GET ")
            ended = self.run_program(*program, "completed", REFOLD_LOG="info")
            self.assertEqual(ended.returncode, 0)
            self.assertRegex(ended.stderr, r"\A(refold INFO call .*\n)+\Z")

    def test_log_of_environment_is_that_of_the_library(self) -> None:
        program = """
import logging, os
logging.basicConfig(level=logging.DEBUG, format="%(name)s", stream=sys.stdout)
client = refold.Client()
client.get("completed")
logging.getLogger("own").setLevel(logging.INFO)
client = refold.Client(log=logging.getLogger("own"))
client.get("completed")
os.environ["REFOLD_LOG"] = "nonsense"
try:
    refold.Client()
except refold.Error as error:
    print(error.code_name)
"""
        with mock.patch.dict(os.environ, REFOLD_LOG="info"):
            process = self.start(program)
        err = self.ends(process, 0, "own\nINVALID_ARGUMENT\n")
        self.assertRegex(err, r"\Arefold INFO call \d+ .*\n\Z")

    def test_nothing_is_printed_without_logging(self) -> None:
        program = "import logging\nprint(refold.Client(max_retries=9).get('flaky-silent').attempts > 1)"
        self.assertEqual(self.ends(self.start(program), 0, "True\n"), "")

    def test_failing_handlers_print_nothing(self) -> None:
        program = """
import logging
def fail(record):
    raise KeyError(record)
logging.getLogger("refold").addFilter(fail)
logging.getLogger("refold").setLevel(logging.DEBUG)
client = refold.Client()
print(client.get("completed").status, flush=True)
thread = threading.Thread(target=lambda: print(client.get("completed").status))
thread.start()
thread.join()
"""
        self.assertEqual(self.ends(self.start(program), 0, "COMPLETED\n" * 2), "")

    def test_ctrl_c_in_a_handler_ends_a_call(self) -> None:
        program = """
import logging
def interrupt(record):
    signal.raise_signal(signal.SIGINT)
    return True
logging.getLogger("refold").addFilter(interrupt)
logging.getLogger("refold").setLevel(logging.DEBUG)
client = refold.Client()
"""
        process = self.start(program + self.PROGRAM.format(call="client.wait('stuck')"))
        self.assertEqual(self.ends(process, 0, "interrupted True\n"), "")

    def test_interpreter_exits_during_logged_calls(self) -> None:
        program = """
client = refold.Client(poll_interval=0.01)
for _ in range(4):
    threading.Thread(target=client.wait, args=("stuck",), daemon=True).start()
for _ in range(100):
    lines.acquire()
print("done")
"""
        self.assertEqual(self.ends(self.start(self.COUNT_LINES + program), 0, "done\n"), "")

    def test_module_reports_errors(self) -> None:
        status, out, err = self.run_module("no-such-id")
        self.assertEqual((status, out), (1, ""))
        self.assertRegex(err, r"\Arefold: Execution not found \(404 NOT_FOUND, host 127\.0\.0\.1:\d+.*\)\n\Z")
        status, out, err = self.run_module("completed", REFOLD_API_KEY="")
        self.assertEqual((status, out, len(err.splitlines())), (1, "", 1))
        self.assertEqual(self.run_module()[0], 2)

    def test_module_ends_quietly_on_a_closed_pipe(self) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        with open(writer, "w") as unread:
            ended = subprocess.run(
                [sys.executable, "-m", "refold", DOCUMENTED],
                cwd=HERE,
                stdin=subprocess.DEVNULL,
                stdout=unread,
                stderr=subprocess.PIPE,
                timeout=PATIENCE,
            )
        self.assertEqual((ended.returncode, ended.stderr), (-signal.SIGPIPE, b""))

    def test_missing_library_is_reported(self) -> None:
        status, out, err = self.run_module("completed", REFOLD_LIBRARY="/nothing/librefold.so")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("ImportError: cannot load /nothing/librefold.so", err)

    def test_library_has_the_name_that_the_system_gives_it(self) -> None:
        without = {name: value for name, value in os.environ.items() if name != "REFOLD_LIBRARY"}
        for platform, expected in {
            "linux": "librefold.so.0",
            "freebsd14": "librefold.so.0",
            "darwin": "librefold.0.dylib",
            "win32": "refold.dll",
        }.items():
            with (
                self.subTest(platform),
                mock.patch.object(sys, "platform", platform),
                mock.patch.dict(os.environ, without, clear=True),
                mock.patch.object(pathlib.Path, "exists", return_value=False),
            ):
                self.assertEqual(_library.library_path(), expected)

    def test_copy_loads_no_library_from_nearby(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            around = pathlib.Path(folder).resolve()
            copied = around / "examples" / "python"
            shutil.copytree(HERE / "refold", copied / "refold", ignore=shutil.ignore_patterns("librefold*"))
            planted = around / "target" / "release" / "librefold.so"
            planted.parent.mkdir(parents=True)
            planted.write_text("no library")
            environment = {name: value for name, value in os.environ.items() if name != "REFOLD_LIBRARY"}

            def complaint() -> str:
                importing = [sys.executable, "-B", "-c", "import refold"]
                ended = subprocess.run(
                    importing, cwd=copied, env=environment, capture_output=True, text=True, timeout=PATIENCE
                )
                return ended.stderr

            self.assertNotIn(str(planted), complaint())
            (around / "Cargo.toml").touch()
            (around / "include").mkdir()
            (around / "include" / "refold.h").touch()
            self.assertIn(f"cannot load {planted}", complaint())


class PrintableTest(TestCase):
    def test_printable_text_is_one_harmless_line(self) -> None:
        for text, line in {
            "": "",
            "a\tb\r\nc": "a b  c",
            "\x1b[2J\a\0\x7f": "?[2J???",
            "\x80\x9f|\u061c|\u200e\u200f": "??|?|??",
            "\u2028\u202e|\u2066\u2069|\ud83d": "??|??|?",
        }.items():
            self.assertEqual(refold.printable(text), line)
        # The neighbors of what is replaced, and characters that only other rules would replace.
        kept = "~ \xa0\u061b\u061d\u200d\u2010\u2027\u202f\u2065\u206a\u3000\xad\ufffd\U0001f680"
        self.assertEqual(refold.printable(kept), kept)


class NamesTest(TestCase):
    def test_names_match_the_library(self) -> None:
        for code in refold.Code:
            self.assertEqual(refold.Error(code, "").code_name, code.name)
        for state in refold.State:
            self.assertEqual(_native.lib.refold_state_name(state), state.name.encode())
        self.assertEqual(refold.Error(418, "").code_name, "HTTP_ERROR")
        self.assertRegex(refold.version(), r"^\d+\.\d+\.\d+$")
        self.assertEqual(refold.__version__, refold.version())

    def test_errors_are_raised_as_the_public_names(self) -> None:
        for name in refold.__all__:
            self.assertEqual(getattr(refold, name).__module__, "refold")


class ModulesTest(TestCase):
    """Each module uses only those before it in this list, and all are short."""

    modules = (
        "_library _native _printable _json _timings _errors _execution _log _queue _main_thread _calls _client _loop _aio "
        "__init__ __main__"
    ).split()

    def test_modules_use_only_lower_ones(self) -> None:
        self.assertEqual(sorted(self.modules), sorted(path.stem for path in (HERE / "refold").glob("*.py")))
        for position, module in enumerate(self.modules):
            source = (HERE / "refold" / f"{module}.py").read_text(encoding="utf-8")
            used = re.findall(r"^\s*from \.(\w*) import", source, re.MULTILINE)
            self.assertLessEqual({name or "__init__" for name in used}, set(self.modules[:position]), module)
            self.assertLess(source.count("\n"), 600, module)


if __name__ == "__main__":
    unittest.main()
