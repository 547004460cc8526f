"""Transfer learning: a network trained on one task is the start for another.

``transfer.npz`` beside this file holds the pretrained networks and the results of ``sweep``;
``python -m dlcheat.transfer`` makes both anew, in about twenty minutes on one core.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcheat.architectures.cnn import CNN
from dlcheat.datasets import mnist
from dlcheat.validation import expect, expect_float

#: What a network may have learned before: digits 0–4; the same with their pixels shuffled; the
#: same with labels drawn by lot; nothing.
SOURCES = ("digits", "shuffled", "random labels", "none")
#: Labels of each class, learning rates and seeds of ``sweep``.
LABELS = (1, 2, 5, 10, 20, 50, 200)
RATES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
SEEDS = 5
STEPS, BATCH = 60, 32
LONG = 2500                             # updates of the first task where it is learned by heart
DEPTH = 3                               # convolution blocks; the fourth stage is the head


# ---------------------------------------------------------------------- the task

class Task(NamedTuple):
    """Digits 5–9 as classes 0–4, at 14 × 14 pixels.

    Attributes:
        pool: Digits to draw labelled examples from, shape (2500, 1, 14, 14), 500 a class.
        pool_labels: Shape (2500,).
        validation: Held out to choose rates by, shape (500, 1, 14, 14), 100 a class.
        validation_labels: Shape (500,).
        test: Shape (500, 1, 14, 14), 100 a class.
        test_labels: Shape (500,).
    """

    pool: Tensor
    pool_labels: Tensor
    validation: Tensor
    validation_labels: Tensor
    test: Tensor
    test_labels: Tensor


@cache
def target_task() -> Task:
    """Return the new task: telling 5, 6, 7, 8 and 9 apart.

    >>> task = target_task()
    >>> task.pool.shape, task.test_labels.bincount().tolist()
    (torch.Size([2500, 1, 14, 14]), [100, 100, 100, 100, 100])
    """
    digits = mnist()
    images, labels = F.avg_pool2d(digits.train_images, 2), digits.train_labels
    rows = [(labels == c).nonzero()[:, 0] for c in range(5, 10)]
    held, pool = torch.cat([r[:100] for r in rows]), torch.cat([r[100:] for r in rows])
    new = digits.test_labels >= 5
    return Task(images[pool], labels[pool] - 5, images[held], labels[held] - 5,
                F.avg_pool2d(digits.test_images, 2)[new], digits.test_labels[new] - 5)


def draw(labels: Tensor, count: int, seed: int) -> Tensor:
    """Return the rows of ``count`` random examples of each class, in the order of the classes.

    Args:
        labels: Class numbers, shape (N,).
        count: Examples of each class.
        seed: Of the draw. A larger count with the same seed contains the smaller one.

    Raises:
        ValueError: If a class has fewer than ``count`` examples.

    >>> labels = torch.tensor([0, 1, 0, 1, 1])
    >>> labels[draw(labels, 2, seed=0)]
    tensor([0, 0, 1, 1])
    """
    fewest = int(labels.bincount().min())
    expect(1 <= count <= fewest, f"count of 1 … {fewest}", count)
    generator, chosen = torch.Generator().manual_seed(seed), []
    for c in range(int(labels.max()) + 1):
        rows = (labels == c).nonzero()[:, 0]
        chosen.append(rows[torch.randperm(len(rows), generator=generator)[:count]])
    return torch.cat(chosen)


# ---------------------------------------------------------------------- networks in stages

def small_cnn(seed: int = 0) -> CNN:
    """Return the network of the chapter: three blocks and a head of five scores, 6165 parameters.

    >>> small_cnn()(torch.zeros(2, 1, 14, 14)).shape
    torch.Size([2, 5])
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return CNN((8, 16, 32), kernel_size=3, size=14, classes=5)


def stages(model: CNN) -> list[nn.Module]:
    """Return the parts of a ``CNN`` from its input to its output: the blocks, then the head.

    >>> len(stages(small_cnn()))
    4
    """
    return [*model.blocks, model.scores]


def new_head(model: CNN, seed: int = 0) -> CNN:
    """Return a copy whose blocks are kept and whose head is drawn anew.

    >>> old = small_cnn()
    >>> new = new_head(old, seed=1)
    >>> torch.equal(new.scores.weight, old.scores.weight)
    False
    """
    model = copy.deepcopy(model)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model.scores.reset_parameters()
    return model


