#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""fuzz_scripts.py: scripts that mean harm or make no sense, from many clients, in and out of transactions.

Scripts are put together from statements that are valid Lua and hostile in every other way: calls of any command
with any arguments, loops without end, recursion, errors that are objects, patterns that never match, tables that
hold themselves, bytes that are no JSON and no MessagePack, formats that ask for gigabytes. Every so often a text
is damaged. They come by EVAL, EVALSHA and the forms that only read, between MULTI and EXEC and outside, while
others load, flush and kill scripts. Asked of the server is that

  - it stays the same processes, and an innocent client is answered within its time
  - there is one answer to every command, in the order of the commands, and each is a whole reply
  - the memory of its workers is bounded
  - each client's own two keys are what they must be: a script sets both and then does something hostile. One
    that fails keeps both; one that was ended, by time or by SCRIPT KILL, neither.
  - kv.check() finds nothing

Seen to fail: run_attempt() that keeps what it should undo; an allocator without its limit; kv_run_look() without
the clock; statuses with the line ends that a script has put in.

The same --seed sends the same scripts, though not at the same moments.
"""

import hashlib
import random
import re
import select
import threading
import time

import door
from door import MB, Client, Watch, begin, command, note, ok, patience, run, sql, wait_until

CLIENTS = 10
KEYS = ["k%d" % i for i in range(12)] + ["", "\0", "a\r\nb", "x" * 300]
WORDS = ["", "0", "1", "-1", "9223372036854775807", "1e309", "nan", "word", "\r\n$5\r\n", "\0\1\xff", "v" * 3000]

# ---- the pieces of a script ----------------------------------------------------------------------


def literal(word):
    """Any bytes, as Lua writes them."""
    return '"' + "".join(c if " " <= c <= "~" and c not in '"\\' else "\\%03d" % ord(c) for c in word) + '"'


def noise(rng, length):
    return "".join(chr(rng.randrange(256)) for _ in range(rng.randint(0, length)))


def value(rng, depth=0):
    return rng.choice([
        lambda: rng.choice(["nil", "true", "false", "0/0", "1/0", "-1/0", "2^53", "-2^63", "1e308", "-0.0", "3.5"]),
        lambda: str(rng.randint(-10, 300)),
        lambda: literal(rng.choice(KEYS + WORDS)),
        lambda: literal(noise(rng, 20)),
        lambda: rng.choice(["KEYS", "ARGV", "KEYS[1]", "ARGV[1]", "redis", "_G", "string", "cjson.null", "cjson.empty",
                            "math.huge", "tostring", "function() end", "coroutine.create(function() end)"]),
        lambda: rng.choice(["{ok=%s}", "{err=%s}", "{map=%s}", "{set=%s}", "{double=%s}", "{big_number=%s}",
                            "{verbatim_string=%s}", "{%s}", "{{},%s}", "{[%s or 1]=1}"])
        % (value(rng, depth + 1) if depth < 4 else "{}"),
        lambda: "(function(...) return select('#', ...) end)(%s)" % values(rng, depth + 1),
    ])()


def values(rng, depth=0):
    return ", ".join(value(rng, depth) for _ in range(rng.randint(0, 3 if depth < 3 else 0)))


def words(rng):
    """A command's, for redis.call(); in database 0 are the clients' own keys, of which it is kept away."""
    key, word = rng.choice(KEYS), rng.choice(WORDS)
    return rng.choice([
        lambda: ["GET", key],
        lambda: ["SET", key, word] + rng.sample(["NX", "XX", "GET", "KEEPTTL", "EX", "PX", word], rng.randint(0, 3)),
        lambda: ["MSET"] + [x for k in rng.sample(KEYS, 4) for x in (k, word)],
        lambda: [rng.choice(["INCR", "APPEND", "STRLEN", "GETDEL", "TTL", "TYPE", "DEL", "DUMP", "OBJECT"]), key],
        lambda: [rng.choice(["SETRANGE", "SETBIT", "GETBIT", "INCRBY", "EXPIRE", "INCRBYFLOAT"]), key, word, word],
        lambda: ["SELECT", rng.choice(["1", "2", "3", "16", "-1", "x"])],
        lambda: [rng.choice(["FLUSHDB", "DBSIZE", "RANDOMKEY", "PING", "TIME", "RESET", "QUIT", "MULTI", "EXEC", "WATCH"])],
        lambda: [rng.choice(["EVAL", "EVALSHA"]), "return 1", "0"],
        lambda: ["SCRIPT", rng.choice(["FLUSH", "KILL", "LOAD", "EXISTS"]), word],
        lambda: [rng.choice(["AUTH", "HELLO", "CLIENT", "CONFIG", "SUBSCRIBE", "MONITOR", "WAIT", "SAVE", "INFO"]), word],
        lambda: ["SCAN", word, "COUNT", word],
        lambda: [noise(rng, 10), word],
    ])()


def call(rng):
    arguments = [literal(word) for word in words(rng)]
    if rng.random() < 0.1:
        arguments.insert(rng.randint(0, len(arguments)), value(rng))
    return "redis.%s(%s)" % (rng.choice(["call", "pcall", "pcall"]), ", ".join(arguments))


def json(rng):
    text = rng.choice(["[" * rng.choice([10, 1000, 100000]), '{"a":' * rng.choice([10, 2000]), '{"a":[1,2.5,null,true,"x"]}' * 3,
                       '"\\ud800\\u0000\\x"', "1e999999", "-", "[1,,2]", '{"a" 1}', "nulll", '"' + noise(rng, 100), noise(rng, 100),
                       "[" + "1," * 5000 + "1]", '{"' + "k" * 5000 + '":{}}'])
    return text + "]" * rng.choice([0, 0, 10, 1000])


def msgpack(rng):
    return rng.choice(["\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff", "\xdb\x7f\xff\xff\xff", "\x91" * 5000,
                       "\x81" * 5000, "\xc1", "\xd9", "\xcf" + "\xff" * 8, "\x93\x01\xa1x\xc0", noise(rng, 60)]) + noise(rng, 8)


def pack_format(rng):
    return "".join(rng.choice(["<", ">", "=", "!", "!%d" % rng.choice([0, 3, 16, 99999]), "b", "B", "h", "H", "l", "L", "T", "f", "d", "s",
                               "x", "i%d" % rng.choice([0, 1, 4, 8, 33, 2**31]), "I", "c0", "c%d" % rng.choice([1, 9, 2**31, 10**20]),
                               " ", "z", "\0"]) for _ in range(rng.randint(0, 12)))


# Those that run for ever, or would.
ENDLESS = [
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "while true do xpcall(function() error({}) end, function() while true do end end) end",
    "while true do coroutine.wrap(function() coroutine.yield() while true do end end)() end",
    "while true do redis.pcall('INCR', 'k1') end",
    "while true do redis.pcall('nothing') end",
    "string.find(('a'):rep(50000), ('.-'):rep(20) .. 'b')",
    "local function f() return f() end f()",
    "local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) while true do pcall(function() return t[1] end) end",
    "while true do cjson.decode(cjson.encode({1, {2, {3}}})) end",
    "while true do load(function() return nil end) end",
    "table.sort({1, 2, 3}, function() while true do end end)",
]

# Those that take all the memory, or all the levels.
HUNGRY = [
    "local t = {} for i = 1, 1e9 do t[i] = i end",
    "local s = 'x' while true do s = s .. s end",
    "local s = ('x'):rep(2e9)",
    "local t = {} while true do t = {t} end",
    "local function f() return 1 + f() end f()",
    "local function f() local co = coroutine.wrap(f) co() end f()",
    "local function f() return pcall(f) end f()",
    "local t = {} for i = 1, 60 do t = {t, t} end return t",
    "local t = {} for i = 1, 20000 do t = {t} end return t",
    "local t = {} for i = 1, 20000 do t = {t} end return cjson.encode(t)",
    "local t = {} for i = 1, 20000 do t = {t} end return cmsgpack.pack(t)",
    "local t = {} t[1] = t return t",
    "local t = {} t[1] = t return cjson.encode(t)",
    "local t = {} t[1] = t return #cmsgpack.pack(t)",
    "return unpack({}, 1, 1e7)",
    "return redis.call('MGET', unpack(KEYS, 1, 7000))",
    "return string.format('%99999d', 1)",
    "return ('x'):rep(3e6)",
    "redis.call('SET', 'k2', ('x'):rep(4e6)) local t = {} for i = 1, 40 do t[i] = redis.call('GET', 'k2') end return t",
    "local s = ('x'):rep(1e6) local t = {} for i = 1, 500 do t[i] = s end return redis.pcall('SET', unpack(t))",
    "return loadstring('return ' .. ('('):rep(20000))",
    "return ('x'):gsub('', ('y'):rep(1e6))",
    "return table.concat({('x'):rep(1e6), ('x'):rep(1e6)}, ('y'):rep(1e7))",
    "return redis.sha1hex(('x'):rep(1e7))",
    "local t = {} for i = 1, 3e5 do t[i] = 's' .. i end return #t",
]


def statement(rng, depth=0):
    return rng.choice([
        lambda: "local a = " + call(rng),
        lambda: "for i = 1, %d do redis.pcall('SET', 'k' .. i, i) end" % rng.choice([3, 30, 300]),
        lambda: "pcall(redis.call, %s)" % (values(rng) or "nil"),
        lambda: rng.choice(["error(%s)", "error({err=%s})", "local a = {pcall(error, %s)}", "error(%s, 0)", "assert(false, %s)",
                            "redis.error_reply(%s)", "redis.status_reply(%s)", "redis.setresp(%s)", "redis.sha1hex(%s)", "redis.log(1, %s)",
                            "redis.acl_check_cmd(%s)", "error(setmetatable({}, {__tostring = function() return %s end}))"]) % value(rng),
        lambda: "local a = {pcall(%s.%s, %s)}" % rng.choice([
            lambda: ("string", rng.choice(["rep", "format", "find", "gsub", "gmatch", "byte", "char", "sub", "upper", "reverse", "dump", "len"]),
                     values(rng) or "nil"),
            lambda: ("table", rng.choice(["concat", "insert", "remove", "sort", "maxn", "getn"]), values(rng) or "nil"),
            lambda: ("math", rng.choice(["random", "randomseed", "floor", "fmod", "ldexp", "pow"]), values(rng) or "nil"),
            lambda: ("bit", rng.choice(["band", "lshift", "tohex", "bswap", "arshift", "tobit"]), values(rng) or "nil"),
            lambda: ("cjson", "encode", value(rng)),
            lambda: ("cjson", "decode", literal(json(rng))),
            lambda: ("cmsgpack", "pack", values(rng) or "nil"),
            lambda: ("cmsgpack", rng.choice(["unpack", "unpack_one", "unpack_limit"]),
                     literal(msgpack(rng)) + rng.choice(["", ", 1", ", -1", ", 1, 99999", ", 1e300, 1"])),
            lambda: ("struct", "pack", literal(pack_format(rng)) + ", 1, -1, 'x', 2^40, 'long'"),
            lambda: ("struct", rng.choice(["unpack", "size"]), literal(pack_format(rng)) + ", " + literal(noise(rng, 40)) + ", "
                     + rng.choice(["1", "0", "-5", "2^31", "30"])),
        ])(),
        lambda: "local a = pcall(string.%s, %s, %s)" % (rng.choice(["find", "match", "gsub"]), literal(noise(rng, 60)),
                                                        literal(rng.choice(["%", "[", "[^", "%b", "%f", "(()", ")", "%1", ".-" * 30, "[%a-",
                                                                            "(" * 40, noise(rng, 8)])) + ", 'x%1'"),
        lambda: "local a = loadstring(%s)" % literal(rng.choice(["return 1", "\x1bLua" + noise(rng, 50), noise(rng, 30), "x =", "goto a"])),
        lambda: "local a = {pcall(setmetatable, %s, %s)}" % (value(rng), value(rng)),
        lambda: "local a = {pcall(%s, %s)}" % (rng.choice(["rawset", "rawget", "next", "setfenv", "getfenv", "getmetatable", "select", "unpack",
                                                          "collectgarbage", "tonumber", "tostring", "load", "newproxy", "xpcall"]),
                                               values(rng) or "_G"),
        lambda: "local a = coroutine.wrap(function() %s end) pcall(a) pcall(a)" % (statement(rng, depth + 1) if depth < 3 else ""),
        lambda: "local ok, a = pcall(function() %s end)" % (statement(rng, depth + 1) if depth < 3 else ""),
        lambda: "do %s end" % rng.choice(HUNGRY),
        lambda: "do %s end" % (rng.choice(ENDLESS) if rng.random() < 0.2 else "return " + value(rng)),
    ])()


# Those whose answers would be two if nobody looked at them.
TORN = [
    "{ok='a\\r\\n:1'}", "{err='a\\r\\n+OK'}", "{err='\\n\\n'}", "redis.status_reply('a\\r\\n$2')", "redis.error_reply('E\\r\\n*9')",
    "{big_number='1\\r\\n2'}", "{double='1\\r\\n'}", "{verbatim_string={format='t\\r\\n', string='\\r\\n'}}", "{map={['\\r\\n']={}, x=1/0}}",
    "{set={['\\r\\n']=true, x=true}}", "{1, nil, 2}", "{{ok='\\r\\n'}, {err='\\r'}}", "redis.pcall('a\\r\\nb', '\\r\\n')", "error('\\r\\n')",
]


def body(rng):
    parts = ["do %s end" % statement(rng) for _ in range(rng.randint(0, 6))]
    kind = rng.random()
    parts.append("return " + (value(rng) if kind < 0.4 else rng.choice(TORN)) if kind < 0.7 else "")
    return "\n".join(parts)


def damage(rng, text):
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(text) + 1)
        text = rng.choice([text[:at] + noise(rng, 4) + text[at + 1:], text[:at], text[at:], text[:at] + text[max(0, at - 30):],
                           "#!lua flags=%s\n" % rng.choice(["no-writes", "allow-stale", "nothing", ""]) + text])
    return text


# ---- replies -------------------------------------------------------------------------------------

SIMPLE = {b"+": rb"[^\r\n]*", b"-": rb"[^\r\n]*", b":": rb"-?\d+", b",": rb"-?(inf|nan|\d.*)", b"#": rb"[tf]", b"_": rb"",
          b"(": rb"[^\r\n]*"}


class Caller(Client):
    """A client that insists on whole replies of known kinds, at any depth."""

    def reply(self):
        """The first line; of a list, those of its members, without what is in them."""
        lines, open_counts = [], [1]
        while open_counts:
            if open_counts[-1] == 0:
                open_counts.pop()
                continue
            open_counts[-1] -= 1
            line = self.line()
            if len(open_counts) <= 2:
                lines.append(line)
            kind, rest = line[:1], line[1:]
            if kind in SIMPLE:
                if not re.fullmatch(SIMPLE[kind], rest):
                    raise ValueError("not a reply: %r" % line[:80])
            elif kind not in b"$=!*~%>" or not re.fullmatch(rb"-1|\d+", rest):
                raise ValueError("not a reply: %r" % line[:80])
            elif rest != b"-1":
                if kind in b"$=!":
                    if self.exactly(int(rest) + 2)[-2:] != b"\r\n":
                        raise ValueError("a string without an end")
                else:
                    open_counts.append(int(rest) * (2 if kind == b"%" else 1))
        return lines[0] if lines[0][:1] not in b"*~%>" else lines

    def send(self, data):
        """Takes what comes meanwhile: the server does not read on while its answers are not read."""
        view = memoryview(data)
        while view:
            readable, writable, _ = select.select([self.sock], [self.sock], [], 60)
            if not readable and not writable:
                raise TimeoutError("the server neither reads nor writes")
            if readable:
                self._more()
            if writable:
                view = view[self.sock.send(view[: 1 << 16]) :]

    def together(self, commands, token):
        """Sends the commands at once, with one behind whose answer is known; their replies."""
        self.send(b"".join(command(*map(latin, words)) for words in commands) + command("ECHO", token))
        replies = [self.reply() for _ in commands]
        self.line()
        answer = self.exactly(len(token) + 2)
        if answer != token.encode() + b"\r\n":
            raise ValueError("the answer to another command: %r" % answer)
        return replies


# ---- the clients ---------------------------------------------------------------------------------

NOT_KEPT = re.compile(rb"-EXECABORT|-ERR the script has run for longer|-ERR Script killed|-NOSCRIPT|-ERR .*is locked")
PERHAPS = re.compile(rb"memory|-OOM")
THROWN_OUT_MAX = 3


class Attacker(threading.Thread):
    """A connection with its own keys, and what they must be."""

    def __init__(self, number):
        super().__init__(daemon=True)
        self.number, self.rng = number, random.Random("%d %d" % (door.options.seed, number))
        self.going, self.error = True, None
        self.is_now, self.scripts, self.ended, self.failed, self.kept, self.thrown_out = b"", 0, 0, 0, 0, 0
        self.connect()

    def connect(self):
        self.client = Caller()
        # Its worker may have started a moment ago.
        if not wait_until(lambda: self.client.call("AUTH", door.options.password) == b"+OK" and self.client.call("DBSIZE")[:1] == b":"):
            raise RuntimeError("the door does not open")
        self.client.together([["SELECT", "1"], ["HELLO", "3"] if self.number % 2 else ["PING"]], "begins")

    def run(self):
        try:
            while self.going:
                try:
                    self.rng.choice([self.some, self.some, self.transaction, self.own])()
                except (EOFError, ConnectionError):
                    self.come_back()
        except Exception as error:  # is the result of the test, which reads it
            self.error = "client %d: %s: %s" % (self.number, type(error).__name__, error)

    def try_to_come_back(self):
        """False while all is still full and its worker has nobody else who takes more."""
        try:
            self.connect()
            self.found = self.own_keys()
        except (EOFError, ConnectionError):
            return False
        return True

    def come_back(self):
        """
        Who takes most of pgfirst.redis_client_memory is disconnected when it is full, as scripts can make it. Once
        and again, not often; and what a script then has done it has done to both keys.
        """
        self.thrown_out += 1
        if self.thrown_out > THROWN_OUT_MAX:
            raise EOFError("disconnected %d times" % self.thrown_out)
        if not wait_until(self.try_to_come_back):
            raise EOFError("it is not let in again")
        if self.found[0] != self.found[1]:
            raise ValueError("its keys are %r behind a disconnection" % (self.found,))
        self.is_now = self.found[0]

    def eval(self, text, arguments=()):
        """EVAL in one of its forms."""
        rng = self.rng
        keys = rng.choice([[], rng.sample(KEYS, 1), rng.sample(KEYS, 5), ["k%d" % i for i in range(300)]])
        name = rng.choice(["EVAL", "EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO"])
        number = rng.choice([len(keys)] * 8 + [0, -1, len(keys) + 50, "x", 2**63])
        if "SHA" in name:
            return [name, rng.choice([sha(text), sha(text), "0" * 40, "no sha"]), number] + keys + list(arguments)
        return [name, text, number] + keys + list(arguments)

    def text(self):
        text = body(self.rng)
        return (damage(self.rng, text) if self.rng.random() < 0.1 else text).encode("latin-1")

    def command(self):
        rng = self.rng
        text = self.text()
        arguments = rng.choice([[], ["x"], WORDS, ["y" * 1000000], ["z"] * 3000])
        return rng.choice([
            lambda: self.eval(text, arguments),
            lambda: self.eval(text, arguments),
            lambda: self.eval(text, arguments),
            lambda: ["SCRIPT", "LOAD", text],
            lambda: ["SCRIPT", "EXISTS", sha(text), "x"],
            lambda: ["SCRIPT"] + rng.choice([["FLUSH"], ["FLUSH", "ASYNC"], ["FLUSH", "x"], ["KILL"], ["DEBUG", "YES"], ["DEBUG", "NO"],
                                             ["NOSUCH"], ["LOAD"], ["EXISTS"]]),
            lambda: ["WATCH", rng.choice(KEYS)],
            lambda: ["SELECT", rng.choice("123")],
            lambda: ["MGET"] + rng.sample(KEYS, 3),
            lambda: [rng.choice(["DBSIZE", "PING", "UNWATCH", "FLUSHDB"])],
        ])()

    def token(self):
        return "token %d %d" % (self.number, self.scripts)

    def some(self):
        commands = [self.command() for _ in range(self.rng.choice([1, 1, 2, 5]))]
        self.scripts += len(commands)
        self.client.together(commands, self.token())

    def transaction(self):
        commands = [["MULTI"]] + [self.command() for _ in range(self.rng.randint(1, 5))]
        commands.append([self.rng.choice(["EXEC", "EXEC", "EXEC", "DISCARD"])])
        commands = [words for words in commands if words[0] != "WATCH"]
        self.scripts += len(commands)
        self.client.together(commands, self.token())

    def own(self):
        """Both own keys, then something hostile; once it was answered it is known what they are."""
        rng = self.rng
        self.scripts += 1
        new = b"%d" % self.scripts
        text = ("redis.call('SELECT', 0) redis.call('SET', KEYS[1], ARGV[1]) redis.call('SET', 'own' .. ARGV[2] .. 'b', ARGV[1]) "
                "redis.call('SELECT', 1)\ndo %s end\n%s" % (rng.choice([lambda: statement(rng), lambda: rng.choice(ENDLESS + HUNGRY)])(),
                                                           body(rng))).encode("latin-1")
        tail = ["1", "own%da" % self.number, new, str(self.number)]
        way = rng.randrange(3)
        commands = {0: [["EVAL", text] + tail],
                    1: [["SCRIPT", "LOAD", text], ["EVALSHA", sha(text)] + tail],
                    2: [["UNWATCH"], ["MULTI"], ["SET", "k1", "x"], ["EVAL", text] + tail, ["EXEC"]]}[way]
        answer = self.client.together(commands, self.token())[-1]
        # EXEC's list, and in it the second one's answer, which may be a list itself.
        if way == 2 and isinstance(answer, list):
            answer = answer[2]
        line = answer[0] if isinstance(answer, list) else answer
        self.look(line, new)

    def own_keys(self):
        asked = [["SELECT", "0"], ["GET", "own%da" % self.number], ["GET", "own%db" % self.number], ["SELECT", "1"]]
        self.client.send(b"".join(command(*words) for words in asked))
        self.client.reply()
        found = [plain(self.client), plain(self.client)]
        self.client.reply()
        return found

    def look(self, line, new):
        found = self.own_keys()
        old, self.is_now = self.is_now, found[0]
        allowed = [old] if NOT_KEPT.match(line) else [old, new] if PERHAPS.search(line) else [new]
        self.ended += bool(NOT_KEPT.match(line))
        self.failed += line[:1] == b"-"
        self.kept += found[0] == new
        if found[0] != found[1] or found[0] not in allowed:
            raise ValueError("its keys are %r, not both one of %r, after %r" % (found, allowed, line[:200]))


def plain(client):
    line = client.line()
    return b"" if line in (b"_", b"$-1") else client.exactly(int(line[1:]) + 2)[:-2]


def latin(word):
    return word.encode("latin-1") if isinstance(word, str) else word


def sha(text):
    return hashlib.sha1(text).hexdigest()


@patience(3000)
def scripts():
    note("seed %d, %g s" % (door.options.seed, door.options.seconds))
    pids = [int(pid) for pid in sql("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'pgfirst redis%';").split()]
    until = time.monotonic() + door.options.seconds
    attackers = [Attacker(number) for number in range(CLIENTS)]
    watches = [Watch(pid) for pid in pids]
    for watch in watches:
        watch.__enter__()
    for attacker in attackers:
        attacker.start()
    killed = 0
    with Client() as killer:
        while time.monotonic() < until and all(attacker.is_alive() for attacker in attackers):
            killed += killer.call("SCRIPT", "KILL") == "OK"
            time.sleep(0.05)
    for attacker in attackers:
        attacker.going = False
    for attacker in attackers:
        attacker.join(60)
    for watch in watches:
        watch.__exit__()
    count = {name: sum(getattr(attacker, name) for attacker in attackers) for name in ("scripts", "ended", "failed", "kept")}
    note("%(scripts)d commands; of the own scripts %(kept)d kept what they had changed, %(failed)d failed, %(ended)d of them ended" % count)
    note("%d killed, %d disconnected" % (killed, sum(attacker.thrown_out for attacker in attackers)))
    for attacker in attackers:
        if attacker.error:
            note(attacker.error)
    ok(not any(attacker.error or attacker.is_alive() for attacker in attackers),
       "every command has one whole answer, and scripts keep all or nothing")
    ok(count["kept"] > 20 and count["ended"] > 5 and count["failed"] > count["ended"], "they did what they were made for")
    for watch in watches:
        # What Lua has, arguments and reply of a command, as much each; 64 MB of a turn; and as many clients'
        # arguments and answers as they can have sent and not read.
        watch.bounded(384 * MB, "a worker's memory is bounded")
    ok(wait_until(lambda: sql("SELECT count(*) FROM kv.check();") == "0"), "kv.check() finds nothing")


begin(__doc__)
run([scripts])
