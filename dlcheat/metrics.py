"""Evaluation metrics: numbers that say how well a model does its task.

Arrays, lists or tensors in, floats or NumPy arrays out. Names, arguments and averages
are scikit-learn's where it has the metric. Where scikit-learn warns that a value is not
defined, these raise a ``ValueError``, or return ``zero_division``, as each one says.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from dlcheat.validation import expect, expect_count

Array = np.ndarray


# ---- what all metrics ask of their arguments

def _array(name: str, value: ArrayLike) -> Array:
    """Return an array of a list or a tensor; it has at least one element."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.empty(0, object)                              # rows of different lengths
    if array.dtype.kind == "O":                                  # as a table's column of words
        array = np.array(array.tolist())
    expect(array.dtype.kind in "biufUS", f"{name} to be an array of numbers or words", value)
    expect(array.size > 0, f"{name} to have at least one element", value)
    return array


def _labels(name: str, value: ArrayLike) -> Array:
    """Return labels, shape (N,): whole numbers, truth values or words."""
    array = _array(name, value)
    expect(array.ndim == 1, f"{name} of shape (N,)", value)
    if array.dtype.kind == "f":
        whole = np.isfinite(array) & (array == np.round(array))
        expect(bool(whole.all()), f"{name} to be labels, not continuous numbers", value)
    return array


def _numbers(name: str, value: ArrayLike, ndim: Sequence[int] = (1,)) -> Array:
    """Return finite float64 numbers of an allowed number of dimensions."""
    array = _array(name, value)
    shape = " or ".join({1: "(N,)", 2: "(N, C)"}[n] for n in ndim)
    expect(array.ndim in ndim, f"{name} of shape {shape}", value)
    expect(array.dtype.kind in "biuf", f"{name} to be numbers", value)
    array = array.astype(np.float64)
    expect(bool(np.isfinite(array).all()), f"{name} to be finite", value)
    return array


def _expect_length(name: str, value: Array, count: int) -> None:
    expect(len(value) == count, f"{name} of {count} rows, as y_true has", value)


def _weights(sample_weight: ArrayLike | None, count: int) -> Array | None:
    if sample_weight is None:
        return None
    weight = _numbers("sample_weight", sample_weight)
    _expect_length("sample_weight", weight, count)
    expect(bool((weight >= 0).all() and weight.any()),
           "sample_weight of at least 0, and not all 0", sample_weight)
    whole = _array("sample_weight", sample_weight).dtype.kind in "biu"
    return weight.astype(np.int64) if whole else weight


def _label_pair(y_true: ArrayLike, y_pred: ArrayLike,
                sample_weight: ArrayLike | None = None) -> tuple[Array, Array, Array | None]:
    true, predicted = _labels("y_true", y_true), _labels("y_pred", y_pred)
    _expect_length("y_pred", predicted, len(true))
    words = [a.dtype.kind in "US" for a in (true, predicted)]
    expect(words[0] == words[1], "y_true and y_pred both of words or both of numbers", y_pred)
    return true, predicted, _weights(sample_weight, len(true))


def _present(*labels: Array) -> Array:
    """Return the different labels of all arrays, sorted."""
    small = all(a.dtype.kind in "iub" and a.min() >= 0 and a.max() < 4096 for a in labels)
    if small:                                                    # counted, not sorted
        return np.flatnonzero(sum(np.bincount(a, minlength=4096) for a in labels))
    return np.unique(np.concatenate([np.unique(a) for a in labels]))


def _classes(labels: ArrayLike) -> Array:
    classes = _labels("labels", labels)
    expect(len(np.unique(classes)) == len(classes), "labels that are all different", labels)
    return classes


def _places(values: Array, classes: Array) -> Array:
    """Return where each value stands among the classes, −1 for none of them."""
    if classes.dtype.kind in "iub" and np.array_equal(classes, np.arange(len(classes))) \
            and values.dtype.kind in "iub" and values.min() >= 0 and values.max() < len(classes):
        return values.astype(np.int64)                           # they are their own places
    order = np.argsort(classes, kind="stable")
    place = np.searchsorted(classes, values, sorter=order).clip(max=len(classes) - 1)
    found = order[place]
    return np.where(classes[found] == values, found, -1)


def _counted(places: Array, weight: Array | None, size: int) -> Array:
    """Count, or add the weights of, the samples at each place."""
    if weight is None:
        return np.bincount(places, minlength=size)
    total = np.bincount(places, weight, minlength=size)
    return total.astype(np.int64) if weight.dtype.kind == "i" else total


# ---- classes: a decision for each sample

def confusion_matrix(y_true: ArrayLike, y_pred: ArrayLike, *, labels: ArrayLike | None = None,
                     sample_weight: ArrayLike | None = None,
                     normalize: str | None = None) -> Array:
    r"""Count the samples of each true class (row) that got each predicted class (column).

    .. math:: M_{ij} = \sum_n w_n \, [y_n = i] \, [\hat y_n = j]

    Args:
        y_true: Classes, shape (N,): whole numbers, truth values or words.
        y_pred: Predicted classes, shape (N,).
        labels: Classes in the order of rows and columns, shape (C,); samples of others are
            left out. None takes all that occur, sorted.
        sample_weight: w, shape (N,); None is 1 each.
        normalize: ``"true"`` divides by the sum of each row, ``"pred"`` of each column,
            ``"all"`` of all; a sum of 0 leaves 0. None divides by nothing.

    Returns:
        Shape (C, C), integers unless weighted or normalised. For the labels 0 and 1 it is
        [[TN, FP], [FN, TP]].

    Raises:
        ValueError: If the arguments are no labels of one length, or none of ``labels``
            occurs in ``y_true``.

    >>> confusion_matrix([0, 0, 1, 1, 1], [0, 1, 1, 1, 0])
    array([[1, 1],
           [1, 2]])
    """
    true, predicted, weight = _label_pair(y_true, y_pred, sample_weight)
    expect(normalize in (None, "true", "pred", "all"), 'normalize "true", "pred", "all" or None',
           normalize)
    classes = _present(true, predicted) if labels is None else _classes(labels)
    size = len(classes)
    row, column = _places(true, classes), _places(predicted, classes)          # (N,) each
    expect(bool((row >= 0).any()), "labels of which one occurs in y_true", labels)
    if labels is not None:
        kept = (row >= 0) & (column >= 0)
        row, column = row[kept], column[kept]
        weight = None if weight is None else weight[kept]
    matrix = _counted(row * size + column, weight, size * size).reshape(size, size)
    if normalize is None:
        return matrix
    total = {"true": matrix.sum(1, keepdims=True), "pred": matrix.sum(0, keepdims=True),
             "all": matrix.sum(keepdims=True)}[normalize]
    return matrix / np.where(total == 0, 1, total)


class Ratios(NamedTuple):
    """What the four counts of a confusion matrix say.

    Attributes:
        precision: TP / (TP + FP): of those reported, the share that is positive.
        recall: TP / (TP + FN): of the positives, the share that is reported.
        specificity: TN / (TN + FP): of the negatives, the share that is not reported.
        fpr: FP / (TN + FP) = 1 − specificity, the false-positive rate.
        npv: TN / (TN + FN): of those not reported, the share that is negative.
        f1: 2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall.
        accuracy: (TP + TN) / N.
        balanced_accuracy: Mean of recall and specificity.
        mcc: Matthews' correlation coefficient.
        kappa: Cohen's κ; nan where only one class occurs and only it is predicted.
        prevalence: (TP + FN) / N.
    """

    precision: float
    recall: float
    specificity: float
    fpr: float
    npv: float
    f1: float
    accuracy: float
    balanced_accuracy: float
    mcc: float
    kappa: float
    prevalence: float


def _ratio(numerator: float, denominator: float, otherwise: float) -> float:
    return float(numerator / denominator) if denominator else otherwise


def binary_ratios(tn: float, fp: float, fn: float, tp: float,
                  zero_division: float = 0.0) -> Ratios:
    r"""Return all ratios of a binary confusion matrix.

    .. math:: \mathrm{MCC} = \frac{TP \cdot TN - FP \cdot FN}
       {\sqrt{(TP + FP)(TP + FN)(TN + FP)(TN + FN)}}, \qquad
       \kappa = \frac{p_o - p_e}{1 - p_e}

    with :math:`p_o` the accuracy and :math:`p_e` the accuracy of a guesser that reports as
    many positives, at random.

    Args:
        tn: True negatives, a count or a sum of weights.
        fp: False positives.
        fn: False negatives.
        tp: True positives.
        zero_division: Value of a ratio whose denominator is 0; the MCC is then 0.

    Raises:
        ValueError: If a count is negative, or all are 0.

    Source: Matthews (1975), "Comparison of the predicted and observed secondary structure of
    T4 phage lysozyme"; Cohen (1960), "A coefficient of agreement for nominal scales".

    >>> r = binary_ratios(tn=80, fp=10, fn=4, tp=6)
    >>> r.precision, r.recall, r.accuracy
    (0.375, 0.6, 0.86)
    """
    counts = (tn, fp, fn, tp)
    expect(all(math.isfinite(c) and c >= 0 for c in counts), "counts of at least 0", counts)
    n = tn + fp + fn + tp
    expect(n > 0, "counts that are not all 0", counts)
    _expect_zero_division(zero_division)
    recall, specificity = _ratio(tp, tp + fn, zero_division), _ratio(tn, tn + fp, zero_division)
    halves = [_ratio(hit, of, math.nan) for hit, of in ((tp, tp + fn), (tn, tn + fp))]
    margins = math.sqrt(tp + fp) * math.sqrt(tp + fn) * math.sqrt(tn + fp) * math.sqrt(tn + fn)
    chance = (tp + fp) * (tp + fn) + (tn + fp) * (tn + fn)       # p_e N²
    return Ratios(
        precision=_ratio(tp, tp + fp, zero_division), recall=recall, specificity=specificity,
        fpr=_ratio(fp, tn + fp, zero_division), npv=_ratio(tn, tn + fn, zero_division),
        f1=_ratio(2 * tp, 2 * tp + fp + fn, zero_division), accuracy=float((tp + tn) / n),
        balanced_accuracy=float(np.nanmean(halves)),
        mcc=_ratio(tp * tn - fp * fn, margins, 0.0),
        kappa=_ratio((tp + tn) * n - chance, n * n - chance, math.nan),
        prevalence=float((tp + fn) / n))


def _mean(values: Array, weight: Array | None) -> float:
    return float(np.average(values, weights=weight))


def accuracy_score(y_true: ArrayLike, y_pred: ArrayLike, *, normalize: bool = True,
                   sample_weight: ArrayLike | None = None) -> float:
    r"""Return the share of predictions that are right.

    .. math:: \frac{1}{N} \sum_n [y_n = \hat y_n]

    Args:
        y_true: Classes, shape (N,).
        y_pred: Predicted classes, shape (N,).
        normalize: False returns the number, or the weight, of the right ones.
        sample_weight: Shape (N,); None is 1 each.

    Raises:
        ValueError: If the arguments are no labels of one length.

    >>> accuracy_score([0, 1, 2, 2], [0, 2, 2, 2])
    0.75
    """
    true, predicted, weight = _label_pair(y_true, y_pred, sample_weight)
    hits = true == predicted
    if normalize:
        return _mean(hits, weight)
    return float(hits.sum() if weight is None else hits @ weight)


