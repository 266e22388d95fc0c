"""Grade submissions: each in a process of its own, compared here, kept as soon as it is done."""

import hashlib
import json
import os
import re
import select
import threading
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tqdm.std import tqdm

import cnncourse
from cnncourse.classroom import wire
from cnncourse.classroom.sandbox import Process, decide
from cnncourse.classroom.submissions import find_submissions
from cnncourse.exercises import find
from cnncourse.exercises.report import Report, assess
from cnncourse.exercises.running import Outcome


@dataclass(frozen=True)
class Limits:
    """What one submission may take.

    Parameters
    ----------
    cell : float
        Seconds for a cell.
    whole : float
        Seconds for a submission, all in all.
    memory : int
        Bytes of address space.
    file_size : int
        Bytes of a file that it writes.
    processes : int
        Where the system counts them (Linux, for others than the superuser): how many the user who
        grades may have.
    reply : int
        Bytes of all answers to one exercise. They are kept until the submission is judged.
    """

    cell: float = 20.0
    whole: float = 120.0
    memory: int = 4 << 30
    file_size: int = 16 << 20
    processes: int = 4096
    reply: int = 8 << 20


def grade(
    assignment, submissions, results, *, sandbox="auto", jobs=None, limits=None, progress=True
):
    """Grade a folder of submissions.

    What is done is kept in ``results/records``, one file a student: started again, only new and
    changed submissions are graded.

    Parameters
    ----------
    assignment : Assignment
        What was asked.
    submissions, results : str or Path
        Folders.
    sandbox : {"require", "auto", "off"}
        Whether bubblewrap must surround the students' code.
    jobs : int, optional
        How many at a time; by default as many as there are cores.
    limits : Limits, optional
        Of each.
    progress : bool
        Show a bar on standard error.

    Returns
    -------
    list of dict
        A record for every student, sorted.

    Raises
    ------
    ValueError, RuntimeError
        For folders that are not there, and a sandbox that is required and missing.
    """
    found, limits = find_submissions(submissions, assignment.name), limits or Limits()
    sandboxed, records = decide(sandbox), Path(results, "records")
    records.mkdir(parents=True, exist_ok=True)
    jobs, lock = jobs or os.cpu_count() or 1, threading.Lock()
    with _Alone(records):
        known = {s.student: _kept(records, s, assignment, limits) for s in found}
        todo = [s for s in found if known[s.student] is None]
        with (
            ThreadPoolExecutor(jobs) as pool,
            tqdm(total=len(found), initial=len(found) - len(todo), disable=not progress) as bar,
        ):
            running = [pool.submit(_one, s, assignment, sandboxed, limits, lock) for s in todo]
            try:
                for done in as_completed(running):
                    record = done.result()
                    _keep(records, record)
                    known[record["student"]] = record
                    bar.update()
            except BaseException:  # Ctrl-C, above all: begin no other
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return [known[submission.student] for submission in found]


def _one(submission, assignment, sandboxed, limits, lock):
    """Return the record of one submission, whatever happens: it must not end the others'."""
    try:
        errors, notes, rows = _graded(submission, assignment, sandboxed, limits, lock)
        key = _key(submission, assignment, limits)
    except Exception as error:
        failed = f"could not be graded ({type(error).__name__}): read it yourself"
        errors, notes, key = {}, [*submission.notes, failed], ""  # without a key: try again
        rows = {
            name: _row(Report(find(name), [False], problem="It could not be graded."), worth)
            for name, worth in assignment.worth.items()
        }
    record = {
        "student": submission.student,
        "number": submission.number,
        "key": key,
        "file": submission.path.name if submission.path else "",
        "variant": submission.said if assignment.variants else "",
        "notes": notes,
        "errors": {str(cell): error for cell, error in sorted(errors.items())},
        "exercises": rows,
        "total": round(sum(row["points"] for row in rows.values()), 2),
        "of": sum(assignment.points),
    }
    text = json.dumps(record, ensure_ascii=False)  # with halves of letters in it, if they like
    return json.loads(text.encode("utf-8", "replace"))


def _graded(submission, assignment, sandboxed, limits, lock):
    """Run and judge a submission; return the errors of its cells, notes, and rows of points."""
    exercises = [find(name) for name in assignment.exercises]
    student = submission.said if assignment.variants else None
    collected, errors, notes = {}, {}, list(submission.notes)
    if submission.cells:
        asked = [e for e in exercises if e.kind != "project"]
        collected, errors, more = _collect(
            submission.cells, asked, student, sandboxed, limits, lock
        )
        notes += more
    if assignment.variants and submission.cells and not _same_name(submission):
        said = f"STUDENT is {submission.said!r} in the notebook"
        notes.append(said if submission.said else "no name in STUDENT")
    if submission.assignment not in ("", assignment.name):
        notes.append(f"made from {submission.assignment}, graded as {assignment.name}")
    rows = {}
    with lock:  # the right answers and the tests of equality are not made for threads
        for exercise in exercises:
            report = _report(exercise, collected.get(exercise.name), student)
            cause = _cause_of_absence(exercise, submission.cells, errors)
            rows[exercise.name] = _row(report, assignment.worth[exercise.name], cause)
    return errors, notes, rows


