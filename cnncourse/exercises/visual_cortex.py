"""Exercises of chapter 1: visual cortex."""

from functools import cache

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
from cnncourse.visual_cortex import (
    bar,
    complex_cell,
    gabor,
    grating,
    permute_pixels,
    receptive_field_map,
    tuning_curve,
)

answer = FunctionExercise(
    "visual_cortex/one-answer",
    title="One answer",
    level="warm-up",
    minutes=5,
    statement="""
        Write `one_answer(patch, weights, bias)`: the answer of one cell.
        `patch` and `weights` are arrays of the same shape, (R, S), and `bias` is a number that shifts the response.
        Multiply each pixel by its weight, add all products and the bias, and cut the result off below zero.
        Return one number.
    """,
    hints=[
        "For arrays, `patch * weights` multiplies each pixel by the weight at its place.",
        "Then `.sum()`, plus the bias, and then `max(0, …)`.",
    ],
)


@answer.solution
def one_answer(patch, weights, bias):
    """Return the weighted sum of a patch plus a bias, cut off below zero."""
    return float(max(0, (patch * weights).sum() + bias))


@answer.also
def answer_by_loops(patch, weights, bias):
    """Add one product after the other."""
    total = bias
    for i, row in enumerate(patch.tolist()):
        for j, pixel in enumerate(row):
            total += pixel * weights[i, j]
    return total if total > 0 else 0


@answer.also
def answer_by_scipy(patch, weights, bias):
    """SciPy slides the weights over an image in which they fit once."""
    from scipy.signal import correlate2d

    return np.maximum(correlate2d(patch, weights, mode="valid").item() + bias, 0.0)


@answer.cases
def one_answer_cases(rng):
    """The chapter's cell first, then all shapes and dtypes."""
    line = np.array([[-1, 2, -1]] * 3)
    middle = np.array([[0, 1, 0]] * 3)
    yield middle, line, -1
    yield middle, -line, 0
    yield np.roll(middle, 1, axis=1), line, 4
    yield np.array([[1, 2, 0], [0, 0, 3]]), np.array([[1, 0, 0], [0, -1, 2]]), 2
    yield np.array([[2, 1], [0, 1]]), np.array([[1, -3], [0, 1]]), -2
    for shape in [(1, 4), (4, 2), (3, 5), (5, 5)]:
        patch, weights = rng.random(shape), rng.normal(size=shape)
        yield patch, weights, float(0.5 - (patch * weights).sum())
        yield patch, weights, float(rng.normal())
    small = rng.integers(-8, 9, size=(2, 4, 3)) / 4
    yield small[0].astype(np.float32), small[1].astype(np.float32), 1.5
    yield rng.integers(0, 256, size=(3, 2), dtype=np.uint8), rng.integers(-3, 4, size=(3, 2)), 900
    yield rng.random((6, 4))[::2].T, rng.random((4, 3)), 0


@answer.mistake
def bias_forgotten(patch, weights, bias):
    """The bias is missing: it is added to the weighted sum before the cut."""
    return float(max(0, (patch * weights).sum()))


@answer.mistake
def bias_subtracted(patch, weights, bias):
    """The bias is subtracted; add it to the weighted sum."""
    return float(max(0, (patch * weights).sum() - bias))


@answer.mistake
def cut_off_forgotten(patch, weights, bias):
    """A cell cannot answer less than nothing: cut the result off below zero."""
    return float((patch * weights).sum() + bias)


@answer.mistake
def bias_after_the_cut(patch, weights, bias):
    """The bias comes too late: add it first, and cut off afterwards."""
    return float(max(0, (patch * weights).sum()) + bias)


@answer.mistake
def bias_at_every_pixel(patch, weights, bias):
    """The bias is added once for every pixel; a cell has one bias, which is added to the sum once."""
    return float(max(0, (patch * weights + bias).sum()))


@answer.mistake
def each_product_cut_off(patch, weights, bias):
    """The cut comes too early: products below zero count, too, and only the whole sum is cut off."""
    return float(max(0, np.maximum(patch * weights, 0).sum() + bias))


@answer.mistake
def matrix_product(patch, weights, bias):
    """`@` multiplies rows by columns; a cell multiplies each pixel by the weight at the same place, with `*`."""
    return float(max(0, (patch @ weights).sum() + bias))


@answer.mistake
def mean_for_sum(patch, weights, bias):
    """The products are averaged; a cell adds them up."""
    return float(max(0, (patch * weights).mean() + bias))


@answer.mistake
def weights_turned(patch, weights, bias):
    """The weights are turned by half a turn; each weight stays at its place, row by row and column by column."""
    return float(max(0, (patch * weights[::-1, ::-1]).sum() + bias))


@answer.mistake
def sign_dropped(patch, weights, bias):
    """A negative result becomes 0, not the same number without its sign."""
    return float(abs((patch * weights).sum() + bias))


on_grey = NumberExercise(
    "visual_cortex/bar-on-grey",
    title="A bar on grey",
    level="warm-up",
    minutes=4,
    statement="""
        A cell has {rows} rows of the weights −1, 2, −1, no bias and no cut-off.
        Its patch is a wall of brightness {wall} with an upright bar of brightness {bar}, which covers exactly the middle column.
        What does the cell answer?
    """,
    hints=[
        "What does one row give?",
        "The two outer columns see the wall, with the weight −1 each.",
    ],
)


