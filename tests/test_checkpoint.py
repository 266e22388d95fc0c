"""Chapter 7: checkpoints, torn, flipped and interrupted at every point."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cnncourse.training import checkpoint
from cnncourse.training.checkpoint import load_checkpoint, save_checkpoint

DAMAGED = "ignore:.*is damaged or missing"


class Crash(BaseException):
    """The machine stops here."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.pt"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return the bytes of one checkpoint."""
    path = tmp_path_factory.mktemp("written") / "net.pt"
    save_checkpoint(path, {"step": 1})
    return path.read_bytes()


def crash():
    raise Crash


# --- what is saved comes back ---


def test_what_is_saved_comes_back(path):
    model = torch.nn.Linear(3, 2).double()
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 3, dtype=torch.float64)).sum().backward()
    optimiser.step()
    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "list": [0.1, None]}
    save_checkpoint(path, state)
    loaded = load_checkpoint(path)
    assert loaded["list"] == [0.1, None]
    assert all(loaded["model"][name].equal(value) for name, value in model.state_dict().items())
    assert loaded["optimiser"]["state"][0]["exp_avg"].equal(
        optimiser.state[model.weight]["exp_avg"]
    )


def test_there_is_none_before_the_first(path):
    assert load_checkpoint(path) is None


def test_the_one_before_is_kept_as_previous(path):
    for step in range(3):
        save_checkpoint(path, {"step": step})
    assert load_checkpoint(path) == {"step": 2}
    assert load_checkpoint(f"{path}.previous") == {"step": 1}
    assert {p.name for p in path.parent.iterdir()} == {"net.pt", "net.pt.previous"}


def test_missing_folders_are_made(tmp_path):
    save_checkpoint(tmp_path / "a" / "b" / "net.pt", {"step": 1})
    assert load_checkpoint(tmp_path / "a" / "b" / "net.pt") == {"step": 1}


def test_the_bytes_are_on_the_disk_before_the_names_change(path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (calls.append("sync"), fsync(file)))
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("rename"), replace(*names)))
    save_checkpoint(path, {"step": 1})
    save_checkpoint(path, {"step": 2})
    assert calls == ["sync", "rename", "sync", "sync", "rename", "rename", "sync"]


# --- damage ---


@given(where=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_not_believed(written, where):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "exists", lambda self: True)
        patch.setattr(Path, "read_bytes", lambda self: written[: int(where * len(written))])
        assert checkpoint._whole_content(Path("net.pt")) is None


@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_not_believed(written, where, bit):
    flipped = bytearray(written)
    flipped[int(where * len(written))] ^= 1 << bit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "exists", lambda self: True)
        patch.setattr(Path, "read_bytes", lambda self: bytes(flipped))
        assert checkpoint._whole_content(Path("net.pt")) is None


@pytest.mark.parametrize("length", [0, 10, 54, 55, 300])
def test_a_torn_newest_gives_way_to_the_previous_and_says_so(path, length):
    save_checkpoint(path, {"step": 1})
    save_checkpoint(path, {"step": 2})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.warns(
        UserWarning, match=r"net\.pt is damaged or missing: going on from net\.pt\.p"
    ):
        assert load_checkpoint(path) == {"step": 1}


@pytest.mark.filterwarnings(DAMAGED)
def test_a_damaged_newest_never_replaces_a_whole_previous(path, monkeypatch):
    save_checkpoint(path, {"step": 1})
    save_checkpoint(path, {"step": 2})
    path.write_bytes(b"torn")
    save_checkpoint(path, {"step": 3})
    assert load_checkpoint(path) == {"step": 3}
    assert load_checkpoint(f"{path}.previous") == {"step": 1}


def test_two_damaged_files_are_an_error_that_says_what_to_do(path):
    save_checkpoint(path, {"step": 1})
    save_checkpoint(path, {"step": 2})
    for place in path.parent.iterdir():
        place.write_bytes(b"torn")
    with pytest.raises(ValueError, match=r"path: expected a whole .* remove them to begin anew"):
        load_checkpoint(path)


def test_a_first_checkpoint_that_is_damaged_is_an_error(path):
    path.write_bytes(b"torn")
    with pytest.raises(ValueError, match="path: expected a whole checkpoint, got damage"):
        load_checkpoint(path)


def test_code_in_a_file_does_not_run(path):
    save_checkpoint(path, {"step": np.float64(1)})  # a class of NumPy: more than plain data
    with pytest.raises(ValueError, match="path: expected plain data"):
        load_checkpoint(path)


# --- what tells one run from another ---


def test_settings_are_spelt_without_addresses():
    class Turn:
        def __call__(self, images):
            return images

    bound = partial(save_checkpoint, "a", state=(load_checkpoint, 2))
    assert checkpoint._spelt(bound) == "save_checkpoint(a, (state, (load_checkpoint, 2)))"
    assert checkpoint._spelt(Turn()).endswith("Turn")
    assert [checkpoint._spelt(value) for value in (0.1, None, "sgd")] == ["0.1", "None", "sgd"]


def test_a_digest_changes_with_any_number_and_not_with_the_layout():
    array = np.arange(6.0).reshape(2, 3)
    assert checkpoint._digest(array) == checkpoint._digest(np.asfortranarray(array))
    assert checkpoint._digest(array, array) != checkpoint._digest(array, array + 1e-15)


# --- interrupted at every point ---


@pytest.mark.filterwarnings(DAMAGED)
@pytest.mark.parametrize("saved", [0, 1, 2])
@pytest.mark.parametrize("calls", [0, 1])
@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_after_a_crash_at_any_point_the_last_or_the_new_one_is_whole(
    path, monkeypatch, saved, calls, function
):
    for step in range(1, saved + 1):
        save_checkpoint(path, {"step": step})
    real, left = getattr(os, function), iter(range(calls))
    stop = object()
    monkeypatch.setattr(
        os, function, lambda *args: crash() if next(left, stop) is stop else real(*args)
    )
    try:
        save_checkpoint(path, {"step": saved + 1})
        crashed = False
    except Crash:
        crashed = True
    monkeypatch.undo()
    assert crashed or (saved, function, calls) == (0, "replace", 1)  # no previous to rename
    found = load_checkpoint(path)
    allowed = [{"step": saved} if saved else None, {"step": saved + 1}]
    assert found in allowed
    save_checkpoint(path, {"step": 9})  # and the next run writes on
    assert load_checkpoint(path) == {"step": 9}


@pytest.mark.filterwarnings(DAMAGED)
def test_a_crash_while_writing_leaves_the_last_one(path):
    save_checkpoint(path, {"step": 1})
    path.with_name("net.pt.partial").write_bytes(path.read_bytes()[:40])
    assert load_checkpoint(path) == {"step": 1}


def test_a_full_disk_leaves_the_last_one(path, monkeypatch):
    save_checkpoint(path, {"step": 1})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(path, {"step": 2})
    assert load_checkpoint(path) == {"step": 1}


# --- refusals ---


def test_a_folder_that_cannot_be_made_is_the_systems_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((NotADirectoryError, FileExistsError)):
        save_checkpoint(tmp_path / "file" / "net.pt", {})


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_no_permission_is_the_systems_error(tmp_path):
    code = "import os; from cnncourse.training.checkpoint import save_checkpoint as save\n"
    code += "os.getuid() or os.setuid(65534)\n"  # root may do anything
    code += "save('net.pt', {})"
    tmp_path.chmod(0o555)
    root = str(Path(__file__).resolve().parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    tmp_path.chmod(0o700)
    assert "PermissionError" in done.stderr
    assert list(tmp_path.iterdir()) == []
