"""The reference that is used when none is given: 700 PBMC that scanpy ships (BSD-3)."""

import hashlib

import numpy as np
import numpy.typing as npt
import scanpy
import scipy.sparse

from bluebatch.simulate import counts

NAME = "pbmc68k_reduced"
PATH = f"scanpy.datasets.{NAME}()"
NOTE = (
    f"{NAME}: counts = round(expm1(raw) x n_counts / 1e4); its 765 genes hold a fifth of the "
    "counts, and CPM is over these genes."
)


def read() -> tuple[counts.HeldMatrix, list[str], npt.NDArray[np.object_]]:
    """Read the bundled cells and turn their logged values back into counts.

    Returns
    -------
    matrix : counts.HeldMatrix, shape (700, 765)
        Counts.
    genes : list of str
        Symbols.
    labels : np.ndarray of str, shape (700,)
        Ten labels of Zheng et al. 2017.
    """
    cells = scanpy.datasets.pbmc68k_reduced()
    values = scipy.sparse.csr_matrix(cells.raw.X, dtype=np.float64)
    per_cell = cells.obs["n_counts"].to_numpy(dtype=np.float64) / 1e4
    values.data = np.rint(np.expm1(values.data) * np.repeat(per_cell, np.diff(values.indptr)))
    values.eliminate_zeros()
    labels = cells.obs["bulk_labels"].astype(str).to_numpy(dtype=object)
    genes = [str(gene) for gene in cells.raw.var_names]
    return counts.HeldMatrix("raw", values.astype(np.float32)), genes, labels


def digest() -> str:
    """Digest the bundled cells.

    Returns
    -------
    str
        ``sha256:...`` of counts, genes and labels.
    """
    matrix, genes, labels = read()
    made = hashlib.sha256(matrix.values.data.tobytes() + matrix.values.indices.tobytes())
    made.update("\n".join([*genes, *labels]).encode())
    return f"sha256:{made.hexdigest()}"
