"""A part of a results store as one file that other programs read, written block by block."""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from importlib import metadata
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.downstream import writers
from bluebatch.run import progress
from bluebatch.store import digests, outputs, places, read, schema

Array = npt.NDArray[Any]
What = Literal["profile", "proportion", "rna_fraction"]
N_NAMED = 10


@dataclasses.dataclass(frozen=True)
class Options:
    """What is exported.

    Parameters
    ----------
    what : {"profile", "proportion", "rna_fraction"}
        One cell type's profiles, or the composition of every sample.
    cell_type : str or None
        Whose profiles; needed for profiles, limits a composition to one column.
    genes : str or None
        Genes separated by commas, or the path of a file with one a line; all by default.
    overwrite : bool
        Whether a file at the output path is replaced.
    """

    what: What = "profile"
    cell_type: str | None = None
    genes: str | None = None
    overwrite: bool = False


@dataclasses.dataclass(frozen=True)
class Exported:
    """What was written.

    Parameters
    ----------
    path : str
        The file.
    what : str
        Its content in words.
    n_samples, n_columns, n_bytes : int
        Its size.
    """

    path: str
    what: str
    n_samples: int
    n_columns: int
    n_bytes: int

    def as_text(self) -> str:
        """Say it in a line.

        Returns
        -------
        str
            One line.
        """
        return (
            f"{self.path}: {self.what}, {self.n_samples:,} samples x {self.n_columns:,} columns, "
            f"{self.n_bytes / 1e6:,.1f} MB"
        )

    def as_dict(self) -> dict[str, Any]:
        """Give every number.

        Returns
        -------
        dict of str to Any
            JSON values.
        """
        return dataclasses.asdict(self)


def run(
    results: str | places.Place, out: str | places.Place, options: Options | None = None
) -> Exported:
    """Write a part of a results store to one file.

    Parameters
    ----------
    results : str, pathlib.Path or upath.UPath
        Profile store; of proportions a composition store too.
    out : str, pathlib.Path or upath.UPath
        File whose extension names the format: ``.h5ad``, ``.parquet``, ``.csv`` or ``.csv.gz``.
    options : Options, optional
        Which part.

    Returns
    -------
    Exported
        What was written.

    Raises
    ------
    errors.ConfigError
        If the extension is unknown, genes are named for a composition, or the store has no such
        part.
    errors.LabelMismatchError
        If a cell type or gene is not in the store.
    errors.OutputExistsError
        If something stands at the output path.
    errors.UnreachableError
        If a place elsewhere refuses or does not answer.
    """
    options = options or Options()
    out = places.place(out)
    begin = _writer(out)
    store = read.open_store(results, "profile", "composition")
    with places.reached(out):
        stands_there = out.is_dir() or (out.exists() and not options.overwrite)
    if stands_there:
        raise errors.OutputExistsError(
            f"{out}: something stands there. Choose another --out, or give --overwrite to replace "
            "a file."
        )
    what, columns, read_block = _part(store, options)
    table = writers.Table(
        store.labels["sample"], columns, _provenance(store, options, what), options.what
    )
    with (
        outputs.whole_file(out) as temporary,
        progress.bar("export", total=store.n_rows, unit="samples") as step,
        begin(temporary, table) as write_block,
    ):
        for start in range(0, store.n_rows, schema.ROWS_PER_CHUNK):
            rows = slice(start, min(start + schema.ROWS_PER_CHUNK, store.n_rows))
            write_block(rows, read_block(rows))
            step(rows.stop - rows.start)
    return Exported(str(out), what, store.n_rows, len(columns), out.stat().st_size)


def _writer(out: places.Place) -> writers.Begin:
    name = out.name.lower()
    for extension, begin in writers.BY_EXTENSION.items():
        if name.endswith(extension):
            return begin
    raise errors.ConfigError(
        f"{out}: has the extension {out.suffix or 'none'}, needed: one of "
        f"{', '.join(writers.BY_EXTENSION)}. Rename --out."
    )


def _part(store: read.Store, options: Options) -> tuple[str, list[str], Callable[[slice], Array]]:
    cell_types = store.labels["cell_type"]
    if options.cell_type is not None and options.cell_type not in cell_types:
        raise errors.LabelMismatchError(
            f"{store.path}: has no cell type {options.cell_type!r}; it has "
            f"{', '.join(cell_types)}. Ask for one of these."
        )
    if options.what not in store.group:
        raise errors.ConfigError(
            f"{store.path}: is a {store.spec.kind} store without {options.what}. "
            "Export --what proportion."
        )
    if options.what == "profile":
        return _profile_part(store, options)
    if options.genes is not None:
        raise errors.ConfigError(
            f"--genes: {options.what} has no genes. Leave --genes out, or export --what profile."
        )
    names = cell_types if options.cell_type is None else [options.cell_type]
    chosen = [cell_types.index(name) for name in names]
    return options.what, names, lambda rows: store.read(options.what, rows)[:, chosen]


def _profile_part(
    store: read.Store, options: Options
) -> tuple[str, list[str], Callable[[slice], Array]]:
    cell_types, available = store.labels["cell_type"], store.labels["gene"]
    if options.cell_type is None:
        raise errors.ConfigError(
            f"{store.path}: which profiles? It has those of {', '.join(cell_types)}. "
            "Name one with --cell-type, or export --what proportion."
        )
    wanted = available if options.genes is None else _named_genes(options.genes)
    position = {gene: column for column, gene in enumerate(available)}
    missing = [gene for gene in wanted if gene not in position]
    if missing:
        named = ", ".join(missing[:N_NAMED]) + (", ..." if len(missing) > N_NAMED else "")
        raise errors.LabelMismatchError(
            f"{store.path}: lacks {len(missing):,} of the {len(wanted):,} genes asked for "
            f"({named}); it has {len(available):,}, such as {available[0]}. "
            "Ask for genes that the model writes."
        )
    columns = np.array([position[gene] for gene in wanted], int)
    index = cell_types.index(options.cell_type)
    array: Any = store.group["profile"]

    def read_block(rows: slice) -> Array:
        # One cell type is one chunk of each row of chunks: nothing else is read.
        with read.damaged_chunks(store.path, "profile"):
            values: Array = array[rows, index, :]
        return values[:, columns].astype(np.float32)

    return f"profiles of {options.cell_type}", list(wanted), read_block


def _named_genes(genes: str) -> list[str]:
    file = pathlib.Path(genes)
    if "," not in genes and file.is_file():
        try:
            text = file.read_text()
        except UnicodeDecodeError as error:
            raise errors.InputFileError(
                f"{file}: is no text, needed: one gene a line. Give a list of genes."
            ) from error
        names = [line.partition("#")[0].strip() for line in text.splitlines()]
    else:
        names = [name.strip() for name in genes.split(",")]
    found = list(dict.fromkeys(name for name in names if name))
    if not found:
        raise errors.InputFileError(f"--genes {genes}: names no gene. Name at least one.")
    return found


def _provenance(store: read.Store, options: Options, what: str) -> dict[str, str]:
    unit = str(store.group[options.what].attrs.get("unit", "unknown"))
    return {
        "content": what,
        "unit": unit,
        "source": places.place(store.path).name,
        "source_digest": digests.of_store(store.path),
        "source_attributes": json.dumps(store.attributes, default=str),
        "bluebatch_version": metadata.version("bluebatch"),
    }
