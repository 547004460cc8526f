"""Loss functions: one number that says how wrong a prediction is.

Torch's names, argument order, defaults and reductions. ``reduction`` says what
becomes of the losses of the samples: ``"none"`` leaves them, ``"sum"`` adds them,
``"mean"`` averages them. What torch lacks, or defines otherwise, has a name that torch
does not have, and says so.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dlcheat.activations import log_softmax
from dlcheat.validation import expect, expect_float, expect_same_shape


def _expect_reduction(reduction: str) -> None:
    expect(reduction in ("none", "mean", "sum"), 'reduction "none", "mean" or "sum"', reduction)


def _expect_probabilities(name: str, value: Tensor) -> None:
    low, high = value.detach().aminmax()
    if not (low >= 0 and high <= 1):                             # also refuses NaN
        found = f"values from {low.item():.4g} to {high.item():.4g}"
        raise ValueError(f"expected {name} to be probabilities in [0, 1], received {found}")


def _expect_log_probabilities(name: str, value: Tensor) -> None:
    high = value.detach().amax()
    if not high <= 1e-3:                                         # also refuses NaN
        found = f"values up to {high.item():.4g}"
        raise ValueError(f"expected {name} to be log-probabilities, at most 0, received {found}")


def _expect_labels(target: Tensor, classes: int, ignore_index: int = 0) -> None:
    outside = ((target < 0) | (target >= classes)) & (target != ignore_index)
    if outside.any():
        found = target[outside][0].item()
        raise ValueError(f"expected labels in 0 … {classes - 1}, received the label {found}")


def _expect_pair(input: Tensor, target: Tensor, reduction: str) -> None:
    """Refuse all but two floating-point tensors of one shape and a known reduction."""
    expect_float("input", input)
    expect_float("target", target)
    expect_same_shape("input", input, "target", target)
    _expect_reduction(reduction)


def _expect_signs(target: Tensor, shape: torch.Size) -> None:
    fits = isinstance(target, Tensor) and target.shape == shape
    expect(fits, f"target to be a tensor of shape {tuple(shape)}", target)
    good = (target == 1) | (target == -1)                        # also finds NaN
    if not good.all():
        raise ValueError(f"expected labels -1 or +1, received the label {target[~good][0].item()}")


def _expect_zeros_and_ones(target: Tensor, shape: torch.Size) -> None:
    fits = isinstance(target, Tensor) and target.shape == shape
    expect(fits, f"target to be a tensor of shape {tuple(shape)}", target)
    good = (target == 0) | (target == 1)                         # also finds NaN
    if not good.all():
        raise ValueError(f"expected labels 0 or 1, received the label {target[~good][0].item()}")


def _expect_number(name: str, value: float, least: float, open_end: bool = False) -> None:
    """Refuse what is no number, or below ``least`` (or at it, if the end is open)."""
    number = isinstance(value, int | float) and (value > least if open_end else value >= least)
    expect(number, f"{name} {'above' if open_end else 'of at least'} {least:g}", value)


def _expect_embeddings(**embeddings: Tensor) -> None:
    """Refuse all but floating-point tensors of one shape, (N, D) or (D,)."""
    (first, value), *others = embeddings.items()
    expect_float(first, value)
    expect(value.ndim in (1, 2), f"{first} of shape (N, D) or (D,)", value)
    for name, other in others:
        expect_float(name, other)
        expect_same_shape(first, value, name, other)


def _expect_weight(name: str, weight: Tensor, input: Tensor) -> None:
    """Refuse a weight that would make the result larger than the input."""
    expect_float(name, weight)
    fits = weight.ndim <= input.ndim and all(
        a in (1, b) for a, b in zip(weight.shape[::-1], input.shape[::-1], strict=False))
    expect(fits, f"{name} of a shape that repeats to the input's, {tuple(input.shape)}", weight)


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    return {"none": lambda: loss, "mean": loss.mean, "sum": loss.sum}[reduction]()


def nll_loss(input: Tensor, target: Tensor, weight: Tensor | None = None,
             ignore_index: int = -100, reduction: str = "mean") -> Tensor:
    r"""Return the negative log-likelihood of the true classes.

    .. math:: \ell_n = -w_{y_n} \log p_{n, y_n}, \qquad
       \text{mean: } \frac{\sum_n \ell_n}{\sum_n w_{y_n}}

    Args:
        input: Log-probabilities, shape (N, C), (N, C, d1, …) or (C,).
        target: Class numbers in 0 … C − 1, int64, shape (N,), (N, d1, …) or ().
        weight: Weight of each class, shape (C,); None is 1 each.
        ignore_index: Targets with this number count for nothing.
        reduction: ``"none"``, ``"mean"`` (weighted, as in the formula) or ``"sum"``.

    Returns:
        A scalar, or the target's shape with ``"none"``.

    Raises:
        ValueError: If shapes or types do not match, a label is out of range, the
            reduction is unknown, or the mean is over no target at all.

    >>> log_p = torch.tensor([[0.25, 0.75], [0.5, 0.5]]).log()
    >>> nll_loss(log_p, torch.tensor([1, 0]), reduction="none")
    tensor([0.2877, 0.6931])
    """
    expect_float("input", input)
    _expect_reduction(reduction)
    return _label_loss(input, target, weight, ignore_index, reduction)


def _class_dim(scores: Tensor) -> int:
    """Return where the classes are in (C,), (N, C) or (N, C, d1, …)."""
    expect(scores.ndim > 0, "input of shape (N, C), (N, C, d1, …) or (C,)", scores)
    return min(scores.ndim - 1, 1)


def _label_loss(log_p: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int,
                reduction: str, smoothing: float = 0.0) -> Tensor:
    """Return the loss of class numbers under log-probabilities (N, C, …)."""
    dim = _class_dim(log_p)
    shape, classes = log_p.shape[:dim] + log_p.shape[dim + 1:], log_p.shape[dim]
    fits = isinstance(target, Tensor) and target.dtype == torch.long and target.shape == shape
    expect(fits, f"target to be an int64 tensor of shape {tuple(shape)}", target)
    _expect_labels(target, classes, ignore_index)
    weight = _class_weight(weight, log_p, classes)               # (C,)

    kept = target != ignore_index                                # (N, …)
    label = target.where(kept, 0)                            # (N, …), 0 where ignored
    w = weight[label].where(kept, 0)                             # (N, …)
    # −w log p of the true class: one number picked from each row of C
    loss = -w * log_p.gather(dim, label.unsqueeze(dim)).squeeze(dim)    # (N, …)
    if smoothing:                                            # ε/C of every class
        even = _minus_sum(log_p, weight, dim) / classes          # (N, …)
        loss = (1 - smoothing) * loss + smoothing * even
    loss = loss.where(kept, 0)
    if reduction != "mean":
        return _reduce(loss, reduction)
    total = w.sum()
    expect(bool(total > 0), "targets with a total weight above 0, not all of them ignored", target)
    return loss.sum() / total                                    # Σ ℓ_n / Σ w_{y_n}


def _class_weight(weight: Tensor | None, input: Tensor, classes: int) -> Tensor:
    if weight is None:
        return input.new_ones(classes)
    expect_float("weight", weight)
    expect(weight.shape == (classes,), f"weight of shape ({classes},), one a class", weight)
    return weight


def _minus_sum(terms: Tensor, weight: Tensor, dim: int) -> Tensor:
    """Return −Σ_c w_c terms_c over the classes of (N, C, …)."""
    return -(terms.movedim(dim, -1) * weight).sum(-1)


def cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None,
                  ignore_index: int = -100, reduction: str = "mean",
                  label_smoothing: float = 0.0) -> Tensor:
    r"""Return the cross-entropy between scores and true classes, or true probabilities.

    .. math:: \ell_n = -\sum_{c=1}^{C} w_c\, q_{nc} \log \mathrm{softmax}(x_n)_c, \qquad
       q_{nc} = (1 - \varepsilon)\, t_{nc} + \varepsilon / C

    t is the target as probabilities (one-hot for a class number), ε the label
    smoothing. With ε = 0 and class numbers this is
    :math:`-w_{y_n} \log \mathrm{softmax}(x_n)_{y_n}`.

    Args:
        input: Scores (logits, not probabilities), shape (N, C), (N, C, d1, …) or (C,).
        target: Class numbers, int64, shape (N,), (N, d1, …) or (); or probabilities,
            of the shape of ``input``.
        weight: Weight of each class, shape (C,); None is 1 each.
        ignore_index: Class numbers equal to it count for nothing.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``. The mean over class numbers
            divides by :math:`\sum_n w_{y_n}`, over probabilities by the number of rows.
        label_smoothing: ε in [0, 1].

    Returns:
        A scalar in nats, or one number a row with ``"none"``.

    Raises:
        ValueError: If shapes or types do not match, a label or a probability is out
            of range, the reduction is unknown, or the mean is over no target at all.

    Source: label smoothing is of Szegedy et al. (2016), "Rethinking the Inception
    architecture for computer vision".

    >>> scores = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    >>> cross_entropy(scores, torch.tensor([0, 1]), reduction="none")
    tensor([0.6931, 0.3133])
    """
    expect_float("input", input)
    _expect_reduction(reduction)
    expect(isinstance(label_smoothing, int | float) and 0 <= label_smoothing <= 1,
           "label_smoothing in [0, 1]", label_smoothing)
    dim = _class_dim(input)
    log_p = log_softmax(input, dim)                              # (N, C, …)
    if not (isinstance(target, Tensor) and target.is_floating_point()):
        return _label_loss(log_p, target, weight, ignore_index, reduction,
                           label_smoothing)

    expect_same_shape("input", input, "target", target)
    _expect_probabilities("target", target)
    expect(ignore_index < 0, "no ignore_index where the target is probabilities",
           ignore_index)
    classes = input.shape[dim]
    q = (1 - label_smoothing) * target + label_smoothing / classes      # (N, C, …)
    weight = _class_weight(weight, input, classes)               # (C,)
    loss = _minus_sum(q * log_p, weight, dim)                    # (N, …)
    return _reduce(loss, reduction)


def _weighted(loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """Reduce losses of the weights Σ w ℓ / Σ w, as torch does for squared and absolute errors."""
    if weight is None:
        return _reduce(loss, reduction)
    expect_float("weight", weight)
    expect_same_shape("input", loss, "weight", weight)
    if reduction != "mean":
        return _reduce(weight * loss, reduction)
    total = weight.sum()
    expect(bool(total > 0), "a total weight above 0", weight)
    return (weight * loss).sum() / total


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean",
             weight: Tensor | None = None) -> Tensor:
    r"""Return the mean squared error.

    .. math:: \ell = \frac{1}{N} \sum_{n=1}^{N} (x_n - y_n)^2, \qquad
       \text{weighted: } \frac{\sum_n w_n (x_n - y_n)^2}{\sum_n w_n}

    N counts every number in the tensor, not only the rows. ``reduction="sum"`` is
    the squared distance :math:`\lVert x - y \rVert^2`.

    Args:
        input: Predictions, any shape.
        target: Truth, the same shape.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        weight: w, of the input's shape; None is 1 each.

    Returns:
        A scalar in the square of the input's unit, or the input's shape with ``"none"``.

    Raises:
        ValueError: If the shapes differ, a tensor is not floating-point or empty, the
            reduction is unknown, or a mean has no weight above 0.

    >>> mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """
    _expect_pair(input, target, reduction)
    return _weighted((input - target) ** 2, weight, reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean",
            weight: Tensor | None = None) -> Tensor:
    r"""Return the mean absolute error.

    .. math:: \ell = \frac{1}{N} \sum_{n=1}^{N} |x_n - y_n|, \qquad
       \text{weighted: } \frac{\sum_n w_n |x_n - y_n|}{\sum_n w_n}

    Args:
        input: Predictions, any shape.
        target: Truth, the same shape.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        weight: w, of the input's shape; None is 1 each.

    Returns:
        A scalar in the input's unit, or the input's shape with ``"none"``. The gradient
        is 0 where prediction and truth are equal, as in torch.

    Raises:
        ValueError: If the shapes differ, a tensor is not floating-point or empty, the
            reduction is unknown, or a mean has no weight above 0.

    >>> l1_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(1.)
    """
    _expect_pair(input, target, reduction)
    return _weighted((input - target).abs(), weight, reduction)


def _huber(input: Tensor, target: Tensor, delta: float) -> Tensor:
    r = input - target
    m = r.clamp(-delta, delta)
    return m * (r - m / 2)                                   # r²/2, or δ (|r| − δ/2)


def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean",
               delta: float = 1.0, weight: Tensor | None = None) -> Tensor:
    r"""Return the Huber loss: squared near the truth, absolute far from it.

    .. math:: \ell(r) = \begin{cases} \tfrac12 r^2 & |r| \le \delta \\
       \delta \left( |r| - \tfrac12 \delta \right) & \text{otherwise} \end{cases}
       \;=\; m \left( r - \tfrac12 m \right), \qquad r = x - y, \; m \text{ is } r
       \text{ cut to } [-\delta, \delta]

    Args:
        input: Predictions, any shape.
        target: Truth, the same shape.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        delta: δ, the size of error from which the loss grows in a straight line.
        weight: A factor for each loss, of the input's shape; None is 1. As in torch, the
            mean divides by the number of losses, not by the weights (``mse_loss`` and
            ``l1_loss`` divide by the weights).

    Returns:
        A scalar, or the input's shape with ``"none"``.

    Raises:
        ValueError: If the shapes differ, a tensor is not floating-point or empty, the
            reduction is unknown, or ``delta`` is not above 0.

    Source: Huber (1964), "Robust estimation of a location parameter".

    >>> huber_loss(torch.tensor([0.5, 3.0]), torch.zeros(2), reduction="none")
    tensor([0.1250, 2.5000])
    """
    _expect_pair(input, target, reduction)
    _expect_number("delta", delta, 0, open_end=True)
    loss = _huber(input, target, delta)
    if weight is not None:
        expect_float("weight", weight)
        expect_same_shape("input", input, "weight", weight)
        loss = loss * weight
    return _reduce(loss, reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean",
                   beta: float = 1.0) -> Tensor:
    r"""Return the Huber loss with δ = β, divided by β: far from the truth its slope is 1.

    .. math:: \ell(r) = \begin{cases} r^2 / (2 \beta) & |r| < \beta \\
       |r| - \tfrac12 \beta & \text{otherwise} \end{cases} \qquad r = x - y

    Args:
        input: Predictions, any shape.
        target: Truth, the same shape.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        beta: β, the size of error from which the loss grows in a straight line; with 0
            this is ``l1_loss``.

    Returns:
        A scalar, or the input's shape with ``"none"``.

    Raises:
        ValueError: If the shapes differ, a tensor is not floating-point or empty, the
            reduction is unknown, or ``beta`` is below 0.

    Source: Girshick (2015), "Fast R-CNN", with β = 1.

    >>> smooth_l1_loss(torch.tensor([0.25, 3.0]), torch.zeros(2), reduction="none", beta=0.5)
    tensor([0.0625, 2.7500])
    """
    _expect_pair(input, target, reduction)
    _expect_number("beta", beta, 0)
    if beta == 0:
        return l1_loss(input, target, reduction)
    return _reduce(_huber(input, target, beta) / beta, reduction)


def _floored_log(p: Tensor) -> Tensor:
    """Return max(log p, −100), with gradient 0 instead of NaN where p is 0."""
    return torch.where(p > 0, p, 1.0).log().where(p > 0, -100.0).clamp(min=-100)


def binary_cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None,
                         reduction: str = "mean") -> Tensor:
    r"""Return the cross-entropy of a yes-or-no variable, from its probability.

    .. math:: \ell = -w \left[ y \log p + (1 - y) \log (1 - p) \right]

    Logarithms are cut at −100, as in torch, so that p = 0 gives a finite loss.

    Args:
        input: Predicted probabilities p in [0, 1], any shape.
        target: True probabilities y in [0, 1], the same shape; labels are 0 or 1.
        weight: Repeated to the shape of ``input``; None is 1.
        reduction: ``"none"``, ``"mean"`` (unweighted count) or ``"sum"``.

    Returns:
        A scalar in nats, or the input's shape with ``"none"``.

    Raises:
        ValueError: If shapes differ, a value is outside [0, 1], or the reduction is
            unknown.

    >>> binary_cross_entropy(torch.tensor([0.5, 0.0]), torch.tensor([1.0, 1.0]), reduction="none")
    tensor([  0.6931, 100.0000])
    """
    expect_float("input", input)
    expect_float("target", target)
    expect_same_shape("input", input, "target", target)
    _expect_probabilities("input", input)
    _expect_probabilities("target", target)
    _expect_reduction(reduction)
    # −[y log p + (1 − y) log(1 − p)]
    loss = -(target * _floored_log(input) + (1 - target) * _floored_log(1 - input))
    if weight is not None:
        _expect_weight("weight", weight, input)
        loss = loss * weight
    return _reduce(loss, reduction)


def binary_cross_entropy_with_logits(input: Tensor, target: Tensor,
                                     weight: Tensor | None = None,
                                     reduction: str = "mean",
                                     pos_weight: Tensor | None = None) -> Tensor:
    r"""Return the cross-entropy of a yes-or-no variable, from its log-odds.

    .. math:: \ell = w \left[ (1 - y)\, x + (1 + (v - 1)\, y) \log (1 + e^{-x}) \right]

    With v = 1 it is ``binary_cross_entropy(sigmoid(x), y)``, but it stays exact where
    the sigmoid rounds to 0 or 1.

    Args:
        input: Log-odds x, any shape.
        target: True probabilities y in [0, 1], the same shape.
        weight: Repeated to the shape of ``input``; None is 1.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        pos_weight: v, the weight of the positive part; repeated to the shape of ``input``.

    Returns:
        A scalar in nats, or the input's shape with ``"none"``.

    Raises:
        ValueError: If shapes differ, a target is outside [0, 1], or the reduction is
            unknown.

    >>> binary_cross_entropy_with_logits(torch.tensor([0.0, 1000.0]), torch.tensor([1.0, 0.0]),
    ...                                  reduction="none")
    tensor([6.9315e-01, 1.0000e+03])
    """
    expect_float("input", input)
    expect_float("target", target)
    expect_same_shape("input", input, "target", target)
    _expect_probabilities("target", target)
    _expect_reduction(reduction)
    minus_log_p = torch.logaddexp(torch.zeros_like(input), -input)      # log(1 + e^−x)
    if pos_weight is not None:
        _expect_weight("pos_weight", pos_weight, input)
        minus_log_p = (1 + (pos_weight - 1) * target) * minus_log_p
    loss = (1 - target) * input + minus_log_p
    if weight is not None:
        _expect_weight("weight", weight, input)
        loss = loss * weight
    return _reduce(loss, reduction)


def gaussian_kl(mu: Tensor, logvar: Tensor, reduction: str = "mean") -> Tensor:
    r"""Return the Kullback–Leibler divergence of a diagonal Gaussian from the standard one.

    .. math:: \mathrm{KL}\!\left(\mathcal{N}(\mu, \mathrm{diag}\,\sigma^2) \,\|\,
       \mathcal{N}(0, I)\right)
       = \tfrac12 \sum_{d=1}^{D} \left( \mu_d^2 + \sigma_d^2 - 1 - \log \sigma_d^2 \right)

    The sum is over the last dimension, the latent one; ``reduction`` is over the rest,
    the batch.

    Args:
        mu: Means, shape (N, D).
        logvar: Logarithms of the variances, shape (N, D).
        reduction: ``"none"`` (shape (N,)), ``"mean"`` or ``"sum"`` over the batch.

    Returns:
        Nats, at least 0; 0 only for mu = 0 and logvar = 0.

    Raises:
        ValueError: If the shapes differ, there is no latent dimension, or the reduction
            is unknown.

    Source: Kingma and Welling (2014), "Auto-encoding variational Bayes", appendix B.

    >>> gaussian_kl(torch.tensor([[0.0, 0.0], [1.0, 2.0]]), torch.zeros(2, 2), reduction="none")
    tensor([0.0000, 2.5000])
    """
    expect_float("mu", mu)
    expect_float("logvar", logvar)
    expect_same_shape("mu", mu, "logvar", logvar)
    expect(mu.ndim > 0, "mu of shape (N, D)", mu)
    _expect_reduction(reduction)
    # ½ Σ_d (μ² + σ² − 1 − log σ²)
    return _reduce((mu ** 2 + logvar.exp() - 1 - logvar).sum(-1) / 2, reduction)


def gaussian_kl_between(mu_q: Tensor, logvar_q: Tensor, mu_p: Tensor, logvar_p: Tensor,
                        reduction: str = "mean") -> Tensor:
    r"""Return the Kullback–Leibler divergence of one diagonal Gaussian from another.

    .. math:: \mathrm{KL}(q \,\|\, p) = \tfrac12 \sum_{d=1}^{D} \left(
       \log \frac{\tau_d^2}{\sigma_d^2} + \frac{\sigma_d^2 + (\mu_d - \nu_d)^2}{\tau_d^2} - 1 \right)

    q is :math:`\mathcal N(\mu, \mathrm{diag}\,\sigma^2)`, p is
    :math:`\mathcal N(\nu, \mathrm{diag}\,\tau^2)`. The sum is over the last dimension;
    ``reduction`` is over the rest, the batch. Torch has it as
    ``torch.distributions.kl_divergence``; :func:`gaussian_kl` is the case ν = 0, τ = 1.

    Args:
        mu_q: Means of q, shape (N, D).
        logvar_q: Logarithms of the variances of q, shape (N, D).
        mu_p: Means of p, shape (N, D).
        logvar_p: Logarithms of the variances of p, shape (N, D).
        reduction: ``"none"`` (shape (N,)), ``"mean"`` or ``"sum"`` over the batch.

    Returns:
        Nats, at least 0; 0 only where both Gaussians are one.

    Raises:
        ValueError: If the shapes differ, there is no last dimension, or the reduction
            is unknown.

    >>> zero, one = torch.zeros(1, 1), torch.ones(1, 1)
    >>> gaussian_kl_between(one, zero, zero, zero)
    tensor(0.5000)
    """
    expect_float("mu_q", mu_q)
    expect(mu_q.ndim > 0, "mu_q of shape (N, D)", mu_q)
    for name, value in (("logvar_q", logvar_q), ("mu_p", mu_p), ("logvar_p", logvar_p)):
        expect_float(name, value)
        expect_same_shape("mu_q", mu_q, name, value)
    _expect_reduction(reduction)
    ratio = logvar_q - logvar_p                                  # log σ²/τ², (N, D)
    far = ((mu_q - mu_p) * (-logvar_p / 2).exp()).square()       # (μ − ν)²/τ², (N, D)
    # expm1(x) = e^x − 1 keeps the digits where both variances are nearly one
    return _reduce((ratio.expm1() - ratio + far).sum(-1) / 2, reduction)


def kl_div(input: Tensor, target: Tensor, reduction: str = "mean",
           log_target: bool = False) -> Tensor:
    r"""Return the terms of KL(target ‖ prediction), from log-probabilities of the prediction.

    .. math:: \ell_{nc} = t_{nc} \left( \log t_{nc} - x_{nc} \right), \qquad 0 \log 0 = 0

    The divergence of a row is the *sum* of its terms: ``"batchmean"`` is the mean
    divergence, ``"mean"`` divides by C once more (torch warns of it).

    Args:
        input: Log-probabilities x of the prediction, any shape, as ``log_softmax`` gives them.
        target: True probabilities t, the same shape; their logarithms with ``log_target``.
        reduction: ``"none"``, ``"sum"``, ``"batchmean"`` (the sum, divided by the length of
            the first dimension) or ``"mean"`` (the sum, divided by the number of terms).
        log_target: Whether ``target`` holds logarithms.

    Returns:
        A scalar in nats, or the input's shape with ``"none"``. A target of 0 costs 0 and
        has gradient 0, whatever the prediction (torch has NaN where the prediction is 0, too).

    Raises:
        ValueError: If the shapes differ, log-probabilities are above 0 (probabilities, where
            their logarithms were expected), probabilities outside [0, 1], or the reduction
            is unknown.

    >>> log_p = torch.tensor([[0.5, 0.5]]).log()
    >>> kl_div(log_p, torch.tensor([[1.0, 0.0]]), reduction="batchmean")
    tensor(0.6931)
    """
    _expect_pair(input, target, "mean" if reduction == "batchmean" else reduction)
    _expect_log_probabilities("input", input)
    if log_target:
        _expect_log_probabilities("target", target)
        t = target.exp()
        some = t > 0
        log_t = target.where(some, 0)
    else:
        _expect_probabilities("target", target)
        t, some = target, target > 0
        log_t = t.where(some, 1).log()
    # t (log t − x), and nothing where t is 0
    loss = t * (log_t - input.where(some, 0))
    if reduction == "batchmean":
        return loss.sum() / (len(input) if input.ndim else 1)
    return _reduce(loss, reduction)


def kl_divergence(p: Tensor, q: Tensor, reduction: str = "mean") -> Tensor:
    r"""Return the Kullback–Leibler divergence of q from p, from probabilities.

    .. math:: D_\mathrm{KL}(p \,\|\, q) = \sum_{c=1}^{C} p_c \log \frac{p_c}{q_c}, \qquad
       0 \log 0 = 0, \qquad q_c = 0 < p_c \text{ gives } \infty

    The cheat sheet's definition. Torch's :func:`kl_div` has its arguments the other way
    round, and the logarithm of q: ``kl_div(q.log(), p, reduction="batchmean")``.

    Args:
        p: Probabilities that sum to 1 over the last dimension, shape (N, C) or (C,): the
            distribution over which the mean is taken.
        q: Probabilities, the same shape.
        reduction: ``"none"`` (shape (N,) or ()), ``"mean"`` or ``"sum"`` over the rows.

    Returns:
        Nats, from 0 to infinity. Where p is 0 there is nothing to pay, and no gradient.

    Raises:
        ValueError: If the shapes differ, a value is outside [0, 1], a row does not sum to
            1, or the reduction is unknown.

    Source: Kullback and Leibler (1951), "On information and sufficiency".

    >>> p, q = torch.tensor([0.5, 0.5]), torch.tensor([0.9, 0.1])
    >>> print(f"{kl_divergence(p, q):.3f} is not {kl_divergence(q, p):.3f}")
    0.511 is not 0.368
    """
    for name, value in (("p", p), ("q", q)):
        expect_float(name, value)
        expect(value.ndim > 0, f"{name} of shape (N, C) or (C,)", value)
    expect_same_shape("p", p, "q", q)
    _expect_reduction(reduction)
    for name, value in (("p", p), ("q", q)):
        _expect_probabilities(name, value)
        off = (value.detach().sum(-1) - 1).abs().max().item()
        if off > 10 * torch.finfo(value.dtype).eps ** 0.5:
            raise ValueError(f"expected rows of {name} that sum to 1, received one that is "
                             f"off by {off:.4g}")
    some = p > 0
    # p (log p − log q), and nothing where p is 0
    terms = p * (p.where(some, 1).log() - q.where(some, 1).log())       # (N, C)
    return _reduce(terms.sum(-1), reduction)


def _distance(a: Tensor, b: Tensor, p: float = 2.0, eps: float = 0.0) -> Tensor:
    """Return ‖a − b + ε‖ₚ over the last dimension."""
    return torch.linalg.vector_norm(a - b + eps, p, dim=-1)


def triplet_margin_loss(anchor: Tensor, positive: Tensor, negative: Tensor,
                        margin: float = 1.0, p: float = 2.0, eps: float = 1e-6,
                        swap: bool = False, reduction: str = "mean") -> Tensor:
    r"""Return the triplet loss of distances: the negative shall be farther than the positive.

    .. math:: \ell = \max\left( d(a, p) - d(a, n) + m,\; 0 \right), \qquad
       d(a, b) = \lVert a - b + \epsilon \rVert_p

    Torch's. The cheat sheet's, of squared distances, is :func:`squared_triplet_loss`.

    Args:
        anchor: Embeddings a, shape (N, D) or (D,).
        positive: Embeddings of the same kind, the same shape.
        negative: Embeddings of another kind, the same shape.
        margin: m, by how much farther.
        p: Which norm; ``math.inf`` takes the largest difference.
        eps: Added to each difference, so that the distance has a gradient at 0.
        swap: Whether to measure the negative from the positive where that is nearer.
        reduction: ``"none"`` (shape (N,)), ``"mean"`` or ``"sum"`` over the triplets.

    Raises:
        ValueError: If the shapes differ, ``margin`` or ``p`` is not above 0, or the
            reduction is unknown.

    Source: Balntas et al. (2016), "Learning local feature descriptors with triplets and
    shallow convolutional neural networks", also for the swap.

    >>> a, b, c = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 5.5]]).unsqueeze(1)
    >>> triplet_margin_loss(a, b, c, eps=0.0)                    # 5 − 5.5 + 1
    tensor(0.5000)
    """
    _expect_embeddings(anchor=anchor, positive=positive, negative=negative)
    _expect_number("margin", margin, 0, open_end=True)
    _expect_number("p", p, 0, open_end=True)
    _expect_reduction(reduction)
    near = _distance(anchor, positive, p, eps)                   # (N,)
    far = _distance(anchor, negative, p, eps)                    # (N,)
    if swap:
        far = torch.minimum(far, _distance(positive, negative, p, eps))
    return _reduce((near - far + margin).clamp(min=0), reduction)


def squared_triplet_loss(anchor: Tensor, positive: Tensor, negative: Tensor,
                         margin: float = 0.2, reduction: str = "mean") -> Tensor:
    r"""Return the triplet loss of squared distances, as the cheat sheet and FaceNet have it.

    .. math:: \ell = \left[ \lVert a - p \rVert_2^2 - \lVert a - n \rVert_2^2 + \alpha \right]_+

    Torch has no such function; its :func:`triplet_margin_loss` does not square.

    Args:
        anchor: Embeddings a, shape (N, D) or (D,).
        positive: Embeddings of the same kind, the same shape.
        negative: Embeddings of another kind, the same shape.
        margin: α, in the unit of a squared distance.
        reduction: ``"none"`` (shape (N,)), ``"mean"`` or ``"sum"`` over the triplets.

    Raises:
        ValueError: If the shapes differ, ``margin`` is below 0, or the reduction is unknown.

    Source: Schroff, Kalenichenko and Philbin (2015), "FaceNet: a unified embedding for face
    recognition and clustering", with α = 0.2.

    >>> a, b, c = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]]).unsqueeze(1)
    >>> squared_triplet_loss(a, b, c)                            # 2 − 1 + 0.2
    tensor(1.2000)
    """
    _expect_embeddings(anchor=anchor, positive=positive, negative=negative)
    _expect_number("margin", margin, 0)
    _expect_reduction(reduction)
    near = (anchor - positive).square().sum(-1)                  # (N,)
    far = (anchor - negative).square().sum(-1)                   # (N,)
    return _reduce((near - far + margin).relu(), reduction)


def batch_hard(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return for each sample its farthest friend and its nearest stranger in the batch.

    .. math:: p(a) = \arg\max_{i \ne a,\; y_i = y_a} \lVert f_a - f_i \rVert_2, \qquad
       n(a) = \arg\min_{i:\; y_i \ne y_a} \lVert f_a - f_i \rVert_2

    With them, ``triplet_margin_loss(f, f[p], f[n])`` is the loss of the hardest triplet of
    each anchor.

    Args:
        embeddings: f, shape (N, D).
        labels: Class numbers, int64, shape (N,); every one at least twice, and two different.

    Returns:
        p and n: positions in the batch, int64, shape (N,) each.

    Raises:
        ValueError: If the shapes do not match, or a sample has no friend or no stranger.

    Source: Hermans, Beyer and Leibe (2017), "In defense of the triplet loss for person
    re-identification".

    >>> batch_hard(torch.tensor([[0.0], [1.0], [5.0], [3.0]]), torch.tensor([0, 0, 0, 1]).roll(1))
    Traceback (most recent call last):
        ...
    ValueError: expected every label at least twice, received the label 1 once
    >>> batch_hard(torch.tensor([[0.0], [1.0], [5.0], [3.0]]), torch.tensor([0, 0, 1, 1]))
    (tensor([1, 0, 3, 2]), tensor([3, 3, 1, 1]))
    """
    expect_float("embeddings", embeddings)
    expect(embeddings.ndim == 2, "embeddings of shape (N, D)", embeddings)
    fits = isinstance(labels, Tensor) and labels.dtype == torch.long \
        and labels.shape == embeddings.shape[:1]
    expect(fits, f"labels to be an int64 tensor of shape ({len(embeddings)},)", labels)
    same = labels[:, None] == labels                             # (N, N)
    lonely = labels[same.sum(1) == 1]
    if len(lonely):
        raise ValueError("expected every label at least twice, received the label "
                         f"{lonely[0]} once")
    expect(not bool(same.all()), "labels of at least two kinds", labels)
    with torch.no_grad():
        far = embeddings.float() if embeddings.dtype.itemsize < 4 else embeddings
        distance = torch.cdist(far, far)                         # (N, N)
        friend = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        positive = distance.where(friend, -torch.inf).argmax(1)
        negative = distance.where(~same, torch.inf).argmin(1)
    return positive, negative


