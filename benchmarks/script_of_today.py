"""The script that people write today, for comparison: ratings into pandas, implicit behind an endpoint.

Nothing is stored or checked, and the ratings of an upload replace those before.
`uvicorn benchmarks.script_of_today:app` in a folder where it may write its upload.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from fastapi import BackgroundTasks, FastAPI, HTTPException, Request
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix

FACTORS, ITERATIONS = 64, 15  # the library's default of iterations
UPLOAD = Path("upload.csv")

app = FastAPI()
state: dict[str, Any] = {}


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/imports", status_code=202)
async def upload(request: Request, background: BackgroundTasks) -> dict[str, str]:
    with UPLOAD.open("wb") as file:
        async for part in request.stream():
            file.write(part)
    background.add_task(rebuild)
    return {"status": "queued"}


def rebuild() -> None:
    ratings = pd.read_csv(UPLOAD, usecols=["user_id", "movie_id", "score"])
    users = ratings.user_id.astype("category").cat
    movies = ratings.movie_id.astype("category").cat
    table = csr_matrix((ratings.score.astype("float32"), (users.codes, movies.codes)))
    model = AlternatingLeastSquares(factors=FACTORS, iterations=ITERATIONS, random_state=0)
    model.fit(table, show_progress=False)
    state.update(
        model=model,
        table=table,
        users=dict(zip(users.categories, range(len(users.categories)), strict=True)),
        movies=movies.categories.to_numpy(),
    )


@app.get("/recommendations/{user_id}")
def recommendations(user_id: int, limit: int = 10) -> list[int]:
    if not state:
        raise HTTPException(503, "there is no model yet")
    row = state["users"].get(user_id)
    if row is None:
        raise HTTPException(404, "unknown user")
    found, _ = state["model"].recommend(row, state["table"][row], N=limit)
    return [int(movie) for movie in state["movies"][found]]
