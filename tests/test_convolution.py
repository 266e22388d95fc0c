"""Chapter 4: convolution layers against torch, their own definitions, and the chapter's numbers."""

import re
import tracemalloc

import numpy as np
import pytest
import torch
from conftest import close
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncourse import convolution
from cnncourse.convolution import (
    CONVENTIONS,
    conv2d,
    conv2d_backward,
    conv2d_matrix,
    conv2d_transpose,
    layer_cost,
    output_size,
    pad2d,
    patches,
    pixel_coverage,
    receptive_field,
    same_padding,
)

F = torch.nn.functional

TORCH_PAD = {"zero": "constant", "reflect": "reflect", "replicate": "replicate"}
TORCH_PAD |= {"circular": "circular"}
FFT = {"stride": 1, "padding": (8, 7), "dilation": 1, "groups": 2}  # with kernels of 16×17

seeds = st.integers(0, 2**32 - 1)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


def many(examples):
    return settings(max_examples=examples, deadline=None)


@st.composite
def layers(draw):
    """Draw x's shape, weight's shape, and stride, padding, dilation, groups, all rectangular."""
    N, groups, C, K = (draw(st.integers(1, 3)) for _ in range(4))
    kernel, dilation = draw(st.tuples(st.integers(1, 4), st.integers(1, 4))), draw(pairs)
    stride = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    padding = draw(st.tuples(st.integers(0, 4), st.integers(0, 4)))
    sizes = [
        max(1, d * (k - 1) + 1 - 2 * p) + draw(st.integers(0, 6))
        for k, d, p in zip(kernel, dilation, padding, strict=True)
    ]
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return (N, C * groups, *sizes), (K * groups, C, *kernel), options


