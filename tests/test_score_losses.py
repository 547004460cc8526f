"""Hinge, focal, margins of scores, Dice: against torch and their formulas; bad input."""

import inspect

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import hinge_loss as sklearn_hinge

from dlcheat.losses import (
    cross_entropy,
    dice_loss,
    focal_loss,
    hinge_loss,
    multi_margin_loss,
    sigmoid_focal_loss,
    soft_margin_loss,
    squared_hinge_loss,
)
from tests.compare import assert_near, assert_same, shapes, tensors

DTYPES = [torch.float32, torch.float64]
REDUCTIONS = ["none", "mean", "sum"]
GAMMAS = st.sampled_from([0, 0.5, 1.0, 2.0, 5.0])


def integers(draw, high, shape):
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    return torch.randint(high, shape, generator=generator)


@st.composite
def signed(draw, dtype):
    """Draw (scores, labels −1 or +1): some scores exactly at the margin."""
    x = draw(tensors(draw(shapes(0, 3)), dtype, scale=draw(st.sampled_from([1.0, 20.0]))))
    x = draw(st.sampled_from([x, x.round()]))
    y = 2 * integers(draw, 2, x.shape) - 1
    return x, y.to(draw(st.sampled_from([dtype, torch.long])))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@given(data=st.data())
def test_hinge_losses_are_their_formulas(dtype, reduction, data):
    x, y = data.draw(signed(dtype))
    reduce = {"none": lambda v: v, "mean": torch.mean, "sum": torch.sum}[reduction]
    assert_same(lambda x: hinge_loss(x, y, reduction), lambda x: reduce(F.relu(1 - y * x)), x)
    assert_same(lambda x: squared_hinge_loss(x, y, reduction),
                lambda x: reduce(F.relu(1 - y * x) ** 2), x)


