"""Transfer: what is frozen stays, what moves moves as torch moves it, and the shipped numbers hold."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from torch import nn

from dlcheat.training import accuracy
from dlcheat.transfer import (
    CONTROLS,
    DEPTH,
    LABELS,
    LONG,
    PENALTIES,
    RATES,
    RECIPES,
    SEEDS,
    SOURCES,
    draw,
    extract,
    filter_lengths,
    fine_tune,
    first_task,
    freeze,
    linear_probe,
    new_head,
    parameter_groups,
    pretrain,
    pretrained,
    rescaled,
    small_cnn,
    stages,
    sweep,
    target_task,
    transplanted,
    trial,
    tuned_trials,
)


@pytest.fixture(scope="module")
def task():
    return target_task()


def few(task, n=4):
    rows = draw(task.pool_labels, n, seed=0)
    return task.pool[rows], task.pool_labels[rows]


def state(part):
    return [value.clone() for value in part.state_dict().values()]


def same(part, values):
    return all(torch.equal(a, b) for a, b in zip(part.state_dict().values(), values))


def test_the_task_is_balanced_and_its_parts_are_apart(task):
    assert [len(part) for part in task] == [2500, 2500, 500, 500, 500, 500]
    for labels, count in ((task.pool_labels, 500), (task.validation_labels, 100),
                          (task.test_labels, 100)):
        assert labels.bincount().tolist() == [count] * 5
    rows = {tuple(x.flatten().tolist()) for x in task.pool}
    assert not rows & {tuple(x.flatten().tolist()) for x in task.validation}


@given(st.integers(1, 20), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_draw_has_every_class_and_grows(count, seed):
    labels = torch.arange(5).repeat(30)
    rows = draw(labels, count, seed)
    assert labels[rows].bincount().tolist() == [count] * 5 and len(set(rows.tolist())) == 5 * count
    assert set(rows.tolist()) <= set(draw(labels, count + 3, seed).tolist())


@pytest.mark.parametrize("depth", range(4))
def test_a_frozen_stage_has_no_gradient_and_sleeps(depth):
    model = small_cnn().train()
    freeze(model, depth)
    for i, part in enumerate(stages(model)):
        assert part.training == (i >= depth)
        assert all(p.requires_grad == (i >= depth) for p in part.parameters())
    freeze(model, 0)
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("depth", range(4))
def test_fine_tuning_leaves_frozen_stages_and_the_start_alone(task, depth):
    start = new_head(pretrained("digits"))
    before = [state(part) for part in stages(start)]
    model = fine_tune(start, *few(task), lr=0.01, frozen=depth, steps=3)
    assert [same(p, b) for p, b in zip(stages(model), before)] == [i < depth for i in range(4)]
    assert all(same(p, b) for p, b in zip(stages(start), before))


def test_gradual_unfreezing_opens_from_the_top(task):
    start = new_head(pretrained("digits"))
    before = [state(part) for part in stages(start)]
    for steps, opened in ((1, 1), (2, 3), (4, 4), (8, 4)):       # one step opens the head alone
        model = fine_tune(start, *few(task), lr=0.01, gradual=True, steps=steps)
        moved = [not same(p, b) for p, b in zip(stages(model), before)]
        assert sum(moved) == opened and moved == sorted(moved)
    model = fine_tune(start, *few(task), lr=0.01, gradual=True, frozen=2, steps=8)
    assert [not same(p, b) for p, b in zip(stages(model), before)] == [False, False, True, True]


@given(st.floats(0.05, 1), st.floats(1e-4, 1))
@settings(max_examples=20, deadline=None)
def test_rates_fall_towards_the_input(decay, lr):
    parts = stages(small_cnn())
    groups = parameter_groups(parts, lr, decay)
    assert [g["lr"] for g in groups] == pytest.approx([lr * decay ** k for k in (3, 2, 1, 0)])
    assert [len(g["params"]) for g in groups] == [len(list(p.parameters())) for p in parts]


def test_with_one_rate_it_is_the_plain_loop(task):
    images, labels = few(task, 10)
    start = new_head(pretrained("digits"), seed=3)
    plain, generator = copy.deepcopy(start).train(), torch.Generator().manual_seed(3)
    optimizer = torch.optim.Adam(plain.parameters())
    for step in range(4):
        optimizer.param_groups[0]["lr"] = 0.01 * (1 - step / 4)
        rows = torch.randperm(50, generator=generator)[:32]
        loss = F.cross_entropy(plain(images[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ours = fine_tune(start, images, labels, lr=0.01, steps=4, seed=3)
    for a, b in zip(ours.parameters(), plain.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_features_are_the_blocks_answers(task):
    model, x = pretrained("digits").train(), task.test[:7]
    features = extract(model, x)
    assert not model.training and not features.requires_grad
    torch.testing.assert_close(model.scores(features), model(x))
    assert torch.equal(extract(model, x, 0), x.flatten(1))
    torch.testing.assert_close(extract(model, x[:1], 2), extract(model, x, 2)[:1])
    with pytest.raises(ValueError, match="depth"):
        extract(model, x, 4)


@given(st.integers(3, 5), st.integers(1, 12), st.integers(6, 30), st.sampled_from([0.01, 0.1, 1.0]),
       st.integers(0, 10 ** 6))
@settings(max_examples=12, deadline=None)
def test_the_probe_is_scikit_learns(classes, dimensions, n, l2, seed):
    g = torch.Generator().manual_seed(seed)
    x = 3 * torch.randn(n, dimensions, dtype=torch.double, generator=g) + 5
    y = torch.cat([torch.arange(classes), torch.randint(0, classes, (n,), generator=g)])[:max(n, classes)]
    x = torch.cat([x, x + 1])[:len(y)]
    weight, bias = linear_probe(x, y, classes, l2, steps=2000)
    z = (x - x.mean(0)) / (x - x.mean(0)).square().sum(1).mean().sqrt()
    model = LogisticRegression(C=1 / (len(y) * l2), tol=1e-12, max_iter=10_000).fit(z, y)
    theirs = model.predict_proba(z)
    ours = F.linear(x, weight, bias).softmax(1).numpy()
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


@given(st.floats(0.01, 100), st.floats(-50, 50), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_scale_and_shift_of_the_features_do_not_matter(scale, shift, seed):
    g = torch.Generator().manual_seed(seed)
    x, y = torch.randn(12, 6, dtype=torch.double, generator=g), torch.arange(12) % 3
    one, two = linear_probe(x, y, 3), linear_probe(scale * x + shift, y, 3)
    torch.testing.assert_close(F.linear(x, *one), F.linear(scale * x + shift, *two), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("features", "labels", "classes", "l2"), [
    (torch.zeros(3, 2), torch.arange(3), 3, 0.1), (torch.eye(3), torch.arange(3), 2, 0.1),
    (torch.eye(3), torch.arange(2), 3, 0.1), (torch.eye(3), torch.arange(3), 3, -1),
    (torch.zeros(3), torch.arange(3), 3, 0.1), (torch.zeros(0, 2), torch.arange(0), 3, 0.1),
    (torch.eye(3).long(), torch.arange(3), 3, 0.1)])
def test_the_probe_refuses(features, labels, classes, l2):
    with pytest.raises(ValueError, match="expected"):
        linear_probe(features, labels, classes, l2)


@pytest.mark.parametrize("call", [
    lambda: freeze(small_cnn(), 4), lambda: freeze(small_cnn(), -1), lambda: pretrain("cats"),
    lambda: pretrained("cats"), lambda: pretrained("digits", 5), lambda: pretrained("digits", -1),
    lambda: first_task("none", torch.Generator()), lambda: transplanted(small_cnn(), 4),
    lambda: parameter_groups([nn.Linear(1, 1)], 0, 0.5),
    lambda: parameter_groups([nn.Linear(1, 1)], 0.1, 0), lambda: parameter_groups([], 0.1, 1.1),
    lambda: draw(torch.arange(3), 2, 0), lambda: draw(torch.arange(3), 0, 0)])
def test_bad_arguments_are_refused(call):
    with pytest.raises(ValueError, match="expected"):
        call()


def test_new_head_keeps_the_blocks_and_the_global_generator():
    torch.manual_seed(5)
    old, after = small_cnn(), torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), after)
    one, two = new_head(old, 1), new_head(old, 1)
    assert torch.equal(one.scores.weight, two.scores.weight)
    assert not torch.equal(one.scores.weight, old.scores.weight)
    assert same(one.blocks, state(old.blocks))


def test_pretraining_runs_and_is_seeded():
    one, two = pretrain("digits", steps=3), pretrain("digits", steps=3)
    assert same(one, state(two)) and not same(one, state(pretrain("shuffled", steps=3)))
    assert not same(one, state(pretrain("random labels", steps=3)))
    assert same(pretrain("none", seed=4), state(small_cnn(4)))


def test_first_tasks_show_the_same_digits():
    images, labels = first_task("digits", torch.Generator())
    assert images.shape == (3000, 1, 14, 14) and labels.bincount().tolist() == [600] * 5
    mixed, same_labels = first_task("shuffled", torch.Generator().manual_seed(1))
    assert torch.equal(same_labels, labels) and not torch.equal(mixed, images)
    assert torch.equal(mixed.flatten(1).sort(1).values, images.flatten(1).sort(1).values)
    same_images, lot = first_task("random labels", torch.Generator().manual_seed(1))
    assert torch.equal(same_images, images)
    assert 0.15 < (lot == labels).double().mean() < 0.25


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_shipped_networks_know_what_they_learned(seed):
    from dlcheat.datasets import mnist

    digits = mnist()
    old = digits.test_labels < 5
    images, labels = F.avg_pool2d(digits.test_images[old], 2), digits.test_labels[old]
    assert accuracy(pretrained("digits", seed), images, labels) > 0.96
    assert accuracy(pretrained("random labels", seed), images, labels) < 0.45
    for source in SOURCES[1:-1]:
        learned = first_task(source, torch.Generator().manual_seed(seed))
        assert accuracy(pretrained(source, seed), *learned) > 0.7, source
    assert not same(pretrained("digits", seed), state(pretrained("digits", (seed + 1) % SEEDS)))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_rescaled_filters_answer_the_same(task, seed):
    model = pretrained("random labels", seed)
    before = state(model)
    small = rescaled(model)
    assert same(model, before)
    assert filter_lengths(small) == pytest.approx(filter_lengths(small_cnn()), rel=1e-5)
    assert max(filter_lengths(model)) > 10 * max(filter_lengths(small))
    torch.testing.assert_close(small(task.test), model(task.test), rtol=0, atol=0.05)


def test_transplanted_blocks_stand_under_fresh_ones():
    model = pretrained("digits", 2)
    for depth in range(4):
        new = transplanted(model, depth, seed=3)
        ours = [same(part, state(old)) for part, old in zip(new.blocks, model.blocks)]
        fresh = [same(part, state(old)) for part, old in zip(stages(new), stages(small_cnn(3)))]
        assert ours == [i < depth for i in range(3)] and fresh == [i >= depth for i in range(4)]
    assert new.blocks[0] is not model.blocks[0]


def test_the_shipped_measurement_is_what_a_fresh_run_gives():
    found = sweep()
    shape = len(SOURCES), DEPTH + 1, len(LABELS)
    assert found.accuracy.shape == (*shape, 5) and found.setting.shape == shape
    assert found.recipes.shape == (len(RECIPES), len(LABELS), 5)
    assert set(np.unique(found.setting[:, :3])) <= set(RATES)
    assert set(np.unique(found.setting[:, 3])) <= set(PENALTIES)
    np.testing.assert_array_equal(found.recipes[0], found.accuracy[0, 0])      # plain is plain
    assert found.controls.shape == (len(CONTROLS), len(LABELS), 5) and found.lengths.shape == (5, 3)
    assert found.control_setting.shape == (len(CONTROLS), len(LABELS))
    for source, frozen, k, seed in ((0, 0, 2, 1), (1, 2, 1, 0), (2, 1, 3, 4), (0, 3, 4, 2), (3, 0, 2, 3)):
        model = pretrained(SOURCES[source], seed)
        fresh = trial(model, LABELS[k], seed, found.setting[source, frozen, k], frozen)[1]
        assert fresh == pytest.approx(found.accuracy[source, frozen, k, seed], abs=0.04)
    fresh = trial(pretrained("digits", 1), 10, 1, found.setting[0, 0, 3], decay=1.0)[1]
    assert fresh == pytest.approx(found.recipes[0, 3, 1], abs=0.04)


def test_the_shipped_controls_are_what_a_fresh_run_gives():
    found = sweep()
    assert set(np.unique(found.control_setting)) <= set(RATES)
    for k, seed in ((1, 0), (3, 1), (6, 4)):
        small = rescaled(pretrained("random labels", seed))
        for j, model in enumerate((small, transplanted(small, 1, seed))):
            fresh = trial(model, LABELS[k], seed, found.control_setting[j, k])[1]
            assert fresh == pytest.approx(found.controls[j, k, seed], abs=0.04)


def test_long_training_on_true_labels_leaves_short_filters():
    found, fresh, k = sweep(), pretrain("digits", 0, steps=LONG), LABELS.index(10)
    assert filter_lengths(fresh) == pytest.approx(found.lengths[0], rel=0.2)
    score = trial(fresh, 10, 0, found.control_setting[2, k])[1]
    assert score == pytest.approx(found.controls[2, k, 0], abs=0.08)    # trained anew: another network


def test_settings_are_chosen_by_validation(monkeypatch):
    import dlcheat.transfer

    def pretend(model, labels, seed, setting, frozen=0, **recipe):
        return {1e-3: 0.5, 1e-2: 0.9}.get(setting, 0.1), setting

    monkeypatch.setattr(dlcheat.transfer, "trial", pretend)
    assert tuned_trials([None, None], 5) == ([1e-2, 1e-2], 1e-2)
