"""Exercises of chapter 3: edge detection."""

import numpy as np

from cnncourse.edges import (
    gradient_direction,
    hysteresis,
    kernel_loss,
    non_maximum_suppression,
)
from cnncourse.exercises.kinds import (
    ChoiceExercise,
    Criterion,
    FunctionExercise,
    NumberExercise,
    Option,
    ProjectExercise,
)
from cnncourse.filtering import correlate2d

profiles = FunctionExercise(
    "edges/slope",
    title="The slope of a profile",
    level="warm-up",
    minutes=6,
    statement="""
        Write `slope(profile)`: how steep a row of brightness is, in brightness per pixel.
        `profile` is a list or a one-dimensional array of n ≥ 3 numbers; they may be bytes (`uint8`), as in an image file.
        At each place but the first and the last, the slope is half the difference of its two neighbours, right minus left.
        Return these n − 2 slopes as an array of floats.
    """,
    hints=[
        "Slices: `profile[2:]` are the right neighbours of all places but the first and last, `profile[:-2]` the left ones.",
        "A list cannot be subtracted, and a byte has no room for a negative number. `np.asarray(profile, dtype=float)` helps with both.",
    ],
)


@profiles.solution
def slope(profile):
    """Return half the difference of each place's two neighbours."""
    profile = np.asarray(profile, dtype=float)
    return (profile[2:] - profile[:-2]) / 2


@profiles.also
def slope_by_numpy(profile):
    """NumPy's gradient treats the ends in another way; leave them out."""
    return np.gradient(np.array(profile, float))[1:-1]


@profiles.also
def slope_by_scipy(profile):
    """A correlation with −½, 0, ½."""
    from scipy.ndimage import correlate1d

    return correlate1d(np.array(profile, float), [-0.5, 0, 0.5])[1:-1]


@profiles.also
def slope_by_loops(profile):
    """One place after the other."""
    found = [
        (float(profile[j + 1]) - float(profile[j - 1])) / 2 for j in range(1, len(profile) - 1)
    ]
    return np.array(found)


@profiles.cases
def slope_cases(rng):
    """A list and bytes by hand, then rows of all lengths and dtypes."""
    yield ([1, 2, 4, 8],)
    yield (np.array([0.0, 0.0, 4.0, 10.0, 7.0, 7.0]),)
    yield (np.array([0, 40, 200, 255, 100, 10], dtype=np.uint8),)
    yield ([3, 9, 4],)
    yield (rng.random(12),)
    yield (rng.normal(size=9).tolist(),)
    yield ((rng.integers(-16, 17, size=10) / 8).astype(np.float32),)
    yield (rng.integers(0, 256, size=11, dtype=np.uint8),)
    yield (rng.integers(-50, 50, size=7),)
    yield (rng.random((6, 4))[:, 1],)


def _sides(profile):
    """Return the left and right neighbours as floats."""
    profile = np.asarray(profile, dtype=float)
    return profile[:-2], profile[2:]


@profiles.mistake
def not_halved(profile):
    """The two neighbours are two pixels apart: divide their difference by 2."""
    left, right = _sides(profile)
    return right - left


@profiles.mistake
def left_minus_right(profile):
    """The sign is the wrong way round: take right minus left, so that the slope is positive where it gets brighter."""
    left, right = _sides(profile)
    return (left - right) / 2


@profiles.mistake
def one_pixel_to_the_next(profile):
    """These are the differences from one pixel to the next; take the neighbours on both sides of each place."""
    return np.diff(np.asarray(profile, dtype=float))


@profiles.mistake
def bytes_wrapped_around(profile):
    """Bytes wrap around: 10 − 200 is 66 in `uint8`. Turn the profile into floats before you subtract."""
    profile = np.asarray(profile)
    return (profile[2:] - profile[:-2]) / 2


@profiles.mistake
def arrays_of_floats_only(profile):
    """It works for arrays of floats only: a list cannot be subtracted, and bytes wrap around. Make an array of floats first."""
    return (profile[2:] - profile[:-2]) / 2


@profiles.mistake
def ends_kept(profile):
    """The first and the last place lack a neighbour: leave them out, so that n − 2 slopes remain."""
    return np.gradient(np.asarray(profile, dtype=float))


@profiles.mistake
def rounded_down(profile):
    """A slope need not be a whole number: divide with `/`, not with `//`."""
    left, right = _sides(profile)
    return (right - left) // 2


@profiles.mistake
def second_derivative(profile):
    """That is the second derivative, the change of the slope; the slope itself is the first one."""
    left, right = _sides(profile)
    return right - 2 * np.asarray(profile, dtype=float)[1:-1] + left


corner = NumberExercise(
    "edges/slope-at-a-corner",
    title="Sobel at a corner",
    level="warm-up",
    minutes=5,
    statement="""
        In a window of 3×3 pixels the left and the middle column have the brightness {dark}.
        In the right column the two upper pixels have the brightness {bright}, and the lowest one has {dark}.
        Which slope to the right does Sobel's kernel measure, in brightness per pixel?
    """,
    hints=[
        "The weights of the right column are 1, 2, 1, those of the left −1, −2, −1.",
        "Divide by 8, so that a ramp gives its true slope.",
    ],
)


@corner.cases
def corner_cases(rng):
    """Draw two brightnesses."""
    return {"dark": int(rng.integers(1, 10)) * 8, "bright": int(rng.integers(13, 30)) * 8}


@corner.solution
def slope_at_a_corner(dark, bright):
    """Return what the two bright pixels of three make."""
    right = 1 * bright + 2 * bright + 1 * dark
    left = (1 + 2 + 1) * dark
    return (right - left) / 8


@corner.mistake
def not_divided(dark, bright):
    """Divide by 8: the weights 1, 2, 1 average over three rows, and the neighbours are two pixels apart."""
    return 3.0 * (bright - dark)


@corner.mistake
def averaged_only(dark, bright):
    """Dividing by 4 averages over the rows; but the two neighbours are two pixels apart, which makes it 8."""
    return 3 * (bright - dark) / 4


@corner.mistake
def all_rows_alike(dark, bright):
    """Sobel's kernel takes the middle row twice; with equal weights and 6 it would be Prewitt's."""
    return 2 * (bright - dark) / 6


