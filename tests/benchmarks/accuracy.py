"""How right the models are: one command trains and scores them beside every simple predictor.

    python tests/benchmarks/accuracy.py --quick --out accuracy     # one seed
    python tests/benchmarks/accuracy.py --full --out accuracy      # three seeds, five splits

Real measurements are read from $BLUEBATCH_TEST_DATA (default ../shared/data). Each model is trained
on cells of pbmc3k and pbmc4k alone, with five cell types; nothing of the tests enters its training,
its panel or its anchor. The same model is scored on all three tests:

- within: the fifth of each type's cells (at least 50 where there are so many) that were held out;
- kang: all cells of a study it has not seen, control and stimulated as two pools;
- monaco: real bulk RNA-seq of 12 donors with flow cytometry, five types renormalised. Settings were
  chosen with an eye on these samples, so they are a development set; intervals are a bootstrap over
  the donors.

Every finished part stays in the folder and is not repeated; a training that was killed goes on from
its last epoch: say the same again. Written: accuracy.md, accuracy.txt and accuracy.json.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import sys
import time
from typing import Any

import accuracy_runs as runs  # type: ignore[import-not-found] # beside this script
import accuracy_tables as tables  # type: ignore[import-not-found]
import torch

from bluebatch.engine import infer
from bluebatch.run import partition, progress

REPOSITORY = pathlib.Path(__file__).parents[2]
DATA = os.environ.get("BLUEBATCH_TEST_DATA", str(REPOSITORY.parent / "shared" / "data"))
# Its configuration says 20,400 x 200: weeks on two cores.
REDUCED = {"quick": (2000, 25), "full": (6000, 25)}
N_TEST = {"quick": 300, "full": 1000}
SEEDS = {"quick": 1, "full": 3}
SPLITS = {"quick": 1, "full": 5}
RESAMPLES = 2000
SETTINGS = {"default": "pbmc", "blue": "blue"}


NOTE = f"""
One model, trained on cells of pbmc3k and pbmc4k alone (five cell types), is scored on all three
tests. Means over seeds and splits, with their range in brackets where there are several. On Monaco
square brackets hold the 95 % interval of a bootstrap over its 12 donors ({RESAMPLES:,} resamples;
ends averaged over seeds). Skill is 1 - MSE / MSE of the mean training profile over all genes of a
type; predicted p is that of the first model; the last column scores every profile above 1 % of
cells, as others publish, the columns before it those drawn from 25 cells or more. The ceiling has
the noise of its own draw: who knew the expectation of the draws would reach skill (1 + s) / 2 and
the root of r, which is the limit. BLUE's network is configured for 20,400 samples x 200 epochs
(`conf/blue.toml`); it normalises over its panel, so its profiles are scored on that scale, against
its own mean profile.
""".replace("\n", " ").strip()


def main() -> None:
    """Run what is missing, and write the tables."""
    given = _arguments()
    progress.configure(quiet=True)
    clock = time.perf_counter()
    n_test = given.tests or N_TEST[given.size]
    bench = runs.Bench(given.data, given.out, n_test, RESAMPLES, given.threads)
    designs = make_designs(given)
    seeds = given.seeds or SEEDS[given.size]
    splits = max(seeds, 1 if given.seeds else SPLITS[given.size])
    bench.prepare(splits)
    records: list[dict[str, Any]] = []
    for design in designs:
        for seed in range(splits if not design.kang else seeds):
            records += _run(bench, design, seed, every=seed < seeds)
            write(given, bench, designs, records, time.perf_counter() - clock)
    sys.stdout.write((given.out / "accuracy.txt").read_text())


def make_designs(given: argparse.Namespace) -> list[runs.Design]:
    """Lay out the models: the default as it is configured, and BLUE's network on fewer samples."""
    samples, epochs = REDUCED[given.size]
    # bf16 where the machine has it: measured alike, and twice as fast.
    blue = {"training": {"epochs": epochs, "precision": "auto"}, "simulation": _simulated(samples)}
    designs = [
        runs.Design("bluebatch", SETTINGS["default"], {}),
        runs.Design("BLUE's network, reduced training", SETTINGS["blue"], blue, reduced=True),
    ]
    if given.size == "full":
        name = "bluebatch, Kang among the references"
        designs.append(runs.Design(name, SETTINGS["default"], {}, kang=True))
    wanted = [SETTINGS[name] for name in given.only or SETTINGS]
    designs = [design for design in designs if design.base in wanted]
    if given.samples or given.epochs:
        designs = [_shrink(design, given.samples, given.epochs) for design in designs]
    return designs