def contrastive_loss(input1: Tensor, input2: Tensor, target: Tensor,
                     margin: float = 1.0, reduction: str = "mean") -> Tensor:
    r"""Return the loss of pairs: the similar shall be near, the others farther than the margin.

    .. math:: \ell = \tfrac12 \left[ y\, d^2 + (1 - y) \max(0, m - d)^2 \right], \qquad
       d = \lVert f_1 - f_2 \rVert_2

    The cheat sheet's, with the ½; torch has no such function.

    Args:
        input1: Embeddings f₁, shape (N, D) or (D,).
        input2: Embeddings f₂, the same shape.
        target: y, 1 where the pair is similar, 0 where it is not, shape (N,) or ().
        margin: m, the distance from which a dissimilar pair costs nothing.
        reduction: ``"none"`` (shape (N,)), ``"mean"`` or ``"sum"`` over the pairs.

    Returns:
        A scalar, or one number a pair. A dissimilar pair at distance 0 has no direction
        to part in: its gradient is 0.

    Raises:
        ValueError: If the shapes do not match, a label is neither 0 nor 1, ``margin`` is
            not above 0, or the reduction is unknown.

    Source: Hadsell, Chopra and LeCun (2006), "Dimensionality reduction by learning an
    invariant mapping", where y = 1 marks the *dissimilar* pairs.

    >>> contrastive_loss(torch.zeros(2, 1), torch.full((2, 1), 0.4), torch.tensor([1, 0]),
    ...                  reduction="none")
    tensor([0.0800, 0.1800])
    """
    _expect_embeddings(input1=input1, input2=input2)
    distance = _distance(input1, input2)                         # (N,)
    return contrastive_distance_loss(distance, target, margin, reduction)


