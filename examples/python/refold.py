"""Fetches workflow executions of Refold, an integration platform, and waits for them to finish.

    import refold

    with refold.Client() as client:  # REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or REFOLD_SESSION_TOKEN
        execution = client.get("6a106ba44480b80424a65289")
        for node in execution.nodes:
            print(refold.printable(f"{node.name}: {node.status}"))

This single file for Python 3.9 and later calls the C library librefold through ctypes. It loads the library at the path
in the environment variable REFOLD_LIBRARY; or else librefold.so.0 or librefold.so from its own directory or, inside the
librefold source tree only, from target/release; or else librefold.so.0 as found by the system's loader.

`python -m refold EXECUTION_ID` prints an execution. refold.h documents timeouts, retries, limits, trust, proxies,
secrets and fork.

Ownership: nothing has to be freed. Clients and executions release their memory when they become unreachable, or earlier
through close() or a `with` block. Nodes stay valid after their execution is closed.

Absent fields: a field that is missing, null or of an unexpected type is None. Strings end at the first U+0000; outputs
and `json` are complete. Texts, messages of errors included, are as the server sent them: pass them through printable()
before they reach a terminal or a log.

Times are in seconds.

Log: what calls do is logged to the logger "refold" of the module logging, for people who look for the cause of a failure
or a delay: WARNING for problems that calls recover from; INFO for the end of each call and poll; DEBUG for each phase.
A client asks the library for what its logger is enabled for at the time when the client is created, so set the level
before. Lines contain no secret and are safe for a terminal. If REFOLD_LOG is set to "warn", "info" or "debug", the library
writes them to standard error instead. refold.h explains the lines.

Errors: a call that fails raises `Error`. Arguments that cannot be passed to the library raise ValueError or TypeError;
so does the use of a closed object.

Threads: any number of threads may share all objects. The GIL is released while a call waits.

asyncio: `AsyncClient` has any number of calls in progress without occupying a thread of Python.

Ctrl-C and signals: Python keeps running signal handlers during calls on the main thread. An exception raised by a handler,
such as KeyboardInterrupt, ends the call and propagates; a handler that returns does not affect it. Python runs no handlers
on other threads: use a `CancelToken` there. Calls on daemon threads are cancelled when the interpreter exits.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import collections
import contextlib
import ctypes
import dataclasses
import enum
import inspect
import io
import itertools
import json
import logging
import math
import os
import pathlib
import re
import select
import signal
import sys
import threading
import time
import weakref
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Callable, NamedTuple, Optional, Union, overload

__all__ = [
    "AsyncClient", "CancelToken", "Client", "Code", "Error", "Execution", "Node", "Nodes", "State", "Timings", "Watch",
    "printable", "version",
]


# The shared library ---------------------------------------------------------------------------------------------------


def _library_path() -> str:
    path = os.environ.get("REFOLD_LIBRARY")
    if path:
        return path
    names = {"darwin": ["librefold.0.dylib", "librefold.dylib"], "win32": ["refold.dll"]}.get(
        sys.platform, ["librefold.so.0", "librefold.so"])
    here = pathlib.Path(__file__).resolve().parent
    directories = [here]
    project = here.parent.parent
    # A copy of this file must not load a library that happens to be near it.
    markers = (project / "Cargo.toml", project / "include" / "refold.h")
    if here == project / "examples" / "python" and all(marker.exists() for marker in markers):
        directories.append(project / "target" / "release")
    for directory in directories:
        for name in names:
            if (directory / name).exists():
                return str(directory / name)
    return names[0]


def _load() -> ctypes.CDLL:
    path = _library_path()
    try:
        return ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"cannot load {path}: {error} (set REFOLD_LIBRARY to the path of the library)") from error


_lib = _load()
_pointer = ctypes.c_void_p
_text_pointer = ctypes.c_char_p
_length_pointer = ctypes.POINTER(ctypes.c_size_t)
_error_pointer = ctypes.POINTER(ctypes.c_void_p)
_progress_function = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p)
_log_function = ctypes.CFUNCTYPE(None, ctypes.c_int32, ctypes.c_char_p, ctypes.c_void_p)
_notify_function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def _declare(result: Any, arguments: Sequence[Any], *names: str) -> None:
    for name in names:
        function = getattr(_lib, "refold_" + name)
        function.restype = result
        function.argtypes = arguments


_declare(_text_pointer, [], "version")
_declare(_text_pointer, [ctypes.c_int32], "code_name", "state_name")
_declare(ctypes.c_bool, [ctypes.c_int32], "state_is_final", "state_is_failure")
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
_declare(None, [_pointer, _text_pointer, _text_pointer], "options_set_header")
_declare(None, [_pointer, ctypes.c_int32, _log_function, _pointer], "options_set_log")
_declare(_pointer, [_pointer, _error_pointer], "client_new")
_declare(ctypes.c_int32, [_pointer, _text_pointer], "client_set_session_token")
_declare(_pointer, [_pointer, _text_pointer, _pointer, _error_pointer], "get_execution")
_declare(
    _pointer,
    [_pointer, _text_pointer, ctypes.c_uint64, _progress_function, _pointer, _pointer, _error_pointer],
    "wait_execution",
)
_declare(_pointer, [_text_pointer, ctypes.c_size_t, _error_pointer], "parse_execution")
_declare(_pointer, [ctypes.c_uint32, _error_pointer], "queue_new")
_declare(None, [_pointer], "queue_free", "event_free")
_declare(
    ctypes.c_bool,
    [_pointer, _pointer, _text_pointer, _pointer, _pointer, _error_pointer],
    "queue_get_execution",
)
_declare(
    ctypes.c_bool,
    [_pointer, _pointer, _text_pointer, ctypes.c_uint64, _pointer, _pointer, _error_pointer],
    "queue_wait_execution",
)
_declare(_pointer, [_pointer, ctypes.c_int64], "queue_next")
_declare(ctypes.c_size_t, [_pointer], "queue_pending")
_declare(ctypes.c_ssize_t, [_pointer], "queue_descriptor")
_declare(None, [_pointer, _notify_function, _pointer], "queue_set_notify")
_declare(ctypes.c_int32, [_pointer], "event_typeof")
_declare(_pointer, [_pointer], "event_user_data", "event_execution", "event_error")
_declare(ctypes.c_int32, [_pointer], "error_code", "error_http_status", "execution_state", "node_state")
_declare(_text_pointer, [_pointer], "error_http_error_type", "error_api_code", "error_message", "error_request_id")
_declare(_pointer, [_pointer, _length_pointer], "error_body", "json_raw")
_declare(ctypes.c_int64, [_pointer], "error_retry_after_ms")
_declare(ctypes.c_bool, [_pointer], "error_is_retryable", "node_is_batch")
_declare(ctypes.c_uint32, [_pointer], "error_attempts", "execution_attempts")
_declare(ctypes.c_int64, [_pointer, ctypes.c_int32], "error_timing_us", "execution_timing_us")
_declare(_pointer, [_pointer], "error_cause")
_declare(_pointer, [_pointer], "execution_retain", "execution_json", "node_json")
_declare(_pointer, [_pointer], "node_latest_output", "node_input_data")
_declare(_text_pointer, [_pointer], "execution_id", "execution_name", "execution_org_id", "execution_environment")
_declare(_text_pointer, [_pointer], "execution_status", "execution_config_id", "execution_linked_account_id")
_declare(_text_pointer, [_pointer], "execution_created_at", "execution_updated_at", "execution_request_id")
_declare(_text_pointer, [_pointer], "node_id", "node_name", "node_type", "node_status")
_declare(ctypes.c_double, [_pointer], "execution_completion_percentage")
_declare(ctypes.c_size_t, [_pointer], "execution_node_count")
_declare(_pointer, [_pointer, ctypes.c_size_t], "execution_node")
_declare(_pointer, [_pointer, _text_pointer], "execution_node_by_id")
_declare(ctypes.c_int64, [_pointer], "node_attempts_made", "node_maximum_attempts", "node_execution_time_ms")


class _Handle:
    """Owns a C object and frees it when the last reference is dropped.

    It is passed to C functions itself, so it stays alive for the duration of each call. So does what the object uses.
    """

    __slots__ = ("_as_parameter_", "_free", "_used")

    def __init__(self, pointer: int, free: Callable[[int], object], used: object = None) -> None:
        self._as_parameter_: Optional[int] = pointer
        self._free = free
        self._used = used

    def release(self) -> None:
        """Frees the object now. C functions then get NULL."""
        pointer, self._as_parameter_ = self._as_parameter_, None
        if pointer is not None:
            self._free(pointer)

    def __del__(self) -> None:
        self.release()


def _encode(text: Optional[str]) -> Optional[bytes]:
    """Encodes a string argument. Rejects U+0000, which would truncate it."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise TypeError(f"expected str, not {type(text).__name__}")
    if "\0" in text:
        raise ValueError("text must not contain U+0000")
    return text.encode()


