"""Exercises of chapter 6: CNN architecture."""

from itertools import pairwise

import numpy as np
import torch
from torch import nn

from cnncourse.architecture.blocks import Branches, Skip, conv_bn, residual_block
from cnncourse.architecture.layers import BatchNorm2d, softmax
from cnncourse.architecture.networks import small_net
from cnncourse.convolution import conv2d
from cnncourse.exercises.kinds import (
    ChoiceExercise,
    Criterion,
    FunctionExercise,
    NumberExercise,
    Option,
    ProjectExercise,
)
from cnncourse.exercises.running import Built

OVER = (0, 2, 3)
"""The axes of (N, C, H, W) over which batch norm averages."""


def _beside(values):
    """Shape C numbers to stand beside (N, C, H, W)."""
    return np.reshape(values, (-1, 1, 1))


temperature_ = FunctionExercise(
    "architecture/sure-and-unsure",
    title="Sure and unsure",
    level="warm-up",
    minutes=6,
    statement="""
        Write `tempered(logits, temperature)`: divide the logits by a temperature, then take the softmax of each row.
        `logits` is an array (N, K), one row for each picture, and `temperature` a number above 0.
        Return an array of floats (N, K), whose rows add up to 1.
        Logits may be as large as a thousand, and there must be no NaN then.
        High temperatures make all shares alike, low ones give nearly everything to the largest.
    """,
    hints=[
        "`softmax` of the package is safe for large logits, and takes rows.",
        "So one division and one call are enough.",
    ],
)


@temperature_.solution
def tempered(logits, temperature):
    """Return the softmax of the logits at a temperature."""
    return softmax(logits / temperature)


@temperature_.also
def tempered_by_hand(logits, temperature):
    """Subtract the largest first, so that no exponential is too large."""
    z = logits / temperature
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@temperature_.also
def tempered_by_torch(logits, temperature):
    """PyTorch's softmax."""
    return torch.softmax(torch.tensor(np.array(logits, dtype=float)) / temperature, dim=1).numpy()


@temperature_.also
def tempered_by_pairs(logits, temperature):
    """A share is 1 / Σ e^(differences), one picture after the other."""
    rows = []
    for row in np.asarray(logits, dtype=float):
        with np.errstate(over="ignore"):
            rows.append([1 / np.exp((row - z) / temperature).sum() for z in row])
    return np.array(rows)


@temperature_.cases
def tempered_cases(rng):
    """The chapter's logits at four temperatures, large ones, then random ones."""
    for temperature in (1, 2, 0.5, 1000.0):
        yield np.array([[2, 1, 0]]), temperature
    yield np.array([[1.0, 1.0], [0.0, 3.0]]), 1.5
    yield np.array([[1000.0, 998.0, -1000.0]]), 1
    yield np.array([[1000.0, 999.0], [1.0, 2.0]]), 1
    for N, K in [(3, 4), (1, 10), (5, 2)]:
        yield rng.normal(size=(N, K)), float(rng.uniform(0.2, 4))
    yield rng.integers(-9, 10, size=(2, 6)), float(rng.uniform(0.5, 5))
    yield rng.normal(size=(5, 8)).T[::2], 0.3


def _powers(logits, temperature=1):
    """Return the exponentials of logits divided by a temperature, however large."""
    with np.errstate(all="ignore"):
        return np.exp(logits / temperature)


@temperature_.mistake
def temperature_forgotten(logits, temperature):
    """That is the plain softmax; the logits have to be divided by the temperature first."""
    return softmax(logits)


@temperature_.mistake
def multiplied_by_the_temperature(logits, temperature):
    """The logits are multiplied by the temperature; divide them, so that a high temperature makes the shares alike."""
    return softmax(logits * temperature)


@temperature_.mistake
def shares_divided(logits, temperature):
    """The shares are divided by the temperature, and no longer add up to 1; divide the logits, before the softmax."""
    return softmax(logits) / temperature


@temperature_.mistake
def overflow(logits, temperature):
    """For large logits the exponential is infinite, and infinity divided by infinity is NaN: subtract the largest of each row first, or call `softmax`."""
    powers = _powers(logits, temperature)
    with np.errstate(all="ignore"):
        return powers / powers.sum(axis=1, keepdims=True)


@temperature_.mistake
def largest_of_all_rows(logits, temperature):
    """The largest of *all* logits is subtracted, and the exponentials of a row far below it are all 0: subtract the largest of each row."""
    powers = _powers(logits - logits.max(), temperature)
    with np.errstate(all="ignore"):
        return powers / powers.sum(axis=1, keepdims=True)


@temperature_.mistake
def sum_over_pictures(logits, temperature):
    """The sum runs over the pictures; the shares of each *row* add up to 1, so sum along axis 1."""
    return softmax(logits.T / temperature).T


@temperature_.mistake
def sum_over_everything(logits, temperature):
    """The shares of all pictures together add up to 1; each row has to do so by itself."""
    return softmax(logits.reshape(1, -1) / temperature).reshape(logits.shape)


@temperature_.mistake
def not_divided_by_the_sum(logits, temperature):
    """These are the exponentials; divide each row by its sum, so that it adds up to 1."""
    return _powers(logits, temperature)


@temperature_.mistake
def exponentials_forgotten(logits, temperature):
    """The logits are divided by their sum without taking exponentials; so shares can be negative."""
    with np.errstate(all="ignore"):
        return logits / temperature / (logits / temperature).sum(axis=1, keepdims=True)


a_share = NumberExercise(
    "architecture/one-share-of-three",
    title="One share of three",
    level="warm-up",
    minutes=4,
    statement="""
        A head ends in three logits: {first}, {second} and {third}.
        Which share does softmax give to the first?
        Give a number between 0 and 1, with at least four digits behind the point.
    """,
    hints=[
        "Exponentiate each of the three; `np.exp` takes an array.",
        "Then divide the first by the sum of all three.",
    ],
    rtol=1e-3,
)


@a_share.cases
def a_share_cases(rng):
    """Draw a largest logit and two smaller ones."""
    first = int(rng.integers(3, 9))
    second, third = (first - int(n) for n in rng.choice([1, 2, 3], 2))
    return {"first": first, "second": second, "third": third}


@a_share.solution
def first_share(first, second, third):
    """Return e to the first, divided by the sum of all three."""
    powers = np.exp([first, second, third])
    return float(powers[0] / powers.sum())


@a_share.mistake
def proportion_of_logits(first, second, third):
    """That is the first logit divided by the sum of the logits; exponentiate each of them before."""
    return first / (first + second + third)


@a_share.mistake
def powers_of_two(first, second, third):
    """Softmax takes powers of e, not of 2."""
    return 2.0**first / (2.0**first + 2.0**second + 2.0**third)


@a_share.mistake
def compared_with_the_others(first, second, third):
    """It is divided by the other two; the sum below has all three in it."""
    return float(np.exp(first) / (np.exp(second) + np.exp(third)))


@a_share.mistake
def sigmoid_of_the_first(first, second, third):
    """That is the sigmoid of the first logit alone; in softmax the others count, too."""
    return float(1 / (1 + np.exp(-first)))


@a_share.mistake
def third_left_out(first, second, third):
    """Only two logits are compared; the third takes a share, too."""
    return float(1 / (1 + np.exp(second - first)))


@a_share.mistake
def power_itself(first, second, third):
    """That is the exponential; divide it by the sum of all three."""
    return float(np.exp(first))


through = NumberExercise(
    "architecture/through-batch-norm",
    title="Through batch norm",
    level="warm-up",
    minutes=4,
    statement="""
        Over a batch, a channel has the mean {mean} and the variance {variance}.
        Batch norm has learned γ = {gamma} and β = {beta} for it; take ε = 0.
        What does batch norm make of a pixel with the value {pixel}, in training?
    """,
    hints=[
        "First subtract the mean and divide by the standard deviation.",
        "The standard deviation is the root of the variance. Scale by γ, and then shift by β.",
    ],
)


@through.cases
def through_cases(rng):
    """Draw a pixel a whole number of standard deviations away from the mean."""
    deviation, mean, steps = (int(n) for n in rng.integers((2, 3, 1), (6, 12, 4)))
    gamma, beta = (int(n) for n in rng.choice([2, 3, 4, 5, 6, 7], 2, replace=False))
    sizes = {"mean": mean, "variance": deviation**2, "pixel": mean + steps * deviation}
    return sizes | {"gamma": gamma, "beta": beta}


@through.solution
def pixel_through_norm(mean, variance, pixel, gamma, beta):
    """Standardise, scale and shift."""
    return gamma * (pixel - mean) / variance**0.5 + beta


@through.mistake
def divided_by_the_variance(mean, variance, pixel, gamma, beta):
    """It is divided by the variance; divide by its root, the standard deviation."""
    return gamma * (pixel - mean) / variance + beta


@through.mistake
def mean_not_subtracted(mean, variance, pixel, gamma, beta):
    """The mean is not subtracted: a pixel that is just the mean becomes 0 before γ and β."""
    return gamma * pixel / variance**0.5 + beta


@through.mistake
def shifted_before_scaled(mean, variance, pixel, gamma, beta):
    """First scale by γ, then shift by β: β is not multiplied."""
    return gamma * ((pixel - mean) / variance**0.5 + beta)


