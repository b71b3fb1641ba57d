"""What a simulation is configured by, and what belongs to one run alone."""

import dataclasses
import pathlib

import pydantic

from bluebatch.expression import markers
from bluebatch.run import cluster, partition
from bluebatch.simulate import cell_types, proportions, reference, split
from bluebatch.store import write

_Reference = reference.ReferenceSettings
_CellTypes = cell_types.CellTypeSettings
_Split = split.SplitSettings
_Proportions = proportions.ProportionSettings
_Markers = markers.MarkerSettings


class SimulationSettings(pydantic.BaseModel):
    """How many samples are simulated, and from what.

    Parameters
    ----------
    n_samples : int
        Samples in all splits.
    cells_per_sample : int
        Cells of a sample.
    mixed_share : float
        Share of samples drawn from all references mixed, where there are several.
    all_genes : bool
        Whether profiles hold every gene in place of the candidates for panels.
    keep_cells : bool
        Whether the store holds the training cells too, so that training can draw fresh samples.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    n_samples: int = pydantic.Field(default=7500, gt=0)
    cells_per_sample: int = pydantic.Field(default=500, gt=0)
    mixed_share: float = pydantic.Field(default=0.25, ge=0, le=1)
    all_genes: bool = False
    keep_cells: bool = False


class Settings(pydantic.BaseModel):
    """All that a simulation is configured by.

    Parameters
    ----------
    reference : reference.ReferenceSettings
        Where references keep what is read.
    cell_types : cell_types.CellTypeSettings
        Kept, dropped, merged.
    split : split.SplitSettings
        Train, validation, test.
    proportions : proportions.ProportionSettings
        Compositions.
    simulation : SimulationSettings
        Samples and cells.
    markers : markers.MarkerSettings
        Ranking and candidate genes.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    reference: _Reference = _Reference()
    cell_types: _CellTypes = _CellTypes()
    split: _Split = _Split()
    proportions: _Proportions = _Proportions()
    simulation: SimulationSettings = SimulationSettings()
    markers: _Markers = _Markers()


@dataclasses.dataclass(frozen=True)
class RunOptions(cluster.ClusterOptions):
    """What belongs to one run alone, and where it is worked on.

    Parameters
    ----------
    seed : int
        Of all that is drawn.
    overwrite : bool
        Whether something else at the output path is removed.
    genes : str or pathlib.Path, optional
        File with one gene a line, whose profiles are kept beside the candidates.
    codec : {"none", "zstd"}
        Compression of the chunks.
    partition_rows : int
        Samples between two markers, a multiple of 256.
    max_memory : int, optional
        Bytes that the run may hold; what was granted, or most of what is free, by default.
    """

    seed: int = 0
    overwrite: bool = False
    genes: str | pathlib.Path | None = None
    codec: write.Codec = "none"
    partition_rows: int = partition.PARTITION_ROWS
    max_memory: int | None = None
