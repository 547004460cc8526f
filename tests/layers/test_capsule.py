"""Capsules against the paper's formulas, written out naively, and against finite differences."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcheat.layers.capsule import (
    DigitCapsules,
    PrimaryCapsules,
    dynamic_routing,
    squash,
)

sizes = st.integers(1, 5)
seeds = st.integers(0, 2**31)


def naive_squash(s):
    square = sum(x * x for x in s)
    if square == 0:
        return [0.0] * len(s)
    return [square / (1 + square) * x / math.sqrt(square) for x in s]


def naive_routing(predictions, iterations):
    """Follow procedure 1 of the paper with loops over nested lists."""
    parts, wholes = range(len(predictions)), range(len(predictions[0]))
    dims = range(len(predictions[0][0]))
    b = [[0.0] * len(wholes) for _ in parts]
    for _ in range(iterations):
        c = [[math.exp(b[i][j]) / sum(math.exp(x) for x in b[i]) for j in wholes] for i in parts]
        s = [[sum(c[i][j] * predictions[i][j][d] for i in parts) for d in dims] for j in wholes]
        v = [naive_squash(x) for x in s]
        a = [[sum(predictions[i][j][d] * v[j][d] for d in dims) for j in wholes] for i in parts]
        last = (b, c, s, v, a)
        b = [[b[i][j] + a[i][j] for j in wholes] for i in parts]
    return last


@given(seeds, sizes, sizes, sizes, st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_routing_equals_the_loops_of_the_paper(seed, parts, wholes, dims, iterations):
    generator = torch.Generator().manual_seed(seed)
    predictions = torch.randn(parts, wholes, dims, generator=generator, dtype=torch.float64)
    outputs, steps = dynamic_routing(predictions, iterations, return_steps=True)
    assert len(steps) == iterations
    naive = naive_routing(predictions.tolist(), iterations)
    for ours, theirs in zip(steps[-1], naive, strict=True):
        torch.testing.assert_close(ours, torch.tensor(theirs, dtype=torch.float64),
                                   rtol=1e-12, atol=1e-12)
    assert torch.equal(outputs, steps[-1].outputs)


@given(seeds, st.lists(st.integers(1, 3), max_size=2), sizes, sizes, sizes)
@settings(max_examples=30, deadline=None)
def test_a_batch_is_routed_sample_by_sample(seed, batch, parts, wholes, dims):
    generator = torch.Generator().manual_seed(seed)
    predictions = torch.randn(*batch, parts, wholes, dims, generator=generator)
    together = dynamic_routing(predictions)
    assert together.shape == (*batch, wholes, dims)
    one_by_one = [dynamic_routing(p) for p in predictions.flatten(0, -4)] if batch else [
        dynamic_routing(predictions)]
    torch.testing.assert_close(together.reshape(-1, wholes, dims), torch.stack(one_by_one))


@given(seeds, sizes, sizes, st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_what_always_holds(seed, parts, wholes, dims):
    generator = torch.Generator().manual_seed(seed)
    predictions = 3 * torch.randn(parts, wholes, dims, generator=generator, dtype=torch.float64)
    _, steps = dynamic_routing(predictions, 5, return_steps=True)
    assert (steps[0].logits == 0).all()
    torch.testing.assert_close(steps[0].couplings, torch.full_like(steps[0].couplings, 1 / wholes))
    for before, after in pairwise(steps):
        torch.testing.assert_close(after.logits, before.logits + before.agreements)
    for step in steps:
        torch.testing.assert_close(step.couplings.sum(-1), torch.ones(parts, dtype=torch.float64))
        assert (step.outputs.norm(dim=-1) < 1).all()


def test_gradients_by_finite_differences():
    torch.manual_seed(0)
    predictions = torch.randn(2, 3, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: dynamic_routing(p, 3), predictions)
    assert torch.autograd.gradcheck(squash, torch.randn(5, 3, dtype=torch.float64,
                                                        requires_grad=True))


def test_float32_gradients_equal_those_of_the_plain_formula():
    torch.manual_seed(0)
    predictions = torch.randn(4, 20, 10, 16)
    ours, plain = predictions.clone().requires_grad_(), predictions.clone().requires_grad_()
    weights = torch.randn(4, 10, 16)
    (dynamic_routing(ours) * weights).sum().backward()
    b = torch.zeros(4, 20, 10)
    for _ in range(3):
        s = (b.softmax(-1)[..., None] * plain).sum(1)
        square = s.square().sum(-1, keepdim=True)
        v = square / (1 + square) * s / square.sqrt()
        b = b + (plain * v[:, None]).sum(-1)
    (v * weights).sum().backward()
    torch.testing.assert_close(ours.grad, plain.grad, rtol=1e-4, atol=1e-6)


def test_detach_changes_the_gradient_and_not_the_value():
    torch.manual_seed(0)
    predictions = torch.randn(4, 20, 10, 16, dtype=torch.float64)
    exact, held, plain = (predictions.clone().requires_grad_() for _ in range(3))
    value, steps = dynamic_routing(exact, return_steps=True)
    torch.testing.assert_close(dynamic_routing(held, detach=True), value)
    value.sum().backward()
    dynamic_routing(held, detach=True).sum().backward()
    squash((steps[-1].couplings.detach().unsqueeze(-1) * plain).sum(1)).sum().backward()
    torch.testing.assert_close(held.grad, plain.grad)
    assert not torch.allclose(held.grad, exact.grad, rtol=1e-3)


@given(seeds, st.integers(-1, 2))
@settings(max_examples=30, deadline=None)
def test_squash_along_any_dim_is_the_papers_formula(seed, dim):
    s = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(seed))
    square = s.square().sum(dim, keepdim=True)
    torch.testing.assert_close(squash(s, dim), square / (1 + square) * s / square.sqrt())


def test_squash_at_zero_and_at_extremes():
    zero = torch.zeros(2, 3, requires_grad=True)
    squash(zero).sum().backward()
    assert (squash(zero) == 0).all() and (zero.grad == 0).all()
    lengths = squash(torch.tensor([[1e-4], [1.0], [1e4]], dtype=torch.float64)).flatten()
    torch.testing.assert_close(lengths, torch.tensor([1e-8, 0.5, 1 - 1e-8], dtype=torch.float64),
                               rtol=1e-7, atol=0)


def test_routing_cannot_tell_a_vector_from_its_negative():
    torch.manual_seed(0)
    predictions = torch.randn(6, 4, 5)
    torch.testing.assert_close(dynamic_routing(-predictions), -dynamic_routing(predictions))


def test_primary_capsules_are_channels_of_one_position():
    torch.manual_seed(0)
    layer = PrimaryCapsules(3, capsules=4, dimensions=5, kernel_size=3, stride=2)
    images = torch.randn(2, 3, 9, 9)
    maps, capsules = layer.conv(images), layer(images)
    assert capsules.shape == (2, 4 * 16, 5)
    third_type_row1_column2 = 2 * 16 + 1 * 4 + 2
    torch.testing.assert_close(capsules[1, third_type_row1_column2],
                               squash(maps[1, 10:15, 1, 2]))


def test_digit_capsules_predict_with_one_matrix_a_pair():
    torch.manual_seed(0)
    layer = DigitCapsules(7, 3, 4, 5)
    lower = torch.randn(2, 7, 3)
    predictions = layer.predictions(lower)
    assert predictions.shape == (2, 7, 4, 5)
    torch.testing.assert_close(predictions[1, 6, 2], layer.weight[6, 2] @ lower[1, 6])
    torch.testing.assert_close(layer(lower), dynamic_routing(predictions, 3))


def test_routing_without_its_iterations_is_a_mean():
    torch.manual_seed(0)
    predictions = torch.randn(6, 4, 5)
    torch.testing.assert_close(dynamic_routing(predictions, 1), squash(predictions.sum(0) / 4))


@pytest.mark.parametrize(("call", "message"), [
    (lambda: squash([1.0]), r"expected input to be a floating-point tensor, received list"),
    (lambda: squash(torch.zeros(2, dtype=torch.int64)), r"received an int64 tensor of shape \(2,\)"),
    (lambda: squash(torch.zeros(0, 3)), r"expected input to have at least one element"),
    (lambda: squash(torch.zeros(2, 3), 2), r"expected dim of a tensor with 2 dimensions, received"),
    (lambda: dynamic_routing(torch.zeros(2, 3)), r"expected predictions of shape \(…, I, J, D\)"),
    (lambda: dynamic_routing(torch.zeros(2, 3, 4), 0), r"expected at least 1 iteration, received"),
    (lambda: dynamic_routing(torch.zeros(2, 3, 4), 2.5), r"expected at least 1 iteration"),
    (lambda: PrimaryCapsules(0), r"expected sizes of at least 1, received int 0"),
    (lambda: PrimaryCapsules(3)(torch.zeros(1, 2, 9, 9)), r"expected input of shape \(N, 3, H, W\)"),
    (lambda: DigitCapsules(3, 0), r"expected sizes of at least 1, received int 0"),
    (lambda: DigitCapsules(3)(torch.zeros(1, 4, 8)), r"expected input of shape \(N, 3, 8\), received"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
