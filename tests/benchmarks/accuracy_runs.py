"""What `accuracy.py` runs: data, models, results and scores, each kept once it is finished.

The work folder holds, by digests of what decides them::

    inputs/                  Kang's control and stimulated cells as two files; Monaco as a cohort
    tests/                   pseudobulks of the tests, the same for every model
    split-0/                 held-out and remaining cells of the two references
    models/NAME-DIGEST/      seed-0/train.zarr, model/, results and evaluations of every test

Beside each lies ``NAME.done.json`` with its settings and seconds; delete it, or the folder, to run
that part again (after a change of code, which no digest of settings shows).
"""

import dataclasses
import functools
import hashlib
import json
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import accuracy_cells as cells  # type: ignore[import-not-found] # beside this script

from bluebatch import config
from bluebatch.downstream import evaluate
from bluebatch.engine import infer, train
from bluebatch.simulate import pseudobulk
from bluebatch.store import digests

TYPES, REFERENCES = cells.TYPES, cells.REFERENCES
# The rest of the cells: no test split, the tests have cells of their own.
TRAINING_SPLIT = (0.9, 0.1, 0.0)
TESTS = ("within", "kang", "monaco")


@dataclasses.dataclass(frozen=True)
class Design:
    """One row of the tables: a configuration and what is changed of it.

    Parameters
    ----------
    name : str
        Of the row.
    base : str
        Bare name or path of the configuration.
    changes : dict
        Settings laid over the configuration.
    kang : bool
        Whether Kang's cells are a further reference; then only Monaco is a test.
    reduced : bool
        Whether it is trained on less than its configuration says.
    """

    name: str
    base: str
    changes: dict[str, Any]
    kang: bool = False
    reduced: bool = False

    @property
    def settings(self) -> config.Config:
        """Read the configuration, with the five cell types and the bench's split."""
        common = {
            "cell_types": {"keep": list(TYPES)},
            "split": {"fractions": list(TRAINING_SPLIT), "by": "cell"},
        }
        return config.load(self.base, {**common, **self.changes})

    @property
    def tests(self) -> tuple[str, ...]:
        """Name the tests of which nothing is among its references."""
        return ("monaco",) if self.kang else TESTS

    @property
    def label(self) -> str:
        """Name the row with its samples and epochs."""
        settings = self.settings
        samples = round(settings.simulation.n_samples * TRAINING_SPLIT[0])
        members = len(settings.model.members)
        networks = f", {members} networks" if members > 1 else ""
        return f"{self.name} ({samples:,} samples x {settings.training.epochs} epochs{networks})"