def balanced_accuracy_score(y_true: ArrayLike, y_pred: ArrayLike, *,
                            sample_weight: ArrayLike | None = None,
                            adjusted: bool = False) -> float:
    r"""Return the mean recall of the classes that occur in ``y_true``.

    .. math:: \frac{1}{C} \sum_c \frac{M_{cc}}{\sum_j M_{cj}}

    Args:
        y_true: Classes, shape (N,).
        y_pred: Predicted classes, shape (N,).
        sample_weight: Shape (N,); None is 1 each.
        adjusted: Whether chance, 1 / C, becomes 0, and 1 stays 1.

    Raises:
        ValueError: If the arguments are no labels of one length, or ``adjusted`` meets a
            single class.

    >>> balanced_accuracy_score([0] * 98 + [1] * 2, [0] * 100)
    0.5
    """
    matrix = confusion_matrix(y_true, y_pred, sample_weight=sample_weight)
    total = matrix.sum(1)
    recalls = matrix.diagonal()[total > 0] / total[total > 0]
    score = float(recalls.mean())
    if not adjusted:
        return score
    expect(len(recalls) > 1, "y_true of at least two classes where adjusted", y_true)
    return (score - 1 / len(recalls)) / (1 - 1 / len(recalls))


def _expect_zero_division(value: float) -> None:
    known = isinstance(value, int | float) and (value in (0, 1) or math.isnan(value))
    expect(known, "zero_division 0, 1 or nan", value)


class _Sums(NamedTuple):
    """For each class asked for: the weight of hits, of predictions, and of true ones; (C,) each."""

    hits: Array
    predicted: Array
    true: Array


def _sums(y_true: ArrayLike, y_pred: ArrayLike, labels: ArrayLike | None, pos_label: Hashable,
          average: str | None, sample_weight: ArrayLike | None) -> _Sums:
    true, predicted, weight = _label_pair(y_true, y_pred, sample_weight)
    expect(average in ("binary", "micro", "macro", "weighted", None),
           'average "binary", "micro", "macro", "weighted" or None', average)
    present = _present(true, predicted)
    if average == "binary":
        found = present.tolist()
        expect(len(found) <= 2, 'labels of two classes where average="binary"', found)
        expect(pos_label in found or len(found) < 2, f"pos_label {pos_label!r} among the labels",
               found)
        asked = np.array([pos_label])
    else:
        asked = present if labels is None else _classes(labels)
    extra = np.array([v for v in asked.tolist() if v not in set(present.tolist())], asked.dtype)
    classes = np.concatenate([present, extra]) if len(extra) else present
    size = len(classes)
    row, column = _places(true, classes), _places(predicted, classes)
    hit = row == column
    hits = _counted(row[hit], None if weight is None else weight[hit], size)
    sums = _Sums(hits, _counted(column, weight, size), _counted(row, weight, size))
    order = _places(asked, classes)
    return _Sums(*(s[order] for s in sums))


def _averaged(numerator: Array, denominator: Array, support: Array, average: str | None,
              zero_division: float) -> float | Array:
    """Divide class by class, or after adding up (micro), and average what is not nan."""
    _expect_zero_division(zero_division)
    if average == "micro":
        numerator, denominator = numerator.sum(keepdims=True), denominator.sum(keepdims=True)
    ratio = np.full(len(numerator), float(zero_division))
    np.divide(numerator, denominator, out=ratio, where=denominator != 0)
    if average is None:
        return ratio
    known = ~np.isnan(ratio)
    if not known.any():
        return math.nan
    weight = support[known] if average == "weighted" else None
    return _mean(ratio[known], weight if weight is not None and weight.any() else None)


def precision_score(y_true: ArrayLike, y_pred: ArrayLike, *, labels: ArrayLike | None = None,
                    pos_label: Hashable = 1, average: str | None = "binary",
                    sample_weight: ArrayLike | None = None,
                    zero_division: float = 0.0) -> float | Array:
    r"""Return the share of positives among those reported: TP / (TP + FP).

    .. math:: P_c = \frac{M_{cc}}{\sum_i M_{ic}}, \qquad
       P_\text{macro} = \frac1C \sum_c P_c, \qquad
       P_\text{micro} = \frac{\sum_c M_{cc}}{\sum_{c, i} M_{ic}}

    Args:
        y_true: Classes, shape (N,).
        y_pred: Predicted classes, shape (N,).
        labels: Classes to average over, shape (C,); None takes all that occur.
        pos_label: The positive class where ``average`` is ``"binary"``.
        average: ``"binary"``; ``"macro"``, the mean of the classes; ``"weighted"``, that mean
            weighted by their true counts; ``"micro"``, counts added up first; None, each class.
        sample_weight: Shape (N,); None is 1 each.
        zero_division: 0, 1 or nan: a class that nobody was assigned to. nan is left out of a
            mean. (scikit-learn takes 0 and warns, unless told.)

    Raises:
        ValueError: If the arguments are no labels of one length, or an option is unknown.

    >>> precision_score([0, 1, 1, 0], [1, 1, 1, 0])
    0.6666666666666666
    """
    sums = _sums(y_true, y_pred, labels, pos_label, average, sample_weight)
    return _averaged(sums.hits, sums.predicted, sums.true, average, zero_division)


def recall_score(y_true: ArrayLike, y_pred: ArrayLike, *, labels: ArrayLike | None = None,
                 pos_label: Hashable = 1, average: str | None = "binary",
                 sample_weight: ArrayLike | None = None,
                 zero_division: float = 0.0) -> float | Array:
    r"""Return the share of the positives that are reported: TP / (TP + FN).

    .. math:: R_c = \frac{M_{cc}}{\sum_j M_{cj}}

    Args:
        y_true: Classes, shape (N,).
        y_pred: Predicted classes, shape (N,).
        labels: Classes to average over, shape (C,); None takes all that occur.
        pos_label: The positive class where ``average`` is ``"binary"``.
        average: ``"binary"``, ``"macro"``, ``"weighted"``, ``"micro"`` or None, as in
            :func:`precision_score`.
        sample_weight: Shape (N,); None is 1 each.
        zero_division: 0, 1 or nan: a class without a sample.

    Raises:
        ValueError: If the arguments are no labels of one length, or an option is unknown.

    >>> recall_score([0, 1, 2, 2], [0, 0, 2, 1], average=None)
    array([1. , 0. , 0.5])
    """
    sums = _sums(y_true, y_pred, labels, pos_label, average, sample_weight)
    return _averaged(sums.hits, sums.true, sums.true, average, zero_division)


def fbeta_score(y_true: ArrayLike, y_pred: ArrayLike, *, beta: float,
                labels: ArrayLike | None = None, pos_label: Hashable = 1,
                average: str | None = "binary", sample_weight: ArrayLike | None = None,
                zero_division: float = 0.0) -> float | Array:
    r"""Return the weighted harmonic mean of precision and recall.

    .. math:: F_\beta = (1 + \beta^2) \frac{P R}{\beta^2 P + R}
       = \frac{(1 + \beta^2)\, TP}{(1 + \beta^2)\, TP + \beta^2\, FN + FP}

    Args:
        y_true: Classes, shape (N,).
        y_pred: Predicted classes, shape (N,).
        beta: How many times recall counts as much as precision; 0 is precision, ∞ recall.
        labels: Classes to average over, shape (C,); None takes all that occur.
        pos_label: The positive class where ``average`` is ``"binary"``.
        average: ``"binary"``, ``"macro"``, ``"weighted"``, ``"micro"`` or None, as in
            :func:`precision_score`.
        sample_weight: Shape (N,); None is 1 each.
        zero_division: 0, 1 or nan: a class without a sample that nobody was assigned to.

    Raises:
        ValueError: If the arguments are no labels of one length, or an option is unknown.

    Source: van Rijsbergen (1979), "Information Retrieval", as its complement.

    >>> fbeta_score([0, 1, 1, 0], [1, 1, 0, 0], beta=2)
    0.5
    """
    expect(isinstance(beta, int | float) and beta >= 0, "beta of at least 0", beta)
    sums = _sums(y_true, y_pred, labels, pos_label, average, sample_weight)
    if beta == 0 or math.isinf(beta):
        of = sums.predicted if beta == 0 else sums.true
        return _averaged(sums.hits, of, sums.true, average, zero_division)
    return _averaged((1 + beta ** 2) * sums.hits, beta ** 2 * sums.true + sums.predicted,
                     sums.true, average, zero_division)


def f1_score(y_true: ArrayLike, y_pred: ArrayLike, *, labels: ArrayLike | None = None,
             pos_label: Hashable = 1, average: str | None = "binary",
             sample_weight: ArrayLike | None = None, zero_division: float = 0.0) -> float | Array:
    r"""Return the harmonic mean of precision and recall.

    .. math:: F_1 = \frac{2 P R}{P + R} = \frac{2\, TP}{2\, TP + FN + FP}

    Args:
        y_true: Classes, shape (N,).
        y_pred: Predicted classes, shape (N,).
        labels: Classes to average over, shape (C,); None takes all that occur.
        pos_label: The positive class where ``average`` is ``"binary"``.
        average: ``"binary"``, ``"macro"``, ``"weighted"``, ``"micro"`` or None, as in
            :func:`precision_score`.
        sample_weight: Shape (N,); None is 1 each.
        zero_division: 0, 1 or nan: a class without a sample that nobody was assigned to.

    Raises:
        ValueError: If the arguments are no labels of one length, or an option is unknown.

    >>> f1_score([0, 1, 2, 2], [0, 0, 2, 2], average="macro")
    0.5555555555555555
    """
    return fbeta_score(y_true, y_pred, beta=1, labels=labels, pos_label=pos_label,
                       average=average, sample_weight=sample_weight, zero_division=zero_division)


def jaccard_score(y_true: ArrayLike, y_pred: ArrayLike, *, labels: ArrayLike | None = None,
                  pos_label: Hashable = 1, average: str | None = "binary",
                  sample_weight: ArrayLike | None = None,
                  zero_division: float = 0.0) -> float | Array:
    r"""Return the intersection over union of true and predicted samples of a class.

    .. math:: J = \frac{TP}{TP + FN + FP} = \frac{F_1}{2 - F_1}

    With one sample a pixel, ``average=None`` is the IoU of each class, ``"macro"`` their mean.

    Args:
        y_true: Classes, shape (N,).
        y_pred: Predicted classes, shape (N,).
        labels: Classes to average over, shape (C,); None takes all that occur.
        pos_label: The positive class where ``average`` is ``"binary"``.
        average: ``"binary"``, ``"macro"``, ``"weighted"``, ``"micro"`` or None, as in
            :func:`precision_score`.
        sample_weight: Shape (N,); None is 1 each.
        zero_division: 0, 1 or nan: a class without a sample that nobody was assigned to.

    Raises:
        ValueError: If the arguments are no labels of one length, or an option is unknown.

    Source: Jaccard (1912), "The distribution of the flora in the alpine zone".

    >>> jaccard_score([0, 1, 1, 0], [1, 1, 0, 0])
    0.3333333333333333
    """
    sums = _sums(y_true, y_pred, labels, pos_label, average, sample_weight)
    return _averaged(sums.hits, sums.true + sums.predicted - sums.hits, sums.true, average,
                     zero_division)


