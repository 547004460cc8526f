r"""Optimizers: the rules that turn gradients into changes of the parameters.

Names, argument order, defaults, parameter groups and state are those of ``torch.optim``; the
state of one is loaded by the other. What only chooses between implementations of the same rule
(``foreach``, ``fused``, ``capturable``, ``differentiable``) is left out, and so are sparse and
complex parameters; ``maximize`` is given by name. The operations are those of torch's
single-tensor path in the same order, so that both give the same numbers to the last bit; written
as plain formulas (:math:`m \leftarrow \beta m + (1 - \beta) g` in place of torch's ``lerp``) they
would agree only up to rounding.

Each class has a method ``update``: the rule for one tensor. In the comments θ is the parameter,
g its gradient, η the learning rate, λ the weight decay, t the number of the step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from dlcheat.validation import expect

State = dict[str, Any]

_AT_LEAST_0 = ("lr", "weight_decay", "eps", "momentum", "lr_decay", "initial_accumulator_value",
               "tolerance_grad", "tolerance_change")
_FROM_0_TO_1 = ("alpha", "rho")
_FLAGS = ("nesterov", "amsgrad", "centered", "maximize", "decoupled_weight_decay")


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check(group: dict[str, Any]) -> None:
    for name, value in group.items():
        if name in _AT_LEAST_0:
            expect(_is_number(value) and value >= 0, f"{name} to be a number of at least 0", value)
        elif name in _FROM_0_TO_1:
            expect(_is_number(value) and 0 <= value <= 1, f"{name} to be a number from 0 to 1", value)
        elif name in _FLAGS:
            expect(isinstance(value, bool), f"{name} to be True or False", value)
        elif name == "dampening":
            expect(_is_number(value), "dampening to be a number", value)
        elif name == "betas":
            two = isinstance(value, tuple | list) and len(value) == 2
            expect(two and all(_is_number(b) and 0 <= b < 1 for b in value),
                   "betas to be two numbers from 0 and below 1", value)
        elif name in ("max_iter", "max_eval", "history_size"):
            expect(_is_count(value), f"{name} to be an integer of at least 1", value)
    if group.get("nesterov"):
        expect(group["momentum"] > 0 and group["dampening"] == 0,
               "momentum above 0 and dampening 0 with nesterov", (group["momentum"], group["dampening"]))
    for p in group["params"]:
        expect(p.is_floating_point(), "floating-point parameters", p)


class _Checked(Optimizer):
    """An optimizer that refuses bad hyperparameters in every group, not only in the defaults."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, with settings of its own where it states them.

        Args:
            param_group: ``{"params": …}`` and any of the optimizer's settings.

        Raises:
            ValueError: If a setting is out of range, or a parameter is not floating-point.
        """
        super().add_param_group(param_group)
        try:
            _check(self.param_groups[-1])
        except ValueError:
            del self.param_groups[-1]
            raise


class _Elementwise(_Checked):
    """An optimizer that treats one tensor after the other, each by ``update``."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step with the gradients that the parameters hold.

        Args:
            closure: Computes loss and gradients anew and returns the loss, or None.

        Returns:
            The closure's loss, or None.

        Raises:
            ValueError: If a gradient is sparse.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            options = {k: v for k, v in group.items() if k not in ("params", "maximize")}
            for p in group["params"]:
                if p.grad is not None:
                    expect(not p.grad.is_sparse, "a dense gradient", p.grad)
                    g = -p.grad if group["maximize"] else p.grad
                    state = self.state.get(p, {})
                    self.update(p, g, state, **options)
                    if state:                 # plain descent keeps none
                        self.state[p] = state
        return loss

    def update(self, p: Tensor, g: Tensor, state: State, **options: Any) -> None:
        """Change one parameter in place; each optimizer has its own rule."""
        raise NotImplementedError


