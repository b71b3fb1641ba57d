"""Tables of proportions to composition stores."""

import gzip
import pathlib
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from bluebatch import errors
from bluebatch.store import compositions, ingest, read

FRACTIONS = pd.DataFrame(
    [[0.5, 0.25, 0.25], [0.125, 0.0, 0.875], [0.0, 1.0, 0.0], [0.25, 0.5, 0.25]],
    index=["s1", "s2", "s3", "s4"],
    columns=["B", "T cell", "NK"],
)
Take = Callable[..., read.Store]


@pytest.fixture
def take(tmp_path: pathlib.Path) -> Take:
    def run(source: pathlib.Path | str, **options: object) -> read.Store:
        if isinstance(source, str):
            (tmp_path / "t.csv").write_text(source)
            source = tmp_path / "t.csv"
        out = tmp_path / "out" / "c.zarr"
        compositions.run(source, out, ingest.IngestOptions.model_validate(options))
        return read.open_store(out, "composition")

    return run


def notes(store: read.Store) -> str:
    return "\n".join(store.attributes["notes"])


def save(frame: pd.DataFrame, path: pathlib.Path) -> pathlib.Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, sep="\t" if ".tsv" in path.name else ",")
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz", "a.parquet"])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("factor", [1, 100])
def test_run__every_kind_orientation_and_unit_gives_one_store(
    tmp_path: pathlib.Path, take: Take, name: str, turned: bool, factor: float
) -> None:
    frame = FRACTIONS * factor
    store = take(save(frame.T if turned else frame, tmp_path / name))
    assert store.labels == {"sample": ["s1", "s2", "s3", "s4"], "cell_type": ["B", "T cell", "NK"]}
    # The fractions are sums of powers of two, and exact in every type.
    assert np.array_equal(store.read("proportion"), FRACTIONS.to_numpy(dtype=np.float32))
    assert not store.has("patient")
    assert store.attributes["source"]["name"] == name
    assert ("columns" if turned else "lines") + " are samples, by their sums" in notes(store)
    unit = "fractions: row sums 1 to 1" if factor == 1 else "per cents: row sums 100 to 100"
    assert unit in notes(store)


def test_run__columns_that_are_no_cell_types(take: Take) -> None:
    text = (
        "Mixture,cohort,B,NK,P-value,Correlation,RMSE,Absolute score (sig.score),age\n"
        "s1,X,1,3,0,0.9,0.5,4,\ns2,Y,2,2,0,0.8,0.6,4,\n"
    )
    store = take(text)
    assert store.labels == {"sample": ["s1", "s2"], "cell_type": ["B", "NK"]}
    # By hand: both rows sum to 4.
    assert store.read("proportion").tolist() == [[0.25, 0.75], [0.5, 0.5]]
    assert (
        "left out: cohort (text), P-value, Correlation, RMSE, Absolute score (sig.score), "
        "age (text)" in notes(store)
    )
    assert "scores: row sums 4 to 4, divided by them" in notes(store)


def test_run__one_column_without_which_the_rest_sums_to_one(take: Take) -> None:
    text = "sample,B,NK,age\ns1,0.25,0.75,61\ns2,0.5,0.5,70\n"
    store = take(text)
    assert store.labels["cell_type"] == ["B", "NK"]
    assert "left out: age (the others sum to 1 without it)" in notes(store)


def test_run__a_row_far_from_the_others_is_warned_of(take: Take) -> None:
    store = take("sample,B,NK\ns1,0.25,0.75\ns2,0.5,0.5\ns3,0.3,0.1\n")
    np.testing.assert_allclose(store.read("proportion")[2], [0.75, 0.25], rtol=1e-6)
    assert "warning: the rows of most samples sum to 1, those of 1 do not (s3: 0.4)" in notes(store)


def test_run__which_way_it_lies_is_told_by_names_or_asked(
    take: Take, tmp_path: pathlib.Path
) -> None:
    # CIBERSORTx turned: P-value stands among the lines.
    assert take("x,s1,s2\nB,1,2\nNK,3,2\nP-value,0,0\n").labels["sample"] == ["s1", "s2"]
    barcoded = "x,TCGA-AB-0001-03,TCGA-AB-0002-03\nB,1,2\nNK,3,2\n"
    store = take(barcoded, overwrite=True)
    assert store.labels["cell_type"] == ["B", "NK"]
    assert store.read("patient").tolist() == ["TCGA-AB-0001", "TCGA-AB-0002"]
    plain = "x,a,b\nc,1,2\nd,3,4\n"
    assert take(plain, overwrite=True).labels["sample"] == ["c", "d"]
    asked = take(plain, overwrite=True, orientation="genes-by-samples")
    assert asked.labels == {"sample": ["a", "b"], "cell_type": ["c", "d"]}
    # By hand: a has 1 and 3, b has 2 and 4.
    np.testing.assert_allclose(asked.read("proportion"), [[1 / 4, 3 / 4], [1 / 3, 2 / 3]], 1e-6)
    assert "columns are samples, as given" in notes(asked)


def test_run__a_table_written_by_r_without_a_corner(take: Take) -> None:
    store = take('"B","NK"\n"s1",0.5,0.5\n"s2",1,0\n')
    assert store.labels == {"sample": ["s1", "s2"], "cell_type": ["B", "NK"]}


REPEATED = "sample,mixture,B,NK\nx,x1,0.5,0.5\nx,x2,0.25,0.75\ny,y1,1,0\n"


