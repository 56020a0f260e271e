"""Makes calls on the main thread, where Python must be able to run signal handlers."""

from __future__ import annotations

import contextlib
import os
import select

from ._errors import Code, Error
from ._log import Lines
from ._native import Handle, lib
from ._queue import new_queue


class LinesOfMainThread(Lines):
    """Wakes the main thread with a pipe."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = -1
        self._writer = -1

    def open(self) -> None:
        """Creates the pipe. Without one, lines are logged a little later."""
        if self.reader < 0 and hasattr(select, "poll"):
            with contextlib.suppress(OSError):
                self.reader, self._writer = os.pipe()
                os.set_blocking(self.reader, False)
                os.set_blocking(self._writer, False)

    def wake(self) -> None:
        with contextlib.suppress(OSError):  # there is none, or it is full
            os.write(self._writer, b"\n")

    def log(self) -> None:
        if self.reader >= 0:
            with contextlib.suppress(OSError):
                os.read(self.reader, 65536)
        super().log()

    def after_fork(self) -> None:
        """The child must not wake its parent."""
        self._lines.clear()
        for descriptor in (self.reader, self._writer):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self.reader = self._writer = -1


main_lines = LinesOfMainThread()

# In milliseconds. A signal does not wake the main thread if it arrives just before the wait starts or on another thread.
_SIGNAL_CHECK_INTERVAL = 250


class QueueOfMainThread:
    """Makes one call at a time, while the main thread waits in Python, which runs signal handlers."""

    # A call takes one of these or creates one, because signal handlers and callbacks may make calls during a call.
    idle: list[QueueOfMainThread] = []

    def __init__(self) -> None:
        self.handle = new_queue(1)
        self._process = os.getpid()
        self._descriptor: int = lib.refold_queue_descriptor(self.handle)
        self._poll = select.poll() if self._descriptor >= 0 else None
        if self._poll is not None:
            self._poll.register(self._descriptor, select.POLLIN)
        self._polls_lines = False

    def next(self) -> Handle:
        """Waits for the next event. Logs what was written before it."""
        poll = self._poll
        if poll is not None and not self._polls_lines and main_lines.reader >= 0:
            poll.register(main_lines.reader, select.POLLIN)
            self._polls_lines = True
        while True:
            if poll is not None:
                poll.poll(_SIGNAL_CHECK_INTERVAL)
            event = lib.refold_queue_next(self.handle, 0 if poll is not None else _SIGNAL_CHECK_INTERVAL)
            owner = None if event is None else Handle(event, lib.refold_event_free)
            main_lines.log()
            if owner is not None:
                return owner
            if lib.refold_queue_pending(self.handle) == 0:
                raise Error(Code.INVALID_ARGUMENT, "the call belongs to the parent of this process")

    def await_end(self) -> None:
        """Waits for the end of a call that was cancelled, which takes less than 50 ms, and logs its last lines."""
        while self._process == os.getpid() and lib.refold_queue_pending(self.handle) > 0:
            lib.refold_event_free(lib.refold_queue_next(self.handle, -1))
        self.put_back()
        main_lines.log_last()

    def put_back(self) -> None:
        if self._process == os.getpid():
            QueueOfMainThread.idle.append(self)
