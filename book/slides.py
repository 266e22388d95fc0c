"""Make slides of every chapter out of the executed notebooks: ``make slides``.

A section becomes a slide with others below it. Sentences become points, for the notebooks have one
on each line; figures stay alive; long code, checks and solutions stay in the book. The pages load
nothing from the network.
"""

import ast
import html
import re
import sys
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter
from traitlets.config import Config

BOOK = Path(__file__).resolve().parent
BUILD = BOOK.parent / "_build"
ROOM = 21  # lines that a slide holds
FIGURE = 11  # lines that a figure takes
PLAIN = re.compile(r"^(?![#|>$<\-\s]|\d+\. |\* |\*\*[^*]*\*\*$).+")


def planned(notebook):
    """Return a notebook of which every cell belongs to a slide."""
    cells, part, filled = [], "", 0
    for cell in notebook.cells:
        part = (re.findall(r"^## (.*)$", cell.source, re.M) or [part])[0]
        if part == "Further reading":
            break
        new = _shown(cell, part)
        if new is None:
            continue
        kind, size = _kind(cell.source, part), _size(new)
        if kind == "-" and filled + size > ROOM:
            kind = "subslide"
        if kind == "subslide" and part:
            cells.append(_running_head(part))
            kind, filled = "-", 0
        filled = size + (filled if kind == "-" else 0)
        new.metadata["slideshow"] = {"slide_type": kind}
        cells.append(new)
    title = re.match(r"# (.*)", cells[0].source)[1]
    return nbformat.v4.new_notebook(
        cells=cells, metadata=notebook.metadata | {"title": title}
    )


def _running_head(part):
    """Begin a slide below a section's first by the section's title, small."""
    cell = nbformat.v4.new_markdown_cell(
        f'<p class="part">{html.escape(part)}</p>'
    )
    cell.metadata["slideshow"] = {"slide_type": "subslide"}
    return cell


def points(text):
    """Return Markdown whose sentences, one a line, are points of a list.

    Paragraphs of one sentence stay as they are, and so do lists, tables, formulas and boxes.
    """
    if "<div" in text or "```" in text:
        return text
    blocks = re.split(r"\n\s*\n", text)
    return "\n\n".join(map(_points_of, blocks))


def _points_of(block):
    lines = block.splitlines()
    if len(lines) < 2 or not all(PLAIN.match(line) for line in lines):
        return block
    return "\n".join(f"- {line}" for line in lines)


def _kind(text, part):
    """Return where a cell belongs: a slide to the right, one below, or the same as before."""
    if text.startswith(("# ", "## ")) or (
        part == "Exercises" and text.startswith("### ")
    ):
        return "slide"
    return "subslide" if "<div" in text else "-"


def _size(cell):
    """Return how many lines a cell takes on a slide, about."""
    size = sum(
        1 + len(line) // 80 for line in cell.source.splitlines() if line.strip()
    )
    return size + FIGURE * any(map(_is_figure, cell.get("outputs", [])))


def _shown(cell, part):
    """Return what a slide shows of a cell, or None."""
    if cell.cell_type == "code":
        return _shown_code(cell)
    text = re.sub(r"<details>.*?</details>", "", cell.source, flags=re.S)
    if text.startswith("# "):
        text = text.split("**What you will see**")[0]
    if part == "Exercises" and text.startswith("## "):
        text = "## Exercises"
    return nbformat.v4.new_markdown_cell(points(text.strip()))


def _shown_code(cell):
    """Return a figure, with the code before it if there is little; or a little code; or None."""
    tags = set(cell.metadata.get("tags", []))
    checks = re.search(r"^\s*(assert|matches)\b", cell.source, re.M)
    figures = [output for output in cell.outputs if _is_figure(output)]
    if tags & {"remove-cell", "hide-cell", "exercise"} or (
        checks and not figures
    ):
        return None
    text = _before_the_figure(cell.source) if figures else cell.source
    if len(text.splitlines()) > ROOM - FIGURE * bool(figures):
        text = ""
    if not text and not figures:
        return None
    new = nbformat.v4.new_code_cell(text, outputs=figures or cell.outputs)
    new.metadata["tags"] = [] if text else ["remove-input"]
    return new


def _before_the_figure(text):
    """Return a cell's code without the call that draws, and nothing if only imports remain."""
    tree = ast.parse(re.sub(r"(?m)^\s*[%!].*$", "pass", text))
    *steps, last = tree.body
    if not isinstance(last, ast.Expr):
        steps = tree.body
    if all(isinstance(step, ast.Import | ast.ImportFrom) for step in steps):
        return ""
    return "\n".join(text.splitlines()[: steps[-1].end_lineno])


def _is_figure(output):
    """Say whether an output is drawn."""
    return "text/html" in output.get("data", {})


def exporter():
    """Return nbconvert's exporter with our page around the slides."""
    remove = {"enabled": True, "remove_input_tags": {"remove-input"}}
    return SlidesExporter(
        config=Config(TagRemovePreprocessor=remove),
        template_name="slides",
        extra_template_basedirs=[str(BOOK)],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )


def main():
    """Write the slides of every chapter, and a page that lists them."""
    target = BUILD / "html" / "slides"
    sources = sorted(
        (BUILD / "jupyter_execute" / "book").glob("[0-9][0-9]_*.ipynb")
    )
    if not sources:
        sys.exit("The book is not built: say `make slides`.")
    target.mkdir(exist_ok=True)
    export, links = exporter(), []
    for path in sources:
        notebook = planned(nbformat.read(path, as_version=4))
        body, _ = export.from_notebook_node(notebook)
        (target / f"{path.stem}.html").write_text(body, "utf-8")
        title = html.escape(notebook.metadata["title"])
        links.append(f'<li><a href="{path.stem}.html">{title}</a></li>')
    (target / "index.html").write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Slides</title>'
        '<link rel="icon" href="../_static/favicon.svg">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<main><h1>Slides</h1><p>Arrow keys: right to the next section, down through it; "
        f"Esc for an overview.</p><ol>{''.join(links)}</ol></main></html>\n",
        "utf-8",
    )
    print(target / "index.html")


if __name__ == "__main__":
    main()
