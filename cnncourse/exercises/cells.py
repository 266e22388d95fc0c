"""The cells of a notebook that an exercise consists of: the book and assignments have them."""

from cnncourse.exercises import sources


def statement_text(exercise, number="", student=None):
    """Return the heading, the statement and the hints, as Markdown.

    Parameters
    ----------
    exercise : Exercise
        Which one.
    number : str
        Before the title, such as "4.1".
    student : str, optional
        Whose numbers.

    Examples
    --------
    >>> from cnncourse.exercises import find
    >>> statement_text(find("convolution/count-outputs"), "4.1").splitlines()[0]
    '### Exercise 4.1 · Count them'
    """
    head = f"### Exercise {number} · {exercise.title}" if number else f"## {exercise.title}"
    parts = [head, f"*{exercise.level}, about {exercise.minutes} minutes*", exercise.text(student)]
    many = len(exercise.hints) > 1
    for i, text in enumerate(exercise.hints, start=1):
        title = f"Hint {i}" if many else "Hint"
        parts.append(f"<details><summary>{title}</summary>\n\n{text}\n\n</details>")
    return "\n\n".join(parts)


def starter_text(exercise, student=None, imports=True):
    """Return the cell in which the answer is written, and checked.

    Parameters
    ----------
    exercise : Exercise
        Which one.
    student : str, optional
        An expression for the name, such as the variable ``STUDENT``, that `check` gets.
    imports : bool
        Whether to import what the answer may need, numpy apart.

    Examples
    --------
    >>> from cnncourse.exercises import find
    >>> print(starter_text(find("convolution/count-outputs")))
    def count_outputs(size, kernel_size, stride, padding, dilation):
        \"\"\"Return how many windows fit.\"\"\"
        ...  # your code here
    <BLANKLINE>
    <BLANKLINE>
    check("convolution/count-outputs", count_outputs)
    """
    name, more = exercise.answer_name, f", student={student}" if student else ""
    ask = f'check("{exercise.name}", {name}{more})'
    if exercise.kind == "function":
        lines = needed_imports(exercise) if imports else []
        parts = ["\n".join(lines), sources.starter(exercise.right), ask]
        return "\n\n\n".join(part for part in parts if part)
    wanted = {"number": "a number", "choice": "a letter, in quotation marks"}
    if exercise.kind in wanted:
        return f"{name} = ...  # {wanted[exercise.kind]}\n{ask}"
    return "# your work, in as many cells as you like"


def answer_text(exercise, student=None):
    """Return the right answer as Markdown or code, for a reader.

    Examples
    --------
    >>> from cnncourse.exercises import find
    >>> answer_text(find("convolution/count-outputs")).splitlines()[0]
    '```python'
    """
    if exercise.kind == "choice":
        lines = [
            f"- **{letter}** is {'right' if o.right else 'wrong'}: {o.why}"
            for letter, o in exercise.lettered(student).items()
        ]
        return "\n".join(lines)
    if exercise.kind == "project":
        return "There is no single solution; the rubric says what counts."
    _, definitions = sources.standalone(exercise.right)
    helpers = definitions[:-1]
    code = "\n\n\n".join([*helpers, sources.definition(exercise.right)])
    lines = []
    if exercise.kind == "number":
        value = exercise.expected(student)[0].value
        shown = f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
        lines.append(f"With these numbers: **{shown}**")
    return "\n\n".join([*lines, f"```python\n{code}\n```"])


def solution_cell_text(exercise, student=None, imports=True):
    """Return the code that a solved notebook has in place of the starter."""
    if exercise.kind == "project":
        return starter_text(exercise)
    if exercise.kind != "function":
        return f"{exercise.answer_name} = {exercise.right_answer(student)!r}"
    _, definitions = sources.standalone(exercise.right)
    lines = needed_imports(exercise) if imports else []
    return "\n\n\n".join(part for part in ["\n".join(lines), *definitions] if part)


def needed_imports(exercise):
    """Return the import lines that the solution needs, numpy apart."""
    imports, _ = sources.standalone(exercise.right)
    return sources.merged(line for line in imports if line != "import numpy as np")
