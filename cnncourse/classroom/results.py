"""Write what a grading came to: tables, a page for every student, a report for the class."""

import csv
import html
import re
from collections import Counter
from pathlib import Path

from cnncourse.check import as_one_of
from cnncourse.classroom.assignment import FILE, load
from cnncourse.exercises import find
from cnncourse.exercises.report import as_html

RUBRICS = "rubrics.csv"
"""The table in which an instructor gives points for projects; what is in it is never lost."""


def write_results(assignment, records, results):
    """Write all files of a grading.

    Parameters
    ----------
    assignment : Assignment
        What was asked.
    records : list of dict
        From `grading.grade`.
    results : str or Path
        The folder: ``grades.csv``, ``canvas.csv``, ``moodle.csv``, ``report.html``,
        ``feedback/<student>.html`` and, if there are projects, ``rubrics.csv``. Points that you
        have written into the latter are added.

    Returns
    -------
    list of dict
        The records with the projects' points.

    Raises
    ------
    ValueError
        If ``rubrics.csv`` is another table, or a number in it is no number, or too large.
    """
    results = Path(results)
    given = read_rubrics(assignment, results / RUBRICS)
    records = [_with_projects(record, given.get(record["student"], {})) for record in records]
    write_rubrics(assignment, records, given, results / RUBRICS)
    _write_table(results / "grades.csv", _grades(assignment, records))
    _write_table(results / "canvas.csv", _canvas(assignment, records))
    _write_table(results / "moodle.csv", _moodle(assignment, records))
    (results / "report.html").write_text(class_report(assignment, records), "utf-8")
    feedback = results / "feedback"
    feedback.mkdir(exist_ok=True)
    for name, record in zip(_file_names(records), records, strict=True):
        (feedback / name).write_text(student_page(assignment, record), "utf-8")
    return records


def claim(assignment, results):
    """Make the folder of results an assignment's own.

    Raises
    ------
    ValueError
        If it holds the results of another one.
    """
    results = Path(results)
    if (results / FILE).exists() and (other := load(results).name) != assignment.name:
        raise ValueError(f"results: {results} holds those of {other}: give another --out")
    results.mkdir(parents=True, exist_ok=True)
    assignment.save(results)


def criteria(assignment):
    """Return the lines of the projects' rubrics: the title of a column, and the most it gives."""
    projects = [find(name) for name in assignment.exercises if find(name).kind == "project"]
    return {_column(e, line): line.points for e in projects for line in e.rubric}


def _column(exercise, line):
    """Return the title of the column in which a criterion is judged."""
    return f"{exercise.name.split('/')[1]}: {line.text} (of {line.points:g})"


def read_rubrics(assignment, path):
    """Return the points that were given by hand: student, then criterion."""
    if not path.exists():
        return {}
    most, given = criteria(assignment), {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        mark = ";" if file.readline().startswith("student;") else ","  # as some spreadsheets save
        file.seek(0)
        table = csv.DictReader(file, delimiter=mark)
        if not {"student", *most} <= {*(table.fieldnames or ())}:  # it would be written over
            raise ValueError(
                f"{RUBRICS}: expected the columns of {assignment.name}, got another table, which "
                "would be written over: give another --out"
            )
        for row in table:
            student = _as_written(row.pop("student") or "")
            given[student] = {
                t: _given_points(v, most[t], student, t) for t, v in row.items() if t in most
            }
    return given


def write_rubrics(assignment, records, given, path):
    """Write the table for the points of projects, with those that were given."""
    lines = criteria(assignment)
    if not lines:
        return
    rows = [["student", *lines]]
    for record in records:
        known = given.get(record["student"], {})
        rows.append([record["student"], *(_as_cell(known.get(line)) for line in lines)])
    here = {record["student"] for record in records}
    for student, known in given.items():  # who is not among these submissions keeps the points
        if student not in here and any(points is not None for points in known.values()):
            rows.append([student, *(_as_cell(known.get(line)) for line in lines)])
    _write_table(path, rows)


def class_report(assignment, records):
    """Return the report for the instructor: totals, exercises, mistakes, and who needs a look."""
    parts = [f"<h1>{html.escape(assignment.title)}</h1>", _overview(records), _histogram(records)]
    parts += [_item_table(assignment, records), _mistakes(assignment, records), _looks(records)]
    return _page(assignment.title, "".join(parts))


def student_page(assignment, record):
    """Return the feedback for one student, without hidden answers."""
    points = f"{record['total']:g} of {record['of']:g} points"
    parts = [
        f"<h1>{html.escape(assignment.title)}</h1>",
        f"<p>{html.escape(record['student'])}: <b>{points}</b></p>",
    ]
    for name, row in record["exercises"].items():
        parts.append(_exercise_feedback(find(name), row))
    if record["errors"]:
        lines = [
            f"<li>cell {c}: <code>{html.escape(e)}</code></li>" for c, e in record["errors"].items()
        ]
        parts.append(f"<h2>Cells that raised an error</h2><ul>{''.join(lines)}</ul>")
    if unreadable := [note for note in record["notes"] if "STUDENT" not in note]:
        parts.append(f"<p>{html.escape('; '.join(unreadable))}</p>")
    return _page(f"{assignment.title}: {record['student']}", "".join(parts))


def mistakes_of(records):
    """Count the causes: (exercise, mistake) to how many students, the commonest first.

    Examples
    --------
    >>> mistakes_of([])
    []
    """
    found = Counter(
        (name, row["cause"]["name"])
        for record in records
        for name, row in record["exercises"].items()
        if row["cause"]
    )
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))


