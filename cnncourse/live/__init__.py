"""Figures that stay alive in the built page: plain JavaScript in a shadow tree, no kernel."""

import base64
import hashlib
import html
import itertools
import json
from importlib.resources import files

import numpy as np

from cnncourse.check import as_description, as_image, as_kernel, as_positive

_SLIDERS = {  # of `Geometry`: label, least and largest value
    "size": ("input size H", 1, 14),
    "kernel_size": ("kernel size R", 1, 7),
    "stride": ("stride s", 1, 4),
    "padding": ("padding p", 0, 3),
    "dilation": ("dilation d", 1, 3),
}
_counter = itertools.count(1)  # so that a figure shown twice has two ids


def _file(name):
    return files(__name__).joinpath(name).read_text("utf-8")


class Live:
    """One `<div>` and the script that fills it, with the data as JSON.

    Parameters
    ----------
    script : str
        Name of the JavaScript file beside this module; it defines ``(root, data) => …``.
    data : dict
        What the script works on; anything that JSON can hold.
    alt : str
        What the figure shows; read out in place of the picture, shown where scripts do not run.
    """

    def __init__(self, script, data, alt):
        self.script, self.data, self.alt = script, data, as_description(alt)

    def html(self, labelled=True):
        """Return the figure as one piece of HTML that needs nothing else.

        Parameters
        ----------
        labelled : bool
            False where it stands in a group that carries the description already.
        """
        script, label = _file(self.script), html.escape(self.alt)
        data = json.dumps(self.data).replace("<", "\\u003c")  # no data can end the script
        digest = hashlib.sha256((script + data).encode()).hexdigest()
        name = f"cnn-{digest[:12]}-{next(_counter)}"
        group = f' role="group" aria-label="{label}"' if labelled else ""
        return (
            f'<div id="{name}" class="cnn-live"{group}><noscript>{label}</noscript></div>'
            f"<script>(() => {{ const host = document.getElementById('{name}');"
            "const root = host.shadowRoot || host.attachShadow({mode: 'open'});"
            f"root.innerHTML = `<style>{_file('live.css')}</style>`;"
            f"({script})(root, {data}); }})()</script>"
        )

    def _repr_html_(self):
        return self.html()

    def __repr__(self):
        return f"[live figure: {self.alt}]"


class Player(Live):
    """Pictures shown one at a time, with a slider and a play button.

    Parameters
    ----------
    pictures : dict of str to str
        The address of each picture (a data URI) by its title.
    alt : str
        What the sequence shows.
    pixels : bool
        Draw visible pixels instead of smoothing.
    """

    def __init__(self, pictures, *, alt, pixels=False):
        data = {
            "alt": alt,
            "titles": list(pictures),
            "pictures": list(pictures.values()),
            "pixels": pixels,
        }
        super().__init__("player.js", data, alt)


class Wipe(Live):
    """Two pictures of one size, one over the other; a slider or a finger uncovers the lower one.

    Parameters
    ----------
    pictures : dict of str to str
        The address of the upper and of the lower picture (data URIs) by title.
    alt : str
        What the two show.
    start : int
        How much of the upper picture is seen at first, in percent of the width.
    pixels : bool
        Draw visible pixels instead of smoothing.
    """

    def __init__(self, pictures, *, alt, start=50, pixels=False):
        if len(pictures) != 2:
            raise ValueError(f"pictures: expected two, got {len(pictures)}: {list(pictures)}")
        data = {
            "titles": list(pictures),
            "pictures": list(pictures.values()),
            "start": start,
            "pixels": pixels,
        }
        super().__init__("wipe.js", data, alt)


