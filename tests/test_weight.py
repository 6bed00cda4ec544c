"""The installation without extras stays small."""

from importlib import metadata

from packaging.requirements import Requirement

MOST = 300_000_000


def needed(name: str, seen: set[str]) -> set[str]:
    """The distributions that one needs, directly or not, without extras."""
    for text in metadata.requires(name) or ():
        requirement = Requirement(text)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        key = requirement.name.lower().replace("_", "-")
        if wanted and key not in seen:
            seen.add(key)
            needed(key, seen)
    return seen


def test_what_is_installed_by_default_is_under_300_megabytes() -> None:
    sizes = {
        name: sum(file.size or 0 for file in metadata.files(name) or ()) for name in needed("matinee", set())
    }
    assert "numba" in sizes
    assert sum(sizes.values()) < MOST, sorted(sizes.items(), key=lambda item: -item[1])[:5]