def contrastive_distance_loss(distance: Tensor, target: Tensor, margin: float = 1.0,
                              reduction: str = "mean") -> Tensor:
    r"""Return :func:`contrastive_loss` of pairs whose distances are known.

    .. math:: \ell = \tfrac12 \left[ y\, d^2 + (1 - y) \max(0, m - d)^2 \right]

    Args:
        distance: d, at least 0, any shape.
        target: y, 1 where the pair is similar, 0 where it is not, the same shape.
        margin: m, the distance from which a dissimilar pair costs nothing.
        reduction: ``"none"``, ``"mean"`` or ``"sum"`` over the pairs.

    Raises:
        ValueError: If the shapes differ, a distance is negative, a label is neither 0 nor
            1, ``margin`` is not above 0, or the reduction is unknown.

    >>> contrastive_distance_loss(torch.tensor([0.4, 0.4]), torch.tensor([1, 0]))
    tensor(0.1300)
    """
    expect_float("distance", distance)
    if not bool((distance >= 0).all()):                          # also refuses NaN
        found = distance.detach().min().item()
        raise ValueError(f"expected distances of at least 0, received {found:.4g}")
    _expect_zeros_and_ones(target, distance.shape)
    _expect_number("margin", margin, 0, open_end=True)
    _expect_reduction(reduction)
    # by how much a pair is too far apart, or too near
    wrong = torch.where(target == 1, distance, (margin - distance).relu())
    return _reduce(wrong.square() / 2, reduction)


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0,
                         reduction: str = "mean") -> Tensor:
    r"""Return a loss of distances: the similar's own, and what the others lack of the margin.

    .. math:: \ell = \begin{cases} x & y = +1 \\ \max(0, m - x) & y = -1 \end{cases}

    Args:
        input: Distances x, any shape.
        target: y, +1 where the pair is similar, −1 where it is not, the same shape.
        margin: m, the distance from which a dissimilar pair costs nothing.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Raises:
        ValueError: If the shapes differ, a label is neither −1 nor +1, or the reduction is
            unknown.

    >>> hinge_embedding_loss(torch.tensor([0.4, 0.4]), torch.tensor([1, -1]), reduction="none")
    tensor([0.4000, 0.6000])
    """
    expect_float("input", input)
    _expect_signs(target, input.shape)
    _expect_reduction(reduction)
    loss = torch.where(target == 1, input, (margin - input).clamp(min=0))
    return _reduce(loss, reduction)


