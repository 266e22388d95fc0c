"""Start a student's process with as little as it needs, and end it with all that it has started.

With bubblewrap (Linux) the process sees no network, no other process, none of your files, only a
read-only Python and this package without the solutions, and cannot start processes. Without it,
limits of time, memory and file size remain: enough against accidents, not against malice.
"""

import contextlib
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
from pathlib import Path

from cnncourse import exercises
from cnncourse.check import as_one_of

MODES = ("require", "auto", "off")


def is_there():
    """Say whether bubblewrap is installed and may make namespaces here."""
    if shutil.which("bwrap") is None:
        return False
    probe = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def decide(mode):
    """Return whether to use bubblewrap, or refuse to go on without it.

    Parameters
    ----------
    mode : {"require", "auto", "off"}
        What the instructor said.

    Raises
    ------
    RuntimeError
        If it is required and not there.
    """
    found = as_one_of(mode, MODES, "sandbox") != "off" and is_there()
    if mode == "require" and not found:
        raise RuntimeError(
            "sandbox: expected bubblewrap (Debian: `apt install bubblewrap`), got none that works; "
            "--sandbox auto goes on without it, for submissions that you trust"
        )
    return found


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
        command += [sys.executable, "-I", "-B", "-m", "cnncourse.classroom.worker"]
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
    command += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]
    for path in ("/usr", "/lib", "/lib64", "/bin", "/sbin"):
        if os.path.islink(path):
            command += ["--symlink", os.readlink(path), path]
        else:
            command += ["--ro-bind-try", path, path]
    for path in ("/etc/ld.so.cache", "/etc/alternatives"):
        command += ["--ro-bind-try", path, path]
    for path in _python_places():
        command += ["--ro-bind", path, path]
    for path in _solutions():
        command += ["--ro-bind", os.devnull, path]
    command += ["--bind", folder, folder, "--chdir", folder]
    for number in filters:
        command += ["--seccomp", str(number)]
    return command


def _python_places():
    """Return the folders that Python and the package are run from, none inside another."""
    package = Path(exercises.__file__).resolve().parents[1]
    found = {sys.prefix, sys.base_prefix, *site.getsitepackages(), str(package)}
    found |= {sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib")}
    found = {path for path in found if not path.startswith("/usr/") and os.path.isdir(path)}
    return sorted(p for p in found if not any(Path(p).is_relative_to(q) for q in found - {p}))


def _solutions():
    """Return the files that hold right answers; compiled ones, too."""
    folder = Path(exercises.__file__).resolve().parent
    compiled = [p for c in exercises.CHAPTERS for p in folder.glob(f"__pycache__/{c}.*.pyc")]
    return [str(p) for p in [*(folder / f"{c}.py" for c in exercises.CHAPTERS), *compiled]]


_ALLOW, _REFUSE, _NOT_THERE = 0x7FFF0000, 0x00050001, 0x00050026  # EPERM, ENOSYS
_CALLS = {  # architecture: its number, clone, clone3, and what else makes a process
    "x86_64": (0xC000003E, 56, 435, (57, 58)),
    "aarch64": (0xC00000B7, 220, 435, ()),
}


def _no_new_processes():
    """Return a program for the kernel's filter of system calls: threads yes, processes no.

    It is needed because the limit on the number of processes does not hold for the superuser.
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
