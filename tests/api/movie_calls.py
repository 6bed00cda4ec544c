"""Calls on movies, ratings, recommendations and marks."""

from tests.api.call import (
    BEN,
    IMPORT,
    JSON_LINES,
    LINES,
    MOVIE,
    NEW,
    NO_MOVIE,
    NO_PAIR,
    RATED,
    ROW,
    SAMPLE_PAIR,
    SAMPLE_USER,
    TWO,
    WORK,
    Call,
)

OF_MOVIES = (
    Call(
        "a film",
        "POST",
        "/movies",
        201,
        body={"json": {"title": "Persona", "year": 1966, "genre": "Drama", "imdb_id": "tt0060827"}},
        keeps={"new_movie": "id"},
    ),
    Call("its id is known", "POST", "/movies", 409, body={"json": {"title": "P", "imdb_id": "tt0060827"}}),
    Call("no title", "POST", "/movies", 422, body={"json": {"title": "", "year": 1700}}),
    Call("by their titles", "GET", "/movies", query={"query": "star", **TWO}),
    Call("no such cursor", "GET", "/movies", 400, query={"cursor": "x"}),
    Call("the best", "GET", "/movies/top", query=TWO),
    Call("the most rated", "GET", "/movies/popular", query=TWO),
    Call("the newest", "GET", "/movies/new", query=TWO),
    Call("one film", "GET", "/movies/{movie_id}", values=MOVIE),
    Call("no such film", "GET", "/movies/{movie_id}", 404, values=NO_MOVIE),
    Call("not as a picture", "GET", "/movies/{movie_id}", 406, values=MOVIE, headers={"Accept": "image/png"}),
    Call("no such parameter", "GET", "/movies", 422, query={"title": "Heat"}),
    Call("by their ids", "GET", "/movies", query={"ids": [2, 1]}),
    Call("its scores", "GET", "/movies/{movie_id}/histogram", values=MOVIE),
    Call("no such film", "GET", "/movies/{movie_id}/histogram", 404, values=NO_MOVIE),
    Call("alike", "GET", "/movies/{movie_id}/similar", values=MOVIE, query=TWO),
    Call(
        "all of it",
        "PUT",
        "/movies/{movie_id}",
        values=NEW,
        body={"json": {"title": "Persona", "year": 1966}},
    ),
    Call(
        "no such film", "PUT", "/movies/{movie_id}", 404, values=NO_MOVIE, body={"json": {"title": "Persona"}}
    ),
    Call(
        "the genre alone",
        "PATCH",
        "/movies/{movie_id}",
        values=NEW,
        body={"json": {"genre": "Drama|Thriller"}},
    ),
    Call(
        "changed since",
        "PATCH",
        "/movies/{movie_id}",
        412,
        values=NEW,
        body={"json": {"genre": None}},
        headers={"If-Match": '"1"'},
    ),
    Call(
        "no such film", "PATCH", "/movies/{movie_id}", 404, values=NO_MOVIE, body={"json": {"genre": "Drama"}}
    ),
    Call("it has ratings", "DELETE", "/movies/{movie_id}", 409, values=MOVIE),
    Call("without ratings", "DELETE", "/movies/{movie_id}", 204, values=NEW),
    Call("no such film", "DELETE", "/movies/{movie_id}", 404, values=NO_MOVIE),
    Call("all of them", "GET", "/genres"),
    Call(
        "there twice", "POST", "/movies", 201, body={"json": {"title": "Toy Story 1"}}, keeps={"twin": "id"}
    ),
    Call(
        "two into one",
        "POST",
        "/movies/{movie_id}/merge",
        202,
        values=MOVIE,
        body={"json": {"from": "<twin>"}},
        keeps={"movie_merge": "task_id"},
    ),
    Call(
        "no such film", "POST", "/movies/{movie_id}/merge", 404, values=MOVIE, body={"json": {"from": 424242}}
    ),
    Call("into itself", "POST", "/movies/{movie_id}/merge", 422, values=MOVIE, body={"json": {"from": 1}}),
    WORK,
    Call("merged", "GET", "/tasks/{task_id}", values={"task_id": "<movie_merge>"}),
    Call("now another one", "GET", "/movies/{movie_id}", 308, values={"movie_id": "<twin>"}),
    Call("now another one", "GET", "/movies/{movie_id}/histogram", 308, values={"movie_id": "<twin>"}),
    Call("now another one", "GET", "/movies/{movie_id}/similar", 308, values={"movie_id": "<twin>"}),
)
OF_RATINGS = (
    Call("the first", "POST", "/ratings", 201, body={"json": {"movie_id": 1, "user_id": 7001, "score": 4}}),
    Call("another", "POST", "/ratings", 200, body={"json": {"movie_id": 1, "user_id": 7001, "score": 4.5}}),
    Call(
        "no such film",
        "POST",
        "/ratings",
        404,
        body={"json": {"movie_id": 424242, "user_id": 7001, "score": 4}},
    ),
    Call(
        "no half step", "POST", "/ratings", 422, body={"json": {"movie_id": 1, "user_id": 7001, "score": 4.2}}
    ),
    Call(
        "another's",
        "POST",
        "/ratings",
        403,
        body={"json": {"movie_id": 1, "user_id": 7001, "score": 4}},
        caller="Ben",
    ),
    Call("by user", "GET", "/ratings", query={"user_id": 1001, **TWO}),
    Call("newest first", "GET", "/users/{user_id}/ratings", values=SAMPLE_USER, query=TWO),
    Call(
        "the first",
        "PUT",
        "/users/{user_id}/ratings/{movie_id}",
        201,
        values=RATED,
        body={"json": {"score": 4}},
    ),
    Call(
        "another", "PUT", "/users/{user_id}/ratings/{movie_id}", values=RATED, body={"json": {"score": 4.5}}
    ),
    Call(
        "no half step",
        "PUT",
        "/users/{user_id}/ratings/{movie_id}",
        422,
        values=RATED,
        body={"json": {"score": 4.2}},
    ),
    Call("one rating", "GET", "/users/{user_id}/ratings/{movie_id}", values=RATED),
    Call("no longer", "DELETE", "/users/{user_id}/ratings/{movie_id}", 204, values=RATED),
    Call("not rated", "GET", "/users/{user_id}/ratings/{movie_id}", 404, values=RATED),
    Call("not rated", "DELETE", "/users/{user_id}/ratings/{movie_id}", 404, values=RATED),
    Call(
        "three ratings",
        "POST",
        "/ratings/batch",
        body={
            "json": {
                "ratings": [
                    {"movie_id": 1, "user_id": 7002, "score": 4},
                    {"movie_id": 2, "user_id": 7002, "score": 0.5},
                    {"movie_id": 3, "user_id": 7002, "score": 9},
                ]
            }
        },
    ),
    Call("a rating a line", "POST", "/ratings/batch", body={"content": LINES}, headers=JSON_LINES),
    Call(
        "all or nothing",
        "POST",
        "/ratings/batch",
        422,
        query={"atomic": "true"},
        body={"content": LINES},
        headers=JSON_LINES,
    ),
    Call(
        "a picture",
        "POST",
        "/ratings/batch",
        415,
        body={"content": "x"},
        headers={"Content-Type": "image/png"},
    ),
    Call("for one", "GET", "/recommendations/{user_id}", values=SAMPLE_USER, query={"limit": 3}),
    Call("nothing there", "GET", "/recommendations/{user_id}", 404, values={"user_id": "1/2"}),
    Call("with reasons", "GET", "/users/{user_id}/recommendations", values=SAMPLE_USER, query=TWO),
    Call(
        "hidden gems of a time",
        "GET",
        "/users/{user_id}/recommendations",
        values=SAMPLE_USER,
        query={"popularity": 0, "decade": [1980, 1990], "min_ratings": 2, "limit": 1},
    ),
    Call(
        "for anybody",
        "POST",
        "/recommendations",
        body={"json": {"ratings": [{"movie_id": 1, "score": 5}], "limit": 2}},
    ),
    Call(
        "for several",
        "POST",
        "/recommendations/batch",
        body={"json": {"user_ids": [1001, 7002], "limit": 2, "reasons": True}},
    ),
    Call(
        "for two",
        "POST",
        "/recommendations/together",
        body={"json": {"users": [1001, 1002], "limit": 2, "decades": [1980, 1990]}},
    ),
    Call(
        "not among them",
        "POST",
        "/recommendations/together",
        403,
        body={"json": {"users": [1001, 1002]}},
        caller="Ben",
    ),
    Call(
        "unknown person", "POST", "/recommendations/together", 422, body={"json": {"users": [1001, 424242]}}
    ),
    Call(
        "why", "GET", "/users/{user_id}/movies/{movie_id}/explanation", values=SAMPLE_PAIR, query={"limit": 3}
    ),
    Call("no such film", "GET", "/users/{user_id}/movies/{movie_id}/explanation", 404, values=NO_PAIR),
    Call(
        "as a CSV",
        "POST",
        "/recommendations/dump",
        202,
        query={"format": "csv", "limit": 2},
        keeps={"dump": "task_id"},
    ),
    Call("too early", "GET", "/tasks/{task_id}/result", 409, values={"task_id": "<dump>"}),
    WORK,
    Call("complete", "GET", "/tasks/{task_id}", values={"task_id": "<dump>"}),
    Call("the CSV", "GET", "/tasks/{task_id}/result", values={"task_id": "<dump>"}),
    Call("no file", "GET", "/tasks/{task_id}/result", 404, values=IMPORT),
    Call(
        "no longer", "DELETE", "/ratings/{user_id}/{movie_id}", 204, values={"user_id": 7001, "movie_id": 1}
    ),
    Call(
        "not rated", "DELETE", "/ratings/{user_id}/{movie_id}", 404, values={"user_id": 7001, "movie_id": 1}
    ),
)
OF_MARKS = (
    Call(
        "to watch",
        "PUT",
        "/users/{user_id}/feedback/{movie_id}",
        values=RATED,
        body={"json": {"watchlist": True, "like": True}},
    ),
    Call("no mark", "PUT", "/users/{user_id}/feedback/{movie_id}", 422, values=RATED, body={"json": {}}),
    Call(
        "no such film",
        "PUT",
        "/users/{user_id}/feedback/{movie_id}",
        404,
        values=NO_PAIR,
        body={"json": {"watched": True}},
    ),
    Call("by movie", "GET", "/users/{user_id}/feedback", values={"user_id": 7001}, query={"limit": 1}),
    Call("of one movie", "GET", "/users/{user_id}/feedback", values={"user_id": 7001}, query={"movie_id": 2}),
    Call("which film", "GET", "/users/{user_id}/waiting", values=BEN, query={"limit": 2}),
    Call("this one", "PUT", "/users/{user_id}/waiting/{number}", values=ROW, body={"json": {"movie_id": 1}}),
    Call(
        "no such row",
        "PUT",
        "/users/{user_id}/waiting/{number}",
        404,
        values=ROW,
        body={"json": {"movie_id": 1}},
    ),
    Call("given up", "DELETE", "/users/{user_id}/waiting/{number}", 204, values=ROW | {"number": 2}),
    Call("no such row", "DELETE", "/users/{user_id}/waiting/{number}", 404, values=ROW),
)
