"""Chapter 7: losses and their gradients, against torch.nn.functional."""

import numpy as np
import pytest
from conftest import close
from hypothesis import given
from hypothesis import strategies as st

from cnncourse.architecture.layers import softmax_cross_entropy
from cnncourse.training.losses import cross_entropy, mean_squared_error, one_hot

torch = pytest.importorskip("torch")
F = torch.nn.functional

sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))
seeds = st.integers(0, 2**32 - 1)
shares = st.floats(0, 1)


def shares_of(rng, shape):
    return rng.dirichlet(np.ones(shape[1]), shape[0])


# --- one_hot ---


@given(sizes, seeds)
def test_one_hot_equals_torch(shape, seed):
    labels = np.random.default_rng(seed).integers(shape[1], size=shape[0])
    close(one_hot(labels, shape[1]), F.one_hot(torch.tensor(labels), shape[1]).double())


@given(sizes, shares, seeds)
def test_smoothing_equals_torchs_label_smoothing(shape, smoothing, seed):
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=shape), rng.integers(shape[1], size=shape[0])
    loss, dlogits = cross_entropy(logits, one_hot(labels, shape[1], smoothing))
    inputs = torch.tensor(logits, requires_grad=True)
    expected = F.cross_entropy(inputs, torch.tensor(labels), label_smoothing=smoothing)
    expected.backward()
    close(loss, expected)
    close(dlogits, inputs.grad)


@given(sizes, shares, seeds)
def test_one_hot_rows_add_up_to_1(shape, smoothing, seed):
    labels = np.random.default_rng(seed).integers(shape[1], size=shape[0])
    close(one_hot(labels, shape[1], smoothing).sum(1), np.ones(shape[0]))


@pytest.mark.parametrize("dtype", ["uint8", "int32", ">i8"])
def test_one_hot_reads_labels_of_any_whole_dtype(dtype):
    close(one_hot(np.array([1, 0], dtype), 2), np.array([[0.0, 1.0], [1.0, 0.0]]))


# --- the two losses ---


@given(st.lists(st.integers(1, 4), min_size=0, max_size=4), seeds)
def test_mean_squared_error_equals_torch(shape, seed):
    rng = np.random.default_rng(seed)
    outputs, targets = rng.normal(size=shape), rng.normal(size=shape)
    inputs = torch.tensor(outputs, requires_grad=True)
    expected = F.mse_loss(inputs, torch.tensor(targets))
    expected.backward()
    loss, doutputs = mean_squared_error(outputs, targets)
    close(loss, expected)
    close(doutputs, inputs.grad)


@given(sizes, seeds, st.sampled_from([1.0, 100.0, 1e4]))
def test_cross_entropy_equals_torch_for_shares(shape, seed, size):
    rng = np.random.default_rng(seed)
    logits, targets = size * rng.normal(size=shape), shares_of(rng, shape)
    inputs = torch.tensor(logits, requires_grad=True)
    expected = F.cross_entropy(inputs, torch.tensor(targets))
    expected.backward()
    loss, dlogits = cross_entropy(logits, targets)
    close(loss, expected)
    close(dlogits, inputs.grad)


@given(sizes, seeds)
def test_cross_entropy_of_one_hot_rows_is_that_of_class_numbers(shape, seed):
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=shape), rng.integers(shape[1], size=shape[0])
    loss, dlogits = cross_entropy(logits, one_hot(labels, shape[1]))
    expected, dexpected = softmax_cross_entropy(logits, labels)
    close(loss, expected)
    close(dlogits, dexpected)


# --- properties ---


def test_cross_entropy_is_least_where_softmax_meets_the_targets(rng):
    targets = shares_of(rng, (4, 3))
    loss, dlogits = cross_entropy(np.log(targets), targets)
    close(loss, -(targets * np.log(targets)).sum(1).mean())  # the entropy: more than 0
    close(dlogits, np.zeros((4, 3)), atol=1e-15)


def test_cross_entropys_gradient_adds_up_to_0_in_every_row(rng):
    _, dlogits = cross_entropy(rng.normal(size=(5, 4)), shares_of(rng, (5, 4)))
    close(dlogits.sum(1), np.zeros(5), atol=1e-15)


def test_equal_logits_cost_the_logarithm_of_the_number_of_classes():
    close(cross_entropy(np.zeros((2, 10)), one_hot([3, 7], 10))[0], np.log(10))


