"""Compare what came with what was expected, and say in words where they first differ."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Difference:
    """The first thing in which two values differ.

    Parameters
    ----------
    kind : {"nothing", "type", "shape", "dtype", "value", "keys"}
        In what.
    sentence : str
        The same in words, without what was expected.
    expected : str
        What was expected, in words.
    index : tuple of int
        Where, for a value in an array.
    where : str
        In which part of a result of several parts; else empty.

    Examples
    --------
    >>> difference(3, 4).sentence
    'got 4'
    """

    kind: str
    sentence: str
    expected: str
    index: tuple = ()
    where: str = ""


def difference(expected, got, rtol=1e-6, atol=1e-8):
    """Find the first difference.

    A Python number, a NumPy number and an array without axes count as the same kind of value;
    whole numbers do for real ones, but not the other way round. Arrays must agree in shape and in
    the kind of their dtype. A tuple may be a list.

    Parameters
    ----------
    expected, got : object
        Numbers, words, arrays, tensors, None; and tuples, lists and dicts of them.
    rtol, atol : float
        Two real values agree when ``|expected - got| <= atol + rtol * |expected|``; NaN agrees
        with NaN.

    Returns
    -------
    Difference or None

    Examples
    --------
    >>> difference(np.eye(2), np.eye(2)) is None
    True
    >>> difference([1.0, 2.0], [1.0, 5.0]).sentence
    'got 5.0'
    """
    if got is None and expected is not None:
        return Difference("nothing", "got None: is there a `return`?", kind_of(expected))
    if _is_number(expected):
        return _number_difference(expected, got, rtol, atol)
    if hasattr(expected, "shape"):
        return _array_difference(expected, got, rtol, atol)
    if isinstance(expected, dict):
        return _dict_difference(expected, got, rtol, atol)
    if isinstance(expected, tuple | list):
        return _sequence_difference(expected, got, rtol, atol)
    if type(expected) is not type(got):
        return Difference("type", f"got {kind_of(got)}: {brief(got)}", kind_of(expected))
    return None if expected == got else Difference("value", f"got {brief(got)}", brief(expected))


def kind_of(value):
    """Name the kind of a value in plain words.

    Examples
    --------
    >>> kind_of(np.zeros((2, 3)))
    'an array of shape (2, 3)'
    """
    if hasattr(value, "shape") and np.ndim(value):
        name = "a tensor" if _is_tensor(value) else "an array"
        return f"{name} of shape {tuple(value.shape)}"
    if isinstance(value, bool | np.bool_):
        return "True or False"
    if _is_number(value):
        return "a whole number" if _kind(value) in "iu" else "a number"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    names = {"NoneType": "None", "str": "a text", "dict": "a dict"}
    return names.get(type(value).__name__, f"a {type(value).__name__}")


def brief(value, longest=120):
    """Write a value in one line.

    Examples
    --------
    >>> brief(np.zeros(100))
    'an array of shape (100,)'
    >>> brief([0.5, np.float64(2)]), brief({"a": np.zeros(3)})
    ('[0.5, 2.0]', "{'a': [0.0, 0.0, 0.0]}")
    """
    if hasattr(value, "shape") and np.ndim(value):
        if math.prod(value.shape) > 16:
            return kind_of(value)
        value = np.asarray(_plain(value)).tolist()
    elif isinstance(value, tuple | list):
        open_, close = "()" if isinstance(value, tuple) else "[]"
        text = f"{open_}{', '.join(brief(v) for v in value[:12])}{close}"
        return text if len(text) <= longest and len(value) <= 12 else kind_of(value)
    elif isinstance(value, dict):
        inside = ", ".join(f"{key!r}: {brief(v, 40)}" for key, v in list(value.items())[:6])
        text = f"{{{inside}{', …' if len(value) > 6 else ''}}}"
        return text if len(text) <= longest else kind_of(value)
    elif _is_number(value):
        value = np.asarray(_plain(value)).item()
    text = f"{value:.6g}" if isinstance(value, float) and len(repr(value)) > 12 else repr(value)
    text = " ".join(text.split("\n"))
    if callable(value) and hasattr(value, "__name__"):
        text = value.__name__
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _number_difference(expected, got, rtol, atol):
    """Compare with a single number."""
    if not _is_number(got) or not _kinds_agree(_kind(expected), _kind(got), single=True):
        return Difference("type", f"got {kind_of(got)}: {brief(got)}", kind_of(expected))
    a, b = (np.asarray(_plain(v)) for v in (expected, got))
    if _close(a, b, rtol, atol).all():
        return None
    wanted, came = _told_apart(expected, got)
    return Difference("value", f"got {came}", wanted)


def _array_difference(expected, got, rtol, atol):
    """Compare with an array or a tensor."""
    if not hasattr(got, "shape") or _is_tensor(expected) != _is_tensor(got):
        return Difference("type", f"got {kind_of(got)}", kind_of(expected))
    a, b = (np.asarray(_plain(v)) for v in (expected, got))
    if a.shape != b.shape:
        return Difference("shape", f"got the shape {b.shape}", f"the shape {a.shape}")
    if not _kinds_agree(a.dtype.kind, b.dtype.kind):
        return Difference("dtype", f"got the dtype {b.dtype}", f"the dtype {a.dtype}")
    wrong = ~_close(a, b, rtol, atol)
    if not wrong.any():
        return None
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    at = f" at {list(index)}" if index else ""
    many = f", and {wrong.sum()} of {wrong.size} values differ" if wrong.size > 1 else ""
    wanted, came = _told_apart(a[index], b[index])
    return Difference("value", f"got {came}{at}{many}", wanted, index)


def _told_apart(expected, got):
    """Write two numbers, with all their digits if they look alike otherwise."""
    wanted, came = brief(expected), brief(got)
    if wanted == came:
        wanted, came = (repr(np.asarray(_plain(value)).item()) for value in (expected, got))
    return wanted, came


def _sequence_difference(expected, got, rtol, atol):
    """Compare with a tuple or a list, part by part."""
    if not isinstance(got, tuple | list) or len(got) != len(expected):
        return Difference("type", f"got {kind_of(got)}: {brief(got)}", kind_of(expected))
    for number, pair in enumerate(zip(expected, got, strict=True)):
        if found := difference(*pair, rtol, atol):
            return _inside(found, f"[{number}]")
    return None


def _dict_difference(expected, got, rtol, atol):
    """Compare with a dict, key by key."""
    if not isinstance(got, dict):
        return Difference("type", f"got {kind_of(got)}", "a dict")
    if set(expected) != set(got):
        came, wanted = (brief(sorted(keys, key=repr)) for keys in (got, expected))
        return Difference("keys", f"got the keys {came}", f"the keys {wanted}")
    for key in expected:
        if found := difference(expected[key], got[key], rtol, atol):
            return _inside(found, f"[{key!r}]")
    return None


def _inside(found, step):
    """Say in which part a difference was found."""
    return Difference(
        found.kind, found.sentence, found.expected, found.index, f"{step}{found.where}"
    )


def _close(a, b, rtol, atol):
    """Compare real and complex numbers with tolerance, all others exactly."""
    if a.dtype.kind not in "fc" and b.dtype.kind not in "fc":
        return a == b
    with np.errstate(all="ignore"):
        near = np.abs(a - b) <= atol + rtol * np.abs(a)
    return (a == b) | (near & np.isfinite(a)) | (np.isnan(a) & np.isnan(b))


def _kinds_agree(expected, got, single=False):
    """Say whether a dtype's kind will do; 'i' and 'u' are both whole numbers."""
    return expected.replace("u", "i") == got.replace("u", "i") or (
        single and expected == "f" and got in "iu"
    )


def _is_number(value):
    """Say whether it is one number: of Python, NumPy, or an array without axes."""
    if isinstance(value, bool | int | float | complex | np.generic):
        return _kind(value) in "biufc"
    return hasattr(value, "shape") and tuple(value.shape) == () and _kind(value) in "biufc"


def _kind(value):
    return np.asarray(_plain(value)).dtype.kind


def _plain(value):
    """Return a tensor as an array, anything else as it is."""
    if not _is_tensor(value):
        return value
    value = value.detach().cpu()
    return (
        value.float() if value.dtype.itemsize == 2 and value.is_floating_point() else value
    ).numpy()


def _is_tensor(value):
    return type(value).__module__.split(".")[0] == "torch" and hasattr(value, "detach")