def _encode_required(text: str) -> Optional[bytes]:
    """Encodes a string argument for which C takes NULL, but Python no None."""
    if text is None:
        raise TypeError("expected str, not NoneType")
    return _encode(text)


def _milliseconds(name: str, seconds: Optional[float]) -> int:
    """Rounds up, because 0 means no limit to C. None and infinity become 0."""
    if seconds is None or seconds == math.inf:
        return 0
    if not seconds > 0:
        raise ValueError(f"{name} must be positive, or None for no limit")
    return min(math.ceil(seconds * 1000), 2**64 - 1)


def _text(text: Optional[bytes]) -> Optional[str]:
    return None if text is None else text.decode()


def _text_or_empty(text: Optional[bytes]) -> str:
    return _text(text) or ""


def _count(number: int) -> Optional[int]:
    return None if number < 0 else number


def _seconds(milliseconds: int) -> Optional[float]:
    return None if milliseconds < 0 else milliseconds / 1000


def _bytes(function: Any, owner: object) -> Optional[bytes]:
    """Calls a C function that returns a pointer and stores the length, and copies the bytes."""
    length = ctypes.c_size_t()
    start = function(owner, ctypes.byref(length))
    return None if start is None else ctypes.string_at(start, length.value)


def version() -> str:
    """Returns the version of the loaded library, such as "0.1.0"."""
    return _text_or_empty(_lib.refold_version())


# JSON as Python objects -----------------------------------------------------------------------------------------------

# A surrogate pair, a lone surrogate (group 1), or any other escape. Matching each escape as a whole keeps the second
# backslash of `\\ud83d` from starting one.
_escape = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL)
# The first character of a value, or a closing bracket.
_token = re.compile(r"[^ \t\r\n,:]")


