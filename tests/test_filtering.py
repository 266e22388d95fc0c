"""Chapter 2: filters against SciPy, torch and scikit-image, and the chapter's own numbers."""

import re

import numpy as np
import pytest
from conftest import close
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, signal, stats

from cnncourse import data, filtering
from cnncourse.filtering import (
    BORDERS,
    add_border,
    add_noise,
    box_kernel,
    convolve2d,
    correlate2d,
    correlate2d_fft,
    correlate2d_separable,
    emboss_kernel,
    gaussian_kernel,
    identity_kernel,
    motion_kernel,
    multiplications,
    separate,
    sharpen_kernel,
    shift_kernel,
)

NDIMAGE = {
    "zero": "constant",
    "replicate": "nearest",
    "reflect": "mirror",
    "symmetric": "reflect",
    "circular": "wrap",
}
SIGNAL = {"zero": "fill", "symmetric": "symm", "circular": "wrap"}
TORCH = {"zero": "constant", "replicate": "replicate", "reflect": "reflect", "circular": "circular"}
RAMP = np.arange(1, 26).reshape(5, 5)

side = st.integers(1, 12)
half = st.integers(0, 6)
seeds = st.integers(0, 2**32 - 1)
borders = st.sampled_from(list(BORDERS))
many = settings(max_examples=150, deadline=None)