class SGD(_Elementwise):
    r"""Gradient descent, with momentum if one likes.

    .. math:: v \leftarrow \mu v + (1 - \tau)\, g, \qquad \theta \leftarrow \theta - \eta\, v

    In the first step v = g. Without momentum the step goes along g, with Nesterov's along
    :math:`g + \mu v`.

    Args:
        params: Tensors, or groups ``{"params": …, "lr": …}``.
        lr: η, at least 0.
        momentum: μ, at least 0; below 1 in use.
        dampening: τ.
        weight_decay: λ, at least 0: λθ is added to g.
        nesterov: Whether the step looks ahead; needs momentum, and no dampening.
        maximize: Whether to climb.

    Raises:
        ValueError: If a setting is out of range.

    Source: Polyak, 1964; Nesterov, 1983, in the form of Sutskever et al., 2013.

    >>> p = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([p], lr=0.1, momentum=0.9)
    >>> for _ in range(2):
    ...     p.grad = torch.tensor([1.0])
    ...     optimizer.step()
    >>> p
    tensor([0.7100], requires_grad=True)
    """

    def __init__(self, params: ParamsT, lr: float = 1e-3, momentum: float = 0, dampening: float = 0,
                 weight_decay: float = 0, nesterov: bool = False, *, maximize: bool = False) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "dampening": dampening,
                                  "weight_decay": weight_decay, "nesterov": nesterov,
                                  "maximize": maximize})

    def update(self, p: Tensor, g: Tensor, state: State, lr: float, momentum: float,
               dampening: float, weight_decay: float, nesterov: bool, **_: Any) -> None:
        """Change p in place."""
        if weight_decay != 0:
            # g ← g + λ θ
            g = g.add(p, alpha=weight_decay)
        if momentum != 0:
            v = state.get("momentum_buffer")
            if v is None:
                # v = g in the first step
                v = state["momentum_buffer"] = g.clone()
            else:
                # v ← μ v + (1 − τ) g
                v.mul_(momentum).add_(g, alpha=1 - dampening)
            # along v; Nesterov: along g + μ v
            g = g.add(v, alpha=momentum) if nesterov else v
        # θ ← θ − η g
        p.add_(g, alpha=-lr)


class Adagrad(_Elementwise):
    r"""A rate for every parameter: η divided by the root of all its squared gradients so far.

    .. math:: G \leftarrow G + g^2, \qquad \theta \leftarrow \theta - \eta_t \frac{g}{\sqrt G + \varepsilon},
       \qquad \eta_t = \frac{\eta}{1 + (t - 1)\,\delta}

    Args:
        params: Tensors, or groups.
        lr: η, at least 0.
        lr_decay: δ, at least 0.
        weight_decay: λ, at least 0: λθ is added to g.
        initial_accumulator_value: G before the first step, at least 0.
        eps: ε, at least 0.
        maximize: Whether to climb.

    Raises:
        ValueError: If a setting is out of range.

    Source: Duchi, Hazan and Singer, 2011.

    >>> p = torch.tensor([1.0, 1.0], requires_grad=True)
    >>> p.grad = torch.tensor([100.0, 0.01])
    >>> Adagrad([p], lr=0.5).step()
    >>> p
    tensor([0.5000, 0.5000], requires_grad=True)
    """

    def __init__(self, params: ParamsT, lr: float = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
                 initial_accumulator_value: float = 0, eps: float = 1e-10, *,
                 maximize: bool = False) -> None:
        super().__init__(params, {"lr": lr, "lr_decay": lr_decay, "eps": eps,
                                  "weight_decay": weight_decay,
                                  "initial_accumulator_value": initial_accumulator_value,
                                  "maximize": maximize})

    def update(self, p: Tensor, g: Tensor, state: State, lr: float, lr_decay: float,
               eps: float, weight_decay: float, initial_accumulator_value: float,
               **_: Any) -> None:
        """Change p in place."""
        if not state:
            state["step"] = torch.tensor(0.0)
            state["sum"] = torch.full_like(p, initial_accumulator_value)
        state["step"] += 1
        if weight_decay != 0:
            # g ← g + λ θ
            g = g.add(p, alpha=weight_decay)
        # η_t = η / (1 + (t − 1) δ)
        rate = lr / (1 + (state["step"].item() - 1) * lr_decay)
        # G ← G + g²
        G = state["sum"].addcmul_(g, g)
        # θ ← θ − η_t g / (√G + ε)
        p.addcdiv_(g, G.sqrt().add_(eps), value=-rate)


