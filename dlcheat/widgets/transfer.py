"""Transfer: accuracy against labels and frozen depth, and a head that the page itself fits."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
import traitlets
from torch import Tensor

from dlcheat.transfer import (
    DEPTH,
    LABELS,
    SOURCES,
    draw,
    extract,
    linear_probe,
    pretrained,
    sweep,
    target_task,
)
from dlcheat.validation import expect
from dlcheat.widgets.base import BookWidget

#: Digits of each class that the reader may label, and digits of each class to test on.
OFFERED, TESTED, CLASSES = 6, 50, 5
PENALTY = 0.01


class Head(NamedTuple):
    """A head fitted on the features of a few digits, and what it says of the test digits.

    Attributes:
        weight: Shape (5, 32).
        bias: Shape (5,).
        predictions: Of the 250 test digits, shape (250,), classes 0 … 4 for 5 … 9.
        accuracy: Share of them that is right.
    """

    weight: Tensor
    bias: Tensor
    predictions: Tensor
    accuracy: float


@cache
def shown() -> dict[str, Any]:
    """Return what the widget carries: digits, features of each source, and the measurement.

    The first 30 digits are offered for labelling, the other 250 test. Features are bytes, times
    the source's scale; pixels are 4 bits, two a byte.

    >>> data = shown()
    >>> [len(data[k]) for k in ("classes", "features", "pixels", "scales")]
    [280, 35840, 27440, 4]
    """
    task = target_task()
    pool = draw(task.pool_labels, OFFERED, seed=2024)
    rows = torch.cat([(task.test_labels == c).nonzero()[:TESTED, 0] for c in range(CLASSES)])
    images = torch.cat([task.pool[pool], task.test[rows]])
    scales, features = [], []
    for source in SOURCES:
        values = extract(pretrained(source), images)
        scales.append(values.max().item() / 255)
        features.append((values / scales[-1]).round().byte().numpy().tobytes())
    levels = (15 * images.flatten(1)).round().byte().numpy()
    labels = torch.cat([task.pool_labels[pool], task.test_labels[rows]])
    return {"classes": labels.byte().numpy().tobytes(), "features": b"".join(features),
            "pixels": (16 * levels[:, ::2] + levels[:, 1::2]).tobytes(), "scales": scales,
            "scores": sweep().accuracy.round(3).tolist()}


def fit_head(source: str, chosen: list[int]) -> Head | None:
    """Fit a head on the features of the chosen digits, as the page does.

    Args:
        source: What the network learned before, one of ``SOURCES``.
        chosen: Which of the 30 offered digits are labelled.

    Returns:
        The head, or None where fewer than two classes are labelled: there is nothing to tell apart.

    Raises:
        ValueError: If the source is unknown or a digit is not among the offered.

    >>> fit_head("digits", [0, 6, 12, 18, 24]).accuracy > 0.5
    True
    """
    expect(source in SOURCES, f"source to be one of {SOURCES}", source)
    offered = CLASSES * OFFERED
    good = len(set(chosen)) == len(chosen) and all(0 <= i < offered for i in chosen)
    expect(good, f"different digits of 0 … {offered - 1}", chosen)
    data, at = shown(), SOURCES.index(source)
    classes = torch.tensor(list(data["classes"]))
    table = np.frombuffer(data["features"], np.uint8).reshape(len(SOURCES), len(classes), -1)[at]
    features = torch.from_numpy(table.astype(np.float64)) * data["scales"][at]
    if len(classes[chosen].unique()) < 2:
        return None
    weight, bias = linear_probe(features[chosen], classes[chosen], CLASSES, l2=PENALTY)
    predictions = F.linear(features[offered:], weight, bias).argmax(1)
    right = (predictions == classes[offered:]).double().mean().item()
    return Head(weight, bias, predictions, right)


class Transfer(BookWidget, front="transfer"):
    """Accuracy against labels, for what was learned before and what stays frozen.

    The curves were measured by :func:`dlcheat.transfer.sweep`. The head on the reader's own
    labels is fitted in the page; a test compares it with :func:`fit_head`.

    Attributes:
        source: What the network learned before, one of ``SOURCES``.
        frozen: How many stages stay as they are, 0 (all is fine-tuned) to 3 (only the head).
        labels: Labelled digits of each class, one of ``LABELS``.
        chosen: The offered digits that the reader labelled, of 0 … 29.

    Raises:
        traitlets.TraitError: If a trait gets a value that it cannot hold.

    >>> Transfer(frozen=3).scores()[1]
    0.806
    """

    source = traitlets.Enum(SOURCES, "digits").tag(sync=True)
    frozen = traitlets.Int(0, min=0, max=DEPTH).tag(sync=True)
    labels = traitlets.Enum(LABELS, 10).tag(sync=True)
    chosen = traitlets.List(traitlets.Int(), default_value=[]).tag(sync=True)
    #: What ``shown`` returns; fixed.
    classes = traitlets.Bytes().tag(sync=True)
    features = traitlets.Bytes().tag(sync=True)
    pixels = traitlets.Bytes().tag(sync=True)
    scales = traitlets.List().tag(sync=True)
    scored = traitlets.List().tag(sync=True)

    def __init__(self, **state: object) -> None:
        data = dict(shown())
        super().__init__(scored=data.pop("scores"), **data, **state)

    @traitlets.validate("chosen")
    def _check_chosen(self, proposal: dict[str, Any]) -> list[int]:
        value, most = proposal["value"], CLASSES * OFFERED
        if len(set(value)) != len(value) or not all(0 <= i < most for i in value):
            raise traitlets.TraitError(
                f"expected chosen as different digits of 0 … {most - 1}, received {value!r:.80}")
        return sorted(value)

    def scores(self) -> tuple[float, float, float]:
        """Return the lowest, the mean and the highest accuracy of the five seeds that are shown."""
        at = SOURCES.index(self.source), self.frozen, LABELS.index(self.labels)
        five = self.scored[at[0]][at[1]][at[2]]
        return min(five), round(sum(five) / len(five), 3), max(five)

    def head(self) -> Head | None:
        """Return the head on the reader's labels, or None where there is nothing to tell apart."""
        return fit_head(self.source, self.chosen)
