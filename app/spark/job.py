"""The process that speaks to Spark: `python -m app.spark.job`. Nothing else of the service imports pyspark.

It reads a job as a line of JSON on standard input, and the end of that is the order to stop: the group of
jobs is cancelled, and the process ends with the JVM that it has started. It writes lines of JSON, which are
`{"jobs", "tasks"}` as it goes on, and at the end `{"complete": true}` or `{"error", "text"}`.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

LOOK = 0.5
"""Seconds between two looks at how far Spark is."""
GRACE = 2.0
"""Seconds that cancelling the jobs may take before the process ends anyway."""
MISSING, JAVA, MEMORY, LOST, OTHER = "missing", "java", "memory", "lost", "other"
SIGNS = (
    (MEMORY, ("OutOfMemoryError", "Java heap space", "GC overhead limit", "ExecutorLostFailure")),
    (JAVA, ("JAVA_GATEWAY_EXITED", "JAVA_HOME", "UnsupportedClassVersionError")),
    (
        LOST,
        (
            "All masters are unresponsive",
            "stopped SparkContext",
            "SparkContext was shut down",
            "Py4JNetworkError",
            "Connection refused",
            "ConnectionRefusedError",
            "Answer from Java side is empty",
            "StatusCode.UNAVAILABLE",
            "RETRIES_EXCEEDED",
            "Job aborted",
            "executor lost",
        ),
    ),
)
"""What tells by a text of an exception what has happened; the first that fits counts."""


class Line:
    """The wire to the trainer."""

    def __init__(self, file: IO[str]) -> None:
        self._file, self._lock = file, threading.Lock()

    def tell(self, **said: Any) -> None:
        with self._lock, suppress(BrokenPipeError):
            self._file.write(json.dumps(said) + "\n")
            self._file.flush()


class Session:
    """A session of Spark, of a driver here or of a Spark Connect server, and the group of its jobs."""

    def __init__(self, master: str, scratch: Path, group: str) -> None:
        from pyspark.sql import SparkSession

        self.group, self._is_remote = group, master.startswith("sc:")
        builder = SparkSession.builder.appName(f"matinee {group}")
        if self._is_remote:
            builder = builder.remote(master)
        else:
            builder = builder.master(master)
            for name in ("spark.ui.enabled", "spark.ui.showConsoleProgress"):
                builder = builder.config(name, "false")
        if master.startswith("local"):  # it listens to this machine alone
            for name in ("spark.driver.host", "spark.driver.bindAddress"):
                builder = builder.config(name, "127.0.0.1")
            builder = builder.config("spark.local.dir", str(scratch))
        self.spark: Any = builder.getOrCreate()
        self._tasks = 0
        if self._is_remote:
            self.spark.addTag(group)
            with suppress(AttributeError):
                self.spark.registerProgressHandler(self._on_progress)
        else:
            self.spark.sparkContext.setJobGroup(group, "movie factors", True)

    def _on_progress(self, stages: Any = (), **_rest: Any) -> None:
        self._tasks += sum(getattr(stage, "num_completed_tasks", 0) for stage in stages or ())

    def progress(self) -> tuple[int, int]:
        """The jobs that have begun, and a number that moves as long as tasks end."""
        if self._is_remote:
            return 0, self._tasks
        tracker = self.spark.sparkContext.statusTracker()
        stages = (tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds())
        ended = sum(stage.numCompletedTasks for stage in stages if stage is not None)
        return len(tracker.getJobIdsForGroup(self.group)), ended

    def cancel(self) -> None:
        if self._is_remote:
            self.spark.interruptTag(self.group)
        else:
            self.spark.sparkContext.cancelJobGroup(self.group)


def train(session: Session, job: dict[str, Any]) -> None:
    """Fit the factors by the ratings in a folder, and write those of the movies into another one."""
    from pyspark.ml.recommendation import ALS

    als = ALS(
        rank=job["factors"],
        maxIter=job["sweeps"],
        regParam=job["regularization"],
        implicitPrefs=True,
        alpha=1.0,
        userCol="user",
        itemCol="movie",
        ratingCol="weight",
        seed=job["seed"],
    )
    model = als.fit(session.spark.read.parquet(f"file://{job['ratings']}"))
    model.itemFactors.write.mode("overwrite").parquet(f"file://{job['target']}")


def kind_of(text: str) -> str:
    """What has happened, by the text of an exception."""
    return next((kind for kind, signs in SIGNS if any(sign in text for sign in signs)), OTHER)


def _end() -> None:
    """End this process and what it has started; it leads a group of its own."""
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _stop_at_the_end_of_input(cancel: Callable[[], None]) -> None:
    sys.stdin.read()
    timer = threading.Timer(GRACE, _end)
    timer.daemon = True
    timer.start()
    with suppress(Exception):
        cancel()
    _end()


def main() -> None:
    """Do the job."""
    line = Line(os.fdopen(os.dup(1), "w"))
    os.dup2(2, 1)  # what Spark prints is no answer
    job, sessions = json.loads(sys.stdin.readline()), list[Session]()

    def cancel() -> None:
        for session in sessions:
            session.cancel()

    threading.Thread(target=_stop_at_the_end_of_input, args=(cancel,), daemon=True).start()
    try:
        sessions.append(Session(job["master"], Path(job["scratch"]), job["group"]))
        threading.Thread(target=_follow, args=(sessions[0], line), daemon=True).start()
        train(sessions[0], job)
        line.tell(complete=True)
    except ImportError as error:
        line.tell(error=MISSING, text=str(error))
    except BaseException as error:
        text = f"{type(error).__name__}: {error}"
        line.tell(error=kind_of(text), text=text[:4_000])
    _end()


def _follow(session: Session, line: Line) -> None:
    pause = threading.Event()
    while not pause.wait(LOOK):
        try:
            jobs, tasks = session.progress()
        except Exception:
            return  # the training meets the same fault, and tells it
        line.tell(jobs=jobs, tasks=tasks)


if __name__ == "__main__":
    main()
