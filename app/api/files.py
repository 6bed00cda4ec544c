"""Files of the store as responses: from the disk where the store is a folder, else piece by piece."""

from collections.abc import Iterator

from fastapi.responses import FileResponse, StreamingResponse
from starlette.responses import Response

from app.storage.store import Store


def file_answer(store: Store, key: str, media_type: str, filename: str) -> Response:
    """To be saved as `filename`, in plain ASCII. Raises `FileNotFoundError`, `Unavailable`."""
    path = store.path(key)
    if path is not None:
        return FileResponse(path, media_type=media_type, filename=filename)
    size = store.size(key)
    if size is None:
        raise FileNotFoundError(2, f"is not in {store.where}", key)
    headers = {
        "Content-Disposition": f'attachment; filename="{filename}"',
        "Content-Length": str(size),
    }
    return StreamingResponse(_pieces(store, key, size), media_type=media_type, headers=headers)


def _pieces(store: Store, key: str, size: int) -> Iterator[bytes]:
    yield from store.pieces(key, size)
