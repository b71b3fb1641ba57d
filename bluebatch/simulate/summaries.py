"""What a simulation made, for people and for programs."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a simulation made.

    Parameters
    ----------
    path : str
        The store.
    state : str
        ``"new"``, ``"resumed"`` or ``"complete"``, as it was found.
    n_skipped : int
        Partitions that an earlier run had finished.
    seconds : float
        Wall time.
    facts : dict
        Samples by split, cells by reference, genes, the split used, notes.
    """

    path: str
    state: str
    n_skipped: int
    seconds: float
    facts: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Give everything as JSON values.

        Returns
        -------
        dict
            All fields, flat.
        """
        fields = dataclasses.asdict(self)
        return {**fields.pop("facts"), **fields}

    def as_text(self) -> str:
        """Put it into a few lines.

        Returns
        -------
        str
            What the command prints.
        """
        facts = self.facts
        samples = ", ".join(f"{n:,} {name}" for name, n in facts["n_samples"].items())
        state = {
            "complete": "already complete",
            "resumed": f"resumed, {self.n_skipped} finished partitions skipped",
        }.get(self.state, f"{self.seconds:.1f} s")
        lines = [
            f"{self.path}: {samples} samples ({state})",
            f"  {facts['n_genes']:,} genes, profiles of {facts['n_profile_genes']:,}, "
            f"cell types {', '.join(facts['cell_types'])}",
        ]
        for each in facts["references"]:
            numbers = ", ".join(f"{name} {n:,}" for name, n in each["n_cells"].items())
            lines.append(f"  {each['name']}: {numbers} cells, split by {each['split_by']}")
        return "\n".join([*lines, *(f"  note: {note}" for note in facts["notes"])])


def facts(attributes: dict[str, Any], labels: dict[str, list[str]]) -> dict[str, Any]:
    """Say what a store holds, from what stands in it.

    Parameters
    ----------
    attributes : dict
        Of the store.
    labels : dict of str to list of str
        Of its axes.

    Returns
    -------
    dict
        Samples by split, genes, cell types, and what it was made from.
    """
    samples = [name.rsplit("-", 1)[0] for name in labels["sample"]]
    return {
        "n_samples": {name: samples.count(name) for name in dict.fromkeys(samples)},
        "n_genes": len(labels["gene"]),
        "n_profile_genes": len(labels["profile_gene"]),
        "cell_types": labels["cell_type"],
        **{name: attributes[name] for name in ("seed", "references", "notes")},
    }
