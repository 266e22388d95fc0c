"""Chapter 7, augmentation: change the images so that their labels stay, anew in every epoch.

Each function takes images (N, C, H, W) and a generator, and draws for every image of its own. So
``partial(shift, pixels=4)`` (functools) is one with another setting.
"""

from functools import partial

import numpy as np
import torch
from torch.nn.functional import affine_grid, grid_sample, pad

from cnncourse.check import as_finite, as_positive


def flip(images, generator):
    """Mirror half of the images, left to right.

    Parameters
    ----------
    images : torch.Tensor
        (N, C, H, W), of floats.
    generator : torch.Generator
        What draws the numbers: equal states, equal images.

    Returns
    -------
    torch.Tensor
        New, of the same shape, dtype and range.

    Raises
    ------
    ValueError
        If images or generator are none.

    See Also
    --------
    torchvision.transforms.RandomHorizontalFlip

    References
    ----------
    Krizhevsky, A., Sutskever, I., Hinton, G. E., ImageNet Classification with Deep Convolutional
    Neural Networks, NeurIPS, 2012, section 4.1.

    Examples
    --------
    >>> images = torch.tensor([1.0, 2.0]).expand(4, 1, 1, 2)
    >>> flip(images, generator=torch.Generator().manual_seed(0)).flatten(1)
    tensor([[2., 1.],
            [1., 2.],
            [2., 1.],
            [2., 1.]])
    """
    turned = _random(0, 1, _as_batch(images, generator), generator) < 0.5
    return torch.where(turned[:, None, None, None], images.flip(3), images)


def shift(images, generator, pixels=2):
    """Move every image by up to some pixels, down or up and right or left; 0 comes in.

    Parameters
    ----------
    images : torch.Tensor
        (N, C, H, W), of floats.
    generator : torch.Generator
        What draws the numbers.
    pixels : int
        Above 0. All moves, in both directions, are equally likely.

    Returns
    -------
    torch.Tensor
        New, of the same shape, dtype and range.

    Raises
    ------
    ValueError
        If images or generator are none, or the pixels not whole and above 0.

    See Also
    --------
    torchvision.transforms.RandomCrop : the same, with padding=pixels

    References
    ----------
    He, K., Zhang, X., Ren, S., Sun, J., Deep Residual Learning for Image Recognition, CVPR, 2016,
    section 4.2.

    Examples
    --------
    >>> images = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    >>> shift(images, generator=torch.Generator().manual_seed(7), pixels=1)  # to the right
    tensor([[[[0., 1., 2.]]]])
    """
    pixels = as_positive(pixels, "pixels", integer=True)
    *_, H, W = _as_batch(images, generator).shape
    windows = pad(images, [pixels] * 4).unfold(2, H, 1).unfold(3, W, 1)  # (N, C, rows, columns, …)
    row, column = (_random(0, 2 * pixels + 1, images, generator).long() for _ in "hw")
    return windows[torch.arange(len(images)), :, row, column]


def rotate(images, generator, degrees=15):
    """Rotate every image about its centre, by bilinear interpolation; 0 comes in.

    Parameters
    ----------
    images : torch.Tensor
        (N, C, H, W), of floats.
    generator : torch.Generator
        What draws the numbers.
    degrees : float or (float, float)
        The range of the angle, or its largest size. A positive angle is counter-clockwise.

    Returns
    -------
    torch.Tensor
        New, of the same shape, dtype and range, to a rounding.

    Raises
    ------
    ValueError
        If images or generator are none, or the degrees no finite numbers.

    See Also
    --------
    torchvision.transforms.RandomRotation, skimage.transform.rotate : of one image

    References
    ----------
    Jaderberg, M., Simonyan, K., Zisserman, A., Kavukcuoglu, K., Spatial Transformer Networks,
    NeurIPS, 2015, equations 1 and 5.

    Examples
    --------
    >>> images = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> rotate(images, generator=torch.Generator(), degrees=(90, 90)).round(decimals=3)
    tensor([[[[2., 4.],
              [1., 3.]]]])
    """
    low, high = degrees if np.shape(degrees) == (2,) else (-as_finite(degrees, "degrees"), degrees)
    low, high = as_finite(low, "degrees"), as_finite(high, "degrees")
    *_, H, W = _as_batch(images, generator).shape
    angle = torch.deg2rad(_random(low, high, images, generator))
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    # where each output reads, in units of half a width across and half a height down
    across = torch.stack([cos, -sin * H / W, zero], 1)
    down = torch.stack([sin * W / H, cos, zero], 1)
    return _resampled(images, across, down, outside="zeros")