def _with_projects(record, given):
    """Return a record with the points that were given by hand."""
    rows = dict(record["exercises"])
    for name, row in rows.items():
        exercise = find(name)
        if exercise.kind != "project":
            continue
        lines = [(line, given.get(_column(exercise, line))) for line in exercise.rubric]
        if all(points is None for _, points in lines):
            continue
        share = sum(points or 0 for _, points in lines) / exercise.points
        feedback = [
            f"{line.text}: {_as_cell(points) or '–'} of {line.points:g}" for line, points in lines
        ]
        more = {"points": round(share * row["of"], 2), "state": "read", "feedback": feedback}
        rows[name] = {**row, **more, "details": feedback}
    total = round(sum(row["points"] for row in rows.values()), 2)
    return {**record, "exercises": rows, "total": total}


def _given_points(text, most, student, criterion):
    """Return a cell of the rubrics' table as a number, or None."""
    if not (text or "").strip():
        return None
    try:
        value = float(text.replace(",", "."))
        if 0 <= value <= most:
            return value
    except ValueError:
        pass
    raise ValueError(
        f"{RUBRICS}: expected 0 to {most:g} for {student}, {criterion!r}, got {text!r}"
    )


def _grades(assignment, records):
    """Return the rows of the plain table."""
    head = ["student", "total", "of", *assignment.exercises, "notes"]
    rows = [head]
    for r in records:
        found = r["exercises"].values()
        points = ["" if row["state"] == "by hand" else f"{row['points']:g}" for row in found]
        rows.append(
            [r["student"], f"{r['total']:g}", f"{r['of']:g}", *points, "; ".join(r["notes"])]
        )
    return rows


def _canvas(assignment, records):
    """Return the rows of Canvas's gradebook import; a number in the file's name is Canvas's ID."""
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", assignment.name]
    worth = ["    Points Possible", "", "", "", "", f"{sum(assignment.points):g}"]
    rows = [[r["student"], r["number"], "", r["student"], "", f"{r['total']:g}"] for r in records]
    return [head, worth, *rows]


def _moodle(assignment, records):
    """Return the rows of Moodle's grade import, to be matched by user name."""
    rows = [[r["student"], f"{r['total']:g}"] for r in records]
    return [["username", assignment.name], *rows]


def _write_table(path, rows):
    """Write a CSV file; what a spreadsheet would take for a formula becomes text."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([[_harmless(cell) for cell in row] for row in rows])


def _harmless(cell):
    """Return a cell that no spreadsheet computes, not even one that parts cells at semicolons."""
    return re.sub(r"(^|[;\t\r\n])(?=\s*[=+@＝＋－＠\t\r-])", r"\1'", str(cell))


def _as_written(cell):
    """Return a student's name from a cell that was made harmless."""
    return re.sub(r"(^|[;\t\r\n])'(?=\s*[=+@＝＋－＠\t\r-])", r"\1", cell)


def _as_cell(points):
    """Return points as a cell."""
    return "" if points is None else f"{points:g}"


def _file_names(records):
    """Return a file name for every student's page, all different."""
    taken, names = set(), []
    for record in records:
        plain = "".join(c if c.isalnum() or c in "-." else "_" for c in record["student"])[:50]
        endings = ("", *(f"-{number}" for number in range(2, len(records) + 2)))
        name = next(plain + end for end in endings if (plain + end).lower() not in taken)
        taken.add(name.lower())
        names.append(f"{name}.html")
    return names


def _exercise_feedback(exercise, row):
    """Return what a student's page says of one exercise."""
    lines = row["feedback"] or ["Right."]
    body = "".join(f"<p>{as_html(line)}</p>" for line in lines)
    state = as_one_of(row["state"], ("right", "wrong", "empty", "by hand", "read"), "state")
    got = "not read yet," if state == "by hand" else f"{row['points']:g}"
    return (
        f'<section class="{state.replace(" ", "-")}"><h2>{html.escape(exercise.title)} '
        f"<small>{got} of {row['of']:g}</small></h2>{body}</section>"
    )


