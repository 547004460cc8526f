"""Time dlcheat against torch and scikit-learn, side by side in one run.

``python -m benchmarks.run`` (or ``make benchmark``) prints, for each function, the
median time of torch's and of dlcheat's, forward and forward with backward, and their
ratio; for metrics, which have no gradient, of scikit-learn's and dlcheat's. The two take
turns, so that whatever else the machine does hits both alike; with one thread it is
processor time that counts, not the clock. Where dlcheat takes more than 1.5 times as
long, the last column says why.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np
import sklearn.calibration
import sklearn.metrics
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence

from dlcheat import activations, losses, metrics, multi_task, optimizers, wild
from dlcheat.layers import convolution, linear, normalization, pooling, recurrent

#: A loss with its reference.
Pair = tuple[Callable[..., Tensor], Callable[..., Tensor]]

#: Ratios above it are explained.
TARGET = 1.5


class Case(NamedTuple):
    """One row of the table.

    Attributes:
        name: The function, and the case where there are several.
        mine: dlcheat's.
        reference: torch's or scikit-learn's, of the same arguments.
        inputs: The tensors that get a gradient; without any, there is no backward pass.
        why: What costs the time where dlcheat is slower.
    """

    name: str
    mine: Callable[..., object]
    reference: Callable[..., object]
    inputs: tuple[Tensor, ...]
    why: str


class Times(NamedTuple):
    """Median seconds of a call.

    Attributes:
        reference: torch's or scikit-learn's.
        mine: dlcheat's.
    """

    reference: float
    mine: float

    @property
    def ratio(self) -> float:
        """Return how many times the reference's time dlcheat takes."""
        return self.mine / self.reference


