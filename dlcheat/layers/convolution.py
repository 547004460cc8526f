"""Convolution and its adjoint, from windows and one matrix product.

The whole idea is :func:`windows`: look at every place where the kernel can stand.
:func:`conv2d` multiplies each window by the kernel and adds up;
:func:`conv_transpose2d` sends the products back to the cells they came from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from dlcheat.validation import expect, expect_float

Pair = int | tuple[int, int]
"""One number for both directions, or (rows, columns)."""


def _is_int(value: object, at_least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= at_least


def as_pair(name: str, value: Pair, at_least: int) -> tuple[int, int]:
    """Return ``value`` as (rows, columns); one number stands for both.

    Args:
        name: What to call it in the error.
        value: An integer or a pair of them.
        at_least: The smallest that is allowed.

    Raises:
        ValueError: If it is anything else.

    >>> as_pair("stride", 2, at_least=1)
    (2, 2)
    >>> as_pair("stride", 0, at_least=1)
    Traceback (most recent call last):
        ...
    ValueError: expected stride to be an integer of at least 1 or a pair of them, received int 0
    """
    pair = (value, value) if isinstance(value, int) else value
    is_pair = isinstance(pair, tuple | list) and len(pair) == 2
    fits = is_pair and all(_is_int(v, at_least) for v in pair)
    expect(fits, f"{name} to be an integer of at least {at_least} or a pair of them", value)
    return tuple(pair)


def expect_image(name: str, value: object) -> Tensor:
    """Return ``value`` if it is a floating-point batch of images, shape (N, C, H, W).

    Args:
        name: What to call it in the error.
        value: What should be one.

    Raises:
        ValueError: If it is anything else, or has no element.

    >>> expect_image("input", torch.zeros(28, 28))
    Traceback (most recent call last):
        ...
    ValueError: expected input of shape (N, C, H, W), received a float32 tensor of shape (28, 28)
    """
    image = expect_float(name, value)
    expect(image.ndim == 4, f"{name} of shape (N, C, H, W)", image)
    return image


def output_size(size: int, kernel_size: int, stride: int = 1, padding: int = 0,
                dilation: int = 1) -> int:
    r"""Return the number of places where a kernel can stand along one direction.

    .. math:: \left\lfloor \frac{n + 2p - d\,(k - 1) - 1}{s} \right\rfloor + 1

    Args:
        size: n, cells of the input.
        kernel_size: k, cells of the kernel.
        stride: s, cells from one window to the next.
        padding: p, cells added on each side.
        dilation: d, cells from one tap of the kernel to the next.

    Raises:
        ValueError: If a number is out of range, or the kernel is larger than the padded
            input.

    Source: Dumoulin and Visin (2016), "A guide to convolution arithmetic for deep
    learning".

    >>> output_size(64, 2)
    63
    >>> output_size(28, 5, stride=2, padding=2)
    14
    """
    for name, value, least in (("size", size, 1), ("kernel_size", kernel_size, 1),
                               ("stride", stride, 1), ("padding", padding, 0),
                               ("dilation", dilation, 1)):
        expect(_is_int(value, least), f"{name} to be an integer of at least {least}", value)
    # n + 2p cells, of which one window covers d(k − 1) + 1
    room, span = size + 2 * padding, dilation * (kernel_size - 1) + 1
    if span > room:
        raise ValueError(f"expected a kernel that spans at most the {room} cells of the padded "
                         f"input, received one that spans {span}")
    return (room - span) // stride + 1


def windows(input: Tensor, kernel_size: Pair,
            stride: Pair = 1, dilation: Pair = 1) -> Tensor:
    r"""Return every window of the kernel's size: a view, no cell is copied.

    .. math:: P_{n c i j u v} = X_{n,\, c,\, s i + d u,\, s j + d v}

    Args:
        input: X, shape (N, C, H, W).
        kernel_size: (kh, kw).
        stride: s, cells from one window to the next.
        dilation: d, cells from one cell of a window to the next.

    Returns:
        P, shape (N, C, H', W', kh, kw): the window at place (i, j) is P[:, :, i, j].

    Raises:
        ValueError: If ``input`` is no batch of images, or smaller than the kernel.

    >>> image = torch.arange(9.0).reshape(1, 1, 3, 3)
    >>> windows(image, 2)[0, 0, 1, 0]
    tensor([[3., 4.],
            [6., 7.]])
    """
    expect_image("input", input)
    kh, kw = as_pair("kernel_size", kernel_size, 1)
    (sh, sw), (dh, dw) = as_pair("stride", stride, 1), as_pair("dilation", dilation, 1)
    n, c, h, w = input.shape
    shape = c, kh, kw, n, output_size(h, kh, sh, 0, dh), output_size(w, kw, sw, 0, dw)
    # a step of u is d rows further in memory, a step of i is s rows; columns alike
    sample, channel, row, column = input.stride()
    steps = channel, dh * row, dw * column, sample, sh * row, sw * column
    # (c, u, v, n, i, j), the order in which conv2d reads: the gradient comes back fastest
    return input.as_strided(shape, steps).permute(3, 0, 4, 5, 1, 2)


def _resolve_padding(padding: Pair | str, sizes: tuple[int, int], strides: tuple[int, int],
                     dilations: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the cells to add (left, right, top, bottom)."""
    if isinstance(padding, str):
        expect(padding in ("valid", "same"), 'padding "valid" or "same", or numbers', padding)
        if padding == "valid":
            return 0, 0, 0, 0
        expect(strides == (1, 1), 'stride 1 with padding "same"', strides)
        # output_size = n needs d(k − 1) cells; the odd one goes behind
        rows, columns = (d * (k - 1) for d, k in zip(dilations, sizes))
        return columns // 2, columns - columns // 2, rows // 2, rows - rows // 2
    rows, columns = as_pair("padding", padding, 0)
    return columns, columns, rows, rows


