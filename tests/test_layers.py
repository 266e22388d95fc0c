"""Chapter 6: layers against torch.nn, alone and in a network that trains."""

import numpy as np
import pytest
import torch
from conftest import close
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncourse.architecture import batch_last
from cnncourse.architecture.layers import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    softmax,
    softmax_cross_entropy,
)

nn, F = torch.nn, torch.nn.functional

seeds = st.integers(0, 2**32 - 1)
small = st.integers(1, 3)
shapes = st.tuples(small, small, st.integers(1, 8), st.integers(1, 8))
matrices = st.tuples(st.integers(1, 9), st.integers(1, 9))


def many(examples):
    return settings(max_examples=examples, deadline=None)


@st.composite
def convolutions(draw):
    """Draw x's shape and the arguments of a rectangular convolution layer."""
    N, C, K = draw(small), draw(small), draw(st.integers(1, 8))
    kernel, padding = draw(st.tuples(small, small)), draw(st.tuples(*[st.integers(0, 2)] * 2))
    least = [max(1, k - 2 * p) for k, p in zip(kernel, padding, strict=True)]
    sizes = [n + draw(st.integers(0, 18)) for n in least]
    options = {"stride": draw(st.tuples(small, small)), "padding": padding}
    return (N, C, *sizes), (C, K, kernel), options | {"bias": draw(st.booleans())}


@st.composite
def windows(draw):
    """Draw x's shape and the arguments of a rectangular pooling layer."""
    kernel = draw(st.tuples(small, small))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    shape = (draw(small), draw(small), *(k + draw(st.integers(0, 7)) for k in kernel))
    stride = draw(st.none() | st.tuples(small, small))
    return shape, {"kernel_size": kernel, "stride": stride, "padding": padding}


def agree(ours, theirs, x, seed=1, rtol=1e-10, atol=1e-11):
    """Give our layer torch's numbers; require equal y, dx, gradients and state, in both modes."""
    theirs = theirs.to(torch.tensor(x).dtype)
    ours.load_state(theirs.state_dict())
    inputs = torch.tensor(x, requires_grad=True)
    expected = theirs(inputs)
    y = ours(x, train=True)
    close(y, expected, rtol, atol)
    dy = np.random.default_rng(seed).normal(size=y.shape).astype(y.dtype)
    expected.backward(torch.tensor(dy))
    close(ours.backward(dy), inputs.grad, rtol, atol)
    assert ours.gradients.keys() == dict(theirs.named_parameters()).keys()
    for name, parameter in theirs.named_parameters():
        close(ours.gradients[name], parameter.grad, rtol, atol)
    agree_on_state(ours, theirs, rtol, atol)
    close(ours(x), theirs.eval()(torch.tensor(x)), rtol, atol)
    theirs.train()


def agree_on_state(ours, theirs, rtol=1e-10, atol=1e-11):
    state, expected = ours.state(), theirs.state_dict()
    assert state.keys() == expected.keys()
    for name, tensor in expected.items():
        close(state[name].astype(tensor.numpy().dtype), tensor, rtol, atol)


def normal(seed, shape):
    return np.random.default_rng(seed).normal(size=shape)


class TorchResidual(nn.Sequential):
    """y = x + f(x), in torch, with names like those of `Residual`."""

    def __init__(self, *pieces, shortcut=None):
        super().__init__(*pieces)
        self.pieces = len(pieces)
        if shortcut is not None:
            self.shortcut = shortcut

    def forward(self, x):
        y = x
        for number in range(self.pieces):
            y = self[number](y)
        return y + (self.shortcut(x) if hasattr(self, "shortcut") else x)


def small_networks():
    """Return conv–bn–relu–pool–residual–gap–flatten–linear, ours and torch's."""
    rng = np.random.default_rng(5)
    block = Conv2d(4, 6, 3, 2, 1, bias=False, rng=rng), BatchNorm2d(6), ReLU()
    block += Conv2d(6, 6, 3, padding=1, rng=rng), BatchNorm2d(6)
    ours = Sequential(
        *(Conv2d(2, 4, 3, padding=1, rng=rng), BatchNorm2d(4), ReLU(), MaxPool2d(2)),
        Residual(*block, shortcut=Sequential(Conv2d(4, 6, 1, 2, rng=rng), BatchNorm2d(6))),
        *(GlobalAvgPool2d(), Flatten(), Linear(6, 5, rng=rng)),
    )
    block = nn.Conv2d(4, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU()
    block += nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)
    theirs = nn.Sequential(
        *(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
        TorchResidual(*block, shortcut=nn.Sequential(nn.Conv2d(4, 6, 1, 2), nn.BatchNorm2d(6))),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)),
    )
    return ours, theirs


