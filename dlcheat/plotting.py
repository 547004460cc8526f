"""Figures that follow the page's theme, and source code shown where it is used."""

from __future__ import annotations

import html
import inspect
import io
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

#: The book's line colours, each legible on its theme's background.
COLORS = ("#0b62b0", "#b8500b", "#1a7f4b", "#b3245a", "#6a45b8", "#5c6470")
#: Ink, grid and surface of a figure; the page replaces them by its own.
INK, GRID = "#1f2328", "#d0d7de"
#: Colour map for signed values, orange below zero, white at zero, blue above.
SIGNED = matplotlib.colors.LinearSegmentedColormap.from_list(
    "signed", ["#8f3a00", "#f0a56c", "#ffffff", "#7db5e8", "#084a86"])

_THEMED = {**{c: f"var(--dl-c{i}, {c})" for i, c in enumerate(COLORS)},
           INK: "var(--dl-ink, currentColor)", GRID: f"var(--dl-grid, {GRID})"}

STYLE = {
    "figure.figsize": (6.4, 3.2), "figure.dpi": 100, "figure.constrained_layout.use": True,
    "axes.prop_cycle": matplotlib.cycler(color=COLORS), "axes.spines.top": False,
    "axes.spines.right": False, "axes.edgecolor": INK, "axes.labelcolor": INK,
    "axes.titlecolor": INK, "axes.titlesize": 11, "axes.labelsize": 10, "axes.grid": False,
    "grid.color": GRID, "grid.linewidth": 0.8, "text.color": INK, "xtick.color": INK,
    "ytick.color": INK, "xtick.labelsize": 9, "ytick.labelsize": 9, "legend.frameon": False,
    "legend.fontsize": 9, "lines.linewidth": 1.8, "image.cmap": "gray",
    "image.interpolation": "nearest", "savefig.transparent": True,
    "svg.fonttype": "none", "svg.hashsalt": "dlcheat",
}


@contextmanager
def book_style() -> Iterator[None]:
    """Draw in the book's style inside a ``with`` block, and in the former style after it.

    >>> with book_style():
    ...     plt.rcParams["legend.frameon"]
    False
    """
    with plt.rc_context(STYLE):
        yield


def figure(rows: int = 1, columns: int = 1, *, width: float = 6.4, height: float = 3.0,
           **kwargs: object) -> tuple[Figure, Axes | np.ndarray]:
    """Return a figure and its axes, as ``plt.subplots`` does, in the book's style.

    Args:
        rows: Rows of axes.
        columns: Columns of axes.
        width: Width in inches; the page is 7 inches wide.
        height: Height in inches.
        **kwargs: Passed to ``matplotlib.pyplot.subplots``.

    >>> fig, axes = figure(1, 2)
    >>> axes.shape
    (2,)
    >>> plt.close(fig)
    """
    plt.rcParams.update(STYLE)
    return plt.subplots(rows, columns, figsize=(width, height), **kwargs)


def plot_spread(ax: Axes, x: ArrayLike, runs: ArrayLike, *, label: str | None = None,
                **kwargs: object) -> None:
    r"""Draw the mean of several runs as a line, and their spread as a band around it.

    .. math:: \bar y \pm s, \qquad s^2 = \frac{1}{R - 1} \sum_r (y_r - \bar y)^2

    Args:
        ax: Where to draw.
        x: Shape (N,).
        runs: One run a row, shape (R, N). A single run has no band.
        label: Name in the legend.
        **kwargs: Passed to ``ax.plot``: color, marker, linestyle, …

    Raises:
        ValueError: If the shapes do not match.

    >>> fig, ax = figure()
    >>> plot_spread(ax, [1, 2], [[0.0, 1.0], [2.0, 3.0]], label="two runs")
    >>> ax.lines[0].get_ydata()
    array([1., 2.])
    >>> plt.close(fig)
    """
    x, runs = np.asarray(x), np.asarray(runs, dtype=float)
    if runs.ndim != 2 or len(runs) == 0 or runs.shape[1:] != x.shape:
        raise ValueError(f"expected runs of shape (R, {len(np.atleast_1d(x))}), received shape "
                         f"{runs.shape}")
    mean = runs.mean(0)
    line, = ax.plot(x, mean, label=label, **kwargs)
    if len(runs) > 1:
        spread = runs.std(0, ddof=1)
        ax.fill_between(x, mean - spread, mean + spread, color=line.get_color(), alpha=0.2,
                        linewidth=0)


def _themed(tag: str) -> str:
    """Give a tag the page's colours, and coordinates of two decimals."""
    tag = re.sub("|".join(_THEMED), lambda match: _THEMED[match[0]], tag)
    return re.sub(r"(\d\.\d\d)\d+", r"\1", tag)


def to_svg(fig: Figure, alt: str) -> str:
    """Return a figure as inline SVG whose ink and lines take the colours of the page.

    Args:
        fig: The figure; it is closed.
        alt: What the picture shows, for those who do not see it.

    Raises:
        ValueError: If ``alt`` is empty.

    >>> fig, ax = figure()
    >>> to_svg(fig, "An empty plot").startswith('<svg role="img" aria-label="An empty plot"')
    True
    """
    if not alt.strip():
        raise ValueError(f"expected alt to say what the figure shows, received {alt!r}")
    buffer = io.StringIO()
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "dlcheat"}):
        fig.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(fig)
    svg = buffer.getvalue()
    width, height = (float(v) for v in re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())
    svg = svg[svg.index("</defs>") + len("</defs>"):]            # the head is written below
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)                    # ids that nothing refers to
    svg = re.sub(r"font-family: [^;\"]*", "font-family: var(--dl-font, sans-serif)", svg)
    svg = re.sub("<[^>]*>", lambda tag: _themed(tag[0]), svg)     # not the text between the tags
    svg = re.sub(r"\s*\n\s*", " ", svg).replace("> <", "><")
    return (f'<svg role="img" aria-label="{html.escape(alt)}" class="dl-figure" '
            f'viewBox="0 0 {width:g} {height:g}" width="{width * 4 / 3:.0f}" '
            f'style="--dl-width: {width * 4 / 3:.0f}; max-width: 100%; height: auto; '
            'stroke-linejoin: round" '
            'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
            + svg)


