"""Chapter 3: gradient, Laplacian, Canny, learned kernel against SciPy, scikit-image, torch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage import feature, filters
from torch.nn import functional as F  # noqa: N812

from cnncourse import data
from cnncourse.check import matches
from cnncourse.edges import (
    LAPLACIAN,
    OPERATORS,
    canny,
    dog_kernel,
    gradient,
    gradient_direction,
    gradient_magnitude,
    hysteresis,
    kernel_loss,
    laplacian,
    learn_kernel,
    log_kernel,
    non_maximum_suppression,
    zero_crossings,
)
from cnncourse.filtering import correlate2d

SCIPY_BORDERS = {
    "zero": "constant",
    "replicate": "nearest",
    "reflect": "mirror",
    "symmetric": "reflect",
    "circular": "wrap",
}
rng = np.random.default_rng(3)
image = rng.random((9, 14))
shapes = st.tuples(st.integers(3, 12), st.integers(3, 12))
images = shapes.flatmap(lambda s: arrays(np.float64, s, elements=st.floats(-10, 10)))


def test_every_operator_gives_the_true_slope_of_a_ramp():
    i, j = np.mgrid[:5, :8]
    for operator in OPERATORS:
        down, right = gradient(0.3 * i - 0.2 * j, operator, border=None)
        np.testing.assert_allclose(down, np.full((3, 6), 0.3))
        np.testing.assert_allclose(right, np.full((3, 6), -0.2))


@pytest.mark.parametrize("border", SCIPY_BORDERS)
@pytest.mark.parametrize(("operator", "scale"), [("sobel", 8), ("prewitt", 6)])
@given(image=images)
@settings(max_examples=20, deadline=None)
def test_gradient_equals_scipys_over_its_scale(border, operator, scale, image):
    reference = getattr(ndimage, operator)
    for axis, slope in enumerate(gradient(image, operator, border)):
        expected = reference(image, axis=axis, mode=SCIPY_BORDERS[border])
        matches(scale * slope, expected, atol=1e-10)


def test_gradient_is_half_of_scikit_images():
    for operator in OPERATORS:
        for axis, slope in enumerate(gradient(image, operator)):
            expected = getattr(filters, operator)(image, axis=axis, mode="nearest")
            matches(2 * slope, expected)


def test_gradient_points_towards_the_bright_side():
    i, j = np.mgrid[:41, :61]
    disc = np.exp(-((i - 20) ** 2 + (j - 30) ** 2) / 100)
    down, right = gradient(disc)
    inwards = (20 - i) * down + (30 - j) * right
    assert (inwards[1:-1, 1:-1] >= -1e-15).all()


def test_gradient_by_hand():
    down, right = gradient([[0, 0, 0, 8, 8, 8]] * 4, border=None)
    np.testing.assert_array_equal(right, [[0, 4, 4, 0]] * 2)
    np.testing.assert_array_equal(down, np.zeros((2, 4)))


def test_operators_cannot_be_changed():
    for kernel in (*OPERATORS.values(), LAPLACIAN):
        with pytest.raises(ValueError, match="read-only"):
            kernel[0, 0] = 1


def test_scharr_errs_least_in_direction_at_every_wavelength():
    offset, angles = np.arange(-1, 2), np.arange(0, 360, 5)
    for wavelength in (3, 4, 6, 8, 16, 32):
        worst = {}
        for operator in OPERATORS:
            errors = []
            for angle in angles:
                up, right = np.sin(np.radians(angle)), np.cos(np.radians(angle))
                along = -up * offset[:, None] + right * offset
                wave = np.sin(2 * np.pi / wavelength * along)
                found = gradient_direction(*gradient(wave, operator, border=None))[0, 0]
                errors.append(abs((found - angle + 180) % 360 - 180))
            worst[operator] = max(errors)
        assert worst["scharr"] < worst["sobel"] / 3
        assert worst["sobel"] < worst["prewitt"]


def test_gradient_magnitude_is_scikit_images_sobel_over_root_two():
    strength = gradient_magnitude(*gradient(image))
    matches(strength * np.sqrt(2), filters.sobel(image, mode="nearest"))


def test_gradient_magnitude_turns_with_the_picture():
    turned = gradient_magnitude(*gradient(np.rot90(image)))
    matches(turned, np.rot90(gradient_magnitude(*gradient(image))))


def test_gradient_direction_grows_from_right_over_up():
    angles = gradient_direction([[0, 1, 1, 0, -1]], [[1, 1, 0, -1, 0]])
    np.testing.assert_allclose(angles, [[0, -45, -90, 180, 90]])


def test_gradient_direction_knows_no_negative_zero():
    angles = gradient_direction([[0.0, -0.0, 0.0, -0.0]], [[-1.0, -1.0, -0.0, 0.0]])
    assert angles.tolist() == [[180, 180, 0, 0]]


@pytest.mark.parametrize("border", SCIPY_BORDERS)
@given(image=images)
@settings(max_examples=20, deadline=None)
def test_laplacian_equals_scipys(border, image):
    expected = ndimage.laplace(image, mode=SCIPY_BORDERS[border])
    matches(laplacian(image, border), expected, atol=1e-10)


def test_laplacian_is_the_divergence_of_the_gradient():
    down, right = np.diff(image, axis=0), np.diff(image, axis=1)
    divergence = np.diff(down, axis=0)[:, 1:-1] + np.diff(right, axis=1)[1:-1]
    matches(laplacian(image, border=None), divergence)


def test_laplacian_is_zero_on_an_edge_and_peaks_sigma_beside_it():
    step = np.where(np.arange(61) < 30, 0.0, 1.0)
    step[30] = 0.5
    soft = ndimage.gaussian_filter(np.tile(step, (9, 1)), 4.0, mode="nearest")
    response = laplacian(soft)[4]
    assert abs(response[30]) < 1e-12
    assert (response.argmax(), response.argmin()) == (26, 34)
    assert gradient_magnitude(*gradient(soft))[4].argmax() == 30


@pytest.mark.parametrize("sigma", [0.7, 1, 2.0, 3.5])
def test_log_kernel_is_scipys_less_its_mean(sigma):
    kernel = log_kernel(sigma)
    impulse = np.zeros_like(kernel)
    impulse[len(kernel) // 2, len(kernel) // 2] = 1
    expected = ndimage.gaussian_laplace(impulse, sigma, mode="constant")
    matches(kernel, expected - expected.mean())


@pytest.mark.parametrize("kernel", [log_kernel(1.5), dog_kernel(1.5), dog_kernel(3, ratio=2)])
def test_log_and_dog_ignore_an_even_grey(kernel):
    assert abs(correlate2d(np.full((50, 60), 100.0), kernel)).max() < 1e-11


def test_dog_kernel_tends_to_the_log_kernel_as_the_widths_meet():
    gaps = []
    for ratio in (2.0, 1.6, 1.2, 1.05):
        dog, log = dog_kernel(4.0, ratio), log_kernel(4.0)
        log = np.pad(log, (len(dog) - len(log)) // 2)
        gaps.append(np.linalg.norm(dog - log) / np.linalg.norm(log))
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[1] == pytest.approx(0.11, abs=0.005)
    assert gaps[-1] < 0.01


def test_dog_kernel_is_a_scaled_difference_of_scipys_gaussians():
    sigma, ratio = 2.0, 1.6
    narrow = sigma * np.sqrt((ratio**2 - 1) / (2 * ratio**2 * np.log(ratio)))
    kernel = dog_kernel(sigma, ratio)
    impulse = np.zeros_like(kernel)
    impulse[len(kernel) // 2, len(kernel) // 2] = 1
    wide_minus_narrow = [
        ndimage.gaussian_filter(impulse, s, mode="constant", radius=len(kernel) // 2)
        for s in (ratio * narrow, narrow)
    ]
    expected = 2 * np.subtract(*wide_minus_narrow) / (narrow**2 * (ratio**2 - 1))
    matches(kernel, expected)


@pytest.mark.parametrize("make", [log_kernel, dog_kernel])
def test_kernels_of_a_sigma_in_bytes_do_not_wrap_around(make):
    matches(make(np.int8(12)), make(12.0))


@pytest.mark.parametrize("make", [log_kernel, dog_kernel])
def test_the_smallest_sigma_still_gives_a_kernel_with_a_centre_and_a_rim(make):
    kernel = make(0.125)
    assert kernel.shape == (3, 3)
    assert kernel[1, 1] < 0 < kernel[0, 0]


def test_log_and_dog_change_sign_at_root_two_sigma():
    for kernel in (log_kernel(6.0), dog_kernel(6.0)):
        middle = kernel[len(kernel) // 2, len(kernel) // 2 :]
        last_negative = np.nonzero(middle < 0)[0]
        last_negative = last_negative[last_negative < 12].max()
        assert last_negative < np.sqrt(2) * 6 < last_negative + 1


def naive_crossings(response, threshold):
    """Return where the sign changes, by looking at each pixel's row and column in turn."""
    marked = np.zeros(response.shape, bool)
    for turned, out in [(response, marked), (response.T, marked.T)]:
        for line, row in zip(turned, out, strict=True):
            for k in range(len(line) - 1):
                a, b = line[k], line[k + 1]
                if min(a, b) < 0 < max(a, b) and abs(a - b) > threshold:
                    row[k if abs(a) <= abs(b) else k + 1] = True
            for k in range(1, len(line) - 1):
                a, b = line[k - 1], line[k + 1]
                if line[k] == 0 and min(a, b) < 0 < max(a, b) and abs(a - b) > threshold:
                    row[k] = True
    return marked