def normal(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


@pytest.fixture(params=[correlate2d, correlate2d_fft, convolve2d])
def any_filter(request):
    return request.param


def test_comparison_sees_a_wrong_value_dtype_and_shape():
    for wrong in (np.array([1.0, 2.1]), np.array([1, 2]), np.array([[1.0, 2.0]])):
        with pytest.raises(AssertionError):
            close(np.array([1.0, 2.0]), wrong)


# --- correlate2d and convolve2d ---


@many
@given(side, side, side, side, seeds)
def test_valid_filters_equal_scipy_signal(extra_rows, extra_columns, R, S, seed):
    image, kernel = normal(seed, (R + extra_rows - 1, S + extra_columns - 1), (R, S))
    close(correlate2d(image, kernel), signal.correlate2d(image, kernel, "valid"))
    close(convolve2d(image, kernel), signal.convolve2d(image, kernel, "valid"))


@many
@given(side, side, half, half, borders, seeds)
def test_filters_equal_scipy_ndimage_at_every_border(H, W, half_r, half_s, border, seed):
    """Also where the kernel is larger than the image, so that mirrors and circles repeat."""
    image, kernel = normal(seed, (H, W), (2 * half_r + 1, 2 * half_s + 1))
    mode = NDIMAGE[border]
    close(correlate2d(image, kernel, border), ndimage.correlate(image, kernel, mode=mode))
    close(convolve2d(image, kernel, border), ndimage.convolve(image, kernel, mode=mode))


@many
@given(side, side, half, half, st.sampled_from(list(SIGNAL)), seeds)
def test_filters_equal_scipy_signal_at_its_borders(H, W, half_r, half_s, border, seed):
    shape = (2 * half_r + 1, 2 * half_s + 1)
    image, kernel = normal(seed, (H + shape[0] - 1, W + shape[1] - 1), shape)
    theirs = signal.correlate2d(image, kernel, "same", SIGNAL[border])
    close(correlate2d(image, kernel, border), theirs)


@many
@given(side, side, half, half, st.sampled_from([None, *TORCH]), seeds)
def test_correlate2d_equals_torch_conv2d(H, W, half_r, half_s, border, seed):
    import torch

    H, W = H + 2 * half_r, W + 2 * half_s
    image, kernel = normal(seed, (H, W), (2 * half_r + 1, 2 * half_s + 1))
    batch, weight = torch.tensor(image)[None, None], torch.tensor(kernel)[None, None]
    if border is not None:
        batch = torch.nn.functional.pad(batch, (half_s, half_s, half_r, half_r), TORCH[border])
    close(
        correlate2d(image, kernel, border), torch.nn.functional.conv2d(batch, weight)[0, 0].numpy()
    )


@many
@given(side, side, half, half, borders, seeds)
def test_filters_are_linear_in_the_image(H, W, half_r, half_s, border, seed):
    first, second, kernel = normal(seed, (H, W), (H, W), (2 * half_r + 1, 2 * half_s + 1))
    together = correlate2d(2 * first - 3 * second, kernel, border)
    apart = 2 * correlate2d(first, kernel, border) - 3 * correlate2d(second, kernel, border)
    close(together, apart, atol=1e-10)


@many
@given(side, side, half, half, st.integers(-5, 5), st.integers(-5, 5), seeds)
def test_circular_filters_commute_with_shifts(H, W, half_r, half_s, down, right, seed):
    image, kernel = normal(seed, (H, W), (2 * half_r + 1, 2 * half_s + 1))
    moved = correlate2d(np.roll(image, (down, right), (0, 1)), kernel, "circular")
    close(moved, np.roll(correlate2d(image, kernel, "circular"), (down, right), (0, 1)))


@many
@given(side, side, half, half, seeds)
def test_convolution_is_the_adjoint_of_correlation_with_zero_border(H, W, half_r, half_s, seed):
    """⟨k ⋆ x, y⟩ = ⟨x, k ∗ y⟩."""
    x, y, kernel = normal(seed, (H, W), (H, W), (2 * half_r + 1, 2 * half_s + 1))
    left = (correlate2d(x, kernel, "zero") * y).sum()
    np.testing.assert_allclose(left, (x * convolve2d(y, kernel, "zero")).sum(), atol=1e-10)


def test_two_convolutions_equal_one_with_the_convolved_kernel():
    image, first, second = normal(3, (20, 17), (3, 5), (5, 3))
    once = convolve2d(image, signal.convolve2d(first, second, "full"))
    close(convolve2d(convolve2d(image, first), second), once)


def test_convolution_of_a_dot_prints_the_kernel_and_correlation_prints_it_turned():
    dot = np.zeros((7, 9))
    dot[3, 4] = 1
    kernel = np.arange(15.0).reshape(3, 5)
    close(convolve2d(dot, kernel, "zero")[2:5, 2:7], kernel)
    close(correlate2d(dot, kernel, "zero")[2:5, 2:7], kernel[::-1, ::-1])


def test_symmetric_kernel_cannot_tell_convolution_from_correlation():
    (image,) = normal(5, (11, 8))
    (kernel,) = normal(6, (5, 4))
    kernel = kernel + kernel[::-1, ::-1]
    np.testing.assert_array_equal(correlate2d(image, kernel), convolve2d(image, kernel))


def test_ramp_of_the_chapter_begins_8_10_12_14():
    expected = np.array([[8, 10, 12, 14], [18, 20, 22, 24], [28, 30, 32, 34], [38, 40, 42, 44.0]])
    close(correlate2d(RAMP, [[1, 0], [0, 1]]), expected)


def test_other_diagonal_gives_the_same_map_on_the_ramp_and_another_on_a_photograph():
    main, other = [[1, 0], [0, 1]], [[0, 1], [1, 0]]
    np.testing.assert_array_equal(correlate2d(RAMP, main), correlate2d(RAMP, other))
    photo = data.photo("camera", gray=True, width=64)
    assert np.abs(correlate2d(photo, main) - correlate2d(photo, other)).max() > 0.3


def test_kernel_as_large_as_the_image_gives_one_number():
    close(correlate2d(RAMP, np.ones((5, 5))), np.array([[325.0]]))


def test_filters_do_not_wrap_around_uint8(any_filter):
    image, kernel = np.full((1, 2), 255, np.uint8), np.ones((1, 2), np.uint8)
    close(any_filter(image, kernel), np.array([[510.0]]))


def test_filters_keep_float32_and_make_float64_of_the_rest(any_filter):
    for dtype in (np.float32, np.float64, np.float16, np.uint8, np.int64, bool):
        expected = np.float32 if dtype is np.float32 else np.float64
        assert any_filter(np.ones((4, 5), dtype), box_kernel(3)).dtype == expected
        assert any_filter(np.ones((4, 5), dtype), np.eye(3, dtype=bool), "zero").dtype == expected


def test_filters_take_strided_reversed_and_read_only_arrays(any_filter):
    big, kernel = normal(8, (20, 30), (3, 5))
    view, turned = big[::-2, 1::3], kernel[:, ::-1]
    view.flags.writeable = turned.flags.writeable = False
    expected = any_filter(view.copy(), turned.copy(), "reflect")
    np.testing.assert_array_equal(any_filter(view, turned, "reflect"), expected)


def test_filters_leave_their_arguments_alone(any_filter):
    image, kernel = normal(9, (6, 7), (3, 3))
    before = image.copy(), kernel.copy()
    any_filter(image, kernel, "symmetric")
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(kernel, before[1])


def test_small_detail_on_a_bright_ground_survives_in_float32(any_filter):
    (detail,) = normal(10, (40, 50))
    image = 100 + 0.01 * detail
    kernel = sharpen_kernel(1)
    exact = any_filter(image, kernel, "reflect")
    np.testing.assert_allclose(any_filter(image.astype("f4"), kernel, "reflect"), exact, atol=2e-4)


def test_kernel_larger_than_the_image_is_refused_with_the_numbers(any_filter):
    for shape in [(4, 2), (2, 6), (4, 6)]:
        said = f"kernel: expected at most the image's 3×5, got {shape[0]}×{shape[1]}"
        with pytest.raises(ValueError, match=re.escape(said)):
            any_filter(np.ones((3, 5)), np.ones(shape))


def test_even_kernel_is_refused_where_a_border_is_named(any_filter):
    for shape in [(2, 3), (3, 4), (2, 2)]:
        with pytest.raises(ValueError, match=rf"kernel: expected odd .* got {shape[0]}×{shape[1]}"):
            any_filter(np.ones((9, 9)), np.ones(shape), "zero")


def test_unknown_border_is_refused_with_the_known_ones(any_filter):
    for wrong in ("mirror", "same", "", 0):
        with pytest.raises(ValueError, match="border: expected one of 'zero', 'replicate'"):
            any_filter(np.ones((9, 9)), np.ones((3, 3)), wrong)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.ones(5), r"image: expected a 2-D array .* got shape \(5,\)"),
        (np.ones((4, 4, 3)), r"image: .* got shape \(4, 4, 3\); take one channel"),
        (np.ones((0, 4)), "image: expected at least one row"),
        ([[1, np.nan, 3]] * 3, "image: expected finite numbers"),
        (np.ones((4, 4), complex), "image: expected real numbers"),
    ],
)
def test_filters_refuse_what_is_no_image(any_filter, image, said):
    with pytest.raises(ValueError, match=said):
        any_filter(image, np.ones((1, 1)))