def matthews_corrcoef(y_true: ArrayLike, y_pred: ArrayLike, *,
                      sample_weight: ArrayLike | None = None) -> float:
    r"""Return the correlation of true and predicted classes.

    .. math:: \frac{N \operatorname{tr} M - t^\top p}
       {\sqrt{N^2 - p^\top p}\,\sqrt{N^2 - t^\top t}}

    with t the sums of the rows of the confusion matrix M, p of its columns. For two classes it
    is Pearson's correlation of the two 0/1 variables.

    Args:
        y_true: Classes, shape (N,).
        y_pred: Predicted classes, shape (N,).
        sample_weight: Shape (N,); None is 1 each.

    Returns:
        From −1 to 1; 0 where all samples or all predictions are of one class.

    Raises:
        ValueError: If the arguments are no labels of one length.

    Source: Matthews (1975), "Comparison of the predicted and observed secondary structure of
    T4 phage lysozyme"; Gorodkin (2004) for more than two classes.

    >>> matthews_corrcoef([0, 0, 1, 1], [0, 1, 1, 1])
    0.5773502691896258
    """
    matrix = confusion_matrix(y_true, y_pred, sample_weight=sample_weight).astype(np.float64)
    t, p = matrix.sum(1), matrix.sum(0)
    n = t.sum()
    spread = (n * n - p @ p) * (n * n - t @ t)
    return float((n * matrix.trace() - t @ p) / math.sqrt(spread)) if spread > 0 else 0.0


def cohen_kappa_score(y1: ArrayLike, y2: ArrayLike, *, labels: ArrayLike | None = None,
                      weights: str | None = None, sample_weight: ArrayLike | None = None,
                      replace_undefined_by: float = math.nan) -> float:
    r"""Return how far two raters agree beyond chance.

    .. math:: \kappa = 1 - \frac{\sum_{ij} d_{ij} M_{ij}}{\sum_{ij} d_{ij}\, t_i p_j / N}, \qquad
       d_{ij} = [i \ne j], \; |i - j| \text{ or } (i - j)^2

    Args:
        y1: Classes by the first rater, shape (N,).
        y2: Classes by the second rater, shape (N,).
        labels: Classes in their order, shape (C,); others are left out. None takes all, sorted.
        weights: What a disagreement d costs: None, 1; ``"linear"`` or ``"quadratic"`` in the
            distance of the classes' places.
        sample_weight: Shape (N,); None is 1 each.
        replace_undefined_by: Value where only one class occurs.

    Raises:
        ValueError: If the arguments are no labels of one length, none of ``labels`` occurs in
            ``y1``, or ``weights`` is unknown.

    Source: Cohen (1960), "A coefficient of agreement for nominal scales"; Cohen (1968) for
    weights.

    >>> cohen_kappa_score([0, 0, 1, 1], [0, 1, 1, 1])
    0.5
    """
    expect(weights in (None, "linear", "quadratic"), 'weights "linear", "quadratic" or None', weights)
    matrix = confusion_matrix(y1, y2, labels=labels, sample_weight=sample_weight)
    place = np.arange(len(matrix), dtype=np.float64)
    apart = abs(place[:, None] - place)                          # (C, C)
    cost = {None: (apart > 0).astype(np.float64), "linear": apart, "quadratic": apart ** 2}[weights]
    n = matrix.sum()
    chance = (cost * np.outer(matrix.sum(1), matrix.sum(0))).sum()             # times N
    return float(1 - n * (cost * matrix).sum() / chance) if chance > 0 else replace_undefined_by


# ---- scores: the threshold is left open

def _positives(y_true: ArrayLike, pos_label: Hashable | None) -> Array:
    """Return which samples are positive, shape (N,)."""
    true = _labels("y_true", y_true)
    if pos_label is None:
        found = _present(true).tolist()
        known = set(found) <= {0, 1} or set(found) <= {-1, 1}
        expect(known, "y_true of the labels 0 and 1, or −1 and 1, where there is no pos_label", found)
        pos_label = 1
    return true == pos_label


def _binary(y_true: ArrayLike, y_score: ArrayLike, pos_label: Hashable | None,
            sample_weight: ArrayLike | None) -> tuple[Array, Array, Array | None]:
    """Return which samples are positive, their scores and weights, (N,) each."""
    positive, score = _positives(y_true, pos_label), _numbers("y_score", y_score)
    _expect_length("y_score", score, len(positive))
    return positive, score, _weights(sample_weight, len(positive))


def _expect_both(positive: Array, weight: Array | None = None) -> None:
    seen = positive if weight is None else positive[weight > 0]
    expect(bool(seen.any() and not seen.all()), "y_true with positives and negatives",
           seen.astype(int).tolist())


class Thresholds(NamedTuple):
    """Counts at each threshold, the highest first; shape (T,) each.

    Attributes:
        tns: True negatives of the rule "report where score ≥ threshold".
        fps: False positives.
        fns: False negatives.
        tps: True positives.
        thresholds: The different scores, falling.
    """

    tns: Array
    fps: Array
    fns: Array
    tps: Array
    thresholds: Array


def _sweep(positive: Array, score: Array, weight: Array | None) -> Thresholds:
    """Sort by falling score, then walk down once: every prefix is a decision."""
    if weight is not None:                                   # without weight, not seen
        positive, score, weight = (a[weight > 0] for a in (positive, score, weight))
    order = np.argsort(-score, kind="stable")                # highest score first
    positive, score = positive[order], score[order]          # (N,)
    # equal scores are one threshold: where the last of each stands, (T,)
    last = np.flatnonzero(np.append(score[1:] != score[:-1], True))
    w = 1 if weight is None else weight[order]
    tps = np.cumsum(positive * w, dtype=np.float64)[last]    # positives so far
    fps = np.cumsum(~positive * w, dtype=np.float64)[last]   # negatives so far
    return Thresholds(fps[-1] - fps, fps, tps[-1] - tps, tps, score[last])


def confusion_matrix_at_thresholds(y_true: ArrayLike, y_score: ArrayLike, *,
                                   pos_label: Hashable | None = None,
                                   sample_weight: ArrayLike | None = None) -> Thresholds:
    r"""Return the four counts at every threshold, from one sorted pass over the scores.

    .. math:: TP(t) = \sum_n w_n [y_n = 1][s_n \ge t], \qquad FP(t) = \sum_n w_n [y_n = 0][s_n \ge t]

    Args:
        y_true: Labels, shape (N,): 0 and 1, −1 and 1, or any where ``pos_label`` is given.
        y_score: Scores s, shape (N,); higher means rather positive.
        pos_label: The positive label; None is 1.
        sample_weight: w, shape (N,); None is 1 each.

    Raises:
        ValueError: If lengths differ, labels are not binary, or a score is not finite.

    >>> confusion_matrix_at_thresholds([0, 1, 0, 1], [0.1, 0.9, 0.4, 0.4]).tps
    array([1., 2., 2.])
    """
    return _sweep(*_binary(y_true, y_score, pos_label, sample_weight))


def _roc(sweep: Thresholds, drop_intermediate: bool) -> tuple[Array, Array, Array]:
    fps, tps, thresholds = sweep.fps, sweep.tps, sweep.thresholds
    if drop_intermediate and len(fps) > 2:                       # keep the corners
        corner = (np.diff(fps, 2) != 0) | (np.diff(tps, 2) != 0)
        kept = np.concatenate([[True], corner, [True]])
        fps, tps, thresholds = fps[kept], tps[kept], thresholds[kept]
    return (np.append(0.0, fps) / fps[-1], np.append(0.0, tps) / tps[-1],
            np.append(np.inf, thresholds))


def roc_curve(y_true: ArrayLike, y_score: ArrayLike, *, pos_label: Hashable | None = None,
              sample_weight: ArrayLike | None = None,
              drop_intermediate: bool = True) -> tuple[Array, Array, Array]:
    r"""Return false-positive rates, true-positive rates and their thresholds.

    .. math:: \mathrm{FPR}(t) = FP(t) / (FP + TN), \qquad \mathrm{TPR}(t) = TP(t) / (TP + FN)

    Args:
        y_true: Labels, shape (N,): 0 and 1, −1 and 1, or any where ``pos_label`` is given.
        y_score: Scores, shape (N,); higher means rather positive.
        pos_label: The positive label; None is 1.
        sample_weight: Shape (N,); None is 1 each.
        drop_intermediate: Whether points on a straight line between others are left out.

    Returns:
        Rates, rising from 0 to 1, and thresholds, falling from ∞; shape (T,) each.

    Raises:
        ValueError: If lengths differ, labels are not binary, a score is not finite, or there
            are no positives or no negatives.

    >>> fpr, tpr, thresholds = roc_curve([0, 1, 0, 1], [0.1, 0.9, 0.5, 0.4])
    >>> fpr, tpr
    (array([0. , 0. , 0.5, 0.5, 1. ]), array([0. , 0.5, 0.5, 1. , 1. ]))
    """
    positive, score, weight = _binary(y_true, y_score, pos_label, sample_weight)
    _expect_both(positive, weight)
    return _roc(_sweep(positive, score, weight), drop_intermediate)


def _precision_recall(sweep: Thresholds, drop_intermediate: bool
                      ) -> tuple[Array, Array, Array]:
    fps, tps, thresholds = sweep.fps, sweep.tps, sweep.thresholds
    if drop_intermediate and len(fps) > 2:
        step = (np.diff(tps[:-1]) != 0) | (np.diff(tps[1:]) != 0)
        kept = np.concatenate([[True], step, [True]])
        fps, tps, thresholds = fps[kept], tps[kept], thresholds[kept]
    precision, recall = tps / (tps + fps), tps / tps[-1]
    return (np.append(precision[::-1], 1.0), np.append(recall[::-1], 0.0),
            thresholds[::-1])


