"""Chapter 5, pooling: every window of a feature map becomes one number.

The one idea is a list of slices: where the r-th pixel of every window stands. A maximum or a sum
takes them in turn, first down the columns and then along the rows, and the gradient goes back the
same way. N images of C channels and H×W pixels; C maps of H′×W′; rows before columns, padding per
side.
"""

from itertools import product
from math import comb, prod
from typing import NamedTuple

import numpy as np

from cnncourse.convolution import _as_floats, _pair, output_size

_CACHE = 1 << 21  # bytes of the maps that are worked on at a time: 1 to 4 MB were the fastest


def max_pool2d(
    x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_winners=False
):
    """Keep the largest number of every window.

    Parameters
    ----------
    x : array_like
        (N, C, H, W).
    kernel_size : int or (int, int)
        The window's rows and columns.
    stride : int or (int, int), optional
        Pixels from one window to the next; by default kernel_size, so that no two overlap.
    padding : int or (int, int)
        Pixels of −∞ on each side, which never are the largest: at most half the kernel_size.
    dilation : int or (int, int)
        Pixels from one number of the window to the next.
    ceil_mode : bool
        Let a last window hang over the end, see `output_size`.
    return_winners : bool
        Return also where each largest number stood.

    Returns
    -------
    y : ndarray, of x's dtype (float64 for all but float32)
        (N, C, H′, W′), see `output_size`. A window with a NaN gives NaN.
    winners : ndarray, int64, only if return_winners
        (N, C, H′, W′), the pixel's number in all of x in reading order, so that
        ``x.ravel()[winners]`` is y: the first one if several are largest; in a window with NaN the
        last of them. torch's ``return_indices`` begins anew in each map: ``winners % (H·W)``. The
        search takes time in proportion to the window's pixels, the maxima to its rows and columns.

    Raises
    ------
    ValueError
        If x is no 4-D array of real numbers, a number is not whole or too small, the padding is
        more than half the window, a window is larger than the padded image, or a dilation leaves
        it no pixel in the image. The message names the argument, what came and what was expected.

    See Also
    --------
    torch.nn.functional.max_pool2d

    References
    ----------
    Goodfellow, I., Bengio, Y., Courville, A., Deep Learning, 2016, section 9.3.

    Examples
    --------
    >>> max_pool2d([[[[1, 5, 2, 0], [3, 4, 7, 1]]]], kernel_size=2)
    array([[[[5., 7.]]]])
    """
    windows = _windowed(x, kernel_size, stride, padding, dilation, ceil_mode)
    y = _pooled(*windows, np.maximum, -np.inf)
    return (y, _winners(y, *windows)) if return_winners else y


def max_pool2d_backward(
    dy, x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, winners=None
):
    """Give every window's gradient to its largest pixel, the first one in reading order if several.

    Parameters
    ----------
    dy : array_like
        (N, C, H′, W′), the loss's gradient with respect to the output.
    x : array_like
        (N, C, H, W), as `max_pool2d` got it.
    kernel_size, stride, padding, dilation, ceil_mode
        As `max_pool2d` got them.
    winners : array_like, optional
        Those that `max_pool2d` returned: who kept them need not search again.

    Returns
    -------
    ndarray, of x's dtype (float64 for all but float32)
        dx, (N, C, H, W). A pixel that several windows chose gets the sum.

    Raises
    ------
    ValueError
        As `max_pool2d` does, and if dy has another shape than its result, or the winners are not
        whole numbers of that shape, each a pixel of its map, counted in all of x.

    See Also
    --------
    torch.autograd.grad

    Examples
    --------
    The two windows overlap in the 7, and both choose it.

    >>> max_pool2d_backward([[[[1, 10]]]], [[[[4, 7, 2]]]], kernel_size=(1, 2), stride=1)
    array([[[[ 0., 11., 0.]]]])
    """
    windows = _windowed(x, kernel_size, stride, padding, dilation, ceil_mode)
    if winners is None:
        winners = _winners(_pooled(*windows, np.maximum, -np.inf), *windows)
    return _routed(dy, *windows, winners)


