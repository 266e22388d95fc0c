"""Chapter 6, architecture: whole networks out of the blocks, from LeNet to EfficientNet.

Each is a `torch.nn.Sequential`, the large ones of parts with names. Built inside
``with torch.device("meta")`` it takes no memory and can be counted; elsewhere it has torch's random
weights, which `torch.manual_seed` fixes.
"""

from collections import OrderedDict
from functools import partial
from itertools import pairwise

from torch import nn

from cnncourse.architecture.blocks import (
    Branches,
    _chain,
    alexnet_block,
    bottleneck_block,
    conv_bn,
    dense_block,
    inception_block,
    inception_resnet_block,
    mbconv_block,
    residual_block,
    resnext_block,
    separable_conv,
    transition_block,
    vgg_block,
    xception_block,
)
from cnncourse.convolution import _whole


def lenet5(classes=10, activation=nn.Tanh):
    """Build LeNet-5's layers as they are taught today: 61,706 parameters for ten classes.

    The paper's 60,000 come from fewer connections in the second convolution (1,516 parameters where
    all maps meet all have 2,416) and from pooling with two trained numbers a map (44); its output
    layer compared with fixed patterns (here 850).

    Parameters
    ----------
    classes : int
        Outputs.
    activation : callable
        Makes the layers between.

    Returns
    -------
    torch.nn.Sequential
        (N, 1, 28, 28) to (N, classes), scores before a softmax.

    References
    ----------
    LeCun, Y., Bottou, L., Bengio, Y., Haffner, P., Gradient-Based Learning Applied to Document
    Recognition, Proceedings of the IEEE 86, 1998, Figure 2 and section II.B.

    Examples
    --------
    >>> sum(p.numel() for p in lenet5().parameters())
    61706
    """
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        activation(),
        nn.AvgPool2d(2),  # (N, 6, 14, 14)
        nn.Conv2d(6, 16, 5),
        activation(),
        nn.AvgPool2d(2),  # (N, 16, 5, 5)
        nn.Flatten(),
        nn.Linear(400, 120),
        activation(),
        nn.Linear(120, 84),
        activation(),
        nn.Linear(84, classes),
    )


def small_net(in_channels=1, classes=10, widths=(32, 64, 128), pool=False):
    """Build a small modern network: convolution, normalisation, ReLU, a few times; then means.

    Parameters
    ----------
    in_channels, classes : int
        Channels of the images, and outputs.
    widths : sequence of int
        Maps of each 3×3 layer. Every layer halves height and width.
    pool : bool
        Halve by maxima of 2×2 pixels after the layer, instead of by its stride.

    Returns
    -------
    torch.nn.Sequential
        (N, in_channels, H, W) to (N, classes), scores before a softmax.

    Raises
    ------
    ValueError
        If there are no widths.

    References
    ----------
    Springenberg, J. T., Dosovitskiy, A., Brox, T., Riedmiller, M., Striving for Simplicity: The All
    Convolutional Net, ICLR workshop, 2015 (strides); Lin, M., Chen, Q., Yan, S., Network In
    Network, ICLR, 2014, section 3.2 (means).

    Examples
    --------
    9·1·4 weights, 2·4 of the normalisation, 4·3 + 3 of the classes:

    >>> sum(p.numel() for p in small_net(1, 3, widths=[4]).parameters())
    59
    """
    if len(widths) == 0:
        raise ValueError("widths: expected at least one number of maps, got none")
    layers = []
    for channels, maps in pairwise([in_channels, *widths]):
        layers += [conv_bn(channels, maps, stride=1 if pool else 2)]
        layers += [nn.MaxPool2d(2)] if pool else []
    return nn.Sequential(*layers, *_head(widths[-1], classes))


