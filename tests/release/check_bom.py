"""Checks a bill of materials: `check_bom.py FILE`. The exit status is 1 if something is wrong with it, which is printed.

Compares it with the list of dependencies in tests/supply/policy.toml, which is checked against the library by tests/supply.py.
"""
import json
import pathlib
import re
import sys
import tomllib

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RUNTIMES = {"std", "ziglang"}
LINUX = "x86_64-unknown-linux-gnu"


def faults(text):
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        yield f"it is not valid: {error}"
        return
    bill = json.loads(text)
    components = bill["components"]
    subject = bill["metadata"]["component"]
    version = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    if (subject["name"], subject["version"]) != ("librefold", version):
        yield f"it describes {subject['name']} {subject['version']}"
    library = tomllib.loads((ROOT / "tests/supply/policy.toml").read_text())["library"]
    wanted = set(library["direct"] + library["indirect"]) | RUNTIMES
    found = {component["name"] for component in components if is_in(component, LINUX)}
    for name in found ^ wanted:
        yield f"{name} is listed" if name in found else f"{name} is missing"
    checksums = {package.get("checksum") for package in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]}
    for component in components:
        name = component["name"]
        if not component.get("licenses"):
            yield f"{name} has no licence"
        if not component.get("purl", "").endswith(f"@{component['version']}"):
            yield f"{name} has no package URL"
        if name not in RUNTIMES and component["hashes"][0]["content"] not in checksums:
            yield f"{name} does not have the checksum in Cargo.lock"
    references = {subject["bom-ref"]} | {component["bom-ref"] for component in components}
    needed = {reference for entry in bill["dependencies"] for reference in entry.get("dependsOn", [])}
    if {entry["ref"] for entry in bill["dependencies"]} != references or needed | {subject["bom-ref"]} != references:
        yield "not every component is something that the library depends on"


def is_in(component, target):
    users = [entry["value"] for entry in component.get("properties", []) if entry["name"] == "refold:target"]
    return not users or target in users


if __name__ == "__main__":
    found = sorted(faults(pathlib.Path(sys.argv[1]).read_text()))
    print("\n".join(found))
    sys.exit(bool(found))
