"""Comparing results, and refusing bad input with a sentence that helps.

`matches` is the last line of many cells in the book: it compares what we wrote with an independent
implementation. The `as_…` functions are how the package's public functions read their arguments.
"""

import numpy as np


def matches(ours, theirs, rtol=1e-10, atol=1e-12):
    """Compare two arrays in shape, dtype and value; print the largest difference or raise.

    Parameters
    ----------
    ours, theirs : array_like or torch.Tensor
        The result under test, and the one to trust.
    rtol, atol : float
        Two values agree when ``|ours - theirs| <= atol + rtol * |theirs|``. Infinity agrees with
        itself alone, NaN with nothing.

    Raises
    ------
    AssertionError
        With the first thing that differs: the shapes, the dtypes, or the position of the value most
        out of tolerance.

    Examples
    --------
    >>> matches([1.0, 2.0], [1.0, 2.0])
    match: shape (2,), float64, largest difference 0
    >>> matches([1.0, 2.0], [1.0, 2.5])
    Traceback (most recent call last):
    AssertionError: values differ at 1 of 2 positions, most at (1,): ours 2.0, theirs 2.5
    """
    ours, theirs = _as_array(ours), _as_array(theirs)
    if ours.shape != theirs.shape:
        raise AssertionError(f"shapes differ: ours {ours.shape}, theirs {theirs.shape}")
    if ours.dtype != theirs.dtype:
        raise AssertionError(f"dtypes differ: ours {ours.dtype}, theirs {theirs.dtype}")
    rounded = ours.dtype.kind in "fc"
    with np.errstate(all="ignore"):  # infinities, and a tolerance of 0
        gap = np.where(ours == theirs, 0.0, np.abs(ours - theirs) if rounded else 1.0)
        allowed = np.where(np.isfinite(theirs), atol + rtol * np.abs(theirs), 0) if rounded else 0
        wrong = ~(gap <= allowed)  # so that NaN is wrong
        excess = np.where(wrong, gap / allowed, 0)
    if wrong.any():
        worst = np.unravel_index(np.argmax(excess), gap.shape)  # NaN first
        worst = tuple(int(i) for i in worst)
        raise AssertionError(
            f"values differ at {wrong.sum()} of {wrong.size} positions, most at {worst}: "
            f"ours {ours[worst]}, theirs {theirs[worst]}"
        )
    largest = gap.max(initial=0)
    print(f"match: shape {ours.shape}, {ours.dtype}, largest difference {largest:.2g}")


def as_image(image, name="image"):
    """Return a two-dimensional array of real numbers as floats, or refuse it.

    Integers and booleans become float64, so that no sum can wrap around; float32 and float64 stay.

    Raises
    ------
    ValueError
        Naming the argument, what came and what was expected: wrong rank, no pixels, complex or
        non-numeric values, NaN or infinity.

    Examples
    --------
    >>> as_image([[0, 255]])
    array([[  0., 255.]])
    >>> as_image([1, 2, 3], name="kernel")
    Traceback (most recent call last):
    ValueError: kernel: expected a 2-D array (rows, columns), got shape (3,)
    """
    array = np.asarray(image)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name}: expected real numbers, got dtype {array.dtype}")
    if array.ndim != 2:
        hint = (
            "; take one channel, or data.photo(…, gray=True)"
            if array.ndim == 3 and array.shape[-1] in (3, 4)
            else ""
        )
        raise ValueError(
            f"{name}: expected a 2-D array (rows, columns), got shape {array.shape}{hint}"
        )
    if array.size == 0:
        raise ValueError(f"{name}: expected at least one row and column, got shape {array.shape}")
    if array.dtype.kind in "iub" or array.dtype.itemsize < 4 or array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    return array


def as_kernel(kernel, odd=False, name="kernel"):
    """Return a kernel as `as_image` does; with ``odd=True`` refuse one that has no centre pixel.

    Examples
    --------
    >>> as_kernel([[1, 1]], odd=True)
    Traceback (most recent call last):
    ValueError: kernel: expected odd height and width, so that there is a centre pixel, got 1×2
    """
    kernel = as_image(kernel, name)
    height, width = kernel.shape
    if odd and (height % 2 == 0 or width % 2 == 0):
        raise ValueError(
            f"{name}: expected odd height and width, so that there is a centre pixel, "
            f"got {height}×{width}"
        )
    return kernel


def as_positive(value, name, integer=False):
    """Return a number above zero as float (or int), or refuse it.

    Examples
    --------
    >>> as_positive(0, "sigma")
    Traceback (most recent call last):
    ValueError: sigma: expected a number above 0, got 0
    """
    whole = isinstance(value, (int, np.integer))
    if not _is_finite(value) or float(value) <= 0 or (integer and not whole):
        wanted = "a whole number above 0" if integer else "a number above 0"
        raise ValueError(f"{name}: expected {wanted}, got {value!r}")
    return int(value) if integer else float(value)


def as_finite(value, name):
    """Return a finite real number as float, or refuse it.

    Examples
    --------
    >>> as_finite(90, "angle")
    90.0
    >>> as_finite(None, "angle")
    Traceback (most recent call last):
    ValueError: angle: expected a finite number, got None
    """
    if not _is_finite(value):
        raise ValueError(f"{name}: expected a finite number, got {value!r}")
    return float(value)


def as_shape(shape, name="shape"):
    """Return two whole numbers above 0 as a tuple, or refuse them.

    Examples
    --------
    >>> as_shape([2, 3])
    (2, 3)
    >>> as_shape(5)
    Traceback (most recent call last):
    ValueError: shape: expected (rows, columns), got 5
    """
    try:
        rows, columns = shape
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected (rows, columns), got {shape!r}") from None
    return as_positive(rows, name, integer=True), as_positive(columns, name, integer=True)


def as_one_of(value, choices, name):
    """Return `value` if it is among `choices`, or refuse it with the list.

    Examples
    --------
    >>> as_one_of("mirror", ["zero", "reflect"], "border")
    Traceback (most recent call last):
    ValueError: border: expected one of 'zero', 'reflect', got 'mirror'
    """
    if value not in list(choices):
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name}: expected one of {listed}, got {value!r}")
    return value


def as_description(alt, name="alt"):
    """Return the words that stand for a figure where it cannot be seen, or refuse too few of them.

    Examples
    --------
    >>> as_description("photo")
    Traceback (most recent call last):
    ValueError: alt: expected a sentence that describes the figure, got 'photo'
    """
    if not isinstance(alt, str) or len(alt.split()) < 3:
        raise ValueError(f"{name}: expected a sentence that describes the figure, got {alt!r}")
    return alt


def _is_finite(value):
    """Say whether this is a real number, and one that a float can hold."""
    real = isinstance(value, (int, float, np.integer, np.floating))
    if not real or isinstance(value, bool):
        return False
    try:
        return bool(np.isfinite(float(value)))
    except OverflowError:  # a whole number of more than 308 digits
        return False


def _as_array(value):
    """Return a NumPy array, also from a torch tensor that carries a gradient."""
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
