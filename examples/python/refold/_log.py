"""The log of calls, which goes to a logger of Python."""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import threading
from typing import Any, NamedTuple, Optional, Protocol

from ._native import Handle, lib, log_function


_logger = logging.getLogger("refold")
_logger.addHandler(logging.NullHandler())  # otherwise Python would print warnings of programs that set up no logging

_levels = {1: logging.WARNING, 2: logging.INFO, 3: logging.DEBUG}  # of the numbers in C


class LoggedCall(Protocol):
    """What the log needs of a call that runs on the current thread."""

    def log(self, line: Line) -> None: ...

    def fail(self, error: BaseException) -> None: ...


class ThisThread(threading.local):
    """What this thread is doing."""

    call: Optional[LoggedCall] = None  # the call that is inside C
    is_logging = False  # it is in a handler of a line
    is_in_callback = False  # it is a thread of a queue, inside one of the callbacks


class Line(NamedTuple):
    """A line of the log."""

    logger: logging.Logger
    level: int
    message: str

    def log(self) -> None:
        """Logs the line. Calls that a handler makes are not logged: their lines would lead to others without end."""
        was_logging = this_thread.is_logging
        this_thread.is_logging = True
        try:
            self.logger.log(self.level, self.message)
        except Exception:
            pass  # a failure of a filter or handler must not fail the call
        finally:
            this_thread.is_logging = was_logging


class Lines:
    """Lines that threads of queues have written, and another thread logs: the one that makes the calls."""

    def __init__(self) -> None:
        self._lines: collections.deque[Line] = collections.deque()

    def put(self, line: Line) -> None:
        self._lines.append(line)
        self.wake()

    def open(self) -> None:
        """Prepares wake()."""

    def wake(self) -> None:
        """Makes the other thread call log()."""

    def log(self) -> None:
        while self._lines:
            self._lines.popleft().log()

    def log_last(self) -> None:
        """Logs what is left of a call that an exception has ended, so that another one is of no interest."""
        while self._lines:
            with contextlib.suppress(BaseException):
                self._lines.popleft().log()


this_thread = ThisThread()


def _log_callback(logger: logging.Logger, lines: Lines) -> Any:
    """Returns a C callback that logs lines of calls on this thread, and collects those of queues."""

    def on_log(level: int, message: bytes, _: Optional[int]) -> None:
        call = this_thread.call
        try:
            this_thread.is_in_callback = call is None
            line = Line(logger, _levels.get(level, logging.DEBUG), message.decode(errors="replace"))
            if call is None:
                lines.put(line)
            else:
                call.log(line)
        except BaseException as error:  # none may cross C
            if call is not None:
                call.fail(error)
        finally:
            this_thread.is_in_callback = False

    return log_function(on_log)


def set_log(options: Handle, log: Optional[logging.Logger], lines: Lines) -> Any:
    """Sets the log of a client. Returns the C callback, which must live as long as the client and its calls."""
    if log is None and os.environ.get("REFOLD_LOG"):
        return None  # the library logs to standard error
    logger = _logger if log is None else log
    level = max((number for number, level in _levels.items() if logger.isEnabledFor(level)), default=0)
    if level > 0:
        lines.open()
    callback = _log_callback(logger, lines) if level > 0 else log_function()
    lib.refold_options_set_log(options, level, callback, None)
    return callback
