import json
import pathlib

import numpy as np
import pytest
from unit.engine import pseudobulks

from bluebatch import errors
from bluebatch.engine import infer, unmix
from bluebatch.store import read, schema, write


@pytest.fixture(scope="module")
def learner(tmp_path_factory: pytest.TempPathFactory) -> unmix.Task:
    return pseudobulks.learn(
        pseudobulks.write_store(tmp_path_factory.mktemp("coverage") / "s.zarr")
    )


def cohort(path: pathlib.Path, genes: list[str], **attributes: object) -> read.Store:
    labels = {"sample": ["a", "b"], "gene": genes}
    group = write.create(
        path, schema.COHORT, labels, {"unit": "TPM", **attributes}, leave_out=("patient",)
    )
    write.write_whole(group, "expression", np.ones((2, len(genes))))
    write.write_whole(group, "library_size", np.full(2, len(genes)))
    write.complete(group)
    return read.open_store(path, "cohort")


def without_b(n_kept: int) -> list[str]:
    """Name the panel, G0 to G29, with some of B's ten markers: every third gene."""
    return [f"G{index}" for index in range(30) if index % 3 or index < 3 * n_kept]


def test_bind__tells_the_markers_of_each_type(learner: unmix.Task, tmp_path: pathlib.Path) -> None:
    result = learner.bind(cohort(tmp_path / "c.zarr", without_b(4)), {}).result()
    assert result.attributes["marker_coverage"] == {"B": 0.4, "CD4T": 1.0, "Mono": 1.0}
    json.dumps(result.attributes)
    assert result.note.splitlines()[-1] == (
        "warning: under half of the markers of B measured (B 40%, CD4T 100%, Mono 100%)"
    )
    whole = learner.bind(cohort(tmp_path / "w.zarr", without_b(10)), {}).result()
    assert whole.note.splitlines()[-1] == "markers measured: B 100%, CD4T 100%, Mono 100%"


def test_bind__a_type_without_markers_is_refused(
    learner: unmix.Task, tmp_path: pathlib.Path
) -> None:
    # 20 of 30 genes are enough for the panel, and none of them is B's.
    store = cohort(tmp_path / "c.zarr", without_b(0))
    with pytest.raises(
        errors.LabelMismatchError,
        match=r"c\.zarr: measures 0% of the markers of B, needed: 10% \(missing first: G0, G3, G6",
    ):
        learner.bind(store, {})
    learner.bind(store, {"min_marker_coverage": 0.0})
    one = cohort(tmp_path / "one.zarr", without_b(1))
    learner.bind(one, {})
    with pytest.raises(errors.LabelMismatchError, match=r"10% of the markers of B, needed: 11%"):
        learner.bind(one, {"min_marker_coverage": 0.11})


def test_settings__the_default_is_that_of_the_table() -> None:
    assert infer.InferenceSettings().min_marker_coverage == 0.1


def test_bind__lower_case_is_named_with_its_flag(
    learner: unmix.Task, tmp_path: pathlib.Path
) -> None:
    store = cohort(tmp_path / "c.zarr", [f"g{index}" for index in range(30)])
    with pytest.raises(errors.LabelMismatchError, match=r"differ in case alone.*--mend-names --mo"):
        learner.bind(store, {})
