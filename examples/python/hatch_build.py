"""Puts the shared library into the wheel, and the Rust sources of the library into the source distribution.

The library is taken from the folder in the environment variable REFOLD_LIBRARY_DIR, an absolute path, or else built by
cargo.
"""

from __future__ import annotations

import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import zipfile
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = {"darwin": "librefold.dylib", "win32": "refold.dll"}.get(sys.platform, "librefold.so")
# What cargo needs of the sources, Cargo.toml naming the benchmark and the example.
SOURCES = [
    "Cargo.toml", "Cargo.lock", "LICENSE", "build.rs", "cbindgen.toml", "include", "src", "benches/parse.rs",
    "examples/sandbox",
]
ELF_MACHINES = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64"}


class CustomBuildHook(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = pathlib.Path(self.root)
        crate = root / "librefold"  # in an unpacked source distribution
        if not crate.exists():
            crate = root.parent.parent
        files = build_data["force_include"]
        if self.target_name == "sdist":
            files.update({str(crate / name): f"librefold/{name}" for name in SOURCES})
        elif version != "editable":  # an editable installation uses the library in target/release
            folder = os.environ.get("REFOLD_LIBRARY_DIR")
            library = pathlib.Path(folder, NAME) if folder else build(crate)
            if not library.is_absolute():  # the build runs in another folder than its caller
                raise ValueError(f"REFOLD_LIBRARY_DIR is not an absolute path: {folder}")
            if not library.exists():
                raise FileNotFoundError(f"REFOLD_LIBRARY_DIR has no {NAME}: {folder}")
            files[str(library)] = f"refold/{NAME}"
            metadata = f"{self.metadata.name}-{self.metadata.version}.dist-info"
            files[str(crate / "LICENSE")] = f"{metadata}/licenses/LICENSE"
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform_tag(library)}"


def build(crate: pathlib.Path) -> pathlib.Path:
    """Builds the library with cargo, without the paths of this machine in it, and returns its path."""
    home = os.environ.get("CARGO_HOME") or os.path.expanduser("~/.cargo")
    sources = f"--remap-path-prefix={home}/registry/src=cargo"
    environment, options = dict(os.environ), ["--release", "--locked", "--lib", "--crate-type=cdylib"]
    if environment.get("RUSTFLAGS"):
        environment["RUSTFLAGS"] += f" {sources}"
    else:
        options += ["--config", f"build.rustflags=['{sources}']"]
    command = ["cargo", "rustc", *options, "--message-format=json-render-diagnostics"]
    output = subprocess.run(command, cwd=crate, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout
    messages = [json.loads(line) for line in output.splitlines()]
    built = next(message for message in messages if "cdylib" in message.get("target", {}).get("crate_types", []))
    return next(path for path in map(pathlib.Path, built["filenames"]) if path.name == NAME)


def platform_tag(library: pathlib.Path) -> str:
    """The platforms on which the library can be loaded."""
    if sys.platform == "win32":
        return "win_arm64" if platform.machine() == "ARM64" else "win_amd64"
    if sys.platform == "darwin":
        return "macosx_11_0_arm64" if platform.machine() == "arm64" else "macosx_10_12_x86_64"
    from elftools.elf.dynamic import DynamicSection  # of pyelftools, which auditwheel uses
    from elftools.elf.elffile import ELFFile

    with library.open("rb") as file:
        elf = ELFFile(file)
        architecture = ELF_MACHINES.get(elf["e_machine"], platform.machine())
        sections: list[Any] = [section for section in elf.iter_sections() if isinstance(section, DynamicSection)]
        needed = {entry.needed for section in sections for entry in section.iter_tags("DT_NEEDED")}
    if any(name == "libc.so" or name.startswith("libc.musl-") for name in needed):
        # musl has no symbol versions. Rust links version 1.2, which is compatible with later ones.
        return f"{'musllinux_1_2' if len(needed) == 1 else 'linux'}_{architecture}"
    return glibc_tag(library, architecture)


def glibc_tag(library: pathlib.Path, architecture: str) -> str:
    """The oldest glibc that has all symbols that the library uses, as auditwheel determines it."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = pathlib.Path(folder, f"refold-0-py3-none-linux_{architecture}.whl")
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.write(library, f"refold/{NAME}")
            archive.writestr("refold-0.dist-info/RECORD", f"refold/{NAME},,\n")
        command = [sys.executable, "-m", "auditwheel", "show", str(wheel)]
        report = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    found = re.search(r'platform\s+tag:\s+"(\w+)"', report)
    if found is None:
        raise RuntimeError(f"auditwheel finds no platform tag:\n{report}")
    return found[1]
