"""Write the exercises of every chapter into its notebook, from the catalogue in the package.

`make format` runs it; a test compares. A cell of your own after an exercise stays, if its id is
that of the exercise with "-more" behind it.
"""

import json
from pathlib import Path

from cnncourse.exercises import catalogue
from cnncourse.exercises.cells import starter_text, statement_text

BOOK = Path(__file__).resolve().parent
HEAD = """## Exercises

Write your answer where it says so, and run the cell.
`check` compares it with the right one on many cases; where they differ, it shows the first case, and says what the mistake probably is.
`hint("…")` gives the next hint.
The solutions are folded away."""


def section(chapter, number, kept=()):
    """Return the cells of a chapter's section of exercises."""
    cells = [_cell(f"{chapter.split('_')[-1]}-exercises", HEAD)]
    for place, exercise in enumerate(catalogue(chapter), start=1):
        stem = f"exercise-{exercise.name.split('/')[1]}"
        solve = f'solution("{exercise.name}")'
        cells += [
            _cell(stem, statement_text(exercise, f"{number}.{place}")),
            _cell(
                f"{stem}-starter",
                starter_text(exercise),
                ["exercise", "remove-output"],
            ),
            _cell(f"{stem}-answer", solve, ["hide-cell", "solution"]),
            *(cell for cell in kept if cell["id"] == f"{stem}-more"),
        ]
    return cells


def with_exercises(notebook, chapter, number):
    """Return a notebook's cells, its section of exercises made anew."""
    cells = notebook["cells"]
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
            cell["metadata"]["mystnb"] = {
                "code_prompt_show": "Show the solution"
            }
            cell["metadata"]["jupyter"] = {"source_hidden": True}
    return cell


def _lines(text):
    """Return a text as notebooks store it."""
    return text.splitlines(keepends=True)


def main():
    """Write all notebooks whose exercises have changed."""
    for path in sorted(BOOK.glob("[0-9][0-9]_*.ipynb")):
        notebook = json.loads(path.read_text("utf-8"))
        cells = with_exercises(notebook, path.stem[3:], int(path.stem[:2]))
        if cells != notebook["cells"] and catalogue(path.stem[3:]):
            notebook["cells"] = cells
            path.write_text(
                json.dumps(notebook, indent=1, ensure_ascii=False) + "\n",
                "utf-8",
            )
            print("wrote", path.name)


if __name__ == "__main__":
    main()
