#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""channels_run.py: Channels' layers, Debian's channels_redis, on a redis-server and on pgfirst: the same answers.

  channels_run.py [--test TEXT] PLACE [THEIRS]    as TAP; run by test/clients/run, see both.py

The layer of channels_redis.core keeps messages in sorted sets, takes them by BZPOPMIN and sends to groups by a script; the one
of channels_redis.pubsub publishes. Both know the server by hosts=[URL] alone. A layer stands for a process: each
has its own prefix for its process-local channels, and connections of its own.

Seen to fail: when sorted sets wake nobody the receivers of core do not hear in time; when messages are not delivered those of
pubsub hear nothing; when replies do not wait for the disk a group is gone after kill -9.
"""

import asyncio
import functools
import logging
import sys
import time

from both import check, main, step

try:
    import channels
    import channels_redis
    import redis
    from asgiref.sync import async_to_sync
    from asgiref.testing import ApplicationCommunicator
    from channels.exceptions import ChannelFull
    from channels.generic.websocket import AsyncJsonWebsocketConsumer
    from channels.layers import get_channel_layer
    from channels_redis.core import RedisChannelLayer
    from channels_redis.pubsub import RedisPubSubChannelLayer
    from cryptography.fernet import InvalidToken
    from django.conf import settings
except ModuleNotFoundError as missing:
    print(f"ok - channels # SKIP {missing}")
    sys.exit(0)

SECONDS = 60
GOES_ON_SECONDS = 10
MESSAGE = {"type": "a.message", "text": "æ\0\r\n", "bytes": bytes(range(256)), "numbers": [0, -1, 2**53, 0.5], "none": None, "deep": {"a": [{}]}}


def looped(function):
    """A step that is a coroutine, in a loop of its own."""
    @functools.wraps(function)
    def run(visit):
        return asyncio.run(asyncio.wait_for(function(visit), SECONDS))

    return run


def core(visit, **options):
    return RedisChannelLayer(hosts=[visit.url], **options)


def patient(visit, **options):
    """One whose receivers hear of a message in time only if they are woken: five seconds usually pass for it."""
    layer = core(visit, **options)
    layer.brpop_timeout = 2 * SECONDS
    return layer


def pubsub(visit, **options):
    return RedisPubSubChannelLayer(hosts=[visit.url], **options)


def begin(visit):
    visit.r = redis.Redis.from_url(visit.url)
    visit.r.flushdb()
    for kind, name in (("core", "RedisChannelLayer"), ("pubsub", "RedisPubSubChannelLayer")):
        settings.CHANNEL_LAYERS[f"{visit.kind} {kind}"] = {"BACKEND": f"channels_redis.{kind}.{name}", "CONFIG": {"hosts": [visit.url]}}


async def stop(*tasks):
    """Cancels them until they end: redis-py 4.3 swallows it when it comes while a connection is taken from the pool."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.2)
    for task in tasks:
        # Raises what it has failed with.
        if not task.cancelled():
            task.result()


async def nothing(receiving, seconds=0.5):
    """Nothing comes within this time."""
    task = asyncio.ensure_future(receiving)
    done, _ = await asyncio.wait([task], timeout=seconds)
    await stop(task)
    if done:
        raise AssertionError(f"there came {task.result()!r:.200}")


async def refused(kind, attempt):
    try:
        await attempt
    except kind:
        return
    raise AssertionError(f"not refused as {kind.__name__}")


async def until(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} seconds")
        await asyncio.sleep(0.02)


# ---- channels_redis.core -----------------------------------------------------------------------


@step("core: messages in their order, of every kind")
@looped
async def _(visit):
    here, there = core(visit), patient(visit)
    await here.send("kinds", MESSAGE)
    kept = visit.r.type("asgikinds"), visit.r.zcard("asgikinds"), 50 < visit.r.ttl("asgikinds") <= 60
    check(await there.receive("kinds"), MESSAGE)
    for number in range(20):
        await here.send("ordered", {"type": "n", "number": number})
    check([(await there.receive("ordered"))["number"] for _ in range(20)], list(range(20)))
    large = {"type": "large", "bytes": b"x" * 1_000_000}
    await here.send("large", large)
    check(await there.receive("large"), large)
    # Who waits is woken, by a command and by the script that sends to a group.
    await here.group_add("awaited", "awaited")
    for send in (here.send, here.group_send):
        waiting = asyncio.ensure_future(there.receive("awaited"))
        await until("it waits", lambda: blocked(visit))
        await send("awaited", {"type": "late"})
        check(await waiting, {"type": "late"})
    await here.group_discard("awaited", "awaited")
    await there.wait_received()
    return kept, visit.r.keys("asgi*")


