"""References: where counts lie, how they are read, what is refused."""

import pathlib
from collections.abc import Callable
from typing import Any

import anndata
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import scipy.sparse

from bluebatch import errors
from bluebatch.simulate import bundled, cell_types, counts, h5ad, opening, reference

N_CELLS, N_GENES = 90, 12
TYPES = ("B", "Mono", "NK")
DEFAULT = reference.ReferenceSettings()


@pytest.fixture
def values() -> npt.NDArray[np.float32]:
    drawn = np.random.default_rng(0).poisson(1.5, (N_CELLS, N_GENES)).astype(np.float32)
    drawn[:, 0] += 1
    return drawn


def cells(
    values: Any, labels: list[Any] | None = None, genes: list[str] | None = None
) -> anndata.AnnData:
    obs = pd.DataFrame(index=[f"c{i}" for i in range(N_CELLS)])
    obs["cell_type"] = pd.Categorical(labels or [TYPES[i % 3] for i in range(N_CELLS)])
    var = pd.DataFrame(index=genes or [f"G{i}" for i in range(N_GENES)])
    return anndata.AnnData(values, obs=obs, var=var)


def load(
    *paths: pathlib.Path,
    settings: reference.ReferenceSettings = DEFAULT,
    types: cell_types.CellTypeSettings | None = None,
) -> reference.Atlas:
    chosen = types or cell_types.CellTypeSettings()
    with reference.survey(paths, settings, chosen, np.random.default_rng(0)) as found:
        return found.read()


def written(path: pathlib.Path, data: anndata.AnnData) -> pathlib.Path:
    data.write_h5ad(path)
    return path


@pytest.mark.parametrize("block_values", [1 << 24, 40], ids=["one block", "many blocks"])
@pytest.mark.parametrize("layout", ["csr", "csc", "dense"])
def test_load__reads_every_layout_in_blocks(
    tmp_path: pathlib.Path,
    values: npt.NDArray[np.float32],
    layout: str,
    block_values: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counts, "BLOCK_VALUES", block_values)
    make: dict[str, Callable[[Any], Any]] = {
        "csr": scipy.sparse.csr_matrix,
        "csc": scipy.sparse.csc_matrix,
        "dense": np.asarray,
    }
    path = written(tmp_path / "a.h5ad", cells(make[layout](values)))
    atlas = load(path, types=cell_types.CellTypeSettings(drop=("NK",)))
    kept = np.arange(N_CELLS) % 3 != 2
    np.testing.assert_array_equal(atlas.counts.toarray(), values[kept])
    assert atlas.cell_types == ["B", "Mono"]
    assert atlas.references[0].cell_type.tolist() == [i % 3 for i in range(N_CELLS) if i % 3 != 2]


def test_load__takes_the_first_that_holds_counts(
    tmp_path: pathlib.Path, values: npt.NDArray[np.float32]
) -> None:
    data = cells(values)
    data.raw = data.copy()
    data.X = np.log1p(values)
    assert load(written(tmp_path / "raw.h5ad", data)).references[0].layer == "raw"
    data.layers["counts"] = values
    assert load(written(tmp_path / "layer.h5ad", data)).references[0].layer == "counts"
    named = reference.ReferenceSettings(layer="raw")
    assert load(tmp_path / "layer.h5ad", settings=named).references[0].layer == "raw"


def test_load__no_counts_lists_what_each_holds(
    tmp_path: pathlib.Path, values: npt.NDArray[np.float32]
) -> None:
    data = cells(np.log1p(values))
    data.layers["scaled"] = values - 3
    path = written(tmp_path / "a.h5ad", data)
    with pytest.raises(errors.ValuesError) as caught:
        load(path)
    message = str(caught.value)
    assert "scaled holds negative values" in message
    assert "X holds values that are not whole (logged or scaled)" in message
    assert "--layer" in message


def test_load__an_unknown_layer_lists_those_there_are(
    tmp_path: pathlib.Path, values: npt.NDArray[np.float32]
) -> None:
    path = written(tmp_path / "a.h5ad", cells(values))
    with pytest.raises(errors.LabelMismatchError, match="no layer 'umi', there are: X"):
        load(path, settings=reference.ReferenceSettings(layer="umi"))