def cases() -> list[Case]:
    """Return every function that torch has too, in the sizes of the chapters.

    >>> {"conv2d 3×3, 16 → 32", "softmax", "gaussian_kl"} <= {case.name for case in cases()}
    True
    """
    g = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=g)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=g) * 0.98 + 0.01

    maps, scores, images = normal(64, 32, 14, 14), normal(512, 10), uniform(64, 784)
    labels = torch.randint(10, (512,), generator=g)
    target = uniform(64, 784)

    def standard_kl(mu: Tensor, logvar: Tensor) -> Tensor:
        prior = Normal(torch.zeros_like(mu), torch.ones_like(mu))
        return kl_divergence(Independent(Normal(mu, (logvar / 2).exp()), 1),
                             Independent(prior, 1)).mean()

    passes = "one pass over memory for each operation of the formula; torch's kernel makes one"
    small = "a few operations and the checks of the arguments; torch makes one call"
    picks = "finds each winner's place for the gradient; torch's kernel keeps it on the way"
    window = "copies each window into a column and back; torch reads the image in place"
    stamps = "writes all products to memory before adding; torch adds them block by block"
    chooses = "torch.where is most of it; clamp is fast, but has gradient 1 at 0, not 0"
    found = [
        Case("softmax", lambda x: activations.softmax(x, 1), lambda x: F.softmax(x, 1),
             (normal(512, 1000),), passes),
        Case("log_softmax", lambda x: activations.log_softmax(x, 1),
             lambda x: F.log_softmax(x, 1), (normal(512, 1000),), passes),
        Case("nll_loss", lambda x: losses.nll_loss(x, labels), lambda x: F.nll_loss(x, labels),
             (scores.log_softmax(1),), small),
        Case("cross_entropy", lambda x: losses.cross_entropy(x, labels),
             lambda x: F.cross_entropy(x, labels), (scores,), small),
        Case("mse_loss", losses.mse_loss, F.mse_loss, (images, target), passes),
        Case("binary_cross_entropy", lambda p: losses.binary_cross_entropy(p, target),
             lambda p: F.binary_cross_entropy(p, target), (images,), passes),
        Case("binary_cross_entropy_with_logits",
             lambda x: losses.binary_cross_entropy_with_logits(x, target),
             lambda x: F.binary_cross_entropy_with_logits(x, target), (normal(64, 784),), passes),
        Case("gaussian_kl", losses.gaussian_kl, standard_kl, (normal(64, 16), normal(64, 16)), small),
        Case("linear", linear.linear, F.linear,
             (images, normal(128, 784), normal(128)), small),
    ]

    found += activation_cases(maps, scores, passes, chooses)
    found += loss_cases(g, passes, small)
    found.append(Case("batch_norm", lambda x: normalization.batch_norm(x, None, None, training=True),
                      lambda x: F.batch_norm(x, None, None, training=True), (maps,), passes))
    found.append(Case("layer_norm", lambda x: normalization.layer_norm(x, [1000]),
                      lambda x: F.layer_norm(x, [1000]), (normal(512, 1000),), passes))

    for kind in ("RNN", "GRU", "LSTM"):
        ours, theirs = (getattr(home, kind)(32, 64) for home in (recurrent, torch.nn))
        ours.load_state_dict(theirs.state_dict())
        found.append(Case(f"{kind} of 20 steps", lambda x, net=ours: net(x)[0],
                          lambda x, net=theirs: net(x)[0], (normal(20, 16, 32),),
                          "checks and multiplies the input at each step; torch multiplies all steps at once"))

    found.append(Case("cosine of four gradients", multi_task.cosine,
                      lambda g: F.cosine_similarity(g[:, None], g[None], dim=2),
                      (normal(4, 25_000),), small))
    def clipped(clip: Callable[..., Tensor]) -> Callable[[Tensor], Tensor]:
        def call(x: Tensor) -> Tensor:
            holder = torch.empty_like(x, requires_grad=False)
            holder.grad = x.detach().clone()
            clip([holder], 1.0)
            return x + holder.grad
        return call

    found.append(Case("clip_grad_norm_", clipped(wild.clip_grad_norm_),
                      clipped(torch.nn.utils.clip_grad_norm_), (normal(512, 1000),), small))

    weights = [normal(32, 784), normal(32), normal(10, 32), normal(10)]      # 784 → 32 → 10

    def stepping(make: Callable[..., torch.optim.Optimizer], **options: object) -> Callable[[Tensor], Tensor]:
        parameters = [w.clone() for w in weights]
        for p, w in zip(parameters, weights):
            p.grad = w.square()
        optimizer = make(parameters, lr=1e-4, **options)

        def call(x: Tensor) -> Tensor:
            optimizer.step(lambda: 0.0)
            return x + parameters[0][0]
        return call

    def optimizer(name: str, case: str = "", **options: object) -> None:
        single = {} if name == "LBFGS" else {"foreach": False}
        found.append(Case(f"{name}{case}", stepping(getattr(optimizers, name), **options),
                          stepping(getattr(torch.optim, name), **options, **single),
                          (normal(784),), small))

    optimizer("SGD")
    optimizer("SGD", " with momentum", momentum=0.9)
    optimizer("SGD", " Nesterov's, decay", momentum=0.9, nesterov=True, weight_decay=0.01)
    for name in ("Adagrad", "RMSprop", "Adadelta", "Adam", "AdamW"):
        optimizer(name)
    optimizer("RMSprop", " centred, with momentum", centered=True, momentum=0.9)
    optimizer("Adam", " with amsgrad", amsgrad=True)
    optimizer("LBFGS", " of ten moves", max_iter=10, tolerance_change=0, history_size=10)

    def conv(name: str, x: Tensor, w: Tensor, why: str = window, **options: object) -> None:
        found.append(Case(f"conv2d {name}", lambda x, w: convolution.conv2d(x, w, **options),
                          lambda x, w: F.conv2d(x, w, **options), (x, w), why))

    conv("3×3, 1 → 16", normal(32, 1, 28, 28), normal(16, 1, 3, 3))
    conv("3×3, 16 → 32", normal(32, 16, 14, 14), normal(32, 16, 3, 3), padding=1)
    conv("3×3, stride 2", normal(32, 16, 28, 28), normal(32, 16, 3, 3), stride=2, padding=1)
    conv("3×3, dilation 2", normal(32, 16, 14, 14), normal(32, 16, 3, 3), dilation=2, padding=2)
    conv("3×3, 16 groups", normal(32, 16, 14, 14), normal(16, 1, 3, 3),
         "nine copies of each cell for one product a tap: the copying is all", groups=16, padding=1)
    conv("9×9, stride 2", normal(8, 64, 20, 20), normal(64, 64, 9, 9), stride=2)

    def transposed(name: str, x: Tensor, w: Tensor, **options: object) -> None:
        found.append(Case(f"conv_transpose2d {name}",
                          lambda x, w: convolution.conv_transpose2d(x, w, **options),
                          lambda x, w: F.conv_transpose2d(x, w, **options), (x, w), stamps))

    transposed("4×4, stride 2", normal(32, 32, 7, 7), normal(32, 16, 4, 4), stride=2, padding=1)
    transposed("3×3", normal(32, 16, 14, 14), normal(16, 16, 3, 3), padding=1)

    for name, options in (("2×2", {"kernel_size": 2}),
                          ("3×3, stride 1", {"kernel_size": 3, "stride": 1, "padding": 1})):
        found.append(Case(f"max_pool2d {name}", lambda x, o=options: pooling.max_pool2d(x, **o),
                          lambda x, o=options: F.max_pool2d(x, **o), (maps,), picks))
        found.append(Case(f"avg_pool2d {name}", lambda x, o=options: pooling.avg_pool2d(x, **o),
                          lambda x, o=options: F.avg_pool2d(x, **o), (maps,), passes))
    found.append(Case("global_avg_pool2d", pooling.global_avg_pool2d,
                      lambda x: F.adaptive_avg_pool2d(x, 1), (maps,), small))
    return found + metric_cases()


