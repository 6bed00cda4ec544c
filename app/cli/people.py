"""The commands for people, the door and keys. They work on the database itself, without a server."""

import argparse
import ipaddress
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from sqlalchemy.engine import Connection

from app.cli.entries import address, days, name_of, password, person
from app.config import Settings
from app.errors import BadRequest, Conflict
from app.people import keys, passwords, secrets
from app.people.invitations import invite
from app.people.keys import Wish
from app.repository import accounts, api_keys, audit, users
from app.storage import Database, open_database
from app.storage.private import be_private
from app.user import Role, User


@dataclass(frozen=True, slots=True)
class House:
    """What a command works on. `url`: the address of the server, for links."""

    settings: Settings
    database: Database
    url: str


Action = Callable[[House, argparse.Namespace], None]


def run(settings: Settings, options: argparse.Namespace, url: str) -> int:
    """Run the action of a command; returns the exit status."""
    be_private()
    database = open_database(settings)
    try:
        ACTIONS[options.name, options.action](House(settings, database, url), options)
    finally:
        database.close()
    return 0


def add_user(house: House, options: argparse.Namespace) -> None:
    role = Role(options.role)
    with house.database.read() as connection:
        known = person(connection, options.person, must_be=False)
        if known and accounts.find(connection, known.id):
            raise Conflict(
                f"{_shown(known)} has an account already. `matinee user role` changes what they may do, "
                "`matinee user password` their password."
            )
        is_first = not accounts.listing(connection)
    if is_first and role is not Role.ADMIN:
        raise BadRequest("The first account is an admin's: add --role admin.")
    name = name_of(options.person)
    hashed = passwords.hashed(password(options))
    secrets.ensure(house.settings)
    with house.database.write() as connection:
        user = known or users.create(connection, name, now=time.time())
        accounts.add(connection, user.id, role, hashed, now=time.time())
        if is_first:
            accounts.move_door(connection, is_open=True)
        _note(connection, "add_user", f"/users/{user.id}")
        is_open = accounts.door_state(connection).is_open
    print(f"{_shown(user)} can log in, with the role {role}.")
    _say_what_is_missing(house.settings, is_first=is_first, is_open=is_open)


def _say_what_is_missing(settings: Settings, *, is_first: bool, is_open: bool) -> None:
    if not is_open:
        print("The door is closed: the service is open to its own machine alone. Open it: matinee door on")
        return
    if is_first:
        where = "MATINEE_DATABASE_URL" if settings.database_url else settings.data_dir.absolute()
        print(f"The accounts are in {where}.")
        print("The door is open: from now on every caller has to log in or to present a key, here too.")
    missing = []
    if _is_this_machine(settings.host):
        missing.append("  MATINEE_HOST=0.0.0.0 (it listens for this machine alone)")
    if not settings.allowed_hosts:
        missing.append("  MATINEE_ALLOWED_HOSTS=NAME,... (names it is called by; an IP address needs none)")
    if missing:
        print("For other devices, start the server with", *missing, sep="\n")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def list_users(house: House, _options: argparse.Namespace) -> None:
    with house.database.read() as connection:
        rows = [(users.get(connection, one.user_id), one) for one in accounts.listing(connection)]
        is_open = accounts.door_state(connection).is_open
    if not rows:
        print("No one can log in yet. The first account: matinee user add NAME --role admin")
        return
    print(f"{'id':>19}  {'role':6}  {'password':8}  name")
    for user, one in rows:
        print(f"{user.id:>19}  {one.role:6}  {'set' if one.password else 'not set':8}  {user.name}")
    print(f"The door is {'open' if is_open else 'closed'}.")


def set_password(house: House, options: argparse.Namespace) -> None:
    with house.database.read() as connection:
        user = _with_account(connection, options.person)
    hashed = passwords.hashed(password(options))
    with house.database.write() as connection:
        accounts.set_password(connection, user.id, hashed)
        _note(connection, "set_password", f"/users/{user.id}")
    print(f"{_shown(user)} has the new password. Every login of theirs has ended.")


def set_role(house: House, options: argparse.Namespace) -> None:
    with house.database.write() as connection:
        user = _with_account(connection, options.person)
        accounts.set_role(connection, user.id, Role(options.role))
        _note(connection, "set_role", f"/users/{user.id}/account")
    print(f"{_shown(user)} has the role {options.role}, from their next request on.")


def remove_user(house: House, options: argparse.Namespace) -> None:
    with house.database.write() as connection:
        user = _with_account(connection, options.person)
        accounts.remove(connection, user.id)
        _note(connection, "remove_account", f"/users/{user.id}/account")
    print(f"{_shown(user)} can no longer log in, and their keys are gone. The ratings stay.")


