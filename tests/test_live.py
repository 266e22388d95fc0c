"""Live figures: data, refusals, and, in a browser, that the page computes what Python does."""

import itertools
import json
import re
import subprocess
import sys
from inspect import Parameter, signature

import numpy as np
import pytest

from cnncourse import live, show
from cnncourse.convolution import conv2d, output_size, pixel_coverage
from cnncourse.filtering import correlate2d

ALT = "A picture made for a test."
KERNELS = {
    "blur": np.full((3, 3), 1 / 9),
    "asymmetric": [[0, 1, 2], [-3, 0.5, 0], [0, 0, -4]],
    "thirds": [[1 / 3, 1 / 3, 1 / 3], [0, 0, 0], [0, 0, -1]],  # rounded, they sum to -0.0001
}


def data_of(figure):
    """Return the JSON that the figure hands to its script."""
    return json.loads(re.search(r"\)\(root, (\{.*\})\); \}\)\(\)</script>", figure.html(), re.S)[1])


def test_data_cannot_end_the_script():
    figure = live.Live("player.js", {"titles": "</script><b>"}, ALT)
    assert "</script><b>" not in figure.html()
    assert data_of(figure) == {"titles": "</script><b>"}


def test_two_figures_on_a_page_do_not_share_an_id():
    figure = live.Sliding(np.eye(3), np.eye(2), alt=ALT)
    ids = [re.search(r'id="([\w-]+)"', figure.html())[1] for _ in range(2)]
    assert ids[0] != ids[1]


def test_a_figures_id_follows_from_its_data_and_its_place_alone():
    probe = (
        "import numpy as np; from cnncourse.live import Sliding; "
        "print(*[Sliding(image, np.eye(2), alt='A picture of numbers.').html()"
        " for image in (np.eye(3), np.eye(3), np.eye(4))])"
    )
    run = [sys.executable, "-c", probe]
    first, second = (subprocess.run(run, capture_output=True, check=True).stdout for _ in "12")
    assert first == second


@pytest.mark.parametrize("labelled", [True, False])
def test_a_figure_is_a_labelled_group_unless_it_stands_in_one(labelled):
    page = live.Sliding(np.eye(3), np.eye(2), alt=ALT).html(labelled=labelled)
    assert page.count(f'role="group" aria-label="{ALT}"') == labelled


@pytest.mark.parametrize(
    "make",
    [live.Sliding, live.Geometry, live.KernelPlayground, live.Player, live.Wipe],
    ids=lambda m: m.__name__,
)
def test_the_description_is_given_by_name(make):
    assert signature(make).parameters["alt"].kind is Parameter.KEYWORD_ONLY


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10.5, "10.5"),
        (99.6, "99.6"),
        (999.4, "999"),
        (999.6, "1000"),
        (1234.6, "1235"),
        (-0.0, "0"),
        (-2.5, "−2.5"),
        (np.inf, "inf"),
    ],
)
def test_numbers_are_written_as_a_reader_writes_them(value, text):
    assert live._number(value) == text


def test_the_description_is_there_without_scripts():
    figure = live.Sliding(np.eye(3), np.eye(2), alt="Ones & zeros slide.")
    assert "<noscript>Ones &amp; zeros slide.</noscript>" in figure._repr_html_()
    assert repr(figure) == "[live figure: Ones & zeros slide.]"


def test_sliding_spells_out_every_product():
    data = data_of(live.Sliding(np.arange(1, 7).reshape(2, 3), [[1, 0], [0, -1]], alt=ALT))
    assert data["outputs"] == ["−4", "−4"]
    assert data["sums"][0] == "1·1 + 2·0 + 4·0 + 5·(−1) = −4"


def test_sliding_brackets_negative_pixels_and_weights():
    data = data_of(live.Sliding([[-1, 2]], [[-3, 4]], alt=ALT))
    assert data["sums"] == ["(−1)·(−3) + 2·4 = 11"]


