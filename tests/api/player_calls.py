"""Calls on hooks and lists, on the files of one person, and an import that makes movies."""

from tests.api.call import BEN, CSV, LINKS, MISSING, SAMPLE_USER, TWO, WORK, Call

_HOOK, _NO_HOOK = {"secret": "<hook>"}, {"secret": "none"}
_NUMBER, _NO_NUMBER = {"number": "<hook_number>"}, {"number": 424242}
_LIST = {"secret": "<list>"}
_LIST_NUMBER = {"number": "<list_number>"}
_PLAYED = {
    "NotificationType": "PlaybackStop",
    "ItemType": "Movie",
    "Name": "Toy Story",
    "Year": 1995,
    "UtcTimestamp": "2025-10-09T08:53:20Z",
    "PlayedToCompletion": True,
    "NotificationUsername": "ben",
}
_HOOKS = (
    Call(
        "a household's",
        "POST",
        "/hooks",
        201,
        body={"json": {"player": "jellyfin", "names": {"ben": "<Ben>"}}},
        keeps={"hook": "address", "hook_number": "number"},
    ),
    Call("no such player", "POST", "/hooks", 422, body={"json": {"player": "radio"}}),
    Call("played to its end", "POST", "/hook/{secret}", values=_HOOK, body={"json": _PLAYED}, caller=""),
    Call(
        "who is it",
        "POST",
        "/hook/{secret}",
        values=_HOOK,
        body={"json": _PLAYED | {"Name": "Heat", "NotificationUsername": "guest"}},
        caller="",
    ),
    Call(
        "not needed",
        "POST",
        "/hook/{secret}",
        values=_HOOK,
        body={"json": {"NotificationType": "ItemAdded"}},
        caller="",
    ),
    Call("no such hook", "POST", "/hook/{secret}", 404, values=_NO_HOOK, body={"json": _PLAYED}, caller=""),
    Call("by number", "GET", "/hooks", query={"limit": 1}),
    Call("the guest", "PUT", "/hooks/{number}/names", values=_NUMBER, body={"json": {"guest": "<Ben>"}}),
    Call("no such hook", "PUT", "/hooks/{number}/names", 404, values=_NO_NUMBER, body={"json": {"ben": 7}}),
    Call("no longer", "DELETE", "/hooks/{number}", 204, values=_NUMBER),
    Call("no such hook", "DELETE", "/hooks/{number}", 404, values=_NO_NUMBER),
)
_LISTS = (
    Call(
        "ids elsewhere",
        "POST",
        "/imports",
        202,
        body={"content": LINKS},
        headers=CSV | {"X-Filename": "links.csv"},
    ),
    WORK,
    Call(
        "for programs",
        "POST",
        "/lists",
        201,
        body={"json": {"user_id": 1001}},
        keeps={"list": "addresses", "list_number": "number"},
    ),
    Call("by number", "GET", "/lists", query={"limit": 1}),
    Call("for Radarr", "GET", "/list/{secret}/radarr.json", values=_LIST, query=TWO, caller=""),
    Call("a feed", "GET", "/list/{secret}/rss.xml", values=_LIST, query=TWO, caller=""),
    Call("a CSV", "GET", "/list/{secret}/recommendations.csv", values=_LIST, query=TWO, caller=""),
    Call("no such list", "GET", "/list/{secret}/radarr.json", 404, values=_NO_HOOK, caller=""),
    Call("no such list", "GET", "/list/{secret}/rss.xml", 404, values=_NO_HOOK, caller=""),
    Call("no such list", "GET", "/list/{secret}/recommendations.csv", 404, values=_NO_HOOK, caller=""),
    Call("no longer", "DELETE", "/lists/{number}", 204, values=_LIST_NUMBER),
    Call("no such list", "DELETE", "/lists/{number}", 404, values=_NO_NUMBER),
)
_OF_ONE = (
    Call(
        "films that are not there",
        "POST",
        "/imports",
        202,
        query={"user_id": "<Ben>", "create": "missing"},
        body={"content": MISSING},
        headers=CSV,
        keeps={"missing": "task_id"},
    ),
    WORK,
    Call("a film was made", "GET", "/imports/{task_id}", values={"task_id": "<missing>"}),
    Call("all that was said", "GET", "/users/{user_id}/marks.csv", values=BEN),
    Call("another's", "GET", "/users/{user_id}/marks.csv", 403, values=SAMPLE_USER, caller="Ben"),
    Call("watched, with scores", "GET", "/users/{user_id}/letterboxd.csv", values=BEN),
    Call(
        "the watchlist",
        "GET",
        "/users/{user_id}/letterboxd.csv",
        values={"user_id": 7001},
        query={"sheet": "watchlist"},
    ),
    Call("no such sheet", "GET", "/users/{user_id}/letterboxd.csv", 422, values=BEN, query={"sheet": "all"}),
)
OF_PLAYERS = _HOOKS + _LISTS + _OF_ONE
