"""Gene sets of a local GMT file, laid over the genes that were tested."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pydantic
import scipy.sparse

from bluebatch import errors
from bluebatch.store import files, genes, places

Array = npt.NDArray[Any]
MARK = b"\xef\xbb\xbf"
# Below this share of a file's genes, a reader should know.
LOW_COVERAGE = 0.2
NEEDED = "needed: a name, a description and genes, parted by tabs"


class GeneSetSettings(pydantic.BaseModel):
    """Which gene sets are tested, and what is taken for the correlation between their genes.

    Parameters
    ----------
    min_size, max_size : int
        Genes of a set among those tested.
    correlation : {"contrast", "camera"} or float
        How the competitive test knows the correlation between genes. ``contrast`` estimates for
        each set how its mean varies against that of the other genes; ``camera`` estimates the mean
        correlation of the set's genes, as published, and loses its power where all genes share
        something; a number is taken for that of every set. 0 takes genes for independent, which
        rejects far too often.
    max_q : float
        Genes of at most this Benjamini-Hochberg q are the list of the over-representation.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    min_size: int = pydantic.Field(default=10, ge=2)
    max_size: int = pydantic.Field(default=500, ge=2)
    correlation: Literal["contrast", "camera"] | Annotated[float, pydantic.Field(ge=0, lt=1)] = (
        "contrast"
    )
    max_q: float = pydantic.Field(default=0.05, gt=0, le=1)

    @pydantic.model_validator(mode="after")
    def _in_order(self) -> "GeneSetSettings":
        if self.min_size > self.max_size:
            raise ValueError(f"needed: min_size of at most max_size ({self.max_size})")
        return self


class GeneSetFile(NamedTuple):
    """What a GMT file says.

    Parameters
    ----------
    path : str
        Where it lies.
    members : dict of str to tuple of str
        Genes of each set, each once, in the order of the file.
    descriptions : dict of str to str
        As they stand there.
    notes : list of str
        What was merged or left out.
    """

    path: str
    members: dict[str, tuple[str, ...]]
    descriptions: dict[str, str]
    notes: list[str]


@dataclasses.dataclass(frozen=True)
class GeneSets:
    """Gene sets over the genes that were tested.

    Parameters
    ----------
    names, descriptions : list of str
        Of the sets kept, in the order of the file.
    genes : list of str
        The background.
    membership : scipy.sparse.csr_matrix of float32, shape (set, gene)
        1 for a member.
    settings : GeneSetSettings
        By which they were kept.
    notes : list of str
        Coverage, and what was merged or left out.
    """

    names: list[str]
    descriptions: list[str]
    genes: list[str]
    membership: scipy.sparse.csr_matrix
    settings: GeneSetSettings
    notes: list[str]

    def __len__(self) -> int:
        return len(self.names)


def read(path: str | places.Place) -> GeneSetFile:
    """Read a GMT file.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        Plain or gzipped, UTF-8: a line a set, its name, a description and genes parted by tabs.

    Returns
    -------
    GeneSetFile
        Sets named twice are merged, sets without genes left out; the notes say so.

    Raises
    ------
    errors.MissingInputError
        If there is no such file.
    errors.InputFileError
        If it is a folder, a line is not of this form, or there is no set.
    """
    found = GeneSetFile(str(path), {}, {}, [])
    with places.local_copy(places.place(path)) as file:
        if file.is_dir():
            raise errors.InputFileError(f"{path}: is a folder, needed: a GMT file. Give one.")
        if not file.is_file():
            raise errors.MissingInputError(f"{path}: no such file. Check the path.")
        with files.broken_file(path):
            _read_lines(file, found)
    if not found.members:
        raise errors.InputFileError(
            f"{path}: holds no gene set, {NEEDED} on each line. Give a GMT file."
        )
    return found


