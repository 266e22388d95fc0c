"""Chapter 7: batches, the NumPy training loop against the same loop in torch, gradient checks."""

import numpy as np
import pytest
from conftest import close
from hypothesis import given
from hypothesis import strategies as st

from cnncourse import data
from cnncourse.architecture.layers import (
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
    Residual,
    Sequential,
)
from cnncourse.training.loop import (
    _gradients,
    _in_turn,
    _slope,
    batches,
    check_gradient,
    predict,
    train,
)
from cnncourse.training.optimisers import SCHEDULES, SGD, Adam

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional


def networks():
    """Return conv–pool–relu–conv–pool–relu–dense with the same weights, ours and torch's."""
    rng = np.random.default_rng(3)
    ours = Sequential(
        *(Conv2d(1, 4, 5, padding=2, rng=rng), MaxPool2d(2), ReLU()),
        *(Conv2d(4, 6, 3, padding=1, rng=rng), MaxPool2d(2), ReLU()),
        *(Flatten(), Linear(6 * 3 * 2, 5, rng=rng)),
    )
    theirs = nn.Sequential(
        *(nn.Conv2d(1, 4, 5, padding=2), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Conv2d(4, 6, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(6 * 3 * 2, 5)),
    ).double()
    theirs.load_state_dict({name: torch.tensor(w) for name, w in ours.state().items()})
    return ours, theirs


def examples(rng, N=45):
    return rng.normal(size=(N, 1, 12, 8)), rng.integers(5, size=N)


def torch_losses(network, images, labels, optimiser, schedule, smoothing, order):
    """Train as `train` does, in torch, on batches in the given order; return the losses."""
    largest, losses = optimiser.param_groups[0]["lr"], []
    for step, batch in enumerate(order):
        factor = SCHEDULES[schedule](step / (len(order) - 1))
        optimiser.param_groups[0]["lr"] = largest * factor
        logits, right = network(torch.tensor(images[batch])), torch.tensor(labels[batch])
        loss = F.cross_entropy(logits, right, label_smoothing=smoothing)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


class Wrong(ReLU):
    """Claim a gradient that is not ReLU's."""

    def _backward(self, dy, y, need_dx):
        return dy


class Blind(Linear):
    """Forget the gradient of the bias."""

    def _backward(self, dy, x, need_dx):
        dx = super()._backward(dy, x, need_dx)
        self.gradients["bias"][...] = 0
        return dx


class Lost(Linear):
    """Give a bias gradient that is no number."""

    def _backward(self, dy, x, need_dx):
        dx = super()._backward(dy, x, need_dx)
        self.gradients["bias"][...] = np.nan
        return dx


class Watched(Linear):
    """Remember for which inputs and with which need_dx it was called."""

    def __init__(self, *sizes, rng):
        super().__init__(*sizes, rng=rng)
        self.inputs, self.asked = [], []

    def _forward(self, x, train):
        self.inputs.append(x)
        return super()._forward(x, train)

    def _backward(self, dy, x, need_dx):
        self.asked.append(need_dx)
        return super()._backward(dy, x, need_dx)


# --- batches ---


@given(st.integers(1, 50), st.integers(1, 60), st.none() | st.integers(0, 99))
def test_every_number_is_in_one_batch(N, batch_size, seed):
    cut = list(batches(N, batch_size, seed))
    assert len(cut) == -(-N // batch_size)
    assert {batch.dtype for batch in cut} == {np.dtype("int64")}
    assert {len(batch) for batch in cut[:-1]} <= {batch_size}
    assert sorted(np.concatenate(cut)) == list(range(N))


def test_a_generator_gives_another_order_every_epoch_and_a_seed_the_same():
    generator = np.random.default_rng(1)
    first, second = (np.concatenate([*batches(40, 7, generator)]) for _ in range(2))
    assert (first != second).any()
    close(np.concatenate([*batches(40, 9, 1)]), first)


def test_without_a_generator_the_order_stays():
    close(np.concatenate([*batches(10, 3)]), np.arange(10))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1), "N: expected a whole number above 0, got 0"),
        ((5, 0), "batch_size: expected a whole number above 0, got 0"),
        ((5, 2.0), "batch_size: expected a whole number above 0, got 2.0"),
        ((5, 2, -1), "rng: expected a seed"),
    ],
)
def test_impossible_batches_are_refused_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        batches(*arguments)


