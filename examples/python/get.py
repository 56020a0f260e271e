"""Prints one execution:  python3 get.py EXECUTION_ID"""
import sys

import refold

with refold.Client() as client:  # REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID
    with client.get(sys.argv[1]) as execution:
        print(f"{execution.name}: {execution.status}")
        for node in execution.nodes:
            print(f"  {node.name}: {node.status}", node.latest_output)
