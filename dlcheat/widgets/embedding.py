"""The embedding: points that a triplet loss, a pair loss or InfoNCE pulls and pushes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import traitlets
from torch import Tensor

from dlcheat import losses
from dlcheat.validation import expect, expect_count
from dlcheat.widgets.base import BookWidget

MODES = ("triplet", "contrastive", "info_nce")
RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
TEMPERATURES = (0.05, 0.07, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0)
#: Most negatives of InfoNCE, and how far out a point may lie.
NEGATIVES, LIMIT = 6, 20.0
#: Where the points stand at first: anchor, positive, negative; a pair; query, key, other keys.
TRIPLET = ((-0.5, -0.2), (0.7, 0.3), (-0.1, 0.9))
PAIR = ((-0.1, -0.1), (0.2, 0.1))
ANGLES = (90.0, 30.0, 120.0, 170.0, -40.0, 55.0, -110.0, -160.0)


class EmbeddingStep(NamedTuple):
    """One step of gradient descent on the points.

    Attributes:
        loss: Before the step.
        gradients: Of the loss in each point, shape (K, 2); in each angle in radians, shape (K,).
        points: After the step, of the same shape; angles in degrees, from −180 to 180.
    """

    loss: float
    gradients: Tensor
    points: Tensor


def on_circle(angles: Tensor) -> Tensor:
    """Return the points of the unit circle at these angles.

    Args:
        angles: In degrees, shape (K,).

    Returns:
        Shape (K, 2).

    >>> on_circle(torch.tensor([0.0, 90.0])).round()
    tensor([[1., 0.],
            [-0., 1.]])
    """
    radians = angles.deg2rad()
    return torch.stack([radians.cos(), radians.sin()], 1)


def loss_of(mode: str, points: Tensor, *, margin: float = 0.5, squared: bool = False,
            similar: bool = False, temperature: float = 0.2) -> Tensor:
    """Return the loss of a handful of points, by dlcheat's own functions.

    Args:
        mode: One of ``MODES``.
        points: Anchor, positive and negative, shape (3, 2); or a pair, shape (2, 2); or query,
            its key and other keys, shape (K, 2) with K of at least 3.
        margin: Of triplets and dissimilar pairs.
        squared: Whether a triplet's distances are squared.
        similar: Whether the pair is a similar one.
        temperature: τ of InfoNCE.

    Returns:
        A scalar.

    Raises:
        ValueError: If there is no such mode, or the points are not as many as it has.

    >>> loss_of("triplet", torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.2]]))
    tensor(0.3000)
    """
    expect(mode in MODES, f"one of {', '.join(MODES)}", mode)
    count = {"triplet": "3", "contrastive": "2", "info_nce": "at least 3"}[mode]
    right = len(points) >= 3 if mode == "info_nce" else len(points) == int(count)
    expect(points.ndim == 2 and points.shape[1] == 2 and right, f"{count} points, two numbers each",
           points)
    if mode == "triplet":
        if squared:
            return losses.squared_triplet_loss(*points, margin=margin)
        return losses.triplet_margin_loss(*points, margin=margin, eps=0.0)
    if mode == "contrastive":
        return losses.contrastive_loss(*points, torch.tensor(int(similar)), margin)
    keys = points[1:]                                            # (K, 2), its own key first
    return losses.info_nce(points[:1].expand_as(keys), keys, temperature, reduction="none")[0]


def embedding_step(mode: str, points: Sequence[Any] | Tensor, lr: float = 0.02,
                   **options: Any) -> EmbeddingStep:
    """Return loss, gradients and the points after one step of gradient descent.

    Args:
        mode: One of ``MODES``.
        points: As in :func:`loss_of`; for InfoNCE angles in degrees, shape (K,).
        lr: Learning rate; angles are moved by it times the gradient in radians.
        **options: As in :func:`loss_of`.

    Raises:
        ValueError: If there is no such mode, or the points are not as many as it has.

    >>> embedding_step("contrastive", [[0.0, 0.0], [1.0, 0.0]], 0.1, similar=True).points.tolist()
    [[0.1, 0.0], [0.9, 0.0]]
    """
    start = torch.as_tensor(points, dtype=torch.float64)
    if mode != "info_nce":
        at = start.clone().requires_grad_()
        loss = loss_of(mode, at, **options)
        g, = torch.autograd.grad(loss, at)
        return EmbeddingStep(loss.item(), g, start - lr * g)
    expect(start.ndim == 1, "angles of shape (K,)", start)
    at = start.deg2rad().requires_grad_()
    loss = loss_of(mode, on_circle(at.rad2deg()), **options)
    g, = torch.autograd.grad(loss, at)
    moved = start - lr * g.rad2deg()
    return EmbeddingStep(loss.item(), g, (moved + 180).remainder(360) - 180)


def kind_of(points: Sequence[Any] | Tensor, margin: float = 0.5, squared: bool = False) -> str:
    """Return what a triplet is: hard, semi-hard or easy.

    It is hard where the negative is not farther from the anchor than the positive, easy where the
    margin is kept and the loss is 0, and semi-hard between.

    Args:
        points: Anchor, positive and negative, shape (3, 2).
        margin: m, or α where the distances are squared.
        squared: Whether they are.

    Source: Schroff, Kalenichenko and Philbin (2015), for the name semi-hard.

    >>> [kind_of([[0, 0], [1, 0], [0, far]]) for far in (0.9, 1.2, 1.5)]
    ['hard', 'semi-hard', 'easy']
    """
    a, p, n = torch.as_tensor(points, dtype=torch.float64)
    near, far = (a - p).square().sum(), (a - n).square().sum()
    if not squared:
        near, far = near.sqrt(), far.sqrt()
    return "hard" if far <= near else "easy" if near - far + margin <= 0 else "semi-hard"


def _plane(points: Sequence[Sequence[float]]) -> Any:
    """Return a trait: as many points of the plane as these."""
    point = traitlets.List(traitlets.Float(min=-LIMIT, max=LIMIT), minlen=2, maxlen=2)
    return traitlets.List(point, [list(p) for p in points], minlen=len(points), maxlen=len(points))


class Embedding(BookWidget, front="embedding"):
    """Points that the reader drags and that a loss moves: a triplet, a pair, or keys on a circle.

    The front end computes :func:`embedding_step`; a test compares both on hundreds of points.

    Attributes:
        mode: One of ``MODES``.
        triplet: Anchor, positive, negative.
        pair: Two points.
        angles: In degrees: query, its key, and six other keys, of which ``negatives`` are used.
        negatives: How many.
        margin: Of triplets and dissimilar pairs.
        squared: Whether a triplet's distances are squared.
        similar: Whether the pair is a similar one.
        temperature: τ of InfoNCE, one of ``TEMPERATURES``.
        lr: Learning rate, one of ``RATES``.
        steps: Steps since the points were last placed.

    Raises:
        traitlets.TraitError: If a trait gets a value that it cannot hold.

    >>> widget = Embedding()
    >>> round(widget.look().loss, 3), widget.kind()
    (0.63, 'hard')
    >>> round(widget.train(40).loss, 3), widget.kind()
    (0.0, 'easy')
    """

    title = traitlets.Unicode("Points that a loss moves").tag(sync=True)
    mode = traitlets.Enum(MODES, "triplet").tag(sync=True)
    triplet = _plane(TRIPLET).tag(sync=True)
    pair = _plane(PAIR).tag(sync=True)
    angles = traitlets.List(traitlets.Float(min=-360, max=360), list(ANGLES), minlen=len(ANGLES),
                            maxlen=len(ANGLES)).tag(sync=True)
    negatives = traitlets.Int(4, min=1, max=NEGATIVES).tag(sync=True)
    margin = traitlets.Float(0.5, min=0.1, max=2).tag(sync=True)
    squared = traitlets.Bool(False).tag(sync=True)
    similar = traitlets.Bool(False).tag(sync=True)
    temperature = traitlets.Enum(TEMPERATURES, 0.2).tag(sync=True)
    lr = traitlets.Enum(RATES, 0.02).tag(sync=True)
    steps = traitlets.Int(0, min=0).tag(sync=True)

    @traitlets.validate("angles", "triplet", "pair")
    def _check_finite(self, proposal: dict[str, Any]) -> list[Any]:
        if not torch.tensor(proposal["value"]).isfinite().all():
            raise traitlets.TraitError(f"expected finite points, received {proposal['value']!r}")
        return proposal["value"]

    def points(self) -> list[Any]:
        """Return what the present loss sees: points, or angles in degrees."""
        if self.mode == "info_nce":
            return self.angles[:2 + self.negatives]
        return self.triplet if self.mode == "triplet" else self.pair

    def look(self) -> EmbeddingStep:
        """Return loss, gradients and the points after one more step; nothing moves."""
        return embedding_step(self.mode, self.points(), self.lr, margin=self.margin,
                              squared=self.squared, similar=self.similar,
                              temperature=self.temperature)

    def kind(self) -> str:
        """Return what the triplet is: hard, semi-hard or easy."""
        return kind_of(self.triplet, self.margin, self.squared)

    def probabilities(self) -> Tensor:
        """Return InfoNCE's softmax over the keys, its own key first, shape (1 + negatives,)."""
        at = on_circle(torch.tensor(self.angles[:2 + self.negatives], dtype=torch.float64))
        return (at[1:] @ at[0] / self.temperature).softmax(0)

    def train(self, steps: int = 1) -> EmbeddingStep:
        """Move the points by gradient descent, and return the look at them then.

        Args:
            steps: At least 1.

        Raises:
            ValueError: If ``steps`` is below 1.
        """
        expect_count("steps", steps)
        for _ in range(steps):
            moved = self.look().points.tolist()
            if self.mode == "info_nce":
                self.angles = [*moved, *self.angles[len(moved):]]
            else:
                setattr(self, "triplet" if self.mode == "triplet" else "pair", moved)
        self.steps += steps
        return self.look()
