"""The routing stepper: routing by agreement, one iteration at a time."""

from __future__ import annotations

import json
import math
from typing import Any

import torch
import traitlets
from torch import Tensor

from dlcheat.architectures.capsnet import CapsNet
from dlcheat.validation import expect, expect_float
from dlcheat.widgets.base import BookWidget, pack_float32, pack_int8

#: The worked example of the chapter: 3 parts, 2 wholes, 2 dimensions.
WORKED = [[[1.0, 0.2], [0.4, 0.8]], [[0.9, -0.1], [-0.7, 0.1]], [[-0.2, 1.0], [0.5, 0.7]]]
PRESETS = ("worked", "agree", "disagree", "outlier", "clusters", "custom")
#: The reader's vectors stay in the square from −LIMIT to LIMIT.
LIMIT = 1.5


def plane(predictions: Tensor) -> Tensor:
    """Return the two directions that hold most of the predictions' squared length.

    They are the first two right singular vectors: principal components about the origin, so
    that the origin stays where it is. The widget uses them for its picture alone.

    Args:
        predictions: û for one whole, shape (I, D), I and D at least 2.

    Returns:
        Shape (2, D), orthonormal rows; each row's largest component is positive.

    Raises:
        ValueError: If ``predictions`` has another shape.

    >>> plane(torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 1.0]])).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    expect_float("predictions", predictions)
    wide = predictions.dim() == 2 and min(predictions.shape) >= 2
    expect(wide, "predictions of shape (I, D), both at least 2", predictions)
    rows = torch.linalg.svd(predictions, full_matrices=False).Vh[:2]
    largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    return rows * largest.sign() + 0.0


class RoutingStepper(BookWidget, front="routing"):
    """Step through dynamic routing, on the reader's own vectors or on a trained network's.

    ``RoutingStepper()`` holds the reader's vectors alone, :meth:`from_network` adds digits.
    The front end computes :func:`dlcheat.layers.capsule.dynamic_routing`; a test compares both.

    Attributes:
        mode: ``"yours"`` or ``"network"``: which predictions are routed.
        preset: The start of the reader's vectors; ``"custom"`` once they were moved.
        vectors: The reader's û, nested lists of shape (I, 2, 2), I from 1 to 8, in −1.5 … 1.5.
        iteration: Pass 0 … 5; pass t has had t updates of the logits.
        digit: Number of the chosen digit of the network.
        pair: The two digit capsules that are compared.

    Raises:
        traitlets.TraitError: If a trait gets a value that it cannot hold.

    >>> stepper = RoutingStepper()
    >>> stepper.iteration, len(stepper.vectors)
    (0, 3)
    """

    mode = traitlets.Enum(("yours", "network"), "yours").tag(sync=True)
    preset = traitlets.Enum(PRESETS, "worked").tag(sync=True)
    vectors = traitlets.List(default_value=WORKED).tag(sync=True)
    iteration = traitlets.Int(0, min=0, max=5).tag(sync=True)
    digit = traitlets.Int(0, min=0).tag(sync=True)
    pair = traitlets.List(traitlets.Int(), default_value=[0, 1]).tag(sync=True)

    parts = traitlets.Int(0).tag(sync=True)
    wholes = traitlets.Int(0).tag(sync=True)
    dimensions = traitlets.Int(0).tag(sync=True)
    digits = traitlets.Unicode("[]").tag(sync=True)
    predictions = traitlets.Bytes(b"").tag(sync=True)
    bases = traitlets.Bytes(b"").tag(sync=True)
    images = traitlets.Bytes(b"").tag(sync=True)

    @traitlets.validate("vectors")
    def _check_vectors(self, proposal: dict[str, Any]) -> list:
        value = proposal["value"]
        try:
            table = torch.tensor(value, dtype=torch.float64)
        except (TypeError, ValueError):
            table = torch.zeros(0)
        inside = table.dim() == 3 and bool((table.abs() <= LIMIT).all())
        if not inside or table.shape[1:] != (2, 2) or not 1 <= len(table) <= 8:
            raise traitlets.TraitError("expected vectors of shape (I, 2, 2) with I from 1 to 8 and "
                                       f"values from {-LIMIT:g} to {LIMIT:g}, received {value!r}")
        return table.tolist()

    @traitlets.validate("mode")
    def _check_mode(self, proposal: dict[str, Any]) -> str:
        if proposal["value"] == "network" and self.parts == 0:
            raise traitlets.TraitError("expected mode 'yours' in a stepper without a network, "
                                       "received 'network'; use RoutingStepper.from_network")
        return proposal["value"]

    @traitlets.validate("digit")
    def _check_digit(self, proposal: dict[str, Any]) -> int:
        count = max(1, len(json.loads(self.digits)))
        if not 0 <= proposal["value"] < count:
            raise traitlets.TraitError(f"expected a digit from 0 to {count - 1}, "
                                       f"received {proposal['value']!r}")
        return proposal["value"]

    @traitlets.validate("pair")
    def _check_pair(self, proposal: dict[str, Any]) -> list[int]:
        value, count = proposal["value"], max(2, self.wholes)
        if len(value) != 2 or value[0] == value[1] or not all(0 <= j < count for j in value):
            raise traitlets.TraitError(f"expected a pair of two capsules from 0 to {count - 1}, "
                                       f"received {value!r}")
        return value

    @classmethod
    @torch.no_grad()
    def from_network(cls, model: CapsNet, images: Tensor, labels: Tensor,
                     shown: int = 8, **traits: object) -> RoutingStepper:
        """Return a stepper over a network's predictions for some images.

        Every primary capsule is routed to every digit capsule; the table shows the ``shown``
        ones with the longest predictions. These travel as int8: an error of at most 0.4 % of
        the largest.

        Args:
            model: The trained network; images of 28 × 28.
            images: Shape (n, 1, 28, 28), in [0, 1].
            labels: Their classes, shape (n,).
            shown: Rows of the table.
            **traits: First values of the traits.

        Raises:
            ValueError: If the shapes do not fit or ``shown`` is out of range.
        """
        capsules = model.parts(images)                                    # (n, I, d)
        expect(isinstance(labels, Tensor) and labels.shape == (len(images),),
               f"{len(images)} labels", labels)
        expect(1 <= shown <= capsules.shape[1], f"1 to {capsules.shape[1]} shown parts", shown)
        predictions = model.digits.predictions(capsules)                  # (n, I, J, D)
        n, parts, wholes, dimensions = predictions.shape
        lengths = model(images).norm(dim=-1)
        packed, digits, bases = [], [], []
        for k in range(n):
            data, scale = pack_int8(predictions[k])
            packed.append(data)
            bases += [plane(predictions[k, :, j]) for j in range(wholes)]
            others = lengths[k].clone()
            others[labels[k]] = -1
            digits.append({"label": int(labels[k]), "scale": scale,
                           "pair": [int(labels[k]), int(others.argmax())],
                           "shown": _describe(predictions[k], model.primary.capsules, shown)})
        first = int(traits.get("digit", 0)) if 0 <= int(traits.get("digit", 0)) < n else 0
        widget = cls(parts=parts, wholes=wholes, dimensions=dimensions, digits=json.dumps(digits),
                     predictions=b"".join(packed), bases=pack_float32(torch.stack(bases)),
                     images=(images * 255).round().byte().numpy().tobytes(),
                     pair=digits[first]["pair"])
        widget.mode = "network"
        for name, value in traits.items():
            setattr(widget, name, value)
        return widget


def _describe(predictions: Tensor, types: int, shown: int) -> list[dict[str, object]]:
    """Say of the parts with the longest predictions, shape (I, J, D), where they look."""
    side = math.isqrt(len(predictions) // types)
    rows = []
    for part in predictions.norm(dim=-1).amax(1).topk(shown).indices.tolist():
        kind, place = divmod(part, side * side)
        row, column = divmod(place, side)
        rows.append({"part": part, "row": row, "column": column,
                     "where": f"type {kind + 1}, row {row + 1}, column {column + 1} of the grid"})
    return rows