@on_grey.cases
def on_grey_cases(rng):
    """Draw a wall that is darker than the bar."""
    wall, bright = (float(n) / 8 for n in (rng.integers(1, 5), rng.integers(5, 9)))
    return {"rows": int(rng.integers(3, 8)), "wall": wall, "bar": bright}


@on_grey.solution
def answer_on_grey(rows, wall, bar):
    """Return what all rows give together."""
    return rows * (2 * bar - 2 * wall)


@on_grey.mistake
def wall_ignored(rows, wall, bar):
    """The wall is not black: the outer columns see it, and it holds the cell back."""
    return rows * 2 * bar


@on_grey.mistake
def one_row_only(rows, wall, bar):
    """That is one row; the cell adds up all of its rows."""
    return 2 * bar - 2 * wall


@on_grey.mistake
def one_flank_only(rows, wall, bar):
    """The wall is seen on both sides of the bar, so it counts twice in each row."""
    return rows * (2 * bar - wall)


@on_grey.mistake
def signs_ignored(rows, wall, bar):
    """The outer weights are negative: light there makes the answer smaller."""
    return rows * (2 * bar + 2 * wall)


@on_grey.mistake
def light_measured(rows, wall, bar):
    """That is all the light in the patch; each pixel has to be multiplied by its weight first."""
    return rows * (bar + 2 * wall)


@on_grey.mistake
def middle_weight_ignored(rows, wall, bar):
    """The middle column has the weight 2, not 1."""
    return rows * (bar - 2 * wall)


engineers = ChoiceExercise(
    "visual_cortex/the-engineers-step",
    title="Not copied from the brain",
    level="warm-up",
    minutes=3,
    statement="Which of these is true of convolutional networks, and not of the visual cortex?",
    options=[
        Option(
            "All cells that ask the same question at different places have exactly the same weights.",
            "Nothing keeps the weights of two neurons equal. Sharing is the engineers' step, and with it the size of the photograph plays no part in the number of parameters.",
            right=True,
        ),
        Option(
            "Each cell reads a small part of the scene only.",
            "That is what Hubel and Wiesel met in the cortex: local receptive fields. The network has copied it.",
        ),
        Option(
            "Some cells answer to lines of one orientation more than to others.",
            "Orientation selectivity was found in the cat's cortex in 1959, long before there were such networks.",
        ),
        Option(
            "Later cells read what earlier cells say.",
            "Hubel and Wiesel proposed in 1962 that complex cells read simple cells. Stages that read stages were taken over from there.",
        ),
        Option(
            "Answers below zero are cut off.",
            "A neuron cannot fire less than not at all. The cut-off is part of the model of a simple cell, and networks have it, too.",
        ),
    ],
    hints=["Which of the two savings of parameters does the brain not make?"],
)

probe = FunctionExercise(
    "visual_cortex/weights-from-outside",
    title="Weights from outside",
    level="core",
    minutes=10,
    statement="""
        Write `weights_from_outside(cell, shape)`: find the weights of a cell without looking inside.
        `cell(image)` takes an image of `shape`, which is (H, W), and returns a number: the weighted sum of all pixels plus a bias that you do not know, *not* cut off.
        Like a real one it tires: it answers H·W + 1 images, and raises an error at the next.
        (So `receptive_field_map`, which shows two images for each pixel, asks too often.)
        Return the weights as an array of floats, (H, W).
    """,
    hints=[
        "What does the cell answer to an image that is 0 everywhere?",
        "To an image with a single 1 it answers the weight at that place *plus* the bias. So ask for the bias once, and for each pixel once.",
        "Go through all places with `np.ndindex(shape)`, make a new black image for each, and set one pixel to 1.",
    ],
)


@probe.solution
def weights_from_outside(cell, shape):
    """Return the weights of a cell that adds up, without its bias."""
    bias = cell(np.zeros(shape))
    weights = np.zeros(shape)
    for place in np.ndindex(shape):
        dot = np.zeros(shape)
        dot[place] = 1
        weights[place] = cell(dot) - bias
    return weights


@probe.also
def weights_by_curtain(cell, shape):
    """Leave the dots on: each answer differs from the one before by the new pixel's weight."""
    pixels = shape[0] * shape[1]
    images = np.tri(pixels + 1, pixels, -1).reshape(-1, *shape)
    return np.diff([cell(image) for image in images]).reshape(shape)


@probe.also
def weights_by_equations(cell, shape):
    """Each image is an equation for the weights and the bias, whatever it shows."""
    unknowns = shape[0] * shape[1] + 1
    equations = np.random.default_rng(0).normal(size=(unknowns, unknowns)) + 5 * np.eye(unknowns)
    equations[:, -1] = 1
    answers = [cell(equation[:-1].reshape(shape)) for equation in equations]
    return np.linalg.solve(equations, answers)[:-1].reshape(shape)


def _summing(weights, bias):
    """Return a cell that adds up, refuses images of another shape, and tires."""
    asked = []

    def cell(image):
        if np.shape(image) != np.shape(weights):
            raise ValueError(f"image: expected the shape {np.shape(weights)}")
        asked.append(1)
        if len(asked) > np.size(weights) + 1:
            raise RuntimeError(f"the cell is tired: it was asked more than {len(asked) - 1} times")
        return float((np.asarray(image) * weights).sum() + bias)

    return cell


