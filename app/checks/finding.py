"""What one check has found."""

from dataclasses import dataclass

GOOD, WARNING, FAULT = "good", "warning", "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """`check`: what was looked at; `text`: what was found, a sentence; `advice`: what to do, if anything."""

    check: str
    state: str
    text: str
    advice: str = ""