def metric_cases() -> list[Case]:
    """Return every metric that scikit-learn has too, on ten thousand samples.

    >>> {"roc_curve", "ndcg_score"} <= {case.name for case in metric_cases()}
    True
    """
    g = np.random.default_rng(0)
    n, classes = 10_000, 10
    labels, guess = (g.integers(classes, size=n) for _ in range(2))
    guess = np.where(g.random(n) < 0.7, labels, guess)
    p = g.dirichlet(np.ones(classes), n)
    binary = (g.random(n) < 0.2).astype(int)
    score = g.normal(size=n) + binary
    chance = 1 / (1 + np.exp(-score))
    value, fit = g.normal(size=n), g.normal(size=n)
    gain, order = g.integers(0, 4, (500, 20)), g.normal(size=(500, 20))
    curve = np.sort(g.random(n))

    def case(name: str, *arguments: object, **options: object) -> Case:
        function = name.split(" ")[0]
        theirs = getattr(sklearn.metrics, function, None) or getattr(sklearn.calibration, function)
        mine = getattr(metrics, function)
        return Case(name, lambda: mine(*arguments, **options), lambda: theirs(*arguments, **options), (),
                    "both sort or count by the same NumPy calls; the rest is checks of arguments")

    pair, two = (labels, guess), (binary, (score > 1).astype(int))
    return [
        case("confusion_matrix", *pair), case("accuracy_score", *pair),
        case("balanced_accuracy_score", *pair), case("precision_score", *two),
        case("recall_score", *two), case("f1_score macro", *pair, average="macro"),
        case("fbeta_score", *two, beta=2), case("jaccard_score macro", *pair, average="macro"),
        case("matthews_corrcoef", *pair), case("cohen_kappa_score", *pair),
        case("top_k_accuracy_score", labels, p, k=3),
        case("confusion_matrix_at_thresholds", y_true=binary, y_score=score),
        case("roc_curve", binary, score), case("precision_recall_curve", binary, score),
        case("auc", curve, curve), case("roc_auc_score", binary, score),
        case("roc_auc_score ovr", labels, p, multi_class="ovr"),
        case("roc_auc_score ovo", labels, p, multi_class="ovo"),
        case("average_precision_score", binary, score), case("log_loss", labels, p),
        case("brier_score_loss", binary, chance), case("calibration_curve", binary, chance, n_bins=15),
        case("mean_squared_error", value, fit), case("root_mean_squared_error", value, fit),
        case("mean_absolute_error", value, fit), case("median_absolute_error", value, fit),
        case("r2_score", value, fit), case("explained_variance_score", value, fit),
        case("dcg_score", gain, order), case("ndcg_score", gain, order, k=10),
    ]


def as_tensor(result: object) -> Tensor:
    """Return a number, an array or several of them as one tensor, to be compared.

    >>> as_tensor((1.0, np.array([2.0])))
    tensor([1., 2.], dtype=torch.float64)
    """
    if isinstance(result, Tensor):
        return result
    parts = result if isinstance(result, tuple) else (result,)
    return torch.from_numpy(np.concatenate([np.ravel(p) for p in parts]).astype(np.float64))


