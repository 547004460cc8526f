"""Figures: the page's colours, text that stays, source without docstrings."""

import re
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

matplotlib.use("agg")

import matplotlib.pyplot as plt

from dlcheat import plotting
from dlcheat.plotting import (
    COLORS,
    GRID,
    INK,
    SIGNED,
    STYLE,
    Table,
    book_style,
    figure,
    image_grid,
    plot_spread,
    show_figure,
    show_source,
    source_of,
    to_svg,
)

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def tidy():
    with matplotlib.rc_context():
        yield
    plt.close("all")


def drawn():
    fig, ax = figure()
    for i in range(len(COLORS)):
        ax.plot([0, 0.001], [0, i + 1], label=f"line {i}")
    ax.grid()
    ax.legend()
    ax.set_title("a < b & c")
    return fig


def texts(svg):
    return [t.text for t in ElementTree.fromstring(svg).iter(f"{SVG}text") if t.text]


def test_svg_is_well_formed_and_named():
    root = ElementTree.fromstring(to_svg(drawn(), 'Six lines, "rising" & fanning out <to> the right'))
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'Six lines, "rising" & fanning out <to> the right'
    assert "max-width: 100%" in root.get("style")
    assert root.get("viewBox")


def test_svg_keeps_its_text():
    assert "a < b & c" in texts(to_svg(drawn(), "Lines"))


def test_numbers_on_the_axes_are_not_cut():
    """Coordinates are rounded to two decimals; what the reader reads is not."""
    fig, ax = figure()
    ax.set_xticks([0.0001, 0.12345], ["0.0001", "0.12345"])
    ax.set_xlabel(f"colour {COLORS[0]}")
    svg = to_svg(fig, "Ticks")
    assert {"0.0001", "0.12345", f"colour {COLORS[0]}"} <= set(texts(svg))
    paths = " ".join(p.get("d") for p in ElementTree.fromstring(svg).iter(f"{SVG}path"))
    assert not re.search(r"\d\.\d{3}", paths)


def test_svg_takes_the_colours_of_the_page():
    svg = to_svg(drawn(), "Lines")
    for i, colour in enumerate(COLORS):
        assert f"var(--dl-c{i}, {colour})" in svg
    assert "var(--dl-ink, currentColor)" in svg
    assert f"var(--dl-grid, {GRID})" in svg
    bare = re.sub(r"var\([^)]*\)", "", svg)
    for colour in (*COLORS, INK, GRID):
        assert colour not in bare                                # none is left unthemed
    assert "font-family: var(--dl-font" in svg
    assert "DejaVu" not in svg


def test_svg_has_no_background_and_no_reference_that_leaves_the_page():
    svg = to_svg(drawn(), "Lines")
    assert not re.search(r"fill:\s*(#ffffff|white)", svg)
    for link in re.findall(r'href="([^"]*)"', svg):
        assert link.startswith(("#", "data:"))
    ids = set(re.findall(r'id="([^"]+)"', svg))
    used = set(re.findall(r'href="#([^"]+)"', svg)) | set(re.findall(r"url\(#([^)]+)\)", svg))
    assert used <= ids
    assert len(ids) == len(re.findall(r'id="', svg))


def test_the_same_figure_is_the_same_svg():
    assert to_svg(drawn(), "Lines") == to_svg(drawn(), "Lines")


def test_svg_closes_the_figure():
    fig = drawn()
    to_svg(fig, "Lines")
    assert not plt.fignum_exists(fig.number)


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_svg_refuses_a_figure_without_alt(alt):
    with pytest.raises(ValueError, match="expected alt to say what the figure shows, received"):
        to_svg(drawn(), alt)
    with pytest.raises(ValueError, match="expected alt"):
        show_figure(drawn(), alt)


