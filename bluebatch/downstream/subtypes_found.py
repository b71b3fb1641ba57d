"""The folder of `bluebatch subtype`, or of a transfer, read for a report."""

import dataclasses
import io
import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch import errors
from bluebatch.downstream import patterns
from bluebatch.store import output_folders, places, schema
from bluebatch.store import read as stores

Array = npt.NDArray[Any]
STORE = schema.SUBTYPES_STORE
SUMMARY, TRANSFER = output_folders.SUBTYPES_FILE, output_folders.TRANSFER_FILE
# Tables that a folder may do without, and what each is for.
TABLES = {
    "definitions": "definitions of groups",
    "branches": "what the profiles add",
    "components": "components of alike definitions",
    "groups": "the groups",
    "survival": "survival by group",
    "hazards": "hazard ratios",
    "proportional_hazards": "whether hazards stay proportional",
    "concordance": "what the groups add to clinical columns",
    "clinical": "tests against clinical columns",
    "state_quality": "evidence of the states",
    "reciprocal": "genes that go both ways",
    "gene_sets": "gene sets",
    "tests": "every test that was made",
}
# Read where they are there, and not missed otherwise.
QUIET = ("logrank", "comparisons", "components", "concordance", "state_quality")
OF_TRANSFER = ("definitions", "groups", "survival", "tests")
# Tables that need expression.
OF_GENES = ("state_quality", "reciprocal", "gene_sets")
PROPORTIONS = "proportions"
# Figures of a transfer that the page draws itself.
DRAWN = ("survival", "replication")
# Figures of the folder that need more than its tables; those of one group have its name behind.
IMAGES = ("states", "clusters", "clinical", "reciprocal", "differential_")


@dataclasses.dataclass(frozen=True)
class Found:
    """What a folder holds.

    Parameters
    ----------
    path : str
        Of the folder.
    is_transfer : bool
        Whether frozen groups were applied to a second cohort, or groups were searched for.
    summary : dict
        Of ``summary.json`` or ``transfer.json``; empty where it has none.
    store : stores.Store or None
        Of a search.
    tables : dict of str to pd.DataFrame
        Those of `TABLES` and `QUIET` that are there.
    missing : list of str
        Those that are not.
    images : dict of str to bytes
        PNG files of `IMAGES`, by name; of a transfer all but those that the page draws.
    compared : bool
        Whether genes were compared between the groups.
    """

    path: str
    is_transfer: bool
    summary: dict[str, Any]
    store: stores.Store | None
    tables: dict[str, pd.DataFrame]
    missing: list[str]
    images: dict[str, bytes]
    compared: bool = False

    @property
    def of_proportions(self) -> bool:
        """Tell whether the states are proportions above or below a cut.

        Returns
        -------
        bool
            True where no expression was looked at.
        """
        return self.summary.get("branch") == PROPORTIONS

    def patients(self) -> pd.DataFrame | None:
        """Give the patients that are in a group.

        Returns
        -------
        pd.DataFrame or None
            Columns sample, duration (days), event (bool), group (0 most favourable, 1 intermediate,
            2 most unfavourable, -1 another); None where there are no groups.
        """
        if self.store is not None and self.store.has("group"):
            return pd.DataFrame(
                {
                    "sample": self.store.read("sample").astype(str),
                    "duration": self.store.read("duration"),
                    "event": self.store.read("event_observed") == 1,
                    "group": self.store.read("group"),
                }
            )
        table = self.tables.get("groups")
        if table is None:
            return None
        codes: dict[object, int] = {name: code for code, name in enumerate(patterns.NAMES)}
        codes |= {code: code for code in range(len(patterns.NAMES))}
        times = "duration" if "duration" in table.columns else "duration_days"
        return pd.DataFrame(
            {
                "sample": table["sample"].astype(str),
                "duration": table[times].astype(float),
                "event": table["event"].astype(int) == 1,
                "group": [codes.get(group, -1) for group in table["group"]],
            }
        )

    def samples(self) -> list[str]:
        """Name the samples that stand for the patients.

        Returns
        -------
        list of str
            Of the store, or of the groups; none where neither is there.
        """
        if self.store is not None:
            return [str(name) for name in self.store.read("sample")]
        patients = self.patients()
        return [] if patients is None else patients["sample"].tolist()


