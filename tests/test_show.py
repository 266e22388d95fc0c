"""Figures: they carry their description, keep their values, and refuse what is no picture."""

import base64
import importlib.util
import io
import re
import sys

import numpy as np
import pytest
from PIL import Image
from torch import nn

from cnncourse import show
from cnncourse.architecture.blocks import Branches, Gate, Skip

ALT = "A test picture of numbers."
ONE_OF_EACH = {
    "images": lambda alt: show.images(np.eye(3), alt=alt),
    "grid": lambda alt: show.grid(np.eye(3), alt=alt),
    "plot": lambda alt: show.plot({"a": [1, 2]}, alt=alt),
    "bars": lambda alt: show.bars({"a": 1}, alt=alt),
    "arrows": lambda alt: show.arrows(np.eye(9), np.eye(9), np.eye(9), alt=alt),
    "frames": lambda alt: show.frames({"a": np.eye(3)}, alt=alt),
    "wipe": lambda alt: show.wipe({"a": np.eye(3), "b": np.eye(3)}, alt=alt),
    "beside": lambda alt: show.beside(show.images(np.eye(3), alt=ALT), alt=alt),
    "network": lambda alt: show.network([("input", (1, 8, 8))], alt=alt),
    "wiring": lambda alt: show.wiring(nn.ReLU(), alt=alt),
    "drawing": lambda alt: show.drawing(show.canvas()[0], alt=alt),
}


def pictures(figure):
    """Return the pixel arrays of the pictures that a figure embeds."""
    uris = re.findall(r"data:image/(?:png|webp);base64,([^\"']+)", figure._repr_html_())
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(uri)))) for uri in uris]


@pytest.fixture
def axes_of(monkeypatch):
    """Make the drawn figures return their matplotlib axes."""
    monkeypatch.setattr(show, "drawing", lambda figure, **_: figure.axes[0])
    return lambda make, *args, **options: make(*args, alt=ALT, **options)


@pytest.mark.parametrize("make", ONE_OF_EACH.values(), ids=ONE_OF_EACH)
def test_every_figure_carries_its_alt_text_into_the_page_and_into_plain_text(make):
    figure = make('Less than "<" signs, escaped.')
    assert "Less than &quot;&lt;&quot; signs, escaped." in figure._repr_html_()
    assert repr(figure) == '[figure: Less than "<" signs, escaped.]'


@pytest.mark.parametrize("make", ONE_OF_EACH.values(), ids=ONE_OF_EACH)
@pytest.mark.parametrize("alt", ["", "photo", None])
def test_every_figure_refuses_a_missing_description(make, alt):
    with pytest.raises(ValueError, match="alt: expected a sentence that describes the figure"):
        make(alt)


def test_captions_are_shown_and_escaped():
    page = show.images(np.eye(2), alt=ALT, caption="a < b")._repr_html_()
    assert '<p class="cnn-note">a &lt; b</p>' in page


@pytest.mark.parametrize("name", ["frames", "wipe"])
def test_a_live_figure_inside_a_figure_does_not_repeat_the_groups_label(name):
    page = ONE_OF_EACH[name](ALT)._repr_html_()
    assert page.count('role="group"') == 1
    assert page.count("aria-label=") == 1


def test_small_images_keep_every_pixel():
    (picture,) = pictures(show.images([[0, 0.5, 1], [1, 1, 0]], alt=ALT))
    assert picture.tolist() == [[0, 128, 255], [255, 255, 0]]


def test_values_beyond_the_limits_are_clipped_and_not_wrapped():
    (picture,) = pictures(show.images([[-3.0, 4.0]], alt=ALT))
    assert picture.tolist() == [[0, 255]]


@pytest.mark.parametrize("limits", [(2, 4), [2, 4], np.array([2.0, 4.0])])
def test_limits_set_black_and_white(limits):
    (picture,) = pictures(show.images([[2.0, 3.0, 4.0]], limits=limits, alt=ALT))
    assert picture.tolist() == [[0, 128, 255]]


def test_signed_colours_are_white_at_zero_and_common_to_all_panels():
    first, second = pictures(
        show.images({"a": [[0.0, 1.0]], "b": [[0.0, -4.0]]}, colours="signed", alt=ALT)
    )
    assert first[0, 0].min() > 240
    assert second[0, 0].min() > 240
    assert first[0, 1].min() > second[0, 1].min()  # 1 of 4 is paler than 4 of 4


