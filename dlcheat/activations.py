"""Activation functions: what stands between two linear maps.

Torch's names, argument order and defaults; values and gradients are torch's, too, also where
the textbook's formula would overflow. Each is one formula and works on any shape. Those that
turn scores into probabilities (``softmax``, ``softmin``, ``log_softmax``) take the dimension
to normalise, the gated ones (``glu``, ``swiglu``, ``geglu``) and ``maxout`` the dimension that
they halve or divide; the others act on each number alone. What torch lacks (``step``,
``gelu_sigmoid``, ``swiglu``, ``geglu``, ``maxout``) has a name of its own, and says so.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dlcheat.validation import expect, expect_count, expect_float

#: SELU's constants: those with which mean 0 and variance 1 are kept. Klambauer et al. (2017).
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _expect_dim(input: Tensor, dim: int) -> None:
    is_dim = isinstance(dim, int) and -input.ndim <= dim < max(input.ndim, 1)
    expect(is_dim, f"dim to be a dimension of input, {-input.ndim} … {input.ndim - 1}", dim)


def _expect_number(name: str, value: object, above: float = -math.inf) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    good = is_number and above < value < math.inf
    expect(good, f"{name} to be a number" + (f" above {above:g}" if above > -math.inf else ""), value)


def step(input: Tensor, at_zero: float = 1.0) -> Tensor:
    r"""Answer yes (1) or no (0): is the number positive?

    .. math:: \mathrm{step}(x) = \begin{cases} 0 & x < 0 \\ \text{at\_zero} & x = 0 \\ 1 & x > 0
       \end{cases}, \qquad \mathrm{step}'(x) = 0 \text{ where } x \ne 0

    Torch's is ``torch.heaviside(input, values)``, with a tensor for ``at_zero``. As there, no
    gradient comes back: the result is cut off from its input.

    Args:
        input: Floating-point tensor of any shape.
        at_zero: The answer for exactly 0.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty, or ``at_zero`` is
            no finite number.

    Source: McCulloch and Pitts (1943), "A logical calculus of the ideas immanent in nervous
    activity".

    >>> step(torch.tensor([-2.0, 0.0, 3.0]))
    tensor([0., 1., 1.])
    """
    expect_float("input", input)
    _expect_number("at_zero", at_zero)
    return (input > 0).to(input) + at_zero * (input == 0).to(input)


def identity(input: Tensor) -> Tensor:
    r"""Return the input: the activation of a linear layer's output, torch's ``nn.Identity``.

    .. math:: f(x) = x, \qquad f'(x) = 1

    Args:
        input: Floating-point tensor of any shape.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty.

    >>> identity(torch.tensor([-2.0, 0.0, 3.0]))
    tensor([-2.,  0.,  3.])
    """
    return expect_float("input", input)


def relu(input: Tensor) -> Tensor:
    r"""Cut everything below zero.

    .. math:: \mathrm{relu}(x) = \max(0, x), \qquad
       \mathrm{relu}'(x) = 1 \text{ where } x > 0, \text{ else } 0

    Args:
        input: Floating-point tensor of any shape.

    Returns:
        The same shape. The gradient at exactly 0 is 0, as in torch.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty.

    Source: Nair and Hinton (2010), "Rectified linear units improve restricted
    Boltzmann machines".

    >>> relu(torch.tensor([-2.0, 0.0, 3.0]))
    tensor([0., 0., 3.])
    """
    expect_float("input", input)
    return torch.where(input <= 0, 0.0, input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    r"""Keep what is positive, and a small share of what is not.

    .. math:: f(x) = \begin{cases} x & x > 0 \\ s\,x & x \le 0 \end{cases}, \qquad
       f'(x) = \begin{cases} 1 & x > 0 \\ s & x \le 0 \end{cases}

    Args:
        input: Floating-point tensor of any shape.
        negative_slope: s, the slope below 0.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty, or
            ``negative_slope`` is no finite number.

    Source: Maas, Hannun and Ng (2013), "Rectifier nonlinearities improve neural network
    acoustic models".

    >>> leaky_relu(torch.tensor([-2.0, 0.0, 3.0]))
    tensor([-0.0200,  0.0000,  3.0000])
    """
    expect_float("input", input)
    _expect_number("negative_slope", negative_slope)
    return torch.where(input > 0, input, negative_slope * input)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    r"""Return :func:`leaky_relu` with slopes that are learned, one for all or one a channel.

    .. math:: f(x) = \begin{cases} x & x > 0 \\ w_c\,x & x \le 0 \end{cases}, \qquad
       \frac{\partial f}{\partial w_c} = \min(x, 0)

    Args:
        input: Floating-point tensor, shape (N, C, …), or any shape with a single weight.
        weight: Slopes w below 0, shape (C,); or (1,) or () for one slope.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty, or ``weight`` is of
            another type, or has neither one element nor one for each channel.

    Source: He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers: surpassing human-level
    performance on ImageNet classification".

    >>> prelu(torch.tensor([[-2.0, -2.0, 3.0]]), torch.tensor([0.1, 0.5, 0.5]))
    tensor([[-0.2000, -1.0000,  3.0000]])
    """
    expect_float("input", input)
    expect_float("weight", weight)
    expect(weight.dtype == input.dtype, f"weight of type {input.dtype}", weight)
    channels = input.shape[1] if input.ndim > 1 else 1
    fits = weight.ndim <= 1 and weight.numel() in (1, channels)
    expect(fits, f"weight of shape (1,) or ({channels},)", weight)
    if weight.numel() > 1:
        weight = weight.reshape(-1, *(1,) * (input.ndim - 2))    # (C, 1, …)
    # only what is below 0 is multiplied: inf times no gradient would be nan
    return torch.where(input > 0, input, weight * torch.where(input > 0, 0.0, input))


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    r"""Keep what is positive, and let the rest run out smoothly at :math:`-\alpha`.

    .. math:: f(x) = \begin{cases} x & x > 0 \\ \alpha\,(e^x - 1) & x \le 0 \end{cases}, \qquad
       f'(x) = \begin{cases} 1 & x > 0 \\ \alpha\,e^x & x \le 0 \end{cases}

    Args:
        input: Floating-point tensor of any shape.
        alpha: α, above 0: how far down it goes. Only with 1 has it no kink at 0.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty, or ``alpha`` is not
            above 0.

    Source: Clevert, Unterthiner and Hochreiter (2016), "Fast and accurate deep network learning
    by exponential linear units (ELUs)".

    >>> elu(torch.tensor([-1000.0, -1.0, 0.0, 1000.0]))
    tensor([-1.0000e+00, -6.3212e-01,  0.0000e+00,  1.0000e+03])
    """
    expect_float("input", input)
    _expect_number("alpha", alpha, above=0)
    # e^x − 1 of min(x, 0): where the other branch is taken it must not overflow,
    # for its gradient, inf times 0, would be nan
    return torch.where(input > 0, input, alpha * input.clamp(max=0).expm1())


def selu(input: Tensor) -> Tensor:
    r"""Return :func:`elu` with the α and the scale that keep mean 0 and variance 1.

    .. math:: f(x) = \lambda \begin{cases} x & x > 0 \\ \alpha\,(e^x - 1) & x \le 0 \end{cases},
       \qquad \alpha \approx 1.6733, \quad \lambda \approx 1.0507

    If x is normal with mean 0 and variance 1, f(x) has mean 0 and variance 1, too.

    Args:
        input: Floating-point tensor of any shape.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty.

    Source: Klambauer, Unterthiner, Mayr and Hochreiter (2017), "Self-normalizing neural
    networks".

    >>> selu(torch.tensor([-1000.0, 0.0, 1.0]))
    tensor([-1.7581,  0.0000,  1.0507])
    """
    return SELU_SCALE * elu(input, SELU_ALPHA)


def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    r"""Return the ELU whose slope at 0 is 1 for every α.

    .. math:: f(x) = \begin{cases} x & x > 0 \\ \alpha\,(e^{x / \alpha} - 1) & x \le 0 \end{cases},
       \qquad f'(x) = \begin{cases} 1 & x > 0 \\ e^{x / \alpha} & x \le 0 \end{cases}

    Args:
        input: Floating-point tensor of any shape.
        alpha: α, above 0: how far down it goes.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty, or ``alpha`` is not
            above 0.

    Source: Barron (2017), "Continuously differentiable exponential linear units".

    >>> celu(torch.tensor([-1000.0, 0.0, 3.0]), alpha=2.0)
    tensor([-2.,  0.,  3.])
    """
    expect_float("input", input)
    _expect_number("alpha", alpha, above=0)
    return torch.where(input > 0, input, alpha * (input.clamp(max=0) / alpha).expm1())


def sigmoid(input: Tensor) -> Tensor:
    r"""Squeeze a number into (0, 1): the probability whose log-odds it is.

    .. math:: \sigma(x) = \frac{1}{1 + e^{-x}} = \frac{e^{\min(x, 0)}}{1 + e^{-|x|}}, \qquad
       \sigma'(x) = \sigma(x)\,(1 - \sigma(x))

    In the second form no exponential is of a positive number, so that none can overflow.

    Args:
        input: Floating-point tensor of any shape: log-odds.

    Returns:
        The same shape: probabilities.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty.

    >>> sigmoid(torch.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    expect_float("input", input)
    # e^min(x, 0) / (1 + e^−|x|)
    return torch.minimum(input, input.new_zeros(())).exp() / (1 + (-input.abs()).exp())


def logsigmoid(input: Tensor) -> Tensor:
    r"""Return the logarithm of :func:`sigmoid`, without rounding small probabilities to 0.

    .. math:: \log \sigma(x) = -\log\left( 1 + e^{-x} \right)
       = \min(x, 0) - \log\left( 1 + e^{-|x|} \right), \qquad
       \frac{d}{dx} \log \sigma(x) = \sigma(-x)

    Args:
        input: Floating-point tensor of any shape: log-odds.

    Returns:
        The same shape: log-probabilities, at most 0.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty.

    >>> logsigmoid(torch.tensor([-1000.0, 0.0, 1000.0]))
    tensor([-1.0000e+03, -6.9315e-01,  0.0000e+00])
    """
    expect_float("input", input)
    return torch.minimum(input, input.new_zeros(())) - (-input.abs()).exp().log1p()


def tanh(input: Tensor) -> Tensor:
    r"""Squeeze a number into (−1, 1): a sigmoid that is stretched and centred.

    .. math:: \tanh(x) = \frac{e^x - e^{-x}}{e^x + e^{-x}} = 2\sigma(2x) - 1
       = \mathrm{sign}(x)\,\frac{-t}{2 + t}, \quad t = e^{-2|x|} - 1, \qquad
       \tanh'(x) = 1 - \tanh^2(x)

    The first form overflows, the second rounds small x to 0; the third, with torch's ``expm1`` for
    t, does neither.

    Args:
        input: Floating-point tensor of any shape.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty.

    >>> tanh(torch.tensor([-1000.0, 0.0, 1e-8, 1000.0]))
    tensor([-1.0000e+00,  0.0000e+00,  1.0000e-08,  1.0000e+00])
    """
    expect_float("input", input)
    # not abs and sign: their derivatives at 0 are 0, tanh's is 1
    sign = torch.where(input < 0, -1.0, 1.0).to(input)
    t = (-2 * sign * input).expm1()                              # e^(−2|x|) − 1
    return -sign * t / (2 + t)


def softsign(input: Tensor) -> Tensor:
    r"""Squeeze a number into (−1, 1), with tails that run out far more slowly than tanh's.

    .. math:: f(x) = \frac{x}{1 + |x|}, \qquad f'(x) = \frac{1}{(1 + |x|)^2}

    Args:
        input: Floating-point tensor of any shape.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty.

    Source: Turian, Bergstra and Bengio (2009), "Quadratic features and deep architectures for
    chunking".

    >>> softsign(torch.tensor([-3.0, 0.0, 1.0]))
    tensor([-0.7500,  0.0000,  0.5000])
    """
    return input / (1 + expect_float("input", input).abs())


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    r"""Cut everything outside an interval: tanh in three straight pieces.

    .. math:: f(x) = \min(\max(x, a), b), \qquad f'(x) = 1 \text{ where } a < x < b, \text{ else } 0

    Args:
        input: Floating-point tensor of any shape.
        min_val: a.
        max_val: b, at least a.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty, or the bounds are no
            numbers, or in the wrong order.

    >>> hardtanh(torch.tensor([-2.0, 0.5, 3.0]))
    tensor([-1.0000,  0.5000,  1.0000])
    """
    expect_float("input", input)
    _expect_number("min_val", min_val)
    _expect_number("max_val", max_val)
    expect(min_val <= max_val, f"max_val of at least min_val, {min_val:g}", max_val)
    return torch.where(input <= min_val, min_val, torch.where(input >= max_val, max_val, input))


def relu6(input: Tensor) -> Tensor:
    r"""Cut everything below 0 and above 6, for arithmetic with few bits.

    .. math:: f(x) = \min(\max(x, 0), 6), \qquad f'(x) = 1 \text{ where } 0 < x < 6, \text{ else } 0

    Args:
        input: Floating-point tensor of any shape.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty.

    Source: Krizhevsky (2010), "Convolutional deep belief networks on CIFAR-10".

    >>> relu6(torch.tensor([-2.0, 3.0, 8.0]))
    tensor([0., 3., 6.])
    """
    return hardtanh(input, 0.0, 6.0)


def hardsigmoid(input: Tensor) -> Tensor:
    r"""Approximate the sigmoid by three straight pieces.

    .. math:: f(x) = \min\left( \max\left( \tfrac{x}{6} + \tfrac12, 0 \right), 1 \right), \qquad
       f'(x) = \tfrac16 \text{ where } |x| < 3, \text{ else } 0

    Args:
        input: Floating-point tensor of any shape.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty.

    Source: Howard et al. (2019), "Searching for MobileNetV3", for this slope; others have 1/5 or 1/2.

    >>> hardsigmoid(torch.tensor([-4.0, 0.0, 1.5]))
    tensor([0.0000, 0.5000, 0.7500])
    """
    expect_float("input", input)
    return torch.where(input <= -3, 0.0, torch.where(input >= 3, 1.0, input / 6 + 0.5))


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    r"""Round the corner of :func:`relu`: its derivative is the sigmoid.

    .. math:: f(x) = \frac1\beta \log\left( 1 + e^{\beta x} \right), \qquad f'(x) = \sigma(\beta x)

    Computed as :math:`\max(\beta x, 0) + \log(1 + e^{-|\beta x|})` over β, where no exponential is
    of a positive number.

    Args:
        input: Floating-point tensor of any shape.
        beta: β, above 0: the larger, the sharper the corner.
        threshold: Where βx is above it, the result is x, as in torch. In float64 the default gives
            away some digits: the difference is 2e-9 there.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty, ``beta`` is not above
            0, or ``threshold`` no finite number.

    Source: Dugas, Bengio, Bélisle, Nadeau and Garcia (2001), "Incorporating second-order functional
    knowledge for better option pricing".

    >>> softplus(torch.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0.0000e+00, 6.9315e-01, 1.0000e+03])
    """
    expect_float("input", input)
    _expect_number("beta", beta, above=0)
    _expect_number("threshold", threshold)
    z = beta * input
    # max(z, 0) + log(1 + e^−|z|); at 0 maximum has the slope 1/2, as it must be
    y = torch.maximum(z, z.new_zeros(())) + (-z.abs()).exp().log1p()
    return torch.where(z > threshold, input, y / beta)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    r"""Weigh a number by the probability that a standard normal one is below it.

    .. math:: f(x) = x\,\Phi(x), \qquad f'(x) = \Phi(x) + x\,\varphi(x)

    Φ and φ are the standard normal distribution function and its density. ``"tanh"`` replaces Φ by

    .. math:: \tfrac12 \left( 1 + \tanh u \right) = \sigma(2u), \qquad
       u = \sqrt{2 / \pi}\,\left( x + 0.044715\,x^3 \right)

    Args:
        input: Floating-point tensor of any shape.
        approximate: ``"none"`` or ``"tanh"``.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty, or ``approximate``
            is unknown.

    Source: Hendrycks and Gimpel (2016), "Gaussian error linear units (GELUs)".

    >>> gelu(torch.tensor([-1000.0, -1.0, 0.0, 1.0]))
    tensor([-0.0000, -0.1587,  0.0000,  0.8413])
    """
    expect_float("input", input)
    expect(approximate in ("none", "tanh"), 'approximate "none" or "tanh"', approximate)
    if approximate == "none":
        # Φ(x) = erfc(−x/√2) / 2, which does not round to 0 far to the left
        return input * (torch.erfc(-math.sqrt(0.5) * input) / 2)
    x = input.clamp(-30, 30)                                     # x³ fits half precision
    return input * sigmoid(math.sqrt(8 / math.pi) * (x + 0.044715 * x ** 3))


def gelu_sigmoid(input: Tensor) -> Tensor:
    r"""Approximate GELU by one sigmoid: its paper's second, coarser way.

    .. math:: f(x) = x\,\sigma(1.702\,x), \qquad
       f'(x) = \sigma(1.702\,x) + 1.702\,x\,\sigma'(1.702\,x)

    Torch has no name for it; elsewhere it is called QuickGELU.

    Args:
        input: Floating-point tensor of any shape.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty.

    Source: Hendrycks and Gimpel (2016), "Gaussian error linear units (GELUs)".

    >>> gelu_sigmoid(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.1542,  0.0000,  0.8458])
    """
    return input * sigmoid(1.702 * expect_float("input", input))


def silu(input: Tensor) -> Tensor:
    r"""Let a number be its own gate; also called swish.

    .. math:: f(x) = x\,\sigma(x), \qquad f'(x) = \sigma(x) + x\,\sigma(x)\,(1 - \sigma(x))

    Args:
        input: Floating-point tensor of any shape.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty.

    Source: Elfwing, Uchibe and Doya (2018), "Sigmoid-weighted linear units for neural network
    function approximation in reinforcement learning"; named in Hendrycks and Gimpel (2016); found
    again by Ramachandran, Zoph and Le (2017), "Searching for activation functions" (swish).

    >>> silu(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.2689,  0.0000,  0.7311])
    """
    return input * sigmoid(input)


def mish(input: Tensor) -> Tensor:
    r"""Let a number be its own gate, by tanh and softplus.

    .. math:: f(x) = x \tanh s, \qquad f'(x) = \tanh s + x\,\sigma(x)\,(1 - \tanh^2 s), \qquad
       s = \log(1 + e^x)

    Args:
        input: Floating-point tensor of any shape.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty.

    Source: Misra (2019), "Mish: a self regularized non-monotonic activation function".

    >>> mish(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.3034,  0.0000,  0.8651])
    """
    expect_float("input", input)
    # from 30 on the gate is 1, and half precision could not hold what comes back from it
    return input * tanh(softplus(input.clamp(max=30)))


def hardswish(input: Tensor) -> Tensor:
    r"""Approximate :func:`silu` without an exponential.

    .. math:: f(x) = x\,\mathrm{hardsigmoid}(x), \qquad
       f'(x) = \begin{cases} 0 & x \le -3 \\ \tfrac{x}{3} + \tfrac12 & |x| < 3 \\ 1 & x \ge 3 \end{cases}

    Args:
        input: Floating-point tensor of any shape.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty.

    Source: Howard et al. (2019), "Searching for MobileNetV3".

    >>> hardswish(torch.tensor([-4.0, -1.5, 0.0, 4.0]))
    tensor([ 0.0000, -0.3750,  0.0000,  4.0000])
    """
    expect_float("input", input)
    x = input.clamp(-3, 3)                                       # its square is finite
    return torch.where(input <= -3, 0.0, torch.where(input >= 3, input, x * (x + 3) / 6))


def log_softmax(input: Tensor, dim: int) -> Tensor:
    r"""Return the logarithm of :func:`softmax`, without rounding small probabilities to 0.

    .. math:: \log\mathrm{softmax}(x)_i = (x_i - m) - \log \sum_j e^{x_j - m},
       \qquad m = \max_j x_j

    Subtracting m changes nothing in exact arithmetic; in floating point it keeps
    every exponential at or below 1.

    Args:
        input: Floating-point tensor of any shape: scores (logits).
        dim: The dimension over which the probabilities sum to 1.

    Returns:
        The same shape: log-probabilities, at most 0.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, is empty, or has
            no dimension ``dim``.

    >>> log_softmax(torch.tensor([1000.0, 0.0]), dim=0)
    tensor([    0., -1000.])
    """
    expect_float("input", input)
    _expect_dim(input, dim)
    # x − m, with m a constant: the result does not depend on it, nor does the gradient
    shifted = input - input.detach().amax(dim, keepdim=True)
    # (x_i − m) − log Σ_j e^(x_j − m)
    return shifted - shifted.exp().sum(dim, keepdim=True).log()


def softmax(input: Tensor, dim: int) -> Tensor:
    r"""Turn scores into probabilities that sum to 1.

    .. math:: \mathrm{softmax}(x)_i = \frac{e^{x_i - m}}{\sum_j e^{x_j - m}},
       \qquad m = \max_j x_j

    Args:
        input: Floating-point tensor of any shape: scores (logits).
        dim: The dimension over which the probabilities sum to 1.

    Returns:
        The same shape: probabilities.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, is empty, or has
            no dimension ``dim``.

    >>> softmax(torch.tensor([[0.0, 0.0], [1000.0, 0.0]]), dim=1)
    tensor([[0.5000, 0.5000],
            [1.0000, 0.0000]])
    """
    expect_float("input", input)
    _expect_dim(input, dim)
    e = (input - input.detach().amax(dim, keepdim=True)).exp()   # e^(x_i − m), in [0, 1]
    return e / e.sum(dim, keepdim=True)


def softmin(input: Tensor, dim: int) -> Tensor:
    r"""Turn costs into probabilities that sum to 1: the softmax of the negative.

    .. math:: \mathrm{softmin}(x) = \mathrm{softmax}(-x)

    Args:
        input: Floating-point tensor of any shape: costs, distances.
        dim: The dimension over which the probabilities sum to 1.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, is empty, or has
            no dimension ``dim``.

    >>> softmin(torch.tensor([0.0, 0.0, 1000.0]), dim=0)
    tensor([0.5000, 0.5000, 0.0000])
    """
    return softmax(-expect_float("input", input), dim)


def _halves(input: Tensor, dim: int) -> tuple[Tensor, ...]:
    expect_float("input", input)
    _expect_dim(input, dim)
    even = input.ndim > 0 and input.shape[dim] % 2 == 0
    expect(even, f"input of an even size along dimension {dim}", input)
    return input.chunk(2, dim)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    r"""Let one half of the numbers be the gates of the other: the gated linear unit.

    .. math:: \mathrm{glu}(a, b) = a \odot \sigma(b)

    Args:
        input: Floating-point tensor: values a and gates b one after the other along ``dim``.
        dim: The dimension to halve, of even size.

    Returns:
        Half of the size along ``dim``.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, is empty, has no dimension
            ``dim``, or an odd size there.

    Source: Dauphin, Fan, Auli and Grangier (2017), "Language modeling with gated convolutional
    networks".

    >>> glu(torch.tensor([3.0, 3.0, -1000.0, 0.0]))
    tensor([0.0000, 1.5000])
    """
    value, gate = _halves(input, dim)
    return value * sigmoid(gate)


def swiglu(input: Tensor, dim: int = -1) -> Tensor:
    r"""Return :func:`glu` with :func:`silu` in place of the sigmoid.

    .. math:: \mathrm{swiglu}(a, b) = a \odot \mathrm{silu}(b)

    Torch has no such function. Values come first and gates second, as in ``glu``; some libraries
    have them in the other order.

    Args:
        input: Floating-point tensor: values a and gates b one after the other along ``dim``.
        dim: The dimension to halve, of even size.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, is empty, has no dimension
            ``dim``, or an odd size there.

    Source: Shazeer (2020), "GLU variants improve Transformer".

    >>> swiglu(torch.tensor([3.0, 3.0, -1000.0, 1.0]))
    tensor([-0.0000, 2.1932])
    """
    value, gate = _halves(input, dim)
    return value * silu(gate)


def geglu(input: Tensor, dim: int = -1) -> Tensor:
    r"""Return :func:`glu` with :func:`gelu` in place of the sigmoid.

    .. math:: \mathrm{geglu}(a, b) = a \odot \mathrm{gelu}(b)

    Torch has no such function. Values come first and gates second, as in ``glu``.

    Args:
        input: Floating-point tensor: values a and gates b one after the other along ``dim``.
        dim: The dimension to halve, of even size.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, is empty, has no dimension
            ``dim``, or an odd size there.

    Source: Shazeer (2020), "GLU variants improve Transformer".

    >>> geglu(torch.tensor([3.0, 3.0, -1000.0, 1.0]))
    tensor([-0.0000, 2.5240])
    """
    value, gate = _halves(input, dim)
    return value * gelu(gate)


def maxout(input: Tensor, pieces: int = 2, dim: int = -1) -> Tensor:
    r"""Take the largest of every k numbers: with k linear maps before it, any convex function.

    .. math:: f(x)_i = \max_{j = 0 \dots k - 1} x_{ik + j}

    Torch has no such function. Where several are largest, they share the gradient.

    Args:
        input: Floating-point tensor; the k numbers of a unit stand next to each other.
        pieces: k, a divisor of the size along ``dim``.
        dim: The dimension to divide.

    Returns:
        A k-th of the size along ``dim``.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, is empty, has no dimension
            ``dim``, or a size there that ``pieces`` does not divide.

    Source: Goodfellow, Warde-Farley, Mirza, Courville and Bengio (2013), "Maxout networks".

    >>> maxout(torch.tensor([1.0, -2.0, 3.0, 5.0]), pieces=2)
    tensor([1., 5.])
    """
    expect_float("input", input)
    _expect_dim(input, dim)
    expect_count("pieces", pieces)
    divides = input.ndim > 0 and input.shape[dim] % pieces == 0
    expect(divides, f"input of a size divisible by {pieces} along dimension {dim}", input)
    dim %= input.ndim
    return input.unflatten(dim, (-1, pieces)).amax(dim + 1)
