import json
import pathlib

import pandas as pd
import pytest

from bluebatch import errors
from bluebatch.store import cohorts, gene_report, ingest, read

TABLE = """gene,s1,s2
ACTB,5,7
1-Sep,1,2
HLA_DRA,3,4
Cd19,6,8
ACTB,10,20
1-Mar,1,1
"""
KNOWN = ["ACTB", "SEPTIN1", "HLA-DRA", "CD19", "MARCHF1"]


@pytest.fixture
def table(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "a.csv").write_text(TABLE)
    return tmp_path / "a.csv"


def take(table: pathlib.Path, **options: object) -> cohorts.IngestSummary:
    out = table.with_name("c.zarr")
    return ingest.run(table, out, ingest.IngestOptions.model_validate(options))


def line(kind: str, number: int = 0) -> gene_report.Line:
    return gene_report.Line(kind, "kept", f"G{number}", f"G{number}")


def test_find__counts_all_and_keeps_twenty_examples() -> None:
    found = gene_report.find([line("number", at) for at in range(50_000)], ())
    assert [(each.kind, each.done, each.count) for each in found] == [("number", "kept", 50_000)]
    assert found[0].examples == [f"G{at}" for at in range(20)]
    assert found[0].words.startswith("warning: 50,000 names are numbers")
    assert found[0].words.count("G") == 5
    assert len(json.dumps(gene_report.as_attribute(found))) < 1_000


def test_find__says_how_many_genes_mending_would_win() -> None:
    lines = [
        gene_report.Line("date", "dropped", "1-Sep", "", "SEPT1"),
        gene_report.Line("date", "dropped", "Sep-01", "", "SEPT1"),
        gene_report.Line("date", "dropped", "2-Sep", "", "SEPT2"),
    ]
    words = gene_report.find(lines, {"SEPT2"})[0].words
    # Two rows are one gene; one of the two is the model's.
    assert words.endswith("; --mend-names brings 2 back, 1 of them the model's")


def test_run__writes_a_line_a_name(table: pathlib.Path) -> None:
    report = table.with_name("genes.csv")
    take(table, known=KNOWN, gene_report=report)
    found = pd.read_csv(report, keep_default_na=False)
    assert list(found.columns) == ["kind", "done", "name", "becomes", "suggested", "why"]
    assert sorted(map(tuple, found.to_numpy().tolist())) == [
        ("case", "kept", "Cd19", "Cd19", "CD19", ""),
        ("date", "dropped", "1-Mar", "", "", "MARC1 or MARCH1"),
        ("date", "dropped", "1-Sep", "", "SEPTIN1", ""),
        ("duplicate", "summed", "ACTB", "ACTB", "", ""),
        ("separator", "kept", "HLA_DRA", "HLA_DRA", "HLA-DRA", ""),
    ]


def test_run__mends_only_when_asked(table: pathlib.Path) -> None:
    take(table, known=KNOWN)
    store = read.open_store(table.with_name("c.zarr"), "cohort")
    assert store.labels["gene"] == ["ACTB", "HLA_DRA", "Cd19"]
    assert store.read("expression").tolist() == [[15, 3, 6], [27, 4, 8]]
    summary = take(table, known=KNOWN, mend_names=True, overwrite=True)
    store = read.open_store(table.with_name("c.zarr"), "cohort")
    assert store.labels["gene"] == ["ACTB", "SEPTIN1", "HLA-DRA", "CD19"]
    assert store.read("expression").tolist() == [[15, 1, 3, 6], [27, 2, 4, 8]]
    # What is dropped still counts for the library: 5 + 1 + 3 + 6 + 10 + 1.
    assert store.read("library_size").tolist() == [26, 42]
    kinds = [(each["kind"], each["done"]) for each in summary.attributes["genes"]["findings"]]
    assert kinds == [
        ("date", "renamed"),
        ("date", "dropped"),
        ("separator", "renamed"),
        ("case", "renamed"),
        ("duplicate", "summed"),
    ]
    assert "1-Mar (MARC1 or MARCH1)" in summary.as_text()


def test_run__tells_again_of_a_complete_store(table: pathlib.Path) -> None:
    take(table)
    report = table.with_name("genes.csv")
    assert take(table, gene_report=report).state == "complete"
    assert len(pd.read_csv(report)) == 3
    report.unlink()
    assert take(table).state == "complete"
    assert not report.exists()


def test_run__a_refused_table_leaves_its_report(table: pathlib.Path) -> None:
    report = table.with_name("genes.csv")
    with pytest.raises(errors.LabelMismatchError, match="none of its 3 genes"):
        take(table, panel=["NKG7"], gene_report=report)
    assert "1-Sep" in report.read_text()
    assert not table.with_name("c.zarr").exists()


def test_run__a_report_replaces_reports_alone(table: pathlib.Path) -> None:
    report, other = table.with_name("genes.csv"), table.with_name("b.csv")
    report.write_text("kind,done,name,becomes,suggested,why\nold,,,,,\n")
    take(table, gene_report=report)
    assert "old" not in report.read_text()
    other.write_text("precious\n")
    with pytest.raises(errors.OutputExistsError, match="no gene report stands there"):
        take(table, gene_report=other)
    assert other.read_text() == "precious\n"
    for path in (table, table.with_name("c.zarr")):
        with pytest.raises(errors.OutputExistsError):
            take(table, gene_report=path, overwrite=True)
    assert table.read_text() == TABLE


def test_run__names_in_lower_case_name_the_flag(table: pathlib.Path) -> None:
    table.write_text("gene,s1\nactb,1\ncd19,2\nms4a1,3\n")
    wanted = ["ACTB", "CD19", "MS4A1"]
    with pytest.raises(
        errors.LabelMismatchError, match=r"3 of the missing differ in case.*--mend-"
    ):
        take(table, panel=wanted, orientation="genes-by-samples")
    summary = take(
        table, panel=wanted, known=wanted, mend_names=True, orientation="genes-by-samples"
    )
    assert "panel: 3 of 3 genes measured" in summary.attributes["notes"]


def test_run__the_table_of_hgnc_as_gene_map(table: pathlib.Path) -> None:
    table.write_text("gene,s1\nACTB,1\nSEPT1,2\nCAP,3\n")
    mapping = table.with_name("hgnc.tsv")
    mapping.write_text(
        "symbol\tprev_symbol\talias_symbol\nSEPTIN1\tSEPT1\t\nBRD4\t\tCAP\nCAP1\t\tCAP|X\n"
    )
    summary = take(table, gene_map=mapping)
    store = read.open_store(table.with_name("c.zarr"), "cohort")
    assert store.labels["gene"] == ["ACTB", "SEPTIN1", "CAP"]
    text = summary.as_text()
    assert "1 names renamed by the gene map (first: SEPT1 -> SEPTIN1)" in text
    assert (
        "warning: 1 names kept, since the gene map leaves them open (first: CAP (BRD4 or CAP1)"
        in text
    )