@pytest.mark.parametrize("colours", ["gray", "signed", "heat"])
def test_nan_is_drawn_black(colours):
    (picture,) = pictures(show.images([[1.0, np.nan]], colours=colours, alt=ALT))
    assert not picture[0, 1].any()


def test_heat_goes_from_dark_purple_to_yellow():
    (picture,) = pictures(show.images([[2.0, 5.0]], colours="heat", alt=ALT))
    assert picture.tolist() == [[[68, 1, 84], [253, 231, 37]]]


@pytest.mark.parametrize("make", [show.images, show.frames, show.wipe])
def test_the_colour_scale_shows_its_two_numbers(make):
    page = make({"a": [[1, 3]], "b": [[2, 7.5]]}, colours="heat", alt=ALT)._repr_html_()
    assert re.findall(r"<span>([^<]+)</span>", page) == ["1", "7.5"]


@pytest.mark.parametrize("make", [show.images, show.frames, show.wipe])
def test_grey_images_have_no_colour_scale(make):
    assert 'cnn-scale"' not in make({"a": [[0.1]], "b": [[0.5]]}, alt=ALT)._repr_html_()


@pytest.mark.parametrize("colours", ["gray", "signed", "heat"])
def test_photographs_in_colour_keep_their_colours_beside_maps(colours):
    colour = [[[0.2, 0.4, 1.0]]]
    page = show.images({"photo": colour, "map": [[-5.0, 5.0]]}, colours=colours, alt=ALT)
    assert pictures(page)[0].tolist() == [[[51, 102, 255]]]


def test_photographs_in_colour_do_not_set_the_limits():
    with_photo = show.images({"a": np.ones((2, 2, 3)), "b": [[0.1]]}, colours="signed", alt=ALT)
    alone = show.images({"b": [[0.1]]}, colours="signed", alt=ALT)
    np.testing.assert_array_equal(pictures(with_photo)[1], pictures(alone)[0])


@pytest.mark.parametrize("make", [show.images, show.frames])
def test_one_array_is_enough(make):
    assert repr(make(np.eye(3), alt=ALT)) == f"[figure: {ALT}]"


@pytest.mark.parametrize("make", [show.images, show.frames, show.wipe, show.grid])
def test_no_image_at_all_is_refused(make):
    with pytest.raises(ValueError, match="panels: expected at least one image, got none"):
        make({}, alt=ALT)


@pytest.mark.parametrize("make", [show.images, show.frames])
def test_titles_may_be_numbers(make):
    assert "7" in make({7: np.eye(2)}, alt=ALT)._repr_html_()


@pytest.mark.parametrize("make", [show.images, show.frames])
def test_bytes_are_refused_where_values_are_to_lie_between_0_and_1(make):
    with pytest.raises(ValueError, match=r"up to 255 for ''; divide by 255, or pass limits"):
        make(np.full((2, 2), 255, np.uint8), alt=ALT)
    with pytest.raises(ValueError, match=r"up to 255 for ''; divide by 255$"):
        make(np.full((2, 2, 3), 255, np.uint8), limits=(0, 255), alt=ALT)


def test_bytes_with_limits_are_shown():
    (picture,) = pictures(show.images(np.array([[0, 255]], np.uint8), limits=(0, 255), alt=ALT))
    assert picture.tolist() == [[0, 255]]


@pytest.mark.parametrize("columns", [0, 2.5, "4", True])
def test_columns_are_a_whole_number_above_zero(columns):
    with pytest.raises(ValueError, match="columns: expected a whole number above 0"):
        show.images(np.eye(2), columns=columns, alt=ALT)


@pytest.mark.parametrize("make", [show.frames, show.wipe])
@pytest.mark.parametrize(("side", "pixels"), [(64, "true"), (65, "false")])
def test_small_images_are_drawn_with_visible_pixels(make, side, pixels):
    panels = {"a": np.eye(64), "b": np.eye(side)} if make is show.frames else {}
    panels = panels or {"a": np.eye(side), "b": np.eye(side)}
    assert f'"pixels": {pixels}' in make(panels, alt=ALT)._repr_html_()


def test_large_photographs_are_shrunk_for_the_page():
    (picture,) = pictures(show.images(np.zeros((1000, 500)), alt=ALT))
    assert picture.shape[:2] == (480, 240)


def test_titles_are_shown_and_escaped():
    assert (
        "<figcaption>a &lt; b</figcaption>"
        in show.images({"a < b": np.eye(2)}, alt=ALT)._repr_html_()
    )


