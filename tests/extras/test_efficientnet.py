"""The shipped ImageNet features are what EfficientNet-lite0 computes; the shipped scores come again."""

import pytest
import torch

import dlcheat.datasets.make_emoji as maker
from dlcheat.datasets.emoji import emoji, tuned
from dlcheat.datasets.make_emoji import (
    LABELS,
    SIDE,
    STAGES,
    adapt,
    frozen_trial,
    imagenet_network,
    prepare,
    stage_features,
    tuned_trial,
)


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


@pytest.mark.parametrize(("steps", "opened"), [(1, 1), (2, 3), (4, 4)])
def test_gradual_unfreezing_opens_from_the_head(steps, opened):
    data, network = emoji(), imagenet_network()
    tuned = adapt(network, prepare(data.images[:16], 64), data.labels[:16], lr=1e-3, gradual=True,
                  steps=steps)
    stages = ((a._conv_stem, a._blocks[5], a._blocks[11], a._fc) for a in (tuned, network))
    moved = [new.weight.shape != old.weight.shape if isinstance(new, torch.nn.Linear) else
             any(not torch.equal(p, q) for p, q in zip(new.parameters(), old.parameters()))
             for new, old in zip(*stages)]
    assert moved == [i >= 4 - opened for i in range(4)]


def test_shipped_scores_are_what_a_fresh_run_gives():
    result, k = tuned(), LABELS.index(10)
    fresh = frozen_trial(SIDE, result.rates["frozen"], 10, 1)[1]
    assert fresh == pytest.approx(result.scores["frozen"][k, 1], abs=0.03)
    torch.set_num_threads(1)
    for way in ("fine-tuned", "gradual"):           # rounding differs between machines, and grows
        fresh = tuned_trial(way, SIDE, result.rates[way], 10, 2)[1]
        assert fresh == pytest.approx(result.scores[way][k, 2], abs=0.12)


def test_without_refreshing_a_network_from_scratch_names_one_class(monkeypatch):
    monkeypatch.setattr(maker, "refresh", lambda network, images: network.eval())
    held, test = tuned_trial("scratch", SIDE, 3e-3, 10, 0)
    assert held == pytest.approx(1 / 8) and test == pytest.approx(1 / 8, abs=0.03)
    assert tuned().scores["scratch"][LABELS.index(10), 0] > 0.18