def freeze(model: CNN, depth: int) -> None:
    """Let the first ``depth`` stages stay as they are, and train the others.

    A frozen stage has no gradient, and its batch norm keeps the statistics it has: it stands in
    evaluation mode. ``model.train()`` would undo the second, so call this after it.

    Args:
        model: Changed in place.
        depth: 0 trains everything, 3 the head alone.

    Raises:
        ValueError: If the model has not more than ``depth`` stages.

    >>> model = small_cnn()
    >>> freeze(model, 3)
    >>> sum(p.numel() for p in model.parameters() if p.requires_grad)
    165
    """
    parts = stages(model)
    expect(0 <= depth < len(parts), f"depth of 0 … {len(parts) - 1}", depth)
    for i, part in enumerate(parts):
        part.requires_grad_(i >= depth)
        part.train(i >= depth)


def parameter_groups(parts: Iterable[nn.Module], lr: float, decay: float) -> list[dict[str, Any]]:
    r"""Return an optimizer's groups with discriminative rates: the lower a stage, the smaller.

    .. math:: \eta_l = \eta\, \gamma^{L - l}

    Args:
        parts: Stages 1 … L, from the input to the output.
        lr: η, the rate of the last stage.
        decay: γ, above 0 and at most 1; 1 gives every stage the same rate.

    Raises:
        ValueError: If ``lr`` or ``decay`` is out of range.

    Source: Howard and Ruder (2018), who take γ = 1/2.6.

    >>> groups = parameter_groups([nn.Linear(2, 2), nn.Linear(2, 1)], 0.1, 0.5)
    >>> [g["lr"] for g in groups]
    [0.05, 0.1]
    """
    expect(lr > 0, "lr above 0", lr)
    expect(0 < decay <= 1, "decay above 0 and at most 1", decay)
    parts = list(parts)
    return [{"params": list(part.parameters()), "lr": lr * decay ** (len(parts) - 1 - i)}
            for i, part in enumerate(parts)]


def fine_tune(model: CNN, images: Tensor, labels: Tensor, *, lr: float, frozen: int = 0,
              decay: float = 1.0, gradual: bool = False, steps: int = STEPS,
              seed: int = 0) -> CNN:
    """Train a copy's upper stages with Adam, and return it in evaluation mode.

    The rate falls in a straight line to 0.

    Args:
        model: Where to start; it is not changed.
        images: Shape (N, 1, 14, 14).
        labels: Class numbers, shape (N,).
        lr: Rate of the head.
        frozen: Stages that stay as they are, from the input.
        decay: Each stage's rate, as a multiple of the one above it.
        gradual: Thaw one stage at a time: the head alone for the first quarter of the steps,
            with the block below it for the second, and so on, down to ``frozen``.
        steps: Updates, each on up to 32 examples.
        seed: Of the batches.

    Raises:
        ValueError: If ``lr``, ``frozen`` or ``decay`` is out of range.

    >>> task = target_task()
    >>> tuned = fine_tune(small_cnn(), task.pool[::250], task.pool_labels[::250], lr=0.01, steps=2)
    >>> tuned.training
    False
    """
    model = copy.deepcopy(model)
    optimizer = torch.optim.Adam(parameter_groups(stages(model), lr, decay))
    fall = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        closed = DEPTH - step * (DEPTH + 1) // steps
        freeze(model, max(frozen, closed) if gradual else frozen)
        rows = torch.randperm(len(images), generator=generator)[:BATCH]
        loss = F.cross_entropy(model(images[rows]), labels[rows])
        optimizer.zero_grad()                       # a frozen stage has no gradient: Adam skips it
        loss.backward()
        optimizer.step()
        fall.step()
    return model.eval()


@torch.no_grad()
def extract(model: CNN, images: Tensor, depth: int = DEPTH) -> Tensor:
    """Return what the first ``depth`` stages make of images: their features, shape (N, D).

    The model is left in evaluation mode, so that batch norm uses the statistics of its training.

    Args:
        model: A ``CNN``.
        images: Shape (N, 1, 14, 14).
        depth: Blocks to run; 0 gives the pixels.

    Raises:
        ValueError: If the model has fewer than ``depth`` blocks.

    >>> extract(small_cnn(), torch.zeros(2, 1, 14, 14)).shape
    torch.Size([2, 32])
    """
    model.eval()
    expect(0 <= depth <= len(model.blocks), f"depth of 0 … {len(model.blocks)}", depth)
    return model.blocks[:depth](images).flatten(1)