@pytest.mark.parametrize(
    "array", [np.zeros(3), np.zeros((2, 2, 4)), np.zeros((0, 3)), np.zeros((2, 3, 4, 5))]
)
def test_images_refuse_what_is_no_picture(array):
    with pytest.raises(ValueError, match="panels: expected"):
        show.images(array, alt=ALT)


@pytest.mark.parametrize("panels", [{"a": np.eye(2)}, {"a": np.eye(2), "b": np.eye(3)}])
def test_wipe_refuses_what_does_not_lie_on_top_of_each_other(panels):
    with pytest.raises(
        ValueError, match=r"panels: expected two images of one shape, got \[\(2, 2\)"
    ):
        show.wipe(panels, alt=ALT)


def test_unknown_colours_are_refused():
    with pytest.raises(
        ValueError, match="colours: expected one of 'gray', 'signed', 'heat', got 'jet'"
    ):
        show.images(np.eye(3), alt=ALT, colours="jet")


def test_grid_writes_every_number_and_leaves_nan_empty():
    page = show.grid([[1, -2.5, np.nan], [0.125, 1000, 0]], alt=ALT)._repr_html_()
    assert re.findall(r">([^<>]+)</text>", page) == ["1", "−2.5", "0.12", "1000", "0"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10.5, "10.5"),
        (99.6, "99.6"),
        (255.5, "255.5"),
        (1234.5, "1234.5"),
        (100, "100"),
        (-0.125, "−0.12"),
        (-0.0, "0"),
        (0.999, "1"),
        (3.14159, "3.14"),
        (1e-14, "1e−14"),
        (np.inf, "inf"),
        (-np.inf, "−inf"),
    ],
)
def test_grid_numbers_are_rounded_and_not_wrong(value, text):
    page = show.grid([[value, 1]], alt=ALT)._repr_html_()
    assert re.findall(r">([^<>]+)</text>", page) == [text, "1"]


def test_grid_numbers_fit_their_cells():
    page = show.grid([[1, 1234.5, -12345.25, 1.2e-14]], alt=ALT)._repr_html_()
    written = re.findall(r'font-size="([\d.]+)"[^>]*>([^<>]+)<', page)
    assert all(0.65 * float(size) * len(text) < 36 for size, text in written)
    assert written[0] == ("13", "1")


def test_grid_draws_marks_around_the_cells_they_name():
    marked = show.grid({"a": np.eye(4)}, marks={"a": (1, 2, 3, 2)}, alt=ALT)._repr_html_()
    (frame,) = re.findall(r'<rect ([^>]*)fill="none" stroke="#D55E00"', marked)
    assert frame == 'x="72" y="36" width="72" height="108" '


def greys(page):
    return re.findall(r'fill="(#\w{6})" stroke="#888"', page)


def test_grid_gives_equal_numbers_equal_greys_within_common_limits():
    panels = {"a": [[1, 2]], "b": [[2, 4]]}
    one, two, same, four = greys(show.grid(panels, limits=(0, 4), alt=ALT)._repr_html_())
    assert two == same
    assert len({one, two, four}) == 3
    own = greys(show.grid(panels, alt=ALT)._repr_html_())
    assert own[1] == own[3]  # the largest of each panel
    assert own[1] != own[2]
    low, zero = greys(show.grid([[-1, 0]], limits=(-1, 3), alt=ALT)._repr_html_())
    assert low != zero != greys(show.grid([[0, 3]], alt=ALT)._repr_html_())[0]  # colours, not greys


@pytest.mark.parametrize("array", [[[0, 5]], [[-1, 4]]])
def test_grid_refuses_numbers_outside_its_limits(array):
    with pytest.raises(ValueError, match="limits: expected numbers from 0 to 4 in 'b'"):
        show.grid({"a": [[1]], "b": array}, limits=(0, 4), alt=ALT)


def test_grid_draws_joins_between_the_panels_and_escapes_them():
    page = show.grid({"a": [[1]], "b": [[2]], "c": [[3]]}, joins="<=", alt=ALT)._repr_html_()
    order = re.findall(r"<figcaption>(\w)|cnn-join\">([^<]+)<", page)
    assert ["".join(found) for found in order] == ["a", "&lt;", "b", "=", "c"]


@pytest.mark.parametrize("joins", ["=", ["=", "+"]])
def test_grid_refuses_more_joins_than_gaps(joins):
    with pytest.raises(ValueError, match=r"joins: expected at most 0 for 1 panels, got"):
        show.grid([[1]], joins=joins, alt=ALT)


