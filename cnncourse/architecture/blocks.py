"""Chapter 6, architecture: the idea of each famous network as one block of torch layers.

Paths through a block meet in three ways: `Branches` lays their maps side by side, `Skip` adds
them, `Gate` multiplies them. All else is `torch.nn.Sequential`, in the papers' order of years.
N images of C channels and H×W pixels go in; K maps of H′×W′ come out.
"""

import torch
from torch import nn

from cnncourse.check import as_one_of, as_positive
from cnncourse.convolution import _pair


class Branches(nn.Sequential):
    """Send the same input through every branch, and lay the results' channels side by side.

    Parameters
    ----------
    *args : torch.nn.Module
        The branches: (N, C, H, W) to (N, Kᵢ, H′, W′), all of one height and width.

    See Also
    --------
    torch.cat : (N, K₁ + K₂ + …, H′, W′)

    References
    ----------
    Szegedy, C., et al., Going Deeper with Convolutions, CVPR, 2015, Figure 2.

    Examples
    --------
    >>> Branches(nn.Identity(), nn.ReLU())(torch.tensor([[[[-1.0]], [[2.0]]]])).flatten()
    tensor([-1.,  2.,  0.,  2.])
    """

    def forward(self, x):
        """Return (N, K₁ + K₂ + …, H′, W′)."""
        return torch.cat([branch(x) for branch in self], 1)


class Skip(nn.Module):
    """Add to the input what the function finds missing: ``shortcut(x) + scale · function(x)``.

    Parameters
    ----------
    function : torch.nn.Module
        (N, C, H, W) to (N, K, H′, W′).
    shortcut : torch.nn.Module, optional
        To the same shape; the input itself if there is none.
    scale : float
        Of the function: with 0 the block would change nothing.

    References
    ----------
    He, K., Zhang, X., Ren, S., Sun, J., Deep Residual Learning for Image Recognition, CVPR, 2016,
    equations 1 and 2.

    Examples
    --------
    >>> Skip(nn.ReLU(), scale=0.5)(torch.tensor([-1.0, 2.0]))
    tensor([-1.,  3.])
    """

    def __init__(self, function, shortcut=None, scale=1):
        super().__init__()
        self.function, self.scale = function, scale
        self.shortcut = nn.Identity() if shortcut is None else shortcut

    def forward(self, x):
        """Return (N, K, H′, W′)."""
        return self.shortcut(x) + self.scale * self.function(x)


class Gate(nn.Module):
    """Let a function of the input decide how much of each channel passes: ``x · function(x)``.

    Parameters
    ----------
    function : torch.nn.Module
        (N, C, H, W) to (N, C, 1, 1), usually in [0, 1].

    References
    ----------
    Hu, J., Shen, L., Sun, G., Squeeze-and-Excitation Networks, CVPR, 2018, Figure 1.

    Examples
    --------
    >>> Gate(nn.Hardsigmoid())(torch.tensor([0.0, 6.0]))  # half of nothing, all of six
    tensor([0., 6.])
    """

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        """Return (N, C, H, W)."""
        return x * self.function(x)


