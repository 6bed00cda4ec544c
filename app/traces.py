"""Traces by OpenTelemetry: off, at no cost, unless its standard variables name where spans go.

`OTEL_EXPORTER_OTLP_ENDPOINT` (or `..._TRACES_ENDPOINT`) switches them on, by HTTP and protobuf; the extra
`matinee[traces]` holds what is needed. Spans of requests are FastAPI's. An attempt at a task begins a trace
of its own, which is linked to that of the request that started the task.
"""

import logging
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.trace import Link, Span, Tracer

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
NAME = "matinee"
PATIENCE = 2.0
"""Seconds that the end of a process waits for the last spans."""

log = logging.getLogger("matinee.traces")


class _State:
    """Of this process: what makes spans, once it was started."""

    tracer: "Tracer | None" = None
    provider: Any = None


def is_wanted(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the standard variables ask for traces."""
    environment = os.environ if environment is None else environment
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "otlp")
    return exporter == "otlp" and any(environment.get(name) for name in ENDPOINTS)


def start() -> None:
    """Send the spans of this process to where the variables say; nothing if they say nothing."""
    if _State.tracer is not None or not is_wanted():
        return
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.warning("OTEL_EXPORTER_OTLP_ENDPOINT is set; install matinee[traces] to have traces")
        return
    resource = Resource.create({SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME", NAME)})
    _State.provider = TracerProvider(resource=resource)
    _State.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(_State.provider)
    _State.tracer = trace.get_tracer(NAME)


def flush() -> None:
    """Have the spans so far sent, within `PATIENCE`."""
    if _State.provider is not None:
        _State.provider.force_flush(int(PATIENCE * 1000))


def span(name: str, **attributes: Any) -> AbstractContextManager[Any]:
    """A span within the one that is current."""
    if _State.tracer is None:
        return nullcontext()
    return _State.tracer.start_as_current_span(name, attributes=_known(attributes))


def note(**attributes: Any) -> str | None:
    """Add to the current span; returns it as a `traceparent` (W3C Trace Context), None if there is none."""
    if _State.tracer is None:
        return None
    from opentelemetry import trace

    current = trace.get_current_span()
    current.set_attributes(_known(attributes))
    return _traceparent(current)


def attempt(name: str, traceparent: str | None, queued: tuple[float, float] | None, **attributes: Any) -> Any:
    """The span of an attempt at a task that a request with this `traceparent` started.

    `queued`: from when to when the task waited, in epoch seconds; a span of that request's trace.
    """
    if _State.tracer is None:
        return nullcontext()
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanKind

    links = []
    if traceparent is not None:
        context = _context_of(traceparent)
        links.append(_link(context))
        if queued is not None:
            began, ended = (int(seconds * 1e9) for seconds in queued)
            waited = _State.tracer.start_span(
                f"{name} queued", context, attributes=_known(attributes), start_time=began
            )
            waited.end(max(began, ended))
            links.append(_link_to(waited))
    return _State.tracer.start_as_current_span(
        name, Context(), kind=SpanKind.CONSUMER, attributes=_known(attributes), links=links
    )


class Phases:
    """The spans of the phases of an attempt, one after the other."""

    def __init__(self) -> None:
        self._current = ExitStack()

    def enter(self, name: str | None) -> None:
        self._current.close()
        if name is not None:
            self._current.enter_context(span(name))

    def close(self) -> None:
        self._current.close()


def _known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{NAME}.{name}": value for name, value in attributes.items() if value is not None}


def _traceparent(current: "Span") -> str | None:
    context = current.get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _context_of(traceparent: str) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": traceparent})


def _link(context: Any) -> "Link":
    from opentelemetry.trace import get_current_span

    return _link_to(get_current_span(context))


def _link_to(one: "Span") -> "Link":
    from opentelemetry.trace import Link

    return Link(one.get_span_context())
