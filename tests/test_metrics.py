"""Metrics: equal to scikit-learn's, on random, tied, weighted and degenerate input; what is refused."""

import itertools
import math
import warnings
from collections import Counter

import numpy as np
import pytest
import sacrebleu
import scipy.stats
import sklearn.calibration
import sklearn.metrics as sk
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from dlcheat import metrics as m
from tests import compare  # noqa: F401  the profile of hypothesis

seeds = st.integers(0, 2 ** 31)
averages = st.sampled_from(["micro", "macro", "weighted", None])
kinds = st.sampled_from(["numbers", "words", "gaps", "truth"])
zeros = st.sampled_from([0.0, 1.0, math.nan])
KINDS = {"numbers": [0, 1, 2, 3, 4], "words": ["ant", "bee", "cow", "dog", "elk"],
         "gaps": [-7, 3, 5, 11, 99999], "truth": [False, True]}


def same(mine, theirs, rtol=1e-12, atol=1e-13):
    """Equal up to the rounding of a short sum."""
    assert np.shape(mine) == np.shape(theirs)
    np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=atol)


def quiet(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def refused(function, *args, **kwargs):
    """Whether scikit-learn raises or warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            function(*args, **kwargs)
        except (ValueError, Warning):
            return True
    return False


@st.composite
def weights(draw, n):
    """None, whole numbers (some 0) or real numbers; never all 0."""
    kind, g = draw(st.sampled_from(["none", "whole", "real"])), np.random.default_rng(draw(seeds))
    if kind == "none":
        return None
    w = g.integers(0, 4, n) if kind == "whole" else g.random(n)
    w[g.integers(n)] = 1
    return w


@st.composite
def label_pairs(draw, classes=5):
    kind = draw(kinds)
    names = np.array(KINDS[kind][:draw(st.integers(1, classes))])
    n, g = draw(st.integers(1, 40)), np.random.default_rng(draw(seeds))
    true = g.integers(len(names), size=n)
    guess = np.where(g.random(n) < draw(st.floats(0, 1)), true, g.integers(len(names), size=n))
    return names[true], names[guess], draw(weights(n))


@st.composite
def binary_scores(draw, both=True):
    """Labels, scores of which many may be equal, and weights."""
    n, g = draw(st.integers(2, 40)), np.random.default_rng(draw(seeds))
    true = (g.random(n) < draw(st.sampled_from([0.05, 0.5, 0.9]))).astype(int)
    if both:
        true[:2] = 0, 1
    level = draw(st.sampled_from([1, 3, 10, 10 ** 9]))
    score = np.round(g.normal(size=n) + true, 6) if level == 10 ** 9 else g.integers(level, size=n) / 4
    weight = draw(weights(n))
    if weight is not None and both:
        weight[:2] = np.maximum(weight[:2], 1)
    return true, score, weight


@st.composite
def class_scores(draw, least=3, kind=kinds):
    """Labels of which all occur, probabilities (N, C) with equal ones among them, and weights."""
    names = np.array(KINDS[draw(kind.filter(lambda k: k != "truth"))][:draw(st.integers(least, 5))])
    size, g = len(names), np.random.default_rng(draw(seeds))
    n = size + draw(st.integers(0, 30))
    true = np.append(np.arange(size), g.integers(size, size=n - size))
    p = g.dirichlet(np.ones(size), n) if draw(st.booleans()) else g.integers(1, 4, (n, size)) * 1.0
    weight = draw(weights(n))
    if weight is not None:
        weight = np.maximum(weight, 1)
    return names[true], p / p.sum(1, keepdims=True), weight


# ---- classes

@given(label_pairs(), st.sampled_from([None, "true", "pred", "all"]), seeds)
def test_confusion_matrix(pair, normalize, seed):
    true, predicted, w = pair
    expected = quiet(sk.confusion_matrix, true, predicted, sample_weight=w, normalize=normalize)
    mine = m.confusion_matrix(true, predicted, sample_weight=w, normalize=normalize)
    same(mine, expected)
    assert mine.dtype == expected.dtype
    g = np.random.default_rng(seed)                              # some labels, in any order
    labels = g.permutation(np.union1d(true, predicted))[:g.integers(1, 6)]
    call = {"labels": labels, "sample_weight": w, "normalize": normalize}
    if np.isin(true, labels).any():
        same(m.confusion_matrix(true, predicted, **call),
             quiet(sk.confusion_matrix, true, predicted, **call))
    else:
        with pytest.raises(ValueError, match="labels of which one occurs in y_true"):
            m.confusion_matrix(true, predicted, **call)


@given(label_pairs(), st.booleans())
def test_accuracy_mcc_and_kappa(pair, normalize):
    true, predicted, w = pair
    same(m.accuracy_score(true, predicted, normalize=normalize, sample_weight=w),
         sk.accuracy_score(true, predicted, normalize=normalize, sample_weight=w))
    same(m.matthews_corrcoef(true, predicted, sample_weight=w),
         quiet(sk.matthews_corrcoef, true, predicted, sample_weight=w))
    for cost in (None, "linear", "quadratic"):
        for replace in (math.nan, 0.0):
            call = {"weights": cost, "sample_weight": w, "replace_undefined_by": replace}
            same(m.cohen_kappa_score(true, predicted, **call),
                 quiet(sk.cohen_kappa_score, true, predicted, **call))
    labels = np.unique(true)[::-1]
    same(m.cohen_kappa_score(true, predicted, labels=labels, weights="linear"),
         quiet(sk.cohen_kappa_score, true, predicted, labels=labels, weights="linear"))


@given(label_pairs())
def test_balanced_accuracy(pair):
    true, predicted, w = pair
    assume(w is None or w.all())
    same(m.balanced_accuracy_score(true, predicted, sample_weight=w),
         quiet(sk.balanced_accuracy_score, true, predicted, sample_weight=w))
    if len(set(true.tolist())) > 1:
        same(m.balanced_accuracy_score(true, predicted, sample_weight=w, adjusted=True),
             quiet(sk.balanced_accuracy_score, true, predicted, sample_weight=w, adjusted=True))


PRF = [(m.precision_score, sk.precision_score, {}), (m.recall_score, sk.recall_score, {}),
       (m.f1_score, sk.f1_score, {}), (m.jaccard_score, sk.jaccard_score, {}),
       *((m.fbeta_score, sk.fbeta_score, {"beta": b}) for b in (0, 0.5, 2, math.inf))]


@pytest.mark.parametrize(("mine", "theirs", "more"), PRF)
@given(label_pairs(), averages, zeros, seeds)
def test_precision_recall_f(mine, theirs, more, pair, average, zero, seed):
    true, predicted, w = pair
    if theirs is sk.jaccard_score and math.isnan(zero):
        zero = 1.0                                               # scikit-learn has no nan there
    call = {"average": average, "sample_weight": w, "zero_division": zero, **more}
    same(mine(true, predicted, **call), quiet(theirs, true, predicted, **call))
    g = np.random.default_rng(seed)
    pool = np.union1d(true, predicted) if true.dtype.kind == "b" else np.array(
        next(names for names in KINDS.values() if names[0] == min(names[0], *names) and
             set(true.tolist()) | set(predicted.tolist()) <= set(names)))
    labels = g.permutation(pool)[:g.integers(1, len(pool) + 1)]  # also such as do not occur
    same(mine(true, predicted, labels=labels, **call),
         quiet(theirs, true, predicted, labels=labels, **call))


@pytest.mark.parametrize(("mine", "theirs", "more"), PRF)
@given(label_pairs(classes=2), zeros)
def test_binary_precision_recall_f(mine, theirs, more, pair, zero):
    true, predicted, w = pair
    if theirs is sk.jaccard_score and math.isnan(zero):
        zero = 0.0
    for label in np.union1d(true, predicted).tolist():
        call = {"pos_label": label, "sample_weight": w, "zero_division": zero, **more}
        same(mine(true, predicted, **call), quiet(theirs, true, predicted, **call))


@given(st.lists(st.integers(0, 30), min_size=4, max_size=4).filter(any), zeros)
def test_ratios_are_the_metrics(counts, zero):
    tn, fp, fn, tp = counts
    true = np.repeat([0, 0, 1, 1], counts)
    predicted = np.repeat([0, 1, 0, 1], counts)
    r = m.binary_ratios(tn, fp, fn, tp, zero)
    call = {"zero_division": zero}
    expected = {
        "precision": quiet(sk.precision_score, true, predicted, **call),
        "recall": quiet(sk.recall_score, true, predicted, **call),
        "specificity": quiet(sk.recall_score, true, predicted, pos_label=0, **call)
        if 0 in [*true, *predicted] else zero,
        "npv": quiet(sk.precision_score, true, predicted, pos_label=0, **call)
        if 0 in [*true, *predicted] else zero,
        "f1": quiet(sk.f1_score, true, predicted, **call),
        "accuracy": sk.accuracy_score(true, predicted),
        "balanced_accuracy": quiet(sk.balanced_accuracy_score, true, predicted),
        "mcc": quiet(sk.matthews_corrcoef, true, predicted),
        "kappa": quiet(sk.cohen_kappa_score, true, predicted), "prevalence": true.mean()}
    for name, value in expected.items():
        same(getattr(r, name), value)
    same(r.fpr, fp / (tn + fp) if tn + fp else zero)


def test_a_single_class_and_what_nobody_predicts():
    assert m.confusion_matrix([1, 1], [1, 1]).tolist() == [[2]]
    assert m.matthews_corrcoef([1, 1], [1, 1]) == 0
    assert math.isnan(m.cohen_kappa_score([1, 1], [1, 1]))
    assert m.precision_score([0, 1], [0, 0]) == 0
    assert m.precision_score([0, 1], [0, 0], zero_division=1) == 1
    assert math.isnan(m.precision_score([0, 1], [0, 0], zero_division=math.nan))
    assert m.f1_score([0, 1], [0, 0], average="macro", zero_division=math.nan) == pytest.approx(1 / 3)


# ---- scores

@given(binary_scores(), st.booleans())
def test_roc_and_precision_recall_curves(data, drop):
    true, score, w = data
    call = {"sample_weight": w, "drop_intermediate": drop}
    for mine, theirs in ((m.roc_curve, sk.roc_curve),
                         (m.precision_recall_curve, sk.precision_recall_curve)):
        for a, b in zip(mine(true, score, **call), theirs(true, score, **call), strict=True):
            same(a, b)
    for a, b in zip(m.confusion_matrix_at_thresholds(true, score, sample_weight=w),
                    sk.confusion_matrix_at_thresholds(true, score, sample_weight=w), strict=True):
        same(a, b)
    for labels, positive in ((2 * true - 1, None), (np.array(["no", "yes"])[true], "yes")):
        for a, b in zip(m.roc_curve(labels, score, pos_label=positive),
                        sk.roc_curve(labels, score, pos_label=positive), strict=True):
            same(a, b)


@given(binary_scores(), st.sampled_from([None, 1.0, 0.5, 0.1, 0.003]))
def test_auc_and_average_precision(data, max_fpr):
    true, score, w = data
    same(m.roc_auc_score(true, score, sample_weight=w, max_fpr=max_fpr),
         sk.roc_auc_score(true, score, sample_weight=w, max_fpr=max_fpr))
    words = np.array(["no", "yes"])[true]
    same(m.roc_auc_score(words, score), sk.roc_auc_score(words, score))
    for label in (0, 1):
        same(m.average_precision_score(true, score, sample_weight=w, pos_label=label),
             sk.average_precision_score(true, score, sample_weight=w, pos_label=label))


@given(binary_scores())
def test_auc_is_a_chance_and_a_rank_statistic(data):
    true, score, _ = data
    pairs = [(a > b) + (a == b) / 2 for a in score[true == 1] for b in score[true == 0]]
    by_ranks = m.roc_auc_by_ranks(true, score)
    same(by_ranks, np.mean(pairs))
    same(by_ranks, m.roc_auc_score(true, score))
    same(by_ranks, scipy.stats.mannwhitneyu(score[true == 1], score[true == 0]).statistic / len(pairs))
    # a rising function changes no rank; a falling one turns the area round
    same(m.roc_auc_by_ranks(true, np.exp(score)), by_ranks)
    same(m.roc_auc_by_ranks(true, -score), 1 - by_ranks)


@given(class_scores(), averages)
def test_auc_of_more_classes(data, average):
    true, p, w = data
    labels = np.unique(true)
    call = {"multi_class": "ovr", "average": average, "labels": labels}
    same(m.roc_auc_score(true, p, sample_weight=w, **call),
         sk.roc_auc_score(true, p, sample_weight=w, **call))
    same(m.average_precision_score(true, p, average=average, sample_weight=w),
         sk.average_precision_score(true, p, average=average, sample_weight=w))
    if average in ("macro", "weighted"):
        call["multi_class"] = "ovo"
        same(m.roc_auc_score(true, p, **call), sk.roc_auc_score(true, p, **call))
    few = np.isin(true, labels[:2])                              # two classes, columns for all
    if average in ("macro", "weighted"):
        same(m.roc_auc_score(true[few], p[few], **call), sk.roc_auc_score(true[few], p[few], **call))


@given(st.integers(2, 20), seeds, st.sampled_from([1, -1]))
def test_area(n, seed, direction):
    g = np.random.default_rng(seed)
    x, y = np.sort(g.integers(5, size=n))[::direction] / 4, g.normal(size=n)
    same(m.auc(x, y), sk.auc(x, y))


@given(class_scores(), st.integers(1, 4), st.booleans())
def test_top_k(data, k, normalize):
    true, p, w = data
    assume(k < p.shape[1])
    call = {"k": k, "normalize": normalize, "sample_weight": w}
    same(m.top_k_accuracy_score(true, p, **call), sk.top_k_accuracy_score(true, p, **call))
    few, labels = true == true[0], np.unique(true)
    same(m.top_k_accuracy_score(true[few], p[few], k=k, labels=labels),
         sk.top_k_accuracy_score(true[few], p[few], k=k, labels=labels))


@given(binary_scores())
def test_top_1_of_two(data):
    true, score, w = data
    for s in (score, np.abs(score) / 9):
        same(m.top_k_accuracy_score(true, s, k=1, sample_weight=w),
             sk.top_k_accuracy_score(true, s, k=1, sample_weight=w))


# ---- probabilities

@given(class_scores(least=2), st.booleans(), st.sampled_from([np.float32, np.float64]))
def test_log_loss_and_brier(data, normalize, dtype):
    true, p, w = data
    p = p.astype(dtype)
    rtol = 1e-12 if dtype == np.float64 else 2e-6                # scikit-learn adds in the type
    labels = np.unique(true)
    call = {"normalize": normalize, "sample_weight": w, "labels": labels}
    same(m.log_loss(true, p, **call), sk.log_loss(true, p, **call), rtol)
    for half in (True, False, "auto"):
        call = {"scale_by_half": half, "sample_weight": w, "labels": labels}
        same(m.brier_score_loss(true, p, **call), sk.brier_score_loss(true, p, **call), rtol)
    sure = np.zeros_like(p)                                      # certain, and often wrong
    sure[:, 0] = 1
    same(m.log_loss(true, sure), sk.log_loss(true, sure), rtol)
    some = true == true[0]                                       # one class: labels name the others
    same(m.log_loss(true[some], p[some], labels=labels),
         sk.log_loss(true[some], p[some], labels=labels), rtol)


@given(binary_scores(both=False))
def test_binary_log_loss_and_brier(data):
    true, score, w = data
    p = 1 / (1 + np.exp(-score))
    same(m.log_loss(true, p, sample_weight=w, labels=[0, 1]),
         sk.log_loss(true, p, sample_weight=w, labels=[0, 1]))
    same(m.brier_score_loss(true, p, sample_weight=w), sk.brier_score_loss(true, p, sample_weight=w))
    same(m.brier_score_loss(true, p, pos_label=0), sk.brier_score_loss(true, p, pos_label=0))


@given(binary_scores(both=False), st.integers(1, 12), st.sampled_from(["uniform", "quantile"]))
def test_calibration_curve(data, bins, strategy):
    true, score, _ = data
    p = np.clip(score / 4 + 0.4, 0, 1)
    expected = sklearn.calibration.calibration_curve(true, p, n_bins=bins, strategy=strategy)
    for a, b in zip(m.calibration_curve(true, p, n_bins=bins, strategy=strategy), expected, strict=True):
        same(a, b)


@given(class_scores(least=2, kind=st.just("numbers")), st.integers(1, 20))
def test_ece_by_its_definition(data, bins):
    true, p, _ = data
    right, stated = p.argmax(1) == true, p.max(1)
    total = 0.0
    for b in range(bins):
        inside = (stated > b / bins) & (stated <= (b + 1) / bins)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - stated[inside].mean())
    same(m.expected_calibration_error(true, p, n_bins=bins), total, atol=1e-12)
    if p.shape[1] == 2:
        mean = abs((true == 1).mean() - p[:, 1].mean())
        same(m.expected_calibration_error(true, p[:, 1], n_bins=1), mean, atol=1e-12)


@given(seeds, st.integers(2, 6), st.sampled_from([0.01, 1.0, 30.0]))
def test_temperature_is_the_minimum(seed, classes, scale):
    g = np.random.default_rng(seed)
    true = g.integers(classes, size=60)
    z = scale * (g.normal(size=(60, classes)) + 0.8 * (true[:, None] == np.arange(classes)))
    T = m.fit_temperature(z, true)

    def loss(temperature):
        return torch.nn.functional.cross_entropy(torch.tensor(z) / temperature, torch.tensor(true))

    t = torch.tensor(T, dtype=torch.double, requires_grad=True)
    slope, = torch.autograd.grad(loss(t), t)
    assert abs(slope * t) < 1e-9                                 # in units of log T
    assert loss(T) <= min(loss(0.98 * T), loss(1.02 * T), loss(1.0)) + 1e-12
    same(m.fit_temperature(7 * z, true), 7 * T, rtol=1e-7)


def test_temperature_undoes_what_was_done():
    g = np.random.default_rng(0)
    z = 2 * g.normal(size=(20_000, 5))
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    true = (g.random((len(p), 1)) > p.cumsum(1)).sum(1).clip(max=4)
    assert m.fit_temperature(3 * z, true) == pytest.approx(3, rel=0.05)


# ---- regression

REGRESSION = [(m.mean_squared_error, sk.mean_squared_error), (m.mean_absolute_error, sk.mean_absolute_error),
              (m.root_mean_squared_error, sk.root_mean_squared_error),
              (m.median_absolute_error, sk.median_absolute_error),
              (m.r2_score, sk.r2_score), (m.explained_variance_score, sk.explained_variance_score)]


@pytest.mark.parametrize(("mine", "theirs"), REGRESSION)
@given(seeds, st.integers(2, 30), st.integers(0, 3), st.data(),
       st.sampled_from(["normal", "constant target", "perfect", "both"]))
def test_regression(mine, theirs, seed, n, outputs, data, case):
    g = np.random.default_rng(seed)
    shape = (n, outputs) if outputs else (n,)
    true, predicted = g.integers(-5, 6, shape) / 2, g.integers(-5, 6, shape) / 2
    if case in ("constant target", "both"):
        true[...] = 1.5
    if case in ("perfect", "both"):
        predicted = true.copy()
    more = ["variance_weighted"] if theirs in (sk.r2_score, sk.explained_variance_score) else []
    ways = ["raw_values", "uniform_average", *more]
    if outputs > 1:
        ways.append(list(range(1, outputs + 1)))
    call = {"multioutput": data.draw(st.sampled_from(ways))}
    if theirs is not sk.median_absolute_error:
        call["sample_weight"] = data.draw(weights(n))
    if more:
        call["force_finite"] = data.draw(st.booleans())
    same(mine(true, predicted, **call), quiet(theirs, true, predicted, **call))


# ---- ranked lists

@st.composite
def ranked(draw, relevant=False):
    g, n, size = np.random.default_rng(draw(seeds)), draw(st.integers(1, 6)), draw(st.integers(2, 7))
    gain = g.integers(0, 2 if relevant else 4, (n, size))
    if relevant:
        gain[np.arange(n), g.integers(size, size=n)] = 1
    score = g.normal(size=(n, size)) if draw(st.booleans()) else g.integers(3, size=(n, size)) * 1.0
    return gain, score, draw(weights(n))


@given(ranked(), st.sampled_from([None, 1, 2, 5, 20]))
def test_dcg_and_ndcg(data, k):
    gain, score, w = data
    same(m.dcg_score(gain, score, k=k, sample_weight=w), sk.dcg_score(gain, score, k=k, sample_weight=w))
    same(m.dcg_score(gain, score, log_base=3), sk.dcg_score(gain, score, log_base=3))
    same(m.ndcg_score(gain, score, k=k, sample_weight=w), sk.ndcg_score(gain, score, k=k, sample_weight=w))
    assert 0 <= m.ndcg_score(gain, score, k=k) <= 1 + 1e-12


@given(ranked(relevant=True), st.integers(1, 7))
def test_recall_at_k_and_mrr_by_counting_orders(data, k):
    gain, score, _ = data
    size = gain.shape[1]
    assume(k <= size)
    found, first = [], []
    for g, s in zip(gain, score, strict=True):
        # every order of the list in which scores fall
        ways = [o for o in itertools.permutations(range(size)) if (np.diff(s[list(o)]) <= 0).all()]
        found.append(np.mean([g[list(o[:k])].sum() / g.sum() for o in ways]))
        first.append(min(1 / (1 + g[list(o)].argmax()) for o in ways))
    same(m.recall_at_k(gain, score, k), np.mean(found))
    same(m.mean_reciprocal_rank(gain, score), np.mean(first))


# ---- text

@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=30))
def test_perplexity(p):
    expected = math.exp(torch.tensor(p, dtype=torch.double).log().neg().mean())
    same(m.perplexity(np.log(p)), expected)
    same(m.perplexity(np.full(3, -np.log(10))), 10)


def test_perplexity_of_the_impossible():
    assert m.perplexity([-1.0, -math.inf]) == math.inf


@given(seeds, st.integers(1, 4), st.integers(1, 3), st.integers(1, 4))
def test_bleu(seed, sentences, references, order):
    g = np.random.default_rng(seed)
    words = np.array(["a", "b", "c"])

    def text():
        return " ".join(words[g.integers(3, size=g.integers(1, 15))])

    candidates = [text() for _ in range(sentences)]
    given_ = [[text() for _ in range(references)] for _ in range(sentences)]
    theirs = sacrebleu.BLEU(smooth_method="none", tokenize="none", force=True, max_ngram_order=order)
    expected = theirs.corpus_score(candidates, list(map(list, zip(*given_))))
    got = m.bleu([c.split() for c in candidates], [[r.split() for r in refs] for refs in given_],
                 max_order=order)
    same(got.score, expected.score / 100)
    assert (got.candidate_length, got.reference_length) == (expected.sys_len, expected.ref_len)
    same(got.brevity_penalty, expected.bp)
    same(got.precisions, np.array(expected.precisions) / 100)


def test_bleu_by_hand():
    """The two examples of Papineni et al. (2002), sections 2.1 and 2.1.2."""
    texts = "the cat is on the mat", "there is a cat on the mat"
    seven = m.bleu([["the"] * 7], [[t.split() for t in texts]], max_order=1)
    assert seven.precisions == (2 / 7,)
    short = m.bleu([["of", "the"]], [[["one", "of", "the", "many", "words"]]], max_order=2)
    assert short.precisions == (1, 1) and short.score == pytest.approx(math.exp(1 - 5 / 2))
    assert m.bleu([[]], [[["a"]]]).score == 0
    # of two references equally far in length the shorter counts
    assert m.bleu([["a"] * 4], [[["a"] * 5, ["a"] * 3]]).reference_length == 3


# ---- masks and boxes

@given(seeds, st.sampled_from([(), (3,), (2, 2)]), st.sampled_from([0.0, 0.3, 0.9]))
def test_masks(seed, shape, share):
    g = np.random.default_rng(seed)
    a, b = (g.random((*shape, 4, 5)) < share for _ in range(2))
    iou, dice = m.mask_iou(a, b), m.mask_dice(a.astype(int), b)
    same(dice, 2 * np.asarray(iou) / (1 + np.asarray(iou)))
    pairs = zip(a.reshape(-1, 20), b.reshape(-1, 20), strict=True)
    same(np.ravel(iou), [quiet(sk.jaccard_score, x, y, zero_division=0) for x, y in pairs])
    pairs = zip(a.reshape(-1, 20), b.reshape(-1, 20), strict=True)
    same(np.ravel(dice), [quiet(sk.f1_score, x, y, zero_division=0) for x, y in pairs])
    assert m.mask_iou(np.zeros((2, 2)), np.zeros((2, 2)), zero_division=1) == 1.0


@given(seeds, st.integers(1, 4), st.integers(1, 4))
def test_boxes_by_counting_cells(seed, n, k):
    g = np.random.default_rng(seed)

    def boxes(count):
        corner = g.integers(8, size=(count, 2))
        return np.hstack([corner, corner + g.integers(1, 5, size=(count, 2))])

    one, other = boxes(n), boxes(k)
    cells = [np.zeros((len(group), 12, 12), bool) for group in (one, other)]
    for group, masks in ((one, cells[0]), (other, cells[1])):
        for mask, (x1, y1, x2, y2) in zip(masks, group, strict=True):
            mask[y1:y2, x1:x2] = True
    for mine, of in ((m.box_iou, m.mask_iou), (m.box_dice, m.mask_dice)):
        same(mine(one, other), [[of(a, b) for b in cells[1]] for a in cells[0]])
    empty = [[1, 1, 1, 1]]
    assert m.box_iou(empty, empty).tolist() == [[0.0]]


# ---- models, intervals, tests

@given(seeds, st.integers(3, 30))
def test_information_criteria(seed, n):
    g = np.random.default_rng(seed)
    y, fit = g.normal(size=n), g.normal(size=n)
    scale = math.sqrt(((y - fit) ** 2).mean())
    expected = scipy.stats.norm(fit, scale).logpdf(y).sum()
    found = m.least_squares_log_likelihood(y, fit)
    same(found, expected)
    same(m.aic(found, 3), 6 - 2 * expected)
    same(m.bic(found, 3, n), 3 * math.log(n) - 2 * expected)
    # no other variance is likelier
    assert all(scipy.stats.norm(fit, f * scale).logpdf(y).sum() < found for f in (0.9, 1.1))


def test_bootstrap_is_the_quantile_of_resamples():
    g = np.random.default_rng(3)
    x, y = g.normal(size=40), g.normal(size=40)

    def corr(a, b):
        return np.corrcoef(a, b)[0, 1]

    got = m.bootstrap_interval(corr, x, y, confidence=0.9, repeats=200, seed=5)
    again = np.random.default_rng(5)
    draws = [corr(x[i], y[i]) for i in (again.integers(40, size=40) for _ in range(200))]
    assert got == (corr(x, y), *np.quantile(draws, [0.05, 0.95]))
    theirs = scipy.stats.bootstrap((x, y), corr, paired=True, vectorized=False, n_resamples=2000,
                                   confidence_level=0.9, method="percentile", rng=0).confidence_interval
    wide = m.bootstrap_interval(corr, x, y, confidence=0.9, repeats=2000)
    assert wide.low == pytest.approx(theirs.low, abs=0.04)
    assert wide.high == pytest.approx(theirs.high, abs=0.04)


@given(seeds, st.integers(1, 60))
def test_mcnemar_is_the_exact_binomial(seed, n):
    g = np.random.default_rng(seed)
    true, a, b = (g.integers(3, size=n) for _ in range(3))
    got = m.mcnemar_test(true, a, b)
    assert got.first_only == ((a == true) & (b != true)).sum()
    assert got.second_only == ((a != true) & (b == true)).sum()
    k, total = min(got[:2]), sum(got[:2])
    same(got.p_value, scipy.stats.binomtest(k, total).pvalue if total else 1.0, rtol=1e-10)


def test_mcnemar_of_many():
    true = np.ones(5000, int)
    got = m.mcnemar_test(true, np.r_[np.zeros(2400), np.ones(2600)], np.r_[np.ones(2400), np.zeros(2600)])
    same(got.p_value, scipy.stats.binomtest(2400, 5000).pvalue, rtol=1e-8)


# ---- types and refusals

def test_lists_arrays_and_tensors_alike():
    true, score = [0, 1, 1, 0], [0.25, 0.75, 0.5, 0.5]
    expected = m.roc_auc_score(true, score)
    for kind in (np.array, torch.tensor, lambda v: torch.tensor(v, dtype=torch.bfloat16)
                 if isinstance(v[0], float) else torch.tensor(v, dtype=torch.bool)):
        assert m.roc_auc_score(kind(true), kind(score)) == expected
    needs = torch.tensor(score, requires_grad=True)
    assert m.mean_squared_error(torch.tensor(true).float(), needs) == 0.15625
    table = np.array(["a", "b"], dtype=object)
    assert m.accuracy_score(table, ["a", "c"]) == 0.5


def test_counts_are_those_of_a_counter():
    g = np.random.default_rng(0)
    a, b = g.integers(3, size=500), g.integers(3, size=500)
    counted = Counter(zip(a.tolist(), b.tolist(), strict=True))
    assert m.confusion_matrix(a, b).tolist() == [[counted[i, j] for j in range(3)] for i in range(3)]


@pytest.mark.parametrize(("call", "message"), [
    (lambda: m.accuracy_score([], []), "y_true to have at least one element"),
    (lambda: m.accuracy_score([0, 1], [0]), "y_pred of 2 rows, as y_true has"),
    (lambda: m.accuracy_score([[0, 1]], [[0, 1]]), r"y_true of shape \(N,\)"),
    (lambda: m.accuracy_score([0.5, 1], [0, 1]), "y_true to be labels, not continuous"),
    (lambda: m.accuracy_score(["a", "b"], [0, 1]), "both of words or both of numbers"),
    (lambda: m.accuracy_score([1j], [1]), "y_true to be an array of numbers or words"),
    (lambda: m.accuracy_score([[0], [0, 1]], [0]), "y_true"),
    (lambda: m.accuracy_score([0, 1], [0, 1], sample_weight=[1, -1]), "sample_weight of at least 0"),
    (lambda: m.accuracy_score([0, 1], [0, 1], sample_weight=[0, 0]), "not all 0"),
    (lambda: m.accuracy_score([0, 1], [0, 1], sample_weight=[1]), "sample_weight of 2 rows"),
    (lambda: m.confusion_matrix([0, 1], [0, 1], labels=[0, 0]), "labels that are all different"),
    (lambda: m.confusion_matrix([0, 1], [0, 1], labels=[7]), "labels of which one occurs in y_true"),
    (lambda: m.confusion_matrix([0, 1], [0, 1], normalize="rows"), "normalize"),
    (lambda: m.balanced_accuracy_score([1, 1], [1, 0], adjusted=True), "at least two classes"),
    (lambda: m.precision_score([0, 1, 2], [0, 1, 2]), "labels of two classes"),
    (lambda: m.precision_score([3, 4], [3, 4]), "pos_label 1 among the labels"),
    (lambda: m.precision_score([0, 1], [0, 1], average="samples"), "average"),
    (lambda: m.precision_score([0, 1], [0, 1], zero_division="warn"), "zero_division 0, 1 or nan"),
    (lambda: m.fbeta_score([0, 1], [0, 1], beta=-1), "beta of at least 0"),
    (lambda: m.cohen_kappa_score([0, 1], [0, 1], weights="cubic"), "weights"),
    (lambda: m.binary_ratios(0, 0, 0, 0), "counts that are not all 0"),
    (lambda: m.binary_ratios(-1, 0, 0, 1), "counts of at least 0"),
    (lambda: m.roc_curve([1, 1], [0.1, 0.2]), "y_true with positives and negatives"),
    (lambda: m.roc_curve([1, 2], [0.1, 0.2]), "labels 0 and 1, or −1 and 1"),
    (lambda: m.roc_curve(["a", "b"], [0.1, 0.2]), "labels 0 and 1, or −1 and 1"),
    (lambda: m.roc_curve([0, 1], [0.1, math.nan]), "y_score to be finite"),
    (lambda: m.roc_curve([0, 1], [0.1, 0.2, 0.3]), "y_score of 2 rows"),
    (lambda: m.roc_curve([0, 1], [0.1, 0.2], sample_weight=[1, 0]), "positives and negatives"),
    (lambda: m.precision_recall_curve([0, 0], [0.1, 0.2]), "y_true with positives"),
    (lambda: m.average_precision_score([0, 0], [0.1, 0.2]), "y_true with positives"),
    (lambda: m.average_precision_score([2, 3], [0.1, 0.2]), "pos_label 1 among the labels"),
    (lambda: m.average_precision_score([0, 1], [0.1, 0.2], average="all"), "average"),
    (lambda: m.roc_auc_score([1, 1], [0.1, 0.2]), "y_true of two classes"),
    (lambda: m.roc_auc_score([0, 1], [0.1, 0.2], max_fpr=0), "max_fpr above 0"),
    (lambda: m.roc_auc_score([0, 1], [[0.1, 0.9], [0.2, 0.8]]), r"y_score of shape \(N,\)"),
    (lambda: m.roc_auc_score([0, 1, 2], np.eye(3)), 'multi_class "ovr" or "ovo"'),
    (lambda: m.roc_auc_score([0, 1, 2], np.eye(3), multi_class="ovr", max_fpr=0.1), "no max_fpr"),
    (lambda: m.roc_auc_score([0, 1, 2], 2 * np.eye(3), multi_class="ovr"), "rows that add up to 1"),
    (lambda: m.roc_auc_score([0, 1, 2], np.eye(3), multi_class="ovo", average=None), "average"),
    (lambda: m.roc_auc_score([0, 1, 2], np.eye(3), multi_class="ovo", sample_weight=[1, 1, 1]),
     "no sample_weight"),
    (lambda: m.roc_auc_score([0, 1, 2], np.eye(3)[:, :2], multi_class="ovr"), "y_score of 3 columns"),
    (lambda: m.roc_auc_score([0, 1], np.eye(3)[:2], multi_class="ovr", labels=[0, 1, 2]),
     "y_true with positives"),
    (lambda: m.roc_auc_score([0, 1, 3], np.eye(3), multi_class="ovr", labels=[0, 1, 2]),
     "none but the given labels"),
    (lambda: m.roc_auc_score([0, 1, 2], np.eye(3), multi_class="ovr", labels=[0, 2, 1]), "rising order"),
    (lambda: m.auc([0], [1]), "at least 2 points"),
    (lambda: m.auc([0, 1, 0], [1, 1, 1]), "x that only rises or only falls"),
    (lambda: m.auc([0, 1], [1]), "y of 2 points"),
    (lambda: m.top_k_accuracy_score([0, 1, 2], np.eye(3), k=3), "k from 1 to 2"),
    (lambda: m.top_k_accuracy_score([0, 1], [0.1, 0.9]), "k from 1 to 1"),
    (lambda: m.top_k_accuracy_score([0, 1, 2], [0.1, 0.2, 0.3]), r"y_score of shape \(N, C\)"),
    (lambda: m.log_loss([0, 0], [0.1, 0.2]), "at least two classes"),
    (lambda: m.log_loss([0, 1], [0.1, 1.2]), "probabilities in 0 … 1"),
    (lambda: m.log_loss([0, 1], [[0.1, 0.8], [0.5, 0.5]]), "rows that add up to 1"),
    (lambda: m.log_loss([0, 1, 2], [[0.1, 0.9]] * 3), "y_proba of 3 columns"),
    (lambda: m.brier_score_loss([0, 1], [-0.1, 0.5]), "probabilities in 0 … 1"),
    (lambda: m.brier_score_loss([0, 1], [0.1, 0.5], scale_by_half="no"), "scale_by_half"),
    (lambda: m.calibration_curve([0, 1], [0.1, 0.5], n_bins=0), "n_bins to be an integer of at least 1"),
    (lambda: m.calibration_curve([0, 1], [0.1, 0.5], strategy="even"), "strategy"),
    (lambda: m.calibration_curve([0, 1, 2], [0.1, 0.5, 0.5], pos_label=1), "y_true of two classes"),
    (lambda: m.expected_calibration_error([0, 3], [[0.1, 0.9]] * 2), "none but the given labels"),
    (lambda: m.fit_temperature([[1.0, 0.0], [0.0, 1.0]], [0, 1]), "logits that are sometimes wrong"),
    (lambda: m.fit_temperature([[1.0, 0.0], [0.0, 1.0]], [1, 0]), "better than chance"),
    (lambda: m.fit_temperature([[1.0, 0.0]], [2]), "none but the given labels"),
    (lambda: m.mean_squared_error([1.0, 2.0], [[1.0], [2.0]]), r"y_pred of the shape of y_true, \(2,\)"),
    (lambda: m.mean_squared_error([1.0], [math.inf]), "y_pred to be finite"),
    (lambda: m.mean_squared_error([1.0], [1.0], multioutput="all"), "multioutput"),
    (lambda: m.mean_squared_error(["a"], ["a"]), "y_true to be numbers"),
    (lambda: m.r2_score([1.0], [1.0]), "at least two samples"),
    (lambda: m.ndcg_score([[1, -1]], [[0.1, 0.2]]), "relevances of at least 0"),
    (lambda: m.ndcg_score([[1]], [[0.1]]), "at least two entries"),
    (lambda: m.ndcg_score([1, 0], [0.1, 0.2]), r"y_true of shape \(N, C\)"),
    (lambda: m.dcg_score([[1, 0]], [[0.1, 0.2]], k=0), "k of at least 1"),
    (lambda: m.dcg_score([[1, 0]], [[0.1, 0.2]], log_base=1), "log_base above 1"),
    (lambda: m.recall_at_k([[0, 0]], [[0.1, 0.2]], 1), "something relevant in every row"),
    (lambda: m.recall_at_k([[2, 0]], [[0.1, 0.2]], 1), "y_true of 0 and 1"),
    (lambda: m.recall_at_k([[1, 0]], [[0.1, 0.2]], 3), "k from 1 to 2"),
    (lambda: m.mean_reciprocal_rank([[1, 0]], [[0.1, 0.2, 0.3]]), "y_score of the shape of y_true"),
    (lambda: m.perplexity([0.5]), "log_probs of at most 0"),
    (lambda: m.perplexity([]), "at least one element"),
    (lambda: m.bleu([], []), "candidates as sequences of tokens"),
    (lambda: m.bleu(["a text"], [["a text"]]), "candidates as sequences of tokens"),
    (lambda: m.bleu([["a"]], []), "references for 1 sentences"),
    (lambda: m.bleu([["a"]], [[]]), "references of a sentence"),
    (lambda: m.bleu([["a"]], [[["a"]]], max_order=0), "max_order to be an integer of at least 1"),
    (lambda: m.mask_iou([[0, 1]], [[0, 1, 1]]), "mask_pred of the shape of mask_true"),
    (lambda: m.mask_iou([[0, 2]], [[0, 1]]), "mask_true of truth values or 0 and 1"),
    (lambda: m.mask_dice([0, 1], [0, 1]), r"mask_true of shape \(…, H, W\)"),
    (lambda: m.box_iou([[0, 0, 1]], [[0, 0, 1, 1]]), r"boxes1 of shape \(N, 4\)"),
    (lambda: m.box_iou([[0, 0, 1, 1]], [[2, 0, 1, 1]]), "boxes2 with x1 ≤ x2"),
    (lambda: m.least_squares_log_likelihood([1.0], [1.0]), "predictions that are not perfect"),
    (lambda: m.aic(-1.0, -1), "parameters to be an integer of at least 0"),
    (lambda: m.bic(-1.0, 1, 0), "samples to be an integer of at least 1"),
    (lambda: m.bootstrap_interval(np.mean), "at least one array"),
    (lambda: m.bootstrap_interval(np.mean, [1.0], [1.0, 2.0]), "arrays of one length"),
    (lambda: m.bootstrap_interval(np.mean, [1.0], confidence=95), "confidence above 0 and below 1"),
    (lambda: m.bootstrap_interval(np.mean, [1.0], repeats=0), "repeats to be an integer of at least 1"),
    (lambda: m.bootstrap_interval(m.roc_auc_score, [0, 1], [0.1, 0.2]), "y_true of two classes"),
    (lambda: m.mcnemar_test([0, 1], [0, 1], [0]), "y_pred of 2 rows"),
])
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(("mine", "theirs", "arguments"), [
    (m.accuracy_score, sk.accuracy_score, ([], [])),
    (m.roc_auc_score, sk.roc_auc_score, ([0, 0], [0.1, 0.2])),
    (m.roc_curve, sk.roc_curve, ([0, 0], [0.1, 0.2])),
    (m.precision_recall_curve, sk.precision_recall_curve, ([0, 0], [0.1, 0.2])),
    (m.average_precision_score, sk.average_precision_score, ([0, 0], [0.1, 0.2])),
    (m.log_loss, sk.log_loss, ([0, 0], [0.1, 0.2])),
    (m.log_loss, sk.log_loss, ([0, 1], [[0.3, 0.3], [0.5, 0.5]])),
    (m.top_k_accuracy_score, sk.top_k_accuracy_score, ([0, 1], [0.1, 0.9])),
    (m.r2_score, sk.r2_score, ([1.0], [1.0])),
    (m.mean_squared_error, sk.mean_squared_error, ([1.0, 2.0], [1.0])),
    (m.ndcg_score, sk.ndcg_score, ([[1, -1]], [[0.1, 0.2]])),
])
def test_what_scikit_learn_refuses_or_warns_of_is_refused(mine, theirs, arguments):
    assert refused(theirs, *arguments)
    with pytest.raises(ValueError, match="expected"):
        mine(*arguments)
