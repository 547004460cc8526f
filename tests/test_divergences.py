"""Divergences against torch and torch.distributions: values, gradients, zeros, bad input."""

import math
import warnings

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Categorical, Independent, Normal
from torch.distributions import kl_divergence as torch_kl

from dlcheat.losses import (
    cross_entropy,
    gaussian_kl,
    gaussian_kl_between,
    kl_div,
    kl_divergence,
)
from tests.compare import assert_near, assert_same, shapes, tensors

DTYPES = [torch.float32, torch.float64]
EVERY = ["none", "mean", "sum", "batchmean"]


@st.composite
def distributions(draw, dtype, low=1):
    """Draw two tensors of scores whose softmax over the last dimension is a distribution."""
    shape, scale = draw(shapes(low, 3)), draw(st.sampled_from([1.0, 30.0]))
    return draw(tensors(shape, dtype, scale)), draw(tensors(shape, dtype, scale))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", EVERY)
@given(data=st.data())
def test_kl_div_equals_torch(dtype, reduction, data):
    a, b = (x.log_softmax(-1) for x in data.draw(distributions(dtype)))
    slack = 4 * torch.finfo(dtype).eps * max(a.abs().max(), b.abs().max()).item()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                          # torch's, of "mean"
        assert_same(lambda x, t: kl_div(x, t, reduction, log_target=True),
                    lambda x, t: F.kl_div(x, t, reduction=reduction, log_target=True), a, b,
                    slack=slack)
        positive = b.exp().clamp(min=1e-30)                      # torch's gradient is NaN at 0
        assert_same(lambda x, t: kl_div(x, t, reduction),
                    lambda x, t: F.kl_div(x, t, reduction=reduction), a, positive, slack=slack)


def test_kl_div_without_dimensions():
    a, b = torch.tensor(-1.0), torch.tensor(0.5)
    assert_near(kl_div(a, b, "batchmean"), F.kl_div(a, b, reduction="batchmean"))


def test_a_target_of_zero_costs_nothing():
    x = torch.tensor([-1.0, -torch.inf, -torch.inf], requires_grad=True)
    for target, flag in ((torch.tensor([0.0, 0.0, 0.5]), False),
                         (torch.tensor([0.0, 0.0, 0.5]).log(), True)):
        loss = kl_div(x, target.requires_grad_(), "none", log_target=flag)
        assert loss.tolist() == [0.0, 0.0, math.inf]
        loss[:2].sum().backward()
        assert x.grad.tolist() == [0, 0, 0] and target.grad.tolist()[:2] == [0, 0]


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_kl_divergence_equals_torch(dtype, data):
    a, b = data.draw(distributions(dtype))
    a, b = a.clamp(-20, 20), b.clamp(-20, 20)                    # else torch rounds log 0
    slack = 500 * torch.finfo(dtype).eps                         # logarithms down to −40
    assert_same(lambda a, b: kl_divergence(a.softmax(-1), b.softmax(-1), "none"),
                lambda a, b: torch_kl(Categorical(logits=a), Categorical(logits=b)), a, b,
                slack=slack)
    p, q = a.softmax(-1), b.softmax(-1)
    rows = p.reshape(-1, p.shape[-1]), q.reshape(-1, q.shape[-1])
    assert_near(kl_divergence(*rows), F.kl_div(rows[1].log(), rows[0], reduction="batchmean"),
                slack=slack)
    assert_near(kl_divergence(p, q, "sum"), F.kl_div(q.log(), p, reduction="sum"), slack=slack)