def invite_user(house: House, options: argparse.Namespace) -> None:
    role = Role(options.role) if options.role else None
    with house.database.write() as connection:
        user = person(connection, options.person, must_be=False)
        is_new = user is None
        if user is None:
            user = users.create(connection, name_of(options.person), now=time.time())
        made = invite(connection, user.id, role)
        _note(connection, "invite_user", f"/users/{user.id}")
    print(f"{_base(house, options)}{made.path}")
    who = f"{_shown(user)}, {'new, ' if is_new else ''}{made.account.role}"
    _remark(f"{who}, sets a password there: once, until {_day(made.expires_at)}.")


def _base(house: House, options: argparse.Namespace) -> str:
    """The address of the server in a link, with the first of its names if it has any."""
    if options.url:
        return str(options.url).rstrip("/")
    name = house.settings.allowed_hosts.partition(",")[0].strip()
    if not name:
        return house.url
    return urlsplit(house.url)._replace(netloc=f"{name}:{house.settings.port}").geturl()


def open_door(house: House, _options: argparse.Namespace) -> None:
    secrets.ensure(house.settings)
    with house.database.write() as connection:
        if not accounts.listing(connection):
            raise Conflict(
                "There are no accounts. `matinee user add NAME --role admin` makes one, and opens it."
            )
        accounts.move_door(connection, is_open=True)
        _note(connection, "open_door", "/door")
    print("The door is open: every caller has to log in or to present a key, on this machine too.")
    _say_what_is_missing(house.settings, is_first=False, is_open=True)


def close_door(house: House, _options: argparse.Namespace) -> None:
    with house.database.write() as connection:
        accounts.move_door(connection, is_open=False)
        _note(connection, "close_door", "/door")
    print("The door is closed: callers on this machine alone are let in, without a login. The accounts stay.")


def rotate_secret(house: House, _options: argparse.Namespace) -> None:
    secrets.rotate(house.settings)
    with house.database.write() as connection:
        accounts.move_door(connection)  # so that each server reads the file again
        _note(connection, "rotate_secret", "/door")
    print(
        f"{secrets.path_of(house.settings)} has a new secret. Tokens that the one before signed stay valid."
    )


def add_key(house: House, options: argparse.Namespace) -> None:
    valid, only_at = days(options.days), address(options.address)
    name = name_of(options.label)
    with house.database.write() as connection:
        owner = _with_account(connection, options.owner)
        text, key = keys.issue(connection, Wish(name, owner.id, Role(options.role), valid, only_at))
        _note(connection, "add_key", f"/keys/{key.prefix}")
    print(text)
    until = "it is revoked" if key.expires_at is None else _day(key.expires_at)
    _remark(
        f"This is the only time that the key is shown. It is valid until {until}: {key.role}, {owner.name}'s."
    )


def list_keys(house: House, _options: argparse.Namespace) -> None:
    with house.database.read() as connection:
        rows = [(key, users.get(connection, key.user_id)) for key in api_keys.listing(connection)]
    if not rows:
        print("There are no keys. One is made by: matinee key add NAME --owner PERSON")
        return
    print(f"{'prefix':16}  {'role':6}  {'valid until':16}  {'last used':16}  name (owner) address")
    for key, owner in rows:
        until, used = (_day(moment) if moment else "-" for moment in (key.expires_at, key.used_at))
        row = f"{key.prefix:16}  {key.role:6}  {until:16}  {used:16}  {key.name} ({owner.name})"
        print(f"{row} {key.address or ''}".rstrip())


def revoke_key(house: House, options: argparse.Namespace) -> None:
    with house.database.write() as connection:
        api_keys.revoke(connection, options.prefix)
        _note(connection, "revoke_key", f"/keys/{options.prefix}")
    print(f"The key {options.prefix} is no longer valid.")


ACTIONS: dict[tuple[str, str], Action] = {
    ("user", "add"): add_user,
    ("user", "list"): list_users,
    ("user", "password"): set_password,
    ("user", "role"): set_role,
    ("user", "remove"): remove_user,
    ("user", "invite"): invite_user,
    ("door", "on"): open_door,
    ("door", "off"): close_door,
    ("door", "rotate"): rotate_secret,
    ("key", "add"): add_key,
    ("key", "list"): list_keys,
    ("key", "revoke"): revoke_key,
}


def _with_account(connection: Connection, text: str) -> User:
    user = person(connection, text)
    if accounts.find(connection, user.id) is None:
        raise BadRequest(f"{_shown(user)} has no account. `matinee user add` makes one.")
    return user


def _note(connection: Connection, action: str, target: str) -> None:
    """A row of the audit; without a person and an address it is of the command line."""
    audit.add(connection, action, target, now=time.time())


def _remark(text: str) -> None:
    """Say something beside the output, which a script may read."""
    print(text, file=sys.stderr)


def _shown(user: User) -> str:
    return f"{user.name or 'User'} ({user.id})"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
