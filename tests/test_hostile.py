"""A hostile class: each submission costs only itself, and earns what its code earns."""

import json
import os
import shutil
import signal
import subprocess
import time
import tracemalloc
from pathlib import Path

import pytest

from cnncourse.classroom import assignment, grading, sandbox
from cnncourse.exercises import catalogue, find
from cnncourse.exercises.cells import solution_cell_text
from cnncourse.exercises.comparing import difference
from cnncourse.exercises.kinds import CATALOGUE, FunctionExercise
from cnncourse.exercises.report import assess
from cnncourse.exercises.running import Outcome
from cnncourse.exercises.sources import definition

COUNT, WEIGHTS, RGB = (
    "convolution/count-outputs",
    "convolution/how-many-weights",
    "convolution/three-channels-in",
)
TASK = assignment.Assignment("week4", "Week 4", (COUNT, WEIGHTS, RGB), (4, 2, 1), variants=False)
RIGHT = {name: solution_cell_text(find(name), imports=False) for name in TASK.exercises}
SECRET = "the grader's secret"

# what each student writes before the answers, in place of count_outputs (None: the right one),
# and what that earns: (count, weights, rgb)
ALL, REST = (4, 2, 1), (0, 2, 1)
WRONG = """
def count_outputs(size, kernel_size, stride, padding, dilation):
    {}
    return 1
"""
CLASS = {
    "honest": ("", None, ALL),
    "loop-in-function": ("", WRONG.format("while True: pass"), REST),
    "loop-in-cell": ("while True: pass", None, ALL),
    "loop-that-catches-all": (
        "",
        WRONG.format(
            "while True:\n        try:\n            while True: pass\n        except: pass"
        ),
        REST,
    ),
    "loop-without-alarm": (
        "import signal; signal.signal(signal.SIGALRM, signal.SIG_IGN)",
        WRONG.format("while True: pass"),
        REST,
    ),
    "loop-in-c": ("", WRONG.format("sum(range(10**14))"), REST),
    "children": (
        "import os, time\nfor i in range(200):\n    if os.fork() == 0: time.sleep(600)",
        None,
        ALL,
    ),
    "daemon": (
        "import subprocess\n"
        "subprocess.Popen(['/usr/bin/setsid', 'sleep', '4242'], start_new_session=True)",
        None,
        ALL,
    ),
    "threads": (
        "import threading, time\n"
        "for i in range(20): threading.Thread(target=time.sleep, args=(600,)).start()",
        None,
        ALL,
    ),
    "memory": ("x = bytearray(50 * 2**30)", None, ALL),
    "memory-in-steps": ("x = []\nwhile True: x.append(bytearray(2**26))", None, ALL),
    "deletes": (
        "import shutil\nfor place in ['{victim}', '{results}', '{here}', '.', '/']:\n"
        "    shutil.rmtree(place, ignore_errors=True)",
        None,
        ALL,
    ),
    "overwrites": (
        "for place in ['{victim}/secret.txt', '{results}/grades.csv', '{here}/honest.ipynb']:\n"
        "    try: open(place, 'w').write('mine')\n    except OSError: pass",
        None,
        ALL,
    ),
    "reads-the-graders": ("raise ValueError(open('{victim}/secret.txt').read())", None, ALL),
    "reads-others": ("raise ValueError(open('{here}/honest.ipynb').read()[:200])", None, ALL),
    "reads-the-solutions": (
        "from cnncourse.exercises import find\nfrom cnncourse.exercises.convolution import *",
        "count_outputs = find('convolution/count-outputs').right",
        REST,
    ),
    "network": (
        "import socket\nsocket.create_connection(('127.0.0.1', {port}), timeout=2).send(b'hello')",
        None,
        ALL,
    ),
    "edited-tests": ("def check(*a, **k): return 'Right.'\npoints = check", WRONG.format(""), REST),
    "patched-numpy": (
        "import numpy as np\nnp.array_equal = np.allclose = lambda *a, **k: True\n"
        "np.abs = lambda *a: 0\nnp.ndarray = object",
        WRONG.format(""),
        REST,
    ),
    "patched-package": (
        "import cnncourse.exercises.comparing as c, cnncourse.exercises.running as r\n"
        "c.difference = lambda *a, **k: None\n"
        "import builtins; builtins.all = lambda x: True",
        WRONG.format(""),
        REST,
    ),
    "forged": (
        "import os, json\n"
        "line = json.dumps({{'missing': False, 'value': 1, 'passed': True, 'score': 1}}) + '\\n'\n"
        "for n in range(3, 30):\n"
        "    try: os.write(n, 30 * line.encode())\n    except OSError: pass",
        None,
        None,
    ),
    "always-equal": (
        "class Yes(float):\n    def __eq__(self, other): return True\n"
        "    def __sub__(self, other): return 0.0\n    __rsub__ = __sub__",
        "def count_outputs(*a): return Yes(1)",
        REST,
    ),
    "exits-in-a-cell": ("import os; os._exit(0)", None, ALL),
    "exits-in-the-function": ("", WRONG.format("import os; os._exit(0)"), REST),
    "sys-exit": ("import sys; sys.exit(0)", WRONG.format("raise SystemExit"), REST),
    "segfault": ("import ctypes; ctypes.string_at(0)", None, ALL),
    "kills-its-parent": (
        "import os, signal\nfor pid in (os.getppid(), 1):\n"
        "    try: os.kill(pid, signal.SIGKILL)\n    except OSError: pass",
        None,
        None,
    ),
    "recursion": ("def f(): return f()\nf()", WRONG.format("return count_outputs(*[1] * 5)"), REST),
    "prints": (
        "for i in range(100): print('x' * 10**6)",
        WRONG.format("print('y' * 10**7)"),
        REST,
    ),
    "huge-file": ("open('big', 'wb').write(bytes(10**9))", None, ALL),
    "huge-answer": ("import numpy", "def count_outputs(*a): return numpy.zeros(10**8)", REST),
    "deep-answer": (
        "",
        "def count_outputs(*a):\n    x = []\n    for i in range(900): x = [x]\n    return x",
        REST,
    ),
    "odd-answer": ("", "def count_outputs(*a): return count_outputs", REST),
    "asks": ("name = input('who are you? ')", None, ALL),
    "magics": ("%matplotlib inline\n!rm -rf /\nx = 1", None, ALL),
    "syntax": ("def f(:", None, ALL),
    "nameless-error": (
        "class E(Exception): pass\nE.__name__ = E.__qualname__ = ''; E.__module__ = 'builtins'",
        "def count_outputs(*a): raise E('x')",
        REST,
    ),
    "half-a-letter": ("raise ValueError('\\ud800')", None, ALL),
    "error-without-words": (
        "class E(Exception):\n    def __str__(self): return 1 / 0\nraise E",
        None,
        ALL,
    ),
    "number-without-end": ("", "def count_outputs(*a): return 10**5000", REST),
    "flood": ("", "def count_outputs(*a): return 'x' * 60_000_000", REST),
    "flood-of-lists": ("", "def count_outputs(*a): return [[]] * 10**6", REST),
    "fills-memory": (
        "import os\nfull = 0\nfor place in ('/tmp', '/dev/shm', '.', '/', '/dev', '/usr'):\n"
        "    try:\n        for i in range(20): open(f'{{place}}/{{i}}', 'wb').write(bytes(2**24))\n"
        "    except OSError: full += 1\nraise ValueError(f'{{full}} of 6')",
        None,
        ALL,
    ),
    "kernel-settings": (  # opened, never written
        "import os\nos.open('/proc/sys/kernel/core_pattern', os.O_WRONLY)",
        None,
        ALL,
    ),
    "own-namespace": (
        "import ctypes\nraise ValueError(ctypes.CDLL(None).unshare(0x10020000))",
        None,
        ALL,
    ),
    "lists-the-package": (
        "import os\nimport cnncourse.exercises as e\n"
        "raise ValueError(' '.join(sorted(os.listdir(os.path.dirname(e.__file__)))))",
        None,
        ALL,
    ),
}
BROKEN = (0, 0, 0)


