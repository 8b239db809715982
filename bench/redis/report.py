# SPDX-License-Identifier: PostgreSQL
"""report.py: docs/benchmarks.md and its plots, from the raw results alone.

A target is reached when the median of the ratios is at or above it and their lower quartile is at
least 0.95 of it. That a p99 is no worse than Redis's is judged alike, by Redis's over pgfirst's. Nothing is left out
because it looks bad; what was not measured is said to be missing.

Raw results stay where they were measured and are not published, the page is. A section without raw
results here is therefore kept as the page has it.
"""

import os
import re
import subprocess

from common import settings
from common.results import median, quantile, read

import rows
import tasks

PEERS = ("pgfirst", "redis", "postgres")
TITLES = {"pgfirst": "pgfirst", "redis": "Redis", "postgres": "PostgreSQL"}
DOORS = ("pgfirst", "redis")
PLOTS = "benchmarks"

HEAD = """\
# Benchmarks: the Redis door

<!-- Written by "make bench". Measure again instead of editing. -->

pgfirst beside redis-server and beside an ordinary PostgreSQL table. What stands in one section was measured in one run,
on one machine; a stage that is measured again replaces its own. This is where the commands were measured, and the other
sections say it of themselves:

| | |
| --- | --- |
"""

RULES = """
How it is done, and how to repeat it: [bench/README.md](../bench/README.md). In short:

- Every server has one core for all its processes, the load has another. pgfirst and Redis alternate; a
  ratio is that of two neighbouring runs. Plain PostgreSQL runs in every third pair.
- Durability is the same on both sides: durable is `appendfsync always`, relaxed (logged, not waited for)
  is `everysec`, volatile (not logged) is no file at all. For plain PostgreSQL these are
  `synchronous_commit` on and off, and an UNLOGGED table.
- "PostgreSQL" is a table with a primary key, prepared statements over the unix socket, one connection
  per client; 16 pipelined are one transaction there.
- "16 pipelined" and "of 10" are redis-benchmark's `-P 16` and ten keys a command; rates count commands.
- A target is reached when the median ratio is at or above it and the lower quartile at least 0.95 of it.
- Durable writes make two checkpoints in every run, that is, about one a second instead of one in
  minutes, unless the row says otherwise.
- "On a heap" is what the same door brought on the same machine while its records stood in an ordinary
  heap table with an index (bench/redis/heap.tsv): the rate, and its ratio to Redis then.
- redis-benchmark takes a core itself: at one command a request, the fastest rows show its limit, and the
  server's CPU says more than the rate.
"""

MANY = """
## %s keys

The same load beside that on %s: in a server whose shared buffers hold them all (`--memory %s`), and in
one with the 256 MB that `pgfirst up` gives by itself, where most of many keys are in the kernel's cache
only. Durable writes with the log that each takes, over two checkpoints. VACUUM is that of a store in
which nothing has changed since the last one.
"""

TYPES = """
## Lists, hashes, sets, sorted sets, streams

One collection under one key, on which all clients work: what adds begins without the key, what pops finds
as many elements as it pops, what reads has as many as there are keys otherwise. Both servers are made ready
in the same way before each run, outside of what is measured, and the key is counted behind it.
"""

CELERY = """
## Celery

Unmodified, given a URL: one sender, one worker of two processes, tasks that do nothing and whose results are
stored and waited for. Tasks a second from the first that is sent until the last result has come; sender and
worker share one core, and most of the time is theirs. What the server needs for a task is its CPU, of
all its processes, and the bytes that it writes to its log or append-only file.
"""

CELERY_CPU = 1.5  # of Redis's, at most

WAKE = """
## From a push to BRPOP

One client sleeps in BRPOP, another one pushes; milliseconds from before the push until the first one has read
the element. pgfirst has two workers, which share the server's core: both clients are at the same one, or at
different ones, or the push is a transaction's `kv.lpush` and the clock starts at its COMMIT.
"""

WAKE_P99_MS = 2.0  # at most, across workers and from SQL

SNAPSHOT = """
## Tasks beside an old snapshot

What a worker of Celery's sends for a task, four round trips of %s clients, half of which always sleep in BRPOP:
BRPOP, then ZADD and HSET, then ZREM and HDEL, each two in a transaction, then LPUSH of the next one. A
transaction in REPEATABLE READ is held open for %s seconds. Relaxed, so that the disk's own time hides nothing. The file
is that of the database, with the pages of it that are in use; for Redis it is its memory.
"""

SNAPSHOT_SHARE = 0.95  # of the rate before, at least

