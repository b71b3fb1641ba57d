import errno
import gzip
import os
import pathlib
from collections.abc import Callable
from typing import Any

import anndata
import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import scipy.sparse
import zarr

from bluebatch import errors
from bluebatch.store import ingest, read, schema, tables, write

COUNTS = pd.DataFrame(
    [[5, 0, 12, 3], [7, 1, 0, 2], [0, 4, 9, 1000]],
    index=["s1", "s2", "s3"],
    columns=["ACTB", "GAPDH", "B2M", "X1"],
    dtype=np.float32,
)
Ingest = Callable[..., read.Store]


@pytest.fixture
def take(tmp_path: pathlib.Path) -> Ingest:
    def run(source: pathlib.Path, **options: object) -> read.Store:
        out = tmp_path / "out" / "cohort.zarr"
        ingest.run(source, out, ingest.IngestOptions.model_validate(options))
        assert [found.name for found in out.parent.iterdir()] == ["cohort.zarr"]
        return read.open_store(out, "cohort")

    return run


def expression(store: read.Store) -> npt.NDArray[np.float32]:
    values: npt.NDArray[np.float32] = store.read("expression")
    return values


def notes(store: read.Store) -> str:
    return "\n".join(store.attributes["notes"])


def write_h5ad(frame: pd.DataFrame, path: pathlib.Path, kind: str = "dense") -> None:
    make: dict[str, Callable[..., Any]] = {
        "dense": np.asarray,
        "csr": scipy.sparse.csr_matrix,
        "csc": scipy.sparse.csc_matrix,
    }
    obs, var = pd.DataFrame(index=frame.index), pd.DataFrame(index=frame.columns)
    anndata.AnnData(make[kind](frame.to_numpy()), obs=obs, var=var).write_h5ad(path)


def save(frame: pd.DataFrame, path: pathlib.Path) -> pathlib.Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".h5ad":
        write_h5ad(frame, path)
    else:
        frame.to_csv(path, sep="," if ".csv" in path.name else "\t")
    return path


KINDS = ["a.csv", "a.tsv", "a.txt", "a.csv.gz", "a.tsv.gz", "a.parquet", "a.h5ad"]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("block_cells", [1, 4_000_000])
def test_run__every_kind_and_orientation_gives_one_store(
    tmp_path: pathlib.Path,
    take: Ingest,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    turned: bool,
    block_cells: int,
) -> None:
    monkeypatch.setattr(tables, "BLOCK_CELLS", block_cells)
    store = take(save(COUNTS.T if turned else COUNTS, tmp_path / name))
    assert store.labels["sample"] == ["s1", "s2", "s3"]
    assert store.labels["gene"] == ["ACTB", "GAPDH", "B2M", "X1"]
    assert np.array_equal(expression(store), COUNTS.to_numpy())
    assert store.read("library_size").tolist() == [20, 10, 1013]
    assert store.attributes["unit"] == "counts"
    assert store.attributes["origin"] == "bulk"
    assert store.attributes["source"]["name"] == name
    assert not store.has("patient")
    assert ("genes x samples" if turned else "samples x genes") in notes(store)


@pytest.mark.parametrize("kind", ["csr", "csc"])
def test_run__sparse_h5ad(tmp_path: pathlib.Path, take: Ingest, kind: str) -> None:
    write_h5ad(COUNTS, tmp_path / "a.h5ad", kind)
    assert np.array_equal(expression(take(tmp_path / "a.h5ad")), COUNTS.to_numpy())


def test_run__layers_and_gene_columns_of_h5ad(tmp_path: pathlib.Path, take: Ingest) -> None:
    data = anndata.AnnData(COUNTS / 7, var=pd.DataFrame({"symbol": list("wxyz")}, COUNTS.columns))
    data.layers["counts"] = COUNTS.to_numpy()
    data.write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(errors.LabelMismatchError, match="no layer 'tpm', it has: counts, X"):
        take(tmp_path / "a.h5ad", layer="tpm")
    with pytest.raises(errors.LabelMismatchError, match="no column 'name', it has: symbol"):
        take(tmp_path / "a.h5ad", gene_column="name")
    store = take(tmp_path / "a.h5ad", layer="counts", gene_column="symbol")
    assert store.labels["gene"] == ["w", "x", "y", "z"]
    assert np.array_equal(expression(store), COUNTS.to_numpy())


