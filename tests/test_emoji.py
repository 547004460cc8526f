"""The shipped emoji are what their documentation says; their maker's small parts."""

import numpy as np
import pytest
import torch
from PIL import Image

from dlcheat.datasets.emoji import CLASSES, VENDORS, emoji, tuned
from dlcheat.datasets.make_emoji import (
    LABELS,
    LARGE,
    RATES,
    SEEDS,
    STAGES,
    SUBGROUPS,
    WAYS,
    choose,
    frozen_trial,
    picture,
    prepare,
    refresh,
    split,
)


def nn_state(norm):
    return norm.running_mean.clone(), norm.running_var.clone()


def test_pictures_labels_and_names():
    data = emoji()
    assert data.images.shape == (380, 3, 32, 32) and data.images.dtype == torch.float32
    assert data.images.min() == 0 and data.images.max() == 1
    torch.testing.assert_close((31 * data.images).round() / 31, data.images)
    assert torch.equal(data.labels[:190], data.labels[190:])
    assert data.labels[:190].bincount().tolist() == [24, 22, 24, 24, 24, 24, 24, 24]
    assert data.vendors.bincount().tolist() == [190, 190] and len(VENDORS) == 2
    assert len(set(data.names)) == 190 and data.names[:190] == data.names[190:]
    corners = data.images[:, :, ::31, ::31].amin((1, 2, 3))
    assert (corners > 0.9).float().mean() > 0.8                    # on white
    assert (data.images[:190] - data.images[190:]).abs().mean() > 0.05      # two hands


def test_features_have_the_networks_sizes():
    features = emoji().features
    assert list(features) == list(STAGES)
    assert [f.shape[1] for f in features.values()] == [16, 40, 112, 192, 1280]
    assert features["top"].min() == 0 and 3 < features["top"].max() <= 6       # a mean of ReLU6
    assert all(len(f) == 380 and f.isfinite().all() for f in features.values())


def test_the_measurement_that_ships():
    result = tuned()
    assert result.labels == list(LABELS)
    assert set(result.scores) == set(result.rates) == {
        "frozen", "frozen at 224", *WAYS, "fine-tuned at 224"}
    assert result.rates["fine-tuned at 224"] == result.rates["fine-tuned"]
    for way, values in result.scores.items():
        assert values.shape == (len(LABELS), SEEDS)
        assert ((values >= 0) & (values <= 1)).all()
        assert way.startswith("frozen") or result.rates[way] in RATES


def test_heads_on_the_shipped_features_score_as_shipped():
    result, way = tuned(), "frozen at 224"
    for k, count in enumerate(LABELS):
        fresh = [frozen_trial(LARGE, result.rates[way], count, seed)[1] for seed in range(SEEDS)]
        np.testing.assert_allclose(fresh, result.scores[way][k], atol=0.03)


def test_a_picture_lies_on_white(tmp_path):
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 32, 64))
    image.save(tmp_path / "half.png")
    found = picture(tmp_path / "half.png")
    assert found.shape == (32, 32, 3) and found.dtype == np.uint8 and found.max() == 31
    assert found[5, 5].tolist() == [31, 0, 0] and found[5, 28].tolist() == [31, 31, 31]


def test_choosing_is_by_subgroup_and_lot():
    table = [{"subcategory": sub, "sort_order": i, "name": f"{sub} {i}", "has_img_twitter": i % 2 == 0,
              "has_img_google": True} for i, sub in enumerate(["animal-bird", "tool", "heart"] * 60)]
    chosen = choose(table)
    assert {CLASSES[c] for c, _ in chosen} == {"bird", "tool"}
    assert all(e["has_img_twitter"] and e["subcategory"] in SUBGROUPS[CLASSES[c]] for c, e in chosen)
    assert len(chosen) == 48 and chosen == choose(table[::-1])


@pytest.mark.parametrize("count", [1, 5, 10])
def test_splits_are_apart(count):
    labels = emoji().labels[:190]
    train, held, test = split(labels, count, seed=2)
    assert labels[train].bincount().tolist() == [count] * 8
    assert labels[held].bincount().tolist() == [4] * 8
    assert sorted(torch.cat([train, held, test]).tolist()) == list(range(190))
    assert torch.equal(held, split(labels, 3, seed=7)[1])        # no seed tests on it


def test_refreshed_statistics_are_those_of_the_images():
    g = torch.Generator().manual_seed(0)
    x = 3 + 2 * torch.randn(48, 5, 6, 6, generator=g)
    norm = torch.nn.BatchNorm2d(5).train()
    assert refresh(norm, x) is norm and not norm.training and norm.momentum == 0.1
    torch.testing.assert_close(norm.running_mean, x.mean((0, 2, 3)))
    torch.testing.assert_close(norm.running_var, x.var((0, 2, 3)), rtol=0.02, atol=0)
    plain = nn_state(norm)
    mixed = refresh(torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.BatchNorm2d(5)), x)
    torch.testing.assert_close(mixed[1].running_var, plain[1], rtol=0.02, atol=0)   # nothing dropped
    refresh(norm, x)                                # what was there before has no weight
    torch.testing.assert_close(nn_state(norm)[0], plain[0])


def test_inputs_are_prepared_as_the_network_was_trained():
    x = prepare(torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)]), side=16)
    assert x.shape == (2, 3, 16, 16)
    assert x[0].unique().tolist() == pytest.approx([-127 / 128])
    assert x[1].unique().tolist() == pytest.approx([1.0])
