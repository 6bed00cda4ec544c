"""`matinee hook`: addresses to which media players send what was watched, made, shown and removed."""

import argparse
from collections.abc import Sequence

from app.cli.console import user_of
from app.client import MatineeClient
from app.client_calls.answers import Hook
from app.errors import BadRequest


def run(client: MatineeClient, options: argparse.Namespace) -> bool:
    """Make a hook, show those that there are, or remove one; True unless that failed."""
    user_id = None if options.user is None else user_of(client, options.user)
    if options.action == "add":
        _add(client, options.player, user_id, options.names)
    elif options.action == "remove":
        client.delete_hook(options.number, user_id)
        print(f"Hook {options.number} is gone: its address counts nothing more. What it has counted stays.")
    else:
        _show(client.list_hooks(user_id, limit=options.limit))
    return True


def _add(client: MatineeClient, player: str, user_id: int | None, pairs: Sequence[str]) -> None:
    names: dict[str, int | None] = {}
    for pair in pairs:
        name, separator, user = pair.rpartition("=")
        if not separator or not name:
            raise BadRequest(f"--name takes a user of the player and a person, as in anna=7, not {pair!r}.")
        names[name] = user_of(client, user) if user else None
    made = client.add_hook(player, user_id, names)
    print(f"Hook {made['number']} for {player}. Its address, shown this once, after that of the service:")
    print(f"  {made['address']}")


def _show(hooks: Sequence[Hook]) -> None:
    if not hooks:
        print("There is no hook. `matinee hook add PLAYER --user USER` makes one.")
    for hook in hooks:
        whose = "a household" if hook["user_id"] is None else f"user {hook['user_id']}"
        names = ", ".join(f"{name} is {_person(user)}" for name, user in sorted(hook["names"].items()))
        print(
            f"{hook['number']:>5}  {hook['player']} of {whose}{f' ({names})' if names else ''}: "
            f"{hook['counted']:,} counted, {hook['repeated']:,} repeated"
        )


def _person(user_id: int | None) -> str:
    return "ignored" if user_id is None else f"user {user_id}"