@given(response=shapes.flatmap(lambda s: arrays(np.int8, s, elements=st.integers(-3, 3))))
@settings(max_examples=100, deadline=None)
def test_zero_crossings_equal_the_loops(response):
    for threshold in (0, 2.5):
        expected = naive_crossings(response.astype(float), threshold)
        np.testing.assert_array_equal(zero_crossings(response, threshold), expected)


def test_zero_crossings_of_a_soft_disc_form_its_outline():
    i, j = np.mgrid[:60, :80]
    disc = ndimage.gaussian_filter((np.hypot(i - 30, j - 40) < 18) * 1.0, 2)
    marked = zero_crossings(laplacian(disc), threshold=1e-3)
    assert abs(np.hypot(i - 30, j - 40)[marked] - 18).max() < 1.5
    angles = np.degrees(np.arctan2(i - 30, j - 40)[marked])
    assert np.diff(np.sort(angles)).max() < 10


def test_zero_crossings_of_tiny_values_do_not_underflow():
    assert zero_crossings([[1e-300, -1e-300]]).tolist() == [[True, False]]


def test_non_maximum_suppression_by_hand():
    right = np.array([[0, 1, 4, 2, 0]] * 3)
    expected = [[0] * 5, [0, 0, 4, 0, 0], [0] * 5]
    np.testing.assert_array_equal(non_maximum_suppression(0 * right, right), expected)
    np.testing.assert_array_equal(
        non_maximum_suppression(right.T, 0 * right.T), np.transpose(expected)
    )