def precision_recall_curve(y_true: ArrayLike, y_score: ArrayLike, *,
                           pos_label: Hashable | None = None,
                           sample_weight: ArrayLike | None = None,
                           drop_intermediate: bool = False) -> tuple[Array, Array, Array]:
    r"""Return precisions, recalls and their thresholds.

    .. math:: P(t) = TP(t) / (TP(t) + FP(t)), \qquad R(t) = TP(t) / (TP + FN)

    Args:
        y_true: Labels, shape (N,): 0 and 1, −1 and 1, or any where ``pos_label`` is given.
        y_score: Scores, shape (N,); higher means rather positive.
        pos_label: The positive label; None is 1.
        sample_weight: Shape (N,); None is 1 each.
        drop_intermediate: Whether points at which neither neighbour has another recall are
            left out.

    Returns:
        Precisions and recalls, shape (T + 1,), and thresholds, rising, shape (T,). The last
        point, precision 1 and recall 0, has no threshold.

    Raises:
        ValueError: If lengths differ, labels are not binary, a score is not finite, or there
            are no positives.

    >>> precision, recall, _ = precision_recall_curve([0, 1, 0, 1], [0.1, 0.9, 0.5, 0.4])
    >>> recall
    array([1. , 1. , 0.5, 0.5, 0. ])
    """
    positive, score, weight = _binary(y_true, y_score, pos_label, sample_weight)
    seen = positive if weight is None else positive[weight > 0]
    expect(bool(seen.any()), "y_true with positives", seen.astype(int).tolist())
    return _precision_recall(_sweep(positive, score, weight), drop_intermediate)


def auc(x: ArrayLike, y: ArrayLike) -> float:
    r"""Return the area under a curve by the trapezoidal rule.

    .. math:: \left| \sum_i (x_{i+1} - x_i) \, \tfrac12 (y_i + y_{i+1}) \right|

    Args:
        x: Shape (T,), only rising or only falling.
        y: Shape (T,).

    Raises:
        ValueError: If there are fewer than two points, lengths differ, or x turns back.

    >>> auc([0, 0.5, 1], [0, 1, 1])
    0.75
    """
    x, y = _numbers("x", x), _numbers("y", y)
    expect(len(x) >= 2, "at least 2 points", x)
    expect(len(y) == len(x), f"y of {len(x)} points, as x has", y)
    steps = np.diff(x)
    falling = bool((steps <= 0).all())
    expect(falling or bool((steps >= 0).all()), "x that only rises or only falls", x)
    area = (steps * (y[1:] + y[:-1])).sum() / 2
    return float(-area if falling else area)


def _binary_auc(positive: Array, score: Array, weight: Array | None,
                max_fpr: float | None = None) -> float:
    _expect_both(positive, weight)
    fpr, tpr, _ = _roc(_sweep(positive, score, weight), drop_intermediate=True)
    if max_fpr is None or max_fpr == 1:
        return auc(fpr, tpr)
    stop = int(np.searchsorted(fpr, max_fpr, "right"))
    height = np.interp(max_fpr, fpr[stop - 1:stop + 1], tpr[stop - 1:stop + 1])
    part = auc(np.append(fpr[:stop], max_fpr), np.append(tpr[:stop], height))
    least = max_fpr ** 2 / 2                                     # what guessing gets
    return (1 + (part - least) / (max_fpr - least)) / 2


def _scores_of_classes(true: Array, y_score: ArrayLike, labels: ArrayLike | None,
                       name: str = "y_score") -> tuple[Array, Array]:
    """Return the scores (N, C) and the place of each true class (N,)."""
    score = _numbers(name, y_score, (2,))
    _expect_length(name, score, len(true))
    classes = _present(true) if labels is None else _classes(labels)
    expect(bool((classes[:-1] < classes[1:]).all()), "labels in rising order", labels)
    where = "y_true" if labels is None else "labels"
    expect(len(classes) == score.shape[1],
           f"{name} of {len(classes)} columns, one a class of {where}", y_score)
    place = _places(true, classes)
    expect(bool((place >= 0).all()), "y_true of none but the given labels", true)
    return score, place


def _one_vs_rest(metric: Callable[[Array, Array, Array | None], float], place: Array, score: Array,
                 average: str | None, weight: Array | None) -> float | Array:
    hot = place[:, None] == np.arange(score.shape[1])            # (N, C)
    if average == "micro":
        spread = None if weight is None else np.repeat(weight, score.shape[1])
        return metric(hot.ravel(), score.ravel(), spread)
    values = np.array([metric(h, s, weight) for h, s in zip(hot.T, score.T, strict=True)])
    if average is None:
        return values
    counts = np.bincount(place, weight, minlength=score.shape[1])
    return _mean(values, counts if average == "weighted" else None)


def roc_auc_score(y_true: ArrayLike, y_score: ArrayLike, *, average: str | None = "macro",
                  sample_weight: ArrayLike | None = None, max_fpr: float | None = None,
                  multi_class: str = "raise", labels: ArrayLike | None = None) -> float | Array:
    r"""Return the area under the ROC curve.

    .. math:: \mathrm{AUC} = P(s_+ > s_-) + \tfrac12 P(s_+ = s_-)

    for the scores of a random positive and a random negative (:func:`roc_auc_by_ranks` computes
    it so). With more than two classes, each class against the rest, or each pair of classes.

    Args:
        y_true: Classes, shape (N,). Of two classes the greater is the positive.
        y_score: Scores, shape (N,); with more classes probabilities, shape (N, C).
        average: With more classes: ``"macro"``, ``"weighted"`` by their counts; against the rest
            also ``"micro"`` (all cells of the one-hot matrix) and None (each class).
        sample_weight: Shape (N,); None is 1 each; not for pairs.
        max_fpr: Only the area up to this false-positive rate, rescaled so that guessing is ½ and
            perfect is 1; two classes only.
        multi_class: ``"ovr"`` (one against the rest) or ``"ovo"`` (one against one, the mean of
            both directions); needed with more than two classes.
        labels: The classes of the columns, rising, shape (C,); None takes those of ``y_true``.

    Raises:
        ValueError: If shapes do not match, an option is unknown, or a class has no sample or no
            counterpart.

    Source: Hanley and McNeil (1982); McClish (1989) for ``max_fpr``; Hand and Till (2001) for
    pairs of classes.

    >>> roc_auc_score([0, 1, 0, 1], [0.1, 0.9, 0.5, 0.4])
    0.75
    """
    true = _labels("y_true", y_true)
    expect(average in ("macro", "weighted", "micro", None),
           'average "macro", "weighted", "micro" or None', average)
    expect(max_fpr is None or (isinstance(max_fpr, int | float) and 0 < max_fpr <= 1),
           "max_fpr above 0 and at most 1", max_fpr)
    present, array = _present(true), _array("y_score", y_score)
    if len(present) <= 2 and not (array.ndim == 2 and array.shape[1] > 2):
        expect(len(present) == 2, "y_true of two classes", present.tolist())
        return _binary_auc(*_binary(true, y_score, present[1], sample_weight), max_fpr)
    expect(max_fpr in (None, 1), "no max_fpr with more than two classes", max_fpr)
    expect(multi_class in ("ovr", "ovo"), 'multi_class "ovr" or "ovo"', multi_class)
    score, place = _scores_of_classes(true, y_score, labels)
    expect(np.allclose(score.sum(1), 1), "y_score of rows that add up to 1", y_score)
    if multi_class == "ovr":
        return _one_vs_rest(_binary_auc, place, score, average, _weights(sample_weight, len(true)))
    expect(sample_weight is None, 'no sample_weight where multi_class="ovo"', sample_weight)
    expect(average in ("macro", "weighted"), 'average "macro" or "weighted" where multi_class="ovo"',
           average)
    return _one_vs_one(place, score, average)


def _one_vs_one(place: Array, score: Array, average: str) -> float:
    classes, values, shares = np.unique(place), [], []
    for k, a in enumerate(classes):
        for b in classes[k + 1:]:
            pair = (place == a) | (place == b)
            areas = [_binary_auc(place[pair] == c, score[pair, c], None) for c in (a, b)]
            values.append(sum(areas) / 2)
            shares.append(pair.mean())
    return _mean(np.array(values), np.array(shares) if average == "weighted" else None)


def roc_auc_by_ranks(y_true: ArrayLike, y_score: ArrayLike, *,
                     pos_label: Hashable | None = None) -> float:
    r"""Return the AUC as a rank statistic: the chance that a positive scores above a negative.

    .. math:: \mathrm{AUC} = \frac{\sum_{n: y_n = 1} r_n - \tfrac12 P (P + 1)}{P\, Q}

    with r the ranks of the scores, 1 the lowest, equal scores sharing the mean of theirs, and P
    positives, Q negatives. The numerator is the statistic U of Mann and Whitney.

    Args:
        y_true: Labels, shape (N,): 0 and 1, −1 and 1, or any where ``pos_label`` is given.
        y_score: Scores, shape (N,).
        pos_label: The positive label; None is 1.

    Raises:
        ValueError: If lengths differ, labels are not binary, a score is not finite, or there
            are no positives or no negatives.

    Source: Mann and Whitney (1947), "On a test of whether one of two random variables is
    stochastically larger than the other".

    >>> roc_auc_by_ranks([0, 1, 0, 1], [0.1, 0.9, 0.5, 0.4])
    0.75
    """
    positive, score, _ = _binary(y_true, y_score, pos_label, None)
    _expect_both(positive)
    _, group, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - (count - 1) / 2                    # mean rank of equal scores
    p = int(positive.sum())
    return float((rank[group][positive].sum() - p * (p + 1) / 2) / (p * (len(score) - p)))


def _binary_ap(positive: Array, score: Array, weight: Array | None) -> float:
    seen = positive if weight is None else positive[weight > 0]
    expect(bool(seen.any()), "y_true with positives of each class", seen.astype(int).tolist())
    precision, recall, _ = _precision_recall(_sweep(positive, score, weight), False)
    return max(0.0, float(-(np.diff(recall) * precision[:-1]).sum()))


def average_precision_score(y_true: ArrayLike, y_score: ArrayLike, *, average: str | None = "macro",
                            pos_label: Hashable = 1,
                            sample_weight: ArrayLike | None = None) -> float | Array:
    r"""Return the area under the steps of the precision–recall curve.

    .. math:: \mathrm{AP} = \sum_t (R_t - R_{t-1})\, P_t

    the mean, over the positives, of the precision at the threshold at which each is found.

    Args:
        y_true: Classes, shape (N,).
        y_score: Scores, shape (N,); with more than two classes (N, C), one column a class.
        average: With more than two classes: ``"macro"``, ``"weighted"``, ``"micro"`` or None.
        pos_label: The positive one of two classes.
        sample_weight: Shape (N,); None is 1 each.

    Raises:
        ValueError: If shapes do not match, an option is unknown, or there are no positives.

    >>> average_precision_score([0, 1, 0, 1], [0.1, 0.9, 0.5, 0.4])
    0.8333333333333333
    """
    true = _labels("y_true", y_true)
    expect(average in ("macro", "weighted", "micro", None),
           'average "macro", "weighted", "micro" or None', average)
    present = _present(true).tolist()
    if len(present) > 2:
        score, place = _scores_of_classes(true, y_score, None)
        return _one_vs_rest(_binary_ap, place, score, average, _weights(sample_weight, len(true)))
    expect(pos_label in present or len(present) < 2, f"pos_label {pos_label!r} among the labels",
           present)
    return _binary_ap(*_binary(true, y_score, pos_label, sample_weight))


