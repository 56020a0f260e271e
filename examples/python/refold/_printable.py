"""Makes texts safe for a terminal."""

from __future__ import annotations

import re

# Control characters, surrogates, line and paragraph separators, and the controls of the direction of text.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Returns text as one line that is safe to print.

    Texts of a server may contain escape sequences for the terminal, forged lines, and controls that reorder what a line
    shows. Tabs and ends of lines become blanks; every other control character (C0, DEL, C1), U+2028, U+2029, the
    controls of the direction of text (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069) and surrogates become
    "?". Everything else is kept, whether or not the encoding of the terminal has it.
    """
    return _UNPRINTABLE.sub(lambda match: " " if match[0] in "\t\n\r" else "?", text)
