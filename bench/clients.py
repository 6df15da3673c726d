"""The clients of a benchmark: wrk (closed loop), `mainspring load` (open loop), idle connections."""

import json
import os
import selectors
import socket
import subprocess
import sys
import time

from machine import program

HERE = os.path.dirname(os.path.abspath(__file__))


def wrk(port, path, connections, seconds, threads=1, cores=None):
    """As many requests as the server answers; a dictionary of the figures in wrk.lua."""
    arguments = [program("wrk"), f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    arguments += ["-s", os.path.join(HERE, "wrk.lua"), f"http://127.0.0.1:{port}{path}"]
    return last_line(arguments, cores)


def open_loop(binary, port, path, connections, rate, seconds):
    """A constant rate, latencies from the intended start; the report of `mainspring load`."""
    report = load(binary, port, path, connections, seconds, ["--rate", f"{rate:.0f}"])
    late = report["open_loop"]["not_begun"]
    percentile = dict((percent, us) for percent, us in report["latency"]["percentiles"])
    return {
        "rate": report["rate"],
        "p50_us": percentile[50.0],
        "p99_us": percentile[99.0],
        "p999_us": percentile[99.9],
        "errors": report["failed"] + late,
    }


def load(binary, port, path, connections, seconds, more=(), cores=None):
    """One run of `mainspring load`; its JSON report."""
    arguments = [binary, "load", f"http://127.0.0.1:{port}{path}", "-n", str(connections)]
    return last_line([*arguments, "--duration", f"{seconds}s", "--json", *more], cores, whole=True)


def last_line(arguments, cores, whole=False):
    """Runs a client that prints JSON: as its last line, or as all that it prints."""
    pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
    before = os.times()
    done = subprocess.run(arguments, capture_output=True, text=True, preexec_fn=pin)
    after = os.times()
    try:
        figures = json.loads(done.stdout if whole else done.stdout.strip().split("\n")[-1])
    except ValueError:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    figures["client_cpu_s"] = spent
    return figures


class IdleConnections:
    """Connections that were each answered once and then say nothing more."""

    BATCH = 256
    LIMIT_S = 60.0

    def __init__(self, port, path, count):
        self.request = f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
        self.kept = []
        for first in range(0, count, self.BATCH):
            self.open(port, min(self.BATCH, count - first))

    def open(self, port, count):
        """Opens a batch at once and waits until every one has its answer."""
        with selectors.DefaultSelector() as selector:
            for _ in range(count):
                connection = socket.create_connection(("127.0.0.1", port), 10)
                connection.sendall(self.request)
                selector.register(connection, selectors.EVENT_READ, [b""])
            ends = time.monotonic() + self.LIMIT_S
            while selector.get_map():
                if time.monotonic() > ends:
                    sys.exit(f"{len(selector.get_map())} idle connections got no answer")
                for key, _ in selector.select(1.0):
                    key.data[0] += key.fileobj.recv(65536)
                    if answered(key.data[0]):
                        selector.unregister(key.fileobj)
                        self.kept.append(key.fileobj)

    def alive(self):
        """How many are still open."""
        count = 0
        for connection in self.kept:
            connection.setblocking(False)
            try:
                count += connection.recv(1) != b""
            except BlockingIOError:
                count += 1
            except OSError:
                pass
        return count

    def close(self):
        for connection in self.kept:
            connection.close()
        self.kept = []


def answered(text):
    """Whether a whole answer with a Content-Length is there; the end if it is no 200."""
    head, end, body = text.partition(b"\r\n\r\n")
    if not end:
        if text == b"":
            sys.exit("an idle connection was closed before its answer")
        return False
    if b" 200 " not in head.split(b"\r\n")[0]:
        sys.exit(f"an idle connection was answered with {head[:200]!r}")
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return len(body) >= int(value)
    sys.exit(f"an answer without Content-Length: {head[:200]!r}")
