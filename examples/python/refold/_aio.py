"""The client for asyncio."""

from __future__ import annotations

import asyncio
import logging
import os
import weakref
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Callable, Optional, Union

from ._calls import check_progress, is_stopping, stopped_by_progress
from ._client import Settings
from ._execution import Execution, Progress
from ._log import Lines
from ._loop import AsyncCall, LinesOfLoops, LoopQueue
from ._native import milliseconds


class AsyncClient(Settings):
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
        self._queues: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Callable[[], Optional[LoopQueue]]]
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

    def _collected_lines(self) -> Lines:
        self._lines_of_loops = LinesOfLoops()
        return self._lines_of_loops

    def close(self) -> None:
        """Cancels the calls in progress, closes the connections and wipes the secrets. Later calls raise ValueError.

        May be called on any thread. Calls in progress raise `Cancelled`.
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

    def _submit(self, execution_id: str, timeout: Optional[int] = None) -> AsyncCall:
        request = self._request(execution_id, timeout)
        loop = asyncio.get_running_loop()
        reference = self._queues.get(loop)
        queue = None if reference is None else reference()
        if queue is None:
            queue = LoopQueue(loop, self._max_concurrent, self._lines_of_loops)
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
        limit = milliseconds("timeout", timeout)
        return Watch(lambda: self._submit(execution_id, limit))

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
        check_progress(on_progress)
        call = self._submit(execution_id, milliseconds("timeout", timeout))
        is_stopped = False
        try:
            while True:
                snapshot, is_last = await call.take()
                if is_stopped and is_last:
                    raise stopped_by_progress()
                if on_progress is not None and not is_stopped:
                    is_stopped = is_stopping(on_progress(snapshot)) and not is_last
                    if is_stopped:
                        call.stop()
                if is_last:
                    return snapshot
        finally:
            call.stop()


class Watch(AsyncIterator[Execution]):
    """The snapshots of one wait; see `AsyncClient.watch`. The wait begins with the first iteration."""

    def __init__(self, begin: Callable[[], AsyncCall]) -> None:
        self._begin: Optional[Callable[[], AsyncCall]] = begin
        self._call: Optional[AsyncCall] = None

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