@pytest.mark.parametrize(
    ("bad", "what"),
    [(np.nan, "NaN or infinite"), (np.inf, "NaN or infinite"), (-1, "negative"), (0.5, "logged")],
)
def test_load__refuses_bad_values(
    tmp_path: pathlib.Path, values: npt.NDArray[np.float32], bad: float, what: str
) -> None:
    values[5, 5] = bad
    path = written(tmp_path / "a.h5ad", cells(values))
    with pytest.raises(errors.ValuesError, match=what):
        load(path)


def test_load__refuses_bad_values_beyond_those_first_looked_at(
    tmp_path: pathlib.Path, values: npt.NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "HEAD_VALUES", 24)
    values[-1, 3] = -1
    path = written(tmp_path / "a.h5ad", cells(scipy.sparse.csr_matrix(values)))
    with pytest.raises(errors.ValuesError, match="X holds negative values"):
        load(path)


def test_load__refuses_text(tmp_path: pathlib.Path, values: npt.NDArray[np.float32]) -> None:
    path = written(tmp_path / "a.h5ad", cells(values.astype(int).astype(str).astype(object)))
    with pytest.raises(errors.ValuesError, match="X holds text"):
        load(path)


def test_load__nothing_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.MissingInputError, match="nothing is there"):
        load(tmp_path / "absent.h5ad")


def test_load__a_folder_is_no_file(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.MissingInputError, match="is a folder"):
        load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"gene,sample\nA,1\n"], ids=["empty", "csv"])
def test_load__another_format(tmp_path: pathlib.Path, content: bytes) -> None:
    path = tmp_path / "a.h5ad"
    path.write_bytes(content)
    with pytest.raises(errors.InputFileError, match="cannot be read as h5ad"):
        load(path)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_load__a_truncated_file(
    tmp_path: pathlib.Path, values: npt.NDArray[np.float32], share: float
) -> None:
    path = written(tmp_path / "a.h5ad", cells(values))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(errors.InputFileError, match="cannot be read as h5ad"):
        load(path)


def test_load__an_absent_key_lists_the_columns_there_are(
    tmp_path: pathlib.Path, values: npt.NDArray[np.float32]
) -> None:
    path = written(tmp_path / "a.h5ad", cells(values))
    settings = reference.ReferenceSettings(cell_type_key="label")
    with pytest.raises(errors.LabelMismatchError, match=r"'label', there are: cell_type.*--cell"):
        load(path, settings=settings)
    with pytest.raises(errors.LabelMismatchError, match=r"'who', there are.*--donor-key"):
        load(path, settings=reference.ReferenceSettings(donor_key="who"))
    with pytest.raises(errors.LabelMismatchError, match=r"'id', there are: none.*--gene-column"):
        load(path, settings=reference.ReferenceSettings(gene_column="id"))


def test_load__reads_donors(tmp_path: pathlib.Path, values: npt.NDArray[np.float32]) -> None:
    data = cells(values)
    data.obs["donor"] = [f"d{i % 2}" for i in range(N_CELLS)]
    donor = load(written(tmp_path / "a.h5ad", data)).references[0].donor
    assert donor is not None
    assert donor[:3].tolist() == ["d0", "d1", "d0"]


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
def test_load__sums_genes_of_one_name_and_says_so(
    tmp_path: pathlib.Path, values: npt.NDArray[np.float32]
) -> None:
    data = cells(values, genes=["A", "B", "A", *[f"G{i}" for i in range(3, N_GENES)]])
    atlas = load(written(tmp_path / "a.h5ad", data))
    assert atlas.genes[:3] == ["A", "B", "G3"]
    np.testing.assert_array_equal(atlas.counts.toarray()[:, 0], values[:, 0] + values[:, 2])
    assert any("stand more than once" in note for note in atlas.notes)


