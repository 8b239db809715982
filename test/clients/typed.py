# SPDX-License-Identifier: PostgreSQL
"""typed.py: random commands on collections of one type; what hashes.py, lists.py, sets.py, streams.py and zsets.py share.

Each of these has a table of its commands: a weight, and what makes the words behind the name. Only those that the server
under test knows are sent, and elements.py fails for those that it knows and the table does not. Some commands
get a word too many, one too few or another one in its place, and others come upon keys of another type.

Keys are few, so that commands meet. What they hold stays inline or outgrows that (1,000 bytes), in
both directions of every move and copy. What a command answers by chance, or does by chance, cannot stand in a stream; it is
sent alone (`lonely`): its answer is held against what the key has, and where it takes something away the
other server is made to lose the same.
"""

from collections import namedtuple

from stream import NUMBERS, any_case

# What scripts do not call here: 7.2 lets them, other than 7.0, call these commands that wait, and then they do not.
NOT_IN_SCRIPTS = (b"COMMAND", b"BLPOP", b"BRPOP", b"BLMOVE", b"BRPOPLPUSH", b"BZPOPMIN", b"BZPOPMAX")

# A command, and what its reply has within it: those that a script calls.
Command = namedtuple("Command", "words inner", defaults=(None,))

# Calls the commands that its arguments are, each behind the number of its words.
CALLS = b"""
local r, i = {}, 1
while i <= #ARGV do
    local words = {}
    for j = 1, tonumber(ARGV[i]) do words[j] = ARGV[i + j] end
    i = i + #words + 1
    local answer = redis.pcall(unpack(words))
    if answer == nil then answer = false end
    r[#r + 1] = answer
end
return r"""

KEYS = [b"a", b"b", b"c", b"d", b"large"]
# Beside them: one that no other command makes, one that is a string, and one of any type.
MORE_KEYS = [*KEYS, *KEYS, b"none", b"text", b"any"]
LENGTHS = [0, 1, 5, 10, 30, 60, 127, 128, 300, 1100, 5000]
FOREIGN = {
    b"string": [[b"GET"], [b"SETNX", b"x"], [b"APPEND", b"x"], [b"INCR"], [b"STRLEN"], [b"GETRANGE", b"0", b"-1"], [b"SETBIT", b"1", b"1"],
                [b"GETDEL"], [b"GETSET", b"x"], [b"BITCOUNT"], [b"SET", b"x", b"GET"], [b"SET", b"x", b"NX"]],
    b"hash": [[b"HSET", b"f", b"v"], [b"HGET", b"f"], [b"HGETALL"], [b"HDEL", b"f"], [b"HINCRBY", b"f", b"1"], [b"HLEN"],
              [b"HSCAN", b"0", b"COUNT", b"100000"]],
    b"list": [[b"RPUSH", b"x", b"y"], [b"LPOP"], [b"LRANGE", b"0", b"-1"], [b"LLEN"], [b"LSET", b"0", b"x"], [b"LPUSHX", b"x"]],
    b"stream": [[b"XADD", b"1-1", b"f", b"v"], [b"XLEN"], [b"XRANGE", b"-", b"+"], [b"XDEL", b"1-1"], [b"XTRIM", b"MAXLEN", b"0"], [b"XSETID", b"9-9"]],
    b"set": [[b"SADD", b"x", b"y"], [b"SREM", b"x"], [b"SMEMBERS"], [b"SCARD"], [b"SISMEMBER", b"x"], [b"SINTER"],
             [b"SSCAN", b"0", b"COUNT", b"100000"]],
    b"zset": [[b"ZADD", b"1", b"x"], [b"ZREM", b"x"], [b"ZCARD"], [b"ZSCORE", b"x"], [b"ZRANGE", b"0", b"-1"], [b"ZPOPMIN"]],
}


def pairs_of(plain):
    """Members and values, in whichever way they came."""
    if isinstance(plain, dict):
        return list(plain.items())
    if plain and isinstance(plain[0], list):
        return [tuple(pair) for pair in plain]
    return list(zip(plain[::2], plain[1::2]))


def script_of(chance, commands):
    """A command that calls these, but for what scripts do not call here."""
    commands = [command for command in commands if command.words[0].upper() not in NOT_IN_SCRIPTS]
    arguments = [word for command in commands for word in (b"%d" % len(command.words), *command.words)]
    return Command([b"EVAL", chance.choice([b"", b"redis.setresp(3)"]) + CALLS, b"0", *arguments], commands)