def top_k_accuracy_score(y_true: ArrayLike, y_score: ArrayLike, *, k: int = 2,
                         normalize: bool = True, sample_weight: ArrayLike | None = None,
                         labels: ArrayLike | None = None) -> float:
    r"""Return the share of samples whose class is among the k highest scores.

    .. math:: \frac{1}{N} \sum_n \Big[ \#\{c : s_{nc} > s_{n y_n}\} < k \Big]

    Args:
        y_true: Classes, shape (N,).
        y_score: Scores, shape (N, C). Of equal scores the later class stands first, as in
            scikit-learn. With two classes also (N,), decided at ½ if all lie in 0 … 1, else at 0.
        k: From 1 to C − 1.
        normalize: False returns the number, or the weight, of the hits.
        sample_weight: Shape (N,); None is 1 each.
        labels: The classes of the columns, rising, shape (C,); None takes those of ``y_true``.

    Raises:
        ValueError: If shapes do not match, or k is out of range (with k = C all are hits).

    >>> top_k_accuracy_score([0, 1, 2], [[0.5, 0.2, 0.3], [0.3, 0.2, 0.5], [0.1, 0.2, 0.7]], k=1)
    0.6666666666666666
    """
    true = _labels("y_true", y_true)
    weight, array = _weights(sample_weight, len(true)), _array("y_score", y_score)
    if array.ndim == 1:
        classes = _present(true) if labels is None else _classes(labels)
        expect(len(classes) == 2, "y_score of shape (N, C) where there are not two classes", y_score)
        score, place = _numbers("y_score", y_score), _places(true, classes)
        _expect_length("y_score", score, len(true))
        expect(bool((place >= 0).all()), "y_true of none but the given labels", true)
        high = score > (0.5 if score.min() >= 0 and score.max() <= 1 else 0)
        size, hits = 2, place == high
    else:
        score, place = _scores_of_classes(true, y_score, labels)
        own, size = np.take_along_axis(score, place[:, None], 1), score.shape[1]   # (N, 1)
        later = (score == own) & (np.arange(size) > place[:, None])
        hits = ((score > own) | later).sum(1) < k
    expect(isinstance(k, int) and 1 <= k < size, f"k from 1 to {size - 1}, below the classes", k)
    if normalize:
        return _mean(hits, weight)
    return float(hits.sum() if weight is None else hits @ weight)


# ---- probabilities: can they be believed?

def _probabilities(name: str, value: ArrayLike, ndim: Sequence[int]) -> Array:
    p = _numbers(name, value, ndim)
    expect(bool(p.min() >= 0 and p.max() <= 1), f"{name} of probabilities in 0 … 1", value)
    return p


def _probability_table(y_true: ArrayLike, y_proba: ArrayLike, labels: ArrayLike | None
                       ) -> tuple[Array, Array, float]:
    """Return probabilities (N, C), the places of the true classes (N,), and the type's epsilon."""
    true, p = _labels("y_true", y_true), _probabilities("y_proba", y_proba, (1, 2))
    kind = _array("y_proba", y_proba).dtype
    eps = float(np.finfo(kind if kind.kind == "f" else np.float64).eps)
    if p.ndim == 1:
        p = p[:, None]
    if p.shape[1] == 1:
        p = np.hstack([1 - p, p])
    expect(np.allclose(p.sum(1), 1, rtol=math.sqrt(eps), atol=0), "y_proba of rows that add up to 1",
           y_proba)
    given = _present(true) if labels is None else np.sort(_classes(labels))
    expect(len(given) > 1, "at least two classes: name them all in labels", given.tolist())
    p, place = _scores_of_classes(true, p, given, "y_proba")
    return p, place, eps


def log_loss(y_true: ArrayLike, y_proba: ArrayLike, *, normalize: bool = True,
             sample_weight: ArrayLike | None = None, labels: ArrayLike | None = None) -> float:
    r"""Return the mean of −log of the probability that was given to the true class.

    .. math:: -\frac{1}{N} \sum_n \log p_{n y_n}

    the cross-entropy of 4.1, in nats.

    Args:
        y_true: Classes, shape (N,).
        y_proba: Probabilities, shape (N, C), columns in the sorted order of the classes, rows
            that add up to 1; or of the second of two classes, shape (N,). They are moved away
            from 0 and 1 by the type's epsilon, so that the loss stays finite.
        normalize: False returns the sum.
        sample_weight: Shape (N,); None is 1 each.
        labels: All classes, shape (C,); None takes those of ``y_true``.

    Raises:
        ValueError: If shapes do not match, there are no probabilities, or ``y_true`` has one
            class and ``labels`` is None.

    >>> log_loss([0, 1], [[0.75, 0.25], [0.5, 0.5]])
    0.4904146265058631
    """
    p, place, eps = _probability_table(y_true, y_proba, labels)
    weight = _weights(sample_weight, len(place))
    loss = -np.log(np.take_along_axis(p, place[:, None], 1)[:, 0].clip(eps, 1 - eps))     # (N,)
    if normalize:
        return _mean(loss, weight)
    return float(loss.sum() if weight is None else loss @ weight)


def brier_score_loss(y_true: ArrayLike, y_proba: ArrayLike, *,
                     sample_weight: ArrayLike | None = None, pos_label: Hashable | None = None,
                     labels: ArrayLike | None = None,
                     scale_by_half: bool | str = "auto") -> float:
    r"""Return the mean squared distance of probabilities from what happened.

    .. math:: \frac{1}{N} \sum_n (p_n - y_n)^2, \qquad
       \text{C classes: } \frac{1}{N} \sum_n \sum_c (p_{nc} - [y_n = c])^2

    Args:
        y_true: Classes, shape (N,).
        y_proba: Probabilities of the positive class, shape (N,), or of all, shape (N, C).
        sample_weight: Shape (N,); None is 1 each.
        pos_label: The positive label with (N,); None is 1.
        labels: All classes with (N, C); None takes those of ``y_true``.
        scale_by_half: Whether the sum over classes is halved, which makes the two formulas the
            same for two classes; ``"auto"`` halves there and only there.

    Raises:
        ValueError: If shapes do not match or there are no probabilities.

    Source: Brier (1950), "Verification of forecasts expressed in terms of probability".

    >>> brier_score_loss([0, 1, 1], [0.1, 0.8, 0.5])
    0.09999999999999999
    """
    expect(scale_by_half in (True, False, "auto"), 'scale_by_half True, False or "auto"',
           scale_by_half)
    if _array("y_proba", y_proba).ndim == 1:
        positive, p = _positives(y_true, pos_label), _probabilities("y_proba", y_proba, (1,))
        _expect_length("y_proba", p, len(positive))
        squares, classes = 2 * (p - positive) ** 2, 2
    else:
        p, place, _ = _probability_table(y_true, y_proba, labels)
        squares, classes = ((p - (place[:, None] == np.arange(p.shape[1]))) ** 2).sum(1), p.shape[1]
    half = classes < 3 if scale_by_half == "auto" else scale_by_half
    return _mean(squares, _weights(sample_weight, len(squares))) * (0.5 if half else 1.0)


class Bins(NamedTuple):
    """Probabilities in bins; shape (B,) each, empty bins have nan.

    Attributes:
        prob_true: Share of positives among the samples of a bin.
        prob_pred: Mean of their probabilities.
        counts: How many they are.
    """

    prob_true: Array
    prob_pred: Array
    counts: Array


def _bins(happened: Array, p: Array, n_bins: int, strategy: str) -> Bins:
    expect_count("n_bins", n_bins)
    expect(strategy in ("uniform", "quantile"), 'strategy "uniform" or "quantile"', strategy)
    edges = np.linspace(0, 1, n_bins + 1)
    if strategy == "quantile":
        edges = np.percentile(p, 100 * edges)
    place = np.searchsorted(edges[1:-1], p)                      # bins hold their right edge
    counts = np.bincount(place, minlength=n_bins)
    sums = [np.bincount(place, values, minlength=n_bins) for values in (happened, p)]
    empty = np.full(n_bins, np.nan)
    means = [np.divide(s, counts, out=empty.copy(), where=counts > 0) for s in sums]
    return Bins(*means, counts)


def calibration_curve(y_true: ArrayLike, y_prob: ArrayLike, *, pos_label: Hashable | None = None,
                      n_bins: int = 5, strategy: str = "uniform") -> tuple[Array, Array]:
    r"""Return, bin by bin, how often it happened and how probable it was said to be.

    .. math:: \bar y_b = \frac{1}{|B_b|} \sum_{n \in B_b} y_n, \qquad
       \bar p_b = \frac{1}{|B_b|} \sum_{n \in B_b} p_n

    Args:
        y_true: Labels, shape (N,): 0 and 1, −1 and 1, or any two where ``pos_label`` is given.
        y_prob: Probabilities of the positive label, shape (N,).
        pos_label: The positive label; None is 1.
        n_bins: B.
        strategy: ``"uniform"``: bins of one width; ``"quantile"``: of one number of samples.

    Returns:
        :math:`\bar y` and :math:`\bar p` of the bins that are not empty.

    Raises:
        ValueError: If lengths differ, labels are not binary, there are no probabilities, or an
            option is unknown.

    >>> calibration_curve([0, 0, 1, 1], [0.1, 0.2, 0.9, 0.8], n_bins=2)
    (array([0., 1.]), array([0.15, 0.85]))
    """
    positive, p = _positives(y_true, pos_label), _probabilities("y_prob", y_prob, (1,))
    _expect_length("y_prob", p, len(positive))
    found = _present(_labels("y_true", y_true)).tolist()
    expect(len(found) <= 2, "y_true of two classes", found)
    bins = _bins(positive, p, n_bins, strategy)
    kept = bins.counts > 0
    return bins.prob_true[kept], bins.prob_pred[kept]


def expected_calibration_error(y_true: ArrayLike, y_proba: ArrayLike, *, n_bins: int = 15,
                               strategy: str = "uniform",
                               labels: ArrayLike | None = None) -> float:
    r"""Return the mean distance of stated and observed probability, over bins.

    .. math:: \mathrm{ECE} = \sum_b \frac{|B_b|}{N} \left| \bar y_b - \bar p_b \right|

    Args:
        y_true: Classes, shape (N,).
        y_proba: Probabilities, shape (N, C): then of the class that is predicted, against whether
            it was right. Or shape (N,): of label 1, against whether it was 1.
        n_bins: Number of bins; the value depends on it.
        strategy: ``"uniform"`` or ``"quantile"``, as in :func:`calibration_curve`.
        labels: The classes of the columns, rising, shape (C,); None takes 0 … C − 1.

    Raises:
        ValueError: If shapes do not match, there are no probabilities, or an option is unknown.

    Source: Naeini, Cooper and Hauskrecht (2015), "Obtaining well calibrated probabilities using
    Bayesian binning"; Guo et al. (2017) for several classes.

    >>> round(expected_calibration_error([0, 1, 1, 1], [[0.9, 0.1]] * 2 + [[0.2, 0.8]] * 2), 6)
    0.3
    """
    p = _probabilities("y_proba", y_proba, (1, 2))
    if p.ndim == 1:
        happened, stated = _positives(y_true, None), p
        _expect_length("y_proba", p, len(happened))
    else:
        p, place, _ = _probability_table(
            y_true, y_proba, np.arange(p.shape[1]) if labels is None else labels)
        happened, stated = p.argmax(1) == place, p.max(1)
    bins = _bins(happened, stated, n_bins, strategy)
    gaps = abs(bins.prob_true - bins.prob_pred)
    return float(np.nansum(bins.counts * gaps) / len(stated))


