"""How long the parts of a call took."""

from __future__ import annotations

import dataclasses
from typing import Any, Optional


@dataclasses.dataclass(frozen=True)
class Timings:
    """How long the parts of a call took, in seconds. A part that the call did not go through is None.

    All but `total` are of the last attempt, and follow one another. str() returns a summary in milliseconds.
    """

    total: Optional[float] = None
    """The call, with all attempts and the pauses between them. Of a snapshot of a wait it is the poll that fetched the
    snapshot, and of the error of a wait the whole wait. None if no call was made."""
    resolve: Optional[float] = None
    """The lookup of host names. None for an address, for localhost, and on a reused connection."""
    connect: Optional[float] = None
    """Connecting, including the dialogue with a proxy. None on a reused connection."""
    tls: Optional[float] = None
    """The TLS handshake. None without TLS, and on a reused connection."""
    first_byte: Optional[float] = None
    """From the first byte of the request to the first byte of the response."""
    transfer: Optional[float] = None
    """From there to the last byte of the response. The parsing after that is not included."""

    def __str__(self) -> str:
        if self.total is None:
            return "-"
        parts = {
            "resolve": self.resolve,
            "connect": self.connect,
            "TLS": self.tls,
            "first byte": self.first_byte,
            "transfer": self.transfer,
        }
        shown = ", ".join(f"{name} {time * 1000:.3f}" for name, time in parts.items() if time is not None)
        return f"{self.total * 1000:.3f} ms" + (f" ({shown})" if shown else "")


def timings_of(function: Any, owner: object) -> Timings:
    """Reads all parts from a C function. Their numbers are the positions of the fields."""
    microseconds = [function(owner, part) for part in range(len(dataclasses.fields(Timings)))]
    return Timings(*(None if time < 0 else time / 1_000_000 for time in microseconds))