def test_non_maximum_suppression_keeps_one_of_two_equals_on_the_brighter_side():
    right = np.array([[0, 3, 3, 0]] * 3)
    assert non_maximum_suppression(0 * right, right)[1].tolist() == [0, 0, 3, 0]
    assert non_maximum_suppression(0 * right, -right)[1].tolist() == [0, 3, 0, 0]


def test_non_maximum_suppression_interpolates_between_neighbours():
    down, right = np.zeros((3, 3)), np.zeros((3, 3))
    down[1, 1], right[1, 1] = 1, 2  # half way between right and below right
    right[1, 2], right[2, 2] = 3, 1.6  # magnitudes 3 and 1.6: 2.3 there, above √5 = 2.24
    assert non_maximum_suppression(down, right)[1, 1] == 0
    right[2, 2] = 1.4  # 2.2 there
    assert non_maximum_suppression(down, right)[1, 1] == np.sqrt(5)


def test_non_maximum_suppression_leaves_nothing_of_an_even_slope():
    _, j = np.mgrid[:6, :7]
    assert (non_maximum_suppression(*gradient(2.0 * j)) == 0)[1:-1, 2:-2].all()
    assert (non_maximum_suppression(np.zeros((4, 5)), np.zeros((4, 5))) == 0).all()


@given(strength=shapes.flatmap(lambda s: arrays(np.int8, s, elements=st.integers(0, 3))))
@settings(max_examples=100, deadline=None)
def test_hysteresis_keeps_the_weak_components_with_a_strong_pixel(strength):
    labels, _ = ndimage.label(strength >= 2, np.ones((3, 3)))
    strong = np.unique(labels[strength >= 3])
    expected = np.isin(labels, strong[strong > 0])
    np.testing.assert_array_equal(hysteresis(strength, 2, 3), expected)


def test_hysteresis_does_not_change_its_own_result():
    strength = rng.random((20, 30))
    once = hysteresis(strength, 0.6, 0.95)
    np.testing.assert_array_equal(hysteresis(once * strength, 0.6, 0.95), once)


@pytest.mark.parametrize("name", ["astronaut", "camera", "cat", "coins", "rocket"])
@pytest.mark.parametrize(
    ("sigma", "low", "high"), [(1, 0.02, 0.06), (1.5, 0.03, 0.05), (4, 0.01, 0.01)]
)
def test_canny_equals_scikit_images_in_every_pixel(name, sigma, low, high):
    picture = data.photo(name, gray=True, width=200)
    expected = feature.canny(picture, sigma, 8 * low, 8 * high, mode="nearest")
    found = canny(picture, sigma, low, high)
    assert found.dtype == bool
    assert found.any()
    np.testing.assert_array_equal(found, expected)


