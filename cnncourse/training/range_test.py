"""Chapter 7, the range test: some steps of `fit` that find the learning rate of all others."""

import copy
from inspect import signature
from itertools import islice
from types import SimpleNamespace

import numpy as np

from cnncourse.check import as_positive
from cnncourse.training.fit import _forked, _refuse_words, _Run, _training, fit
from cnncourse.training.processes import _Team


def range_test(model, train, *, smallest=1e-5, largest=10.0, steps=100, **words):
    """Try learning rates from small to large, one a step, until the loss explodes.

    A good largest rate lies where the loss falls fastest, well before its minimum.

    Parameters
    ----------
    model : torch.nn.Module
        Left as it is: a copy is trained.
    train : cnncourse.data.Dataset or (images, labels)
        As in `fit`.
    smallest, largest : float
        The first rate, and the last; equal ratios between. An optimiser of your own gets them too;
        of its groups, the one with the largest rate.
    steps : int
        At most; the test ends when the smoothed loss is above four times its smallest.
    **words
        All others of `fit` that make a step: batch_size, optimiser, augment, device, seed …

    Returns
    -------
    rates, losses : ndarray, float64
        One of each a step.

    Raises
    ------
    ValueError
        For words or data that do not fit.

    References
    ----------
    Smith, L. N., Cyclical Learning Rates for Training Neural Networks, WACV, 2017, section 3.3.

    Examples
    --------
    >>> images, labels = np.array([0.0, 1.0]).reshape(2, 1, 1, 1), np.array([0, 1])
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
    >>> words = dict(optimiser="sgd", batch_size=2)
    >>> rates, _ = range_test(model, (images, labels), smallest=0.1, largest=10, steps=3, **words)
    >>> rates
    array([ 0.1, 1. , 10. ])
    """
    ratio = as_positive(smallest, "smallest") / as_positive(largest, "largest")
    as_positive(steps, "steps", integer=True)
    rising = {"lr": largest, "schedule": lambda share: ratio ** (1 - share)}
    given = signature(fit).bind(copy.deepcopy(model), train, epochs=steps, **rising, **words)
    given.apply_defaults()
    words = SimpleNamespace(**given.arguments)
    _refuse_words(words)
    with _training(words.model), _forked(words.device):
        run = _Run(words, _Team())
        run.steps, losses = steps, run.history.losses
        run.largest = [largest * (lr / max(run.largest)) for lr in run.largest]
        for places in islice(run.places(), steps):
            try:
                run.step(places)
            except FloatingPointError:
                break
            if _explodes(losses):
                break
    return largest * ratio ** (1 - np.arange(len(losses)) / max(1, steps - 1)), np.array(losses)


def _explodes(losses, memory=0.9, limit=4):
    """Say whether the running mean of the losses is above four times its smallest."""
    means, mean = [], 0.0
    for number, loss in enumerate(losses, start=1):
        mean = memory * mean + (1 - memory) * loss
        means.append(mean / (1 - memory**number))  # as if it had not begun at 0
    return means[-1] > limit * min(means)