def crop(images, generator, smallest=0.7):
    """Cut a random window out of every image, and enlarge it bilinearly to the image's size.

    Parameters
    ----------
    images : torch.Tensor
        (N, C, H, W), of floats.
    generator : torch.Generator
        What draws the numbers.
    smallest : float
        In (0, 1]: a window has this share of the image's area or more, at the image's proportions.

    Returns
    -------
    torch.Tensor
        New, of the same shape, dtype and range, to a rounding.

    Raises
    ------
    ValueError
        If images or generator are none, or the smallest share is not in (0, 1].

    See Also
    --------
    torchvision.transforms.RandomResizedCrop : it changes the proportions too

    References
    ----------
    Szegedy, C., Liu, W., Jia, Y., Sermanet, P., Reed, S., Anguelov, D., Erhan, D., Vanhoucke, V.,
    Rabinovich, A., Going Deeper with Convolutions, CVPR, 2015, section 6.

    Examples
    --------
    >>> images = torch.arange(16.0).reshape(1, 1, 4, 4)
    >>> crop(images, generator=torch.Generator(), smallest=1).equal(images)  # all there is
    True
    """
    if as_positive(smallest, "smallest") > 1:
        raise ValueError(f"smallest: expected a share in (0, 1], got {smallest}")
    side = _random(smallest, 1, _as_batch(images, generator), generator).sqrt()
    zero = torch.zeros_like(side)
    right, low = (_random(-1, 1, images, generator) * (1 - side) for _ in "wh")  # of the middle
    across, down = torch.stack([side, zero, right], 1), torch.stack([zero, side, low], 1)
    return _resampled(images, across, down, outside="border")


def cutout(images, generator, size=8):
    """Put 0 in a square around a random pixel of every image; at the border, less than a square.

    Parameters
    ----------
    images : torch.Tensor
        (N, C, H, W), of floats.
    generator : torch.Generator
        What draws the numbers.
    size : int
        The square's side in pixels; where it is even, its centre is a pixel's upper left corner.

    Returns
    -------
    torch.Tensor
        New, of the same shape, dtype and range (if that has a 0).

    Raises
    ------
    ValueError
        If images or generator are none, or the size is not whole and above 0.

    See Also
    --------
    torchvision.transforms.RandomErasing : rectangles, never cut by the border

    References
    ----------
    DeVries, T., Taylor, G. W., Improved Regularization of Convolutional Neural Networks with
    Cutout, arXiv:1708.04552, 2017.

    Examples
    --------
    >>> images = torch.ones(1, 1, 2, 5)
    >>> cutout(images, generator=torch.Generator().manual_seed(4), size=2)
    tensor([[[[1., 0., 0., 1., 1.],
              [1., 0., 0., 1., 1.]]]])
    """
    size = as_positive(size, "size", integer=True)
    *_, H, W = _as_batch(images, generator).shape
    rows, columns = (_within(size, length, images, generator) for length in (H, W))
    return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0)


