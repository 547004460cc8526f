"""Features made by hand: what people computed from images before networks learned to."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from dlcheat.validation import expect, expect_float


def gradients(images: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return how strongly, and in which direction, the grey value rises at every pixel.

    .. math:: g_x(i, j) = x(i, j + 1) - x(i, j - 1), \quad g_y(i, j) = x(i + 1, j) - x(i - 1, j)

    .. math:: \text{strength} = \sqrt{g_x^2 + g_y^2}, \qquad
       \text{angle} = \operatorname{atan2}(g_y, g_x)

    Outside of the image all is 0.

    Args:
        images: Grey values, shape (N, 1, H, W).

    Returns:
        Strength, in grey values per two pixels, and angle in −π … π (0 is right, π/2 down),
        both of shape (N, H, W).

    Raises:
        ValueError: If ``images`` is not a floating-point tensor of shape (N, 1, H, W).

    >>> strength, angle = gradients(torch.arange(9.0).reshape(1, 1, 3, 3))
    >>> round(strength[0, 1, 1].item(), 3), round(math.degrees(angle[0, 1, 1].item()))
    (6.325, 72)
    """
    expect_float("images", images)
    grey = images.ndim == 4 and images.shape[1] == 1
    expect(grey, "images of shape (N, 1, H, W)", images)
    x = F.pad(images[:, 0], (1, 1, 1, 1))                        # (N, H + 2, W + 2)
    right = x[:, 1:-1, 2:] - x[:, 1:-1, :-2]                     # (N, H, W)
    down = x[:, 2:, 1:-1] - x[:, :-2, 1:-1]                      # (N, H, W)
    return torch.hypot(right, down), torch.atan2(down, right)


