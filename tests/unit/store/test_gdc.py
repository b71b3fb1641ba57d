import pathlib

import numpy as np
import pytest

from bluebatch import errors
from bluebatch.store import ingest, read

HEADER = "gene_id\tgene_name\tgene_type\tunstranded\ttpm_unstranded\tfpkm_unstranded\n"
GENES = [
    ("ENSG00000000003.15", "TP53"),
    ("ENSG00000000005.6", "ACTB"),
    ("ENSG00000000419.2", "TP53"),
]
TUMOUR, NORMAL = "TCGA-AB-0001-01A", "TCGA-AB-0002-11A"


def star(path: pathlib.Path, factor: int, genes: list[tuple[str, str]] = GENES) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        f"{gene}\t{name}\tprotein_coding\t{factor * (at + 1)}\t{factor * (at + 1) / 2}\t0.25\n"
        for at, (gene, name) in enumerate(genes)
    ]
    path.write_text(f"# gene-model: GENCODE v36\n{HEADER}N_unmapped\t\t\t9\t\t\n{''.join(rows)}")


def sheet(folder: pathlib.Path) -> pathlib.Path:
    path = folder / "gdc_sample_sheet.2026.tsv"
    path.write_text(
        "File ID\tFile Name\tCase ID\tSample ID\tSample Type\n"
        f"u1\ta.tsv\tTCGA-AB-0001\t{TUMOUR}\tPrimary Tumor\n"
        f"u2\tb.tsv\tTCGA-AB-0002\t{NORMAL}\tSolid Tissue Normal\n"
    )
    return path


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    star(tmp_path / "gdc" / "u1" / "a.tsv", 1)
    star(tmp_path / "gdc" / "u2" / "b.tsv", 10)
    return tmp_path / "gdc"


def take(source: pathlib.Path, **options: object) -> read.Store:
    out = source.parent / "c.zarr"
    ingest.run(source, out, ingest.IngestOptions.model_validate(options))
    return read.open_store(out)


def test_run__a_folder_sums_ids_of_one_symbol(folder: pathlib.Path) -> None:
    store = take(folder)
    assert store.labels == {"sample": ["a", "b"], "gene": ["TP53", "ACTB"]}
    # By hand: TPM is half of 1, 2, 3; TP53 has the first and the third.
    assert store.read("expression").tolist() == [[2, 1], [20, 10]]
    assert store.attributes["unit"] == "TPM"
    assert "no sample sheet" in "\n".join(store.attributes["notes"])


def test_run__a_sheet_in_the_folder_names_samples_and_normals(folder: pathlib.Path) -> None:
    sheet(folder)
    store = take(folder, unit="counts")
    assert store.labels["sample"] == [TUMOUR]
    assert store.read("patient").tolist() == ["TCGA-AB-0001"]
    assert store.read("expression").tolist() == [[4, 2]]
    assert store.attributes["dropped_samples"] == [NORMAL]
    assert store.attributes["unit"] == "counts"


def test_run__the_sheet_as_source_and_beside(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (folder / "x").mkdir()
    store = take(sheet(folder), keep_normals=True)
    assert store.labels["sample"] == [TUMOUR, NORMAL]


def test_run__another_column_is_refused(folder: pathlib.Path) -> None:
    with pytest.raises(errors.ValuesError, match="TPM, counts, FPKM, not RSEM"):
        take(folder, unit="RSEM")


def test_run__missing_files_are_counted(folder: pathlib.Path) -> None:
    (folder / "u2" / "b.tsv").unlink()
    sheet(folder)
    with pytest.raises(errors.MissingInputError, match=r"1 of its 2 files .*b\.tsv"):
        take(folder)


def test_run__files_of_other_genes_are_refused(folder: pathlib.Path) -> None:
    star(folder / "u2" / "b.tsv", 1, GENES[:2])
    with pytest.raises(errors.LabelMismatchError, match="not those of the first file"):
        take(folder)


def test_run__a_folder_without_star_files(tmp_path: pathlib.Path) -> None:
    (tmp_path / "gdc").mkdir()
    (tmp_path / "gdc" / "a.tsv").write_text("x\ty\n1\t2\n")
    with pytest.raises(errors.InputFileError, match="no GDC STAR file"):
        take(tmp_path / "gdc")


def test_run__text_in_a_star_file(folder: pathlib.Path) -> None:
    file = folder / "u2" / "b.tsv"
    file.write_text(file.read_text().replace("\t10.0\t", "\tten\t"))
    with pytest.raises(errors.ValuesError, match=r"row 'ENSG00000000005\.6'.*'ten'"):
        take(folder)


def test_run__many_files_in_blocks(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bluebatch.store.tables.BLOCK_CELLS", 3)
    store = take(folder, unit="FPKM")
    assert np.array_equal(store.read("expression"), np.array([[0.5, 0.25]] * 2))
