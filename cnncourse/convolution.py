"""Chapter 4, convolution layers: one dot product an output, one matrix product a layer.

The one idea is `patches`: a view of the image with the kernel's positions before the output's. With
the weights as a matrix it gives `conv2d`; transposed, the gradients. N images of C channels and H×W
pixels, K kernels of R×S weights, K maps of H′×W′; rows before columns, padding per side.
"""

from itertools import pairwise
from math import prod

import numpy as np

from cnncourse.check import as_one_of
from cnncourse.filtering import BORDERS, _fast_length

CONVENTIONS = {  # how others count; each is a word for `output_size`
    "torch": "padding on each side, dilation 1 is a dense kernel",
    "total padding": "padding of both sides together",
    "valid": "no padding: only where the kernel fits",
    "same": "TensorFlow: ⌈size / stride⌉, and the odd pixel of padding at the end",
    "dilation from 0": "as torch, but the holes are counted: dilation 0 is a dense kernel",
}

_LARGE = 15 * 15  # kernels of more weights may go through frequencies
_SHORT = 16  # outputs: a row of fewer float32 is shorter than a cache line of 64 bytes
_BAND = 1 << 20  # bytes of the patch matrix that are made at a time: what a core's cache holds


def output_size(
    size, kernel_size, stride=1, padding=0, dilation=1, ceil_mode=False, convention="torch"
):
    """Count the outputs along one axis: ``⌊(H + 2·p − d·(R − 1) − 1) / s⌋ + 1``.

    Parameters
    ----------
    size, kernel_size : int
        H and R, in pixels.
    stride : int
        s, pixels from one output to the next.
    padding : int
        p, pixels added on each side (with "total padding", on both together); 0 for "valid" and
        "same".
    dilation : int
        d, pixels from one weight to the next.
    ceil_mode : bool
        Round up instead of down, so that a last window may hang over the end. It must start inside
        the image or its padding at the beginning, as in torch's pooling layers.
    convention : {"torch", "total padding", "valid", "same", "dilation from 0"}
        Whose words these are, see `CONVENTIONS`.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If a number is not whole or too small, the kernel is larger than the padded image (with the
        formula filled in), or "valid" or "same" come with padding or ceil_mode.

    See Also
    --------
    torch.nn.Conv2d, torch.nn.MaxPool2d

    References
    ----------
    Dumoulin, V., Visin, F., A guide to convolution arithmetic for deep learning, arXiv:1603.07285,
    2016.

    Examples
    --------
    >>> output_size(7, kernel_size=3, stride=2, padding=1)
    4
    >>> for convention in CONVENTIONS:
    ...     print(output_size(7, 4, stride=2, convention=convention), convention)
    2 torch
    2 total padding
    2 valid
    4 same
    1 dilation from 0
    """
    as_one_of(convention, CONVENTIONS, "convention")
    holes = convention == "dilation from 0"
    size, kernel_size = _whole(size, "size"), _whole(kernel_size, "kernel_size")
    stride, padding = _whole(stride, "stride"), _whole(padding, "padding", 0)
    dilation = _whole(dilation, "dilation", 0 if holes else 1) + holes
    if convention in ("valid", "same") and (padding or ceil_mode):
        raise ValueError(f"padding, ceil_mode: expected 0 and False with {convention!r}")
    if convention == "same":
        return -(-size // stride)
    before, both = padding, 2 * padding
    if convention == "total padding":
        before, both = padding // 2, padding
    room = size + both - dilation * (kernel_size - 1) - 1
    if room < 0:
        raise ValueError(
            f"kernel_size: expected a kernel that fits the padded image, got {kernel_size}: "
            f"⌊({size} + {both} − {dilation}·({kernel_size} − 1) − 1) / {stride}⌋ + 1 = "
            f"{room // stride + 1} outputs"
        )
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    return count - (ceil_mode and (count - 1) * stride >= size + before)


def same_padding(size, kernel_size, stride=1, dilation=1):
    """Split the padding with which TensorFlow's "same" gives ⌈size / stride⌉ outputs.

    Parameters
    ----------
    size, kernel_size, stride, dilation : int
        As for `output_size`, along one axis.

    Returns
    -------
    before, after : int
        Pixels at the beginning and at the end; the end gets the odd one.

    Raises
    ------
    ValueError
        If a number is not whole and above 0.

    See Also
    --------
    torch.nn.Conv2d : its ``padding="same"`` is this for stride 1, and refuses other strides

    Examples
    --------
    >>> same_padding(7, kernel_size=3)
    (1, 1)
    >>> same_padding(6, kernel_size=3, stride=2)  # torch's padding=1 would begin one row earlier
    (0, 1)
    """
    count = output_size(size, kernel_size, stride, dilation=dilation, convention="same")
    reach = dilation * (kernel_size - 1) + 1
    total = max(0, (count - 1) * stride + reach - size)
    return total // 2, total - total // 2


def pad2d(x, padding, mode="zero"):
    """Continue every image of a batch beyond its edges.

    Parameters
    ----------
    x : array_like
        (N, C, H, W).
    padding : int or tuple of int
        Pixels on every side; or (rows, columns); or (top, bottom, left, right), where torch says
        (left, right, top, bottom).
    mode : {"zero", "reflect", "replicate", "circular", "symmetric"}
        What stands there, see `filtering.add_border`. Mirrors and circles repeat where torch
        refuses, the image being smaller than its border.

    Returns
    -------
    ndarray, of x's dtype (float64 for all but float32)
        (N, C, top + H + bottom, left + W + right); x itself where there is nothing to add.

    Raises
    ------
    ValueError
        For no 4-D array of real numbers, a negative padding or an unknown mode.

    See Also
    --------
    torch.nn.functional.pad

    Examples
    --------
    >>> pad2d([[[[1, 2, 3]]]], (0, 0, 1, 2), "reflect")
    array([[[[2., 1., 2., 3., 2., 1.]]]])
    """
    x = _as_floats(x, "x", "(N, C, H, W)")
    mode = BORDERS[as_one_of(mode, BORDERS, "mode")]
    if np.ndim(padding) == 1 and len(padding) == 4:
        top, bottom, left, right = (_whole(side, "padding", 0) for side in padding)
    else:
        top, left = bottom, right = _pair(padding, "padding", 0)
    if not (top or bottom or left or right):
        return x
    if mode == BORDERS["zero"]:  # the same as np.pad, without its detours
        N, C, H, W = x.shape
        padded = np.zeros((N, C, top + H + bottom, left + W + right), x.dtype)
        padded[:, :, top : top + H, left : left + W] = x
        return padded
    return np.pad(x, [(0, 0), (0, 0), (top, bottom), (left, right)], mode)


def patches(x, kernel_size, stride=1, dilation=1):
    """Show every window of the images without copying a pixel.

    ``result[n, c, r, s, i, j] = x[n, c, i·stride + r·dilation, j·stride + s·dilation]``. As a
    matrix of C·R·S rows and H′·W′ columns, each column is what one output reads.

    Parameters
    ----------
    x : array_like
        (N, C, H, W).
    kernel_size, stride, dilation : int or (int, int)
        In pixels; a pair is (rows, columns).

    Returns
    -------
    ndarray, of x's dtype (float64 for all but float32)
        (N, C, R, S, H′, W′), a read-only view: pixels that windows share stand in memory once.

    Raises
    ------
    ValueError
        For no 4-D array of real numbers, or impossible geometry, as `output_size` does.

    See Also
    --------
    torch.nn.functional.unfold, numpy.lib.stride_tricks.sliding_window_view

    Examples
    --------
    >>> view = patches([[[[1, 2, 3, 4]]]], kernel_size=(1, 3))
    >>> view.shape
    (1, 1, 1, 3, 1, 2)
    >>> view.reshape(3, 2)
    array([[1., 2.],
           [2., 3.],
           [3., 4.]])
    """
    x = _as_floats(x, "x", "(N, C, H, W)")
    kernel_size = _pair(kernel_size, "kernel_size")
    stride, dilation = _pair(stride, "stride"), _pair(dilation, "dilation")
    for axis in (0, 1):  # refuse impossible geometry
        output_size(x.shape[2 + axis], kernel_size[axis], stride[axis], 0, dilation[axis])
    view = _windows(x, kernel_size, stride, dilation)
    view.flags.writeable = False
    return view


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Slide K kernels over a batch: every output is a sum over channels and window, plus a bias.

    ``y[n, k, i, j] = b[k] + ΣΣΣ w[k, c, r, s] · x[n, c, i·stride + r·dilation − padding, …]``

    Kernels above about 15×15 take the way through frequencies where a count of the work says that
    it is faster: the same values up to rounding, in the same dtype.

    Parameters
    ----------
    x : array_like
        (N, C, H, W).
    weight : array_like
        (K, C / groups, R, S); read in x's dtype.
    bias : array_like, optional
        (K,).
    stride, padding, dilation : int or (int, int)
        In pixels; a pair is (rows, columns). The padding is zero, on each side; for another, call
        `pad2d` first.
    groups : int
        Divides C and K: the g-th part of the maps reads the g-th part of the channels. With
        groups = C it is a depthwise convolution.

    Returns
    -------
    ndarray, of x's dtype (float64 for all but float32)
        (N, K, H′, W′), see `output_size`. NaN and infinity spread as far as the kernel reaches.

    Raises
    ------
    ValueError
        Naming argument, got and expected: ranks, channels, groups that divide neither C nor K, the
        bias's length, impossible geometry.

    See Also
    --------
    torch.nn.functional.conv2d

    References
    ----------
    Goodfellow, I., Bengio, Y., Courville, A., Deep Learning, 2016, chapter 9.

    Examples
    --------
    1·1 + 2·5 = 11 in the first window, if the kernel is 1 and 2 on its diagonal; the bias adds 100.

    >>> conv2d([[[[1, 2, 3], [4, 5, 6]]]], [[[[1, 0], [0, 2]]]], bias=[100])
    array([[[[111., 114.]]]])
    """
    x, weight, geometry, sizes = _layer(x, weight, stride, padding, dilation, groups)
    bias = 0 if bias is None else _as_bias(bias, len(weight), x.dtype)
    y = np.empty((len(x), len(weight), *sizes), x.dtype)  # (N, K, H′, W′)
    if _frequencies_pay(x, weight, geometry, sizes):
        _conv2d_fft(x, weight, *geometry, groups, out=y)
    else:
        matrix = weight.reshape(groups, len(weight) // groups, -1)  # (G, K/G, C/G·R·S)
        for images, rows, columns in _columns(x, weight, *geometry, groups):
            maps = _grouped(y[images, :, rows], groups)  # (n, G, K/G, h·W′), a view of y
            np.matmul(matrix, columns, out=maps)  # columns: (n, G, C/G·R·S, h·W′)
    y += bias
    return y


def conv2d_backward(dy, x, weight, stride=1, padding=0, dilation=1, groups=1):
    """Pass a gradient back through `conv2d`, by the same patches and the transposed product.

    Every weight met every window once, so its gradient sums window · dy over all of them; every
    pixel gets back weight · dy from all the outputs that read it, which is `conv2d_transpose`.

    Parameters
    ----------
    dy : array_like
        (N, K, H′, W′), the loss's gradient with respect to the output.
    x, weight : array_like
        (N, C, H, W) and (K, C / groups, R, S), as `conv2d` got them.
    stride, padding, dilation, groups
        As `conv2d` got them.

    Returns
    -------
    dx, dweight, dbias : ndarray, of x's dtype (float64 for all but float32)
        (N, C, H, W), (K, C / groups, R, S) and (K,).

    Raises
    ------
    ValueError
        As `conv2d` does, and if dy has another shape than its result.

    See Also
    --------
    torch.autograd.grad, torch.nn.grad.conv2d_input, torch.nn.grad.conv2d_weight

    References
    ----------
    Goodfellow, I., Bengio, Y., Courville, A., Deep Learning, 2016, section 9.5.

    Examples
    --------
    Both outputs read the pixel in the middle: 5·1 + 4·10 = 45.

    >>> dx, dweight, dbias = conv2d_backward([[[[1, 10]]]], [[[[1, 2, 3]]]], [[[[4, 5]]]])
    >>> dx
    array([[[[ 4., 45., 50.]]]])
    >>> dweight, dbias
    (array([[[[21., 32.]]]]), array([11.]))
    """
    x, weight, geometry, sizes = _layer(x, weight, stride, padding, dilation, groups)
    dy = _as_floats(dy, "dy", "(N, K, H′, W′)").astype(x.dtype, copy=False)
    expected = (len(x), len(weight), *sizes)
    if dy.shape != expected:
        raise ValueError(f"dy: expected the shape of conv2d's result, {expected}, got {dy.shape}")
    dweight = _dweight(dy, x, weight, *geometry, groups)
    dx = _spread(dy, weight, x.shape, *geometry, groups)
    return dx, dweight, dy.sum((0, 2, 3))


def conv2d_transpose(y, weight, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    """Spread every value over the window that it would have come from: `conv2d`'s adjoint.

    ``⟨conv2d(x, w), y⟩ = ⟨x, conv2d_transpose(y, w)⟩`` for all x and y. It enlarges maps, and it
    does not undo a convolution.

    Parameters
    ----------
    y : array_like
        (N, K, H′, W′).
    weight : array_like
        (K, C / groups, R, S), the same as for `conv2d`: from K maps back to C channels.
    stride, padding, dilation : int or (int, int)
        Of the convolution: the stride spreads y out, the padding cuts the result's sides.
    output_padding : int or (int, int)
        Rows and columns more at the end, below stride or dilation: where the stride rounded down,
        several sizes led to H′, and this says which.
    groups : int
        As for `conv2d`.

    Returns
    -------
    ndarray, of y's dtype (float64 for all but float32)
        (N, C, H, W) with ``H = (H′ − 1)·s − 2·p + d·(R − 1) + output_padding + 1``.

    Raises
    ------
    ValueError
        As `conv2d` does, for an output_padding that is too large, or if nothing is left.

    See Also
    --------
    torch.nn.functional.conv_transpose2d

    References
    ----------
    Dumoulin, V., Visin, F., A guide to convolution arithmetic for deep learning, arXiv:1603.07285,
    2016, chapter 4.

    Examples
    --------
    >>> conv2d_transpose([[[[1, 10]]]], [[[[1, 2, 3]]]], stride=(1, 2))
    array([[[[ 1.,  2., 13., 20., 30.]]]])
    """
    y, weight = _as_floats(y, "y", "(N, K, H′, W′)"), _as_floats(weight, "weight", "(K, C, R, S)")
    groups = _whole(groups, "groups")
    if y.shape[1] != len(weight) or len(weight) % groups:
        raise ValueError(
            f"y: expected weight's {len(weight)} channels, a multiple of groups = {groups}, "
            f"got {y.shape[1]}"
        )
    stride, padding = _pair(stride, "stride"), _pair(padding, "padding", 0)
    extra, dilation = _pair(output_padding, "output_padding", 0), _pair(dilation, "dilation")
    axes = y.shape[2:], weight.shape[2:], stride, padding, extra, dilation
    sizes = map(_transposed_size, *axes)  # H and W
    shape = (len(y), weight.shape[1] * groups, *sizes)
    return _spread(y, weight.astype(y.dtype, copy=False), shape, stride, padding, dilation, groups)


def conv2d_matrix(weight, input_shape, stride=1, padding=0, dilation=1):
    """Write a small convolution layer as the matrix of a dense layer.

    It is sparse, for an output reads only its window, and tied, for every row of a map holds the
    same weights: ``conv2d(x, weight).ravel() = matrix @ x.ravel()``.

    Parameters
    ----------
    weight : array_like
        (K, C, R, S).
    input_shape : tuple of int
        (C, H, W).
    stride, padding, dilation : int or (int, int)
        As for `conv2d`.

    Returns
    -------
    ndarray, of weight's dtype (float64 for all but float32)
        (K·H′·W′, C·H·W). Dense in memory: keep the layer small.

    Raises
    ------
    ValueError
        As `conv2d` does.

    See Also
    --------
    scipy.linalg.toeplitz

    References
    ----------
    Goodfellow, I., Bengio, Y., Courville, A., Deep Learning, 2016, section 9.1.

    Examples
    --------
    >>> conv2d_matrix([[[[1, 2]]]], (1, 1, 4))
    array([[1., 2., 0., 0.],
           [0., 1., 2., 0.],
           [0., 0., 1., 2.]])
    """
    C, H, W = _shape3(input_shape)
    weight = _as_floats(weight, "weight", "(K, C, R, S)")
    number = np.arange(1, C * H * W + 1, dtype=weight.dtype).reshape(1, C, H, W)  # 0 is padding
    _, _, (stride, padding, dilation), _ = _layer(number, weight, stride, padding, dilation, 1)
    view = _windows(pad2d(number, padding), weight.shape[2:], stride, dilation)
    read = view.reshape(weight[0].size, -1).T.astype(int)  # (H′·W′, C·R·S): pixels an output reads
    matrix = np.zeros((len(weight), len(read), number.size + 1), weight.dtype)
    np.put_along_axis(matrix, read[None], weight.reshape(len(weight), 1, -1), axis=2)
    return matrix.reshape(-1, number.size + 1)[:, 1:]  # without the padding's column


def pixel_coverage(input_shape, kernel_size, stride=1, padding=0, dilation=1, layers=1):
    """Count in how many outputs each input pixel takes part.

    Parameters
    ----------
    input_shape : tuple of int
        (H, W), in pixels.
    kernel_size, stride, padding, dilation : int or (int, int)
        Of every layer, as for `conv2d`.
    layers : int
        How many such layers stand on one another; the last one's outputs are counted, once each.

    Returns
    -------
    ndarray, int64
        (H, W).

    Raises
    ------
    ValueError
        As `output_size` does.

    Examples
    --------
    Without padding a corner is seen once, the middle by all nine 3×3 windows.

    >>> pixel_coverage((5, 5), kernel_size=3)
    array([[1, 2, 3, 2, 1],
           [2, 4, 6, 4, 2],
           [3, 6, 9, 6, 3],
           [2, 4, 6, 4, 2],
           [1, 2, 3, 2, 1]])
    """
    sizes = _pair(input_shape, "input_shape")
    kernel_size, padding = _pair(kernel_size, "kernel_size"), _pair(padding, "padding", 0)
    stride, dilation = _pair(stride, "stride"), _pair(dilation, "dilation")
    counts = []
    for n, k, s, p, d in zip(sizes, kernel_size, stride, padding, dilation, strict=True):
        reads = np.eye(n, dtype=bool)  # (outputs, pixels): which output reads which pixel
        for _ in range(_whole(layers, "layers")):
            first = s * np.arange(output_size(len(reads), k, s, p, d)) - p
            window = first[:, None] + d * np.arange(k)  # (outputs, R), below 0 in the padding
            reads = (window[:, :, None] == np.arange(len(reads))).any(1) @ reads
        counts.append(reads.sum(0))
    return np.outer(*counts)  # rows and columns do not know of each other


def receptive_field(layers):
    """Compute which input pixels an output of a stack of layers can see, along one axis.

    Output i sees ``size`` pixels, from ``start + i·jump`` on (fewer, if it has a hole).

    Parameters
    ----------
    layers : sequence of tuple of int
        A tuple a layer, the first layer first: (kernel_size, stride, dilation, padding); what is
        left out at its end is 1, 1 and 0.

    Returns
    -------
    size, jump, start : int
        In input pixels. The start is negative where the first output also sees padding.

    Raises
    ------
    ValueError
        If a layer is no such tuple.

    See Also
    --------
    pixel_coverage

    References
    ----------
    Dumoulin, V., Visin, F., A guide to convolution arithmetic for deep learning, arXiv:1603.07285,
    2016.

    Examples
    --------
    Two 3×3 layers see what one 5×5 sees; with stride 2 in the first, more.

    >>> receptive_field([(3,), (3,)]), receptive_field([(5,)])
    ((5, 1, 0), (5, 1, 0))
    >>> receptive_field([(3, 2), (3, 1)])
    (7, 2, 0)
    """
    size, jump, start = 1, 1, 0
    for layer in layers:
        if not isinstance(layer, (tuple, list)) or not 1 <= len(layer) <= 4:
            raise ValueError(
                f"layers: expected tuples (kernel_size, stride, dilation, padding), got {layer!r}"
            )
        kernel_size, stride, dilation, padding = (*layer, *(1, 1, 1, 0)[len(layer) :])
        size += _whole(dilation, "dilation") * (_whole(kernel_size, "kernel_size") - 1) * jump
        start -= _whole(padding, "padding", 0) * jump
        jump *= _whole(stride, "stride")
    return size, jump, start


def layer_cost(input_shape, layers, batch_size=1, dtype="float32"):
    """Count the parameters, multiplications and bytes of a stack of convolution layers.

    Parameters
    ----------
    input_shape : tuple of int
        (C, H, W).
    layers : dict or sequence of dict
        A layer in the words of `torch.nn.Conv2d`: ``out_channels`` and ``kernel_size``, and
        where they are not 1, 0, 1, 1 and True, ``stride``, ``padding``, ``dilation``, ``groups``
        and ``bias``.
    batch_size : int
        N, the images that are computed together.
    dtype : str or dtype
        Of the numbers; float32 takes 4 bytes.

    Returns
    -------
    dict
        ``output_shape`` (N, K, H′, W′) of the last layer; ``parameters``, weights and biases;
        ``multiply_adds`` of the batch; ``output_bytes`` of the last layer; ``training_bytes``, all
        activations with the input, which the backward pass needs; ``inference_bytes``, the input
        and output of the layer where they are largest. Weights are in none of the bytes.

    Raises
    ------
    ValueError
        As `conv2d` does, or if a layer has other words.

    See Also
    --------
    torch.nn.Conv2d

    Examples
    --------
    The book's arithmetic: 200 · (5·5·3 + 1) parameters, 150·100·200 · 75 multiplications.

    >>> cost = layer_cost((3, 150, 100), {"out_channels": 200, "kernel_size": 5, "padding": 2})
    >>> cost["parameters"], cost["multiply_adds"], cost["output_bytes"]
    (15200, 225000000, 12000000)
    """
    shape, batch_size = _shape3(input_shape), _whole(batch_size, "batch_size")
    image = batch_size * np.dtype(dtype).itemsize
    activations, parameters, multiply_adds = [prod(shape) * image], 0, 0
    for layer in [layers] if isinstance(layers, dict) else layers:
        shape, weights, biases = _one_layer(shape, layer)
        parameters += weights + biases
        multiply_adds += batch_size * weights * shape[1] * shape[2]
        activations.append(prod(shape) * image)
    return {
        "output_shape": (batch_size, *shape),
        "parameters": parameters,
        "multiply_adds": multiply_adds,
        "output_bytes": activations[-1],
        "training_bytes": sum(activations),
        "inference_bytes": max(map(sum, pairwise(activations))),
    }


def _windows(x, kernel_size, stride, dilation):
    """Return `patches` of an array, writable if it is; the geometry has been checked."""
    (sh, sw), (dh, dw), (R, S) = stride, dilation, kernel_size
    n, c, row, column = x.strides  # bytes to the next image, channel, row, column
    height, width = x.shape[2] - dh * (R - 1), x.shape[3] - dw * (S - 1)  # where windows begin
    shape = (*x.shape[:2], R, S, -(-height // sh), -(-width // sw))
    strides = (n, c, dh * row, dw * column, sh * row, sw * column)
    return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=x.flags.writeable)


def _columns(x, weight, stride, padding, dilation, groups):
    """Yield images, output rows and the matrix of what these read, (n, G, C/G·R·S, h·W′)."""
    R, S = weight.shape[2:]
    height, width = map(output_size, x.shape[2:], (R, S), stride, padding, dilation)
    for images, bands in _bands(len(x), height, x.shape[1] * R * S * width * x.itemsize):
        view = _windows(pad2d(x[images], padding), (R, S), stride, dilation)
        for rows in bands:
            yield images, rows, _grouped(view[..., rows, :], groups)  # copies about 1 MB


def _bands(N, height, row):
    """Cut a batch where the patches of a row of outputs take so many bytes: images, rows of them.

    A band's patches fill the cache: those of several small images, or of part of a large one.
    """
    images = max(1, min(N, _BAND // (row * height)))
    rows = max(1, min(height, _BAND // row))
    for n in range(0, N, images):
        yield slice(n, n + images), [slice(i, i + rows) for i in range(0, height, rows)]


def _transposed_size(size, kernel_size, stride, padding, extra, dilation):
    """Count the pixels along one axis of a transposed convolution, or refuse them."""
    if extra >= max(stride, dilation):
        raise ValueError(f"output_padding: expected less than stride or dilation, got {extra}")
    count = (size - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + extra + 1
    if count < 1:
        raise ValueError(
            f"padding: expected to leave a pixel, got ({size} − 1)·{stride} − 2·{padding} + "
            f"{dilation}·({kernel_size} − 1) + {extra} + 1 = {count}"
        )
    return count


def _grouped(array, groups):
    """Reshape (n, K or (C, R, S), h, W′) to a matrix for every image and group, (n, G, …, h·W′)."""
    *rows, height, width = array.shape[1:]
    return array.reshape(len(array), groups, prod(rows) // groups, height * width)


def _dweight(dy, x, weight, stride, padding, dilation, groups):
    """Sum window · dy over all windows: (K, C/G, R, S), the weights' gradient."""
    geometry, (K, Cg, R, S) = (stride, padding, dilation), weight.shape
    if _frequencies_pay(x, weight, geometry, dy.shape[2:]):
        dweight = np.zeros(weight.shape, x.dtype)
        _dweight_fft(dy, x, *geometry, groups, out=dweight)
        return dweight
    # transposed, because a product with few columns is faster than one with few rows
    matrix = np.zeros((groups, Cg * R * S, K // groups), x.dtype)
    for images, rows, columns in _columns(x, weight, *geometry, groups):
        dmaps = _grouped(dy[images, :, rows], groups)  # (n, G, K/G, h·W′)
        matrix += (columns @ dmaps.swapaxes(2, 3)).sum(0)
    return np.ascontiguousarray(matrix.swapaxes(1, 2)).reshape(weight.shape)


def _spread(dy, weight, shape, stride, padding, dilation, groups):
    """Add weight · dy to every pixel that an output read: (N, C, H, W), the given shape."""
    (N, C, H, W), (ph, pw), (K, Cg, R, S) = shape, padding, weight.shape
    # with stride 1 the same sum is a convolution of dy, and cheaper unless it has many more maps
    qh, qw = dilation[0] * (R - 1) - ph, dilation[1] * (S - 1) - pw
    dense = stride == (1, 1) and (dy.shape[2] + qh - ph, dy.shape[3] + qw - pw) == (H, W)
    if dense and min(qh, qw) >= 0 and (K // groups <= 2 * Cg or R * S > _LARGE):
        return conv2d(dy, _turned(weight, groups), None, 1, (qh, qw), dilation, groups)
    if dy.shape[3] < _SHORT and min(N, R * S) > 1:
        return _spread_last(dy, weight, shape, stride, padding, dilation, groups)
    dx = np.zeros((N, C, H + 2 * ph, W + 2 * pw), dy.dtype)
    view = _windows(dx, (R, S), stride, dilation)[..., : dy.shape[2], : dy.shape[3]]
    matrix = weight.reshape(groups, K // groups, -1).swapaxes(1, 2)  # (G, C/G·R·S, K/G)
    for images, bands in _bands(N, dy.shape[2], C * R * S * dy.shape[3] * dy.itemsize):
        for rows in bands:
            columns = matrix @ _grouped(dy[images, :, rows], groups)  # (n, G, C/G·R·S, h·W′)
            target = view[images, ..., rows, :]  # (n, C, R, S, h, W′)
            columns = columns.reshape(target.shape)
            for r, s in np.ndindex(R, S):  # windows overlap, but not at one and the same offset
                target[:, :, r, s] += columns[:, :, r, s]
    return np.ascontiguousarray(dx[:, :, ph : ph + H, pw : pw + W])


def _spread_last(dy, weight, shape, stride, padding, dilation, groups):
    """Do the same with the batch last in memory: rows are short, rows of n images are not."""
    (N, C, H, W), (ph, pw), (K, _, R, S) = shape, padding, weight.shape
    (height, width), dx = dy.shape[2:], np.empty(shape, dy.dtype)
    matrix = weight.reshape(groups, K // groups, -1).swapaxes(1, 2)  # (G, C/G·R·S, K/G)
    for images, bands in _bands(N, height, C * R * S * width * dy.itemsize):
        sums = np.zeros((C, H + 2 * ph, W + 2 * pw, len(dy[images])), dy.dtype)
        view = _windows(sums.transpose(3, 0, 1, 2), (R, S), stride, dilation)
        view = view[..., :height, :width].transpose(1, 2, 3, 4, 5, 0)
        for rows in bands:
            target = view[..., rows, :, :]  # (C, R, S, h, W′, n), a view of sums
            dmaps = dy[images, :, rows].transpose(1, 2, 3, 0)  # (K, h, W′, n)
            columns = matrix @ dmaps.reshape(groups, K // groups, -1)  # (G, C/G·R·S, h·W′·n)
            columns = columns.reshape(target.shape)
            for r, s in np.ndindex(R, S):
                target[:, r, s] += columns[:, r, s]
        dx[images] = sums[:, ph : ph + H, pw : pw + W].transpose(3, 0, 1, 2)
    return dx


def _turned(weight, groups):
    """Turn kernels by 180° and swap maps with channels: (K, C/G, R, S) becomes (C, K/G, R, S)."""
    K, Cg, R, S = weight.shape
    turned = weight.reshape(groups, K // groups, Cg, R, S)[..., ::-1, ::-1]
    turned = turned.swapaxes(1, 2).reshape(groups * Cg, K // groups, R, S)
    return np.ascontiguousarray(turned)  # a product with steps backwards would miss the BLAS


def _frequencies_pay(x, weight, geometry, sizes):
    """Estimate whether the way through frequencies is faster.

    The constants were measured: the time of a step, in multiply-adds of a matrix product.
    """
    (N, C), (K, Cg, R, S), size = x.shape[:2], weight.shape, _fft_size(x, geometry[1])
    direct = N * R * S * prod(sizes) * (K * Cg + 8 * C)  # products, copies
    transforms = (N * C + len(_batches(x, size)) * K * Cg + N * K) * np.log2(prod(size))
    frequencies = (10 * transforms + 50 * N * K * Cg) * prod(size)
    pays = R * S > _LARGE and frequencies < direct
    return pays and np.isfinite(x).all() and np.isfinite(weight).all()  # NaN would get everywhere


def _conv2d_fft(x, weight, stride, padding, dilation, groups, out):
    """Fill `out` with the correlation of x and the weights, map by map."""
    size = _fft_size(x, padding)
    for images in _batches(x, size):
        waves = np.fft.rfft2(pad2d(x[images], padding), size)  # (n, C, U, V)
        for k, c in enumerate(_channels(weight, groups)):
            w = np.fft.rfft2(_with_holes(weight[k], dilation), size)  # (C/G, U, V)
            every = np.fft.irfft2(np.einsum("ncuv,cuv->nuv", waves[:, c], w.conj()), size)
            out[images, k] = _every(every, stride, out.shape[2:])


def _dweight_fft(dy, x, stride, padding, dilation, groups, out):
    """Add the correlation of x and dy to `out` (K, C/G, R, S), map by map."""
    size = _fft_size(x, padding)
    for images in _batches(x, size):
        waves = np.fft.rfft2(pad2d(x[images], padding), size)  # (n, C, U, V)
        for k, c in enumerate(_channels(out, groups)):
            d = np.fft.rfft2(_with_holes(dy[images, k], stride), size)  # (n, U, V)
            every = np.fft.irfft2(np.einsum("ncuv,nuv->cuv", waves[:, c], d.conj()), size)
            out[k] += _every(every, dilation, out.shape[2:])


def _fft_size(x, padding):
    """Return lengths for the transform at which nothing that is used wraps around."""
    return tuple(_fast_length(n + 2 * p) for n, p in zip(x.shape[2:], padding, strict=True))


def _batches(x, size):
    """Cut a batch into images whose transforms take about 2 MB."""
    images = max(1, 2 * _BAND // (x.shape[1] * prod(size) * x.itemsize))
    return [slice(n, n + images) for n in range(0, len(x), images)]


def _channels(weight, groups):
    """List for every map the channels that it reads."""
    K, Cg = weight.shape[:2]
    return [slice(k // (K // groups) * Cg, (k // (K // groups) + 1) * Cg) for k in range(K)]


def _with_holes(array, step):
    """Put step − 1 zeros between rows and columns."""
    *rest, height, width = array.shape
    result = np.zeros((*rest, (height - 1) * step[0] + 1, (width - 1) * step[1] + 1), array.dtype)
    result[..., :: step[0], :: step[1]] = array
    return result


def _every(array, step, shape):
    """Take every step-th row and column, as many as the shape says."""
    return array[..., :: step[0], :: step[1]][..., : shape[0], : shape[1]]


def _layer(x, weight, stride, padding, dilation, groups):
    """Return a layer's arguments as floats and pairs, or refuse them."""
    x, weight = _as_floats(x, "x", "(N, C, H, W)"), _as_floats(weight, "weight", "(K, C, R, S)")
    (K, Cg), C, groups = weight.shape[:2], x.shape[1], _whole(groups, "groups")
    if C % groups or K % groups:
        raise ValueError(
            f"groups: expected a divisor of x's {C} channels and weight's {K} maps, got {groups}"
        )
    if Cg * groups != C:
        raise ValueError(
            f"weight: expected x's {C} channels / groups = {groups}, {C // groups}, got shape "
            f"{weight.shape} with {Cg}"
        )
    stride, padding = _pair(stride, "stride"), _pair(padding, "padding", 0)
    dilation = _pair(dilation, "dilation")
    sizes = tuple(map(output_size, x.shape[2:], weight.shape[2:], stride, padding, dilation))
    return x, weight.astype(x.dtype, copy=False), (stride, padding, dilation), sizes


def _one_layer(shape, layer):
    """Return the output's (K, H′, W′) of one layer, its number of weights, and of biases."""
    known = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True}
    given = known | dict(layer)
    if given.keys() != {"out_channels", "kernel_size", *known}:
        raise ValueError(
            f"layers: expected out_channels, kernel_size and any of {', '.join(known)}, "
            f"got {', '.join(layer)}"
        )
    K, groups = _whole(given["out_channels"], "out_channels"), _whole(given["groups"], "groups")
    if shape[0] % groups or K % groups:
        raise ValueError(f"groups: expected a divisor of {shape[0]} and {K}, got {groups}")
    names = ("kernel_size", "stride", "padding", "dilation")
    pairs = [_pair(given[name], name, least=name != "padding") for name in names]
    sizes = map(output_size, shape[1:], *pairs)
    weights = K * shape[0] // groups * prod(pairs[0])
    return (K, *sizes), weights, K * bool(given["bias"])


def _as_floats(array, name, axes):
    """Return a 4-D array of native floats, or refuse it; integers become float64, so none wraps."""
    array = np.asarray(array)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name}: expected real numbers, got dtype {array.dtype}")
    if array.ndim != 4 or 0 in array.shape[1:]:
        raise ValueError(f"{name}: expected a 4-D array {axes}, got shape {array.shape}")
    kept = array.dtype.kind == "f" and array.itemsize in (4, 8)
    return array.astype(array.dtype.newbyteorder("=") if kept else np.float64, copy=False)


def _as_bias(bias, K, dtype):
    """Return the bias as (K, 1, 1), or refuse it."""
    bias = np.asarray(bias)
    if bias.shape != (K,) or bias.dtype.kind not in "fiub":
        raise ValueError(f"bias: expected {K} numbers, one a map, got shape {bias.shape}")
    return bias.astype(dtype).reshape(K, 1, 1)


def _pair(value, name, least=1):
    """Return (rows, columns) of one whole number or two, or refuse it."""
    pair = tuple(value) if isinstance(value, (tuple, list, np.ndarray)) else (value, value)
    if len(pair) != 2:
        raise ValueError(f"{name}: expected a whole number or (rows, columns), got {value!r}")
    return _whole(pair[0], name, least), _whole(pair[1], name, least)


def _whole(value, name, least=1):
    """Return a whole number as int, or refuse one that is no number or too small."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name}: expected a whole number of {least} or more, got {value!r}")
    return int(value)


def _shape3(shape):
    """Return (C, H, W), or refuse it."""
    if not isinstance(shape, (tuple, list)) or len(shape) != 3:
        raise ValueError(f"input_shape: expected (C, H, W), got {shape!r}")
    return tuple(_whole(length, "input_shape") for length in shape)
