"""The exceptions that failed calls raise."""

from __future__ import annotations

import ctypes
import enum
import errno
from typing import Any, Optional, Union

from ._native import Handle, bytes_of, lib, seconds_of, text_of, text_or_empty
from ._timings import Timings, timings_of


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


class Error(Exception):
    """A failed call. str() returns the message with code, host and request id. Instances can be pickled.

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
    host: Optional[str] = None
    """The host of the API, with its port if the base URL has one. None if the call made no attempt."""
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
        name = self.code_name
        details = [name if self.code < 0 else str(self.code) if name == "HTTP_ERROR" else f"{self.code} {name}"]
        if self.host and self.host not in self.message:
            details.append(f"host {self.host}")
        if self.request_id:
            details.append(f"request {self.request_id}")
        return f"{self.message} ({', '.join(details)})"

    def __reduce__(self) -> tuple[Any, ...]:
        cause = {} if self.__cause__ is None else {"__cause__": self.__cause__}
        return type(self), self.args, {**self.__dict__, **cause}

    @property
    def code_name(self) -> str:
        """The name of the code, such as "NOT_FOUND" or "TIMEOUT"; "HTTP_ERROR" for a status without a name."""
        return text_or_empty(lib.refold_code_name(self.code))


class NotFound(Error):
    """`Code.NOT_FOUND`: there is no such execution, or not for this account."""


class Unauthorized(Error):
    """`Code.UNAUTHORIZED`: the server rejects the credentials."""


class Cancelled(Error):
    """`Code.CANCELLED`: a `CancelToken`, `on_progress` or close() has ended the call.

    A cancelled task of asyncio raises asyncio.CancelledError instead.
    """


class Timeout(Error, TimeoutError):
    """`Code.TIMEOUT`: the timeout of the call or of the wait has expired. Also a TimeoutError, and so an OSError."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.errno = errno.ETIMEDOUT  # otherwise OSError takes the code for it


_classes: dict[int, type[Error]] = {
    Code.NOT_FOUND: NotFound,
    Code.UNAUTHORIZED: Unauthorized,
    Code.CANCELLED: Cancelled,
    Code.TIMEOUT: Timeout,
}


def take_error(pointer: ctypes.c_void_p, host: Optional[str] = None) -> Error:
    """Copies and frees a C error, of a call to that host."""
    if pointer.value is None:
        return Error(Code.INTERNAL, "the library failed without reporting an error")
    return copy_error(Handle(pointer.value, lib.refold_error_free), host)


def copy_error(failure: Union[Handle, int], host: Optional[str] = None) -> Error:
    code = lib.refold_error_code(failure)
    error = _classes.get(code, Error)(code, text_or_empty(lib.refold_error_message(failure)))
    error.http_status = lib.refold_error_http_status(failure) or None
    error.http_error_type = text_of(lib.refold_error_http_error_type(failure))
    error.api_code = text_of(lib.refold_error_api_code(failure))
    error.request_id = text_of(lib.refold_error_request_id(failure))
    error.body = bytes_of(lib.refold_error_body, failure)
    error.retry_after = seconds_of(lib.refold_error_retry_after_ms(failure))
    error.is_retryable = lib.refold_error_is_retryable(failure)
    error.attempts = lib.refold_error_attempts(failure)
    error.host = host if error.attempts > 0 else None
    error.timings = timings_of(lib.refold_error_timing_us, failure)
    cause = lib.refold_error_cause(failure)
    if cause is not None:
        error.__cause__ = copy_error(cause, host)
    return error
