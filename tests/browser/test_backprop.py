"""The backpropagation stepper in the published page: its numbers are dlcheat's, its controls work."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from dlcheat.widgets.backprop import NAMES, RATES, BackpropStepper, backprop_step
from tests.browser.widgets import nameless_controls, settle, small_controls, text_sizes
from tests.widgets.test_backprop import random_state

PAGE = "02-training/algorithm"
FIRST = BackpropStepper().settings()


@pytest.fixture
def stepper(page: Page, open_chapter: Callable[..., None]) -> Locator:
    open_chapter(page, PAGE)
    return page.locator(".bp").first


def shown(value: float) -> str:
    """Return a number as the widget writes it."""
    if value and (abs(value) < 5e-5 or abs(value) >= 1e5):
        mantissa, power = f"{value:.1e}".split("e")
        return f"{mantissa}e{int(power)}".replace("-", "−")
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return ("0" if text == "-0" else text).replace("-", "−")


def texts(stepper: Locator, selector: str) -> list[str]:
    return stepper.evaluate("(e, s) => [...e.querySelectorAll(s)].map((t) => t.textContent)", selector)


def expect_picture(stepper: Locator, **changes: object) -> None:
    """Compare all that the widget shows with dlcheat's step on the same state."""
    state = {**FIRST, **changes}
    step = backprop_step(**state)
    expect(stepper.locator(".dlw-player output")).to_have_text(
        f"round {step.round + 1}, {step.stage + 1} of 6")
    settle(stepper.page)
    s, p, g = step.stage, step.parameters, step.gradient
    late = s == 5

    def when(stage: int, value: float) -> str:
        return shown(value) if s >= stage else "–"

    def bias(i: int) -> str:
        return f"b{'₁₂₃'[i]} " + (f"→ {shown(step.updated[(4, 5, 8)[i]])}" if late
                                  else f"= {shown(p[(4, 5, 8)[i]])}")

    x, y = state["x"], state["y"]
    nodes = [f"x₁ = {shown(x[0])}", f"x₂ = {shown(x[1])}"]
    for i in (0, 1):
        nodes += [bias(i), f"z{'₁₂'[i]} = {shown(step.z[i])}", f"h{'₁₂'[i]} = {shown(step.h[i])}",
                  f"δ{'₁₂'[i]} = {when(4, step.delta[i])}"]
    nodes += [bias(2), f"z₃ = {when(1, step.z[2])}", f"ŷ = {when(1, step.y_hat)}",
              f"δ₃ = {when(3, step.delta[2])}", f"L = {when(2, step.loss)}   (y = {shown(y)})"]
    assert texts(stepper, ".bp-net .bp-text") == nodes
    labels = []
    for k in (0, 1, 2, 3, 6, 7):
        known = f"∂ {shown(g[k])}" if s >= (3 if k >= 6 else 4) else ""
        labels += [f"{NAMES[k]} {shown(p[k])}", f"→ {shown(step.updated[k])}" if late else known]
    assert texts(stepper, ".bp-net .bp-label") == labels

    fields = stepper.evaluate("(e) => [...e.querySelectorAll('.dlw-number')].map((f) => f.value)")
    assert fields == [shown(v) for v in (*x, y, *p)]
    cells = [v for k in range(9) for v in (when(3 if k >= 6 else 4, g[k]),
                                           when(5, step.updated[k]))]
    assert texts(stepper, ".bp-table td:not(.bp-edit)") == cells
    pressed = stepper.locator(".bp-chips [aria-pressed=true]")
    expect(pressed).to_have_count(1)
    assert pressed.inner_text().startswith(str(s + 1))
    assert texts(stepper, ".bp-sheet.shown p")[1:] == equations(state, step)[s]


def brackets(value: float) -> str:
    text = shown(value)
    return f"({text})" if text.startswith("−") else text


