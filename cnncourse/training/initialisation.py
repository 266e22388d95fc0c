"""Chapter 7, initialisation: random weights, spread so that what passes keeps its spread."""

from math import prod

import numpy as np

from cnncourse.architecture.layers import Conv2d, Linear, Sequential, _as_rng
from cnncourse.check import as_one_of, as_positive


def initialise(network, scheme, rng):
    """Draw the weights of all convolutions and linear layers anew, in place; biases become 0.

    Parameters
    ----------
    network : Layer
    scheme : {"kaiming", "xavier"} or float
        All have mean 0. "kaiming": normal with variance 2 / fan-in, for layers with ReLU. "xavier":
        uniform with variance 2 / (fan-in + fan-out), for layers whose slope is about 1. A number
        above 0: normal with this standard deviation in every layer, whatever its fan-in. The fan-in
        is the number of inputs that one output reads; the fan-out, of outputs that read one input.
    rng : int or numpy.random.Generator
        A seed, or what draws the numbers.

    Raises
    ------
    ValueError
        For an unknown scheme, or a number not above 0.

    See Also
    --------
    torch.nn.init.kaiming_normal_, torch.nn.init.xavier_uniform_

    References
    ----------
    Glorot, X., Bengio, Y., Understanding the difficulty of training deep feedforward neural
    networks, AISTATS, 2010, equation 16.
    He, K., Zhang, X., Ren, S., Sun, J., Delving Deep into Rectifiers: Surpassing Human-Level
    Performance on ImageNet Classification, ICCV, 2015, equation 10.

    Examples
    --------
    >>> network = Linear(200, 400, rng=0)
    >>> initialise(network, scheme="kaiming", rng=1)
    >>> round(float(network.parameters["weight"].std()), 2)  # √(2 / 200)
    0.1
    >>> initialise(network, scheme="xavier", rng=1)
    >>> round(float(network.parameters["weight"].max()), 2)  # √(6 / 600)
    0.1
    """
    rng, scheme = _as_rng(rng), _as_scheme(scheme)
    for layer in network._leaves() if isinstance(network, Sequential) else [network]:
        if isinstance(layer, Conv2d | Linear):
            weight = layer.parameters["weight"]
            weight[...] = _drawn(weight.shape, scheme, rng)
            if "bias" in layer.parameters:
                layer.parameters["bias"][...] = 0


def spreads(network, x):
    """Measure how far apart the outputs of every layer are: their standard deviation.

    Parameters
    ----------
    network : Sequential
        It computes as outside training. A block within it counts as one layer.
    x : array_like
        (N, …), a batch of its inputs.

    Returns
    -------
    list of float
        One number a layer, in their order.

    Raises
    ------
    ValueError
        As the layers do.

    See Also
    --------
    torch.nn.Module.register_forward_hook : the way to see a torch network's layers at work

    References
    ----------
    Glorot, X., Bengio, Y., Understanding the difficulty of training deep feedforward neural
    networks, AISTATS, 2010, section 4.2.

    Examples
    --------
    >>> from cnncourse.architecture.layers import ReLU
    >>> spreads(network=Sequential(ReLU(), Linear(2, 1, rng=0)), x=[[-5, 2], [2, -7]])[0]
    1.0
    """
    spread = []
    for layer in network:
        x = layer(x)
        spread.append(float(x.std()))
    return spread


def _drawn(shape, scheme, rng):
    """Draw weights of the shape (K, C) or (K, C, R, S)."""
    positions = prod(shape[2:])  # of a kernel; 1 in a linear layer
    fan_in, fan_out = shape[1] * positions, shape[0] * positions
    if scheme == "xavier":
        bound = np.sqrt(6 / (fan_in + fan_out))  # so the variance is bound² / 3
        return rng.uniform(-bound, bound, shape)
    return rng.normal(0, np.sqrt(2 / fan_in) if scheme == "kaiming" else scheme, shape)


def _as_scheme(scheme):
    """Return the name of a scheme, or a standard deviation, or refuse it."""
    if isinstance(scheme, str):
        return as_one_of(scheme, ("kaiming", "xavier"), "scheme")
    return as_positive(scheme, "scheme")
