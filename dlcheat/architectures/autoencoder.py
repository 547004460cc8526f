"""Autoencoders, the PCA they generalise, and the ROC curve that judges them as detectors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dlcheat.validation import expect, expect_float, expect_same_shape


def mlp(sizes: Sequence[int]) -> list[nn.Module]:
    """Return linear layers from size to size with a ReLU between each two.

    Args:
        sizes: Features at the input, at each hidden layer and at the output.

    Raises:
        ValueError: If there are fewer than two sizes, or one is not a positive integer.

    >>> mlp([3, 2, 1])
    [Linear(in_features=3, out_features=2, bias=True), ReLU(), \
Linear(in_features=2, out_features=1, bias=True)]
    """
    sizes = tuple(sizes)
    ok = len(sizes) >= 2 and all(isinstance(s, int) and s >= 1 for s in sizes)
    expect(ok, "at least two sizes, each an integer of at least 1", sizes)
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return layers[:-1]


class Autoencoder(nn.Module):
    r"""An encoder to a bottleneck and a decoder back.

    .. math:: z = f_\phi(x), \qquad x' = g_\theta(z)

    With no hidden layer it is the cheat sheet's: ``Linear, ReLU`` and
    ``Linear, Sigmoid``. With hidden layers the decoder mirrors the encoder, and
    the code itself is linear, so that it may take any real value.

    Args:
        in_features: Features D of an input.
        bottleneck: Features d of the code.
        hidden: Sizes of the encoder's hidden layers, from the input inwards.

    Raises:
        ValueError: If a size is not a positive integer.

    Source: Hinton and Salakhutdinov (2006).

    >>> sum(p.numel() for p in Autoencoder().parameters())       # 784-128-784
    201616
    >>> Autoencoder(784, 2, hidden=(128,)).encode(torch.zeros(5, 784)).shape
    torch.Size([5, 2])
    """

    def __init__(self, in_features: int = 784, bottleneck: int = 128,
                 hidden: Sequence[int] = ()) -> None:
        super().__init__()
        sizes = (in_features, *hidden, bottleneck)
        activation = [] if hidden else [nn.ReLU()]
        self.encoder = nn.Sequential(*mlp(sizes), *activation)
        self.decoder = nn.Sequential(*mlp(sizes[::-1]), nn.Sigmoid())

    def encode(self, x: Tensor) -> Tensor:
        """Map inputs (N, D) to codes (N, d)."""
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """Map codes (N, d) to reconstructions (N, D) in (0, 1)."""
        return self.decoder(z)

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs (N, D) to reconstructions (N, D)."""
        return self.decode(self.encode(x))


class LinearAutoencoder(Autoencoder):
    r"""An autoencoder without non-linearity: :math:`x' = W_2 (W_1 x + b_1) + b_2`.

    Args:
        in_features: Features D of an input.
        bottleneck: Features d of the code.

    Raises:
        ValueError: If a size is not a positive integer.

    Source: Baldi and Hornik (1989).

    >>> LinearAutoencoder(10, 3)(torch.zeros(2, 10)).shape
    torch.Size([2, 10])
    """

    def __init__(self, in_features: int, bottleneck: int) -> None:
        super().__init__(in_features, bottleneck)
        self.encoder, self.decoder = self.encoder[0], self.decoder[0]


def squared_error(x: Tensor, reconstruction: Tensor) -> Tensor:
    r"""Return each row's reconstruction error, summed over its features.

    .. math:: \lVert x - x' \rVert^2 = \sum_{j=1}^{D} (x_j - x'_j)^2

    Args:
        x: Shape (N, …).
        reconstruction: The same shape.

    Returns:
        Shape (N,).

    Raises:
        ValueError: If the shapes differ, or a tensor is empty or not of floats.

    >>> squared_error(torch.ones(2, 4), torch.zeros(2, 4))
    tensor([4., 4.])
    """
    expect_float("x", x)
    expect_float("reconstruction", reconstruction)
    expect_same_shape("x", x, "reconstruction", reconstruction)
    return (x - reconstruction).square().flatten(1).sum(1)