def conv_bn(
    in_channels, out_channels, kernel_size=3, stride=1, padding=None, groups=1, activation=nn.ReLU
):
    """Convolve, normalise each map over the batch, and switch off what is negative.

    Batch normalisation subtracts the mean, so the convolution needs no bias.

    Parameters
    ----------
    in_channels, out_channels : int
        C and K.
    kernel_size, stride : int or (int, int)
        In pixels; a pair is (rows, columns).
    padding : int or (int, int), optional
        On each side; by default half the kernel, so that an odd one with stride 1 keeps H×W.
    groups : int
        Divides C and K, see `conv2d`.
    activation : callable, optional
        Makes the last layer; None leaves it out.

    Returns
    -------
    torch.nn.Sequential
        (N, C, H, W) to (N, K, H′, W′), see `output_size`.

    Raises
    ------
    ValueError
        If the kernel size is not one or two whole numbers above 0, or groups do not divide C and K.

    References
    ----------
    Ioffe, S., Szegedy, C., Batch Normalization: Accelerating Deep Network Training by Reducing
    Internal Covariate Shift, ICML, 2015.

    Examples
    --------
    3·8·9 weights, and a scale and a shift for each of 8 maps:

    >>> block = conv_bn(3, 8, stride=2)
    >>> block(torch.zeros(1, 3, 8, 6)).shape, sum(p.numel() for p in block.parameters())
    (torch.Size([1, 8, 4, 3]), 232)
    """
    kernel_size, groups = _pair(kernel_size, "kernel_size"), as_positive(groups, "groups", True)
    if in_channels % groups or out_channels % groups:
        raise ValueError(
            f"groups: expected a divisor of {in_channels} and {out_channels} channels, got {groups}"
        )
    if padding is None:
        padding = tuple(length // 2 for length in kernel_size)
    options = {"stride": stride, "padding": padding, "groups": groups, "bias": False}
    layers = [nn.Conv2d(in_channels, out_channels, kernel_size, **options)]
    layers += [nn.BatchNorm2d(out_channels)]
    return nn.Sequential(*layers, *([] if activation is None else [activation()]))


def alexnet_block(in_channels, out_channels, kernel_size, stride=1, padding=0, groups=1):
    """Convolve, apply ReLU instead of a sigmoid, and pool with overlap: windows of 3, stride 2.

    The paper's response normalisation is left out: VGG's authors found it of no use.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, groups
        As for `torch.nn.Conv2d`. The paper's two GPUs are groups=2.

    Returns
    -------
    torch.nn.Sequential
        (N, C, H, W) to (N, K, ⌊(H′ − 3) / 2⌋ + 1, ⌊(W′ − 3) / 2⌋ + 1) with the convolution's H′×W′.

    References
    ----------
    Krizhevsky, A., Sutskever, I., Hinton, G. E., ImageNet Classification with Deep Convolutional
    Neural Networks, NIPS, 2012, sections 3.1 and 3.4.

    Examples
    --------
    >>> block = alexnet_block(3, 64, kernel_size=11, stride=4, padding=2)
    >>> block(torch.zeros(1, 3, 224, 224)).shape  # 55×55 before the pooling
    torch.Size([1, 64, 27, 27])
    """
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups)
    return nn.Sequential(convolution, nn.ReLU(), nn.MaxPool2d(3, stride=2))


def vgg_block(in_channels, out_channels, depth):
    """Stack small kernels, then halve: two 3×3 layers see 5×5 pixels, three see 7×7.

    Parameters
    ----------
    in_channels, out_channels : int
        C and K.
    depth : int
        The convolution layers.

    Returns
    -------
    torch.nn.Sequential
        (N, C, H, W) to (N, K, ⌊H / 2⌋, ⌊W / 2⌋).

    Raises
    ------
    ValueError
        If depth is not a whole number above 0.

    References
    ----------
    Simonyan, K., Zisserman, A., Very Deep Convolutional Networks for Large-Scale Image Recognition,
    ICLR, 2015, section 2.3 and Table 1.

    Examples
    --------
    >>> vgg_block(3, 8, depth=2)(torch.zeros(1, 3, 6, 4)).shape
    torch.Size([1, 8, 3, 2])
    """
    layers = []
    for layer in range(as_positive(depth, "depth", integer=True)):
        channels = out_channels if layer else in_channels
        layers += [nn.Conv2d(channels, out_channels, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(2))


def inception_block(in_channels, one, three, five, pool, kernel_size=5):
    """Look at several sizes at once: four branches, the costly ones behind a narrow 1×1 layer.

    Batch normalisation follows every convolution, as in the second version and in torchvision;
    the paper had none.

    Parameters
    ----------
    in_channels : int
        C, the channels of the input.
    one, pool : int
        Maps of the 1×1 branch, and of the branch of 3×3 maxima.
    three, five : (int, int)
        Maps of the narrow layer, and of the 3×3 or 5×5 layer behind it.
    kernel_size : int
        Of the 5×5 layer: torchvision built it as 3×3 by mistake and kept it.

    Returns
    -------
    Branches
        (N, C, H, W) to (N, one + three[1] + five[1] + pool, H, W).

    References
    ----------
    Szegedy, C., et al., Going Deeper with Convolutions, CVPR, 2015, Figure 2b and Table 1.

    Examples
    --------
    The paper's first: 64 + 128 + 32 + 32 maps.

    >>> block = inception_block(192, 64, (96, 128), (16, 32), 32)
    >>> block(torch.zeros(1, 192, 28, 28)).shape
    torch.Size([1, 256, 28, 28])
    """
    return Branches(
        conv_bn(in_channels, one, 1),
        _chain(in_channels, (three[0], 1), (three[1], 3)),
        _chain(in_channels, (five[0], 1), (five[1], kernel_size)),
        nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv_bn(in_channels, pool, 1)),
    )


