"""The genes of a store, made from the names of its source: each change said, none guessed."""

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from bluebatch.store import gene_map, gene_report, genes, mending

_COUNTER = re.compile(
    r"__(no_feature|ambiguous|too_low_aqual|not_aligned|alignment_not_unique)"
    r"|N_(unmapped|multimapping|noFeature|ambiguous)",
    re.IGNORECASE,
)
# As R's make.unique and anndata's var_names_make_unique name the second of two.
_COPY = re.compile(r"(.+)([.-])\d{1,2}")

_Lines = list[gene_report.Line]


def resolve(
    names: Sequence[str],
    mapping: gene_map.GeneMap | None = None,
    symbols: Mapping[str, str] | None = None,
    wanted: Collection[str] = (),
    *,
    mend: bool = False,
) -> genes.Resolution:
    """Turn the gene names of a source into the genes of a store.

    Parameters
    ----------
    names : sequence of str
        As the source has them.
    mapping : gene_map.GeneMap, optional
        The user's own, applied last: to the source's name, or to its symbol.
    symbols : mapping of str to str, optional
        The source's own symbols for its ids.
    wanted : collection of str
        Names that a model knows.
    mend : bool
        Whether names that were mangled, and can have been one gene alone, are mended.

    Returns
    -------
    genes.Resolution
        Names that are empty, counters, or dates that are not mended, are dropped.
    """
    lines: _Lines = []
    known = frozenset(wanted)
    bare = _bare(names, lines)
    final = _rename(bare, symbols or {}, mapping or gene_map.GeneMap({}), known, lines)
    final = _mend(final, known, lines, mend=mend)
    _tell_oddities(final, lines)
    position: dict[str, int] = {}
    index = np.full(len(names), -1, dtype=np.int64)
    for at, name in enumerate(final):
        if not name:
            continue
        if name in position:
            lines.append(gene_report.Line("duplicate", "summed", names[at], name))
        index[at] = position.setdefault(name, len(position))
    findings = gene_report.find(lines, known)
    report = {
        "n_source": len(names),
        "n_genes": len(position),
        "ensembl_share": round(genes.ensembl_share(position), 4),
        "findings": gene_report.as_attribute(findings),
    }
    notes = [finding.words for finding in findings]
    if mapping is not None and not any(line.kind in ("map", "conflict") for line in lines):
        notes.append("warning: the gene map holds none of the table's genes")
    return genes.Resolution(list(position), index, report, notes, lines)


def _bare(names: Sequence[str], lines: _Lines) -> list[str]:
    final = []
    for name in names:
        stripped = name.strip()
        bare = genes.strip_version(stripped)
        if stripped != name and stripped:
            lines.append(gene_report.Line("blank", "renamed", name, stripped))
        if bare != stripped:
            lines.append(gene_report.Line("version", "renamed", stripped, bare))
        if not bare:
            lines.append(gene_report.Line("unnamed", "dropped", name, ""))
        elif _COUNTER.fullmatch(bare):
            lines.append(gene_report.Line("counter", "dropped", bare, ""))
            bare = ""
        final.append(bare)
    return final


def _rename(
    bare: list[str],
    symbols: Mapping[str, str],
    mapping: gene_map.GeneMap,
    known: Collection[str],
    lines: _Lines,
) -> list[str]:
    named = [symbols.get(name) or name for name in bare]
    choice = mapping.choose({*bare, *named}, known)
    final = []
    for name, symbol in zip(bare, named, strict=True):
        # The user's own word for an id goes before the source's.
        old = name if name in choice.renamed else symbol
        new = choice.renamed.get(old, old)
        if old != name:
            lines.append(gene_report.Line("symbol", "renamed", name, symbol))
        if new != old:
            lines.append(gene_report.Line("map", "renamed", old, new))
        elif old in choice.conflicts:
            why = choice.conflicts[old]
            lines.append(gene_report.Line("conflict", "kept", old, old, why=why))
        elif old in choice.known:
            lines.append(gene_report.Line("map", "kept", old, old, choice.known[old]))
        final.append(new)
    return final


def _mend(final: list[str], known: Collection[str], lines: _Lines, *, mend: bool) -> list[str]:
    suggested = mending.suggest({name for name in final if name}, known)
    mended = []
    for name in final:
        found = suggested.get(name)
        if found is None:
            mended.append(name)
        elif mend and found.becomes:
            lines.append(gene_report.Line(found.kind, "renamed", name, found.becomes))
            mended.append(found.becomes)
        elif found.kind == "date":
            lines.append(gene_report.Line("date", "dropped", name, "", found.becomes, found.why))
            mended.append("")
        else:
            lines.append(gene_report.Line(found.kind, "kept", name, name, found.becomes, found.why))
            mended.append(name)
    return mended


def _tell_oddities(final: list[str], lines: _Lines) -> None:
    """Name what is kept and is no gene's name, or perhaps a copy of another gene."""
    there = set(final)
    for name in final:
        copy = _COPY.fullmatch(name)
        if genes.is_number(name):
            lines.append(gene_report.Line("number", "kept", name, name))
        # Numbers begin with 1: IGHV1-69-2 is no copy of IGHV1-69.
        elif copy is not None and {copy[1], f"{copy[1]}{copy[2]}1"} <= there:
            lines.append(gene_report.Line("copy", "kept", name, name, copy[1]))
