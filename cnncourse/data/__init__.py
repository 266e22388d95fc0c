"""Real photographs and data sets, out of this package and others that are installed anyway.

Nothing is fetched: larger sets are in `cnncourse.data.download`, for those who ask.

>>> photo("camera").shape
(512, 512)
>>> about("camera").licence
'CC0'
"""

import warnings
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from cnncourse.check import as_one_of, as_positive

NASA = "public domain (NASA)"


SPLITS = ("train", "test")
FASHION = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
"""What the labels 0 to 9 of Fashion-MNIST mean."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with what they show, and where they come from."""

    images: np.ndarray
    """(N, C, H, W), float32 in [0, 1]."""
    labels: np.ndarray
    """(N,), int64, places in `names`."""
    names: tuple
    source: str
    licence: str

    def __repr__(self):
        N, C, H, W = self.images.shape
        return f"<{N} images of {C}×{H}×{W}, {len(self.names)} classes: {self.source}>"


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
    """Return scikit-learn's 1,797 handwritten digits, in one piece.

    Returns
    -------
    Dataset
        (1797, 1, 8, 8).

    References
    ----------
    Alpaydin, E., Kaynak, C., Optical Recognition of Handwritten Digits, UCI repository, 1998.

    Examples
    --------
    >>> digits()
    <1797 images of 1×8×8, 10 classes: Alpaydin and Kaynak, UCI repository, 1998>
    """
    from sklearn.datasets import load_digits  # 1.3 s: only for those who ask

    loaded = load_digits()
    return Dataset(
        images=(loaded.images[:, None] / 16).astype(np.float32),
        labels=loaded.target.astype(np.int64),
        names=tuple("0123456789"),
        source="Alpaydin and Kaynak, UCI repository, 1998",
        licence="CC BY 4.0",
    )


def fashion(split="train", n=None):
    """Return the part of Fashion-MNIST that the package carries.

    Grey pictures of ten kinds of clothes: of every class the first 1,000 training and the first 200
    test images. The classes take turns: images 0 to 9 show each once, and so do the next ten.

    Parameters
    ----------
    split : {"train", "test"}
        10,000 and 2,000 images.
    n : int, optional
        The first n images only.

    Returns
    -------
    Dataset
        (n, 1, 28, 28).

    Raises
    ------
    ValueError
        For an unknown split, or n beyond what there is.

    See Also
    --------
    cnncourse.data.download.fashion_mnist : all 70,000

    References
    ----------
    Xiao, H., Rasul, K., Vollgraf, R., Fashion-MNIST: a novel image dataset for benchmarking machine
    learning algorithms, arXiv:1708.07747, 2017.

    Examples
    --------
    >>> clothes = fashion("test", n=20)
    >>> clothes.images.shape, clothes.names[clothes.labels[9]]
    ((20, 1, 28, 28), 'ankle boot')
    """
    from PIL import Image

    path = files(__name__).joinpath("fashion", f"{as_one_of(split, SPLITS, 'split')}.png")
    with path.open("rb") as file:
        sprite = np.asarray(Image.open(file))  # tiles of 28×28, a block of rows for every class
    tiles = sprite.reshape(len(FASHION), -1, 28, sprite.shape[1] // 28, 28).swapaxes(2, 3)
    turns = tiles.reshape(len(FASHION), -1, 28, 28).swapaxes(0, 1).reshape(-1, 1, 28, 28)
    turns = _first(turns, n)
    return Dataset(
        images=turns.astype(np.float32) / 255,
        labels=np.arange(len(turns)) % len(FASHION),
        names=FASHION,
        source="Zalando Research, Fashion-MNIST",
        licence="MIT",
    )


def patches_of(names, n, side=64, split="train", seed=0):
    """Cut square patches out of grey photographs.

    The task: from which photograph is each of them? Training patches come from the left half of
    each photograph and test patches from the right half, so that training sees no pixel of a test.

    Parameters
    ----------
    names : sequence of str
        Photographs, see `photographs`; their order gives the labels.
    n : int
        Patches a photograph, at random places; they may overlap.
    side : int
        In pixels.
    split : {"train", "test"}
    seed : int
        Of the places.

    Returns
    -------
    Dataset
        (n · names, 1, side, side); the photographs take turns.

    Raises
    ------
    ValueError
        For an unknown name or split, or a side beyond half of a photograph.

    Examples
    --------
    >>> patches_of(["coins", "camera"], n=5).images.shape
    (10, 1, 64, 64)
    """
    as_one_of(split, SPLITS, "split")
    n, side = as_positive(n, "n", integer=True), as_positive(side, "side", integer=True)
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    images = np.empty((n, len(names), 1, side, side), np.float32)
    for label, name in enumerate(names):
        picture = photo(name, gray=True)
        half = np.array_split(picture, 2, axis=1)[SPLITS.index(split)]
        if side > min(half.shape):
            raise ValueError(f"side: expected at most {min(half.shape)} for {name!r}, got {side}")
        corners = rng.integers(np.subtract(half.shape, side) + 1, size=(n, 2))
        for patch, (i, j) in zip(images[:, label, 0], corners, strict=True):
            patch[:] = half[i : i + side, j : j + side]
    return Dataset(
        images=images.reshape(-1, 1, side, side),
        labels=np.tile(np.arange(len(names)), n),
        names=tuple(names),
        source="; ".join(f"{about(name).title}: {about(name).source}" for name in names),
        licence="; ".join(sorted({about(name).licence for name in names})),
    )


def texture_patches(n, side=64, split="train", seed=0):
    """Return patches of three textures, brick, grass and gravel; see `patches_of`.

    Examples
    --------
    >>> texture_patches(2).names
    ('brick', 'grass', 'gravel')
    """
    return patches_of(("brick", "grass", "gravel"), n, side, split, seed)


def _first(array, n):
    """Return the first n, or all, or refuse more than there are."""
    if n is not None and as_positive(n, "n", integer=True) > len(array):
        raise ValueError(f"n: expected at most {len(array)}, got {n}")
    return array[:n]


def _load(name):
    """Return the photograph's bytes as its package stores them."""
    if name in ("china", "flower"):
        from sklearn.datasets import load_sample_image

        return load_sample_image(f"{name}.jpg")
    import skimage.data

    with warnings.catch_warnings():  # tqdm misses Jupyter's widgets, which nobody here needs
        warnings.filterwarnings("ignore", "IProgress not found")
        return getattr(skimage.data, name)()


def _shrink(image, width):
    """Return the image with `width` columns, averaging so that nothing aliases."""
    from skimage.transform import resize

    height = max(1, round(image.shape[0] * width / image.shape[1]))
    return resize(image, (height, width), anti_aliasing=True).clip(0, 1)
