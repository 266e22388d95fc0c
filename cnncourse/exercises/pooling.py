"""Exercises of chapter 5: pooling."""

import numpy as np

from cnncourse.convolution import conv2d, output_size, pad2d
from cnncourse.exercises.kinds import (
    ChoiceExercise,
    Criterion,
    FunctionExercise,
    NumberExercise,
    Option,
    ProjectExercise,
)
from cnncourse.pooling import (
    avg_pool2d,
    blur_pool2d,
    global_avg_pool2d,
    max_pool2d,
    max_pool2d_backward,
)

SMALL = np.array([[1, 3, 2, 1], [5, 6, 0, 2], [4, 4, 8, 7], [4, 0, 3, 6]])
"""The feature map of the chapter's first figure."""

LONE = np.array([[1, 2, 0, 1, 2], [0, 1, 3, 1, 0], [2, 0, 9, 2, 4], [1, 3, 1, 0, 2]])
"""One 9 that several overlapping windows see."""


def _whole(rng, *shape):
    """Return whole numbers from −9 to 9."""
    return rng.integers(-9, 10, shape)


def _eighths(rng, *shape):
    """Return float32 numbers whose sums are exact."""
    return (rng.integers(-32, 33, shape) / 8).astype(np.float32)


def _bytes(rng, *shape):
    """Return pixels as image files store them."""
    return rng.integers(0, 256, shape, dtype=np.uint8)


def _windows(image, k, stride, counts=None):
    """Return ((i, j), window) for each output of an image; windows at the end may be cut off."""
    counts = counts or [output_size(n, k, stride) for n in image.shape]
    for i, j in np.ndindex(*counts):
        top, left = i * stride, j * stride
        yield (i, j), image[top : top + k, left : left + k]


loops = FunctionExercise(
    "pooling/loops",
    title="Pooling with loops",
    level="warm-up",
    minutes=10,
    statement="""
        Write `max_pool2d_loops(image, k, stride)`: max pooling of one image with `k`×`k` windows, without padding.
        `image` is an array (H, W) of any kind of numbers, with `k` at most H and W.
        The first window begins at row 0 and column 0; from one to the next it is `stride` rows or columns.
        A window that does not fit as a whole does not count (no ceil mode).
        Write a loop over the outputs, and take the maximum of a slice for each.
        Return an array of floats of shape (H′, W′).
    """,
    hints=[
        "How many outputs there are, `output_size(H, k, stride)` tells you, for the rows and for the columns. Make the result with `np.zeros((rows, columns))`, whatever the dtype of the image.",
        "At which row and column of the image does the window of output (i, j) begin?",
        "Output (i, j) reads `image[i * stride : i * stride + k, j * stride : j * stride + k]`.",
    ],
)


@loops.solution
def max_pool2d_loops(image, k, stride):
    """Return the maximum of each k×k window of an image."""
    rows, columns = (output_size(n, k, stride) for n in image.shape)
    y = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            top, left = i * stride, j * stride
            y[i, j] = image[top : top + k, left : left + k].max()
    return y


@loops.also
def max_pool2d_by_views(image, k, stride):
    """A view of all windows, of which every stride-th is taken."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (k, k))
    return windows[::stride, ::stride].max(axis=(2, 3)).astype(float)


@loops.also
def max_pool2d_by_torch(image, k, stride):
    """PyTorch's function."""
    import torch

    x = torch.tensor(np.array(image, float))[None]
    return torch.nn.functional.max_pool2d(x, k, stride)[0].numpy()


@loops.cases
def loops_cases(rng):
    """The chapter's figures, cold maps, then all kinds of numbers."""
    yield SMALL, 2, 2
    yield LONE, 3, 1
    yield np.array([[-4, -7, -5], [-6, -3, -9], [-8, -5, -6], [-3, -9, -4]]), 2, 2
    yield np.array([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]]), 1, 3
    for kind in (_whole, _eighths, _bytes):
        H, W = rng.permutation([5, 6, 7, 8, 9])[:2]
        yield kind(rng, H, W), int(rng.integers(2, 5)), int(rng.integers(1, 4))
    yield rng.normal(size=(9, 6)), 3, 2
    yield -1 - rng.random((6, 10))[:, ::2].T, 2, int(rng.integers(1, 4))


@loops.mistake
def best_begins_at_zero(image, k, stride):
    """The search begins with 0, which beats every negative number; begin with the window's first pixel, or take `max()`."""
    return np.maximum(max_pool2d_loops(image, k, stride), 0)


@loops.mistake
def stride_forgotten(image, k, stride):
    """The windows move on by one pixel for each output: output i begins at row `i * stride`."""
    y = np.zeros([output_size(n, k, stride) for n in image.shape])
    for i, j in np.ndindex(*y.shape):
        y[i, j] = image[i : i + k, j : j + k].max()
    return y


@loops.mistake
def stride_is_the_window(image, k, stride):
    """The windows stand side by side, whatever `stride` is; it can be smaller or larger than `k`."""
    return max_pool2d_loops(image, k, k)


@loops.mistake
def last_window_forgotten(image, k, stride):
    """The window that ends exactly where the image ends is missing: the last start is H − k, included."""
    rows, columns = (len(range(0, n - k, stride)) for n in image.shape)
    return max_pool2d_loops(image, k, stride)[:rows, :columns]