@through.mistake
def gamma_and_beta_swapped(mean, variance, pixel, gamma, beta):
    """γ and β are swapped: γ multiplies, β is added."""
    return beta * (pixel - mean) / variance**0.5 + gamma


@through.mistake
def standardised_only(mean, variance, pixel, gamma, beta):
    """That is the standardised pixel; batch norm then scales it by γ and shifts it by β."""
    return (pixel - mean) / variance**0.5


@through.mistake
def not_divided_at_all(mean, variance, pixel, gamma, beta):
    """The spread is missing: divide by the standard deviation before γ and β."""
    return float(gamma * (pixel - mean) + beta)


@through.mistake
def pixel_subtracted_from_the_mean(mean, variance, pixel, gamma, beta):
    """The sign is the wrong way round: subtract the mean from the pixel."""
    return gamma * (mean - pixel) / variance**0.5 + beta


early = ChoiceExercise(
    "architecture/early-and-late",
    title="Early and late",
    level="warm-up",
    minutes=3,
    statement="Which of these is true of the units in a trained network's early and late layers?",
    options=[
        Option(
            "Early ones answer to edges in few pixels, late ones to large parts of things.",
            "In the chapter's network a unit of layer 1 sees 3×3 pixels, one of layer 3 sees 18×18. What a unit can tell apart grows with what it sees.",
            right=True,
        ),
        Option(
            "Early ones see the large outline, late ones small details of it.",
            "It is the other way round: an early unit has a small receptive field, and no outline fits in there.",
        ),
        Option(
            "All see the whole picture; the late ones have only learned more.",
            "A unit reads a window of the layer before, and so a limited part of the picture. Blank everything outside of it, and its answer stays.",
        ),
        Option(
            "Early ones have learned general things, late ones stay as they were at the start.",
            "All layers learn. In the chapter a linear probe reads more off the trained layers 2 and 3 than off random ones.",
        ),
        Option(
            "Each late unit stands for one kind of clothes, and each early one for one pixel.",
            "An early unit looks for a pattern of several pixels, not for one pixel. And not every late unit has a single subject; only the last layer has one number for each kind.",
        ),
    ],
    hints=["How many pixels can a unit of the first layer see, and how many one of the third?"],
)

small = FunctionExercise(
    "architecture/count-in-your-head",
    title="Count in your head",
    level="core",
    minutes=10,
    statement="""
        Write `small_net_parameters(in_channels, classes, widths)`: how many numbers `small_net` learns, by a formula.
        `widths` is a list or a tuple with the maps of each group, at least one.
        A group has 3×3 kernels without a bias, and two learned numbers for each map, γ and β of its batch norm.
        Pooling and ReLU learn nothing.
        The head takes the mean of each map of the last group, and has a weight for each mean and class, and a bias for each class.
        Return a whole number.
    """,
    hints=[
        "`pairwise([1, 16, 32])`, from `itertools`, gives the neighbours (1, 16) and (16, 32): channels in and maps out of each group.",
        "A group from C channels to K maps learns `9 * C * K + 2 * K` numbers.",
        "The head learns `(widths[-1] + 1) * classes`.",
    ],
)


@small.solution
def small_net_parameters(in_channels, classes, widths):
    """Return how many parameters small_net has."""
    groups = pairwise([in_channels, *widths])
    body = sum(9 * C * K + 2 * K for C, K in groups)
    return body + (widths[-1] + 1) * classes


@small.also
def parameters_by_loop(in_channels, classes, widths):
    """Go from group to group."""
    total, channels = 0, in_channels
    for maps in widths:
        total += maps * (9 * channels + 2)
        channels = maps
    return total + channels * classes + classes


@small.also
def parameters_by_building(in_channels, classes, widths):
    """Build the network, and count."""
    return sum(p.numel() for p in small_net(in_channels, classes, widths).parameters())


@small.cases
def small_cases(rng):
    """One group by hand, the chapter's network, then random ones."""
    yield from [(1, 3, [4]), (1, 10, (16, 32, 64)), (3, 2, [5, 5]), (2, 1, (1, 7))]
    for groups in (1, 2, 3, 4):
        in_channels, classes, *widths = (int(n) for n in rng.integers(2, 24, size=groups + 2))
        yield in_channels, classes, widths


def _counted(in_channels, classes, widths, group, head):
    """Return a sum over groups of (C, K), and the head's."""
    return sum(group(*pair) for pair in pairwise([in_channels, *widths])) + head(widths, classes)


def _group_parameters(C, K):
    """Return the parameters of a 3×3 group."""
    return 9 * C * K + 2 * K


def _head_parameters(widths, classes):
    """Return the parameters of the head."""
    return (widths[-1] + 1) * classes


@small.mistake
def batch_norm_not_counted(in_channels, classes, widths):
    """Batch norm learns, too: γ and β, two numbers for each map."""
    return _counted(in_channels, classes, widths, lambda C, K: 9 * C * K, _head_parameters)


@small.mistake
def running_averages_counted(in_channels, classes, widths):
    """The running averages are counted, too; they are kept, but not learned."""
    return _counted(in_channels, classes, widths, lambda C, K: 9 * C * K + 4 * K, _head_parameters)


@small.mistake
def convolutions_with_biases(in_channels, classes, widths):
    """The convolutions have no biases here: batch norm would take them away again."""
    return _counted(in_channels, classes, widths, lambda C, K: 9 * C * K + 3 * K, _head_parameters)


@small.mistake
def one_norm_for_the_group(in_channels, classes, widths):
    """Each map has a γ and a β of its own, not all maps of a group together."""
    return _counted(in_channels, classes, widths, lambda C, K: 9 * C * K + 2, _head_parameters)


@small.mistake
def channels_of_the_picture_everywhere(in_channels, classes, widths):
    """Every group reads the channels of the picture here; a later one reads the maps of the group before it."""
    body = sum(_group_parameters(in_channels, K) for K in widths)
    return body + _head_parameters(widths, classes)


@small.mistake
def channels_in_forgotten(in_channels, classes, widths):
    """Each filter has a kernel for every channel that comes in, not one for all."""
    return _counted(in_channels, classes, widths, lambda C, K: 9 * K + 2 * K, _head_parameters)


@small.mistake
def one_weight_a_kernel(in_channels, classes, widths):
    """A 3×3 kernel has nine weights, not one."""
    return _counted(in_channels, classes, widths, lambda C, K: C * K + 2 * K, _head_parameters)


@small.mistake
def head_without_bias(in_channels, classes, widths):
    """The biases of the head are missing, one for each class."""
    return _counted(in_channels, classes, widths, _group_parameters, lambda w, k: w[-1] * k)


@small.mistake
def head_forgotten(in_channels, classes, widths):
    """The head is missing: it has a weight for each mean and class, and a bias for each class."""
    return _counted(in_channels, classes, widths, _group_parameters, lambda w, k: 0)


normal = FunctionExercise(
    "architecture/standardise-the-channels",
    title="Standardise the channels",
    level="core",
    minutes=15,
    statement="""
        Write `batch_norm(x, gamma, beta, eps)`: what batch norm returns in *training*.
        `x` is a batch (N, C, H, W), perhaps of bytes; `gamma` and `beta` are arrays of floats, (C,), and `eps` is a number above 0.
        The mean and the variance are those of the batch, one of each for every channel; the variance divides by N·H·W.
        Return an array of floats, (N, C, H, W), and leave `x` as it is.
        The mean may be large beside the spread, as in the chapter's hard case.
    """,
    hints=[
        "Which axes are averaged over? All but the channels: `x.mean(axis=(0, 2, 3), keepdims=True)` has the shape (1, C, 1, 1).",
        "Subtract the mean first, and take the variance after that: `x.var(…)` does so.",
        "`gamma` has the shape (C,), and would stand beside the last axis, the columns. `gamma[:, None, None]` stands beside the channels.",
    ],
)


@normal.solution
def batch_norm(x, gamma, beta, eps):
    """Return each channel standardised over the batch, scaled, shifted."""
    over = {"axis": (0, 2, 3), "keepdims": True}
    standard = (x - x.mean(**over)) / np.sqrt(x.var(**over) + eps)
    return gamma[:, None, None] * standard + beta[:, None, None]


@normal.also
def norm_by_channels(x, gamma, beta, eps):
    """One channel after the other."""
    y = np.zeros(x.shape)
    for c in range(x.shape[1]):
        numbers = x[:, c].astype(float)
        centred = numbers - numbers.sum() / numbers.size
        variance = (centred**2).sum() / numbers.size
        y[:, c] = centred * (gamma[c] / (variance + eps) ** 0.5) + beta[c]
    return y


@normal.also
def norm_by_package(x, gamma, beta, eps):
    """The package's layer."""
    layer = BatchNorm2d(x.shape[1], eps=eps)
    layer.parameters["weight"][:], layer.parameters["bias"][:] = gamma, beta
    return layer(x, train=True)


@normal.also
def norm_by_torch(x, gamma, beta, eps):
    """PyTorch's function."""
    x, gamma, beta = (torch.tensor(np.array(a, dtype=float)) for a in (x, gamma, beta))
    y = nn.functional.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)
    return y.numpy()