HELD = """
## Beside a held snapshot

One transaction has read something in REPEATABLE READ and sits idle, as a `pg_dump` or a forgotten prompt
would. Meanwhile 1,000 keys are updated again and again, relaxed, over the unix socket. In a heap no
version that was ever written can go, and reads and writes walk past them. Redis has no snapshots; it is
there for the scale. A curve that ends early was stopped for taking too long (%d s).
"""

GROWTH = """
## Growth and shrinkage

200,000 keys set and deleted at random for %d s, more of the one or more of the other for seconds at a
time: %s operations, between %s and %s records. Space in a page that has become half empty, and whole
pages that are free, are used again; when an eighth of the file is free, it is made shorter. The target is 1.8.
"""

IDLE = """
## Idle connections

Logged in and silent, while fifty others work. PSS of all the server's processes, without the kernel's
memory for sockets, which is the same for all. The target is at most 200 MB for ten thousand.
"""

SLOW = """
## A disk that takes a millisecond longer

The same servers with %s µs added to each of their fsync and fdatasync calls, as a cloud's disk does.
"""

SLOW_READS = """
What readers notice of writers: ten clients GET while fifty others SET durably as fast as they can. The
target is a p50 of at most 0.5 ms.
"""


# ---- numbers -------------------------------------------------------------------------------------


def rate(value):
    return "–" if value is None else "{:,.0f}".format(value)


def small(value, digits=1):
    return "–" if value is None else "%.*f" % (digits, value)


def log_size(value):
    if value is None:
        return "–"
    return "0" if value < 0.5 else "{:,.0f}".format(value)


def megabytes(value):
    return "–" if value is None else small(value / 1e6, 2)


class Measured:
    """All runs of one row."""

    def __init__(self, name, runs):
        self.name = name
        self.runs = [run for run in runs if run["row"] == name]

    def values(self, peer, column):
        return [run[column] for run in self.runs if run["peer"] == peer]

    def median(self, peer, column):
        return median(self.values(peer, column))

    def ratios(self, column="rate"):
        """Pgfirst's over Redis's, for each pair."""
        by_pair = {(run["peer"], run["pair"]): run[column] for run in self.runs}
        numbers = sorted({run["pair"] for run in self.runs})
        complete = [n for n in numbers if ("pgfirst", n) in by_pair and ("redis", n) in by_pair]
        return [by_pair["pgfirst", n] / by_pair["redis", n] for n in complete]


def verdict(ratios, target):
    if target is None:
        return "–"
    reached = median(ratios) >= target and quantile(ratios, 0.25) >= 0.95 * target
    return "%s %s" % (target, "reached" if reached else "**missed**")


# ---- tables --------------------------------------------------------------------------------------


def titles(peers):
    return " | ".join(TITLES[peer] for peer in peers)


def table(head, lines):
    width = head.count("|") - 1
    return [head, "| --- |" + " ---: |" * (width - 1)] + lines


