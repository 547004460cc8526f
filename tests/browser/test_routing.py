"""The routing stepper in Chromium: its numbers are dlcheat's, by mouse, keyboard and typing."""

import re

import numpy as np
import pytest
import torch

from dlcheat.layers.capsule import dynamic_routing, squash
from dlcheat.widgets.routing import PRESETS, WORKED
from tests.browser.widgets import settle

CHAPTER = "07-architectures/03-convolution/capsnet"


def numbers(text):
    return [float(x.replace("−", "-")) for x in re.findall(r"[−-]?\d+\.\d+", text)]


def entropy(couplings):
    return float(torch.special.entr(couplings).sum(-1).mean() / np.log(2))


@pytest.fixture
def own(page, open_chapter):
    """The first stepper of the chapter: the reader's own vectors."""
    open_chapter(page, CHAPTER)
    widget = page.locator(".dlw").nth(0)
    widget.scroll_into_view_if_needed()
    return widget


@pytest.fixture
def network(page, open_chapter):
    """The second stepper: the trained network."""
    open_chapter(page, CHAPTER)
    widget = page.locator(".dlw").nth(1)
    widget.locator("table").first.wait_for()
    widget.scroll_into_view_if_needed()
    return widget


def shown_terms(widget):
    """The tables' agreement, logit and coupling, shape (parts, 2, 3)."""
    settle(widget.page)
    tables = [[numbers(" ".join(row.locator("td:not(.rt-cell)").all_inner_texts()))[-3:]
               for row in table.locator("tbody tr").all()]
              for table in widget.locator(".rt-parts table").all()]
    return np.array(tables).swapaxes(0, 1)


def vectors_on_screen(widget):
    settle(widget.page)
    cells = widget.locator("input.dlw-number")
    values = [float(c.input_value().replace("−", "-")) for c in cells.all()]
    by_whole = torch.tensor(values, dtype=torch.float64).reshape(2, -1, 2)
    return by_whole.transpose(0, 1)                                # (parts, 2, 2)


def iteration_of(widget):
    return int(widget.get_by_role("slider", name="Iteration").input_value())


def expect_numbers_of_dlcheat(widget):
    vectors = vectors_on_screen(widget)
    _, steps = dynamic_routing(vectors, 6, return_steps=True)
    step = steps[iteration_of(widget)]
    expected = torch.stack([step.agreements, step.logits, step.couplings], -1).numpy()
    np.testing.assert_allclose(shown_terms(widget), expected, atol=5.1e-4)
    wholes = widget.locator(".rt-wholes tbody tr").all_inner_texts()
    for j, text in enumerate(wholes):
        s, v = step.sums[j], step.outputs[j]
        expected = [*s.tolist(), s.norm().item(), *v.tolist(), v.norm().item()]
        np.testing.assert_allclose(numbers(text), expected, atol=5.1e-4)
    said = numbers(widget.locator(".dlw-summary").inner_text())
    np.testing.assert_allclose(said[:3], [*step.outputs.norm(dim=-1).tolist(),
                                          entropy(step.couplings)], atol=5.1e-4)


def test_the_step_equals_dlcheat_on_hundreds_of_random_inputs(page, js):
    module, generator = js(page, "routing"), np.random.default_rng(0)
    calls, expected = [], []
    for _ in range(400):
        shape = [int(n) for n in generator.integers((1, 2, 1), (9, 7, 9))]
        rounds = int(generator.integers(1, 7))
        values = generator.normal(0, generator.choice([0.3, 1, 5]), shape)
        calls.append([values.ravel().tolist(), shape, rounds])
        expected.append(dynamic_routing(torch.from_numpy(values), rounds, return_steps=True)[1])
    for got, steps, (_, (parts, wholes, _), rounds) in zip(
            module.call("routing", calls), expected, calls, strict=True):
        assert len(got) == rounds
        bits = module.call("couplingEntropy", [[g["couplings"], parts, wholes] for g in got])
        for theirs, ours, entropy_bits in zip(got, steps, bits, strict=True):
            for name, value in ours._asdict().items():
                np.testing.assert_allclose(theirs[name], value.flatten(), rtol=1e-10, atol=1e-12)
            assert abs(entropy_bits - entropy(ours.couplings)) < 1e-9