def min_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """Keep the smallest number of every window: −max(−x).

    Parameters
    ----------
    x, kernel_size, stride, padding, dilation, ceil_mode
        As for `max_pool2d`, but the padding is +∞.

    Returns
    -------
    ndarray, of x's dtype (float64 for all but float32)
        (N, C, H′, W′).

    Raises
    ------
    ValueError
        As `max_pool2d` does.

    See Also
    --------
    scipy.ndimage.minimum_filter

    Examples
    --------
    >>> min_pool2d([[[[1, 5, 2, 0], [3, 4, 7, 1]]]], kernel_size=2)
    array([[[[1., 0.]]]])
    """
    windows = _windowed(x, kernel_size, stride, padding, dilation, ceil_mode)
    return _pooled(*windows, np.minimum, np.inf)


def min_pool2d_backward(dy, x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """Give every window's gradient to its smallest pixel, the first one if there are several.

    Parameters
    ----------
    dy, x, kernel_size, stride, padding, dilation, ceil_mode
        As for `max_pool2d_backward`.

    Returns
    -------
    ndarray, of x's dtype (float64 for all but float32)
        dx, (N, C, H, W).

    Raises
    ------
    ValueError
        As `max_pool2d_backward` does.

    Examples
    --------
    >>> min_pool2d_backward([[[[1, 10]]]], [[[[4, 7, 2, 9]]]], kernel_size=(1, 2))
    array([[[[ 1., 0., 10., 0.]]]])
    """
    windows = _windowed(x, kernel_size, stride, padding, dilation, ceil_mode)
    return _routed(dy, *windows, _winners(_pooled(*windows, np.minimum, np.inf), *windows))


def avg_pool2d(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """Average the numbers of every window.

    Parameters
    ----------
    x, kernel_size, stride, ceil_mode
        As for `max_pool2d`.
    padding : int or (int, int)
        Pixels of zero on each side, at most half the kernel_size.
    count_include_pad : bool
        Divide by the window's pixels in the image and its padding; with False by those in the image
        alone. What hangs over the padding (ceil_mode) never counts.

    Returns
    -------
    ndarray, of x's dtype (float64 for all but float32)
        (N, C, H′, W′).

    Raises
    ------
    ValueError
        As `max_pool2d` does.

    See Also
    --------
    torch.nn.functional.avg_pool2d

    References
    ----------
    Goodfellow, I., Bengio, Y., Courville, A., Deep Learning, 2016, section 9.3.

    Examples
    --------
    >>> avg_pool2d([[[[1, 5, 2, 0], [3, 4, 7, 1]]]], kernel_size=2)
    array([[[[3.25, 2.5 ]]]])
    """
    x, rows, columns = _windowed(x, kernel_size, stride, padding, 1, ceil_mode)
    sizes = _window_sizes(rows, columns, count_include_pad, x.dtype)
    return _pooled(x, rows, columns, np.add, 0, sizes)


def avg_pool2d_backward(
    dy, x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True
):
    """Spread every window's gradient evenly over its pixels.

    Parameters
    ----------
    dy : array_like
        (N, C, H′, W′), the loss's gradient with respect to the output.
    x : array_like
        (N, C, H, W), as `avg_pool2d` got it. Only its shape and dtype matter.
    kernel_size, stride, padding, ceil_mode, count_include_pad
        As `avg_pool2d` got them.

    Returns
    -------
    ndarray, of x's dtype (float64 for all but float32)
        dx, (N, C, H, W). What falls on the padding is lost.

    Raises
    ------
    ValueError
        As `avg_pool2d` does, and if dy has another shape than its result.

    See Also
    --------
    torch.autograd.grad

    Examples
    --------
    >>> avg_pool2d_backward([[[[1, 10]]]], [[[[4, 7, 2]]]], kernel_size=(1, 2), stride=1)
    array([[[[0.5, 5.5, 5. ]]]])
    """
    x, rows, columns = _windowed(x, kernel_size, stride, padding, 1, ceil_mode)
    dy = _as_upstream(dy, x, (rows.count, columns.count))
    sizes = _window_sizes(rows, columns, count_include_pad, x.dtype)
    return _shared(dy, rows, columns, sizes)


def global_avg_pool2d(x):
    """Average every map over all its pixels, whatever their number.

    Parameters
    ----------
    x : array_like
        (N, C, H, W).

    Returns
    -------
    ndarray, of x's dtype (float64 for all but float32)
        (N, C, 1, 1).

    Raises
    ------
    ValueError
        For no 4-D array of real numbers.

    See Also
    --------
    torch.nn.functional.adaptive_avg_pool2d : with output_size 1

    References
    ----------
    Lin, M., Chen, Q., Yan, S., Network In Network, ICLR, arXiv:1312.4400, 2014, section 3.2.

    Examples
    --------
    >>> global_avg_pool2d([[[[1, 2], [3, 6]], [[0, 0], [0, 4]]]]).ravel()
    array([3., 1.])
    """
    x = _as_floats(x, "x", "(N, C, H, W)")
    mean = x.mean((2, 3), np.float64, keepdims=True)  # float32 would round at every pixel
    return mean.astype(x.dtype, order="C")


def global_avg_pool2d_backward(dy, x):
    """Spread every map's gradient evenly over all its pixels.

    Parameters
    ----------
    dy : array_like
        (N, C, 1, 1), the loss's gradient with respect to the output.
    x : array_like
        (N, C, H, W), as `global_avg_pool2d` got it. Only its shape and dtype matter.

    Returns
    -------
    ndarray, of x's dtype (float64 for all but float32)
        dx, (N, C, H, W).

    Raises
    ------
    ValueError
        For no 4-D arrays of real numbers, and if dy has another shape than (N, C, 1, 1).

    See Also
    --------
    torch.autograd.grad

    Examples
    --------
    >>> global_avg_pool2d_backward([[[[8]]]], [[[[1, 2], [3, 6]]]])
    array([[[[2., 2.],
             [2., 2.]]]])
    """
    x = _as_floats(x, "x", "(N, C, H, W)")
    share = _as_upstream(dy, x, (1, 1)) / prod(x.shape[2:])
    return np.broadcast_to(share, x.shape).copy()


def blur_pool2d(x, kernel_size=3, stride=2):
    """Blur every map with a binomial kernel, then keep one pixel in stride × stride.

    The kernel's rows and columns are those of Pascal's triangle, divided by their sum: for 3 it is
    (1, 2, 1) / 4. The border is reflected.

    Parameters
    ----------
    x : array_like
        (N, C, H, W).
    kernel_size : int or (int, int)
        Rows and columns of the kernel; 1 does not blur. An even one reaches one pixel further down
        and right.
    stride : int or (int, int)
        Pixels from one output to the next.

    Returns
    -------
    ndarray, of x's dtype (float64 for all but float32)
        (N, C, ⌈H / stride⌉, ⌈W / stride⌉).

    Raises
    ------
    ValueError
        For no 4-D array of real numbers, or an image smaller than the border to reflect.

    See Also
    --------
    torch.nn.functional.conv2d : with this kernel for each group of one channel, after reflection

    References
    ----------
    Zhang, R., Making Convolutional Networks Shift-Invariant Again, ICML, arXiv:1904.11486, 2019.

    Examples
    --------
    (1·0 + 2·8 + 1·0) / 4 = 4, whether the stripes begin with 0 or 8; the first pixel reflects.

    >>> blur_pool2d([[[[0, 8, 0, 8, 0]]]], kernel_size=(1, 3))
    array([[[[4., 4., 4.]]]])
    """
    return _pooled(*_blurred(x, kernel_size, stride), np.add, 0)


def blur_pool2d_backward(dy, x, kernel_size=3, stride=2):
    """Spread every gradient over the window by the kernel's weights, and fold the border back.

    Parameters
    ----------
    dy : array_like
        (N, C, H′, W′), the loss's gradient with respect to the output.
    x : array_like
        (N, C, H, W), as `blur_pool2d` got it. Only its shape and dtype matter.
    kernel_size, stride : int or (int, int)
        As `blur_pool2d` got them.

    Returns
    -------
    ndarray, of x's dtype (float64 for all but float32)
        dx, (N, C, H, W).

    Raises
    ------
    ValueError
        As `blur_pool2d` does, and if dy has another shape than its result.

    See Also
    --------
    torch.autograd.grad

    Examples
    --------
    The second output read the last pixel twice, once in the mirror.

    >>> blur_pool2d_backward([[[[0, 4]]]], [[[[3, 1, 5]]]], kernel_size=(1, 3))
    array([[[[0., 2., 2.]]]])
    """
    x, rows, columns = _blurred(x, kernel_size, stride)
    return _shared(_as_upstream(dy, x, (rows.count, columns.count)), rows, columns)


class _Place(NamedTuple):
    """One place in the windows along one axis: what all outputs read there."""

    shift: int  # output i reads pixel i·stride + shift, or where the mirror shows it
    outputs: tuple  # those that have a pixel there: an index of the output
    pixels: tuple  # and the pixels, an index of the image
    weight: float | None = None

    def read(self, x):
        """Return the pixels (a view), times the weight if there is one."""
        return x[self.pixels] if self.weight is None else self.weight * x[self.pixels]


class _Axis(NamedTuple):
    """How windows cut one axis, which has number −2 (rows) or −1 (columns)."""

    number: int
    size: int  # H
    count: int  # H′
    kernel_size: int
    stride: int
    padding: int
    places: list  # in the window's order

    def whole(self, place):
        """Say whether every output has a pixel there."""
        return place.outputs[1] == slice(0, self.count)


def _fold(x, axis, operation, start, y):
    """Fold the windows along one axis to one number each, place after place, into y."""
    places = sorted(axis.places, key=axis.whole, reverse=True)
    whole = sum(map(axis.whole, places))
    folded, rest = (places[0].read(x), places[1:]) if whole else (start, places)
    if whole < 2:  # otherwise the second place writes every output, and no copy is needed
        y[...], folded = folded, y
    for place in rest:
        if _in_line(place, axis) and y.flags.c_contiguous:
            _fold_line(x, axis, place, operation, y)
        else:
            operation(folded[place.outputs], place.read(x), out=y[place.outputs])
        folded = y


def _in_line(place, axis):
    """Say whether all maps can stand in one line, of which the place is every stride-th pixel."""
    fits = axis.size == axis.stride * axis.count
    return fits and place.weight is None and not axis.whole(place)


def _fold_line(x, axis, place, operation, y):
    """Fold one place in one long loop, which is faster: over all maps in one line.

    Where an output lacks the place, the line reads a neighbour's pixels: it gets back what it had.
    """
    tail, have = x.shape[x.ndim + axis.number + 1 :], place.outputs[1]
    maps = y.reshape(-1, axis.count, *tail)
    ends = maps[:, : have.start], maps[:, have.stop :]
    kept = [end.copy() for end in ends]
    first = max(0, -(place.shift // axis.stride))  # the first output that reads from the line
    read = x.reshape(-1, *tail)[first * axis.stride + place.shift :: axis.stride]
    part = y.reshape(-1, *tail)[first : first + len(read)]
    operation(part, read[: len(part)], out=part)
    for end, old in zip(ends, kept, strict=True):
        end[...] = old


def _unfold(dy, axis, dx):
    """Add every output's gradient to all the pixels of its window: the adjoint of a sum."""
    dx.fill(0)
    for _, outputs, pixels, weight in axis.places:
        part = dx[pixels]
        part += dy[outputs] if weight is None else weight * dy[outputs]


def _pooled(x, rows, columns, operation, start, sizes=None):
    """Fold down the columns, then what is left along the rows; divide by the windows' sizes."""
    y = _like(x, rows.count, columns.count)
    with np.errstate(over="ignore", invalid="ignore"):  # ∞ − ∞ is NaN, as in torch
        for maps, out in _in_cache(x, y):
            half = _like(maps, rows.count, columns.size)
            _fold(maps, rows, operation, start, half)
            _fold(half, columns, operation, start, out)
            if sizes is not None:
                out /= sizes
    return y


def _shared(dy, rows, columns, sizes=1):
    """Divide by the windows' sizes, then unfold along the rows and up the columns."""
    dx = _like(dy, rows.size, columns.size)
    for dout, dmaps in _in_cache(dy, dx):
        half = _like(dout, rows.count, columns.size)
        _unfold(dout / sizes, columns, half)
        _unfold(half, rows, dmaps)
    return dx


def _routed(dy, x, rows, columns, winners):
    """Add every gradient to the one pixel of x whose number stands in `winners`."""
    dy, winners = _as_upstream(dy, x, (rows.count, columns.count)), np.asarray(winners)
    if winners.shape != dy.shape or winners.dtype.kind not in "iu":
        raise ValueError(
            f"winners: expected whole numbers of shape {dy.shape}, "
            f"got {winners.dtype} of shape {winners.shape}"
        )
    winners = winners.astype(np.int64, copy=False)
    if winners.view(np.uint64).max(initial=0) >= max(1, x.size):  # a negative number is a huge one
        raise ValueError(
            f"winners: expected 0 to {x.size - 1}, got {winners.min()} to {winners.max()}"
        )
    of_map = winners[:, :, 0, 0].ravel() // prod(x.shape[2:])  # torch's would all say 0
    if (of_map != np.arange(of_map.size)).any():
        raise ValueError("winners: expected numbers in all of x, got some of another map")
    dx = np.zeros(x.size, x.dtype)
    np.add.at(dx, winners.ravel(), dy.ravel())  # adds up where a pixel won several times
    return dx.reshape(x.shape)


def _winners(y, x, rows, columns):
    """Return for each number that a window was folded to which pixel of x it was."""
    places = _window_places(rows, columns)
    shifts = np.array([0, *(row.shift * columns.size + column.shift for row, column in places)])
    corner = columns.size * rows.stride * np.arange(rows.count)[:, None]
    corner = corner + columns.stride * np.arange(columns.count)  # with shift 0, in its map
    winners = _like(y, rows.count, columns.count, np.int64)
    for maps, chosen, out in _in_cache(x, y, winners):
        shifts.take(_points(chosen, maps, places), out=out, mode="clip")  # "raise" would copy
        out += corner
    winners += prod(x.shape[2:]) * np.arange(prod(x.shape[:2])).reshape(*x.shape[:2], 1, 1)
    return winners


def _window_places(rows, columns):
    """List the places of a window from the last to the first: the k-th one is worth k points."""
    return list(product(rows.places, columns.places))[::-1]


def _best(y, x, rows, columns):
    """Say for each window in which of its places the pixel like y stands, in as few bytes as do."""
    places = _window_places(rows, columns)
    points = _like(y, rows.count, columns.count, np.min_scalar_type(len(places)))
    for maps, chosen, out in _in_cache(x, y, points):
        out[...] = _points(chosen, maps, places)
    return points


def _given(dy, points, x, rows, columns):
    """Add every window's gradient to the pixel that `_best` chose; x gives shape and dtype only."""
    dy = _as_upstream(dy, x, (rows.count, columns.count))
    finite = np.isfinite(dy).all()  # 0 · ∞ would be NaN
    dx = _like(points, rows.size, columns.size, x.dtype)
    dx.fill(0)
    for part, won, dmaps in _in_cache(dy, points, dx):
        for k, (row, column) in enumerate(_window_places(rows, columns), 1):
            outputs, pixels = part[row.outputs][column.outputs], dmaps[row.pixels][column.pixels]
            mine = won[row.outputs][column.outputs] == k
            pixels += outputs * mine if finite else np.where(mine, outputs, 0)
    return dx


def _points(y, x, places):
    """Give each window the points of its best place, the first with a pixel like y."""
    points = np.zeros_like(y, np.min_scalar_type(len(places)))
    for k, (row, column) in enumerate(places, 1):
        part = points[row.outputs][column.outputs]
        equal = x[row.pixels][column.pixels] == y[row.outputs][column.outputs]
        np.maximum(part, equal * points.dtype.type(k), out=part)
    if not points.all():  # a NaN equals nothing, itself included: take the last one, as torch does
        for k, (row, column) in enumerate(places, 1):
            part = points[row.outputs][column.outputs]
            np.copyto(part, k, where=(part == 0) & np.isnan(x[row.pixels][column.pixels]))
    return points


def _window_sizes(rows, columns, count_include_pad, dtype):
    """Count the pixels of every window (H′, W′), with or without those in the padding."""
    lengths = []
    for axis in (rows, columns):
        first = axis.stride * np.arange(axis.count) - axis.padding
        last = np.minimum(first + axis.kernel_size, axis.size + axis.padding)
        if not count_include_pad:
            first, last = np.maximum(first, 0), np.minimum(last, axis.size)
        lengths.append(last - first)
    return np.outer(*lengths).astype(dtype)


def _axis(number, size, count, kernel_size, stride, padding, dilation=1, weights=None):
    """Cut an axis into windows: for each place in them, slices of outputs and of what they read.

    Where a window leaves the image nothing is read, so that −∞ for a maximum, or 0 for a sum, need
    not be written around it. Weights are for an image that is reflected: there slices run back.
    """
    rest, places = () if number == -1 else (slice(None),), []
    for k in range(kernel_size):
        shift = k * dilation - padding
        first, end = max(0, -(shift // stride)), min(count, (size - 1 - shift) // stride + 1)
        runs = [(first, end, first * stride + shift, stride)]
        if weights is not None:
            mirrored = 2 * (size - 1) - end * stride - shift
            runs += [(0, first, -shift, -stride), (end, count, mirrored, -stride)]
        for begin, stop, pixel, step in runs:
            if begin < stop:
                beyond = pixel + (stop - begin) * step - step + np.sign(step)
                pixels = slice(pixel, None if beyond < 0 else beyond, step)
                outputs, pixels = (..., slice(begin, stop), *rest), (..., pixels, *rest)
                places.append(_Place(shift, outputs, pixels, weights and weights[k]))
    return _Axis(number, size, count, kernel_size, stride, padding, places)


def _batch_is_last(x):
    """Say whether images (N, C, H, W) lie in memory as (C, H, W, N), as some layers leave them."""
    lies = x.ndim == 4 and x.transpose(1, 2, 3, 0).flags.c_contiguous
    return lies and len(x) > 1 and x.size > 0


def _like(x, height, width, dtype=None):
    """Return an empty array of maps of another size; where x's batch is last, its batch is, too."""
    dtype = x.dtype if dtype is None else dtype
    if _batch_is_last(x):  # np.empty_like would take maps of one pixel for Fortran's order
        return np.empty((x.shape[1], height, width, len(x)), dtype).transpose(3, 0, 1, 2)
    return np.empty((*x.shape[:-2], height, width), dtype)


def _in_cache(*arrays):
    """Yield as many maps of all the arrays at a time as the cache holds, and one at least.

    They are views (n, H, W); where the batch of the last array, which is to be filled, is last in
    memory, they are (N, n, H, W), so that one map is one channel of all images.
    """
    if _batch_is_last(arrays[-1]):  # the first axis of the memory is the channels'
        maps = [array.swapaxes(0, 1) for array in arrays]
    else:
        maps = [array.reshape(-1, *array.shape[2:]) for array in arrays]
    step = max(1, _CACHE // (maps[0].itemsize * max(prod(part.shape[1:]) for part in maps)))
    for n in range(0, len(maps[0]), step):
        parts = [part[n : n + step] for part in maps]
        yield [part.swapaxes(0, 1) for part in parts] if parts[0].ndim == 4 else parts


def _windowed(x, kernel_size, stride, padding, dilation, ceil_mode):
    """Return x as floats and how windows cut its rows and columns, or refuse."""
    x, kernel_size = _as_floats(x, "x", "(N, C, H, W)"), _pair(kernel_size, "kernel_size")
    stride = kernel_size if stride is None else _pair(stride, "stride")
    padding, dilation, axes = _pair(padding, "padding", 0), _pair(dilation, "dilation"), []
    for number, R, s, p, d in zip((-2, -1), kernel_size, stride, padding, dilation, strict=True):
        if 2 * p > R:
            raise ValueError(f"padding: expected at most half of kernel_size {R}, got {p}")
        size = x.shape[number]
        count = output_size(size, R, s, p, d, ceil_mode)
        axes.append(_axis(number, size, count, R, s, p, d))
        read = np.zeros(count, bool)
        for place in axes[-1].places:
            read[place.outputs[1]] = True
        if not read.all():
            raise ValueError(
                f"dilation: expected a pixel of the image in every window, got {d} for "
                f"kernel_size {R}, padding {p} and {size} pixels"
            )
    return x, *axes


def _blurred(x, kernel_size, stride):
    """Return x as floats and how weighted windows cut its reflected rows and columns, or refuse."""
    x, axes = _as_floats(x, "x", "(N, C, H, W)"), []
    kernel_size, stride = _pair(kernel_size, "kernel_size"), _pair(stride, "stride")
    for number, R, s in zip((-2, -1), kernel_size, stride, strict=True):
        size, row = x.shape[number], [comb(R - 1, k) / 2 ** (R - 1) for k in range(R)]
        if size <= R // 2:
            raise ValueError(
                f"kernel_size: expected at most {2 * size - 1}, to reflect {size} pixels, got {R}"
            )
        count = output_size(size, R, s, convention="same")
        axes.append(_axis(number, size, count, R, s, (R - 1) // 2, weights=row))
    return x, *axes


def _as_upstream(dy, x, sizes):
    """Return the gradient of the output in x's dtype, or refuse it."""
    dy = _as_floats(dy, "dy", "(N, C, H′, W′)")
    expected = (*x.shape[:2], *sizes)
    if dy.shape != expected:
        raise ValueError(f"dy: expected the shape of the pooled maps, {expected}, got {dy.shape}")
    return dy.astype(x.dtype, copy=False)
