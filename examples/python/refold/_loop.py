"""Makes calls in the event loops of asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import threading
import weakref
from typing import Any, Callable, Optional, Union

from ._calls import Call, at_exit
from ._errors import Error
from ._execution import Execution
from ._log import Lines, this_thread
from ._native import Handle, lib, notify_function
from ._queue import DONE, Request, new_queue, outcome_of


class LinesOfLoops(Lines):
    """Wakes one of the loops in which a client is used."""

    def __init__(self) -> None:
        super().__init__()
        self._loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []
        self._is_woken = False

    def add_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loops = [*(known for known in self._loops if _is_open(known())), weakref.ref(loop)]

    def wake(self) -> None:
        if self._is_woken:
            return
        self._is_woken = True
        for known in self._loops:
            loop = known()
            if loop is not None:
                with contextlib.suppress(RuntimeError):  # it is closed
                    loop.call_soon_threadsafe(self.log)
                    return
        self._is_woken = False

    def log(self) -> None:
        self._is_woken = False
        super().log()


def _is_open(loop: Optional[asyncio.AbstractEventLoop]) -> bool:
    return loop is not None and not loop.is_closed()


class AsyncCall:
    """A call that a task waits for."""

    __slots__ = ("request", "token", "_snapshot", "_outcome", "_waiter")

    def __init__(self, request: Request) -> None:
        self.request = request  # whose client the library uses until the call has ended
        self.token = Handle(lib.refold_cancel_new(), lib.refold_cancel_free)
        self._snapshot: Optional[Execution] = None  # the latest one that no task has taken
        self._outcome: Union[None, Execution, Error] = None
        self._waiter: Optional[asyncio.Future[None]] = None

    def put(self, outcome: Union[Execution, Error], is_last: bool) -> None:
        if is_last:
            self._outcome = outcome
        elif isinstance(outcome, Execution):
            self._snapshot = outcome
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def take(self) -> tuple[Execution, bool]:
        """Returns the latest snapshot, once there is one, and whether it is the last one. Raises the error of the call."""
        if self._waiter is not None:
            raise RuntimeError("another task is waiting for the next snapshot")
        if self._outcome is None and self._snapshot is None:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        outcome = self._outcome
        if isinstance(outcome, Execution):
            return outcome, True
        snapshot, self._snapshot = self._snapshot, None
        if snapshot is not None:
            return snapshot, False
        assert outcome is not None
        try:
            raise outcome
        finally:
            del outcome  # breaks the reference cycle through the traceback

    def stop(self) -> None:
        if self._outcome is None:
            lib.refold_cancel_trigger(self.token)


class LoopQueue:
    """The queue of a client in one event loop.

    Only the loop refers to it, so it is freed when the loop is closed or unreachable. All methods but free(), reference()
    and close_soon() are called on the thread of the loop.
    """

    all: weakref.WeakSet[LoopQueue] = weakref.WeakSet()
    # Queues that became unreachable on one of their own threads, which cannot wait for its own end.
    unfreed: list[tuple[Handle, object]] = []

    def __init__(self, loop: asyncio.AbstractEventLoop, max_concurrent: int, lines: LinesOfLoops) -> None:
        self._handle: Optional[Handle] = None
        self._calls: dict[int, AsyncCall] = {}
        if Call.is_exiting:
            raise RuntimeError("the interpreter is exiting")
        while LoopQueue.unfreed:
            LoopQueue.unfreed.pop()[0].release()
        self._handle = new_queue(max_concurrent)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()  # of the handle: another thread frees it when the interpreter exits
        self._loop = weakref.ref(loop)
        self._process = os.getpid()
        self._lines = lines
        self._is_closing = False
        self._notify: Any = None
        self._descriptor: int = lib.refold_queue_descriptor(self._handle)
        try:
            if self._descriptor < 0:
                raise NotImplementedError
            loop.add_reader(self._descriptor, self.take_events)
        except NotImplementedError:
            self._notify = _notify_callback(self._loop, weakref.ref(self))
            lib.refold_queue_set_notify(self._handle, self._notify, None)
        lines.add_loop(loop)
        LoopQueue.all.add(self)

    def reference(self) -> Callable[[], Optional[LoopQueue]]:
        """Returns what a client keeps. A loop that the library wakes does not refer to the queue itself."""
        return weakref.ref(self) if self._notify is None else lambda: self

    def submit(self, request: Request) -> AsyncCall:
        call = AsyncCall(request)
        number = next(self._numbers)
        with self._lock:
            if self._handle is None:
                raise RuntimeError("the interpreter is exiting")
            request.submit(self._handle, call.token, number)
            self._calls[number] = call
        return call

    def take_events(self) -> None:
        calls = self._calls
        try:
            with self._lock:
                queue = self._handle
                while queue is not None:
                    event = lib.refold_queue_next(queue, 0)
                    if event is None:
                        break
                    number = lib.refold_event_user_data(event)
                    is_last = lib.refold_event_typeof(event) == DONE
                    call = calls.pop(number) if is_last else calls[number]
                    call.put(outcome_of(event, call.request.host), is_last)
                    lib.refold_event_free(event)
            self._lines.log()
        finally:
            if self._is_closing and not calls:
                self._close()

    def close_soon(self) -> None:
        """Cancels all calls, and frees the queue once they have ended."""
        loop = self._loop()
        if self._handle is None or loop is None or self._process != os.getpid():
            return
        if asyncio._get_running_loop() is loop:
            self._close()
        else:
            with contextlib.suppress(RuntimeError):  # it is closed
                loop.call_soon_threadsafe(self._close)

    def _close(self) -> None:
        self._is_closing = True
        for call in self._calls.values():
            call.stop()
        loop = self._loop()
        if self._calls or loop is None:
            return
        with self._lock:
            queue, self._handle = self._handle, None
        if queue is None:
            return
        if self._notify is None:
            loop.remove_reader(self._descriptor)
        try:
            # The threads of the queue take a while to end if there are hundreds.
            threading.Thread(target=queue.release, name="refold").start()
        except RuntimeError:  # out of threads
            queue.release()

    def stop_all(self) -> None:
        for call in tuple(self._calls.values()):
            call.stop()

    def free(self) -> None:
        with self._lock:
            queue, self._handle = self._handle, None
        if queue is not None:
            queue.release()
        self._lines.log_last()

    def __del__(self) -> None:
        if self._handle is None:
            return
        if this_thread.is_in_callback:
            self.stop_all()
            LoopQueue.unfreed.append((self._handle, (self._calls, self._notify)))
        else:
            self.free()


class Wakeup:
    """A callback for a loop that takes the events of a queue. Cancels all calls if the loop is closed before it runs."""

    def __init__(self, queue: LoopQueue) -> None:
        self._queue: Optional[LoopQueue] = queue

    def __call__(self) -> None:
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.take_events()

    def __del__(self) -> None:
        if self._queue is not None:
            self._queue.stop_all()


def _notify_callback(loop: weakref.ref[asyncio.AbstractEventLoop], queue: weakref.ref[LoopQueue]) -> Any:
    """Returns a C callback that wakes a loop in which no descriptor can be polled."""

    def wake() -> None:
        here, woken = loop(), queue()
        if here is not None and woken is not None:
            with contextlib.suppress(RuntimeError):  # it is closed
                here.call_soon_threadsafe(Wakeup(woken))

    def on_notify(_: Optional[int]) -> None:
        this_thread.is_in_callback = True
        try:
            wake()
        finally:
            this_thread.is_in_callback = False

    return notify_function(on_notify)


def _free_queues() -> None:
    for queue in tuple(LoopQueue.all):
        queue.free()


at_exit.append(_free_queues)
