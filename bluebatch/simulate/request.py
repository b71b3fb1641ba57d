"""What a simulation is asked for: everything that a task has to know to draw the same samples."""

import pathlib
from collections.abc import Sequence

from bluebatch import errors
from bluebatch.run import partition
from bluebatch.simulate import bundled, genes, opening
from bluebatch.simulate.settings import RunOptions, Settings

COMMAND = "simulate"


def make(
    references: Sequence[str | pathlib.Path],
    settings: Settings,
    options: RunOptions,
    per_task: int = 1,
) -> partition.Plan:
    """Write down what is asked for; of the references, only their digests are taken.

    Parameters
    ----------
    references : sequence of str or pathlib.Path
        Files in h5ad format; the bundled reference where there are none.
    settings : Settings
        The science.
    options : RunOptions
        Seed, extra genes, codec, size of partitions.
    per_task : int
        Partitions of an array task.

    Returns
    -------
    partition.Plan
        Its ``sources`` name the references by absolute paths.

    Raises
    ------
    errors.MissingInputError
        If a reference or the list of genes is not there.
    """
    extra = [] if options.genes is None else genes.read_list(options.genes)
    paths = [str(pathlib.Path(path).absolute()) for path in references] or [bundled.PATH]
    roles = [f"{number} {name}" for number, name in enumerate(opening.name_references(paths))]
    return partition.Plan(
        command=COMMAND,
        settings={
            **settings.model_dump(mode="json"),
            "seed": options.seed,
            "extra_genes": extra,
            "codec": options.codec,
        },
        inputs=dict(zip(roles, map(opening.digest, paths), strict=True)),
        n_rows=settings.simulation.n_samples,
        partition_rows=options.partition_rows,
        sources={"references": paths},
        per_task=per_task,
    )


def settings_of(asked: partition.Plan) -> Settings:
    """Give the science back.

    Parameters
    ----------
    asked : partition.Plan
        Made by `make`.

    Returns
    -------
    Settings
        As they were given.
    """
    return Settings(**{name: asked.settings[name] for name in Settings.model_fields})


def references_of(asked: partition.Plan) -> list[tuple[str, str]]:
    """Name the references.

    Parameters
    ----------
    asked : partition.Plan
        Made by `make`.

    Returns
    -------
    list of tuple of str
        Path and digest of each.
    """
    return list(zip(asked.sources["references"], asked.inputs.values(), strict=True))


def check_references(asked: partition.Plan) -> None:
    """Refuse references that are no longer those that the run began with.

    Parameters
    ----------
    asked : partition.Plan
        Made by `make`.

    Raises
    ------
    errors.MissingInputError
        If one is gone.
    errors.ChangedInputError
        If one has another content.
    """
    for path, digest in references_of(asked):
        if opening.digest(path) != digest:
            raise errors.ChangedInputError(
                f"{path}: is not what it was when the run began. Put the same file back, or "
                f"begin again with `bluebatch {COMMAND}-init --overwrite`."
            )
