"""Figures as files: the same bytes every time, and safe with any label."""

import pathlib
import struct

import pytest

from bluebatch.downstream import figures


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_render__draws_the_same_bytes_every_time(form: str) -> None:
    def draw(height: float) -> bytes:
        figure = figures.new_figure(2, 2)
        figure.subplots().bar([0, 1], [1, height])
        return figures.render(figure, form)  # type: ignore[arg-type]

    assert draw(2) == draw(2)
    assert draw(2) != draw(3)


def test_save_all__writes_every_form_without_a_date(tmp_path: pathlib.Path) -> None:
    figure = figures.new_figure(2, 1.5)
    figure.subplots().plot([0, 1])
    names = figures.save_all(figure, tmp_path / "made", "curve")
    assert names == ["curve.png", "curve.svg", "curve.pdf"]
    content = {name: (tmp_path / "made" / name).read_bytes() for name in names}
    # The size of a PNG stands in its first chunk: 300 dots an inch.
    assert struct.unpack(">II", content["curve.png"][16:24]) == (600, 450)
    assert b"</svg>" in content["curve.svg"]
    assert b"dc:date" not in content["curve.svg"]
    assert content["curve.pdf"].startswith(b"%PDF")
    assert b"CreationDate" not in content["curve.pdf"]


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (1.0, "1.00"),
        (0.1, "0.10"),
        (0.0499, "0.050"),
        (0.00234, "0.0023"),
        (1 / 1001, "0.0010"),
        (0.00094, "9.4e-4"),
        (1e-300, "1.0e-300"),
        (0.0, "0"),
        (float("nan"), "-"),
        (None, "-"),
    ],
)
def test_p_text__is_short_and_keeps_two_digits(p: float | None, text: str) -> None:
    assert figures.p_text(p) == text


@pytest.mark.parametrize("name", ["$x$ and $y", r"\frac{", "line\nbreak", "单核细胞", "a" * 500])
def test_label__any_name_can_be_drawn(name: str) -> None:
    figure = figures.new_figure(2, 2)
    axes = figure.subplots()
    axes.set_xticks([0], [figures.label(name)])
    assert figures.render(figure, "svg").rstrip().endswith(b"</svg>")
    assert len(figures.label(name)) <= figures.LONGEST_LABEL + name.count("$")


@pytest.mark.parametrize("n", [1, 8, 20, 60, 90])
def test_colours__are_as_many_as_asked_for(n: int) -> None:
    found = figures.colours(n)
    assert len(found) == n
    assert len({str(colour) for colour in found}) == min(n, 60)
