"""Gets executions with asyncio, COUNT at the same time, and prints the wall time and the CPU time in seconds.

    asyncio_clients.py refold|aiohttp URL COUNT

Both clients get each execution once to open their connections, and are timed when they get all of them again. Both have at
most 256 requests in flight, and read the same fields. Needs REFOLD_LIBRARY or a library in target/release; aiohttp is on
PyPI.
"""

from __future__ import annotations

import asyncio
import json
import pathlib
import sys
import time
from collections.abc import Awaitable
from typing import Callable

CONCURRENT = 256
KEY, ACCOUNT = "tk_sandbox", "user_12345"


async def measure(get: Callable[[str], Awaitable[int]], count: int) -> None:
    ids = [f"completed-{number}" for number in range(count)]
    await asyncio.gather(*map(get, ids))
    wall, cpu = time.perf_counter(), time.process_time()
    checksum = sum(await asyncio.gather(*map(get, ids)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert checksum >= count, checksum
    print(f"{wall:.6f} {cpu:.6f}")


async def run_refold(url: str, count: int) -> None:
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples" / "python"))
    import refold

    async with refold.AsyncClient(
        base_url=url, api_key=KEY, linked_account_id=ACCOUNT, max_concurrent=CONCURRENT
    ) as client:

        async def get(execution_id: str) -> int:
            execution = await client.get(execution_id)
            return len(execution.status) + sum(len(node.status or "") for node in execution.nodes)

        await measure(get, count)


async def run_aiohttp(url: str, count: int) -> None:
    import aiohttp

    headers = {"x-api-key": KEY, "linked_account_id": ACCOUNT}
    connector = aiohttp.TCPConnector(limit=CONCURRENT)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def get(execution_id: str) -> int:
            async with session.get(f"{url}/api/v2/public/execution/{execution_id}") as response:
                response.raise_for_status()
                execution = json.loads(await response.read())
                return len(execution["status"]) + sum(len(node["node_status"] or "") for node in execution["nodes"])

        await measure(get, count)


def main() -> None:
    client, url, count = sys.argv[1:]
    asyncio.run({"refold": run_refold, "aiohttp": run_aiohttp}[client](url, int(count)))


if __name__ == "__main__":
    main()
