"""What gene-set tests and comparisons of genes reject where there is nothing, and their speed.

Usage: python tests/benchmarks/enrichment.py [--data ../shared/data] [--repeats 50]
Gene sets: the share of sets with p < .05, and under .001, in cohorts whose groups are drawn. Genes
that are independent; sets of correlation .3; the same with noise of each sample in all its genes;
TCGA-LAML with sets of the genes that go best with one gene. Then the share of sets found where all
genes of a set shift by half a standard deviation. Genes: a type of one blob, groups made from
its own profiles, compared as they are, in fresh patients alone, and with genes split as well.
Speed: 15 types of 1,000 patients and 5,000 genes, both groups, with 5,000 gene sets.
"""

import argparse
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import anndata
import numpy as np
import numpy.typing as npt

from bluebatch.downstream import (
    differential,
    enrichment,
    gene_sets,
    split_samples,
    split_tests,
    type_tests,
)

Array = npt.NDArray[Any]
HOWS: tuple[Any, ...] = (0.0, 0.01, "camera", "contrast")
SETTINGS = differential.DifferentialSettings()
N_PATIENTS, N_GENES, SIZE = 60, 1000, 25
MODULES = [list(range(start, start + SIZE)) for start in range(0, N_GENES, SIZE)]


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def names_of(n_genes: int) -> list[str]:
    """Name genes."""
    return [f"G{gene}" for gene in range(n_genes)]


def lay(members: list[list[int]], n_genes: int, how: Any = "contrast") -> gene_sets.GeneSets:
    """Make gene sets of positions."""
    sets = {f"S{at}": tuple(f"G{gene}" for gene in genes) for at, genes in enumerate(members)}
    file = gene_sets.GeneSetFile("drawn", sets, dict.fromkeys(sets, ""), [])
    return gene_sets.within(
        file, names_of(n_genes), gene_sets.GeneSetSettings(correlation=how, max_size=n_genes)
    )


def draw(rng: np.random.Generator, within: float, common: float) -> Array:
    """Draw profiles: correlation within sets, and the variance of what all genes share."""
    own = rng.normal(0, np.sqrt(1 - within), (N_PATIENTS, N_GENES))
    modules = rng.normal(0, np.sqrt(within), (N_PATIENTS, len(MODULES)))
    shared = rng.normal(0, np.sqrt(common), (N_PATIENTS, 1))
    return np.asarray(own + np.repeat(modules, SIZE, axis=1) + shared, dtype=np.float32)


def shares(
    members: list[list[int]],
    cohort: Callable[[np.random.Generator], Array],
    n_repeats: int,
    shift: float = 0.0,
) -> str:
    """Tell how many sets have a small p: all, or the first one where it is shifted."""
    found: dict[Any, list[Array]] = {how: [] for how in HOWS}
    rng = np.random.default_rng(1)
    for _ in range(n_repeats):
        matrix = cohort(rng).copy()
        inside = rng.permutation(len(matrix)) < len(matrix) // 3
        matrix[np.ix_(np.flatnonzero(inside), np.array(members[0]))] += shift
        tests = differential.compare(matrix, inside, names_of(matrix.shape[1]), SETTINGS)
        for how in HOWS:
            sets = lay(members, matrix.shape[1], how)
            p = enrichment.competitive(tests, matrix, inside, sets)["p"].to_numpy()
            found[how].append(p[:1] if shift else p)
    cells = []
    for how in HOWS:
        p = np.concatenate(found[how])
        cells.append(f"{how}: {np.mean(p < 0.05):.3f} ({np.mean(p < 0.001):.4f})")
    return "   ".join(cells)


