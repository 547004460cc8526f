"""The errors themselves: each names what was expected and what came."""

import numpy as np
import pytest
import torch

from dlcheat.validation import describe, expect, expect_count, expect_float, expect_same_shape


@pytest.mark.parametrize(("value", "text"), [
    (torch.zeros(2, 3), "a float32 tensor of shape (2, 3)"),
    (torch.tensor(True), "a bool tensor of shape ()"),
    (np.zeros((28, 28)), "ndarray of type float64 and shape (28, 28)"),
    (None, "NoneType None"), (1.5, "float 1.5"), ("3", "str '3'"), ((1, 2), "tuple (1, 2)"),
])
def test_describe(value, text):
    assert describe(value) == text


def test_describe_is_short():
    assert len(describe(list(range(10_000)))) < 100
    assert "\n" not in describe(np.random.default_rng(0).random((50, 50)))


def test_expect():
    expect(True, "anything", None)
    with pytest.raises(ValueError, match=r"^expected a cat, received str 'dog'$"):
        expect(False, "a cat", "dog")


@pytest.mark.parametrize("value", [1, 7, np.int64(3), np.uint8(1)])
def test_expect_count(value):
    expect_count("steps", value)


@pytest.mark.parametrize("value", [0, -1, 1.0, True, np.True_, "1", None, np.int64(0), torch.tensor(1)])
def test_expect_count_refuses(value):
    with pytest.raises(ValueError, match=r"^expected steps to be an integer of at least 1, received"):
        expect_count("steps", value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_expect_float_returns_floats(dtype):
    x = torch.ones(2, dtype=dtype)
    assert expect_float("x", x) is x


@pytest.mark.parametrize(("value", "message"), [
    (torch.arange(2), r"x to be a floating-point tensor, received a.* int64 tensor of shape \(2,\)"),
    (torch.ones(2, dtype=torch.complex64), "floating-point tensor, received a complex64"),
    ([1.0], r"floating-point tensor, received list \[1.0\]"),
    (np.ones(2), "floating-point tensor, received ndarray of type float64"),
    (None, "floating-point tensor, received NoneType None"),
    (torch.zeros(0, 3), r"x to have at least one element, received .*\(0, 3\)"),
])
def test_expect_float_refuses(value, message):
    with pytest.raises(ValueError, match=f"expected .*{message}"):
        expect_float("x", value)


def test_expect_same_shape():
    expect_same_shape("a", torch.zeros(2, 3), "b", torch.ones(2, 3))
    for other in ((3,), (2, 1), (1, 2, 3), ()):
        with pytest.raises(ValueError, match=r"expected b of the shape of a, \(2, 3\), received"):
            expect_same_shape("a", torch.zeros(2, 3), "b", torch.zeros(other))
