"""Chapter 7, the loop: batches, forward, loss, backward, step; epoch after epoch."""

import numpy as np

from cnncourse.architecture.layers import _as_reals, _as_rng, softmax_cross_entropy
from cnncourse.check import as_one_of, as_positive
from cnncourse.training.losses import cross_entropy, one_hot
from cnncourse.training.optimisers import SCHEDULES


def batches(N, batch_size, rng=None):
    """Cut the numbers 0 … N − 1 into batches, in random order.

    Parameters
    ----------
    N, batch_size : int
        How many examples there are, and how many go into a batch; the last may be smaller.
    rng : int or numpy.random.Generator, optional
        A seed, or what draws the order: with the same generator, another one every epoch. In their
        own order without one.

    Returns
    -------
    iterator of ndarray of int64
        ⌈N / batch_size⌉ arrays, which hold every number once.

    Raises
    ------
    ValueError
        For a number that is not whole and above 0.

    See Also
    --------
    torch.utils.data.BatchSampler

    Examples
    --------
    >>> list(batches(N=5, batch_size=2, rng=None))
    [array([0, 1]), array([2, 3]), array([4])]
    """
    N = as_positive(N, "N", integer=True)
    batch_size = as_positive(batch_size, "batch_size", integer=True)
    order = np.arange(N, dtype=np.int64) if rng is None else _as_rng(rng).permutation(N)
    return (order[start : start + batch_size] for start in range(0, N, batch_size))


def train(
    network,
    images,
    labels,
    optimiser,
    *,
    epochs,
    batch_size,
    schedule="constant",
    smoothing=0.0,
    rng,
):
    """Train a network to name the class: forward, loss, backward, step; batch after batch.

    Parameters
    ----------
    network : Layer
        From images to (N, K) logits. It computes in the dtype of the images.
    images : array_like
        (N, C, H, W), or whatever the network takes.
    labels : array_like of int
        (N,), in 0 … K − 1.
    optimiser : SGD or Adam
        Of the network's parameters. Its lr is the largest; it is set before every step, and put
        back in the end.
    epochs : int
        How often every image is used.
    batch_size : int
        Images a step; fewer in the last of an epoch.
    schedule : {"constant", "step", "cosine", "one_cycle"}
        How the learning rate changes, see `optimisers.SCHEDULES`.
    smoothing : float
        In [0, 1], see `losses.one_hot`.
    rng : int or numpy.random.Generator
        A seed, or what draws the order of the images.

    Returns
    -------
    list of float
        The loss before every step: epochs · ⌈N / batch_size⌉ numbers.

    Raises
    ------
    ValueError
        For an argument out of range, labels that do not belong to the images, or an optimiser of
        another network's parameters.
    FloatingPointError
        If the loss is not finite; the weights are then those that gave it.

    See Also
    --------
    torch.nn, torch.optim : the same loop in PyTorch

    References
    ----------
    Goodfellow, I., Bengio, Y., Courville, A., Deep Learning, 2016, section 8.1.3.

    Examples
    --------
    >>> from cnncourse.architecture.layers import Linear
    >>> from cnncourse.training.optimisers import SGD
    >>> network = Linear(1, 2, rng=0)
    >>> losses = train(
    ...     network, [[-1], [1]], [1, 0], SGD(network.parameters, lr=1),
    ...     epochs=9, batch_size=2, schedule="cosine", smoothing=0, rng=0,
    ... )
    >>> len(losses), losses[-1] < losses[0]
    (9, True)
    >>> predict(network, [[-5], [7]])
    array([1, 0])
    """
    _refuse_strangers(optimiser, network)
    images, rng = _as_reals(images, "images"), _as_rng(rng)
    factor = SCHEDULES[as_one_of(schedule, SCHEDULES, "schedule")]
    targets = one_hot(labels, network(images[:1]).shape[1], smoothing)
    if len(targets) != len(images):
        raise ValueError(f"labels: expected {len(images)} of them, got {len(targets)}")
    epochs = range(as_positive(epochs, "epochs", integer=True))
    order = [batch for _ in epochs for batch in batches(len(images), batch_size, rng)]
    largest, losses = optimiser.lr, []
    try:
        for step, batch in enumerate(order):
            optimiser.lr = largest * factor(step / max(len(order) - 1, 1))
            losses.append(_learn(network, images[batch], targets[batch], optimiser, step))
    finally:
        optimiser.lr = largest
    return losses


def predict(network, images, batch_size=500):
    """Name the class of every image: the one with the largest logit.

    Parameters
    ----------
    network : Layer
        From images to (N, K) logits; it computes as outside training.
    images : array_like
        (N, C, H, W), or whatever the network takes.
    batch_size : int
        How many at a time: what the memory holds.

    Returns
    -------
    ndarray of int64
        (N,), in 0 … K − 1.

    Raises
    ------
    ValueError
        If there are no images, or not such as the network takes.

    See Also
    --------
    torch.argmax

    Examples
    --------
    >>> from cnncourse.architecture.layers import Flatten
    >>> predict(Flatten(), images=[[[[1, 5, 2]]], [[[3, 0, 0]]]], batch_size=1)
    array([1, 0])
    """
    images = _as_reals(images, "images")
    answers = [network(images[batch]).argmax(1) for batch in batches(len(images), batch_size)]
    return np.concatenate(answers).astype(np.int64, copy=False)


