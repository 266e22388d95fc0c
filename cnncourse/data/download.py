"""Larger data sets for those who ask: nothing is fetched before you call one of these functions.

Files go to the folder that the environment variable CNNCOURSE_DATA names, or to your system's
cache. Each is checked against a known hash; what arrives broken is deleted, and what is there
already is not fetched again.
"""

import gzip
import os
import struct
import tarfile
from pathlib import Path

import numpy as np

from cnncourse.check import as_one_of, as_positive
from cnncourse.data import FASHION, SPLITS, Dataset, _first

FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
FASHION_FILES = {  # md5, as torchvision has them
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/"
CIFAR10_FILES = {"cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"}
PETS_URL = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/"
PETS_FILES = {
    "images.tar.gz": "5c4f3ee8e5d25df40f4fd59a7f44e54c",
    "annotations.tar.gz": "95a8c909bbe2e81eed6a22bccdf3f68f",
}
RETRIES = 2  # after a broken connection or a wrong hash


def fashion_mnist(split="train", n=None):
    """Fetch all of Fashion-MNIST, 60,000 and 10,000 images (31 MB), and return a `Dataset`.

    Parameters
    ----------
    split : {"train", "test"}
    n : int, optional
        The first n images only.

    Returns
    -------
    Dataset
        (n, 1, 28, 28).

    Raises
    ------
    OSError
        If a file cannot be fetched whole; nothing broken is kept.
    ValueError
        For an unknown split, or n beyond what there is.

    References
    ----------
    Xiao, H., Rasul, K., Vollgraf, R., Fashion-MNIST: a novel image dataset for benchmarking machine
    learning algorithms, arXiv:1708.07747, 2017.
    """
    prefix = {"train": "train", "test": "t10k"}[as_one_of(split, SPLITS, "split")]
    paths = [
        fetch(FASHION_URL, name, FASHION_FILES[name])
        for name in (f"{prefix}-images-idx3-ubyte.gz", f"{prefix}-labels-idx1-ubyte.gz")
    ]
    images, labels = (_first(read_idx(path), n) for path in paths)
    return Dataset(
        images=_as_images(images[:, None]),
        labels=labels.astype(np.int64),
        names=FASHION,
        source="Zalando Research, Fashion-MNIST",
        licence="MIT",
    )


def cifar10(split="train", n=None):
    """Fetch CIFAR-10, 50,000 and 10,000 colour photographs (170 MB), and return a `Dataset`.

    Parameters
    ----------
    split : {"train", "test"}
    n : int, optional
        The first n images only; all training images take 0.6 GB.

    Returns
    -------
    Dataset
        (n, 3, 32, 32).

    Raises
    ------
    OSError
        If the file cannot be fetched whole; nothing broken is kept.
    ValueError
        For an unknown split, or n beyond what there is.

    References
    ----------
    Krizhevsky, A., Learning multiple layers of features from tiny images, technical report,
    University of Toronto, 2009.
    """
    batches = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
    ((archive, md5),) = CIFAR10_FILES.items()
    with tarfile.open(fetch(CIFAR10_URL, archive, md5)) as tar:
        folder = "cifar-10-batches-bin"
        names = tar.extractfile(f"{folder}/batches.meta.txt").read().decode().split()
        parts = [
            tar.extractfile(f"{folder}/{name}.bin").read()
            for name in batches[as_one_of(split, SPLITS, "split")]
        ]
    rows = _first(np.frombuffer(b"".join(parts), np.uint8).reshape(-1, 1 + 3 * 32 * 32), n)
    return Dataset(
        images=_as_images(rows[:, 1:].reshape(-1, 3, 32, 32)),
        labels=rows[:, 0].astype(np.int64),
        names=tuple(names),
        source="Krizhevsky, Nair and Hinton, CIFAR-10",
        licence="none stated by its authors",
    )


def pets(split="train", n=None, side=64):
    """Fetch the Oxford-IIIT pets, 37 breeds of cats and dogs (811 MB), and return a `Dataset`.

    Parameters
    ----------
    split : {"train", "test"}
        3,680 and 3,669 photographs.
    n : int, optional
        The first n photographs only, of an order that mixes the breeds.
    side : int
        Each photograph's largest square in the middle is shrunk to side×side pixels.

    Returns
    -------
    Dataset
        (n, 3, side, side).

    Raises
    ------
    OSError
        If a file cannot be fetched whole; nothing broken is kept.
    ValueError
        For an unknown split, a side that is no whole number, or n beyond what there is.

    References
    ----------
    Parkhi, O. M., Vedaldi, A., Zisserman, A., Jawahar, C. V., Cats and dogs, CVPR, 2012.
    """
    side = as_positive(side, "side", integer=True)
    listing = {"train": "trainval", "test": "test"}[as_one_of(split, SPLITS, "split")]
    images, annotations = (fetch(PETS_URL, name, md5) for name, md5 in PETS_FILES.items())
    with tarfile.open(annotations) as tar:
        lines = tar.extractfile(f"annotations/{listing}.txt").read().decode().splitlines()
    rows = [(name, int(label) - 1) for name, label, *_ in map(str.split, lines)]
    breeds = dict(sorted((label, name.rpartition("_")[0].lower()) for name, label in rows))
    mixed = np.random.default_rng(0).permutation(len(rows))
    chosen = [rows[i] for i in _first(mixed, n)]
    wanted = {f"images/{name}.jpg": None for name, _ in chosen}
    with tarfile.open(images) as tar:
        for member in tar:  # one pass: the archive is compressed
            if member.name in wanted:
                wanted[member.name] = _square(tar.extractfile(member), side)
    return Dataset(
        images=_as_images(np.stack(list(wanted.values())).transpose(0, 3, 1, 2)),
        labels=np.array([label for _, label in chosen]),
        names=tuple(breeds.values()),
        source="Parkhi and others, the Oxford-IIIT Pet dataset",
        licence="CC BY-SA 4.0",
    )


def folder():
    """Return where the files are kept: what CNNCOURSE_DATA says, or the system's cache."""
    import pooch

    return Path(os.environ.get("CNNCOURSE_DATA") or pooch.os_cache("cnncourse"))


def fetch(url, name, md5):
    """Return the path of a file, fetched if it is not there; with a progress bar, tried again.

    Raises
    ------
    OSError
        If it cannot be had whole. It arrives under another name and gets its own when its hash
        is right, so nothing broken is kept.
    """
    import pooch

    keeper = pooch.create(folder(), url, registry={name: f"md5:{md5}"}, retry_if_failed=RETRIES)
    try:
        return Path(keeper.fetch(name, progressbar=True))
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong hash is not
        raise OSError(
            f"{name} could not be fetched from {url} ({error}). Nothing was kept. "
            f"Try again later, or put the file into {folder()} yourself."
        ) from error


def read_idx(path):
    """Read an array of bytes in the IDX format of MNIST, compressed.

    Raises
    ------
    ValueError
        If the file is another format, or shorter or longer than it says.
    """
    data = gzip.decompress(Path(path).read_bytes())
    zero, kind, ndim = struct.unpack_from(">HBB", data.ljust(4, b"\xff"))
    if zero or kind != 8:
        raise ValueError(f"{path}: expected an IDX file of bytes, got a header {data[:4].hex()}")
    shape = struct.unpack_from(f">{ndim}I", data, 4)
    content = np.frombuffer(data, np.uint8, offset=4 + 4 * ndim)
    if content.size != np.prod(shape):
        raise ValueError(f"{path}: expected {shape} bytes, got {content.size}")
    return content.reshape(shape)


def _as_images(pixels):
    """Turn bytes into float32 in [0, 1]."""
    return pixels.astype(np.float32) / 255


def _square(file, side):
    """Read a photograph and shrink the largest square in its middle to (side, side, 3)."""
    from PIL import Image, ImageOps

    return np.asarray(ImageOps.fit(Image.open(file).convert("RGB"), (side, side)))
