"""Losses against torch: values, gradients, every reduction, bad input."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Independent, Normal, kl_divergence

from dlcheat.activations import sigmoid
from dlcheat.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    gaussian_kl,
    mse_loss,
    nll_loss,
)
from tests.compare import assert_near, assert_same, shapes, tensors

DTYPES = [torch.float32, torch.float64]
REDUCTIONS = ["none", "mean", "sum"]


@st.composite
def labelled(draw, dtype):
    """Draw (scores, labels, options): (C,), (N, C) or (N, C, d1, …), some labels ignored."""
    classes, ignore = draw(st.integers(1, 5)), draw(st.sampled_from([-100, 0, -1]))
    batch = draw(shapes(0, 4))
    shape = (classes,) if not batch else (batch[0], classes, *batch[1:])
    scores = draw(tensors(shape, dtype, scale=draw(st.sampled_from([1.0, 30.0]))))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    labels = torch.randint(classes, batch, generator=generator)
    options = {"ignore_index": ignore, "reduction": draw(st.sampled_from(REDUCTIONS))}
    if draw(st.booleans()):
        options["weight"] = draw(tensors((classes,), dtype, uniform=True)) + 0.1
    if ignore < 0 and draw(st.booleans()):
        labels = labels.where(torch.rand(batch, generator=generator) < 0.7, ignore)
    if options["reduction"] == "mean" and (labels == ignore).all():
        options["reduction"] = "sum"                             # torch's mean is NaN there
    return scores, labels, options


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=150)
@given(data=st.data())
def test_cross_entropy_equals_torch_on_labels(dtype, data):
    scores, labels, options = data.draw(labelled(dtype))
    options["label_smoothing"] = data.draw(st.sampled_from([0.0, 0.1, 1.0]))
    assert_same(lambda x: cross_entropy(x, labels, **options),
                lambda x: F.cross_entropy(x, labels, **options), scores)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=100)
@given(data=st.data())
def test_cross_entropy_equals_torch_on_probabilities(dtype, data):
    scores, _, options = data.draw(labelled(dtype))
    options["label_smoothing"] = data.draw(st.sampled_from([0.0, 0.1, 1.0]))
    options["ignore_index"] = -100                               # it is for class numbers only
    dim = min(scores.ndim - 1, 1)
    target = data.draw(tensors(tuple(scores.shape), dtype)).softmax(dim)
    assert_same(lambda x, t: cross_entropy(x, t.clamp(0, 1), **options),
                lambda x, t: F.cross_entropy(x, t.clamp(0, 1), **options), scores, target)


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_nll_loss_equals_torch(dtype, data):
    scores, labels, options = data.draw(labelled(dtype))
    log_p = scores.log_softmax(min(scores.ndim - 1, 1))
    assert_same(lambda x: nll_loss(x, labels, **options),
                lambda x: F.nll_loss(x, labels, **options), log_p)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@given(data=st.data())
def test_mse_loss_equals_torch(dtype, reduction, data):
    shape = data.draw(shapes(0, 4))
    x, y = data.draw(tensors(shape, dtype)), data.draw(tensors(shape, dtype))
    assert_same(lambda x, y: mse_loss(x, y, reduction),
                lambda x, y: F.mse_loss(x, y, reduction=reduction), x, y)


def repeatable(draw, shape, dtype):
    """Draw a weight whose shape repeats to the input's."""
    own = tuple(draw(st.sampled_from([1, n])) for n in shape)
    return draw(tensors(own[draw(st.integers(0, len(own))):], dtype, uniform=True)) + 0.1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@given(data=st.data())
def test_binary_cross_entropy_equals_torch(dtype, reduction, data):
    shape = data.draw(shapes(0, 4))
    p = data.draw(tensors(shape, dtype, uniform=True)) * 0.98 + 0.01
    y = data.draw(tensors(shape, dtype, uniform=True))
    y = y.round() if data.draw(st.booleans()) else y
    w = repeatable(data.draw, shape, dtype) if data.draw(st.booleans()) else None
    assert_same(lambda p: binary_cross_entropy(p, y, w, reduction),
                lambda p: F.binary_cross_entropy(p, y, w, reduction=reduction), p)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@given(data=st.data())
