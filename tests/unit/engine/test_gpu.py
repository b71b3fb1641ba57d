"""What only a GPU can tell: bits, precision and memory there."""

from concurrent import futures

import numpy as np
import numpy.typing as npt
import pytest
import torch

from bluebatch.engine import predict
from bluebatch.models import unmix

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]

SIZES = unmix.Sizes(n_inputs=2000, n_outputs=2000, n_parts=6)
SETTINGS = unmix.ModelSettings(width=1024, channels=16)


def samples(n_rows: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(2).gamma(2, 2, size=(n_rows, 2000)).astype(np.float32)


def networks() -> list[unmix.Network]:
    torch.manual_seed(0)
    return [unmix.Network(SETTINGS, member, SIZES) for member in SETTINGS.members]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_predictor__blocks_and_threads_do_not_matter(dtype: torch.dtype) -> None:
    predictor, rows = predict.Predictor(networks(), dtype, "cuda"), samples(64 * 12 + 17)
    whole = predictor({"log_cpm": rows})

    def part(start: int) -> dict[str, npt.NDArray[np.float32]]:
        return predictor({"log_cpm": rows[start : start + 64]}, start)

    with futures.ThreadPoolExecutor(3) as pool:
        parts = list(pool.map(part, range(0, len(rows), 64)))
    for name, values in whole.items():
        np.testing.assert_array_equal(np.concatenate([each[name] for each in parts]), values)


def test_predictor__bf16_stays_near_fp32_and_fp32_near_the_processor() -> None:
    members, rows = networks(), {"log_cpm": samples(128)}
    exact = predict.Predictor(members)(rows)
    for dtype, tolerance in ((torch.float32, 2e-3), (torch.bfloat16, 3e-2)):
        found = predict.Predictor(members, dtype, "cuda")(rows)
        for name, values in found.items():
            np.testing.assert_allclose(values, exact[name], atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_price__covers_what_the_device_holds(dtype: torch.dtype) -> None:
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    members = networks()
    predict.Predictor(members, dtype, "cuda")({"log_cpm": samples(256)})
    held = torch.cuda.max_memory_allocated() - before
    prices = [network.price(dtype) for network in members]
    weights = sum(price.weight_bytes for price in prices)
    # The libraries keep workspaces of their own.
    assert held < weights + 64 * max(price.row_bytes for price in prices) + 64 * 2**20
