"""Executions, their nodes and their states."""

from __future__ import annotations

import ctypes
import enum
from collections.abc import Sequence
from typing import Any, Callable, Optional, Union, overload

from ._errors import take_error
from ._json import json_text, load_json
from ._native import Handle, count_of, encode, lib, seconds_of, text_of, text_or_empty
from ._timings import Timings, timings_of


class State(enum.IntEnum):
    """The statuses of executions and nodes, which are strings of the server, mapped to one enumeration.

    UNKNOWN is used for absent statuses and for those that the library does not know.
    """

    UNKNOWN = 0
    READY = 1
    RUNNING = 2
    WAITING = 3
    STOPPING = 4
    COMPLETED = 5
    ERRORED = 6
    SKIPPED = 7
    STOPPED = 8
    TIMED_OUT = 9
    REJECTED = 10

    @classmethod
    def _missing_(cls, value: object) -> State:
        return cls.UNKNOWN

    @property
    def is_final(self) -> bool:
        """Whether the state is final. UNKNOWN is not."""
        return bool(lib.refold_state_is_final(self.value))

    @property
    def is_failure(self) -> bool:
        """Whether the state is final and not COMPLETED."""
        return bool(lib.refold_state_is_failure(self.value))


class Node:
    """One node of an execution. It stays valid after the execution is closed. Threads may share it."""

    __slots__ = ("_owner", "_node")

    def __init__(self, owner: Handle, node: Optional[int]) -> None:
        self._owner = owner
        self._node = node

    def __repr__(self) -> str:
        return f"<refold.Node {self.id!r} {self.name!r}: {self.status}>"

    @property
    def id(self) -> Optional[str]:
        """The field node_id, unique within the execution."""
        return text_of(lib.refold_node_id(self._node))

    @property
    def name(self) -> Optional[str]:
        """The field node_name."""
        return text_of(lib.refold_node_name(self._node))

    @property
    def type(self) -> Optional[str]:
        """The field node_type, such as "start"."""
        return text_of(lib.refold_node_type(self._node))

    @property
    def status(self) -> Optional[str]:
        """The field node_status as sent by the server, such as "Success"."""
        return text_of(lib.refold_node_status(self._node))

    @property
    def state(self) -> State:
        """The meaning of `status`."""
        return State(lib.refold_node_state(self._node))

    @property
    def is_batch(self) -> bool:
        """The field is_batch; False if absent."""
        return bool(lib.refold_node_is_batch(self._node))

    @property
    def attempts_made(self) -> Optional[int]:
        """The field attempts_made."""
        return count_of(lib.refold_node_attempts_made(self._node))

    @property
    def maximum_attempts(self) -> Optional[int]:
        """The field maximum_attempts."""
        return count_of(lib.refold_node_maximum_attempts(self._node))

    @property
    def execution_time(self) -> Optional[float]:
        """The field execution_time: how long the node ran, in seconds."""
        return seconds_of(lib.refold_node_execution_time_ms(self._node))

    @property
    def latest_output(self) -> Any:
        """The field latest_output, parsed as by json.loads() on each access; None if absent or null.

        Lone surrogates read as U+FFFD, and numbers out of range as infinite.
        """
        return load_json(lib.refold_node_latest_output(self._node))

    @property
    def latest_output_text(self) -> Optional[str]:
        """The field latest_output as JSON text, as sent by the server; None if absent."""
        return json_text(lib.refold_node_latest_output(self._node))

    @property
    def input_data(self) -> Any:
        """The field input_data, parsed like `latest_output`."""
        return load_json(lib.refold_node_input_data(self._node))

    @property
    def json(self) -> Any:
        """The whole node, including fields without a property, parsed like `latest_output`."""
        return load_json(lib.refold_node_json(self._node))


class Nodes(Sequence[Node]):
    """The nodes of an execution, in the order in which the run reached them. Each access creates a `Node`."""

    __slots__ = ("_owner", "_length")

    def __init__(self, owner: Handle) -> None:
        self._owner = owner
        self._length: int = lib.refold_execution_node_count(owner)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Node: ...

    @overload
    def __getitem__(self, index: slice) -> list[Node]: ...

    def __getitem__(self, index: Union[int, slice]) -> Union[Node, list[Node]]:
        positions = range(self._length)[index]
        if isinstance(positions, range):
            return [self[position] for position in positions]
        return Node(self._owner, lib.refold_execution_node(self._owner, positions))

    def __repr__(self) -> str:
        return f"<refold.Nodes: {self._length}>"