def cosine_embedding_loss(input1: Tensor, input2: Tensor, target: Tensor,
                          margin: float = 0.0, reduction: str = "mean") -> Tensor:
    r"""Return a loss of angles: the similar shall point the same way, the others apart.

    .. math:: \ell = \begin{cases} 1 - \cos(x_1, x_2) & y = +1 \\
       \max(0, \cos(x_1, x_2) - m) & y = -1 \end{cases}

    Args:
        input1: Embeddings, shape (N, D) or (D,).
        input2: Embeddings, the same shape.
        target: y, +1 where the pair is similar, −1 where it is not, shape (N,) or ().
        margin: m, the cosine up to which a dissimilar pair costs nothing.
        reduction: ``"none"`` (shape (N,)), ``"mean"`` or ``"sum"`` over the pairs.

    Raises:
        ValueError: If the shapes do not match, a label is neither −1 nor +1, or the
            reduction is unknown.

    >>> cosine_embedding_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 4.0]]),
    ...                       torch.tensor([1]))
    tensor(0.4000)
    """
    _expect_embeddings(input1=input1, input2=input2)
    _expect_signs(target, input1.shape[:-1])
    _expect_reduction(reduction)
    squares = [(x * x).sum(-1) + 1e-12 for x in (input1, input2)]       # (N,) each
    cosine = (input1 * input2).sum(-1) / (squares[0] * squares[1]).sqrt()        # (N,)
    loss = torch.where(target == 1, 1 - cosine, (cosine - margin).clamp(min=0))
    return _reduce(loss, reduction)