def _cause_of_absence(exercise, cells, errors):
    """Return the error of the cell in which an answer is given, if there was one."""
    for place, text in cells:
        if place in errors and re.search(rf"\b{exercise.answer_name}\b", text):
            return f"cell {place} raised `{errors[place]}`"
    return "it is not in the notebook, or nothing is in it yet"


def _same_name(submission):
    """Say whether the notebook says the name that its file has, capitals and spaces apart."""
    names = submission.said, submission.student
    one, other = (unicodedata.normalize("NFC", name).casefold().split() for name in names)
    return one == other


def _report(exercise, outcomes, student):
    """Judge what came back of one exercise."""
    if exercise.kind == "project":
        return Report(exercise, state="by hand")
    if outcomes is None:
        return Report(exercise, [False], "empty")
    return assess(exercise, outcomes, student)


def _row(report, worth, absence=""):
    """Return what a record says of one exercise."""
    cause, feedback = report.cause, report.lines(reveal=False)
    if report.state == "empty":  # perhaps it is there by another name
        feedback = [f"No answer `{report.exercise.answer_name}`: {absence}."]
    return {
        "points": round(report.score * worth, 2),
        "of": worth,
        "state": report.state,
        "passed": report.passed,
        "cause": cause and {"name": cause.name, "sentence": cause.sentence, "known": cause.known},
        "feedback": feedback,
        "details": report.lines(reveal=True),
    }


def _collect(cells, exercises, student, sandboxed, limits, lock):
    """Run the cells and ask for all answers; what kills the process costs only itself."""
    collected, errors, notes, skipped = {}, {}, [], set()
    end = time.monotonic() + limits.whole
    while time.monotonic() < end:  # each round loses a cell or an exercise
        rest = [e for e in exercises if e.name not in collected]
        talk = _Talk(sandboxed, limits, end)
        try:
            kept = [(place, text) for place, text in cells if place not in skipped]
            lost = talk.run(kept, rest, errors)
            if lost is not None:
                skipped.add(lost)
                errors[lost] = talk.reason
                continue
            for exercise in rest:
                with lock:
                    request = _request(exercise, student)
                collected[exercise.name] = talk.ask(request)
                if talk.reason:
                    break
            else:
                return collected, errors, notes
        finally:
            talk.close()
    notes.append(f"stopped after {limits.whole:g} seconds")
    return collected, errors, notes


class _Talk:
    """A conversation with one process; `reason` says why it ended, if it did."""

    def __init__(self, sandboxed, limits, end):
        self.limits, self.end, self.reason = limits, end, ""
        self.process, self.buffer, self.left = Process(sandboxed), bytearray(), limits.reply

    def run(self, cells, exercises, errors):
        """Run the cells; return the place of the one that ended the process, or None."""
        limits = self.limits
        enforced = {
            "memory": limits.memory,
            "file_size": limits.file_size,
            "processes": limits.processes,
            "cpu": int(limits.whole) + 1,
        }
        torch = any(_needs_torch(e) for e in exercises) or any("torch" in text for _, text in cells)
        job = {"cells": cells, "limits": enforced, "seconds": limits.cell}
        self.send(job | {"preload": ["numpy"] + ["torch"] * torch})
        for place, _ in cells:
            begun = self.receive(limits.cell + 30)  # Python starts, and torch may be loaded
            done = self.receive(limits.cell + 5) if begun is not None else None
            if done is None:
                return place
            if done.get("error"):
                errors[place] = _same_everywhere(str(done["error"])[:300])
        return None

    def ask(self, request):
        """Return the outcomes of an exercise, one for each case; None if its name is not there."""
        cases = request.pop("wanted")
        self.send(request)
        self.left, outcomes, missing = self.limits.reply, [], False
        for _ in range(cases):
            reply = self.receive(request.get("seconds", 5.0) * 1.5 + 5)
            if reply is None:
                gone = [Outcome(error=f"stopped: {self.reason}")] * (cases - len(outcomes))
                return outcomes + gone
            missing = missing or reply.get("missing") is True
            outcomes.append(_outcome(reply))
        return None if missing else outcomes

    def send(self, message):
        """Write a line, unless the process no longer reads."""
        data = memoryview(json.dumps(message).encode() + b"\n")
        deadline = time.monotonic() + 10
        number = self.process.process.stdin.fileno()
        os.set_blocking(number, False)
        while data and not self.reason:
            try:
                _, ready, _ = select.select([], [number], [], max(0, deadline - time.monotonic()))
                if not ready:
                    raise OSError
                data = data[os.write(number, data) :]
            except OSError:
                self.reason = "the process took no message"

    def receive(self, seconds):
        """Return the next message, or None if it does not come."""
        deadline = min(time.monotonic() + seconds, self.end)
        number, seen = self.process.process.stdout.fileno(), 0
        while (end := self.buffer.find(b"\n", seen)) < 0 and not self.reason:
            seen = len(self.buffer)
            ready, _, _ = select.select([number], [], [], max(0, deadline - time.monotonic()))
            part = os.read(number, 1 << 20) if ready else b""
            self.buffer += part
            self.left -= len(part)
            if not ready:
                self.reason = "out of time"
            elif not part:
                self.reason = "the process ended"
            elif self.left < 0:
                self.reason = "too much was sent"
        if self.reason:
            return None
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 1]
        try:
            message = json.loads(line)
            return message if isinstance(message, dict) else {}
        except (ValueError, RecursionError):
            return {}

    def close(self):
        """End the process and all that it has started."""
        self.process.end()


