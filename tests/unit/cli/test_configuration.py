"""``config show`` and ``config check``."""

import pathlib
import tomllib

import click.testing

from bluebatch import config
from bluebatch.cli import main


def run(*arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main.main, ["config", *arguments])


def test_show__prints_toml_of_the_resolved_settings() -> None:
    result = run("show", "pbmc")
    assert result.exit_code == 0
    assert tomllib.loads(result.stdout)["cell_types"]["merge"]["Mono"]
    assert config.Config.model_validate(tomllib.loads(result.stdout)) == config.load("pbmc")


def test_check__a_good_file_and_a_bad_one(tmp_path: pathlib.Path) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text('extends = "default"\n[panel]\ntop_n = 100\n')
    bad.write_text('extends = "default"\n[panel]\ntop = 100\n')
    assert run("check", str(good)).exit_code == 0
    result = run("check", str(bad))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: {bad}: [panel] top: there is no such setting. Did you mean 'top_n'?\n"
    )


def test_check__an_unknown_name_lists_what_ships() -> None:
    result = run("check", "pbmd")
    assert result.exit_code == 1
    assert "blue, default, demo, pbmc" in result.stderr