@normal.cases
def normal_cases(rng):
    """The chapter's two pictures, other small ones by hand, a hard one, then random ones."""
    pair = np.array([[[[2, 6]]], [[[6, 2]]]])
    yield pair, np.array([10.0]), np.array([5.0]), 12.0
    yield pair * 1.0, np.array([10.0]), np.array([5.0]), 5.0
    two = np.array(
        [
            [[[1.0, 3.0], [5.0, 7.0]], [[0.0, 0.0], [0.0, 8.0]]],
            [[[2.0, 2.0], [4.0, 4.0]], [[1.0, 1.0], [3.0, 3.0]]],
        ]
    )
    yield two, np.array([1.0, 4.0]), np.array([0.0, -1.0]), 0.5
    yield 3e4 + 0.01 * rng.normal(size=(4, 1, 5, 3)), np.array([2.0]), np.array([1.0]), 1e-5
    for N, C, H, W in [(3, 2, 4, 5), (1, 4, 3, 2), (5, 3, 1, 3), (2, 3, 3, 3)]:
        gamma, beta = rng.normal(size=(2, C))
        yield rng.normal(3, 2, size=(N, C, H, W)), gamma, beta, 1e-5
    bytes_ = rng.integers(0, 256, size=(2, 3, 3, 4), dtype=np.uint8)
    yield bytes_, rng.normal(size=3), rng.normal(size=3), 1e-3
    yield (
        rng.normal(size=(3, 5, 8, 2)).transpose(0, 3, 1, 2)[:, :, ::2],
        *rng.normal(size=(2, 2)),
        0.1,
    )


def _normed(x, gamma, beta, eps, axes=OVER, ddof=0):
    """Standardise over some axes, scale and shift."""
    over = {"axis": axes, "keepdims": True}
    with np.errstate(all="ignore"):
        standard = (x - x.mean(**over)) / np.sqrt(x.var(**over, ddof=ddof) + eps)
    return _beside(gamma) * standard + _beside(beta)


@normal.mistake
def channels_thrown_together(x, gamma, beta, eps):
    """One mean and one variance are taken for all channels; each channel has its own."""
    return _normed(x, gamma, beta, eps, (0, 1, 2, 3))


@normal.mistake
def every_picture_alone(x, gamma, beta, eps):
    """Each picture is standardised by itself; the mean and the variance run over the whole batch."""
    return _normed(x, gamma, beta, eps, (2, 3))


@normal.mistake
def every_pixel_alone(x, gamma, beta, eps):
    """Each place is standardised by itself, over the pictures; the mean and the variance run over all pixels of a channel, too."""
    return _normed(x, gamma, beta, eps, 0)


@normal.mistake
def one_less_below(x, gamma, beta, eps):
    """The variance is divided by N·H·W − 1; in training batch norm divides by N·H·W. (Only the running average has the other one.)"""
    return _normed(x, gamma, beta, eps, ddof=1)


@normal.mistake
def eps_outside_the_root(x, gamma, beta, eps):
    """ε is added to the standard deviation; it is added to the variance, under the root."""
    deviation = x.std(OVER, keepdims=True) + eps
    return _beside(gamma) * (x - x.mean(OVER, keepdims=True)) / deviation + _beside(beta)


@normal.mistake
def eps_forgotten(x, gamma, beta, eps):
    """ε is missing: it is added to the variance, so that nothing is divided by 0."""
    return _normed(x, gamma, beta, 0)


@normal.mistake
def root_of_the_variance_forgotten(x, gamma, beta, eps):
    """It is divided by the variance; divide by its root, the standard deviation."""
    variance = x.var(OVER, keepdims=True) + eps
    return _beside(gamma) * (x - x.mean(OVER, keepdims=True)) / variance + _beside(beta)


@normal.mistake
def gamma_beside_the_columns(x, gamma, beta, eps):
    """γ and β stand beside the columns, for the last axis is where (C,) goes by itself; shape them to (C, 1, 1)."""
    return gamma * _normed(x, np.ones(len(gamma)), np.zeros(len(beta)), eps) + beta


@normal.mistake
def means_beside_the_columns(x, gamma, beta, eps):
    """The means and variances stand beside the columns, the last axis; with `keepdims=True` they keep the shape (1, C, 1, 1), and stand beside the channels."""
    standard = (x - x.mean(OVER)) / np.sqrt(x.var(OVER) + eps)
    return _beside(gamma) * standard + _beside(beta)


@normal.mistake
def everything_beside_the_columns(x, gamma, beta, eps):
    """The means, the variances, γ and β have the shape (C,), and so stand beside the columns, the last axis: `keepdims=True` for the first two, and (C, 1, 1) for γ and β, put them beside the channels."""
    return gamma * (x - x.mean(OVER)) / np.sqrt(x.var(OVER) + eps) + beta


@normal.mistake
def mean_square_less_squared_mean(x, gamma, beta, eps):
    """The variance is the mean of the squares less the square of the mean, and most of its digits are lost where the mean is large: subtract the mean first."""
    x = x.astype(float)
    mean = x.mean(OVER, keepdims=True)
    variance = (x**2).mean(OVER, keepdims=True) - mean**2
    with np.errstate(all="ignore"):
        return _beside(gamma) * (x - mean) / np.sqrt(variance + eps) + _beside(beta)


@normal.mistake
def squares_of_bytes_wrap(x, gamma, beta, eps):
    """The mean of the squares less the square of the mean fails twice: squares of bytes do not fit into a byte, and where the mean is large most digits are lost. Subtract the mean first."""
    mean = x.mean(OVER, keepdims=True)
    variance = (x**2).mean(OVER, keepdims=True) - mean**2
    with np.errstate(all="ignore"):
        return _beside(gamma) * (x - mean) / np.sqrt(variance + eps) + _beside(beta)


@normal.mistake
def shift_scaled_too(x, gamma, beta, eps):
    """β is multiplied by γ: first scale, then shift."""
    return _normed(x, gamma, gamma * beta, eps)


running = FunctionExercise(
    "architecture/remember-the-means",
    title="Remember the means",
    level="core",
    minutes=10,
    statement="""
        Write `running_mean(batches, momentum)`: the running average of the means that batch norm keeps for use outside training.
        `batches` is a list of arrays (N, C, H, W) with the same C and with N of all sizes; there is at least one.
        The running average begins with C zeros.
        Each batch, in the order of the list, moves it: `momentum` is the share of the new batch's means, and the rest is the share of the old average, as in torch.
        Return an array of floats, (C,).
    """,
    hints=[
        "`batch.mean(axis=(0, 2, 3))` has one mean for each channel.",
        "In each step: `average = (1 - momentum) * average + momentum * new`.",
    ],
)


@running.solution
def running_mean(batches, momentum):
    """Return the running average of the channels' means after all batches."""
    average = np.zeros(batches[0].shape[1])
    for batch in batches:
        new = batch.mean(axis=(0, 2, 3))
        average = (1 - momentum) * average + momentum * new
    return average


@running.also
def running_by_weights(batches, momentum):
    """A batch that lies n batches back has the weight momentum · (1 − momentum)ⁿ."""
    means = np.array([batch.mean(axis=(0, 2, 3)) for batch in batches])
    age = np.arange(len(batches))[::-1]
    return (momentum * (1 - momentum) ** age) @ means


@running.also
def running_by_package(batches, momentum):
    """The package's layer keeps it."""
    layer = BatchNorm2d(batches[0].shape[1], momentum=momentum)
    for batch in batches:
        layer(batch, train=True)
    return layer.buffers["running_mean"]


@running.also
def running_by_torch(batches, momentum):
    """PyTorch's layer does, too."""
    layer = nn.BatchNorm2d(batches[0].shape[1], momentum=momentum).double()
    for batch in batches:
        layer(torch.tensor(np.array(batch, dtype=float)))
    return layer.running_mean.numpy()


@running.cases
def running_cases(rng):
    """One, two and three batches by hand, then random ones."""
    one = np.array([[[[2.0, 6.0]]], [[[6.0, 2.0]]]])
    yield [one], 0.25
    yield [one, one[:1] + 4], 0.25
    two = np.array([[[[1.0, 3.0]], [[0.0, 8.0]]]])
    yield [two, 10 * two, np.concatenate([two, -two, two + 2])], 0.1
    yield [two, two[..., ::-1]], 1.0
    for count, C, H, W, momentum in [(4, 3, 2, 4, 0.1), (2, 2, 3, 1, 0.3), (6, 1, 2, 2, 0.5)]:
        sizes = rng.integers(2, 6, size=count)
        yield [rng.normal(3, 2, size=(int(N), C, H, W)) for N in sizes], momentum
    batches = rng.integers(0, 256, size=(3, 2, 4, 3, 2), dtype=np.uint8)
    yield list(batches), float(rng.uniform(0.05, 0.6))
    yield list(rng.normal(size=(2, 5, 4, 2, 3)).swapaxes(2, 4)), 0.2


def _means(batches):
    """Return the means of the channels, one row a batch."""
    return np.array([batch.mean(axis=OVER) for batch in batches])


def _followed(means, momentum, average):
    """Return the running average of rows, from a beginning on."""
    for new in means:
        average = (1 - momentum) * average + momentum * new
    return average


@running.mistake
def shares_swapped(batches, momentum):
    """The shares are swapped: in torch, and here, `momentum` is the share of the *new* batch. (TensorFlow counts the other way.)"""
    return _followed(_means(batches), 1 - momentum, 0.0)


