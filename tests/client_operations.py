"""What the typed client lacks: every operation of the description should be a method of that name.

uv run python -m tests.client_operations
"""

from app.client import MatineeClient
from app.main import create_app


def lacking() -> list[str]:
    """Ids of operations that are no method of the client."""
    paths = create_app().openapi()["paths"].values()
    names = {operation["operationId"] for item in paths for operation in item.values()}
    return sorted(names - set(dir(MatineeClient)))


if __name__ == "__main__":
    print("\n".join(lacking()))
