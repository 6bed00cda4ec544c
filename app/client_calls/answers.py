"""What a server answers on movies, ratings, marks and players, by the schemas of its description."""

from typing import Literal, NotRequired, TypedDict

Source = Literal["personal", "popular"]


class Movie(TypedDict):
    id: int
    title: str
    year: int | None
    genre: str | None
    genres: list[str]
    imdb_id: str | None
    tmdb_id: int | None
    rating_count: int
    mean_score: float | None


class SimilarMovie(TypedDict):
    movie: Movie
    similarity: float


class Rating(TypedDict):
    movie_id: int
    user_id: int
    score: float
    rated_at: str


class RatedMovie(TypedDict):
    movie: Movie
    score: float
    rated_at: str


class RowResult(TypedDict):
    index: int
    status: Literal["new", "replaced", "unchanged", "rejected"]
    detail: NotRequired[str]


class BatchResult(TypedDict):
    new: int
    replaced: int
    unchanged: int
    rejected: int
    results: list[RowResult]


class Reason(TypedDict):
    movie: Movie
    score: float
    contribution: float


class RecommendedMovie(TypedDict):
    movie: Movie
    preference: float
    because: list[Reason]


class RecommendedMovies(TypedDict):
    source: Source
    model_version: int
    recommendations: list[RecommendedMovie]


class UserRecommendations(TypedDict):
    user_id: int
    source: Source
    recommendations: list[RecommendedMovie]


class RecommendationBatch(TypedDict):
    model_version: int
    users: list[UserRecommendations]


class Part(TypedDict):
    user_id: int
    share: float | None
    preference: float | None
    because: Reason | None


class CommonMovie(TypedDict):
    movie: Movie
    least: float | None
    mean: float | None
    parts: list[Part]


class Together(TypedDict):
    source: Source
    rule: Literal["least", "mean"]
    model_version: int
    known: list[int]
    recommendations: list[CommonMovie]


class ExcludedBy(TypedDict):
    reason: str
    detail: str


class Rest(TypedDict):
    ratings: int
    contribution: float


class Explanation(TypedDict):
    movie: Movie
    source: Source
    model_version: int
    excluded_by: list[ExcludedBy]
    preference: float | None
    rank: int | None
    listed: int | None
    because: list[Reason]
    rest: Rest


class MarkState(TypedDict):
    value: bool
    at: str


class _Marks(TypedDict):
    watched: MarkState | None
    watchlist: MarkState | None
    like: MarkState | None
    not_interested: MarkState | None


class Feedback(_Marks):
    movie_id: int


class MarkedMovie(_Marks):
    movie: Movie


class Candidate(TypedDict):
    movie: Movie
    why: str


class WaitingRow(TypedDict):
    number: int
    title: str
    year: int | None
    imdb_id: str | None
    tmdb_id: int | None
    score: float | None
    rated_at: str | None
    marks: dict[str, MarkState]
    reason: str
    candidates: list[Candidate]
    created_at: str


class Resolved(TypedDict):
    number: int
    movie_id: int


class Hook(TypedDict):
    number: int
    player: str
    user_id: int | None
    names: dict[str, int | None]
    unknown_names: dict[str, int]
    counted: int
    repeated: int
    ignored: int
    dropped: int
    created_at: str
    used_at: str | None


class NewHook(Hook):
    address: str


class Heard(TypedDict):
    counted: int
    repeated: int
    waiting: int
    ignored: int
    dropped: int
    without_movie: int
    reason: str | None


class ListOfPerson(TypedDict):
    number: int
    user_id: int
    created_at: str


class NewList(ListOfPerson):
    addresses: dict[str, str]


class WantedMovie(TypedDict):
    title: str
    year: int | None
    imdb_id: str | None
    id: int | None
    tmdb_id: int | None
