import pathlib
from collections.abc import Sequence

import numpy as np
import pytest

from bluebatch import errors
from bluebatch.downstream import evidence
from bluebatch.store import schema, write

SAMPLES = [f"s{at:03d}" for at in range(300)]
TYPES = ["T", "Mono"]
GENES = ["a", "b", "c"]


def profiles(n: int = 300) -> np.ndarray:
    # Every number tells its place: sample, then type and gene as decimals.
    values = np.arange(n)[:, None, None] + np.arange(2)[:, None] / 10 + np.arange(3) / 100
    values[7, 1] = np.nan
    return values.astype(np.float32)


def write_profiles(path: pathlib.Path) -> pathlib.Path:
    leave_out = [array.name for array in schema.PROFILE.arrays if array.optional]
    leave_out.remove("skill")
    labels = {"sample": SAMPLES, "cell_type": TYPES, "gene": GENES}
    group = write.create(path, schema.PROFILE, labels, {}, leave_out=leave_out)
    write.write_whole(group, "profile", profiles())
    half = np.full((300, 2), 0.5)
    half[:, 0] = np.linspace(0, 1, 300)
    half[:, 1] = 1 - half[:, 0]
    for name in ("proportion", "rna_fraction"):
        write.write_whole(group, name, half)
    for name in ("reconstruction_error", "gene_coverage"):
        write.write_whole(group, name, np.ones(300))
    write.write_whole(group, "skill", [[0.5, 0.1, np.nan], [np.nan] * 3])
    write.complete(group)
    return path


def write_cohort(
    path: pathlib.Path, samples: Sequence[str], counts: np.ndarray, patients: bool = False
) -> pathlib.Path:
    genes = [f"g{at}" for at in range(counts.shape[1])]
    leave_out = () if patients else ("patient",)
    labels = {"sample": list(samples), "gene": genes}
    group = write.create(path, schema.COHORT, labels, {"unit": "counts"}, leave_out=leave_out)
    write.write_whole(group, "expression", counts)
    write.write_whole(group, "library_size", counts.sum(axis=1))
    if patients:
        write.write_whole(group, "patient", np.array([f"p-{name}" for name in samples], object))
    write.complete(group)
    return path


def test_profile__rows_in_any_order_and_genes_as_asked(tmp_path: pathlib.Path) -> None:
    found = evidence.open_evidence(write_profiles(tmp_path / "r.zarr"))
    rows = np.array([299, 7, 0, 256])
    values = found.profile("Mono", rows, ["c", "a"])
    np.testing.assert_array_equal(values, profiles()[rows][:, 1][:, [2, 0]])
    assert found.kind == "profile"
    assert found.cell_types == TYPES
    assert np.isnan(values[1]).all()


def test_profile__unknown_type_or_gene_is_told(tmp_path: pathlib.Path) -> None:
    found = evidence.open_evidence(write_profiles(tmp_path / "r.zarr"))
    with pytest.raises(errors.LabelMismatchError, match="no cell type 'B', needed: one of T, Mono"):
        found.profile("B", np.arange(2), GENES)
    with pytest.raises(errors.LabelMismatchError, match=r"lacks 1 of 2 genes \(first: z\)"):
        found.profile("T", np.arange(2), ["a", "z"])


def test_skill__is_none_where_nothing_was_measured(tmp_path: pathlib.Path) -> None:
    found = evidence.open_evidence(write_profiles(tmp_path / "r.zarr"))
    skill = found.skill("T")
    assert skill is not None
    np.testing.assert_allclose(skill, np.array([0.5, 0.1, np.nan]), rtol=1e-6)
    assert found.skill("Mono") is None


