"""Write what all notebooks share: the first cell, and the exercises from the package's catalogue.

`make format` runs it; a test compares. A cell of your own after an exercise stays, if its id is
that of the exercise with "-more" behind it. With arguments, only those chapters: ``edges pooling``.
"""

import json
import sys
import tomllib
from pathlib import Path

from cnncourse.exercises import catalogue
from cnncourse.exercises.cells import starter_text, statement_text

BOOK = Path(__file__).resolve().parent
PROJECT = tomllib.loads((BOOK.parent / "pyproject.toml").read_text("utf-8"))[
    "project"
]
SETUP = f"""try:  # Colab has no cnncourse yet; elsewhere this cell only imports
    import cnncourse
except ImportError:
    %pip install -q "cnncourse @ git+{PROJECT["urls"]["Repository"]}"

import numpy as np

from cnncourse import data, show
from cnncourse.check import matches
from cnncourse.exercises import check, hint, solution"""
HEAD = """## Exercises

Write your answer where it says so, and run the cell.
`check` compares it with the right one on many cases; where they differ, it shows the first case, and says what the mistake probably is.
`hint("…")` gives the next hint.
The solutions are folded away.
(On a page of the book, the rocket at the top opens the chapter in a place where cells run.)"""


def section(chapter, number, kept=()):
    """Return the cells of a chapter's section of exercises."""
    cells = [_cell(f"{chapter.split('_')[-1]}-exercises", HEAD)]
    for place, exercise in enumerate(catalogue(chapter), start=1):
        stem = f"exercise-{exercise.name.split('/')[1]}"
        text, start = (
            statement_text(exercise, f"{number}.{place}"),
            starter_text(exercise),
        )
        cells.append(_cell(stem, text))
        cells.append(
            _cell(f"{stem}-starter", start, ["exercise", "remove-output"])
        )
        if exercise.kind != "project":
            solve = f'solution("{exercise.name}")'
            cells.append(
                _cell(f"{stem}-answer", solve, ["hide-cell", "solution"])
            )
        for cell in kept:
            if cell["id"] == f"{stem}-more":  # what an answer is good for
                more = "".join(cell["source"])
                cells.append(_cell(cell["id"], more, ["hide-cell", "more"]))
    return cells


def written(notebook, chapter, number):
    """Return a notebook's cells, with the first cell and the exercises as they should be."""
    cells = [dict(cell) for cell in notebook["cells"]]
    next(cell for cell in cells if cell["id"] == "setup")["source"] = _lines(
        SETUP
    )
    titles = ["".join(cell["source"]).split("\n")[0] for cell in cells]
    first, end = (
        titles.index("## Exercises"),
        titles.index("## Further reading"),
    )
    return (
        cells[:first] + section(chapter, number, cells[first:end]) + cells[end:]
    )


def _cell(name, text, tags=None):
    """Return a cell of a notebook: code if it has tags."""
    cell = {
        "cell_type": "markdown",
        "id": name,
        "metadata": {},
        "source": _lines(text),
    }
    if tags is not None:
        cell |= {"cell_type": "code", "execution_count": None, "outputs": []}
        cell["metadata"] = {"tags": tags}
        if "hide-cell" in tags:
            what = "what it does" if "more" in tags else "the solution"
            cell["metadata"]["mystnb"] = {
                "code_prompt_show": f"Show {what}",
                "code_prompt_hide": f"Hide {what}",
            }
            cell["metadata"]["jupyter"] = {"source_hidden": True}
    return cell


def _lines(text):
    """Return a text as notebooks store it."""
    return text.splitlines(keepends=True)


def main(chapters):
    """Write the notebooks of these chapters, or all, where something has changed."""
    for path in sorted(BOOK.glob("[0-9][0-9]_*.ipynb")):
        number, _, chapter = path.stem.partition("_")
        notebook = json.loads(path.read_text("utf-8"))
        cells = written(notebook, chapter, int(number))
        if cells != notebook["cells"] and chapter in (chapters or [chapter]):
            notebook["cells"] = cells
            path.write_text(
                json.dumps(
                    notebook, indent=1, ensure_ascii=False, sort_keys=True
                )
                + "\n",
                "utf-8",
            )
            print("wrote", path.name)


if __name__ == "__main__":
    main(sys.argv[1:])
