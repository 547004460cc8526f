"""``explore``: sliders over any function, alive in the published page.

The spirit and the arguments are those of ``ipywidgets.interact``. With a kernel
the sliders call the function; on a published page the same sliders run over the
frames that the build computed.
"""

from __future__ import annotations

import html
import itertools
import json
import math
import os
import zlib
from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure
from traitlets import Bool, Bytes, Dict, List

from dlcheat.plotting import to_svg
from dlcheat.widgets.base import BookWidget

#: Most frames that a published page may hold, and their most bytes after compression.
MAX_FRAMES, MAX_BYTES = 400, 400_000


def control_values(name: str, spec: object) -> list[Any]:
    """Return the values of a control, from an abbreviation as ``interact`` has them.

    ``(low, high)`` or ``(low, high, step)`` is a range, whole numbers where all are whole;
    a float range without a step has eleven values. A list or a dict is a choice, a bool a
    switch.

    Args:
        name: The argument's name, for the error.
        spec: The abbreviation.

    Raises:
        ValueError: If it is none of these, or holds no value.

    >>> control_values("depth", (1, 4))
    [1, 2, 3, 4]
    >>> control_values("noise", (0.0, 0.5, 0.25))
    [0.0, 0.25, 0.5]
    >>> control_values("noise", [0, 0.1, 0.3])
    [0, 0.1, 0.3]
    """
    if isinstance(spec, bool):
        return [spec, not spec]
    if isinstance(spec, dict) and spec:
        return list(spec.values())
    if isinstance(spec, list) and spec:
        return list(spec)
    if isinstance(spec, tuple) and len(spec) in (2, 3) and all(map(_is_number, spec)):
        low, high = spec[:2]
        whole = all(isinstance(v, int) for v in spec)
        step = spec[2] if len(spec) == 3 else (1 if whole else (high - low) / 10)
        if low <= high and step > 0:
            count = math.floor((high - low) / step + 1e-9) + 1
            return [low + i * step if whole else round(low + i * step, 12) for i in range(count)]
    raise ValueError(f"expected {name} to be (low, high), (low, high, step), a list, a dict or a "
                     f"bool, received {spec!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def to_html(value: object) -> str:
    """Return what a function gave as HTML: a figure, something with a rich view, or text.

    Args:
        value: A matplotlib figure with its alternative text, ``(figure, alt)``; an object with
            ``_repr_html_`` (a pandas table); or anything else, shown as text.

    Raises:
        ValueError: If a figure comes without its alternative text.

    >>> to_html("a < b")
    '<pre>a &lt; b</pre>'
    """
    if isinstance(value, Figure):
        raise ValueError("expected (figure, alt text), received a figure without alt text")
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], Figure):
        return to_svg(*value)
    if hasattr(value, "_repr_html_"):
        return value._repr_html_()
    return f"<pre>{html.escape(value if isinstance(value, str) else repr(value))}</pre>"


class Explore(BookWidget, front="explore"):
    """Sliders over a function; made by :func:`explore`."""

    controls = List().tag(sync=True)    # [{name, label, kind, values, texts, start}]
    choice = List().tag(sync=True)      # the position of each control
    frames = Bytes().tag(sync=True)     # deflated JSON: {frames: [html], index: [frame of a position]}
    current = Dict().tag(sync=True)     # {"at": position, "html": what f gave there}
    live = Bool(False).tag(sync=True)   # whether a kernel answers

    def __init__(self, function: Callable[..., object], specs: dict[str, object], title: str,
                 start: dict[str, object]) -> None:
        self._function = function
        self._values = {name: control_values(name, spec) for name, spec in specs.items()}
        controls, choice = [], []
        for name, spec in specs.items():
            values = self._values[name]
            at = values.index(start[name]) if name in start else 0
            texts = list(map(str, spec)) if isinstance(spec, dict) else [_text(v) for v in values]
            switch = isinstance(spec, bool)
            named = (not switch and not all(map(_is_number, values))) or isinstance(spec, dict)
            controls.append({"name": name, "label": name.replace("_", " "), "texts": texts,
                             "kind": "switch" if switch else "choice" if named else "slider"})
            choice.append(at)
        super().__init__(title=title, controls=controls, choice=choice)
        self._show(choice)
        if os.environ.get("DLCHEAT_BUILD"):
            self.frames = self._precompute()
        else:
            self.live = True
        self.observe(lambda change: self._show(change["new"]), "choice")

    def _call(self, at: tuple[int, ...]) -> str:
        values = {n: v[i] for (n, v), i in zip(self._values.items(), at, strict=True)}
        return to_html(self._function(**values))

    def _show(self, at: list[int]) -> None:
        self.current = {"at": list(at), "html": self._call(tuple(at))}

    def _precompute(self) -> bytes:
        sizes = [len(v) for v in self._values.values()]
        count = math.prod(sizes)
        if count > MAX_FRAMES:
            raise ValueError(f"expected at most {MAX_FRAMES} frames, received "
                             f"{' × '.join(map(str, sizes))} = {count}: give the controls fewer values")
        frames: dict[str, int] = {}
        index = [frames.setdefault(self._call(at), len(frames))
                 for at in itertools.product(*map(range, sizes))]
        packed = zlib.compress(json.dumps({"frames": list(frames), "index": index}).encode(), 9)
        if len(packed) > MAX_BYTES:
            raise ValueError(f"expected at most {MAX_BYTES} bytes of frames, received {len(packed)}: "
                             "draw less in each, or give the controls fewer values")
        return packed


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def explore(function: Callable[..., object], *, title: str = "", start: dict[str, object] | None = None,
            **controls: object) -> Explore:
    """Return sliders over a function that gives a figure, a table or text.

    Args:
        function: Called with one value for each control; returns ``(figure, alt text)``, an
            object with ``_repr_html_``, or text.
        title: What the widget shows, for a screen reader.
        start: The first value of a control where it is not the first of its values.
        **controls: For each argument ``(low, high)``, ``(low, high, step)``, a list of values, a
            dict of names and values, or a bool.

    Raises:
        ValueError: If there is no control, a control is none of these, a start is not among the
            values, or the build would have to store more than ``MAX_FRAMES`` frames.

    >>> widget = explore(lambda n: "=" * n, title="A bar", n=(1, 3))
    >>> widget.choice = [2]
    >>> widget.current["html"]
    '<pre>===</pre>'
    """
    if not controls:
        raise ValueError("expected at least one control, received none")
    for name, value in (start or {}).items():
        if name not in controls:
            raise ValueError(f"expected start to name one of {list(controls)}, received {name!r}")
        if value not in control_values(name, controls[name]):
            raise ValueError(f"expected {name} to start at one of "
                             f"{control_values(name, controls[name])}, received {value!r}")
    return Explore(function, controls, title, start or {})
