"""CapsNet: a convolution, two layers of capsules, and a decoder that explains them.

Source: Sabour, Frosst and Hinton, *Dynamic Routing Between Capsules*, NeurIPS 2017.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlcheat.layers.capsule import DigitCapsules, PrimaryCapsules
from dlcheat.losses import margin_loss
from dlcheat.validation import expect, expect_float


def mask(capsules: Tensor, target: Tensor | None = None) -> Tensor:
    """Keep one capsule of each sample and set the others to zero.

    Args:
        capsules: v, shape (N, J, D).
        target: The capsule to keep, class numbers of shape (N,); None keeps the longest.

    Returns:
        Shape (N, J, D).

    Raises:
        ValueError: If the shapes do not fit or a class number is out of range.

    >>> mask(torch.tensor([[[3.0], [1.0]]])).flatten().tolist()
    [3.0, 0.0]
    >>> mask(torch.tensor([[[3.0], [1.0]]]), torch.tensor([1])).flatten().tolist()
    [0.0, 1.0]
    """
    expect_float("capsules", capsules)
    expect(capsules.dim() == 3, "capsules of shape (N, J, D)", capsules)
    n, j, _ = capsules.shape
    if target is None:
        target = capsules.norm(dim=-1).argmax(1)
    is_index = isinstance(target, Tensor) and target.dtype == torch.int64
    fits = is_index and target.shape == (n,)
    expect(fits, f"target of int64 and shape ({n},)", target)
    in_range = bool(((target >= 0) & (target < j)).all())
    expect(in_range, f"class numbers from 0 to {j - 1}", target)
    return capsules * F.one_hot(target, j).to(capsules).unsqueeze(-1)


class Decoder(nn.Module):
    """Draw the image that the one unmasked capsule stands for: 512, 1024, H · W units.

    Shape (N, J, D) becomes (N, H, W), values in (0, 1).

    Args:
        capsules: J.
        dimensions: D.
        hidden: Units of the two hidden layers.
        image_size: H = W.

    Source: Sabour et al. (2017), figure 2.

    >>> Decoder()(torch.zeros(2, 10, 16)).shape
    torch.Size([2, 28, 28])
    """

    def __init__(self, capsules: int = 10, dimensions: int = 16,
                 hidden: tuple[int, int] = (512, 1024), image_size: int = 28) -> None:
        super().__init__()
        self.shape = (capsules, dimensions)
        self.layers = nn.Sequential(
            nn.Linear(capsules * dimensions, hidden[0]), nn.ReLU(),
            nn.Linear(hidden[0], hidden[1]), nn.ReLU(),
            nn.Linear(hidden[1], image_size * image_size), nn.Sigmoid(),
            nn.Unflatten(1, (image_size, image_size)))

    def forward(self, input: Tensor) -> Tensor:
        """Return images, shape (N, H, W), of masked capsules, shape (N, J, D)."""
        expected = f"input of shape (N, {self.shape[0]}, {self.shape[1]})"
        expect(input.dim() == 3 and tuple(input.shape[1:]) == self.shape, expected, input)
        return self.layers(input.flatten(1))


class CapsNet(nn.Module):
    """Recognise digits by capsules; the defaults are the paper's sizes, 8.2 M parameters.

    Shape (N, 1, 28, 28) becomes capsules (N, 10, 16); their lengths are the scores.

    Args:
        channels: Filters of the first convolution.
        capsules: Types of primary capsules.
        dimensions: Numbers in a primary capsule.
        classes: Digit capsules.
        out_dimensions: Numbers in a digit capsule.
        hidden: Hidden units of the decoder.
        image_size: Side of the (square, one-channel) image.
        kernel_size: Side of both kernels.
        iterations: Passes of routing.
        detach: Take the couplings for constants in the gradient: cheaper, the values the same.

    Raises:
        ValueError: If the image is too small for the two convolutions.

    >>> net = CapsNet(channels=8, capsules=2)
    >>> net(torch.zeros(3, 1, 28, 28)).shape
    torch.Size([3, 10, 16])
    """

    def __init__(self, channels: int = 256, capsules: int = 32, dimensions: int = 8,
                 classes: int = 10, out_dimensions: int = 16,
                 hidden: tuple[int, int] = (512, 1024), image_size: int = 28,
                 kernel_size: int = 9, iterations: int = 3, detach: bool = False) -> None:
        super().__init__()
        side = (image_size - 2 * kernel_size + 1) // 2 + 1
        expect(side >= 1, f"image_size of at least {2 * kernel_size - 1}", image_size)
        self.image_size = image_size
        self.conv = nn.Conv2d(1, channels, kernel_size)
        self.primary = PrimaryCapsules(channels, capsules, dimensions, kernel_size)
        self.digits = DigitCapsules(capsules * side**2, dimensions, classes, out_dimensions,
                                    iterations, detach)
        self.decoder = Decoder(classes, out_dimensions, hidden, image_size)

    def parts(self, images: Tensor) -> Tensor:
        """Return the primary capsules u, shape (N, I, d), of images (N, 1, H, W)."""
        expect_float("images", images)
        size = self.image_size
        expect(images.dim() == 4 and tuple(images.shape[1:]) == (1, size, size),
               f"images of shape (N, 1, {size}, {size})", images)
        return self.primary(F.relu(self.conv(images)))

    def forward(self, images: Tensor) -> Tensor:
        """Return the digit capsules v, shape (N, J, D), of images (N, 1, H, W)."""
        return self.digits(self.parts(images))

    def lengths(self, images: Tensor) -> Tensor:
        """Return the scores: the lengths of the digit capsules, shape (N, J), in [0, 1)."""
        return self(images).norm(dim=-1)

    def reconstruct(self, capsules: Tensor, target: Tensor | None = None) -> Tensor:
        """Draw the target's capsule, or the longest: images of shape (N, H, W)."""
        return self.decoder(mask(capsules, target))


def capsnet_loss(model: CapsNet, images: Tensor, target: Tensor,
                 reconstruction_weight: float = 0.0005) -> Tensor:
    r"""Return the margin loss plus a little reconstruction loss, averaged over the batch.

    .. math:: L = \frac{1}{N} \sum_n \Big( \sum_k L_k + 0.0005 \sum_p (x_p - \hat x_p)^2 \Big)

    The second sum runs over the pixels: it is a sum of squares, not their mean.

    Args:
        model: The network.
        images: Shape (N, 1, H, W), in [0, 1].
        target: Class numbers, shape (N,).
        reconstruction_weight: The paper's 0.0005; 0 leaves the decoder untrained.

    Raises:
        ValueError: If the shapes do not fit or a class number is out of range.

    Source: Sabour et al. (2017), sections 3 and 4.1.

    >>> _ = torch.manual_seed(0)
    >>> net = CapsNet(channels=4, capsules=1)
    >>> bool(capsnet_loss(net, torch.rand(2, 1, 28, 28), torch.tensor([1, 7])) > 0)
    True
    """
    capsules = model(images)
    loss = margin_loss(capsules.norm(dim=-1), target)
    if reconstruction_weight:
        error = model.reconstruct(capsules, target) - images.squeeze(1)
        loss = loss + reconstruction_weight * error.square().sum() / len(images)
    return loss
