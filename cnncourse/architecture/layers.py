"""Chapter 6, layers: a network is a list of pieces that each know their own gradient.

A layer computes y from x and, asked to train, keeps what it needs to turn dy into dx. A network
calls its layers in turn, and for the gradient in reverse. N images of C channels and H×W pixels;
K is the number of outputs, or of classes.
"""

from math import prod

import numpy as np

from cnncourse.architecture.batch_last import batch_last, conv2d_last, conv2d_last_backward
from cnncourse.check import as_finite, as_positive
from cnncourse.convolution import _pair, _whole
from cnncourse.pooling import (
    _batch_is_last,
    _best,
    _given,
    _pooled,
    _windowed,
    avg_pool2d,
    avg_pool2d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
)


class Layer:
    """Hold what all layers share; a layer of your own defines ``_forward`` and ``_backward``.

    ``_forward(x, train)`` returns y and what the backward pass will need; ``_backward(dy, kept,
    need_dx)`` gets it back, fills `gradients` and returns dx.

    Attributes
    ----------
    parameters : dict of str to ndarray
        What is learned, float64; an optimiser changes the arrays in place. A layer computes in the
        dtype of its input: float32 images make a float32 network.
    gradients : dict of str to ndarray
        Of the same names, from the last `backward`: each replaces the one before.
    buffers : dict of str to ndarray
        What else a trained layer must remember.

    See Also
    --------
    torch.nn.Module

    Examples
    --------
    >>> class Double(Layer):
    ...     def _forward(self, x, train):
    ...         return 2 * x, None
    ...
    ...     def _backward(self, dy, kept, need_dx):
    ...         return 2 * dy
    >>> double = Double()
    >>> double([[1, 5]], train=True)
    array([[ 2., 10.]])
    >>> double.backward([[1, 1]])
    array([[2., 2.]])
    """

    _kept = None

    def __init__(self):
        self.parameters, self.gradients, self.buffers = {}, {}, {}

    def __call__(self, x, train=False):
        """Call `forward`."""
        return self.forward(x, train)

    def forward(self, x, train=False):
        """Compute the layer's output.

        Parameters
        ----------
        x : array_like
            A batch: its first axis counts the N examples.
        train : bool
            Keep what `backward` needs, until the next call; batch norm and dropout also compute
            something else in training.

        Returns
        -------
        ndarray, of x's dtype (float64 for all but float32)

        Raises
        ------
        ValueError
            If x is no array of real numbers, or not of the layer's shape.
        """
        x = _as_reals(x, "x")
        y, kept = self._forward(x, train)
        self._kept = (y.shape, _batch_is_last(y), x.dtype, kept) if train else None
        return y

    def backward(self, dy, need_dx=True):
        """Turn the gradient of the output into that of the input, and fill `gradients`.

        Parameters
        ----------
        dy : array_like
            The loss's gradient with respect to the last output, of its shape.
        need_dx : bool
            Nobody needs the gradient of the images: with False a first layer is spared the work.

        Returns
        -------
        dx : ndarray, of x's shape and dtype; None where it was not needed

        Raises
        ------
        RuntimeError
            If the last call was not ``forward(x, train=True)``.
        ValueError
            If dy has another shape than the output.
        """
        if self._kept is None:
            name = type(self).__name__
            raise RuntimeError(f"{name}.backward: expected a call of forward(x, train=True) before")
        shape, last, dtype, kept = self._kept
        dy = _as_reals(dy, "dy").astype(dtype, copy=False)
        if dy.shape != shape:
            raise ValueError(f"dy: expected the shape of the output, {shape}, got {dy.shape}")
        dx = self._backward(batch_last(dy) if last else dy, kept, need_dx)
        return dx if need_dx else None

    def _forward(self, x, train):
        raise NotImplementedError("_forward: a layer defines _forward and _backward")

    def named_parameters(self):
        """Yield (name, array) of everything that is learned, as torch does."""
        yield from self.parameters.items()

    def state(self):
        """Return copies of parameters and buffers, by the names of torch's ``state_dict``."""
        return {name: array.copy() for name, array in (self.parameters | self.buffers).items()}

    def load_state(self, state):
        """Write a state into the layer's arrays, each of which keeps its place and dtype.

        Parameters
        ----------
        state : dict of str to array_like
            All names of `state`, with its shapes: another layer's, or a torch module's
            ``state_dict()``.

        Raises
        ------
        ValueError
            If a name is missing or too many, or a shape differs; then nothing has changed.
        """
        own = self.parameters | self.buffers
        if own.keys() != state.keys():
            raise ValueError(
                f"state: expected the names {', '.join(own) or 'of no array'}; "
                f"missing {sorted(own.keys() - state.keys())}, "
                f"unknown {sorted(state.keys() - own.keys())}"
            )
        given = {name: _as_reals(state[name], name) for name in own}
        for name, array in own.items():
            if given[name].shape != array.shape:
                raise ValueError(f"{name}: expected {array.shape}, got {given[name].shape}")
        for name, array in own.items():
            array[...] = given[name]


