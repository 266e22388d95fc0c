"""Real photographs and data sets, out of packages that are installed anyway: nothing is downloaded.

>>> photo("camera").shape
(512, 512)
>>> about("camera").licence
'CC0'
"""

from dataclasses import dataclass

import numpy as np

from cnncourse.check import as_one_of, as_positive

NASA = "public domain (NASA)"


@dataclass(frozen=True)
class Photograph:
    """What is known of a photograph: where it comes from and what one may do with it."""

    name: str
    title: str
    shape: tuple
    """(rows, columns) for grey photographs, (rows, columns, 3) for colour."""
    source: str
    licence: str


_PHOTOGRAPHS = {
    p.name: p
    for p in [
        Photograph("astronaut", "Eileen Collins, astronaut", (512, 512, 3), "NASA", NASA),
        Photograph("brick", "Brick wall", (512, 512), "CC0Textures, Bricks25", "CC0"),
        Photograph("camera", "Photographer with a camera", (512, 512), "Lav Varshney", "CC0"),
        Photograph("cat", "Chelsea the cat", (300, 451, 3), "Stéfan van der Walt", "CC0"),
        Photograph("cell", "A cell in saline", (660, 550), "Müller et al., 2018", "CC0"),
        Photograph(
            "china",
            "A Chinese temple",
            (427, 640, 3),
            "danielbuechele on Flickr, 6061409035",
            "CC BY 2.0",
        ),
        Photograph(
            "clock",
            "A wall clock, blurred by motion",
            (300, 400),
            "Stéfan van der Walt",
            "public domain",
        ),
        Photograph("coffee", "A cup of espresso", (400, 600, 3), "Rachel Michetti", "CC0"),
        Photograph(
            "coins",
            "Greek coins from Pompeii",
            (303, 384),
            "Brooklyn Museum, 51611",
            "no known restrictions",
        ),
        Photograph(
            "flower",
            "A dahlia",
            (427, 640, 3),
            "vultilion on Flickr, 6056698931",
            "CC BY 2.0",
        ),
        Photograph("grass", "Grass", (512, 512), "linolafett, Grass 01", "CC0"),
        Photograph("gravel", "Gravel", (512, 512), "CC0Textures, Gravel04", "CC0"),
        Photograph(
            "hubble_deep_field",
            "Hubble eXtreme Deep Field",
            (872, 1000, 3),
            "NASA, HubbleSite 2012/37",
            NASA,
        ),
        Photograph("retina", "A human retina", (1411, 1411, 3), "Mikael Häggström, 2014", "CC0"),
        Photograph("rocket", "Launch of DSCOVR", (427, 640, 3), "SpaceX", "public domain"),
    ]
}


def photographs():
    """Return every `Photograph` that `photo` can show, by name.

    Examples
    --------
    >>> sorted(photographs())[:4]
    ['astronaut', 'brick', 'camera', 'cat']
    """
    return dict(_PHOTOGRAPHS)


def about(name):
    """Return the `Photograph` called `name`: title, shape, source and licence.

    Raises
    ------
    ValueError
        If there is none of that name; the message lists those that there are.
    """
    return _PHOTOGRAPHS[as_one_of(name, _PHOTOGRAPHS, "name")]


def photo(name, gray=False, width=None):
    """Return a photograph as numbers from 0 (black) to 1 (white).

    Parameters
    ----------
    name : str
        One of `photographs()`.
    gray : bool
        Turn colour into luminance (weights 0.2125, 0.7154, 0.0721 of red, green, blue).
    width : int, optional
        Shrink to this many columns, keeping the proportions; anti-aliased. In pixels.

    Returns
    -------
    ndarray, float64, in [0, 1]
        (rows, columns, 3) for a colour photograph, channels last as image files store them;
        (rows, columns) for a grey one or with ``gray=True``.

    Raises
    ------
    ValueError
        For an unknown name (the message lists the known ones) or more columns than there are.

    Examples
    --------
    >>> photo("cat").shape, photo("cat", gray=True, width=64).shape
    ((300, 451, 3), (43, 64))
    """
    known = about(name)
    image = np.asarray(_load(name), dtype=np.float64) / 255
    if gray and image.ndim == 3:
        image = image @ [0.2125, 0.7154, 0.0721]  # scikit-image's rgb2gray
    if width is not None:
        if as_positive(width, "width", integer=True) > known.shape[1]:
            raise ValueError(f"width: expected at most {known.shape[1]} for {name!r}, got {width}")
        image = _shrink(image, width)
    return image


def digits():
    """Return scikit-learn's handwritten digits as images and labels.

    Returns
    -------
    images : ndarray, float64, in [0, 1]
        (1797, 8, 8), one grey image a digit.
    labels : ndarray, int64
        (1797,), the digit 0 to 9 that each image shows.

    References
    ----------
    Alpaydin, E., Kaynak, C., Optical Recognition of Handwritten Digits, UCI repository, 1998.

    Examples
    --------
    >>> images, labels = digits()
    >>> images.shape, labels[:5].tolist()
    ((1797, 8, 8), [0, 1, 2, 3, 4])
    """
    from sklearn.datasets import load_digits  # 1.3 s: only for those who ask

    loaded = load_digits()
    return loaded.images / 16, loaded.target.astype(np.int64)


def _load(name):
    """Return the photograph's bytes as its package stores them."""
    if name in ("china", "flower"):
        from sklearn.datasets import load_sample_image

        return load_sample_image(f"{name}.jpg")
    import skimage.data

    return getattr(skimage.data, name)()


def _shrink(image, width):
    """Return the image with `width` columns, averaging so that nothing aliases."""
    from skimage.transform import resize

    height = max(1, round(image.shape[0] * width / image.shape[1]))
    return resize(image, (height, width), anti_aliasing=True).clip(0, 1)