def equations(state: dict, step: object) -> list[list[str]]:
    """The lines of every stage, written anew from the formulas."""
    p, z, h, d, g = step.parameters, step.z, step.h, step.delta, step.gradient
    n, b, x, y, u = shown, brackets, state["x"], state["y"], "₁₂₃"
    act = {"relu": "max(0, {})", "tanh": "tanh({})", "sigmoid": "σ({})", "identity": "{}"}

    def total(i: int, weights: list[float], inputs: list[float], name: str, bias: float) -> str:
        sign = f"− {n(-bias)}" if bias < 0 else f"+ {n(bias)}"
        return (f"z{u[i]} = w{u[i]}₁{name}₁ + w{u[i]}₂{name}₂ + b{u[i]} = {n(weights[0])}·"
                f"{b(inputs[0])} + {b(weights[1])}·{b(inputs[1])} {sign} = {n(z[i])}")

    hidden = []
    for i in (0, 1):
        last = "" if state["activation"] == "identity" else f" = {n(h[i])}"
        hidden += [total(i, p[2 * i:2 * i + 2], x, "x", p[4 + i]),
                   f"h{u[i]} = f(z{u[i]}) = {act[state['activation']].format(n(z[i]))}{last}"]
    output = [total(2, p[6:8], h, "h", p[8]),
              f"ŷ = σ(z₃) = 1 / (1 + e^{b(-z[2])}) = {n(step.y_hat)}"]
    q, off = 1 - step.y_hat, step.y_hat - y
    if state["kind"] == "squared error":
        loss = f"L = (ŷ − y)² = ({n(step.y_hat)} − {n(y)})² = {n(step.loss)}"
        first = f"2(ŷ − y) ŷ(1 − ŷ) = 2·{b(off)}·{n(step.y_hat)}·{n(q)} = {n(d[2])}"
    else:
        loss = (f"L = −y ln ŷ − (1 − y) ln(1 − ŷ) = −{n(y)}·ln {n(step.y_hat)} − {n(1 - y)}·"
                f"ln {n(q)} = {n(step.loss)}")
        first = f"ŷ − y = {n(step.y_hat)} − {n(y)} = {n(d[2])}"
    back = [f"δ₃ = ∂L/∂z₃ = {first}",
            *(f"∂L/∂w₃{u[j]} = δ₃h{u[j]} = {n(d[2])}·{b(h[j])} = {n(g[6 + j])}" for j in (0, 1)),
            f"∂L/∂b₃ = δ₃ = {n(d[2])}"]
    deeper = []
    for i in (0, 1):
        deeper += [f"∂L/∂h{u[i]} = δ₃w₃{u[i]} = {n(d[2])}·{b(p[6 + i])} = {n(step.dh[i])}",
                   f"δ{u[i]} = ∂L/∂h{u[i]} · f′(z{u[i]}) = {n(step.dh[i])}·{b(step.slope[i])} = {n(d[i])}",
                   *(f"∂L/∂w{u[i]}{u[j]} = δ{u[i]}x{u[j]} = {n(d[i])}·{b(x[j])} = {n(g[2 * i + j])}"
                     for j in (0, 1)), f"∂L/∂b{u[i]} = δ{u[i]} = {n(d[i])}"]
    update = [f"{name} ← {n(p[k])} − {n(state['lr'])}·{b(g[k])} = {n(step.updated[k])}"
              for k, name in enumerate(NAMES)]
    return [hidden, output, [loss], back, deeper, update]


# ---- the same numbers -------------------------------------------------------------------------

def test_step_equals_dlcheat(page: Page, js: Callable) -> None:
    rng = random.Random(5)
    states = [FIRST] + [random_state(rng) for _ in range(500)]
    got = js(page, "backprop").call("backpropStep", [[state] for state in states])
    for state, result in zip(states, got, strict=True):
        expected = backprop_step(**state)._asdict()
        assert set(result) == set(expected)
        for name, value in expected.items():
            assert result[name] == pytest.approx(value, rel=1e-8, abs=1e-10), (name, state)