def show_figure(fig: Figure, alt: str) -> None:
    """Display a figure as theme-following SVG with an alternative text.

    Args:
        fig: The figure; it is closed.
        alt: What the picture shows, in one sentence with its message.

    Raises:
        ValueError: If ``alt`` is empty.

    >>> fig, ax = figure()
    >>> show_figure(fig, "An empty plot")
    <IPython.core.display.HTML object>
    """
    from IPython.display import HTML, display

    display(HTML(to_svg(fig, alt)))


class Table:
    """Rows under a header, as HTML in a page and as aligned text elsewhere.

    Args:
        columns: The header.
        rows: One sequence a row, as long as the header; ``str`` turns its entries into text.

    Raises:
        ValueError: If a row has another length than the header.

    >>> Table(["way", "accuracy"], [["none", "74 %"], ["dropout", "75 %"]])
    way      accuracy
    none         74 %
    dropout      75 %
    """

    def __init__(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        self.columns = [str(c) for c in columns]
        self.rows = [[str(v) for v in row] for row in rows]
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"expected rows of {len(self.columns)} entries, received {row}")

    def __repr__(self) -> str:
        """Return the table as text: the first column to the left, the others to the right."""
        table = [self.columns, *self.rows]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return "\n".join("  ".join(
            v.ljust(w) if k == 0 else v.rjust(w) for k, (v, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip() for row in table)

    def _repr_html_(self) -> str:
        def row(cells: list[str], tag: str, first: str) -> str:
            head = f"<th scope='{first}'>{html.escape(cells[0])}</th>"
            return f"<tr>{head}{''.join(f'<{tag}>{html.escape(v)}</{tag[:2]}>' for v in cells[1:])}</tr>"

        header = row(self.columns, "th scope='col'", "col")
        body = "".join(row(cells, "td", "row") for cells in self.rows)
        return f'<table class="dl-table"><thead>{header}</thead><tbody>{body}</tbody></table>'


def show_source(*objects: Callable | type) -> None:
    """Display the source of functions or classes, highlighted in Jupyter and HTML alike.

    Docstrings are left out: the chapter is the explanation.

    Args:
        *objects: Functions and classes, shown one after the other.

    >>> show_source(book_style)
    @contextmanager
    def book_style() -> Iterator[None]:
        with plt.rc_context(STYLE):
            yield
    """
    from IPython.display import Code, display

    display(Code("\n\n".join(source_of(o) for o in objects), language="python"))


def source_of(obj: Callable | type) -> str:
    """Return the source of an object without its docstrings.

    Args:
        obj: A function or class that was defined in a file.

    >>> print(source_of(book_style))
    @contextmanager
    def book_style() -> Iterator[None]:
        with plt.rc_context(STYLE):
            yield
    """
    import ast

    source = textwrap.dedent(inspect.getsource(obj))
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or not ast.get_docstring(node):
            continue
        doc = body[0]
        after = body[1].lineno - 1 if len(body) > 1 else doc.end_lineno
        for i in range(doc.lineno - 1, after):
            if not lines[i].lstrip().startswith(("#", "@")) or i < doc.end_lineno:
                lines[i] = None
    return "\n".join(line for line in lines if line is not None)


def image_grid(images: ArrayLike, *, columns: int = 10, titles: Sequence[str] | None = None,
               size: float = 0.7, cmap: str | matplotlib.colors.Colormap = "gray",
               vmin: float | None = None, vmax: float | None = None) -> Figure:
    """Return a figure with images side by side, row after row.

    Args:
        images: Shape (N, H, W).
        columns: Images in a row.
        titles: One short title for each image, or None.
        size: Width of one image in inches.
        cmap: A matplotlib colour map.
        vmin: Value shown as the map's first colour; None takes each image's own.
        vmax: Value shown as the map's last colour.

    Raises:
        ValueError: If ``images`` is not of shape (N, H, W), ``columns`` is below 1, or the
            titles do not match.

    >>> fig = image_grid(np.zeros((3, 8, 8)), columns=2)
    >>> len(fig.axes)
    4
    >>> plt.close(fig)
    """
    stack = np.asarray(images)
    if stack.ndim != 3 or len(stack) == 0:
        raise ValueError(f"expected images of shape (N, H, W), received shape {stack.shape}")
    if titles is not None and len(titles) != len(stack):
        raise ValueError(f"expected {len(stack)} titles, received {len(titles)}")
    if not isinstance(columns, int) or columns < 1:
        raise ValueError(f"expected at least 1 column, received {columns!r}")
    columns = min(columns, len(stack))
    rows = -(-len(stack) // columns)
    extra = 0.22 if titles is not None else 0
    fig, axes = figure(rows, columns, width=size * columns, height=(size + extra) * rows,
                       squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for i, (ax, image) in enumerate(zip(axes.flat, stack, strict=False)):
        ax.imshow(image, cmap=cmap, vmin=vmin, vmax=vmax)
        if titles is not None:
            ax.set_title(titles[i], fontsize=9)
    return fig
