import pathlib
import pickle

import fsspec
import pytest
import upath
import zarr
from fsspec.implementations import memory

from bluebatch import errors
from bluebatch.store import places


def elsewhere_holding(root: str, files: dict[str, bytes]) -> upath.UPath:
    folder = places.place(root)
    assert isinstance(folder, upath.UPath)
    for name, content in files.items():
        folder.fs.pipe_file((folder / name).path, content)
    return folder


def on_disk_holding(root: pathlib.Path, files: dict[str, bytes]) -> pathlib.Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


FILES = {"zarr.json": b"{}", "x/c/0/0": b"0123456789", "x/c/0/1": b"", "y": b"abc"}


@pytest.mark.parametrize("given", ["a/b.zarr", "file:///a/b.zarr", "local:///a/b.zarr"])
def test_place__a_path_on_a_disk_stays_one(given: str) -> None:
    found = places.place(given)
    assert isinstance(found, pathlib.Path)
    assert found == pathlib.Path(given.split("://")[-1])
    assert places.is_local(given)


def test_place__a_url_keeps_its_text_and_remembers_no_listing() -> None:
    found = places.place("memory://shelf/a.zarr/")
    assert isinstance(found, upath.UPath)
    assert str(found) == "memory://shelf/a.zarr"
    assert found == places.place(found) == pickle.loads(pickle.dumps(found))
    assert found.storage_options["use_listings_cache"] is False
    assert not places.is_local(found)


def test_place__an_unknown_scheme_is_told() -> None:
    with pytest.raises(errors.UnreachableError, match=r"scheme nowhere:// is not known\. Give"):
        places.place("nowhere://bucket/a.zarr")


def test_place__a_scheme_without_its_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(scheme: str) -> None:
        raise ImportError(f"Install the package of {scheme}")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(errors.UnreachableError, match=r"pip install 'bluebatch\[cloud\]'"):
        places.place("gs://bucket/a.zarr")


def test_sizes__are_the_same_on_a_disk_and_elsewhere(
    tmp_path: pathlib.Path, elsewhere: str
) -> None:
    expected = {"zarr.json": 2, "x/c/0/0": 10, "x/c/0/1": 0, "y": 3}
    for folder in (on_disk_holding(tmp_path, FILES), elsewhere_holding(elsewhere, FILES)):
        assert places.sizes(folder) == expected
        assert places.sizes(folder / "nothing") == {}


def test_remove__leaves_what_only_begins_with_the_same_name(elsewhere: str) -> None:
    shelf = elsewhere_holding(elsewhere, {"a.zarr/x": b"1", "a.zarr.run/p0.json": b"2", "a": b"3"})
    places.remove(shelf / "a.zarr")
    places.remove(shelf / "nothing")
    assert places.sizes(shelf) == {"a.zarr.run/p0.json": 1, "a": 1}


def test_remove__never_a_whole_bucket(elsewhere: str) -> None:
    shelf = elsewhere_holding(elsewhere, {"a": b"1"})
    places.remove(places.place("memory://"))
    assert places.sizes(shelf) == {"a": 1}


def test_local_copy__is_removed_afterwards(elsewhere: str) -> None:
    shelf = elsewhere_holding(elsewhere, {"weights": b"123"})
    with places.local_copy(shelf / "weights") as copy:
        assert copy.read_bytes() == b"123"
        assert copy.name == "weights"
    assert not copy.exists()


def test_local_copy__a_file_on_a_disk_is_itself(tmp_path: pathlib.Path) -> None:
    with places.local_copy(tmp_path / "weights") as copy:
        assert copy == tmp_path / "weights"


def test_scratch_file__lies_on_a_disk(tmp_path: pathlib.Path) -> None:
    with places.scratch_file(tmp_path / "c.zarr") as file:
        assert file == tmp_path / ".c.zarr.spill"
    with places.scratch_file(places.place("memory://shelf/c.zarr")) as file:
        file.write_bytes(b"1")
    assert not file.parent.exists()


class NoCredentialsError(Exception):
    """Named as the packages of the schemes name theirs."""


class EndpointConnectionError(Exception):
    """The same."""


class ParamValidationError(Exception):
    """The same."""


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (PermissionError("Forbidden"), r"permission denied \(Forbidden\)\. Check the credentials"),
        (NoCredentialsError("none"), r"no credentials are found \(none\)\. Set AWS_ACCESS_KEY_ID"),
        (EndpointConnectionError("x."), r"does not answer \(x\)\. Check AWS_ENDPOINT_URL"),
        (TimeoutError(), r"does not answer \(TimeoutError\)"),
        (ParamValidationError("a\nb"), r"cannot be read or written \(a b\)\. Check the URL"),
        (OSError(5, "broken"), r"cannot be read or written"),
    ],
)
def test_reached__tells_what_a_place_elsewhere_raises(raised: Exception, told: str) -> None:
    with (
        pytest.raises(errors.UnreachableError, match=f"^s3://b/x: .*{told}"),
        places.reached("s3://b/x"),
    ):
        raise raised


@pytest.mark.parametrize("raised", [ValueError("x"), KeyError("x"), errors.ValuesError("x")])
def test_reached__errors_of_the_content_pass(raised: Exception) -> None:
    with pytest.raises(type(raised)) as found, places.reached("s3://b/x"):
        raise raised
    assert found.value is raised


def test_reached__errors_of_a_disk_pass(tmp_path: pathlib.Path) -> None:
    with pytest.raises(PermissionError), places.reached(tmp_path):
        raise PermissionError("no")


def test_of_zarr__names_what_place_takes(tmp_path: pathlib.Path, elsewhere: str) -> None:
    for root in (str(tmp_path / "c.zarr"), f"{elsewhere}/c.zarr"):
        group = zarr.create_group(places.zarr_store(root, read_only=False))
        assert places.place(places.of_zarr(group)) == places.place(root)
        array = group.create_array("x", shape=(1,), dtype="f4")
        assert places.of_zarr(array) == places.of_zarr(group)


def test_sizes__sees_what_another_process_has_written(elsewhere: str) -> None:
    shelf = elsewhere_holding(elsewhere, {"a": b"1"})
    assert places.sizes(shelf) == {"a": 1}
    memory.MemoryFileSystem().pipe_file("/shelf/b", b"22")
    assert places.sizes(shelf) == {"a": 1, "b": 2}
