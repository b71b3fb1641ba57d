"""What binds one kind of model to its stores: what is read, learnt and written.

A kind of model is one file in `bluebatch.models` (the network) and one here (its task). The rest
of this room drives both through these methods and never asks what the names mean.
"""

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bluebatch.models import contract
from bluebatch.store import model_folder, read, schema

Arrays = dict[str, npt.NDArray[Any]]
Predict = Callable[[Arrays], Arrays]


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
    """

    spec: schema.StoreSpec
    coordinates: Mapping[str, Sequence[str]]
    attributes: Mapping[str, Any]
    whole: Arrays
    leave_out: Sequence[str] = ()


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
            Arrays of the result store by name.
        """


class Task(abc.ABC):
    """One kind of model with all it knows beside its weights.

    Parameters
    ----------
    card : model_folder.Card
        What the model is.
    arrays : dict of str to np.ndarray
        What goes with it: anchors, skill, baselines.
    """

    def __init__(self, card: model_folder.Card, arrays: Arrays) -> None:
        self.card = card
        self.arrays = arrays

    @abc.abstractmethod
    def rows(self, store: read.Store, split: str) -> npt.NDArray[np.int64]:
        """List the rows of a split of the training store.

        Parameters
        ----------
        store : read.Store
            Training store.
        split : str
            ``"train"``, ``"validation"`` or ``"test"``.

        Returns
        -------
        np.ndarray of int
            Rows in increasing order.
        """

    @abc.abstractmethod
    def examples(self, store: read.Store, rows: slice) -> Arrays:
        """Read a block of training examples: inputs and targets.

        Parameters
        ----------
        store : read.Store
            Training store.
        rows : slice
            Its rows.

        Returns
        -------
        dict of str to np.ndarray
            Float32, rows first.
        """

    @abc.abstractmethod
    def network(self, member: int) -> contract.Model:
        """Build one member's network, untrained, with anchors in place.

        Parameters
        ----------
        member : int
            Index into the card's members; its seed is set by the engine beforehand.

        Returns
        -------
        contract.Model
            The network.
        """

    @abc.abstractmethod
    def judge(self, store: read.Store, predict: Predict) -> "Task":
        """Score the trained model on held-out rows.

        Parameters
        ----------
        store : read.Store
            Training store.
        predict : callable
            Maps a block from `examples` to the members' mean predictions.

        Returns
        -------
        Task
            The same task with the scores in its card and arrays.
        """

    @abc.abstractmethod
    def bind(self, store: read.Store) -> Reader:
        """Match an input store to the model's labels.

        Parameters
        ----------
        store : read.Store
            What inference reads.

        Returns
        -------
        Reader
            For this store.

        Raises
        ------
        errors.LabelMismatchError
            If too little of what the model needs is measured.
        """
