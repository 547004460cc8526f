"""Regularisation: what keeps a network from learning its training set by heart."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from dlcheat.validation import expect, expect_float


def dropout(input: Tensor, p: float = 0.5, training: bool = True,
            generator: torch.Generator | None = None) -> Tensor:
    r"""Set each entry to zero with probability p, and enlarge those that stay.

    .. math:: y = \frac{m \odot x}{1 - p}, \qquad m_i \sim \operatorname{Bernoulli}(1 - p)

    The division keeps the expectation, :math:`\mathbb E[y] = x`, so that nothing is left to do in
    evaluation ("inverted" dropout).

    Source: Srivastava et al., 2014.

    Args:
        input: Any shape.
        p: Probability of zero, from 0 to 1.
        training: Whether to drop; else the input is returned.
        generator: Source of the draws; None takes torch's global one.

    Returns:
        The input's shape.

    Raises:
        ValueError: If ``input`` is not floating-point, or p is outside [0, 1].

    >>> dropout(torch.ones(4), p=0.5, generator=torch.Generator().manual_seed(0))
    tensor([0., 2., 0., 0.])
    """
    expect_float("input", input)
    expect(0 <= p <= 1, "p from 0 to 1", p)
    if not training or p == 0:
        return input
    if p == 1:
        return input * 0
    kept = torch.rand(input.shape, generator=generator, device=input.device) >= p
    return input * kept / (1 - p)


class Dropout(nn.Module):
    """Dropout in training mode, nothing in evaluation mode; see :func:`dropout`.

    Args:
        p: Probability of zero, from 0 to 1.

    Raises:
        ValueError: If p is outside [0, 1].

    >>> Dropout(0.5).eval()(torch.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        expect(0 <= p <= 1, "p from 0 to 1", p)
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        """Drop entries of a tensor of any shape."""
        return dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        """Return what ``print`` shows between the brackets."""
        return f"p={self.p}"


def l1_penalty(parameters: Iterable[Tensor]) -> Tensor:
    r"""Return the sum of the sizes of all entries.

    .. math:: \lVert w \rVert_1 = \sum_i |w_i|

    Its gradient, sign(w), pulls every weight to zero with the same force: small ones arrive there.

    Raises:
        ValueError: If there is no tensor, or one is not floating-point.

    >>> l1_penalty([torch.tensor([3.0, -4.0])])
    tensor(7.)
    """
    return sum(w.abs().sum() for w in _floats(parameters))


def l2_penalty(parameters: Iterable[Tensor]) -> Tensor:
    r"""Return half the sum of the squares of all entries.

    .. math:: \tfrac12 \lVert w \rVert_2^2 = \tfrac12 \sum_i w_i^2

    Its gradient is w itself: large weights are pulled hard, small ones hardly. The half makes
    ``loss + decay * l2_penalty(w)`` equal to SGD's ``weight_decay=decay``.

    Raises:
        ValueError: If there is no tensor, or one is not floating-point.

    >>> l2_penalty([torch.tensor([3.0, -4.0])])
    tensor(12.5000)
    """
    return sum(w.square().sum() for w in _floats(parameters)) / 2


def _floats(parameters: Iterable[Tensor]) -> list[Tensor]:
    expect(not isinstance(parameters, Tensor), "a list of tensors", parameters)
    found = [expect_float("each parameter", w) for w in parameters]
    expect(bool(found), "at least one tensor", found)
    return found


class EarlyStopping:
    """Remember the best model, and say when it has not improved for too long.

    Call it once an epoch with the validation loss; stop when it returns True; then ``restore``.

    Source: Prechelt, 1998.

    Args:
        model: The module whose parameters are remembered.
        patience: Epochs without improvement that are allowed.
        min_delta: What counts as improvement: the loss falls by more than this.

    Attributes:
        best: Lowest loss so far.
        epoch: Number of the call that gave it, from 0.

    Raises:
        ValueError: If ``patience`` is not a positive integer, ``min_delta`` is negative, or a loss
            is not a number.

    >>> model = nn.Linear(1, 1)
    >>> stop = EarlyStopping(model, patience=2)
    >>> [stop(loss) for loss in (3.0, 2.0, 2.5, 2.1)]
    [False, False, False, True]
    >>> stop.best, stop.epoch
    (2.0, 1)
    """

    def __init__(self, model: nn.Module, patience: int = 5, min_delta: float = 0.0) -> None:
        whole = isinstance(patience, int) and not isinstance(patience, bool)
        expect(whole and patience >= 1, "patience to be an integer of at least 1", patience)
        expect(min_delta >= 0, "min_delta of at least 0", min_delta)
        self.model, self.patience, self.min_delta = model, patience, min_delta
        self.best, self.epoch, self._calls = float("inf"), -1, 0
        self._state = copy.deepcopy(model.state_dict())

    def __call__(self, loss: float) -> bool:
        """Take in the loss of an epoch; return whether to stop."""
        value = float(loss)
        expect(value == value, "a loss that is a number", loss)
        if value < self.best - self.min_delta or self.epoch < 0:
            self.best, self.epoch = value, self._calls
            self._state = copy.deepcopy(self.model.state_dict())
        self._calls += 1
        return self._calls - 1 - self.epoch >= self.patience

    def restore(self) -> None:
        """Give the model the parameters of its best epoch."""
        self.model.load_state_dict(self._state)