# --- oracle ---


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_losses_and_weights_equal_torchs_step_by_step(schedule, smoothing, rng):
    (ours, theirs), (images, labels) = networks(), examples(rng)
    optimisers = SGD(ours.parameters, 0.05, 0.9), torch.optim.SGD(theirs.parameters(), 0.05, 0.9)
    generator = np.random.default_rng(7)
    order = [batch for _ in range(3) for batch in batches(len(images), 10, generator)]
    words = {"schedule": schedule, "smoothing": smoothing}
    losses = train(ours, images, labels, optimisers[0], epochs=3, batch_size=10, rng=7, **words)
    expected = torch_losses(theirs, images, labels, optimisers[1], **words, order=order)
    close(losses, expected, rtol=1e-9)
    for name, parameter in theirs.named_parameters():
        close(ours.parameters[name], parameter, rtol=1e-7, atol=1e-9)


def test_training_with_adam_equals_torch(rng):
    (ours, theirs), (images, labels) = networks(), examples(rng)
    optimisers = Adam(ours.parameters, 0.01), torch.optim.Adam(theirs.parameters(), 0.01)
    order = list(batches(len(images), 16, 2))
    losses = train(ours, images, labels, optimisers[0], epochs=1, batch_size=16, rng=2)
    close(losses, torch_losses(theirs, images, labels, optimisers[1], "constant", 0, order))


def test_predictions_equal_torchs(rng):
    (ours, theirs), (images, _) = networks(), examples(rng)
    close(predict(ours, images, batch_size=7), theirs(torch.tensor(images)).argmax(1))


@pytest.mark.parametrize("batch_size", [1, 44, 45, 500])
def test_predictions_do_not_depend_on_the_batch_size(batch_size, rng):
    (ours, _), (images, _) = networks(), examples(rng)
    close(predict(ours, images, batch_size), predict(ours, images))


# --- properties of training ---


def test_a_network_learns_real_images():
    clothes = data.fashion(n=600)
    rng = np.random.default_rng(0)
    network = Sequential(
        *(Conv2d(1, 6, 5, padding=2, rng=rng), MaxPool2d(4), ReLU()),
        *(Flatten(), Linear(6 * 49, 10, rng=rng)),
    )
    optimiser = Adam(network.parameters, lr=0.01)
    words = {"epochs": 8, "batch_size": 50, "schedule": "one_cycle", "smoothing": 0.1, "rng": rng}
    losses = train(network, clothes.images, clothes.labels, optimiser, **words)
    assert np.mean(losses[-12:]) < np.mean(losses[:12]) / 2
    test = data.fashion("test", n=500)
    assert (predict(network, test.images) == test.labels).mean() > 0.7


def test_equal_seeds_train_equal_networks_bit_for_bit(rng):
    images, labels = examples(rng)
    ends = []
    for _ in range(2):
        network = networks()[0]
        words = {"epochs": 2, "batch_size": 10, "rng": 5}
        train(network, images.astype("f"), labels, Adam(network.parameters), **words)
        ends.append(network.state())
    for name, array in ends[0].items():
        assert (array == ends[1][name]).all()


def test_there_is_a_loss_for_every_step_of_every_epoch(rng):
    (network, _), (images, labels) = networks(), examples(rng)
    words = {"epochs": 3, "batch_size": 10, "rng": 0}
    assert len(train(network, images, labels, SGD(network.parameters, 0.1), **words)) == 15


def test_the_largest_learning_rate_is_put_back(rng):
    (network, _), (images, labels) = networks(), examples(rng)
    optimiser = SGD(network.parameters, 0.1)
    words = {"epochs": 1, "batch_size": 10, "rng": 0, "schedule": "cosine"}
    train(network, images, labels, optimiser, **words)
    assert optimiser.lr == 0.1


def test_one_step_alone_is_possible(rng):
    (network, _), (images, labels) = networks(), examples(rng)
    words = {"epochs": 1, "batch_size": 99, "rng": 0, "schedule": "one_cycle"}
    assert len(train(network, images, labels, SGD(network.parameters, 0.1), **words)) == 1


def test_nobody_computes_the_gradient_of_the_images_and_float32_stays(rng):
    first, x = Watched(6, 4, rng=0), rng.normal(size=(9, 6)).astype("f")
    network = Sequential(first, ReLU(), Watched(4, 3, rng=0))
    words = {"epochs": 1, "batch_size": 4, "rng": 0}
    train(network, x, rng.integers(3, size=9), SGD(network.parameters, 0.1), **words)
    assert first.asked == [False] * 3
    assert network[2].asked == [True] * 3
    assert {x.dtype for layer in (first, network[2]) for x in layer.inputs} == {np.dtype("f")}
    assert {dw.dtype for dw in network.gradients.values()} == {np.dtype("f")}


