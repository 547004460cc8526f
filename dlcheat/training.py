"""The training loop of the book, short enough to be shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dlcheat.validation import expect, expect_count, expect_float


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
        ValueError: If the tensors differ in rows or have none, or ``batch_size`` is below 1.

    >>> x = torch.arange(5)
    >>> sorted(len(b) for b, in batches(x, batch_size=2))
    [1, 2, 2]
    """
    expect(len(tensors) > 0, "at least one tensor", tensors)
    for t in tensors:
        has_rows = isinstance(t, Tensor) and t.ndim > 0 and len(t) > 0
        expect(has_rows, "a tensor with at least one row", t)
        expect(len(t) == len(tensors[0]), f"tensors of {len(tensors[0])} rows each", t)
    expect_count("batch_size", batch_size)
    order = torch.randperm(len(tensors[0]), generator=generator)
    return (tuple(t[rows] for t in tensors) for rows in order.split(batch_size))


def fit(model: nn.Module, loss: Callable[..., Tensor], *tensors: Tensor,
        epochs: int = 1, batch_size: int = 64, lr: float = 1e-3,
        optimizer: torch.optim.Optimizer | None = None,
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

    Returns:
        The mean loss of every epoch, and the scores.

    Raises:
        ValueError: If the tensors differ in rows, a number is out of range, or the loss is no
            scalar or not finite: the training has diverged.

    >>> _ = torch.manual_seed(0)
    >>> model, x = nn.Linear(1, 1), torch.linspace(-1, 1, 64)[:, None]
    >>> history = fit(model, lambda m, x, y: ((m(x) - y) ** 2).mean(), x, 3 * x, epochs=200, lr=0.1)
    >>> round(model.weight.item(), 2)
    3.0
    """
    expect_count("epochs", epochs)
    expect_count("batch_size", batch_size)
    expect(lr > 0, "lr above 0", lr)
    optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=lr)
    history = History([], [])
    for _ in range(epochs):
        model.train()
        total, seen = 0.0, 0
        for batch in batches(*tensors, batch_size=batch_size, generator=generator):
            value = loss(model, *batch)
            is_scalar = isinstance(value, Tensor) and value.ndim == 0
            expect(is_scalar, "a loss of shape ()", value)
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

    Returns:
        A number from 0 to 1.

    Raises:
        ValueError: If ``inputs`` and ``labels`` differ in rows or have none, the labels are
            not whole numbers of shape (N,), or the scores not of shape (N, C).

    >>> accuracy(lambda x: x, torch.eye(4), torch.tensor([0, 1, 2, 0]))
    0.75
    """
    n = len(inputs)
    whole = isinstance(labels, Tensor) and not labels.is_floating_point()
    expect(whole and labels.shape == (n,), f"whole-number labels of shape ({n},)", labels)
    expect(n > 0, "at least one row", inputs)
    expect_count("batch_size", batch_size)
    right = 0
    for x, y in zip(inputs.split(batch_size), labels.split(batch_size), strict=True):
        scores = model(x)                                        # (B, C)
        expect(scores.ndim == 2, "scores of shape (N, C)", scores)
        right += int((scores.argmax(1) == y).sum())
    return right / n


def numerical_gradient(f: Callable[[Tensor], Tensor | float], x: Tensor, h: float | None = None,
                       method: str = "central") -> Tensor:
    r"""Return the gradient by finite differences: one number of x is moved at a time.

    .. math:: \frac{\partial f}{\partial x_i} \approx \frac{f(x + h e_i) - f(x - h e_i)}{2h}
       \qquad\text{or}\qquad \frac{f(x + h e_i) - f(x)}{h}

    The first, ``"central"``, errs by a multiple of h², the second, ``"forward"``, by one of h;
    both by about ε|f|/h more through rounding, ε being the type's ``eps``. Without ``h`` it is
    the step that balances the two where f and its derivatives are near 1: ∛ε or √ε.

    Args:
        f: Maps a tensor of x's shape to one number.
        x: Floating-point tensor; it is not changed.
        h: The step, above 0.
        method: ``"central"`` or ``"forward"``.

    Returns:
        The shape and type of x. It costs two calls of f for each number in x (or one).

    Raises:
        ValueError: If x is not floating-point, f gives more than one number, ``h`` is not above
            0 or too small to change x, or the method is unknown.

    >>> numerical_gradient(lambda x: (x ** 2).sum(), torch.tensor([1.0, 3.0], dtype=torch.double))
    tensor([2.0000, 6.0000], dtype=torch.float64)
    """
    expect_float("x", x)
    expect(method in ("central", "forward"), "method central or forward", method)
    eps = torch.finfo(x.dtype).eps
    h = eps ** (1 / 3 if method == "central" else 1 / 2) if h is None else h
    expect(h > 0, "h above 0", h)

    def value(point: Tensor) -> float:
        result = f(point)
        is_number = result.numel() == 1 if isinstance(result, Tensor) else isinstance(result, float)
        expect(is_number, "f to give one number", result)
        return float(result)

    x = x.detach().contiguous()
    gradient, middle = torch.empty_like(x).flatten(), value(x)
    for i in range(x.numel()):
        above, below = x.clone(), x.clone()
        above.view(-1)[i] += h
        if method == "central":
            below.view(-1)[i] -= h
        step = (above.view(-1)[i] - below.view(-1)[i]).item()    # 2h or h, as it was rounded
        expect(step > 0, f"h large enough to change {x.view(-1)[i].item()}", h)
        gradient[i] = (value(above) - (value(below) if method == "central" else middle)) / step
    return gradient.view_as(x)


def gradient_check(f: Callable[[Tensor], Tensor], x: Tensor, h: float | None = None) -> float:
    r"""Compare autograd's gradient with central differences.

    .. math:: \frac{\lVert g - n \rVert}{\lVert g \rVert + \lVert n \rVert}, \qquad
       g = \text{autograd's}, \quad n = \text{by differences}

    Args:
        f: Maps a tensor of x's shape to a scalar tensor, through operations that autograd follows.
        x: Floating-point tensor; take float64.
        h: The step of the differences; None takes ∛ε.

    Returns:
        The relative error, from 0 to 1. In float64 a right gradient gives 1e-7 or less on a
        smooth function, a wrong one mostly more than 1e-3.

    Raises:
        ValueError: If x is not floating-point, f's value is not a scalar that depends on x, or
            ``h`` is not above 0.

    >>> x = torch.tensor([0.3, -2.0], dtype=torch.double)
    >>> gradient_check(lambda x: x.sin().sum(), x) < 1e-9
    True
    """
    point = expect_float("x", x).detach().clone().requires_grad_()
    result = f(point)
    is_scalar = isinstance(result, Tensor) and result.numel() == 1 and result.requires_grad
    expect(is_scalar, "f to give a scalar tensor that depends on x", result)
    gradient, = torch.autograd.grad(result.sum(), point)
    with torch.no_grad():
        numeric = numerical_gradient(f, x, h)
    size = gradient.norm() + numeric.norm()
    return ((gradient - numeric).norm() / size).item() if size > 0 else 0.0
