"""A page's content as one HTML file that needs no network, and its figures and tables as files."""

import base64
import dataclasses
import hashlib
import os
import struct
from collections.abc import Sequence
from importlib import resources
from typing import Any
from urllib import parse

import jinja2
import markupsafe

from bluebatch.downstream import figures, page_content
from bluebatch.run import progress
from bluebatch.store import outputs, places

TEMPLATES = "bluebatch.downstream.templates"
DOTS_PER_INCH = 150
# Figures are drawn for this width of the text: pixels of the screen for each inch.
SCREEN_DOTS = 108
LONGEST_PART = 40
LEVELS = {"good": "sound", "careful": "take care", "poor": "poor", "unknown": "not known"}


@dataclasses.dataclass(frozen=True)
class Page:
    """What stands on a page.

    Parameters
    ----------
    title, subtitle, summary, reading, footer : str
        Heading, the line below it, the verdict, how to take it, and what stands at the end.
    numbers : list of tuple of str and str
        Names and values at the head of the page.
    statements : list of page_content.Statement
        What can be trusted.
    sections : list of page_content.Section
        The rest.
    """

    title: str
    subtitle: str
    summary: str
    reading: str
    footer: str
    numbers: list[tuple[str, str]]
    statements: Sequence[page_content.Statement]
    sections: Sequence[page_content.Section]


def write(page: Page, out: places.Place, folder: places.Place) -> int:
    """Write figures and tables to their folder, then the page.

    Parameters
    ----------
    page : Page
        Content; its figures are drawn here.
    out : pathlib.Path or upath.UPath
        HTML file.
    folder : pathlib.Path or upath.UPath
        Of the figures (PNG, SVG) and of every number (CSV).

    Returns
    -------
    int
        Figures drawn.
    """
    link = _linker(out, folder)
    n_figures = sum(len(section.pictures) for section in page.sections)
    with progress.bar("report", total=n_figures, unit="figures") as step:
        sections = [_section(section, folder, link, step) for section in page.sections]
    content = {**vars(page), "sections": sections}
    with outputs.whole_file(out) as temporary:
        temporary.write_text(to_html(content), encoding="utf-8")
    return n_figures


def to_html(content: dict[str, Any]) -> str:
    """Fill the template; every text is escaped.

    Parameters
    ----------
    content : dict
        Names of the template.

    Returns
    -------
    str
        A whole page.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["code"] = set_code
    environment.filters["parts"] = set_parts
    template = environment.from_string(_file("report.html.j2"))
    script = _file("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return template.render(
        **content,
        words=LEVELS,
        # Our own files: nothing of the user's is in them.
        style=markupsafe.Markup(_file("report.css")),
        script=markupsafe.Markup(script),
        script_digest=markupsafe.Markup(digest),
    )


def set_code(text: str) -> markupsafe.Markup:
    """Set what stands between backticks as code, and escape everything.

    Parameters
    ----------
    text : str
        Of our own words and a user's.

    Returns
    -------
    markupsafe.Markup
        Safe on a page.

    Examples
    --------
    >>> set_code("give `--by`, not <b>")
    Markup('give <code>--by</code>, not &lt;b&gt;')
    """
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick without its fellow
        return markupsafe.escape(text)
    tags = ("{}", "<code>{}</code>")
    return markupsafe.Markup("").join(
        markupsafe.Markup(tags[at % 2]).format(part) for at, part in enumerate(parts)
    )


def set_parts(text: str) -> markupsafe.Markup:
    """Let the name of a definition break between its states alone, and escape everything.

    Parameters
    ----------
    text : str
        Of a cell.

    Returns
    -------
    markupsafe.Markup
        Safe on a page; what a reader copies is the text itself.

    Examples
    --------
    >>> set_parts("a<b")
    Markup('a&lt;b')
    >>> set_parts("B=0&T-like=1")
    Markup('<span class="part">B=0&amp;</span><wbr><span class="part">T-like=1</span>')
    """
    parts = text.split("&")
    if len(parts) == 1 or max(map(len, parts)) > LONGEST_PART:
        return markupsafe.escape(text)
    ends = [*(f"{part}&" for part in parts[:-1]), parts[-1]]
    span = markupsafe.Markup('<span class="part">{}</span>')
    return markupsafe.Markup("<wbr>").join(span.format(part) for part in ends)


def _file(name: str) -> str:
    return resources.files(TEMPLATES).joinpath(name).read_text(encoding="utf-8")


def _section(
    section: page_content.Section, folder: places.Place, link: Any, step: progress.Step
) -> dict[str, Any]:
    pictures = []
    for picture in section.pictures:
        pictures.append(_picture(picture, folder, link))
        step(1)
    return {
        "name": section.name,
        "title": section.title,
        "notes": section.notes,
        "details": section.details,
        "pictures": pictures,
        "tables": [_table(each, folder, link) for each in section.tables],
        "images": [
            {"title": title, "image": _base64(png), "size": _printed_size(png)}
            for title, png in section.images
        ],
    }


def _picture(picture: page_content.Picture, folder: places.Place, link: Any) -> dict[str, Any]:
    names = {form: f"{picture.name}.{form}" for form in ("png", "svg", "csv")}
    png = figures.render(picture.figure, "png", DOTS_PER_INCH)
    picture.figure.set_layout_engine("none")  # it is laid out now, which takes a third of the time
    for name, content in (
        (names["png"], png),
        (names["svg"], figures.render(picture.figure, "svg")),
    ):
        with outputs.whole_file(folder / name) as temporary:
            temporary.write_bytes(content)
    picture.figure.clear()  # a page may have dozens, of thousands of marks each
    page_content.write_csv(folder / names["csv"], picture.columns, picture.rows)
    # A PNG's width and height stand in its first chunk.
    size = struct.unpack(">II", png[16:24])
    width, height = (round(pixels * SCREEN_DOTS / DOTS_PER_INCH) for pixels in size)
    links = [(form.upper(), link(name)) for form, name in names.items()]
    return {
        "name": picture.name, "title": picture.title, "caption": picture.caption,
        "image": _base64(png), "width": width, "height": height, "links": links,
    }  # fmt: skip


def _table(table: page_content.Table, folder: places.Place, link: Any) -> dict[str, Any]:
    name, cells = f"{table.name}.csv", table.cells()
    numeric = [all(row[at].is_number for row in cells) for at in range(len(table.columns))]
    page_content.write_csv(folder / name, table.columns, table.all_rows())
    return {
        "name": table.name, "title": table.title, "caption": table.caption,
        "columns": table.columns, "rows": cells,
        "numeric": numeric, "link": link(name),
    }  # fmt: skip


def _printed_size(png: bytes) -> markupsafe.Markup:
    """Show what was made for print as large as the page's own figures."""
    # Dots a metre stand in the chunk pHYs, before the pixels; our figures have it.
    at = png[:200].find(b"pHYs")
    if png[12:16] != b"IHDR" or at < 0:
        return markupsafe.Markup("")
    dots_per_inch = struct.unpack(">I", png[at + 4 : at + 8])[0] * 0.0254
    sizes = struct.unpack(">II", png[16:24])
    width, height = (round(pixels * SCREEN_DOTS / dots_per_inch) for pixels in sizes)
    return markupsafe.Markup(' width="{}" height="{}"').format(width, height)


def _linker(out: places.Place, folder: places.Place) -> Any:
    """Make names of the folder's files relative to the page."""
    if places.is_local(out) and places.is_local(folder):
        base = os.path.relpath(str(folder), str(out.parent))
        return lambda name: parse.quote(f"{base}/{name}".replace(os.sep, "/"))
    return lambda name: str(folder / name)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
