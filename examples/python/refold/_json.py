"""JSON values as Python objects."""

from __future__ import annotations

import json
import re
from typing import Any, Optional, Union

from ._native import bytes_of, lib, text_of

# A surrogate pair, a lone surrogate (group 1), or any other escape. Matching each escape as a whole keeps the second
# backslash of `\\ud83d` from starting one.
_escape = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL)
# The first character of a value, or a closing bracket.
_token = re.compile(r"[^ \t\r\n,:]")


def json_text(value: Optional[int]) -> Optional[str]:
    return text_of(bytes_of(lib.refold_json_raw, value))


def load_json(value: Optional[int]) -> Any:
    """json.loads() for a C value, except that it never fails.

    Lone surrogates read as U+FFFD, as they do in C, because Python could not encode them. Integers that int() rejects
    for their length (see sys.set_int_max_str_digits) become floats, and floats out of range become infinite. Any depth
    is accepted, although Python itself cannot compare or print values nested beyond its recursion limit.
    """
    text = json_text(value)
    if text is None:
        return None
    if "\\ud" in text or "\\uD" in text:
        text = _escape.sub(lambda match: "\\ufffd" if match[1] else match[0], text)
    try:
        return json.loads(text)
    except (RecursionError, ValueError):
        return load_json_iteratively(text)


def load_json_iteratively(text: str) -> Any:
    """json.loads() for valid JSON, without recursion and with integers of any length."""
    decoder = json.JSONDecoder(parse_int=_integer)
    stack: list[list[Any]] = [[]]  # an object is collected as alternating keys and values
    position = 0
    while match := _token.search(text, position):
        value: Any
        position = match.end()
        if match[0] in "[{":
            stack.append([])
            continue
        if match[0] == "]":
            value = stack.pop()
        elif match[0] == "}":
            items = stack.pop()
            value = dict(zip(items[::2], items[1::2]))
        else:
            value, position = decoder.raw_decode(text, match.start())
        stack[-1].append(value)
    return stack[0][0]


def _integer(digits: str) -> Union[int, float]:
    try:
        return int(digits)
    except ValueError:
        return float(digits)
