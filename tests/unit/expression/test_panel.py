import pathlib

import numpy as np
import pytest

from bluebatch import errors
from bluebatch.expression import panel

NAN = np.nan
GENES = ["a", "b", "c", "d", "e"]
# Two references, two types. In the second one, type Y is lacking.
TABLE = panel.MarkerTable(
    GENES,
    ["X", "Y"],
    np.array(
        [
            [[3.0, 2.0, 1.0, -1.0, 0.5], [-3.0, -2.0, 0.5, 4.0, 5.0]],
            [[1.0, 0.2, 2.0, 5.0, 0.1], [NAN] * 5],
        ]
    ),
    np.array(
        [
            [[0.01, 0.01, 0.01, 0.01, 0.01], [0.01, 0.01, 0.01, 0.01, 0.2]],
            [[0.01, 0.01, 0.01, 0.5, 0.01], [NAN] * 5],
        ]
    ),
)
TOP_2 = panel.PanelSettings(top_n=2)


def test_select_markers__takes_the_top_by_fold_change_of_each_reference() -> None:
    # X: a, b of the first; c, a of the second (d has p .5). Y: d, c (e has p .2).
    markers = panel.select_markers(TABLE, TOP_2)
    assert markers == {"X": ["a", "c", "b"], "Y": ["d", "c"]}


def test_choose__a_cohort_limits_the_genes_before_they_are_ranked() -> None:
    chosen = panel.choose(TABLE, GENES, TOP_2, measured={"b", "c", "d", "other"})
    # Without a, the first reference's top two of X are b and c.
    assert chosen.inputs == ["b", "c", "d"]
    assert chosen.outputs == ["b", "c", "d"]
    assert set(chosen.markers["X"]) == {"b", "c"}


def test_choose__genes_of_interest_are_read_and_written() -> None:
    chosen = panel.choose(TABLE, GENES, panel.PanelSettings(top_n=1), interest=["e"])
    assert chosen.inputs == ["a", "c", "d", "e"]
    assert "e" in chosen.outputs


def test_choose__output_may_differ_from_input(tmp_path: pathlib.Path) -> None:
    every = panel.choose(TABLE, GENES[:4], panel.PanelSettings(top_n=1, output="all"))
    assert every.outputs == GENES[:4]
    assert every.inputs == ["a", "c", "d"]
    file = tmp_path / "genes.txt"
    file.write_text("# mine\nd\n\nb  # marker\nd\n")
    few = panel.choose(TABLE, GENES, panel.PanelSettings(top_n=1, output=str(file)))
    assert few.outputs == ["b", "d"]
    given = panel.choose(TABLE, GENES, panel.PanelSettings(input=str(file), output="same"))
    assert given.inputs == ["b", "d"]


def test_choose__a_gene_without_profile_is_refused_by_name() -> None:
    with pytest.raises(errors.LabelMismatchError, match=r"no profiles of 1 of 1 .*--all-genes"):
        panel.choose(TABLE, GENES[:4], TOP_2, interest=["e"])


def test_choose__an_unknown_gene_is_refused_by_name() -> None:
    with pytest.raises(errors.LabelMismatchError, match=r"first: zz"):
        panel.choose(TABLE, GENES, TOP_2, interest=["a", "zz"])


def test_choose__nothing_left_is_refused() -> None:
    with pytest.raises(errors.LabelMismatchError, match="no gene has"):
        panel.choose(TABLE, GENES, TOP_2, measured={"other"})


def test_read_genes__refuses_what_is_no_list(tmp_path: pathlib.Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("# nothing\n")
    with pytest.raises(errors.InputFileError, match="holds no gene"):
        panel.read_genes(empty)
    with pytest.raises(errors.MissingInputError, match="no such file"):
        panel.read_genes(tmp_path / "absent.txt")
    binary = tmp_path / "binary.txt"
    binary.write_bytes(b"\xff\xfe\x00\x9f")
    with pytest.raises(errors.InputFileError, match="no readable text"):
        panel.read_genes(binary)
