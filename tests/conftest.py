"""Fixtures of all tests: seeded randomness, the notebooks, the built book, a browser."""

import ast
import functools
import http.server
import json
import os
import re
import shutil
import threading
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import yaml

from cnncourse.check import matches

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"

hypothesis.settings.register_profile("book", deadline=None, derandomize=True)
hypothesis.settings.load_profile("book")


def close(ours, theirs, rtol=1e-10, atol=1e-11):
    """Require equal shape, dtype and values by the comparison that test_check.py proves to fail."""
    matches(ours, theirs, rtol, atol)


def chapters():
    """Return the notebooks' paths in the order of `_toc.yml`."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    files = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    return [ROOT / f"{f}.ipynb" for f in files if (ROOT / f"{f}.ipynb").exists()]


def read(path):
    """Return a notebook as a dict."""
    return json.loads(path.read_text("utf-8"))


def code(notebook):
    """Return the code cells of a notebook as (id, tags, source)."""
    return [
        (cell["id"], cell["metadata"].get("tags", []), "".join(cell["source"]))
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


def python(source):
    """Return the syntax tree of a cell, without IPython's own lines."""
    return ast.parse(re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", source))


def prose(notebook):
    """Return the Markdown cells of a notebook as one text."""
    cells = [c for c in notebook["cells"] if c["cell_type"] == "markdown"]
    return "\n\n".join("".join(c["source"]) for c in cells)


def pages():
    """Return every page of the built book, as paths relative to it."""
    return sorted(
        p.relative_to(HTML).as_posix()
        for p in HTML.glob("**/*.html")
        if not {"_static", "slides"} & {*p.relative_to(HTML).parts}
    )


@pytest.fixture
def rng():
    """Return a random generator that gives every test the same numbers at every run."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def browser():
    """Start headless Chromium; skip without it, or fail where CNNCOURSE_BROWSER=require."""
    found = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if found is None:
        message = "no Chromium on this machine: install Debian's chromium to run the browser tests"
        if os.environ.get("CNNCOURSE_BROWSER") == "require":
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    quiet += ["--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=quiet)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def site():
    """Serve the built book and return its address."""
    if not (HTML / "index.html").exists():
        pytest.fail("the book is not built: run `make book` first, or `make test`, which does")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=HTML)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()