def test_squash_and_the_small_helpers(page, js):
    module, generator = js(page, "routing"), np.random.default_rng(1)
    vectors = [[0.0, 0.0], *generator.normal(0, 2, (200, 3)).tolist()]
    for got, vector in zip(module.call("squash", [[v] for v in vectors]), vectors, strict=True):
        np.testing.assert_allclose(got, squash(torch.tensor(vector, dtype=torch.float64)),
                                   rtol=1e-12, atol=1e-15)
    assert module.call("clampVector", [[[9, -9]], [[0.123, -0.004]]]) == [[1.5, -1.5], [0.12, 0]]
    assert module.call("project", [[[1, 2, 3, 4], 2, [1, 0, 0.5, 0.5], 2]]) == [[3, 3.5]]


def test_the_first_state_is_the_worked_example(own):
    assert vectors_on_screen(own).tolist() == WORKED
    assert iteration_of(own) == 0
    expect_numbers_of_dlcheat(own)


def test_every_preset_and_every_iteration_shows_dlcheats_numbers(own):
    for preset in range(len(PRESETS) - 1):
        own.get_by_label("Start from").select_option(index=preset)
        for _ in range(6):
            expect_numbers_of_dlcheat(own)
            if iteration_of(own) < 5:
                own.get_by_role("button", name="one step forward").click()
        own.get_by_role("button", name="Reset").click()


def test_the_keyboard_alone(page, own):
    own.get_by_role("slider", name="Iteration").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert iteration_of(own) == 3
    expect_numbers_of_dlcheat(own)
    handle = own.get_by_role("slider", name="prediction of part 2 for whole B")
    handle.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowRight")
    assert vectors_on_screen(own)[1, 1].tolist() == [-0.45, 0.15]
    expect_numbers_of_dlcheat(own)


def test_dragging_a_prediction(page, own):
    handle = own.get_by_role("slider", name="prediction of part 3 for whole A")
    box = handle.locator(".rt-dot").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    own.get_by_role("button", name="one step forward").click()
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y + 30, steps=4)
    page.mouse.move(x + 80, y + 60, steps=4)
    page.mouse.up()
    moved = vectors_on_screen(own)
    assert moved[2, 0, 0] > -0.2 + 0.3 and moved[2, 0, 1] < 1 - 0.2
    untouched = torch.tensor(WORKED, dtype=torch.float64)
    moved[2, 0] = untouched[2, 0]
    assert torch.equal(moved, untouched)
    assert own.get_by_label("Start from").input_value() == "custom"
    expect_numbers_of_dlcheat(own)
    page.mouse.move(x + 80, y + 60)
    page.mouse.down()
    page.mouse.move(x + 3000, y - 3000, steps=2)
    page.mouse.up()
    assert vectors_on_screen(own)[2, 0].tolist() == [1.5, 1.5]


def test_typing_a_number_and_typing_nonsense(page, own):
    cell = own.get_by_label("part 1, whole A, û x")
    cell.fill("-0.35")
    assert vectors_on_screen(own)[0, 0, 0] == -0.35
    expect_numbers_of_dlcheat(own)
    before = own.locator(".dlw-summary").inner_text()
    alarm = own.locator(".rt-alarm")
    for nonsense in ("abc", "7", "1e99", "", "--1"):
        cell.fill(nonsense)
        settle(page)
        assert cell.get_attribute("aria-invalid") == "true"
        assert own.locator(".dlw-summary").inner_text() == before
        refusal = f"“{nonsense}” is not a number from −1.5 to 1.5: part 1, whole A, û x, stays"
        assert refusal in alarm.inner_text() if nonsense else alarm.inner_text() == ""
    cell.blur()
    assert cell.input_value() == "−0.35" and cell.get_attribute("aria-invalid") is None
    assert alarm.inner_text() == ""
    expect_numbers_of_dlcheat(own)


def cut_off(widget):
    """Cells and boxes of the tables whose content is wider than they are."""
    settle(widget.page)
    return widget.evaluate("""(el) => [...el.querySelectorAll('.rt-scroll, .rt-scroll td, .rt-scroll th')]
        .filter((x) => x.scrollWidth > x.clientWidth + 1).map((x) => x.textContent)""")


def test_no_number_is_cut_off(page, own):
    for preset in range(len(PRESETS) - 1):
        own.get_by_label("Start from").select_option(index=preset)
        for t in range(6):
            assert cut_off(own) == [], (preset, t)
            own.get_by_role("slider", name="Iteration").press("ArrowRight")
    network = page.locator(".dlw").nth(1)
    network.scroll_into_view_if_needed()
    for t in range(6):
        assert cut_off(network) == [], t
        network.get_by_role("slider", name="Iteration").press("ArrowRight")