def normal(seed, *shapes, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def torch_gradients(dy, x, w, **options):
    """Return torch's dx, dweight and dbias."""
    x, w = torch.tensor(x, requires_grad=True), torch.tensor(w, requires_grad=True)
    b = torch.zeros(len(w), dtype=w.dtype, requires_grad=True)
    return torch.autograd.grad(F.conv2d(x, w, b, **options), (x, w, b), torch.tensor(dy))


@pytest.fixture
def large(rng):
    """Return a layer that goes through frequencies: x, weight, dy."""
    x, w = rng.normal(size=(2, 4, 60, 45)), rng.normal(size=(6, 2, 16, 17))
    return x, w, rng.normal(size=conv2d(x, w, **FFT).shape)


def test_comparison_sees_a_wrong_value_dtype_and_shape():
    for wrong in (np.array([1.0, 2.1]), np.array([1, 2]), np.array([[1.0, 2.0]])):
        with pytest.raises(AssertionError):
            close(np.array([1.0, 2.0]), wrong)


# --- output_size, same_padding ---


@many(200)
@given(st.integers(1, 20), *[st.integers(1, 5)] * 2, st.integers(0, 4), st.integers(1, 3))
def test_output_size_is_torchs(extra, kernel, stride, padding, dilation):
    size = max(1, dilation * (kernel - 1) - 2 * padding) + extra
    x, w = torch.zeros(1, 1, 1, size), torch.zeros(1, 1, 1, kernel)
    theirs = F.conv2d(x, w, None, (1, stride), (0, padding), (1, dilation)).shape[3]
    assert output_size(size, kernel, stride, padding, dilation) == theirs


@many(200)
@given(st.integers(1, 20), *[st.integers(1, 5)] * 2, st.integers(0, 2), st.integers(1, 3))
def test_ceil_mode_is_that_of_torchs_pooling(extra, kernel, stride, padding, dilation):
    padding = min(padding, kernel // 2)
    size = dilation * (kernel - 1) + extra
    pool = torch.nn.MaxPool1d(kernel, stride, padding, dilation, ceil_mode=True)
    theirs = pool(torch.zeros(1, 1, size)).shape[2]
    assert output_size(size, kernel, stride, padding, dilation, ceil_mode=True) == theirs


def test_the_five_conventions_stand_side_by_side():
    sizes = [output_size(10, 4, stride=3, convention=name) for name in CONVENTIONS]
    assert sizes == [3, 3, 3, 4, 2]


def test_total_padding_counts_both_sides_together():
    assert output_size(7, 4, padding=3, convention="total padding") == 7
    assert output_size(7, 4, padding=3) == 10


def test_a_last_window_must_start_inside_the_image_or_the_padding_before_it():
    assert output_size(5, 1, stride=3, ceil_mode=True) == 2
    assert output_size(4, 2, stride=4, ceil_mode=True) == 1
    assert output_size(5, 2, stride=4, padding=1, ceil_mode=True) == 2


def test_dilation_counted_from_0_is_one_less_than_torchs():
    for dilation in (1, 2, 3):
        theirs = output_size(20, 4, 2, 1, dilation - 1, convention="dilation from 0")
        assert output_size(20, 4, 2, 1, dilation) == theirs


@many(100)
@given(st.integers(1, 30), st.integers(1, 6), st.integers(1, 5), st.integers(1, 3))
def test_same_padding_gives_size_over_stride_outputs_and_its_odd_pixel_at_the_end(
    size, kernel, stride, dilation
):
    before, after = same_padding(size, kernel, stride, dilation)
    padded = np.zeros((1, 1, 1, size + before + after))
    outputs = patches(padded, (1, kernel), (1, stride), (1, dilation)).shape[-1]
    assert outputs == output_size(size, kernel, stride, dilation=dilation, convention="same")
    assert outputs == np.ceil(size / stride)
    assert after - before in (0, 1)


def test_padding_by_half_an_odd_kernel_keeps_the_size():
    for kernel, padding in [(3, 1), (5, 2), (7, 3)]:
        assert output_size(50, kernel, padding=padding) == 50


def test_the_chapters_5_by_7_image_becomes_3_by_4():
    assert conv2d(np.ones((1, 1, 5, 7)), np.ones((1, 1, 3, 3)), stride=2, padding=1).shape == (
        (1, 1, 3, 4)
    )


# --- pad2d, patches ---


@pytest.mark.parametrize("mode", TORCH_PAD)
@pytest.mark.parametrize("padding", [0, 2, (1, 3), (0, 1, 2, 3), (3, 0, 0, 1)])
def test_pad2d_equals_torch(mode, padding, rng):
    x = rng.normal(size=(2, 3, 5, 7))
    rows, columns = (padding, padding) if isinstance(padding, int) else padding[:2]
    sides = padding if np.size(padding) == 4 else (rows, rows, columns, columns)
    theirs = F.pad(torch.tensor(x), (*sides[2:], *sides[:2]), TORCH_PAD[mode])
    close(pad2d(x, padding, mode), theirs)


@many(100)
@given(layers(), seeds)
def test_patches_equal_torch_unfold(layer, seed):
    shape, (_, _, *kernel), options = layer
    options.pop("groups")
    padding = options.pop("padding")
    (x,) = normal(seed, shape)
    view = patches(pad2d(x, padding), kernel, **options)
    theirs = F.unfold(torch.tensor(x), kernel, padding=padding, **options)
    close(view.reshape(theirs.shape), theirs)


def test_patches_are_a_read_only_view(rng):
    x = rng.normal(size=(2, 3, 5, 7))
    view = patches(x, 3)
    assert np.shares_memory(view, x)
    assert not view.flags.writeable
    assert x.flags.writeable


# --- conv2d and conv2d_backward: oracle ---


@many(500)
@given(layers(), seeds)
def test_forward_and_backward_equal_torch(layer, seed):
    shape, weight, options = layer
    x, w, b = normal(seed, shape, weight, weight[:1])
    y = conv2d(x, w, b, **options)
    close(y, F.conv2d(*map(torch.tensor, (x, w, b)), **options))
    (dy,) = normal(seed + 1, y.shape)
    for ours, theirs in zip(
        conv2d_backward(dy, x, w, **options), torch_gradients(dy, x, w, **options), strict=True
    ):
        close(ours, theirs)


@many(150)
@given(layers(), seeds)
def test_forward_and_backward_equal_torch_in_float32(layer, seed):
    shape, weight, options = layer
    x, w = normal(seed, shape, weight, dtype=np.float32)
    y = conv2d(x, w, **options)
    close(y, F.conv2d(*map(torch.tensor, (x, w)), **options), 1e-4, 1e-4)
    (dy,) = normal(seed + 1, y.shape, dtype=np.float32)
    for ours, theirs in zip(
        conv2d_backward(dy, x, w, **options), torch_gradients(dy, x, w, **options), strict=True
    ):
        close(ours, theirs, 1e-4, 1e-4)


@many(150)
@given(layers(), seeds, st.integers(1, 2000))
def test_the_size_of_the_bands_changes_nothing(layer, seed, band):
    shape, weight, options = layer
    x, w = normal(seed, shape, weight)
    y = conv2d(x, w, **options)
    (dy,) = normal(seed + 1, y.shape)
    gradients = conv2d_backward(dy, x, w, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "_BAND", band)
        close(conv2d(x, w, **options), y)
        for ours, theirs in zip(conv2d_backward(dy, x, w, **options), gradients, strict=True):
            close(ours, theirs)


@many(100)
@given(layers(), seeds, st.sampled_from([0, 1000]), st.sampled_from([1000, 1 << 20]))
def test_gradients_are_torchs_whether_rows_count_as_short_or_not(layer, seed, short, band):
    shape, weight, options = layer
    x, w = normal(seed, shape, weight)
    (dy,) = normal(seed + 1, conv2d(x, w, **options).shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "_SHORT", short)
        patch.setattr(convolution, "_BAND", band)
        for ours, theirs in zip(
            conv2d_backward(dy, x, w, **options), torch_gradients(dy, x, w, **options), strict=True
        ):
            close(ours, theirs)


@many(100)
@given(layers(), seeds)
def test_frequencies_give_what_torch_gives_for_any_layer(layer, seed):
    shape, weight, options = layer
    x, w = normal(seed, shape, weight)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "_frequencies_pay", lambda *_: True)
        y = conv2d(x, w, **options)
        close(y, F.conv2d(*map(torch.tensor, (x, w)), **options))
        (dy,) = normal(seed + 1, y.shape)
        for ours, theirs in zip(
            conv2d_backward(dy, x, w, **options), torch_gradients(dy, x, w, **options), strict=True
        ):
            close(ours, theirs)


def test_large_kernels_go_through_frequencies_and_equal_torch(large, monkeypatch):
    x, w, dy = large
    calls = []
    for name in ("_conv2d_fft", "_dweight_fft"):
        inner = getattr(convolution, name)
        monkeypatch.setattr(
            convolution,
            name,
            lambda *a, name=name, inner=inner, **k: calls.append(name) or inner(*a, **k),
        )
    close(conv2d(x, w, **FFT), F.conv2d(*map(torch.tensor, (x, w)), **FFT))
    gradients = conv2d_backward(dy, x, w, **FFT)
    for ours, theirs in zip(gradients, torch_gradients(dy, x, w, **FFT), strict=True):
        close(ours, theirs)
    assert calls == ["_conv2d_fft", "_dweight_fft", "_conv2d_fft"]


def test_frequencies_keep_float32(large):
    x, w, dy = (a.astype(np.float32) for a in large)
    close(conv2d(x, w, **FFT), F.conv2d(*map(torch.tensor, (x, w)), **FFT), 1e-4, 1e-3)
    gradients = conv2d_backward(dy, x, w, **FFT)
    for ours, theirs in zip(gradients, torch_gradients(dy, x, w, **FFT), strict=True):
        close(ours, theirs, 1e-4, 1e-3)


def test_an_image_of_several_bands_equals_torch(rng):
    x, w = rng.normal(size=(1, 3, 150, 100)), rng.normal(size=(20, 3, 5, 5))
    close(conv2d(x, w, padding=2), F.conv2d(torch.tensor(x), torch.tensor(w), padding=2))


@pytest.mark.parametrize("kernel", [(1, 1), (5, 7)], ids=["1x1", "as large as the image"])
def test_kernels_of_one_pixel_and_of_the_whole_image_equal_torch(kernel, rng):
    x, w = rng.normal(size=(2, 3, 5, 7)), rng.normal(size=(4, 3, *kernel))
    close(conv2d(x, w), F.conv2d(torch.tensor(x), torch.tensor(w)))


# --- gradients, by differences ---


@pytest.mark.parametrize("options", [{}, {"stride": (2, 1), "padding": (1, 2), "groups": 2}])
@pytest.mark.parametrize("which", [0, 1, 2], ids=["dx", "dweight", "dbias"])
def test_gradients_are_central_differences(which, options, rng):
    arguments = [
        rng.normal(size=(2, 2, 5, 6)),
        rng.normal(size=(4, 2 // options.get("groups", 1), 3, 2)),
        rng.normal(size=4),
    ]
    dy = rng.normal(size=conv2d(*arguments, **options).shape)
    gradient = conv2d_backward(dy, *arguments[:2], **options)[which]
    for index in np.ndindex(gradient.shape):
        losses = []
        for step in (1e-4, -1e-4):
            moved = [argument.copy() for argument in arguments]
            moved[which][index] += step
            losses.append((conv2d(*moved, **options) * dy).sum())
        assert gradient[index] == pytest.approx((losses[0] - losses[1]) / 2e-4, abs=1e-7)


# --- conv2d: properties ---


@many(100)
@given(layers(), seeds)
def test_conv2d_is_linear_in_image_and_weight(layer, seed):
    shape, weight, options = layer
    first, second, w, v = normal(seed, shape, shape, weight, weight)
    apart = 2 * conv2d(first, w, **options) - 3 * conv2d(second, w, **options)
    close(conv2d(2 * first - 3 * second, w, **options), apart, atol=1e-10)
    apart = 2 * conv2d(first, w, **options) - 3 * conv2d(first, v, **options)
    close(conv2d(first, 2 * w - 3 * v, **options), apart, atol=1e-10)


def test_conv2d_commutes_with_shifts_on_a_circle(rng):
    x, w = rng.normal(size=(2, 3, 8, 9)), rng.normal(size=(4, 3, 3, 5))

    def layer(images):
        return conv2d(pad2d(images, (1, 2), "circular"), w)

    for shift in [(1, 0), (-2, 3)]:
        close(layer(np.roll(x, shift, (2, 3))), np.roll(layer(x), shift, (2, 3)))


def test_stride_2_commutes_with_shifts_of_2_and_not_of_1(rng):
    x, w = rng.normal(size=(1, 1, 8, 8)), rng.normal(size=(1, 1, 2, 2))
    y = conv2d(x, w, stride=2)
    close(conv2d(np.roll(x, 2, 3), w, stride=2), np.roll(y, 1, 3))
    assert not np.allclose(conv2d(np.roll(x, 1, 3), w, stride=2), y)


def test_zero_padding_breaks_shift_equivariance(rng):
    x, w = rng.normal(size=(1, 1, 8, 8)), rng.normal(size=(1, 1, 3, 3))
    moved = conv2d(np.roll(x, 1, 3), w, padding=1)
    assert not np.allclose(moved, np.roll(conv2d(x, w, padding=1), 1, 3))


def test_identity_kernel_gives_the_image(rng):
    x, w = rng.normal(size=(2, 3, 5, 7)), np.zeros((3, 3, 3, 3))
    w[range(3), range(3), 1, 1] = 1
    close(conv2d(x, w, padding=1), x)


def test_channels_are_summed_not_stacked(rng):
    x, w = rng.normal(size=(1, 3, 6, 5)), rng.normal(size=(1, 3, 3, 3))
    apart = sum(conv2d(x[:, [c]], w[:, [c]]) for c in range(3))
    close(conv2d(x, w), apart)


def test_depthwise_filters_every_channel_alone(rng):
    x, w = rng.normal(size=(2, 3, 6, 5)), rng.normal(size=(3, 1, 3, 3))
    apart = [conv2d(x[:, [c]], w[[c]]) for c in range(3)]
    close(conv2d(x, w, groups=3), np.concatenate(apart, axis=1))


def test_nan_reaches_only_the_outputs_that_read_it(large):
    x, w, _ = large
    for weight, options in [(w, FFT), (w[:, :, :3, :3], {"groups": 2})]:
        wrong = x.copy()
        wrong[0, 0, 5, 5] = np.nan
        theirs = F.conv2d(torch.tensor(wrong), torch.tensor(weight), **options).isnan().numpy()
        assert 0 < theirs.sum() < theirs.size
        np.testing.assert_array_equal(np.isnan(conv2d(wrong, weight, **options)), theirs)


# --- conv2d: stress ---


@pytest.fixture
def small(rng):
    return rng.normal(size=(2, 3, 6, 7)), rng.normal(size=(4, 3, 3, 2)), rng.normal(size=4)


def both(x, w, b):
    """Return the output and the three gradients."""
    y = conv2d(x, w, b, padding=1)
    return [y, *conv2d_backward(np.cos(y), x, w, padding=1)]


def test_non_contiguous_inputs_give_the_same(small):
    channels_last = np.ascontiguousarray(small[0].transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    odd = [np.repeat(a, 2, axis=-1)[..., ::2] for a in small]
    for changed in ([channels_last, *small[1:]], odd):
        for ours, theirs in zip(both(*changed), both(*small), strict=True):
            close(ours, theirs)


def test_inputs_may_be_read_only_and_are_left_alone(small):
    before = [a.copy() for a in small]
    expected = both(*small)
    for array in small:
        array.flags.writeable = False
    for ours, theirs in zip(both(*small), expected, strict=True):
        close(ours, theirs)
    for array, copy in zip(small, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_big_endian_inputs_give_the_same_in_native_order(small, dtype):
    native = [a.astype(dtype) for a in small]
    swapped = [a.astype(a.dtype.newbyteorder(">")) for a in native]
    for ours, theirs in zip(both(*swapped), both(*native), strict=True):
        close(ours, theirs)
        assert ours.dtype.isnative


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, bool])
def test_integers_are_read_as_float64_and_never_wrap(dtype):
    x = np.full((1, 2, 3, 3), 200).astype(dtype)
    w = np.full((1, 2, 3, 3), 100).astype(np.uint8)
    close(conv2d(x, w), np.full((1, 1, 1, 1), 18 * 100.0 * float(x[0, 0, 0, 0])))
    assert all(g.dtype == np.float64 for g in conv2d_backward([[[[1]]]], x, w))


def test_lists_are_read_as_arrays():
    close(conv2d([[[[1, 2]]]], [[[[3]]]]), np.array([[[[3.0, 6.0]]]]))


@pytest.mark.parametrize("size", [3, 16])
def test_a_batch_of_no_images_has_an_empty_output_and_zero_gradients(size):
    x, w = np.zeros((0, 3, 20, 20)), np.ones((4, 3, size, size))
    y = conv2d(x, w)
    assert y.shape == (0, 4, 21 - size, 21 - size)
    dx, dw, db = conv2d_backward(y, x, w)
    assert dx.shape == x.shape
    close(dw, np.zeros_like(w))
    close(db, np.zeros(4))


def test_a_small_signal_on_a_large_offset_survives_in_float32(rng):
    x = (100 + 0.01 * rng.normal(size=(2, 3, 8, 8))).astype(np.float32)
    w = rng.normal(size=(4, 3, 3, 3)).astype(np.float32)
    exact = conv2d(x.astype(np.float64), w)
    np.testing.assert_allclose(conv2d(x, w), exact, rtol=0, atol=1e-6 * np.abs(x).max() * 27)


@pytest.mark.parametrize(
    ("shape", "weight", "options"),
    [
        ((32, 64, 32, 32), (64, 64, 3, 3), {"padding": 1}),
        ((4, 3, 224, 224), (64, 3, 7, 7), {"stride": 2, "padding": 3}),
        ((1, 1, 512, 512), (1, 1, 31, 31), {"padding": 15}),
        ((8, 64, 32, 32), (64, 64, 17, 17), {"padding": 8}),
    ],
    ids=["bands", "stride", "frequencies", "frequencies of many channels"],
)
def test_a_call_takes_twice_its_inputs_and_outputs_and_8_megabytes(shape, weight, options):
    x, w = normal(0, shape, weight, dtype=np.float32)
    y = conv2d(x, w, **options)
    for call, outputs in [
        (lambda: conv2d(x, w, **options), y.nbytes),
        (lambda: conv2d_backward(y, x, w, **options), y.nbytes + x.nbytes + w.nbytes),
    ]:
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= 2 * (x.nbytes + w.nbytes + outputs) + 8e6


# --- conv2d_transpose, conv2d_matrix ---


@many(150)
@given(layers(), st.tuples(st.integers(0, 4), st.integers(0, 4)), seeds)
def test_conv2d_transpose_equals_torch(layer, extra, seed):
    shape, weight, options = layer
    x, w = normal(seed, shape, weight)
    steps = zip(options["stride"], options["dilation"], extra, strict=True)
    options["output_padding"] = tuple(e % max(s, d) for s, d, e in steps)
    y = conv2d(x, w, **{k: v for k, v in options.items() if k != "output_padding"})
    try:
        theirs = F.conv_transpose2d(*map(torch.tensor, (y, w)), **options)
    except RuntimeError:  # the padding cuts everything away
        with pytest.raises(ValueError, match="padding: expected to leave a pixel"):
            conv2d_transpose(y, w, **options)
        return
    close(conv2d_transpose(y, w, **options), theirs)


@many(100)
@given(layers(), seeds)
def test_conv2d_transpose_is_the_adjoint_of_conv2d(layer, seed):
    """⟨conv(x), y⟩ = ⟨x, convᵀ(y)⟩, where the output padding gives x its size back."""
    shape, weight, options = layer
    x, w = normal(seed, shape, weight)
    image = conv2d(x, w, **options)
    (y,) = normal(seed + 1, image.shape)
    short = conv2d_transpose(y, w, **(options | {"padding": 0})).shape
    reached = [n - 2 * p for n, p in zip(short[2:], options["padding"], strict=True)]
    extra = tuple(n - m for n, m in zip(shape[2:], reached, strict=True))
    back = conv2d_transpose(y, w, output_padding=extra, **options)
    np.testing.assert_allclose((image * y).sum(), (x * back).sum(), atol=1e-10, rtol=1e-10)


def test_conv2d_transpose_does_not_undo_conv2d(rng):
    x, w = rng.normal(size=(1, 1, 5, 5)), rng.normal(size=(1, 1, 3, 3))
    assert not np.allclose(conv2d_transpose(conv2d(x, w), w), x)


@many(60)
@given(layers(), seeds)
def test_conv2d_is_its_matrix_times_the_image(layer, seed):
    shape, weight, options = layer
    options["groups"] = 1
    x, w = normal(seed, (1, weight[1], *shape[2:]), weight)
    y = conv2d(x, w, **options)
    options.pop("groups")
    close(conv2d_matrix(w, x.shape[1:], **options) @ x.ravel(), y.ravel())


def test_the_matrix_of_a_layer_is_sparse_and_tied(rng):
    matrix = conv2d_matrix(rng.normal(size=(1, 1, 3, 3)), (1, 7, 7))
    assert matrix.shape == (25, 49)
    assert ((matrix != 0).sum(1) == 9).all()
    assert len(np.unique(matrix)) == 1 + 9


def test_the_matrix_of_a_large_kernel_has_exact_zeros(rng):
    matrix = conv2d_matrix(rng.normal(size=(1, 1, 16, 16)), (1, 18, 18))
    assert ((matrix != 0).sum(1) == 256).all()


def test_the_matrix_keeps_float32(rng):
    assert conv2d_matrix(rng.normal(size=(1, 1, 2, 2)).astype("f"), (1, 3, 3)).dtype == np.float32


# --- pixel_coverage, receptive_field ---


@pytest.mark.parametrize(("padding", "counts"), [(0, (1, 3, 9)), (1, (4, 6, 9)), (2, (9, 9, 9))])
def test_corner_edge_and_centre_of_a_7_by_7_image_are_counted(padding, counts):
    coverage = pixel_coverage((7, 7), 3, padding=padding)
    assert (coverage[0, 0], coverage[0, 3], coverage[3, 3]) == counts


@many(60)
@given(layers(), st.integers(1, 3))
def test_coverage_counts_the_rows_of_the_matrix_that_read_a_pixel(layer, depth):
    (_, _, H, W), (_, _, *kernel), options = layer
    options.pop("groups")
    shape, reads = (H, W), np.eye(H * W)
    try:
        for _ in range(depth):
            w = np.ones((1, 1, *kernel))
            reads = conv2d_matrix(w, (1, *shape), **options) @ reads
            shape = conv2d(np.zeros((1, 1, *shape)), w, **options).shape[2:]
    except ValueError:  # the second layer's kernel does not fit any more
        with pytest.raises(ValueError, match="kernel_size"):
            pixel_coverage((H, W), kernel, layers=depth, **options)
        return
    coverage = pixel_coverage((H, W), kernel, layers=depth, **options)
    np.testing.assert_array_equal(coverage, (reads > 0).sum(0).reshape(H, W))


@pytest.mark.parametrize(
    "layers",
    [[(3,)], [(3,), (3,)], [(5, 2), (3, 1, 2)], [(3, 2), (3, 2), (3, 2)], [(4, 3), (2, 1, 3)]],
    ids=str,
)
def test_receptive_field_is_where_the_gradient_is_not_zero(layers, rng):
    x = np.zeros((1, 1, 1, 60))
    maps, weights = [x], []
    for k, s, d in [(*layer, *(1, 1)[len(layer) - 1 :]) for layer in layers]:
        weights.append((rng.uniform(1, 2, (1, 1, 1, k)), (1, s), 0, (1, d)))
        w, stride, _, dilation = weights[-1]
        maps.append(conv2d(maps[-1], w, stride=stride, dilation=dilation))
    size, jump, start = receptive_field(layers)
    for i in (0, 1):
        dy = np.zeros_like(maps[-1])
        dy[..., i] = 1
        for before, (w, *options) in zip(maps[-2::-1], weights[::-1], strict=True):
            dy, _, _ = conv2d_backward(dy, before, w, *options)
        seen = np.flatnonzero(dy)
        assert (seen[0], seen[-1]) == (start + i * jump, start + i * jump + size - 1)


def test_two_3_by_3_layers_see_what_one_5_by_5_sees():
    assert receptive_field([(3,), (3,)]) == receptive_field([(5,)]) == (5, 1, 0)


def test_padding_moves_the_receptive_field_before_the_image():
    assert receptive_field([(3, 2, 1, 1), (3, 1, 1, 1)]) == (7, 2, -3)


# --- layer_cost ---

BOOK = {"out_channels": 200, "kernel_size": 5, "padding": 2}


def test_the_books_layer_costs_what_the_book_says():
    cost = layer_cost((3, 150, 100), BOOK)
    assert cost["parameters"] == 15_200
    assert cost["multiply_adds"] == 225_000_000
    assert cost["output_bytes"] == 12_000_000
    assert layer_cost((3, 150, 100), BOOK, batch_size=100)["output_bytes"] == 1_200_000_000


def test_two_3_by_3_layers_have_18_and_one_5_by_5_has_25_weights_a_pair_of_channels():
    C = 64
    small = {"out_channels": C, "kernel_size": 3, "padding": 1, "bias": False}
    assert layer_cost((C, 9, 9), [small, small])["parameters"] == 18 * C**2
    assert layer_cost((C, 9, 9), small | {"kernel_size": 5})["parameters"] == 25 * C**2


def test_training_keeps_every_activation_and_inference_two_neighbours():
    first = {"out_channels": 8, "kernel_size": 3, "padding": 1}
    second = {"out_channels": 2, "kernel_size": 2, "stride": 2}
    cost = layer_cost((1, 10, 10), [first, second], batch_size=3, dtype="float64")
    assert cost["training_bytes"] == 3 * 8 * (100 + 800 + 50)
    assert cost["inference_bytes"] == 3 * 8 * (100 + 800)
    assert cost["output_shape"] == (3, 2, 5, 5)


@many(60)
@given(layers(), st.booleans())
def test_parameters_and_shape_are_those_of_torch_and_the_bytes_those_of_the_array(layer, bias):
    shape, (K, _, *kernel), options = layer
    words = {"out_channels": K, "kernel_size": tuple(kernel), "bias": bias, **options}
    module = torch.nn.Conv2d(shape[1], **words)
    cost = layer_cost(shape[1:], words, batch_size=shape[0])
    y = module(torch.zeros(shape))
    assert cost["parameters"] == sum(p.numel() for p in module.parameters())
    assert cost["output_shape"] == tuple(y.shape)
    assert cost["output_bytes"] == y.nbytes


def test_multiply_adds_count_every_weight_at_every_output():
    w = np.ones((4, 1, 3, 2))
    matrix_entries = conv2d(np.ones((5, 2, 7, 9)), w, stride=2, groups=2).size * w[0].size
    words = {"out_channels": 4, "kernel_size": (3, 2), "stride": 2, "groups": 2}
    assert layer_cost((2, 7, 9), words, batch_size=5)["multiply_adds"] == matrix_entries


# --- refusals ---

X, W = np.zeros((2, 4, 5, 6)), np.zeros((6, 4, 3, 3))


def zeros(*shape):
    return np.zeros(shape)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conv2d(X[0], W), "x: expected a 4-D array (N, C, H, W), got shape (4, 5, 6)"),
        (lambda: conv2d(X, W[0]), "weight: expected a 4-D array (K, C, R, S), got shape (4, 3, 3)"),
        (lambda: conv2d(X * 1j, W), "x: expected real numbers, got dtype complex128"),
        (lambda: conv2d(X[:, :, :0], W), "x: expected a 4-D array (N, C, H, W), got shape (2, 4,"),
        (lambda: conv2d(X[:, :3], W), "weight: expected x's 3 channels / groups = 1, 3, got shape"),
        (lambda: conv2d(X, W, groups=3), "groups: expected a divisor of x's 4 channels and weight"),
        (
            lambda: conv2d(X, W[:5, :2], groups=2),
            "groups: expected a divisor of x's 4",
        ),
        (lambda: conv2d(X, W, groups=0), "groups: expected a whole number of 1 or more, got 0"),
        (lambda: conv2d(X, W, zeros(5)), "bias: expected 6 numbers, one a map, got shape (5,)"),
        (lambda: conv2d(X, W, stride=0), "stride: expected a whole number of 1 or more, got 0"),
        (lambda: conv2d(X, W, stride=1.5), "stride: expected a whole number of 1 or more, got 1.5"),
        (lambda: conv2d(X, W, padding=-1), "padding: expected a whole number of 0 or more, got -1"),
        (lambda: conv2d(X, W, stride=(1, 2, 3)), "stride: expected a whole number or (rows, col"),
        (
            lambda: conv2d(X, zeros(6, 4, 8, 3), padding=1, stride=2),
            "kernel_size: expected a kernel that fits the padded image, got 8: "
            "⌊(5 + 2 − 1·(8 − 1) − 1) / 2⌋ + 1 = 0 outputs",
        ),
        (
            lambda: conv2d(X, W, dilation=(1, 3)),
            "⌊(6 + 0 − 3·(3 − 1) − 1) / 1⌋ + 1 = 0 outputs",
        ),
        (
            lambda: conv2d_backward(zeros(2, 6, 3, 3), X, W),
            "dy: expected the shape of conv2d's result, (2, 6, 3, 4), got (2, 6, 3, 3)",
        ),
        (lambda: conv2d_transpose(X, W), "y: expected weight's 6 channels, a multiple of groups"),
        (
            lambda: conv2d_transpose(zeros(1, 6, 2, 2), W, stride=2, output_padding=(1, 2)),
            "output_padding: expected less than stride or dilation, got 2",
        ),
        (
            lambda: conv2d_transpose(zeros(1, 6, 1, 1), W, padding=2),
            "padding: expected to leave a pixel, got (1 − 1)·1 − 2·2 + 1·(3 − 1) + 0 + 1 = -1",
        ),
        (lambda: conv2d_matrix(W, (5, 6)), "input_shape: expected (C, H, W), got (5, 6)"),
        (lambda: patches(X, 7), "kernel_size: expected a kernel that fits the padded image, got 7"),
        (lambda: pad2d(X, 1, "mirror"), "mode: expected one of 'zero', 'replicate', 'reflect'"),
        (lambda: pad2d(X, (1, 2, 3)), "padding: expected a whole number or (rows, columns), got"),
        (lambda: output_size(5, 3, convention="keras"), "convention: expected one of 'torch'"),
        (lambda: output_size(5, 3, padding=1, convention="same"), "padding, ceil_mode: expected 0"),
        (lambda: output_size(5, 3, dilation=0), "dilation: expected a whole number of 1 or more"),
        (lambda: pixel_coverage((7, 7), 3, layers=0), "layers: expected a whole number of 1 or"),
        (lambda: receptive_field([3]), "layers: expected tuples (kernel_size, stride, dilation,"),
        (
            lambda: layer_cost((3, 9, 9), {"kernel": 3}),
            "layers: expected out_channels, kernel",
        ),
        (
            lambda: layer_cost((3, 9, 9), BOOK | {"groups": 2}),
            "groups: expected a divisor of 3",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
