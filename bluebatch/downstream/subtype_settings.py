"""What `subtype` is configured by: the sections of a configuration that are its own."""

import pydantic

# Classes, not modules: a field named like its module would hide it.
from bluebatch.downstream.differential import DifferentialSettings
from bluebatch.downstream.gene_sets import GeneSetSettings
from bluebatch.downstream.out_of_fold import FoldSettings
from bluebatch.downstream.patterns import GroupSettings
from bluebatch.downstream.search import SearchSettings
from bluebatch.downstream.signature_settings import SignatureSettings
from bluebatch.downstream.state_settings import StateSettings


class SubtypeSettings(pydantic.BaseModel):
    """What of the results patients are grouped by.

    Parameters
    ----------
    min_skill : float
        Genes of a profile are used where the model's held-out skill is above it; all of them where
        the results do not tell their skill.
    max_bulk_genes : int
        Genes of bulk expression that are used: the most variable ones.
    renormalise : bool
        Whether the proportions of the chosen cell types are divided by their sum.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    min_skill: float = 0.0
    max_bulk_genes: int = pydantic.Field(default=10_000, ge=2)
    renormalise: bool = True


class Settings(pydantic.BaseModel):
    """The sections of a configuration that subtypes are found by.

    Parameters
    ----------
    subtypes : SubtypeSettings
        What of the results is used.
    states : StateSettings
        How states are found.
    search : SearchSettings
        How definitions are tested.
    groups : GroupSettings
        How definitions become groups.
    out_of_fold : FoldSettings
        How patients are held out.
    differential : DifferentialSettings
        How genes are tested between groups.
    gene_sets : GeneSetSettings
        Which gene sets are tested.
    signature : SignatureSettings
        How bulk signatures of groups are fitted.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    subtypes: SubtypeSettings = SubtypeSettings()
    states: StateSettings = StateSettings()
    search: SearchSettings = SearchSettings()
    groups: GroupSettings = GroupSettings()
    out_of_fold: FoldSettings = FoldSettings()
    differential: DifferentialSettings = DifferentialSettings()
    gene_sets: GeneSetSettings = GeneSetSettings()
    signature: SignatureSettings = SignatureSettings()
