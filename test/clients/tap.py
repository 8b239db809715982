# SPDX-License-Identifier: PostgreSQL
"""tap.py: what the suites in Python share: one line of TAP a test, and where the server is."""

import os
import signal
import subprocess
import sys
import traceback

LABEL = os.environ.get("CLIENTS_LABEL", "client")
SERVER = os.environ["CLIENTS_SERVER"]
HOST, PORT = os.environ["CLIENTS_HOST"], int(os.environ["CLIENTS_PORT"])
USER, PASSWORD = os.environ["CLIENTS_USER"], os.environ["CLIENTS_PASSWORD"]
SOCKET = os.environ["CLIENTS_SOCKET"] if os.environ["CLIENTS_TRANSPORT"] == "unix" else None
# The port that CONFIG and INFO tell of is PORT all the same.
TLS_PORT = int(os.environ["CLIENTS_TLS_PORT"]) if os.environ["CLIENTS_TRANSPORT"] == "tls" else None
CERTIFICATE = os.environ.get("CLIENTS_CERTIFICATE")
ON_PGFIRST = SERVER == "pgfirst"

_tests = []


class Skip(Exception):
    """Raised by a test that does not apply."""


def test(name):
    """Decorates a test; they run in the order in which they stand."""

    def keep(function):
        _tests.append((f"{LABEL}: {name}", function))
        return function

    return keep


def check(actual, expected):
    if actual != expected or type(actual) is not type(expected):
        raise AssertionError(f"got {actual!r:.300}, expected {expected!r:.300}")


def raises(kind, words, function, *arguments, **options):
    """The function must raise `kind` with exactly these words."""
    try:
        result = function(*arguments, **options)
    except kind as error:
        check(str(error), words)
        return
    raise AssertionError(f"got {result!r:.300}, expected an error: {words}")


def restart_server():
    here = os.path.dirname(os.path.abspath(__file__))
    subprocess.run([sys.executable, os.path.join(here, "server.py"), "restart", os.environ["CLIENTS_PLACE"]],
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=120)


def late(_signal, _frame):
    raise AssertionError("not within two minutes")


def main(before=None):
    """Runs the tests whose names contain $TEST; `before` runs before each."""
    failed = 0
    signal.signal(signal.SIGALRM, late)
    for name, function in _tests:
        if os.environ.get("TEST", "") not in name:
            continue
        signal.alarm(120)
        try:
            if before:
                before()
            function()
            print(f"ok - {name}", flush=True)
        except Skip as reason:
            print(f"ok - {name} # SKIP {reason}", flush=True)
        except Exception as error:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok - {name}\n#   {type(error).__name__}: {str(error)[:2000]!r}", flush=True)
            for line in traceback.format_exc(limit=-3).splitlines():
                print(f"#   {line[:300]}", flush=True)
        finally:
            signal.alarm(0)
    return 1 if failed else 0