@pytest.mark.parametrize(("dtype", "lr"), [("f", 1e30), ("d", 1e200)])
def test_a_loss_that_is_no_number_stops_the_training_in_words(dtype, lr, rng):
    (network, _), (images, labels) = networks(), examples(rng)
    optimiser, images = SGD(network.parameters, lr), images.astype(dtype)
    with pytest.raises(FloatingPointError, match=r"loss: (nan|inf) at step \d+, with lr 1e\+"):
        train(network, images, labels, optimiser, epochs=40, batch_size=5, rng=0)
    assert optimiser.lr == lr


def test_images_without_numbers_stop_at_step_0(rng):
    (network, _), (images, labels) = networks(), examples(rng)
    images[...] = np.nan
    with pytest.raises(FloatingPointError, match=r"loss: nan at step 0, with lr 0\.1"):
        train(network, images, labels, SGD(network.parameters, 0.1), epochs=1, batch_size=5, rng=0)


def test_images_and_labels_stay_as_they_are(rng):
    (network, _), (images, labels) = networks(), examples(rng)
    images.flags.writeable = labels.flags.writeable = False
    train(network, images, labels, SGD(network.parameters, 0.1), epochs=1, batch_size=9, rng=0)
    predict(network, images)


# --- gradient check ---


def test_backward_through_conv_and_pool_passes_the_gradient_check(rng):
    (network, _), (images, labels) = networks(), examples(rng, N=4)
    assert check_gradient(network, images, labels, n=300, rng=0) < 1e-6


def test_batch_norm_and_residual_blocks_pass_and_are_left_as_they_were(rng):
    seeded = np.random.default_rng(0)
    network = Sequential(
        *(Conv2d(1, 4, 3, padding=1, rng=seeded), BatchNorm2d(4), ReLU()),
        Residual(Conv2d(4, 4, 3, padding=1, rng=seeded), BatchNorm2d(4)),
        *(MaxPool2d(4), Flatten(), Linear(24, 5, rng=seeded)),
    )
    before = network.state()
    assert check_gradient(network, *examples(rng, N=3), n=100, rng=0) < 1e-6
    for name, array in network.state().items():
        assert (array == before[name]).all()


@pytest.mark.parametrize("mistake", ["activation", "bias"])
def test_a_wrong_backward_pass_fails_the_gradient_check(mistake, rng):
    middle = Wrong() if mistake == "activation" else ReLU()
    last = (Blind if mistake == "bias" else Linear)(8, 3, rng=1)
    network = Sequential(Linear(6, 8, rng=0), middle, last)
    x, labels = rng.normal(size=(5, 6)), rng.integers(3, size=5)
    assert check_gradient(network, x, labels, n=100, rng=0) > 0.1


@pytest.mark.parametrize("seed", range(5))
def test_a_wrong_gradient_of_3_weights_in_10_000_is_found_among_20(seed, rng):
    network, x = Blind(3332, 3, rng=0), rng.normal(size=(5, 3332))
    assert sum(w.size for _, w in network.named_parameters()) == 9999
    assert check_gradient(network, x, [0, 0, 1, 2, 0], n=20, rng=seed) > 0.1


def test_every_array_has_its_turn():
    arrays = {"long": np.zeros((50, 9)), "short": np.zeros(2), "third": np.zeros(7)}
    for n, counts in ((2, {0: 1, 1: 2}), (3, {1: 3}), (6, {2: 3}), (20, {2: 1, 7: 1, 11: 1})):
        drawn = _in_turn(arrays, n, np.random.default_rng(n))
        assert len(set(drawn)) == n
        each = [sum(name == other for other, _ in drawn) for name in arrays]
        assert {count: each.count(count) for count in each} == counts
    assert len(_in_turn(arrays, 1000, np.random.default_rng(0))) == 459


@pytest.mark.parametrize("seed", range(20))
def test_lenet_with_blank_pixels_and_biases_of_0_passes(seed, rng):
    seeded, images = np.random.default_rng(seed), np.zeros((4, 1, 28, 28))
    images[:, :, 10:18, 10:18] = rng.random((4, 1, 8, 8))
    network = Sequential(
        *(Conv2d(1, 6, 5, padding=2, rng=seeded), MaxPool2d(2), ReLU()),
        *(Conv2d(6, 16, 5, rng=seeded), ReLU(), MaxPool2d(2), Flatten()),
        *(Linear(400, 120, rng=seeded), ReLU(), Linear(120, 84, rng=seeded), ReLU()),
        Linear(84, 10, rng=seeded),
    )
    assert check_gradient(network, images, [0, 1, 2, 3], rng=seed) < 1e-6