def residual_block(in_channels, out_channels, stride=1, option="B"):
    """Learn only the difference from the input: ``ReLU(x + f(x))`` with two 3×3 layers in f.

    Parameters
    ----------
    in_channels, out_channels : int
        C and K.
    stride : int
        Of the first layer, in pixels.
    option : {"A", "B"}
        The shortcut where the shape changes: "A" takes every stride-th pixel and fills the new
        channels with zeros, without a parameter; "B" is a 1×1 convolution.

    Returns
    -------
    torch.nn.Sequential
        (N, C, H, W) to (N, K, ⌈H / stride⌉, ⌈W / stride⌉).

    Raises
    ------
    ValueError
        For another option, or if "A" should take channels away.

    References
    ----------
    He, K., Zhang, X., Ren, S., Sun, J., Deep Residual Learning for Image Recognition, CVPR, 2016,
    Figure 2; the options in section 3.3.

    Examples
    --------
    >>> residual_block(16, 32, stride=2)(torch.zeros(1, 16, 8, 6)).shape
    torch.Size([1, 32, 4, 3])
    """
    function = nn.Sequential(
        conv_bn(in_channels, out_channels, stride=stride),
        conv_bn(out_channels, out_channels, activation=None),
    )
    return nn.Sequential(
        Skip(function, _shortcut(in_channels, out_channels, stride, option)), nn.ReLU()
    )


def bottleneck_block(in_channels, out_channels, stride=1, width=None, groups=1):
    """Make residuals of many channels affordable: 1×1 to a quarter, 3×3 there, 1×1 back.

    The stride is the 3×3 layer's, as in torchvision and most later work; the paper has it in the
    first 1×1 layer, which skips three pixels of four.

    Parameters
    ----------
    in_channels, out_channels : int
        C and K.
    stride : int
        In pixels.
    width : int, optional
        Maps of the 3×3 layer, by default K / 4.
    groups : int
        Of the 3×3 layer, see `resnext_block`.

    Returns
    -------
    torch.nn.Sequential
        (N, C, H, W) to (N, K, ⌈H / stride⌉, ⌈W / stride⌉).

    Raises
    ------
    ValueError
        If groups do not divide the width.

    References
    ----------
    He, K., Zhang, X., Ren, S., Sun, J., Deep Residual Learning for Image Recognition, CVPR, 2016,
    Figure 5.

    Examples
    --------
    As a plain 3×3 layer of 256 maps it would have 589,824 weights:

    >>> sum(p.numel() for p in bottleneck_block(256, 256).parameters() if p.ndim == 4)
    69632
    """
    width = out_channels // 4 if width is None else width
    function = nn.Sequential(
        conv_bn(in_channels, width, 1),
        conv_bn(width, width, stride=stride, groups=groups),
        conv_bn(width, out_channels, 1, activation=None),
    )
    return nn.Sequential(
        Skip(function, _shortcut(in_channels, out_channels, stride, "B")), nn.ReLU()
    )


