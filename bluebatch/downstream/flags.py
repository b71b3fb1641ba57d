"""Which samples of a result are not to be trusted as they stand, and why."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from bluebatch.store import read

# The array's name, and what it says of one sample or several above its limit.
REASONS = {
    "domain_distance": "unlike the training samples",
    "missing_type": "may hold a cell type that the reference lacks",
    "reconstruction_error": "badly explained by the recombined profiles",
}
SHOWN_SAMPLES = 5


@dataclasses.dataclass(frozen=True)
class Flag:
    """One kind of flag over all samples of a result.

    Parameters
    ----------
    name : str
        Of the array.
    limit : float
        Above it a sample is flagged.
    calibrated_on : str
        What the limit was taken from.
    expected : float
        Share of samples like those that are flagged by chance; NaN where not stated.
    samples : list of str
        Flagged, the largest value first.
    n_judged : int
        Samples that have a value.
    median : float
        Of the values; NaN where there is none.
    """

    name: str
    limit: float
    calibrated_on: str
    expected: float
    samples: list[str]
    n_judged: int
    median: float

    @property
    def share(self) -> float:
        """Give the share of samples that are flagged.

        Returns
        -------
        float
            Among those judged; NaN where there are none.
        """
        return len(self.samples) / self.n_judged if self.n_judged else float("nan")

    def as_text(self) -> str:
        """Say it in a line.

        Returns
        -------
        str
            How many, which first, and what was to be expected.
        """
        head = f"{self.name}: {len(self.samples):,} of {self.n_judged:,} above {self.limit:.3g}"
        if not self.samples:
            return head
        shown = ", ".join(self.samples[:SHOWN_SAMPLES])
        more = ", ..." if len(self.samples) > SHOWN_SAMPLES else ""
        return f"{head}, {REASONS[self.name]}: {shown}{more}"


@dataclasses.dataclass(frozen=True)
class Summary:
    """The flags of a result.

    Parameters
    ----------
    n_samples : int
        Of the result.
    flags : tuple of Flag
        Those that its model could judge.
    flagged : list of str
        Samples with any flag, in the order of the result.
    """

    n_samples: int
    flags: tuple[Flag, ...]
    flagged: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON values.

        Returns
        -------
        dict of str to Any
            ``n_samples``, ``flagged``, and ``flags`` by name; null where a number does not exist.
        """
        by_name = {}
        for flag in self.flags:
            content = {**dataclasses.asdict(flag), "share": flag.share}
            content.pop("name")
            by_name[flag.name] = {
                key: None if isinstance(value, float) and np.isnan(value) else value
                for key, value in content.items()
            }
        return {"n_samples": self.n_samples, "flagged": self.flagged, "flags": by_name}

    def as_text(self) -> str:
        """Say it in lines.

        Returns
        -------
        str
            One line in all, then a line a flag; one that says so where nothing can be judged.
        """
        if not self.flags:
            return "flags: none, the model was trained without limits for them"
        head = f"flags: {len(self.flagged):,} of {self.n_samples:,} samples"
        lines = [head, *(f"  {flag.as_text()}" for flag in self.flags)]
        if self.n_doubtful:
            lines.append(
                f"  {self.n_doubtful:,} of those with missing_type above 1 are unlike the training "
                "samples too: there it says little"
            )
        return "\n".join(lines)

    @property
    def n_doubtful(self) -> int:
        """Count samples whose flag for a missing type may come from another platform or study.

        Returns
        -------
        int
            Flagged by ``missing_type`` and ``domain_distance`` both.
        """
        above = {flag.name: set(flag.samples) for flag in self.flags}
        return len(above.get("missing_type", set()) & above.get("domain_distance", set()))


def summarise(store: read.Store) -> Summary:
    """Count the flagged samples of a result.

    Parameters
    ----------
    store : read.Store
        A profile store. Flags without an array or without a limit in its attribute
        ``flag_limits`` are left out.

    Returns
    -------
    Summary
        By flag, and all together.
    """
    limits = store.attributes.get("flag_limits") or {}
    samples = np.array(store.labels["sample"], dtype=object)
    flags = tuple(
        _flag(store, name, limits[name], samples)
        for name in REASONS
        if name in limits and store.has(name)
    )
    flagged = {sample for flag in flags for sample in flag.samples}
    return Summary(
        n_samples=len(samples),
        flags=flags,
        flagged=[sample for sample in samples if sample in flagged],
    )


def _flag(store: read.Store, name: str, stated: Mapping[str, Any], samples: Any) -> Flag:
    values = np.asarray(store.read(name), dtype=np.float64)
    limit = float(stated["limit"])
    # NaN, a sample in which nothing was measured, is above nothing.
    above = np.flatnonzero(values > limit)
    above = above[np.argsort(-values[above], kind="stable")]
    judged = np.isfinite(values)
    return Flag(
        name=name,
        limit=limit,
        calibrated_on=str(stated.get("calibrated_on", "")),
        expected=float(stated.get("expected", np.nan)),
        samples=list(samples[above]),
        n_judged=int(judged.sum()),
        median=float(np.median(values[judged])) if judged.any() else float("nan"),
    )