class Sliding(Live):
    """A kernel that slides over a small image, with every product written out.

    Parameters
    ----------
    image : array_like
        (H, W), at most 12×12 with its padding.
    kernel : array_like
        (R, S), not larger than the image with its padding.
    stride : int
        Pixels from one position to the next, down and to the right.
    padding : int
        Zeros on every side.
    alt : str
        What the figure shows.
    """

    def __init__(self, image, kernel, *, stride=1, padding=0, alt):
        image, kernel = as_image(image), as_kernel(kernel)
        stride = as_positive(stride, "stride", integer=True)
        if not isinstance(padding, (int, np.integer)) or padding < 0:
            raise ValueError(f"padding: expected a whole number of 0 or more, got {padding!r}")
        image = np.pad(image, padding)
        (H, W), (R, S) = image.shape, kernel.shape
        if H < R or W < S or max(H, W) > 12:
            raise ValueError(
                f"image: expected, with its padding, at least the kernel's {R}×{S} and at most "
                f"12×12, got {H}×{W}"
            )
        corners = [(i, j) for i in range(0, H - R + 1, stride) for j in range(0, W - S + 1, stride)]
        windows = [image[i : i + R, j : j + S] for i, j in corners]
        data = {
            "image": [[_number(v) for v in row] for row in image],
            "padding": int(padding),
            "stride": stride,
            "kernel": [[_number(v) for v in row] for row in kernel],
            "outputs": [_number(np.sum(window * kernel)) for window in windows],
            "sums": [_spelled(window, kernel) for window in windows],
            "columns": (W - S) // stride + 1,
        }
        super().__init__("sliding.js", data, alt)


class Geometry(Live):
    """One row of pixels and the outputs of a convolution over it, with a slider for each number.

    Each pixel shows in how many outputs it takes part, and the output-size formula stands below
    with the numbers filled in.

    Parameters
    ----------
    size, kernel_size, stride, padding, dilation : int
        Where the sliders start: H of 1 to 14, R of 1 to 7, s of 1 to 4, p of 0 to 3, d of 1 to 3.
    alt : str
        What the figure shows.
    """

    def __init__(self, size, kernel_size, stride=1, padding=0, dilation=1, *, alt):
        start = dict(zip(_SLIDERS, (size, kernel_size, stride, padding, dilation), strict=True))
        for name, (_, low, high) in _SLIDERS.items():
            if start[name] not in range(low, high + 1):
                raise ValueError(
                    f"{name}: expected a whole number from {low} to {high}, got {start[name]!r}"
                )
        sliders = [(*_SLIDERS[name], start[name]) for name in _SLIDERS]
        super().__init__("geometry.js", {"alt": alt, "sliders": sliders}, alt)


class KernelPlayground(Live):
    """A photograph and a 3×3 kernel that the reader edits; the page itself computes the result.

    What it computes is ``correlate2d(image, kernel, border="replicate")`` on the image rounded to
    256 grey levels.

    Parameters
    ----------
    image : array_like
        (H, W) in [0, 1]; at most 320×320.
    kernels : dict of str to array_like
        The 3×3 kernels to start from, by name; the first is shown first.
    alt : str
        What the figure shows.
    """

    def __init__(self, image, kernels, *, alt):
        image = as_image(image)
        if max(image.shape) > 320 or image.min() < 0 or image.max() > 1:
            raise ValueError(
                "image: expected values in [0, 1] and at most 320×320, got "
                f"{image.min():g} to {image.max():g} and {image.shape[0]}×{image.shape[1]}"
            )
        presets = {
            name: as_kernel(kernel, name=f"kernels[{name!r}]") for name, kernel in kernels.items()
        }
        if not presets or any(kernel.shape != (3, 3) for kernel in presets.values()):
            raise ValueError(
                "kernels: expected at least one, all 3×3, got shapes "
                f"{ {name: kernel.shape for name, kernel in presets.items()} }"
            )
        pixels = np.round(image * 255).astype(np.uint8)
        data = {
            "alt": alt,
            "height": image.shape[0],
            "width": image.shape[1],
            "pixels": base64.b64encode(pixels.tobytes()).decode(),
            "names": list(presets),
            "kernels": [kernel.ravel().tolist() for kernel in presets.values()],
        }
        super().__init__("playground.js", data, alt)


def _number(value):
    """Return a number as a reader writes it: three digits or all, and a true minus sign."""
    value = value + 0.0  # no −0
    return (f"{value:.0f}" if abs(value) >= 999.5 else f"{value:.3g}").replace("-", "−")


def _spelled(window, kernel):
    """Return a weighted sum in words: 1·1 + 2·0 = 1."""
    terms = [
        f"{_bracketed(v)}·{_bracketed(w)}"
        for v, w in zip(window.ravel(), kernel.ravel(), strict=True)
    ]
    return f"{' + '.join(terms)} = {_number(np.sum(window * kernel))}"


def _bracketed(value):
    return f"({_number(value)})" if value < 0 else _number(value)
