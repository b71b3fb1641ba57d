"""A folder that is written whole or not at all, wherever it lies and whatever lies beside it."""

import os
import pathlib

import pytest

from bluebatch import errors
from bluebatch.store import output_folders


def test_check__a_file_on_the_way_is_told(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "a" / "b"):
        with pytest.raises(errors.OutputExistsError, match="/file: is a file, needed: a folder"):
            output_folders.check(out, [], overwrite=True)
    output_folders.check(tmp_path / "a" / "b", [], overwrite=False)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_check__a_folder_that_may_not_be_written_is_told(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As of another's folder; who runs tests as root may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: pathlib.Path(path) != tmp_path)
    with pytest.raises(PermissionError) as raised:
        output_folders.check(tmp_path / "a" / "b", [], overwrite=False)
    assert raised.value.filename == str(tmp_path)


def test_whole_folder__behind_a_link_the_folder_is_replaced(tmp_path: pathlib.Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "old").touch()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    (tmp_path / "new link").symlink_to(tmp_path / "not yet")
    for link in ("link", "new link"):
        with output_folders.whole_folder(tmp_path / link) as folder:
            (folder / "new").touch()
        assert (tmp_path / link).is_symlink()
        assert [each.name for each in (tmp_path / link).iterdir()] == ["new"]
    names = {each.name for each in tmp_path.iterdir()}
    assert names == {"there", "link", "not yet", "new link"}


def test_whole_folder__what_a_killed_run_left_is_no_hindrance(tmp_path: pathlib.Path) -> None:
    # In a container every run has the same number.
    left = tmp_path / f".out.{os.getpid()}.tmp"
    left.mkdir()
    (left / "half").touch()
    with output_folders.whole_folder(tmp_path / "out") as folder:
        (folder / "new").touch()
    assert [each.name for each in tmp_path.rglob("*")] == ["out", "new"]


def test_all_or_nothing__tells_that_nothing_is_kept(tmp_path: pathlib.Path) -> None:
    told = "/out is as it was before; run the same command again to begin anew"
    with (
        pytest.raises(errors.InterruptedRunError, match=told),
        output_folders.all_or_nothing(tmp_path / "out"),
    ):
        raise KeyboardInterrupt
    with (
        pytest.raises(errors.DiskFullError, match=r"/out: no space left .* as it was before"),
        output_folders.all_or_nothing(tmp_path / "out"),
    ):
        raise errors.DiskFullError("/out/.tmp: full. What is finished is kept.")


def test_all_or_nothing__promises_nothing_of_a_url() -> None:
    # A part of the files may have been sent.
    with (
        pytest.raises(KeyboardInterrupt),
        output_folders.all_or_nothing("memory://bucket/out"),
    ):
        raise KeyboardInterrupt
