import gzip
import pathlib

import pydantic
import pytest

from bluebatch import errors
from bluebatch.downstream import gene_sets

SMALL = gene_sets.GeneSetSettings(min_size=2, max_size=3)
TEXT = "ONE\thttp://one\tA\tB\tC\tB\nTWO\t\tB\tD\t\n\nONE\tagain\tD\n"


def write(folder: pathlib.Path, text: str, name: str = "sets.gmt") -> pathlib.Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("how", ["plain", "gz", "bom", "crlf"])
def test_read__takes_names_descriptions_and_genes(tmp_path: pathlib.Path, how: str) -> None:
    text = {"bom": "\ufeff" + TEXT, "crlf": TEXT.replace("\n", "\r\n")}.get(how, TEXT)
    path = write(tmp_path, text)
    if how == "gz":
        path.write_bytes(gzip.compress(text.encode()))
    found = gene_sets.read(path)
    assert found.members == {"ONE": ("A", "B", "C", "D"), "TWO": ("B", "D")}
    assert found.descriptions == {"ONE": "http://one", "TWO": ""}
    assert found.notes == [f"{path}: line 4: names the gene set ONE again; its genes are merged"]


def test_read__a_set_without_genes_is_left_out_with_its_line(tmp_path: pathlib.Path) -> None:
    found = gene_sets.read(write(tmp_path, "NIL\tnothing\nONE\t\tA\n"))
    assert list(found.members) == ["ONE"]
    assert "line 1: the gene set NIL has no genes and is left out" in found.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ONE\t\tA\nTWO,x,B\n", "line 2: has 1 field, needed: a name, a description and genes"),
        ("\tx\tA\n", "line 1: has no name"),
        ("\n \n", "holds no gene set"),
        ("NIL\tx\n", "holds no gene set"),
    ],
)
def test_read__a_bad_line_is_told_by_its_number(
    tmp_path: pathlib.Path, text: str, message: str
) -> None:
    with pytest.raises(errors.InputFileError, match=message) as told:
        gene_sets.read(write(tmp_path, text))
    assert "\n" not in str(told.value)


def test_read__other_encodings_are_told_by_line(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "latin.gmt"
    path.write_bytes("ONE\tx\tA\nTWO\tna\u00efve\tB\n".encode("latin-1"))
    with pytest.raises(errors.InputFileError, match=r"line 2: is not UTF-8 \(.* at byte 7\)"):
        gene_sets.read(path)


def test_read__damaged_and_missing_files_are_told(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "sets.gmt.gz"
    path.write_bytes(gzip.compress(TEXT.encode() * 50)[:40])
    with pytest.raises(errors.InputFileError, match="truncated or damaged"):
        gene_sets.read(path)
    with pytest.raises(errors.MissingInputError, match="no such file"):
        gene_sets.read(tmp_path / "none.gmt")
    with pytest.raises(errors.InputFileError, match="is a folder, needed: a GMT file"):
        gene_sets.read(tmp_path)


def sets_of(*sets: str) -> gene_sets.GeneSetFile:
    members = {f"S{at}": tuple(genes.split()) for at, genes in enumerate(sets)}
    return gene_sets.GeneSetFile("s.gmt", members, dict.fromkeys(members, ""), ["merged"])


def test_within__keeps_sets_by_their_size_in_the_background() -> None:
    # Of A to E: S0 has one, S1 two, S2 three, S3 four.
    file = sets_of("A X Y Z", "A B X", "C D E", "A B C D")
    found = gene_sets.within(file, list("ABCDE"), SMALL)
    assert found.names == ["S1", "S2"]
    assert found.membership.toarray().tolist() == [[1, 1, 0, 0, 0], [0, 0, 1, 1, 1]]
    assert found.notes == [
        "s.gmt: 5 of its 8 genes (62%) were tested; 2 of 4 gene sets have 2 to 3 of the 5 genes "
        "(1 have fewer, 1 more)",
        "merged",
    ]


def test_within__versions_of_ensembl_ids_do_not_matter() -> None:
    file = sets_of("ENSG00000141510.18 ENSG00000141510.2 ENSG00000012048")
    background = ["ENSG00000012048.1", "ENSG00000141510"]
    found = gene_sets.within(file, background, SMALL)
    assert found.membership.toarray().tolist() == [[1, 1]]


def test_within__little_coverage_is_noted() -> None:
    file = sets_of("A B C P Q R S T U V W X Y Z K L")
    found = gene_sets.within(file, ["A", "B", "C"], SMALL)
    assert any("most of its genes were not tested" in note for note in found.notes)


@pytest.mark.parametrize(
    ("background", "message"),
    [
        (["ENSG00000141510"], "names genes by symbols, the profiles by Ensembl ids"),
        (["7157", "672"], "names genes by symbols, the profiles by Entrez ids"),
        (["tp53"], "differ in case alone"),
        (["KRAS"], "of the same species and names"),
        ([], "here: nothing"),
    ],
)
def test_within__nothing_shared_is_told(background: list[str], message: str) -> None:
    with pytest.raises(errors.LabelMismatchError, match=message) as told:
        gene_sets.within(sets_of("TP53 BRCA1"), background, SMALL)
    assert "\n" not in str(told.value)
    assert "none of its 2 genes" in str(told.value)


def test_within__no_set_of_a_fitting_size_is_told() -> None:
    with pytest.raises(errors.LabelMismatchError, match=r"\(1 have fewer, 1 more\)"):
        gene_sets.within(sets_of("A", "A B C D"), list("ABCD"), SMALL)


def test_settings__sizes_in_order() -> None:
    with pytest.raises(pydantic.ValidationError, match="min_size of at most max_size"):
        gene_sets.GeneSetSettings(min_size=9, max_size=8)


def test_settings__correlation_is_a_way_or_a_number() -> None:
    # An integer of a TOML file is a number, not a way.
    whole = gene_sets.GeneSetSettings.model_validate({"correlation": 0})
    assert isinstance(whole.correlation, float)
    assert gene_sets.GeneSetSettings.model_validate({"correlation": "camera"}).correlation
    for wrong in ("roast", 1, -0.1):
        with pytest.raises(pydantic.ValidationError):
            gene_sets.GeneSetSettings.model_validate({"correlation": wrong})
