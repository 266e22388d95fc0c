"""Chapter 7: one fit: against plain torch, killed and resumed."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from cnncourse.data import Dataset
from cnncourse.training.augmentation import flip, mixup, shift
from cnncourse.training.checkpoint import load_checkpoint, save_checkpoint
from cnncourse.training.evaluation import evaluate
from cnncourse.training.fit import History, fit
from cnncourse.training.loop import batches
from cnncourse.training.optimisers import SCHEDULES

ROOT = Path(__file__).resolve().parent.parent
quiet = partial(fit, progress=False)


@pytest.fixture(autouse=True)
def _fast_disk(monkeypatch):
    """Wait for no disk: that is tested with the checkpoints."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


def task(N=50, seed=0, side=6, dtype=np.float32):
    """Return images with a bright left, right or upper part, and which it is."""
    rng = np.random.default_rng(seed)
    labels = np.arange(N) % 3
    images = rng.normal(0, 0.5, (N, 1, side, side)).astype(dtype)
    images[labels == 0, :, :, : side // 2] += 1
    images[labels == 1, :, :, side // 2 :] += 1
    images[labels == 2, :, : side // 2] += 1
    return images, labels


def network(seed=0, dropout=0.0, normalise=False, dtype=torch.float32, classes=3):
    """Return a small network with weights that the seed fixes."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        more = [nn.BatchNorm2d(4)] if normalise else []
        layers = [nn.Conv2d(1, 4, 3, padding=1), *more, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
        return nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(36, classes)).to(dtype)


def same(ours, theirs):
    """Say whether two models have the same weights and statistics, to the bit."""
    ours, theirs = ours.state_dict(), theirs.state_dict()
    return ours.keys() == theirs.keys() and all(ours[n].equal(theirs[n]) for n in ours)


def by_hand(model, optimiser, data, epochs, batch_size, schedule=None, smoothing=0.0, seed=0):
    """Train with nothing but torch."""
    images, labels = map(torch.from_numpy, data)
    model.train()
    losses, rate = [], optimiser.param_groups[0]["lr"]
    steps = epochs * -(-len(images) // batch_size)
    for epoch in range(epochs):
        for places in batches(len(images), batch_size, np.random.default_rng([seed, epoch])):
            if schedule:
                optimiser.param_groups[0]["lr"] = rate * schedule(len(losses) / (steps - 1))
            optimiser.zero_grad()
            loss = functional.cross_entropy(
                model(images[places]), labels[places], label_smoothing=smoothing
            )
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    return losses


# --- it is the loop ---


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam", "adamw"])
def test_the_losses_are_those_of_a_loop_in_plain_torch(name):
    data, theirs, ours = task(dtype=np.float64), *(network(dtype=torch.float64) for _ in "ab")
    words = {"lr": 0.05, "weight_decay": 0.1}
    kind = {"sgd": "SGD", "momentum": "SGD", "adam": "Adam", "adamw": "AdamW"}[name]
    more = {"momentum": 0.8} if name == "momentum" else {}
    optimiser = getattr(torch.optim, kind)(theirs.parameters(), **words, **more)
    expected = by_hand(theirs, optimiser, data, 2, 16, smoothing=0.1)
    history = quiet(
        *(ours, data),
        **words,
        **more,
        epochs=2,
        batch_size=16,
        optimiser=name,
        schedule="constant",
        smoothing=0.1,
    )
    np.testing.assert_allclose(history.losses, expected, rtol=1e-10)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_step_has_its_schedules_rate(name):
    data, theirs, ours = task(dtype=np.float64), *(network(dtype=torch.float64) for _ in "ab")
    optimiser = torch.optim.SGD(theirs.parameters(), lr=0.3)
    expected = by_hand(theirs, optimiser, data, 3, 20, SCHEDULES[name])
    history = quiet(ours, data, epochs=3, batch_size=20, lr=0.3, optimiser="sgd", schedule=name)
    np.testing.assert_allclose(history.losses, expected, rtol=1e-10)
    assert history.epochs[-1]["lr"] == pytest.approx(0.3 * SCHEDULES[name](1))


def test_a_schedule_and_an_optimiser_may_be_functions():
    def two_rates(parameters):
        first, *rest = parameters
        return torch.optim.SGD([{"params": [first], "lr": 0.0}, {"params": rest, "lr": 0.1}])

    model, start = network(), network()
    history = quiet(model, task(), epochs=2, optimiser=two_rates, schedule=lambda share: 1 - share)
    assert model[0].weight.equal(start[0].weight)
    assert not model[-1].weight.equal(start[-1].weight)
    assert history.epochs[-1]["lr"] == 0


def test_frozen_weights_stay():
    model, start = network(), network()
    model[0].requires_grad_(False)
    quiet(model, task(), epochs=1)
    assert model[0].weight.equal(start[0].weight)
    assert not model[-1].weight.equal(start[-1].weight)


def test_it_learns():
    model = network()
    history = quiet(model, task(300), task(100, seed=1), epochs=8, lr=0.02, batch_size=32)
    assert history.epochs[-1]["validation_accuracy"] > 0.95


def test_a_dataset_a_pair_of_arrays_and_one_of_tensors_are_the_same():
    images, labels = task()
    forms = [
        Dataset(images, labels, ("a", "b", "c"), "made here", "CC0"),
        (images, labels),
        [torch.from_numpy(images), torch.from_numpy(labels)],
        (images.tolist(), labels.tolist()),
    ]
    models = [network() for _ in forms]
    losses = [quiet(m, form, epochs=1).losses for m, form in zip(models, forms, strict=True)]
    assert losses[1:] == losses[:-1]


@pytest.mark.filterwarnings("error")
def test_images_may_be_read_only_reversed_integers_or_of_the_other_byte_order():
    images, labels = task()
    whole = (images * 50).clip(0, 255).astype(np.uint8)
    expected = quiet(network(), (whole.astype(np.float32), labels), epochs=1).losses
    whole.flags.writeable = False
    other = whole.astype(">f8"), labels.astype(">i2")
    reverse = np.ascontiguousarray(whole[::-1])[::-1], np.ascontiguousarray(labels[::-1])[::-1]
    for data in ((whole, labels), other, reverse):
        assert quiet(network(), data, epochs=1).losses == expected


def test_the_data_stay_as_they_are():
    images, labels = task()
    before = images.copy(), labels.copy()

    def spoil(images, generator):
        return images.mul_(0)

    quiet(network(), (images, labels), (images, labels), epochs=2, augment=spoil)
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(labels, before[1])


def test_one_step_in_all_is_enough():
    assert len(quiet(network(), task(5), epochs=1).losses) == 1


# --- randomness ---


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    def losses(seed):
        model = network(dropout=0.5)
        return quiet(model, task(), epochs=2, seed=seed, augment=flip, mix=mixup).losses

    assert losses(3) == losses(3) != losses(4)


def test_the_callers_random_state_is_untouched_and_counts_for_nothing():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = quiet(network(dropout=0.5), task(), epochs=1).losses
    assert torch.get_rng_state().equal(before)
    torch.manual_seed(2)
    assert quiet(network(dropout=0.5), task(), epochs=1).losses == first


def test_every_step_draws_other_numbers():
    drawn = []

    def note(images, generator):
        drawn.append((torch.rand(1, generator=generator).item(), torch.rand(1).item()))
        return images

    quiet(network(), task(), epochs=2, batch_size=10, augment=note)
    assert len({number for pair in drawn for number in pair}) == 20


def test_mixed_targets_are_shares_of_all_classes():
    seen = []

    def note(images, targets, generator):
        seen.append(targets)
        return images, targets

    data = task(dtype=np.float64)
    models = [network(dtype=torch.float64) for _ in "ab"]
    mixed = quiet(models[0], data, epochs=1, mix=note, smoothing=0.1)
    plain = quiet(models[1], data, epochs=1, smoothing=0.1)
    assert seen[0].shape == (50, 3)
    np.testing.assert_allclose(mixed.losses, plain.losses, rtol=1e-10)


# --- modes ---


def test_modes_are_put_back_and_frozen_statistics_stay():
    model, data = network(normalise=True), task()
    model[1].eval()
    quiet(model, data, data, epochs=1)
    assert model.training
    assert not model[1].training
    assert model[1].running_mean.equal(torch.zeros(4))
    model = network(normalise=True).eval()
    quiet(model, data, data, epochs=1)
    assert not model.training
    assert not model[1].running_mean.equal(torch.zeros(4))  # it was trained all the same


# --- history ---


def test_the_history_has_what_evaluate_says():
    model, data, other = network(dropout=0.5), task(), task(30, seed=1)
    history = quiet(model, data, other, epochs=2, batch_size=20)
    last = history.epochs[-1]
    assert [epoch["epoch"] for epoch in history.epochs] == [1, 2]
    assert last["loss"] == pytest.approx(np.mean(history.losses[3:]))
    result = evaluate(model, other)
    assert last["validation_loss"] == pytest.approx(result["loss"], rel=1e-6)
    assert last["validation_accuracy"] == result["accuracy"]


def test_histories_are_told_in_a_line():
    assert repr(History()) == "<0 epochs, 0 steps>"
    epoch = {"epoch": 1, "loss": 0.5, "validation_loss": None, "validation_accuracy": None}
    assert repr(History([0.5], [epoch])) == "<1 epoch, 1 step: loss 0.5000>"
    assert repr(History([0.5], [epoch], None, True)).endswith(", stopped early>")
    told = [epoch | {"validation_accuracy": share} for share in (0.25, 0.75, 0.5)]
    assert "validation accuracy 0.7500 in the best epoch, 2" in repr(History([0.5], told, 2))


# --- early stopping ---


def test_patience_stops_and_puts_the_best_weights_back():
    images, labels = task(30)
    wrong = np.random.default_rng(0).permutation(labels)  # nothing to learn for long
    model, states = network(normalise=True), []

    def note(images, generator):
        states.append({n: v.clone() for n, v in model.state_dict().items()})
        return images

    words = {"epochs": 60, "lr": 0.05, "schedule": "constant", "batch_size": 30}
    history = quiet(model, (images, wrong), task(30, 1), patience=3, augment=note, **words)
    losses = [epoch["validation_loss"] for epoch in history.epochs]
    assert history.stopped_early
    assert history.best_epoch == np.argmin(losses) + 1 == len(losses) - 3
    best = states[history.best_epoch]  # as it was when the epoch after the best began
    assert all(value.equal(best[name]) for name, value in model.state_dict().items())


def test_the_best_weights_are_put_back_at_the_end_too():
    model, other = network(), task(30, seed=1)
    history = quiet(
        model, task(30), (other[0], 2 - other[1]), epochs=3, lr=0.05, batch_size=5, patience=3
    )
    assert not history.stopped_early
    best = history.epochs[history.best_epoch - 1]
    assert evaluate(model, (other[0], 2 - other[1]))["loss"] == pytest.approx(
        best["validation_loss"], rel=1e-6
    )


def test_a_validation_loss_that_is_no_number_is_no_best():
    class Late(nn.Sequential):
        calls = 0

        def forward(self, x):
            self.calls += not self.training and len(x) > 1
            return super().forward(x) * (np.nan if not self.training and self.calls == 1 else 1)

    model = Late(nn.Flatten(), nn.Linear(36, 3))
    history = quiet(model, task(), task(30, seed=1), epochs=4, patience=2)
    assert np.isnan(history.epochs[0]["validation_loss"])
    assert history.best_epoch == 4


# --- trouble ---


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_loss_that_is_no_number_stops_before_the_step(bad):
    model, calls = network(normalise=True), []

    def poison(images, generator):
        calls.append({n: v.clone() for n, v in model.state_dict().items()})
        return images * bad if len(calls) == 5 else images

    with pytest.raises(FloatingPointError, match=r"epoch 2, step 2, lr 0\.01.*smaller lr"):
        quiet(*(model, task()), epochs=3, batch_size=20, augment=poison, schedule="constant")
    assert all(value.equal(calls[4][name]) for name, value in model.state_dict().items())


def test_a_gradient_that_is_no_number_stops_before_the_step():
    class Steep(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, dy):
            return dy * np.nan

    class Layer(nn.Module):
        def forward(self, x):
            return Steep.apply(x) if x.requires_grad else x

    model, start = nn.Sequential(network(), Layer()), nn.Sequential(network(), Layer())
    with pytest.raises(FloatingPointError, match="a gradient that is not finite, in epoch 1"):
        quiet(model, task(), epochs=1)
    assert same(model, start)


def test_after_trouble_the_checkpoint_is_good_and_the_run_can_be_seen(tmp_path):
    path = tmp_path / "run.pt"
    words = {"epochs": 50, "lr": 1e30, "optimiser": "sgd", "schedule": "constant"}
    with pytest.raises(FloatingPointError):
        quiet(network(), task(), checkpoint=path, checkpoint_every=1, **words)
    state = load_checkpoint(path)
    assert all(value.isfinite().all() for value in state["model"].values())
    assert np.isfinite(state["history"]["losses"]).all()


# --- checkpoints ---

WORDS = {"epochs": 4, "batch_size": 16, "lr": 0.05, "smoothing": 0.1, "patience": 3}


def busy(folder, **words):
    """Train a network with all that is random or has a memory, and checkpoints."""
    model = network(dropout=0.3, normalise=True)
    files = {"checkpoint": f"{folder}/run.pt", "checkpoint_every": 3}
    words = {**WORDS, "augment": partial(shift, pixels=1), **files, **words}
    return model, quiet(model, task(100), task(30, seed=1), **words)


def killed(function, calls):
    """Return the function, which kills its process without a word when it is called so often."""
    left = [None] * calls

    def wrapped(*args, **words):
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left.pop()
        return function(*args, **words)

    wrapped.__qualname__ = getattr(function, "__qualname__", "partial")
    return wrapped


KILLER = """
import os, sys, warnings
from pathlib import Path
sys.path.insert(0, {tests!r})
import torch
torch.set_num_threads(1)
import test_fit as t

os.fsync = lambda file: None  # a killed process loses nothing that is written
t.quiet(t.network(), t.task(), epochs=1)  # loads what torch loads late, once for all

def part(work):  # in a process of its own: True if it was killed
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in (0, 9), status
    return status == 9

def finish(folder):
    warnings.simplefilter("ignore")
    model, history = t.busy(folder, augment=t.shifted)
    torch.save([model.state_dict(), vars(history)], f"{{folder}}/end.pt")

def train_until(folder, steps):
    t.busy(folder, augment=t.killed(t.shifted, steps))

def save_until(folder, name, calls):
    setattr(os, name, t.killed(getattr(os, name), calls))
    t.busy(folder, augment=t.shifted)

def go(folder, *works):
    Path(folder).mkdir()
    for work, *args in works:
        assert part(lambda: work(folder, *args))
    if folder == "torn":
        path = Path("torn/run.pt")
        path.write_bytes(path.read_bytes()[:-9])
    assert not part(lambda: finish(folder))

go("undisturbed")
for steps in (0, 1, 4, 7, 12):
    go(f"killed at {{steps}}", (train_until, steps))
go("killed twice", (train_until, 9), (train_until, 11))
go("torn", (train_until, 11))
for name, calls in (("fsync", 2), ("fsync", 7), ("replace", 1), ("replace", 6), ("replace", 7)):
    go(f"killed in {{name}} {{calls}}", (save_until, name, calls))
"""


def shifted(images, generator):
    return shift(images, generator, pixels=1)


def environment():
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
    }


@pytest.fixture(scope="module")
def killings(tmp_path_factory):
    """Return, by name, how runs ended that were killed and went on: weights and history."""
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-c", KILLER.format(tests=str(ROOT / "tests"))]
    words = {"capture_output": True, "text": True, "check": False}
    done = subprocess.run(command, cwd=folder, env=environment(), timeout=100, **words)
    assert done.returncode == 0, done.stderr
    return {path.parent.name: torch.load(path) for path in folder.glob("*/end.pt")}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX")
def test_killed_at_any_step_or_in_saving_and_resumed_it_ends_in_the_same_bits(killings):
    weights, history = killings["undisturbed"]
    assert len(killings) == 13
    assert len(history["losses"]) == 28
    for name, (others, other) in killings.items():
        assert other == history, name
        assert all(others[key].equal(value) for key, value in weights.items()), name


def test_a_finished_run_is_returned_at_once(tmp_path):
    model, history = busy(tmp_path, augment=flip)

    def never(images, generator):
        raise AssertionError

    never.__qualname__ = "flip"
    again, same_history = busy(tmp_path, augment=never)
    assert vars(same_history) == vars(history)
    assert same(again, model)


def test_a_run_without_checkpoints_has_the_same_bits(tmp_path):
    model, history = busy(tmp_path)
    other, other_history = busy(tmp_path, checkpoint=None, checkpoint_every=None)
    assert vars(history) == vars(other_history)
    assert same(model, other)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"lr": 0.1}, r"got lr was 0\.05, is 0\.1$"),
        ({"batch_size": 8}, "got batch_size was 16, is 8$"),
        ({"seed": 1, "epochs": 5}, "got epochs was 4, is 5; seed was 0, is 1$"),
        ({"optimiser": "adam"}, "got optimiser was adamw, is adam$"),
        ({"augment": None}, r"got augment was shift\(\(pixels, 1\)\), is None$"),
        (
            {"augment": partial(shift, pixels=2)},
            r"got augment was shift\(\(pixels, 1\)\), is shift\(\(pixels, 2\)\)$",
        ),
    ],
)
def test_other_words_are_refused_by_name(tmp_path, changed, said):
    busy(tmp_path)
    with pytest.raises(ValueError, match=f"checkpoint: expected the run of .*run.pt, {said}"):
        busy(tmp_path, **changed)


def test_another_model_or_other_data_are_refused(tmp_path):
    path, (images, labels) = tmp_path / "run.pt", task()
    words = {"epochs": 1, "checkpoint": path}
    quiet(network(dropout=0.3), (images, labels), **words)
    with pytest.raises(ValueError, match=r"got model was Sequential \w+, is Sequential \w+$"):
        quiet(network(dropout=0.4), (images, labels), **words)
    with pytest.raises(ValueError, match=r"got train was \w+, is \w+$"):
        quiet(network(dropout=0.3), (images, labels[::-1]), **words)
    with pytest.raises(ValueError, match=r"got validation was \w+, is \w+$"):
        quiet(network(dropout=0.3), (images, labels), (images, labels), **words)


@pytest.mark.parametrize("part", ["weights", "statistics"])
def test_other_frozen_parts_are_another_model(tmp_path, part):
    def frozen(number):
        model = network(normalise=True)
        model[number].requires_grad_(part == "statistics").train(part == "weights")
        return model

    words = {"epochs": 1, "checkpoint": tmp_path / "run.pt"}
    quiet(frozen(0), task(), **words)
    with pytest.raises(ValueError, match=r"got model was Sequential \w+, is Sequential \w+$"):
        quiet(frozen(1), task(), **words)


def test_a_place_that_cannot_be_written_is_found_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((NotADirectoryError, FileExistsError)):
        quiet(network(), task(), epochs=1, augment=pytest.fail, checkpoint=tmp_path / "file" / "x")


@pytest.mark.parametrize("state", [{"step": 1}, [1]])
def test_a_file_that_is_no_run_is_refused(tmp_path, state):
    save_checkpoint(tmp_path / "run.pt", state)
    with pytest.raises(ValueError, match="checkpoint: expected the run of"):
        busy(tmp_path)


# --- the bar ---


def test_the_bar_goes_to_standard_error_and_can_be_left_out(capsys):
    fit(network(), task(), task(), epochs=2, batch_size=25)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "4/4" in shown.err
    assert "loss=" in shown.err
    assert "validation=" in shown.err
    quiet(network(), task(), epochs=1)
    assert capsys.readouterr().err == ""


# --- refusals ---


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"epochs": 0}, "epochs: expected a whole number above 0, got 0"),
        ({"epochs": 1.5}, r"epochs: expected a whole number above 0, got 1\.5"),
        ({"batch_size": 0}, "batch_size: expected a whole number above 0"),
        ({"lr": -1}, "lr: expected a number above 0"),
        ({"optimiser": "lion"}, "optimiser: expected one of 'sgd', 'momentum', 'adam', 'adamw'"),
        ({"optimiser": lambda parameters: None}, "optimiser: expected it to return a torch"),
        ({"schedule": "zigzag"}, "schedule: expected one of 'constant', 'step', 'cosine', 'one_c"),
        ({"momentum": 1}, "momentum: "),
        ({"smoothing": 1}, "smoothing: "),
        ({"weight_decay": -1}, "weight_decay: "),
        ({"seed": -1}, "seed: expected a whole number ≥ 0, got -1"),
        ({"patience": 0}, "patience: expected a whole number above 0"),
        ({"patience": 1}, "patience: expected a validation set"),
        ({"checkpoint_every": 1}, "checkpoint_every: expected checkpoint"),
        ({"device": "abacus"}, "device: expected 'cpu' or 'cuda', got 'abacus'"),
    ],
)
def test_words_that_make_no_sense_are_refused_by_name(words, said):
    with pytest.raises(ValueError, match=said):
        quiet(network(), task(), **{"epochs": 1, **words})


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a GPU here")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="device: expected 'cpu', for torch sees no GPU here"):
        quiet(network(), task(), epochs=1, device="cuda")


def test_models_that_do_not_fit_are_refused():
    with pytest.raises(
        ValueError, match=r"model: expected a torch\.nn\.Module, got builtin_function"
    ):
        quiet(len, task(), epochs=1)
    with pytest.raises(
        ValueError, match=r"model: expected \(N, K\) scores, got shape \(1, 1, 6, 6\)"
    ):
        quiet(nn.Identity(), task(), epochs=1)
    with pytest.raises(ValueError, match="model: expected parameters that require gradients"):
        quiet(network().requires_grad_(False), task(), epochs=1)


def test_data_that_do_not_fit_are_refused_by_name():
    images, labels = task(6)
    with pytest.raises(ValueError, match="train labels: expected 6 whole numbers, one an image"):
        quiet(network(), (images, labels[:5]), epochs=1)
    with pytest.raises(ValueError, match="validation labels: expected 0 to 2"):
        quiet(network(), task(), (images, labels + 1), epochs=1)
