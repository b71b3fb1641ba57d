"""The store of states, definitions and groups of patients, for those who open it with xarray."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bluebatch.downstream.discovery import Discovery
from bluebatch.downstream.patients import Patients
from bluebatch.store import places, schema, write

OF_GROUPS = ("component_group", "group", "group_margin")


def write_store(
    path: places.Place, discovery: Discovery, patients: Patients, attributes: Mapping[str, Any]
) -> None:
    """Write what was found of every patient.

    Parameters
    ----------
    path : pathlib.Path or upath.UPath
        Store to write; nothing may lie there.
    discovery : Discovery
        What was found.
    patients : Patients
        Of whom.
    attributes : mapping of str to Any
        Root attributes, JSON values.
    """
    main, found, groups = discovery.main, discovery.search, discovery.groups
    labels = {
        "patient": patients.names,
        "cell_type": main.cell_types,
        "definition": found.definitions.labels,
    }
    if groups is not None:
        labels["component"] = [str(number) for number in groups.components["component"]]
    table = found.table
    values: dict[str, Any] = {
        "sample": np.asarray(patients.samples, dtype=object),
        "duration": patients.durations,
        "event_observed": patients.event_observed.astype(np.int8),
        "state": main.index,
        "state_strength": main.strength,
        "member": np.where(found.considered, found.inside.view(np.int8), np.int8(-1)),
        "pick": found.definitions.picks,
        **{name: table[name].to_numpy(float) for name in ("p", "q", "p_max_t", "z")},
    }
    if groups is not None:
        values |= {
            "component_group": groups.component_group,
            "group": groups.index,
            "group_margin": groups.margin,
        }
    leave_out = () if groups is not None else OF_GROUPS
    store = write.create(path, schema.SUBTYPES, labels, attributes, leave_out=leave_out)
    for name, array in values.items():
        write.write_whole(store, name, array)
    write.complete(store)
