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
