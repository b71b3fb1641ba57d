import pytest

from bluebatch.store import spreadsheets

# Dates as Excel, LibreOffice and pandas write them, and the symbols they can have been.
READ = {
    "1-Sep": ["SEPT1"],
    "01-Sep": ["SEPT1"],
    "1-SEP": ["SEPT1"],
    "14-Sep": ["SEPT14"],
    "13-Sep": [],
    "15-Sep": ["SEP15"],
    "Sep-01": ["SEPT1"],
    "Sep-1": ["SEPT1"],
    "SEP-01": ["SEPT1"],
    "Sep-2007": ["SEPT7"],
    "1-Mar": ["MARC1", "MARCH1"],
    "2-Mar": ["MARC2", "MARCH2"],
    "3-Mar": ["MARCH3"],
    "11-Mar": ["MARCH11"],
    "12-Mar": [],
    "1-Dec": ["DEC1"],
    "2-Dec": [],
    "4-Oct": [],
    "2001-09-01 00:00:00": ["SEPT1"],
    "2001-09-01": ["SEPT1"],
    # Typed SEPT1 in 2005, or SEPT5 taken for September 2005.
    "2005-09-01": ["SEPT1", "SEPT5"],
    "2005-09-02": ["SEPT2"],
    "2023-09-01": ["SEPT1"],
    "2023/03/01": ["MARC1", "MARCH1"],
    "1-Sep-2021": ["SEPT1"],
    "1-Sep-05": ["SEPT1", "SEPT5"],
    # The day or the month may stand first: September 3rd, or March 9th.
    "9/3/2020": ["MARCH9", "SEPT3"],
    "9/1/2020": ["SEPT1"],
    "01.09.2020": ["SEPT1"],
    "1. Sep": ["SEPT1"],
    "X1.Sep": ["SEPT1"],
    "X2005.09.01": ["SEPT1", "SEPT5"],
    "3. Mrz": ["MARCH3"],
    "1. Dez": ["DEC1"],
    "4-mars": ["MARCH4"],
    "5-sept": ["SEPT5"],
}


@pytest.mark.parametrize("name", READ)
def test_readings__symbols_by_hand(name: str) -> None:
    assert spreadsheets.is_mangled(name)
    assert spreadsheets.readings(name) == READ[name]


@pytest.mark.parametrize("name", ["2.31E+19", "1E+05", "2.31e+19"])
def test_is_mangled__powers_of_ten(name: str) -> None:
    assert spreadsheets.is_mangled(name)
    assert spreadsheets.readings(name) == []


NAMES = (
    *("SEPT1", "SEPTIN1", "MARCH1", "MARCHF1", "MARC1", "DEC1", "DELEC1", "OCT4", "NOV", "FEB1"),
    *("APR-1", "OCT-1", "MARCH-1", "MAR-2", "SEP-15", "HLA-A", "NKX2-1", "RP11-34P13.7", "7SK"),
    *("5S_rRNA", "ENSG00000141510.18", "7157", "1E", "2310009E13Rik", "MIR-21", "H1-2", "1-8D"),
    *(
        "13-45-99",
        "32-Sep",
        "2001-13-40",
        "",
        "-",
        "Set-1x",
        "TRA-AGC1-1",
        "JUN",
        "JUND",
        "MAY1",
        "X1",
        "XIST",
    ),
)


@pytest.mark.parametrize("name", NAMES)
def test_is_mangled__names_of_genes_are_not(name: str) -> None:
    assert not spreadsheets.is_mangled(name)


def test_renamed__the_27_of_2020_and_sep15() -> None:
    # Bruford et al. (2020): 13 septins, 11 MARCH, 2 MARC and DEC1.
    assert len(spreadsheets.RENAMED) == 27 + 1
    assert spreadsheets.RENAMED["SEPT14"] == "SEPTIN14"
    assert spreadsheets.RENAMED["MARCH11"] == "MARCHF11"
    assert spreadsheets.RENAMED["MARC2"] == "MTARC2"
    assert spreadsheets.RENAMED["DEC1"] == "DELEC1"
    assert len(spreadsheets.FORMER) == len(spreadsheets.RENAMED)