@probe.cases
def probe_cases(rng):
    """Small cells by hand, then random ones of all shapes."""
    for rows, bias in [
        ([[3.0, -1.0]], 2.0),
        ([[1.0, 2.0], [-2.0, 4.0]], 1.0),
        ([[0.0, 1.0, 0.0], [5.0, 0.0, -2.0]], -3.0),
        ([[1.0], [2.0], [3.0]], 0.0),
    ]:
        yield Built(_summing, np.array(rows), bias), np.shape(rows)
    for shape in [(2, 3), (4, 2), (1, 5), (3, 3)]:
        yield Built(_summing, rng.normal(size=shape), float(rng.normal())), shape


def _probed(cell, shape, background=0, dot=1):
    """Return the answers to a dot of a given brightness at each place of a background."""
    found = np.zeros(shape)
    for place in np.ndindex(shape):
        image = np.full(shape, float(background))
        image[place] = dot
        found[place] = cell(image)
    return found


@probe.mistake
def bias_left_in(cell, shape):
    """The answer to a dot is the weight *plus* the bias: take the bias away from each."""
    return _probed(cell, shape)


@probe.mistake
def bias_from_white(cell, shape):
    """A white image adds all weights to the bias; the bias alone is the answer to an image of zeros."""
    return _probed(cell, shape) - cell(np.ones(shape))


@probe.mistake
def dots_left_on(cell, shape):
    """The dots of earlier places are still on: begin with a new black image at every place."""
    weights, image = np.zeros(shape), np.zeros(shape)
    bias = cell(image)
    for place in np.ndindex(shape):
        image[place] = 1
        weights[place] = cell(image) - bias
    return weights


@probe.mistake
def dark_dots_on_white(cell, shape):
    """A dark dot on white tells what is missing without that pixel; use a bright dot on black."""
    return _probed(cell, shape, 1, 0) - cell(np.zeros(shape))


@probe.mistake
def asked_too_often(cell, shape):
    """The cell is asked more than H·W + 1 times; ask once for the bias and once for each pixel."""
    return receptive_field_map(cell, shape)


@probe.mistake
def weights_flat(cell, shape):
    """The weights come as one long row; they have the shape of the image, (H, W)."""
    return (_probed(cell, shape) - cell(np.zeros(shape))).ravel()


@probe.mistake
def weights_transposed(cell, shape):
    """Rows and columns of the weights are swapped; rows come first, as in the image."""
    return (_probed(cell, shape) - cell(np.zeros(shape))).T


@probe.mistake
def cut_off_below_zero(cell, shape):
    """Weights can be negative: they are where light holds the cell back, so do not cut them off."""
    return np.maximum(_probed(cell, shape) - cell(np.zeros(shape)), 0)


preferred = FunctionExercise(
    "visual_cortex/preferred-angle",
    title="What does it like?",
    level="core",
    minutes=12,
    statement="""
        Write `preferred_angle(cell)`: find the orientation to which a cell answers best.
        You know nothing of it but that `cell(image)` takes an image of 25×25 pixels and returns a number.
        Show it gratings of wavelength 8 at the angles 0°, 15°, … 165°.
        Drift each of them through a whole wavelength, and average the cell's answers.
        Return the angle with the largest average, in degrees.
    """,
    hints=[
        "`grating((25, 25), angle, 8, phase)` draws one image; four phases, a quarter of a wave apart, are enough for a drift.",
        "`tuning_curve(cell, (25, 25), angles, 8)` does the whole experiment with 24 phases.",
        "`argmax` gives the *place* of the largest average in the list of angles, not yet the angle.",
    ],
)


@preferred.solution
def preferred_angle(cell):
    """Return the cell's best orientation in degrees, in steps of 15."""
    angles, drift = np.arange(0, 180, 15), (0, 90, 180, 270)
    answers = [
        np.mean([cell(grating((25, 25), angle, 8, phase)) for phase in drift]) for angle in angles
    ]
    return float(angles[np.argmax(answers)])


@preferred.also
def angle_by_tuning_curve(cell):
    """The chapter's function, which drifts in 24 steps."""
    angles = np.arange(0, 180, 15)
    return angles[tuning_curve(cell, (25, 25), angles, 8).argmax()]


def _simple(angle, phase):
    """Return a simple cell."""
    weights = gabor(angle, 8, phase)
    return lambda image: max(0, (image * weights).sum())


def _complex(angle):
    """Return a complex cell."""
    first, second = gabor(angle, 8, 0), gabor(angle, 8, 90)
    return lambda image: (image * first).sum() ** 2 + (image * second).sum() ** 2


def _rows_differ(image):
    """Answer to what changes from row to row: a cell that is no Gabor patch."""
    return image.mean(axis=1).std()


@preferred.cases
def preferred_cases(rng):
    """Complex cells, simple cells of several phases, and one of another kind."""
    yield (Built(_complex, 60),)
    yield (Built(_simple, 135, 180),)
    yield (_rows_differ,)
    yield (Built(_simple, 15, 180),)
    yield (Built(_complex, int(rng.integers(7, 12)) * 15),)
    yield (Built(_simple, int(rng.integers(0, 12)) * 15, int(rng.integers(0, 24)) * 15),)


@cache
def _drifting(angle):
    """Return a grating at four phases; kept, for all mistakes show the same ones."""
    return [grating((25, 25), angle, 8, phase) for phase in (0, 90, 180, 270)]


