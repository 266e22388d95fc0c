"""The classroom: assignments, submissions, grading that can be killed, results, commands."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import close

from cnncourse.classroom import assignment, command, grading, results, sandbox, submissions, wire
from cnncourse.classroom.worker import plain_python
from cnncourse.exercises import catalogue, check, exercise, find
from cnncourse.exercises.cells import solution_cell_text
from cnncourse.exercises.running import Built, Outcome, call

COUNT, WEIGHTS, RGB, BUDGET = NAMES = (
    "convolution/count-outputs",
    "convolution/how-many-weights",
    "convolution/three-channels-in",
    "convolution/a-layer-on-a-budget",
)
PADDING_ONCE = """def count_outputs(size, kernel_size, stride, padding, dilation):
    return (size + padding - dilation * (kernel_size - 1) - 1) // stride + 1"""


@pytest.fixture
def task(tmp_path):
    """Make an assignment; return it and its folder."""
    made = assignment.Assignment("week4", "Week 4", NAMES, (4, 2, 1, 7))
    assignment.create(tmp_path / "week4", made)
    return made, tmp_path / "week4"


def hand_in(folder, student, name=None, **answers):
    """Write a submission: the released notebook with a student's answers."""
    notebook = json.loads((folder / "release" / "week4.ipynb").read_text("utf-8"))
    for cell in notebook["cells"]:
        key = cell["id"].removeprefix("convolution-").removesuffix("-answer").replace("-", "_")
        if cell["id"] == "student":
            cell["source"] = f'STUDENT = "{name or student}"'
        elif key in answers:
            cell["source"] = answers[key]
    place = folder.parent / "submissions"
    place.mkdir(exist_ok=True)
    (place / f"{student}.ipynb").write_text(json.dumps(notebook), "utf-8")
    return place


def right(student):
    """Return all right answers of a student."""
    keys = ("count_outputs", "how_many_weights", "three_channels_in")
    return {
        key: solution_cell_text(find(name), student, imports=False)
        for key, name in zip(keys, NAMES, strict=False)
    }


