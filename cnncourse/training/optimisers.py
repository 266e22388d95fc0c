"""Chapter 7, optimisers: how far a step goes, given the gradient; and how far over time.

An optimiser holds a network's parameters and changes them in place, against the gradient. A
schedule says which factor of the largest learning rate holds when a share of the training is over.
"""

from math import cos, pi

import numpy as np

from cnncourse.architecture.layers import _as_reals
from cnncourse.check import as_finite, as_positive


class SGD:
    """Step against the gradient; with momentum, against a running sum of gradients.

    ``v ← momentum · v + dw``, then ``w ← w − lr · v``. What makes it *stochastic* gradient descent
    is that each gradient comes from a batch drawn at random.

    Parameters
    ----------
    parameters : dict of str to ndarray
        A network's ``parameters``: these very arrays are changed.
    lr : float
        Above 0. It may be set anew between steps, as an attribute.
    momentum : float
        In [0, 1): the share of the last step's v that is kept.
    nesterov : bool
        Step against ``dw + momentum · v``: the gradient already counts as if v had grown by it.
    weight_decay : float
        ≥ 0: this times the weight itself is added to its gradient, so weights shrink.

    Raises
    ------
    ValueError
        For a number out of range, nesterov without momentum, or parameters that are no arrays of
        floats.

    See Also
    --------
    torch.optim.SGD

    References
    ----------
    Sutskever, I., Martens, J., Dahl, G., Hinton, G., On the importance of initialization and
    momentum in deep learning, ICML, 2013.

    Examples
    --------
    >>> w = np.array([1.0])
    >>> optimiser = SGD({"w": w}, lr=0.1, momentum=0.5, nesterov=False, weight_decay=0)
    >>> optimiser.step({"w": [2]})  # 1 − 0.1 · 2
    >>> w
    array([0.8])
    >>> optimiser.step({"w": [2]})  # 0.8 − 0.1 · (0.5 · 2 + 2)
    >>> w
    array([0.5])
    """

    def __init__(self, parameters, lr, momentum=0.0, nesterov=False, weight_decay=0.0):
        self.parameters, self.lr = _as_parameters(parameters), as_positive(lr, "lr")
        self.momentum, self.nesterov = (
            _as_fraction(momentum, "momentum", below=True),
            bool(nesterov),
        )
        self.weight_decay = _as_decay(weight_decay)
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov: expected a momentum above 0 with it, got momentum 0")
        self._velocity = {}

    def step(self, gradients):
        """Change every parameter by one step.

        Parameters
        ----------
        gradients : dict of str to array_like
            Of the parameters' names and shapes; they stay as they are.

        Raises
        ------
        ValueError
            For other names or shapes; then nothing has changed.
        """
        updates = _updates(self.parameters, gradients)
        if self.momentum and not self._velocity:
            self._velocity = {name: np.zeros_like(dw) for name, _, dw in updates}
        for name, w, dw in updates:
            if self.weight_decay:
                dw = dw + self.weight_decay * w
            if self.momentum:
                v = self._velocity[name]
                v *= self.momentum
                v += dw
                dw = dw + self.momentum * v if self.nesterov else v
            w -= self.lr * dw