def test_play_runs_to_the_end_and_reset_restores_everything(page, own):
    page.wait_for_timeout(600)                     # the line for screen readers comes later
    before = own.inner_text()
    own.get_by_label("Start from").select_option("clusters")
    own.get_by_role("button", name="Play").click()
    page.wait_for_function("document.querySelector('.dlw input[type=range]').value === '5'",
                           timeout=10_000)
    own.get_by_role("button", name="show part 4").click()
    expect_numbers_of_dlcheat(own)
    own.get_by_role("button", name="Reset").click()
    page.wait_for_timeout(600)
    assert own.inner_text() == before
    expect_numbers_of_dlcheat(own)


def test_the_network_is_routed_whole(page, network):
    lengths = []
    for t in range(6):
        settle(page)
        rows = network.locator(".rt-wholes tbody tr").all_inner_texts()
        table = np.array([numbers(row) for row in rows])              # share %, ‖s‖, ‖v‖
        assert table.shape == (10, 3)
        np.testing.assert_allclose(table[:, 0].sum(), 100, atol=0.6)
        square = table[:, 1] ** 2
        np.testing.assert_allclose(table[:, 2], square / (1 + square), atol=2e-3)
        if t == 0:
            assert (table[:, 0] == 10).all()
        terms = shown_terms(network)
        assert terms.shape == (8, 2, 3) and ((terms[..., 2] > 0) & (terms[..., 2] < 1)).all()
        lengths.append(table[:, 2].max())
        if t < 5:
            network.get_by_role("button", name="one step forward").click()
    assert lengths[2] > lengths[0]


def test_choosing_digit_capsules_and_parts(page, network):
    summary = network.locator(".dlw-summary")
    network.get_by_label("Test digit", exact=True).select_option(index=1)
    network.get_by_role("img", name="the test digit, a 9").wait_for()
    settle(page)
    assert "for digit 9 and" in summary.inner_text()
    network.get_by_label("and", exact=True).select_option("0")
    settle(page)
    assert "for digit 9 and" in summary.inner_text() and "for digit 0;" in summary.inner_text()
    network.get_by_label("Compare").select_option("0")             # the two swap, never equal
    settle(page)
    assert network.get_by_label("and", exact=True).input_value() == "9"
    network.get_by_role("button", name="show part 3").click()
    settle(page)
    assert network.locator(".rt-digit figcaption").inner_text().startswith("part 3: type")
    network.get_by_label("Predictions", exact=True).select_option("yours")
    assert vectors_on_screen(network).tolist() == WORKED
    network.get_by_role("button", name="Reset").click()
    network.get_by_role("img", name="the test digit, a 4").wait_for()


@pytest.mark.paint
def test_from_input_to_paint_within_a_frame(page, own, paint_times):
    drag = """(i) => { const h = document.querySelector('.dlw .rt-handle');
        const key = i % 2 ? 'ArrowLeft' : 'ArrowRight';
        h.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true })); }"""
    assert np.percentile(paint_times(page, drag), 95) < 16
    slide = """(i) => { const widget = document.querySelectorAll('.dlw')[1];
        const s = widget.querySelector('input[type=range]');
        s.value = i % 6; s.dispatchEvent(new Event('input')); }"""
    assert np.percentile(paint_times(page, slide), 95) < 16


def test_on_a_phone(phone, open_chapter):
    open_chapter(phone, CHAPTER)
    own = phone.locator(".dlw").nth(0)
    own.scroll_into_view_if_needed()
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    small = own.evaluate("""(el) => [...el.querySelectorAll('button, select, input')]
        .filter((x) => x.getBoundingClientRect().height < 44).map((x) => x.outerHTML)""")
    assert small == []
    assert cut_off(own) == []
    first, second = (table.bounding_box() for table in own.locator(".rt-parts table").all())
    assert second["y"] >= first["y"] + first["height"], "the two wholes stand one below the other"
    expect_numbers_of_dlcheat(own)


def test_it_lives_on_the_disk_too(page, open_chapter):
    open_chapter(page, CHAPTER, True)
    expect_numbers_of_dlcheat(page.locator(".dlw").nth(0))
