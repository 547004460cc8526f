"""Errors that say what was expected and what came."""

from __future__ import annotations

from numbers import Integral

import torch


def describe(value: object) -> str:
    """Describe a value the way an error message needs it.

    >>> describe(torch.zeros(2, 3))
    'a float32 tensor of shape (2, 3)'
    >>> describe("3")
    "str '3'"
    """
    if isinstance(value, torch.Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        return f"{'an' if dtype.startswith('int') else 'a'} {dtype} tensor of shape {tuple(value.shape)}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{type(value).__name__} of type {value.dtype} and shape {tuple(value.shape)}"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 80 else text[:79] + '…'}"


def expect(condition: bool, expected: str, received: object) -> None:
    """Raise a ``ValueError`` that names what was expected and what came.

    Args:
        condition: What must hold.
        expected: The expectation, as the end of "expected …".
        received: The offending value; it is described, not printed whole.

    Raises:
        ValueError: If ``condition`` is false.

    >>> expect(False, "input of shape (N, C, H, W)", torch.zeros(2, 3))
    Traceback (most recent call last):
        ...
    ValueError: expected input of shape (N, C, H, W), received a float32 tensor of shape (2, 3)
    """
    if not condition:
        raise ValueError(f"expected {expected}, received {describe(received)}")


def expect_float(name: str, value: object) -> torch.Tensor:
    """Return ``value`` if it is a floating-point tensor with at least one element.

    Raises:
        ValueError: If it is anything else.

    >>> expect_float("input", torch.tensor([1, 2]))
    Traceback (most recent call last):
        ...
    ValueError: expected input to be a floating-point tensor, received an int64 tensor of shape (2,)
    """
    is_float = isinstance(value, torch.Tensor) and value.is_floating_point()
    expect(is_float, f"{name} to be a floating-point tensor", value)
    assert isinstance(value, torch.Tensor)
    expect(value.numel() > 0, f"{name} to have at least one element", value)
    return value


def expect_same_shape(name: str, value: torch.Tensor, other_name: str, other: torch.Tensor) -> None:
    """Refuse a silent broadcast: both tensors must have one shape.

    Raises:
        ValueError: If the shapes differ.

    >>> expect_same_shape("input", torch.zeros(3), "target", torch.zeros(3, 1))
    Traceback (most recent call last):
        ...
    ValueError: expected target of the shape of input, (3,), received a float32 tensor of shape (3, 1)
    """
    expect(value.shape == other.shape,
           f"{other_name} of the shape of {name}, {tuple(value.shape)}", other)


def expect_count(name: str, value: object, least: int = 1) -> None:
    """Refuse what is no whole number, or too small a one; True and False are no numbers.

    Args:
        name: What is counted.
        value: The count.
        least: The smallest that is allowed.

    Raises:
        ValueError: If ``value`` is no integer or below ``least``.

    >>> expect_count("steps", 0)
    Traceback (most recent call last):
        ...
    ValueError: expected steps to be an integer of at least 1, received int 0
    """
    is_count = isinstance(value, Integral) and not isinstance(value, bool) and value >= least
    expect(is_count, f"{name} to be an integer of at least {least}", value)
