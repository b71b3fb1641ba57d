"""How every figure looks, and how it reaches the disk."""

import io
import math
import warnings
from typing import Any, Literal, get_args

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bluebatch.store import outputs, places

# Okabe and Ito's palette: told apart by colour-blind readers too.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#9A9A9A"
YELLOW, INK = "#F0E442", "#444444"
PALETTE = [BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, YELLOW, GREY]
STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}
LONGEST_LABEL = 24
Form = Literal["png", "svg", "pdf"]
# What a form would say of the time and day it was drawn at.
_DATED: dict[str, Any] = {"png": None, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
PRINT_DOTS = 300


def new_figure(width: float, height: float) -> Figure:
    """Begin a figure that no window or global state knows of.

    Parameters
    ----------
    width, height : float
        In inches.

    Returns
    -------
    Figure
        Laid out by constraints. Add axes within ``matplotlib.rc_context(figures.STYLE)``.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | places.Place, dots_per_inch: int = 150) -> None:
    """Write a figure as PNG, whole or not at all.

    Parameters
    ----------
    figure : Figure
        What is drawn.
    path : str, pathlib.Path or upath.UPath
        File; replaced if it is there.
    dots_per_inch : int
        Resolution.
    """
    content = render(figure, "png", dots_per_inch)
    with outputs.whole_file(places.place(path)) as temporary:
        temporary.write_bytes(content)


def save_all(figure: Figure, folder: str | places.Place, name: str) -> list[str]:
    """Write a figure in every form that a paper may ask for.

    Parameters
    ----------
    figure : Figure
        What is drawn.
    folder : str, pathlib.Path or upath.UPath
        Made if missing; files of the same names are replaced.
    name : str
        Of the files, without the extension.

    Returns
    -------
    list of str
        Names of the files: PNG of 300 dots an inch, SVG and PDF.
    """
    names = []
    for form in get_args(Form):
        content = render(figure, form, PRINT_DOTS)
        names.append(f"{name}.{form}")
        with outputs.whole_file(places.place(folder) / names[-1]) as temporary:
            temporary.write_bytes(content)
    return names


def render(figure: Figure, form: Form, dots_per_inch: int = 150) -> bytes:
    """Turn a figure into the bytes of a file, the same ones every time.

    Parameters
    ----------
    figure : Figure
        What is drawn.
    form : {"png", "svg", "pdf"}
        Of the file.
    dots_per_inch : int
        Resolution of PNG, and of what is drawn in dots within the others.

    Returns
    -------
    bytes
        Without a date or drawn names in it.
    """
    buffer = io.BytesIO()
    # Text of a PDF stays text that an editor can change.
    settings = {**STYLE, "svg.hashsalt": "bluebatch", "pdf.fonttype": 42}
    with mpl.rc_context(settings), warnings.catch_warnings():
        # A user's label in letters that the font lacks is drawn as boxes, and no reason to stop.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        dated = _DATED[form]
        figure.savefig(buffer, format=form, dpi=dots_per_inch, facecolor="white", metadata=dated)
    return buffer.getvalue()


def colours(n: int) -> list[Any]:
    """Choose colours for parts of a whole.

    Parameters
    ----------
    n : int
        How many.

    Returns
    -------
    list
        Colours that matplotlib knows; told apart by colour-blind readers up to eight.
    """
    if n <= len(PALETTE):
        return PALETTE[:n]
    many = [
        colour
        for name in ("tab20", "tab20b", "tab20c")
        for colour in mpl.colormaps[name].colors  # type: ignore[attr-defined]
    ]
    return [many[index % len(many)] for index in range(n)]


def label(text: str, longest: int = LONGEST_LABEL) -> str:
    r"""Make a user's text safe and short enough to be drawn.

    Parameters
    ----------
    text : str
        E.g. the name of a sample.
    longest : int
        Characters that are kept.

    Returns
    -------
    str
        On one line, with no formula in it.

    Examples
    --------
    >>> label("a\n$b$"), label("long names", longest=6)
    ('a \\$b\\$', 'long …')
    """
    words = " ".join(text.split())
    cut = words if len(words) <= longest else words[: longest - 1] + "…"
    return cut.replace("$", r"\$")


def p_text(p: float | None) -> str:
    """Write a p-value for a reader.

    Parameters
    ----------
    p : float or None
        May be a gap.

    Returns
    -------
    str
        Two or three digits; a power of ten where it is small.

    Examples
    --------
    >>> p_text(0.0314), p_text(0.62), p_text(3.2e-7), p_text(float("nan"))
    ('0.031', '0.62', '3.2e-7', '-')
    """
    if p is None or math.isnan(p):
        return "-"
    value = float(p)
    if value >= 0.1:
        return f"{value:.2f}"
    if value >= 0.00095:
        return f"{value:.3f}" if value >= 0.01 else f"{value:.4f}"
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}" if value > 0 else "0"


def draw_diagonal(axes: Axes, largest: float) -> None:
    """Draw the line on which prediction equals truth.

    Parameters
    ----------
    axes : Axes
        Where.
    largest : float
        Both axes run from 0 to a little above this.
    """
    end = largest * 1.05 if largest > 0 else 1.0
    axes.plot([0, end], [0, end], color=GREY, linewidth=0.8, zorder=1)
    axes.set(xlim=(0, end), ylim=(0, end), aspect="equal")
