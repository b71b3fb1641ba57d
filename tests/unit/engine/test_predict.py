import time
from concurrent import futures

import numpy as np
import numpy.typing as npt
import pytest
import torch
from unit.engine import toy

from bluebatch import errors
from bluebatch.engine import predict
from bluebatch.models import contract, unmix

PRECISIONS = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)


def signals(n_rows: int) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(n_rows, len(toy.LABELS["channel"]))).astype(np.float32)


def samples(n_rows: int) -> npt.NDArray[np.float32]:
    expression = np.random.default_rng(2).gamma(2, 2, size=(n_rows, 90)).astype(np.float32)
    expression[:, 7] = np.nan
    return expression


def unmixer(dtype: torch.dtype) -> predict.Predictor:
    """Two members of the real network, small, with weights as they are drawn."""
    torch.manual_seed(0)
    settings = unmix.ModelSettings(width=128, depth=3, hidden=(64, 32))
    sizes = unmix.Sizes(n_inputs=90, n_outputs=75, n_parts=5)
    networks = [unmix.Network(settings, member, sizes) for member in settings.members]
    return predict.Predictor(networks, dtype)


def test_predictor__mean_of_members() -> None:
    torch.manual_seed(0)
    networks = [toy.Network(), toy.Network()]
    signal = signals(10)
    found = predict.Predictor(networks)({"signal": signal})["level"]
    expected = np.mean(
        [
            signal @ network.layer.weight.detach().numpy().T + network.layer.bias.detach().numpy()
            for network in networks
        ],
        axis=0,
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert found.dtype == np.float32


def test_predictor__leaves_the_networks_as_they_are() -> None:
    network = toy.Network().train()
    predict.Predictor([network], torch.bfloat16)
    assert network.training
    assert network.layer.weight.dtype == torch.float32


@PRECISIONS
@pytest.mark.parametrize("n_rows", [1, 17, 64, 64 + 1, 64 + 17, 128])
def test_predictor__tails_have_the_bits_of_whole_batches(n_rows: int, dtype: torch.dtype) -> None:
    whole = unmixer(dtype)({"log_cpm": samples(192)})
    part = unmixer(dtype)({"log_cpm": samples(192)[:n_rows]})
    assert set(part) == {"profile", "fraction", "fraction_squared"}
    for name, values in part.items():
        np.testing.assert_array_equal(values, whole[name][:n_rows])


@PRECISIONS
def test_predictor__a_sample_alone_has_the_bits_it_has_in_a_cohort(dtype: torch.dtype) -> None:
    predictor = unmixer(dtype)
    cohort = predictor({"log_cpm": samples(80)})
    for row in (0, 5, 63, 64, 79):
        alone = predictor({"log_cpm": samples(80)[row : row + 1]})
        for name, values in alone.items():
            np.testing.assert_array_equal(values[0], cohort[name][row])


@PRECISIONS
def test_predictor__blocks_do_not_matter(dtype: torch.dtype) -> None:
    predictor = unmixer(dtype)
    whole = predictor({"log_cpm": samples(145)})
    for block in (64, 128):
        parts = [
            predictor({"log_cpm": samples(145)[start : start + block]}, start)
            for start in range(0, 145, block)
        ]
        for name, values in whole.items():
            np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), values)


@PRECISIONS
def test_predictor__memory_order_does_not_matter(dtype: torch.dtype) -> None:
    predictor = unmixer(dtype)
    by_rows = predictor({"log_cpm": samples(70)})
    by_columns = predictor({"log_cpm": np.asfortranarray(samples(70))})
    for name, values in by_rows.items():
        np.testing.assert_array_equal(by_columns[name], values)


def test_predictor__draws_hang_on_seed_and_row_alone() -> None:
    networks = [toy.Network()]
    predictor = predict.Predictor(networks)
    signal = signals(130)
    whole = predictor({"signal": signal})["level_draw"]
    tail = predictor({"signal": signal[64:]}, 64)["level_draw"]
    np.testing.assert_array_equal(tail, whole[64:])
    assert len(np.unique(whole - whole.mean(axis=1, keepdims=True))) > 0.99 * whole.size
    other = predict.Predictor(networks, seed=1)({"signal": signal})["level_draw"]
    assert not np.isclose(other, whole).any()


def test_predictor__refuses_a_block_off_the_grid() -> None:
    with pytest.raises(ValueError, match="row 10 is no multiple of 64"):
        predict.Predictor([toy.Network()])({"signal": signals(3)}, 10)


def test_keyed_generator__same_key_same_draws() -> None:
    draws = {
        key: torch.rand(1, generator=predict.keyed_generator("cpu", *key)).item()
        for key in [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]
    }
    assert len(set(draws.values())) == 4
    again = torch.rand(1, generator=predict.keyed_generator("cpu", 0, 0, 1)).item()
    assert again == draws[0, 0, 1]


class Crowded(toy.Network):
    """A network on a device that holds few rows, and is full at times."""

    most_rows = 10**9
    # Calls at which the device is full.
    full = 0

    def forward(self, batch: contract.Batch) -> contract.Batch:
        if type(self).full or len(batch["signal"]) > type(self).most_rows:
            type(self).full -= bool(type(self).full)
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return super().forward(batch)


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> type[Crowded]:
    monkeypatch.setattr(Crowded, "most_rows", 10**9)
    monkeypatch.setattr(Crowded, "full", 0)
    return Crowded


def test_settle_micro_batch__halves_until_it_fits(crowded: type[Crowded]) -> None:
    torch.manual_seed(0)
    network = crowded()
    crowded.most_rows = 20
    predictor = predict.Predictor([network])
    # Fewer rows than a micro-batch are tried with, and it is a whole one that has to fit.
    assert predictor.settle_micro_batch({"signal": signals(5)}) == 16
    found = predictor({"signal": signals(40)}, 16)
    expected = predict.Predictor([network], micro_batch=16)({"signal": signals(40)}, 16)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


def test_settle_micro_batch__refuses_a_device_too_small(crowded: type[Crowded]) -> None:
    crowded.most_rows = 15
    with pytest.raises(errors.ResourceError, match="has no memory for 16 rows"):
        predict.Predictor([crowded()]).settle_micro_batch({"signal": signals(5)})


def test_predictor__waits_for_a_device_that_is_full(
    crowded: type[Crowded], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    predictor = predict.Predictor([crowded()])
    expected = predictor({"signal": signals(100)})["level"]
    crowded.full = 2
    np.testing.assert_array_equal(predictor({"signal": signals(100)})["level"], expected)
    assert waits == list(predict.WAIT_SECONDS[:2])
    crowded.full = 4
    with pytest.raises(errors.IncompleteError, match="run the same command again") as caught:
        predictor({"signal": signals(100)})
    assert caught.value.exit_code == 3
    assert waits[2:] == list(predict.WAIT_SECONDS)


@PRECISIONS
def test_predictor__threads_do_not_matter(dtype: torch.dtype) -> None:
    predictor, rows = unmixer(dtype), samples(64 * 6)
    before = torch.get_num_threads()
    torch.set_num_threads(1)

    def predict_part(start: int) -> dict[str, npt.NDArray[np.float32]]:
        return predictor({"log_cpm": rows[start : start + 64]}, start)

    try:
        whole = predictor({"log_cpm": rows})
        with futures.ThreadPoolExecutor(
            3, initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            parts = list(pool.map(predict_part, range(0, len(rows), 64)))
    finally:
        torch.set_num_threads(before)
    for name, values in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), values)
