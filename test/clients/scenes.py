# SPDX-License-Identifier: PostgreSQL
"""scenes.py: conversations of several clients, of those who wait and those who listen, with Redis and with pgfirst.

A scene is lines. "a LPUSH q x" is said by the client named a and answered at once. "b> BLPOP q 0" is said, and its answer comes
later: "b<" reads a reply, "b<3" three. "waits 2" goes on when so many clients wait, "listens 2" when so many
subscriptions to the channel "here" are known. "b!" disconnects. $b is the number of client b. What all of them were told must be the same.

Words have no spaces in them, \\n stands for one within a word, and "a[" collects what a sends until "a]", which sends all of it at once.
"""

from differential import shorten
from resp import Connection, encode
from server import wait_until

SCENES = {
    "ids of entries": """
        a XADD s 0-0 f v
        a XADD s 0 f v
        a EXISTS s
        a XADD s 0-* f v
        a XADD s 0-* f v
        a XADD s 1-1 f v
        a XADD s 1-1 f v
        a XADD s 1 f v
        a XADD s 1-0 f v
        a XADD s 1-* f v
        a XADD s 5 f v
        a XADD s 5-* f v g
        a XADD s 5-* f
        a XADD s NOMKSTREAM MAXLEN = 3 5-* f v
        a XADD none NOMKSTREAM 5-* f v
        a XADD none NOMKSTREAM 0-0 f v
        a XADD s MAXLEN 3 MINID 3 6 f v
        a XADD s LIMIT 3 6 f v
        a XADD s MAXLEN ~ 0 LIMIT 0 6 f v
        a XRANGE s - +
        a XADD s 18446744073709551615-18446744073709551614 f v
        a XADD s 18446744073709551615-* f v
        a XADD s 18446744073709551615-* f v
        a XADD s * f v
        a XADD s 1-1 f v
        a XRANGE s 18446744073709551615 +
        a XRANGE s (18446744073709551615-18446744073709551614 +
        a XRANGE s (18446744073709551615-18446744073709551615 +
        a XREVRANGE s + (18446744073709551615-18446744073709551615
        a XREVRANGE s (0-0 -
        a XREVRANGE s + - COUNT 1
        a XREAD STREAMS s 18446744073709551615-18446744073709551614
        a XREAD STREAMS s 18446744073709551615-18446744073709551615
        a XDEL s 18446744073709551615-18446744073709551615
        a XADD s * f v
        a XLEN s
        a XADD t 5-18446744073709551615 f v
        a XADD t 5 f v
        a XADD t 6-18446744073709551615 f v
        a XRANGE t (5-18446744073709551615 +
        a XREVRANGE t (6-0 -
        a XSETID t 6-0
        a XSETID t 10-0
        a XADD t 10-* f v
        a DEL t
        a XADD t 1-1 f v""",
    "who waits for entries": """
        b> XREAD BLOCK 0 STREAMS s $
        waits 1
        c> XREAD BLOCK 0 COUNT 1 STREAMS t s 0 0
        waits 2
        d> XREAD BLOCK 0 STREAMS s 5
        waits 3
        a XADD s 1-1 f v g w
        b<
        c<
        a XADD s 4-1 f v
        a SET t text
        b> XREAD COUNT 1 BLOCK 0 STREAMS t s $ $
        b<
        a DEL t
        b> XREAD COUNT 1 BLOCK 0 STREAMS t s $ $
        waits 2
        a[
        a XADD s 6-1 f v
        a XADD s 6-2 f v
        a]
        a<2
        b<
        d<
        a XREAD STREAMS s t $ 0
        a XREAD BLOCK 1 STREAMS s $
        a XREAD BLOCK x STREAMS s $
        a XREAD BLOCK -1 STREAMS s $
        a XREAD BLOCK 0 STREAMS s >
        a XREAD BLOCK 0 STREAMS
        a XREAD BLOCK
        a XREAD STREAMS s x""",
    "entries of transactions, and waiting within them": """
        b> XREAD BLOCK 0 STREAMS s $
        waits 1
        c> XREAD BLOCK 0 STREAMS t s $ $
        waits 2
        a MULTI
        a XADD s 1-1 f v
        a XREAD BLOCK 0 STREAMS s $
        a XADD s 1-2 f v
        a XREAD BLOCK 0 STREAMS s 0
        a EXEC
        b<
        c<
        b> XREAD BLOCK 0 STREAMS s $
        waits 1
        a MULTI
        a DEL s
        a XADD s 1-1 f v
        a EXEC
        a XADD s 3-1 f v
        b<
        a EVAL return(redis.call('XADD',KEYS[1],'4-1','f','v')) 1 s
        a EVAL return(redis.call('XREAD','COUNT',1,'STREAMS',KEYS[1],'1-1')) 1 s
        a EVAL return(redis.call('XREAD','BLOCK',0,'STREAMS',KEYS[1],'$')) 1 s""",
    "the end of waiting for entries": """
        b> XREAD BLOCK 0 STREAMS s 0
        waits 1
        a CLIENT UNBLOCK $b
        b<
        b> XREAD BLOCK 0 STREAMS s 0
        waits 1
        a CLIENT UNBLOCK $b ERROR
        b<
        b> XREAD BLOCK 0 STREAMS s 0
        waits 1
        a RPUSH s x
        a DEL s
        a XADD r 1-1 f v
        a RENAME r s
        b<
        b> XREAD BLOCK 0 STREAMS s $
        c> BLPOP s 0
        waits 2
        a DEL s
        a RPUSH s x
        c<
        a XADD s 1-1 f v
        a XADD s 1-2 f v
        b<
        b> XREAD BLOCK 0 STREAMS s $
        waits 1
        b!
        waits 0
        a XADD s 1-3 f v
        a XLEN s""",
    "at once": """
        a RPUSH q 1 2 3 4
        a BLPOP none q 0
        a BRPOP q 1
        a BLMPOP 0 2 none q RIGHT COUNT 5
        a ZADD z 1 a 2 b 3 c 4 d
        a BZPOPMIN none z 0
        a BZPOPMAX z 0
        a BZMPOP 0 2 none z MIN COUNT 5
        a BLPOP q z 0.01
        a BLPOP q 0.01
        a BLMOVE q r LEFT RIGHT 0.01
        a BRPOPLPUSH q r 0.01
        a BZPOPMIN z 0.01
        a BZMPOP 0.01 1 z MIN
        a BLMPOP 0.01 1 z LEFT""",
    "wrong words of who would wait": """
        a BLPOP q x
        a BLPOP q -1
        a BLPOP q
        a BLMOVE q r LEFT UP 0
        a BLMPOP x 1 q LEFT
        a BLMPOP 0 0 q LEFT
        a BLMPOP 0 1 q LEFT COUNT 0
        a BZPOPMIN z x
        a BZMPOP 0 1 z UP
        a SET s x
        a BLPOP s 0
        a BZPOPMIN s 0
        a BLMOVE s q LEFT RIGHT 0
        a RPUSH q 1
        a BLMOVE q s LEFT RIGHT 0
        a BZPOPMIN q 0
        a BLPOP none s 0
        a LRANGE q 0 -1""",
    "in the order in which they came": """
        b> BLPOP q 0
        waits 1
        c> BRPOP r q 0
        waits 2
        d> BLMOVE q got RIGHT LEFT 0
        waits 3
        a RPUSH q 1 2 3 4
        b<
        c<
        d<
        a LRANGE q 0 -1
        a LRANGE got 0 -1""",
    "a push and what follows it in one pipeline": """
        b> BRPOP q 0
        waits 1
        a[
        a LPUSH q 1
        a LPOP q
        a]
        a<2
        b<""",
    "a transaction is over before anybody is served": """
        b> BLPOP q 0
        waits 1
        c> BLPOP q 0
        waits 2
        a MULTI
        a RPUSH q 1
        a RPUSH q 2
        a RPUSH q 3
        a LPOP q
        a LLEN q
        a EXEC
        b<
        c<
        a LLEN q
        d> BLPOP q 0
        waits 1
        a MULTI
        a RPUSH q 4
        a DEL q
        a EXEC
        a RPUSH q 5
        d<""",
    "a script too": """
        b> BLPOP q r 0
        waits 1
        a EVAL redis.call('RPUSH','r',1)return(redis.call('RPUSH','q',2)) 0
        b<
        a LRANGE q 0 -1
        a LRANGE r 0 -1
        a MULTI
        a BLPOP none 0
        a BZMPOP 0 1 none MIN
        a BRPOPLPUSH none q 0
        a EXEC""",
    "one moves to where another waits": """
        b> BLMOVE q r RIGHT LEFT 0
        waits 1
        c> BRPOPLPUSH r s 0
        waits 2
        d> BLPOP s 0
        waits 3
        a LPUSH q 1
        b<
        c<
        d<
        a EXISTS q r s""",
    "what a key becomes": """
        b> BLPOP q 0
        waits 1
        a SET q x
        a DEL q
        a ZADD q 1 x
        a RPUSH q x
        a DEL q
        a RPUSH q 1
        b<
        b> BZPOPMAX q 0
        waits 1
        a RPUSH q x
        a DEL q
        a ZADD q 1 x 2 y
        b<
        a ZRANGE q 0 -1
        a RPUSH other 1 2
        b> BLPOP t 0
        waits 1
        a RENAME other t
        b<
        b> BLPOP t2 0
        waits 1
        a COPY t t2
        b<
        b> BLPOP t3 0
        waits 1
        a SELECT 1
        a RPUSH t3 1
        a MOVE t3 0
        b<
        b> BLPOP t4 0
        waits 1
        a RPUSH t4 1
        a SELECT 0
        a RPUSH t4 2
        b<""",
    "who waits for another type is passed over": """
        b> BZPOPMIN q 0
        waits 1
        c> BLPOP q 0
        waits 2
        d> BZPOPMAX q 0
        waits 3
        a RPUSH q 1
        c<
        a ZADD q 1 x 2 y
        b<
        d<
        b> BRPOP r 0
        waits 1
        c> BZMPOP 0 1 r MIN
        waits 2
        a ZADD r 1 x
        c<
        a RPUSH r 1
        b<""",
    "a destination of another type": """
        a SET wrong x
        b> BLMOVE q wrong LEFT RIGHT 0
        waits 1
        c> BLPOP q 0
        waits 2
        a RPUSH q 1
        b<
        c<
        a EXISTS q""",
    "the same key twice, and what follows": """
        b[
        b BLPOP q q 0
        b PING
        b BLPOP q 0
        b]
        waits 1
        a RPUSH q 1 2
        b<3""",
    "many at once": """
        b> BLMPOP 0 2 q r LEFT COUNT 2
        waits 1
        a RPUSH r 1 2 3
        b<
        b> BZMPOP 0 1 z MAX COUNT 2
        waits 1
        a ZADD z 1 a 2 b 3 c
        b<
        a ZRANGE z 0 -1
        a LRANGE r 0 -1""",
    "CLIENT UNBLOCK": """
        b> BLPOP q 0
        waits 1
        a CLIENT UNBLOCK $b
        b<
        b> BLMOVE q r LEFT LEFT 0
        waits 1
        a CLIENT UNBLOCK $b TIMEOUT
        b<
        b> BZPOPMIN q 0
        waits 1
        a CLIENT UNBLOCK $b ERROR
        b<
        a CLIENT UNBLOCK $b
        a CLIENT UNBLOCK $b bogus
        a CLIENT UNBLOCK x""",
    "who leaves loses nothing": """
        b> BLPOP q 0
        waits 1
        c> BLPOP q 0
        waits 2
        b!
        waits 1
        a RPUSH q 1
        c<
        a LLEN q""",
    "channels and patterns": """
        b> SUBSCRIBE one two one here
        b<4
        b> PSUBSCRIBE o* t?? [ab]*
        b<3
        a PUBLISH one first
        b<2
        a PUBLISH two second
        b<2
        a PUBLISH ape third
        b<
        a PUBLISH none fourth
        a PUBLISH one
        a PUBSUB NUMSUB one three
        a PUBSUB NUMSUB
        a PUBSUB NUMPAT
        a PUBSUB CHANNELS tw*
        a PUBSUB CHANNELS none
        a PUBSUB BOGUS
        b> UNSUBSCRIBE one none
        b<2
        a PUBLISH one fifth
        b<
        b> PUNSUBSCRIBE o* none
        b<2
        a PUBLISH one sixth
        b> UNSUBSCRIBE two here
        b<2
        b> PUNSUBSCRIBE t?? [ab]*
        b<2
        b GET none
        b> UNSUBSCRIBE
        b<
        b> PUNSUBSCRIBE
        b<
        a SUBSCRIBE
        a PSUBSCRIBE""",
    "what who listens may say": """
        b SUBSCRIBE here
        b GET x
        b PING
        b PING word
        b SET x 1
        b BOGUS
        b PUBLISH
        b EVAL x 0
        b MULTI
        b DISCARD
        b RESET
        a PUBLISH here x""",
    "messages of transactions and scripts": """
        b> SUBSCRIBE here there
        b<2
        a MULTI
        a PUBLISH here first
        a SET k v
        a PUBLISH there second
        a EXEC
        b<2
        a MULTI
        a PUBLISH here never
        a DISCARD
        a EVAL return(redis.call('PUBLISH','here','third')) 0
        b<
        a EVAL redis.call('PUBLISH','here','fourth')error('x') 0
        b<
        a PUBLISH here last
        b<
        b MULTI
        a PUBLISH here x""",
    "SUBSCRIBE within MULTI": """
        b> MULTI
        b<
        b> SUBSCRIBE here
        b<
        b> PSUBSCRIBE h*
        b<
        b> EXEC
        b<
        a PUBLISH here x
        b<2""",
    "who leaves listens no more": """
        b> SUBSCRIBE here
        b<
        c> PSUBSCRIBE h*
        c<
        listens 1
        a PUBLISH here x
        b<
        c<
        b!
        listens 0
        a PUBLISH here y
        c<
        a PUBSUB CHANNELS
        a PUBSUB NUMPAT""",
}


