"""Small jobs at the command line: infer and simulate, of four partitions, and how they end."""

import pathlib

import click.testing
from integration import small

from bluebatch.cli import main
from bluebatch.run import verify

# Three partitions of 1,024 rows and one of 17.
N_PARTITIONS = 4
N_ROWS = 3 * 1024 + 17
VERBS = ("infer", "simulate")


def write_inputs(folder: pathlib.Path) -> pathlib.Path:
    """Write inputs, and ``{verb}.zarr``, which undisturbed runs make of them."""
    small.write_cohort(folder / "cohort.zarr", N_ROWS)
    small.write_model(folder / "model")
    small.write_reference(folder / "cells.h5ad")
    for verb in VERBS:
        succeed(*words(verb, folder, folder / f"{verb}.zarr"))
    return folder


def words(verb: str, folder: pathlib.Path, out: pathlib.Path) -> list[object]:
    """Put a command together; the verb may be one that begins array tasks."""
    if verb.startswith("simulate"):
        cells = ("--reference", folder / "cells.h5ad", "--n-samples", N_ROWS)
        return [verb, *cells, "--keep-types", "A,B", "--seed", 3, "--out", out]
    given = (folder / "cohort.zarr", "--model", folder / "model")
    return [verb, *given, "--precision", "fp32", "--device", "cpu", "--threads", 1, "--out", out]


def command(*given: object) -> tuple[int, str]:
    """Run a command in this process; give its exit code and all it said."""
    done = click.testing.CliRunner().invoke(main.main, [*map(str, given), "--quiet"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def succeed(*given: object) -> str:
    """Run a command that must succeed."""
    code, said = command(*given)
    assert code == 0, said
    return said


def assert_whole(out: pathlib.Path, expected: pathlib.Path) -> None:
    """Compare a store with another, file by file and bit for bit, and with its own checksums."""
    found, wanted = files(out), files(expected)
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if found[name] != wanted[name]] == []
    assert verify.run(out).exit_code == 0


def files(folder: pathlib.Path) -> dict[str, bytes]:
    """Read every file below a folder, half-written ones among them."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }
