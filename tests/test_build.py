"""The build script: it must say last what went wrong."""

import importlib.util
import io

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("build", ROOT / "book" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_causes_are_the_warnings_and_the_cells_that_raised(script):
    lines = [
        "reading sources",
        "a.md:3: WARNING: no such file",
        "[IPKernelApp] WARNING | Kernel is running over TCP without encryption",
        "b.ipynb: WARNING: Executing notebook failed: CellExecutionError",
        '  File "client.py", line 709, in async_execute',
        "CellExecutionError: An error occurred while executing the following cell:",
        "assert 1 == 2",
        "AssertionError [mystnb.exec]",
        "writing output",
        "There was an error in building your book",
        "c.md:1: WARNING: told twice",
    ]
    assert script.causes(lines).splitlines() == [lines[i] for i in (1, 3, 5, 6, 7)]


def test_causes_are_the_last_lines_where_nothing_warns(script):
    assert script.causes([str(i) for i in range(50)]) == "\n".join(str(i) for i in range(20, 50))


def test_offer_names_the_page_and_asks_nobody_without_a_terminal(script, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    script.offer()
    assert capsys.readouterr().out == f"{ROOT / '_build' / 'html' / 'index.html'}\n"


def test_the_readmes_picture_is_what_the_package_computes():
    spec = importlib.util.spec_from_file_location("cover", ROOT / "book" / "cover.py")
    cover = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cover)
    computed = Image.fromarray(np.round(cover.cover() * 255).astype(np.uint8))
    stored = Image.open(cover.FILE).convert("RGB")
    again = computed.resize(stored.size, Image.Resampling.LANCZOS)
    gap = np.abs(np.asarray(stored, float) - np.asarray(again, float)) / 255
    assert gap.mean() < 0.02  # what WebP changes