def _averages(cell, angles=range(0, 180, 15), phases=4):
    """Return the average over the first phases at each angle."""
    return [np.mean([cell(image) for image in _drifting(angle)[:phases]]) for angle in angles]


@preferred.mistake
def one_phase_only(cell):
    """Each grating is shown at one phase; a simple cell may be silent just there: drift the grating, and average."""
    return float(15 * np.argmax(_averages(cell, phases=1)))


@preferred.mistake
def number_of_the_angle(cell):
    """`argmax` says at which place in the list the best angle stands; return the angle that stands there."""
    return float(np.argmax(_averages(cell)))


@preferred.mistake
def answer_for_angle(cell):
    """That is how strongly the cell answers; return the angle at which it does."""
    return float(max(_averages(cell)))


@preferred.mistake
def at_right_angles(cell):
    """The angle is a right angle off: 0° means level stripes, not stripes that follow each other from left to right."""
    return float((15 * np.argmax(_averages(cell)) + 90) % 180)


@preferred.mistake
def clockwise(cell):
    """Angles grow counter-clockwise: 45° rises to the right."""
    return float((180 - 15 * np.argmax(_averages(cell))) % 180)


@preferred.mistake
def least_for_best(cell):
    """That is the angle to which the cell answers least."""
    return float(15 * np.argmin(_averages(cell)))


@preferred.mistake
def radians_for_degrees(cell):
    """`grating` takes degrees; turned into radians all angles are almost 0°."""
    return float(15 * np.argmax(_averages(cell, np.radians(range(0, 180, 15)))))


@preferred.mistake
def half_the_angles(cell):
    """Only angles below 90° are tried; orientations go on up to 165°."""
    return float(15 * np.argmax(_averages(cell, range(0, 90, 15))))


undo = FunctionExercise(
    "visual_cortex/unshuffle",
    title="Undo the shuffle",
    level="core",
    minutes=8,
    statement="""
        Write `unshuffle(images, order)`: turn the result of `permute_pixels(original, order)` back into the original.
        `images` is one image (H, W) or a stack of images (N, H, W), and `order` is a one-dimensional array with each of the numbers 0 to H·W − 1 once.
        Return an array with the shape and the dtype of `images`, and leave `images` itself as it is.
        (No information was lost in the shuffle, only the geometry.)
    """,
    hints=[
        "Pixel k of a shuffled image came from place `order[k]`, and has to go back there.",
        "`permute_pixels` can do it, if you give it another order.",
        "The inverse of a permutation is a permutation: `np.argsort(order)`.",
    ],
)


@undo.solution
def unshuffle(images, order):
    """Return the images as they were before `permute_pixels(images, order)`."""
    return permute_pixels(images, np.argsort(order))


@undo.also
def unshuffle_by_assignment(images, order):
    """Write every pixel back to where it came from."""
    flat = images.reshape(*images.shape[:-2], -1)
    back = np.empty_like(flat)
    back[..., order] = flat
    return back.reshape(images.shape)


@undo.also
def unshuffle_by_loops(images, order):
    """One image and one pixel after the other."""
    W = images.shape[-1]
    back = np.zeros(images.shape, images.dtype)
    for n in np.ndindex(images.shape[:-2]):
        for k, place in enumerate(order):
            back[n][place // W, place % W] = images[n][k // W, k % W]
    return back


@undo.cases
def undo_cases(rng):
    """Orders that are not their own inverse, on one image and on stacks."""
    yield np.array([[30, 10, 20]]), np.array([2, 0, 1])
    yield np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 2, 3, 0])
    yield np.arange(6).reshape(2, 3) * 10, np.array([4, 0, 3, 5, 1, 2])
    yield np.arange(12.0).reshape(2, 2, 3), np.array([1, 3, 5, 0, 2, 4])
    for shape in [(3, 4), (2, 4, 3), (1, 3, 3), (5, 2, 5)]:
        yield rng.random(shape), rng.permutation(shape[-2] * shape[-1])
    yield rng.integers(0, 256, size=(3, 4, 2), dtype=np.uint8), rng.permutation(8)
    yield rng.random((2, 3, 5)).astype(np.float32), rng.permutation(15)
    yield rng.random((4, 3, 6))[:, :, ::2].transpose(0, 2, 1), rng.permutation(9)


@undo.mistake
def shuffled_again(images, order):
    """The pixels are shuffled a second time; the way back needs the inverse of the order."""
    return permute_pixels(images, order)


@undo.mistake
def order_backwards(images, order):
    """The order read from its end is another shuffle, not the inverse one."""
    return permute_pixels(images, order[::-1])


@undo.mistake
def pixels_sorted(images, order):
    """The pixels are sorted by brightness; it is the *places* in `order` that tell the way back."""
    flat = images.reshape(*images.shape[:-2], -1)
    return np.sort(flat).reshape(images.shape)


@undo.mistake
def left_flat(images, order):
    """The pixels stand in one long row; give them back the shape (…, H, W)."""
    return images.reshape(*images.shape[:-2], -1)[..., np.argsort(order)]


@undo.mistake
def columns_first(images, order):
    """Pixels are counted row by row, and this counts them column by column."""
    turned = np.swapaxes(images, -1, -2)
    back = turned.reshape(*images.shape[:-2], -1)[..., np.argsort(order)]
    return np.swapaxes(back.reshape(turned.shape), -1, -2)


