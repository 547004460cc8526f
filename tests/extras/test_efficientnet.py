"""The shipped ImageNet features are what EfficientNet-lite0 computes; fine-tuning runs."""

import torch

from dlcheat.datasets.emoji import emoji
from dlcheat.datasets.make_emoji import STAGES, adapt, imagenet_network, prepare, stage_features


def test_the_shipped_features_come_out_again():
    data = emoji()
    rows = torch.tensor([0, 60, 150, 200, 379])
    fresh = stage_features(imagenet_network(), data.images[rows])
    for stage in STAGES:
        shipped = data.features[stage]
        step = (shipped.max() - shipped.min()).item() / 255
        assert (fresh[stage] - shipped[rows]).abs().max() < 0.51 * step + 1e-3, stage


def test_a_step_of_fine_tuning_moves_the_trunk():
    data, network = emoji(), imagenet_network()
    before = network._conv_stem.weight.clone()
    tuned = adapt(network, prepare(data.images[:16], 64), data.labels[:16], lr=1e-3, steps=1)
    assert torch.equal(network._conv_stem.weight, before)
    assert not torch.equal(tuned._conv_stem.weight, before)
    assert tuned(prepare(data.images[:2], 64)).shape == (2, 8) and not tuned.training
