"""Start a student's process with as little as it needs, and end it with all that it has started.

With bubblewrap (Linux) the process sees no network, no other process, none of your files, only a
read-only Python and this package without the solutions, and cannot start processes. Without it,
limits of time, memory and file size remain: enough against accidents, not against malice.
"""

import contextlib
import json
import os
import platform
import shutil
import signal
import site
import struct
import subprocess
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path

from cnncourse import exercises
from cnncourse.check import as_one_of

MODES = ("require", "auto", "off")

LIMITS = ("memory", "file_size", "processes", "cpu")
"""What `worker.limit` sets."""

SCRATCH = 128 << 20
"""Bytes of all files in each place where a sandboxed process may write; they lie in memory."""

WITHOUT_SOLUTIONS = ("__init__", "comparing", "running", "sources")
"""The modules of `cnncourse.exercises` that a student's process needs; it sees no others."""


def is_there():
    """Say whether bubblewrap is installed, and Python runs within it here."""
    return shutil.which("bwrap") is not None and _starts(True)


def decide(mode):
    """Return whether to use bubblewrap, or refuse to go on without it.

    Parameters
    ----------
    mode : {"require", "auto", "off"}
        What the instructor said.

    Raises
    ------
    RuntimeError
        If it is required and not there; and if no process starts, for then nobody earns a point.
    """
    if os.name != "posix":
        raise RuntimeError("grade: expected Linux or macOS, got Windows; its WSL is a Linux")
    found = as_one_of(mode, MODES, "sandbox") != "off" and is_there()
    if mode == "require" and not found:
        raise RuntimeError(
            "sandbox: expected bubblewrap (Debian: `apt install bubblewrap`), got none that works; "
            "--sandbox auto goes on without it, for submissions that you trust"
        )
    if not found and not _starts(False):
        raise RuntimeError(
            "grade: expected a process that finds cnncourse, got none: install the package in "
            f"{sys.prefix} (`pip install`); PYTHONPATH and `pip install --user` do not reach it"
        )
    return found


@cache
def _starts(sandboxed):
    """Say whether a student's process comes to life here, reads a job, and ends."""
    process = Process(sandboxed)
    job = {"cells": [], "preload": [], "limits": dict.fromkeys(LIMITS)}
    try:
        process.process.communicate(json.dumps(job).encode() + b"\n", timeout=60)
        return process.process.returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
    finally:
        process.end()


class Process:
    """One student's process, with a folder of its own that goes when it ends.

    Parameters
    ----------
    sandboxed : bool
        Whether bubblewrap surrounds it.
    """

    def __init__(self, sandboxed):
        self.folder = tempfile.TemporaryDirectory(prefix="cnncourse-")
        filters = []
        if sandboxed and (rules := _no_new_processes()):
            end, begin = os.pipe()
            os.write(begin, rules)
            os.close(begin)
            filters = [end]
        command = [*_walls(self.folder.name, filters)] if sandboxed else []
        command += [os.path.abspath(sys.executable), "-I", "-B", "-m", "cnncourse.classroom.worker"]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.folder.name,
            env=_environment(self.folder.name),
            start_new_session=True,
            pass_fds=filters,
        )
        for number in filters:
            os.close(number)

    def end(self):
        """Kill the process and everything that it has started, also what has left its group."""
        self.process.kill()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for _ in range(100):
            if not _kill_all(self.folder.name):
                break
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                stream.close()
        self.process.wait()
        with contextlib.suppress(OSError):
            self.folder.cleanup()