def test_run__repeated_names_and_another_column_of_names(take: Take) -> None:
    told = r"1 sample names .* in 'sample' \(x\).* --sample-column \(mixture would do\)"
    with pytest.raises(errors.LabelMismatchError, match=told):
        take(REPEATED)
    store = take(REPEATED, sample_column="mixture")
    assert store.labels["sample"] == ["x1", "x2", "y1"]
    assert "columns that are no cell types, left out: sample (text)" in notes(store)
    with pytest.raises(errors.LabelMismatchError, match="no column 'id'; it has sample, mixture"):
        take(REPEATED, sample_column="id", overwrite=True)


def test_run__patients_and_normals(take: Take) -> None:
    names = ["TARGET-20-PAAAAA-09A-01R", "TARGET-20-PAAAAA-14A-01R", "TCGA-AB-0001-03A", "own"]
    text = "sample,B,NK\n" + "".join(f"{name},0.5,0.5\n" for name in names)
    store = take(text)
    assert store.labels["sample"] == [names[0], *names[2:]]
    assert store.read("patient").tolist() == ["TARGET-20-PAAAAA", "TCGA-AB-0001", "own"]
    assert store.attributes["dropped_samples"] == [names[1]]
    kept = take(text, overwrite=True, keep_normals=True)
    assert kept.read("patient").tolist()[:2] == ["TARGET-20-PAAAAA"] * 2
    by_hand = take(text, overwrite=True, patient_from_sample="^(.)")
    assert by_hand.read("patient").tolist() == ["T", "T", "T", "o"]


BAD = {
    "": "holds 0 lines",
    "sample,B,NK\n": "holds 0 lines under 3 columns",
    "sample\ns1\n": "holds 1 lines under 1 columns",
    "sample,B\ns1,1\n": "has 1 columns of numbers .* needed: at least 2",
    "sample,B,B\ns1,1,2\n": r"1 columns are named more than once \(B\)",
    "sample,B,NK\ns1,1\n": r"line 's1' has 2 fields, needed: 3",
    "sample,B,NK\ns1,1,-0.5\n": r"row 's1', column 'NK' holds '-0.5'",
    "sample,B,NK\ns1,1,1\ns2,,1\n": r"row 's2', column 'B' holds '', the first of 1 such cells",
    "sample,B,NK\ns1,1,NA\ns2,1,1\n": r"column 'NK' holds 'NA'",
    "sample,B,NK\ns1,1,inf\ns2,1,1\n": r"column 'NK' holds 'inf'",
    "sample,B,NK\ns1,1,few\ns2,1,1\n": r"column 'NK' holds 'few'",
    "sample,B,NK\ns1,0,0\ns2,1,1\n": r"1 samples have nothing but zeros \(s1\)",
    "sample,B,NK\n,1,1\ns2,1,1\n": r"1 empty names in 'sample'.*--sample-column",
    "B,NK,T\n0.5,0.25,0.25\n0.25,0.25,0.5\n": r"numbers in place of names in 'B'",
}


@pytest.mark.parametrize("text", BAD)
def test_run__a_bad_table_is_told_in_a_line_and_leaves_nothing(
    tmp_path: pathlib.Path, take: Take, text: str
) -> None:
    with pytest.raises(errors.BluebatchError, match=rf"t\.csv: .*{BAD[text]}") as raised:
        take(text)
    assert "\n" not in str(raised.value)
    assert [found.name for found in tmp_path.iterdir()] == ["t.csv"]


def test_run__files_that_cannot_be_read(tmp_path: pathlib.Path, take: Take) -> None:
    with pytest.raises(errors.MissingInputError, match="no such file"):
        take(tmp_path / "none.csv")
    packed = gzip.compress(FRACTIONS.to_csv().encode())
    (tmp_path / "a.csv.gz").write_bytes(packed[:-12])
    with pytest.raises(errors.InputFileError, match="truncated"):
        take(tmp_path / "a.csv.gz")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(errors.InputFileError, match="not parquet"):
        take(tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_bytes(b"sample,B,NK\ns1,\xff\xfe,1\n")
    with pytest.raises(errors.InputFileError, match="not a table of text"):
        take(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("option", "value", "flag"),
    [
        ("unit", "TPM", "--unit"),
        ("logged", "log1p", "--logged"),
        ("gene_map", "map.csv", "--gene-map"),
        ("mend_names", True, "--mend-names"),
        ("markers", {"B": ["CD19"]}, "--model"),
        ("layer", "raw", "--layer"),
    ],
)
def test_run__options_of_expression_are_refused(
    tmp_path: pathlib.Path, take: Take, option: str, value: object, flag: str
) -> None:
    with pytest.raises(errors.ConfigError, match=rf"^{flag}: is of expression"):
        take(save(FRACTIONS, tmp_path / "a.csv"), **{option: value})


def test_run__the_same_again_something_else_and_overwriting(tmp_path: pathlib.Path) -> None:
    source, out = save(FRACTIONS, tmp_path / "a.csv"), tmp_path / "c.zarr"
    first = compositions.run(source, out)
    assert first.state == "new"
    assert first.as_text().startswith(f"{out}: written, 4 samples x 3 cell types\n  lines are")
    again = compositions.run(source, out)
    assert again.state == "complete"
    assert "already complete" in again.as_text()
    assert again.as_dict() == {**first.as_dict(), "state": "complete"}
    save(FRACTIONS.iloc[:3], source)
    with pytest.raises(errors.OutputExistsError, match="--overwrite"):
        compositions.run(source, out)
    changed = compositions.run(source, out, ingest.IngestOptions(overwrite=True))
    assert (changed.state, changed.n_samples) == ("new", 3)
    with pytest.raises(errors.OutputExistsError, match="is, holds or lies in the input"):
        compositions.run(source, source, ingest.IngestOptions(overwrite=True))
    told: list[int] = []
    compositions.run(source, tmp_path / "d.zarr", on_lines=told.append)
    assert told == [3]
