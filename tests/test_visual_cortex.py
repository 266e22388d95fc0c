"""Chapter 1: each test states a fact about the cells, the experiments on them, or the counts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate2d
from skimage.filters import gabor_kernel

from cnncourse import data
from cnncourse.check import matches
from cnncourse.visual_cortex import (
    bar,
    complex_cell,
    convolution_parameters,
    corner_cell,
    dense_parameters,
    gabor,
    grating,
    local_parameters,
    orientation_map,
    permute_pixels,
    receptive_field_map,
    responses,
    simple_cell,
    tuning_curve,
)

CASES = settings(max_examples=30, deadline=None, derandomize=True)
SIZE = st.integers(1, 9)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def hue(rgb):
    """Return the orientation in degrees that a colour of `orientation_map` stands for."""
    return np.rad2deg(np.angle(rgb @ np.exp(2j * np.pi / 3 * np.arange(3)))) / 2 % 180


# responses


@CASES
@given(SIZE, SIZE, SIZE, SIZE, st.integers(0, 99))
def test_responses_are_scipys_valid_correlation(more_rows, more_columns, R, S, seed):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(R + more_rows - 1, S + more_columns - 1))
    weights = rng.normal(size=(R, S))
    matches(responses(image, weights), correlate2d(image, weights, mode="valid"))


def test_responses_are_linear_in_the_image(rng):
    a, b, weights = rng.normal(size=(7, 5)), rng.normal(size=(7, 5)), rng.normal(size=(3, 2))
    together = responses(2 * a - 3 * b, weights)
    matches(together, 2 * responses(a, weights) - 3 * responses(b, weights))


def test_responses_move_with_the_image(rng):
    image, weights = rng.normal(size=(9, 12)), rng.normal(size=(3, 4))
    matches(responses(image[2:, 3:], weights), responses(image, weights)[2:, 3:])


def test_responses_give_the_numbers_of_the_chapters_first_figure():
    weights = np.array([[-1, 2, -1]] * 3)
    wide = np.zeros((3, 7))
    wide[:, 3] = 1
    matches(responses(wide, weights), [[0.0, -3.0, 6.0, -3.0, 0.0]])


def test_responses_of_bytes_do_not_wrap_around():
    image = np.full((2, 2), 255, dtype=np.uint8)
    matches(responses(image, np.full((2, 2), 255, dtype=np.uint8)), [[4 * 255.0**2]])


def test_responses_keep_float32_and_promote_a_mixture():
    image, weights = np.ones((3, 3), np.float32), np.ones((2, 2), np.float32)
    assert responses(image, weights).dtype == np.float32
    assert responses(image, weights.astype(float)).dtype == np.float64


def test_responses_take_read_only_and_strided_images(rng):
    image, weights = rng.normal(size=(12, 10)), rng.normal(size=(2, 3))
    strided = image[::2, ::-1]
    strided.flags.writeable = False
    matches(responses(strided, weights), responses(strided.copy(), weights))


def test_responses_to_small_contrast_on_a_bright_field_are_exact(rng):
    pattern, weights = rng.normal(size=(20, 20)), gabor(30, wavelength=4)
    bright = responses(100 + 0.01 * pattern, weights)
    matches(bright, 0.01 * responses(pattern, weights), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(
    ("image", "weights", "message"),
    [
        (np.ones(3), np.ones((1, 1)), "image: expected a 2-D array"),
        (np.ones((3, 3)), np.ones((3, 3, 3)), "receptive_field: expected a 2-D array"),
        (np.ones((3, 3)), np.ones((2, 4)), r"receptive_field: .* \(3, 3\), got \(2, 4\)"),
        (np.ones((3, 3)), np.ones((4, 2)), r"receptive_field: .* \(3, 3\), got \(4, 2\)"),
        (np.full((3, 3), np.nan), np.ones((1, 1)), "image: expected finite numbers"),
    ],
)
def test_responses_refuse_what_is_no_image_or_patch(image, weights, message):
    with pytest.raises(ValueError, match=message):
        responses(image, weights)


# bar and grating


def test_a_level_bar_fills_rows_and_an_upright_one_columns():
    level, upright = bar((5, 7), angle=0, width=1), bar((5, 7), angle=90, width=1)
    assert level[2].all()
    assert upright[:, 3].all()
    assert level.sum() == 7
    assert upright.sum() == 5


def test_a_bar_at_45_degrees_rises_to_the_right():
    image = bar((5, 5), angle=45, width=1)
    matches(image.diagonal(), [0.0, 0.0, 1.0, 0.0, 0.0])
    matches(image[:, ::-1].diagonal(), np.ones(5))


def test_offset_moves_an_upright_bar_right_and_a_level_one_down():
    assert bar((5, 5), 90, offset=2, width=1)[:, 4].all()
    assert bar((5, 5), 0, offset=2, width=1)[4].all()


@pytest.mark.parametrize("angle", [0, 30, 90, 135])
def test_a_bars_area_is_width_times_length(angle):
    assert bar((61, 71), angle, width=6, length=30).sum() == pytest.approx(180, rel=0.03)


def test_half_a_turn_leaves_a_bar_as_it_is():
    matches(bar((9, 12), 200, width=2), bar((9, 12), 20, width=2))


def test_a_grating_is_periodic_in_phase_and_wavelength():
    image = grating((6, 17), 90, wavelength=8)
    matches(image[:, 8:], image[:, :-8], rtol=0)
    matches(grating((6, 17), 20, phase=375), grating((6, 17), 20, phase=15), rtol=0)


def test_a_grating_does_not_change_along_its_orientation():
    assert np.ptp(grating((6, 17), 0, wavelength=5), axis=1).max() < 1e-12
    assert np.ptp(grating((6, 17), 90, wavelength=5), axis=0).max() < 1e-12


def test_half_a_wave_of_drift_turns_a_grating_into_its_negative():
    matches(grating((8, 9), 33, 6, phase=180), 1 - grating((8, 9), 33, 6))


@pytest.mark.parametrize("draw", [bar, grating])
@pytest.mark.parametrize(
    ("shape", "angle", "message"),
    [
        ((0, 3), 0, "shape: expected a whole number above 0"),
        ((2.5, 3), 0, "shape: expected a whole number above 0"),
        ((3,), 0, r"shape: expected \(rows, columns\)"),
        (5, 0, r"shape: expected \(rows, columns\)"),
        ((3, 3), np.nan, "angle: expected a finite number"),
        ((3, 3), [0, 90], "angle: expected a finite number"),
        ((3, 3), None, "angle: expected a finite number, got None"),
    ],
)
def test_drawings_refuse_bad_shapes_and_angles(draw, shape, angle, message):
    with pytest.raises(ValueError, match=message):
        draw(shape, angle)


def test_drawings_refuse_what_has_no_width_length_or_wave():
    with pytest.raises(ValueError, match="width: expected a number above 0"):
        bar((3, 3), width=0)
    with pytest.raises(ValueError, match="length: expected a number above 0"):
        bar((3, 3), length=-1)
    with pytest.raises(ValueError, match="offset: expected a finite number"):
        bar((3, 3), offset=np.inf)
    with pytest.raises(ValueError, match="wavelength: expected at least 2 pixels, got 1"):
        grating((3, 3), wavelength=1)
    with pytest.raises(ValueError, match="phase: expected a finite number"):
        grating((3, 3), phase=np.nan)


# receptive_field_map


@CASES
@given(SIZE, SIZE, st.integers(0, 99))
def test_dots_recover_the_weights_of_a_weighted_sum(R, S, seed):
    weights = np.random.default_rng(seed).normal(size=(R, S))
    matches(receptive_field_map(lambda image: (weights * image).sum(), (R, S)), weights)


def test_dots_recover_half_the_weights_of_a_rectified_sum(rng):
    weights = rng.normal(size=(4, 6))
    found = receptive_field_map(lambda image: simple_cell(image, weights).item(), (4, 6))
    matches(found, weights / 2)


def test_dots_find_nothing_in_a_complex_cell():
    assert not receptive_field_map(lambda i: complex_cell(i, 30, 4).item(), (13, 13)).any()


def test_a_map_is_zero_outside_the_patch(rng):
    weights = rng.normal(size=(2, 3))
    found = receptive_field_map(lambda image: responses(image[1:3, 4:7], weights), (5, 8))
    expected = np.zeros((5, 8))
    expected[1:3, 4:7] = weights
    matches(found, expected)


def test_experiments_refuse_cells_that_return_no_single_number():
    with pytest.raises(ValueError, match=r"cell: .* one number, got \(3, 3\)"):
        receptive_field_map(lambda image: image, (3, 3))
    with pytest.raises(ValueError, match=r"cell: .* one number, got \(3, 3\)"):
        tuning_curve(lambda image: image, (3, 3), [0])
    with pytest.raises(ValueError, match=r"shape: expected \(rows, columns\)"):
        receptive_field_map(np.sum, 3)


# gabor


@pytest.mark.parametrize("angle", [0, 30, 90, 135, 200])
@pytest.mark.parametrize("phase", [0, 90, -40])
@pytest.mark.parametrize("wavelength", [4, 5.5, 8])
def test_gabor_is_scikit_images_balanced_and_scaled(angle, phase, wavelength):
    ours = gabor(angle, wavelength, phase)
    theirs = gabor_kernel(
        1 / wavelength,
        theta=np.deg2rad(90 - angle),
        sigma_x=wavelength / 2,
        sigma_y=wavelength / 2,
        n_stds=5,  # at an angle theirs is smaller; ask for more and crop
        offset=np.deg2rad(phase),
    )
    crop = tuple(slice((n - len(ours)) // 2, (n + len(ours)) // 2) for n in theirs.shape)
    wave, window = theirs[crop].real, np.abs(theirs[crop])
    balanced = wave - window * wave.sum() / window.sum()
    matches(ours, balanced * 4 / window.sum())


@pytest.mark.parametrize("angle", [0, 22.5, 45, 90, 117])
@pytest.mark.parametrize("wavelength", [4, 6, 8, 10.5])
def test_a_cells_own_grating_is_answered_with_one(angle, wavelength):
    weights = gabor(angle, wavelength, phase=50)
    own = grating(weights.shape, angle, wavelength, phase=50)
    assert responses(own, weights).item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("phase", [0, 45, 90])
def test_a_gabor_does_not_answer_to_uniform_light(phase):
    weights = gabor(17, 6, phase)
    assert abs(responses(np.full(weights.shape, 0.7), weights).item()) < 1e-12


def test_a_quarter_turn_of_the_weights_is_a_quarter_turn_of_the_angle():
    matches(gabor(120, 6), np.rot90(gabor(30, 6)))


def test_phase_zero_is_even_and_phase_ninety_is_odd():
    matches(gabor(25, 6), gabor(25, 6)[::-1, ::-1])
    matches(gabor(25, 6, phase=90), -gabor(25, 6, phase=90)[::-1, ::-1])


def test_gabor_refuses_waves_that_pixels_cannot_hold():
    with pytest.raises(ValueError, match=r"wavelength: expected at least 4 pixels, got 3\.9"):
        gabor(0, wavelength=3.9)
    with pytest.raises(ValueError, match="wavelength: expected a number above 0"):
        gabor(0, wavelength="8")
    with pytest.raises(ValueError, match="angle: expected a finite number"):
        gabor(np.inf)
    with pytest.raises(ValueError, match="phase: expected a finite number"):
        gabor(0, phase=np.nan)


# simple and complex cells


def test_a_simple_cell_is_torchs_relu_of_the_weighted_sum(rng):
    image, weights = rng.normal(size=(9, 14)), rng.normal(size=(3, 5))
    theirs = torch.nn.functional.conv2d(
        torch.tensor(image)[None, None], torch.tensor(weights)[None, None]
    ).relu()
    matches(simple_cell(image, weights), theirs[0, 0])


def test_a_simple_cell_and_its_negative_share_the_weighted_sum(rng):
    image, weights = rng.normal(size=(9, 14)), rng.normal(size=(3, 5))
    difference = simple_cell(image, weights) - simple_cell(image, -weights)
    matches(difference, responses(image, weights))


def test_simple_and_complex_cells_part_at_f1_over_f0_of_one():
    drift = [grating((25, 25), 60, 8, phase) for phase in range(0, 360, 10)]
    simple = [simple_cell(image, gabor(60, 8)).item() for image in drift]
    energy = [complex_cell(image, 60, 8).item() for image in drift]
    modulation = [
        2 * np.abs(np.fft.rfft(r))[1] / np.abs(np.fft.rfft(r))[0] for r in (simple, energy)
    ]
    assert modulation[0] == pytest.approx(np.pi / 2, abs=0.02)
    assert modulation[1] < 1e-3


@pytest.mark.parametrize("angle", [0, 22.5, 45, 100])
@pytest.mark.parametrize("wavelength", [4, 5, 6, 8])
def test_a_complex_cell_hardly_depends_on_the_phase(angle, wavelength):
    shape = gabor(angle, wavelength).shape
    energy = [
        complex_cell(grating(shape, angle, wavelength, phase), angle, wavelength).item()
        for phase in range(0, 360, 20)
    ]
    assert max(energy) < 1.005 * min(energy)
    assert np.mean(energy) == pytest.approx(1, abs=0.005)


def test_a_complex_cell_is_the_squared_size_of_a_complex_response():
    image = data.photo("camera")[100:160, 200:280]
    pair = gabor(40, 6) + 1j * gabor(40, 6, phase=90)
    theirs = np.abs(correlate2d(image, pair, mode="valid")) ** 2
    matches(complex_cell(image, 40, 6), theirs)


def test_a_complex_cell_does_not_tell_an_image_from_its_negative(rng):
    image = rng.normal(size=(20, 24))
    matches(complex_cell(image, 70, 5), complex_cell(-image, 70, 5))


def test_turning_the_image_turns_what_a_complex_cell_prefers(rng):
    image = rng.normal(size=(20, 27))
    matches(complex_cell(np.rot90(image), 120, 5), np.rot90(complex_cell(image, 30, 5)))


@pytest.mark.parametrize("cell", [complex_cell, lambda image, _, lam: corner_cell(image, lam)])
def test_cells_keep_float32_and_read_bytes_as_numbers(cell, rng):
    image = rng.integers(0, 256, size=(20, 25), dtype=np.uint8)
    exact = cell(image.astype(float), 30, 5)
    matches(cell(image, 30, 5), exact)
    single = cell(image.astype(np.float32), 30, 5)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, exact, rtol=1e-3, atol=exact.max() * 1e-5)


@pytest.mark.parametrize("cell", [lambda image: complex_cell(image, 0, 4), corner_cell])
def test_cells_refuse_images_smaller_than_their_patch(cell):
    with pytest.raises(ValueError, match=r"receptive_field: expected at most .* \(9, 40\)"):
        cell(np.zeros((9, 40)))


# tuning_curve


@pytest.mark.parametrize("preferred", [0, 45, 120])
def test_tuning_peaks_at_the_preferred_orientation_and_vanishes_across(preferred):
    angles = np.arange(0, 180, 15)
    tuning = tuning_curve(
        lambda image: simple_cell(image, gabor(preferred, 8)).item(), (25, 25), angles
    )
    assert angles[tuning.argmax()] == preferred
    assert tuning[list(angles).index((preferred + 90) % 180)] < 5e-3 * tuning.max()


def test_a_simple_cells_mean_is_one_over_pi_of_its_best():
    mean = tuning_curve(lambda i: simple_cell(i, gabor(20, 8)).item(), (25, 25), [20])
    matches(mean, np.array([1 / np.pi]), rtol=0.01)


def test_a_cell_that_adds_light_has_no_preferred_orientation():
    matches(tuning_curve(lambda i: i[4, 4], (9, 9), [0, 30, 77]), np.full(3, 0.5))


@pytest.mark.parametrize("angles", [[], 30, [[0, 90]]])
def test_tuning_curve_refuses_anything_but_a_list_of_angles(angles):
    with pytest.raises(ValueError, match="angles: expected a list of one or more angles"):
        tuning_curve(np.sum, (9, 9), angles)


# orientation_map


@pytest.mark.parametrize("angle", [0, 10, 45, 90, 133, 175])
def test_hue_is_the_gratings_orientation(angle):
    error = hue(orientation_map(grating((19, 19), angle, 6), 6)[0, 0]) - angle
    assert abs((error + 90) % 180 - 90) < 0.5


def test_hue_turns_by_ninety_degrees_with_the_image():
    image = data.photo("camera")[90:150, 200:290]
    before, after = np.rot90(orientation_map(image)), orientation_map(np.rot90(image))
    lit = before.sum(axis=-1) > 0.3
    turned = hue(after[lit]) - hue(before[lit])
    np.testing.assert_allclose(turned % 180, 90, atol=1e-6)
    matches(after.sum(axis=-1), before.sum(axis=-1), rtol=1e-8)


def test_contrast_does_not_change_the_map():
    image = data.photo("camera")[90:150, 200:290]
    matches(orientation_map(0.5 + 0.1 * image), orientation_map(image), rtol=0, atol=1e-9)


def test_an_orientation_map_is_a_colour_image_and_black_where_nothing_is():
    dark = orientation_map(np.zeros((30, 40)), wavelength=5)
    assert dark.shape == (14, 24, 3)
    assert not dark.any()
    some = orientation_map(data.photo("camera")[:60, :80])
    assert some.min() >= 0
    assert some.max() <= 1


@pytest.mark.parametrize("wavelength", [4, 6, 11])
@pytest.mark.parametrize("light", [0.5, 100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_even_grey_is_painted_black(dtype, light, wavelength):
    assert not orientation_map(np.full((50, 60), light, dtype), wavelength).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_faint_contrast_on_a_bright_field_is_painted(dtype):
    image = (100 + 0.01 * data.photo("camera")[90:150, 200:290]).astype(dtype)
    assert orientation_map(image).max() > 0.9


@pytest.mark.parametrize("angles", [0, 2, 2.5, "12"])
def test_orientation_map_refuses_fewer_than_three_orientations(angles):
    with pytest.raises(ValueError, match="angles: expected"):
        orientation_map(np.zeros((30, 30)), angles=angles)


# corner_cell


@pytest.mark.parametrize("angle", [0, 11.25, 22.5, 30, 45, 80])
def test_corner_cells_answer_at_corners_and_not_on_edges(angle):
    answer = corner_cell(bar((90, 90), angle, width=40, length=50))
    down, right = np.mgrid[-32.5:33, -32.5:33]  # without the 12 pixels lost on each side
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    away = np.array(
        [
            np.hypot(down - a * 20 * cos + b * 25 * sin, right - a * 20 * sin - b * 25 * cos)
            for a in (-1, 1)
            for b in (-1, 1)
        ]
    )
    at_corners = min(answer[corner < 4].max() for corner in away)
    assert at_corners > 5 * answer[away.min(axis=0) > 12].max()


@pytest.mark.parametrize("angle", np.arange(0, 180, 7.5))
def test_a_straight_line_or_edge_gives_at_most_three_per_cent_of_its_energy(angle):
    for width in (3, 200):  # a line; an edge, the bar's far side being outside
        image = bar((49, 49), angle, offset=100 if width == 200 else 0, width=width)
        energy = max(complex_cell(image, a).max() for a in np.arange(0, 180, 22.5))
        assert corner_cell(image).max() < 0.03 * energy


def test_turning_the_image_turns_the_corner_cells(rng):
    image = rng.normal(size=(30, 35))
    matches(corner_cell(np.rot90(image)), np.rot90(corner_cell(image)))


def test_a_corner_cell_takes_the_weaker_of_two_energies():
    image = data.photo("camera")[90:130, 200:250]
    pair = np.minimum(complex_cell(image, 0), complex_cell(image, 90))
    assert (corner_cell(image) >= pair).all()
    assert (corner_cell(image) == pair).any()


# permute_pixels


@CASES
@given(st.integers(1, 4), SIZE, SIZE, st.integers(0, 99))
def test_permute_pixels_is_indexing_of_the_flat_images(count, H, W, seed):
    rng = np.random.default_rng(seed)
    images, order = rng.normal(size=(count, H, W)), rng.permutation(H * W)
    theirs = torch.tensor(images).flatten(1)[:, order].reshape(count, H, W)
    matches(permute_pixels(images, order), theirs)
    matches(permute_pixels(permute_pixels(images, order), np.argsort(order)), images)


def test_a_dense_layer_with_permuted_rows_is_the_same_layer(rng):
    images = data.digits().images[:, 0].astype(float)
    order, weights = rng.permutation(64), rng.normal(size=(64, 10))
    shuffled = permute_pixels(images, order).reshape(-1, 64) @ weights[order]
    matches(shuffled, images.reshape(-1, 64) @ weights, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, bool])
def test_permute_pixels_keeps_the_dtype(dtype):
    assert permute_pixels(np.ones((2, 3), dtype), np.arange(6)).dtype == dtype


def test_permute_pixels_leaves_its_argument_alone():
    images = np.arange(6.0).reshape(2, 3)
    images.flags.writeable = False
    permute_pixels(images, np.arange(6)[::-1])[0, 0] = 9
    assert images[0, 0] == 0


@pytest.mark.parametrize(
    "order", [[0, 1, 2], [0, 0, 1, 2], [1, 2, 3, 4], [[0, 1], [2, 3]], [0.0, 1.0, 2.0, 3.0]]
)
def test_permute_pixels_refuses_what_is_no_permutation(order):
    with pytest.raises(ValueError, match="order: expected each of 0 to 3 once"):
        permute_pixels(np.ones((2, 2)), order)


def test_permute_pixels_refuses_a_list_of_numbers():
    with pytest.raises(ValueError, match=r"images: expected shape .* got \(4,\)"):
        permute_pixels(np.ones(4), np.arange(4))


# counting


def count(layer):
    return sum(parameter.numel() for parameter in layer.parameters())


@CASES
@given(SIZE, SIZE)
def test_dense_parameters_are_those_of_torchs_linear(inputs, outputs):
    assert dense_parameters(inputs, outputs) == count(torch.nn.Linear(inputs, outputs))


@CASES
@given(SIZE, SIZE, SIZE, SIZE)
def test_convolution_parameters_are_those_of_torchs_conv2d(R, S, channels, maps):
    layer = torch.nn.Conv2d(channels, maps, (R, S))
    assert convolution_parameters((R, S), channels, maps) == count(layer)


@CASES
@given(SIZE, SIZE, SIZE, SIZE, SIZE, SIZE)
def test_local_parameters_are_one_dense_layer_per_patch(down, right, R, S, channels, maps):
    layers = [torch.nn.Linear(R * S * channels, maps) for _ in range(down * right)]
    shape = (R + down - 1, S + right - 1)
    assert local_parameters(shape, (R, S), channels, maps) == sum(map(count, layers))


def test_the_first_layer_of_lenet_5_has_156_parameters():
    assert convolution_parameters((5, 5), channels=1, maps=6) == 156


def test_counts_accept_numpy_integers_and_stay_exact():
    assert dense_parameters(np.int64(405_900), 2_116_992) == 2_116_992 * 405_901


@pytest.mark.parametrize("bad", [0, -1, 2.0, True, "3"])
def test_counts_refuse_what_is_no_count(bad):
    with pytest.raises(ValueError, match="inputs: expected a whole number above 0"):
        dense_parameters(bad, 1)
    with pytest.raises(ValueError, match="outputs: expected a whole number above 0"):
        dense_parameters(1, bad)
    with pytest.raises(ValueError, match="channels: expected a whole number above 0"):
        convolution_parameters((1, 1), bad, 1)
    with pytest.raises(ValueError, match="maps: expected a whole number above 0"):
        local_parameters((1, 1), (1, 1), 1, bad)
    with pytest.raises(ValueError, match="field: expected a whole number above 0"):
        convolution_parameters((1, bad), 1, 1)


def test_local_parameters_refuse_a_patch_larger_than_the_image():
    with pytest.raises(ValueError, match=r"field: .* \(4, 9\), got \(5, 5\)"):
        local_parameters((4, 9), (5, 5), 1, 1)