def test_a_perfect_output_has_no_error_and_no_gradient():
    loss, doutputs = mean_squared_error([[1, 2]], [[1, 2]])
    assert loss == 0
    close(doutputs, np.zeros((1, 2)))


# --- stress ---


def test_huge_logits_do_not_overflow():
    loss, dlogits = cross_entropy([[1e4, -1e4], [-1e4, 1e4]], [[1, 0], [1, 0]])
    assert loss == 1e4
    close(dlogits, np.array([[0, 0], [-0.5, 0.5]]))


def test_float32_stays_float32(rng):
    logits = rng.normal(size=(6, 3)).astype("f")
    targets = shares_of(rng, (6, 3))
    loss, dlogits = cross_entropy(logits, targets)
    exact, dexact = cross_entropy(logits.astype(float), targets)
    close(loss, exact, rtol=1e-6)
    close(dlogits, dexact.astype("f"), rtol=1e-5, atol=1e-7)
    assert mean_squared_error(logits, targets)[1].dtype == np.dtype("f")


def test_targets_rounded_to_float32_are_shares(rng):
    targets = shares_of(rng, (6, 30)).astype("f")
    assert cross_entropy(rng.normal(size=(6, 30)), targets)[1].dtype == np.float64


def test_inputs_stay_as_they_are(rng):
    logits, targets = rng.normal(size=(5, 4)), shares_of(rng, (5, 4))
    before = logits.copy(), targets.copy()
    for array in (logits, targets):
        array.flags.writeable = False
    cross_entropy(logits, targets)
    mean_squared_error(logits, targets)
    close(logits, before[0])
    close(targets, before[1])


def test_every_other_row_is_read_like_a_copy(rng):
    logits, targets = rng.normal(size=(8, 4))[::2, ::-1], shares_of(rng, (8, 4))[1::2]
    close(cross_entropy(logits, targets)[1], cross_entropy(logits.copy(), targets.copy())[1])


# --- refusals ---


@pytest.mark.parametrize(
    ("labels", "classes", "smoothing", "message"),
    [
        ([0, 3], 3, 0, "labels: expected 0 to 2, got 0 to 3"),
        ([-1], 3, 0, "labels: expected 0 to 2, got -1 to -1"),
        ([0.0], 3, 0, "labels: expected whole numbers, .N,., got float64"),
        ([[0]], 3, 0, r"labels: .* got int64 of shape \(1, 1\)"),
        ([], 3, 0, "labels: expected whole numbers"),
        ([0], 0, 0, "classes: expected a whole number above 0, got 0"),
        ([0], 3, 1.5, "smoothing: expected a share in .0, 1., got 1.5"),
        ([0], 3, -0.1, "smoothing: expected a share in .0, 1., got -0.1"),
    ],
)
def test_one_hot_refuses(labels, classes, smoothing, message):
    with pytest.raises(ValueError, match=message):
        one_hot(labels, classes, smoothing)


@pytest.mark.parametrize(
    ("logits", "targets", "message"),
    [
        ([[1, 2]], [[1, 0, 0]], r"targets: expected shares of shape \(1, 2\), got \(1, 3\)"),
        ([[1, 2]], [1], r"targets: expected shares of shape \(1, 2\), got \(1,\)"),
        ([[1, 2]], [[1, 1]], "targets: expected rows ≥ 0 that add up to 1"),
        ([[1, 2]], [[2, -1]], "targets: expected rows ≥ 0 that add up to 1, got -1"),
        ([[1, 2]], [[np.nan, 1]], "targets: expected rows ≥ 0 that add up to 1, got nan"),
        ([1, 2], [0, 1], r"logits: expected \(N, K\), got shape \(2,\)"),
        ([[1j]], [[1]], "logits: expected real numbers, got dtype complex128"),
    ],
)
def test_cross_entropy_refuses(logits, targets, message):
    with pytest.raises(ValueError, match=message):
        cross_entropy(logits, targets)


@pytest.mark.parametrize(
    ("outputs", "targets", "message"),
    [
        ([[1], [2]], [1, 2], r"targets: .* the outputs, \(2, 1\), got \(2,\)"),  # no broadcasting
        ([], [], "targets: expected numbers"),
        (["a"], [1], "outputs: expected real numbers"),
    ],
)
def test_mean_squared_error_refuses(outputs, targets, message):
    with pytest.raises(ValueError, match=message):
        mean_squared_error(outputs, targets)
