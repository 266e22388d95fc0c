"""Chapter 7, evaluation: what a trained torch network says, and how often it is right."""

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from cnncourse.architecture.counting import _as_module, _evaluating
from cnncourse.check import as_positive


def evaluate(model, data, batch_size=500):
    """Return how well a model does on a data set.

    Parameters
    ----------
    model : torch.nn.Module
        (N, C, H, W) to (N, K); used in evaluation mode, on the device where it is.
    data : cnncourse.data.Dataset or (images, labels)
        As in `fit`.
    batch_size : int
        Images at a time; it changes speed and memory alone.

    Returns
    -------
    dict
        loss, the mean cross-entropy, and accuracy, the share of labels that have the largest score.

    Raises
    ------
    ValueError
        For data that do not fit.

    Examples
    --------
    The scores are the images themselves: the first class is larger in both.

    >>> images, labels = np.reshape([[2, 1], [4, 3]], (2, 2, 1, 1)), [0, 1]
    >>> evaluate(torch.nn.Flatten(), data=(images, labels), batch_size=1)["accuracy"]
    0.5
    """
    images, labels = _as_data(_as_module(model), data, "data")
    loss, right = _scored(model, images, labels, batch_size).tolist()
    return {"loss": loss / len(labels), "accuracy": right / len(labels)}


def predict_classes(model, images, batch_size=500):
    """Return the class with the largest score of each image.

    Parameters
    ----------
    model : torch.nn.Module
        (N, C, H, W) to (N, K); used in evaluation mode, on the device where it is.
    images : array_like or torch.Tensor
        (N, C, H, W), real numbers.
    batch_size : int
        Images at a time; it changes speed and memory alone.

    Returns
    -------
    ndarray of int64
        (N,), from 0 to K − 1.

    Raises
    ------
    ValueError
        For images that do not fit.

    Examples
    --------
    >>> images = np.reshape([[0, 2, 1], [5, 4, 3]], (2, 3, 1, 1))
    >>> predict_classes(torch.nn.Flatten(), images, batch_size=1)
    array([1, 0])
    """
    images, _ = _as_fitting(_as_module(model), images, "images")
    return _logits(model, images, batch_size).argmax(1).cpu().numpy()


def _as_data(model, data, name):
    """Return images and labels on the model's device, or refuse what it cannot be trained on."""
    if not hasattr(data, "images") and not (isinstance(data, (tuple, list)) and len(data) == 2):
        raise ValueError(
            f"{name}: expected a Dataset or (images, labels), got {type(data).__name__}"
        )
    images, labels = (data.images, data.labels) if hasattr(data, "images") else data
    images, classes = _as_fitting(model, images, f"{name} images")
    labels = _as_tensor(labels, f"{name} labels")
    if labels.is_floating_point() or labels.shape != (len(images),):
        raise ValueError(
            f"{name} labels: expected {len(images)} whole numbers, one an image, got "
            f"{labels.dtype} of shape {tuple(labels.shape)}"
        )
    labels = labels.to(images.device, torch.int64)  # torch has no minimum of unsigned numbers
    low, high = labels.min().item(), labels.max().item()
    if low < 0 or high >= classes:
        raise ValueError(
            f"{name} labels: expected 0 to {classes - 1}, for the model has {classes} outputs, "
            f"got {low} to {high}"
        )
    return images, labels


def _as_fitting(model, images, name):
    """Return images as the model's numbers on its device, and the number of its classes."""
    images = _as_tensor(images, name)
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(f"{name}: expected shape (N, C, H, W), got {tuple(images.shape)}")
    if not images.isfinite().all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    like = next(model.parameters(), torch.empty(0))
    images = images.to(like.device, like.dtype)
    try:
        scores = _logits(model, images[:1], 1)
    except (RuntimeError, ValueError) as error:
        hint = " (are the channels last?)" if images.shape[-1] in (1, 3, 4) else ""
        raise ValueError(
            f"{name}: expected images that the model takes, got shape {tuple(images.shape)}{hint}: "
            f"{error}"
        ) from error
    if scores.ndim != 2:
        raise ValueError(f"model: expected (N, K) scores, got shape {tuple(scores.shape)}")
    return images, scores.shape[1]


def _as_tensor(array, name):
    """Return a tensor of real numbers, without a copy where that is possible."""
    if not isinstance(array, torch.Tensor):
        array = np.asarray(array)
        if array.dtype.kind not in "fiub":
            raise ValueError(f"{name}: expected real numbers, got dtype {array.dtype}")
        native = array.dtype.newbyteorder("=")
        array = torch.from_numpy(np.require(array, native, ["C", "W"]))  # torch wants it writable
    if array.is_complex():
        raise ValueError(f"{name}: expected real numbers, got dtype {array.dtype}")
    return array.detach()


@torch.inference_mode()
def _logits(model, images, batch_size):
    """Return the scores of all images, (N, K)."""
    size = as_positive(batch_size, "batch_size", integer=True)
    with _evaluating(model):
        return torch.cat([model(part) for part in images.split(size)])


@torch.inference_mode()
def _scored(model, images, labels, batch_size):
    """Return the sum of the cross-entropies and the number of right answers, as one tensor."""
    if len(images) == 0:  # fewer images than processes
        return torch.zeros(2, device=labels.device, dtype=torch.float64)
    logits = _logits(model, images, batch_size).double()
    loss = cross_entropy(logits, labels, reduction="sum")
    return torch.stack([loss, (logits.argmax(1) == labels).sum()])
