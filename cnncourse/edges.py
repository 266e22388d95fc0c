"""Chapter 3, edges: kernels find where brightness changes abruptly, and data find the kernels.

A slope is a change of brightness per pixel. Vectors are given as two images, `down` and `right`:
their components along the rows and along the columns.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from cnncourse.check import as_image, as_one_of, as_positive
from cnncourse.filtering import correlate2d, correlate2d_separable, gaussian_kernel

_SMOOTHINGS = {"prewitt": [1, 1, 1], "sobel": [1, 2, 1], "scharr": [3, 10, 3]}

OPERATORS = {
    name: np.outer(smooth, [-1, 0, 1]) / (2 * sum(smooth)) for name, smooth in _SMOOTHINGS.items()
}
"""The 3×3 kernels that measure the slope to the right; transposed, the slope downwards.

Each smooths along the columns and takes half the difference of the two neighbours in the row. The
scale is such that a ramp gives its true slope: the whole numbers of the textbooks over 6, 8 and 32.
"""

LAPLACIAN = np.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
"""The sum of the second differences down and right."""

for _kernel in (*OPERATORS.values(), LAPLACIAN):
    _kernel.flags.writeable = False  # shared by all who import them


def gradient(image, operator="sobel", border="replicate"):
    """Measure how steeply the brightness rises downwards and to the right.

    Parameters
    ----------
    image : array_like
        (H, W).
    operator : {"prewitt", "sobel", "scharr"}
        Which of `OPERATORS`.
    border : {None, "zero", "replicate", "reflect", "symmetric", "circular"}
        As in `cnncourse.filtering.correlate2d`.

    Returns
    -------
    down, right : ndarray, of the image's dtype (float64 for integers)
        (H, W) each, or (H − 2, W − 2) with ``border=None``; in brightness per pixel. Together they
        point to where it gets brighter.

    Raises
    ------
    ValueError
        If the image is no 2-D array of finite numbers, or operator or border are unknown.

    See Also
    --------
    skimage.filters.sobel, with an axis : twice the slope
    scipy.ndimage.sobel : 8 times the slope

    References
    ----------
    Sobel, I., Feldman, G., A 3×3 isotropic gradient operator for image processing, talk at the
    Stanford Artificial Intelligence Project, 1968. Prewitt, J. M. S., Object enhancement and
    extraction, in Picture Processing and Psychopictorics, 1970. Scharr, H., Optimale Operatoren in
    der Digitalen Bildverarbeitung, Heidelberg, 2000.

    Examples
    --------
    Brightness rises by 3 from row to row and falls by 1 from column to column.

    >>> down, right = gradient([[5, 4, 3], [8, 7, 6], [11, 10, 9]], border=None)
    >>> down, right
    (array([[3.]]), array([[-1.]]))
    """
    kernel = OPERATORS[as_one_of(operator, OPERATORS, "operator")]
    return correlate2d(image, kernel.T, border), correlate2d(image, kernel, border)


def gradient_magnitude(down, right):
    """Return the length of each vector: how abrupt the change is.

    Parameters
    ----------
    down, right : array_like
        (H, W), the components.

    Returns
    -------
    ndarray
        (H, W), 0 or more, in the unit of the components.

    Raises
    ------
    ValueError
        If the two are no 2-D arrays of one shape.

    See Also
    --------
    numpy.hypot, skimage.filters.sobel : larger by √2

    Examples
    --------
    >>> gradient_magnitude([[3]], [[-4]])
    array([[5.]])
    """
    return np.hypot(*_as_field(down, right))


def gradient_direction(down, right):
    """Return the angle of each vector: 0° points to the right, 90° up, as in mathematics.

    Parameters
    ----------
    down, right : array_like
        (H, W), the components.

    Returns
    -------
    ndarray
        (H, W), in degrees, from −180 to 180; 0 where the vector is zero.

    Raises
    ------
    ValueError
        If the two are no 2-D arrays of one shape.

    See Also
    --------
    numpy.arctan2

    Examples
    --------
    >>> gradient_direction([[1, -1, 0]], [[0, 1, -1]])
    array([[-90.,  45., 180.]])
    """
    down, right = _as_field(down, right)
    return np.degrees(np.arctan2(0 - down, right + 0))  # sums, so that there is no −0


def laplacian(image, border="replicate"):
    """Compute the divergence of the gradient, 4 × (mean of the four neighbours − pixel).

    Parameters
    ----------
    image : array_like
        (H, W).
    border : {None, "zero", "replicate", "reflect", "symmetric", "circular"}
        As in `cnncourse.filtering.correlate2d`.

    Returns
    -------
    ndarray
        (H, W), or (H − 2, W − 2) with ``border=None``; in brightness per pixel².

    Raises
    ------
    ValueError
        As `cnncourse.filtering.correlate2d` does.

    See Also
    --------
    scipy.ndimage.laplace

    Examples
    --------
    The brightness row² + column² curves by 2 in each of two directions.

    >>> laplacian([[0, 1, 4], [1, 2, 5], [4, 5, 8]], border=None)
    array([[4.]])
    """
    return correlate2d(image, LAPLACIAN, border)


def log_kernel(sigma):
    """Return the Laplacian of a Gaussian, which smooths and takes the second derivative in one go.

    ``(d² − 2σ²)/σ⁴ · G`` at the distance d from the centre; then its mean is taken away, so that an
    even grey gives exactly nothing.

    Parameters
    ----------
    sigma : float
        Standard deviation of the Gaussian, in pixels.

    Returns
    -------
    ndarray, float64
        (R, R), the size of ``gaussian_kernel(sigma)``; negative in the middle, zero on a circle of
        radius √2·σ (all but for the mean). In 1/pixel².

    Raises
    ------
    ValueError
        If sigma is not a number from 0.125 up: below, the kernel would be a single 0.

    See Also
    --------
    scipy.ndimage.gaussian_laplace : without the last step.

    References
    ----------
    Marr, D., Hildreth, E., Theory of edge detection, 1980.

    Examples
    --------
    >>> kernel = log_kernel(2.0)
    >>> centre = len(kernel) // 2
    >>> kernel[centre, centre] < 0 < kernel[centre, centre + 3]  # √2·σ = 2.8 pixels
    np.True_
    """
    sigma = _as_sigma(sigma)
    gaussian = gaussian_kernel(sigma)
    offset = np.arange(len(gaussian)) - len(gaussian) // 2
    squared = offset[:, None] ** 2 + offset**2
    kernel = (squared - 2 * sigma**2) / sigma**4 * gaussian
    return kernel - kernel.mean()


def dog_kernel(sigma, ratio=1.6):
    """Return a difference of two Gaussians that stands in for ``log_kernel(sigma)``.

    A Gaussian changes with its variance v as ``∂G/∂v = ½ ∇²G``; so ``2 (G_wide − G_narrow)`` over
    the difference of the variances is nearly the Laplacian of a Gaussian. The two are chosen so
    that the circle on which the difference changes its sign has the radius √2·σ, too.

    Parameters
    ----------
    sigma : float
        Standard deviation of the Gaussian in the Laplacian of a Gaussian to imitate, in pixels.
    ratio : float
        Wide over narrow standard deviation, above 1. Marr and Hildreth recommend 1.6.

    Returns
    -------
    ndarray, float64
        (R, R), the size of the wide Gaussian; its sum is 0. In 1/pixel².

    Raises
    ------
    ValueError
        As `log_kernel` does, or if ratio is not above 1.

    See Also
    --------
    skimage.filters.difference_of_gaussians : narrow − wide, so the opposite sign.

    References
    ----------
    Marr, D., Hildreth, E., Theory of edge detection, 1980.

    Examples
    --------
    >>> kernel = dog_kernel(2.0)
    >>> centre = len(kernel) // 2
    >>> kernel[centre, centre] < 0 < kernel[centre, centre + 3]
    np.True_
    """
    sigma, ratio = _as_sigma(sigma), as_positive(ratio, "ratio")
    if ratio <= 1:
        raise ValueError(f"ratio: expected a number above 1, got {ratio!r}")
    narrow = sigma * np.sqrt((ratio**2 - 1) / (2 * ratio**2 * np.log(ratio)))
    wide = ratio * narrow
    large = gaussian_kernel(wide)
    small = gaussian_kernel(narrow, size=len(large))
    return 2 * (large - small) / (wide**2 - narrow**2)


def zero_crossings(response, threshold=0.0):
    """Mark where a response changes its sign between neighbours in a row or a column.

    Of the two neighbours the one nearer to zero is marked (the first, if they tie); a pixel that is
    zero itself is marked if the two beside it have opposite signs.

    Parameters
    ----------
    response : array_like
        (H, W), such as a Laplacian of a Gaussian.
    threshold : float
        Mark only where the two values differ by more than this; 0 or more.

    Returns
    -------
    ndarray, bool
        (H, W).

    Raises
    ------
    ValueError
        If response is no 2-D array of finite numbers or the threshold is negative.

    References
    ----------
    Marr, D., Hildreth, E., Theory of edge detection, 1980.

    Examples
    --------
    >>> zero_crossings([[3, 1, -2, -2], [1, 1, 0, -1]]).astype(int)
    array([[0, 1, 0, 0],
           [0, 0, 1, 0]])
    """
    response = as_image(response, "response")
    if not threshold >= 0:
        raise ValueError(f"threshold: expected a number of 0 or more, got {threshold!r}")
    return _row_crossings(response, threshold) | _row_crossings(response.T, threshold).T


def non_maximum_suppression(down, right):
    """Thin ridges of slope to lines: keep a magnitude only where none beside it is larger.

    "Beside" means one step up and one step down the gradient, across the edge. The magnitude there
    is interpolated between the two pixels that the step passes between. Where two are equal, the
    one on the brighter side stays. The outermost pixels lack neighbours to compare with: 0.

    Parameters
    ----------
    down, right : array_like
        (H, W), the gradient.

    Returns
    -------
    ndarray
        (H, W), the magnitude where it is a maximum across the edge, else 0.

    Raises
    ------
    ValueError
        If the two are no 2-D arrays of one shape.

    See Also
    --------
    skimage.feature.canny : keeps both where two are equal.

    References
    ----------
    Canny, J., A computational approach to edge detection, 1986.

    Examples
    --------
    A vertical edge: the slope to the right is greatest in the middle column.

    >>> right = np.array([[0, 1, 4, 2, 0]] * 3)
    >>> non_maximum_suppression(0 * right, right)
    array([[0., 0., 0., 0., 0.],
           [0., 0., 4., 0., 0.],
           [0., 0., 0., 0., 0.]])
    """
    down, right = _as_field(down, right)
    strength = np.hypot(down, right)
    ahead, behind = _across(strength, down, right), _across(strength, -down, -right)
    thin = np.where((strength > ahead) & (strength >= behind), strength, 0)
    thin[[0, -1]] = thin[:, [0, -1]] = 0
    return thin


def hysteresis(strength, low, high):
    """Keep what is strong, and what is weak but joined to something strong.

    Parameters
    ----------
    strength : array_like
        (H, W).
    low, high : float
        Above 0, low ≤ high. Pixels of at least `high` are strong, of at least `low` weak. Joined is
        what a path of weak pixels connects; each touches the next at a side or a corner.

    Returns
    -------
    ndarray, bool
        (H, W).

    Raises
    ------
    ValueError
        If strength is no 2-D array of finite numbers, or not 0 < low ≤ high.

    See Also
    --------
    skimage.filters.apply_hysteresis_threshold : sides only, and above instead of at least.

    Notes
    -----
    What is kept grows by one pixel a pass over the image, so that long lines take many passes.

    References
    ----------
    Canny, J., A computational approach to edge detection, 1986.

    Examples
    --------
    >>> hysteresis([[9, 4, 4, 0, 4]], low=3, high=8).astype(int)
    array([[1, 1, 1, 0, 0]])
    """
    strength = as_image(strength, "strength")
    low, high = as_positive(low, "low"), as_positive(high, "high")
    if low > high:
        raise ValueError(f"low: expected at most high, {high}, got {low}")
    weak, kept = strength >= low, strength >= high
    while True:
        grown = _grow(kept) & weak
        if (grown == kept).all():
            return kept
        kept = grown


def canny(image, sigma, low, high):
    """Find thin connected edges: smooth, differentiate, thin, link.

    Parameters
    ----------
    image : array_like
        (H, W).
    sigma : float
        Standard deviation of the Gaussian that smooths, in pixels.
    low, high : float
        Thresholds of the slope, in brightness per pixel, 0 < low ≤ high; see `hysteresis`.

    Returns
    -------
    ndarray, bool
        (H, W), True on edges; never on the outermost pixels.

    Raises
    ------
    ValueError
        If image is no 2-D array of finite numbers, sigma not above 0, or not 0 < low ≤ high.

    See Also
    --------
    skimage.feature.canny : with ``mode="nearest"`` and thresholds 8 times as high, since its
        gradient is 8 times the slope.

    References
    ----------
    Canny, J., A computational approach to edge detection, 1986.

    Examples
    --------
    >>> canny([[0, 0, 0, 0.5, 1, 1, 1]] * 3, sigma=1.0, low=0.1, high=0.2).astype(int)
    array([[0, 0, 0, 0, 0, 0, 0],
           [0, 0, 0, 1, 0, 0, 0],
           [0, 0, 0, 0, 0, 0, 0]])
    """
    image = as_image(image)
    bell = gaussian_kernel(sigma).sum(axis=0, keepdims=True)  # 1-D, sums to 1
    smooth = correlate2d_separable(image, bell.T, bell, border="replicate")
    thin = non_maximum_suppression(*gradient(smooth))
    return hysteresis(thin, low, high)


def kernel_loss(kernel, image, target):
    """Score a kernel by the mean square error of its output, and say how to lower it.

    With the error ``e = correlate2d(image, kernel) − target`` on N pixels the loss is ``Σ e² / N``,
    and its gradient is a correlation, too: ``2/N · correlate2d(image, e)``.

    Parameters
    ----------
    kernel : array_like
        (R, S).
    image : array_like
        (H, W).
    target : array_like
        (H − R + 1, W − S + 1), what the kernel's output should be.

    Returns
    -------
    loss : float
        0 or more.
    dkernel : ndarray, of the image's dtype (float64 for integers)
        (R, S), the gradient of the loss: how it changes with each weight.

    Raises
    ------
    ValueError
        If one is no 2-D array of finite numbers, the kernel larger than the image, or the target's
        shape another than the output's.

    See Also
    --------
    torch.nn.functional.mse_loss and autograd

    Examples
    --------
    The output 3 − 1 = 2 misses 5 by −3; a weight more on the 3 would add 3 to the output.

    >>> kernel_loss([[-1, 1]], [[1, 3]], [[5]])
    (9.0, array([[ -6., -18.]]))
    """
    image, target = as_image(image), as_image(target, "target")
    error = correlate2d(image, kernel)
    if error.shape != target.shape:
        raise ValueError(f"target: expected the output's shape {error.shape}, got {target.shape}")
    error -= target
    windows = sliding_window_view(image, error.shape)  # R, S, H', W'
    return float(np.mean(error**2)), 2 / error.size * np.tensordot(windows, error, 2)


def learn_kernel(images, targets, size=3, steps=1000, lr=1.0, seed=0):
    """Find a kernel that turns images into targets, by gradient descent from a random one.

    Parameters
    ----------
    images, targets : sequence of array_like
        Pairs of (H, W) and (H − size + 1, W − size + 1).
    size : int
        Rows and columns of the kernel.
    steps : int
        How often to go downhill.
    lr : float
        Learning rate: each step subtracts lr times the gradient of the pairs' mean loss.
    seed : int
        Of the first kernel's random weights.

    Returns
    -------
    kernels : ndarray, float64
        (steps + 1, size, size): the random one, then one after each step; the last is learned.
    losses : ndarray, float64
        (steps + 1,), the mean loss of each.

    Raises
    ------
    ValueError
        If there are no pairs or not as many targets as images, for what `kernel_loss` refuses, or
        if the loss grows beyond all bounds because lr is too large.

    See Also
    --------
    torch.optim.SGD

    Examples
    --------
    One weight w is to turn 1 into 3: the loss is (w − 3)², its gradient 2 (w − 3), so that one step
    with lr = ½ arrives.

    >>> kernels, losses = learn_kernel([[[1]]], [[[3]]], size=1, steps=1, lr=0.5)
    >>> kernels[-1], losses[-1]
    (array([[3.]]), np.float64(0.0))
    """
    if len(images) != len(targets) or len(images) == 0:
        raise ValueError(
            "images, targets: expected as many of each, at least one, "
            f"got {len(images)} and {len(targets)}"
        )
    size, steps = as_positive(size, "size", integer=True), as_positive(steps, "steps", integer=True)
    lr = as_positive(lr, "lr")
    kernels, losses = [np.random.default_rng(seed).normal(0, 0.3, (size, size))], []
    for step in range(steps + 1):
        scores = [kernel_loss(kernels[-1], *pair) for pair in zip(images, targets, strict=True)]
        losses.append(np.mean([loss for loss, _ in scores]))
        if not losses[-1] < 1e6 * losses[0] + 1:
            raise ValueError(
                f"lr: expected a smaller one, the loss grew to {losses[-1]:.3g}, got {lr}"
            )
        if step < steps:
            kernels.append(kernels[-1] - lr * np.mean([d for _, d in scores], axis=0))
    return np.array(kernels), np.array(losses)


def _as_sigma(sigma):
    """Return a standard deviation whose kernel has room for a second derivative, or refuse it."""
    if as_positive(sigma, "sigma") < 0.125:
        raise ValueError(
            f"sigma: expected at least 0.125, so that the kernel is larger than 1×1, got {sigma!r}"
        )
    return float(sigma)


def _as_field(down, right):
    """Return the two components as floats, or refuse them."""
    down, right = as_image(down, "down"), as_image(right, "right")
    if down.shape != right.shape:
        raise ValueError(f"right: expected the shape of down, {down.shape}, got {right.shape}")
    return down, right


def _row_crossings(response, threshold):
    """Mark changes of sign between neighbours in a row."""
    marked, sign = np.zeros(response.shape, bool), np.sign(response)
    left, right = response[:, :-1], response[:, 1:]
    change = (sign[:, :-1] * sign[:, 1:] < 0) & (abs(left - right) > threshold)
    first = abs(left) <= abs(right)
    marked[:, :-1] |= change & first
    marked[:, 1:] |= change & ~first
    around = (sign[:, :-2] * sign[:, 2:] < 0) & (sign[:, 1:-1] == 0)
    marked[:, 1:-1] |= around & (abs(response[:, :-2] - response[:, 2:]) > threshold)
    return marked


def _across(strength, down, right):
    """Return the strength one step along each vector, interpolated between two neighbours."""
    padded = np.pad(strength, 1)
    i, j = np.indices(strength.shape) + 1
    di, dj = np.sign(down).astype(int), np.sign(right).astype(int)
    far, near = np.maximum(abs(down), abs(right)), np.minimum(abs(down), abs(right))
    weight = near / np.where(far > 0, far, 1)  # 0 on a row or column, 1 on a diagonal
    steep = abs(down) > abs(right)
    straight = padded[np.where(steep, i + di, i), np.where(steep, j, j + dj)]
    return (1 - weight) * straight + weight * padded[i + di, j + dj]


def _grow(mask):
    """Return the mask with the eight neighbours of each of its pixels."""
    rows = mask.copy()
    rows[1:] |= mask[:-1]
    rows[:-1] |= mask[1:]
    grown = rows.copy()
    grown[:, 1:] |= rows[:, :-1]
    grown[:, :-1] |= rows[:, 1:]
    return grown
