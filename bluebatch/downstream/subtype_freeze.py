"""What a discovery leaves for a second cohort: everything measured, nobody named."""

from typing import Any

import numpy as np

from bluebatch.downstream import frozen, search
from bluebatch.downstream.discovery import Discovery
from bluebatch.downstream.patient_options import Cohort
from bluebatch.downstream.subtype_expression import Expression


def freeze(
    found: Discovery,
    cohort: Cohort,
    expression: Expression | None,
    settings: dict[str, Any],
    made_from: dict[str, Any],
) -> frozen.Frozen:
    """Collect the frozen parts.

    Parameters
    ----------
    found : Discovery
        States, search, groups, clusters.
    cohort : Cohort
        In which they were found; only counts of it are kept.
    expression : Expression or None
        With the signatures.
    settings, made_from : dict of str to Any
        JSON values, without a path or a name of a patient.

    Returns
    -------
    frozen.Frozen
        To be written.
    """
    main, searched = found.main, found.search
    table = searched.table.assign(significant=searched.table["q"] < settings["search"]["alpha"])
    columns = ["definition", "tested", "significant", *frozen.NUMBERS]
    cuts = {}
    if main.medians is not None:
        cuts = dict(zip(main.medians.cell_types, map(float, main.medians.cuts), strict=True))
    # Types without two states are in no definition, and a second cohort need not have them.
    kept = [at for at, name in enumerate(main.cell_types) if name in main.two_state]
    names = [main.cell_types[at] for at in kept]
    return frozen.Frozen(
        branch=cohort.found.kind,
        cell_types=names,
        picks=searched.definitions.picks[:, kept],
        table=table[columns],
        spaces={
            each.cell_type: each.space
            for each in main.typed
            if each.space is not None and each.cell_type in names
        },
        cuts={name: cut for name, cut in cuts.items() if name in names},
        composition_types=found.composition_types if cuts else [],
        rules=None if found.groups is None else found.groups.rules(),
        signatures={} if expression is None else expression.signatures,
        clusters=found.clusters,
        settings=settings,
        made_from=made_from,
        facts=_facts(found, searched, cohort),
    )


def _facts(found: Discovery, searched: search.Search, cohort: Cohort) -> dict[str, Any]:
    index = found.main.index
    n_present = (index >= 0).sum(axis=0)
    share = np.divide(
        (index == 1).sum(axis=0), n_present, where=n_present > 0, out=np.zeros(index.shape[1])
    )
    return {
        "n_patients": cohort.n_patients,
        "n_events": int(cohort.event_observed.sum()),
        "n_significant": searched.n_significant,
        "p_count": None if np.isnan(searched.p_count) else searched.p_count,
        "share_1": dict(zip(found.main.cell_types, map(float, share), strict=True)),
    }
