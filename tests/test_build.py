"""The build script: it must say last what went wrong."""

import importlib.util
import io

import pytest
from conftest import ROOT


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("build", ROOT / "book" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_causes_are_the_warnings_and_what_explains_them(script):
    lines = [
        "reading sources",
        "a.md:3: WARNING: no such file",
        "x",
        *["writing"] * 30,
        "There was an error in building your book",
    ]
    assert script.causes(lines).splitlines()[:2] == ["a.md:3: WARNING: no such file", "x"]
    assert "There was an error in building" not in script.causes(lines)


def test_causes_are_the_last_lines_where_nothing_warns(script):
    assert script.causes([str(i) for i in range(50)]) == "\n".join(str(i) for i in range(20, 50))


def test_offer_names_the_page_and_asks_nobody_without_a_terminal(script, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    script.offer()
    assert capsys.readouterr().out == f"{ROOT / '_build' / 'html' / 'index.html'}\n"