def level(data: pathlib.Path, n_repeats: int) -> None:
    """Tell the level, and the power, of the gene-set tests."""
    say("gene sets, share of p < .05 (and < .001), by what is taken for the correlation")
    kinds = {
        "independent genes": (0.0, 0.0),
        "r = .3 within sets": (0.3, 0.0),
        "r = .3, and noise common to all genes": (0.3, 1.0),
    }
    for name, (within, common) in kinds.items():

        def cohort(rng: np.random.Generator, w: float = within, c: float = common) -> Array:
            return draw(rng, w, c)

        say(f"  {name:<40} no difference  {shares(MODULES, cohort, n_repeats)}")
        power = shares(MODULES, cohort, 4 * n_repeats, shift=0.5)
        say(f"  {name:<40} shift of .5 sd {power}")
    path = data / "bulk" / "tcga_laml_rsem_1195genes.h5ad"
    if not path.exists():
        say(f"  {path} is absent")
        return
    laml = np.asarray(np.log2(1 + np.asarray(anndata.read_h5ad(path).X)), dtype=np.float32)
    r: Array = np.asarray(np.nan_to_num(np.corrcoef(laml.T)))
    picks = np.random.default_rng(0).choice(len(r), 60, replace=False)
    together = [[int(gene) for gene in np.argsort(-r[at])[: 10 + at % 40]] for at in picks]
    say(f"  {'TCGA-LAML':<40} groups drawn   {shares(together, lambda rng: laml, n_repeats)}")


def blob(n_repeats: int) -> None:
    """Tell how genes are found to differ in a type of one blob."""
    n_patients, n_genes = 120, 200
    names = names_of(n_genes)
    every, half = np.arange(n_patients), np.arange(n_patients // 2)
    kinds = ("same patients", "fresh patients", "genes split as well")
    p: dict[str, list[Array]] = {kind: [] for kind in kinds}
    for seed in range(n_repeats):
        drawn = np.random.default_rng(seed).normal(0, 1, (n_patients, n_genes))
        matrix = drawn.astype(np.float32)

        def learn(patients: Array, genes: Array, x: Array = matrix) -> Array:
            weights = np.zeros(n_genes)
            weights[genes] = np.linalg.svd(x[patients][:, genes], full_matrices=False)[2][0]
            return weights

        def cut(weights: Array, patients: Array, genes: Array, x: Array = matrix) -> Array:
            return np.where(x[patients] @ weights > 0, 0, 2)

        whole = np.ones(n_genes, dtype=bool)
        for kind, learnt, tested in (
            (kinds[0], every, every),
            (kinds[1], half, half + len(half)),
        ):
            inside = cut(learn(learnt, whole), tested, whole) == 0
            frame = differential.compare(matrix[tested], inside, names, SETTINGS)
            p[kind].append(frame["p"].to_numpy())
        fitted = split_samples.cross_fit(
            matrix.shape, learn, cut, SETTINGS, np.random.default_rng(seed)
        )
        frame = split_tests.compare(matrix, 0, names, fitted, SETTINGS)
        p[kinds[2]].append(frame["p"].to_numpy())
    say("genes of one blob, groups made from its profiles: share of p < .05 (and < .001)")
    for kind in kinds:
        found = np.concatenate(p[kind])
        say(f"  {kind:<20} {np.mean(found < 0.05):.3f} ({np.mean(found < 0.001):.4f})")


def speed() -> None:
    """Time the whole of a large cohort."""
    n_patients, n_genes, n_types = 1000, 5000, 15
    rng = np.random.default_rng(0)
    matrix = rng.normal(5, 1, (n_patients, n_genes)).astype(np.float32)
    group = rng.integers(0, 3, n_patients).astype(np.int8)
    sizes = rng.integers(10, 200, 5000)
    members = [rng.choice(n_genes, size, replace=False).tolist() for size in sizes]
    sets = lay(members, n_genes)
    cell_types = [f"T{at}" for at in range(n_types)]
    for name, beside in (("genes", None), ("genes and 5,000 sets", type_tests.Beside(sets=sets))):
        start = time.perf_counter()
        for _ in differential.per_type(
            lambda cell_type: matrix, cell_types, group, names_of(n_genes), SETTINGS, beside
        ):
            pass
        seconds = time.perf_counter() - start
        say(f"{n_types} types, {n_patients:,} patients, {n_genes:,} genes; {name}: {seconds:.1f} s")


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("../shared/data"))
    parser.add_argument("--repeats", type=int, default=50)
    given = parser.parse_args()
    level(given.data, given.repeats)
    blob(given.repeats)
    speed()


if __name__ == "__main__":
    main()