def test_canny_draws_a_line_one_pixel_wide():
    step = np.zeros((30, 40))
    step[:, 20:] = 1
    edges = canny(step, 2, 0.05, 0.1)
    assert (edges[1:-1].sum(axis=1) == 1).all()


def test_canny_of_a_scaled_picture_with_scaled_thresholds_is_the_matches():
    picture = data.photo("coins", width=128)
    np.testing.assert_array_equal(canny(4 * picture, 2, 0.08, 0.16), canny(picture, 2, 0.02, 0.04))


def test_canny_ignores_a_large_offset():
    picture = data.photo("coins", width=128)
    moved = canny(100 + 0.01 * picture, 2, 2e-4, 4e-4)
    assert (moved != canny(picture, 2, 0.02, 0.04)).mean() < 1e-3


@given(
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.tuples(st.integers(5, 12), st.integers(5, 12)),
    st.integers(0, 2**32),
)
@settings(max_examples=40, deadline=None)
def test_kernel_loss_and_gradient_equal_autograd(size, shape, seed):
    draw = np.random.default_rng(seed)
    kernel, picture = draw.normal(size=size), draw.normal(size=shape)
    target = draw.normal(size=[n - k + 1 for n, k in zip(shape, size, strict=True)])
    weights = torch.tensor(kernel[None, None], requires_grad=True)
    output = F.conv2d(torch.tensor(picture[None, None]), weights)
    expected = F.mse_loss(output[0, 0], torch.tensor(target))
    expected.backward()
    loss, dkernel = kernel_loss(kernel, picture, target)
    assert loss == pytest.approx(expected.item(), rel=1e-10)
    matches(dkernel, weights.grad[0, 0].numpy(), rtol=1e-9)


def test_kernel_loss_gradient_is_the_image_correlated_with_the_error():
    kernel, target = rng.normal(size=(3, 2)), rng.normal(size=(7, 13))
    error = correlate2d(image, kernel) - target
    _, dkernel = kernel_loss(kernel, image, target)
    matches(dkernel, 2 / error.size * correlate2d(image, error))


def textures(count=3):
    names = ("grass", "brick", "gravel")[:count]
    crops = [data.photo(name, width=256)[80:176, 80:176] for name in names]
    return [crop - crop.mean() for crop in crops]


@pytest.mark.parametrize("name", OPERATORS)
def test_learn_kernel_finds_each_operator(name):
    inputs = textures()
    targets = [correlate2d(x, OPERATORS[name]) for x in inputs]
    kernels, losses = learn_kernel(inputs, targets, steps=600, lr=6.0)
    np.testing.assert_allclose(kernels[-1], OPERATORS[name], atol=1e-3)
    assert kernels.shape == (601, 3, 3)
    assert (np.diff(losses) < 0).all()


def test_learn_kernel_from_noisy_targets_tends_to_least_squares():
    (x,) = textures(1)
    target = correlate2d(x, OPERATORS["sobel"]) + rng.normal(0, 0.05, (94, 94))
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3)).reshape(-1, 9)
    expected = np.linalg.lstsq(windows, target.ravel())[0].reshape(3, 3)
    kernels, _ = learn_kernel([x], [target], steps=1500, lr=6.0)
    np.testing.assert_allclose(kernels[-1], expected, atol=1e-6)


def test_learn_kernel_steps_equal_torchs_sgd():
    inputs = textures(2)
    targets = [correlate2d(x, OPERATORS["scharr"]) for x in inputs]
    kernels, losses = learn_kernel(inputs, targets, steps=5, lr=2.0, seed=4)
    weights = torch.tensor(kernels[0][None, None], requires_grad=True)
    optimiser = torch.optim.SGD([weights], lr=2.0)
    for step in range(5):
        optimiser.zero_grad()
        outputs = F.conv2d(torch.tensor(np.stack(inputs)[:, None]), weights)
        loss = F.mse_loss(outputs[:, 0], torch.tensor(np.stack(targets)))
        assert losses[step] == pytest.approx(loss.item(), rel=1e-10)
        loss.backward()
        optimiser.step()
    matches(kernels[-1], weights.detach()[0, 0].numpy(), rtol=1e-9)


