"""Calls that block a thread, and how they are cancelled."""

from __future__ import annotations

import atexit
import ctypes
import inspect
import os
import threading
import time
from typing import Any, Callable, Optional, Union

from ._errors import Cancelled, Code, Error, take_error
from ._execution import Execution, Progress, take_execution
from ._log import Line, this_thread
from ._main_thread import QueueOfMainThread, main_lines
from ._native import Handle, lib, progress_function
from ._queue import DONE, Request, outcome_of


class CancelToken:
    """Cancels every call that it is passed to. Once triggered, a token stays triggered.

    Any number of calls on any threads may share a token. Any thread, and any Python signal handler, may trigger it. A
    child process cannot use it for calls of its parent.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # reentrant: a signal handler may trigger the token while its thread holds it
        self._is_triggered = False
        self._calls: set[Call] = set()

    def trigger(self) -> None:
        """Makes every call with this token raise `Cancelled` within 50 ms, now and in the future."""
        with self._lock:
            self._is_triggered = True
            for call in tuple(self._calls):
                call.stop()

    @property
    def is_triggered(self) -> bool:
        """Whether trigger() has been called."""
        return self._is_triggered

    def _add(self, call: Call) -> None:
        with self._lock:
            self._calls.add(call)
            if self._is_triggered:
                call.stop()

    def _remove(self, call: Call) -> None:
        with self._lock:
            self._calls.discard(call)


def is_stopping(proceed: Optional[bool]) -> bool:
    return proceed is not None and not proceed


def check_progress(on_progress: Optional[Progress]) -> None:
    """Raises TypeError for a coroutine function: a call of it would only create a coroutine that is never awaited."""
    if inspect.iscoroutinefunction(on_progress):
        raise TypeError("on_progress must be a function, not a coroutine function; use AsyncClient.watch() to await")


def stopped_by_progress() -> Error:
    """The error if `on_progress` has returned False just when the run ended."""
    return Cancelled(Code.CANCELLED, "the call was cancelled by on_progress")


class Call:
    """One call of get or wait. It has its own C token, so that it can be stopped individually."""

    # Calls that are inside C.
    active: set[Call] = set()
    # The interpreter is exiting: daemon threads must not return to it.
    is_exiting = False

    def __init__(self, request: Request, progress: Optional[Progress], cancel: Optional[CancelToken]) -> None:
        self._request = request
        self._progress = progress
        self._cancel = cancel
        self._token = Handle(lib.refold_cancel_new(), lib.refold_cancel_free)
        self._is_on_main_thread = threading.get_ident() == threading.main_thread().ident
        self._is_abandoned = False
        self._ended = threading.Event()
        self._raised: list[BaseException] = []  # what ended the call and is raised once C has returned
        self._is_logged = not this_thread.is_logging
        self._is_stopped = False  # `progress` has returned False

    def log(self, line: Line) -> None:
        if self._is_logged:
            line.log()

    def fail(self, error: BaseException) -> None:
        self._raised.append(error)
        self.stop()

    def stop(self) -> None:
        lib.refold_cancel_trigger(self._token)

    def run(self) -> Execution:
        """Python runs signal handlers on the main thread only, and not while that is inside C.

        Lines of a queue do not show their call, so calls of handlers, which are not logged, run on the current thread.
        """
        if self._is_on_main_thread and self._is_logged and not Call.is_exiting:
            self._allow_cancelling()  # before a thread of the library can complete the call
            try:
                queue = self._submit()
                if queue is not None:
                    return self._run_interruptibly(queue)
            finally:
                self._forbid_cancelling()
        return self._run_blocking()

    def _allow_cancelling(self) -> None:
        if self._cancel is not None:
            self._cancel._add(self)

    def _forbid_cancelling(self) -> None:
        if self._cancel is not None:
            self._cancel._remove(self)

    def _run_blocking(self) -> Execution:
        """Runs on the current thread. Raises the exception that ended the call, such as one of `progress`, if any."""
        error = ctypes.c_void_p()
        raised = self._raised
        callback = None if self._progress is None else _callback(self._progress, raised)
        outer = this_thread.call
        self._begin()
        try:
            this_thread.call = self
            pointer = self._request.call(callback or progress_function(), self._token, ctypes.byref(error))
        finally:
            this_thread.call = outer
            self._end()
        if raised:
            if pointer is not None:
                lib.refold_execution_free(pointer)
            else:
                take_error(error)
            try:
                raise raised[0]
            finally:
                raised.clear()  # breaks the reference cycle through the traceback
        return take_execution(pointer, error, self._request.host)

    def _begin(self) -> None:
        Call.active.add(self)
        if Call.is_exiting and not self._is_on_main_thread:
            self._is_abandoned = True
            self._end()
        self._allow_cancelling()

    def _end(self) -> None:
        self._forbid_cancelling()
        Call.active.discard(self)
        self._ended.set()
        if self._is_abandoned:
            threading.Event().wait()  # forever: the process exits under this daemon thread

    @classmethod
    def abandon_all(cls) -> None:
        """Stops the calls of daemon threads, because C must not call back into an interpreter that has exited.

        Waits up to 10 seconds in all for progress callbacks and log handlers to return. Python then ends threads that are
        still in one, which aborts the process.
        """
        cls.is_exiting = True
        calls = tuple(cls.active)
        for call in calls:
            call._is_abandoned = True
            call.stop()
        deadline = time.monotonic() + 10
        for call in calls:
            call._ended.wait(max(0, deadline - time.monotonic()))
        for end in at_exit:
            end()
        QueueOfMainThread.idle.clear()

    def _submit(self) -> Optional[QueueOfMainThread]:
        """Submits the call. Returns None if there are no descriptors or threads for that."""
        queue = None
        try:
            queue = QueueOfMainThread.idle.pop() if QueueOfMainThread.idle else QueueOfMainThread()
            self._request.submit(queue.handle, self._token, 0)
            return queue
        except Error as error:
            if queue is not None:
                queue.put_back()
            if error.code != Code.RESOURCE:
                raise
            return None

    def _run_interruptibly(self, queue: QueueOfMainThread) -> Execution:
        """Waits in Python, calls `progress` and logs. An exception cancels the call."""
        try:
            outcome = self._await_outcome(queue)
        except BaseException:
            self.stop()
            queue.await_end()
            raise
        queue.put_back()
        if isinstance(outcome, Error):
            try:
                raise outcome
            finally:
                del outcome  # breaks the reference cycle through the traceback
        if self._is_stopped:
            raise stopped_by_progress()
        if self._progress is not None:
            self._progress(outcome)
        return outcome

    def _await_outcome(self, queue: QueueOfMainThread) -> Union[Execution, Error]:
        while True:
            event = queue.next()
            if lib.refold_event_typeof(event) == DONE:
                return outcome_of(event, self._request.host)
            if self._progress is None or self._is_stopped:
                continue
            snapshot = outcome_of(event, self._request.host)
            del event
            if isinstance(snapshot, Execution) and is_stopping(self._progress(snapshot)):
                self._is_stopped = True
                self.stop()


def _callback(progress: Progress, raised: list[BaseException]) -> Any:
    """Returns a C callback that calls `progress`. It stores exceptions in `raised`, because none may cross C."""

    def on_progress(snapshot: int, _: Optional[int]) -> bool:
        try:
            execution = Execution(Handle(lib.refold_execution_retain(snapshot), lib.refold_execution_free))
            return not is_stopping(progress(execution))
        except BaseException as error:
            raised.append(error)
            return False

    return progress_function(on_progress)


# What else ends once the calls have: queues of event loops.
at_exit: list[Callable[[], None]] = []

# Runs after all threads but daemon threads have ended.
atexit.register(Call.abandon_all)


def _after_fork() -> None:
    """Forgets the calls and queues of the parent: their threads do not exist in this process."""
    Call.active.clear()
    QueueOfMainThread.idle.clear()
    main_lines.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
