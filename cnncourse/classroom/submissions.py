"""Find what students have handed in, and read it, whatever it may be."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

LARGEST = 20_000_000
"""Bytes; a notebook without large outputs has a hundredth of that."""


@dataclass
class Submission:
    """One student's work.

    Parameters
    ----------
    student : str
        From the name of the folder or file.
    path : Path or None
        Of the notebook; None if there is none.
    cells : list of (int, str)
        Its code cells with their places.
    said : str
        The name that the notebook says in ``STUDENT = "…"``.
    notes : list of str
        What an instructor should know.
    """

    student: str
    path: Path | None = None
    cells: list = field(default_factory=list)
    said: str = ""
    notes: list = field(default_factory=list)
    digest: str = ""


def find_submissions(folder, name=""):
    """Return the submissions in a folder, sorted by student.

    Each is a notebook, ``kim.ipynb``, or a folder with one, ``kim/week4.ipynb``; names as Canvas
    and Moodle give them to downloaded files are understood.

    Parameters
    ----------
    folder : str or Path
        What you have downloaded.
    name : str
        Of the assignment: among several notebooks in a student's folder, that one counts.

    Raises
    ------
    ValueError
        If the folder is not there, or there is nothing in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"submissions: expected a folder, got {folder}")
    found = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_")) or (path.is_file() and path.suffix != ".ipynb"):
            continue
        student = student_of(path.stem if path.suffix == ".ipynb" else path.name)
        found.setdefault(student, []).append(path)
    if not found:
        raise ValueError(
            f"submissions: expected notebooks or folders with one, got none in {folder}"
        )
    return [_chosen(student, paths, name) for student, paths in sorted(found.items())]


def student_of(stem):
    """Return the student's name in the name of a file or folder.

    Examples
    --------
    >>> student_of("kim"), student_of("kimanna_late_10234_998877_week4")
    ('kim', 'kimanna')
    >>> student_of("Anna Kim_10234_assignsubmission_file")
    'Anna Kim'
    """
    moodle = re.fullmatch(r"(.+?)_\d+_assignsubmission_file_?", stem)
    canvas = re.fullmatch(r"([^_]+)_(?:late_)?\d+_\d+_.*", stem)
    return (moodle or canvas or re.fullmatch("(.*)", stem))[1].strip()


def _chosen(student, paths, name):
    """Return the submission of a student, who may have handed in several files."""
    notebooks = []
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            inside = sorted(p for p in path.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
            notebooks += inside
        else:
            notebooks.append(path)
    submission = Submission(student)
    if not notebooks:
        submission.notes.append("no notebook was handed in")
        return submission
    named = [p for p in notebooks if p.stem == name]
    submission.path = (named or notebooks)[-1]
    if len(notebooks) > 1:
        others = ", ".join(p.name for p in notebooks if p != submission.path)
        submission.notes.append(f"several notebooks: {submission.path.name} counts, not {others}")
    _read_notebook(submission)
    return submission


def _read_notebook(submission):
    """Read the notebook into its submission; what cannot be read becomes a note."""
    path = submission.path
    try:
        if path.is_symlink() or any(p.is_symlink() for p in path.parents if p.exists()):
            raise ValueError("it is a link to another file")
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST // 1_000_000} MB")
        content = path.read_bytes()
        submission.digest = hashlib.sha256(content).hexdigest()
        notebook = json.loads(content.decode("utf-8"))
        submission.cells = [
            (place, _source(cell))
            for place, cell in enumerate(notebook["cells"], start=1)
            if cell.get("cell_type") == "code"
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        submission.cells = []
        submission.notes.append(f"the notebook cannot be read: {_in_words(error)}")
        return
    kernel = notebook.get("metadata", {}).get("kernelspec", {}).get("language", "python")
    if kernel != "python":
        submission.notes.append(f"the notebook's kernel is {str(kernel)[:20]}, not Python")
    text = "\n".join(source for _, source in submission.cells)
    if said := re.search(r"(?m)^STUDENT\s*=\s*([\"'])(.*?)\1", text):
        submission.said = said[2].strip()


def _source(cell):
    """Return a cell's text, which may be stored in lines."""
    source = cell.get("source", "")
    text = "".join(source) if isinstance(source, list) else source
    if not isinstance(text, str):
        raise ValueError("a cell has no text")
    return text


def _in_words(error):
    """Say what is wrong with a file."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return "it is not JSON"
    if isinstance(error, ValueError | OSError):
        return str(error)[:200]
    return "it has not the form of a notebook"