def linear_probe(features: Tensor, labels: Tensor, classes: int, l2: float = 0.01,
                 steps: int = 200) -> tuple[Tensor, Tensor]:
    r"""Fit a softmax regression on fixed features; the same features give the same head.

    .. math:: \min_{W, b} \frac1N \sum_n -\log \operatorname{softmax}(W \tilde x_n + b)_{y_n}
       + \frac{\lambda}{2} \lVert W \rVert^2, \qquad \tilde x = (x - \mu) / s

    μ is the mean of the features, s² their mean squared distance from it, so that the
    penalty λ means the same for any features. From zero, by Nesterov's accelerated
    gradient descent at the rate 1 / (1 + λ), which the scale s makes safe.

    Args:
        features: x, shape (N, D).
        labels: y, class numbers, shape (N,).
        classes: C.
        l2: λ, at least 0.
        steps: Steps of gradient descent.

    Returns:
        Weight (C, D) and bias (C,) for the features as they came, ready for ``F.linear``.

    Raises:
        ValueError: If shapes do not fit, a label is not in 0 … C − 1, or all features are equal.

    >>> weight, bias = linear_probe(torch.eye(3), torch.tensor([0, 1, 2]), 3)
    >>> F.linear(torch.eye(3), weight, bias).argmax(1)
    tensor([0, 1, 2])
    """
    expect_float("features", features)
    n = len(features)
    expect(features.ndim == 2, "features of shape (N, D)", features)
    known = labels.shape == (n,) and bool(((labels >= 0) & (labels < classes)).all())
    expect(known, f"labels 0 … {classes - 1} of shape ({n},)", labels)
    expect(l2 >= 0, "l2 of at least 0", l2)
    mean = features.mean(0)
    scale = (features - mean).square().sum(1).mean().sqrt()
    expect(scale > 0, "features that differ", features)
    x = (features - mean) / scale                                    # mean squared length 1
    wanted = F.one_hot(labels, classes).to(x)                        # (N, C)
    weight, bias = x.new_zeros(classes, x.shape[1]), x.new_zeros(classes)
    last, lr = (weight, bias), 1 / (1 + l2)
    for k in range(steps):
        push = k / (k + 3)
        w, b = weight + push * (weight - last[0]), bias + push * (bias - last[1])
        error = ((x @ w.T + b).softmax(1) - wanted) / n              # (N, C)
        last = weight, bias
        weight, bias = w - lr * (error.T @ x + l2 * w), b - lr * error.sum(0)
    return weight / scale, bias - weight @ mean / scale


# ---------------------------------------------------------------------- pretraining

