"""Watches executions, and prints a line for each change:  python3 watch.py [--verbose] EXECUTION_ID..."""
import asyncio
import logging
import sys
import typing

import refold


async def watch(client: refold.AsyncClient, execution_id: str, out: typing.TextIO) -> bool:
    """Returns whether the run has completed."""
    shown = None
    async for snapshot in client.watch(execution_id):
        percentage = snapshot.completion_percentage
        progress = "" if percentage is None else f", {percentage:.15g} %"
        line = refold.printable(f"{execution_id} {snapshot.name or '-'}: {snapshot.status}{progress}")
        if line != shown:
            print(line, file=out, flush=True)
        shown = line
    return not snapshot.state.is_failure


async def main(execution_ids: list[str], log: typing.Optional[logging.Logger]) -> int:
    with open(1, "w", errors="replace", closefd=False) as out:
        async with refold.AsyncClient(log=log) as client:  # with REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID
            watches = [watch(client, execution_id, out) for execution_id in execution_ids]
            results = await asyncio.gather(*watches, return_exceptions=True)
    for execution_id, result in zip(execution_ids, results):
        if isinstance(result, (refold.Error, OSError)):
            print(refold.printable(f"watch: {execution_id}: {result}"), file=sys.stderr)
        elif isinstance(result, BaseException):
            raise result
    return 0 if all(result is True for result in results) else 1


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--verbose"]
    if not arguments:
        sys.exit("usage: watch.py [--verbose] EXECUTION_ID...")
    log = None
    if "--verbose" in sys.argv:
        log = logging.getLogger("refold")
        log.setLevel(logging.DEBUG)
        logging.basicConfig(format="%(levelname)s %(message)s")  # to standard error
    try:
        sys.exit(asyncio.run(main(arguments, log)))
    except OSError as error:
        sys.exit(refold.printable(f"watch: {error}"))
    except KeyboardInterrupt:
        sys.exit(130)