def test_sliding_computes_what_conv2d_does_with_stride_and_padding(rng):
    image, kernel = rng.integers(-9, 9, (5, 7)), rng.integers(-9, 9, (3, 2))
    data = data_of(live.Sliding(image, kernel, stride=2, padding=1, alt=ALT))
    expected = conv2d(image[None, None], kernel[None, None], stride=2, padding=1)[0, 0]
    assert data["columns"] == expected.shape[1]
    assert data["outputs"] == [f"{v:.0f}".replace("-", "−") for v in expected.ravel()]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"stride": 0}, "stride: expected a whole number above 0, got 0"),
        ({"padding": -1}, "padding: expected a whole number of 0 or more, got -1"),
        ({"padding": 5}, "at most 12×12, got 13×13"),
    ],
)
def test_sliding_refuses_a_geometry_that_it_cannot_show(words, message):
    with pytest.raises(ValueError, match=message):
        live.Sliding(np.ones((3, 3)), np.ones((2, 2)), alt=ALT, **words)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ((15, 3), "size: expected a whole number from 1 to 14, got 15"),
        ((7, 0), "kernel_size: expected a whole number from 1 to 7, got 0"),
        ((7, 3, 1, 0, 1.5), "dilation: expected a whole number from 1 to 3, got 1.5"),
    ],
)
def test_geometry_starts_where_its_sliders_can_be(start, message):
    with pytest.raises(ValueError, match=message):
        live.Geometry(*start, alt=ALT)


@pytest.mark.parametrize("shape", [(13, 3), (3, 13)])
def test_sliding_refuses_more_than_one_can_read(shape):
    with pytest.raises(ValueError, match=rf"at most 12×12, got {shape[0]}×{shape[1]}"):
        live.Sliding(np.ones(shape), np.ones((2, 2)), alt=ALT)


@pytest.mark.parametrize("titles", ["", "a", "abc"])
def test_wipe_takes_two_pictures(titles):
    with pytest.raises(ValueError, match=f"pictures: expected two, got {len(titles)}: "):
        live.Wipe(dict.fromkeys(titles, "data:,"), alt=ALT)


def test_sliding_refuses_a_kernel_that_does_not_fit():
    with pytest.raises(
        ValueError, match=r"image: expected, with its padding, at least the kernel's 3×3 .* got 2×5"
    ):
        live.Sliding(np.ones((2, 5)), np.ones((3, 3)), alt=ALT)


@pytest.mark.parametrize(
    ("image", "kernels", "message"),
    [
        (np.full((4, 4), 2.0), KERNELS, r"image: expected values in \[0, 1\]"),
        (np.zeros((4, 321)), KERNELS, "at most 320×320, got 0 to 0 and 4×321"),
        (np.zeros((321, 4)), KERNELS, "at most 320×320, got 0 to 0 and 321×4"),
        (np.zeros((4, 4)), {"wide": np.ones((3, 5))}, r"all 3×3, got shapes \{'wide': \(3, 5\)\}"),
        (np.zeros((4, 4)), {}, "expected at least one"),
    ],
)
def test_playground_refuses_what_it_cannot_show(image, kernels, message):
    with pytest.raises(ValueError, match=message):
        live.KernelPlayground(image, kernels, alt=ALT)


@pytest.fixture
def page(browser):
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


@pytest.mark.parametrize("name", KERNELS)
def test_playground_computes_what_correlate2d_does(page, rng, name):
    image = np.round(rng.random((13, 21)) * 255) / 255
    page.set_content(live.KernelPlayground(image, KERNELS, alt=ALT).html())
    page.get_by_label("Kernel to start from").select_option(name)
    found = page.evaluate("[...document.querySelector('.cnn-live').result]")
    expected = correlate2d(image, KERNELS[name], border="replicate")
    assert np.abs(np.reshape(found, image.shape) - expected).max() < 1e-12


def test_playground_knows_weights_that_sum_to_zero_only_before_rounding(page):
    page.set_content(live.KernelPlayground(np.zeros((4, 4)), KERNELS, alt=ALT).html())
    page.get_by_label("Kernel to start from").select_option("thirds")
    assert page.get_by_label("Weight in row 0, column 0").input_value() == "0.3333"
    assert page.get_by_text("The weights sum to 0,").is_visible()


