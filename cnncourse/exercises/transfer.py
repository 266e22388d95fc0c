"""Exercises of chapter 8: transfer learning."""

import copy
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from cnncourse.exercises.kinds import (
    ChoiceExercise,
    Criterion,
    FunctionExercise,
    NumberExercise,
    Option,
    ProjectExercise,
)
from cnncourse.exercises.running import Built
from cnncourse.transfer import Frozen, occlusion_map


def _network(seed, maps, learns=None):
    """Return a small network of convolutions, batch norms and ReLUs, in training mode.

    Each kernel reads three rows and one column, and each but the last is followed by a batch norm
    and a ReLU. `learns` says of each parameter whether it does; by default all do.
    """
    parts, real = [], {"dtype": torch.float64}
    for C, K in pairwise(maps):
        parts += [nn.Conv2d(C, K, (3, 1), padding=(1, 0), **real), nn.BatchNorm2d(K, **real)]
        parts.append(nn.ReLU())
    network = nn.Sequential(*parts[:-2])
    generator = torch.Generator().manual_seed(seed)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():  # all but the counts of batches; variances are positive
            tensor.uniform_(
                *((-0.5, 0.5) if tensor.ndim > 1 else (0.25, 1.25)), generator=generator
            )
    for parameter, does in zip(network.parameters(), learns or [], strict=bool(learns)):
        parameter.requires_grad_(does)
    return network


doubt = FunctionExercise(
    "transfer/doubt",
    title='A network that may say "I do not know"',
    level="warm-up",
    minutes=5,
    statement="""
        Write `name_or_doubt(best, least)`: a name, or an honest doubt.
        `best` is the list that `classify` returns for one picture: pairs (name, share), the largest share first; it has at least one pair.
        `least` is the smallest share that you believe, a number from 0 to 1.
        Return the first name if its share is `least` or more, and otherwise the text `"I do not know"`.
    """,
    hints=[
        "`best[0]` is a pair; `name, share = best[0]` takes it apart.",
        '`return name if share >= least else "I do not know"`',
    ],
)


@doubt.solution
def name_or_doubt(best, least):
    """Return the first name, or doubt."""
    name, share = best[0]
    return name if share >= least else "I do not know"


@doubt.also
def doubt_by_loop(best, least):
    """The first pair decides, whatever comes behind it."""
    for name, share in best:
        if share < least:
            return "I do not know"
        return name


@doubt.also
def doubt_by_dict(best, least):
    """The largest share decides, wherever it stands."""
    shares = dict(best)
    name = max(shares, key=shares.get)
    return {True: name, False: "I do not know"}[bool(shares[name] >= least)]


@doubt.cases
def doubt_cases(rng):
    """Belief, doubt and the border by hand, then others."""
    yield [("bowl", 0.6), ("cup", 0.3)], 0.5
    yield [("cup", 0.4), ("bowl", 0.3)], 0.5
    yield [("bowl", 0.5), ("vase", 0.25)], 0.5
    yield [("cup", 0.55), ("bowl", 0.4)], 0.3
    yield [("lynx", 0.2), ("tabby", 0.1), ("Persian cat", 0.1)], 0.3
    yield [("lynx", 0.2), ("tabby", 0.1)], 0.5
    for add in (-0.05, -0.01, 0.01, 0.05):
        names = rng.permutation(["tabby", "bubble", "tripod", "palace", "lynx"])[:3].tolist()
        shares = np.sort(rng.dirichlet(np.ones(4)))[:0:-1].round(3).tolist()
        yield [*zip(names, shares, strict=True)], round(shares[0] + add, 3)


@doubt.mistake
def border_is_doubt(best, least):
    """A share that is exactly `least` is enough: compare with `>=`."""
    return best[0][0] if best[0][1] > least else "I do not know"


@doubt.mistake
def doubt_where_it_is_sure(best, least):
    """It is the other way round: a *large* share is believed."""
    return "I do not know" if best[0][1] >= least else best[0][0]


@doubt.mistake
def never_doubts(best, least):
    """It always returns the first name; compare its share with `least`."""
    return best[0][0]


@doubt.mistake
def share_returned_too(best, least):
    """It returns the pair of name and share; return the name alone."""
    return best[0] if best[0][1] >= least else "I do not know"


@doubt.mistake
def all_shares_together(best, least):
    """The shares of all names are added up; only the first one's counts."""
    return best[0][0] if sum(share for _, share in best) >= least else "I do not know"


@doubt.mistake
def lead_for_share(best, least):
    """It compares the lead over the second name; only the first one's own share counts."""
    second = best[1][1] if len(best) > 1 else 0
    return best[0][0] if best[0][1] - second >= least else "I do not know"


@doubt.mistake
def last_name(best, least):
    """`best[-1]` is the last pair, with the smallest share; the first one is `best[0]`."""
    return best[-1][0] if best[-1][1] >= least else "I do not know"


@doubt.mistake
def last_in_the_alphabet(best, least):
    """`max` of pairs compares the names first, by the alphabet; the pairs are in order of their shares already."""
    name, share = max(best)
    return name if share >= least else "I do not know"


@doubt.mistake
def silent_doubt(best, least):
    """Where the share is too small, nothing comes back; return the text `"I do not know"`."""
    return best[0][0] if best[0][1] >= least else None


head = NumberExercise(
    "transfer/what-a-head-learns",
    title="What a head learns",
    level="warm-up",
    minutes=4,
    statement="""
        A frozen network ends with {maps} maps of {side}×{side} pixels.
        A new head takes the mean of each map; from these means one linear layer with biases makes the scores of {classes} classes.
        How many numbers does the head have to learn?
    """,
    hints=[
        "How many numbers go into the linear layer?",
        "Every class has a weight for each of them, and a bias.",
    ],
)


@head.cases
def head_cases(rng):
    """Draw maps and classes."""
    return {
        "maps": int(rng.integers(10, 200)) * 8,
        "side": int(rng.integers(2, 8)),
        "classes": int(rng.integers(3, 60)),
    }


@head.solution
def what_a_head_learns(maps, side, classes):
    """Return the weights of all classes and their biases."""
    return (maps + 1) * classes


@head.mistake
def biases_forgotten(maps, side, classes):
    """Every class has a bias, too."""
    return maps * classes


@head.mistake
def one_bias_for_all(maps, side, classes):
    """There is one bias for each class, not one for all of them."""
    return maps * classes + 1


@head.mistake
def a_bias_for_each_map(maps, side, classes):
    """The biases belong to the outputs, one for each class, not to the maps."""
    return maps * (classes + 1)


@head.mistake
def every_pixel_weighed(maps, side, classes):
    """The means come first: one number of each map goes into the layer, not all of its pixels."""
    return (maps * side * side + 1) * classes


@head.mistake
def one_class_only(maps, side, classes):
    """That is one class; each of them has weights of its own."""
    return maps + 1


@head.mistake
def means_learned(maps, side, classes):
    """Taking a mean has nothing to learn."""
    return (maps + 1) * classes + maps


bubble = ChoiceExercise(
    "transfer/sure-of-a-bubble",
    title="Sure of a bubble",
    level="warm-up",
    minutes=3,
    statement="""
        A network with the 1,000 names of ImageNet is shown a photograph of a clock, and gives "bubble" a share of 0.55.
        Its pixels were prepared as in training.
        What do you know now?
    """,
    options=[
        Option(
            "Of its 1,000 names this one got the largest score; it may be wrong all the same.",
            "The shares are the scores after a softmax: they say how the network divides 1 among its names, not how often it is right. Here it is rather sure, and wrong.",
            right=True,
        ),
        Option(
            "With a probability of 0.55 there is a bubble in the picture.",
            "Nothing makes a share the frequency of being right, least of all for pictures unlike those of the training. And the shares add up to 1 even if nothing fits.",
        ),
        Option(
            "There is no name for a clock among the 1,000, or it would have come first.",
            "There is one, and the chapter's network gives it the third place. A network can be wrong about what it has learned, too.",
        ),
        Option(
            "The preparation must have failed, for with the right numbers a network is not so sure of something wrong.",
            "It can be: the chapter's photograph was prepared rightly. Nor do wrong numbers make it unsure, so the share shows neither.",
        ),
        Option(
            "The network means that it does not know, for nearly half of its shares go elsewhere.",
            "Compare the grass: there no name got 7 %. If one of 1,000 names gets 0.55, all the others together have less.",
        ),
    ],
    hints=["What does a softmax do with scores, and can it say “none of these”?"],
)

back = FunctionExercise(
    "transfer/back",
    title="Back to a picture",
    level="core",
    minutes=8,
    atol=1e-6,
    statement="""
        Write `to_picture(x)`: undo what `prepare` has done to the numbers.
        `x` is a tensor of one photograph, (1, 3, H, W), as `prepare` returns it: each pixel $p$ from 0 to 1 has become $(p - 127/255) / (128/255)$.
        Return a NumPy array (H, W, 3) of floats that `show.images` can draw: the pixels again, and whatever lies below 0 or above 1 set to 0 or 1.
        `x` itself must stay as it is.
    """,
    hints=[
        "Solve for p: multiply first, then add.",
        "`x[0]` drops the axis of the batch, `permute(1, 2, 0)` puts the channels last, `numpy()` makes an array.",
        "`(x[0] * 128 + 127) / 255`, and `clamp(0, 1)`.",
    ],
)


@back.solution
def to_picture(x):
    """Return (H, W, 3) from 0 to 1."""
    picture = (x[0] * 128 + 127) / 255
    return picture.clamp(0, 1).permute(1, 2, 0).numpy()


@back.also
def picture_by_numpy(x):
    """All in NumPy."""
    picture = np.array(x[0]) * (128 / 255) + 127 / 255
    return np.clip(np.moveaxis(picture, 0, -1), 0, 1)


@back.also
def picture_by_loops(x):
    """Number by number."""
    _, _, H, W = x.shape
    picture = np.empty((H, W, 3))
    for i, j, c in np.ndindex(H, W, 3):
        p = 127 / 255 + 128 / 255 * x[0, c, i, j].item()
        picture[i, j, c] = min(1, max(0, p))
    return picture


@back.cases
def back_cases(rng):
    """Black, grey and white by hand, numbers beyond; then random pictures."""
    yield (torch.tensor([-1.0, 0.0, 1.0]).reshape(1, 3, 1, 1),)
    yield (torch.arange(-6.0, 6.0).reshape(1, 3, 1, 4) / 8,)
    yield (torch.arange(-9.0, 9.0).reshape(1, 3, 3, 2) / 4,)
    for H, W in [(2, 5), (4, 3), (3, 3), (1, 6)]:
        yield (torch.tensor(rng.integers(-150, 151, (1, 3, H, W)) / 128, dtype=torch.float32),)
    pixels = rng.uniform(-1.2, 1.2, (1, 4, 2, 3))
    yield (torch.tensor(pixels).permute(0, 3, 1, 2),)


def _pixels(x):
    """Return the pixels of the one picture, (3, H, W), not yet cut off."""
    return (x[0] * 128 + 127) / 255


@back.mistake
def channels_first(x):
    """The channels still come first; pictures to be drawn are (H, W, 3)."""
    return _pixels(x).clamp(0, 1).numpy()


@back.mistake
def rows_and_columns_swapped(x):
    """Rows and columns are swapped: `permute(2, 1, 0)` turns the whole order round, and it has to be (H, W, 3)."""
    return _pixels(x).clamp(0, 1).permute(2, 1, 0).numpy()


@back.mistake
def reshaped(x):
    """`reshape` leaves the numbers in their old order and only counts them off anew; `permute` moves the axes."""
    return _pixels(x).clamp(0, 1).reshape(*x.shape[2:], 3).numpy()


@back.mistake
def not_cut_off(x):
    """Some numbers lie below 0 or above 1; cut them off."""
    return _pixels(x).permute(1, 2, 0).numpy()


@back.mistake
def cut_off_too_early(x):
    """The numbers are cut off before they are pixels again, and all that is dark becomes the same grey; compute first."""
    return _pixels(x.clamp(0, 1)).permute(1, 2, 0).numpy()


@back.mistake
def halved_and_shifted(x):
    """`(x + 1) / 2` is nearly right, but up to one grey level off: the mean was 127/255, and the deviation 128/255."""
    return ((x[0] + 1) / 2).clamp(0, 1).permute(1, 2, 0).numpy()


@back.mistake
def prepared_again(x):
    """It takes the mean away and divides once more; to undo it, multiply by the deviation and add the mean."""
    return ((x[0] - 127 / 255) / (128 / 255)).clamp(0, 1).permute(1, 2, 0).numpy()


@back.mistake
def mean_added_first(x):
    """The order is wrong: the last step of `prepare` was the division, so multiply first and add afterwards."""
    return ((x[0] + 127 / 255) * (128 / 255)).clamp(0, 1).permute(1, 2, 0).numpy()


@back.mistake
def torchvisions_numbers(x):
    """Those are the mean and deviation of torchvision's networks; `prepare` used 127/255 and 128/255."""
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    return (x[0] * deviation + mean).clamp(0, 1).permute(1, 2, 0).numpy()


@back.mistake
def up_to_255(x):
    """The numbers run from 0 to 255; divide by 255."""
    return (x[0] * 128 + 127).clamp(0, 255).permute(1, 2, 0).numpy()


@back.mistake
def a_batch_of_one(x):
    """The axis of the batch is still there; one picture is (H, W, 3)."""
    return _pixels(x).clamp(0, 1).permute(1, 2, 0)[None].numpy()


@back.mistake
def tensor_returned(x):
    """It is still a tensor; `numpy()` makes an array."""
    return _pixels(x).clamp(0, 1).permute(1, 2, 0)


@back.mistake
def x_overwritten(x):
    """`mul_`, `add_` and `*=` change the caller's tensor; compute a new one."""
    x.mul_(128).add_(127).div_(255).clamp_(0, 1)
    return x[0].permute(1, 2, 0).numpy().copy()


learning = FunctionExercise(
    "transfer/trainable",
    title="What learns?",
    level="core",
    minutes=7,
    statement="""
        Write `trainable(network)`: which share of a network's numbers will learn?
        `network` is an `nn.Module` with at least one parameter.
        Count the numbers in all of its parameters, weights and biases alike, and among them those in parameters that require a gradient.
        Return the second count divided by the first, one number from 0 to 1.
        (Look at it before every training; a surprise is a mistake found.)
    """,
    hints=[
        "`network.parameters()` goes through all parameters; `p.numel()` says how many numbers one has, and `p.requires_grad` whether it learns.",
        "Two sums, and a division.",
    ],
)


@learning.solution
def trainable(network):
    """Return the share of parameters that will learn, from 0 to 1."""
    sizes = [(p.numel(), p.requires_grad) for p in network.parameters()]
    return sum(n for n, learns in sizes if learns) / sum(n for n, _ in sizes)


@learning.also
def trainable_by_loops(network):
    """Count both in one loop."""
    learns = everything = 0
    for _, parameter in network.named_parameters():
        numbers = int(np.prod(parameter.shape))
        everything += numbers
        learns += numbers * parameter.requires_grad
    return learns / everything