def test_zeros_of_either_distribution():
    p = torch.tensor([[0.0, 1.0], [0.5, 0.5], [0.0, 1.0]], requires_grad=True)
    q = torch.tensor([[0.5, 0.5], [0.0, 1.0], [0.0, 1.0]], requires_grad=True)
    found = kl_divergence(p, q, "none")
    torch.testing.assert_close(found, torch.tensor([math.log(2), math.inf, 0.0]))
    found[[0, 2]].sum().backward()
    assert p.grad[[0, 2]].isfinite().all() and q.grad[[0, 2]].isfinite().all()
    torch.testing.assert_close(q.grad[0], torch.tensor([0.0, -2.0]))


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_divergence_is_cross_entropy_minus_entropy(dtype, data):
    a, b = data.draw(distributions(dtype, low=2))
    a, b = a.clamp(-5, 5).flatten(0, -2), b.clamp(-5, 5).flatten(0, -2)
    p = a.softmax(-1)
    entropy = Categorical(probs=p).entropy().mean()
    torch.testing.assert_close(kl_divergence(p, b.softmax(-1)),
                               cross_entropy(b, p.clamp(0, 1)) - entropy, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_gaussian_kl_between_equals_torch(dtype, data):
    shape = data.draw(shapes(1, 3))
    parts = [data.draw(tensors(shape, dtype, scale=2.0)) for _ in range(4)]

    def reference(m, v, n, w):
        return torch_kl(*(Independent(Normal(a, (b / 2).exp()), 1) for a, b in ((m, v), (n, w))))

    assert_same(lambda *x: gaussian_kl_between(*x, "none"), reference, *parts)
    assert_near(gaussian_kl_between(*parts), reference(*parts).mean())
    assert_near(gaussian_kl_between(*parts, "sum"), reference(*parts).sum())
    zero = torch.zeros_like(parts[0])
    assert_near(gaussian_kl_between(*parts[:2], zero, zero), gaussian_kl(*parts[:2]))


def test_nearly_equal_gaussians_keep_their_digits():
    zero, small = torch.zeros(1), torch.tensor([1e-4])
    found = gaussian_kl_between(zero, small, zero, zero)
    assert found.item() == pytest.approx((math.expm1(1e-4) - 1e-4) / 2, rel=1e-2)
    assert gaussian_kl_between(zero, zero, zero, zero) == 0
    narrow = torch.full((1,), -100.0)                            # both far narrower than float32's
    assert gaussian_kl_between(zero, narrow, zero, narrow) == 0


X = torch.zeros(4, 3)
P = torch.full((4, 3), 1 / 3)


@pytest.mark.parametrize(("change", "message"), [
    (dict(input=P), "input to be log-probabilities, at most 0, received values up to 0.3333"),
    (dict(input=X * torch.nan), "input to be log-probabilities, .* values up to nan"),
    (dict(target=P + 1), "target to be probabilities .*, received values from 1.333 to 1.333"),
    (dict(target=P.log()), "target to be probabilities .*, received values from -1.099"),
    (dict(target=P, log_target=True), "target to be log-probabilities, at most 0"),
    (dict(target=P[:1]), r"target of the shape of input, \(4, 3\), received .*\(1, 3\)"),
    (dict(input=X.long()), "input to be a floating-point tensor"),
    (dict(input=X[:0], target=X[:0]), "input to have at least one element"),
    (dict(reduction="average"), "reduction .*received str 'average'"),
])
def test_kl_div_refuses(change, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        kl_div(**{"input": P.log(), "target": P, **change})


@pytest.mark.parametrize(("change", "message"), [
    (dict(p=P.log()), "p to be probabilities .*, received values from -1.099"),
    (dict(q=P * 0.9), "rows of q that sum to 1, received one that is off by 0.1"),
    (dict(p=P[:, :2]), r"q of the shape of p, \(4, 2\), received .*\(4, 3\)"),
    (dict(q=P[:1]), r"q of the shape of p, \(4, 3\), received .*\(1, 3\)"),
    (dict(p=torch.tensor(1.0)), r"p of shape \(N, C\) or \(C,\), received .*shape \(\)"),
    (dict(q=P.long()), "q to be a floating-point tensor"),
    (dict(reduction="batchmean"), "reduction .*received str 'batchmean'"),
])
def test_kl_divergence_refuses(change, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        kl_divergence(**{"p": P, "q": P, **change})


@pytest.mark.parametrize(("arguments", "message"), [
    ((X, X, X, X[:1]), r"logvar_p of the shape of mu_q, \(4, 3\), received .*\(1, 3\)"),
    ((X, X[0], X, X), "logvar_q of the shape of mu_q"),
    ((X, X, X.long(), X), "mu_p to be a floating-point tensor, received an int64"),
    ((X.sum(), X.sum(), X.sum(), X.sum()), r"mu_q of shape \(N, D\), received .*shape \(\)"),
    ((X, X, X, X, "batch"), "reduction .*received str 'batch'"),
])
def test_gaussian_kl_between_refuses(arguments, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        gaussian_kl_between(*arguments)
