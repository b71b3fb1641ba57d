"""What tells one content from another: of stores, of rows and of files, without reading it all."""

import hashlib
import itertools
import json
import pathlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from bluebatch.store import places, read

# Files up to this size are summed whole, and so many are read before any is let go.
_SMALL = 1 << 16
_AT_ONCE = 1024
_TAIL = 8


def of_store(path: str | places.Place) -> str:
    """Digest a store's metadata and every chunk's stored checksum.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        A store.

    Returns
    -------
    str
        Hexadecimal; changes when any array, label or attribute does.

    Notes
    -----
    A chunk ends in the crc32c, or the zstd checksum, of its own values, so its last bytes and its
    length stand for it and gigabytes need not be read.
    """
    root = places.place(path)
    sizes = places.sizes(root)
    texts = [name for name in sizes if name.rsplit("/", 1)[-1] == "zarr.json"]
    whole = _read(root, {name: slice(0, sizes[name]) for name in texts})
    parts = {name: _metadata(text) for name, text in whole.items()}
    parts |= of_files(root, [name for name in sizes if name not in parts], sizes)
    total = hashlib.sha256()
    for name in sorted(parts):
        total.update(f"{name}\n{parts[name]}\n".encode())
    return total.hexdigest()


def of_rows(store: read.Store, ranges: Sequence[slice]) -> list[str]:
    """Digest ranges of a store's rows, each with the store's metadata and labels.

    Parameters
    ----------
    store : read.Store
        Open for reading.
    ranges : sequence of slice
        Of its rows.

    Returns
    -------
    list of str
        Sixteen hexadecimal digits a range; no values are read, as in `of_store`.
    """
    root = places.place(store.path)
    by_row = [array for array in store.spec.arrays if array.dims[:1] == (store.spec.row,)]
    arrays = dict(store.group.arrays())
    steps = {each.name: arrays[each.name].chunks[0] for each in by_row if each.name in arrays}
    sizes = places.sizes(root)
    fixed: list[str] = []
    rest: dict[str, list[tuple[int, str]]] = {name: [] for name in steps}
    for name in sorted(sizes):
        array, _, tail = name.partition("/c/")
        if array in steps:
            rest[array].append((int(tail.split("/")[0]), name))
        elif tail:
            fixed.append(name)
    within = [
        [
            name
            for array, step in steps.items()
            for index, name in rest[array]
            if rows.start // step <= index < -(-rows.stop // step)
        ]
        for rows in ranges
    ]
    marks = of_files(root, list(dict.fromkeys(itertools.chain(fixed, *within))), sizes)
    with places.reached(root):
        head = hashlib.sha256(_metadata((root / "zarr.json").read_bytes()).encode())
    head.update("".join(marks[name] for name in fixed).encode())
    digests = []
    for names in within:
        total = head.copy()
        total.update("".join(f"{name}\n{marks[name]}\n" for name in names).encode())
        digests.append(total.hexdigest()[:16])
    return digests


def of_files(
    folder: places.Place, names: Sequence[str], sizes: Mapping[str, int] | None = None
) -> dict[str, str]:
    """Read what tells the content of files, chunks above all: the length and the last eight bytes.

    Parameters
    ----------
    folder : pathlib.Path or upath.UPath
        That holds them, e.g. a store.
    names : sequence of str
        Relative to the folder.
    sizes : mapping of str to int, optional
        Bytes by name, where they are known.

    Returns
    -------
    dict of str to str
        ``bytes:tail`` by name; small files are summed whole, since text chunks end in no checksum.

    Raises
    ------
    errors.UnreachableError
        If a place elsewhere refuses or does not answer.
    """
    known = _sizes(folder, names) if sizes is None else sizes
    marks = {}
    for first in range(0, len(names), _AT_ONCE):
        parts = {}
        for name in names[first : first + _AT_ONCE]:
            size = known[name]
            parts[name] = slice(0 if size <= _SMALL else size - _TAIL, size)
        for name, content in _read(folder, parts).items():
            is_whole = parts[name].start == 0
            tail = f"{zlib.crc32(content):08x}" if is_whole else content.hex()
            marks[name] = f"{known[name]}:{tail}"
    return marks


def _metadata(text: bytes) -> str:
    content: dict[str, Any] = json.loads(text)
    content.pop("consolidated_metadata", None)
    return json.dumps(content, sort_keys=True)


def _sizes(folder: places.Place, names: Sequence[str]) -> dict[str, int]:
    if isinstance(folder, pathlib.Path):
        return {name: (folder / name).stat().st_size for name in names}
    with places.reached(folder):
        found = folder.fs.sizes([(folder / name).path for name in names])
    return dict(zip(names, map(int, found), strict=True))


def _read(folder: places.Place, parts: Mapping[str, slice]) -> dict[str, bytes]:
    """Read a stretch of each of some files; elsewhere all at once, since each answer takes time."""
    if isinstance(folder, pathlib.Path):
        return {name: _read_part(folder / name, part) for name, part in parts.items()}
    # A stretch of no bytes is more than some servers can be asked for.
    asked = [name for name, part in parts.items() if part.stop > part.start]
    with places.reached(folder):
        found = folder.fs.cat_ranges(
            [(folder / name).path for name in asked],
            [parts[name].start for name in asked],
            [parts[name].stop for name in asked],
            on_error="raise",
        )
    return {**dict.fromkeys(parts, b""), **dict(zip(asked, map(bytes, found), strict=True))}


def _read_part(file: pathlib.Path, part: slice) -> bytes:
    with file.open("rb") as handle:
        handle.seek(part.start)
        return handle.read(part.stop - part.start)
