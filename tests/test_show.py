"""Figures: they carry their description, keep their values, and refuse what is no picture."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from cnncourse import show

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
    "drawing": lambda alt: show.drawing(show.canvas()[0], alt=alt),
}


def pictures(figure):
    """Return the pixel arrays of the pictures that a figure embeds."""
    uris = re.findall(r"data:image/(?:png|webp);base64,([^\"']+)", figure._repr_html_())
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(uri)))) for uri in uris]


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


def test_small_images_keep_every_pixel():
    (picture,) = pictures(show.images([[0, 0.5, 1], [1, 1, 0]], alt=ALT))
    assert picture.tolist() == [[0, 128, 255], [255, 255, 0]]


def test_values_beyond_the_limits_are_clipped_and_not_wrapped():
    (picture,) = pictures(show.images([[-3.0, 4.0]], alt=ALT))
    assert picture.tolist() == [[0, 255]]


def test_limits_set_black_and_white():
    (picture,) = pictures(show.images([[2.0, 3.0, 4.0]], limits=(2, 4), alt=ALT))
    assert picture.tolist() == [[0, 128, 255]]


def test_signed_colours_are_white_at_zero_and_common_to_all_panels():
    first, second = pictures(
        show.images({"a": [[0.0, 1.0]], "b": [[0.0, -4.0]]}, colours="signed", alt=ALT)
    )
    assert first[0, 0].min() > 240
    assert second[0, 0].min() > 240
    assert first[0, 1].min() > second[0, 1].min()  # 1 of 4 is paler than 4 of 4


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
    assert set(re.findall(r"https?://[^\"'\s)]+", page)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_drawings_are_the_same_at_every_run():
    one, two = (show.plot({"a": [1, 2]}, alt=ALT)._repr_html_() for _ in range(2))
    assert one == two


def test_arrows_refuse_fields_of_another_shape():
    with pytest.raises(
        ValueError, match=r"expected the image's shape \(4, 4\), got \(3, 4\), \(4, 4\)"
    ):
        show.arrows(np.zeros((4, 4)), np.zeros((3, 4)), np.zeros((4, 4)), alt=ALT)


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