def test_playground_keeps_the_other_weights_exact_when_the_reader_types_one(page, rng):
    image = np.round(rng.random((9, 7)) * 255) / 255
    page.set_content(live.KernelPlayground(image, KERNELS, alt=ALT).html())
    page.get_by_label("Weight in row 1, column 1").fill("2.5")
    found = page.evaluate("[...document.querySelector('.cnn-live').result]")
    kernel = np.full((3, 3), 1 / 9)
    kernel[1, 1] = 2.5
    expected = correlate2d(image, kernel, border="replicate")
    assert np.abs(np.reshape(found, image.shape) - expected).max() < 1e-12


def test_playground_follows_a_weight_that_the_reader_types(page, rng):
    image = np.round(rng.random((9, 7)) * 255) / 255
    page.set_content(live.KernelPlayground(image, {"zero": np.zeros((3, 3))}, alt=ALT).html())
    page.get_by_label("Weight in row 0, column 2").fill("2.5")
    found = page.evaluate("[...document.querySelector('.cnn-live').result]")
    expected = correlate2d(image, [[0, 0, 2.5], [0, 0, 0], [0, 0, 0]], border="replicate")
    assert np.abs(np.reshape(found, image.shape) - expected).max() < 1e-12
    assert page.get_by_label("Kernel to start from").input_value() == "-1"


def test_playground_spells_out_the_sum_under_the_pointer(page):
    image = np.zeros((4, 4))
    image[1, 1] = 1
    page.set_content(live.KernelPlayground(image, KERNELS, alt=ALT).html())
    page.get_by_label("Kernel to start from").select_option("asymmetric")
    box = page.get_by_label(ALT).locator("canvas").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.4)
    assert (
        page.get_by_text("Row 1, column 1:")
        .inner_text()
        .endswith("1.00·0.5 + 0.00·0 + 0.00·0 + 0.00·0 + 0.00·(-4) = 0.50")
    )


def test_playground_keeps_its_mark_and_renews_its_sum_when_the_kernel_changes(page):
    image = np.zeros((4, 4))
    image[1, 1] = 1
    page.set_content(live.KernelPlayground(image, KERNELS, alt=ALT).html())
    canvas = page.get_by_label(ALT).locator("canvas").first
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.4)
    marked = canvas.evaluate("canvas => canvas.toDataURL()")
    assert page.get_by_text("Row 1, column 1:").inner_text().endswith("0.00·0.1111 = 0.11")
    page.get_by_label("Kernel to start from").select_option("asymmetric")
    assert page.get_by_text("Row 1, column 1:").inner_text().endswith("0.00·(-4) = 0.50")
    page.get_by_label("Weight in row 1, column 1").fill("3")
    assert page.get_by_text("Row 1, column 1:").inner_text().endswith("0.00·(-4) = 3.00")
    assert canvas.evaluate("canvas => canvas.toDataURL()") == marked


def test_sliding_fills_the_output_step_by_step(page):
    page.set_content(live.Sliding(np.arange(1, 10).reshape(3, 3), [[1, 0], [0, 1]], alt=ALT).html())
    for _ in range(2):
        page.get_by_role("button", name="Next").click()
    output = page.locator(".cnn-live table").nth(2)
    assert output.locator("td").all_inner_texts() == ["6", "8", "12", ""]
    assert page.get_by_text("Row 1, column 0: 4·1 + 5·0 + 7·0 + 8·1 = 12").is_visible()


def test_sliding_with_a_stride_reads_where_it_says(page):
    figure = live.Sliding(np.arange(1, 10).reshape(3, 3), [[1, 1]], stride=2, padding=1, alt=ALT)
    page.set_content(figure.html())
    page.get_by_label("Position of the kernel").fill("2")
    tables = page.locator(".cnn-live table")
    assert tables.nth(2).locator("tr").count() == 3
    on = (
        tables.nth(0)
        .locator("td")
        .evaluate_all(
            "cells => cells.flatMap((cell, k) => cell.classList.contains('on') ? [k] : [])"
        )
    )
    assert on == [10, 11]  # row 2, columns 0 and 1 of five: the left one is padding
    assert tables.nth(0).locator("td.padding").count() == 25 - 9
    assert page.get_by_text("Row 1, column 0: 0·1 + 4·1 = 4").is_visible()


