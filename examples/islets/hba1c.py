"""Beta-cell proportions against HbA1c: two models of bluebatch, beside least squares.

Usage: python hba1c.py DATA OUT, where OUT was filled by run.sh. Prints the table of the README and
writes OUT/hba1c.csv and OUT/hba1c.png.
"""

import pathlib
import sys

import anndata
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scipy.optimize
import scipy.stats
import xarray as xr

LABELS = {"cells": "bluebatch, 175 measured cells", "drawn": "bluebatch, cells drawn from profiles"}


def least_squares(bulk: pd.DataFrame, profiles: pd.DataFrame, how: str) -> pd.Series:
    """Solve for the beta-cell fraction by NNLS over the genes in common."""
    genes = bulk.columns.intersection(profiles.columns)
    if how == "without INS":
        genes = genes.drop("INS")
    samples = 1e6 * bulk[genes].div(bulk.sum(axis=1), axis=0)
    basis = 1e6 * profiles[genes].div(profiles.sum(axis=1), axis=0)
    if how == "log":
        samples, basis = np.log2(1 + samples), np.log2(1 + basis)
    # Counting noise grows with the root of the mean: without weights a few loud genes decide.
    weight = 1 / np.sqrt(samples.mean() + 1) if how == "weighted" else pd.Series(1.0, genes)
    solved = [
        scipy.optimize.nnls((basis * weight).T.to_numpy(), (row * weight).to_numpy())[0]
        for _, row in samples.iterrows()
    ]
    found = pd.DataFrame(solved, samples.index, profiles.index)
    return found.div(found.sum(axis=1), axis=0)["beta"]


def scores(proportion: pd.Series, hba1c: pd.Series) -> dict[str, float]:
    """Correlate over the donors whose HbA1c is known."""
    known = hba1c.dropna().index
    x, y = hba1c[known], proportion[known]
    pearson, spearman = scipy.stats.pearsonr(x, y), scipy.stats.spearmanr(x, y)
    return {
        "n": len(known),
        "r": pearson.statistic,
        "R2": pearson.statistic**2,
        "p (r)": pearson.pvalue,
        "rho": spearman.statistic,
        "p (rho)": spearman.pvalue,
        "mean beta": y.mean(),
    }


def draw(
    proportions: pd.DataFrame, hba1c: pd.Series, table: pd.DataFrame, path: pathlib.Path
) -> None:
    """Scatter each predictor with its line of least squares."""
    figure, grid = plt.subplots(2, 3, figsize=(9, 6), layout="constrained", sharex=True)
    panels = grid.ravel()
    known = hba1c.dropna().index
    for axes, name in zip(panels, table.index, strict=False):
        x, y = hba1c[known], proportions.loc[known, name]
        axes.scatter(x, y, s=12, color="#0072B2", alpha=0.6, linewidths=0)
        line = scipy.stats.linregress(x, y)
        ends = np.array([x.min(), x.max()])
        axes.plot(ends, line.intercept + line.slope * ends, color="#D55E00", linewidth=1.2)
        row = table.loc[name]
        axes.set_title(name.replace(", ", "\n", 1), loc="left", fontsize=9)
        text = f"r {row['r']:.2f}, p {row['p (r)']:.2g}\nrho {row['rho']:.2f}"
        axes.text(0.97, 0.97, text, transform=axes.transAxes, ha="right", va="top", fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[len(table) :]:
        axes.set_visible(False)
    figure.supxlabel("HbA1c (%)", fontsize=9)
    figure.supylabel("predicted proportion of beta cells", fontsize=9)
    figure.savefig(path, dpi=150, facecolor="white")


def main() -> None:
    """Print and write the table, and draw it."""
    data, out = map(pathlib.Path, sys.argv[1:])
    donors = anndata.read_h5ad(data / "bulk" / "islet_fadista_gse50244_counts.h5ad")
    profiles = anndata.read_h5ad(data / "sc" / "islet_baron_profiles_14types.h5ad").to_df()
    bulk, hba1c = donors.to_df(), donors.obs["hba1c"].astype(float)
    columns = {}
    for name, label in LABELS.items():
        if not (out / f"{name}-results.zarr").exists():
            continue
        results = xr.open_zarr(out / f"{name}-results.zarr")
        columns[label] = results["proportion"].sel(cell_type="beta").to_pandas()
    for how in ("all genes", "without INS", "weighted", "log"):
        columns[f"NNLS, {how}"] = least_squares(bulk, profiles, how)
    proportions = pd.DataFrame(columns).loc[donors.obs_names]
    table = pd.DataFrame({name: scores(proportions[name], hba1c) for name in proportions}).T
    print(table.round(4).to_string())
    proportions.assign(hba1c=hba1c).to_csv(out / "hba1c.csv")
    draw(proportions, hba1c, table, out / "hba1c.png")


if __name__ == "__main__":
    main()