def test_run__more_samples_than_a_chunk(tmp_path: pathlib.Path, take: Ingest) -> None:
    rng = np.random.default_rng(0)
    names = [f"TCGA-AB-{at:04}-{'11' if at % 50 == 0 else '01'}A" for at in range(600)]
    frame = pd.DataFrame(rng.integers(0, 99, (600, 5)), names, ["ACTB", "B2M", "ACTB", "C", "D"])
    store = take(save(frame.T, tmp_path / "a.csv"))
    kept = frame[[not name.endswith("11A") for name in names]]
    assert store.labels["sample"] == list(kept.index)
    assert store.read("patient").tolist() == [name[:12] for name in kept.index]
    given = kept.to_numpy()
    summed = np.stack([given[:, 0] + given[:, 2], given[:, 1], given[:, 3], given[:, 4]], axis=1)
    assert np.array_equal(expression(store), summed)
    assert len(store.attributes["dropped_samples"]) == 12
    assert "duplicates summed (first: ACTB)" in notes(store)


def test_run__a_table_written_by_r_without_a_corner(tmp_path: pathlib.Path, take: Ingest) -> None:
    (tmp_path / "a.tsv").write_text("s1\ts2\nACTB\t1\t2\nB2M\t3\t4\n")
    store = take(tmp_path / "a.tsv")
    assert store.labels == {"sample": ["s1", "s2"], "gene": ["ACTB", "B2M"]}


@pytest.mark.parametrize(
    ("name", "option"), [("a.csv", "layer"), ("a.csv", "split"), ("a.h5ad", "sheet")]
)
def test_run__an_option_without_use_is_refused(
    tmp_path: pathlib.Path, take: Ingest, name: str, option: str
) -> None:
    source = save(COUNTS, tmp_path / name)
    value = source if option == "sheet" else "test"
    with pytest.raises(errors.ConfigError, match=f"has no use for --{option}"):
        take(source, **{option: value})
    assert take(source).n_rows == 3


def test_run__a_gene_column_beside_annotation(tmp_path: pathlib.Path, take: Ingest) -> None:
    (tmp_path / "a.tsv").write_text("id\tsymbol\ts1\nE1\tACTB\t1\nE2\tNAN\t3\n")
    with pytest.raises(errors.ValuesError, match=r"column 'symbol' holds the text 'ACTB'"):
        take(tmp_path / "a.tsv")
    store = take(tmp_path / "a.tsv", gene_column="symbol")
    assert store.labels == {"sample": ["s1"], "gene": ["ACTB", "NAN"]}
    assert "columns left out: id" in notes(store)


def test_run__a_gene_map_renames_and_sums(tmp_path: pathlib.Path, take: Ingest) -> None:
    (tmp_path / "map.csv").write_text("from,to\nGAPDH,ACTB\n")
    store = take(save(COUNTS, tmp_path / "a.csv"), gene_map=tmp_path / "map.csv")
    assert store.labels["gene"] == ["ACTB", "B2M", "X1"]
    assert expression(store)[:, 0].tolist() == [5, 8, 4]


def test_run__gene_lengths_make_tpm(tmp_path: pathlib.Path, take: Ingest) -> None:
    (tmp_path / "l.csv").write_text("gene,length\nACTB,1000\nGAPDH,2000\nB2M,4000\n")
    store = take(save(COUNTS, tmp_path / "a.csv"), gene_lengths=tmp_path / "l.csv")
    # By hand, s1: 5/1, 0/2, 12/4 reads a kilobase = 5, 0, 3; X1 has no length.
    assert expression(store)[0] == pytest.approx([625_000, 0, 375_000])
    assert store.attributes["unit"] == "TPM"
    assert "1 genes without a length are left out" in notes(store)


