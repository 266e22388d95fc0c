"""The package as a whole: cheap to import, in the chapters' order, nothing left undocumented."""

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from importlib import import_module

import pytest
import yaml
from conftest import ROOT, chapters, code, python, read

import cnncourse

NAMES = [(chapter, name) for chapter, names in cnncourse.CHAPTERS.items() for name in names]


def test_importing_the_package_loads_nothing_heavy():
    heavy = "numpy", "torch", "matplotlib", "scipy", "skimage", "sklearn"
    probe = f"import sys, cnncourse; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", [*cnncourse.CHAPTERS, *cnncourse.HELPERS])
def test_importing_a_module_loads_neither_torch_nor_scikit_learn(module):
    heavy = "torch", "sklearn", "scipy"
    probe = f"import sys, cnncourse.{module}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="module 'cnncourse' has no attribute 'conv3d'"):
        cnncourse.conv3d  # noqa: B018


def test_every_public_name_can_be_reached_from_the_package():
    assert all(getattr(cnncourse, name) is not None for name in cnncourse.__all__)
    assert set(cnncourse.__all__) <= set(dir(cnncourse))


@pytest.mark.parametrize("chapter", cnncourse.CHAPTERS)
def test_the_lazy_list_names_what_the_module_defines_in_its_order(chapter):
    tree = ast.parse((ROOT / "cnncourse" / f"{chapter}.py").read_text("utf-8"))
    defined = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.append(node.name)
        elif isinstance(node, ast.Assign):
            defined += [target.id for target in node.targets]
    assert [n for n in defined if not n.startswith("_")] == list(cnncourse.CHAPTERS[chapter])


@pytest.mark.parametrize("chapter", cnncourse.CHAPTERS)
def test_a_module_imports_only_earlier_chapters_and_helpers(chapter):
    order = list(cnncourse.CHAPTERS)
    allowed = {*order[: order.index(chapter)], *cnncourse.HELPERS}
    used = set()
    for node in ast.walk(ast.parse((ROOT / "cnncourse" / f"{chapter}.py").read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.level or node.module == "cnncourse"):
            used |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            used |= set(re.findall(r"^cnncourse\.(\w+)", node.module))
        elif isinstance(node, ast.Import):
            used |= {n for a in node.names for n in re.findall(r"^cnncourse\.(\w+)", a.name)}
    assert used <= allowed


@pytest.mark.parametrize(("chapter", "name"), NAMES)
def test_every_public_function_says_what_it_takes_and_shows_an_example(chapter, name):
    value = getattr(import_module(f"cnncourse.{chapter}"), name)
    if not callable(value):
        return
    doc = inspect.getdoc(value)
    assert ">>>" in doc
    for argument in inspect.signature(value).parameters:
        assert re.search(rf"\b{argument}\b", doc), f"{argument} is not described"


@pytest.mark.parametrize(("chapter", "name"), NAMES)
def test_every_public_name_is_taught_in_its_chapter_and_tested(chapter, name):
    (notebook,) = [path for path in chapters() if path.stem[3:] == chapter]
    sources = [python(source) for _, _, source in code(read(notebook))]
    tests = ast.parse((ROOT / "tests" / f"test_{chapter}.py").read_text("utf-8"))
    for trees in (sources, [tests]):
        used = {n.id for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Name)}
        assert name in used


@pytest.mark.parametrize("chapter", cnncourse.CHAPTERS)
def test_function_bodies_fit_in_the_eye(chapter):
    tree = ast.parse((ROOT / "cnncourse" / f"{chapter}.py").read_text("utf-8"))
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        body = function.body[1:] if ast.get_docstring(function) else function.body
        length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
        assert length <= 25, f"{function.name}: {length} lines"


def test_conda_and_pip_ask_for_the_same_versions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["notebooks"]
    conda = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]
    renamed = {"matplotlib-base": "matplotlib", "pytorch-cpu": "torch"}
    offered = {re.sub(r"^[\w-]+", lambda m: renamed.get(m[0], m[0]), line) for line in conda}
    assert set(wanted) <= offered
    assert offered - set(wanted) == {"python=3.11", "pip"}


def test_constraints_pin_every_dependency_and_name_no_place():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    assert all(re.fullmatch(r"[\w.-]+==[\w.+]+", line) for line in lines)
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for wanted in [project["dependencies"], *project["optional-dependencies"].values()]:
        assert {re.match(r"[\w-]+", line)[0] for line in wanted} <= pinned


def test_code_and_notebooks_are_in_the_house_style():
    for words in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *words, "."]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"run `make format`\n{done.stdout}{done.stderr}"
