"""Loss terms that know of targets that are not there."""

import torch


def masked_squared_error(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean squared error over samples and genes, summed over the axis between them.

    Parameters
    ----------
    predicted : torch.Tensor, shape (sample, part, gene)
        Predictions.
    target : torch.Tensor, shape (sample, part, gene)
        NaN where there is nothing to compare with; such values cost nothing.

    Returns
    -------
    torch.Tensor, scalar
        Sum over parts of the mean over all samples and genes. Absent values count in the
        denominator, so that a batch's gradient does not hang on how many of them it holds.
    """
    known = ~torch.isnan(target)
    difference = torch.where(known, predicted.float() - torch.nan_to_num(target), 0.0)
    return difference.square().sum() / (target.shape[0] * target.shape[-1])


def squared_error(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean squared error over everything.

    Parameters
    ----------
    predicted, target : torch.Tensor
        Of one shape, without gaps.

    Returns
    -------
    torch.Tensor, scalar
        The mean.
    """
    return (predicted.float() - target).square().mean()
