"""The convolution stepper: every product, sum and size of a convolution, window by window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import traitlets
from numpy.typing import ArrayLike
from torch import Tensor

from dlcheat.layers.convolution import conv2d, output_size
from dlcheat.layers.pooling import avg_pool2d, max_pool2d
from dlcheat.validation import expect
from dlcheat.widgets.base import BookWidget

Rows = list[list[float]]

#: The input and the kernel of the cheat sheet's worked example, the stepper's first state.
CHEATSHEET_X = [[1, 2, 3, 0], [4, 5, 6, 1], [7, 8, 9, 2], [0, 1, 2, 3]]
CHEATSHEET_K = [[1, 0], [-1, 2]]


class Step(NamedTuple):
    """One window of a convolution and all that is known when it has been computed.

    Attributes:
        padded_size: Side of the padded image, n + 2p.
        span: Cells from the kernel's first tap to its last, d(k − 1) + 1.
        output_size: Side o of the feature map; 0 where the kernel fits nowhere.
        pooled_size: Side of the pooled map; 0 without pooling or where its window fits nowhere.
        position: The window's number, row after row; clamped to the windows that exist.
        row: Row of the feature map that this window gives; −1 where there is none.
        column: Column of the feature map.
        cells: Row and column of every cell under a tap, in the padded image.
        values: What these cells hold (a padded cell holds 0).
        weights: What they are multiplied by: the kernel, rotated by 180° if flipped.
        products: Value times weight.
        total: Sum of the products plus the bias.
        feature_map: Y, shape (o, o).
        relu_map: max(0, Y), or Y where ReLU is off.
        pooled_map: V.
        pooled_ready: Which cells of V have their whole window computed by now.
        unread: How many cells of the image lie under no tap of any window.
    """

    padded_size: int
    span: int
    output_size: int
    pooled_size: int
    position: int
    row: int
    column: int
    cells: list[list[int]]
    values: list[float]
    weights: list[float]
    products: list[float]
    total: float
    feature_map: Rows
    relu_map: Rows
    pooled_map: Rows
    pooled_ready: list[list[bool]]
    unread: int


def convolution_step(image: ArrayLike, kernel: ArrayLike, bias: float = 0.0, *, stride: int = 1,
                     padding: int = 0, dilation: int = 1, flip: bool = False, relu: bool = True,
                     pooling: str = "none", pool_size: int = 2, pool_stride: int = 1,
                     position: int = 0) -> Step:
    r"""Compute one window of a single-channel convolution, in float64.

    .. math:: Y(i, j) = b + \sum_{m, n} F_p(i s + m d,\; j s + n d)\, K(m, n)

    where :math:`F_p` is the image with ``padding`` zeros around it. It is the step that the
    widget's JavaScript computes too.

    Args:
        image: Square, shape (n, n).
        kernel: Square, shape (k, k).
        bias: Added to every sum.
        stride: Cells between two windows.
        padding: Zeros added on each side.
        dilation: Cells between two taps of the kernel.
        flip: Rotate the kernel by 180° first: a convolution in the mathematical sense.
        relu: Cut the feature map at 0 before pooling.
        pooling: ``"none"``, ``"max"`` or ``"average"``.
        pool_size: Side of the pooling window.
        pool_stride: Cells between two pooling windows.
        position: Number of the window, row after row; clamped to the windows that exist.

    Raises:
        ValueError: If a shape is not square, or a setting is outside its range.

    >>> step = convolution_step(CHEATSHEET_X, CHEATSHEET_K, pooling="max", position=2)
    >>> step.products, step.total
    ([3.0, 0.0, -6.0, 2.0], -1.0)
    >>> step.feature_map
    [[7.0, 9.0, -1.0], [13.0, 15.0, 1.0], [9.0, 11.0, 13.0]]
    >>> step.pooled_map
    [[15.0, 15.0], [15.0, 15.0]]
    """
    x, taps = _square("image", image), _square("kernel", kernel)
    for name, value, least in (("stride", stride, 1), ("padding", padding, 0),
                               ("dilation", dilation, 1), ("pool_size", pool_size, 1),
                               ("pool_stride", pool_stride, 1), ("position", position, 0)):
        expect(isinstance(value, int) and value >= least, f"{name} of at least {least}", value)
    expect(pooling in ("none", "max", "average"), "pooling none, max or average", pooling)

    n, k = len(x), len(taps)
    weight = taps.flip(0, 1) if flip else taps
    padded, span = n + 2 * padding, dilation * (k - 1) + 1
    if padded < span:
        return Step(padded, span, 0, 0, 0, -1, -1, [], [], [], [], 0.0, [], [], [], [], n * n)

    size = output_size(n, k, stride, padding, dilation)
    feature_map = conv2d(x[None, None], weight[None, None], x.new_tensor([bias]),
                         stride, padding, dilation)[0, 0]
    relu_map = feature_map.clamp(min=0) if relu else feature_map
    pool = {"max": max_pool2d, "average": avg_pool2d}.get(pooling)
    pools = pool is not None and pool_size <= size
    pooled = pool(relu_map[None, None], pool_size, pool_stride)[0, 0] if pools else x[:0]

    position = min(position, size * size - 1)
    row, column = divmod(position, size)
    offset = torch.arange(k) * dilation
    rows, columns = torch.meshgrid(row * stride + offset, column * stride + offset, indexing="ij")
    values = torch.nn.functional.pad(x, [padding] * 4)[rows, columns]

    last = torch.arange(len(pooled)) * pool_stride + pool_size - 1     # of each pooling window
    read = (torch.arange(size)[:, None] * stride + offset - padding).flatten()
    covered = ((read >= 0) & (read < n)).nonzero()[:, 0]
    lines = len(read[covered].unique())
    return Step(
        padded, span, size, len(pooled), position, row, column,
        torch.stack([rows, columns], -1).reshape(-1, 2).tolist(), values.flatten().tolist(),
        weight.flatten().tolist(), (values * weight).flatten().tolist(),
        feature_map[row, column].item(), feature_map.tolist(), relu_map.tolist(), pooled.tolist(),
        (last[:, None] * size + last <= position).tolist(), n * n - lines * lines)


def _square(name: str, rows: ArrayLike) -> Tensor:
    """Return square rows of finite numbers as float64."""
    expected = f"{name} to be a square of finite numbers"
    try:
        matrix = torch.as_tensor(rows, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        expect(False, expected, rows)
    expect(matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] > 0, expected, matrix)
    expect(bool(matrix.isfinite().all()), expected, rows)
    return matrix


class Square(traitlets.TraitType):
    """A trait that holds a square of finite numbers as rows; tensors and arrays are taken too."""

    def __init__(self, default: Sequence[Sequence[float]], smallest: int, largest: int) -> None:
        """Take the default rows and the smallest and largest side."""
        super().__init__(default_value=[list(row) for row in default])
        self.smallest, self.largest = smallest, largest
        self.info_text = (f"a square of finite numbers, {smallest} × {smallest} "
                          f"to {largest} × {largest}")

    def validate(self, obj: traitlets.HasTraits, value: object) -> Rows:
        """Return the rows, or raise a ``TraitError`` that names expected and received."""
        try:
            matrix = _square(self.name or "value", value)
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from None
        if not self.smallest <= len(matrix) <= self.largest:
            raise traitlets.TraitError(f"expected {self.name} to be {self.info_text}, received "
                                       f"{len(matrix)} × {len(matrix)}")
        return [[int(v) if v == math.trunc(v) else v for v in row] for row in matrix.tolist()]


class ConvolutionStepper(BookWidget, front="convolution"):
    """Step through a convolution window by window, with every number in the reader's hand.

    The image, the kernel, the bias and all settings are traits: they can be set from Python,
    and with a kernel Python sees what the reader changes.

    Raises:
        traitlets.TraitError: If a trait is given a value outside its range.

    >>> stepper = ConvolutionStepper(padding=1, position=3)
    >>> stepper
    <ConvolutionStepper: Convolution, window by window>
    >>> stepper.step().output_size
    5
    """

    image = Square(CHEATSHEET_X, 3, 8).tag(sync=True)
    kernel = Square(CHEATSHEET_K, 1, 5).tag(sync=True)
    bias = traitlets.Float(0.0).tag(sync=True)
    stride = traitlets.Int(1, min=1, max=4).tag(sync=True)
    padding = traitlets.Int(0, min=0, max=3).tag(sync=True)
    dilation = traitlets.Int(1, min=1, max=3).tag(sync=True)
    flip = traitlets.Bool(False).tag(sync=True)
    relu = traitlets.Bool(True).tag(sync=True)
    pooling = traitlets.Enum(["none", "max", "average"], "max").tag(sync=True)
    pool_size = traitlets.Int(2, min=2, max=3).tag(sync=True)
    pool_stride = traitlets.Int(1, min=1, max=3).tag(sync=True)
    position = traitlets.Int(0, min=0).tag(sync=True)
    #: The state that Reset restores: the one the widget was made with.
    first = traitlets.Dict().tag(sync=True)

    SETTINGS = ("image", "kernel", "bias", "stride", "padding", "dilation", "flip", "relu",
                "pooling", "pool_size", "pool_stride", "position")

    def __init__(self, **settings: object) -> None:
        """Take any of the traits by name."""
        super().__init__(**{"title": "Convolution, window by window", **settings})
        self.first = self.settings()

    @traitlets.validate("bias")
    def _finite(self, proposal: dict) -> float:
        if not math.isfinite(proposal["value"]):
            raise traitlets.TraitError(
                f"expected bias to be a finite number, received {proposal['value']}")
        return proposal["value"]

    def settings(self) -> dict[str, object]:
        """Return the settings as the keyword arguments of ``convolution_step``.

        >>> ConvolutionStepper(stride=2).settings()["stride"]
        2
        """
        return {name: getattr(self, name) for name in self.SETTINGS}

    def step(self) -> Step:
        """Return the window that the reader sees, computed by dlcheat.

        >>> ConvolutionStepper().step().total
        7.0
        """
        return convolution_step(**self.settings())
