"""LoRA: fine-tuning by a low-rank addition to weights that stay as they are."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcheat.validation import expect


class LoRALinear(nn.Module):
    r"""A linear layer whose weight is fixed, and a trainable addition of rank r.

    .. math:: y = W x + b + \frac{\alpha}{r} B A x

    B starts at 0, so the layer answers at first as it did before; A starts at random, else
    neither would have a gradient. α is meant to let
    one learning rate serve another r.

    Args:
        base: The pretrained layer; its weight and bias are kept, not copied, and frozen.
        rank: r, at most the smaller of inputs and outputs.
        alpha: α, above 0; None takes r, so that the factor is 1.

    Attributes:
        lora_A: A, shape (r, I).
        lora_B: B, shape (O, r).
        merged: Whether the base's weight now holds the addition.

    Raises:
        ValueError: If ``base`` is no ``nn.Linear``, or ``rank`` or ``alpha`` is out of range.

    Source: Hu et al. (2022).

    >>> layer = LoRALinear(nn.Linear(6, 4), rank=2)
    >>> [name for name, p in layer.named_parameters() if p.requires_grad]
    ['lora_A', 'lora_B']
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float | None = None) -> None:
        super().__init__()
        expect(isinstance(base, nn.Linear), "base to be an nn.Linear", base)
        most = min(base.in_features, base.out_features)
        expect(isinstance(rank, int) and 1 <= rank <= most, f"rank of 1 … {most}", rank)
        alpha = rank if alpha is None else alpha
        expect(alpha > 0, "alpha above 0", alpha)
        self.base = base.requires_grad_(False)
        self.rank, self.scaling, self.merged = rank, alpha / rank, False
        self.lora_A = nn.Parameter(base.weight.new_empty(rank, base.in_features))
        self.lora_B = nn.Parameter(base.weight.new_zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))        # as nn.Linear's weight

    def forward(self, input: Tensor) -> Tensor:
        """Map (…, I) to (…, O); r (I + O) multiplications more than the base, or none if merged."""
        output = self.base(input)
        if not self.merged:
            output = output + self.scaling * F.linear(F.linear(input, self.lora_A), self.lora_B)
        return output

    @torch.no_grad()
    def merge(self) -> None:
        r"""Add :math:`\frac{\alpha}{r} B A` to the base's weight; the answers stay the same."""
        if not self.merged:
            self.base.weight += self.scaling * self.lora_B @ self.lora_A
            self.merged = True

    @torch.no_grad()
    def unmerge(self) -> None:
        """Take the addition out again, up to rounding."""
        if self.merged:
            self.base.weight -= self.scaling * self.lora_B @ self.lora_A
            self.merged = False

    def extra_repr(self) -> str:
        """Return what ``print`` shows between the brackets."""
        return f"rank={self.rank}, scaling={self.scaling:g}, merged={self.merged}"


def add_lora(model: nn.Module, rank: int, alpha: float | None = None,
             names: tuple[str, ...] | None = None) -> list[str]:
    """Freeze a model and put a ``LoRALinear`` in the place of its linear layers.

    Args:
        model: Changed in place; all its former parameters are frozen.
        rank: r of every layer.
        alpha: α of every layer; None takes r.
        names: Full names of the layers to replace; None takes every ``nn.Linear``.

    Returns:
        The names of the layers that were replaced.

    Raises:
        ValueError: If there is no such linear layer, or a rank is too large for one.

    >>> add_lora(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)), rank=1)
    ['0', '2']
    """
    found = [name for name, part in model.named_modules() if isinstance(part, nn.Linear)
             and (names is None or name in names)]
    expect(bool(found), "a model with these linear layers", names or type(model).__name__)
    missing = set(names or ()) - set(found)
    expect(not missing, "names of linear layers", sorted(missing))
    layers = {name: LoRALinear(model.get_submodule(name), rank, alpha) for name in found}
    model.requires_grad_(False)
    for name, layer in layers.items():
        parent, _, child = name.rpartition(".")
        layer.lora_A.requires_grad_()
        layer.lora_B.requires_grad_()
        setattr(model.get_submodule(parent), child, layer)
    return found


def trainable(model: nn.Module) -> int:
    """Return the number of parameters that training would change.

    >>> trainable(LoRALinear(nn.Linear(100, 100), rank=2))
    400
    """
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
