"""Chapter 6, memory: a convolution of many images in fewer and longer pieces.

The shape stays (N, C, H, W); in memory the images lie as (C, H, W, N), so that a row of W pixels is
a run of W·N numbers. Rows are written out instead of windows: with stride 1 a pixel is copied about
S times, where chapter 4's columns hold it R·S times. K kernels of R×S weights, K maps of H′×W′,
padding per side.
"""

import numpy as np

from cnncourse.convolution import _LARGE, _as_bias, _as_floats, _layer, conv2d, conv2d_backward

_BAND = 1 << 22  # bytes that are copied at a time: more leave the cache, fewer overlap more often


def batch_last(x):
    """Lay images in memory as (C, H, W, N), whatever their order was.

    Parameters
    ----------
    x : array_like
        (N, C, H, W).

    Returns
    -------
    ndarray, of x's dtype (float64 for all but float32)
        (N, C, H, W), equal to x; a view of it if it lies so already and has this dtype.

    Raises
    ------
    ValueError
        For no 4-D array of real numbers, or one without channels or pixels.

    See Also
    --------
    torch.memory_format : its ``channels_last`` is (N, H, W, C)

    Examples
    --------
    Bytes to the next image, channel, row and column: a number takes 8.

    >>> x = np.zeros((2, 3, 4, 5))
    >>> x.strides, batch_last(x).strides
    ((480, 160, 40, 8), (8, 320, 80, 16))
    """
    x = _as_floats(x, "x", "(N, C, H, W)")
    return np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)


def conv2d_last(x, weight, bias=None, stride=1, padding=0):
    """Convolve as `convolution.conv2d` does, with the batch last in memory.

    What stands side by side in the image is copied side by side, each pixel about S times. Then
    the R rows of pixels that a row of outputs reads follow one another: they are its matrix, which
    is no further copy. There are no dilation and no groups. This is for many images and small
    kernels; one image, or a kernel above about 15×15, is left to `conv2d`.

    Parameters
    ----------
    x, weight, bias, stride, padding
        As for `convolution.conv2d`; x may lie in any order.

    Returns
    -------
    ndarray, of x's dtype (float64 for all but float32)
        (N, K, H′, W′), in memory (K, H′, W′, N).

    Raises
    ------
    ValueError
        As `convolution.conv2d` does.

    See Also
    --------
    torch.nn.functional.conv2d

    Examples
    --------
    >>> conv2d_last([[[[1, 2, 3], [4, 5, 6]]]], [[[[1, 0], [0, 2]]]], bias=[100])
    array([[[[111., 114.]]]])
    """
    x, weight, (stride, padding, _), sizes = _layer(x, weight, stride, padding, 1, 1)
    if _is_for_conv2d(x, weight):
        return batch_last(conv2d(x, weight, bias, stride, padding))
    N, K, (height, width) = len(x), len(weight), sizes
    y, matrix = np.empty((K, height, width, N), x.dtype), _matrix(weight)
    maps = y.reshape(K, height, width * N)
    for i, columns in _matrices(x, weight, stride, padding, *sizes):
        np.matmul(matrix, columns, out=maps[:, i])  # (K, R·C·S) @ (R·C·S, W′·N)
    y = y.transpose(3, 0, 1, 2)
    if bias is not None:
        y += _as_bias(bias, K, x.dtype)
    return y


