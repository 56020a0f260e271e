"""Submits calls to queues of the library."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple, Optional, Union

from ._errors import Error, copy_error, take_error
from ._execution import Execution
from ._native import Handle, lib

DONE = 2  # the type of the last event of a call


def new_queue(max_concurrent: int) -> Handle:
    error = ctypes.c_void_p()
    pointer = lib.refold_queue_new(max_concurrent, ctypes.byref(error))
    if pointer is None:
        raise take_error(error)
    return Handle(pointer, lib.refold_queue_free)


class Request(NamedTuple):
    """A get, or a wait with its timeout in milliseconds."""

    client: Handle
    host: str
    execution_id: Optional[bytes]
    timeout: Optional[int] = None

    def call(self, progress: Any, token: Handle, error: Any) -> Optional[int]:
        """Makes the call on this thread."""
        client, _, execution_id, timeout = self
        pointer: Optional[int]
        if timeout is None:
            pointer = lib.refold_get_execution(client, execution_id, token, error)
        else:
            pointer = lib.refold_wait_execution(client, execution_id, timeout, progress, None, token, error)
        return pointer

    def submit(self, queue: Handle, token: Handle, number: int) -> None:
        """Submits the call to a queue, which uses the client until it has reported the end of the call."""
        client, host, execution_id, timeout = self
        error = ctypes.c_void_p()
        if timeout is None:
            is_accepted = lib.refold_queue_get_execution(
                queue, client, execution_id, token, number, ctypes.byref(error)
            )
        else:
            is_accepted = lib.refold_queue_wait_execution(
                queue, client, execution_id, timeout, token, number, ctypes.byref(error)
            )
        if not is_accepted:
            raise take_error(error, host)


def outcome_of(event: Union[Handle, int], host: str) -> Union[Execution, Error]:
    """The snapshot or the error of an event, of a call to that host."""
    snapshot = lib.refold_event_execution(event)
    if snapshot is None:
        return copy_error(lib.refold_event_error(event), host)
    return Execution(Handle(lib.refold_execution_retain(snapshot), lib.refold_execution_free))
