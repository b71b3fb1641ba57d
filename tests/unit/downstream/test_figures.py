"""Figures as files: the same bytes every time, and safe with any label."""

import pytest

from bluebatch.downstream import figures


@pytest.mark.parametrize("form", ["png", "svg"])
def test_render__draws_the_same_bytes_every_time(form: str) -> None:
    def draw(height: float) -> bytes:
        figure = figures.new_figure(2, 2)
        figure.subplots().bar([0, 1], [1, height])
        return figures.render(figure, form)  # type: ignore[arg-type]

    assert draw(2) == draw(2)
    assert draw(2) != draw(3)


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
