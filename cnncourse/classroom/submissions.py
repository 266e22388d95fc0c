"""Find what students have handed in, and read it, whatever it may be."""

import hashlib
import json
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

LARGEST = 20_000_000
"""Bytes; a notebook without large outputs has a hundredth of that."""

MOST_CELLS = 1_000
"""Code cells; every one may leave an error in the record."""

_SUFFIX = re.compile(r"\.ipynb(\.txt|\.json)?$", re.IGNORECASE)  # as browsers save it, too


@dataclass
class Submission:
    """One student's work.

    Parameters
    ----------
    student : str
        From the name of the folder or file.
    number : str
        By which Canvas or Moodle knows the student, if the file's name has it.
    path : Path or None
        Of the notebook; None if there is none.
    cells : list of (int, str)
        Its code cells with their places.
    said : str
        The name that the notebook says in ``STUDENT = "…"``.
    assignment : str
        The name of the assignment that the notebook was made for, if it says one.
    notes : list of str
        What an instructor should know.
    digest : str
        Of the file.
    """

    student: str
    number: str = ""
    path: Path | None = None
    cells: list = field(default_factory=list)
    said: str = ""
    assignment: str = ""
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
    for path in sorted(folder.resolve().iterdir()):  # links above it are the instructor's
        if not path.name.startswith((".", "__")) and (path.is_dir() or _SUFFIX.search(path.name)):
            found.setdefault(_student_and_number(_without_suffix(path)), []).append(path)
    if not found:
        raise ValueError(
            f"submissions: expected notebooks or folders with one, got none in {folder}"
        )
    names = [student for student, _ in found]
    people = {  # two of one name are told apart by their numbers
        f"{student} {number}".strip() if names.count(student) > 1 else student: (number, paths)
        for (student, number), paths in found.items()
    }
    return [_chosen(student, *person, name) for student, person in sorted(people.items())]


def passed_over(folder):
    """Return the names of files that are no notebooks, such as a PDF that somebody handed in."""
    files = [path for path in sorted(Path(folder).iterdir()) if path.is_file()]
    return [_one_line(p.name) for p in files if p.name[0] != "." and not _SUFFIX.search(p.name)]


def student_of(stem):
    """Return the student's name in the name of a file or folder.

    Examples
    --------
    >>> student_of("kim"), student_of("kimanna_LATE_10234_998877_week4")
    ('kim', 'kimanna')
    >>> student_of("Anna Kim_10234_assignsubmission_file")
    'Anna Kim'
    """
    return _student_and_number(stem)[0]


def _student_and_number(stem):
    """Return the student's name, and the number that Moodle or Canvas knows the student by."""
    moodle = re.fullmatch(r"(.+?)_(\d+)_assignsubmission_file(?:_.*)?", stem, re.DOTALL)
    canvas = re.fullmatch(r"([^_]+)_(?:LATE_|late_)?(\d+)_\d+_.*", stem, re.DOTALL)
    found = moodle or canvas
    name, number = found.groups() if found else (stem, "")
    return _one_line(name), number


def _without_suffix(path):
    """Return the name of a folder or file without the notebook's suffix."""
    return _SUFFIX.sub("", path.name)


def _one_line(text):
    """Return a text that can be printed: macOS takes letters apart, and a name may be any bytes."""
    text = text.encode("utf-8", "backslashreplace").decode()
    plain = "".join(c if c.isprintable() else " " for c in unicodedata.normalize("NFC", text))
    return plain.strip()


def _chosen(student, number, paths, name):
    """Return the submission of a student, who may have handed in several files."""
    notebooks = []
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            inside = (p for p in path.rglob("*") if ".ipynb_checkpoints" not in p.parts)
            notebooks += sorted(p for p in inside if _SUFFIX.search(p.name) and not p.is_dir())
        else:
            notebooks.append(path)
    submission = Submission(student, number)
    if not notebooks:
        submission.notes.append("no notebook was handed in")
        return submission
    named = [p for p in notebooks if _without_suffix(p) == name]
    submission.path = (named or notebooks)[-1]
    if len(notebooks) > 1:
        others = ", ".join(p.name for p in notebooks if p != submission.path)[:200]
        note = f"several notebooks: {submission.path.name} counts, not {others}"
        submission.notes.append(_one_line(note))
    _read_notebook(submission)
    return submission


def _read_notebook(submission):
    """Read the notebook into its submission; what cannot be read becomes a note."""
    path = submission.path
    try:
        if path.is_symlink() or any(p.is_symlink() for p in path.parents if p.exists()):
            raise ValueError("it is a link to another file")
        if not path.is_file():  # to read a pipe is to wait for ever
            raise ValueError("it is no file")
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST // 1_000_000} MB")
        content = path.read_bytes()
        submission.digest = hashlib.sha256(content).hexdigest()
        notebook = json.loads(content.decode("utf-8-sig"))
        submission.cells = [
            (place, _source(cell))
            for place, cell in enumerate(notebook["cells"], start=1)
            if cell.get("cell_type") == "code"
        ]
        if len(submission.cells) > MOST_CELLS:
            raise ValueError(f"it has more than {MOST_CELLS} cells")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        submission.cells = []
        submission.notes.append(_one_line(f"the notebook cannot be read: {_in_words(error)}"))
        return
    name = _text_at(notebook, "metadata", "cnncourse", "assignment")
    submission.assignment = name if re.fullmatch(r"[\w-]{1,80}", name) else ""
    kernel = _text_at(notebook, "metadata", "kernelspec", "language")
    if kernel and kernel.lower() != "python":  # Colab's notebooks say none
        submission.notes.append(f"the notebook's kernel is {_one_line(kernel[:20])}, not Python")
    submission.said = _said(submission.cells)


def _text_at(value, *keys):
    """Return a text that lies deep in a dict, or an empty one."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _said(cells):
    """Return the last ``STUDENT = "…"`` that is not empty, with its spaces: the variant's name."""
    text = "\n".join(source for _, source in cells)
    pattern = r"(?m)^STUDENT[ \t]*=[ \t]*(?:([\"'])(.*?)\1|(\d+))"
    said = [name or number for _, name, number in re.findall(pattern, text)]
    last = next((name for name in reversed(said) if name.strip()), "")[:200]
    return last.encode("utf-8", "replace").decode()


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