@undo.mistake
def one_image_only(images, order):
    """It works for one image (H, W), but a stack (N, H, W) has to be unshuffled image by image."""
    return images.reshape(-1)[np.argsort(order)].reshape(images.shape)


@undo.mistake
def dtype_lost(images, order):
    """The values are right, but whole numbers have become floats: `np.zeros` needs the dtype of `images`."""
    flat = images.reshape(*images.shape[:-2], -1)
    back = np.zeros(flat.shape)
    back[..., order] = flat
    return back.reshape(images.shape)


@undo.mistake
def written_into_the_input(images, order):
    """The pixels are moved within `images` itself, and the caller's images are gone: write into a new array."""
    images[...] = permute_pixels(images, np.argsort(order))
    return images


own = NumberExercise(
    "visual_cortex/weights-of-their-own",
    title="Weights of their own",
    level="core",
    minutes=5,
    statement="""
        A grey photograph has {rows}×{columns} pixels.
        Wherever a patch of {field}×{field} pixels fits into it, {questions} cells look at this patch.
        Every cell has weights of its own and a bias of its own: nothing is shared.
        How many parameters do all cells have together?
    """,
    hints=[
        "How many numbers does one cell have?",
        "In a row of W pixels, a patch of S pixels fits at W − S + 1 places.",
    ],
)


@own.cases
def own_cases(rng):
    """Draw a photograph and a patch."""
    rows, columns = (int(n) for n in rng.choice(np.arange(20, 60), 2, replace=False))
    field, questions = int(rng.choice([3, 5, 7])), int(rng.choice([2, 4, 6, 8, 10]))
    return {"rows": rows, "columns": columns, "field": field, "questions": questions}


def _patches(rows, columns, field):
    """Return at how many places a patch fits."""
    return (rows - field + 1) * (columns - field + 1)


@own.solution
def parameters_unshared(rows, columns, field, questions):
    """Return the parameters of all cells."""
    patches = (rows - field + 1) * (columns - field + 1)
    return patches * questions * (field * field + 1)


@own.mistake
def weights_shared(rows, columns, field, questions):
    """That is a convolutional layer, in which all patches share the weights; here every cell has its own."""
    return questions * (field * field + 1)


@own.mistake
def biases_forgotten(rows, columns, field, questions):
    """Every cell has a bias, too."""
    return _patches(rows, columns, field) * questions * field * field


@own.mistake
def a_patch_at_every_pixel(rows, columns, field, questions):
    """A patch must lie within the photograph, so it cannot begin in the last columns and rows."""
    return rows * columns * questions * (field * field + 1)


@own.mistake
def one_place_too_few(rows, columns, field, questions):
    """One place too few each way: a row of 5 pixels has 3 places for 3 pixels, not 2."""
    return (rows - field) * (columns - field) * questions * (field * field + 1)


