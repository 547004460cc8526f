"""Widgets in a real JupyterLab, with a kernel: what the reader moves, Python sees."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page, expect

CELLS = ["from dlcheat.widgets.explore import explore\n"
         "calls = []\n"
         "def bar(size):\n"
         "    calls.append(size)\n"
         "    return '=' * size\n"
         "view = explore(bar, title='A bar', size=(1, 9))\n"
         "view",
         "from dlcheat.widgets.convolution import ConvolutionStepper\n"
         "stepper = ConvolutionStepper()\n"
         "stepper",
         "from dlcheat.widgets.backprop import BackpropStepper\n"
         "backprop = BackpropStepper()\n"
         "backprop",
         "from dlcheat.widgets.playground import Playground\n"
         "playground = Playground()\n"
         "playground",
         "from dlcheat.widgets.penalty import PenaltyExplorer\n"
         "penalty = PenaltyExplorer()\n"
         "penalty",
         "from dlcheat.widgets.schedules import Schedules\n"
         "schedules = Schedules()\n"
         "schedules",
         "from dlcheat.widgets.trade_off import TradeOff\n"
         "trade_off = TradeOff()\n"
         "trade_off",
         "from dlcheat.widgets.transfer import Transfer\n"
         "transfer = Transfer()\n"
         "transfer",
         "from dlcheat.widgets.loss_explorer import LossExplorer\n"
         "losses = LossExplorer()\n"
         "losses",
         "from dlcheat.widgets.threshold import ThresholdExplorer\n"
         "threshold = ThresholdExplorer()\n"
         "threshold",
         "from dlcheat.widgets.race import Race\n"
         "race = Race()\n"
         "race",
         "from dlcheat.widgets.activation_explorer import ActivationExplorer\n"
         "explorer = ActivationExplorer()\n"
         "explorer",
         "from dlcheat.widgets.signal import Signal\n"
         "signal = Signal()\n"
         "signal",
         "from dlcheat.widgets.embedding import Embedding\n"
         "embedding = Embedding()\n"
         "embedding",
         "from dlcheat.widgets.gaussians import Gaussians\n"
         "gaussians = Gaussians()\n"
         "gaussians"]
#: Of other widgets: a box, what Python sets, what is then said; a slider, a key, what Python reads.
TWO_WAYS = [
    (".bp", "backprop.position = 8", "Round 2", "Learning rate η", "End", "backprop.lr", "10.0"),
    (".pg", "playground.data = 'xor'; playground.hidden = 1; playground.train(50)",
     "Step 50: .* 1 hidden layer of", "Units in each", "End", "playground.units", "8"),
    (".pen", "penalty.l1_ratio = 1.0; penalty.samples = 30", "L1 alone.* 30 samples",
     "Strength λ", "Home", "penalty.exponent", "-3.0"),
    (".sc", "schedules.schedule = 'cosine'; schedules.rate = 0.3",
     "Cosine, peak rate 0.3.* after 300 updates", "Peak rate", "Home", "schedules.rate", "0.003"),
    (".to", "_ = trade_off.train(40); trade_off.surgery = True", "Step 40, .* gradient surgery",
     "Units in the trunk", "End", "trade_off.width", "4"),
    (".tf", "transfer.frozen = 3; transfer.chosen = [0, 6, 12]", "% of the test digits right",
     "Labels a class", "Home", "transfer.labels, transfer.frozen", "1 3"),
    (".le", "losses.loss = 'hinge'; losses.axis = 'score'; losses.at = -1.0",
     "Hinge loss at z = −1.00: loss 2.000", "Score z", "End", "losses.at", "6.0"),
    (".th", "threshold.prevalence = 0.05; threshold.threshold = 1.5", "Threshold 1.50: .* of 10 positives",
     "Separation", "End", "threshold.separation", "3.0"),
    (".race", "race.surface = 'saddle'; race.start = [-1.6, 0.1]; race.step = 60",
     "Step 60 of 200, saddle: lowest", "Momentum μ, β₁", "End", "race.momentum", "0.99"),
    (".ae", "explorer.activation = 'elu'; explorer.compare = ['gelu']; explorer.at = -1.0",
     "ELU at x = −1.00: value −0.632, slope 0.368", "α", "End", "explorer.alpha", "3.0"),
    (".sg", "signal.activation = 'relu'; signal.init = 'he'; signal.depth = 12",
     r"12 layers of ReLU, gain 1.41 \(He\)", "Gain g", "End", "signal.init, signal.gain", "own 4.0"),
    (".em", "embedding.triplet = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.2]]; _ = embedding.train(2)",
     "After 2 steps: .* Semi-hard", "Margin", "End", "embedding.margin", "2.0"),
    (".ga", "gaussians.view = 'mixture'; gaussians.gap = 5.0; gaussians.mu_q = -2.5",
     r"q = N\(−2.50, 0.60²\).*Least KL", "Deviation of q", "End", "gaussians.sigma_q", "3.0"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("lab")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(c) for c in CELLS], metadata={"kernelspec": kernel}),
        root / "try.ipynb")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    environ = {k: v for k, v in os.environ.items() if k != "DLCHEAT_BUILD"}
    environ |= {"HOME": str(root), "JUPYTER_CONFIG_DIR": str(root / "config"),
                "JUPYTER_RUNTIME_DIR": str(root / "runtime"),
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    log = root / "lab.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--allow-root", "--no-browser", "--ip=127.0.0.1",
             f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=",
             "--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={root}",
             "--LabApp.news_url=", "--expose-app-in-browser",
             "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"],
            env=environ, stdout=out, stderr=subprocess.STDOUT, cwd=root)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(480):
            assert server.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(address + "/api/status", timeout=1).close()
                break
            except OSError:
                time.sleep(0.25)
        yield address
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def notebook(browser: Browser, lab: str) -> Iterator[Page]:
    """The notebook with every cell run."""
    context = browser.new_context(viewport={"width": 1400, "height": 11000})
    context.route("**/*", lambda r: r.continue_() if r.request.url.startswith(
        (lab, lab.replace("http", "ws"), "data:", "blob:")) else r.abort())
    page = context.new_page()
    page.goto(lab + "/lab/tree/try.ipynb?reset")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=90_000)
    page.wait_for_function("window.jupyterapp?.shell?.currentWidget?.sessionContext?.session"
                           "?.kernel?.status === 'idle'", timeout=90_000)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    page.locator(".jp-OutputArea-output .dlw").nth(len(CELLS) - 1).wait_for(timeout=90_000)
    yield page
    context.close()


def in_python(page: Page, code: str) -> str:
    """Run code in the notebook's kernel; return what it prints."""
    return page.evaluate(
        """async (code) => {
           const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
           const future = kernel.requestExecute({ code, store_history: false });
           let text = '';
           future.onIOPub = (m) => {
             if (m.header.msg_type === 'stream') text += m.content.text;
             if (m.header.msg_type === 'error') text += m.content.evalue; };
           await future.done;
           return text.trim(); }""", code)