def test_filters_refuse_what_is_no_kernel(any_filter):
    for kernel in (np.ones(3), np.ones((3, 3, 3)), [[np.inf]], np.ones((0, 1))):
        with pytest.raises(ValueError, match="kernel: expected"):
            any_filter(np.ones((5, 5)), kernel)


# --- noise and kernels ---


def test_noise_has_the_asked_mean_and_spread_and_no_correlation():
    noise = add_noise(np.full((300, 200), 0.5), 0.2, seed=1) - 0.5
    assert abs(noise.mean()) < 4 * 0.2 / np.sqrt(noise.size)
    assert abs(noise.std() / 0.2 - 1) < 0.02
    neighbours = np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]
    assert abs(neighbours) < 4 / np.sqrt(noise.size)
    assert stats.kstest(noise.ravel() / 0.2, "norm").pvalue > 1e-4


def test_noise_is_that_of_numpys_generator_added_unclipped():
    image = np.ones((4, 6))
    close(add_noise(image, 2, 7), image + np.random.default_rng(7).normal(0, 2, (4, 6)))


def test_noise_keeps_float32_and_reads_integers_as_floats():
    assert add_noise(np.ones((2, 3), np.float32), 1, 0).dtype == np.float32
    close(add_noise(np.full((2, 3), 255, np.uint8), 9, 0), add_noise(np.full((2, 3), 255.0), 9, 0))


