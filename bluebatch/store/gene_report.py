"""What happened to the gene names of a table: one finding a kind, one line a name."""

import collections
import dataclasses
from collections.abc import Collection
from typing import Any, Literal, NamedTuple

import pandas as pd

from bluebatch import errors
from bluebatch.store import outputs, places

Done = Literal["renamed", "kept", "dropped", "summed"]
COLUMNS = ("kind", "done", "name", "becomes", "suggested", "why")
MOST_EXAMPLES = 20
FIRST = 5  # names in a line of words
# In the order in which they are told; (kind, done) -> words. Those that lose something warn.
_WORDS: dict[tuple[str, Done], str] = {
    ("blank", "renamed"): "names freed of blanks around them",
    ("version", "renamed"): "Ensembl ids without their version",
    ("symbol", "renamed"): "ids renamed to the table's own symbols",
    ("map", "renamed"): "names renamed by the gene map",
    ("map", "kept"): "names kept against the gene map, since the model knows them",
    ("conflict", "kept"): "names kept, since the gene map leaves them open",
    ("date", "renamed"): "spreadsheet dates turned back into symbols",
    ("date", "dropped"): "gene names were turned into dates by a spreadsheet and are dropped",
    ("suffix", "renamed"): "names freed of the Entrez id behind a bar",
    ("suffix", "kept"): "names carry an Entrez id behind a bar",
    ("renamed", "renamed"): "names from before or after a renaming by HGNC turned into the model's",
    ("renamed", "kept"): "names are from before or after a renaming by HGNC, unlike the model's",
    ("separator", "renamed"): "names got the model's hyphens, dots or underscores",
    ("separator", "kept"): "names differ from the model's in hyphens, dots or underscores",
    ("case", "renamed"): "names got the model's case",
    ("case", "kept"): "names differ from the model's in case (another species?)",
    ("number", "kept"): "names are numbers, probes or transcripts, no genes' names",
    ("copy", "kept"): "names are another's with a number behind it, perhaps its copies",
    ("counter", "dropped"): "names are counters of reads without a gene and are dropped",
    ("unnamed", "dropped"): "genes without a name are dropped",
    ("duplicate", "summed"): "duplicates summed",
}
_CALM = {"blank", "version", "symbol", "map", "suffix", "copy"}
_MENDED = {"date", "suffix", "renamed", "separator", "case"}


class Line(NamedTuple):
    """What happened to one name.

    Parameters
    ----------
    kind : str
        What was found.
    done : {"renamed", "kept", "dropped", "summed"}
        What was done.
    name : str
        As it stood.
    becomes : str
        As it stands now; ``""`` where it is dropped.
    suggested : str
        What it may have been, where nothing was done about it.
    why : str
        Why not.
    """

    kind: str
    done: Done
    name: str
    becomes: str
    suggested: str = ""
    why: str = ""


@dataclasses.dataclass(frozen=True)
class Finding:
    """All names of which the same is to be said.

    Parameters
    ----------
    kind, done : str
        As of `Line`.
    count : int
        How many names.
    examples : list of str
        The first, at most 20: the name, and what it became or may have been.
    words : str
        All of it in a line.
    """

    kind: str
    done: Done
    count: int
    examples: list[str]
    words: str


def find(lines: list[Line], wanted: Collection[str]) -> list[Finding]:
    """Gather the lines of a report.

    Parameters
    ----------
    lines : list of Line
        One a name, or more where more happened to it.
    wanted : collection of str
        Names that a model knows, hashed fast; empty where there is none.

    Returns
    -------
    list of Finding
        In a fixed order of kinds.
    """
    by_kind: dict[tuple[str, Done], list[Line]] = collections.defaultdict(list)
    for line in lines:
        by_kind[line.kind, line.done].append(line)
    return [_finding(by_kind[key], wanted) for key in _WORDS if key in by_kind]


def as_attribute(findings: list[Finding]) -> list[dict[str, Any]]:
    """Turn findings into what a store keeps of them.

    Parameters
    ----------
    findings : list of Finding
        Of one table.

    Returns
    -------
    list of dict of str to Any
        JSON values.
    """
    return [dataclasses.asdict(finding) for finding in findings]


def write_csv(
    path: places.Place, lines: list[Line], inputs: list[places.Place | None], *, overwrite: bool
) -> None:
    """Write a report with one line a name.

    Parameters
    ----------
    path : pathlib.Path or upath.UPath
        A csv file; an older gene report there is replaced.
    lines : list of Line
        Of one table.
    inputs : list of pathlib.Path, upath.UPath or None
        What is not to be written over.
    overwrite : bool
        Whether a file of something else is replaced too.

    Raises
    ------
    errors.OutputExistsError
        If something else stands there.
    """
    outputs.check(path, inputs, overwrite=overwrite)
    header = ",".join(COLUMNS)
    with places.reached(path):
        is_ours = path.is_file() and path.read_bytes()[: len(header)] == header.encode()
        if path.is_dir() or (path.exists() and not is_ours and not overwrite):
            raise errors.OutputExistsError(
                f"{path}: something that is no gene report stands there. "
                "Choose another --gene-report, or give --overwrite to replace it."
            )
    with outputs.whole_file(path) as file:
        pd.DataFrame(lines, columns=list(COLUMNS)).to_csv(file, index=False)


def _finding(lines: list[Line], wanted: Collection[str]) -> Finding:
    kind, done = lines[0].kind, lines[0].done
    shown = list(dict.fromkeys(_show(line) for line in lines))
    words = f"genes: {len(lines):,} {_WORDS[kind, done]}"
    if kind != "unnamed":
        words += f" (first: {', '.join(shown[:FIRST])})"
    if done == "dropped" or (done == "kept" and kind not in _CALM):
        words = words.replace("genes:", "warning:", 1)
    return Finding(
        kind, done, len(lines), shown[:MOST_EXAMPLES], words + _advise(lines, kind, done, wanted)
    )


def _show(line: Line) -> str:
    if line.becomes and line.becomes != line.name:
        return f"{line.name} -> {line.becomes}"
    if line.suggested:
        return f"{line.name}, perhaps {line.suggested}"
    return f"{line.name} ({line.why})" if line.why else line.name


def _advise(lines: list[Line], kind: str, done: Done, wanted: Collection[str]) -> str:
    if done in ("renamed", "summed"):
        return ""
    advice = {
        "number": "; give --gene-map, or another --gene-column",
        "conflict": "; settle them in the gene map",
        "copy": "; a line of --gene-map for each sums them",
    }.get(kind, "")
    if kind not in _MENDED:
        return advice
    names = {line.suggested for line in lines if line.suggested}
    won = len(names & set(wanted)) if wanted else 0
    gain = f", {won:,} of them the model's" if wanted else ""
    if names:
        advice = f"; --mend-names brings {len(names):,} back{gain}"
    if len(lines) > sum(bool(line.suggested) for line in lines):
        advice += "; give --gene-map for those left open"
    return advice
