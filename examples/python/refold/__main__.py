"""Prints an execution: python -m refold EXECUTION_ID"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import Optional

from . import Client, Error, Execution, Node, __version__, printable, version


def _summary(execution: Execution) -> str:
    percentage = execution.completion_percentage
    progress = "" if percentage is None else f", {percentage:.15g} %"
    return printable(f"{execution.name or execution.id or '-'}: {execution.status}{progress}")


def _node_line(node: Node) -> str:
    line = printable(f"  {node.name or node.id or '-'}: {node.status or '-'}")
    if node.execution_time is not None:
        line += f", {node.execution_time * 1000:.0f} ms"
    if node.attempts_made is not None and node.attempts_made > 1:
        line += f", {node.attempts_made} attempts"
    output = node.latest_output_text
    if node.state.is_failure and output not in (None, "null"):
        line += f"\n    {printable(output or '')[:1000]}"
    return line


def _command_line_log(is_verbose: bool) -> Optional[logging.Logger]:
    """Returns a log on standard error: of retries and failed polls, or of everything."""
    if not is_verbose and os.environ.get("REFOLD_LOG"):
        return None
    log = logging.Logger("refold", logging.DEBUG if is_verbose else logging.WARNING)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("refold: %(levelname)s %(message)s"))
    log.addHandler(handler)
    return log


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m refold",
        description="Prints a workflow execution. Credentials come from the environment: REFOLD_API_KEY and "
        "REFOLD_LINKED_ACCOUNT_ID, or REFOLD_SESSION_TOKEN.",
        epilog="Exit status: 0 if the run completed or goes on, 3 if it failed, 1 if it could not be fetched, 2 for wrong "
        "arguments.",
    )
    parser.add_argument("execution_id", metavar="EXECUTION_ID")
    parser.add_argument("--wait", action="store_true", help="wait for the run to finish; print its progress to stderr")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="limit for the whole wait (default: none)")
    parser.add_argument("--json", action="store_true", help="print the whole document as sent by the server")
    parser.add_argument("--verbose", action="store_true", help="log what the calls do to stderr")
    parser.add_argument("--version", action="version", version=f"refold {__version__}, library {version()}")
    options = parser.parse_args(arguments)
    if sys.stdout is None:  # was closed when Python started
        print("refold: cannot write output: standard output is closed", file=sys.stderr)
        return 1
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")

    def write_document(text: str) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.buffer.write(text.encode() + b"\n")  # JSON is UTF-8, whatever the encoding of the terminal
        else:
            print(text)

    def show(snapshot: Execution) -> None:
        if not snapshot.state.is_final:
            print(_summary(snapshot), file=sys.stderr, flush=True)

    try:
        with Client(log=_command_line_log(options.verbose)) as client:
            if options.wait:
                execution = client.wait(options.execution_id, timeout=options.timeout, on_progress=show)
            else:
                execution = client.get(options.execution_id)
        if options.json:
            write_document(execution.json_text)
        else:
            print("\n".join([_summary(execution), *map(_node_line, execution.nodes)]))
            print(f"{'last poll' if options.wait else 'fetched'} in {execution.timings}, attempts {execution.attempts}")
        sys.stdout.flush()
    except (Error, ValueError) as error:
        print(printable(f"refold: {error}"), file=sys.stderr)
        return 1
    except OSError as error:
        sys.stdout = None  # not to be flushed again at exit
        with contextlib.suppress(OSError):
            print(f"refold: cannot write output: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 3 if execution.state.is_failure else 0


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end quietly if the reader of a pipe exits
    sys.exit(main())
