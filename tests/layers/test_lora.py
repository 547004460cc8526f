"""LoRA against the layer it stands on: in value, gradient, and after merging."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dlcheat.layers.lora import LoRALinear, add_lora, trainable

sizes = st.integers(1, 9)


def layer(inputs, outputs, rank, alpha=None, seed=0, bias=True):
    """A LoRA layer in float64 whose B is not zero any more."""
    torch.manual_seed(seed)
    lora = LoRALinear(nn.Linear(inputs, outputs, bias=bias).double(), rank, alpha)
    nn.init.normal_(lora.lora_B)
    return lora


@given(sizes, sizes, st.integers(1, 9), st.booleans(), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_at_the_start_it_is_the_base(inputs, outputs, rank, bias, seed):
    torch.manual_seed(seed)
    base = nn.Linear(inputs, outputs, bias=bias)
    x = torch.randn(4, inputs)
    before = base(x)
    lora = LoRALinear(base, min(rank, inputs, outputs), alpha=7.0)
    assert torch.equal(lora(x), before)


@given(sizes, sizes, st.integers(1, 9), st.floats(0.1, 32), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_it_is_a_linear_layer_of_the_summed_weight(inputs, outputs, rank, alpha, seed):
    rank = min(rank, inputs, outputs)
    lora = layer(inputs, outputs, rank, alpha, seed)
    x = torch.randn(2, 3, inputs, dtype=torch.double)
    weight = lora.base.weight + alpha / rank * lora.lora_B @ lora.lora_A
    torch.testing.assert_close(lora(x), F.linear(x, weight, lora.base.bias), rtol=1e-12, atol=1e-12)


@given(sizes, sizes, st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_merged_equals_unmerged_and_comes_back(inputs, outputs, rank, seed):
    lora = layer(inputs, outputs, min(rank, inputs, outputs), 3.0, seed)
    x = torch.randn(5, inputs, dtype=torch.double)
    apart, weight = lora(x), lora.base.weight.clone()
    lora.merge()
    lora.merge()                                    # a second time changes nothing
    torch.testing.assert_close(lora(x), apart, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(lora.base(x), apart, rtol=1e-12, atol=1e-12)
    lora.unmerge()
    lora.unmerge()
    torch.testing.assert_close(lora.base.weight, weight, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(lora(x), apart, rtol=1e-12, atol=1e-12)


def test_the_gradient_is_that_of_the_formula():
    """∂L/∂B = (α/r) δᵀ (xAᵀ), ∂L/∂A = (α/r) Bᵀ δᵀ x, and none for the base."""
    lora = layer(6, 4, 2, alpha=5.0)
    x = torch.randn(7, 6, dtype=torch.double)
    output = lora(x)
    output.retain_grad()
    output.square().sum().backward()
    delta = output.grad
    torch.testing.assert_close(lora.lora_B.grad, 2.5 * delta.T @ (x @ lora.lora_A.T))
    torch.testing.assert_close(lora.lora_A.grad, 2.5 * lora.lora_B.T @ delta.T @ x)
    assert lora.base.weight.grad is None and lora.base.bias.grad is None
    assert torch.autograd.gradcheck(lora, x.requires_grad_())


def test_at_the_start_only_b_has_a_gradient():
    lora = LoRALinear(nn.Linear(6, 4), 2)
    lora(torch.randn(3, 6)).sum().backward()
    assert lora.lora_A.grad.abs().max() == 0 and lora.lora_B.grad.abs().max() > 0


@given(st.integers(2, 20), st.integers(2, 20), st.integers(1, 2))
@settings(max_examples=20, deadline=None)
def test_it_trains_r_times_inputs_and_outputs(inputs, outputs, rank):
    lora = LoRALinear(nn.Linear(inputs, outputs), rank)
    assert trainable(lora) == rank * (inputs + outputs)


def test_a_model_is_fitted_with_it():
    model = nn.Sequential(nn.Linear(8, 8), nn.Sequential(nn.ReLU(), nn.Linear(8, 8)), nn.BatchNorm1d(8))
    before, x = copy.deepcopy(model), torch.randn(5, 8)
    assert add_lora(model, 2, names=("1.1",)) == ["1.1"]
    assert torch.equal(model(x), before(x))
    assert trainable(model) == 2 * 16
    assert isinstance(model[0], nn.Linear) and isinstance(model[1][1], LoRALinear)
    with pytest.raises(ValueError, match="linear layers"):
        add_lora(nn.Sequential(nn.ReLU()), 2)
    with pytest.raises(ValueError, match="linear layers"):
        add_lora(before, 2, names=("0", "7"))


def test_its_state_can_be_kept_apart():
    """The two small matrices alone carry a task: the base is shared."""
    base, x = nn.Linear(6, 4), torch.randn(3, 6)
    one, two = LoRALinear(base, 2), LoRALinear(base, 2)
    nn.init.normal_(one.lora_B)
    adapter = {k: v for k, v in one.state_dict().items() if k.startswith("lora_")}
    assert two.load_state_dict(adapter, strict=False).unexpected_keys == []
    assert torch.equal(one(x), two(x)) and one.base is two.base


@pytest.mark.parametrize(("base", "rank", "alpha"), [
    (nn.ReLU(), 1, 1), (nn.Linear(3, 2), 0, 1), (nn.Linear(3, 2), 3, 1), (nn.Linear(3, 2), 1.0, 1),
    (nn.Linear(3, 2), 1, 0), (nn.Linear(3, 2), 1, -1.0)])
def test_bad_arguments_are_refused(base, rank, alpha):
    with pytest.raises(ValueError, match="expected"):
        LoRALinear(base, rank, alpha)