def info_nce(query: Tensor, key: Tensor, temperature: float = 0.07,
             symmetric: bool = False, reduction: str = "mean") -> Tensor:
    r"""Return the loss of finding each query's own key among all keys of the batch.

    .. math:: \ell_n = -\log \frac{e^{s_{nn}}}{\sum_{m=1}^{N} e^{s_{nm}}}, \qquad
       s_{nm} = \cos(q_n, k_m) / \tau

    It is the cross-entropy of N classes, one a key. Torch has no such function.

    Args:
        query: Embeddings, shape (N, D).
        key: Embeddings, the same shape; row n is the partner of query n.
        temperature: τ, what the cosines are divided by.
        symmetric: Whether to average with the loss of finding each key's own query.
        reduction: ``"none"`` (shape (N,)), ``"mean"`` or ``"sum"`` over the batch.

    Raises:
        ValueError: If the shapes differ, ``temperature`` is not above 0, or the reduction
            is unknown.

    Source: van den Oord, Li and Vinyals (2018), "Representation learning with contrastive
    predictive coding"; cosines, τ and the symmetric form as in Radford et al. (2021),
    "Learning transferable visual models from natural language supervision" (CLIP).

    >>> info_nce(torch.eye(3), torch.eye(3), temperature=1.0)    # log(e + 2) − 1
    tensor(0.5514)
    """
    _expect_embeddings(query=query, key=key)
    expect(query.ndim == 2, "query of shape (N, D)", query)
    _expect_number("temperature", temperature, 0, open_end=True)
    _expect_reduction(reduction)
    q, k = (x / torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp(min=1e-8)
            for x in (query, key))                               # unit length, (N, D)
    scores = q @ k.T / temperature                               # (N, N)
    own = torch.arange(len(scores), device=scores.device)
    loss = cross_entropy(scores, own, reduction="none")          # (N,)
    if symmetric:
        loss = (loss + cross_entropy(scores.T, own, reduction="none")) / 2
    return _reduce(loss, reduction)