class Sequential(Layer):
    """Call layers one after the other; the gradient runs through them in reverse.

    Parameters
    ----------
    *layers : Layer
        In their order, each once. The network can be indexed, cut and counted like a list, and
        its parameters have names like ``"2.weight"``, the weight of layer 2.

    Raises
    ------
    ValueError
        If something is no layer, or stands twice: it could not keep two inputs.

    See Also
    --------
    torch.nn.Sequential

    Examples
    --------
    >>> net = Sequential(Flatten(), Linear(2, 3, rng=0), ReLU())
    >>> net([[[5, -1]]]).shape
    (1, 3)
    >>> [(name, array.shape) for name, array in net.named_parameters()]
    [('1.weight', (3, 2)), ('1.bias', (3,))]
    """

    def __init__(self, *layers):
        self.layers = [_as_layer(layer) for layer in layers]
        if len(set(map(id, self._leaves()))) < len(self._leaves()):
            raise ValueError("layers: expected every layer once, got one twice")

    def __getitem__(self, index):
        return Sequential(*self.layers[index]) if isinstance(index, slice) else self.layers[index]

    def __len__(self):
        return len(self.layers)

    def __iter__(self):
        return iter(self.layers)

    @property
    def parameters(self):
        """Return the arrays of all layers, by names like ``"2.weight"``."""
        return self._joined("parameters")

    @property
    def gradients(self):
        """Return the gradients of all layers, by the same names."""
        return self._joined("gradients")

    @property
    def buffers(self):
        """Return the buffers of all layers, by names like ``"1.running_mean"``."""
        return self._joined("buffers")

    def _forward(self, x, train):
        for layer in self.layers:
            x = layer.forward(x, train)
        return x, None

    def _backward(self, dy, kept, need_dx):
        for number, layer in reversed(list(enumerate(self.layers))):
            dy = layer.backward(dy, need_dx or number > 0)
        return dy

    def _children(self):
        return [(str(number), layer) for number, layer in enumerate(self.layers)]

    def _joined(self, kind):
        return {
            f"{child}.{name}": array
            for child, layer in self._children()
            for name, array in getattr(layer, kind).items()
        }

    def _leaves(self):
        leaves = []
        for _, layer in self._children():
            leaves += layer._leaves() if isinstance(layer, Sequential) else [layer]
        return leaves


