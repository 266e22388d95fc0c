"""Slides: planned from the notebooks, and opened in a browser."""

import importlib.util
import re

import nbformat
import pytest
from conftest import HTML, ROOT, chapters

new_markdown, new_code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("slides", ROOT / "book" / "slides.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def figure(text):
    """Return a cell that draws."""
    output = nbformat.v4.new_output("display_data", {"text/html": "<p>figure</p>"})
    return new_code(text, outputs=[output])


def kinds(planned):
    return [(c.metadata.slideshow.slide_type, c.source) for c in planned.cells]


def test_a_section_begins_a_slide_and_what_fits_stays_on_it(script):
    cells = [
        new_markdown("# Title\n\nA question?\n\n**What you will see**\n\n- much"),
        new_markdown("## Section\n\nOne.\nTwo."),
        figure("import numpy as np\n\nshow.images(photo)"),
        new_markdown("\n".join(f"Sentence {i}." for i in range(9))),
        new_markdown('<div class="admonition tip">\n\n**Box**\n\n</div>'),
    ]
    planned = script.planned(nbformat.v4.new_notebook(cells=cells))
    first, section, drawn, again, long, once_more, box = kinds(planned)
    assert first == ("slide", "# Title\n\nA question?")
    assert section == ("slide", "## Section\n\n- One.\n- Two.")
    assert drawn == ("-", "")
    assert again == once_more == ("subslide", '<p class="part">Section</p>')
    assert long[0] == box[0] == "-"
    assert planned.metadata.title == "Title"


def test_checks_solutions_and_what_comes_last_stay_in_the_book(script):
    hidden = new_code("x = 1", metadata={"tags": ["hide-cell", "solution"]})
    cells = [
        new_markdown("# Title"),
        new_code("assert 1 == 1"),
        hidden,
        new_code("y = 2"),
        new_markdown("## Exercises\n\nHow to."),
        new_markdown("### Exercise 1.1 · One\n\nDo it.\n\n<details>Hint</details>"),
        new_markdown("## Further reading"),
        new_markdown("A book."),
    ]
    planned = script.planned(nbformat.v4.new_notebook(cells=cells))
    assert [source for _, source in kinds(planned)] == [
        "# Title",
        "y = 2",
        "## Exercises",
        "### Exercise 1.1 · One\n\nDo it.",
    ]


def test_code_before_a_figure_is_shown_without_the_call_that_draws(script):
    cells = [new_markdown("# T"), figure("a = 1\nb = 2\nshow.images(a, alt='x')")]
    planned = script.planned(nbformat.v4.new_notebook(cells=cells))
    assert planned.cells[1].source == "a = 1\nb = 2"
    assert planned.cells[1].outputs


@pytest.mark.parametrize(
    "text",
    [
        "One sentence.",
        "- a\n- b",
        "| a | b |\n|---|---|",
        "$$x$$\nand",
        "**Bold**\nline",
        "1. a\n2. b",
    ],
)
def test_only_sentences_become_points(script, text):
    assert script.points(text) == text


def test_slides_work_without_a_network(script, browser, site):
    script.main()
    for path in chapters():
        page, asked, said = browser.new_page(viewport={"width": 1280, "height": 800}), [], []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("console", lambda message, said=said: said.append(message.text))
        page.on("pageerror", lambda error, said=said: said.append(str(error)))
        page.goto(f"{site}slides/{path.stem}.html")
        page.wait_for_function("window.Reveal && Reveal.isReady()")
        total = page.evaluate("Reveal.getTotalSlides()")
        assert total > 20
        page.keyboard.press("ArrowRight")
        assert page.evaluate("Reveal.getIndices().h") == 1
        assert page.evaluate("getComputedStyle(Reveal.getCurrentSlide()).overflowY") == "auto"
        assert {url for url in asked if not url.startswith((site, "data:", "blob:"))} == set()
        assert said == []
        page.close()
    links = re.findall(r'<a href="([^"]+)"', (HTML / "slides" / "index.html").read_text("utf-8"))
    assert links == [f"{path.stem}.html" for path in chapters()]
