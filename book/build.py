"""Build the book with warnings as errors, and say last what is wrong or where the book lies.

Run by the Makefile: ``build.py`` builds; ``build.py --open`` names the built page and, on a
desktop, offers to open it.
"""

import os
import re
import shutil
import subprocess
import sys
import webbrowser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "_build" / "html" / "index.html"
JUPYTER_BOOK = Path(sys.executable).with_name("jupyter-book")
NOISE = "Kernel is running over TCP without encryption"  # on this machine's own loopback
WRONG = re.compile(r"(^|: )(WARNING|ERROR|CRITICAL|SEVERE): ")


def build():
    """Run Jupyter Book, passing its lines on; return its exit status and the lines that matter."""
    # no page may outlive its source
    shutil.rmtree(PAGE.parent, ignore_errors=True)
    command = [JUPYTER_BOOK, "build", "-W", "--keep-going", "--all", ROOT]
    lines = []
    with subprocess.Popen(
        command,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        for line in process.stdout:
            lines.append(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line).rstrip())
            if NOISE not in line:
                print(line, end="", flush=True)
    return process.returncode, lines


def causes(lines):
    """Return what matters in a failed build: the warnings, and the cells that raised."""
    kept, inside = [], False
    for line in lines:
        if "There was an error in building" in line:
            break
        inside = inside or "while executing the following cell" in line
        if inside or WRONG.search(line):
            kept.append(line)
        inside = inside and "[mystnb.exec]" not in line
    return "\n".join(kept or lines[-30:])


def offer():
    """Print where the book lies; on a desktop with a person at the keyboard, offer to open it."""
    desktop = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY")
    if desktop and sys.stdin.isatty() and not os.environ.get("CI"):
        print(
            "The book is built. Open it in your browser? [y/N] ",
            end="",
            flush=True,
        )
        if input().strip().lower() in ("y", "yes"):
            webbrowser.open(PAGE.as_uri())
    print(PAGE)


def main(arguments):
    """Do what the command line says."""
    if "--open" in arguments:
        return offer()
    status, lines = build()
    if status:
        sys.exit(f"\nThe book was not built. The cause:\n\n{causes(lines)}")


if __name__ == "__main__":
    main(sys.argv[1:])
