"""Knobs and filters of the rich list, on the bundled sample."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.repository import ratings
from app.sample import FIRST_USER
from app.service import Service
from app.serving.recommendations import Filters, Serving


@pytest.fixture
def serving(client: TestClient, run_tasks: Callable[[], None]) -> Iterator[Serving]:
    client.post("/imports")
    client.post("/recommender/rebuild")
    run_tasks()
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    with service.database.read() as connection:
        yield service.model.serve(connection)


def test_filters_and_knobs(serving: Serving) -> None:
    rated = ratings.of_user(serving.connection, FIRST_USER)
    plain, source = serving.rich(rated, 60, Filters())
    told = {each.movie.id: each.preference for each in plain}
    assert source == "personal"

    some = tuple(list(told)[5:9])
    among, _ = serving.rich(rated, 60, Filters(among=frozenset((*some, rated[0].movie_id, 10**12))))
    assert [each.movie.id for each in among] == list(some)
    least = int(np.median([each.movie.rating_count for each in plain]))
    known, _ = serving.rich(rated, 60, Filters(min_ratings=least))
    assert 0 < len(known) < len(plain)
    assert all(each.movie.rating_count >= least for each in known)
    nothing, source = serving.rich(rated, 5, Filters(among=frozenset()))
    assert (nothing, source) == ([], "popular")

    gems, _ = serving.rich(rated, 60, Filters(), popularity=0.0)
    assert {each.movie.id: each.preference for each in gems} == told
    assert [each.movie.id for each in gems] != list(told)

    popular, source = serving.rich([], 60, Filters(among=frozenset(some), min_ratings=1))
    assert source == "popular"
    assert {each.movie.id for each in popular} == set(some)
    counts = [each.movie.rating_count for each in popular]
    assert counts == sorted(counts, reverse=True)

    for each in plain:
        mean = np.mean([rating.score for rating in rated])
        assert len(each.because) <= 3
        assert all(reason.score >= mean for reason in each.because)
    truncated, _ = serving.rich(rated, 5, Filters(), mean=5.5)
    highest = max(rating.score for rating in rated)
    assert {reason.score for each in truncated for reason in each.because} == {highest}

    low = [rating.__class__(rating.user_id, rating.movie_id, 1.0, rating.rated_at) for rating in rated[:2]]
    shunned, source = serving.rich(low, 60, Filters())
    assert source == "popular"
    assert [each.movie.id for each in shunned] != [
        each.movie.id for each in serving.rich([], 60, Filters())[0]
    ]
    assert serving.model is not None
    near = set(serving.model.similar(low[0].movie_id, 20)[0].tolist()) - {r.movie_id for r in low}
    assert not near & {each.movie.id for each in shunned[: 60 - 2 - 2 * 20]}