def compact_net(in_channels=1, classes=10, widths=(16, 32), size=28):
    """Build a network that learns small images in seconds: it pools before it normalises.

    Maxima of raw sums leave batch norm and ReLU a quarter of the work. A dense layer at the end
    sees where things are, for which `small_net`, with its means, needs one more stage.

    Parameters
    ----------
    in_channels, classes : int
        Channels of the images, and outputs.
    widths : sequence of int
        Maps of each 3×3 layer. Every stage halves height and width, rounding down.
    size : int
        Rows and columns of the images, in pixels.

    Returns
    -------
    torch.nn.Sequential
        (N, in_channels, size, size) to (N, classes), scores before a softmax.

    Raises
    ------
    ValueError
        If there are no widths, or too many for the size.

    References
    ----------
    LeCun, Y., Bottou, L., Bengio, Y., Haffner, P., Gradient-Based Learning Applied to Document
    Recognition, Proceedings of the IEEE 86, 1998 (the plan; the rest is of today).

    Examples
    --------
    9·1·16 + 9·16·32 weights, 2·(16 + 32) of the normalisations, 49·32·10 + 10 of the classes:

    >>> sum(p.numel() for p in compact_net().parameters())
    20538
    """
    side = _whole(size, "size") >> len(widths)
    if len(widths) == 0 or side == 0:
        raise ValueError(f"widths: expected 1 to {size.bit_length() - 1} of them, got {widths}")
    layers = []
    for channels, maps in pairwise([in_channels, *widths]):
        convolution = nn.Conv2d(channels, maps, 3, padding=1, bias=False)
        layers += [convolution, nn.MaxPool2d(2), nn.BatchNorm2d(maps), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(side * side * widths[-1], classes))


def plain_net(depth, in_channels=3, classes=10):
    """Build the CIFAR network without shortcuts, which gets worse when it gets deep.

    Parameters
    ----------
    depth : int
        Layers with weights, 6·n + 2: the first, n blocks of two layers on each of three sizes, with
        16, 32 and 64 maps, and the classes.
    in_channels, classes : int
        Channels of the images, and outputs.

    Returns
    -------
    torch.nn.Sequential
        (N, in_channels, 32, 32) to (N, classes), scores before a softmax; other sizes do too.

    Raises
    ------
    ValueError
        If depth is not 6·n + 2 with n above 0.

    References
    ----------
    He, K., Zhang, X., Ren, S., Sun, J., Deep Residual Learning for Image Recognition, CVPR, 2016,
    section 4.2, Figure 6.

    Examples
    --------
    >>> plain_net(21)
    Traceback (most recent call last):
    ValueError: depth: expected 6·n + 2, such as 8, 14 or 20, got 21
    """
    return _cifar_net(depth, _plain_block, in_channels, classes)


def residual_net(depth, in_channels=3, classes=10, option="A"):
    """Build the CIFAR network with a shortcut around every two layers, else as `plain_net`.

    Parameters
    ----------
    depth, in_channels, classes : int
        As for `plain_net`.
    option : {"A", "B"}
        The shortcuts where the shape changes, see `residual_block`. The paper's "A" adds no
        parameter to the plain network.

    Returns
    -------
    torch.nn.Sequential
        (N, in_channels, 32, 32) to (N, classes), scores before a softmax.

    Raises
    ------
    ValueError
        If depth is not 6·n + 2 with n above 0, or for another option.

    References
    ----------
    He, K., Zhang, X., Ren, S., Sun, J., Deep Residual Learning for Image Recognition, CVPR, 2016,
    section 4.2; Table 6: 0.27 million parameters for depth 20.

    Examples
    --------
    >>> [sum(p.numel() for p in net(20).parameters()) for net in (plain_net, residual_net)]
    [269722, 269722]
    """
    return _cifar_net(depth, partial(residual_block, option=option), in_channels, classes)


