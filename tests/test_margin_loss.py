"""The margin loss against its formula, by hand and by loops."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcheat.losses import margin_loss


def naive(lengths, present):
    return [sum(t * max(0, 0.9 - x) ** 2 + 0.5 * (1 - t) * max(0, x - 0.1) ** 2
                for x, t in zip(row, ts, strict=True))
            for row, ts in zip(lengths, present, strict=True)]


@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 10))
@settings(max_examples=60, deadline=None)
def test_equals_the_formula(seed, n, c):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.rand(n, c, generator=generator, dtype=torch.float64)
    target = torch.randint(c, (n,), generator=generator)
    present = torch.nn.functional.one_hot(target, c)
    expected = torch.tensor(naive(lengths.tolist(), present.tolist()), dtype=torch.float64)
    torch.testing.assert_close(margin_loss(lengths, target, reduction="none"), expected)
    torch.testing.assert_close(margin_loss(lengths, target, reduction="sum"), expected.sum())
    torch.testing.assert_close(margin_loss(lengths, target), expected.mean())
    torch.testing.assert_close(margin_loss(lengths, present.double()), expected.mean())


def test_by_hand():
    lengths = torch.tensor([[0.6, 0.05, 0.3]])
    loss = margin_loss(lengths, torch.tensor([0]))      # 0.3² + 0 + 0.5 · 0.2²
    torch.testing.assert_close(loss, torch.tensor(0.11))
    assert margin_loss(torch.tensor([[0.95, 0.1, 0.0]]), torch.tensor([0])) == 0


def test_two_classes_at_once():
    loss = margin_loss(torch.tensor([[0.9, 0.8, 0.2]]), torch.tensor([[1, 1, 0]]))
    torch.testing.assert_close(loss, torch.tensor(0.1**2 + 0.5 * 0.1**2))


def test_gradients():
    lengths = torch.rand(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(lambda x: margin_loss(x, torch.tensor([0, 1, 2, 3])),
                                    lengths.requires_grad_())


@pytest.mark.parametrize(("arguments", "message"), [
    ((torch.zeros(3), torch.tensor([0])), r"expected lengths of shape \(N, C\), received"),
    ((torch.zeros(0, 3), torch.zeros(0).long()), "expected lengths to have at least one element"),
    ((torch.zeros(2, 3), torch.tensor([0])), "expected target of 2 class numbers, received"),
    ((torch.zeros(1, 3), torch.tensor([3])), "expected class numbers from 0 to 2, received"),
    ((torch.zeros(1, 3), torch.tensor([-1])), "expected class numbers from 0 to 2, received"),
    ((torch.zeros(2, 3), torch.zeros(2, 4)), r"or of shape \(2, 3\), received"),
    ((torch.zeros(1, 3), torch.full((1, 3), 0.5)), "expected target of zeros and ones, received"),
    ((torch.zeros(1, 3), torch.tensor([0]), 0.9, 0.1, 0.5, "max"), "received str 'max'"),
])
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        margin_loss(*arguments)
