"""Draw cells from mean profiles, where a study shares no single cells: a stand-in, and labelled so.

Usage: python draw_cells.py PROFILES OUT.h5ad, where PROFILES is an h5ad of mean profiles, one row a
cell type. Every cell of a type is a multinomial draw from the type's mean profile, so cells of one
type differ by counting alone: real ones differ by donor and state as well.
"""

import sys

import anndata
import numpy as np
import scipy.sparse

N_CELLS = 100
# Counts of a cell: the mean and the spread of the single cells of the same study that are public.
MEAN_COUNTS, LOG_SPREAD = 5200, 0.4


def main() -> None:
    """Write as many cells of each type."""
    profiles = anndata.read_h5ad(sys.argv[1])
    rng = np.random.default_rng(0)
    linear = np.asarray(profiles.X, dtype=float)
    names = np.repeat(profiles.obs_names.to_numpy(), N_CELLS)
    parts = []
    for profile in linear:
        sizes = rng.lognormal(np.log(MEAN_COUNTS) - LOG_SPREAD**2 / 2, LOG_SPREAD, N_CELLS)
        drawn = rng.multinomial(sizes.astype(int), profile / profile.sum())
        parts.append(scipy.sparse.csr_matrix(drawn.astype(np.float32)))
    cells = anndata.AnnData(scipy.sparse.vstack(parts, format="csr"), var=profiles.var[[]])
    cells.obs["cell_type"] = names
    cells.obs_names = [f"drawn-{index:05d}" for index in range(cells.n_obs)]
    cells.uns["made_by"] = "draw_cells.py: multinomial draws from mean profiles, no measured cells"
    cells.write_h5ad(sys.argv[2])
    print(f"{cells.n_obs:,} cells of {len(linear)} types drawn from mean profiles")


if __name__ == "__main__":
    main()
