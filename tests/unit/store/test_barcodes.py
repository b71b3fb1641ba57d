import pytest

from bluebatch import errors
from bluebatch.store import barcodes

TUMOUR, NORMAL = "TCGA-AB-1234-01A-11R-A123-07", "TCGA-AB-1234-11A-11R-A123-07"


def select(
    samples: list[str], pattern: str | None = None, *, keep: bool = False
) -> barcodes.Selection:
    return barcodes.select(
        "x.csv", samples, pattern, keep_normals=keep, known_patients={}, known_normals=()
    )


def test_select__tcga_normals_are_dropped_and_listed() -> None:
    found = select([NORMAL, TUMOUR, "TCGA-CD-0001-03"])
    assert found.kept.tolist() == [1, 2]
    assert found.patients == ["TCGA-AB-1234", "TCGA-CD-0001"]
    assert found.dropped == [NORMAL]
    assert any(NORMAL in note and "--keep-normals" in note for note in found.notes)


def test_select__normals_can_be_kept() -> None:
    found = select([NORMAL, TUMOUR], keep=True)
    assert found.kept.tolist() == [0, 1]
    assert found.patients == ["TCGA-AB-1234"] * 2
    assert "1 samples are of a patient who has another" in found.notes[-1]


def test_select__names_altered_by_r_are_known() -> None:
    assert select(["TCGA.AB.1234.09A"]).patients == ["TCGA-AB-1234"]


def test_select__other_names_have_no_patient() -> None:
    found = select(["Sub1", "Sub2"])
    assert found.patients is None
    assert found.kept.tolist() == [0, 1]


def test_select__patients_by_an_expression() -> None:
    assert select(["P1_a", "P1_b", "P2_a"], r"^(P\d+)_").patients == ["P1", "P1", "P2"]


@pytest.mark.parametrize("pattern", ["(", "P1", "(P)(1)"])
def test_select__an_expression_needs_one_group(pattern: str) -> None:
    with pytest.raises(errors.ConfigError, match="--patient-from-sample"):
        select(["P1"], pattern)


def test_select__names_beside_the_expression_are_refused() -> None:
    with pytest.raises(errors.LabelMismatchError, match=r"1 sample names do not match"):
        select(["P1_a", "Q"], r"^(P\d)")
    with pytest.raises(errors.LabelMismatchError, match="no sample name is a TCGA barcode"):
        select(["Q"], "tcga")


def test_select__nothing_but_normals() -> None:
    with pytest.raises(errors.LabelMismatchError, match="--keep-normals"):
        select([NORMAL])


def test_select__duplicates_are_listed() -> None:
    with pytest.raises(errors.LabelMismatchError, match=r"2 sample names .*\(a, b\)"):
        select(["a", "b", "a", "b", "c"])


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("TCGA-AB-1234-03A-01T-0734-13", ("tcga", "TCGA-AB-1234", "03")),
        ("TCGA-AB-1234", ("tcga", "TCGA-AB-1234", "")),
        ("TARGET-20-PABGKN-09A-01R", ("target", "TARGET-20-PABGKN", "09")),
        ("TARGET.20.PABGKN.09A.01R", ("target", "TARGET-20-PABGKN", "09")),
        ("TARGET-20-PABGKN", ("target", "TARGET-20-PABGKN", "")),
        # Words may stand before the sample's type; 01R is a portion and no type.
        ("TARGET-20-PASARK-Sorted-leukemic-09A-01R", ("target", "TARGET-20-PASARK", "09")),
        ("TARGET-20-PABG", None),
        ("XTARGET-20-PABGKN", None),
        ("GSM1203305_02H053", None),
    ],
)
def test_read_barcode__tcga_and_target(name: str, read: tuple[str, str, str] | None) -> None:
    assert barcodes.read_barcode(name) == read


def test_select__target_patients_are_read_and_normals_dropped() -> None:
    patient = "TARGET-20-PABGKN"
    samples = [f"{patient}-09A-01R", f"{patient}-14A-01R", f"{patient}-03A-01R"]
    for pattern in (None, "target"):
        found = select(samples, pattern)
        assert found.kept.tolist() == [0, 2]
        assert found.patients == [patient] * 2
        assert found.notes[0].startswith("samples: TARGET barcodes (1 of type 03, 1 of type 09")
    with pytest.raises(errors.LabelMismatchError, match="no sample name is a TCGA barcode"):
        select(samples, "tcga")