def test_a_kink_within_eps_of_a_weight_is_avoided():
    network = Sequential(Linear(1, 1, rng=0), ReLU(), Linear(1, 2, rng=0))
    network[0].load_state({"weight": [[1]], "bias": [0]})
    x, labels = [[5e-7]], [0]  # bias − 1e-6 makes it negative
    dw = _gradients(network, x, labels)["0.bias"].item()
    slope = _slope(network, "0.bias", 0, dw, 1e-6, x, labels)
    assert slope == pytest.approx(dw, rel=1e-6)


@pytest.mark.parametrize("number", [0, 1])
def test_a_gradient_that_is_no_number_is_infinitely_wrong(number):
    network = Sequential(*(Linear(4, 4, rng=0), ReLU(), Linear(4, 2, rng=0), Linear(2, 2, rng=0)))
    network.layers[2 * number] = Lost(4, 4 if number == 0 else 2, rng=0)
    assert check_gradient(network, np.ones((3, 4)), [0, 1, 0], n=6, rng=0) == np.inf


def test_a_large_eps_sees_the_curvature(rng):
    network, x = Linear(6, 3, rng=0), rng.normal(size=(5, 6))
    rough, fine = (check_gradient(network, x, [0, 1, 2, 0, 1], eps=e, rng=0) for e in (10, 1e-5))
    assert fine < 1e-8 < 1e-4 < rough


def test_a_dead_network_passes():
    network = Sequential(Linear(2, 2, rng=0), ReLU(), Linear(2, 2, rng=0))
    network[0].parameters["bias"][...] = -100  # no input passes
    network[2].parameters["weight"][...] = 0
    assert check_gradient(network, [[1, 2]], [0], rng=0) < 1e-8


# --- refusals ---


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"labels": [0, 1]}, "labels: expected 3 of them, got 2"),
        ({"labels": [0, 1, 2]}, "labels: expected 0 to 1, got 0 to 2"),
        ({"labels": [0.0, 1, 1]}, "labels: expected whole numbers"),
        ({"epochs": 0}, "epochs: expected a whole number above 0, got 0"),
        ({"batch_size": 0}, "batch_size: expected a whole number above 0, got 0"),
        ({"schedule": "linear"}, "schedule: expected one of 'constant', 'step', 'cosine'"),
        ({"smoothing": 2}, "smoothing: expected a share"),
        ({"rng": None}, "rng: expected a seed"),
        ({"images": [["a"]]}, "images: expected real numbers"),
        ({"images": np.ones((3, 5))}, r"x: expected \(N, in_features\) with in_features = 4"),
    ],
)
def test_impossible_training_is_refused_and_changes_nothing(words, message):
    network = Linear(4, 2, rng=0)
    before = network.state()
    good = {"images": np.ones((3, 4)), "labels": [0, 1, 1], "epochs": 1, "batch_size": 2, "rng": 0}
    with pytest.raises(ValueError, match=message):
        train(network, optimiser=SGD(network.parameters, 0.1), **(good | words))
    close(network.parameters["weight"], before["weight"])


def test_an_optimiser_of_another_network_is_refused():
    network, twin = Linear(4, 2, rng=0), Linear(4, 2, rng=0)
    with pytest.raises(ValueError, match="optimiser: expected this network's parameters"):
        train(network, [[1] * 4], [0], SGD(twin.parameters, 1), epochs=1, batch_size=1, rng=0)


def test_an_optimiser_of_your_own_trains_too():
    class Signs:
        lr = 0.1

        def step(self, gradients):
            for name, dw in gradients.items():
                network.parameters[name] -= self.lr * np.sign(dw)

    network = Linear(1, 2, rng=0)
    words = {"epochs": 5, "batch_size": 2, "rng": 0}
    losses = train(network, [[-1], [1]], [0, 1], Signs(), **words)
    assert losses[-1] < losses[0]


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="N: expected a whole number above 0, got 0"):
        predict(Linear(4, 2, rng=0), np.ones((0, 4)))


@pytest.mark.parametrize(
    ("network", "words", "message"),
    [
        (Linear(1, 2, rng=0), {"n": 0}, "n: expected a whole number above 0, got 0"),
        (Linear(1, 2, rng=0), {"eps": 0}, "eps: expected a number above 0, got 0"),
        (Linear(1, 2, rng=0), {"labels": [2]}, "labels: expected 0 to 1"),
        (ReLU(), {}, "network: expected one with something to learn"),
        (Sequential(Dropout(0.5, rng=0), Linear(1, 2, rng=0)), {}, "network: expected no dropout"),
    ],
)
def test_impossible_gradient_checks_are_refused(network, words, message):
    with pytest.raises(ValueError, match=message):
        check_gradient(network, **({"x": [[1]], "labels": [0], "rng": 0} | words))