def test_the_equations_are_those_of_the_formulas(page: Page, js: Callable) -> None:
    rng = random.Random(6)
    states = [random_state(rng) for _ in range(200)]
    steps = [backprop_step(**state) for state in states]
    got = js(page, "backprop").call(
        "equations", [[state, step._asdict()] for state, step in zip(states, steps)])
    for state, step, lines in zip(states, steps, got, strict=True):
        assert lines == equations(state, step)


def test_numbers_are_written_alike(page: Page, js: Callable) -> None:
    rng = random.Random(7)
    values = [rng.gauss(0, 1) * 10 ** rng.randint(-9, 8) for _ in range(500)] + [0, 1, -2, 1e5]
    assert js(page, "backprop").call("num", [[v] for v in values]) == [shown(v) for v in values]


def test_far_values_do_not_overflow(page: Page, js: Callable) -> None:
    module = js(page, "backprop")
    assert module.call("logistic", [[-1e4], [1e4], [0]]) == [0, 1, 0.5]
    assert module.call("softplus", [[-1e4], [1e4]]) == [0, 1e4]


def test_first_state_is_the_cheat_sheets(stepper: Locator) -> None:
    expect_picture(stepper)
    assert texts(stepper, ".bp-net .bp-text")[3:5] == ["z₁ = −0.18", "h₁ = 0"]
    expect(stepper.locator(".bp-sheet.shown .bp-heading")).to_contain_text("Forward, hidden units")


def test_from_the_disk(page: Page, open_chapter: Callable[..., None]) -> None:
    open_chapter(page, PAGE, True)
    expect_picture(page.locator(".bp").first)


# ---- stepping ---------------------------------------------------------------------------------

def test_two_rounds_by_button(stepper: Locator) -> None:
    for position in range(13):
        expect_picture(stepper, position=position)
        stepper.get_by_role("button", name="one step forward").click()
    stepper.get_by_role("button", name="one step back").click()
    expect_picture(stepper, position=12)


def test_slider_keys_chips_and_rounds(stepper: Locator) -> None:
    slider = stepper.get_by_label("Step", exact=True)
    slider.press("ArrowRight")
    expect_picture(stepper, position=1)
    stepper.get_by_role("button", name="5 ∂ hidden").click()
    expect_picture(stepper, position=4)
    stepper.get_by_role("button", name="Next round").click()
    expect_picture(stepper, position=10)
    drawing = stepper.locator(".bp-net")
    drawing.press("ArrowRight")
    expect_picture(stepper, position=11)
    drawing.press("ArrowLeft")
    expect_picture(stepper, position=10)
    drawing.press("Shift+ArrowRight")
    expect_picture(stepper, position=16)
    slider.press("End")
    expect_picture(stepper, position=179)
    expect(stepper.get_by_role("button", name="Next round")).to_be_disabled()
    stepper.get_by_role("button", name="1 hidden").click()
    expect_picture(stepper, position=174)


def test_play_and_pause(page: Page, stepper: Locator) -> None:
    play = stepper.locator(".dlw-player .primary")
    play.click()
    expect(play).to_have_text("Pause")
    expect(stepper.locator(".dlw-player output")).to_have_text("round 1, 3 of 6", timeout=5000)
    play.click()
    kept = stepper.locator(".dlw-player output").inner_text()
    page.wait_for_timeout(1000)
    assert stepper.locator(".dlw-player output").inner_text() == kept


def test_the_loss_curve(stepper: Locator) -> None:
    expect(stepper.locator(".bp-plot")).to_have_attribute("aria-label", "no loss has been computed yet")
    stepper.get_by_label("Step", exact=True).press("End")
    settle(stepper.page)
    losses = backprop_step(**{**FIRST, "position": 179}).losses
    label = f"30 updates: from {shown(losses[0])} to {shown(losses[-1])}"
    expect(stepper.locator(".bp-plot")).to_have_attribute("aria-label", re.compile(label))
    points = stepper.locator(".bp-curve").get_attribute("points").split()
    assert len(points) == 30
    for r, (point, value) in enumerate(zip(points, losses)):
        across, down = map(float, point.split(","))
        assert across == pytest.approx(64 + 226 * r / 29, abs=0.06)
        assert down == pytest.approx(100 - 86 * value / max(losses), abs=0.06)


