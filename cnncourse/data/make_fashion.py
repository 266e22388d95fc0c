"""Make the two sprites of Fashion-MNIST that the package carries, from the four original files.

    python -m cnncourse.data.make_fashion FOLDER

FOLDER holds train-images-idx3-ubyte.gz and its three companions, as Zalando publishes them and as
Debian's package dataset-fashion-mnist installs them under /usr/share/datasets/fashion-mnist. Of
every class the first 1,000 training and the first 200 test images are kept. A sprite is one grey
picture of 28×28 tiles, 100 in a row; a class takes as many full rows as the next.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from cnncourse.data import FASHION
from cnncourse.data.download import read_idx

PER_CLASS = {"train": 1000, "test": 200}
FILES = {"train": "train", "test": "t10k"}
COLUMNS = 100


def sprite(images, labels, per_class):
    """Lay out the first images of every class: (classes · per_class · 28 / 100, 2800), uint8."""
    chosen = np.concatenate([np.flatnonzero(labels == c)[:per_class] for c in range(len(FASHION))])
    tiles = images[chosen].reshape(-1, COLUMNS, 28, 28)
    return tiles.swapaxes(1, 2).reshape(-1, COLUMNS * 28)


def main(folder):
    """Write both sprites beside this script."""
    for split, prefix in FILES.items():
        images = read_idx(Path(folder) / f"{prefix}-images-idx3-ubyte.gz")
        labels = read_idx(Path(folder) / f"{prefix}-labels-idx1-ubyte.gz")
        target = Path(__file__).parent / "fashion" / f"{split}.png"
        Image.fromarray(sprite(images, labels, PER_CLASS[split])).save(target, optimize=True)
        print(f"{target.name}: {target.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1])