def test_noise_refuses_a_spread_that_is_not_positive():
    for sigma in (0, -1, np.inf, "much", True):
        with pytest.raises(ValueError, match="sigma: expected a number above 0"):
            add_noise(np.ones((2, 2)), sigma, 0)


@pytest.mark.parametrize("size", [1, 3, 5, 9])
def test_box_kernel_is_ndimages_uniform_filter(size):
    (image,) = normal(2, (13, 17))
    close(correlate2d(image, box_kernel(size), "symmetric"), ndimage.uniform_filter(image, size))


@pytest.mark.parametrize("size", [3, 5, 9])
def test_mean_filter_divides_the_variance_of_noise_by_the_number_of_weights(size):
    noise = add_noise(np.zeros((512, 512)), 1, seed=size)
    assert correlate2d(noise, box_kernel(size)).var() * size**2 == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("make", [lambda: box_kernel(3), lambda: gaussian_kernel(1.5)])
def test_variance_after_any_filter_is_the_sum_of_squared_weights(make):
    noise = add_noise(np.zeros((512, 512)), 1, seed=4)
    kernel = make()
    assert correlate2d(noise, kernel).var() == pytest.approx((kernel**2).sum(), rel=0.1)


def test_mean_of_three_turns_the_finest_stripes_round():
    close(correlate2d([[1, 0, 1, 0, 1]], np.ones((1, 3)) / 3), np.array([[2, 1, 2]]) / 3)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.1, 5), side, side, seeds)
def test_gaussian_kernel_is_ndimages_gaussian_filter(sigma, H, W, seed):
    (image,) = normal(seed, (H, W))
    theirs = ndimage.gaussian_filter(image, sigma, mode="mirror")
    close(correlate2d(image, gaussian_kernel(sigma), "reflect"), theirs)


def test_gaussian_kernel_is_scikit_images_gaussian():
    import skimage.filters

    (image,) = normal(6, (31, 22))
    theirs = skimage.filters.gaussian(image, 1.7, mode="nearest")
    close(correlate2d(image, gaussian_kernel(1.7), "replicate"), theirs)


@many
@given(st.floats(0.05, 30), st.integers(0, 20))
def test_gaussian_weights_sum_to_one_and_fall_from_the_centre(sigma, half):
    kernel = gaussian_kernel(sigma, 2 * half + 1)
    assert kernel.sum() == pytest.approx(1, rel=1e-12)
    assert (np.diff(kernel[half, half:]) <= 0).all()
    np.testing.assert_array_equal(kernel, kernel.T)
    np.testing.assert_array_equal(kernel, kernel[::-1])


def test_gaussian_weights_depend_only_on_the_distance():
    kernel = gaussian_kernel(2.5, 11)
    assert kernel[5 + 3, 5 + 4] == pytest.approx(kernel[5, 5 + 5], rel=1e-12)  # 3² + 4² = 5²


def test_gaussian_of_sigma_has_the_variance_sigma_squared():
    kernel = gaussian_kernel(3)
    offset = np.arange(len(kernel)) - len(kernel) // 2
    assert (kernel.sum(0) * offset**2).sum() == pytest.approx(9, rel=0.01)


def test_gaussian_is_cut_at_four_sigma():
    assert [len(gaussian_kernel(s)) for s in (0.1, 1, 2, 2.5)] == [1, 9, 17, 21]


def test_identity_kernel_changes_nothing():
    (image,) = normal(1, (5, 8))
    for size in (1, 3, 7):
        np.testing.assert_array_equal(correlate2d(image, identity_kernel(size), "zero"), image)


@many
@given(st.integers(-6, 6), st.integers(-6, 6), side, side, seeds)
def test_shift_kernel_moves_as_numpys_roll(down, right, H, W, seed):
    (image,) = normal(seed, (H, W))
    moved = correlate2d(image, shift_kernel(down, right), "circular")
    np.testing.assert_array_equal(moved, np.roll(image, (down, right), (0, 1)))


def test_shift_kernel_of_bytes_does_not_wrap_around():
    far = shift_kernel(np.uint8(130), np.int8(-100))
    np.testing.assert_array_equal(far, shift_kernel(130, -100))


