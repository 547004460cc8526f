"""Small pictures in eight classes, drawn by two vendors, and what an ImageNet network sees in them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

CLASSES = ("mammal", "bird", "fruit or vegetable", "dish", "clothing", "vehicle", "building",
           "tool")
VENDORS = ("Twemoji", "Noto")


class Emoji(NamedTuple):
    """Emoji and their ImageNet features.

    Attributes:
        images: Shape (380, 3, 32, 32), float32 in [0, 1], on white, 32 levels a channel.
        labels: Positions in ``CLASSES``, shape (380,), int64.
        vendors: Positions in ``VENDORS``, shape (380,): the first 190 are Twemoji's, the other
            190 the same emoji in the same order as Noto draws them.
        names: Unicode names, 380.
        features: For each stage of EfficientNet-lite0, from its first to its last, the mean of
            each feature map over its places, shape (380, channels).
    """

    images: Tensor
    labels: Tensor
    vendors: Tensor
    names: list[str]
    features: dict[str, Tensor]


class Tuned(NamedTuple):
    """EfficientNet-lite0 on the emoji of one vendor: test accuracies that ship with the package.

    Attributes:
        labels: Labelled emoji of each class, the middle axis of the scores.
        scores: For each way to train, shape (labels, seeds).
        rates: The learning rate of each way, chosen on validation emoji; a penalty for the frozen
            network.
    """

    labels: list[int]
    scores: dict[str, np.ndarray]
    rates: dict[str, float]


@cache
def _arrays() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).with_suffix(".npz")) as file:
        return {name: file[name] for name in file.files}


def emoji() -> Emoji:
    """Return 190 emoji of eight classes as two vendors draw them, with no download.

    Twemoji v16.0.1 (github.com/jdecked/twemoji) © Twitter, Inc and other contributors, CC BY 4.0;
    Noto Emoji v2.048 © Google LLC, Apache 2.0; ``README.md`` beside this file has the details.
    ``dlcheat.datasets.make_emoji`` made the file. Classes are made from Unicode's subgroups, with
    their noise: mammals include paw prints, vehicles a traffic light, fruit the vegetables.

    >>> data = emoji()
    >>> data.images.shape, data.names[0], data.features["top"].shape
    (torch.Size([380, 3, 32, 32]), 'GORILLA', torch.Size([380, 1280]))
    """
    arrays = _arrays()
    labels = torch.from_numpy(arrays["labels"]).long().repeat(2)
    images = torch.from_numpy(np.cumsum(arrays["images"], axis=2, dtype=np.uint8))
    features = {}
    for key in (k for k in arrays if k.startswith("features/")):
        low, step = arrays[key.replace("features", "range")].tolist()
        features[key.removeprefix("features/")] = torch.from_numpy(arrays[key]).float() * step + low
    return Emoji(images.permute(0, 3, 1, 2).float() / 31, labels,
                 torch.arange(len(labels)) // (len(labels) // 2),
                 [str(name) for name in arrays["names"]] * 2, features)


def tuned() -> Tuned:
    """Return what fine-tuning EfficientNet-lite0 on Twemoji gave, at 112 pixels if not said otherwise.

    Five seeds; a seed draws the labels, the head and the batches.

    >>> [name for name in tuned().scores if name.endswith("224")]
    ['frozen at 224', 'fine-tuned at 224']
    """
    arrays = _arrays()
    names = [k.removeprefix("tuned/") for k in arrays if k.startswith("tuned/")]
    return Tuned(arrays["tuned labels"].tolist(), {n: arrays[f"tuned/{n}"] for n in names},
                 {n: float(arrays[f"rate/{n}"]) for n in names})
