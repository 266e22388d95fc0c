"""Build the book with warnings as errors, and say last what is wrong or where the book lies.

Run by the Makefile: ``build.py`` builds; ``build.py --open`` names the built page and, on a
desktop, offers to open it.
"""

import os
import re
import subprocess
import sys
import webbrowser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "_build" / "html" / "index.html"
JUPYTER_BOOK = Path(sys.executable).with_name("jupyter-book")
WRONG = re.compile(r"WARNING|ERROR|Traceback|Error:|CRITICAL")


def build():
    """Run Jupyter Book, passing its lines on; return its exit status and the lines that matter."""
    command = [JUPYTER_BOOK, "build", "-W", "--keep-going", "--all", ROOT]
    process = subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    lines = []
    for line in process.stdout:
        lines.append(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line).rstrip())
        print(line, end="", flush=True)
    return process.wait(), lines


def causes(lines):
    """Return what matters in a failed build: each warning with the lines that explain it."""
    end = next(
        (i for i, line in enumerate(lines) if "There was an error in building" in line), None
    )
    kept = []
    for i, line in enumerate(lines[:end]):
        if WRONG.search(line):
            kept += [j for j in range(i, min(i + 12, len(lines))) if j not in kept]
    return "\n".join(lines[j] for j in kept) or "\n".join(lines[-30:])


def offer():
    """Print where the book lies; on a desktop with a person at the keyboard, offer to open it."""
    desktop = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY")
    if desktop and sys.stdin.isatty() and not os.environ.get("CI"):
        print("The book is built. Open it in your browser? [y/N] ", end="", flush=True)
        if input().strip().lower() in ("y", "yes"):
            webbrowser.open(PAGE.as_uri())
    print(PAGE)


if __name__ == "__main__":
    if "--open" in sys.argv:
        offer()
    else:
        status, lines = build()
        if status:
            sys.exit(f"\nThe book was not built. The cause:\n\n{causes(lines)}")