def test_sharpening_doubles_a_step_on_both_sides():
    row = np.array([[0, 0, 0, 1, 1, 1.0]] * 3)
    close(correlate2d(row, sharpen_kernel(1), "replicate")[1], np.array([0, 0, -1, 2, 1, 1.0]))


def test_sharpening_is_identity_minus_discrete_laplacian():
    (image,) = normal(7, (9, 12))
    theirs = image - 0.6 * ndimage.laplace(image, mode="mirror")
    close(correlate2d(image, sharpen_kernel(0.6), "reflect"), theirs)


def test_embossing_brightens_what_grows_towards_the_lower_right():
    rising = np.add.outer(np.arange(5.0), np.arange(6.0))  # grows by 1 a row and by 1 a column
    steps = correlate2d(rising, emboss_kernel()) - rising[1:-1, 1:-1]
    np.testing.assert_allclose(steps, 12)
    np.testing.assert_allclose(correlate2d(-rising, emboss_kernel()) + rising[1:-1, 1:-1], -12)


@pytest.mark.parametrize(
    "kernel",
    [sharpen_kernel(2), emboss_kernel(), motion_kernel(9, 30), gaussian_kernel(2), box_kernel(4)],
)
def test_kernels_that_sum_to_one_keep_an_even_grey(kernel):
    np.testing.assert_allclose(correlate2d(np.full((30, 25), 0.3), kernel), 0.3, rtol=1e-12)


def test_motion_kernel_sideways_and_upright_are_rows_and_columns_of_equal_weights():
    sideways = np.zeros((5, 5))
    sideways[2] = 0.2
    np.testing.assert_allclose(motion_kernel(5, 0), sideways, atol=1e-12)
    np.testing.assert_allclose(motion_kernel(5, 90), sideways.T, atol=1e-12)


def test_motion_kernel_at_45_degrees_rises_to_the_right():
    """Of the path of length 3, √2 lies in the centre pixel and the rest in two neighbours."""
    centre = np.sqrt(2) / 3
    expected = np.diag([(1 - centre) / 2, centre, (1 - centre) / 2])[::-1]
    np.testing.assert_allclose(motion_kernel(3, 45), expected, atol=0.005)


@many
@given(st.integers(0, 15), st.floats(-720, 720))
def test_motion_kernel_is_a_symmetric_path_of_weight_one(half, angle):
    kernel = motion_kernel(2 * half + 1, angle)
    assert kernel.sum() == pytest.approx(1, rel=1e-9)
    assert kernel.min() >= 0
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-12)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: box_kernel(0), "size: expected a whole number above 0, got 0"),
        (lambda: box_kernel(2.5), "size: expected a whole number above 0, got 2.5"),
        (lambda: gaussian_kernel(0), "sigma: expected a number above 0, got 0"),
        (lambda: gaussian_kernel(1, 4), "size: expected an odd number.* got 4"),
        (lambda: identity_kernel(2), "size: expected an odd number.* got 2"),
        (lambda: shift_kernel(0.5, 0), "down: expected a whole number, got 0.5"),
        (lambda: shift_kernel(0, True), "right: expected a whole number, got True"),
        (lambda: sharpen_kernel(-1), "amount: expected a number above 0, got -1"),
        (lambda: motion_kernel(4, 0), "length: expected an odd number.* got 4"),
        (lambda: motion_kernel(5, np.nan), "angle: expected a finite number"),
        (lambda: motion_kernel(3, None), "angle: expected a finite number, got None"),
    ],
)
def test_kernels_refuse_sizes_that_make_no_sense(make, said):
    with pytest.raises(ValueError, match=said):
        make()


# --- borders ---


def test_borders_of_the_chapters_row():
    wanted = {
        "zero": [0, 0, 1, 2, 3, 4, 0, 0],
        "replicate": [1, 1, 1, 2, 3, 4, 4, 4],
        "reflect": [3, 2, 1, 2, 3, 4, 3, 2],
        "symmetric": [2, 1, 1, 2, 3, 4, 4, 3],
        "circular": [3, 4, 1, 2, 3, 4, 1, 2],
    }
    assert list(wanted) == list(BORDERS)
    for border, row in wanted.items():
        close(add_border([[1, 2, 3, 4]], 0, 2, border), np.array([row], float))
        close(add_border([[1], [2], [3], [4]], 2, 0, border), np.array([row], float).T)


