"""Several losses, one network: how to weigh them, and what to do when their gradients disagree.

Everything here works on a list of T losses or on their T gradients in the shared parameters; it
does not know the network. The network of the chapter is :mod:`dlcheat.architectures.multi_task`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from dlcheat.validation import expect


def _expect_losses(losses: Sequence[Tensor]) -> None:
    expect(len(losses) > 0, "at least one loss", losses)
    for loss in losses:
        scalar = isinstance(loss, Tensor) and loss.ndim == 0 and loss.is_floating_point()
        expect(scalar, "losses of shape ()", loss)


def _expect_gradients(gradients: Tensor, tasks: int | None = None) -> None:
    table = isinstance(gradients, Tensor) and gradients.is_floating_point() and gradients.ndim == 2 \
        and gradients.shape[0] >= 1 and gradients.shape[0] == (tasks or gradients.shape[0])
    expect(table, f"gradients of shape ({tasks or 'T'}, P)", gradients)


def weighted_sum(losses: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    r"""Return one loss for several tasks, with fixed weights.

    .. math:: \mathcal{L} = \sum_i w_i \mathcal{L}_i

    Args:
        losses: T losses, each of shape ().
        weights: T numbers of at least 0.

    Returns:
        Shape ().

    Raises:
        ValueError: If a loss is no scalar, the numbers differ, or a weight is negative.

    >>> weighted_sum([torch.tensor(2.0), torch.tensor(10.0)], [1, 0.5])
    tensor(7.)
    """
    _expect_losses(losses)
    fits = len(weights) == len(losses) and all(w >= 0 for w in weights)
    expect(fits, f"{len(losses)} weights of at least 0", weights)
    return sum(w * loss for w, loss in zip(weights, losses, strict=True))


class UncertaintyWeighting(nn.Module):
    r"""One loss for several tasks, whose weights are learned as noise levels.

    .. math:: \mathcal{L} = \sum_i \left( c_i\, e^{-s_i} \mathcal{L}_i + \tfrac12 s_i \right),
       \qquad s_i = \log \sigma_i^2, \quad
       c_i = \tfrac12 \text{ for a squared error, } 1 \text{ for a cross-entropy}

    The :math:`s_i` are parameters: give them to the optimizer. Their optimum is
    :math:`\sigma_i^2 = 2 c_i \mathcal{L}_i`, and the weight there :math:`1 / (2 \mathcal{L}_i)`.

    Args:
        regression: For each task whether its loss is a squared error (True) or a cross-entropy.

    Attributes:
        s: Shape (T,), 0 at the start; see :meth:`start`.

    Raises:
        ValueError: If there is no task, or an entry is not a truth value.

    Source: Kendall, Gal and Cipolla (2018); the cross-entropy's likelihood
    is their approximation.

    >>> weighting = UncertaintyWeighting([True, False])
    >>> weighting([torch.tensor(3.0), torch.tensor(2.0)]).item()
    3.5
    """

    def __init__(self, regression: Sequence[bool]) -> None:
        super().__init__()
        expect(len(regression) > 0, "at least one task", regression)
        expect(all(isinstance(r, bool) for r in regression), "truth values", regression)
        self.s = nn.Parameter(torch.zeros(len(regression)))
        self.register_buffer("c", torch.tensor([0.5 if r else 1.0 for r in regression]))

    def forward(self, losses: Sequence[Tensor]) -> Tensor:
        """Return the weighted loss, shape ().

        Args:
            losses: T losses, each of shape ().

        Raises:
            ValueError: If a loss is no scalar, or their number differs.
        """
        _expect_losses(losses)
        expect(len(losses) == len(self.s), f"{len(self.s)} losses", losses)
        return (self.c * (-self.s).exp() * torch.stack(list(losses)) + self.s / 2).sum()

    @torch.no_grad()
    def start(self, losses: Sequence[Tensor]) -> None:
        r"""Put the noise levels at their optimum for these losses: :math:`s_i = \log 2 c_i \mathcal{L}_i`.

        Args:
            losses: T losses above 0, each of shape ().

        Raises:
            ValueError: If a loss is no scalar or not above 0, or their number differs.
        """
        _expect_losses(losses)
        expect(len(losses) == len(self.s), f"{len(self.s)} losses", losses)
        expect(all(loss > 0 for loss in losses), "losses above 0", losses)
        self.s.copy_((2 * self.c * torch.stack(list(losses))).log())

    def weights(self) -> Tensor:
        r"""Return what each loss is multiplied by now, :math:`c_i e^{-s_i}`, shape (T,)."""
        return (self.c * (-self.s).exp()).detach()

    def extra_repr(self) -> str:
        """Show the number of tasks when the module is printed."""
        return f"tasks={len(self.s)}"


def task_gradients(losses: Sequence[Tensor], parameters: Iterable[Tensor]) -> Tensor:
    """Return each task's gradient in the same parameters, one row a task.

    Args:
        losses: T losses, each of shape (); their graph is kept.
        parameters: Tensors with P numbers together. One that a loss does not depend on has the
            gradient 0.

    Returns:
        Shape (T, P). It costs T backward passes.

    Raises:
        ValueError: If a loss is no scalar, or there is no parameter.

    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> task_gradients([w.sum(), w.square().sum()], [w])
    tensor([[1., 1.],
            [2., 4.]])
    """
    _expect_losses(losses)
    parameters = list(parameters)
    expect(len(parameters) > 0, "at least one parameter", parameters)
    rows = [torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True,
                                materialize_grads=True) for loss in losses]
    return torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])


def cosine(gradients: Tensor) -> Tensor:
    r"""Return the cosine of the angle between every two gradients.

    .. math:: \cos_{ij} = \frac{\langle g_i, g_j \rangle}{\lVert g_i \rVert\, \lVert g_j \rVert}

    Below 0 the tasks are in **conflict**: a small step against one gradient raises the other's
    loss.

    Args:
        gradients: Shape (T, P).

    Returns:
        Shape (T, T); 0 where a gradient is 0.

    Raises:
        ValueError: If ``gradients`` has another shape.

    >>> cosine(torch.tensor([[1.0, 0.0], [-1.0, 1.0]]))[0, 1].item()
    -0.7071067690849304
    """
    _expect_gradients(gradients)
    sizes = gradients.norm(dim=1, keepdim=True)                  # (T, 1)
    unit = gradients / torch.where(sizes > 0, sizes, 1)
    return unit @ unit.T


def pcgrad(gradients: Tensor, generator: torch.Generator | None = None) -> Tensor:
    r"""Project conflicting gradients, then add them ("gradient surgery").

    .. math:: g_i' \leftarrow g_i' -
       \frac{\min(0, \langle g_i', g_j \rangle)}{\lVert g_j \rVert^2}\, g_j
       \quad \text{for all } j \neq i \text{ in random order}, \qquad g = \sum_i g_i'

    The projection is onto the plane at right angles to the *original* :math:`g_j`. With two
    tasks there is no order to choose.

    Args:
        gradients: One row a task, shape (T, P).
        generator: Source of the order; None takes torch's global one.

    Returns:
        Shape (P,).

    Raises:
        ValueError: If ``gradients`` has another shape.

    Source: Yu, Kumar, Gupta, Levine, Hausman and Finn (2020), algorithm 1.

    >>> pcgrad(torch.tensor([[1.0, 0.0], [-1.0, 1.0]]))
    tensor([0.5000, 1.5000])
    """
    _expect_gradients(gradients)
    projected = []
    for i, g in enumerate(gradients):
        for j in torch.randperm(len(gradients), generator=generator).tolist():
            overlap = g @ gradients[j]
            if j != i and overlap < 0:
                g = g - overlap / gradients[j].square().sum() * gradients[j]
        projected.append(g)
    return torch.stack(projected).sum(0)


def min_norm(gradients: Tensor) -> Tensor:
    r"""Return the shortest weighted mean of two gradients (MGDA): no task's loss rises along it.

    .. math:: d = \gamma g_1 + (1 - \gamma) g_2, \qquad
       \gamma = \operatorname{clip}\!\left(
       \frac{\langle g_2 - g_1, g_2 \rangle}{\lVert g_1 - g_2 \rVert^2},\, 0,\, 1 \right)

    Then :math:`\langle d, g_i \rangle \ge \lVert d \rVert^2` for both tasks; d is 0 only where no
    step helps both.

    Args:
        gradients: Shape (2, P).

    Returns:
        Shape (P,).

    Raises:
        ValueError: If ``gradients`` has another shape.

    Source: Désidéri (2012); Sener and Koltun (2018).

    >>> min_norm(torch.tensor([[1.0, 0.0], [-1.0, 1.0]]))
    tensor([0.2000, 0.4000])
    """
    _expect_gradients(gradients, 2)
    first, second = gradients
    apart = (first - second).square().sum()
    share = (second - first) @ second / torch.where(apart > 0, apart, 1)
    share = share.clamp(0, 1)
    return share * first + (1 - share) * second


def backward_with_surgery(losses: Sequence[Tensor], shared: Iterable[nn.Parameter],
                          own: Iterable[nn.Parameter],
                          generator: torch.Generator | None = None) -> None:
    """Write gradients like ``backward()``, those in the shared parameters by :func:`pcgrad`.

    Args:
        losses: T losses, each of shape (). It costs T backward passes through the trunk.
        shared: The trunk's parameters; their ``grad`` is replaced.
        own: The heads' parameters; they get the gradient of the plain sum.
        generator: Source of the order.

    Raises:
        ValueError: If a loss is no scalar, or there is no shared parameter.

    >>> trunk, heads = nn.Linear(2, 3), nn.Linear(3, 2)
    >>> out = heads(trunk(torch.ones(1, 2)))[0]
    >>> backward_with_surgery([out[0], -out[1]], trunk.parameters(), heads.parameters())
    >>> trunk.weight.grad.shape
    torch.Size([3, 2])
    """
    _expect_losses(losses)
    shared, own = list(shared), list(own)
    expect(len(shared) > 0, "at least one shared parameter", shared)
    joined = pcgrad(task_gradients(losses, shared), generator)   # (P,)
    parts = joined.split([p.numel() for p in shared])
    if own:
        parts += torch.autograd.grad(sum(losses), own, allow_unused=True, materialize_grads=True)
    for p, part in zip([*shared, *own], parts, strict=True):
        p.grad = part.view_as(p).clone()
