"""The linear layer against torch."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dlcheat.layers.linear import Linear, linear
from tests.compare import assert_same, shapes, tensors


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(data=st.data())
def test_linear_equals_torch(dtype, data):
    *batch, inputs, outputs = data.draw(shapes(2, 5))
    x = data.draw(tensors((*batch, inputs), dtype))
    weight = data.draw(tensors((outputs, inputs), dtype))
    bias = data.draw(tensors((outputs,), dtype))
    assert_same(linear, F.linear, x, weight, bias)
    assert_same(linear, F.linear, x, weight)


@pytest.mark.parametrize("bias", [True, False])
def test_module_is_torchs(bias):
    torch.manual_seed(0)
    mine = Linear(5, 3, bias=bias)
    torch.manual_seed(0)
    theirs = nn.Linear(5, 3, bias=bias)
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):   # the same first values
        torch.testing.assert_close(a, b)
    theirs.reset_parameters()
    mine.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(mine.state_dict())
    x = torch.randn(2, 4, 5)
    torch.testing.assert_close(mine(x), theirs(x))
    assert repr(mine) == repr(theirs)


def test_module_in_float64():
    assert Linear(2, 2, dtype=torch.float64)(torch.zeros(1, 2, dtype=torch.float64)).dtype \
        == torch.float64


@pytest.mark.parametrize(("arguments", "message"), [
    ((torch.zeros(2, 3), torch.zeros(4, 2)),
     r"input of shape \(…, 2\) .*received a float32 tensor of shape \(2, 3\)"),
    ((torch.zeros(2, 3), torch.zeros(3)), r"weight of shape \(O, I\), received .*\(3,\)"),
    ((torch.zeros(2, 3), torch.zeros(4, 3), torch.zeros(1)),
     r"bias of shape \(4,\), received .*\(1,\)"),
    ((torch.zeros(2, 3), torch.zeros(4, 3).double()), "type torch.float64, received a float32"),
    ((torch.zeros(2, 3).long(), torch.zeros(4, 3)), "floating-point tensor, received an int64"),
    ((torch.zeros(0, 3), torch.zeros(4, 3)), r"at least one element, received .*\(0, 3\)"),
    ((torch.tensor(1.0), torch.zeros(4, 3)), r"shape \(…, 3\).*received .*shape \(\)"),
])
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=f"expected .*{message}"):
        linear(*arguments)


@pytest.mark.parametrize("sizes", [(0, 3), (3, -1), (2.0, 3), (True, 3), ("3", 3)])
def test_bad_sizes(sizes):
    with pytest.raises(ValueError, match=r"expected (in|out)_features to be an integer .*received"):
        Linear(*sizes)