@many
@given(side, side, st.data(), st.sampled_from(list(TORCH)), seeds)
def test_borders_are_torchs(H, W, draw, border, seed):
    import torch

    most = 1 if border == "reflect" else 0  # torch refuses more: it mirrors and wraps but once
    rows, columns = (draw.draw(st.integers(0, n - most)) for n in (H, W))
    (image,) = normal(seed, (H, W))
    pads = (columns, columns, rows, rows)
    theirs = torch.nn.functional.pad(torch.tensor(image)[None, None], pads, TORCH[border])
    close(add_border(image, rows, columns, border), theirs[0, 0].numpy())


def test_reflect_repeats_where_the_image_is_smaller_than_the_border():
    close(add_border([[1, 2]], 0, 4, "reflect"), np.array([[1, 2, 1, 2, 1, 2, 1, 2, 1, 2.0]]))
    close(add_border([[7]], 2, 1, "reflect"), np.full((5, 3), 7.0))


def test_zero_border_darkens_the_corner_of_a_white_image_to_25_of_81():
    mean = correlate2d(np.ones((20, 30)), box_kernel(9), "zero")
    assert mean[0, 0] == pytest.approx(25 / 81)
    assert mean[0, 15] == pytest.approx(45 / 81)
    for border in set(BORDERS) - {"zero"}:
        np.testing.assert_allclose(correlate2d(np.ones((20, 30)), box_kernel(9), border), 1)


def test_border_refuses_negative_fractional_and_boolean_widths():
    for wrong in (-1, 1.5, True, None):
        with pytest.raises(ValueError, match="columns: expected a whole number of 0 or more"):
            add_border(RAMP, 0, wrong, "zero")
        with pytest.raises(ValueError, match="rows: expected a whole number of 0 or more"):
            add_border(RAMP, wrong, 0, "zero")
    with pytest.raises(ValueError, match=r"border: expected one of .* got None"):
        add_border(RAMP, 1, 1, None)


# --- separable, FFT, cost ---


@many
@given(side, side, seeds)
def test_separate_finds_the_column_and_row_of_an_outer_product(R, S, seed):
    column, row = normal(seed, (R, 1), (1, S))
    kernel = column @ row
    ours = separate(kernel)
    assert [part.shape for part in ours] == [(R, 1), (1, S)]
    close(ours[0] @ ours[1], kernel)
    assert ours[0].flat[np.abs(ours[0]).argmax()] > 0
    assert np.linalg.norm(ours[0]) == pytest.approx(np.linalg.norm(ours[1]))


def test_gaussian_separates_into_two_bells():
    column, row = separate(gaussian_kernel(1.5))
    np.testing.assert_allclose(column.ravel(), row.ravel(), rtol=1e-10)
    bell = stats.norm.pdf(np.arange(-6, 7), scale=1.5)
    np.testing.assert_allclose(row[0], bell / bell.sum(), rtol=1e-10)


def test_separate_takes_float32_integers_and_zeros():
    column, row = separate(gaussian_kernel(2).astype(np.float32))
    assert column.dtype == row.dtype == np.float32
    column, row = separate(np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.uint8))
    np.testing.assert_allclose(column @ row, [[1, 2, 1], [2, 4, 2], [1, 2, 1]])
    column, row = separate(np.zeros((2, 3)))
    np.testing.assert_array_equal(column @ row, np.zeros((2, 3)))


def test_separate_refuses_rank_two_with_the_measured_ratio():
    with pytest.raises(ValueError, match=r"second singular value of 0\.5 times the first"):
        separate(np.diag([4, 2]))
    for kernel in (sharpen_kernel(1), emboss_kernel(), motion_kernel(5, 45)):
        with pytest.raises(ValueError, match="kernel: expected rank 1"):
            separate(kernel)


