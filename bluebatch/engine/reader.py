"""One input store as a model sees it, and the store that its predictions fill."""

import abc
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy.typing as npt

from bluebatch.store import schema

Arrays = dict[str, npt.NDArray[Any]]


class Result(NamedTuple):
    """The store that inference fills.

    Parameters
    ----------
    spec : schema.StoreSpec
        Its kind.
    coordinates : mapping of str to sequence of str
        Labels by axis.
    attributes : mapping
        Root attributes.
    whole : dict of str to np.ndarray
        Arrays that do not depend on the rows and are written at once.
    leave_out : sequence of str
        Optional arrays that are not written.
    note : str
        What the user is told of the match, e.g. how many labels are missing.
    """

    spec: schema.StoreSpec
    coordinates: Mapping[str, Sequence[str]]
    attributes: Mapping[str, Any]
    whole: Arrays
    leave_out: Sequence[str] = ()
    note: str = ""


class RowPrice(NamedTuple):
    """Bytes that a reader holds for each row.

    Parameters
    ----------
    reading : int
        While `Reader.inputs` reads a block of rows, what it returns included.
    inputs : int
        Of what `Reader.inputs` returns.
    finishing : int
        While `Reader.finish` turns the predictions of a few rows into results, beside them.
    """

    reading: int
    inputs: int
    finishing: int


class Reader(abc.ABC):
    """One input store as a model sees it: matched by labels once, then read by blocks."""

    @abc.abstractmethod
    def inputs(self, rows: slice) -> Arrays:
        """Read a block of rows.

        Parameters
        ----------
        rows : slice
            Rows of the input store.

        Returns
        -------
        dict of str to np.ndarray
            Every array has the rows as its first axis; names as the network's ``transform`` takes
            them. No row depends on the others of its block.
        """

    @abc.abstractmethod
    def result(self) -> Result:
        """Describe the store that inference is to fill.

        Returns
        -------
        Result
            Its kind, labels and attributes.
        """

    @abc.abstractmethod
    def finish(self, predictions: Arrays, inputs: Arrays) -> Arrays:
        """Turn a block's predictions into the arrays of the result store.

        Parameters
        ----------
        predictions, inputs : dict of str to np.ndarray
            Float32 predictions of the members' mean, and what `inputs` read.

        Returns
        -------
        dict of str to np.ndarray
            Arrays of the result store by name. No row depends on the others; neither argument is
            changed.
        """

    @abc.abstractmethod
    def price(self) -> RowPrice:
        """Price the memory of a row.

        Returns
        -------
        RowPrice
            Bytes.
        """
