"""Checks the dependencies against tests/supply/policy.toml. `sh tests/supply.sh` calls it.

The last line is `N passed, M failed`.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib
from platform import machine

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "target/release/librefold.so"
PLATFORM = "x86_64-unknown-linux-gnu"
WINDOWS = "x86_64-pc-windows-gnu"


def main():
    policy = tomllib.loads((ROOT / "tests/supply/policy.toml").read_text())
    packages = json.loads(cargo("metadata", "--format-version=1"))["packages"]
    linux, library = linked(PLATFORM), linked("all")
    direct, direct_on_windows = linked(PLATFORM, "--depth=1"), linked(WINDOWS, "--depth=1")
    checks = {
        "every Cargo.lock is committed and complete": incomplete_locks(),
        "every cargo command in our scripts uses Cargo.lock": commands_without_lock(),
        "every package comes from the registry, with a checksum": foreign_packages(policy["registry"]),
        "every licence is allowed": refused_licences(packages, library, policy["licences"]),
        "only listed packages are linked into the library": differences(
            names(linux), policy["library"]["direct"] + policy["library"]["indirect"]),
        "only listed packages are linked into the library on Windows": differences(
            names(linked(WINDOWS).keys() - linux.keys()), policy["library"]["windows"]),
        "the direct dependencies are those listed": differences(names(direct), policy["library"]["direct"]),
        "only listed features are enabled": features(direct_on_windows | direct, policy["features"]),
        "no package has two versions without a reason": duplicates(packages, linux, policy["duplicates"]),
        "Cargo.toml gives a reason for every dependency": dependencies_without_reason(),
        "the library contains no path of this machine": paths_of_this_machine(),
    }
    here = f"{machine()}-{sys.platform}"
    if here in policy["size"]:
        checks["the library has the size in the policy"] = size(policy["size"][here])
    else:
        print(f"not checked: the size of the library, because the policy has none for {here}")
    failed = 0
    for name, faults in checks.items():
        faults = sorted(faults)
        print(f"{'FAIL' if faults else 'ok'} {name}")
        for fault in faults:
            print(f"    {fault}")
        failed += bool(faults)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return failed > 0


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments, "--locked"], cwd=ROOT, check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def linked(platform, *arguments):
    """What is linked into the library: packages, as (name, version), and their enabled features."""
    tree = cargo("tree", "--edges=normal,no-proc-macro", f"--target={platform}", "--prefix=none",
                 "--format={p}|{f}", *arguments)
    found = {}
    for line in tree.splitlines():
        package, _, features = line.removesuffix(" (*)").partition("|")
        name, version, *_ = package.split()
        found[name, version.removeprefix("v")] = set(filter(None, features.split(",")))
    return {package: features for package, features in found.items() if package[0] != "refold"}


def names(packages):
    return [name for name, _ in packages]


def incomplete_locks():
    """cargo would write to an incomplete one."""
    for manifest in tracked("Cargo.toml", "*/Cargo.toml"):
        lock = manifest.replace(".toml", ".lock")
        if not tracked(lock):
            yield f"git does not track {lock}"
        elif subprocess.run(["cargo", "metadata", "--format-version=1", "--locked", "--manifest-path", manifest], cwd=ROOT,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
            yield f"{lock} does not fit {manifest}"


def tracked(*patterns):
    return subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, check=True, text=True,
                          stdout=subprocess.PIPE).stdout.split()


def commands_without_lock():
    """In the project's scripts; lines joined by a backslash count as one."""
    for script in tracked("*.sh", ".ci"):
        for line in (ROOT / script).read_text().replace("\\\n", " ").splitlines():
            command = re.sub(r'"[^"]*"|#.*', "", line)
            if re.search(r"\bcargo (build|test|clippy|install|rustc|run|bench)( (?!--version)|$)", command) \
                    and not re.search(r"--locked|--frozen", command):
                yield f"{script}: {line.strip()}"


def foreign_packages(registry):
    for package in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]:
        if package["name"] == "refold" and "source" not in package:
            continue
        source = package.get("source", "no registry at all")
        if not (source.startswith("registry+") and source.endswith(f"/{registry}") and "checksum" in package):
            yield f"{package['name']} {package['version']} from {source}"


def refused_licences(packages, library, allowed):
    for package in packages:
        is_linked = (package["name"], package["version"]) in library or package["source"] is None
        terms = allowed["library"] + ([] if is_linked else allowed["tools"])
        if not is_allowed(package["license"] or "", terms):
            yield f"{package['name']} {package['version']}: {package['license']}"


def is_allowed(expression, terms):
    """Evaluates an SPDX expression with each licence replaced by whether it is allowed."""
    words = re.findall(r"[()]|[^\s()]+", re.sub(r" WITH \S+", "", expression.replace("/", " OR ")))
    known = {"AND": "and", "OR": "or", "(": "(", ")": ")"}
    formula = " ".join(known.get(word, str(word in terms)) for word in words)
    return bool(formula) and eval(formula)  # only True, False, and, or, parentheses


def differences(found, named):
    yield from (f"{name} is not listed" for name in set(found) - set(named))
    yield from (f"{name} is listed, but does not exist" for name in set(named) - set(found))


def features(packages, named):
    for (name, _), found in packages.items():
        for difference in differences(found, named.get(name, [])):
            yield f"{name}: {difference}"


def duplicates(packages, library, reasons):
    yield from differences(repeated([package["name"] for package in packages]), reasons)
    for name in repeated(names(library)):
        yield f"{name} is in the library twice"


def repeated(names):
    return {name for name in names if names.count(name) > 1}


def dependencies_without_reason():
    """A comment precedes each, or precedes the one above if both serve the same purpose."""
    has_reason, is_table = False, False
    for line in (ROOT / "Cargo.toml").read_text().splitlines():
        if line.startswith("["):
            is_table, has_reason = line.rstrip("]").endswith("dependencies"), False
        elif line.startswith("#"):
            has_reason = True
        elif is_table and line and not has_reason:
            yield line


def paths_of_this_machine():
    """The sources of the standard library are under /rustc on every machine."""
    cargo_home = os.environ.get("CARGO_HOME") or pathlib.Path.home() / ".cargo"
    texts = re.findall(rb"[\x20-\x7e]{4,}", LIBRARY.read_bytes())
    for folder in {str(ROOT), str(cargo_home), "/registry/src/", "/.cargo/"}:
        found = [text.decode() for text in texts if folder.encode() in text]
        if found:
            yield f"{len(found)} with {folder}, such as {found[0][:100]}"


def size(committed):
    measured = LIBRARY.stat().st_size
    if abs(measured - committed) * 10 > committed:
        yield f"{measured} bytes, but {committed} in tests/supply/policy.toml"


if __name__ == "__main__":
    sys.exit(main())
