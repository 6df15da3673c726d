"""What the machine says: processes and their CPU time and memory, ports, versions.

Linux only (/proc). Standard library only.
"""

import os
import platform
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
# Servers are there on Debian, though not in everybody's PATH.
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def program(name):
    """The full path of an installed program, or the end with what to install."""
    found = shutil.which(name, path=PATH)
    if not found:
        sys.exit(f"{name} is not installed; on Debian: sudo apt-get install {name}")
    return found


class Process:
    """A program that we started, with its children: measured and ended as one."""

    def __init__(self, arguments, folder, environment=None, cores=None):
        self.log = os.path.join(folder, "output.log")
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                arguments,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PATH": PATH, **(environment or {})},
                start_new_session=True,
                preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
            )
        self.pid = self.child.pid

    def cpu_seconds(self):
        """User and system time of the tree, reaped children included."""
        ticks = 0
        for pid in tree(self.pid):
            fields = stat(pid)
            if fields:
                ticks += sum(int(fields[at]) for at in (11, 12, 13, 14))
        return ticks / TICKS_A_SECOND

    def memory_mib(self):
        """Proportional set size of the tree: pages that processes share count once."""
        kib = 0
        for pid in tree(self.pid):
            try:
                with open(f"/proc/{pid}/smaps_rollup") as rollup:
                    kib += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
            except OSError:
                pass  # it ended meanwhile
        return kib / 1024

    def assert_running(self):
        if self.child.poll() is not None:
            with open(self.log, errors="replace") as log:
                sys.exit(f"{self.child.args[0]} ended with {self.child.returncode}:\n{log.read()[-2000:]}")

    def stop(self, grace_s=5):
        """SIGTERM, grace, then SIGKILL to its whole session."""
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(grace_s)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self.child.wait()


def stat(pid):
    """The fields of /proc/PID/stat after the name: [0] state, [1] parent, [11..14] times."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            text = file.read()
        return text[text.rindex(")") + 2 :].split()
    except (OSError, ValueError):
        return None


def tree(root):
    """A process and all its living descendants."""
    children = {}
    for name in os.listdir("/proc"):
        fields = stat(name) if name.isdigit() else None
        if fields:
            children.setdefault(int(fields[1]), []).append(int(name))
    found, open_ends = [], [root]
    while open_ends:
        pid = open_ends.pop()
        found.append(pid)
        open_ends += children.get(pid, [])
    return found


def busy_seconds():
    """CPU time that the whole machine has spent on anything but idling and waiting."""
    with open("/proc/stat") as file:
        fields = [int(word) for word in file.readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS_A_SECOND


def free_port():
    """A port that nobody has now. Only for programs that cannot choose one themselves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port, path, timeout_s=2.0):
    """The status of one GET on a new connection; None if there was no answer."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
            head = connection.recv(65536)
        return int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/1.") else None
    except (OSError, ValueError, IndexError):
        return None


def wait_for_answer(process, port, path, limit_s=20.0, pause_s=0.0005):
    """Seconds until the first 200 through `port`; the end if it does not come."""
    began = time.monotonic()
    while time.monotonic() - began < limit_s:
        if get(port, path) == 200:
            return time.monotonic() - began
        process.assert_running()
        time.sleep(pause_s)
    sys.exit(f"no answer on port {port} within {limit_s} s; see {process.log}")


def raise_open_files(count):
    """Raises the limit of open files for us and our children; returns what we got."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))
            return count
        except (ValueError, OSError):
            count = hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    return max(soft, count)


def describe(mainspring):
    """The machine and the versions, for whoever reads the figures later."""

    def first_line(*arguments):
        try:
            done = subprocess.run(arguments, capture_output=True, text=True, env={**os.environ, "PATH": PATH})
        except OSError:
            return "not there"
        return (done.stdout + done.stderr).strip().split("\n")[0]

    with open("/proc/cpuinfo") as file:
        model = re.search(r"model name\s*:\s*(.*)", file.read())
    here = os.path.dirname(os.path.abspath(__file__))
    commit = first_line("git", "-C", here, "rev-parse", "--short=12", "HEAD")
    changed = first_line("git", "-C", here, "status", "--porcelain", "--untracked-files=no")
    return {
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "cpu": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "kernel": platform.release(),
        "load_average": os.getloadavg()[0],
        "commit": commit + (" with changes" if changed else ""),
        "mainspring": first_line(mainspring, "--version").split(":")[0],
        "nginx": first_line("nginx", "-v"),
        "haproxy": first_line("haproxy", "-v"),
        "wrk": first_line("wrk", "-v"),
        "command": " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]]),
    }