def resnext_block(in_channels, out_channels, stride=1, cardinality=32):
    """Split the bottleneck into many thin paths: one grouped convolution of twice the width.

    Parameters
    ----------
    in_channels, out_channels, stride
        As for `bottleneck_block`.
    cardinality : int
        The paths, a divisor of K / 2.

    Returns
    -------
    torch.nn.Sequential
        (N, C, H, W) to (N, K, ⌈H / stride⌉, ⌈W / stride⌉).

    Raises
    ------
    ValueError
        If the cardinality does not divide K / 2.

    References
    ----------
    Xie, S., Girshick, R., Dollár, P., Tu, Z., He, K., Aggregated Residual Transformations for Deep
    Neural Networks, CVPR, 2017, Figure 3c and Table 1.

    Examples
    --------
    Hardly more weights than the bottleneck's 69,632: the 3×3 layer has 128·4·9 of them.

    >>> sum(p.numel() for p in resnext_block(256, 256).parameters() if p.ndim == 4)
    70144
    """
    return bottleneck_block(in_channels, out_channels, stride, out_channels // 2, cardinality)


def dense_block(in_channels, layers, growth=32):
    """Keep every map: each layer reads all maps before it, and lays a few new ones beside them.

    Normalisation and ReLU come before a convolution, for its input is used by others too.

    Parameters
    ----------
    in_channels : int
        C, the channels of the input.
    layers : int
        Each a 1×1 layer of 4·growth maps and a 3×3 layer.
    growth : int
        Maps that a layer adds.

    Returns
    -------
    torch.nn.Sequential
        (N, C, H, W) to (N, C + layers·growth, H, W).

    Raises
    ------
    ValueError
        If layers is not a whole number above 0.

    References
    ----------
    Huang, G., Liu, Z., van der Maaten, L., Weinberger, K. Q., Densely Connected Convolutional
    Networks, CVPR, 2017, Figure 1 and Table 1.

    Examples
    --------
    >>> dense_block(64, layers=6)(torch.zeros(1, 64, 5, 7)).shape
    torch.Size([1, 256, 5, 7])
    """
    layers = as_positive(layers, "layers", integer=True)
    return nn.Sequential(
        *(
            Branches(nn.Identity(), _bn_relu_convs(channels, (4 * growth, 1), (growth, 3)))
            for channels in range(in_channels, in_channels + layers * growth, growth)
        )
    )


def transition_block(in_channels, out_channels):
    """Stand between two dense blocks: 1×1 to fewer maps, then means of 2×2 pixels.

    Parameters
    ----------
    in_channels, out_channels : int
        C and K, half of it in the paper.

    Returns
    -------
    torch.nn.Sequential
        (N, C, H, W) to (N, K, ⌊H / 2⌋, ⌊W / 2⌋).

    References
    ----------
    Huang, G., Liu, Z., van der Maaten, L., Weinberger, K. Q., Densely Connected Convolutional
    Networks, CVPR, 2017, Table 1.

    Examples
    --------
    >>> transition_block(256, 128)(torch.zeros(1, 256, 8, 6)).shape
    torch.Size([1, 128, 4, 3])
    """
    return nn.Sequential(_bn_relu_convs(in_channels, (out_channels, 1)), nn.AvgPool2d(2))


def separable_conv(in_channels, out_channels):
    """Part space from channels: a 3×3 kernel for every channel alone, then a 1×1 mix of them.

    Parameters
    ----------
    in_channels, out_channels : int
        C and K.

    Returns
    -------
    torch.nn.Sequential
        (N, C, H, W) to (N, K, H, W), without biases.

    References
    ----------
    Chollet, F., Xception: Deep Learning with Depthwise Separable Convolutions, CVPR, 2017,
    section 1.2.

    Examples
    --------
    9·C + C·K weights instead of 9·C·K = 73,728:

    >>> sum(p.numel() for p in separable_conv(64, 128).parameters())
    8768
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
    )


def xception_block(in_channels, out_channels, stride=1, relu_first=True):
    """Stack separable convolutions, and add the input: Inception with a branch for each channel.

    Parameters
    ----------
    in_channels : int
        C, the channels of the input.
    out_channels : sequence of int
        Maps after each separable convolution; the last is K.
    stride : int
        1, or 2 for maxima of 3×3 pixels at the end.
    relu_first : bool
        Whether ReLU stands before the first convolution too, as everywhere but in the first block.

    Returns
    -------
    Skip
        (N, C, H, W) to (N, K, ⌈H / stride⌉, ⌈W / stride⌉).

    References
    ----------
    Chollet, F., Xception: Deep Learning with Depthwise Separable Convolutions, CVPR, 2017,
    Figure 5.

    Examples
    --------
    >>> xception_block(64, (128, 128), stride=2)(torch.zeros(1, 64, 9, 7)).shape
    torch.Size([1, 128, 5, 4])
    """
    layers, channels = [], in_channels
    for maps in out_channels:
        layers += [nn.ReLU(), separable_conv(channels, maps), nn.BatchNorm2d(maps)]
        channels = maps
    if stride != 1:
        layers += [nn.MaxPool2d(3, stride, padding=1)]
    function = nn.Sequential(*layers[not relu_first :])
    return Skip(function, _shortcut(in_channels, channels, stride, "B"))


def inception_resnet_block(in_channels, branches, scale, activation=nn.ReLU):
    """Add to the input what several branches find together, made small: ``ReLU(x + scale · f(x))``.

    Parameters
    ----------
    in_channels : int
        C, the channels of the input.
    branches : sequence of sequence of (int, int or (int, int))
        For each branch its convolutions as (maps, kernel size); all are laid side by side, and a
        1×1 convolution with a bias brings them back to C maps.
    scale : float
        The paper found 0.1 to 0.3 to keep wide networks from dying in training.
    activation : callable, optional
        Makes the last layer; None leaves it out.

    Returns
    -------
    torch.nn.Sequential
        (N, C, H, W) to (N, C, H, W).

    References
    ----------
    Szegedy, C., Ioffe, S., Vanhoucke, V., Alemi, A., Inception-v4, Inception-ResNet and the Impact
    of Residual Connections on Learning, AAAI, 2017; the scale in section 3.3 of arXiv:1602.07261.

    Examples
    --------
    >>> branches = [(192, 1)], [(128, 1), (160, (1, 7)), (192, (7, 1))]
    >>> inception_resnet_block(64, branches, scale=0.1)(torch.zeros(1, 64, 17, 17)).shape
    torch.Size([1, 64, 17, 17])
    """
    together = sum(branch[-1][0] for branch in branches)
    function = nn.Sequential(
        Branches(*(_chain(in_channels, *branch) for branch in branches)),
        nn.Conv2d(together, in_channels, 1),
    )
    layers = [Skip(function, scale=scale)]
    return nn.Sequential(*layers, *([] if activation is None else [activation()]))


def mbconv_block(in_channels, out_channels, kernel_size=3, stride=1, expansion=6):
    """Turn the bottleneck inside out: widen, one kernel a channel, weigh channels, narrow, add.

    Parameters
    ----------
    in_channels, out_channels : int
        C and K. The input is added where they are equal and the stride is 1.
    kernel_size, stride : int
        Of the depthwise convolution, in pixels.
    expansion : int
        How many times C the block is wide inside; 1 leaves the first layer out.

    Returns
    -------
    torch.nn.Sequential or Skip
        (N, C, H, W) to (N, K, ⌈H / stride⌉, ⌈W / stride⌉). No activation follows the last layer.

    Raises
    ------
    ValueError
        If expansion is not a whole number above 0.

    References
    ----------
    Tan, M., Le, Q. V., EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks,
    ICML, 2019, Table 1.
    Sandler, M., Howard, A., Zhu, M., Zhmoginov, A., Chen, L.-C., MobileNetV2: Inverted Residuals
    and Linear Bottlenecks, CVPR, 2018, Table 1.
    Hu, J., Shen, L., Sun, G., Squeeze-and-Excitation Networks, CVPR, 2018.

    Examples
    --------
    >>> mbconv_block(16, 24, stride=2)(torch.zeros(2, 16, 8, 6)).shape
    torch.Size([2, 24, 4, 3])
    """
    width = as_positive(expansion, "expansion", integer=True) * in_channels
    widen = [conv_bn(in_channels, width, 1, activation=nn.SiLU)] if expansion > 1 else []
    function = nn.Sequential(
        *widen,
        conv_bn(width, width, kernel_size, stride, groups=width, activation=nn.SiLU),
        _squeeze_excitation(width, max(1, in_channels // 4)),
        conv_bn(width, out_channels, 1, activation=None),
    )
    return Skip(function) if stride == 1 and in_channels == out_channels else function


def _squeeze_excitation(channels, squeezed):
    """Weigh every channel by a number in [0, 1] that two small layers make from the means."""
    return Gate(
        nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            nn.SiLU(),
            nn.Conv2d(squeezed, channels, 1),
            nn.Sigmoid(),
        )
    )


def _chain(in_channels, *layers):
    """Put `conv_bn` layers, given by all arguments but the first, one after another."""
    channels = [in_channels, *(layer[0] for layer in layers)]
    return nn.Sequential(*(conv_bn(c, *layer) for c, layer in zip(channels, layers, strict=False)))


def _bn_relu_convs(in_channels, *layers):
    """Put normalisation and ReLU before each convolution, given as (maps, kernel size)."""
    modules, channels = [], in_channels
    for maps, size in layers:
        modules += [nn.BatchNorm2d(channels), nn.ReLU()]
        modules += [nn.Conv2d(channels, maps, size, padding=size // 2, bias=False)]
        channels = maps
    return nn.Sequential(*modules)


def _shortcut(in_channels, out_channels, stride, option):
    """Bring the input to the shape of the function's result; None where it has it."""
    as_one_of(option, ("A", "B"), "option")
    if stride == 1 and in_channels == out_channels:
        return None
    if option == "B":
        return conv_bn(in_channels, out_channels, 1, stride, activation=None)
    if out_channels < in_channels:
        raise ValueError(
            f"out_channels: expected {in_channels} or more with option 'A', got {out_channels}"
        )
    every = nn.MaxPool2d(1, stride)  # the largest of one pixel, every stride-th
    return nn.Sequential(every, nn.ZeroPad3d((0, 0, 0, 0, 0, out_channels - in_channels)))
