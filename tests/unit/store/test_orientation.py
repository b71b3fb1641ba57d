import pytest

from bluebatch import errors
from bluebatch.store import orientation, tables


def nothing() -> tables.Blocks:
    yield from ()


def decide(lines: list[str], columns: list[str], asked: str | None = None) -> tuple[str, str]:
    table = tables.Table("x.csv", columns, nothing)
    return orientation.decide(table, lines, {"MYGENE"}, asked)


IDS = ["ENSG00000000001.1", "ENSG00000000002.3"]


@pytest.mark.parametrize("genes", [["ACTB", "X1"], IDS, ["MYGENE", "X2"]])
def test_decide__known_genes_tell_both_ways(genes: list[str]) -> None:
    samples = ["s1", "s2", "s3", "s4"]
    assert decide(genes, samples) == ("gene", "orientation: genes x samples, by the names")
    assert decide(samples, genes) == ("sample", "orientation: samples x genes, by the names")


def test_decide__barcodes_tell() -> None:
    assert decide(["TCGA-AB-1234-01", "TCGA-AB-1235-01"], ["x"])[0] == "sample"


def test_decide__by_size_it_says_so() -> None:
    axis, note = decide(["u", "v", "w"], ["x", "y"])
    assert axis == "gene"
    assert "by size alone" in note


def test_decide__a_square_of_unknown_names_needs_the_flag() -> None:
    with pytest.raises(errors.LabelMismatchError, match="--orientation genes-by-samples"):
        decide(["u", "v"], ["x", "y"])
    assert decide(["u", "v"], ["x", "y"], "samples-by-genes")[0] == "sample"
