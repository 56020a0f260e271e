"""The client for threads, and the settings that clients share."""

from __future__ import annotations

import ctypes
import logging
import os
import urllib.parse
from collections.abc import Mapping
from types import TracebackType
from typing import Optional, Union

from ._calls import Call, CancelToken, check_progress
from ._errors import Code, Error, take_error
from ._execution import Execution, Progress
from ._log import Lines, set_log
from ._main_thread import main_lines
from ._native import Handle, encode, encode_required, lib, milliseconds
from ._queue import Request

_DEFAULT_BASE_URL = "https://app.refold.ai"


class Settings:
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
        self._handle: Optional[Handle] = None
        self._lines = self._collected_lines()
        if not 0 <= max_retries < 2**32:
            raise ValueError("max_retries must be between 0 and 4294967295")
        if max_response_bytes is not None and max_response_bytes <= 0:
            raise ValueError("max_response_bytes must be positive, or None for no limit")
        options = Handle(lib.refold_options_new_from_env(), lib.refold_options_free)
        if api_key is not None or linked_account_id is not None or session_token is not None:
            lib.refold_options_set_api_key(options, encode(api_key), encode(linked_account_id))
            lib.refold_options_set_session_token(options, encode(session_token))
        if base_url is not None:
            lib.refold_options_set_base_url(options, encode(base_url))
        lib.refold_options_set_timeout_ms(options, milliseconds("timeout", timeout))
        lib.refold_options_set_connect_timeout_ms(options, milliseconds("connect_timeout", connect_timeout))
        lib.refold_options_set_max_retries(options, max_retries)
        lib.refold_options_set_max_response_bytes(options, min(max_response_bytes or 0, 2**64 - 1))
        lib.refold_options_set_poll_interval_ms(options, milliseconds("poll_interval", poll_interval))
        lib.refold_options_set_proxy(options, encode(proxy))
        lib.refold_options_set_ca_file(options, None if ca_file is None else encode(os.fspath(ca_file)))
        pem = encode(ca_pem)
        lib.refold_options_set_ca_pem(options, pem, len(pem or b""))
        lib.refold_options_set_user_agent(options, encode(user_agent))
        lib.refold_options_set_allow_plaintext(options, allow_plaintext)
        for name, value in (headers or {}).items():
            lib.refold_options_set_header(options, encode_required(name), encode_required(value))
        on_log = set_log(options, log, self._lines)
        error = ctypes.c_void_p()
        pointer = lib.refold_client_new(options, ctypes.byref(error))
        if pointer is None:
            raise take_error(error)
        self._handle = Handle(pointer, lib.refold_client_free, used=on_log)
        # The library has accepted the URL.
        self._host = urllib.parse.urlsplit(base_url or os.environ.get("REFOLD_BASE_URL") or _DEFAULT_BASE_URL).netloc

    def _collected_lines(self) -> Lines:
        return main_lines

    @property
    def _owner(self) -> Handle:
        handle = self._handle
        if handle is None:
            raise ValueError("the client is closed")
        return handle

    def _request(self, execution_id: str, timeout: Optional[int] = None) -> Request:
        """A get, or a wait with its timeout in milliseconds."""
        return Request(self._owner, self._host, encode(execution_id), timeout)

    def set_session_token(self, session_token: str) -> None:
        """Replaces the session token for calls, and polls of a wait, that start later.

        Raises:
            Error: With `Code.INVALID_ARGUMENT` if the token is invalid or the client authenticates with an API key. The
                client then keeps its token.
        """
        code: int = lib.refold_client_set_session_token(self._owner, encode(session_token))
        if code == Code.INVALID_ARGUMENT:
            raise Error(code, "the session token is invalid, or the client authenticates with an API key")
        if code != Code.OK:
            raise Error(code, "the session token could not be set; create a new client")


class Client(Settings):
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
        return Call(self._request(execution_id), None, cancel).run()

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
                False before the last snapshot, the wait raises `Cancelled`. An exception that it raises ends the
                wait and propagates. It may use the client.
            cancel: Cancels the wait.

        Raises:
            Error: If the wait fails; `Timeout` if `timeout` expires. Then `__cause__` is the failure of the
                last poll, if it failed.
            TypeError: If `on_progress` is a coroutine function.
            ValueError: If the client is closed or `timeout` is not positive.
        """
        check_progress(on_progress)
        request = self._request(execution_id, milliseconds("timeout", timeout))
        return Call(request, on_progress, cancel).run()
