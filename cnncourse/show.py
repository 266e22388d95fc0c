"""Every figure of the book: photographs, signed maps, numbered grids, curves, animations, code.

Each function returns a `Figure`, which a notebook displays when it is the last value of a cell.
Figures are HTML and SVG that take the page's own text colour, so that one picture serves light and
dark pages; panels wrap on a phone; and `alt`, what a reader who cannot see it needs to know, is
required.
"""

import base64
import html
import io
import itertools
import re
from importlib.resources import files

import numpy as np

from cnncourse.check import as_description, as_one_of

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7F7F7F")
"""Of Okabe and Ito's palette for the colour-blind (2008), those that show on black and on white."""

_INK, _MIST = "#010203", "#040506"  # stand-ins, replaced by the page's text colour and a faint one
_LONGEST_SIDE = 480  # pixels; what a panel can show
_STYLE = files("cnncourse.live").joinpath("figure.css").read_text("utf-8")


class Figure:
    """A picture as HTML, and its description in words.

    Parameters
    ----------
    body : str
        HTML of the picture.
    alt : str
        What it shows, in a sentence or two.
    caption : str, optional
        A sentence below the picture that says what to notice.
    """

    def __init__(self, body, alt, caption=None):
        self.body, self.alt, self.caption = body, as_description(alt), caption

    def _repr_html_(self):
        note = f'<p class="cnn-note">{html.escape(self.caption)}</p>' if self.caption else ""
        label = _quoted(self.alt)
        return (
            f"<style>{_STYLE}</style>"
            f'<div class="cnn-figure" role="group" aria-label="{label}">{self.body}{note}</div>'
        )

    def __repr__(self):
        return f"[figure: {self.alt}]"


def images(panels, *, alt, colours="gray", limits=None, columns=4, caption=None):
    """Show one or several images side by side.

    Parameters
    ----------
    panels : array_like or dict of str to array_like
        (rows, columns) or, in colour, (rows, columns, 3) in [0, 1]; a dict gives each its title.
        Images of up to 64 rows and columns are drawn with visible pixels.
    alt : str
        What the figure shows.
    colours : {"gray", "signed", "heat"}
        Black to white; orange below zero, white at zero, purple above; or dark to bright.
    limits : tuple of float, optional
        The values at the two ends of the colours, common to all panels. By default (0, 1) for gray,
        ±the largest absolute value for signed, the range of the values for heat.
    columns : int
        How many images a wide page puts in a row; a phone takes two at most.
    caption : str, optional
        What to notice.

    Raises
    ------
    ValueError
        For an array that is no image, or unknown colours.

    Examples
    --------
    >>> images(np.eye(3), alt="A white diagonal on black.")
    [figure: A white diagonal on black.]
    """
    as_one_of(colours, _COLOUR_MAPS, "colours")
    if not isinstance(panels, dict):
        panels = {"": panels}
    arrays = {title: _as_picture(array, title) for title, array in panels.items()}
    low, high = limits or _limits(arrays.values(), colours)
    body = "".join(
        _panel(_picture(array, low, high, colours, title or alt), title)
        for title, array in arrays.items()
    )
    scale = "" if colours == "gray" else _scale(low, high, colours)
    return Figure(
        f'<div class="cnn-panels" style="--columns:{columns:d}">{body}</div>{scale}', alt, caption
    )