# ---- editing ----------------------------------------------------------------------------------

def test_edit_begins_a_new_run_from_what_is_shown(stepper: Locator) -> None:
    stepper.get_by_label("Step", exact=True).press("ArrowRight")
    stepper.get_by_role("button", name="Next round").click()
    now = backprop_step(**{**FIRST, "position": 7}).parameters
    stepper.get_by_label("parameter w₂₁").fill("-1,25")
    stepper.get_by_label("parameter w₂₁").press("Tab")
    now[2] = -1.25
    expect_picture(stepper, parameters=now, position=1)
    stepper.get_by_label("input x₁").fill("0.75")
    stepper.get_by_label("target y").fill("0")
    expect_picture(stepper, parameters=now, position=1, x=[0.75, 0.8], y=0)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "identity"])
@pytest.mark.parametrize("kind", ["cross-entropy", "squared error"])
def test_choices(stepper: Locator, activation: str, kind: str) -> None:
    stepper.get_by_label("Hidden f").select_option(value=activation)
    stepper.get_by_label("Loss", exact=True).select_option(value=kind)
    for position in range(6):
        expect_picture(stepper, activation=activation, kind=kind, position=position)
        stepper.get_by_role("button", name="one step forward").click()


def test_the_rate_holds_for_the_whole_run(stepper: Locator) -> None:
    for _ in range(2):
        stepper.get_by_role("button", name="Next round").click()
    rate = stepper.get_by_label("Learning rate η")
    for lr in RATES[6:]:
        rate.press("ArrowRight")
        expect_picture(stepper, lr=lr, position=12)
    expect(stepper.locator(".dlw-slider output").first).to_have_text("10")


@pytest.mark.parametrize("seed", range(6))
def test_random_states_on_screen(stepper: Locator, seed: int) -> None:
    state = random_state(random.Random(200 + seed))
    state["position"] %= 18
    stepper.get_by_label("Hidden f").select_option(value=state["activation"])
    stepper.get_by_label("Loss", exact=True).select_option(value=state["kind"])
    for name, value in zip(("input x₁", "input x₂", "target y"), (*state["x"], state["y"])):
        stepper.get_by_label(name, exact=True).fill(str(value))
    for name, value in zip(NAMES, state["parameters"]):
        stepper.get_by_label(f"parameter {name}").fill(str(value))
    stepper.get_by_label("Learning rate η").fill(str(RATES.index(state["lr"])))
    stepper.get_by_label("Step", exact=True).fill(str(state["position"]))
    stepper.get_by_label("Step", exact=True).focus()      # a field that is left shows its value
    expect_picture(stepper, **state)


@pytest.mark.parametrize(("field", "text", "said"), [
    ("parameter w₃₂", "abc", "−100 to 100"), ("parameter b₃", "1e9", "−100 to 100"),
    ("input x₂", "--2", "−100 to 100"), ("target y", "1.5", "0 to 1")])
def test_what_is_no_number_is_refused(stepper: Locator, field: str, text: str, said: str) -> None:
    cell = stepper.get_by_label(field)
    before = cell.input_value()
    cell.fill(text)
    expect(cell).to_have_attribute("aria-invalid", "true")
    expect(stepper.locator(".bp-alarm")).to_contain_text(f"is not a number from {said}")
    cell.press("Tab")
    expect(cell).to_have_value(before)
    expect(stepper.locator(".bp-alarm")).to_have_text("")
    expect_picture(stepper)


def test_looking_at_a_rounded_number_changes_nothing(stepper: Locator) -> None:
    stepper.get_by_role("button", name="Next round").click()
    stepper.get_by_label("parameter b₃").focus()
    stepper.get_by_label("parameter b₃").press("Tab")
    expect_picture(stepper, position=6)