class Adam:
    """Step by the gradient's running mean, measured by its running size, weight by weight.

    ``m`` is the running mean of dw and ``v`` that of dw²; both begin at 0, for which they are
    corrected, and ``w ← w − lr · m / (√v + eps)``. So while its gradients agree, a weight moves by
    about lr a step, however large or small they are.

    Parameters
    ----------
    parameters : dict of str to ndarray
        A network's ``parameters``: these very arrays are changed.
    lr : float
        Above 0. It may be set anew between steps, as an attribute.
    betas : (float, float)
        In [0, 1): the shares of the old m and v that are kept.
    eps : float
        Above 0: keeps the quotient finite.
    weight_decay : float
        ≥ 0: every step first shrinks all weights by the factor 1 − lr · weight_decay. That is
        AdamW: the decay is not part of the gradient, and so not measured by v.

    Raises
    ------
    ValueError
        For a number out of range, or parameters that are no arrays of floats.

    See Also
    --------
    torch.optim.AdamW : with weight_decay 0 it is torch.optim.Adam

    References
    ----------
    Kingma, D. P., Ba, J., Adam: A Method for Stochastic Optimization, ICLR, 2015, algorithm 1.
    Loshchilov, I., Hutter, F., Decoupled Weight Decay Regularization, ICLR, 2019, algorithm 2.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> optimiser = Adam({"w": w}, lr=0.5, betas=(0.9, 0.999), eps=1e-8, weight_decay=0)
    >>> optimiser.step({"w": [1000, -0.001]})  # a large gradient and a small one: equal steps
    >>> w.round(3)
    array([0.5, 1.5])
    """

    def __init__(self, parameters, lr=0.001, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        self.parameters, self.lr = _as_parameters(parameters), as_positive(lr, "lr")
        self.betas = tuple(_as_fraction(beta, "betas", below=True) for beta in betas)
        if len(self.betas) != 2:
            raise ValueError(f"betas: expected two shares, got {betas!r}")
        self.eps, self.weight_decay = as_positive(eps, "eps"), _as_decay(weight_decay)
        self._steps, self._moments = 0, {}

    def step(self, gradients):
        """Change every parameter by one step, as `SGD.step` does."""
        updates = _updates(self.parameters, gradients)
        if not self._moments:  # in the dtype of the gradients
            self._moments = {
                name: (np.zeros_like(dw), np.zeros_like(dw)) for name, _, dw in updates
            }
        self._steps += 1
        keep_m, keep_v = self.betas
        grown_m, grown_v = (1 - beta**self._steps for beta in self.betas)  # of what began at 0
        for name, w, dw in updates:
            m, v = self._moments[name]
            m *= keep_m
            m += (1 - keep_m) * dw
            v *= keep_v
            v += (1 - keep_v) * np.square(dw)
            if self.weight_decay:
                w *= 1 - self.lr * self.weight_decay
            size = np.sqrt(v / grown_v)
            size += self.eps
            w -= self.lr / grown_m * m / size


def constant(share):
    """Keep the learning rate.

    Parameters
    ----------
    share : float
        In [0, 1]: how much of the training is over.

    Returns
    -------
    float
        1: what the largest learning rate is multiplied with.

    Raises
    ------
    ValueError
        For a share outside [0, 1].

    See Also
    --------
    torch.optim.lr_scheduler.ConstantLR

    Examples
    --------
    >>> constant(share=0.5)
    1.0
    """
    _as_fraction(share, "share")
    return 1.0


def step_decay(share, factor=0.1, at=(0.5, 0.75)):
    """Multiply the learning rate with a factor at certain times.

    Parameters
    ----------
    share : float
        In [0, 1]: how much of the training is over.
    factor : float
        In [0, 1].
    at : sequence of float
        In [0, 1]: the times, as shares of the training.

    Returns
    -------
    float
        In [0, 1]: what the largest learning rate is multiplied with.

    Raises
    ------
    ValueError
        For a number outside [0, 1].

    See Also
    --------
    torch.optim.lr_scheduler.MultiStepLR

    References
    ----------
    He, K., Zhang, X., Ren, S., Sun, J., Deep Residual Learning for Image Recognition, CVPR, 2016,
    section 4.2: divided by 10 after 32,000 and 48,000 of 64,000 steps.

    Examples
    --------
    >>> [step_decay(share, factor=0.5, at=(0.5, 0.75)) for share in (0, 0.5, 1)]
    [1.0, 0.5, 0.25]
    """
    share, factor = _as_fraction(share, "share"), _as_fraction(factor, "factor")
    return factor ** sum(share >= _as_fraction(time, "at") for time in at)


def cosine(share):
    """Let the learning rate fall to 0 along half a cosine wave: slowly, faster, slowly again.

    Parameters
    ----------
    share : float
        In [0, 1]: how much of the training is over.

    Returns
    -------
    float
        From 1 to 0: what the largest learning rate is multiplied with.

    Raises
    ------
    ValueError
        For a share outside [0, 1].

    See Also
    --------
    torch.optim.lr_scheduler.CosineAnnealingLR

    References
    ----------
    Loshchilov, I., Hutter, F., SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR, 2017,
    equation 5.

    Examples
    --------
    >>> [cosine(share) for share in (0, 0.5, 1)]
    [1.0, 0.5, 0.0]
    """
    return _eased(1.0, 0.0, _as_fraction(share, "share"))


def one_cycle(share, warmup=0.3, start=1 / 25, end=1e-4 / 25):
    """Let the learning rate rise, then fall to almost nothing, each along half a cosine wave.

    Parameters
    ----------
    share : float
        In [0, 1]: how much of the training is over.
    warmup : float
        In [0, 1]: the share of the training that it rises.
    start, end : float
        In [0, 1]: the factors at share 0 and 1.

    Returns
    -------
    float
        In [0, 1]: what the largest learning rate is multiplied with.

    Raises
    ------
    ValueError
        For a number outside [0, 1].

    See Also
    --------
    torch.optim.lr_scheduler.OneCycleLR : its peak, after pct_start · T − 1 of T − 1 steps, comes up
        to a step earlier

    References
    ----------
    Smith, L. N., Topin, N., Super-Convergence: Very Fast Training of Neural Networks Using Large
    Learning Rates, arXiv:1708.07120, 2017.

    Examples
    --------
    >>> [one_cycle(share, warmup=0.5, start=0.25, end=0) for share in (0, 0.25, 0.5, 0.75, 1)]
    [0.25, 0.625, 1.0, 0.5, 0.0]
    """
    share, warmup = _as_fraction(share, "share"), _as_fraction(warmup, "warmup")
    start, end = _as_fraction(start, "start"), _as_fraction(end, "end")
    if share < warmup:
        return _eased(start, 1.0, share / warmup)
    return _eased(1.0, end, (share - warmup) / (1 - warmup)) if warmup < 1 else 1.0


SCHEDULES = {"constant": constant, "step": step_decay, "cosine": cosine, "one_cycle": one_cycle}
"""How the learning rate may change over the training, by name."""


def _eased(start, end, share):
    """Go from start to end along half a cosine wave."""
    return end + (start - end) * (1 + cos(pi * share)) / 2


def _updates(parameters, gradients):
    """Return (name, parameter, gradient) of all, or refuse the gradients."""
    if parameters.keys() != gradients.keys():
        raise ValueError(
            f"gradients: expected the names {', '.join(parameters)}; "
            f"missing {sorted(parameters.keys() - gradients.keys())}, "
            f"unknown {sorted(gradients.keys() - parameters.keys())}"
        )
    updates = [(name, w, _as_reals(gradients[name], name)) for name, w in parameters.items()]
    for name, w, dw in updates:
        if dw.shape != w.shape:
            raise ValueError(f"{name}: expected a gradient of shape {w.shape}, got {dw.shape}")
    return updates


def _as_parameters(parameters):
    """Return named arrays that a step can change, or refuse them."""
    if not isinstance(parameters, dict):
        raise ValueError(f"parameters: expected network.parameters, got {type(parameters)}")
    for name, w in parameters.items():
        if not isinstance(w, np.ndarray) or w.dtype.kind != "f" or not w.flags.writeable:
            raise ValueError(f"{name}: expected a writeable array of floats, got {w!r}")
    return dict(parameters)


def _as_fraction(value, name, below=False):
    """Return a number in [0, 1], or below 1, or refuse it."""
    share = as_finite(value, name)
    if not 0 <= share <= 1 or (below and share == 1):
        raise ValueError(f"{name}: expected a number in [0, 1{')' if below else ']'}, got {value}")
    return share


def _as_decay(value):
    """Return a number that is not negative, or refuse it."""
    if as_finite(value, "weight_decay") < 0:
        raise ValueError(f"weight_decay: expected a number ≥ 0, got {value}")
    return float(value)