class Typed:
    """Makes commands; two servers keep account of what they do."""

    type = None
    junk = NUMBERS
    # Words that stand in the commands of this type, also where they do not belong.
    options = []
    # What one does to look at all of it, with values or without; and what goes through it, and takes from it by chance.
    reads, has_values, scan, random = None, False, None, None
    # What else tells of it; and how many words of grow() make a small one.
    tells, few = None, 4
    # OBJECT ENCODING does not say which layout it is.
    one_name = False
    # Commands into which no other words may come: they would wait, or fill the memory, or do something by chance.
    as_they_are = frozenset()

    def __init__(self, chance, known):
        self.chance, self.pick, self.keys = chance, chance.choice, MORE_KEYS
        self.table = {name: entry for name, entry in self.commands().items() if name in known}
        self.names = [name for name, (weight, _) in self.table.items() for _ in range(weight)]

    def commands(self):
        raise NotImplementedError

    def grow(self):
        """A command that makes a collection a large one."""
        raise NotImplementedError

    # ---- words ---------------------------------------------------------------------------------

    def key(self):
        return self.pick(self.keys)

    def some_keys(self, least=1, most=4):
        return [self.key() for _ in range(self.chance.randint(least, most))]

    def counted_keys(self):
        """Their number, mostly the right one, and they."""
        keys = self.some_keys()
        return [self.pick([b"%d" % len(keys)] * 12 + [b"0", b"1", b"9", b"-1", b"x"]), *keys]

    def many(self, make, most):
        return [word for _ in range(self.chance.randint(1, most)) for word in make()]

    def text(self):
        return self.pick([b"x", b"y", b"\x00\xff", b"z"]) * self.pick(LENGTHS)

    def member(self):
        """One of not too many."""
        return self.pick([b"m%d" % self.chance.randrange(80), b"m%d" % self.chance.randrange(20), b"%d" % self.chance.randrange(-20, 20),
                          self.text()])

    def position(self):
        return self.pick([b"0", b"1", b"-1", b"%d" % self.chance.randrange(-8, 8), b"%d" % self.chance.randrange(-80, 80)])

    def limit(self):
        return self.pick([[], [], [b"LIMIT", b"0", b"3"], [b"LIMIT", b"2", b"-1"], [b"limit", b"-1", b"5"], [b"LIMIT", b"5", b"0"],
                          [b"LIMIT", b"100", b"10"], [b"LIMIT", b"1"], [b"LIMIT", b"x", b"1"]])

    def cursor(self):
        """All in one call, or wrong."""
        return self.pick([
            [b"0", b"COUNT", b"100000"], [b"0", b"count", b"100000", b"match", b"m*"], [b"0", b"MATCH", b"m1?", b"COUNT", b"100000"], [b"x"],
            [b"0", b"COUNT", b"0"], [b"0", b"COUNT", b"x"], [b"0", b"COUNT"], [b"0", b"TYPE", b"x"], [b"0", b"bogus"]])

    # ---- commands ------------------------------------------------------------------------------

    def own(self):
        name = self.pick(self.names)
        return [any_case(self.chance, name), *self.table[name][1]()]

    def foreign(self):
        of = self.pick([kind for kind in FOREIGN if kind != self.type])
        name, *words = self.pick(FOREIGN[of])
        return [name, self.key(), *words]

    def on_key(self):
        """Commands on keys of any type."""
        key, other = self.key(), self.key()
        return self.pick([
            [b"DEL", key], [b"DEL", key, other], [b"UNLINK", other], [b"EXISTS", key, other], [b"TYPE", key], [b"OBJECT", b"ENCODING", key],
            [b"RENAME", key, other], [b"RENAME", key, other], [b"RENAMENX", key, other], [b"COPY", key, other], [b"COPY", key, other, b"REPLACE"],
            [b"COPY", key, other, b"REPLACE"], [b"COPY", key, other, b"DB", b"1", b"REPLACE"], [b"COPY", key, key], [b"MOVE", key, b"1"],
            [b"EXPIRE", key, self.pick([b"1000", b"-1", b"50000"])], [b"PEXPIREAT", key, b"4102444800000"], [b"PERSIST", key], [b"TTL", key],
            [b"EXPIRE", key, b"1000", self.pick([b"NX", b"XX"])], [b"SET", self.pick([b"text", b"any", key]), b"41"],
            [b"SCAN", b"0", b"COUNT", b"100000", b"TYPE", self.type], [b"TOUCH", key], [b"DBSIZE"]])

    def mutated(self, words):
        """With a word that is wrong, or one more or one less."""
        words = list(words)
        where = self.chance.randint(1, max(len(words) - 1, 1))
        what = self.pick(["less", "more", "other", "other", "other"])
        if what == "less":
            del words[where:where + 1]
        elif what == "more":
            words.insert(where, self.pick([b"", b"bogus", b"1", *self.options]))
        elif where < len(words):
            words[where] = self.pick([*self.junk, *self.options])
        return words

    def may_mutate(self, words):
        return words[0].upper() not in self.as_they_are

    def next(self):
        number = self.chance.random()
        if number < 0.03:
            return self.foreign()
        if number < 0.17:
            return self.on_key()
        if number < 0.19:
            return self.grow()
        if number < 0.20:
            # What is said of their destination differs from version to version.
            words = self.own()
            stores = words[0].upper().endswith(b"STORE")
            return [b"COMMAND", b"GETKEYS" if stores else self.pick([b"GETKEYS", b"GETKEYSANDFLAGS"]), *words]
        words = self.own()
        return self.mutated(words) if number < 0.28 and self.may_mutate(words) else words

    def group(self):
        """One command, a transaction, or a script that calls commands."""
        number = self.chance.random()
        if number > 0.1:
            return [Command(self.next())]
        commands = [Command(self.next()) for _ in range(self.pick([1, 2, 3, 5, 12]))]
        if number > 0.05:
            return [Command([b"MULTI"]), *commands, Command([self.pick([b"EXEC", b"EXEC", b"EXEC", b"DISCARD"])])]
        return [script_of(self.chance, commands)]

    # ---- chance --------------------------------------------------------------------------------

    def lonely(self):
        """What is done alone: functions of a pair of connections and a key that return differences."""
        return [self.walk, self.sample]

    def content(self, end, key):
        """Members with values (or None), in order; None if the key is of another type."""
        reply = end.call(*[key if word is None else word for word in self.reads])
        if reply.kind == "-":
            return None
        return pairs_of(reply.plain()) if self.has_values else [(member, None) for member in reply.plain()]

    def walk(self, pair, key):
        """In steps, small ones or not: everything, from pgfirst once."""
        found, options = [], self.pick([[], [b"COUNT", b"1"], [b"COUNT", b"7"], [b"COUNT", b"1000"]])
        for number, end in enumerate(pair.ends):
            whole, cursor, members = self.content(end, key), b"0", []
            if whole is None:
                return []
            for _ in range(10000):
                cursor, batch = end.call(self.scan, key, cursor, *options).plain()
                members += pairs_of(batch) if self.has_values else [(member, None) for member in batch]
                if int(cursor) >= 2 ** 53:
                    found.append(f"{self.scan} {key} {options}: a client that has only doubles cannot keep the cursor {cursor}")
                if cursor == b"0":
                    break
            if sorted(set(members)) != sorted(whole) or (number == 0 and len(members) != len(whole)):
                found.append(f"{self.scan} {key} {options}: {'Redis' if number else 'pgfirst'}: {len(members)} members, "
                             f"{len(set(members))} different ones, of {len(whole)}")
        return found

    def sample(self, pair, key):
        """Members that are there, as many as were asked for, and none twice unless that was asked for."""
        count = self.pick([0, 1, 3, -4, 40, -40, 1000])
        words = [self.random, key, count, *[b"WITHVALUES" if self.type == b"hash" else b"WITHSCORES"] * self.has_values]
        whole = self.content(pair.ends[0], key)
        if whole is None:
            return []
        ours, theirs = pair.call(*words)
        members = pairs_of(ours.plain()) if self.has_values else [(member, None) for member in ours.plain()]
        right = min(count, len(whole)) if count >= 0 else -count if whole else 0
        if (ours.kind != theirs.kind or len(members) != right or not {*members} <= {*whole}
                or (count >= 0 and len({*members}) != len(members))):
            return [f"{words}: pgfirst {ours!r}, of {len(whole)} members, Redis {theirs!r}"]
        return []
