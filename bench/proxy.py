#!/usr/bin/env python3
"""Mainspring, nginx and HAProxy as proxy before the same two backends, in one run, alternating.

    cargo xtask bench proxy                 # builds Mainspring, then runs this
    python3 bench/proxy.py --mainspring target/release/mainspring [--quick] [--json FILE]

Prints Markdown; see bench/README.md for what is measured how.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time

from clients import IdleConnections, open_loop, wrk
from machine import busy_seconds, describe, raise_open_files
from servers import BIG, SMALL, Backends, Haproxy, Mainspring, Nginx

IDLE_CONNECTIONS = 10_000
# The share of the slowest proxy's maximum at which latencies are compared.
LATENCY_LOAD = 0.7
STARTS = 5
MIB = 1 << 20

# Name, path, connections.
CLOSED = [
    ("1 KiB, 64 connections", SMALL, 64),
    ("1 KiB, 512 connections", SMALL, 512),
    ("1 MiB, 16 connections", BIG, 16),
]


def main():
    options = arguments()
    raise_open_files(2 * IDLE_CONNECTIONS + 2048)
    folder = tempfile.mkdtemp(prefix="bench-proxy-")
    backends = Backends(folder)
    proxies = [Mainspring(folder, backends, options.mainspring)]
    proxies += [peer(folder, backends) for peer in (Nginx, Haproxy) if peer.name in options.peers]
    result = {"machine": describe(options.mainspring), "rounds": options.rounds, "seconds": options.seconds}
    try:
        print(f"# Proxy benchmark\n\n{machine_text(result)}\n", flush=True)
        result["start"] = starts(proxies)
        print_start(result["start"])
        for proxy in proxies:
            proxy.start()
        result["closed"] = [closed(scenario, proxies, options) for scenario in CLOSED]
        if options.load:
            result["open"] = latency(result["closed"][0], proxies, options)
        for proxy in proxies:
            proxy.stop()
        result["idle"] = idle(proxies, options.idle_connections)
        print_goals(result)
    finally:
        for proxy in proxies:
            proxy.stop()
        backends.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=1)
        print(f"\nAll figures: {options.json}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mainspring", required=True, help="the binary (or crates/edge's example `proxy`)")
    parser.add_argument("--peers", default="nginx,haproxy", help="those beside it")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each scenario; each runs every proxy once")
    parser.add_argument("--seconds", type=int, default=5, help="length of one run")
    parser.add_argument("--idle-connections", type=int, default=IDLE_CONNECTIONS)
    parser.add_argument("--load", help="the binary whose `load` is the open-loop client; default: --mainspring")
    parser.add_argument("--quick", action="store_true", help="two short rounds: does it run at all?")
    parser.add_argument("--json", help="write all figures to this file")
    options = parser.parse_args()
    options.mainspring = os.path.abspath(options.mainspring)
    if options.load is None and os.path.basename(options.mainspring) != "proxy":
        options.load = options.mainspring
    if options.quick:
        options.rounds, options.seconds, options.idle_connections = 2, 1, 500
    return options


def alternate(proxies, round_number):
    """The order of a round: each proxy comes first in turn."""
    first = round_number % len(proxies)
    return proxies[first:] + proxies[:first]


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "all": values}


# -- start and idle memory --


def starts(proxies):
    """Milliseconds from starting the program to the first proxied answer; memory a second later."""
    rows = {proxy.name: {"ms": [], "mib": []} for proxy in proxies}
    for number in range(STARTS):
        for proxy in alternate(proxies, number):
            rows[proxy.name]["ms"].append(proxy.start() * 1000)
            time.sleep(1.0)  # what it frees or fills after the start is part of resting
            rows[proxy.name]["mib"].append(proxy.process.memory_mib())
            proxy.stop()
    return {name: {key: spread(values) for key, values in row.items()} for name, row in rows.items()}


def print_start(rows):
    print(f"## Start and rest (median of {STARTS})\n")
    print("| | start to first proxied answer | memory at rest |\n| --- | --- | --- |")
    for name, row in rows.items():
        print(f"| {name} | {show(row['ms'], 0)} ms | {show(row['mib'], 1)} MiB |")
    print(flush=True)


# -- closed loop --


def closed(scenario, proxies, options):
    """As many requests as go through, and what each costs."""
    title, path, connections = scenario
    runs = {proxy.name: [] for proxy in proxies}
    for proxy in proxies:
        wrk(proxy.port, path, connections, 1)  # warm: connections to the backends, caches, buffers
    others = []
    for number in range(options.rounds):
        for proxy in alternate(proxies, number):
            ran, noise = closed_run(proxy, path, connections, options.seconds)
            runs[proxy.name].append(ran)
            others.append(noise)
    keys = runs[proxies[0].name][0].keys()
    rows = {name: {key: spread([ran[key] for ran in all_runs]) for key in keys} for name, all_runs in runs.items()}
    result = {"title": title, "path": path, "connections": connections, "proxies": rows, "others_share": spread(others)}
    print_closed(result)
    return result


def closed_run(proxy, path, connections, seconds):
    backends = proxy.backends.process
    busy, cpu, cpu_behind = busy_seconds(), proxy.process.cpu_seconds(), backends.cpu_seconds()
    began = time.monotonic()
    ran = wrk(proxy.port, path, connections, seconds)
    took = time.monotonic() - began
    proxy.process.assert_running()
    spent = proxy.process.cpu_seconds() - cpu
    ours = spent + backends.cpu_seconds() - cpu_behind + ran["client_cpu_s"]
    if not ran["requests"]:
        sys.exit(f"{proxy.name} answered nothing on {path}")
    row = {
        "rate": ran["requests"] / ran["seconds"],
        "mib_s": ran["bytes"] / MIB / ran["seconds"],
        "p50_us": ran["p50_us"],
        "p99_us": ran["p99_us"],
        "p999_us": ran["p999_us"],
        "cpu_s_per_100k": spent / ran["requests"] * 100_000,
        "memory_mib": proxy.process.memory_mib(),
        "errors": ran["errors_status"] + ran["errors_socket"],
    }
    # What the rest of the machine did meanwhile, of one core: figures of a busy machine are noise.
    return row, max(0.0, busy_seconds() - busy - ours) / took


def print_closed(result):
    print(f"## {result['title']}\n")
    print("| | requests/s | MiB/s | p50 | p99 | p99.9 | CPU s per 100,000 | memory | errors |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, row in result["proxies"].items():
        cells = [show(row["rate"], 0), f"{row['mib_s']['median']:.0f}"]
        cells += [f"{row[key]['median'] / 1000:.2f} ms" for key in ("p50_us", "p99_us", "p999_us")]
        cells += [show(row["cpu_s_per_100k"], 2), f"{row['memory_mib']['median']:.1f} MiB"]
        cells += [f"{sum(row['errors']['all'])}"]
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"\nOther programs used {result['others_share']['median']:.2f} of a core meanwhile (median).\n", flush=True)


# -- latency at a constant rate --


def latency(scenario, proxies, options):
    """Latencies from the intended start at a rate that all of them can serve."""
    slowest = min(row["rate"]["median"] for row in scenario["proxies"].values())
    rate = LATENCY_LOAD * slowest
    runs = {proxy.name: [] for proxy in proxies}
    for number in range(options.rounds):
        for proxy in alternate(proxies, number):
            ran = open_loop(options.load, proxy.port, scenario["path"], scenario["connections"], rate, options.seconds)
            runs[proxy.name].append(ran)
    keys = runs[proxies[0].name][0].keys()
    rows = {name: {key: spread([ran[key] for ran in all_runs]) for key in keys} for name, all_runs in runs.items()}
    title = f"{scenario['title']}, {rate:.0f} requests/s ({LATENCY_LOAD:.0%} of the slowest one's maximum)"
    print(f"## {title}\n\n| | p50 | p99 | p99.9 | errors |\n| --- | --- | --- | --- | --- |")
    for name, row in rows.items():
        cells = [f"{show(row[key], 2, 1000)} ms" for key in ("p50_us", "p99_us", "p999_us")]
        print(f"| {name} | {' | '.join(cells)} | {sum(row['errors']['all'])} |")
    print(flush=True)
    return {"title": title, "rate": rate, "proxies": rows}


# -- idle connections --


def idle(proxies, count):
    """Memory with many connections that were answered once and wait."""
    rows = {}
    for proxy in proxies:
        proxy.start()
        time.sleep(1.0)
        before = proxy.process.memory_mib()
        connections = IdleConnections(proxy.port, SMALL, count)
        time.sleep(1.0)
        rows[proxy.name] = {"before_mib": before, "memory_mib": proxy.process.memory_mib(), "alive": connections.alive()}
        connections.close()
        proxy.stop()
    print(f"## {count} idle keep-alive connections\n")
    print("| | memory | before | still open |\n| --- | --- | --- | --- |")
    for name, row in rows.items():
        print(f"| {name} | {row['memory_mib']:.1f} MiB | {row['before_mib']:.1f} MiB | {row['alive']} |")
    print(flush=True)
    return {"count": count, "proxies": rows}


# -- goals --


def print_goals(result):
    """What was wished for, and what was seen."""
    print("## Goals\n\n| goal | seen | holds |\n| --- | --- | --- |")

    def goal(text, seen, limit, form):
        print(f"| {text} | {form.format(seen)} | {'yes' if seen <= limit else 'no'} |")

    for scenario in result["closed"]:
        row, better = against(scenario["proxies"], "cpu_s_per_100k")
        if better:
            goal(f"CPU per request at most 0.85 of the better peer: {scenario['title']}", row / better, 0.85, "{:.2f}")
    if "open" in result:
        row, better = against(result["open"]["proxies"], "p99_us")
        if better:
            goal("p99 at a constant rate at most 1.05 of the better peer", row / better, 1.05, "{:.2f}")
    ours = result["idle"]["proxies"]["mainspring"]
    goal(f"{result['idle']['count']} idle connections under 150 MiB", ours["memory_mib"], 150, "{:.1f} MiB")
    start = result["start"]["mainspring"]
    goal("memory at rest under 30 MiB", start["mib"]["median"], 30, "{:.1f} MiB")
    goal("start to first proxied answer under 200 ms", start["ms"]["median"], 200, "{:.0f} ms")


def against(rows, key):
    """Mainspring's median and the best of the others'."""
    others = [row[key]["median"] for name, row in rows.items() if name != "mainspring"]
    return rows["mainspring"][key]["median"], min(others, default=None)


# -- text --


def show(values, digits, divisor=1):
    """Median (min–max)."""
    low, middle, high = (values[key] / divisor for key in ("min", "median", "max"))
    return f"{middle:,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"


def machine_text(result):
    machine = result["machine"]
    lines = [
        f"{machine['date']}, commit {machine['commit']}, `{machine['command']}`.",
        f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_mib']} MiB, Linux {machine['kernel']};"
        f" load average at the start {machine['load_average']:.1f}.",
        "; ".join(machine[name] for name in ("mainspring", "nginx", "haproxy", "wrk")) + ".",
        f"{result['rounds']} rounds of {result['seconds']} s each, alternating; medians (min–max).",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