class Conv2d(Layer):
    """Convolve with learned kernels, and add a bias to each map.

    The maps come with the batch last in memory, see `batch_last.conv2d_last`. Batch norm, ReLU,
    sigmoid and pooling windows keep it there.

    Parameters
    ----------
    in_channels, out_channels : int
        C and K.
    kernel_size, stride, padding : int or (int, int)
        As for `convolution.conv2d`; a pair is (rows, columns).
    bias : bool
        Whether to add one. Before batch norm, which subtracts it again, it is of no use.
    rng : int or numpy.random.Generator
        A seed, or one generator for all layers: with one and the same seed, equal layers begin with
        equal weights. They are normal with mean 0 and variance 2 / fan-in, where the fan-in is
        C·R·S; biases begin at 0.

    Raises
    ------
    ValueError
        For a number that is not whole or too small, or images of other channels.

    See Also
    --------
    torch.nn.Conv2d : it draws weights (and biases) uniformly, with variance 1 / (3 · fan-in)

    References
    ----------
    He, K., Zhang, X., Ren, S., Sun, J., Delving Deep into Rectifiers: Surpassing Human-Level
    Performance on ImageNet Classification, ICCV, 2015, equation 10.

    Examples
    --------
    >>> layer = Conv2d(1, 2, kernel_size=(1, 2), rng=0)
    >>> layer.parameters["weight"][:] = [[[[1, 2]]], [[[0, -1]]]]
    >>> layer([[[[1, 2, 3]]]])
    array([[[[ 5., 8.]],
            [[-2., -3.]]]])
    """

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, bias=True, *, rng
    ):
        super().__init__()
        self.in_channels = _whole(in_channels, "in_channels")
        self.out_channels = _whole(out_channels, "out_channels")
        self.kernel_size = _pair(kernel_size, "kernel_size")
        self.stride, self.padding = _pair(stride, "stride"), _pair(padding, "padding", 0)
        shape = (self.out_channels, self.in_channels, *self.kernel_size)
        self.parameters = _initial(shape, bias, rng)

    def _forward(self, x, train):
        _refuse_but(x, "(N, C, H, W)", 4, self.in_channels, "in_channels")
        weight, bias = self.parameters["weight"], self.parameters.get("bias")
        x = batch_last(x)
        return conv2d_last(x, weight, bias, self.stride, self.padding), x

    def _backward(self, dy, x, need_dx):
        layer = self.parameters["weight"], self.stride, self.padding
        dx, dweight, dbias = conv2d_last_backward(dy, x, *layer, need_dx)
        self.gradients["weight"] = dweight
        if "bias" in self.parameters:
            self.gradients["bias"] = dbias
        return dx


class Linear(Layer):
    """Connect every input with every output: ``y = x Wᵀ + b``.

    Parameters
    ----------
    in_features, out_features : int
        Numbers of inputs and outputs of one example.
    bias : bool
        Whether to add one.
    rng : int or numpy.random.Generator
        As for `Conv2d`; the fan-in is in_features.

    Raises
    ------
    ValueError
        For a number that is not whole and above 0, or inputs of another shape.

    See Also
    --------
    torch.nn.Linear

    References
    ----------
    He, K., Zhang, X., Ren, S., Sun, J., Delving Deep into Rectifiers: Surpassing Human-Level
    Performance on ImageNet Classification, ICCV, 2015, equation 10.

    Examples
    --------
    >>> layer = Linear(2, 1, rng=0)
    >>> layer.parameters["weight"][:], layer.parameters["bias"][:] = [10, 1], 0.5
    >>> layer([[1, 2], [3, 4]], train=True)
    array([[12.5],
           [34.5]])
    >>> layer.backward([[1], [1]])
    array([[10., 1.],
           [10., 1.]])
    >>> layer.gradients["weight"]
    array([[4., 6.]])
    """

    def __init__(self, in_features, out_features, bias=True, *, rng):
        super().__init__()
        self.in_features = _whole(in_features, "in_features")
        self.out_features = _whole(out_features, "out_features")
        self.parameters = _initial((self.out_features, self.in_features), bias, rng)

    def _forward(self, x, train):
        _refuse_but(x, "(N, in_features)", 2, self.in_features, "in_features")
        y = x @ self._weight(x).T
        if "bias" in self.parameters:
            y += self.parameters["bias"].astype(x.dtype, copy=False)
        return y, x

    def _backward(self, dy, x, need_dx):
        self.gradients["weight"] = dy.T @ x  # every input times every output's gradient
        if "bias" in self.parameters:
            self.gradients["bias"] = dy.sum(0)
        return dy @ self._weight(x) if need_dx else None

    def _weight(self, x):
        return self.parameters["weight"].astype(x.dtype, copy=False)


