"""A cohort of many patients through `bluebatch subtype`: wall time and peak memory.

    python tests/benchmarks/patients.py              # 10,000 patients x 15 types x 5,000 genes
    python tests/benchmarks/patients.py --patients 2000 --genes 1000

Synthetic profiles: four types have two states, of which two together lengthen survival; the others
are one cloud each. The run is the command itself in a process of its own; "peak" is its largest
resident memory. Profiles of one type at a time are all that may be held, so that the peak hangs on
patients x genes and not on the number of types: `--types` shows it.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import click
import numpy as np
import resident  # type: ignore[import-not-found] # beside this script

from bluebatch.store import schema, write

TWO_STATE = 4


def write_results(path: pathlib.Path, n_patients: int, n_types: int, n_genes: int) -> np.ndarray:
    """Write a profile store block by block, and give the patients with the planted states."""
    leave_out = [array.name for array in schema.PROFILE.arrays if array.optional]
    labels = {
        "sample": [f"P{at:05d}" for at in range(n_patients)],
        "cell_type": [f"type{at}" for at in range(n_types)],
        "gene": [f"G{at}" for at in range(n_genes)],
    }
    group = write.create(path, schema.PROFILE, labels, {"unit": "CPM"}, leave_out=leave_out)
    fixed, rng = np.random.default_rng(0), np.random.default_rng(1)
    base = fixed.uniform(2, 9, (n_types, n_genes)).astype(np.float32)
    shift = fixed.normal(0, 0.5, (n_types, n_genes)).astype(np.float32)
    # Genes move together, as they do in predicted profiles.
    axes = fixed.normal(0, 0.2, (n_types, 10, n_genes)).astype(np.float32)
    states = rng.random((n_patients, TWO_STATE)) < 0.5
    for start in range(0, n_patients, schema.ROWS_PER_CHUNK):
        rows = slice(start, min(start + schema.ROWS_PER_CHUNK, n_patients))
        n_rows = rows.stop - rows.start
        block = np.empty((n_rows, n_types, n_genes), np.float32)
        for at in range(n_types):
            noise = rng.standard_normal((n_rows, n_genes), dtype=np.float32)
            common = rng.standard_normal((n_rows, 10), dtype=np.float32) @ axes[at]
            block[:, at] = base[at] + 0.3 * noise + common
            if at < TWO_STATE:
                block[:, at] += shift[at] * states[rows, at, None]
        write.write(group, "profile", rows, block)
        mixed = rng.dirichlet(np.full(n_types, 5.0), n_rows)
        for name in ("proportion", "rna_fraction"):
            write.write(group, name, rows, mixed)
        for name in ("reconstruction_error", "gene_coverage"):
            write.write(group, name, rows, np.ones(n_rows))
    write.complete(group)
    return states[:, 0] & states[:, 1]


def write_clinical(path: pathlib.Path, inside: np.ndarray) -> None:
    """Write survival with a hazard ratio of .6 inside."""
    rng = np.random.default_rng(2)
    death = rng.exponential(np.where(inside, 1 / 0.6, 1) * 900)
    censored = rng.uniform(200, 3000, len(inside))
    lines = ["patient,time,event"]
    for at, (one, other) in enumerate(zip(death, censored, strict=True)):
        lines.append(f"P{at:05d},{min(one, other):.1f},{int(one <= other)}")
    path.write_text("\n".join(lines) + "\n")


def main() -> None:
    """Make the cohort, run the command, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=10_000)
    parser.add_argument("--types", type=int, default=15)
    parser.add_argument("--genes", type=int, default=5_000)
    parser.add_argument("--permutations", type=int, default=1_000)
    parser.add_argument("--folder", type=pathlib.Path)
    asked = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(dir=asked.folder))
    try:
        start = time.perf_counter()
        inside = write_results(folder / "results.zarr", asked.patients, asked.types, asked.genes)
        write_clinical(folder / "clinical.csv", inside)
        click.echo(f"cohort written in {time.perf_counter() - start:.0f} s")
        command = [sys.executable, "-m", "bluebatch", "subtype", str(folder / "results.zarr")]
        command += ["--clinical", str(folder / "clinical.csv"), "--out", str(folder / "out")]
        command += ["--permutations", str(asked.permutations), "--json", "--verbose"]
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        with resident.sampled(process.pid) as peak:
            answer, _ = process.communicate()
        wall = time.perf_counter() - start
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
        found = json.loads(answer)
        click.echo(
            f"{asked.patients:,} patients x {asked.types} types x {asked.genes:,} genes: "
            f"{wall:.0f} s, peak {peak[0] / 1e9:.2f} GB; two states: "
            f"{', '.join(found['two_states'])}; {found['n_tested']:,} of "
            f"{found['n_definitions']:,} definitions tested, "
            f"{found['n_significant']:,} with q < .05"
        )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