class Execution:
    """An immutable snapshot of one execution: its fields, its nodes and the whole document. Threads may share it.

    After close(), every property raises ValueError.
    """

    __slots__ = ("_handle",)

    def __init__(self, handle: Handle) -> None:
        self._handle: Optional[Handle] = handle

    @classmethod
    def parse(cls, json: Union[str, bytes]) -> Execution:
        """Parses JSON text, such as a stored `json_text`. Nothing is sent.

        Raises:
            Error: With `Code.INVALID_RESPONSE` if the text is not an execution.
        """
        text = json.encode() if isinstance(json, str) else memoryview(json).tobytes()
        error = ctypes.c_void_p()
        return take_execution(lib.refold_parse_execution(text, len(text), ctypes.byref(error)), error)

    def close(self) -> None:
        """Releases the snapshot. Its memory is freed once no `Node` or `Nodes` refers to it."""
        self._handle = None

    def __enter__(self) -> Execution:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._handle is None:
            return "<refold.Execution: closed>"
        return f"<refold.Execution {self.id!r}: {self.status}>"

    @property
    def _owner(self) -> Handle:
        handle = self._handle
        if handle is None:
            raise ValueError("the execution is closed")
        return handle

    @property
    def id(self) -> Optional[str]:
        """The field _id, or else the id that was requested."""
        return text_of(lib.refold_execution_id(self._owner))

    @property
    def name(self) -> Optional[str]:
        """The field name, such as "Execution for workflow 6a106ba44480b80424a65289"."""
        return text_of(lib.refold_execution_name(self._owner))

    @property
    def org_id(self) -> Optional[str]:
        """The field org_id: the organisation."""
        return text_of(lib.refold_execution_org_id(self._owner))

    @property
    def environment(self) -> Optional[str]:
        """The field environment: "test" or "production"."""
        return text_of(lib.refold_execution_environment(self._owner))

    @property
    def status(self) -> str:
        """The field status as sent by the server, such as "RUNNING"."""
        return text_or_empty(lib.refold_execution_status(self._owner))

    @property
    def state(self) -> State:
        """The meaning of `status`."""
        return State(lib.refold_execution_state(self._owner))

    @property
    def completion_percentage(self) -> Optional[float]:
        """The field completion_percentage: 0 to 100, or whatever number the server sends. -1 reads as absent."""
        percentage: float = lib.refold_execution_completion_percentage(self._owner)
        return None if percentage == -1 else percentage

    @property
    def config_id(self) -> Optional[str]:
        """The field config_id: the configuration of the workflow."""
        return text_of(lib.refold_execution_config_id(self._owner))

    @property
    def linked_account_id(self) -> Optional[str]:
        """The field linked_account_id: the account that the run acts for."""
        return text_of(lib.refold_execution_linked_account_id(self._owner))

    @property
    def created_at(self) -> Optional[str]:
        """The field createdAt: when the run started, as RFC 3339 text in UTC."""
        return text_of(lib.refold_execution_created_at(self._owner))

    @property
    def updated_at(self) -> Optional[str]:
        """The field updatedAt: the latest change of the run, as RFC 3339 text in UTC."""
        return text_of(lib.refold_execution_updated_at(self._owner))

    @property
    def timings(self) -> Timings:
        """How long the call took, or the poll of a wait, that fetched the execution. Empty after parse()."""
        return timings_of(lib.refold_execution_timing_us, self._owner)

    @property
    def attempts(self) -> int:
        """The number of attempts of that call or poll; 0 after parse()."""
        return int(lib.refold_execution_attempts(self._owner))

    @property
    def request_id(self) -> Optional[str]:
        """Identifies the request to Refold's support. None if the response has no header field x-request-id."""
        return text_of(lib.refold_execution_request_id(self._owner))

    @property
    def nodes(self) -> Nodes:
        """The nodes, in the order in which the run reached them."""
        return Nodes(self._owner)

    def node_by_id(self, node_id: str) -> Optional[Node]:
        """Returns the first node with the given id, or None. Fast in large executions, too."""
        owner = self._owner
        node = lib.refold_execution_node_by_id(owner, encode(node_id))
        return None if node is None else Node(owner, node)

    @property
    def json(self) -> Any:
        """The whole document, including fields without a property, parsed like `Node.latest_output`."""
        owner = self._owner
        return load_json(lib.refold_execution_json(owner))

    @property
    def json_text(self) -> str:
        """The whole document as JSON text, as sent by the server."""
        owner = self._owner
        return json_text(lib.refold_execution_json(owner)) or ""


Progress = Callable[[Execution], Optional[bool]]


def take_execution(pointer: Optional[int], error: ctypes.c_void_p, host: Optional[str] = None) -> Execution:
    """Takes over the result of a C function, or raises its error, of a call to that host."""
    if pointer is None:
        raise take_error(error, host)
    return Execution(Handle(pointer, lib.refold_execution_free))
