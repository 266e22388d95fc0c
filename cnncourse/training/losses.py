"""Chapter 7, losses: one number that says how wrong, and its gradient that says which way."""

import numpy as np

from cnncourse.architecture.layers import _as_reals, _log_softmax
from cnncourse.check import as_finite, as_positive


def one_hot(labels, classes, smoothing=0.0):
    """Write class numbers as rows of shares: all of it at the right class, or most of it.

    Parameters
    ----------
    labels : array_like of int
        (N,), in 0 … classes − 1.
    classes : int
        K, the number of classes.
    smoothing : float
        In [0, 1]: the share that is taken from the right class and dealt out evenly to all K.

    Returns
    -------
    ndarray of float64
        (N, K), in [0, 1]; each row adds up to 1.

    Raises
    ------
    ValueError
        For labels that are no whole numbers in range, or a smoothing outside [0, 1].

    See Also
    --------
    torch.nn.functional.one_hot, torch.nn.CrossEntropyLoss : its argument label_smoothing

    References
    ----------
    Szegedy, C., Vanhoucke, V., Ioffe, S., Shlens, J., Wojna, Z., Rethinking the Inception
    Architecture for Computer Vision, CVPR, 2016, section 7.

    Examples
    --------
    >>> one_hot(labels=[2, 0], classes=4)
    array([[0., 0., 1., 0.],
           [1., 0., 0., 0.]])
    >>> one_hot([2], 4, smoothing=0.2)
    array([[0.05, 0.05, 0.85, 0.05]])
    """
    classes = as_positive(classes, "classes", integer=True)
    labels = _as_classes(labels, "labels", classes)
    if not 0 <= as_finite(smoothing, "smoothing") <= 1:
        raise ValueError(f"smoothing: expected a share in [0, 1], got {smoothing}")
    rows = np.full((len(labels), classes), smoothing / classes)
    rows[np.arange(len(labels)), labels] += 1 - smoothing
    return rows


def mean_squared_error(outputs, targets):
    """Average the squared differences between outputs and targets, and give the gradient.

    Parameters
    ----------
    outputs, targets : array_like
        Of one shape: what was computed, and what should have been.

    Returns
    -------
    loss : float
        ≥ 0: the mean over all numbers.
    doutputs : ndarray, of the outputs' shape and dtype (float64 for all but float32)
        The gradient: 2 · (outputs − targets) / how many numbers there are.

    Raises
    ------
    ValueError
        For different shapes, or no numbers.

    See Also
    --------
    torch.nn.functional.mse_loss

    References
    ----------
    Goodfellow, I., Bengio, Y., Courville, A., Deep Learning, 2016, section 5.1.4.

    Examples
    --------
    >>> loss, doutputs = mean_squared_error(outputs=[1, 5], targets=[1, 2])
    >>> loss  # (0² + 3²) / 2
    4.5
    >>> doutputs
    array([0., 3.])
    """
    outputs, targets = _as_reals(outputs, "outputs"), _as_reals(targets, "targets")
    if outputs.shape != targets.shape or outputs.size == 0:
        raise ValueError(
            f"targets: expected numbers in the shape of the outputs, {outputs.shape}, "
            f"got {targets.shape}"
        )
    difference = outputs - targets.astype(outputs.dtype, copy=False)
    return float(np.square(difference).mean()), difference * (2 / outputs.size)


def cross_entropy(logits, targets):
    """Average −log of the share that softmax gives to each class, weighted by its target share.

    Parameters
    ----------
    logits : array_like
        (N, K), one number a class, before softmax.
    targets : array_like
        (N, K), rows of shares that add up to 1, such as `one_hot` makes.

    Returns
    -------
    loss : float
        ≥ 0; where the targets are shares of several classes, it cannot come down to 0.
    dlogits : ndarray, of the logits' dtype (float64 for all but float32)
        (N, K), the gradient: (softmax − targets) / N.

    Raises
    ------
    ValueError
        If the logits are no 2-D array of real numbers, or the targets no such rows of their shape.

    See Also
    --------
    torch.nn.functional.cross_entropy : with probabilities as its target
    cnncourse.architecture.layers.softmax_cross_entropy : the same for class numbers

    References
    ----------
    Goodfellow, I., Bengio, Y., Courville, A., Deep Learning, 2016, section 6.2.2.3.

    Examples
    --------
    >>> loss, dlogits = cross_entropy(logits=[[5, 5]], targets=[[0.25, 0.75]])
    >>> round(loss, 4)  # log 2
    0.6931
    >>> dlogits
    array([[ 0.25, -0.25]])
    """
    logs = _log_softmax(logits)  # (N, K)
    targets = _as_shares(targets, logs.shape).astype(logs.dtype, copy=False)
    dlogits = np.exp(logs)
    dlogits -= targets
    dlogits /= len(logs)
    return -float(np.vdot(targets, logs)) / len(logs), dlogits


def _as_shares(targets, shape):
    """Return rows that add up to 1, to a float32's rounding, or refuse them."""
    targets = _as_reals(targets, "targets")
    if targets.shape != shape:
        raise ValueError(f"targets: expected shares of shape {shape}, got {targets.shape}")
    if not (targets.min() >= 0 and abs(targets.sum(1) - 1).max() < 1e-4):
        raise ValueError(
            f"targets: expected rows ≥ 0 that add up to 1, got {targets.min()} "
            f"and sums from {targets.sum(1).min()} to {targets.sum(1).max()}"
        )
    return targets


def _as_classes(numbers, name, classes):
    """Return class numbers as int64, or refuse them."""
    numbers = np.asarray(numbers)
    if numbers.dtype.kind not in "iu" or numbers.ndim != 1 or numbers.size == 0:
        raise ValueError(
            f"{name}: expected whole numbers, (N,), got {numbers.dtype} of shape {numbers.shape}"
        )
    if numbers.min() < 0 or numbers.max() >= classes:
        raise ValueError(
            f"{name}: expected 0 to {classes - 1}, got {numbers.min()} to {numbers.max()}"
        )
    return numbers.astype(np.int64, copy=False)
