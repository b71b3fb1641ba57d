"""Another kind of model runs through the same engine, which knows no kind by name."""

import pathlib
import re

import pytest

from bluebatch import engine

GENERIC = (
    "task",
    "stream",
    "train",
    "fit",
    "checkpoint",
    "curve",
    "precision",
    "predict",
    "pipeline",
    "infer",
    "kinds",
)


@pytest.mark.parametrize("name", GENERIC)
def test_engine__knows_no_kind_by_its_parts(name: str) -> None:
    file = pathlib.Path(next(iter(engine.__path__))) / f"{name}.py"
    found = re.findall(r"u-net|unet|cell_type", file.read_text(), flags=re.IGNORECASE)
    assert not found
