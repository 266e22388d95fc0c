"""Chapter 7: the spread of initial weights, against torch.nn.init, and of what passes through."""

import numpy as np
import pytest
from conftest import close

from cnncourse.architecture.layers import (
    BatchNorm2d,
    Conv2d,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
    Residual,
    Sequential,
)
from cnncourse.training.initialisation import initialise, spreads

torch = pytest.importorskip("torch")
init = torch.nn.init

LAYERS = [Conv2d(20, 60, (3, 5), rng=0), Linear(200, 300, rng=0)]


def deep(depth, width=100):
    """Return linear layers with ReLUs between."""
    rng = np.random.default_rng(0)
    return Sequential(
        *(layer for _ in range(depth) for layer in (Linear(width, width, rng=rng), ReLU()))
    )


# --- oracle ---


@pytest.mark.parametrize("layer", LAYERS, ids=["convolution", "linear"])
@pytest.mark.parametrize(
    ("scheme", "theirs"),
    [
        ("kaiming", lambda weight: init.kaiming_normal_(weight, nonlinearity="relu")),
        ("xavier", init.xavier_uniform_),
        (0.3, lambda weight: init.normal_(weight, 0, 0.3)),
    ],
)
def test_weights_spread_as_torchs(layer, scheme, theirs):
    torch.manual_seed(0)
    initialise(layer, scheme, rng=0)
    ours = layer.parameters["weight"]
    expected = theirs(torch.empty(ours.shape)).numpy()
    assert ours.std() == pytest.approx(expected.std(), rel=0.02)
    assert abs(ours.mean()) < 0.02 * ours.std()
    # the fourth moment tells uniform (1.8) from normal (3)
    kurtosis = [(array**4).mean() / (array**2).mean() ** 2 for array in (ours, expected)]
    assert kurtosis[0] == pytest.approx(kurtosis[1], rel=0.05)


@pytest.mark.parametrize(("layer", "fans"), [(LAYERS[0], (300, 900)), (LAYERS[1], (200, 300))])
def test_spreads_follow_the_papers_formulas(layer, fans):
    weight = layer.parameters["weight"]
    initialise(layer, "kaiming", rng=1)
    assert weight.std() == pytest.approx(np.sqrt(2 / fans[0]), rel=0.02)
    initialise(layer, "xavier", rng=1)
    bound = np.sqrt(6 / sum(fans))
    assert weight.max() <= bound
    assert weight.min() >= -bound
    assert weight.max() == pytest.approx(bound, rel=1e-3)


# --- properties ---


def test_every_layer_inside_is_reached_and_nothing_else():
    rng = np.random.default_rng(0)
    network = Sequential(
        *(Conv2d(1, 3, 3, rng=rng), BatchNorm2d(3), ReLU()),
        Residual(
            Sequential(Conv2d(3, 5, 1, bias=False, rng=rng), BatchNorm2d(5)),
            shortcut=Conv2d(3, 5, 1, rng=rng),
        ),
        *(MaxPool2d(2), Flatten(), Linear(5, 2, rng=rng)),
    )
    for array in network.parameters.values():
        array[...] = 7
    initialise(network, "kaiming", rng=0)
    for name, array in network.parameters.items():
        of_batch_norm = name.startswith(("1.", "3.0.1."))
        assert (array == 7).all() == of_batch_norm
        assert of_batch_norm or name.endswith("weight") or not array.any()


def test_weights_are_rewritten_in_place():
    layer = Linear(3, 2, rng=0)
    weight, bias = layer.parameters["weight"], layer.parameters["bias"]
    initialise(layer, 1, rng=5)
    assert layer.parameters["weight"] is weight
    assert layer.parameters["bias"] is bias


def test_a_seed_gives_the_same_weights_and_a_generator_others_each_time():
    one, other = Linear(3, 2, rng=0), Linear(3, 2, rng=1)
    initialise(one, "xavier", rng=5)
    initialise(other, "xavier", rng=np.random.default_rng(5))
    close(one.parameters["weight"], other.parameters["weight"])
    twins = Sequential(Linear(3, 3, rng=0), Linear(3, 3, rng=0))
    initialise(twins, "xavier", rng=5)
    assert not (twins[0].parameters["weight"] == twins[1].parameters["weight"]).any()


# --- the figure: spread by depth ---


@pytest.mark.parametrize(
    ("scheme", "low", "high"), [(0.01, 0, 1e-20), ("kaiming", 0.1, 10), (1, 1e12, np.inf)]
)
def test_spread_vanishes_keeps_or_explodes_over_20_layers(scheme, low, high, rng):
    network = deep(20)
    initialise(network, scheme, rng=0)
    last = spreads(network, rng.normal(size=(50, 100)))[-1]
    assert low < last < high


def test_xavier_keeps_the_spread_without_relus_and_halves_the_variance_with_them(rng):
    x = rng.normal(size=(200, 300))
    linear = Sequential(*(Linear(300, 300, rng=0) for _ in range(10)))
    initialise(linear, "xavier", rng=0)
    assert 0.7 < spreads(linear, x)[-1] < 1.4
    network = deep(10, width=300)
    initialise(network, "xavier", rng=0)
    ratio = spreads(network, x)[-1] / spreads(network, x)[1]
    assert ratio == pytest.approx(2 ** (-9 / 2), rel=0.5)


def test_spreads_are_those_of_every_layers_output(rng):
    network, x = deep(3), rng.normal(size=(7, 100))
    measured = spreads(network, x)
    assert len(measured) == len(network)
    for number, spread in enumerate(measured):
        close(spread, float(network[: number + 1](x).std()))


def test_spreads_change_nothing(rng):
    network = Sequential(Conv2d(1, 2, 3, rng=0), BatchNorm2d(2))
    before = network.state()
    spreads(network, rng.normal(size=(4, 1, 5, 6)))
    for name, array in network.state().items():
        close(array, before[name])


# --- refusals ---


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        ("he", "scheme: expected one of 'kaiming', 'xavier', got 'he'"),
        (0, "scheme: expected a number above 0, got 0"),
        (None, "scheme: expected a number above 0, got None"),
    ],
)
def test_an_unknown_scheme_is_refused_and_changes_nothing(scheme, message):
    layer = Linear(2, 2, rng=0)
    before = layer.state()
    with pytest.raises(ValueError, match=message):
        initialise(layer, scheme, rng=0)
    close(layer.parameters["weight"], before["weight"])


def test_a_bad_seed_is_refused():
    with pytest.raises(ValueError, match="rng: expected a seed"):
        initialise(Linear(2, 2, rng=0), "kaiming", rng=None)


def test_inputs_of_other_shape_are_refused():
    with pytest.raises(ValueError, match=r"x: expected \(N, in_features\)"):
        spreads(deep(1), [[1, 2]])
