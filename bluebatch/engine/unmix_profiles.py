"""Profiles of samples as they are written: surprise shared out, how sure they are, how they mix."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bluebatch import errors
from bluebatch.engine import task, unmix_intervals
from bluebatch.expression import closed_form, cohort_shift, normalise

Float = npt.NDArray[np.float32]

PRESENCE = 0.01
SURPRISE = "surprise_variance"
# What the variances of profiles are to be multiplied by, (cell_type, gene).
FACTORS = "calibration_variance"


class Profiles:
    """What turns the members' mean profiles into those of a result.

    Parameters
    ----------
    labels : mapping of str to sequence of str
        Of the model.
    arrays : dict of str to np.ndarray
        Of the model: ``surprise_variance`` where the surprise is to be shared out,
        ``calibration_variance`` for deviations, both (cell_type, gene).
    options : mapping of str to Any
        ``presence``: predicted proportion below which a profile is NaN; ``profile_sd``: whether
        deviations are given; ``profile_shift`` (cell_type, gene), added to what is predicted.

    Attributes
    ----------
    presence : float
        That proportion.

    Raises
    ------
    errors.ConfigError
        If deviations are asked for that the model does not know.
    """

    def __init__(
        self, labels: Mapping[str, Sequence[str]], arrays: task.Arrays, options: Mapping[str, Any]
    ) -> None:
        self.presence = float(options.get("presence", PRESENCE))
        self._labels, self._arrays = labels, arrays
        self._deviation = _deviation(arrays) if options.get("profile_sd") else None
        self._shift: Float | None = options.get("profile_shift")
        position = {name: at for at, name in enumerate(labels["input_gene"])}
        shared = [
            (position[name], at) for at, name in enumerate(labels["gene"]) if name in position
        ]
        pairs = np.array(shared, dtype=np.int64).reshape(-1, 2).T
        self._compared = _as_slice(pairs[0]), _as_slice(pairs[1])

    @property
    def has_deviation(self) -> bool:
        """Tell whether deviations are given.

        Returns
        -------
        bool
            As the options say.
        """
        return self._deviation is not None

    @property
    def row_bytes(self) -> int:
        """Price a sample.

        Returns
        -------
        int
            Bytes held at the most while its profiles are made, beside the predictions.
        """
        # The profiles, and their values in CPM; the surprise; what it explains of each variance,
        # and what it leaves.
        n_profiles = 2 + (SURPRISE in self._arrays) + 2 * self.has_deviation
        return n_profiles * 4 * len(self._labels["cell_type"]) * len(self._labels["gene"])

    def of(
        self, predicted: Float, composition: unmix_intervals.Composition, log_cpm: Float
    ) -> task.Arrays:
        """Share the surprise out, and tell how sure the profiles are.

        Parameters
        ----------
        predicted : np.ndarray, shape (sample, cell_type, gene)
            The members' mean.
        composition : unmix_intervals.Composition
            Of the samples.
        log_cpm : np.ndarray, shape (sample, input_gene)
            The samples, NaN where a gene is not measured.

        Returns
        -------
        dict of str to np.ndarray, shape (sample, cell_type, gene)
            ``profile`` and, where it is asked for, ``profile_sd``, float32; NaN where a type is
            absent.
        """
        absent = composition.proportion < self.presence
        anchors: Float = np.minimum(predicted, np.float32(normalise.LARGEST_LOG_CPM))
        if self._shift is not None:
            anchors = cohort_shift.shifted(predicted, self._shift)
        found = {"profile": anchors}
        if self._deviation is not None:
            found["profile_sd"] = np.broadcast_to(self._deviation, anchors.shape).copy()
        variance = self._arrays.get(SURPRISE)
        if variance is not None:
            shares = composition.rna_fraction.astype(np.float32)
            known = anchors, variance[np.newaxis], shares, self._outputs_of(log_cpm)
            found["profile"] = closed_form.share_surprise(*known)
            if self._deviation is not None:
                found["profile_sd"] *= np.sqrt(closed_form.posterior_variance(*known))
        for values in found.values():
            values[absent] = np.nan
        return found

    def reconstruction_error(self, profile: Float, rna_fraction: Float, log_cpm: Float) -> Float:
        """Compare the profiles, mixed again, with the samples.

        Parameters
        ----------
        profile : np.ndarray, shape (sample, cell_type, gene)
            NaN where a type is absent.
        rna_fraction : np.ndarray, shape (sample, cell_type)
            Of the same samples.
        log_cpm : np.ndarray, shape (sample, input_gene)
            The samples, NaN where a gene is not measured.

        Returns
        -------
        np.ndarray, shape (sample,)
            Root of the mean squared difference over the genes in both.
        """
        read_at, written_at = self._compared
        mixed = _mix(torch.from_numpy(profile)[:, :, written_at], rna_fraction)
        squared = (mixed - log_cpm[:, read_at]) ** 2
        n_measured = np.isfinite(squared).sum(axis=1)
        total = np.asarray(np.nansum(squared, axis=1, dtype=np.float64))
        mean = np.divide(total, n_measured, out=np.full_like(total, np.nan), where=n_measured > 0)
        return np.asarray(np.sqrt(mean), dtype=np.float32)

    def _outputs_of(self, log_cpm: Float) -> Float:
        """Lay a sample out by output genes; NaN where one is no input or not measured."""
        read_at, written_at = self._compared
        laid_out = np.full((len(log_cpm), len(self._labels["gene"])), np.nan, np.float32)
        laid_out[:, written_at] = log_cpm[:, read_at]
        return laid_out


def _deviation(arrays: task.Arrays) -> Float:
    if FACTORS not in arrays:
        raise errors.ConfigError(
            "[inference] profile_sd: the model knows no deviations, needed: a model trained with "
            "validation samples. Train it again, or leave --profile-sd out."
        )
    return np.sqrt(arrays[FACTORS]).astype(np.float32)


def _mix(profile: torch.Tensor, rna_fraction: Float) -> Float:
    """Do as `mixture.mix_profiles` does, one part at a time: several times faster."""
    weights = torch.from_numpy(rna_fraction)
    mixed = torch.ones(len(profile), profile.shape[2])
    for part in range(profile.shape[1]):
        cpm = torch.exp2(profile[:, part]).sub_(1).nan_to_num_(0.0)
        mixed.addcmul_(cpm, weights[:, part : part + 1])
    return mixed.log2_().numpy()


def _as_slice(positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | slice:
    """Turn consecutive positions into a slice, which takes them without a copy."""
    if len(positions) and np.array_equal(positions, np.arange(len(positions)) + positions[0]):
        return slice(int(positions[0]), int(positions[-1]) + 1)
    return positions