def test_reset_restores_the_first_state_exactly(stepper: Locator) -> None:
    def picture() -> str:
        return stepper.evaluate(
            """(e) => JSON.stringify([
                 [...e.querySelectorAll("input, select")].map((i) => [i.value, i.disabled]),
                 [...e.querySelectorAll("button, output, td, p, text, rect, line, polyline, circle")]
                   .filter((i) => i.closest("svg") || i.offsetParent)
                   .map((i) => [i.children.length ? "" : i.textContent, i.getAttribute("class"),
                     i.getAttribute("points"), i.getAttribute("stroke-width"), i.getAttribute("cx"),
                     i.disabled, i.getAttribute("aria-pressed")])])""")

    settle(stepper.page)
    stepper.page.wait_for_timeout(600)               # what a screen reader is told comes later
    before = picture()
    stepper.get_by_label("Hidden f").select_option(value="tanh")
    stepper.get_by_label("parameter w₁₁").fill("3")
    stepper.get_by_label("target y").fill("0.5")
    stepper.get_by_label("Learning rate η").press("End")
    stepper.get_by_label("Step", exact=True).press("End")
    settle(stepper.page)
    assert picture() != before
    stepper.get_by_role("button", name="Reset").click()
    expect_picture(stepper)
    stepper.page.wait_for_timeout(600)
    assert picture() == before


# ---- the page ---------------------------------------------------------------------------------

@pytest.mark.parametrize("width", [320, 360])
def test_a_narrow_page_does_not_scroll_and_can_be_read(
        watch_pages: Callable[..., Page], open_chapter: Callable[..., None], width: int) -> None:
    page = watch_pages(viewport={"width": width, "height": 740})
    open_chapter(page, PAGE)
    stepper = page.locator(".bp").first
    stepper.get_by_label("Step", exact=True).press("End")
    settle(stepper.page)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    assert stepper.evaluate("(e) => e.getBoundingClientRect().right") <= width
    sizes = text_sizes(stepper)
    assert min(sizes) >= 12
    outside = stepper.evaluate(
        """(e) => { const frame = e.querySelector(".bp-net").getBoundingClientRect();
             return [...e.querySelectorAll(".bp-net text")]
               .map((t) => [t.textContent, t.getBoundingClientRect()])
               .filter(([, r]) => r.width && (r.left < frame.left - 1 || r.right > frame.right + 1))
               .map(([text]) => text); }""")
    assert outside == []


def test_touch_by_finger(phone: Page, open_chapter: Callable[..., None]) -> None:
    open_chapter(phone, PAGE)
    stepper = phone.locator(".bp").first
    stepper.get_by_role("button", name="6 update").tap()
    expect_picture(stepper, position=5)


def test_the_height_does_not_change(stepper: Locator) -> None:
    heights = set()
    for _ in range(13):
        settle(stepper.page)
        heights.add(round(stepper.bounding_box()["height"]))
        stepper.get_by_role("button", name="one step forward").click()
    assert max(heights) - min(heights) <= 2, heights


def test_touch_targets_and_names(stepper: Locator) -> None:
    assert small_controls(stepper, 43.5) == []
    assert nameless_controls(stepper) == 0


@pytest.mark.paint
@pytest.mark.parametrize(("control", "values"), [
    (".dlw-player input[type=range]", "i % 180"), (".dlw-row input[type=range]", "i % 10"),
    (".bp-edit .dlw-number", "(i % 9) / 4 - 1")])
def test_paint_is_quick(page: Page, stepper: Locator, control: str, values: str,
                        paint_times: Callable[..., list[float]]) -> None:
    stepper.get_by_label("Step", exact=True).fill("170")
    times = paint_times(page, f"""(i) => {{
        const field = document.querySelector('.bp {control}');
        field.value = String({values});
        field.dispatchEvent(new Event('input', {{ bubbles: true }})); }}""")
    assert sorted(times)[int(0.95 * len(times))] < 16
