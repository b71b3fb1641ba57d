"""The gene names of a real cohort, mangled as R and a spreadsheet do it, and mended again."""

import os
import pathlib

import anndata
import pytest

from bluebatch.store import naming, spreadsheets

HERE = pathlib.Path(__file__).resolve()
DATA = pathlib.Path(os.environ.get("BLUEBATCH_TEST_DATA", HERE.parents[2] / ".." / "shared/data"))

pytestmark = pytest.mark.real

MONTHS = {"SEPT": "Sep", "MARCH": "Mar", "MARC": "Mar", "DEC": "Dec", "SEP": "Sep"}


def mangle(name: str) -> str:
    family = name.rstrip("0123456789")
    if name in spreadsheets.RENAMED:
        return f"X{name.removeprefix(family)}.{MONTHS[family]}"
    return name.replace("-", ".").lower()


def test_resolve__a_real_cohort_gets_its_names_back() -> None:
    path = DATA / "bulk" / "pbmc_monaco_s13_tpm.h5ad"
    if not path.is_file():
        pytest.skip(f"{path} is absent: set BLUEBATCH_TEST_DATA")
    names = list(anndata.read_h5ad(path, backed="r").var_names)
    mangled = [mangle(name) for name in names]
    kept = naming.resolve(mangled, wanted=names)
    assert kept.genes == [name for name in mangled if not name.startswith("X") or name in names]
    mended = naming.resolve(mangled, wanted=names, mend=True)
    # The first and the second of March are two genes each, and stay open.
    lost = {"MARCH1", "MARCH2", "MARC1", "MARC2"} & set(names)
    assert "MARCH1" in lost
    assert mended.genes == [name for name in names if name not in lost]
    assert naming.resolve(names, wanted=names, mend=True).genes == names
