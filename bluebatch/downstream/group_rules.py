"""The votes that place a patient in a group, frozen: plain values that fit into a JSON file."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, get_args

from bluebatch import errors

DecideBy = Literal["majority", "lead"]


@dataclasses.dataclass(frozen=True)
class Component:
    """One frozen component.

    Parameters
    ----------
    number : int
        From 1, the component of the smallest p first.
    lead : str
        Label of the definition with the smallest p.
    members : tuple of str
        Labels of the definitions that vote.
    flips : tuple of bool
        Which of them are turned round first.
    alignment, n_ties : int
        How tied members were laid, and how many there were.
    favourable : bool
        Whether the side of the lead's states does better.
    """

    number: int
    lead: str
    members: tuple[str, ...]
    flips: tuple[bool, ...]
    alignment: int
    n_ties: int
    favourable: bool


@dataclasses.dataclass(frozen=True)
class Rules:
    """The votes with everything frozen, for another cohort.

    Parameters
    ----------
    components : tuple of Component
        In order.
    min_similarity : float
        At which definitions were joined.
    decide_by : {"majority", "lead"}
        Whether all components of a pattern vote, or the first speaks for it.
    """

    components: tuple[Component, ...]
    min_similarity: float
    decide_by: DecideBy = "majority"

    @property
    def labels(self) -> list[str]:
        """Name the definitions that vote.

        Returns
        -------
        list of str
            In order of the components.
        """
        return [label for each in self.components for label in each.members]

    def as_dict(self) -> dict[str, Any]:
        """Give everything as JSON values.

        Returns
        -------
        dict of str to Any
            What `of` takes.
        """
        components = [
            {**dataclasses.asdict(each), "members": list(each.members), "flips": list(each.flips)}
            for each in self.components
        ]
        return {
            "min_similarity": self.min_similarity,
            "decide_by": self.decide_by,
            "components": components,
        }

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Rules":
        """Read what `as_dict` gave.

        Parameters
        ----------
        values : mapping of str to Any
            Out of a JSON file.

        Returns
        -------
        Rules
            The same votes.

        Raises
        ------
        errors.InputFileError
            If something is missing or foreign.
        """
        try:
            components = tuple(
                Component(
                    **{**each, "members": tuple(each["members"]), "flips": tuple(each["flips"])}
                )
                for each in values["components"]
            )
            decide_by = values["decide_by"]
            if decide_by not in get_args(DecideBy):
                raise ValueError(f"decide_by {decide_by!r}")
            rules = cls(components, float(values["min_similarity"]), decide_by)
        except (KeyError, TypeError, ValueError) as error:
            raise errors.InputFileError(
                f"rules of the groups: cannot be read ({type(error).__name__}: {error}), their "
                "components were needed. Run `bluebatch subtype` again to write them."
            ) from error
        return rules
