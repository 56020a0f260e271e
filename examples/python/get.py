"""Prints one execution:  python3 get.py EXECUTION_ID"""
import sys

import refold

if len(sys.argv) != 2:
    sys.exit("usage: get.py EXECUTION_ID")
try:
    with open(1, "w", errors="replace", closefd=False) as out, refold.Client() as client:
        execution = client.get(sys.argv[1])  # with REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID
        print(refold.printable(f"{execution.name or '-'}: {execution.status}"), file=out)
        for node in execution.nodes:
            line = f"  {node.name or '-'}: {node.status or '-'} {node.latest_output_text or '-'}"
            print(refold.printable(line), file=out)
except (refold.Error, OSError) as error:
    sys.exit(refold.printable(f"get: {error}"))
