"""refold: one workflow execution of Refold by its id, with the detail of every node.

    import refold

    with refold.Client() as client:  # REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or REFOLD_SESSION_TOKEN
        execution = client.get("6a106ba44480b80424a65289")
        for node in execution.nodes:
            print(node.name, node.status, node.latest_output)

This is one file upon the shared library, for Python 3.9 and later. The library is what the environment variable
REFOLD_LIBRARY names; without one, the librefold.so.0 or librefold.so beside this file or, where this is examples/python
of the project, in its target/release; else the librefold.so.0 that the system's loader finds. `python -m refold
EXECUTION_ID` prints an execution. What refold.h says of time-outs, retries, limits, trust, proxies, secrets and fork
holds here, too.

Ownership: nothing has to be freed. Clients and executions free what they hold when nobody refers to them any more, or
earlier when they are closed, by close() or as context managers. Nodes stay good when their execution is closed.

Absent: what the document lacks, or has as null or with a type that it should not have, is None. Text ends where it
holds U+0000; outputs and `json` are whole.

Times are in seconds.

Errors: a call that fails raises `Error`. An argument that cannot be handed to the library raises ValueError or
TypeError, and so does the use of what was closed.

Threads: any number may use the same objects. The interpreter's lock is free while a call waits. In asyncio, hand calls
to asyncio.to_thread().

Ctrl-C and signals: calls of the main thread are made on a helper thread, so that Python goes on running signal handlers
at once. What a handler raises, as KeyboardInterrupt, ends the call and comes out of it; a handler that returns does not
disturb it. Python runs no handler on other threads: end their calls by a `CancelToken`. Calls of daemon threads are
cancelled when the interpreter ends.
"""

from __future__ import annotations

import argparse
import atexit
import ctypes
import enum
import io
import json
import math
import os
import pathlib
import queue
import re
import signal
import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Callable, Optional, Union, overload

__all__ = ["CancelToken", "Client", "Code", "Error", "Execution", "Node", "Nodes", "State", "version"]


# The shared library ---------------------------------------------------------------------------------------------------


def _place() -> str:
    named = os.environ.get("REFOLD_LIBRARY")
    if named:
        return named
    names = ["librefold.0.dylib", "librefold.dylib"] if sys.platform == "darwin" else ["librefold.so.0", "librefold.so"]
    here = pathlib.Path(__file__).resolve().parent
    folders = [here]
    project = here.parent.parent
    # Around a copy of this file others may have put what is no build of this project.
    marks = (project / "Cargo.toml", project / "include" / "refold.h")
    if here == project / "examples" / "python" and all(mark.exists() for mark in marks):
        folders.append(project / "target" / "release")
    for folder in folders:
        for name in names:
            if (folder / name).exists():
                return str(folder / name)
    return names[0]


def _load() -> ctypes.CDLL:
    place = _place()
    try:
        return ctypes.CDLL(place)
    except OSError as error:
        raise ImportError(f"cannot load {place}: {error} (REFOLD_LIBRARY may name another one)") from error


_c = _load()
_pointer = ctypes.c_void_p
_text_pointer = ctypes.c_char_p
_length_pointer = ctypes.POINTER(ctypes.c_size_t)
_error_pointer = ctypes.POINTER(ctypes.c_void_p)
_progress_function = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p)


def _declare(result: Any, arguments: Sequence[Any], *names: str) -> None:
    for name in names:
        function = getattr(_c, "refold_" + name)
        function.restype = result
        function.argtypes = arguments