@learning.also
def trainable_by_one_long_row(network):
    """Lay a 1 for each number that learns and a 0 for each other in one row."""
    rows = [torch.full((p.numel(),), float(p.requires_grad)) for p in network.parameters()]
    return torch.cat(rows).double().mean().item()


def _frozen_below(seed, maps, cut, careful):
    """Return a network whose first parts are frozen, in a `Frozen` or by their gradients alone."""
    network = _network(seed, maps)
    if careful:
        return nn.Sequential(Frozen(network[:cut]), *network[cut:])
    network[:cut].requires_grad_(False)
    return network


def _linear(inputs, outputs):
    """Return one linear layer."""
    return nn.Linear(inputs, outputs)


@learning.cases
def learning_cases(rng):
    """One layer, two ways to freeze, single parameters that learn; then random networks."""
    yield (Built(_linear, 3, 2),)
    yield (Built(_frozen_below, 0, [1, 2, 3], 3, True),)
    yield (Built(_frozen_below, 0, [1, 2, 3], 3, False),)
    yield (Built(_network, 0, [1, 3, 2], [True, False, True, False, False, True]),)
    yield (Built(_network, 0, [2, 1], [False, False]),)
    for _ in range(3):
        maps = rng.integers(1, 7, 3).tolist()
        learns = [True, False, *(rng.random(4) < 0.5).tolist()]
        yield (Built(_network, 0, maps, learns),)


def _counted(network, counts=lambda p: p.requires_grad, size=lambda p: p.numel()):
    """Return the share of what counts."""
    sizes = [(size(p), counts(p)) for p in network.parameters()]
    return sum(n for n, does in sizes if does) / max(1, sum(n for n, _ in sizes))


@learning.mistake
def tensors_counted(network):
    """It counts parameters as tensors, a bias as much as a large kernel; count the numbers in them, `p.numel()`."""
    return _counted(network, size=lambda p: 1)


@learning.mistake
def the_frozen_share(network):
    """That is the share that does *not* learn."""
    return _counted(network, lambda p: not p.requires_grad)


@learning.mistake
def a_count_for_a_share(network):
    """That is how many numbers learn; divide by how many there are."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


@learning.mistake
def percent_for_a_share(network):
    """That is in percent; a share lies between 0 and 1."""
    return 100 * _counted(network)


@learning.mistake
def buffers_counted_too(network):
    """The running averages of batch norm are counted, too; they are no parameters, for no gradient ever changes them."""
    everything = sum(t.numel() for t in network.state_dict().values())
    return sum(p.numel() for p in network.parameters() if p.requires_grad) / everything


@learning.mistake
def biases_left_out(network):
    """Only tensors with several axes are counted; biases, γ and β are parameters, too."""
    return _counted(network, size=lambda p: p.numel() if p.ndim > 1 else 0)


@learning.mistake
def mode_for_gradient(network):
    """`training` is the mode of a layer; whether a parameter learns is its own `requires_grad`."""
    own = [(m.training, p.numel()) for m in network.modules() for p in m.parameters(recurse=False)]
    return sum(n for training, n in own if training) / sum(n for _, n in own)


@learning.mistake
def first_parameter_decides(network):
    """The first parameter decides for all; look at each of them."""
    return float(next(network.parameters()).requires_grad)


@learning.mistake
def first_axis_only(network):
    """`len` of a parameter is the length of its first axis; `numel()` counts all of its numbers."""
    return _counted(network, size=len)


moves = FunctionExercise(
    "transfer/what-moved",
    title="Did it stand still?",
    level="core",
    minutes=10,
    statement="""
        Write `what_moved(before, after)`: which entries of a network has a training changed?
        Both are dicts from names to tensors, such as a copy of `network.state_dict()` from before and one from after: weights and biases, but running averages, too.
        They have the same names, perhaps in another order, and for each name tensors of the same shape.
        An entry has moved if any number in it is not exactly what it was, however small the difference.
        Return the list of the names of those that have moved, in the order of `before`.
    """,
    hints=[
        "`before.items()` gives names and tensors in order.",
        "`torch.equal(a, b)` says whether two tensors have the same shape and exactly the same numbers.",
    ],
)


@moves.solution
def what_moved(before, after):
    """Return the names of all entries that are not what they were."""
    return [n for n in before if not torch.equal(before[n], after[n])]


@moves.also
def moved_by_loops(before, after):
    """Compare number by number."""
    moved = []
    for name in before:
        if (before[name] != after[name]).any():
            moved.append(name)
    return moved


@moves.also
def moved_by_numpy(before, after):
    """NumPy's comparison."""
    same = {n: np.array_equal(before[n].numpy(), after[n].numpy()) for n in before}
    return tuple(name for name in same if not same[name])


ENTRIES = (
    "0.weight",
    "0.bias",
    "1.weight",
    "1.bias",
    "1.running_mean",
    "1.running_var",
    "3.weight",
)
"""The names of a convolution, a batch norm, and a convolution without bias."""


def _tensors(names, numbers):
    """Return named tensors, all of the same numbers."""
    return {name: torch.tensor(numbers, dtype=torch.float64) for name in names}


@moves.cases
def moves_cases(rng):
    """By hand: all, a sum that stays, running averages only, one number, opposite ones; then random ones."""
    before = _tensors(("head.weight", "head.bias"), [1.0, 2.0])
    yield before, _tensors(before, [2.0, 3.0])
    yield before, before | {"head.bias": torch.tensor([2.0, 1.0]).double()}
    norm = _tensors(("weight", "bias", "running_mean", "running_var"), [[0.0], [4.0]])
    yield (
        norm,
        _tensors(["running_var", "running_mean"], [[0.5], [3.0]])
        | _tensors(["bias", "weight"], [[0.0], [4.0]]),
    )
    yield norm, norm | _tensors(["weight"], [[0.0], [4.0 + 1e-10]])
    yield norm, norm | _tensors(["bias"], [[-1.0], [4.0]])
    for share in (0.3, 0.6, 0.9):
        before = {n: torch.tensor(rng.normal(size=rng.integers(1, 4, 2))) for n in ENTRIES}
        after = {n: t.clone() for n, t in before.items()}
        for name in ENTRIES:
            if rng.random() < share or name == ENTRIES[-1]:
                place = tuple(int(rng.integers(size)) for size in after[name].shape)
                after[name][place] += rng.normal() * 10.0 ** -rng.integers(0, 9)
        yield before, dict(reversed(after.items()))


def _names_where(before, after, moved):
    """Return the names for which a comparison says that they moved."""
    return [name for name in before if bool(moved(before[name], after[name]))]


@moves.mistake
def what_stayed(before, after):
    """Those are the entries that stood still; return those that moved."""
    return _names_where(before, after, lambda a, b: (a == b).all())


@moves.mistake
def running_averages_forgotten(before, after):
    """Running averages are entries, too: they move without any gradient, which is what this function is for."""
    return [name for name in what_moved(before, after) if "running" not in name]


@moves.mistake
def small_moves_forgiven(before, after):
    """`allclose` forgives small differences; an entry that moved by a little has moved."""
    return _names_where(before, after, lambda a, b: not torch.allclose(a, b))


@moves.mistake
def all_numbers_must_move(before, after):
    """An entry has moved if *any* of its numbers has, not only if all of them have."""
    return _names_where(before, after, lambda a, b: (a != b).all())


@moves.mistake
def objects_compared(before, after):
    """`is not` asks whether they are two tensors, not whether their numbers differ."""
    return _names_where(before, after, lambda a, b: a is not b)