@many
@given(side, side, half, half, st.sampled_from([None, *BORDERS]), seeds)
def test_separable_and_fft_filters_equal_the_direct_one(H, W, half_r, half_s, border, seed):
    R, S = 2 * half_r + 1, 2 * half_s + 1
    if border is None:
        H, W = H + R - 1, W + S - 1
    image, column, row, kernel = normal(seed, (H, W), (R, 1), (1, S), (R, S))
    direct = correlate2d(image, column @ row, border)
    close(correlate2d_separable(image, column, row, border), direct, atol=1e-10)
    close(correlate2d_fft(image, kernel, border), correlate2d(image, kernel, border), atol=1e-10)


def test_fft_takes_even_kernels_where_no_border_is_named():
    image, kernel = normal(2, (9, 14), (4, 6))
    close(correlate2d_fft(image, kernel), signal.correlate2d(image, kernel, "valid"))


def test_separable_equals_scipys_one_dimensional_passes():
    image, column, row = normal(12, (15, 11), (5, 1), (1, 7))
    theirs = ndimage.correlate1d(image, column[:, 0], axis=0, mode="mirror")
    theirs = ndimage.correlate1d(theirs, row[0], axis=1, mode="mirror")
    close(correlate2d_separable(image, column, row, "reflect"), theirs)


def test_separable_takes_uint8_float32_and_read_only_strides():
    image = np.full((4, 5), 255, np.uint8)
    assert correlate2d_separable(image, [[1], [1]], [[1, 1]]).max() == 1020
    image = np.ones((8, 9), np.float32)[::2, ::-1]
    image.flags.writeable = False
    assert correlate2d_separable(image, [[1], [1]], [[1, 1]], None).dtype == np.float32


def test_separable_refuses_a_row_for_a_column():
    with pytest.raises(ValueError, match=r"expected shapes \(R, 1\) and \(1, S\), got \(1, 3\)"):
        correlate2d_separable(RAMP, np.ones((1, 3)), np.ones((1, 3)))
    with pytest.raises(ValueError, match="column: expected a 2-D array"):
        correlate2d_separable(RAMP, np.ones(3), np.ones((1, 3)))


@many
@given(side, side, half, half)
def test_direct_and_separable_counts_are_those_of_the_loops(H, W, half_r, half_s):
    R, S = 2 * half_r + 1, 2 * half_s + 1
    direct = sum(1 for _ in np.ndindex(H, W, R, S))
    separable = sum(1 for _ in np.ndindex(H, W, R)) + sum(1 for _ in np.ndindex(H, W, S))
    assert multiplications((H, W), (R, S), "direct") == direct
    assert multiplications((H, W), (R, S), "separable") == separable


def test_fft_count_is_that_of_a_radix_two_transform_counted_step_by_step():
    """½·N·log₂N complex products, four real ones each, half of them for real data, three times."""

    def transform(x, count):
        if len(x) == 1:
            return x
        even, odd = transform(x[::2], count), transform(x[1::2], count)
        odd = odd * np.exp(-2j * np.pi * np.arange(len(odd)) / len(x))
        count.append(len(odd))
        return np.concatenate([even + odd, even - odd])

    count, (x,) = [], normal(0, 512)
    np.testing.assert_allclose(transform(x.astype(complex), count), np.fft.fft(x), atol=1e-10)
    counted = 3 * (4 * sum(count) / 2) + 4 * 512 / 2
    assert multiplications((30, 14), (3, 3), "fft") == counted  # with its border 32 × 16 = 512


def test_fast_length_is_the_next_product_of_twos_threes_and_fives():
    import scipy.fft

    for n in range(1, 700):
        # SciPy's complex transforms also like 7 and 11, its real ones do not
        assert filtering._fast_length(n) == scipy.fft.next_fast_len(n, real=True)


def test_counts_refuse_unknown_methods_and_shapes():
    with pytest.raises(ValueError, match="method: expected one of 'direct', 'separable', 'fft'"):
        multiplications((4, 4), (3, 3), "winograd")
    with pytest.raises(ValueError, match=r"image_shape: expected \(rows, columns\), got 4"):
        multiplications(4, (3, 3), "direct")
    with pytest.raises(ValueError, match="kernel_shape: expected a whole number above 0, got 0"):
        multiplications((4, 4), (3, 0), "direct")
