"""A digit followed through a trained CNN: every map, every unit, live."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
import traitlets
from torch import Tensor

from dlcheat.architectures.cnn import CNN, fold, seen_rows, translate
from dlcheat.validation import expect, expect_float
from dlcheat.widgets.base import BookWidget, pack_float32

KINDS = ("convolution", "ReLU", "pooling")


class Followed(NamedTuple):
    """One image on its way through a network.

    Attributes:
        steps: After each block's convolution (batch norm folded in), ReLU and pooling, the maps,
            shape (D, H, W).
        scores: Shape (classes,).
        probabilities: softmax(scores).
    """

    steps: list[Tensor]
    scores: Tensor
    probabilities: Tensor


def folded(model: CNN) -> list[Tensor]:
    """Return the weights of a trained CNN without batch norm: w, b of each block, then W, c.

    Raises:
        ValueError: If ``model`` is not a ``CNN`` whose head is "flatten".

    >>> [tuple(w.shape) for w in folded(CNN())]
    [(8, 1, 5, 5), (8,), (16, 8, 5, 5), (16,), (16, 16, 5, 5), (16,), (10, 144), (10,)]
    """
    flat = isinstance(model, CNN) and model.scores.in_features > model.blocks[-1].norm.num_features
    expect(flat, "a CNN with the head flatten", type(model).__name__)
    blocks = [part for block in model.blocks for part in fold(block.convolution, block.norm)]
    return [*blocks, model.scores.weight.detach(), model.scores.bias.detach()]


def follow(weights: list[Tensor], image: Tensor) -> Followed:
    """Follow one image through a network of ``folded`` weights; the widget computes the same.

    Args:
        weights: What ``folded`` returned.
        image: Shape (1, H, W).

    Raises:
        ValueError: If ``image`` is not a floating-point tensor of shape (C, H, W).

    >>> followed = follow(folded(CNN()), torch.zeros(1, 28, 28))
    >>> [tuple(maps.shape) for maps in followed.steps][:3], len(followed.steps)
    ([(8, 28, 28), (8, 28, 28), (8, 14, 14)], 9)
    """
    maps = expect_float("image", image)
    channels = weights[0].shape[1]
    expect(maps.ndim == 3 and len(maps) == channels, f"image of shape ({channels}, H, W)", image)
    steps = []
    for weight, bias in zip(weights[:-2:2], weights[1:-2:2]):
        convolved = F.conv2d(maps[None], weight, bias, padding=weight.shape[-1] // 2)[0]
        rectified = convolved.relu()
        maps = F.max_pool2d(rectified[None], 2)[0]
        steps += [convolved, rectified, maps]
    scores = F.linear(maps.flatten(), *weights[-2:])
    return Followed(steps, scores, scores.softmax(0))


def stroke(pixels: Tensor, start: tuple[float, float], end: tuple[float, float],
           erase: bool = False) -> Tensor:
    r"""Draw a soft line from one pixel to another, as the widget's brush does.

    A pixel at distance d of the line gets at least the grey value
    :math:`255 \cdot \min(1, \max(0, 1.75 - d))`; erasing takes as much away.

    Args:
        pixels: Grey values 0 … 255, shape (H, W), uint8.
        start: Row and column.
        end: Row and column.
        erase: Rub out instead.

    Raises:
        ValueError: If ``pixels`` is not uint8 of shape (H, W).

    >>> stroke(torch.zeros(3, 4, dtype=torch.uint8), (1, 0), (1, 1))[1].tolist()
    [255, 255, 191, 0]
    """
    good = isinstance(pixels, Tensor) and pixels.ndim == 2 and pixels.dtype == torch.uint8
    expect(good, "pixels of shape (H, W), uint8", pixels)
    rows, columns = (torch.arange(n, dtype=torch.float64) for n in pixels.shape)
    (y, x), (dy, dx) = start, (end[0] - start[0], end[1] - start[1])
    rows, columns = rows[:, None] - y, columns[None, :] - x
    along = ((rows * dy + columns * dx) / max(dy * dy + dx * dx, 1e-9)).clamp(0, 1)
    distance = ((rows - along * dy).square() + (columns - along * dx).square()).sqrt()
    ink = (255 * (1.75 - distance).clamp(0, 1) + 0.5).floor().to(torch.int64)
    drawn = (pixels - ink).clamp(min=0) if erase else torch.maximum(pixels.to(ink), ink)
    return drawn.to(torch.uint8)


def centre(pixels: Tensor) -> Tensor:
    """Move an image so that its centre of mass lies in the middle, as MNIST's makers did.

    Args:
        pixels: Grey values, shape (H, W); an empty image is returned as it is.

    Raises:
        ValueError: If ``pixels`` is not of shape (H, W).

    >>> centre(torch.tensor([[9, 0, 0], [0, 0, 0], [0, 0, 0]])).tolist()
    [[0, 0, 0], [0, 9, 0], [0, 0, 0]]
    """
    expect(isinstance(pixels, Tensor) and pixels.ndim == 2, "pixels of shape (H, W)", pixels)
    mass = pixels.double()
    if not mass.sum() > 0:
        return pixels
    shifts = []
    for dim, n in enumerate(pixels.shape):
        mean = (mass.sum(1 - dim) * torch.arange(n)).sum() / mass.sum()
        shifts.append(int(((n - 1) / 2 - mean + 0.5).floor()))
    return translate(pixels[None, None], *shifts)[0, 0]


class FeatureMaps(BookWidget, front="feature_maps"):
    """A digit followed through a trained network, in the reader's hand.

    The reader picks, moves or draws a digit and chooses a unit of a map; the widget computes
    every map and the probabilities, and shows the filter and the window that the unit sees.

    Args:
        model: A trained ``CNN`` of images (N, 1, size, size) with the head "flatten".
        images: Digits to choose from, shape (n, 1, size, size), in [0, 1].
        labels: Their classes, shape (n,).
        **traits: First values of ``digit``, ``step``, ``channel`` and ``unit``; the unit in the
            middle of the first map if none is named.

    Raises:
        ValueError: If the model is not such a CNN, or the images do not fit it.
        traitlets.TraitError: If a trait is given a value outside its range.

    >>> widget = FeatureMaps(CNN(), torch.zeros(2, 1, 28, 28), torch.tensor([3, 4]))
    >>> widget
    <FeatureMaps: A digit followed through the network>
    >>> widget.digit = 7
    Traceback (most recent call last):
        ...
    traitlets.traitlets.TraitError: expected digit to be one of 0 … 1, received int 7
    """

    weights = traitlets.Bytes().tag(sync=True)
    channels = traitlets.List(traitlets.Int()).tag(sync=True)
    kernel_size = traitlets.Int(5).tag(sync=True)
    size = traitlets.Int(28).tag(sync=True)
    images = traitlets.Bytes().tag(sync=True)
    labels = traitlets.List(traitlets.Int()).tag(sync=True)
    #: Which of the images the reader started from.
    digit = traitlets.Int(0).tag(sync=True)
    #: What the network sees now: size × size grey values, one byte each.
    pixels = traitlets.Bytes().tag(sync=True)
    #: The step shown large: 0 first convolution, 1 its ReLU, 2 its pooling, 3 second convolution …
    step = traitlets.Int(0).tag(sync=True)
    #: Which map of the step.
    channel = traitlets.Int(0).tag(sync=True)
    #: Row and column of the unit in the map.
    unit = traitlets.List(traitlets.Int(), [0, 0]).tag(sync=True)
    #: The state that Reset restores: the one the widget was made with.
    first = traitlets.Dict().tag(sync=True)

    def __init__(self, model: CNN, images: Tensor, labels: Tensor, **traits: object) -> None:
        weights = folded(model)
        size, count = model.input_shape[1], len(labels)
        self._weights = weights
        grey = model.input_shape[0] == 1
        expect(grey, "a CNN of one input channel", model.input_shape)
        expect(expect_float("images", images).shape == (count, *model.input_shape),
               f"images of shape ({count}, {', '.join(map(str, model.input_shape))})", images)
        grays = (images * 255).round().to(torch.uint8).numpy()
        middle = [size // 2] * 2 if "step" not in traits else [0, 0]
        traits = {"title": "A digit followed through the network", "unit": middle, **traits}
        super().__init__(
            weights=b"".join(pack_float32(w) for w in weights), kernel_size=weights[0].shape[-1],
            channels=[1, *(len(w) for w in weights[:-2:2]), len(weights[-1])], size=size,
            images=grays.tobytes(), labels=labels.tolist(), **traits)
        self.first = {name: getattr(self, name) for name in ("digit", "step", "channel", "unit")}

    @traitlets.default("pixels")
    def _first_pixels(self) -> bytes:
        return self._image(self.digit)

    def _image(self, digit: int) -> bytes:
        return self.images[digit * self.size**2:(digit + 1) * self.size**2]

    @traitlets.observe("digit")
    def _choose(self, change: dict) -> None:
        self.pixels = self._image(change["new"])

    @traitlets.observe("step")
    def _stay_inside(self, change: dict) -> None:
        maps, height = self._shape(change["new"])
        self.channel = min(self.channel, maps - 1)
        self.unit = [min(part, height - 1) for part in self.unit]

    def _shape(self, step: int) -> tuple[int, int]:
        """Return maps and height of a step."""
        block, kind = divmod(step, 3)
        return self.channels[block + 1], self.size >> (block + (kind == 2))

    def _within(self, name: str, value: int, least: int, largest: int) -> None:
        if not least <= value <= largest:
            raise traitlets.TraitError(
                f"expected {name} to be one of {least} … {largest}, received int {value}")

    @traitlets.validate("digit", "step", "channel", "unit", "pixels")
    def _check(self, proposal: dict) -> object:
        name, value = proposal["trait"].name, proposal["value"]
        if name == "digit":
            self._within(name, value, 0, len(self.labels) - 1)
        elif name == "step":
            self._within(name, value, 0, 3 * (len(self.channels) - 2) - 1)
        elif name == "channel":
            self._within(name, value, 0, self._shape(self.step)[0] - 1)
        elif name == "unit":
            if len(value) != 2:
                raise traitlets.TraitError(f"expected unit to be [row, column], received {value}")
            for part in value:
                self._within("unit's row and column", part, 0, self._shape(self.step)[1] - 1)
        elif len(value) != self.size**2:
            raise traitlets.TraitError(
                f"expected pixels to be {self.size**2} bytes, received {len(value)}")
        return value

    def image(self) -> Tensor:
        """Return what the network sees now, shape (1, size, size), in [0, 1]."""
        gray = np.frombuffer(self.pixels, np.uint8).reshape(1, self.size, self.size)
        return torch.from_numpy(gray.copy()).float() / 255

    def follow(self) -> Followed:
        """Return every map and the probabilities of the image shown."""
        return follow(self._weights, self.image())

    def window(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the first and last row, and column, of the image that the unit can see."""
        block, kind = divmod(self.step, 3)
        layer = 2 * block + (kind == 2)
        rows, columns = (seen_rows(layer, u, self.kernel_size) for u in self.unit)
        return rows, columns
