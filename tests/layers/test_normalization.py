"""Batch and layer normalisation against torch: values, gradients, running statistics."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dlcheat.layers.normalization import BatchNorm1d, LayerNorm, batch_norm, layer_norm
from tests.compare import assert_near, assert_same, shapes, tensors


@given(data=st.data(), training=st.booleans())
def test_batch_norm_equals_torch(data, training):
    n, features, *rest = data.draw(shapes(2, 4))
    x = data.draw(tensors((n + 3, features, *rest), torch.float64, scale=2.0)) + 1
    weight, bias = (data.draw(tensors((features,), torch.float64)) for _ in range(2))
    mean = data.draw(tensors((features,), torch.float64))
    variance = data.draw(tensors((features,), torch.float64, uniform=True)) + 0.5
    eps, momentum = data.draw(st.sampled_from([1e-5, 0.1])), data.draw(st.floats(0, 1))
    mine, theirs = [mean.clone(), variance.clone()], [mean.clone(), variance.clone()]

    def with_buffers(f, buffers):
        return lambda x, w, b: f(x, *buffers, w, b, training, momentum, eps)

    assert_same(with_buffers(batch_norm, mine), with_buffers(F.batch_norm, theirs), x, weight, bias)
    for a, b, name in zip(mine, theirs, ("running mean", "running variance"), strict=True):
        assert_near(a, b, name)


def test_float32_to_its_own_precision():
    torch.manual_seed(0)
    x = 3 * torch.randn(64, 8) + 5
    assert_same(lambda x: batch_norm(x, None, None, training=True),
                lambda x: F.batch_norm(x, None, None, training=True), x)
    assert_same(lambda x: layer_norm(x, [8]), lambda x: F.layer_norm(x, [8]), x)


def test_module_is_torchs_over_a_training():
    torch.manual_seed(0)
    mine, theirs = BatchNorm1d(4), nn.BatchNorm1d(4)
    mine.load_state_dict(theirs.state_dict())
    for _ in range(5):
        x = 2 * torch.randn(16, 4) + 3
        torch.testing.assert_close(mine(x), theirs(x))
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(mine.state_dict()[name], value)
    theirs.load_state_dict(mine.state_dict())
    x = torch.randn(1, 4)                                   # one sample: its neighbours are gone
    torch.testing.assert_close(mine.eval()(x), theirs.eval()(x))


def test_evaluation_does_not_depend_on_the_batch():
    torch.manual_seed(0)
    layer, x = BatchNorm1d(3), torch.randn(8, 3)
    layer(x)
    alone = torch.cat([layer.eval()(row[None]) for row in x])
    torch.testing.assert_close(layer(x), alone)
    layer.train()
    assert not torch.allclose(layer(x)[:4], layer(x[:4]))


@given(data=st.data())
def test_layer_norm_equals_torch(data):
    # one number or two give 0 and ±1, whatever they are: what is left of their gradient is rounding
    shape = (*data.draw(shapes(0, 3)), data.draw(st.integers(3, 6)))
    last = data.draw(st.integers(1, len(shape)))
    x = data.draw(tensors(shape, torch.float64, scale=3.0))
    over = shape[len(shape) - last:]
    weight, bias = (data.draw(tensors(over, torch.float64)) for _ in range(2))
    assert_same(lambda x, w, b: layer_norm(x, over, w, b), lambda x, w, b: F.layer_norm(x, over, w, b),
                x, weight, bias)


@pytest.mark.parametrize("shape", [4, [4], (3, 4)])
def test_layer_norm_module_is_torchs(shape):
    torch.manual_seed(0)
    theirs, ours = nn.LayerNorm(shape, eps=1e-3), LayerNorm(shape, eps=1e-3)
    for p in theirs.parameters():
        nn.init.normal_(p)
    ours.load_state_dict(theirs.state_dict())
    assert_same(ours, theirs, torch.randn(5, 3, 4))
    assert repr(ours) == repr(theirs).replace(", elementwise_affine=True, bias=True", "") \
        .replace(", elementwise_affine=True", "")


def test_a_constant_is_normalised_to_zero():
    x = torch.full((5, 2), 7.0)
    assert (batch_norm(x, None, None, training=True) == 0).all()
    assert (layer_norm(x, [2]) == 0).all()


@pytest.mark.parametrize(("call", "message"), [
    (lambda: batch_norm(torch.zeros(3), None, None), r"shape \(N, C\).*received .*\(3,\)"),
    (lambda: batch_norm(torch.zeros(1, 3), None, None, training=True), "more than one value a feature"),
    (lambda: batch_norm(torch.zeros(2, 3), None, None), "running_mean and running_var in evaluation"),
    (lambda: batch_norm(torch.zeros(2, 3), torch.zeros(2), torch.ones(3)),
     r"running_mean of shape \(3,\), received .*\(2,\)"),
    (lambda: batch_norm(torch.zeros(2, 3).long(), None, None), "floating-point tensor, received an int64"),
    (lambda: layer_norm(torch.zeros(2, 3), [2]), r"shape \(…, 2\), received .*\(2, 3\)"),
    (lambda: layer_norm(torch.zeros(2, 3), [3], torch.ones(2)), r"weight of shape \(3,\)"),
    (lambda: BatchNorm1d(0), "num_features to be an integer of at least 1, received int 0"),
    (lambda: BatchNorm1d(3)(torch.zeros(2, 4)), r"input of shape \(N, 3\).*received .*\(2, 4\)"),
    (lambda: LayerNorm(0), "normalized_shape of integers of at least 1, received int 0"),
    (lambda: LayerNorm([]), "normalized_shape of integers"),
])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=f"expected .*{message}"):
        call()