def set_sliders(page, values):
    for (title, _, _), value in zip(live._SLIDERS.values(), values, strict=True):
        page.get_by_label(title, exact=True).fill(str(value))


def test_geometry_counts_what_output_size_and_pixel_coverage_do(page):
    page.set_content(live.Geometry(7, 3, alt=ALT).html())
    lows_and_highs = [(5, 14), (2, 7), (1, 3), (0, 2), (1, 2)]
    seen = 0
    for values in itertools.product(*lows_and_highs):
        set_sliders(page, values)
        found = page.evaluate("document.querySelector('.cnn-live').result")
        H, R, s, p, d = values
        if d * (R - 1) + 1 > H + 2 * p:
            assert found["count"] == 0
            assert page.get_by_text("the kernel reaches over").is_visible()
            continue
        seen += 1
        assert found["count"] == output_size(*values)
        coverage = pixel_coverage((H, H), (R, 1), (s, 1), (p, 0), (d, 1))[:, 0]
        assert found["counts"] == coverage.tolist()
        assert page.locator("svg .output").count() == found["count"]
        assert page.get_by_text(f"− {d}·({R} − 1) − 1) / {s}⌋ + 1 = {found['count']} ").is_visible()
    assert seen > 20


def test_geometry_marks_what_the_chosen_output_reads(page):
    page.set_content(live.Geometry(7, 3, stride=2, padding=1, alt=ALT).html())
    assert page.get_by_text("Output 0 reads padding, pixel 0, pixel 1.").is_visible()
    page.locator("svg rect.output").nth(2).hover()
    assert page.get_by_text("Output 2 reads pixel 3, pixel 4, pixel 5.").is_visible()
    page.get_by_label("output shown").fill("3")
    assert page.get_by_text("Output 3 reads pixel 5, pixel 6, padding.").is_visible()
    assert page.locator("svg line.on").count() == 3
    page.get_by_label("stride s").fill("4")  # two outputs are left: the last one is shown
    assert page.get_by_text("Output 1 reads pixel 3, pixel 4, pixel 5.").is_visible()


def test_player_shows_the_frame_that_the_slider_names(page):
    frames = show.frames({"first": np.eye(2), "second": 1 - np.eye(2)}, alt=ALT)
    page.set_content(frames._repr_html_())
    page.get_by_label("Frame").fill("1")
    assert page.get_by_alt_text(f"{ALT} Frame 2 of 2: second").is_visible()
    page.get_by_role("button", name="Play").click()
    page.get_by_alt_text("Frame 1 of 2: first").wait_for(timeout=5000)
    page.get_by_role("button", name="Pause").click()


def test_wipe_of_small_images_shows_their_pixels(page):
    page.set_content(show.wipe({"a": np.eye(3), "b": np.eye(3)}, alt=ALT)._repr_html_())
    looks = page.locator(".wipe img").evaluate_all(
        "all => all.map(image => getComputedStyle(image).imageRendering)"
    )
    assert looks == ["pixelated", "pixelated"]


def test_wipe_uncovers_as_much_as_its_slider_says(page):
    figure = show.wipe({"front": np.zeros((9, 40)), "back": np.ones((9, 40))}, alt=ALT)
    page.set_content(figure._repr_html_())
    page.get_by_label("Border between front and back").fill("25")
    shown = page.get_by_alt_text("front").evaluate("image => image.style.clipPath")
    assert shown.startswith("inset(0px 75% 0px 0px")
    page.get_by_alt_text("front").wait_for()  # until it is decoded it has no height
    box = page.locator(".wipe").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 5)
    page.mouse.up()
    assert 88 <= int(page.get_by_label("Border between front and back").input_value()) <= 92