def activation_cases(maps: Tensor, scores: Tensor, passes: str, chooses: str) -> list[Case]:
    """Return the activations, with torch's, or with torch's parts of what torch lacks.

    Args:
        maps: Feature maps, shape (N, C, H, W).
        scores: Scores, shape (N, C).
        passes: Why those are slow that compute in steps.
        chooses: Why those are slow that choose.

    >>> [case.name for case in activation_cases(torch.ones(1, 2, 3, 3), torch.ones(2, 2), "", "")][:2]
    ['relu', 'leaky_relu']
    """
    a, slopes = activations, torch.full((maps.shape[1],), 0.25)
    both = "computes both branches and chooses by torch.where; torch's kernel computes one"
    two = "tanh and softplus, with the passes of both; torch's kernel makes one"
    nothing = "nothing is computed"
    zero = torch.ones(())

    def halves(gate: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def gated(x: Tensor) -> Tensor:
            value, gates = x.chunk(2, 1)
            return value * gate(gates)
        return gated

    def largest_of_two(x: Tensor) -> Tensor:
        return F.max_pool1d(x[:, None], 2)[:, 0]

    return [
        Case("relu", a.relu, F.relu, (maps,), chooses),
        Case("leaky_relu", a.leaky_relu, F.leaky_relu, (maps,), chooses),
        Case("prelu", a.prelu, F.prelu, (maps, slopes), chooses),
        Case("elu", a.elu, F.elu, (maps,), both),
        Case("selu", a.selu, F.selu, (maps,), both),
        Case("celu", a.celu, F.celu, (maps,), both),
        Case("sigmoid", a.sigmoid, torch.sigmoid, (maps,), passes),
        Case("logsigmoid", a.logsigmoid, F.logsigmoid, (maps,), passes),
        Case("tanh", a.tanh, torch.tanh, (maps,), passes),
        Case("softsign", a.softsign, F.softsign, (maps,), "the same operations"),
        Case("hardtanh", a.hardtanh, F.hardtanh, (maps,), chooses),
        Case("relu6", a.relu6, F.relu6, (maps,), chooses),
        Case("hardsigmoid", a.hardsigmoid, F.hardsigmoid, (maps,), chooses),
        Case("softplus", a.softplus, F.softplus, (maps,), passes),
        Case("gelu", a.gelu, F.gelu, (maps,), passes),
        Case("gelu tanh", lambda x: a.gelu(x, "tanh"), lambda x: F.gelu(x, approximate="tanh"),
             (maps,), passes),
        Case("gelu_sigmoid", a.gelu_sigmoid, lambda x: x * torch.sigmoid(1.702 * x), (maps,), passes),
        Case("silu", a.silu, F.silu, (maps,), passes),
        Case("mish", a.mish, F.mish, (maps,), two),
        Case("hardswish", a.hardswish, F.hardswish, (maps,), chooses),
        Case("softmin", lambda x: a.softmin(x, 1), lambda x: F.softmin(x, 1), (scores,), passes),
        Case("glu", lambda x: a.glu(x, 1), lambda x: F.glu(x, 1), (maps,), passes),
        Case("swiglu", lambda x: a.swiglu(x, 1), halves(F.silu), (maps,), passes),
        Case("geglu", lambda x: a.geglu(x, 1), halves(F.gelu), (maps,), passes),
        Case("maxout", lambda x: a.maxout(x, 2, 1), largest_of_two, (scores,),
             "shares a gradient between equals; torch's kernel keeps the winner's place"),
        Case("step", lambda: a.step(maps), lambda: torch.heaviside(maps, zero), (), "three passes"),
        Case("identity", lambda: a.identity(maps), lambda: maps, (), nothing),
    ]


def loss_cases(g: torch.Generator, passes: str, small: str) -> list[Case]:
    """Return the losses of values, distributions, embeddings and margins.

    Where torch has no function of its own, the reference is put together of torch's.

    Args:
        g: Source of the inputs.
        passes: The reason of those that are slower in large tensors.
        small: The reason of those that are slower in small ones.

    >>> "huber_loss" in [case.name for case in loss_cases(torch.Generator(), "", "")]
    True
    """
    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=g)

    images, target, signs = normal(64, 784), normal(64, 784), normal(64, 784).sign()
    scores, labels = normal(512, 10), torch.randint(10, (512,), generator=g)
    p, q = normal(512, 10).softmax(1), normal(512, 10).softmax(1)
    three = tuple(normal(256, 64) for _ in range(3))
    similar = torch.randint(2, (256,), generator=g)
    tools = "checks its probabilities and leaves out the zeros, as torch does not"
    checks = "looks through the labels before it computes, as torch does not"

    def torch_focal(x: Tensor) -> Tensor:
        loss = F.cross_entropy(x, labels, reduction="none")
        return ((1 - (-loss).exp()) ** 2 * loss).mean()

    def torch_sigmoid_focal(x: Tensor) -> Tensor:                # as torchvision has it
        y, probability = signs.clamp(min=0), x.sigmoid()
        loss = F.binary_cross_entropy_with_logits(x, y, reduction="none")
        loss = loss * (1 - (probability * y + (1 - probability) * (1 - y))) ** 2
        return (0.25 * y + 0.75 * (1 - y)) * loss

    def torch_contrastive(a: Tensor, b: Tensor) -> Tensor:
        d = F.pairwise_distance(a, b, eps=0)
        return (similar * d ** 2 + (1 - similar) * F.relu(9 - d) ** 2).mean() / 2

    def torch_squared_triplet(a: Tensor, p: Tensor, n: Tensor) -> Tensor:
        near, far = (F.mse_loss(a, x, reduction="none").sum(1) for x in (p, n))
        return F.relu(near - far + 0.2).mean()

    def torch_info_nce(a: Tensor, b: Tensor) -> Tensor:
        found = F.normalize(a) @ F.normalize(b).T / 0.07
        return F.cross_entropy(found, torch.arange(len(found)))

    def torch_between(m: Tensor, v: Tensor, n: Tensor, w: Tensor) -> Tensor:
        return kl_divergence(*(Independent(Normal(a, (b / 2).exp()), 1)
                               for a, b in ((m, v), (n, w)))).mean()

    found: dict[str, tuple[Pair, tuple[Tensor, ...], str]] = {
        "l1_loss": ((losses.l1_loss, F.l1_loss), (images, target), passes),
        "huber_loss": ((losses.huber_loss, F.huber_loss), (images, target), passes),
        "smooth_l1_loss": ((losses.smooth_l1_loss, F.smooth_l1_loss), (images, target), passes),
        "kl_div": ((lambda x: losses.kl_div(x, p, "batchmean"),
                    lambda x: F.kl_div(x, p, reduction="batchmean")), (q.log(),), tools),
        "kl_divergence": ((losses.kl_divergence,
                           lambda p, q: F.kl_div(q.log(), p, reduction="batchmean")), (p, q), tools),
        "gaussian_kl_between": ((losses.gaussian_kl_between, torch_between),
                                tuple(normal(64, 16) for _ in range(4)), small),
        "triplet_margin_loss": ((losses.triplet_margin_loss, F.triplet_margin_loss), three, small),
        "squared_triplet_loss": ((losses.squared_triplet_loss, torch_squared_triplet), three, small),
        "contrastive_loss": ((lambda a, b: losses.contrastive_loss(a, b, similar, 9.0),
                              torch_contrastive), three[:2], small),
        "contrastive_distance_loss": (
            (lambda d: losses.contrastive_distance_loss(d, signs.clamp(min=0)),
             lambda d: (signs.clamp(min=0) * d ** 2
                        + (1 - signs.clamp(min=0)) * F.relu(1 - d) ** 2).mean() / 2),
            (images.abs(),), checks),
        "hinge_embedding_loss": ((lambda x: losses.hinge_embedding_loss(x, signs),
                                  lambda x: F.hinge_embedding_loss(x, signs)), (images,), passes),
        "cosine_embedding_loss": (
            (lambda a, b: losses.cosine_embedding_loss(a, b, 2 * similar - 1),
             lambda a, b: F.cosine_embedding_loss(a, b, 2 * similar - 1)), three[:2], small),
        "info_nce": ((losses.info_nce, torch_info_nce), three[:2], small),
        "focal_loss": ((lambda x: losses.focal_loss(x, labels), torch_focal), (scores,), small),
        "sigmoid_focal_loss": ((lambda x: losses.sigmoid_focal_loss(x, signs.clamp(min=0)),
                                torch_sigmoid_focal), (images,), passes),
        "hinge_loss": ((lambda x: losses.hinge_loss(x, signs),
                        lambda x: F.margin_ranking_loss(x, torch.zeros_like(x), signs, margin=1)),
                       (images,), checks),
        "multi_margin_loss": ((lambda x: losses.multi_margin_loss(x, labels),
                               lambda x: F.multi_margin_loss(x, labels)), (scores,), small),
        "soft_margin_loss": ((lambda x: losses.soft_margin_loss(x, signs),
                              lambda x: F.soft_margin_loss(x, signs)), (images,), passes),
    }
    return [Case(name, *pair, inputs, why) for name, (pair, inputs, why) in found.items()]


