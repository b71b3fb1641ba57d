import pathlib
from typing import Any

import anndata
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from unit.downstream import stores

from bluebatch import errors
from bluebatch.downstream import export, writers
from bluebatch.store import compositions

FORMATS = ["h5ad", "parquet", "csv", "csv.gz"]


@pytest.fixture(scope="module")
def known() -> stores.Known:
    return stores.draw(300, 2)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, known: stores.Known) -> pathlib.Path:
    return stores.write_results(tmp_path_factory.mktemp("export") / "results.zarr", known)


def read_back(path: pathlib.Path) -> pd.DataFrame:
    if path.suffix == ".h5ad":
        cells: pd.DataFrame = anndata.read_h5ad(path).to_df()
        return cells
    if path.suffix == ".parquet":
        return pd.read_parquet(path).set_index("sample")
    return pd.read_csv(path, index_col="sample")


def float32(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return values.astype(np.float32)


@pytest.mark.parametrize("extension", FORMATS)
def test_run__profiles_come_back_exactly(
    results: pathlib.Path, known: stores.Known, tmp_path: pathlib.Path, extension: str
) -> None:
    out = tmp_path / f"nk.{extension}"
    summary = export.run(results, out, export.Options(cell_type="NK"))
    found = read_back(out)
    assert found.columns.tolist() == stores.GENES
    assert found.index.tolist() == known.samples
    np.testing.assert_array_equal(float32(found.to_numpy()), float32(known.profile[:, 2]))
    assert np.isnan(found.to_numpy()).any()
    assert (summary.n_samples, summary.n_columns) == (300, 40)
    assert "profiles of NK" in summary.as_text()
    assert summary.as_dict()["n_bytes"] == out.stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize("extension", FORMATS)
def test_run__a_gene_list_keeps_its_order(
    results: pathlib.Path, known: stores.Known, tmp_path: pathlib.Path, extension: str
) -> None:
    out = tmp_path / f"mono.{extension}"
    export.run(results, out, export.Options(cell_type="Mono", genes="g7, g2"))
    found = read_back(out)
    assert found.columns.tolist() == ["g7", "g2"]
    expected = float32(known.profile[:, 1][:, [7, 2]])
    np.testing.assert_array_equal(float32(found.to_numpy()), expected)


def test_run__genes_may_stand_in_a_file(results: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "genes.txt").write_text("g3  # of interest\n\ng1\ng3\n")
    options = export.Options(cell_type="B", genes=str(tmp_path / "genes.txt"))
    export.run(results, tmp_path / "b.csv", options)
    assert read_back(tmp_path / "b.csv").columns.tolist() == ["g3", "g1"]


@pytest.mark.parametrize("extension", FORMATS)
def test_run__proportions(
    results: pathlib.Path, known: stores.Known, tmp_path: pathlib.Path, extension: str
) -> None:
    out = tmp_path / f"p.{extension}"
    export.run(results, out, export.Options(what="proportion"))
    found = read_back(out)
    assert found.columns.tolist() == stores.CELL_TYPES
    np.testing.assert_array_equal(float32(found.to_numpy()), float32(known.proportion))


def test_run__h5ad_names_its_source(results: pathlib.Path, tmp_path: pathlib.Path) -> None:
    export.run(results, tmp_path / "b.h5ad", export.Options(cell_type="B"))
    provenance = anndata.read_h5ad(tmp_path / "b.h5ad").uns["provenance"]
    assert provenance["content"] == "profiles of B"
    assert provenance["unit"] == "log2(1 + CPM)"
    assert provenance["source"] == "results.zarr"


def test_run__reads_only_the_type_that_is_asked_for(
    known: stores.Known, tmp_path: pathlib.Path
) -> None:
    results = stores.write_results(tmp_path / "results.zarr", known)
    for chunk in (results / "profile" / "c").glob("*/0/0"):
        chunk.write_bytes(b"torn")
    export.run(results, tmp_path / "nk.csv", export.Options(cell_type="NK"))
    with pytest.raises(Exception, match=r".+"):
        export.run(results, tmp_path / "b.csv", export.Options(cell_type="B"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nk.csv", "results.zarr"]


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("a.csv", export.Options(cell_type="T"), errors.LabelMismatchError, "B, Mono, NK"),
        ("a.csv", export.Options(), errors.ConfigError, "which profiles"),
        (
            "a.csv",
            export.Options(cell_type="B", genes="g1,XX"),
            errors.LabelMismatchError,
            r"lacks 1 of the 2 genes asked for \(XX\)",
        ),
        ("a.csv", export.Options(cell_type="B", genes=" ,"), errors.InputFileError, "no gene"),
        ("a.csv", export.Options(what="proportion", genes="g1"), errors.ConfigError, "no genes"),
        ("a.xlsx", export.Options(cell_type="B"), errors.ConfigError, r"\.h5ad, \.parquet"),
        ("a", export.Options(cell_type="B"), errors.ConfigError, "extension none"),
    ],
)
def test_run__refuses_what_is_not_there(
    results: pathlib.Path,
    tmp_path: pathlib.Path,
    name: str,
    options: export.Options,
    error: type[errors.BluebatchError],
    message: str,
) -> None:
    with pytest.raises(error, match=message) as told:
        export.run(results, tmp_path / name, options)
    assert "\n" not in str(told.value)
    assert not list(tmp_path.iterdir())


def test_run__refuses_to_replace_without_overwrite(
    results: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "p.csv"
    out.write_text("mine")
    with pytest.raises(errors.OutputExistsError, match="--overwrite"):
        export.run(results, out, export.Options(what="proportion"))
    assert out.read_text() == "mine"
    export.run(results, out, export.Options(what="proportion", overwrite=True))
    assert out.read_text().startswith("sample,B,Mono,NK\n")


def test_run__refuses_an_unfinished_store(tmp_path: pathlib.Path, known: stores.Known) -> None:
    results = stores.write_results(tmp_path / "results.zarr", known, complete=False)
    with pytest.raises(errors.IncompleteError, match="unfinished"):
        export.run(results, tmp_path / "p.csv", export.Options(what="proportion"))


def test_run__a_full_disk_leaves_nothing(
    results: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writers, "_csv_blocks", lambda *_: full)
    with pytest.raises(errors.DiskFullError):
        export.run(results, tmp_path / "p.csv", export.Options(what="proportion"))
    assert not list(tmp_path.iterdir())


def test_run__proportions_of_a_composition_store(tmp_path: pathlib.Path) -> None:
    (tmp_path / "t.csv").write_text("sample,B,NK\ns1,0.25,0.75\ns2,50,50\n")
    compositions.run(tmp_path / "t.csv", tmp_path / "c.zarr")
    export.run(tmp_path / "c.zarr", tmp_path / "p.csv", export.Options(what="proportion"))
    assert (tmp_path / "p.csv").read_text() == "sample,B,NK\ns1,0.25,0.75\ns2,0.5,0.5\n"
    parts: list[export.What] = ["profile", "rna_fraction"]
    for what in parts:
        options = export.Options(what=what, cell_type="B")
        with pytest.raises(errors.ConfigError, match=rf"composition store without {what}\. "):
            export.run(tmp_path / "c.zarr", tmp_path / "q.csv", options)