class RMSprop(_Elementwise):
    r"""Adagrad that forgets: a running mean of the squared gradients in place of their sum.

    .. math:: v \leftarrow \alpha v + (1 - \alpha)\, g^2, \qquad
       \theta \leftarrow \theta - \eta \frac{g}{\sqrt v + \varepsilon}

    Centred, the square of a running mean m of g is taken from v first; with momentum the
    quotient goes into a buffer :math:`b \leftarrow \mu b + g / (\sqrt v + \varepsilon)`, and the
    step along it.

    Args:
        params: Tensors, or groups.
        lr: η, at least 0.
        alpha: α, from 0 to 1.
        eps: ε, at least 0.
        weight_decay: λ, at least 0: λθ is added to g.
        momentum: μ, at least 0.
        centered: Whether to divide by the standard deviation of g, not by its root mean square.
        maximize: Whether to climb.

    Raises:
        ValueError: If a setting is out of range.

    Source: Tieleman and Hinton, 2012; centred: Graves, 2013.

    >>> p = torch.tensor([1.0], requires_grad=True)
    >>> p.grad = torch.tensor([3.0])
    >>> RMSprop([p], lr=0.01).step()           # v has only 1 % of g²: ten times the rate
    >>> p
    tensor([0.9000], requires_grad=True)
    """

    def __init__(self, params: ParamsT, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
                 weight_decay: float = 0, momentum: float = 0, centered: bool = False, *,
                 maximize: bool = False) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps,
                                  "centered": centered, "weight_decay": weight_decay,
                                  "maximize": maximize})

    def update(self, p: Tensor, g: Tensor, state: State, lr: float, momentum: float,
               alpha: float, eps: float, centered: bool, weight_decay: float,
               **_: Any) -> None:
        """Change p in place."""
        if not state:
            state["step"] = torch.tensor(0.0)
            state["square_avg"] = torch.zeros_like(p)
            if momentum > 0:
                state["momentum_buffer"] = torch.zeros_like(p)
            if centered:
                state["grad_avg"] = torch.zeros_like(p)
        state["step"] += 1
        if weight_decay != 0:
            # g ← g + λ θ
            g = g.add(p, alpha=weight_decay)
        # v ← α v + (1 − α) g²
        v = state["square_avg"].mul_(alpha).addcmul_(g, g, value=1 - alpha)
        if centered:
            # m ← α m + (1 − α) g, and v − m² in place of v
            m = state["grad_avg"].lerp_(g, 1 - alpha)
            v = v.addcmul(m, m, value=-1)
        # r = √v + ε
        r = v.sqrt().add_(eps)
        if momentum > 0:
            # b ← μ b + g / r
            b = state["momentum_buffer"].mul_(momentum).addcdiv_(g, r)
            # θ ← θ − η b
            p.add_(b, alpha=-lr)
        else:
            # θ ← θ − η g / r
            p.addcdiv_(g, r, value=-lr)


class Adadelta(_Elementwise):
    r"""Steps in the parameter's own units: their running size stands above the gradient's.

    .. math:: v \leftarrow \rho v + (1 - \rho)\, g^2, \qquad
       \Delta = \frac{\sqrt{u + \varepsilon}}{\sqrt{v + \varepsilon}}\, g, \qquad
       u \leftarrow \rho u + (1 - \rho)\, \Delta^2, \qquad \theta \leftarrow \theta - \eta\, \Delta

    Args:
        params: Tensors, or groups.
        lr: η, at least 0; the paper has none, so 1.
        rho: ρ, from 0 to 1.
        eps: ε, at least 0; it decides the first steps, since u begins at 0.
        weight_decay: λ, at least 0: λθ is added to g.
        maximize: Whether to climb.

    Raises:
        ValueError: If a setting is out of range.

    Source: Zeiler, 2012.

    >>> p = torch.tensor([1.0], requires_grad=True)
    >>> p.grad = torch.tensor([3.0])
    >>> Adadelta([p]).step()
    >>> p
    tensor([0.9968], requires_grad=True)
    """

    def __init__(self, params: ParamsT, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6,
                 weight_decay: float = 0, *, maximize: bool = False) -> None:
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay,
                                  "maximize": maximize})

    def update(self, p: Tensor, g: Tensor, state: State, lr: float, rho: float,
               eps: float, weight_decay: float, **_: Any) -> None:
        """Change p in place."""
        if not state:
            state["step"] = torch.tensor(0.0)
            state["square_avg"] = torch.zeros_like(p)
            state["acc_delta"] = torch.zeros_like(p)
        state["step"] += 1
        if weight_decay != 0:
            # g ← g + λ θ
            g = g.add(p, alpha=weight_decay)
        # v ← ρ v + (1 − ρ) g²
        v = state["square_avg"].mul_(rho).addcmul_(g, g, value=1 - rho)
        # Δ = √(u + ε) / √(v + ε) · g
        u = state["acc_delta"]
        delta = u.add(eps).sqrt_().div_(v.add(eps).sqrt_()).mul_(g)
        # u ← ρ u + (1 − ρ) Δ²
        u.mul_(rho).addcmul_(delta, delta, value=1 - rho)
        # θ ← θ − η Δ
        p.add_(delta, alpha=-lr)