def alexnet(classes=1000, two_gpus=False):
    """Build AlexNet: the second, one-GPU version by default, which torchvision has.

    Parameters
    ----------
    classes : int
        Outputs.
    two_gpus : bool
        The first version: wider, in two halves that meet in the third and the dense layers.

    Returns
    -------
    torch.nn.Sequential
        (N, 3, 224, 224) to (N, classes); from 63×63 pixels on, others too.

    References
    ----------
    Krizhevsky, A., One weird trick for parallelizing convolutional neural networks,
    arXiv:1404.5997, 2014.
    Krizhevsky, A., Sutskever, I., Hinton, G. E., ImageNet Classification with Deep Convolutional
    Neural Networks, NIPS, 2012, abstract: 60 million parameters.

    Examples
    --------
    >>> import torch
    >>> with torch.device("meta"):
    ...     sum(p.numel() for p in alexnet(two_gpus=True).parameters())
    60965224
    """
    a, b, c, d, e, groups = (96, 256, 384, 384, 256, 2) if two_gpus else (64, 192, 384, 256, 256, 1)
    features = nn.Sequential(
        alexnet_block(3, a, 11, stride=4, padding=2),  # (N, a, 27, 27)
        alexnet_block(a, b, 5, padding=2, groups=groups),  # (N, b, 13, 13)
        nn.Conv2d(b, c, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(c, d, 3, padding=1, groups=groups),
        nn.ReLU(),
        alexnet_block(d, e, 3, padding=1, groups=groups),  # (N, e, 6, 6)
    )
    return _named(features=features, head=_dense_head(e, 6, classes))


def vgg16(classes=1000):
    """Build VGG's sixteen layers, configuration D: 3×3 throughout, and three dense layers.

    Parameters
    ----------
    classes : int
        Outputs.

    Returns
    -------
    torch.nn.Sequential
        (N, 3, 224, 224) to (N, classes); from 32×32 pixels on, others too.

    References
    ----------
    Simonyan, K., Zisserman, A., Very Deep Convolutional Networks for Large-Scale Image Recognition,
    ICLR, 2015, Tables 1 and 2: 138 million parameters.

    Examples
    --------
    >>> import torch
    >>> with torch.device("meta"):
    ...     sum(p.numel() for p in vgg16().parameters())
    138357544
    """
    shapes = (3, 64, 2), (64, 128, 2), (128, 256, 3), (256, 512, 3), (512, 512, 3)
    parts = {f"block{i}": vgg_block(*shape) for i, shape in enumerate(shapes, start=1)}
    return _named(**parts, head=_dense_head(512, 7, classes))


def googlenet(classes=1000, kernel_size=5):
    """Build GoogLeNet with batch normalisation, without the two helping outputs of training.

    Parameters
    ----------
    classes : int
        Outputs.
    kernel_size : int
        Of the 5×5 layers: 3 is what torchvision has, see `inception_block`.

    Returns
    -------
    torch.nn.Sequential
        (N, 3, 224, 224) to (N, classes); from 15×15 pixels on, others too.

    References
    ----------
    Szegedy, C., et al., Going Deeper with Convolutions, CVPR, 2015, Table 1.

    Examples
    --------
    >>> import torch
    >>> with torch.device("meta"):
    ...     sum(p.numel() for p in googlenet(kernel_size=3).parameters())
    6624904
    """
    pool = partial(nn.MaxPool2d, 3, stride=2, ceil_mode=True)
    stem = [conv_bn(3, 64, 7, 2), pool(), conv_bn(64, 64, 1), conv_bn(64, 192), pool()]
    stages, channels = {}, 192
    for stage, rows in _INCEPTION.items():
        blocks = []
        for one, three, five, pooled in rows:
            blocks += [inception_block(channels, one, three, five, pooled, kernel_size)]
            channels = one + three[1] + five[1] + pooled
        stages[stage] = nn.Sequential(*blocks, *([pool()] if stage != "stage5" else []))
    return _named(stem=nn.Sequential(*stem), **stages, head=_head(channels, classes, 0.2))


def resnet18(classes=1000):
    """Build the smallest ResNet of the paper, of basic blocks.

    Parameters
    ----------
    classes : int
        Outputs.

    Returns
    -------
    torch.nn.Sequential
        (N, 3, 224, 224) to (N, classes); other sizes too.

    References
    ----------
    He, K., Zhang, X., Ren, S., Sun, J., Deep Residual Learning for Image Recognition, CVPR, 2016,
    Table 1, with shortcuts B.

    Examples
    --------
    >>> sum(p.numel() for p in resnet18().parameters())
    11689512
    """
    return _resnet(_stem(), residual_block, (2, 2, 2, 2), (64, 64, 128, 256, 512), classes)


def resnet50(classes=1000):
    """Build the ResNet that is used most, of bottlenecks with the stride in the 3×3 layer.

    The paper's strides are in the 1×1 layers before: the same parameters, and fewer operations.

    Parameters
    ----------
    classes : int
        Outputs.

    Returns
    -------
    torch.nn.Sequential
        (N, 3, 224, 224) to (N, classes); other sizes too.

    References
    ----------
    He, K., Zhang, X., Ren, S., Sun, J., Deep Residual Learning for Image Recognition, CVPR, 2016,
    Table 1: 3.8 · 10⁹ multiply-adds.

    Examples
    --------
    >>> sum(p.numel() for p in resnet50().parameters())
    25557032
    """
    return _resnet(_stem(), bottleneck_block, (3, 4, 6, 3), (64, 256, 512, 1024, 2048), classes)


def resnext50_32x4d(classes=1000):
    """Build ResNet-50 with 32 paths in every block, of 4 maps each in the first stage.

    Parameters
    ----------
    classes : int
        Outputs.

    Returns
    -------
    torch.nn.Sequential
        (N, 3, 224, 224) to (N, classes); other sizes too.

    References
    ----------
    Xie, S., Girshick, R., Dollár, P., Tu, Z., He, K., Aggregated Residual Transformations for Deep
    Neural Networks, CVPR, 2017, Table 1: 25.0 million parameters, 4.2 · 10⁹ multiply-adds.

    Examples
    --------
    >>> sum(p.numel() for p in resnext50_32x4d().parameters())
    25028904
    """
    return _resnet(_stem(), resnext_block, (3, 4, 6, 3), (64, 256, 512, 1024, 2048), classes)


def densenet121(classes=1000):
    """Build the smallest DenseNet of the paper: dense blocks of 6, 12, 24 and 16 layers.

    Parameters
    ----------
    classes : int
        Outputs.

    Returns
    -------
    torch.nn.Sequential
        (N, 3, 224, 224) to (N, classes); from 29×29 pixels on, others too.

    References
    ----------
    Huang, G., Liu, Z., van der Maaten, L., Weinberger, K. Q., Densely Connected Convolutional
    Networks, CVPR, 2017, Table 1.

    Examples
    --------
    >>> sum(p.numel() for p in densenet121().parameters())
    7978856
    """
    parts, channels = {"stem": _stem()}, 64
    for i, layers in enumerate((6, 12, 24, 16), start=1):
        parts[f"dense{i}"] = dense_block(channels, layers)
        channels += 32 * layers
        if i < 4:
            parts[f"transition{i}"] = transition_block(channels, channels // 2)
            channels //= 2
    norm = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
    return _named(**parts, norm=norm, head=_head(channels, classes))


def xception(classes=1000):
    """Build Xception: 36 convolutions, all but the first two separable, in fourteen modules.

    Parameters
    ----------
    classes : int
        Outputs.

    Returns
    -------
    torch.nn.Sequential
        (N, 3, 299, 299) to (N, classes); other sizes too. Before it pools maps of even size, Keras
        pads one side and torch both: windows begin a pixel earlier, the shapes are the same.

    References
    ----------
    Chollet, F., Xception: Deep Learning with Depthwise Separable Convolutions, CVPR, 2017, Figure 5
    and Table 3: 22,855,952 parameters.

    Examples
    --------
    >>> sum(p.numel() for p in xception().parameters())
    22855952
    """
    entry = nn.Sequential(
        xception_block(64, (128, 128), stride=2, relu_first=False),
        xception_block(128, (256, 256), stride=2),
        xception_block(256, (728, 728), stride=2),
    )
    last = []
    for channels, maps in ((1024, 1536), (1536, 2048)):
        last += [separable_conv(channels, maps), nn.BatchNorm2d(maps), nn.ReLU()]
    return _named(
        stem=_chain(3, (32, 3, 2, 0), (64, 3, 1, 0)),
        entry=entry,
        middle=nn.Sequential(*(xception_block(728, (728, 728, 728)) for _ in range(8))),
        exit=nn.Sequential(xception_block(728, (728, 1024), stride=2), *last),
        head=_head(2048, classes),
    )


def inception_resnet_v2(classes=1000):
    """Build Inception-ResNet-v2 with the numbers of maps that its authors' code has.

    Keras leaves out the normalisations' scales, 30,272 numbers, whose work the next weights can do.

    Parameters
    ----------
    classes : int
        Outputs.

    Returns
    -------
    torch.nn.Sequential
        (N, 3, 299, 299) to (N, classes); from 75×75 pixels on, others too.

    References
    ----------
    Szegedy, C., Ioffe, S., Vanhoucke, V., Alemi, A., Inception-v4, Inception-ResNet and the Impact
    of Residual Connections on Learning, AAAI, 2017.

    Examples
    --------
    >>> import torch
    >>> with torch.device("meta"):
    ...     sum(p.numel() for p in inception_resnet_v2().parameters())
    55843464
    """
    a, b, c = _INCEPTION_RESNET
    halve, narrow = (384, 3, 2, 0), (256, 1)
    ways = [narrow, halve], [narrow, (288, 3, 2, 0)], [narrow, (288, 3), (320, 3, 2, 0)]
    return _named(
        stem=_inception_resnet_stem(),  # (N, 320, 35, 35)
        blocks_a=_repeated(10, 320, a, 0.17),
        reduction_a=_reduction(320, [halve], [narrow, (256, 3), halve]),  # (N, 1088, 17, 17)
        blocks_b=_repeated(20, 1088, b, 0.1),
        reduction_b=_reduction(1088, *ways),  # (N, 2080, 8, 8)
        blocks_c=_repeated(9, 2080, c, 0.2),
        last=nn.Sequential(inception_resnet_block(2080, c, 1, None), conv_bn(2080, 1536, 1)),
        head=_head(1536, classes),
    )


def efficientnet_b0(classes=1000):
    """Build the network that a search found, and from which B1 to B7 are scaled.

    The padding is torchvision's; where the stride is 2, the authors pad one pixel less at the
    beginning. The shapes are the same.

    Parameters
    ----------
    classes : int
        Outputs.

    Returns
    -------
    torch.nn.Sequential
        (N, 3, 224, 224) to (N, classes); other sizes too.

    References
    ----------
    Tan, M., Le, Q. V., EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks,
    ICML, 2019, Table 1; Table 2: 5.3 million parameters, 0.39 · 10⁹ multiply-adds.

    Examples
    --------
    >>> sum(p.numel() for p in efficientnet_b0().parameters())
    5288548
    """
    parts, channels = {"stem": conv_bn(3, 32, stride=2, activation=nn.SiLU)}, 32
    for i, (expansion, maps, layers, stride, kernel_size) in enumerate(_EFFICIENTNET, start=1):
        blocks = [mbconv_block(channels, maps, kernel_size, stride, expansion)]
        blocks += [mbconv_block(maps, maps, kernel_size, 1, expansion) for _ in range(layers - 1)]
        parts[f"stage{i}"], channels = nn.Sequential(*blocks), maps
    last = conv_bn(channels, 1280, 1, activation=nn.SiLU)
    return _named(**parts, last=last, head=_head(1280, classes, 0.2))


NETWORKS = {  # how to build it, and the (C, H, W) of its images
    "lenet5": (lenet5, (1, 28, 28)),
    "alexnet": (alexnet, (3, 224, 224)),
    "vgg16": (vgg16, (3, 224, 224)),
    "googlenet": (partial(googlenet, kernel_size=3), (3, 224, 224)),  # torchvision's, see there
    "resnet18": (resnet18, (3, 224, 224)),
    "resnet50": (resnet50, (3, 224, 224)),
    "resnext50_32x4d": (resnext50_32x4d, (3, 224, 224)),
    "densenet121": (densenet121, (3, 224, 224)),
    "xception": (xception, (3, 299, 299)),
    "inception_resnet_v2": (inception_resnet_v2, (3, 299, 299)),
    "efficientnet_b0": (efficientnet_b0, (3, 224, 224)),
}

_INCEPTION = {  # Szegedy et al. 2015, Table 1: 1×1, 3×3 with its narrow layer, 5×5 too, pooling
    "stage3": [(64, (96, 128), (16, 32), 32), (128, (128, 192), (32, 96), 64)],
    "stage4": [
        (192, (96, 208), (16, 48), 64),
        (160, (112, 224), (24, 64), 64),
        (128, (128, 256), (24, 64), 64),
        (112, (144, 288), (32, 64), 64),
        (256, (160, 320), (32, 128), 128),
    ],
    "stage5": [(256, (160, 320), (32, 128), 128), (384, (192, 384), (48, 128), 128)],
}

_INCEPTION_RESNET = (  # TF-slim's three blocks; the paper's differ in a few numbers
    ([(32, 1)], [(32, 1), (32, 3)], [(32, 1), (48, 3), (64, 3)]),
    ([(192, 1)], [(128, 1), (160, (1, 7)), (192, (7, 1))]),
    ([(192, 1)], [(192, 1), (224, (1, 3)), (256, (3, 1))]),
)

_EFFICIENTNET = (  # Tan and Le 2019, Table 1: expansion, maps, layers, stride, kernel size
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


def _named(**parts):
    """Put parts one after another, under their names."""
    return nn.Sequential(OrderedDict(parts))


def _head(channels, classes, dropout=0.0):
    """Take every map's mean, and one dense layer: any height and width will do."""
    layers = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), *([nn.Dropout(dropout)] if dropout else [])]
    return nn.Sequential(*layers, nn.Linear(channels, classes))


def _dense_head(channels, size, classes):
    """Put the three dense layers of AlexNet and VGG behind maps of size×size."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(size),  # no change at 224×224
        nn.Flatten(),
        nn.Linear(channels * size**2, 4096),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(4096, classes),
    )


def _stem():
    """Begin as ResNet and DenseNet do: (N, 3, 224, 224) to (N, 64, 56, 56)."""
    return nn.Sequential(conv_bn(3, 64, 7, 2), nn.MaxPool2d(3, 2, padding=1))


def _resnet(stem, block, counts, channels, classes):
    """Put stages of equal blocks one after another; each but the first begins with a stride."""
    parts = {"stem": stem}
    for i, (count, (before, after)) in enumerate(
        zip(counts, pairwise(channels), strict=True), start=1
    ):
        blocks = [block(before, after, 1 if i == 1 else 2)]
        parts[f"stage{i}"] = nn.Sequential(
            *blocks, *(block(after, after) for _ in range(count - 1))
        )
    return _named(**parts, head=_head(channels[-1], classes))


def _cifar_net(depth, block, in_channels, classes):
    """Build three stages of (depth − 2) / 6 blocks, or refuse the depth."""
    if _whole(depth, "depth") < 8 or depth % 6 != 2:
        raise ValueError(f"depth: expected 6·n + 2, such as 8, 14 or 20, got {depth!r}")
    return _resnet(conv_bn(in_channels, 16), block, [depth // 6] * 3, (16, 16, 32, 64), classes)


def _plain_block(in_channels, out_channels, stride=1):
    """Return `residual_block` without the shortcut."""
    return nn.Sequential(
        conv_bn(in_channels, out_channels, stride=stride), conv_bn(out_channels, out_channels)
    )


def _inception_resnet_stem():
    """Make 320 maps of 35×35 from (N, 3, 299, 299)."""
    means = nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), conv_bn(192, 64, 1))
    return nn.Sequential(
        _chain(3, (32, 3, 2, 0), (32, 3, 1, 0), (64, 3)),
        nn.MaxPool2d(3, 2),
        _chain(64, (80, 1), (192, 3, 1, 0)),
        nn.MaxPool2d(3, 2),
        Branches(
            conv_bn(192, 96, 1),
            _chain(192, (48, 1), (64, 5)),
            _chain(192, (64, 1), (96, 3), (96, 3)),
            means,
        ),
    )


def _repeated(times, channels, branches, scale):
    """Put equal blocks of Inception-ResNet one after another."""
    return nn.Sequential(*(inception_resnet_block(channels, branches, scale) for _ in range(times)))


def _reduction(channels, *branches):
    """Halve height and width in branches, one of them of maxima."""
    return Branches(*(_chain(channels, *branch) for branch in branches), nn.MaxPool2d(3, 2))
