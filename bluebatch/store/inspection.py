"""What a store or a model folder is, how large, and what of it is missing."""

import dataclasses
import json
from typing import Any

import zarr

from bluebatch import errors
from bluebatch.store import model_folder, places, read, schema, write

_FIRST = 20


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What was found.

    Parameters
    ----------
    path : str
        What was looked at.
    kind : str
        Of a store, or ``model``.
    status : str
        ``complete`` or ``writing``.
    sizes : dict of str to int
        Length of each axis.
    arrays : list of dict
        Name, axes, shape, chunks, type, unit and bytes on disk of each array.
    bytes_on_disk : int
        Of everything.
    attributes : dict of str to Any
        Root attributes of a store; the card's facts of a model.
    n_partitions : int or None
        Of the run that is writing it, where there is a plan.
    missing_partitions : list of int
        Those without a marker.
    """

    path: str
    kind: str
    status: str
    sizes: dict[str, int]
    arrays: list[dict[str, Any]]
    bytes_on_disk: int
    attributes: dict[str, Any]
    n_partitions: int | None = None
    missing_partitions: list[int] = dataclasses.field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Write it for programs.

        Returns
        -------
        dict of str to Any
            JSON values.
        """
        return dataclasses.asdict(self)

    def as_text(self) -> str:
        """Write it for people.

        Returns
        -------
        str
            A few lines and one a array.
        """
        sizes = ", ".join(f"{axis} {size:,}" for axis, size in self.sizes.items())
        lines = [
            f"{self.path}: {self.kind}, {self.status}, {_size(self.bytes_on_disk)}",
            f"  axes: {sizes}",
        ]
        for array in self.arrays:
            chunks = f", chunks {_by(array['chunks'])}" if array.get("chunks") else ""
            unit = f", {array['unit']}" if array.get("unit") else ""
            dims = f" ({', '.join(array['dims'])})" if array.get("dims") else ""
            lines.append(
                f"  {array['name']}{dims}: {_by(array['shape'])} {array['dtype']}{chunks}{unit}, "
                f"{_size(array['bytes'])}"
            )
        if self.n_partitions is not None:
            listed = ", ".join(map(str, self.missing_partitions[:_FIRST]))
            more = ", ..." if len(self.missing_partitions) > _FIRST else ""
            missing = f", missing {len(self.missing_partitions)}: {listed}{more}" if listed else ""
            lines.append(f"  partitions: {self.n_partitions}{missing}")
        lines += [f"  {name}: {_short(value)}" for name, value in self.attributes.items()]
        return "\n".join(lines)


def inspect(path: str | places.Place) -> Inspection:
    """Look at any store or model folder, finished or not.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        Store or folder; of a folder of subtypes its store.

    Returns
    -------
    Inspection
        What it is.

    Raises
    ------
    errors.MissingInputError
        If nothing is there.
    errors.ForeignStoreError
        If it is neither.
    """
    path = places.place(path)
    with places.reached(path):
        if (path / model_folder.CARD_FILE).is_file():
            return _inspect_model(path)
        if (path / schema.SUBTYPES_STORE).is_dir():
            path = path / schema.SUBTYPES_STORE
        try:
            group = read.open_group(path)
        except errors.ForeignStoreError as error:
            raise errors.ForeignStoreError(
                f"{path}: is neither a Zarr store nor a model folder. "
                "Give what a bluebatch command wrote."
            ) from error
        return _inspect_store(path, group)


def _inspect_store(path: places.Place, group: zarr.Group) -> Inspection:
    attributes = dict(group.attrs)
    kind = str(attributes.pop("kind", "unknown"))
    if kind not in schema.SPECS:
        raise errors.ForeignStoreError(
            f"{path}: is a Zarr store of the kind {kind!r}, needed: {', '.join(schema.SPECS)}. "
            "Give a store made by bluebatch."
        )
    files = places.sizes(path)
    sizes: dict[str, int] = {}
    arrays = []
    for name, array in sorted(group.arrays()):
        dims = tuple(getattr(array.metadata, "dimension_names", None) or ())
        sizes |= {axis: size for axis, size in zip(dims, array.shape, strict=False) if axis}
        if dims == (name,):
            continue  # labels of an axis: its size says it
        arrays.append(
            {
                "name": name,
                "dims": list(dims),
                "shape": list(array.shape),
                "chunks": list(array.chunks),
                "dtype": str(array.dtype),
                "unit": array.attrs.get("unit", ""),
                "bytes": sum(size for file, size in files.items() if file.startswith(f"{name}/")),
            }
        )
    n_partitions, missing = _partitions(path)
    status = str(attributes.pop("status", "unknown"))
    return Inspection(
        str(path),
        kind,
        status,
        sizes,
        arrays,
        sum(files.values()),
        attributes,
        n_partitions,
        missing,
    )


def _inspect_model(path: places.Place) -> Inspection:
    card = model_folder.read_card(path)
    arrays = [
        {
            "name": name,
            "shape": list(array.shape),
            "dtype": str(array.dtype),
            "bytes": int(array.nbytes),
        }
        for name, array in sorted(model_folder.read_arrays(path).items())
    ]
    files = places.sizes(path)
    missing = [m["file"] for m in card.members if m.get("file") not in files]
    attributes = {
        "model": card.kind,
        "members": len(card.members),
        **({"missing_weights": missing} if missing else {}),
        "units": card.units,
        "scores": card.scores,
        "made_from": card.made_from,
        "facts": card.facts,
        "format_version": card.format_version,
        "bluebatch_version": card.bluebatch_version,
    }
    sizes = {axis: len(labels) for axis, labels in card.labels.items()}
    status = "lacks weights" if missing or not card.members else "complete"
    return Inspection(str(path), "model", status, sizes, arrays, sum(files.values()), attributes)


def _partitions(path: places.Place) -> tuple[int | None, list[int]]:
    folder = write.run_folder(path)
    try:
        plan = json.loads((folder / "plan.json").read_text())
        n_partitions = -(-int(plan["n_rows"]) // int(plan["partition_rows"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None, []
    missing = [
        number
        for number in range(n_partitions)
        if _run_id(folder / f"p{number}.json") != plan.get("run_id")
    ]
    return n_partitions, missing


def _run_id(marker: places.Place) -> object:
    try:
        return json.loads(marker.read_text())["run_id"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _size(n_bytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"


def _by(shape: list[int]) -> str:
    return " x ".join(f"{size:,}" for size in shape)


def _short(value: object, width: int = 200) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= width else text[: width - 3] + "..."
