"""`bluebatch report` on the command line, and its page in a browser."""

import html
import json
import pathlib
import re
from typing import Any

import click.testing
import pytest
from integration import browser
from unit.downstream import reported

from bluebatch.cli import main

# Sorts every column of every table both ways, looks at every figure, and writes down what it saw.
PROBE = """
const seen = {tables: [], images: [], wide: 0};
const keys = (table, column) =>
  Array.from(table.tBodies[0].rows, (row) => row.cells[column].dataset.key);
for (const table of document.querySelectorAll("table")) {
  const heads = Array.from(table.tHead.rows[0].cells);
  const columns = heads.map((head, column) => {
    const before = keys(table, column);
    head.querySelector("button").click();
    const up = [head.getAttribute("aria-sort"), keys(table, column)];
    head.querySelector("button").click();
    const down = [head.getAttribute("aria-sort"), keys(table, column)];
    const others = heads.filter((other) => other.getAttribute("aria-sort") !== "none").length;
    return {before, up, down, others};
  });
  seen.tables.push({title: table.closest(".table").id, columns});
}
for (const image of document.images) {
  const shown = image.getBoundingClientRect().width;
  seen.images.push([image.alt, image.complete, image.naturalWidth, shown]);
}
seen.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
document.documentElement.dataset.seen = JSON.stringify(seen);
"""

needs_browser = pytest.mark.skipif(browser.FOUND is None, reason=browser.WHY)


def run(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main.main, ["report", *map(str, arguments)])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("report")
    results = reported.write_results(folder / "results.zarr")
    table = reported.write_table(
        folder / "samples.csv", {"sample": reported.names(6), "stage": "ABABAB"}
    )
    out = folder / "report.html"
    done = run(results, "--out", out, "--by", "stage", "--samples", table, "--json", "--quiet")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["n_samples"] == 6
    return folder


def probed(page: pathlib.Path, copy: pathlib.Path, script: str) -> pathlib.Path:
    """Copy a page with one more script, and without the policy that would refuse it."""
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
    copy.write_text(text.replace("</body>", f"<script>{script}</script></body>"))
    return copy


@needs_browser
def test_report__a_browser_has_nothing_to_complain_of(
    made: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    document, console = browser.dump(made / "report.html", tmp_path)
    assert console == []
    # Set by the last line of the page's script: the policy let it run, and it ran through.
    assert 'data-ready="yes"' in document


@needs_browser
def test_report__a_browser_tells_of_a_script_that_breaks(
    made: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    # So that the test above can fail.
    page = probed(made / "report.html", tmp_path / "torn.html", "throw new Error('torn')")
    _, console = browser.dump(page, tmp_path / "profile")
    assert any("torn" in line for line in console)


@needs_browser
@pytest.mark.parametrize(
    "foreign",
    ["<script>document.title = 'taken'</script>", "<img alt='' src='http://a.invalid/x.png'>"],
)
def test_report__nothing_foreign_is_run_or_fetched(
    made: pathlib.Path, tmp_path: pathlib.Path, foreign: str
) -> None:
    text = (made / "report.html").read_text()
    page = tmp_path / "foreign.html"
    page.write_text(text.replace("</main>", f"{foreign}</main>"))
    document, console = browser.dump(page, tmp_path / "profile")
    assert "<title>taken</title>" not in document
    assert any("Content Security Policy" in line for line in console)


@needs_browser
def test_report__figures_are_drawn_and_tables_sort(
    made: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    page = probed(made / "report.html", tmp_path / "probed.html", PROBE)
    document, console = browser.dump(page, tmp_path / "profile")
    assert console == []
    found = re.search(r'data-seen="([^"]*)"', document)
    assert found is not None
    seen: dict[str, Any] = json.loads(html.unescape(found.group(1)))
    assert len(seen["images"]) == 9  # bars, groups, intervals, overview, 3 types, skill, flags
    for title, complete, natural, shown in seen["images"]:
        assert complete, title
        assert natural > 300, title
        assert shown > 300, title
    assert seen["wide"] <= 0  # only tables scroll sideways
    tables = {table["title"]: table["columns"] for table in seen["tables"]}
    assert {"table-types", "table-skill_by_type", "table-samples", "table-settings"} <= set(tables)
    for columns in tables.values():
        for column in columns:
            assert column["up"][0] == "ascending"
            assert column["down"][0] == "descending"
            assert column["others"] == 1
            assert sorted(column["up"][1]) == sorted(column["before"])
    # By hand: numbers by size, words by letter.
    samples = tables["table-samples"]
    distance = [0.6, 0.7, 0.8, 0.9, 1.0, 1.1]
    by_size = [[float(key) for key in column["up"][1]] for column in samples[5:6]]
    assert by_size == [pytest.approx(distance, abs=1e-6)]
    assert [float(key) for key in samples[5]["down"][1]] == pytest.approx(distance[::-1], abs=1e-6)
    assert samples[1]["up"][1] == ["A", "A", "A", "B", "B", "B"]
    # Gaps stand last either way: five samples have no flag.
    assert samples[2]["up"][1] == samples[2]["down"][1] == ["domain distance", *[""] * 5]


@pytest.mark.parametrize(
    ("spoil", "more", "words", "code"),
    [
        ("incomplete", (), "is unfinished (status 'writing'). Run the command", 3),
        ("cohort", (), "with it --subtypes. Give the folder that `bluebatch subtype` wrote", 1),
        ("folder", (), "is not a Zarr group. Give a store made by bluebatch", 1),
        ("", ("--by", "grade"), "has no column 'grade'; it has stage. Name one of these", 1),
        ("", ("--out", "report.html"), "something stands there. Choose another --out", 1),
    ],
)
def test_report__bad_input_is_told_in_a_line(
    made: pathlib.Path,
    tmp_path: pathlib.Path,
    spoil: str,
    more: tuple[str, ...],
    words: str,
    code: int,
) -> None:
    results = made / "results.zarr"
    if spoil == "incomplete":
        results = reported.write_results(tmp_path / "half.zarr", complete=False)
    elif spoil == "cohort":
        results = reported.write_cohort(tmp_path / "cohort.zarr")
    elif spoil == "folder":
        (tmp_path / "folder").mkdir()
        results = tmp_path / "folder"
    more = tuple(str(made / each) if each == "report.html" else each for each in more)
    given = ("--out", tmp_path / "new.html") if "--out" not in more else ()
    table = ("--samples", made / "samples.csv") if "--by" in more else ()
    done = run(results, *given, *table, *more)
    assert done.exit_code == code
    lines = done.stderr.splitlines()
    assert [words in line for line in lines] == [True]
    assert not (tmp_path / "new.html").exists()
