"""The penalty explorer in Python: its data, its solutions against scikit-learn, its traits."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
import traitlets
from sklearn.linear_model import ElasticNet, Ridge

from dlcheat.regularization import elastic_net
from dlcheat.widgets.penalty import (
    CORRELATION,
    EXPONENTS,
    FEATURES,
    TRUTHS,
    PenaltyExplorer,
    covariance,
    draw_samples,
    normals,
)


def test_normals_are_normal():
    many = normals(7, 100_001)
    assert many.shape == (100_001,) and abs(many.mean()) < 0.013 and abs(many.std() - 1) < 0.01
    assert abs((many ** 4).mean() - 3) < 0.1
    assert torch.equal(normals(7, 5), many[:5])


def test_samples_have_the_covariance_and_the_truth():
    X, y = draw_samples(40_000, 0.5, "all eight", seed=3)
    assert X.shape == (40_000, FEATURES)
    torch.testing.assert_close(X.T @ X / len(X), covariance(), atol=0.03, rtol=0)
    assert covariance()[1, 4] == pytest.approx(CORRELATION ** 3)
    rest = y - X @ torch.tensor(TRUTHS["all eight"], dtype=torch.float64)
    assert abs(rest.std() - 0.5) < 0.01 and abs((rest @ X / len(X)).max()) < 0.02


def test_more_samples_begin_with_the_same_ones():
    for a, b in zip(draw_samples(10, 1.0, "three of eight", 5),
                    draw_samples(60, 1.0, "three of eight", 5), strict=True):
        assert torch.equal(a, b[:10])


@pytest.mark.parametrize("ratio", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("seed", [1, 5, 12])
def test_fit_is_scikit_learns(ratio, seed):
    widget = PenaltyExplorer(l1_ratio=ratio, seed=seed, exponent=-0.7, samples=20)
    X, y = draw_samples(20, widget.noise, widget.truth, seed)
    alpha = 10 ** -0.7
    model = (Ridge(alpha * 20, fit_intercept=False) if ratio == 0 else
             ElasticNet(alpha=alpha, l1_ratio=ratio, fit_intercept=False, tol=1e-13,
                        max_iter=100_000))
    found = widget.fit()
    np.testing.assert_allclose(found.weights, model.fit(X, y).coef_, atol=2e-6)
    assert found.train == pytest.approx(((model.predict(X) - y.numpy()) ** 2).mean(), abs=1e-5)


def test_the_test_error_is_that_of_many_new_samples():
    widget = PenaltyExplorer(noise=1.5, samples=12)
    found = widget.fit()
    X, y = draw_samples(200_000, 1.5, widget.truth, seed=99)
    square = (X @ found.weights - y) ** 2
    assert square.mean().item() == pytest.approx(found.test, abs=4 * square.std().item() / 447)


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_path_is_that_of_solutions_from_zero(ratio):
    widget = PenaltyExplorer(l1_ratio=ratio)
    X, y = draw_samples(14, widget.noise, widget.truth, widget.seed)
    for exponent, found in zip(EXPONENTS, widget.path(), strict=True):
        alone = elastic_net(X, y, 10 ** exponent, ratio, tol=1e-9, max_iter=20_000)
        torch.testing.assert_close(found.weights, alone, rtol=0, atol=1e-6)
        assert ((found.weights == 0) == (alone == 0)).all()


def test_path_passes_through_the_fit():
    widget = PenaltyExplorer(exponent=0.3, samples=30)
    path = widget.path()
    assert len(path) == len(EXPONENTS) == 41
    torch.testing.assert_close(path[EXPONENTS.index(0.3)].weights, widget.fit().weights)
    train = [f.train for f in path]
    assert all(b >= a - 1e-9 for a, b in pairwise(train))


@pytest.mark.parametrize(("state", "message"), [
    ({"exponent": 0.55}, "exponent from -3 to 1 in steps of 0.1"),
    ({"exponent": 1.1}, "exponent from -3 to 1"),
    ({"axes": [2, 2]}, "two different weights, received 2 twice"),
    ({"axes": [0, 2]}, "axes"),
    ({"samples": 9}, "samples"),
    ({"l1_ratio": 1.5}, "l1_ratio"),
    ({"truth": "none"}, "truth"),
])
def test_refused_state(state, message):
    with pytest.raises(traitlets.TraitError, match=message):
        PenaltyExplorer(**state)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: normals(1, 0), "count to be an integer of at least 1"),
    (lambda: draw_samples(0, 1.0, "all eight", 1), "count to be an integer of at least 1"),
    (lambda: draw_samples(5, -1.0, "all eight", 1), "noise of at least 0"),
    (lambda: draw_samples(5, 1.0, "none", 1), "a truth of three of eight, all eight"),
])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        call()