def _overview(records):
    """Return the first paragraph of the report."""
    totals = sorted(record["total"] for record in records)
    middle = (totals[(len(totals) - 1) // 2] + totals[len(totals) // 2]) / 2
    text = (
        f"<p>{len(records)} students, {records[0]['of']:g} points to earn. "
        f"Median {middle:g}, least {totals[0]:g}, most {totals[-1]:g}.</p>"
    )
    if unread := _unread(records):
        text += f"<p><strong>{unread} projects are not read yet</strong> and count 0 so far.</p>"
    return text


def _unread(records):
    """Count the projects that wait for their points."""
    states = [row["state"] for record in records for row in record["exercises"].values()]
    return states.count("by hand")


def _histogram(records):
    """Return the totals as bars: ten ranges of the points."""
    most = records[0]["of"] or 1
    counts = Counter(min(9, int(10 * record["total"] / most)) for record in records)
    largest = max(counts.values())
    bars = []
    for i in range(10):
        label = f"{most * i / 10:g}–{most * (i + 1) / 10:g}"
        bar = f'<i style="width:{100 * counts[i] / largest:.0f}%"></i>'
        bars.append(
            f'<tr><th scope="row">{label}</th><td class="bar">{bar}</td><td>{counts[i]}</td></tr>'
        )
    return f"<h2>Points</h2><table><caption>Students by points</caption>{''.join(bars)}</table>"


def _item_table(assignment, records):
    """Return the difficulty of each exercise."""
    head = "<tr><th>exercise</th><th>all right</th><th>mean</th><th>no answer</th></tr>"
    lines = []
    for name, worth in assignment.worth.items():
        rows = [record["exercises"][name] for record in records]
        right = sum(row["points"] >= row["of"] for row in rows)
        mean = sum(row["points"] for row in rows) / len(rows) / worth
        empty = sum(row["state"] == "empty" for row in rows)
        cells = [f"{right / len(rows):.0%}", f"{mean:.0%}", str(empty)]
        if all(row["state"] == "by hand" for row in rows):
            cells = ["not read yet", "", ""]
        title = html.escape(find(name).title)
        lines.append(f"<tr><td>{title}</td>{''.join(f'<td>{c}</td>' for c in cells)}</tr>")
    return f"<h2>Exercises</h2><table>{head}{''.join(lines)}</table>"


def _mistakes(assignment, records):
    """Return the commonest mistakes with their sentences."""
    sentences = {
        (name, row["cause"]["name"]): row["cause"]["sentence"]
        for record in records
        for name, row in record["exercises"].items()
        if row["cause"]
    }
    lines = [
        f"<tr><td>{many}</td><td>{html.escape(find(name).title)}</td>"
        f"<td>{as_html(mistake)}</td><td>{as_html(sentences[name, mistake])}</td></tr>"
        for (name, mistake), many in mistakes_of(records)[:20]
    ]
    if not lines:
        return ""
    head = "<tr><th>students</th><th>exercise</th><th>mistake</th><th>what they were told</th></tr>"
    return f"<h2>Commonest mistakes</h2><table>{head}{''.join(lines)}</table>"


def _looks(records):
    """Return what needs an instructor's look: notes, and two students with one variant."""
    lines = [(r["student"], note) for r in records for note in r["notes"]]
    said = Counter(record["variant"] for record in records if record["variant"])
    for record in records:
        if said[record["variant"]] > 1:
            others = said[record["variant"]] - 1
            note = f"has the numbers of {record['variant']!r}, as {others} more"
            lines.append((record["student"], note))
    items = "".join(f"<li>{html.escape(s)}: {html.escape(note)}</li>" for s, note in lines)
    return f"<h2>To look at</h2><ul>{items}</ul>" if items else ""


def _page(title, body):
    """Return a page that needs nothing else."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style><main>{body}</main></html>\n"
    )


_STYLE = """
:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;margin:0}
main{max-width:46rem;margin:0 auto;padding:1rem;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.2}h2{font-size:1.1rem;margin:1.6rem 0 .3rem}
section{border-left:.3rem solid #7f7f7f;padding:.1rem .8rem;margin:1rem 0}
section h2{margin:.3rem 0}section p{margin:.3rem 0}
.right{border-color:#009e73}.wrong{border-color:#d55e00}
small{font-weight:400;opacity:.75;margin-left:.5rem}
td,th{overflow-wrap:break-word;hyphens:auto}th{white-space:nowrap}
code{font-family:ui-monospace,monospace;font-size:.9em}
table{border-collapse:collapse;width:100%}caption{text-align:left;opacity:.75}
td,th{border-bottom:1px solid #8885;padding:.25rem .6rem .25rem 0}
td,th{text-align:left;vertical-align:top}
.bar{width:60%}.bar i{background:#0072b2;display:block;height:1rem}
""".strip()


def summary(records):
    """Return the last lines that the command prints.

    Examples
    --------
    >>> summary([{"total": 3, "of": 4, "notes": ["x"], "exercises": {}}])
    '1 graded, mean 3 of 4 points, 1 to look at'
    """
    mean = sum(record["total"] for record in records) / len(records)
    noted = sum(bool(record["notes"]) for record in records)
    text = f"{len(records)} graded, mean {mean:.3g} of {records[0]['of']:g} points"
    text += f", {noted} to look at"
    if unread := _unread(records):
        text += f"\n{unread} projects not read: write points into {RUBRICS}, and run this again"
    return text
