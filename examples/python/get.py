"""Prints one execution:  python3 get.py [--verbose] EXECUTION_ID"""
import logging
import sys

import refold

arguments = [argument for argument in sys.argv[1:] if argument != "--verbose"]
if len(arguments) != 1:
    sys.exit("usage: get.py [--verbose] EXECUTION_ID")
log = None
if "--verbose" in sys.argv:
    log = logging.getLogger("refold")
    log.setLevel(logging.DEBUG)
    logging.basicConfig(format="%(levelname)s %(message)s")  # to standard error
try:
    with open(1, "w", errors="replace", closefd=False) as out, refold.Client(log=log) as client:
        execution = client.get(arguments[0])  # with REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID
        print(refold.printable(f"{execution.name or '-'}: {execution.status}"), file=out)
        for node in execution.nodes:
            line = f"  {node.name or '-'}: {node.status or '-'} {node.latest_output_text or '-'}"
            print(refold.printable(line), file=out)
        print(f"fetched in {execution.timings}, attempts {execution.attempts}", file=out)
except (refold.Error, OSError) as error:
    sys.exit(refold.printable(f"get: {error}"))
