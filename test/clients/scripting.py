# SPDX-License-Identifier: PostgreSQL
"""scripting.py: random scripts for EVAL and its relatives, as programs send them that are careful, and as others do.

A script is put together from commands whose answer depends on nothing but the keys, and from what scripts do with
answers: they return, convert, encode, catch and raise them. Everything it does is the same in every run.
"""

import hashlib

from stream import KEYS, NUMBERS, OFFSETS, PIECES, PLACES, VALUES

RETURNED = [
    b"1", b"-1", b"3.99", b"-3.99", b"1e15", b"0", b"true", b"false", b"nil", b"'text'", b"''", b"'a\\r\\nb'", b"{}", b"{1,2,3}",
    b"{1,nil,3}", b"{false,true,1}", b"{1,{2,{3,{}}},'x'}", b"{ok='fine'}", b"{ok='a\\r\\nb'}", b"{err='ERR wrong'}", b"{err='MY wrong'}",
    b"{err='plain'}", b"{err=''}", b"{err=1}", b"{ok=1}", b"{ok=true,1,2}", b"{map={a=1}}", b"{set={a=true}}", b"{map={}}", b"{set={}}",
    b"{double=3.5}", b"{double='x'}", b"{big_number='123456789012345678901234567890'}", b"{big_number=1}",
    b"{verbatim_string={format='txt',string='words'}}", b"{verbatim_string='x'}", b"{verbatim_string={}}",
    b"{{ok='in'},{err='in'},{double=0.5}}", b"redis.error_reply('x')", b"redis.error_reply('MY x')", b"redis.error_reply('-MY x')",
    b"redis.error_reply('-x')", b"redis.error_reply('')", b"redis.error_reply()", b"redis.error_reply(1)", b"redis.status_reply('x')",
    b"redis.status_reply('')", b"redis.status_reply({})", b"redis.sha1hex('x')", b"redis.sha1hex('')", b"redis.sha1hex()", b"redis.sha1hex(12)",
    b"#KEYS", b"#ARGV", b"KEYS", b"ARGV", b"KEYS[1]", b"ARGV[1]", b"KEYS[99]", b"unpack({1,2})", b"type(redis)", b"function() end",
    b"math.random() < 1", b"(math.randomseed(7) or 1)*math.random()*1000", b"{math.randomseed(9),math.random(5,7)}", b"tostring(1/3)", b"10/3", b"2^53", b"-2^53", b"0/0", b"1/0",
    b"cjson.encode({1,2,{a='b'}})", b"cjson.decode('[1,2.5,null,true,\"x\"]')", b"cjson.decode('{\"a\":[]}').a", b"cjson.decode('[')",
    b"cmsgpack.unpack(cmsgpack.pack({1,'x',false}))", b"struct.pack('>I2',258)", b"struct.unpack('<i4','\\1\\0\\0\\0')", b"bit.band(7,12)",
    b"bit.tohex(255)", b"string.format('%5.2f|%s|%q',3.14159,'x','a\"b')", b"('abc'):upper()", b"#('abc'):rep(3)", b"select('#',1,nil,2)",
    b"tonumber('0x10')", b"tonumber('12abc')", b"redis.acl_check_cmd('get','x')", b"redis.acl_check_cmd('bogus')", b"redis.setresp(4)",
    b"redis.replicate_commands()", b"redis.set_repl(redis.REPL_ALL)", b"redis.set_repl(9)", b"redis.log(redis.LOG_DEBUG,'x')", b"redis.log(1)",
    b"redis.log(9,'x')", b"redis.breakpoint()", b"redis.nothing", b"next({})", b"rawget(_G,'nothing')", b"rawequal(1,1)", b"pcall(error,'x')",
    b"select(2,pcall(error,{err='E x'}))", b"{pcall(error)}", b"{pcall(redis.call)}", b"{pcall(redis.call,'nothing')}",
    b"coroutine.wrap(function() coroutine.yield(7) end)()", b"loadstring('return 5')()", b"select(2,loadstring('x ='))", b"tostring(nil)"]

# Statements that end a script in their own ways.
WRONG = [
    b"error('raised')", b"error('raised',0)", b"error({err='MY raised'})", b"nothing()", b"x = 1", b"local a = nothing", b"redis.call()",
    b"redis.call('nothing')", b"redis.call('get')", b"redis.call('get',{})", b"redis.call('get',nil)", b"redis.call('eval','return 1',0)",
    b"redis.call('multi')", b"redis.call('object','nothing')", b"redis.call('config','get','x')", b"redis.call('auth','x')",
    b"redis.call('incr',KEYS[1])", b"redis.pcall('incr',KEYS[1])", b"string.x = 1", b"rawset(_G,'x',1)", b"setmetatable(_G,{})",
    b"getmetatable('').__index = nil", b"table.insert(string,1)", b"local a = 1 + {}", b"local a = {} .. 'x'", b"local a = #nil", b"return return",
    b"(", b"goto x", b"redis.setresp(1)", b"local t = nil; t.x = 1", b"assert(false)", b"assert(false,'no')", b"assert(nil)"]


def literal(word):
    """Bytes as Lua writes them."""
    return b'"' + b"".join(
        bytes([byte]) if 32 <= byte < 127 and byte not in b'"\\' else b"\\%03d" % byte for byte in word) + b'"'