@corner.mistake
def bright_to_the_end(dark, bright):
    """The lowest pixel of the right column is dark."""
    return 4 * (bright - dark) / 8


@corner.mistake
def dark_ignored(dark, bright):
    """The dark pixels are not 0: those of the left column count with negative weights."""
    return 3 * bright / 8


@corner.mistake
def slope_down(dark, bright):
    """That is the slope downwards, the transposed kernel."""
    return (dark - bright) / 8


@corner.mistake
def slope_to_the_left(dark, bright):
    """It gets brighter to the right, so the slope is positive."""
    return -3 * (bright - dark) / 8


zero = ChoiceExercise(
    "edges/laplacian-on-an-edge",
    title="The Laplacian on an edge",
    level="warm-up",
    minutes=3,
    statement="""
        A straight, soft edge runs from dark on the left to bright on the right.
        What is the Laplacian exactly on the edge, where the slope is largest?
    """,
    options=[
        Option(
            "Zero; it is positive on the dark side and negative on the bright side.",
            "The Laplacian is the change of the slope. The slope grows up to the edge and falls behind it, and where it is largest it does neither.",
            right=True,
        ),
        Option(
            "Largest, for it is the square of the gradient.",
            "The gradient dotted with itself is its squared length, and that is indeed largest there. But the Laplacian is the *divergence* of the gradient.",
        ),
        Option(
            "Largest, for an edge is an abrupt change, and the Laplacian measures change.",
            "It measures the change of the *slope*. The change of the brightness is the slope itself.",
        ),
        Option(
            "Zero; it is negative on the dark side and positive on the bright side.",
            "The zero is right, the signs are not: on the dark side the slope is still growing, so its change is positive.",
        ),
        Option(
            "Zero, and so it is everywhere else along this row.",
            "It is zero where the slope stays the same, as on a ramp. Beside the edge the slope changes, and the Laplacian has a peak on either side.",
        ),
    ],
    hints=["Draw the profile, below it the slope, and below that the slope of the slope."],
)

scales = FunctionExercise(
    "edges/scale",
    title="The scale of a kernel",
    level="core",
    minutes=10,
    statement="""
        Write `true_scale(kernel)`: the factor by which a kernel must be multiplied so that it measures the slope to the right in brightness per pixel.
        Slide the kernel, times this factor, with `correlate2d` over a ramp that rises by 1 from each column to the next and is the same in all rows: the result must be 1 everywhere.
        `kernel` is an array (R, S).
        You may assume that its weights add up to 0, and that its output on such a ramp is not 0.
        Return one number.
    """,
    hints=[
        "Apply the kernel to a ramp of its own size: only one number comes out.",
        "The row `np.arange(S)`, repeated R times, is such a ramp.",
        "If it gives 8 where it should give 1, the factor is 1/8.",
    ],
)


@scales.solution
def true_scale(kernel):
    """Return the factor that makes the kernel give 1 on a ramp of slope 1."""
    R, S = kernel.shape
    ramp = np.ones((R, 1)) * np.arange(S)
    return float(1 / correlate2d(ramp, kernel)[0, 0])


@scales.also
def scale_by_sums(kernel):
    """On a ramp only the sum of each column matters, times the number of the column."""
    return 1 / sum(s * kernel[:, s].sum() for s in range(kernel.shape[1]))


@scales.also
def scale_by_scipy(kernel):
    """A larger ramp that begins elsewhere, with SciPy."""
    from scipy.signal import correlate2d as correlate

    R, S = kernel.shape
    ramp = np.tile(np.arange(5.0, 2 * S + 5), (2 * R, 1))
    return 1 / correlate(ramp, kernel, mode="valid").mean()


@scales.cases
def scale_cases(rng):
    """Known kernels first, then random ones of all shapes."""
    yield (np.array([[-1, 1]]),)
    yield (np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]),)
    yield (np.array([[-0.5, 0.0, 0.5]]),)
    yield (np.array([[1, 0, -1], [1, 0, -1]]),)
    yield (np.array([[-3, 0, 0, 1], [0, 1, 2, -1], [-1, 0, 0, 1]]),)
    for shape in [(3, 3), (5, 3), (2, 4), (1, 5)]:
        yield (_sloping(rng, shape),)
    yield (_sloping(rng, (3, 5)).astype(np.float32) / 4,)
    yield (_sloping(rng, (4, 3)).T,)


def _sloping(rng, shape):
    """Return a kernel of whole numbers with the sum 0, and neither slope 0."""
    while True:
        kernel = rng.integers(-4, 5, size=shape)
        kernel[-1, 0] -= kernel.sum()
        i, j = np.indices(shape)
        if (kernel * j).sum() and (shape[0] == 1 or (kernel * i).sum()):
            return kernel


def _on_ramp(kernel, ramp):
    """Return the output on an image of the kernel's own size."""
    return float((kernel * ramp).sum())


@scales.mistake
def slope_for_factor(kernel):
    """That is what the kernel gives on the ramp; the factor is 1 divided by it."""
    return _on_ramp(kernel, np.arange(kernel.shape[1]))


@scales.mistake
def sizes_added_up(kernel):
    """The sum of the weights without their signs happens to be right for Sobel's kernel; weights farther from the middle count more."""
    return 1 / float(np.abs(kernel).sum())


@scales.mistake
def positive_weights_added_up(kernel):
    """The positive weights average over the rows; it matters, too, how far they are from the negative ones."""
    return 1 / float(kernel[kernel > 0].sum())


@scales.mistake
def ramp_downwards(kernel):
    """The ramp rises from row to row; it has to rise from column to column."""
    return 1 / np.float64(_on_ramp(kernel, np.arange(kernel.shape[0])[:, None]))


@scales.mistake
def kernel_turned(kernel):
    """The sign is wrong: `convolve2d` turns the kernel by 180°, `correlate2d` does not."""
    return 1 / _on_ramp(kernel[::-1, ::-1], np.arange(kernel.shape[1]))


@scales.mistake
def square_kernels_only(kernel):
    """It works for square kernels only: a row of the ramp has as many pixels as the kernel has columns."""
    return 1 / _on_ramp(kernel, np.arange(kernel.shape[0]))


@scales.mistake
def ramp_from_zero_to_one(kernel):
    """The ramp rises by 1 over all of its columns; it has to rise by 1 from each column to the next."""
    return 1 / _on_ramp(kernel, np.linspace(0, 1, kernel.shape[1]))


@scales.mistake
def first_row_only(kernel):
    """Only the first row of the kernel is used; all rows add up."""
    return 1 / np.float64(_on_ramp(kernel[0], np.arange(kernel.shape[1])))


crossings = FunctionExercise(
    "edges/crossings",
    title="Finer than a pixel",
    level="core",
    minutes=12,
    statement="""
        Write `crossing_places(curve)`: where a curve crosses zero, in fractions of a pixel.
        `curve` is a one-dimensional array of at least two numbers, such as a second derivative along a row; none of them is exactly 0.
        Where two neighbours have opposite signs, the straight line between them crosses zero at one place: between −1 at place 4 and 3 at place 5 that is 4.25.
        Return an array of floats with all these places from left to right.
        Places are counted from 0; without a crossing the array is empty.
    """,
    hints=[
        "Two numbers have opposite signs if their product is below zero; `np.flatnonzero` gives the places where something is true.",
        "From `before` the line has to go down (or up) by `before` to reach zero, and its change over the whole pixel is `before - after`.",
        "So the crossing lies `before / (before - after)` to the right of the left neighbour. The first section of the chapter does just that.",
    ],
)


@crossings.solution
def crossing_places(curve):
    """Return where the curve crosses zero, from left to right."""
    left, right = curve[:-1], curve[1:]
    i = np.flatnonzero(left * right < 0)
    return i + left[i] / (left[i] - right[i])


@crossings.also
def crossings_by_loops(curve):
    """One pair after the other."""
    found = []
    for i in range(len(curve) - 1):
        before, after = curve[i], curve[i + 1]
        if (before > 0) != (after > 0):
            found.append(i + abs(before) / (abs(before) + abs(after)))
    return np.array(found, dtype=float)


@crossings.also
def crossings_by_scipy(curve):
    """The roots of a spline of degree 1."""
    from scipy.interpolate import PPoly

    steps = np.diff(curve)
    spline = PPoly(np.array([steps, curve[:-1]], dtype=float), np.arange(len(curve)))
    return np.array(spline.roots(extrapolate=False), dtype=float)


@crossings.cases
def crossings_cases(rng):
    """Curves by hand, one of them without a crossing, then random ones."""
    yield (np.array([2, 1, -3]),)
    yield (np.array([-1.0, 3.0, 2.0, -2.0, -6.0, 2.0]),)
    yield (np.array([4.0, 1.0, 2.0]),)
    yield (np.array([-2.0, -1.0, 1.0, 4.0]),)
    for size in (8, 11, 15, 20):
        yield (rng.choice([-1, 1], size) * rng.uniform(0.1, 1, size),)
    yield (rng.choice([-1, 1], 9) * rng.integers(1, 9, 9),)
    yield ((rng.choice([-1, 1], 20) * rng.uniform(0.5, 2, 20))[::2],)


def _around(curve):
    """Return the places left of the crossings, with the values before and after."""
    i = np.flatnonzero(curve[:-1] * curve[1:] < 0)
    return i, curve[i], curve[i + 1]


@crossings.mistake
def always_in_the_middle(curve):
    """The crossing is not always halfway: it lies nearer to the neighbour that is nearer to zero."""
    return _around(curve)[0] + 0.5


@crossings.mistake
def fraction_forgotten(curve):
    """These are the left neighbours of the crossings; add the fraction of a pixel from there to the crossing."""
    return _around(curve)[0].astype(float)


@crossings.mistake
def from_the_wrong_side(curve):
    """The fraction is counted from the wrong side: the larger the value on the left, the farther it is to the crossing."""
    i, before, after = _around(curve)
    return i + after / (after - before)


@crossings.mistake
def signs_cancel(curve):
    """The two values have opposite signs: the change from one to the other is their difference, not their sum."""
    i, before, after = _around(curve)
    with np.errstate(all="ignore"):
        return i + before / (before + after)


@crossings.mistake
def downwards_only(curve):
    """Only crossings from plus to minus are found; an edge from bright to dark crosses from minus to plus."""
    i, before, after = _around(curve)
    return (i + before / (before - after))[before > 0]


@crossings.mistake
def upwards_only(curve):
    """Only crossings from minus to plus are found; an edge from dark to bright crosses from plus to minus."""
    i, before, after = _around(curve)
    return (i + before / (before - after))[before < 0]


@crossings.mistake
def counted_from_one(curve):
    """One too far: places are counted from 0, and the fraction from the left neighbour."""
    i, before, after = _around(curve)
    return i + 1 + before / (before - after)


@crossings.mistake
def marks_for_places(curve):
    """That marks the pixels; return the places themselves, as numbers."""
    return curve[:-1] * curve[1:] < 0


peaks = FunctionExercise(
    "edges/peaks",
    title="Thin lines",
    level="core",
    minutes=12,
    statement="""
        Write `keep_peaks(slopes)`: the third step of Canny's detector, for edges that get brighter to the right.
        Across such an edge, a pixel's neighbours are the ones on its left and on its right.
        `slopes` is an array of floats, (H, W), none below 0.
        Keep a slope if it is at least as large as the one on its left *and* larger than the one on its right, and set all others to 0.
        (So of two equal ones that on the brighter side stays.)
        The first and the last column lack a neighbour: set them to 0.
        Return a new array (H, W), and leave `slopes` as it is.
    """,
    hints=[
        "Leave the first and last column out: `middle = slopes[:, 1:-1]`, with the neighbours `slopes[:, :-2]` and `slopes[:, 2:]`.",
        "Compare with the slopes as they were, not with some that you have already set to 0.",
        "`np.where(condition, middle, 0)` keeps what fulfils a condition; two conditions are joined with `&`, each in brackets.",
    ],
)


@peaks.solution
def keep_peaks(slopes):
    """Return the slopes that are peaks in their row, and 0 elsewhere."""
    left, middle, right = slopes[:, :-2], slopes[:, 1:-1], slopes[:, 2:]
    thin = np.zeros_like(slopes)
    thin[:, 1:-1] = np.where((middle >= left) & (middle > right), middle, 0)
    return thin


@peaks.also
def peaks_by_loops(slopes):
    """One pixel after the other."""
    thin = np.zeros(slopes.shape)
    for i in range(slopes.shape[0]):
        for j in range(1, slopes.shape[1] - 1):
            if slopes[i, j - 1] <= slopes[i, j] > slopes[i, j + 1]:
                thin[i, j] = slopes[i, j]
    return thin


@peaks.also
def peaks_by_suppression(slopes):
    """The chapter's function for a gradient to the right; it clears the outer rows, too, so add some."""
    right = np.pad(slopes, ((1, 1), (0, 0)))
    return non_maximum_suppression(0 * right, right)[1:-1]


@peaks.cases
def peaks_cases(rng):
    """Rows by hand, with slopes that fall step by step, equal ones and two peaks; then random ones."""
    yield (np.array([[0.0, 1.0, 4.0, 2.0, 0.0]]),)
    yield (np.array([[1.0, 5.0, 4.0, 3.0, 2.0, 0.0], [2.0, 3.0, 3.0, 1.0, 6.0, 7.0]]),)
    yield (np.array([[0.0, 2.0, 2.0, 2.0], [9.0, 1.0, 3.0, 1.0], [0.0, 4.0, 1.0, 2.0]]),)
    yield (np.array([[3.0, 4.0]]),)
    for shape in [(3, 7), (5, 4), (1, 9)]:
        yield (rng.random(shape),)
    yield (rng.integers(0, 4, size=(4, 8)).astype(float),)
    yield (rng.integers(0, 9, size=(3, 6)).astype(np.float32),)
    yield (rng.random((7, 10))[:, ::2].T,)


def _kept(slopes, keep):
    """Return the slopes where ``keep(left, middle, right)`` is true, outer columns apart."""
    thin = np.zeros_like(slopes)
    middle = slopes[:, 1:-1]
    thin[:, 1:-1] = np.where(keep(slopes[:, :-2], middle, slopes[:, 2:]), middle, 0)
    return thin


@peaks.mistake
def equal_ones_lost(slopes):
    """Of two equal slopes none is left: on the left, being as large is enough (`>=`)."""
    return _kept(slopes, lambda left, middle, right: (middle > left) & (middle > right))


@peaks.mistake
def equal_ones_doubled(slopes):
    """Of two equal slopes both are left, and the line is thick: on the right, only larger will do (`>`)."""
    return _kept(slopes, lambda left, middle, right: (middle >= left) & (middle >= right))


@peaks.mistake
def darker_side_kept(slopes):
    """Of two equal slopes the left one is kept; the right one, on the brighter side, should stay."""
    return _kept(slopes, lambda left, middle, right: (middle > left) & (middle >= right))


@peaks.mistake
def one_side_is_enough(slopes):
    """A peak is above *both* neighbours: join the two conditions with and (`&`), not with or."""
    return _kept(slopes, lambda left, middle, right: (middle >= left) | (middle > right))


@peaks.mistake
def peaks_in_columns(slopes):
    """The pixel is compared with those above and below; the neighbours across this edge are left and right."""
    return keep_peaks(slopes.T).T


@peaks.mistake
def outer_columns_kept(slopes):
    """The first and the last column lack a neighbour: they have to be 0."""
    return keep_peaks(np.pad(slopes, ((0, 0), (1, 1))))[:, 1:-1]


@peaks.mistake
def outer_columns_left_alone(slopes):
    """The first and the last column still have their slopes: they lack a neighbour, so set them to 0."""
    thin = slopes.copy()
    thin[:, 1:-1] = keep_peaks(slopes)[:, 1:-1]
    return thin


@peaks.mistake
def marks_for_slopes(slopes):
    """The peaks are marked with 1; keep the slope itself there."""
    return (keep_peaks(slopes) > 0).astype(float)


@peaks.mistake
def compared_with_the_result(slopes):
    """Slopes are compared with some that have been set to 0 before: compare with those of the original."""
    thin = slopes.copy()
    thin[:, [0, -1]] = 0
    for i in range(thin.shape[0]):
        for j in range(1, thin.shape[1] - 1):
            if not thin[i, j - 1] <= thin[i, j] > thin[i, j + 1]:
                thin[i, j] = 0
    return thin


@peaks.mistake
def written_into_the_slopes(slopes):
    """The result is right, but it is written into `slopes`, which belongs to the caller: make a new array."""
    slopes[:] = keep_peaks(slopes)
    return slopes


lines = FunctionExercise(
    "edges/angle",
    title="The angle of the line",
    level="core",
    minutes=10,
    statement="""
        Write `line_angle(down, right)`: the angle of the edge at each pixel, in degrees.
        `down` and `right` are arrays (H, W), the two components of the gradient; nowhere are both of them 0.
        The gradient stands across the edge, and you want the angle of the edge itself: 0 is a level line, 45 one that rises to the right, 90 an upright one.
        An edge from dark to bright and one from bright to dark along the same line have the same angle.
        Return an array of floats, (H, W), at least 0 and below 180.
    """,
    hints=[
        "`gradient_direction(down, right)` is the direction of the gradient, from −180° to 180°.",
        "The edge runs at right angles to it: turn by 90°.",
        "Angles that differ by 180° belong to the same line: take the remainder with `% 180`.",
    ],
)


@lines.solution
def line_angle(down, right):
    """Return the angle of the edge in degrees, at least 0 and below 180."""
    return (gradient_direction(down, right) + 90) % 180


@lines.also
def angle_by_arctan2(down, right):
    """Turn the vector instead of the angle: across becomes along. Rows grow downwards."""
    return np.mod(np.rad2deg(np.arctan2(right, down)), 180)


@lines.also
def angle_by_doubling(down, right):
    """As an arrow whose square forgets the sign: twice the angle, and half of it back."""
    along = (np.asarray(down) + 1j * np.asarray(right)) ** 2
    return np.degrees(np.angle(along)) % 360 / 2


@lines.cases
def angle_cases(rng):
    """Level, upright and oblique edges by hand, then random gradients."""
    yield np.array([[1, 0, 1]]), np.array([[0, -1, 1]])
    yield np.array([[-1, 0, -1]]), np.array([[0, 1, -1]])
    yield np.array([[-1.0, 1.0], [2.0, -3.0]]), np.array([[2.0, 3.0], [-1.0, -1.0]])
    yield np.array([[2], [-3], [1]]), np.array([[-2], [-3], [4]])
    for shape in [(2, 5), (4, 3), (1, 7), (6, 1)]:
        yield rng.normal(size=shape), rng.normal(size=shape)
    signs = rng.choice([-1, 1], size=(2, 3, 4))
    yield tuple(signs * rng.integers(1, 10, size=(2, 3, 4)))
    yield tuple(rng.normal(size=(2, 8, 3))[:, ::2].transpose(0, 2, 1))


def _direction(down, right):
    """Return the gradient's direction in degrees."""
    return np.degrees(np.arctan2(-1.0 * down, right))


@lines.mistake
def angle_of_the_gradient(down, right):
    """That is the gradient, which stands *across* the edge: turn it by 90°."""
    return _direction(down, right) % 180


@lines.mistake
def full_circle(down, right):
    """Two opposite directions are one line: take the remainder by 180, not by 360."""
    return (_direction(down, right) + 90) % 360


@lines.mistake
def remainder_forgotten(down, right):
    """Some angles are below 0 or above 180: bring them into the range with `% 180`."""
    return _direction(down, right) + 90


@lines.mistake
def rows_upwards(down, right):
    """Rows grow *downwards*: a positive `down` points to −90°, so its sign has to be changed."""
    return (np.degrees(np.arctan2(down, right)) + 90) % 180


@lines.mistake
def components_swapped(down, right):
    """Level and upright lines have changed places: `arctan2` takes the vertical component first, and rows grow *downwards*, so that is `-down`; then turn by 90°."""
    return (np.degrees(np.arctan2(right, -1.0 * down)) + 90) % 180


@lines.mistake
def radians(down, right):
    """These are radians: `np.degrees` turns them into degrees."""
    return np.radians((_direction(down, right) + 90) % 180)


@lines.mistake
def sign_of_the_angle_lost(down, right):
    """The sign of the direction matters: 30° and −30° are two different lines."""
    return (np.abs(_direction(down, right)) + 90) % 180


@lines.mistake
def folded_at_ninety(down, right):
    """Angles go on up to 180°: a line that rises to the left is not one that rises to the right."""
    angle = (_direction(down, right) + 90) % 180
    return np.minimum(angle, 180 - angle)


threshold = ChoiceExercise(
    "edges/a-higher-high-threshold",
    title="A higher high threshold",
    level="core",
    minutes=4,
    statement="""
        You run Canny's detector twice on the same photograph, and the second time only the high threshold is higher.
        How do the edges differ, if they do?
    """,
    options=[
        Option(
            "Some connected lines are gone as a whole; the others are the same, pixel by pixel.",
            "The high threshold only says which lines have a strong pixel in them. How far a line is followed from there depends on the low one.",
            right=True,
        ),
        Option(
            "All lines are shorter, for their ends are the weakest.",
            "The ends may be weak: a weak pixel stays if it is joined to a strong one. It is a higher *low* threshold that trims the lines.",
        ),
        Option(
            "The lines are torn into more pieces.",
            "That is what one single high threshold does. Hysteresis follows the weak pixels between the strong ones, and these have not changed.",
        ),
        Option(
            "The lines are thinner.",
            "How thin they are is decided before, by non-maximum suppression, which knows no threshold.",
        ),
        Option(
            "They lie in another place, for only the steepest places count.",
            "Where a line lies depends on the smoothing and on where the slope has its peaks, and both are the same.",
        ),
    ],
    hints=["Which pixels are strong, and which are weak, the second time?"],
)

step = NumberExercise(
    "edges/one-step",
    title="One step downhill",
    level="core",
    minutes=6,
    statement="""
        A kernel of one single weight, which is {weight} now, looks at an image of one single pixel, {pixel}.
        It should turn it into {target}.
        The loss is the squared error, and the learning rate is {rate}.
        What is the weight after one step of gradient descent?
    """,
    hints=[
        "The error is weight · pixel − target.",
        "The formula for the gradient has only one term here, and N is 1: 2 · error · pixel.",
    ],
)


@step.cases
def step_cases(rng):
    """Draw numbers that a computer represents exactly."""
    return {
        "weight": float(rng.integers(-3, 4)) / 2,
        "pixel": float(rng.choice([1.5, 2.0, 3.0, 4.0])),
        "target": float(rng.integers(5, 12)),
        "rate": float(rng.choice([0.0625, 0.125])),
    }


@step.solution
def weight_after_one_step(weight, pixel, target, rate):
    """Return the weight after a step against the gradient."""
    error = weight * pixel - target
    return weight - rate * 2 * error * pixel


@step.mistake
def uphill(weight, pixel, target, rate):
    """The gradient points to where the loss grows: subtract it."""
    return weight + rate * 2 * (weight * pixel - target) * pixel


@step.mistake
def two_forgotten(weight, pixel, target, rate):
    """The derivative of a square has a 2 in it."""
    return weight - rate * (weight * pixel - target) * pixel


@step.mistake
def pixel_forgotten(weight, pixel, target, rate):
    """A little more weight changes the error by the pixel times as much: the gradient has that factor, too."""
    return weight - rate * 2 * (weight * pixel - target)


@step.mistake
def rate_forgotten(weight, pixel, target, rate):
    """That is the whole gradient; the learning rate says how much of it is subtracted."""
    return weight - 2 * (weight * pixel - target) * pixel


@step.mistake
def arrived_at_once(weight, pixel, target, rate):
    """That is the weight with the loss 0; one step only goes some of the way, or too far."""
    return target / pixel


@step.mistake
def loss_subtracted(weight, pixel, target, rate):
    """The loss itself is subtracted; it is its gradient that says which way to go."""
    return weight - rate * (weight * pixel - target) ** 2


@step.mistake
def change_for_weight(weight, pixel, target, rate):
    """That is by how much the weight changes; add it to the old weight."""
    return -rate * 2 * (weight * pixel - target) * pixel


pieces = FunctionExercise(
    "edges/pieces",
    title="Counting pieces",
    level="stretch",
    minutes=15,
    statement="""
        Write `count_pieces(edges)`: the number of connected pieces of which an edge map consists.
        `edges` is an array (H, W) of True and False, or of 1 and 0.
        Pixels that are True belong to one piece if a path of such pixels joins them, in which each touches the next at a side or a corner.
        Use `hysteresis` of this chapter, and no ready-made function that labels pieces.
        Return a whole number, and leave `edges` as it is.
    """,
    hints=[
        "Pick one True pixel, make it strong and all others weak: `hysteresis` returns the piece to which it belongs.",
        "`np.argwhere(left)[0]` is the place of the first True pixel; as a tuple it is an index.",
        "Work on a copy. Remove the piece with `left &= ~piece`, add 1, and go on while `left.any()`.",
    ],
)


@pieces.solution
def count_pieces(edges):
    """Return the number of connected pieces."""
    left, count = np.array(edges, dtype=bool), 0
    while left.any():
        strength = left.astype(float)
        strength[tuple(np.argwhere(left)[0])] = 2
        left &= ~hysteresis(strength, low=1, high=2)
        count += 1
    return count


@pieces.also
def pieces_by_scipy(edges):
    """SciPy's labels; all of the eight neighbours touch."""
    from scipy.ndimage import label

    return label(edges, structure=np.ones((3, 3)))[1]


@pieces.also
def pieces_by_scikit_image(edges):
    """The labels of scikit-image, as in the chapter."""
    from skimage.measure import label

    return label(edges, connectivity=2).max()


@pieces.also
def pieces_by_walking(edges):
    """No library at all: walk from pixel to pixel."""
    return _count(edges, _EIGHT)


@pieces.cases
def pieces_cases(rng):
    """Maps by hand, then random ones, from nearly empty to nearly full."""
    yield (np.array([[1, 0, 0, 1], [0, 1, 0, 1]]),)
    yield (np.array([[1, 1, 1, 1, 1], [0, 0, 0, 0, 1], [1, 0, 0, 1, 1]]) == 1,)
    yield (np.zeros((3, 4), dtype=bool),)
    yield (np.array([[1, 0, 1], [0, 0, 0], [1, 0, 1]], dtype=np.uint8),)
    for shape, share in [((6, 4), 0.2), ((5, 7), 0.3), ((4, 8), 0.5), ((8, 3), 0.7)]:
        yield (rng.random(shape) < share,)
    yield ((rng.random((1, 12)) < 0.6).astype(int),)
    yield ((rng.random((8, 10)) < 0.35)[:, ::2].T,)


_FOUR = [(-1, 0), (1, 0), (0, -1), (0, 1)]
_EIGHT = [*_FOUR, (-1, -1), (-1, 1), (1, -1), (1, 1)]


def _count(edges, steps, longest=1000):
    """Count pieces by walking from the first pixel of each in these steps, as far as allowed."""
    left, count = set(map(tuple, np.argwhere(edges).tolist())), 0
    while left:
        front, walked = {min(left)}, 0
        left -= front
        while front and walked < longest:
            front = {(i + di, j + dj) for i, j in front for di, dj in steps} & left
            left -= front
            walked += 1
        count += 1
    return count


@pieces.mistake
def sides_only(edges):
    """Pixels that touch at a corner belong together, too."""
    return _count(edges, _FOUR)


@pieces.mistake
def pixels_counted(edges):
    """These are the pixels; count the pieces that they form."""
    return int(np.sum(edges))


@pieces.mistake
def runs_in_rows_counted(edges):
    """Each row is counted for itself; pieces go on from row to row."""
    return _count(edges, _FOUR[2:])


@pieces.mistake
def background_counted(edges):
    """One too many: the pixels that are False are no piece."""
    return _count(edges, _EIGHT) + 1


@pieces.mistake
def one_piece_at_most(edges):
    """After the first piece it stops; go on while there are pixels left."""
    return int(np.any(edges))


@pieces.mistake
def nearest_pixels_only(edges):
    """Only the neighbours of the first pixel are removed; the piece goes on from them, until nothing new is found."""
    return _count(edges, _EIGHT, longest=1)


@pieces.mistake
def gaps_counted(edges):
    """The pieces of what is False are counted; the edges are True."""
    return _count(np.logical_not(edges), _EIGHT)


@pieces.mistake
def edges_used_up(edges):
    """The count is right, but the pixels are removed from `edges` itself, and the caller's map is empty now: work on a copy."""
    count = _count(edges, _EIGHT)
    edges[:] = 0
    return count


solving = FunctionExercise(
    "edges/least-squares",
    title="In one go",
    level="stretch",
    minutes=20,
    statement="""
        Write `solve_kernel(image, target, size)`: find the best kernel without any steps.
        The output of `correlate2d(image, kernel)` is linear in the kernel, so the square kernel of size×size weights with the smallest mean square error can be computed at once, by `np.linalg.lstsq`.
        `image` is an array (H, W), perhaps of bytes, and `target` an array (H − size + 1, W − size + 1) of what the output should be.
        Perhaps no kernel meets the target exactly; you may assume that one alone comes closest.
        Return it as an array of floats, (size, size).
    """,
    hints=[
        "Each output pixel is one equation: the sum of nine unknown weights (for size 3), each times a known pixel, should be the target there.",
        "`np.lib.stride_tricks.sliding_window_view(image, (size, size))` has the shape (H′, W′, size, size): the window of each output pixel.",
        "Make a matrix with one row for each window, `windows.reshape(-1, size * size)`, and one long row of the target. `np.linalg.lstsq(matrix, row)` returns several things, first the weights.",
    ],
)


@solving.solution
def solve_kernel(image, target, size):
    """Return the (size, size) kernel with the smallest mean square error."""
    view = np.lib.stride_tricks.sliding_window_view
    equations = view(image, (size, size)).reshape(-1, size * size)
    weights, *_ = np.linalg.lstsq(equations, target.ravel(), rcond=None)
    return weights.reshape(size, size)


@solving.also
def solve_normal_equations(image, target, size):
    """Set the gradient of the loss to zero, and solve for the weights."""
    equations = _equations(image, size)
    weights = np.linalg.solve(equations.T @ equations, equations.T @ target.ravel())
    return weights.reshape(size, size)


@solving.also
def solve_by_torch(image, target, size):
    """PyTorch's windows and its least squares."""
    import torch

    pixels = torch.tensor(image, dtype=torch.float64)[None, None]
    equations = torch.nn.functional.unfold(pixels, size)[0].T
    answers = torch.tensor(target, dtype=torch.float64).reshape(-1, 1)
    return torch.linalg.lstsq(equations, answers).solution.reshape(size, size).numpy()


@solving.cases
def solving_cases(rng):
    """Small whole numbers and bytes by hand, then random images and noisy targets."""
    grid = np.array([[1, 0, 2, 1, 4], [3, 1, 0, 2, 1], [0, 2, 5, 1, 3], [2, 1, 1, 0, 2]])
    yield grid, correlate2d(grid, [[1, 2], [-3, 4]]), 2
    yield grid * 1.0, grid[1:, 1:] - 2.0, 2
    yield (grid * 50).astype(np.uint8), grid[:3, :4] * 10.0, 2
    yield np.array([[1.0, 2.0, 4.0]]), np.array([[3.0, 5.0, 9.0]]), 1
    for shape, size, noise in [((7, 8), 2, 0.1), ((8, 10), 3, 0.3), ((12, 9), 3, 0.0)]:
        yield *_example(rng.random(shape), size, noise, rng), size
    yield *_example(rng.integers(0, 256, size=(9, 8), dtype=np.uint8), 2, 20.0, rng), 2
    yield *_example(rng.normal(size=(8, 18))[:, ::2].T, 3, 0.2, rng), 3


def _example(image, size, noise, rng):
    """Return an image and what a random kernel makes of it, with noise."""
    target = correlate2d(image, rng.normal(size=(size, size)))
    return image, target + noise * rng.normal(size=target.shape)


def _equations(image, size):
    """Return one row of floats for each window."""
    view = np.lib.stride_tricks.sliding_window_view
    return view(np.asarray(image, dtype=float), (size, size)).reshape(-1, size * size)


def _least_squares(equations, target):
    """Return the weights that come closest, as one row."""
    return np.linalg.lstsq(equations, target.ravel(), rcond=None)[0]


@solving.mistake
def kernel_turned_round(image, target, size):
    """The kernel comes out turned by 180°: that is the one for `convolve2d`."""
    return _least_squares(_equations(image, size), target).reshape(size, size)[::-1, ::-1]


@solving.mistake
def kernel_transposed(image, target, size):
    """Rows and columns of the kernel are swapped; flatten the windows and shape the weights in the same order."""
    return _least_squares(_equations(image, size), target).reshape(size, size).T


@solving.mistake
def weights_left_flat(image, target, size):
    """The weights stand in one long row; give them the shape (size, size)."""
    return _least_squares(_equations(image, size), target)


@solving.mistake
def bias_added(image, target, size):
    """A column of ones gives the kernel a bias as well; the output is to be the correlation alone."""
    equations = _equations(image, size)
    with_ones = np.hstack([equations, np.ones((len(equations), 1))])
    return _least_squares(with_ones, target)[:-1].reshape(size, size)


@solving.mistake
def first_equations_only(image, target, size):
    """As many equations are used as there are weights; take all of them, for with noise no few of them tell the best kernel."""
    enough = size * size
    weights = _least_squares(_equations(image, size)[:enough], target.ravel()[:enough])
    return weights.reshape(size, size)


@solving.mistake
def mean_taken_away(image, target, size):
    """The image's mean is subtracted first, which changes the output unless the weights add up to 0."""
    return _least_squares(_equations(image - image.mean(), size), target).reshape(size, size)


@solving.mistake
def products_of_bytes(image, target, size):
    """Products and sums of bytes wrap around at 256: turn the image into floats first."""
    view = np.lib.stride_tricks.sliding_window_view
    rows = view(image, (size, size)).reshape(-1, size * size)
    weights = np.linalg.lstsq(rows.T @ rows, rows.T @ target.ravel(), rcond=None)[0]
    return weights.reshape(size, size)


stripes = ChoiceExercise(
    "edges/learned-from-stripes",
    title="Learned from stripes",
    level="stretch",
    minutes=4,
    statement="""
        A kernel learns from an image of upright stripes, in which all rows are alike, and from what Sobel's kernel makes of it.
        The loss falls to almost zero, and yet the learned kernel is not Sobel's.
        Why?
    """,
    options=[
        Option(
            "On such an image, all kernels with the same column sums give the same output.",
            "Where the rows are alike, a pixel is multiplied by all weights of a column together. Only their sum matters, so the examples cannot tell these kernels apart.",
            right=True,
        ),
        Option(
            "It is stuck in a local minimum.",
            "This loss is a bowl and has no worse minimum to be stuck in; it is almost zero. Here the bottom of the bowl is flat in some directions.",
        ),
        Option(
            "It needs more steps.",
            "The loss is almost zero already, so the gradient is, too. More steps would change nothing that the examples can show.",
        ),
        Option(
            "The learning rate is too large.",
            "With too large a rate the loss would grow; this one fell to almost zero.",
        ),
        Option(
            "It has learned the noise in the targets.",
            "There is none: the targets are exactly what Sobel's kernel gives.",
        ),
    ],
    hints=["Which of the nine weights are multiplied by the same pixel values at every place?"],
)

heavy = FunctionExercise(
    "edges/momentum",
    title="A heavy ball",
    level="challenge",
    minutes=20,
    statement="""
        Write `learn_with_momentum(image, target, steps, lr, momentum)`: gradient descent that rolls like a heavy ball.
        Where neighbouring pixels are almost equal, plain gradient descent learns slowly; a ball that keeps some of its speed is faster.
        `image` is an array (H, W) and `target` an array (H − 2, W − 2), what a 3×3 kernel should make of it.
        The kernel and its velocity start as 3×3 zeros.
        In each of the `steps` steps, take the gradient of the loss at the present kernel, multiply the velocity by `momentum`, subtract `lr` times the gradient from the velocity, and then add the velocity to the kernel.
        Return the last kernel, an array (3, 3).
    """,
    hints=[
        "`kernel_loss(kernel, image, target)` returns the loss and its gradient.",
        "With `momentum=0` you have plain gradient descent: write that first.",
        "The velocity of the last step lives on: it has to be made before the loop, not in it.",
    ],
)


@heavy.solution
def learn_with_momentum(image, target, steps, lr, momentum):
    """Return the 3×3 kernel after gradient descent with momentum."""
    kernel, velocity = np.zeros((3, 3)), np.zeros((3, 3))
    for _ in range(steps):
        _, dkernel = kernel_loss(kernel, image, target)
        velocity = momentum * velocity - lr * dkernel
        kernel = kernel + velocity
    return kernel


@heavy.also
def learn_by_torch(image, target, steps, lr, momentum):
    """PyTorch's gradient and optimiser."""
    import torch

    kernel = torch.zeros(1, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([kernel], lr=lr, momentum=momentum)
    x, y = (torch.tensor(np.array(a, dtype=float))[None, None] for a in (image, target))
    for _ in range(steps):
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(torch.nn.functional.conv2d(x, kernel), y).backward()
        optimiser.step()
    return kernel.detach()[0, 0].numpy()


@heavy.also
def learn_from_the_last_two(image, target, steps, lr, momentum):
    """The velocity is the difference of the last two kernels."""
    kernels = [np.zeros((3, 3))] * 2
    for _ in range(steps):
        dkernel = kernel_loss(kernels[-1], image, target)[1]
        kernels.append(kernels[-1] + momentum * (kernels[-1] - kernels[-2]) - lr * dkernel)
    return kernels[-1]


@heavy.cases
def heavy_cases(rng):
    """One image by hand for one, two and three steps, then random ones."""
    grid = np.array([[0, 1, 2, 0], [3, 0, 1, 1], [1, 2, 0, 2]])
    for steps in (1, 2, 3):
        yield grid, np.array([[4.0, -2.0]]), steps, 0.125, 0.5
    yield grid * 0.5, np.array([[1.0, 2.0]]), 0, 0.25, 0.5
    for shape, steps, momentum in [((5, 6), 4, 0.9), ((7, 4), 3, 0.0), ((4, 5), 5, 0.8)]:
        image = rng.normal(size=shape)
        target = correlate2d(image, rng.normal(size=(3, 3)))
        yield image, target, steps, float(rng.uniform(0.02, 0.1)), momentum
    yield rng.random((6, 10))[:, ::2].T, rng.random((3, 4)), 4, 0.05, 0.7


def _learned(image, target, steps, lr, momentum, change):
    """Return the kernel after steps in which ``change(kernel, velocity, slope)`` gives the next two."""
    kernel, velocity = np.zeros((3, 3)), np.zeros((3, 3))

    def slope_at(place):
        return lr * kernel_loss(place, image, target)[1]

    for _ in range(steps):
        kernel, velocity = change(kernel, velocity, slope_at)
    return kernel


@heavy.mistake
def momentum_forgotten(image, target, steps, lr, momentum):
    """That is plain gradient descent: the velocity begins anew in each step, or `momentum` is not used."""
    return learn_with_momentum(image, target, steps, lr, 0)


@heavy.mistake
def up_the_hill(image, target, steps, lr, momentum):
    """The ball rolls uphill: subtract the gradient from the velocity, and add the velocity to the kernel."""
    return learn_with_momentum(image, target, steps, -lr, momentum)


@heavy.mistake
def old_velocity_added(image, target, steps, lr, momentum):
    """The kernel moves before the velocity has changed: first the velocity, then the kernel."""

    def change(kernel, velocity, slope_at):
        return kernel + velocity, momentum * velocity - slope_at(kernel)

    return _learned(image, target, steps, lr, momentum, change)


@heavy.mistake
def gradient_of_the_start(image, target, steps, lr, momentum):
    """The gradient is computed once, at the start; it changes with the kernel, so compute it in every step."""

    def change(kernel, velocity, slope_at):
        velocity = momentum * velocity - slope_at(np.zeros((3, 3)))
        return kernel + velocity, velocity

    return _learned(image, target, steps, lr, momentum, change)


@heavy.mistake
def kernel_multiplied(image, target, steps, lr, momentum):
    """The kernel is multiplied by the momentum, and shrinks; it is the velocity that slows down."""

    def change(kernel, velocity, slope_at):
        return momentum * kernel - slope_at(kernel), velocity

    return _learned(image, target, steps, lr, momentum, change)


@heavy.mistake
def gradient_damped(image, target, steps, lr, momentum):
    """The gradient is multiplied by 1 − momentum; here it counts in full."""
    return learn_with_momentum(image, target, steps, lr * (1 - momentum), momentum)


@heavy.mistake
def looked_ahead(image, target, steps, lr, momentum):
    """The gradient is taken where the velocity would lead to (which is Nesterov's variant); take it at the present kernel."""

    def change(kernel, velocity, slope_at):
        velocity = momentum * velocity - slope_at(kernel + momentum * velocity)
        return kernel + velocity, velocity

    return _learned(image, target, steps, lr, momentum, change)


@heavy.mistake
def rate_used_twice(image, target, steps, lr, momentum):
    """The learning rate is applied to the gradient and again to the velocity; once is enough."""
    return learn_with_momentum(image, target, steps, lr * lr, momentum)


@heavy.mistake
def one_step_less(image, target, steps, lr, momentum):
    """One step is missing: `range(steps)` runs from 0 to `steps - 1`, which makes `steps` of them."""
    return learn_with_momentum(image, target, steps - 1, lr, momentum)


few = ProjectExercise(
    "edges/how-few-examples",
    title="Project: how few examples?",
    minutes=75,
    statement="""
        Choose a kernel of 5×5 that is not in this chapter, and let a learner find it from photographs of the course and the kernel's outputs, with `learn_kernel` or your own function.
        Measure how wrong the learned weights are, as the largest difference to the true ones, for 1, 2, 4 and 8 crops of one size, each with clean targets and with targets that have noise of your choice; use three seeds.
        Draw it in one figure.
        Then find or make an image from which this kernel cannot be learned although the loss falls to almost zero, and show another kernel that does as well there.
        Write down in five sentences what you would tell somebody who has to collect examples.
    """,
    rubric=[
        Criterion("The kernel is learned from clean targets, and an assert says how closely", 2),
        Criterion(
            "One figure with the error against the number of crops, clean and noisy, with the spread over three seeds",
            2,
        ),
        Criterion(
            "An image that cannot teach it, two kernels with the same output there, and an assert for that",
            3,
        ),
        Criterion("The advice follows from the figure, and says where it may not hold", 2),
    ],
    hints=["What did the stripes not show? Ask the same of your kernel."],
)
