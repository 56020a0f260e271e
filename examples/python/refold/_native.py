"""The functions of the shared library, and conversions of their arguments and results."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any, Callable, NoReturn, Optional

from ._library import load

lib = load()

pointer = ctypes.c_void_p
text_pointer = ctypes.c_char_p
length_pointer = ctypes.POINTER(ctypes.c_size_t)
error_pointer = ctypes.POINTER(ctypes.c_void_p)
progress_function = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p)
log_function = ctypes.CFUNCTYPE(None, ctypes.c_int32, ctypes.c_char_p, ctypes.c_void_p)
notify_function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def _declare(result: Any, arguments: Sequence[Any], *names: str) -> None:
    for name in names:
        function = getattr(lib, "refold_" + name)
        function.restype = result
        function.argtypes = arguments


_declare(text_pointer, [], "version")
_declare(text_pointer, [ctypes.c_int32], "code_name", "state_name")
_declare(ctypes.c_bool, [ctypes.c_int32], "state_is_final", "state_is_failure")
_declare(pointer, [], "options_new", "options_new_from_env", "cancel_new")
_declare(None, [pointer], "options_free", "client_free", "cancel_free", "cancel_trigger")
_declare(None, [pointer], "error_free", "execution_free")
_declare(None, [pointer, text_pointer, text_pointer], "options_set_api_key")
_declare(None, [pointer, text_pointer], "options_set_session_token", "options_set_base_url", "options_set_proxy")
_declare(None, [pointer, text_pointer], "options_set_ca_file", "options_set_user_agent")
_declare(None, [pointer, text_pointer, ctypes.c_size_t], "options_set_ca_pem")
_declare(None, [pointer, ctypes.c_uint64], "options_set_timeout_ms", "options_set_connect_timeout_ms")
_declare(None, [pointer, ctypes.c_uint64], "options_set_max_response_bytes", "options_set_poll_interval_ms")
_declare(None, [pointer, ctypes.c_uint32], "options_set_max_retries")
_declare(None, [pointer, ctypes.c_bool], "options_set_allow_plaintext")
_declare(None, [pointer, text_pointer, text_pointer], "options_set_header")
_declare(None, [pointer, ctypes.c_int32, log_function, pointer], "options_set_log")
_declare(pointer, [pointer, error_pointer], "client_new")
_declare(ctypes.c_int32, [pointer, text_pointer], "client_set_session_token")
_declare(pointer, [pointer, text_pointer, pointer, error_pointer], "get_execution")
_declare(
    pointer,
    [pointer, text_pointer, ctypes.c_uint64, progress_function, pointer, pointer, error_pointer],
    "wait_execution",
)
_declare(pointer, [text_pointer, ctypes.c_size_t, error_pointer], "parse_execution")
_declare(pointer, [ctypes.c_uint32, error_pointer], "queue_new")
_declare(None, [pointer], "queue_free", "event_free")
_declare(
    ctypes.c_bool,
    [pointer, pointer, text_pointer, pointer, pointer, error_pointer],
    "queue_get_execution",
)
_declare(
    ctypes.c_bool,
    [pointer, pointer, text_pointer, ctypes.c_uint64, pointer, pointer, error_pointer],
    "queue_wait_execution",
)
_declare(pointer, [pointer, ctypes.c_int64], "queue_next")
_declare(ctypes.c_size_t, [pointer], "queue_pending")
_declare(ctypes.c_ssize_t, [pointer], "queue_descriptor")
_declare(None, [pointer, notify_function, pointer], "queue_set_notify")
_declare(ctypes.c_int32, [pointer], "event_typeof")
_declare(pointer, [pointer], "event_user_data", "event_execution", "event_error")
_declare(ctypes.c_int32, [pointer], "error_code", "error_http_status", "execution_state", "node_state")
_declare(text_pointer, [pointer], "error_http_error_type", "error_api_code", "error_message", "error_request_id")
_declare(pointer, [pointer, length_pointer], "error_body", "json_raw")
_declare(ctypes.c_int64, [pointer], "error_retry_after_ms")
_declare(ctypes.c_bool, [pointer], "error_is_retryable", "node_is_batch")
_declare(ctypes.c_uint32, [pointer], "error_attempts", "execution_attempts")
_declare(ctypes.c_int64, [pointer, ctypes.c_int32], "error_timing_us", "execution_timing_us")
_declare(pointer, [pointer], "error_cause")
_declare(pointer, [pointer], "execution_retain", "execution_json", "node_json")
_declare(pointer, [pointer], "node_latest_output", "node_input_data")
_declare(text_pointer, [pointer], "execution_id", "execution_name", "execution_org_id", "execution_environment")
_declare(text_pointer, [pointer], "execution_status", "execution_config_id", "execution_linked_account_id")
_declare(text_pointer, [pointer], "execution_created_at", "execution_updated_at", "execution_request_id")
_declare(text_pointer, [pointer], "node_id", "node_name", "node_type", "node_status")
_declare(ctypes.c_double, [pointer], "execution_completion_percentage")
_declare(ctypes.c_size_t, [pointer], "execution_node_count")
_declare(pointer, [pointer, ctypes.c_size_t], "execution_node")
_declare(pointer, [pointer, text_pointer], "execution_node_by_id")
_declare(ctypes.c_int64, [pointer], "node_attempts_made", "node_maximum_attempts", "node_execution_time_ms")


class Handle:
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

    def __deepcopy__(self, _: object) -> Handle:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("objects of the library cannot be pickled; pickle Execution.json_text, and parse() it")


def encode(text: Optional[str]) -> Optional[bytes]:
    """Encodes a string argument. Rejects U+0000, which would truncate it."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise TypeError(f"expected str, not {type(text).__name__}")
    if "\0" in text:
        raise ValueError("text must not contain U+0000")
    return text.encode()


def encode_required(text: str) -> Optional[bytes]:
    """Encodes a string argument for which C takes NULL, but Python no None."""
    if text is None:
        raise TypeError("expected str, not NoneType")
    return encode(text)


def milliseconds(name: str, seconds: Optional[float]) -> int:
    """Rounds up, because 0 means no limit to C. None and infinity become 0."""
    if seconds is None or seconds == math.inf:
        return 0
    if not seconds > 0:
        raise ValueError(f"{name} must be positive, or None for no limit")
    return min(math.ceil(seconds * 1000), 2**64 - 1)


def text_of(text: Optional[bytes]) -> Optional[str]:
    return None if text is None else text.decode()


def text_or_empty(text: Optional[bytes]) -> str:
    return text_of(text) or ""


def count_of(number: int) -> Optional[int]:
    return None if number < 0 else number


def seconds_of(milliseconds: int) -> Optional[float]:
    return None if milliseconds < 0 else milliseconds / 1000


def bytes_of(function: Any, owner: object) -> Optional[bytes]:
    """Calls a C function that returns a pointer and stores the length, and copies the bytes."""
    length = ctypes.c_size_t()
    start = function(owner, ctypes.byref(length))
    return None if start is None else ctypes.string_at(start, length.value)


def version() -> str:
    """Returns the version of the loaded library, such as "0.1.0"."""
    return text_or_empty(lib.refold_version())