def notebook(first, count):
    """Return a submission as a notebook."""
    answers = [RIGHT[COUNT] if count is None else count, RIGHT[WEIGHTS], RIGHT[RGB]]
    return of_cells([first, *answers])


def of_cells(texts, metadata=()):
    """Return code cells as a notebook."""
    cells = [{"cell_type": "code", "metadata": {}, "source": t, "outputs": []} for t in texts]
    metadata = {} if metadata == () else metadata
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Grade the whole class; return what is to be looked at."""
    if not sandbox.is_there():
        message = "no bubblewrap on this machine: install Debian's bubblewrap to test the sandbox"
        if os.environ.get("CNNCOURSE_SANDBOX") == "require":
            pytest.fail(message)
        pytest.skip(message)
    top = tmp_path_factory.mktemp("hostile")
    here, results, victim = (top / name for name in ("submissions", "results", "victim"))
    for folder in (here, results, victim):
        folder.mkdir()
    (victim / "secret.txt").write_text(SECRET)
    (results / "grades.csv").write_text(SECRET)
    listener = __import__("socket").create_server(("127.0.0.1", 0))
    words = {"here": here, "results": results, "victim": victim}
    words["port"] = listener.getsockname()[1]
    for student, (first, count, _) in CLASS.items():
        (here / f"{student}.ipynb").write_text(notebook(first.format(**words), count))
    (here / "malformed.ipynb").write_text('{"cells": [')
    (here / "not-a-notebook.ipynb").write_text("[1, 2]")
    (here / "odd-cells.ipynb").write_text('{"cells": [3, {"cell_type": "code", "source": 5}]}')
    (here / "not-utf8.ipynb").write_bytes(b'{"cells": ["\xff\xfe"]}')
    (here / "deep.ipynb").write_text("[" * 100_000)
    (here / "many-cells.ipynb").write_text(of_cells(["1 / 0"] * 40_000))
    for student, metadata in {"no-metadata": None, "odd-metadata": {"kernelspec": "x"}}.items():
        (here / f"{student}.ipynb").write_text(of_cells(["x = 1"], metadata=metadata))
    (here / "two\nlines,=1.ipynb").write_text(notebook("", None))
    (here / os.fsdecode(b"not-utf8-\xff.ipynb")).write_text(notebook("", None))
    os.mkfifo(here / "pipe.ipynb")
    (here / "nothing").mkdir()
    (here / "link.ipynb").symlink_to(here / "honest.ipynb")
    (here / "two").mkdir()
    (here / "two" / "older.ipynb").write_text(notebook("", WRONG.format("")))
    (here / "two" / "week4.ipynb").write_text(notebook("", None))
    other = json.loads(notebook("", None))
    other["metadata"] = {"kernelspec": {"name": "ir", "language": "R"}}
    (here / "wrong-kernel.ipynb").write_text(json.dumps(other))
    before = [tree(folder) for folder in (here, victim)]
    exercise = find(COUNT)
    seconds, exercise.seconds = exercise.seconds, 1.0
    began = time.monotonic()
    try:
        limits = grading.Limits(cell=6.0, whole=60.0, memory=2 << 30)
        records = grading.grade(
            TASK, here, results, sandbox="require", jobs=4, limits=limits, progress=False
        )
    finally:
        exercise.seconds = seconds
    listener.setblocking(False)
    yield {
        "records": {record["student"]: record for record in records},
        "before": before,
        "after": [tree(folder) for folder in (here, victim)],
        "results": results,
        "seconds": time.monotonic() - began,
        "listener": listener,
    }
    listener.close()
    shutil.rmtree(top)


def tree(folder):
    """Return everything in a folder, with its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def points(record):
    """Return the points of the three exercises."""
    return tuple(record["exercises"][name]["points"] for name in TASK.exercises)


