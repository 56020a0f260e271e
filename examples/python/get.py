"""Prints one execution:  python3 get.py EXECUTION_ID"""
import sys

import refold

try:
    with refold.Client() as client:  # REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID
        execution = client.get(sys.argv[1])
    print(refold.printable(f"{execution.name}: {execution.status}"))
    for node in execution.nodes:
        print(refold.printable(f"  {node.name}: {node.status} {node.latest_output_text}"))
    sys.stdout.flush()
except (refold.Error, OSError) as error:
    sys.stdout = None  # not to be flushed again at exit
    sys.exit(refold.printable(f"get: {error}"))
