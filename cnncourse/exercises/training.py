"""Exercises of chapter 7: training loop."""

import math

import numpy as np
import torch

from cnncourse.exercises.kinds import (
    ChoiceExercise,
    Criterion,
    FunctionExercise,
    NumberExercise,
    Option,
    ProjectExercise,
)
from cnncourse.exercises.running import Built
from cnncourse.training.loop import batches
from cnncourse.training.losses import one_hot


def _eighths(rng, *shape):
    """Return float32 numbers whose sums and squares are exact."""
    return (rng.integers(-32, 33, shape) / 8).astype(np.float32)


updates = FunctionExercise(
    "training/updates",
    title="How many steps?",
    level="warm-up",
    minutes=5,
    statement="""
        Write `updates_of(N, batch_size, epochs)`: how often the weights move in a training.
        There are `N` pictures, and every epoch begins a new batch.
        The last batch of an epoch may be smaller than the others, and counts.
        All three are whole numbers above 0; return a whole number, too (an `int`).
    """,
    hints=[
        "How many updates does one epoch make? The number of epochs multiplies that.",
        "`math.ceil(a / b)` divides and rounds up; so does `-(-a // b)`, in whole numbers all the way.",
    ],
)


@updates.solution
def updates_of(N, batch_size, epochs):
    """Return the number of updates."""
    return epochs * -(-N // batch_size)


@updates.also
def updates_counted(N, batch_size, epochs):
    """Deal out the batches as the chapter's loop does, and count them."""
    return sum(1 for _ in range(epochs) for _ in batches(N, batch_size))


@updates.also
def updates_by_math(N, batch_size, epochs):
    """With a function that rounds up."""
    return epochs * math.ceil(N / batch_size)


@updates.cases
def updates_cases(rng):
    """Small numbers by hand, the chapter's training, then others."""
    yield 10, 10, 3
    yield 12, 5, 2
    yield 13, 5, 2
    yield 1, 7, 5
    yield 15, 3, 1
    yield 10_000, 64, 2
    for _ in range(6):
        yield tuple(int(rng.integers(*ends)) for ends in [(2, 400), (2, 40), (2, 9)])


@updates.mistake
def last_batch_dropped(N, batch_size, epochs):
    """The last batch of an epoch is dropped where it is smaller; it makes an update as well, so round up."""
    return epochs * (N // batch_size)


@updates.mistake
def rounded_to_the_nearest(N, batch_size, epochs):
    """The quotient is rounded to the nearest whole number, so that a small last batch is lost; it counts as well, so round up."""
    return epochs * round(N / batch_size)


@updates.mistake
def epochs_run_together(N, batch_size, epochs):
    """The batches run on from one epoch into the next; every epoch begins a new batch, so round up once in each."""
    return -(-N * epochs // batch_size)


@updates.mistake
def one_epoch_only(N, batch_size, epochs):
    """Those are the updates of one epoch."""
    return -(-N // batch_size)


@updates.mistake
def one_batch_too_many(N, batch_size, epochs):
    """Where the batch size divides N there is no smaller batch at the end: adding 1 to `N // batch_size` is then one too many."""
    return epochs * (N // batch_size + 1)


@updates.mistake
def updates_in_fractions(N, batch_size, epochs):
    """There is no fraction of an update: the last batch of an epoch counts as a whole one."""
    return epochs * N / batch_size


@updates.mistake
def epochs_for_updates(N, batch_size, epochs):
    """An epoch is a pass over all the pictures, not an update: it makes one update for each batch."""
    return epochs


@updates.mistake
def an_update_for_each_picture(N, batch_size, epochs):
    """The weights move once for each batch, not once for each picture."""
    return epochs * N


first = NumberExercise(
    "training/first-loss",
    title="Before it has learned anything",
    level="warm-up",
    minutes=3,
    rtol=5e-4,
    statement="""
        A network for {classes} classes has not been trained yet; say that it gives each class exactly the same share.
        What is its cross-entropy on the first batch?
        Give four digits.
    """,
    hints=[
        "The cross-entropy of one picture is minus the natural logarithm of the share of its right class.",
        "All pictures of the batch have the same loss, so their average is that, too.",
    ],
)


@first.cases
def first_cases(rng):
    """Draw a number of classes."""
    return {"classes": int(rng.integers(3, 400))}


@first.solution
def first_loss(classes):
    """Return minus the logarithm of an equal share."""
    return -np.log(1 / classes)


@first.mistake
def share_for_loss(classes):
    """That is the share of the right class; the loss is minus its logarithm."""
    return 1 / classes


@first.mistake
def sign_forgotten(classes):
    """The logarithm of a share is negative; the loss is minus that."""
    return np.log(1 / classes)


@first.mistake
def logarithm_of_base_two(classes):
    """The logarithm is the natural one, `np.log`, not that of base 2."""
    return np.log2(classes)


@first.mistake
def logarithm_of_base_ten(classes):
    """The logarithm is the natural one, `np.log`, not that of base 10."""
    return np.log10(classes)


@first.mistake
def all_classes_added_up(classes):
    """Only the right class counts; the others have the target 0."""
    return classes * np.log(classes)


@first.mistake
def averaged_over_the_classes(classes):
    """The loss is averaged over the pictures of the batch, not over the classes."""
    return np.log(classes) / classes


@first.mistake
def the_wrong_classes(classes):
    """That is minus the logarithm of what the *wrong* classes have together."""
    return -np.log(1 - 1 / classes)


@first.mistake
def squared_error_for_entropy(classes):
    """That is a squared error; the cross-entropy is minus the logarithm of the share."""
    return (1 - 1 / classes) ** 2


ladder = ChoiceExercise(
    "training/which-rung",
    title="Which rung breaks?",
    level="warm-up",
    minutes=4,
    statement="""
        A network for ten classes is trained on 1,000 pictures.
        Its first loss is 2.31.
        It learns 32 of the pictures by heart: their loss comes down to 0.003.
        But trained on all 1,000, it names 10 % of new pictures right, whatever you do.
        (All ten classes are equally frequent.)
        What is the most likely mistake?
    """,
    options=[
        Option(
            "The pictures were shuffled, and their labels were not.",
            "Any labels can be learned by heart, so the first rungs hold. But these labels say nothing about the pictures, so on new ones the network can only guess.",
            right=True,
        ),
        Option(
            "Softmax is applied twice.",
            "Then the loss could not come down to 0.003: with ten classes it stays above 1.46. New pictures, on the other hand, would be named quite well.",
        ),
        Option(
            "The old gradients are not set to zero.",
            "Then all old gradients go on pushing, and the loss on the 32 pictures stays high or explodes.",
        ),
        Option(
            "The weights of the last layer begin too large.",
            "Then the untrained network would be sure and wrong, and the first loss far above log 10, which is 2.30.",
        ),
        Option(
            "It has over-fitted, and needs dropout.",
            "A network that has over-fitted is worse on new pictures than on old ones, but better than guessing: the labels it has learned from told it something. Here they told it nothing.",
        ),
    ],
    hints=["Which rungs hold, and which one breaks?", "10 % of ten classes is guessing."],
)

by_hand = NumberExercise(
    "training/slope-of-a-weight",
    title="The way back, with other numbers",
    level="core",
    minutes=6,
    statement="""
        A kernel makes a map of four numbers: {a}, {b}, {c} and {d}.
        The output is their maximum, the target is {target}, and the loss is the squared error of this one output.
        On the window of the picture that made the largest number, the kernel's lower left weight was multiplied with a pixel of {pixel}.
        What is the slope of the loss with respect to this weight?
    """,
    hints=[
        "Go back one step at a time: loss, maximum, kernel.",
        "The slope of a square is 2 times what was squared. The maximum passes it on to the largest number alone.",
        "The weight gets that slope times the pixel it was multiplied with.",
    ],
)


@by_hand.cases
def by_hand_cases(rng):
    """Draw four different numbers, a target that is none of them, and a pixel."""
    a, b, c, d, target = (int(n) for n in rng.choice(np.arange(1, 16), 5, replace=False))
    return {"a": a, "b": b, "c": c, "d": d, "target": target, "pixel": int(rng.integers(2, 8))}


@by_hand.solution
def slope_of_a_weight(a, b, c, d, target, pixel):
    """Return the slope at the output times the pixel."""
    return 2 * (max(a, b, c, d) - target) * pixel


@by_hand.mistake
def two_forgotten(a, b, c, d, target, pixel):
    """The slope of a square has a factor of 2."""
    return (max(a, b, c, d) - target) * pixel


@by_hand.mistake
def pixel_forgotten(a, b, c, d, target, pixel):
    """That is the slope with respect to the largest number of the map; the weight was multiplied with a pixel, so its slope is, too."""
    return 2 * (max(a, b, c, d) - target)


@by_hand.mistake
def target_minus_output(a, b, c, d, target, pixel):
    """The sign is the wrong way round: if the output is too large, a larger one makes the loss larger, and the slope is positive."""
    return 2 * (target - max(a, b, c, d)) * pixel


@by_hand.mistake
def spread_over_the_map(a, b, c, d, target, pixel):
    """An average would share its gradient out among four numbers; the maximum gives all of it to the largest."""
    return (max(a, b, c, d) - target) * pixel / 2


@by_hand.mistake
def target_forgotten(a, b, c, d, target, pixel):
    """What is squared is the output minus the target."""
    return 2 * max(a, b, c, d) * pixel


@by_hand.mistake
def loss_times_pixel(a, b, c, d, target, pixel):
    """What comes back is the *slope* of the loss, not the loss itself."""
    return (max(a, b, c, d) - target) ** 2 * pixel


@by_hand.mistake
def times_the_output(a, b, c, d, target, pixel):
    """The weight's slope is multiplied with the pixel that the weight saw, not with the number that came out."""
    return 2 * (max(a, b, c, d) - target) * max(a, b, c, d)


loop = FunctionExercise(
    "training/line",
    title="The loop, from scratch",
    level="core",
    minutes=15,
    statement="""
        Write `learn_a_line(inputs, heights, line, lr, epochs, batch_size)`: fit a line by mini-batches.
        `inputs` and `heights` are arrays of N floats, and `line` is where to begin, the pair (slope, intercept).
        Go through the points in the order in which they stand, `batch_size` at a time, and do so `epochs` times; the last batch of an epoch may be smaller.
        For each batch: compute the outputs slope · input + intercept, note the mean squared error, compute its gradient, and move both numbers against it, with the rate `lr`.
        Return the slope, the intercept, and a list with the loss of each batch *before* its step.
    """,
    hints=[
        "Two loops: over the epochs, and in it over `range(0, len(inputs), batch_size)`. A slice that reaches beyond the end is cut off there.",
        "With `error = slope * x + intercept - y` the loss is the mean of `error**2`.",
        "The slope's gradient is twice the mean of `error * x`, the intercept's twice the mean of `error`. Compute both before you move either.",
    ],
)


@loop.solution
def learn_a_line(inputs, heights, line, lr, epochs, batch_size):
    """Return slope, intercept, and the loss before every step."""
    (slope, intercept), losses = line, []
    for _ in range(epochs):
        for start in range(0, len(inputs), batch_size):
            x = inputs[start : start + batch_size]
            error = slope * x + intercept - heights[start : start + batch_size]
            losses.append(np.mean(error**2))
            dslope, dintercept = 2 * np.mean(error * x), 2 * np.mean(error)
            slope, intercept = slope - lr * dslope, intercept - lr * dintercept
    return slope, intercept, losses


@loop.also
def line_by_torch(inputs, heights, line, lr, epochs, batch_size):
    """PyTorch's gradients and steps."""
    weights = torch.tensor(line, dtype=torch.float64, requires_grad=True)
    x, y = torch.tensor(inputs), torch.tensor(heights)
    optimiser, losses = torch.optim.SGD([weights], lr), []
    for batch in [*torch.arange(len(x)).split(batch_size)] * epochs:
        loss = torch.nn.functional.mse_loss(weights[0] * x[batch] + weights[1], y[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return *weights.tolist(), losses


@loop.also
def line_by_matrices(inputs, heights, line, lr, epochs, batch_size):
    """Both numbers as one vector, all sums as matrix products."""
    columns, weights, losses = np.c_[inputs, np.ones(len(inputs))], np.array(line, float), []
    for batch in [*batches(len(inputs), batch_size)] * epochs:
        error = columns[batch] @ weights - heights[batch]
        losses += [error @ error / len(batch)]
        weights = weights - lr * 2 / len(batch) * columns[batch].T @ error
    return weights[0], weights[1], losses


@loop.cases
def loop_cases(rng):
    """Three points by hand, then others, in whole and in broken batches."""
    inputs, heights = np.array([1.0, 2.0, 3.0]), np.array([3.0, 5.0, 7.0])
    yield inputs, heights, (0.0, 0.0), 0.1, 1, 3
    yield inputs, heights, (1.0, 2.0), 0.05, 2, 2
    yield inputs, heights, (2.0, 1.0), 0.1, 1, 1
    for N, epochs, size in [(8, 3, 4), (7, 2, 3), (5, 4, 5), (6, 1, 8)]:
        inputs = rng.uniform(-1, 1, N)
        heights = 1 + 2 * inputs + rng.normal(0, 0.3, N)
        line = float(rng.normal()), float(rng.normal())
        yield inputs, heights, line, float(rng.uniform(0.05, 0.3)), epochs, size
    inputs = rng.uniform(0, 2, (9, 2))
    yield inputs[:, 0], inputs[:, 1], (-1.5, 4.0), 0.1, 2, 2


def _parts(inputs, heights, size):
    """Return the batches of one epoch."""
    starts = range(0, len(inputs), size)
    return [(inputs[i : i + size], heights[i : i + size]) for i in starts]


def _true_slopes(x, error):
    """Return the gradient of the mean squared error of a line."""
    return 2 * np.mean(error * x), 2 * np.mean(error)


def _follow(parts, line, lr, slopes=_true_slopes):
    """Take a step for each part, by slopes that may be wrong."""
    (slope, intercept), losses = line, []
    for x, y in parts:
        error = slope * x + intercept - y
        losses.append(np.mean(error**2))
        dslope, dintercept = slopes(x, error)
        slope, intercept = slope - lr * dslope, intercept - lr * dintercept
    return slope, intercept, losses


@loop.mistake
def uphill(inputs, heights, line, lr, epochs, batch_size):
    """The step goes *up* the gradient, and the loss grows: subtract the gradient times `lr`."""
    return _follow(_parts(inputs, heights, batch_size) * epochs, line, -lr)


@loop.mistake
def sums_for_means(inputs, heights, line, lr, epochs, batch_size):
    """The gradient is added up over the batch; that of a *mean* squared error is an average, too."""
    parts = _parts(inputs, heights, batch_size) * epochs
    return _follow(parts, line, lr, lambda x, error: (2 * np.sum(error * x), 2 * np.sum(error)))


@loop.mistake
def two_of_the_square_forgotten(inputs, heights, line, lr, epochs, batch_size):
    """The slope of a square has a factor of 2, and here it is missing."""
    return _follow(_parts(inputs, heights, batch_size) * epochs, line, lr / 2)


@loop.mistake
def input_forgotten(inputs, heights, line, lr, epochs, batch_size):
    """The slope of the line is multiplied with the inputs, so its gradient is the mean of error times input, doubled."""
    parts = _parts(inputs, heights, batch_size) * epochs
    return _follow(parts, line, lr, lambda x, error: (2 * np.mean(error), 2 * np.mean(error)))


@loop.mistake
def intercept_stays(inputs, heights, line, lr, epochs, batch_size):
    """The intercept never moves; it is a parameter like the slope."""
    parts = _parts(inputs, heights, batch_size) * epochs
    return _follow(parts, line, lr, lambda x, error: (2 * np.mean(error * x), 0))


@loop.mistake
def broken_batch_left_out(inputs, heights, line, lr, epochs, batch_size):
    """The last batch of an epoch is left out where it is smaller; it counts like the others."""
    whole = [part for part in _parts(inputs, heights, batch_size) if len(part[0]) == batch_size]
    return _follow(whole * epochs, line, lr)


@loop.mistake
def all_points_in_every_step(inputs, heights, line, lr, epochs, batch_size):
    """Every step asks all of the points; ask those of one batch."""
    steps = len(_parts(inputs, heights, batch_size)) * epochs
    return _follow([(inputs, heights)] * steps, line, lr)


@loop.mistake
def first_epoch_only(inputs, heights, line, lr, epochs, batch_size):
    """It stops after one pass over the points, whatever `epochs` says."""
    return _follow(_parts(inputs, heights, batch_size), line, lr)


@loop.mistake
def loss_after_the_step(inputs, heights, line, lr, epochs, batch_size):
    """The losses are those after each step; note the loss before the weights move."""
    losses = []
    for x, y in _parts(inputs, heights, batch_size) * epochs:
        *line, _ = _follow([(x, y)], line, lr)
        losses.append(np.mean((line[0] * x + line[1] - y) ** 2))
    return *line, losses


@loop.mistake
def one_after_the_other(inputs, heights, line, lr, epochs, batch_size):
    """The intercept's gradient is computed with the slope that has moved already; both belong to the same line, so compute both first."""
    losses = []
    for x, y in _parts(inputs, heights, batch_size) * epochs:
        slope, _, loss = _follow([(x, y)], line, lr)
        line = slope, _follow([(x, y)], (slope, line[1]), lr)[1]
        losses += loss
    return *line, losses


macro = FunctionExercise(
    "training/macro",
    title="Every class counts the same",
    level="core",
    minutes=8,
    statement="""
        Write `macro_f1(matrix)`: the mean over all classes of their F1.
        `matrix` is a confusion matrix, an array of K×K whole numbers: a row for each true class, a column for each answer.
        A class without any hit has the F1 0, and it counts in the mean, even where its row and its column are all 0.
        Return one number.
    """,
    hints=[
        "What is F1 in terms of hits, the sum of a row, and the sum of a column? Write out the harmonic mean of precision and recall.",
        "F1 of a class is 2 · hits / (sum of its row + sum of its column).",
        "Where both sums are 0, divide by 1 instead: `np.maximum(both, 1)`.",
    ],
)


@macro.solution
def macro_f1(matrix):
    """Return the mean F1 of all classes."""
    both = matrix.sum(axis=0) + matrix.sum(axis=1)
    return np.mean(2 * np.diag(matrix) / np.maximum(both, 1))


@macro.also
def macro_by_loops(matrix):
    """Class by class, from precision and recall."""
    found = []
    for k in range(len(matrix)):
        hits, answered, there = matrix[k, k], sum(matrix[:, k]), sum(matrix[k])
        if hits == 0:
            found.append(0)
            continue
        precision, recall = hits / answered, hits / there
        found.append(2 * precision * recall / (precision + recall))
    return sum(found) / len(found)


@macro.also
def macro_by_sklearn(matrix):
    """Deal the pictures out again, and ask scikit-learn."""
    from sklearn.metrics import f1_score

    truth, answer = (
        np.repeat(places.ravel(), matrix.ravel()) for places in np.indices(matrix.shape)
    )
    return f1_score(truth, answer, labels=range(len(matrix)), average="macro", zero_division=0)


@macro.cases
def macro_cases(rng):
    """Two classes by hand, classes that are never there or never answered, then random ones."""
    yield (np.array([[2, 1], [0, 1]]),)
    yield (np.array([[90, 2], [6, 2]]),)
    yield (np.array([[8, 2, 0], [1, 3, 0], [4, 1, 1]]),)
    yield (np.array([[3, 0], [0, 0]]),)
    yield (np.array([[5, 0, 1], [2, 0, 0], [1, 0, 4]]),)
    for K in (2, 3, 5, 7):
        yield (rng.integers(0, 20, (K, K)) + np.diag(rng.integers(0, 60, K)),)
    yield ((rng.integers(1, 9, (4, 4)) + np.diag([50, 20, 5, 1])).T,)


def _of_rows_and_columns(matrix):
    """Return hits, the sums of the rows, and those of the columns."""
    return np.diag(matrix), matrix.sum(1), matrix.sum(0)


def _shares(part, whole):
    """Divide, with 0 for 0 / 0."""
    return part / np.maximum(whole, 1)


@macro.mistake
def accuracy_for_f1(matrix):
    """All hits over all pictures is the accuracy, in which large classes count more; take F1 of each class first, then the mean."""
    return np.trace(matrix) / matrix.sum()


@macro.mistake
def weighted_by_frequency(matrix):
    """Large classes count more here; in this mean every class counts the same."""
    hits, there, answered = _of_rows_and_columns(matrix)
    return np.average(_shares(2 * hits, there + answered), weights=there)


@macro.mistake
def mean_of_the_recalls(matrix):
    """That is the mean recall, the balanced accuracy; F1 also takes the precision into account."""
    hits, there, _ = _of_rows_and_columns(matrix)
    return np.mean(_shares(hits, there))


@macro.mistake
def mean_of_the_precisions(matrix):
    """That is the mean precision; F1 also takes the recall into account."""
    hits, _, answered = _of_rows_and_columns(matrix)
    return np.mean(_shares(hits, answered))


@macro.mistake
def averaged_too_early(matrix):
    """Precision and recall are averaged over the classes before F1 is taken; take F1 of each class, then average."""
    precision, recall = mean_of_the_precisions(matrix), mean_of_the_recalls(matrix)
    return 2 * precision * recall / (precision + recall)


@macro.mistake
def arithmetic_mean(matrix):
    """F1 is the *harmonic* mean of precision and recall, which is high only if both are; this is the arithmetic one."""
    return (mean_of_the_precisions(matrix) + mean_of_the_recalls(matrix)) / 2


@macro.mistake
def zero_by_zero(matrix):
    """A class that is neither there nor answered gives 0 / 0, which is NaN; its F1 is 0."""
    hits, there, answered = _of_rows_and_columns(matrix)
    return np.mean(2 * hits / (there + answered))


def _by_precision_and_recall(matrix):
    """Return F1 of each class as its name says, NaN where there is no hit."""
    hits, there, answered = _of_rows_and_columns(matrix)
    with np.errstate(all="ignore"):
        precision, recall = hits / answered, hits / there
        return 2 * precision * recall / (precision + recall)


@macro.mistake
def no_hit_no_number(matrix):
    """A class without any hit gives 0 / 0, which is NaN, in its precision, its recall or their harmonic mean; its F1 is 0."""
    return np.mean(_by_precision_and_recall(matrix))


@macro.mistake
def classes_without_hits_left_out(matrix):
    """Classes without any hit are left out of the mean, as `np.nanmean` does; here they count with 0."""
    return np.nanmean(_by_precision_and_recall(matrix))


@macro.mistake
def empty_classes_left_out(matrix):
    """Classes that are neither there nor answered are left out of the mean; here they count with 0."""
    hits, there, answered = _of_rows_and_columns(matrix)
    here = there + answered > 0
    return np.mean(2 * hits[here] / (there + answered)[here])


@macro.mistake
def half_of_f1(matrix):
    """The sums of the row and the column are both in the denominator, so the hits count twice in the numerator."""
    hits, there, answered = _of_rows_and_columns(matrix)
    return np.mean(_shares(hits, there + answered))


@macro.mistake
def hits_over_the_union(matrix):
    """Hits over everything in the row or column is the intersection over union, not F1."""
    hits, there, answered = _of_rows_and_columns(matrix)
    return np.mean(_shares(hits, there + answered - hits))


@macro.mistake
def one_class_only(matrix):
    """That is F1 of class 1 alone; take the mean over all classes."""
    hits, there, answered = _of_rows_and_columns(matrix)
    return _shares(2 * hits, there + answered)[1]


rare = NumberExercise(
    "training/one-rare-class",
    title="One rare class",
    level="core",
    minutes=5,
    rtol=5e-4,
    statement="""
        Among {clothes} clothes there are {shirts} shirts.
        A network calls {called} of the clothes a shirt, and {hits} of these are shirts indeed.
        What is the F1 of the shirts?
        Give four digits.
    """,
    hints=[
        "Precision is the share of what was *called* a shirt, recall the share of what *is* one.",
        "Take the harmonic mean of both, 2 / (1/precision + 1/recall).",
    ],
)


@rare.cases
def rare_cases(rng):
    """Draw a rare class, and a network that finds a part of it."""
    shirts = int(rng.integers(40, 120))
    hits = int(rng.integers(shirts // 4, shirts // 2))
    called = hits + int(rng.integers(5, hits))
    return {
        "clothes": int(rng.integers(15, 30)) * 100,
        "shirts": shirts,
        "called": called,
        "hits": hits,
    }


@rare.solution
def one_rare_class(clothes, shirts, called, hits):
    """Return the harmonic mean of precision and recall."""
    precision, recall = hits / called, hits / shirts
    return 2 / (1 / precision + 1 / recall)


@rare.mistake
def precision_only(clothes, shirts, called, hits):
    """That is the precision; F1 takes the recall into account, too."""
    return hits / called


@rare.mistake
def recall_only(clothes, shirts, called, hits):
    """That is the recall; F1 takes the precision into account, too."""
    return hits / shirts


@rare.mistake
def plain_mean(clothes, shirts, called, hits):
    """F1 is the harmonic mean of precision and recall; this is the arithmetic one."""
    return (hits / called + hits / shirts) / 2


@rare.mistake
def accuracy_of_all(clothes, shirts, called, hits):
    """That is the accuracy, which is high for a rare class even if nothing is found."""
    return (clothes - shirts - called + 2 * hits) / clothes


@rare.mistake
def product_of_both(clothes, shirts, called, hits):
    """Precision times recall is no mean of them."""
    return hits / called * hits / shirts


@rare.mistake
def without_the_two(clothes, shirts, called, hits):
    """The harmonic mean of two numbers has a 2 in the numerator."""
    return hits / (called + shirts)


@rare.mistake
def called_are_false_alarms(clothes, shirts, called, hits):
    """The hits are among those that were called a shirt; they are not to be added to them."""
    return 2 * hits / (2 * hits + called + shirts - hits)


stop = FunctionExercise(
    "training/stop",
    title="When to stop",
    level="core",
    minutes=10,
    statement="""
        Write `stop_epoch(losses, patience)`: when does early stopping stop?
        `losses` is a list of validation losses, one for each epoch, and `patience` a whole number above 0; epochs are counted from 1.
        The best epoch so far is the one with the lowest loss; of several equal ones it is the first.
        Training stops after the first epoch that is `patience` epochs after the best so far.
        If that never happens, it stops after the last one.
        Return the pair `(best, stop)`: the best epoch until then, and the one after which training stops.
    """,
    hints=[
        "Go through the epochs as the training does: it cannot know the losses that are still to come.",
        "`enumerate(losses, start=1)` counts the epochs; remember the best one so far.",
        "`return` as soon as the distance to the best epoch reaches `patience`; after the loop, return the last epoch.",
    ],
)


@stop.solution
def stop_epoch(losses, patience):
    """Return the best epoch, and the one after which to stop."""
    best = 1
    for epoch, loss in enumerate(losses, start=1):
        if loss < losses[best - 1]:
            best = epoch
        if epoch - best == patience:
            return best, epoch
    return best, len(losses)


@stop.also
def stop_by_argmin(losses, patience):
    """Ask NumPy for the best of each beginning of the list."""
    for epoch in range(1, len(losses) + 1):
        best = int(np.argmin(losses[:epoch])) + 1
        if epoch == best + patience:
            break
    return [best, epoch]


@stop.also
def stop_by_counting(losses, patience):
    """Count the epochs without a new best one, as many programs do."""
    lowest, best, waited = float("inf"), 0, 0
    for epoch, loss in enumerate(losses, start=1):
        lowest, best, waited = (loss, epoch, 0) if loss < lowest else (lowest, best, waited + 1)
        if waited >= patience:
            return best, epoch
    return best, epoch


@stop.cases
def stop_cases(rng):
    """Short lists by hand: a late best one, none too patient, equal ones; then random ones."""
    yield [5, 3, 4, 2, 6, 7, 1], 2
    yield [3, 2, 1], 1
    yield [2, 3, 1], 1
    yield [4, 2, 3, 5, 3, 1], 2
    yield [4, 3, 3, 3, 2], 2
    yield [5, 2, 4, 3, 6, 5], 4
    yield [5, 2, 6, 4, 3, 1], 3
    yield [1, 4, 3, 2, 5, 6], 5
    for patience in (1, 2, 3, 4):
        falls = np.geomspace(2, 0.3, 14) + rng.normal(0, 0.25, 14)
        yield falls.round(2).tolist(), patience
    yield rng.integers(1, 5, 9).tolist(), 3


def _stopped(losses, patience, better):
    """Go through the epochs, with another rule for what is better."""
    best = 1
    for epoch in range(1, len(losses) + 1):
        if better(losses, epoch, best):
            best = epoch
        if epoch - best == patience:
            return best, epoch
    return best, len(losses)


@stop.mistake
def counted_from_zero(losses, patience):
    """Epochs are counted from 1, not from 0."""
    best, end = stop_epoch(losses, patience)
    return best - 1, end - 1


@stop.mistake
def one_epoch_too_patient(losses, patience):
    """It goes on for one epoch too many: training stops as soon as the distance to the best epoch *reaches* `patience`."""
    return stop_epoch(losses, patience + 1)


@stop.mistake
def knows_the_future(losses, patience):
    """The best epoch of the whole list may come after training has stopped; look at the epochs until then only."""
    return losses.index(min(losses)) + 1, stop_epoch(losses, patience)[1]


@stop.mistake
def waits_after_the_best_of_all(losses, patience):
    """It waits after the best epoch of the whole list; training stops earlier if `patience` epochs pass without a new best one."""
    best = losses.index(min(losses)) + 1
    return best, min(best + patience, len(losses))


@stop.mistake
def equal_is_better(losses, patience):
    """An epoch with the same loss is no better: of several equal ones the first is the best."""
    return _stopped(losses, patience, lambda all_, now, best: all_[now - 1] <= all_[best - 1])


@stop.mistake
def better_than_the_one_before(losses, patience):
    """An epoch counts as better here if its loss is below that of the epoch just before; it must be below the best one so far."""
    return _stopped(
        losses, patience, lambda all_, now, best: now > 1 and all_[now - 1] < all_[now - 2]
    )


@stop.mistake
def beyond_the_end(losses, patience):
    """The stop lies beyond the last epoch where the best one comes late; then training simply ends with the last."""
    best = stop_epoch(losses, patience)[0]
    return best, best + patience


@stop.mistake
def waiting_never_begins_anew(losses, patience):
    """Bad epochs are counted over the whole training; after a new best epoch the waiting begins anew."""
    best, waited = 1, 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < losses[best - 1]:
            best = epoch
        elif epoch > 1:
            waited += 1
        if waited == patience:
            return best, epoch
    return best, len(losses)


@stop.mistake
def stop_before_best(losses, patience):
    """The two numbers are in the wrong order: first the best epoch, then the one after which to stop."""
    return stop_epoch(losses, patience)[::-1]


@stop.mistake
def losses_for_epochs(losses, patience):
    """The first number is the lowest loss; it has to be the number of its epoch."""
    best, end = stop_epoch(losses, patience)
    return losses[best - 1], end


schedule = FunctionExercise(
    "training/trapezoid",
    title="Your own schedule",
    level="core",
    minutes=7,
    statement="""
        Write `trapezoid(share)`: a schedule in three straight lines.
        `share` is one number from 0 to 1: how much of the training is over.
        The factor is 0 at the start and rises to 1 at a tenth of the training.
        It stays at 1 until seven tenths, and falls to 0 at the end.
        Return the factor, one number; `fit` takes the function as `schedule=trapezoid`.
    """,
    hints=[
        "Draw it: four points, (0, 0), (0.1, 1), (0.7, 1) and (1, 0), with straight lines between them.",
        "`np.interp(share, xs, ys)` draws straight lines between points.",
    ],
)


@schedule.solution
def trapezoid(share):
    """Return the factor of the learning rate."""
    return np.interp(share, [0, 0.1, 0.7, 1], [0, 1, 1, 0])


@schedule.also
def trapezoid_by_cases(share):
    """Three cases."""
    if share < 0.1:
        return share / 0.1
    return 1 if share <= 0.7 else (1 - share) / 0.3


@schedule.also
def trapezoid_by_minimum(share):
    """The lowest of three lines."""
    return min(10 * share, 1.0, (1 - share) * 10 / 3)


@schedule.cases
def schedule_cases(rng):
    """The corners and a place on each line, then others."""
    for share in (0, 0.025, 0.05, 0.1, 0.4, 0.7, 0.85, 1):
        yield (share,)
    for low, high in [(0, 0.1), (0, 0.1), (0.1, 0.7), (0.7, 1), (0.7, 1)]:
        yield (float(rng.uniform(low, high)),)


@schedule.mistake
def no_warm_up(share):
    """It begins at 1; the factor has to rise from 0 during the first tenth."""
    return min(1.0, (1 - share) / 0.3)


@schedule.mistake
def never_falls(share):
    """It stays at 1 until the end; from seven tenths on the factor has to fall."""
    return min(1.0, share / 0.1)


@schedule.mistake
def falls_from_the_top(share):
    """It begins to fall as soon as it is at the top; it has to stay at 1 until seven tenths."""
    return min(share / 0.1, (1 - share) / 0.9)


@schedule.mistake
def jumps_down(share):
    """At seven tenths it jumps from 1 to 0.3: `1 - share` is what is left of the training; divide it by the three tenths in which the factor falls."""
    return share / 0.1 if share < 0.1 else 1.0 if share <= 0.7 else 1 - share


@schedule.mistake
def rises_to_a_tenth(share):
    """It rises to 0.1 only, and then jumps: the share itself is the factor there. Divide it by the tenth in which the factor rises."""
    return share if share < 0.1 else min(1.0, (1 - share) / 0.3)


@schedule.mistake
def falls_over_seven_tenths(share):
    """It comes down to 4/7 only: it falls over seven tenths of the training; it has to fall over the last three."""
    return share / 0.1 if share < 0.1 else 1.0 if share <= 0.7 else 1 - (share - 0.7) / 0.7


@schedule.mistake
def along_a_cosine(share):
    """It rises and falls along half a cosine wave; draw straight lines."""
    return (1 - np.cos(np.pi * np.interp(share, [0, 0.1, 0.7, 1], [0, 1, 1, 0]))) / 2


@schedule.mistake
def switched_on_and_off(share):
    """There are straight lines up and down, not steps from 0 to 1 and back."""
    return 1.0 if 0.1 <= share <= 0.7 else 0.0


@schedule.mistake
def rises_and_falls_swapped(share):
    """Mirrored: it rises over three tenths and falls in the last one."""
    return np.interp(share, [0, 0.3, 0.9, 1], [0, 1, 1, 0])


wild = FunctionExercise(
    "training/huber",
    title="A loss for wild points",
    level="core",
    minutes=12,
    statement="""
        Write `huber(outputs, targets)`: a loss that one wild point cannot spoil.
        Both are arrays of floats of the same shape, with any number of axes; $d$ is an output minus its target.
        The loss of one number is $d^2/2$ where $|d| \\le 1$, and $|d| - 1/2$ elsewhere; the loss of all is the mean over all numbers.
        Return the loss, one number, and its gradient with respect to the outputs, an array of their shape.
    """,
    hints=[
        "`np.where(condition, here, elsewhere)` chooses number by number.",
        "The slope of $d^2/2$ is $d$, that of $|d| - 1/2$ is 1 or −1: together it is $d$, cut off at −1 and 1, `np.clip`.",
        "The loss is a mean, so the gradient is divided by how many numbers there are, `d.size`.",
    ],
)


@wild.solution
def huber(outputs, targets):
    """Return the loss, and its gradient with respect to the outputs."""
    d = outputs - targets
    terms = np.where(abs(d) <= 1, d**2 / 2, abs(d) - 1 / 2)
    return terms.mean(), np.clip(d, -1, 1) / d.size


@wild.also
def huber_by_torch(outputs, targets):
    """PyTorch's function and its gradient."""
    x = torch.tensor(outputs, requires_grad=True)
    loss = torch.nn.functional.huber_loss(x, torch.tensor(targets))
    loss.backward()
    return loss.item(), x.grad.numpy()


@wild.also
def huber_by_loops(outputs, targets):
    """One number after the other."""
    loss, doutputs = 0, np.zeros_like(outputs)
    for place in np.ndindex(outputs.shape):
        d = outputs[place] - targets[place]
        if -1 <= d <= 1:
            loss, doutputs[place] = loss + d * d / 2, d / outputs.size
        else:
            loss, doutputs[place] = loss + abs(d) - 0.5, np.sign(d) / outputs.size
    return loss / outputs.size, doutputs


@wild.cases
def wild_cases(rng):
    """Near and wild points by hand, on both sides, then random ones of all shapes."""
    yield np.array([0.5, 4.0]), np.array([0.0, 1.0])
    yield np.array([-3.0, 1.0, 0.0, 0.25]), np.array([0.0, 2.0, 0.0, 1.0])
    yield np.array([[3.0, -2.0], [0.5, 1.0], [9.0, 0.0]]), np.zeros((3, 2))
    yield np.array([[0.5, -0.5]]), np.array([[0.0, 0.25]])
    for shape in [(5, 3), (2, 3, 4), (7,), (1, 6)]:
        yield tuple(rng.normal(0, 2, (2, *shape)))
    yield _eighths(rng, 4, 2), _eighths(rng, 4, 2)
    yield rng.normal(0, 2, (6, 4)).T[::2], rng.normal(0, 2, (2, 6))


@wild.mistake
def gradient_not_averaged(outputs, targets):
    """The loss is a mean, so its gradient has to be divided by how many numbers there are."""
    loss, doutputs = huber(outputs, targets)
    return loss, doutputs * outputs.size


@wild.mistake
def sum_for_mean(outputs, targets):
    """Loss and gradient are those of the sum; take the mean over all numbers."""
    loss, doutputs = huber(outputs, targets)
    return loss * outputs.size, doutputs * outputs.size


@wild.mistake
def averaged_over_rows_only(outputs, targets):
    """It divides by `len`, the length of the first axis; the mean is over all numbers, `size` of them."""
    loss, doutputs = huber(outputs, targets)
    factor = outputs.size / len(outputs)
    return loss * factor, doutputs * factor


@wild.mistake
def half_forgotten_outside(outputs, targets):
    """The loss jumps at 1: far out it is the size of d minus 1/2, which joins on to d²/2."""
    d = outputs - targets
    return np.where(abs(d) <= 1, d**2 / 2, abs(d)).mean(), np.clip(d, -1, 1) / d.size


@wild.mistake
def square_not_halved(outputs, targets):
    """Near the target the loss of one number is *half* its square, and the gradient of that is d."""
    d = outputs - targets
    near = abs(d) <= 1
    slopes = np.where(near, 2 * d, np.sign(d))
    return np.where(near, d**2, abs(d) - 1 / 2).mean(), slopes / d.size


@wild.mistake
def gradient_never_cut_off(outputs, targets):
    """Far out the loss is a straight line, whose slope is 1 or −1; here the gradient goes on growing."""
    d = outputs - targets
    return huber(outputs, targets)[0], d / d.size


@wild.mistake
def wild_on_one_side_only(outputs, targets):
    """It works for outputs that are too large only: −3 is as far from 0 as 3, so compare the *size* of d with 1."""
    d = outputs - targets
    return np.where(d <= 1, d**2 / 2, d - 1 / 2).mean(), np.minimum(d, 1) / d.size


@wild.mistake
def targets_minus_outputs(outputs, targets):
    """The gradient has the wrong sign: d is the output minus the target, so that it is positive where the output is too large."""
    loss, doutputs = huber(outputs, targets)
    return loss, -doutputs


@wild.mistake
def one_decision_for_all(outputs, targets):
    """One wild point makes the whole array count as wild; decide for each number by itself."""
    d = outputs - targets
    if abs(d).max() <= 1:
        return (d**2 / 2).mean(), d / d.size
    return (abs(d) - 1 / 2).mean(), np.sign(d) / d.size


@wild.mistake
def loss_without_gradient(outputs, targets):
    """Only the loss is returned; return the gradient with it, `return loss, doutputs`."""
    return huber(outputs, targets)[0]


begin = ChoiceExercise(
    "training/where-to-begin",
    title="The first weights",
    level="core",
    minutes=4,
    statement="""
        A convolution layer with 3×3 kernels reads 64 channels, and a ReLU follows.
        There is no batch norm, and many more such layers come behind it.
        How should the weights of all these layers begin?
    """,
    options=[
        Option(
            "Drawn with mean 0 and variance 2/576.",
            "Each output adds up 3·3·64 = 576 products, and ReLU halves the mean square. With the variance 2/576 the next layer gets numbers as large as this one did.",
            right=True,
        ),
        Option(
            "Drawn with mean 0 and variance 2/64.",
            "The fan-in is the number of products in one output, and a kernel has nine weights for each channel: 576. With 2/64 the mean square of the numbers grows nine times in each layer.",
        ),
        Option(
            "Drawn from a Gaussian between 0 and 1.",
            "A Gaussian has no ends. And weights between 0 and 1 are all positive, as are the numbers after a ReLU: 576 positive products add up, and each layer makes the numbers many times larger.",
        ),
        Option(
            "All equal to 1/576, so that each output is an average.",
            "Then all kernels get equal gradients and stay equal for ever: the layer would have as many copies of one kernel.",
        ),
        Option(
            "Drawn with mean 0 and standard deviation 1, as data are standardised.",
            "The *outputs* should keep their spread. A sum of 576 products with such weights spreads 24 times as far as one of them; ReLU takes half of the mean square, so each layer makes the numbers about 17 times larger.",
        ),
        Option(
            "Drawn with mean 0 and a standard deviation of 0.001, so that nothing explodes.",
            "Nothing explodes, but each layer makes the numbers about 60 times smaller. After some layers hardly anything is left of them, nor of the gradient on its way back.",
        ),
    ],
    hints=["How many products does one output add up?"],
)

nudge = FunctionExercise(
    "training/nudge",
    title="A slope without any derivation",
    level="stretch",
    minutes=12,
    statement="""
        Write `nudged_gradient(loss, w, eps)`: the gradient of a function, found by nudging.
        `w` is an array of any shape, of floats or of whole numbers, and `loss(w)` takes an array of this shape and returns one number.
        For each number of `w` raise it alone by `eps`, then lower it alone by `eps`, and divide the difference of the two losses by `2 * eps`.
        Return an array of floats of the shape of `w`; `w` itself must stay as it is.
    """,
    hints=[
        "`np.ndindex(w.shape)` goes through all places of an array, whatever its shape.",
        "Work on a copy of floats, `w.astype(float)`: an array of whole numbers cuts off what you add.",
        "Make two fresh copies for each place, change one number in each, and call `loss` with both.",
    ],
)


@nudge.solution
def nudged_gradient(loss, w, eps):
    """Return the slope of the loss along every number of w."""
    gradient = np.zeros(w.shape)
    for place in np.ndindex(w.shape):
        up, down = w.astype(float), w.astype(float)
        up[place] += eps
        down[place] -= eps
        gradient[place] = (loss(up) - loss(down)) / (2 * eps)
    return gradient


@nudge.also
def nudged_by_rows(loss, w, eps):
    """The rows of a unit matrix, put into shape, are the nudges."""
    nudges = eps * np.eye(w.size).reshape(-1, *w.shape)
    slopes = [(loss(w + nudge) - loss(w - nudge)) / (2 * eps) for nudge in nudges]
    return np.reshape(slopes, w.shape)


@nudge.also
def nudged_and_put_back(loss, w, eps):
    """One copy, in which every number is put back."""
    w, gradient = w.astype(float), np.empty(w.shape)
    for place, kept in np.ndenumerate(w.copy()):
        w[place] = kept + eps
        above = loss(w)
        w[place] = kept - eps
        gradient[place] = (above - loss(w)) / (2 * eps)
        w[place] = kept
    return gradient


def _cubes(w):
    """Return a sum of cubes, each counted differently."""
    return float(np.sum(np.arange(1, np.size(w) + 1) * np.ravel(w) ** 3))


def _waves(w):
    """Return a wave of each number, and what neighbours make of each other."""
    flat = np.ravel(w)
    return float(np.sum(np.sin(flat)) + np.sum(flat[1:] ** 2 * flat[:-1]))


def _entropy(w):
    """Return the cross-entropy of scores w, if all of them are right in turn."""
    flat = np.ravel(w)
    return float(np.sum(np.log(np.sum(np.exp(flat))) - np.arange(len(flat)) * flat))


@nudge.cases
def nudge_cases(rng):
    """Cubes by hand, with large nudges; then other losses, shapes and dtypes."""
    yield _cubes, np.array([1.0, 2.0]), 0.5
    yield _cubes, np.array([[0.0, 1.0, -1.0], [2.0, 0.5, 1.0]]), 0.25
    yield _cubes, np.array([[1, -2], [0, 3], [2, 1]]), 0.5
    yield _entropy, np.array([0.0, 0.0, 1.0]), 0.125
    for loss, shape in [(_waves, (4,)), (_entropy, (2, 3)), (_waves, (3, 1, 2)), (_cubes, (1, 4))]:
        yield loss, rng.normal(size=shape), float(rng.uniform(0.01, 0.2))
    yield _waves, rng.integers(-3, 4, (2, 4)), 0.01
    yield _cubes, rng.normal(size=(4, 3)).T, 0.001


def _slopes_of(loss, points, w, eps, both=2):
    """Return (loss of a pair's first − loss of its second) / (both · eps), for every pair."""
    slopes = [(loss(one) - loss(other)) / (both * eps) for one, other in points]
    return np.array(slopes).reshape(w.shape)


def _nudges(w, eps):
    """Return for every place of w an array of zeros with eps there."""
    return eps * np.eye(w.size).reshape(-1, *w.shape)


@nudge.mistake
def one_side_only(loss, w, eps):
    """It compares with the loss at `w` itself, which counts the curvature too; nudge to both sides."""
    return _slopes_of(loss, [(w + n, w) for n in _nudges(w, eps)], w, eps, both=1)


@nudge.mistake
def divided_by_eps(loss, w, eps):
    """The two points are `2 * eps` apart, so divide by that."""
    return _slopes_of(loss, [(w + n, w - n) for n in _nudges(w, eps)], w, eps, both=1)


@nudge.mistake
def not_divided(loss, w, eps):
    """The difference of the two losses has to be divided by `2 * eps`, the distance between the points."""
    return _slopes_of(loss, [(w + n, w - n) for n in _nudges(w, eps)], w, 1, both=1)


@nudge.mistake
def all_nudged_at_once(loss, w, eps):
    """All numbers are nudged together, which gives the sum of the slopes; nudge one at a time."""
    return _slopes_of(loss, [(w + eps, w - eps)] * w.size, w, eps)


@nudge.mistake
def nudges_left_in(loss, w, eps):
    """What was nudged stays nudged while the next numbers are tried: begin with new copies of `w` at every place."""
    w, gradient = w.astype(float), np.zeros(w.shape)
    for place in np.ndindex(w.shape):
        w[place] += eps
        above = loss(w)
        w[place] -= 2 * eps
        gradient[place] = (above - loss(w)) / (2 * eps)
    return gradient


@nudge.mistake
def whole_numbers_cut_off(loss, w, eps):
    """It works for floats only: an array of whole numbers cuts off what is added to it. Copy with `w.astype(float)`."""
    points = [(w.copy(), w.copy()) for _ in range(w.size)]
    for place, (up, down) in zip(np.ndindex(w.shape), points, strict=True):
        up[place] = w[place] + eps
        down[place] = w[place] - eps
    return _slopes_of(loss, points, w, eps)


@nudge.mistake
def slopes_in_whole_numbers(loss, w, eps):
    """The gradient has the dtype of `w`, as `np.zeros_like` makes it, and whole numbers cut slopes off; begin with `np.zeros(w.shape)`."""
    return nudged_gradient(loss, w, eps).astype(w.dtype)


@nudge.mistake
def whole_rows_nudged(loss, w, eps):
    """It works for one axis only: `w[i]` is a whole row if there are more. Go through all places with `np.ndindex(w.shape)`."""
    gradient = np.zeros(w.shape)
    for i in range(len(w)):
        nudge = np.zeros(w.shape)
        nudge[i] = eps
        gradient[i] = (loss(w + nudge) - loss(w - nudge)) / (2 * eps)
    return gradient


@nudge.mistake
def shape_lost(loss, w, eps):
    """The gradient comes as one long row; it has the shape of `w`."""
    return nudged_gradient(loss, w, eps).ravel()


@nudge.mistake
def down_minus_up(loss, w, eps):
    """The sign is wrong: subtract the loss after lowering from the loss after raising."""
    return -nudged_gradient(loss, w, eps)


@nudge.mistake
def w_itself_nudged(loss, w, eps):
    """It nudges the caller's `w`, which does not come back to the last bit, and in whole numbers not at all; work on a copy of floats."""
    gradient = np.zeros(w.shape)
    for place in np.ndindex(w.shape):
        w[place] += eps
        above = loss(w)
        w[place] -= 2 * eps
        gradient[place] = (above - loss(w)) / (2 * eps)
        w[place] += eps
    return gradient


parent = FunctionExercise(
    "training/rmsprop",
    title="Adam's parent",
    level="stretch",
    minutes=8,
    statement="""
        Write `rmsprop_step(w, v, dw, lr)`: one step of RMSprop.
        `w`, `v` and `dw` are arrays of floats of one shape: weights, the running mean of the squared gradients, and the gradient; `lr` is a number.
        The running mean becomes $v \\leftarrow 0.99\\,v + 0.01\\,\\mathrm{d}w^2$.
        Then the weights become $w \\leftarrow w - \\text{lr} \\cdot \\mathrm{d}w / (\\sqrt{v} + 10^{-8})$, with the new $v$.
        Return the new weights and the new running mean, two new arrays; those that were given stay as they are.
    """,
    hints=[
        "Two lines; use the *new* v in the second.",
        "`w -= …` changes the caller's array. `w = w - …` makes a new one.",
    ],
)


@parent.solution
def rmsprop_step(w, v, dw, lr):
    """Return the weights and the running mean after a step."""
    v = 0.99 * v + 0.01 * dw**2
    return w - lr * dw / (np.sqrt(v) + 1e-8), v


@parent.also
def rmsprop_by_torch(w, v, dw, lr):
    """PyTorch's optimiser, put into the middle of a training; these are its defaults."""
    weights = torch.tensor(w)
    weights.grad = torch.tensor(dw)
    optimiser = torch.optim.RMSprop([weights], lr, alpha=0.99, eps=1e-8)
    state = {"step": torch.tensor(3.0), "square_avg": torch.tensor(v)}
    optimiser.state[weights] = state
    optimiser.step()
    return weights.numpy(), state["square_avg"].numpy()


@parent.also
def rmsprop_by_numbers(w, v, dw, lr):
    """Number by number."""
    weights, means = np.empty_like(w), np.empty_like(v)
    for place, slope in np.ndenumerate(dw):
        means[place] = v[place] + 0.01 * (slope * slope - v[place])
        weights[place] = w[place] - lr * slope / (means[place] ** 0.5 + 1e-8)
    return [weights, means]


@parent.cases
def parent_cases(rng):
    """A first step by hand, a gradient of 0, later steps, tiny gradients."""
    yield np.array([1.0, 1.0]), np.zeros(2), np.array([10.0, -0.1]), 0.1
    yield np.array([2.0, -1.0, 0.5]), np.array([1.0, 4.0, 9.0]), np.array([3.0, 0.0, -6.0]), 0.5
    yield np.array([[1.0, 2.0]]), np.zeros((1, 2)), np.array([[0.0, 2.0]]), 0.1
    yield np.array([1.0]), np.zeros(1), np.array([1e-5]), 0.1
    for shape in [(5,), (3, 2), (2, 3, 4)]:
        w, dw = rng.normal(size=(2, *shape))
        yield w, rng.random(shape), dw, float(rng.uniform(0.01, 0.5))
    yield rng.normal(size=(4, 3)), np.zeros((4, 3)), rng.normal(size=(3, 4)).T, 0.1
    yield rng.normal(size=6), rng.random(6) * 1e-8, rng.normal(size=6) * 1e-4, 0.05


def _measured_step(w, dw, lr, size):
    """Step by a gradient that is divided by its usual size."""
    return w - lr * dw / (size + 1e-8)


@parent.mistake
def old_running_mean(w, v, dw, lr):
    """The step uses the old v: bring the running mean up to date first, then step."""
    return _measured_step(w, dw, lr, np.sqrt(v)), 0.99 * v + 0.01 * dw**2


@parent.mistake
def root_forgotten(w, v, dw, lr):
    """The gradient is divided by the mean of its *squares*; take the root, so that it has the gradient's own size."""
    v = 0.99 * v + 0.01 * dw**2
    return _measured_step(w, dw, lr, v), v


@parent.mistake
def gradients_not_squared(w, v, dw, lr):
    """That is the running mean of the sizes of the gradients; take that of their squares."""
    v = 0.99 * v + 0.01 * abs(dw)
    return _measured_step(w, dw, lr, np.sqrt(v)), v


@parent.mistake
def shares_swapped(w, v, dw, lr):
    """The old running mean keeps 0.99 of itself and gets 0.01 of what is new, not the other way round."""
    v = 0.01 * v + 0.99 * dw**2
    return _measured_step(w, dw, lr, np.sqrt(v)), v


@parent.mistake
def up_the_gradient(w, v, dw, lr):
    """The step goes up the gradient; subtract it."""
    v = 0.99 * v + 0.01 * dw**2
    return _measured_step(w, dw, -lr, np.sqrt(v)), v


@parent.mistake
def small_number_under_the_root(w, v, dw, lr):
    """The small number stands under the root, where it is as large as 1e-4; add it after the root is taken."""
    v = 0.99 * v + 0.01 * dw**2
    return w - lr * dw / np.sqrt(v + 1e-8), v


@parent.mistake
def small_number_forgotten(w, v, dw, lr):
    """Where all gradients were 0 this divides 0 by 0, which is NaN; add 1e-8 to the root."""
    v = 0.99 * v + 0.01 * dw**2
    return w - lr * dw / np.sqrt(v), v


@parent.mistake
def adams_correction(w, v, dw, lr):
    """The running mean is corrected for its beginning at 0, as Adam does; RMSprop does not."""
    v = 0.99 * v + 0.01 * dw**2
    return _measured_step(w, dw, lr, np.sqrt(v / (1 - 0.99))), v


@parent.mistake
def callers_arrays_changed(w, v, dw, lr):
    """`*=`, `+=` and `-=` change the caller's arrays; make new ones."""
    v *= 0.99
    v += 0.01 * dw**2
    w -= lr * dw / (np.sqrt(v) + 1e-8)
    return w, v


@parent.mistake
def callers_weights_changed(w, v, dw, lr):
    """`w -= …` changes the caller's weights; make new ones: `w = w - …`."""
    v = 0.99 * v + 0.01 * dw**2
    w -= lr * dw / (np.sqrt(v) + 1e-8)
    return w, v


@parent.mistake
def running_mean_lost(w, v, dw, lr):
    """The running mean is returned as it came, so the next step forgets this gradient."""
    return rmsprop_step(w, v, dw, lr)[0], v.copy()


voices = FunctionExercise(
    "training/weights",
    title="A louder voice for the rare",
    level="stretch",
    minutes=15,
    statement="""
        Write `weighted_cross_entropy(logits, labels, weights)`: a cross-entropy in which some classes count more.
        `logits` is an array of floats (N, K), `labels` a list of N class numbers from 0 to K − 1, and `weights` a list of K numbers above 0, one for each class.
        Each picture's loss, minus the logarithm of the share that softmax gives to its right class, counts as much as the weight of that class.
        The sum is divided by the sum of the N weights that were used.
        Return the loss, one number, and its gradient with respect to the logits, (N, K).
        Logits may be as large as 1000 or as small as −1000.
    """,
    hints=[
        "First give every picture its weight: `np.array(weights)[labels]`. Divided by their sum they are the shares $c$ of the pictures.",
        "The loss is $-\\sum c \\cdot \\log p$, and the gradient of a row is its $c$ times (shares − one-hot).",
        "Take the largest logit of each row away first. And compute the logarithm of a share as logit − log of the sum of all exp: the share itself may be rounded to 0.",
    ],
)


@voices.solution
def weighted_cross_entropy(logits, labels, weights):
    """Return the loss, and its gradient with respect to the logits."""
    c = np.array(weights)[labels]
    c = c / c.sum()  # (N,): how much each picture counts
    z = logits - logits.max(axis=1, keepdims=True)
    logs = z - np.log(np.exp(z).sum(axis=1, keepdims=True))  # of the shares
    targets = one_hot(labels, logits.shape[1])
    loss = -(c[:, None] * targets * logs).sum()
    return loss, c[:, None] * (np.exp(logs) - targets)


@voices.also
def weighted_by_torch(logits, labels, weights):
    """PyTorch's function and its gradient."""
    x = torch.tensor(logits, requires_grad=True)
    weights = torch.tensor(weights, dtype=x.dtype)
    loss = torch.nn.functional.cross_entropy(x, torch.tensor(labels), weights)
    loss.backward()
    return loss.item(), x.grad.numpy()


@voices.also
def weighted_by_loops(logits, labels, weights):
    """One picture after the other."""
    total, loss, rows = sum(weights[label] for label in labels), 0, []
    for z, label in zip(logits, labels, strict=True):
        z = z - max(z)
        loss -= weights[label] * (z[label] - np.log(sum(np.exp(z))))
        row = np.exp(z) / sum(np.exp(z))
        row[label] -= 1
        rows.append(weights[label] / total * row)
    return loss / total, np.stack(rows)


@voices.cases
def voices_cases(rng):
    """Equal scores by hand, one loud voice, huge logits, then random ones."""
    yield np.zeros((2, 2)), [0, 1], [1, 3]
    yield np.array([[2.0, 0.0, 1.0], [0.0, 1.0, 0.0]]), [0, 0], [4.0, 1.0, 2.0]
    yield np.array([[1.0, -1.0], [0.5, 0.0], [0.0, 2.0]]), [1, 0, 0], [0.5, 2.0]
    yield np.array([[1000.0, 0.0, -1000.0], [3.0, 800.0, 2.0]]), [1, 1], [1.0, 2.0, 5.0]
    for N, K in [(6, 3), (1, 4), (5, 2), (4, 6)]:
        labels = rng.integers(0, K, N).tolist()
        yield rng.normal(0, 2, (N, K)), labels, rng.uniform(0.5, 5, K).round(2).tolist()
    yield rng.normal(0, 2, (3, 5)).T, rng.integers(0, 3, 5).tolist(), [1.0, 2.0, 5.0]
    yield 900 * rng.normal(size=(3, 4)), [3, 1, 2], rng.uniform(1, 3, 4).round(1).tolist()


def _pieces(logits, labels, weights):
    """Return the pictures' weights, logarithms of shares, shares and targets."""
    z = logits - logits.max(1, keepdims=True)
    logs = z - np.log(np.exp(z).sum(1, keepdims=True))
    return np.array(weights, float)[labels], logs, np.exp(logs), one_hot(labels, logits.shape[1])


def _with_voices(logits, labels, weights, share):
    """Return loss and gradient if the pictures count by `share(their weights)`."""
    own, logs, shares, targets = _pieces(logits, labels, weights)
    c = share(own)[:, None]
    return -(c * targets * logs).sum(), c * (shares - targets)


@voices.mistake
def divided_by_the_pictures(logits, labels, weights):
    """The sum is divided by the number of pictures; divide by the sum of the weights that were used."""
    return _with_voices(logits, labels, weights, lambda own: own / len(own))


@voices.mistake
def divided_by_all_weights(logits, labels, weights):
    """The sum is divided by the weights of all classes; divide by those of the pictures in the batch, one for each picture."""
    return _with_voices(logits, labels, weights, lambda own: own / sum(weights))


@voices.mistake
def never_divided(logits, labels, weights):
    """The weighted losses are added up; divide by the sum of the weights that were used."""
    return _with_voices(logits, labels, weights, lambda own: own)


@voices.mistake
def weights_ignored(logits, labels, weights):
    """All classes count the same here: the weights are not used."""
    return _with_voices(logits, labels, weights, lambda own: np.full(len(own), 1 / len(own)))


@voices.mistake
def gradient_not_weighted(logits, labels, weights):
    """The loss is right, but the gradient counts all pictures the same."""
    own, _, shares, targets = _pieces(logits, labels, weights)
    return weighted_cross_entropy(logits, labels, weights)[0], (shares - targets) / len(own)


@voices.mistake
def columns_weighted(logits, labels, weights):
    """The gradient is weighted column by column; the weight is that of the picture's *right* class, for its whole row."""
    own, _, shares, targets = _pieces(logits, labels, weights)
    gradient = np.array(weights, float) * (shares - targets) / own.sum()
    return weighted_cross_entropy(logits, labels, weights)[0], gradient


@voices.mistake
def one_hot_minus_shares(logits, labels, weights):
    """The gradient has the wrong sign: it is the share minus the target."""
    loss, dlogits = weighted_cross_entropy(logits, labels, weights)
    return loss, -dlogits


@voices.mistake
def overflows(logits, labels, weights):
    """It works for small logits only: exp(1000) is infinite. Take the largest logit of each row away first."""
    own, targets = np.array(weights, float)[labels][:, None], one_hot(labels, logits.shape[1])
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    c = own / own.sum()
    return -(c * np.log(shares) * targets).sum(), c * (shares - targets)


@voices.mistake
def logarithm_of_zero(logits, labels, weights):
    """A share can be so small that it is rounded to 0, whose logarithm is minus infinity: take the logarithm before the exponential is lost, as logit − log of the sum."""
    own, _, shares, targets = _pieces(logits, labels, weights)
    c = own / own.sum()
    right = shares[np.arange(len(labels)), labels]
    return -(c * np.log(right)).sum(), c[:, None] * (shares - targets)


@voices.mistake
def zero_times_infinity(logits, labels, weights):
    """A share can be so small that it is rounded to 0, and 0 times its logarithm, minus infinity, is NaN: take the logarithm before the exponential is lost, as logit − log of the sum."""
    own, _, shares, targets = _pieces(logits, labels, weights)
    c = own[:, None] / own.sum()
    with np.errstate(all="ignore"):
        return -(c * targets * np.log(shares)).sum(), c * (shares - targets)


@voices.mistake
def softmax_over_the_pictures(logits, labels, weights):
    """The softmax runs down the columns; the shares of *one picture*, a row, add up to 1."""
    z = logits - logits.max(0)
    logs, targets = z - np.log(np.exp(z).sum(0)), one_hot(labels, logits.shape[1])
    own = np.array(weights, float)[labels]
    c = own[:, None] / own.sum()
    return -(c * targets * logs).sum(), c * (np.exp(logs) - targets)


window = FunctionExercise(
    "training/cutmix",
    title="A window into another picture",
    level="challenge",
    minutes=20,
    statement="""
        Write `cutmix(images, targets, generator)` for `fit(…, mix=cutmix)` ([Yun et al., 2019](https://doi.org/10.48550/arXiv.1905.04899)).
        `images` is a tensor of floats (N, C, H, W), `targets` one of rows of shares (N, K), and `generator` a `torch.Generator`.
        Draw from it, in this order: an order of the batch with `torch.randperm`, then with `torch.randint` and the size `(1,)` the top row, then likewise the left column of *one* window for the whole batch.
        The window has H // 2 rows and W // 2 columns, and may lie anywhere in the picture: its top row is drawn from 0 to H − H // 2, its left column from 0 to W − W // 2, all places being equally likely.
        Into each picture paste what its partner in that order shows *in the same window*.
        Mix the targets in proportion to the pixels: if the window covers a quarter of the picture, they are 3/4 of its own and 1/4 of its partner's.
        Return the new images and the new targets; the given tensors stay as they are.
    """,
    hints=[
        "`torch.randperm(N, generator=generator)` draws the order; the partners are `images[order]`.",
        "A window of h rows fits at the rows 0 to H − h, so the top row is `torch.randint(H - h + 1, (1,), generator=generator).item()`.",
        "`clone` the images first, then assign to `mixed[..., top : top + h, left : left + w]`.",
        "The partner's share is h · w / (H · W), computed from the window that you have, for H or W may be odd.",
    ],
)


@window.solution
def cutmix(images, targets, generator):
    """Return images with a window from another one, and mixed targets."""
    N, _, H, W = images.shape
    h, w = H // 2, W // 2
    order = torch.randperm(N, generator=generator)
    top = torch.randint(H - h + 1, (1,), generator=generator).item()
    left = torch.randint(W - w + 1, (1,), generator=generator).item()
    mixed = images.clone()
    there = np.s_[..., top : top + h, left : left + w]
    mixed[there] = images[order][there]
    share = h * w / (H * W)
    return mixed, (1 - share) * targets + share * targets[order]


@window.also
def cutmix_by_mask(images, targets, generator):
    """A mask chooses pixel by pixel; its mean is the partner's share."""
    H, W = images.shape[2:]
    order = torch.randperm(len(images), generator=generator)
    top, left = (torch.randint(size - size // 2 + 1, (1,), generator=generator) for size in (H, W))
    rows, columns = torch.arange(H), torch.arange(W)
    rows = (rows >= top) & (rows < top + H // 2)
    columns = (columns >= left) & (columns < left + W // 2)
    mask = rows[:, None] & columns
    share = mask.double().mean().item()
    return torch.where(mask, images[order], images), targets.lerp(targets[order], share)


@window.also
def cutmix_by_loops(images, targets, generator):
    """Picture by picture, row by row."""
    N, _, H, W = images.shape
    order = torch.randperm(N, generator=generator).tolist()
    top = int(torch.randint(0, H - H // 2 + 1, (1,), generator=generator))
    left = int(torch.randint(0, W - W // 2 + 1, (1,), generator=generator))
    mixed, shares = images.clone(), []
    pixels = (H // 2) * (W // 2)
    for n, other in enumerate(order):
        for i in range(top, top + H // 2):
            mixed[n, :, i, left : left + W // 2] = images[other, :, i, left : left + W // 2]
        shares.append(((H * W - pixels) * targets[n] + pixels * targets[other]) / (H * W))
    return mixed, torch.stack(shares)


def _seeded(seed):
    """Return a generator of random numbers."""
    return torch.Generator().manual_seed(seed)


def _numbered(N, C, H, W):
    """Return images in which every pixel says whose it is, and where."""
    numbers = torch.arange(N * C * H * W, dtype=torch.float64)
    return numbers.reshape(N, C, H, W)


@window.cases
def window_cases(rng):
    """Numbered pixels by hand, even and odd sides; then random ones."""
    for shape, seed in [((2, 1, 4, 4), 1), ((3, 1, 4, 6), 2), ((3, 2, 5, 3), 4), ((4, 1, 2, 7), 3)]:
        yield _numbered(*shape), torch.eye(shape[0], dtype=torch.float64), Built(_seeded, seed)
    for N, C, H, W, K in [(4, 3, 6, 8, 5), (5, 1, 7, 4, 3), (1, 2, 3, 5, 2), (6, 1, 9, 9, 4)]:
        targets = rng.dirichlet(np.ones(K), N)
        images = torch.tensor(rng.random((N, C, H, W)))
        yield images, torch.tensor(targets), Built(_seeded, int(rng.integers(10_000)))
    images = torch.tensor(_eighths(rng, 4, 6, 5, 2)).permute(0, 3, 1, 2)
    yield images, torch.eye(4), Built(_seeded, int(rng.integers(10_000)))


def _drawn_window(images, generator, margin=1):
    """Return order, top, left, rows and columns; a margin of 0 never reaches the end."""
    N, _, H, W = images.shape
    order = torch.randperm(N, generator=generator)
    h, w = H // 2, W // 2
    top, left = (
        torch.randint(size, (1,), generator=generator).item()
        for size in (H - h + margin, W - w + margin)
    )
    return order, top, left, h, w


def _pasted(images, others, top, left, h, w):
    """Return images with a window of others."""
    mixed = images.clone()
    there = np.s_[..., top : top + h, left : left + w]
    mixed[there] = others[there]
    return mixed


def _mixed_targets(targets, order, share):
    """Return a share of the partner's targets, and the rest of one's own."""
    return (1 - share) * targets + share * targets[order]


def _share_of(images, h, w):
    """Return the share of the pixels that a window has."""
    return h * w / (images.shape[2] * images.shape[3])


@window.mistake
def rows_and_columns_swapped(images, targets, generator):
    """The window has W // 2 rows and H // 2 columns; rows belong to H and columns to W, which shows if the picture is no square."""
    mixed, shares = cutmix(images.transpose(2, 3), targets, generator)
    return mixed.transpose(2, 3), shares


@window.mistake
def window_from_the_corner(images, targets, generator):
    """What is pasted comes from the partner's upper left corner; take it from the same window."""
    order, top, left, h, w = _drawn_window(images, generator)
    others = torch.roll(images[order], (top, left), dims=(2, 3))
    shares = _mixed_targets(targets, order, _share_of(images, h, w))
    return _pasted(images, others, top, left, h, w), shares


@window.mistake
def never_at_the_edge(images, targets, generator):
    """The window never reaches the last row and column: `torch.randint(n, …)` draws 0 to n − 1, and a window of h rows fits at H − h + 1 places."""
    order, *place, h, w = _drawn_window(images, generator, margin=0)
    shares = _mixed_targets(targets, order, _share_of(images, h, w))
    return _pasted(images, images[order], *place, h, w), shares


@window.mistake
def a_half_instead_of_a_quarter(images, targets, generator):
    """Half of the side is a quarter of the pixels; mix the targets in proportion to the *pixels*."""
    order, *place, h, w = _drawn_window(images, generator)
    shares = _mixed_targets(targets, order, h / images.shape[2])
    return _pasted(images, images[order], *place, h, w), shares


@window.mistake
def always_a_quarter(images, targets, generator):
    """It works for even sides only: with an odd one H // 2 is less than half of H, and the window less than a quarter. Compute the share from the window."""
    order, *place, h, w = _drawn_window(images, generator)
    return _pasted(images, images[order], *place, h, w), _mixed_targets(targets, order, 1 / 4)


@window.mistake
def shares_the_wrong_way_round(images, targets, generator):
    """The targets are mixed the wrong way round: the window is the *partner's* share, and the larger part is one's own."""
    order, *place, h, w = _drawn_window(images, generator)
    shares = _mixed_targets(targets, order, 1 - _share_of(images, h, w))
    return _pasted(images, images[order], *place, h, w), shares


@window.mistake
def targets_not_mixed(images, targets, generator):
    """The pictures are mixed, and the targets are not: a part of each picture now belongs to another class."""
    return cutmix(images, targets, generator)[0], targets.clone()


@window.mistake
def two_orders(images, targets, generator):
    """The targets are mixed with another order than the pictures: draw the order once, and use it for both."""
    order, *place, h, w = _drawn_window(images, generator)
    again = torch.randperm(len(images), generator=generator)
    shares = _mixed_targets(targets, again, _share_of(images, h, w))
    return _pasted(images, images[order], *place, h, w), shares


@window.mistake
def blended_all_over(images, targets, generator):
    """The whole pictures are blended, as mixup does; paste a window, and leave the rest alone."""
    order, _, _, h, w = _drawn_window(images, generator)
    share = _share_of(images, h, w)
    blended = (1 - share) * images + share * images[order]
    return blended, _mixed_targets(targets, order, share)


@window.mistake
def window_kept_the_rest_pasted(images, targets, generator):
    """The window is what stays, and all around it is pasted; it has to be the other way round."""
    order, *place, h, w = _drawn_window(images, generator)
    shares = _mixed_targets(targets, order, _share_of(images, h, w))
    return _pasted(images[order], images, *place, h, w), shares


@window.mistake
def pasted_into_the_batch(images, targets, generator):
    """It pastes into the batch that it was given: `clone` the images first."""
    mixed, shares = cutmix(images, targets, generator)
    images.copy_(mixed)
    return images, shares


ProjectExercise(
    "training/a-recipe",
    title="Project: a recipe that you can defend",
    minutes=90,
    statement="""
        Find a recipe for 500 pictures of Fashion-MNIST, and show whether it is better than the one that you began with.
        Begin with `compact_net()`, five epochs and a learning rate of your own guess, and put 500 *other* pictures aside for validation.
        Climb the ladder first: first loss, 32 pictures by heart, new pictures; assert the first two.
        Then run a range test, and compare at least three learning rates and at least two remedies against over-fitting, each with three seeds.
        Choose by the validation set, and only then ask the test set, once, for the first recipe and for the chosen one.
        Draw the confusion matrix of the chosen one, and say which pair it confuses most.
        Write down in six sentences or fewer what helped, what did not, and which of the differences are no larger than those between seeds.
    """,
    rubric=[
        Criterion("The first loss and the loss on 32 pictures are asserted in a cell", 1),
        Criterion("The range test is drawn, and the rates that are tried follow from it", 2),
        Criterion(
            "Three rates and two remedies, each with three seeds: a table or figure with mean and spread",
            2,
        ),
        Criterion("The choice is made on the validation set, and the test set is used once", 2),
        Criterion(
            "A confusion matrix of the chosen network, and one sentence on its worst pair", 1
        ),
        Criterion("The text calls nothing better that is within the spread of the seeds", 2),
    ],
    hints=[
        "Five epochs of 500 pictures take a few seconds at most; write a function of the recipe and the seed, and loop over both.",
        "One change at a time: keep everything else as it was in the recipe before.",
    ],
)
