"""Published AML compositions go in, and find their patients in the cohorts' clinical tables."""

import os
import pathlib

import numpy as np
import pandas as pd
import pytest

from bluebatch import errors
from bluebatch.downstream import clinical, patients
from bluebatch.store import compositions, ingest, read

HERE = pathlib.Path(__file__).resolve()
DATA = pathlib.Path(os.environ.get("BLUEBATCH_TEST_DATA", HERE.parents[2] / ".." / "shared/data"))
COMPOSITION = "aml_zeng2022_cibersortx_composition.csv"
SURVIVAL = "aml_tcga_beat_gse6891_survival.csv"

pytestmark = pytest.mark.real


def source(name: str) -> pathlib.Path:
    path = DATA / "clinical" / name
    if not path.is_file():
        pytest.skip(f"{path} is absent: set BLUEBATCH_TEST_DATA")
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> read.Store:
    out = tmp_path_factory.mktemp("composition") / "c.zarr"
    options = ingest.IngestOptions(sample_column="mixture")
    compositions.run(source(COMPOSITION), out, options)
    return read.open_store(out, "composition")


def match(
    store: read.Store, table: clinical.Clinical, leave_out: dict[str, list[str]] | None = None
) -> patients.Patients:
    stated = [str(name) for name in store.read("patient")]
    return patients.match(store.path, store.labels["sample"], stated, table, None, leave_out)


def test_ingest__fourteen_types_of_1321_samples(store: read.Store) -> None:
    frame = pd.read_csv(source(COMPOSITION))
    assert store.labels["sample"] == frame["mixture"].tolist()
    types = [name for name in frame.columns[3:] if name != "Absolute score (sig.score)"]
    assert len(types) == 14
    assert store.labels["cell_type"] == types
    expected = frame[types].to_numpy() / frame[types].sum(axis=1).to_numpy()[:, None]
    np.testing.assert_allclose(store.read("proportion"), expected, rtol=1e-6)
    with pytest.raises(errors.LabelMismatchError, match=r"2 sample names .*mixture would do"):
        compositions.run(source(COMPOSITION), f"{store.path}.other")


def test_match__tcga_has_159_patients(store: read.Store) -> None:
    table = clinical.read(source(SURVIVAL))
    found = match(store, table, {"cohort": ["BEAT"]})
    # By pandas: rows of the table of TCGA with time and event; all have a sample.
    frame = pd.read_csv(source(SURVIVAL))
    both = frame[(frame["cohort"] == "TCGA") & frame["time"].notna() & frame["event"].notna()]
    assert found.names == sorted(both["sample"])
    assert len(found.names) == 159
    # A death on the day of the diagnosis counts: 0 days are a time.
    assert (found.durations == 0).sum() == 12
    by_name = both.set_index("sample").loc[found.names]
    np.testing.assert_array_equal(found.durations, by_name["time"])
    np.testing.assert_array_equal(found.event_observed, by_name["event"] == 1)


def test_match__patients_with_m3_are_left_out(store: read.Store) -> None:
    m3 = pd.read_csv(source("tcga_laml_clinical.csv")).set_index("sample")["fab"] == "m3"
    laml = clinical.read(source("tcga_laml_clinical.csv"))
    without = match(store, laml, {"fab": ["m3"]})
    # 173 patients, two without a time and 15 others with M3.
    assert len(without.names) == 156
    assert set(without.names) == set(laml.table.index) - set(m3[m3].index)


def test_match__target_has_285_patients_of_287_samples(store: read.Store) -> None:
    table = clinical.read(source("target_aml_clinical.csv"))
    found = match(store, table)
    assert len(found.names) == len(set(found.names)) == 285
    of_target = found.fates[found.fates["name"].str.match("TARGET-20-.{6}-|TARGET-21-.{6}-")]
    assert len(of_target) == 287
    beside = of_target[of_target["fate"] != "used"]
    assert beside["name"].tolist() == ["TARGET-20-PARTXH-09A-03R", "TARGET-20-PASWAT-09A-02R"]
    assert any("2 patients have several" in note for note in found.notes)


def test_read__events_in_words_are_given(store: read.Store) -> None:
    path = source("target_aml_clinical.csv")
    words = ("Relapse", "Induction Failure", "Death", "Death without Remission")
    asked = clinical.EndpointSettings(time="efs_time", event="first_event")
    with pytest.raises(errors.ValuesError, match=r"'first_event'.*--event-values"):
        clinical.read(path, asked)
    found = clinical.read(path, asked.model_copy(update={"event_values": words}))
    frame = pd.read_csv(path)
    np.testing.assert_array_equal(found.event_observed, frame["first_event"] != "Censored")
    months = clinical.read(
        source("tcga_laml_clinical.csv"),
        clinical.EndpointSettings(time="dfs_months", event="dfs_status"),
    )
    frame = pd.read_csv(source("tcga_laml_clinical.csv")).dropna(subset=["dfs_months"])
    np.testing.assert_allclose(months.durations, frame["dfs_months"] * 365.25 / 12)
    assert months.event_observed.sum() == (frame["dfs_status"] == "Recurred/Progressed").sum()
