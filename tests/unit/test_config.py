"""Configurations: laid over each other, checked, and told of in one line."""

import pathlib
import tomllib
from collections.abc import Callable

import pydantic
import pytest

from bluebatch import config, errors
from bluebatch.run import conf_files
from bluebatch.simulate import pseudobulk

Write = Callable[..., pathlib.Path]


@pytest.fixture
def write(tmp_path: pathlib.Path) -> Write:
    def to_file(text: str, name: str = "own.toml") -> pathlib.Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return to_file


def complaint(path: pathlib.Path) -> str:
    with pytest.raises(errors.ConfigError) as caught:
        config.load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_load__an_empty_file_is_the_settings_defaults(write: Write) -> None:
    assert config.load(write("")) == config.Config()


def test_load__default_is_written_out_in_full() -> None:
    text = (conf_files.folder() / "default.toml").read_text()
    written = tomllib.loads(text)
    for section, settings in config.Config():
        assert set(written[section]) == set(settings.model_dump(exclude_none=True)), section


def test_load__default_holds_the_settings_own_defaults() -> None:
    labels = {"cell_types": config.Config().cell_types}
    assert config.load("default").model_copy(update=labels) == config.Config()


@pytest.mark.parametrize("name", ["default", "pbmc", "demo", "blue"])
def test_load__every_shipped_name_is_valid(name: str) -> None:
    assert name in config.shipped()
    assert isinstance(config.load(name), config.Config)


def test_load__extends_lays_tables_over_the_named_file(write: Write) -> None:
    write("[model]\nwidth = 64\ndepth = 2\n[markers]\nn_candidates = 50\n", "below.toml")
    loaded = config.load(write('extends = "below.toml"\n[model]\ndepth = 3\n'))
    assert (loaded.model.width, loaded.model.depth) == (64, 3)
    assert loaded.markers.n_candidates == 50


def test_load__extends_a_shipped_name(write: Write) -> None:
    loaded = config.load(write('extends = "default"\n[markers]\nn_candidates = 7\n'))
    default = config.load("default")
    assert loaded.markers.n_candidates == 7
    assert loaded.model == default.model


def test_load__flags_lie_over_the_file(write: Write) -> None:
    path = write("[model]\nwidth = 64\ndepth = 2\n")
    loaded = config.load(path, {"model": {"depth": 1}})
    assert (loaded.model.width, loaded.model.depth) == (64, 1)


def test_load__a_bad_flag_is_blamed_on_the_command_line(write: Write) -> None:
    with pytest.raises(errors.ConfigError, match=r"^the command line: \[markers\] n_candidates"):
        config.load(write(""), {"markers": {"n_candidates": -1}})


def test_load__sections_that_do_not_fit_each_other(write: Write) -> None:
    path = write('[model]\noutput = "relu"\n')
    assert complaint(path).startswith(f"{path}: [model] output = ")
    fitting = config.load(write('[model]\noutput = "relu"\n[anchor]\nkind = "none"\n'))
    assert fitting.model.output == "relu"


def test_part__takes_the_sections_of_a_verb(write: Write) -> None:
    loaded = config.load(write("[simulation]\nn_samples = 12\n"))
    assert loaded.part(pseudobulk.Settings).simulation.n_samples == 12


def test_load__unknown_key_names_file_key_and_nearest(write: Write) -> None:
    path = write("[markers]\nn_candidate = 5\n")
    assert complaint(path) == (
        f"{path}: [markers] n_candidate: there is no such setting. Did you mean 'n_candidates'?"
    )


def test_load__unknown_key_of_the_file_below_names_that_file(write: Write) -> None:
    below = write("[model]\nwidht = 64\n", "below.toml")
    above = write('extends = "below.toml"\n[model]\ndepth = 3\n')
    assert complaint(above).startswith(f"{below}: [model] widht: ")


def test_load__unknown_key_within_a_list_of_tables(write: Write) -> None:
    path = write("[[model.members]]\nnoize = 1\n")
    assert "[model.members.0] noize: " in complaint(path)
    assert "'noise'" in complaint(path)


def test_load__unknown_key_like_no_other_lists_what_there_is(write: Write) -> None:
    assert "Known here: n_candidates, " in complaint(write("[markers]\nzzz = 5\n"))


def test_load__unknown_section(write: Write) -> None:
    path = write("[modle]\nwidth = 64\n")
    assert complaint(path) == f"{path}: [modle]: there is no such section. Did you mean 'model'?"


def test_load__value_out_of_range_is_shown_with_what_is_needed(write: Write) -> None:
    path = write("[markers]\nmax_adjusted_p = 1.5\n")
    assert complaint(path) == (
        f"{path}: [markers] max_adjusted_p: found 1.5, needed: less than or equal to 1. "
        "Change it there."
    )


def test_load__value_of_the_wrong_type(write: Write) -> None:
    assert "[markers] n_candidates: found 'many', " in complaint(
        write('[markers]\nn_candidates = "many"\n')
    )


def test_load__text_that_is_not_toml_is_told_with_its_line(write: Write) -> None:
    message = complaint(write("[model]\nwidth = = 3\n"))
    assert "not valid TOML" in message
    assert "line 2" in message


def test_load__bytes_that_are_not_text(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert "not valid TOML" in complaint(path)


def test_load__extends_itself(write: Write) -> None:
    write('extends = "b.toml"\n', "a.toml")
    message = complaint(write('extends = "a.toml"\n', "b.toml"))
    assert "extends itself" in message


def test_load__extends_must_be_a_name(write: Write) -> None:
    assert "extends is 3" in complaint(write("extends = 3\n"))


def test_load__unknown_name_lists_what_ships() -> None:
    with pytest.raises(errors.MissingInputError, match=r"'pbmd'.*blue, default, demo, pbmc"):
        config.load("pbmd")


def test_load__absent_file(tmp_path: pathlib.Path) -> None:
    with pytest.raises(
        errors.MissingInputError, match=r"none\.toml: there is no such configuration"
    ):
        config.load(tmp_path / "none.toml")


def test_load__relative_file_in_the_working_directory(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write("[markers]\nn_candidates = 9\n").parent)
    assert config.load("own.toml").markers.n_candidates == 9


@pytest.mark.parametrize("name", ["default", "pbmc", "demo", "blue"])
def test_show__is_read_back_as_the_same_settings(name: str, write: Write) -> None:
    loaded = config.load(name)
    assert config.load(write(config.show(loaded))) == loaded


def test_config__is_frozen() -> None:
    with pytest.raises(pydantic.ValidationError):
        setattr(config.Config(), "model", None)  # noqa: B010