def fit_temperature(logits: ArrayLike, y_true: ArrayLike) -> float:
    r"""Return the temperature that makes held-out scores say probabilities that hold.

    .. math:: T^\star = \arg\min_{T > 0} \; -\frac1N \sum_n \log \mathrm{softmax}(z_n / T)_{y_n}

    Dividing all scores by one number changes no decision. In :math:`1 / T` the loss is convex;
    Newton's steps find its minimum, kept inside a shrinking interval.

    Args:
        logits: Scores z, shape (N, C), of samples that the network was not trained on.
        y_true: Class numbers 0 … C − 1, shape (N,).

    Raises:
        ValueError: If shapes do not match, labels are out of range, or there is no minimum: all
            answers are right (T → 0), or the scores are no better than chance (T → ∞).

    Source: Guo et al. (2017), "On calibration of modern neural networks".

    >>> round(fit_temperature([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [0.0, 2.0]], [0, 0, 1, 1]), 4)
    1.8205
    """
    true = _labels("y_true", y_true)
    z = _numbers("logits", logits, (2,))
    z, place = _scores_of_classes(true, z, np.arange(z.shape[1]), "logits")
    z = z - z.max(1, keepdims=True)                              # (N, C), at most 0
    own = np.take_along_axis(z, place[:, None], 1).mean()
    expect(own < 0, "logits that are sometimes wrong", logits)
    expect(own > z.mean(), "logits that are better than chance", logits)

    def slope(b: float) -> tuple[float, float]:
        """Return the first and second derivative of the loss in b = 1 / T."""
        p = np.exp(b * z)
        p /= p.sum(1, keepdims=True)
        mean = (p * z).sum(1)
        return mean.mean() - own, ((p * z * z).sum(1) - mean ** 2).mean()

    low, high = 0.0, 1 / -z.min()
    while slope(high)[0] <= 0:
        low, high = high, 2 * high
    b = high
    for _ in range(200):
        first, second = slope(b)
        low, high = (low, b) if first > 0 else (b, high)
        following = b - first / second if second > 0 else low
        following = following if low < following < high else (low + high) / 2
        if abs(following - b) <= 1e-14 * b:
            break
        b = following
    return float(1 / b)


# ---- regression

def _targets(y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None
             ) -> tuple[Array, Array, Array | None]:
    """Return targets and predictions, (N, D) each."""
    true, predicted = _numbers("y_true", y_true, (1, 2)), _numbers("y_pred", y_pred, (1, 2))
    expect(predicted.shape == true.shape, f"y_pred of the shape of y_true, {true.shape}", y_pred)
    weight = _weights(sample_weight, len(true))
    if true.ndim == 1:
        true, predicted = true[:, None], predicted[:, None]
    return true, predicted, weight


def _outputs(values: Array, multioutput: str | ArrayLike, variance: Array | None = None
             ) -> float | Array:
    """Average over the outputs, shape (D,)."""
    if isinstance(multioutput, str):
        known = ["raw_values", "uniform_average"] + (["variance_weighted"] if variance is not None else [])
        expect(multioutput in known, f"multioutput {' or '.join(known)}, or weights", multioutput)
        if multioutput == "raw_values":
            return values
        weighted = multioutput == "variance_weighted" and variance.any()
        return _mean(values, variance if weighted else None)
    weight = _weights(multioutput, len(values))
    return _mean(values, weight)


def mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike, *,
                       sample_weight: ArrayLike | None = None,
                       multioutput: str | ArrayLike = "uniform_average") -> float | Array:
    r"""Return the mean squared error.

    .. math:: \frac1N \sum_n (y_n - \hat y_n)^2

    Args:
        y_true: Targets, shape (N,) or (N, D).
        y_pred: Predictions, the same shape.
        sample_weight: Shape (N,); None is 1 each.
        multioutput: ``"uniform_average"`` over the D outputs, ``"raw_values"`` for each, or
            weights of shape (D,).

    Raises:
        ValueError: If shapes differ or a number is not finite.

    >>> mean_squared_error([1.0, 2.0], [1.0, 4.0])
    2.0
    """
    true, predicted, weight = _targets(y_true, y_pred, sample_weight)
    return _outputs(np.average((true - predicted) ** 2, 0, weight), multioutput)


def root_mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike, *,
                            sample_weight: ArrayLike | None = None,
                            multioutput: str | ArrayLike = "uniform_average") -> float | Array:
    r"""Return the root of the mean squared error, in the unit of the target.

    .. math:: \sqrt{\frac1N \sum_n (y_n - \hat y_n)^2}

    Args:
        y_true: Targets, shape (N,) or (N, D).
        y_pred: Predictions, the same shape.
        sample_weight: Shape (N,); None is 1 each.
        multioutput: As in :func:`mean_squared_error`; the root comes before the average.

    Raises:
        ValueError: If shapes differ or a number is not finite.

    >>> root_mean_squared_error([1.0, 2.0], [1.0, 4.0])
    1.4142135623730951
    """
    true, predicted, weight = _targets(y_true, y_pred, sample_weight)
    return _outputs(np.sqrt(np.average((true - predicted) ** 2, 0, weight)), multioutput)


def mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike, *,
                        sample_weight: ArrayLike | None = None,
                        multioutput: str | ArrayLike = "uniform_average") -> float | Array:
    r"""Return the mean absolute error.

    .. math:: \frac1N \sum_n |y_n - \hat y_n|

    Args:
        y_true: Targets, shape (N,) or (N, D).
        y_pred: Predictions, the same shape.
        sample_weight: Shape (N,); None is 1 each.
        multioutput: As in :func:`mean_squared_error`.

    Raises:
        ValueError: If shapes differ or a number is not finite.

    >>> mean_absolute_error([1.0, 2.0], [1.0, 4.0])
    1.0
    """
    true, predicted, weight = _targets(y_true, y_pred, sample_weight)
    return _outputs(np.average(abs(true - predicted), 0, weight), multioutput)


def median_absolute_error(y_true: ArrayLike, y_pred: ArrayLike, *,
                          multioutput: str | ArrayLike = "uniform_average") -> float | Array:
    r"""Return the median of the absolute errors, which a few wild ones do not move.

    .. math:: \operatorname{median}_n |y_n - \hat y_n|

    Args:
        y_true: Targets, shape (N,) or (N, D).
        y_pred: Predictions, the same shape.
        multioutput: As in :func:`mean_squared_error`.

    Raises:
        ValueError: If shapes differ or a number is not finite.

    >>> median_absolute_error([1.0, 2.0, 3.0], [1.0, 2.5, 99.0])
    0.5
    """
    true, predicted, _ = _targets(y_true, y_pred, None)
    return _outputs(np.median(abs(true - predicted), 0), multioutput)


def _explained(left: Array, total: Array, multioutput: str | ArrayLike, force_finite: bool
               ) -> float | Array:
    """Return 1 − left / total, of a constant target 1 if nothing is left, else 0."""
    if force_finite:
        values = np.where(left == 0, 1.0, 0.0)
        np.divide(left, total, out=values, where=(total != 0) & (left != 0))
        values = np.where((total != 0) & (left != 0), 1 - values, values)
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = 1 - left / total
    return _outputs(values, multioutput, total)


def r2_score(y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None,
             multioutput: str | ArrayLike = "uniform_average",
             force_finite: bool = True) -> float | Array:
    r"""Return the share of the target's variance that the errors leave not.

    .. math:: R^2 = 1 - \frac{\sum_n (y_n - \hat y_n)^2}{\sum_n (y_n - \bar y)^2}

    with :math:`\bar y` the mean of these very targets. Predicting it gives 0, worse is negative.

    Args:
        y_true: Targets, shape (N,) or (N, D).
        y_pred: Predictions, the same shape.
        sample_weight: Shape (N,); None is 1 each.
        multioutput: ``"uniform_average"``, ``"raw_values"``, ``"variance_weighted"`` by the
            variances of the targets, or weights of shape (D,).
        force_finite: Whether a constant target gives 1 where it is hit exactly and 0 elsewhere;
            otherwise nan and −∞.

    Raises:
        ValueError: If shapes differ, a number is not finite, or there is one sample only.

    >>> r2_score([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])
    0.5
    """
    true, predicted, weight = _targets(y_true, y_pred, sample_weight)
    expect(len(true) > 1, "at least two samples", y_true)
    w = 1.0 if weight is None else weight[:, None]
    left = (w * (true - predicted) ** 2).sum(0)
    total = (w * (true - np.average(true, 0, weight)) ** 2).sum(0)
    return _explained(left, total, multioutput, force_finite)


def explained_variance_score(y_true: ArrayLike, y_pred: ArrayLike, *,
                             sample_weight: ArrayLike | None = None,
                             multioutput: str | ArrayLike = "uniform_average",
                             force_finite: bool = True) -> float | Array:
    r"""Return the share of the target's variance that the errors' variance leaves not.

    .. math:: 1 - \frac{\operatorname{Var}(y - \hat y)}{\operatorname{Var}(y)}

    It is R² for errors with mean 0. A constant error costs nothing here.

    Args:
        y_true: Targets, shape (N,) or (N, D).
        y_pred: Predictions, the same shape.
        sample_weight: Shape (N,); None is 1 each.
        multioutput: As in :func:`r2_score`.
        force_finite: As in :func:`r2_score`.

    Raises:
        ValueError: If shapes differ or a number is not finite.

    >>> explained_variance_score([1.0, 2.0, 3.0], [11.0, 12.0, 13.0])
    1.0
    """
    true, predicted, weight = _targets(y_true, y_pred, sample_weight)

    def variance(values: Array) -> Array:
        return np.average((values - np.average(values, 0, weight)) ** 2, 0, weight)

    return _explained(variance(true - predicted), variance(true), multioutput, force_finite)


# ---- ranked lists

def _lists(y_true: ArrayLike, y_score: ArrayLike) -> tuple[Array, Array]:
    """Return relevances and scores, (N, K) each."""
    true, score = _numbers("y_true", y_true, (2,)), _numbers("y_score", y_score, (2,))
    expect(score.shape == true.shape, f"y_score of the shape of y_true, {true.shape}", y_score)
    return true, score


def _expect_k(k: int | None) -> None:
    expect(k is None or (isinstance(k, int) and k >= 1), "k of at least 1, or None", k)


def _expect_relevant(true: Array) -> None:
    expect(bool(np.isin(true, (0, 1)).all()), "y_true of 0 and 1", true)
    expect(bool(true.any(1).all()), "y_true with something relevant in every row", true)


