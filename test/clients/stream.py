# SPDX-License-Identifier: PostgreSQL
"""stream.py: random commands, as programs send them that are careful, and as others do."""

KEYS = [b"a", b"b", b"c", b"number", b"text", b"", b"with space", b"line\r\nend", b"\x00\xff\x80",
        b"{tag}x", b"*", b"[ab]", b"Key", "schlüssel".encode(), b"k" * 300, b"'quoted'"]
VALUES = [b"", b"0", b"1", b"-1", b"41", b"+5", b"-0", b"007", b" 5", b"5 ", b"1.5", b"1e3", b"0x10",
          b"9223372036854775807", b"9223372036854775806", b"-9223372036854775808",
          b"9223372036854775808", b"value", b"two words", b"\r\n", b"\x00\x01\xfe", b"x" * 5000]
NUMBERS = [b"1", b"-1", b"0", b"5", b"100", b"-0", b"+1", b"01", b"", b" 1", b"1.0", b"abc", b"1a",
           b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808",
           b"-9223372036854775809", b"99999999999999999999"]
# No duration that ends while the stream runs.
SECONDS = [b"1000", b"100000", b"0", b"-1", b"-1000", b"9223372036854775", b"9223372036854776",
           b"9223372036854775807", b"-9223372036854775808", b"-9223372036854775807", b"abc", b"", b"1.5", b"100 "]
MILLISECONDS = [b"1000000", b"90000000", b"0", b"-1", b"-5000", b"9223372036854775807",
                b"-9223372036854775808", b"9223370000000000000", b"9223372036854775808", b"abc", b"", b"1e9"]
MOMENTS = [b"4102444800", b"33177117420", b"0", b"-5", b"9223372036854775", b"abc",
           b"9223372036854775807"]
# Nor one that is over: whether DBSIZE counts the key depends on when it is swept, in both.
MOMENTS_MS = [b"4102444800000", b"0", b"-5", b"9223372036854775807", b"abc"]
FLOATS = [b"0.1", b"-0.1", b"1", b"-1.50", b"5.0e3", b"+1", b".5", b"5.", b"0x10", b"0x1p-3", b"1e-17", b"-4e-18", b"007",
          b"3.14159265358979323846", b"1e4932", b"-1e4932", b"1e5000", b"1e-5000", b"1e-4950", b"inf", b"-inf",
          b"infinity", b"nan", b"NaN", b"", b" 1", b"1 ", b"abc", b"1e", b"1_0", b"9223372036854775807", b"0" * 5119,
          b"0" * 5120]
# Places in strings, from both ends. None so far out that both servers would hold megabytes of zeros.
PLACES = [b"0", b"0", b"1", b"-1", b"2", b"-2", b"3", b"4", b"5", b"-5", b"7", b"8", b"9", b"15", b"16", b"-8", b"-9", b"-17",
          b"100", b"-100", b"4999", b"5000", b"39999", b"9223372036854775807", b"-9223372036854775808",
          b"9223372036854775808", b"abc", b"", b"1.0", b"+1", b"01"]
# Nor here; what is refused is refused by the sum of offset and length, or as no number.
OFFSETS = [b"0", b"0", b"1", b"2", b"5", b"8", b"100", b"5000", b"-1", b"536870912", b"9223372036854775807",
           b"9223372036854775808", b"-9223372036854775808", b"abc", b"", b"+1"]
BITS = [b"0", b"1", b"2", b"6", b"7", b"8", b"9", b"15", b"16", b"23", b"100", b"39999", b"-1", b"4294967296", b"99999999999",
        b"9223372036854775808", b"abc", b"", b"1.0"]
PIECES = [b"", b"", b"x", b"two", b"\x00", b"\xff\xff", b"0", b"5", b".5", b"-", b"y" * 600]
PATTERNS = [b"*", b"?", b"a*", b"[ab]", b"[^a]", b"[a-c]", b"\\*", b"k*", b"*e*", b"", b"[", b"[a", b"\\",
            b"a**", b"K*", b"[b-a]", b"{tag}*", b"*\r\n*", b"\x00*"]


