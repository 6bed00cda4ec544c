"""The arguments of the commands for imports, people, the door and keys."""

import argparse
from collections.abc import Callable
from pathlib import Path

from app.players.player import Player
from app.user import Role

Command = Callable[..., int]

IMPORT = (
    "Send files to a running server and wait until they are imported: tables of movies or ratings, "
    "exports of MovieLens, Letterboxd, IMDb, Trakt and Netflix, plain, .zip or .gz. What a file does not "
    "say is asked for: the line says by which option. Ctrl-C ends the waiting, not the import."
)
WAITING = (
    "Show the rows of a person's files whose film is not certain, each with the films that may be meant; say "
    "which it is, or give the row up."
)
HOOK = (
    "Make addresses to which media players send what was watched, rated and liked; show or remove them. "
    "docs/players.md says where a player takes one."
)
USER = (
    "Say who may log in. These commands work on the database itself, by the settings of this shell, and need "
    "no server. PERSON is a name or an id."
)
DOOR = (
    "Open the service to callers who log in, or close it to all but its own machine. `off` keeps the "
    "accounts. `rotate` makes a new secret for access tokens; those signed by the one before stay valid."
)
BACKUP = (
    "Write an archive of the database, the models and the files of unfinished tasks, all as of one moment, "
    "while the service runs. It has no secrets of the settings, but everybody's ratings and the hashes of "
    "passwords."
)
RESTORE = (
    "Make the data folder of the settings from a backup; it has to be empty. Every byte is compared with its "
    "digest before anything counts. People who were forgotten since the backup are dropped."
)
VACUUM = (
    "Rewrite the database without what deleted rows have left. Others wait to write meanwhile: about a "
    "second for each 100 MB."
)
EXPORT = (
    "Write all ratings, movies and marks as of one moment into a folder that is new or empty, as Parquet. It "
    "works on the database itself, by the settings of this shell, also while a server runs. The files have "
    "everybody's ratings by their ids."
)
MODELS = (
    "Take movie factors that were trained elsewhere, or write those of a version. They work on the data "
    "itself, by the settings of this shell; a worker that runs there judges the factors and serves them."
)
MIGRATE_STORAGE = (
    "Bring the whole service into another, empty database, such as from SQLite to PostgreSQL or back, "
    "while it is stopped. Every table is compared at the end. If it is interrupted, the same command goes "
    "on where it stopped. FROM is not changed. The files stay in MATINEE_DATA_DIR unless --to-dir is given."
)
KEY = "Make keys for machines: scripts, feeds, the commands of this program. Each is shown once."


def add_import(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", command: Command
) -> argparse.ArgumentParser:
    summary = "import files of movies or ratings into a running server"
    added = commands.add_parser("import", help=summary, description=IMPORT)
    added.set_defaults(command=command, name="import")
    added.add_argument("files", nargs="+", type=Path, metavar="FILE", help="movies before their ratings")
    added.add_argument(
        "--user", metavar="USER", help="whose ratings they are, where the file does not say it"
    )
    added.add_argument(
        "--columns", metavar="LIST", help="which column is what, as in title:Film,year:2,score:3"
    )
    added.add_argument("--scale", metavar="SCALE", help="of the scores: 5, 10, 100 or thumbs")
    added.add_argument("--charset", metavar="NAME", help="how the text is encoded, such as windows-1252")
    added.add_argument(
        "--dates", choices=("day", "month"), help="what comes first in a date such as 5/1/2024"
    )
    added.add_argument(
        "--create-missing",
        dest="create",
        action="store_const",
        const="missing",
        help="make the films of a person's file that are not there, unless one that is there is like it",
    )
    return added


def add_waiting(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", command: Command
) -> argparse.ArgumentParser:
    summary = "show rows of imported files that wait for their film, and say which it is"
    added = commands.add_parser("waiting", help=summary, description=WAITING)
    added.set_defaults(command=command, name="waiting")
    added.add_argument("user", metavar="USER", help="a name that the page knows, or an id")
    either = added.add_mutually_exclusive_group()
    either.add_argument(
        "--choose", nargs=2, type=int, metavar=("ROW", "MOVIE"), help="the row means the film with this id"
    )
    either.add_argument("--drop", type=int, metavar="ROW", help="give a row up, with its score and marks")
    added.add_argument("--limit", type=int, default=20, metavar="N", help="rows to show (default: 20)")
    return added


def add_hook(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", command: Command
) -> list[argparse.ArgumentParser]:
    """Add `hook` with its actions, which are returned."""
    parser = commands.add_parser("hook", help="take in what media players report", description=HOOK)
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    def action(word: str, summary: str) -> argparse.ArgumentParser:
        added = actions.add_parser(word, help=summary, description=summary.capitalize() + ".")
        added.set_defaults(command=command, name="hook", action=word)
        added.add_argument("--user", metavar="USER", help="whose hook it is: a name or an id")
        return added

    add = action("add", "make an address for a player, and print it, this once")
    add.add_argument("player", metavar="PLAYER", choices=[*map(str, Player)], help=", ".join(Player))
    add.add_argument(
        "--name",
        dest="names",
        action="append",
        default=[],
        metavar="NAME=USER",
        help="who a user of the player is; without USER their events are ignored",
    )
    shown = action("list", "show the hooks that there are, without their addresses")
    shown.add_argument("--limit", type=int, default=50, metavar="N", help="hooks to show (default: 50)")
    remove = action("remove", "end an address; what it has counted stays")
    remove.add_argument("number", type=int, metavar="NUMBER", help="as `hook list` shows it")
    return [add, shown, remove]