class Scripts:
    def __init__(self, chance, names=KEYS):
        self.chance, self.pick, self.names = chance, chance.choice, names
        self.known = []

    def key(self, keys):
        """A declared key, an argument, or one of which nobody was told."""
        number = self.chance.random()
        if number < 0.6 and keys:
            return b"KEYS[%d]" % self.chance.randint(1, keys)
        return b"ARGV[1]" if number < 0.7 else literal(self.pick(self.names))

    def command(self, keys):
        pick, key = self.pick, self.key(keys)
        value, number = literal(pick(VALUES)), literal(pick(NUMBERS))
        words = pick([
            [b"GET", key], [b"GET", key], [b"SET", key, value], [b"SET", key, value], [b"SET", key, value, b"'NX'"], [b"set", key, b"1.5"],
            [b"SET", key, value, b"'GET'"], [b"SET", key, b"12"], [b"SET", key, b"0.1"], [b"SET", key, b"1e20"], [b"SET", key, value, b"'EX'", b"1000"],
            [b"APPEND", key, literal(pick(PIECES))], [b"STRLEN", key], [b"INCR", key], [b"INCRBY", key, number], [b"DECRBY", key, number],
            [b"INCRBYFLOAT", key, b"0.5"], [b"DEL", key], [b"DEL", key, self.key(keys)], [b"EXISTS", key, self.key(keys)], [b"MGET", key, self.key(keys)],
            [b"MSET", key, value, self.key(keys), value], [b"GETSET", key, value], [b"GETDEL", key], [b"SETNX", key, value], [b"PERSIST", key],
            [b"EXPIRE", key, b"1000"], [b"TYPE", key], [b"GETRANGE", key, literal(pick(PLACES)), literal(pick(PLACES))],
            [b"SETRANGE", key, literal(pick(OFFSETS)), literal(pick(PIECES))], [b"SETBIT", key, b"7", b"1"], [b"GETBIT", key, b"7"], [b"COPY", key, self.key(keys)],
            [b"RENAME", key, self.key(keys)], [b"RENAMENX", key, self.key(keys)], [b"ECHO", value], [b"PING"], [b"SELECT", b"1"], [b"SELECT", b"'x'"],
            [b"DBSIZE"], [b"FLUSHDB"] if self.chance.random() < 0.1 else [b"TOUCH", key], [b"MOVE", key, b"2"], [b"UNLINK", key], [b"SET", key]])
        return b", ".join([literal(words[0]), *words[1:]])

    def statement(self, keys):
        pick = self.pick
        call = pick([b"redis.call", b"redis.pcall", b"redis.pcall"]) + b"(" + self.command(keys) + b")"
        return pick([
            call, b"r[#r+1] = " + call, b"r[#r+1] = " + call, b"r[#r+1] = " + call, b"r[#r+1] = select(2, pcall(redis.call, " + self.command(keys) + b"))",
            b"r[#r+1] = type(" + call + b")", b"r[#r+1] = tostring((" + b"redis.pcall(" + self.command(keys) + b")" + b") == false)",
            b"for i = 1, 3 do r[#r+1] = " + call + b" end", b"if redis.call('EXISTS', " + self.key(keys) + b") == 1 then r[#r+1] = " + call + b" end",
            b"r[#r+1] = " + pick(RETURNED), b"r[#r+1] = (function() return " + call + b" end)()"])

    def body(self, keys):
        lines = [b"local r = {}", *[self.statement(keys) for _ in range(self.pick([0, 1, 1, 2, 3, 6]))]]
        if self.chance.random() < 0.1:
            lines.insert(self.chance.randint(1, len(lines)), self.pick(WRONG))
        if self.chance.random() < 0.1:
            lines.insert(1, b"redis.setresp(3)")
        lines.append(b"return " + (self.pick(RETURNED) if self.chance.random() < 0.3 else b"r"))
        text = self.pick([b"\n", b" ", b"\r\n"]).join(lines)
        if self.chance.random() < 0.1:
            text = self.pick([b"#!lua\n", b"#!lua flags=no-writes\n", b"#!lua flags=allow-oom,no-cluster\r\n", b"#!lua flags=\n", b"#!lua name=x\n",
                              b"#!python\n", b"#!lua flags=bogus\n", b"#!lua", b"#! lua\n"]) + text
        return text

    def eval(self):
        keys = self.pick([0, 1, 1, 2, 3])
        number = self.pick([b"%d" % keys] * 30 + [b"-1", b"99", b"x", b"", b"1.0"])
        words = [number, *[self.pick(self.names) for _ in range(keys)], *[self.pick(VALUES + self.names) for _ in range(self.pick([0, 1, 1, 2]))]]
        if self.known and self.chance.random() < 0.2:
            return [self.pick([b"EVALSHA", b"evalsha", b"EVALSHA_RO"]), self.pick(self.known), *words]
        body = self.body(keys)
        self.known = [*self.known[-20:], self.sha(body)]
        return [self.pick([b"EVAL", b"EVAL", b"EVAL", b"eval", b"EVAL_RO"]), body, *words]

    @staticmethod
    def sha(body):
        return hashlib.sha1(body).hexdigest().encode()

    def script(self):
        body = self.body(1)
        return [b"SCRIPT", *self.pick([
            [b"LOAD", body], [b"LOAD", body], [b"load", b"return"], [b"LOAD", b"x ="], [b"LOAD"], [b"LOAD", b"a", b"b"], [b"EXISTS"],
            [b"EXISTS", self.sha(body), *self.known[-3:]], [b"EXISTS", b"x", b"A" * 40], [b"FLUSH"], [b"FLUSH", b"sync"], [b"FLUSH", b"bogus"],
            [b"FLUSH", b"SYNC", b"x"], [b"KILL"], [b"KILL", b"x"], [b"BOGUS"], [], [b"DEBUG"]])]

    def next(self):
        return self.script() if self.chance.random() < 0.1 else self.eval()