def any_case(chance, word):
    return chance.choice([word, word.lower(), word.capitalize()])


class Stream:
    """Makes commands; keeps no account of what they do, two servers do that."""

    def __init__(self, chance, user, password, scripts, names=KEYS):
        self.chance, self.user, self.password = chance, user.encode(), password.encode()
        self.scripts, self.names = scripts, names
        self.pick = chance.choice

    def keys(self, least=1, most=4):
        return [self.pick(self.names) for _ in range(self.chance.randint(least, most))]

    def set_options(self):
        options = []
        for _ in range(self.pick([0, 0, 1, 1, 1, 2, 2, 3])):
            word = self.pick([b"NX", b"XX", b"GET", b"KEEPTTL", b"EX", b"PX", b"EXAT", b"PXAT", b"EX", b"PX",
                              b"bogus"])
            options.append(any_case(self.chance, word))
            values = {b"EX": SECONDS, b"PX": MILLISECONDS, b"EXAT": MOMENTS, b"PXAT": MOMENTS_MS}.get(word)
            # Now and then the value is forgotten.
            if values and self.chance.random() > 0.05:
                options.append(self.pick(values))
        return options

    def getex_options(self):
        options = []
        for _ in range(self.pick([0, 1, 1, 1, 1, 2])):
            word = self.pick([b"EX", b"PX", b"EXAT", b"PXAT", b"PERSIST", b"PERSIST", b"KEEPTTL", b"NX", b"GET", b"bogus"])
            options.append(any_case(self.chance, word))
            values = {b"EX": SECONDS, b"PX": MILLISECONDS, b"EXAT": MOMENTS, b"PXAT": MOMENTS_MS}.get(word)
            if values and self.chance.random() > 0.05:
                options.append(self.pick(values))
        return options

    def some(self, words, most):
        """From none to all of these, mostly all: what may be left out, and too little."""
        return words[:self.pick([most, most, most, *range(most)])]

    def unit(self):
        return any_case(self.chance, self.pick([b"BYTE", b"BIT", b"BIT", b"bogus", b""]))

    def string(self, kind):
        """What is behind the name of a command on strings and bits, or None if it is another one."""
        pick, key = self.pick, self.pick(self.names)
        if kind in (b"SETNX", b"GETSET"):
            return [key, pick(VALUES)]
        if kind in (b"SETEX", b"PSETEX"):
            return [key, pick(SECONDS if kind == b"SETEX" else MILLISECONDS), pick(VALUES)]
        if kind == b"GETEX":
            return [key, *self.getex_options()]
        if kind == b"MSETNX":
            words = [word for name in self.keys(1, 3) for word in (name, pick(VALUES))]
            return words[:-1] if self.chance.random() < 0.1 else words
        if kind == b"APPEND":
            return [key, pick(PIECES)]
        if kind in (b"GETRANGE", b"SUBSTR"):
            return [key, pick(PLACES), pick(PLACES)]
        if kind == b"SETRANGE":
            return [key, pick(OFFSETS), b"" if self.chance.random() < 0.1 else pick(PIECES)]
        if kind == b"DECRBY":
            return [key, pick(NUMBERS)]
        if kind == b"INCRBYFLOAT":
            return [key, pick(FLOATS)]
        if kind == b"SETBIT":
            return [key, pick(BITS), pick([b"0", b"1", b"1", b"1", b"2", b"-1", b"x", b"", b"01"])]
        if kind == b"GETBIT":
            return [key, pick(BITS)]
        if kind == b"BITCOUNT":
            return [key, *self.some([pick(PLACES), pick(PLACES), self.unit(), b"more"], pick([2, 3, 3, 4]))]
        if kind == b"BITPOS":
            bit = pick([b"0", b"1", b"0", b"1", b"0", b"1", b"2", b"x", b""])
            return [key, bit, *self.some([pick(PLACES), pick(PLACES), self.unit(), b"more"], pick([1, 2, 3, 3, 4]))]
        if kind == b"BITOP":
            word = pick([b"AND", b"OR", b"XOR", b"NOT", b"NOT", b"bogus", b""])
            return [any_case(self.chance, word), *self.keys(2, 2 if word == b"NOT" and self.chance.random() < 0.8 else 5)]
        return None

    def log_in(self):
        return self.pick([
            [b"AUTH", self.password], [b"AUTH", self.user, self.password],
            [b"HELLO", b"2", b"AUTH", self.user, self.password],
            [b"HELLO", b"3", b"AUTH", self.user, self.password, b"SETNAME", b"again"],
            [b"HELLO", b"3", b"AUTH", b"default", self.password],
            [b"AUTH", b"default", self.password]])

    def hello(self):
        return [b"HELLO", *self.pick([
            [], [b"2"], [b"3"], [b"3"], [b"1"], [b"4"], [b"x"], [b"3", b"AUTH"],
            [b"3", b"SETNAME"], [b"3", b"SETNAME", b"me"], [b"2", b"SETNAME", b"a b"], [b"3", b"BOGUS"],
            [b"3", b"AUTH", b"nobody", b"wrong"], [b"3", b"setname", b"n", b"AUTH", self.user, self.password],
            [b"99999999999999999999"]])]

    def client(self):
        return [b"CLIENT", *self.pick([
            [b"ID"], [b"GETNAME"], [b"GETNAME"], [b"SETNAME", b"me"], [b"SETNAME", b"a b"],
            [b"SETNAME", b""], [b"SETNAME", b"\x01"], [b"SETNAME"], [b"INFO"], [b"INFO", b"x"], [b"BOGUS"], [b"ID", b"1"],
            [b"LIST", b"TYPE", b"bogus"], [b"LIST", b"TYPE"], [b"LIST", b"ID", b"x"], [b"LIST", b"ID", b"0"],
            [b"LIST", b"ID"], [b"LIST", b"BOGUS"], [b"LIST", b"TYPE", b"pubsub"], [b"LIST", b"TYPE", b"master"],
            [b"setname", b"n\xc3\xa4me"], [b"LIST", b"ID", b"99999999999"], [],
            # None of these may stop a client of the stream, nor for long.
            [b"GETREDIR"], [b"GETREDIR", b"x"], [b"TRACKINGINFO"], [b"TRACKINGINFO"], [b"TRACKINGINFO", b"x"],
            [b"NO-EVICT", b"on"], [b"NO-EVICT", b"OFF"], [b"no-evict", b"x"], [b"NO-EVICT"],
            [b"NO-TOUCH", b"on"], [b"NO-TOUCH", b"x"], [b"REPLY", b"on"], [b"REPLY", b"x"], [b"REPLY"],
            [b"REPLY", b"on", b"x"], [b"UNBLOCK", b"99999999"], [b"UNBLOCK", b"x"], [b"UNBLOCK", b"x", b"y"],
            [b"UNBLOCK", b"x", b"timeout"], [b"UNBLOCK", b"99999999", b"ERROR"], [b"UNBLOCK", b"1", b"y", b"z"], [b"UNBLOCK"],
            [b"UNPAUSE"], [b"UNPAUSE"], [b"UNPAUSE", b"x"], [b"PAUSE", b"0"], [b"PAUSE", b"1", b"WRITE"], [b"PAUSE", b"1", b"all"],
            [b"PAUSE", b"0", b"write"], [b"PAUSE"], [b"PAUSE", b"x"], [b"PAUSE", b"-1"], [b"PAUSE", b"x", b"y"],
            [b"PAUSE", b"1", b"y"], [b"PAUSE", b"1.5"], [b"PAUSE", b"0", b"ALL", b"x"], [b"PAUSE", b""],
            *self.kill()])]

    def kill(self):
        """Whom it would meet is another question; see kill_differences."""
        return [[b"KILL", *words] for words in [
            [], [b"127.0.0.1:1"], [b"ID"], [b"", b""], [b""], [b"ID", b"99999999"], [b"ID", b"0"], [b"ID", b"-1"], [b"ID", b"x"],
            [b"id", b"99999999", b"TYPE", b"normal"], [b"TYPE", b"bogus"], [b"TYPE", b"pubsub"], [b"TYPE", b"master"],
            [b"TYPE", b"Replica"], [b"TYPE", b"slave", b"SKIPME", b"no"], [b"USER", b"nobody-of-that-name"], [b"USER", b""],
            [b"USER", b"x" * 100], [b"ADDR", b"x"], [b"addr", b"x", b"LADDR", b"y"], [b"ADDR", b"x", b"LADDR"],
            [b"LADDR", b"x"], [b"SKIPME", b"maybe"], [b"ADDR", b"x", b"SKIPME", b"no"], [b"ADDR", b"x", b"skipme", b"YES"],
            [b"BOGUS", b"x"], [b"ID", b"99999999", b"BOGUS", b"x"], [b"ADDR", b"x", b"ID", b"y"], [b"USER", b"nobody-of-that-name", b"ID", b"0"],
            [b"ID", b"99999999", b"ID", b"99999998"], [b"USER", b"default", b"TYPE", b"master"]]]

    def getkeys(self):
        command = self.pick([
            [b"get", b"a"], [b"GET"], [b"get", b"a", b"b"], [b"mget", *self.keys()], [b"mset", b"a", b"1", b"b", b"2"],
            [b"MSET", b"a", b"1", b"b"], [b"mset", b"a"], [b"set", b"a", b"1"], [b"set", b"a", b"get"], [b"SET", b"a", b"1", b"GET"],
            [b"set", b"a", b"1", b"px", b"5", b"get"], [b"del", *self.keys()], [b"exists", b"a"], [b"type", b"x"], [b"expire", b"a", b"1"],
            [b"expire", b"a"], [b"ttl", b"a"], [b"pttl", b"a"], [b"persist", b"a"], [b"incr", b"a"], [b"incrby", b"a", b"x"],
            [b"decr", b""], [b"eval", b"x", b"2", b"a", b"b", b"c"], [b"EVAL", b"x", b"0", b"a"], [b"evalsha", b"x", b"9", b"a"], [b"ping", b"x"], [b"ping"], [b"bogus", b"a"], [b"config", b"get", b"x"], [b"config", b"bogus"],
            [b"config|get", b"x"], [b"command", b"getkeys", b"get", b"a"], [b"select", b"0"], [b"keys", b"a"], [b"scan", b"0"],
            [b"slowlog", b"get"], [b"wait", b"1", b"2"], [b"", b""], [], [b"pexpire", b"a", b"1"], [b"client", b"kill", b"x"]])
        return [self.pick([b"GETKEYS", b"getkeys", b"GETKEYSANDFLAGS"]), *command]

    def saves(self):
        """What a save does takes its time, so most of these are wrong."""
        return self.pick([
            [b"LASTSAVE"], [b"LASTSAVE"], [b"LASTSAVE", b"x"], [b"SAVE", b"x"], [b"BGSAVE", b"x"], [b"BGSAVE", b"SCHEDULE", b"x"],
            [b"BGSAVE", b""], [b"SHUTDOWN", b"x"], [b"SHUTDOWN", b"NOSAVE", b"SAVE"], [b"SHUTDOWN", b"ABORT"]])

    def wait(self):
        """There is no replica: whoever wants one waits as long as it says."""
        return self.pick([
            [b"WAIT", b"0", b"0"], [b"WAIT", b"0", b"1000"], [b"WAIT", b"-1", b"0"], [b"wait", b"1", b"1"], [b"WAIT", b"2", b"3"],
            [b"WAIT", b"x", b"0"], [b"WAIT", b"0", b"x"], [b"WAIT", b"x", b"y"], [b"WAIT", b"1", b"-1"], [b"WAIT", b"0", b"-1"],
            [b"WAIT", b"0", b""], [b"WAIT", b"1.0", b"0"], [b"WAIT"], [b"WAIT", b"0"], [b"WAIT", b"0", b"0", b"0"],
            [b"WAITAOF", b"0", b"0", b"0"], [b"WAITAOF", b"2", b"x", b"x"], [b"WAITAOF", b"1", b"1", b"2"]])

    def slowlog(self):
        return [b"SLOWLOG", *self.pick([
            [], [b"GET"], [b"GET", b"0"], [b"GET", b"-1"], [b"get", b"5"], [b"GET", b"-2"], [b"GET", b"x"], [b"GET", b""],
            [b"GET", b"1", b"2"], [b"GET", b"99999999999999999999"], [b"LEN"], [b"LEN", b"x"], [b"RESET"], [b"reset", b"x"],
            [b"HELP"], [b"HELP", b"x"], [b"BOGUS"], [b""]])]

    def command(self):
        return [b"COMMAND", *self.pick([
            [b"COUNT", b"x"], [b"BOGUS"], [b"INFO", b"bogus"], [b"DOCS", b"bogus"], [b"LIST", b"bogus"],
            [b"LIST", b"FILTERBY", b"BOGUS", b"x"], [b"LIST", b"FILTERBY", b"MODULE", b"none"],
            [b"LIST", b"FILTERBY", b"PATTERN", b"mget"], [b"LIST", b"FILTERBY", b"ACLCAT", b"bogus"],
            [b"LIST", b"FILTERBY"], [b"DOCS", b"bogus", b"bogus|bogus", b"get|get"],
            [b"INFO", b"config|bogus", b"get|x"]])]

    def config(self):
        return [b"CONFIG", *self.pick([
            [], [b"GET"], [b"GET", b"nothing"], [b"GET", b"maxmemory"], [b"GET", b"timeout"],
            [b"GET", b"maxmemory-policy", b"maxmemory"], [b"GET", b"MAXMEMORY"], [b"GET", b"hz"], [b"GET", b"nothing", b"maxmemory-p*y"],
            [b"SET"], [b"SET", b"hz"], [b"SET", b"nothing", b"1"], [b"SET", b"hz", b"10", b"nothing"],
            [b"SET", b"hz", b"10"], [b"SET", b"hash-max-listpack-entries", b"256"],
            [b"GET", b"hash-max-listpack-entries"], [b"SET", b"hz", b"11", b"nothing", b"1"], [b"GET", b"hz", b"hz"],
            [b"SET", b"slowlog-max-len", b"200", b"slowlog-log-slower-than", b"20000"], [b"GET", b"slowlog-*"],
            [b"RESETSTAT"], [b"RESETSTAT", b"x"], [b"REWRITE"], [b"REWRITE", b"x"],
            [b"SET", b"slowlog-max-len", b"-1"], [b"SET", b"slowlog-log-slower-than", b"-2"], [b"SET", b"slowlog-max-len", b"x"],
            [b"SET", b"slowlog-max-len", b"9223372036854775808"], [b"SET", b"slowlog-log-slower-than", b"-1"],
            [b"SET", b"slowlog-max-len", b"0"], [b"SET", b"slowlog-log-slower-than", b"9223372036854775807"],
            [b"SET", b"slowlog-log-slower-than", b"5", b"slowlog-max-len", b"-5"], [b"GET", b"slowlog-*"],
            [b"SET", b"hz", b"20", b"hz", b"30"], [b"BOGUS"], [b"SET", b"hz", b"abc"], [b"SET", b"hash-max-listpack-entries", b""]])]

    def database(self):
        return self.pick([b"0", b"1", b"2", b"3", b"0", b"1", b"2", b"3", b"4", b"16", b"-1", b"x", b"", b"01", b"1.0",
                          b"99999999999", b"-99999999999"])

    def copy(self):
        options = self.pick([
            [], [], [b"REPLACE"], [b"replace"], [b"DB", self.database()], [b"DB", self.database(), b"REPLACE"],
            [b"Replace", b"db", self.database()], [b"REPLACE", b"REPLACE"], [b"DB"], [b"REPLACE", b"DB"], [b"bogus"],
            [b"DB", b"1", b"DB", self.database()], [b"DB", self.database(), b"bogus"], [b"bogus", b"DB", b"x"]])
        return [self.pick(self.names), self.pick(self.names), *options]

    def object(self):
        word = self.pick([b"ENCODING", b"ENCODING", b"ENCODING", b"encoding", b"REFCOUNT", b"IDLETIME", b"FREQ", b"HELP"])
        if word == b"HELP":
            return [word]
        return self.pick([[word, self.pick(self.names)]] * 12 + [[], [word], [word, b"a", b"b"], [b"HELP", b"x"], [b"bogus"],
                                                           [b"bogus", b"a"], [b""]])

    def expire_flags(self):
        return self.pick([[], [], [], [b"NX"], [b"XX"], [b"GT"], [b"LT"], [b"NX", b"XX"], [b"GT", b"LT"],
                          [b"XX", b"GT"], [b"bogus"], [b"lt"], [b"NX", b"NX"], [b"NX", b"bogus"], [b"XX", b"LT"]])

    def wrong(self):
        """A number of arguments that does not fit, or no such command."""
        return self.pick([
            [b"GET"], [b"GET", b"a", b"b"], [b"SET", b"a"], [b"SET"], [b"MGET"], [b"MSET", b"a"],
            [b"MSET", b"a", b"1", b"b"], [b"DEL"], [b"EXISTS"], [b"TYPE"], [b"TYPE", b"a", b"b"], [b"INCR"],
            [b"INCRBY", b"a"], [b"EXPIRE", b"a"], [b"PEXPIRE"], [b"TTL"], [b"PTTL", b"a", b"b"], [b"PERSIST"],
            [b"KEYS"], [b"SCAN"], [b"PING", b"a", b"b"], [b"ECHO"], [b"SELECT"], [b"DBSIZE", b"x"], [b"TIME", b"x"],
            [b"AUTH"], [b"AUTH", b"a", b"b", b"c"], [b"RESET", b"x"], [b"BOGUS"], [b"BOGUS", b"a\r\nb", b"c" * 200],
            [b"bogus" * 40, b"x"], [b""], [b"\xff\x00"], [b"GET\r\n", b"x"], [b"KEYS", b"a", b"b"], [b"FLUSHDB", b"x"],
            [b"FLUSHDB", b"SYNC", b"ASYNC"], [b"BOGUS"] + [b"arg"] * 60, [b"decr", b"a", b"1"],
            [b"APPEND", b"a"], [b"STRLEN"], [b"SETNX", b"a"], [b"SETEX", b"a", b"1"], [b"PSETEX", b"a"], [b"GETSET", b"a"],
            [b"GETEX"], [b"GETDEL", b"a", b"b"], [b"MSETNX"], [b"MSETNX", b"a", b"1", b"b"], [b"GETRANGE", b"a", b"0"],
            [b"SUBSTR", b"a"], [b"SETRANGE", b"a", b"0"], [b"DECRBY", b"a"], [b"INCRBYFLOAT", b"a"], [b"SETBIT", b"a", b"1"],
            [b"GETBIT", b"a"], [b"BITCOUNT"], [b"BITPOS", b"a"], [b"BITOP", b"AND", b"a"], [b"BITOP", b"NOT", b"a"],
            [b"BITOP"], [b"COPY", b"a"], [b"RENAME", b"a"],
            [b"RENAME", b"a", b"b", b"c"], [b"RENAMENX"], [b"MOVE", b"a"], [b"MOVE", b"a", b"1", b"x"], [b"RANDOMKEY", b"x"],
            [b"SWAPDB"], [b"SWAPDB", b"0"], [b"SWAPDB", b"0", b"1", b"2"],
            [b"UNLINK"], [b"TOUCH"], [b"EXPIREAT", b"a"], [b"PEXPIREAT"], [b"EXPIRETIME"], [b"PEXPIRETIME", b"a", b"b"],
            [b"FLUSHALL", b"x"], [b"FLUSHALL", b"ASYNC", b"SYNC"], [b"bogus", b"x" * 127, b"y"], [b"bogus", b"x" * 128, b"y"], [b"bogus", b""]])

    def next_on_keys(self):
        """Commands on keys of any type."""
        pick = self.pick
        name = any_case(self.chance, pick([
            b"COPY", b"COPY", b"COPY", b"MOVE", b"MOVE", b"RENAME", b"RENAME", b"RENAMENX", b"RENAMENX", b"RANDOMKEY",
            b"OBJECT", b"OBJECT", b"UNLINK", b"TOUCH", b"EXPIREAT", b"PEXPIREAT", b"EXPIRETIME", b"PEXPIRETIME"]))
        kind = name.upper()
        if kind == b"COPY":
            return [name, *self.copy()]
        if kind == b"MOVE":
            return [name, pick(self.names), self.database()]
        if kind in (b"RENAME", b"RENAMENX"):
            return [name, pick(self.names), pick(self.names)]
        if kind == b"OBJECT":
            return [name, *self.object()]
        if kind in (b"UNLINK", b"TOUCH"):
            return [name, *self.keys()]
        if kind in (b"EXPIREAT", b"PEXPIREAT"):
            return [name, pick(self.names), pick(MOMENTS if kind == b"EXPIREAT" else MOMENTS_MS), *self.expire_flags()]
        return [name] if kind == b"RANDOMKEY" else [name, pick(self.names)]

    def next(self):
        pick, chance = self.pick, self.chance
        number = chance.random()
        if number < 0.06:
            return self.wrong()
        if number < 0.09:
            return self.hello()
        if number < 0.13:
            return self.client()
        if number < 0.14:
            return self.command() if chance.random() < 0.5 else [b"COMMAND", *self.getkeys()]
        if number < 0.15:
            return pick([self.saves, self.wait, self.slowlog])()
        if number < 0.17:
            return self.config()
        if number < 0.175:
            return [b"RESET"]
        if number < 0.19:
            return self.log_in()
        if number < 0.20:
            return [b"AUTH", *pick([[b"wrong"], [b"nobody", b"wrong"], [self.user, b"wrong"], [b"", b""], [b""]])]
        if number < 0.22:
            return [b"SELECT", pick([b"0", b"1", b"2", b"3", b"0", b"4", b"16", b"-1", b"x", b"", b"1.0", b"99999999999"])]
        if number < 0.225:
            return pick([[b"SWAPDB", self.database(), self.database()]] * 3 +
                        [[b"FLUSHDB"], [b"FLUSHDB", b"ASYNC"], [b"flushdb", b"sync"], [b"FLUSHALL"],
                         [b"FLUSHALL", b"ASYNC"], [b"flushall", b"sync"]])
        if number < 0.32:
            return self.scripts.next()
        return self.next_on_keys() if number < 0.45 else self.next_on_strings()

    def next_on_strings(self):
        pick, chance = self.pick, self.chance
        name = any_case(chance, pick([
            b"GET", b"GET", b"GET", b"SET", b"SET", b"SET", b"SET", b"MGET", b"MSET", b"DEL", b"EXISTS", b"TYPE",
            b"INCR", b"DECR", b"INCRBY", b"EXPIRE", b"EXPIRE", b"PEXPIRE", b"TTL", b"PTTL", b"PERSIST", b"KEYS", b"SCAN",
            b"DBSIZE", b"PING", b"ECHO", b"TIME",
            b"SETNX", b"SETEX", b"PSETEX", b"GETSET", b"GETEX", b"GETEX", b"GETDEL", b"MSETNX", b"APPEND", b"APPEND",
            b"STRLEN", b"GETRANGE", b"GETRANGE", b"SUBSTR", b"SETRANGE", b"SETRANGE", b"DECRBY", b"INCRBYFLOAT",
            b"INCRBYFLOAT", b"SETBIT", b"SETBIT", b"GETBIT", b"BITCOUNT", b"BITCOUNT", b"BITPOS", b"BITPOS",
            b"BITPOS", b"BITOP", b"BITOP"]))
        kind = name.upper()
        words = self.string(kind)
        if words is not None:
            return [name, *words]
        if kind == b"SET":
            return [name, pick(self.names), pick(VALUES), *self.set_options()]
        if kind == b"MSET":
            return [name] + [word for key in self.keys() for word in (key, pick(VALUES))]
        if kind in (b"MGET", b"DEL", b"EXISTS"):
            return [name, *self.keys()]
        if kind == b"INCRBY":
            return [name, pick(self.names), pick(NUMBERS)]
        if kind in (b"EXPIRE", b"PEXPIRE"):
            return [name, pick(self.names), pick(SECONDS if kind == b"EXPIRE" else MILLISECONDS), *self.expire_flags()]
        if kind == b"KEYS":
            return [name, pick(PATTERNS)]
        if kind == b"SCAN":
            return [name, *self.scan()]
        if kind in (b"PING", b"ECHO"):
            return [name, *([pick(VALUES)] if kind == b"ECHO" or chance.random() < 0.5 else [])]
        if kind in (b"DBSIZE", b"TIME"):
            return [name]
        return [name, pick(self.names)]

    def group(self):
        """One command, or a transaction as a whole, so that none is open when something else is asked."""
        if self.chance.random() > 0.06:
            return [self.next()]
        commands = [self.pick([[b"DISCARD"], [b"EXEC"], [b"UNWATCH"]])] * (self.chance.random() < 0.05)
        for _ in range(self.pick([0, 0, 1, 2])):
            commands.append([b"WATCH", *self.keys()])
        if commands and self.chance.random() < 0.3:
            words = self.within()
            # Here a watched key counts as changed, in Redis only if it is in one of the two.
            if words[0] != b"SWAPDB":
                commands.append(words)
        if self.chance.random() < 0.05:
            commands.append([b"UNWATCH"])
        commands.append([any_case(self.chance, b"MULTI")])
        # A refused command breaks the whole; let most of them succeed.
        careful = self.chance.random() < 0.8
        for _ in range(self.chance.choice([0, 1, 2, 3, 5, 12])):
            words = self.within(careful)
            # Behind these pgfirst refuses scripts.
            if not (words[0].upper().startswith(b"EVAL") and any(
                    kept[0].upper() == b"SWAPDB" or [word.upper() for word in kept[:2]] == [b"CONFIG", b"SET"] for kept in commands)):
                commands.append(words)
        if not careful:
            commands += self.pick([[], [[b"MULTI"]], [[b"WATCH", b"a"]], [[b"UNWATCH"]], [[b"EXEC", b"x"]]])
        return commands + [self.pick([[b"EXEC"], [b"EXEC"], [b"exec"], [b"DISCARD"]])]

    def within(self, careful=True):
        """A command that may stand between MULTI and EXEC, and neither logs in or out nor is wrong."""
        while True:
            words = self.next()
            name = words[0].upper() if words else b""
            if name in (b"RESET", b"AUTH", b"HELLO", b"QUIT") or (careful and self.is_wrong(words)):
                continue
            # New in 7.2: a Redis that does not know them refuses the whole.
            if name != b"WAITAOF" and words[1:2] != [b"NO-TOUCH"]:
                return words

    @staticmethod
    def is_wrong(words):
        return words[0].upper().startswith((b"BOGUS", b"\xff", b"GET\r")) or len(words) == 1 or words[0] == b""

    def scan(self):
        """Complete in one call, or wrong."""
        return self.pick([
            [b"0", b"COUNT", b"100000"], [b"0", b"COUNT", b"100000", b"MATCH", self.pick(PATTERNS)],
            [b"0", b"count", b"100000", b"type", b"string"], [b"0", b"COUNT", b"100000", b"TYPE", b"hash"],
            [b"x"], [b""], [b"-x"], [b"18446744073709551616"], [b" 0"], [b"0", b"MATCH"], [b"0", b"COUNT", b"0"],
            [b"0", b"COUNT", b"x"], [b"0", b"COUNT", b"-5"], [b"0", b"BOGUS", b"x"], [b"0", b"COUNT", b"100000", b"TYPE", b"STRING"],
            [b"0", b"COUNT", b"100000", b"TYPE", b"bogus"], [b"0x0"], [b"0 "], [b"+0", b"COUNT", b"100000"],
            [b"0", b"COUNT", b"100000", b"COUNT", b"x"], [b"0", b"COUNT"], [b"00", b"COUNT", b"100000"]])
