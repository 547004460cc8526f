"""Regularisation: against torch, scikit-learn, and what each method promises."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet, Lasso, Ridge
from torch import nn

from dlcheat.datasets import mnist
from dlcheat.regularization import (
    Dropout,
    EarlyStopping,
    augment,
    dropout,
    elastic_net,
    l1_penalty,
    l2_penalty,
    smooth_labels,
    soft_threshold,
)
from tests.compare import assert_same, shapes, tensors


@given(shape=shapes(1, 4, 30), p=st.floats(0, 0.95), seed=st.integers(0, 99))
def test_dropout_drops_or_enlarges(shape, p, seed):
    x = torch.rand(shape, dtype=torch.float64).add(0.5).requires_grad_()
    y = dropout(x, p, generator=torch.Generator().manual_seed(seed))
    factor = y / x
    stays = factor != 0
    torch.testing.assert_close(factor[stays], torch.full_like(factor[stays], 1 / (1 - p)))
    y.sum().backward()
    torch.testing.assert_close(x.grad, factor.detach())            # the same units, the same factor


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean_and_drops_its_share(p):
    n = 200_000
    y = dropout(torch.ones(n), p, generator=torch.Generator().manual_seed(0))
    deviation = (p / (1 - p) / n) ** 0.5                         # of the mean of y
    assert abs(y.mean() - 1) < 4 * deviation
    assert abs((y == 0).float().mean() - p) < 4 * (p * (1 - p) / n) ** 0.5


def test_dropout_at_the_ends_and_in_evaluation():
    x = torch.randn(5)
    assert dropout(x, 0.0) is x and dropout(x, 0.5, training=False) is x
    assert (dropout(x, 1.0) == 0).all()
    layer, theirs = Dropout(0.3), nn.Dropout(0.3)
    assert (layer(torch.ones(1000)) == 0).any()
    assert torch.equal(layer.eval()(x), theirs.eval()(x))


@given(data=st.data(), rate=st.floats(0.01, 0.5), decay=st.floats(0, 1))
def test_l2_is_sgds_weight_decay(data, rate, decay):
    start = data.draw(tensors(data.draw(shapes(1, 3)), torch.float64))
    ours, theirs = (start.clone().requires_grad_() for _ in range(2))
    for w, penalised in ((ours, True), (theirs, False)):
        optimizer = torch.optim.SGD([w], lr=rate, weight_decay=0 if penalised else decay)
        for _ in range(3):
            loss = (w.sin()).sum() + (decay * l2_penalty([w]) if penalised else 0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


@given(data=st.data())
def test_penalties_are_norms(data):
    tensors_ = [data.draw(tensors(data.draw(shapes(1, 3)), torch.float64)) for _ in range(3)]
    flat = torch.cat([t.flatten() for t in tensors_])
    torch.testing.assert_close(l1_penalty(tensors_), flat.norm(1))
    torch.testing.assert_close(l2_penalty(iter(tensors_)), flat.norm() ** 2 / 2)


def test_l1_sends_small_weights_to_zero_and_l2_does_not():
    target = torch.tensor([2.0, 0.05])
    for penalty, expected in ((l1_penalty, [1.9, 0.0]), (l2_penalty, [2 / 1.1, 0.05 / 1.1])):
        w = torch.zeros(2, requires_grad=True)
        for _ in range(4000):
            loss = ((w - target) ** 2).sum() / 2 + 0.1 * penalty([w])
            loss.backward()
            with torch.no_grad():
                w -= 0.005 * w.grad
                w.grad = None
        torch.testing.assert_close(w.detach(), torch.tensor(expected), atol=1e-3, rtol=0)


@given(data=st.data(), threshold=st.floats(0, 2))
def test_soft_threshold_is_softshrink(data, threshold):
    x = data.draw(tensors(data.draw(shapes(1, 3)), torch.float64))
    assert_same(lambda x: soft_threshold(x, threshold), lambda x: F.softshrink(x, threshold), x)


@given(x=st.floats(-3, 3), t=st.floats(0, 2))
def test_soft_threshold_is_the_minimum(x, t):
    best = soft_threshold(torch.tensor(x, dtype=torch.float64), t)
    around = best + torch.linspace(-1, 1, 201, dtype=torch.float64)
    cost = (around - x) ** 2 / 2 + t * around.abs()
    assert cost.min() >= (best - x) ** 2 / 2 + t * best.abs() - 1e-12


def regression(seed, n=20, d=5):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, d)) @ generator.normal(size=(d, d))
    return X, generator.normal(size=n) * 2 + X[:, 0]


@settings(max_examples=25)
@given(seed=st.integers(0, 999), alpha=st.floats(0.01, 3), ratio=st.floats(0.05, 1))
def test_elastic_net_is_scikit_learns(seed, alpha, ratio):
    X, y = regression(seed)
    theirs = ElasticNet(alpha=alpha, l1_ratio=ratio, fit_intercept=False, tol=1e-13,
                        max_iter=200_000).fit(X, y).coef_
    ours = elastic_net(torch.tensor(X), torch.tensor(y), alpha, ratio, tol=1e-12)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    assert ((ours == 0).numpy() == (theirs == 0)).all()


@settings(max_examples=25)
@given(seed=st.integers(0, 999), alpha=st.floats(0.01, 3))
def test_its_ends_are_lasso_and_ridge(seed, alpha):
    X, y = regression(seed)
    tensors_ = torch.tensor(X), torch.tensor(y)
    ridge = Ridge(alpha=alpha * len(X), fit_intercept=False, solver="cholesky").fit(X, y).coef_
    np.testing.assert_allclose(elastic_net(*tensors_, alpha, 0.0, tol=1e-12), ridge, atol=1e-8)
    lasso = Lasso(alpha=alpha, fit_intercept=False, tol=1e-13, max_iter=200_000).fit(X, y).coef_
    np.testing.assert_allclose(elastic_net(*tensors_, alpha, 1.0, tol=1e-12), lasso, atol=1e-6)


def test_elastic_net_at_the_edges():
    X, y = (torch.tensor(v) for v in regression(0))
    least = torch.linalg.lstsq(X, y[:, None]).solution[:, 0]
    torch.testing.assert_close(elastic_net(X, y, 0.0, 1.0, tol=1e-13), least, atol=1e-8, rtol=0)
    none = (X.T @ y / len(X)).abs().max().item()            # from here on all weights are zero
    assert (elastic_net(X, y, none * 1.001, 1.0) == 0).all()
    assert (elastic_net(X, y, none * 0.999, 1.0) != 0).sum() == 1
    empty = torch.cat([X, torch.zeros(len(X), 1, dtype=X.dtype)], 1)
    assert elastic_net(empty, y, 0.0, 1.0)[-1] == 0          # a column of zeros says nothing


@settings(max_examples=25)
@given(seed=st.integers(0, 999), alpha=st.floats(0.01, 3), ratio=st.floats(0, 1))
def test_elastic_net_ends_where_it_ends_from_any_start(seed, alpha, ratio):
    X, y = (torch.tensor(v) for v in regression(seed))
    begun = torch.randn(5, generator=torch.Generator().manual_seed(seed)).double()
    kept, end = begun.clone(), elastic_net(X, y, alpha, ratio, tol=1e-12)
    from_there = elastic_net(X, y, alpha, ratio, start=begun, tol=1e-12)
    torch.testing.assert_close(from_there, end, rtol=0, atol=1e-7)
    assert ((from_there == 0) == (end == 0)).all()
    assert torch.equal(begun, kept)                          # the start is not written over


def test_elastic_net_from_its_solution_needs_one_sweep():
    X, y = (torch.tensor(v) for v in regression(1))
    end = elastic_net(X, y, 0.1, 0.5, tol=1e-13)
    again = elastic_net(X, y, 0.1, 0.5, start=end, max_iter=1)
    torch.testing.assert_close(again, end, rtol=0, atol=1e-11)
    from_zero = elastic_net(X, y, 0.1, 0.5, max_iter=1)
    assert (from_zero - end).abs().max() > 1e-3


def test_elastic_net_keeps_type_and_precision():
    X, y = (torch.tensor(v) for v in regression(2))
    single = elastic_net(X.float(), y.float(), 0.1, 0.5)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single, elastic_net(X, y, 0.1, 0.5).float(), rtol=1e-3, atol=1e-3)


@given(data=st.data(), n=st.integers(1, 6), classes=st.integers(1, 5), epsilon=st.floats(0, 1))
def test_smooth_labels_is_torchs_label_smoothing(data, n, classes, epsilon):
    target = torch.tensor(data.draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n)))
    scores = data.draw(tensors((n, classes), torch.float64))
    smoothed = smooth_labels(target, classes, epsilon, torch.float64)
    assert_same(lambda z: F.cross_entropy(z, smoothed),
                lambda z: F.cross_entropy(z, target, label_smoothing=epsilon), scores)
    torch.testing.assert_close(smoothed.sum(1), torch.ones(n, dtype=torch.float64))
    assert smooth_labels(target, classes).dtype == torch.float32


def test_augment_without_limits_changes_nothing():
    images = torch.rand(4, 1, 9, 7)
    still = augment(images, turn=0, zoom=0, shear=0, reach=0)
    torch.testing.assert_close(still, images, rtol=0, atol=2e-6)


def test_augment_turns_images_that_are_not_square():
    """Turned by a quarter of the circle, a line along the width stands upright, as long as it was."""
    images = torch.zeros(1, 1, 21, 41)
    images[0, 0, 10, 14:27] = 1                              # 13 pixels around the middle
    for seed in range(50):
        generator = torch.Generator().manual_seed(seed)
        amount = 2 * torch.rand(1, 5, generator=generator)[0, 0].item() - 1
        generator.manual_seed(seed)
        turned = augment(images, turn=math.pi / 2 / amount, zoom=0, shear=0, reach=0,
                         generator=generator)
        torch.testing.assert_close(turned[0, 0, 4:17, 20], torch.ones(13), rtol=0, atol=1e-4)
        assert turned.sum() == pytest.approx(13, abs=1e-3)


def test_augment_moves_each_image_by_its_own_amount():
    images = mnist().train_images[:1].repeat(32, 1, 1, 1)
    first, again, other = (augment(images, generator=torch.Generator().manual_seed(s))
                           for s in (0, 0, 1))
    assert (first[1:] - first[:1]).abs().amax((1, 2, 3)).min() > 0.05
    assert first.min() >= 0 and first.max() <= 1 + 1e-6
    assert torch.equal(first, again) and not torch.equal(first, other)


@given(losses=st.lists(st.floats(0, 10), min_size=1, max_size=30), patience=st.integers(1, 5),
       delta=st.sampled_from([0.0, 0.5]))
def test_early_stopping_restores_the_best_epoch(losses, patience, delta):
    model = nn.Linear(1, 1)
    stop = EarlyStopping(model, patience, delta)
    best, at, stopped = float("inf"), -1, None
    for epoch, loss in enumerate(losses):
        with torch.no_grad():
            model.weight.fill_(float(epoch))
        if at < 0 or loss < best - delta:
            best, at = loss, epoch
        said = stop(loss)
        assert said == (epoch - at >= patience)
        if said:
            stopped = epoch
            break
    assert (stop.best, stop.epoch) == (best, at)
    stop.restore()
    assert model.weight.item() == at
    assert stopped is None or stopped - at == patience


@pytest.mark.parametrize(("call", "message"), [
    (lambda: dropout(torch.ones(2), 1.5), "p from 0 to 1, received float 1.5"),
    (lambda: dropout(torch.ones(2), float("nan")), "p from 0 to 1"),
    (lambda: dropout(torch.ones(2).long()), "floating-point tensor, received an int64"),
    (lambda: Dropout(-0.1), "p from 0 to 1"),
    (lambda: l1_penalty([]), "at least one tensor"),
    (lambda: l2_penalty(torch.ones(2)), "a list of tensors, received a float32 tensor"),
    (lambda: l2_penalty([torch.ones(2).long()]), "each parameter to be a floating-point"),
    (lambda: EarlyStopping(nn.Linear(1, 1), 0), "patience to be an integer of at least 1"),
    (lambda: EarlyStopping(nn.Linear(1, 1), 1, -1.0), "min_delta of at least 0"),
    (lambda: EarlyStopping(nn.Linear(1, 1))(float("nan")), "a loss that is a number"),
    (lambda: soft_threshold(torch.zeros(2), -1.0), "threshold of at least 0, received"),
    (lambda: elastic_net(torch.zeros(2), torch.zeros(2)), r"X of shape \(N, D\)"),
    (lambda: elastic_net(torch.zeros(3, 2), torch.zeros(2)), r"y of shape \(3,\)"),
    (lambda: elastic_net(torch.zeros(3, 2), torch.zeros(3), alpha=-1), "alpha of at least 0"),
    (lambda: elastic_net(torch.zeros(3, 2), torch.zeros(3), l1_ratio=2), "l1_ratio from 0 to 1"),
    (lambda: elastic_net(torch.zeros(3, 2), torch.zeros(3), max_iter=0), "max_iter of at least 1"),
    (lambda: elastic_net(torch.zeros(3, 2), torch.zeros(3), start=torch.zeros(3)),
     r"start of shape \(2,\), received a float32 tensor of shape \(3,\)"),
    (lambda: elastic_net(torch.zeros(3, 2), torch.zeros(3), start=torch.zeros(2).long()),
     "start to be a floating-point tensor"),
    (lambda: smooth_labels(torch.zeros(2), 3), "whole-number labels"),
    (lambda: smooth_labels(torch.tensor([3]), 3), "labels from 0 to 2"),
    (lambda: smooth_labels(torch.tensor([0]), 3, 1.5), "label_smoothing from 0 to 1"),
    (lambda: augment(torch.zeros(28, 28)), r"images of shape \(N, C, H, W\)"),
    (lambda: augment(torch.zeros(1, 1, 4, 4).long()), "images to be a floating-point tensor"),
])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=f"expected .*{message}"):
        call()
