import pathlib

import numpy as np
import pytest

from bluebatch import errors
from bluebatch.store import coverage, genes


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


def test_match__mangled_names_are_hinted_at() -> None:
    def hint(wanted: list[str], there: list[str]) -> str:
        return genes.match(wanted, there).hint

    mend = "--mend-names --model"
    assert mend in hint(["ACTB", "B2M"], ["Actb", "B2m"])
    underscores = hint(["HLA-A", "HLA-B", "B2M"], ["HLA_A", "HLA_B", "B2M"])
    assert "2 of the missing differ in hyphens, dots or underscores" in underscores
    assert mend in underscores
    assert "carry an Entrez id" in hint(["TP53", "B2M"], ["TP53|7157", "B2M|567"])
    assert "renaming by HGNC" in hint(["SEPTIN1", "MARCHF3"], ["SEPT1", "MARCH3"])
    assert "dates of a spreadsheet" in hint(["SEPT1"], ["1-Sep"])
    assert "by numbers, probes or transcripts" in hint(["TP53"], ["7157", "567"])
    assert hint(["TP53", "B2M"], ["X", "Y"]) == ""
    # Half is measured: nothing is wrong with the names.
    assert hint(["TP53", "B2M"], ["TP53", "b2m"]) == ""


def test_is_number__ids_that_are_no_genes_names() -> None:
    for name in ("7157", "1007_s_at", "ILMN_1779356", "NM_000546.6", "NR_046018"):
        assert genes.is_number(name)
    for name in ("TP53", "7SK", "5S_rRNA", "NM", "ENSG00000141510", "DATA_atlas"):
        assert not genes.is_number(name)


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


def test_of_markers__shares_by_hand() -> None:
    markers = {"B": ["CD19", "MS4A1", "CD79A", "CD79B"], "NK": ["NKG7"], "DC": []}
    found = coverage.of_markers(markers, ["CD79A", "ACTB", "NKG7"])
    assert found == {"B": (0.25, ["CD19", "MS4A1", "CD79B"]), "NK": (1.0, [])}
    assert coverage.tell(found) == (
        "warning: under half of the markers of B measured (B 25%, NK 100%)"
    )
    assert coverage.tell({"NK": (1.0, [])}) == "markers measured: NK 100%"
    assert coverage.tell({}) == ""


def test_report__warns_below_half() -> None:
    _, notes = coverage.report("x.csv", ["A", "B"], {"T": ["A", "X", "Y"], "U": ["A", "X"]}, None)
    assert "warning: markers of T: 1 of 3 measured" in notes
    assert "markers of U: 1 of 2 measured" in notes


def test_check_markers__names_the_worst_type() -> None:
    shares = {"B": (0.05, ["CD19"]), "NK": (0.0, ["NKG7", "GNLY"]), "T": (0.1, ["CD3D"])}
    with pytest.raises(
        errors.LabelMismatchError,
        match=r"x\.zarr: measures 0% of the markers of NK, and of 1 more types, needed: 10% "
        r"\(missing first: NKG7, GNLY\)\. Train with --cohort",
    ):
        coverage.check_markers("x.zarr", shares, 0.1, "")
    with pytest.raises(errors.LabelMismatchError, match="Names differ"):
        coverage.check_markers("x.zarr", shares, 0.1, "Names differ.")
    coverage.check_markers("x.zarr", shares, 0.0, "")
    coverage.check_markers("x.zarr", {"T": shares["T"]}, 0.1, "")


def test_lost_to_dates__only_where_dates_were_dropped() -> None:
    dropped = {"genes": {"findings": [{"kind": "date", "done": "dropped", "count": 3}]}}
    told = coverage.lost_to_dates(["ACTB", "SEPTIN1", "MARCH1"], dropped)
    assert "2 missing genes (SEPTIN1, MARCH1)" in told
    assert "dropped 3 dates" in told
    assert "--mend-names" in told
    assert coverage.lost_to_dates(["ACTB"], dropped) == ""
    mended = {"genes": {"findings": [{"kind": "date", "done": "renamed", "count": 3}]}}
    assert coverage.lost_to_dates(["SEPTIN1"], mended) == ""
    assert coverage.lost_to_dates(["SEPTIN1"], {}) == ""


def test_strip_version__leaves_symbols_alone() -> None:
    assert genes.strip_version("ENSMUSG00000000001.4") == "ENSMUSG00000000001"
    assert genes.strip_version("AC004.1") == "AC004.1"
    assert np.isclose(genes.ensembl_share(["ENSG00000000001.1", "TP53"]), 0.5)