def test_hinge_loss_is_scikit_learns():
    g = np.random.default_rng(0)
    x, y = g.normal(size=50), g.choice([-1, 1], 50)
    assert hinge_loss(torch.tensor(x), torch.tensor(y)).item() == pytest.approx(sklearn_hinge(y, x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@given(data=st.data())
def test_soft_margin_loss_equals_torch(dtype, reduction, data):
    x, y = data.draw(signed(dtype))
    assert_same(lambda x: soft_margin_loss(x, y, reduction),
                lambda x: F.soft_margin_loss(x, y.to(dtype), reduction=reduction), x)


def test_soft_margin_loss_does_not_overflow():
    x = torch.tensor([-1e4, 1e4], requires_grad=True)
    loss = soft_margin_loss(x, torch.ones(2), "none")
    assert loss.tolist() == [1e4, 0]
    assert F.soft_margin_loss(x, torch.ones(2), reduction="none")[0].isinf()
    loss.sum().backward()
    assert x.grad.tolist() == [-1, 0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@given(data=st.data())
def test_multi_margin_loss_equals_torch(dtype, reduction, data):
    shape = data.draw(shapes(1, 2))
    x = data.draw(tensors(shape, dtype, scale=2.0))
    x = data.draw(st.sampled_from([x, x.round()]))               # some exactly at the margin
    y = integers(data.draw, shape[-1], shape[:-1])
    options = {"p": data.draw(st.sampled_from([1, 2])), "reduction": reduction,
               "margin": data.draw(st.sampled_from([1.0, 0.5, 3.0]))}
    if data.draw(st.booleans()):
        options["weight"] = data.draw(tensors(shape[-1:], dtype, uniform=True))
    assert_same(lambda x: multi_margin_loss(x, y, **options),
                lambda x: F.multi_margin_loss(x, y, **options), x)


def plain_focal(x, y, gamma, dim):
    """The paper's formula as it stands, for scores that are not extreme."""
    p = x.softmax(dim).gather(dim, y.unsqueeze(dim)).squeeze(dim)
    return -(1 - p) ** gamma * p.log()


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_focal_loss_is_its_formula(dtype, data):
    batch, classes, gamma = data.draw(shapes(0, 3)), data.draw(st.integers(2, 5)), data.draw(GAMMAS)
    shape = (batch[0], classes, *batch[1:]) if batch else (classes,)
    dim = min(len(shape) - 1, 1)
    x, y = data.draw(tensors(shape, dtype)), integers(data.draw, classes, batch)
    alpha = data.draw(st.one_of(st.just(0.25), tensors((classes,), dtype, uniform=True)))
    w = alpha[y] if isinstance(alpha, torch.Tensor) else alpha
    assert_same(lambda x: focal_loss(x, y, gamma, alpha, "none"),
                lambda x: w * plain_focal(x, y, gamma, dim), x)
    assert_near(focal_loss(x, y, gamma), plain_focal(x, y, gamma, dim).mean())
    assert_near(focal_loss(x, y, gamma, reduction="sum"), plain_focal(x, y, gamma, dim).sum())
    assert_same(lambda x: focal_loss(x, y, 0), lambda x: F.cross_entropy(x, y), x)


def plain_sigmoid_focal(x, y, alpha, gamma):
    """The same for yes-or-no scores, from torch's own pieces."""
    ce, p = F.binary_cross_entropy_with_logits(x, y, reduction="none"), x.sigmoid()
    found = ce * (1 - (p * y + (1 - p) * (1 - y))) ** gamma
    return found if alpha == -1 else (alpha * y + (1 - alpha) * (1 - y)) * found


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_sigmoid_focal_loss_is_its_formula(dtype, data):
    x = data.draw(tensors(data.draw(shapes(0, 3)), dtype))
    y = integers(data.draw, 2, x.shape).to(dtype)
    alpha, gamma = data.draw(st.sampled_from([-1, 0, 0.25, 1])), data.draw(GAMMAS)
    assert_same(lambda x: sigmoid_focal_loss(x, y, alpha, gamma),
                lambda x: plain_sigmoid_focal(x, y, alpha, gamma), x)
    assert_same(lambda x: sigmoid_focal_loss(x, y, alpha, 0),
                lambda x: plain_sigmoid_focal(x, y, alpha, 0), x)
    assert_near(sigmoid_focal_loss(x, y, reduction="mean"), plain_sigmoid_focal(x, y, 0.25, 2).mean())


def test_sigmoid_focal_loss_has_torchvisions_signature():
    """torchvision.ops.sigmoid_focal_loss(inputs, targets, alpha=0.25, gamma=2, reduction="none")."""
    found = inspect.signature(sigmoid_focal_loss).parameters
    assert list(found) == ["inputs", "targets", "alpha", "gamma", "reduction"]
    assert [v.default for v in list(found.values())[2:]] == [0.25, 2, "none"]


@given(data=st.data())
def test_focal_gradient_is_that_of_cross_entropy_times_a_factor(data):
    """dℓ/dz = φ(p) (ŷ − y), φ(p) = (1 − p)^γ − γ p (1 − p)^(γ − 1) log p."""
    z = data.draw(tensors((6, 4), torch.float64)).clamp(-8, 8).requires_grad_()
    y, gamma = integers(data.draw, 4, (6,)), data.draw(st.sampled_from([0.5, 1.0, 2.0, 5.0]))
    got, = torch.autograd.grad(focal_loss(z, y, gamma, reduction="sum"), z)
    p = z.detach().softmax(1)
    t = p.gather(1, y[:, None])
    phi = (1 - t) ** gamma - gamma * t * (1 - t) ** (gamma - 1) * t.log()
    torch.testing.assert_close(got, phi * (p - F.one_hot(y, 4)), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("p", [0.6, 0.7, 0.9, 0.99])
def test_focal_loss_finds_the_class_and_understates_it(p, gamma):
    """At the best prediction q, p = f'(1 − q) / (f'(q) + f'(1 − q)); q lies in (½, p]."""
    z = torch.linspace(-8, 8, 160_001, dtype=torch.float64)
    one, zero = torch.ones_like(z), torch.zeros_like(z)
    mean = p * sigmoid_focal_loss(z, one, -1, gamma) + (1 - p) * sigmoid_focal_loss(z, zero, -1, gamma)
    q = z[mean.argmin()].sigmoid()
    assert 0.5 < q < p + 1e-4 and (gamma == 0) == (abs(q - p) < 1e-4)

    def slope(q):
        return -(gamma * (1 - q) ** (gamma - 1) * q.log() - (1 - q) ** gamma / q)

    assert abs(slope(1 - q) / (slope(q) + slope(1 - q)) - p) < 1e-3


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2, 5])
def test_focal_losses_far_out(gamma):
    """No score gives NaN; a sure mistake costs its score, a sure hit nothing."""
    x = torch.tensor([-1e4, -100.0, 100.0, 1e4], requires_grad=True)
    loss = sigmoid_focal_loss(x, torch.ones(4), -1, gamma)
    torch.testing.assert_close(loss, torch.tensor([1e4, 100.0, 0.0, 0.0]))
    loss.sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([-1.0, -1.0, 0.0, 0.0]))
    z = torch.stack([x.detach(), torch.zeros(4)], 1).requires_grad_()
    loss = focal_loss(z, torch.zeros(4).long(), gamma, reduction="none")
    torch.testing.assert_close(loss, torch.tensor([1e4, 100.0, 0.0, 0.0]))
    loss.sum().backward()
    torch.testing.assert_close(z.grad[:, 0], torch.tensor([-1.0, -1.0, 0.0, 0.0]))
    assert focal_loss(torch.zeros(2, 1), torch.zeros(2).long(), gamma) == 0      # one class


def test_binary_and_multi_class_focal_loss_agree():
    x, y = torch.randn(20, dtype=torch.float64), torch.arange(20) % 2
    scores = torch.stack([torch.zeros_like(x), x], 1)
    assert_near(focal_loss(scores, y, 2.0, reduction="none"),
                sigmoid_focal_loss(x, y.double(), -1, 2.0))
    assert_near(focal_loss(scores, y, 2.0, torch.tensor([0.75, 0.25], dtype=torch.float64), "none"),
                sigmoid_focal_loss(x, y.double()))
    assert_near(focal_loss(scores, y, 0), cross_entropy(scores, y))


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_dice_loss_is_its_formula(dtype, data):
    shape = data.draw(shapes(2, 4))
    p, smooth = data.draw(tensors(shape, dtype, uniform=True)), data.draw(st.sampled_from([1e-3, 1.0]))
    y = integers(data.draw, 2, shape).to(dtype)

    def formula(p):
        dims = tuple(range(1, p.ndim))
        return 1 - (2 * (p * y).sum(dims) + smooth) / ((p ** 2).sum(dims) + (y ** 2).sum(dims) + smooth)

    assert_same(lambda p: dice_loss(p, y, smooth, "none"), formula, p)
    assert_near(dice_loss(p, y, smooth), formula(p).mean())
    assert_near(dice_loss(p, y, smooth, "sum"), formula(p).sum())


def test_dice_loss_by_hand():
    y = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    assert dice_loss(y, y) == 0 and dice_loss(0 * y, 0 * y) == 0
    assert dice_loss(1 - y, y, smooth=1e-6).item() == pytest.approx(1)
    assert dice_loss(torch.tensor([[0.0, 1.0, 1.0, 0.0]]), y, smooth=1e-6).item() == pytest.approx(0.5)


# bad input -----------------------------------------------------------------------------------

X, Y = torch.zeros(4, 3), torch.tensor([0, 1, 2, 0])
P = torch.full((4, 3), 0.5)


@pytest.mark.parametrize("loss", [hinge_loss, squared_hinge_loss, soft_margin_loss])
@pytest.mark.parametrize(("arguments", "message"), [
    ((X, X), "labels -1 or [+]1, received the label 0.0"),
    ((X, X * torch.nan), "labels -1 or [+]1, received the label nan"),
    ((X, Y), r"target to be a tensor of shape \(4, 3\), received .*\(4,\)"),
    ((X, 1), r"target to be a tensor of shape \(4, 3\), received int 1"),
    ((X.long(), X + 1), "input to be a floating-point tensor, received an int64"),
    ((X[:0], X[:0]), "input to have at least one element"),
    ((X, X + 1, "all"), "reduction .*received str 'all'"),
])
def test_signed_losses_refuse(loss, arguments, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        loss(*arguments)


@pytest.mark.parametrize("loss", [focal_loss, multi_margin_loss])
@pytest.mark.parametrize(("arguments", "message"), [
    ((X, Y + 1), "labels in 0 … 2, received the label 3"),
    ((X, Y * 0 - 100), "labels in 0 … 2, received the label -100"),
    ((X, Y[:3]), r"target to be an int64 tensor of shape \(4,\), received .*\(3,\)"),
    ((X, P), "target to be an int64 tensor"),
    ((X.long(), Y), "input to be a floating-point tensor"),
    ((X[:0], Y[:0]), "input to have at least one element"),
])
def test_label_losses_refuse(loss, arguments, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        loss(*arguments)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: focal_loss(X, Y, gamma=-1), "gamma of at least 0, received int -1"),
    (lambda: focal_loss(X, Y, alpha=-0.5), "alpha of at least 0, received float -0.5"),
    (lambda: focal_loss(X, Y, alpha=torch.ones(4)), r"weight of shape \(3,\), one a class"),
    (lambda: focal_loss(X, Y, reduction="all"), "reduction .*received str 'all'"),
    (lambda: multi_margin_loss(X, Y, p=3), "p to be 1 or 2, received int 3"),
    (lambda: multi_margin_loss(X[None], Y[None]), r"input of shape \(N, C\) or \(C,\)"),
    (lambda: multi_margin_loss(X, Y, weight=torch.ones(4)), r"weight of shape \(3,\)"),
    (lambda: multi_margin_loss(X, Y, reduction="all"), "reduction .*received str 'all'"),
    (lambda: sigmoid_focal_loss(X, P), "labels 0 or 1, received the label 0.5"),
    (lambda: sigmoid_focal_loss(X, Y), r"target to be a tensor of shape \(4, 3\)"),
    (lambda: sigmoid_focal_loss(X, X, alpha=2), r"alpha in \[0, 1\], or -1 for none, received int 2"),
    (lambda: sigmoid_focal_loss(X, X, gamma=-1), "gamma of at least 0"),
    (lambda: sigmoid_focal_loss(X, X, reduction="all"), "reduction .*received str 'all'"),
    (lambda: dice_loss(P[0], P[0]), r"input of shape \(N, d1, …\), received .*\(3,\)"),
    (lambda: dice_loss(P + 1, P), "input to be probabilities"),
    (lambda: dice_loss(P, P - 1), "target to be probabilities"),
    (lambda: dice_loss(P, P[:1]), "target of the shape of input"),
    (lambda: dice_loss(P, P, smooth=0), "smooth above 0, received int 0"),
    (lambda: dice_loss(P, P, reduction="all"), "reduction .*received str 'all'"),
])
def test_bad_options_are_named(call, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        call()
