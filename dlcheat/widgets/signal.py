"""Signal and gradient through depth: a random network, layer by layer."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import torch
import traitlets
from torch import Tensor

from dlcheat.validation import expect, expect_count
from dlcheat.widgets.activation_functions import ACTIVATIONS, evaluate, with_slope
from dlcheat.widgets.base import BookWidget, normals

#: Units of every layer, inputs in the batch, layers at most.
WIDTH, BATCH, MOST = 64, 16, 50
#: A slope below this counts as flat.
FLAT = 0.01
LOW, HIGH = 0.1, 4.0
#: Ways to draw the first weights, by their gain g: the weights' standard deviation is g / √64.
#: "torch" is what nn.Linear draws, a uniform distribution of that variance; "tanh" is torch's
#: calculate_gain; "fitted" is :func:`fitted_gain`; "own" is the slider's.
INITS: dict[str, float | None] = {
    "small": 0.5, "torch": 1 / math.sqrt(3), "lecun": 1.0, "xavier": 1.0, "he": math.sqrt(2),
    "tanh": 5 / 3, "fitted": None, "large": 2.5, "own": None}


class Flow(NamedTuple):
    """What happens on the way forward and back; entry l belongs to layer l, 0 to the input.

    Attributes:
        forward: Standard deviation of the activations over inputs and units, shape (L + 1,).
        spread: How much the inputs differ: standard deviation over the inputs, root mean square
            over the units, shape (L + 1,).
        backward: Standard deviation of the gradient in the activations, shape (L + 1,).
        flat: Share of slopes below 0.01 in size, shape (L + 1,); 0 at the input.
        dead: Share of units that are flat for every input, shape (L + 1,); 0 at the input.
        activations: h, shape (L + 1, 16, 64).
        preactivations: z of the layers 1 … L, shape (L, 16, 64).
        gradients: Of the loss in h, shape (L + 1, 16, 64).
    """

    forward: Tensor
    spread: Tensor
    backward: Tensor
    flat: Tensor
    dead: Tensor
    activations: Tensor
    preactivations: Tensor
    gradients: Tensor


def fitted_gain(activation: str) -> float:
    r"""Return the gain that leads pre-activations of variance 1 to variance 1 again, in wide layers.

    .. math:: g = 1 / \sqrt{\mathbb{E}\,\varphi(z)^2}, \qquad z \sim \mathcal{N}(0, 1)

    The expectation is a sum over 2000 cells from −10 to 10.

    Args:
        activation: A name from ``ACTIVATIONS``.

    Raises:
        ValueError: If there is no such activation.

    Source: He et al. (2015) for the rectifier, where the gain is √2.

    >>> [round(fitted_gain(name), 3) for name in ("identity", "relu", "tanh", "selu")]
    [1.0, 1.414, 1.593, 1.0]
    """
    z = (torch.arange(2000, dtype=torch.float64) + 0.5) / 100 - 10
    density = (-z.square() / 2).exp() / math.sqrt(2 * math.pi)
    return 1 / math.sqrt((evaluate(activation, z).square() * density).sum().item() / 100)


@lru_cache(maxsize=4 * (MOST + 2))
def _numbers(seed: int, place: int, count: int) -> Tensor:
    """Return the normal numbers of one place of the network: 0 the inputs, l the weights, 51 the end."""
    return normals(1000 * seed + place, count)


def first_weights(seed: int, layer: int) -> Tensor:
    """Return the weights of a layer before the gain: standard deviation 1/8, the same in the page.

    Args:
        seed: Of the network, at least 1.
        layer: From 1 to 50.

    Returns:
        Shape (64, 64), float64: a row a unit.

    Raises:
        ValueError: If the seed or the layer is out of range.

    >>> first_weights(1, 1).shape
    torch.Size([64, 64])
    """
    expect_count("seed", seed)
    expect(isinstance(layer, int) and 1 <= layer <= MOST, f"a layer from 1 to {MOST}", layer)
    return _numbers(seed, layer, WIDTH * WIDTH).view(WIDTH, WIDTH) / math.sqrt(WIDTH)


def propagate(activation: str, gain: float, depth: int, seed: int = 1) -> Flow:
    r"""Send 16 normal inputs forward through a random network, and a normal gradient back.

    .. math:: z_l = g\,h_{l-1} W_l^\top, \qquad h_l = \varphi(z_l), \qquad
       \frac{\partial \mathcal{L}}{\partial h_{l-1}} =
       g \Bigl(\frac{\partial \mathcal{L}}{\partial h_l} \odot \varphi'(z_l)\Bigr) W_l

    All 64 × 64 weights of a layer are normal with variance 1/64, and g is the gain; there are no
    biases. Autograd computes the gradients.

    Args:
        activation: φ, a name from ``ACTIVATIONS``, with torch's default parameters.
        gain: g, positive.
        depth: L, from 1 to 50.
        seed: Of inputs, weights and the gradient at the end.

    Returns:
        A :class:`Flow`, all float64.

    Raises:
        ValueError: If a setting is out of range.

    >>> flow = propagate("sigmoid", 1.0, depth=10)
    >>> flow.forward.shape, bool(flow.backward[0] < 1e-5)
    (torch.Size([11]), True)
    """
    expect(math.isfinite(gain) and gain > 0, "a positive gain", gain)
    expect(isinstance(depth, int) and 1 <= depth <= MOST, f"a depth from 1 to {MOST}", depth)
    end = _numbers(seed, MOST + 1, BATCH * WIDTH).view(BATCH, WIDTH)
    with torch.enable_grad():
        hs = [_numbers(seed, 0, BATCH * WIDTH).view(BATCH, WIDTH).clone().requires_grad_()]
        zs = []
        for layer in range(1, depth + 1):
            zs.append(gain * hs[-1] @ first_weights(seed, layer).T)
            hs.append(evaluate(activation, zs[-1]))
        gradients = torch.stack(torch.autograd.grad(hs[-1], hs, end))
    h, z = torch.stack(hs).detach(), torch.stack(zs).detach()
    flat = torch.cat([torch.zeros(1, BATCH, WIDTH), with_slope(activation, z)[1].abs() < FLAT])
    return Flow(h.std((1, 2), correction=0), h.var(1, correction=0).mean(1).sqrt(),
                gradients.std((1, 2), correction=0), flat.double().mean((1, 2)),
                flat.bool().all(1).double().mean(1), h, z, gradients)


class Signal(BookWidget, front="signal", needs="activation_functions"):
    """A deep random network: what becomes of the signal on its way, and of the gradient back.

    The front end computes :func:`propagate`; a test compares them on random networks.

    Args:
        activation: A name from ``ACTIVATIONS``.
        **state: Any of the traits below.

    >>> widget = Signal("tanh", init="he", depth=12)
    >>> round(widget.used_gain(), 4), widget.look().forward.shape
    (1.4142, torch.Size([13]))
    """

    title = traitlets.Unicode("Signal and gradient through depth").tag(sync=True)
    activation = traitlets.Enum(list(ACTIVATIONS), default_value="tanh").tag(sync=True)
    #: How the weights are drawn, a name from ``INITS``.
    init = traitlets.Enum(list(INITS), default_value="xavier").tag(sync=True)
    #: The gain where ``init`` is "own".
    gain = traitlets.Float(1.0, min=LOW, max=HIGH).tag(sync=True)
    depth = traitlets.Int(30, min=2, max=MOST).tag(sync=True)
    #: The layer of the histogram; beyond the depth it is the last.
    layer = traitlets.Int(10, min=0, max=MOST).tag(sync=True)
    show = traitlets.Enum(["activation", "preactivation", "gradient"],
                          default_value="activation").tag(sync=True)
    seed = traitlets.Int(1, min=1, max=999).tag(sync=True)

    def __init__(self, activation: str = "tanh", **state: Any) -> None:
        super().__init__(activation=activation, **state)

    def used_gain(self) -> float:
        """Return the gain that the chosen initialisation has."""
        if self.init == "own":
            return self.gain
        return fitted_gain(self.activation) if self.init == "fitted" else INITS[self.init]

    def look(self) -> Flow:
        """Return what happens in the shown network."""
        return propagate(self.activation, self.used_gain(), self.depth, self.seed)
