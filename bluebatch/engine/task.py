"""What binds one kind of model to its stores: what is read, learnt and written.

A kind of model is one file in `bluebatch.models` (the network) and one here (its task). The rest
of this room drives both through these methods and never asks what the names mean.
"""

import abc
import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.engine import reader
from bluebatch.models import contract
from bluebatch.store import model_folder, read

Arrays = reader.Arrays
Result = reader.Result
RowPrice = reader.RowPrice
Reader = reader.Reader
Predict = Callable[[Arrays], Arrays]


@dataclasses.dataclass(frozen=True)
class Options:
    """What one training run is given beside its settings.

    Parameters
    ----------
    seed : int
        From which every random number of the run is drawn.
    overwrite : bool
        Whether something else at the output path is removed.
    resume : bool
        Whether an unfinished run at the output path is taken up.
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    threads : int or None
        Threads of the processor; the cores granted by default.
    cohort : str, pathlib.Path or None
        A store whose measured labels limit what the model reads.
    genes : pathlib.Path or None
        A file of genes of interest, one a line.
    mrna_content : pathlib.Path or None
        A table of conversion factors of the user's own.
    max_memory : int or None
        Bytes that the run may hold; what the queue granted, or most of what is free, by default.
    """

    seed: int = 0
    overwrite: bool = False
    resume: bool = False
    device: str = "auto"
    threads: int | None = None
    cohort: str | pathlib.Path | None = None
    genes: pathlib.Path | None = None
    mrna_content: pathlib.Path | None = None
    max_memory: int | None = None


class Held(NamedTuple):
    """Bytes that a task holds while it is trained.

    Parameters
    ----------
    arrays : int
        All the time: what goes with the model.
    learning : int
        In `Task.learn`, beside a block of examples.
    judging : int
        In `Task.judge`, beside a block of examples and the networks.
    drawing : int
        From which `Task.fresh` draws.
    """

    arrays: int = 0
    learning: int = 0
    judging: int = 0
    drawing: int = 0


class Task(abc.ABC):
    """One kind of model with all it knows beside its weights.

    Parameters
    ----------
    card : model_folder.Card
        What the model is.
    arrays : dict of str to np.ndarray
        What goes with it: anchors, skill, baselines.

    Attributes
    ----------
    reads : tuple of str
        Kinds of stores that inference reads; any where it is empty.
    learns_from : tuple of str
        Kinds of stores that training reads; any where it is empty.
    """

    reads: ClassVar[tuple[str, ...]] = ()
    learns_from: ClassVar[tuple[str, ...]] = ()

    def __init__(self, card: model_folder.Card, arrays: Arrays) -> None:
        self.card = card
        self.arrays = arrays

    @classmethod
    def outline(cls, store: read.Store, settings: Any, options: Options) -> Self:
        """Settle all that can be known before a sample is read: labels, members, facts.

        Parameters
        ----------
        store : read.Store
            Training store.
        settings : pydantic.BaseModel
            Resolved configuration.
        options : Options
            Of the run.

        Returns
        -------
        Task
            With a card: ready for `rows`, `examples` and `learn`, and to be priced.

        Raises
        ------
        NotImplementedError
            If this kind of model is not trained by the ``train`` command.
        """
        raise NotImplementedError(f"{cls.__name__} cannot be trained from {type(settings)}")

    def learn(self, store: read.Store) -> "Task":
        """Learn from samples what the networks start from; nothing by default.

        Parameters
        ----------
        store : read.Store
            Training store.

        Returns
        -------
        Task
            With arrays, ready for `network`.
        """
        del store
        return self

    def held_bytes(self, store: read.Store) -> Held:
        """Price what the task itself holds beside networks and the rows they are fitted on.

        Parameters
        ----------
        store : read.Store
            Training store.

        Returns
        -------
        Held
            Nothing by default.
        """
        del store
        return Held()

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

    def fresh(self, store: read.Store, rows: slice, rng: np.random.Generator) -> Arrays:
        """Draw a block of training examples anew, of the same design; refused by default.

        Parameters
        ----------
        store : read.Store
            Training store.
        rows : slice
            Its rows.
        rng : np.random.Generator
            Source of randomness.

        Returns
        -------
        dict of str to np.ndarray
            As `examples` gives them.

        Raises
        ------
        errors.ConfigError
            If this kind of model cannot.
        """
        del rows, rng
        raise errors.ConfigError(
            f"[training] fresh: {store.path} cannot be drawn anew for a model of the kind "
            f"{self.card.kind}. Set fresh = false."
        )

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

    def accepts(self, exact: Arrays, rounded: Arrays) -> bool:
        """Tell whether predictions at a lower precision are as good as exact ones; no by default.

        Parameters
        ----------
        exact, rounded : dict of str to np.ndarray
            Float32 predictions of the same rows by a float32 and a lower-precision network.

        Returns
        -------
        bool
            True if inference may run at the lower precision.
        """
        del exact, rounded
        return False

    @abc.abstractmethod
    def bind(self, store: read.Store, options: Mapping[str, Any]) -> Reader:
        """Match an input store to the model's labels.

        Parameters
        ----------
        store : read.Store
            What inference reads.
        options : mapping of str to Any
            The settings of inference by name, and what the command line adds to them; a task takes
            those that it knows and leaves out the rest.

        Returns
        -------
        Reader
            For this store.

        Raises
        ------
        errors.LabelMismatchError
            If too little of what the model needs is measured.
        """
