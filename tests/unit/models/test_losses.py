import pytest
import torch

from bluebatch.models import losses

NAN = float("nan")


def test_masked_squared_error__sums_parts_and_leaves_out_what_is_absent() -> None:
    # Two samples, two parts, two genes. Part 1: (1 + 4 + 0 + 0) / 4; part 2: (9 + 9) / 4, its
    # second sample absent but in the denominator.
    target = torch.tensor([[[1.0, 2.0], [3.0, 3.0]], [[0.0, 0.0], [NAN, NAN]]])
    loss = losses.masked_squared_error(torch.zeros(2, 2, 2), target)
    assert float(loss) == pytest.approx(5 / 4 + 18 / 4)


def test_masked_squared_error__sends_no_gradient_to_what_is_absent() -> None:
    predicted = torch.ones(1, 2, 1, requires_grad=True)
    loss = losses.masked_squared_error(predicted, torch.tensor([[[0.0], [NAN]]]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert predicted.grad is not None
    assert predicted.grad.flatten().tolist() == [2.0, 0.0]


def test_squared_error__is_the_mean() -> None:
    loss = losses.squared_error(torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 0.0]]))
    assert float(loss) == pytest.approx(2.5)