def blocked(visit):
    return visit.r.info("clients")["blocked_clients"]


@step("core: channels of a process")
@looped
async def _(visit):
    here, there = core(visit), patient(visit)
    names = [await there.new_channel() for _ in range(3)]
    waiting = [asyncio.ensure_future(there.receive(name)) for name in names]
    for number, name in reversed(list(enumerate(names))):
        await here.send(name, {"type": "n", "number": number})
    check([(await receiving)["number"] for receiving in waiting], [0, 1, 2])
    # Of two that wait at one channel each gets one.
    waiting = [asyncio.ensure_future(there.receive(names[0])) for _ in range(2)]
    for number in range(2):
        await here.send(names[0], {"type": "n", "number": number})
    check(sorted([(await receiving)["number"] for receiving in waiting]), [0, 1])
    await refused(AssertionError, here.receive(names[0]))
    await nothing(there.receive(names[1]))


@step("core: groups")
@looped
async def _(visit):
    here, there = core(visit), core(visit)
    names = [await (here, there)[number % 2].new_channel() for number in range(6)] + ["plain.one", "plain.two"]
    layers = [here, there] * 4
    for name in names:
        await here.group_add("group", name)
        await there.group_add("group", name)
    members = visit.r.zcard("asgi:group:group"), visit.r.ttl("asgi:group:group") > 80000
    await there.group_send("group", MESSAGE)
    check([await layer.receive(name) for layer, name in zip(layers, names)], [MESSAGE] * 8)
    for name in names[2:7]:
        await there.group_discard("group", name)
    await there.group_discard("group", "nobody")
    await here.group_send("group", {"type": "again"})
    for number in (0, 1, 7):
        check(await layers[number].receive(names[number]), {"type": "again"})
    await nothing(layers[2].receive(names[2]))
    await here.group_send("empty", {"type": "nobody"})
    return members, visit.r.zcard("asgi:group:group")


@step("core: a channel is full")
@looped
async def _(visit):
    layer = core(visit, capacity=3, channel_capacity={"large.*": 5})
    for number in range(3):
        await layer.send("full", {"type": "n", "number": number})
    await refused(ChannelFull, layer.send("full", {"type": "n"}))
    for number in range(5):
        await layer.send("large.one", {"type": "n", "number": number})
    await refused(ChannelFull, layer.send("large.one", {"type": "n"}))
    # A group passes those over that are full.
    for name in ("full", "large.two"):
        await layer.group_add("full", name)
    await layer.group_send("full", {"type": "group"})
    check([(await layer.receive("full"))["type"] for _ in range(3)], ["n"] * 3)
    await nothing(layer.receive("full"))
    check(await layer.receive("large.two"), {"type": "group"})
    await layer.send("full", {"type": "room"})
    check(await layer.receive("full"), {"type": "room"})
    return visit.r.zcard("asgilarge.one")


@step("core: messages and groups that are too old")
@looped
async def _(visit):
    layer = core(visit, expiry=1, group_expiry=1)
    await layer.send("old", {"type": "old"})
    await layer.group_add("old", "other")
    check(visit.r.exists("asgiold", "asgi:group:old"), 2)
    await until("both are gone", lambda: visit.r.exists("asgiold", "asgi:group:old") == 0)
    await layer.group_send("old", {"type": "nobody"})
    check(visit.r.exists("asgiother"), 0)
    # What is too old goes when something is sent behind it.
    lasting = core(visit, expiry=600)
    visit.r.zadd("asgimixed", {b"123456789012" + b"\x81\xa4type\xa3old": time.time() - 700})
    await lasting.send("mixed", {"type": "new"})
    check(await lasting.receive("mixed"), {"type": "new"})
    await nothing(layer.receive("old"))
    visit.r.zadd("asgi:group:mixed", {"gone": time.time() - 100_000, "mixed": time.time()})
    await core(visit).group_send("mixed", {"type": "group"})
    check([await lasting.receive("mixed"), visit.r.exists("asgigone")], [{"type": "group"}, 0])
    await lasting.wait_received()
    return visit.r.zrange("asgi:group:mixed", 0, -1)


