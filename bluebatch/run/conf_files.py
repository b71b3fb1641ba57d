"""Finding and reading the files of ``conf/``: those that ship with bluebatch, or the user's own."""

import pathlib
import tomllib
from collections.abc import Sequence
from importlib import resources
from typing import Any

from bluebatch import errors

SUFFIX = ".toml"


def folder() -> pathlib.Path:
    """Find the folder of the files that ship with bluebatch.

    Returns
    -------
    pathlib.Path
        Within the installed package, or beside it.
    """
    packaged = pathlib.Path(str(resources.files("bluebatch"))) / "conf"
    # An editable install has no copy within the package: conf/ stands beside it.
    return packaged if packaged.is_dir() else packaged.parents[1] / "conf"


def names() -> list[str]:
    """List the files that ship with bluebatch.

    Returns
    -------
    list of str
        Bare names in alphabetical order.
    """
    return sorted(path.stem for path in folder().glob("*" + SUFFIX))


def find(name: str, known: Sequence[str], beside: pathlib.Path | None = None) -> pathlib.Path:
    """Find a file by what the user gave.

    Parameters
    ----------
    name : str
        Bare name of a file that ships with bluebatch, or path of a file.
    known : sequence of str
        Bare names that the user is told of.
    beside : pathlib.Path, optional
        Folder that a path is relative to; the working directory by default.

    Returns
    -------
    pathlib.Path
        It is there.

    Raises
    ------
    errors.MissingInputError
        If there is no such file.
    """
    path = pathlib.Path(name)
    if path.suffix != SUFFIX and path.name == name:
        found, what = folder() / (name + SUFFIX), f"config {name!r}"
    else:
        found = path if beside is None else beside / path
        what = str(found)
    if not found.is_file():
        raise errors.MissingInputError(
            f"{what}: there is no such configuration. Give the path of a {SUFFIX} file, "
            f"or one of those that ship with bluebatch: {', '.join(known)}."
        )
    return found


def parse(path: pathlib.Path) -> dict[str, Any]:
    """Read a file.

    Parameters
    ----------
    path : pathlib.Path
        Of a TOML file.

    Returns
    -------
    dict of str to Any
        As TOML has it.

    Raises
    ------
    errors.ConfigError
        If it is not TOML.
    errors.InputFileError
        If it cannot be read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # tomllib's own message ends in "(at line 3, column 9)".
        raise errors.ConfigError(f"{path}: is not valid TOML: {error}. Mend that line.") from error
    except OSError as error:
        raise errors.InputFileError(f"{path}: cannot be read ({error.strerror}).") from error
