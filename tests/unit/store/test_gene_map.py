import gzip
import pathlib

import pytest

from bluebatch import errors
from bluebatch.store import gene_map


def read(folder: pathlib.Path, text: str, name: str = "map.csv") -> gene_map.GeneMap:
    (folder / name).write_text(text)
    return gene_map.read(folder / name)


def test_read__two_columns_with_several_names_in_a_cell(tmp_path: pathlib.Path) -> None:
    by_bar = read(tmp_path, "from,to\nA1|A2, A\nENSG00000000001.2,TP53\n")
    by_comma = read(tmp_path, '"A1,A2",A\nENSG00000000001,TP53\n')
    by_tab = read(tmp_path, "A1, A2\tA\nENSG00000000001\tTP53\n", "map.tsv")
    wanted = {"A1": "A", "A2": "A", "ENSG00000000001": "TP53"}
    assert by_bar.pairs == {"from": "to", **wanted}
    assert by_comma.pairs == by_tab.pairs == wanted
    assert by_bar.conflicts == by_tab.conflicts == {}
    assert not by_bar.is_alias_table


def test_read__a_name_for_two_genes_is_a_conflict(tmp_path: pathlib.Path) -> None:
    found = read(tmp_path, "A,X\nA,Y\nB,X\nB,X\nC,X|Z\n")
    assert found.pairs == {"B": "X"}
    assert found.conflicts == {"A": "X or Y", "C": "X or Z"}


def test_read__a_name_that_another_is_turned_into_is_a_conflict(tmp_path: pathlib.Path) -> None:
    found = read(tmp_path, "A,B\nB,C\nD,D\n")
    assert found.pairs == {"A": "B"}
    assert found.conflicts == {"B": "B or C"}


def test_read__an_empty_target_renames_nothing(tmp_path: pathlib.Path) -> None:
    # Ensembl's tables have no symbol for many genes.
    assert read(tmp_path, "ENSG00000000001,\nENSG00000000002,TP53\n").pairs == {
        "ENSG00000000002": "TP53"
    }


HGNC = (
    "hgnc_id\tsymbol\tname\talias_symbol\tprev_symbol\tensembl_gene_id\n"
    "HGNC:1\tSEPTIN1\tseptin 1\tPNUTL3|DIFF6\tSEPT1\tENSG00000180096\n"
    'HGNC:2\tBRD4\t"bromodomain, 4"\t"CAP|HUNK1|CAP1"\t\tENSG00000141867\n'
    "HGNC:3\tCAP1\tcyclase\tCAP\t\tENSG00000131236\n"
)


def test_read__the_table_of_hgnc(tmp_path: pathlib.Path) -> None:
    found = read(tmp_path, HGNC, "hgnc_complete_set.txt")
    assert found.is_alias_table
    assert found.pairs == {
        "PNUTL3": "SEPTIN1",
        "DIFF6": "SEPTIN1",
        "SEPT1": "SEPTIN1",
        "ENSG00000180096": "SEPTIN1",
        "HUNK1": "BRD4",
        "ENSG00000141867": "BRD4",
        "ENSG00000131236": "CAP1",
    }
    # CAP is an alias of two; CAP1 an alias of one and the symbol of another.
    assert found.conflicts == {"CAP": "BRD4 or CAP1", "CAP1": "CAP1 or BRD4"}


def test_read__the_download_of_genenames(tmp_path: pathlib.Path) -> None:
    text = "Approved symbol\tPrevious symbols\tAlias symbols\nA\tA1, A2\t\nB\t\tB1\n"
    found = read(tmp_path, text, "a.txt")
    assert found.pairs == {"A1": "A", "A2": "A", "B1": "B"}


def test_read__gzipped_and_with_a_byte_order_mark(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(HGNC.encode("utf-8-sig")))
    assert gene_map.read(tmp_path / "a.tsv.gz").pairs["SEPT1"] == "SEPTIN1"


def test_read__other_columns_are_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.InputFileError, match=r"3 columns, needed: 2 \(from, to\), or a hea"):
        read(tmp_path, "a,b,c\nd,e,f\n")
    with pytest.raises(errors.InputFileError, match="1 columns"):
        read(tmp_path, "a\nc\n")
    with pytest.raises(errors.InputFileError, match="not a table"):
        read(tmp_path, "")
    with pytest.raises(errors.InputFileError, match="not a table"):
        read(tmp_path, "a,b\nc,d,e\n")
    with pytest.raises(errors.MissingInputError, match="no such file"):
        gene_map.read(tmp_path / "none.csv")


def test_choose__a_users_own_map_is_followed() -> None:
    mapping = gene_map.GeneMap({"A": "B", "C": "D"}, {"E": "F or G"})
    choice = mapping.choose({"A", "B", "E", "X"}, {"A"})
    # B is there as well: the two are summed, as the user says.
    assert choice == gene_map.Choice({"A": "B"}, {"E": "F or G"}, {})


def test_choose__an_alias_table_harms_nothing() -> None:
    pairs = {"A1": "A", "B1": "B", "C1": "C", "C2": "C", "ENSG00000000001": "B", "D1": "D"}
    mapping = gene_map.GeneMap(pairs, is_alias_table=True)
    there = {"A1", "B1", "B", "ENSG00000000001", "C", "D", "D1"}
    choice = mapping.choose(there, {"A1", "C1"})
    # The model knows A1, and C as C1. B1 would be summed with B, which an id may be.
    assert choice.renamed == {"C": "C1", "ENSG00000000001": "B"}
    assert choice.known == {"A1": "A"}
    assert choice.conflicts == {
        "B1": "B, which the table has as well",
        "D1": "D, which the table has as well",
    }
    # The model has two of C's names: neither is better.
    assert mapping.choose({"C"}, {"C1", "C2"}).renamed == {}