_declare(_text_pointer, [], "version")
_declare(_text_pointer, [ctypes.c_int32], "code_name", "state_name")
_declare(ctypes.c_bool, [ctypes.c_int32], "state_is_final")
_declare(_pointer, [], "options_new", "options_new_from_env", "cancel_new")
_declare(None, [_pointer], "options_free", "client_free", "cancel_free", "cancel_trigger")
_declare(None, [_pointer], "error_free", "execution_free")
_declare(None, [_pointer, _text_pointer, _text_pointer], "options_set_api_key")
_declare(None, [_pointer, _text_pointer], "options_set_session_token", "options_set_base_url", "options_set_proxy")
_declare(None, [_pointer, _text_pointer], "options_set_ca_file", "options_set_user_agent")
_declare(None, [_pointer, _text_pointer, ctypes.c_size_t], "options_set_ca_pem")
_declare(None, [_pointer, ctypes.c_uint64], "options_set_timeout_ms", "options_set_connect_timeout_ms")
_declare(None, [_pointer, ctypes.c_uint64], "options_set_max_response_bytes", "options_set_poll_interval_ms")
_declare(None, [_pointer, ctypes.c_uint32], "options_set_max_retries")
_declare(None, [_pointer, ctypes.c_bool], "options_set_allow_plaintext")
_declare(_pointer, [_pointer, _error_pointer], "client_new")
_declare(ctypes.c_int32, [_pointer, _text_pointer], "client_set_session_token")
_declare(_pointer, [_pointer, _text_pointer, _pointer, _error_pointer], "get_execution")
_declare(
    _pointer,
    [_pointer, _text_pointer, ctypes.c_uint64, _progress_function, _pointer, _pointer, _error_pointer],
    "wait_execution",
)
_declare(_pointer, [_text_pointer, ctypes.c_size_t, _error_pointer], "parse_execution")
_declare(ctypes.c_int32, [_pointer], "error_code", "error_http_status", "execution_state", "node_state")
_declare(_text_pointer, [_pointer], "error_http_error_type", "error_api_code", "error_message", "error_request_id")
_declare(_pointer, [_pointer, _length_pointer], "error_body", "json_raw")
_declare(ctypes.c_int64, [_pointer], "error_retry_after_ms")
_declare(ctypes.c_bool, [_pointer], "error_is_retryable", "node_is_batch")
_declare(ctypes.c_uint32, [_pointer], "error_attempts")
_declare(_pointer, [_pointer], "execution_retain", "execution_json", "node_json")
_declare(_pointer, [_pointer], "node_latest_output", "node_input_data")
_declare(_text_pointer, [_pointer], "execution_id", "execution_name", "execution_org_id", "execution_environment")
_declare(_text_pointer, [_pointer], "execution_status", "execution_config_id", "execution_linked_account_id")
_declare(_text_pointer, [_pointer], "execution_created_at", "node_id", "node_name", "node_type", "node_status")
_declare(ctypes.c_double, [_pointer], "execution_completion_percentage")
_declare(ctypes.c_size_t, [_pointer], "execution_node_count")
_declare(_pointer, [_pointer, ctypes.c_size_t], "execution_node")
_declare(_pointer, [_pointer, _text_pointer], "execution_node_by_id")
_declare(ctypes.c_int64, [_pointer], "node_attempts_made", "node_maximum_attempts", "node_execution_time_ms")


class _Handle:
    """Owns an object of C, and frees it when nobody refers to it any more, a call under way included.

    It is itself what is handed to C's functions, so it lives at least as long as the call.
    """

    __slots__ = ("_as_parameter_", "_free")

    def __init__(self, pointer: int, free: Callable[[int], object]) -> None:
        self._as_parameter_ = pointer
        self._free = free

    def __del__(self) -> None:
        self._free(self._as_parameter_)


