# SPDX-License-Identifier: PostgreSQL
"""queues_known.py: what is known of each collection, and what may be shown of it; see queues.py.

An element is named by its producer's number and its own, and belongs to one queue. It is pushed by a
unit: one command, transaction or script, whose elements come all or not at all. A unit has happened when
it was acknowledged, or when anybody was shown any of its elements. What is over, because it was
served or never came, is remembered with the moment, and is never shown again to who asks later.

What was sent by a connection that was lost may have happened. For a push, that shows; for a pop, it may have
taken an element that nobody ever sees again: so many are forgiven, of the queues that it asked for; and where one
end is pushed to and the other popped from, only if none that was pushed earlier was popped later.

Everything else is a Toggle: operations 1, 2, 3, … of one writer put something there and away again, or
move it between two places; floor and sent are as in load.h.
"""

import random
import time

COMPLAINTS = 20  # that are printed
ALL_LOST = 1  # second in which the connections notice that are lost together


class Known:
    def __init__(self):
        self.moment = 0
        self.over = {}  # name: when
        self.forgiven = []  # (queues, elements) of connections that were lost
        self.queues = []
        self.count = dict.fromkeys(
            "acknowledged transactions scripts served shown gone halves refused lost wrong".split(), 0
        )

    def wrong(self, text):
        self.count["wrong"] += 1
        if self.count["wrong"] <= COMPLAINTS:
            print("wrong:", text, flush=True)

    def half(self, text):
        self.count["halves"] += 1
        self.wrong("half of what belongs together: " + text)

    def end(self, name):
        self.moment += 1
        self.over[name] = self.moment

    def forgive(self, queues, elements):
        """A pop was under way on a connection that was lost."""
        self.forgiven.append((queues, elements))
        for queue in queues:
            queue.forgiven += elements
            queue.lost_at = time.monotonic()
            queue.first_since = {}


known = Known()