class PCA(NamedTuple):
    """The principal components of a data set.

    Attributes:
        mean: Shape (D,).
        components: Orthonormal rows, shape (d, D), by falling variance.
        variance: Variance along each component, shape (d,).
    """

    mean: Tensor
    components: Tensor
    variance: Tensor

    def encode(self, x: Tensor) -> Tensor:
        """Map inputs (N, D) to scores (N, d)."""
        return (x - self.mean) @ self.components.T

    def decode(self, z: Tensor) -> Tensor:
        """Map scores (N, d) to the subspace, (N, D)."""
        return z @ self.components + self.mean

    def first(self, components: int) -> PCA:
        """Return the PCA of the first ``components`` of these."""
        ok = isinstance(components, int) and 1 <= components <= len(self.components)
        limit = len(self.components)
        expect(ok, f"components to be an integer in 1 … {limit}", components)
        return PCA(self.mean, self.components[:components], self.variance[:components])

    def __call__(self, x: Tensor) -> Tensor:
        """Project inputs (N, D) on the subspace."""
        return self.decode(self.encode(x))


def pca(data: Tensor, components: int) -> PCA:
    r"""Return the principal components by singular value decomposition.

    .. math:: X - \bar x = U S V^\top, \qquad \text{components} = V_{1 \dots d}^\top

    Args:
        data: Shape (N, D).
        components: Their number d.

    Raises:
        ValueError: If data is not (N, D), or d is not in 1 … min(N, D).

    Source: Eckart and Young (1936).

    >>> line = pca(torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]), 1)
    >>> line.components.abs().round(decimals=3), round(line.variance.item(), 3)
    (tensor([[0.7070, 0.7070]]), 2.0)
    """
    expect_float("data", data)
    expect(data.ndim == 2, "data of shape (N, D)", data)
    limit = min(data.shape)
    ok = isinstance(components, int) and 1 <= components <= limit
    expect(ok, f"components to be an integer in 1 … {limit}", components)
    mean = data.mean(0)
    _, s, vt = torch.linalg.svd(data - mean, full_matrices=False)
    return PCA(mean, vt[:components], s[:components].square() / max(1, len(data) - 1))


def principal_angles(a: Tensor, b: Tensor) -> Tensor:
    r"""Return the angles between two subspaces, from their spanning columns.

    With orthonormal bases Q of each,

    .. math:: \sin\vartheta_i = s_i\bigl((I - Q_a Q_a^\top)\, Q_b\bigr)

    are singular values: all zero exactly where the subspaces are one. The sine is
    used because the cosine cannot resolve small angles.

    Args:
        a: Columns spanning the first subspace, shape (D, d).
        b: Columns spanning the second one, same shape.

    Returns:
        Angles in degrees, shape (d,), the largest first.

    Raises:
        ValueError: If the shapes differ, or d is larger than D.

    Source: Björck and Golub (1973).

    >>> x, y, z = torch.eye(3)
    >>> principal_angles(torch.stack([x, y], 1), torch.stack([x + y, y + z], 1)).round()
    tensor([55.,  0.])
    """
    expect_same_shape("a", expect_float("a", a), "b", expect_float("b", b))
    tall = a.ndim == 2 and a.shape[0] >= a.shape[1]
    expect(tall, "a of shape (D, d) with d ≤ D", a)
    qa, qb = torch.linalg.qr(a)[0], torch.linalg.qr(b)[0]
    sines = torch.linalg.svdvals(qb - qa @ (qa.T @ qb))
    return sines.clamp(max=1).asin().rad2deg()


def psnr(x: Tensor, reconstruction: Tensor) -> float:
    r"""Return the peak signal-to-noise ratio in decibels, for values in [0, 1].

    .. math:: \text{PSNR} = -10 \log_{10} \text{MSE}

    Raises:
        ValueError: If the shapes differ, or a tensor is empty or not of floats.

    >>> round(psnr(torch.zeros(4), torch.full((4,), 0.1)), 6)
    20.0
    """
    expect_same_shape("x", expect_float("x", x), "reconstruction", reconstruction)
    return -10 * (x - reconstruction).square().mean().log10().item()


