import dataclasses
import pathlib

import numpy as np
import pytest
from scipy import stats
from unit.downstream import discovered, planted

from bluebatch.downstream import subtype_expression
from bluebatch.downstream.differential import DifferentialSettings
from bluebatch.downstream.signature_settings import SignatureSettings

PLAN = dataclasses.replace(discovered.PLAN, n_patients=90, n_genes=30, absent=0.2)
SETTINGS = discovered.SETTINGS.model_copy(
    update={
        "signature": SignatureSettings(min_genes=2),
        "differential": DifferentialSettings(test="welch"),
    }
)


def three_groups(drawn: planted.Planted) -> np.ndarray:
    """The planted group is favourable, and a third of the others unfavourable."""
    index = np.where(drawn.inside, 0, 1).astype(np.int8)
    index[np.flatnonzero(index == 1)[::3]] = 2
    return index


def test_compare__profiles_of_each_type_as_scipy_does(tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(PLAN, seed=1)
    cohort = discovered.open_drawn(tmp_path, drawn)
    group = three_groups(drawn)
    told: list[int] = []
    how = subtype_expression.How(SETTINGS)
    found = subtype_expression.compare(cohort, drawn.cell_types, group, how, told.append)
    assert list(found.tests) == drawn.cell_types
    assert told == [1] * 4
    for name in drawn.cell_types:
        profile = drawn.profile[:, drawn.cell_types.index(name)].astype(float)
        there = ~np.isnan(profile[:, 0])
        table = found.tests[name]
        for word, code in (("favourable", 0), ("unfavourable", 2)):
            part = table[table["group"] == word].set_index("gene").loc[drawn.genes]
            inside, outside = profile[there & (group == code)], profile[there & (group != code)]
            difference = inside.mean(axis=0) - outside.mean(axis=0)
            np.testing.assert_allclose(part["difference"], difference, atol=1e-5)
            theirs = stats.ttest_ind(inside, outside, equal_var=False)
            np.testing.assert_allclose(part["statistic"], theirs.statistic, rtol=1e-3, atol=1e-4)
            assert (part["n_in"] == len(inside)).all()
            assert (part["n_out"] == len(outside)).all()
            assert set(part["kind"]) == {"descriptive"}


def test_compare__reciprocal_genes_go_both_ways(tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(PLAN, seed=1)
    group = three_groups(drawn)
    profile = drawn.profile.copy()
    # One gene of B is higher in the favourable group and lower in the unfavourable one.
    at = drawn.cell_types.index("B")
    profile[:, at, 7] += np.array([3.0, 0.0, -3.0], np.float32)[group]
    cohort = discovered.open_drawn(tmp_path, dataclasses.replace(drawn, profile=profile))
    how = subtype_expression.How(SETTINGS)
    found = subtype_expression.compare(cohort, ["B"], group, how)
    assert found.reciprocal["gene"].tolist() == ["G007"]
    assert found.reciprocal["cell_type"].tolist() == ["B"]


def test_compare__signatures_are_fitted_where_there_is_bulk(tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(PLAN, seed=1)
    group = three_groups(drawn)
    # The favourable group has three times as much of half of the genes.
    bulk = drawn.bulk * np.where((group == 0)[:, None] & (np.arange(30) < 15), 3.0, 1.0)
    drawn = dataclasses.replace(drawn, bulk=bulk)
    cohort = discovered.open_drawn(tmp_path, drawn)
    how = subtype_expression.How(SETTINGS)
    found = subtype_expression.compare(cohort, ["B"], group, how)
    assert "favourable" in found.signatures
    assert set(found.signatures["favourable"].genes) <= set(drawn.genes)
    scores = found.signatures["favourable"].score(
        cohort.found.bulk(cohort.rows, drawn.genes), drawn.genes
    )
    assert (scores.inside == (group == 0)).mean() > 0.95
    (tmp_path / "alone").mkdir()
    alone = discovered.open_drawn(tmp_path / "alone", drawn, bulk=False)
    without = subtype_expression.compare(alone, ["B"], group, how)
    assert without.signatures == {}
    assert without.notes[0].startswith("no bulk signature: no bulk expression is at hand")


def test_compare__proportions_alone_leave_nothing_to_compare(tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(PLAN, seed=1)
    cohort = discovered.open_fractions(tmp_path, drawn)
    how = subtype_expression.How(SETTINGS)
    found = subtype_expression.compare(cohort, drawn.cell_types, three_groups(drawn), how)
    assert found.tests == {}
    assert found.reciprocal.empty
    assert found.sets.empty


@pytest.mark.parametrize("code", [0, 1])
def test_compare__groups_too_small_are_told_and_cost_nothing_else(
    tmp_path: pathlib.Path, code: int
) -> None:
    drawn = planted.draw(PLAN, seed=1)
    cohort = discovered.open_drawn(tmp_path, drawn, bulk=False)
    # Nobody is favourable nor unfavourable, or one patient is.
    group = np.ones(90, np.int8)
    group[0] = code
    how = subtype_expression.How(SETTINGS)
    found = subtype_expression.compare(cohort, ["B", "T"], group, how)
    assert found.tests == {}
    assert f"of 90 patients {1 - code} are in the most favourable group" in found.notes[-1]
