"""Losses of a predicted value against torch: squared, absolute, Huber, smooth L1."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dlcheat.losses import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from tests.compare import assert_near, assert_same, shapes, tensors

DTYPES = [torch.float32, torch.float64]
REDUCTIONS = ["none", "mean", "sum"]
THRESHOLDS = st.sampled_from([1e-3, 0.5, 1.0, 2.5, 1e3])


@st.composite
def pairs(draw, dtype):
    """Draw (prediction, target, reduction): some of them equal, some of them far apart."""
    shape, scale = draw(shapes(0, 4)), draw(st.sampled_from([1e-4, 1.0, 1e4]))
    x, y = draw(tensors(shape, dtype, scale)), draw(tensors(shape, dtype, scale))
    same = draw(tensors(shape, dtype, uniform=True)) < draw(st.sampled_from([0.0, 0.3]))
    return x, y.where(~same, x), draw(st.sampled_from(REDUCTIONS))


@st.composite
def weights(draw, x):
    return draw(st.one_of(st.none(), tensors(tuple(x.shape), x.dtype, uniform=True)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("mine", "reference"), [(mse_loss, F.mse_loss), (l1_loss, F.l1_loss)])
@given(data=st.data())
def test_squared_and_absolute_error_equal_torch(mine, reference, dtype, data):
    x, y, reduction = data.draw(pairs(dtype))
    w = data.draw(weights(x))
    if w is not None:
        w = w + 0.01
    assert_same(lambda x, y: mine(x, y, reduction, w),
                lambda x, y: reference(x, y, reduction=reduction, weight=w), x, y)


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_huber_loss_equals_torch(dtype, data):
    x, y, reduction = data.draw(pairs(dtype))
    delta, w = data.draw(THRESHOLDS), data.draw(weights(x))
    assert_same(lambda x, y: huber_loss(x, y, reduction, delta, w),
                lambda x, y: F.huber_loss(x, y, reduction, delta, w), x, y)


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_smooth_l1_loss_equals_torch(dtype, data):
    x, y, reduction = data.draw(pairs(dtype))
    beta = data.draw(st.one_of(THRESHOLDS, st.just(0)))
    assert_same(lambda x, y: smooth_l1_loss(x, y, reduction, beta),
                lambda x, y: F.smooth_l1_loss(x, y, reduction=reduction, beta=beta), x, y)


@pytest.mark.parametrize(("mine", "reference"), [
    (mse_loss, F.mse_loss), (l1_loss, F.l1_loss), (huber_loss, F.huber_loss),
    (smooth_l1_loss, F.smooth_l1_loss)])
def test_defaults_and_edges(mine, reference):
    x, y = torch.randn(4, 3), torch.randn(4, 3)
    assert_near(mine(x, y), reference(x, y))
    edges = torch.tensor([0.0, -0.0, 1.0, -1.0, 1 + 1e-7, 1e-30, 1e15, -1e15])
    assert_same(lambda x: mine(x, torch.zeros(8), "none"),
                lambda x: reference(x, torch.zeros(8), reduction="none"), edges)
    without = dict.fromkeys([torch.inf, -torch.inf])             # no NaN comes of an infinity
    for value in without:
        x = torch.tensor([value], requires_grad=True)
        mine(x, torch.zeros(1)).backward()
        assert not x.grad.isnan().any()


def test_the_families_meet():
    x, y = torch.randn(100, dtype=torch.float64), torch.randn(100, dtype=torch.float64)
    assert_near(huber_loss(x, y, delta=1e9), mse_loss(x, y) / 2)
    assert_near(huber_loss(x, y, delta=0.3) / 0.3, smooth_l1_loss(x, y, beta=0.3))
    torch.testing.assert_close(huber_loss(x, y, delta=1e-9) / 1e-9, l1_loss(x, y))


X = torch.zeros(4, 3)


@pytest.mark.parametrize("loss", [mse_loss, l1_loss, huber_loss, smooth_l1_loss])
@pytest.mark.parametrize(("change", "message"), [
    (dict(target=X[:1]), r"target of the shape of input, \(4, 3\), received .*\(1, 3\)"),
    (dict(target=X[:, 0]), r"target of the shape of input, \(4, 3\), received .*\(4,\)"),
    (dict(input=X.long()), "input to be a floating-point tensor, received an int64"),
    (dict(target=X.long()), "target to be a floating-point tensor, received an int64"),
    (dict(target=0.0), "target to be a floating-point tensor, received float 0.0"),
    (dict(input=X[:0], target=X[:0]), r"at least one element, received .*\(0, 3\)"),
    (dict(reduction="batchmean"), "reduction .*received str 'batchmean'"),
])
def test_bad_pairs_are_refused(loss, change, message):
    with pytest.raises(ValueError, match=f"expected .*{message}"):
        loss(**{"input": X, "target": X, **change})


@pytest.mark.parametrize(("loss", "change", "message"), [
    (mse_loss, dict(weight=torch.ones(3)), r"weight of the shape of input, \(4, 3\), received .*\(3,\)"),
    (l1_loss, dict(weight=torch.ones(3)), r"weight of the shape of input, \(4, 3\)"),
    (huber_loss, dict(weight=torch.ones(3)), r"weight of the shape of input, \(4, 3\)"),
    (mse_loss, dict(weight=X), "a total weight above 0"),
    (l1_loss, dict(weight=X.long()), "weight to be a floating-point tensor"),
    (huber_loss, dict(weight=X.long()), "weight to be a floating-point tensor"),
    (huber_loss, dict(delta=0), "delta above 0, received int 0"),
    (huber_loss, dict(delta=-1.0), "delta above 0, received float -1.0"),
    (huber_loss, dict(delta=float("nan")), "delta above 0, received float nan"),
    (huber_loss, dict(delta="1"), "delta above 0, received str '1'"),
    (smooth_l1_loss, dict(beta=-0.1), "beta of at least 0, received float -0.1"),
])
def test_bad_options_are_refused(loss, change, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        loss(X, X, **change)