@moves.mistake
def sums_compared(before, after):
    """The sum can stay the same although the numbers have moved; compare number by number."""
    return _names_where(before, after, lambda a, b: a.sum() != b.sum())


@moves.mistake
def upwards_only(before, after):
    """It sees numbers that grew, and misses those that shrank."""
    return _names_where(before, after, lambda a, b: (b > a).any())


@moves.mistake
def paired_by_their_places(before, after):
    """The entries are paired by their places, and in `after` the order may be another; look them up by name, `after[name]`."""
    pairs = zip(before.items(), after.values(), strict=True)
    return [name for (name, a), b in pairs if not torch.equal(a, b)]


@moves.mistake
def how_many_moved(before, after):
    """That is how many entries moved; return the list of their names."""
    return len(what_moved(before, after))


@moves.mistake
def in_the_order_of_after(before, after):
    """The names come in the order of `after`; take that of `before`."""
    return _names_where(after, before, lambda a, b: (a != b).any())


activation = FunctionExercise(
    "transfer/activation-map",
    title="Where the score comes from",
    level="core",
    minutes=8,
    statement="""
        Write `activation_map(maps, weights, number)`: the class activation map of one class.
        `maps` is a tensor (F, H′, W′), what the network makes of one picture just before the means are taken.
        `weights` is a tensor (K, F), those of the last linear layer, and `number` the class, from 0 to K − 1.
        At every place, weigh what the F maps have there with the F weights of the class, and add up.
        Return a tensor (H′, W′), without a bias.
        (Its mean plus the bias is the score of the class.)
    """,
    hints=[
        "`weights[number]` are the F weights of the class, one for each map.",
        "To stand beside (F, H′, W′) they need the shape (F, 1, 1): `weights[number][:, None, None]`.",
        "`torch.tensordot(a, b, dims=1)` adds up the products along the last axis of a and the first of b.",
    ],
)


@activation.solution
def activation_map(maps, weights, number):
    """Return the weighted sum of the maps, (H′, W′)."""
    return torch.tensordot(weights[number], maps, dims=1)


@activation.also
def activation_by_sum(maps, weights, number):
    """Multiply, then add up over the maps."""
    return (weights[number, :, None, None] * maps).sum(0)


@activation.also
def activation_by_convolution(maps, weights, number):
    """A linear layer at every place is a 1×1 convolution."""
    return nn.functional.conv2d(maps[None], weights[:, :, None, None])[0, number]


@activation.also
def activation_by_loops(maps, weights, number):
    """Map after map."""
    total = torch.zeros(maps.shape[1:], dtype=maps.dtype)
    for one, weight in zip(maps, weights[number], strict=True):
        total += weight * one
    return total


@activation.cases
def activation_cases(rng):
    """Two maps by hand, one class that a map speaks against; then random ones."""
    maps = torch.tensor([[[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]], [[0.0, 1.0, 0.0], [1.0, 0.0, 2.0]]])
    weights = torch.tensor([[1.0, 0.0], [2.0, -1.0], [0.5, 3.0]])
    yield maps.double(), weights.double(), 1
    yield maps.double(), weights[1:].double(), 0
    yield maps.double(), weights.double(), 2
    for K, F, H, W in [(4, 3, 2, 5), (3, 6, 4, 3), (2, 5, 1, 4), (5, 5, 3, 2)]:
        maps, weights = rng.normal(size=(F, H, W)), rng.normal(size=(K, F))
        yield torch.tensor(maps), torch.tensor(weights), int(rng.integers(K))
    maps = torch.tensor(rng.integers(0, 9, (4, 3, 6)) / 8, dtype=torch.float32)
    yield maps.transpose(1, 2), torch.tensor([[1.0, -2, 0.5, 4], [0, 1, 1, -1]]), 1


@activation.mistake
def means_taken_first(maps, weights, number):
    """That is the score, one number: the means come too early. Weigh the maps themselves, and every place keeps its own sum."""
    return weights[number] @ maps.mean((1, 2))


@activation.mistake
def column_for_row(maps, weights, number):
    """`weights[:, number]` is what one *map* means to all classes; the weights of one class are the row `weights[number]`."""
    return torch.tensordot(weights[:, number], maps, dims=1)


@activation.mistake
def averaged_over_the_maps(maps, weights, number):
    """The weighted maps are averaged; add them up, as the score does."""
    return (weights[number][:, None, None] * maps).mean(0)


@activation.mistake
def negative_places_cut_off(maps, weights, number):
    """What is negative speaks against the class; keep it, or the mean of the map is not the score."""
    return torch.tensordot(weights[number], maps, dims=1).clamp(min=0)


@activation.mistake
def signs_of_weights_dropped(maps, weights, number):
    """A negative weight means that the map speaks against the class; keep its sign."""
    return torch.tensordot(weights[number].abs(), maps, dims=1)


@activation.mistake
def weights_not_used(maps, weights, number):
    """The maps are added up as they are, so that all classes get the same; weigh them first."""
    return maps.sum(0)


@activation.mistake
def all_classes(maps, weights, number):
    """Those are the maps of all classes; return that of class `number`."""
    return torch.tensordot(weights, maps, dims=1)


@activation.mistake
def heaviest_map_only(maps, weights, number):
    """Only the map with the largest weight is used; the score is a sum over all of them."""
    best = weights[number].argmax()
    return weights[number, best] * maps[best]


@activation.mistake
def rows_and_columns_turned(maps, weights, number):
    """Rows and columns are swapped; the result is (H′, W′), as the maps are."""
    return torch.tensordot(weights[number], maps, dims=1).T


@activation.mistake
def maps_not_added_up(maps, weights, number):
    """Each map is weighed, but they are not added up yet."""
    return weights[number][:, None, None] * maps


means = FunctionExercise(
    "transfer/means",
    title="A classifier without training",
    level="core",
    minutes=12,
    statement="""
        Write `nearest_mean(features, labels, unknown)`: name pictures by the nearest average.
        `features` is a tensor (N, F), the features of N known pictures, and `labels` one of their N classes, whole numbers from 0 to K − 1; each class is there at least once, in any order.
        Average the features of each class.
        Each row of `unknown`, a tensor (M, F), gets the class whose average is nearest, by the Euclidean distance.
        Return a tensor of these M whole numbers.
    """,
    hints=[
        "`features[labels == k].mean(0)` is the average of class k.",
        "`torch.stack` makes a tensor (K, F) of the averages, with class k in row k.",
        "`torch.cdist(unknown, averages)` has all distances, (M, K).",
    ],
)


@means.solution
def nearest_mean(features, labels, unknown):
    """Return the class with the nearest mean, for each unknown row."""
    classes = range(int(labels.max()) + 1)
    averages = torch.stack([features[labels == k].mean(0) for k in classes])
    return torch.cdist(unknown, averages).argmin(1)


@means.also
def means_by_loops(features, labels, unknown):
    """One unknown picture after the other."""
    found = []
    for row in unknown:
        distances = {
            k: (features[labels == k].mean(0) - row).square().sum().item()
            for k in labels.unique().tolist()
        }
        found.append(min(distances, key=distances.get))
    return torch.tensor(found)


@means.also
def means_by_sklearn(features, labels, unknown):
    """The same in scikit-learn."""
    from sklearn.neighbors import NearestCentroid

    known = NearestCentroid().fit(features.numpy(), labels.numpy())
    return torch.from_numpy(known.predict(unknown.numpy()))


