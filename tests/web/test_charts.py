"""Charts: known answers, any values, hostile labels."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from app.web import charts

values = st.lists(st.none() | st.floats(0, 1e9), max_size=60)


def parts(svg: str, name: str) -> list[ElementTree.Element]:
    return [node for node in ElementTree.fromstring(svg).iter() if name in node.get("class", "").split()]  # noqa: S314


def number(node: ElementTree.Element, name: str) -> float:
    return float(node.get(name, "nan").rstrip("%"))


def test_bars_stand_on_the_axis_in_proportion() -> None:
    svg = charts.bars([1, None, 4, 0], title="t", labels=["a", "b", "c", "d"], height=100)
    small, tall = parts(svg, "bar")
    assert [number(b, "height") for b in (small, tall)] == [25, 100]
    assert [number(b, "y") for b in (small, tall)] == [75, 0]
    assert [number(b, "x") for b in (small, tall)] == [0, 50]
    assert [label.text for label in parts(svg, "label")] == ["a", "b", "c", "d"]


def test_lines_leave_gaps() -> None:
    svg = charts.lines({"model": [0.1, 0.2, None, 0.2]}, title="t", labels=["1", "2", "3", "4"])
    points = parts(svg, "point")
    assert len(points) == 3
    assert len(parts(svg, "series")) == 2
    low, high, last = (number(p, "cy") for p in points)
    assert high == last == 8
    assert low > high


def test_text_is_escaped() -> None:
    svg = charts.bars([1], title='"><script>', labels=["<b>"])
    assert "<script>" not in svg
    assert "<b>" not in svg
    assert ElementTree.fromstring(svg).get("aria-label") == '"><script>'  # noqa: S314


@given(values)
def test_any_bars_stay_in_their_frame(numbers: list[float | None]) -> None:
    svg = charts.bars(numbers, title="t", height=50)
    bars = parts(svg, "bar")
    assert len(bars) == sum(1 for value in numbers if value)
    for bar in bars:
        assert 0 <= number(bar, "y") <= 50
        assert 1 <= number(bar, "height") <= 50
        assert number(bar, "x") + number(bar, "width") <= 100.01


@given(values)
def test_any_lines_stay_in_their_frame(numbers: list[float | None]) -> None:
    svg = charts.lines({"s": numbers}, title="t", labels=[str(n) for n in range(len(numbers))], height=100)
    points = parts(svg, "point")
    assert len(points) == sum(value is not None for value in numbers)
    assert all(7.9 <= number(p, "cy") <= 100.1 and 8 <= number(p, "cx") <= 96 for p in points)