def _argument(text: Optional[str]) -> Optional[bytes]:
    """Text for C, which ends it at its first NUL."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise TypeError(f"a str is wanted, not {type(text).__name__}")
    if "\0" in text:
        raise ValueError("text for the library must not hold U+0000")
    return text.encode()


def _milliseconds(what: str, seconds: Optional[float]) -> int:
    """0, which is none to C, for None. At least 1 otherwise."""
    if seconds is None or seconds == math.inf:
        return 0
    if not seconds > 0:
        raise ValueError(f"{what} must be above 0, or None for none")
    return min(math.ceil(seconds * 1000), 2**64 - 1)


def _text(text: Optional[bytes]) -> Optional[str]:
    return None if text is None else text.decode()


def _some_text(text: Optional[bytes]) -> str:
    return _text(text) or ""


def _count(number: int) -> Optional[int]:
    return None if number < 0 else number


def _seconds(milliseconds: int) -> Optional[float]:
    return None if milliseconds < 0 else milliseconds / 1000


def _bytes(function: Any, of: object) -> Optional[bytes]:
    """What a function of C returns that tells the length by a parameter."""
    length = ctypes.c_size_t()
    start = function(of, ctypes.byref(length))
    return None if start is None else ctypes.string_at(start, length.value)


def version() -> str:
    """The version of the library that is loaded."""
    return _some_text(_c.refold_version())


# JSON as Python objects -----------------------------------------------------------------------------------------------

# One escape at a time, so that the backslash of `\\ud83d` is not mistaken: a surrogate pair, half of one, any other.
_escape = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL)
# Where something begins or ends between two values.
_mark = re.compile(r"[^ \t\r\n,:]")


def _json_text(value: Optional[int]) -> Optional[str]:
    return _text(_bytes(_c.refold_json_raw, value))


def _python_objects(value: Optional[int]) -> Any:
    """What json.loads makes of a value of C, but never a failure.

    Half of a surrogate pair reads as U+FFFD, as in C, since Python could not print or encode it. A number without
    fraction and exponent is an int; one that int() refuses for its length (see sys.set_int_max_str_digits) is a float.
    A float out of range is infinite. No depth is too much, but Python itself cannot compare or print what is deeper
    than its recursion limit.
    """
    text = _json_text(value)
    if text is None:
        return None
    if "\\ud" in text or "\\uD" in text:
        text = _escape.sub(lambda match: "\\ufffd" if match[1] else match[0], text)
    try:
        return json.loads(text)
    except (RecursionError, ValueError):
        return _load_slowly(text)


def _load_slowly(text: str) -> Any:
    """json.loads of text that is known to be JSON, without recursion, and with integers of any size."""
    decoder = json.JSONDecoder(parse_int=_integer)
    opened: list[list[Any]] = [[]]  # in an object, keys and values take turns
    position = 0
    while match := _mark.search(text, position):
        value: Any
        position = match.end()
        if match[0] in "[{":
            opened.append([])
            continue
        if match[0] == "]":
            value = opened.pop()
        elif match[0] == "}":
            items = opened.pop()
            value = dict(zip(items[::2], items[1::2]))
        else:
            value, position = decoder.raw_decode(text, match.start())
        opened[-1].append(value)
    return opened[0][0]


def _integer(digits: str) -> Union[int, float]:
    try:
        return int(digits)
    except ValueError:
        return float(digits)


# Codes, states and errors ---------------------------------------------------------------------------------------------


class Code(enum.IntEnum):
    """The values of `Error.code` that have a name; any other HTTP status is possible, too. See refold.h."""

    OK = 0
    BAD_REQUEST = 400
    UNAUTHORIZED = 401
    FORBIDDEN = 403
    NOT_FOUND = 404
    REQUEST_TIMEOUT = 408
    CONFLICT = 409
    UNPROCESSABLE_ENTITY = 422
    TOO_MANY_REQUESTS = 429
    INTERNAL_SERVER_ERROR = 500
    NOT_IMPLEMENTED = 501
    BAD_GATEWAY = 502
    SERVICE_UNAVAILABLE = 503
    GATEWAY_TIMEOUT = 504
    INVALID_ARGUMENT = -1
    CANCELLED = -2
    TIMEOUT = -3
    RESOLVE = -4
    CONNECT = -5
    TLS = -6
    TRANSPORT = -7
    INVALID_RESPONSE = -8
    RESPONSE_TOO_LARGE = -9
    INTERNAL = -10
    RESOURCE = -11


class State(enum.IntEnum):
    """What the server's texts for the status of an execution or a node mean, on one scale. See refold.h."""

    UNKNOWN = 0
    READY = 1
    RUNNING = 2
    WAITING = 3
    STOPPING = 4
    COMPLETED = 5
    ERRORED = 6
    SKIPPED = 7
    STOPPED = 8
    TIMED_OUT = 9
    REJECTED = 10

    @classmethod
    def _missing_(cls, value: object) -> State:
        return cls.UNKNOWN

    @property
    def is_final(self) -> bool:
        """Whether it will not change any more."""
        return bool(_c.refold_state_is_final(self.value))