def _ranked_sum(gain: Array, score: Array, discount: Array) -> Array:
    """Return Σ gain × discount of the rank, (N,); equal scores share the mean of their discounts."""
    rows, size = gain.shape
    order = np.argsort(-score, axis=1, kind="stable")            # (N, K), best first
    ranked = np.take_along_axis(score, order, 1)
    fresh = np.ones((rows, size), bool)
    fresh[:, 1:] = ranked[:, 1:] != ranked[:, :-1]               # where a new score begins
    group = np.cumsum(fresh.ravel()) - 1                         # its number, all rows in one count
    mean = np.bincount(group, np.tile(discount, rows)) / np.bincount(group)
    return (np.take_along_axis(gain, order, 1) * mean[group].reshape(rows, size)).sum(1)


def _discount(size: int, k: int | None, log_base: float) -> Array:
    discount = math.log(log_base) / np.log(np.arange(size) + 2)  # 1 / log(rank + 1)
    discount[k if k is not None else size:] = 0
    return discount


def dcg_score(y_true: ArrayLike, y_score: ArrayLike, *, k: int | None = None, log_base: float = 2,
              sample_weight: ArrayLike | None = None) -> float:
    r"""Return the discounted cumulative gain of ranked lists, their mean.

    .. math:: \mathrm{DCG}@k = \sum_{r=1}^{k} \frac{g_r}{\log_2 (r + 1)}

    with :math:`g_r` the relevance of what stands at rank r. Equal scores are averaged over their
    orders.

    Args:
        y_true: Relevances, shape (N, K): N lists of K entries.
        y_score: Scores by which each list is sorted, shape (N, K).
        k: Only the first k ranks count; None is all.
        log_base: Of the logarithm.
        sample_weight: Weight of each list, shape (N,); None is 1 each.

    Raises:
        ValueError: If shapes differ, k is below 1 or the base not above 1.

    Source: Järvelin and Kekäläinen (2002), "Cumulated gain-based evaluation of IR techniques".
    They discount from rank ``log_base`` on; this form is the usual one. Some take
    :math:`2^g - 1` as the gain.

    >>> round(dcg_score([[3, 0, 1]], [[0.9, 0.5, 0.1]]), 6)
    3.5
    """
    true, score = _lists(y_true, y_score)
    _expect_k(k)
    expect(isinstance(log_base, int | float) and log_base > 1, "log_base above 1", log_base)
    values = _ranked_sum(true, score, _discount(true.shape[1], k, log_base))
    return _mean(values, _weights(sample_weight, len(true)))


def ndcg_score(y_true: ArrayLike, y_score: ArrayLike, *, k: int | None = None,
               sample_weight: ArrayLike | None = None) -> float:
    r"""Return the discounted cumulative gain as a share of the best possible, its mean.

    .. math:: \mathrm{NDCG}@k = \frac{\mathrm{DCG}@k}{\max_\text{orders} \mathrm{DCG}@k}

    Args:
        y_true: Relevances of at least 0, shape (N, K): N lists of K entries.
        y_score: Scores by which each list is sorted, shape (N, K).
        k: Only the first k ranks count; None is all.
        sample_weight: Weight of each list, shape (N,); None is 1 each.

    Returns:
        From 0 to 1; a list without anything relevant counts 0.

    Raises:
        ValueError: If shapes differ, a relevance is negative, a list has one entry, or k is
            below 1.

    Source: Järvelin and Kekäläinen (2002), "Cumulated gain-based evaluation of IR techniques".

    >>> round(ndcg_score([[3, 0, 1]], [[0.1, 0.5, 0.9]]), 4)
    0.6885
    """
    true, score = _lists(y_true, y_score)
    _expect_k(k)
    expect(bool((true >= 0).all()), "y_true of relevances of at least 0", y_true)
    expect(true.shape[1] > 1, "lists of at least two entries", y_true)
    discount = _discount(true.shape[1], k, 2)
    best = -np.sort(-true, 1) @ discount                         # (N,)
    gain = _ranked_sum(true, score, discount)
    return _mean(np.divide(gain, best, out=np.zeros(len(true)), where=best > 0),
                 _weights(sample_weight, len(true)))


def recall_at_k(y_true: ArrayLike, y_score: ArrayLike, k: int) -> float:
    r"""Return the share of the relevant entries among the first k of each list, its mean.

    .. math:: \mathrm{recall}@k = \frac{\#\{\text{relevant at ranks } 1 \dots k\}}{\#\{\text{relevant}\}}

    Equal scores are averaged over their orders.

    Args:
        y_true: 1 where relevant, else 0, shape (N, K).
        y_score: Scores by which each list is sorted, shape (N, K).
        k: How many entries are read, from 1 to K.

    Raises:
        ValueError: If shapes differ, a relevance is neither 0 nor 1, a list has nothing relevant,
            or k is out of range.

    >>> recall_at_k([[1, 0, 1, 0]], [[0.9, 0.8, 0.3, 0.1]], k=2)
    0.5
    """
    true, score = _lists(y_true, y_score)
    _expect_relevant(true)
    size = true.shape[1]
    expect(isinstance(k, int) and 1 <= k <= size, f"k from 1 to {size}", k)
    read = (np.arange(size) < k).astype(np.float64)
    return float((_ranked_sum(true, score, read) / true.sum(1)).mean())


def mean_reciprocal_rank(y_true: ArrayLike, y_score: ArrayLike) -> float:
    r"""Return the mean of 1 / rank of the first relevant entry.

    .. math:: \mathrm{MRR} = \frac1N \sum_n \frac{1}{r_n}, \qquad
       r_n = 1 + \#\{\text{irrelevant entries with a score as high or higher}\}

    Equal scores count against: what is irrelevant stands before.

    Args:
        y_true: 1 where relevant, else 0, shape (N, K).
        y_score: Scores by which each list is sorted, shape (N, K).

    Raises:
        ValueError: If shapes differ, a relevance is neither 0 nor 1, or a list has nothing
            relevant.

    Source: Voorhees (1999), "The TREC-8 question answering track report".

    >>> mean_reciprocal_rank([[0, 1, 0], [1, 0, 0]], [[0.9, 0.5, 0.1], [0.9, 0.5, 0.1]])
    0.75
    """
    true, score = _lists(y_true, y_score)
    _expect_relevant(true)
    best = np.where(true == 1, score, -np.inf).max(1, keepdims=True)           # (N, 1)
    return float((1 / (1 + ((true == 0) & (score >= best)).sum(1))).mean())


# ---- text

def perplexity(log_probs: ArrayLike) -> float:
    r"""Return among how many equally likely tokens a model as unsure as this one chooses.

    .. math:: \exp \left( -\frac1T \sum_{t=1}^{T} \log p(w_t \mid w_{<t}) \right)

    Args:
        log_probs: Natural logarithms of the probabilities given to the tokens that came, any
            shape. They are summed over tokens, not over sentences.

    Raises:
        ValueError: If there is no token, a logarithm is above 0 or nan.

    >>> round(perplexity(np.log([0.5, 0.25, 0.125])), 6)
    4.0
    """
    values = _array("log_probs", log_probs)
    expect(values.dtype.kind in "iuf", "log_probs to be numbers", log_probs)
    expect(bool((values <= 0).all()), "log_probs of at most 0", log_probs)     # also refuses nan
    return float(np.exp(-values.astype(np.float64).mean()))


def _ngrams(tokens: Sequence[Hashable], order: int) -> Counter:
    return Counter(zip(*(tokens[i:] for i in range(order)), strict=False))


class Bleu(NamedTuple):
    """BLEU and its parts.

    Attributes:
        score: From 0 to 1.
        precisions: Of n-grams of the orders 1, 2, …
        brevity_penalty: From 0 to 1; 1 where the candidates are long enough.
        candidate_length: Tokens of all candidates.
        reference_length: Tokens of the references nearest in length.
    """

    score: float
    precisions: tuple[float, ...]
    brevity_penalty: float
    candidate_length: int
    reference_length: int


def _expect_sentences(name: str, value: object) -> None:
    good = isinstance(value, Sequence) and not isinstance(value, str) and all(
        isinstance(s, Sequence) and not isinstance(s, str) for s in value)
    expect(good and len(value) > 0, f"{name} as sequences of tokens", value)


def bleu(candidates: Sequence[Sequence[Hashable]],
         references: Sequence[Sequence[Sequence[Hashable]]], *, max_order: int = 4) -> Bleu:
    r"""Return the BLEU of a corpus: n-grams shared with the references, shortness punished.

    .. math:: \mathrm{BLEU} = \min\left(1, e^{1 - r/c}\right)
       \left( \prod_{n=1}^{4} p_n \right)^{1/4}, \qquad
       p_n = \frac{\sum_g \min(\#_\text{cand}(g), \max_\text{ref} \#_\text{ref}(g))}
       {\sum_g \#_\text{cand}(g)}

    Counts, the length c of the candidates and the length r of the references (of each sentence
    the one nearest in length, the shorter of two) are added up over the corpus first. A
    :math:`p_n` of 0 makes it 0; nothing is smoothed.

    Args:
        candidates: One sequence of tokens a sentence.
        references: For each sentence one or more sequences of tokens.
        max_order: Longest n-grams.

    Raises:
        ValueError: If there is no sentence, the numbers of sentences differ, a sentence has no
            reference, a text was not split into tokens, or ``max_order`` is below 1.

    Source: Papineni, Roukos, Ward and Zhu (2002), "BLEU: a method for automatic evaluation of
    machine translation".

    >>> b = bleu(["the cat sat on a mat".split()], [["the cat sat on the mat".split()]])
    >>> round(b.score, 4), b.precisions
    (0.5373, (0.8333333333333334, 0.6, 0.5, 0.3333333333333333))
    """
    _expect_sentences("candidates", candidates)
    expect(isinstance(references, Sequence) and len(references) == len(candidates),
           f"references for {len(candidates)} sentences", references)
    expect_count("max_order", max_order)
    shared, total, c, r = [0] * max_order, [0] * max_order, 0, 0
    for candidate, given in zip(candidates, references, strict=True):
        _expect_sentences("references of a sentence", given)
        c += len(candidate)
        r += min((len(g) for g in given), key=lambda n: (abs(n - len(candidate)), n))
        for k in range(max_order):
            most = Counter()
            for g in given:
                most |= _ngrams(g, k + 1)                        # the larger count of each
            found = _ngrams(candidate, k + 1)
            shared[k] += (found & most).total()                  # the smaller count of each
            total[k] += found.total()
    precisions = tuple(s / t if t else 0.0 for s, t in zip(shared, total, strict=True))
    penalty = 1.0 if c >= r else math.exp(1 - r / c) if c else 0.0
    mean = math.exp(sum(map(math.log, precisions)) / max_order) if all(precisions) else 0.0
    return Bleu(penalty * mean, precisions, penalty, c, r)


# ---- masks and boxes

def _masks(mask_true: ArrayLike, mask_pred: ArrayLike) -> tuple[Array, Array, Array]:
    """Return the pixels in both, in the first, and in the second mask, shape (…) each."""
    masks = []
    for name, value in (("mask_true", mask_true), ("mask_pred", mask_pred)):
        mask = _array(name, value)
        expect(mask.ndim >= 2, f"{name} of shape (…, H, W)", value)
        expect(mask.dtype.kind == "b" or bool(np.isin(mask, (0, 1)).all()),
               f"{name} of truth values or 0 and 1", value)
        masks.append(mask.astype(bool))
    true, predicted = masks
    expect(predicted.shape == true.shape, f"mask_pred of the shape of mask_true, {true.shape}",
           mask_pred)
    return tuple(m.sum((-2, -1)) for m in (true & predicted, true, predicted))


