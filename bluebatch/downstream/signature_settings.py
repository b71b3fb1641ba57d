"""How a signature is fitted, and when a second cohort is refused."""

from typing import Literal

import pydantic


class SignatureSettings(pydantic.BaseModel):
    """How a signature is fitted, and when another cohort is refused.

    Parameters
    ----------
    max_q : float
        Genes that differ between the group and the rest at this Benjamini-Hochberg level enter.
    min_genes, max_genes : int
        Fewest and most genes: beyond, and below, they are those of largest t statistic.
    min_group : int
        Fewest patients inside, and outside, of a group that is fitted.
    ridge : float
        Penalty on the squared slope of the logistic regression per score sd; keeps it finite where
        the score separates the group completely.
    cutoff : {"prevalence", "half"}
        ``prevalence`` puts as many patients of the discovery inside as the group has; ``half``
        puts those inside whose probability is above .5, which a small group hardly ever reaches.
    warn_coverage, min_coverage : float
        Shares of the genes below which another cohort is warned, and refused.
    max_shift : float
        Largest shift of another cohort's mean score, in sd of the discovery's, without a warning.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    max_q: float = pydantic.Field(default=0.05, gt=0, le=1)
    min_genes: int = pydantic.Field(default=20, ge=1)
    max_genes: int = pydantic.Field(default=500, ge=1)
    min_group: int = pydantic.Field(default=5, ge=2)
    ridge: float = pydantic.Field(default=1.0, gt=0)
    cutoff: Literal["prevalence", "half"] = "prevalence"
    warn_coverage: float = pydantic.Field(default=0.8, ge=0, le=1)
    min_coverage: float = pydantic.Field(default=0.5, gt=0, le=1)
    max_shift: float = pydantic.Field(default=1.0, gt=0)
