"""Chapter 1, visual cortex: cells that see a small patch each, and cells that read them.

A model cell multiplies its patch by its weights and adds up. All else here is built of that:
simple and complex cells, the experiments that find out what a cell prefers, a corner detector.
Angles are in degrees, counter-clockwise as seen on the page: 0 is a level bar, 90 an upright one.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from cnncourse.check import as_finite, as_image, as_kernel, as_positive, as_shape


def responses(image, receptive_field):
    """Return the weighted sum of every patch: one cell, copied to every position.

    Parameters
    ----------
    image : array_like
        (H, W), what is seen.
    receptive_field : array_like
        (R, S), the cell's weights, not larger than the image.

    Returns
    -------
    ndarray
        (H - R + 1, W - S + 1), float32 if both arguments are, float64 otherwise. Row i, column j is
        the response of the copy whose patch has its first row and column at (i, j).

    Raises
    ------
    ValueError
        If an argument is not a 2-D array of finite real numbers, or the receptive field is larger
        than the image.

    See Also
    --------
    scipy.signal.correlate2d : with ``mode="valid"``, the same numbers.

    Examples
    --------
    >>> responses([[0, 0, 9, 9]], [[-1, 1]])
    array([[0., 9., 0.]])
    """
    image = as_image(image)
    weights = _as_patch(receptive_field, image.shape)
    patches = sliding_window_view(image, weights.shape)  # (H-R+1, W-S+1, R, S)
    return np.einsum("ijrs,rs->ij", patches, weights)


def bar(shape, angle=90, offset=0, width=3, length=None):
    """Draw a white bar on black.

    Parameters
    ----------
    shape : tuple of int
        (H, W) in pixels.
    angle : float
        Orientation of the bar in degrees: 0 horizontal, 90 upright, 45 rising to the right.
    offset : float
        Distance of the bar from the middle of the image, in pixels, at right angles to the bar:
        to the right of an upright bar, down from a horizontal one.
    width, length : float
        In pixels; without `length` the bar crosses the whole image.

    Returns
    -------
    ndarray, float64, in [0, 1]
        (H, W), with soft edges one pixel wide.

    Raises
    ------
    ValueError
        If a size, the width or the length is not above 0, or an angle or offset is not finite.

    Examples
    --------
    >>> bar((2, 5), angle=90, offset=1, width=1)
    array([[0., 0., 0., 1., 0.],
           [0., 0., 0., 1., 0.]])
    """
    along, across = _coordinates(shape, angle)
    half = as_positive(width, "width") / 2
    image = (half + 0.5 - np.abs(across - as_finite(offset, "offset"))).clip(0, 1)
    if length is not None:
        image *= (as_positive(length, "length") / 2 + 0.5 - np.abs(along)).clip(0, 1)
    return image


def receptive_field_map(cell, shape):
    """Map a receptive field from outside: flash a bright and a dark dot everywhere.

    Parameters
    ----------
    cell : callable
        Takes an image (H, W) and returns one number.
    shape : tuple of int
        (H, W) of the images to show, in pixels.

    Returns
    -------
    ndarray, float64
        (H, W): half the difference between the response to a bright dot (+1 on a background of 0)
        and to a dark one (-1) there. A weighted sum gives its weights, a half-rectified one half
        of them, a cell that treats bright and dark alike zeros.

    Raises
    ------
    ValueError
        If the shape is not two whole numbers above 0, or the cell returns no single number.

    References
    ----------
    Hubel, D. H., Wiesel, T. N., Receptive fields of single neurones in the cat's striate cortex,
    1959: maps made with spots of light going on and off.

    Examples
    --------
    >>> receptive_field_map(lambda image: 3 * image[0, 1] - image[1, 0], (2, 2))
    array([[ 0.,  3.],
           [-1.,  0.]])
    """
    found = np.zeros(as_shape(shape))
    for position in np.ndindex(found.shape):
        dot = np.zeros(found.shape)
        dot[position] = 1
        found[position] = (_answer(cell, dot) - _answer(cell, -dot)) / 2
    return found


def gabor(angle, wavelength=8, phase=0):
    """Return the weights of a cell that prefers one orientation: a Gabor patch.

    A cosine wave under a round Gaussian window whose standard deviation is half a wavelength. A
    little of the window is subtracted, so that uniform light gives no response at all.

    Parameters
    ----------
    angle : float
        The preferred orientation in degrees, as in `bar`.
    wavelength : float
        Of the wave, in pixels, at least 4.
    phase : float
        In degrees. 0: a bright line between dark flanks. 90: dark beside bright, an edge.

    Returns
    -------
    ndarray, float64
        (R, R) with odd R = 2⌈1.5 wavelength⌉ + 1. The weights sum to 0 and are scaled so that
        the `grating` of the same angle, wavelength and phase gives the response 1 (to 0.1 %).

    Raises
    ------
    ValueError
        If the wavelength is below 4 pixels (fewer do not hold a wave and its quarter shift), or the
        angle or phase is not a finite number.

    See Also
    --------
    skimage.filters.gabor_kernel : the same wave and window; our angle is 90° minus its `theta`.

    References
    ----------
    Daugman, J. G., Uncertainty relation for resolution in space, spatial frequency, and orientation
    optimized by two-dimensional visual cortical filters, 1985.
    Jones, J. P., Palmer, L. A., An evaluation of the two-dimensional Gabor filter model of simple
    receptive fields in cat striate cortex, 1987.

    Examples
    --------
    >>> weights = gabor(90, wavelength=8)
    >>> weights.shape, bool(weights[12, 12] > 0 > weights[12, 8])
    ((25, 25), True)
    >>> round(responses(grating((25, 25), angle=90, wavelength=8), weights).item(), 3)
    1.0
    """
    wavelength = _as_wavelength(wavelength, 4)
    side = 2 * int(np.ceil(1.5 * wavelength)) + 1  # three standard deviations to each side
    along, across = _coordinates((side, side), angle)
    window = np.exp(-(along**2 + across**2) / (2 * (wavelength / 2) ** 2))
    wave = np.cos(2 * np.pi * across / wavelength + np.deg2rad(as_finite(phase, "phase")))
    mean = (window * wave).sum() / window.sum()
    return window * (wave - mean) * (4 / window.sum())  # a half times the sum of cos² is 1


def simple_cell(image, receptive_field):
    """Return a simple cell's response everywhere: the sum, cut off below zero.

    Parameters
    ----------
    image : array_like
        (H, W), what is seen.
    receptive_field : array_like
        (R, S), the cell's weights.

    Returns
    -------
    ndarray
        (H - R + 1, W - S + 1), at least 0; float32 if both arguments are, float64 otherwise.

    Raises
    ------
    ValueError
        As `responses`.

    See Also
    --------
    torch.nn.functional.relu : the half-rectification.

    References
    ----------
    Hubel, D. H., Wiesel, T. N., Receptive fields, binocular interaction and functional architecture
    in the cat's visual cortex, 1962: the cells; the weighted sum is a later model of them.

    Examples
    --------
    >>> simple_cell([[0, 9, 0]], [[-1, 1]])
    array([[9., 0.]])
    """
    return np.maximum(responses(image, receptive_field), 0)


def grating(shape, angle=90, wavelength=8, phase=0):
    """Draw a grating: parallel soft stripes. Increase the phase step by step and it drifts.

    Parameters
    ----------
    shape : tuple of int
        (H, W) in pixels.
    angle : float
        Orientation of the stripes in degrees, as in `bar`.
    wavelength : float
        From one bright stripe to the next, in pixels, at least 2.
    phase : float
        In degrees; at 0 a bright stripe runs through the middle of the image.

    Returns
    -------
    ndarray, float64, in [0, 1]
        (H, W)

    Raises
    ------
    ValueError
        If a size is not above 0, the wavelength is below 2, or the angle or phase is not finite.

    Examples
    --------
    >>> grating((1, 5), angle=90, wavelength=4).round(2)
    array([[0. , 0.5, 1. , 0.5, 0. ]])
    """
    _, across = _coordinates(shape, angle)
    turns = across / _as_wavelength(wavelength, 2) + as_finite(phase, "phase") / 360
    return 0.5 + 0.5 * np.cos(2 * np.pi * turns)


def tuning_curve(cell, shape, angles, wavelength=8):
    """Find which orientation a cell prefers: drift a grating of each angle, average the responses.

    Parameters
    ----------
    cell : callable
        Takes an image (H, W) and returns one number.
    shape : tuple of int
        (H, W) of the images to show, in pixels.
    angles : sequence of float
        Orientations of the gratings in degrees.
    wavelength : float
        Of the gratings, in pixels, at least 2.

    Returns
    -------
    ndarray, float64
        (number of angles,): the mean response over 24 phases, one drift of a whole wavelength.

    Raises
    ------
    ValueError
        If there is no angle, or as `grating` and `receptive_field_map`.

    Examples
    --------
    >>> mean = tuning_curve(lambda image: image[0, 0], (1, 1), [0, 90])
    >>> mean.round(9)
    array([0.5, 0.5])
    """
    if np.ndim(angles) != 1 or len(angles) == 0:
        raise ValueError(f"angles: expected a list of one or more angles, got {angles!r}")
    drift = np.arange(0, 360, 15)
    return np.array(
        [
            np.mean([_answer(cell, grating(shape, angle, wavelength, phase)) for phase in drift])
            for angle in angles
        ]
    )


def complex_cell(image, angle, wavelength=8):
    """Return a complex cell's energy everywhere: the sum of two squared responses.

    The two cells that it reads differ by a quarter of a wave (a quadrature pair), so that one is
    strong where the other is weak, and the sum hardly depends on where exactly the stripe lies.

    Parameters
    ----------
    image : array_like
        (H, W), what is seen.
    angle : float
        The preferred orientation in degrees, as in `bar`.
    wavelength : float
        The preferred wavelength, in pixels, at least 4.

    Returns
    -------
    ndarray
        (H - R + 1, W - R + 1) with R from `gabor`, at least 0; float32 for a float32 image, float64
        otherwise.

    Raises
    ------
    ValueError
        As `gabor` and `responses`.

    References
    ----------
    Adelson, E. H., Bergen, J. R., Spatiotemporal energy models for the perception of motion, 1985.

    Examples
    --------
    >>> stripes = grating((25, 25), angle=90)
    >>> upright, level = complex_cell(stripes, 90), complex_cell(stripes, 0)
    >>> upright.shape, bool(upright[0, 0] > 1000 * level[0, 0])
    ((1, 1), True)
    """
    image = as_image(image)
    pair = (gabor(angle, wavelength, phase).astype(image.dtype) for phase in (0, 90))
    return sum(responses(image, weights) ** 2 for weights in pair)


def orientation_map(image, wavelength=6, angles=12):
    """Paint what complex cells answer: hue is orientation, brightness is energy.

    Parameters
    ----------
    image : array_like
        (H, W), what is seen.
    wavelength : float
        The preferred wavelength of all cells, in pixels, at least 4.
    angles : int
        How many orientations, evenly spread over 180°; at least 3.

    Returns
    -------
    ndarray, float64, in [0, 1]
        (H - R + 1, W - R + 1, 3) red, green, blue. The hue runs once round in 180°: red is level,
        yellow and green rise to the right, cyan is upright, blue and violet rise to the left.
        Brightness is the square root of the energy summed over orientations; the brightest three
        hundredths of the pixels are at 1. Energy that rounding alone can make is drawn black.

    Raises
    ------
    ValueError
        For fewer than 3 orientations, or as `complex_cell`.

    Examples
    --------
    >>> orientation_map(grating((19, 19), angle=0), wavelength=6).round(2)
    array([[[1.  , 0.25, 0.25]]])
    """
    if as_positive(angles, "angles", integer=True) < 3:
        raise ValueError(f"angles: expected at least 3 orientations, got {angles}")
    image = as_image(image)
    energy, orientation = 0.0, 0.0
    for angle in np.arange(angles) * 180 / angles:
        cells = complex_cell(image, angle, wavelength)
        energy = energy + cells
        orientation = orientation + cells * np.exp(2j * np.deg2rad(angle))  # 180° is 0°
    hue = np.angle(orientation)[..., None] - 2 * np.pi / 3 * np.arange(3)
    rounding = 10 * np.finfo(image.dtype).eps * np.abs(image).max()  # in the two cells' responses
    energy = np.where(energy > angles * rounding**2, energy, 0)
    bright = np.percentile(energy, 97) or 1
    return np.sqrt(energy / bright).clip(0, 1)[..., None] * (0.5 + 0.5 * np.cos(hue))


def corner_cell(image, wavelength=8):
    """Return the answer of cells that need two perpendicular orientations at once.

    Parameters
    ----------
    image : array_like
        (H, W), what is seen.
    wavelength : float
        The preferred wavelength of the complex cells that are read, in pixels, at least 4.

    Returns
    -------
    ndarray
        (H - R + 1, W - R + 1), at least 0: the weaker of the two energies, for the best of four
        perpendicular pairs; float32 for a float32 image, float64 otherwise.

    Raises
    ------
    ValueError
        As `complex_cell`.

    Examples
    --------
    >>> cross = np.maximum(bar((25, 25), 0), bar((25, 25), 90))
    >>> at_cross, on_line = corner_cell(cross), corner_cell(bar((25, 25), 90))
    >>> bool(at_cross[0, 0] > 10 * on_line[0, 0])
    True
    """
    energy = {a: complex_cell(image, a, wavelength) for a in np.arange(0, 180, 22.5)}
    pairs = [np.minimum(energy[a], energy[a + 90]) for a in np.arange(0, 90, 22.5)]
    return np.max(pairs, axis=0)


def permute_pixels(images, order):
    """Move all pixels of each image to new places, the same for every image.

    Parameters
    ----------
    images : array_like
        (..., H, W), one image or a stack of them.
    order : array_like of int
        (H * W,), each of 0 to H * W - 1 once. Pixel k of the result, counted row by row, is pixel
        ``order[k]`` of the image.

    Returns
    -------
    ndarray
        Same shape and dtype as `images`.

    Raises
    ------
    ValueError
        If `images` has fewer than 2 dimensions, or `order` does not name every pixel once.

    Examples
    --------
    >>> permute_pixels([[1, 2], [3, 4]], [3, 0, 2, 1])
    array([[4, 1],
           [3, 2]])
    """
    images, order = np.asarray(images), np.asarray(order)
    if images.ndim < 2:
        raise ValueError(f"images: expected shape (…, rows, columns), got {images.shape}")
    pixels = images.shape[-2] * images.shape[-1]
    whole = order.dtype.kind in "iu" and order.shape == (pixels,)
    if not whole or not np.array_equal(np.sort(order), np.arange(pixels)):
        raise ValueError(
            f"order: expected each of 0 to {pixels - 1} once, as whole numbers, "
            f"got shape {order.shape}, {order!r}"
        )
    return images.reshape(*images.shape[:-2], pixels)[..., order].reshape(images.shape)


def dense_parameters(inputs, outputs):
    """Count the weights and biases when every output reads every input.

    Parameters
    ----------
    inputs, outputs : int
        How many numbers come in and go out.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If a number is not a whole number above 0.

    See Also
    --------
    torch.nn.Linear

    Examples
    --------
    >>> dense_parameters(4, 3)  # three outputs with four weights and a bias each
    15
    """
    inputs, outputs = _as_count(inputs, "inputs"), _as_count(outputs, "outputs")
    return outputs * (inputs + 1)


def local_parameters(shape, field, channels, maps):
    """Count the weights and biases when every output reads its own patch, with weights of its own.

    Parameters
    ----------
    shape, field : tuple of int
        (H, W) of the image and (R, S) of a patch, in pixels.
    channels, maps : int
        Numbers per pixel (3 for red, green, blue), and outputs per patch.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If a number is not a whole number above 0, or the patch is larger than the image.

    Examples
    --------
    >>> local_parameters((4, 4), (3, 3), channels=1, maps=1)  # four patches, ten numbers each
    40
    """
    (H, W), (R, S) = as_shape(shape), as_shape(field, "field")
    if R > H or S > W:
        raise ValueError(f"field: expected at most the image's shape {(H, W)}, got {(R, S)}")
    return (H - R + 1) * (W - S + 1) * convolution_parameters(field, channels, maps)


def convolution_parameters(field, channels, maps):
    """Count the weights and biases when all patches share them, however large the image.

    Parameters
    ----------
    field : tuple of int
        (R, S) of a patch, in pixels.
    channels, maps : int
        Numbers per pixel (3 for red, green, blue), and outputs per patch.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If a number is not a whole number above 0.

    See Also
    --------
    torch.nn.Conv2d

    References
    ----------
    LeCun, Y., Bottou, L., Bengio, Y., Haffner, P., Gradient-based learning applied to document
    recognition, 1998, section II.B: layer C1 of LeNet-5 has 156 trainable parameters.

    Examples
    --------
    >>> convolution_parameters((5, 5), channels=1, maps=6)
    156
    """
    R, S = as_shape(field, "field")
    return dense_parameters(R * S * _as_count(channels, "channels"), _as_count(maps, "maps"))


def _coordinates(shape, angle):
    """Return each pixel's distance from the middle along an orientation and across, in pixels."""
    H, W = as_shape(shape)
    turn = np.deg2rad(as_finite(angle, "angle"))
    down, right = np.mgrid[:H, :W] - np.array([(H - 1) / 2, (W - 1) / 2])[:, None, None]
    along = right * np.cos(turn) - down * np.sin(turn)  # rows count downwards
    across = right * np.sin(turn) + down * np.cos(turn)
    return along, across


def _answer(cell, image):
    """Return the cell's response as one number."""
    answer = np.asarray(cell(image), dtype=float)
    if answer.size != 1:
        raise ValueError(f"cell: expected a function that returns one number, got {answer.shape}")
    return answer.item()


def _as_patch(receptive_field, shape):
    weights = as_kernel(receptive_field, name="receptive_field")
    if weights.shape[0] > shape[0] or weights.shape[1] > shape[1]:
        raise ValueError(
            f"receptive_field: expected at most the image's shape {shape}, got {weights.shape}"
        )
    return weights


def _as_count(value, name):
    return as_positive(value, name, integer=True)


def _as_wavelength(value, least):
    if as_positive(value, "wavelength") < least:
        raise ValueError(f"wavelength: expected at least {least} pixels, got {value!r}")
    return float(value)
