"""The training loop of the book, short enough to be shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dlcheat.validation import expect


class History(NamedTuple):
    """What ``fit`` saw: one entry an epoch.

    Attributes:
        loss: Mean training loss of each epoch.
        score: ``evaluate()`` after each epoch; empty without it.
    """

    loss: list[float]
    score: list[float]


def batches(*tensors: Tensor, batch_size: int = 64,
            generator: torch.Generator | None = None) -> Iterator[tuple[Tensor, ...]]:
    """Yield the rows of the tensors in shuffled batches; the last one may be smaller.

    Args:
        *tensors: Tensors with the same number N of rows.
        batch_size: Rows in a batch.
        generator: Source of the shuffle; None takes torch's global one.

    Raises:
        ValueError: If the tensors differ in rows, or ``batch_size`` is below 1.

    >>> x = torch.arange(5)
    >>> sorted(len(b) for b, in batches(x, batch_size=2))
    [1, 2, 2]
    """
    expect(len(tensors) > 0, "at least one tensor", tensors)
    n = len(tensors[0])
    for other in tensors[1:]:
        expect(len(other) == n, f"tensors of {n} rows each", other)
    expect(batch_size >= 1, "batch_size of at least 1", batch_size)
    for rows in torch.randperm(n, generator=generator).split(batch_size):
        yield tuple(t[rows] for t in tensors)


def fit(model: nn.Module, loss: Callable[..., Tensor], *tensors: Tensor, epochs: int = 1,
        batch_size: int = 64, lr: float = 1e-3, optimizer: torch.optim.Optimizer | None = None,
        generator: torch.Generator | None = None,
        evaluate: Callable[[], float] | None = None) -> History:
    """Train a model: for every batch, loss, backward, update.

    Args:
        model: The module; it is trained in place and left in evaluation mode.
        loss: ``loss(model, *batch)`` returns a scalar.
        *tensors: The training set, N rows each.
        epochs: Passes over the training set.
        batch_size: Rows in a batch.
        lr: Learning rate of Adam, where no ``optimizer`` is given.
        optimizer: Any torch optimizer over the model's parameters.
        generator: Source of the shuffle.
        evaluate: Called after every epoch; its values are returned as ``score``.

    Raises:
        ValueError: If the loss is not finite: the training has diverged.

    >>> _ = torch.manual_seed(0)
    >>> model, x = nn.Linear(1, 1), torch.linspace(-1, 1, 64)[:, None]
    >>> history = fit(model, lambda m, x, y: ((m(x) - y) ** 2).mean(), x, 3 * x, epochs=200, lr=0.1)
    >>> round(model.weight.item(), 2)
    3.0
    """
    optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=lr)
    history = History([], [])
    for _ in range(epochs):
        model.train()
        total, seen = 0.0, 0
        for batch in batches(*tensors, batch_size=batch_size, generator=generator):
            value = loss(model, *batch)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            total, seen = total + value.item() * len(batch[0]), seen + len(batch[0])
        expect(total == total and abs(total) != float("inf"), "a finite loss", total)
        history.loss.append(total / seen)
        model.eval()
        if evaluate is not None:
            history.score.append(evaluate())
    return history


@torch.no_grad()
def accuracy(model: Callable[[Tensor], Tensor], inputs: Tensor, labels: Tensor,
             batch_size: int = 500) -> float:
    """Return the share of rows whose largest score is the label's.

    Args:
        model: Maps inputs (N, …) to scores (N, C).
        inputs: Shape (N, …).
        labels: Class numbers, shape (N,).
        batch_size: Rows at a time; it bounds the memory, not the result.

    Raises:
        ValueError: If ``inputs`` and ``labels`` differ in rows.

    >>> accuracy(lambda x: x, torch.eye(4), torch.tensor([0, 1, 2, 0]))
    0.75
    """
    expect(len(inputs) == len(labels) > 0, f"{len(inputs)} labels, at least one", labels)
    parts = zip(inputs.split(batch_size), labels.split(batch_size), strict=True)
    return sum((model(x).argmax(1) == y).sum().item() for x, y in parts) / len(labels)