def test_binary_cross_entropy_with_logits_equals_torch(dtype, reduction, data):
    shape = data.draw(shapes(0, 4))
    x = data.draw(tensors(shape, dtype, scale=data.draw(st.sampled_from([1.0, 50.0]))))
    y = data.draw(tensors(shape, dtype, uniform=True))
    options = {"reduction": reduction}
    for name in ("weight", "pos_weight"):
        if data.draw(st.booleans()):
            options[name] = repeatable(data.draw, shape, dtype)
    assert_same(lambda x: binary_cross_entropy_with_logits(x, y, **options),
                lambda x: F.binary_cross_entropy_with_logits(x, y, **options), x)


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_gaussian_kl_equals_torch(dtype, data):
    shape = data.draw(shapes(1, 3))
    mu, logvar = data.draw(tensors(shape, dtype)), data.draw(tensors(shape, dtype))

    def reference(mu, logvar):
        q = Independent(Normal(mu, (logvar / 2).exp()), 1)
        return kl_divergence(q, Independent(Normal(torch.zeros_like(mu), torch.ones_like(mu)), 1))

    assert_same(lambda m, v: gaussian_kl(m, v, "none"), reference, mu, logvar)
    assert_near(gaussian_kl(mu, logvar), reference(mu, logvar).mean())
    assert_near(gaussian_kl(mu, logvar, "sum"), reference(mu, logvar).sum())


# edges ---------------------------------------------------------------------------------------

def test_defaults_are_means():
    x, y = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    p, t = torch.rand(4, 3), torch.rand(4, 3)
    assert_near(cross_entropy(x, y), F.cross_entropy(x, y))
    assert_near(nll_loss(x.log_softmax(1), y), F.nll_loss(x.log_softmax(1), y))
    assert_near(mse_loss(p, t), F.mse_loss(p, t))
    assert_near(binary_cross_entropy(p, t), F.binary_cross_entropy(p, t))
    assert_near(binary_cross_entropy_with_logits(x, t), F.binary_cross_entropy_with_logits(x, t))


def test_certain_and_right_or_wrong():
    p, y = torch.tensor([0.0, 1.0, 0.0, 1.0]), torch.tensor([0.0, 1.0, 1.0, 0.0])
    torch.testing.assert_close(binary_cross_entropy(p, y, reduction="none"),
                               F.binary_cross_entropy(p, y, reduction="none"))
    p.requires_grad_()
    binary_cross_entropy(p, y).backward()
    assert p.grad.isfinite().all()


def test_logits_far_out_stay_exact():
    x, y = torch.tensor([1e4, -1e4, 1e4, 0.0]), torch.tensor([0.0, 1.0, 1.0, 1.0])
    assert_same(lambda x: binary_cross_entropy_with_logits(x, y, reduction="none"),
                lambda x: F.binary_cross_entropy_with_logits(x, y, reduction="none"), x)
    labels = torch.tensor([1, 0])
    far = torch.tensor([[1e4, -1e4], [-1e4, 1e4]])
    assert_same(lambda x: cross_entropy(x, labels), lambda x: F.cross_entropy(x, labels), far)


def test_logits_agree_with_probabilities():
    x, y = torch.randn(50, dtype=torch.float64), torch.rand(50, dtype=torch.float64)
    assert_near(binary_cross_entropy_with_logits(x, y), binary_cross_entropy(sigmoid(x), y))


def test_an_ignored_row_is_worth_nothing():
    x, y = torch.randn(3, 4), torch.tensor([1, -100, 2])
    assert_near(cross_entropy(x, y), cross_entropy(x[[0, 2]], y[[0, 2]]))
    x = torch.tensor([[0.0, 1.0], [torch.nan, torch.nan]])
    assert cross_entropy(x, torch.tensor([0, -100])).isfinite()


