"""Finds and loads the shared library."""

from __future__ import annotations

import ctypes
import os
import pathlib
import sys


def library_path() -> str:
    """Returns the path of the library, or its name for the loader of the system."""
    path = os.environ.get("REFOLD_LIBRARY")
    if path:
        return path
    names = {"darwin": ["librefold.0.dylib", "librefold.dylib"], "win32": ["refold.dll"]}.get(
        sys.platform, ["librefold.so.0", "librefold.so"]
    )
    here = pathlib.Path(__file__).resolve().parent
    directories = [here]  # the library that the wheel contains
    project = here.parent.parent.parent
    # A copy of this package must not load a library that happens to be near it.
    markers = (project / "Cargo.toml", project / "include" / "refold.h")
    if here == project / "examples" / "python" / "refold" and all(marker.exists() for marker in markers):
        directories.append(project / "target" / "release")
    for directory in directories:
        for name in names:
            if (directory / name).exists():
                return str(directory / name)
    return names[0]


def load() -> ctypes.CDLL:
    path = library_path()
    try:
        return ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"cannot load {path}: {error} (set REFOLD_LIBRARY to the path of the library)") from error