@pytest.mark.parametrize("student", CLASS)
def test_the_grade_is_what_the_code_earns(graded, student):
    earned, record = points(graded["records"][student]), graded["records"][student]
    expected = CLASS[student][2]
    if expected is None:  # it cheated its own process: it may lose, but not gain
        assert all(a <= b for a, b in zip(earned, ALL, strict=True))
    elif expected == REST:
        assert earned[1:] == REST[1:], record
        assert earned[0] < 2, record  # a wrong answer may be right in a few cases
    else:
        assert earned == expected, record


@pytest.mark.parametrize(
    ("student", "note"),
    [
        ("malformed", "it is not JSON"),
        ("not-a-notebook", "it has not the form of a notebook"),
        ("odd-cells", "it has not the form of a notebook"),
        ("not-utf8", "it is not UTF-8"),
        ("deep", "it has not the form of a notebook"),
        ("nothing", "no notebook was handed in"),
        ("link", "it is a link to another file"),
        ("pipe", "it is no file"),
        ("many-cells", "it has more than 1000 cells"),
    ],
)
def test_what_cannot_be_read_earns_nothing_and_says_why(graded, student, note):
    record = graded["records"][student]
    assert points(record) == BROKEN
    assert note in record["notes"][0]


def test_of_several_files_one_counts_and_a_wrong_kernel_is_noted(graded):
    two, other = graded["records"]["two"], graded["records"]["wrong-kernel"]
    assert points(two) == points(other) == ALL
    assert two["notes"] == ["several notebooks: week4.ipynb counts, not older.ipynb"]
    assert other["notes"] == ["the notebook's kernel is R, not Python"]


