"""Rank the genes that predicted profiles say respond to interferon, and name a ceiling.

Usage: python genes.py OUT, where OUT was filled by run.sh. Prints where genes known to respond
stand among all of each cell type, and how far differences measured in the training donors' own
cells, where the condition is known, agree with those of the held-out donors.
"""

import pathlib
import sys

import numpy as np
import pandas as pd
import xarray as xr

# Genes that type I interferon switches on in nearly every cell.
KNOWN = ["ISG15", "ISG20", "IFI6", "IFIT1", "IFIT2", "IFIT3", "MX1", "OAS1", "IFI44L", "LY6E"]


def ranks(table: pd.DataFrame) -> pd.DataFrame:
    """Rank the known genes by rising difference: 1 is the largest rise of a cell type."""
    found = {}
    for cell_type, part in table.groupby("cell_type", sort=False):
        for side in ("true", "model"):
            order = part.set_index("gene")[side].rank(ascending=False, method="min")
            found[cell_type, side] = order.reindex(KNOWN)
    return pd.DataFrame(found).dropna(how="all").astype("Int64")


def of_training_donors(out: pathlib.Path, cell_type: str) -> pd.Series:
    """Measure the difference between the conditions in pseudobulks of the training donors."""
    store = xr.open_zarr(out / "pseudobulk.zarr")
    train = store.isel(sample=np.flatnonzero(store["split"] == "train"))
    profile = train["profile"].sel(cell_type=cell_type)
    means = [
        profile.isel(sample=np.flatnonzero(train["source"] == f"train_{name}")).mean("sample")
        for name in ("stimulated", "control")
    ]
    return (means[0] - means[1]).to_series()


def main() -> None:
    """Print both tables."""
    out = pathlib.Path(sys.argv[1])
    table = pd.read_csv(out / "evaluation" / "evaluation_contrast.csv")
    print(f"rank of the rise among {table['gene'].nunique():,} genes")
    print(ranks(table).to_string())
    rows = {}
    for cell_type, part in table.groupby("cell_type", sort=False):
        sides = part.set_index("gene").drop(columns="cell_type")
        sides["training donors"] = of_training_donors(out, cell_type)
        rows[cell_type] = sides.corr()["true"].drop("true")
    print("\nr with the true differences of the held-out donors, all genes")
    correlations = pd.DataFrame(rows).T
    correlations.loc["mean of types"] = correlations.mean()
    print(correlations.round(3).to_string())


if __name__ == "__main__":
    main()