@running.mistake
def begins_with_the_first_batch(batches, momentum):
    """It begins with the means of the first batch; the average begins with zeros, and the first batch moves it as any other."""
    means = _means(batches)
    return _followed(means[1:], momentum, means[0])


@running.mistake
def begins_at_one(batches, momentum):
    """It begins with ones; that is how the running *variance* begins, the mean begins with zeros."""
    return _followed(_means(batches), momentum, 1.0)


@running.mistake
def all_batches_alike(batches, momentum):
    """All batches count alike; in a running average old ones fade, by a share with each new batch."""
    return _means(batches).mean(0)


@running.mistake
def last_batch_only(batches, momentum):
    """That is the share of the last batch alone; the old average keeps the rest."""
    return momentum * _means(batches)[-1]


@running.mistake
def old_average_not_faded(batches, momentum):
    """The old average is kept whole, and grows and grows; of the old take only the share 1 − momentum."""
    return momentum * _means(batches).sum(0)


@running.mistake
def one_mean_for_all_channels(batches, momentum):
    """There is one mean for all channels; each channel has its own."""
    means = np.array([[batch.mean()] * batch.shape[1] for batch in batches])
    return _followed(means, momentum, 0.0)


@running.mistake
def batches_in_reverse(batches, momentum):
    """The batches come in reverse order: the last of the list counts most."""
    return _followed(_means(batches)[::-1], momentum, 0.0)


sigmoids = NumberExercise(
    "architecture/how-many-sigmoids",
    title="How many sigmoids?",
    level="core",
    minutes=5,
    statement="""
        A gradient goes back through sigmoids.
        Suppose that the weights between them leave its size as it is, so that only the slopes of the sigmoids count.
        What is the smallest number of sigmoids that is sure to leave less than $10^{-{digits}}$ of it, whatever numbers go in?
    """,
    hints=[
        "Each sigmoid multiplies the gradient by its slope. How large is that at most?",
        "You look for the smallest n for which $0.25^n$ is below that share: take logarithms, or let a loop count.",
    ],
)


@sigmoids.cases
def sigmoids_cases(rng):
    """Draw how many digits are to vanish."""
    return {"digits": int(rng.integers(4, 40))}


@sigmoids.solution
def count_sigmoids(digits):
    """Return the smallest n with 4ⁿ above 10 to the number of digits."""
    n = 0
    while 4**n <= 10**digits:
        n += 1
    return n


@sigmoids.mistake
def slope_of_one_half(digits):
    """The sigmoid's *value* at 0 is one half; its slope there is 0.25, and nowhere is it larger."""
    return (10**digits).bit_length()


@sigmoids.mistake
def rounded_down(digits):
    """That is one too few: after so many sigmoids more may be left than was asked for."""
    return count_sigmoids(digits) - 1


@sigmoids.mistake
def one_sigmoid_too_many(digits):
    """They are enough, but with one fewer it is already little enough."""
    return count_sigmoids(digits) + 1


@sigmoids.mistake
def ten_a_sigmoid(digits):
    """That would be a tenth for each sigmoid; the slope can be as large as 0.25."""
    return digits


@sigmoids.mistake
def natural_and_decimal_logarithm(digits):
    """Two logarithms are mixed: take both numbers' logarithm to the same base."""
    return int(np.ceil(digits / np.log(4)))


forgotten = ChoiceExercise(
    "architecture/eval-forgotten",
    title="Eval forgotten",
    level="core",
    minutes=4,
    statement="""
        A trained network with batch norm names photographs, many in a batch.
        Somebody has forgotten `net.eval()`, so it is still in training mode, though without an optimiser.
        What happens?
    """,
    options=[
        Option(
            "The answer for a photograph depends on which others are in its batch.",
            "In training mode each channel is standardised by the batch's own mean and variance, to which all pictures contribute.",
            right=True,
        ),
        Option(
            "Nothing: batch norm matters only where a gradient is computed.",
            "Batch norm changes the numbers on the way forwards, in both modes; only where it takes mean and variance from differs.",
        ),
        Option(
            "The network goes on learning: every photograph changes γ and β.",
            "γ and β are changed by an optimiser only, and there is none. (What does change are the running averages.)",
        ),
        Option(
            "It raises an error, for there are no labels.",
            "Batch norm never looks at labels. It runs, and that is the trap: nothing complains.",
        ),
        Option(
            "The answers are the same, for the running averages agree with every batch.",
            "They agree on average. Any one batch has another mean, above all a small one, or one of photographs that are alike.",
        ),
    ],
    hints=["Where does batch norm take the mean from, in training and outside of it?"],
)

worse = ChoiceExercise(
    "architecture/deeper-and-worse",
    title="Deeper, and worse",
    level="core",
    minutes=4,
    statement="""
        He et al. trained a plain network of 56 layers and one of 20, both with batch norm.
        The deeper one had the higher error, on new pictures *and* on those it was trained on.
        What is the best explanation?
    """,
    options=[
        Option(
            "It could do what the shallow one does, but training does not find the weights for it.",
            "Its extra layers need only pass things on. That it stays behind on the training pictures is a difficulty of optimising, and shortcuts, which hand the identity over as a present, remove most of it.",
            right=True,
        ),
        Option(
            "It over-fits: with more layers it learns the pictures by heart.",
            "Then it would be *good* on the training pictures and bad on new ones. It is worse on both.",
        ),
        Option(
            "The gradient vanishes on its way to the first layers.",
            "That happens with sigmoids. These networks have ReLU and batch norm, and in the chapter's small ones, before training, the gradient at the first layer even grows with depth; He et al. found no vanishing gradients either.",
        ),
        Option(
            "A deeper network of such layers can represent fewer functions.",
            "It can represent all that the shallow one can: let the first 20 layers do the same and the rest pass things on.",
        ),
        Option(
            "It has too few parameters for so many layers.",
            "Every layer brings its own; the deeper network has about three times as many.",
        ),
    ],
    hints=["On which pictures would you see over-fitting, and on which not?"],
)

fold = FunctionExercise(
    "architecture/fold-batch-norm-away",
    title="Fold batch norm away",
    level="core",
    minutes=15,
    statement="""
        Outside training batch norm is a multiplication and an addition for each channel, and the convolution before it can do both.
        Write `fold_norm(weight, norm)`: the weight and the bias of *one* convolution that does what a convolution with `weight`, without a bias, and then `norm` do with `train=False`.
        `weight` is an array of floats, (K, C, R, S), and `norm` a `BatchNorm2d(K)` of the package.
        Return a tuple of two arrays of floats, (K, C, R, S) and (K,), and change neither `weight` nor `norm`.
    """,
    hints=[
        '`norm.parameters["weight"]` is γ, `norm.parameters["bias"]` is β; `norm.buffers["running_mean"]` is μ, `norm.buffers["running_var"]` is σ², and there is `norm.eps`.',
        "Write $\\gamma \\cdot (z - \\mu) / \\sqrt{\\sigma^2 + \\varepsilon} + \\beta$ as a number times z plus another number.",
        "With $g = \\gamma / \\sqrt{\\sigma^2 + \\varepsilon}$ the weights become $g \\cdot w$ and the bias $\\beta - g \\cdot \\mu$. There is one g for each *filter*: `g[:, None, None, None]`.",
    ],
)


@fold.solution
def fold_norm(weight, norm):
    """Return weight and bias of a convolution that includes batch norm."""
    variance = norm.buffers["running_var"] + norm.eps
    gain = norm.parameters["weight"] / np.sqrt(variance)
    bias = norm.parameters["bias"] - gain * norm.buffers["running_mean"]
    return gain[:, None, None, None] * weight, bias


@fold.also
def fold_from_outside(weight, norm):
    """Ask batch norm what it makes of 0 and of 1 in every channel."""
    channels = len(weight)
    bias, one = (norm(np.full((1, channels, 1, 1), z)).ravel() for z in (0.0, 1.0))
    return np.einsum("k,kcrs->kcrs", one - bias, weight), bias


@fold.also
def fold_by_torch(weight, norm):
    """PyTorch has a function for it."""
    from torch.nn.utils.fusion import fuse_conv_bn_weights

    gamma, beta = norm.parameters["weight"], norm.parameters["bias"]
    mean, variance = norm.buffers["running_mean"], norm.buffers["running_var"]
    arrays = (torch.tensor(np.array(a)) for a in (weight, mean, variance, gamma, beta))
    w, mean, variance, gamma, beta = arrays
    folded = fuse_conv_bn_weights(w, None, mean, variance, norm.eps, gamma, beta)
    return tuple(part.detach().numpy() for part in folded)


def _norm(gamma, beta, mean, variance, eps):
    """Return a batch norm that has learned."""
    norm = BatchNorm2d(len(gamma), eps=eps)
    norm.parameters["weight"][:], norm.parameters["bias"][:] = gamma, beta
    norm.buffers["running_mean"][:], norm.buffers["running_var"][:] = mean, variance
    return norm