# --- oracle: each layer, forward and backward ---


@many(80)
@given(convolutions(), seeds)
def test_convolution_equals_torch(layer, seed):
    shape, sizes, options = layer
    agree(Conv2d(*sizes, **options, rng=0), nn.Conv2d(*sizes, **options), normal(seed, shape))


@many(40)
@given(matrices, st.integers(1, 7), st.booleans(), seeds)
def test_linear_equals_torch(shape, outputs, bias, seed):
    sizes = shape[1], outputs, bias
    agree(Linear(*sizes, rng=0), nn.Linear(*sizes), normal(seed, shape))


@many(60)
@given(shapes, st.floats(0.01, 1), st.sampled_from([1e-5, 1e-3, 0.1]), seeds)
def test_batch_norm_equals_torch(shape, momentum, eps, seed):
    shape = (shape[0] + 1, *shape[1:])
    theirs = nn.BatchNorm2d(shape[1], eps, momentum)
    with torch.no_grad():
        for tensor in theirs.parameters():
            tensor.copy_(torch.tensor(normal(seed + 1, shape[1])))
    x = 3 + 2 * normal(seed, shape)
    agree(BatchNorm2d(shape[1], eps, momentum), theirs, x, atol=1e-9)  # two numbers may be close


@many(40)
@given(windows(), seeds)
def test_pooling_equals_torch(layer, seed):
    shape, options = layer
    agree(MaxPool2d(**options), nn.MaxPool2d(**options), normal(seed, shape))
    agree(AvgPool2d(**options), nn.AvgPool2d(**options), normal(seed, shape))


@many(30)
@given(shapes, seeds)
def test_layers_without_numbers_of_their_own_equal_torch(shape, seed):
    x = normal(seed, shape)
    agree(ReLU(), nn.ReLU(), x)
    agree(Sigmoid(), nn.Sigmoid(), 9 * x)
    agree(GlobalAvgPool2d(), nn.AdaptiveAvgPool2d(1), x)
    agree(Flatten(), nn.Flatten(), x)


@pytest.mark.parametrize("shortcut", [False, True])
def test_a_residual_block_equals_torch(shortcut, rng):
    K = 5 if shortcut else 3
    ours = Residual(
        *(Conv2d(3, K, (3, 1), padding=(1, 0), rng=0), Sigmoid()),
        shortcut=Conv2d(3, K, 1, rng=0) if shortcut else None,
    )
    theirs = TorchResidual(
        *(nn.Conv2d(3, K, (3, 1), padding=(1, 0)), nn.Sigmoid()),
        shortcut=nn.Conv2d(3, K, 1) if shortcut else None,
    )
    agree(ours, theirs, rng.normal(size=(2, 3, 5, 4)))


def test_a_nested_network_equals_torch(rng):
    agree(*small_networks(), rng.normal(size=(4, 2, 12, 10)))


def test_a_network_in_float32_equals_torch_and_stays_in_float32(rng):
    ours, theirs = small_networks()
    agree(ours, theirs, rng.normal(size=(4, 2, 12, 10)).astype("f"), rtol=1e-4, atol=1e-4)
    assert {gradient.dtype for gradient in ours.gradients.values()} == {np.dtype("f")}


@many(40)
@given(matrices, seeds, st.sampled_from([1.0, 100.0, 1e4]))
def test_cross_entropy_and_its_gradient_are_torchs(shape, seed, scale):
    logits = scale * normal(seed, shape)
    labels = np.random.default_rng(seed).integers(0, shape[1], shape[0])
    z = torch.tensor(logits, requires_grad=True)
    expected = F.cross_entropy(z, torch.tensor(labels))
    expected.backward()
    loss, dlogits = softmax_cross_entropy(logits, labels)
    assert loss == pytest.approx(expected.item(), rel=1e-10, abs=1e-11)
    close(dlogits, z.grad)
    close(softmax(logits), F.softmax(torch.tensor(logits), 1))


# --- training, step by step ---


