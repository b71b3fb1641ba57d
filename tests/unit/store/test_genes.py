import pathlib

import numpy as np
import pytest

from bluebatch import errors
from bluebatch.store import coverage, genes


def test_resolve__sums_duplicates_in_order_of_first_appearance() -> None:
    found = genes.resolve(["B2M", "ACTB", "B2M"])
    assert found.genes == ["B2M", "ACTB"]
    assert found.index.tolist() == [0, 1, 0]
    assert found.notes == ["genes: 1 duplicates summed (first: B2M)"]


def test_resolve__strips_versions_and_maps_in_words() -> None:
    found = genes.resolve(
        ["ENSG00000000001.7", "ENSG00000000002.1_PAR_Y", "RP11-34P13.7"], {"ENSG00000000002": "XG"}
    )
    assert found.genes == ["ENSG00000000001", "XG", "RP11-34P13.7"]
    assert found.report["n_renamed"] == 2
    assert "2 renamed" in found.notes[0]


def test_resolve__the_users_map_wins_over_the_sources_symbols() -> None:
    symbols = {"ENSG00000000001": "MARCH1", "ENSG00000000002": "TP53"}
    found = genes.resolve(list(symbols), {"MARCH1": "MARCHF1"}, symbols)
    assert found.genes == ["MARCHF1", "TP53"]


@pytest.mark.parametrize("date", ["1-Mar", "2-Sep", "Dec-01", "2023-03-01"])
def test_resolve__spreadsheet_dates_are_dropped_and_named(date: str) -> None:
    found = genes.resolve(["ACTB", date, "MARCH1", "SEPT2"])
    assert found.genes == ["ACTB", "MARCH1", "SEPT2"]
    assert found.index.tolist() == [0, -1, 1, 2]
    assert any(date in note and "warning" in note for note in found.notes)


def test_resolve__nothing_to_say_of_clean_names() -> None:
    assert genes.resolve(["ACTB", "NAN", "HLA-DRA"]).notes == []


def test_resolve__a_map_without_effect_warns() -> None:
    assert "warning" in genes.resolve(["ACTB"], {"XXX": "YYY"}).notes[0]


def test_match__gives_positions_and_what_is_missing() -> None:
    found = genes.match(["B2M", "INS", "ENSG00000000001"], ["ACTB", "ENSG00000000001.4", "B2M"])
    assert found.index.tolist() == [2, -1, 1]
    assert found.missing == ["INS"]
    assert found.hint == ""
    assert found.coverage == pytest.approx(2 / 3)


def test_match__symbols_against_ids_is_said_both_ways() -> None:
    ids = [f"ENSG0000000000{at}" for at in range(3)]
    assert "by Ensembl ids, the model by symbols" in genes.match(["ACTB", "B2M"], ids).hint
    assert "by symbols, the model by Ensembl ids" in genes.match(ids, ["ACTB", "B2M"]).hint


def test_match__mouse_names_are_hinted_at() -> None:
    assert "case" in genes.match(["ACTB", "B2M"], ["Actb", "B2m"]).hint


def test_read_pairs__comma_and_tab_with_or_without_header(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.csv").write_text("from,to\nENSG00000000001.2,TP53\n")
    (tmp_path / "b.tsv").write_text("ENSG00000000001\tTP53\nENSG00000000001\tXX\n")
    for name in ("a.csv", "b.tsv"):
        assert genes.read_pairs(tmp_path / name)["ENSG00000000001"] == "TP53"


def test_read_pairs__three_columns_are_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.csv").write_text("a,b,c\nd,e,f\n")
    with pytest.raises(errors.InputFileError, match="3 columns, needed: 2"):
        genes.read_pairs(tmp_path / "a.csv")
    with pytest.raises(errors.MissingInputError):
        genes.read_pairs(tmp_path / "none.csv")


def test_report__counts_markers_by_type() -> None:
    found, notes = coverage.report(
        "x.csv", ["ACTB", "CD19"], {"B": ["CD19", "MS4A1"], "NK": ["NKG7"]}, None
    )
    assert found["markers"]["B"] == {"found": 1, "wanted": 2, "missing": ["MS4A1"]}
    assert found["markers"]["NK"]["found"] == 0
    assert "markers of B: 1 of 2 measured" in notes


def test_report__nothing_matches() -> None:
    with pytest.raises(errors.LabelMismatchError, match="by Ensembl ids, the model by symbols"):
        coverage.report("x.csv", ["ENSG00000000001"], None, ["ACTB"])
    with pytest.raises(errors.LabelMismatchError, match="gene-map"):
        coverage.report("x.csv", ["A", "B"], None, ["ACTB"])
    assert coverage.report("x.csv", ["A"], None, None) == ({}, [])


def test_strip_version__leaves_symbols_alone() -> None:
    assert genes.strip_version("ENSMUSG00000000001.4") == "ENSMUSG00000000001"
    assert genes.strip_version("AC004.1") == "AC004.1"
    assert np.isclose(genes.ensembl_share(["ENSG00000000001.1", "TP53"]), 0.5)
