"""Chapter 5: pooling against torch, its own definitions, and the chapter's numbers."""

import tracemalloc
from math import comb

import numpy as np
import pytest
import torch
from conftest import close
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncourse import pooling
from cnncourse.convolution import conv2d, layer_cost
from cnncourse.pooling import (
    avg_pool2d,
    avg_pool2d_backward,
    blur_pool2d,
    blur_pool2d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
    min_pool2d,
    min_pool2d_backward,
)

F = torch.nn.functional

seeds = st.integers(0, 2**32 - 1)

# the chapter's image and upstream gradient
IMAGE = np.array([[[[1, 3, 2, 1], [5, 6, 0, 2], [4, 4, 8, 7], [4, 0, 3, 6]]]], float)
UPSTREAM = np.array([[[[4, 8], [12, 16]]]], float)


def many(examples):
    return settings(max_examples=examples, deadline=None)


@st.composite
def pools(draw, dilated=False):
    """Draw x's shape and kernel_size, stride, padding, dilation, ceil_mode, all rectangular."""
    kernel = [draw(st.integers(1, 5)) for _ in range(2)]
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    dilation = tuple(draw(st.integers(1, 3)) if dilated else 1 for _ in range(2))
    least = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    if not dilated:  # a padded image that is as small as its window
        least = [max(1, n - 2 * p) for n, p in zip(least, padding, strict=True)]
    shape = tuple(draw(st.integers(1, 3)) for _ in range(2))
    shape += tuple(n + draw(st.integers(0, 7)) for n in least)
    stride = draw(st.none() | st.tuples(st.integers(1, 6), st.integers(1, 6)))
    options = {"kernel_size": tuple(kernel), "stride": stride, "padding": padding}
    options |= {"dilation": dilation} if dilated else {}
    return shape, options | {"ceil_mode": draw(st.booleans())}


