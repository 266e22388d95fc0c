"""Grade a class, and compare with nbgrader on the same submissions, in one run.

``python benchmarks/grading.py`` makes 100 honest submissions of six exercises: every third student
has made one of the known mistakes in each exercise, every tenth has left one empty. It grades them
all, then twenty of them and the same twenty by nbgrader, and writes ``benchmarks/grading.json``,
which a page of the book shows. nbgrader is the one that `make test` installs in an environment of
its own; it works one by one, as it does by default.
"""

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import convolution  # the benchmark beside this one: it knows the machine

from cnncourse.classroom import assignment, grading, results, sandbox
from cnncourse.exercises import find
from cnncourse.exercises.cells import solution_cell_text
from cnncourse.exercises.sources import standalone

NAMES = (
    "filtering/one-place",
    "filtering/unsharp",
    "edges/slope",
    "edges/crossings",
    "convolution/count-outputs",
    "pooling/loops",
)
NBGRADER = Path(sys.prefix) / "nbgrader" / "bin" / "nbgrader"
LATEST = Path(__file__).with_name("grading.json")
LIMIT = 90  # seconds for a hundred


def answer_of(exercise, number):
    """Return the text that a student hands in: right, mistaken, or nothing."""
    mistakes = list(exercise.mistakes.values())
    if number % 10 == 9 and exercise.name == NAMES[number // 10 % len(NAMES)]:
        return None
    if number % 3 == 2:
        wrong = mistakes[number // 3 % len(mistakes)]
        imports, definitions = standalone(wrong)
        return "\n".join([*imports, *definitions, f"{exercise.answer_name} = {wrong.__name__}"])
    return solution_cell_text(exercise)


def hand_in(released, folder, number):
    """Write one student's submission."""
    notebook, student = json.loads(released.read_text("utf-8")), f"student{number:03d}"
    answers = {
        f"{name.replace('/', '-').replace('_', '-')}-answer": answer_of(find(name), number)
        for name in NAMES
    }
    for cell in notebook["cells"]:
        if cell["id"] == "student":
            cell["source"] = f'STUDENT = "{student}"'
        elif answers.get(cell["id"]):
            cell["source"] = answers[cell["id"]]
    (folder / f"{student}.ipynb").write_text(json.dumps(notebook), "utf-8")


def ours(task, submissions, out):
    """Grade with this package; return the seconds and the points."""
    begun = time.perf_counter()
    records = grading.grade(task, submissions, out, sandbox="auto", progress=False)
    results.write_results(task, records, out)
    return time.perf_counter() - begun, {r["student"]: r["total"] for r in records}


def theirs(folder, submissions, course):
    """Grade with nbgrader; return the seconds of autograding and feedback, and the points."""
    shutil.copytree(folder / "source", course / "source" / folder.name)
    for path in submissions.iterdir():
        place = course / "submitted" / path.stem / folder.name
        place.mkdir(parents=True)
        shutil.copy(path, place / f"{folder.name}.ipynb")
    nbgrader(course, "generate_assignment", folder.name)
    begun = time.perf_counter()
    nbgrader(course, "autograde", folder.name)
    nbgrader(course, "generate_feedback", folder.name)
    seconds = time.perf_counter() - begun
    nbgrader(course, "export", "--to", "grades.csv")
    lines = [line.split(",") for line in (course / "grades.csv").read_text().splitlines()]
    student, score = lines[0].index("student_id"), lines[0].index("score")
    return seconds, {line[student]: float(line[score]) for line in lines[1:]}


def nbgrader(course, *words):
    """Run a command of nbgrader's."""
    path = f"{NBGRADER.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [NBGRADER, *words],
        cwd=course,
        env=os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=100)
    parser.add_argument("--compared", type=int, default=20)
    parser.add_argument("--output", type=Path, default=LATEST)
    words = parser.parse_args()
    if not NBGRADER.exists():
        sys.exit("nbgrader is not installed: `make .venv/.nbgrader` does that")
    with tempfile.TemporaryDirectory() as top:
        result = measure(Path(top), words.students, words.compared)
    words.output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(
        f"{words.students} submissions in {result['all_s']} s (at most {LIMIT}: "
        f"{'yes' if result['within'] else 'NO'}); {words.compared} in {result['ours_s']} s, "
        f"nbgrader {result['nbgrader_s']} s: ratio {result['ratio']}; "
        f"{result['agree']} of {words.compared} grades agree"
    )


def measure(top, students, compared):
    """Grade all, then some of them twice; return the numbers."""
    task = assignment.Assignment("bench", "Bench", NAMES, (2,) * len(NAMES))
    folder, everybody, some = (top / name for name in ("bench", "everybody", "some"))
    assignment.create(folder, task)
    for place, many in ((everybody, students), (some, compared)):
        place.mkdir()
        for number in range(many):
            hand_in(folder / "release" / "bench.ipynb", place, number)
    whole, _ = ours(task, everybody, top / "all")
    mine, points = ours(task, some, top / "some-out")
    other, their_points = theirs(folder, some, top / "course")
    return {
        "date": datetime.date.today().isoformat(),
        "machine": convolution.machine(),
        "sandbox": sandbox.is_there(),
        "students": students,
        "compared": compared,
        "exercises": list(NAMES),
        "all_s": round(whole, 2),
        "within": whole <= LIMIT,
        "ours_s": round(mine, 2),
        "nbgrader_s": round(other, 2),
        "ratio": round(mine / other, 3),
        "agree": sum(abs(points[s] - their_points.get(s, -1)) < 0.01 for s in points),
    }


if __name__ == "__main__":
    main()
