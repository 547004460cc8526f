"""Autoencoders against the formula and PCA; the ROC curve against scikit-learn."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA as ReferencePCA
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as reference_curve
from torch import nn
from torch.nn import functional as F

from dlcheat.architectures.autoencoder import (
    Autoencoder,
    LinearAutoencoder,
    auroc,
    linear_loss,
    mlp,
    pca,
    principal_angles,
    psnr,
    roc_curve,
    squared_error,
)
from dlcheat.datasets import mnist
from tests.compare import assert_near, assert_same, tensors


class Sheet(nn.Module):
    """The cheat sheet's class, as it stands there."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 128), nn.ReLU())
        self.decoder = nn.Sequential(nn.Linear(128, 784), nn.Sigmoid())

    def forward(self, x):
        return self.decoder(self.encoder(x))


def test_the_sheets_state_dict_fits():
    sheet, ours, x = Sheet(), Autoencoder(784, 128), torch.rand(4, 784)
    ours.load_state_dict(sheet.state_dict())
    assert torch.equal(ours(x), sheet(x))
    assert sum(p.numel() for p in ours.parameters()) == 784 * 128 + 128 + 128 * 784 + 784 == 201_616


@given(st.lists(st.integers(1, 6), min_size=2, max_size=4), st.data())
def test_hidden_layers_are_mirrored(sizes, data):
    features, *hidden, bottleneck = sizes
    model = Autoencoder(features, bottleneck, hidden=hidden)
    x = data.draw(tensors((3, features), scale=3))
    assert model.encode(x).shape == (3, bottleneck)
    assert model(x).shape == x.shape
    assert torch.equal(model(x), model.decode(model.encode(x)))
    assert ((model(x) >= 0) & (model(x) <= 1)).all()
    if not hidden:
        assert (model.encode(x) >= 0).all()
    widths = [m.in_features for m in model.decoder if isinstance(m, nn.Linear)]
    assert widths == [bottleneck, *hidden[::-1]]


def test_forward_is_the_formula_in_value_and_gradient():
    torch.manual_seed(0)
    model = Autoencoder(7, 3, hidden=(5,))
    a, b, c, d = [m for m in model.modules() if isinstance(m, nn.Linear)]

    def formula(x):
        z = b(F.relu(a(x)))
        return torch.sigmoid(d(F.relu(c(z))))

    assert_same(model, formula, torch.randn(4, 7))


def test_linear_autoencoder_is_affine():
    model = LinearAutoencoder(5, 2).double()
    x, y = torch.randn(2, 3, 5, dtype=torch.double).unbind(0)
    torch.testing.assert_close(model((x + y) / 2), (model(x) + model(y)) / 2)


@pytest.mark.parametrize("bad", [(3,), (3, 0), (3, 1.5), ("3", 2)])
def test_bad_sizes(bad):
    with pytest.raises(ValueError, match=r"expected at least two sizes.*received"):
        mlp(bad)


@given(st.integers(1, 5), st.integers(1, 6), st.data())
def test_squared_error_is_the_sum(n, d, data):
    x, y = data.draw(tensors((n, d))), data.draw(tensors((n, d)))
    assert_same(lambda a, b: squared_error(a, b),
                lambda a, b: F.mse_loss(a, b, reduction="none").sum(1), x, y)
    assert_near(squared_error(x, y).mean() / d, F.mse_loss(x, y))


def test_squared_error_flattens_images():
    assert squared_error(torch.ones(2, 1, 3, 3), torch.zeros(2, 1, 3, 3)).tolist() == [9, 9]


@given(st.integers(3, 12), st.integers(2, 6), st.data())
def test_pca_is_scikit_learns(n, d, data):
    x = data.draw(tensors((n, d), dtype=torch.double))
    k = data.draw(st.integers(1, min(n - 1, d)))
    ours, theirs = pca(x, k), ReferencePCA(k, svd_solver="full").fit(x.numpy())
    np.testing.assert_allclose(ours.mean, theirs.mean_, atol=1e-12)
    np.testing.assert_allclose(ours.variance, theirs.explained_variance_, atol=1e-10)
    np.testing.assert_allclose(ours.components.T @ ours.components,
                               theirs.components_.T @ theirs.components_, atol=1e-5)
    np.testing.assert_allclose(ours(x), theirs.inverse_transform(theirs.transform(x.numpy())),
                               atol=1e-5)


def test_the_first_components_are_the_smaller_pca():
    x = torch.randn(20, 6, dtype=torch.double)
    for a, b in zip(pca(x, 5).first(2), pca(x, 2), strict=True):
        torch.testing.assert_close(a, b)


def test_principal_angles_resolve_small_ones():
    x, y, z = torch.eye(3, dtype=torch.double)
    tilt = 1e-7
    angles = principal_angles(torch.stack([x, y], 1), torch.stack([x, y + tilt * z], 1))
    assert angles[0].item() == pytest.approx(np.rad2deg(tilt), rel=1e-6)
    assert angles[1].item() < 1e-12


@given(st.integers(2, 7), st.data())
def test_principal_angles_ignore_the_basis(d, data):
    k = data.draw(st.integers(1, d))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 10**6)))
    a = torch.randn(d, k, dtype=torch.double, generator=generator)
    mix = torch.randn(k, k, dtype=torch.double, generator=generator) + 4 * torch.eye(k)
    assert principal_angles(a, a @ mix).max() < 1e-6


