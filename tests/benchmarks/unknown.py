"""Leave one cell type out of the reference, mix it into test samples, and see what is flagged.

Usage: python tests/benchmarks/unknown.py WORK [--data ../shared/data] [--types B,CD4T,...]
    [--tests held-out,kang] [--samples 500] [--seed 0] [--json FILE]
For each type: `simulate` from the other types of two PBMC references, `train` one small network for
one epoch (the flags need none), then samples of the other types from held-out cells (a fifth, at
least fifty a type) with the left-out type's held-out cells as 0-40 % of all cells, a fifth of the
samples without any, through `ingest` and `infer`. The same with the control cells of Kang, a study
that the model has not seen. AUC is the area under the ROC curve for "over 10 % unknown" against
10 % or less, and against none; then the share of samples above 1, by share of the unknown type.
Last, a model of all five types: how often does it raise each flag on held-out cells, on Kang and on
Monaco's real bulk, where no type of the five was left out? WORK keeps what is made; what is there
is not made again.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import accuracy_cells as cells  # type: ignore[import-not-found]  # beside this script
import anndata
import numpy as np
import numpy.typing as npt
import sklearn.metrics

from bluebatch.store import read

UNKNOWN_ABOVE = 0.1
MOST_UNKNOWN = 0.4
# Dendritic cells are too few to be one of the five.
RARE = "DC"
TRAINING_SAMPLES = 1200
FLAGS = ("missing_type", "domain_distance", "reconstruction_error")
SETTINGS = """extends = "default"
[split]
fractions = [{split}]
by = "cell"
[markers]
max_cells = 500
[anchor]
n_components = 16
[training]
epochs = 1
[model]
width = 64
channels = 2
depth = 2
hidden = [64]
[[model.members]]
input = "zscore"
noise = 0.5
gaps = 0.1
"""

COLUMNS = {
    "auc": "AUC > 10 %",
    "auc_against_none": "AUC > 10 % against 0",
    "flagged_none": "flagged at 0",
    "flagged_10_20": "at 10-20 %",
    "flagged_20_40": "at 20-40 %",
}

Array = npt.NDArray[Any]


def command(*words: object) -> None:
    """Run a command in its own process."""
    arguments = [sys.executable, "-m", "bluebatch", *map(str, words), "--quiet"]
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)


def settings(work: pathlib.Path, name: str, split: str) -> pathlib.Path:
    """Write a configuration."""
    path = work / f"{name}.toml"
    path.write_text(SETTINGS.format(split=split))
    return path


def simulate(files: list[pathlib.Path], types: list[str], out: pathlib.Path, *more: object) -> None:
    """Simulate from all cells of some types."""
    named = [word for file in files for word in ("--reference", file)]
    if not out.exists():
        command("simulate", *named, "--keep-types", ",".join(types), "--out", out, *more)


def train(work: pathlib.Path, types: list[str], out: pathlib.Path, seed: int) -> pathlib.Path:
    """Train a small model on the training cells of both references."""
    if not (out / "model").exists():
        config = settings(work, "training", "0.75, 0.25, 0")
        store = out / "train.zarr"
        more = ("--config", config, "--seed", seed)
        simulate(files(work, "training"), types, store, "--n-samples", TRAINING_SAMPLES, *more)
        command("train", store, "--out", out / "model", *more)
        shutil.rmtree(store)
    return out / "model"


def files(work: pathlib.Path, which: str) -> list[pathlib.Path]:
    """Name the files of training, held-out or Kang's cells."""
    if which == "kang":
        return [work / "kang" / "control.h5ad"]
    return [work / "cells" / which / f"{name}.h5ad" for name in cells.REFERENCES]


def mix(known: read.Store, pool: anndata.AnnData, rng: np.random.Generator) -> tuple[Array, Array]:
    """Add cells of the left-out type to known samples; give counts by gene, and its shares."""
    shares = rng.uniform(0, MOST_UNKNOWN, known.n_rows)
    shares[rng.random(known.n_rows) < 0.2] = 0
    counts = known.read("expression").astype(np.float64)
    own = pool[:, known.labels["gene"]].X.tocsr()
    n_known = known.read("n_cells").sum(axis=1)
    for row, share in enumerate(shares):
        n_unknown = round(n_known[row] * share / (1 - share))
        counts[row] += np.asarray(own[rng.integers(pool.n_obs, size=n_unknown)].sum(axis=0))[0]
    return counts, shares


def pool_of(work: pathlib.Path, data: pathlib.Path, which: str, left: str) -> anndata.AnnData:
    """Gather the cells of the left-out type that no model has seen, over genes in common."""
    found = files(work, which)
    if left == RARE:
        found = [data / "sc" / f"{name}.h5ad" for name in cells.REFERENCES]
    read_files = [anndata.read_h5ad(path) for path in found]
    chosen = [each[(each.obs["cell_type"] == left).to_numpy()].copy() for each in read_files]
    return anndata.concat(chosen, join="inner", index_unique="-")


def infer(cohort: pathlib.Path, model: pathlib.Path, out: pathlib.Path) -> dict[str, Array]:
    """Infer, and read the flags in units of their limits."""
    command("infer", cohort, "--model", model, "--out", out, "--overwrite")
    results = read.open_store(out, "profile")
    limits = results.attributes["flag_limits"]
    return {name: results.read(name) / limits[name]["limit"] for name in FLAGS}