@means.cases
def means_cases(rng):
    """Points in a plane by hand, then random clouds."""
    points = torch.tensor([[0.0, 0.0], [0.0, 2.0], [9.0, 9.0]])
    yield points, torch.tensor([0, 0, 1]), points + 1
    points = torch.tensor([[1.0, 9.0], [8.0, 0.0], [9.0, 1.0], [10.0, 3.0], [2.0, 1.0]])
    unknown = torch.tensor([[1.0, 1.0], [4.0, 6.0], [20.0, 2.0], [1.0, 3.0], [3.0, 1.0]])
    yield points, torch.tensor([2, 1, 1, 1, 0]), unknown
    points = torch.tensor([[8.0, 2.0], [2.0, 2.0], [0.0, 3.0], [0.0, 5.0], [0.0, 4.0]])
    unknown = torch.tensor([[2.0, 2.0], [3.0, 0.5], [0.5, 1.9], [-1.5, 1.0], [2.5, 2.4], [3.9, 6]])
    yield points, torch.tensor([1, 1, 0, 0, 0]), unknown
    for K, N, F, M in [(2, 9, 3, 7), (4, 14, 2, 9), (3, 8, 6, 5), (5, 20, 4, 12)]:
        labels = rng.permutation(np.r_[:K, rng.integers(0, K, N - K)])
        features = rng.normal(size=(K, F))[labels] * 1.5 + rng.normal(size=(N, F))
        yield torch.tensor(features), torch.tensor(labels), torch.tensor(rng.normal(0, 2, (M, F)))
    features = torch.tensor(rng.normal(size=(3, 10))).T
    yield features, torch.tensor([1, 0] * 5), features[::2] * 0.5


def _averages(features, labels):
    """Return the average of each class, (K, F)."""
    return torch.stack([features[labels == k].mean(0) for k in range(int(labels.max()) + 1)])


def _directions(rows):
    """Return rows of length 1."""
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)


@means.mistake
def nearest_picture(features, labels, unknown):
    """It takes the class of the nearest *picture*; average the pictures of each class first."""
    return labels[torch.cdist(unknown, features).argmin(1)]


@means.mistake
def nearest_in_direction(features, labels, unknown):
    """It compares directions, as the chapter does with the textures; here the Euclidean distance counts."""
    return (_directions(unknown) @ _directions(_averages(features, labels)).T).argmax(1)


@means.mistake
def largest_product(features, labels, unknown):
    """A large product is no small distance: a long average wins too often."""
    return (unknown @ _averages(features, labels).T).argmax(1)


@means.mistake
def farthest_mean(features, labels, unknown):
    """It takes the *largest* distance; the nearest has the smallest one, `argmin`."""
    return torch.cdist(unknown, _averages(features, labels)).argmax(1)


@means.mistake
def added_up(features, labels, unknown):
    """The features of each class are added up; average them, or classes with many pictures lie far out."""
    classes = range(int(labels.max()) + 1)
    sums = torch.stack([features[labels == k].sum(0) for k in classes])
    return torch.cdist(unknown, sums).argmin(1)


@means.mistake
def an_unknown_one_for_each_class(features, labels, unknown):
    """It finds the nearest unknown picture for each class; find the nearest class for each unknown picture, along the other axis."""
    return torch.cdist(unknown, _averages(features, labels)).argmin(0)


@means.mistake
def classes_as_they_come(features, labels, unknown):
    """The averages stand in the order in which the classes appear; then row k is not class k."""
    order = list(dict.fromkeys(labels.tolist()))
    averages = torch.stack([features[labels == k].mean(0) for k in order])
    return torch.cdist(unknown, averages).argmin(1)


@means.mistake
def city_blocks(features, labels, unknown):
    """The differences are added up without their signs; the Euclidean distance squares them first."""
    return torch.cdist(unknown, _averages(features, labels), p=1).argmin(1)


@means.mistake
def distances_returned(features, labels, unknown):
    """Those are the smallest distances; return the classes they belong to."""
    return torch.cdist(unknown, _averages(features, labels)).min(1).values


@means.mistake
def last_class_forgotten(features, labels, unknown):
    """The last class is missing: `range(labels.max())` ends one before the largest label."""
    return torch.cdist(unknown, _averages(features, labels)[:-1]).argmin(1)


drift = NumberExercise(
    "transfer/running-mean",
    title="How far a running mean drifts",
    level="core",
    minutes=6,
    rtol=5e-4,
    statement="""
        A pre-trained batch norm has a running mean of {old} for one of its channels.
        Somebody freezes the network by `requires_grad_(False)` alone and trains a head, so that the batch norm stays in training mode.
        In every batch the channel's mean is {new}, and each batch replaces a share of {momentum} of the running mean by its own mean.
        What is the running mean after {steps} batches?
        Give four digits.
    """,
    hints=[
        "After one batch a share of 1 − momentum of the old mean is left. And after two?",
        "What is left of the old one after n batches is (1 − momentum)ⁿ; the rest is new.",
    ],
)


@drift.cases
def drift_cases(rng):
    """Draw two means, a momentum and some batches."""
    old, change = (float(n) / 4 for n in (rng.integers(1, 9), rng.integers(4, 25)))
    return {
        "old": old,
        "new": old + change,
        "momentum": float(rng.choice([0.01, 0.05, 0.1, 0.2])),
        "steps": int(rng.integers(3, 13)),
    }


@drift.solution
def running_mean(old, new, momentum, steps):
    """Return what is left of the old mean, and the rest of the new."""
    left = (1 - momentum) ** steps
    return left * old + (1 - left) * new


@drift.mistake
def momentum_the_other_way_round(old, new, momentum, steps):
    """Each batch replaces only that share; the rest of the running mean stays."""
    left = momentum**steps
    return left * old + (1 - left) * new


@drift.mistake
def frozen_after_all(old, new, momentum, steps):
    """It does move: running averages are no parameters, and need no gradient to change."""
    return old


@drift.mistake
def one_batch_only(old, new, momentum, steps):
    """That is the running mean after the first batch."""
    return (1 - momentum) * old + momentum * new


@drift.mistake
def straight_on(old, new, momentum, steps):
    """The steps get smaller: each batch replaces a share of what is there by then, not of the old mean."""
    return old + steps * momentum * (new - old)


@drift.mistake
def replaced_at_once(old, new, momentum, steps):
    """That is the batches' mean; the running mean only comes nearer to it with every batch."""
    return new


@drift.mistake
def share_of_the_old_one(old, new, momentum, steps):
    """That is which share of the old mean is left; the question is the running mean itself."""
    return (1 - momentum) ** steps


@drift.mistake
def new_one_forgotten(old, new, momentum, steps):
    """That is what is left of the old mean; the new one has its share, too."""
    return (1 - momentum) ** steps * old


@drift.mistake
def shares_exchanged(old, new, momentum, steps):
    """The shares are exchanged: what is left belongs to the old mean."""
    left = (1 - momentum) ** steps
    return left * new + (1 - left) * old


gradients = ChoiceExercise(
    "transfer/without-gradients",
    title="Frozen without gradients",
    level="core",
    minutes=4,
    statement="""
        You call `requires_grad_(False)` on a pre-trained network with batch norms, put a new head behind it, call `model.train()` on both together, and train for 100 steps.
        What is true of the pre-trained part?
    """,
    options=[
        Option(
            "Its weights are as before, but its running averages are not, and in training a picture's features depended on the rest of its batch.",
            "Gradients change parameters only. In training mode batch norm normalises with the mean and variance of each batch, and brings its running averages up to date without any gradient.",
            right=True,
        ),
        Option(
            "Nothing in it has changed, for without gradients nothing can.",
            "Running averages are not learned by gradients: in training mode every forward pass moves them.",
        ),
        Option(
            "Its weights have shrunk a little, by weight decay.",
            "The optimiser passes over parameters that have no gradient, and does not shrink them either.",
        ),
        Option(
            "Only the γ and β of its batch norms have changed, for they are not weights.",
            "γ and β are parameters as well, and `requires_grad_(False)` goes for all of them. What changes are the running averages, which are no parameters.",
        ),
        Option(
            "All is as before at the end, since calling `eval()` puts the running averages back.",
            "`eval()` makes batch norm *use* the running averages, as they are by then. It does not remember what they were.",
        ),
    ],
    hints=["Which numbers of a batch norm does a gradient change, and which ones does it not?"],
)