class Adam(_Elementwise):
    r"""Momentum over RMSprop, both running means corrected for their start at 0.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1)\, g, \qquad
       v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2, \qquad
       \theta \leftarrow \theta - \eta\,
       \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \varepsilon}

    Args:
        params: Tensors, or groups.
        lr: η, at least 0.
        betas: β₁ and β₂, from 0 and below 1.
        eps: ε, at least 0.
        weight_decay: λ, at least 0: λθ is added to g, or the parameter decays (see the last).
        amsgrad: Whether the largest v so far stands in the place of v (Reddi et al., 2018).
        maximize: Whether to climb.
        decoupled_weight_decay: Whether θ shrinks by ηλ outside the quotient, as in AdamW.

    Raises:
        ValueError: If a setting is out of range.

    Source: Kingma and Ba, 2015.

    >>> p = torch.tensor([1.0, 1.0], requires_grad=True)
    >>> p.grad = torch.tensor([100.0, -0.01])
    >>> Adam([p], lr=0.1).step()
    >>> p
    tensor([0.9000, 1.1000], requires_grad=True)
    """

    def __init__(self, params: ParamsT, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0, amsgrad: bool = False, *,
                 maximize: bool = False, decoupled_weight_decay: bool = False) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                                  "amsgrad": amsgrad, "maximize": maximize,
                                  "decoupled_weight_decay": decoupled_weight_decay})

    def update(self, p: Tensor, g: Tensor, state: State, lr: float,
               betas: tuple[float, float], eps: float, weight_decay: float, amsgrad: bool,
               decoupled_weight_decay: bool = False, **_: Any) -> None:
        """Change p in place."""
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"] = torch.zeros_like(p)
            state["exp_avg_sq"] = torch.zeros_like(p)
            if amsgrad:
                state["max_exp_avg_sq"] = torch.zeros_like(p)
        state["step"] += 1
        t, (beta1, beta2) = state["step"].item(), betas
        if weight_decay != 0 and decoupled_weight_decay:
            # θ ← (1 − η λ) θ: AdamW
            p.mul_(1 - lr * weight_decay)
        elif weight_decay != 0:
            # g ← g + λ θ: Adam with L2
            g = g.add(p, alpha=weight_decay)
        # m ← β₁ m + (1 − β₁) g
        m = state["exp_avg"].lerp_(g, 1 - beta1)
        # v ← β₂ v + (1 − β₂) g²
        v = state["exp_avg_sq"].mul_(beta2).addcmul_(g, g, value=1 - beta2)
        if amsgrad:
            # the largest v so far in place of v
            v = torch.maximum(state["max_exp_avg_sq"], v, out=state["max_exp_avg_sq"])
        # r = √(v / (1 − β₂ᵗ)) + ε
        r = (v.sqrt() / (1 - beta2 ** t) ** 0.5).add_(eps)
        # θ ← θ − η m / (1 − β₁ᵗ) / r
        p.addcdiv_(m, r, value=-lr / (1 - beta1 ** t))


class AdamW(Adam):
    r"""Adam whose weight decay stands outside the quotient.

    .. math:: \theta \leftarrow (1 - \eta\lambda)\,\theta, \qquad\text{then Adam's step with the plain } g

    Args:
        params: Tensors, or groups.
        lr: η, at least 0.
        betas: β₁ and β₂, from 0 and below 1.
        eps: ε, at least 0.
        weight_decay: λ, at least 0.
        amsgrad: Whether the largest v so far stands in the place of v.
        maximize: Whether to climb.

    Raises:
        ValueError: If a setting is out of range.

    Source: Loshchilov and Hutter, 2019; there the decay is not multiplied by η.

    >>> p = torch.tensor([1.0], requires_grad=True)
    >>> p.grad = torch.tensor([0.0])
    >>> AdamW([p], lr=0.1, weight_decay=0.5).step()
    >>> p
    tensor([0.9500], requires_grad=True)
    """

    def __init__(self, params: ParamsT, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 1e-2, amsgrad: bool = False, *,
                 maximize: bool = False) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize,
                         decoupled_weight_decay=True)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