def test_run__gene_lengths_must_fit(tmp_path: pathlib.Path, take: Ingest) -> None:
    table = save(COUNTS, tmp_path / "a.csv")
    (tmp_path / "l.csv").write_text("ACTB,1000\n")
    with pytest.raises(errors.LabelMismatchError, match="1 of 4 genes"):
        take(table, gene_lengths=tmp_path / "l.csv")
    (tmp_path / "l.csv").write_text("ACTB,0\n")
    with pytest.raises(errors.ValuesError, match="bases above 0"):
        take(table, gene_lengths=tmp_path / "l.csv")
    with pytest.raises(errors.ValuesError, match="is TPM"):
        take(table, gene_lengths=tmp_path / "l.csv", unit="TPM")


def test_run__logged_tables_are_refused_then_inverted(tmp_path: pathlib.Path, take: Ingest) -> None:
    table = save((COUNTS + 0.001).map(np.log2), tmp_path / "a.csv")
    with pytest.raises(errors.ValuesError, match=r"--logged 'log2\(x\+0.001\)'"):
        take(table)
    store = take(table, logged="log2(x+0.001)", unit="RSEM")
    assert expression(store) == pytest.approx(COUNTS.to_numpy(), rel=1e-5, abs=1e-5)


def test_run__the_report_covers_panel_and_markers(tmp_path: pathlib.Path, take: Ingest) -> None:
    store = take(save(COUNTS, tmp_path / "a.csv"), panel=["ACTB", "NK1"], markers={"B": ["X1"]})
    assert store.attributes["genes"]["panel"] == {"found": 1, "wanted": 2, "missing": ["NK1"]}
    assert store.attributes["genes"]["markers"]["B"]["found"] == 1
    assert "panel: 1 of 2 genes measured" in notes(store)


def test_run__genes_that_match_nothing(tmp_path: pathlib.Path, take: Ingest) -> None:
    frame = COUNTS.set_axis([f"ENSG0000000000{at}.2" for at in range(4)], axis=1)
    with pytest.raises(errors.LabelMismatchError, match="by Ensembl ids, the model by symbols"):
        take(save(frame, tmp_path / "a.csv"), panel=["ACTB"])


BAD_TEXT = {
    "": "is empty",
    "\n\n": "holds no table",
    "gene,s1\n": "holds no table",
    "gene\nACTB\n": "holds no table",
    "gene,s1,s2\nACTB,1,\n": r"row 'ACTB', column 's2' holds no number",
    "gene,s1,s2\nACTB,1,NA\n": r"row 'ACTB', column 's2' holds no number",
    "gene,s1,s2\nACTB,1,-2\n": r"row 'ACTB', column 's2' is negative",
    "gene,s1,s2\nACTB,1,inf\n": r"row 'ACTB', column 's2' is infinite",
    "gene,s1,s2\nACTB,1,x\nB2M,1,2\n": r"row 'ACTB', column 's2' holds the text 'x'",
    "gene,s1,s1\nACTB,1,2\n": r"sample names occur more than once \(s1\)",
    "gene,s1,s2\nACTB,1,2\nB2M,1,2,3\n": "row 'B2M' has more fields",
    "gene,s1,s2\nACTB,1,2\nB2M,1,2,3,4,5\n": "as many fields",
}


