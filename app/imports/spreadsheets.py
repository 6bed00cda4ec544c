"""Texts in a CSV that a spreadsheet may open: none is taken for a formula, and each comes back as it was.

An apostrophe goes before what would begin a formula: at the start of the text, after blanks or control
characters too, and after a semicolon or a tab, which separate columns in many languages' spreadsheets.
https://owasp.org/www-community/attacks/CSV_Injection
"""

import re

_BLANK = r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2060\ufeff]"
_START = rf"((?:\A|[;\t\r\n]){_BLANK}*"
_FORMULA = r"(?=[=+\-@\uff1d\uff0b\uff0d\uff20\t\r])"
_PLAIN = re.compile(rf"{_START}'*){_FORMULA}")
_ESCAPED = re.compile(rf"{_START}'*)'{_FORMULA}")


def escape(text: str) -> str:
    """The text as it stands in a CSV."""
    return _PLAIN.sub(r"\1'", text)


def unescape(text: str) -> str:
    """The text that `escape` was given."""
    return _ESCAPED.sub(r"\1", text)