def test_five_steps_of_training_give_torchs_losses_weights_and_running_averages(rng):
    ours, theirs = small_networks()
    theirs.double()
    ours.load_state(theirs.state_dict())
    optimiser = torch.optim.SGD(theirs.parameters(), lr=0.1)
    for _ in range(5):
        x, labels = rng.normal(size=(6, 2, 12, 10)), rng.integers(0, 5, 6)
        expected = F.cross_entropy(theirs(torch.tensor(x)), torch.tensor(labels))
        optimiser.zero_grad()
        expected.backward()
        optimiser.step()
        loss, dlogits = softmax_cross_entropy(ours(x, train=True), labels)
        assert ours.backward(dlogits, need_dx=False) is None
        for name, array in ours.named_parameters():
            array -= 0.1 * ours.gradients[name]
        assert loss == pytest.approx(expected.item(), rel=1e-9)
    agree_on_state(ours, theirs, rtol=1e-8, atol=1e-9)
    assert ours.state()["1.num_batches_tracked"] == 5
    close(ours(x), theirs.eval()(torch.tensor(x)), 1e-8, 1e-9)


def test_a_state_goes_to_torch_and_back(rng):
    ours, theirs = small_networks()
    x = rng.normal(size=(4, 2, 12, 10))
    ours(x, train=True)  # moves the running averages
    theirs.double().load_state_dict({n: torch.tensor(a) for n, a in ours.state().items()})
    close(ours(x), theirs.eval()(torch.tensor(x)))
    again, _ = small_networks()
    again.load_state(theirs.state_dict())
    close(again(x), ours(x), rtol=0, atol=0)


def test_names_of_parameters_are_torchs_in_torchs_order():
    ours, theirs = small_networks()
    assert [name for name, _ in ours.named_parameters()] == [
        n for n, _ in theirs.named_parameters()
    ]
    assert ours.state().keys() == theirs.state_dict().keys()
    assert "1.running_mean" in ours.state()
    assert "1.running_mean" not in ours.parameters


def test_an_optimiser_changes_the_arrays_in_place():
    net = Sequential(Linear(2, 1, rng=0))
    net.parameters["0.weight"][:] = [[1, 2]]
    assert net([[10, 1]]).tolist() == [[12]]
    net.load_state({"0.weight": [[0, 0]], "0.bias": [7]})
    assert net.parameters["0.weight"] is net[0].parameters["weight"]
    assert net([[10, 1]]).tolist() == [[7]]


def test_a_state_is_a_copy():
    layer = Linear(2, 1, rng=0)
    layer.state()["weight"][:] = 0
    assert layer.parameters["weight"].all()


# --- batch norm ---


def test_running_averages_after_several_steps_are_torchs(rng):
    ours, theirs = BatchNorm2d(3, momentum=0.3), nn.BatchNorm2d(3, momentum=0.3).double()
    for size in (2, 5, 1):
        x = 5 + rng.normal(size=(size, 3, 4, 3))
        close(ours(x, train=True), theirs(torch.tensor(x)))
    agree_on_state(ours, theirs)
    close(ours(x), theirs.eval()(torch.tensor(x)))


def test_frozen_batch_norm_trains_as_torchs_in_eval_mode(rng):
    ours, theirs = BatchNorm2d(3), nn.BatchNorm2d(3).double()
    for layer in (ours, lambda x, train: theirs(torch.tensor(x))):
        layer(3 + 2 * np.arange(24.0).reshape(2, 3, 2, 2), train=True)
    ours.frozen = True
    theirs.eval()
    agree(ours, theirs, rng.normal(size=(1, 3, 1, 1)))


def test_batch_norm_of_numbers_far_from_0_is_exact(rng):
    noise = rng.normal(size=(4, 2, 6, 5))
    x = 100 + 0.01 * noise
    centred = noise - noise.mean((0, 2, 3), keepdims=True)
    expected = centred / np.sqrt(np.square(centred).mean((0, 2, 3), keepdims=True) + 0.1)
    close(BatchNorm2d(2, eps=0.1 * 1e-4)(x, train=True), expected, 1e-9, 1e-9)
    y = BatchNorm2d(2, eps=0.1 * 1e-4)(x.astype("f"), train=True)
    close(y, expected.astype("f"), 1e-2, 5e-3)  # near 100, float32 numbers are 8e-6 apart


def test_batch_norm_standardises_each_channel(rng):
    y = BatchNorm2d(3, eps=0)(7 + 5 * rng.normal(size=(4, 3, 5, 6)), train=True)
    close(y.mean((0, 2, 3)), np.zeros(3))
    close(y.var((0, 2, 3)), np.ones(3))