@pytest.mark.parametrize("text", BAD_TEXT)
def test_run__a_bad_table_is_told_and_leaves_nothing(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(errors.BluebatchError, match=BAD_TEXT[text]):
        ingest.run(tmp_path / "a.csv", tmp_path / "c.zarr")
    assert [found.name for found in tmp_path.iterdir()] == ["a.csv"]


def test_run__a_missing_or_unknown_file(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.MissingInputError, match="nothing is there"):
        ingest.run(tmp_path / "none.csv", tmp_path / "c.zarr")
    (tmp_path / "a.xlsx").write_text("x")
    with pytest.raises(errors.InputFileError, match="unknown kind"):
        ingest.run(tmp_path / "a.xlsx", tmp_path / "c.zarr")


@pytest.mark.parametrize("name", ["a.csv.gz", "a.h5ad", "a.parquet"])
def test_run__a_truncated_file(tmp_path: pathlib.Path, name: str) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((50, 200))).rename(index=str, columns=str)
    file = save(frame, tmp_path / name)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(errors.InputFileError, match="truncated"):
        ingest.run(file, tmp_path / "c.zarr")
    assert [found.name for found in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.h5ad", "a.parquet"])
def test_run__a_damaged_file(tmp_path: pathlib.Path, name: str) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 9, (400, 50))).rename(index=str, columns=str)
    file = tmp_path / name
    if name == "a.h5ad":
        anndata.AnnData(frame.to_numpy(np.float32)).write_h5ad(file, compression="gzip")
        with h5py.File(file) as opened:
            at = opened["X"].id.get_chunk_info(0).byte_offset
    else:
        frame.to_parquet(file)
        at = 100
    content = bytearray(file.read_bytes())
    content[at : at + 40] = b"\xff" * 40
    file.write_bytes(bytes(content))
    with pytest.raises(errors.InputFileError, match="damaged"):
        ingest.run(file, tmp_path / "c.zarr")
    assert [found.name for found in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("mark", [",", "\t", ";"])
def test_run__any_separator_is_found(tmp_path: pathlib.Path, take: Ingest, mark: str) -> None:
    COUNTS.to_csv(tmp_path / "a.csv", sep=mark)
    assert np.array_equal(expression(take(tmp_path / "a.csv")), COUNTS.to_numpy())


def test_run__text_that_is_no_text(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"gene,s1\nACTB,\xff\xfe\n")
    with pytest.raises(errors.InputFileError, match="not a table of text"):
        ingest.run(tmp_path / "a.csv", tmp_path / "c.zarr")


def test_run__a_gz_by_another_name_is_read(tmp_path: pathlib.Path, take: Ingest) -> None:
    (tmp_path / "a.csv").write_bytes(gzip.compress(COUNTS.to_csv().encode()))
    assert np.array_equal(expression(take(tmp_path / "a.csv")), COUNTS.to_numpy())


def test_run__the_same_again_is_already_complete(tmp_path: pathlib.Path) -> None:
    table, out = save(COUNTS, tmp_path / "a.csv"), tmp_path / "c.zarr"
    first = ingest.run(table, out)
    assert first.state == "new"
    again = ingest.run(table, out)
    assert again.state == "complete"
    assert "already complete" in again.as_text()
    assert again.as_dict() == {**first.as_dict(), "state": "complete"}


def test_run__something_else_at_the_output_path(tmp_path: pathlib.Path) -> None:
    table, out = save(COUNTS, tmp_path / "a.csv"), tmp_path / "c.zarr"
    zarr.create_group(str(out))
    with pytest.raises(errors.OutputExistsError, match="--overwrite"):
        ingest.run(table, out)
    with pytest.raises(errors.BluebatchError):  # a bad source destroys nothing
        ingest.run(table, out, ingest.IngestOptions(overwrite=True, panel=["NONE"]))
    assert not zarr.open_group(str(out), mode="r").attrs
    ingest.run(table, out, ingest.IngestOptions(overwrite=True))
    with pytest.raises(errors.OutputExistsError):
        ingest.run(table, out, ingest.IngestOptions(unit="RSEM"))
    save(COUNTS + 1, table)
    with pytest.raises(errors.OutputExistsError):
        ingest.run(table, out)


def test_run__the_source_is_not_written_over(tmp_path: pathlib.Path) -> None:
    table = save(COUNTS, tmp_path / "a.csv")
    with pytest.raises(errors.OutputExistsError, match="is, holds or lies in the input"):
        ingest.run(table, table, ingest.IngestOptions(overwrite=True))


@pytest.mark.parametrize("broken", ["spill", "store"])
def test_run__a_full_disk_leaves_it_resumable(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    table, out = save(COUNTS, tmp_path / "a.csv"), tmp_path / "c.zarr"
    if broken == "spill":
        monkeypatch.setattr(pathlib.Path, "write_bytes", full)
    else:
        monkeypatch.setattr(zarr.Array, "__setitem__", full)
    with pytest.raises(errors.DiskFullError, match="run the same command again"):
        ingest.run(table, out)
    monkeypatch.undo()
    assert not list(tmp_path.glob(".*"))
    assert ingest.run(table, out).state == "new"
    assert np.array_equal(expression(read.open_store(out)), COUNTS.to_numpy())


def test_run__an_interrupt_leaves_it_unfinished_and_resumable(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    table, out = save(COUNTS, tmp_path / "a.csv"), tmp_path / "c.zarr"
    monkeypatch.setattr(write, "complete", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ingest.run(table, out)
    monkeypatch.undo()
    with pytest.raises(errors.IncompleteError):
        read.open_store(out)
    with pytest.raises(errors.OutputExistsError):
        ingest.run(table, out, ingest.IngestOptions(unit="RSEM"))
    assert ingest.run(table, out).state == "new"


def test_run__tells_the_lines_as_they_are_read(tmp_path: pathlib.Path) -> None:
    told: list[int] = []
    ingest.run(save(COUNTS, tmp_path / "a.csv"), tmp_path / "c.zarr", on_lines=told.append)
    assert told == [3]


def pseudobulk(path: pathlib.Path) -> pathlib.Path:
    labels = {
        "sample": ["train-0", "test-0", "test-1"],
        "gene": ["ACTB", "B2M"],
        "profile_gene": ["ACTB"],
        "cell_type": ["B"],
        "reference": ["r"],
    }
    optional = [spec.name for spec in schema.PSEUDOBULK.arrays if spec.optional]
    group = write.create(path, schema.PSEUDOBULK, labels, {"unit": "counts"}, leave_out=optional)
    write.write_whole(group, "expression", [[1, 2], [3, 4], [5, 6]])
    write.write_whole(group, "split", np.array(["train", "test", "test"], dtype=object))
    for name in ("source", "twin"):
        write.write_whole(group, name, np.array(["r", "r", "r"], dtype=object))
    for name in ("library_size", "n_cells", "proportion", "rna_fraction", "profile"):
        write.write_whole(group, name, 0)
    write.complete(group)
    return path


def test_run__a_split_of_a_pseudobulk_store(tmp_path: pathlib.Path, take: Ingest) -> None:
    source = pseudobulk(tmp_path / "p.zarr")
    with pytest.raises(errors.LabelMismatchError, match="it has: test, train"):
        take(source, split="validation")
    store = take(source, split="test")
    assert store.labels["sample"] == ["test-0", "test-1"]
    assert expression(store).tolist() == [[3, 4], [5, 6]]
    assert store.attributes["origin"] == "pseudobulk"
    assert store.attributes["unit"] == "counts"


def test_run__a_parquet_without_labels(tmp_path: pathlib.Path) -> None:
    COUNTS.to_parquet(tmp_path / "a.parquet", index=False)
    with pytest.raises(errors.LabelMismatchError, match="labels its lines"):
        ingest.run(tmp_path / "a.parquet", tmp_path / "c.zarr")


def test_run__options_of_proportions_are_refused(tmp_path: pathlib.Path, take: Ingest) -> None:
    with pytest.raises(errors.ConfigError, match=r"^--sample-column: .*--kind proportion"):
        take(save(COUNTS, tmp_path / "a.csv"), sample_column="s1")
