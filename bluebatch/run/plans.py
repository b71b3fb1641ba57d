"""What a run is: written beside its store before anything else, and read by every task."""

import hashlib
import json
from typing import Any, Self

import pydantic

from bluebatch import errors
from bluebatch.run import marker
from bluebatch.store import places, write

PARTITION_ROWS = 1024
PLAN_FILE = "plan.json"


class Plan(pydantic.BaseModel):
    """What a run is: two runs of one plan write the same store, bit for bit.

    Parameters
    ----------
    command : str
        Verb, e.g. ``"infer"``.
    settings : dict
        All that changes the result, as JSON values.
    inputs : dict of str to str
        Digest of every input by its role.
    n_rows : int
        Rows of the store.
    partition_rows : int
        Rows of a partition, a multiple of the chunk's.
    sources : dict
        Where the inputs stand, and whatever else a staged task has to know; changes no result.
    chain : dict of str to list of str
        By role of an input that is read by rows: what `digests.of_rows` gave for the rows of
        each partition, so that a task can tell that they are still the same.
    per_task : int
        Partitions of an array task.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="ignore")

    command: str
    settings: dict[str, Any]
    inputs: dict[str, str]
    n_rows: int
    partition_rows: int = PARTITION_ROWS
    sources: dict[str, Any] = {}
    chain: dict[str, list[str]] = {}
    per_task: int = pydantic.Field(default=1, ge=1)

    @property
    def run_id(self) -> str:
        """Digest what changes the result.

        Returns
        -------
        str
            Sixteen hexadecimal digits.
        """
        text = self.model_dump_json(exclude={"sources", "chain", "per_task"})
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @classmethod
    def load(cls, path: str | places.Place) -> Self:
        """Read the plan beside a store.

        Parameters
        ----------
        path : str, pathlib.Path or upath.UPath
            The store.

        Returns
        -------
        Plan
            As it was written.

        Raises
        ------
        errors.MissingInputError
            If there is none.
        errors.ForeignStoreError
            If it cannot be read.
        """
        file = write.run_folder(path) / PLAN_FILE
        try:
            with places.reached(path):
                return cls.model_validate(json.loads(file.read_text()))
        except errors.UnreachableError:
            raise
        except FileNotFoundError as error:
            raise errors.MissingInputError(
                f"{path}: no run was begun there ({file} is missing). Begin it with "
                "`bluebatch infer-init` or `bluebatch simulate-init`."
            ) from error
        except (OSError, ValueError) as error:
            raise errors.ForeignStoreError(
                f"{file}: is no plan of a run ({' '.join(str(error).split())[:80]}). "
                "Begin the run again with --overwrite."
            ) from error

    def save(self, path: str | places.Place) -> None:
        """Write the plan beside a store, whole or not at all.

        Parameters
        ----------
        path : str, pathlib.Path or upath.UPath
            The store.
        """
        content = {"run_id": self.run_id, **self.model_dump(mode="json")}
        marker.write_json(write.run_folder(path) / PLAN_FILE, content)

    def partitions(self) -> list[marker.Partition]:
        """Cut the rows.

        Returns
        -------
        list of marker.Partition
            In order of their rows.
        """
        step = self.partition_rows
        return [
            marker.Partition(index, slice(start, min(start + step, self.n_rows)))
            for index, start in enumerate(range(0, self.n_rows, step))
        ]
