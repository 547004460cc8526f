"""Digits moved and digits laid over each other, made from any images on the fly.

Source: Sabour, Frosst and Hinton, *Dynamic Routing Between Capsules*, NeurIPS 2017, sections
5 and 6, whose MultiMNIST lays two digits of different classes over each other, each shifted by
up to 4 pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dlcheat.validation import expect, expect_float


def _expect_images(images: object) -> None:
    expect_float("images", images)
    assert isinstance(images, Tensor)
    expect(images.dim() == 4, "images of shape (N, C, H, W)", images)


def move(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Move every image by its own whole number of pixels; what is uncovered becomes zero.

    Args:
        images: Shape (N, C, H, W).
        down: Pixels downwards, int64 of shape (N,); negative is up.
        right: Pixels to the right, int64 of shape (N,); negative is left.

    Returns:
        Shape (N, C, H, W).

    Raises:
        ValueError: If the shapes do not fit or the moves are not whole numbers.

    >>> row = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    >>> move(row, torch.tensor([0]), torch.tensor([1])).tolist()
    [[[[0.0, 1.0, 2.0]]]]
    """
    _expect_images(images)
    n, c, h, w = images.shape
    for moves in (down, right):
        whole = isinstance(moves, Tensor) and moves.dtype == torch.int64
        expect(whole and moves.shape == (n,), f"moves of int64 and shape ({n},)", moves)
    reach = max(int(down.abs().max()), int(right.abs().max()))
    padded = F.pad(images, (reach,) * 4)
    rows = (torch.arange(h) + reach - down[:, None])[:, None, :, None]        # (N, 1, H, 1)
    columns = (torch.arange(w) + reach - right[:, None])[:, None, None, :]    # (N, 1, 1, W)
    sample, channel = torch.arange(n)[:, None, None, None], torch.arange(c)[None, :, None, None]
    return padded[sample, channel, rows.clamp(0, h + 2 * reach - 1),
                  columns.clamp(0, w + 2 * reach - 1)]


def shift(images: Tensor, reach: int = 2, generator: torch.Generator | None = None) -> Tensor:
    """Move every image by a random whole number of pixels in −reach … reach, both ways.

    Args:
        images: Shape (N, C, H, W).
        reach: The farthest move; the paper trains with 2.
        generator: Source of chance; None takes torch's global one.

    Raises:
        ValueError: If the images have another shape or ``reach`` is negative.

    >>> shift(torch.ones(3, 1, 28, 28)).shape
    torch.Size([3, 1, 28, 28])
    """
    _expect_images(images)
    expect(isinstance(reach, int) and reach >= 0, "a reach of at least 0 pixels", reach)
    down, right = torch.randint(-reach, reach + 1, (2, len(images)), generator=generator)
    return move(images, down, right)


def overlap(images: Tensor, labels: Tensor, reach: int = 4, pad: int = 4,
            generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Lay a digit of another class over every digit, both shifted at random.

    Ink adds up and is cut at 1.

    Args:
        images: Shape (N, C, H, W), values in [0, 1].
        labels: Class numbers, shape (N,); at least two classes.
        reach: The farthest move of each digit; the paper takes 4.
        pad: Pixels of empty border added first, so that no ink leaves the image.
        generator: Source of chance; None takes torch's global one.

    Returns:
        Images (N, C, H + 2 pad, W + 2 pad) and both classes (N, 2).

    Raises:
        ValueError: If the shapes do not fit, or there is one class only.

    >>> pairs, classes = overlap(torch.rand(4, 1, 28, 28), torch.tensor([3, 1, 4, 1]))
    >>> pairs.shape, bool((classes[:, 0] != classes[:, 1]).all())
    (torch.Size([4, 1, 36, 36]), True)
    """
    _expect_images(images)
    expect(isinstance(pad, int) and pad >= 0, "a pad of at least 0 pixels", pad)
    fits = isinstance(labels, Tensor) and labels.shape == (len(images),)
    expect(fits, f"{len(images)} labels", labels)
    differs = labels[:, None] != labels[None, :]                              # (N, N)
    expect(bool(differs.any(1).all()), "labels of at least two classes", labels)
    partner = torch.multinomial(differs.float(), 1, generator=generator).squeeze(1)
    padded = F.pad(images, (pad,) * 4)
    both = shift(padded, reach, generator) + shift(padded[partner], reach, generator)
    return both.clamp(max=1), torch.stack([labels, labels[partner]], 1)