def write(
    given: argparse.Namespace,
    bench: runs.Bench,
    designs: list[runs.Design],
    records: list[dict[str, Any]],
    seconds: float,
) -> None:
    """Write the tables of what is finished so far."""
    times = {f"{record['row']}, seed {record['seed']}": record["seconds"] for record in records}
    whole = bench.all_seconds()
    head = [f"`python tests/benchmarks/accuracy.py --{given.size}`. {NOTE}"]
    feet = ["", "Time by the clock, and of all cores together:", ""]
    feet += [f"- training, {row}: {_minutes(part)}" for row, part in times.items()]
    feet += [f"- everything, simulation and evaluation included: {_minutes(whole)}"]
    (bench.out / "accuracy.md").write_text("\n".join([*head, *tables.markdown(records), *feet, ""]))
    (bench.out / "accuracy.txt").write_text("\n".join([*head, *tables.text(records), *feet, ""]))
    content = {
        "size": given.size,
        "designs": {d.label: d.settings.model_dump(mode="json") for d in designs},
        "versions": partition.versions(),
        "threads": torch.get_num_threads(),
        "seconds_of_this_call": round(seconds, 1),
        "seconds_of_all_calls": whole,
        "training_seconds": times,
        "proportions": {test: tables.fractions(records, test) for test in tables.TITLES},
        "profiles": {
            test: {name: tables.profiles(records, test, name) for name in ("skill", "median_r")}
            for test in tables.TITLES
        },
        "records": records,
    }
    (bench.out / "accuracy.json").write_text(json.dumps(content, indent=1) + "\n")


def _run(bench: runs.Bench, design: runs.Design, seed: int, *, every: bool) -> list[dict[str, Any]]:
    """Train one model, and score it on every test, or on its split of cells alone."""
    bench.fit(design, seed)
    seconds = bench.seconds(design, seed, "model")
    # BLUE's network knows no cohorts.
    knows = not design.reduced and "as_cohort" in infer.InferenceSettings.model_fields
    modes = ["single", "cohort"] if knows else ["single"]
    return [
        {
            "row": design.label,
            "seconds": seconds,
            **bench.score(design, seed, test, mode),
        }
        for test in design.tests
        if every or test == "within"
        for mode in modes
    ]


def _minutes(part: dict[str, float]) -> str:
    return f"{part['wall'] / 60:.1f} min, {part['cores'] / 60:.1f} core min"


def _shrink(design: runs.Design, samples: int | None, epochs: int | None) -> runs.Design:
    changes = {name: dict(part) for name, part in design.changes.items()}
    if samples:
        changes["simulation"] = {**changes.get("simulation", {}), **_simulated(samples)}
    if epochs:
        changes["training"] = {**changes.get("training", {}), "epochs": epochs}
    return dataclasses.replace(design, changes=changes)


def _simulated(samples: int) -> dict[str, int]:
    """Simulate so many that the training split holds the number asked for."""
    return {"n_samples": round(samples / runs.TRAINING_SPLIT[0])}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", dest="size", action="store_const", const="quick", default="quick")
    size.add_argument("--full", dest="size", action="store_const", const="full")
    parser.add_argument("--only", choices=list(SETTINGS), action="append", help="May be repeated.")
    parser.add_argument("--seeds", type=int, help="Seeds, and as many splits.")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("accuracy"))
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path(DATA))
    parser.add_argument("--threads", type=int, help="All cores by default.")
    parser.add_argument("--samples", type=int, help="Of every model's training: a trial.")
    parser.add_argument("--epochs", type=int, help="Of every model's training: a trial.")
    parser.add_argument("--tests", type=int, help="Pseudobulks of a test: a trial.")
    given = parser.parse_args()
    if not (given.data / "sc").is_dir():
        parser.error(f"{given.data}: no real measurements there. Set BLUEBATCH_TEST_DATA.")
    return given


if __name__ == "__main__":
    main()