class BatchNorm2d(Layer):
    """Standardise each channel over the batch, then scale and shift it by what is learned.

    ``y = γ · (x − μ) / √(σ² + eps) + β``. In training μ and σ² are the batch's own, over N, H and
    W; otherwise running averages of them. γ and β are called weight and bias, as in torch.

    Parameters
    ----------
    num_features : int
        C, the channels of the input.
    eps : float
        Keeps the root away from 0.
    momentum : float
        In (0, 1]: the share of a new batch in the running averages. Their variance is the unbiased
        one, divided by N·H·W − 1; the batch's own is divided by N·H·W.

    Attributes
    ----------
    frozen : bool
        Set it, and the layer also trains with its running averages, which then stay as they are:
        torch's ``layer.eval()`` within a network that is fine-tuned.

    Raises
    ------
    ValueError
        For an impossible number, images of other channels, or a batch of one number a channel in
        training: it has no spread.

    See Also
    --------
    torch.nn.BatchNorm2d

    References
    ----------
    Ioffe, S., Szegedy, C., Batch Normalization: Accelerating Deep Network Training by Reducing
    Internal Covariate Shift, ICML, 2015, algorithms 1 and 2.

    Examples
    --------
    Mean 4 and variance 4 become 0 and 1; the running averages go a tenth of the way, from 0 and 1.

    >>> layer = BatchNorm2d(1, eps=0)
    >>> layer([[[[2, 6]]]], train=True)
    array([[[[-1., 1.]]]])
    >>> layer.buffers["running_mean"], layer.buffers["running_var"]
    (array([0.4]), array([1.7]))
    """

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        C = self.num_features = _whole(num_features, "num_features")
        self.eps, self.momentum = as_finite(eps, "eps"), as_positive(momentum, "momentum")
        if self.eps < 0:
            raise ValueError(f"eps: expected a number of 0 or more, got {eps}")
        if self.momentum > 1:
            raise ValueError(f"momentum: expected at most 1, got {momentum}")
        self.parameters = {"weight": np.ones(C), "bias": np.zeros(C)}
        self.buffers = {"running_mean": np.zeros(C), "running_var": np.ones(C)}
        self.buffers["num_batches_tracked"] = np.array(0)  # torch counts too
        self.frozen = False

    def _forward(self, x, train):
        _refuse_but(x, "(N, C, H, W)", 4, self.num_features, "num_features")
        own = train and not self.frozen
        if own and x.size < 2 * self.num_features:
            raise ValueError(
                f"x: expected more than one number a channel in training, got shape {x.shape}"
            )
        mean = x.mean((0, 2, 3)) if own else self.buffers["running_mean"]
        x = x - _per_channel(mean, x.dtype)  # first centred, then squared: 100 + 0.01·x stays exact
        variance = self._tracked(mean, x) if own else self.buffers["running_var"]
        scale = _per_channel(1 / np.sqrt(variance + self.eps), x.dtype)
        x *= scale
        y = x * _per_channel(self.parameters["weight"], x.dtype)
        y += _per_channel(self.parameters["bias"], x.dtype)
        return y, (x, scale, own)

    def _tracked(self, mean, centred):
        """Return the batch's variance; let the running averages follow the batch."""
        count = centred.size // self.num_features
        variance = np.square(centred).mean((0, 2, 3))
        unbiased = variance * (count / (count - 1))
        for name, new in (("running_mean", mean), ("running_var", unbiased)):
            self.buffers[name] += self.momentum * (new - self.buffers[name])
        self.buffers["num_batches_tracked"] += 1
        return variance

    def _backward(self, dy, kept, need_dx):
        x, scale, own = kept  # x as standardised
        self.gradients["weight"] = dweight = (dy * x).sum((0, 2, 3))
        self.gradients["bias"] = dbias = dy.sum((0, 2, 3))
        if own:  # x moved mean and variance too: take out what dy has of a constant and of x
            count = x.size // self.num_features
            dy = dy - x * _per_channel(dweight / count, x.dtype)
            dy -= _per_channel(dbias / count, x.dtype)
        return dy * (scale * _per_channel(self.parameters["weight"], x.dtype))


class ReLU(Layer):
    """Let positive numbers pass and put 0 for the others: max(x, 0).

    See Also
    --------
    torch.nn.ReLU

    References
    ----------
    Nair, V., Hinton, G. E., Rectified Linear Units Improve Restricted Boltzmann Machines, ICML,
    2010.

    Examples
    --------
    >>> layer = ReLU()
    >>> layer([[-2, 3]], train=True)
    array([[0., 3.]])
    >>> layer.backward([[10, 10]])
    array([[ 0., 10.]])
    """

    def _forward(self, x, train):
        y = np.maximum(x, 0)
        return y, y  # if the next layer keeps it too, it costs nothing

    def _backward(self, dy, y, need_dx):
        return dy * (y > 0)