def _divided(numerator: Array, denominator: Array, zero_division: float) -> float | Array:
    _expect_zero_division(zero_division)
    out = np.full(np.shape(numerator), float(zero_division))
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out if out.ndim else float(out)


def mask_iou(mask_true: ArrayLike, mask_pred: ArrayLike, *,
             zero_division: float = 0.0) -> float | Array:
    r"""Return the intersection over union of masks.

    .. math:: J = \frac{|A \cap B|}{|A \cup B|}

    Args:
        mask_true: Truth values, or 0 and 1, shape (…, H, W).
        mask_pred: The same shape.
        zero_division: 0, 1 or nan: two masks that are both empty.

    Returns:
        Shape (…), a float for one pair of masks.

    Raises:
        ValueError: If shapes differ or values are no truth values.

    Source: Jaccard (1912), "The distribution of the flora in the alpine zone".

    >>> mask_iou([[1, 1, 0]], [[0, 1, 1]])
    0.3333333333333333
    """
    both, true, predicted = _masks(mask_true, mask_pred)
    return _divided(both, true + predicted - both, zero_division)


def mask_dice(mask_true: ArrayLike, mask_pred: ArrayLike, *,
              zero_division: float = 0.0) -> float | Array:
    r"""Return the Dice coefficient of masks, the F1 score of their pixels.

    .. math:: D = \frac{2\,|A \cap B|}{|A| + |B|} = \frac{2 J}{1 + J}

    Args:
        mask_true: Truth values, or 0 and 1, shape (…, H, W).
        mask_pred: The same shape.
        zero_division: 0, 1 or nan: two masks that are both empty.

    Returns:
        Shape (…), a float for one pair of masks.

    Raises:
        ValueError: If shapes differ or values are no truth values.

    Source: Dice (1945), "Measures of the amount of ecologic association between species".

    >>> mask_dice([[1, 1, 0]], [[0, 1, 1]])
    0.5
    """
    both, true, predicted = _masks(mask_true, mask_pred)
    return _divided(2 * both, true + predicted, zero_division)


def _box_areas(boxes1: ArrayLike, boxes2: ArrayLike) -> tuple[Array, Array, Array]:
    """Return intersections (N, M), areas (N, 1) and (M,)."""
    boxes = []
    for name, value in (("boxes1", boxes1), ("boxes2", boxes2)):
        box = _numbers(name, value, (2,))
        expect(box.shape[1] == 4, f"{name} of shape (N, 4)", value)
        expect(bool((box[:, 2:] >= box[:, :2]).all()), f"{name} with x1 ≤ x2 and y1 ≤ y2", value)
        boxes.append(box)
    a, b = boxes
    sides = np.minimum(a[:, None, 2:], b[:, 2:]) - np.maximum(a[:, None, :2], b[:, :2])   # (N, M, 2)
    areas = [(box[:, 2:] - box[:, :2]).prod(1) for box in (a, b)]
    return sides.clip(min=0).prod(2), areas[0][:, None], areas[1]


def box_iou(boxes1: ArrayLike, boxes2: ArrayLike) -> Array:
    r"""Return the intersection over union of every pair of boxes.

    .. math:: J_{ij} = \frac{|A_i \cap B_j|}{|A_i| + |B_j| - |A_i \cap B_j|}

    Args:
        boxes1: Corners (x1, y1, x2, y2), x1 ≤ x2 and y1 ≤ y2, shape (N, 4).
        boxes2: Shape (M, 4).

    Returns:
        Shape (N, M); 0 for two boxes without area.

    Raises:
        ValueError: If shapes do not match or corners are out of order.

    >>> box_iou([[0, 0, 2, 2]], [[1, 0, 3, 2], [5, 5, 6, 6]])
    array([[0.33333333, 0.        ]])
    """
    both, a, b = _box_areas(boxes1, boxes2)
    return _divided(both, a + b - both, 0.0)


def box_dice(boxes1: ArrayLike, boxes2: ArrayLike) -> Array:
    r"""Return the Dice coefficient of every pair of boxes.

    .. math:: D_{ij} = \frac{2\,|A_i \cap B_j|}{|A_i| + |B_j|}

    Args:
        boxes1: Corners (x1, y1, x2, y2), x1 ≤ x2 and y1 ≤ y2, shape (N, 4).
        boxes2: Shape (M, 4).

    Returns:
        Shape (N, M); 0 for two boxes without area.

    Raises:
        ValueError: If shapes do not match or corners are out of order.

    >>> box_dice([[0, 0, 2, 2]], [[1, 0, 3, 2]])
    array([[0.5]])
    """
    both, a, b = _box_areas(boxes1, boxes2)
    return _divided(2 * both, a + b, 0.0)


# ---- which model?

def least_squares_log_likelihood(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the log-likelihood of predictions with normal errors of the best-fitting variance.

    .. math:: \log L = -\frac N2 \left( \log \frac{2 \pi\, \mathrm{RSS}}{N} + 1 \right), \qquad
       \mathrm{RSS} = \sum_n (y_n - \hat y_n)^2

    Args:
        y_true: Targets, shape (N,).
        y_pred: Predictions, shape (N,).

    Raises:
        ValueError: If shapes differ, or the fit is perfect: the likelihood is then infinite.

    >>> round(least_squares_log_likelihood([0.0, 1.0], [0.5, 0.5]), 4)
    -1.4516
    """
    true, predicted = _numbers("y_true", y_true), _numbers("y_pred", y_pred)
    _expect_length("y_pred", predicted, len(true))
    rss = float(((true - predicted) ** 2).sum())
    expect(rss > 0, "predictions that are not perfect", y_pred)
    return -len(true) / 2 * (math.log(2 * math.pi * rss / len(true)) + 1)


def aic(log_likelihood: float, parameters: int) -> float:
    r"""Return Akaike's information criterion; of models on the same data the lowest is preferred.

    .. math:: \mathrm{AIC} = 2 k - 2 \log L

    Args:
        log_likelihood: log L at its maximum, of all samples, in nats.
        parameters: k, the fitted numbers; in least squares the variance is one.

    Raises:
        ValueError: If ``parameters`` is negative.

    Source: Akaike (1974), "A new look at the statistical model identification".

    >>> aic(-10.0, 3)
    26.0
    """
    expect_count("parameters", parameters, 0)
    return float(2 * parameters - 2 * log_likelihood)


def bic(log_likelihood: float, parameters: int, samples: int) -> float:
    r"""Return Schwarz's (Bayesian) information criterion; the lowest is preferred.

    .. math:: \mathrm{BIC} = k \log N - 2 \log L

    Args:
        log_likelihood: log L at its maximum, of all samples, in nats.
        parameters: k, the fitted numbers; in least squares the variance is one.
        samples: N.

    Raises:
        ValueError: If ``parameters`` is negative or ``samples`` is below 1.

    Source: Schwarz (1978), "Estimating the dimension of a model".

    >>> round(bic(-10.0, 3, 100), 3)
    33.816
    """
    expect_count("parameters", parameters, 0)
    expect_count("samples", samples, 1)
    return float(parameters * math.log(samples) - 2 * log_likelihood)


class Interval(NamedTuple):
    """A value and its confidence interval.

    Attributes:
        value: The metric on the data.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def bootstrap_interval(metric: Callable[..., float], *arrays: ArrayLike,
                       confidence: float = 0.95, repeats: int = 1000,
                       seed: int = 0) -> Interval:
    r"""Return a metric and its percentile bootstrap interval.

    Draw N rows with replacement, compute the metric, and again; the interval leaves out
    :math:`(1 - \text{confidence}) / 2` of the values on each side. Rows of all arrays are drawn
    together, so that the difference of two models on the same samples is a metric, too.

    Args:
        metric: Function of the arrays that returns a number.
        *arrays: Each with N rows.
        confidence: Above 0 and below 1.
        repeats: How often is drawn.
        seed: Of the random generator.

    Raises:
        ValueError: If the arrays have different lengths, an option is out of range, or the metric
            refuses a draw (one without positives, say).

    Source: Efron (1979), "Bootstrap methods: another look at the jackknife"; Efron and
    Tibshirani (1993) for the percentile interval.

    >>> bootstrap_interval(np.mean, [0, 1, 1, 1, 0, 1, 1, 1, 1, 1])
    Interval(value=0.8, low=0.5, high=1.0)
    """
    expect(len(arrays) > 0, "at least one array", arrays)
    data = [_array(f"array {i}", a) for i, a in enumerate(arrays)]
    lengths = [a.shape[:1] for a in data]
    expect(lengths[0] != () and len(set(lengths)) == 1, "arrays of one length", lengths)
    expect(isinstance(confidence, float) and 0 < confidence < 1,
           "confidence above 0 and below 1", confidence)
    expect_count("repeats", repeats)
    generator, n = np.random.default_rng(seed), len(data[0])
    values = np.empty(repeats)
    for i in range(repeats):
        rows = generator.integers(n, size=n)
        values[i] = metric(*(a[rows] for a in data))
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(metric(*data)), float(low), float(high))


class McNemar(NamedTuple):
    """Where two classifiers differ.

    Attributes:
        first_only: Samples that only the first has right.
        second_only: Samples that only the second has right.
        p_value: Two-sided, exact.
    """

    first_only: int
    second_only: int
    p_value: float


def mcnemar_test(y_true: ArrayLike, first: ArrayLike, second: ArrayLike) -> McNemar:
    r"""Ask whether two classifiers err equally often on the same samples.

    Where exactly one of them is right, either is with chance ½ if they are equally good:

    .. math:: p = \min\left(1,\; 2 \sum_{i=0}^{\min(b, c)} \binom{b + c}{i} 2^{-(b + c)} \right)

    with b and c the samples that only the first, only the second has right.

    Args:
        y_true: Classes, shape (N,).
        first: Predictions of the first classifier, shape (N,).
        second: Predictions of the second one, shape (N,).

    Raises:
        ValueError: If the arguments are no labels of one length.

    Source: McNemar (1947), "Note on the sampling error of the difference between correlated
    proportions or percentages", here with the exact binomial distribution.

    >>> mcnemar_test([1] * 10, [1] * 9 + [0], [1] * 4 + [0] * 6)
    McNemar(first_only=5, second_only=0, p_value=0.0625)
    """
    true, one, _ = _label_pair(y_true, first)
    _, other, _ = _label_pair(y_true, second)
    b = int(((true == one) & (true != other)).sum())
    c = int(((true != one) & (true == other)).sum())
    tail, term = 0, 1                                            # term is the binomial coefficient
    for i in range(min(b, c) + 1):
        tail += term
        term = term * (b + c - i) // (i + 1)
    return McNemar(b, c, min(1.0, 2 * tail / 2 ** (b + c)))