@settings(max_examples=60)
@given(data=st.data(), classes=st.integers(1, 7))
def test_cross_entropy_is_convex_in_the_scores(data, classes):
    """Gradient ŷ − onehot, which adds up to 0; Hessian diag(ŷ) − ŷŷᵀ, with no eigenvalue below 0."""
    scale = data.draw(st.sampled_from([1.0, 10.0, 300.0]))
    z = data.draw(tensors((classes,), torch.float64, scale=scale)).requires_grad_()
    label = torch.tensor(data.draw(st.integers(0, classes - 1)))
    p = z.detach().softmax(0)
    slope, = torch.autograd.grad(cross_entropy(z, label), z)
    torch.testing.assert_close(slope, p - F.one_hot(label, classes), rtol=0, atol=1e-14)
    assert abs(slope.sum()) < 1e-14
    hessian = torch.autograd.functional.hessian(lambda v: cross_entropy(v, label), z.detach())
    torch.testing.assert_close(hessian, p.diag() - p.outer(p), rtol=0, atol=1e-14)
    assert torch.linalg.eigvalsh(hessian)[0] > -1e-14


@settings(max_examples=60)
@given(data=st.data(), shift=st.sampled_from([-1e6, -3.0, 0.5, 1e6]))
def test_cross_entropy_does_not_see_a_shift(data, shift):
    z = data.draw(tensors((5, 4), torch.float64))
    labels = torch.tensor([0, 1, 2, 3, 0])
    torch.testing.assert_close(cross_entropy(z + shift, labels), cross_entropy(z, labels),
                               rtol=0, atol=1e-9)


@settings(max_examples=60)
@given(data=st.data())
def test_a_class_weight_is_a_number_of_copies(data):
    z = data.draw(tensors((6, 3), torch.float64))
    labels = torch.tensor(data.draw(st.lists(st.integers(0, 2), min_size=6, max_size=6)))
    times = torch.tensor(data.draw(st.lists(st.integers(1, 4), min_size=3, max_size=3)))
    copies = times[labels]
    assert_same(lambda x: cross_entropy(x, labels, weight=times.double()),
                lambda x: F.cross_entropy(x.repeat_interleave(copies, 0),
                                          labels.repeat_interleave(copies)), z)


def test_softmax_twice_cannot_fall_below_1_461():
    perfect = torch.eye(10)                                      # probabilities taken for scores
    best = cross_entropy(perfect, torch.arange(10))
    assert best.item() == pytest.approx(math.log(math.e + 9) - 1, abs=1e-6)
    assert round(best.item(), 3) == 1.461


def test_kl_against_monte_carlo():
    mu, logvar = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.3, -0.7]])
    q, p = Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)
    z = q.sample((200_000,))
    estimate = (q.log_prob(z) - p.log_prob(z)).sum(-1)           # (S, 1)
    error = estimate.std() / len(estimate) ** 0.5
    assert abs(estimate.mean() - gaussian_kl(mu, logvar)) < 5 * error


def test_kl_is_zero_for_the_prior_alone():
    assert gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 3)) == 0
    assert gaussian_kl(torch.full((2, 3), 0.01), torch.zeros(2, 3)) > 0
    assert gaussian_kl(torch.zeros(2, 3), torch.full((2, 3), -0.1)) > 0


# bad input -----------------------------------------------------------------------------------

X, Y = torch.zeros(4, 3), torch.tensor([0, 1, 2, 0])
P = torch.full((4, 3), 0.5)


@pytest.mark.parametrize("loss", [cross_entropy, nll_loss])
@pytest.mark.parametrize(("change", "message"), [
    (dict(input=X.long()), "input to be a floating-point tensor, received an int64"),
    (dict(input=X[:0], target=Y[:0]), r"input to have at least one element, received .*\(0, 3\)"),
    (dict(input=torch.tensor(1.0)), r"input of shape \(N, C\).*received .*shape \(\)"),
    (dict(target=Y[:3]), r"target to be an int64 tensor of shape \(4,\), received .*\(3,\)"),
    (dict(target=Y[:, None]), r"target to be an int64 tensor of shape \(4,\), received .*\(4, 1\)"),
    (dict(target=Y.int()), r"int64 tensor of shape \(4,\), received an int32 tensor"),
    (dict(target=[0, 1, 2, 0]), r"int64 tensor .*received list"),
    (dict(target=Y + 1), "labels in 0 … 2, received the label 3"),
    (dict(target=Y - 1), "labels in 0 … 2, received the label -1"),
    (dict(target=torch.full((4,), -100)), "not all of them ignored, received an int64 tensor"),
    (dict(weight=torch.ones(4)), r"weight of shape \(3,\), one a class, received .*\(4,\)"),
    (dict(weight=torch.ones(3).long()), "weight to be a floating-point tensor, received an int64"),
    (dict(weight=torch.zeros(3)), "total weight above 0"),
    (dict(reduction="average"), "reduction \"none\", \"mean\" or \"sum\", received str 'average'"),
    (dict(reduction=None), "reduction .*received NoneType None"),
])
def test_label_losses_refuse(loss, change, message):
    with pytest.raises(ValueError, match=f"expected .*{message}"):
        loss(**{"input": X, "target": Y, **change})


