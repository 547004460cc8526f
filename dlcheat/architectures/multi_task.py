"""One trunk, several heads: a network for class, parity, slant and thickness of a digit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcheat.features import slant, thickness
from dlcheat.training import batches
from dlcheat.validation import expect


class Task(NamedTuple):
    """What a head must know of its task.

    Attributes:
        outputs: Numbers that the head gives.
        loss: Mean loss of outputs (N, outputs) and targets (N,).
        regression: Whether the loss is a squared error.
    """

    outputs: int
    loss: Callable[[Tensor, Tensor], Tensor]
    regression: bool


def _binary(outputs: Tensor, target: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(outputs[:, 0], target)


def _squared(outputs: Tensor, target: Tensor) -> Tensor:
    return F.mse_loss(outputs[:, 0], target)


#: The four tasks on a digit.
TASKS = {"class": Task(10, F.cross_entropy, False), "parity": Task(1, _binary, False),
         "slant": Task(1, _squared, True), "thickness": Task(1, _squared, True)}


class MultiTaskNet(nn.Module):
    r"""A trunk that all tasks share, and a linear head for each of them.

    .. math:: h = \tanh(W x + b), \qquad \hat{y}_i = V_i h + b_i

    Args:
        in_features: Numbers in an input.
        hidden: Width of the trunk, its only layer.
        heads: Names of the tasks and the number of outputs of each.

    Attributes:
        trunk: Maps (N, …) to (N, hidden).
        heads: A linear layer for each task.

    Raises:
        ValueError: If there is no head, or a number is below 1.

    >>> net = MultiTaskNet(784, 32, {"class": 10, "slant": 1})
    >>> {name: tuple(y.shape) for name, y in net(torch.rand(5, 1, 28, 28)).items()}
    {'class': (5, 10), 'slant': (5, 1)}
    """

    def __init__(self, in_features: int, hidden: int, heads: Mapping[str, int]) -> None:
        super().__init__()
        expect(len(heads) > 0, "at least one head", heads)
        widths = (in_features, hidden, *heads.values())
        counts = all(isinstance(n, int) and n >= 1 for n in widths)
        expect(counts, "widths of at least 1", widths)
        first = nn.Linear(in_features, hidden)
        self.trunk = nn.Sequential(nn.Flatten(), first, nn.Tanh())
        self.heads = nn.ModuleDict({t: nn.Linear(hidden, n) for t, n in heads.items()})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the outputs of every head.

        Args:
            x: Shape (N, …), in_features numbers a row.
        """
        h = self.trunk(x)                    # (N, hidden): computed once for all
        return {name: head(h) for name, head in self.heads.items()}


def digit_network(hidden: int, tasks: Sequence[str] = tuple(TASKS), seed: int = 0) -> MultiTaskNet:
    """Return a network with a head for each of the named tasks.

    Args:
        hidden: Width of the trunk.
        tasks: Names in ``TASKS``.
        seed: Of the first weights.

    Raises:
        ValueError: If a task is unknown.

    >>> digit_network(16, ["parity"]).heads
    ModuleDict(
      (parity): Linear(in_features=16, out_features=1, bias=True)
    )
    """
    expect(set(tasks) <= set(TASKS), f"tasks among {list(TASKS)}", tasks)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MultiTaskNet(784, hidden, {name: TASKS[name].outputs for name in tasks})


