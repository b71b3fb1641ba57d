"""Give populations sorted by flow cytometry the names of the model's cell types.

Usage: python sorted_cells.py SIGNATURE OUT.csv, where SIGNATURE is the table of median TPM in 17
sorted populations (Monaco et al. 2019, GSE107011), one line each. `bluebatch evaluate --profiles`
averages the populations of one type.
"""

import sys

import pandas as pd

SORTED = {
    "B": ["B.Naive", "B.Memory"],
    "CD4T": ["T.CD4.Naive", "T.CD4.Memory"],
    "CD8T": ["T.CD8.Naive", "T.CD8.Memory"],
    "Mono": ["Monocytes.C", "Monocytes.NC.I"],
    "NK": ["NK"],
}


def main() -> None:
    """Write the populations of the five types."""
    signature = pd.read_csv(sys.argv[1], index_col=0)
    names = {part: cell_type for cell_type, parts in SORTED.items() for part in parts}
    signature.loc[list(names)].rename(index=names).to_csv(sys.argv[2])


if __name__ == "__main__":
    main()
