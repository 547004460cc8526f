"""Pooling: one number for each window of a feature map.

No parameters are learned. What a window becomes is its largest cell, its smallest
or its mean; the channels stay apart.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from dlcheat.layers.convolution import Pair, as_pair, expect_image, output_size
from dlcheat.validation import expect


def _pooled_size(size: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    """Return ``output_size``; with ``ceil_mode`` a last window may hang over the edge."""
    floor = output_size(size, k, s, p, d)
    hangs = (size + 2 * p - d * (k - 1) - 1) % s > 0
    # … but it must start on a cell or on the padding in front, not behind the last cell
    return floor + (ceil_mode and hangs and floor * s < size + p)


def _expect_numbers(kernel_size: Pair, stride: Pair | None, padding: Pair,
                    dilation: Pair = 1) -> list[tuple[int, int, int, int]]:
    """Return (kernel size, stride, padding, dilation) of rows and of columns."""
    k = as_pair("kernel_size", kernel_size, 1)
    s = k if stride is None else as_pair("stride", stride, 1)
    p, d = as_pair("padding", padding, 0), as_pair("dilation", dilation, 1)
    fits = all(2 * a <= b for a, b in zip(p, k))
    expect(fits, f"padding of at most half the kernel {k}", padding)
    return list(zip(k, s, p, d))


def _arguments(input: Tensor, kernel_size: Pair, stride: Pair | None, padding: Pair,
               dilation: Pair = 1, ceil_mode: bool = False) -> list[tuple[int, ...]]:
    """Return, for rows and columns, (kernel size, stride, padding, dilation, output size)."""
    expect_image("input", input)
    numbers = _expect_numbers(kernel_size, stride, padding, dilation)
    return [(*a, _pooled_size(n, *a, ceil_mode)) for n, a in zip(input.shape[2:], numbers)]


def _cover(input: Tensor, rows: tuple[int, ...], columns: tuple[int, ...], fill: float) -> Tensor:
    """Pad the image so that exactly the wanted windows fit."""
    cells = []
    for size, (k, s, p, d, m) in zip(input.shape[:1:-1], (columns, rows)):
        cells += [p, (m - 1) * s + d * (k - 1) + 1 - p - size]   # in front, behind (or cut off)
    return pad(input, cells, value=fill)


def max_pool2d(input: Tensor, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0,
               dilation: Pair = 1, ceil_mode: bool = False,
               return_indices: bool = False) -> Tensor | tuple[Tensor, Tensor]:
    r"""Keep the largest cell of every window.

    .. math:: Y_{n c i j} = \max_{u, v} X_{n,\, c,\, s i + d u,\, s j + d v}

    X here is the padded input. The maximum over a window is the maximum down its columns
    of the maxima along its rows, so the work is kh + kw and not kh · kw. The gradient goes
    to the one cell that won (the first, where several are equal), and to no other.

    Args:
        input: X, shape (N, C, H, W).
        kernel_size: (kh, kw).
        stride: s, cells from one window to the next; None is the kernel size.
        padding: Cells of −∞ on each side, at most half the kernel.
        dilation: d, cells from one cell of a window to the next.
        ceil_mode: Whether a last window may hang over the edge.
        return_indices: Also return where the largest cells are.

    Returns:
        Y, shape (N, C, H', W'); with ``return_indices`` also the places in the flattened
        H · W cells, same shape.

    Raises:
        ValueError: If ``input`` is no batch of images or a number is out of range.

    Source: Ranzato et al. (2007), "Unsupervised learning of invariant feature
    hierarchies with applications to object recognition".

    >>> image = torch.arange(16.0).reshape(1, 1, 4, 4)
    >>> max_pool2d(image, 2)
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """
    rows, columns = _arguments(input, kernel_size, stride, padding, dilation, ceil_mode)
    (kh, sh, ph, dh, h), (kw, sw, pw, dw, w) = rows, columns
    padded = _cover(input, rows, columns, -torch.inf)

    # along the rows of each window, then down: values and where they are
    along = padded.detach().unfold(3, dw * (kw - 1) + 1, sw)[..., ::dw].max(-1)  # (N, C, H, W')
    down = along.values.unfold(2, dh * (kh - 1) + 1, sh)[..., ::dh].max(-1)      # (N, C, H', W')
    # the winner's row s i + d u and column s j + d v: (N, C, H', W') each
    row = sh * torch.arange(h, device=input.device)[:, None] + dh * down.indices
    column = sw * torch.arange(w, device=input.device) + dw * along.indices.gather(2, row)
    place = row * padded.shape[3] + column
    output = padded.flatten(2).gather(2, place.flatten(2)).reshape(place.shape)
    return (output, (row - ph) * input.shape[3] + column - pw) if return_indices else output


def min_pool2d(input: Tensor, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0,
               dilation: Pair = 1, ceil_mode: bool = False) -> Tensor:
    r"""Keep the smallest cell of every window.

    .. math:: \min_{u, v} X = -\max_{u, v} (-X)

    Args:
        input: X, shape (N, C, H, W).
        kernel_size: (kh, kw).
        stride: Cells from one window to the next; None is the kernel size.
        padding: Cells of +∞ on each side, at most half the kernel.
        dilation: Cells from one cell of a window to the next.
        ceil_mode: Whether a last window may hang over the edge.

    Returns:
        Shape (N, C, H', W').

    Raises:
        ValueError: As :func:`max_pool2d`.

    >>> min_pool2d(torch.arange(16.0).reshape(1, 1, 4, 4), 2)
    tensor([[[[ 0.,  2.],
              [ 8., 10.]]]])
    """
    expect_image("input", input)
    return -max_pool2d(-input, kernel_size, stride, padding, dilation, ceil_mode)


def _slide_sum(input: Tensor, k: int, s: int, m: int) -> Tensor:
    """Add up k neighbours along the last dimension, at m places s cells apart."""
    return sum(input[..., u:u + s * (m - 1) + 1:s] for u in range(k))


def avg_pool2d(input: Tensor, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0,
               ceil_mode: bool = False, count_include_pad: bool = True,
               divisor_override: int | None = None) -> Tensor:
    r"""Average every window.

    .. math:: Y_{n c i j} = \frac{1}{k_h k_w} \sum_{u, v} X_{n,\, c,\, s i + u,\, s j + v}

    X here is the padded input.

    Args:
        input: X, shape (N, C, H, W).
        kernel_size: (kh, kw).
        stride: s, cells from one window to the next; None is the kernel size.
        padding: Zeros on each side, at most half the kernel.
        ceil_mode: Whether a last window may hang over the edge; what hangs over is not
            counted.
        count_include_pad: Whether the zeros count as cells; else a window at the edge
            divides by the cells it has.
        divisor_override: Divide by this number instead.

    Returns:
        Y, shape (N, C, H', W').

    Raises:
        ValueError: If ``input`` is no batch of images or a number is out of range.

    Source: LeCun et al. (1998), "Gradient-based learning applied to document
    recognition".

    >>> avg_pool2d(torch.arange(16.0).reshape(1, 1, 4, 4), 2)
    tensor([[[[ 2.5000,  4.5000],
              [10.5000, 12.5000]]]])
    """
    rows, columns = _arguments(input, kernel_size, stride, padding, 1, ceil_mode)
    override = divisor_override
    expect(override is None or (isinstance(override, int) and override != 0),
           "divisor_override to be an integer other than 0, or None", override)
    (kh, sh, ph, _, h), (kw, sw, pw, _, w) = rows, columns
    padded = _cover(input, rows, columns, 0.0)

    # Σ_u Σ_v, first along the rows, then down: (N, C, H, W') → (N, C, H', W')
    total = _slide_sum(_slide_sum(padded, kw, sw, w).mT, kh, sh, h).mT
    if override is not None:
        return total / override
    # how many cells of each window count, in rows (H',) and in columns (W',)
    counts = []
    for size, k, s, p, m in ((input.shape[2], kh, sh, ph, h), (input.shape[3], kw, sw, pw, w)):
        start = s * torch.arange(m, device=input.device)         # (m,), from the first padded cell
        first, last = (0, size + 2 * p) if count_include_pad else (p, p + size)
        counts.append((start + k).clamp(max=last) - start.clamp(min=first))
    return total / torch.outer(*counts)


def global_avg_pool2d(input: Tensor) -> Tensor:
    r"""Average each whole feature map to one number.

    .. math:: Y_{n c} = \frac{1}{H W} \sum_{i, j} X_{n c i j}

    Args:
        input: X, shape (N, C, H, W).

    Returns:
        Shape (N, C, 1, 1), as ``torch.nn.functional.adaptive_avg_pool2d(input, 1)``.

    Raises:
        ValueError: If ``input`` is no batch of images.

    Source: Lin, Chen and Yan (2014), "Network in network".

    >>> global_avg_pool2d(torch.arange(4.0).reshape(1, 1, 2, 2)).item()
    1.5
    """
    expect_image("input", input)
    return input.mean((2, 3), keepdim=True)


class MaxPool2d(nn.Module):
    r"""Max pooling as a layer; see :func:`max_pool2d`.

    Args:
        kernel_size: (kh, kw).
        stride: Cells from one window to the next; None is the kernel size.
        padding: Cells of −∞ on each side, at most half the kernel.
        dilation: Cells from one cell of a window to the next.
        return_indices: Also return where the largest cells are.
        ceil_mode: Whether a last window may hang over the edge.

    Raises:
        ValueError: If a number is out of range.

    >>> MaxPool2d(2)(torch.zeros(1, 8, 28, 28)).shape
    torch.Size([1, 8, 14, 14])
    """

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0,
                 dilation: Pair = 1, return_indices: bool = False,
                 ceil_mode: bool = False) -> None:
        super().__init__()
        _expect_numbers(kernel_size, stride, padding, dilation)
        self.kernel_size, self.padding, self.dilation = kernel_size, padding, dilation
        self.stride = kernel_size if stride is None else stride
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Map (N, C, H, W) to (N, C, H', W')."""
        return max_pool2d(input, self.kernel_size, self.stride, self.padding, self.dilation,
                          self.ceil_mode, self.return_indices)

    def extra_repr(self) -> str:
        """Return what ``print`` shows between the brackets."""
        return (f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
                f"dilation={self.dilation}, ceil_mode={self.ceil_mode}")


class AvgPool2d(nn.Module):
    r"""Average pooling as a layer; see :func:`avg_pool2d`.

    Args:
        kernel_size: (kh, kw).
        stride: Cells from one window to the next; None is the kernel size.
        padding: Zeros on each side, at most half the kernel.
        ceil_mode: Whether a last window may hang over the edge.
        count_include_pad: Whether the zeros count as cells.
        divisor_override: Divide by this number instead.

    Raises:
        ValueError: If a number is out of range.

    >>> AvgPool2d(2)(torch.zeros(1, 8, 28, 28)).shape
    torch.Size([1, 8, 14, 14])
    """

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0,
                 ceil_mode: bool = False, count_include_pad: bool = True,
                 divisor_override: int | None = None) -> None:
        super().__init__()
        _expect_numbers(kernel_size, stride, padding)
        self.kernel_size, self.padding, self.ceil_mode = kernel_size, padding, ceil_mode
        self.stride = kernel_size if stride is None else stride
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H', W')."""
        return avg_pool2d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
                          self.count_include_pad, self.divisor_override)

    def extra_repr(self) -> str:
        """Return what ``print`` shows between the brackets."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