def _request(exercise, student):
    """Return what a process is asked for one exercise: arguments, and not what is expected."""
    if exercise.kind != "function":
        return {"answer": exercise.answer_name, "kind": exercise.kind, "wanted": 1}
    cases = exercise.arguments(student)
    return {
        "answer": exercise.answer_name,
        "kind": "function",
        "cases": [wire.pack(arguments) for arguments in cases],
        "names": list(exercise.parameters),
        "observe": exercise.observer and wire.pack(exercise.observer),
        "seconds": exercise.seconds,
        "wanted": len(cases),
    }


def _outcome(reply):
    """Return an outcome from a message that nobody need believe."""
    try:
        names = tuple(str(name)[:50] for name in reply.get("changed", ())[:20])
        return Outcome(
            wire.unpack(reply.get("value")),
            _same_everywhere(str(reply.get("error", ""))[:300]),
            reply.get("late") is True,
            str(reply.get("printed", ""))[:2000],
            names,
            reply.get("shared") is True,
        )
    except Exception:  # whatever was sent is no answer
        return Outcome(error="ValueError: the answer could not be read")


def _same_everywhere(text):
    """Return a message without addresses and names of passing folders: it is kept."""
    return re.sub(r"0x[0-9a-f]{6,}|cnncourse-\w{8}", "…", text)


def _needs_torch(exercise):
    """Say whether an exercise's chapter is about torch, so that loading it is not counted."""
    return exercise.name.split("/")[0] in ("architecture", "training", "transfer")


def _key(submission, assignment, limits):
    """Return what a record depends on; if it is the same, nothing need be graded again."""
    parts = [submission.digest, submission.notes, repr(assignment), repr(limits)]
    parts += [cnncourse.__version__, _catalogue_digest(assignment)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _catalogue_digest(assignment):
    """Return a number that changes with the files of the exercises."""
    folder = Path(cnncourse.__file__).parent / "exercises"
    chapters = sorted({name.split("/")[0] for name in assignment.exercises})
    texts = [(folder / f"{chapter}.py").read_bytes() for chapter in chapters]
    return hashlib.sha256(b"\n".join(texts)).hexdigest()


def _file_of(records, student):
    """Return the file of a student's record, whatever signs the name has."""
    plain = "".join(c if c.isalnum() or c in "-." else "_" for c in student)[:60]
    return records / f"{plain}-{hashlib.sha256(student.encode()).hexdigest()[:8]}.json"


def _kept(records, submission, assignment, limits):
    """Return the record of an earlier run, if it is of the same submission."""
    try:
        record = json.loads(_file_of(records, submission.student).read_text("utf-8"))
        return record if record["key"] == _key(submission, assignment, limits) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(records, record):
    """Write a record so that it is there whole or not at all."""
    path = _file_of(records, record["student"])
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
    os.replace(draft, path)


class _Alone:
    """Hold the folder, so that no second grader works in it."""

    def __init__(self, folder):
        self.path = folder / ".lock"

    def __enter__(self):
        import fcntl

        self.file = self.path.open("w")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.file.close()
            raise RuntimeError(
                f"results: expected a folder that nobody grades into, got {self.path.parent}"
            ) from None

    def __exit__(self, *error):
        self.file.close()