def grid(panels, *, alt, marks=None, joins=(), caption=None):
    """Show small arrays as grids with their numbers written in the cells.

    Parameters
    ----------
    panels : array_like or dict of str to array_like
        (rows, columns), at most 16 columns each. NaN leaves a cell empty.
    alt : str
        What the figure shows.
    marks : dict of str to tuple, optional
        For the panel of that title, a frame: (first row, first column, rows, columns).
    joins : sequence of str
        Signs between the panels, such as ``("⋆", "=")``.
    caption : str, optional
        What to notice.

    Examples
    --------
    >>> grid({"kernel": [[1, 0], [0, 1]]}, alt="A two by two identity matrix.")
    [figure: A two by two identity matrix.]
    """
    if not isinstance(panels, dict):
        panels = {"": panels}
    marks = marks or {}
    if unknown := set(marks) - set(panels):
        raise ValueError(f"marks: expected titles of panels {list(panels)}, got {sorted(unknown)}")
    parts = []
    for (title, array), join in itertools.zip_longest(panels.items(), joins, fillvalue=""):
        cells = _number_grid(np.asarray(array, dtype=float), marks.get(title), title or alt)
        parts.append(f'<figure class="cnn-grid">{cells}{_figcaption(title)}</figure>')
        if join:
            parts.append(f'<span class="cnn-join">{html.escape(join)}</span>')
    return Figure(f'<div class="cnn-row cnn-grids">{"".join(parts)}</div>', alt, caption)


def plot(
    curves,
    *,
    alt,
    x=None,
    xlabel="",
    ylabel="",
    marks=None,
    log="",
    points=False,
    polar=False,
    ylim=None,
    caption=None,
):
    """Draw curves in one pair of axes.

    Parameters
    ----------
    curves : dict of str to array_like
        The y values of each curve by its name; a pair (x, y) where a curve has its own x.
    alt : str
        What the figure shows.
    x : array_like, optional
        The common x values; by default 0, 1, 2, …
    xlabel, ylabel : str
        Names of the axes, with units.
    marks : dict of str to float, optional
        Dotted vertical lines by name.
    log : str
        Any of "x" and "y": axes with a logarithmic scale.
    points : bool
        Mark every point.
    polar : bool
        x is an angle in radians, y a distance from the middle.
    ylim : tuple of float, optional
        The range of the y axis.
    caption : str, optional
        What to notice.

    Examples
    --------
    >>> plot({"square": [0, 1, 4]}, alt="The square of 0, 1 and 2.", xlabel="n", ylabel="n²")
    [figure: The square of 0, 1 and 2.]
    """
    figure, axes = canvas(polar=polar)
    for i, (name, values) in enumerate(curves.items()):
        own_x, y = values if isinstance(values, tuple) else (x, values)
        own_x = np.arange(len(y)) if own_x is None else own_x
        style = ("-", "--", "-.", ":")[i % 4]
        axes.plot(own_x, y, style, color=COLOURS[i % 5], marker="o" if points else "", label=name)
    for name, position in (marks or {}).items():
        axes.axvline(position, color=_INK, linestyle=":", linewidth=1)
        axes.annotate(
            name, (position, 1), xycoords=("data", "axes fraction"), xytext=(4, -12),
            textcoords="offset points", color=_INK,
        )  # fmt: skip
    for axis in log:
        getattr(axes, f"set_{axis}scale")("log")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if polar:
        axes.tick_params(axis="y", labelleft=False)  # the numbers would lie on the curve
    if ylim:
        axes.set_ylim(*ylim)
    if len(curves) > 1:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, frameon=False)
    return drawing(figure, alt=alt, caption=caption)


def bars(values, *, alt, xlabel="", unit="", log=False, caption=None):
    """Draw named numbers as horizontal bars with the numbers beside them.

    Parameters
    ----------
    values : dict of str to float
        The length of each bar by its name.
    alt : str
        What the figure shows.
    xlabel, unit : str
        Name of the axis; what to write after each number.
    log : bool
        Logarithmic lengths.
    caption : str, optional
        What to notice.

    Examples
    --------
    >>> bars({"dense": 640, "local": 90}, alt="Two parameter counts.", unit=" weights")
    [figure: Two parameter counts.]
    """
    figure, axes = canvas(height=0.75 + 0.42 * len(values))
    drawn = axes.barh(list(values), list(values.values()), color=COLOURS[0], log=log)
    numbers = [f"{v:,.0f}" if abs(v) >= 1000 else f"{v:.3g}" for v in values.values()]
    axes.bar_label(drawn, [n + unit for n in numbers], padding=4, color=_INK)
    axes.invert_yaxis()
    axes.margins(x=0.3)
    axes.set_xlabel(xlabel)
    axes.grid(axis="y", visible=False)
    return drawing(figure, alt=alt, caption=caption)


