"""Chapter 6: convolutions whose batch is last in memory, against torch and `conv2d`."""

import tracemalloc

import numpy as np
import pytest
import torch
from conftest import close
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncourse import pooling
from cnncourse.architecture import batch_last as module
from cnncourse.architecture.batch_last import batch_last, conv2d_last, conv2d_last_backward
from cnncourse.architecture.layers import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
    Sequential,
)
from cnncourse.convolution import conv2d, conv2d_backward
from cnncourse.pooling import (
    avg_pool2d,
    avg_pool2d_backward,
    blur_pool2d,
    blur_pool2d_backward,
    global_avg_pool2d,
    max_pool2d,
    max_pool2d_backward,
    min_pool2d,
    min_pool2d_backward,
)

F = torch.nn.functional

seeds = st.integers(0, 2**32 - 1)


def many(examples):
    return settings(max_examples=examples, deadline=None)


@st.composite
def layers(draw):
    """Draw x's shape, weight's shape, and stride and padding, all rectangular."""
    N, C, K = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    padding = draw(st.tuples(st.integers(0, 4), st.integers(0, 4)))
    least = [max(1, k - 2 * p) for k, p in zip(kernel, padding, strict=True)]
    sizes = [n + draw(st.integers(0, 9)) for n in least]
    return (N, C, *sizes), (K, C, *kernel), {"stride": stride, "padding": padding}


