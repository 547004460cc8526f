"""MNIST: 7000 handwritten digits, shipped with the package."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Mnist(NamedTuple):
    """Digits and their labels.

    Attributes:
        train_images: Shape (6000, 1, 28, 28), float32 in [0, 1], 0 is the background.
        train_labels: Shape (6000,), int64 in 0 … 9, 600 of each.
        test_images: Shape (1000, 1, 28, 28).
        test_labels: Shape (1000,), 100 of each.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor


@cache
def _arrays() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).with_suffix(".npz")) as file:
        return {name: file[name] for name in file.files}


def mnist() -> Mnist:
    """Return 6000 training and 1000 test digits, class-balanced, with no download.

    The data are a selection of MNIST, © Yann LeCun and Corinna Cortes, CC BY-SA 3.0.

    >>> digits = mnist()
    >>> digits.train_images.shape, digits.test_labels.bincount().tolist()
    (torch.Size([6000, 1, 28, 28]), [100, 100, 100, 100, 100, 100, 100, 100, 100, 100])
    """
    arrays = _arrays()
    parts = []
    for split in ("train", "test"):
        parts.append(torch.from_numpy(arrays[f"x_{split}"]).float().div(255).unsqueeze(1))
        parts.append(torch.from_numpy(arrays[f"y_{split}"]).long())
    return Mnist(*parts)
