"""Uses an installed package in each of its ways, and reports which files that takes."""

import asyncio
import logging
import pathlib
import sys
from typing import Optional

import refold


def get_and_wait(client: refold.Client) -> None:
    execution = client.get("6a106ba44480b80424a65289")
    assert execution.state is refold.State.COMPLETED
    names: list[Optional[str]] = [node.name for node in execution.nodes]
    assert names == ["Start"]

    percentages: list[Optional[float]] = []
    last = client.wait("running-package", timeout=60, on_progress=lambda run: percentages.append(run.completion_percentage))
    assert last.state.is_final and percentages[-1] == 100


def fail(client: refold.Client) -> None:
    try:
        client.get("no-such-id")
    except refold.NotFound as error:
        request_id: Optional[str] = error.request_id
        assert request_id is not None and request_id in str(error)
    try:
        client.wait("stuck", timeout=0.05)
    except TimeoutError as timeout:
        assert isinstance(timeout, refold.Timeout) and timeout.is_retryable


async def watch() -> None:
    async with refold.AsyncClient(log=logging.getLogger("program")) as client:
        runs = await asyncio.gather(*(client.get("completed") for _ in range(20)))
        assert all(run.status == "COMPLETED" for run in runs)
        states = [snapshot.state async for snapshot in client.watch("running-async-package")]
        assert states[-1] is refold.State.COMPLETED
        last = await client.wait("errored")
        assert last.state.is_failure


with refold.Client() as client:
    get_and_wait(client)
    fail(client)
asyncio.run(watch())
maps = pathlib.Path("/proc/self/maps").read_text()
libraries = {line.split()[-1] for line in maps.splitlines() if "refold" in line}
print(*sorted({refold.__file__, *libraries}), sep="\n", file=sys.stdout)
