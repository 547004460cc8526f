"""Points of two classes in the plane, drawn from formulas: what a straight line cannot separate."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from dlcheat.validation import expect

#: All sets lie in the square from −LIMIT to LIMIT, but for rare noise, which is cut there.
LIMIT = 3.0


def _expect_size(n: int, noise: float) -> None:
    whole = isinstance(n, int) and not isinstance(n, bool) and n >= 2
    expect(whole, "n to be an integer of at least 2", n)
    number = isinstance(noise, int | float) and math.isfinite(noise) and noise >= 0
    expect(number, "noise to be a number of at least 0", noise)


def _labels(n: int) -> Tensor:
    """Return n labels 0, 1, 0, 1, …: both classes within one point of each other."""
    return torch.arange(n) % 2


def _finish(points: Tensor, labels: Tensor, noise: float,
            generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    points = points + noise * torch.randn(points.shape, generator=generator, dtype=points.dtype)
    return points.clamp(-LIMIT, LIMIT), labels


def moons(n: int = 200, noise: float = 0.15,
          generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    r"""Draw two half circles that reach into each other.

    .. math:: x = \tfrac32 \left( \pm\cos t \mp \tfrac12,\; \pm\sin t \mp \tfrac14 \right),
       \qquad t \sim U(0, \pi)

    with the upper signs for class 0 and the lower ones for class 1.

    Args:
        n: Number of points N, at least 2; every second one is of class 1.
        noise: Standard deviation of the normal noise on both coordinates.
        generator: Source of the draws; None takes torch's global one.

    Returns:
        Points, shape (N, 2), float64 in −3 … 3; labels 0 and 1, shape (N,), int64.

    Raises:
        ValueError: If ``n`` is no integer of at least 2, or ``noise`` is negative.

    Source: the shape of scikit-learn's ``make_moons``, centred.

    >>> points, labels = moons(6, generator=torch.Generator().manual_seed(0))
    >>> points.shape, labels.tolist()
    (torch.Size([6, 2]), [0, 1, 0, 1, 0, 1])
    """
    _expect_size(n, noise)
    labels = _labels(n)
    t = math.pi * torch.rand(n, generator=generator, dtype=torch.float64)
    sign = 1.0 - 2.0 * labels                                    # (N,): +1 above, −1 below
    arc = torch.stack([t.cos() - 0.5, t.sin() - 0.25], 1)
    return _finish(1.5 * sign[:, None] * arc, labels, noise, generator)


def xor(n: int = 200, noise: float = 0.45,
        generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    r"""Draw four clouds at the corners of a square; opposite corners are of one class.

    .. math:: x = \tfrac32 (a, b), \quad a, b \in \{-1, 1\}, \qquad y = [\,a \neq b\,]

    Args:
        n: Number of points N, at least 2; every second one is of class 1.
        noise: Standard deviation of the normal noise on both coordinates.
        generator: Source of the draws; None takes torch's global one.

    Returns:
        Points, shape (N, 2), float64 in −3 … 3; labels 0 and 1, shape (N,), int64.

    Raises:
        ValueError: If ``n`` is no integer of at least 2, or ``noise`` is negative.

    >>> points, labels = xor(4, noise=0)
    >>> (points[:, 0] * points[:, 1] < 0).long().equal(labels)
    True
    """
    _expect_size(n, noise)
    labels = _labels(n)
    a = 1.0 - 2.0 * ((torch.arange(n) // 2) % 2)                  # the corners in turn
    b = a * (1.0 - 2.0 * labels)
    return _finish(1.5 * torch.stack([a, b], 1).double(), labels, noise, generator)


def rings(n: int = 200, noise: float = 0.2,
          generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    r"""Draw a ring around a smaller one.

    .. math:: x = r\,(\cos t, \sin t), \quad t \sim U(0, 2\pi), \qquad r = 0.7 + 1.5\,y

    Args:
        n: Number of points N, at least 2; every second one is of class 1, outside.
        noise: Standard deviation of the normal noise on both coordinates.
        generator: Source of the draws; None takes torch's global one.

    Returns:
        Points, shape (N, 2), float64 in −3 … 3; labels 0 and 1, shape (N,), int64.

    Raises:
        ValueError: If ``n`` is no integer of at least 2, or ``noise`` is negative.

    >>> points, labels = rings(50, noise=0)
    >>> bool(((points.norm(dim=1) > 1.5).long() == labels).all())
    True
    """
    _expect_size(n, noise)
    labels = _labels(n)
    t = 2 * math.pi * torch.rand(n, generator=generator, dtype=torch.float64)
    radius = 0.7 + 1.5 * labels
    return _finish(torch.stack([radius * t.cos(), radius * t.sin()], 1), labels, noise, generator)


def spirals(n: int = 200, noise: float = 0.08,
            generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    r"""Draw two arms that wind around each other, one full turn.

    .. math:: x = \pm r\,(\cos t, \sin t), \quad r = 0.3 + 2.3\,u, \quad t = 2\pi u,
       \qquad u \sim U(0, 1)

    Args:
        n: Number of points N, at least 2; every second one is of class 1, the minus sign.
        noise: Standard deviation of the normal noise on both coordinates.
        generator: Source of the draws; None takes torch's global one.

    Returns:
        Points, shape (N, 2), float64 in −3 … 3; labels 0 and 1, shape (N,), int64.

    Raises:
        ValueError: If ``n`` is no integer of at least 2, or ``noise`` is negative.

    >>> points, labels = spirals(50, noise=0)
    >>> bool(((points.norm(dim=1) >= 0.3) & (points.norm(dim=1) <= 2.6)).all())
    True
    """
    _expect_size(n, noise)
    labels = _labels(n)
    u = torch.rand(n, generator=generator, dtype=torch.float64)
    radius = (0.3 + 2.3 * u) * (1.0 - 2.0 * labels)
    t = 2 * math.pi * u
    return _finish(torch.stack([radius * t.cos(), radius * t.sin()], 1), labels, noise, generator)


#: Every set of this module by its name.
POINTS: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {
    "moons": moons, "xor": xor, "rings": rings, "spirals": spirals}
