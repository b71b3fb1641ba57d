import json
import pathlib

import click.testing

from bluebatch.cli import main
from bluebatch.store import model_folder, read

CARD = model_folder.Card(
    kind="unmix",
    labels={
        "input_gene": ["CD19", "NKG7"],
        "gene": ["CD19"],
        "library_gene": ["CD19", "NKG7", "SEPTIN1"],
        "cell_type": ["B", "NK"],
    },
    units={},
    settings={},
    made_from={},
    facts={"markers": {"B": ["CD19"], "NK": ["NKG7"]}},
    scores={},
    members=[],
)


def test_ingest__names_are_mended_to_those_of_the_model(tmp_path: pathlib.Path) -> None:
    model_folder.write_card(tmp_path / "model", CARD, {})
    (tmp_path / "a.csv").write_text(
        "gene,s1,s2,s3\nCd19,1,2,3\n1-Sep,4,5,6\nGAPDH,7,8,9\nX,1,1,1\n"
    )
    command = ["ingest", str(tmp_path / "a.csv"), "--model", str(tmp_path / "model"), "--json"]
    command += ["--out", str(tmp_path / "c.zarr"), "--gene-report", str(tmp_path / "g.csv")]
    kept = click.testing.CliRunner().invoke(main.main, command)
    assert kept.exit_code == 1
    assert "--mend-names --model MODEL" in kept.stderr
    mended = click.testing.CliRunner().invoke(main.main, [*command, "--mend-names"])
    assert mended.exit_code == 0, mended.stderr
    genes = json.loads(mended.stdout)["genes"]
    # SEPTIN1 is no gene of the panel, but of the training genes.
    assert read.open_store(tmp_path / "c.zarr").labels["gene"] == ["CD19", "SEPTIN1", "GAPDH", "X"]
    assert [each["kind"] for each in genes["findings"]] == ["date", "case"]
    assert genes["markers"]["NK"] == {"found": 0, "wanted": 1, "missing": ["NKG7"]}
    assert (tmp_path / "g.csv").read_text().splitlines()[1:] == [
        "case,renamed,Cd19,CD19,,",
        "date,renamed,1-Sep,SEPTIN1,,",
    ]