def read(path: str | places.Place | None) -> Found | None:
    """Read a folder of groups of patients.

    Parameters
    ----------
    path : str, pathlib.Path, upath.UPath or None
        What `bluebatch subtype` or `bluebatch transfer` wrote.

    Returns
    -------
    Found or None
        None without a path.

    Raises
    ------
    errors.MissingInputError
        If nothing is there.
    errors.ForeignStoreError
        If it is another folder.
    errors.InputFileError
        If one of its files cannot be read.
    """
    if path is None:
        return None
    folder = places.place(path)
    with places.reached(path):
        if not folder.exists():
            raise errors.MissingInputError(
                f"{path}: nothing is there. Give the folder that `bluebatch subtype` wrote, or "
                "leave --subtypes out."
            )
        names = {each.name for each in folder.iterdir()} if folder.is_dir() else set()
        is_transfer = TRANSFER in names
        if not is_transfer and STORE not in names:
            raise errors.ForeignStoreError(
                f"{path}: holds neither {STORE} nor {TRANSFER}. Give the folder that `bluebatch "
                "subtype` or `bluebatch transfer` wrote to."
            )
        wanted = OF_TRANSFER if is_transfer else tuple(TABLES)
        tables = {
            name: _table(folder / f"{name}.csv")
            for name in dict.fromkeys((*wanted, *QUIET))
            if f"{name}.csv" in names
        }
        images = _images(folder / "figures", is_transfer) if "figures" in names else {}
        file = TRANSFER if is_transfer else SUMMARY
        summary = _json(folder / file) if file in names else {}
    found = Found(
        path=str(path),
        is_transfer=is_transfer,
        summary=summary,
        store=None if is_transfer else stores.open_store(folder / STORE, "subtypes"),
        tables=tables,
        missing=[],
        images=images,
        compared="differential" in names,
    )
    unneeded = OF_GENES if found.of_proportions else ()
    missing = [name for name in wanted if name not in tables and name not in unneeded]
    return dataclasses.replace(found, missing=missing)


def _images(folder: places.Place, is_transfer: bool) -> dict[str, bytes]:
    files = {file.name.removesuffix(".png"): file for file in folder.glob("*.png")}
    if is_transfer:
        return {name: files[name].read_bytes() for name in sorted(files) if name not in DRAWN}
    chosen = [
        name
        for wanted in IMAGES
        for name in sorted(files)
        if name == wanted or (wanted.endswith("_") and name.startswith(wanted))
    ]
    return {name: files[name].read_bytes() for name in chosen}


def check_samples(found: Found, samples: list[str], path: str) -> None:
    """Refuse groups of other samples than those of the results.

    Parameters
    ----------
    found : Found
        Groups.
    samples : list of str
        Of the results.
    path : str
        Of the results.

    Raises
    ------
    errors.LabelMismatchError
        If they have no sample in common.
    """
    own = found.samples()
    if own and not set(own) & set(samples):
        raise errors.LabelMismatchError(
            f"{found.path}: none of its {len(own):,} samples (first: {own[0]}) is among the "
            f"{len(samples):,} of {path}. Give the folder that was made from these results, or "
            "leave --subtypes out."
        )


def _table(file: places.Place) -> pd.DataFrame:
    try:
        # A cell type may be called NA: only what is empty is unknown.
        frame = pd.read_csv(io.BytesIO(file.read_bytes()), keep_default_na=False, na_values=[""])
    except (ValueError, pd.errors.ParserError) as error:
        raise errors.InputFileError(
            f"{file}: is not a table of text ({str(error).splitlines()[0]}). "
            "Make the folder again with `bluebatch subtype`."
        ) from error
    return frame


def _json(file: places.Place) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except ValueError as error:
        raise errors.InputFileError(
            f"{file}: is not JSON. Make the folder again with `bluebatch subtype`."
        ) from error
    return content if isinstance(content, dict) else {}


def finite(values: pd.Series) -> npt.NDArray[np.float64]:
    """Read a column as numbers.

    Parameters
    ----------
    values : pd.Series
        Numbers and gaps.

    Returns
    -------
    np.ndarray of float64
        NaN where there is none.
    """
    return pd.to_numeric(values, errors="coerce").to_numpy(np.float64)
