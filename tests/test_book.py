"""The rules of the book: what every notebook and page must keep to."""

import ast
import importlib.util
import re
import subprocess
import tomllib

import pytest
import yaml
from conftest import ROOT, chapters, code, prose, python, read

import cnncourse

NOTEBOOKS = chapters()
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"][
    "Repository"
]


@pytest.fixture(scope="module")
def script():
    """Return the script that writes what all notebooks share."""
    spec = importlib.util.spec_from_file_location("exercises", ROOT / "book" / "exercises.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tracked():
    """Return the text files that git tracks, or would."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    ending = {".py", ".md", ".yml", ".toml", ".ipynb", ".txt", ".css", ".js", ".svg", ""}
    paths = [ROOT / name for name in names.split("\0")]
    return [
        p
        for p in paths
        if p.suffix in ending and not {"mathjax", "reveal"} & {*p.parts} and p.is_file()
    ]


def test_stems_and_order_are_the_same_in_book_package_and_tests():
    stems = [path.stem for path in NOTEBOOKS]
    assert stems == [f"{i:02d}_{name}" for i, name in enumerate(cnncourse.CHAPTERS, 1)]
    assert sorted(p.stem for p in (ROOT / "book").glob("*.ipynb")) == stems
    for module in cnncourse.MODULES:
        assert (ROOT / "tests" / f"test_{module.split('.')[-1]}.py").exists()


@every_notebook
def test_notebook_is_stripped(path):
    notebook = read(path)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    for cell in notebook["cells"]:
        assert "execution" not in cell["metadata"]
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


@every_notebook
def test_cell_ids_are_words_and_unique(path):
    ids = [cell["id"] for cell in read(path)["cells"]]
    assert len(set(ids)) == len(ids)
    assert [i for i in ids if not re.fullmatch(r"[a-z][a-z0-9]+(-[a-z0-9]+)*", i)] == []


@every_notebook
def test_first_cell_and_exercises_are_what_the_script_writes(path, script):
    cells = read(path)["cells"]
    written = script.written(read(path), path.stem[3:], int(path.stem[:2]))
    assert [cell["id"] for cell in cells] == [cell["id"] for cell in written]
    for ours, theirs in zip(cells, written, strict=True):
        assert ours == theirs, "run `make format`"
    assert code(read(path))[0] == ("setup", ["remove-cell"], script.SETUP)


@every_notebook
def test_cells_are_short(path):
    assert [i for i, _, source in code(read(path)) if len(source.splitlines()) > 20] == []


@every_notebook
def test_a_figure_comes_first(path):
    cells = [source for _, _, source in code(read(path))]
    first = next(
        i
        for i, source in enumerate(cells)
        if re.search(r"^(show\.(?!source)|live\.)", source, re.M)
    )
    assert first < 4
    assert not any("def " in source for source in cells[: first + 1])


@every_notebook
def test_opening_and_end_are_where_readers_look_for_them(path):
    text = prose(read(path))
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert text.startswith("# ")
    assert re.search(r"What you will see", text)
    assert re.search(r"What you need", text)
    assert headings[-3:] == ["Summary", "Exercises", "Further reading"]


@every_notebook
def test_markdown_renders_everywhere(path):
    text = prose(read(path))
    assert re.findall(r"^(?:```|:::)\{.*|\{[a-z-]+\}`", text, re.M) == []  # no MyST
    for box in re.findall(r'<div class="admonition.*?</div>', text, re.S):
        head, blank, title = box.splitlines()[:3]
        assert head in {
            '<div class="admonition warning alert alert-warning">',
            '<div class="admonition tip alert alert-success">',
            '<div class="admonition note alert alert-info">',
        }
        assert blank == ""
        assert re.match(r"\*\*.*\*\*", title)
        assert box.splitlines()[-2] == ""


@every_notebook
def test_figures_come_from_the_package(path):
    text = "\n".join(source for _, _, source in code(read(path)))
    assert not re.search(r"\bmatplotlib\b|\bplt\.", text)


@every_notebook
def test_notebook_fetches_nothing(path):
    text = "\n".join(source for i, _, source in code(read(path)) if i != "setup")
    assert not re.search(
        r"https?://|urlopen|urlretrieve|requests|pooch|wget|curl|[%!]pip|download", text
    )


@every_notebook
def test_every_section_checks_what_it_claims(path):
    section, checked = "opening", {}
    for cell in read(path)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            section = (re.findall(r"^## (.*)$", source, re.M) or [section])[-1]
        elif re.search(r"^\s*(assert|matches)\b", source, re.M):
            checked[section] = True
    headings = re.findall(r"^## (.*)$", prose(read(path)), re.M)
    claimless = {*checked, "Summary", "Exercises", "Further reading"}
    assert [h for h in headings if h not in claimless] == []


@every_notebook
def test_folded_cells_say_what_is_in_them(path):
    prompts = {"solution": "Show the solution", "check": "✓ Checked: show the code"}
    prompts["more"] = "Show what it does"
    for cell in read(path)["cells"]:
        kind = set(cell["metadata"].get("tags", [])) - {"hide-cell"}
        if "hide-cell" in cell["metadata"].get("tags", []):
            assert cell["metadata"]["mystnb"]["code_prompt_show"] == prompts[kind.pop()], cell["id"]


def test_no_function_is_defined_twice():
    seen = {}
    catalogue = {ROOT / "cnncourse" / "exercises" / f"{c}.py" for c in cnncourse.CHAPTERS}
    for path in sorted({*(ROOT / "cnncourse").glob("**/*.py")} - catalogue):
        for node in ast.parse(path.read_text("utf-8")).body:
            named = isinstance(node, ast.FunctionDef) and node.name != "main"
            if named and not node.name.startswith("__"):
                seen.setdefault(node.name, []).append(path.stem)
    for path in NOTEBOOKS:
        for cell, tags, source in code(read(path)):
            for node in python(source).body:
                if isinstance(node, ast.FunctionDef) and "exercise" not in tags:
                    seen.setdefault(node.name, []).append(f"{path.stem}:{cell}")
    assert {name: places for name, places in seen.items() if len(places) > 1} == {}


def test_the_repositorys_address_stands_the_same_everywhere():
    for path in tracked():
        for found in re.findall(
            r"https://github\.com/[\w.-]+/cnncourse\b", path.read_text("utf-8")
        ):
            assert found == REPOSITORY, path.name
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    assert config["repository"]["url"] == REPOSITORY


def test_every_cited_doi_is_in_the_bibliography():
    bibliography = (ROOT / "book" / "references.bib").read_text("utf-8").lower()
    known = set(re.findall(r"doi = \{(.*)\}", bibliography))
    for path in [*NOTEBOOKS, *(ROOT / "book").glob("*.md")]:
        text = prose(read(path)) if path.suffix == ".ipynb" else path.read_text("utf-8")
        cited = {doi.lower() for doi in re.findall(r"https://doi\.org/([^\s)\"']+)", text)}
        assert cited - known == set(), path.name


def test_the_api_page_shows_every_module():
    page = (ROOT / "book" / "api.md").read_text("utf-8")
    shown = re.findall(r"automodule:: cnncourse\.([\w.]+)", page)
    assert shown == [*cnncourse.MODULES, *cnncourse.HELPERS]


def test_the_glossary_gives_every_term_in_korean():
    page = (ROOT / "book" / "glossary.md").read_text("utf-8")
    entries = re.findall(r"^: (.*)$", page, re.M)
    terms = re.findall(r"^(.*)\n: \*\*", page, re.M)
    assert len(entries) == len(terms) > 50
    assert terms == sorted(terms, key=str.lower)
    assert [e for e in entries if not re.match(r"\*\*[가-힣 ,-]+\*\* · .*\[\d\]$", e)] == []


def test_nothing_generated_is_tracked():
    listed = ["git", "ls-files", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    made = re.compile(r"(^|/)(_build|__pycache__|\.venv|[^/]*\.egg-info|\.ipynb_checkpoints)/")
    assert [name for name in names.split("\0") if made.search(name)] == []
