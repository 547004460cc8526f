"""explore() in Python: controls, views, frames, and what it refuses."""

from __future__ import annotations

import json
import zlib

import pytest

from dlcheat.plotting import figure
from dlcheat.widgets.explore import control_values, explore, to_html


@pytest.mark.parametrize(("spec", "expected"), [
    ((1, 4), [1, 2, 3, 4]), ((0, 10, 5), [0, 5, 10]), ((0.0, 0.3, 0.1), [0.0, 0.1, 0.2, 0.3]),
    ((2, 2), [2]), (["a", "b"], ["a", "b"]), ({"low": 1, "high": 9}, [1, 9]), (True, [True, False]),
    ((0.0, 1.0), [round(i / 10, 12) for i in range(11)])])
def test_control_values(spec: object, expected: list) -> None:
    assert control_values("x", spec) == expected


@pytest.mark.parametrize("spec", [(), (1,), (3, 1), (0, 1, 0), (0, 1, -1), [], {}, "abc", 3, None,
                                  (0, float("nan")), ("a", "b")])
def test_bad_controls_are_named(spec: object) -> None:
    with pytest.raises(ValueError, match=r"expected depth to be .* received"):
        control_values("depth", spec)


def test_starts_where_it_is_told_and_refuses_another_start() -> None:
    assert explore(lambda x: f"{x}", start={"x": 3}, x=(1, 4)).choice == [2]
    with pytest.raises(ValueError, match=r"expected x to start at one of .*received 9"):
        explore(lambda x: f"{x}", start={"x": 9}, x=(1, 4))
    with pytest.raises(ValueError, match=r"expected start to name one of"):
        explore(lambda x: f"{x}", start={"y": 9}, x=(1, 4))
    with pytest.raises(ValueError, match="at least one control"):
        explore(lambda: "")


def test_build_stores_each_distinct_frame_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLCHEAT_BUILD", "1")
    view = explore(lambda a, b: f"{a and b}", a=[0, 1], b=[0, 1, 2])
    stored = json.loads(zlib.decompress(view.frames))
    shown = [stored["frames"][i] for i in stored["index"]]
    assert shown == [f"<pre>{a and b}</pre>" for a in (0, 1) for b in (0, 1, 2)]
    assert len(stored["frames"]) == 3 and not view.live


def test_a_kernel_computes_only_what_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DLCHEAT_BUILD", raising=False)
    calls = []
    view = explore(lambda n: calls.append(n) or "", n=(1, 9))
    view.choice = [4]
    assert calls == [1, 5] and view.live and not view.frames


def test_figures_need_an_alternative_text() -> None:
    fig, _ = figure()
    with pytest.raises(ValueError, match="alt text"):
        to_html(fig)
    assert to_html((fig, "An empty plot")).startswith("<svg")


def test_repr_is_stable() -> None:
    assert repr(explore(lambda x: "", title="A bar", x=(1, 2))) == "<Explore: A bar>"