def first_task(source: str, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return what is learned first: digits 0–4, shape (3000, 1, 14, 14), and their labels.

    Args:
        source: One of ``SOURCES`` but "none".
        generator: Draws the order of the shuffled pixels, or the random labels.

    Raises:
        ValueError: If there is no such first task.

    >>> images, labels = first_task("random labels", torch.Generator().manual_seed(0))
    >>> images.shape, labels[:5].tolist()
    (torch.Size([3000, 1, 14, 14]), [4, 4, 3, 0, 3])
    """
    expect(source in SOURCES[:-1], f"source to be one of {SOURCES[:-1]}", source)
    digits = mnist()
    old = digits.train_labels < 5
    images, labels = F.avg_pool2d(digits.train_images[old], 2), digits.train_labels[old]
    if source == "shuffled":
        order = torch.randperm(196, generator=generator)
        images = images.flatten(1)[:, order].view_as(images)
    if source == "random labels":
        labels = torch.randint(0, 5, (len(images),), generator=generator)
    return images, labels


def pretrain(source: str, seed: int = 0, steps: int | None = None) -> CNN:
    """Return the network after its first task.

    Args:
        source: One of ``SOURCES``.
        seed: Of its first weights, its batches, the shuffle and the lot.
        steps: Updates of Adam, each on 64 of 3000 digits; None takes 400, or 2500 where the
            labels are drawn by lot and can only be learned by heart.

    Raises:
        ValueError: If the source is unknown.

    >>> pretrain("digits", steps=1).training
    False
    """
    expect(source in SOURCES, f"source to be one of {SOURCES}", source)
    model, generator = small_cnn(seed), torch.Generator().manual_seed(seed)
    if source == "none":
        return model.eval()
    images, labels = first_task(source, generator)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(steps or (LONG if source == "random labels" else 400)):
        rows = torch.randint(0, len(images), (64,), generator=generator)
        loss = F.cross_entropy(model(images[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def filter_lengths(model: CNN) -> list[float]:
    r"""Return the length of each block's convolution weight, :math:`\lVert W \rVert`.

    >>> [round(length, 1) for length in filter_lengths(small_cnn())]
    [1.6, 2.3, 3.2]
    """
    return [block.convolution.weight.norm().item() for block in model.blocks]


@torch.no_grad()
def rescaled(model: CNN) -> CNN:
    """Return a copy that answers the same, from filters as long as those of ``small_cnn()``.

    Behind batch norm the scale of a convolution cancels, up to its ε; the running statistics are
    scaled with it.

    Args:
        model: A network of ``small_cnn``'s shape, in evaluation mode.

    >>> small = rescaled(pretrained("random labels"))
    >>> [round(length, 1) for length in filter_lengths(small)]
    [1.6, 2.3, 3.2]
    """
    model = copy.deepcopy(model)
    for block, fresh in zip(model.blocks, small_cnn().blocks):
        by = fresh.convolution.weight.norm() / block.convolution.weight.norm()
        block.convolution.weight *= by
        block.convolution.bias *= by
        block.norm.running_mean *= by
        block.norm.running_var *= by ** 2
    return model


def transplanted(model: CNN, depth: int, seed: int = 0) -> CNN:
    """Return an untrained network whose first ``depth`` blocks are copies of the model's.

    Args:
        model: A network of ``small_cnn``'s shape.
        depth: 0 … 3.
        seed: Of the other weights: those of ``small_cnn(seed)``.

    Raises:
        ValueError: If the model has fewer than ``depth`` blocks.

    >>> [round(v, 1) for v in filter_lengths(transplanted(pretrained("random labels"), 1))]
    [6.0, 2.3, 3.2]
    """
    expect(0 <= depth <= len(model.blocks), f"depth of 0 … {len(model.blocks)}", depth)
    fresh = small_cnn(seed).eval()
    for i in range(depth):
        fresh.blocks[i] = copy.deepcopy(model.blocks[i])
    return fresh


# ---------------------------------------------------------------------- the measurement

#: Penalties λ of the head on frozen features.
PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
#: Ways to fine-tune all of the network pretrained on digits.
RECIPES = {"plain": {}, "discriminative": {"decay": 1 / 2.6}, "gradual": {"gradual": True},
           "both": {"decay": 1 / 2.6, "gradual": True}}
#: More starts, to tell causes apart: what learned random labels, with the size of its filters
#: taken back; of that the first block alone; and the true labels, learned for as long as the random.
CONTROLS = ("rescaled", "rescaled, block 1 alone", "true labels, 2500 updates")
FILE = Path(__file__).with_suffix(".npz")


def trial(model: CNN, labels: int, seed: int, setting: float, frozen: int = 0,
          **recipe: Any) -> tuple[float, float]:
    """Transfer once, and return the accuracy on the validation and on the test digits.

    Args:
        model: What was learned before; its head is drawn anew.
        labels: Labelled digits of each class.
        seed: Of their draw, of the head and of the batches.
        setting: The learning rate; with three stages frozen the penalty of ``linear_probe``.
        frozen: Stages that stay as they are.
        **recipe: ``decay`` and ``gradual`` of ``fine_tune``.

    Raises:
        ValueError: If a number is out of range.

    >>> all(0 < score < 1 for score in trial(small_cnn(), 1, 0, 0.01, frozen=3))
    True
    """
    task = target_task()
    rows = draw(task.pool_labels, labels, seed)
    images, wanted = task.pool[rows], task.pool_labels[rows]
    if frozen == DEPTH:
        tuned = copy.deepcopy(model)
        head = linear_probe(extract(model, images), wanted, 5, l2=setting)
        tuned.scores.weight.data, tuned.scores.bias.data = head
    else:
        tuned = fine_tune(new_head(model, seed), images, wanted, lr=setting, frozen=frozen,
                          seed=seed, **recipe)
    with torch.no_grad():
        right = [(tuned(x).argmax(1) == y).double().mean().item() for x, y in
                 ((task.validation, task.validation_labels), (task.test, task.test_labels))]
    return right[0], right[1]


def tuned_trials(models: list[CNN], labels: int, frozen: int = 0,
                 **recipe: Any) -> tuple[list[float], float]:
    """Transfer with every seed and every setting, and keep the best setting.

    The best is the one with the highest mean accuracy on the validation digits.

    Args:
        models: What was learned before, one for each seed.
        labels: Labelled digits of each class.
        frozen: Stages that stay as they are.
        **recipe: ``decay`` and ``gradual`` of ``fine_tune``.

    Returns:
        The test accuracy of each seed, and the setting.

    Raises:
        ValueError: If a number is out of range.

    >>> scores, penalty = tuned_trials([small_cnn()], 1, frozen=3)
    >>> len(scores), penalty in PENALTIES
    (1, True)
    """
    found = {}
    for setting in PENALTIES if frozen == DEPTH else RATES:
        pairs = [trial(model, labels, seed, setting, frozen, **recipe)
                 for seed, model in enumerate(models)]
        validation, test = zip(*pairs)
        found[setting] = sum(validation), list(test)
    best = max(found, key=lambda setting: found[setting][0])
    return found[best][1], best


class Sweep(NamedTuple):
    """Test accuracies of transferred networks, five seeds each.

    A seed decides everything: the first task's training, the draw of the labels, the new head and
    the batches.

    Attributes:
        accuracy: Shape (sources, frozen stages 0 … 3, labels, seeds), in the order of ``SOURCES``
            and ``LABELS``.
        setting: The learning rate (for three frozen stages the penalty) that did best on the
            validation digits, shape (sources, 4, labels).
        recipes: The network pretrained on digits, all of it fine-tuned in the ways of
            ``RECIPES``, shape (ways, labels, seeds).
        controls: All of the network fine-tuned after the first tasks of ``CONTROLS``, shape
            (3, labels, seeds).
        control_setting: The learning rates of these, shape (3, labels).
        lengths: What ``filter_lengths`` says of the networks of the last of ``CONTROLS``, which
            are not shipped, shape (seeds, 3).
    """

    accuracy: np.ndarray
    setting: np.ndarray
    recipes: np.ndarray
    controls: np.ndarray
    control_setting: np.ndarray
    lengths: np.ndarray


@cache
def _arrays() -> dict[str, np.ndarray]:
    with np.load(FILE) as file:
        return {name: file[name] for name in file.files}


def sweep() -> Sweep:
    """Return the shipped measurement.

    >>> sweep().accuracy.shape
    (4, 4, 7, 5)
    """
    return Sweep(*(_arrays()[name] for name in Sweep._fields))


def pretrained(source: str, seed: int = 0) -> CNN:
    """Return the shipped network of ``pretrain(source, seed)``, in evaluation mode.

    Args:
        source: One of ``SOURCES``.
        seed: 0 … 4; any where there was nothing to learn.

    Raises:
        ValueError: If the source is unknown, or no network of this seed is shipped.

    >>> pretrained("digits").training
    False
    """
    expect(source in SOURCES, f"source to be one of {SOURCES}", source)
    model = small_cnn(seed)
    if source != "none":
        expect(0 <= seed < SEEDS, f"seed of 0 … {SEEDS - 1}", seed)
        model.load_state_dict({name: torch.tensor(_arrays()[f"{source}/{name}"][seed])
                               for name in model.state_dict()})
    return model.eval()


def make(path: Path = FILE) -> None:
    """Pretrain, measure and write ``transfer.npz``.

    Args:
        path: Where to.

    >>> FILE.name
    'transfer.npz'
    >>> make()  # doctest: +SKIP
    """
    seeds = range(SEEDS)
    networks = {source: [pretrain(source, seed) for seed in seeds] for source in SOURCES}
    long = [pretrain("digits", seed, LONG) for seed in seeds]
    arrays = {f"{source}/{name}": np.stack([model.state_dict()[name] for model in networks[source]])
              for source in SOURCES[:-1] for name in long[0].state_dict()}
    shape = len(SOURCES), DEPTH + 1, len(LABELS)
    accuracy, setting = np.zeros((*shape, SEEDS)), np.zeros(shape)
    for i, (source, models) in enumerate(networks.items()):
        for frozen in range(DEPTH + 1):
            for k, labels in enumerate(LABELS):
                accuracy[i, frozen, k], setting[i, frozen, k] = tuned_trials(models, labels, frozen)
                print(source, frozen, labels, accuracy[i, frozen, k].round(3), setting[i, frozen, k],
                      flush=True)

    def all_labels(models: list[CNN], **recipe: Any) -> tuple[np.ndarray, np.ndarray]:
        scores, rates = zip(*(tuned_trials(models, labels, **recipe) for labels in LABELS))
        return np.array(scores), np.array(rates)

    recipes = np.stack([accuracy[0, 0], *(all_labels(networks["digits"], **recipe)[0]
                                          for recipe in list(RECIPES.values())[1:])])
    small = [rescaled(model) for model in networks["random labels"]]
    alone = [transplanted(model, 1, seed) for seed, model in enumerate(small)]
    controls, rates = zip(*(all_labels(models) for models in (small, alone, long)))
    np.savez_compressed(path, accuracy=accuracy, setting=setting, recipes=recipes,
                        controls=np.stack(controls), control_setting=np.stack(rates),
                        lengths=np.array([filter_lengths(model) for model in long]), **arrays)


if __name__ == "__main__":
    torch.set_num_threads(1)
    make()
