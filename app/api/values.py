"""The types of values in a request, with their bounds, for path, query and body.

A value out of bounds is refused before it reaches the database: no engine takes an integer beyond 64 bits,
and PostgreSQL takes no NUL.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from app.movie import FIRST_YEAR, LAST_YEAR, LONGEST_GENRE, LONGEST_TITLE
from app.people.keys import LONGEST_DAYS, LONGEST_PATH
from app.rating import HIGHEST, LOWEST, MAX_ID, STEP
from app.titles import trimmed
from app.user import LONGEST_NAME

PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*$"
MOST = 1000
"""Items of a list at most."""
TRIMMED = BeforeValidator(lambda value: trimmed(value) if isinstance(value, str) else value)

Id = Annotated[int, Field(ge=0, le=MAX_ID)]
Year = Annotated[int, Field(ge=FIRST_YEAR, le=LAST_YEAR)]
Decade = Annotated[int, Field(ge=FIRST_YEAR, le=LAST_YEAR, multiple_of=10)]
Count = Annotated[int, Field(ge=1, le=MOST)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
ImdbId = Annotated[str, StringConstraints(pattern=r"^tt[0-9]{7,10}$")]
Score = Annotated[float, Field(ge=LOWEST, le=HIGHEST, multiple_of=STEP)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TITLE, pattern=PRINTABLE), TRIMMED]
Genre = Annotated[str, StringConstraints(max_length=LONGEST_GENRE, pattern=PRINTABLE), TRIMMED]
Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=PRINTABLE), TRIMMED]
Days = Annotated[float, Field(gt=0, le=LONGEST_DAYS, allow_inf_nan=False)]
Path = Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=LONGEST_PATH)]
Words = Annotated[str, StringConstraints(max_length=200, pattern=PRINTABLE)]
ShortWords = Annotated[str, StringConstraints(max_length=40, pattern=PRINTABLE)]
TaskId = Annotated[
    str, StringConstraints(max_length=200, pattern=PRINTABLE), Field(description="id of a task")
]


def _number(value: Any) -> Any:
    """Python takes `True` for 1 and Pydantic "1" for 1: in JSON neither is a number."""
    if isinstance(value, bool | str):
        raise PydanticCustomError("number", "Input should be a number")
    return value


NUMBER = BeforeValidator(_number)
"""For the numbers of a JSON body: `Annotated[Id, NUMBER]`."""
