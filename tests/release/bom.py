"""Writes the bill of materials of the released libraries, in CycloneDX's JSON format.

    SOURCE_DATE_EPOCH=SECONDS bom.py FILE ZIG_VERSION TARGET=RUST_VERSION ...

It lists what is part of the library for one of these targets, as Rust names them; neither build tools nor procedural
macros are. A component that is not in all of the libraries has a property `refold:target` for each that has it.
"""
import collections
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tomllib
import uuid

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def main(path, zig, *targets):
    targets = dict(target.split("=") for target in targets)
    checksums = {(package["name"], package["version"]): package.get("checksum")
                 for package in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]}
    metadata = json.loads(cargo("metadata", "--format-version=1"))
    packages = {(package["name"], package["version"]): package for package in metadata["packages"]}
    found = collections.defaultdict(list)
    for target in targets:
        for key in linked(target):
            found[key].append(target)
    components = {packages[key]["id"]: describe(packages[key], checksums[key]) for key in sorted(found)}
    root = components.pop(metadata["resolve"]["root"])
    bom = Bom()
    bom.metadata.component = root
    bom.metadata.timestamp = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    bom.components.update(components.values())
    everything = components | {metadata["resolve"]["root"]: root}
    for node in metadata["resolve"]["nodes"]:
        if node["id"] in everything:
            needed = [dependency["pkg"] for dependency in node["deps"]
                      if any(kind["kind"] is None for kind in dependency["dep_kinds"])]
            bom.register_dependency(everything[node["id"]], [everything[id] for id in needed if id in everything])
    for component, users in runtimes(zig, targets):
        bom.components.add(component)
        bom.register_dependency(root, [component])
        mark(component, users, targets)
    for key, users in found.items():
        if packages[key]["id"] in components:
            mark(components[packages[key]["id"]], users, targets)
    contents = sorted((str(component.purl), *sorted(property.value for property in component.properties))
                      for component in bom.components)
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([str(root.purl), str(bom.metadata.timestamp), contents]))
    text = JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        sys.exit(f"the bill of materials is invalid: {error}")
    pathlib.Path(path).write_text(text)


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments, "--locked"], cwd=ROOT, check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def linked(target):
    """The packages that are linked into the library, as (name, version)."""
    tree = cargo("tree", "--edges=normal,no-proc-macro", f"--target={target}", "--prefix=none", "--format={p}")
    return {(name, version.removeprefix("v")) for name, version, *_ in map(str.split, tree.splitlines())}


def describe(package, checksum):
    name, version = package["name"], package["version"]
    url = PackageURL("cargo", None, name, version)
    is_ours = checksum is None
    return Component(
        name="librefold" if is_ours else name, version=version, type=ComponentType.LIBRARY, description=package["description"],
        bom_ref=f"pkg:generic/librefold@{version}" if is_ours else str(url),
        purl=PackageURL("generic", None, "librefold", version) if is_ours else url,
        licenses=[licence(package["license"])],
        hashes=[] if is_ours else [HashType(alg=HashAlgorithm.SHA_256, content=checksum)],
        external_references=[ExternalReference(type=ExternalReferenceType.VCS, url=XsUri(package["repository"]))]
        if package["repository"] else [])


def licence(expression):
    return LicenseFactory().make_with_expression(expression.replace("/", " OR "))


def runtimes(zig, targets):
    """What compilers add to the library, and the targets for which they do."""
    for version in sorted(set(targets.values())):
        url = PackageURL("github", "rust-lang", "rust", version)
        yield (Component(name="std", version=version, type=ComponentType.LIBRARY, description="Rust's standard library",
                         bom_ref=str(url), purl=url, licenses=[licence("MIT OR Apache-2.0")]),
               [target for target in targets if targets[target] == version])
    url = PackageURL("pypi", None, "ziglang", zig)
    yield (Component(name="ziglang", version=zig, type=ComponentType.LIBRARY, bom_ref=str(url), purl=url,
                     description="the runtime library and the unwinder of zig's C compiler",
                     licenses=[licence("MIT AND Apache-2.0 WITH LLVM-exception")]), list(targets))


def mark(component, users, targets):
    if len(users) < len(targets):
        component.properties.update(Property(name="refold:target", value=user) for user in users)


if __name__ == "__main__":
    main(*sys.argv[1:])
