"""Chapter 2, filtering: a small grid of weights slides over an image, multiplies and adds.

Rows come before columns everywhere; the image is H×W, the kernel R×S. Whatever the border, the
result has the image's dtype: integers are read as float64, float32 stays float32.
"""

import numpy as np

from cnncourse.check import as_finite, as_image, as_kernel, as_one_of, as_positive, as_shape

BORDERS = {  # torch's words where it has them, and NumPy's for the same thing
    "zero": "constant",
    "replicate": "edge",
    "reflect": "reflect",
    "symmetric": "symmetric",
    "circular": "wrap",
}


def correlate2d(image, kernel, border=None):
    """Slide the kernel over the image; at each place multiply weight by pixel, and add.

    ``result[i, j] = Σ kernel[r, s] · image[i + r, j + s]``: cross-correlation, which deep-learning
    frameworks call convolution. With a named border the kernel's centre lies on the pixel [i, j].

    Parameters
    ----------
    image : array_like
        (H, W), real numbers.
    kernel : array_like
        (R, S); with a named border both odd.
    border : {None, "zero", "replicate", "reflect", "symmetric", "circular"}
        None computes only where the kernel fits ("valid"). A name keeps the image's size; it says
        what stands outside, see `add_border`.

    Returns
    -------
    ndarray, of the image's dtype (float64 for integers)
        (H − R + 1, W − S + 1) with ``border=None``, else (H, W).

    Raises
    ------
    ValueError
        If image or kernel is no 2-D array of finite numbers, the border is unknown, the kernel has
        no centre although a border is named, or it is larger than the image although none is.

    See Also
    --------
    torch.nn.functional.conv2d, scipy.ndimage.correlate, scipy.signal.correlate2d

    Examples
    --------
    The first window holds 1, 2, 4, 5: 1 + 5 = 6.

    >>> correlate2d([[1, 2, 3], [4, 5, 6]], [[1, 0], [0, 1]])
    array([[6., 8.]])
    >>> correlate2d([[1, 2, 3]], [[1, 1, 1]], border="zero")
    array([[3., 6., 5.]])
    """
    image, kernel = _prepared(image, kernel, border)
    (H, W), (R, S) = image.shape, kernel.shape
    height, width = H - R + 1, W - S + 1
    result = np.zeros((height, width), image.dtype)
    for r in range(R):
        for s in range(S):  # one weight at a time, for all output pixels at once
            result += kernel[r, s] * image[r : r + height, s : s + width]
    return result


def convolve2d(image, kernel, border=None):
    """Turn the kernel by 180° and slide it: the mathematicians' convolution.

    ``result[i, j] = Σ kernel[r, s] · image[i − r, j − s]``, counted from the kernel's centre.

    Parameters
    ----------
    image : array_like
        (H, W), real numbers.
    kernel : array_like
        (R, S); with a named border both odd.
    border : {None, "zero", "replicate", "reflect", "symmetric", "circular"}
        As for `correlate2d`.

    Returns
    -------
    ndarray, of the image's dtype (float64 for integers)
        (H − R + 1, W − S + 1) with ``border=None``, else (H, W).

    Raises
    ------
    ValueError
        As `correlate2d` does.

    See Also
    --------
    scipy.ndimage.convolve, scipy.signal.convolve2d

    Examples
    --------
    >>> convolve2d([[0, 0, 1, 0, 0]], [[1, 2, 3]])
    array([[1., 2., 3.]])
    >>> correlate2d([[0, 0, 1, 0, 0]], [[1, 2, 3]])
    array([[3., 2., 1.]])
    """
    return correlate2d(image, as_kernel(kernel)[::-1, ::-1], border)


def add_noise(image, sigma, seed):
    """Add independent Gaussian noise of mean 0 to every pixel.

    The result may leave [0, 1]: clipping it would shift its mean.

    Parameters
    ----------
    image : array_like
        (H, W).
    sigma : float
        Standard deviation of the noise, in the image's units; above 0.
    seed : int
        The same seed gives the same noise.

    Returns
    -------
    ndarray, of the image's dtype (float64 for integers)
        (H, W).

    Raises
    ------
    ValueError
        If the image is no 2-D array, or sigma is not above 0.

    See Also
    --------
    skimage.util.random_noise

    Examples
    --------
    >>> noisy = add_noise(np.zeros((200, 300)), sigma=0.1, seed=0)
    >>> float(noisy.std().round(2))
    0.1
    """
    image = as_image(image)
    noise = np.random.default_rng(seed).normal(0, as_positive(sigma, "sigma"), image.shape)
    return image + noise.astype(image.dtype)


