"""The latent explorer in Python: what it sends, what it decodes, what it refuses."""

import gzip

import numpy as np
import pytest
import torch
import traitlets

from dlcheat.architectures.autoencoder import squared_error
from dlcheat.architectures.vae import VAE
from dlcheat.datasets import mnist
from dlcheat.losses import gaussian_kl
from dlcheat.widgets.latent import LatentExplorer

BETAS = (4.0, 0.1, 1.0)


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(0)
    return {beta: VAE(784, 2, hidden=(16, 8)) for beta in BETAS}


@pytest.fixture
def explorer(models):
    digits = mnist()
    return LatentExplorer(models, digits.test_images[:90], digits.test_labels[:90], shown=50)


def test_first_state(explorer):
    assert explorer.betas == [0.1, 1.0, 4.0] and explorer.beta == 1.0
    assert explorer.sizes == [2, 8, 16, 784]
    assert (explorer.a, explorer.b, explorer.t, explorer.tiles) == (0, 1, 0, False)
    code = np.frombuffer(explorer.codes, "<f4").reshape(3, 50, 2)[1, 0]
    assert explorer.z == pytest.approx(code.tolist(), abs=0.0051)           # at A
    assert repr(explorer) == "<LatentExplorer: latent explorer>"


@pytest.mark.parametrize("beta", BETAS)
def test_decode_is_the_model_up_to_int8(explorer, models, beta):
    z = torch.randn(300, 2)
    with torch.no_grad():
        exact = models[beta].decode(z)
    torch.testing.assert_close(explorer.decode(z, beta).float(), exact, atol=0.02, rtol=0)
    dense = [m for m in models[beta].decoder if isinstance(m, torch.nn.Linear)]
    for (weight, scale, bias), layer in zip(explorer.layers(beta), dense, strict=True):
        assert (weight * scale - layer.weight).abs().max() <= scale * 0.5001
        assert torch.equal(bias, layer.bias)


def test_decode_follows_the_state(explorer):
    explorer.z, explorer.beta = [0.5, -1.0], 4.0
    assert torch.equal(explorer.decode(), explorer.decode([0.5, -1.0], 4.0))
    assert explorer.decode(torch.zeros(2, 3, 2)).shape == (2, 3, 784)


def test_numbers_are_those_of_the_models(explorer, models):
    x = mnist().test_images[:90].flatten(1)
    for i, beta in enumerate(explorer.betas):
        with torch.no_grad():
            mu, logvar = models[beta].encode(x)
            error = squared_error(x, models[beta].decode(mu)).mean()
        assert explorer.errors[i] == pytest.approx(error.item())
        assert explorer.kls[i] == pytest.approx(gaussian_kl(mu, logvar).item(), rel=1e-5)
        codes = np.frombuffer(explorer.codes, "<f4").reshape(3, 50, 2)[i]
        np.testing.assert_array_equal(codes, mu[:50])
        assert explorer.limit >= np.quantile(np.abs(codes), 0.99)


def test_the_point_starts_on_the_walk_or_where_it_is_told(models):
    digits = mnist()
    x, y = digits.test_images[:30], digits.test_labels[:30]
    walking = LatentExplorer(models, x, y, beta=4.0, a=3, b=7, t=0.25)
    codes = np.frombuffer(walking.codes, "<f4").reshape(3, 30, 2)[2]
    assert walking.z == pytest.approx((0.75 * codes[3] + 0.25 * codes[7]).tolist(), abs=0.0051)
    assert LatentExplorer(models, x, y, z=[0.5, -0.5]).z == [0.5, -0.5]


def test_images_keep_sixteen_greys(explorer):
    packed = np.frombuffer(explorer.images, np.uint8).reshape(50, 392)
    shown = np.stack([packed >> 4, packed & 15], -1).reshape(50, 784) / 15
    assert np.abs(shown - mnist().test_images[:50].flatten(1).numpy()).max() <= 0.5 / 15 + 1e-6
    assert list(explorer.labels) == mnist().test_labels[:50].tolist()


def test_weights_of_five_models_are_small():
    torch.manual_seed(0)
    models = {float(i): VAE(784, 2, hidden=(64, 32)) for i in range(5)}
    explorer = LatentExplorer(models, mnist().test_images[:20], mnist().test_labels[:20])
    assert len(gzip.compress(explorer.weights + explorer.biases)) < 300_000


@pytest.mark.parametrize("trait, value", [
    ("beta", 2.0), ("beta", "1"), ("z", [1.0]), ("z", [0.0, float("nan")]), ("z", ["a", 0.0]),
    ("a", 50), ("b", -1), ("t", 1.5), ("tiles", "yes")])
def test_bad_state_is_refused_and_the_old_kept(explorer, trait, value):
    before = getattr(explorer, trait)
    with pytest.raises((ValueError, traitlets.TraitError)):
        setattr(explorer, trait, value)
    assert getattr(explorer, trait) == before


def test_bad_input_is_named(models):
    digits = mnist()
    x, y = digits.test_images[:20], digits.test_labels[:20]
    with pytest.raises(ValueError, match="two latent dimensions, received"):
        LatentExplorer({1.0: VAE(784, 3, hidden=(4,))}, x, y)
    with pytest.raises(ValueError, match=r"models of sizes .*, received"):
        LatentExplorer({**models, 9.0: VAE(784, 2, hidden=(4,))}, x, y)
    with pytest.raises(ValueError, match=r"labels of shape \(20,\), received"):
        LatentExplorer(models, x, y[:5])
    with pytest.raises(ValueError, match="square images of 784 pixels"):
        LatentExplorer(models, torch.rand(20, 100), y)
    with pytest.raises(ValueError, match="at least one model"):
        LatentExplorer({}, x, y)
    with pytest.raises(ValueError, match="beta to be one of"):
        LatentExplorer(models, x, y, beta=3.0)
    with pytest.raises(ValueError, match=r"z of shape \(…, 2\), received"):
        LatentExplorer(models, x, y).decode([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="beta to be one of"):
        LatentExplorer(models, x, y).layers(7.0)
