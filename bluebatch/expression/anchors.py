"""A reduced-rank linear predictor of profiles: what a network starts from."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Anchor(NamedTuple):
    """A reduced-rank linear predictor of profiles from the standard input.

    Parameters
    ----------
    mean : np.ndarray, shape (cell_type, gene)
        Profile at the centre of the inputs, log2(1 + CPM).
    center : np.ndarray, shape (input_gene,)
        Mean input.
    basis : np.ndarray, shape (input_gene, component)
        Orthonormal principal axes of the input.
    coefficient : np.ndarray, shape (cell_type, component, gene)
        Effect of each component.
    """

    mean: Array
    center: Array
    basis: Array
    coefficient: Array

    def arrays(self) -> dict[str, Array]:
        """Name the arrays as a network holds them.

        Returns
        -------
        dict of str to np.ndarray
            ``mean``, ``center``, ``basis``, ``coefficient``, float32.
        """
        return {name: np.asarray(array, np.float32) for name, array in self._asdict().items()}

    def predict(self, inputs: Array, cell_type: int | None = None) -> Array:
        """Predict profiles.

        Parameters
        ----------
        inputs : np.ndarray, shape (sample, input_gene)
            From `standard_input`.
        cell_type : int, optional
            Predict this cell type only.

        Returns
        -------
        np.ndarray, shape (sample, cell_type, gene) or (sample, gene)
            Log2(1 + CPM), not clipped.
        """
        components = (inputs - self.center) @ self.basis
        if cell_type is not None:
            return np.asarray(self.mean[cell_type] + components @ self.coefficient[cell_type])
        effect = np.matmul(components, self.coefficient)  # (cell_type, sample, gene)
        return np.asarray(self.mean + effect.swapaxes(0, 1))
