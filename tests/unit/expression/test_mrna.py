import logging
import pathlib

import numpy as np
import pytest

from bluebatch import errors
from bluebatch.expression import mrna


def test_published__is_the_root_of_the_product_relative_to_b() -> None:
    # By hand from the published mRNA per cell, for Mono:
    # sqrt(1.4196 x 130.65) / sqrt(.4016 x 65.66) = 13.619 / 5.135.
    factors = mrna.published()
    expected = {"B": 1, "CD4T": 0.98, "CD8T": 1.026, "Mono": 2.65, "NK": 1.40, "Neu": 0.37}
    assert factors == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("CD14+ Monocyte", 2.652),
        ("CD14+ Monocytes", 2.652),
        ("NK cells", 1.401),
        ("CD8+ T cells", 1.026),
        ("CD4 T cell", 0.978),
        ("B cells", 1.0),
        ("Neutrophils", 0.370),
    ],
)
def test_for_bulk__knows_common_names(name: str, factor: float) -> None:
    found = mrna.for_bulk([name], mrna.MrnaSettings())
    assert found.values[0] == pytest.approx(factor, abs=0.001)
    assert "EPIC" in found.source


def test_for_bulk__a_type_without_factor_gets_1_and_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger = logging.getLogger("bluebatch")
    before, logger.propagate = logger.propagate, True
    try:
        found = mrna.for_bulk(["Beta", "NK"], mrna.MrnaSettings())
    finally:
        logger.propagate = before
    assert found.values[0] == 1
    assert "Beta" in caplog.text
    assert "NK" not in caplog.text


def test_for_bulk__the_users_table_comes_first(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text("cell_type,factor\nBeta,3.5\nNK,2\n")
    found = mrna.for_bulk(["NK", "Beta"], mrna.MrnaSettings(), mrna.read_table(file))
    assert found.values.tolist() == [2.0, 3.5]
    assert found.named(["NK", "Beta"]) == {"NK": 2.0, "Beta": 3.5}


def test_for_bulk__no_table_means_equal_cells() -> None:
    found = mrna.for_bulk(["Mono"], mrna.MrnaSettings(table="none"))
    assert found.values.tolist() == [1.0]


def test_for_pseudobulk__averages_references_on_their_own_scales() -> None:
    # Relative to their means: (.5, 1.5) and (.8, 1.2); the third type is nowhere.
    sizes = np.array([[100.0, 300.0, np.nan], [8000.0, 12000.0, np.nan]])
    np.testing.assert_allclose(mrna.for_pseudobulk(sizes).values, [0.65, 1.35, 1.0])


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("name,factor\nB,1\n", errors.InputFileError, "needed: cell_type,factor"),
        ("cell_type,factor\nB,0\n", errors.ValuesError, "factor of B"),
        ("cell_type,factor\nB,much\n", errors.ValuesError, "factor of B"),
        ("", errors.InputFileError, "is no CSV"),
    ],
)
def test_read_table__refuses_bad_tables(
    tmp_path: pathlib.Path, text: str, error: type[Exception], match: str
) -> None:
    file = tmp_path / "own.csv"
    file.write_text(text)
    with pytest.raises(error, match=match):
        mrna.read_table(file)
    with pytest.raises(errors.MissingInputError):
        mrna.read_table(tmp_path / "absent.csv")