def normal(seed, *shapes, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def torch_results(x, w, b, dy_seed, **options):
    """Return torch's output, a random upstream gradient, and torch's gradients."""
    tensors = [torch.tensor(array, requires_grad=True) for array in (x, w, b)]
    y = F.conv2d(*tensors, **options)
    (dy,) = normal(dy_seed, tuple(y.shape), dtype=x.dtype)
    return y, dy, torch.autograd.grad(y, tensors, torch.tensor(dy))


def lies_last(x):
    """Say whether memory has the order (C, H, W, N)."""
    return x.transpose(1, 2, 3, 0).flags.c_contiguous


# --- oracle ---


@many(400)
@given(layers(), st.booleans(), st.sampled_from([1, 2000, 1 << 22]), seeds)
def test_forward_and_backward_equal_torch_in_bands_of_any_size(layer, last, band, seed):
    shape, weight, options = layer
    x, w, b = normal(seed, shape, weight, weight[:1])
    expected, dy, gradients = torch_results(x, w, b, seed + 1, **options)
    x = batch_last(x) if last else x
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BAND", band)
        y = conv2d_last(x, w, b, **options)
        ours = conv2d_last_backward(dy, x, w, **options)
    close(y, expected)
    for mine, theirs in zip(ours, gradients, strict=True):
        close(mine, theirs)
        assert mine.flags.writeable
    assert all(map(lies_last, (y, ours[0])))
    assert ours[1].flags.c_contiguous


@many(100)
@given(layers(), seeds)
def test_float32_stays_and_equals_torch(layer, seed):
    shape, weight, options = layer
    x, w, b = normal(seed, shape, weight, weight[:1], dtype=np.float32)
    expected, dy, gradients = torch_results(x, w, b, seed + 1, **options)
    close(conv2d_last(x, w, b, **options), expected, 1e-4, 1e-4)
    found = conv2d_last_backward(dy, x, w, **options)
    for mine, theirs in zip(found, gradients, strict=True):
        close(mine, theirs, 1e-4, 1e-4)
    found = conv2d_last_backward(dy.astype(np.float64), x, w, **options)
    assert all(gradient.dtype == np.float32 for gradient in found)


def test_kernels_of_the_image_and_of_one_pixel_equal_torch(rng):
    for size in ((6, 7), (1, 1), (6, 1), (1, 7)):
        x, w, b = rng.normal(size=(3, 2, 6, 7)), rng.normal(size=(4, 2, *size)), rng.normal(size=4)
        y, dy, gradients = torch_results(x, w, b, 1)
        close(conv2d_last(batch_last(x), w, b), y)
        for mine, theirs in zip(conv2d_last_backward(dy, x, w), gradients, strict=True):
            close(mine, theirs)


def test_one_image_and_large_kernels_are_left_to_chapter_4(rng, monkeypatch):
    def refuse(*_):
        raise AssertionError("row by row")

    monkeypatch.setattr(module, "_matrices", refuse)
    for N, size in ((1, 3), (3, 16)):
        x, w, b = rng.normal(size=(N, 2, 20, 21)), rng.normal(size=(3, 2, size, size)), np.ones(3)
        y, dy, gradients = torch_results(x, w, b, 1, padding=1)
        ours = conv2d_last(x, w, b, padding=1)
        close(ours, y)
        found = conv2d_last_backward(dy, x, w, padding=1)
        for mine, theirs in zip(found, gradients, strict=True):
            close(mine, theirs)
        assert all(map(lies_last, (ours, found[0])))
        assert conv2d_last_backward(dy, x, w, padding=1, need_dx=False)[0] is None


# --- properties ---


@many(100)
@given(st.integers(1, 7), st.integers(1, 9), st.integers(1, 30), st.integers(1, 900))
def test_bands_cut_all_rows_once_and_copy_what_is_allowed(R, stride, height, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BAND", 1000)
        bands = list(module._row_bands(R, stride, height, size))
    assert [i for rows, _ in bands for i in rows] == list(range(height))
    for rows, read in bands:
        assert (read.start, read.stop) == (rows[0] * stride, rows[-1] * stride + R)
        fresh = len(rows) * stride  # the rows of pixels that no band before has read
        assert fresh * size <= 1000 or fresh - stride < R
    if len(bands) > 1:
        assert len(bands[0][0]) * stride >= R  # of two bands, at most R − 1 rows overlap
        assert (len(bands[0][0]) + 1) * stride * size > 1000  # no band is needlessly short


@many(60)
@given(layers(), seeds)
def test_backward_is_adjoint_in_image_and_in_weight(layer, seed):
    shape, weight, options = layer
    x, w = normal(seed, shape, weight)
    y = conv2d_last(x, w, **options)
    (dy,) = normal(seed + 1, y.shape)
    dx, dweight, _ = conv2d_last_backward(dy, x, w, **options)
    assert (dx * x).sum() == pytest.approx((y * dy).sum(), abs=1e-9)
    assert (dweight * w).sum() == pytest.approx((y * dy).sum(), abs=1e-9)


def test_the_order_changes_and_the_numbers_do_not(rng):
    x = rng.normal(size=(4, 3, 5, 6))
    again = batch_last(x)
    np.testing.assert_array_equal(again, x)
    assert lies_last(again)
    assert again.strides == (8, 5 * 6 * 4 * 8, 6 * 4 * 8, 4 * 8)
    assert np.shares_memory(batch_last(again), again)


def test_nobody_needs_the_gradient_of_the_first_images(rng):
    x, w, dy = rng.normal(size=(3, 2, 5, 6)), rng.normal(size=(4, 2, 3, 2)), np.ones((3, 4, 3, 5))
    dx, *rest = conv2d_last_backward(dy, x, w, need_dx=False)
    assert dx is None
    for spared, whole in zip(rest, conv2d_last_backward(dy, x, w)[1:], strict=True):
        close(spared, whole, rtol=0, atol=0)


def test_the_books_example_by_hand():
    two = np.array([[[[1, 2, 3], [4, 5, 6]]], [[[0, 0, 1], [0, 1, 0]]]])  # (2, 1, 2, 3)
    diagonal = [[[[1, 0], [0, 2]]]]
    close(conv2d_last(two, diagonal), np.array([[[[11.0, 14.0]]], [[[2.0, 0.0]]]]))


# --- stress ---


def test_a_small_signal_on_a_large_offset_survives_in_float32(rng):
    x = (100 + 0.01 * rng.normal(size=(2, 3, 8, 8))).astype(np.float32)
    w = rng.normal(size=(4, 3, 3, 3)).astype(np.float32)
    exact = conv2d(x.astype(np.float64), w)
    np.testing.assert_allclose(conv2d_last(x, w), exact, rtol=0, atol=1e-6 * np.abs(x).max() * 27)


def test_nan_reaches_only_the_outputs_that_read_it(rng):
    x, w = rng.normal(size=(2, 1, 6, 7)), rng.normal(size=(1, 1, 3, 2))
    x[1, 0, 2, 3] = np.nan
    assert np.isnan(conv2d_last(x, w)).sum() == 6
    assert not np.isnan(conv2d_last(x, w)[0]).any()


@pytest.mark.parametrize("size", [1, 3])
def test_a_batch_of_no_images_has_an_empty_output_and_zero_gradients(size):
    x, w = np.zeros((0, 3, 6, 7)), np.ones((4, 3, size, size))
    y = conv2d_last(x, w)
    assert y.shape == (0, 4, 7 - size, 8 - size)
    dx, dweight, dbias = conv2d_last_backward(y, x, w)
    assert dx.shape == x.shape
    close(dweight, np.zeros_like(w))
    close(dbias, np.zeros(4))


def test_inputs_of_any_order_and_kind_give_the_same_and_are_left_alone(rng):
    x, w = rng.integers(0, 9, (3, 2, 6, 7)), rng.normal(size=(4, 2, 3, 2))
    dy = rng.normal(size=(3, 4, 4, 6))
    expected = [conv2d_last(x, w), *conv2d_last_backward(dy, x, w)]
    channels_last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    for changed in (x.astype(float), x.astype(">f8"), channels_last, np.asfortranarray(x)):
        changed.flags.writeable = False
        found = [conv2d_last(changed, w), *conv2d_last_backward(dy, changed, w)]
        np.testing.assert_array_equal(changed, x)
        for mine, theirs in zip(found, expected, strict=True):
            close(mine, theirs)


@pytest.mark.parametrize(
    ("shape", "weight", "options"),
    [
        ((32, 64, 32, 32), (64, 64, 3, 3), {"padding": 1}),
        ((16, 3, 112, 112), (64, 3, 7, 7), {"stride": 2, "padding": 3}),
    ],
    ids=["bands", "stride"],
)
def test_a_call_takes_twice_its_inputs_and_outputs_and_8_megabytes(shape, weight, options):
    x, w = normal(0, shape, weight, dtype=np.float32)
    x = batch_last(x)
    y = conv2d_last(x, w, **options)
    for call, outputs in [
        (lambda: conv2d_last(x, w, **options), y.nbytes),
        (lambda: conv2d_last_backward(y, x, w, **options), y.nbytes + x.nbytes + w.nbytes),
    ]:
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= 2 * (x.nbytes + w.nbytes + outputs) + 8e6


# --- pooling and layers keep the order ---


@pytest.mark.parametrize("cache", [1, 5000, 1 << 21])
@pytest.mark.parametrize(
    ("forward", "backward", "options"),
    [
        (max_pool2d, max_pool2d_backward, {"kernel_size": 2}),
        (max_pool2d, max_pool2d_backward, {"kernel_size": (3, 2), "stride": (2, 1), "padding": 1}),
        (min_pool2d, min_pool2d_backward, {"kernel_size": (2, 3), "ceil_mode": True}),
        (avg_pool2d, avg_pool2d_backward, {"kernel_size": 3, "stride": 2, "padding": 1}),
        (avg_pool2d, avg_pool2d_backward, {"kernel_size": (3, 2), "count_include_pad": False}),
        (blur_pool2d, blur_pool2d_backward, {"kernel_size": (3, 4), "stride": (2, 1)}),
    ],
)
def test_pooling_gives_the_same_with_the_batch_last_and_keeps_it_there(
    forward, backward, options, cache, rng, monkeypatch
):
    x = rng.integers(0, 5, (5, 4, 8, 9)).astype(float)
    expected = forward(x, **options)
    dy = rng.normal(size=expected.shape)
    dx = backward(dy, x, **options)
    monkeypatch.setattr(pooling, "_CACHE", cache)
    y = forward(batch_last(x), **options)
    close(y, expected)
    close(backward(batch_last(dy), batch_last(x), **options), dx)
    close(backward(dy, batch_last(x), **options), dx)
    assert lies_last(y)


@st.composite
def pools(draw):
    """Draw x's shape and the arguments of a pooling layer, maps of one pixel among them."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    least = [max(1, k - 2 * p) for k, p in zip(kernel, padding, strict=True)]
    shape = draw(st.integers(2, 5)), draw(st.integers(1, 3))
    shape += tuple(n + draw(st.integers(0, 5)) for n in least)
    stride = draw(st.none() | st.tuples(st.integers(1, 4), st.integers(1, 4)))
    return shape, {"kernel_size": kernel, "stride": stride, "padding": padding}


@many(300)
@given(pools(), seeds)
def test_pooling_layers_equal_torch_and_keep_a_batch_that_is_last(pool, seed):
    shape, options = pool
    x = np.random.default_rng(seed).integers(0, 4, shape).astype(float)
    for layer, theirs in ((MaxPool2d, F.max_pool2d), (AvgPool2d, F.avg_pool2d)):
        tensor = torch.tensor(x, requires_grad=True)
        expected = theirs(tensor, **options)
        (dy,) = normal(seed + 1, tuple(expected.shape))
        ours = layer(**options)
        y = ours(batch_last(x), train=True)
        dx = ours.backward(dy)
        close(y, expected)
        close(dx, torch.autograd.grad(expected, tensor, torch.tensor(dy))[0])
        assert lies_last(y)
        assert lies_last(dx)


@pytest.mark.parametrize("pool", [MaxPool2d, AvgPool2d])
def test_a_window_as_large_as_the_maps_leads_the_gradient_through(pool, rng):
    net = Sequential(Conv2d(1, 3, 3, padding=1, rng=rng), pool(8), Flatten(), Linear(3, 2, rng=rng))
    torch.manual_seed(0)
    maps = torch.nn.Conv2d(1, 3, 3, padding=1), getattr(torch.nn, pool.__name__)(8)
    theirs = torch.nn.Sequential(*maps, torch.nn.Flatten(), torch.nn.Linear(3, 2)).double()
    net.load_state(theirs.state_dict())
    x, dy = rng.normal(size=(6, 1, 8, 8)), rng.normal(size=(6, 2))
    close(net(x, train=True), theirs(torch.tensor(x)))
    theirs(torch.tensor(x)).backward(torch.tensor(dy))
    net.backward(dy)
    for name, parameter in theirs.named_parameters():
        close(net.gradients[name], parameter.grad)


def test_means_of_whole_maps_lose_no_digits_with_the_batch_last():
    x = np.full((3, 2, 300, 300), 0.1, np.float32)
    for images in (x, batch_last(x)):
        np.testing.assert_allclose(global_avg_pool2d(images), np.float32(0.1), rtol=1e-6)


def test_winners_count_in_the_order_of_the_axes_whatever_the_memory(rng):
    x = rng.normal(size=(5, 3, 6, 8))
    y, winners = max_pool2d(x, 2, return_winners=True)
    again, same = max_pool2d(batch_last(x), 2, return_winners=True)
    close(again, y)
    np.testing.assert_array_equal(same, winners)
    dy = rng.normal(size=y.shape)
    dx = max_pool2d_backward(dy, batch_last(x), 2, winners=same)
    close(dx, max_pool2d_backward(dy, x, 2, winners=winners))
    close(global_avg_pool2d(batch_last(x)), global_avg_pool2d(x))


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_an_infinite_gradient_goes_to_its_winner_alone(value, rng):
    x = rng.normal(size=(5, 3, 6, 8))
    dy = np.zeros((5, 3, 3, 4))
    dy[2, 1, 0, 3] = value
    for images in (x, batch_last(x)):
        layer = MaxPool2d(2)
        layer(images, train=True)
        dx = layer.backward(dy)
        assert (~np.isfinite(dx)).sum() == 1
        np.testing.assert_array_equal(dx, max_pool2d_backward(dy, images, 2))


def test_what_follows_a_convolution_keeps_the_batch_last_both_ways(rng):
    convolution = Conv2d(2, 4, 3, padding=1, rng=rng)
    rest = BatchNorm2d(4), ReLU(), MaxPool2d(2), AvgPool2d(2), Conv2d(4, 3, 2, rng=rng)
    x = rng.normal(size=(2, 2, 12, 8))
    for layer in (convolution, *rest):
        x = layer(x, train=True)
        assert lies_last(x), layer
        dy = np.ascontiguousarray(rng.normal(size=x.shape))
        assert lies_last(layer.backward(dy)), layer


def test_layers_take_maps_of_no_channels():
    layer, x = ReLU(), np.zeros((2, 0, 3, 3))
    layer(x, train=True)
    assert layer.backward(x).shape == x.shape


def test_a_network_computes_what_the_functions_of_chapters_4_and_5_do(rng):
    first, second = Conv2d(1, 3, 3, padding=1, rng=rng), Conv2d(3, 4, 2, rng=rng)
    net = Sequential(first, MaxPool2d(2), ReLU(), second, Flatten(), Linear(48, 5, rng=rng))
    x = rng.normal(size=(20, 1, 8, 10))
    dy = rng.normal(size=(20, 5))
    weights = [layer.parameters[name] for layer in (first, second) for name in ("weight", "bias")]
    maps = conv2d(x, *weights[:2], padding=1)
    pooled = max_pool2d(maps, 2)
    bent = np.maximum(pooled, 0)
    last = conv2d(bent, *weights[2:])
    close(net[:4](x), last)
    net(x, train=True)
    dx = net.backward(dy)
    d = (dy @ net[5].parameters["weight"]).reshape(last.shape)
    d, dweight, _ = conv2d_backward(d, bent, weights[2])
    close(net.gradients["3.weight"], dweight)
    d = max_pool2d_backward(d * (pooled > 0), maps, 2)
    close(dx, conv2d_backward(d, x, weights[0], padding=1)[0])


# --- refusal ---


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: batch_last(np.zeros((2, 3))), r"x: expected a 4-D array \(N, C, H, W\)"),
        (lambda: batch_last(np.zeros((1, 1, 1, 1), complex)), "x: expected real numbers"),
        (
            lambda: conv2d_last(np.zeros((2, 3, 4, 4)), np.zeros((2, 4, 1, 1))),
            r"weight: expected x's 3 channels",
        ),
        (
            lambda: conv2d_last(np.zeros((2, 1, 4, 4)), np.zeros((1, 1, 5, 1))),
            "kernel_size: expected a kernel that fits the padded image, got 5",
        ),
        (
            lambda: conv2d_last(np.zeros((2, 1, 4, 4)), np.zeros((1, 1, 1, 1)), stride=0),
            "stride: expected a whole number of 1 or more, got 0",
        ),
        (
            lambda: conv2d_last(np.zeros((2, 1, 4, 4)), np.zeros((3, 1, 1, 1)), bias=[1]),
            "bias: expected 3 numbers",
        ),
        (
            lambda: conv2d_last_backward(
                np.zeros((2, 1, 3, 4)), np.zeros((2, 1, 4, 3)), np.zeros((1, 1, 1, 1))
            ),
            r"dy: expected the shape of the output, \(2, 1, 4, 3\), got \(2, 1, 3, 4\)",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