@fold.cases
def fold_cases(rng):
    """Small kernels by hand, then random ones."""
    first = Built(_norm, [2.0], [1.0], [3.0], [4.0], 0)
    yield np.array([[[[1.0, 5.0]]]]), first
    yield (
        np.array([[[[1.0]], [[2.0]]], [[[3.0]], [[-1.0]]]]),
        Built(_norm, [6.0, 1.0], [0.0, 2.0], [1.0, -2.0], [3.0, 0.25], 6.0),
    )
    yield np.array([[[[2.0], [4.0]]]]), Built(_norm, [-1.0], [5.0], [10.0], [16.0], 9.0)
    for K, C, R, S, eps in [
        (3, 2, 3, 2, 1e-5),
        (4, 1, 1, 3, 1e-3),
        (2, 2, 3, 3, 0.1),
        (5, 3, 2, 2, 1e-5),
    ]:
        gamma, beta, mean = rng.normal(size=(3, K)).tolist()
        variance = rng.uniform(0.1, 4, size=K).tolist()
        yield rng.normal(size=(K, C, R, S)), Built(_norm, gamma, beta, mean, variance, eps)
    gamma, beta, mean = (rng.integers(-8, 9, size=(3, 2)) / 4).tolist()
    yield (
        rng.normal(size=(3, 4, 2, 2)).T[:, ::2, :, ::2],
        Built(_norm, gamma, beta, mean, [1.5, 0.5], 0.5),
    )


def _folded(weight, norm, gain_of, bias_of):
    """Fold with ``gain_of(γ, σ² , ε)`` and ``bias_of(β, gain, μ)``."""
    gain = gain_of(norm.parameters["weight"], norm.buffers["running_var"], norm.eps)
    bias = bias_of(norm.parameters["bias"], gain, norm.buffers["running_mean"])
    return gain[:, None, None, None] * weight, bias


def _gain(gamma, variance, eps):
    """Return what batch norm multiplies by."""
    return gamma / np.sqrt(variance + eps)


def _shift(beta, gain, mean):
    """Return what batch norm adds."""
    return beta - gain * mean


@fold.mistake
def mean_not_scaled(weight, norm):
    """The mean is subtracted before batch norm scales, so in the bias it has to be multiplied by the same number as the weights."""
    return _folded(weight, norm, _gain, lambda beta, gain, mean: beta - mean)


@fold.mistake
def mean_added(weight, norm):
    """The mean has the wrong sign: batch norm subtracts it."""
    return _folded(weight, norm, _gain, lambda beta, gain, mean: beta + gain * mean)


@fold.mistake
def beta_scaled(weight, norm):
    """β is multiplied, too; it is added after everything else."""
    return _folded(weight, norm, _gain, lambda beta, gain, mean: gain * (beta - mean))


@fold.mistake
def mean_dropped(weight, norm):
    """The mean is missing: the bias is not β alone."""
    return _folded(weight, norm, _gain, lambda beta, gain, mean: beta + 0)


@fold.mistake
def root_dropped(weight, norm):
    """It is divided by the variance; divide by its root."""
    return _folded(weight, norm, lambda gamma, variance, eps: gamma / (variance + eps), _shift)


@fold.mistake
def eps_dropped(weight, norm):
    """ε is missing: it is added to the variance, under the root."""
    return _folded(weight, norm, lambda gamma, variance, eps: gamma / np.sqrt(variance), _shift)


@fold.mistake
def gamma_dropped(weight, norm):
    """γ is missing: batch norm scales by it after it has divided."""
    return _folded(weight, norm, lambda gamma, variance, eps: 1 / np.sqrt(variance + eps), _shift)


@fold.mistake
def kernels_not_scaled(weight, norm):
    """The weights come back unscaled: batch norm multiplies what they compute, so multiply them."""
    return weight * 1.0, fold_norm(weight, norm)[1]


@fold.mistake
def columns_scaled(weight, norm):
    """The numbers stand beside the columns of the kernels, the last axis; there is one for each filter, the first axis."""
    _, bias = fold_norm(weight, norm)
    return weight * _gain(norm.parameters["weight"], norm.buffers["running_var"], norm.eps), bias


@fold.mistake
def weight_changed_in_place(weight, norm):
    """`*=` changes the caller's `weight`; make a new array: `gain * weight`."""
    new, bias = fold_norm(weight, norm)
    weight *= 0
    weight += new
    return weight, bias


slide = FunctionExercise(
    "architecture/a-dense-layer-that-slides",
    title="A dense layer that slides",
    level="core",
    minutes=8,
    statement="""
        LeNet's first dense layer reads 16×5×5 numbers.
        It is a convolution whose kernels are as large as the maps.
        Write `dense_as_kernels(weight, shape)`: the weight of that convolution.
        `weight` is that of the dense layer, an array (K, C·H·W), and `shape` is (C, H, W), the shape of the maps before `Flatten`.
        Return an array (K, C, H, W), of the same kind of numbers as `weight`.
        With it the network takes larger pictures, and answers at every place.
    """,
    hints=[
        "`Flatten` puts the numbers of (C, H, W) into one row, in this order: channel by channel, and in each channel row by row.",
        "A row of `weight` is one filter. Give it the shape of the maps.",
        "`reshape` reads and writes in that very order.",
    ],
)


@slide.solution
def dense_as_kernels(weight, shape):
    """Return the kernels of the convolution that equals a dense layer."""
    return weight.reshape(len(weight), *shape)


