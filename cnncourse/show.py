"""Every figure of the book: photographs, signed maps, numbered grids, curves, animations, code.

Each function returns a `Figure`, which a notebook displays when it is the last value of a cell.
Figures are HTML and SVG that take the page's own text colour, so that one picture serves light and
dark pages; panels wrap on a phone; and `alt`, what a reader who cannot see it needs to know, is
required.
"""

import base64
import hashlib
import html
import io
import itertools
import re
from importlib.resources import files

import numpy as np

from cnncourse.check import as_description, as_image, as_one_of, as_positive

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7F7F7F")
"""Of Okabe and Ito's palette for the colour-blind (2008), those that show on black and on white."""

_INK, _MIST = "#010203", "#040506"  # stand-ins, replaced by the page's text colour and a faint one
_LONGEST_SIDE = 480  # pixels; what a panel can show
_SIDE = 36  # pixels; of a cell in a grid
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
        Images of up to 64 rows and columns are drawn with visible pixels. NaN is drawn black.
    alt : str
        What the figure shows.
    colours : {"gray", "signed", "heat"}
        Black to white; orange below zero, white at zero, purple above; or dark to bright.
    limits : sequence of float, optional
        The values at the two ends of the colours, common to all panels but those in colour. By
        default (0, 1) for gray, ±the largest absolute value for signed, the range of the values for
        heat.
    columns : int
        How many images a wide page puts in a row; a phone takes two at most.
    caption : str, optional
        What to notice.

    Raises
    ------
    ValueError
        For no image, an array that is none, bytes that are to lie in [0, 1], or unknown colours.

    Examples
    --------
    >>> images(np.eye(3), alt="A white diagonal on black.")
    [figure: A white diagonal on black.]
    """
    arrays, low, high = _read(panels, colours, limits)
    columns = as_positive(columns, "columns", integer=True)
    body = "".join(
        f'<figure class="cnn-panel">{_picture(array, low, high, colours, title or alt)}'
        f"{_figcaption(title)}</figure>"
        for title, array in arrays.items()
    )
    body = f'<div class="cnn-panels" style="--columns:{columns}">{body}</div>'
    return Figure(body + _scale(low, high, colours), alt, caption)


def grid(panels, *, alt, limits=None, marks=None, joins=(), caption=None):
    """Show small arrays as grids with their numbers written in the cells.

    Parameters
    ----------
    panels : array_like or dict of str to array_like
        (rows, columns), at most 16 columns each. NaN leaves a cell empty.
    alt : str
        What the figure shows.
    limits : tuple of float, optional
        The lowest and the highest number of all panels, so that equal numbers have equal greys (or
        colours, if one is below 0). By default each panel has its own.
    marks : dict of str to tuple, optional
        For the panel of that title, a frame: (first row, first column, rows, columns).
    joins : sequence of str
        Signs between the panels, such as ``("⋆", "=")``.
    caption : str, optional
        What to notice.

    Raises
    ------
    ValueError
        For no panel, one that is no such array, numbers outside the limits, marks without their
        panel, or too many joins.

    Examples
    --------
    >>> grid({"kernel": [[1, 0], [0, 1]]}, alt="A two by two identity matrix.")
    [figure: A two by two identity matrix.]
    """
    panels, marks = _by_title(panels), marks or {}
    if unknown := set(marks) - set(panels):
        raise ValueError(f"marks: expected titles of panels {list(panels)}, got {sorted(unknown)}")
    if len(joins) >= len(panels):
        gaps = len(panels) - 1
        raise ValueError(f"joins: expected at most {gaps} for {len(panels)} panels, got {joins!r}")
    parts = []
    for (title, array), join in itertools.zip_longest(panels.items(), joins, fillvalue=""):
        cells = _number_grid(array.astype(float), limits, marks.get(title), title or alt)
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
        The y values of each curve by its name; a tuple (x, y) where a curve has its own x.
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

    Raises
    ------
    ValueError
        If log names anything but x and y.

    Examples
    --------
    >>> plot({"square": [0, 1, 4]}, alt="The square of 0, 1 and 2.", xlabel="n", ylabel="n²")
    [figure: The square of 0, 1 and 2.]
    """
    if not isinstance(log, str) or set(log) - set("xy"):
        raise ValueError(f"log: expected 'x', 'y', 'xy' or '', got {log!r}")
    figure, axes = canvas(polar=polar)
    for i, (name, values) in enumerate(curves.items()):
        is_pair = isinstance(values, tuple) and len(values) == 2 and np.ndim(values[1]) == 1
        own_x, y = values if is_pair else (x, values)
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
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -0.18),
            ncols=2,
            frameon=False,
            labelcolor=_INK,
        )
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
    numbers = [f"{v:,.0f}" if abs(v) >= 999.5 else f"{v:.3g}" for v in values.values()]
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
        One arrow every so many pixels, and at least one.
    caption : str, optional
        What to notice.

    Raises
    ------
    ValueError
        If the three are no 2-D arrays of one shape, or the step is no whole number above 0.

    Examples
    --------
    >>> arrows(np.eye(9), np.zeros((9, 9)), np.ones((9, 9)), alt="An arrow to the right.")
    [figure: An arrow to the right.]
    """
    image, down, right = as_image(image), as_image(down, "down"), as_image(right, "right")
    step = as_positive(step, "step", integer=True)
    if not image.shape == down.shape == right.shape:
        raise ValueError(
            f"down, right: expected the image's shape {image.shape}, "
            f"got {down.shape}, {right.shape}"
        )
    chosen = tuple(slice(min(step, n) // 2, n, step) for n in image.shape)
    figure, axes = canvas(height=5.2 * image.shape[0] / image.shape[1])
    axes.imshow(image, cmap="gray", vmin=-1, vmax=1.2, interpolation="none")
    at, down, right = np.mgrid[chosen], down[chosen], right[chosen]
    axes.quiver(
        at[1], at[0], right, down, color=COLOURS[1], angles="xy", pivot="mid", width=0.005,
        scale=None if down.any() or right.any() else 1,  # nothing to scale by
    )  # fmt: skip
    axes.set_axis_off()
    return drawing(figure, alt=alt, caption=caption)


def frames(panels, *, alt, colours="gray", limits=None, caption=None):
    """Show images one at a time, with a slider and a play button that need no kernel.

    Takes what `images` takes, except columns; the dict's titles name the frames.

    Examples
    --------
    >>> frames({"first": np.eye(3), "then": 1 - np.eye(3)}, alt="A diagonal, then its negative.")
    [figure: A diagonal, then its negative.]
    """
    from cnncourse.live import Player

    arrays, low, high = _read(panels, colours, limits)
    pictures = {t: _picture_uri(a, low, high, colours) for t, a in arrays.items()}
    player = Player(pictures, alt=alt, pixels=all(map(_is_small, arrays.values())))
    return Figure(player.html(labelled=False) + _scale(low, high, colours), alt, caption)


def wipe(panels, *, alt, colours="gray", limits=None, caption=None):
    """Show two images of one shape, the first over the second, with a slider that uncovers it.

    Takes what `images` takes, except columns.

    Examples
    --------
    >>> wipe({"before": np.eye(3), "after": 1 - np.eye(3)}, alt="A diagonal and its negative.")
    [figure: A diagonal and its negative.]
    """
    from cnncourse.live import Wipe

    arrays, low, high = _read(panels, colours, limits)
    shapes = [array.shape[:2] for array in arrays.values()]
    if len(shapes) != 2 or shapes[0] != shapes[1]:
        raise ValueError(f"panels: expected two images of one shape, got {shapes}")
    pictures = {t: _picture_uri(a, low, high, colours) for t, a in arrays.items()}
    pair = Wipe(pictures, alt=alt, pixels=all(map(_is_small, arrays.values())))
    return Figure(pair.html(labelled=False) + _scale(low, high, colours), alt, caption)


def beside(*figures, alt, caption=None):
    """Put figures side by side; they wrap where the page is narrow.

    Examples
    --------
    >>> left, right = grid([[1]], alt="The number one."), grid([[2]], alt="The number two.")
    >>> beside(left, right, alt="The numbers one and two.")
    [figure: The numbers one and two.]
    """
    inner = "".join(f'<div class="cnn-beside">{figure.body}</div>' for figure in figures)
    return Figure(f'<div class="cnn-row">{inner}</div>', alt, caption)


def table(rows, *, alt, caption=None):
    """Show a table of words and numbers; it scrolls by itself where the page is narrow.

    Parameters
    ----------
    rows : sequence of sequence
        The first row is the head. Columns that begin with a number stand on the right. Whole
        numbers are written in groups of three digits, others are rounded to three.
    alt : str
        What the table shows.
    caption : str, optional
        What to notice.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If there is nothing but a head, or a row is shorter or longer than the head.

    Examples
    --------
    >>> table([("layer", "weights"), ("3×3", 36864)], alt="A layer and its weights.")
    [figure: A layer and its weights.]
    """
    head, *body = [list(row) for row in rows] or [[]]
    if not body or any(len(row) != len(head) for row in body):
        raise ValueError(
            f"rows: expected a head and rows of its {len(head)} cells, "
            f"got rows of {[len(row) for row in body]}"
        )
    right = [isinstance(cell, (int, float, np.number)) for cell in body[0]]
    lines = [_table_row(head, "th", right), *(_table_row(row, "td", right) for row in body)]
    text = "".join(lines)
    return Figure(f'<div class="cnn-table" tabindex="0"><table>{text}</table></div>', alt, caption)


def network(steps, *, alt, caption=None):
    """Draw a network as the boxes of numbers between its layers.

    Height, depth and width of a box grow as the roots of rows, columns and channels; a list of
    numbers is a rod, as many channels of one pixel.

    Parameters
    ----------
    steps : sequence of (str, tuple of int)
        What makes the numbers, and their shape: (C, H, W), or (K,).
        `architecture.counting.walk_through` returns such steps.
    alt : str
        What the figure shows.
    caption : str, optional
        What to notice.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        For no step, or one of another shape.

    Examples
    --------
    >>> steps = [("input", (1, 8, 8)), ("convolution", (4, 6, 6)), ("dense", (5,))]
    >>> network(steps, alt="An image, four smaller maps, five numbers.")
    [figure: An image, four smaller maps, five numbers.]
    """
    shapes = np.array([_box_shape(title, shape) for title, shape in steps])  # (steps, 3)
    if not len(shapes):
        raise ValueError("steps: expected at least one, got none")
    longest = shapes[:, 1:].max() ** 0.5
    pixels = np.sqrt(shapes) * (3, 76 / longest, 32 / longest)
    pixels[:, 0] *= min(1, 90 / pixels[:, 0].max())
    room = (pixels[:, 1] + 0.7 * pixels[:, 2]).max()
    parts = []
    for (title, shape), size in zip(steps, pixels, strict=True):
        words = f"{title}, {'×'.join(map(str, shape))}"
        parts.append(
            f'<figure class="cnn-grid" style="width:6.6rem">{_box(*size, room, words)}<figcaption>'
            f"{html.escape(title)}<br><b>{'×'.join(map(str, shape))}</b></figcaption></figure>"
        )
    return Figure(f'<div class="cnn-row">{"".join(parts)}</div>', alt, caption)


def wiring(block, *, alt, caption=None):
    """Draw the paths through a block of torch layers, from top to bottom.

    Layers with a window are boxes, others are words. Where paths part, each has its column; where
    they meet, a sign says how.

    Parameters
    ----------
    block : torch.nn.Module
        Made of layers in a row and of `architecture.blocks`' Branches, Skip and Gate.
    alt : str
        What the figure shows.
    caption : str, optional
        What to notice.

    Returns
    -------
    Figure

    Examples
    --------
    >>> from cnncourse.architecture.blocks import residual_block
    >>> wiring(residual_block(16, 16), alt="Two convolutions, and a line past them.")
    [figure: Two convolutions, and a line past them.]
    """
    return Figure(f'<div class="cnn-wiring">{_paths_html(block)}</div>', alt, caption)


def canvas(height=3.2, polar=False):
    """Return an empty matplotlib figure and axes in the book's look, for a drawing of one's own.

    Finish with `drawing`. 5.2 inches wide: large enough letters when a phone shrinks it.

    Examples
    --------
    >>> figure, axes = canvas(height=2)
    >>> figure.get_size_inches().round(1)
    array([5.2, 2. ])
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
    """Turn a matplotlib figure from `canvas` into a `Figure`: SVG in the page's own colours.

    Examples
    --------
    >>> figure, axes = canvas()
    >>> line = axes.axhline(0.5)
    >>> drawing(figure, alt="A level line at one half.")
    [figure: A level line at one half.]
    """
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context(_RC):
        figure.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(_METADATA))
    svg = re.sub(
        r"^.*?(?=<svg)|<!--.*?-->|<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.S
    )
    svg = re.sub(r"\n\s*", "\n", _with_ids_of_its_own(svg)).replace(_INK, "currentColor")
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
    """Show the source of a function of the package, its docstring cut down to the summary.

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
    definition = ast.parse(text).body[0]
    if ast.get_docstring(definition) is None:
        return Source(text)
    docstring = ast.get_source_segment(text, definition.body[0])
    summary, *rest = re.split(r"\n\s*\n", docstring)
    return Source(text.replace(docstring, summary + docstring[-3:]) if rest else text)


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


def _box_shape(title, shape):
    """Return channels, rows and columns, or refuse the shape."""
    lengths = shape if isinstance(shape, (tuple, list)) else ()
    whole = all(isinstance(n, (int, np.integer)) and n > 0 for n in lengths)
    if len(lengths) not in (1, 3) or not whole:
        raise ValueError(f"steps: expected (C, H, W) or (K,) for {title!r}, got {shape!r}")
    return lengths if len(lengths) == 3 else (*lengths, 1, 1)


def _box(width, height, depth, room, alt):
    """Return the SVG of a box seen from above right, standing on the floor of the room."""
    d, left, top = 0.7 * depth, 1, room - height - 0.7 * depth
    w, h, colour = width + 1.5, height + 1.5, COLOURS[0]
    faces = {  # from its upper left corner, in steps to the right and down
        0.55: (left, top + d, [(w, 0), (0, h), (-w, 0)]),
        0.3: (left, top + d, [(d, -d), (w, 0), (-d, d)]),
        0.8: (left + w, top + d, [(d, -d), (0, h), (-d, d)]),
    }
    drawn = "".join(
        f'<path d="M{x:.1f} {y:.1f}{"".join(f"l{a:.1f} {b:.1f}" for a, b in path)}z" '
        f'fill="{colour}" fill-opacity="{opacity}" stroke="currentColor" stroke-width=".6"/>'
        for opacity, (x, y, path) in faces.items()
    )
    wide, high = w + d + 2, room + 4
    return (
        f'<svg role="img" aria-label="{_quoted(alt)}" viewBox="0 0 {wide:.0f} {high:.0f}" '
        f'width="{wide:.0f}" height="{high:.0f}">{drawn}</svg>'
    )


_MEETINGS = {"Skip": "+", "Gate": "×", "Branches": "side by side"}
_WORDS = {
    "Conv2d": "",
    "MaxPool2d": "max",
    "AvgPool2d": "mean",
    "BatchNorm2d": "batch norm",
    "AdaptiveAvgPool2d": "global mean",
}


def _paths_html(block):
    """Write a block as HTML: layers below each other, paths side by side."""
    kind, parts = type(block).__name__, dict(block.named_children())
    if kind == "Identity":
        return ""
    if kind not in _MEETINGS:
        return "".join(map(_paths_html, parts.values())) if parts else _layer_html(block)
    columns = [_paths_html(part) for name, part in parts.items() if name != "shortcut"]
    if kind != "Branches":  # the input itself, or what stands in its way, at the left
        columns.insert(0, _paths_html(parts["shortcut"]) if "shortcut" in parts else "")
    row = "".join(f'<div class="cnn-path"><div>{column}</div></div>' for column in columns)
    return f'<i></i><div class="cnn-paths">{row}</div><b>{_MEETINGS[kind]}</b>'


def _layer_html(layer):
    """Write a layer as HTML: a box if it has a window, else a word."""
    kind = type(layer).__name__
    words, size = _WORDS.get(kind, kind), getattr(layer, "kernel_size", None)
    if size is None:
        return f"<small>{html.escape(words)}</small> "
    window = "{}×{}".format(*(size if isinstance(size, tuple) else (size, size)))
    words = f"{words} {window}".lstrip()
    groups = getattr(layer, "groups", 1)
    if groups > 1:
        words += ", one kernel a channel" if groups == layer.in_channels else f", {groups} groups"
    words += f", {layer.out_channels}" if kind == "Conv2d" else ""
    words += ", stride 2" if layer.stride in (2, (2, 2)) else ""
    return f'<i></i><span class="cnn-{"conv" if kind == "Conv2d" else "pool"}">{words}</span>'


def _table_row(cells, tag, right):
    """Return a row of a table, the columns that hold numbers on the right."""
    row = ""
    for cell, number in zip(cells, right, strict=True):
        if isinstance(cell, (int, np.integer)) and not isinstance(cell, bool):
            cell = f"{cell:,}"
        elif isinstance(cell, (float, np.floating)):
            cell = f"{cell:.3g}"
        kind = ' class="cnn-number"' if number else ""
        row += f"<{tag}{kind}>{html.escape(str(cell))}</{tag}>"
    return f"<tr>{row}</tr>"


def _by_title(panels):
    """Return one or several panels as a dict, or refuse none."""
    panels = panels if isinstance(panels, dict) else {"": panels}
    if not panels:
        raise ValueError("panels: expected at least one image, got none")
    return {str(title): np.asarray(array) for title, array in panels.items()}


def _read(panels, colours, limits):
    """Return the images by title and the values at the two ends of the colours, or refuse them."""
    as_one_of(colours, _COLOUR_MAPS, "colours")
    arrays = {title: _as_picture(array, title) for title, array in _by_title(panels).items()}
    for title, array in arrays.items():
        fixed = array.ndim == 3 or (colours == "gray" and limits is None)
        if fixed and array.dtype.kind in "iu" and array.max() > 1:
            raise ValueError(
                f"panels: expected values in [0, 1], got whole numbers up to {array.max()} for "
                f"{title!r}; divide by 255{', or pass limits' if array.ndim == 2 else ''}"
            )
    low, high = _limits(arrays.values(), colours) if limits is None else limits
    return {title: array.astype(float) for title, array in arrays.items()}, low, high


def _as_picture(array, title):
    """Return (rows, columns) or (rows, columns, 3), or refuse it."""
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)):
        raise ValueError(
            f"panels: expected (rows, columns) or (rows, columns, 3) for {title!r}, "
            f"got {array.shape}"
        )
    return array


def _limits(arrays, colours):
    """Return the values at the two ends of the colours, which photographs in colour ignore."""
    values = np.concatenate([np.empty(0), *(a.ravel() for a in arrays if a.ndim == 2)])
    values = values[np.isfinite(values)]
    if colours == "signed":
        largest = np.abs(values).max(initial=0) or 1.0
        return -largest, largest
    return (0.0, 1.0) if colours == "gray" or not values.size else (values.min(), values.max())


def _quoted(text):
    """Return text that may stand between quotation marks in HTML."""
    return html.escape(str(text), quote=True)


def _is_small(array):
    return max(array.shape[:2]) <= 64


def _picture_uri(array, low, high, colours):
    """Return the image as a data URI: PNG for visible pixels, WebP for photographs."""
    import matplotlib as mpl
    from PIL import Image

    if array.ndim == 3:
        low, high = 0, 1
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


def _with_ids_of_its_own(svg):
    """Return the SVG with the ids that it refers to, made unlike those of any other drawing."""
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg))
    own = f"cnn-{hashlib.sha256(svg.encode()).hexdigest()[:12]}-"
    svg = re.sub(
        r' id="([^"]*)"', lambda found: f' id="{own}{found[1]}"' if found[1] in used else "", svg
    )
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{own}", svg)


def _figcaption(title):
    return f"<figcaption>{html.escape(title)}</figcaption>" if title else ""


def _scale(low, high, colours):
    """Return a strip of the colours with the values at its ends; greys need none."""
    if colours == "gray":
        return ""
    import matplotlib as mpl

    stops = mpl.colormaps[_COLOUR_MAPS[colours]](np.linspace(0, 1, 9))
    gradient = ",".join(mpl.colors.to_hex(stop) for stop in stops)
    return (
        f'<div class="cnn-scale"><span>{low:.3g}</span>'
        f'<i style="background:linear-gradient(90deg,{gradient})"></i><span>{high:.3g}</span></div>'
    )


def _number_grid(array, limits, mark, alt):
    """Return an SVG of the array's cells with their numbers."""
    if array.ndim != 2 or array.size == 0 or array.shape[1] > 16:
        raise ValueError(
            f"panels: expected (rows, at most 16 columns), got {array.shape} for {alt!r}"
        )
    import matplotlib as mpl

    known = np.nan_to_num(array)
    low, high = (known.min(), known.max()) if limits is None else limits
    if limits is not None and not low <= np.nanmin(array) <= np.nanmax(array) <= high:
        raise ValueError(f"limits: expected numbers from {low} to {high} in {alt!r}")
    signed, largest = low < 0, max(abs(low), abs(high)) or 1
    unit = known / largest / 2 + 0.5 if signed else known / largest
    colours = mpl.colormaps["PuOr" if signed else "gray"](unit)[..., :3]
    cells = [_cell(place, value, colours[place]) for place, value in np.ndenumerate(array)]
    if mark:
        i, j, height, width = (_SIDE * n for n in mark)
        cells.append(
            f'<rect x="{j}" y="{i}" width="{width}" height="{height}" fill="none" '
            f'stroke="{COLOURS[1]}" stroke-width="4"/>'
        )
    height, width = (_SIDE * n + 4 for n in array.shape)
    return (
        f'<svg role="img" aria-label="{_quoted(alt)}" viewBox="-2 -2 {width} {height}" '
        f'width="{width}">{"".join(cells)}</svg>'
    )


def _cell(place, value, colour):
    """Return the SVG of one cell of a grid; NaN gives an empty one."""
    import matplotlib as mpl

    top, left = (_SIDE * n for n in place)
    fill = "none" if np.isnan(value) else mpl.colors.to_hex(colour)
    cell = (
        f'<rect x="{left}" y="{top}" width="{_SIDE}" height="{_SIDE}" fill="{fill}" stroke="#888"/>'
    )
    if np.isnan(value):
        return cell
    text = _short(value)
    size = round(min(13, 52 / len(text)), 1)  # a digit is up to 0.65 of it wide
    dark = colour @ [0.2126, 0.7152, 0.0722] < 0.45
    return (
        f'{cell}<text x="{left + _SIDE / 2:g}" y="{top + _SIDE / 2 + 4.5:g}" text-anchor="middle" '
        f'font-size="{size}" fill="{"#fff" if dark else "#000"}">{text}</text>'
    )


def _short(value):
    """Return a number with two digits, or two decimals from 1 up, and a true minus sign."""
    small = abs(value) < 1
    text = f"{value + 0.0:.2g}" if small else np.format_float_positional(value, 2, trim="-")
    return text.replace("-", "−")
