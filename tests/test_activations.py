"""Activations against torch: values, gradients, extremes, bad input."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dlcheat.activations import log_softmax, relu, sigmoid, softmax
from tests.compare import assert_same, shapes, tensors

POINTWISE = [(relu, F.relu), (sigmoid, torch.sigmoid)]
ALONG = [(softmax, F.softmax), (log_softmax, F.log_softmax)]
EXTREMES = [-1e30, -1000.0, -88.0, -20.0, -1e-30, -0.0, 0.0, 1e-30, 20.0, 88.0, 1000.0, 1e30]


@pytest.mark.parametrize(("mine", "reference"), POINTWISE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(data=st.data())
def test_pointwise_equal_torch(mine, reference, dtype, data):
    x = data.draw(tensors(data.draw(shapes(0, 4)), dtype))
    assert_same(mine, reference, x)


@pytest.mark.parametrize(("mine", "reference"), ALONG)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(data=st.data())
def test_along_a_dimension_equal_torch(mine, reference, dtype, data):
    shape = data.draw(shapes(1, 4))
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = data.draw(tensors(shape, dtype, scale=data.draw(st.sampled_from([0.1, 3.0, 100.0]))))
    assert_same(lambda x: mine(x, dim), lambda x: reference(x, dim), x)


@pytest.mark.parametrize(("mine", "reference"), POINTWISE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pointwise_at_extremes(mine, reference, dtype):
    assert_same(mine, reference, torch.tensor(EXTREMES, dtype=dtype))


@pytest.mark.parametrize(("mine", "reference"), ALONG)
def test_along_a_dimension_at_extremes(mine, reference):
    x = torch.tensor(EXTREMES)
    assert_same(lambda x: mine(x, 0), lambda x: reference(x, 0), x)
    ties = torch.full((3, 4), 1000.0)
    assert_same(lambda x: mine(x, 1), lambda x: reference(x, 1), ties)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_not_finite_as_torch(value):
    x = torch.tensor([value, 1.0])
    for mine, reference in POINTWISE:
        torch.testing.assert_close(mine(x), reference(x), equal_nan=True)
    for mine, reference in ALONG:
        torch.testing.assert_close(mine(x, 0), reference(x, 0), equal_nan=True)


def test_sigmoid_keeps_small_probabilities():
    x = torch.tensor([-20.0, -80.0])
    torch.testing.assert_close(sigmoid(x).log(), x, rtol=1e-6, atol=0)


def test_relu_has_no_gradient_at_zero():
    x = torch.zeros(3, requires_grad=True)
    relu(x).sum().backward()
    assert x.grad.tolist() == [0, 0, 0]


def test_softmax_does_not_see_a_shift():
    x = torch.tensor([[1.0, 2.0, 3.0]])
    assert torch.equal(softmax(x, 1), softmax(x + 1024, 1))


@pytest.mark.parametrize("function", [relu, sigmoid, lambda x: softmax(x, 0),
                                      lambda x: log_softmax(x, 0)])
@pytest.mark.parametrize(("bad", "received"), [
    (torch.arange(3), "int64 tensor of shape \\(3,\\)"), ([1.0], "list \\[1.0\\]"),
    (torch.ones(2, dtype=torch.bool), "bool tensor"), (torch.zeros(0, 3), "shape \\(0, 3\\)"),
    (torch.ones(2, dtype=torch.complex64), "complex64")])
def test_bad_input(function, bad, received):
    with pytest.raises(ValueError, match=f"expected input to .*, received .*{received}"):
        function(bad)


@pytest.mark.parametrize("function", [softmax, log_softmax])
@pytest.mark.parametrize("dim", [2, -3, 0.0, None])
def test_bad_dimension(function, dim):
    with pytest.raises(ValueError, match=r"expected dim .* of input, -2 … 1, received"):
        function(torch.zeros(2, 3), dim)