class Error(Exception):
    """Why a call failed. str() of it is one sentence for people; it can be pickled."""

    code: int
    """What kind of failure it is: the HTTP status of the server's answer, or a negative `Code`."""
    message: str
    """One sentence for people."""
    http_status: Optional[int] = None
    """The HTTP status that the answer tells, in its body or else in its head."""
    http_error_type: Optional[str] = None
    """The answer's field http_error_type, such as "NOT_FOUND"."""
    api_code: Optional[str] = None
    """The answer's field error_code, such as "RESOURCE_NOT_FOUND"; without one, its field error."""
    request_id: Optional[str] = None
    """The id of the request, to quote to the vendor's support."""
    body: Optional[bytes] = None
    """The body of the answer as it came, its first 65,536 bytes at most."""
    retry_after: Optional[float] = None
    """How long the server asks to wait before the next try, in seconds from when its answer came."""
    is_retryable: bool = False
    """Whether the same call may succeed later without a change."""
    attempts: int = 0
    """How many tries the call began."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message

    @property
    def code_name(self) -> str:
        """The name of the code for people and logs: "NOT_FOUND", "TIMEOUT"; "HTTP_ERROR" for an unnamed status."""
        return _some_text(_c.refold_code_name(self.code))


def _error_of(place: ctypes.c_void_p) -> Error:
    """The error that C has put there, which is freed."""
    if place.value is None:
        return Error(Code.INTERNAL, "the library failed and does not say why")
    owner = _Handle(place.value, _c.refold_error_free)
    error = Error(_c.refold_error_code(owner), _some_text(_c.refold_error_message(owner)))
    error.http_status = _c.refold_error_http_status(owner) or None
    error.http_error_type = _text(_c.refold_error_http_error_type(owner))
    error.api_code = _text(_c.refold_error_api_code(owner))
    error.request_id = _text(_c.refold_error_request_id(owner))
    error.body = _bytes(_c.refold_error_body, owner)
    error.retry_after = _seconds(_c.refold_error_retry_after_ms(owner))
    error.is_retryable = _c.refold_error_is_retryable(owner)
    error.attempts = _c.refold_error_attempts(owner)
    return error


# Executions and nodes -------------------------------------------------------------------------------------------------


class Node:
    """One node of an execution. It keeps what it needs of its execution, also when that is closed."""

    __slots__ = ("_owner", "_node")

    def __init__(self, owner: _Handle, node: Optional[int]) -> None:
        self._owner = owner
        self._node = node

    def __repr__(self) -> str:
        return f"<refold.Node {self.id!r} {self.name!r}: {self.status}>"

    @property
    def id(self) -> Optional[str]:
        """The field node_id, which is unique in its execution."""
        return _text(_c.refold_node_id(self._node))

    @property
    def name(self) -> Optional[str]:
        """The field node_name, for people."""
        return _text(_c.refold_node_name(self._node))

    @property
    def type(self) -> Optional[str]:
        """The field node_type, such as "start"."""
        return _text(_c.refold_node_type(self._node))

    @property
    def status(self) -> Optional[str]:
        """The field node_status, in the server's own words, such as "Success"."""
        return _text(_c.refold_node_status(self._node))

    @property
    def state(self) -> State:
        """What the field node_status means."""
        return State(_c.refold_node_state(self._node))

    @property
    def is_batch(self) -> bool:
        """The field is_batch. False when it is absent."""
        return bool(_c.refold_node_is_batch(self._node))

    @property
    def attempts_made(self) -> Optional[int]:
        """The field attempts_made."""
        return _count(_c.refold_node_attempts_made(self._node))

    @property
    def maximum_attempts(self) -> Optional[int]:
        """The field maximum_attempts."""
        return _count(_c.refold_node_maximum_attempts(self._node))

    @property
    def execution_time(self) -> Optional[float]:
        """The field execution_time: how long the node ran, in seconds."""
        return _seconds(_c.refold_node_execution_time_ms(self._node))

    @property
    def latest_output(self) -> Any:
        """The field latest_output: what the node returned last, as json.loads gives it, anew each time.

        None also when it is absent. Half of a surrogate pair reads as U+FFFD; a number that is too large, as infinite.
        """
        return _python_objects(_c.refold_node_latest_output(self._node))

    @property
    def latest_output_text(self) -> Optional[str]:
        """The field latest_output as JSON text, as the server sent it."""
        return _json_text(_c.refold_node_latest_output(self._node))

    @property
    def input_data(self) -> Any:
        """The field input_data: what the node was given, as `latest_output`."""
        return _python_objects(_c.refold_node_input_data(self._node))

    @property
    def json(self) -> Any:
        """The whole node, with the fields that this class has no property for, as `latest_output`."""
        return _python_objects(_c.refold_node_json(self._node))


class Nodes(Sequence[Node]):
    """The nodes of an execution, in the order in which the run entered them. A node is made when it is looked at."""

    __slots__ = ("_owner", "_length")

    def __init__(self, owner: _Handle) -> None:
        self._owner = owner
        self._length: int = _c.refold_execution_node_count(owner)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Node: ...

    @overload
    def __getitem__(self, index: slice) -> list[Node]: ...

    def __getitem__(self, index: Union[int, slice]) -> Union[Node, list[Node]]:
        positions = range(self._length)[index]
        if isinstance(positions, range):
            return [self[position] for position in positions]
        return Node(self._owner, _c.refold_execution_node(self._owner, positions))

    def __repr__(self) -> str:
        return f"<refold.Nodes: {self._length}>"