def test_a_constant_before_batch_norm_changes_nothing(rng):
    x, layer = rng.normal(size=(4, 3, 5, 6)), BatchNorm2d(3)
    close(layer(x + 8, train=True), layer(x, train=True))
    dx = layer.backward(rng.normal(size=x.shape))
    close(dx.sum((0, 2, 3)), np.zeros(3))


# --- dropout ---


def test_dropout_keeps_the_mean_and_drops_its_share():
    y = Dropout(0.3, rng=0)(np.ones((100, 1000)), train=True)
    assert y.mean() == pytest.approx(1, abs=0.01)
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.01)
    close(np.unique(y), np.array([0, 1 / 0.7]))


def test_dropout_sends_the_gradient_through_the_mask_of_its_forward_pass(rng):
    x, layer = rng.uniform(1, 2, (4, 3, 5, 6)).astype("f"), Dropout(0.4, rng=rng)
    y, dy = layer(x, train=True), rng.normal(size=x.shape).astype("f")
    close(layer.backward(dy), dy * (y / x), 1e-6, 1e-6)
    assert (layer(x, train=True) != y).any()


def test_dropout_does_nothing_outside_training(rng):
    x = rng.normal(size=(4, 3))
    assert (Dropout(0.9, rng=0)(x) == x).all()
    assert (Dropout(0, rng=0)(x, train=True) == x).all()


# --- properties ---


def test_weights_begin_with_the_spread_that_relu_keeps():
    for layer, fan_in in ((Conv2d(16, 200, (5, 3), rng=0), 240), (Linear(240, 300, rng=0), 240)):
        weight = layer.parameters["weight"]
        assert weight.mean() == pytest.approx(0, abs=1e-3)
        assert weight.std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.01)
        assert not layer.parameters["bias"].any()


def test_the_same_seed_gives_the_same_weights_and_one_generator_others():
    first, same = (Linear(3, 2, rng=7).parameters["weight"] for _ in range(2))
    assert (first == same).all()
    rng = np.random.default_rng(7)
    first, other = (Linear(3, 2, rng=rng).parameters["weight"] for _ in range(2))
    assert (first != other).all()


def test_the_first_layer_is_spared_the_gradient_that_nobody_needs(rng, monkeypatch):
    net = Sequential(Conv2d(2, 3, 3, rng=0), ReLU(), Conv2d(3, 2, 3, rng=0))
    x, spread, shapes_of_dx = rng.normal(size=(2, 2, 8, 7)), batch_last._spread_rows, []

    def watched(dmaps, shape, *rest):
        shapes_of_dx.append(shape)
        return spread(dmaps, shape, *rest)

    monkeypatch.setattr(batch_last, "_spread_rows", watched)
    dy = net(x, train=True)
    assert net.backward(dy).shape == x.shape
    whole = net.gradients
    assert net.backward(dy, need_dx=False) is None
    assert shapes_of_dx == [(2, 3, 6, 5), (2, 2, 8, 7), (2, 3, 6, 5)]
    for name, gradient in net.gradients.items():
        close(gradient, whole[name], rtol=0, atol=0)


def test_a_network_is_indexed_cut_and_counted_like_a_list(rng):
    net = Sequential(Flatten(), Sequential(Linear(6, 4, rng=0), ReLU()), Linear(4, 2, rng=0))
    x = rng.normal(size=(3, 1, 2, 3))
    assert len(net) == 3
    assert [type(layer).__name__ for layer in net] == ["Flatten", "Sequential", "Linear"]
    assert net[1][0] is net[:2][1][0]
    close(net[2](net[:2](x)), net(x), rtol=0, atol=0)
    assert list(net.parameters) == ["1.0.weight", "1.0.bias", "2.weight", "2.bias"]


def test_a_residual_block_with_weights_of_0_changes_nothing(rng):
    block = Residual(Conv2d(2, 2, 3, padding=1, rng=0))
    block[0].parameters["weight"][:] = 0
    x, dy = rng.normal(size=(2, 2, 2, 5, 4))
    close(block(x, train=True), x)
    close(block.backward(dy), dy)


def test_nothing_is_kept_outside_training_and_a_pool_keeps_no_image(rng):
    net, _ = small_networks()
    x = rng.normal(size=(4, 2, 12, 10))
    net(x, train=True)
    winners, hollow, *_ = net[3]._kept[-1]
    assert winners.itemsize == 1
    assert hollow.strides == (0, 0, 0, 0)
    net(x)
    assert all(layer._kept is None for layer in net)


