"""The benchmark: it compares what is equal, states its budgets, and its page is up to date.

No test asks for a time: the machine that runs them may be busy.
"""

import importlib.util
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

SCRIPT = ROOT / "benchmarks" / "convolution.py"
TEXTS, FLAGS = {"name", "shape"}, {"frequencies", "within"}
NUMBERS = {"ours_ms", "torch_ms", "ratio", "budget", "product_gflops"}
NUMBERS |= {"memory_mb", "memory_budget_mb"}
OPTIONAL = {"scipy_ms", "share"}


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            patch.setenv(name, "1")  # the script sets them; this sets them back
        spec = importlib.util.spec_from_file_location("benchmark", SCRIPT)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """Run a filter, a layer and a pooling as a reader would; return what is printed and written."""
    output = tmp_path_factory.mktemp("benchmark") / "quick.json"
    only = r"^correlate2d 512|^conv2d(_backward)? 32×3×|_pool2d(_backward)? 64×32×28×28, 2×2"
    command = [sys.executable, SCRIPT, "--quick", "--only", only, "--output", output]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout, json.loads(output.read_text("utf-8"))


def is_sound(row):
    """Say whether a row has what the page shows, all of it finite and above 0."""
    numbers = row.keys() - TEXTS - FLAGS
    return (
        numbers >= NUMBERS
        and numbers <= NUMBERS | OPTIONAL
        and all(np.isfinite(row[name]) and row[name] > 0 for name in numbers)
        and all(isinstance(row[name], bool) for name in FLAGS)
    )


def test_a_run_prints_a_row_for_each_case_and_ends_with_the_budgets(quick):
    printed, result = quick
    head, *lines, note, _, forward, backward, last = printed.splitlines()
    assert head.split()[:4] == ["name", "shape", "ours_ms", "torch_ms"]
    assert len(lines) == len(result["rows"]) == 8
    assert all(re.search(r"(within|OVER)$", line) for line in lines)
    assert note.startswith("ratio: ")
    assert re.match(r"median conv2d: [\d.e-]+ \(budget 2.0: (within|OVER)\)", forward)
    assert re.match(r"median conv2d_backward: [\d.e-]+ \(budget 1.5: (within|OVER)\)", backward)
    assert re.fullmatch(r"\d of 8 rows over budget", last)


def test_a_run_writes_method_machine_rows_and_medians(quick):
    _, result = quick
    assert list(result) == ["date", "method", "machine", "rows", "medians"]
    assert result["method"]["threads"] == 1
    assert result["machine"].keys() >= {"processor", "cores", "python", "numpy", "torch", "scipy"}
    assert all(map(is_sound, result["rows"]))
    assert [m["name"] for m in result["medians"]] == ["conv2d", "conv2d_backward"]
    assert ["scipy_ms" in row for row in result["rows"]] == [True] + 7 * [False]
    assert ["share" in row for row in result["rows"]] == 3 * [True] + 5 * [False]


def test_a_partial_run_leaves_the_committed_table_alone(script, monkeypatch, tmp_path):
    monkeypatch.setattr(script, "LATEST", tmp_path / "latest.json")
    monkeypatch.setattr(script, "row", lambda case, rounds, seconds: case._asdict())
    monkeypatch.setattr(script, "table", lambda rows: "")
    monkeypatch.setattr(script, "keep_memory", lambda: False)
    script.main(["--only", "nothing"])
    assert not script.LATEST.exists()


@pytest.mark.parametrize("wrong", [np.zeros_like, lambda y: y * 1.01, lambda y: y[:, ::-1]])
def test_a_wrong_result_is_refused_before_it_is_timed(script, monkeypatch, wrong):
    right = script.convolution.conv2d
    monkeypatch.setattr(script.convolution, "conv2d", lambda *a, **k: wrong(right(*a, **k)))
    monkeypatch.setattr(script, "measure", lambda *_: pytest.fail("it was timed"))
    (case,) = [c for c in script.cases() if f"{c.name} {c}".startswith("conv2d 32×3×32×32")]
    with pytest.raises(AssertionError, match="ours: conv2d"):
        script.row(case, 1, 0)


def test_no_call_holds_more_than_twice_its_arrays_and_8_megabytes(script):
    over = {}
    for case in script.cases():
        arrays, calls, _ = script.contestants(case)
        peak, allowed = script.memory(arrays, calls["ours"])
        assert peak > 0
        if peak > allowed:
            over[f"{case.name} {case}"] = f"{peak / 1e6:.1f} MB of {allowed / 1e6:.1f}"
    assert over == {}


def test_memory_counts_what_a_call_holds_and_lets_go(script):
    array = np.zeros(1000)
    peak, allowed = script.memory([array], lambda: np.ones(500_000)[:10].copy())
    assert 4e6 <= peak < 4.1e6
    assert allowed == 2 * (8000 + 80) + 8e6