class Execution:
    """A snapshot of one execution: its fields, its nodes, and the whole document. It never changes."""

    __slots__ = ("_handle",)

    def __init__(self, handle: _Handle) -> None:
        self._handle: Optional[_Handle] = handle

    @classmethod
    def parse(cls, json: Union[str, bytes]) -> Execution:
        """Makes an execution from JSON text, such as a stored answer of the server or `json_text`."""
        text = json.encode() if isinstance(json, str) else memoryview(json).tobytes()
        error = ctypes.c_void_p()
        return _execution_of(_c.refold_parse_execution(text, len(text), ctypes.byref(error)), error)

    def close(self) -> None:
        """Gives up its hold on the snapshot, which is freed with the last node that somebody still refers to."""
        self._handle = None

    def __enter__(self) -> Execution:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._handle is None:
            return "<refold.Execution: closed>"
        return f"<refold.Execution {self.id!r}: {self.status}>"

    @property
    def _owner(self) -> _Handle:
        handle = self._handle
        if handle is None:
            raise ValueError("the execution is closed")
        return handle

    @property
    def id(self) -> Optional[str]:
        """The field _id; when the document has none, the id that was asked for."""
        return _text(_c.refold_execution_id(self._owner))

    @property
    def name(self) -> Optional[str]:
        """The field name, such as "Execution for workflow 6a106ba44480b80424a65289"."""
        return _text(_c.refold_execution_name(self._owner))

    @property
    def org_id(self) -> Optional[str]:
        """The field org_id: the organisation."""
        return _text(_c.refold_execution_org_id(self._owner))

    @property
    def environment(self) -> Optional[str]:
        """The field environment: "test" or "production"."""
        return _text(_c.refold_execution_environment(self._owner))

    @property
    def status(self) -> str:
        """The field status, in the server's own words, such as "RUNNING"."""
        return _some_text(_c.refold_execution_status(self._owner))

    @property
    def state(self) -> State:
        """What the field status means."""
        return State(_c.refold_execution_state(self._owner))

    @property
    def completion_percentage(self) -> Optional[float]:
        """The field completion_percentage: 0 to 100, possibly with decimals, or whatever number the server sends.

        One of -1 cannot be told from none.
        """
        percentage: float = _c.refold_execution_completion_percentage(self._owner)
        return None if percentage == -1 else percentage

    @property
    def config_id(self) -> Optional[str]:
        """The field config_id: the configuration of the workflow."""
        return _text(_c.refold_execution_config_id(self._owner))

    @property
    def linked_account_id(self) -> Optional[str]:
        """The field linked_account_id: the account that the run acted for."""
        return _text(_c.refold_execution_linked_account_id(self._owner))

    @property
    def created_at(self) -> Optional[str]:
        """The field createdAt: when the run began, as RFC 3339 text in UTC."""
        return _text(_c.refold_execution_created_at(self._owner))

    @property
    def nodes(self) -> Nodes:
        """The nodes, in the order in which the run entered them."""
        return Nodes(self._owner)

    def node_by_id(self, node_id: str) -> Optional[Node]:
        """The node with an id; of several with the same id, the first. Fast in large executions, too."""
        owner = self._owner
        node = _c.refold_execution_node_by_id(owner, _argument(node_id))
        return None if node is None else Node(owner, node)

    @property
    def json(self) -> Any:
        """The whole document, with the fields that this class has no property for, as `Node.latest_output`."""
        owner = self._owner
        return _python_objects(_c.refold_execution_json(owner))

    @property
    def json_text(self) -> str:
        """The whole document as JSON text, as the server sent it."""
        owner = self._owner
        return _json_text(_c.refold_execution_json(owner)) or ""


Progress = Callable[[Execution], Optional[bool]]


def _execution_of(pointer: Optional[int], error: ctypes.c_void_p) -> Execution:
    if pointer is None:
        raise _error_of(error)
    return Execution(_Handle(pointer, _c.refold_execution_free))


# Calls ----------------------------------------------------------------------------------------------------------------


# Helper threads block them all: only a signal that the system hands to the main thread wakes that.
_all_signals = signal.valid_signals()

# Seconds. A signal ends no wait of the main thread that begins a moment later, nor one that another thread was handed.
_LOOK_AT_SIGNALS = 0.25


