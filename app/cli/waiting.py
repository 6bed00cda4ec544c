"""`matinee waiting`: rows of a person's files whose movie is not there, shown, given a movie or given up."""

import argparse
from collections.abc import Sequence

from app.cli.console import user_of
from app.client import MatineeClient
from app.client_calls.answers import WaitingRow


def run(client: MatineeClient, options: argparse.Namespace) -> bool:
    """Give one row its movie, drop one, or show those that wait; True unless that failed."""
    user_id = user_of(client, options.user)
    if options.choose:
        number, movie_id = options.choose
        movie = client.movie(movie_id)
        client.choose(user_id, number, movie_id)
        print(f"Row {number} is {_named(movie['title'], movie['year'])} now, also in later files.")
    elif options.drop is not None:
        client.drop(user_id, options.drop)
        print(f"Row {options.drop} is gone, with its score and marks.")
    else:
        _show(client.waiting(user_id, options.limit + 1), user_id, options.limit)
    return True


def _show(rows: Sequence[WaitingRow], user_id: int, limit: int) -> None:
    if not rows:
        print(f"No row of user {user_id} waits for its film.")
        return
    for row in rows[:limit]:
        print(f"{row['number']:>5}  {_named(row['title'], row['year'])}{_said(row)}: {row['reason']}")
        for candidate in row["candidates"]:
            movie = candidate["movie"]
            named = _named(movie["title"], movie["year"])
            print(f"         {movie['id']:>10}  {named} ({candidate['why']})")
    if len(rows) > limit:
        print("There are more: --limit shows them.")
    print(
        f"\nSay which film a row means: matinee waiting {user_id} --choose ROW MOVIE; --drop ROW gives it up."
    )


def _said(row: WaitingRow) -> str:
    """What the row says of its movie: the score and the marks."""
    score = [] if row["score"] is None else [f"{row['score']:g}"]
    marks = [mark.replace("_", " ") for mark, state in row["marks"].items() if state["value"]]
    return f", {', '.join(score + marks)}" if score or marks else ""


def _named(title: str, year: int | None) -> str:
    return f"{title} ({year})" if year else title or "a film without a title"
