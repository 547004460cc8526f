"""The penalty explorer: eight weights, a penalty and its strength, training and test error."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import traitlets
from torch import Tensor

from dlcheat.regularization import elastic_net
from dlcheat.validation import expect, expect_count
from dlcheat.widgets.base import BookWidget, normals

#: The weights that made the data: three of eight count, or all of them a little.
TRUTHS = {"three of eight": (2.0, -1.5, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0),
          "all eight": (1.0, -1.0, 0.9, 0.9, -0.8, 0.8, -1.0, 0.9)}
FEATURES = 8
#: Correlation of neighbouring inputs; inputs k places apart have 0.6 to the power k.
CORRELATION = 0.6
#: Powers of ten that the strength takes, from 10⁻³ to 10.
EXPONENTS = tuple(round(-3 + 0.1 * k, 1) for k in range(41))


class Fit(NamedTuple):
    """What a strength of the penalty leads to.

    Attributes:
        weights: Shape (8,).
        train: Mean squared error on the samples.
        test: Expected squared error on a new sample, the noise included.
    """

    weights: Tensor
    train: float
    test: float


def covariance() -> Tensor:
    """Return the covariance of the inputs, shape (8, 8), float64.

    >>> covariance()[0, :3]
    tensor([1.0000, 0.6000, 0.3600], dtype=torch.float64)
    """
    place = torch.arange(FEATURES, dtype=torch.float64)
    return CORRELATION ** (place[:, None] - place).abs()


def draw_samples(count: int, noise: float, truth: str, seed: int) -> tuple[Tensor, Tensor]:
    r"""Return inputs and noisy answers of a linear rule.

    .. math:: y = X w^\star + \sigma n

    Neighbouring inputs are correlated. More samples with the same seed begin with the same ones.

    Args:
        count: N, at least 1.
        noise: σ, at least 0.
        truth: A name from ``TRUTHS``.
        seed: Of the generator.

    Returns:
        X of shape (N, 8) and y of shape (N,), float64.

    Raises:
        ValueError: If the count or the noise is out of range, or the truth unknown.

    >>> X, y = draw_samples(12, 0.0, "all eight", seed=1)
    >>> torch.allclose(y, X @ torch.tensor(TRUTHS["all eight"], dtype=torch.float64))
    True
    """
    expect_count("count", count)
    expect(noise >= 0, "noise of at least 0", noise)
    expect(truth in TRUTHS, f"a truth of {', '.join(TRUTHS)}", truth)
    drawn = normals(seed, count * (FEATURES + 1)).view(count, FEATURES + 1)
    columns = [drawn[:, 0]]
    for j in range(1, FEATURES):
        fresh = math.sqrt(1 - CORRELATION ** 2) * drawn[:, j]
        columns.append(CORRELATION * columns[-1] + fresh)
    X = torch.stack(columns, 1)
    return X, X @ torch.tensor(TRUTHS[truth], dtype=torch.float64) + noise * drawn[:, FEATURES]


class PenaltyExplorer(BookWidget, front="penalty"):
    """Linear regression on eight inputs under a penalty of the reader's choice.

    Args:
        **state: Any of the traits below.

    >>> widget = PenaltyExplorer(l1_ratio=1.0, exponent=1.0)
    >>> widget.fit().weights.abs().max() < 0.01               # a strong L1 penalty: all zero
    tensor(True)
    """

    title = traitlets.Unicode("Penalty explorer").tag(sync=True)
    #: Share of L1 in the penalty: 0 is L2 alone.
    l1_ratio = traitlets.Float(0.0, min=0, max=1).tag(sync=True)
    #: The strength is ten to this power.
    exponent = traitlets.Float(-0.5).tag(sync=True)
    samples = traitlets.Int(14, min=10, max=60).tag(sync=True)
    noise = traitlets.Float(1.0, min=0, max=3).tag(sync=True)
    truth = traitlets.Enum(list(TRUTHS), default_value="three of eight").tag(sync=True)
    seed = traitlets.Int(48, min=1, max=999).tag(sync=True)
    #: Which two weights span the plane, from 1.
    axes = traitlets.List(traitlets.Int(min=1, max=FEATURES), default_value=[1, 4], minlen=2,
                          maxlen=2).tag(sync=True)
    truths = traitlets.Dict({name: list(w) for name, w in TRUTHS.items()}).tag(sync=True)

    @traitlets.validate("exponent")
    def _check_exponent(self, proposal: dict[str, Any]) -> float:
        value = round(proposal["value"], 1)
        if value not in EXPONENTS or abs(value - proposal["value"]) > 1e-9:
            raise traitlets.TraitError("expected exponent from -3 to 1 in steps of 0.1, received "
                                       f"{proposal['value']!r}")
        return value

    @traitlets.validate("axes")
    def _check_axes(self, proposal: dict[str, Any]) -> list[int]:
        first, second = proposal["value"]
        if first == second:
            raise traitlets.TraitError(f"expected two different weights, received {first} twice")
        return [first, second]

    def fit(self) -> Fit:
        """Return weights and errors at the chosen strength."""
        return self._fits([self.exponent])[0]

    def path(self) -> list[Fit]:
        """Return weights and errors at every strength, from 10⁻³ to 10."""
        return self._fits(EXPONENTS)

    def _fits(self, exponents: tuple[float, ...] | list[float]) -> list[Fit]:
        """Return what rising strengths lead to; as in the page, each begins at the next stronger."""
        X, y = draw_samples(self.samples, self.noise, self.truth, self.seed)
        true, w, found = torch.tensor(TRUTHS[self.truth], dtype=torch.float64), None, []
        for exponent in reversed(exponents):
            w = elastic_net(X, y, 10 ** exponent, self.l1_ratio, start=w, tol=1e-9,
                            max_iter=20_000)
            off = w - true
            found.append(Fit(w, (X @ w - y).square().mean().item(),
                             (off @ covariance() @ off).item() + self.noise ** 2))
        return found[::-1]