@pytest.mark.parametrize("kind", [np.int64, np.uint8, bool, np.float16, ">f4"])
def test_numbers_of_any_kind_are_taken_and_inputs_stay_as_they_are(kind, rng):
    net, _ = small_networks()
    x = rng.integers(0, 2, (12, 10, 2, 4)).astype(kind).transpose(3, 2, 0, 1)
    x.flags.writeable = False
    copy = x.copy()
    y = net(x, train=True)
    assert y.dtype == (np.float32 if kind == ">f4" else np.float64)
    dy = y.copy()
    dy.flags.writeable = False
    net.backward(dy)
    np.testing.assert_array_equal(x, copy)


def test_a_batch_of_one_goes_through_a_network(rng):
    net, theirs = small_networks()
    agree(net, theirs, rng.normal(size=(1, 2, 12, 10)), atol=1e-9)


def test_sigmoid_of_extreme_numbers_neither_overflows_nor_vanishes_early():
    y = Sigmoid()([[-1e4, -700, 0, 40, 1e4]])
    close(y, np.array([[0, np.exp(-700), 0.5, 1, 1]]), atol=0)


def test_softmax_adds_up_to_1_and_forgets_what_all_have_in_common(rng):
    logits = rng.normal(size=(5, 7))
    close(softmax(logits).sum(1), np.ones(5))
    close(softmax(logits + 1e4), softmax(logits), 1e-9)


def test_equal_logits_lose_log_k():
    loss, dlogits = softmax_cross_entropy(np.zeros((2, 10), "f"), [3, 4])
    assert loss == pytest.approx(np.log(10))
    assert dlogits.dtype == np.float32
    assert dlogits[0, 3] == pytest.approx(-0.45)


def test_a_confident_mistake_costs_the_distance_of_the_logits():
    loss, dlogits = softmax_cross_entropy([[1e4, -1e4]], [1])
    assert loss == 2e4
    assert dlogits.tolist() == [[1, -1]]


# --- refusals ---

X = np.ones((2, 3, 6, 5))


