"""The command line: ``cnncourse assignment new`` and ``check``, and ``cnncourse grade``."""

import argparse
import sys
from collections import Counter
from pathlib import Path

DESCRIPTION = """Exercises for a class: hand out, collect, grade, feed back.

  cnncourse exercises                          what there is
  cnncourse assignment new week4 --exercises convolution/count-outputs pooling
                                               write week4/: a notebook for the students
                                               (week4/release) and one with solutions
                                               (week4/source, also for nbgrader)
  cnncourse assignment check week4             the solutions earn all points, mistakes do not
  cnncourse grade SUBMISSIONS --out RESULTS --assignment week4
                                               SUBMISSIONS has kim.ipynb, lee.ipynb … or
                                               folders kim/, lee/ …; RESULTS gets grades.csv,
                                               canvas.csv, moodle.csv, report.html and a page
                                               of feedback for every student

The book's page "For instructors" has the rest."""


def main(arguments=None):
    """Do what the command line says; return the exit status."""
    words = _parser().parse_args(arguments)
    try:
        return words.do(words) or 0
    except (ValueError, RuntimeError, OSError) as error:
        print(f"cnncourse: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("cnncourse: stopped; the same command goes on from here", file=sys.stderr)
        return 130


def _parser():
    """Return the parser of the command line."""
    plain = {"formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = argparse.ArgumentParser("cnncourse", description=DESCRIPTION, **plain)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    listing = commands.add_parser("exercises", help="list the exercises")
    listing.add_argument("chapters", nargs="*", help="only these, such as pooling")
    listing.set_defaults(do=_list)

    assignment = commands.add_parser("assignment", help="make or check an assignment")
    parts = assignment.add_subparsers(required=True, metavar="new|check")
    new = parts.add_parser("new", help="write a folder with notebooks", **plain)
    new.add_argument("folder", type=Path, help="to be made; its name names the assignment")
    new.add_argument(
        "--exercises", nargs="+", required=True, metavar="NAME", help="names, or chapters for all"
    )
    new.add_argument("--points", nargs="+", type=float, metavar="P", help="one for each exercise")
    new.add_argument("--title", help="of the notebook")
    new.add_argument(
        "--same-for-all", action="store_true", help="no numbers of their own for the students"
    )
    new.set_defaults(do=_new)
    check = parts.add_parser("check", help="try solutions, empty answers and known mistakes")
    check.add_argument("folder", type=Path)
    check.set_defaults(do=_check)

    grade = commands.add_parser("grade", help="grade submissions; again, to go on", **plain)
    grade.add_argument("submissions", type=Path, help="a folder of notebooks or of folders")
    grade.add_argument(
        "--assignment",
        type=Path,
        metavar="FOLDER",
        help="what was asked (default: the folder that most notebooks name, here or beside them)",
    )
    grade.add_argument("--out", type=Path, required=True, metavar="RESULTS")
    grade.add_argument(
        "--sandbox",
        choices=("require", "auto", "off"),
        default="auto",
        help="whether bubblewrap must keep the students' code from your files and the network",
    )
    grade.add_argument("--jobs", type=int, help="submissions at a time (default: the cores)")
    grade.add_argument("--seconds", type=float, default=120, help="for one submission, in all")
    grade.add_argument("--memory", type=float, default=4, help="gigabytes for one submission")
    grade.set_defaults(do=_grade)
    return parser


def _list(words):
    """Print the exercises."""
    from cnncourse.exercises import CHAPTERS, catalogue

    for chapter in words.chapters or CHAPTERS:
        for e in catalogue(chapter):
            print(f"{e.name:42} {e.kind:9} {e.level:10} {e.minutes:3} min  {e.title}")


def _new(words):
    """Make an assignment."""
    from cnncourse.classroom import assignment
    from cnncourse.exercises import find

    names = assignment.named(words.exercises)
    points = words.points or [find(name).points for name in names]
    name = words.folder.name
    made = assignment.Assignment(
        name, words.title or name, tuple(names), tuple(points), not words.same_for_all
    )
    for kind, path in assignment.create(words.folder, made).items():
        print(f"{kind:10} {path}")


def _check(words):
    """Check an assignment."""
    from cnncourse.classroom import assignment

    found = assignment.load(words.folder)
    problems = assignment.verify(found)
    for problem in problems:
        print(problem)
    if not problems:
        print(
            f"{len(found.exercises)} exercises, {sum(found.points):g} points: solutions earn all, "
            "empty answers none, every known mistake loses some"
        )
    return int(bool(problems))


def _grade(words):
    """Grade submissions."""
    from cnncourse.classroom import assignment, grading, results, sandbox, submissions

    place = words.assignment or _asked(words.submissions)
    found = assignment.load(place)
    if words.sandbox == "auto" and not sandbox.is_there():
        print(
            "cnncourse: no bubblewrap that works here. The students' code has limits of time and "
            "memory, but can read and change your files. Install it (Debian: apt install "
            "bubblewrap), or grade only what you trust.",
            file=sys.stderr,
        )
    results.claim(found, words.out)
    limits = grading.Limits(whole=words.seconds, memory=int(words.memory * 2**30))
    records = grading.grade(
        found, words.submissions, words.out, sandbox=words.sandbox, jobs=words.jobs, limits=limits
    )
    records = results.write_results(found, records, words.out)
    if other := submissions.passed_over(words.submissions):
        print(f"passed over, no notebooks: {', '.join(other)}")
    print(results.summary(records))
    print(words.out / "report.html")


def _asked(folder):
    """Return the folder of the assignment that most submissions name."""
    from cnncourse.classroom import assignment, submissions

    names = Counter(s.assignment for s in submissions.find_submissions(folder) if s.assignment)
    for name, _ in names.most_common():
        for place in (Path(name), folder.parent / name, folder.parent.parent / name):
            if (place / assignment.FILE).exists():
                print(f"assignment: {place}")
                return place
    raise ValueError(
        "assignment: expected --assignment and its folder; the submissions name "
        f"{', '.join(names) or 'none'}, which is neither here nor beside them"
    )