def test_odd_names_and_metadata_are_read_as_what_they_are(graded):
    for student in ("two lines,=1", "not-utf8-\\udcff"):
        assert points(graded["records"][student]) == ALL
    for student in ("no-metadata", "odd-metadata"):
        assert graded["records"][student]["notes"] == []


def test_nothing_outside_was_changed(graded):
    assert graded["before"] == graded["after"]
    assert (graded["results"] / "grades.csv").read_text() == SECRET


def test_nothing_outside_was_read(graded):
    told = json.dumps(graded["records"])
    assert SECRET not in told
    for student in ("reads-the-graders", "reads-others"):
        assert "FileNotFoundError" in graded["records"][student]["errors"]["1"]
    assert "Error" in graded["records"]["reads-the-solutions"]["errors"]["1"]
    listed = graded["records"]["lists-the-package"]["errors"]["1"]
    assert listed == "ValueError: __init__.py comparing.py running.py sources.py"


def test_the_kernel_takes_no_settings(graded):
    assert "Error" in graded["records"]["kernel-settings"]["errors"]["1"]


def test_no_place_can_be_filled_without_end(graded):
    assert graded["records"]["fills-memory"]["errors"] == {"1": "ValueError: 6 of 6"}
    assert graded["records"]["own-namespace"]["errors"] == {"1": "ValueError: -1"}


def test_the_network_was_not_reached(graded):
    with pytest.raises(BlockingIOError):
        graded["listener"].accept()
    assert "Error" in graded["records"]["network"]["errors"]["1"]


def test_no_process_was_started_or_is_left(graded):
    assert "PermissionError" in graded["records"]["children"]["errors"]["1"]
    lines = subprocess.run(["ps", "axo", "args"], capture_output=True, text=True, check=True).stdout
    assert "sleep 4242" not in lines
    assert "classroom.worker" not in lines


@pytest.mark.parametrize("exercise", catalogue(), ids=str)
def test_no_solution_is_sent(exercise):
    if exercise.kind == "function":
        sent = json.dumps(grading._request(exercise, "kim"))
        for function in (exercise.right, *exercise.others, *exercise.mistakes.values()):
            assert json.dumps(definition(function))[1:-1] not in sent


