"""The families of metrics, as `prometheus_client` writes them: its registry without its files."""

import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from app import logs
from app.measures import METRICS
from app.repository import task_totals
from app.repository.figures import Figures
from app.repository.task_totals import ATTEMPTS, BOUNDS, DURATION, FENCED, LATENCY, ROWS, SUM
from app.task import STATUSES
from app.tasks.embedded import WorkerState
from app.tasks.kinds import kinds, names

FILES = {
    "database": "Size of the database, with its WAL.",
    "wal": "Size of the write-ahead log.",
    "disk_free": "Free on the disk of the data folder.",
}


class Families:
    """Collects once: `counted` is a snapshot, `files` sizes in bytes by name (None: not known)."""

    def __init__(
        self, counted: dict[str, Any], rows: Figures, worker: WorkerState | None, files: dict[str, int | None]
    ) -> None:
        self._counted, self._rows, self._worker, self._files = counted, rows, worker, files

    def collect(self) -> Iterator[Metric]:
        yield _gauge("matinee_info", "The release.", {(version("matinee"),): 1}, "version")
        yield from self._of_processes()
        yield from self._of_tasks()
        yield from self._of_the_model()
        yield from self._of_the_worker()
        for name, size in self._files.items():
            if size is not None:
                yield _gauge(f"matinee_{name}_bytes", FILES[name], {(): size})
        yield _gauge("matinee_ratings", "Ratings.", {(): self._rows.ratings})
        yield _gauge("matinee_movies", "Movies.", {(): self._rows.movies})
        dropped = CounterMetricFamily("matinee_log_lines_dropped", "Lines that this process dropped.")
        dropped.add_metric([], logs.dropped())
        yield dropped

    def _of_processes(self) -> Iterator[Metric]:
        active = {(): self._counted["active"]}
        yield _gauge("http_server_active_requests", "Requests that are under way.", active)
        for metric in METRICS:
            found = [(row[0][1:], row[1]) for row in self._counted["totals"] if row[0][0] == metric.name]
            if not metric.bounds:
                counter = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
                for labels, (count,) in found:
                    counter.add_metric(labels, count)
                yield counter
                continue
            histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
            for labels, (total, *buckets) in found:
                if len(buckets) == len(metric.bounds) + 1:
                    histogram.add_metric(labels, _cumulative(metric.bounds, buckets), total)
            yield histogram

    def _of_tasks(self) -> Iterator[Metric]:
        every = dict.fromkeys(((kind, status) for kind in names() for status in STATUSES), 0)
        counts = every | self._rows.tasks
        yield _gauge("matinee_tasks", "Tasks that are kept, by status.", counts, "kind", "status")
        waits = {(): self._rows.waits}
        yield _gauge("matinee_task_waits_seconds", "How long the first due task has waited.", waits)
        yield self._histogram(LATENCY, "matinee_task_queue_latency_seconds", "From start to first attempt.")
        yield self._histogram(DURATION, "matinee_task_duration_seconds", "From first attempt to end.")
        yield self._counter(ATTEMPTS, "matinee_task_attempts", "Attempts that began.", names())
        yield self._counter(FENCED, "matinee_task_fenced", "Attempts that had been replaced.", names())
        rows = CounterMetricFamily(
            "matinee_import_rows", "Rows of complete imports by what became of them.", labels=["result"]
        )
        totals = {name: 0.0 for kind in kinds() for name in kind.figures}
        for _, figure, label, value in self._rows.totals:
            if figure == ROWS:
                totals[label] = totals.get(label, 0.0) + value
        for result, value in totals.items():
            rows.add_metric([result], value)
        yield rows

    def _counter(self, figure: str, name: str, text: str, known: tuple[str, ...]) -> Metric:
        counter = CounterMetricFamily(name, text, labels=["kind"])
        found = {kind: value for kind, one, _, value in self._rows.totals if one == figure}
        for kind, value in (dict.fromkeys(known, 0.0) | found).items():
            counter.add_metric([kind], value)
        return counter

    def _histogram(self, figure: str, name: str, text: str) -> Metric:
        """By kind, and with a label in the figure by outcome."""
        has_outcome = figure == DURATION
        family = HistogramMetricFamily(name, text, labels=["kind", "outcome"] if has_outcome else ["kind"])
        found: dict[tuple[str, str], tuple[float, list[float]]] = {}
        for kind, one, label, value in self._rows.totals:
            if one != figure:
                continue
            outcome, _, bucket = label.partition(":")
            total, buckets = found.get((kind, outcome), (0.0, [0.0] * (len(task_totals.BOUNDS) + 1)))
            if bucket == SUM:
                total = value
            else:
                buckets[int(bucket)] = value
            found[kind, outcome] = total, buckets
        for (kind, outcome), (total, buckets) in found.items():
            family.add_metric([kind, outcome] if has_outcome else [kind], _cumulative(BOUNDS, buckets), total)
        return family

    def _of_the_model(self) -> Iterator[Metric]:
        model = self._rows.model
        yield _gauge(
            "matinee_model_version",
            "The one that is served, or 0.",
            {(): model.version if model else 0},
        )
        if model is None:
            return
        age = max(0.0, time.time() - model.created_at)
        yield _gauge("matinee_model_age_seconds", "Since the served model was built.", {(): age})
        since = {(): self._rows.ratings_since}
        yield _gauge("matinee_model_ratings_since", "Ratings that changed since it was built.", since)
        tested = model.evaluation.get("model") or {}
        if tested.get("users"):  # held out; a small sample has none
            yield _gauge("matinee_model_ndcg", "Its NDCG@100 on held-out users.", {(): tested["ndcg_at_100"]})

    def _of_the_worker(self) -> Iterator[Metric]:
        worker = self._worker
        if worker is None:
            return
        is_up = int(worker.pid is not None and not worker.problem)
        yield _gauge("matinee_worker_up", "1 if the worker of this machine makes progress.", {(): is_up})
        if worker.beat_age is not None:
            beat = {(): worker.beat_age}
            yield _gauge("matinee_worker_beat_age_seconds", "Since its last heartbeat.", beat)


def _gauge(name: str, text: str, values: Mapping[Any, float], *labels: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _cumulative(bounds: tuple[float, ...], buckets: list[float]) -> list[tuple[str, float]]:
    total, found = 0.0, []
    for bound, count in zip((*map(str, bounds), "+Inf"), buckets, strict=True):
        total += count
        found.append((bound, total))
    return found