def test_grid_numbers_contrast_with_their_cells():
    page = show.grid([[0, 10]], alt=ALT)._repr_html_()
    assert re.findall(r'<text [^>]*fill="(#\w+)"', page) == ["#fff", "#000"]


def test_grid_refuses_marks_for_panels_that_are_not_there():
    with pytest.raises(ValueError, match=r"marks: expected titles of panels \['a'\], got \['b'\]"):
        show.grid({"a": np.eye(2)}, marks={"b": (0, 0, 1, 1)}, alt=ALT)


def test_grid_refuses_more_columns_than_one_can_read():
    with pytest.raises(ValueError, match="at most 16 columns"):
        show.grid(np.zeros((2, 17)), alt=ALT)


def test_drawings_take_the_pages_text_colour_and_ask_no_server():
    page = show.plot({"a": [1, 2], "b": [2, 1]}, alt=ALT, xlabel="n", ylabel="value")._repr_html_()
    assert "currentColor" in page
    assert "#010203" not in page
    texts = re.findall(r"<text[^>]*>", page)
    assert all("fill: currentColor" in text for text in texts)  # black would vanish in the dark
    assert set(re.findall(r"https?://[^\"'\s)]+", page)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_drawings_are_the_same_at_every_run():
    one, two = (show.plot({"a": [1, 2]}, alt=ALT)._repr_html_() for _ in range(2))
    assert one == two


def test_drawings_share_no_id_and_lack_none():
    pair = [show.plot({"a": y}, points=True, log="y", alt=ALT).body for y in ([1, 2], [1, 3])]
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in pair]
    assert not ids[0] & ids[1]
    for svg, own in zip(pair, ids, strict=True):
        assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg)) == own != set()


def test_a_tuple_of_two_lists_is_x_and_y(axes_of):
    (line,) = axes_of(show.plot, {"a": ([5, 7], [1, 2])}).lines
    assert line.get_xydata().tolist() == [[5, 1], [7, 2]]


@pytest.mark.parametrize("y", [(3, 4), (3, 4, 5)])
def test_a_tuple_of_numbers_is_y(axes_of, y):
    (line,) = axes_of(show.plot, {"a": y}).lines
    assert line.get_ydata().tolist() == list(y)


@pytest.mark.parametrize("log", ["", "x", "y", "xy"])
def test_log_names_the_logarithmic_axes(axes_of, log):
    axes = axes_of(show.plot, {"a": ([1, 10], [1, 100])}, log=log)
    assert (axes.get_xscale() == "log") == ("x" in log)
    assert (axes.get_yscale() == "log") == ("y" in log)


@pytest.mark.parametrize("log", ["z", "both", True, None])
def test_plot_refuses_other_logarithmic_axes(log):
    with pytest.raises(ValueError, match="log: expected 'x', 'y', 'xy' or '', got"):
        show.plot({"a": [1, 2]}, log=log, alt=ALT)


def test_plot_marks_are_dotted_lines_with_their_names(axes_of):
    axes = axes_of(show.plot, {"a": [1, 2, 3]}, marks={"here": 1.5})
    assert list(axes.lines[1].get_xdata()) == [1.5, 1.5]
    assert axes.lines[1].get_linestyle() == ":"
    assert [text.get_text() for text in axes.texts] == ["here"]


def test_bars_carry_their_numbers_and_units(axes_of):
    values = {"a": 3, "b": 0.12345, "c": 1234567, "d": 999.6}
    axes = axes_of(show.bars, values, unit=" m")
    written = [text.get_text() for text in axes.texts]
    assert written == ["3 m", "0.123 m", "1,234,567 m", "1,000 m"]


