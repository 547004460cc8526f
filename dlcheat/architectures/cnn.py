"""Convolutional neural networks: the worked example in full, and a small one for digits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcheat.layers.convolution import conv2d, windows
from dlcheat.regularization import augment
from dlcheat.training import History, fit
from dlcheat.validation import expect, expect_float

#: How a network gets from the last feature maps (N, C, H, W) to a vector.
HEADS: dict[str, Callable[[Tensor], Tensor]] = {
    "flatten": partial(torch.flatten, start_dim=1),  # (N, C·H·W): keeps where
    "max": partial(torch.amax, dim=(2, 3)),          # (N, C): keeps whether, forgets where
    "mean": partial(torch.mean, dim=(2, 3)),         # (N, C): keeps how much, forgets where
}


# ---------------------------------------------------------------- the worked example, by hand

class Parameters(NamedTuple):
    """What a network of one filter and one fully connected layer learns.

    Attributes:
        kernel: K, shape (k, k).
        bias: b, shape ().
        weight: W, shape (C, n): one row a class.
        offset: c, the biases of the fully connected layer, shape (C,).
    """

    kernel: Tensor
    bias: Tensor
    weight: Tensor
    offset: Tensor


class Trace(NamedTuple):
    """Every intermediate of one forward pass: the backward pass needs them.

    Attributes:
        image: X, shape (H, W).
        convolved: Y, shape (H − k + 1, W − k + 1).
        rectified: Z = max(0, Y).
        winner: Which cell of each pooling window is its largest, row after row; the first of
            equals.
        pooled: V, one row and one column smaller than Z.
        scores: z, shape (C,).
        probabilities: p = softmax(z), shape (C,).
    """

    image: Tensor
    convolved: Tensor
    rectified: Tensor
    winner: Tensor
    pooled: Tensor
    scores: Tensor
    probabilities: Tensor


def correlate(image: Tensor, kernel: Tensor) -> Tensor:
    r"""Cross-correlate one image with one kernel.

    .. math:: Y(i, j) = \sum_{m, n} X(i + m, j + n)\, K(m, n)

    Args:
        image: X, shape (H, W).
        kernel: K, shape (h, w).

    Returns:
        Y, shape (H − h + 1, W − w + 1).

    Raises:
        ValueError: If one of them is not of two dimensions, or the kernel does not fit.

    >>> correlate(torch.arange(6.0).view(2, 3), torch.tensor([[0.0, 1], [10, 0]]))
    tensor([[31., 42.]])
    """
    parts = {"image of shape (H, W)": image, "kernel of shape (h, w)": kernel}
    for name, part in parts.items():
        expect(isinstance(part, Tensor) and part.ndim == 2, name, part)
    return conv2d(image[None, None], kernel[None, None])[0, 0]


def forward(parameters: Parameters, image: Tensor) -> Trace:
    r"""Run convolution, ReLU, 2 × 2 max pooling of stride 1, flatten, linear layer and softmax.

    .. math:: Y = X \star K + b, \quad Z = \max(0, Y), \quad V = \text{pool}(Z), \quad
              p = \text{softmax}(W\,\text{vec}(V) + c)

    Args:
        parameters: K of shape (k, k), b, W of shape (C, n) and c of shape (C,), with
            n = (H − k)(W − k).
        image: X, shape (H, W).

    Raises:
        ValueError: If the kernel does not fit, or W does not have one column for each cell of V.

    >>> ones = Parameters(torch.ones(2, 2), torch.tensor(0.), torch.ones(2, 1), torch.zeros(2))
    >>> forward(ones, torch.ones(3, 3)).scores
    tensor([4., 4.])
    """
    kernel, bias, weight, offset = parameters
    convolved = correlate(image, kernel) + bias
    rectified = convolved.clamp(min=0)
    views = windows(rectified[None, None], 2)[0, 0].flatten(2)  # (H − k, W − k, 4)
    winner = views.argmax(2)
    pooled = views.gather(2, winner[..., None]).squeeze(2)
    expect(weight.ndim == 2 and weight.shape[1] == pooled.numel(),
           f"weight of shape (C, {pooled.numel()})", weight)
    classes = len(weight)
    expect(offset.shape == (classes,), f"offset of shape ({classes},)", offset)
    scores = weight @ pooled.flatten() + offset
    return Trace(image, convolved, rectified, winner, pooled, scores, scores.softmax(0))


class Backward(NamedTuple):
    """The loss and its derivative by every intermediate and every parameter.

    Attributes:
        loss: −log p of the true class.
        scores: ∂L/∂z = p − onehot.
        pooled: ∂L/∂V = Wᵀ ∂L/∂z, in the shape of V.
        rectified: ∂L/∂Z: each pooled cell's share, added where its window's winner is.
        convolved: ∂L/∂Y: the same where Y > 0, else 0.
        image: ∂L/∂X: the full convolution of ∂L/∂Y with K.
        parameters: ∂L/∂K (cross-correlation of X with ∂L/∂Y), ∂L/∂b, ∂L/∂W, ∂L/∂c.
    """

    loss: Tensor
    scores: Tensor
    pooled: Tensor
    rectified: Tensor
    convolved: Tensor
    image: Tensor
    parameters: Parameters


def backward(parameters: Parameters, trace: Trace, target: int) -> Backward:
    r"""Run the chain rule from the cross-entropy back to every parameter and to the image.

    .. math:: \frac{\partial L}{\partial z} = p - e_t, \qquad
              \frac{\partial L}{\partial K} = X \star \frac{\partial L}{\partial Y}

    Args:
        parameters: What ``forward`` was called with.
        trace: What ``forward`` returned.
        target: The true class t, 0 … C − 1.

    Raises:
        ValueError: If ``target`` is not the number of a class.

    >>> ones = Parameters(torch.ones(2, 2), torch.tensor(0.), torch.ones(2, 1), torch.zeros(2))
    >>> backward(ones, forward(ones, torch.ones(3, 3)), 0).scores
    tensor([-0.5000,  0.5000])
    """
    kernel, _, weight, offset = parameters
    expect(isinstance(target, int) and 0 <= target < len(offset),
           f"target to be a class of 0 … {len(offset) - 1}", target)
    scores = trace.probabilities.clone()
    scores[target] -= 1                                         # p − onehot
    pooled = (weight.T @ scores).view_as(trace.pooled)
    rows, columns = torch.meshgrid(*map(torch.arange, pooled.shape), indexing="ij")
    cell = rows + trace.winner // 2, columns + trace.winner % 2  # the winner, in Z
    zeros = torch.zeros_like(trace.rectified)
    rectified = zeros.index_put(cell, pooled, accumulate=True)
    convolved = rectified * (trace.convolved > 0)
    margin = (kernel.shape[1] - 1,) * 2 + (kernel.shape[0] - 1,) * 2
    image = correlate(F.pad(convolved, margin), kernel.flip(0, 1))
    gradients = Parameters(
        kernel=correlate(trace.image, convolved), bias=convolved.sum(),
        weight=torch.outer(scores, trace.pooled.flatten()), offset=scores)
    loss = -trace.probabilities[target].log()
    return Backward(loss, scores, pooled, rectified, convolved, image, gradients)


# ---------------------------------------------------------------- a network for digits

def block(in_channels: int, out_channels: int, kernel_size: int = 5) -> nn.Sequential:
    """Return convolution ("same" padding), batch norm, ReLU and 2 × 2 max pooling.

    Args:
        in_channels: C of the input (N, C, H, W).
        out_channels: Filters D; the output has shape (N, D, H // 2, W // 2).
        kernel_size: Side of the filters, odd.

    Raises:
        ValueError: If a number is below 1 or ``kernel_size`` is even.

    >>> block(1, 8)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 8, 14, 14])
    """
    expect(in_channels >= 1, "in_channels of at least 1", in_channels)
    expect(out_channels >= 1, "out_channels of at least 1", out_channels)
    expect(kernel_size >= 1 and kernel_size % 2 == 1, "an odd kernel_size", kernel_size)
    padding = kernel_size // 2                                  # "same"
    return nn.Sequential(OrderedDict(
        convolution=nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding),
        norm=nn.BatchNorm2d(out_channels), relu=nn.ReLU(), pool=nn.MaxPool2d(2)))


class CNN(nn.Module):
    """Blocks of convolution, ReLU and pooling, then one fully connected layer of scores.

    After LeCun et al. (1998), with ReLU, batch norm and max pooling in place of their scaled
    tanh and trainable averages, and one linear layer where they had C5, F6 and radial basis
    outputs.

    Args:
        channels: Filters of each block; every block halves height and width.
        kernel_size: Side of the filters, odd.
        head: "flatten" keeps every place of every map; "max" and "mean" keep one number a map.
        in_channels: Channels C of the images (N, C, size, size).
        size: Height and width of the images.
        classes: Number of scores.

    Raises:
        ValueError: If ``head`` is unknown, or the image is too small for the blocks.

    >>> model = CNN()
    >>> model(torch.zeros(3, 1, 28, 28)).shape, sum(p.numel() for p in model.parameters())
    (torch.Size([3, 10]), 11370)
    """

    def __init__(self, channels: Sequence[int] = (8, 16, 16), kernel_size: int = 5,
                 head: str = "flatten", *, in_channels: int = 1, size: int = 28,
                 classes: int = 10) -> None:
        super().__init__()
        expect(len(channels) > 0, "channels of at least one block", channels)
        expect(head in HEADS, f"head to be one of {', '.join(HEADS)}", head)
        side = size // 2 ** len(channels)
        expect(side >= 1, f"size of at least {2 ** len(channels)}", size)
        pairs = zip((in_channels, *channels), channels)
        self.blocks = nn.Sequential(*(block(c, d, kernel_size) for c, d in pairs))
        self.flatten = HEADS[head]
        places = side * side if head == "flatten" else 1
        self.scores = nn.Linear(channels[-1] * places, classes)
        self.input_shape = (in_channels, size, size)

    def forward(self, input: Tensor) -> Tensor:
        """Return the scores (N, classes) of images (N, C, size, size)."""
        sizes = ", ".join(map(str, self.input_shape))
        expect(isinstance(input, Tensor) and input.shape[1:] == self.input_shape,
               f"input of shape (N, {sizes})", input)
        return self.scores(self.flatten(self.blocks(input)))


def dense(hidden: int, *, size: int = 28, classes: int = 10) -> nn.Sequential:
    """Return a network of fully connected layers, with batch norm as the CNN has it.

    Args:
        hidden: Units h of its one hidden layer: (size² + classes + 3) h + classes parameters.
        size: Height and width of the images (N, 1, size, size).
        classes: Number of scores.

    Raises:
        ValueError: If ``hidden`` is below 1.

    >>> sum(p.numel() for p in dense(14).parameters())
    11168
    """
    expect(hidden >= 1, "hidden of at least 1", hidden)
    return nn.Sequential(nn.Flatten(), nn.Linear(size * size, hidden), nn.BatchNorm1d(hidden),
                         nn.ReLU(), nn.Linear(hidden, classes))


def translate(images: Tensor, down: Tensor | int, right: Tensor | int) -> Tensor:
    """Move images by whole pixels; what leaves is lost, what comes in is 0.

    Args:
        images: Shape (N, C, H, W).
        down: Pixels, one number or one for each image, shape (N,); negative is up.
        right: The same to the right.

    Raises:
        ValueError: If ``images`` is not (N, C, H, W), or a shift is not an int or ints (N,).

    >>> translate(torch.tensor([[[[1., 2.], [3., 4.]]]]), 0, 1)
    tensor([[[[0., 1.],
              [0., 3.]]]])
    """
    expect(isinstance(images, Tensor) and images.ndim == 4, "images of shape (N, C, H, W)", images)
    n, _, height, width = images.shape
    sources = []
    for shift, length in ((down, height), (right, width)):
        by = torch.as_tensor(shift)
        whole = not by.is_floating_point() and by.dtype != torch.bool and by.shape in ((), (n,))
        expect(whole, f"a shift of one int or {n} ints", shift)
        source = torch.arange(length) - by.expand(n)[:, None]            # (N, length)
        sources.append(source.clamp(-1, length) + 1)                     # 0 and length + 1: outside
    rows, columns = sources
    padded = F.pad(images, (1, 1, 1, 1)).permute(0, 2, 3, 1)             # (N, H + 2, W + 2, C)
    moved = padded[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def train(model: nn.Module, images: Tensor, labels: Tensor, *, epochs: int = 10,
          lr: float = 2e-2, batch_size: int = 64, augmented: bool = True) -> History:
    """Train a classifier of images: AdamW, one cycle of the learning rate, augmented images.

    The rate rises to ``lr`` over the first 30 % of the steps and falls to nearly 0 (Smith and
    Topin, 2019).

    Args:
        model: Maps images (N, C, H, W) to scores; it is trained in place.
        images: Shape (N, C, H, W).
        labels: Class numbers, shape (N,).
        epochs: Passes over the images.
        lr: The highest learning rate.
        batch_size: Images in a batch.
        augmented: Show every image a little differently each time (``augment``).

    Raises:
        ValueError: If ``epochs`` is below 1.

    >>> _ = torch.manual_seed(0)
    >>> images, labels = torch.eye(4).view(4, 1, 2, 2).repeat(16, 1, 1, 1), torch.arange(64) % 4
    >>> model = dense(8, size=2, classes=4)
    >>> history = train(model, images, labels, epochs=40, augmented=False)
    >>> history.loss[-1] < 0.5 * history.loss[0]
    True
    """
    expect(isinstance(epochs, int) and epochs >= 1, "epochs of at least 1", epochs)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-2, fused=True)
    steps = epochs * -(-len(images) // batch_size)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps + 1)
    optimizer.register_step_post_hook(lambda *_: cycle.step())

    def loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        x = augment(x) if augmented else x
        return F.cross_entropy(model(x.to(memory_format=torch.channels_last)), y)

    model.to(memory_format=torch.channels_last)             # the faster layout on a CPU
    return fit(model, loss, images, labels, epochs=epochs, batch_size=batch_size,
               optimizer=optimizer)


@torch.no_grad()
def fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    r"""Return weight and bias of the one convolution that equals a convolution, then batch norm.

    .. math:: w' = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}}\,w, \qquad
              b' = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}}\,(b - \mu) + \beta

    With fixed statistics batch norm is linear, so a trained network needs none.

    Args:
        convolution: Weight (D, C, k, k), bias (D,).
        norm: Batch norm over D channels, with the statistics of its training.

    Raises:
        ValueError: If they differ in channels.

    >>> weight, bias = fold(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    >>> weight.shape, bias.shape
    (torch.Size([2, 1, 3, 3]), torch.Size([2]))
    """
    channels = convolution.out_channels
    expect(norm.num_features == channels, f"a norm of {channels} channels", norm.num_features)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    bias = convolution.bias if convolution.bias is not None else torch.zeros(channels)
    bias = (bias - norm.running_mean) * scale + norm.bias
    return convolution.weight * scale[:, None, None, None], bias


def seen_rows(step: int, unit: int, kernel_size: int = 5) -> tuple[int, int]:
    """Return the first and the last row of the image that a unit of a ``CNN`` can see.

    It says where the window lies; ``dlcheat.layers.convolution.receptive_field`` says how large
    the window of any stack of layers is.

    Args:
        step: 0 for the first convolution (or its ReLU), 1 for the maps it pools, 2 for the second
            convolution, 3 for its pooled maps, and so on.
        unit: Row of the unit in its map; by symmetry the function holds for columns too.
        kernel_size: Side of the filters.

    Returns:
        Rows of the image; below 0 or above the last row means padding.

    Raises:
        ValueError: If ``step`` or ``unit`` is negative.

    >>> seen_rows(0, 10), seen_rows(1, 5), seen_rows(3, 3)
    ((8, 12), (8, 13), (6, 21))
    """
    expect(step >= 0, "step of at least 0", step)
    expect(unit >= 0, "unit of at least 0", unit)
    first = last = unit
    for layer in range(step, -1, -1):
        if layer % 2:                       # pooling: unit i looks at rows 2i and 2i + 1
            first, last = 2 * first, 2 * last + 1
        else:                               # convolution: k // 2 rows more on either side
            first, last = first - kernel_size // 2, last + kernel_size // 2
    return first, last




@torch.no_grad()
def best_patches(images: Tensor, maps: Tensor, step: int, *, count: int = 6,
                 kernel_size: int = 5) -> Tensor:
    """Return, for each map, the windows of the images that excite it most, one an image.

    Args:
        images: Shape (N, 1, H, W).
        maps: What a step of a ``CNN`` makes of them, shape (N, D, h, w).
        step: Which step that is, counted as in ``seen_rows``.
        count: Windows for each map, the strongest first.
        kernel_size: Side of the network's filters.

    Returns:
        Windows of shape (D, count, r, r), r the side of the receptive field; 0 outside the image.

    Raises:
        ValueError: If images and maps differ in number, or ``count`` exceeds it.

    >>> best_patches(torch.rand(9, 1, 28, 28), torch.rand(9, 4, 14, 14), 2, count=3).shape
    torch.Size([4, 3, 14, 14])
    """
    expect(images.ndim == 4 and images.shape[1] == 1, "images of shape (N, 1, H, W)", images)
    expect(maps.ndim == 4 and len(maps) == len(images), f"{len(images)} maps (N, D, h, w)", maps)
    expect(1 <= count <= len(images), f"count of 1 … {len(images)}", count)
    first, last = seen_rows(step, 0, kernel_size)
    stride, side = 2 ** ((step + 1) // 2), last - first + 1
    value, place = maps.flatten(2).max(2)                               # (N, D), the best unit
    image = value.topk(count, dim=0).indices.T                          # (D, count)
    place = place.gather(0, image.T).T
    row, column = place // maps.shape[3], place % maps.shape[3]
    padded = F.pad(images[:, 0], (side,) * 4)
    span = torch.arange(side) + first + side                            # rows of unit 0's window
    rows = (row * stride)[..., None] + span
    columns = (column * stride)[..., None] + span
    return padded[image[..., None, None], rows[..., :, None], columns[..., None, :]]


def excite(activation: Callable[[Tensor], Tensor], inputs: Tensor, *, steps: int = 40,
           lr: float = 0.1, decay: float = 0.01) -> Tensor:
    r"""Change images step by step so that a unit answers more: gradient ascent on the input.

    .. math:: x \leftarrow \text{Adam ascent on } a(x) - \lambda \lVert x \rVert^2,
              \quad x \in [0, 1]

    Args:
        activation: Maps images (N, C, H, W) to one number for each, shape (N,).
        inputs: Where to start, shape (N, C, H, W); they are not changed.
        steps: Steps of Adam.
        lr: Its learning rate.
        decay: λ: how strongly ink that does not help is removed.

    Raises:
        ValueError: If ``activation`` does not return one number for each image.

    >>> excite(lambda x: x[:, 0, 0, 0], torch.zeros(1, 1, 1, 2) + 0.5, decay=0.1)[0, 0, 0, 0].item()
    1.0
    """
    images = expect_float("inputs", inputs).clone().requires_grad_()
    optimizer = torch.optim.Adam([images], lr=lr)
    for _ in range(steps):
        value = activation(images)
        n = len(inputs)
        expect(value.shape == (n,), f"activations of shape ({n},)", value)
        objective = value.sum() - decay * images.square().sum()
        optimizer.zero_grad()
        (-objective).backward()
        optimizer.step()
        images.data.clamp_(0, 1)
    return images.detach()
