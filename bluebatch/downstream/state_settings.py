"""How cell states are sought."""

from typing import Literal, Self

import pydantic


class StateSettings(pydantic.BaseModel):
    """How states are sought, and what is asked of them.

    Parameters
    ----------
    n_genes : int
        The most variable genes among patients are used, at least 2.
    scale : str
        ``"none"``: genes are centred only. A unit of log2(1 + CPM) is a fold change in every gene,
        and a gene that hardly varies has little but errors of prediction. ``"unit"``: each gene
        is divided by its standard deviation.
    n_components : int
        Principal components, 2 to 100; never more than a tenth of the patients (but 2).
    neighbours : tuple of int
        Numbers of neighbours tried, each 3 to 500; the patient itself is counted, as in scanpy.
    resolutions : tuple of float
        Resolutions tried, ascending, above 0.
    n_resamples : int
        Parts of the patients that are clustered again, 2 to 1000.
    share : float
        Of the patients in each part, .5 to .95.
    min_stability : float
        Mean adjusted Rand index that is asked for, 0 to 1.
    null : str
        What two states must be further apart than: ``"cloud"``, the best halves of a normal cloud
        of patients with the same covariance; ``"gradient"``, those of patients spread evenly
        along one axis too, so that a continuum without a gap is no structure.
    n_nulls : int
        Such clouds drawn, 19 to 100,000.
    alpha : float
        Largest p of two states, above 0, below 1.
    no_structure : str
        Of a type that lacks the evidence: ``"leave"`` it out, or ``"split"`` it as well as it can
        be, which its verdict says.
    max_patients : int
        Of more patients (at least 100) a random part is searched, and the others follow their
        nearest.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    n_genes: int = pydantic.Field(default=2000, ge=2)
    scale: Literal["none", "unit"] = "none"
    n_components: int = pydantic.Field(default=20, ge=2, le=100)
    neighbours: tuple[int, ...] = pydantic.Field(default=(10, 15, 30), min_length=1)
    resolutions: tuple[float, ...] = pydantic.Field(
        default=(0.05, 0.1, 0.2, 0.4, 0.7, 1.0), min_length=1
    )
    n_resamples: int = pydantic.Field(default=20, ge=2, le=1000)
    share: float = pydantic.Field(default=0.8, ge=0.5, le=0.95)
    min_stability: float = pydantic.Field(default=0.8, ge=0, le=1)
    null: Literal["cloud", "gradient"] = "cloud"
    n_nulls: int = pydantic.Field(default=199, ge=19, le=100_000)
    alpha: float = pydantic.Field(default=0.05, gt=0, lt=1)
    no_structure: Literal["leave", "split"] = "leave"
    max_patients: int = pydantic.Field(default=2000, ge=100)

    @pydantic.model_validator(mode="after")
    def _check_grid(self) -> Self:
        if not all(3 <= count <= 500 for count in self.neighbours):
            raise ValueError(f"neighbours = {list(self.neighbours)}, needed: each 3 to 500")
        ascending = all(a < b for a, b in zip(self.resolutions, self.resolutions[1:], strict=False))
        if not ascending or self.resolutions[0] <= 0:
            raise ValueError(
                f"resolutions = {list(self.resolutions)}, needed: ascending, each above 0"
            )
        if self.alpha * (self.n_nulls + 1) < 1:
            raise ValueError(
                f"n_nulls = {self.n_nulls} never gives p <= {self.alpha:g}, "
                f"needed: at least {round(1 / self.alpha) - 1}"
            )
        return self
