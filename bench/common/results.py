# SPDX-License-Identifier: PostgreSQL
"""results.py: raw results as tab-separated files, one per stage, and the few statistics they need.

A file is written line by line while the stage runs, so that an interrupted run leaves what it
measured. The page is made from these files alone and can be made again without measuring.
"""

import os

from common import settings


class Writer:
    """build/bench/NAME.tsv; replaces what was there."""

    def __init__(self, name, *columns):
        self.columns = columns
        self.file = open(os.path.join(settings.OUT, name + ".tsv"), "w")
        self.file.write("\t".join(columns) + "\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def add(self, **values):
        self.file.write("\t".join(str(values.get(column, "")) for column in self.columns) + "\n")
        self.file.flush()


def read(name):
    """The rows of a stage as dictionaries with numbers where they are numbers; [] if it did not run."""
    path = os.path.join(settings.OUT, name + ".tsv")
    if not os.path.exists(path):
        return []
    with open(path) as file:
        columns = file.readline().rstrip("\n").split("\t")
        return [dict(zip(columns, map(_value, line.rstrip("\n").split("\t")))) for line in file]


def _value(text):
    try:
        return float(text)
    except ValueError:
        return text or None


def quantile(values, share):
    """Linear between the two nearest values; None of nothing."""
    values = sorted(value for value in values if value is not None)
    if not values:
        return None
    place = (len(values) - 1) * share
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


def median(values):
    return quantile(values, 0.5)