def focal_loss(input: Tensor, target: Tensor, gamma: float = 2.0,
               alpha: float | Tensor | None = None, reduction: str = "mean") -> Tensor:
    r"""Return the cross-entropy of scores, faded out where the true class is already likely.

    .. math:: \ell_n = -\alpha_{y_n} (1 - p_n)^\gamma \log p_n, \qquad
       p_n = \mathrm{softmax}(x_n)_{y_n}

    With γ = 0 it is :func:`cross_entropy`. Torch has no such function; for yes-or-no
    scores see :func:`sigmoid_focal_loss`.

    Args:
        input: Scores (logits, not probabilities), shape (N, C), (N, C, d1, …) or (C,).
        target: Class numbers in 0 … C − 1, int64, shape (N,), (N, d1, …) or ().
        gamma: γ, at least 0: how fast the loss of a likely class fades.
        alpha: One number for all, or a weight of each class, shape (C,); None is 1.
        reduction: ``"none"``, ``"mean"`` (over the samples; α does not count in the number)
            or ``"sum"``.

    Returns:
        A scalar, or the target's shape with ``"none"``.

    Raises:
        ValueError: If shapes or types do not match, a label is out of range, ``gamma`` is
            below 0, or the reduction is unknown.

    Source: Lin, Goyal, Girshick, He and Dollár (2017), "Focal loss for dense object detection".

    >>> scores = torch.tensor([[0.9, 0.1], [0.1, 0.9]]).log()
    >>> focal_loss(scores, torch.tensor([0, 0]), reduction="none")   # 0.1² · 0.105, 0.9² · 2.303
    tensor([1.0536e-03, 1.8651e+00])
    """
    _expect_reduction(reduction)
    _expect_number("gamma", gamma, 0)
    labels = isinstance(target, Tensor) and target.dtype == torch.long
    expect(labels, "target to be an int64 tensor of class numbers", target)
    minus_log_p = cross_entropy(input, target, reduction="none")  # (N, …)
    classes = input.shape[_class_dim(input)]
    _expect_labels(target, classes)                              # here none is ignored
    # 1 − p = −(e^log p − 1); its power has a gradient where p rounds to 1
    rest = (-(-minus_log_p).expm1()).clamp(min=torch.finfo(input.dtype).tiny)
    loss = rest ** gamma * minus_log_p
    if isinstance(alpha, Tensor):
        loss = _class_weight(alpha, input, classes)[target] * loss
    elif alpha is not None:
        _expect_number("alpha", alpha, 0)
        loss = alpha * loss
    return _reduce(loss, reduction)