def test_load__takes_genes_from_a_column_without_version_suffix(
    tmp_path: pathlib.Path, values: npt.NDArray[np.float32]
) -> None:
    data = cells(values)
    data.var["id"] = [f"ENSG{i:011d}.{i}" for i in range(N_GENES)]
    path = written(tmp_path / "a.h5ad", data)
    atlas = load(path, settings=reference.ReferenceSettings(gene_column="id"))
    assert atlas.genes[1] == "ENSG00000000001"
    assert any("version suffix" in note for note in atlas.notes)


def test_load__genes_measured_in_every_reference_in_the_order_of_the_first(
    tmp_path: pathlib.Path, values: npt.NDArray[np.float32]
) -> None:
    first = written(tmp_path / "a.h5ad", cells(values))
    genes = [f"G{i}" for i in range(N_GENES + 3, 3, -1)]
    second = written(tmp_path / "b.h5ad", cells(values, genes=genes))
    atlas = load(first, second)
    assert atlas.genes == [f"G{i}" for i in range(4, N_GENES)]
    other = atlas.counts[atlas.references[1].cells].toarray()
    np.testing.assert_array_equal(other[:, 0], values[:, genes.index("G4")])


def test_load__symbols_against_ensembl_ids(
    tmp_path: pathlib.Path, values: npt.NDArray[np.float32]
) -> None:
    first = written(tmp_path / "a.h5ad", cells(values))
    second = written(
        tmp_path / "b.h5ad", cells(values, genes=[f"ENSG{i:011d}" for i in range(N_GENES)])
    )
    with pytest.raises(errors.LabelMismatchError, match=r"symbols.*Ensembl ids.*--gene-column"):
        load(first, second)


def test_load__a_type_that_one_reference_lacks_is_reported(
    tmp_path: pathlib.Path, values: npt.NDArray[np.float32]
) -> None:
    first = written(tmp_path / "a.h5ad", cells(values))
    second = written(
        tmp_path / "b.h5ad", cells(values, labels=[TYPES[i % 2] for i in range(N_CELLS)])
    )
    atlas = load(first, second)
    assert atlas.cell_types == ["B", "Mono", "NK"]
    assert any("b.h5ad: has no cell type NK" in note for note in atlas.notes)


def test_load__draws_at_most_max_cells_of_a_type(
    tmp_path: pathlib.Path, values: npt.NDArray[np.float32]
) -> None:
    path = written(tmp_path / "a.h5ad", cells(values))
    atlas = load(path, settings=reference.ReferenceSettings(max_cells=25))
    assert np.bincount(atlas.references[0].cell_type).tolist() == [25, 25, 25]
    assert any("75 of 90 cells drawn" in note for note in atlas.notes)


def test_load__leaves_out_cells_without_counts(
    tmp_path: pathlib.Path, values: npt.NDArray[np.float32]
) -> None:
    values[0] = 0
    atlas = load(written(tmp_path / "a.h5ad", cells(values)))
    assert atlas.counts.shape[0] == N_CELLS - 1
    assert any("1 cells without counts" in note for note in atlas.notes)


def test_load__the_bundled_reference_holds_whole_counts() -> None:
    atlas = load(pathlib.Path(bundled.PATH))
    found = atlas.references[0]
    assert len(atlas.genes) == 765
    assert "CD14+ Monocyte" in atlas.cell_types
    # 129 monocytes as scanpy labels them; 13 and 8 cells of two further labels are too few.
    code = atlas.cell_types.index("CD14+ Monocyte")
    assert int((found.cell_type == code).sum()) == 129
    assert (atlas.counts.data == np.rint(atlas.counts.data)).all()


def test_name_references__a_second_file_of_one_name_is_numbered() -> None:
    assert opening.name_references(["x/a.h5ad", "y/a.h5ad", "b.h5ad"]) == ["a", "a-2", "b"]


def test_digest__changes_with_any_byte_also_of_large_files(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    for limit in (h5ad.WHOLE_DIGEST_BYTES, 10):
        monkeypatch.setattr(h5ad, "WHOLE_DIGEST_BYTES", limit)
        monkeypatch.setattr(h5ad, "END_BYTES", 8)
        path.write_bytes(b"0123456789abcdef")
        before = h5ad.digest(path)
        path.write_bytes(b"0123456789abcdeX")
        assert h5ad.digest(path) != before
    assert before.startswith("sha256-ends:")
