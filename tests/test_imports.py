"""The package without its book needs numpy and torch alone, and starts as fast as torch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import dlcheat

ROOT = Path(dlcheat.__file__).parent
BOOK = {"widgets", "sphinx", "plotting"}                         # these need the book's packages


def core_modules():
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0] not in BOOK:
            yield ".".join(("dlcheat", *(p for p in parts if p != "__init__")))


CORE = list(core_modules())

# hides what must not be needed; imports all of the core; then each module before all others
PROBE = """
import json, sys, time

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"matplotlib", "IPython", "anywidget", "ipywidgets", "traitlets",
                                  "sphinx", "sklearn", "scipy", "PIL", "pandas"}:
            raise ImportError(f"{name} is hidden by this test")

sys.meta_path.insert(0, Hidden())

start = time.perf_counter()
import numpy, torch
torch_seconds = time.perf_counter() - start
before = {name.split(".")[0] for name in sys.modules}

start = time.perf_counter()
for name in sys.argv[1:]:
    __import__(name)
seconds = time.perf_counter() - start
new = {name.split(".")[0] for name in sys.modules} - before - set(sys.stdlib_module_names)

failed = {}
for name in sys.argv[1:]:
    for other in [m for m in sys.modules if m.split(".")[0] == "dlcheat"]:
        del sys.modules[other]
    try:
        __import__(name)
    except Exception as error:
        failed[name] = repr(error)
print(json.dumps({"new": sorted(new), "seconds": seconds, "torch_seconds": torch_seconds,
                  "failed": failed}))
"""


@pytest.fixture(scope="module")
def imported():
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT.parent)}
    run = subprocess.run([sys.executable, "-c", PROBE, *CORE], check=False, capture_output=True,
                         text=True, env=environment, cwd=ROOT.parent)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_the_core_is_there():
    assert {"dlcheat", "dlcheat.losses", "dlcheat.layers.convolution", "dlcheat.training",
            "dlcheat.datasets", "dlcheat.architectures"} <= set(CORE)


def test_the_core_needs_numpy_and_torch_alone(imported):
    assert imported["new"] == ["dlcheat"]


def test_each_module_imports_before_all_others(imported):
    """No module leans on another having been imported first: a circle would show here."""
    assert imported["failed"] == {}


def test_the_core_imports_in_the_time_of_torch(imported):
    assert imported["seconds"] < 0.25 * imported["torch_seconds"] + 0.1, imported
