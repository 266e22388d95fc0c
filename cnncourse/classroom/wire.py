"""What crosses the border between the grader and a student's process: plain values as JSON.

Nothing is executed on reading: no pickle. Functions among the *grader's* arguments travel as source
text, in one direction only; a student's process can send numbers, words and arrays, and no more.
"""

import base64
import io
import json

import numpy as np

from cnncourse.exercises.running import Built
from cnncourse.exercises.sources import standalone

DEPTH = 12
"""The deepest nesting that is read."""

KEYS = 1_000
"""The most keys of a dict that are read: they can be chosen to cost more and more time."""

BITS = 10_000
"""Of the largest whole number; Python refuses to write a longer one in decimals."""


def pack(value):
    """Return a value as what JSON can hold.

    Parameters
    ----------
    value : object
        None, truth values, numbers, words, arrays, tensors; tuples, lists and dicts of them;
        functions at the top of a module, and `Built` arguments.

    Raises
    ------
    TypeError
        For anything else.

    Examples
    --------
    >>> pack((1, 2.5))
    {'tuple': [1, 2.5]}
    """
    if type(value) is int and value.bit_length() > BITS:
        raise TypeError(f"value: expected a number of up to {BITS} bits")
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if hasattr(value, "detach") and hasattr(value, "numpy"):
        value = value.detach().cpu()
        short = value.is_floating_point() and value.dtype.itemsize == 2  # not all are NumPy's
        return {"tensor": _packed_array((value.float() if short else value).numpy())}
    if isinstance(value, np.ndarray | np.generic):
        return {"array": _packed_array(np.asarray(value))}
    if isinstance(value, tuple | list):
        kind = "tuple" if isinstance(value, tuple) else "list"  # also torch.Size, named tuples
        return {kind: [pack(part) for part in value]}
    if isinstance(value, dict):
        return {"dict": [[pack(key), pack(part)] for key, part in value.items()]}
    if isinstance(value, Built):
        parts = [pack(part) for part in value.parts]
        return {"built": [_packed_function(value.function), parts]}
    if callable(value) and hasattr(value, "__code__"):
        return {"function": _packed_function(value)}
    raise TypeError(f"value: expected numbers, words or arrays, got {type(value).__name__}")


def unpack(packed, depth=0, trusted=False):
    """Return the value of what `pack` returned.

    Parameters
    ----------
    packed : object
        From `json.loads`.
    trusted : bool
        Whether functions may be made from source text: in a student's process alone.

    Raises
    ------
    ValueError
        For anything that `pack` does not write.

    Examples
    --------
    >>> unpack(pack({"a": (1, None)}))
    {'a': (1, None)}
    """
    if packed is None or type(packed) in (bool, int, float, str):
        return packed
    if depth > DEPTH or not isinstance(packed, dict) or len(packed) != 1:
        raise ValueError("message: expected a packed value")
    ((kind, content),) = packed.items()
    if kind in ("tuple", "list") and isinstance(content, list):
        parts = [unpack(part, depth + 1, trusted) for part in content]
        return tuple(parts) if kind == "tuple" else parts
    if kind == "dict" and len(content) <= KEYS:
        return {unpack(k, depth + 1): unpack(v, depth + 1, trusted) for k, v in content}
    if kind == "complex":
        return complex(*map(float, content))
    if kind == "array":
        return _unpacked_array(content)
    if kind == "tensor":
        import torch

        return torch.from_numpy(np.asarray(_unpacked_array(content)))
    if kind in ("function", "built") and trusted:
        return _made(kind, content)
    raise ValueError(f"message: expected a packed value, got {kind!r}")


def write_line(stream, message):
    """Write a message as one line."""
    stream.write(json.dumps(message).encode() + b"\n")
    stream.flush()


def _packed_array(array):
    """Return an array as text, its dtype and shape included."""
    if array.dtype.kind not in "biufc":
        raise TypeError(f"value: expected an array of numbers, got dtype {array.dtype}")
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return base64.b64encode(file.getvalue()).decode()


def _unpacked_array(text):
    """Return an array from text; `numpy.load` refuses what would need pickle."""
    array = np.load(io.BytesIO(base64.b64decode(text, validate=True)), allow_pickle=False)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufc":
        raise ValueError("message: expected an array of numbers")
    return array[()] if array.ndim == 0 else array


def _packed_function(function):
    """Return a function as source text with all it needs."""
    imports, definitions = standalone(function)
    return ["\n".join([*imports, *definitions]), function.__name__]


def _made(kind, content):
    """Return a function, or an argument to be built, from source text."""
    if kind == "built":
        source, parts = content
        return Built(_made("function", source), *(unpack(part, 1, True) for part in parts))
    text, name = content
    names = {"__name__": "sent"}
    exec(text, names)
    return names[name]