def test_an_error_is_right_only_where_one_is_expected():
    exercise = find(COUNT)
    for error in (":", " ", ": x", "\n"):
        outcomes = [grading._outcome({"error": error})] * len(exercise.arguments())
        assert assess(exercise, outcomes).score == 0


def test_what_is_no_answer_to_an_own_comparison_is_wrong():
    exercise = FunctionExercise("try/own", title="T", level="core", minutes=1, statement="")
    try:
        exercise.solution(lambda n: n)
        exercise.cases(lambda rng: [(6,)])
        exercise.compare(lambda expected, got, n: None if n % got == 0 else difference(1, 2))
        for value in (0, "x", [], {1: 2, "a": 3}):
            assert assess(exercise, [Outcome(value)]).score == 0
        assert difference({"a": 1}, {1: 2, "a": 3}).sentence == "got the keys ['a', 1]"
    finally:
        CATALOGUE.pop("try/own")


@pytest.mark.parametrize("nested", [False, True])
def test_one_long_text_in_a_list_does_not_fill_the_graders_memory(nested):
    words = ["x" * 200_000] + [""] * 20_000  # 16 GB as an array of texts
    tracemalloc.start()
    exercise = find(COUNT)
    outcomes = [Outcome([words] if nested else words) for _ in exercise.arguments()]
    assert assess(exercise, outcomes).score == 0
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


def test_a_dict_of_colliding_keys_is_not_read():
    keys = [[i * (2**61 - 1), None] for i in range(100_000)]  # all have the hash 0
    began = time.monotonic()
    assert grading._outcome({"value": {"dict": keys}}).error.startswith("ValueError")
    assert time.monotonic() - began < 1


def test_python_may_be_called_by_a_roundabout_way(monkeypatch):
    monkeypatch.setattr(sandbox.sys, "executable", f"/tmp/..{sandbox.sys.executable}")
    assert sandbox._starts.__wrapped__(sandbox.is_there())


def test_cells_that_end_the_process_take_no_more_time_than_there_is(tmp_path):
    (tmp_path / "kim.ipynb").write_text(of_cells(["import os; os._exit(0)"] * 1000))
    limits, began = grading.Limits(whole=2.0), time.monotonic()
    words = {"progress": False, "limits": limits}
    (record,) = grading.grade(TASK, tmp_path, tmp_path / "out", **words)
    assert record["notes"] == ["stopped after 2 seconds"]
    assert time.monotonic() - began < 6


def test_every_record_is_kept_once(graded):
    records = list(Path(graded["results"], "records").glob("*.json"))
    assert len(records) == len(graded["records"]) >= 40


def test_without_a_sandbox_the_limits_still_hold_and_all_processes_end(tmp_path):
    spawn = CLASS["daemon"][0].replace("4242", "4243")
    for student, first in {"daemon": spawn, "memory": CLASS["memory"][0]}.items():
        (tmp_path / f"{student}.ipynb").write_text(notebook(first, None))
    words = {"sandbox": "off", "progress": False, "limits": grading.Limits(cell=2.0)}
    records = grading.grade(TASK, tmp_path, tmp_path / "out", **words)
    assert [points(record) for record in records] == [ALL, ALL]
    assert "MemoryError" in records[1]["errors"]["1"]
    lines = subprocess.run(["ps", "axo", "args"], capture_output=True, text=True, check=True).stdout
    assert "sleep 4243" not in lines


def test_a_required_sandbox_that_is_missing_is_an_error(monkeypatch, tmp_path):
    (tmp_path / "kim.ipynb").write_text(notebook("", None))
    monkeypatch.setattr(sandbox, "is_there", lambda: False)
    with pytest.raises(RuntimeError, match="expected bubblewrap"):
        grading.grade(TASK, tmp_path, tmp_path / "out", sandbox="require", progress=False)
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL
