"""Exercises of chapter 2: filtering."""

import numpy as np

from cnncourse.exercises.kinds import (
    ChoiceExercise,
    Criterion,
    FunctionExercise,
    NumberExercise,
    Option,
    ProjectExercise,
)
from cnncourse.exercises.running import Built
from cnncourse.filtering import (
    add_border,
    box_kernel,
    convolve2d,
    correlate2d,
    gaussian_kernel,
    identity_kernel,
    shift_kernel,
)

RAMP = np.arange(1, 26).reshape(5, 5)
"""The image of the chapter's worked example."""

DOT = np.pad([[1.0]], 2)
"""A single bright pixel in the middle of 5×5."""


def _whole(rng, *shape):
    """Return whole numbers from −9 to 9."""
    return rng.integers(-9, 10, shape)


def _eighths(rng, *shape):
    """Return float32 numbers whose sums and products are exact."""
    return (rng.integers(-32, 33, shape) / 8).astype(np.float32)


def _reals(rng, *shape):
    """Return real numbers, most of them from −2 to 2."""
    return rng.normal(size=shape)


def _bytes(rng, *shape):
    """Return pixels as image files store them."""
    return rng.integers(0, 256, shape, dtype=np.uint8)


grey = FunctionExercise(
    "filtering/to-grey",
    title="From colour to grey",
    level="warm-up",
    minutes=6,
    statement="""
        Write `to_grey(photo)`: a grey photograph out of one in colour.
        `photo` is an array of bytes (`uint8`, from 0 to 255) of shape (H, W, 3), as image files store it.
        Each pixel of the result is the mean of its red, green and blue, divided by 255.
        Return an array of floats of shape (H, W), all in [0, 1].
    """,
    hints=[
        "The channels are the last axis of the three.",
        "A byte has no room for 200 + 100: it goes on from 0 after 255. `photo.mean(axis=…)` counts in floats; if you add channels yourself, turn them into floats first.",
    ],
)


@grey.solution
def to_grey(photo):
    """Return the mean of the three channels, from 0 to 1."""
    return photo.mean(axis=2) / 255


@grey.also
def grey_by_loops(photo):
    """One pixel after the other."""
    H, W, _ = photo.shape
    result = np.zeros((H, W))
    for i in range(H):
        for j in range(W):
            result[i, j] = sum(int(value) for value in photo[i, j]) / (3 * 255)
    return result


@grey.also
def grey_by_product(photo):
    """Three channels times three weights."""
    return photo @ np.full(3, 1 / 765)


@grey.cases
def grey_cases(rng):
    """Few pixels first, then rectangles, a turned one and every second column of one."""
    yield (np.uint8([[[200, 100, 60]]]),)
    yield (np.uint8([[[0, 0, 0], [255, 255, 255]], [[10, 20, 31], [255, 0, 0]]]),)
    yield (np.uint8([[[1, 2, 3], [40, 50, 67], [250, 251, 3]]]),)
    for H, W in rng.integers(2, 8, (4, 2)):
        yield (_bytes(rng, H, W, 3),)
    yield (_bytes(rng, 4, 6, 3).transpose(1, 0, 2),)
    yield (_bytes(rng, 3, 10, 3)[:, ::2],)


@grey.mistake
def bytes_wrap_around(photo):
    """The sum of three bytes is computed in a byte, which goes on from 0 after 255; count in floats."""
    return (photo[:, :, 0] + photo[:, :, 1] + photo[:, :, 2]) / 3 / 255


@grey.mistake
def mean_over_the_rows(photo):
    """The mean runs over the first axis, the rows; the channels are the last axis."""
    return photo.mean(axis=0) / 255


@grey.mistake
def mean_of_everything(photo):
    """That is a single number, the mean of the whole photograph; take the mean over the last axis only."""
    return photo.mean() / 255


@grey.mistake
def one_channel_only(photo):
    """That is the red channel alone; green and blue count as much."""
    return photo[:, :, 0] / 255


@grey.mistake
def sum_for_mean(photo):
    """The three channels are added, but the sum is not divided by 3."""
    return photo.sum(axis=2) / 255


@grey.mistake
def still_up_to_255(photo):
    """The mean is right, but it still lies between 0 and 255; divide it by 255."""
    return photo.mean(axis=2)


@grey.mistake
def divided_by_256(photo):
    """There are 256 different bytes, but the largest is 255: white has to become 1."""
    return photo.mean(axis=2) / 256


@grey.mistake
def mean_cut_to_a_byte(photo):
    """The mean is cut to a whole number before it is divided by 255; keep its decimals."""
    return photo.mean(axis=2).astype(np.uint8) / 255


@grey.mistake
def channels_weighted(photo):
    """These weights say how bright the colours look to an eye; asked is the plain mean, a third of each."""
    return photo @ np.array([0.299, 0.587, 0.114]) / 255


@grey.mistake
def third_axis_kept(photo):
    """The values are right, but the result still has a third axis, of length 1; a grey image has two."""
    return photo.mean(axis=2, keepdims=True) / 255


place = FunctionExercise(
    "filtering/one-place",
    title="One place",
    level="warm-up",
    minutes=8,
    statement="""
        Write `filter_at(image, kernel, i, j)`: the single number that cross-correlation gives at row `i` and column `j`.
        `image` is an array of shape (H, W) and `kernel` one of shape (R, S), both of any kind of numbers, bytes (`uint8`) included.
        There is no border: the kernel's upper left weight lies on the pixel `[i, j]`, and the whole kernel fits into the image.
        Return one number, that of `correlate2d(image, kernel)[i, j]`, but do not compute the others.
    """,
    hints=[
        "Cut the window out of the image with a slice, multiply it by the kernel, sum.",
        "The window is `image[i : i + R, j : j + S]`. If image and kernel are both bytes, the products do not fit into a byte: turn one of the two into floats.",
    ],
)


@place.solution
def filter_at(image, kernel, i, j):
    """Return the result of correlate2d at [i, j], without computing the others."""
    R, S = kernel.shape
    window = image[i : i + R, j : j + S].astype(float)
    return (window * kernel).sum()


@place.also
def filter_at_by_loops(image, kernel, i, j):
    """Two loops over the weights."""
    R, S = kernel.shape
    places = [(r, s) for r in range(R) for s in range(S)]
    return sum(float(kernel[r, s]) * float(image[i + r, j + s]) for r, s in places)


@place.also
def filter_at_by_scipy(image, kernel, i, j):
    """All places, of which one is picked."""
    from scipy.signal import correlate2d as scipy_correlate2d

    return scipy_correlate2d(image.astype(float), kernel.astype(float), "valid")[i, j]


@place.cases
def place_cases(rng):
    """The chapter's ramp, small kernels of other shapes, then all kinds of numbers."""
    yield RAMP, np.array([[1, 0], [0, 1]]), 0, 1
    yield RAMP, np.array([[1, 2]]), 3, 2
    yield np.array([[1, 2, 3], [4, 5, 6]]), np.array([[1], [-2]]), 0, 2
    yield RAMP, np.array([[1, 2, 3], [0, -1, 4]]), 2, 1
    yield np.uint8([[200, 100], [50, 25]]), np.uint8([[2, 1], [3, 4]]), 0, 0
    for kind in (_whole, _eighths, _bytes, _reals, _bytes, _whole):
        (H, W), (R, S) = rng.integers(5, 9, 2), rng.permutation([2, 3, 4])[:2]
        image = kind(rng, H, W)
        kernel = rng.integers(1, 10, (R, S)).astype(image.dtype)
        yield image, kernel, int(rng.integers(0, H - R + 1)), int(rng.integers(0, W - S + 1))
    yield _whole(rng, 6, 8)[::2].T, _whole(rng, 3, 2), int(rng.integers(0, 6)), 1


@place.mistake
def kernel_turned(image, kernel, i, j):
    """The kernel is turned by 180°, which makes it a convolution; cross-correlation takes it as it is."""
    R, S = kernel.shape
    return (image[i : i + R, j : j + S].astype(float) * kernel[::-1, ::-1]).sum()


@place.mistake
def row_and_column_swapped(image, kernel, i, j):
    """`i` counts rows and `j` columns; here the window begins at row `j` and column `i`."""
    return filter_at(image, kernel, j, i)


@place.mistake
def kernel_sides_swapped(image, kernel, i, j):
    """A kernel of shape (R, S) covers R rows and S columns, not the other way round."""
    R, S = kernel.shape
    return (image[i : i + S, j : j + R].astype(float) * kernel).sum()


@place.mistake
def square_kernels_only(image, kernel, i, j):
    """It works for square kernels only: the window has R rows and S columns, like the kernel."""
    R = len(kernel)
    return float((image[i : i + R, j : j + R].astype(float) * kernel).sum())


@place.mistake
def kernel_centred(image, kernel, i, j):
    """Without a border the kernel's upper left weight lies on `[i, j]`, not its centre."""
    R, S = kernel.shape
    return filter_at(image, kernel, i - R // 2, j - S // 2)


@place.mistake
def products_wrap_around(image, kernel, i, j):
    """A product of two bytes does not fit into a byte; turn image or kernel into floats first."""
    R, S = kernel.shape
    return float((image[i : i + R, j : j + S] * kernel).sum())


@place.mistake
def product_of_matrices(image, kernel, i, j):
    """`@` multiplies matrices, rows by columns; here each weight is multiplied by the one pixel on which it lies: `*`."""
    R, S = kernel.shape
    return (image[i : i + R, j : j + S].astype(float) @ kernel).sum()


@place.mistake
def not_summed(image, kernel, i, j):
    """These are the products; their sum is the result."""
    R, S = kernel.shape
    return image[i : i + R, j : j + S].astype(float) * kernel


@place.mistake
def mean_for_sum(image, kernel, i, j):
    """The products are averaged; cross-correlation adds them up and divides by nothing."""
    return filter_at(image, kernel, i, j) / kernel.size


@place.mistake
def only_the_diagonal(image, kernel, i, j):
    """Only weights on the diagonal are used: row and column of the kernel need a loop each."""
    return sum(float(kernel[r, r]) * float(image[i + r, j + r]) for r in range(min(kernel.shape)))


ChoiceExercise(
    "filtering/same-map",
    title="The same map",
    level="warm-up",
    minutes=4,
    statement="""
        On the ramp 1 … 25 of this chapter, the kernels `[[1, 0], [0, 1]]` and `[[0, 1], [1, 0]]` give the same map.
        What follows from that?
    """,
    options=[
        Option(
            "They agree on this image. On others their maps can differ.",
            "On the ramp 1 + 7 = 2 + 6, and so everywhere, for each step right adds 1 and each step down adds 5. A single bright dot tells the two apart.",
            right=True,
        ),
        Option(
            "They are the same filter, and give the same map of every image.",
            "One image in which two results agree proves nothing about others. Try an image with a single bright dot: the two print differently.",
        ),
        Option(
            "Only the sum of the weights counts, so `[[1, 1], [0, 0]]` gives that map, too.",
            "The sum says what becomes of even areas, no more. `[[1, 1], [0, 0]]` begins with 1 + 2 = 3 there, and the other two with 8.",
        ),
        Option(
            "Each is the other one turned by 180°, and turning a kernel changes nothing.",
            "Turned by 180° each of them stays as it is; they are mirror images. And a kernel that is not symmetric does give another map when it is turned, as the letter F showed.",
        ),
    ],
    hints=["What does each of the two print when the image is a single bright dot?"],
)

left = NumberExercise(
    "filtering/noise-left",
    title="How much noise is left?",
    level="warm-up",
    minutes=4,
    statement="""
        Each pixel of a photograph has independent noise of standard deviation {sigma}.
        You replace each pixel by the mean of the {k}×{k} pixels around it.
        What is the standard deviation of the noise now?
    """,
    hints=[
        "The chapter's formula is about the variance, which is the square of the standard deviation.",
        "A mean of $n$ independent values has the variance $\\sigma^2 / n$. How many pixels are in the window?",
    ],
)


@left.cases
def left_cases(rng):
    """Numbers for the statement, such that the answer has few decimals."""
    k, thousandths = int(rng.choice([3, 5, 7, 9])), int(rng.integers(6, 30))
    return {"sigma": round(k * thousandths / 1000, 3), "k": k}


@left.solution
def noise_left(sigma, k):
    """Return the standard deviation after a mean of k×k."""
    return sigma / k


@left.mistake
def variance_for_deviation(sigma, k):
    """The mean divides the *variance* by the number of pixels; the standard deviation is its root."""
    return sigma / k**2


@left.mistake
def variance_given(sigma, k):
    """That is the variance that is left; take its root."""
    return sigma**2 / k**2


@left.mistake
def one_row_only(sigma, k):
    """The window has k rows of k pixels, so its size counts with both sides."""
    return sigma / k**0.5


@left.mistake
def sum_of_the_window(sigma, k):
    """That is the noise of the sum of the window; a mean also divides by the number of pixels."""
    return sigma * k


@left.mistake
def no_noise_lost(sigma, k):
    """Independent errors cancel in part, so a mean has less noise than a pixel."""
    return sigma


ghosts = FunctionExercise(
    "filtering/ghost",
    title="A ghost",
    level="core",
    minutes=10,
    statement="""
        Write `ghost_kernel(distance)`: the kernel of an old television set that shows the picture, and the picture again, shifted to the right.
        With it, `correlate2d` (with a border) returns half the image plus half the image shifted `distance` pixels to the right.
        Return an array of floats of shape (1, 2 · distance + 1), whose centre is the pixel itself.
        `distance` is a whole number, 0 or more; for 0 both halves fall on the same pixel.
    """,
    hints=[
        "What moves to the right comes from the left.",
        "Two weights are 0.5. One kernel for the picture, one for the ghost: their sum gives the sum of both results.",
        "One of the two weights is in the centre, at column `distance`, the other one at column 0. Add the second one to what is there, so that it also works if they are the same.",
    ],
)


@ghosts.solution
def ghost_kernel(distance):
    """Return a kernel of shape (1, 2·distance + 1) that adds a ghost on the right."""
    kernel = np.zeros((1, 2 * distance + 1))
    kernel[0, distance] += 0.5  # the pixel itself
    kernel[0, 0] += 0.5  # the one that far to the left
    return kernel


@ghosts.also
def ghost_of_two_kernels(distance):
    """The mean of an identity and a shift."""
    return (np.eye(1, 2 * distance + 1, distance) + shift_kernel(0, distance)) / 2


@ghosts.also
def ghost_of_a_dot(distance):
    """What is wanted of a single dot, turned round: the impulse response."""
    dot = np.zeros((1, 2 * distance + 1))
    dot[0, distance] = 1
    return ((dot + np.roll(dot, distance, axis=1)) / 2)[:, ::-1]


@ghosts.cases
def ghosts_cases(rng):
    """The short distances, then any."""
    for distance in (1, 2, 3, 0):
        yield (distance,)
    for distance in rng.choice(np.arange(4, 60), 5, replace=False):
        yield (int(distance),)


def _two_weights(distance, first, second):
    """Return a row in which two places have 0.5, or one of them 1."""
    kernel = np.zeros((1, 2 * distance + 1))
    for column in (first, second):
        kernel[0, column] += 0.5
    return kernel


@ghosts.mistake
def ghost_on_the_left(distance):
    """The ghost is on the left: a weight to the right of the centre fetches what stands there, and so moves it left."""
    return _two_weights(distance, distance, -1)


@ghosts.mistake
def both_in_full(distance):
    """Picture and ghost count half each; with weights of 1 an even area gets twice as bright."""
    return 2 * _two_weights(distance, distance, 0)


@ghosts.mistake
def coinciding_weights_overwritten(distance):
    """For distance 0 both weights stand at the same place: the second has to be added there, not written over the first."""
    kernel = np.zeros((1, 2 * distance + 1))
    kernel[0, distance] = kernel[0, 0] = 0.5
    return kernel


@ghosts.mistake
def two_ghosts(distance):
    """These are two ghosts, on the left and on the right, and no picture between them."""
    return _two_weights(distance, 0, -1)


@ghosts.mistake
def everything_between(distance):
    """All the weights from the ghost to the centre are set, which is motion blur; two are enough."""
    kernel = np.zeros((1, 2 * distance + 1))
    kernel[0, : distance + 1] = 1 / (distance + 1)
    return kernel


@ghosts.mistake
def no_row_axis(distance):
    """A kernel has two axes, rows and columns: one row has the shape (1, n), not (n,)."""
    return _two_weights(distance, distance, 0)[0]


@ghosts.mistake
def column_for_row(distance):
    """The kernel is a column, and its ghost is above or below; to the side takes a row."""
    return _two_weights(distance, distance, 0).T


@ghosts.mistake
def ghost_one_pixel_short(distance):
    """The ghost is one pixel too near: the outermost column is `distance` away from the centre."""
    return _two_weights(distance, distance, min(1, distance))


@ghosts.mistake
def halves_cut_to_zero(distance):
    """The array was made for whole numbers, and 0.5 becomes 0 in it; make it of floats."""
    return np.zeros((1, 2 * distance + 1), dtype=int)


outer = FunctionExercise(
    "filtering/outside",
    title="Who stands outside?",
    level="core",
    minutes=12,
    statement="""
        Write `pixel_outside(i, size, border)`: which pixel of a row stands at place `i`, if the row is continued on both sides.
        The row has `size` ≥ 2 pixels with the numbers 0 … size − 1; `i` is a whole number from 1 − size to 2 · size − 2.
        `border` is "replicate", "reflect", "symmetric" or "circular", as in this chapter.
        Return the pixel's number, a whole one from 0 to size − 1; inside the row that is `i` itself.
        For example, in the row 1 2 3 4 the place −2 shows, with "reflect", the 3, which is pixel number 2.
    """,
    hints=[
        "Write down for four pixels which number stands at the places −2, −1, 4 and 5, for all four borders. The table in the chapter helps.",
        "On the left, `reflect` shows pixel −i, and `symmetric` the one before it.",
        "On the right, the edge pixel is number size − 1; `reflect` shows the one that is as far on this side of it as `i` is on the other.",
    ],
)


@outer.solution
def pixel_outside(i, size, border):
    """Return the number of the pixel that stands at place i."""
    if border == "circular":
        return i % size
    if border == "replicate":
        return min(max(i, 0), size - 1)
    repeated = 1 if border == "symmetric" else 0
    if i < 0:
        return -i - repeated
    if i >= size:
        return 2 * (size - 1) - i + repeated
    return i


@outer.also
def pixel_outside_by_numpy(i, size, border):
    """Continue the row of numbers, and look."""
    modes = {"replicate": "edge", "circular": "wrap"}
    return np.pad(np.arange(size), size - 1, modes.get(border, border))[i + size - 1]


@outer.also
def pixel_outside_by_package(i, size, border):
    """The chapter's `add_border`."""
    return int(add_border([range(size)], 0, size - 1, border)[0, i + size - 1])


@outer.cases
def outer_cases(rng):
    """Two places outside the row 1 2 3 4 for each border, then any."""
    borders = ("replicate", "reflect", "symmetric", "circular")
    for border in borders:
        yield -2, 4, border
        yield 5, 4, border
    yield 2, 4, "reflect"
    for border in borders:
        size = int(rng.integers(3, 30))
        yield -int(rng.integers(1, size)), size, border
        yield size - 1 + int(rng.integers(1, size)), size, border
    size = int(rng.integers(4, 30))
    yield int(rng.integers(1, size)), size, "symmetric"


@outer.mistake
def mirrors_swapped(i, size, border):
    """The mirrors are swapped: "reflect" does not repeat the edge pixel, "symmetric" does."""
    swapped = {"reflect": "symmetric", "symmetric": "reflect"}
    return pixel_outside(i, size, swapped.get(border, border))


@outer.mistake
def edge_pixel_repeated_always(i, size, border):
    """With "reflect" the mirror stands on the edge pixel, which is therefore not repeated."""
    return pixel_outside(i, size, "symmetric" if border == "reflect" else border)


@outer.mistake
def edge_pixel_never_repeated(i, size, border):
    """With "symmetric" the mirror stands behind the edge pixel, which is therefore repeated."""
    return pixel_outside(i, size, "reflect" if border == "symmetric" else border)


@outer.mistake
def negative_place_returned(i, size, border):
    """A circular row has no negative numbers: the place −1 shows pixel size − 1."""
    before = border == "circular" and i < 0
    return i if before else pixel_outside(i, size, border)


@outer.mistake
def first_pixel_at_both_ends(i, size, border):
    """To the right of the row "replicate" repeats the last pixel, not the first."""
    return 0 if border == "replicate" and i >= size else pixel_outside(i, size, border)


@outer.mistake
def right_end_off_by_one(i, size, border):
    """At the right end the mirrors are one pixel off: the last pixel has the number size − 1."""
    mirrored = border in ("reflect", "symmetric") and i >= size
    return pixel_outside(i, size, border) + mirrored


@outer.mistake
def right_end_forgotten(i, size, border):
    """The mirrors only work on the left; places from `size` on lie outside, too."""
    mirrored = border in ("reflect", "symmetric") and i >= size
    return i if mirrored else pixel_outside(i, size, border)


@outer.mistake
def circle_too_short(i, size, border):
    """A circular row repeats after `size` pixels, not after size − 1."""
    return i % (size - 1) if border == "circular" else pixel_outside(i, size, border)


ChoiceExercise(
    "filtering/weights-to-scipy",
    title="Weights on a journey",
    level="core",
    minutes=4,
    statement="""
        A network has learned a kernel, which it applies with `torch.nn.functional.conv2d`.
        You want the same result from `scipy.signal.convolve2d(image, kernel, "valid")`.
        What do you do with the kernel?
    """,
    options=[
        Option(
            "Turn it by 180°: reverse its rows and its columns.",
            "The framework's \"conv\" is cross-correlation, and SciPy's `convolve2d` turns the kernel. Turned twice, it lies as it was.",
            right=True,
        ),
        Option(
            "Nothing: both are called convolution.",
            "They share the name, but the framework lays the kernel on the image as it is, and SciPy turns it first. With a kernel that is not symmetric the results differ.",
        ),
        Option(
            "Transpose it: swap its rows and columns.",
            "That mirrors it at a diagonal. The two programs agree which axis is which; they differ in the direction in which both axes are read.",
        ),
        Option(
            "Reverse each row.",
            "That is half of it: the columns have to be reversed as well. A turn by 180° is two mirrorings.",
        ),
        Option(
            "Nothing: the weights were learned, so it does not matter which way they lie.",
            "While it learns, a network does not care. Once learned, the weights belong to the operation they were learned with.",
        ),
    ],
    hints=["What does each of the two functions print of a single bright dot?"],
)

sharp = FunctionExercise(
    "filtering/unsharp",
    title="Unsharp masking",
    level="core",
    minutes=8,
    statement="""
        Write `unsharp(image, sigma, amount)`: sharpen an image by taking a blurred copy away, as photographers do.
        The result is the image plus `amount` times the difference image − blurred copy.
        The blurred copy comes from `correlate2d` with the kernel `gaussian_kernel(sigma)` and the border "reflect", both of this chapter.
        `image` has the shape (H, W) and holds floats or bytes; leave it as it is.
        Return an array of floats of the same shape, and do not clip it.
        To think about: can a single kernel do the same?
    """,
    hints=[
        "Two lines are enough: one for the blurred copy, one for the sum.",
        "For the question: which kernel gives the image itself? Filters are linear, so kernels can be added.",
    ],
)


@sharp.solution
def unsharp(image, sigma, amount):
    """Return image + amount · (image − blurred image)."""
    blurred = correlate2d(image, gaussian_kernel(sigma), "reflect")
    return image + amount * (image - blurred)


@sharp.also
def unsharp_in_one(image, sigma, amount):
    """A single kernel, for filters are linear in the kernel."""
    bell = gaussian_kernel(sigma)
    kernel = (1 + amount) * identity_kernel(len(bell)) - amount * bell
    return correlate2d(image, kernel, "reflect")


@sharp.also
def unsharp_by_scipy(image, sigma, amount):
    """SciPy's filter cuts the bell at 4σ, too; its word for our border is "mirror"."""
    from scipy.ndimage import gaussian_filter

    image = np.asarray(image, float)
    return image + amount * (image - gaussian_filter(image, sigma, mode="mirror"))


@sharp.cases
def sharp_cases(rng):
    """A step, single values, a dot, an even area and bytes, then random images."""
    yield np.tile([0.25, 0.25, 0.25, 0.75, 0.75, 0.75], (3, 1)), 0.5, 2
    yield np.array([[1.0, 8, 2], [0, 5, 3], [7, 1, 4], [2, 9, 6]]), 0.5, 0.5
    yield DOT, 0.5, 1
    yield np.full((4, 5), 0.5), 0.5, 1.5
    yield np.uint8([[100, 200, 50, 0], [10, 255, 90, 30], [60, 120, 180, 240]]), 0.5, 1
    for shape in [(5, 8), (9, 6)]:
        yield rng.random(shape), float(rng.uniform(0.4, 1)), float(rng.uniform(0.3, 3))
    yield _bytes(rng, 6, 5), 0.5, 2
    yield rng.random((5, 14))[:, ::2].T, 0.4, float(rng.uniform(1, 2))
    yield rng.random((6, 4)), 0.5, -0.5


@sharp.mistake
def sign_turned(image, sigma, amount):
    """The difference is taken away instead of added, which blurs."""
    return unsharp(image, sigma, -amount)


@sharp.mistake
def added_to_the_blurred_copy(image, sigma, amount):
    """The difference is added to the blurred copy; add it to the image."""
    return unsharp(image, sigma, amount - 1)


@sharp.mistake
def difference_only(image, sigma, amount):
    """That is what has to be added; the image itself is missing."""
    return unsharp(image, sigma, amount) - image


@sharp.mistake
def amount_forgotten(image, sigma, amount):
    """The difference is added once, whatever `amount` is; multiply it by `amount`."""
    return unsharp(image, sigma, 1)


@sharp.mistake
def products_of_bytes(image, sigma, amount):
    """Bytes times a whole number stay bytes, and go on from 0 after 255; subtract the blurred copy first, or turn the image into floats."""
    blurred = correlate2d(image, gaussian_kernel(sigma), "reflect")
    return (1 + amount) * image - amount * blurred


@sharp.mistake
def clipped_to_0_and_1(image, sigma, amount):
    """The result is cut off at 0 and 1; it may overshoot, and an image of bytes goes up to 255 anyway."""
    return np.clip(unsharp(image, sigma, amount), 0, 1)


@sharp.mistake
def clipped_to_0_and_255(image, sigma, amount):
    """The result is cut off at 0 and 255; keep what lies below and above, too."""
    return np.clip(unsharp(image, sigma, amount), 0, 255)


@sharp.mistake
def zero_border(image, sigma, amount):
    """With the border "zero" the rim of the blurred copy is too dark, and of the result too bright; take "reflect"."""
    blurred = correlate2d(image, gaussian_kernel(sigma), "zero")
    return image + amount * (image - blurred)


@sharp.mistake
def mirror_behind_the_edge(image, sigma, amount):
    """The mirror repeats the edge pixel; "reflect" of this chapter, which SciPy calls "mirror", does not."""
    blurred = correlate2d(image, gaussian_kernel(sigma), "symmetric")
    return image + amount * (image - blurred)


@sharp.mistake
def blurred_by_a_box(image, sigma, amount):
    """The blurred copy is a mean of 3×3, whatever `sigma` is; take `gaussian_kernel(sigma)`."""
    return image + amount * (image - correlate2d(image, box_kernel(3), "reflect"))


@sharp.mistake
def image_changed(image, sigma, amount):
    """`image += …` changes the caller's image; make a new one: `image + …`."""
    image += amount * (image - correlate2d(image, gaussian_kernel(sigma), "reflect"))
    return image


saved = NumberExercise(
    "filtering/two-passes",
    title="What two passes save",
    level="core",
    minutes=5,
    statement="""
        A Gaussian kernel of {k}×{k} weights filters a grey photograph of {rows}×{columns} pixels; a border keeps the image's size.
        How many multiplications do you save if you do it in two passes, a column of {k} weights and then a row of {k}, and not with the {k}×{k} weights at once?
    """,
    hints=[
        "Count for one pixel first: how many weights are there in each of the two ways?",
        "Both ways do this for every pixel of the photograph.",
    ],
)


@saved.cases
def saved_cases(rng):
    """Numbers for the statement."""
    rows, columns = (int(n) for n in 10 * rng.choice(np.arange(20, 70), 2, replace=False))
    return {"k": int(rng.choice([5, 7, 9, 11, 13, 15])), "rows": rows, "columns": columns}


@saved.solution
def multiplications_saved(k, rows, columns):
    """Return the difference of both counts."""
    return rows * columns * (k * k - 2 * k)


@saved.mistake
def saved_for_one_pixel(k, rows, columns):
    """That is for one pixel; the photograph has rows · columns of them."""
    return k * k - 2 * k


@saved.mistake
def second_pass_forgotten(k, rows, columns):
    """There are two passes, of k multiplications a pixel each."""
    return rows * columns * (k * k - k)


@saved.mistake
def passes_multiplied(k, rows, columns):
    """The second pass adds its multiplications to those of the first; k for each pixel, and k again."""
    return 0


@saved.mistake
def what_two_passes_take(k, rows, columns):
    """That is what the two passes take; asked is how much less that is than in one pass."""
    return rows * columns * 2 * k


@saved.mistake
def what_one_pass_takes(k, rows, columns):
    """That is what one pass takes; take off what the two passes still need."""
    return rows * columns * k * k


@saved.mistake
def shrunk_by_the_kernel(k, rows, columns):
    """With a border the result is as large as the photograph; nothing is lost at the edges."""
    return (rows - k + 1) * (columns - k + 1) * (k * k - 2 * k)


gains = FunctionExercise(
    "filtering/gain",
    title="Stripes turned round",
    level="core",
    minutes=10,
    statement="""
        Write `gain_at(weights, frequency)`: by what factor a kernel of one row multiplies stripes.
        `weights` is an array of an odd number of weights, the same from left to right as from right to left; its middle one lies on the pixel itself.
        The stripes are a cosine of `frequency` cycles a pixel: with $f$ for `frequency`, the phase at distance $d$ from a crest is $2\\pi f d$.
        Return one number, which may be below zero.
        For the mean of three and stripes of 1/2 cycle a pixel it is −1/3: they are turned round.
    """,
    hints=[
        "Put a crest of the stripes, cos 0 = 1, on the middle weight. What stands below the others, and what does the kernel make of it?",
        "A pixel at distance $d$ on either side shows $\\cos(2\\pi f d)$. Sum the weights times these.",
        "The distances are `np.arange(n) - n // 2` for n weights.",
    ],
)


@gains.solution
def gain_at(weights, frequency):
    """Return the factor by which a symmetric row multiplies a cosine."""
    distance = np.arange(len(weights)) - len(weights) // 2
    return (weights * np.cos(2 * np.pi * frequency * distance)).sum()


@gains.also
def gain_measured(weights, frequency):
    """Filter a cosine, and look at what became of a crest."""
    reach = len(weights) // 2
    wave = np.cos(2 * np.pi * frequency * np.arange(-reach, reach + 1))
    return correlate2d([wave], np.array([weights], float))[0, 0]


@gains.also
def gain_by_pairs(weights, frequency):
    """The middle weight, and the others in pairs."""
    centre = len(weights) // 2
    gain = float(weights[centre])
    for d in range(1, centre + 1):
        gain += 2 * float(weights[centre + d]) * np.cos(2 * np.pi * frequency * d)
    return gain


@gains.cases
def gains_cases(rng):
    """Means and rough bells by hand, then random rows."""
    yield np.ones(3) / 3, 1 / 2
    yield np.array([1, 2, 1]), 1 / 4
    yield np.array([-1, 3, -1]), 1 / 3
    yield np.array([1, 4, 6, 4, 1]) / 16, 1 / 8
    yield np.array([5]), 0.3
    yield np.array([1, 2, 1]), 0
    for sides in (1, 2, 3, 4):
        half = rng.normal(size=sides)
        row = np.concatenate([half, rng.normal(size=1), half[::-1]])
        yield row, float(rng.uniform(0.02, 0.5))
    yield _eighths(rng, 1).repeat(7), float(rng.uniform(0.05, 0.5))
    yield np.ones(9) / 9, float(rng.uniform(0.12, 0.2))


def _distances(weights):
    """Return how far the weights are from the middle one."""
    return np.arange(len(weights)) - len(weights) // 2


@gains.mistake
def sign_lost(weights, frequency):
    """The sign is lost: a factor below zero turns black and white round."""
    return abs(gain_at(weights, frequency))


@gains.mistake
def two_pi_forgotten(weights, frequency):
    """A whole cycle is 2π, so the phase is 2π times frequency times distance."""
    return (weights * np.cos(frequency * _distances(weights))).sum()


@gains.mistake
def half_a_cycle(weights, frequency):
    """A whole cycle is 2π, not π."""
    return gain_at(weights, frequency / 2)


@gains.mistake
def degrees_for_radians(weights, frequency):
    """`np.cos` takes radians: a whole cycle is 2π for it, not 360."""
    return (weights * np.cos(360 * frequency * _distances(weights))).sum()


@gains.mistake
def counted_from_the_left(weights, frequency):
    """Distances count from the middle weight, not from the leftmost one."""
    return (weights * np.cos(2 * np.pi * frequency * np.arange(len(weights)))).sum()


@gains.mistake
def middle_counted_twice(weights, frequency):
    """The middle weight has no partner: only the others come in pairs."""
    return gain_at(weights, frequency) + weights[len(weights) // 2]


@gains.mistake
def one_side_only(weights, frequency):
    """Only one side of the kernel is summed; each weight but the middle one has a partner on the other side."""
    return (gain_at(weights, frequency) + weights[len(weights) // 2]) / 2


@gains.mistake
def divided_by_the_sum(weights, frequency):
    """The sum of the weights is the gain of an even area; nothing has to be divided by it."""
    return gain_at(weights, frequency) / weights.sum()


@gains.mistake
def sine_for_cosine(weights, frequency):
    """A sine is 0 in the middle and has opposite signs on both sides, so everything cancels; take the cosine."""
    return (weights * np.sin(2 * np.pi * frequency * _distances(weights))).sum()


unknown = FunctionExercise(
    "filtering/unknown-kernel",
    title="The kernel in the box",
    level="stretch",
    minutes=15,
    statement="""
        Write `find_kernel(box, rows, columns)`: find a kernel that you cannot see.
        `box` is a function that takes an image, an array (H, W) of any size, and returns what cross-correlation with a hidden kernel makes of it: `correlate2d(image, kernel, border="zero")`.
        The kernel has `rows` rows and `columns` columns, and both numbers are odd.
        Return the kernel, an array of floats of shape (rows, columns), such that `correlate2d` with it does what the box does.
    """,
    hints=[
        "Which image prints all weights of a kernel at once?",
        "Send a single bright dot in the middle of a black image of the kernel's size.",
        "Cross-correlation prints the kernel turned by 180°: turn the result back.",
    ],
)


def hidden_filter(kernel):
    """Return a function that filters with this kernel."""

    def box(image):
        return correlate2d(image, kernel, border="zero")

    return box


@unknown.solution
def find_kernel(box, rows, columns):
    """Return the kernel that the box correlates with."""
    dot = np.zeros((rows, columns))
    dot[rows // 2, columns // 2] = 1
    return box(dot)[::-1, ::-1]


@unknown.also
def kernel_one_by_one(box, rows, columns):
    """A dot at each place in turn: the weight above it comes out in the middle."""
    kernel = np.zeros((rows, columns))
    for r in range(rows):
        for s in range(columns):
            dot = np.zeros((rows, columns))
            dot[r, s] = 1
            kernel[r, s] = box(dot)[rows // 2, columns // 2]
    return kernel


@unknown.also
def kernel_from_a_large_image(box, rows, columns):
    """A dot far from all borders, of brightness 2."""
    dot = np.zeros((40, 50))
    dot[20, 25] = 2
    r, s = rows // 2, columns // 2
    return np.rot90(box(dot)[20 - r : 20 + r + 1, 25 - s : 25 + s + 1], 2) / 2


@unknown.cases
def unknown_cases(rng):
    """Small kernels of whole numbers, then random ones."""
    yield Built(hidden_filter, [[1, 2, 3]]), 1, 3
    yield Built(hidden_filter, [[4], [0], [-1]]), 3, 1
    yield Built(hidden_filter, [[1, 2, 3], [4, 5, 6], [7, 8, 9]]), 3, 3
    yield Built(hidden_filter, [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]), 3, 3
    for shape in [(3, 5), (5, 3), (1, 1), (5, 7), (3, 3)]:
        yield Built(hidden_filter, rng.normal(size=shape)), *shape


@unknown.mistake
def still_turned(box, rows, columns):
    """That is what the box prints of a dot: the kernel turned by 180°. Turn it back."""
    return find_kernel(box, rows, columns)[::-1, ::-1].copy()


@unknown.mistake
def transposed_for_turned(box, rows, columns):
    """A transpose mirrors at a diagonal; a turn by 180° reverses the rows and the columns."""
    return still_turned(box, rows, columns).T


@unknown.mistake
def only_columns_reversed(box, rows, columns):
    """The columns are reversed, but not the rows; a turn by 180° takes both."""
    return still_turned(box, rows, columns)[:, ::-1]


@unknown.mistake
def only_rows_reversed(box, rows, columns):
    """The rows are reversed, but not the columns; a turn by 180° takes both."""
    return still_turned(box, rows, columns)[::-1]


@unknown.mistake
def dot_in_the_corner(box, rows, columns):
    """The dot is in the corner, and a part of what it prints falls outside the image; put it in the middle."""
    dot = np.zeros((rows, columns))
    dot[0, 0] = 1
    return box(dot)[::-1, ::-1]


@unknown.mistake
def scaled_to_sum_1(box, rows, columns):
    """The weights are divided by their sum; this kernel does not have to keep even areas as they are."""
    kernel = find_kernel(box, rows, columns)
    return kernel / kernel.sum()


@unknown.mistake
def even_image_for_dot(box, rows, columns):
    """An even image adds up many weights at every place; a single bright pixel shows them one by one."""
    return box(np.ones((rows, columns)))[::-1, ::-1]


@unknown.mistake
def dot_of_255(box, rows, columns):
    """The dot has the brightness 255, and so every weight comes out 255 times too large."""
    return 255 * find_kernel(box, rows, columns)


middle = FunctionExercise(
    "filtering/median",
    title="The median",
    level="stretch",
    minutes=15,
    statement="""
        Write `median_filter(image, size)`: replace every pixel by the median of the `size`×`size` pixels around it.
        Broken pixels are black or white, whatever the scene; a mean smears them, and a median throws them out.
        `image` has the shape (H, W) and holds any kind of numbers; leave it as it is.
        `size` is odd, and the border is "reflect" of this chapter, for which the image is always large enough.
        Return an array of floats of shape (H, W).
        To think about: which two images show that this filter is not linear?
    """,
    hints=[
        "The median of an odd number of values is the one in the middle, once they are sorted: `np.median`.",
        "`add_border` with `size // 2` rows and columns continues the image; then each window lies inside.",
        "`np.lib.stride_tricks.sliding_window_view(bordered, (size, size))` has four axes, of which the last two are the window; the median runs over both of them.",
    ],
)


@middle.solution
def median_filter(image, size):
    """Return the median of the size×size pixels around each pixel."""
    bordered = add_border(image, size // 2, size // 2, "reflect")
    windows = np.lib.stride_tricks.sliding_window_view(bordered, (size, size))
    return np.median(windows, axis=(2, 3))


@middle.also
def median_by_loops(image, size):
    """Sort each window, and take the middle value."""
    bordered = add_border(image, size // 2, size // 2, "reflect")
    result = np.zeros(image.shape)
    for i, j in np.ndindex(*image.shape):
        window = sorted(bordered[i : i + size, j : j + size].ravel())
        result[i, j] = window[size * size // 2]
    return result


@middle.also
def median_by_scipy(image, size):
    """SciPy's filter, whose word for our border is "mirror"."""
    from scipy import ndimage

    return ndimage.median_filter(image.astype(float), size, mode="mirror")


@middle.cases
def middle_cases(rng):
    """A lone dot, a corner, a line, then random images."""
    yield np.pad([[9]], 2), 3
    yield np.array([[1, 2, 3], [4, 9, 5], [8, 7, 6]]), 3
    yield np.array([[0, 7, 1, 5], [6, 2, 8, 3], [4, 9, 0, 7], [1, 5, 6, 2], [8, 3, 4, 9]]), 3
    yield np.array([[3.5, 1], [2, 4]]), 1
    yield rng.normal(size=(6, 9)), 3
    yield _bytes(rng, 7, 5), 5
    yield _eighths(rng, 5, 8), 3
    yield _whole(rng, 6, 5), 1
    yield rng.normal(size=(5, 14))[:, ::2].T, 3
    yield rng.permutation(63).reshape(7, 9), 5


def _medians(image, size, border, axis=(2, 3)):
    """Return medians of windows, with another border or over other axes."""
    bordered = add_border(image, size // 2, size // 2, border)
    windows = np.lib.stride_tricks.sliding_window_view(bordered, (size, size))
    return np.median(windows, axis=axis)


@middle.mistake
def mean_for_median(image, size):
    """That is the mean, which smears broken pixels; the median is the middle one of the sorted values."""
    return correlate2d(image, box_kernel(size), "reflect")


@middle.mistake
def outside_is_black(image, size):
    """Zeros stand outside, and pull the medians at the edges down; the border is "reflect"."""
    return _medians(image, size, "zero")


@middle.mistake
def edge_pixel_doubled(image, size):
    """The mirror repeats the edge pixel, as SciPy's mode "reflect" does; the chapter's "reflect" does not."""
    return _medians(image, size, "symmetric")


@middle.mistake
def edge_pixel_again_and_again(image, size):
    """The edge pixel is repeated outside, which is the border "replicate"; take "reflect"."""
    return _medians(image, size, "replicate")


@middle.mistake
def medians_of_medians(image, size):
    """The median of the rows' medians is not the median of the window: sort all its pixels together."""
    bordered = add_border(image, size // 2, size // 2, "reflect")
    windows = np.lib.stride_tricks.sliding_window_view(bordered, (size, size))
    return np.median(np.median(windows, axis=3), axis=2)


@middle.mistake
def median_over_one_axis(image, size):
    """The median runs over one axis of the window; it has two, and the result must have the image's shape."""
    return _medians(image, size, "reflect", axis=3)


@middle.mistake
def dtype_of_the_image(image, size):
    """The result has the dtype of the image; the statement asks for floats."""
    return median_filter(image, size).astype(image.dtype)


@middle.mistake
def result_shrinks(image, size):
    """Only windows that lie inside are computed; continue the image first, so that the result keeps its size."""
    windows = np.lib.stride_tricks.sliding_window_view(np.asarray(image), (size, size))
    return np.median(windows, axis=(2, 3))


@middle.mistake
def reads_what_it_wrote(image, size):
    """The medians are written into the image that later windows read; write them into an array of their own."""
    reach = size // 2
    bordered = add_border(image, reach, reach, "reflect").copy()
    for i, j in np.ndindex(*image.shape):
        bordered[i + reach, j + reach] = np.median(bordered[i : i + size, j : j + size])
    return bordered[reach : reach + image.shape[0], reach : reach + image.shape[1]]


@middle.mistake
def one_value_too_far(image, size):
    """Of n sorted values the one in the middle has the number n // 2, counted from 0."""
    bordered = add_border(image, size // 2, size // 2, "reflect")
    windows = np.lib.stride_tricks.sliding_window_view(bordered, (size, size))
    values = np.sort(windows.reshape(*windows.shape[:2], -1), axis=2)
    return values[:, :, min(size * size // 2 + 1, size * size - 1)]


@middle.mistake
def window_begins_at_the_pixel(image, size):
    """The window begins at the pixel itself; it has to reach equally far to all sides."""
    continued = np.pad(image, (0, size - 1), "reflect")
    windows = np.lib.stride_tricks.sliding_window_view(continued, (size, size))
    return np.median(windows, axis=(2, 3))


both = FunctionExercise(
    "filtering/compose",
    title="Two kernels in one",
    level="stretch",
    minutes=20,
    statement="""
        Write `compose(first, second)`: the one kernel that does what two kernels do one after the other.
        `first` is an array of shape (R₁, S₁), `second` one of shape (R₂, S₂), of whole numbers or floats.
        With the result, `correlate2d(image, compose(first, second))` equals `correlate2d(correlate2d(image, first), second)` for every image.
        Return an array of floats of shape (R₁ + R₂ − 1, S₁ + S₂ − 1).
        To think about: what do you get from three means in a row?
    """,
    hints=[
        "Try it by hand in one dimension: two times the sum of two neighbours. Which pixels are in the result, and how often?",
        "Every weight of `second` adds a shifted copy of `first`, that many times.",
        "So the weights of the large kernel are a *convolution* of the two, computed at every place where they overlap at all: surround `first` with zeros, just enough.",
    ],
)


@both.solution
def compose(first, second):
    """Return the kernel that does what first and then second do."""
    R, S = second.shape
    surrounded = add_border(first, R - 1, S - 1, "zero")
    return convolve2d(surrounded, second)


@both.also
def compose_of_copies(first, second):
    """A copy of the first kernel for each weight of the second."""
    (R, S), (R2, S2) = first.shape, second.shape
    result = np.zeros((R + R2 - 1, S + S2 - 1))
    for r, s in np.ndindex(R2, S2):
        result[r : r + R, s : s + S] += second[r, s] * first
    return result


@both.also
def compose_by_scipy(first, second):
    """SciPy's name for all places of overlap is "full"."""
    from scipy import signal

    return signal.convolve2d(first.astype(float), second.astype(float), "full")


@both.cases
def both_cases(rng):
    """Sums of neighbours, then kernels of all shapes."""
    yield np.array([[1, 1]]), np.array([[1, 1]])
    yield np.array([[1, 2]]), np.array([[3, 1]])
    yield np.array([[1, 1]]), np.array([[1], [2]])
    yield np.array([[1, 2], [3, 4]]), np.array([[1, 0], [0, -1]])
    yield np.array([[2]]), np.array([[1, 2, 3], [4, 5, 6]])
    for kind in (_whole, _eighths, _reals, _reals):
        shapes = (rng.permutation([1, 2, 3, 4])[:2] for _ in range(2))
        yield tuple(kind(rng, *shape) for shape in shapes)
    yield rng.normal(size=(5, 2)).T, rng.normal(size=(3, 8))[:, ::3]


@both.mistake
def second_not_turned(first, second):
    """The two kernels are correlated: turn `second` by 180° before it slides, which makes it a convolution."""
    return compose(first, second[::-1, ::-1])


@both.mistake
def first_turned(first, second):
    """The two kernels are correlated, with `first` as the one that slides; a convolution turns it."""
    return compose(first[::-1, ::-1], second)


@both.mistake
def result_turned(first, second):
    """The weights are right, but the whole kernel is turned by 180°: `correlate2d` does not turn it back."""
    return compose(first, second)[::-1, ::-1]


@both.mistake
def kept_small(first, second):
    """Only the middle of the result is kept, as large as `first`; it has R₁ + R₂ − 1 rows and S₁ + S₂ − 1 columns."""
    (R, S), (R2, S2) = first.shape, second.shape
    r, s = (R2 - 1) // 2, (S2 - 1) // 2
    return compose(first, second)[r : r + R, s : s + S]


@both.mistake
def added(first, second):
    """Adding two kernels adds two *results* of the same image; here the second filter works on the result of the first."""
    (R, S), (R2, S2) = first.shape, second.shape
    result = np.zeros((R + R2 - 1, S + S2 - 1))
    result[:R, :S] += first
    result[:R2, :S2] += second
    return result


@both.mistake
def all_products_side_by_side(first, second):
    """All products of two weights are there, but those that meet the same pixel have to be added up."""
    return np.kron(second, first).astype(float)


@both.mistake
def copies_overwritten(first, second):
    """Where two shifted copies overlap, the later one replaces the earlier one: add them (`+=`, not `=`)."""
    (R, S), (R2, S2) = first.shape, second.shape
    result = np.zeros((R + R2 - 1, S + S2 - 1))
    for r, s in np.ndindex(R2, S2):
        result[r : r + R, s : s + S] = second[r, s] * first
    return result


@both.mistake
def sides_swapped(first, second):
    """Rows and columns are swapped: `second` adds R₂ − 1 rows and S₂ − 1 columns."""
    R, S = second.shape
    return convolve2d(add_border(first, S - 1, R - 1, "zero"), second)


@both.mistake
def only_where_it_fits(first, second):
    """Only the places where `second` lies on `first` as a whole are computed; take all places where the two overlap at all."""
    return convolve2d(first, second)


areas = FunctionExercise(
    "filtering/summed-area",
    title="A mean of any size for the same price",
    level="challenge",
    minutes=25,
    statement="""
        Write `box_filter_fast(image, size)`: the mean filter without a border, without a loop and without a kernel.
        Let `table[i, j]` be the sum of all pixels above and to the left of `[i, j]`, row `i` and column `j` not included.
        With such a *summed-area table* ([Crow, 1984](https://doi.org/10.1145/800031.808600)) the sum over any rectangle takes four look-ups, so a large window costs no more than a small one.
        `image` has the shape (H, W), with any kind of numbers: bytes and `float32` included.
        Compute the table in `float64`: its sums grow large, and differences of large numbers need many digits.
        Return the means of all windows of `size`×`size` pixels that fit, an array of floats of shape (H − size + 1, W − size + 1).
    """,
    hints=[
        "`np.cumsum` once along each axis gives the sums; a row and a column of zeros in front make the table.",
        "The sum over a rectangle is bottom right − top right − bottom left + top left.",
        "For all windows at once, these four are slices of the table: `table[size:, size:]`, `table[:-size, size:]` and so on.",
    ],
)


@areas.solution
def box_filter_fast(image, size):
    """Return the mean of size×size pixels at every place where they fit."""
    table = np.cumsum(np.cumsum(image.astype(float), axis=0), axis=1)
    table = np.pad(table, ((1, 0), (1, 0)))
    right, left = table[:, size:], table[:, :-size]
    total = right[size:] - right[:-size] - left[size:] + left[:-size]
    return total / size**2


@areas.also
def box_filter_in_one_pass(image, size):
    """The direct way, which the statement does not want."""
    return correlate2d(image.astype(float), box_kernel(size))


@areas.also
def box_filter_by_windows(image, size):
    """A view of all windows."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (size, size))
    return windows.mean(axis=(2, 3), dtype=float)


@areas.cases
def areas_cases(rng):
    """The ramp, other small images, then bytes, large numbers in float32, and random ones."""
    yield RAMP, 2
    yield np.array([[1, 2, 0], [3, 4, 1]]), 1
    yield np.array([[4, 0, 8, 4], [0, 4, 0, 8], [8, 0, 4, 0]]), 2
    yield np.full((3, 4), 200, np.uint8), 2
    yield _bytes(rng, 7, 9), 3
    yield (10_000 + rng.random((30, 40))).astype(np.float32), 3
    yield rng.normal(size=(6, 11)), int(rng.integers(2, 6))
    yield rng.normal(size=(9, 7)), 7
    yield _whole(rng, 8, 5), int(rng.integers(2, 5))
    yield rng.normal(size=(12, 8))[::2].T, 4


def _table(image, dtype=float):
    """Return the summed-area table."""
    table = np.zeros((image.shape[0] + 1, image.shape[1] + 1), dtype)
    table[1:, 1:] = np.cumsum(np.cumsum(image.astype(dtype), 0, dtype), 1, dtype)
    return table


def _four(table, size, signs=(1, -1, -1, 1)):
    """Return four shifted tables, with these signs."""
    parts = table[size:, size:], table[:-size, size:], table[size:, :-size], table[:-size, :-size]
    return sum(sign * part for sign, part in zip(signs, parts, strict=True))


@areas.mistake
def sum_not_divided(image, size):
    """These are sums; a mean is divided by the number of pixels in the window."""
    return _four(_table(image), size)


@areas.mistake
def divided_by_one_side(image, size):
    """The sum is divided by `size`; a window has `size` rows of `size` pixels."""
    return _four(_table(image), size) / size


@areas.mistake
def no_zeros_in_front(image, size):
    """Without a row and a column of zeros in front of the table, the windows at the top and on the left are missing."""
    return _four(_table(image)[1:, 1:], size) / size**2


@areas.mistake
def corner_taken_off_twice(image, size):
    """The corner at the top left was taken off twice, with the top and with the left part: add it once."""
    return _four(_table(image), size, (1, -1, -1, 0)) / size**2


@areas.mistake
def corner_subtracted(image, size):
    """The corner at the top left has the wrong sign: it was taken off twice already, so it has to be added."""
    return _four(_table(image), size, (1, -1, -1, -1)) / size**2


@areas.mistake
def table_of_the_images_type(image, size):
    """The table has the image's dtype: bytes wrap around in it, and float32 runs out of digits. Sum in float64."""
    return _four(_table(image, image.dtype), size) / size**2


@areas.mistake
def running_sums_in_float32(image, size):
    """The running sums of a `float32` image stay `float32`, and large ones lose the digits that matter; sum in float64."""
    table = np.pad(np.cumsum(np.cumsum(image, axis=0), axis=1), ((1, 0), (1, 0)))
    return _four(table.astype(float), size) / size**2


@areas.mistake
def summed_along_one_axis(image, size):
    """The table is summed along one axis only; it takes a running sum down and another one across."""
    table = np.pad(np.cumsum(image.astype(float), axis=0), ((1, 0), (1, 0)))
    return _four(table, size) / size**2


@areas.mistake
def size_kept(image, size):
    """The result is as large as the image, with zeros where no window fits; return those that fit alone."""
    result = np.zeros(image.shape)
    means = box_filter_fast(image, size)
    result[: means.shape[0], : means.shape[1]] = means
    return result


ProjectExercise(
    "filtering/rescue-a-photograph",
    title="Project: rescue a photograph",
    minutes=60,
    statement="""
        Choose a grey photograph of the course and damage it in two ways: one copy with noise from `add_noise`, another by turning a tenth of its pixels, drawn at random, black or white.
        Repair both with at least three filters (a mean, a Gaussian and a median, for example), each in at least four widths.
        Measure how far each result is from the clean photograph, draw these distances against the width, and show the best repair of each damage beside the damaged and the clean picture.
        Then say in five sentences which filter wins against which damage and why, what the best width depends on, and one thing that your measure does not see.
    """,
    rubric=[
        Criterion(
            "Both kinds of damage are made with a fixed seed, and the cells run from top to bottom",
            1,
        ),
        Criterion(
            "Three filters in four widths are measured on both, with a border that you name and give a reason for",
            2,
        ),
        Criterion(
            "One figure for each damage has the distances against the width, with labels, and the distance before any repair as a line or a point",
            2,
        ),
        Criterion("The pictures show the details that got lost, not only the whole", 1),
        Criterion(
            "The sentences follow from the numbers, and name what the measure does not see", 2
        ),
    ],
)
