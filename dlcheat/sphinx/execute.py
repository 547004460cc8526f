"""Run the notebooks of the book, in parallel, into the cache that the build reads.

``python -m dlcheat.sphinx`` calls it. A notebook runs again when its code cells
or the files of dlcheat that it imports have changed.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from dlcheat.sphinx.sources import fingerprint

TIMEOUT = 600   # seconds for one cell


def chapters(book: Path) -> list[Path]:
    """Return every notebook below ``book``, sorted."""
    return sorted(p for p in book.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)


def run(path: Path, threads: int) -> tuple[nbformat.NotebookNode, float]:
    """Execute a notebook in a fresh kernel; return it with its outputs and the seconds it took.

    Args:
        path: The notebook; the file is not changed.
        threads: Threads that numpy and torch may use.

    Raises:
        CellExecutionError: If a cell raises.
    """
    environ = {**os.environ, "OMP_NUM_THREADS": str(threads), "DLCHEAT_BUILD": "1"}
    start = time.perf_counter()
    for last in (False, True):
        notebook = nbformat.read(path, as_version=4)
        client = NotebookClient(notebook, timeout=TIMEOUT, store_widget_state=True,
                                record_timing=False,
                                extra_arguments=["--IPKernelApp.log_level=ERROR"],
                                resources={"metadata": {"path": str(path.parent)}})
        try:
            client.execute(env=environ)
            break
        except RuntimeError as error:        # another process took the port that was free just now
            if last or "before replying" not in str(error):
                raise
    return notebook, time.perf_counter() - start


def outdated(paths: list[Path], cache: JupyterCacheAbstract, stamps: dict[str, str]) -> list[Path]:
    """Return the notebooks whose outputs are not in the cache or no longer hold."""
    todo = []
    for path in paths:
        try:
            record = cache.match_cache_notebook(nbformat.read(path, as_version=4))
        except KeyError:
            todo.append(path)
            continue
        if stamps.get(path.as_posix()) != fingerprint(path):
            cache.remove_cache(record.pk)
            todo.append(path)
    return todo


def execute(book: Path, cache_folder: Path, workers: int | None = None) -> bool:
    """Bring the cache up to date; print progress; return whether every notebook ran.

    Args:
        book: The folder with the notebooks.
        cache_folder: Where the build looks for executed notebooks.
        workers: Notebooks that run at the same time; None is one a core.
    """
    cache = get_cache(str(cache_folder))
    stamps_file, seconds_file = cache_folder / "sources.json", cache_folder / "seconds.json"
    stamps, seconds = _read(stamps_file), _read(seconds_file)
    todo = outdated(chapters(book), cache, stamps)
    todo.sort(key=lambda p: -seconds.get(p.as_posix(), 1e9))     # the longest first
    cores = os.cpu_count() or 1
    workers = workers or max(1, min(cores, len(todo)))
    print(f"{len(todo)} of {len(chapters(book))} notebooks to run, {workers} at a time", flush=True)
    good = True
    with ThreadPoolExecutor(workers) as pool:
        jobs = {pool.submit(run, path, max(1, cores // workers)): path for path in todo}
        for count, job in enumerate(as_completed(jobs), 1):
            path = jobs[job]
            name = path.relative_to(book).as_posix()
            try:
                notebook, took = job.result()
            except CellExecutionError as error:
                good = False
                print(f"[{count}/{len(todo)}] {name}: FAILED\n{_plain(str(error))}", file=sys.stderr)
                continue
            stamps[path.as_posix()] = fingerprint(path)
            seconds[path.as_posix()] = round(took, 1)
            cache.cache_notebook_bundle(
                CacheBundleIn(notebook, path.as_posix(), data={"execution_seconds": took}),
                overwrite=True)
            stamps_file.write_text(json.dumps(stamps, indent=1))
            seconds_file.write_text(json.dumps(seconds, indent=1))
            print(f"[{count}/{len(todo)}] {name}: {took:.0f} s", flush=True)
    return good


def _read(file: Path) -> dict:
    return json.loads(file.read_text()) if file.exists() else {}


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
