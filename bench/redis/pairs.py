# SPDX-License-Identifier: PostgreSQL
"""pairs.py: one row, peer against peer, in turns.

Pgfirst and Redis alternate, and who begins alternates too: whatever drifts on the machine drifts for
both. What is compared is each pair's ratio, and then the median and lower quartile of those. Plain
PostgreSQL runs between them, in every third pair, half as many requests: it is for orientation and
has no target.
"""

from common import load, settings

COLUMNS = (
    "row peer pair requests seconds rate p50 p95 p99 cpu_us log_bytes checkpoints".split()
)


def run_row(writer, row, peers, pairs=None, say=print, ready=None):
    """
    peers: by name; pgfirst and redis in pairs, postgres between if it is there. `ready`, called with
    peer, work and requests before each run, returns what is to be called behind it.
    """
    pairs = pairs or settings.PAIRS
    expected = {}

    def one(name, pair):
        requests = round(settings.REQUESTS * row.scale)
        if name == "postgres":
            requests = int(settings.REQUESTS * min(row.scale, 1)) // 2
        if pair == 0:
            requests //= 4
        over = requests / expected[name] if row.checkpoints and pair > 0 else None
        done = ready(peers[name], row.work, requests) if ready else None
        outcome = load.measure(peers[name], row.work, requests, over)
        if done:
            done()
        expected[name] = outcome.rate
        if pair > 0:
            writer.add(row=row.name, peer=name, pair=pair, **_rounded(outcome))
        return outcome.rate

    others = [name for name in peers if name not in ("pgfirst", "redis")]
    for name in peers:
        one(name, 0)
    ratios = []
    for pair in range(1, pairs + 1):
        rates = {}
        for name in ("pgfirst", "redis") if pair % 2 else ("redis", "pgfirst"):
            rates[name] = one(name, pair)
        ratios.append(rates["pgfirst"] / rates["redis"])
        if pair % 3 == 1:
            for name in others:
                one(name, pair)
    ratios.sort()
    say("  %-44s %5.2f of Redis" % (row.name, ratios[len(ratios) // 2]))


def _rounded(outcome):
    return {
        name: ("" if value is None else "%.6g" % value if isinstance(value, float) else value)
        for name, value in outcome._asdict().items()
    }