class Scene:
    """The clients of one server."""

    def __init__(self, server, protocol):
        self.server, self.protocol, self.ends, self.together = server, protocol, {}, {}
        self.told, self.numbers = [], {}

    def end(self, name):
        if name not in self.ends:
            end = self.ends[name] = Connection((self.server.host, self.server.port), timeout=10)
            end.call("HELLO", self.protocol, "AUTH", self.server.user, self.server.password)
        return self.ends[name]

    def hear(self, name, count):
        for _ in range(count):
            try:
                self.told.append(f"{name}< {self.end(name).reply()!r}")
            except TimeoutError as error:
                raise RuntimeError(f"{name}< nothing") from error

    def wait(self, what, count):
        ask = self.end("who asks")
        text = f"blocked_clients:{count}\r\n".encode()
        if what == "waits":
            wait_until(f"{count} clients wait", lambda: text in ask.call("INFO", "clients").plain(), 10)
        else:
            wait_until(f"{count} clients listen", lambda: ask.call("PUBSUB", "NUMSUB", "here").plain()[1] == count, 10)

    def said(self, word):
        if word.startswith("$") and word != "$":
            return self.numbers[word[1:]]
        return word.replace("\\n", " ")

    def play(self, line):
        name, *words = line.split()
        if name in ("waits", "listens"):
            self.wait(name, int(words[0]))
            return
        name, mark = name.rstrip("<>[]!0123456789"), name.lstrip("abcdefghijklmnopqrstuvwxyz")
        end = self.end(name)
        if mark == "!":
            end.close()
            del self.ends[name]
        elif mark == "[":
            self.together[name] = b""
        elif mark == "]":
            end.send(self.together.pop(name))
        elif mark.startswith("<"):
            self.hear(name, int(mark[1:] or 1))
        else:
            payload = encode(*[self.said(word) for word in words])
            if name in self.together:
                self.together[name] += payload
                return
            end.send(payload)
            if not mark:
                self.hear(name, 1)

    def run(self, text):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        asker = self.end("who asks")
        asker.call("FLUSHALL")
        # Of everybody, before they wait.
        names = sorted({line.split()[0].rstrip("<>[]!0123456789") for line in lines} - {"waits", "listens"})
        self.numbers = {name: str(self.end(name).call("CLIENT", "ID").value) for name in names}
        try:
            for line in lines:
                self.told.append(line)
                self.play(line)
        except (RuntimeError, ConnectionError) as error:
            self.told.append(str(error))
        for end in self.ends.values():
            end.close()
        return self.told


def scene_differences(ours, theirs, protocol, text):
    """The first difference, and what led to it."""
    told = [Scene(server, protocol).run(text) for server in (ours, theirs)]
    for number, (our, their) in enumerate(zip(*told)):
        if our != their:
            before = [line for line in told[0][:number] if "< " not in line]
            return [f"after {shorten(before[-3:])}: pgfirst {our}, Redis {their}"]
    return [] if len(told[0]) == len(told[1]) else [f"{len(told[0])} and {len(told[1])} lines"]