class Sigmoid(Layer):
    """Squeeze every number into (0, 1): 1 / (1 + e⁻ˣ). Its slope y·(1 − y) is at most 1/4.

    See Also
    --------
    torch.nn.Sigmoid

    Examples
    --------
    >>> layer = Sigmoid()
    >>> layer([[0]], train=True)
    array([[0.5]])
    >>> layer.backward([[1]])
    array([[0.25]])
    """

    def _forward(self, x, train):
        small = np.exp(-np.abs(x))  # at most 1, so that nothing overflows
        y = np.where(x < 0, small, 1) / (1 + small)
        return y, y

    def _backward(self, dy, y, need_dx):
        return dy * (y * (1 - y))


class MaxPool2d(Layer):
    """Keep the largest number of every window.

    Parameters
    ----------
    kernel_size, stride, padding : int or (int, int)
        As for `pooling.max_pool2d`; the stride is kernel_size where none is given.

    Raises
    ------
    ValueError
        As `pooling.max_pool2d` does.

    See Also
    --------
    torch.nn.MaxPool2d

    Examples
    --------
    >>> layer = MaxPool2d(kernel_size=(1, 2))
    >>> layer([[[[1, 5, 2, 0]]]], train=True)
    array([[[[5., 2.]]]])
    >>> layer.backward([[[[10, 20]]]])
    array([[[[ 0., 10., 20., 0.]]]])
    """

    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__()
        self.kernel_size = _pair(kernel_size, "kernel_size")
        self.stride = self.kernel_size if stride is None else _pair(stride, "stride")
        self.padding = _pair(padding, "padding", 0)

    def _forward(self, x, train):
        x, *axes = _windowed(x, self.kernel_size, self.stride, self.padding, 1, ceil_mode=False)
        y = _pooled(x, *axes, np.maximum, -np.inf)
        if not train:
            return y, None
        return y, (_best(y, x, *axes), _hollow(x), *axes)  # a byte for each window

    def _backward(self, dy, kept, need_dx):
        return _given(dy, *kept)


class AvgPool2d(Layer):
    """Average the numbers of every window.

    Parameters
    ----------
    kernel_size, stride, padding : int or (int, int)
        As for `pooling.avg_pool2d`; the stride is kernel_size where none is given.

    Raises
    ------
    ValueError
        As `pooling.avg_pool2d` does.

    See Also
    --------
    torch.nn.AvgPool2d

    Examples
    --------
    >>> layer = AvgPool2d(kernel_size=(1, 2))
    >>> layer([[[[1, 5, 2, 0]]]], train=True)
    array([[[[3., 1.]]]])
    >>> layer.backward([[[[10, 20]]]])
    array([[[[ 5., 5., 10., 10.]]]])
    """

    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__()
        self.kernel_size = _pair(kernel_size, "kernel_size")
        self.stride = self.kernel_size if stride is None else _pair(stride, "stride")
        self.padding = _pair(padding, "padding", 0)

    def _forward(self, x, train):
        return avg_pool2d(x, self.kernel_size, self.stride, self.padding), _hollow(x)

    def _backward(self, dy, x, need_dx):
        return avg_pool2d_backward(dy, x, self.kernel_size, self.stride, self.padding)


class GlobalAvgPool2d(Layer):
    """Average every map over all its pixels: (N, C, H, W) becomes (N, C, 1, 1).

    See Also
    --------
    torch.nn.AdaptiveAvgPool2d : with output_size 1

    References
    ----------
    Lin, M., Chen, Q., Yan, S., Network In Network, ICLR, arXiv:1312.4400, 2014, section 3.2.

    Examples
    --------
    >>> GlobalAvgPool2d()([[[[1, 5, 2, 0]]]])
    array([[[[2.]]]])
    """

    def _forward(self, x, train):
        return global_avg_pool2d(x), _hollow(x)

    def _backward(self, dy, x, need_dx):
        return global_avg_pool2d_backward(dy, x)