# Control characters, surrogates, line and paragraph separators, and the controls of the direction of text.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Returns text as one line that is safe to print.

    Texts of a server may contain escape sequences for the terminal, forged lines, and controls that reorder what a line
    shows. Tabs and ends of lines become blanks; every other control character (C0, DEL, C1), U+2028, U+2029, the
    controls of the direction of text (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069) and surrogates become
    "?". Everything else is kept, whether or not the encoding of the terminal has it.
    """
    return _UNPRINTABLE.sub(lambda match: " " if match[0] in "\t\n\r" else "?", text)


def _json_text(value: Optional[int]) -> Optional[str]:
    return _text(_bytes(_lib.refold_json_raw, value))


def _load_json(value: Optional[int]) -> Any:
    """json.loads() for a C value, except that it never fails.

    Lone surrogates read as U+FFFD, as they do in C, because Python could not encode them. Integers that int() rejects
    for their length (see sys.set_int_max_str_digits) become floats, and floats out of range become infinite. Any depth
    is accepted, although Python itself cannot compare or print values nested beyond its recursion limit.
    """
    text = _json_text(value)
    if text is None:
        return None
    if "\\ud" in text or "\\uD" in text:
        text = _escape.sub(lambda match: "\\ufffd" if match[1] else match[0], text)
    try:
        return json.loads(text)
    except (RecursionError, ValueError):
        return _load_json_iteratively(text)


def _load_json_iteratively(text: str) -> Any:
    """json.loads() for valid JSON, without recursion and with integers of any length."""
    decoder = json.JSONDecoder(parse_int=_integer)
    stack: list[list[Any]] = [[]]  # an object is collected as alternating keys and values
    position = 0
    while match := _token.search(text, position):
        value: Any
        position = match.end()
        if match[0] in "[{":
            stack.append([])
            continue
        if match[0] == "]":
            value = stack.pop()
        elif match[0] == "}":
            items = stack.pop()
            value = dict(zip(items[::2], items[1::2]))
        else:
            value, position = decoder.raw_decode(text, match.start())
        stack[-1].append(value)
    return stack[0][0]


def _integer(digits: str) -> Union[int, float]:
    try:
        return int(digits)
    except ValueError:
        return float(digits)


# Times of calls -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Timings:
    """How long the parts of a call took, in seconds. A part that the call did not go through is None.

    All but `total` are of the last attempt, and follow one another. str() returns a summary in milliseconds.
    """

    total: Optional[float] = None
    """The call, with all attempts and the pauses between them. Of a snapshot of a wait it is the poll that fetched the
    snapshot, and of the error of a wait the whole wait. None if no call was made."""
    resolve: Optional[float] = None
    """The lookup of host names. None for an address, for localhost, and on a reused connection."""
    connect: Optional[float] = None
    """Connecting, including the dialogue with a proxy. None on a reused connection."""
    tls: Optional[float] = None
    """The TLS handshake. None without TLS, and on a reused connection."""
    first_byte: Optional[float] = None
    """From the first byte of the request to the first byte of the response."""
    transfer: Optional[float] = None
    """From there to the last byte of the response. The parsing after that is not included."""

    def __str__(self) -> str:
        if self.total is None:
            return "-"
        parts = {
            "resolve": self.resolve,
            "connect": self.connect,
            "TLS": self.tls,
            "first byte": self.first_byte,
            "transfer": self.transfer,
        }
        shown = ", ".join(f"{name} {time * 1000:.3f}" for name, time in parts.items() if time is not None)
        return f"{self.total * 1000:.3f} ms" + (f" ({shown})" if shown else "")


def _timings(function: Any, owner: object) -> Timings:
    """Reads all parts from a C function. Their numbers are the positions of the fields."""
    microseconds = [function(owner, part) for part in range(len(dataclasses.fields(Timings)))]
    return Timings(*(None if time < 0 else time / 1_000_000 for time in microseconds))


# Codes, states and errors ---------------------------------------------------------------------------------------------


class Code(enum.IntEnum):
    """Names for values of `Error.code`: HTTP statuses, and negative numbers if there was no usable response.

    `Error.code` may be any other HTTP status, too. refold.h documents each code.
    """

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
    """The statuses of executions and nodes, which are strings of the server, mapped to one enumeration.

    UNKNOWN is used for absent statuses and for those that the library does not know.
    """

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
        """Whether the state is final. UNKNOWN is not."""
        return bool(_lib.refold_state_is_final(self.value))

    @property
    def is_failure(self) -> bool:
        """Whether the state is final and not COMPLETED."""
        return bool(_lib.refold_state_is_failure(self.value))


class Error(Exception):
    """A failed call. str() returns the message. Instances can be pickled.

    Attributes that the response does not provide are None. If a wait runs out of time, `__cause__` is the failure of
    its last poll, also an Error; None if the run was still in progress.
    """

    code: int
    """The HTTP status of the response, or a negative `Code`. Compare it with members of `Code`."""
    message: str
    """One sentence for humans. It contains no secrets."""
    http_status: Optional[int] = None
    """The field status_code of the response, or else its HTTP status."""
    http_error_type: Optional[str] = None
    """The field http_error_type of the response, such as "NOT_FOUND"."""
    api_code: Optional[str] = None
    """The field error_code of the response, or else its field error, such as "RESOURCE_NOT_FOUND"."""
    request_id: Optional[str] = None
    """Identifies the request to the vendor's support."""
    body: Optional[bytes] = None
    """The decompressed body with secrets redacted, limited to its first 65,536 bytes."""
    retry_after: Optional[float] = None
    """How long the server asks to wait before the next attempt, in seconds since its response arrived."""
    is_retryable: bool = False
    """Whether the same call may succeed later."""
    attempts: int = 0
    """The number of attempts that the call started; for a wait, those of all polls."""
    timings: Timings = Timings()
    """How long the parts of the call took. The part in which it ended counts up to that moment."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        cause = {} if self.__cause__ is None else {"__cause__": self.__cause__}
        return type(self), self.args, {**self.__dict__, **cause}

    @property
    def code_name(self) -> str:
        """The name of the code, such as "NOT_FOUND" or "TIMEOUT"; "HTTP_ERROR" for a status without a name."""
        return _text_or_empty(_lib.refold_code_name(self.code))


def _take_error(pointer: ctypes.c_void_p) -> Error:
    """Copies and frees a C error."""
    if pointer.value is None:
        return Error(Code.INTERNAL, "the library failed without reporting an error")
    return _copy_error(_Handle(pointer.value, _lib.refold_error_free))


def _copy_error(failure: Union[_Handle, int]) -> Error:
    error = Error(_lib.refold_error_code(failure), _text_or_empty(_lib.refold_error_message(failure)))
    error.http_status = _lib.refold_error_http_status(failure) or None
    error.http_error_type = _text(_lib.refold_error_http_error_type(failure))
    error.api_code = _text(_lib.refold_error_api_code(failure))
    error.request_id = _text(_lib.refold_error_request_id(failure))
    error.body = _bytes(_lib.refold_error_body, failure)
    error.retry_after = _seconds(_lib.refold_error_retry_after_ms(failure))
    error.is_retryable = _lib.refold_error_is_retryable(failure)
    error.attempts = _lib.refold_error_attempts(failure)
    error.timings = _timings(_lib.refold_error_timing_us, failure)
    cause = _lib.refold_error_cause(failure)
    if cause is not None:
        error.__cause__ = _copy_error(cause)
    return error


# Executions and nodes -------------------------------------------------------------------------------------------------


class Node:
    """One node of an execution. It stays valid after the execution is closed. Threads may share it."""

    __slots__ = ("_owner", "_node")

    def __init__(self, owner: _Handle, node: Optional[int]) -> None:
        self._owner = owner
        self._node = node

    def __repr__(self) -> str:
        return f"<refold.Node {self.id!r} {self.name!r}: {self.status}>"

    @property
    def id(self) -> Optional[str]:
        """The field node_id, unique within the execution."""
        return _text(_lib.refold_node_id(self._node))

    @property
    def name(self) -> Optional[str]:
        """The field node_name."""
        return _text(_lib.refold_node_name(self._node))

    @property
    def type(self) -> Optional[str]:
        """The field node_type, such as "start"."""
        return _text(_lib.refold_node_type(self._node))

    @property
    def status(self) -> Optional[str]:
        """The field node_status as sent by the server, such as "Success"."""
        return _text(_lib.refold_node_status(self._node))

    @property
    def state(self) -> State:
        """The meaning of `status`."""
        return State(_lib.refold_node_state(self._node))

    @property
    def is_batch(self) -> bool:
        """The field is_batch; False if absent."""
        return bool(_lib.refold_node_is_batch(self._node))

    @property
    def attempts_made(self) -> Optional[int]:
        """The field attempts_made."""
        return _count(_lib.refold_node_attempts_made(self._node))

    @property
    def maximum_attempts(self) -> Optional[int]:
        """The field maximum_attempts."""
        return _count(_lib.refold_node_maximum_attempts(self._node))

    @property
    def execution_time(self) -> Optional[float]:
        """The field execution_time: how long the node ran, in seconds."""
        return _seconds(_lib.refold_node_execution_time_ms(self._node))

    @property
    def latest_output(self) -> Any:
        """The field latest_output, parsed as by json.loads() on each access; None if absent or null.

        Lone surrogates read as U+FFFD, and numbers out of range as infinite.
        """
        return _load_json(_lib.refold_node_latest_output(self._node))

    @property
    def latest_output_text(self) -> Optional[str]:
        """The field latest_output as JSON text, as sent by the server; None if absent."""
        return _json_text(_lib.refold_node_latest_output(self._node))

    @property
    def input_data(self) -> Any:
        """The field input_data, parsed like `latest_output`."""
        return _load_json(_lib.refold_node_input_data(self._node))

    @property
    def json(self) -> Any:
        """The whole node, including fields without a property, parsed like `latest_output`."""
        return _load_json(_lib.refold_node_json(self._node))


class Nodes(Sequence[Node]):
    """The nodes of an execution, in the order in which the run reached them. Each access creates a `Node`."""

    __slots__ = ("_owner", "_length")

    def __init__(self, owner: _Handle) -> None:
        self._owner = owner
        self._length: int = _lib.refold_execution_node_count(owner)

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
        return Node(self._owner, _lib.refold_execution_node(self._owner, positions))

    def __repr__(self) -> str:
        return f"<refold.Nodes: {self._length}>"


class Execution:
    """An immutable snapshot of one execution: its fields, its nodes and the whole document. Threads may share it.

    After close(), every property raises ValueError.
    """

    __slots__ = ("_handle",)

    def __init__(self, handle: _Handle) -> None:
        self._handle: Optional[_Handle] = handle

    @classmethod
    def parse(cls, json: Union[str, bytes]) -> Execution:
        """Parses JSON text, such as a stored `json_text`. Nothing is sent.

        Raises:
            Error: With `Code.INVALID_RESPONSE` if the text is not an execution.
        """
        text = json.encode() if isinstance(json, str) else memoryview(json).tobytes()
        error = ctypes.c_void_p()
        return _take_execution(_lib.refold_parse_execution(text, len(text), ctypes.byref(error)), error)

    def close(self) -> None:
        """Releases the snapshot. Its memory is freed once no `Node` or `Nodes` refers to it."""
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
        """The field _id, or else the id that was requested."""
        return _text(_lib.refold_execution_id(self._owner))

    @property
    def name(self) -> Optional[str]:
        """The field name, such as "Execution for workflow 6a106ba44480b80424a65289"."""
        return _text(_lib.refold_execution_name(self._owner))

    @property
    def org_id(self) -> Optional[str]:
        """The field org_id: the organisation."""
        return _text(_lib.refold_execution_org_id(self._owner))

    @property
    def environment(self) -> Optional[str]:
        """The field environment: "test" or "production"."""
        return _text(_lib.refold_execution_environment(self._owner))

    @property
    def status(self) -> str:
        """The field status as sent by the server, such as "RUNNING"."""
        return _text_or_empty(_lib.refold_execution_status(self._owner))

    @property
    def state(self) -> State:
        """The meaning of `status`."""
        return State(_lib.refold_execution_state(self._owner))

    @property
    def completion_percentage(self) -> Optional[float]:
        """The field completion_percentage: 0 to 100, or whatever number the server sends. -1 reads as absent."""
        percentage: float = _lib.refold_execution_completion_percentage(self._owner)
        return None if percentage == -1 else percentage

    @property
    def config_id(self) -> Optional[str]:
        """The field config_id: the configuration of the workflow."""
        return _text(_lib.refold_execution_config_id(self._owner))

    @property
    def linked_account_id(self) -> Optional[str]:
        """The field linked_account_id: the account that the run acts for."""
        return _text(_lib.refold_execution_linked_account_id(self._owner))

    @property
    def created_at(self) -> Optional[str]:
        """The field createdAt: when the run started, as RFC 3339 text in UTC."""
        return _text(_lib.refold_execution_created_at(self._owner))

    @property
    def updated_at(self) -> Optional[str]:
        """The field updatedAt: the latest change of the run, as RFC 3339 text in UTC."""
        return _text(_lib.refold_execution_updated_at(self._owner))

    @property
    def timings(self) -> Timings:
        """How long the call took, or the poll of a wait, that fetched the execution. Empty after parse()."""
        return _timings(_lib.refold_execution_timing_us, self._owner)

    @property
    def attempts(self) -> int:
        """The number of attempts of that call or poll; 0 after parse()."""
        return int(_lib.refold_execution_attempts(self._owner))

    @property
    def request_id(self) -> Optional[str]:
        """Identifies the request to Refold's support. None if the response has no header field x-request-id."""
        return _text(_lib.refold_execution_request_id(self._owner))

    @property
    def nodes(self) -> Nodes:
        """The nodes, in the order in which the run reached them."""
        return Nodes(self._owner)

    def node_by_id(self, node_id: str) -> Optional[Node]:
        """Returns the first node with the given id, or None. Fast in large executions, too."""
        owner = self._owner
        node = _lib.refold_execution_node_by_id(owner, _encode(node_id))
        return None if node is None else Node(owner, node)

    @property
    def json(self) -> Any:
        """The whole document, including fields without a property, parsed like `Node.latest_output`."""
        owner = self._owner
        return _load_json(_lib.refold_execution_json(owner))

    @property
    def json_text(self) -> str:
        """The whole document as JSON text, as sent by the server."""
        owner = self._owner
        return _json_text(_lib.refold_execution_json(owner)) or ""