@step("core: who stops waiting loses nothing")
@looped
async def _(visit):
    layer = core(visit)
    for _ in range(3):
        await nothing(layer.receive("patient"), 0.05)
    await layer.send("patient", {"type": "kept"})
    check(await layer.receive("patient"), {"type": "kept"})
    # A process that took a message and was lost: it comes again, before those that are younger.
    await layer.send("patient", {"type": "taken"})
    await layer.send("patient", {"type": "younger"})
    key, member, score = visit.r.bzpopmin("asgipatient")
    visit.r.zadd("asgipatient$inflight", {member: score})
    check([await layer.receive("patient"), await layer.receive("patient")], [{"type": "taken"}, {"type": "younger"}])
    await layer.wait_received()
    return key, visit.r.keys("asgipatient*")


@step("core: prefixes are apart; flush takes away its own")
@looped
async def _(visit):
    one, two = core(visit, prefix="one"), core(visit, prefix="two")
    for layer in (one, two):
        await layer.send("same", {"type": layer.prefix})
        await layer.group_add("group", "same")
    check([await two.receive("same"), await one.receive("same")], [{"type": "two"}, {"type": "one"}])
    for number in range(300):
        await one.send(f"many{number}", {"type": "n"})
    await two.send("same", {"type": "stays"})
    before = sorted(visit.r.keys("one*"))
    await one.flush()
    check([visit.r.keys("one*"), await two.receive("same")], [[], {"type": "stays"}])
    await one.send("same", {"type": "anew"})
    check(await one.receive("same"), {"type": "anew"})
    await two.flush()
    return before, visit.r.keys("two*")


@step("core: encrypted messages")
@looped
async def _(visit):
    old, both, new = (core(visit, symmetric_encryption_keys=keys) for keys in (["old"], ["new", "old"], ["new"]))
    await old.send("secret", MESSAGE)
    (stored,) = visit.r.zrange("asgisecret", 0, -1)
    check([b"a.message" in stored, await both.receive("secret")], [False, MESSAGE])
    await both.send("secret", MESSAGE)
    check(await new.receive("secret"), MESSAGE)
    await old.send("secret", MESSAGE)
    await refused(InvalidToken, new.receive("secret"))
    await new.group_add("secret", "secret")
    await both.group_send("secret", MESSAGE)
    check(await new.receive("secret"), MESSAGE)


@step("core: many at once: each message comes once")
@looped
async def _(visit):
    layers = [patient(visit, capacity=1000) for _ in range(4)]
    got, locals_, count = [], [await layers[number % 4].new_channel() for number in range(40)], 200

    async def consume(layer, channel):
        while True:
            got.append((await layer.receive(channel))["number"])

    # Of one layer: what one has taken, and has not noted as done yet, another layer takes again.
    consumers = [asyncio.ensure_future(consume(layers[0], "shared")) for _ in range(5)]
    consumers += [asyncio.ensure_future(consume(layers[number % 4], name)) for number, name in enumerate(locals_)]
    await asyncio.gather(*(layers[number % 4].send("shared", {"type": "n", "number": number}) for number in range(count)))
    await asyncio.gather(*(layers[number % 4].group_add("all", name) for number, name in enumerate(locals_)))
    await until("all have come", lambda: len(got) >= count)
    check([sorted(got), len(got)], [list(range(count)), count])
    got.clear()
    await layers[0].group_send("all", {"type": "n", "number": 1})
    await until("the group's have come", lambda: len(got) >= 40)
    await stop(*consumers)
    check(got, [1] * 40)


@step("core: two databases as two shards")
@looped
async def _(visit):
    other = visit.url[:-1] + "1"
    redis.Redis.from_url(other).flushdb()
    layer = RedisChannelLayer(hosts=[visit.url, {"address": other}], prefix="shard")
    names = [await layer.new_channel(f"p{number}") for number in range(8)]
    for name in names:
        await layer.group_add("group", name)
    await layer.group_send("group", {"type": "both"})
    check([await layer.receive(name) for name in names], [{"type": "both"}] * 8)
    for number in range(6):
        await layer.send("general", {"type": "n", "number": number})
    spread = visit.r.zcard("shardgeneral"), redis.Redis.from_url(other).zcard("shardgeneral")
    check(sorted([(await layer.receive("general"))["number"] for _ in range(6)]), list(range(6)))
    await layer.flush()
    return spread