def test_multiply_adds_are_those_of_the_layer(script):
    for case in script.cases():
        if case.name.startswith("conv2d"):
            (N, *image), (K, _, *kernel_size), _ = case.inputs
            layer = {"out_channels": K, "kernel_size": tuple(kernel_size), **case.words}
            count = script.convolution.layer_cost(tuple(image), layer, N)["multiply_adds"]
            assert script.contestants(case)[2] == count * (1 + ("backward" in case.name))


def test_a_ratio_over_budget_is_said(script):
    row = dict.fromkeys(NUMBERS, 1.0) | {"name": "conv2d", "shape": "1×1", "within": False}
    *_, note, _, median, last = script.table([row | {"ratio": 9.0}]).splitlines()
    assert "share" in note
    assert median == "median conv2d: 9 (budget 2.0: OVER)"
    assert last == "1 of 1 rows over budget"


def test_the_committed_table_has_every_row_of_the_script(script):
    latest = json.loads(script.LATEST.read_text("utf-8"))
    wanted = [(case.name, str(case), script.budget(case)) for case in script.cases()]
    again = "run `make bench`: the committed table is not that of the script"
    assert [(r["name"], r["shape"], r["budget"]) for r in latest["rows"]] == wanted, again
    assert all(map(is_sound, latest["rows"]))
    assert latest["medians"] == script.medians(latest["rows"])
    assert latest["method"]["rounds"] >= 7


# --- training ---


@pytest.fixture(scope="module")
def trainings():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            patch.setenv(name, "1")
        patch.syspath_prepend(SCRIPT.parent)
        yield importlib.import_module("training")


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """Run the contest with 500 images, as a reader would."""
    output = tmp_path_factory.mktemp("benchmark") / "short.json"
    command = [sys.executable, SCRIPT.with_name("training.py"), "--quick", "--output", output]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout, json.loads(output.read_text("utf-8"))


def test_a_short_contest_has_every_part_and_leaves_the_committed_one_alone(short):
    printed, result = short
    assert list(result) == ["date", "machine", "method", "step", "inference", "contest"]
    assert [row["name"] for row in result["contest"]] == ["examples", "fit", "numpy"]
    assert "examples 0: " in printed
    assert not any(row["reached"] for row in result["contest"] if row["name"] == "fit")  # 8 steps


def test_what_does_not_reach_the_goal_is_over_budget_however_fast(trainings):
    def way(accuracy, seconds):
        def run(clothes, test, seed, watch):
            watch.cpu += seconds
            return [accuracy]

        return run

    ways = {"examples": way(0.9, 10), "fit": way(0.9, 1), "numpy": way(0.8, 1)}
    rows = trainings.contest(None, None, (0, 1), ways)
    assert [row["reached"] for row in rows] == [True, True, False]
    assert [row["ratio"] for row in rows] == [1, 0.1, 0.1]
    assert [row["within"] for row in rows] == [True, True, False]
    slow = trainings.contest(None, None, (0,), ways | {"fit": way(0.9, 2)})
    assert not slow[1]["within"]


def test_both_lenets_learn_the_same(trainings):
    calls = trainings.lenets(batch_size=8)
    losses = {name: [call() for _ in range(4)] for name, call in calls.items()}
    np.testing.assert_allclose(losses["ours"], losses["torch"], rtol=1e-4)
    assert losses["ours"][-1] < losses["ours"][0]


def test_a_step_that_learns_something_else_is_refused_before_it_is_timed(trainings, monkeypatch):
    right = trainings.layers.softmax_cross_entropy

    def wrong(logits, labels):
        loss, dlogits = right(logits, labels)
        return loss, 1.5 * dlogits

    monkeypatch.setattr(trainings.layers, "softmax_cross_entropy", wrong)
    monkeypatch.setattr(trainings.convolution, "measure", lambda *_: pytest.fail("it was timed"))
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        trainings.steps(1, 0)


def test_the_examples_images_are_standardised_one_by_one(trainings):
    clothes = trainings.data.fashion("train", 20)
    image, label = trainings.Clothes(clothes)[7]
    expected = (clothes.images[7] - trainings.MEAN) / trainings.DEVIATION
    np.testing.assert_allclose(image, expected, atol=1e-6)
    assert label == clothes.labels[7]


def test_the_committed_contest_was_won_within_its_budgets(trainings):
    result = json.loads(trainings.LATEST.read_text("utf-8"))
    assert {row["name"]: len(row["runs"]) for row in result["contest"]} == dict.fromkeys(
        trainings.WAYS, len(trainings.SEEDS)
    )
    assert all(row["reached"] and row["within"] for row in result["contest"])
    assert [row["batch_size"] for row in result["step"]] == [32, 64, 128, 256]
    assert result["method"]["goal"] == trainings.GOAL