Progress = Callable[[Execution], Optional[bool]]


def _take_execution(pointer: Optional[int], error: ctypes.c_void_p) -> Execution:
    if pointer is None:
        raise _take_error(error)
    return Execution(_Handle(pointer, _lib.refold_execution_free))


# The log --------------------------------------------------------------------------------------------------------------

_logger = logging.getLogger("refold")
_logger.addHandler(logging.NullHandler())  # otherwise Python would print warnings of programs that set up no logging

_levels = {1: logging.WARNING, 2: logging.INFO, 3: logging.DEBUG}  # of the numbers in C


class _Thread(threading.local):
    """What this thread is doing."""

    call: Optional[_Call] = None  # the call that is inside C
    is_logging = False  # it is in a handler of a line
    is_in_callback = False  # it is a thread of a queue, inside one of the callbacks


class _Line(NamedTuple):
    """A line of the log."""

    logger: logging.Logger
    level: int
    message: str

    def log(self) -> None:
        """Logs the line. Calls that a handler makes are not logged: their lines would lead to others without end."""
        was_logging = _thread.is_logging
        _thread.is_logging = True
        try:
            self.logger.log(self.level, self.message)
        except Exception:
            pass  # a failure of a filter or handler must not fail the call
        finally:
            _thread.is_logging = was_logging


class _Lines:
    """Lines that threads of queues have written, and another thread logs: the one that makes the calls."""

    def __init__(self) -> None:
        self._lines: collections.deque[_Line] = collections.deque()

    def put(self, line: _Line) -> None:
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


class _LinesOfMainThread(_Lines):
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


class _LinesOfLoops(_Lines):
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


_thread = _Thread()
_main_lines = _LinesOfMainThread()


def _log_callback(logger: logging.Logger, lines: _Lines) -> Any:
    """Returns a C callback that logs lines of calls on this thread, and collects those of queues."""

    def on_log(level: int, message: bytes, _: Optional[int]) -> None:
        call = _thread.call
        try:
            _thread.is_in_callback = call is None
            line = _Line(logger, _levels.get(level, logging.DEBUG), message.decode(errors="replace"))
            if call is None:
                lines.put(line)
            else:
                call.log(line)
        except BaseException as error:  # none may cross C
            if call is not None:
                call.fail(error)
        finally:
            _thread.is_in_callback = False

    return _log_function(on_log)


def _set_log(options: _Handle, log: Optional[logging.Logger], lines: _Lines) -> Any:
    """Sets the log of a client. Returns the C callback, which must live as long as the client and its calls."""
    if log is None and os.environ.get("REFOLD_LOG"):
        return None  # the library logs to standard error
    logger = _logger if log is None else log
    level = max((number for number, level in _levels.items() if logger.isEnabledFor(level)), default=0)
    if level > 0:
        lines.open()
    callback = _log_callback(logger, lines) if level > 0 else _log_function()
    _lib.refold_options_set_log(options, level, callback, None)
    return callback


# Queues ---------------------------------------------------------------------------------------------------------------

def _new_queue(max_concurrent: int) -> _Handle:
    error = ctypes.c_void_p()
    pointer = _lib.refold_queue_new(max_concurrent, ctypes.byref(error))
    if pointer is None:
        raise _take_error(error)
    return _Handle(pointer, _lib.refold_queue_free)


class _Request(NamedTuple):
    """A get, or a wait with its timeout in milliseconds."""

    client: _Handle
    execution_id: Optional[bytes]
    timeout: Optional[int] = None

    def call(self, progress: Any, token: _Handle, error: Any) -> Optional[int]:
        """Makes the call on this thread."""
        client, execution_id, timeout = self
        pointer: Optional[int]
        if timeout is None:
            pointer = _lib.refold_get_execution(client, execution_id, token, error)
        else:
            pointer = _lib.refold_wait_execution(client, execution_id, timeout, progress, None, token, error)
        return pointer

    def submit(self, queue: _Handle, token: _Handle, number: int) -> None:
        """Submits the call to a queue, which uses the client until it has reported the end of the call."""
        client, execution_id, timeout = self
        error = ctypes.c_void_p()
        if timeout is None:
            is_accepted = _lib.refold_queue_get_execution(
                queue, client, execution_id, token, number, ctypes.byref(error)
            )
        else:
            is_accepted = _lib.refold_queue_wait_execution(
                queue, client, execution_id, timeout, token, number, ctypes.byref(error)
            )
        if not is_accepted:
            raise _take_error(error)


def _outcome(event: Union[_Handle, int]) -> Union[Execution, Error]:
    snapshot = _lib.refold_event_execution(event)
    if snapshot is None:
        return _copy_error(_lib.refold_event_error(event))
    return Execution(_Handle(_lib.refold_execution_retain(snapshot), _lib.refold_execution_free))


_DONE = 2  # the type of the last event of a call


class _QueueOfMainThread:
    """Makes one call at a time, while the main thread waits in Python, which runs signal handlers."""

    # A call takes one of these or creates one, because signal handlers and callbacks may make calls during a call.
    idle: list[_QueueOfMainThread] = []

    def __init__(self) -> None:
        self.handle = _new_queue(1)
        self._process = os.getpid()
        self._descriptor: int = _lib.refold_queue_descriptor(self.handle)
        self._poll = select.poll() if self._descriptor >= 0 else None
        if self._poll is not None:
            self._poll.register(self._descriptor, select.POLLIN)
        self._polls_lines = False

    def next(self) -> _Handle:
        """Waits for the next event. Logs what was written before it."""
        poll = self._poll
        if poll is not None and not self._polls_lines and _main_lines.reader >= 0:
            poll.register(_main_lines.reader, select.POLLIN)
            self._polls_lines = True
        while True:
            if poll is not None:
                poll.poll(_SIGNAL_CHECK_INTERVAL)
            event = _lib.refold_queue_next(self.handle, 0 if poll is not None else _SIGNAL_CHECK_INTERVAL)
            owner = None if event is None else _Handle(event, _lib.refold_event_free)
            _main_lines.log()
            if owner is not None:
                return owner
            if _lib.refold_queue_pending(self.handle) == 0:
                raise Error(Code.INVALID_ARGUMENT, "the call belongs to the parent of this process")

    def await_end(self) -> None:
        """Waits for the end of a call that was cancelled, which takes less than 50 ms, and logs its last lines."""
        while self._process == os.getpid() and _lib.refold_queue_pending(self.handle) > 0:
            _lib.refold_event_free(_lib.refold_queue_next(self.handle, -1))
        self.put_back()
        _main_lines.log_last()

    def put_back(self) -> None:
        if self._process == os.getpid():
            _QueueOfMainThread.idle.append(self)


# In milliseconds. A signal does not wake the main thread if it arrives just before the wait starts or on another thread.
_SIGNAL_CHECK_INTERVAL = 250


# Calls ----------------------------------------------------------------------------------------------------------------


class CancelToken:
    """Cancels every call that it is passed to. Once triggered, a token stays triggered.

    Any number of calls on any threads may share a token. Any thread, and any Python signal handler, may trigger it. A
    child process cannot use it for calls of its parent.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # reentrant: a signal handler may trigger the token while its thread holds it
        self._is_triggered = False
        self._calls: set[_Call] = set()

    def trigger(self) -> None:
        """Makes every call with this token raise `Error` with `Code.CANCELLED` within 50 ms, now and in the future."""
        with self._lock:
            self._is_triggered = True
            for call in tuple(self._calls):
                call.stop()

    @property
    def is_triggered(self) -> bool:
        """Whether trigger() has been called."""
        return self._is_triggered

    def _add(self, call: _Call) -> None:
        with self._lock:
            self._calls.add(call)
            if self._is_triggered:
                call.stop()

    def _remove(self, call: _Call) -> None:
        with self._lock:
            self._calls.discard(call)


def _is_stopping(proceed: Optional[bool]) -> bool:
    return proceed is not None and not proceed


def _check_progress(on_progress: Optional[Progress]) -> None:
    """Raises TypeError for a coroutine function: a call of it would only create a coroutine that is never awaited."""
    if inspect.iscoroutinefunction(on_progress):
        raise TypeError("on_progress must be a function, not a coroutine function; use AsyncClient.watch() to await")


def _stopped_by_progress() -> Error:
    """The error if `on_progress` has returned False just when the run ended."""
    return Error(Code.CANCELLED, "the call was cancelled by on_progress")


class _Call:
    """One call of get or wait. It has its own C token, so that it can be stopped individually."""

    # Calls that are inside C.
    active: set[_Call] = set()
    # The interpreter is exiting: daemon threads must not return to it.
    is_exiting = False

    def __init__(self, request: _Request, progress: Optional[Progress], cancel: Optional[CancelToken]) -> None:
        self._request = request
        self._progress = progress
        self._cancel = cancel
        self._token = _Handle(_lib.refold_cancel_new(), _lib.refold_cancel_free)
        self._is_on_main_thread = threading.get_ident() == threading.main_thread().ident
        self._is_abandoned = False
        self._ended = threading.Event()
        self._raised: list[BaseException] = []  # what ended the call and is raised once C has returned
        self._is_logged = not _thread.is_logging
        self._is_stopped = False  # `progress` has returned False

    def log(self, line: _Line) -> None:
        if self._is_logged:
            line.log()

    def fail(self, error: BaseException) -> None:
        self._raised.append(error)
        self.stop()

    def stop(self) -> None:
        _lib.refold_cancel_trigger(self._token)

    def run(self) -> Execution:
        """Python runs signal handlers on the main thread only, and not while that is inside C.

        Lines of a queue do not show their call, so calls of handlers, which are not logged, run on the current thread.
        """
        if self._is_on_main_thread and self._is_logged and not _Call.is_exiting:
            queue = self._submit()
            if queue is not None:
                return self._run_interruptibly(queue)
        return self._run_blocking()

    def _run_blocking(self) -> Execution:
        """Runs on the current thread. Raises the exception that ended the call, such as one of `progress`, if any."""
        error = ctypes.c_void_p()
        raised = self._raised
        callback = None if self._progress is None else _callback(self._progress, raised)
        outer = _thread.call
        self._begin()
        try:
            _thread.call = self
            pointer = self._request.call(callback or _progress_function(), self._token, ctypes.byref(error))
        finally:
            _thread.call = outer
            self._end()
        if raised:
            if pointer is not None:
                _lib.refold_execution_free(pointer)
            else:
                _take_error(error)
            try:
                raise raised[0]
            finally:
                raised.clear()  # breaks the reference cycle through the traceback
        return _take_execution(pointer, error)

    def _begin(self) -> None:
        _Call.active.add(self)
        if _Call.is_exiting and not self._is_on_main_thread:
            self._is_abandoned = True
            self._end()
        if self._cancel is not None:
            self._cancel._add(self)

    def _end(self) -> None:
        if self._cancel is not None:
            self._cancel._remove(self)
        _Call.active.discard(self)
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
        for queue in tuple(_LoopQueue.all):
            queue.free()
        _QueueOfMainThread.idle.clear()

    def _submit(self) -> Optional[_QueueOfMainThread]:
        """Submits the call. Returns None if there are no descriptors or threads for that."""
        queue = None
        try:
            queue = _QueueOfMainThread.idle.pop() if _QueueOfMainThread.idle else _QueueOfMainThread()
            self._request.submit(queue.handle, self._token, 0)
            return queue
        except Error as error:
            if queue is not None:
                queue.put_back()
            if error.code != Code.RESOURCE:
                raise
            return None

    def _run_interruptibly(self, queue: _QueueOfMainThread) -> Execution:
        """Waits in Python, calls `progress` and logs. An exception cancels the call."""
        if self._cancel is not None:
            self._cancel._add(self)
        try:
            outcome = self._await_outcome(queue)
        except BaseException:
            self.stop()
            queue.await_end()
            raise
        finally:
            if self._cancel is not None:
                self._cancel._remove(self)
        queue.put_back()
        if isinstance(outcome, Error):
            try:
                raise outcome
            finally:
                del outcome  # breaks the reference cycle through the traceback
        if self._is_stopped:
            raise _stopped_by_progress()
        if self._progress is not None:
            self._progress(outcome)
        return outcome

    def _await_outcome(self, queue: _QueueOfMainThread) -> Union[Execution, Error]:
        while True:
            event = queue.next()
            if _lib.refold_event_typeof(event) == _DONE:
                return _outcome(event)
            if self._progress is None or self._is_stopped:
                continue
            snapshot = _outcome(event)
            del event
            if isinstance(snapshot, Execution) and _is_stopping(self._progress(snapshot)):
                self._is_stopped = True
                self.stop()


def _callback(progress: Progress, raised: list[BaseException]) -> Any:
    """Returns a C callback that calls `progress`. It stores exceptions in `raised`, because none may cross C."""

    def on_progress(snapshot: int, _: Optional[int]) -> bool:
        try:
            execution = Execution(_Handle(_lib.refold_execution_retain(snapshot), _lib.refold_execution_free))
            return not _is_stopping(progress(execution))
        except BaseException as error:
            raised.append(error)
            return False

    return _progress_function(on_progress)


class _AsyncCall:
    """A call that a task waits for."""

    __slots__ = ("client", "token", "_snapshot", "_outcome", "_waiter")

    def __init__(self, client: _Handle) -> None:
        self.client = client  # which the library uses until the call has ended
        self.token = _Handle(_lib.refold_cancel_new(), _lib.refold_cancel_free)
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
            _lib.refold_cancel_trigger(self.token)


class _LoopQueue:
    """The queue of a client in one event loop.

    Only the loop refers to it, so it is freed when the loop is closed or unreachable. All methods but free(), reference()
    and close_soon() are called on the thread of the loop.
    """

    all: weakref.WeakSet[_LoopQueue] = weakref.WeakSet()
    # Queues that became unreachable on one of their own threads, which cannot wait for its own end.
    unfreed: list[tuple[_Handle, object]] = []

    def __init__(self, loop: asyncio.AbstractEventLoop, max_concurrent: int, lines: _LinesOfLoops) -> None:
        self._handle: Optional[_Handle] = None
        self._calls: dict[int, _AsyncCall] = {}
        if _Call.is_exiting:
            raise RuntimeError("the interpreter is exiting")
        while _LoopQueue.unfreed:
            _LoopQueue.unfreed.pop()[0].release()
        self._handle = _new_queue(max_concurrent)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()  # of the handle: another thread frees it when the interpreter exits
        self._loop = weakref.ref(loop)
        self._process = os.getpid()
        self._lines = lines
        self._is_closing = False
        self._notify: Any = None
        self._descriptor: int = _lib.refold_queue_descriptor(self._handle)
        try:
            if self._descriptor < 0:
                raise NotImplementedError
            loop.add_reader(self._descriptor, self.take_events)
        except NotImplementedError:
            self._notify = _notify_callback(self._loop, weakref.ref(self))
            _lib.refold_queue_set_notify(self._handle, self._notify, None)
        lines.add_loop(loop)
        _LoopQueue.all.add(self)

    def reference(self) -> Callable[[], Optional[_LoopQueue]]:
        """Returns what a client keeps. A loop that the library wakes does not refer to the queue itself."""
        return weakref.ref(self) if self._notify is None else lambda: self

    def submit(self, request: _Request) -> _AsyncCall:
        call = _AsyncCall(request.client)
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
                    event = _lib.refold_queue_next(queue, 0)
                    if event is None:
                        break
                    number = _lib.refold_event_user_data(event)
                    is_last = _lib.refold_event_typeof(event) == _DONE
                    call = calls.pop(number) if is_last else calls[number]
                    call.put(_outcome(event), is_last)
                    _lib.refold_event_free(event)
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
        if _thread.is_in_callback:
            self.stop_all()
            _LoopQueue.unfreed.append((self._handle, (self._calls, self._notify)))
        else:
            self.free()


class _Wakeup:
    """A callback for a loop that takes the events of a queue. Cancels all calls if the loop is closed before it runs."""

    def __init__(self, queue: _LoopQueue) -> None:
        self._queue: Optional[_LoopQueue] = queue

    def __call__(self) -> None:
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.take_events()

    def __del__(self) -> None:
        if self._queue is not None:
            self._queue.stop_all()


def _notify_callback(loop: weakref.ref[asyncio.AbstractEventLoop], queue: weakref.ref[_LoopQueue]) -> Any:
    """Returns a C callback that wakes a loop in which no descriptor can be polled."""

    def wake() -> None:
        here, woken = loop(), queue()
        if here is not None and woken is not None:
            with contextlib.suppress(RuntimeError):  # it is closed
                here.call_soon_threadsafe(_Wakeup(woken))

    def on_notify(_: Optional[int]) -> None:
        _thread.is_in_callback = True
        try:
            wake()
        finally:
            _thread.is_in_callback = False

    return _notify_function(on_notify)


# Runs after all threads but daemon threads have ended.
atexit.register(_Call.abandon_all)


def _after_fork() -> None:
    """Forgets the calls and queues of the parent: their threads do not exist in this process."""
    _Call.active.clear()
    _QueueOfMainThread.idle.clear()
    _main_lines.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _Settings:
    """The settings of a client, and its object in C."""

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
        headers: Optional[Mapping[str, str]] = None,
        log: Optional[logging.Logger] = None,
    ) -> None:
        self._handle: Optional[_Handle] = None
        self._lines = self._collected_lines()
        if not 0 <= max_retries < 2**32:
            raise ValueError("max_retries must be between 0 and 4294967295")
        if max_response_bytes is not None and max_response_bytes <= 0:
            raise ValueError("max_response_bytes must be positive, or None for no limit")
        options = _Handle(_lib.refold_options_new_from_env(), _lib.refold_options_free)
        if api_key is not None or linked_account_id is not None or session_token is not None:
            _lib.refold_options_set_api_key(options, _encode(api_key), _encode(linked_account_id))
            _lib.refold_options_set_session_token(options, _encode(session_token))
        if base_url is not None:
            _lib.refold_options_set_base_url(options, _encode(base_url))
        _lib.refold_options_set_timeout_ms(options, _milliseconds("timeout", timeout))
        _lib.refold_options_set_connect_timeout_ms(options, _milliseconds("connect_timeout", connect_timeout))
        _lib.refold_options_set_max_retries(options, max_retries)
        _lib.refold_options_set_max_response_bytes(options, min(max_response_bytes or 0, 2**64 - 1))
        _lib.refold_options_set_poll_interval_ms(options, _milliseconds("poll_interval", poll_interval))
        _lib.refold_options_set_proxy(options, _encode(proxy))
        _lib.refold_options_set_ca_file(options, None if ca_file is None else _encode(os.fspath(ca_file)))
        pem = _encode(ca_pem)
        _lib.refold_options_set_ca_pem(options, pem, len(pem or b""))
        _lib.refold_options_set_user_agent(options, _encode(user_agent))
        _lib.refold_options_set_allow_plaintext(options, allow_plaintext)
        for name, value in (headers or {}).items():
            _lib.refold_options_set_header(options, _encode_required(name), _encode_required(value))
        on_log = _set_log(options, log, self._lines)
        error = ctypes.c_void_p()
        pointer = _lib.refold_client_new(options, ctypes.byref(error))
        if pointer is None:
            raise _take_error(error)
        self._handle = _Handle(pointer, _lib.refold_client_free, used=on_log)

    def _collected_lines(self) -> _Lines:
        return _main_lines

    @property
    def _owner(self) -> _Handle:
        handle = self._handle
        if handle is None:
            raise ValueError("the client is closed")
        return handle

    def set_session_token(self, session_token: str) -> None:
        """Replaces the session token for calls, and polls of a wait, that start later.

        Raises:
            Error: With `Code.INVALID_ARGUMENT` if the token is invalid or the client authenticates with an API key. The
                client then keeps its token.
        """
        code: int = _lib.refold_client_set_session_token(self._owner, _encode(session_token))
        if code == Code.INVALID_ARGUMENT:
            raise Error(code, "the session token is invalid, or the client authenticates with an API key")
        if code != Code.OK:
            raise Error(code, "the session token could not be set; create a new client")


class Client(_Settings):
    """Validated settings and a pool of connections. Threads may share it, and a program should use one client.

    A client authenticates with `api_key` and `linked_account_id`, or with `session_token`. Without either, credentials
    come from the environment: REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or REFOLD_SESSION_TOKEN. Creating a client
    sends nothing.

    Args:
        api_key: An API key of the organisation.
        linked_account_id: The account to act for.
        session_token: A session token, which identifies the account itself.
        base_url: The URL of the API; REFOLD_BASE_URL or else "https://app.refold.ai" if None.
        timeout: Limit for each call in seconds, retries included; None for no limit.
        connect_timeout: Limit for name resolution, connecting, proxy and TLS handshake of each attempt in seconds; None
            for no limit other than `timeout`.
        max_retries: How often a call is retried after a transient failure.
        max_response_bytes: Limit for the decompressed size of a response; None for no limit.
        poll_interval: Initial pause between two polls of wait() in seconds, at least 0.01.
        proxy: "http://host:port", "socks5://host:port" or "socks5h://host:port"; "" for no proxy; None for HTTPS_PROXY,
            ALL_PROXY and NO_PROXY of the environment.
        ca_file: A file of PEM certificates to trust in addition to the default roots.
        ca_pem: The same as text.
        user_agent: A product, such as "monitor/2.1", that precedes the library's own in the User-Agent header.
        allow_plaintext: Accepts an http URL for any host, not only for loopback hosts.
        headers: Further header fields, which each request carries after those of the library: at most 32 of 8 KiB
            together, and none that the library or the connection sets, such as Host, Authorization or User-Agent. A
            proxy that opens a tunnel does not receive them. Values are secrets, like an API key.
        log: The logger that receives what calls do, at the levels that it is enabled for now; it replaces the log of
            REFOLD_LOG. If None, the log of REFOLD_LOG if that is set, or else the logger "refold". Lines are logged on
            the thread that makes the call. Handlers may use the client: calls that they make are not logged, and on the
            main thread Ctrl-C has to wait for them. An `Exception` that a filter or handler raises is dropped, and so is
            that of a signal handler that interrupts it; another one, such as SystemExit or KeyboardInterrupt, ends the
            call and propagates.

    Raises:
        Error: With `Code.INVALID_ARGUMENT` if a setting is invalid.
        ValueError: If a number is out of range or a string contains U+0000.
    """

    def close(self) -> None:
        """Closes the connections and wipes the secrets once active calls have ended. Later calls raise ValueError."""
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

    def get(self, execution_id: str, *, cancel: Optional[CancelToken] = None) -> Execution:
        """Fetches one execution. A run that failed on the server is a result: check `Execution.state`.

        Blocks the calling thread for at most the timeout of the client, retries included.

        Args:
            execution_id: 1 to 256 characters of A-Z a-z 0-9 - _ . ~ :, but neither "." nor "..".
            cancel: Cancels the call.

        Raises:
            Error: If the call fails.
            ValueError: If the client is closed.
        """
        return _Call(_Request(self._owner, _encode(execution_id)), None, cancel).run()

    def wait(
        self,
        execution_id: str,
        *,
        timeout: Optional[float] = None,
        on_progress: Optional[Progress] = None,
        cancel: Optional[CancelToken] = None,
    ) -> Execution:
        """Polls an execution until its state is final, and returns the last snapshot.

        Each poll is one call with its own timeout and retries. Up to five consecutive polls may fail with a retryable
        error.

        Args:
            execution_id: As for get().
            timeout: Limit for the whole wait in seconds. None for no limit: the wait may then never end.
            on_progress: Called with each snapshot, the last one included, on the calling thread. On the main thread,
                the wait goes on while it runs: it then gets the latest snapshot and misses those before. If it returns
                False before the last snapshot, the wait ends with `Code.CANCELLED`. An exception that it raises ends the
                wait and propagates. It may use the client.
            cancel: Cancels the wait.

        Raises:
            Error: If the wait fails; with `Code.TIMEOUT` if `timeout` expires. Then `__cause__` is the failure of the
                last poll, if it failed.
            TypeError: If `on_progress` is a coroutine function.
            ValueError: If the client is closed or `timeout` is not positive.
        """
        _check_progress(on_progress)
        request = _Request(self._owner, _encode(execution_id), _milliseconds("timeout", timeout))
        return _Call(request, on_progress, cancel).run()


class AsyncClient(_Settings):
    """A client for asyncio, with the settings of `Client`. Loops and threads may share it.

        async with refold.AsyncClient() as client:
            execution = await client.get("6a106ba44480b80424a65289")
            async for snapshot in client.watch("6a106ba44480b80424a65289"):
                print(refold.printable(snapshot.status))

    Any number of calls may be in progress: the threads of the library make them, at most `max_concurrent` at a time, and
    in the order in which they were started. A wait occupies none of these threads while it pauses.

    Cancelling a task cancels its call at once. So do asyncio.timeout(), asyncio.wait_for() and the end of a loop. Calls
    work in every event loop, such as that of uvloop, and a client may be used in several, one after another or at once.

    Args:
        max_concurrent: The maximum number of requests in flight in one loop, and so of threads and connections: 1 to
            1,024. Further calls wait for their turn, and their timeout begins with it.
        log: As for `Client`, except that lines are logged on the thread of a loop in which the client is used. Handlers
            must not block, and may use another client. An exception such as SystemExit that a handler raises leaves the
            loop. With a closed loop, the lines of its last calls are logged where it was closed.

    Raises:
        Error: With `Code.INVALID_ARGUMENT` if a setting is invalid.
        ValueError: If a number, such as `max_concurrent`, is out of range or a string contains U+0000.
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
        headers: Optional[Mapping[str, str]] = None,
        log: Optional[logging.Logger] = None,
        max_concurrent: int = 256,
    ) -> None:
        self._queues: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Callable[[], Optional[_LoopQueue]]]
        self._queues = weakref.WeakKeyDictionary()
        if not 1 <= max_concurrent <= 1024:
            raise ValueError("max_concurrent must be between 1 and 1024")
        self._max_concurrent = max_concurrent
        super().__init__(
            api_key=api_key,
            linked_account_id=linked_account_id,
            session_token=session_token,
            base_url=base_url,
            timeout=timeout,
            connect_timeout=connect_timeout,
            max_retries=max_retries,
            max_response_bytes=max_response_bytes,
            poll_interval=poll_interval,
            proxy=proxy,
            ca_file=ca_file,
            ca_pem=ca_pem,
            user_agent=user_agent,
            allow_plaintext=allow_plaintext,
            headers=headers,
            log=log,
        )

    def _collected_lines(self) -> _Lines:
        self._lines_of_loops = _LinesOfLoops()
        return self._lines_of_loops

    def close(self) -> None:
        """Cancels the calls in progress, closes the connections and wipes the secrets. Later calls raise ValueError.

        May be called on any thread. Calls in progress raise `Error` with `Code.CANCELLED`.
        """
        self._handle = None
        for reference in tuple(self._queues.values()):
            queue = reference()
            if queue is not None:
                queue.close_soon()

    def __del__(self) -> None:
        self.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def _submit(self, execution_id: str, timeout: Optional[int] = None) -> _AsyncCall:
        request = _Request(self._owner, _encode(execution_id), timeout)
        loop = asyncio.get_running_loop()
        reference = self._queues.get(loop)
        queue = None if reference is None else reference()
        if queue is None:
            queue = _LoopQueue(loop, self._max_concurrent, self._lines_of_loops)
            self._queues[loop] = queue.reference()
        return queue.submit(request)

    async def get(self, execution_id: str) -> Execution:
        """Fetches one execution, like `Client.get`.

        Raises:
            Error: If the call fails.
            ValueError: If the client is closed.
        """
        call = self._submit(execution_id)
        try:
            return (await call.take())[0]
        finally:
            call.stop()

    def watch(self, execution_id: str, *, timeout: Optional[float] = None) -> Watch:
        """Polls an execution until its state is final. Use it with `async for`, which gets each snapshot.

        A slow consumer gets the latest snapshot, and misses those before. The last one has a final state. Leaving the
        loop cancels the wait.

        Args:
            execution_id: As for get().
            timeout: Limit for the whole wait in seconds, from the first iteration on. None for no limit: the wait may
                then never end.

        Raises:
            Error: In the loop, as for `Client.wait`.
            ValueError: If `timeout` is not positive; in the loop, if the client is closed.
        """
        milliseconds = _milliseconds("timeout", timeout)
        return Watch(lambda: self._submit(execution_id, milliseconds))

    async def wait(
        self,
        execution_id: str,
        *,
        timeout: Optional[float] = None,
        on_progress: Optional[Progress] = None,
    ) -> Execution:
        """Polls an execution until its state is final, and returns the last snapshot, like `Client.wait`.

        Args:
            execution_id: As for get().
            timeout: Limit for the whole wait in seconds. None for no limit: the wait may then never end.
            on_progress: A function, not a coroutine function, as for `Client.wait`. It runs on the thread of the loop.
                To await something for each snapshot, use watch().

        Raises:
            Error: As for `Client.wait`.
            TypeError: If `on_progress` is a coroutine function.
            ValueError: If the client is closed or `timeout` is not positive.
        """
        _check_progress(on_progress)
        call = self._submit(execution_id, _milliseconds("timeout", timeout))
        is_stopped = False
        try:
            while True:
                snapshot, is_last = await call.take()
                if is_stopped and is_last:
                    raise _stopped_by_progress()
                if on_progress is not None and not is_stopped:
                    is_stopped = _is_stopping(on_progress(snapshot)) and not is_last
                    if is_stopped:
                        call.stop()
                if is_last:
                    return snapshot
        finally:
            call.stop()


class Watch(AsyncIterator[Execution]):
    """The snapshots of one wait; see `AsyncClient.watch`. The wait begins with the first iteration."""

    def __init__(self, begin: Callable[[], _AsyncCall]) -> None:
        self._begin: Optional[Callable[[], _AsyncCall]] = begin
        self._call: Optional[_AsyncCall] = None

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> Execution:
        begin, self._begin = self._begin, None
        if begin is not None:
            self._call = begin()
        call = self._call
        if call is None:
            raise StopAsyncIteration
        is_last = True
        try:
            snapshot, is_last = await call.take()
            return snapshot
        finally:
            if is_last:
                self._stop()

    async def aclose(self) -> None:
        """Cancels the wait, for contextlib.aclosing()."""
        self._begin = None
        self._stop()

    def _stop(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.stop()

    def __del__(self) -> None:
        self._stop()


# python -m refold -----------------------------------------------------------------------------------------------------


def _summary(execution: Execution) -> str:
    percentage = execution.completion_percentage
    progress = "" if percentage is None else f", {percentage:.15g} %"
    return printable(f"{execution.name or execution.id or '-'}: {execution.status}{progress}")


def _node_line(node: Node) -> str:
    line = printable(f"  {node.name or node.id or '-'}: {node.status or '-'}")
    if node.execution_time is not None:
        line += f", {node.execution_time * 1000:.0f} ms"
    if node.attempts_made is not None and node.attempts_made > 1:
        line += f", {node.attempts_made} attempts"
    output = node.latest_output_text
    if node.state.is_failure and output not in (None, "null"):
        line += f"\n    {printable(output or '')[:1000]}"
    return line


def _command_line_log(is_verbose: bool) -> Optional[logging.Logger]:
    """Returns a log on standard error: of retries and failed polls, or of everything."""
    if not is_verbose and os.environ.get("REFOLD_LOG"):
        return None
    log = logging.Logger("refold", logging.DEBUG if is_verbose else logging.WARNING)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("refold: %(levelname)s %(message)s"))
    log.addHandler(handler)
    return log


