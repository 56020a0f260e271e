"""Fetches workflow executions of Refold, an integration platform, and waits for them to finish.

    import refold

    with refold.Client() as client:  # REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or REFOLD_SESSION_TOKEN
        execution = client.get("6a106ba44480b80424a65289")
        for node in execution.nodes:
            print(refold.printable(f"{node.name}: {node.status}"))

This package for Python 3.9 and later calls the C library librefold through ctypes. It loads the library at the path in
the environment variable REFOLD_LIBRARY; or else the one inside the package, which an installed wheel has, or, inside the
librefold source tree only, from target/release; or else librefold.so.0 as found by the system's loader.

`python -m refold EXECUTION_ID` prints an execution. refold.h documents timeouts, retries, limits, trust, proxies,
secrets and fork.

Ownership: nothing has to be freed. Clients and executions release their memory when they become unreachable, or earlier
through close() or a `with` block. Nodes stay valid after their execution is closed.

Absent fields: a field that is missing, null or of an unexpected type is None. Strings end at the first U+0000; outputs
and `json` are complete. Texts, messages of errors included, are as the server sent them: pass them through printable()
before they reach a terminal or a log.

Times are in seconds.

Log: what calls do is logged to the logger "refold" of the module logging, for people who look for the cause of a failure
or a delay: WARNING for problems that calls recover from; INFO for the end of each call and poll; DEBUG for each phase.
A client asks the library for what its logger is enabled for at the time when the client is created, so set the level
before. Lines contain no secret and are safe for a terminal. If REFOLD_LOG is set to "warn", "info" or "debug", the library
writes them to standard error instead. refold.h explains the lines.

Errors: a call that fails raises `Error`, or one of its subclasses `NotFound`, `Unauthorized`, `Cancelled` and `Timeout`;
`Timeout` is a TimeoutError, too. Arguments that cannot be passed to the library raise ValueError or TypeError;
so does the use of a closed object.

Threads: any number of threads may share all objects. The GIL is released while a call waits.

asyncio: `AsyncClient` has any number of calls in progress without occupying a thread of Python.

Ctrl-C and signals: Python keeps running signal handlers during calls on the main thread. An exception raised by a handler,
such as KeyboardInterrupt, ends the call and propagates; a handler that returns does not affect it. Python runs no handlers
on other threads: use a `CancelToken` there. Calls on daemon threads are cancelled when the interpreter exits.
"""

from ._aio import AsyncClient, Watch
from ._calls import CancelToken
from ._client import Client
from ._errors import Cancelled, Code, Error, NotFound, Timeout, Unauthorized
from ._execution import Execution, Node, Nodes, State
from ._native import version
from ._printable import printable
from ._timings import Timings

__all__ = [
    "AsyncClient", "CancelToken", "Cancelled", "Client", "Code", "Error", "Execution", "Node", "Nodes", "NotFound", "State",
    "Timeout", "Timings", "Unauthorized", "Watch", "printable", "version",
]
__version__ = "0.1.0"

# help(), tracebacks and pickles name the public module, in which these are documented.
for _name in __all__:
    globals()[_name].__module__ = __name__
del _name