def test_explore_calls_the_function_in_the_kernel(notebook: Page) -> None:
    box = notebook.locator('.dlw[aria-label="A bar"]')
    slider = box.get_by_role("slider", name="size")
    slider.focus()
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    box.locator("pre", has_text="===").wait_for()
    assert in_python(notebook, "print(view.choice, max(calls))") == "[2] 3"


def test_python_moves_the_slider(notebook: Page) -> None:
    in_python(notebook, "view.choice = [7]")
    box = notebook.locator('.dlw[aria-label="A bar"]')
    box.locator("pre", has_text="========").wait_for()
    assert box.get_by_role("slider", name="size").input_value() == "7"


def test_a_widgets_move_reaches_its_trait(notebook: Page) -> None:
    box = notebook.locator(".jp-OutputArea-output .dlw").nth(1)
    slider = box.get_by_role("slider", name="Stride")
    slider.focus()
    slider.press("ArrowRight")
    notebook.wait_for_timeout(500)
    assert in_python(notebook, "print(stepper.stride)") == "2"


@pytest.mark.parametrize(("box", "code", "text", "name", "key", "trait", "value"), TWO_WAYS,
                         ids=[row[0] for row in TWO_WAYS])
def test_both_ways(notebook: Page, box: str, code: str, text: str, name: str, key: str, trait: str,
                   value: str) -> None:
    """What Python sets is drawn; what the reader moves is in the trait."""
    widget = notebook.locator(f".jp-OutputArea-output {box}")
    assert in_python(notebook, code) == ""
    expect(widget.locator(".dlw-summary").first).to_contain_text(re.compile(text))
    slider = widget.get_by_role("slider", name=name)
    slider.focus()
    slider.press(key)
    notebook.wait_for_timeout(500)
    assert in_python(notebook, f"print({trait})") == value


def test_no_cell_failed(notebook: Page) -> None:
    assert notebook.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr'], "
                            ".jp-RenderedText[data-mime-type='application/vnd.jupyter.error']"
                            ).count() == 0