def files(folder):
    """Return the content of all files of a folder."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def rows_of(path):
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def grade(task, folder, out, **words):
    """Grade without a progress bar."""
    return grading.grade(task, folder, out, progress=False, **words)


# what crosses the border


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        -0.5,
        float("inf"),
        "text",
        1 + 2j,
        (1, [2.0, {"a": None}]),
        np.arange(6, dtype=np.uint8).reshape(2, 3),
        np.array([True, False]),
        np.zeros((0, 2), np.float32),
        np.float64(3),
    ],
    ids=repr,
)
def test_values_come_back_as_they_were(value):
    back = wire.unpack(json.loads(json.dumps(wire.pack(value))))
    assert repr(back) == repr(value)


def test_tensors_and_arrays_that_do_not_lie_in_one_piece_come_back():
    import torch

    tensor = torch.arange(6.0).reshape(2, 3).T
    back = wire.unpack(wire.pack({"x": tensor}))["x"]
    assert isinstance(back, torch.Tensor)
    close(back, tensor)
    close(wire.unpack(wire.pack(np.eye(3)[:, ::-2])), np.eye(3)[:, ::-2])


def test_what_torch_returns_comes_back():
    import torch

    loss = wire.unpack(wire.pack(torch.tensor(0.5, requires_grad=True)))
    assert (loss.shape, loss.dtype, loss.item()) == ((), torch.float32, 0.5)
    assert wire.unpack(wire.pack(torch.zeros(2, 3).shape)) == (2, 3)
    close(wire.unpack(wire.pack(torch.ones(2, dtype=torch.bfloat16))), torch.ones(2))


def test_what_is_no_plain_value_is_not_sent():
    for value in (object(), {1, 2}, np.array([object()]), b"bytes", int, 10**5000):
        with pytest.raises(TypeError, match="expected"):
            wire.pack(value)


def test_functions_are_read_on_the_students_side_alone():
    packed = wire.pack(find(COUNT).right)
    assert wire.unpack(packed, trusted=True)(7, 3, 2, 1, 1) == 4
    assert wire.unpack(wire.pack(Built(solution_cell_text, 1)), trusted=True).parts == (1,)
    with pytest.raises(ValueError, match="got 'function'"):
        wire.unpack(packed)


@pytest.mark.parametrize(
    "message",
    [
        {"array": "AAAA"},
        {"array": 5},
        {"list": 3},
        {"pickle": "gASVAAAA"},
        {"a": 1, "b": 2},
        [1],
        {"dict": [[1]]},
        {"complex": ["x", 1]},
    ],
    ids=str,
)
def test_messages_of_another_form_are_refused(message):
    with pytest.raises((ValueError, TypeError, EOFError)):
        wire.unpack(message)
    assert grading._outcome({"value": message}).error.startswith("ValueError")


def test_deep_messages_are_refused():
    message = 1
    for _ in range(50):
        message = {"list": [message]}
    with pytest.raises(ValueError, match="packed value"):
        wire.unpack(message)


@pytest.mark.parametrize("exercise", [e for e in catalogue() if e.kind == "function"], ids=str)
def test_every_case_of_the_catalogue_can_be_sent(exercise):
    request = json.loads(json.dumps(grading._request(exercise, "kim")))
    assert len(request["cases"]) == request["wanted"] == len(exercise.arguments("kim"))
    for case in request["cases"]:
        wire.unpack(case, trusted=True)


def test_cells_lose_ipythons_own_lines():
    assert plain_python("%pip install x\ny = 5 % 3\n  !ls\n?y") == "pass\ny = 5 % 3\n  pass\npass"
    assert plain_python("%%time\nx = 1") == "x = 1"
    assert plain_python("%%bash\nls") == ""
    assert (
        plain_python("%time x = 1\nfiles = !ls\nnp.sum?\ny == !z") == "x = 1\npass\npass\ny == !z"
    )


def test_python_that_looks_like_a_magic_stays():
    for text in ('x = ("%d"\n  % 3)', 's = """\n!\n"""'):
        assert plain_python(text) == text


# assignments


def test_an_assignment_is_read_as_it_was_written(task):
    made, folder = task
    assert assignment.load(folder) == made
    assert made.worth[BUDGET] == 7


def test_the_released_notebook_has_no_solution_and_the_source_has_all(task):
    _, folder = task
    released, source = (
        (folder / kind / "week4.ipynb").read_text("utf-8") for kind in ("release", "source")
    )
    for secret in ("range(0, road, stride)", "HIDDEN", "SOLUTION", "points("):
        assert secret not in released
        assert secret in source
    assert "your code here" in released


def test_students_and_instructors_notebooks_run(task):
    _, folder = task
    for kind in ("release", "source"):
        cells = json.loads((folder / kind / "week4.ipynb").read_text("utf-8"))["cells"]
        names = {}
        for cell in cells:
            if cell["cell_type"] == "code":
                exec(plain_python("".join(cell["source"])), names)
        assert callable(names["count_outputs"])
        if kind == "source":
            assert names["count_outputs"](7, 3, 2, 1, 1) == 4
            assert names["how_many_weights"] == find(WEIGHTS).right_answer()


def test_an_assignment_that_cannot_be_is_refused(task):
    made, folder = task
    with pytest.raises(ValueError, match=r"expected one without assignment.json"):
        assignment.create(folder, made)
    words = {"name": "a", "title": "A", "exercises": (COUNT,), "points": (1,)}
    for change, message in [
        ({"name": "a/b"}, "letters"),
        ({"exercises": ()}, "got none"),
        ({"exercises": (COUNT, COUNT), "points": (1, 1)}, "count_outputs twice"),
        ({"points": (1, 2)}, "expected 1 numbers"),
        ({"points": (0,)}, "above 0"),
        ({"exercises": ("convolution/no-such",)}, "expected an exercise"),
    ]:
        with pytest.raises(ValueError, match=message):
            assignment.Assignment(**words | change)
    with pytest.raises(ValueError, match=r"expected a folder with assignment.json"):
        assignment.load(folder.parent)


def test_verifying_finds_a_mistake_that_earns_all_points(monkeypatch):
    exercise = find(COUNT)
    assert (
        assignment.verify(assignment.Assignment("a", "A", (COUNT, RGB, WEIGHTS), (1, 1, 1))) == []
    )
    monkeypatch.setitem(exercise.mistakes, "none at all", exercise.right)
    problems = assignment.verify(assignment.Assignment("a", "A", (COUNT,), (1,)))
    assert f"{COUNT}: none at all earns all points (None)" in problems


# submissions


@pytest.mark.parametrize(
    ("stem", "student"),
    [
        ("kim", "kim"),
        ("kim_anna", "kim_anna"),
        ("kimanna_10234_998877_week4", "kimanna"),
        ("kimanna_late_10234_998877_week4-1", "kimanna"),
        ("kimanna_LATE_10234_998877_week4", "kimanna"),
        ("Anna Kim_10234_assignsubmission_file", "Anna Kim"),
        ("Anna Kim_10234_assignsubmission_file_", "Anna Kim"),
        ("Anna Kim_10234_assignsubmission_file_week4", "Anna Kim"),
        ("two\nlines", "two lines"),
        ("김안나", "김안나"),
    ],
)
def test_names_are_read_as_canvas_and_moodle_write_them(stem, student):
    assert submissions.student_of(stem) == student


def test_folders_without_submissions_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a folder"):
        submissions.find_submissions(tmp_path / "none")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match="got none"):
        submissions.find_submissions(tmp_path)


def test_checkpoints_of_jupyter_are_no_submissions(tmp_path):
    hidden = tmp_path / "kim" / ".ipynb_checkpoints"
    hidden.mkdir(parents=True)
    (hidden / "week4-checkpoint.ipynb").write_text("{}")
    (found,) = submissions.find_submissions(tmp_path)
    assert found.notes == ["no notebook was handed in"]


def test_two_students_of_one_name_are_two(tmp_path):
    for number in (10, 20):
        (tmp_path / f"kimanna_{number}_998_week4.ipynb").write_text("{}")
        (tmp_path / f"kimanna_{number}_999_week4-1.ipynb").write_text("{}")
    found = submissions.find_submissions(tmp_path)
    assert [(s.student, s.path.name) for s in found] == [
        ("kimanna 10", "kimanna_10_999_week4-1.ipynb"),
        ("kimanna 20", "kimanna_20_999_week4-1.ipynb"),
    ]


def test_notebooks_are_found_as_browsers_and_colab_save_them(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    lines = ["STUDENT = 'kim'\r\n", "x = 1"]
    text = json.dumps({"cells": [{"cell_type": "code", "source": lines}], "nbformat": 4})
    for name in ("a.ipynb.txt", "b.IPYNB", "c.ipynb.json", "_d.ipynb"):
        (place / name).write_text("\ufeff" + text, "utf-8")
    (tmp_path / "link").symlink_to(place)  # as macOS has for /tmp
    found = submissions.find_submissions(tmp_path / "link")
    assert [s.student for s in found] == ["_d", "a", "b", "c"]
    assert all(s.said == "kim" and not s.notes for s in found)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ('STUDENT = "kim "  # my name', "kim "),
        ("STUDENT='김 안나'", "김 안나"),
        ("STUDENT = 20241234", "20241234"),
        ('STUDENT = ""\nSTUDENT = "kim"\nSTUDENT = ""', "kim"),
        ('STUDENT = "\ud800"', "?"),
        ("STUDENT\n= 'kim'", ""),
    ],
)
def test_the_name_is_what_the_notebook_takes(cell, said):
    assert submissions._said([(1, "x = 2"), (2, cell)]) == said


# grading


def test_a_name_in_other_capitals_is_no_other_name(task):
    made, folder = task
    place = hand_in(folder, "Kim Anna", " kim  anna", **right(" kim  anna"))
    (record,) = grade(made, place, folder.parent / "out")
    assert (record["total"], record["notes"]) == (7, [])


def test_numbers_and_letters_may_be_written_in_more_than_one_way(task):
    made, folder = task
    answers = right("kim")
    number, letter = (find(name).right_answer("kim") for name in (WEIGHTS, RGB))
    answers["how_many_weights"] = f"how_many_weights = {float(number)}"
    answers["three_channels_in"] = f"three_channels_in = '({letter.lower()}).'"
    assert grade(made, hand_in(folder, "kim", **answers), folder.parent / "out")[0]["total"] == 7
    answers["how_many_weights"] = f"how_many_weights = '{number}'"
    answers["three_channels_in"] = "three_channels_in = 2"
    answers["count_outputs"] = "count_outputs = 4"
    (record,) = grade(made, hand_in(folder, "kim", **answers), folder.parent / "out")
    told = [record["exercises"][name]["feedback"][1] for name in NAMES[:3]]
    assert record["total"] == 0
    assert "expected a function, got a whole number" in told[0]
    assert "expected a whole number" in told[1]
    assert "expected one of the letters A, B, C, D" in told[2]


def test_errors_without_a_message_or_with_lines_keep_their_names():
    def raises(error):
        assert error is not None
        raise error

    kinds = [call(raises, (e,)).error for e in (ValueError(), ValueError("a\nb"), KeyError("k"))]
    assert kinds == [
        "ValueError (line 3 of your function)",
        "ValueError: a (line 3 of your function)",
        "KeyError: 'k' (line 3 of your function)",
    ]
    expected, got = Outcome(error="ValueError: a"), Outcome(error=kinds[0])
    assert find(COUNT).fault(expected, got, ()) is None


def test_what_fails_in_the_grader_is_noted_and_costs_no_other(task, monkeypatch):
    made, folder = task
    hand_in(folder, "kim", **right("kim"))
    place, out = hand_in(folder, "lee", **right("lee")), folder.parent / "out"
    real = grading._collect
    monkeypatch.setattr(
        grading,
        "_collect",
        lambda c, e, student, *rest: real(c, e, student, *rest) if student == "kim" else 1 / 0,
    )
    kim, lee = grade(made, place, out)
    assert (kim["total"], lee["total"]) == (7, 0)
    assert lee["notes"] == ["could not be graded (ZeroDivisionError): read it yourself"]
    monkeypatch.undo()
    assert grade(made, place, out)[1]["total"] == 7


def test_ctrl_c_ends_it_soon(task, monkeypatch):
    made, folder = task
    for i in range(8):
        place = hand_in(folder, f"student{i}")
    real, seen = grading._one, []
    monkeypatch.setattr(grading, "_one", lambda *words: seen.append(1) or real(*words))
    monkeypatch.setattr(grading, "_keep", lambda *words: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        grade(made, place, folder.parent / "out", jobs=1)
    assert len(seen) < 5


def test_where_no_process_can_start_it_is_said_before_anybody_gets_nothing(monkeypatch):
    monkeypatch.setattr(sandbox, "_starts", lambda sandboxed: False)
    with pytest.raises(RuntimeError, match="a process that finds cnncourse"):
        sandbox.decide("auto")
    monkeypatch.setattr(sandbox, "os", SimpleNamespace(name="nt"))
    with pytest.raises(RuntimeError, match="got Windows"):
        sandbox.decide("auto")


def test_right_wrong_and_empty_answers_earn_what_they_should(task):
    made, folder = task
    hand_in(folder, "kim", **right("kim"))
    hand_in(folder, "lee")
    place = hand_in(folder, "mo", **right("mo") | {"count_outputs": PADDING_ONCE})
    kim, lee, mo = grade(made, place, folder.parent / "out")
    assert [r["total"] for r in (kim, lee)] == [7, 0]
    assert {row["state"] for row in kim["exercises"].values()} == {"right", "by hand"}
    for name in (COUNT, WEIGHTS):  # as `check` has it
        assert lee["exercises"][name]["state"] == "empty"
        assert "is not in the notebook, or nothing" in lee["exercises"][name]["feedback"][0]
    assert 0 < mo["exercises"][COUNT]["points"] < 4
    assert mo["exercises"][COUNT]["cause"]["name"] == "padding in total"


def test_students_have_their_own_numbers_and_copies_are_seen(task):
    made, folder = task
    hand_in(folder, "kim", **right("kim"))
    hand_in(folder, "lee", **right("kim"))  # the neighbour's numbers
    place = hand_in(folder, "mo", "kim", **right("kim"))  # and the neighbour's name
    kim, lee, mo = records = grade(made, place, folder.parent / "out")
    assert kim["exercises"][WEIGHTS]["points"] == 2
    assert lee["exercises"][WEIGHTS]["points"] == 0
    assert mo["notes"] == ["STUDENT is 'kim' in the notebook"]
    assert "has the numbers of" in results.class_report(made, records)


def test_a_grading_that_was_done_is_not_done_again_but_for_what_is_new(task, monkeypatch):
    made, folder = task
    place = hand_in(folder, "kim", **right("kim"))
    first = grade(made, place, folder.parent / "out")
    real, seen = grading._one, []
    monkeypatch.setattr(grading, "_one", lambda s, *rest: seen.append(s.student) or real(s, *rest))
    assert grade(made, place, folder.parent / "out") == first
    assert seen == []
    hand_in(folder, "kim")
    hand_in(folder, "lee")
    kim, _ = grade(made, place, folder.parent / "out")
    assert sorted(seen) == ["kim", "lee"]
    assert kim["total"] == 0


def test_a_torn_record_is_graded_again(task):
    made, folder = task
    place, out = hand_in(folder, "kim", **right("kim")), folder.parent / "out"
    first = grade(made, place, out)
    (record,) = (out / "records").glob("*.json")
    record.write_text(record.read_text("utf-8")[:100], "utf-8")
    assert grade(made, place, out) == first


def test_identical_input_gives_identical_output(task):
    made, folder = task
    hand_in(folder, "kim", **right("kim"))
    place = hand_in(folder, "lee", count_outputs="def count_outputs(*a): return object()\nopen")
    outputs = []
    for out in (folder.parent / "one", folder.parent / "two"):
        results.write_results(made, grade(made, place, out), out)
        outputs.append(files(out))
    assert outputs[0] == outputs[1]


def test_a_killed_grader_goes_on_where_it_was(task):
    _, folder = task
    slow = "import time; time.sleep(0.3)\n" + PADDING_ONCE
    students = [f"student{i}" for i in range(8)]
    for student in students:
        place = hand_in(folder, student, count_outputs=slow)
    out = folder.parent / "out"
    words = ["grade", str(place), "--out", str(out), "--jobs", "1"]
    process = subprocess.Popen(
        [sys.executable, "-c", f"from cnncourse.classroom.command import main; main({words})"],
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(folder.parent)},  # what a killed grader leaves goes, too
    )
    records = out / "records"
    while len(list(records.glob("*.json"))) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = files(records)
    finished = {p: c for p, c in done.items() if p.suffix == ".json"}
    assert 3 <= len(finished) < 8
    times = {p: (records / p).stat().st_mtime_ns for p in finished}
    assert command.main(words) == 0
    assert {p: (records / p).stat().st_mtime_ns for p in finished} == times
    assert [row[0] for row in rows_of(out / "grades.csv")[1:]] == students


def test_two_graders_do_not_work_in_one_folder(task):
    made, folder = task
    place = hand_in(folder, "kim")
    records = folder.parent / "out" / "records"
    records.mkdir(parents=True)
    with grading._Alone(records), pytest.raises(RuntimeError, match="nobody grades into"):
        grade(made, place, folder.parent / "out")


# results


@pytest.fixture
def written(task):
    """Grade two students and write everything; return task, records, folder."""
    made, folder = task
    hand_in(folder, "kim", **right("kim"))
    place = hand_in(
        folder, "=mo", "mo", **right("mo") | {"count_outputs": PADDING_ONCE + "\n1 / 0"}
    )
    out = folder.parent / "out"
    records = grade(made, place, out)
    return made, results.write_results(made, records, out), out


def test_tables_have_the_form_that_canvas_and_moodle_import(written):
    _, (mo, kim), out = written
    canvas, moodle = rows_of(out / "canvas.csv"), rows_of(out / "moodle.csv")
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "week4"]
    assert canvas[0] == head
    assert canvas[1] == ["    Points Possible", "", "", "", "", "14"]
    assert canvas[3] == ["kim", "", "", "kim", "", "7"]
    assert moodle == [["username", "week4"], ["'=mo", f"{mo['total']:g}"], ["kim", "7"]]
    grades = rows_of(out / "grades.csv")
    assert grades[0] == ["student", "total", "of", *NAMES, "notes"]
    assert float(grades[1][1]) == mo["total"] == sum(map(float, grades[1][3:6]))
    assert grades[1][6] == ""  # a project that nobody has read is not worth 0
    assert kim["total"] == 7


def test_no_cell_is_a_formula_for_a_spreadsheet(written):
    for name in ("grades.csv", "canvas.csv", "moodle.csv", "rubrics.csv"):
        cells = [cell for row in rows_of(written[2] / name) for cell in row]
        assert not any(cell.startswith(("=", "+", "@")) for cell in cells)


def test_feedback_names_the_mistake_and_hides_cases_and_answers(written):
    _, _, out = written
    page = next((out / "feedback").glob("*mo.html")).read_text("utf-8")
    assert "Padding is added on <em>each</em> side" in page
    assert "ZeroDivisionError" in page
    assert "expected" not in page
    assert "count_outputs(7" not in page
    assert not re.search(r"https?://|src=|<script|<link", page)


def test_feedback_does_not_trust_what_students_wrote(task):
    made, folder = task
    evil = "def count_outputs(*a): return '<script>alert(1)</script>'\nraise ValueError('<b>x</b>')"
    place, out = hand_in(folder, "<i>eve", count_outputs=evil), folder.parent / "out"
    results.write_results(made, grade(made, place, out), out)
    for page in [*(out / "feedback").glob("*.html"), out / "report.html"]:
        text = page.read_text("utf-8")
        assert "<script" not in text
        assert "<b>x" not in text
        assert "<i>eve" not in text


def test_the_report_counts_mistakes_by_name(written):
    _, records, out = written
    assert results.mistakes_of(records) == [((COUNT, "padding in total"), 1)]
    text = (out / "report.html").read_text("utf-8")
    assert "padding in total" in text
    assert "2 students, 14 points to earn" in text


def test_points_given_by_hand_are_added_and_never_lost(written):
    made, _, out = written
    path = out / "rubrics.csv"
    head, mo, kim = rows_of(path)
    assert len(head) == 1 + len(find(BUDGET).rubric)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, mo, ["kim", "2", "1,5", "", "0"]])
    place = out.parent / "submissions"
    records = results.write_results(made, grade(made, place, out), out)
    kim = next(r for r in records if r["student"] == "kim")
    assert kim["exercises"][BUDGET]["points"] == 3.5
    assert kim["total"] == 10.5
    assert rows_of(path)[2] == ["kim", "2", "1.5", "", "0"]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, ["kim", "99"]])
    with pytest.raises(ValueError, match="expected 0 to 2 for kim"):
        results.write_results(made, grade(made, place, out), out)


def test_points_by_hand_survive_odd_names_other_folders_and_semicolons(written):
    made, records, out = written
    path, text = out / "rubrics.csv", find(BUDGET).rubric[0].text
    head = rows_of(path)[0]
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        rows = [head, ["'=mo", "1"], ["kim", "2"], ["left", "1,5"]]
        csv.writer(file, delimiter=";").writerows(rows)
    mo, kim = results.write_results(made, records, out)
    assert [r["exercises"][BUDGET]["points"] for r in (mo, kim)] == [1, 2]
    assert [row[:2] for row in rows_of(path)[1:]] == [["'=mo", "1"], ["kim", "2"], ["left", "1.5"]]
    path.write_text(f"name,{text}\nkim,1\n", "utf-8")
    with pytest.raises(ValueError, match="expected the columns of week4"):
        results.write_results(made, records, out)
    assert path.read_text("utf-8").startswith("name")


def test_cells_that_begin_like_a_formula_are_harmless_and_read_as_they_were():
    for name in ("=1", "-1+cmd|x", "@x", "a;=1", "＝1", "\t=1", "a\r-1"):
        cell = results._harmless(name)
        assert not re.search(r"(^|[;\t\r\n])\s*[=+@＝-]", cell)
        assert results._as_written(cell) == name
    for name in ("kim-lee", "O'Neil", "a = b", "0.5"):
        assert results._harmless(name) == name


def test_every_student_has_a_page():
    students = ["a!", "a?", "a_-2", "A_", "a" * 99, "a" * 98]
    names = results._file_names([{"student": student} for student in students])
    assert len({name.lower() for name in names}) == len(students)


def test_a_notebook_of_another_assignment_is_noted(task):
    _, folder = task
    place = hand_in(folder, "kim", **right("kim"))
    other = assignment.Assignment("week5", "Week 5", NAMES[:3], (4, 2, 1))
    (kim,) = grade(other, place, folder.parent / "out")
    assert kim["notes"] == ["made from week4, graded as week5"]


def test_results_of_another_assignment_are_not_written_over(task):
    made, folder = task
    out = folder.parent / "out"
    results.claim(made, out)
    results.claim(made, out)
    other = assignment.Assignment("week5", "Week 5", (COUNT,), (4,))
    with pytest.raises(ValueError, match="holds those of week4: give another --out"):
        results.claim(other, out)


def test_a_student_without_a_name_is_told_so_and_noted(task):
    made, folder = task
    assert "Write your name" in str(exercise(WEIGHTS, student=""))
    assert check(WEIGHTS, 3, student="").state == "nameless"
    place = hand_in(folder, "kim", **right(None))
    path = place / "kim.ipynb"
    path.write_text(path.read_text("utf-8").replace('STUDENT = \\"kim\\"', 'STUDENT = \\"\\"'))
    (kim,) = grade(made, place, folder.parent / "out")
    assert kim["notes"] == ["no name in STUDENT"]


def test_an_answer_whose_cell_raised_says_so(task):
    made, folder = task
    place = hand_in(folder, "kim", **right("kim") | {"three_channels_in": "three_channels_in = C"})
    (kim,) = grade(made, place, folder.parent / "out")
    (line,) = kim["exercises"][RGB]["feedback"]
    assert re.search(r"cell \d+ raised `NameError: name 'C' is not defined", line)


def test_files_that_are_no_notebooks_are_named(tmp_path):
    for name in ("gina.pdf", ".DS_Store", "kim.ipynb"):
        (tmp_path / name).touch()
    assert submissions.passed_over(tmp_path) == ["gina.pdf"]


def test_projects_that_nobody_has_read_are_not_worth_nothing_yet(written):
    _, records, out = written
    assert "2 projects not read" in results.summary(records)
    assert "not read yet, of 7" in (out / "feedback" / "kim.html").read_text("utf-8")
    assert "2 projects are not read yet" in (out / "report.html").read_text("utf-8")
    assert "a-layer-on-a-budget: " in rows_of(out / "rubrics.csv")[0][1]


# the command line


def test_the_command_line_goes_from_assignment_to_grades(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command.main(["assignment", "new", "week4", "--exercises", *NAMES]) == 0
    assert command.main(["assignment", "check", "week4"]) == 0
    assert "solutions earn all" in capsys.readouterr().out
    hand_in(Path("week4").absolute(), "kim", **right("kim"))
    assert command.main(["grade", "submissions", "--out", "out"]) == 0
    assert "1 graded, mean 3 of 10 points" in capsys.readouterr().out
    assert (tmp_path / "out" / "report.html").exists()


def test_the_command_line_says_what_is_wrong_and_exits_with_2(tmp_path, capsys):
    words = ["grade", str(tmp_path), "--out", str(tmp_path), "--assignment", str(tmp_path)]
    assert command.main(words) == 2
    assert "cnncourse: assignment: expected a folder" in capsys.readouterr().err
    (tmp_path / "kim.ipynb").write_text(
        '{"cells": [], "metadata": {"cnncourse": {"assignment": 3}}}'
    )
    assert command.main(words[:4]) == 2
    assert (
        "expected --assignment and its folder; the submissions name none" in capsys.readouterr().err
    )
    for word in ("pool/x", "pool", "kinds"):
        assert command.main(["assignment", "new", str(tmp_path / "a"), "--exercises", word]) == 2
    assert command.main(["exercises", "pool"]) == 2
    assert "chapter: expected one of" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command.main([])


def test_help_teaches(capsys):
    with pytest.raises(SystemExit):
        command.main(["--help"])
    told = capsys.readouterr().out
    for words in ("assignment new", "assignment check", "grade", "SUBMISSIONS", "grades.csv"):
        assert words in told


def test_exercises_are_listed(capsys):
    assert command.main(["exercises", "convolution"]) == 0
    assert COUNT in capsys.readouterr().out