def check_gradient(network, x, labels, n=20, eps=1e-6, *, rng):
    """Compare the backward pass with what the loss does when a weight is nudged.

    ``(loss(w + eps) − loss(w − eps)) / (2 · eps)`` needs no derivation, and so shares no mistake
    with the backward pass. But at a kink of ReLU or maximum no slope is right. So all weights move
    by up to 0.01 first, for biases of 0 put blank pixels on the kink; and the slope is taken with
    eps, a tenth and a hundredth of it, each of which crosses fewer kinks, and the nearest counts.
    That makes six forward passes for every weight.

    Parameters
    ----------
    network : Layer
        From x to (N, K) logits, in training but without dropout, whose mask would change between
        the passes. It is left as it was, but for its gradients.
    x : array_like
        (N, …), a few examples; read as float64.
    labels : array_like of int
        (N,), in 0 … K − 1.
    n : int
        How many weights, drawn from each array in turn, so that a short bias is not passed over;
        all of them where there are fewer.
    eps : float
        Above 0. Smaller ones are lost in the rounding of the loss; with larger ones the curvature
        counts, and more kinks are crossed.
    rng : int or numpy.random.Generator
        A seed, or what moves and draws the weights.

    Returns
    -------
    float
        The largest difference, each relative to the largest gradient of its array (or to 1/1000 of
        the network's largest, if that is more: some gradients are 0 but for rounding). About 1e-7
        or less where all is well, and up to 1 or 2 where it is not; infinity for a gradient of NaN.

    Raises
    ------
    ValueError
        For an argument out of range, or a network with nothing to learn or with dropout.

    See Also
    --------
    torch.autograd.gradcheck

    References
    ----------
    Goodfellow, I., Bengio, Y., Courville, A., Deep Learning, 2016, section 11.5.

    Examples
    --------
    >>> from cnncourse.architecture.layers import Linear
    >>> check_gradient(Linear(3, 2, rng=0), [[1, 2, 3]], labels=[1], n=6, eps=1e-6, rng=0) < 1e-7
    True
    """
    n, eps, rng = as_positive(n, "n", integer=True), as_positive(eps, "eps"), _as_rng(rng)
    x, state = _as_reals(x, "x").astype(np.float64), network.state()
    try:
        for _, w in network.named_parameters():
            w += rng.uniform(-0.01, 0.01, w.shape)
        gradients = _gradients(network, x, labels)
        drawn = [(name, i, gradients[name].flat[i]) for name, i in _in_turn(gradients, n, rng)]
        slopes = [_slope(network, *place, eps, x, labels) for place in drawn]
    finally:
        network.load_state(state)  # batch norm has counted the passes
    sizes = {name: abs(dw).max() for name, dw in gradients.items()}
    least = max(sizes.values()) / 1000 or 1
    gaps = [
        abs(slope - dw) / max(sizes[name], abs(slope), least)
        for slope, (name, _, dw) in zip(slopes, drawn, strict=True)
    ]
    return float(np.nan_to_num(gaps, nan=np.inf).max())


@np.errstate(over="ignore", invalid="ignore")  # what overflows is said below, in words
def _learn(network, images, targets, optimiser, step):
    """Take one step and return the loss before it."""
    loss, dlogits = cross_entropy(network(images, train=True), targets)
    if not np.isfinite(loss):
        raise FloatingPointError(
            f"loss: {loss} at step {step}, with lr {optimiser.lr:.3g}: a smaller lr may help, or "
            "images and weights of smaller spread"
        )
    network.backward(dlogits, need_dx=False)
    optimiser.step(network.gradients)
    return loss


def _refuse_strangers(optimiser, network):
    """Refuse an optimiser that would change the arrays of another network."""
    held = getattr(optimiser, "parameters", network.parameters)  # one of your own may not say
    if any(w is not network.parameters.get(name) for name, w in held.items()):
        raise ValueError("optimiser: expected this network's parameters, got another's")


def _gradients(network, x, labels):
    """Return the loss's gradients, or refuse a network that has none or rolls dice."""
    losses = []
    for _ in range(2):
        loss, dlogits = softmax_cross_entropy(network(x, train=True), labels)
        losses.append(loss)
    network.backward(dlogits, need_dx=False)
    if not network.gradients:
        raise ValueError("network: expected one with something to learn, got no parameters")
    if losses[0] != losses[1]:
        raise ValueError(f"network: expected no dropout, got two losses for one input, {losses}")
    return {name: dw.copy() for name, dw in network.gradients.items()}


def _in_turn(arrays, n, rng):
    """Draw n places (name, i), one of each array before a second one of any."""
    turns = [
        (turn, rng.random(), name, i)  # within a turn in random order, for the last may be cut
        for name, array in arrays.items()
        for turn, i in enumerate(rng.permutation(array.size)[:n])
    ]
    return [(name, i) for _, _, name, i in sorted(turns)[:n]]


def _slope(network, name, i, dw, eps, x, labels):
    """Return the loss's slope along one weight, of three the one nearest to the gradient dw."""
    weights = dict(network.named_parameters())[name]
    weight, slopes = weights.flat[i], []
    for step in (eps, eps / 10, eps / 100):
        losses = []
        for nudged in (weight + step, weight - step):
            weights.flat[i] = nudged
            losses.append(softmax_cross_entropy(network(x, train=True), labels)[0])
        slopes.append((losses[0] - losses[1]) / (2 * step))
    weights.flat[i] = weight
    return min(slopes, key=lambda slope: abs(slope - dw))