def test_show_figure_displays_html(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    show_figure(drawn(), "Six lines")
    assert shown[0].data == to_svg(drawn(), "Six lines")


def test_figure_has_the_books_style():
    fig, axes = figure(2, 3, width=5, height=4)
    assert axes.shape == (2, 3)
    assert fig.get_size_inches().tolist() == [5, 4]
    assert not axes[0, 0].spines["top"].get_visible()
    assert axes[0, 0].plot([0, 1])[0].get_color() == COLORS[0]
    with pytest.raises(ValueError, match=r"rows|columns"):
        figure(0, 1)


def test_spread_is_mean_and_sample_deviation():
    runs = np.random.default_rng(0).normal(size=(5, 7))
    _, ax = figure()
    plot_spread(ax, np.arange(7), runs, label="five runs", color=COLORS[2], marker="o")
    line, (band,) = ax.lines[0], ax.collections
    np.testing.assert_allclose(line.get_ydata(), runs.mean(0))
    edge = band.get_paths()[0].vertices[:, 1]
    assert edge.max() == pytest.approx((runs.mean(0) + runs.std(0, ddof=1)).max())
    assert edge.min() == pytest.approx((runs.mean(0) - runs.std(0, ddof=1)).min())
    assert (line.get_label(), line.get_color()) == ("five runs", COLORS[2])
    assert matplotlib.colors.same_color(band.get_facecolor()[0][:3], COLORS[2])


def test_one_run_has_no_band():
    _, ax = figure()
    plot_spread(ax, [1, 2], [[3.0, 4.0]])
    assert len(ax.lines) == 1 and not ax.collections


@pytest.mark.parametrize("runs", [[1.0, 2.0], [[1.0, 2.0, 3.0]], np.zeros((0, 2))])
def test_spread_refuses(runs):
    _, ax = figure()
    with pytest.raises(ValueError, match=r"expected runs of shape \(R, 2\), received shape"):
        plot_spread(ax, [1, 2], runs)


def test_book_style_ends_with_its_block():
    before = matplotlib.rcParams["axes.spines.top"]
    with book_style():
        assert matplotlib.rcParams["axes.spines.top"] is STYLE["axes.spines.top"] is False
    assert matplotlib.rcParams["axes.spines.top"] == before


def luminance(colour):
    rgb = np.array(matplotlib.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("colour", [*COLORS, INK])
def test_lines_stand_out_on_white(colour):
    assert 1.05 / (luminance(colour) + 0.05) >= 4.5             # WCAG AA, even for text


def test_signed_map_is_white_at_zero_and_unlike_at_its_ends():
    assert SIGNED(0.5)[:3] == pytest.approx((1, 1, 1), abs=0.02)
    low, high = SIGNED(0.0), SIGNED(1.0)
    assert low[0] > low[2]                                       # orange below
    assert high[2] > high[0]                                     # blue above


@pytest.mark.parametrize(("count", "columns", "axes"), [(1, 10, 1), (3, 2, 4), (10, 10, 10)])
def test_image_grid_has_a_place_for_every_image(count, columns, axes):
    images = np.arange(count * 6.0).reshape(count, 2, 3)
    fig = image_grid(images, columns=columns, titles=[str(i) for i in range(count)])
    assert len(fig.axes) == axes
    for i, ax in enumerate(fig.axes):
        assert not ax.axison
        if i < count:
            assert np.array_equal(ax.images[0].get_array(), images[i])
            assert ax.get_title() == str(i)
        else:
            assert not ax.images


def test_image_grid_takes_tensors_and_one_scale():
    import torch

    fig = image_grid(torch.rand(2, 4, 4), vmin=0, vmax=1, cmap=SIGNED)
    assert [ax.images[0].get_clim() for ax in fig.axes] == [(0, 1)] * 2


@pytest.mark.parametrize(("images", "options", "message"), [
    (np.zeros((4, 4)), {}, r"images of shape \(N, H, W\), received shape \(4, 4\)"),
    (np.zeros((2, 1, 4, 4)), {}, r"images of shape \(N, H, W\), received shape \(2, 1, 4, 4\)"),
    (np.zeros((0, 4, 4)), {}, r"images of shape \(N, H, W\), received shape \(0, 4, 4\)"),
    (np.zeros((2, 4, 4)), {"titles": ["one"]}, "2 titles, received 1"),
    (np.zeros((2, 4, 4)), {"columns": 0}, "at least 1 column, received 0"),
    (np.zeros((2, 4, 4)), {"columns": 2.0}, "at least 1 column, received 2.0"),
])
def test_image_grid_refuses(images, options, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        image_grid(images, **options)


# source --------------------------------------------------------------------------------------

class Sample:
    """Left out.

    On several lines.
    """

    size = 3

    def area(self):
        """Left out too."""
        # a comment stays
        return self.size ** 2  # "a string" stays

    @staticmethod
    def name():
        'Left out as well.'
        return "sample"


def test_table_is_html_and_text():
    table = Table(["way", "a < b"], [["none", 0.5], ["all", "1 & 2"]])
    assert repr(table) == "way   a < b\nnone    0.5\nall   1 & 2"
    root = ElementTree.fromstring(table._repr_html_())
    rows = [["".join(cell.itertext()) for cell in row] for row in root.iter("tr")]
    assert rows == [["way", "a < b"], ["none", "0.5"], ["all", "1 & 2"]]
    assert [cell.get("scope") for row in root.iter("tr") for cell in row if cell.tag == "th"] == \
        ["col", "col", "row", "row"]


def test_table_refuses_rows_of_another_length():
    with pytest.raises(ValueError, match="expected rows of 2 entries, received"):
        Table(["a", "b"], [["only one"]])


def test_source_has_no_docstring_and_all_of_the_rest():
    source = source_of(Sample)
    assert "Left out" not in source
    assert "# a comment stays" in source
    assert '# "a string" stays' in source
    scope = {}
    exec(source, scope)
    assert scope["Sample"]().area() == 9
    assert scope["Sample"].name() == "sample"


def test_source_of_the_books_own_functions_still_runs():
    import inspect

    for name, function in inspect.getmembers(plotting, inspect.isfunction):
        if function.__module__ == plotting.__name__:
            compile(source_of(function), name, "exec")


def test_show_source_is_highlighted_python(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    show_source(Sample, luminance)
    assert shown[0].language == "python"
    assert shown[0].data == source_of(Sample) + "\n\n" + source_of(luminance)
