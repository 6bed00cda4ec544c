"""A MovieLens folder that the user brings: its ratings, its titles, and a model as a rebuild makes it."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.recommender.als import DEFAULTS
from app.recommender.interactions import Interactions
from app.recommender.item_training import ItemSettings, LeftOut, train_items
from app.recommender.model import Model
from app.recommender.training import factors_for, products_for, trainer_for
from benchmarks.report import note


def movielens(folder: Path) -> Interactions:
    """ratings.csv (latest, 20M, 25M, 32M) or ratings.dat (1M, 10M) of a MovieLens folder."""
    path = folder / "ratings.csv"
    if not path.exists():
        path = folder / "ratings.dat"
    lines = path.read_text().replace("::", ",").splitlines()
    columns = np.loadtxt(lines[not lines[0][0].isdigit() :], delimiter=",", usecols=(0, 1, 2))
    return Interactions.from_arrays(
        columns[:, 0].astype(np.int64), columns[:, 1].astype(np.int64), columns[:, 2]
    )


def titles_of(folder: Path) -> dict[str, int]:
    """Movie ids by title, as movies.csv writes it."""
    with (folder / "movies.csv").open(encoding="utf-8", newline="") as file:
        return {row["title"].strip(): int(row["movieId"]) for row in csv.DictReader(file)}


def trained(training: Interactions) -> tuple[Model, Model]:
    """The model as a rebuild makes it, and its factors alone."""
    settings = replace(DEFAULTS, factors=factors_for(len(training)))
    model = trainer_for(len(training))(training, settings)
    try:
        items, _ = train_items(training, ItemSettings(), products_for(len(training)))
    except LeftOut as reason:
        note(f"without item weights: {reason}")
        return model, model
    return replace(model, items=items), model