# ---- consumers ---------------------------------------------------------------------------------


class Chat(AsyncJsonWebsocketConsumer):
    """Everybody in the room reads what one of them says."""

    async def connect(self):
        await self.channel_layer.group_add("room", self.channel_name)
        await self.accept()

    async def receive_json(self, content, **_):
        await self.channel_layer.group_send("room", {"type": "chat.said", "words": content})

    async def chat_said(self, event):
        await self.send_json(event["words"])

    async def disconnect(self, code):
        await self.channel_layer.group_discard("room", self.channel_name)


async def chat(alias):
    application = type("ChatOfOneServer", (Chat,), {"channel_layer_alias": alias}).as_asgi()
    people = [ApplicationCommunicator(application, {"type": "websocket", "path": "/"}) for _ in range(5)]

    async def all_read(text):
        check([await person.receive_output(10) for person in people], [{"type": "websocket.send", "text": text}] * len(people))

    for person in people:
        await person.send_input({"type": "websocket.connect"})
        check(await person.receive_output(10), {"type": "websocket.accept", "subprotocol": None})
    for number, person in enumerate(people):
        await person.send_input({"type": "websocket.receive", "text": f'{{"n": {number}}}'})
        await all_read(f'{{"n": {number}}}')
    # From a view that is not asynchronous, in a thread of its own.
    await asyncio.to_thread(async_to_sync(get_channel_layer(alias).group_send), "room", {"type": "chat.said", "words": "from a view"})
    await all_read('"from a view"')
    for person in people:
        await person.send_input({"type": "websocket.disconnect", "code": 1000})
        # Channels cancels what it waits for, once.
        await asyncio.wait([person.future], timeout=1)
        await stop(person.future)


@step("consumers of websockets talk by either layer")
@looped
async def _(visit):
    for kind in ("core", "pubsub"):
        await chat(f"{visit.kind} {kind}")
    return visit.r.exists("asgi:group:room"), visit.r.pubsub_channels("*room*")


# ---- channels_redis.pubsub ---------------------------------------------------------------------


@step("pubsub: channels and groups")
@looped
async def _(visit):
    here, there = pubsub(visit), pubsub(visit)
    name = await there.new_channel()
    await here.send(name, MESSAGE)
    check(await there.receive(name), MESSAGE)
    for number in range(100):
        await here.send(name, {"number": number})
    check([(await there.receive(name))["number"] for _ in range(100)], list(range(100)))
    names = [(layer, await layer.new_channel()) for layer in (here, there, there)]
    for layer, channel in names:
        await layer.group_add("group", channel)
    await here.group_send("group", MESSAGE)
    check([await layer.receive(channel) for layer, channel in names], [MESSAGE] * 3)
    subscribed = visit.r.pubsub_numsub("asgi__group__group")
    await there.group_discard("group", names[2][1])
    await here.group_send("group", {"type": "again"})
    check([await layer.receive(channel) for layer, channel in names[:2]], [{"type": "again"}] * 2)
    # Who stops waiting is no longer subscribed.
    await nothing(there.receive(names[2][1]))
    check([count for _, count in visit.r.pubsub_numsub(*(channel for _, channel in names))], [1, 1, 0])
    other = pubsub(visit, prefix="other")
    mine = await other.new_channel()
    await other.group_add("group", mine)
    await here.group_send("group", {"type": "not for all"})
    await nothing(other.receive(mine))
    await here.flush()
    await there.flush()
    await until("nobody is subscribed", lambda: not visit.r.pubsub_channels("asgi*"))
    # It can be used again.
    name = await here.new_channel()
    await there.send(name, {"type": "anew"})
    check(await here.receive(name), {"type": "anew"})
    return subscribed


@step("pubsub: many at once: each message comes once")
@looped
async def _(visit):
    layers = [pubsub(visit) for _ in range(4)]
    names = [await layers[number % 4].new_channel() for number in range(40)]
    for number, name in enumerate(names):
        await layers[number % 4].group_add("all", name)
    await asyncio.gather(*(layers[number % 4].group_send("all", {"number": number}) for number in range(50)))
    got = [[(await layers[number % 4].receive(name))["number"] for _ in range(50)] for number, name in enumerate(names)]
    check([sorted(numbers) for numbers in got], [list(range(50))] * 40)


