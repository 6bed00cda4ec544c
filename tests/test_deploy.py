"""Dashboard and alerts: each expression parses, each metric exists, each alert has a page in the runbook."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from app.tasks.embedded import WorkerState

DEPLOY = Path(__file__).parents[1] / "deploy"
RULES = (DEPLOY / "prometheus" / "rules.yml").read_text(encoding="utf-8")
DASHBOARD = json.loads((DEPLOY / "grafana" / "matinee.json").read_text(encoding="utf-8"))
RUNBOOK = (DEPLOY.parent / "docs" / "runbook.md").read_text(encoding="utf-8")


def expressions() -> list[str]:
    of_rules = re.findall(r"^ +expr: (.+)$", RULES, re.MULTILINE)
    of_panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    assert len(of_rules) > 10
    assert len(of_panels) > 20
    return of_rules + [expression.replace("$__rate_interval", "1m") for expression in of_panels]


def selected(node: Any) -> Iterator[tuple[str, set[str]]]:
    """The metrics of a parsed expression, with the labels that it selects by."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name or "", {matcher.name for matcher in node.matchers.matchers}
    for name in ("expr", "lhs", "rhs", "vector_selector"):
        if (inner := getattr(node, name, None)) is not None:
            yield from selected(inner)
    for inner in getattr(node, "args", ()):
        yield from selected(inner)


@pytest.fixture
def known(
    client: TestClient, run_tasks: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> dict[str, set[str]]:
    """Every metric after a little use, with its labels."""
    client.post("/imports")
    client.post("/recommender/rebuild")
    run_tasks()
    client.get("/recommendations/1001")
    client.get("/movies/999999")
    state = WorkerState(7, 0.2, None, None, None)
    monkeypatch.setattr(client.app.state.service, "worker_state", lambda: state)  # type: ignore[attr-defined]
    text = client.get("/metrics").text
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    found: dict[str, set[str]] = {"up": {"job"}}
    for sample in samples:
        found.setdefault(sample.name, set()).update(sample.labels)
    return found


ABSENT = {"matinee_model_ndcg": set[str]()}
"""Of a model that was tested on held-out users, which the sample has none of."""


def test_every_expression_parses_and_names_what_exists(known: dict[str, set[str]]) -> None:
    for expression in expressions():
        metrics = list(selected(promql_parser.parse(expression)))
        assert metrics, expression
        for name, labels in metrics:
            assert labels <= (known | ABSENT)[name], expression
        for names in re.findall(r"\bby \(([^)]*)\)", expression):
            every = set().union(*((known | ABSENT)[name] for name, _ in metrics))
            assert set(re.split(r", *", names)) <= every, expression


def test_every_alert_has_a_section_and_every_section_an_alert() -> None:
    alerts = re.findall(r"- alert: (\w+)", RULES)
    assert alerts == re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE)
    assert re.findall(r'runbook: "docs/runbook.md#(\w+)"', RULES) == [name.lower() for name in alerts]
    assert RULES.count("expr:") == len(alerts)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_accepts_rules_and_configuration() -> None:
    for check, name in (("rules", "rules.yml"), ("config", "prometheus.yml")):
        file = DEPLOY / "prometheus" / name
        done = subprocess.run(
            ["promtool", "check", check, str(file)], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