class CancelToken:
    """Cancels every call that it was handed to, now and later. Once triggered it stays so.

    Any number of calls on any threads may share it, and any thread or signal handler of Python may trigger it. A child
    process cannot use it for calls of its parent.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may trigger it while its thread is in here
        self._is_triggered = False
        self._calls: set[_Call] = set()

    def trigger(self) -> None:
        """Every call that it was handed to raises `Error` with `Code.CANCELLED` within 50 ms."""
        with self._lock:
            self._is_triggered = True
            for call in tuple(self._calls):
                call.stop()

    @property
    def is_triggered(self) -> bool:
        """Whether it has been triggered."""
        return self._is_triggered

    def _add(self, call: _Call) -> None:
        with self._lock:
            self._calls.add(call)
            if self._is_triggered:
                call.stop()

    def _remove(self, call: _Call) -> None:
        with self._lock:
            self._calls.discard(call)


class _Call:
    """One call of get or wait. It has a token of C's to itself, so that it can be stopped without any other."""

    # Those that C is working at.
    under_way: set[_Call] = set()
    # The interpreter goes away: threads that it does not wait for must keep away from it.
    is_ending = False

    def __init__(
        self,
        function: Callable[..., Optional[int]],
        progress: Optional[Progress],
        cancel: Optional[CancelToken],
    ) -> None:
        self._function = function  # takes a callback or None, a token, and a place for the error
        self._progress = progress
        self._cancel = cancel
        self._token = _Handle(_c.refold_cancel_new(), _c.refold_cancel_free)
        self._is_of_main_thread = threading.get_ident() == threading.main_thread().ident
        self._is_abandoned = False
        self._ended = threading.Event()

    def stop(self) -> None:
        _c.refold_cancel_trigger(self._token)

    def run(self) -> Execution:
        """Python's signal handlers run on the main thread alone, and not while that is inside C."""
        if self._is_of_main_thread:
            return self._run_interruptibly()
        return self._run_here(self._progress)

    def _run_here(self, progress: Optional[Progress]) -> Execution:
        error = ctypes.c_void_p()
        raised: list[BaseException] = []
        callback = None if progress is None else _callback(progress, raised)
        self._begin()
        try:
            pointer = self._function(callback or _progress_function(), self._token, ctypes.byref(error))
        finally:
            self._end()
        if raised:
            if pointer is not None:
                _c.refold_execution_free(pointer)
            else:
                _error_of(error)
            try:
                raise raised[0]
            finally:
                raised.clear()
        return _execution_of(pointer, error)

    def _begin(self) -> None:
        _Call.under_way.add(self)
        if _Call.is_ending and not self._is_of_main_thread:
            self._is_abandoned = True
            self._end()
        if self._cancel is not None:
            self._cancel._add(self)

    def _end(self) -> None:
        if self._cancel is not None:
            self._cancel._remove(self)
        _Call.under_way.discard(self)
        self._ended.set()
        if self._is_abandoned:
            threading.Event().wait()  # like every daemon thread: it never learns what became of it

    @classmethod
    def abandon_all(cls) -> None:
        """Ends the calls of daemon threads: no callback may come out of C into an interpreter that goes away.

        What they show progress to may take its time: they are given 10 seconds in all.
        """
        cls.is_ending = True
        calls = tuple(cls.under_way)
        for call in calls:
            call._is_abandoned = True
            call.stop()
        deadline = time.monotonic() + 10
        for call in calls:
            call._ended.wait(max(0, deadline - time.monotonic()))

    def _run_interruptibly(self) -> Execution:
        """Runs on a helper thread, while this one waits in Python, and shows the progress."""
        news: queue.SimpleQueue[tuple[Optional[Execution], bool, Optional[BaseException]]] = queue.SimpleQueue()
        answers: queue.SimpleQueue[Optional[bool]] = queue.SimpleQueue()
        progress = self._progress

        def ask(shown: Execution) -> Optional[bool]:
            news.put((shown, False, None))
            return answers.get()

        def work() -> None:
            signal.pthread_sigmask(signal.SIG_BLOCK, _all_signals)
            try:
                news.put((self._run_here(ask if progress else None), True, None))
            except BaseException as error:
                news.put((None, True, error))

        error = None
        try:
            try:
                threading.Thread(target=work, name="refold", daemon=True).start()
            except RuntimeError:  # no thread is to be had: rather without signals than not at all
                return self._run_here(progress)
            while True:
                try:
                    execution, is_last, error = news.get(timeout=_LOOK_AT_SIGNALS)
                except queue.Empty:
                    continue  # Python has run the handlers of what came meanwhile
                if error is not None:
                    raise error
                if execution is not None and is_last:
                    return execution
                if execution is not None and progress is not None:
                    answers.put(progress(execution))
        except BaseException:
            self.stop()
            answers.put(False)
            raise
        finally:
            error = None  # which refers to this frame


