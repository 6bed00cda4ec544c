"""Recommendations over HTTP: the plain list of ids."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.dependencies import ServiceDependency, UserId

router = APIRouter(tags=["recommendations"])


@router.get("/recommendations/{user_id}")
def recommend(
    user_id: UserId,
    response: Response,
    service: ServiceDependency,
    limit: Annotated[int, Query(ge=1, le=1000)] = 10,
) -> list[int]:
    """Movie ids, best first. `X-Source`: personal, own (the model knows nothing of them yet) or popular."""
    recommended = service.recommend(user_id, limit)
    response.headers["X-Source"] = recommended.source
    response.headers["X-Model-Version"] = str(recommended.version)
    return recommended.movie_ids