def box_kernel(size):
    """Return the kernel of the mean filter: size² equal weights that sum to 1.

    Parameters
    ----------
    size : int
        Rows and columns, in pixels.

    Returns
    -------
    ndarray, float64
        (size, size).

    Raises
    ------
    ValueError
        If the size is no whole number above 0.

    See Also
    --------
    scipy.ndimage.uniform_filter

    Examples
    --------
    >>> box_kernel(2)
    array([[0.25, 0.25],
           [0.25, 0.25]])
    """
    size = as_positive(size, "size", integer=True)
    return np.full((size, size), 1 / size**2)


def gaussian_kernel(sigma, size=None):
    """Return weights that fall with the squared distance d² from the centre: exp(−d² / 2σ²).

    The weights are divided by their sum, so that they add up to 1 although the bell is cut off.

    Parameters
    ----------
    sigma : float
        Width of the bell (its standard deviation), in pixels; above 0.
    size : int, optional
        Rows and columns, odd, in pixels. By default the bell is cut 4σ from the centre.

    Returns
    -------
    ndarray, float64
        (size, size).

    Raises
    ------
    ValueError
        If sigma is not above 0, or the size is no odd whole number above 0.

    See Also
    --------
    scipy.ndimage.gaussian_filter, skimage.filters.gaussian

    Examples
    --------
    Side by side, neighbours differ by exp(−1/2) = 0.61 when σ is 1.

    >>> gaussian_kernel(sigma=1, size=3).round(3)
    array([[0.075, 0.124, 0.075],
           [0.124, 0.204, 0.124],
           [0.075, 0.124, 0.075]])
    """
    sigma = as_positive(sigma, "sigma")
    size = 2 * int(4 * sigma + 0.5) + 1 if size is None else _as_odd(size, "size")
    offset = np.arange(size) - size // 2
    bell = np.exp(-0.5 * (offset / sigma) ** 2)
    return np.outer(bell, bell) / bell.sum() ** 2


def identity_kernel(size=3):
    """Return the kernel that leaves the image as it is: 1 in the centre, 0 elsewhere.

    Parameters
    ----------
    size : int
        Rows and columns, odd, in pixels.

    Returns
    -------
    ndarray, float64
        (size, size).

    Raises
    ------
    ValueError
        If the size is no odd whole number above 0.

    Examples
    --------
    >>> identity_kernel()
    array([[0., 0., 0.],
           [0., 1., 0.],
           [0., 0., 0.]])
    """
    kernel = np.zeros((_as_odd(size, "size"), size))
    kernel[size // 2, size // 2] = 1
    return kernel


def shift_kernel(down, right):
    """Return the kernel with which `correlate2d` moves the image.

    Parameters
    ----------
    down, right : int
        How far, in pixels; negative is up, and left.

    Returns
    -------
    ndarray, float64
        (2·abs(down) + 1, 2·abs(right) + 1): a single 1, on the side from which the pixels come.

    Raises
    ------
    ValueError
        If down or right is no whole number.

    See Also
    --------
    numpy.roll

    Examples
    --------
    >>> shift_kernel(0, 1)
    array([[1., 0., 0.]])
    >>> correlate2d([[1, 2, 3]], shift_kernel(0, 1), border="zero")
    array([[0., 1., 2.]])
    """
    for name, count in [("down", down), ("right", right)]:
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)):
            raise ValueError(f"{name}: expected a whole number, got {count!r}")
    down, right = int(down), int(right)  # bytes would wrap around
    kernel = np.zeros((2 * abs(down) + 1, 2 * abs(right) + 1))
    kernel[abs(down) - down, abs(right) - right] = 1
    return kernel


def sharpen_kernel(amount=1.0):
    """Return the identity plus `amount` times the pixel's difference from its four neighbours.

    Parameters
    ----------
    amount : float
        Above 0; 1 is strong.

    Returns
    -------
    ndarray, float64
        (3, 3), with sum 1: even areas keep their grey.

    Raises
    ------
    ValueError
        If the amount is not above 0.

    Examples
    --------
    >>> sharpen_kernel(1)
    array([[ 0., -1.,  0.],
           [-1.,  5., -1.],
           [ 0., -1.,  0.]])
    """
    difference = np.array([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]])
    return identity_kernel() + as_positive(amount, "amount") * difference


def emboss_kernel():
    """Return a kernel that looks like light from one side: pixel plus slope along the diagonal.

    Returns
    -------
    ndarray, float64
        (3, 3), with sum 1. What grows brighter towards the lower right is brightened.

    Examples
    --------
    >>> emboss_kernel()
    array([[-2., -1.,  0.],
           [-1.,  1.,  1.],
           [ 0.,  1.,  2.]])
    """
    return np.array([[-2.0, -1, 0], [-1, 1, 1], [0, 1, 2]])


