"""Moved and overlapping digits: every pixel is accounted for."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcheat.datasets.multimnist import move, overlap, shift


@given(st.integers(0, 2**31), st.integers(-9, 9), st.integers(-9, 9))
@settings(max_examples=60, deadline=None)
def test_move_equals_slicing(seed, down, right):
    image = torch.rand(1, 2, 7, 6, generator=torch.Generator().manual_seed(seed))
    expected = torch.zeros_like(image)
    for i in range(7):
        for j in range(6):
            if 0 <= i - down < 7 and 0 <= j - right < 6:
                expected[..., i, j] = image[..., i - down, j - right]
    assert torch.equal(move(image, torch.tensor([down]), torch.tensor([right])), expected)


def test_every_sample_has_its_own_move_and_the_seed_decides():
    images = torch.zeros(400, 1, 9, 9)
    images[:, :, 4, 4] = 1
    moved = shift(images, 2, torch.Generator().manual_seed(0))
    assert len(moved.flatten(1).argmax(1).unique()) == 25
    assert moved.sum() == 400
    assert torch.equal(moved, shift(images, 2, torch.Generator().manual_seed(0)))
    assert torch.equal(shift(images, 0), images)


def test_overlap_has_two_classes_and_both_inks():
    labels = torch.arange(50) % 10
    images = torch.zeros(50, 1, 28, 28)
    images[:, :, 8:20, 8:20] = (labels[:, None, None, None] + 1) / 40
    pairs, classes = overlap(images, labels, 4, 4, torch.Generator().manual_seed(0))
    assert pairs.shape == (50, 1, 36, 36) and (classes[:, 0] == labels).all()
    assert (classes[:, 0] != classes[:, 1]).all()
    ink = (classes + 1).sum(1) / 40 * 144
    torch.testing.assert_close(pairs.sum((1, 2, 3)), ink)
    full, _ = overlap(torch.ones(4, 1, 5, 5), torch.arange(4), 0, 0)
    assert full.max() == 1


@pytest.mark.parametrize(("call", "message"), [
    (lambda: shift(torch.zeros(3, 3)), r"expected images of shape \(N, C, H, W\), received"),
    (lambda: shift(torch.zeros(1, 1, 3, 3), -1), "expected a reach of at least 0 pixels, received"),
    (lambda: move(torch.zeros(2, 1, 3, 3), torch.tensor([0]), torch.tensor([0, 0])),
     r"expected moves of int64 and shape \(2,\), received"),
    (lambda: overlap(torch.zeros(2, 1, 3, 3), torch.tensor([1])), "expected 2 labels, received"),
    (lambda: overlap(torch.zeros(2, 1, 3, 3), torch.tensor([1, 1])),
     "expected labels of at least two classes, received"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
