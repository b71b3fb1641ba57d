"""What a network sees of a sample: scales that do not hang on one gene's platform.

Everything is taken within one sample over its measured genes; a gene that is not measured gets the
neutral value 0. Standardising a gene over training samples would destroy transfer between studies.
"""

from typing import Literal

import torch

Input = Literal["none", "zscore", "rank"]

# Uniform ranks from -1.7 to 1.7 have nearly the spread of a z-score (1 / sqrt(12) x 3.4 = .98).
RANK_SPREAD = 3.4
_SMALLEST_SPREAD = 1e-6


def apply(
    kind: Input, expression: torch.Tensor, measured: torch.Tensor | None = None
) -> torch.Tensor:
    """Scale samples as a network takes them.

    Parameters
    ----------
    kind : {"none", "zscore", "rank"}
        The scale.
    expression : torch.Tensor, shape (sample, gene)
        Values log2(1 + CPM); anything finite where a gene is not measured.
    measured : torch.Tensor of bool, shape (sample, gene), optional
        Which values count; all by default.

    Returns
    -------
    torch.Tensor, shape (sample, gene)
        0 where a gene is not measured.
    """
    if measured is None:
        measured = torch.ones_like(expression, dtype=torch.bool)
    if kind == "zscore":
        return standardise(expression, measured)
    if kind == "rank":
        return rank(expression, measured)
    return torch.where(measured, expression, 0.0)


def standardise(expression: torch.Tensor, measured: torch.Tensor) -> torch.Tensor:
    """Centre and scale each sample over its measured genes.

    Parameters
    ----------
    expression : torch.Tensor, shape (sample, gene)
        Values log2(1 + CPM).
    measured : torch.Tensor of bool, shape (sample, gene)
        Which values count.

    Returns
    -------
    torch.Tensor, shape (sample, gene)
        Mean 0 and standard deviation 1 over measured genes; 0 elsewhere and in flat samples.
    """
    n_measured = measured.sum(1, keepdim=True).clamp_min(1)
    mean = torch.where(measured, expression, 0.0).sum(1, keepdim=True) / n_measured
    centred = torch.where(measured, expression - mean, 0.0)
    spread = (centred.square().sum(1, keepdim=True) / n_measured).sqrt()
    return centred / spread.clamp_min(_SMALLEST_SPREAD)


def rank(expression: torch.Tensor, measured: torch.Tensor) -> torch.Tensor:
    """Replace each sample's values by their ranks among its measured genes.

    Parameters
    ----------
    expression : torch.Tensor, shape (sample, gene)
        Values log2(1 + CPM).
    measured : torch.Tensor of bool, shape (sample, gene)
        Which values count.

    Returns
    -------
    torch.Tensor, shape (sample, gene)
        ``((rank - .5) / n - .5) x 3.4`` with ties at their mean rank; 0 where not measured.
    """
    values, order = torch.where(measured, expression, torch.inf).sort(1)
    position = torch.arange(values.shape[1], device=values.device).expand_as(values)
    changes = values[:, 1:] != values[:, :-1]
    edge = torch.ones_like(changes[:, :1])
    n_genes = values.shape[1]
    # A run of equal values shares the mean of its first and last position.
    first = torch.where(torch.cat([edge, changes], 1), position, 0).cummax(1).values
    last = torch.where(torch.cat([changes, edge], 1), position, n_genes).flip(1).cummin(1)
    mean_position = (first + last.values.flip(1)).to(expression.dtype) / 2
    n_measured = measured.sum(1, keepdim=True).clamp_min(1)
    scaled = ((mean_position + 0.5) / n_measured - 0.5) * RANK_SPREAD
    ranks = torch.empty_like(expression).scatter_(1, order, scaled)
    return torch.where(measured, ranks, 0.0)


def add_noise(
    expression: torch.Tensor, deviation: float, generator: torch.Generator
) -> torch.Tensor:
    """Disturb each gene of each sample afresh.

    Parameters
    ----------
    expression : torch.Tensor, shape (sample, gene)
        Values log2(1 + CPM).
    deviation : float
        Standard deviation of the noise, in log2 units.
    generator : torch.Generator
        It is drawn from.

    Returns
    -------
    torch.Tensor, shape (sample, gene)
        Never below 0.
    """
    if not deviation:
        return expression
    noise = torch.randn(
        expression.shape, generator=generator, device=expression.device, dtype=expression.dtype
    )
    return (expression + deviation * noise).clamp_min(0)


def open_gaps(
    measured: torch.Tensor, largest_share: float, generator: torch.Generator
) -> torch.Tensor:
    """Pretend that random genes were not measured.

    Parameters
    ----------
    measured : torch.Tensor of bool, shape (sample, gene)
        What was measured.
    largest_share : float
        Each sample loses a share of its genes that is drawn evenly from 0 to this.
    generator : torch.Generator
        It is drawn from.

    Returns
    -------
    torch.Tensor of bool, shape (sample, gene)
        What is left.
    """
    if not largest_share:
        return measured
    device = measured.device
    share = torch.rand(len(measured), 1, generator=generator, device=device) * largest_share
    return measured & (torch.rand(measured.shape, generator=generator, device=device) >= share)
