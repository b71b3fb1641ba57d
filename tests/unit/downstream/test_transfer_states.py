import dataclasses
import pathlib

import numpy as np
import pandas as pd
import pytest
from unit.downstream import planted

from bluebatch import errors
from bluebatch.downstream import evidence, frozen, transfer_states
from bluebatch.downstream.state_space import Space

GENES = ["A", "B"]
# One component along A; centroids at -1 and 1, so that the border is A = 5.
SPACE = Space.of(
    GENES,
    {
        "mean": np.array([5.0, 5.0]),
        "scale": np.ones(2),
        "loadings": np.array([[1.0], [0.0]]),
        "centroids": np.array([[-1.0], [1.0]]),
        "metric": np.eye(1),
    },
)
TABLE = pd.DataFrame(columns=["definition", "tested", "significant", *frozen.NUMBERS])
COHORT = planted.Planted(
    state={},
    inside=np.zeros(4, bool),
    profile=np.array(
        [
            [[7, 1], [4.5, 0]],
            [[4, 9], [5.25, 0]],
            [[np.nan, np.nan], [9, 0]],
            [[5.5, 5], [0, 0]],
        ],
        np.float32,
    ),
    proportion=np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0, 0, 1], [0.2, 0.8, 0]])[:, :2],
    bulk=np.ones((4, 2)),
    durations=np.ones(4),
    event=np.ones(4, int),
    cell_types=["Mono", "T"],
    genes=GENES,
    patients=["p1", "p2", "p3", "p4"],
)
ROWS = np.arange(4)


def of(cell_types: list[str], **more: object) -> frozen.Frozen:
    picks = np.zeros((0, len(cell_types)), np.int8)
    model = frozen.Frozen("profile", cell_types, picks, TABLE)
    return dataclasses.replace(model, **more)  # type: ignore[arg-type]


def opened(path: pathlib.Path, cohort: planted.Planted = COHORT) -> evidence.Evidence:
    return evidence.open_evidence(planted.write_results(path / "r.zarr", cohort))


def test_find__nearest_centroid_by_hand(tmp_path: pathlib.Path) -> None:
    model = of(["T", "Mono"], spaces={"T": SPACE, "Mono": SPACE})
    found = transfer_states.find(model, opened(tmp_path), ROWS)
    # Of Mono A is 7, 4, absent, 5.5; of T 4.5, 5.25, 9, 0. Beyond a centroid strength is 1.
    assert found.index[:, 1].tolist() == [1, 0, -1, 1]
    assert found.index[:, 0].tolist() == [0, 1, 1, 0]
    np.testing.assert_allclose(found.strength[:, 1], [1, 1, np.nan, 0.5])
    np.testing.assert_allclose(found.strength[:, 0], [0.5, 0.25, 1, 1])
    counts = found.quality[["cell_type", "n_present", "n_absent", "n_0", "n_1"]]
    assert counts.to_numpy().tolist() == [["T", 4, 0, 2, 2], ["Mono", 3, 1, 1, 2]]
    # Patients in another order have the same states.
    turned = transfer_states.find(model, opened(tmp_path / "again"), ROWS[::-1].copy())
    np.testing.assert_array_equal(turned.index, found.index[::-1])


def test_find__missing_gene_counts_as_the_mean(tmp_path: pathlib.Path) -> None:
    fewer = dataclasses.replace(COHORT, genes=["B"], profile=COHORT.profile[:, :, 1:])
    found = transfer_states.find(of(["T"], spaces={"T": SPACE}), opened(tmp_path, fewer), ROWS)
    # Without A everybody is half way between the states: none is nearer to state 1.
    assert found.index[:, 0].tolist() == [0, 0, 0, 0]
    assert found.quality["coverage"].tolist() == [0.5]
    assert found.notes[0].startswith("T: 1 of 2 frozen genes are there")
    assert "every patient is in state 0" in found.notes[1]


def test_find__cuts_of_proportions_by_hand(tmp_path: pathlib.Path) -> None:
    model = of(
        ["T", "Mono"],
        branch="composition",
        cuts={"T": 0.45, "Mono": 0.6},
        composition_types=["Mono", "T"],
    )
    found = transfer_states.find(model, opened(tmp_path), ROWS)
    # T by the sum of both: 3/8, 1/2, nobody has either, 8/10; Mono: 5/8, 1/2, -, 2/10.
    assert found.index[:, 0].tolist() == [0, 1, -1, 1]
    assert found.index[:, 1].tolist() == [1, 0, -1, 0]
    # As they stand: T 0.3, 0.1, 0, 0.8; at the cut counts as below.
    whole = dataclasses.replace(model, composition_types=[], cuts={"T": 0.3, "Mono": 0.6})
    plain = transfer_states.find(whole, opened(tmp_path / "plain"), ROWS)
    # The store keeps 32 bits, in which 0.3 is above 0.3.
    assert plain.index[1:, 0].tolist() == [0, 0, 1]
    assert plain.index[:, 1].tolist() == [0, 0, 0, 0]


def test_find__drift_of_shares_is_told(tmp_path: pathlib.Path) -> None:
    model = of(["T"], spaces={"T": SPACE}, facts={"share_1": {"T": 0.9}})
    found = transfer_states.find(model, opened(tmp_path), ROWS)
    assert found.notes == ["T: 50% of the patients are in state 1, 90% in the discovery"]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (of(["T"], branch="cohort", spaces={"T": SPACE}), "is a profile store, needed: a cohort"),
        (of(["T", "NK"], spaces={"T": SPACE}), r"lacks 1 of the 2 frozen cell types \(NK\)"),
        (
            of(["T"], spaces={"T": dataclasses.replace(SPACE, genes=["X", "Y"])}),
            "has 0 of the 2 frozen genes of T",
        ),
    ],
)
def test_find__what_does_not_fit_is_refused(
    tmp_path: pathlib.Path, model: frozen.Frozen, said: str
) -> None:
    with pytest.raises(errors.LabelMismatchError, match=said) as told:
        transfer_states.find(model, opened(tmp_path), ROWS)
    assert "\n" not in str(told.value)
