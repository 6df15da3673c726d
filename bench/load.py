#!/usr/bin/env python3
"""`mainspring load` beside wrk as clients of the same nginx, each on one core, alternating.

    cargo xtask bench load                  # builds Mainspring, then runs this
    python3 bench/load.py --mainspring target/release/mainspring [--quick] [--json FILE]

Client and server each have a core to themselves (where there are two), so that neither takes the
other's. Where the server is the slower one both clients reach the same rate; then the client's
own CPU time tells them apart.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from clients import load, wrk
from machine import describe, raise_open_files, stat
from servers import SMALL, Backends

CONNECTIONS = 64
GOAL = 0.9


def main():
    options = arguments()
    raise_open_files(4096)
    cores = sorted(os.sched_getaffinity(0))
    client, server = {cores[0]}, set(cores[1:]) or {cores[0]}
    folder = tempfile.mkdtemp(prefix="bench-load-")
    backends = Backends(folder, server)
    port = backends.ports[0]
    clients = {
        "mainspring load": lambda: by_mainspring(options, port, client),
        "wrk": lambda: by_wrk(options, port, client),
    }
    runs = {name: [] for name in clients}
    try:
        for number in range(options.rounds):
            order = list(clients) if number % 2 == 0 else list(clients)[::-1]
            for name in order:
                runs[name].append(clients[name]())
        memory = memory_over_time(options, port, client)
    finally:
        backends.stop()
        shutil.rmtree(folder, ignore_errors=True)
    report(describe(options.mainspring), runs, memory, options)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mainspring", required=True, help="the binary")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="length of one run")
    parser.add_argument("--quick", action="store_true", help="two short rounds: does it run at all?")
    parser.add_argument("--json", help="write all figures to this file")
    options = parser.parse_args()
    options.mainspring = os.path.abspath(options.mainspring)
    if options.quick:
        options.rounds, options.seconds = 2, 1
    return options


def by_wrk(options, port, core):
    ran = wrk(port, SMALL, CONNECTIONS, options.seconds, cores=core)
    failed = ran["errors_status"] + ran["errors_socket"]
    return figures(ran, ran["requests"], ran["requests"] / ran["seconds"], failed)


def by_mainspring(options, port, core):
    ran = load(options.mainspring, port, SMALL, CONNECTIONS, options.seconds, cores=core)
    return figures(ran, ran["answers"], ran["rate"], ran["failed"])


def figures(ran, answers, rate, failed):
    if not answers:
        sys.exit(f"no answers at all: {ran}")
    return {"rate": rate, "failed": failed, "cpu_s_per_100k": ran["client_cpu_s"] / answers * 100_000}


def memory_over_time(options, port, core):
    """Resident MiB of one long run, a sample a second."""
    seconds = 4 * options.seconds
    child = subprocess.Popen(
        [options.mainspring, "load", f"http://127.0.0.1:{port}{SMALL}", "-n", str(CONNECTIONS), "-d", f"{seconds}s", "--json"],
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, core),
    )
    samples = []
    while child.poll() is None:
        time.sleep(1.0)
        fields = stat(child.pid)
        if fields and fields[0] != "Z":
            samples.append(int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20))
    return samples


def report(machine, runs, memory, options):
    print(f"# Load generator benchmark\n\n{machine['date']}, commit {machine['commit']}, `{machine['command']}`.")
    print(f"{machine['cores']} cores of {machine['cpu']}, Linux {machine['kernel']}; {machine['wrk']}.")
    print(f"{options.rounds} rounds of {options.seconds} s, {CONNECTIONS} connections, 1 KiB answers; medians (min–max).\n")
    print("| | answers/s | CPU s of the client per 100,000 | failed |\n| --- | --- | --- | --- |")
    middle = {}
    for name, all_runs in runs.items():
        rates = [ran["rate"] for ran in all_runs]
        costs = [ran["cpu_s_per_100k"] for ran in all_runs]
        middle[name] = statistics.median(rates)
        failed = sum(ran["failed"] for ran in all_runs)
        print(
            f"| {name} | {middle[name]:,.0f} ({min(rates):,.0f}–{max(rates):,.0f}) "
            f"| {statistics.median(costs):.2f} ({min(costs):.2f}–{max(costs):.2f}) | {failed} |"
        )
    ratio = middle["mainspring load"] / middle["wrk"]
    print(f"\nMaximum rate beside wrk's: {ratio:.2f} (goal: at least {GOAL:.2f}, {'holds' if ratio >= GOAL else 'missed'}).")
    if memory:
        print(f"Memory of `mainspring load` over {len(memory)} s: {memory[0]:.1f} MiB at first, {memory[-1]:.1f} MiB at the end.")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": machine, "runs": runs, "memory_mib": memory}, file, indent=1)


if __name__ == "__main__":
    main()
