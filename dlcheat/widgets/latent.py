"""The latent explorer: move z, and the trained decoder answers."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import traitlets
from torch import Tensor, nn

from dlcheat.architectures.autoencoder import squared_error
from dlcheat.architectures.vae import VAE, kl_per_dimension
from dlcheat.validation import expect, expect_float
from dlcheat.widgets.base import BookWidget, pack_float32, pack_int8


class LatentExplorer(BookWidget, front="latent"):
    r"""A map of a two-dimensional latent space, with a decoder that runs in the page.

    The weights are sent as int8 with one scale a layer; ``decode`` uses the very
    same numbers, so that Python and the page show the same image.

    Args:
        models: Trained VAEs with two latent dimensions and equal sizes, by their beta.
        images: Test digits, shape (N, 784) or (N, 1, 28, 28), in [0, 1].
        labels: Their classes 0 … 9, shape (N,).
        shown: How many of them lie on the map; the first ones.
        beta: The model that is shown first; None takes the middle one.
        **state: Initial values of ``z``, ``a``, ``b``, ``t``, ``tiles`` and ``title``;
            without ``z`` the point starts on the walk from a to b, at ``t``.

    Raises:
        ValueError: If the models differ in size, or their latent space is not a plane.

    >>> models = {beta: VAE(784, 2, hidden=(8,)) for beta in (0.1, 1.0)}
    >>> explorer = LatentExplorer(models, torch.rand(20, 784), torch.arange(20) % 10)
    >>> explorer.decode([0.5, -1.0]).shape
    torch.Size([784])
    """

    betas = traitlets.List(traitlets.Float()).tag(sync=True)
    sizes = traitlets.List(traitlets.Int()).tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)
    biases = traitlets.Bytes().tag(sync=True)
    scales = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    codes = traitlets.Bytes().tag(sync=True)
    labels = traitlets.Bytes().tag(sync=True)
    images = traitlets.Bytes().tag(sync=True)
    errors = traitlets.List(traitlets.Float()).tag(sync=True)
    kls = traitlets.List(traitlets.Float()).tag(sync=True)
    #: The map shows −limit … limit on both axes for every beta; few codes lie outside.
    limit = traitlets.Float().tag(sync=True)
    #: The model that is shown: one of ``betas``.
    beta = traitlets.Float().tag(sync=True)
    #: The reader's latent point.
    z = traitlets.List(traitlets.Float(), minlen=2, maxlen=2).tag(sync=True)
    #: Numbers of the two digits between which the walk leads.
    a = traitlets.Int(0).tag(sync=True)
    b = traitlets.Int(1).tag(sync=True)
    #: Share of the walk, 0 … 1; it holds while ``z`` stands on the walk.
    t = traitlets.Float(0.0, min=0.0, max=1.0).tag(sync=True)
    #: Whether the map shows decoded tiles instead of the digits' codes.
    tiles = traitlets.Bool(False).tag(sync=True)

    def __init__(self, models: Mapping[float, VAE], images: Tensor, labels: Tensor, *,
                 shown: int = 600, beta: float | None = None, **state: object) -> None:
        expect(len(models) >= 1, "at least one model", models)
        expect_float("images", images)
        expect(len(labels) == len(images), f"labels of shape ({len(images)},)", labels)
        betas = sorted(models)
        x = images.flatten(1)
        layers = {key: _dense_layers(models[key]) for key in betas}
        sizes = _sizes(layers[betas[0]])
        expect(sizes[0] == 2, "models with two latent dimensions", sizes)
        for key in betas:
            expect(_sizes(layers[key]) == sizes, f"models of sizes {sizes}", _sizes(layers[key]))
        side = math.isqrt(sizes[-1])
        square = side * side == sizes[-1] and x.shape[1] == sizes[-1] and sizes[-1] % 2 == 0
        expect(square, f"square images of {sizes[-1]} pixels, an even number", images)
        packed = [[pack_int8(layer.weight) for layer in layers[key]] for key in betas]
        with torch.no_grad():
            codes, errors, kls = zip(*(self._measure(models[key], x) for key in betas))
        reach = max(c[:shown].abs().quantile(0.99).item() for c in codes)
        limit = max(2.5, math.ceil(2 * reach) / 2)
        beta = float(betas[len(betas) // 2] if beta is None else beta)
        state = {"a": 0, "b": min(1, len(x[:shown]) - 1), "t": 0.0,
                 "title": "latent explorer", **state}
        if "z" not in state and beta in betas:
            state["z"] = _on_walk(codes[betas.index(beta)][:shown], **state)
        super().__init__(
            betas=[float(key) for key in betas], sizes=sizes,
            weights=b"".join(data for model in packed for data, _ in model),
            scales=[[scale for _, scale in model] for model in packed],
            biases=b"".join(pack_float32(layer.bias) for key in betas for layer in layers[key]),
            codes=b"".join(pack_float32(c[:shown]) for c in codes),
            labels=bytes(labels[:shown].tolist()), images=_pack_nibbles(x[:shown]),
            errors=errors, kls=kls, limit=limit, beta=beta,
            **{"z": [0.0, 0.0], **state})

    @staticmethod
    def _measure(model: VAE, x: Tensor) -> tuple[Tensor, float, float]:
        mu, logvar = model.encode(x)
        error = squared_error(x, model.decode(mu)).mean().item()
        return mu, error, kl_per_dimension(mu, logvar).sum(1).mean().item()

    @traitlets.validate("beta")
    def _one_of_betas(self, proposal: traitlets.Bunch) -> float:
        expect(proposal["value"] in self.betas, f"beta to be one of {self.betas}",
               proposal["value"])
        return proposal["value"]

    @traitlets.validate("z")
    def _finite(self, proposal: traitlets.Bunch) -> list[float]:
        expect(all(map(math.isfinite, proposal["value"])), "z of finite numbers", proposal["value"])
        return proposal["value"]

    @traitlets.validate("a", "b")
    def _a_shown_digit(self, proposal: traitlets.Bunch) -> int:
        count = len(self.labels)
        ok = count == 0 or 0 <= proposal["value"] < count
        expect(ok, f"{proposal['trait'].name} in 0 … {count - 1}", proposal["value"])
        return proposal["value"]

    def layers(self, beta: float | None = None) -> list[tuple[Tensor, float, Tensor]]:
        """Return int8 weight, scale and bias of each decoder layer, as the page has them.

        Args:
            beta: One of ``betas``; None takes the shown one.

        Raises:
            ValueError: If beta is not one of ``betas``.
        """
        beta = self.beta if beta is None else beta
        expect(beta in self.betas, f"beta to be one of {self.betas}", beta)
        which, shapes = self.betas.index(beta), list(zip(self.sizes[1:], self.sizes))
        w, b = which * sum(r * c for r, c in shapes), 4 * which * sum(r for r, _ in shapes)
        layers = []
        for (rows, columns), scale in zip(shapes, self.scales[which]):
            weight = torch.frombuffer(bytearray(self.weights[w:w + rows * columns]),
                                      dtype=torch.int8).reshape(rows, columns)
            bias = torch.frombuffer(bytearray(self.biases[b:b + 4 * rows]), dtype=torch.float32)
            layers.append((weight, scale, bias))
            w, b = w + rows * columns, b + 4 * rows
        return layers

    def decode(self, z: object = None, beta: float | None = None) -> Tensor:
        """Decode a latent point, with the numbers that the page uses.

        Args:
            z: Two coordinates, or points of shape (…, 2); None takes the shown point.
            beta: One of ``betas``; None takes the shown one.

        Returns:
            Pixels in (0, 1), float64, shape (…, 784).

        Raises:
            ValueError: If z does not end in two coordinates, or beta is not one of ``betas``.
        """
        x = torch.as_tensor(self.z if z is None else z, dtype=torch.float64)
        expect(x.ndim >= 1 and x.shape[-1] == 2, "z of shape (…, 2)", x)
        *hidden, last = self.layers(beta)
        for weight, scale, bias in hidden:
            x = (scale * (x @ weight.double().T) + bias.double()).relu()
        weight, scale, bias = last
        return (scale * (x @ weight.double().T) + bias.double()).sigmoid()


def _dense_layers(model: VAE) -> list[nn.Linear]:
    return [layer for layer in model.decoder if isinstance(layer, nn.Linear)]


def _sizes(layers: list[nn.Linear]) -> list[int]:
    return [layers[0].in_features, *(layer.out_features for layer in layers)]


def _on_walk(codes: Tensor, a: int, b: int, t: float, **_: object) -> list[float]:
    """Return the point a share t of the way from code a to code b, on the map's grid of 1/100."""
    valid = all(isinstance(i, int) and 0 <= i < len(codes) for i in (a, b))
    ends = (codes[a].tolist(), codes[b].tolist()) if valid else ([0.0, 0.0], [0.0, 0.0])
    return [round((1 - t) * u + t * v, 2) for u, v in zip(*ends)]


def _pack_nibbles(x: Tensor) -> bytes:
    """Pack values in [0, 1] as 16 greys, two pixels a byte."""
    greys = (x.clamp(0, 1) * 15).round().to(torch.uint8).flatten().reshape(-1, 2)
    return (greys[:, 0] * 16 + greys[:, 1]).numpy().tobytes()
