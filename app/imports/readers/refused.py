"""Files that are known and cannot be imported: each is refused by its name, with what to do instead."""

import re

from app.errors import Invalid

_AS_CSV = "In the spreadsheet choose File, Save as, CSV UTF-8 (comma delimited), and send that file."
_MAGIC = (
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", _AS_CSV),
    (b"%PDF", "a PDF", "Send the ratings as a CSV file."),
    (b"SQLite format 3", "an SQLite database", "Export its ratings to a CSV file, and send that."),
)
_NETFLIX_PRIZE = re.compile(rb"[0-9]+:\r?\n[0-9]+,[1-5],[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<[!?a-zA-Z]")


def refuse(head: bytes, name: str) -> None:
    """Raises `Invalid` for a file that is known and cannot be imported, from its first bytes."""
    for magic, what, advice in _MAGIC:
        if head.startswith(magic):
            raise Invalid(f"{name} is {what}, which cannot be read. {advice}")
    if _NETFLIX_PRIZE.match(head):
        raise Invalid(
            f"{name} is of the Netflix Prize, whose movies have numbers of their own. Save it as a CSV with "
            "the columns user_id, title, year, score and rated_at: its movie_titles have titles and years."
        )
    if _MARKUP.match(head):
        raise Invalid(
            f"{name} is XML or HTML, which cannot be read. Save its movies as a CSV with the columns title, "
            "year and rating."
        )


def refuse_books(name: str) -> None:
    raise Invalid(
        f"{name} rates books (Goodbooks, Book-Crossing, Goodreads and the like). Matinee is for movies: "
        "nothing in it can be imported. Expected a file of movies."
    )