class Lion(_Elementwise):
    r"""The sign of a mean of gradients: every parameter moves by exactly η.

    .. math:: \theta \leftarrow \theta - \eta \left( \operatorname{sign}
       \bigl(\beta_1 m + (1 - \beta_1)\, g\bigr) + \lambda\theta \right), \qquad
       m \leftarrow \beta_2 m + (1 - \beta_2)\, g

    Torch has none; names and defaults are those of the authors' code.

    Args:
        params: Tensors, or groups.
        lr: η, at least 0; a third to a tenth of Adam's.
        betas: β₁ and β₂, from 0 and below 1.
        weight_decay: λ, at least 0, outside the sign; three to ten times AdamW's.
        maximize: Whether to climb.

    Raises:
        ValueError: If a setting is out of range.

    Source: Chen et al., 2023.

    >>> p = torch.tensor([1.0, 1.0, 1.0], requires_grad=True)
    >>> p.grad = torch.tensor([100.0, -0.01, 0.0])
    >>> Lion([p], lr=0.1).step()
    >>> p
    tensor([0.9000, 1.1000, 1.0000], requires_grad=True)
    """

    def __init__(self, params: ParamsT, lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99),
                 weight_decay: float = 0, *, maximize: bool = False) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay,
                                  "maximize": maximize})

    def update(self, p: Tensor, g: Tensor, state: State, lr: float,
               betas: tuple[float, float], weight_decay: float, **_: Any) -> None:
        """Change p in place."""
        if not state:
            state["exp_avg"] = torch.zeros_like(p)
        m, (beta1, beta2) = state["exp_avg"], betas
        if weight_decay != 0:
            # θ ← (1 − η λ) θ
            p.mul_(1 - lr * weight_decay)
        # θ ← θ − η sign(β₁ m + (1 − β₁) g)
        p.add_(m.mul(beta1).add_(g, alpha=1 - beta1).sign_(), alpha=-lr)
        # m ← β₂ m + (1 − β₂) g
        m.mul_(beta2).add_(g, alpha=1 - beta2)


def two_loop(g: Tensor, changes: list[Tensor], steps: list[Tensor],
             rhos: list[Tensor], scale: Tensor | float) -> Tensor:
    r"""Return L-BFGS's direction :math:`-Hg` from pairs of steps and changes of the gradient.

    H approximates the inverse of the Hessian. It satisfies :math:`H y = s` for the last pair, and
    is never written down:

    .. math:: H_k = (I - \rho\, s y^\top)\, H_{k-1}\, (I - \rho\, y s^\top) + \rho\, s s^\top,
       \qquad \rho = 1 / y^\top s, \qquad H_0 = \gamma I

    Args:
        g: Gradient, shape (D,).
        changes: y, differences of gradients, shape (D,) each, the oldest first.
        steps: s, differences of parameters, shape (D,) each.
        rhos: 1 / yᵀs, one number a pair.
        scale: γ.

    Returns:
        Shape (D,).

    Raises:
        ValueError: If the three lists differ in length.

    Source: Nocedal, 1980.

    >>> y, s = torch.tensor([4.0, 0.0]), torch.tensor([2.0, 0.0])       # curvature 2
    >>> two_loop(torch.tensor([4.0, 1.0]), [y], [s], [1 / y.dot(s)], 0.5)
    tensor([-2.0000, -0.5000])
    """
    counts = len(changes), len(steps), len(rhos)
    expect(len(set(counts)) == 1, "as many changes as steps and rhos", counts)
    q, shares = g.neg(), []
    for y, s, rho in zip(reversed(changes), reversed(steps), reversed(rhos)):
        # a = ρ sᵀq, then q ← q − a y: the newest pair first
        shares.append(s.dot(q) * rho)
        q.add_(y, alpha=-shares[-1])
    # r = γ q
    r = torch.mul(q, scale)
    for y, s, rho, a in zip(changes, steps, rhos, reversed(shares)):
        # r ← r + (a − ρ yᵀr) s: the oldest pair first
        r.add_(s, alpha=a - y.dot(r) * rho)
    return r