@loops.mistake
def windows_hang_over(image, k, stride):
    """Windows that hang over the end are computed, too; count only those that fit as a whole."""
    counts = [-(-n // stride) for n in image.shape]
    y = np.zeros(counts)
    for place, window in _windows(image, k, stride, counts):
        y[place] = window.max()
    return y


@loops.mistake
def square_images_only(image, k, stride):
    """The number of rows is used for the columns, too; an image need not be square."""
    rows = output_size(image.shape[0], k, stride)
    y = np.zeros((rows, rows))
    for place, window in _windows(image, k, stride, y.shape):
        y[place] = window.max()
    return y


@loops.mistake
def dtype_of_the_image(image, k, stride):
    """The result has the dtype of the image; the statement asks for floats."""
    return max_pool2d_loops(image, k, stride).astype(image.dtype)


@loops.mistake
def mean_of_the_window(image, k, stride):
    """That is average pooling: take the largest number of each window, not the mean."""
    y = np.zeros([output_size(n, k, stride) for n in image.shape])
    for place, window in _windows(image, k, stride):
        y[place] = window.mean()
    return y


@loops.mistake
def minimum_of_the_window(image, k, stride):
    """That is min pooling: take the largest number of each window."""
    return -max_pool2d_loops(-image.astype(float), k, stride)


rest = FunctionExercise(
    "pooling/unread",
    title="Pixels that nobody reads",
    level="warm-up",
    minutes=8,
    statement="""
        Write `unread(size, kernel_size, stride)`: how many pixels at the *end* of an axis lie behind the last window.
        The axis has `size` pixels, at least `kernel_size`; there is no padding and no ceil mode.
        If the stride is larger than the window, there are also gaps between windows; they do not count here.
        Return a whole number.
    """,
    hints=[
        "The last window starts at `(outputs - 1) * stride`. Where does it end?",
        "`output_size(size, kernel_size, stride)` counts the outputs.",
    ],
)


@rest.solution
def unread(size, kernel_size, stride):
    """Return how many pixels at the end no window reads."""
    last = (output_size(size, kernel_size, stride) - 1) * stride
    return size - (last + kernel_size)


@rest.also
def unread_by_remainder(size, kernel_size, stride):
    """What is left of the road after the first window, if steps are taken from it."""
    return (size - kernel_size) % stride


@rest.also
def unread_by_torch(size, kernel_size, stride):
    """Pool an ascending row: its last maximum is the last pixel that was read."""
    import torch

    row = torch.arange(float(size))[None]
    return size - 1 - int(torch.nn.functional.max_pool1d(row, kernel_size, stride).max())


@rest.cases
def rest_cases(rng):
    """Short rows first, then any, with gaps and without."""
    yield from [(5, 2, 2), (7, 3, 2), (8, 3, 2), (4, 4, 3), (9, 2, 4), (11, 3, 5), (112, 3, 2)]
    for _ in range(4):
        kernel_size, stride = (int(n) for n in rng.integers(2, 7, 2))
        yield int(rng.integers(10, 60)), kernel_size, stride
    for _ in range(4):
        kernel_size = int(rng.integers(2, 5))
        yield int(rng.integers(10, 60)), kernel_size, kernel_size + int(rng.integers(2, 6))


@rest.mistake
def windows_side_by_side(size, kernel_size, stride):
    """That is right only if the stride equals the window; here windows may overlap or leave gaps."""
    return size % kernel_size


@rest.mistake
def steps_from_the_start(size, kernel_size, stride):
    """The steps begin after the first window has taken its place: only `size - kernel_size` pixels are left for them."""
    return size % stride


@rest.mistake
def start_for_end(size, kernel_size, stride):
    """That counts from the first pixel of the last window; it reads `kernel_size` pixels from there on."""
    return unread(size, kernel_size, stride) + kernel_size


@rest.mistake
def last_pixel_counted_too(size, kernel_size, stride):
    """One too many: the last window's last pixel, which is number start + kernel_size − 1, is read."""
    return unread(size, kernel_size, stride) + 1


@rest.mistake
def gaps_counted_too(size, kernel_size, stride):
    """Pixels in the gaps between windows are counted, too; only those behind the last window are asked for."""
    outputs = output_size(size, kernel_size, stride)
    return unread(size, kernel_size, stride) + (outputs - 1) * max(0, stride - kernel_size)


@rest.mistake
def rounded_up(size, kernel_size, stride):
    """The outputs were rounded up, so the last window hangs over the end; without ceil mode it does not exist."""
    last = -(-(size - kernel_size) // stride) * stride
    return max(0, size - (last + kernel_size))


@rest.mistake
def windows_times_their_size(size, kernel_size, stride):
    """The windows' sizes are added up; where windows overlap, that counts pixels twice, and where there are gaps, it forgets them."""
    return size - output_size(size, kernel_size, stride) * kernel_size


@rest.mistake
def windows_times_stride(size, kernel_size, stride):
    """The last window takes `kernel_size` pixels, not a whole `stride`."""
    return size - output_size(size, kernel_size, stride) * stride


kept = NumberExercise(
    "pooling/how-many-are-left",
    title="How many numbers are left?",
    level="warm-up",
    minutes=5,
    statement="""
        {channels} maps of {rows}×{columns} numbers go through `max_pool2d` with `kernel_size={k}`, `stride={s}` and `padding={p}`.
        How many numbers come out, of all maps together?
    """,
    hints=[
        "Use the output-size formula of chapter 4 for the rows, and again for the columns.",
        "Pooling treats every map by itself.",
    ],
)


@kept.cases
def kept_cases(rng):
    """Numbers for the statement."""
    rows, columns = (int(n) for n in rng.choice(np.arange(20, 60), 2, replace=False))
    channels, k, s = int(rng.choice([8, 16, 24, 32])), int(rng.choice([3, 4, 5])), 2
    return {"channels": channels, "rows": rows, "columns": columns, "k": k, "s": s, "p": k // 2}


def _values(channels, rows, columns, k, s, p):
    """Return the count if s and p are numbers for both axes."""
    return channels * output_size(rows, k, s, p) * output_size(columns, k, s, p)


@kept.solution
def numbers_left(channels, rows, columns, k, s, p):
    """Return how many numbers the pooled maps have."""
    H, W = (output_size(n, k, stride=s, padding=p) for n in (rows, columns))
    return channels * H * W


@kept.mistake
def one_map_only(channels, rows, columns, k, s, p):
    """That is one map; each of the maps is pooled by itself."""
    return _values(1, rows, columns, k, s, p)


@kept.mistake
def padding_forgotten(channels, rows, columns, k, s, p):
    """Padding makes each axis longer, by `padding` on each side."""
    return _values(channels, rows, columns, k, s, 0)


@kept.mistake
def side_by_side(channels, rows, columns, k, s, p):
    """The stride is given: the windows are not side by side, but that far apart."""
    return _values(channels, rows, columns, k, k, p)


@kept.mistake
def stride_on_rows_only(channels, rows, columns, k, s, p):
    """The stride holds for the rows and for the columns."""
    return channels * output_size(rows, k, s, p) * output_size(columns, k, 1, p)


@kept.mistake
def channels_shrink_too(channels, rows, columns, k, s, p):
    """Pooling mixes neighbours, not channels: there are as many maps as before."""
    return _values(-(-channels // s), rows, columns, k, s, p)


@kept.mistake
def one_window_too_few(channels, rows, columns, k, s, p):
    """The window that begins at 0 counts, too: the formula ends with + 1."""
    H, W = (output_size(n, k, s, p) - 1 for n in (rows, columns))
    return channels * H * W


ChoiceExercise(
    "pooling/maxima-of-noise",
    title="Maxima of noise",
    level="warm-up",
    minutes=4,
    statement="""
        A map is pure noise: independent numbers with the normal distribution, of mean 0 and standard deviation 1.
        You pool it with windows of 4×4, side by side.
        What do the *maxima* look like?
    """,
    options=[
        Option(
            "Their mean is well above 0, and their standard deviation is between 1/4 and 1.",
            "The largest of 16 such numbers is on average about 1.8 standard deviations above the mean, so everything is shifted upwards; and maxima damp this noise less than averages do.",
            right=True,
        ),
        Option(
            "Their mean is 0, and their standard deviation is 1/4.",
            "That is true of the averages. A maximum takes the luckiest number of each window, and that one is not 0 on average.",
        ),
        Option(
            "Their mean is well above 0, and their standard deviation is 1/4.",
            "The mean does rise. But only averaging 16 independent numbers divides their noise by 4; their maximum varies more than that.",
        ),
        Option(
            "All are nearly equal, for pooling keeps noise from going on.",
            "The noise is damped, not stopped: maxima of 16 such numbers still have a standard deviation of about 0.5.",
        ),
        Option(
            "Their mean is well above 0, and their standard deviation is larger than 1.",
            "Rare large values would do that, as noise with the exponential distribution has them. With normal noise the maxima vary less than the single numbers.",
        ),
    ],
    hints=["Look at the figure about noise again: which curves are those of the maximum?"],
)

cold = FunctionExercise(
    "pooling/padded-maximum",
    title="What stands in the border?",
    level="core",
    minutes=10,
    statement="""
        Write `padded_max_pool(image, k, stride, padding)`: max pooling of one image with a border that never wins.
        `image` is an array (H, W) of any kind of numbers, all of which may be negative; leave it as it is.
        The border is `padding` pixels wide on each of the four sides, at most half of `k`.
        Windows of `k`×`k` pixels begin at the border's first row and column and are `stride` apart; a window that does not fit does not count.
        Return an array of floats of shape (H′, W′), whose numbers all stand in the image.
    """,
    hints=[
        "What adds nothing to a maximum?",
        "`np.pad(image, padding, constant_values=-np.inf)` needs an image of floats: whole numbers have no infinity.",
        "The rest is pooling without padding: write the loops, or take `max_pool2d(x[None, None], k, stride)[0, 0]` of this chapter.",
    ],
)


@cold.solution
def padded_max_pool(image, k, stride, padding):
    """Return the maximum of each window of an image with a border."""
    border = {"constant_values": -np.inf}
    padded = np.pad(image.astype(float), padding, **border)
    return max_pool2d(padded[None, None], k, stride)[0, 0]


@cold.also
def padded_by_package(image, k, stride, padding):
    """The package's own padding."""
    return max_pool2d(np.array([[image]], float), k, stride, padding)[0, 0]


@cold.also
def padded_by_torch(image, k, stride, padding):
    """PyTorch's padding."""
    import torch

    x = torch.tensor(np.array(image, float))[None]
    return torch.nn.functional.max_pool2d(x, k, stride, padding)[0].numpy()


@cold.also
def padded_by_cutting(image, k, stride, padding):
    """No border at all: windows that are cut off where the image ends."""
    counts = [output_size(n, k, stride, padding) for n in image.shape]
    y = np.zeros(counts)
    for i, j in np.ndindex(*counts):
        top, left = i * stride - padding, j * stride - padding
        y[i, j] = image[max(0, top) : top + k, max(0, left) : left + k].max()
    return y


@cold.also
def padded_by_edges(image, k, stride, padding):
    """Each window that reaches outside has the edge pixel in it anyway, so repeating that changes nothing."""
    padded = np.pad(image.astype(float), padding, mode="edge")
    return max_pool2d(padded[None, None], k, stride)[0, 0]


@cold.cases
def cold_cases(rng):
    """The chapter's temperatures, small maps, then all kinds of numbers."""
    degrees = -np.array([[4, 7, 5, 8], [6, 3, 9, 2], [8, 5, 6, 7], [3, 9, 4, 6]])
    yield degrees, 3, 2, 1
    yield np.array([[1, -5, 2], [-3, -9, -4]]), 2, 2, 1
    yield np.array([[-2, -8, -1, -6, -3], [-7, -4, -9, -5, -6]]), 2, 1, 1
    yield degrees[:3], 2, 1, 0
    for kind, k in [(_whole, 3), (_eighths, 4), (_bytes, 3), (_whole, 5)]:
        H, W = rng.permutation([5, 6, 7, 8])[:2]
        image = kind(rng, H, W)
        if kind is not _bytes:
            image = image - image.max() - 1
        yield image, k, int(rng.integers(1, 4)), k // 2
    yield -rng.random((5, 12))[:, ::2].T, 3, 2, 1


def _padded_by(image, k, stride, padding, **words):
    """Return maxima of an image that was padded in another way."""
    padded = np.pad(image.astype(float), padding, **words)
    return max_pool2d(padded[None, None], k, stride)[0, 0]


@cold.mistake
def padded_with_zeros(image, k, stride, padding):
    """Zeros in the border beat every negative number: pad with −∞, which never wins."""
    return _padded_by(image, k, stride, padding)


@cold.mistake
def padded_with_minus_one(image, k, stride, padding):
    """A border of −1 still beats all smaller numbers; only −∞ never wins."""
    return _padded_by(image, k, stride, padding, constant_values=-1)


@cold.mistake
def padded_with_plus_infinity(image, k, stride, padding):
    """Plus infinity wins every time, which is what a minimum needs; a maximum needs −∞."""
    return _padded_by(image, k, stride, padding, constant_values=np.inf)


@cold.mistake
def padded_with_a_mirror(image, k, stride, padding):
    """Where `k` is even, a mirror brings in pixels that the window does not see; a border of −∞ never brings in anything."""
    return _padded_by(image, k, stride, padding, mode="reflect")


@cold.mistake
def padded_on_one_side(image, k, stride, padding):
    """The border was added on the right and at the bottom only; padding is on each of the four sides."""
    return _padded_by(image, k, stride, (0, padding), constant_values=-np.inf)


@cold.mistake
def not_padded(image, k, stride, padding):
    """The border is missing: the first window begins `padding` pixels before the image."""
    return _padded_by(image, k, stride, 0)


@cold.mistake
def rows_padded_only(image, k, stride, padding):
    """Rows were added at the top and bottom, but no columns on the left and right."""
    widths = (padding, padding), (0, 0)
    return _padded_by(image, k, stride, widths, constant_values=-np.inf)


@cold.mistake
def windows_lie_side_by_side(image, k, stride, padding):
    """The windows stand side by side; they are `stride` apart."""
    return padded_max_pool(image, k, k, padding)


@cold.mistake
def infinity_in_whole_numbers(image, k, stride, padding):
    """Whole numbers have no −∞: turn the image into floats before you pad it."""
    padded = np.pad(image, padding, constant_values=-np.inf)
    return max_pool2d(padded[None, None], k, stride)[0, 0]


powers = FunctionExercise(
    "pooling/power",
    title="Between average and maximum",
    level="core",
    minutes=10,
    statement="""
        Write `power_pool2d(x, k, p)`: in each `k`×`k` window take the mean of $|x|^p$, and of that the $p$-th root.
        For $p = 1$ it is the average of the absolute values, and as $p$ grows it approaches the largest of them.
        `x` is an array (N, C, H, W) of any kind of numbers, bytes (`uint8`) included, and `p` a number from 1 on, whole or not.
        The windows stand side by side and treat every map by itself; rows and columns that are left over at the end do not count.
        Return an array of floats (N, C, H′, W′).
    """,
    hints=[
        "`avg_pool2d` takes the mean of anything you give it.",
        "A root is a power, too: the $p$-th root of $a$ is `a ** (1 / p)`.",
        "The square of 200 does not fit into a byte: turn `x` into floats before you raise it to a power.",
    ],
)


@powers.solution
def power_pool2d(x, k, p):
    """Return the p-th root of the mean of |x|^p in each k×k window."""
    sizes = np.abs(x.astype(float))
    return avg_pool2d(sizes**p, k) ** (1 / p)


@powers.also
def power_pool2d_by_loops(x, k, p):
    """One window after the other."""
    N, C, H, W = x.shape
    y = np.zeros((N, C, H // k, W // k))
    for n, c, i, j in np.ndindex(*y.shape):
        window = x[n, c, i * k : (i + 1) * k, j * k : (j + 1) * k].ravel()
        total = sum(abs(float(value)) ** p for value in window)
        y[n, c, i, j] = (total / k**2) ** (1 / p)
    return y


@powers.also
def power_pool2d_by_torch(x, k, p):
    """PyTorch's `lp_pool2d` takes the sum where we take the mean."""
    import torch

    y = torch.nn.functional.lp_pool2d(torch.tensor(np.abs(np.array(x, float))), float(p), k)
    return (y / k ** (2 / p)).numpy()


@powers.cases
def powers_cases(rng):
    """The chapter's map and small ones, then all kinds of numbers and powers."""
    yield SMALL[None, None], 2, 1
    yield np.array([[[[3, -4, 0, 1], [0, 0, -1, 1]]]]), 2, 3
    yield np.array([[[[-1, 2, 5]], [[-3, 0, 4]]]]), 1, 3
    yield np.uint8([[[[200, 100], [10, 20], [30, 40]]]]), 2, 2
    yield rng.normal(size=(2, 3, 6, 8)), 2, float(rng.uniform(1.2, 6))
    yield rng.normal(size=(1, 2, 7, 5)), 3, 3
    yield _whole(rng, 2, 1, 4, 6), 2, int(rng.integers(2, 6))
    yield _bytes(rng, 1, 3, 5, 4), 2, 3
    yield rng.normal(size=(3, 2, 8, 6)).transpose(1, 0, 3, 2), 2, 40


@powers.mistake
def sum_in_place_of_mean(x, k, p):
    """The sum of the powers is taken, as PyTorch's `lp_pool2d` does; here it is their mean."""
    return power_pool2d(x, k, p) * k ** (2 / p)


@powers.mistake
def root_forgotten(x, k, p):
    """The root of the mean is missing: raise it to the power 1 / p."""
    return power_pool2d(x, k, p) ** p


@powers.mistake
def absolute_value_forgotten(x, k, p):
    """The absolute value is missing: odd powers of negative numbers are negative, and broken ones are no numbers."""
    with np.errstate(invalid="ignore"):
        return avg_pool2d(x.astype(float) ** p, k) ** (1 / p)


@powers.mistake
def powers_of_x_as_it_is(x, k, p):
    """Two things are missing before the power: the absolute value, and floats, for the power of a byte is no byte."""
    with np.errstate(invalid="ignore"):
        return avg_pool2d(x**p, k) ** (1 / p)


@powers.mistake
def absolute_value_of_the_mean(x, k, p):
    """The absolute value belongs to each number, before numbers of both signs cancel in the mean."""
    with np.errstate(invalid="ignore"):
        return np.abs(avg_pool2d(x.astype(float) ** p, k)) ** (1 / p)


@powers.mistake
def mean_before_the_power(x, k, p):
    """The mean is taken first, and power and root then cancel; raise every number to the power before averaging."""
    return avg_pool2d(np.abs(x.astype(float)), k)


@powers.mistake
def power_and_root_swapped(x, k, p):
    """Power and root are swapped: first the power p, then the mean, then the p-th root."""
    return avg_pool2d(np.abs(x.astype(float)) ** (1 / p), k) ** p


@powers.mistake
def powers_of_bytes_wrap(x, k, p):
    """A power of a byte does not fit into a byte; turn `x` into floats first."""
    return avg_pool2d(np.abs(x) ** p, k) ** (1 / p)


@powers.mistake
def divided_by_p(x, k, p):
    """The p-th root is the power 1 / p, not a division by p."""
    return power_pool2d(x, k, p) ** p / p


@powers.mistake
def always_the_square(x, k, p):
    """That is the root of the mean *square*, right for p = 2 only."""
    return power_pool2d(x, k, 2)


ChoiceExercise(
    "pooling/one-pixel-further",
    title="One pixel further",
    level="core",
    minutes=4,
    statement="""
        A network consists of convolutions with stride 1, of 2×2 max pooling with stride 2 after each, and of a dense layer at the end.
        The camera moves by one pixel.
        What can you say about the network's answers?
    """,
    options=[
        Option(
            "They may change a little or a lot; pooling makes small changes likely, and promises nothing.",
            "Shifts that stay inside the windows change little. But each stride of 2 samples, and fine patterns can come out very differently after one pixel: the fence became a wall.",
            right=True,
        ),
        Option(
            "They stay the same, because pooling makes a network invariant to shifts.",
            "A step across a window's edge changes outputs, and strides alias: robust to small shifts is not invariant.",
        ),
        Option(
            "They stay the same, because convolution and pooling are equivariant.",
            "Equivariant means that the output shifts along, and pooling with stride 2 does that for even shifts only. And a dense layer gives each place its own weights, so even a shifted map is another input for it.",
        ),
        Option(
            "They change only because of what comes in at the border.",
            "The border is one reason. In this chapter a stripe pattern that moves round in a circle, with nothing new coming in, changed the answer as well.",
        ),
        Option(
            "They change as much as without any pooling.",
            "Measured on six photographs, edge maps changed less after a shift, the larger the pooling windows were. It helps; it does not guarantee.",
        ),
    ],
    hints=["What became of the stripes 0 0 1 1 0 0 1 1 when they moved by one pixel?"],
)

ends = FunctionExercise(
    "pooling/global-head",
    title="A head for every size",
    level="core",
    minutes=10,
    statement="""
        Write `global_head(maps, weight, bias)`: the end of a network that takes images of any size.
        `maps` is an array (N, C, H, W): N images with C maps each.
        Average every map over all its pixels (global average pooling); that leaves C numbers an image.
        Then comes a dense layer with K outputs: output k is the sum of the C numbers times the weights `weight[k]`, plus `bias[k]`.
        `weight` has the shape (K, C) and `bias` the shape (K,).
        Return the outputs, an array of floats of shape (N, K).
    """,
    hints=[
        "The average runs over the last two axes.",
        "With the averages as an array (N, C), the dense layer is a product of matrices: which of the two has to be transposed?",
        "`averages @ weight.T + bias`",
    ],
)


@ends.solution
def global_head(maps, weight, bias):
    """Return the outputs of a dense layer on global averages."""
    averages = maps.mean(axis=(2, 3))  # (N, C)
    return averages @ weight.T + bias


@ends.also
def global_head_by_loops(maps, weight, bias):
    """One output after the other."""
    (N, C), K = maps.shape[:2], len(bias)
    y = np.zeros((N, K))
    for n, k in np.ndindex(N, K):
        y[n, k] = bias[k] + sum(weight[k, c] * maps[n, c].mean() for c in range(C))
    return y


@ends.also
def class_maps_first(maps, weight, bias):
    """The dense layer at every pixel, then the average: both are linear."""
    answers = np.einsum("kc,nchw->nkhw", weight, maps)
    return global_avg_pool2d(answers)[:, :, 0, 0] + bias


@ends.also
def global_head_by_torch(maps, weight, bias):
    """PyTorch's functions."""
    import torch

    F = torch.nn.functional
    maps, weight, bias = (torch.tensor(np.array(a, float)) for a in (maps, weight, bias))
    return F.linear(F.adaptive_avg_pool2d(maps, 1).flatten(1), weight, bias).numpy()


@ends.cases
def ends_cases(rng):
    """One image by hand, then batches of all sizes, with as many outputs as maps, and others."""
    yield (
        np.array([[[[1.0, 3], [5, 7]], [[0, 2], [0, 2]]]]),
        np.array([[1, 2], [3, -1]]),
        np.array([1, 5]),
    )
    yield SMALL[None, None] * 1.0, np.array([[2], [-1], [0]]), np.array([0, 1, 3])
    yield np.array([[[[4.0]]], [[[-6.0]]]]), np.array([[1], [3]]), np.array([2, -1])
    for N, C, K in [(2, 3, 3), (1, 4, 2), (3, 2, 5), (2, 3, 3)]:
        H, W = rng.permutation([2, 3, 4, 5, 7])[:2]
        yield rng.normal(size=(N, C, H, W)), rng.normal(size=(K, C)), rng.normal(size=K)
    yield _eighths(rng, 2, 3, 4, 8), _eighths(rng, 4, 3), _eighths(rng, 4)
    swapped = rng.normal(size=(3, 2, 4, 5)).transpose(1, 0, 3, 2)
    yield swapped, rng.normal(size=(4, 3)), rng.normal(size=4)


def _head(averages, weight, bias):
    """Return the outputs of a dense layer."""
    return averages @ weight.T + bias


@ends.mistake
def sums_for_averages(maps, weight, bias):
    """The pixels are added up; a larger image would then give larger numbers. Divide by their number."""
    return _head(maps.sum(axis=(2, 3)), weight, bias)


@ends.mistake
def largest_for_average(maps, weight, bias):
    """That is global *max* pooling: the largest of each map; asked is its average."""
    return _head(maps.max(axis=(2, 3)), weight, bias)


@ends.mistake
def bias_forgotten(maps, weight, bias):
    """Every output has a bias, too."""
    return _head(maps.mean(axis=(2, 3)), weight, 0)


@ends.mistake
def bias_averaged_too(maps, weight, bias):
    """The bias is divided by the number of pixels; it is no part of the average, but is added once, after the weights."""
    return _head(maps.mean(axis=(2, 3)), weight, bias / np.prod(maps.shape[2:]))


@ends.mistake
def weight_not_transposed(maps, weight, bias):
    """`weight` has a row for each output: `averages @ weight` sums over the outputs, and fits only if there are as many as maps."""
    return maps.mean(axis=(2, 3)) @ weight + bias


@ends.mistake
def outputs_before_images(maps, weight, bias):
    """The product has a row for each output and a column for each image, and the biases go to the wrong axis; the result is (N, K), a row for each image: `averages @ weight.T`."""
    return weight @ maps.mean(axis=(2, 3)).T + bias


@ends.mistake
def averages_keep_their_axes(maps, weight, bias):
    """The averages still have the shape (N, C, 1, 1); a dense layer needs them as (N, C)."""
    return global_avg_pool2d(maps) @ weight.T + bias


@ends.mistake
def batch_averaged_too(maps, weight, bias):
    """The images of the batch are averaged as well; each has outputs of its own."""
    return _head(maps.mean(axis=(0, 2, 3)), weight, bias)


@ends.mistake
def pixels_left_over(maps, weight, bias):
    """The outputs still have axes for pixels: after the average there is one number for each image and output."""
    return _head(maps.mean(axis=(2, 3)), weight, bias)[:, :, None, None]


@ends.mistake
def channels_in_place_of_pixels(maps, weight, bias):
    """The average runs over the channels (axis 1) and the rows; it has to run over rows and columns, axes 2 and 3."""
    return _head(maps.mean(axis=(1, 2)), weight, bias)


@ends.mistake
def softmax_added(maps, weight, bias):
    """A softmax turns the outputs into shares of 1; asked are the outputs themselves."""
    y = np.exp(_head(maps.mean(axis=(2, 3)), weight, bias))
    return y / y.sum(axis=1, keepdims=True)


def as_it_is(x):
    """Return the maps themselves."""
    return x


def maxima_of_two(x):
    """Pool maxima of 2×2."""
    return max_pool2d(x, 2)


def every_second(x):
    """Keep every second row and column."""
    return x[:, :, ::2, ::2]


def mean_of_all(x):
    """Average every map."""
    return global_avg_pool2d(x)


moved = FunctionExercise(
    "pooling/change-by-shift",
    title="How much does a shift change?",
    level="core",
    minutes=12,
    statement="""
        Write `change_by_shift(layer, x, shift)`: measure how robust a layer is to shifts.
        `layer` is a function that takes maps (N, C, H, W) and returns maps, perhaps smaller ones; `x` is an array (N, C, H, W).
        Move `x` by `shift` columns to the right, in a circle: what leaves on the right comes in on the left.
        Apply the layer to `x` and to the moved `x`, and take the difference of both results.
        Return one number: the norm of the difference, divided by the norm of the layer's result for `x` (not moved).
        The norm is the root of the sum of all squares, over the whole batch.
    """,
    hints=[
        "`np.roll(x, shift, axis=…)` moves an array round in a circle. Which axis counts the columns?",
        "`np.linalg.norm` of an array with four axes is the root of the sum of all squares.",
        "Three lines: the result before, the result after, and the quotient.",
    ],
)


@moved.solution
def change_by_shift(layer, x, shift):
    """Return the norm of the change, over that of the layer's result."""
    before = layer(x)
    after = layer(np.roll(x, shift, axis=3))
    return np.linalg.norm(after - before) / np.linalg.norm(before)


@moved.also
def change_by_slices(layer, x, shift):
    """Cut the image in two and swap the parts; roots and squares by hand."""
    cut = (x.shape[3] - shift) % x.shape[3]
    shifted = np.concatenate([x[..., cut:], x[..., :cut]], axis=3)
    before, after = layer(x).ravel(), layer(shifted).ravel()
    return ((after - before) ** 2).sum() ** 0.5 / (before**2).sum() ** 0.5


@moved.also
def change_by_torch(layer, x, shift):
    """PyTorch's roll and norm."""
    import torch

    shifted = torch.roll(torch.tensor(np.array(x)), shift, -1).numpy()
    before, after = torch.tensor(layer(x)), torch.tensor(layer(shifted))
    return (torch.norm(after - before) / torch.norm(before)).item()


@moved.cases
def moved_cases(rng):
    """Small rows by hand, then random maps and layers."""
    fence = np.array([[[[0.0, 0, 1, 1, 0, 0, 1, 1], [0, 0, 1, 1, 0, 0, 1, 1]]]])
    yield as_it_is, np.array([[[[3.0, 4, 0, 0]]]]), 1
    yield maxima_of_two, fence, 1
    yield maxima_of_two, np.array([[[[5.0, 1, 0, 2], [0, 3, 1, 0]]]]), 1
    yield every_second, np.array([[[[1.0, 2, 3, 4], [0, 0, 0, 0], [5, 7, 1, 2]]]]), 1
    yield mean_of_all, np.array([[[[1.0, 2, 3, 6]]]]), 2
    for layer in (as_it_is, maxima_of_two, every_second, maxima_of_two):
        N, C = (int(n) for n in rng.integers(1, 4, 2))
        yield layer, rng.normal(1, 1, (N, C, 6, 8)), int(rng.integers(1, 4))
    yield mean_of_all, rng.normal(2, 1, (2, 3, 5, 7)), int(rng.integers(1, 6))
    yield maxima_of_two, rng.random((2, 1, 8, 6)).transpose(0, 1, 3, 2), 3


def _change(layer, x, shift, axis=3):
    """Return the layer's result, and by how much it changes with a shift along an axis."""
    before = layer(x)
    return before, layer(np.roll(x, shift, axis=axis)) - before


@moved.mistake
def moved_down(layer, x, shift):
    """The maps are moved down, along the rows' axis; columns are the last axis."""
    before, change = _change(layer, x, shift, axis=2)
    return np.linalg.norm(change) / np.linalg.norm(before)


@moved.mistake
def moved_through_all_rows(layer, x, shift):
    """Without an axis `np.roll` moves through all rows and maps as if they were one long row; name the columns' axis."""
    before, change = _change(layer, x, shift, axis=None)
    return np.linalg.norm(change) / np.linalg.norm(before)


@moved.mistake
def moved_to_the_left(layer, x, shift):
    """The maps are moved to the left; `np.roll` with a positive number moves to the right."""
    return change_by_shift(layer, x, -shift)


@moved.mistake
def zeros_move_in(layer, x, shift):
    """Zeros come in on the left; in a circle, what leaves on the right does."""
    shifted = np.roll(x, shift, axis=3)
    shifted[..., :shift] = 0
    before = layer(x)
    return np.linalg.norm(layer(shifted) - before) / np.linalg.norm(before)


@moved.mistake
def result_moved(layer, x, shift):
    """The layer's *result* is moved, which says nothing about the layer; move what goes in."""
    before = layer(x)
    return np.linalg.norm(np.roll(before, shift, axis=3) - before) / np.linalg.norm(before)


@moved.mistake
def not_divided(layer, x, shift):
    """The division by the norm of the result is missing; without it, larger numbers look less robust."""
    return np.linalg.norm(_change(layer, x, shift)[1])


@moved.mistake
def root_of_the_squares_forgotten(layer, x, shift):
    """The root is missing: the sums of squares are divided, so the number is the square of what it should be."""
    return change_by_shift(layer, x, shift) ** 2


@moved.mistake
def divided_by_the_moved_norm(layer, x, shift):
    """The change is divided by the norm of the result for the *moved* `x`; take that of the result for `x` as it was."""
    before, change = _change(layer, x, shift)
    return np.linalg.norm(change) / np.linalg.norm(before + change)


@moved.mistake
def divided_by_the_images_norm(layer, x, shift):
    """The change is divided by the norm of `x`; divide it by that of the layer's result."""
    return np.linalg.norm(_change(layer, x, shift)[1]) / np.linalg.norm(x)


@moved.mistake
def absolute_values_summed(layer, x, shift):
    """The absolute values are summed; the norm is the root of the sum of the squares."""
    before, change = _change(layer, x, shift)
    return np.abs(change).sum() / np.abs(before).sum()


@moved.mistake
def norms_subtracted(layer, x, shift):
    """The two norms are subtracted: results of the same size can still differ everywhere. Subtract first, then take the norm."""
    before, change = _change(layer, x, shift)
    return abs(np.linalg.norm(before + change) - np.linalg.norm(before)) / np.linalg.norm(before)


back_in_place = FunctionExercise(
    "pooling/unpool",
    title="Unpooling",
    level="stretch",
    minutes=12,
    fresh=True,
    statement="""
        Write `unpool(x, k)`: keep the maximum of each `k`×`k` window where it stands, and set everything else to 0.
        (Networks that enlarge maps again can remember these places, and put the numbers of a later layer there.)
        `x` is an array (N, C, H, W); the windows stand side by side and treat every map by itself.
        If several pixels of a window are largest, keep the first in reading order; pixels at the end that belong to no whole window become 0.
        Return a new array of floats of x's shape, and leave `x` as it is.
    """,
    hints=[
        "Which function of this chapter sends one number of each window to the place of its maximum?",
        "`max_pool2d_backward(dy, x, k)` sends gradients there. Which numbers do you give it as `dy`?",
    ],
)


@back_in_place.solution
def unpool(x, k):
    """Return x with all but the first maximum of each window set to 0."""
    maxima = max_pool2d(x, k)
    return max_pool2d_backward(maxima, x, k)


@back_in_place.also
def unpool_by_loops(x, k):
    """One window after the other; `argmax` finds the first."""
    N, C, H, W = x.shape
    result = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(N, C, H // k, W // k):
        window = x[n, c, i * k : (i + 1) * k, j * k : (j + 1) * k]
        r, s = np.unravel_index(window.argmax(), (k, k))
        result[n, c, i * k + r, j * k + s] = window[r, s]
    return result


@back_in_place.also
def unpool_by_winners(x, k):
    """The winners' numbers."""
    y, winners = max_pool2d(x, k, return_winners=True)
    result = np.zeros(x.size)
    result[winners.ravel()] = y.ravel()
    return result.reshape(x.shape)


@back_in_place.also
def unpool_by_torch(x, k):
    """PyTorch's unpooling."""
    import torch

    F = torch.nn.functional
    y, where = F.max_pool2d(torch.tensor(np.array(x, float)), k, return_indices=True)
    return F.max_unpool2d(y, where, k, output_size=x.shape).numpy()


@back_in_place.cases
def back_in_place_cases(rng):
    """The chapter's map, ties, cold windows and remainders, then random maps."""
    yield SMALL[None, None], 2
    yield np.array([[[[-3, -1], [-2, -5]]]]), 2
    yield np.array([[[[1, 5, 5], [2, 5, 9], [7, 0, 3]]]]), 2
    yield np.array([[[[2, 2, 0, 0], [2, 2, -1, 0]]]]), 2
    yield rng.normal(size=(2, 3, 8, 6)), 2
    yield rng.integers(0, 4, (2, 2, 6, 9)), 3
    yield rng.integers(-6, 0, (1, 2, 7, 5)).astype(np.float32), 2
    yield 1.0 * rng.integers(-3, 3, (2, 1, 12, 5))[:, :, ::2], 2


def _enlarged(x, k):
    """Return the maxima, each as large as its window, and a mask of where windows are."""
    maxima = np.kron(max_pool2d(x, k), np.ones((k, k)))
    H, W = maxima.shape[2:]
    return np.pad(maxima, [(0, 0), (0, 0), (0, x.shape[2] - H), (0, x.shape[3] - W)])


@back_in_place.mistake
def all_ties_kept(x, k):
    """Where several pixels of a window are largest, all of them are kept; keep the first."""
    maxima = _enlarged(x, k)
    return np.where(x == maxima, maxima, 0.0)


@back_in_place.mistake
def last_tie_kept(x, k):
    """Where several pixels of a window are largest, the last one is kept; keep the first in reading order."""
    result = np.zeros(x.shape)
    for place in np.ndindex(x.shape[0], x.shape[1], x.shape[2] // k, x.shape[3] // k):
        (n, c), (i, j) = place[:2], (k * place[2], k * place[3])
        window = x[n, c, i : i + k, j : j + k].ravel()
        last = len(window) - 1 - window[::-1].argmax()
        result[n, c, i + last // k, j + last % k] = window[last]
    return result


@back_in_place.mistake
def ones_for_maxima(x, k):
    """There are ones where the maxima stand; put the maxima themselves there."""
    return max_pool2d_backward(np.ones(max_pool2d(x, k).shape), x, k)


@back_in_place.mistake
def windows_filled(x, k):
    """The maximum fills its whole window; it has to stand at one pixel alone."""
    return _enlarged(x, k)


@back_in_place.mistake
def always_top_left(x, k):
    """The maxima are put into the upper left pixel of their windows; put them back where they stood."""
    result = np.zeros(x.shape)
    maxima = max_pool2d(x, k)
    H, W = (k * n for n in maxima.shape[2:])
    result[:, :, :H:k, :W:k] = maxima
    return result


@back_in_place.mistake
def negative_maxima_lost(x, k):
    """A window of negative numbers has a maximum, too; here it becomes 0."""
    return np.maximum(unpool(x, k), 0)


@back_in_place.mistake
def rest_kept(x, k):
    """Pixels at the end that belong to no whole window are kept; they become 0."""
    result = unpool(x, k)
    H, W = (n // k * k for n in x.shape[2:])
    result[:, :, H:] = x[:, :, H:]
    result[:, :, :, W:] = x[:, :, :, W:]
    return result


@back_in_place.mistake
def written_into_x(x, k):
    """The zeros are written into `x` itself, which the caller still needs; make a new array."""
    result = unpool(x, k)
    x[...] = result
    return result


@back_in_place.mistake
def dtype_of_x(x, k):
    """The result has the dtype of `x`, as `np.zeros_like` makes it; the statement asks for floats."""
    return unpool(x, k).astype(x.dtype)


shares = NumberExercise(
    "pooling/share-of-the-gradient",
    title="A share of the gradient",
    level="stretch",
    minutes=6,
    statement="""
        Average pooling has windows of {k}×{k} with stride {s}, so they overlap.
        On the way back every output has the gradient {g}.
        What gradient does a pixel far from the border get?
    """,
    hints=[
        "How much of its gradient does one output send to each pixel that it has read?",
        "How many windows read one pixel? Along one axis first, and then in both.",
    ],
)


@shares.cases
def shares_cases(rng):
    """Numbers for the statement: the stride divides the window."""
    s, times = int(rng.choice([2, 3, 4])), int(rng.choice([2, 3]))
    return {"k": s * times, "s": s, "g": int(rng.integers(1, 9)) * (s * times) ** 2}


@shares.solution
def gradient_of_a_pixel(k, s, g):
    """Return what all windows that read a pixel send to it."""
    windows = (k // s) ** 2
    return windows * g / k**2


@shares.mistake
def one_window_counted(k, s, g):
    """That is what one window sends; a pixel gets the sum of what all its windows send."""
    return g / k**2


@shares.mistake
def whole_gradient_from_each(k, s, g):
    """Every window sends only a share to each pixel that it has read: divide by their number."""
    return (k // s) ** 2 * g


@shares.mistake
def one_window_wins(k, s, g):
    """That would be the whole gradient of one output; an average spreads it over the pixels of its window."""
    return g


@shares.mistake
def overlap_along_one_axis(k, s, g):
    """The windows overlap along both axes, so the number along one axis has to be squared."""
    return (k // s) * g / k**2


@shares.mistake
def divided_by_one_side_only(k, s, g):
    """A window has k rows of k pixels: the share is one of k², not of k."""
    return (k // s) ** 2 * g / k


@shares.mistake
def divided_by_the_windows(k, s, g):
    """It divides by the number of windows that read a pixel; what they send is added up, so multiply by it."""
    return g / k**2 / (k // s) ** 2


smooth = FunctionExercise(
    "pooling/blur",
    title="Build blur pooling",
    level="stretch",
    minutes=15,
    statement="""
        Write `blur_by_conv(x)`: blur pooling, built of `pad2d` and `conv2d` of chapter 4.
        `x` is an array (N, C, H, W) of floats with at least 2 rows and columns.
        Blur every channel by itself with the 3×3 binomial kernel, whose rows and columns are (1, 2, 1) / 4; the border is "reflect", so that the blurred maps have x's size.
        Then keep every second row and column, beginning with the first.
        Return what `blur_pool2d(x)` of this chapter returns, an array of floats (N, C, ⌈H / 2⌉, ⌈W / 2⌉).
    """,
    hints=[
        "The kernel is a column times a row: `np.outer([1, 2, 1], [1, 2, 1]) / 16`.",
        "Reflect one pixel, then one depthwise convolution with stride 2.",
        "For it `groups` is the number of channels, and the weight has the shape (C, 1, 3, 3): `np.tile` repeats the kernel.",
    ],
)


@smooth.solution
def blur_by_conv(x):
    """Return blur pooling with a 3×3 kernel and stride 2."""
    channels = x.shape[1]
    binomial = np.outer([1, 2, 1], [1, 2, 1]) / 16
    weight = np.tile(binomial, (channels, 1, 1, 1))
    padded = pad2d(x, 1, "reflect")
    return conv2d(padded, weight, stride=2, groups=channels)


@smooth.also
def blur_by_package(x):
    """The function itself."""
    return blur_pool2d(x)


@smooth.also
def blur_by_slices(x):
    """Down, across, and every second of it."""
    for axis in (2, 3):
        widths = [(1, 1) if a == axis else (0, 0) for a in range(4)]
        x = np.swapaxes(np.pad(x, widths, "reflect"), axis, 0)
        x = np.swapaxes((x[:-2] + 2 * x[1:-1] + x[2:]) / 4, axis, 0)
    return x[:, :, ::2, ::2]


@smooth.also
def blur_by_scipy(x):
    """SciPy's word for our border is "mirror"."""
    from scipy.ndimage import correlate

    kernel = np.outer([1, 2, 1], [1, 2, 1])[None, None] / 16
    return correlate(np.array(x, float), kernel, mode="mirror")[:, :, ::2, ::2]


@smooth.cases
def smooth_cases(rng):
    """Stripes and dots by hand, then batches of all sizes."""
    yield (np.tile([0.0, 16, 0, 16, 0], (1, 1, 3, 1)),)
    yield (16.0 * np.eye(4)[None, None, :3],)
    yield (np.array([[[[16.0, 0], [0, 32]], [[0, 0], [48, 16]]]]),)
    yield (np.arange(24.0).reshape(1, 1, 4, 6) ** 2,)
    for shape in [(2, 3, 8, 5), (1, 4, 7, 6), (3, 1, 5, 9), (1, 2, 2, 7)]:
        yield (rng.normal(size=shape),)
    yield (_eighths(rng, 2, 2, 6, 5),)
    yield (rng.normal(size=(3, 2, 6, 7)).transpose(1, 0, 3, 2),)


def _blurred(x, kernel=None, border="reflect", stride=2):
    """Blur every channel in another way."""
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16 if kernel is None else kernel
    weight = np.tile(kernel, (x.shape[1], 1, 1, 1))
    return conv2d(pad2d(x, 1, border), weight, stride=stride, groups=x.shape[1])


@smooth.mistake
def dark_border(x):
    """Zeros stand outside and darken the rim; the border is "reflect"."""
    return _blurred(x, border="zero")


@smooth.mistake
def edge_repeated(x):
    """The edge pixel is repeated outside; with "reflect" the mirror stands on it, and the pixel before it comes again."""
    return _blurred(x, border="replicate")


@smooth.mistake
def weights_sum_to_16(x):
    """The weights add up to 16, and so the maps get 16 times too bright; divide by their sum."""
    return 16 * _blurred(x)


@smooth.mistake
def equal_weights(x):
    """All nine weights are equal, which is a mean; the binomial kernel weighs the centre most."""
    return _blurred(x, np.full((3, 3), 1 / 9))


@smooth.mistake
def not_sampled(x):
    """The maps are blurred, but all rows and columns are kept; keep every second."""
    return _blurred(x, stride=1)


@smooth.mistake
def sampled_before_blurring(x):
    """Every second pixel is kept first, and then blurred: what has become an alias stays one. Blur before you sample."""
    small = np.pad(x[:, :, ::2, ::2], [(0, 0), (0, 0), (1, 1), (1, 1)], "symmetric")
    weight = np.tile(np.outer([1, 2, 1], [1, 2, 1]) / 16, (x.shape[1], 1, 1, 1))
    return conv2d(small, weight, groups=x.shape[1])


@smooth.mistake
def begins_with_the_second(x):
    """The rows and columns 1, 3, 5 … are kept; begin with the first, which has the number 0."""
    return _blurred(x, stride=1)[:, :, 1::2, 1::2]


@smooth.mistake
def channels_mixed(x):
    """All channels are added up in each map: without `groups` a convolution sums over the channels."""
    mixed = _blurred(x).sum(axis=1, keepdims=True)
    return np.tile(mixed, (1, x.shape[1], 1, 1))


@smooth.mistake
def blurred_across_only(x):
    """The maps are blurred along the rows only; the kernel is a column times a row."""
    return _blurred(x, np.array([[0, 0, 0], [1, 2, 1], [0, 0, 0]]) / 4)


routes = FunctionExercise(
    "pooling/route-back",
    title="Who gets the gradient?",
    level="stretch",
    minutes=20,
    statement="""
        Write `route_back(dy, image, k, stride)`: the way back through max pooling of one image, without the package's function.
        `image` is an array (H, W) of any kind of numbers, pooled by `k`×`k` windows that are `stride` apart, without padding and without ceil mode.
        `dy` is an array (H′, W′) of floats: the gradient of each output.
        Each output sends its whole gradient to the largest pixel of its window; if several are equal, to the first in reading order.
        Where windows overlap, a pixel gets the sum of what its windows send; all others get 0.
        Return the image's gradient, a new array of floats of shape (H, W).
    """,
    hints=[
        "Begin with zeros of the image's shape, and loop over the outputs.",
        "`window.argmax()` is the number of the first largest pixel, in reading order; `divmod(number, k)` gives its row and column in the window.",
        "Add to what is there (`+=`), for the pixel may have won before.",
    ],
)


@routes.solution
def route_back(dy, image, k, stride):
    """Return the gradient of the image that was pooled."""
    dx = np.zeros(image.shape)
    for i, j in np.ndindex(*dy.shape):
        top, left = i * stride, j * stride
        window = image[top : top + k, left : left + k]
        r, s = divmod(window.argmax(), k)
        dx[top + r, left + s] += dy[i, j]
    return dx


@routes.also
def route_by_package(dy, image, k, stride):
    """The package's function."""
    return max_pool2d_backward(dy[None, None], np.array([[image]], float), k, stride)[0, 0]


@routes.also
def route_by_torch(dy, image, k, stride):
    """PyTorch's automatic differentiation."""
    import torch

    x = torch.tensor(np.array(image, float)[None, None], requires_grad=True)
    y = torch.nn.functional.max_pool2d(x, k, stride)
    y.backward(torch.tensor(np.array(dy)[None, None]))
    return x.grad[0, 0].numpy()


@routes.cases
def routes_cases(rng):
    """The chapter's map and its gradients, overlaps, cold and equal pixels, then random maps."""
    yield np.array([[4.0, 8], [12, 16]]), SMALL, 2, 2
    yield np.array([[1.0, 2, 4], [8, 16, 32]]), LONE, 3, 1
    yield np.array([[2.0, -1]]), np.array([[-5, -3, -4, -3], [-3, -6, -7, -2]]), 2, 2
    yield np.array([[1.0, 3]]), np.array([[7, 0, 7, 0, 7, 0, 9]]).repeat(2, axis=0), 2, 3
    for k, stride in [(2, 2), (3, 2), (3, 1), (2, 3), (3, 2)]:
        H, W = (int(n) for n in rng.permutation([5, 6, 7, 8])[:2])
        shape = [output_size(n, k, stride) for n in (H, W)]
        yield rng.normal(size=shape), rng.integers(-4, 0, (H, W)), k, stride
    yield rng.normal(size=(2, 4)).T, rng.normal(size=(5, 9)).T, 3, 2


def _sent(dy, image, k, stride, send):
    """Return the sum of what ``send(window)`` makes of each window, times the output's gradient."""
    dx = np.zeros(image.shape)
    for (i, j), window in _windows(image, k, stride):
        part = dx[i * stride : i * stride + k, j * stride : j * stride + k]
        part += dy[i, j] * send(window)
    return dx


def _first_of(values):
    """Return a mask of the first largest value in reading order."""
    mask = np.zeros(values.size)
    mask[values.argmax()] = 1
    return mask.reshape(values.shape)


@routes.mistake
def overwritten_where_windows_overlap(dy, image, k, stride):
    """A pixel that wins in several windows keeps only the last gradient; add them up."""
    dx = np.zeros(image.shape)
    for (i, j), window in _windows(image, k, stride):
        r, s = divmod(window.argmax(), k)
        dx[i * stride + r, j * stride + s] = dy[i, j]
    return dx


@routes.mistake
def every_tie_gets_all(dy, image, k, stride):
    """All pixels that are equal to the maximum get the whole gradient; only the first does."""
    return _sent(dy, image, k, stride, lambda window: 1.0 * (window == window.max()))


@routes.mistake
def ties_share(dy, image, k, stride):
    """Equal pixels share the gradient here; by the chapter's convention the first gets all of it."""
    return _sent(dy, image, k, stride, lambda w: (w == w.max()) / np.count_nonzero(w == w.max()))


@routes.mistake
def last_of_ties_gets_it(dy, image, k, stride):
    """Of equal pixels the last one gets the gradient; it goes to the first in reading order."""
    return _sent(dy, image, k, stride, lambda w: _first_of(w[::-1, ::-1])[::-1, ::-1])


@routes.mistake
def first_by_columns(dy, image, k, stride):
    """Of equal pixels the first one by columns gets the gradient; reading order goes along the rows."""
    return _sent(dy, image, k, stride, lambda w: _first_of(w.T).T)


@routes.mistake
def spread_over_the_window(dy, image, k, stride):
    """The gradient is spread over the window, which is the way back through an average; a maximum sends it to one pixel."""
    return _sent(dy, image, k, stride, lambda window: np.full(window.shape, 1 / k**2))


@routes.mistake
def smallest_gets_it(dy, image, k, stride):
    """The gradient goes to the smallest pixel, which is the way back through a minimum."""
    return route_back(dy, -image.astype(float), k, stride)


@routes.mistake
def times_the_pixel(dy, image, k, stride):
    """The gradient is multiplied by the pixel; a maximum passes it on as it is."""
    return _sent(dy, image, k, stride, lambda window: window * _first_of(window))


@routes.mistake
def windows_in_a_row(dy, image, k, stride):
    """The windows are taken side by side; they are `stride` apart."""
    dx = np.zeros(image.shape)
    for i, j in np.ndindex(*dy.shape):
        top, left = i * k, j * k
        window = image[top : top + k, left : left + k]
        r, s = divmod(window.argmax(), k)
        dx[top + r, left + s] += dy[i, j]
    return dx


any_size = FunctionExercise(
    "pooling/adaptive",
    title="Any size in, one size out",
    level="challenge",
    minutes=25,
    statement="""
        Write `adaptive_avg_pool2d(x, n)`: maps of `n`×`n` averages from maps of any size, as `torch.nn.functional.adaptive_avg_pool2d` makes them.
        `x` is an array (N, C, H, W) of floats; H and W may be smaller than `n`.
        Along an axis of H pixels, output $i$ averages the pixels from $\\lfloor i H / n \\rfloor$ up to, not including, $\\lceil (i + 1) H / n \\rceil$; so neighbouring windows can overlap.
        The same holds for the columns with W.
        Return an array of floats (N, C, n, n); with n = 1 it is global average pooling.
    """,
    hints=[
        "In whole numbers, the floor of a / b is `a // b`, and the ceiling is `-(-a // b)`.",
        "Two loops over the outputs and the mean of a slice are enough.",
        "Without loops: write a helper for one axis that returns a matrix (n, H), in row $i$ equal weights where output $i$ reads, which sum to 1. Then two matrix products, `rows @ x @ columns.T`.",
    ],
)


@any_size.solution
def adaptive_avg_pool2d(x, n):
    """Return n×n averages of maps of any size."""
    matrices = []
    for size in x.shape[2:]:
        pixel, i = np.arange(size), np.arange(n)[:, None]
        first, end = i * size // n, -(-(i + 1) * size // n)  # floor, ceiling
        reads = (first <= pixel) & (pixel < end)
        matrices.append(reads / reads.sum(axis=1, keepdims=True))
    rows, columns = matrices
    return rows @ x @ columns.T


@any_size.also
def adaptive_by_loops(x, n):
    """Slices, one output after the other."""
    return _adapted(x, n)


@any_size.also
def adaptive_by_torch(x, n):
    """PyTorch's function."""
    import torch

    return torch.nn.functional.adaptive_avg_pool2d(torch.tensor(np.array(x)), n).numpy()


def _floor(a, b):
    """Round a / b down."""
    return a // b


def _ceiling(a, b):
    """Round a / b up."""
    return -(-a // b)


def _adapted(x, n, first=_floor, end=_ceiling, take=np.mean):
    """Return n×n numbers, with other limits of the windows or another summary."""
    H, W = x.shape[2:]
    y = np.zeros((*x.shape[:2], n, n))
    for i, j in np.ndindex(n, n):
        rows = slice(first(i * H, n), end((i + 1) * H, n))
        columns = slice(first(j * W, n), end((j + 1) * W, n))
        window = x[:, :, rows, columns]
        y[:, :, i, j] = take(window, axis=(2, 3)) if window.size else np.nan
    return y


@any_size.cases
def any_size_cases(rng):
    """Small maps by hand, then sizes of all kinds."""
    yield np.array([[[[1.0, 2, 3, 4, 5]]]]), 2
    yield np.array([[[[1.0, 2, 4], [8, 16, 32]]]]), 2
    yield SMALL[None, None] * 1.0, 1
    yield np.array([[[[3.0, 5], [7, 1]]]]), 3
    yield np.arange(35.0).reshape(1, 1, 5, 7) ** 2, 3
    for (H, W), n in [((8, 8), 3), ((7, 11), 4), ((5, 9), 2), ((3, 4), 5)]:
        N, C = rng.integers(1, 4, 2)
        yield rng.normal(size=(N, C, H, W)), n
    yield rng.normal(size=(2, 2, int(rng.integers(6, 12)), int(rng.integers(6, 12)))), 3
    yield _eighths(rng, 2, 3, 4, 8), 2
    yield rng.normal(size=(2, 1, 7, 5)).transpose(1, 0, 3, 2), 3


@any_size.mistake
def both_ends_rounded_down(x, n):
    """The end of a window is rounded down; round it up, so that pixels between two outputs belong to both."""
    return _adapted(x, n, end=_floor)


@any_size.mistake
def both_ends_rounded_up(x, n):
    """The beginning of a window is rounded up; round it down, so that pixels between two outputs belong to both."""
    return _adapted(x, n, first=_ceiling)


@any_size.mistake
def rounded_to_the_nearest(x, n):
    """Both ends are rounded to the nearest whole number; the beginning is rounded down, the end up."""

    def nearest(a, b):
        return (2 * a + b) // (2 * b)

    return _adapted(x, n, first=nearest, end=nearest)


@any_size.mistake
def windows_of_one_size(x, n):
    """All windows have H // n rows and W // n columns; that leaves pixels out at the end, and fails for maps smaller than n."""
    H, W = (size // n for size in x.shape[2:])
    y = np.zeros((*x.shape[:2], n, n))
    for i, j in np.ndindex(n, n):
        window = x[:, :, i * H : (i + 1) * H, j * W : (j + 1) * W]
        y[:, :, i, j] = window.mean(axis=(2, 3)) if window.size else np.nan
    return y


@any_size.mistake
def one_pixel_too_many(x, n):
    """The window goes one pixel too far: its end is not included."""
    return _adapted(x, n, end=lambda a, b: _ceiling(a, b) + 1)


@any_size.mistake
def rows_for_columns(x, n):
    """The limits of the rows are used for the columns, too; W need not be H."""
    H, y = x.shape[2], np.zeros((*x.shape[:2], n, n))
    limits = [slice(i * H // n, -(-(i + 1) * H // n)) for i in range(n)]
    for i, j in np.ndindex(n, n):
        window = x[:, :, limits[i], limits[j]]
        y[:, :, i, j] = window.mean(axis=(2, 3)) if window.size else np.nan
    return y


@any_size.mistake
def sums_of_windows(x, n):
    """The windows are summed; divide by the number of their pixels."""
    return _adapted(x, n, take=np.sum)


@any_size.mistake
def maxima_of_windows(x, n):
    """That is adaptive *max* pooling; asked are averages."""
    return _adapted(x, n, take=np.max)


@any_size.mistake
def nearest_pixel_only(x, n):
    """One pixel of each window is picked; average all of them."""
    rows, columns = (np.arange(n) * size // n for size in x.shape[2:])
    return x[:, :, rows][:, :, :, columns]


ProjectExercise(
    "pooling/steady-camera",
    title="Project: a steady camera",
    minutes=75,
    statement="""
        Choose three photographs of the course and one kernel, and compute their maps with `conv2d` and a ReLU.
        Summarise the maps to a quarter of their rows and columns in at least four ways: every fourth pixel, average, maximum, and one with blur before sampling; assert that all have the same shape.
        Move each photograph by 0, 1, … 8 pixels (cut a moving crop, so that real pixels come in), and measure how much each summary changes: the norm of the change, divided by the norm of the summary.
        Draw the change against the shift, a curve for each summary with the spread over the photographs, and show one place of one photograph in which you can *see* the difference.
        Then say in five sentences or fewer which summary you would take for a camera that trembles, what it costs, and why none of the curves proves that a network is invariant.
    """,
    rubric=[
        Criterion(
            "Four summaries of the same size are computed, and a cell asserts their shapes", 1
        ),
        Criterion(
            "The change is measured on crops with real pixels, for all shifts and photographs, and divided by the norm of the summary",
            2,
        ),
        Criterion(
            "One figure has a curve for each summary, with labels and the spread over the photographs",
            2,
        ),
        Criterion("The picture shows a place where one summary flickers and another does not", 1),
        Criterion("The sentences follow from the numbers, and tell robust from invariant", 2),
    ],
)