def _environment(home):
    """Return the few variables that a student's process gets."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": home,
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": home,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _walls(folder, filters):
    """Return bubblewrap's command: an empty world, and what Python needs, read-only."""
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    command += ["--dev", "/dev", "--proc", "/proc"]
    for path in ("/tmp", "/dev/shm"):
        command += [*_size(), "--tmpfs", path]
    for path in ("/usr", "/lib", "/lib64", "/bin", "/sbin"):
        if os.path.islink(path):
            command += ["--symlink", os.readlink(path), path]
        else:
            command += ["--ro-bind-try", path, path]
    for path in ("/etc/ld.so.cache", "/etc/alternatives"):
        command += ["--ro-bind-try", path, path]
    for path in _python_places():
        command += ["--ro-bind", path, path]
    command += [*_curtain(), *_size(), "--tmpfs", folder, "--chdir", folder]
    # these could be filled without end; and in /proc/sys are the kernel's settings, which
    # belong to the superuser's number, and need no privilege of it
    for path in ("/dev", "/", "/proc"):
        command += ["--remount-ro", path]
    for number in filters:
        command += ["--seccomp", str(number)]
    return command


def _curtain():
    """Return the words that hide the exercises' folder, but for the modules without solutions."""
    folder = Path(exercises.__file__).resolve().parent
    command = ["--tmpfs", str(folder)]
    for path in (str(folder / f"{name}.py") for name in WITHOUT_SOLUTIONS):
        command += ["--ro-bind", path, path]
    return [*command, "--remount-ro", str(folder)]


@cache
def _size():
    """Return the words that limit the next tmpfs; old versions of bubblewrap know none."""
    told = subprocess.run(["bwrap", "--help"], capture_output=True, text=True, check=False).stdout
    return ["--size", str(SCRATCH)] if "--size" in told else []


def _python_places():
    """Return the folders that Python and the package are run from, none inside another."""
    package = Path(exercises.__file__).resolve().parents[1]
    found = {sys.prefix, sys.base_prefix, *site.getsitepackages(), str(package)}
    found |= {sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib")}
    found = {os.path.abspath(path) for path in found}
    found = {path for path in found if not path.startswith("/usr/") and os.path.isdir(path)}
    return sorted(p for p in found if not any(Path(p).is_relative_to(q) for q in found - {p}))


_ALLOW, _REFUSE, _NOT_THERE = 0x7FFF0000, 0x00050001, 0x00050026  # EPERM, ENOSYS
_CALLS = {  # architecture: its number, clone, clone3, and others: fork, vfork, unshare
    "x86_64": (0xC000003E, 56, 435, (57, 58, 272)),
    "aarch64": (0xC00000B7, 220, 435, (97,)),
}


def _no_new_processes():
    """Return a program for the kernel's filter of system calls: threads yes, processes no.

    It is needed because the limit on the number of processes does not hold for the superuser. Nor
    namespaces: in one of its own, a process could mount memory without end.
    """
    if platform.machine() not in _CALLS:
        return b""
    architecture, clone, clone3, others = _CALLS[platform.machine()]
    steps = [_load_word(4), _unless_equal(architecture, _REFUSE), _load_word(0)]
    steps += [_jump(0x35, 0x40000000, 0, 1), _return(_REFUSE)]  # the same calls by other numbers
    steps += [_if_equal(number, _REFUSE) for number in others]
    steps += [_if_equal(clone3, _NOT_THERE)]  # the C library then takes clone
    # clone: look whether its flags ask for a thread
    steps += [
        _jump(0x15, clone, 0, 3),
        _load_word(16),
        _jump(0x45, 0x10000, 1, 0),
        _return(_REFUSE),
    ]
    return b"".join([*steps, _return(_ALLOW)])


def _step(code, true, false, value):
    return struct.pack("HBBI", code, true, false, value)


def _load_word(offset):
    return _step(0x20, 0, 0, offset)


def _return(value):
    return _step(0x06, 0, 0, value)


def _jump(code, value, true, false):
    return _step(code, true, false, value)


def _if_equal(value, result):
    return _jump(0x15, value, 0, 1) + _return(result)


def _unless_equal(value, result):
    return _jump(0x15, value, 1, 0) + _return(result)


def _kill_all(folder):
    """Kill all processes whose environment names this folder; return how many there were."""
    mark, killed = f"HOME={folder}".encode(), 0
    for process in Path("/proc").glob("[0-9]*"):  # nothing where there is no /proc
        with contextlib.suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)
                killed += 1
    return killed