def mixup(images, targets, generator, alpha=0.2):
    """Blend every image with a random one of the batch, and their targets in the same proportion.

    Parameters
    ----------
    images : torch.Tensor
        (N, C, H, W), of floats.
    targets : torch.Tensor
        (N, K), rows of shares, such as `losses.one_hot` makes.
    generator : torch.Generator
        What draws the numbers.
    alpha : float
        Above 0. An image's own share follows a beta distribution with both parameters alpha: for 1
        all shares are equally likely, for less most are near 0 or 1.

    Returns
    -------
    images, targets : torch.Tensor
        New, of the same shapes, dtypes and ranges.

    Raises
    ------
    ValueError
        If images, targets or generator are none, or alpha is not above 0.

    See Also
    --------
    torchvision.transforms.v2.MixUp : one share for the whole batch

    References
    ----------
    Zhang, H., Cisse, M., Dauphin, Y. N., Lopez-Paz, D., mixup: Beyond Empirical Risk Minimization,
    ICLR, 2018, section 2.

    Examples
    --------
    >>> images, targets = torch.tensor([3.0, 5.0]).reshape(2, 1, 1, 1), torch.eye(2)
    >>> generator = torch.Generator().manual_seed(0)
    >>> mixed, shares = mixup(images, targets, generator, alpha=0.2)
    >>> mixed.flatten().allclose(shares @ torch.tensor([3.0, 5.0]))
    True
    """
    alpha, N = as_positive(alpha, "alpha"), len(_as_batch(images, generator))
    rows = isinstance(targets, torch.Tensor) and targets.is_floating_point() and targets.ndim == 2
    if not rows or len(targets) != N:
        raise ValueError(
            f"targets: expected a tensor of shares ({N}, K), got {_described(targets)}"
        )
    # torch draws no beta numbers from a generator of one's own
    seed = int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
    share = torch.from_numpy(np.random.default_rng(seed).beta(alpha, alpha, N))
    other = torch.randperm(N, generator=generator, device=generator.device).to(images.device)
    return tuple(
        values.lerp(values[other], share.to(values).reshape(N, *[1] * (values.ndim - 1)))
        for values in (images, targets)
    )


def pipeline(*functions):
    """Make one augmentation out of several, done in their order.

    Parameters
    ----------
    *functions : callable
        Each of (images, generator), such as `flip` or ``partial(shift, pixels=4)``.

    Returns
    -------
    callable
        Of (images, generator).

    Raises
    ------
    ValueError
        If something is no function.

    See Also
    --------
    torchvision.transforms.Compose

    Examples
    --------
    >>> augment = pipeline(flip, shift, cutout)
    >>> augment(torch.rand(5, 3, 28, 28), torch.Generator().manual_seed(0)).shape
    torch.Size([5, 3, 28, 28])
    """
    for function in functions:
        if not callable(function):
            raise ValueError(f"functions: expected functions like flip, got {function!r}")
    return partial(_one_by_one, functions)


def _one_by_one(functions, images, generator):
    """Give the images through all functions."""
    for function in functions:
        images = function(images, generator)
    return images


def _random(low, high, images, generator):
    """Draw a number in [low, high) for every image, in its precision or float32."""
    drawn = torch.rand(len(images), generator=generator, device=generator.device)
    drawn = drawn.to(images.device, torch.promote_types(images.dtype, torch.float32))
    return low + (high - low) * drawn


def _within(size, length, images, generator):
    """Say which positions, of so many, lie in an interval of this size around a random one."""
    first = _random(0, length, images, generator).long()[:, None] - size // 2
    positions = torch.arange(length, device=images.device)
    return (first <= positions) & (positions < first + size)  # (N, length)


def _resampled(images, across, down, outside):
    """Read every image where two rows of numbers say, (N, 3) each: times (across, down, 1)."""
    matrix = torch.stack([across, down], 1).to(images.dtype)  # (N, 2, 3)
    grid = affine_grid(matrix, list(images.shape), align_corners=False)
    return grid_sample(images, grid, "bilinear", outside, align_corners=False)


def _as_batch(images, generator):
    """Return the images, or refuse them or the generator."""
    if not isinstance(generator, torch.Generator):
        raise ValueError(
            f"generator: expected torch.Generator().manual_seed(…), got {_described(generator)}"
        )
    if not isinstance(images, torch.Tensor) or images.ndim != 4 or not images.is_floating_point():
        raise ValueError(
            f"images: expected a tensor of floats (N, C, H, W), got {_described(images)}"
        )
    return images


def _described(value):
    """Say what was given: its kind, dtype and shape."""
    kind, shape = type(value).__name__, getattr(value, "shape", None)
    return kind if shape is None else f"{kind} of {value.dtype}, {tuple(shape)}"