def arrows(image, down, right, *, alt, step=8, caption=None):
    """Draw a field of vectors over an image.

    Parameters
    ----------
    image : array_like
        (rows, columns) in [0, 1], drawn pale.
    down, right : array_like
        (rows, columns): the vector's two components at each pixel; down and right are positive.
    alt : str
        What the figure shows.
    step : int
        One arrow every so many pixels.
    caption : str, optional
        What to notice.
    """
    image, down, right = (np.asarray(a, dtype=float) for a in (image, down, right))
    if not image.shape == down.shape == right.shape:
        raise ValueError(
            f"down, right: expected the image's shape {image.shape}, "
            f"got {down.shape}, {right.shape}"
        )
    rows, columns = (slice(step // 2, n, step) for n in image.shape)
    figure, axes = canvas(height=5.2 * image.shape[0] / image.shape[1])
    axes.imshow(image, cmap="gray", vmin=-1, vmax=1.2, interpolation="none")
    at = np.mgrid[rows, columns]
    axes.quiver(
        at[1], at[0], right[rows, columns], down[rows, columns],
        color=COLOURS[1], angles="xy", pivot="mid", width=0.005,
    )  # fmt: skip
    axes.set_axis_off()
    return drawing(figure, alt=alt, caption=caption)


def frames(panels, *, alt, colours="gray", limits=None, caption=None):
    """Show images one at a time, with a slider and a play button that need no kernel.

    Takes what `images` takes; the dict's titles name the frames.

    Examples
    --------
    >>> frames({"first": np.eye(3), "then": 1 - np.eye(3)}, alt="A diagonal, then its negative.")
    [figure: A diagonal, then its negative.]
    """
    from cnncourse.live import Player

    as_one_of(colours, _COLOUR_MAPS, "colours")
    arrays = {title: _as_picture(array, title) for title, array in panels.items()}
    low, high = limits or _limits(arrays.values(), colours)
    pictures = {t: _picture_uri(a, low, high, colours) for t, a in arrays.items()}
    pixels = all(_is_small(a) for a in arrays.values())
    scale = "" if colours == "gray" else _scale(low, high, colours)
    return Figure(Player(pictures, alt=alt, pixels=pixels).html() + scale, alt, caption)


def wipe(panels, *, alt, colours="gray", limits=None, caption=None):
    """Show two images of one shape, the first over the second, with a slider that uncovers it.

    Takes what `images` takes.

    Examples
    --------
    >>> wipe({"before": np.eye(3), "after": 1 - np.eye(3)}, alt="A diagonal and its negative.")
    [figure: A diagonal and its negative.]
    """
    from cnncourse.live import Wipe

    as_one_of(colours, _COLOUR_MAPS, "colours")
    arrays = {title: _as_picture(array, title) for title, array in panels.items()}
    shapes = [array.shape[:2] for array in arrays.values()]
    if len(shapes) != 2 or shapes[0] != shapes[1]:
        raise ValueError(f"panels: expected two images of one shape, got {shapes}")
    low, high = limits or _limits(arrays.values(), colours)
    pictures = {t: _picture_uri(a, low, high, colours) for t, a in arrays.items()}
    return Figure(Wipe(pictures, alt=alt).html(), alt, caption)


def beside(*figures, alt, caption=None):
    """Put figures side by side; they wrap where the page is narrow."""
    inner = "".join(f'<div class="cnn-beside">{figure.body}</div>' for figure in figures)
    return Figure(f'<div class="cnn-row">{inner}</div>', alt, caption)


def canvas(height=3.2, polar=False):
    """Return an empty matplotlib figure and axes in the book's look, for a drawing of one's own.

    Finish with `drawing`. 5.2 inches wide: large enough letters when a phone shrinks it.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    with mpl.rc_context(_RC):
        figure = Canvas(figsize=(5.2, height), layout="constrained")
        axes = figure.add_subplot(projection="polar" if polar else None)
        if not polar:
            axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def drawing(figure, *, alt, caption=None):
    """Turn a matplotlib figure from `canvas` into a `Figure`: SVG in the page's own colours."""
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context(_RC):
        figure.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(_METADATA))
    svg = re.sub(
        r"^.*?(?=<svg)|<!--.*?-->|<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.S
    )
    svg = re.sub(r' id="[a-z]\w*_\d+"', "", svg)
    svg = re.sub(r"\n\s*", "\n", svg).replace(_INK, "currentColor")
    svg = svg.replace(f"stroke: {_MIST}", "stroke: currentColor; stroke-opacity: .18")
    label = _quoted(alt)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    return Figure(f'<div class="cnn-plot">{svg}</div>', alt, caption)


class Source:
    """Python source, shown as highlighted code."""

    def __init__(self, text):
        self.text = text

    def _repr_markdown_(self):
        return f"```python\n{self.text}\n```"

    def __repr__(self):
        return self.text


def source(function):
    """Show the source of a function of the package, its docstring cut down to the first line.

    Examples
    --------
    >>> source(beside)
    def beside(*figures, alt, caption=None):
        \"\"\"Put figures side by side; they wrap where the page is narrow.\"\"\"
        inner = "".join(f'<div class="cnn-beside">{figure.body}</div>' for figure in figures)
        return Figure(f'<div class="cnn-row">{inner}</div>', alt, caption)
    """
    import ast
    import inspect

    text = inspect.cleandoc("\n" + inspect.getsource(function)).rstrip()
    first = ast.parse(text).body[0].body[0]
    if not (isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)):
        return Source(text)
    lines = text.splitlines()
    indent = " " * first.col_offset
    summary = f'{indent}"""{inspect.getdoc(function).splitlines()[0]}"""'
    return Source("\n".join([*lines[: first.lineno - 1], summary, *lines[first.end_lineno :]]))


