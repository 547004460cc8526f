"""Regularisation: what keeps a network from learning its training set by heart."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
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


def soft_threshold(input: Tensor, threshold: float) -> Tensor:
    r"""Move each entry towards zero by ``threshold``, and stop there.

    .. math:: S_t(x) = \operatorname{sign}(x) \max(|x| - t, 0)

    It is the minimum of :math:`\frac12 (w - x)^2 + t |w|`, the step that an L1 penalty asks for;
    torch calls it ``softshrink``.

    Source: Donoho, 1995.

    Args:
        input: Any shape.
        threshold: t, at least 0.

    Returns:
        The input's shape.

    Raises:
        ValueError: If ``input`` is not floating-point or the threshold negative.

    >>> soft_threshold(torch.tensor([-3.0, 0.5, 2.0]), 1.0)
    tensor([-2.,  0.,  1.])
    """
    expect_float("input", input)
    expect(threshold >= 0, "threshold of at least 0", threshold)
    return input.sign() * (input.abs() - threshold).clamp(min=0)


def elastic_net(X: Tensor, y: Tensor, alpha: float = 1.0, l1_ratio: float = 0.5, *,
                start: Tensor | None = None, tol: float = 1e-10,
                max_iter: int = 10_000) -> Tensor:
    r"""Return the weights of linear regression with an L1 and an L2 penalty.

    .. math:: \min_w \frac{1}{2N} \lVert Xw - y \rVert_2^2
       + \alpha \left( \rho \lVert w \rVert_1 + \frac{1 - \rho}{2} \lVert w \rVert_2^2 \right)

    Coordinate descent: with all others held, the best value of one weight is a soft threshold of
    what the data ask for; sweep over the weights until none moves by more than ``tol``.
    ρ = 1 is the lasso, ρ = 0 ridge regression, α = 0 least squares.

    Source: Friedman, Hastie and Tibshirani, 2010; names as in scikit-learn, without an intercept.

    Args:
        X: Inputs, shape (N, D).
        y: Targets, shape (N,).
        alpha: Strength α, at least 0.
        l1_ratio: Share ρ of the L1 penalty, from 0 to 1.
        start: Weights to begin with, shape (D,); None is 0. The solution of a similar strength
            saves sweeps.
        tol: Largest move in the last sweep.
        max_iter: Most sweeps.

    Returns:
        Shape (D,).

    Raises:
        ValueError: If shapes or types do not match, or a number is out of range.

    >>> elastic_net(torch.eye(2), torch.tensor([3.0, 0.5]), alpha=0.5, l1_ratio=1.0)
    tensor([2., 0.])
    """
    expect(expect_float("X", X).ndim == 2 and X.numel() > 0, "X of shape (N, D)", X)
    expect_float("y", y)
    expect(y.shape == X.shape[:1], f"y of shape ({len(X)},)", y)
    expect(alpha >= 0, "alpha of at least 0", alpha)
    expect(0 <= l1_ratio <= 1, "l1_ratio from 0 to 1", l1_ratio)
    expect(tol >= 0 and max_iter >= 1, "tol of at least 0 and max_iter of at least 1",
           (tol, max_iter))
    w = torch.zeros_like(X[0]) if start is None else expect_float("start", start)
    expect(w.shape == X.shape[1:], f"start of shape ({X.shape[1]},)", w)
    gram, left = X.T @ X / len(X), X.T @ (y - X @ w) / len(X)        # (D, D), (D,)
    squares, w = gram.diagonal().tolist(), w.tolist()
    for _ in range(max_iter):
        largest = 0.0
        for j, row in enumerate(gram):
            asked = left[j].item() + squares[j] * w[j]               # by the data
            size = max(abs(asked) - alpha * l1_ratio, 0.0)           # soft threshold
            curvature = squares[j] + alpha * (1 - l1_ratio)
            new = math.copysign(size, asked) / curvature if size else 0.0
            if new != w[j]:
                left.sub_(row, alpha=new - w[j])
                largest, w[j] = max(largest, abs(new - w[j])), new
        if largest <= tol:
            break
    return torch.tensor(w, dtype=X.dtype, device=X.device)


def smooth_labels(target: Tensor, classes: int, label_smoothing: float = 0.1,
                  dtype: torch.dtype = torch.float32) -> Tensor:
    r"""Return class probabilities that are a little less sure than the labels.

    .. math:: q_c = (1 - \epsilon)\,[c = y] + \epsilon / C

    Cross-entropy with these targets is ``cross_entropy(…, label_smoothing=ε)``.

    Source: Szegedy et al., 2016.

    Args:
        target: Class numbers, shape (N,).
        classes: C, at least 1.
        label_smoothing: ε, from 0 to 1.
        dtype: Type of the probabilities.

    Returns:
        Shape (N, C); each row sums to 1.

    Raises:
        ValueError: If the labels are not whole numbers from 0 to C − 1, or ε is outside [0, 1].

    >>> smooth_labels(torch.tensor([1]), classes=4, label_smoothing=0.2)
    tensor([[0.0500, 0.8500, 0.0500, 0.0500]])
    """
    whole = isinstance(target, Tensor) and not target.is_floating_point()
    expect(whole and target.ndim == 1, "whole-number labels of shape (N,)", target)
    expect(classes >= 1, "classes of at least 1", classes)
    expect(0 <= label_smoothing <= 1, "label_smoothing from 0 to 1", label_smoothing)
    inside = (target >= 0) & (target < classes)
    expect(bool(inside.all()), f"labels from 0 to {classes - 1}", target)
    hard = F.one_hot(target.long(), classes).to(dtype)
    return (1 - label_smoothing) * hard + label_smoothing / classes


def augment(images: Tensor, *, turn: float = 0.2, zoom: float = 0.1,
            shear: float = 0.1, reach: float = 2.0,
            generator: torch.Generator | None = None) -> Tensor:
    """Move, turn, scale and shear every image a little, each by its own random amount.

    Each amount is drawn evenly from minus to plus its limit; pixels between four others are their
    bilinear mean.

    Args:
        images: Shape (N, C, H, W).
        turn: Largest angle, in radians.
        zoom: Largest change of the logarithm of the scale.
        shear: Largest shear, as a share of the height.
        reach: Largest shift, in pixels each way.
        generator: Source of the draws; None takes torch's global one.

    Returns:
        The images' shape; what moves in from outside is 0.

    Raises:
        ValueError: If ``images`` is not a floating-point tensor (N, C, H, W).

    >>> augment(torch.ones(5, 1, 8, 8)).shape
    torch.Size([5, 1, 8, 8])
    """
    is_batch = expect_float("images", images).ndim == 4
    expect(is_batch, "images of shape (N, C, H, W)", images)
    n, _, height, width = images.shape
    limits = torch.tensor([turn, zoom, shear, 2 * reach / width, 2 * reach / height])
    drawn = 2 * torch.rand(n, 5, generator=generator) - 1
    angle, log_scale, slant, right, down = (drawn * limits).T
    cos, sin = log_scale.exp() * angle.cos(), log_scale.exp() * angle.sin()
    across, along = (slant - sin) * (height / width), sin * (width / height)
    rows = [torch.stack([cos, across, right], 1), torch.stack([along, cos, down], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


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

    def __init__(self, model: nn.Module, patience: int = 5,
                 min_delta: float = 0.0) -> None:
        whole = isinstance(patience, int) and not isinstance(patience, bool)
        expect(whole and patience >= 1, "patience to be an integer of at least 1",
               patience)
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
