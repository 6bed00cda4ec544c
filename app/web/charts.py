"""Charts as SVG. Without a viewBox, x in percent and y in pixels: text keeps its size at any width."""

from collections.abc import Sequence
from itertools import pairwise
from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup

AXIS, TOP = 20, 8
"""Pixels below the plot for its labels, and above the lines for half of the highest label."""


def bars(
    values: Sequence[float | None],
    *,
    title: str,
    labels: Sequence[str] = (),
    height: int = 96,
    hover: Sequence[str] = (),
) -> Markup:
    """One bar a value, none for None or 0. `labels`: one below each bar, or none at all.

    `hover`: what is shown of each while the mouse is over its column; the highest value stands at a line.
    """
    svg = _svg(title, height + (AXIS if labels else 0))
    highest = max((value or 0 for value in values), default=0) or 1
    step = 100 / max(len(values), 1)
    for i, value in enumerate(values):
        if value:
            tall = max(value / highest * height, 1.0)
            place = {"x": f"{i * step:.2f}%", "width": f"{step * 0.82:.2f}%"}
            _add(svg, "rect", "bar", **place, y=height - tall, height=tall)
    if hover:
        _add(svg, "line", "grid", x1="0", x2="100%", y1=0.5, y2=0.5)
        _text(svg, f"{highest:,.4g}", x="100%", y=12, anchor="end")
    for i, text in enumerate(hover):
        column = _add(svg, "rect", "column", x=f"{i * step:.2f}%", width=f"{step:.2f}%", y="0", height=height)
        SubElement(column, "title").text = text
    for i, label in enumerate(labels):
        _text(svg, label, x=f"{(i + 0.41) * step:.2f}%", y=height + 15)
    _add(svg, "line", "axis", x1="0", x2="100%", y1=height - 0.5, y2=height - 0.5)
    return _markup(svg)


def lines(
    series: dict[str, Sequence[float | None]], *, title: str, labels: Sequence[str], height: int = 180
) -> Markup:
    """Lines over common `labels`, from 0 up; a series' name is its class. None leaves a gap."""
    svg = _svg(title, height + AXIS)
    known = [v for values in series.values() for v in values if v is not None]
    highest = _ceiling(max(known, default=0))
    xs = [f"{8 + 88 * (i + 0.5) / max(len(labels), 1):.2f}%" for i in range(len(labels))]
    _add_grid(svg, highest, height)
    for name, values in series.items():
        _add_series(svg, name, xs, [v if v is None else _y(v / highest, height) for v in values])
    every = max(1, -(-len(labels) // 10))
    for x, label in list(zip(xs, labels, strict=True))[::every]:
        _text(svg, label, x=x, y=height + 16)
    return _markup(svg)


def _add_grid(svg: Element, highest: float, height: int) -> None:
    for quarter in range(5):
        y = _y(quarter / 4, height)
        _add(svg, "line", "grid", x1="2.5rem", x2="100%", y1=y, y2=y)
        _text(svg, f"{highest * quarter / 4:.2f}", x="2.1rem", y=y + 4, anchor="end")


def _add_series(svg: Element, name: str, xs: Sequence[str], ys: Sequence[float | None]) -> None:
    points = [(x, y) for x, y in zip(xs, ys, strict=True) if y is not None]
    for (x1, y1), (x2, y2) in pairwise(points):
        _add(svg, "line", f"series {name}", x1=x1, y1=y1, x2=x2, y2=y2)
    for x, y in points:
        _add(svg, "circle", f"point {name}", cx=x, cy=y, r=4)


def _y(share: float, height: int) -> float:
    """The place of a value that is `share` of the highest."""
    return TOP + (height - TOP) * (1 - share)


def _ceiling(value: float) -> float:
    """The next round number that is not below `value`."""
    return next((step for step in (0.04, 0.08, 0.2, 0.4, 0.6, 0.8, 1.0) if value <= step), value)


def _svg(title: str, height: int) -> Element:
    return Element(
        "svg", {"class": "chart", "role": "img", "aria-label": title, "width": "100%", "height": str(height)}
    )


def _add(parent: Element, tag: str, name: str, **attributes: float | str) -> Element:
    text = {key: value if isinstance(value, str) else f"{value:.1f}" for key, value in attributes.items()}
    return SubElement(parent, tag, {"class": name, **text})


def _text(parent: Element, text: str, *, x: str, y: float, anchor: str = "middle") -> None:
    label = _add(parent, "text", "label", x=x, y=y)
    label.set("text-anchor", anchor)
    label.text = text


def _markup(svg: Element) -> Markup:
    return Markup(tostring(svg, encoding="unicode"))  # noqa: S704  ElementTree has escaped every text
