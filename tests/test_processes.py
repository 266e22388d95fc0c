"""Chapter 7: two processes of torchrun train what one trains, and end together."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from test_fit import ROOT, environment, network, quiet, task

from cnncourse.training.augmentation import flip, mixup
from cnncourse.training.processes import _Team

CASES = {
    "an uneven last batch": {"N": 39, "batch_size": 9},
    "a last batch smaller than the number of processes": {"N": 33, "batch_size": 16},
    "batches smaller than the number of processes": {"N": 5, "batch_size": 1},
    "one image to validate": {"N": 8, "batch_size": 4, "validation": 1},
    "augmented": {"N": 40, "batch_size": 16, "augment": flip},
    "mixed": {"N": 40, "batch_size": 16, "mix": mixup, "smoothing": 0.1},
    "stopped early": {"N": 20, "batch_size": 8, "patience": 1, "epochs": 9, "schedule": "constant"},
}

WORKER = """
import os, sys, warnings
from pathlib import Path
sys.path.insert(0, {tests!r})
warnings.simplefilter("error")
import torch
torch.set_num_threads(1)
import test_fit as f
import test_processes as t

rank = int(os.environ["RANK"])
ends = {{name: t.shared(case, seed=rank) for name, case in t.CASES.items()}}
folder = Path(f"files{{rank}}")
(first, history), (again, _) = f.busy(folder), f.busy(folder)
ends["checkpoint"] = [len(history.losses), folder.exists(), f.same(first, again)]
try:
    f.quiet(f.network(), f.task(8), epochs=1, augment=t.poison_the_second)
except FloatingPointError as error:
    ends["trouble"] = str(error)
model, drawn = f.network(normalise=True), []
f.quiet(model, f.task(), epochs=1, augment=t.noting(drawn))
ends["statistics"], ends["drawn"] = model[1].running_mean, drawn
torch.save(ends, f"end{{rank}}.pt")
Path(f"pid{{rank}}").write_text(str(os.getpid()))
f.quiet(f.network(), f.task(seed=rank), epochs=1)  # other data: process 1 stops
"""


def shared(case, seed=0):
    """Return the weights and the history of a case."""
    case = {"epochs": 2, "lr": 0.02, **case}
    model, other = network(seed), task(case.pop("validation", 21), seed=1)
    history = quiet(model, task(case.pop("N")), (other[0], 2 - other[1]), **case)
    return model.state_dict(), vars(history)


def poison_the_second(images, generator):
    images[1] = np.nan  # the first image of the second process's share
    return images


def noting(drawn):
    """Return an augmentation that only notes what it could draw: as all do, and as this process."""

    def note(images, generator):
        drawn.append((torch.rand(1, generator=generator).item(), torch.rand(1).item()))
        return images

    return note


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """Return what two processes of torchrun came to, and how it ended when one of them failed."""
    folder = tmp_path_factory.mktemp("processes")
    (folder / "worker.py").write_text(WORKER.format(tests=str(ROOT / "tests")))
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "worker.py"]
    words = {"capture_output": True, "text": True, "check": False}
    done = subprocess.run(
        [sys.executable, *launch], cwd=folder, env=environment(), timeout=100, **words
    )
    ends = [folder / f"end{rank}.pt" for rank in (0, 1)]
    assert all(end.exists() for end in ends), done.stderr
    return [torch.load(end) for end in ends], done, folder


@pytest.mark.parametrize("name", CASES)
def test_two_processes_equal_one(processes, name):
    (weights, history), ours = shared(CASES[name]), processes[0][0][name]
    np.testing.assert_allclose(ours[1]["losses"], history["losses"], rtol=1e-5)
    assert len(ours[1]["epochs"]) == len(history["epochs"])
    for epoch, expected in zip(ours[1]["epochs"], history["epochs"], strict=True):
        assert epoch == pytest.approx(expected, rel=1e-5)
    for key, value in weights.items():
        torch.testing.assert_close(ours[0][key], value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_both_processes_end_in_the_same_bits(processes, name):
    (weights, history), (others, other) = (end[name] for end in processes[0])
    assert history == other
    assert all(others[key].equal(value) for key, value in weights.items())


def test_both_processes_stop_early(processes):
    assert all(end["stopped early"][1]["stopped_early"] for end in processes[0])


def test_the_first_process_alone_writes_checkpoints_and_all_take_them_up(processes):
    assert [end["checkpoint"] for end in processes[0]] == [[28, True, True], [28, False, True]]


def test_trouble_in_one_process_stops_both(processes):
    messages = [end["trouble"] for end in processes[0]]
    assert messages[0] == messages[1]
    assert "loss nan" in messages[0]


def test_both_processes_have_the_mean_of_their_statistics(processes):
    first, second = (end["statistics"] for end in processes[0])
    assert first.equal(second)
    model = network(normalise=True)
    quiet(model, task(), epochs=1)  # one step; the mean of two halves is that of the whole
    torch.testing.assert_close(first, model[1].running_mean)


def test_both_processes_change_images_alike_and_drop_other_units(processes):
    (changes, units), (other_changes, other_units) = (end["drawn"][0] for end in processes[0])
    assert changes == other_changes
    assert units != other_units


def test_other_data_in_a_process_end_all_and_leave_none_behind(processes):
    _, done, folder = processes
    assert done.returncode != 0
    assert "checkpoint: expected the run of process 0, got train was" in done.stderr
    for rank in (0, 1):
        with pytest.raises(ProcessLookupError):
            os.kill(int((folder / f"pid{rank}").read_text()), 0)


def test_one_process_has_all_of_it_and_sums_nothing():
    rows, alone = torch.arange(3.0), _Team()
    assert alone.share(rows).equal(rows)
    alone.add_up(rows)
    alone.average(rows)
    assert rows.tolist() == [0, 1, 2]
    assert alone.agree(rows) is rows


def test_the_shares_of_all_processes_are_the_batch_once():
    shares = [_Team(rank, 3).share(torch.arange(7)) for rank in range(3)]
    assert [share.tolist() for share in shares] == [[0, 3, 6], [1, 4], [2, 5]]