def sigmoid_focal_loss(inputs: Tensor, targets: Tensor, alpha: float = 0.25,
                       gamma: float = 2.0, reduction: str = "none") -> Tensor:
    r"""Return the binary cross-entropy of log-odds, faded out where the truth is already likely.

    .. math:: \ell = -\alpha_t (1 - p_t)^\gamma \log p_t, \qquad
       p_t = \begin{cases} \sigma(x) & y = 1 \\ 1 - \sigma(x) & y = 0 \end{cases}, \quad
       \alpha_t = \begin{cases} \alpha & y = 1 \\ 1 - \alpha & y = 0 \end{cases}

    Names, order and defaults are those of ``torchvision.ops.sigmoid_focal_loss``, which
    has no mean by default.

    Args:
        inputs: Log-odds x, any shape.
        targets: y, 0 or 1, the same shape.
        alpha: α in [0, 1], the weight of y = 1; −1 is no weight at all.
        gamma: γ, at least 0: how fast the loss of a likely truth fades.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Raises:
        ValueError: If the shapes differ, a label is neither 0 nor 1, ``alpha`` or ``gamma``
            is out of range, or the reduction is unknown.

    Source: Lin, Goyal, Girshick, He and Dollár (2017), "Focal loss for dense object detection".

    >>> sigmoid_focal_loss(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.0]))
    tensor([0.0433, 0.1300])
    """
    expect_float("inputs", inputs)
    _expect_zeros_and_ones(targets, inputs.shape)
    _expect_reduction(reduction)
    expect(alpha == -1 or (isinstance(alpha, int | float) and 0 <= alpha <= 1),
           "alpha in [0, 1], or -1 for none", alpha)
    _expect_number("gamma", gamma, 0)
    x = torch.where(targets == 1, inputs, -inputs)               # log-odds of the truth
    minus_log_p = torch.logaddexp(torch.zeros_like(x), -x)       # log(1 + e^−x)
    # log(1 − p) = −log(1 + e^x) = −(x + log(1 + e^−x))
    loss = (-gamma * (x + minus_log_p)).exp() * minus_log_p
    if alpha != -1:
        loss = torch.where(targets == 1, alpha, 1 - alpha).to(loss) * loss
    return _reduce(loss, reduction)


def dice_loss(input: Tensor, target: Tensor, smooth: float = 1.0,
              reduction: str = "mean") -> Tensor:
    r"""Return one minus the overlap of a predicted and a true region.

    .. math:: \ell_n = 1 - \frac{2 \sum_i p_i\, y_i + s}{\sum_i p_i^2 + \sum_i y_i^2 + s}

    The sums are over all but the first dimension. Torch has no such function.

    Args:
        input: Predicted probabilities p in [0, 1], shape (N, d1, …).
        target: True regions y in [0, 1], the same shape; zeros and ones as a rule.
        smooth: s, above 0: with it two empty regions agree. The paper has none.
        reduction: ``"none"`` (shape (N,)), ``"mean"`` or ``"sum"`` over the N.

    Returns:
        A number from 0 (the same region) to 1 (no overlap).

    Raises:
        ValueError: If the shapes differ, there is but one dimension, a value is outside
            [0, 1], ``smooth`` is not above 0, or the reduction is unknown.

    Source: Milletari, Navab and Ahmadi (2016), "V-Net: fully convolutional neural networks
    for volumetric medical image segmentation", with s = 0.

    >>> dice_loss(torch.tensor([[1.0, 1.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 1.0, 0.0]]))
    tensor(0.4000)
    """
    _expect_pair(input, target, reduction)
    expect(input.ndim > 1, "input of shape (N, d1, …)", input)
    _expect_probabilities("input", input)
    _expect_probabilities("target", target)
    _expect_number("smooth", smooth, 0, open_end=True)
    p, y = input.flatten(1), target.flatten(1)                   # (N, all)
    overlap, sizes = (p * y).sum(1), p.square().sum(1) + y.square().sum(1)
    return _reduce(1 - (2 * overlap + smooth) / (sizes + smooth), reduction)


def hinge_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    r"""Return the hinge loss of scores: what they lack of being right by 1.

    .. math:: \ell = \max(0, 1 - y\, z), \qquad
       \frac{\partial \ell}{\partial z} = -y \text{ where } y\, z < 1, \text{ else } 0

    The cheat sheet's (it adds, this averages by default). Torch has it in disguise, as
    ``margin_ranking_loss(z, 0, y, margin=1)``; for class numbers there is
    :func:`multi_margin_loss`.

    Args:
        input: Raw scores z, any shape.
        target: Labels y, −1 or +1, the same shape.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Raises:
        ValueError: If the shapes differ, a label is neither −1 nor +1 (zeros of a 0/1
            coding, say), or the reduction is unknown.

    Source: Cortes and Vapnik (1995), "Support-vector networks".

    >>> hinge_loss(torch.tensor([2.0, 0.5, -1.0]), torch.tensor([1, 1, 1]), reduction="none")
    tensor([0.0000, 0.5000, 2.0000])
    """
    expect_float("input", input)
    _expect_signs(target, input.shape)
    _expect_reduction(reduction)
    return _reduce((1 - target * input).relu(), reduction)