class Flatten(Layer):
    """Put all numbers of an example into one row: (N, C, H, W) becomes (N, C·H·W).

    See Also
    --------
    torch.nn.Flatten

    Examples
    --------
    >>> Flatten()([[[[1, 5], [2, 0]]]])
    array([[1., 5., 2., 0.]])
    """

    def _forward(self, x, train):
        if x.ndim < 2:
            raise ValueError(f"x: expected a batch, (N, …), got shape {x.shape}")
        return x.reshape(len(x), prod(x.shape[1:])), x.shape

    def _backward(self, dy, shape, need_dx):
        return dy.reshape(shape)


class Dropout(Layer):
    """Put 0 for a random share p of the numbers in training, and divide the others by 1 − p.

    So the expected value stays, and outside training nothing is done.

    Parameters
    ----------
    p : float
        In [0, 1).
    rng : int or numpy.random.Generator
        A seed, or the generator that draws a new mask for every batch.

    Raises
    ------
    ValueError
        If p is outside [0, 1).

    See Also
    --------
    torch.nn.Dropout

    References
    ----------
    Srivastava, N., Hinton, G., Krizhevsky, A., Sutskever, I., Salakhutdinov, R., Dropout: A Simple
    Way to Prevent Neural Networks from Overfitting, Journal of Machine Learning Research, 2014.

    Examples
    --------
    >>> layer = Dropout(p=0.5, rng=0)
    >>> layer([[1, 1, 1, 1]], train=True)
    array([[2., 0., 0., 0.]])
    >>> layer([[1, 1, 1, 1]])
    array([[1., 1., 1., 1.]])
    """

    def __init__(self, p=0.5, *, rng):
        super().__init__()
        self.p, self.rng = as_finite(p, "p"), _as_rng(rng)
        if not 0 <= self.p < 1:
            raise ValueError(f"p: expected a share in [0, 1), got {p}")

    def _forward(self, x, train):
        if not train:
            return x, None
        mask = (self.rng.random(x.shape) >= self.p) / x.dtype.type(1 - self.p)
        return x * mask, mask

    def _backward(self, dy, mask, need_dx):
        return dy * mask


class Residual(Sequential):
    """Add the input to what layers make of it: ``y = x + f(x)``.

    With all weights of f at 0 it changes nothing, and its gradient reaches x undiminished.

    Parameters
    ----------
    *layers : Layer
        f, in their order.
    shortcut : Layer, optional
        What x passes through where f changes its shape, a 1×1 convolution for example. Its arrays
        have names like ``"shortcut.weight"``.

    Raises
    ------
    ValueError
        As `Sequential` does, and if the two shapes differ.

    See Also
    --------
    torch.nn.Module : torch has no such layer; write ``return x + self.f(x)``

    References
    ----------
    He, K., Zhang, X., Ren, S., Sun, J., Deep Residual Learning for Image Recognition, CVPR, 2016,
    equations 1 and 2.

    Examples
    --------
    >>> block = Residual(ReLU())
    >>> block([[-1, 2]], train=True)
    array([[-1., 4.]])
    >>> block.backward([[10, 10]])
    array([[10., 20.]])
    """

    def __init__(self, *layers, shortcut=None):
        self.shortcut = None if shortcut is None else _as_layer(shortcut)
        super().__init__(*layers)

    def _forward(self, x, train):
        y, _ = super()._forward(x, train)
        x = x if self.shortcut is None else self.shortcut.forward(x, train)
        if x.shape != y.shape:
            raise ValueError(
                f"layers: expected f(x) in the shape of the shortcut, {x.shape}, got {y.shape}"
            )
        return x + y, None

    def _backward(self, dy, kept, need_dx):
        dx = super()._backward(dy, kept, need_dx)
        dy = dy if self.shortcut is None else self.shortcut.backward(dy, need_dx)
        return dx + dy if need_dx else None

    def _children(self):
        return super()._children() + (
            [] if self.shortcut is None else [("shortcut", self.shortcut)]
        )