def _main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m refold",
        description="Prints a workflow execution. Credentials come from the environment: REFOLD_API_KEY and "
        "REFOLD_LINKED_ACCOUNT_ID, or REFOLD_SESSION_TOKEN.",
    )
    parser.add_argument("execution_id", metavar="EXECUTION_ID")
    parser.add_argument("--wait", action="store_true", help="wait for the run to finish; print its progress to stderr")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="limit for the whole wait (default: none)")
    parser.add_argument("--json", action="store_true", help="print the whole document as sent by the server")
    parser.add_argument("--verbose", action="store_true", help="log what the calls do to stderr")
    options = parser.parse_args(arguments)
    if sys.stdout is None:  # was closed when Python started
        print("refold: cannot write output: standard output is closed", file=sys.stderr)
        return 1
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")

    def write_document(text: str) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.buffer.write(text.encode() + b"\n")  # JSON is UTF-8, whatever the encoding of the terminal
        else:
            print(text)

    def show(snapshot: Execution) -> None:
        if not snapshot.state.is_final:
            print(_summary(snapshot), file=sys.stderr, flush=True)

    try:
        with Client(log=_command_line_log(options.verbose)) as client:
            if options.wait:
                execution = client.wait(options.execution_id, timeout=options.timeout, on_progress=show)
            else:
                execution = client.get(options.execution_id)
        if options.json:
            write_document(execution.json_text)
        else:
            print("\n".join([_summary(execution), *map(_node_line, execution.nodes)]))
            print(f"{'last poll' if options.wait else 'fetched'} in {execution.timings}, attempts {execution.attempts}")
        sys.stdout.flush()
    except (Error, ValueError) as error:
        print(printable(f"refold: {error}"), file=sys.stderr)
        return 1
    except OSError as error:
        sys.stdout = None  # not to be flushed again at exit
        with contextlib.suppress(OSError):
            print(f"refold: cannot write output: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end quietly if the reader of a pipe exits
    sys.exit(_main())
