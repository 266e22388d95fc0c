"""Exercises of chapter 4: padding, stride, channels."""

import numpy as np

from cnncourse.convolution import (
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
from cnncourse.exercises.kinds import (
    ChoiceExercise,
    Criterion,
    FunctionExercise,
    NumberExercise,
    Option,
    ProjectExercise,
)


def _quarters(rng, *shape, dtype=np.float64):
    """Return random multiples of a quarter, whose sums and products are exact in float32, too."""
    return (rng.integers(-8, 9, size=shape) / 4).astype(dtype)


count = FunctionExercise(
    "convolution/count-outputs",
    title="Count them",
    level="warm-up",
    minutes=8,
    statement="""
        Write `count_outputs(size, kernel_size, stride, padding, dilation)` without the formula.
        Try every start on the padded row, and count those at which the whole window fits and which a walk with this stride meets.
        All five are whole numbers, and `padding` is added on each side.
        Return a whole number; you may assume that at least one window fits.
    """,
    hints=[
        "The padded row is `size + 2 * padding` long, and the starts are `range(0, size + 2 * padding, stride)`.",
        "The last pixel of the window is `start + dilation * (kernel_size - 1)`; it must lie inside the row.",
    ],
)


@count.solution
def count_outputs(size, kernel_size, stride, padding, dilation):
    """Return how many windows fit."""
    road = size + 2 * padding
    starts = range(0, road, stride)
    return sum(start + dilation * (kernel_size - 1) < road for start in starts)


@count.also
def count_by_formula(size, kernel_size, stride, padding, dilation):
    """The chapter's formula, although the statement asks for counting."""
    return output_size(size, kernel_size, stride, padding, dilation)


@count.cases
def count_cases(rng):
    """Rows by hand first, then rows of all kinds."""
    yield from [
        (5, 3, 1, 0, 1),
        (7, 3, 2, 1, 1),
        (6, 3, 2, 0, 1),
        (10, 3, 1, 0, 3),
        (9, 2, 3, 1, 2),
    ]
    yield from [(8, 4, 3, 2, 1), (11, 5, 2, 1, 2), (12, 2, 5, 0, 1)]
    for _ in range(6):
        kernel_size, stride, dilation = (int(n) for n in rng.integers(1, 5, size=3))
        padding = int(rng.integers(0, 4))
        yield int(rng.integers(14, 40)), kernel_size, stride, padding, dilation


@count.mistake
def padding_in_total(size, kernel_size, stride, padding, dilation):
    """Padding is added on *each* side, so the row grows by `2 * padding`."""
    return (size + padding - dilation * (kernel_size - 1) - 1) // stride + 1


@count.mistake
def padding_forgotten(size, kernel_size, stride, padding, dilation):
    """The row is longer than `size`: padding comes on both sides."""
    return (size - dilation * (kernel_size - 1) - 1) // stride + 1


@count.mistake
def stride_forgotten(size, kernel_size, stride, padding, dilation):
    """The walk takes only every `stride`-th start."""
    return size + 2 * padding - dilation * (kernel_size - 1)


@count.mistake
def dilation_forgotten(size, kernel_size, stride, padding, dilation):
    """A dilated window is longer: from its first to its last pixel are `dilation * (kernel_size - 1)`."""
    return (size + 2 * padding - kernel_size) // stride + 1


@count.mistake
def dilation_times_the_kernel(size, kernel_size, stride, padding, dilation):
    """Between `kernel_size` pixels are `kernel_size - 1` steps: multiply these by `dilation`."""
    return (size + 2 * padding - dilation * kernel_size) // stride + 1


@count.mistake
def ceiling_for_floor(size, kernel_size, stride, padding, dilation):
    """A window that hangs over the end does not count: round down, not up."""
    return -(-(size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride) + 1


@count.mistake
def last_window_forgotten(size, kernel_size, stride, padding, dilation):
    """One too few: the window that begins at 0 counts, too."""
    return (size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride


@count.mistake
def one_pixel_over_the_end(size, kernel_size, stride, padding, dilation):
    """The window may hang over the end by one pixel: the row's last pixel has the number `size + 2 * padding - 1`, so compare with `<`, not with `<=`."""
    road, reach = size + 2 * padding, dilation * (kernel_size - 1)
    return sum(start + reach <= road for start in range(0, road, stride))


@count.mistake
def touching_the_end_refused(size, kernel_size, stride, padding, dilation):
    """A window that ends with the row's last pixel is left out, but it still fits: its last pixel may be `size + 2 * padding - 1`."""
    road, reach = size + 2 * padding, dilation * (kernel_size - 1)
    return sum(start + reach < road - 1 for start in range(0, road, stride))


@count.mistake
def divided_without_rounding(size, kernel_size, stride, padding, dilation):
    """A number of windows is whole: divide with `//`."""
    return (size + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1


weights = NumberExercise(
    "convolution/how-many-weights",
    title="How many numbers does it learn?",
    level="warm-up",
    minutes=4,
    statement="""
        A convolutional layer takes {channels} channels and gives {maps} maps, with kernels of {rows}×{columns} and a bias.
        How many parameters does it have?
    """,
    hints=["Each map has one kernel for every channel, and one bias."],
)


@weights.cases
def weights_cases(rng):
    """Numbers for the statement."""
    rows, columns = (int(n) for n in rng.choice([1, 2, 3, 5, 7], 2, replace=False))
    channels, maps = (int(n) for n in rng.choice([3, 4, 6, 8, 12, 16], 2, replace=False))
    return {"channels": channels, "maps": maps, "rows": rows, "columns": columns}


@weights.solution
def count_parameters(channels, maps, rows, columns):
    """Return the weights and biases of a layer."""
    return maps * (channels * rows * columns + 1)


@weights.mistake
def bias_forgotten(channels, maps, rows, columns):
    """Every map has a bias, too."""
    return maps * channels * rows * columns


@weights.mistake
def one_bias_for_all(channels, maps, rows, columns):
    """Every map has a bias of its own, not all together one."""
    return maps * channels * rows * columns + 1


@weights.mistake
def channels_shared(channels, maps, rows, columns):
    """A map has another kernel for every channel; the channels do not share one."""
    return maps * (rows * columns + 1)


@weights.mistake
def bias_for_each_channel(channels, maps, rows, columns):
    """The sum over the channels gets one bias for a map, not one for each channel."""
    return maps * channels * (rows * columns + 1)


@weights.mistake
def one_map_only(channels, maps, rows, columns):
    """That is one map; there are several."""
    return channels * rows * columns + 1


rgb = ChoiceExercise(
    "convolution/three-channels-in",
    title="What becomes of three channels?",
    level="warm-up",
    minutes=3,
    statement="""
        A photograph has 3 channels, and a layer has 64 filters.
        What happens to the 3 results that one filter has, one for each channel?
    """,
    options=[
        Option(
            "They are summed, with a bias, into one map.",
            "One filter gives one map: its three results are added up. Sixty-four filters give 64 maps.",
            right=True,
        ),
        Option(
            "They are put one behind the other, and give 3 maps.",
            "Then 64 filters would give 192 maps. The results of one filter are *summed*; only the filters' maps are stacked.",
        ),
        Option(
            "They are averaged into one map.",
            "A sum, not a mean: a filter that reads twice as many channels has twice as many terms, and nobody divides by their number.",
        ),
        Option(
            "The largest of the three is kept at every pixel.",
            "That would be a maximum over channels. A convolution is linear: it adds up weighted numbers.",
        ),
    ],
    hints=["How many numbers has the bias of such a layer?"],
)

corner = ChoiceExercise(
    "convolution/a-corner-with-padding",
    title="A corner with padding",
    level="warm-up",
    minutes=3,
    statement="""
        A 3×3 filter with stride 1 and padding 1 slides over a photograph, and gives one map.
        In how many of the outputs in this map does the pixel in the upper left corner take part?
    """,
    options=[
        Option(
            "In 4, and a pixel in the middle in 9.",
            "The windows that read the corner are centred on it, on its right and lower neighbours, and on the one between them. Padding keeps the size; it makes the counts less unequal, not equal.",
            right=True,
        ),
        Option(
            "In 9, like all pixels: that is what padding is for.",
            "All nine windows would have to be centred on the corner or around it, and five of those centres lie outside the image, where padding 1 makes no output. It takes padding 2, and then the output is larger than the image.",
        ),
        Option(
            "In 1, and a pixel in the middle in 9.",
            "That is so without padding. With padding 1 there are outputs whose windows hang over the border, and some of these read the corner, too.",
        ),
        Option(
            "In 6, and a pixel in the middle in 9.",
            "Six is the count of a pixel in the middle of an edge. A corner lies on two edges, and loses windows on both.",
        ),
        Option(
            "In none: its windows read zeros.",
            "The zeros stand around the image, not in place of its pixels. Windows at the border read some zeros and some pixels.",
        ),
    ],
    hints=[
        "An output reads the corner if its window's middle is the corner itself or one of its neighbours. How many of these nine places are in the image?"
    ],
)

later = NumberExercise(
    "convolution/two-layers-later",
    title="Two layers later",
    level="warm-up",
    minutes=5,
    statement="""
        A row of {size} pixels goes through two layers, one after the other.
        Both have kernels of {kernel_size} weights, stride {stride} and padding {padding} (as torch counts it).
        How many outputs has the second layer?
    """,
    hints=[
        "Use the formula of the section *How large is the output?*, and then once more.",
        "Round down after the first layer, before you go on: there is no half output for the second to read.",
    ],
)


@later.cases
def later_cases(rng):
    """Draw a row and a layer with a stride."""
    kernel_size, stride = int(rng.integers(3, 8)), int(rng.integers(2, 4))
    size, padding = int(rng.integers(40, 120)), int(rng.integers(1, 4))
    return {"size": size, "kernel_size": kernel_size, "stride": stride, "padding": padding}


@later.solution
def size_two_layers_later(size, kernel_size, stride, padding):
    """Return the outputs of two equal layers."""
    for _ in range(2):
        size = (size + 2 * padding - kernel_size) // stride + 1
    return size


@later.mistake
def second_layer_forgotten(size, kernel_size, stride, padding):
    """That is what the first layer puts out; the second one reads these outputs."""
    return (size + 2 * padding - kernel_size) // stride + 1


@later.mistake
def padding_added_once(size, kernel_size, stride, padding):
    """Padding comes on both sides: the row grows by two times the padding, before each layer."""
    for _ in range(2):
        size = (size + padding - kernel_size) // stride + 1
    return size


@later.mistake
def padding_in_neither(size, kernel_size, stride, padding):
    """The padding is missing; it lengthens the row on both sides, before each layer."""
    for _ in range(2):
        size = (size - kernel_size) // stride + 1
    return size


@later.mistake
def first_window_forgotten(size, kernel_size, stride, padding):
    """The division counts the steps; with the window before the first step there is one output more, in each layer."""
    for _ in range(2):
        size = (size + 2 * padding - kernel_size) // stride
    return size


@later.mistake
def strides_left_out(size, kernel_size, stride, padding):
    """The stride is left out: each layer keeps only one output in so many."""
    return size + 4 * padding - 2 * kernel_size + 2


@later.mistake
def rounded_up_twice(size, kernel_size, stride, padding):
    """Round down: a window that hangs over the end of the padded row is no output."""
    for _ in range(2):
        size = -(-(size + 2 * padding - kernel_size) // stride) + 1
    return size


place = FunctionExercise(
    "convolution/one-place",
    title="One place of all maps",
    level="core",
    minutes=10,
    statement="""
        Write `one_place(image, weight, bias, stride, i, j)`: what all filters of a layer answer at row i and column j of their maps.
        `image` is one image, an array (C, H, W), perhaps of bytes; `weight` is (K, C, R, S), and `bias` an array of floats, (K,).
        The layer has no padding, and the same stride for rows and columns; rows and columns of the maps are counted from 0.
        Return the K answers as an array of floats, (K,).
    """,
    hints=[
        "The window of output row i begins at row `i * stride` of the image and has R rows; the columns go likewise.",
        "`weight * window` has the shape (K, C, R, S): the window is multiplied by each filter. Which axes have to be added up?",
        "All but the first: `.sum(axis=(1, 2, 3))`. Then add the bias.",
    ],
)


@place.solution
def one_place(image, weight, bias, stride, i, j):
    """Return what every filter answers at row i, column j."""
    R, S = weight.shape[2:]
    top, left = i * stride, j * stride
    window = image[:, top : top + R, left : left + S]
    return (weight * window).sum(axis=(1, 2, 3)) + bias


@place.also
def place_by_loops(image, weight, bias, stride, i, j):
    """The equation of the chapter, one product after the other."""
    answers = [float(b) for b in bias]
    for k, c, r, q in np.ndindex(weight.shape):
        answers[k] += float(weight[k, c, r, q]) * float(image[c, i * stride + r, j * stride + q])
    return np.array(answers)


@place.also
def place_of_a_layer(image, weight, bias, stride, i, j):
    """Compute the whole layer, and take one place."""
    return conv2d(image[None], weight, bias, stride)[0, :, i, j]


@place.also
def place_by_torch(image, weight, bias, stride, i, j):
    """The same with PyTorch."""
    import torch

    x, w, b = (torch.tensor(np.array(a, dtype=float)) for a in (image[None], weight, bias))
    return torch.nn.functional.conv2d(x, w, b, stride)[0, :, i, j].numpy()


@place.cases
def place_cases(rng):
    """The chapter's three channels, other small ones by hand, then random layers."""
    red, green, blue = (
        [[1, 2, 3], [4, 5, 6], [7, 8, 9]],
        [[1, 0, 1], [0, 2, 0], [1, 0, 1]],
        np.eye(3),
    )
    tiny = np.array([red, green, 5 * blue[::-1]])
    kernels = np.array([[[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[-1, 0], [0, 0]]]])
    yield tiny, kernels, np.array([1.0]), 1, 0, 1
    wide = np.arange(24).reshape(1, 4, 6)
    two = np.array([[[[1, 2, 0]]], [[[0, -1, 3]]]])
    yield wide, two, np.array([0.0, 10.0]), 1, 2, 1
    yield wide, two, np.array([0.5, -2.0]), 3, 0, 1
    yield wide, two, np.array([0.0, 1.0]), 2, 1, 0
    pair = np.stack([wide[0, :, :5], 30 - wide[0, :, :5] ** 2])
    yield pair, np.array([[[[1, 2], [0, 1]], [[-1, 0], [3, 1]]]]), np.array([4.0]), 2, 0, 1
    for C, K, stride, shape in [
        (3, 4, 1, (3, 2)),
        (2, 3, 2, (2, 4)),
        (4, 2, 3, (1, 3)),
        (1, 5, 2, (3, 3)),
    ]:
        i, j = (int(n) for n in rng.integers(0, 3, size=2))
        H, W = (stride * 2 + size + int(rng.integers(0, 3)) for size in shape)
        yield (
            rng.normal(size=(C, H, W)),
            rng.normal(size=(K, C, *shape)),
            rng.normal(size=K),
            stride,
            i,
            j,
        )
    bytes_ = rng.integers(0, 256, size=(3, 8, 7), dtype=np.uint8)
    yield bytes_, rng.normal(size=(4, 3, 3, 2)), rng.normal(size=4), 2, 1, 2
    small = _quarters(rng, 2, 6, 7, dtype=np.float32)
    yield small, _quarters(rng, 3, 2, 2, 3, dtype=np.float32), _quarters(rng, 3), 2, 2, 1
    yield (
        rng.normal(size=(12, 7, 3)).T[:, :, ::2],
        rng.normal(size=(2, 3, 3, 2)),
        rng.normal(size=2),
        2,
        1,
        0,
    )


def _products(image, weight, top, left):
    """Return the window from a place on, times each filter: (K, C, R, S)."""
    R, S = weight.shape[2:]
    return weight * image[:, top : top + R, left : left + S]


@place.mistake
def bias_left_out(image, weight, bias, stride, i, j):
    """The bias is missing: each filter adds its own to the sum."""
    return _products(image, weight, i * stride, j * stride).sum((1, 2, 3)) * 1.0


@place.mistake
def bias_of_every_channel(image, weight, bias, stride, i, j):
    """The bias is added once for every channel; a filter has one, which is added to the whole sum once."""
    return _products(image, weight, i * stride, j * stride).sum((1, 2, 3)) + len(image) * bias


@place.mistake
def stride_ignored(image, weight, bias, stride, i, j):
    """The stride is left out: output (i, j) reads the window that begins `stride` times as far down and to the right."""
    return _products(image, weight, i, j).sum((1, 2, 3)) + bias


@place.mistake
def stride_for_rows_only(image, weight, bias, stride, i, j):
    """The stride counts for the rows only; the columns take the same steps."""
    return _products(image, weight, i * stride, j).sum((1, 2, 3)) + bias


@place.mistake
def square_kernels_only(image, weight, bias, stride, i, j):
    """It works for square kernels only: the window has R rows and S columns."""
    R, top, left = weight.shape[2], i * stride, j * stride
    window = image[:, top : top + R, left : left + R]
    return (weight * window).sum((1, 2, 3)) + bias


@place.mistake
def row_for_column(image, weight, bias, stride, i, j):
    """Rows and columns are swapped: i is the row and comes first."""
    return _products(image, weight, j * stride, i * stride).sum((1, 2, 3)) + bias


@place.mistake
def channels_averaged(image, weight, bias, stride, i, j):
    """The channels are averaged; their results are added up."""
    return _products(image, weight, i * stride, j * stride).sum((2, 3)).mean(1) + bias


@place.mistake
def channels_kept_apart(image, weight, bias, stride, i, j):
    """There is one number for each filter *and* channel; a filter's channels are added up to one number."""
    return _products(image, weight, i * stride, j * stride).sum((2, 3)) + bias[:, None]


@place.mistake
def kernels_turned(image, weight, bias, stride, i, j):
    """The kernels are turned by 180°, as in the convolution of mathematics; the layers of networks do not turn them."""
    return _products(image, weight[..., ::-1, ::-1], i * stride, j * stride).sum((1, 2, 3)) + bias


mixing = FunctionExercise(
    "convolution/mix-the-channels",
    title="A matrix for every pixel",
    level="core",
    minutes=10,
    statement="""
        Write `mix_channels(x, matrix)`: a 1×1 layer without a bias.
        `x` is a batch of images, (N, C, H, W), perhaps of bytes, and `matrix` an array of floats, (K, C).
        At every pixel of every image, the K new channels are the matrix times the C old ones.
        Return them as an array of floats, (N, K, H, W).
    """,
    hints=[
        "At one pixel it is `matrix @ x[n, :, i, j]`. Write it so, with loops, before you get rid of them.",
        "`matrix @ columns` multiplies every column of an array (N, C, …) by the matrix. So put all pixels of an image into one row first, and back into H×W afterwards.",
        "`x.reshape(N, C, H * W)` keeps the channels apart; `x.reshape(N, H * W, C)` would not move any axis, but mix everything up. (Or make kernels of the matrix, `matrix[:, :, None, None]`, and let `conv2d` do it.)",
    ],
)


@mixing.solution
def mix_channels(x, matrix):
    """Return the matrix times the channels of each pixel."""
    N, C, H, W = x.shape
    columns = matrix @ x.reshape(N, C, H * W)  # (N, K, H·W)
    return columns.reshape(N, len(matrix), H, W)


@mixing.also
def mix_by_einsum(x, matrix):
    """The sum over c, as in the equation."""
    return np.einsum("kc,nchw->nkhw", matrix, x)


@mixing.also
def mix_by_conv2d(x, matrix):
    """The layer itself."""
    return conv2d(x.astype(float), matrix[:, :, None, None])


@mixing.also
def mix_by_torch(x, matrix):
    """PyTorch's dense layer acts on the last axis."""
    import torch

    pixels = torch.tensor(np.array(x, dtype=float)).permute(0, 2, 3, 1)
    mixed = torch.nn.functional.linear(pixels, torch.tensor(np.array(matrix, dtype=float)))
    return mixed.permute(0, 3, 1, 2).numpy()


@mixing.cases
def mixing_cases(rng):
    """Small images by hand, then all kinds of shapes."""
    colours = np.array([[[[1, 2, 3]], [[4, 5, 6]]]])
    yield colours, np.array([[1.0, 10.0]])
    yield np.arange(8).reshape(2, 2, 1, 2), np.array([[1.0, 1.0], [0.0, -1.0], [2.0, 0.5]])
    yield np.arange(8).reshape(1, 2, 2, 2), np.array([[0.0, 1.0], [3.0, 0.0]])
    yield (
        np.arange(18).reshape(1, 3, 3, 2),
        np.array([[1.0, 0.0, -1.0], [0.0, 2.0, 0.0], [1.0, 1.0, 1.0]]),
    )
    for N, C, K, H, W in [(2, 3, 5, 4, 3), (1, 4, 2, 3, 5), (3, 2, 2, 2, 4), (2, 3, 1, 3, 3)]:
        yield rng.normal(size=(N, C, H, W)), rng.normal(size=(K, C))
    yield rng.integers(0, 256, size=(2, 3, 4, 5), dtype=np.uint8), rng.normal(size=(4, 3))
    yield _quarters(rng, 2, 4, 3, 2, dtype=np.float32), _quarters(rng, 3, 4, dtype=np.float32)
    yield rng.normal(size=(2, 5, 8, 3)).transpose(0, 3, 1, 2)[..., ::2], rng.normal(size=(2, 3))


@mixing.mistake
def new_channels_first(x, matrix):
    """The axes come in another order: the result of `np.tensordot` begins with the new channels, but the images come first."""
    return np.tensordot(matrix, x, axes=(1, 1))


@mixing.mistake
def matrix_upside_down(x, matrix):
    """The matrix is transposed: its rows are the new channels, its columns the old ones."""
    return np.einsum("ck,nchw->nkhw", matrix, x)


@mixing.mistake
def reshaped_for_moved(x, matrix):
    """`reshape` does not move an axis: it reads the same numbers in the same order, and mixes pixels with channels. Keep the channels in their place, or use `transpose`."""
    N, C, H, W = x.shape
    return (x.reshape(N, H * W, C) @ matrix.T).reshape(N, len(matrix), H, W)


@mixing.mistake
def rows_mixed(x, matrix):
    """`matrix @ x` mixes the rows of the images, for these are the last axis but one; the channels are to be mixed."""
    return matrix @ x


@mixing.mistake
def columns_of_pixels_mixed(x, matrix):
    """The columns of the images are mixed, the last axis; the channels are to be mixed."""
    return x @ matrix.T


@mixing.mistake
def mean_over_channels(x, matrix):
    """The products are averaged over the channels; they are added up."""
    return mix_channels(x, matrix) / x.shape[1]


@mixing.mistake
def one_weight_a_channel(x, matrix):
    """Each channel is only multiplied by a number; every new channel is a sum over all old ones."""
    return x * matrix.sum(0)[:, None, None]


coverage = FunctionExercise(
    "convolution/how-often-is-a-pixel-read",
    title="How often is a pixel read?",
    level="core",
    minutes=10,
    statement="""
        Write `coverage_row(size, kernel_size)`: for each pixel of a row, the number of outputs that read it.
        The stride is 1, and there is no padding.
        The row may be short, but not shorter than the kernel.
        Return an array of whole numbers, (size,).
        It can be done without a loop and without `pixel_coverage`.
    """,
    hints=[
        "Write the counts down for a row of 7 pixels and a kernel of 3, then for 5 pixels and a kernel of 4. How do they begin, and how do they end?",
        "Near the beginning pixel i is read by i + 1 windows, near the end by size − i, in between by all kernel_size: `np.minimum`.",
        "In a row of 5 pixels, a kernel of 4 has two windows. So no pixel is read more than twice, whatever the kernel's size.",
    ],
)


@coverage.solution
def coverage_row(size, kernel_size):
    """Return in how many outputs each pixel of a row takes part."""
    i = np.arange(size)
    most = min(kernel_size, size - kernel_size + 1)
    return np.minimum(np.minimum(i + 1, size - i), most)


@coverage.also
def coverage_by_windows(size, kernel_size):
    """Mark the pixels of one window after the other."""
    counts = np.zeros(size, dtype=int)
    for start in range(size - kernel_size + 1):
        counts[start : start + kernel_size] += 1
    return counts


@coverage.also
def coverage_by_convolution(size, kernel_size):
    """Every output hands a 1 back to each pixel that it reads."""
    return np.convolve(np.ones(size - kernel_size + 1, dtype=int), np.ones(kernel_size, dtype=int))


@coverage.also
def coverage_by_package(size, kernel_size):
    """A row is an image of one row."""
    return pixel_coverage((1, size), (1, kernel_size))[0]


@coverage.cases
def coverage_cases(rng):
    """Long and short rows by hand, then random ones."""
    yield from [(7, 3), (8, 4), (5, 4), (6, 1), (4, 4), (3, 2), (9, 6)]
    for _ in range(5):
        kernel_size = int(rng.integers(2, 9))
        yield int(rng.integers(kernel_size, 4 * kernel_size)), kernel_size


@coverage.mistake
def short_rows_forgotten(size, kernel_size):
    """It is right for long rows only: in a row that is shorter than about two kernels there are fewer windows than the kernel has weights."""
    i = np.arange(size)
    return np.minimum(np.minimum(i + 1, size - i), kernel_size)


@coverage.mistake
def end_forgotten(size, kernel_size):
    """The counts rise at the beginning, but they must fall again at the end: the last pixel is read once."""
    return np.minimum(np.arange(size) + 1, min(kernel_size, size - kernel_size + 1))


@coverage.mistake
def rim_never_read(size, kernel_size):
    """The first pixel and the last one come out as 0; each is read by one window."""
    i = np.arange(size)
    most = min(kernel_size, size - kernel_size + 1)
    return np.minimum(np.minimum(i, size - 1 - i), most)


@coverage.mistake
def all_alike(size, kernel_size):
    """All pixels have the same count; those near the ends are read by fewer windows."""
    return np.full(size, kernel_size)


@coverage.mistake
def as_with_padding(size, kernel_size):
    """That is the count with *same* padding; here there is none, and the first pixel is read once."""
    return np.convolve(np.ones(size, dtype=int), np.ones(kernel_size, dtype=int))[
        (kernel_size - 1) // 2 :
    ][:size]


@coverage.mistake
def windows_for_pixels(size, kernel_size):
    """There is one number for each window; give one for each pixel."""
    return np.full(size - kernel_size + 1, kernel_size)


@coverage.mistake
def last_window_missed(size, kernel_size):
    """One window is missing: the last one begins at `size - kernel_size`, and that start counts, too."""
    counts = np.zeros(size, dtype=int)
    for start in range(size - kernel_size):
        counts[start : start + kernel_size] += 1
    return counts


holes = FunctionExercise(
    "convolution/holes-in-the-kernel",
    title="Holes in the kernel",
    level="core",
    minutes=10,
    statement="""
        Write `dilate_kernel(weight, dilation)`: kernels with zeros in their gaps, so that an ordinary convolution with them is a dilated one with `weight`.
        `weight` is an array of floats, (K, C, R, S).
        Neighbouring weights of a kernel come to stand `dilation` pixels apart, in rows and in columns.
        Return a new array of floats, also if `dilation` is 1.
        It has as many rows and columns as the dilated kernel reaches over, and no more.
    """,
    hints=[
        "From the first to the last row of a kernel are R − 1 steps of `dilation` pixels. So it reaches over `dilation * (R - 1) + 1` rows.",
        "Begin with zeros of the final shape.",
        "`larger[:, :, ::dilation, ::dilation]` are the places for the weights; you can assign to it.",
    ],
    fresh=True,
)


@holes.solution
def dilate_kernel(weight, dilation):
    """Return the kernels with zeros between their weights."""
    K, C, R, S = weight.shape
    rows, columns = dilation * (R - 1) + 1, dilation * (S - 1) + 1
    larger = np.zeros((K, C, rows, columns))
    larger[:, :, ::dilation, ::dilation] = weight
    return larger


@holes.also
def dilate_by_blocks(weight, dilation):
    """Every weight becomes a block with zeros; those after the last weights are cut off."""
    corner_only = np.zeros((1, 1, dilation, dilation))
    corner_only[..., 0, 0] = 1
    blocks = np.kron(weight, corner_only)
    rest = dilation - 1
    return blocks[..., : blocks.shape[2] - rest, : blocks.shape[3] - rest]


@holes.also
def dilate_by_torch(weight, dilation):
    """A transposed convolution spreads the weights."""
    import torch

    K, C, R, S = weight.shape
    maps = torch.tensor(np.array(weight, dtype=float)).reshape(K * C, 1, R, S)
    one = torch.ones(1, 1, 1, 1, dtype=maps.dtype)
    larger = torch.nn.functional.conv_transpose2d(maps, one, stride=dilation)
    return larger.reshape(K, C, *larger.shape[2:]).numpy()


@holes.also
def dilate_by_loops(weight, dilation):
    """One weight after the other."""
    K, C, R, S = weight.shape
    larger = np.zeros((K, C, R + (R - 1) * (dilation - 1), S + (S - 1) * (dilation - 1)))
    for r in range(R):
        for q in range(S):
            larger[:, :, r * dilation, q * dilation] = weight[:, :, r, q]
    return larger


@holes.cases
def holes_cases(rng):
    """A row, a column and a square by hand, then random kernels."""
    yield np.array([[[[1.0, 2.0, 3.0]]]]), 2
    yield np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), 3
    yield np.array([[[[5.0], [6.0], [7.0]]]]), 2
    yield np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), 1
    yield np.array([[[[9.0]], [[8.0]]]]), 4
    for K, C, R, S, dilation in [
        (2, 3, 3, 2, 2),
        (1, 2, 2, 4, 3),
        (4, 1, 3, 3, 1),
        (2, 2, 1, 3, 4),
    ]:
        yield rng.normal(size=(K, C, R, S)), dilation
    yield _quarters(rng, 3, 2, 2, 3, dtype=np.float32), int(rng.integers(2, 5))
    yield rng.normal(size=(3, 6, 1, 2)).T[:, :, ::2], 2


def _spread_out(weight, rows, columns, shape):
    """Return zeros of a shape with weights `rows` and `columns` pixels apart."""
    larger = np.zeros((*weight.shape[:2], *shape))
    larger[..., : rows * weight.shape[2] : rows, : columns * weight.shape[3] : columns] = weight
    return larger


@holes.mistake
def zeros_after_the_last(weight, dilation):
    """There are zeros after the last row and column, too; a kernel ends with its last weights."""
    R, S = weight.shape[2:]
    return _spread_out(weight, dilation, dilation, (dilation * R, dilation * S))


@holes.mistake
def so_many_holes(weight, dilation):
    """There are `dilation` zeros between two weights; as torch counts, dilation is the step from weight to weight, so one zero less."""
    R, S = weight.shape[2:]
    step = dilation + 1
    return _spread_out(weight, step, step, (step * (R - 1) + 1, step * (S - 1) + 1))


@holes.mistake
def weights_repeated(weight, dilation):
    """The weights are repeated; in the gaps of a dilated kernel stand zeros."""
    larger = weight.repeat(dilation, axis=2).repeat(dilation, axis=3) * 1.0
    return larger[..., : larger.shape[2] - dilation + 1, : larger.shape[3] - dilation + 1]


@holes.mistake
def columns_not_dilated(weight, dilation):
    """Only the rows are dilated; the columns need gaps, too."""
    R, S = weight.shape[2:]
    return _spread_out(weight, dilation, 1, (dilation * (R - 1) + 1, S))


@holes.mistake
def rows_not_dilated(weight, dilation):
    """Only the columns are dilated; the rows need gaps, too."""
    R, S = weight.shape[2:]
    return _spread_out(weight, 1, dilation, (R, dilation * (S - 1) + 1))


@holes.mistake
def zeros_around(weight, dilation):
    """The zeros stand around the kernel; they belong between its weights."""
    R, S = ((dilation - 1) * (size - 1) for size in weight.shape[2:])
    sides = (0, 0), (0, 0), (R // 2, R - R // 2), (S // 2, S - S // 2)
    return np.pad(weight, sides)


@holes.mistake
def kernel_itself_returned(weight, dilation):
    """For dilation 1 it returns `weight` itself, so whoever changes the result changes the kernel; return a copy."""
    return weight if dilation == 1 else dilate_kernel(weight, dilation)


wires = FunctionExercise(
    "convolution/as-a-matrix",
    title="The layer as a matrix",
    level="core",
    minutes=12,
    statement="""
        Write `layer_matrix(kernel, size, stride)`: the matrix of a layer that slides `kernel` over a row of `size` pixels.
        `kernel` is a one-dimensional array of R floats, the weights, and the row is not shorter than the kernel.
        There is no padding and no bias.
        Return an array of floats with one row for each output and one column for each pixel, so that `matrix @ row` is the layer's output.
    """,
    hints=[
        "How many outputs are there? `output_size(size, len(kernel), stride)` knows.",
        "Begin with zeros. Row i of the matrix holds the weights at the pixels that output i reads.",
        "These are the places from `i * stride` on, R of them.",
    ],
)


@wires.solution
def layer_matrix(kernel, size, stride):
    """Return the dense matrix of a layer on a row, (outputs, pixels)."""
    R = len(kernel)
    matrix = np.zeros((output_size(size, R, stride), size))
    for i in range(len(matrix)):
        matrix[i, i * stride : i * stride + R] = kernel
    return matrix


@wires.also
def matrix_by_package(kernel, size, stride):
    """A row is an image of one row."""
    return conv2d_matrix(np.reshape(kernel, (1, 1, 1, -1)), (1, 1, size), (1, stride))


@wires.also
def matrix_by_scipy(kernel, size, stride):
    """A Toeplitz matrix, of which the stride keeps every so many rows."""
    from scipy.linalg import toeplitz

    row = np.zeros(size)
    row[: len(kernel)] = kernel
    column = np.zeros(size - len(kernel) + 1)
    column[0] = kernel[0]
    return toeplitz(column, row)[::stride]


@wires.also
def matrix_by_torch(kernel, size, stride):
    """Send rows with a single 1 through the layer: each gives a column."""
    import torch

    pixels = torch.eye(size, dtype=torch.float64)[:, None]
    weights = torch.tensor(np.array(kernel, dtype=float))[None, None]
    return torch.nn.functional.conv1d(pixels, weights, stride=stride)[:, 0].numpy().T


@wires.cases
def wires_cases(rng):
    """Short rows by hand, then random ones."""
    yield np.array([1.0, 2.0]), 4, 1
    yield np.array([1.0, 2.0, 3.0]), 7, 2
    yield np.array([4.0, -1.0, 5.0]), 6, 2
    yield np.array([1.0, 0.0, -2.0]), 3, 1
    yield np.array([2.0, 7.0]), 8, 3
    for stride in (1, 2, 3, 4):
        R = int(rng.integers(2, 6))
        yield rng.normal(size=R), int(rng.integers(R + 2, 20)), stride
    yield rng.normal(size=4).astype(np.float32), 12, 2
    yield _quarters(rng, 6, dtype=np.float32)[::-2], 9, int(rng.integers(1, 4))


def _wired(kernel, size, starts):
    """Return a matrix with the kernel from each start on; what reaches over the end is lost."""
    longer = np.zeros((len(starts), size + len(kernel)))
    for row, start in zip(longer, starts, strict=True):
        row[start : start + len(kernel)] = kernel
    return longer[:, :size]


@wires.mistake
def kernel_reversed(kernel, size, stride):
    """The weights run backwards; layers of networks do not turn the kernel."""
    return layer_matrix(kernel[::-1], size, stride)


@wires.mistake
def pixels_for_outputs(kernel, size, stride):
    """The matrix is transposed: one *row* for each output, one column for each pixel."""
    return layer_matrix(kernel, size, stride).T


@wires.mistake
def every_start_taken(kernel, size, stride):
    """There is a row for every start; the layer takes only every `stride`-th."""
    return layer_matrix(kernel, size, 1)


@wires.mistake
def rows_move_by_one(kernel, size, stride):
    """Each row of the matrix is the one above moved by one pixel; with a stride it moves by `stride` pixels."""
    return _wired(kernel, size, range(output_size(size, len(kernel), stride)))


@wires.mistake
def wrapped_around_the_end(kernel, size, stride):
    """The last rows wrap around to the beginning of the row; an output whose window does not fit is left out."""
    first = _wired(kernel, size, [0])[0]
    return np.array([np.roll(first, start) for start in range(0, size, stride)])


@wires.mistake
def cut_off_at_the_end(kernel, size, stride):
    """The last windows hang over the end; an output whose window does not fit is left out."""
    return _wired(kernel, size, range(0, size, stride))


@wires.mistake
def last_output_missing(kernel, size, stride):
    """The last output is missing: there is one more than the kernel takes steps."""
    return layer_matrix(kernel, size, stride)[:-1]


@wires.mistake
def all_rows_alike(kernel, size, stride):
    """All rows of the matrix are alike; each output reads its own window, which lies `stride` pixels further on than the one before."""
    return _wired(kernel, size, [0] * output_size(size, len(kernel), stride))


same = FunctionExercise(
    "convolution/as-tensorflow-does-it",
    title="As TensorFlow does it",
    level="core",
    minutes=12,
    statement="""
        Write `conv2d_same(x, weight, stride)`: a convolution without a bias, with TensorFlow's "SAME" padding of zeros.
        `x` is (N, C, H, W), `weight` is (K, C, R, S), and `stride` is one number for rows and columns; it may be larger than the kernel.
        Return an array of floats, (N, K, ⌈H / stride⌉, ⌈W / stride⌉).
        An odd row or column of padding stands at the end.
    """,
    hints=[
        "`same_padding(size, kernel_size, stride)` says how many pixels come before and after, along one axis. Call it once for the rows and once for the columns.",
        "`pad2d` takes four numbers: top, bottom, left, right.",
        "Then `conv2d` needs no padding of its own.",
    ],
)


@same.solution
def conv2d_same(x, weight, stride):
    """Return a convolution with TensorFlow's SAME padding."""
    (H, W), (R, S) = x.shape[2:], weight.shape[2:]
    rows, columns = same_padding(H, R, stride), same_padding(W, S, stride)
    return conv2d(pad2d(x, (*rows, *columns)), weight, stride=stride)


@same.also
def same_by_places(x, weight, stride):
    """Compute every output from its own window of an image in a wide frame."""
    (H, W), (R, S) = x.shape[2:], weight.shape[2:]
    rows, columns = -(-H // stride), -(-W // stride)
    frame = np.pad(x, ((0, 0), (0, 0), (R, R), (S, S)))
    top = R - max(0, (rows - 1) * stride + R - H) // 2
    left = S - max(0, (columns - 1) * stride + S - W) // 2
    y = np.zeros((len(x), len(weight), rows, columns))
    for i, j in np.ndindex(rows, columns):
        down, right = top + i * stride, left + j * stride
        window = frame[:, :, down : down + R, right : right + S]
        y[:, :, i, j] = np.tensordot(window, weight, axes=((1, 2, 3), (1, 2, 3)))
    return y


@same.also
def same_by_torch(x, weight, stride):
    """PyTorch, which has no SAME with a stride, gets a padded image; its `pad` begins with the columns."""
    import torch

    sides = []
    for size, kernel_size in zip(x.shape[:1:-1], weight.shape[:1:-1], strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + kernel_size - size)
        sides += [total // 2, total - total // 2]
    image, kernels = (torch.tensor(np.array(a, dtype=float)) for a in (x, weight))
    padded = torch.nn.functional.pad(image, sides)
    return torch.nn.functional.conv2d(padded, kernels, stride=stride).numpy()


@same.cases
def same_cases(rng):
    """The chapter's row and other small ones by hand, then random images."""
    yield np.arange(1, 7).reshape(1, 1, 1, 6), np.array([[[[1, 1, 1]]]]), 2
    yield np.arange(1, 7).reshape(1, 1, 6, 1), np.array([[[[1], [10], [100]]]]), 2
    yield np.arange(1.0, 13).reshape(1, 1, 3, 4), np.array([[[[1, 2], [3, 4]]]]), 1
    yield np.arange(1, 21).reshape(1, 1, 4, 5), np.array([[[[1, 0, 2]], [[0, 1, 0]]]])[:, :1], 2
    yield np.arange(1, 8).reshape(1, 1, 1, 7), np.array([[[[2]]]]), 3
    for N, C, K, shape, kernel, stride in [
        (2, 3, 4, (6, 7), (3, 3), 2),
        (1, 2, 3, (5, 8), (4, 2), 1),
        (2, 1, 2, (7, 10), (2, 5), 3),
        (1, 2, 2, (9, 5), (1, 2), 4),
    ]:
        yield rng.normal(size=(N, C, *shape)), rng.normal(size=(K, C, *kernel)), stride
    yield rng.integers(0, 256, size=(1, 3, 6, 8), dtype=np.uint8), rng.normal(size=(2, 3, 3, 4)), 2
    yield _quarters(rng, 2, 2, 8, 5, dtype=np.float32), _quarters(rng, 3, 2, 3, 2), 2
    yield rng.normal(size=(1, 2, 10, 7)).swapaxes(2, 3)[..., ::2], rng.normal(size=(2, 2, 3, 3)), 2


def _padded_conv(x, weight, stride, sides):
    """Convolve after padding by top, bottom, left, right."""
    return conv2d(pad2d(x, sides), weight, stride=stride)


@same.mistake
def torchs_padding(x, weight, stride):
    """That is torch's padding, half of the kernel on every side; with a stride, SAME needs less, and puts an odd pixel at the end."""
    R, S = weight.shape[2:]
    return conv2d(x, weight, stride=stride, padding=(R // 2, S // 2))


@same.mistake
def odd_pixel_first(x, weight, stride):
    """The odd row or column of padding stands at the beginning; TensorFlow puts it at the end."""
    (H, W), (R, S) = x.shape[2:], weight.shape[2:]
    sides = *same_padding(H, R, stride)[::-1], *same_padding(W, S, stride)[::-1]
    return _padded_conv(x, weight, stride, sides)


@same.mistake
def stride_not_considered(x, weight, stride):
    """It pads as for stride 1; how much SAME pads depends on the stride."""
    (H, W), (R, S) = x.shape[2:], weight.shape[2:]
    return _padded_conv(x, weight, stride, (*same_padding(H, R), *same_padding(W, S)))


@same.mistake
def columns_before_rows(x, weight, stride):
    """The padding of rows and columns is swapped: `pad2d` takes top, bottom, left, right, and `x` has its rows in axis 2."""
    (H, W), (R, S) = x.shape[2:], weight.shape[2:]
    sides = *same_padding(W, S, stride), *same_padding(H, R, stride)
    return _padded_conv(x, weight, stride, sides)


@same.mistake
def padded_for_rows_only(x, weight, stride):
    """The columns get the rows' padding, which is right for square images and kernels only."""
    sides = same_padding(x.shape[2], weight.shape[2], stride)
    return _padded_conv(x, weight, stride, (*sides, *sides))


@same.mistake
def border_repeated(x, weight, stride):
    """The padding repeats the border; SAME pads with zeros."""
    (H, W), (R, S) = x.shape[2:], weight.shape[2:]
    sides = *same_padding(H, R, stride), *same_padding(W, S, stride)
    return conv2d(pad2d(x, sides, "replicate"), weight, stride=stride)


@same.mistake
def kernel_smaller_than_the_stride(x, weight, stride):
    """It fails where the stride is larger than the kernel: the padding comes out below zero, and has to be 0 then."""
    sides = []
    for size, kernel_size in zip(x.shape[2:], weight.shape[2:], strict=True):
        total = (-(-size // stride) - 1) * stride + kernel_size - size
        sides += [total // 2, total - total // 2]
    return _padded_conv(x, weight, stride, sides)


@same.mistake
def not_padded(x, weight, stride):
    """There is no padding, so windows at the border are missing."""
    return conv2d(x, weight, stride=stride)


share = FunctionExercise(
    "convolution/what-separating-saves",
    title="What separating saves",
    level="core",
    minutes=8,
    statement="""
        Write `separable_share(channels, maps, kernel_size)`: the number of weights of a depthwise-separable layer, divided by that of an ordinary layer.
        The separable one is a depthwise layer from C channels to C channels, and then a 1×1 layer from C channels to K maps.
        The ordinary one goes from C channels to K maps at once.
        `channels` is C, `maps` is K, kernels have `kernel_size` rows and as many columns, and nobody has biases.
        Return one number.
        Then look at your result: does it depend on C?
    """,
    hints=[
        "Depthwise, each channel has one kernel: C·R². Then 1×1: C·K.",
        "Ordinary: each of K filters has a kernel for each of C channels, C·K·R². In the fraction, every term has a factor C.",
    ],
)


@share.solution
def separable_share(channels, maps, kernel_size):
    """Return a separable layer's weights over those of an ordinary one."""
    area = kernel_size**2
    separable = channels * area + channels * maps
    return separable / (channels * maps * area)


@share.also
def share_in_short(channels, maps, kernel_size):
    """Without C, which cancels."""
    return 1 / maps + 1 / kernel_size**2


@share.also
def share_by_counting(channels, maps, kernel_size):
    """Let `layer_cost` count both."""
    ordinary = {"out_channels": maps, "kernel_size": kernel_size, "bias": False}
    depthwise = ordinary | {"out_channels": channels, "groups": channels}
    pointwise = ordinary | {"kernel_size": 1}
    shape = channels, kernel_size, kernel_size
    one, two = (
        layer_cost(shape, layers)["parameters"] for layers in (ordinary, [depthwise, pointwise])
    )
    return two / one


@share.also
def share_by_torch(channels, maps, kernel_size):
    """Build both, and count."""
    from torch import nn

    depthwise = nn.Conv2d(channels, channels, kernel_size, groups=channels, bias=False)
    pointwise = nn.Conv2d(channels, maps, 1, bias=False)
    ordinary = nn.Conv2d(channels, maps, kernel_size, bias=False)
    return (depthwise.weight.numel() + pointwise.weight.numel()) / ordinary.weight.numel()


@share.cases
def share_cases(rng):
    """The chapter's numbers first, then random layers."""
    yield from [(8, 16, 3), (64, 64, 3), (1, 1, 1), (1, 2, 5), (3, 7, 2)]
    for _ in range(5):
        yield tuple(int(n) for n in rng.integers((2, 2, 2), (40, 40, 8)))


@share.mistake
def upside_down(channels, maps, kernel_size):
    """The fraction is upside down: divide the separable layer's weights by the ordinary one's."""
    return 1 / separable_share(channels, maps, kernel_size)


@share.mistake
def mixing_left_out(channels, maps, kernel_size):
    """The 1×1 layer is missing: the depthwise one alone does not mix the channels."""
    return 1 / maps


@share.mistake
def depthwise_left_out(channels, maps, kernel_size):
    """The depthwise layer is missing: it has one kernel for each channel."""
    return 1 / kernel_size**2


@share.mistake
def kernels_for_maps(channels, maps, kernel_size):
    """The depthwise layer has one kernel for each *channel* that comes in; the maps are made by the 1×1 layer after it."""
    area = kernel_size**2
    return (maps * area + channels * maps) / (channels * maps * area)


@share.mistake
def side_for_area(channels, maps, kernel_size):
    """A kernel has as many columns as rows: `kernel_size` squared weights, not `kernel_size`."""
    return 1 / maps + 1 / kernel_size


@share.mistake
def biases_counted(channels, maps, kernel_size):
    """Biases are counted, but nobody has any here."""
    area = kernel_size**2
    separable = channels * (area + 1) + maps * (channels + 1)
    return separable / (maps * (channels * area + 1))


@share.mistake
def layers_multiplied(channels, maps, kernel_size):
    """The weights of two layers, one after the other, are added, not multiplied."""
    area = kernel_size**2
    return channels * area * channels * maps / (channels * maps * area)


@share.mistake
def whole_share(channels, maps, kernel_size):
    """`//` cuts off all digits behind the point; divide with `/`."""
    area = kernel_size**2
    return float((channels * area + channels * maps) // (channels * maps * area))


heavy = FunctionExercise(
    "convolution/where-are-the-weights-heavier",
    title="Where are the weights heavier?",
    level="core",
    minutes=10,
    statement="""
        Write `weights_outweigh(channels, side)`: do the weights of a layer take more memory than its output?
        The layer has 3×3 kernels, as many maps as `channels`, no bias, and padding 1.
        It reads one image of `side` rows and `side` columns.
        Weights and outputs are float32, 4 bytes each.
        Return True if the weights take more, and False if they take less or just as much.
        Then walk through a network whose side halves while its channels double, from 64 channels at 224 pixels to 1,024 at 14: where does it turn round?
    """,
    hints=[
        "How many numbers are the weights, and how many the output? Take C for `channels`.",
        "Each of C filters has C kernels of nine weights; each of C maps has side² numbers.",
        "Both have 4 bytes a number, so compare the numbers. Or let `layer_cost` count `parameters` and `output_bytes`.",
    ],
)


@heavy.solution
def weights_outweigh(channels, side):
    """Say whether a 3×3 layer's weights take more memory than its output."""
    weights = channels * channels * 3 * 3
    outputs = channels * side * side
    return weights > outputs


@heavy.also
def outweigh_by_counting(channels, side):
    """Let `layer_cost` count."""
    layer = {"out_channels": channels, "kernel_size": 3, "padding": 1, "bias": False}
    cost = layer_cost((channels, side, side), layer)
    return 4 * cost["parameters"] > cost["output_bytes"]


@heavy.also
def outweigh_in_short(channels, side):
    """Without the factors that both have."""
    return np.bool_(9 * channels > side**2)


@heavy.cases
def heavy_cases(rng):
    """Layers by hand, one of which is in balance, then random ones near the balance."""
    yield from [
        (512, 7),
        (64, 224),
        (4, 6),
        (5, 6),
        (9, 6),
        (10, 5),
        (8, 4),
        (5, 2),
        (4, 10),
        (1, 8),
    ]
    for low, high in [(0.3, 0.9), (1.1, 3)] * 4:  # as many of the one as of the other
        side = int(rng.integers(12, 40))
        yield int(side**2 / 9 * rng.uniform(low, high)), side


@heavy.mistake
def less_for_more(channels, side):
    """The other way round: True is for weights that take *more* than the output."""
    return 9 * channels < side**2


@heavy.mistake
def balance_counted(channels, side):
    """Where both take just as much, the answer is False: compare with `>`, not with `>=`."""
    return 9 * channels >= side**2


@heavy.mistake
def numbers_against_bytes(channels, side):
    """The *number* of weights is compared with the *bytes* of the output; a weight takes 4 bytes, too."""
    return 9 * channels > 4 * side**2


@heavy.mistake
def weights_of_one_filter(channels, side):
    """These are the weights of one filter; there are as many filters as maps."""
    return side**2 < 9


@heavy.mistake
def one_map_of_outputs(channels, side):
    """The output has not one map, but as many as there are filters."""
    return 9 * channels**2 > side**2


@heavy.mistake
def kernel_area_forgotten(channels, side):
    """Each kernel has nine weights, not one."""
    return channels > side**2


@heavy.mistake
def three_for_nine(channels, side):
    """A 3×3 kernel has nine weights, not three."""
    return 3 * channels > side**2


@heavy.mistake
def input_counted_too(channels, side):
    """The input is counted, too; the question is about the output alone."""
    return 9 * channels > 2 * side**2


@heavy.mistake
def side_not_squared(channels, side):
    """A map has `side` rows *and* `side` columns."""
    return 9 * channels > side


products = NumberExercise(
    "convolution/how-many-multiplications",
    title="How many multiplications?",
    level="core",
    minutes=6,
    statement="""
        A layer reads one image of {channels} channels with {rows} rows and {columns} columns.
        It has {maps} filters of {kernel_size}×{kernel_size}, stride 2, and so much padding that half as many rows and half as many columns come out.
        How many multiplications does it take?
        (Products with the zeros of the padding count, too.)
    """,
    hints=[
        "How many numbers does the layer put out, all maps together?",
        "Each of them takes one product for every weight of its filter.",
    ],
)


@products.cases
def products_cases(rng):
    """Draw an image with even sides and a layer."""
    rows, columns = (2 * int(n) for n in rng.choice(np.arange(20, 80), 2, replace=False))
    channels, maps = (int(n) for n in rng.choice([3, 4, 6, 8, 12, 16, 24], 2, replace=False))
    sizes = {"rows": rows, "columns": columns, "channels": channels, "maps": maps}
    return sizes | {"kernel_size": int(rng.choice([3, 5, 7]))}


@products.solution
def count_products(rows, columns, channels, maps, kernel_size):
    """Return the multiplications of a layer with stride 2."""
    outputs = maps * (rows // 2) * (columns // 2)
    return outputs * channels * kernel_size**2


@products.mistake
def stride_without_effect(rows, columns, channels, maps, kernel_size):
    """With stride 2 the maps have half as many rows and half as many columns, and what is not put out costs nothing."""
    return maps * rows * columns * channels * kernel_size**2


@products.mistake
def half_for_a_quarter(rows, columns, channels, maps, kernel_size):
    """Half as many rows *and* half as many columns are a quarter of the places."""
    return maps * (rows // 2) * columns * channels * kernel_size**2


@products.mistake
def one_channel_only(rows, columns, channels, maps, kernel_size):
    """A filter has a kernel for each channel, so an output takes products from all of them."""
    return maps * (rows // 2) * (columns // 2) * kernel_size**2


@products.mistake
def one_filter_only(rows, columns, channels, maps, kernel_size):
    """That is the work for one map; each filter makes one."""
    return (rows // 2) * (columns // 2) * channels * kernel_size**2


@products.mistake
def one_row_of_the_kernel(rows, columns, channels, maps, kernel_size):
    """A kernel has as many columns as rows: its weights are the square of the size."""
    return maps * (rows // 2) * (columns // 2) * channels * kernel_size


@products.mistake
def bias_multiplied(rows, columns, channels, maps, kernel_size):
    """A bias is added, not multiplied, and so takes no multiplication."""
    return maps * (rows // 2) * (columns // 2) * (channels * kernel_size**2 + 1)


@products.mistake
def weights_alone(rows, columns, channels, maps, kernel_size):
    """That is the number of weights; each is used again at every place of its map."""
    return maps * channels * kernel_size**2


threes = ChoiceExercise(
    "convolution/two-threes-for-a-five",
    title="Two threes for a five",
    level="core",
    minutes=4,
    statement="""
        In a network with C channels everywhere, somebody replaces a 5×5 layer by two 3×3 layers with a ReLU between them.
        Biases and borders apart, what is true?
    """,
    options=[
        Option(
            "An output sees as many pixels as before, and there are fewer weights; but the two layers compute other functions than the one did.",
            "Both see 5×5 pixels, with 18·C² weights instead of 25·C². With a ReLU between them the pair is not even linear.",
            right=True,
        ),
        Option(
            "The two layers can compute whatever the one could, with fewer weights.",
            "They have the same receptive field, not the same functions. Even without the ReLU, and on one channel, few 5×5 kernels are a pair of 3×3 kernels: 25 free numbers do not fit into 18.",
        ),
        Option(
            "An output sees 6×6 pixels, and there are fewer weights.",
            "Sizes do not add up: the second layer reads 3×3 outputs whose windows overlap, and each layer adds two pixels to the one. 1 + 2 + 2 = 5.",
        ),
        Option(
            "An output sees 9×9 pixels, and there are fewer weights.",
            "Sizes do not multiply: neighbouring windows are one pixel apart, not three. Each layer adds two pixels: 1 + 2 + 2 = 5.",
        ),
        Option(
            "An output sees as many pixels as before, and there are more weights, for there are more layers.",
            "Two layers of 3·3·C² weights have 18·C². That is fewer than 5·5·C².",
        ),
    ],
    hints=[
        "Count three things: the pixels that one output sees, the weights, and the numbers that you may choose freely in a 5×5 kernel."
    ],
)

sees = NumberExercise(
    "convolution/how-far-it-sees",
    title="How far does it see?",
    level="core",
    minutes=6,
    statement="""
        Three layers follow each other.
        The first has kernels of {first}×{first} and stride {stride}, the second {second}×{second} and stride {stride}, the third {third}×{third} and stride 1; none is dilated.
        How many rows of the image does one output of the third layer see?
    """,
    hints=[
        "A layer with kernel R adds R − 1 steps. How many pixels of the image is a step of the second layer, and of the third?",
        "Before the first layer a step is one pixel, after it as many as its stride, and after the second its stride times as many again.",
    ],
)


@sees.cases
def sees_cases(rng):
    """Draw three odd kernels and a stride."""
    first, second, third = (int(n) for n in rng.choice([3, 5, 7, 9, 11], 3))
    return {"first": first, "second": second, "third": third, "stride": int(rng.integers(2, 5))}


@sees.solution
def rows_seen(first, second, third, stride):
    """Return the receptive field of three layers."""
    return 1 + (first - 1) + (second - 1) * stride + (third - 1) * stride * stride


@sees.mistake
def strides_forgotten(first, second, third, stride):
    """The strides are missing: after a layer with a stride, neighbouring outputs are that many pixels apart, so the next layer reaches further."""
    return 1 + (first - 1) + (second - 1) + (third - 1)


@sees.mistake
def own_stride_counted(first, second, third, stride):
    """A layer's own stride does not widen its window; it widens the steps of the layers *after* it."""
    return 1 + (first - 1) * stride + (second - 1) * stride**2 + (third - 1) * stride**2


@sees.mistake
def strides_not_multiplied(first, second, third, stride):
    """For the third layer both strides before it count, multiplied."""
    return 1 + (first - 1) + (second - 1) * stride + (third - 1) * stride


@sees.mistake
def strides_added(first, second, third, stride):
    """The strides before the third layer are multiplied, not added: each of its steps is so many steps of the second, and each of those so many pixels."""
    return 1 + (first - 1) + (second - 1) * stride + (third - 1) * 2 * stride


@sees.mistake
def kernels_for_steps(first, second, third, stride):
    """From the first to the last of R weights are R − 1 steps, not R."""
    return first + second * stride + third * stride * stride


@sees.mistake
def pixel_itself_forgotten(first, second, third, stride):
    """One too few: the steps are counted, and the pixel from which they start is missing."""
    return (first - 1) + (second - 1) * stride + (third - 1) * stride * stride


@sees.mistake
def layers_in_reverse(first, second, third, stride):
    """The layers are taken in reverse: the first one reads the image, pixel by pixel, and the third takes the longest steps."""
    return 1 + (third - 1) + (second - 1) * stride + (first - 1) * stride * stride


seen = FunctionExercise(
    "convolution/first-and-last-pixel",
    title="The first and the last pixel",
    level="stretch",
    minutes=15,
    statement="""
        Write `pixels_seen(layers, i)`: the first and the last place that output i of a stack of layers sees, along one axis.
        `layers` is a list of tuples of four whole numbers, (kernel_size, stride, dilation, padding), the first layer first; `i` counts from 0.
        Return a tuple of two whole numbers, (first, last).
        Places are counted from 0 at the image's first pixel; those in the padding before it have negative numbers.
        (Where the image ends you need not know.)
    """,
    hints=[
        "One layer first: output i begins to read at `i * stride - padding`. Where does it stop?",
        "The last place is `dilation * (kernel_size - 1)` further. `reversed(layers)` goes from the last layer back to the image.",
        "Keep two numbers, both i in the beginning. Each layer turns the first output that is needed into the first place that it reads, and the last output into the last place.",
    ],
)


@seen.solution
def pixels_seen(layers, i):
    """Return the first and the last place that output i sees."""
    first = last = i
    for kernel_size, stride, dilation, padding in reversed(layers):
        first = first * stride - padding
        last = last * stride - padding + dilation * (kernel_size - 1)
    return first, last


@seen.also
def seen_by_the_formula(layers, i):
    """The package goes forwards, and knows size, jump and start."""
    size, jump, start = receptive_field(layers)
    return start + i * jump, start + i * jump + size - 1


@seen.also
def seen_one_by_one(layers, i):
    """Keep all places."""
    places = {i}
    for kernel_size, stride, dilation, padding in layers[::-1]:
        steps = range(0, dilation * kernel_size, dilation)
        places = {place * stride - padding + step for place in places for step in steps}
    return min(places), max(places)


@seen.cases
def seen_cases(rng):
    """One layer, then two, by hand; then random stacks."""
    yield [(3, 1, 1, 0)], 4
    yield [(3, 2, 1, 1)], 0
    yield [(3, 1, 2, 0)], 1
    yield [(3, 1, 1, 0), (3, 1, 1, 0)], 0
    yield [(3, 2, 1, 0), (5, 1, 1, 0)], 3
    yield [(2, 2, 1, 1), (3, 3, 2, 0), (3, 1, 1, 2)], 2
    for layers in (2, 3, 4, 5):
        drawn = rng.integers((1, 1, 1, 0), (6, 4, 4, 4), size=(layers, 4))
        yield [tuple(layer) for layer in drawn.tolist()], int(rng.integers(0, 9))


def _followed(layers, i, first_of, last_of):
    """Return both ends after a walk in which each layer moves them in its own way."""
    first = last = i
    for layer in layers:
        first, last = first_of(first, *layer), last_of(last, *layer)
    return first, last


def _begin(place, kernel_size, stride, dilation, padding):
    """Return where the window of an output begins."""
    return place * stride - padding


def _end(place, kernel_size, stride, dilation, padding):
    """Return where the window of an output ends."""
    return place * stride - padding + dilation * (kernel_size - 1)


@seen.mistake
def first_layer_first(layers, i):
    """The walk begins with the first layer; `i` is an output of the *last* one, so go backwards."""
    return _followed(layers, i, _begin, _end)


@seen.mistake
def padding_ignored(layers, i):
    """The padding is missing: it moves every window to the left, so that the first one begins before the image."""
    return pixels_seen([(*layer[:3], 0) for layer in layers], i)


@seen.mistake
def padding_to_the_right(layers, i):
    """The padding has the wrong sign: with padding the first window begins *before* the image."""
    return pixels_seen([(*layer[:3], -layer[3]) for layer in layers], i)


@seen.mistake
def dilation_ignored(layers, i):
    """The dilation is missing: it is the distance from one weight to the next."""
    return pixels_seen([(layer[0], layer[1], 1, layer[3]) for layer in layers], i)


@seen.mistake
def stride_one_everywhere(layers, i):
    """The strides are missing: output i begins to read `stride` times as far on."""
    return pixels_seen([(layer[0], 1, *layer[2:]) for layer in layers], i)


@seen.mistake
def one_place_too_far(layers, i):
    """The last place is one step too far in each layer: a kernel of R weights ends R − 1 steps after its first."""
    return pixels_seen([(layer[0] + 1, *layer[1:]) for layer in layers], i)


@seen.mistake
def end_of_a_slice(layers, i):
    """The second number is one too far, as the end of a slice would be; return the last place itself."""
    first, last = pixels_seen(layers, i)
    return first, last + 1


@seen.mistake
def size_for_last(layers, i):
    """The second number is how many places are seen; return the last place itself."""
    first, last = pixels_seen(layers, i)
    return first, last - first + 1


@seen.mistake
def cut_off_at_the_image(layers, i):
    """Places in the padding are wanted, too: do not replace negative numbers by 0."""
    first, last = pixels_seen(layers, i)
    return max(first, 0), last


@seen.mistake
def window_from_the_first_end(layers, i):
    """The last place is reckoned from the *first* output that is needed; it belongs to the last one, which has moved on."""
    first, last = i, i
    for kernel_size, stride, dilation, padding in reversed(layers):
        first = first * stride - padding
        last = first + dilation * (kernel_size - 1)
    return first, last


gradient = FunctionExercise(
    "convolution/the-gradient-of-the-weights",
    title="The gradient of the weights",
    level="stretch",
    minutes=15,
    statement="""
        Write `weight_gradient(dy, x)`: the gradient of the weights of a layer with stride 1, without padding.
        `x` is what the layer read, (N, C, H, W), and `dy` the slope of the loss with respect to its output, (N, K, H′, W′).
        Every weight collects pixel times `dy` over all places and images.
        Return an array of floats, (K, C, R, S), with R = H − H′ + 1 and S = W − W′ + 1.
        It can be done with one call of `conv2d`.
    """,
    hints=[
        "`dweight[k, c]` is image channel c, correlated with dy's map k as the kernel, and summed over the batch.",
        "A convolution sums over channels: let the batch play the channels, by swapping the first two axes of both.",
        "`conv2d(x.swapaxes(0, 1), dy.swapaxes(0, 1))` has the shape (C, K, R, S).",
    ],
)


@gradient.solution
def weight_gradient(dy, x):
    """Return the loss's gradient with respect to the weights."""
    as_images, as_weights = x.swapaxes(0, 1), dy.swapaxes(0, 1)
    return conv2d(as_images, as_weights).swapaxes(0, 1)


@gradient.also
def gradient_by_package(dy, x):
    """The chapter's backward function; the weights themselves do not matter."""
    R, S = (x.shape[axis] - dy.shape[axis] + 1 for axis in (2, 3))
    return conv2d_backward(dy, x, np.zeros((dy.shape[1], x.shape[1], R, S)))[1]


@gradient.also
def gradient_by_weights(dy, x):
    """One weight after the other: the pixels that it met, times dy."""
    rows, columns = dy.shape[2:]
    R, S = x.shape[2] - rows + 1, x.shape[3] - columns + 1
    found = np.zeros((dy.shape[1], x.shape[1], R, S))
    for r, q in np.ndindex(R, S):
        met = x[:, :, r : r + rows, q : q + columns]
        found[:, :, r, q] = np.einsum("nkij,ncij->kc", dy, met)
    return found


@gradient.also
def gradient_by_torch(dy, x):
    """Automatic differentiation of a layer."""
    import torch

    R, S = (x.shape[axis] - dy.shape[axis] + 1 for axis in (2, 3))
    shape = dy.shape[1], x.shape[1], R, S
    weight = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    image, slopes = (torch.tensor(np.array(a, dtype=float)) for a in (x, dy))
    torch.nn.functional.conv2d(image, weight).backward(slopes)
    return weight.grad.numpy()


@gradient.cases
def gradient_cases(rng):
    """Rows by hand, then a small image, then random layers."""
    yield np.array([[[[1.0, 10.0]]]]), np.array([[[[1.0, 2.0, 3.0]]]])
    yield (
        np.array([[[[1.0, 2.0]]], [[[3.0, 0.0]]]]),
        np.array([[[[1.0, 0.0, 5.0]]], [[[2.0, 7.0, 1.0]]]]),
    )
    yield np.array([[[[1.0, 0.0], [2.0, -1.0]]]]), np.arange(12.0).reshape(1, 1, 3, 4) ** 2
    yield (
        np.array([[[[1.0, 3.0]], [[0.0, 2.0]]]]),
        np.array([[[[1.0, 2.0], [0.0, 4.0]], [[5.0, 6.0], [1.0, 1.0]]]]),
    )
    for N, C, K, shape, kernel in [
        (2, 3, 5, (6, 8), (3, 3)),
        (3, 2, 2, (5, 4), (2, 3)),
        (1, 4, 3, (4, 7), (4, 2)),
        (4, 1, 2, (5, 6), (1, 4)),
    ]:
        outputs = [size - length + 1 for size, length in zip(shape, kernel, strict=True)]
        yield rng.normal(size=(N, K, *outputs)), rng.normal(size=(N, C, *shape))
    small = _quarters(rng, 2, 2, 3, 3, dtype=np.float32)
    yield small, _quarters(rng, 2, 3, 4, 5, dtype=np.float32)
    yield rng.normal(size=(2, 2, 3, 3)), rng.normal(size=(2, 2, 10, 4)).swapaxes(2, 3)[..., ::2]


@gradient.mistake
def batch_averaged(dy, x):
    """It is divided by the number of images; the gradient is the *sum* over the batch, for a mean in the loss is in `dy` already."""
    return weight_gradient(dy, x) / len(x)


@gradient.mistake
def places_averaged(dy, x):
    """It is divided by the number of places; every weight collects the sum over all of them."""
    return weight_gradient(dy, x) / (dy.shape[2] * dy.shape[3])


@gradient.mistake
def batch_kept_apart(dy, x):
    """There is one gradient for each image; the images share their weights, so add these gradients up."""
    return np.stack([weight_gradient(dy[n : n + 1], x[n : n + 1]) for n in range(len(x))])


@gradient.mistake
def first_image_only(dy, x):
    """Only the first image counts; add up over the whole batch."""
    return weight_gradient(dy[:1], x[:1])


@gradient.mistake
def axes_not_swapped_back(dy, x):
    """The first two axes are the wrong way round: maps come before channels, (K, C, R, S)."""
    return weight_gradient(dy, x).swapaxes(0, 1)


@gradient.mistake
def gradient_turned(dy, x):
    """The gradient is turned by 180°: nothing was turned on the way forwards, so nothing is here."""
    return weight_gradient(dy, x)[..., ::-1, ::-1]


@gradient.mistake
def slopes_turned(dy, x):
    """`dy` is turned by 180°: weight (r, q) met pixel (i + r, j + q) at place (i, j), so both run the same way."""
    return weight_gradient(dy[..., ::-1, ::-1], x)


@gradient.mistake
def batch_left_where_it_is(dy, x):
    """`dy` is taken for filters as it is, so the sum runs over channels; it has to run over the *batch*. Swap the first two axes of both."""
    return conv2d(x, dy).swapaxes(0, 1)


half = ChoiceExercise(
    "convolution/half-a-step",
    title="Half a step",
    level="stretch",
    minutes=4,
    statement="""
        A layer has stride 2.
        The scene in a large photograph moves by one pixel to the right.
        What happens to the layer's map, away from the borders?
    """,
    options=[
        Option(
            "In general it becomes another map, which is no shift of the old one.",
            "With stride 2 the layer keeps every second output of stride 1. After one pixel it keeps exactly those that it left out before; after a second pixel the old map comes back, moved by one place.",
            right=True,
        ),
        Option(
            "It moves by one place to the right, for convolutions are equivariant.",
            "That is so with stride 1. With stride 2 one place of the map is two pixels of the image, and the shift was one.",
        ),
        Option(
            "It moves by half a place, that is, each value becomes the mean of two neighbours.",
            "There is no half place, and nothing averages. The windows now lie on other pixels of the scene and find other sums.",
        ),
        Option(
            "It stays as it is, for the weights are the same everywhere.",
            "The same weights everywhere make the map move with the scene, not stay. That would be invariance, and a convolution does not have it.",
        ),
    ],
    hints=[
        "Two fours in a row of zeros, a kernel that adds two neighbours: the chapter shows the output for shifts by 0, 1 and 2."
    ],
)

transpose = FunctionExercise(
    "convolution/zeros-between-the-pixels",
    title="Zeros between the pixels",
    level="stretch",
    minutes=20,
    statement="""
        A transposed convolution can be had from an ordinary one.
        Write `transpose_by_zeros(y, weight, stride)`: what `conv2d_transpose(y, weight, stride)` returns, without calling it.
        `y` is (N, K, H′, W′), `weight` is (K, C, R, S), as for the layer from C channels to K maps, and `stride` is one number.
        Put stride − 1 zeros between neighbouring rows and columns of `y`.
        Pad with R − 1 rows and S − 1 columns of zeros on each side.
        Then correlate with the kernels turned by 180°, their first two axes swapped.
        Return an array of floats, (N, C, (H′ − 1)·stride + R, (W′ − 1)·stride + S).
    """,
    hints=[
        "Make an array of zeros with `(H - 1) * stride + 1` rows, H being the rows of y, and write y into `[:, :, ::stride, ::stride]`.",
        "`weight[..., ::-1, ::-1]` turns the kernels, and `.swapaxes(0, 1)` makes C filters of K kernels from K filters of C.",
        "`conv2d` has stride 1 here, and `padding=(R - 1, S - 1)`.",
    ],
)


@transpose.solution
def transpose_by_zeros(y, weight, stride):
    """Return the transposed convolution, by an ordinary one."""
    (N, K, H, W), (R, S) = y.shape, weight.shape[2:]
    spread = np.zeros((N, K, (H - 1) * stride + 1, (W - 1) * stride + 1))
    spread[:, :, ::stride, ::stride] = y
    turned = weight[..., ::-1, ::-1].swapaxes(0, 1)
    return conv2d(spread, turned, padding=(R - 1, S - 1))


@transpose.also
def transpose_by_package(y, weight, stride):
    """The chapter's function."""
    return conv2d_transpose(y.astype(float), weight, stride)


@transpose.also
def transpose_by_copies(y, weight, stride):
    """Every value spreads a copy of the kernels."""
    (N, _, H, W), (_, C, R, S) = y.shape, weight.shape
    found = np.zeros((N, C, (H - 1) * stride + R, (W - 1) * stride + S))
    for i, j in np.ndindex(H, W):
        down, right = i * stride, j * stride
        copies = np.tensordot(y[:, :, i, j], weight, axes=1)
        found[:, :, down : down + R, right : right + S] += copies
    return found


@transpose.also
def transpose_by_torch(y, weight, stride):
    """PyTorch's function."""
    import torch

    maps, kernels = (torch.tensor(np.array(a, dtype=float)) for a in (y, weight))
    return torch.nn.functional.conv_transpose2d(maps, kernels, stride=stride).numpy()


@transpose.cases
def transpose_cases(rng):
    """The chapter's two copies, other small maps by hand, then random ones."""
    yield np.array([[[[1.0, 10.0]]]]), np.array([[[[1.0, 2.0, 3.0]]]]), 2
    yield np.array([[[[1.0], [10.0], [0.0]]]]), np.array([[[[1.0], [2.0]]]]), 3
    yield (
        np.array([[[[1.0, 2.0]], [[10.0, 0.0]]]]),
        np.array([[[[1.0, 2.0]], [[0.0, 5.0]]], [[[3.0, 0.0]], [[1.0, 4.0]]]]),
        1,
    )
    yield (
        np.array([[[[1.0, 0.0, 2.0], [0.0, -1.0, 3.0]]]]),
        np.arange(1.0, 7).reshape(1, 1, 3, 2),
        2,
    )
    for N, K, C, shape, kernel, stride in [
        (2, 4, 2, (3, 5), (3, 2), 2),
        (1, 2, 3, (4, 2), (2, 4), 3),
        (3, 1, 2, (3, 4), (3, 3), 1),
        (1, 2, 2, (2, 3), (1, 2), 4),
    ]:
        yield rng.normal(size=(N, K, *shape)), rng.normal(size=(K, C, *kernel)), stride
    yield rng.integers(-5, 6, size=(2, 3, 2, 4)), rng.normal(size=(3, 1, 2, 3)), 2
    yield (
        _quarters(rng, 1, 2, 3, 2, dtype=np.float32),
        _quarters(rng, 2, 3, 2, 2, dtype=np.float32),
        2,
    )
    yield rng.normal(size=(2, 2, 6, 3)).swapaxes(2, 3)[..., ::2], rng.normal(size=(2, 2, 3, 2)), 2


def _spread_map(y, step, rest=0):
    """Return y with its values `step` pixels apart, and `rest` zeros after the last."""
    N, K, H, W = y.shape
    spread = np.zeros((N, K, (H - 1) * step + 1 + rest, (W - 1) * step + 1 + rest))
    spread[:, :, : H * step : step, : W * step : step] = y
    return spread


def _turned(weight):
    """Return the kernels turned by 180°, with filters and channels swapped."""
    return weight[..., ::-1, ::-1].swapaxes(0, 1)


def _full(spread, kernels):
    """Correlate with so much padding that every overlap counts."""
    R, S = kernels.shape[2:]
    return conv2d(spread, kernels, padding=(R - 1, S - 1))


@transpose.mistake
def kernels_not_turned(y, weight, stride):
    """The kernels are not turned: each value would spread them upside down."""
    return _full(_spread_map(y, stride), weight.swapaxes(0, 1))


@transpose.mistake
def channels_not_swapped(y, weight, stride):
    """The first two axes of the weights are not swapped: the result has C channels, each a sum over K maps."""
    return _full(_spread_map(y, stride), weight[..., ::-1, ::-1])


@transpose.mistake
def padding_omitted(y, weight, stride):
    """The padding is missing: at the rim, too, every value spreads its whole kernel."""
    return conv2d(_spread_map(y, stride), _turned(weight))


@transpose.mistake
def padding_that_keeps_the_size(y, weight, stride):
    """The padding keeps the size; for every value to spread its whole kernel it has to be R − 1 and S − 1 on each side."""
    R, S = weight.shape[2:]
    return conv2d(_spread_map(y, stride), _turned(weight), padding=(R // 2, S // 2))


@transpose.mistake
def padding_of_the_other_axis(y, weight, stride):
    """The padding of rows and columns is swapped: rows get R − 1, columns S − 1."""
    R, S = weight.shape[2:]
    return conv2d(_spread_map(y, stride), _turned(weight), padding=(S - 1, R - 1))


@transpose.mistake
def zeros_after_the_end(y, weight, stride):
    """There are zeros after the last row and column of y, too; they belong *between* the values only."""
    return _full(_spread_map(y, stride, stride - 1), _turned(weight))


@transpose.mistake
def one_zero_too_many(y, weight, stride):
    """Between two values stand `stride` zeros; there have to be stride − 1, so that values lie `stride` pixels apart."""
    return _full(_spread_map(y, stride + 1), _turned(weight))


@transpose.mistake
def values_repeated(y, weight, stride):
    """The values are repeated; between them belong zeros."""
    larger = y.repeat(stride, axis=2).repeat(stride, axis=3)
    rest = stride - 1
    return _full(
        larger[..., : larger.shape[2] - rest, : larger.shape[3] - rest] * 1.0, _turned(weight)
    )


winograd = FunctionExercise(
    "convolution/four-products-for-six",
    title="Four products for six",
    level="challenge",
    minutes=25,
    statement="""
        Two neighbouring outputs of a kernel of three weights take six multiplications.
        [Lavin & Gray, 2015](https://doi.org/10.48550/arXiv.1509.09308) use four, after Winograd:

        $$m_1 = (x_0 - x_2) \\cdot w_0$$

        $$m_2 = (x_1 + x_2) \\cdot (w_0 + w_1 + w_2) / 2$$

        $$m_3 = (x_2 - x_1) \\cdot (w_0 - w_1 + w_2) / 2$$

        $$m_4 = (x_1 - x_3) \\cdot w_2$$

        The outputs are $m_1 + m_2 + m_3$ and $m_2 - m_3 - m_4$; the sums of weights are computed once for all pixels.
        Write `winograd_row(row, kernel)`: all outputs of three weights on a row, from left to right, two at a time and without a loop.
        `row` is a one-dimensional array of at least four numbers, their count even; they may be bytes.
        `kernel` is a list or an array of three numbers.
        Return an array of floats with len(row) − 2 outputs, those of stride 1 without padding.
    """,
    hints=[
        "Two outputs need four pixels, and the next two begin two pixels further on: windows of four with stride 2.",
        "`patches(row[None, None, None], (1, 4), (1, 2))` has them as columns, in floats, and `.reshape(4, -1)` gives you $x_0 \\dots x_3$.",
        "`np.stack([…, …], axis=1)` puts the two outputs of each window side by side, and `.ravel()` makes one row of them.",
    ],
)


@winograd.solution
def winograd_row(row, kernel):
    """Return all outputs of three weights, by four products a pair."""
    windows = patches(row[None, None, None], (1, 4), (1, 2))
    x0, x1, x2, x3 = windows.reshape(4, -1)
    w0, w1, w2 = kernel
    m1, m4 = (x0 - x2) * w0, (x1 - x3) * w2
    m2, m3 = (x1 + x2) * ((w0 + w1 + w2) / 2), (x2 - x1) * ((w0 - w1 + w2) / 2)
    return np.stack([m1 + m2 + m3, m2 - m3 - m4], axis=1).ravel()


@winograd.also
def row_by_numpy(row, kernel):
    """Six products, by NumPy."""
    return np.correlate(row.astype(float), kernel)


@winograd.also
def row_by_slices(row, kernel):
    """Four products, with slices, into every second place."""
    row, (w0, w1, w2) = np.array(row, dtype=float), kernel
    even, odd = row[::2], row[1::2]
    m1, m4 = (even[:-1] - even[1:]) * w0, (odd[:-1] - odd[1:]) * w2
    m2 = (odd[:-1] + even[1:]) * (w0 + w1 + w2) / 2
    m3 = (even[1:] - odd[:-1]) * (w0 - w1 + w2) / 2
    outputs = np.zeros(len(row) - 2)
    outputs[::2], outputs[1::2] = m1 + m2 + m3, m2 - m3 - m4
    return outputs


@winograd.also
def row_by_torch(row, kernel):
    """PyTorch's layer on rows."""
    import torch

    pixels, weights = (torch.tensor(np.array(a, dtype=float))[None, None] for a in (row, kernel))
    return torch.nn.functional.conv1d(pixels, weights)[0, 0].numpy()


@winograd.cases
def winograd_cases(rng):
    """Rows by hand, then random ones of all dtypes."""
    yield np.arange(6), [1, 10, 100]
    yield np.array([1.0, 0.0, 0.0, 2.0]), [3, 5, 7]
    yield np.array([2, 7, 1, 8, 2, 8, 1, 8]), [1, -1, 4]
    yield np.array([200, 250, 10, 0, 90, 255], dtype=np.uint8), [1, 2, 1]
    for size in (4, 10, 24, 50):
        yield rng.normal(size=size), rng.normal(size=3)
    yield rng.integers(0, 256, size=14, dtype=np.uint8), [-1, 0, 1]
    yield _quarters(rng, 12, dtype=np.float32), _quarters(rng, 3).tolist()
    yield rng.normal(size=(8, 3))[:, 1], rng.integers(-9, 10, size=3)


def _pairs(row, kernel, stride=2):
    """Return Winograd's four products for windows of four pixels."""
    starts = np.arange(0, len(row) - 3, stride)
    x0, x1, x2, x3 = (row[starts + n] for n in range(4))
    w0, w1, w2 = kernel
    m2, m3 = (x1 + x2) * ((w0 + w1 + w2) / 2), (x2 - x1) * ((w0 - w1 + w2) / 2)
    return (x0 - x2) * w0, m2, m3, (x1 - x3) * w2


def _side_by_side(first, second):
    """Put the two outputs of every window side by side in one row."""
    return np.stack([first, second], axis=1).ravel()


@winograd.mistake
def bytes_wrapped_around(row, kernel):
    """Bytes wrap around: 10 − 200 is 66 in `uint8`. Turn the row into floats first."""
    m1, m2, m3, m4 = _pairs(row, kernel)
    return _side_by_side(m1 + m2 + m3, m2 - m3 - m4)


@winograd.mistake
def all_first_ones_first(row, kernel):
    """All first outputs come before all second ones; the two of each window belong side by side, so stack them along axis 1."""
    m1, m2, m3, m4 = _pairs(row.astype(float), kernel)
    return np.concatenate([m1 + m2 + m3, m2 - m3 - m4])


@winograd.mistake
def pairs_not_in_one_row(row, kernel):
    """The result has two columns; make one row of it."""
    m1, m2, m3, m4 = _pairs(row.astype(float), kernel)
    return np.stack([m1 + m2 + m3, m2 - m3 - m4], axis=1)


@winograd.mistake
def windows_one_pixel_apart(row, kernel):
    """The windows are one pixel apart, so that most outputs come twice; the next pair begins two pixels further on."""
    m1, m2, m3, m4 = _pairs(row.astype(float), kernel, stride=1)
    return _side_by_side(m1 + m2 + m3, m2 - m3 - m4)


@winograd.mistake
def last_sign_wrong(row, kernel):
    """In the second output the fourth product is subtracted, not added."""
    m1, m2, m3, m4 = _pairs(row.astype(float), kernel)
    return _side_by_side(m1 + m2 + m3, m2 - m3 + m4)


@winograd.mistake
def third_sign_wrong(row, kernel):
    """The third product is added in the first output and subtracted in the second; here it is the other way round, or its pixels are swapped."""
    m1, m2, m3, m4 = _pairs(row.astype(float), kernel)
    return _side_by_side(m1 + m2 - m3, m2 + m3 - m4)


@winograd.mistake
def halves_forgotten(row, kernel):
    """The two sums of weights are to be halved."""
    m1, m2, m3, m4 = _pairs(row.astype(float), kernel)
    return _side_by_side(m1 + 2 * m2 + 2 * m3, 2 * m2 - 2 * m3 - m4)


@winograd.mistake
def weights_run_backwards(row, kernel):
    """The weights run backwards, as in the convolution of mathematics; the kernel is not turned here."""
    return winograd_row(row, kernel[::-1])


@winograd.mistake
def weights_halved_as_whole_numbers(row, kernel):
    """`//` cuts the halves of odd sums off; divide with `/`."""
    w0, w1, w2 = kernel
    m1, m2, m3, m4 = _pairs(row.astype(float), [w0, 0, w2])
    x1, x2 = row[1:-1:2].astype(float), row[2::2].astype(float)
    m2, m3 = (x1 + x2) * ((w0 + w1 + w2) // 2), (x2 - x1) * ((w0 - w1 + w2) // 2)
    return _side_by_side(m1 + m2 + m3, m2 - m3 - m4)


budget = ProjectExercise(
    "convolution/a-layer-on-a-budget",
    title="Project: a layer on a budget",
    minutes=60,
    statement="""
        Choose a photograph of the course, and design three ways to make 32 maps of half its height and width (rounded up): one ordinary layer, one depthwise-separable one, and one of your own choice, such as a 1×1 layer and then a grouped one.
        Count parameters, multiplications and bytes of each with `layer_cost`, run all three with random weights, and time them.
        Then write down in five sentences which of them you would put into a phone, and what you would have to measure before you believe it.
    """,
    rubric=[
        Criterion("All three give the asked shape, and a cell asserts it", 2),
        Criterion("The costs are computed, and one of them is derived by hand beside it", 2),
        Criterion("The times are medians of several runs", 1),
        Criterion(
            "The text draws no conclusion that the numbers do not carry, and names what is left to measure",
            2,
        ),
    ],
)