@given(st.integers(1, 4), st.integers(4, 7), st.data())
def test_linear_loss_is_the_mean_squared_distance(k, d, data):
    x = data.draw(tensors((9, d), dtype=torch.double))
    x = x - x.mean(0)
    w1, w2 = data.draw(tensors((k, d), dtype=torch.double)), data.draw(tensors((d, k), dtype=torch.double))
    assert_same(lambda e, g: linear_loss(e, g, x.T @ x / 9),
                lambda e, g: (x - x @ e.T @ g.T).square().sum(1).mean(), w1, w2)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_trained_linear_autoencoder_is_pca(seed):
    torch.manual_seed(seed)
    x = torch.randn(200, 6, dtype=torch.double) * torch.tensor([5.0, 4, 3, 1, 0.5, 0.2])
    x = (x - x.mean(0)) @ torch.linalg.qr(torch.randn(6, 6, dtype=torch.double))[0]
    w1 = (0.1 * torch.randn(3, 6, dtype=torch.double)).requires_grad_()
    w2 = (0.1 * torch.randn(6, 3, dtype=torch.double)).requires_grad_()
    optimizer = torch.optim.LBFGS([w1, w2], max_iter=2000, tolerance_grad=1e-12,
                                  tolerance_change=1e-16, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = linear_loss(w1, w2, x.T @ x / len(x))
        loss.backward()
        return loss

    optimizer.step(closure)
    best = pca(x, 3)
    assert closure().item() == pytest.approx(squared_error(x, best(x)).mean().item(), rel=1e-8)
    assert principal_angles(w2.detach(), best.components.T).max() < 0.01
    torch.testing.assert_close(w2 @ w1, best.components.T @ best.components, atol=1e-4, rtol=0)


def test_psnr():
    assert psnr(torch.zeros(10), torch.full((10,), 0.01)) == pytest.approx(40, abs=1e-4)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=40))
def test_roc_is_scikit_learns_with_ties(rows):
    scores, labels = torch.tensor([float(s) for s, _ in rows]), torch.tensor([b for _, b in rows])
    if labels.all() or not labels.any():
        with pytest.raises(ValueError, match="labels of both kinds"):
            auroc(scores, labels)
        return
    fpr, tpr, thresholds = roc_curve(scores, labels)
    expected = reference_curve(labels, scores, drop_intermediate=False)
    for ours, theirs in zip((fpr, tpr, thresholds), expected, strict=True):
        np.testing.assert_allclose(ours, theirs)
    assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))
    assert auroc(scores, labels) == pytest.approx(torch.trapezoid(tpr, fpr).item())
    pairs = [(p > n) + (p == n) / 2 for p, n in itertools.product(scores[labels], scores[~labels])]
    assert auroc(scores, labels) == pytest.approx(float(sum(pairs)) / len(pairs))
    assert auroc(-scores, labels) == pytest.approx(1 - auroc(scores, labels))


@pytest.mark.parametrize("call, expected", [
    (lambda: auroc(torch.zeros(2, 2), torch.zeros(2, 2)), r"scores of shape \(N,\)"),
    (lambda: auroc(torch.zeros(3), torch.zeros(2)), "labels of the shape of scores"),
    (lambda: auroc(torch.tensor([0.0, torch.nan]), torch.tensor([0, 1])), "finite scores"),
    (lambda: roc_curve(torch.tensor([1, 2]), torch.tensor([0, 1])), "floating-point"),
    (lambda: squared_error(torch.zeros(2, 3), torch.zeros(2, 4)), "reconstruction of the shape of x"),
    (lambda: squared_error(torch.zeros(0, 3), torch.zeros(0, 3)), "at least one element"),
    (lambda: psnr(torch.zeros(3), torch.zeros(3, 1)), "reconstruction of the shape of x"),
    (lambda: pca(torch.zeros(5), 1), r"data of shape \(N, D\)"),
    (lambda: pca(torch.zeros(5, 3), 4), r"integer in 1 … 3"),
    (lambda: pca(torch.randn(5, 3), 2).first(3), r"integer in 1 … 2"),
    (lambda: principal_angles(torch.zeros(2, 3), torch.zeros(2, 3)), "d ≤ D"),
    (lambda: principal_angles(torch.zeros(3, 2), torch.zeros(3, 1)), "b of the shape of a"),
    (lambda: linear_loss(torch.zeros(2, 3), torch.zeros(2, 3), torch.eye(3)), r"decoder of shape \(3, 2\)"),
    (lambda: linear_loss(torch.zeros(2, 3), torch.zeros(3, 2), torch.eye(2)),
     r"covariance of shape \(3, 3\)"),
])
def test_bad_input_is_named(call, expected):
    with pytest.raises(ValueError, match=f"expected .*{expected}.*, received"):
        call()


def test_it_learns_digits():
    torch.manual_seed(0)
    x = mnist().train_images[:256].flatten(1)
    model = Autoencoder(784, 16, hidden=(64,))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(150):
        optimizer.zero_grad()
        loss = squared_error(x, model(x)).mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.6 * squared_error(x, x.mean(0).expand_as(x)).mean().item()