@pytest.mark.parametrize(("down", "right"), [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_arrows_point_down_and_right(down, right):
    svg = show.arrows(np.zeros((8, 8)), np.full((8, 8), down), np.full((8, 8), right), alt=ALT).body
    (arrow,) = re.findall(r'<path d="([^"]+)"[^>]*fill: #d55e00', svg)
    corners = np.array(re.findall(r"[\d.]+", arrow), dtype=float).reshape(-1, 2)[:-1]
    x, y = np.round(corners[3] - corners.mean(axis=0), 3)  # of the tip
    assert [np.sign(y), np.sign(x)] == [down, right]


@pytest.mark.parametrize("step", [1, 9, 30, 10_000])
def test_arrows_draw_at_least_one_whatever_the_step(step):
    svg = show.arrows(np.eye(9), np.eye(9), np.ones((9, 9)), step=step, alt=ALT).body
    assert svg.count("fill: #d55e00") == (81 if step == 1 else 1)


def test_arrows_of_no_length_draw_without_a_warning():
    nothing = np.zeros((9, 9))
    assert repr(show.arrows(np.eye(9), nothing, nothing, alt=ALT)) == f"[figure: {ALT}]"


@pytest.mark.parametrize("step", [0, -1, 2.5])
def test_arrows_refuse_a_step_that_is_no_whole_number_above_zero(step):
    with pytest.raises(ValueError, match="step: expected a whole number above 0"):
        show.arrows(np.eye(9), np.eye(9), np.eye(9), step=step, alt=ALT)


def test_arrows_name_the_array_that_is_no_image():
    with pytest.raises(ValueError, match="down: expected finite numbers"):
        show.arrows(np.eye(2), np.full((2, 2), np.nan), np.eye(2), alt=ALT)


def test_arrows_refuse_fields_of_another_shape():
    with pytest.raises(
        ValueError, match=r"expected the image's shape \(4, 4\), got \(3, 4\), \(4, 4\)"
    ):
        show.arrows(np.zeros((4, 4)), np.zeros((3, 4)), np.zeros((4, 4)), alt=ALT)


def test_table_writes_a_head_words_and_numbers():
    body = show.table(
        [("layer", "weights", "share"), ("a < b", 36864, 0.126736), ("deep", np.int64(7), "–")],
        alt="Layers and their weights.",
    ).body
    heads = re.findall(r"<th( class=\"cnn-number\")?>(.*?)</th>", body)
    assert [text for _, text in heads] == ["layer", "weights", "share"]
    assert [bool(right) for right, _ in heads] == [False, True, True]
    cells = re.findall(r"<td( class=\"cnn-number\")?>(.*?)</td>", body)
    assert [text for _, text in cells] == ["a &lt; b", "36,864", "0.127", "deep", "7", "–"]
    assert [bool(right) for right, _ in cells] == [False, True, True] * 2


@pytest.mark.parametrize("rows", [[], [("a", "b")], [("a", "b"), (1,)], [("a",), (1, 2)]])
def test_table_refuses_rows_that_do_not_fit_its_head(rows):
    with pytest.raises(ValueError, match="rows: expected a head and rows of its"):
        show.table(rows, alt="A table of nothing.")


def boxes(steps):
    """Return the (width, height) of the front of each box that a network is drawn as."""
    body = show.network(steps, alt=ALT).body
    fronts = re.findall(r'l([\d.]+) 0\.0l0\.0 ([\d.]+)l-\1 0\.0z" fill="#0072B2" fill-op', body)
    return [(float(width), float(height)) for width, height in fronts]


def test_network_draws_a_box_a_step_with_its_title_and_shape():
    body = show.network([("a < b", (3, 8, 6)), ("dense", (10,))], alt=ALT).body
    assert body.count("<svg") == 2
    assert "<figcaption>a &lt; b<br><b>3×8×6</b></figcaption>" in body
    assert 'aria-label="dense, 10"' in body


def test_network_boxes_grow_as_roots_of_rows_and_of_channels():
    small, tall, wide = boxes([("a", (4, 4, 4)), ("b", (4, 16, 4)), ("c", (16, 4, 4))])
    frame = 1.5
    assert tall[1] - frame == pytest.approx(2 * (small[1] - frame), abs=0.2)
    assert wide[0] - frame == pytest.approx(2 * (small[0] - frame), abs=0.2)
    assert tall[0] == small[0]
    assert wide[1] == small[1]


def test_network_draws_a_list_of_numbers_as_channels_of_one_pixel():
    first, second = boxes([("flatten", (64,)), ("means", (64, 1, 1))])
    assert first == second


def test_network_boxes_of_many_channels_still_fit_a_phone():
    assert max(width for width, _ in boxes([("a", (3, 224, 224)), ("b", (25088,))])) < 100


def test_network_boxes_lie_inside_their_pictures():
    body = show.network([("a", (64, 56, 9)), ("b", (3, 7, 224)), ("c", (5,))], alt=ALT).body
    for wide, high, drawn in re.findall(r'viewBox="0 0 (\d+) (\d+)".*?>(.*?)</svg>', body):
        for path in re.findall(r'd="M(.*?)z"', drawn):
            corners = np.cumsum(np.float64([p.split() for p in path.split("l")]), axis=0)
            assert corners.min() >= 0
            assert (corners <= (int(wide), int(high))).all()


@pytest.mark.parametrize("shape", [(3, 8), (0,), (3, 8.0, 8), 7, (), (1, 3, 8, 8)])
def test_network_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match=r"steps: expected \(C, H, W\) or \(K,\) for 'x', got"):
        show.network([("x", shape)], alt=ALT)


def test_network_refuses_no_step():
    with pytest.raises(ValueError, match="steps: expected at least one, got none"):
        show.network([], alt=ALT)


def test_source_keeps_the_body_and_only_the_first_line_of_the_docstring():
    shown = show.source(show.bars)
    assert repr(shown).count('"""') == 2
    assert "axes.barh" in repr(shown)
    assert "Parameters" not in repr(shown)
    assert shown._repr_markdown_().startswith("```python\ndef bars(")


def test_source_of_a_function_without_docstring_is_whole():
    assert (
        repr(show.source(pictures.__globals__["_undocumented"]))
        == "def _undocumented():\n    return 1"
    )


def _undocumented():
    return 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("def f(): ...", None),
        ("def f():\n    ...", None),
        ('def f():\n    """"""\n    return 1', None),
        ('def f(): "Say one."; return 1', None),
        ('def f(): """Say one."""', None),
        ('def f():\n    """Say one.\n\n    In full.\n    """; return 1',
         'def f():\n    """Say one."""; return 1'),
        ('def f():\n    """Say one,\n    and no more.\n\n    In full.\n    """\n    return 1',
         'def f():\n    """Say one,\n    and no more."""\n    return 1'),
        ('class C:\n    r"""Say \\alpha.\n\n    In full."""\n\n    x = 1',
         'class C:\n    r"""Say \\alpha."""\n\n    x = 1'),
    ],
)  # fmt: skip
def test_source_loses_nothing_but_what_follows_the_summary(tmp_path, monkeypatch, text, shown):
    path = tmp_path / "made.py"
    path.write_text(text, "utf-8")
    spec = importlib.util.spec_from_file_location("made", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "made", module)  # where inspect looks for a class
    spec.loader.exec_module(module)
    made = module.C if text.startswith("class") else module.f
    assert repr(show.source(made)) == (shown or text)


