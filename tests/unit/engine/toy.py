"""A toy kind of model with axes of its own: rows are cells, and each gets three draws."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch

from bluebatch.engine import task
from bluebatch.models import contract
from bluebatch.store import model_folder, read, schema, write

N_DRAWS = 3
LABELS = {
    "channel": [f"channel-{index}" for index in range(12)],
    "part": ["left", "right"],
    "draw": [str(index) for index in range(N_DRAWS)],
}
WHOLE = (128, None)
CELLS = schema.StoreSpec(
    "toy_cells",
    "cell",
    (
        schema.ArraySpec("signal", ("cell", "channel"), "float32", "", "what is read", WHOLE),
        schema.ArraySpec("level", ("cell", "part"), "float32", "", "what is learnt", WHOLE),
    ),
)
DRAWS = schema.StoreSpec(
    "toy_draws",
    "cell",
    (
        schema.ArraySpec("level", ("cell", "part"), "float32", "", "mean", WHOLE),
        schema.ArraySpec(
            "level_draw", ("cell", "draw", "part"), "float32", "", "draws", (64, None, 1)
        ),
    ),
)


class Network(contract.Model):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(len(LABELS["channel"]), len(LABELS["part"]))

    def forward(self, batch: contract.Batch) -> contract.Batch:
        return {"level": self.layer(batch["signal"].to(self.layer.weight.dtype))}

    def losses(self, outputs: contract.Batch, batch: contract.Batch) -> contract.Batch:
        return {"error": torch.nn.functional.mse_loss(outputs["level"].float(), batch["level"])}

    def loss_weights(self, epoch: int) -> dict[str, float]:
        return {"error": 1.0}

    def conclude(
        self, outputs: contract.Batch, generator: torch.Generator | None = None
    ) -> contract.Batch:
        mean = outputs["level"]
        noise = torch.randn(len(mean), N_DRAWS, mean.shape[1], generator=generator)
        return {"level": mean, "level_draw": mean[:, None] + noise}

    def price(self, dtype: torch.dtype = torch.float32) -> contract.Price:
        return contract.Price(weight_bytes=104, row_bytes=56, training_row_bytes=112)


class Reader(task.Reader):
    def __init__(self, store: read.Store) -> None:
        self.store = store

    def inputs(self, rows: slice) -> task.Arrays:
        return {"signal": self.store.read("signal", rows)}

    def result(self) -> task.Result:
        labels = {**LABELS, "cell": self.store.labels["cell"]}
        return task.Result(DRAWS, labels, {"made_by": "toy"}, {}, note="toy: all is measured")

    def finish(self, predictions: task.Arrays, inputs: task.Arrays) -> task.Arrays:
        return predictions

    def price(self) -> task.RowPrice:
        return task.RowPrice(reading=3 * 48, inputs=48, finishing=0)


class Task(task.Task):
    reads = ("toy_cells",)

    @classmethod
    def outline(cls, store: read.Store, settings: Any, options: task.Options) -> "Task":
        return cls(card(), {})

    def rows(self, store: read.Store, split: str) -> npt.NDArray[np.int64]:
        part = {"train": slice(0, -64), "validation": slice(-64, -32), "test": slice(-32, None)}
        return np.arange(store.n_rows)[part[split]]

    def examples(self, store: read.Store, rows: slice) -> task.Arrays:
        return {name: store.read(name, rows) for name in ("signal", "level")}

    def network(self, member: int) -> Network:
        return Network()

    def judge(self, store: read.Store, predict: task.Predict) -> "Task":
        return self

    def accepts(self, exact: task.Arrays, rounded: task.Arrays) -> bool:
        return bool(np.allclose(exact["level"], rounded["level"], atol=0.1))

    def bind(self, store: read.Store, options: Mapping[str, Any]) -> Reader:
        return Reader(store)


def card(n_members: int = 2) -> model_folder.Card:
    members = [{"file": f"member_{index}.safetensors", "seed": index} for index in range(n_members)]
    return model_folder.Card(
        kind="toy",
        labels=LABELS,
        units={},
        settings={},
        made_from={},
        facts={},
        scores={},
        members=members,
    )


def write_model(folder: pathlib.Path, n_members: int = 2) -> pathlib.Path:
    folder.mkdir(parents=True)
    for index in range(n_members):
        torch.manual_seed(index)
        weights = Network().state_dict()
        safetensors.torch.save_file(weights, folder / f"member_{index}.safetensors")
    model_folder.write_card(folder, card(n_members), {"scale": np.ones(1, np.float32)})
    return folder


def write_cells(path: pathlib.Path, n_cells: int, seed: int = 0) -> pathlib.Path:
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(n_cells, len(LABELS["channel"]))).astype(np.float32)
    labels = {**LABELS, "cell": [f"cell-{index}" for index in range(n_cells)]}
    group = write.create(path, CELLS, labels, {})
    write.write_whole(group, "signal", signal)
    write.write_whole(group, "level", signal[:, :2] - signal[:, 2:4])
    write.complete(group)
    return path