def test_bulk__is_log_cpm_of_the_same_samples(tmp_path: pathlib.Path) -> None:
    # The cohort holds its samples in another order than the results.
    counts = np.array([[1.0, 3, 0], [2, 2, 4], [0, 0, 8]])
    samples = ["s002", "s000", "s001"]
    cohort = write_cohort(tmp_path / "c.zarr", samples, counts, patients=True)
    found = evidence.open_evidence(write_profiles(tmp_path / "r.zarr"), cohort)
    # By hand: sample s000 has 8 counts, of g1 2: log2(1 + 250,000).
    values = found.bulk(np.array([0, 2]), ["g1"])
    np.testing.assert_allclose(values[:, 0], np.log2([1 + 250_000, 1 + 750_000]), rtol=1e-6)
    patients = found.stated_patients
    assert patients is not None
    assert patients[:4] == ["p-s000", "p-s001", "p-s002", "s003"]


def test_bulk__a_sample_that_the_cohort_lacks_is_told(tmp_path: pathlib.Path) -> None:
    cohort = write_cohort(tmp_path / "c.zarr", ["s001"], np.ones((1, 2)))
    found = evidence.open_evidence(write_profiles(tmp_path / "r.zarr"), cohort)
    with pytest.raises(errors.LabelMismatchError, match=r"lacks 2 of the 3 samples .*s000"):
        found.bulk(np.array([0, 1, 2]), ["g0"])


def test_open_evidence__a_cohort_of_other_samples_is_told(tmp_path: pathlib.Path) -> None:
    cohort = write_cohort(tmp_path / "c.zarr", ["x"], np.ones((1, 2)))
    with pytest.raises(errors.LabelMismatchError, match="has none of the 300 samples"):
        evidence.open_evidence(write_profiles(tmp_path / "r.zarr"), cohort)


def test_bulk__without_a_cohort_is_told(tmp_path: pathlib.Path) -> None:
    found = evidence.open_evidence(write_profiles(tmp_path / "r.zarr"))
    with pytest.raises(errors.LabelMismatchError, match="Give it with --cohort"):
        found.bulk(np.arange(2), ["g0"])


def test_variable_genes__most_variable_ones_in_the_order_of_the_store(
    tmp_path: pathlib.Path,
) -> None:
    # g0 is a constant share of every sample; g1 varies most, then g3, then g2.
    rng = np.random.default_rng(0)
    shares = np.full((400, 4), 0.25)
    spread = rng.uniform(-1, 1, 400)
    shares[:, 1] += 0.20 * spread
    shares[:, 2] -= 0.05 * spread
    shares[:, 3] -= 0.15 * spread
    samples = [f"x{at}" for at in range(400)]
    path = write_cohort(tmp_path / "c.zarr", samples, 1e6 * shares)
    found = evidence.open_evidence(path, max_genes=2)
    assert found.cell_types == [evidence.BULK]
    assert found.variable_genes(np.arange(400)) == ["g1", "g3"]
    everything = evidence.open_evidence(path)
    assert everything.variable_genes(np.arange(400)) == ["g1", "g2", "g3"]


def test_cohort__is_its_own_profile(tmp_path: pathlib.Path) -> None:
    path = write_cohort(tmp_path / "c.zarr", ["a", "b"], np.array([[1.0, 1], [3, 1]]))
    found = evidence.open_evidence(path)
    rows = np.array([1, 0])
    values = found.profile("bulk", rows, ["g1"])
    np.testing.assert_allclose(values[:, 0], np.log2([250_001, 500_001]), rtol=1e-6)
    np.testing.assert_array_equal(values, found.bulk(rows, ["g1"]))
    assert found.proportion(rows) is None


def test_composition__has_proportions_alone(tmp_path: pathlib.Path) -> None:
    labels = {"sample": ["a", "b"], "cell_type": TYPES}
    group = write.create(
        tmp_path / "p.zarr", schema.COMPOSITION, labels, {}, leave_out=("patient",)
    )
    write.write_whole(group, "proportion", [[0.25, 0.75], [1.0, 0.0]])
    write.complete(group)
    found = evidence.open_evidence(tmp_path / "p.zarr")
    np.testing.assert_array_equal(found.proportion(np.array([1, 0])), [[1, 0], [0.25, 0.75]])
    assert found.genes() == []
    assert found.variable_genes(np.arange(2)) == []