def _scores_and_labels(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    expect_float("scores", scores)
    expect(scores.ndim == 1, "scores of shape (N,)", scores)
    expect_same_shape("scores", scores, "labels", labels)
    expect(bool(scores.isfinite().all()), "finite scores", scores)
    labels = labels.bool()
    expect(0 < int(labels.sum()) < len(labels), "labels of both kinds, 0 and 1", labels)
    return scores, labels


def roc_curve(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the false and true positive rates of every threshold.

    A row is called positive where its score is at least the threshold.

    Args:
        scores: The higher, the more positive; shape (N,).
        labels: True or 1 where the row is positive; shape (N,).

    Returns:
        False positive rates, true positive rates and thresholds, shape (T,) each,
        the first at threshold infinity; equal scores share one point.

    Raises:
        ValueError: If the shapes differ, or the labels are all of one kind.

    >>> fpr, tpr, _ = roc_curve(torch.tensor([0.9, 0.8, 0.1]), torch.tensor([1, 0, 0]))
    >>> fpr.tolist(), tpr.tolist()
    ([0.0, 0.0, 0.5, 1.0], [0.0, 1.0, 1.0, 1.0])
    """
    scores, labels = _scores_and_labels(scores, labels)
    ordered, order = scores.sort(descending=True)
    hit = labels[order].double()
    last = torch.cat([ordered[1:] != ordered[:-1], torch.tensor([True])])
    zero = torch.zeros(1, dtype=torch.double)
    infinity = ordered.new_full((1,), torch.inf)
    tpr = torch.cat([zero, hit.cumsum(0)[last] / hit.sum()])
    fpr = torch.cat([zero, (1 - hit).cumsum(0)[last] / (1 - hit).sum()])
    return fpr, tpr, torch.cat([infinity, ordered[last]])


def auroc(scores: Tensor, labels: Tensor) -> float:
    r"""Return the area under the ROC curve, as a rank statistic.

    It is the chance that a positive scores above a negative, ties counting half:

    .. math:: \text{AUC} = \frac{\sum_{i \in +} r_i - n_+(n_+ + 1)/2}{n_+ n_-}

    where :math:`r_i` is the (mean) rank of score i among all.

    Args:
        scores: Shape (N,).
        labels: True or 1 where the row is positive; shape (N,).

    Raises:
        ValueError: If the shapes differ, or the labels are all of one kind.

    Source: Mann and Whitney (1947).

    >>> auroc(torch.tensor([0.9, 0.8, 0.8, 0.1]), torch.tensor([1, 1, 0, 0]))
    0.875
    """
    scores, labels = _scores_and_labels(scores, labels)
    _, place, count = scores.unique(return_inverse=True, return_counts=True)
    rank = count.cumsum(0) - (count.double() - 1) / 2         # ties share their mean rank
    positive = int(labels.sum())
    above = rank[place][labels].sum().item() - positive * (positive + 1) / 2
    return above / (positive * (len(labels) - positive))


def linear_loss(encoder: Tensor, decoder: Tensor, covariance: Tensor) -> Tensor:
    r"""Return a linear autoencoder's mean squared distance on all the data at once.

    For centred data with covariance S, and :math:`P = W_2 W_1`,

    .. math:: \frac1N \sum_n \lVert x_n - P x_n \rVert^2
        = \operatorname{tr} S - 2 \operatorname{tr} P S + \operatorname{tr} P S P^\top

    so that a step costs the same for six images as for six thousand.

    Args:
        encoder: W₁, shape (d, D).
        decoder: W₂, shape (D, d).
        covariance: S, the mean of x xᵀ, shape (D, D).

    Raises:
        ValueError: If the shapes do not fit.

    >>> linear_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0], [0.0]]), torch.eye(2)).item()
    1.0
    """
    expect_float("encoder", encoder)
    expect(encoder.ndim == 2, "encoder of shape (d, D)", encoder)
    d, features = encoder.shape
    fits = decoder.shape == (features, d)
    expect(fits, f"decoder of shape ({features}, {d})", decoder)
    fits = covariance.shape == (features, features)
    expect(fits, f"covariance of shape ({features}, {features})", covariance)
    half = encoder @ covariance                                     # W₁ S      (d, D)
    cross = (half * decoder.T).sum()                                # tr P S
    square = ((decoder.T @ decoder) * (half @ encoder.T)).sum()     # tr P S Pᵀ
    return covariance.trace() - 2 * cross + square