def squared_hinge_loss(input: Tensor, target: Tensor,
                       reduction: str = "mean") -> Tensor:
    r"""Return the square of the hinge loss: smooth where the margin is reached.

    .. math:: \ell = \max(0, 1 - y\, z)^2

    Args:
        input: Raw scores z, any shape.
        target: Labels y, −1 or +1, the same shape.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Raises:
        ValueError: If the shapes differ, a label is neither −1 nor +1, or the reduction is
            unknown.

    >>> squared_hinge_loss(torch.tensor([2.0, 0.5, -1.0]), torch.tensor([1, 1, 1]), "none")
    tensor([0.0000, 0.2500, 4.0000])
    """
    _expect_reduction(reduction)
    return _reduce(hinge_loss(input, target, "none").square(), reduction)


def multi_margin_loss(input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0,
                      weight: Tensor | None = None, reduction: str = "mean") -> Tensor:
    r"""Return the hinge loss of several classes: the true score shall lead all others.

    .. math:: \ell_n = \frac{w_{y_n}}{C} \sum_{c \ne y_n}
       \max\left( 0,\; m - z_{n y_n} + z_{nc} \right)^p

    Args:
        input: Raw scores z, shape (N, C) or (C,).
        target: Class numbers in 0 … C − 1, int64, shape (N,) or ().
        p: 1, or 2 for squares.
        margin: m, by how much it shall lead.
        weight: Weight of each class, shape (C,); None is 1 each. The mean divides by N all
            the same.
        reduction: ``"none"`` (shape (N,)), ``"mean"`` or ``"sum"``.

    Raises:
        ValueError: If shapes or types do not match, a label is out of range, p is neither
            1 nor 2, or the reduction is unknown.

    Source: Weston and Watkins (1999), "Support vector machines for multi-class pattern
    recognition", for the sum over all rivals.

    >>> multi_margin_loss(torch.tensor([[2.0, 1.5, -1.0]]), torch.tensor([0]))   # 0.5 / 3
    tensor(0.1667)
    """
    expect_float("input", input)
    expect(input.ndim in (1, 2), "input of shape (N, C) or (C,)", input)
    expect(p in (1, 2), "p to be 1 or 2", p)
    _expect_reduction(reduction)
    *shape, classes = input.shape
    fits = isinstance(target, Tensor) and target.dtype == torch.long \
        and list(target.shape) == shape
    expect(fits, f"target to be an int64 tensor of shape {tuple(shape)}", target)
    _expect_labels(target, classes)
    label = target.unsqueeze(-1)                                 # (N, 1)
    lack = (margin - input.gather(-1, label) + input).relu()     # (N, C)
    lack = lack.scatter(-1, label, 0)                            # not of the true class
    loss = (lack if p == 1 else lack.square()).sum(-1) / classes                 # (N,)
    if weight is not None:
        loss = _class_weight(weight, input, classes)[target] * loss
    return _reduce(loss, reduction)


def soft_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    r"""Return the logistic loss of scores: the binary cross-entropy for labels −1 and +1.

    .. math:: \ell = \log\left( 1 + e^{-y z} \right)

    Args:
        input: Raw scores z, any shape.
        target: Labels y, −1 or +1, the same shape.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Returns:
        A scalar, or the input's shape with ``"none"``. It stays finite where torch's, which
        computes :math:`e^{-yz}` as it stands, is infinite (from yz = −89 in float32).

    Raises:
        ValueError: If the shapes differ, a label is neither −1 nor +1, or the reduction is
            unknown.

    >>> soft_margin_loss(torch.tensor([0.0, -1000.0]), torch.tensor([1.0, 1.0]), reduction="none")
    tensor([6.9315e-01, 1.0000e+03])
    """
    expect_float("input", input)
    _expect_signs(target, input.shape)
    _expect_reduction(reduction)
    return _reduce(torch.logaddexp(torch.zeros_like(input), -target * input), reduction)


def margin_loss(lengths: Tensor, target: Tensor, m_plus: float = 0.9, m_minus: float = 0.1,
                absent_weight: float = 0.5, reduction: str = "mean") -> Tensor:
    r"""Return the loss that pushes the present classes' capsules above 0.9, the absent below 0.1.

    .. math:: L_k = T_k \max(0, m^+ - \|v_k\|)^2 + \lambda (1 - T_k) \max(0, \|v_k\| - m^-)^2

    The loss of a sample is the sum over the classes k; several classes may be present.

    Args:
        lengths: Capsule lengths, shape (N, C).
        target: Class numbers, int64 of shape (N,); or T, zeros and ones of shape (N, C).
        m_plus: Length from which a present class costs nothing.
        m_minus: Length up to which an absent class costs nothing.
        absent_weight: λ, which keeps the many absent classes from shrinking every capsule early on.
        reduction: ``"mean"`` or ``"sum"`` over the N samples, or ``"none"`` for shape (N,).

    Raises:
        ValueError: If the shapes do not fit, a class number is out of range, T holds other
            values than 0 and 1, or ``reduction`` is unknown.

    Source: Sabour, Frosst and Hinton, *Dynamic Routing Between Capsules*, NeurIPS 2017, equation 4.

    >>> round(margin_loss(torch.tensor([[0.8, 0.3]]), torch.tensor([0])).item(), 3)
    0.03
    """
    expect_float("lengths", lengths)
    expect(lengths.dim() == 2, "lengths of shape (N, C)", lengths)
    _expect_reduction(reduction)
    n, c = lengths.shape
    if isinstance(target, Tensor) and target.dtype == torch.int64 and target.dim() == 1:
        expect(target.shape == (n,), f"target of {n} class numbers", target)
        in_range = bool(((target >= 0) & (target < c)).all())
        expect(in_range, f"class numbers from 0 to {c - 1}", target)
        present = torch.zeros_like(lengths).scatter(1, target.unsqueeze(1), 1.0)
    else:
        shaped = isinstance(target, Tensor) and target.shape == lengths.shape
        expect(shaped, f"target of int64 and shape ({n},), or of shape ({n}, {c})", target)
        expect(bool(((target == 0) | (target == 1)).all()), "target of zeros and ones", target)
        present = target.to(lengths)
    too_short = (m_plus - lengths).clamp(min=0).square()
    too_long = (lengths - m_minus).clamp(min=0).square()
    loss = (present * too_short + absent_weight * (1 - present) * too_long).sum(1)
    return _reduce(loss, reduction)
