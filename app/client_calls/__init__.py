"""The calls of the typed client, by resource: each is named as its operation, or else in `NAMES`."""

NAMES = {
    "choose": "resolve_waiting_row",
    "drop": "delete_waiting_row",
    "explanation": "explain_movie",
    "feedback": "list_feedback",
    "batch_recommendations": "recommend_in_batch",
    "list_lists": "list_addresses_of_lists",
    "movie": "get_movie",
    "movies": "list_movies",
    "movies_by_ids": "list_movies",
    "rate": "put_rating",
    "recommendations": "recommend",
    "refresh_tokens": "issue_tokens",
    "rich_recommendations": "recommend_movies",
    "save_feed": "rss_list",
    "save_list": "csv_list",
    "save_result": "get_task_result",
    "send_message": "take_message",
    "start_rebuild": "rebuild",
    "task": "get_task",
    "users": "list_users",
    "waiting": "list_waiting_rows",
}
"""The operation of each method that has another name: shorter, or the name of what it gives."""
