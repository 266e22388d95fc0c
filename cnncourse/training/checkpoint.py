"""Chapter 7, training: a file that survives a power cut, and says so when it did not.

A checkpoint is written beside the old one and takes its place in one step, so that at every moment
a whole one exists. Its SHA-256 stands in front of it: what is damaged is seen, not believed.
"""

import hashlib
import io
import os
import pickle
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch

_MARK = b"cnncourse checkpoint 1\n"
_DIGEST = 32  # bytes of a SHA-256


def save_checkpoint(path, state):
    """Write a state to a file such that no moment is without a whole one.

    The bytes go to ``<path>.partial`` and are flushed to the disk. Only then the checkpoint before
    becomes ``<path>.previous``, and the new one takes its place. A damaged one is never kept as the
    previous one.

    Parameters
    ----------
    path : str or pathlib.Path
        Of the file; missing folders are made.
    state : object
        Tensors, numbers, strings, and dicts, lists and tuples of them.

    Raises
    ------
    OSError
        If the place cannot be written, or the disk is full; the checkpoint before stays.

    See Also
    --------
    load_checkpoint
    torch.save : writes in place

    References
    ----------
    National Institute of Standards and Technology, Secure Hash Standard, FIPS 180-4, 2015.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/net.pt"
    ...     save_checkpoint(path, state={"step": 1})
    ...     save_checkpoint(path, state={"step": 2})
    ...     print(load_checkpoint(path), load_checkpoint(f"{path}.previous"))
    {'step': 2} {'step': 1}
    """
    newest, previous, unfinished = _places(path)
    newest.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    torch.save(state, content)
    with unfinished.open("wb") as file:
        file.write(_MARK + hashlib.sha256(content.getbuffer()).digest())
        file.write(content.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    if _whole_content(newest) is not None:
        os.replace(newest, previous)
    os.replace(unfinished, newest)
    _sync_folder(newest.parent)


def load_checkpoint(path):
    """Return the newest state that is whole, or None where there is none at all.

    Parameters
    ----------
    path : str or pathlib.Path
        As it was given to `save_checkpoint`.

    Returns
    -------
    object
        The state, its tensors on the CPU. Only plain data is read: no code in the file runs.

    Warns
    -----
    UserWarning
        If the newest is damaged, or lost, and the one before takes its place.

    Raises
    ------
    ValueError
        If there are files, and none is whole.
    OSError
        If a file may not be read.

    See Also
    --------
    save_checkpoint
    torch.load : with ``weights_only=True``

    Examples
    --------
    >>> print(load_checkpoint("/no/such/file"))
    None
    """
    newest, previous, _ = _places(path)
    if not newest.exists() and not previous.exists():
        return None
    place, content = newest, _whole_content(newest)
    if content is None:
        place, content = previous, _whole_content(previous)
        if content is None:
            raise ValueError(
                f"path: expected a whole checkpoint, got damage in {newest}, and no whole "
                f"{previous.name} either; remove them to begin anew"
            )
        warnings.warn(f"{newest} is damaged or missing: going on from {place.name}", stacklevel=2)
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(f"path: expected plain data in {place}, got {error}") from None


def _places(path):
    """Return where the newest, the previous and the unfinished checkpoint lie."""
    path = Path(path)
    return path, path.with_name(f"{path.name}.previous"), path.with_name(f"{path.name}.partial")


def _whole_content(path):
    """Return what stands behind mark and digest; None if there is no file or a bit is wrong."""
    if not path.exists():
        return None
    data = path.read_bytes()
    start = len(_MARK) + _DIGEST
    digest, content = data[len(_MARK) : start], memoryview(data)[start:]
    right = data.startswith(_MARK) and hashlib.sha256(content).digest() == digest
    return content if right else None


def _sync_folder(folder):
    """Flush the new names to the disk, where the system lets a folder be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_NOT_THE_RUN = {"checkpoint", "checkpoint_every", "device", "progress"}  # may differ on resuming


def _fingerprint(words, model, **data):
    """Return, as text by name, what makes a run this run: settings, model and data."""
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    frozen += [name for name, module in model.named_modules() if not module.training]
    return {
        **{n: _spelt(v) for n, v in vars(words).items() if n not in _NOT_THE_RUN},
        **{n: _digest(*(part.cpu().numpy() for part in parts)) for n, parts in data.items()},
        "model": f"{type(model).__name__} {_digest(str((model, shapes, frozen)).encode())}",
    }


def _refuse_another_run(state, now, origin):
    """Refuse to go on with a run that was begun with other settings, model or data."""
    then = state.get("words", {}) if isinstance(state, dict) else {}
    other = [f"{n} was {then.get(n)}, is {now[n]}" for n in now if then.get(n) != now[n]]
    if other:
        raise ValueError(f"checkpoint: expected the run of {origin}, got {'; '.join(other)}")


def _digest(*contents):
    """Return a short text that changes with any bit of some arrays or bytes."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content if isinstance(content, bytes) else np.ascontiguousarray(content))
    return digest.hexdigest()[:16]


def _spelt(value):
    """Return a setting as text; a function by its name, with what is bound to it."""
    if isinstance(value, partial):
        bound = [*value.args, *sorted(value.keywords.items())]
        return f"{_spelt(value.func)}({', '.join(map(_spelt, bound))})"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(_spelt, value))})"
    known = value if hasattr(value, "__qualname__") else type(value)
    return known.__qualname__ if callable(value) else str(value)