def text_of(name, size):
    """What an element is: its bytes say everywhere whose they are."""
    text = name + b":"
    return text + ((name + b".") * (size // (len(name) + 1) + 1))[: max(0, size - len(text))]


class Unit:
    def __init__(self):
        self.happened = False
        self.elements = []


class Element:
    __slots__ = ("name", "text", "number", "producer", "unit", "holder", "removing")

    def __init__(self, producer, number, size, unit):
        self.name = b"%d-%d" % (producer, number)
        self.text = text_of(self.name, size)
        self.producer = producer
        self.number = number
        self.unit = unit
        self.holder = None
        self.removing = False


# ---- queues ----------------------------------------------------------------------------------


class Queue:
    """A list or sorted set.

    push     LPUSH, RPUSH, ZADD; or None: both LPUSH and RPUSH
    limit    of elements that are in it
    long     it is filled up to its limit and then emptied, by turns
    large    some elements are
    alone    it has one consumer, who therefore sees the order
    ordered  who pops does so at the other end
    """

    def __init__(self, key, push, limit, long=False, large=True, alone=False, ordered=True):
        self.key = key
        self.push = push
        self.limit = limit
        self.long = long
        self.large = large
        self.alone = alone
        self.ordered = ordered
        self.draining = False
        self.elements = {}
        self.unsure = {}  # of units that were sent by a connection that was lost
        self.forgiven = 0
        self.lost_at = 0  # a connection that waited for it
        self.first_since = {}  # lowest number that was there after that, by producer
        self.last = {}  # number that was served, by producer
        known.queues.append(self)

    def backlog(self):
        return len(self.elements) - self.forgiven

    def has_room(self):
        if self.long and self.backlog() >= self.limit:
            self.draining = True
        elif self.backlog() <= 0:
            self.draining = False
        # Mostly into an empty queue, for which somebody waits.
        limit = self.limit if self.long or random.random() < 0.2 else 1
        return not self.draining and self.backlog() < limit

    def sent(self, element):
        self.elements[element.name] = element

    def sender_lost(self, element):
        """Unless it was served meanwhile."""
        if self.elements.pop(element.name, None):
            self.unsure[element.name] = element

    def never(self, element):
        if self.elements.pop(element.name, None) or self.unsure.pop(element.name, None):
            known.end(element.name)
        else:
            known.wrong(f"{self.key}: {element.name} was refused, and served")

    def find(self, text):
        """The element, which somebody was shown; None if it cannot be."""
        name = text.partition(b":")[0]
        element = self.elements.get(name)
        if not element and name in self.unsure:
            element = self.elements[name] = self.unsure.pop(name)
        if not element:
            return None
        if element.text != text:
            known.wrong(f"{self.key}: {name} is {text[:40]!r}… of {len(text)} bytes")
        element.unit.happened = True
        return element

    def finish(self, element):
        del self.elements[element.name]
        known.end(element.name)

    def served(self, text, score=None):
        element = self.find(text)
        if not element:
            name = text.partition(b":")[0]
            why = "was served, or never pushed" if name in known.over else "is nobody's"
            known.wrong(f"{self.key}: served {text[:40]!r}, which {why}")
            return
        if score is not None and float(score) != element.number:
            known.wrong(f"{self.key}: {element.name} has the score {score}")
        if self.alone and element.number <= self.last.get(element.producer, 0):
            before = self.last[element.producer]
            known.wrong(f"{self.key}: {element.name} was served behind number {before}")
        self.last[element.producer] = element.number
        self.there(element)
        self.finish(element)
        known.count["served"] += 1

    def there(self, element):
        """It was not taken by who was lost, so nothing behind it was."""
        if self.ordered and time.monotonic() > self.lost_at + ALL_LOST:
            first = self.first_since.get(element.producer, element.number)
            self.first_since[element.producer] = min(first, element.number)

    def shown(self, texts, asked):
        """To a reader, who asked at a moment; the names."""
        names = set()
        last = {}
        known.count["shown"] += len(texts)
        for text in reversed(texts) if self.push == "LPUSH" else texts:
            element = self.find(text)
            name = text.partition(b":")[0]
            if name in names:
                known.wrong(f"{self.key}: {name} is there twice")
            names.add(name)
            if not element:
                if known.over.get(name, 0) <= asked:
                    known.wrong(f"{self.key}: {text[:40]!r} is there, which was served or refused")
                continue
            self.there(element)
            if self.push and element.number <= last.get(element.producer, 0):
                known.wrong(f"{self.key}: {name} stands behind {last[element.producer]}")
            last[element.producer] = element.number
        return names

    def settle(self, names):
        """Nothing is under way, and these are there: what is missing?"""
        missing = [e for e in self.elements.values() if e.name not in names]
        for element in [e for e in missing if e.removing]:
            self.finish(element)
        missing = [e for e in missing if not e.removing]
        for element in list(self.unsure.values()):
            if element.unit.happened:
                missing.append(element)
                self.elements[element.name] = self.unsure.pop(element.name)
            else:
                self.never(element)
        if len(missing) > self.forgiven:
            known.wrong(
                f"{self.key}: {len(missing)} elements are missing, {self.forgiven} may be: "
                + " ".join(f"{e.name.decode()}" for e in missing[:10])
            )
        for element in missing:
            if element.number > self.first_since.get(element.producer, element.number):
                known.wrong(f"{self.key}: {element.name} is missing, and an earlier one was not")
            self.finish(element)
        self.forgiven = 0
        return len(missing)


def settle_queues(shown):
    """All queues, and the names that are in each."""
    missing = sum(queue.settle(names) for queue, names in shown)
    forgiven = sum(elements for _, elements in known.forgiven)
    known.count["gone"] += missing
    if missing > forgiven:
        known.wrong(f"{missing} elements are missing of all queues, {forgiven} may be")
    known.forgiven.clear()


# ---- what is there, or not ---------------------------------------------------------------------


class Toggle:
    __slots__ = ("floor", "sent")

    def __init__(self):
        self.floor = self.sent = 0

    def certain(self):
        return self.floor == self.sent

    def send(self):
        self.sent += 1

    def refuse(self):
        self.sent -= 1

    def acknowledge(self):
        self.floor = self.sent

    def shown(self, there, floor):
        """Whether it may be there or not, for who asked when the floor was so."""
        n = floor + (floor % 2 != there)
        if n > self.sent:
            return False
        self.floor = max(self.floor, n)
        return True

    def settle(self):
        """Nothing is under way; the floor is what was shown."""
        self.sent = self.floor


class Members:
    """Toggles by name, of several writers."""

    def __init__(self, what):
        self.what = what
        self.toggles = {}
        self.over = {}

    def floors(self):
        return {name: toggle.floor for name, toggle in self.toggles.items()}

    def end(self, name):
        del self.toggles[name]
        known.moment += 1
        self.over[name] = known.moment

    def shown(self, there, floors, asked):
        """These are there, for who asked at the moment, when the floors were such."""
        known.count["shown"] += len(there)
        for name in there:
            if name not in self.toggles and self.over.get(name, 0) <= asked:
                known.wrong(f"{self.what}: {name} is there")
        for name, floor in floors.items():
            toggle = self.toggles.get(name)
            if toggle and not toggle.shown(name in there, floor):
                known.wrong(
                    f"{self.what}: {name} is {'' if name in there else 'not '}there, operation "
                    f"{floor} was acknowledged, {toggle.sent} sent"
                )
        for name in there:
            if name in self.toggles and name not in floors:
                self.toggles[name].shown(True, self.toggles[name].floor)

    def settle(self):
        for toggle in self.toggles.values():
            toggle.settle()


class Counter:
    """That many count; each answer is given once."""

    def __init__(self, name):
        self.name = name
        self.sent = self.floor = 0
        self.answers = set()

    def answered(self, value, floor):
        if not floor < value <= self.sent or value in self.answers:
            known.wrong(f"{self.name}: counted {value}, when asked {floor}, {self.sent} sent"
                        + (", twice" if value in self.answers else ""))
        self.answers.add(value)
        self.floor = max(self.floor, value)

    def shown(self, value, floor):
        known.count["shown"] += 1
        if not max(floor, 0) <= value <= self.sent:
            known.wrong(f"{self.name} is {value}, {floor} when asked, {self.sent} sent")
        self.floor = max(self.floor, value)