def test_text_that_a_drawing_leaves_black_takes_the_pages_colour():
    figure, axes = show.canvas()
    axes.text(0.5, 0.5, "1980")
    page = show.drawing(figure, alt=ALT)._repr_html_()
    assert ".cnn-plot svg text{fill:currentColor}" in page  # SVG writes no fill for black
    assert '<div class="cnn-plot">' in page


def test_wiring_parts_and_joins_paths_in_their_order():
    block = Skip(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()))
    body = show.wiring(nn.Sequential(block, nn.BatchNorm2d(4)), alt=ALT).body
    bypass, function = body.split('<div class="cnn-path">')[1:]
    assert bypass == "<div></div></div>"  # the input itself: nothing but a line
    assert re.sub("<[^>]*>", "", function) == "3×3, 4ReLU +batch norm "


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.Conv2d(4, 6, (1, 7), stride=2), "1×7, 6, stride 2"),
        (nn.Conv2d(4, 8, 3, groups=2), "3×3, 2 groups, 8"),
        (nn.Conv2d(4, 4, 3, groups=4), "3×3, one kernel a channel, 4"),
        (nn.MaxPool2d(3, 2), "max 3×3, stride 2"),
        (nn.AdaptiveAvgPool2d(1), "global mean "),
        (nn.Identity(), ""),
    ],
)
def test_wiring_says_what_a_layer_is(layer, words):
    assert re.sub("<[^>]*>", "", show.wiring(layer, alt=ALT).body) == words


@pytest.mark.parametrize(
    ("block", "sign", "paths"),
    [
        (Branches(nn.ReLU(), nn.ReLU(), nn.ReLU()), "side by side", 3),
        (Gate(nn.Sigmoid()), "×", 2),
        (Skip(nn.ReLU(), nn.Conv2d(1, 1, 1)), "+", 2),
    ],
)
def test_wiring_says_how_paths_meet(block, sign, paths):
    body = show.wiring(block, alt=ALT).body
    assert body.count('cnn-path"') == paths
    assert f"<b>{sign}</b>" in body