def digit_targets(images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return the four targets of digits: two from the label, two measured in the image.

    Args:
        images: Shape (N, 1, H, W).
        labels: The digits, shape (N,).

    Returns:
        For each task in ``TASKS`` a tensor of shape (N,): class 0 … 9, parity 1.0 for odd digits,
        slant in pixels right for a pixel up, thickness in pixels.

    Raises:
        ValueError: If the shapes do not fit.

    >>> targets = digit_targets(torch.ones(2, 1, 4, 4), torch.tensor([3, 8]))
    >>> targets["parity"].tolist(), targets["slant"].tolist()
    ([1.0, 0.0], [0.0, 0.0])
    """
    lean, stroke = slant(images), thickness(images)
    expect(labels.shape == lean.shape, f"labels of shape {tuple(lean.shape)}", labels)
    return {"class": labels, "parity": (labels % 2).to(images.dtype), "slant": lean,
            "thickness": stroke}


def cost(model: MultiTaskNet) -> int:
    """Return the multiplications for one image: a number for each weight of a linear layer.

    Args:
        model: The network.

    >>> cost(digit_network(16, ["parity"])) == 784 * 16 + 16 * 1
    True
    """
    return sum(m.weight.numel() for m in model.modules() if isinstance(m, nn.Linear))


def _expect_targets(outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> None:
    expect(set(outputs) <= set(targets), f"targets for {list(outputs)}", list(targets))
    for name, out in outputs.items():
        fits = isinstance(targets[name], Tensor) and targets[name].shape == out.shape[:1]
        expect(fits, f"targets of {name} of shape ({len(out)},)", targets[name])


def losses_of(model: MultiTaskNet, x: Tensor, targets: Mapping[str, Tensor]) -> list[Tensor]:
    """Return the loss of each head, in the order of the heads.

    Args:
        model: A network with heads named in ``TASKS``.
        x: Shape (N, …).
        targets: For each head a tensor of shape (N,).

    Raises:
        ValueError: If a head has no targets, or they have another shape.

    >>> x, y = torch.rand(4, 784), {"parity": torch.ones(4)}
    >>> [loss.shape for loss in losses_of(digit_network(8, ["parity"]), x, y)]
    [torch.Size([])]
    """
    outputs = model(x)
    _expect_targets(outputs, targets)
    return [TASKS[name].loss(out, targets[name]) for name, out in outputs.items()]


def fit_tasks(model: MultiTaskNet, x: Tensor, targets: Mapping[str, Tensor],
              backward: Callable[[list[Tensor]], None], *, epochs: int, batch_size: int = 50,
              lr: float = 3e-3, extra: Sequence[nn.Parameter] = (), seed: int = 0,
              before_step: Callable[[], None] | None = None) -> None:
    """Train all heads at once with Adam; ``backward`` decides what becomes of the losses.

    Args:
        model: Trained in place.
        x: Inputs, shape (N, …).
        targets: For each head a tensor of shape (N,).
        backward: Takes the list of losses and writes gradients, as ``sum(losses).backward()``.
        epochs: Passes over the inputs.
        batch_size: Rows in a batch.
        lr: Learning rate.
        extra: Further parameters to train, such as those of ``UncertaintyWeighting``.
        seed: Of the shuffle.
        before_step: Called before every update, for whoever wants to look.

    Raises:
        ValueError: If the rows differ.

    >>> net, x = digit_network(8, ["parity"]), torch.rand(20, 784)
    >>> fit_tasks(net, x, {"parity": torch.ones(20)}, lambda l: sum(l).backward(), epochs=20)
    >>> losses_of(net, x, {"parity": torch.ones(20)})[0].item() < 0.5
    True
    """
    optimizer = torch.optim.Adam([*model.parameters(), *extra], lr=lr, fused=True)
    generator = torch.Generator().manual_seed(seed)
    columns = [targets[name] for name in model.heads]
    for _ in range(epochs):
        for part, *rest in batches(x, *columns, batch_size=batch_size, generator=generator):
            losses = losses_of(model, part, dict(zip(model.heads, rest, strict=True)))
            optimizer.zero_grad()
            backward(losses)
            if before_step is not None:
                before_step()
            optimizer.step()


@torch.no_grad()
def errors_of(model: MultiTaskNet, x: Tensor, targets: Mapping[str, Tensor]) -> dict[str, float]:
    """Return one error for each head: 0 is perfect.

    Args:
        model: The network.
        x: Shape (N, …).
        targets: For each head a tensor of shape (N,).

    Returns:
        For class and parity the share of wrong answers; for slant and thickness the mean squared
        error as a share of the targets' variance (1 is what their mean would do).

    Raises:
        ValueError: If a head has no targets, they have another shape, or all targets of a
            regression are equal.

    >>> net, x = digit_network(8, ["slant"]), torch.rand(4, 784)
    >>> errors_of(net, x, {"slant": torch.arange(4.0)})["slant"] > 0
    True
    """
    errors, outputs = {}, model(x)
    _expect_targets(outputs, targets)
    for name, out in outputs.items():
        y = targets[name]
        if TASKS[name].regression:
            spread = y.var(correction=0)
            expect(bool(spread > 0), f"targets of {name} that vary", y)
            error = F.mse_loss(out[:, 0], y) / spread
        else:
            said = out.argmax(1) if out.shape[1] > 1 else (out[:, 0] > 0).long()
            error = (said != y.long()).double().mean()
        errors[name] = error.item()
    return errors
