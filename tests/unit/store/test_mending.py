from bluebatch.store import mending
from bluebatch.store.mending import Suggestion


def test_suggest__dates_go_back_to_what_they_were() -> None:
    found = mending.suggest(["1-Sep", "1-Mar", "3-Mar", "4-Oct", "2.31E+19", "ACTB"], [])
    assert found == {
        "1-Sep": Suggestion("date", "SEPT1"),
        "1-Mar": Suggestion("date", "", "MARC1 or MARCH1"),
        "3-Mar": Suggestion("date", "MARCH3"),
        "4-Oct": Suggestion("date", ""),
        "2.31E+19": Suggestion("date", ""),
    }


def test_suggest__dates_take_the_name_that_the_model_knows() -> None:
    found = mending.suggest(["1-Sep", "2-Sep", "1-Dec"], ["SEPTIN1", "SEPT2", "SEPTIN2"])
    assert [found[name].becomes for name in ("1-Sep", "2-Sep", "1-Dec")] == [
        "SEPTIN1",
        "SEPT2",
        "DEC1",
    ]


def test_suggest__a_date_is_no_gene_that_is_there() -> None:
    for there in ("SEPT1", "SEPTIN1"):
        found = mending.suggest(["1-Sep", there], [])
        assert found == {"1-Sep": Suggestion("date", "", "SEPT1, which the table has as well")}


def test_suggest__case_and_separators_by_the_models_names() -> None:
    names = ["hla_dra", "HLA_DRB1", "NKX2.1", "Actb", "B2M", "unknown"]
    wanted = ["HLA-DRA", "HLA-DRB1", "NKX2-1", "ACTB", "B2M"]
    assert mending.suggest(names, []) == {}
    assert mending.suggest(names, wanted) == {
        "hla_dra": Suggestion("case", "HLA-DRA"),
        "HLA_DRB1": Suggestion("separator", "HLA-DRB1"),
        "NKX2.1": Suggestion("separator", "NKX2-1"),
        "Actb": Suggestion("case", "ACTB"),
    }


def test_suggest__what_is_there_already_is_no_suggestion() -> None:
    assert mending.suggest(["Actb", "ACTB", "SEPT1", "SEPTIN1"], ["ACTB", "SEPTIN1"]) == {}
    assert mending.suggest(["TP53|7157", "TP53"], []) == {"TP53|7157": Suggestion("suffix", "")}


def test_suggest__two_names_for_one_gene_are_left_open() -> None:
    found = mending.suggest(["Actb", "actb"], ["ACTB"])
    assert found == {
        name: Suggestion("case", "", "Actb and actb against ACTB") for name in ("Actb", "actb")
    }
    found = mending.suggest(["H1_2"], ["H1-2", "H1.2"])
    assert found == {"H1_2": Suggestion("separator", "", "H1_2 against H1-2 and H1.2")}


def test_suggest__entrez_ids_behind_a_bar() -> None:
    found = mending.suggest(["TP53|7157", "?|100130426", "SEPT1|1731"], ["SEPTIN1"])
    assert found == {
        "TP53|7157": Suggestion("suffix", "TP53"),
        "SEPT1|1731": Suggestion("suffix", "SEPTIN1"),
    }


def test_suggest__names_of_before_and_after_2020() -> None:
    assert mending.suggest(["SEPT1", "MARCHF3", "DEC1"], ["SEPTIN1", "MARCH3"]) == {
        "SEPT1": Suggestion("renamed", "SEPTIN1"),
        "MARCHF3": Suggestion("renamed", "MARCH3"),
    }
