"""Whatever samples and rows there are: one sample a patient, and everybody has one fate."""

import collections

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluebatch import errors
from bluebatch.downstream import clinical, patients

TYPES = ("09", "03", "01", "04", "11")


def table(rows: list[str], dropped: list[str]) -> clinical.Clinical:
    return clinical.Clinical(
        "t.csv",
        pd.DataFrame({"fab": ["m3" if at % 5 == 0 else "m1" for at in range(len(rows))]}, rows),
        np.arange(float(len(rows))),
        np.ones(len(rows), dtype=bool),
        [],
        pd.DataFrame({"name": dropped, "reason": ["no time"] * len(dropped)}, dtype=object),
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_samples=st.integers(30, 200), n_rows=st.integers(15, 40))
def test_match__one_sample_a_patient_and_one_fate_each(
    seed: int, n_samples: int, n_rows: int
) -> None:
    rng = np.random.default_rng(seed)
    names = [f"TARGET-20-PAAA{at:02}" for at in range(40)]
    every = [(name, kind, number) for name in names for kind in TYPES for number in (1, 2)]
    drawn = [every[at] for at in rng.permutation(len(every))[:n_samples]]
    rows = [names[at] for at in rng.permutation(len(names))[:n_rows]]
    samples = [f"{name}-{kind}A-0{number}R" for name, kind, number in drawn]
    known, dropped = rows[: len(rows) * 3 // 4], rows[len(rows) * 3 // 4 :]
    used = {name for name, _, _ in drawn} & set(known)
    if len(used) < patients.MIN_PATIENTS:
        with pytest.raises(errors.LabelMismatchError):
            patients.match("r.zarr", samples, None, table(known, dropped))
        return
    found = patients.match("r.zarr", samples, None, table(known, dropped))
    assert set(found.names) == used
    assert len(found.names) == len(used)
    assert found.samples == [samples[at] for at in found.rows]
    assert (np.diff(found.rows) > 0).all()
    np.testing.assert_array_equal(found.durations, [known.index(name) for name in found.names])
    for name, sample in zip(found.names, found.samples, strict=True):
        # The rule, written out: the type first, then the whole name.
        own = [f"{n}-{k}A-0{i}R" for n, k, i in drawn if n == name]
        best = min(own, key=lambda each: (min(TYPES.index(each[17:19]), 3), each))
        assert sample == best
    counts = collections.Counter(zip(found.fates["kind"], found.fates["name"], strict=True))
    assert set(counts.values()) == {1}
    assert set(counts) == {*(("sample", name) for name in samples), *(("patient", r) for r in rows)}
    assert (found.fates["fate"] == "used").sum() == 2 * len(used)
