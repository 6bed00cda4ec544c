"""Bodies that are no model: the file of an import, the message of a player, the events of a task."""

from typing import Any

from app.api.description.schemas import event_stream
from app.api.forms import NAME
from app.api.messages import FIELDS
from app.api.uploads import CSV_TYPES, PACKED_TYPES

_TEXT = {"type": "string", "description": "CSV: a header, then a rating or a movie a line, in UTF-8"}
_BYTES = {
    "type": "string",
    "format": "binary",
    "description": "a .csv.gz, or a .zip with the files of an export",
}
_FORM = {
    "type": "object",
    "properties": {
        NAME.decode(): {
            "type": "string",
            "format": "binary",
            "description": "the file: CSV, .gz or .zip; its name tells what it is",
        }
    },
    "required": [NAME.decode()],
}
OF_IMPORT: dict[str, Any] = {
    "description": "A file of ratings or movies, as it is or as the part `file` of a form. With no body and "
    "no Content-Type: the bundled sample.",
    "required": False,
    "content": {"multipart/form-data": {"schema": _FORM}}
    | {name: {"schema": _BYTES if name.endswith("octet-stream") else _TEXT} for name in CSV_TYPES}
    | {name: {"schema": _BYTES} for name in PACKED_TYPES},
}
_MESSAGE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": True,
    "description": "what the player of the hook sends: Jellyfin, Plex, Emby, Tautulli or Kodi",
}
_FIELDS = [name.decode() for name in FIELDS]
OF_MESSAGE: dict[str, Any] = {
    "description": "A message as the player sends it: JSON, or a form with JSON in a field (Plex: `payload`, "
    "Emby: `data`).",
    "required": True,
    "content": {
        "application/json": {"schema": _MESSAGE},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {name: {"type": "string", "description": "JSON"} for name in _FIELDS},
                "anyOf": [{"required": [name]} for name in _FIELDS],
            }
        },
    },
}


def complete(operation: dict[str, Any]) -> None:
    """Describe the bodies of an operation as they are."""
    if operation["operationId"] == "start_import":
        operation["requestBody"] = OF_IMPORT
    if operation["operationId"] == "take_message":
        operation["requestBody"] = OF_MESSAGE
    for response in operation["responses"].values():
        if "text/event-stream" in response.get("content", {}):
            response["content"]["text/event-stream"] = event_stream()
