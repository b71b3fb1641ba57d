"""Folders and sample sheets of the Genomic Data Commons: one STAR file a sample."""

import dataclasses
import pathlib

import numpy as np
import pandas as pd

from bluebatch import errors
from bluebatch.store import files, genes, tables

# TPM is the default: free of gene-length bias, which STAR counts of full-length reads carry, and
# on the scale of RNA molecules that UMI references have.
COLUMN_OF: dict[tables.Unit, str] = {
    "TPM": "tpm_unstranded",
    "counts": "unstranded",
    "FPKM": "fpkm_unstranded",
}
_FILE, _SAMPLE, _TYPE, _CASE, _ID = "File Name", "Sample ID", "Sample Type", "Case ID", "File ID"


@dataclasses.dataclass(frozen=True)
class _Sample:
    name: str
    file: pathlib.Path
    patient: str = ""
    normal: bool = False


def is_sample_sheet(path: pathlib.Path) -> bool:
    """Tell whether a file is a GDC sample sheet.

    Parameters
    ----------
    path : pathlib.Path
        A text file.

    Returns
    -------
    bool
        True if its header names files and samples.
    """
    if path.suffix.lower() not in (".tsv", ".txt"):
        return False
    try:
        with files.broken_file(path), files.open_lines(path) as handle:
            header = handle.readline(4096).strip().split("\t")
    except errors.InputFileError:
        return False
    return {_FILE, _SAMPLE} <= set(header)


def open_folder(
    folder: pathlib.Path, unit: tables.Unit | None = None, sheet: pathlib.Path | None = None
) -> tables.Table:
    """Open a folder of STAR files; the sample sheet in it, or the one given, names the samples.

    Parameters
    ----------
    folder : pathlib.Path
        Files in it or in subfolders.
    unit : str, optional
        TPM (default), counts or FPKM: the column taken.
    sheet : pathlib.Path, optional
        GDC sample sheet.

    Returns
    -------
    tables.Table
        Lines are samples, read file by file.

    Raises
    ------
    errors.InputFileError
        If there is no STAR file, or files of the sheet are missing.
    """
    candidates = sorted([*folder.rglob("*.tsv"), *folder.rglob("*.tsv.gz")])
    sheets = [path for path in candidates if is_sample_sheet(path)]
    if sheet is None and len(sheets) > 1:
        raise errors.InputFileError(
            f"{folder}: holds {len(sheets)} sample sheets, needed: one. Name it as the source."
        )
    if sheet is not None or sheets:
        return _open(folder, _read_sheet(folder, sheet or sheets[0]), unit)
    found = [path for path in candidates if _is_star(path)]
    if not found:
        raise errors.InputFileError(
            f"{folder}: holds no GDC STAR file (*.tsv with gene_id, unstranded, tpm_unstranded). "
            "Give the folder of the download, a sample sheet, a table or a store."
        )
    # Sample names are the files' own: GDC names them by a UUID.
    samples = [_Sample(path.name.split(".")[0], path) for path in found]
    return _open(folder, samples, unit, "no sample sheet: samples are named by their files")


def star_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """List what a digest of the folder must cover.

    Parameters
    ----------
    folder : pathlib.Path
        Of a download.

    Returns
    -------
    list of pathlib.Path
        Every tsv, in order.
    """
    return sorted([*folder.rglob("*.tsv"), *folder.rglob("*.tsv.gz")])


def _is_star(path: pathlib.Path) -> bool:
    with files.broken_file(path), files.open_lines(path) as handle:
        lines = [handle.readline(4096) for _ in range(2)]
    return any(line.startswith("gene_id\tgene_name") for line in lines)


def _read_sheet(folder: pathlib.Path, sheet: pathlib.Path) -> list[_Sample]:
    with files.broken_file(sheet):
        frame = pd.read_csv(sheet, sep="\t", dtype=str, keep_default_na=False)
    lacking = [name for name in (_FILE, _SAMPLE) if name not in frame]
    if lacking or frame.empty:
        raise errors.InputFileError(
            f"{sheet}: is no GDC sample sheet (lacks {', '.join(lacking) or 'any line'}). "
            "Download it from the GDC cart as 'Sample Sheet'."
        )
    samples, missing = [], []
    for row in frame.to_dict("records"):
        places = [folder / row[_FILE], folder / row.get(_ID, "") / row[_FILE]]
        file = next((place for place in places if place.is_file()), None)
        if file is None:
            missing.append(row[_FILE])
            continue
        normal = "normal" in row.get(_TYPE, "").lower()
        samples.append(_Sample(row[_SAMPLE], file, row.get(_CASE, ""), normal))
    if missing:
        raise errors.MissingInputError(
            f"{sheet}: {len(missing):,} of its {len(frame):,} files are not in {folder} "
            f"(first: {missing[0]}). Download them, or remove their lines."
        )
    return samples


def _open(
    folder: pathlib.Path, samples: list[_Sample], unit: tables.Unit | None, note: str | None = None
) -> tables.Table:
    taken = unit or "TPM"
    if taken not in COLUMN_OF:
        raise errors.ValuesError(
            f"{folder}: GDC STAR files hold {', '.join(COLUMN_OF)}, not {taken}. "
            "Choose one of them with --unit."
        )
    column = COLUMN_OF[taken]
    first = _read_star(samples[0].file, column)
    ids = [str(name) for name in first["gene_id"]]

    def blocks() -> tables.Blocks:
        step = tables.block_lines(len(ids))
        for start in range(0, len(samples), step):
            some = samples[start : start + step]
            values = np.stack([_values(sample, column, ids) for sample in some])
            yield tables.Block([sample.name for sample in some], values)

    names = first["gene_name"]
    return tables.Table(
        str(folder),
        ids,
        blocks,
        lines_are="sample",
        unit=taken,
        patients={sample.name: sample.patient for sample in samples if sample.patient},
        normals=tuple(sample.name for sample in samples if sample.normal),
        symbols={genes.strip_version(i): str(name) for i, name in zip(ids, names, strict=True)},
        notes=[f"GDC: column {column} of {len(samples):,} files", *([note] if note else [])],
    )


def _read_star(file: pathlib.Path, column: str) -> pd.DataFrame:
    try:
        with files.broken_file(file):
            frame = pd.read_csv(
                file,
                sep="\t",
                comment="#",
                usecols=["gene_id", "gene_name", column],
                dtype={"gene_id": str, "gene_name": str},
                keep_default_na=False,
                na_values={column: ["", "NA", "nan"]},
            )
    except ValueError as error:
        if isinstance(error, errors.BluebatchError):
            raise
        raise errors.InputFileError(
            f"{file}: lacks gene_id, gene_name or {column} ({error}). "
            "Give STAR counts as the GDC ships them."
        ) from error
    return frame[~frame["gene_id"].str.startswith("N_")].reset_index(drop=True)


def _values(sample: _Sample, column: str, ids: list[str]) -> tables.FloatArray:
    frame = _read_star(sample.file, column)
    if list(frame["gene_id"]) != ids:
        raise errors.LabelMismatchError(
            f"{sample.file}: its {len(frame):,} genes are not those of the first file "
            f"({len(ids):,}). Ingest files of one GENCODE version at a time; is it truncated?"
        )
    numbers = frame[[column]]
    return tables.frame_numbers(sample.file, numbers, ids, [column])[:, 0]