# ---- the server is lost ------------------------------------------------------------------------


# A layer of core tells who receives or sends that the connection is lost; what runs the consumer starts it anew.
LOST = (redis.ConnectionError, redis.TimeoutError, OSError)


async def persist(attempt):
    """Again after an error, until it goes well."""
    while True:
        try:
            return await attempt()
        except LOST:
            await asyncio.sleep(0.05)


async def listen(layer, channel, heard, errors):
    while True:
        try:
            heard.append((await layer.receive(channel))["words"])
        except LOST as error:
            errors.append(type(error).__name__)
            await asyncio.sleep(0.05)


async def goes_on(visit, layers, away):
    """Receivers of a group, which are to hear again what is said to it after the server was away."""
    names = [await layer.new_channel() for layer in layers for _ in range(3)]
    heard, errors = [[] for _ in names], []
    tasks = [asyncio.ensure_future(listen(layers[number // 3], name, heard[number], errors)) for number, name in enumerate(names)]
    try:
        for number, name in enumerate(names):
            await layers[number // 3].group_add("away", name)
        await layers[0].group_send("away", {"type": "words", "words": "before"})
        await until("all hear", lambda: all("before" in words for words in heard))
        begun = time.monotonic()
        back = await asyncio.to_thread(away)
        while not all("after" in words for words in heard):
            assert time.monotonic() < back + GOES_ON_SECONDS, heard
            await persist(lambda: layers[-1].group_send("away", {"type": "words", "words": "after"}))
            await asyncio.sleep(0.05)
        seconds = time.monotonic() - back
    finally:
        await stop(*tasks)
    visit.tell(f"away for {back - begun:.1f} s, receivers went on {seconds:.1f} s later; they were told {sorted(set(errors))}")


@step(f"core: the server is restarted: receivers go on within {GOES_ON_SECONDS} seconds")
@looped
async def _(visit):
    await goes_on(visit, [core(visit), core(visit)], visit.restart)


@step(f"pubsub: the server is restarted: receivers go on by themselves within {GOES_ON_SECONDS} seconds")
@looped
async def _(visit):
    await goes_on(visit, [pubsub(visit), pubsub(visit)], visit.restart)


@step(f"core: the server is killed: receivers go on within {GOES_ON_SECONDS} seconds, and what was sent comes")
@looped
async def _(visit):
    layer, sender, receiver = core(visit), core(visit, capacity=100_000), core(visit)
    for number in range(50):
        await layer.send("kept", {"type": "n", "number": number})
    sent, heard, errors = [], [], []

    async def send():
        while True:
            number = len(sent) + len(errors)
            try:
                await sender.send("stream", {"type": "words", "words": number})
                sent.append(number)
            except LOST:
                errors.append(number)
                await asyncio.sleep(0.02)

    sending, hearing = asyncio.ensure_future(send()), asyncio.ensure_future(listen(receiver, "stream", heard, []))
    try:
        await until("messages come", lambda: len(heard) > 20)
        await goes_on(visit, [layer, core(visit)], visit.lose)
        count = len(sent)
        await until("messages are sent again", lambda: len(sent) > count + 20)
        await stop(sending)
        await until("the last comes", lambda: sent[-1] in heard)
    finally:
        await stop(sending, hearing)
    lost = set(sent) - set(heard)
    visit.tell(f"{len(sent)} messages were acknowledged, {len(errors)} not; lost {len(lost)}, twice {len(heard) - len(set(heard))}")
    # The one that was being taken when the server went: BZPOPMIN has taken it off, and nobody has it.
    assert len(lost) <= 1, sorted(lost)
    check([(await layer.receive("kept"))["number"] for _ in range(50)], list(range(50)))


@step(f"pubsub: the server is killed: receivers go on by themselves within {GOES_ON_SECONDS} seconds")
@looped
async def _(visit):
    await goes_on(visit, [pubsub(visit), pubsub(visit)], visit.lose)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    settings.configure(CHANNEL_LAYERS={})
    # When the server goes the layers write to the log what they catch and what their own tasks die of: it is expected here.
    for logger in (logging.getLogger("channels_redis"), logging.getLogger("asyncio")):
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
    sys.exit(main("channels", f"Channels {channels.__version__}, channels_redis {channels_redis.__version__}, redis-py {redis.__version__}", begin))