def on_a_heap():
    """What the door brought when its records were rows of a heap table: by row, rate and ratio."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "heap.tsv")
    with open(path) as file:
        lines = [line.rstrip("\n").split("\t") for line in file][1:]
    return {name: (float(was), float(ratio)) for name, was, ratio in lines}


def rates_table(measured, targets, before=None, peers=PEERS):
    lines = []
    for row in measured:
        ratios = row.ratios()
        if not ratios:
            continue
        was = before.get(row.name) if before else None
        heap = " | %s, %.2f" % (rate(was[0]), was[1]) if was else " | –" if before else ""
        lines.append(
            "| %s | %s | %.2f | %.2f | %s%s |"
            % (
                row.name,
                " | ".join(rate(row.median(peer, "rate")) for peer in peers),
                median(ratios),
                quantile(ratios, 0.25),
                verdict(ratios, targets.get(row.name)),
                heap,
            )
        )
    head = "| requests per second | %s | ratio to Redis | lower quartile | target |" % titles(peers)
    if before:
        head += " on a heap |"
    return table(head, lines)


def p99_cells(row):
    """How often pgfirst's p99 goes into Redis's, and whether it is no worse."""
    shorter = [1 / ratio for ratio in row.ratios("p99")]
    return [small(median(shorter), 2), verdict(shorter, 1.0)] if shorter else ["–", "–"]


def costs_table(measured, peers=PEERS):
    lines = []
    for row in measured:
        cells = [small(row.median(peer, "cpu_us")) for peer in peers]
        cells += [log_size(row.median(peer, "log_bytes")) for peer in peers]
        cells += [small(row.median(peer, "p99"), 2) for peer in peers]
        cells += p99_cells(row)
        lines.append("| %s | %s |" % (row.name, " | ".join(cells)))
    named = titles(peers)
    head = "| | CPU µs/op: %s | log B/op: %s | p99 ms: %s | Redis's to it | target |" % (named, named, named)
    return table(head, lines)


COSTS = (
    "The server's cost: CPU of all its processes; bytes of write-ahead log, "
    "or of the append-only file (– where there is none, or where each run rewrote it). p99 as the client saw it, and "
    "Redis's divided by pgfirst's in each pair: from 1.0 on it is no worse."
)


def both_tables(runs, list_of_rows, before=None, peers=PEERS):
    measured = [Measured(row.name, runs) for row in list_of_rows]
    measured = [row for row in measured if row.runs]
    targets = {row.name: row.target for row in list_of_rows}
    return rates_table(measured, targets, before, peers) + ["", COSTS, ""] + costs_table(measured, peers)


# ---- sections ------------------------------------------------------------------------------------


def not_measured(title):
    return ["", "## " + title, "", "Not measured in this run."]


def rates_section():
    runs = read("rates")
    if not runs:
        return not_measured("Commands")
    picture = ["", "![ratios to Redis](%s/ratios.svg)" % PLOTS]
    return ["", "## Commands", ""] + both_tables(runs, rows.ROWS, on_a_heap()) + picture


def facts_of(stage):
    """Where and how a stage was measured, in one paragraph; of the rates it stands at the top."""
    facts = ("%s: %s" % (fact["what"], fact["value"]) for fact in read(stage + "_facts"))
    return ["", "Measured on: %s." % "; ".join(facts), ""]


def types_section():
    runs = read("types")
    if not runs:
        return not_measured("Lists, hashes, sets, sorted sets, streams")
    text = [TYPES] + facts_of("types") + both_tables(runs, rows.TYPE_ROWS, peers=DOORS)
    missing = [row.name for row in rows.TYPE_ROWS if not Measured(row.name, runs).runs]
    return text + (["", "Not measured: %s." % ", ".join(missing)] if missing else [])


def celery_section():
    runs = read("celery")
    if not runs:
        return not_measured("Celery")
    measured = [Measured(row.name, runs) for row in tasks.ROWS]
    lines = []
    for row in measured:
        cells = [small(row.median(peer, "cpu_us")) for peer in DOORS]
        more = median(row.ratios("cpu_us"))
        cells += ["%.2f" % more, "%s %s" % (CELERY_CPU, "reached" if more <= CELERY_CPU else "**missed**")]
        cells += [log_size(row.median(peer, "log_bytes")) for peer in DOORS]
        cells += [small(row.median(peer, "p99"), 2) for peer in DOORS]
        lines.append("| %s | %s |" % (row.name, " | ".join(cells)))
    head = "| | CPU µs/task: %s | ratio | at most | log B/task: %s | p99 ms of sending: %s |"
    rates = rates_table(measured, {row.name: row.target for row in tasks.ROWS}, peers=DOORS)
    rates[0] = rates[0].replace("requests", "tasks")
    return [CELERY] + facts_of("celery") + rates + [""] + table(head % ((titles(DOORS),) * 3), lines)


def wake_section():
    lines = []
    for row in read("wake"):
        reached = "reached" if row["p99"] <= WAKE_P99_MS else "**missed**"
        target = "%s %s" % (WAKE_P99_MS, reached) if row["way"] != "same worker" else "–"
        cells = [TITLES[row["peer"]], row["way"], row["space"]]
        cells += [small(row[name], 2) for name in ("p50", "p99", "max")]
        lines.append("| %s | %s |" % (" | ".join(cells), target))
    if not lines:
        return not_measured("From a push to BRPOP")
    return [WAKE] + facts_of("wake") + table("| | pushed at | durability | p50 ms | p99 ms | max ms | p99 at most |", lines)


def snapshot_section():
    slices = read("snapshot")
    if not slices:
        return not_measured("Tasks beside an old snapshot")
    phases = {}
    for part in slices:
        phases.setdefault((part["peer"], part["phase"]), []).append(part)
    rates = {which: median([part["rate"] for part in own]) for which, own in phases.items()}
    lines = []
    for (peer, phase), own in phases.items():
        cells = [TITLES[peer], phase, rate(sum(part["seconds"] for part in own)), rate(rates[peer, phase])]
        cells += [rate(own[-1]["rate"]), "%.2f" % (rates[peer, phase] / rates[peer, "before"])]
        cells += [small(median([part["p99"] for part in own]), 2), small(median([part["cpu_us"] for part in own]))]
        cells += [megabytes(own[-1]["file"]), megabytes(max((part["used"] for part in own if part["used"]), default=None))]
        lines.append("| %s |" % " | ".join(cells))
    head = "| | snapshot | seconds | tasks/s | last | of before | p99 ms | CPU µs/task | file MB | used, at most |"
    text = [SNAPSHOT % (rate(settings.CLIENTS), rate(sum(part["seconds"] for part in phases["pgfirst", "during"])))]
    return text + facts_of("snapshot") + table(head, lines) + [""] + snapshot_verdicts(phases, rates)


def snapshot_verdicts(phases, rates):
    share = rates["pgfirst", "during"] / rates["pgfirst", "before"]
    before, during = (phases["pgfirst", phase] for phase in ("before", "during"))
    return [
        "- the rate beside the snapshot: %.3f of that before; %s %s"
        % (share, SNAPSHOT_SHARE, "reached" if share >= SNAPSHOT_SHARE else "**missed**"),
        "- the file grew beside the snapshot by %s MB" % megabytes(during[-1]["file"] - before[-1]["file"]),
    ]


def held_section():
    slices = read("held")
    if not slices:
        return not_measured("Beside a held snapshot")
    lines = []
    for peer, title in TITLES.items():
        own = [part for part in slices if part["peer"] == peer]
        if own:
            first, last = own[0], own[-1]
            cells = [rate(last["updates"])]
            cells += [rate(first["set_rate"]), rate(last["set_rate"])]
            cells += [rate(first["get_rate"]), rate(last["get_rate"])]
            cells += [small(first["bytes"] / 1e6), small(last["bytes"] / 1e6)]
            lines.append("| %s | %s |" % (title, " | ".join(cells)))
    head = "| | updates | SET/s first | last | GET/s first | last | MB first | last |"
    pictures = ["", "![SET per second](%s/held-set.svg)" % PLOTS, ""]
    pictures += ["![GET per second](%s/held-get.svg)" % PLOTS, ""]
    pictures += ["![size](%s/held-size.svg)" % PLOTS]
    return [HELD % settings.HELD_SECONDS] + facts_of("held") + table(head, lines) + pictures


def many_section():
    runs = read("many")
    if not runs:
        return not_measured("Ten million keys")
    lines = []
    for name in dict.fromkeys(run["row"] for run in runs):
        own = [run for run in runs if run["row"] == name]
        few = median([run["rate"] for run in own if run["keys"] != settings.MANY_KEYS])
        cells = [name, rate(few)]
        for ample in (True, False):
            many = [run for run in own if run["keys"] == settings.MANY_KEYS
                    and (run["memory"] == settings.MANY_MEMORY) == ample]
            middle = median([run["rate"] for run in many])
            cells += [rate(middle), "%.2f" % (middle / few)]
        cells.append(log_size(median([run["log_bytes"] for run in many])))
        lines.append("| %s |" % " | ".join(cells))
    head = "| requests per second | few keys | many, in buffers | share | many, beyond | share | log B/op |"
    text = [MANY % (rate(settings.MANY_KEYS), rate(settings.KEYS), settings.MANY_MEMORY)] + facts_of("many")
    text += table(head, lines)
    store = read("many_store")
    return text + [""] + ["- %s: %s" % (fact["what"], fact["value"]) for fact in store]


def growth_section():
    looks = read("growth")
    if not looks:
        return not_measured("Growth and shrinkage")
    last = looks[-1]
    records = [look["records"] for look in looks[1:]]
    grown = [look for look in looks if look["live"] > 0]
    in_use = [look["in_use"] / look["live"] for look in grown]
    whole = [look["file"] / look["live"] for look in grown]
    text = [GROWTH % (last["seconds"], rate(last["operations"]), rate(min(records)), rate(max(records)))]
    return text + facts_of("growth") + [
        "- pages in use, over the bytes of live records: median %.2f, at the end %.2f, at most %.2f"
        % (median(in_use), in_use[-1], max(in_use)),
        "- the file over them: median %.2f, at the end %.2f, at most %.2f" % (median(whole), whole[-1], max(whole)),
    ]


def idle_section():
    memory, runs = read("idle_memory"), read("idle")
    if not memory:
        return not_measured("Idle connections")
    lines = []
    for row in memory:
        grown = row["after"] - row["before"]
        lines.append(
            "| %s | %s | %.1f | %.1f |"
            % (
                TITLES[row["peer"]],
                rate(row["connections"]),
                grown / 1e6,
                grown / row["connections"] / 1e3,
            )
        )
    text = [IDLE] + facts_of("idle") + table("| | connections | MB in all | kB each |", lines)
    text += ["", "PostgreSQL was not brought to more: each is a process of its own.", ""]
    names = []
    for run in runs:
        if run["row"] not in names:
            names.append(run["row"])
    return text + rates_table([Measured(name, runs) for name in names], {})


def slow_section():
    runs, reads = read("slow"), read("slow_reads")
    if not runs:
        return not_measured("A disk that takes a millisecond longer")
    lines = []
    for peer, title in TITLES.items():
        own = [run for run in reads if run["peer"] == peer]
        if own:
            cells = [rate(median([run["rate"] for run in own]))]
            cells += [small(median([run[name] for run in own]), 2) for name in ("p50", "p95", "p99")]
            lines.append("| %s | %s |" % (title, " | ".join(cells)))
    text = [SLOW % settings.SLOW_SYNC_US] + facts_of("slow") + both_tables(runs, rows.SLOW_ROWS, on_a_heap())
    return text + [SLOW_READS] + table("| | GET/s | p50 ms | p95 ms | p99 ms |", lines)


# ---- plots ---------------------------------------------------------------------------------------


def _gnuplot(script, data, folder):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), script)
    subprocess.run(["gnuplot", "-e", "data='%s'; plots='%s'" % (data, folder), path], check=True)


def plot(folder):
    """One data file per curve, then gnuplot; a plot whose raw results are not here stays as it is."""
    data = os.path.join(settings.WORK, "plots")
    os.makedirs(data, exist_ok=True)
    held, runs = read("held"), read("rates")
    if held:
        plot_held(held, data, folder)
    if runs:
        plot_ratios(runs, data, folder)


def plot_held(held, data, folder):
    for peer in PEERS:
        with open(os.path.join(data, "held." + peer), "w") as file:
            for part in held:
                if part["peer"] == peer:
                    columns = (part[name] for name in ("updates", "set_rate", "get_rate", "bytes"))
                    file.write("%g %g %g %g\n" % tuple(columns))
    _gnuplot("held.gp", data, folder)


def plot_ratios(runs, data, folder):
    with open(os.path.join(data, "ratios"), "w") as file:
        for row in rows.ROWS:
            ratios = Measured(row.name, runs).ratios()
            if ratios:
                low, middle, high = (quantile(ratios, share) for share in (0.25, 0.5, 0.75))
                file.write('"%s" %g %g %g\n' % (row.name, middle, low, high))
    _gnuplot("ratios.gp", data, folder)


SECTIONS = (
    # the heading in the page, as a pattern, and who writes it anew from raw results
    ("Commands", rates_section),
    ("Lists, hashes, sets, sorted sets, streams", types_section),
    ("Celery", celery_section),
    ("From a push to BRPOP", wake_section),
    ("Tasks beside an old snapshot", snapshot_section),
    ("Beside a held snapshot", held_section),
    ("(Ten million|[0-9,]+) keys", many_section),
    ("Growth and shrinkage", growth_section),
    ("Idle connections", idle_section),
    ("A disk that takes a millisecond longer", slow_section),
)


def published():
    """The page as it is: what stands before its first heading, and its sections."""
    path = os.path.join(settings.OUT, "published.md")
    if not os.path.exists(path):
        return "", []
    with open(path) as file:
        head, *sections = re.split(r"(?m)^(?=## )", file.read())
    return head, sections


def section(pattern, write_anew, sections):
    """Anew if it was measured, else as it was, else what says that it is missing."""
    text = "\n".join(write_anew())
    if text.rstrip().endswith("Not measured in this run."):
        kept = [old for old in sections if re.match("## %s\n" % pattern, old)]
        text = "\n" + kept[0] if kept else text
    return text.rstrip("\n") + "\n"


def write():
    folder = os.path.join(settings.OUT, PLOTS)
    os.makedirs(folder, exist_ok=True)
    head, sections = published()
    facts = read("machine")
    if facts or not head:
        lines = ["| %s | %s |" % (fact["what"], fact["value"]) for fact in facts]
        head = HEAD + "\n".join(lines) + "\n" + RULES
    # A heading has one empty line before it, however the parts came together.
    page = "\n".join([head] + [section(*each, sections) for each in SECTIONS])
    while "\n\n\n" in page:
        page = page.replace("\n\n\n", "\n\n")
    plot(folder)
    with open(os.path.join(settings.OUT, "benchmarks.md"), "w") as file:
        file.write(page)