_COLOUR_MAPS = {"gray": "gray", "signed": "PuOr", "heat": "viridis"}
_METADATA = ("Creator", "Date", "Format", "Type")
_RC = {
    "axes.edgecolor": _INK,
    "axes.grid": True,
    "axes.labelcolor": _INK,
    "axes.prop_cycle": f"cycler('color', {list(COLOURS)})",
    "font.size": 11,
    "grid.color": _MIST,
    "legend.labelcolor": _INK,
    "lines.linewidth": 2,
    "lines.markersize": 5,
    "svg.fonttype": "none",
    "svg.hashsalt": "cnncourse",
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def _as_picture(array, title):
    """Return (rows, columns) or (rows, columns, 3) as floats, or refuse it."""
    array = np.asarray(array, dtype=float)
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)):
        raise ValueError(
            f"panels: expected (rows, columns) or (rows, columns, 3) for {title!r}, "
            f"got {array.shape}"
        )
    return array


def _limits(arrays, colours):
    """Return the values at the two ends of the colours."""
    if colours == "gray":
        return 0.0, 1.0
    values = np.concatenate([a.ravel() for a in arrays])
    values = values[np.isfinite(values)]
    if colours == "signed":
        largest = np.abs(values).max(initial=0) or 1.0
        return -largest, largest
    return values.min(initial=np.inf), values.max(initial=-np.inf)


def _quoted(text):
    """Return text that may stand between quotation marks in HTML."""
    return html.escape(str(text), quote=True)


def _is_small(array):
    return max(array.shape[:2]) <= 64


