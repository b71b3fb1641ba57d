"""A folder as `bluebatch subtype` writes it: 12 patients, two cell types, eight definitions."""

import itertools
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from unit.downstream import reported

from bluebatch.store import schema, write

Array = npt.NDArray[Any]
N = 12
CELL_TYPES = ["B", "Mono"]
NAMES = ("most favourable", "intermediate", "most unfavourable")
DURATIONS = np.array([2000.0, 1800, 1500, 1400, 900, 800, 700, 600, 300, 200, 100, 50])
EVENTS = np.array([0, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1], bool)
GROUP = np.repeat(np.array([0, 1, 2], np.int8), 4)
STATE = np.column_stack([np.repeat([0, 1], 6), np.tile([0, 0, 1], 4)]).astype(np.int8)
CAUTION = "12 patients are few"
SEARCH_P, GROUPS_P, LOGRANK_P = 0.0123, 0.0456, 0.00078


def picks() -> Array:
    """List the definitions: every state, or none, of each type, but none of both."""
    rows = [row for row in itertools.product([-1, 0, 1], repeat=2) if max(row) >= 0]
    return np.array(rows, np.int8)


def labels() -> list[str]:
    """Name the definitions."""
    return [
        "&".join(
            f"{name}={state}" for name, state in zip(CELL_TYPES, row, strict=True) if state >= 0
        )
        for row in picks()
    ]


def members() -> Array:
    """Tell who has all states of each definition."""
    asked = picks()
    has = (asked[None] < 0) | (STATE[:, None] == asked[None])
    return np.asarray(has.all(axis=2))


def definitions() -> pd.DataFrame:
    """Make a table of tests; the last definition is not tested, the first two are alike."""
    inside = members()
    n_in, events_in = inside.sum(axis=0), (inside & EVENTS[:, None]).sum(axis=0)
    z = np.array([-3.2, 3.1, -0.5, 0.4, 1.2, -2.2, 2.1, np.nan])
    p = np.array([1.4e-9, 0.002, 0.62, 0.69, 0.23, 0.028, 0.036, np.nan])
    return pd.DataFrame(
        {
            "definition": labels(),
            "n_in": n_in,
            "n_out": N - n_in,
            "n_left_out": 0,
            "events_in": events_in,
            "events_out": int(EVENTS.sum()) - events_in,
            "tested": np.isfinite(p),
            "z": z,
            "log_hazard_ratio": z / 4,
            "p": p,
            "q": [9.8e-9, 0.007, 0.72, 0.72, 0.4, 0.063, 0.063, np.nan],
            "p_max_t": [SEARCH_P, 0.02, 1, 1, 0.9, 0.2, 0.3, np.nan],
            "component": [0, 0, None, None, None, None, None, None],
        }
    )


def tables() -> dict[str, pd.DataFrame]:
    """Make every table that the folder may hold."""
    branch = {"n_cell_types": 2, "n_definitions": 8, "n_tested": 7, "best_definition": "B=0"}
    numbers = {"best_p": 1.4e-9, "best_p_max_t": SEARCH_P, "n_significant": 2, "p_count": 0.03}
    held_out = {"c_index": 0.61, "c_low": 0.52, "c_high": 0.7}
    ratio = {"hazard_ratio": 2.5, "low": 1.1, "high": 5.6, "p": 0.03, "n": N, "events": 8}
    lacking = dict.fromkeys(("hazard_ratio", "low", "high", "p"), np.nan) | {"said": "separated"}
    term = {"term": "group=most unfavourable", "reference": "most favourable", "said": ""}
    return {
        "definitions": definitions(),
        "branches": pd.DataFrame(
            [
                {"branch": "profiles", **branch, **numbers, **held_out, "note": ""},
                {"branch": "proportions", **branch, **numbers, "note": "cut at their medians"},
                {"branch": "clusters of proportions", "n_tested": 1, "p_count": 0.2},
            ]
        ),
        "components": pd.DataFrame({"component": [0], "lead": ["Mono=0"], "n_definitions": [2]}),
        "groups": _who().assign(group=[NAMES[code] for code in GROUP], margin=1.0),
        "survival": pd.DataFrame(
            {
                "group": NAMES,
                "n": [4, 4, 4],
                "events": [1, 3, 4],
                "median_days": [np.nan, 700, 100],
                "said": ["median not reached", "", ""],
            }
        ),
        "logrank": pd.DataFrame({"comparison": ["all groups"], "p": [LOGRANK_P]}),
        "hazards": pd.DataFrame(
            [
                {"model": "univariable", **term, **ratio},
                {"model": "adjusted", **term, **ratio, **lacking},
            ]
        ),
        "proportional_hazards": pd.DataFrame({"term": ["group"], "p": [0.4]}),
        "concordance": pd.DataFrame({"model": ["groups"], "c_index": [0.7]}),
        "clinical": pd.DataFrame(
            {"column": ["fab"], "test": ["chi-square"], "statistic": [3.0], "p": [0.2], "q": [0.2]}
        ),
        "state_quality": pd.DataFrame({"cell_type": CELL_TYPES, "verdict": "two states"}),
        "reciprocal": pd.DataFrame({"cell_type": ["B"], "gene": ["g1"], "q": [0.01]}),
        "gene_sets": pd.DataFrame({"cell_type": ["B"], "set": ["s"], "p": [0.01]}),
        "tests": pd.DataFrame(
            {
                "family": ["groups"],
                "subject": ["most favourable against most unfavourable"],
                "p": [np.nan],
                "p_permutation": [GROUPS_P],
            }
        ),
    }