@own.mistake
def patches_side_by_side(rows, columns, field, questions):
    """Patches overlap: the next one begins one pixel farther, not where the last one ends."""
    return (rows // field) * (columns // field) * questions * (field * field + 1)


@own.mistake
def every_cell_reads_everything(rows, columns, field, questions):
    """That would be a dense layer; these cells read their patch only."""
    return _patches(rows, columns, field) * questions * (rows * columns + 1)


@own.mistake
def one_cell_a_patch(rows, columns, field, questions):
    """Several cells look at each patch, one for each question."""
    return _patches(rows, columns, field) * (field * field + 1)


empty = ChoiceExercise(
    "visual_cortex/the-empty-map",
    title="The empty map",
    level="core",
    minutes=4,
    statement="""
        You map a complex cell with dots, as the chapter does, and get a map of zeros: half the difference of the answers to a bright and a dark dot is 0 everywhere.
        What does this tell you?
    """,
    options=[
        Option(
            "At each place the bright and the dark dot excite the cell equally.",
            "The energy adds up squares, and the square forgets the sign. Each of the two answers is above zero within the field, and their difference is 0.",
            right=True,
        ),
        Option(
            "The cell does not answer to single dots.",
            "It does: a single dot in the middle gives an answer above zero, and a dark one the same. Only their *difference* is zero.",
        ),
        Option(
            "The cell has no receptive field.",
            "Its field is where light makes it answer, and dots there do. What it lacks are separate regions for bright and dark.",
        ),
        Option(
            "The weights of the two cells that it reads cancel each other.",
            "Their answers are squared before they are added, and squares cannot cancel.",
        ),
        Option(
            "All of its weights are zero.",
            "Then no grating would excite it, but one at its preferred angle does, at every phase.",
        ),
    ],
    hints=["What is the energy of an image, and what is it if bright and dark are exchanged?"],
)

round_cell = FunctionExercise(
    "visual_cortex/spot",
    title="A cell without orientation",
    level="stretch",
    minutes=12,
    statement="""
        Write `spot(narrow, wide)`: the weights of a cell that has no preferred orientation.
        Cells before the cortex, in the eye and on the way to the brain's surface, mostly have round receptive fields: an excited centre in a silenced ring, or the reverse.
        Return an array of 19×19 weights: a Gaussian of standard deviation `narrow`, minus one of standard deviation `wide`.
        Both have their peak in the middle pixel, and each is divided by its sum over the 19×19 pixels before you subtract.
        At the distance $d$ from the middle, in pixels, a Gaussian of standard deviation $\\sigma$ is $e^{-d^2 / 2\\sigma^2}$.
    """,
    hints=[
        "`down, right = np.mgrid[-9:10, -9:10]` are each pixel's distances from the middle, downwards and to the right.",
        "$d^2$ is `down**2 + right**2`.",
        "Divide `np.exp(-(down**2 + right**2) / (2 * sigma**2))` by its own `.sum()`, for each of the two.",
    ],
)


@round_cell.solution
def spot(narrow, wide):
    """Return a narrow minus a wide Gaussian, each with sum 1, 19×19."""
    down, right = np.mgrid[-9:10, -9:10]
    square = down**2 + right**2
    first, second = (np.exp(-square / (2 * s**2)) for s in (narrow, wide))
    return first / first.sum() - second / second.sum()


@round_cell.also
def spot_as_products(narrow, wide):
    """A round Gaussian is a column times a row."""
    offset = np.arange(19) - 9
    bells = [np.exp(-0.5 * (offset / s) ** 2) for s in (narrow, wide)]
    first, second = (np.outer(b, b) / b.sum() ** 2 for b in bells)
    return first - second


@round_cell.also
def spot_by_scipy(narrow, wide):
    """Blur a single bright pixel."""
    from scipy.ndimage import gaussian_filter

    dot = np.zeros((19, 19))
    dot[9, 9] = 1
    first, second = (gaussian_filter(dot, s, mode="constant", radius=9) for s in (narrow, wide))
    return first - second


@round_cell.cases
def spot_cases(rng):
    """The chapter's cell, narrow and wide ones, the reverse, two equal ones."""
    yield from [(1, 2), (1.5, 3), (0.5, 5), (4, 2), (2, 2)]
    for narrow in rng.uniform(0.8, 4, size=6):
        yield float(narrow), float(narrow * rng.uniform(1.2, 2.5))


def _bell(sigma, low=-9, high=10, axes=2):
    """Return exp(−d²/2σ²) around the pixel 0 of a square."""
    down, right = np.mgrid[low:high, low:high]
    return np.exp(-(down**2 + (right**2 if axes == 2 else 0)) / (2 * sigma**2))


def _to_one(weights):
    """Divide weights by their sum."""
    return weights / weights.sum()


@round_cell.mistake
def not_divided_by_the_sum(narrow, wide):
    """Each Gaussian has to be divided by its sum, so that even light gives no answer."""
    return _bell(narrow) - _bell(wide)


@round_cell.mistake
def divided_by_the_formula(narrow, wide):
    """The factor 1/(2πσ²) makes the sum 1 on an endless grid of fine pixels; on 19×19 divide by the sum itself."""
    return _bell(narrow) / (2 * np.pi * narrow**2) - _bell(wide) / (2 * np.pi * wide**2)


@round_cell.mistake
def wide_minus_narrow(narrow, wide):
    """The signs are the other way round: take the narrow one minus the wide one."""
    return _to_one(_bell(wide)) - _to_one(_bell(narrow))


@round_cell.mistake
def added(narrow, wide):
    """The two are added; the wide one has to be subtracted, or there is no silenced ring."""
    return _to_one(_bell(narrow)) + _to_one(_bell(wide))


@round_cell.mistake
def deviation_not_squared(narrow, wide):
    """In the exponent the standard deviation is squared: divide by `2 * sigma**2`."""
    return _to_one(_bell(np.sqrt(narrow))) - _to_one(_bell(np.sqrt(wide)))


@round_cell.mistake
def two_forgotten(narrow, wide):
    """In the exponent a 2 is missing: divide by `2 * sigma**2`."""
    return _to_one(_bell(narrow / np.sqrt(2))) - _to_one(_bell(wide / np.sqrt(2)))


@round_cell.mistake
def stripe_for_spot(narrow, wide):
    """These are level stripes: the distance from the middle needs both directions, `down**2 + right**2`."""
    return _to_one(_bell(narrow, axes=1)) - _to_one(_bell(wide, axes=1))


@round_cell.mistake
def peak_in_the_corner(narrow, wide):
    """The peak lies in the upper left corner: count rows and columns from the middle, −9 to 9."""
    return _to_one(_bell(narrow, 0, 19)) - _to_one(_bell(wide, 0, 19))


@round_cell.mistake
def one_row_short(narrow, wide):
    """`-9:9` stops at 8; for 19 rows and columns take `-9:10`."""
    return _to_one(_bell(narrow, -9, 9)) - _to_one(_bell(wide, -9, 9))


spots = FunctionExercise(
    "visual_cortex/row-of-spots",
    title="Orientation out of round cells",
    level="stretch",
    minutes=12,
    statement="""
        Write `row_of_spots(spot_weights, count, step)`: the weights of a cell that adds up `count` cells with the same round receptive field.
        Hubel and Wiesel proposed in 1962 that this is how a simple cell comes by its orientation.
        `spot_weights` is an array of floats, (R, S), and `count` and `step` are whole numbers of at least 1.
        The first copy lies at the top, and each other one `step` rows below the one before; where copies overlap, their weights add up.
        Return an array of floats with R + (count − 1)·step rows and S columns.
        Rows that no copy covers are 0.
    """,
    hints=[
        "Start with zeros of the final shape.",
        "Copy number i, counted from 0, covers the rows `i * step` to `i * step + R - 1`.",
        "Add the spot with `+=` to `total[i * step : i * step + R]`.",
    ],
)


@spots.solution
def row_of_spots(spot_weights, count, step):
    """Return the sum of `count` copies, each `step` rows below the last."""
    R, S = spot_weights.shape
    total = np.zeros((R + (count - 1) * step, S))
    for i in range(count):
        total[i * step : i * step + R] += spot_weights
    return total


@spots.also
def spots_by_convolution(spot_weights, count, step):
    """A convolution stamps the spot wherever there is a 1."""
    from scipy.signal import convolve2d

    places = np.zeros(((count - 1) * step + 1, 1))
    places[::step] = 1
    return convolve2d(places, spot_weights)


@spots.also
def spots_by_padding(spot_weights, count, step):
    """Pad each copy to the full height, and add."""
    rest = (count - 1) * step
    rows = range(0, rest + 1, step)
    return sum(np.pad(spot_weights, ((i, rest - i), (0, 0))) for i in rows)


@spots.cases
def spots_cases(rng):
    """Small spots by hand, with overlap and with gaps, then random ones."""
    yield np.ones((2, 1)), 3, 1
    yield np.array([[1.0, 2.0], [3.0, 4.0]]), 2, 1
    yield np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0], [1.0, 1.0, 1.0]]), 3, 2
    yield np.array([[1.0, -1.0]]), 3, 2
    yield np.array([[5.0, 1.0, 0.0], [2.0, 3.0, 4.0]]), 1, 3
    for shape in [(3, 2), (2, 5), (4, 4), (1, 3)]:
        yield rng.normal(size=shape), int(rng.integers(2, 6)), int(rng.integers(1, 4))
    yield rng.normal(size=(6, 3))[::2].T, int(rng.integers(2, 5)), 2
    yield rng.integers(-3, 4, size=(3, 2)).astype(np.float32), 3, int(rng.integers(1, 5))


