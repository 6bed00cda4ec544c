"""The kinds of tasks in the description and in requests: those that are registered when it is asked."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter
from pydantic_core import PydanticKnownError

from app.tasks.kinds import kinds, names


def _registered(name: str) -> str:
    """The name, if a kind has it when the request comes."""
    if name not in names():
        *others, last = map(repr, names())
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(others)} or {last}"})
    return name


Kind = Annotated[str, Field(json_schema_extra=lambda schema: schema.update(enum=[*names()]))]
KnownKind = Annotated[Kind, AfterValidator(_registered)]


def _parameters(schema: dict[str, Any]) -> None:
    """Describe the parameters of every kind that is registered."""
    found = []
    for kind in kinds():
        properties = {
            name: TypeAdapter(hint | None).json_schema() for name, hint in kind.shown_types().items()
        }
        described = {"type": "object", "title": f"Parameters of {kind.name}", "properties": properties}
        found.append(described | {"required": list(properties), "additionalProperties": False})
    schema.pop("additionalProperties", None)
    schema.pop("type", None)
    schema["anyOf"] = found


Parameters = Annotated[dict[str, Any], Field(json_schema_extra=_parameters)]
