"""Chapter 6, architecture: what a network costs, layer by layer, beside what was published.

Hooks on torch's modules note every result's shape while one image of zeros runs through. On the
"meta" device, where tensors have shapes but no numbers, that needs neither memory nor arithmetic.
"""

from contextlib import contextmanager
from math import prod

import torch
from torch import nn

from cnncourse.convolution import _pair, _whole

PUBLISHED = {  # parameters; multiply-adds of an image, rounded as in the source; source
    "lenet5": (60_000, 340_908, "LeCun et al. 1998, II.B: sparser than ours, connections"),
    "alexnet": (61_100_840, 714_000_000, "torchvision, AlexNet_Weights; Krizhevsky 2014"),
    "vgg16": (138_357_544, 15_470_000_000, "torchvision, VGG16_Weights; configuration D"),
    "googlenet": (6_624_904, 1_498_000_000, "torchvision, GoogLeNet_Weights; 3×3 for 5×5"),
    "resnet18": (11_689_512, 1_814_000_000, "torchvision, ResNet18_Weights"),
    "resnet50": (25_557_032, 4_089_000_000, "torchvision, ResNet50_Weights; stride in the 3×3"),
    "resnext50_32x4d": (25_028_904, 4_230_000_000, "torchvision, ResNeXt50_32X4D_Weights"),
    "densenet121": (7_978_856, 2_834_000_000, "torchvision, DenseNet121_Weights"),
    "xception": (22_855_952, 8_400_000_000, "Chollet 2017, Table 3; Tan and Le 2019, Table 2"),
    "inception_resnet_v2": (
        55_843_464,
        13_000_000_000,
        "pretrained-models.pytorch, with scales that Keras omits; Tan and Le 2019, Table 2",
    ),
    "efficientnet_b0": (5_288_548, 386_000_000, "torchvision, EfficientNet_B0_Weights"),
}


def count(model, input_shape):
    """List the layers in the order in which an image meets them, with what each costs.

    Parameters
    ----------
    model : torch.nn.Module
        Any, on any device; it is run in evaluation mode, without gradients, and left as it was.
    input_shape : tuple of int
        Of one image, (C, H, W), or whatever follows N.

    Returns
    -------
    list of dict
        For each layer that holds no others or parameters of its own: ``name``, ``kind`` (its
        class), ``output_shape`` without N, ``parameters``, 0 where they have been counted in a row
        above, and ``multiply_adds``: of convolutions, transposed ones and linear layers, 0 of
        others and without biases. Layers that were not called come last, with an empty shape. What
        a forward function does outside of layers is not seen.

    Raises
    ------
    ValueError
        If model is no torch.nn.Module, or a length of the shape no whole number above 0.

    See Also
    --------
    torch.utils.flop_counter.FlopCounterMode : counts two for a multiply-add
    cnncourse.convolution.layer_cost : the same from the layers' words

    Examples
    --------
    1·4·9 + 4 parameters, and 36 products for each of 6·5 pixels:

    >>> for row in count(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), (1, 8, 7)):
    ...     print(*row.values())
    0 Conv2d (4, 6, 5) 40 1080
    1 ReLU (4, 6, 5) 0 0
    """
    layers = {
        name: module
        for name, module in _as_module(model).named_modules()
        if not any(module.children()) or any(True for _ in module.parameters(recurse=False))
    }
    rows, seen = [], set()

    def note(name, module, x, y):
        new = set(module.parameters(recurse=False)) - seen
        seen.update(new)
        row = {"name": name, "kind": type(module).__name__}
        row |= {"output_shape": () if y is None else _shape_of(y)}
        row |= {"parameters": sum(p.numel() for p in new)}
        rows.append(row | {"multiply_adds": 0 if y is None else _multiply_adds(module, x, y)})

    _run(model, layers, input_shape, note)
    for name in [name for name in layers if name not in {row["name"] for row in rows}]:
        note(name, layers[name], None, None)
    return rows


