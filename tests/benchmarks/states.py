"""How often two states are found where there are two, and where there is one cloud.

    python tests/benchmarks/states.py [--repeats 100] [--patients 100 300 1000] [--genes 200 2000]
                                      [--null cloud gradient] [--only spectrum "15%"]

Blobs have no groups: independent genes, genes of a spectrum that decays as in real profiles, a
few outlying patients (t with 5 degrees of freedom along each axis), a right-skewed first axis, and
patients spread evenly along one gradient, which is no cloud. Planted types are two clouds of that
decaying spectrum: their distance is in standard deviations of the longest axis within a state,
and lies in a direction of its own or along that axis. Wanted are "no structure" of 90 in 100
blobs, and an adjusted Rand index of .9 with what was planted.
"""

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import sklearn.metrics

from bluebatch.downstream import states

Array = npt.NDArray[np.float32]
Blob = Callable[[int, int, np.random.Generator], Array]
N_AXES = 50
DECAY = 0.8
NOISE = 0.3
GOOD = 0.9


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--patients", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--genes", type=int, nargs="+", default=[200, 2000])
    parser.add_argument("--null", nargs="+", default=["cloud"], choices=["cloud", "gradient"])
    parser.add_argument("--only", nargs="+", default=[""], help="Lines with one of these words.")
    given = parser.parse_args()
    sys.stdout.write("patients genes  null      what                           two states")
    sys.stdout.write("  ARI >= .9  p<=.05  stable  seconds each\n")
    for null in given.null:
        settings = states.StateSettings(null=null)
        for n_patients in given.patients:
            for n_genes in given.genes:
                size = (n_patients, n_genes)
                for name, (blob, planted) in LINES.items():
                    if any(word in name for word in given.only):
                        repeat(name, blob, planted, size, settings, given.repeats)


def repeat(
    name: str,
    blob: Blob,
    planted: tuple[bool, float, float] | None,
    size: tuple[int, int],
    settings: states.StateSettings,
    repeats: int,
) -> None:
    """Print one line: look for states in as many cohorts, of seeds 0 and up."""
    n_patients, n_genes = size
    names = [f"g{gene}" for gene in range(n_genes)]
    n_found = n_good = n_apart = n_stable = 0
    start = time.perf_counter()
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        matrix, truth = make(blob, planted, size, rng)
        found = states.find(matrix, name, names, settings, max(10, n_patients // 20), rng)
        n_found += found.verdict == states.TWO_STATES
        n_good += sklearn.metrics.adjusted_rand_score(truth, found.index) >= GOOD
        n_apart += found.p_structure <= settings.alpha
        n_stable += found.stability >= settings.min_stability
    seconds = (time.perf_counter() - start) / repeats
    good = f"{n_good:>9}" if planted else f"{'':>9}"
    sys.stdout.write(
        f"{n_patients:>8} {n_genes:>5}  {settings.null:<9} {name:<30} {n_found:>10}  {good}"
        f"  {n_apart:>6}  {n_stable:>6}  {seconds:.2f}\n"
    )
    sys.stdout.flush()


def make(
    blob: Blob,
    planted: tuple[bool, float, float] | None,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Draw profiles, with two states where that is asked for."""
    n_patients, n_genes = size
    matrix = blob(n_patients, n_genes, rng)
    if planted is None:
        return matrix, np.zeros(n_patients, bool)
    along, share, distance = planted
    inside = np.zeros(n_patients, bool)
    inside[: round(share * n_patients)] = True
    longest = np.sqrt(n_genes)
    if along:
        _, _, axes = np.linalg.svd(matrix - matrix.mean(axis=0), full_matrices=False)
        direction = axes[0]
    else:
        direction = rng.standard_normal(n_genes)
        direction /= np.linalg.norm(direction)
    shift = np.outer(inside, distance * longest * direction)
    return np.asarray(matrix + shift, np.float32), inside


def independent(n_patients: int, n_genes: int, rng: np.random.Generator) -> Array:
    """Draw genes that have nothing to do with each other."""
    return np.asarray(rng.standard_normal((n_patients, n_genes)), np.float32)


def on_axes(scores: npt.NDArray[np.float64], n_genes: int, rng: np.random.Generator) -> Array:
    """Spread scores of unit variance along axes of decaying length, and add noise."""
    n_patients, n_axes = scores.shape
    axes = np.linalg.qr(rng.standard_normal((n_genes, n_axes)))[0]
    lengths = np.sqrt(n_genes) * DECAY ** np.arange(n_axes)
    noise = NOISE * rng.standard_normal((n_patients, n_genes))
    return np.asarray((scores * lengths) @ axes.T + noise, np.float32)


def spectrum(n_patients: int, n_genes: int, rng: np.random.Generator) -> Array:
    """Draw one normal cloud."""
    return on_axes(rng.standard_normal((n_patients, N_AXES)), n_genes, rng)


def outlying(n_patients: int, n_genes: int, rng: np.random.Generator) -> Array:
    """Draw a cloud with heavy tails."""
    return on_axes(rng.standard_t(5, (n_patients, N_AXES)) / np.sqrt(5 / 3), n_genes, rng)


def skewed(n_patients: int, n_genes: int, rng: np.random.Generator) -> Array:
    """Draw a cloud whose longest axis is exponential."""
    scores = rng.standard_normal((n_patients, N_AXES))
    scores[:, 0] = rng.standard_exponential(n_patients) - 1
    return on_axes(scores, n_genes, rng)


def gradient(n_patients: int, n_genes: int, rng: np.random.Generator) -> Array:
    """Draw patients that are spread evenly along the longest axis."""
    scores = rng.standard_normal((n_patients, N_AXES))
    scores[:, 0] = np.sqrt(12) * rng.random(n_patients)
    scores[:, 1:] /= 2
    return on_axes(scores, n_genes, rng)


BLOBS: dict[str, Blob] = {
    "independent genes": independent,
    "decaying spectrum": spectrum,
    "heavy tails": outlying,
    "skewed axis": skewed,
    "gradient": gradient,
}
LINES: dict[str, tuple[Blob, tuple[bool, float, float] | None]] = {
    **{name: (blob, None) for name, blob in BLOBS.items()},
    **{
        f"{share:.0%} at {distance:g} sd, {'long' if along else 'own'} axis": (
            spectrum,
            (along, share, distance),
        )
        for along in (False, True)
        for share in (0.5, 0.15)
        for distance in (1.0, 2.0, 3.0, 4.0, 6.0)
    },
}

if __name__ == "__main__":
    main()
