"""A planted cohort on the disk for commands about patients, and what a refusal must look like."""

import contextlib
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from click.testing import CliRunner, Result
from unit.downstream import freezing, planted

from bluebatch.cli import main
from bluebatch.downstream import frozen
from bluebatch.store import schema, write

PLAN = planted.Plan(n_patients=100, n_genes=40, hazard_ratio=0.1)
SEED = 1
# Any: what is in a table is the test's own to know.
Table = Any
Edit = Callable[[Table], Table]
QUICK = """extends = "default"
[search]
n_permutations = 19
[groups]
n_permutations = 9
[out_of_fold]
n_folds = 0
"""


def write_all(folder: pathlib.Path) -> pathlib.Path:
    """Write results, their cohort, a composition, a clinical table, gene sets and frozen groups."""
    drawn = planted.draw(PLAN, seed=SEED)
    planted.write_results(folder / "results.zarr", drawn)
    planted.write_cohort(folder / "cohort.zarr", drawn)
    planted.write_clinical(folder / "clinical.csv", drawn)
    write_composition(folder / "composition.zarr", drawn.patients, fractions(drawn))
    frozen.write(folder / "subtypes" / "model", freezing.discover(drawn).model)
    (folder / "quick.toml").write_text(QUICK)
    (folder / "sets.gmt").write_text("SET\tnone\t" + "\t".join(drawn.genes[:20]) + "\n")
    return folder


def fractions(drawn: planted.Planted) -> Table:
    """Draw fractions of three types: more of the first two in patients of their state 1."""
    rng = np.random.default_rng(SEED)
    weight = [1 + 2 * state for state in drawn.state.values()]
    weight.append(np.full(len(drawn.patients), 2.0))
    share = np.column_stack(weight) * rng.gamma(30, 1 / 30, (len(drawn.patients), 3))
    return share / share.sum(axis=1, keepdims=True)


def write_composition(path: pathlib.Path, samples: list[str], share: Table) -> pathlib.Path:
    """Write a composition store of Mono, T and B."""
    labels = {"sample": samples, "cell_type": ["Mono", "T", "B"]}
    group = write.create(path, schema.COMPOSITION, labels, {}, leave_out=("patient",))
    write.write_whole(group, "proportion", share)
    write.complete(group)
    return path


def edited(source: pathlib.Path, path: pathlib.Path, edit: Edit) -> pathlib.Path:
    """Write a clinical table after a change to its text."""
    edit(pd.read_csv(source, dtype=str, keep_default_na=False)).to_csv(path, index=False)
    return path


def words(good: pathlib.Path, out: pathlib.Path, **replaced: object) -> list[object]:
    """Write the command, some of its inputs replaced; None leaves one out."""
    flags = {
        "cohort": good / "cohort.zarr",
        "clinical": good / "clinical.csv",
        "config": good / "quick.toml",
        "out": out,
        **replaced,
    }
    results = flags.pop("results", good / "results.zarr")
    pairs = [(f"--{name}", value) for name, value in flags.items() if value is not None]
    return ["subtype", results, *(word for pair in pairs for word in pair)]


def run(*words: object) -> Result:
    return CliRunner().invoke(main.main, [*map(str, words), "--quiet"])


def done(*words: object) -> str:
    """Run a command that must do its work; give what it said."""
    told = run(*words)
    assert told.exit_code == 0, told.output
    assert told.stderr == ""
    return told.stdout


def refused(*words: object, code: int = 1) -> str:
    """Run a command that must be refused in one line, and give that line."""
    told = run(*words)
    assert told.exit_code == code, told.output
    assert isinstance(told.exception, SystemExit)
    assert told.stdout == ""
    lines = told.stderr.strip().splitlines()
    if code == 2:
        # What is known of usage stands above it.
        assert lines[0].startswith("Usage: ")
        lines = [line for line in lines if line.startswith("Error: ")]
    assert len(lines) == 1, told.stderr
    return lines[0]


@contextlib.contextmanager
def untouched(folder: pathlib.Path) -> Iterator[None]:
    """Hold that what is done within leaves every file of a folder as it was, and adds none."""
    before = contents(folder)
    yield
    assert contents(folder) == before


def contents(folder: pathlib.Path) -> dict[str, bytes | None]:
    """Read everything in a folder, hidden or not."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }
