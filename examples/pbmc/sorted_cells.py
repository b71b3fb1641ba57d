"""Compare mean predicted profiles of the Monaco samples with sorted cells of the same study.

Usage: python sorted_cells.py OUT SIGNATURE, where OUT was filled by run.sh and SIGNATURE is the
table of median TPM in 17 populations sorted by flow cytometry (Monaco et al. 2019, GSE107011).
"""

import pathlib
import sys

import numpy as np
import pandas as pd
import xarray as xr
from safetensors.numpy import load_file

SORTED = {
    "B": ["B.Naive", "B.Memory"],
    "CD4T": ["T.CD4.Naive", "T.CD4.Memory"],
    "CD8T": ["T.CD8.Naive", "T.CD8.Memory"],
    "Mono": ["Monocytes.C", "Monocytes.NC.I"],
    "NK": ["NK"],
}


def correlations(predicted: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Correlate across genes, as they are and after subtracting the mean over types."""
    centred = predicted - predicted.mean(), measured - measured.mean()
    return pd.DataFrame(
        {
            "r": predicted.T.corrwith(measured.T),
            "r of type minus mean": centred[0].T.corrwith(centred[1].T),
        }
    )


def main() -> None:
    """Print one table: predicted profiles beside the training-mean profile."""
    out, signature = pathlib.Path(sys.argv[1]), pd.read_csv(sys.argv[2], index_col=0)
    results = xr.open_zarr(out / "monaco_results.zarr")
    predicted = results["profile"].mean("sample", skipna=True).to_pandas()
    mean = load_file(out / "model" / "arrays.safetensors")["baseline_mean"]
    baseline = pd.DataFrame(mean, index=predicted.index, columns=predicted.columns)
    genes = predicted.columns.intersection(signature.columns)
    measured = pd.DataFrame(
        {name: np.log2(1 + signature.loc[parts, genes]).mean() for name, parts in SORTED.items()}
    ).T
    tables = {
        "predicted": correlations(predicted.loc[list(SORTED), genes], measured),
        "training mean": correlations(baseline.loc[list(SORTED), genes], measured),
    }
    table = pd.concat(tables, axis=1)
    table.loc["mean"] = table.mean()
    print(f"{len(genes)} genes; across genes, against medians of sorted cells")
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
