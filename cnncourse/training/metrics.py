"""Chapter 7, metrics: what kinds of mistakes a classifier makes, counted in one table."""

import numpy as np

from cnncourse.check import as_positive
from cnncourse.training.losses import _as_classes


def confusion_matrix(labels, predictions, classes):
    """Count how often each class was taken for each.

    Parameters
    ----------
    labels, predictions : array_like of int
        (N,), the true classes and the predicted ones, in 0 … classes − 1.
    classes : int
        K, the number of classes.

    Returns
    -------
    ndarray of int64
        (K, K), row: true class, column: predicted class.

    Raises
    ------
    ValueError
        If labels and predictions are not equally many whole numbers in range.

    See Also
    --------
    sklearn.metrics.confusion_matrix

    References
    ----------
    Sokolova, M., Lapalme, G., A systematic analysis of performance measures for classification
    tasks, Information Processing & Management, 2009.

    Examples
    --------
    >>> confusion_matrix(labels=[0, 0, 0, 1], predictions=[0, 0, 1, 1], classes=2)
    array([[2, 1],
           [0, 1]])
    """
    classes = as_positive(classes, "classes", integer=True)
    labels = _as_classes(labels, "labels", classes)
    predictions = _as_classes(predictions, "predictions", classes)
    if len(labels) != len(predictions):
        raise ValueError(f"predictions: expected {len(labels)} of them, got {len(predictions)}")
    pairs = np.bincount(labels * classes + predictions, minlength=classes**2)
    return pairs.reshape(classes, classes).astype(np.int64, copy=False)


def accuracy(matrix):
    """Say which share of all examples was classified rightly.

    Parameters
    ----------
    matrix : array_like
        (K, K), see `confusion_matrix`.

    Returns
    -------
    float
        In [0, 1]; 0 where there are no examples.

    Raises
    ------
    ValueError
        If the matrix is not square, or has numbers below 0.

    See Also
    --------
    sklearn.metrics.accuracy_score

    References
    ----------
    Sokolova, M., Lapalme, G., A systematic analysis of performance measures for classification
    tasks, Information Processing & Management, 2009.

    Examples
    --------
    >>> accuracy(matrix=[[2, 1], [0, 1]])
    0.75
    """
    matrix = _as_counts(matrix)
    return float(_quotient(np.trace(matrix), matrix.sum()))


def precision(matrix):
    """Say for every class which share of what was taken for it is it.

    Parameters
    ----------
    matrix : array_like
        (K, K), see `confusion_matrix`.

    Returns
    -------
    ndarray of float64
        (K,), in [0, 1]; 0 for a class that was never predicted.

    Raises
    ------
    ValueError
        If the matrix is not square, or has numbers below 0.

    See Also
    --------
    sklearn.metrics.precision_score : with average=None, zero_division=0

    References
    ----------
    Sokolova, M., Lapalme, G., A systematic analysis of performance measures for classification
    tasks, Information Processing & Management, 2009.

    Examples
    --------
    >>> precision(matrix=[[2, 1], [0, 1]])
    array([1. , 0.5])
    """
    matrix = _as_counts(matrix)
    return _quotient(np.diag(matrix), matrix.sum(0))


def recall(matrix):
    """Say for every class which share of it was found. For two classes: the sensitivity.

    Parameters
    ----------
    matrix : array_like
        (K, K), see `confusion_matrix`.

    Returns
    -------
    ndarray of float64
        (K,), in [0, 1]; 0 for a class without examples.

    Raises
    ------
    ValueError
        If the matrix is not square, or has numbers below 0.

    See Also
    --------
    sklearn.metrics.recall_score : with average=None, zero_division=0

    References
    ----------
    Sokolova, M., Lapalme, G., A systematic analysis of performance measures for classification
    tasks, Information Processing & Management, 2009.

    Examples
    --------
    >>> recall(matrix=[[3, 1], [0, 1]])
    array([0.75, 1.  ])
    """
    matrix = _as_counts(matrix)
    return _quotient(np.diag(matrix), matrix.sum(1))


def f1(matrix):
    """Give the harmonic mean of precision and recall, for every class: high only if both are.

    Parameters
    ----------
    matrix : array_like
        (K, K), see `confusion_matrix`.

    Returns
    -------
    ndarray of float64
        (K,), in [0, 1]; 0 for a class of which none was recognised.

    Raises
    ------
    ValueError
        If the matrix is not square, or has numbers below 0.

    See Also
    --------
    sklearn.metrics.f1_score : with average=None, zero_division=0

    References
    ----------
    Sokolova, M., Lapalme, G., A systematic analysis of performance measures for classification
    tasks, Information Processing & Management, 2009.

    Examples
    --------
    >>> f1(matrix=[[2, 1], [1, 0]])  # precision and recall are 2/3 and 0
    array([0.66666667, 0.        ])
    """
    matrix = _as_counts(matrix)
    return _quotient(2 * np.diag(matrix), matrix.sum(0) + matrix.sum(1))


def balanced_accuracy(matrix):
    """Average the recall of all classes that occur, each counting the same.

    Parameters
    ----------
    matrix : array_like
        (K, K), see `confusion_matrix`.

    Returns
    -------
    float
        In [0, 1]; 1 / K for always the same answer, however often it is right.

    Raises
    ------
    ValueError
        If the matrix is not square, or has numbers below 0.

    See Also
    --------
    sklearn.metrics.balanced_accuracy_score

    References
    ----------
    Brodersen, K. H., Ong, C. S., Stephan, K. E., Buhmann, J. M., The balanced accuracy and its
    posterior distribution, ICPR, 2010.

    Examples
    --------
    >>> sick = [[98, 0], [2, 0]]  # "healthy", whoever comes
    >>> accuracy(sick), balanced_accuracy(matrix=sick)
    (0.98, 0.5)
    """
    found = recall(matrix)[_as_counts(matrix).sum(1) > 0]
    return float(_quotient(found.sum(), len(found)))


def _quotient(part, whole):
    """Divide; 0 where there is nothing to divide by."""
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=np.asarray(whole) > 0)


def _as_counts(matrix):
    """Return a confusion matrix, or refuse what cannot be one."""
    matrix = np.asarray(matrix)
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] > 0
    if not square or matrix.dtype.kind not in "fiu" or not (matrix >= 0).all():
        raise ValueError(
            f"matrix: expected (K, K) numbers ≥ 0, got {matrix.dtype} of shape {matrix.shape}"
        )
    return matrix
