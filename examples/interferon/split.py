"""Cut Kang's cells into donors to learn from and donors to test on, control and stimulated apart.

Usage: python split.py REFERENCE OUT, where REFERENCE is the h5ad of GSE96583 with the columns
cell_type, donor and condition (ctrl, stim) in obs. Writes four h5ad files into OUT, and
genes.txt: the genes found in enough cells of the training donors.
"""

import itertools
import pathlib
import sys

import anndata
import numpy as np

# The held-out donors have enough CD8 T cells under both conditions to be a truth.
TEST_DONORS = ["101", "1015", "1244"]
# Cells that could not be given to one donor would leak.
NOT_A_DONOR = ["doublet_or_ambiguous"]
CONDITIONS = {"ctrl": "control", "stim": "stimulated"}
# 70 NK cells, 25 of them in the held-out donors, are too few to be a truth.
CELL_TYPES = ["B", "CD4T", "CD8T", "Mono"]
MIN_SHARE = 0.2


def detected(cells: anndata.AnnData) -> list[str]:
    """Name the genes found in a fifth of the cells of some type under some condition."""
    share = np.zeros(cells.n_vars)
    for group in itertools.product(CELL_TYPES, CONDITIONS):
        own = (cells.obs["cell_type"] == group[0]) & (cells.obs["condition"] == group[1])
        found = np.asarray((cells[own.to_numpy()].X > 0).mean(axis=0)).ravel()
        share = np.maximum(share, found)
    return list(cells.var_names[share >= MIN_SHARE])


def main() -> None:
    """Write train_control, train_stimulated, test_control, test_stimulated and genes.txt."""
    cells, out = anndata.read_h5ad(sys.argv[1]), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    donor = cells.obs["donor"].astype(str)
    held_out = donor.isin(TEST_DONORS)
    train = ~held_out & ~donor.isin(NOT_A_DONOR)
    for group, chosen in (("train", train), ("test", held_out)):
        for label, name in CONDITIONS.items():
            part = cells[(chosen & (cells.obs["condition"] == label)).to_numpy()].copy()
            part.write_h5ad(out / f"{group}_{name}.h5ad")
            print(f"{group} {name}: {part.n_obs} cells of {donor[part.obs_names].nunique()} donors")
    genes = detected(cells[train.to_numpy()])
    (out / "genes.txt").write_text("\n".join(genes) + "\n")
    print(f"{len(genes)} genes are found in a fifth of the training cells of some type")


if __name__ == "__main__":
    main()