class LBFGS(_Checked):
    r"""Newton's method without a Hessian: its inverse is told from the last steps.

    .. math:: \theta \leftarrow \theta - \eta\, H g

    with H as in :func:`two_loop`. One call of ``step`` makes up to ``max_iter`` such moves, and
    calls the closure before each. The very first one goes along −g and has at most the length η,
    as a sum of sizes. There is no line search: for ``"strong_wolfe"`` take torch's.

    Args:
        params: Tensors, in one group.
        lr: η, at least 0.
        max_iter: Moves in a step.
        max_eval: Calls of the closure in a step; None is 5/4 of ``max_iter``.
        tolerance_grad: Stop when no derivative is larger.
        tolerance_change: Stop when loss or parameters change by less.
        history_size: Pairs that are remembered.
        line_search_fn: None.

    Raises:
        ValueError: If a setting is out of range, or there are several groups.

    Source: Liu and Nocedal, 1989; torch's, after Schmidt's minFunc.

    >>> p = torch.tensor([3.0, -2.0], requires_grad=True)
    >>> optimizer = LBFGS([p])
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = p[0] ** 2 + 10 * p[1] ** 2
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure)
    tensor(49., grad_fn=<AddBackward0>)
    >>> closure() < 1e-8
    tensor(True)
    """

    def __init__(self, params: ParamsT, lr: float = 1, max_iter: int = 20, max_eval: int | None = None,
                 tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
                 line_search_fn: str | None = None) -> None:
        expect(_is_count(max_iter), "max_iter to be an integer of at least 1", max_iter)
        expect(line_search_fn is None, "line_search_fn None (torch's LBFGS has one)", line_search_fn)
        max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
        super().__init__(params, {"lr": lr, "max_iter": max_iter, "max_eval": max_eval,
                                  "tolerance_grad": tolerance_grad,
                                  "tolerance_change": tolerance_change,
                                  "history_size": history_size, "line_search_fn": None})
        expect(len(self.param_groups) == 1, "one group of parameters", len(self.param_groups))

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:
        """Make up to ``max_iter`` moves.

        Args:
            closure: Computes loss and gradients anew and returns the loss.

        Returns:
            The loss before the first move.
        """
        group = self.param_groups[0]
        state, small = self.state[group["params"][0]], group["tolerance_change"]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = torch.enable_grad()(closure)()
        loss, g, calls = float(first), self._gradient(), 1
        state["func_evals"] += 1
        if g.abs().max() <= group["tolerance_grad"]:
            return first
        for left in reversed(range(group["max_iter"])):
            state["n_iter"] += 1
            d = self.direction(g, state, group["history_size"])
            # t = η; in the very first move η min(1, 1 / |g|₁)
            t = (min(1.0, 1.0 / g.abs().sum()) if state["n_iter"] == 1 else 1) * group["lr"]
            before = loss
            state.update(d=d, t=t, prev_flat_grad=g.clone(), prev_loss=before)
            if g.dot(d) > -small:
                break
            # θ ← θ + t d
            self._move(t, d)
            if left == 0:
                break
            loss, g, calls = float(torch.enable_grad()(closure)()), self._gradient(), calls + 1
            state["func_evals"] += 1
            if calls >= group["max_eval"] or g.abs().max() <= group["tolerance_grad"] \
                    or d.mul(t).abs().max() <= small or abs(loss - before) < small:
                break
        return first

    def direction(self, g: Tensor, state: State, history_size: int) -> Tensor:
        """Return where to move, shape (D,), and remember the last step and what it changed."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return g.neg()
        # y = g − g before, s = θ − θ before
        y, s = g.sub(state["prev_flat_grad"]), state["d"].mul(state["t"])
        changes, steps, rhos = state["old_dirs"], state["old_stps"], state["ro"]
        ys = y.dot(s)
        if ys > 1e-10:                        # else the curvature along s is not positive
            if len(changes) == history_size:
                for memory in (changes, steps, rhos):
                    del memory[0]
            # ρ = 1 / yᵀs, γ = yᵀs / yᵀy
            changes.append(y)
            steps.append(s)
            rhos.append(1.0 / ys)
            state["H_diag"] = ys / y.dot(y)
        return two_loop(g, changes, steps, rhos, state["H_diag"])

    def _gradient(self) -> Tensor:
        parameters = self.param_groups[0]["params"]
        for p in parameters:
            expect(p.grad is None or not p.grad.is_sparse, "a dense gradient", p.grad)
        return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1)
                          for p in parameters])

    def _move(self, t: Tensor | float, d: Tensor) -> None:
        parameters = self.param_groups[0]["params"]
        for p, part in zip(parameters, d.split([p.numel() for p in parameters])):
            p.add_(part.view_as(p), alpha=t)