def softmax(logits):
    """Turn numbers into shares that are positive and add up to 1: eᶻ / Σ eᶻ, row by row.

    Parameters
    ----------
    logits : array_like
        (N, K), one number a class.

    Returns
    -------
    ndarray, of the logits' dtype (float64 for all but float32)
        (N, K), in [0, 1].

    Raises
    ------
    ValueError
        For no 2-D array of real numbers.

    See Also
    --------
    torch.nn.functional.softmax

    References
    ----------
    Goodfellow, I., Bengio, Y., Courville, A., Deep Learning, 2016, section 6.2.2.3.

    Examples
    --------
    >>> softmax([[7, 7], [-1e4, 1e4]])
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    return np.exp(_log_softmax(logits))


def softmax_cross_entropy(logits, labels):
    """Average −log of the share that softmax gives to the right class, and its gradient.

    Parameters
    ----------
    logits : array_like
        (N, K), one number a class, before softmax.
    labels : array_like of int
        (N,), the right classes, in 0 … K − 1.

    Returns
    -------
    loss : float
        ≥ 0; log K where all logits are equal.
    dlogits : ndarray, of the logits' dtype (float64 for all but float32)
        (N, K), the gradient: softmax minus 1 at the right class, divided by N.

    Raises
    ------
    ValueError
        If the logits are no 2-D array of real numbers, or the labels not N whole numbers in range.

    See Also
    --------
    torch.nn.functional.cross_entropy

    References
    ----------
    Goodfellow, I., Bengio, Y., Courville, A., Deep Learning, 2016, section 6.2.2.3.

    Examples
    --------
    >>> loss, dlogits = softmax_cross_entropy([[5, 5]], [1])
    >>> round(loss, 4)  # log 2
    0.6931
    >>> dlogits
    array([[ 0.5, -0.5]])
    """
    logs = _log_softmax(logits)  # (N, K)
    right = np.arange(len(logs)), _as_labels(labels, *logs.shape)
    dlogits = np.exp(logs)
    dlogits[right] -= 1
    dlogits /= len(logs)
    return -float(logs[right].mean()), dlogits


def _log_softmax(logits):
    """Return log softmax: less the row's largest first, so that no exponential overflows."""
    logits = _as_reals(logits, "logits")
    if logits.ndim != 2 or logits.size == 0:
        raise ValueError(f"logits: expected (N, K), got shape {logits.shape}")
    logits = logits - logits.max(1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(1, keepdims=True))
    return logits


def _initial(shape, bias, rng):
    """Draw weights so that layers with ReLU keep the spread of what passes; biases are 0."""
    spread = np.sqrt(2 / prod(shape[1:]))  # He et al., 2015, equation 10
    weight = {"weight": _as_rng(rng).normal(0, spread, shape)}
    return weight | {"bias": np.zeros(shape[0])} if bias else weight


def _per_channel(values, dtype):
    """Shape C numbers to stand beside (N, C, H, W)."""
    return values.astype(dtype, copy=False).reshape(-1, 1, 1)


def _hollow(x):
    """Return an array of x's shape and dtype that takes no memory, where only these matter."""
    return np.broadcast_to(x.dtype.type(0), x.shape)


def _as_reals(array, name):
    """Return an array of native floats of any rank, or refuse it."""
    array = np.asarray(array)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name}: expected real numbers, got dtype {array.dtype}")
    kept = array.dtype.kind == "f" and array.itemsize in (4, 8)
    return array.astype(array.dtype.newbyteorder("=") if kept else np.float64, copy=False)


def _as_layer(layer):
    """Return a layer, or refuse what is none."""
    if not isinstance(layer, Layer):
        raise ValueError(f"layers: expected layers like ReLU(), got {layer!r}")
    return layer


def _as_rng(rng):
    """Return a generator of random numbers for a seed or for itself, or refuse it."""
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, bool) or not isinstance(rng, (int, np.integer)) or rng < 0:
        raise ValueError(f"rng: expected a seed or numpy.random.default_rng(seed), got {rng!r}")
    return np.random.default_rng(rng)


def _as_labels(labels, N, K):
    """Return N class numbers below K, or refuse them."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu" or labels.shape != (N,):
        raise ValueError(
            f"labels: expected {N} whole numbers, got {labels.dtype} of shape {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= K:
        raise ValueError(f"labels: expected 0 to {K - 1}, got {labels.min()} to {labels.max()}")
    return labels


def _refuse_but(x, axes, rank, length, name):
    """Refuse what has not the axes, or the length of the second one."""
    if x.ndim != rank or x.shape[1] != length:
        raise ValueError(f"x: expected {axes} with {name} = {length}, got shape {x.shape}")
