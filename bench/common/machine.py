# SPDX-License-Identifier: PostgreSQL
"""machine.py: processes, the cores they may use, what they cost, and what they run on.

Cores. The server under test, with all its processes, has the first core and the load the second,
so that neither borrows from the other and a rate is the rate of one server core. On a machine with
one core nothing is pinned, and the page says so. BENCH_SERVER_CPUS and BENCH_CLIENT_CPUS name others.

Ends. Every process is a child of ours and is ended by its pid when the run ends, however it ends;
the kernel sends them SIGTERM if we are killed before we can.

Cost. CPU is the sum over the server's tree of processes: to the nanosecond for what is alive (ticks of
10 ms would lose half a second over fifty backends), in ticks for what has ended meanwhile. Memory is
PSS, which shares out what processes share, so that it can be added up over a tree.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 60
PORTS = range(28000, 29000)

_cores = sorted(os.sched_getaffinity(0))
PINNED = len(_cores) > 1 or "BENCH_SERVER_CPUS" in os.environ
SERVER_CPUS = os.environ.get("BENCH_SERVER_CPUS") or str(_cores[0])
CLIENT_CPUS = os.environ.get("BENCH_CLIENT_CPUS") or str(_cores[1 % len(_cores)])

_children = []


# ---- processes -----------------------------------------------------------------------------------


def start(argv, cpus, environment=None, **options):
    """Starts a child on these cores; it ends with us."""
    prefix = ["setpriv", "--pdeathsig", "TERM", "--"]
    if PINNED:
        prefix += ["taskset", "-c", cpus]
    # The preloaded library is the server's business and not that of the programs in between.
    if environment:
        prefix += ["env"] + ["%s=%s" % pair for pair in environment.items()]
    child = subprocess.Popen(prefix + argv, text=True, **options)
    _children.append(child)
    return child


def stop(child, number=signal.SIGTERM):
    """Ends a child in order, and with force when it does not go."""
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:
                pass
    if child.poll() is None:
        child.send_signal(number)
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    if child in _children:
        _children.remove(child)


def stop_all():
    while _children:
        stop(_children[-1])


def install_signals():
    """Ends the run as an exception does, so that everything is put away on the way out."""

    def leave(number, _frame):
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, leave)


@contextlib.contextmanager
def beside_servers():
    """We ourselves on the cores of the load, as long as we are one."""
    before = os.sched_getaffinity(0)
    if PINNED:
        os.sched_setaffinity(0, _numbers(CLIENT_CPUS))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _numbers(cpus):
    """0-2,5: as taskset takes them."""
    ends = ([int(end) for end in part.split("-")] for part in cpus.split(","))
    return {number for end in ends for number in range(end[0], end[-1] + 1)}


def wait_until(condition, seconds, what):
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise RuntimeError("%s: not after %d seconds" % (what, seconds))
        time.sleep(0.02)


_given_ports = set()


def free_port():
    for port in PORTS:
        if port in _given_ports:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given_ports.add(port)
        return port
    raise RuntimeError("no free port from %d to %d" % (PORTS[0], PORTS[-1]))


# ---- what they cost ------------------------------------------------------------------------------


def _stat(pid):
    """Parent, own ticks and ticks of ended children; by place, behind a name that may hold anything."""
    with open("/proc/%d/stat" % pid) as file:
        fields = [int(field) for field in file.read().rsplit(")", 1)[1].split()[1:15]]
    return fields[0], fields[10] + fields[11], fields[12] + fields[13]


def tree(root):
    """The process and all its descendants."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            children.setdefault(_stat(int(name))[0], []).append(int(name))
        except (OSError, IndexError):
            continue
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _own_seconds(pid, ticks):
    """What its threads ran, to the nanosecond where the kernel says so."""
    try:
        total = 0
        for thread in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/schedstat" % (pid, thread)) as file:
                total += int(file.read().split()[0])
        return total / 1e9
    except OSError:
        return ticks / TICKS


def cpu_seconds(root):
    total = 0
    for pid in tree(root):
        try:
            _, ticks, ended = _stat(pid)
        except (OSError, IndexError):
            continue
        total += _own_seconds(pid, ticks) + ended / TICKS
    return total


def pss_of(pid):
    with open("/proc/%d/smaps_rollup" % pid) as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def pss_bytes(root):
    total = 0
    for pid in tree(root):
        try:
            total += pss_of(pid)
        except OSError:
            continue
    return total


# ---- what it runs on -----------------------------------------------------------------------------


def _first(path, start_of_line):
    with open(path) as file:
        for line in file:
            if line.startswith(start_of_line):
                return line.split(":", 1)[1].strip()
    return "unknown"


def _filesystem(path):
    best = ("", "unknown")
    with open("/proc/mounts") as file:
        for line in file:
            _, place, kind = line.split()[:3]
            inside = path == place or path.startswith(place.rstrip("/") + "/")
            if inside and len(place) >= len(best[0]):
                best = (place, kind)
    return best[1]


def sync_microseconds(directory):
    """What one small durable write costs here: the median of 200."""
    path = os.path.join(directory, "sync")
    file = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    took = []
    try:
        os.write(file, bytes(1 << 22))
        os.fsync(file)
        for i in range(200):
            os.pwrite(file, bytes(8192), i * 8192)
            begin = time.monotonic()
            os.fdatasync(file)
            took.append(time.monotonic() - begin)
    finally:
        os.close(file)
        os.unlink(path)
    return sorted(took)[100] * 1e6


def version(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def describe(directory):
    """The machine in words that compare: (what, value)."""
    memory = int(_first("/proc/meminfo", "MemTotal").split()[0]) / (1 << 20)
    kernel = os.uname().release.split("-")[0]
    with open("/etc/os-release") as file:
        names = [line.split("=", 1)[1].strip().strip('"') for line in file if line.startswith("PRETTY_NAME")]
    if PINNED:
        pins = "server on core %s, load on core %s" % (SERVER_CPUS, CLIENT_CPUS)
    else:
        pins = "not pinned: one core for server and load"
    return [
        ("processor", "%s, %d cores, %.0f GB of memory" % (_first("/proc/cpuinfo", "model name"), len(_cores), memory)),
        ("system", "%s, Linux %s" % ((names or ["unknown"])[0], kernel)),
        ("disk", "%s; an 8 kB write and fdatasync: %.0f µs" % (_filesystem(os.path.realpath(directory)), sync_microseconds(directory))),
        ("cores", pins),
    ]