def _stacked(spot_weights, count, step, height, stamp):
    """Put copies into an array of a given height with a function of the old and the new weights."""
    R, S = spot_weights.shape
    total = np.zeros((height, S))
    for i in range(count):
        part = total[i * step : i * step + R]
        part[:] = stamp(part, spot_weights[: len(part)])
    return total


@spots.mistake
def overwritten(spot_weights, count, step):
    """A later copy wipes out the one below it: add with `+=`, for where copies overlap their weights add up."""
    height = len(spot_weights) + (count - 1) * step
    return _stacked(spot_weights, count, step, height, lambda old, new: new)


@spots.mistake
def strongest_kept(spot_weights, count, step):
    """Where copies overlap their weights add up; this keeps the larger one."""
    height = len(spot_weights) + (count - 1) * step
    return _stacked(spot_weights, count, step, height, np.maximum)


@spots.mistake
def rows_too_many(spot_weights, count, step):
    """Too many rows: between `count` copies are `count - 1` steps."""
    height = len(spot_weights) + count * step
    return _stacked(spot_weights, count, step, height, np.add)


@spots.mistake
def last_copy_forgotten(spot_weights, count, step):
    """One copy is missing: `range(count)` runs from 0 to `count - 1`."""
    height = len(spot_weights) + (count - 1) * step
    return _stacked(spot_weights, count - 1, step, height, np.add)


@spots.mistake
def side_by_side(spot_weights, count, step):
    """The copies are moved to the right; each lies `step` *rows* below the one before."""
    return row_of_spots(spot_weights.T, count, step).T


@spots.mistake
def one_below_the_other(spot_weights, count, step):
    """The copies are put end to end; each begins `step` rows below the one before, whatever its height."""
    return np.vstack([spot_weights] * count)


@spots.mistake
def averaged(spot_weights, count, step):
    """The cell adds up the copies; it does not divide by their number."""
    return row_of_spots(spot_weights, count, step) / count


@spots.mistake
def step_of_one(spot_weights, count, step):
    """The copies are one row apart, whatever `step` says."""
    return row_of_spots(spot_weights, count, 1)


ends = FunctionExercise(
    "visual_cortex/end-stopped",
    title="A cell for ends",
    level="challenge",
    minutes=20,
    statement="""
        Write `end_stopped(image)`: the answers of cells that prefer a short level bar to a long one.
        Hubel and Wiesel described such cells in 1965.
        Begin with $e$, the energy of the complex cells for 0° with wavelength 8, which `complex_cell` computes for the whole image.
        At row $i$ and column $j$ the answer is the energy there minus the mean of those 12 columns to the left and 12 to the right, cut off below zero: $\\max(0, e_{i,j} - (e_{i,j-12} + e_{i,j+12}) / 2)$.
        Return an array of these answers for all places that have both neighbours: it has as many rows as the energy, and 24 columns fewer.
        You may assume that the image, (H, W), is large enough: H ≥ 25 and W ≥ 49.
    """,
    hints=[
        "Compute the energy once: `e = complex_cell(image, 0, 8)`. The rest is slices of it.",
        "The places that have both neighbours are `e[:, 12:-12]`.",
        "Their left neighbours are `e[:, :-24]`, their right ones `e[:, 24:]`.",
    ],
)


@ends.solution
def end_stopped(image):
    """Return the energy for level bars minus its neighbours', cut off."""
    e = complex_cell(image, 0, 8)
    return np.maximum(e[:, 12:-12] - (e[:, :-24] + e[:, 24:]) / 2, 0)