above = FunctionExercise(
    "transfer/cut",
    title="Frozen below, learning above",
    level="stretch",
    minutes=12,
    statement="""
        Write `learn_above(network, cut)`: prepare a network for fine-tuning.
        `network` is an `nn.Sequential`, and `cut` a whole number with 1 ≤ `cut` < `len(network)`.
        Return an `nn.Sequential` of exactly two parts: a `Frozen` (from `cnncourse.transfer`) with a copy of the first `cut` parts, and an `nn.Sequential` with a copy of all others, which go on learning.
        The network itself must stay as it is, and share no weights with what you return.
        All parameters of `network` require a gradient.
    """,
    hints=[
        "`network[:cut]` is an `nn.Sequential`, but it shares its parts with `network`: if you freeze it, you freeze them there, too.",
        "`copy.deepcopy(network)` copies all weights; take both parts from the copy.",
    ],
)


@above.solution
def learn_above(network, cut):
    """Return a copy whose first parts are frozen."""
    network = copy.deepcopy(network)
    return nn.Sequential(Frozen(network[:cut]), network[cut:])


@above.also
def above_by_two_copies(network, cut):
    """Copy each half by itself."""
    below, rest = copy.deepcopy(network[:cut]), copy.deepcopy(network[cut:])
    return nn.Sequential(Frozen(below), rest)


@above.also
def above_part_by_part(network, cut):
    """Copy one part after the other."""
    parts = [copy.deepcopy(part) for part in network]
    both = nn.Sequential()
    both.append(Frozen(nn.Sequential(*parts[:cut])))
    both.append(nn.Sequential(*parts[cut:]))
    return both


@above.observe
def _seen_above(result, network, cut):
    """Return what one can see of a network in two parts."""
    if not isinstance(result, nn.Module):
        raise TypeError(f"expected an nn.Sequential, got {type(result).__name__}")
    image = _picture(next(network.parameters()).shape[1])
    own = {p.data_ptr() for p in network.parameters()}
    with torch.no_grad():
        in_training = result.train()(image).numpy()
    return {
        "kinds of its parts": [type(part).__name__ for part in result.children()],
        "lengths of its parts": [len(list(_inside(part).children())) for part in result.children()],
        "does each parameter learn": [p.requires_grad for p in result.parameters()],
        "does each parameter of the network still learn": [
            p.requires_grad for p in network.parameters()
        ],
        "weights shared with the network": sum(p.data_ptr() in own for p in result.parameters()),
        "outputs in training mode": in_training,
    }


def _inside(part):
    """Return what a `Frozen` holds, and any other part as it is."""
    return part.module if isinstance(part, Frozen) else part


def _picture(channels):
    """Return two small pictures, always the same, whose numbers differ from place to place."""
    numbers = torch.arange(2 * channels * 5 * 3, dtype=torch.float64)
    return torch.sin(numbers).reshape(2, channels, 5, 3)


@above.cases
def above_cases(rng):
    """Small networks with a cut before, behind and after a batch norm; then random ones."""
    yield Built(_network, 0, [1, 2, 1]), 1
    yield Built(_network, 1, [1, 2, 1]), 2
    for cut in (1, 2, 3):
        maps = rng.integers(1, 5, 3).tolist()
        yield Built(_network, int(rng.integers(10_000)), maps), cut


@above.mistake
def network_itself_frozen(network, cut):
    """`network[:cut]` shares its parts with the network, which is now frozen, too: copy first."""
    return nn.Sequential(Frozen(network[:cut]), network[cut:])


@above.mistake
def upper_parts_shared(network, cut):
    """The frozen parts are copies, but the others are still those of the network, and training would change it: copy them, too."""
    return nn.Sequential(Frozen(copy.deepcopy(network[:cut])), network[cut:])


@above.mistake
def without_gradients_only(network, cut):
    """`requires_grad_(False)` is half of it: in training mode the batch norms still go on. Put the lower parts into a `Frozen`."""
    network = copy.deepcopy(network)
    return nn.Sequential(network[:cut].requires_grad_(False), network[cut:])


@above.mistake
def evaluation_mode_only(network, cut):
    """`eval()` does not last: `train()` on the whole undoes it, and the gradients are still there. Put the lower parts into a `Frozen`."""
    network = copy.deepcopy(network)
    return nn.Sequential(network[:cut].eval(), network[cut:])


@above.mistake
def one_part_too_many_frozen(network, cut):
    """One part too many is frozen: the first `cut` parts are `network[:cut]`."""
    network = copy.deepcopy(network)
    return nn.Sequential(Frozen(network[: cut + 1]), network[cut + 1 :])


@above.mistake
def frozen_above_the_cut(network, cut):
    """The upper parts are frozen; freeze the lower ones, which know what is general."""
    network = copy.deepcopy(network)
    return nn.Sequential(network[:cut], Frozen(network[cut:]))


@above.mistake
def all_of_it_frozen(network, cut):
    """Both parts are frozen, so nothing will learn; freeze the first one only."""
    network = copy.deepcopy(network)
    return nn.Sequential(Frozen(network[:cut]), Frozen(network[cut:]))


@above.mistake
def each_part_by_itself(network, cut):
    """The parts stand in one long row; there should be two, a `Frozen` and an `nn.Sequential`."""
    network = copy.deepcopy(network)
    return nn.Sequential(Frozen(network[:cut]), *network[cut:])


@above.mistake
def upper_parts_lost(network, cut):
    """Only the frozen part is returned; the others belong behind it."""
    return nn.Sequential(Frozen(copy.deepcopy(network)[:cut]))


rates = FunctionExercise(
    "transfer/groups",
    title="Slower further down",
    level="stretch",
    minutes=15,
    statement="""
        The lower a layer, the more general is what it knows, and the less it should change.
        Write `rate_groups(network, lr, factor)`: learning rates that fall towards the input.
        `network` is an `nn.Sequential`; `lr` and `factor` are numbers.
        Return a list with one dict `{"params": […], "lr": …}` for each part of the network that has parameters, in the order of the parts; parts without any, such as a ReLU, get none.
        Under `"params"` stand that part's parameters in their order, those of the network, not copies.
        The last of these parts learns with the rate `lr`, the one before with `factor * lr`, the one before that with `factor * factor * lr`, and so on.
        (An optimiser of PyTorch takes such a list.)
    """,
    hints=[
        "`for part in network` goes through the parts; `list(part.parameters())` is empty for some.",
        "Collect the parts that have parameters first; only then do you know how many there are.",
        "With n of them, number i from the start has the rate `lr * factor ** (n - 1 - i)`.",
    ],
)


@rates.solution
def rate_groups(network, lr, factor):
    """Return a group of parameters, with its learning rate, for each part."""
    lists = [list(part.parameters()) for part in network]
    lists = [parameters for parameters in lists if parameters]
    rates = [lr * factor**above for above in range(len(lists))][::-1]
    return [{"params": p, "lr": r} for p, r in zip(lists, rates, strict=True)]


@rates.also
def groups_from_the_end(network, lr, factor):
    """Go through the parts from the end, and lower the rate as you go."""
    groups = []
    for part in reversed(network):
        if any(True for _ in part.parameters()):
            groups.insert(0, {"params": tuple(part.parameters()), "lr": lr})
            lr = lr * factor
    return groups


@rates.also
def groups_by_numbers(network, lr, factor):
    """Number the parts that learn."""
    parts = [part for part in network if list(part.parameters())]
    n = len(parts)
    return [
        dict(lr=lr * factor ** (n - i), params=part.parameters())  # noqa: C408
        for i, part in enumerate(parts, start=1)
    ]


@rates.observe
def _seen_groups(result, network, lr, factor):
    """Return of each group its rate, and which of the network's parameters it has; −1 for others."""
    places = {id(p): place for place, p in enumerate(network.parameters())}
    groups = []
    for group in result:
        found = [places.get(id(p), -1) for p in group["params"]]
        groups.append({**group, "params": found})
    return {"groups": len(groups), "each of them": groups}


def _blocks(seed, maps):
    """Return a network in which some parts are blocks of several layers, and some have no parameters."""
    network = _network(seed, maps)
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    last = nn.Linear(maps[-1], 3).double()
    return nn.Sequential(network[:3], *network[3:], pooled, last)


@rates.cases
def rates_cases(rng):
    """A convolution, a batch norm, a ReLU and a convolution by hand; blocks; then random ones."""
    yield Built(_network, 0, [1, 2, 1]), 0.01, 0.5
    yield Built(_network, 0, [2, 1]), 0.1, 0.25
    yield Built(_blocks, 0, [1, 2, 3, 2]), 0.08, 0.5
    for make in (_network, _blocks):
        maps = rng.integers(1, 5, rng.integers(3, 5)).tolist()
        rate, factor = 10 ** rng.uniform(-4, -1), rng.uniform(0.3, 0.9)
        yield Built(make, int(rng.integers(10_000)), maps), float(rate), float(factor)


def _groups(network, rate):
    """Return the groups of all parts that have parameters; `rate(i, n)` is that of number i of n."""
    lists = [list(part.parameters()) for part in network if list(part.parameters())]
    return [{"params": p, "lr": rate(i, len(lists))} for i, p in enumerate(lists)]


@rates.mistake
def faster_further_down(network, lr, factor):
    """The rates run the wrong way: the *last* part has the full rate, and those below it less and less."""
    return _groups(network, lambda i, n: lr * factor**i)


@rates.mistake
def last_one_slowed_down(network, lr, factor):
    """The last part is slowed down, too; it learns with `lr` itself."""
    return _groups(network, lambda i, n: lr * factor ** (n - i))


@rates.mistake
def parts_without_parameters_counted(network, lr, factor):
    """Parts without parameters lower the rate as well; count only those that have some."""
    parts = len(network)
    return [
        {"params": list(part.parameters()), "lr": lr * factor ** (parts - 1 - i)}
        for i, part in enumerate(network)
        if list(part.parameters())
    ]


@rates.mistake
def empty_groups(network, lr, factor):
    """There are groups without any parameters; leave out the parts that have none."""
    n = len(network)
    return [
        {"params": list(part.parameters()), "lr": lr * factor ** (n - 1 - i)}
        for i, part in enumerate(network)
    ]


@rates.mistake
def one_rate_below(network, lr, factor):
    """All parts but the last have the same rate; it has to fall from part to part."""
    return _groups(network, lambda i, n: lr if i == n - 1 else lr * factor)


@rates.mistake
def factor_times_the_distance(network, lr, factor):
    """The factor is multiplied with the distance; each part has `factor` times the rate of the one above, which makes powers."""
    return _groups(network, lambda i, n: lr if i == n - 1 else lr * factor * (n - 1 - i))


@rates.mistake
def from_the_end(network, lr, factor):
    """The groups come from the last part to the first; keep the order of the network."""
    return rate_groups(network, lr, factor)[::-1]


@rates.mistake
def a_group_for_each_parameter(network, lr, factor):
    """Every parameter has a group of its own, and the rate falls between a weight and its bias; make one group for each part."""
    parameters = list(network.parameters())
    return [
        {"params": [p], "lr": lr * factor**above}
        for above, p in zip(range(len(parameters))[::-1], parameters, strict=True)
    ]


@rates.mistake
def copies_of_the_parameters(network, lr, factor):
    """Those are copies: the optimiser would train them, and the network would stay as it is."""
    return rate_groups(copy.deepcopy(network), lr, factor)


@rates.mistake
def divided_by_the_factor(network, lr, factor):
    """The rates grow towards the input: multiply by the factor, which makes them smaller."""
    return _groups(network, lambda i, n: lr / factor ** (n - 1 - i))


several = FunctionExercise(
    "transfer/several",
    title="All cats together",
    level="challenge",
    minutes=20,
    statement="""
        Write `occlusion_of_several(model, image, numbers, side, step)`: an occlusion map of several classes together.
        `model` makes scores (1, K) of `image`, a tensor (1, 3, H, W); it may be in training mode, but it has to be asked in evaluation mode.
        Cover the picture with a square of `side`×`side` zeros, whose upper left corner takes the rows 0, `step`, 2 · `step` … and the columns 0, `step`, 2 · `step` …, as long as all of it fits; `side` is at most H and W.
        At each place of the square, note what it costs: the *sum* of the shares (after softmax) of all classes in the list `numbers` without the square, minus the same with it.
        Return a NumPy array of floats: a row for each row of places, a column for each column.
        No class is in `numbers` twice, and the given image must stay as it is.
    """,
    hints=[
        "`occlusion_map` of the chapter does all of it for one class.",
        "What is the map of a sum of shares, if you have the map of each of them? Subtraction is linear.",
        "The map of the sum is the sum of the maps. That is one line, if you do not mind computing the outputs once for each class.",
    ],
)


@several.solution
def occlusion_of_several(model, image, numbers, side, step):
    """Return how much a grey square costs of several classes' shares."""
    return sum(occlusion_map(model, image, n, side, step) for n in numbers)


@several.also
def several_by_loops(model, image, numbers, side, step):
    """Ask the network once for each place."""
    model.eval()

    def together(picture):
        with torch.no_grad():
            return model(picture).softmax(1)[0, numbers].sum().item()

    H, W = image.shape[2:]
    lost = []
    for top in range(0, H - side + 1, step):
        lost.append([])
        for left in range(0, W - side + 1, step):
            covered = image.clone()
            covered[:, :, top : top + side, left : left + side] = 0
            lost[-1].append(together(image) - together(covered))
    return np.array(lost)


@several.also
def several_by_masks(model, image, numbers, side, step):
    """Lay all covered pictures side by side, and ask once."""
    H, W = image.shape[2:]
    masks = [
        [np.pad(np.zeros((side, side)), ((i, H - side - i), (j, W - side - j)), constant_values=1)
         for j in range(0, W - side + 1, step)]
        for i in range(0, H - side + 1, step)
    ]  # fmt: skip
    masks = torch.tensor(np.array(masks))
    pictures = torch.cat([image, image * masks.flatten(0, 1)[:, None]])
    shares = model.eval()(pictures).softmax(1)[:, numbers].sum(1).detach().numpy()
    return (shares[0] - shares[1:]).reshape(masks.shape[:2])


def _classifier(seed, classes):
    """Return a small network with a batch norm, from (N, 3, H, W) to (N, classes), in training mode."""
    generator = torch.Generator().manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(3, 4, (3, 2)), nn.BatchNorm2d(4), nn.Tanh(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Linear(16, classes),
    ).double()  # fmt: skip
    for parameter in network.parameters():
        numbers = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        parameter.data.copy_(1.5 * numbers)
    return network