@dataclasses.dataclass(frozen=True)
class Bench:
    """Where data are, where runs are kept, and how large the tests are.

    Parameters
    ----------
    data, out : pathlib.Path
        Real measurements; the work folder.
    n_test : int
        Pseudobulks of each test.
    resamples : int
        Of the bootstrap on Monaco.
    threads : int or None
        Of training and inference; all cores by default.
    """

    data: pathlib.Path
    out: pathlib.Path
    n_test: int
    resamples: int
    threads: int | None = None

    def prepare(self, splits: int) -> None:
        """Make the tests, and split the references' cells."""
        inputs = self.out / "inputs"
        self.once(inputs, "kang", {}, lambda: cells.divide_kang(self.data, inputs))
        self.once(inputs, "monaco", {}, lambda: cells.ingest_monaco(self.data, inputs))
        pools = [inputs / f"{name}.h5ad" for name in cells.POOLS]
        self._simulate_test(self.test_store("kang", 0), pools, seed=1000)
        for split in range(splits):
            folder = self.out / f"split-{split}"
            divide = functools.partial(cells.divide_references, self.data, folder, split)
            self.once(folder, "cells", {"seed": split}, divide)
            held_out = [folder / "held-out" / f"{name}.h5ad" for name in REFERENCES]
            self._simulate_test(self.test_store("within", split), held_out, seed=2000 + split)

    def test_store(self, test: str, split: int) -> pathlib.Path:
        """Say where a test's samples stand."""
        if test == "monaco":
            return self.out / "inputs" / "monaco.zarr"
        where = f"within-{split}" if test == "within" else test
        return self.out / "tests" / f"{where}-{self.n_test}.zarr"

    def fit(self, design: Design, seed: int) -> pathlib.Path:
        """Simulate and train one model; its seed is that of the split of cells as well."""
        settings = design.settings
        folder = self.folder(design, seed)
        references = [self.out / f"split-{seed}" / "training" / f"{r}.h5ad" for r in REFERENCES]
        if design.kang:
            references += [self.out / "inputs" / f"{n}.h5ad" for n in cells.POOLS]
        chosen, options = settings.part(pseudobulk.Settings), pseudobulk.RunOptions(seed=seed)
        self.once(
            folder,
            "train.zarr",
            {"seed": seed, "references": [path.name for path in references]},
            lambda: pseudobulk.run(references, folder / "train.zarr", chosen, options),
        )
        learnt = settings.part(train.Settings)
        resume = train.Options(seed=seed, resume=True, threads=self.threads)
        self.once(
            folder,
            "model",
            {"seed": seed},
            lambda: train.run(folder / "train.zarr", folder / "model", learnt, resume),
        )
        return folder

    def score(self, design: Design, seed: int, test: str, mode: str) -> dict[str, Any]:
        """Apply a model to a test, and score it at both thresholds of the profiles."""
        folder = self.folder(design, seed)
        settings = design.settings.inference
        if mode == "cohort":
            settings = settings.model_copy(update={"as_cohort": True})
        cohort = self.test_store(test, seed)
        name = f"{test}-{mode}" if test == "monaco" else f"{test}-{mode}-{self.n_test}"
        results = folder / f"{name}.zarr"
        asked = {**settings.model_dump(mode="json"), "cohort": digests.of_store(cohort)}
        options = infer.Options(threads=self.threads, overwrite=True)
        self.once(
            folder,
            results.name,
            asked,
            lambda: infer.run(cohort, folder / "model", results, settings, options),
        )
        measured = _Measured(test, results, cohort, folder / "model", asked)
        scores = self._evaluate(measured, 25, 0.1)
        if test != "monaco":
            # As others publish: wherever the type is above 1 %, however few its cells are.
            looser = self._evaluate(measured, 1, 0.01)
            scores["profile"]["p > 0.01, any cells"] = looser["profile"]["p > 0.01"]
        return {"design": design.name, "seed": seed, "test": test, "mode": mode, "scores": scores}

    def folder(self, design: Design, seed: int) -> pathlib.Path:
        """Say where a model and its results stand: other settings, another folder."""
        asked = design.settings.model_dump(mode="json", exclude={"inference"})
        name = "".join(c if c.isalnum() else "-" for c in design.name.lower())
        digest = _digest({**asked, "kang": design.kang})
        return self.out / "models" / f"{name}-{digest}" / f"seed-{seed}"

    def seconds(self, design: Design, seed: int, name: str) -> dict[str, float]:
        """Read how long a finished part took."""
        known = json.loads((self.folder(design, seed) / f"{name}.done.json").read_text())
        return {"wall": known["wall_seconds"], "cores": known["core_seconds"]}

    def all_seconds(self) -> dict[str, float]:
        """Add up the time of everything in the folder."""
        known = [json.loads(path.read_text()) for path in self.out.rglob("*.done.json")]
        return {
            "wall": sum(part["wall_seconds"] for part in known),
            "cores": sum(part["core_seconds"] for part in known),
        }

    def once(
        self, folder: pathlib.Path, name: str, asked: dict[str, Any], work: Callable[[], Any]
    ) -> None:
        """Do a part of the work unless it was done before; time of earlier tries is added up."""
        done, tried = folder / f"{name}.done.json", folder / f"{name}.tried.json"
        if done.is_file() and json.loads(done.read_text())["asked"] == asked:
            return
        folder.mkdir(parents=True, exist_ok=True)
        say(f"{folder.relative_to(self.out)}: {name}")
        clock, cores = time.perf_counter(), time.process_time()
        before = json.loads(tried.read_text()) if tried.is_file() else [0.0, 0.0]

        def spent() -> list[float]:
            wall, core = time.perf_counter() - clock, time.process_time() - cores
            return [round(before[0] + wall, 1), round(before[1] + core, 1)]

        try:
            work()
        finally:
            tried.write_text(json.dumps(spent()))
        wall, core = spent()
        known = {"asked": asked, "wall_seconds": wall, "core_seconds": core}
        done.write_text(json.dumps(known, indent=1) + "\n")
        tried.unlink()

    def _evaluate(
        self, measured: "_Measured", min_cells: int, min_proportion: float
    ) -> dict[str, Any]:
        how: dict[str, Any] = {"min_cells": min_cells, "min_proportion": min_proportion}
        truth = measured.cohort
        if measured.test == "monaco":
            truth = self.data / "bulk" / "pbmc_monaco_s13_truth.csv"
            how |= {"cell_types": TYPES, "cohort": measured.cohort, "renormalise": True}
            how["bootstrap"] = self.resamples
        options = evaluate.Options(model=measured.model, overwrite=True, **how)
        out = measured.results.with_name(f"{measured.results.stem}-cells-{min_cells}")
        asked = {"inference": measured.asked, "resamples": how.get("bootstrap", 0)}
        self.once(
            out.parent,
            out.name,
            asked,
            lambda: evaluate.run(measured.results, truth, out, options),
        )
        content: dict[str, Any] = json.loads((out / "evaluation.json").read_text())
        return content

    def _simulate_test(self, out: pathlib.Path, pools: list[pathlib.Path], seed: int) -> None:
        changes = {
            "cell_types": {"keep": list(TYPES)},
            "split": {"fractions": [0, 0, 1]},
            "simulation": {"n_samples": self.n_test, "keep_cells": False},
        }
        chosen = config.load("pbmc", changes).part(pseudobulk.Settings)
        options = pseudobulk.RunOptions(seed=seed, overwrite=True)
        self.once(
            out.parent,
            out.name,
            {"seed": seed, **chosen.model_dump(mode="json")},
            lambda: pseudobulk.run(pools, out, chosen, options),
        )


class _Measured(NamedTuple):
    """Results of one test, and what they were made from."""

    test: str
    results: pathlib.Path
    cohort: pathlib.Path
    model: pathlib.Path
    asked: dict[str, Any]


def say(line: str) -> None:
    """Tell how far it has come."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]