@ends.also
def ends_by_columns(image):
    """One column after the other."""
    e = complex_cell(image, 0)
    columns = range(12, e.shape[1] - 12)
    found = [e[:, j] - 0.5 * e[:, j - 12] - 0.5 * e[:, j + 12] for j in columns]
    return np.maximum(0, np.transpose(found))


@ends.also
def ends_by_scipy(image):
    """Both stages with SciPy: the weights of the two cells, then those of the neighbours."""
    from scipy.ndimage import correlate1d
    from scipy.signal import correlate2d

    pair = (correlate2d(image, gabor(0, 8, phase), mode="valid") for phase in (0, 90))
    energy = sum(answers**2 for answers in pair)
    weights = np.zeros(25)
    weights[[0, 12, 24]] = -0.5, 1, -0.5
    return correlate1d(energy, weights, axis=1)[:, 12:-12].clip(min=0)


@ends.cases
def ends_cases(rng):
    """Short and long bars, bars of all places, noise, whole numbers."""
    yield (bar((25, 61), 0, length=14),)
    yield (bar((25, 61), 0),)
    yield (bar((27, 57), 0, offset=1, length=20) + bar((27, 57), 90, offset=6),)
    yield (np.roll(bar((26, 61), 0, length=14), 15, axis=1),)
    for shape in [(25, 49), (28, 56)]:
        yield (rng.random(shape),)
    drawn = {"offset": float(rng.uniform(-3, 3)), "length": float(rng.uniform(6, 24))}
    yield (bar((26, 60), float(rng.uniform(-20, 20)), **drawn),)
    yield (rng.integers(0, 256, size=(26, 52), dtype=np.uint8),)
    yield (rng.random((54, 50)).T[::2],)


@ends.mistake
def neighbours_not_halved(image):
    """The two neighbours are added up; take their mean."""
    e = complex_cell(image, 0, 8)
    return np.maximum(e[:, 12:-12] - e[:, :-24] - e[:, 24:], 0)


@ends.mistake
def negative_answers_kept(image):
    """Some answers are below zero: cut them off at the end."""
    e = complex_cell(image, 0, 8)
    return e[:, 12:-12] - (e[:, :-24] + e[:, 24:]) / 2


@ends.mistake
def each_side_cut_off(image):
    """Each side is cut off for itself; take the mean of both neighbours first, subtract it, and cut off once."""
    e = complex_cell(image, 0, 8)
    left, right = e[:, 12:-12] - e[:, :-24], e[:, 12:-12] - e[:, 24:]
    return (np.maximum(left, 0) + np.maximum(right, 0)) / 2


@ends.mistake
def larger_neighbour_only(image):
    """The larger of the two neighbours is subtracted; take the mean of both."""
    e = complex_cell(image, 0, 8)
    return np.maximum(e[:, 12:-12] - np.maximum(e[:, :-24], e[:, 24:]), 0)


@ends.mistake
def cells_for_upright_bars(image):
    """These are the cells for 90°, upright bars; level bars are 0°."""
    e = complex_cell(image, 90, 8)
    return np.maximum(e[:, 12:-12] - (e[:, :-24] + e[:, 24:]) / 2, 0)


@ends.mistake
def neighbours_above_and_below(image):
    """A level bar goes on to the left and right: the neighbours are columns, not rows."""
    e = complex_cell(image, 0, 8)
    return np.maximum(e[12:-12] - (e[:-24] + e[24:]) / 2, 0)


@ends.mistake
def wrapped_around(image):
    """`np.roll` takes neighbours from the other end of the image; leave out the 12 columns on each side that lack one."""
    e = complex_cell(image, 0, 8)
    return np.maximum(e - (np.roll(e, 12, axis=1) + np.roll(e, -12, axis=1)) / 2, 0)


@ends.mistake
def root_of_the_energy(image):
    """The square root of the energy is taken; compare the energies themselves."""
    e = np.sqrt(complex_cell(image, 0, 8))
    return np.maximum(e[:, 12:-12] - (e[:, :-24] + e[:, 24:]) / 2, 0)


@ends.mistake
def images_subtracted_first(image):
    """The difference is taken between images, before the cells; a square of a difference is not a difference of squares."""
    image = image.astype(float)
    return complex_cell(image[:, 12:-12] - (image[:, :-24] + image[:, 24:]) / 2, 0, 8)


design = ProjectExercise(
    "visual_cortex/a-cell-of-your-own",
    title="Project: a cell of your own",
    minutes=75,
    statement="""
        Build a cell that reads complex cells and answers to something that none of the chapter's cells looks for, such as a curve, a T-junction, a ring or a pair of parallel lines.
        Write it as a function of an image that returns a map, like `corner_cell`.
        Draw three images that it should like and three that it should not, and show its answers to all six.
        Then run it on a photograph of the course, and show the five places where it answers most, no two of them closer than 20 pixels.
        Write down in five sentences or fewer what it really looks for, with one example that fools it.
    """,
    rubric=[
        Criterion("The cell is one function of at most 15 lines, and reads complex cells", 2),
        Criterion(
            "Six drawn images with the answers, and an assert that the worst liked one beats the best disliked one",
            2,
        ),
        Criterion("The photograph with its five places marked, in a figure with a description", 2),
        Criterion(
            "An example that fools the cell, with the answer that it gets, and a reason for it", 2
        ),
        Criterion("The text claims no more than the figures show", 1),
    ],
    hints=["`corner_cell` takes the weaker of two energies; shift one of them before you do."],
)
