"""Make the README's picture: a photograph that turns into what model cells see in it.

Run ``python book/cover.py`` after a change; a test holds the stored picture to this computation.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from cnncourse import data
from cnncourse.visual_cortex import orientation_map

FILE = Path(__file__).parent / "_static" / "cover.webp"
WAVELENGTH = 6


def cover():
    """Return the picture, (H, W, 3) in [0, 1]: photograph at the left, cells at the right."""
    cells = orientation_map(data.photo("cat", gray=True), WAVELENGTH)
    margins = [
        (p - c) // 2
        for p, c in zip(data.about("cat").shape, cells.shape, strict=True)
    ]
    photo = data.photo("cat")[margins[0] :, margins[1] :][
        : cells.shape[0], : cells.shape[1]
    ]
    share = np.clip((np.linspace(0, 1, cells.shape[1]) - 0.35) / 0.3, 0, 1)[
        None, :, None
    ]
    return (1 - share) * photo + share * cells


if __name__ == "__main__":
    picture = Image.fromarray(np.round(cover() * 255).astype(np.uint8))
    picture.resize((866, 564), Image.Resampling.LANCZOS).save(FILE, quality=85)