def _timed(call: Callable[[], object], times: int) -> float:
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    for _ in range(times):
        call()
    return (clock() - start) / times


def compare(mine: Callable[[], object], reference: Callable[[], object], repeats: int) -> Times:
    """Time two calls in turns and return the median of each.

    Args:
        mine: The call that is judged.
        reference: The call that it is judged by.
        repeats: Turns of each.

    Raises:
        ValueError: If there is no repeat.

    >>> compare(lambda: None, lambda: None, repeats=3).ratio > 0
    True
    """
    if repeats < 1:
        raise ValueError(f"expected at least 1 repeat, received {repeats}")
    times = max(1, int(2e-3 / max(_timed(reference, 3), 1e-7)))   # a turn takes about 2 ms
    _timed(mine, 2)
    turns = [(_timed(reference, times), _timed(mine, times)) for _ in range(repeats)]
    return Times(*(median(column) for column in zip(*turns)))


def measure(case: Case, repeats: int) -> tuple[Times, Times | None]:
    """Return the times of the forward pass, and of forward with backward, if there is a backward.

    Args:
        case: What is timed; both results are compared first.
        repeats: Turns of each.

    Raises:
        AssertionError: If dlcheat and the reference do not give the same.
        ValueError: If there is no repeat.

    >>> forward, both = measure(cases()[0], repeats=1)
    """
    inputs = [x.clone().requires_grad_() for x in case.inputs]
    expected = as_tensor(case.reference(*inputs))
    size = expected[expected.isfinite()].abs().max().item()
    torch.testing.assert_close(as_tensor(case.mine(*inputs)), expected, rtol=1e-4, atol=1e-5 * size)
    upstream = torch.ones_like(expected)

    def forward(function: Callable[..., Tensor]) -> Callable[[], object]:
        def call() -> Tensor:
            with torch.no_grad():
                return function(*inputs)
        return call

    def both(function: Callable[..., Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(function(*inputs), inputs, upstream)

    ways = (forward, both) if inputs else (forward,)
    times = [compare(way(case.mine), way(case.reference), repeats) for way in ways]
    return times[0], times[1] if inputs else None


def row(case: Case, forward: Times, both: Times | None) -> str:
    """Return one line of the table.

    Args:
        case: What was timed.
        forward: Times of the forward pass.
        both: Times of forward and backward, if there is a backward.

    >>> print(row(Case("relu", F.relu, F.relu, (), "no reason"), Times(1e-3, 1e-3), Times(1e-3, 2e-3)))
    relu                                 1.000    1.000   1.00     1.000    2.000   2.00  no reason
    """
    numbers = "".join(f"{1e3 * t.reference:9.3f}{1e3 * t.mine:9.3f}{t.ratio:7.2f} " if t else " " * 26
                      for t in (forward, both))
    slow = max(t.ratio for t in (forward, both) if t) > TARGET
    return f"{case.name:33}{numbers} {case.why if slow else ''}".rstrip()


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table.

    Args:
        arguments: Of the command line; None takes the program's own.

    >>> main(["--only", "global_avg", "--repeats", "1", "--help-not"])
    Traceback (most recent call last):
        ...
    SystemExit: 2
    """
    parser = argparse.ArgumentParser(description="Time dlcheat against torch and scikit-learn.")
    parser.add_argument("--only", default="", help="functions whose name holds this")
    parser.add_argument("--repeats", type=int, default=15, help="turns of each (default 15)")
    parser.add_argument("--threads", type=int, help="threads of torch (default: torch's own)")
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error(f"expected at least 1 repeat, received {options.repeats}")
    if options.threads is not None:
        if options.threads < 1:
            parser.error(f"expected at least 1 thread, received {options.threads}")
        torch.set_num_threads(options.threads)
    chosen = [case for case in cases() if options.only in case.name]
    if not chosen:
        parser.error(f"expected a part of a function's name, received {options.only!r}")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), float32; "
          f"scikit-learn {sklearn.__version__}, float64; "
          f"medians of {options.repeats} turns, milliseconds")
    print(f"{'':33}{'forward':^25} {'forward and backward':^25}")
    print(f"{'':33}" + f"{'theirs':>9}{'dlcheat':>9}{'ratio':>7} " * 2 + " why, above 1.5")
    for case in chosen:
        print(row(case, *measure(case, options.repeats)), flush=True)


if __name__ == "__main__":
    main()