def totals(rows):
    """Add up what `count` found.

    Parameters
    ----------
    rows : list of dict
        From `count`.

    Returns
    -------
    dict
        ``parameters`` and ``multiply_adds`` of all rows.

    Examples
    --------
    >>> totals(count(nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 2)), (5,)))
    {'parameters': 26, 'multiply_adds': 21}
    """
    return {what: sum(row[what] for row in rows) for what in ("parameters", "multiply_adds")}


def walk_through(model, input_shape):
    """List the shapes between a network's parts, for a drawing.

    Parameters
    ----------
    model : torch.nn.Module
        Its children are the parts; what they are made of is not shown.
    input_shape : tuple of int
        As for `count`.

    Returns
    -------
    list of (str, tuple of int)
        Title and shape without N: first ("input", input_shape), then every part's result. The title
        is the part's name where it has one, else what it is.

    Raises
    ------
    ValueError
        As `count` does.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5))
    >>> for title, shape in walk_through(model, (1, 8, 8)):
    ...     print(title, shape)
    input (1, 8, 8)
    convolution 3×3 (4, 6, 6)
    max pooling 2×2 (4, 3, 3)
    flatten (36,)
    dense (5,)
    """
    parts = dict(_as_module(model).named_children()) or {"0": model}
    steps = [("input", tuple(input_shape))]

    def note(name, module, x, y):
        title = _title(module) if name.isdigit() else name.replace("_", " ")
        steps.append((title, _shape_of(y)))

    _run(model, parts, input_shape, note)
    return steps


_WORDS = {
    nn.Conv2d: "convolution",
    nn.MaxPool2d: "max pooling",
    nn.AvgPool2d: "mean pooling",
    nn.AdaptiveAvgPool2d: "global mean",
    nn.BatchNorm2d: "batch norm",
    nn.Flatten: "flatten",
    nn.Linear: "dense",
    nn.Dropout: "dropout",
    nn.Tanh: "tanh",
}


def _run(model, modules, input_shape, note):
    """Send one image of zeros through, and call ``note(name, module, x, y)`` at every module."""
    if not isinstance(input_shape, (tuple, list)):
        raise ValueError(f"input_shape: expected (C, H, W), got {input_shape!r}")
    shape = [_whole(length, "input_shape") for length in input_shape]
    like = next(model.parameters(), torch.zeros(0))  # its device and dtype
    x = torch.zeros(1, *shape, dtype=like.dtype, device=like.device)
    hooks = [
        module.register_forward_hook(lambda module, x, y, name=name: note(name, module, x, y))
        for name, module in modules.items()
    ]
    try:
        with _evaluating(model), torch.no_grad():
            model(x)
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _evaluating(model):
    """Switch to evaluation, in which running means stay, and each module back afterwards."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


def _multiply_adds(module, x, y):
    """Count products: every weight once at each position where it is used."""
    if isinstance(module, nn.Linear):
        return y.numel() // module.out_features * module.weight.numel()
    if isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        return prod(x[0].shape[2:]) * module.weight.numel()  # it spreads every input
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return prod(y.shape[2:]) * module.weight.numel()
    return 0


def _shape_of(y):
    """Return a result's shape without N; of the first where a layer returns several."""
    return tuple((y if isinstance(y, torch.Tensor) else y[0]).shape[1:])


def _title(module):
    """Say in words what a layer is, with its window; of a few together, what each is."""
    if isinstance(module, nn.Sequential):
        few = len(module) <= 3
        return ", ".join(map(_title, module)) if few else f"{len(module)} layers"
    title = _WORDS.get(type(module), type(module).__name__)
    if not isinstance(module, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)):
        return title
    return "{} {}×{}".format(title, *_pair(module.kernel_size, "kernel_size"))


def _as_module(model):
    """Return a torch module, or refuse what is none."""
    if not isinstance(model, nn.Module):
        raise ValueError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
    return model