def conv2d_last_backward(dy, x, weight, stride=1, padding=0, need_dx=True):
    """Pass a gradient back through `conv2d_last`.

    Parameters
    ----------
    dy : array_like
        (N, K, H′, W′), the loss's gradient with respect to the output.
    x, weight, stride, padding
        As `conv2d_last` got them.
    need_dx : bool
        A first layer's images need no gradient: with False it is not computed.

    Returns
    -------
    dx, dweight, dbias : ndarray, of x's dtype (float64 for all but float32)
        (N, C, H, W), in memory (C, H, W, N), or None; (K, C, R, S); and (K,).

    Raises
    ------
    ValueError
        As `convolution.conv2d_backward` does.

    See Also
    --------
    convolution.conv2d_backward, torch.autograd.grad

    Examples
    --------
    Both outputs read the pixel in the middle: 5·1 + 4·10 = 45.

    >>> dx, dweight, dbias = conv2d_last_backward([[[[1, 10]]]], [[[[1, 2, 3]]]], [[[[4, 5]]]])
    >>> dx
    array([[[[ 4., 45., 50.]]]])
    >>> dweight, dbias
    (array([[[[21., 32.]]]]), array([11.]))
    """
    x, weight, (stride, padding, _), sizes = _layer(x, weight, stride, padding, 1, 1)
    dy, expected = _as_floats(dy, "dy", "(N, K, H′, W′)"), (len(x), len(weight), *sizes)
    if dy.shape != expected:
        raise ValueError(f"dy: expected the shape of the output, {expected}, got {dy.shape}")
    if _is_for_conv2d(x, weight):
        dx, dweight, dbias = conv2d_backward(dy, x, weight, stride, padding)
        return batch_last(dx) if need_dx else None, dweight, dbias
    dy = batch_last(dy.astype(x.dtype, copy=False)).transpose(1, 2, 3, 0)  # (K, H′, W′, N)
    (K, C, R, S), (height, width) = weight.shape, sizes
    dmaps, dmatrix = dy.reshape(K, height, width * len(x)), np.zeros((R * C * S, K), x.dtype)
    for i, columns in _matrices(x, weight, stride, padding, *sizes):
        dmatrix += columns @ dmaps[:, i].T  # so turned it is faster than its transpose
    dweight = dmatrix.T.reshape(K, R, C, S).swapaxes(1, 2)
    dx = _spread_rows(dmaps, x.shape, weight, stride, padding, *sizes) if need_dx else None
    return dx, np.ascontiguousarray(dweight), dy.sum((1, 2, 3))


def _matrices(x, weight, stride, padding, height, width):
    """Yield each row of outputs' number, and what it reads as a matrix (R·C·S, W′·N)."""
    (N, C, H, W), (R, S), (ph, pw) = x.shape, weight.shape[2:], padding
    padded = x.transpose(1, 2, 3, 0)
    if ph or pw:
        padded = np.zeros((C, H + 2 * ph, W + 2 * pw, N), x.dtype)
        padded[:, ph : ph + H, pw : pw + W] = x.transpose(1, 2, 3, 0)
    for rows, read in _row_bands(R, stride[0], height, C * S * width * N * x.itemsize):
        beside = _beside(padded[:, read], S, stride[1], width)
        beside = np.ascontiguousarray(beside) if R * S > 1 else beside
        lines = beside.reshape(len(beside), C * S, width * N)
        for i in rows:
            first = i * stride[0] - read.start
            yield i, lines[first : first + R].reshape(R * C * S, width * N)  # a view


def _spread_rows(dmaps, shape, weight, stride, padding, height, width):
    """Add weight · dy to all that an output read: (N, C, H, W), in memory (C, H, W, N)."""
    (N, C, H, W), (R, S), (ph, pw) = shape, weight.shape[2:], padding
    padded, matrix = np.zeros((C, H + 2 * ph, W + 2 * pw, N), dmaps.dtype), _matrix(weight).T
    for rows, read in _row_bands(R, stride[0], height, C * S * width * N * dmaps.itemsize):
        target = _beside(padded[:, read], S, stride[1], width)
        beside = np.zeros(target.shape, dmaps.dtype)  # (h, C, S, W′, N)
        for i in rows:
            first = i * stride[0] - read.start
            part = beside[first : first + R]
            part += (matrix @ dmaps[:, i]).reshape(part.shape)
        for s in range(S):  # windows overlap, but not at one and the same offset
            target[:, :, s] += beside[:, :, s]
    return batch_last(padded[:, ph : ph + H, pw : pw + W].transpose(3, 0, 1, 2))


def _row_bands(R, stride, height, size):
    """Cut the rows of outputs: yield their numbers, and which rows of pixels they read.

    What is copied of a row of pixels takes `size` bytes. Neighbouring bands both copy up to R − 1
    rows, so that a band reads no fewer than R that are its own.
    """
    step = max(-(-R // stride), _BAND // max(1, size * stride))
    for first in range(0, height, step):
        rows = range(first, min(first + step, height))
        yield rows, slice(first * stride, rows[-1] * stride + R)


def _beside(images, S, stride, width):
    """View (C, H, W, N) as (H, C, S, W′, N): the S pixels that each output reads of each row."""
    C, H, _, N = images.shape
    channel, row, column, image = images.strides
    strides = row, channel, column, stride * column, image
    return np.lib.stride_tricks.as_strided(images, (H, C, S, width, N), strides)


def _is_for_conv2d(x, weight):
    """Say whether chapter 4's way is the better one: for one image, and through frequencies."""
    return len(x) < 2 or weight[0, 0].size > _LARGE


def _matrix(weight):
    """Write kernels (K, C, R, S) as (K, R·C·S)."""
    return weight.swapaxes(1, 2).reshape(len(weight), -1)
