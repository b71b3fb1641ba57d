"""Empirical Bayes variances: each gene's variance drawn towards what is common to all genes."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.special

Array = npt.NDArray[Any]
# Fewer genes tell nothing of how variances are spread.
MIN_GENES = 3
# Newton's steps of the inverse trigamma: it converges in about five.
STEPS = 50


class Prior(NamedTuple):
    """A scaled inverse chi-square distribution of variances over genes.

    Parameters
    ----------
    df : float
        Its degrees of freedom: 0 for no shrinkage, infinite where all genes have one variance.
    variance : float
        Towards which the genes' variances are drawn.
    """

    df: float
    variance: float

    def posterior(self, variance: Array, df: float) -> Array:
        """Draw variances towards the prior's.

        Parameters
        ----------
        variance : np.ndarray, shape (gene,)
            Sample variances.
        df : float
            Their degrees of freedom.

        Returns
        -------
        np.ndarray, shape (gene,)
            Means weighted by degrees of freedom.
        """
        if np.isinf(self.df):
            return np.full_like(variance, self.variance)
        return np.asarray((self.df * self.variance + df * variance) / (self.df + df))


def fit_prior(variance: Array, df: float) -> Prior:
    """Estimate the prior from the moments of log variances.

    Parameters
    ----------
    variance : np.ndarray, shape (gene,)
        Sample variances; those of 0 say nothing of how a gene varies and are left out.
    df : float
        Their degrees of freedom.

    Returns
    -------
    Prior
        No shrinkage with fewer than three genes that vary.

    Notes
    -----
    With z = log s^2 and e = z - digamma(d / 2) + log(d / 2), trigamma(d0 / 2) is the variance of
    e less trigamma(d / 2), and log s0^2 is the mean of e plus digamma(d0 / 2) - log(d0 / 2).

    References
    ----------
    Smyth GK (2004). Stat Appl Genet Mol Biol 3(1):3.
    """
    positive = variance[variance > 0]
    if len(positive) < MIN_GENES:
        return Prior(0.0, 0.0)
    centred = np.log(positive) - scipy.special.digamma(df / 2) + np.log(df / 2)
    spread = float(centred.var(ddof=1) - scipy.special.polygamma(1, df / 2))
    mean = float(centred.mean())
    if spread <= 0:
        return Prior(np.inf, float(np.exp(mean)))
    half = inverse_trigamma(spread)
    return Prior(2 * half, float(np.exp(mean + scipy.special.digamma(half) - np.log(half))))


def inverse_trigamma(value: float) -> float:
    """Solve trigamma(x) = value.

    Parameters
    ----------
    value : float
        Above 0.

    Returns
    -------
    float
        Above 0.

    References
    ----------
    Smyth GK (2004), appendix: Newton's method on 1 / trigamma, which is convex and nearly linear.

    Examples
    --------
    >>> round(inverse_trigamma(np.pi**2 / 6), 12)
    1.0
    """
    # Beyond, trigamma is its asymptote to more than single precision.
    if value > 1e7:
        return float(1 / np.sqrt(value))
    if value < 1e-6:
        return 1 / value
    found = 0.5 + 1 / value
    for _ in range(STEPS):
        now = float(scipy.special.polygamma(1, found))
        step = now * (1 - now / value) / float(scipy.special.polygamma(2, found))
        found += step
        if -step / found < 1e-12:
            break
    return found
