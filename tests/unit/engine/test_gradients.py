"""Sums of gradients that hang on no order."""

import itertools

import torch
from torch import nn

from bluebatch.engine import gradients

# By hand: in floats (1 + 2^-24) + 2^-24 is 1, and 1 + (2^-24 + 2^-24) is 1 + 2^-23.
PARTS = (1.0, 2.0**-24, 2.0**-24)


def test_sums__have_the_same_bits_in_any_order() -> None:
    for order in itertools.permutations(PARTS):
        network = nn.Linear(1, 1, bias=False)
        sums = gradients.Sums(network)
        for part in order:
            network.weight.grad = torch.full((1, 1), part)
            sums.put_by()
            assert network.weight.grad is None
        sums.give_back()
        assert network.weight.grad is not None
        assert network.weight.grad.dtype == torch.float32
        assert network.weight.grad.item() == 1 + 2.0**-23


def test_give_back__leaves_alone_what_was_not_put_by() -> None:
    network = nn.Linear(1, 1, bias=False)
    network.weight.grad = torch.ones(1, 1)
    gradients.Sums(network).give_back()
    assert network.weight.grad.item() == 1