def add_backups(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", command: Command) -> None:
    """Add the commands `backup`, `restore` and `vacuum`."""

    def add(name: str, summary: str, description: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=description)
        added.set_defaults(command=command, name=name)
        return added

    backup = add("backup", "write everything into one archive, while the service runs", BACKUP)
    backup.add_argument("file", metavar="FILE", help="where to; - is standard output")
    restore = add("restore", "make an empty data folder from a backup", RESTORE)
    restore.add_argument("file", metavar="FILE", help="an archive of `matinee backup`; - is standard input")
    restore.add_argument(
        "--forgotten",
        type=Path,
        metavar="SOURCE",
        action="append",
        help="what knows who was forgotten since: a newer backup, the data folder that was, or a "
        "forgotten.csv (that beside FILE is read anyway)",
    )
    add("vacuum", "rewrite the database without what deleted rows have left", VACUUM)


def add_files(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", command: Command) -> None:
    """Add the commands `export` and `models`."""
    export = commands.add_parser(
        "export", help="write everything as Parquet into a folder", description=EXPORT
    )
    export.set_defaults(command=command, name="export")
    export.add_argument("folder", type=Path, metavar="FOLDER", help="where to; it has to be new or empty")
    export.add_argument("--format", choices=("parquet",), default="parquet", help="of the files")
    export.add_argument(
        "--partitions",
        type=int,
        default=1,
        metavar="N",
        help="files to divide the users of ratings and marks among, by a hash of their id (default: 1)",
    )
    parser = commands.add_parser("models", help="take in or write movie factors", description=MODELS)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for word, summary in (
        ("import", "judge movie factors, and serve them if they are good enough"),
        ("export", "write the movie factors of a version"),
    ):
        added = actions.add_parser(word, help=summary, description=summary.capitalize() + ".")
        added.set_defaults(command=command, name="models", action=word)
        added.add_argument("file", type=Path, metavar="FILE", help="an npz, or Parquet")
        if word == "export":
            added.add_argument(
                "--version", type=int, metavar="N", help="which one (default: the one that is served)"
            )


def add_migrate_storage(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", command: Command
) -> None:
    summary = "bring everything into another database, such as PostgreSQL"
    added = commands.add_parser("migrate-storage", help=summary, description=MIGRATE_STORAGE)
    added.set_defaults(command=command, name="migrate-storage")
    added.add_argument("source", metavar="FROM", help="sqlite:///FILE or postgresql://USER@HOST/NAME")
    added.add_argument(
        "target", metavar="TO", help="likewise; the database exists and is empty, a file is made"
    )
    added.add_argument("--to-dir", metavar="FOLDER", help="copy uploads, models and other files there, too")
    added.add_argument("--json", action="store_true", help="print rows and digests as JSON")


def add_people(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", command: Command) -> None:
    """Add the commands `user`, `door` and `key`, each with its actions; all of them run `command`."""

    def group(name: str, summary: str, description: str) -> Callable[[str, str], argparse.ArgumentParser]:
        parser = commands.add_parser(name, help=summary, description=description)
        actions = parser.add_subparsers(required=True, metavar="ACTION")

        def action(word: str, summary: str) -> argparse.ArgumentParser:
            added = actions.add_parser(word, help=summary, description=summary.capitalize() + ".")
            added.set_defaults(command=command, name=name, action=word)
            return added

        return action

    _add_user(group("user", "say who may log in", USER))
    door = group("door", "open the service to those who log in, or close it", DOOR)
    door("on", "let in callers who present a token, a key or a login, from every address")
    door("off", "let in callers on this machine alone, without a login")
    door("rotate", "make a new secret for access tokens")
    _add_key(group("key", "make keys for machines, list or revoke them", KEY))


def _add_user(action: Callable[[str, str], argparse.ArgumentParser]) -> None:
    roles = [str(role) for role in Role]
    add = action("add", "let a person log in; the first account is an admin's, and opens the door")
    add.add_argument("person", metavar="PERSON", help="a name, which is a new person's if no one has it")
    add.add_argument("--role", choices=roles, default="viewer", help="what they may do (default: viewer)")
    action("list", "show who may log in")
    password = action("password", "set a password, which ends every login of the person")
    for one in (add, password):
        one.add_argument(
            "--password-stdin", action="store_true", help="read it from standard input, not a terminal"
        )
    role = action("role", "give a person another role")
    remove = action("remove", "delete an account with its keys; the person stays, with their ratings")
    invite = action("invite", "print a link by which a person sets a password, once, within 24 hours")
    invite.add_argument("--role", choices=roles, help="of a person who has no account yet (default: viewer)")
    invite.add_argument("--url", help="at which the person reaches the server (default: by the settings)")
    for one in (password, role, remove, invite):
        one.add_argument("person", metavar="PERSON", help="a name or an id")
    role.add_argument("role", metavar="ROLE", choices=roles, help=", ".join(roles))


def _add_key(action: Callable[[str, str], argparse.ArgumentParser]) -> None:
    add = action("add", "make a key and print it, this once")
    add.add_argument("label", metavar="NAME", help="what the key is for")
    add.add_argument("--owner", metavar="PERSON", required=True, help="whose it is: a name or an id")
    add.add_argument(
        "--role", choices=[str(role) for role in Role], default="viewer", help="at most its owner's"
    )
    add.add_argument("--days", metavar="N", type=float, help="how long it is valid (default: until revoked)")
    add.add_argument("--address", metavar="PATH", help="the only path that it is good for, such as /feed")
    action("list", "show the keys that there are, without their secrets")
    revoke = action("revoke", "end a key: the next request with it is refused")
    revoke.add_argument("prefix", metavar="PREFIX", help="the first part of the key, as `key list` shows it")
