"""Loss functions: one number that says how wrong a prediction is.

Torch's names, argument order, defaults and reductions. ``reduction`` says what
becomes of the losses of the samples: ``"none"`` leaves them, ``"sum"`` adds them,
``"mean"`` averages them.
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


def _expect_labels(target: Tensor, classes: int, ignore_index: int) -> None:
    outside = ((target < 0) | (target >= classes)) & (target != ignore_index)
    if outside.any():
        found = target[outside][0].item()
        raise ValueError(f"expected labels in 0 … {classes - 1}, received the label {found}")


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
    label = target.where(kept, 0)                                # (N, …), any class where ignored
    w = weight[label].where(kept, 0)                             # (N, …)
    # −w log p of the true class: one number picked from each row of C
    loss = -w * log_p.gather(dim, label.unsqueeze(dim)).squeeze(dim)             # (N, …)
    if smoothing:                                                # ε/C of every class, true or not
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
        return _label_loss(log_p, target, weight, ignore_index, reduction, label_smoothing)

    expect_same_shape("input", input, "target", target)
    _expect_probabilities("target", target)
    expect(ignore_index < 0, "no ignore_index where the target is probabilities", ignore_index)
    classes = input.shape[dim]
    q = (1 - label_smoothing) * target + label_smoothing / classes               # (N, C, …)
    loss = _minus_sum(q * log_p, _class_weight(weight, input, classes), dim)     # (N, …)
    return _reduce(loss, reduction)


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    r"""Return the mean squared error.

    .. math:: \ell = \frac{1}{N} \sum_{n=1}^{N} (x_n - y_n)^2

    N counts every number in the tensor, not only the rows. ``reduction="sum"`` is
    the squared distance :math:`\lVert x - y \rVert^2`.

    Args:
        input: Predictions, any shape.
        target: Truth, the same shape.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Returns:
        A scalar in the square of the input's unit, or the input's shape with ``"none"``.

    Raises:
        ValueError: If the shapes differ, a tensor is not floating-point or empty, or
            the reduction is unknown.

    >>> mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """
    expect_float("input", input)
    expect_float("target", target)
    expect_same_shape("input", input, "target", target)
    _expect_reduction(reduction)
    return _reduce((input - target) ** 2, reduction)


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


def binary_cross_entropy_with_logits(input: Tensor, target: Tensor, weight: Tensor | None = None,
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
    minus_log_p = torch.logaddexp(torch.zeros_like(input), -input)               # log(1 + e^−x)
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