def _expect_bias(bias: Tensor | None, channels: int) -> None:
    if bias is not None:
        expect_float("bias", bias)
        expect(bias.shape == (channels,), f"bias of shape ({channels},), one a channel", bias)


def _expect_groups(groups: int, **channels: int) -> None:
    expect(_is_int(groups, 1), "groups to be an integer of at least 1", groups)
    for name, count in channels.items():
        expect(count % groups == 0, f"groups to divide the {count} {name} channels", groups)


def _expect_weight(weight: Tensor, input: Tensor) -> None:
    expect_float("weight", weight)
    expect(weight.ndim == 4, "weight of four dimensions (channels, channels, kh, kw)", weight)
    expect(weight.dtype == input.dtype, f"weight of the input's type {input.dtype}", weight)


def conv2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Pair = 1,
           padding: Pair | str = 0, dilation: Pair = 1, groups: int = 1) -> Tensor:
    r"""Slide every filter over the image: multiply, add up, shift.

    .. math:: Y_{n o i j} = b_o + \sum_{c, u, v} W_{o c u v}\; X_{n,\, c,\, s i + d u,\, s j + d v}

    X here is the padded input, and c runs over the channels of filter o's own group. Like
    every deep-learning library this does not flip the kernel: mathematically it is the
    cross-correlation. All windows become the columns of one matrix, so that the whole
    layer is one matrix product.

    Args:
        input: X, shape (N, C, H, W).
        weight: W, shape (O, C / groups, kh, kw): O filters.
        bias: b, shape (O,), or None.
        stride: s, cells from one window to the next.
        padding: Zeros added on each side; ``"valid"`` is 0, ``"same"`` keeps H and W.
        dilation: d, cells from one tap of the kernel to the next.
        groups: Filters and channels are split into so many parts that do not mix.

    Returns:
        Y, shape (N, O, H', W'), with H' and W' of :func:`output_size`.

    Raises:
        ValueError: If shapes, types or channels do not match, a number is out of range, or
            the kernel is larger than the padded input.

    Source: LeCun et al. (1998), "Gradient-based learning applied to document
    recognition"; the matrix product is of Chellapilla et al. (2006).

    >>> image = torch.arange(9.0).reshape(1, 1, 3, 3)
    >>> conv2d(image, torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]]))
    tensor([[[[ 4.,  6.],
              [10., 12.]]]])
    """
    expect_image("input", input)
    _expect_weight(weight, input)
    filters, _, *kernel_size = weight.shape
    _expect_groups(groups, input=input.shape[1], output=filters)
    channels = input.shape[1] // groups
    expect(weight.shape[1] == channels, f"weight of shape (O, {channels}, kh, kw), for "
           f"{input.shape[1]} input channels in {groups} group(s)", weight)
    _expect_bias(bias, filters)
    strides, dilations = as_pair("stride", stride, 1), as_pair("dilation", dilation, 1)
    padded = pad(input, _resolve_padding(padding, tuple(kernel_size), strides, dilations))

    patches = windows(padded, tuple(kernel_size), strides, dilations)    # (N, C, H', W', kh, kw)
    n, _, h, w, _, _ = patches.shape
    # one column a window: (g, C/g·kh·kw, N·H'·W')
    columns = patches.permute(1, 4, 5, 0, 2, 3).reshape(groups, -1, n * h * w)
    # Y = W · columns: (g, O/g, C/g·kh·kw) (g, C/g·kh·kw, N·H'·W') → (g, O/g, N·H'·W')
    output = weight.reshape(groups, filters // groups, -1) @ columns
    output = output.reshape(filters, n, h, w).transpose(0, 1)    # (N, O, H', W')
    return output if bias is None else output + bias[:, None, None]


def conv_transpose2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Pair = 1,
                     padding: Pair = 0, output_padding: Pair = 0, groups: int = 1,
                     dilation: Pair = 1) -> Tensor:
    r"""Let every cell stamp the kernel, times its value, onto a larger image.

    .. math:: Y_{n,\, o,\, s i + d u - p,\, s j + d v - p}
       \mathrel{+}= \sum_c W_{c o u v}\; X_{n c i j}

    It is the adjoint of :func:`conv2d` with the same weight: the transpose of its matrix,
    not the inverse. ⟨conv2d(x), y⟩ = ⟨x, conv_transpose2d(y)⟩ for every x and y.

    Args:
        input: X, shape (N, C, H, W).
        weight: W, shape (C, O / groups, kh, kw).
        bias: b, shape (O,), added to every cell; or None.
        stride: s, cells from one stamp to the next.
        padding: p, cells cut off on each side.
        output_padding: Cells added behind; it settles which of s sizes is meant.
        groups: Channels are split into so many parts that do not mix.
        dilation: d, cells from one tap of the kernel to the next.

    Returns:
        Y, shape (N, O, H', W'), H' = s (H − 1) + d (kh − 1) + 1 − 2 p + output_padding.

    Raises:
        ValueError: If shapes, types or channels do not match, a number is out of range, or
            nothing is left after cutting.

    Source: Dumoulin and Visin (2016), "A guide to convolution arithmetic for deep
    learning".

    >>> cell = torch.tensor([[[[1.0, 10.0]]]])
    >>> conv_transpose2d(cell, torch.tensor([[[[1.0, 2.0, 3.0]]]]), stride=2)
    tensor([[[[ 1.,  2., 13., 20., 30.]]]])
    """
    expect_image("input", input)
    _expect_weight(weight, input)
    n, channels, h, w = input.shape
    _expect_groups(groups, input=channels)
    expect(weight.shape[0] == channels, f"weight of shape ({channels}, O / groups, kh, kw), for "
           f"{channels} input channels", weight)
    filters, (kh, kw) = weight.shape[1] * groups, weight.shape[2:]
    _expect_bias(bias, filters)
    (sh, sw), (dh, dw) = as_pair("stride", stride, 1), as_pair("dilation", dilation, 1)
    ph, pw = as_pair("padding", padding, 0)
    oh, ow = as_pair("output_padding", output_padding, 0)
    expect(oh < max(sh, dh) and ow < max(sw, dw), "output_padding below stride or dilation, "
           f"{max(sh, dh), max(sw, dw)}", output_padding)
    tall, wide = (h - 1) * sh + dh * (kh - 1) + 1 + oh, (w - 1) * sw + dw * (kw - 1) + 1 + ow
    expect(tall > 2 * ph and wide > 2 * pw,
           f"padding that leaves a cell of the {tall} × {wide} uncut ones", padding)

    # every cell times the kernel: (g, O/g·kh·kw, C/g) (g, C/g, N·H·W) → (g, O/g·kh·kw, N·H·W)
    cells = input.transpose(0, 1).reshape(groups, channels // groups, -1)
    products = weight.reshape(groups, channels // groups, -1).mT @ cells
    products = products.reshape(filters, kh, kw, n, h, w).movedim(3, 1)  # (O, N, kh, kw, H, W)
    # where each product lands: row s i + d u, column s j + d v
    rows, columns = (d * torch.arange(k, device=input.device)[:, None]
                     + s * torch.arange(m, device=input.device)          # (kh, H) and (kw, W)
                     for k, m, s, d in ((kh, h, sh, dh), (kw, w, sw, dw)))
    place = rows[:, None, :, None] * wide + columns[:, None]     # (kh, kw, H, W)
    output = input.new_zeros(filters * n, tall * wide).index_add(
        1, place.flatten(), products.reshape(filters * n, -1))
    output = output.reshape(filters, n, tall, wide).transpose(0, 1)[
        ..., ph:tall - ph, pw:wide - pw]                         # (N, O, H', W')
    return output if bias is None else output + bias[:, None, None]


def receptive_field(layers: Iterable[tuple[int, ...]]) -> int:
    r"""Return how many input cells, along one direction, one output cell can see.

    .. math:: r = 1 + \sum_{l} d_l\,(k_l - 1) \prod_{m < l} s_m

    Args:
        layers: For each layer, first to last, (kernel_size, stride, dilation) of a
            convolution or pooling; what is left out is 1.

    Raises:
        ValueError: If a layer is no such tuple, or a number is below 1.

    Source: Araujo, Norris and Sim (2019), "Computing receptive fields of convolutional
    neural networks".

    >>> receptive_field([(3, 1, 1), (3, 1, 1)])      # two 3 × 3 see what one 5 × 5 sees
    5
    >>> receptive_field([(3,), (2, 2), (3,)])        # pooling doubles every later step
    8
    """
    field, jump = 1, 1                                           # r, and Π s so far
    for layer in layers:
        is_layer = isinstance(layer, tuple | list) and 1 <= len(layer) <= 3
        expect(is_layer and all(_is_int(v, 1) for v in layer),
               "layers of (kernel_size, stride, dilation), integers of at least 1", layer)
        kernel_size, stride, dilation = (*layer, 1, 1)[:3]
        field += dilation * (kernel_size - 1) * jump
        jump *= stride
    return field


class _Convolution(nn.Module):
    """What both layers share: the numbers, the parameters and their first values."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair,
                 padding: Pair | str, dilation: Pair, groups: int, bias: bool,
                 weight_channels: tuple[int, int], device: torch.device | str | None,
                 dtype: torch.dtype | None) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = as_pair("kernel_size", kernel_size, 1)
        self.stride, self.dilation = as_pair("stride", stride, 1), as_pair("dilation", dilation, 1)
        self.padding = padding if isinstance(padding, str) else as_pair("padding", padding, 0)
        factory = {"device": device, "dtype": dtype}
        self.weight = nn.Parameter(torch.empty(*weight_channels, *self.kernel_size, **factory))
        self.bias = nn.Parameter(torch.empty(out_channels, **factory)) if bias else None
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the parameters anew: uniform in ±1/√(numbers that one output adds up)."""
        bound = 1 / math.sqrt(self.weight[0].numel())
        for parameter in self.parameters():
            parameter.uniform_(-bound, bound)

    def extra_repr(self) -> str:
        """Return what ``print`` shows between the brackets."""
        parts = [f"{self.in_channels}, {self.out_channels}", f"kernel_size={self.kernel_size}",
                 f"stride={self.stride}"]
        parts += [f"{name}={getattr(self, name)}" for name, usual in (
            ("padding", (0, 0)), ("output_padding", (0, 0)), ("dilation", (1, 1)), ("groups", 1))
            if getattr(self, name, usual) != usual]
        return ", ".join(parts + ["bias=False"] * (self.bias is None))


def _expect_channels(in_channels: int, out_channels: int, groups: int) -> None:
    for name, value in (("in_channels", in_channels), ("out_channels", out_channels)):
        expect(_is_int(value, 1), f"{name} to be an integer of at least 1", value)
    _expect_groups(groups, input=in_channels, output=out_channels)


class Conv2d(_Convolution):
    r"""A convolution layer with its parameters, started as torch starts them.

    .. math:: W, b \sim \mathcal{U}\left(-1/\sqrt{f},\; 1/\sqrt{f}\right), \qquad
       f = \frac{C}{g}\, k_h k_w

    Args:
        in_channels: C.
        out_channels: O, the number of filters.
        kernel_size: (kh, kw).
        stride: Cells from one window to the next.
        padding: Cells added on each side, ``"valid"`` or ``"same"``.
        dilation: Cells from one tap of the kernel to the next.
        groups: g, parts that do not mix.
        bias: Whether there is a b.
        padding_mode: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        device: Where the parameters live.
        dtype: Their type.

    Attributes:
        weight: Shape (O, C / g, kh, kw).
        bias: Shape (O,), or None.

    Raises:
        ValueError: If a number or a mode is out of range.

    >>> layer = Conv2d(3, 32, kernel_size=3)
    >>> layer.weight.numel(), layer.bias.numel()
    (864, 32)
    >>> layer.load_state_dict(nn.Conv2d(3, 32, 3).state_dict())
    <All keys matched successfully>
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair = 1,
                 padding: Pair | str = 0, dilation: Pair = 1, groups: int = 1, bias: bool = True,
                 padding_mode: str = "zeros", device: torch.device | str | None = None,
                 dtype: torch.dtype | None = None) -> None:
        _expect_channels(in_channels, out_channels, groups)
        modes = ("zeros", "reflect", "replicate", "circular")
        expect(padding_mode in modes, f"padding_mode to be one of {modes}", padding_mode)
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups,
                         bias, (out_channels, in_channels // groups), device, dtype)
        self.padding_mode = padding_mode
        self._cells = _resolve_padding(self.padding, self.kernel_size, self.stride, self.dilation)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, O, H', W')."""
        if self.padding_mode == "zeros":
            return conv2d(input, self.weight, self.bias, self.stride, self.padding, self.dilation,
                          self.groups)
        padded = pad(expect_image("input", input), self._cells, mode=self.padding_mode)
        return conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class ConvTranspose2d(_Convolution):
    r"""A transposed convolution layer with its parameters, started as torch starts them.

    .. math:: W, b \sim \mathcal{U}\left(-1/\sqrt{f},\; 1/\sqrt{f}\right), \qquad
       f = \frac{O}{g}\, k_h k_w

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: (kh, kw).
        stride: Cells from one stamp to the next.
        padding: Cells cut off on each side.
        output_padding: Cells added behind.
        groups: g, parts that do not mix.
        bias: Whether there is a b.
        dilation: Cells from one tap of the kernel to the next.
        padding_mode: Only ``"zeros"``, as in torch.
        device: Where the parameters live.
        dtype: Their type.

    Attributes:
        weight: Shape (C, O / g, kh, kw).
        bias: Shape (O,), or None.

    Raises:
        ValueError: If a number or a mode is out of range.

    >>> layer = ConvTranspose2d(16, 8, kernel_size=4, stride=2, padding=1)
    >>> layer(torch.zeros(1, 16, 7, 7)).shape
    torch.Size([1, 8, 14, 14])
    >>> layer.load_state_dict(nn.ConvTranspose2d(16, 8, 4, 2, 1).state_dict())
    <All keys matched successfully>
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair = 1,
                 padding: Pair = 0, output_padding: Pair = 0, groups: int = 1, bias: bool = True,
                 dilation: Pair = 1, padding_mode: str = "zeros",
                 device: torch.device | str | None = None,
                 dtype: torch.dtype | None = None) -> None:
        _expect_channels(in_channels, out_channels, groups)
        expect(padding_mode == "zeros", 'padding_mode "zeros"', padding_mode)
        expect(not isinstance(padding, str), "padding in numbers", padding)
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups,
                         bias, (in_channels, out_channels // groups), device, dtype)
        self.output_padding = as_pair("output_padding", output_padding, 0)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, O, H', W')."""
        return conv_transpose2d(input, self.weight, self.bias, self.stride, self.padding,
                                self.output_padding, self.groups, self.dilation)