def motion_kernel(length, angle):
    """Return the blur of a camera that moves in a straight line while the shutter is open.

    Each weight is the share of the path that lies in that pixel.

    Parameters
    ----------
    length : int
        Length of the path, odd, in pixels.
    angle : float
        In degrees, anticlockwise from the row direction; 0 is sideways, 90 up and down.

    Returns
    -------
    ndarray, float64
        (length, length), with sum 1.

    Raises
    ------
    ValueError
        If the length is no odd whole number above 0, or the angle is not finite.

    Examples
    --------
    >>> motion_kernel(3, 0).round(2)
    array([[0.  , 0.  , 0.  ],
           [0.33, 0.33, 0.33],
           [0.  , 0.  , 0.  ]])
    """
    length, angle = _as_odd(length, "length"), as_finite(angle, "angle")
    samples = 101 * length  # places on the path, evenly spread
    along = (np.arange(samples) + 0.5) / samples * length - length / 2
    down = np.round(-along * np.sin(np.deg2rad(angle))).astype(int)
    right = np.round(along * np.cos(np.deg2rad(angle))).astype(int)
    kernel = np.zeros((length, length))
    np.add.at(kernel, (length // 2 + down, length // 2 + right), 1 / samples)
    return kernel


def add_border(image, rows, columns, border):
    """Continue the image beyond its edges.

    Parameters
    ----------
    image : array_like
        (H, W).
    rows, columns : int
        Pixels to add above and below, and left and right; 0 or more.
    border : {"zero", "replicate", "reflect", "symmetric", "circular"}
        Nothing (0); the edge pixel again and again; a mirror on the edge pixel, which is not
        repeated; a mirror behind it, so that it is; or the opposite side. Mirrors and circles
        repeat where the image is smaller than the border.

    Returns
    -------
    ndarray
        (H + 2·rows, W + 2·columns).

    Raises
    ------
    ValueError
        For no 2-D image, an unknown border, or rows or columns that are not 0, 1, 2, …

    See Also
    --------
    numpy.pad, torch.nn.functional.pad

    Examples
    --------
    >>> for border in BORDERS:
    ...     print(add_border([[1, 2, 3]], 0, 2, border)[0].astype(int), border)
    [0 0 1 2 3 0 0] zero
    [1 1 1 2 3 3 3] replicate
    [3 2 1 2 3 2 1] reflect
    [2 1 1 2 3 3 2] symmetric
    [2 3 1 2 3 1 2] circular
    """
    image = as_image(image)
    mode = BORDERS[as_one_of(border, BORDERS, "border")]
    for name, count in [("rows", rows), ("columns", columns)]:
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 0:
            raise ValueError(f"{name}: expected a whole number of 0 or more, got {count!r}")
    return np.pad(image, [(rows, rows), (columns, columns)], mode)


def separate(kernel):
    """Write a kernel of rank 1 as a column times a row.

    Parameters
    ----------
    kernel : array_like
        (R, S).

    Returns
    -------
    column : ndarray
        (R, 1); its entry of largest size is positive.
    row : ndarray
        (1, S), as long as the column (in the sense of the Euclidean norm).

    Raises
    ------
    ValueError
        If the rank is above 1; the message gives the second singular value over the first.

    See Also
    --------
    numpy.linalg.svd

    References
    ----------
    Treitel, S., Shanks, J. L., The Design of Multistage Separable Planar Filters, IEEE Transactions
    on Geoscience Electronics, 1971.

    Examples
    --------
    >>> column, row = separate([[1, 2, 1], [2, 4, 2], [1, 2, 1]])
    >>> column.round(10)
    array([[1.],
           [2.],
           [1.]])
    """
    kernel = as_kernel(kernel)
    left, strength, right = np.linalg.svd(kernel)
    rest = strength[1:].max(initial=0)
    if rest > max(kernel.shape) * np.finfo(kernel.dtype).eps * strength[0]:
        raise ValueError(
            "kernel: expected rank 1 (a column times a row), got a second singular value of "
            f"{rest / strength[0]:.3g} times the first"
        )
    size = np.sqrt(strength[0])
    sign = np.sign(left[np.abs(left[:, 0]).argmax(), 0])
    return sign * size * left[:, :1], sign * size * right[:1]


def correlate2d_separable(image, column, row, border=None):
    """Correlate with the kernel ``column @ row`` in two passes: R + S multiplications a pixel.

    Parameters
    ----------
    image : array_like
        (H, W).
    column, row : array_like
        (R, 1) and (1, S), as `separate` returns them.
    border : {None, "zero", "replicate", "reflect", "symmetric", "circular"}
        As for `correlate2d`.

    Returns
    -------
    ndarray, of the image's dtype (float64 for integers)
        That of `correlate2d`.

    Raises
    ------
    ValueError
        If the column has several columns or the row several rows, and as `correlate2d` does.

    See Also
    --------
    scipy.signal.sepfir2d, scipy.ndimage.correlate1d

    Examples
    --------
    >>> correlate2d_separable([[1, 2, 3], [4, 5, 6]], [[1], [1]], [[1, 1]])
    array([[12., 16.]])
    """
    column, row = as_kernel(column, name="column"), as_kernel(row, name="row")
    if column.shape[1] != 1 or row.shape[0] != 1:
        raise ValueError(
            f"column, row: expected shapes (R, 1) and (1, S), got {column.shape} and {row.shape}"
        )
    return correlate2d(correlate2d(image, column, border), row, border)


def correlate2d_fft(image, kernel, border=None):
    """Correlate by way of frequencies, where sliding becomes one multiplication a frequency.

    Parameters
    ----------
    image : array_like
        (H, W), real numbers.
    kernel : array_like
        (R, S); with a named border both odd.
    border : {None, "zero", "replicate", "reflect", "symmetric", "circular"}
        As for `correlate2d`.

    Returns
    -------
    ndarray, of the image's dtype (float64 for integers)
        (H − R + 1, W − S + 1) with ``border=None``, else (H, W); that of `correlate2d` up to
        rounding; computed in float64.

    Raises
    ------
    ValueError
        As `correlate2d` does.

    See Also
    --------
    scipy.signal.fftconvolve

    References
    ----------
    Cooley, J. W., Tukey, J. W., An Algorithm for the Machine Calculation of Complex Fourier Series,
    Mathematics of Computation, 1965.

    Examples
    --------
    >>> correlate2d_fft([[1, 2, 3], [4, 5, 6]], [[1, 0], [0, 1]]).round(10)
    array([[6., 8.]])
    """
    image, kernel = _prepared(image, kernel, border)
    (H, W), (R, S) = image.shape, kernel.shape
    size = _fast_length(H), _fast_length(W)
    waves = np.fft.rfft2(image.astype(np.float64), size)
    weights = np.fft.rfft2(kernel.astype(np.float64), size).conj()  # conj: correlation, no flip
    result = np.fft.irfft2(waves * weights, size)
    return result[: H - R + 1, : W - S + 1].astype(image.dtype)  # what did not wrap around


def multiplications(image_shape, kernel_shape, method):
    """Count the multiplications of real numbers that a filter takes, the image's size being kept.

    Parameters
    ----------
    image_shape, kernel_shape : tuple of int
        (H, W) and (R, S).
    method : {"direct", "separable", "fft"}
        R·S a pixel; R + S a pixel; or 3·N·log₂N + 2·N for three real transforms of N points and
        their product. N is the size of the image with its border, rounded up as
        `correlate2d_fft` does.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If a shape is not two whole numbers above 0, or the method is unknown.

    Notes
    -----
    A radix-2 transform of N complex points takes ½·N·log₂N complex multiplications (Cooley and
    Tukey, 1965), of four real ones each; of N real points, half of that. Better transforms need
    fewer, so this is a model of the cost, not what NumPy does.

    Examples
    --------
    >>> multiplications((100, 200), (5, 5), "direct")
    500000
    >>> multiplications((100, 200), (5, 5), "separable")
    200000
    """
    as_one_of(method, ("direct", "separable", "fft"), "method")
    (H, W), (R, S) = as_shape(image_shape, "image_shape"), as_shape(kernel_shape, "kernel_shape")
    if method == "direct":
        return H * W * R * S
    if method == "separable":
        return H * W * (R + S)
    points = _fast_length(H + R - 1) * _fast_length(W + S - 1)
    return round(3 * points * np.log2(points) + 2 * points)


def _as_odd(size, name):
    """Return an odd whole number above 0, or refuse it."""
    if as_positive(size, name, integer=True) % 2 == 0:
        raise ValueError(f"{name}: expected an odd number, so that there is a centre, got {size}")
    return int(size)


def _fast_length(n):
    """Return the smallest length from n up without a prime factor above 5, which FFTs like."""
    while True:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1


def _prepared(image, kernel, border):
    """Return image (with its border) and kernel, as floats of the image's dtype."""
    image, kernel = as_image(image), as_kernel(kernel, odd=border is not None)
    (H, W), (R, S) = image.shape, kernel.shape
    if border is not None:
        image = add_border(image, R // 2, S // 2, border)
    elif R > H or S > W:
        raise ValueError(f"kernel: expected at most the image's {H}×{W}, got {R}×{S}")
    return image, kernel.astype(image.dtype)