@slide.also
def kernels_by_loops(weight, shape):
    """Number n of a row belongs to channel n // (H·W), row (n // W) % H, column n % W."""
    _, H, W = shape
    kernels = np.empty((len(weight), *shape), dtype=weight.dtype)
    for n in range(weight.shape[1]):
        kernels[:, n // (H * W), n // W % H, n % W] = weight[:, n]
    return kernels


@slide.also
def kernels_by_torch(weight, shape):
    """PyTorch's opposite of `Flatten`."""
    return nn.Unflatten(1, tuple(shape))(torch.tensor(np.array(weight))).numpy()


@slide.cases
def slide_cases(rng):
    """Small layers by hand, then random ones."""
    yield np.arange(1, 7).reshape(1, 6), (1, 2, 3)
    yield np.arange(1, 9).reshape(1, 8), (2, 2, 2)
    yield np.arange(1, 13).reshape(2, 6), (3, 1, 2)
    yield np.arange(1.0, 25).reshape(2, 12), (2, 3, 2)
    for K, C, H, W in [(3, 2, 4, 3), (5, 1, 2, 5), (2, 4, 3, 3), (1, 3, 1, 4)]:
        yield rng.normal(size=(K, C * H * W)), (C, H, W)
    yield rng.normal(size=(4, 18)).astype(np.float32), (2, 3, 3)
    yield rng.normal(size=(24, 3)).T[:, ::2], (2, 2, 3)


@slide.mistake
def columns_before_rows(weight, shape):
    """Rows and columns of the kernels are swapped: `Flatten` goes row by row, so H comes before W."""
    C, H, W = shape
    return weight.reshape(len(weight), C, W, H).swapaxes(2, 3)


@slide.mistake
def channels_last(weight, shape):
    """The numbers are read as (H, W, C), with the channels last; `Flatten` of (C, H, W) goes channel by channel."""
    C, H, W = shape
    return weight.reshape(len(weight), H, W, C).transpose(0, 3, 1, 2)


@slide.mistake
def kernels_upside_down(weight, shape):
    """The kernels are turned by 180°; layers of networks do not turn them."""
    return weight.reshape(len(weight), *shape)[..., ::-1, ::-1]


@slide.mistake
def outputs_last(weight, shape):
    """The outputs come last; the filters are the first axis, (K, C, H, W)."""
    return weight.T.reshape(*shape, len(weight))


@slide.mistake
def axes_of_weight_confused(weight, shape):
    """The weight is transposed first, which mixes all filters: a *row* of it is one filter already."""
    return weight.T.reshape(len(weight), *shape)


@slide.mistake
def one_by_one(weight, shape):
    """These are 1×1 kernels on a long row of channels; the kernels are as large as the maps, H×W."""
    return weight[:, :, None, None]


@slide.mistake
def columns_first_order(weight, shape):
    """The numbers are read with the first axis running fastest (`order="F"`); `Flatten` lets the columns run fastest."""
    return np.stack([row.reshape(shape, order="F") for row in weight])


shortcut = FunctionExercise(
    "architecture/the-bypass-without-parameters",
    title="The bypass without parameters",
    level="core",
    minutes=8,
    statement="""
        Write `zero_shortcut(x, channels, stride)`, option A of the residual block.
        `x` is an array of floats, (N, C, H, W).
        Take every `stride`-th row and column, from the first on, and append maps of zeros behind the C maps until there are `channels`, which is at least C.
        Return an array of floats, (N, channels, ⌈H / stride⌉, ⌈W / stride⌉).
    """,
    hints=[
        "A slice with a step: `x[:, :, ::stride, ::stride]`.",
        "`np.pad` takes a pair (before, after) for each of the four axes; or make the zeros, and `np.concatenate` along axis 1.",
    ],
)


@shortcut.solution
def zero_shortcut(x, channels, stride):
    """Return every stride-th pixel, with maps of zeros appended."""
    small = x[:, :, ::stride, ::stride]
    more = channels - x.shape[1]
    return np.pad(small, ((0, 0), (0, more), (0, 0), (0, 0)))


@shortcut.also
def shortcut_into_zeros(x, channels, stride):
    """Begin with zeros, and write the pixels into the first maps."""
    N, C, H, W = x.shape
    y = np.zeros((N, channels, -(-H // stride), -(-W // stride)))
    y[:, :C] = x[:, :, ::stride, ::stride]
    return y


@shortcut.also
def shortcut_of_the_block(x, channels, stride):
    """What the package's residual block has in its bypass."""
    block = residual_block(x.shape[1], channels, stride, option="A")
    return block[0].shortcut(torch.tensor(np.array(x))).numpy()


@shortcut.also
def shortcut_by_convolution(x, channels, stride):
    """A 1×1 convolution with an identity for weights, and a stride."""
    return conv2d(x, np.eye(channels, x.shape[1])[:, :, None, None], stride=stride)


@shortcut.cases
def shortcut_cases(rng):
    """Small maps by hand, then random ones; the shape may also stay."""
    grid = np.arange(1.0, 13).reshape(1, 1, 3, 4)
    yield grid, 2, 2
    yield grid, 1, 3
    yield np.arange(1.0, 9).reshape(1, 2, 2, 2), 5, 1
    yield np.arange(1.0, 17).reshape(2, 2, 1, 4), 4, 2
    for N, C, channels, H, W, stride in [
        (2, 4, 8, 7, 8, 2),
        (1, 3, 4, 5, 9, 3),
        (3, 2, 6, 6, 4, 1),
        (2, 3, 6, 4, 6, 2),
    ]:
        yield rng.normal(size=(N, C, H, W)), channels, stride
    yield (rng.integers(-8, 9, size=(2, 2, 5, 6)) / 4).astype(np.float32), 3, 2
    yield rng.normal(size=(2, 2, 8, 5)).swapaxes(2, 3)[..., ::2], 4, 2


def _appended(small, before, after):
    """Return maps with so many maps of zeros before and after them."""
    return np.pad(small, ((0, 0), (before, after), (0, 0), (0, 0)))


@shortcut.mistake
def size_rounded_down(x, channels, stride):
    """There is room for H // stride rows only; if rows or columns are left over, the slice has one more, so round up."""
    N, C, H, W = x.shape
    y = np.zeros((N, channels, H // stride, W // stride))
    y[:, :C] = x[:, :, ::stride, ::stride]
    return y


@shortcut.mistake
def zeros_in_front(x, channels, stride):
    """The maps of zeros come first; append them behind the maps that there are."""
    return _appended(x[:, :, ::stride, ::stride], channels - x.shape[1], 0)


@shortcut.mistake
def zeros_on_both_sides(x, channels, stride):
    """The maps of zeros are divided among both sides; append all of them behind the maps that there are."""
    more = channels - x.shape[1]
    return _appended(x[:, :, ::stride, ::stride], more // 2, more - more // 2)


@shortcut.mistake
def too_many_zeros(x, channels, stride):
    """`channels` maps of zeros are appended; only so many are missing as make `channels` altogether."""
    return _appended(x[:, :, ::stride, ::stride], 0, channels)


@shortcut.mistake
def maps_repeated(x, channels, stride):
    """The maps are repeated; the new ones are zeros."""
    return x[:, np.arange(channels) % x.shape[1], ::stride, ::stride]


@shortcut.mistake
def rows_only(x, channels, stride):
    """Only rows are left out; take every `stride`-th column, too."""
    return _appended(x[:, :, ::stride], 0, channels - x.shape[1])


@shortcut.mistake
def pixels_averaged(x, channels, stride):
    """Blocks of pixels are averaged; option A takes single pixels and leaves the others out."""
    starts = [np.arange(0, size, stride) for size in x.shape[2:]]
    sums = np.add.reduceat(np.add.reduceat(x, starts[0], axis=2), starts[1], axis=3)
    sizes = [
        np.minimum(stride, size - start) for size, start in zip(x.shape[2:], starts, strict=True)
    ]
    return _appended(sums / np.outer(*sizes), 0, channels - x.shape[1])


@shortcut.mistake
def last_of_each_block(x, channels, stride):
    """It begins with the last pixel of the first block; take the first row and column, and every `stride`-th after it."""
    rest = stride - 1
    return _appended(x[:, :, rest::stride, rest::stride], 0, channels - x.shape[1])


@shortcut.mistake
def stride_forgotten(x, channels, stride):
    """The maps keep their size; take every `stride`-th row and column."""
    return _appended(x, 0, channels - x.shape[1])


block_maps = NumberExercise(
    "architecture/through-a-dense-block",
    title="Through a dense block",
    level="core",
    minutes=5,
    statement="""
        A dense block, as in DenseNet, gets {channels} maps of {side}×{side}.
        It has {layers} layers, and each adds {growth} maps.
        Then comes a transition.
        How many numbers does the transition put out for one picture?
    """,
    hints=[
        "Every layer keeps all maps before it, and lays its new ones beside them.",
        "A transition halves the number of maps, and both sides of each.",
    ],
)


@block_maps.cases
def block_maps_cases(rng):
    """Draw even numbers of everything."""
    channels, growth = (8 * int(n) for n in rng.choice(np.arange(2, 9), 2, replace=False))
    return {
        "channels": channels,
        "side": 2 * int(rng.integers(7, 25)),
        "layers": int(rng.integers(3, 8)),
        "growth": growth,
    }


@block_maps.solution
def numbers_after_transition(channels, side, layers, growth):
    """Return half of all maps, times a quarter of the pixels."""
    maps = (channels + layers * growth) // 2
    return maps * (side // 2) ** 2


@block_maps.mistake
def first_maps_dropped(channels, side, layers, growth):
    """The block keeps the maps that it gets; they come out beside the new ones."""
    return layers * growth // 2 * (side // 2) ** 2


@block_maps.mistake
def one_layer_counted(channels, side, layers, growth):
    """Every layer of the block adds maps, not only one."""
    return (channels + growth) // 2 * (side // 2) ** 2


@block_maps.mistake
def maps_not_halved(channels, side, layers, growth):
    """The transition halves the number of maps, too."""
    return (channels + layers * growth) * (side // 2) ** 2


@block_maps.mistake
def sides_not_halved(channels, side, layers, growth):
    """The transition halves the sides of the maps, too."""
    return (channels + layers * growth) // 2 * side**2


@block_maps.mistake
def maps_multiplied_by_layers(channels, side, layers, growth):
    """A layer adds so many maps; it does not multiply their number."""
    return channels * growth * layers // 2 * (side // 2) ** 2


@block_maps.mistake
def maps_alone(channels, side, layers, growth):
    """That is the number of maps; each has rows and columns."""
    return (channels + layers * growth) // 2


excite = FunctionExercise(
    "architecture/squeeze-and-excite",
    title="Squeeze and excite",
    level="stretch",
    minutes=15,
    statement="""
        Write `squeeze_excite(x, down, up)`: EfficientNet's gate in NumPy.
        `x` is an array of floats, (N, C, H, W); `down` is a matrix (S, C), and `up` a matrix (C, S); there are no biases.
        For each picture take the means of its C maps, multiply by `down`, apply ReLU, multiply by `up`, and apply the sigmoid: one number between 0 and 1 for each map.
        Then multiply every map by its number.
        Return an array of floats, (N, C, H, W), and leave `x` as it is.
    """,
    hints=[
        "The means are an array (N, C): `x.mean(axis=(2, 3))`.",
        "A dense layer without a bias is `means @ down.T`.",
        "The gate has the shape (N, C); `gate[:, :, None, None]` stands beside the maps.",
    ],
)


@excite.solution
def squeeze_excite(x, down, up):
    """Return the maps, each weighed by a number made from all means."""
    means = x.mean(axis=(2, 3))
    hidden = np.maximum(means @ down.T, 0)
    gate = 1 / (1 + np.exp(-hidden @ up.T))
    return x * gate[:, :, None, None]


@excite.also
def excite_by_pictures(x, down, up):
    """One picture after the other, with matrices times vectors."""
    y = np.zeros(x.shape)
    for n, picture in enumerate(x):
        hidden = down @ [maps.mean() for maps in picture]
        hidden[hidden < 0] = 0
        for c, z in enumerate(up @ hidden):
            y[n, c] = picture[c] / (1 + np.exp(-z))
    return y


@excite.also
def excite_by_torch(x, down, up):
    """The same with PyTorch's layers."""
    x, down, up = (torch.tensor(np.array(a, dtype=float)) for a in (x, down, up))
    means = nn.functional.adaptive_avg_pool2d(x, 1)
    hidden = nn.functional.conv2d(means, down[:, :, None, None]).relu()
    return (x * nn.functional.conv2d(hidden, up[:, :, None, None]).sigmoid()).numpy()


@excite.cases
def excite_cases(rng):
    """Small pictures by hand, then random ones."""
    one = np.array([[[[1.0, 3.0]], [[4.0, 0.0]]]])
    yield one, np.array([[1.0, 0.5]]), np.array([[1.0], [-1.0]])
    yield one, np.array([[-1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 2.0]])
    yield (
        np.array([[[[2.0]], [[4.0]]], [[[-2.0]], [[1.0]]]]),
        np.array([[0.5, 0.25]]),
        np.array([[2.0], [1.0]]),
    )
    yield np.arange(8.0).reshape(1, 2, 2, 2), np.zeros((1, 2)), np.ones((2, 1))
    for N, C, S, H, W in [(2, 8, 3, 5, 6), (1, 4, 2, 3, 2), (3, 2, 2, 1, 4), (2, 3, 1, 3, 3)]:
        yield (
            rng.normal(0.3, 1, size=(N, C, H, W)),
            rng.normal(size=(S, C)),
            rng.normal(size=(C, S)),
        )
    yield (
        rng.random((2, 6, 3, 4)).swapaxes(1, 3)[:, :, :, ::2],
        rng.normal(size=(2, 4)),
        rng.normal(size=(4, 2)),
    )


def _squash(z):
    """Return the sigmoid."""
    return 1 / (1 + np.exp(-z))


def _relu(z):
    """Put 0 for what is negative."""
    return np.maximum(z, 0)


def _gated(x, down, up, squeeze=None, bend=_relu, squash=_squash):
    """Multiply maps by a gate made from what is squeezed out of them."""
    means = x.mean(axis=(2, 3)) if squeeze is None else squeeze(x)
    return x * squash(bend(means @ down.T) @ up.T)[:, :, None, None]


@excite.mistake
def first_bend_forgotten(x, down, up):
    """The ReLU between the two matrices is missing, so they are one matrix."""
    return _gated(x, down, up, bend=lambda z: z)


@excite.mistake
def sigmoid_forgotten(x, down, up):
    """The sigmoid is missing: the gate is a number between 0 and 1."""
    return _gated(x, down, up, squash=lambda z: z)


@excite.mistake
def sigmoid_for_relu(x, down, up):
    """Between the two matrices stands a ReLU; the sigmoid comes at the end only."""
    return _gated(x, down, up, bend=_squash)


@excite.mistake
def softmax_for_sigmoid(x, down, up):
    """The numbers of all maps add up to 1, as of a softmax; each map has a sigmoid of its own."""
    return _gated(x, down, up, squash=softmax)


@excite.mistake
def sums_for_means(x, down, up):
    """The maps are summed up; take their means, so that the size of the picture does not matter."""
    return _gated(x, down, up, lambda x: x.sum(axis=(2, 3)))


@excite.mistake
def largest_for_mean(x, down, up):
    """The largest number of each map is taken; take the mean."""
    return _gated(x, down, up, lambda x: x.max(axis=(2, 3)))


@excite.mistake
def pictures_mixed(x, down, up):
    """The means run over the batch, too, so that one picture's gate depends on the others; each picture has a gate of its own."""
    return _gated(x, down, up, lambda x: x.mean(axis=OVER)[None])


@excite.mistake
def gate_added(x, down, up):
    """The gate is added; it multiplies the maps."""
    return x + _gated(np.ones_like(x), down, up, lambda _: x.mean(axis=(2, 3)))


@excite.mistake
def gate_returned(x, down, up):
    """That is the gate, one number for each map; multiply the maps by it."""
    return _gated(np.ones_like(x), down, up, lambda _: x.mean(axis=(2, 3)))[:, :, 0, 0]


change = ChoiceExercise(
    "architecture/which-may-change-places",
    title="Which may change places?",
    level="stretch",
    minutes=5,
    statement="For which of these pairs of steps does the order never matter, whatever numbers go in and whatever has been learned?",
    options=[
        Option(
            "ReLU and max pooling",
            "ReLU keeps the order of numbers. So the largest stays the largest, and whether it is cut off before or after it is taken is the same.",
            right=True,
        ),
        Option(
            "ReLU and average pooling",
            "Take −2 and 4: ReLU first gives 0 and 4, mean 2; the mean first gives 1. Cutting off changes what is averaged.",
        ),
        Option(
            "batch norm outside training and max pooling",
            "It holds unless a γ is negative: that turns the largest number of a window into the smallest.",
        ),
        Option(
            "batch norm in training and max pooling",
            "In training the mean and the variance are those of the numbers that batch norm gets, and the maxima alone have others than all pixels. (And a negative γ would turn the order round.)",
        ),
        Option(
            "a 3×3 convolution and ReLU",
            "A convolution adds up positive and negative products. Cut off its inputs, and it computes other sums than those whose result you would have cut off.",
        ),
    ],
    hints=[
        "Try each pair on two numbers, −2 and 4, and look for a case in which the order matters."
    ],
)

narrow = FunctionExercise(
    "architecture/build-a-bottleneck",
    title="Build a bottleneck",
    level="stretch",
    minutes=20,
    statement="""
        Write `bottleneck(channels, width)`: a block of ResNet as a torch module, without batch norm.
        It takes (N, channels, H, W) and returns the same shape, $\\text{ReLU}(x + f(x))$.
        f is a 1×1 convolution to `width` maps, ReLU, a 3×3 convolution from `width` to `width` maps that keeps the size by padding with zeros, ReLU, and a 1×1 convolution back to `channels` maps.
        All three convolutions have biases and stride 1.
        Return the module, not what it makes of a picture.
        (The grader sets its weights, and looks at what comes out and at how many parameters there are.)
    """,
    hints=[
        "f is an `nn.Sequential` of five layers.",
        "`Skip(f)`, from `cnncourse.architecture.blocks`, adds its input to what f makes of it.",
        "The last ReLU comes after the sum: `nn.Sequential(Skip(f), nn.ReLU())`.",
    ],
)


@narrow.solution
def bottleneck(channels, width):
    """Return a module that computes ReLU(x + f(x)) with a narrow f."""
    function = nn.Sequential(
        nn.Conv2d(channels, width, 1),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, channels, 1),
    )
    return nn.Sequential(Skip(function), nn.ReLU())


@narrow.also
def bottleneck_as_a_class(channels, width):
    """A module with a forward function of its own."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.back = nn.Conv2d(width, channels, 1)
            self.inside = nn.Conv2d(width, width, 3, padding="same")
            self.reduce = nn.Conv2d(channels, width, 1)

        def forward(self, x):
            narrow = self.inside(self.reduce(x).relu()).relu()
            return torch.relu(self.back(narrow) + x)

    return Block()


@narrow.observe
def _tried(module, channels, width):
    """Return how many parameters a module has, and what it makes of a picture with given weights."""
    if not isinstance(module, nn.Module):
        raise TypeError(f"expected a torch module, got {type(module).__name__}")
    module = module.double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(_waves(parameter.shape))
        y = module(_waves((2, channels, 4, 5)))
    parameters = sum(p.numel() for p in module.parameters())
    return {"parameters": parameters, "output": y.numpy()}


def _waves(shape):
    """Return numbers between −1 and 1 that depend on the shape alone, as a tensor."""
    numbers = np.arange(np.prod(shape))
    return torch.tensor(np.sin(1.7 * numbers + numbers.size).reshape(shape))


@narrow.cases
def narrow_cases(rng):
    """Small blocks by hand, then random ones."""
    yield from [(2, 1), (4, 2), (3, 3)]
    for _ in range(4):
        yield tuple(int(n) for n in rng.integers((4, 2), (13, 7)))


def _three_layers(channels, width, kernel_size=3, bias=True):
    """Return 1×1, k×k, 1×1 with ReLU between, from channels to width and back."""
    return [
        nn.Conv2d(channels, width, 1, bias=bias),
        nn.ReLU(),
        nn.Conv2d(width, width, kernel_size, padding=kernel_size // 2, bias=bias),
        nn.ReLU(),
        nn.Conv2d(width, channels, 1, bias=bias),
    ]


def _added(*layers):
    """Return ReLU(x + f(x)) with these layers in f."""
    return nn.Sequential(Skip(nn.Sequential(*layers)), nn.ReLU())


@narrow.mistake
def shortcut_missing(channels, width):
    """The input is not added: the block has to return its input plus what f makes of it, through ReLU."""
    return nn.Sequential(*_three_layers(channels, width), nn.ReLU())


@narrow.mistake
def relu_before_the_sum(channels, width):
    """There is a ReLU at the end of f, so that f can only add, never take away; the last ReLU comes after the sum."""
    return _added(*_three_layers(channels, width), nn.ReLU())


@narrow.mistake
def last_relu_missing(channels, width):
    """The ReLU after the sum is missing."""
    return Skip(nn.Sequential(*_three_layers(channels, width)))


@narrow.mistake
def relu_inside_f_only(channels, width):
    """The ReLU stands before the sum, at the end of f; it belongs after the sum."""
    return Skip(nn.Sequential(*_three_layers(channels, width), nn.ReLU()))


@narrow.mistake
def bends_missing(channels, width):
    """There is no ReLU between the convolutions, so all three are one linear layer."""
    return _added(*_three_layers(channels, width)[::2])


@narrow.mistake
def laid_side_by_side(channels, width):
    """The input is laid beside what f makes of it, which doubles the channels; add the two."""
    return nn.Sequential(
        Branches(nn.Identity(), nn.Sequential(*_three_layers(channels, width))), nn.ReLU()
    )


@narrow.mistake
def wide_all_the_way(channels, width):
    """The 3×3 convolution works on all channels; the first 1×1 layer is there to make them `width` before it."""
    return _added(*_three_layers(channels, channels + 0 * width))


@narrow.mistake
def padding_missing(channels, width):
    """Without padding the 3×3 convolution makes the maps smaller, and the sum is impossible: pad by 1."""
    layers = _three_layers(channels, width)
    layers[2] = nn.Conv2d(width, width, 3)
    return _added(*layers)


@narrow.mistake
def biases_missing(channels, width):
    """The convolutions have no biases; here, without batch norm, they are asked for."""
    return _added(*_three_layers(channels, width, bias=False))


@narrow.mistake
def batch_norm_included(channels, width):
    """There is batch norm in the block; it is asked for without."""
    layers = (
        conv_bn(channels, width, 1),
        conv_bn(width, width),
        conv_bn(width, channels, 1, activation=None),
    )
    return _added(*layers)


back = FunctionExercise(
    "architecture/back-through-batch-norm",
    title="Back through batch norm",
    level="challenge",
    minutes=30,
    statement="""
        Write `norm_gradient(dy, x, gamma, eps)`: the way back through batch norm in *training*, where the mean and the variance depend on x, too.
        `x` is what the layer read and `dy` the gradient of the loss with respect to its output, both arrays of floats, (N, C, H, W).
        `gamma` is an array (C,), and `eps`, a number above 0, stands under the root.
        Return dx, the gradient with respect to x, an array of floats, (N, C, H, W).
        Derive it on paper first.
    """,
    hints=[
        "A constant that is added to all pixels of a channel changes nothing, so the mean of `dy` over the channel has to be taken out. Nor does it matter (but for ε) if a channel is stretched, so what `dy` has of the standardised x has to be taken out, too.",
        "Let $\\hat x$ be the standardised x, and let bars be means over batch and pixels of a channel. You need $\\overline{\\mathrm{d}y}$ and $\\overline{\\mathrm{d}y \\cdot \\hat x}$.",
        "$\\mathrm{d}x = \\gamma / \\sqrt{\\sigma^2 + \\varepsilon} \\cdot (\\mathrm{d}y - \\overline{\\mathrm{d}y} - \\hat x \\cdot \\overline{\\mathrm{d}y \\cdot \\hat x})$",
    ],
)


@back.solution
def norm_gradient(dy, x, gamma, eps):
    """Return the gradient of batch norm's input in training."""
    over = {"axis": (0, 2, 3), "keepdims": True}
    scale = 1 / np.sqrt(x.var(**over) + eps)
    standard = (x - x.mean(**over)) * scale
    rest = dy - dy.mean(**over) - standard * (dy * standard).mean(**over)
    return gamma[:, None, None] * scale * rest


@back.also
def gradient_by_package(dy, x, gamma, eps):
    """The package's layer."""
    layer = BatchNorm2d(len(gamma), eps=eps)
    layer.parameters["weight"][:] = gamma
    layer(x, train=True)
    return layer.backward(dy)


@back.also
def gradient_by_torch(dy, x, gamma, eps):
    """Automatic differentiation."""
    tensor = torch.tensor(np.array(x), requires_grad=True)
    gammas = torch.tensor(np.array(gamma))
    y = nn.functional.batch_norm(tensor, None, None, gammas, training=True, eps=eps)
    y.backward(torch.tensor(np.array(dy)))
    return tensor.grad.numpy()


@back.also
def gradient_by_jacobian(dy, x, gamma, eps):
    """Write the matrix of all slopes ∂y/∂x of a channel, and multiply by it."""
    dx = np.zeros(x.shape)
    for c in range(x.shape[1]):
        numbers = x[:, c].ravel() - x[:, c].mean()
        count, deviation = numbers.size, np.sqrt((numbers**2).mean() + eps)
        slopes = np.eye(count) - 1 / count - np.outer(numbers, numbers) / (count * deviation**2)
        dx[:, c] = (dy[:, c].ravel() @ slopes * gamma[c] / deviation).reshape(x[:, c].shape)
    return dx


@back.cases
def back_cases(rng):
    """Small batches by hand, then random ones."""
    row = np.array([[[[2.0, 6.0, 4.0]]]])
    yield np.array([[[[1.0, 0.0, 0.0]]]]), row, np.array([1.0]), 0.5
    yield np.array([[[[3.0, -1.0, 2.0]]]]), row, np.array([4.0]), 1e-3
    pair = np.array([[[[1.0, 3.0]], [[0.0, 8.0]]], [[[5.0, 7.0]], [[2.0, 2.0]]]])
    yield (
        np.array([[[[1.0, 2.0]], [[0.0, -1.0]]], [[[0.0, 4.0]], [[3.0, 1.0]]]]),
        pair,
        np.array([1.0, -2.0]),
        1.0,
    )
    for N, C, H, W in [(4, 3, 5, 6), (1, 2, 4, 3), (3, 1, 2, 2), (2, 3, 3, 3)]:
        dy, x = rng.normal(size=(2, N, C, H, W))
        yield dy, 3 + 2 * x, rng.normal(size=C), float(rng.choice([1e-5, 0.1]))
    dy, x = rng.normal(size=(2, 3, 2, 6, 4)).swapaxes(3, 4)[..., ::2]
    yield dy, x, rng.normal(size=2), 0.01


def _pulled_back(dy, x, gamma, eps, mean=1, along=1, ddof=0, axes=OVER):
    """Return the gradient with so much of its two corrections."""
    over = {"axis": axes, "keepdims": True}
    with np.errstate(all="ignore"):
        scale = 1 / np.sqrt(x.var(**over, ddof=ddof) + eps)
    standard = (x - x.mean(**over)) * scale
    rest = dy - mean * dy.mean(**over) - along * standard * (dy * standard).mean(**over)
    return _beside(gamma) * scale * rest


@back.mistake
def statistics_held_fixed(dy, x, gamma, eps):
    """The mean and the variance are taken for constants, as they are outside training; here every pixel moves them, too."""
    return _pulled_back(dy, x, gamma, eps, mean=0, along=0)


@back.mistake
def variance_held_fixed(dy, x, gamma, eps):
    """That every pixel moves the *variance* is missing: take out what dy has of the standardised x, too."""
    return _pulled_back(dy, x, gamma, eps, along=0)


@back.mistake
def mean_held_fixed(dy, x, gamma, eps):
    """That every pixel moves the *mean* is missing: take the mean of dy out, too."""
    return _pulled_back(dy, x, gamma, eps, mean=0)


@back.mistake
def corrections_added(dy, x, gamma, eps):
    """Both corrections are added; they are subtracted, for the loss cannot ask for a constant or for more spread."""
    return _pulled_back(dy, x, gamma, eps, mean=-1, along=-1)


@back.mistake
def sums_for_the_means(dy, x, gamma, eps):
    """The corrections are sums over the batch; they are means, divided by N·H·W."""
    count = x.size // x.shape[1]
    return _pulled_back(dy, x, gamma, eps, mean=count, along=count)


@back.mistake
def gamma_left_out(dy, x, gamma, eps):
    """γ is missing: on the way forwards the standardised numbers are multiplied by it, so on the way back the gradient is."""
    return _pulled_back(dy, x, np.ones(len(gamma)), eps)


@back.mistake
def deviation_left_out(dy, x, gamma, eps):
    """The standard deviation is missing: on the way forwards x is divided by it, so on the way back the gradient is."""
    return _pulled_back(dy, x, gamma, eps) * np.sqrt(x.var(OVER, keepdims=True) + eps)


@back.mistake
def divided_by_one_less(dy, x, gamma, eps):
    """The variance is divided by N·H·W − 1; in training batch norm divides by N·H·W."""
    return _pulled_back(dy, x, gamma, eps, ddof=1)


@back.mistake
def each_picture_by_itself(dy, x, gamma, eps):
    """The means run over each picture by itself; they run over the whole batch."""
    return _pulled_back(dy, x, gamma, eps, axes=(2, 3))


@back.mistake
def eps_left_out(dy, x, gamma, eps):
    """ε is missing: it stands under the root, with the variance."""
    return _pulled_back(dy, x, gamma, 0)


own = ProjectExercise(
    "architecture/a-network-of-your-own",
    title="Project: a network of your own",
    minutes=90,
    statement="""
        Design a network for the clothes of this chapter with at most 20,000 parameters, for pictures of any size, and assert both.
        Besides convolution, batch norm, ReLU and pooling it uses two ideas of the section *One idea a network*, such as shortcuts, paths side by side, kept maps, one kernel a channel, or a gate.
        Draw it with `show.network`, and count its parameters and multiply-adds beside those of `small_net(widths=(16, 32, 64), pool=True)`.
        Train both as in the first section, on the 6,000 pictures, with three seeds each, and measure which share of the 2,000 new ones they name right.
        Then take one of your two ideas out, and count and measure this third network as well.
        Write down in five sentences or fewer what each idea costs and what it brings, and what you cannot tell from three seeds.
    """,
    rubric=[
        Criterion(
            "A cell asserts at most 20,000 parameters, and ten logits for pictures of 28×28 and of another size",
            2,
        ),
        Criterion("Two ideas of the chapter are in it, each shown in a drawing or in code", 2),
        Criterion("Parameters and multiply-adds of all three networks in one table", 1),
        Criterion(
            "Accuracy of all three networks with the spread over three seeds, in one figure or table",
            2,
        ),
        Criterion("The text calls nothing better that is within the spread of the seeds", 1),
    ],
    hints=[
        "`conv_bn`, `residual_block`, `separable_conv`, `Branches`, `Skip` and `Gate` from `cnncourse.architecture.blocks` can all stand in one `nn.Sequential`.",
        "End as `small_net` does, with global means and one dense layer: that takes pictures of any size, and few parameters.",
    ],
)
