import pytest

from bluebatch.store import gene_map, genes, naming


def findings(found: genes.Resolution) -> dict[tuple[str, str], tuple[int, list[str]]]:
    return {
        (each["kind"], each["done"]): (each["count"], each["examples"])
        for each in found.report["findings"]
    }


def test_resolve__sums_duplicates_in_order_of_first_appearance() -> None:
    found = naming.resolve(["B2M", "ACTB", "B2M"])
    assert found.genes == ["B2M", "ACTB"]
    assert found.index.tolist() == [0, 1, 0]
    assert found.notes == ["genes: 1 duplicates summed (first: B2M)"]
    assert findings(found) == {("duplicate", "summed"): (1, ["B2M"])}


def test_resolve__strips_versions_and_maps_in_words() -> None:
    found = naming.resolve(
        ["ENSG00000000001.7", "ENSG00000000002.1_PAR_Y", "RP11-34P13.7"],
        gene_map.GeneMap({"ENSG00000000002": "XG"}),
    )
    assert found.genes == ["ENSG00000000001", "XG", "RP11-34P13.7"]
    assert findings(found) == {
        ("version", "renamed"): (
            2,
            [
                "ENSG00000000001.7 -> ENSG00000000001",
                "ENSG00000000002.1_PAR_Y -> ENSG00000000002",
            ],
        ),
        ("map", "renamed"): (1, ["ENSG00000000002 -> XG"]),
    }
    assert found.notes[0].startswith("genes: 2 Ensembl ids without their version (first: ENSG")


def test_resolve__the_users_map_wins_over_the_sources_symbols() -> None:
    symbols = {"ENSG00000000001": "MARCH1", "ENSG00000000002": "TP53", "ENSG00000000003": "X"}
    mapping = gene_map.GeneMap({"MARCH1": "MARCHF1", "ENSG00000000003": "Y"})
    found = naming.resolve(list(symbols), mapping, symbols)
    assert found.genes == ["MARCHF1", "TP53", "Y"]
    assert findings(found)["symbol", "renamed"][0] == 2
    assert findings(found)["map", "renamed"] == (2, ["MARCH1 -> MARCHF1", "ENSG00000000003 -> Y"])


@pytest.mark.parametrize("date", ["1-Mar", "2-Sep", "Dec-01", "2023-03-01"])
def test_resolve__spreadsheet_dates_are_dropped_and_named(date: str) -> None:
    found = naming.resolve(["ACTB", date, "MARCH7", "SEPT9"])
    assert found.genes == ["ACTB", "MARCH7", "SEPT9"]
    assert found.index.tolist() == [0, -1, 1, 2]
    assert any(date in note and "warning" in note for note in found.notes)


def test_resolve__dates_are_mended_when_asked_and_certain() -> None:
    names = ["1-Sep", "1-Mar", "2001-12-01 00:00:00"]
    kept = naming.resolve(names)
    assert kept.genes == []
    assert kept.notes == [
        "warning: 3 gene names were turned into dates by a spreadsheet and are dropped (first: "
        "1-Sep, perhaps SEPT1, 1-Mar (MARC1 or MARCH1), 2001-12-01 00:00:00, perhaps DEC1); "
        "--mend-names brings 2 back; give --gene-map for those left open"
    ]
    mended = naming.resolve(names, mend=True)
    assert mended.genes == ["SEPT1", "DEC1"]
    assert mended.index.tolist() == [0, -1, 1]
    assert findings(mended) == {
        ("date", "renamed"): (2, ["1-Sep -> SEPT1", "2001-12-01 00:00:00 -> DEC1"]),
        ("date", "dropped"): (1, ["1-Mar (MARC1 or MARCH1)"]),
    }


def test_resolve__the_gene_map_settles_dates() -> None:
    found = naming.resolve(["1-Mar"], gene_map.GeneMap({"1-Mar": "MARCH1"}))
    assert found.genes == ["MARCH1"]


def test_resolve__names_are_mended_to_the_models_only_when_asked() -> None:
    names, wanted = (
        ["Actb", "HLA_DRA", "TP53|7157", "SEPT1"],
        ["ACTB", "HLA-DRA", "TP53", "SEPTIN1"],
    )
    kept = naming.resolve(names, wanted=wanted)
    assert kept.genes == names
    assert kept.index.tolist() == [0, 1, 2, 3]
    assert findings(kept)["case", "kept"] == (1, ["Actb, perhaps ACTB"])
    assert kept.notes[-1] == (
        "warning: 1 names differ from the model's in case (another species?) (first: Actb, perhaps "
        "ACTB); --mend-names brings 1 back, 1 of them the model's"
    )
    mended = naming.resolve(names, wanted=wanted, mend=True)
    assert mended.genes == wanted
    assert set(findings(mended)) == {
        (kind, "renamed") for kind in ("case", "separator", "suffix", "renamed")
    }


def test_resolve__conflicts_of_the_map_are_told_and_kept() -> None:
    mapping = gene_map.GeneMap({"A": "B"}, {"CAP": "BRD4 or CAP1"})
    found = naming.resolve(["CAP"], mapping)
    assert found.genes == ["CAP"]
    assert found.notes == [
        "warning: 1 names kept, since the gene map leaves them open (first: CAP (BRD4 or CAP1)); "
        "settle them in the gene map"
    ]


def test_resolve__names_that_are_no_genes() -> None:
    names = ["ACTB", "7157", "__no_feature", "N_unmapped", "", "  ", "ACTB.1", " B2M"]
    found = naming.resolve(names)
    assert found.genes == ["ACTB", "7157", "ACTB.1", "B2M"]
    assert found.index.tolist() == [0, 1, -1, -1, -1, -1, 2, 3]
    assert findings(found) == {
        ("blank", "renamed"): (1, [" B2M -> B2M"]),
        ("number", "kept"): (1, ["7157"]),
        ("copy", "kept"): (1, ["ACTB.1, perhaps ACTB"]),
        ("counter", "dropped"): (2, ["__no_feature", "N_unmapped"]),
        ("unnamed", "dropped"): (2, ["", "  "]),
    }


def test_resolve__nothing_to_say_of_clean_names() -> None:
    found = naming.resolve(["ACTB", "NAN", "HLA-DRA", "NKX2-1", "7SK", "AC004.1"])
    assert found.notes == []
    assert found.lines == []


def test_resolve__a_map_without_effect_warns() -> None:
    assert "warning" in naming.resolve(["ACTB"], gene_map.GeneMap({"XXX": "YYY"})).notes[0]


def test_resolve__copies_are_numbered_from_1() -> None:
    names = ["IGHV1-69", "IGHV1-69-2", "MATR3", "MATR3.1", "MATR3.2", "RP11-34P13.7"]
    assert findings(naming.resolve(names)) == {
        ("copy", "kept"): (2, ["MATR3.1, perhaps MATR3", "MATR3.2, perhaps MATR3"])
    }
