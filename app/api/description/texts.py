"""What the document says of the service, of each tag and of a response that its route does not describe."""

from importlib.metadata import version

VERSION = version("matinee")
ABOUT = """Movie ratings in, recommendations out.

What runs in the background is a task: a `POST` that starts one answers 202 with its address in `Location`.
Errors are problem details (RFC 9457), or a page for who prefers text/html.
Lists come in pages, by `limit` and the `cursor` in the header `Link`.
Times are ISO 8601 in UTC; ids are whole numbers from 0 to 2^63-1, ids of tasks are texts.

Until there is an account the service is open to its own machine alone, and needs no credential. From the
first account on every caller logs in, by a token, an API key or the cookie of the page.
"""
TAGS = [
    {
        "name": "movies",
        "description": "Movies and their genres; lists of the best and the most rated.",
    },
    {"name": "ratings", "description": "Scores from 0.5 to 5 in half steps, one for each user and movie."},
    {
        "name": "feedback",
        "description": "Marks beside a score: watched, watchlist, like, not interested.",
    },
    {"name": "waiting", "description": "Rows of a person's files whose movie is not there."},
    {"name": "recommendations", "description": "What a user may like, and why; movies that are alike."},
    {"name": "tasks", "description": "Imports, rebuilds and merges run in the background, as tasks."},
    {"name": "models", "description": "Versions of the model, how good each is, and which is served."},
    {"name": "players", "description": "Events of media players in, lists for other programs out."},
    {"name": "exports", "description": "Everything out again, as files."},
    {"name": "users", "description": "People with a name, and ids that have ratings without one."},
    {"name": "people", "description": "Accounts, invitations, API keys and the audit: for admins."},
    {"name": "token", "description": "Logging in and out (OAuth 2)."},
    {"name": "operations", "description": "Health for machines, status for people."},
]
OF_STATUS = {
    "200": "The answer.",
    "201": "Made.",
    "202": "Queued as a task.",
    "204": "Done. There is no body.",
    "308": "It was merged into the movie at `Location`.",
}