@st.composite
def blurs(draw):
    """Draw x's shape and the kernel's size and stride."""
    kernel = tuple(draw(st.integers(1, 7)) for _ in range(2))
    shape = tuple(draw(st.integers(1, 3)) for _ in range(2))
    shape += tuple(k // 2 + draw(st.integers(1, 8)) for k in kernel)
    stride = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    return shape, {"kernel_size": kernel, "stride": stride}


def torch_pair(function, x, dy_seed, **options):
    """Return torch's output, a random upstream gradient, and torch's gradient."""
    x = torch.tensor(x, requires_grad=True)
    y = function(x, **options)
    dy = np.random.default_rng(dy_seed).normal(size=tuple(y.shape)).astype(y.detach().numpy().dtype)
    return y, dy, torch.autograd.grad(y, x, torch.tensor(dy))[0]


def torch_min_pool(x, **options):
    return -F.max_pool2d(-x, **options)


def torch_blur_pool(x, kernel_size, stride):
    rows, columns = (torch.tensor([comb(k - 1, i) for i in range(k)]) for k in kernel_size)
    w = torch.outer(rows, columns).to(x.dtype)
    (top, left), (bottom, right) = zip(*[((k - 1) // 2, k // 2) for k in kernel_size], strict=True)
    padded = F.pad(x, (left, right, top, bottom), "reflect")
    w = (w / w.sum()).expand(x.shape[1], 1, -1, -1)
    return F.conv2d(padded, w, stride=stride, groups=x.shape[1])


# --- oracle: forward and backward ---


@many(300)
@given(pools(dilated=True), seeds, st.booleans())
def test_max_pooling_equals_torch_with_many_ties_and_without(pool, seed, ties):
    shape, options = pool
    rng = np.random.default_rng(seed)
    x = rng.integers(-1, 2, shape).astype(float) if ties else rng.normal(size=shape)
    y, dy, dx = torch_pair(F.max_pool2d, x, seed, **options)
    close(max_pool2d(x, **options), y)
    close(max_pool2d_backward(dy, x, **options), dx)


@many(100)
@given(pools(dilated=True), seeds, st.booleans())
def test_winners_are_torchs_and_lead_the_gradient_to_the_same_pixels(pool, seed, ties):
    shape, options = pool
    rng = np.random.default_rng(seed)
    x = rng.integers(-1, 2, shape).astype(float) if ties else rng.normal(size=shape)
    y, winners = max_pool2d(x, **options, return_winners=True)
    expected, where = F.max_pool2d(torch.tensor(x), **options, return_indices=True)
    close(y, expected)
    close(winners % x[0, 0].size, where)
    close(x.take(winners), y)
    dy = rng.normal(size=y.shape)
    dx = max_pool2d_backward(dy, x, **options, winners=winners)
    close(dx, max_pool2d_backward(dy, x, **options))


@many(100)
@given(pools(dilated=True), seeds, st.booleans())
def test_min_pooling_equals_torch_on_the_negative(pool, seed, ties):
    shape, options = pool
    rng = np.random.default_rng(seed)
    x = rng.integers(-1, 2, shape).astype(float) if ties else rng.normal(size=shape)
    y, dy, dx = torch_pair(torch_min_pool, x, seed, **options)
    close(min_pool2d(x, **options), y)
    close(min_pool2d_backward(dy, x, **options), dx)


@many(300)
@given(pools(), seeds, st.booleans())
def test_average_pooling_equals_torch(pool, seed, count_include_pad):
    shape, options = pool
    options["count_include_pad"] = count_include_pad
    x = np.random.default_rng(seed).normal(size=shape)
    y, dy, dx = torch_pair(F.avg_pool2d, x, seed, **options)
    close(avg_pool2d(x, **options), y)
    close(avg_pool2d_backward(dy, x, **options), dx)


@many(150)
@given(blurs(), seeds)
def test_blur_pooling_equals_torchs_depthwise_convolution_of_the_reflected_image(blur, seed):
    shape, options = blur
    x = np.random.default_rng(seed).normal(size=shape)
    y, dy, dx = torch_pair(torch_blur_pool, x, seed, **options)
    close(blur_pool2d(x, **options), y)
    close(blur_pool2d_backward(dy, x, **options), dx)


@many(50)
@given(st.tuples(*[st.integers(1, 9)] * 4), seeds)
def test_global_average_pooling_equals_torch(shape, seed):
    x = np.random.default_rng(seed).normal(size=shape)
    y, dy, dx = torch_pair(F.adaptive_avg_pool2d, x, seed, output_size=1)
    close(global_avg_pool2d(x), y)
    close(global_avg_pool2d_backward(dy, x), dx)


@many(100)
@given(pools(), seeds)
def test_pooling_equals_torch_in_float32(pool, seed):
    shape, options = pool
    x = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    for ours, backward, theirs in [
        (max_pool2d, max_pool2d_backward, F.max_pool2d),
        (avg_pool2d, avg_pool2d_backward, F.avg_pool2d),
    ]:
        y, dy, dx = torch_pair(theirs, x, seed, **options)
        close(ours(x, **options), y, 1e-5, 1e-6)
        close(backward(dy, x, **options), dx, 1e-5, 1e-5)


@many(100)
@given(pools(dilated=True), seeds)
def test_nan_and_infinities_go_where_torch_lets_them_go(pool, seed):
    shape, options = pool
    values = [-np.inf, np.inf, np.nan, 0.0, 1.0]
    x = np.random.default_rng(seed).choice(values, shape, p=[0.4, 0.1, 0.2, 0.2, 0.1])
    y, dy, dx = torch_pair(F.max_pool2d, x, seed, **options)
    np.testing.assert_array_equal(max_pool2d(x, **options), y.detach().numpy())
    close(max_pool2d_backward(dy, x, **options), dx)


@pytest.mark.parametrize("stride", [1, 2])
def test_averages_of_infinities_and_nan_are_torchs_and_warn_of_nothing(stride, rng):
    values = [-np.inf, np.inf, np.nan, 0.0, 1.0]
    x = rng.choice(values, (2, 3, 8, 12), p=[0.05, 0.1, 0.05, 0.4, 0.4])
    x[0, 0, 0, :2] = np.inf, -np.inf
    expected = F.avg_pool2d(torch.tensor(x), 2, stride)
    np.testing.assert_array_equal(avg_pool2d(x, 2, stride), expected)


def test_winners_may_be_of_any_whole_dtype(rng):
    x, dy = rng.normal(size=(2, 3, 6, 4)), rng.normal(size=(2, 3, 3, 2))
    _, winners = max_pool2d(x, 2, return_winners=True)
    for dtype in (np.uint8, ">i4", np.int16, np.uint64):
        dx = max_pool2d_backward(dy, x, 2, winners=winners.astype(dtype))
        close(dx, max_pool2d_backward(dy, x, 2))


def test_windows_of_minus_infinity_beside_padding_give_their_gradient_to_a_pixel():
    x = np.full((1, 1, 2, 2), -np.inf)
    dx = max_pool2d_backward(np.ones((1, 1, 3, 3)), x, 2, 1, 1)
    assert dx.ravel().tolist() == [4, 2, 2, 1]


def test_windows_of_more_than_255_pixels_equal_torch(rng):
    x = rng.integers(0, 3, (1, 2, 40, 39)).astype(float)
    y, dy, dx = torch_pair(F.max_pool2d, x, 1, kernel_size=(17, 19), stride=(5, 4), padding=(8, 9))
    close(max_pool2d(x, (17, 19), (5, 4), (8, 9)), y)
    close(max_pool2d_backward(dy, x, (17, 19), (5, 4), (8, 9)), dx)


@pytest.mark.parametrize("cache", [1, 700, 1 << 30])
def test_the_size_of_the_cache_changes_nothing(cache, rng, monkeypatch):
    x = rng.integers(0, 4, (3, 5, 9, 8)).astype(float)
    dy = rng.normal(size=(3, 5, 5, 4))
    options = {"kernel_size": 3, "stride": 2, "padding": 1}
    expected = max_pool2d_backward(dy, x, **options), avg_pool2d_backward(dy, x, **options)
    monkeypatch.setattr(pooling, "_CACHE", cache)
    close(max_pool2d_backward(dy, x, **options), expected[0])
    close(avg_pool2d_backward(dy, x, **options), expected[1])
    close(max_pool2d(x, **options), F.max_pool2d(torch.tensor(x), **options))


# --- gradients, by differences ---

PAIRS = [
    (max_pool2d, max_pool2d_backward, {"kernel_size": (3, 2), "stride": (2, 1), "padding": 1}),
    (min_pool2d, min_pool2d_backward, {"kernel_size": (2, 3), "ceil_mode": True}),
    (avg_pool2d, avg_pool2d_backward, {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    (blur_pool2d, blur_pool2d_backward, {"kernel_size": (3, 4), "stride": (2, 1)}),
    (global_avg_pool2d, global_avg_pool2d_backward, {}),
]
every_pair = pytest.mark.parametrize(
    ("forward", "backward", "options"), PAIRS, ids=[pair[0].__name__ for pair in PAIRS]
)


@every_pair
def test_gradients_are_central_differences(forward, backward, options, rng):
    x = rng.permutation(2 * 2 * 6 * 7).reshape(2, 2, 6, 7) / 10  # no two within a step of another
    dy = rng.normal(size=forward(x, **options).shape)
    dx = backward(dy, x, **options)
    for index in np.ndindex(x.shape):
        losses = []
        for step in (1e-3, -1e-3):
            moved = x.copy()
            moved[index] += step
            losses.append((forward(moved, **options) * dy).sum())
        assert dx[index] == pytest.approx((losses[0] - losses[1]) / 2e-3, abs=1e-8)


# --- properties ---


@every_pair
def test_constants_pooled_are_constants(forward, backward, options):
    x = np.full((2, 3, 8, 9), 7.25)
    options = options | {"padding": 0} if "padding" in options else options
    assert (forward(x, **options) == 7.25).all()


@many(60)
@given(pools(), seeds)
def test_the_average_lies_between_minimum_and_maximum(pool, seed):
    shape, options = pool
    x = np.random.default_rng(seed).normal(size=shape)
    average = avg_pool2d(x, **options, count_include_pad=False)
    assert (min_pool2d(x, **options) <= average + 1e-12).all()
    assert (average <= max_pool2d(x, **options) + 1e-12).all()


@many(60)
@given(pools(dilated=True), seeds)
def test_the_minimum_is_minus_the_maximum_of_the_negative(pool, seed):
    shape, options = pool
    x = np.random.default_rng(seed).normal(size=shape)
    close(min_pool2d(x, **options), -max_pool2d(-x, **options), rtol=0, atol=0)


@many(60)
@given(pools(dilated=True), st.booleans(), seeds)
def test_no_gradient_is_lost_or_made(pool, ties, seed):
    shape, options = pool
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, shape).astype(float) if ties else rng.normal(size=shape)
    dy = rng.normal(size=max_pool2d(x, **options).shape)
    for backward in (max_pool2d_backward, min_pool2d_backward):
        assert backward(dy, x, **options).sum() == pytest.approx(dy.sum(), abs=1e-10)
    options.pop("dilation")
    dy = rng.normal(size=avg_pool2d(x := np.ones((1, 1, 9, 9)), **options).shape)
    dx = avg_pool2d_backward(dy, x, **options, count_include_pad=False)
    assert dx.sum() == pytest.approx(dy.sum(), abs=1e-10)
    dx = global_avg_pool2d_backward([[[[2.5]]]], x)
    assert dx.sum() == pytest.approx(2.5)


@many(100)
@given(pools(), st.booleans(), seeds)
def test_average_and_backward_are_adjoint(pool, include, seed):
    shape, options = pool
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    image = avg_pool2d(x, **options, count_include_pad=include)
    dy = rng.normal(size=image.shape)
    dx = avg_pool2d_backward(dy, x, **options, count_include_pad=include)
    assert (image * dy).sum() == pytest.approx((x * dx).sum(), abs=1e-10)


@many(100)
@given(blurs(), seeds)
def test_blur_and_backward_are_adjoint(blur, seed):
    shape, options = blur
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    image = blur_pool2d(x, **options)
    dy = rng.normal(size=image.shape)
    dx = blur_pool2d_backward(dy, x, **options)
    assert (image * dy).sum() == pytest.approx((x * dx).sum(), abs=1e-10)


def test_average_pooling_is_a_depthwise_convolution_with_equal_weights(rng):
    x = rng.normal(size=(2, 3, 9, 8))
    w = np.full((3, 1, 3, 2), 1 / 6)
    convolved = conv2d(x, w, stride=(2, 1), padding=1, groups=3)
    close(avg_pool2d(x, (3, 2), (2, 1), 1), convolved)


def test_a_window_as_large_as_the_image_pools_globally(rng):
    x = rng.normal(size=(2, 3, 5, 7))
    close(avg_pool2d(x, (5, 7)), global_avg_pool2d(x))
    close(max_pool2d(x, (5, 7)), x.max((2, 3), keepdims=True))


def test_pooling_with_windows_of_one_pixel_changes_nothing(rng):
    x = rng.normal(size=(2, 3, 5, 7))
    for pool in (max_pool2d, min_pool2d, avg_pool2d):
        close(pool(x, 1), x)
    close(blur_pool2d(x, 1, 1), x)
    close(blur_pool2d(x, 1, 2), x[:, :, ::2, ::2])


def test_max_pooling_commutes_with_increasing_functions(rng):
    x = rng.normal(size=(2, 3, 6, 8))
    for increasing in (np.exp, lambda v: np.maximum(v, 0)):
        close(max_pool2d(increasing(x), 2), increasing(max_pool2d(x, 2)))


def test_pooling_commutes_with_shifts_by_the_stride_and_with_no_other(rng):
    x = rng.normal(size=(1, 1, 8, 8))
    for pool in (max_pool2d, min_pool2d, avg_pool2d):
        close(pool(np.roll(x, 2, 3), 2), np.roll(pool(x, 2), 1, 3))
        for shift in (0, 1):
            assert not np.allclose(pool(np.roll(x, 1, 3), 2), np.roll(pool(x, 2), shift, 3))


def test_blur_pooling_of_the_finest_stripes_does_not_depend_on_where_they_begin():
    stripes = np.tile([0.0, 8.0], (8, 4))[None, None]
    shifted = np.roll(stripes, 1, 3)
    close(blur_pool2d(stripes), blur_pool2d(shifted))
    close(blur_pool2d(stripes), np.full((1, 1, 4, 4), 4.0))
    assert (max_pool2d(stripes[..., ::2], 1) != max_pool2d(shifted[..., ::2], 1)).all()


# --- golden: the chapter's own numbers ---


def test_the_chapters_4_by_4_image_pools_to_its_2_by_2():
    assert max_pool2d(IMAGE, 2).tolist() == [[[[6, 2], [4, 8]]]]
    assert avg_pool2d(IMAGE, 2).tolist() == [[[[3.75, 1.25], [3, 6]]]]
    assert min_pool2d(IMAGE, 2).tolist() == [[[[1, 0], [0, 3]]]]


def test_the_chapters_gradient_goes_to_the_first_maximum_and_is_spread_by_the_average():
    routed = [[0, 0, 8, 0], [0, 4, 0, 0], [12, 0, 16, 0], [0, 0, 0, 0]]
    assert max_pool2d_backward(UPSTREAM, IMAGE, 2)[0, 0].tolist() == routed
    spread = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert avg_pool2d_backward(UPSTREAM, IMAGE, 2)[0, 0].tolist() == spread


def test_overlapping_windows_of_the_chapters_image_add_up():
    dx = max_pool2d_backward(np.ones((1, 1, 3, 3)), IMAGE, 2, 1)
    assert dx[0, 0].tolist() == [[0, 0, 1, 0], [0, 3, 0, 0], [1, 0, 4, 0], [0, 0, 0, 0]]


def test_ceil_mode_divides_by_image_and_padding_and_not_by_what_hangs_over():
    x = np.arange(1.0, 6).reshape(1, 1, 1, 5)
    options = {"kernel_size": (1, 2), "ceil_mode": True}
    assert avg_pool2d(x, **options).ravel().tolist() == [1.5, 3.5, 5]
    options |= {"kernel_size": (1, 4), "stride": (1, 3), "padding": (0, 1)}
    assert avg_pool2d(x, **options).ravel().tolist() == [1.5, 3]


def test_vgg16_keeps_15_million_values_an_image():
    """Its 13 convolutions, 5 poolings and 3 dense layers, as the chapter counts them."""
    shape, values, parameters = (3, 224, 224), 3 * 224 * 224, 0
    for channels, depth in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]:
        for _ in range(depth):
            words = {"out_channels": channels, "kernel_size": 3, "padding": 1}
            cost = layer_cost(shape, words)
            shape = cost["output_shape"][1:]
            values, parameters = values + np.prod(shape), parameters + cost["parameters"]
        shape = max_pool2d(np.zeros((1, *shape), np.float32), 2).shape[1:]
        values += np.prod(shape)
    before = np.prod(shape)
    for after in (4096, 4096, 1000):
        values, parameters, before = values + after, parameters + (before + 1) * after, after
    assert (values, parameters) == (15_237_608, 138_357_544)


# --- stress ---


@pytest.fixture
def small(rng):
    return rng.normal(size=(2, 3, 6, 7))


def everything(x):
    """Return the output and the gradient of every kind of pooling."""
    results = []
    for forward, backward, options in PAIRS:
        y = forward(x, **options)
        results += [y, backward(np.cos(y), x, **options)]
    return results


def test_non_contiguous_inputs_give_the_same(small):
    channels_last = np.ascontiguousarray(small.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    for changed in (
        channels_last,
        np.repeat(small, 2, axis=-1)[..., ::2],
        np.asfortranarray(small),
    ):
        for ours, theirs in zip(everything(changed), everything(small), strict=True):
            close(ours, theirs)
            assert ours.flags.c_contiguous


def test_inputs_may_be_read_only_and_are_left_alone(small):
    before, expected = small.copy(), everything(small)
    small.flags.writeable = False
    for ours, theirs in zip(everything(small), expected, strict=True):
        close(ours, theirs)
    np.testing.assert_array_equal(small, before)


def test_results_share_no_memory_with_the_input(small):
    for result in [*everything(small), max_pool2d(small, 1), blur_pool2d(small, 1, 1)]:
        assert not np.shares_memory(result, small)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_big_endian_inputs_give_the_same_in_native_order(small, dtype):
    native = small.astype(dtype)
    swapped = native.astype(native.dtype.newbyteorder(">"))
    for ours, theirs in zip(everything(swapped), everything(native), strict=True):
        close(ours, theirs)
        assert ours.dtype == dtype
        assert ours.dtype.isnative


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, bool])
def test_integers_are_read_as_float64_and_never_wrap(dtype):
    x = np.full((1, 1, 4, 6), 200).astype(dtype)
    for result, exact in zip(everything(x), everything(x.astype(float)), strict=True):
        close(result, exact)
    assert (avg_pool2d(x, 2) == float(x[0, 0, 0, 0])).all()
    assert (min_pool2d(x, 2) == float(x[0, 0, 0, 0])).all()


def test_the_gradient_takes_the_dtype_of_the_image(small):
    for forward, backward, options in PAIRS:
        dy = forward(small, **options)
        assert backward(dy, small.astype(np.float32), **options).dtype == np.float32


def test_lists_are_read_as_arrays():
    close(max_pool2d([[[[1, 2]]]], (1, 2)), np.array([[[[2.0]]]]))


@every_pair
def test_a_batch_of_no_images_has_an_empty_output_and_gradient(forward, backward, options):
    x = np.zeros((0, 3, 8, 9), np.float32)
    y = forward(x, **options)
    assert y.shape == (0, *forward(np.zeros((1, 3, 8, 9)), **options).shape[1:])
    close(backward(y, x, **options), x)


def test_a_small_signal_on_a_large_offset_survives_in_float32(rng):
    x = (100 + 0.01 * rng.normal(size=(2, 3, 8, 8))).astype(np.float32)
    for forward, _, options in PAIRS:
        options = options | {"padding": 0} if "padding" in options else options
        exact = forward(x.astype(np.float64), **options)
        np.testing.assert_allclose(forward(x, **options), exact, rtol=1e-6)


@pytest.mark.parametrize("shape", [(32, 16, 56, 56), (1, 2, 700, 700)])
@every_pair
def test_a_call_takes_what_it_returns_its_winners_and_a_few_maps(forward, backward, options, shape):
    x = np.zeros(shape, np.float32)
    y = forward(x, **options)
    for call, result in [
        (lambda: forward(x, **options), y.nbytes),
        (lambda: backward(y, x, **options), x.nbytes + y.nbytes + 8 * y.size),
    ]:
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= result + 3e6 + 20 * x[0, 0].nbytes


def test_a_wide_window_takes_no_more_memory_than_a_small_one():
    x = np.zeros((1, 1, 4, 20_000))
    tracemalloc.start()
    max_pool2d(x, (1, 10_000), 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


# --- refusals ---

X = np.zeros((2, 3, 5, 7))


@pytest.mark.parametrize("pool", [max_pool2d, min_pool2d, avg_pool2d])
@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (X[0], {}, r"x: expected a 4-D array \(N, C, H, W\), got shape \(3, 5, 7\)"),
        (X[:, :0], {}, r"x: expected a 4-D array .*, got shape \(2, 0, 5, 7\)"),
        (X + 1j, {}, "x: expected real numbers, got dtype complex128"),
        (X, {"kernel_size": 0}, "kernel_size: expected a whole number of 1 or more, got 0"),
        (X, {"kernel_size": (2, 2, 2)}, r"kernel_size: expected a whole number or \(rows, col"),
        (X, {"stride": 0}, "stride: expected a whole number of 1 or more, got 0"),
        (X, {"stride": 1.5}, "stride: expected a whole number of 1 or more, got 1.5"),
        (X, {"padding": -1}, "padding: expected a whole number of 0 or more, got -1"),
        (X, {"padding": 2}, "padding: expected at most half of kernel_size 3, got 2"),
        (X, {"kernel_size": (1, 2), "padding": 1}, "padding: expected at most half of kernel_size"),
        (
            X,
            {"kernel_size": (2, 8)},
            r"kernel_size: expected .* ⌊\(7 \+ 0 − 1·\(8 − 1\) − 1\) / 8⌋",
        ),
    ],
)
def test_impossible_pooling_is_refused_by_name(pool, x, options, message):
    with pytest.raises(ValueError, match=message):
        pool(x, **({"kernel_size": 3} | options))


def test_a_window_without_a_pixel_is_refused():
    with pytest.raises(ValueError, match="dilation: expected a pixel of the image in every window"):
        max_pool2d(X[:, :, :2], 2, 1, 1, dilation=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": 10}, "kernel_size: expected at most 9, to reflect 5 pixels, got 10"),
        ({"kernel_size": (3, 14)}, "kernel_size: expected at most 13, to reflect 7 pixels, got 14"),
        ({"kernel_size": 0}, "kernel_size: expected a whole number of 1 or more, got 0"),
        ({"stride": (2, 0)}, "stride: expected a whole number of 1 or more, got 0"),
    ],
)
def test_an_impossible_blur_is_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        blur_pool2d(X, **options)


def test_global_pooling_refuses_what_is_no_batch_of_maps():
    with pytest.raises(ValueError, match="x: expected a 4-D array"):
        global_avg_pool2d(X[0])


@pytest.mark.parametrize(
    ("winners", "message"),
    [
        (np.zeros((2, 3, 2, 2), int), r"shape \(2, 3, 2, 3\), got int64 of shape \(2, 3, 2, 2\)"),
        (np.zeros((2, 3, 2, 3)), r"winners: expected whole numbers of .*, got float64 of"),
        (np.full((2, 3, 2, 3), 210), "winners: expected 0 to 209, got 210 to 210"),
        (np.full((2, 3, 2, 3), -1), "winners: expected 0 to 209, got -1 to -1"),
        (np.full((2, 3, 2, 3), -1, np.int8), "winners: expected 0 to 209, got -1 to -1"),
        (np.zeros((2, 3, 2, 3), int), "numbers in all of x, got some of another map"),
    ],
)
def test_winners_that_are_no_pixels_are_refused(winners, message):
    with pytest.raises(ValueError, match=message):
        max_pool2d_backward(np.zeros((2, 3, 2, 3)), X, 2, winners=winners)


@every_pair
def test_an_upstream_gradient_of_another_shape_is_refused(forward, backward, options):
    y = forward(X, **options)
    for wrong in (y[:1], y[:, :, :, :0], np.concatenate([y, y], 3)):
        with pytest.raises(ValueError, match="dy: expected"):
            backward(wrong, X, **options)