def leave_out(given: argparse.Namespace, left: str, which: str) -> dict[str, Any]:
    """Score one type left out, on held-out cells or on Kang."""
    work, types = given.work, [name for name in cells.TYPES if name != left]
    folder = work / f"without-{left}"
    folder.mkdir(exist_ok=True)
    model = train(work, types, folder, given.seed)
    known = folder / f"{which}.zarr"
    more = ("--config", settings(work, "testing", "0, 0, 1"), "--n-samples", given.samples)
    simulate(files(work, which), types, known, *more, "--seed", given.seed + 1)
    pool = pool_of(work, given.data, which, left)
    store = read.open_store(known)
    counts, shares = mix(store, pool, np.random.default_rng(given.seed))
    table = anndata.AnnData(counts.astype(np.float32))
    table.var_names, table.obs_names = store.labels["gene"], store.labels["sample"]
    table.write_h5ad(folder / "mixed.h5ad")
    cohort = folder / "mixed.zarr"
    command("ingest", folder / "mixed.h5ad", "--out", cohort, "--overwrite")
    flags = infer(cohort, model, folder / "results.zarr")
    return {"cells": pool.n_obs, **{name: judge(values, shares) for name, values in flags.items()}}


def judge(values: Array, shares: Array) -> dict[str, float]:
    """Score one flag."""
    over, none = shares > UNKNOWN_ABOVE, shares == 0
    both, above = over | none, values > 1
    auc = sklearn.metrics.roc_auc_score
    return {
        "auc": float(auc(over, values)),
        "auc_against_none": float(auc(over[both], values[both])),
        "flagged_none": float(above[none].mean()),
        "flagged_10_20": float(above[over & (shares <= 0.2)].mean()),
        "flagged_20_40": float(above[shares > 0.2].mean()),
    }


def false_alarms(given: argparse.Namespace) -> dict[str, Any]:
    """Count flags where no type was left out."""
    work, types, folder = given.work, list(cells.TYPES), given.work / "all"
    folder.mkdir(exist_ok=True)
    model = train(work, types, folder, given.seed)
    more = ("--config", settings(work, "testing", "0, 0, 1"), "--n-samples", given.samples)
    cohorts = {"held-out cells": folder / "within.zarr", "Monaco": work / "monaco.zarr"}
    simulate(files(work, "held-out"), types, cohorts["held-out cells"], *more)
    for name in cells.POOLS:
        cohorts[f"Kang, {name}"] = folder / f"{name}.zarr"
        simulate([work / "kang" / f"{name}.h5ad"], types, cohorts[f"Kang, {name}"], *more)
    found = {}
    for name, cohort in cohorts.items():
        flags = infer(cohort, model, folder / "results.zarr")
        found[name] = {
            flag: {"above": float((values > 1).mean()), "median": float(np.median(values))}
            for flag, values in flags.items()
        }
    return found


def show(found: dict[str, Any]) -> list[str]:
    """Lay all out in markdown."""
    lines: list[str] = []
    rows = found["left_out"]
    for which in sorted({which for tests in rows.values() for which in tests}):
        for flag in FLAGS:
            own = {name: tests[which][flag] for name, tests in rows.items() if which in tests}
            main = [each for name, each in own.items() if name != RARE]
            own[f"median without {RARE}"] = {
                key: float(np.median([each[key] for each in main])) for key in COLUMNS
            }
            lines += [
                "",
                f"{flag}, {which} cells",
                "",
                f"| left out | {' | '.join(COLUMNS.values())} |",
            ]
            lines += ["|---" * (len(COLUMNS) + 1) + "|"]
            lines += [
                f"| {name} | {' | '.join(f'{each[key]:.3f}' for key in COLUMNS)} |"
                for name, each in own.items()
            ]
    lines += ["", "All five types known", "", "| samples | flag | above the limit | median |"]
    lines += ["|---|---|---|---|"]
    for name, flags in found["false_alarms"].items():
        for flag, each in flags.items():
            lines.append(f"| {name} | {flag} | {each['above']:.1%} | {each['median']:.2f} |")
    return lines


def main() -> None:
    """Run whole."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("../shared/data"))
    parser.add_argument("--types", default=",".join([*cells.TYPES, RARE]))
    parser.add_argument("--tests", default="held-out,kang")
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=pathlib.Path)
    given = parser.parse_args()
    if not (given.work / "monaco.zarr").exists():
        given.work.mkdir(parents=True, exist_ok=True)
        cells.divide_references(given.data, given.work / "cells", given.seed)
        cells.divide_kang(given.data, given.work / "kang")
        cells.ingest_monaco(given.data, given.work)
    left_out: dict[str, Any] = {name: {} for name in given.types.split(",")}
    for which in given.tests.split(","):
        for name in left_out:
            # Kang has three dendritic cells.
            if (which, name) != ("kang", RARE):
                left_out[name][which] = leave_out(given, name, which)
    found = {"left_out": left_out, "false_alarms": false_alarms(given), "seed": given.seed}
    sys.stdout.write("\n".join(show(found)) + "\n")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