def write_folder(
    folder: pathlib.Path, samples: Sequence[str] | None = None, leave_out: Sequence[str] = ()
) -> pathlib.Path:
    """Write the folder, without some tables; ``group`` leaves the groups themselves out."""
    folder.mkdir(parents=True)
    grouped = "group" not in leave_out
    _write_store(folder / "subtypes.zarr", list(samples or reported.names(N)), grouped=grouped)
    for name, table in tables().items():
        if name not in leave_out and (grouped or name != "groups"):
            if samples is not None and name == "groups":
                table["sample"] = samples
            table.to_csv(folder / f"{name}.csv", index=False)
    (folder / "summary.json").write_text(json.dumps({"notes": [CAUTION]}))
    return folder


def write_transfer(folder: pathlib.Path) -> pathlib.Path:
    """Write what a transfer leaves: four definitions, two of which were significant before."""
    folder.mkdir(parents=True)
    pd.DataFrame(
        {
            "definition": ["B=0", "B=1", "Mono=0", "Mono=1"],
            "significant": [True, True, True, False],
            "discovery_z": [-3.2, 3.1, 2.9, 0.3],
            "z": [-2.0, -0.5, np.nan, 2.2],
            "p_one_sided": [0.023, 0.69, np.nan, 0.014],
        }
    ).to_csv(folder / "definitions.csv", index=False)
    _who().assign(group=[NAMES[code] for code in GROUP], margin=1.0).rename(
        columns={"duration_days": "duration"}
    ).to_csv(folder / "groups.csv", index=False)
    pd.DataFrame(
        {
            "family": ["groups", "groups"],
            "comparison": [
                "most favourable against the rest",
                "most favourable against most unfavourable",
            ],
            "p_one_sided": [0.9, GROUPS_P],
        }
    ).to_csv(folder / "tests.csv", index=False)
    (folder / "transfer.json").write_text(json.dumps({"notes": [CAUTION]}))
    return folder


def _who() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "patient": [f"patient {at}" for at in range(N)],
            "sample": reported.names(N),
            "duration_days": DURATIONS,
            "event": EVENTS.astype(int),
        }
    )


def _write_store(path: pathlib.Path, samples: list[str], *, grouped: bool) -> None:
    axes = {"patient": [f"patient {at}" for at in range(N)], "cell_type": CELL_TYPES}
    axes["definition"] = labels()
    table = definitions()
    arrays = {
        "sample": np.array(samples, dtype=object),
        "duration": DURATIONS,
        "event_observed": EVENTS.astype(np.int8),
        "state": STATE,
        "state_strength": np.ones(STATE.shape, np.float32),
        "member": members().astype(np.int8),
        "pick": picks(),
        **{name: table[name].to_numpy(float) for name in ("p", "q", "p_max_t", "z")},
    }
    if grouped:
        axes["component"] = ["0"]
        arrays["component_group"] = GROUP[:, None]
        arrays["group"] = GROUP
        arrays["group_margin"] = np.ones(N, np.float32)
    lacking = () if grouped else ("component_group", "group", "group_margin")
    group = write.create(path, schema.SUBTYPES, axes, {}, leave_out=lacking)
    for name, array in arrays.items():
        write.write_whole(group, name, array)
    write.complete(group)
