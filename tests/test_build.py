"""The build script: it must say last what went wrong."""

import ast
import importlib.util
import io
import re

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
        "WARNING: html_static_path entry 'x' does not exist",
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
    assert script.causes(lines).splitlines() == [lines[i] for i in (1, 2, 4, 6, 7, 8)]


def test_causes_are_the_last_lines_where_nothing_warns(script):
    assert script.causes([str(i) for i in range(50)]) == "\n".join(str(i) for i in range(20, 50))


def test_a_failed_build_ends_with_its_cause(script, monkeypatch):
    monkeypatch.setattr(script, "build", lambda: (1, ["a.md:3: WARNING: no such file"]))
    with pytest.raises(SystemExit, match=r"not built. The cause:\n\na.md:3: WARNING: no such file"):
        script.main([])


def test_a_build_without_warnings_ends_well(script, monkeypatch):
    monkeypatch.setattr(script, "build", lambda: (0, ["done"]))
    assert script.main([]) is None


def test_a_warning_fails_the_build_and_old_pages_go(script, monkeypatch, tmp_path):
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "old.html").touch()
    monkeypatch.setattr(script, "PAGE", tmp_path / "html" / "index.html")
    fake = tmp_path / "jupyter-book"
    fake.write_text("#!/bin/sh\necho arguments: $*\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setattr(script, "JUPYTER_BOOK", fake)
    status, (line,) = script.build()
    assert status == 3
    assert line.startswith("arguments: build -W --keep-going --all")
    assert not (tmp_path / "html").exists()


def test_offer_names_the_page_and_asks_nobody_without_a_terminal(script, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    script.offer()
    assert capsys.readouterr().out == f"{ROOT / '_build' / 'html' / 'index.html'}\n"


def test_the_readmes_example_runs():
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    *statements, last = ast.parse(example).body
    names = {}
    exec(compile(ast.Module(statements, []), "README.md", "exec"), names)
    figure = eval(compile(ast.Expression(last.value), "README.md", "eval"), names)
    assert repr(figure).startswith("[figure: A photographer's upright outlines")


def test_the_readmes_picture_is_what_the_package_computes():
    spec = importlib.util.spec_from_file_location("cover", ROOT / "book" / "cover.py")
    cover = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cover)
    computed = Image.fromarray(np.round(cover.cover() * 255).astype(np.uint8))
    stored = Image.open(cover.FILE).convert("RGB")
    again = computed.resize(stored.size, Image.Resampling.LANCZOS)
    gap = np.abs(np.asarray(stored, float) - np.asarray(again, float)) / 255
    assert gap.mean() < 0.02  # what WebP changes
