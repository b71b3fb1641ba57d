"""Gene names of references: cleaned, told apart, brought onto one list."""

import pathlib
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.sparse

from bluebatch import errors
from bluebatch.store import spreadsheets

ENSEMBL = re.compile(r"ENS[A-Z]*G\d{6,}(\.\d+)?")


def clean(names: Sequence[object], where: str) -> tuple[list[str], list[str]]:
    """Turn gene names into text, without the version suffix of Ensembl ids.

    Parameters
    ----------
    names : sequence
        Names as the reference gives them.
    where : str
        The reference, for notes.

    Returns
    -------
    genes : list of str
        One name a column; ``""`` where there is none.
    notes : list of str
        What was changed.
    """
    notes = []
    genes = ["" if pd.isna(name) else str(name).strip() for name in names]  # type: ignore[call-overload]
    versioned = [gene for gene in genes if "." in gene and ENSEMBL.fullmatch(gene)]
    if versioned:
        genes = [gene.split(".")[0] if ENSEMBL.fullmatch(gene) else gene for gene in genes]
        notes.append(
            f"{where}: version suffix taken off {len(versioned):,} Ensembl ids "
            f"(first: {versioned[0]})."
        )
    dates = [gene for gene in genes if spreadsheets.is_mangled(gene)]
    if dates:
        genes = ["" if spreadsheets.is_mangled(gene) else gene for gene in genes]
        notes.append(
            f"{where}: {len(dates):,} gene names were turned into dates by a spreadsheet and are "
            f"left out (first: {dates[0]})."
        )
    nameless = genes.count("") - len(dates)
    if nameless:
        notes.append(f"{where}: {nameless:,} genes without a name left out.")
    repeated = pd.Series([gene for gene in genes if gene])
    twice = repeated[repeated.duplicated()].unique()
    if len(twice):
        notes.append(
            f"{where}: {len(twice):,} gene names stand more than once; their counts were summed "
            f"(first: {twice[0]})."
        )
    return genes, notes


def common(lists: Sequence[Sequence[str]], names: Sequence[str]) -> list[str]:
    """List the genes measured in every reference.

    Parameters
    ----------
    lists : sequence of sequence of str
        Gene names of each reference.
    names : sequence of str
        What the references are called.

    Returns
    -------
    list of str
        In the order of the first, each once.

    Raises
    ------
    errors.LabelMismatchError
        If there is none; says where symbols meet Ensembl ids.
    """
    shared = [gene for gene in dict.fromkeys(lists[0]) if gene]
    for genes, name in zip(lists[1:], names[1:], strict=True):
        there = set(genes)
        kept = [gene for gene in shared if gene in there]
        if not kept:
            raise errors.LabelMismatchError(
                f"{name}: none of its {len(there):,} genes is in {names[0]}; "
                f"{names[0]} has {kind(lists[0])}, {name} has {kind(genes)}. "
                "Bring them onto one kind, e.g. with --gene-column."
            )
        shared = kept
    if not shared:
        raise errors.LabelMismatchError(f"{names[0]}: no gene has a name. Give --gene-column.")
    return shared


def kind(genes: Sequence[str]) -> str:
    """Tell Ensembl ids from symbols.

    Parameters
    ----------
    genes : sequence of str
        Gene names.

    Returns
    -------
    str
        ``"Ensembl ids (first: ...)"`` or ``"symbols (first: ...)"``.
    """
    n_ensembl = sum(ENSEMBL.fullmatch(gene) is not None for gene in genes)
    first = genes[0] if len(genes) else "none"
    return f"{'Ensembl ids' if 2 * n_ensembl > len(genes) else 'symbols'} (first: {first})"


def sorter(columns: Sequence[str], genes: Sequence[str]) -> scipy.sparse.csr_matrix:
    """Build the matrix that sorts a reference's columns into genes, summing repeated names.

    Parameters
    ----------
    columns : sequence of str
        Gene name of each column.
    genes : sequence of str
        The genes wanted, in order.

    Returns
    -------
    scipy.sparse.csr_matrix, shape (column, gene)
        1 where a column belongs to a gene.
    """
    position = pd.Index(genes).get_indexer(pd.Index(columns))
    rows = np.flatnonzero(position >= 0)
    ones = np.ones(len(rows), dtype=np.float32)
    shape = (len(columns), len(genes))
    return scipy.sparse.csr_matrix((ones, (rows, position[rows])), shape=shape)


def read_list(path: str | pathlib.Path) -> list[str]:
    """Read a list of genes.

    Parameters
    ----------
    path : str or pathlib.Path
        Text, one gene a line; empty lines and lines that begin with ``#`` do not count.

    Returns
    -------
    list of str
        Each once, in order.

    Raises
    ------
    errors.MissingInputError
        If there is no file.
    errors.InputFileError
        If it is no text, or empty.
    """
    if not pathlib.Path(path).is_file():
        raise errors.MissingInputError(f"{path}: no such file, needed: one gene a line.")
    try:
        lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise errors.InputFileError(f"{path}: is no text, needed: one gene a line.") from error
    found = dict.fromkeys(line.strip() for line in lines)
    listed = [gene for gene in found if gene and not gene.startswith("#")]
    if not listed:
        raise errors.InputFileError(f"{path}: lists no gene, needed: one gene a line.")
    return listed
