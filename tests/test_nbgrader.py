"""nbgrader makes and grades the very same assignment, and comes to the same points."""

import csv
import json
import os
import shutil
import subprocess

import pytest
from conftest import ROOT
from test_classroom import PADDING_ONCE, files, hand_in, right

from cnncourse.classroom import assignment, grading

COMMAND = ROOT / ".venv" / "nbgrader" / "bin" / "nbgrader"
NAMES = (
    "convolution/count-outputs",
    "convolution/how-many-weights",
    "convolution/three-channels-in",
)


def nbgrader(course, *words):
    """Run a command of nbgrader's in a course's folder."""
    place = f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"
    own = {"HOME": str(course), "IPYTHONDIR": str(course / ".ipython"), "PATH": place}
    done = subprocess.run(
        [COMMAND, *words],
        cwd=course,
        env=os.environ | own,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Grade one class by both; return the points of each student by nbgrader and by us."""
    if not COMMAND.exists():
        message = "nbgrader is not installed: `make test` does that"
        if os.environ.get("CNNCOURSE_NBGRADER") == "require":
            pytest.fail(message)
        pytest.skip(message)
    top = tmp_path_factory.mktemp("nbgrader")
    task = assignment.Assignment("week4", "Week 4", NAMES, (4, 2, 1))
    folder = top / "week4"
    assignment.create(folder, task)
    hand_in(folder, "all", **right("all"))
    hand_in(folder, "empty")
    hand_in(folder, "mistaken", **right("mistaken") | {"count_outputs": PADDING_ONCE})
    raises = "def count_outputs(*sizes): raise KeyError(sizes)"
    hand_in(folder, "raises", **right("raises") | {"count_outputs": raises, "how_many_weights": ""})
    swapped = right("swapped") | {"three_channels_in": "three_channels_in = 'Z'"}
    place = hand_in(folder, "swapped", **swapped)
    ours = {
        r["student"]: r["total"]
        for r in grading.grade(task, place, top / "out", sandbox="auto", progress=False)
    }
    course = top / "course"
    shutil.copytree(folder / "source", course / "source" / "week4")
    for path in place.iterdir():
        (course / "submitted" / path.stem / "week4").mkdir(parents=True)
        shutil.copy(path, course / "submitted" / path.stem / "week4" / "week4.ipynb")
    nbgrader(course, "generate_assignment", "week4")
    nbgrader(course, "autograde", "week4")
    nbgrader(course, "export")
    with (course / "grades.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    theirs = {row["student_id"]: float(row["score"]) for row in rows}
    yield course, theirs, ours
    shutil.rmtree(top)


def test_grades_agree(graded):
    _, theirs, ours = graded
    assert theirs == pytest.approx(ours)
    assert ours["all"] == 7
    assert ours["empty"] == 0
    assert 3 < ours["mistaken"] < 7
    assert ours["swapped"] == 6


def test_nbgraders_release_hides_what_ours_hides_and_keeps_the_starter(graded):
    course, _, _ = graded
    (released,) = [c for p, c in files(course / "release").items() if p.suffix == ".ipynb"]
    text = released.decode()
    for secret in ("range(0, road, stride)", "HIDDEN", "SOLUTION", "right_answer"):
        assert secret not in text
    sources = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
    assert any("def count_outputs(size, kernel_size, stride" in source for source in sources)
