"""What stands around the six lines of a training loop: clipping, parts, checkpoints, checks."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from dlcheat.validation import expect, expect_count


def clip_grad_norm_(parameters: Iterable[Tensor] | Tensor, max_norm: float,
                    norm_type: float = 2.0,
                    error_if_nonfinite: bool = False) -> Tensor:
    r"""Shorten the gradient of all parameters together to at most ``max_norm``, in place.

    .. math:: g \leftarrow g \cdot \min\left(1, \frac{c}{\lVert g \rVert + 10^{-6}}\right)

    Its direction stays. It is torch's ``nn.utils.clip_grad_norm_``.

    Source: Pascanu, Mikolov and Bengio, 2013.

    Args:
        parameters: One tensor or several; those without a gradient are passed over.
        max_norm: c, at least 0.
        norm_type: Order p of the norm; 2 is the length, ``inf`` the largest entry.
        error_if_nonfinite: Whether to refuse a gradient that is infinite or not a number.

    Returns:
        The norm before clipping, shape (): worth a line in the log.

    Raises:
        ValueError: If ``max_norm`` is negative, or the norm is not finite and
            ``error_if_nonfinite``.

    >>> w = torch.zeros(2, requires_grad=True)
    >>> w.grad = torch.tensor([3.0, 4.0])
    >>> clip_grad_norm_(w, 1.0), w.grad
    (tensor(5.), tensor([0.6000, 0.8000]))
    """
    expect(max_norm >= 0, "max_norm of at least 0", max_norm)
    found = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    gradients = [p.grad for p in found if p.grad is not None]
    if not gradients:
        return torch.tensor(0.0)
    norms = torch.stack([torch.linalg.vector_norm(g, norm_type) for g in gradients])
    total = torch.linalg.vector_norm(norms, norm_type)
    sound = not error_if_nonfinite or bool(total.isfinite())
    expect(sound, "a finite gradient", total.item())
    factor = (max_norm / (total + 1e-6)).clamp(max=1.0)
    for g in gradients:
        g.mul_(factor)
    return total


def backward_in_parts(model: nn.Module, loss: Callable[..., Tensor], *batch: Tensor,
                      part_size: int) -> float:
    r"""Add the gradient of a batch's mean loss to ``.grad``, a part of the batch at a time.

    .. math:: \nabla \mathcal{L} = \sum_k \frac{B_k}{B} \nabla \mathcal{L}_k

    The memory is that of one part; the gradient is that of the whole batch, up to rounding, if
    the loss is a mean over samples that do not see each other (batch normalisation lets them).

    Args:
        model: The module; its old gradients are kept: call ``zero_grad`` before.
        loss: ``loss(model, *part)`` returns the mean over the part, a scalar.
        *batch: Tensors of B rows each.
        part_size: Rows of a part, at least 1; the last one may be smaller.

    Returns:
        The mean loss of the whole batch.

    Raises:
        ValueError: If the tensors differ in rows or have none, or ``part_size`` is below 1.

    >>> model = nn.Linear(1, 1, bias=False)
    >>> x = torch.tensor([[1.0], [2.0], [3.0]])
    >>> value = backward_in_parts(model, lambda m, x: m(x).mean(), x, part_size=2)
    >>> model.weight.grad
    tensor([[2.]])
    """
    rows = len(batch) > 0 and len(batch[0]) > 0
    expect(rows, "at least one tensor with a row", batch)
    for t in batch:
        expect(len(t) == len(batch[0]), f"tensors of {len(batch[0])} rows each", t)
    expect_count("part_size", part_size)
    total = 0.0
    for part in zip(*(t.split(part_size) for t in batch)):
        value = loss(model, *part) * (len(part[0]) / len(batch[0]))
        value.backward()
        total += value.item()
    return total


def save_checkpoint(path: str | os.PathLike, model: nn.Module,
                    optimizer: torch.optim.Optimizer, scheduler: object | None = None,
                    generator: torch.Generator | None = None, **more: object) -> None:
    """Write what a run on the CPU needs to go on as if it had never stopped.

    That is the parameters and buffers, the optimizer's running means, the schedule's place, and
    the states of the random generators: the loop's own and torch's global one (dropout draws from
    it). Not among it are the states of CUDA's, NumPy's and Python's generators and of a
    ``GradScaler``: a run that uses them must save them, too. The file is written beside its name
    and then renamed, so that a program that dies while writing leaves the former checkpoint whole.

    Args:
        path: File name.
        model: The module.
        optimizer: Its optimizer.
        scheduler: Anything with ``state_dict``, or None.
        generator: The generator that shuffles, or None.
        **more: Numbers, texts, tensors, and lists or dictionaries of them: the epoch, the history.

    >>> import tempfile
    >>> model = nn.Linear(2, 1)
    >>> adam = torch.optim.Adam(model.parameters())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_checkpoint(f"{folder}/last.pt", model, adam, epoch=3)
    ...     load_checkpoint(f"{folder}/last.pt", model, adam)
    {'epoch': 3}
    """
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(),
             "scheduler": scheduler.state_dict() if scheduler is not None else None,
             "generator": generator.get_state() if generator is not None else None,
             "global_generator": torch.get_rng_state(), "more": more}
    path = Path(path)
    unfinished = path.with_name(path.name + ".part")
    torch.save(state, unfinished)
    os.replace(unfinished, path)


def load_checkpoint(path: str | os.PathLike, model: nn.Module,
                    optimizer: torch.optim.Optimizer, scheduler: object | None = None,
                    generator: torch.Generator | None = None) -> dict[str, object]:
    """Put a run back to where :func:`save_checkpoint` left it.

    The file is read with ``weights_only=True``: it can hold numbers and texts, not code.

    Args:
        path: File name.
        model: The module, built as it was.
        optimizer: Its optimizer, built as it was.
        scheduler: As it was at saving, or None.
        generator: As it was at saving, or None.

    Returns:
        What was saved as ``**more``.

    Raises:
        ValueError: If a scheduler or generator was saved and is not given, or the reverse.

    >>> load_checkpoint("nowhere.pt", None, None)
    Traceback (most recent call last):
        ...
    FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.pt'
    """
    state = torch.load(path, weights_only=True)
    for name, given in (("scheduler", scheduler), ("generator", generator)):
        saved = state[name] is not None
        expected = f"{'a' if saved else 'no'} {name}, as it was saved"
        expect(saved == (given is not None), expected, given)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    if scheduler is not None:
        scheduler.load_state_dict(state["scheduler"])
    if generator is not None:
        generator.set_state(state["generator"])
    torch.set_rng_state(state["global_generator"])
    return state["more"]


@torch.no_grad()
def first_nonfinite(model: nn.Module, *inputs: Tensor) -> str | None:
    """Return the name of the first module whose output is infinite or not a number.

    Args:
        model: The module; it is called once, in the mode that it is in: in training mode batch
            normalisation moves its running means.
        *inputs: Its arguments.

    Returns:
        The name as in ``model.named_modules()``, ``"input"`` if an argument is not finite, or
        None if all is well.

    >>> class Log(nn.Module):
    ...     def forward(self, x):
    ...         return x.log()
    >>> first_nonfinite(nn.Sequential(nn.ReLU(), Log(), nn.Sigmoid()), torch.tensor([1.0, -1.0]))
    '1'
    """
    if not all(_is_finite(x) for x in inputs):
        return "input"
    found: list[str] = []

    def watch(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple, output: object) -> None:
            if not found and not _is_finite(output):
                found.append(name)
        return hook

    handles = [module.register_forward_hook(watch(name or "the model itself"))
               for name, module in model.named_modules()]
    try:
        model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None


def _is_finite(value: object) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return all(_is_finite(v) for v in value)
    return not isinstance(value, Tensor) or bool(value.isfinite().all())


def overfit_one_batch(model: nn.Module, loss: Callable[..., Tensor], *batch: Tensor,
                      steps: int = 100, lr: float = 1e-2) -> list[float]:
    """Train a copy of the model on a single batch; return the loss before every update.

    A sound model and loss can learn a few samples by heart: the last number should be next to
    the least that the loss can be. If it is not, the fault is in model, loss or loop, and no
    amount of data will mend it.

    Args:
        model: The module; it is copied, and stays as it is.
        loss: ``loss(model, *batch)`` returns a scalar.
        *batch: One batch.
        steps: Updates by Adam, at least 1.
        lr: Its rate, above 0.

    Returns:
        ``steps`` + 1 losses, the last one after all updates.

    Raises:
        ValueError: If ``steps`` is below 1 or ``lr`` not above 0.

    >>> _ = torch.manual_seed(0)
    >>> x, y = torch.eye(4), torch.tensor([0, 1, 1, 0])
    >>> curve = overfit_one_batch(nn.Linear(4, 2), lambda m, x, y:
    ...                           nn.functional.cross_entropy(m(x), y), x, y, lr=0.3)
    >>> len(curve), curve[-1] < 0.01
    (101, True)
    """
    expect_count("steps", steps)
    expect(lr > 0, "lr above 0", lr)
    model = copy.deepcopy(model).train()
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=lr), []
    for _ in range(steps):
        value = loss(model, *batch)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return [*losses, loss(model, *batch).item()]


def train_side_by_side(models: Sequence[nn.Module], loss: Callable[..., Tensor],
                       *tensors: Tensor, rates: Tensor, rows: Sequence[Tensor],
                       momentum: float = 0.0) -> Tensor:
    r"""Train R networks of one form at once by SGD, each at its own rates over its own batches.

    .. math:: v_r \leftarrow \mu\, v_r + \nabla \mathcal{L}_r, \qquad
       w_r \leftarrow w_r - \eta_r(t)\, v_r

    Their parameters are stacked, and each operation is done for all of them together: for small
    networks that is faster than one after the other. A network's result is the one that
    ``torch.optim.SGD`` would give it, up to rounding.

    Args:
        models: R modules that differ in the values of their parameters alone, without buffers and
            without dropout; they are trained in place.
        loss: ``loss(model, *batch)`` returns a scalar.
        *tensors: The training set, N rows each.
        rates: η, shape (T, R): the rate of every update of every network.
        rows: For each of the T updates the rows of the batches, shape (R, B); B may change.
        momentum: μ, from 0 and below 1.

    Returns:
        The loss of every batch before its update, shape (T, R).

    Raises:
        ValueError: If there is no model, a model has buffers, or a shape does not fit.

    >>> models = [nn.Linear(1, 1, bias=False) for _ in range(2)]
    >>> _ = [nn.init.zeros_(model.weight) for model in models]
    >>> x, rows = torch.ones(1, 1), [torch.zeros(2, 1, dtype=torch.long)]
    >>> train_side_by_side(models, lambda m, x: (m(x) - 1).square().mean(), x,
    ...                    rates=torch.tensor([[0.1, 0.5]]), rows=rows)
    tensor([[1., 1.]])
    >>> [round(model.weight.item(), 4) for model in models]
    [0.2, 1.0]
    """
    count = len(models)
    expect(count > 0, "at least one model", models)
    shape = (len(rows), count)
    expect(rates.shape == shape, f"rates of shape {shape}", rates)
    weights, buffers = stack_module_state(models)                # each (R, …)
    expect(not buffers, "models without buffers", list(buffers))
    velocity = {name: torch.zeros_like(w) for name, w in weights.items()}

    def loss_of(weights: dict[str, Tensor], *batch: Tensor) -> Tensor:
        return loss(lambda *x: functional_call(models[0], weights, x), *batch)

    step, losses = vmap(grad_and_value(loss_of)), []
    with torch.no_grad():
        for rate, now in zip(rates, rows):                       # (R,), (R, B)
            expect(len(now) == count, f"rows of shape ({count}, B)", now)
            gradient, values = step(weights, *(t[now] for t in tensors))
            for name, w in weights.items():
                velocity[name].mul_(momentum).add_(gradient[name])
                w.sub_(rate.view(-1, *[1] * (w.ndim - 1)) * velocity[name])
            losses.append(values)
        for r, model in enumerate(models):
            for name, p in model.named_parameters():
                p.copy_(weights[name][r])
    return torch.stack(losses)