@pytest.mark.parametrize(("change", "message"), [
    (dict(label_smoothing=1.5), r"label_smoothing in \[0, 1\], received float 1.5"),
    (dict(label_smoothing=-0.1), r"label_smoothing in \[0, 1\], received float -0.1"),
    (dict(target=P[:3]), r"target of the shape of input, \(4, 3\), received .*\(3, 3\)"),
    (dict(target=P * 3), r"target to be probabilities .*, received values from 1.5 to 1.5"),
    (dict(target=P, ignore_index=0), "no ignore_index where .*received int 0"),
    (dict(target=P, weight=torch.ones(4)), r"weight of shape \(3,\).*received .*\(4,\)"),
])
def test_cross_entropy_refuses(change, message):
    with pytest.raises(ValueError, match=f"expected .*{message}"):
        cross_entropy(**{"input": X, "target": Y, **change})


BAD_PAIR = [
    (dict(target=P[:1]), r"target of the shape of input, \(4, 3\), received .*\(1, 3\)"),
    (dict(input=P.long()), "input to be a floating-point tensor, received an int64"),
    (dict(target=P.long()), "target to be a floating-point tensor, received an int64"),
    (dict(input=P[:0], target=P[:0]), r"at least one element, received .*\(0, 3\)"),
    (dict(reduction="batchmean"), "reduction .*received str 'batchmean'"),
]
BAD_BINARY = [
    *BAD_PAIR,
    (dict(target=P + 1), r"target to be probabilities .*, received values from 1.5 to 1.5"),
    (dict(weight=torch.ones(4)), r"repeats to the input's, \(4, 3\), received .*shape \(4,\)"),
    (dict(weight=torch.ones(2, 4, 3)), r"repeats to the input's, .*received .*shape \(2, 4, 3\)"),
]


@pytest.mark.parametrize(("loss", "change", "message"), [
    *[(mse_loss, *bad) for bad in BAD_PAIR],
    *[(binary_cross_entropy, *bad) for bad in BAD_BINARY],
    *[(binary_cross_entropy_with_logits, *bad) for bad in BAD_BINARY],
    (binary_cross_entropy, dict(input=P - 1),
     r"input to be probabilities in \[0, 1\], received values from -0.5 to -0.5"),
    (binary_cross_entropy, dict(input=P * torch.nan), "probabilities .*received values from nan"),
    (binary_cross_entropy_with_logits, dict(pos_weight=torch.ones(4)),
     "pos_weight of a shape that repeats"),
])
def test_pair_losses_refuse(loss, change, message):
    with pytest.raises(ValueError, match=f"expected .*{message}"):
        loss(**{"input": P, "target": P, **change})


@pytest.mark.parametrize(("arguments", "message"), [
    ((X, X[:, :2]), r"logvar of the shape of mu, \(4, 3\), received .*\(4, 2\)"),
    ((X, X[0]), r"logvar of the shape of mu, \(4, 3\), received .*\(3,\)"),
    ((X.long(), X), "mu to be a floating-point tensor, received an int64"),
    ((X[:0], X[:0]), r"mu to have at least one element, received .*\(0, 3\)"),
    ((X.sum(), X.sum()), r"mu of shape \(N, D\), received .*shape \(\)"),
    ((X, X, "batch"), "reduction .*received str 'batch'"),
])
def test_gaussian_kl_refuses(arguments, message):
    with pytest.raises(ValueError, match=f"expected .*{message}"):
        gaussian_kl(*arguments)