@pytest.mark.parametrize(
    ("layer", "x", "message"),
    [
        (Conv2d(4, 2, 3, rng=0), X, r"in_channels = 4, got shape \(2, 3, 6, 5\)"),
        (Conv2d(3, 2, 3, rng=0), X[0], "x: expected .N, C, H, W. with in_channels = 3"),
        (Conv2d(3, 2, 7, rng=0), X, "kernel_size: expected a kernel that fits"),
        (Linear(4, 2, rng=0), X[:, :, 0, 0], r"x: expected .* in_features = 4, got shape \(2, 3\)"),
        (Linear(3, 2, rng=0), X, r"x: expected \(N, in_features\)"),
        (BatchNorm2d(4), X, "num_features = 4, got shape"),
        (BatchNorm2d(3), X[:1, :, :1, :1], r"more than one number a channel .* \(1, 3, 1, 1\)"),
        (BatchNorm2d(3), X[:0], r"more than one number a channel .* \(0, 3, 6, 5\)"),
        (MaxPool2d(7), X, "kernel_size: expected a kernel that fits"),
        (AvgPool2d(2, padding=2), X, "padding: expected at most half"),
        (GlobalAvgPool2d(), X[0], "x: expected a 4-D array"),
        (Flatten(), X[0, 0, 0], r"x: expected a batch, \(N, …\), got shape \(5,\)"),
        (ReLU(), np.array(["a"]), "x: expected real numbers, got dtype <U1"),
        (Residual(Conv2d(3, 2, 1, rng=0)), X, r"shortcut, \(2, 3, 6, 5\), got \(2, 2, 6, 5\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_by_name(layer, x, message):
    with pytest.raises(ValueError, match=message):
        layer(x, train=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv2d(0, 2, 3, rng=0), "in_channels: expected a whole number of 1 or more"),
        (lambda: Conv2d(1, 2.5, 3, rng=0), "out_channels: expected a whole number of 1 or more"),
        (lambda: Conv2d(1, 2, 3, stride=0, rng=0), "stride: expected"),
        (lambda: Conv2d(1, 2, 3, rng=None), "rng: expected a seed or .*, got None"),
        (lambda: Linear(1, 0, rng=0), "out_features: expected"),
        (lambda: Linear(1, 1, rng=True), "rng: expected a seed or .*, got True"),
        (lambda: BatchNorm2d(0), "num_features: expected"),
        (lambda: BatchNorm2d(1, eps=-1), "eps: expected a number of 0 or more, got -1"),
        (lambda: BatchNorm2d(1, momentum=0), "momentum: expected a number above 0, got 0"),
        (lambda: BatchNorm2d(1, momentum=2), "momentum: expected at most 1, got 2"),
        (lambda: MaxPool2d(0), "kernel_size: expected"),
        (lambda: AvgPool2d(2, (1, 2, 3)), "stride: expected a whole number or"),
        (lambda: Dropout(1, rng=0), r"p: expected a share in \[0, 1\), got 1"),
        (lambda: Dropout(-0.1, rng=0), r"p: expected a share in \[0, 1\), got -0.1"),
        (lambda: Dropout("half", rng=0), "p: expected a finite number, got 'half'"),
        (lambda: Sequential(np.sin), "layers: expected layers like ReLU"),
        (lambda: Residual(ReLU(), shortcut=3), "layers: expected layers like ReLU.., got 3"),
    ],
)
def test_layers_that_cannot_be_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_layer_that_stands_twice_is_refused():
    relu = ReLU()
    for make in (
        lambda: Sequential(relu, relu),
        lambda: Sequential(relu, Residual(relu)),
        lambda: Residual(Flatten(), shortcut=Sequential(relu, relu)),
    ):
        with pytest.raises(ValueError, match="layers: expected every layer once"):
            make()


def test_backward_before_a_forward_pass_in_training_is_refused(rng):
    net, _ = small_networks()
    for layer in (net, *net, Dropout(rng=0), Sigmoid(), AvgPool2d(2)):
        with pytest.raises(RuntimeError, match=f"{type(layer).__name__}.backward: expected a call"):
            layer.backward(np.ones((1, 1)))
    x = rng.normal(size=(4, 2, 12, 10))
    net(x, train=True)
    dy = net(x)
    with pytest.raises(RuntimeError, match=r"Sequential.backward: .* forward\(x, train=True\)"):
        net.backward(dy)


def test_a_gradient_of_another_shape_is_refused(rng):
    net, _ = small_networks()
    dy = net(rng.normal(size=(4, 2, 12, 10)), train=True)
    for wrong in (dy[:1], dy[0], dy.T):
        with pytest.raises(ValueError, match=r"dy: expected the shape of the output, \(4, 5\)"):
            net.backward(wrong)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"weight": [[0, 0]]}, r"names weight, bias; missing \['bias'\], unknown \[\]"),
        ({"weight": [[0, 0]], "bias": [0], "b": 1}, r"missing \[\], unknown \['b'\]"),
        ({"weight": [[0, 0]], "bias": [0, 0]}, r"bias: expected \(1,\), got \(2,\)"),
    ],
)
def test_a_state_of_another_layer_is_refused_and_changes_nothing(state, message):
    layer = Linear(2, 1, rng=0)
    with pytest.raises(ValueError, match=message):
        layer.load_state(state)
    assert layer.parameters["weight"].all()


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        ([[1, 2], [3, 4]], [0, 2], "labels: expected 0 to 1, got 0 to 2"),
        ([[1, 2], [3, 4]], [0, -1], "labels: expected 0 to 1, got -1 to 0"),
        ([[1, 2], [3, 4]], [0.0, 1.0], "labels: expected 2 whole numbers, got float64"),
        ([[1, 2], [3, 4]], [True, False], "labels: expected 2 whole numbers, got bool"),
        ([[1, 2], [3, 4]], [0], r"labels: expected 2 whole numbers, got int64 of shape \(1,\)"),
        ([[1, 2], [3, 4]], [[0, 1], [1, 0]], r"got int64 of shape \(2, 2\)"),
        ([1, 2], [0], r"logits: expected \(N, K\), got shape \(2,\)"),
        (np.ones((0, 3)), [], r"logits: expected \(N, K\), got shape \(0, 3\)"),
        ([[1j, 2]], [0], "logits: expected real numbers, got dtype complex128"),
    ],
)
def test_a_loss_of_what_are_no_logits_or_labels_is_refused(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        softmax_cross_entropy(logits, labels)


def test_a_layer_without_its_two_methods_says_so():
    with pytest.raises(NotImplementedError, match="_forward"):
        Layer()([[1]])
