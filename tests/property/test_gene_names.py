import hypothesis
from hypothesis import strategies

from bluebatch.store import gene_map, mending, naming

WANTED = ["ACTB", "HLA-A", "SEPTIN1", "MARCHF1", "X", "NKX2-1"]
NAMES = strategies.lists(
    strategies.sampled_from(
        (
            *("ACTB", "Actb", "HLA_A", "hla.a", "1-Sep", "Sep-01", "1-Mar", "ENSG00000000001.3"),
            *("ENSG00000000001", "", " ACTB", "X|12", "x", "MARCH1", "9", "__no_feature", "NKX2.1"),
        )
    ),
    max_size=12,
)
MAPS = strategies.dictionaries(
    strategies.sampled_from(("ACTB", "1-Mar", "9", "x", "MARCH1")),
    strategies.sampled_from(("ACTB", "MARCH1", "Z")),
)


@hypothesis.given(NAMES, MAPS, strategies.booleans(), strategies.booleans())
def test_resolve__no_name_changes_in_silence(
    names: list[str], pairs: dict[str, str], is_alias_table: bool, mend: bool
) -> None:
    mapping = gene_map.GeneMap(pairs, is_alias_table=is_alias_table)
    found = naming.resolve(names, mapping, wanted=WANTED, mend=mend)
    assert len(set(found.genes)) == len(found.genes)
    taken = [found.genes[at] if at >= 0 else "" for at in found.index]
    assert set(taken) - {""} == set(found.genes)
    # Each name is led by the report's own steps, and by nothing else, to where it went.
    steps: dict[str, set[str]] = {}
    for line in found.lines:
        if line.kind != "duplicate":
            steps.setdefault(line.name, set()).add(line.becomes)
    for old, new in zip(names, taken, strict=True):
        reached = {old}
        for _ in range(4):
            reached |= {after for name in reached for after in steps.get(name, ())}
        assert new in reached
    n_summed = sum(line.kind == "duplicate" for line in found.lines)
    assert n_summed == len([name for name in taken if name]) - len(found.genes)


@hypothesis.given(NAMES)
def test_suggest__once_mended_nothing_is_left_to_mend(names: list[str]) -> None:
    found = mending.suggest(names, WANTED)
    assert found.keys() <= {*names}
    mended = [found[name].becomes or name if name in found else name for name in names]
    assert not any(each.becomes for each in mending.suggest(mended, WANTED).values())
