"""Exercises of chapter 4: padding, stride, channels."""

from cnncourse.convolution import output_size
from cnncourse.exercises.kinds import (
    ChoiceExercise,
    Criterion,
    FunctionExercise,
    NumberExercise,
    Option,
    ProjectExercise,
)

count = FunctionExercise(
    "convolution/count-outputs",
    title="Count them",
    level="warm-up",
    minutes=8,
    statement="""
        Write `count_outputs(size, kernel_size, stride, padding, dilation)` without the formula.
        Try every start on the padded row, and count those at which the whole window fits and which a walk with this stride meets.
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
    """One too few: the window that begins at 0 counts, too; or the last one may touch the end (`<`, not `<=`)."""
    return (size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride


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
    statement="A photograph has 3 channels, and a layer has 64 filters. What happens to the 3 results that one filter has, one for each channel?",
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

budget = ProjectExercise(
    "convolution/a-layer-on-a-budget",
    title="Project: a layer on a budget",
    minutes=60,
    statement="""
        Choose a photograph of the course, and design three layers that make 32 maps of half its height and width: one ordinary, one depthwise-separable, one of a 1×1 and a pooling of your choice.
        Count parameters, multiplications and bytes of each with `layer_cost`, run all three with random weights, and time them.
        Then write down in five sentences which of them you would put into a telephone, and what you would have to measure before you believe it.
    """,
    rubric=[
        Criterion("The three layers give the asked shape, and a cell asserts it", 2),
        Criterion("The costs are computed, and one of them is derived by hand beside it", 2),
        Criterion("The times are medians of several runs", 1),
        Criterion("The text draws no conclusion that the numbers do not carry", 2),
    ],
)
