"""Asks every rival every question, in turns, each time in a process of its own that is pinned to one processor.

    measure.py FOLDER_OF_PROGRAMS OUTPUT [--quick]

`run.sh` builds the programs and starts this. A program answers with a line of JSON: `runs`, or `cannot` and why.
Nobody sleeps in them, and they have one processor, so they count the time that it spent on them: as long as it works
for others, they stand still. What others leave in its caches they do feel: where others had it for more than a
quarter of the time, the measurement is repeated once.
"""

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time

QUESTIONS = {
    "switch": ("switch", "resume and pause", "ns"),
    "create": ("create", "one at a time", "ns"),
    "walk": ("generator", "walk of 2^20 nodes", "ns"),
    "yield-2": ("yield", "2 tasks", "ns"),
    "yield-100": ("yield", "100 tasks", "ns"),
    "yield-10000": ("yield", "10,000 tasks", "ns"),
    "spawn-1": ("spawn", "one at a time", "ns"),
    "spawn-1000": ("spawn", "1,000 at once", "ns"),
    "ping-pong": ("channel", "ping-pong, round trip", "ns"),
    "stream": ("channel", "stream of bounded(128)", "ns"),
    "memory": ("memory", "100,000 paused", "bytes"),
}
PATIENCE = 60  # seconds for one process
ROUNDS = 3
TRIES = 2
DISTURBED = 0.25


def rivals(build, here):
    python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
    script = os.path.join(here, "python", "foreign.py")
    lua = os.path.join(here, "lua", "foreign.lua")
    return {
        "Go": [os.path.join(build, "go-rival")],
        "Lua": ["lua5.4", lua],
        "LuaJIT": ["luajit", lua],
        "Boost.Context": [os.path.join(build, "context")],
        "Boost.Fiber": [os.path.join(build, "fiber")],
        "Python asyncio": [python, script, "asyncio"],
        "Python greenlet": [python, script, "greenlet"],
    }


def said_by(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        return (done.stdout + done.stderr).strip().splitlines()[0]
    except (OSError, IndexError, subprocess.TimeoutExpired):
        return "unknown"


def versions(build):
    python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
    boost = "unknown"
    if os.path.exists("/usr/include/boost/version.hpp"):
        with open("/usr/include/boost/version.hpp") as header:
            found = re.search(r'BOOST_LIB_VERSION "([^"]*)"', header.read())
        boost = found.group(1).replace("_", ".") if found else boost
    go = os.path.join(build, "go.version")
    number = lambda line: (re.search(r"\d+\.[\w.+-]*\w", line) or [line])[0]
    return {
        "Go": open(go).read().strip() if os.path.exists(go) else "unknown",
        "Lua": number(said_by("lua5.4", "-v")),
        "LuaJIT": number(said_by("luajit", "-v")),
        "Boost": boost,
        "g++": number(said_by("g++", "-dumpfullversion")),
        "Python": number(said_by(python, "--version")),
        "greenlet": said_by(python, "-c", "import greenlet; print(greenlet.__version__)"),
    }


def cpu_name():
    with open("/proc/cpuinfo") as info:
        names = [line.split(":")[1].strip() for line in info if line.startswith("model name")]
    return f"{names[0]} x {len(names)}" if names else "unknown"


def ask(command, question, processor):
    """The answer, and which part of the time the process did not have the processor that it wanted."""
    pin = lambda: os.sched_setaffinity(0, {processor})
    start, before = time.perf_counter(), os.times()
    try:
        done = subprocess.run(
            [*command, question], capture_output=True, text=True, timeout=PATIENCE, preexec_fn=pin
        )
    except FileNotFoundError:
        return {"cannot": "it could not be installed or built"}, 0.0
    except subprocess.TimeoutExpired:
        return {"cannot": f"did not end within {PATIENCE} s"}, 0.0
    elapsed, after = time.perf_counter() - start, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    try:
        answer = json.loads(done.stdout)
        assert answer.get("runs") or answer.get("cannot")
    except (ValueError, AssertionError):
        words = [line.strip() for line in done.stderr.splitlines() if line.strip()] or ["in silence"]
        # In Python the last line says it, elsewhere the first.
        word = words[-1] if words[0].startswith("Traceback") else words[0]
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        return {"cannot": f"it dies ({how}): {word}"}, 0.0
    return answer, max(0.0, 1 - used / elapsed)


def main():
    build, output = sys.argv[1:3]
    rounds = 1 if "--quick" in sys.argv else ROUNDS
    here = os.path.dirname(os.path.abspath(__file__))
    processor = max(os.sched_getaffinity(0))
    asked = rivals(build, here)
    runs, rows, waited, repeated = {}, {}, [], 0
    for number in range(rounds):
        for key, (question, case, unit) in QUESTIONS.items():
            for who, command in asked.items():
                row = rows.setdefault((key, who), {"question": question, "case": case, "who": who, "unit": unit})
                if "cannot" in row:
                    continue
                tries = []
                while len(tries) < TRIES:
                    tries.append(ask(command, key, processor))
                    if tries[-1][1] <= DISTURBED:
                        break
                repeated += len(tries) - 1
                answer, share = min(tries, key=lambda each: each[1])
                waited.append(share)
                if "cannot" in answer:
                    row["cannot"] = answer["cannot"]
                    continue
                row["note"] = answer.get("note", "stackful")
                if "stack" not in row["note"]:
                    row["note"] = f"stackful; {row['note']}"
                runs.setdefault((key, who), []).extend(answer["runs"])
        print(f"round {number + 1} of {rounds}: others had {statistics.mean(waited):.1%} of the processor", flush=True)
    for each, row in rows.items():
        if "cannot" in row:
            row.update(value=None, low=None, high=None, note=row.pop("cannot"))
            continue
        measured = sorted(runs[each])
        at = lambda part: round(measured[round(part * (len(measured) - 1))], 3)
        row.update(value=at(0.5), low=at(0.1), high=at(0.9))
    missing = [f"{who}: {key}" for key in QUESTIONS for who in asked if (key, who) not in rows]
    results = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cpu": cpu_name(),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "rounds": rounds,
        "waited": round(statistics.mean(waited), 3),
        "repeated": repeated,
        "versions": versions(build),
        "rows": list(rows.values()),
    }
    with open(output, "w") as file:
        json.dump(results, file, indent=2)
        file.write("\n")
    for row in results["rows"]:
        figure = "cannot" if row["value"] is None else f"{row['value']:,.1f} {row['unit']}"
        print(f"{row['question']}/{row['case']}: {row['who']}: {figure}; {row['note']}")
    if missing:
        sys.exit(f"not asked: {', '.join(missing)}")


if __name__ == "__main__":
    main()
