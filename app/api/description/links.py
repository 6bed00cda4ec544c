"""What may be asked next with an id that an answer tells (links of OpenAPI)."""

from typing import Any, NamedTuple

Json = dict[str, Any]


class Next(NamedTuple):
    """An operation, and its parameter that gets the value of a field of the answer."""

    operation: str
    parameter: str
    field: str


OF_ANSWERS: dict[str, tuple[Next, ...]] = {
    "create_movie": (
        Next("get_movie", "movie_id", "id"),
        Next("replace_movie", "movie_id", "id"),
        Next("delete_movie", "movie_id", "id"),
    ),
    "create_user": (
        Next("get_user", "user_id", "id"),
        Next("list_rated_movies", "user_id", "id"),
        Next("allow_together", "user_id", "id"),
        Next("forget_user", "user_id", "id"),
    ),
    "put_rating": (Next("recommend", "user_id", "user_id"), Next("get_movie", "movie_id", "movie_id")),
    "add_key": (Next("revoke_key", "prefix", "prefix"),),
    "add_hook": (Next("name_users", "number", "number"), Next("delete_hook", "number", "number")),
    "add_list": (Next("delete_list", "number", "number"),),
    "start_import": (
        Next("import_status", "task_id", "task_id"),
        Next("import_rejects", "task_id", "task_id"),
        Next("undo_import", "task_id", "task_id"),
    ),
    "rebuild": (Next("rebuild_status", "task_id", "task_id"),),
    "start_dump": (Next("get_task_result", "task_id", "task_id"),),
}
OF_TASKS = (Next("get_task", "task_id", "task_id"), Next("cancel_task", "task_id", "task_id"))
"""Of every answer that says which task was started."""


def add(document: Json) -> None:
    for item in document["paths"].values():
        for operation in item.values():
            following = OF_ANSWERS.get(operation["operationId"], ())
            if "202" in operation["responses"]:
                following += OF_TASKS
            for status, response in operation["responses"].items():
                if following and status in ("200", "201", "202"):
                    response["links"] = {one.operation: _link(one) for one in following}


def _link(one: Next) -> Json:
    return {"operationId": one.operation, "parameters": {one.parameter: f"$response.body#/{one.field}"}}
