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

NAMES = [(module, name) for module, names in cnncourse.MODULES.items() for name in names]
WITH_TORCH = {  # the modules whose subject is torch
    "architecture.blocks",
    "architecture.networks",
    "architecture.counting",
    "training.augmentation",
    "training.evaluation",
    "training.checkpoint",
    "training.processes",
    "training.fit",
    "training.range_test",
    "transfer",
}
every_module = pytest.mark.parametrize("module", cnncourse.MODULES)


def tree_of(module):
    """Return the syntax tree of a module of the package."""
    path = ROOT / "cnncourse" / f"{module.replace('.', '/')}.py"
    return ast.parse(path.read_text("utf-8"))


def test_importing_the_package_loads_nothing_heavy():
    heavy = "numpy", "torch", "matplotlib", "scipy", "skimage", "sklearn"
    probe = f"import sys, cnncourse; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_module_of_a_chapter_is_in_the_lazy_list():
    folders = {module.split(".")[0] for module in cnncourse.MODULES if "." in module}
    files = [p for folder in folders for p in (ROOT / "cnncourse" / folder).glob("[!_]*.py")]
    assert {f"{p.parent.name}.{p.stem}" for p in files} == {
        m for m in cnncourse.MODULES if "." in m
    }


@pytest.mark.parametrize("module", [*cnncourse.MODULES, *cnncourse.CHAPTERS, *cnncourse.HELPERS])
def test_importing_a_module_loads_only_what_it_needs(module):
    heavy = ("sklearn", "scipy") if module in WITH_TORCH else ("torch", "sklearn", "scipy")
    probe = f"import sys, cnncourse.{module}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="module 'cnncourse' has no attribute 'conv3d'"):
        cnncourse.conv3d  # noqa: B018


def test_every_public_name_can_be_reached_from_the_package():
    assert all(getattr(cnncourse, name) is not None for name in cnncourse.__all__)
    assert set(cnncourse.__all__) <= set(dir(cnncourse))


@every_module
def test_the_lazy_list_names_what_the_module_defines_in_its_order(module):
    defined = []
    for node in tree_of(module).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.append(node.name)
        elif isinstance(node, ast.Assign):
            defined += [target.id for target in node.targets]
    assert [n for n in defined if not n.startswith("_")] == list(cnncourse.MODULES[module])


def test_no_public_name_stands_in_two_modules():
    names = [name for _, name in NAMES]
    assert len({*names, *cnncourse.CHAPTERS, *cnncourse.HELPERS}) == len(
        [*names, *cnncourse.CHAPTERS, *cnncourse.HELPERS]
    )


@every_module
def test_a_module_imports_only_earlier_modules_and_helpers(module):
    order = list(cnncourse.MODULES)
    allowed = {*order[: order.index(module)], *cnncourse.HELPERS}
    used = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "say where from: cnncourse. …"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names = {alias.name for alias in node.names}
        else:
            continue
        used |= {re.sub("^cnncourse.", "", n) for n in names if n.startswith("cnncourse")}
    parts = {m for m in [*order, *cnncourse.HELPERS] for n in used if f"{n}.".startswith(f"{m}.")}
    assert parts <= allowed
    assert all(any(f"{n}.".startswith(f"{m}.") for m in parts) for n in used)


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_every_public_function_says_what_it_takes_and_shows_an_example(module, name):
    value = getattr(import_module(f"cnncourse.{module}"), name)
    if not callable(value):
        return
    doc = inspect.getdoc(value)
    assert ">>>" in doc
    for argument in inspect.signature(value).parameters:
        assert re.search(rf"\b{argument}\b", doc), f"{argument} is not described"


@pytest.mark.parametrize("chapter", cnncourse.CHAPTERS)
def test_every_public_name_is_taught_in_its_chapter_and_tested(chapter):
    (notebook,) = [path for path in chapters() if path.stem[3:] == chapter]
    taught = [python(source) for _, _, source in code(read(notebook))]
    modules = [m.split(".")[-1] for m in cnncourse.MODULES if m.split(".")[0] == chapter]
    files = [ROOT / "tests" / f"test_{module}.py" for module in modules]
    tested = [ast.parse(path.read_text("utf-8")) for path in files]
    for trees in (taught, tested):
        used = {n.id for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Name)}
        assert set(cnncourse.CHAPTERS[chapter]) - used == set()


@every_module
def test_function_bodies_fit_in_the_eye(module):
    tree = tree_of(module)
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        body = function.body[1:] if ast.get_docstring(function) else function.body
        length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
        assert length <= 25, f"{function.name}: {length} lines"


def test_conda_and_pip_ask_for_the_same_versions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["notebooks"]
    conda = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]
    conda += next(line["pip"] for line in conda if isinstance(line, dict))
    conda = [line for line in conda if isinstance(line, str)]
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