def _callback(progress: Progress, raised: list[BaseException]) -> Any:
    """A function for C, which no exception may cross."""

    def show(shown: int, _: Optional[int]) -> bool:
        try:
            execution = Execution(_Handle(_c.refold_execution_retain(shown), _c.refold_execution_free))
            answer = progress(execution)
            return answer is None or bool(answer)
        except BaseException as error:
            raised.append(error)
            return False

    return _progress_function(show)


# Those of other threads have ended by then.
atexit.register(_Call.abandon_all)

# The threads that make these calls do not exist in a child.
os.register_at_fork(after_in_child=_Call.under_way.clear)


class Client:
    """What calls go through: settings that were checked, and a pool of connections that its calls share.

    One client for a whole program is best; any number of threads may call through it. Nothing is sent when it is made;
    a setting that is wrong raises `Error` with `Code.INVALID_ARGUMENT`.

    A client authenticates either with `api_key` and `linked_account_id` or with `session_token`. Where neither is given
    they come from the environment (REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or REFOLD_SESSION_TOKEN), and so does
    `base_url` (REFOLD_BASE_URL, else "https://app.refold.ai").

    `timeout` bounds one call with everything in it, `connect_timeout` each try to connect, both in seconds, None for
    none. `max_retries` tells how often a failure that can pass by itself is tried again, `max_response_bytes` the
    largest answer to accept, None for any, and `poll_interval` the pause between two polls of wait(), 0.01 s at least.
    `proxy` is a URL, "" for none, None for what the environment says. `ca_file` and `ca_pem` are certificates to trust
    in addition. `user_agent` is what the program calls itself. `allow_plaintext` accepts http for every host. refold.h
    says more of each, under refold_options_set_...
    """

    def __init__(
        self,
        *,
        api_key: Optional[str] = None,
        linked_account_id: Optional[str] = None,
        session_token: Optional[str] = None,
        base_url: Optional[str] = None,
        timeout: Optional[float] = 30.0,
        connect_timeout: Optional[float] = 10.0,
        max_retries: int = 2,
        max_response_bytes: Optional[int] = 256 * 1024 * 1024,
        poll_interval: float = 1.0,
        proxy: Optional[str] = None,
        ca_file: Union[None, str, os.PathLike[str]] = None,
        ca_pem: Optional[str] = None,
        user_agent: Optional[str] = None,
        allow_plaintext: bool = False,
    ) -> None:
        self._handle: Optional[_Handle] = None
        if not 0 <= max_retries < 2**32:
            raise ValueError("max_retries must be 0 or above")
        if max_response_bytes is not None and max_response_bytes <= 0:
            raise ValueError("max_response_bytes must be above 0, or None for any")
        options = _Handle(_c.refold_options_new_from_env(), _c.refold_options_free)
        if api_key is not None or linked_account_id is not None or session_token is not None:
            _c.refold_options_set_api_key(options, _argument(api_key), _argument(linked_account_id))
            _c.refold_options_set_session_token(options, _argument(session_token))
        if base_url is not None:
            _c.refold_options_set_base_url(options, _argument(base_url))
        _c.refold_options_set_timeout_ms(options, _milliseconds("timeout", timeout))
        _c.refold_options_set_connect_timeout_ms(options, _milliseconds("connect_timeout", connect_timeout))
        _c.refold_options_set_max_retries(options, max_retries)
        _c.refold_options_set_max_response_bytes(options, min(max_response_bytes or 0, 2**64 - 1))
        _c.refold_options_set_poll_interval_ms(options, _milliseconds("poll_interval", poll_interval))
        _c.refold_options_set_proxy(options, _argument(proxy))
        _c.refold_options_set_ca_file(options, None if ca_file is None else _argument(os.fspath(ca_file)))
        pem = _argument(ca_pem)
        _c.refold_options_set_ca_pem(options, pem, len(pem or b""))
        _c.refold_options_set_user_agent(options, _argument(user_agent))
        _c.refold_options_set_allow_plaintext(options, allow_plaintext)
        error = ctypes.c_void_p()
        pointer = _c.refold_client_new(options, ctypes.byref(error))
        if pointer is None:
            raise _error_of(error)
        self._handle = _Handle(pointer, _c.refold_client_free)

    def close(self) -> None:
        """Closes its connections and wipes its secrets, as soon as calls under way have ended. No call may follow."""
        self._handle = None

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    @property
    def _owner(self) -> _Handle:
        handle = self._handle
        if handle is None:
            raise ValueError("the client is closed")
        return handle

    def get(self, execution_id: str, *, cancel: Optional[CancelToken] = None) -> Execution:
        """Gets one execution, with the detail of every node.

        A run that ended badly is an execution, not an error: see `Execution.state`. Blocks the calling thread, at most
        for the time-out of the client.
        """
        client, wanted = self._owner, _argument(execution_id)

        def get(_: Any, token: _Handle, error: Any) -> Optional[int]:
            pointer: Optional[int] = _c.refold_get_execution(client, wanted, token, error)
            return pointer

        return _Call(get, None, cancel).run()

    def wait(
        self,
        execution_id: str,
        *,
        timeout: Optional[float] = None,
        on_progress: Optional[Progress] = None,
        cancel: Optional[CancelToken] = None,
    ) -> Execution:
        """Polls an execution until it has ended, and returns its last snapshot.

        `timeout` bounds the wait as a whole; None: none, and then it may never end. `on_progress` is called with each
        snapshot, the last one included, on the calling thread. When it returns False the wait ends with
        `Code.CANCELLED`, except at a last snapshot; None and True go on. An exception that it raises ends the wait,
        too, and comes out of it.
        """
        client, wanted, milliseconds = self._owner, _argument(execution_id), _milliseconds("timeout", timeout)

        def wait(callback: Any, token: _Handle, error: Any) -> Optional[int]:
            pointer: Optional[int] = _c.refold_wait_execution(
                client, wanted, milliseconds, callback, None, token, error
            )
            return pointer

        return _Call(wait, on_progress, cancel).run()

    def set_session_token(self, session_token: str) -> None:
        """Gives the client a new session token, for calls, and polls of a wait, that begin later."""
        code: int = _c.refold_client_set_session_token(self._owner, _argument(session_token))
        if code == Code.INVALID_ARGUMENT:
            raise Error(code, "session_token: it cannot be sent, or the client was made with an API key")
        if code != Code.OK:
            raise Error(code, "session_token: it could not be set: make a new client")


