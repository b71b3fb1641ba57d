import numpy as np
import pydantic
import pytest

from bluebatch.downstream import out_of_fold, outcomes, patterns, search

SETTINGS = (
    out_of_fold.FoldSettings(n_folds=4, n_repeats=2),
    search.SearchSettings(),
    patterns.GroupSettings(n_permutations=0),
)


def test_cut__deals_events_and_patients_evenly() -> None:
    event = np.arange(23) < 9
    fold = out_of_fold.cut(event, 4, np.random.default_rng(0))
    # By hand: 9 events in 4 parts are 3, 2, 2, 2; 23 patients are 6, 6, 6, 5.
    assert sorted(np.bincount(fold[event])) == [2, 2, 2, 3]
    assert sorted(np.bincount(fold)) == [5, 6, 6, 6]


def test_predict__states_that_drive_survival_place_patients_who_were_held_out() -> None:
    rng = np.random.default_rng(1)
    states = rng.integers(0, 2, (200, 3)).astype(np.int8)
    inside = (states[:, 0] == 1) & (states[:, 1] == 1)
    durations = rng.exponential(np.where(inside, 3000, 300))
    found = out_of_fold.predict(
        states, ["A", "B", "C"], outcomes.Outcome(durations, np.ones(200, bool)), SETTINGS, rng
    )
    assert found.n_found == found.n_folds == 8
    # Ten times longer lives inside; nobody outside does worse than the others there.
    assert found.risk[inside].mean() < 0.1
    assert found.risk[~inside].mean() > 0.9


def test_predict__no_patient_has_a_part_in_the_own_place() -> None:
    # One patient's time alone is changed, which must leave that patient's place as it was.
    rng = np.random.default_rng(2)
    states = rng.integers(0, 2, (120, 2)).astype(np.int8)
    durations = rng.exponential(np.where(states[:, 0] == 1, 2000, 300))
    event = np.ones(120, bool)
    changed = durations.copy()
    changed[17] = 1e5
    one, other = (
        out_of_fold.predict(
            states, ["A", "B"], outcomes.Outcome(times, event), SETTINGS, np.random.default_rng(3)
        )
        for times in (durations, changed)
    )
    assert one.risk[17] == other.risk[17]


def test_predict__nothing_found_is_the_middle() -> None:
    rng = np.random.default_rng(4)
    states = np.repeat([[0, 1], [1, 0]], [56, 4], axis=0).astype(np.int8)
    outcome = outcomes.Outcome(rng.exponential(1, 60), np.ones(60, bool))
    found = out_of_fold.predict(states, ["A", "B"], outcome, SETTINGS, rng)
    # Four patients are no group of ten.
    assert found.n_found == 0
    np.testing.assert_array_equal(found.risk, 1)


def test_settings__one_fold_leaves_nobody_to_search_in() -> None:
    with pytest.raises(pydantic.ValidationError, match="n_folds = 1 leaves nobody"):
        out_of_fold.FoldSettings(n_folds=1)
    assert out_of_fold.FoldSettings(n_folds=0).n_folds == 0
