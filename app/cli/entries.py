"""What is typed: people, names, passwords, days, addresses. `BadRequest` is raised for what does not fit."""

import argparse
import getpass
import sys
from typing import Any, Literal, overload

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.engine import Connection

from app.api.values import Days, Name, Path
from app.errors import BadRequest
from app.people.keys import LONGEST_DAYS, LONGEST_PATH
from app.people.passwords import LONGEST
from app.rating import MAX_ID
from app.repository import users
from app.user import LONGEST_NAME, User


@overload
def person(connection: Connection, text: str) -> User: ...
@overload
def person(connection: Connection, text: str, *, must_be: Literal[False]) -> User | None: ...
def person(connection: Connection, text: str, *, must_be: bool = True) -> User | None:
    """The person of that name or id. A name that no one has is None if there need not be one."""
    if text.isascii() and text.isdecimal():
        found = users.find(connection, int(text)) if int(text) <= MAX_ID else None
        must_be = True
    else:
        found = next((users.get(connection, one) for one in users.ids_of(connection, text)), None)
    if found is None and must_be:
        raise BadRequest(
            f"There is no person {text[:LONGEST_NAME]!r}. `matinee user list` shows who has an account, the "
            "page all people."
        )
    return found


def name_of(text: str) -> str:
    return str(_fitting(Name, text, f"A name has 1 to {LONGEST_NAME} printable characters."))


def days(number: float | None) -> float | None:
    if number is None:
        return None
    return float(_fitting(Days, number, f"--days takes a number above 0, up to {LONGEST_DAYS:,}."))


def address(text: str | None) -> str | None:
    if text is None:
        return None
    fault = f"--address takes a path of at most {LONGEST_PATH} characters, such as /movies/top."
    return str(_fitting(Path, text, fault))


def _fitting(kind: Any, value: object, fault: str) -> Any:
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError:
        raise BadRequest(fault) from None


def password(options: argparse.Namespace) -> str:
    """A password from standard input, or asked for twice on the terminal."""
    if options.password_stdin:
        return _from_stdin()
    if not sys.stdin.isatty():
        raise BadRequest("There is no terminal to ask for a password: add --password-stdin and pass it in.")
    try:
        first, second = getpass.getpass("Password: "), getpass.getpass("Once more: ")
    except EOFError:
        raise BadRequest("No password was typed. Nothing was changed.") from None
    if first != second:
        raise BadRequest("The two passwords differ. Nothing was changed.")
    return first


def _from_stdin() -> str:
    try:
        text = sys.stdin.readline(LONGEST + 3).rstrip("\r\n")
        text.encode()
    except UnicodeError:
        raise BadRequest("The password on standard input is not UTF-8.") from None
    if not text:
        raise BadRequest("There is no password on standard input.")
    return text
