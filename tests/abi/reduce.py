"""Reduces the output of abidw to what a program can see: the exported functions, and the types that they reach. The rest
is internal to the library and its compiler, and may change at any time.

    abidw ... librefold.so | python3 reduce.py
"""
import re
import sys
import xml.etree.ElementTree as xml


def is_public(element):
    return element.tag == "function-decl" and element.get("elf-symbol-id") is not None


def types_reached(corpus):
    """The ids of all types that the functions refer to, directly or through other types."""
    types = {element.get("id"): element for element in corpus.iter() if element.get("id")}
    reached = set()
    waiting = [element for element in corpus.iter() if is_public(element)]
    while waiting:
        named = {element.get("type-id") for element in waiting.pop().iter()} - reached - {None}
        reached |= named
        waiting.extend(types[name] for name in named)
    return reached


def prune(parent, reached):
    """Drops what is neither public nor reached, nor leads there."""
    for child in list(parent):
        if child.tag in ("abi-instr", "namespace-decl"):
            prune(child, reached)
            is_kept = len(child) > 0
        else:
            is_kept = is_public(child) or child.get("id") in reached or child.tag == "elf-function-symbols"
        if not is_kept:
            parent.remove(child)


def join_units(corpus):
    """Makes one unit of all, for how many there are and what they are called is the compiler's choice."""
    first, *others = corpus.findall("abi-instr")
    first.set("path", "src/lib.rs")
    known = {child.get("id") for child in first}
    for unit in others:
        corpus.remove(unit)
        for child in unit:
            name = child.get("id")
            if name is None or name not in known:
                first.append(child)
                known.add(name)


def drop_namespaces(parent):
    """Moves everything out of its namespace, and drops the paths in the names of generic types. Namespaces are the
    library's modules, which programs cannot see."""
    for child in list(parent):
        if "::" in child.get("name", ""):
            child.set("name", re.sub(r"(\w+::)+", "", child.get("name")))
        if child.tag == "namespace-decl":
            drop_namespaces(child)
            place = list(parent).index(child)
            parent.remove(child)
            for offset, member in enumerate(child):
                parent.insert(place + offset, member)
        elif child.tag == "abi-instr":
            drop_namespaces(child)


def main():
    corpus = xml.parse(sys.stdin).getroot()
    prune(corpus, types_reached(corpus))
    join_units(corpus)
    drop_namespaces(corpus)
    xml.indent(corpus)
    print(xml.tostring(corpus, encoding="unicode"))


main()