def _picture_uri(array, low, high, colours):
    """Return the image as a data URI: PNG for visible pixels, WebP for photographs."""
    import matplotlib as mpl
    from PIL import Image

    unit = ((array - low) / ((high - low) or 1)).clip(0, 1)
    if array.ndim == 2 and colours != "gray":
        unit = mpl.colormaps[_COLOUR_MAPS[colours]](unit)[..., :3]
    image = Image.fromarray(np.round(np.nan_to_num(unit) * 255).astype(np.uint8))
    small = _is_small(array)
    if not small:
        image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "PNG" if small else "WEBP", **({} if small else {"quality": 85}))
    kind = "png" if small else "webp"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _picture(array, low, high, colours, alt):
    look = ' class="cnn-pixels"' if _is_small(array) else ""
    uri = _picture_uri(array, low, high, colours)
    return f'<img{look} src="{uri}" alt="{_quoted(alt)}">'


def _panel(picture, title):
    return f'<figure class="cnn-panel">{picture}{_figcaption(title)}</figure>'


def _figcaption(title):
    return f"<figcaption>{html.escape(title)}</figcaption>" if title else ""


def _scale(low, high, colours):
    """Return a strip of the colours with the values at its ends."""
    import matplotlib as mpl

    stops = mpl.colormaps[_COLOUR_MAPS[colours]](np.linspace(0, 1, 9))
    gradient = ",".join(mpl.colors.to_hex(stop) for stop in stops)
    return (
        f'<div class="cnn-scale"><span>{low:.3g}</span>'
        f'<i style="background:linear-gradient(90deg,{gradient})"></i><span>{high:.3g}</span></div>'
    )


def _number_grid(array, mark, alt):
    """Return an SVG of the array's cells with their numbers."""
    if array.ndim != 2 or array.size == 0 or array.shape[1] > 16:
        raise ValueError(
            f"panels: expected (rows, at most 16 columns), got {array.shape} for {alt!r}"
        )
    import matplotlib as mpl

    known = np.nan_to_num(array)
    signed, largest = known.min() < 0, np.abs(known).max() or 1
    unit = known / largest / 2 + 0.5 if signed else known / largest
    colours = mpl.colormaps["PuOr" if signed else "gray"](unit)[..., :3]
    side, (rows, columns) = 36, array.shape
    cells = []
    for (i, j), value in np.ndenumerate(array):
        empty = np.isnan(value)
        fill = "none" if empty else mpl.colors.to_hex(colours[i, j])
        cells.append(
            f'<rect x="{j * side}" y="{i * side}" width="{side}" height="{side}" '
            f'fill="{fill}" stroke="#888"/>'
        )
        if empty:
            continue
        text = _short(value)
        size = 13 if len(text) < 5 else 10
        dark = colours[i, j] @ [0.2126, 0.7152, 0.0722] < 0.45
        cells.append(
            f'<text x="{(j + 0.5) * side:g}" y="{(i + 0.5) * side + 4.5:g}" text-anchor="middle" '
            f'font-size="{size}" fill="{"#fff" if dark else "#000"}">{text}</text>'
        )
    if mark:
        i, j, height, width = mark
        cells.append(
            f'<rect x="{j * side}" y="{i * side}" width="{width * side}" '
            f'height="{height * side}" fill="none" stroke="{COLOURS[1]}" stroke-width="4"/>'
        )
    box = f"-2 -2 {columns * side + 4} {rows * side + 4}"
    return (
        f'<svg role="img" aria-label="{_quoted(alt)}" viewBox="{box}" '
        f'width="{columns * side + 4}">{"".join(cells)}</svg>'
    )


def _short(value):
    """Return a number in at most five characters or so, with a true minus sign."""
    text = f"{value:.0f}" if value == round(value) else f"{value:.2g}"
    return text.replace("-0.", "-.").replace("-", "−") if len(text) > 4 else text.replace("-", "−")