# python -m refold -----------------------------------------------------------------------------------------------------


def _printable(text: Optional[str]) -> str:
    """A server's text must not reach a terminal's controls."""
    return "-" if text is None else "".join(c if c.isprintable() else "?" for c in text)


def _summary(execution: Execution) -> str:
    percentage = execution.completion_percentage
    progress = "" if percentage is None else f", {percentage:g} %"
    return f"{_printable(execution.name or execution.id)}: {_printable(execution.status)}{progress}"


def _node_line(node: Node) -> str:
    line = f"  {_printable(node.name or node.id)}: {_printable(node.status)}"
    if node.execution_time is not None:
        line += f", {node.execution_time * 1000:.0f} ms"
    if node.attempts_made is not None and node.attempts_made > 1:
        line += f", {node.attempts_made} attempts"
    output = node.latest_output_text
    if node.state in (State.ERRORED, State.SKIPPED, State.TIMED_OUT, State.REJECTED) and output not in (None, "null"):
        line += f"\n    {_printable(output)[:1000]}"
    return line


def _main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m refold",
        description="Prints an execution of Refold. Credentials come from the environment: REFOLD_API_KEY and "
        "REFOLD_LINKED_ACCOUNT_ID, or REFOLD_SESSION_TOKEN.",
    )
    parser.add_argument("execution_id", metavar="EXECUTION_ID")
    parser.add_argument("--wait", action="store_true", help="until it has ended, and show its progress meanwhile")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="how long to wait")
    parser.add_argument("--json", action="store_true", help="print the whole document, as the server sent it")
    given = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")

    def show(shown: Execution) -> None:
        if not shown.state.is_final:
            print(_summary(shown), file=sys.stderr, flush=True)

    try:
        with Client() as client:
            if given.wait:
                execution = client.wait(given.execution_id, timeout=given.timeout, on_progress=show)
            else:
                execution = client.get(given.execution_id)
        if given.json:
            print(execution.json_text)
        else:
            print("\n".join([_summary(execution), *map(_node_line, execution.nodes)]))
    except (Error, ValueError) as error:
        print(f"refold: {_printable(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # who reads no further hears no complaint
    sys.exit(_main())