def oriented_cells(images: Tensor, cell: int = 4, bins: int = 8) -> Tensor:
    r"""Return the mean strength of the gradient in every cell, sorted by direction.

    A pixel's strength is shared between the two directions nearest to its own, in the
    proportion of their closeness.

    Args:
        images: Grey values, shape (N, 1, H, W).
        cell: Side of a cell in pixels; a rest at the right and lower border is left out.
        bins: Directions B: 0 is right, a quarter of them is down, and so around.

    Returns:
        Shape (N, B, H // cell, W // cell).

    Raises:
        ValueError: If ``images`` has another shape, ``bins`` is below 2, or no cell fits.

    >>> ramp = torch.arange(16.0).expand(1, 1, 16, 16)               # it rises to the right
    >>> oriented_cells(ramp)[0, :, 1, 1].tolist()
    [2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    strength, angle = gradients(images)
    several = isinstance(bins, int) and bins >= 2
    expect(several, "bins to be an integer of at least 2", bins)
    fits = isinstance(cell, int) and 1 <= cell <= min(strength.shape[1:])
    expect(fits, f"cell to be an integer from 1 to {min(strength.shape[1:])}", cell)
    turn = angle * bins / (2 * math.pi)                          # (N, H, W), in bins
    maps = []
    for k in range(bins):
        distance = ((turn - k + bins / 2) % bins - bins / 2).abs()   # around the circle
        maps.append(F.avg_pool2d(strength * (1 - distance).clamp(min=0), cell))
    return torch.stack(maps, 1)                                  # (N, B, h, w)


def oriented_gradients(images: Tensor, cell: int = 4, bins: int = 8) -> Tensor:
    r"""Return histograms of oriented gradients (HOG): features made by hand.

    Every block of 2 × 2 neighbouring cells is scaled to length 1 (a weak one less), so that
    brightness and contrast no longer count.

    .. math:: v \leftarrow v / \max(\lVert v \rVert, 0.1)

    Args:
        images: Grey values, shape (N, 1, H, W).
        cell: Side of a cell in pixels.
        bins: Directions B.

    Returns:
        Shape (N, 4 B, H // cell − 1, W // cell − 1): the 4 B numbers of every block.

    Raises:
        ValueError: If ``images`` has another shape, ``bins`` is below 2, or no block fits.

    Source: after Dalal and Triggs (2005), "Histograms of oriented gradients for human
    detection", with directions around the whole circle and without their clipping.

    >>> oriented_gradients(torch.rand(3, 1, 28, 28)).shape
    torch.Size([3, 32, 6, 6])
    """
    cells = oriented_cells(images, cell, bins)                   # (N, B, h, w)
    h, w = cells.shape[2:]
    expect(min(h, w) >= 2, "images of at least two cells each way", images)
    blocks = F.unfold(cells, 2).unflatten(2, (h - 1, w - 1))     # (N, 4 B, h − 1, w − 1)
    return F.normalize(blocks, dim=1, eps=0.1)


def _greys(images: Tensor) -> Tensor:
    """Return the grey values, shape (N, H, W), or refuse what has no ink."""
    expect_float("images", images)
    grey = images.ndim == 4 and images.shape[1] == 1
    expect(grey, "images of shape (N, 1, H, W)", images)
    ink = bool((images >= 0).all()) and bool((images.sum((1, 2, 3)) > 0).all())
    expect(ink, "images of values from 0, with some ink in each", images)
    return images[:, 0]


def slant(images: Tensor) -> Tensor:
    r"""Return how far each drawing leans to the right: pixels to the right for a pixel up.

    .. math:: \frac{\mu_{11}}{\mu_{02}}, \qquad
       \mu_{pq} = \sum_{i,j} (j - \bar{\jmath})^p\, (\bar{\imath} - i)^q\, x_{ij}

    The bar marks the centre of the ink; rows i count downwards, hence the turned difference.
    It is the slope of the line that predicts an ink pixel's column from its row with least
    squares: the tangent of the angle to the vertical.

    Args:
        images: Grey values from 0, 0 is the background, shape (N, 1, H, W).

    Returns:
        Shape (N,). Ink in a single row has no slant; it is given 0.

    Raises:
        ValueError: If ``images`` has another shape or an image has no ink.

    >>> slash = torch.eye(5).flip(1)                             # from bottom left to top right
    >>> slant(torch.stack([slash, torch.ones(5, 5)])[:, None]).tolist()
    [1.0, 0.0]
    """
    x = _greys(images)                                           # (N, H, W)
    rows = torch.arange(x.shape[1], dtype=x.dtype, device=x.device)[:, None]
    columns = torch.arange(x.shape[2], dtype=x.dtype, device=x.device)
    ink = x.sum((1, 2), keepdim=True)                            # (N, 1, 1)
    up = (rows * x).sum((1, 2), keepdim=True) / ink - rows       # (N, H, 1)
    right = columns - (columns * x).sum((1, 2), keepdim=True) / ink  # (N, 1, W)
    mu11, mu02 = (up * right * x).sum((1, 2)), (up * up * x).sum((1, 2))
    flat = mu02 <= 1e-9 * ink[:, 0, 0]
    return torch.where(flat, 0.0, mu11 / torch.where(flat, 1.0, mu02))


def thickness(images: Tensor) -> Tensor:
    r"""Return the mean thickness of the strokes in pixels: the ink over half its outline.

    .. math:: t = \frac{A}{P / 2}, \qquad A = \sum_{i,j} x_{ij}, \qquad
       P = \sum_{i,j} \lVert \nabla x \rVert_{ij}

    A stroke of length l and thickness t, l ≫ t, has the area l t and an outline of 2 l. With
    grey values P is the length of the outlines of all grey levels, averaged; the gradient is
    taken between the four pixels of each 2 × 2 window. Brightness cancels.

    Args:
        images: Grey values from 0, 0 is the background, shape (N, 1, H, W).

    Returns:
        Shape (N,). The ends of a stroke count as outline too, hence l t / (l + t) for a bar. Oblique
        strokes of 2 pixels and less come out too thick, by up to a fifth of a pixel.

    Raises:
        ValueError: If ``images`` has another shape or an image has no ink.

    Source: the outline by the coarea formula, Federer (1959), "Curvature measures".

    >>> bar = torch.zeros(1, 1, 28, 28)
    >>> bar[..., 4:24, 10:13] = 1                                # 20 pixels long, 3 thick
    >>> round(thickness(bar).item(), 2), round(20 * 3 / 23, 2)
    (2.68, 2.61)
    """
    x = F.pad(_greys(images), (1, 1, 1, 1))                      # (N, H + 2, W + 2)
    right, down = x[:, :, 1:] - x[:, :, :-1], x[:, 1:] - x[:, :-1]
    right = (right[:, 1:] + right[:, :-1]) / 2                   # (N, H + 1, W + 1)
    down = (down[:, :, 1:] + down[:, :, :-1]) / 2
    return 2 * x.sum((1, 2)) / torch.hypot(right, down).sum((1, 2))