def within(file: GeneSetFile, background: Sequence[str], settings: GeneSetSettings) -> GeneSets:
    """Lay gene sets over the genes that were tested.

    Parameters
    ----------
    file : GeneSetFile
        As read.
    background : sequence of str
        Genes that were tested, each once. Ensembl ids match without regard to their version.
    settings : GeneSetSettings
        Sizes within the background.

    Returns
    -------
    GeneSets
        Those of a fitting size.

    Raises
    ------
    errors.LabelMismatchError
        If no gene of the file is in the background, or no set is of a fitting size.
    """
    named = list(dict.fromkeys(gene for genes_ in file.members.values() for gene in genes_))
    match = genes.match(named, list(background))
    if not (match.index >= 0).any():
        raise errors.LabelMismatchError(_nothing_shared(file.path, named, background))
    position = dict(zip(named, match.index.tolist(), strict=True))
    kept: dict[str, list[int]] = {}
    n_small = n_large = 0
    for name, members in file.members.items():
        # Two versions of one id are one gene of the background.
        there = sorted({position[gene] for gene in members} - {-1})
        n_small += len(there) < settings.min_size
        n_large += len(there) > settings.max_size
        if settings.min_size <= len(there) <= settings.max_size:
            kept[name] = there
    sizes = f"{settings.min_size:,} to {settings.max_size:,} of the {len(background):,} genes"
    if not kept:
        raise errors.LabelMismatchError(
            f"{file.path}: none of its {len(file.members):,} gene sets has {sizes} tested "
            f"({n_small:,} have fewer, {n_large:,} more). Change min_size or max_size of "
            "[gene_sets], or give another file."
        )
    covered = int((match.index >= 0).sum())
    share = covered / len(named)
    coverage = (
        f"{file.path}: {covered:,} of its {len(named):,} genes ({share:.0%}) were tested; "
        f"{len(kept):,} of {len(file.members):,} gene sets have {sizes} "
        f"({n_small:,} have fewer, {n_large:,} more)"
    )
    low = f"{file.path}: most of its genes were not tested; a set stands for what is left of it"
    notes = [coverage, *([low] if share < LOW_COVERAGE else []), *file.notes]
    descriptions = [file.descriptions[name] for name in kept]
    membership = _membership(list(kept.values()), len(background))
    return GeneSets(list(kept), descriptions, list(background), membership, settings, notes)


def count(sets: GeneSets, chosen: Array) -> Array:
    """Count the genes of each set that are among some.

    Parameters
    ----------
    sets : GeneSets
        Sets over their background.
    chosen : np.ndarray of bool, shape (gene,)
        Of the background.

    Returns
    -------
    np.ndarray of int64, shape (set,)
        How many.
    """
    return np.asarray(np.rint(sets.membership @ chosen.astype(np.float32)), dtype=np.int64)


def _read_lines(file: pathlib.Path, found: GeneSetFile) -> None:
    # Bytes, so that a line that is not UTF-8 is told by its number.
    with files.open_lines(file) as text:
        for number, line in enumerate(text.buffer, start=1):
            where = f"{found.path}: line {number:,}"
            try:
                content = line.removeprefix(MARK).decode("utf-8").strip("\r\n")
            except UnicodeDecodeError as error:
                raise errors.InputFileError(
                    f"{where}: is not UTF-8 ({error.reason} at byte {error.start + 1:,}), needed: "
                    "text in UTF-8. Save the file in it."
                ) from error
            if content.strip():
                _take_line(content.split("\t"), where, found)


def _take_line(fields: Sequence[str], where: str, found: GeneSetFile) -> None:
    name, *rest = (field.strip() for field in fields)
    if not name or not rest:
        n_fields = f"{len(fields)} field" + ("s" if len(fields) > 1 else "")
        what = n_fields if name else "no name"
        raise errors.InputFileError(f"{where}: has {what}, {NEEDED}. Mend it.")
    members = dict.fromkeys(gene for gene in rest[1:] if gene)
    if not members:
        found.notes.append(f"{where}: the gene set {name} has no genes and is left out")
        return
    if name in found.members:
        found.notes.append(f"{where}: names the gene set {name} again; its genes are merged")
    before = dict.fromkeys(found.members.get(name, ()))
    found.members[name] = tuple(before | members)
    found.descriptions.setdefault(name, rest[0])


def _membership(sets: Sequence[Sequence[int]], n_genes: int) -> scipy.sparse.csr_matrix:
    ends = np.cumsum([0, *(len(members) for members in sets)])
    columns = np.concatenate([np.asarray(members, dtype=np.int64) for members in sets])
    ones = np.ones(len(columns), dtype=np.float32)
    return scipy.sparse.csr_matrix((ones, columns, ends), shape=(len(sets), n_genes))


def _nothing_shared(path: str, named: Sequence[str], background: Sequence[str]) -> str:
    theirs, ours = _kind(named), _kind(background)
    first = background[0] if background else "nothing"
    told = (
        f"{path}: none of its {len(named):,} genes is among the {len(background):,} tested "
        f"(first there: {named[0]}, here: {first}). "
    )
    if theirs != ours:
        return f"{told}It names genes by {theirs}, the profiles by {ours}: give it in {ours}."
    if {gene.upper() for gene in named} & {gene.upper() for gene in background}:
        return f"{told}They differ in case alone (mouse?): give the sets of the same species."
    return f"{told}Give gene sets of the same species and names."


def _kind(names: Sequence[str]) -> str:
    if genes.ensembl_share(names) > 0.5:
        return "Ensembl ids"
    if 2 * sum(map(genes.is_number, names)) > len(names):
        return "Entrez ids, probes or transcripts"
    return "symbols"