def test_learn_kernel_depends_on_the_seed_alone():
    first, again, other = (learn_kernel([image], [image], 1, 2, 0.1, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


FUNCTIONS = {
    "gradient": lambda x: np.stack(gradient(x)),
    "magnitude": lambda x: gradient_magnitude(x, 2 * x),
    "direction": lambda x: gradient_direction(x, 1 - x),
    "laplacian": laplacian,
    "zero_crossings": lambda x: zero_crossings(x - x.mean(dtype=x.dtype)),
    "suppression": lambda x: non_maximum_suppression(x, x),
    "hysteresis": lambda x: hysteresis(x, 0.3, 0.6),
    "canny": lambda x: canny(x, 1.0, 0.01, 0.02),
    "kernel_loss": lambda x: kernel_loss(LAPLACIAN, x, x[1:-1, 1:-1])[1],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_function_changes_its_input_or_needs_it_contiguous(name):
    wide = rng.random((24, 16))
    strided = wide[::2, ::-1]
    strided.flags.writeable = False
    before = strided.copy()
    np.testing.assert_array_equal(FUNCTIONS[name](strided), FUNCTIONS[name](before))
    np.testing.assert_array_equal(strided, before)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_stays_float32(name):
    result = FUNCTIONS[name](image.astype(np.float32))
    assert result.dtype in (np.float32, bool)


def test_bytes_do_not_wrap_around():
    steps = np.array([[0, 255, 0, 255]] * 3, np.uint8)
    np.testing.assert_array_equal(gradient(steps, border=None)[1], [[0, 0]])
    np.testing.assert_array_equal(laplacian(steps, border=None), [[-510, 510]])
    np.testing.assert_array_equal(gradient_magnitude(steps, steps)[0, 1], 255 * np.sqrt(2))
    assert zero_crossings(np.array([[200, -100]], np.int16)).tolist() == [[False, True]]


def test_gradient_of_a_faint_picture_on_a_large_offset():
    for faint, clear in zip(gradient(100 + 0.01 * image), gradient(image), strict=True):
        np.testing.assert_allclose(faint, 0.01 * clear, atol=1e-13)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gradient(image[0]), r"image: expected a 2-D array.*\(14,\)"),
        (lambda: gradient(image, "roberts"), "operator: expected one of .*'sobel'.*got 'roberts'"),
        (lambda: gradient(image, border="mirror"), "border: expected one of"),
        (
            lambda: gradient_magnitude(image, image[1:]),
            r"right: expected.*\(9, 14\), got \(8, 14\)",
        ),
        (lambda: gradient_direction(image, image.T), "right: expected the shape of down"),
        (lambda: laplacian(np.full((3, 3), np.nan)), "image: expected finite numbers"),
        (lambda: log_kernel(0), "sigma: expected a number above 0, got 0"),
        (lambda: log_kernel(0.12), "sigma: expected at least 0.125, .* got 0.12"),
        (lambda: dog_kernel(0.12), "sigma: expected at least 0.125, .* got 0.12"),
        (lambda: dog_kernel(-1), "sigma: expected a number above 0, got -1"),
        (lambda: dog_kernel(1, ratio=1), "ratio: expected a number above 1, got 1"),
        (
            lambda: zero_crossings(image, -0.1),
            "threshold: expected a number of 0 or more, got -0.1",
        ),
        (lambda: zero_crossings(3), "response: expected a 2-D array"),
        (lambda: non_maximum_suppression(image, image[:, 1:]), "right: expected the shape of down"),
        (lambda: hysteresis(image, 0.5, 0.4), "low: expected at most high, 0.4, got 0.5"),
        (lambda: hysteresis(image, 0, 0.4), "low: expected a number above 0, got 0"),
        (lambda: canny(image, 0, 0.1, 0.2), "sigma: expected a number above 0, got 0"),
        (lambda: canny(image, 1, 0.2, 0.1), "low: expected at most high"),
        (
            lambda: kernel_loss(LAPLACIAN, image, image),
            r"target: expected .*\(7, 12\), got \(9, 14\)",
        ),
        (lambda: kernel_loss(image, LAPLACIAN, image), "kernel: expected at most the image's 3×3"),
        (lambda: learn_kernel([], []), "images, targets: expected as many of each"),
        (lambda: learn_kernel([image], []), "images, targets: expected .* got 1 and 0"),
        (lambda: learn_kernel([image], [image], size=0), "size: expected a whole number above 0"),
        (lambda: learn_kernel([image], [image], size=1, steps=0), "steps: expected a whole number"),
        (lambda: learn_kernel([image], [image], size=1, lr=0), "lr: expected a number above 0"),
        (lambda: learn_kernel([image], [image], size=1, lr=1e3), "lr: expected a smaller one"),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