@several.cases
def several_cases(rng):
    """Squares that fit and squares that do not reach the end, by hand; then random pictures."""
    numbers = torch.arange(3 * 5 * 4, dtype=torch.float64).reshape(1, 3, 5, 4)
    picture = torch.sin(numbers * numbers)
    yield Built(_classifier, 0, 3), picture, [0, 2], 2, 1
    yield Built(_classifier, 1, 4), picture, [3, 1], 3, 2
    for H, W, side, step in [(5, 7, 3, 2), (8, 4, 2, 3)]:
        image = torch.tensor(rng.normal(size=(1, 3, H, W)))
        chosen = rng.permutation(5)[: rng.integers(2, 4)].tolist()
        yield Built(_classifier, int(rng.integers(10_000)), 5), image, chosen, side, step
    image = torch.tensor(rng.normal(size=(1, 5, 6, 3))).permute(0, 3, 1, 2)
    yield Built(_classifier, int(rng.integers(10_000)), 6), image, [4, 0, 5], 2, 2


def _asked(model, image, side, step, grey=0.0):
    """Return the scores without the square, (K,), and with it at every place, (H′, W′, K)."""
    H, W = image.shape[2:]
    tops, lefts = range(0, H - side + 1, step), range(0, W - side + 1, step)
    pictures = image.repeat(1 + len(tops) * len(lefts), 1, 1, 1)
    places = [(top, left) for top in tops for left in lefts]
    for picture, (top, left) in zip(pictures[1:], places, strict=True):
        picture[:, top : top + side, left : left + side] = grey
    with torch.no_grad():
        scores = model.eval()(pictures)
    return scores[0], scores[1:].reshape(len(tops), len(lefts), -1)


def _lost(asked, numbers, share=lambda scores: scores.softmax(-1)):
    """Return what the square costs of the sum of shares."""
    without, covered = (share(scores)[..., numbers].sum(-1) for scores in asked)
    return (without - covered).numpy()


@several.mistake
def first_class_only(model, image, numbers, side, step):
    """That is the map of the first class alone; add up the shares of all of them."""
    return _lost(_asked(model, image, side, step), numbers[:1])


@several.mistake
def mean_of_the_classes(model, image, numbers, side, step):
    """The shares are averaged over the classes; add them up, as the shares of one large class."""
    return _lost(_asked(model, image, side, step), numbers) / len(numbers)


@several.mistake
def scores_for_shares(model, image, numbers, side, step):
    """Those are the scores; shares come from a softmax over all classes."""
    return _lost(_asked(model, image, side, step), numbers, lambda scores: scores)


@several.mistake
def shares_among_themselves(model, image, numbers, side, step):
    """The softmax runs over the chosen classes only, whose shares then always add up to 1; take it over all classes, and choose afterwards."""
    asked = [scores[..., numbers] for scores in _asked(model, image, side, step)]
    return _lost(asked, list(range(len(numbers))))


@several.mistake
def with_minus_without(model, image, numbers, side, step):
    """The sign is the wrong way round: without the square minus with it, so that a loss is positive."""
    return -_lost(_asked(model, image, side, step), numbers)


@several.mistake
def shares_under_the_square(model, image, numbers, side, step):
    """Those are the shares with the square; note what it *costs*, the share without it minus that."""
    covered = _asked(model, image, side, step)[1]
    return covered.softmax(-1)[..., numbers].sum(-1).numpy()


@several.mistake
def training_mode(model, image, numbers, side, step):
    """The network is asked in training mode, in which batch norm takes the mean of whatever is in the batch; call `model.eval()` first."""
    H, W = image.shape[2:]
    model.train()

    def together(picture):
        with torch.no_grad():
            return model(picture).softmax(1)[0, numbers].sum().item()

    lost = []
    for top in range(0, H - side + 1, step):
        lost.append([])
        for left in range(0, W - side + 1, step):
            covered = image.clone()
            covered[:, :, top : top + side, left : left + side] = 0
            lost[-1].append(together(image) - together(covered))
    return np.array(lost)


@several.mistake
def black_for_grey(model, image, numbers, side, step):
    """The square is black, −1; it has to be 0, the grey in the middle of the range."""
    return _lost(_asked(model, image, side, step, grey=-1.0), numbers)


@several.mistake
def last_places_missing(model, image, numbers, side, step):
    """The last row and column of places are missing: a square of `side` rows fits at the rows 0 to H − side, that one included."""
    rows, columns = (len(range(0, size - side, step)) for size in image.shape[2:])
    return _lost(_asked(model, image, side, step), numbers)[:rows, :columns]


@several.mistake
def picture_left_covered(model, image, numbers, side, step):
    """The squares of earlier places are still there: cover a fresh copy of the image at every place."""
    H, W = image.shape[2:]
    covered = image.clone()
    tops, lefts = range(0, H - side + 1, step), range(0, W - side + 1, step)
    scores = []
    with torch.no_grad():
        before = model.eval()(image)[0]
        for top, left in [(top, left) for top in tops for left in lefts]:
            covered[..., top : top + side, left : left + side] = 0
            scores.append(model(covered)[0])
    asked = before, torch.stack(scores).reshape(len(tops), len(lefts), -1)
    return _lost(asked, numbers)


@several.mistake
def places_turned(model, image, numbers, side, step):
    """Rows and columns of places are swapped; rows come first, as in the picture."""
    return _lost(_asked(model, image, side, step), numbers).T


@several.mistake
def step_of_one(model, image, numbers, side, step):
    """The square moves by one pixel, whatever `step` says."""
    return _lost(_asked(model, image, side, 1), numbers)


ProjectExercise(
    "transfer/a-task-of-your-own",
    title="Project: a task of your own",
    minutes=90,
    statement="""
        Choose a task that this chapter has not used, with at least four classes: pictures of your own, or patches of the course's photographs, sorted into groups of your own (plants, metal, stone, skin …).
        Training, validation and test pictures must share no pixel; assert it.
        Before you train anything, write down how near the task is to ImageNet, which of the three ways you expect to win, and why.
        Compare a head on frozen features from at least two depths, a network from scratch, and fine-tuning of the parts above a cut, with 5 and with 20 labels of each class, three times each.
        Assert that what is frozen stands still, its running averages included.
        Choose steps, rates and the depth by the validation set, and ask the test set once.
        Then look at one picture that the best network gets wrong: draw its occlusion map, and say what it shows and what not.
        Close with five sentences or fewer: what won and by how much, compared with the spread of the three runs, and whether you had expected it.
    """,
    rubric=[
        Criterion("The expectation is written down before the results, with a reason", 1),
        Criterion(
            "Training, validation and test pictures share no pixel, and a cell asserts it",
            2,
        ),
        Criterion(
            "All three ways, two depths and two sizes, three runs each: a figure with mean and spread",
            2,
        ),
        Criterion(
            "The frozen part stands still: a cell asserts that neither its weights nor its running averages have moved",
            1,
        ),
        Criterion("The occlusion map of a mistake, and what it does and does not show", 2),
        Criterion("The text calls nothing better that is within the spread of the runs", 1),
    ],
    hints=[
        "`data.patches_of` knows the halves for training and for tests only, and its patches of one half may overlap. For validation cut each photograph, `data.photo`, into three strips, and patches from one strip for each purpose.",
        "Compute what the frozen parts make of your pictures once, with `extract`, and train the heads on that.",
        "`what_moved` from these exercises is the assert for the frozen part.",
    ],
)
