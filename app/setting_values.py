"""What values settings may have, where a type and its bounds do not say it."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from app import network

ROOT_PATH: dict[str, Any] = {"pattern": r"^$|^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$", "max_length": 200}
SECRET: dict[str, Any] = {"pattern": r"^$|^\S{32,}$", "repr": False}

LIMIT: dict[str, Any] = {"pattern": r"^[1-9]\d{0,6}/(second|minute|hour|day)$"}
SPARK: dict[str, Any] = {
    "pattern": r"^(local\[(\*|[1-9]\d{0,3})\]|(spark|sc)://[^\s/;@]+)$",
    "max_length": 500,
}
LIMIT_UNIT = "number/second, /minute, /hour or /day"


def _checked(check: Callable[[str], object]) -> AfterValidator:
    """Raises the `ValueError` of `check`."""

    def keep(text: str) -> str:
        check(text)
        return text

    return AfterValidator(keep)


def _factors(text: str) -> str:
    if text != "auto" and not (text.isdecimal() and int(text) % 16 == 0 and 16 <= int(text) <= 512):
        raise ValueError("set it to a multiple of 16 from 16 to 512, or to auto")
    return text


def _store(text: str) -> str:
    bucket = text.removeprefix("s3://").partition("/")[0]
    if "://" in text and not (text.startswith("s3://") and bucket):
        raise ValueError("set it to a folder or to s3://BUCKET/PREFIX")
    return text


def _lease(seconds: object) -> object:
    try:
        is_short = 0 < float(str(seconds)) < 2
    except ValueError:
        return seconds
    if is_short:
        raise ValueError(
            "set it to 2 seconds or more: a worker that only pauses, as for a slow disk or a collection of "
            "garbage, would lose its tasks to others"
        )
    return seconds


Lease = Annotated[float, BeforeValidator(_lease)]
Factors = Annotated[str, BeforeValidator(str), _checked(_factors)]
Store = Annotated[str, _checked(_store)]
Proxies = Annotated[str, _checked(network.networks)]
Origins = Annotated[str, _checked(network.origins)]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
Trainer = Literal["local", "spark"]
LogFormat = Literal["auto", "json", "text"]
