#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""lualibs.py: what scripts get from cjson, cmsgpack, struct and bit, on Redis and on pgfirst.

  lualibs.py [--seed N] [--scripts N] [--test TEXT] OURS THEIRS

OURS and THEIRS are files written by server.py. Prints TAP, a test for each kind of call. A script is
made of a dozen or two calls with random arguments, each protected, and returns one string: for each
call whether it failed, and all that it gave, or its error's words. These strings must be equal, byte for byte. The seed is printed and repeats a run.

Arguments are what programs pass, what careless programs pass, and for decoders texts that were damaged
at random. What is left out, because Redis has no answer that it could be held to:

- bit.tohex with -2^31 digits: reads memory that is none of its business
- arrays that hold millions of nulls because the settings were told to allow them, and a ratio that
  overflows an int when it is multiplied with the number of keys
- keys of 32 bytes and more beside others: Redis's own Lua hashes all their bytes, Lua 5.1 only some of
  them, so that tables are walked in another order; tables and functions as keys, whose order is chance
- nesting beyond some 3,990 levels after cjson's limits were raised: pgfirst ends one or two levels earlier
- cmsgpack._COPYRIGHT: Redis names its author, pgfirst its own
"""

import argparse
import random
import struct
import sys

from differential import Pair, Report, shorten
from server import load

CALLS = 16  # in a script

# What a script begins with. `call` runs a function and keeps what came of it; `show` writes a value.
PRELUDE = r"""
local out = {}
local function show(v, depth)
  local t = type(v)
  if t == 'string' then
    return '"' .. string.gsub(v, '[%c"\\\128-\255]', function(c) return string.format('\\%03d', string.byte(c)) end) .. '"'
  elseif t == 'number' then return string.format('%.17g', v)
  elseif t == 'table' then
    if depth > 60 then return '{...}' end
    local parts = {}
    for k, w in next, v do parts[#parts + 1] = show(k, depth + 1) .. '=' .. show(w, depth + 1) end
    table.sort(parts) return '{' .. table.concat(parts, ',') .. '}'
  elseif v == cjson.null then return 'null'
  elseif t == 'boolean' or t == 'nil' then return tostring(v) end
  return t
end
local function keep(...)
  local parts = {}
  for i = 1, select('#', ...) do parts[i] = show((select(i, ...)), 0) end
  out[#out + 1] = table.concat(parts, ' ')
end
local function call(f, ...) keep(pcall(f, ...)) end
local inf, nan, null = 1/0, 0/0, cjson.null
local function nest(depth, v) for i = 1, depth do v = {v} end return v end
local function nestmap(depth, v) for i = 1, depth do v = {k = v} end return v end
local function many(n, f) local t = {} for i = 1, n do t[i] = f(i) end return t end
""".replace("\n", " ")
EPILOGUE = " return table.concat(out, '\\n')"
# The settings belong to all scripts.
RESET = ("call(function() cjson.encode_sparse_array(false, 2, 10) cjson.encode_max_depth(1000) cjson.decode_max_depth(1000) "
         "cjson.encode_invalid_numbers(false) cjson.decode_invalid_numbers(true) cjson.encode_keep_buffer(true) "
         "cjson.encode_number_precision(14) end) ")


def literal(data):
    """Bytes as a literal of Lua."""
    return '"' + "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03d}" for byte in data) + '"'


# ---- values of Lua, as source ------------------------------------------------------------------

NUMBERS = ["0", "1", "-1", "2", "3", "10", "31", "32", "-32", "-33", "127", "128", "-128", "-129", "255", "256", "65535", "65536",
           "-32768", "-32769", "2147483647", "2147483648", "-2147483648", "-2147483649", "4294967295", "4294967296",
           "9007199254740992", "9007199254740993", "9223372036854775807", "-9223372036854775808", "-9223372036854777856",
           "18446744073709551615", "18446744073709551616", "1e15", "1e16", "1e300", "-1e300", "1e-7", "5e-324", "0.1", "0.5", "1.5", "-2.5",
           "3.14159265358979", "123456789012345678", "100000000000000", "1.7976931348623157e308", "3.5e38", "1e20", "-0.0", "inf",
           "-inf", "nan", "-nan", "0x7fffffff", "1/3", "-2/3", "2^53", "2^63", "-2^63", "2^64", "2^31", "2^32", "1700000000000"]
TEXTS = [b"", b"a", b"key", b"value", b"1", b"12", b"-3", b"1.5", b"0x10", b"nil", b"with space", b'quote"', b"back\\slash", b"/slash/",
         b"\x00", b"a\x00b", b"\n\r\t\b\f", b"\x01\x1f\x7f", "äöü€𝄞".encode(), b"\xff\xfe", b"\xed\xa0\x80", b"x" * 31, b"y" * 32, b"z" * 255,
         b"w" * 256, b"__index", b"1e3", b" 5 ", b"inf", b"nan"]


class Source:
    """Makes source text."""

    def __init__(self, chance):
        self.chance, self.pick = chance, chance.choice

    def integer(self):
        bits = self.pick([3, 8, 16, 31, 32, 33, 53, 63, 64])
        return self.chance.randint(-(1 << bits), 1 << bits)

    def number(self):
        kind = self.chance.random()
        if kind < 0.5:
            return self.pick(NUMBERS)
        if kind < 0.75:
            return str(self.integer())
        if kind < 0.9:
            return repr(self.chance.uniform(-1000, 1000))
        value = struct.unpack("<d", self.chance.getrandbits(64).to_bytes(8, "little"))[0]
        return repr(value) if value == value and abs(value) != float("inf") else "nan"

    def bytes(self, most=40):
        if self.chance.random() < 0.6:
            return self.pick(TEXTS)
        return bytes(self.pick([self.chance.randrange(256), self.chance.randrange(32, 127)])
                     for _ in range(self.chance.randint(0, most)))

    def text(self):
        if self.chance.random() < 0.03:
            return f"string.rep('x/', {self.pick([50, 200, 500, 4095, 4096, 32767, 32768, 40000])})"
        return literal(self.bytes())

    def scalar(self):
        return self.pick([self.number, self.number, self.text, self.text, lambda: self.pick(["true", "false", "nil", "null"]),
                          lambda: self.pick(["function() end", "type"]) if self.chance.random() < 0.15 else self.number()])()

    def key(self):
        kind = self.chance.random()
        if kind < 0.55:
            # Redis's Lua hashes all bytes of a string, Lua 5.1 some of those that have 32: another order.
            return literal(self.bytes()[:31])
        if kind < 0.8:
            return str(self.chance.randint(1, 12))
        if kind < 0.9:
            return self.pick(["0", "-1", "1.5", "13", "25", "100", "2^31", "2^32", "1700000000000", "1700000000001", "2147483647", "1e300", "inf",
                              "-0.5", "3.0", "1e15"])
        return self.pick(["true", "false", literal(b"1"), literal(b"2")])

    def table(self, depth):
        kind = self.chance.random()
        count = self.pick([0, 1, 1, 2, 3, 3, 5, 8, 15, 16, 17, 33])
        if kind < 0.35:
            return "{" + ", ".join(self.value(depth + 1) for _ in range(count)) + "}"
        share = 0 if kind < 0.85 else 0.5
        return "{" + ", ".join(self.value(depth + 1) if self.chance.random() < share else self.entry(depth + 1) for _ in range(count)) + "}"

    def entry(self, depth):
        """No nil: where the garbage collector comes by, a key without a value changes the table's order."""
        value = self.value(depth)
        return f"[{self.key()}] = {'false' if value == 'nil' else value}"

    def value(self, depth=0):
        if self.chance.random() < (0.6 if depth == 0 else 0.25 / depth):
            return self.table(depth)
        return self.scalar()

    def damaged(self, data):
        """Bytes with a few changed, taken away, or put in; or cut off."""
        data = bytearray(data)
        for _ in range(self.pick([0, 0, 1, 1, 1, 2, 4])):
            place = self.chance.randint(0, len(data))
            kind = self.chance.random()
            if kind < 0.3 and data:
                del data[place % len(data)]
            elif kind < 0.6 and data:
                data[place % len(data)] = self.pick([self.chance.randrange(256), self.pick(b'{}[]:,"\\truefalsnu0123456789.eE+- \t\x00')])
            elif kind < 0.9:
                data[place:place] = self.pick([bytes([self.chance.randrange(256)]), bytes([self.pick(b'{}[]:,"\\ \x00')])])
            else:
                del data[place:]
        return bytes(data)


# ---- cjson ------------------------------------------------------------------------------------

JSON_NUMBERS = [b"0", b"-0", b"1", b"-1", b"10", b"1.5", b"-2.25", b"1e5", b"1E+5", b"1e-5", b"0.1", b"123456789012345678901234567890", b"1e308",
                b"1e309", b"-1e309", b"5e-324", b"1e-400", b"9007199254740993", b"01", b"-01", b"+1", b"0x10", b"-0x1F", b"0X1p4", b"0x", b"1.",
                b".5", b"-.5", b"-", b"+", b"1e", b"1e+", b"inf", b"-inf", b"Infinity", b"-infinity", b"INF", b"nan", b"NaN", b"-nan", b"nan(1)",
                b"1.2.3", b"--1", b"1-2", b"0b1", b"1_0", b"00", b"infinit", b"nanx", b"+inf", b"0.", b"1" * 400, b"0." + b"3" * 60, b"1d5"]
JSON_WORDS = [b"true", b"false", b"null", b"True", b"NULL", b"nul", b"tru", b"falsey", b"nullnull", b"t", b"f", b"n", b"undefined", b"i", b"I", b"N"]
JSON_PIECES = [b"a", b"key", b"value", b" ", b"\\n", b"\\t", b"\\\\", b'\\"', b"\\/", b"\\b\\f\\r", b"\\u0041", b"\\u00e4", b"\\u20AC", b"\\u0000",
               b"\\ud834\\udd1e", b"\\uD834\\uDD1E", b"\\ud834", b"\\udd1e", b"\\ud834\\u0041", b"\\ud834x", b"\\u12", b"\\u12g4", b"\\uffff",
               b"\\ud7ff", b"\\ue000", b"\\udbff\\udfff", b"\\x41", b"\\", b"\\'", b"\n", b"\x01", b"\x7f", "ä€𝄞".encode(), b"\xff", b"\x00", b"x" * 600,
               b"y" * 60]


class Json(Source):
    def string(self):
        return b'"' + b"".join(self.pick(JSON_PIECES[:15] if self.chance.random() < 0.93 else JSON_PIECES)
                               for _ in range(self.pick([0, 1, 1, 2, 3, 6]))) + b'"'

    def blank(self):
        return self.pick([b"", b"", b"", b" ", b"\n\t", b"\r\n  "])

    def json(self, depth=0):
        kind = self.chance.random()
        if kind > 0.35 / (depth / 2 + 1):
            text = self.pick([self.string, self.string, lambda: self.pick(JSON_NUMBERS[:15] if self.chance.random() < 0.9 else JSON_NUMBERS),
                              lambda: self.pick(JSON_WORDS[:3] if self.chance.random() < 0.95 else JSON_WORDS)])()
        elif self.chance.random() < 0.5:
            text = b"[" + b",".join(self.json(depth + 1) for _ in range(self.pick([0, 1, 2, 3, 6, 20]))) + self.blank() + b"]"
        else:
            text = b"{" + b",".join(self.blank() + self.string() + self.blank() + b":" + self.json(depth + 1)
                                    for _ in range(self.pick([0, 1, 2, 3, 6, 20]))) + self.blank() + b"}"
        return self.blank() + text + self.blank()

    def encode(self):
        arguments = self.value()
        if self.chance.random() < 0.02:
            arguments = self.pick(["", f"{arguments}, 1", "nil, nil"])
        return f"call(function() return cjson.encode({arguments}) end)"

    def decode(self):
        text = self.pick([self.json, self.json, lambda: self.damaged(self.json()), lambda: self.pick(JSON_NUMBERS + JSON_WORDS),
                          lambda: self.damaged(self.pick(JSON_PIECES)), lambda: b"[" + self.pick(JSON_NUMBERS) + b"]"])()
        if self.chance.random() < 0.02:
            return f"call(cjson.decode, {self.pick(['5', 'nil', '{}', literal(text) + ', 1', 'true', '1.5'])})"
        return f"call(function() return cjson.decode({literal(text)}) end)"

    def there_and_back(self):
        return f"call(function() local a = cjson.encode({self.value()}) return cjson.encode(cjson.decode(a)), a end)"

    def setting(self):
        name = self.pick(["encode_sparse_array", "encode_max_depth", "decode_max_depth", "encode_number_precision", "encode_keep_buffer",
                          "encode_invalid_numbers", "decode_invalid_numbers"])
        values = ["true", "false", "nil", "0", "1", "2", "3", "5", "10", "14", "15", "-1", "'on'", "'off'", "'null'", "'1'", "'x'", "1.5",
                  "2147483647", "2147483648", "4294967297", "{}", "nan"]
        count = self.pick([0, 0, 1, 1, 1, 1, 2, 3, 4] if name == "encode_sparse_array" else [0, 1, 1, 1, 1, 1, 2])
        arguments = [self.pick(values) for _ in range(count)]
        # The ratio of sparse arrays times their keys.
        if count > 1 and arguments[1] == "2147483647":
            arguments[1] = "1000000"
        return f"call(function() return cjson.{name}({', '.join(arguments)}) end)"

    def small(self):
        """A value that no setting makes large."""
        value = self.value()
        while any(large in value for large in ("2147483647", "2147483646", "0x7fffffff", "123456789012345678", "string.rep")):
            value = self.value()
        return value

    def with_settings(self):
        """A few settings, and then values."""
        kind = self.chance.random()
        if kind < 0.5:
            return self.setting()
        if kind < 0.8:
            return f"call(function() return cjson.encode({self.small()}) end)"
        return self.pick([self.decode(), f"call(function() return cjson.encode(nest({self.chance.randint(1, 12)}, 1)) end)",
                          f"call(function() return cjson.decode(string.rep('[', {self.chance.randint(1, 12)})) end)",
                          f"call(function() return cjson.encode({{{self.number()}, [{self.number()}] = 1}}) end)"
                          if self.chance.random() < 0 else "call(function() return cjson.encode({[30] = 1, [7] = 2}) end)"])

    def own_settings(self):
        """cjson.new() has settings of its own."""
        setting = self.setting()[len("call(function() return cjson."):-len(" end)")]
        return (f"call(function() local own = cjson.new() pcall(function() own.{setting} end) "
                f"return own.encode({self.small()}), cjson.encode_max_depth(), own.encode_max_depth() end)")


# ---- cmsgpack ---------------------------------------------------------------------------------


class Msgpack(Source):
    def packed(self, depth=0):
        """MessagePack of every type, also of those that are unknown there."""
        pick, chance = self.pick, self.chance
        kind = pick(["fixint", "negative", "simple", "float", "double", "uint", "int", "fixstr", "str", "fixarray", "fixmap", "array", "map", "other"])
        if depth > 3 and kind in ("fixarray", "fixmap", "array", "map"):
            kind = "fixint"
        inner = [self.packed(depth + 1) for _ in range(pick([0, 1, 2, 3, 5]) if depth < 4 else 0)]
        if kind == "fixint":
            return bytes([chance.randrange(128)])
        if kind == "negative":
            return bytes([chance.randrange(0xe0, 256)])
        if kind == "simple":
            return bytes([pick([0xc0, 0xc2, 0xc3])])
        if kind == "float":
            return b"\xca" + chance.getrandbits(32).to_bytes(4, "big")
        if kind == "double":
            return b"\xcb" + struct.pack(">d", chance.uniform(-10, 10))
        if kind in ("uint", "int"):
            size = pick([0, 1, 2, 3])
            return bytes([(0xcc if kind == "uint" else 0xd0) + size]) + chance.getrandbits(8 << size).to_bytes(1 << size, "big")
        if kind == "fixstr":
            text = self.bytes()[:31]
            return bytes([0xa0 + len(text)]) + text
        if kind == "str":
            text, size = self.bytes(), pick([0, 1, 2])
            return bytes([0xd9 + size]) + min(len(text), 255).to_bytes(1 << size, "big") + text[:255]
        if kind == "fixarray":
            return bytes([0x90 + len(inner)]) + b"".join(inner)
        if kind == "array":
            size = pick([0, 1])
            return bytes([0xdc + size]) + len(inner).to_bytes(2 << size, "big") + b"".join(inner)
        if kind in ("fixmap", "map"):
            pairs = b"".join(self.packed(4) + item for item in inner)
            size = pick([0, 1])
            return (bytes([0x80 + len(inner)]) if kind == "fixmap" else bytes([0xde + size]) + len(inner).to_bytes(2 << size, "big")) + pairs
        return bytes([pick([0xc1, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8])]) + self.bytes(10)

    def data(self):
        data = b"".join(self.packed() for _ in range(self.pick([0, 1, 1, 2, 3, 8])))
        if self.chance.random() < 0.4:
            data = self.damaged(data)
        return literal(data)

    def pack(self):
        arguments = ", ".join(self.value() for _ in range(self.pick([0, 1, 1, 1, 1, 2, 3, 6]) if self.chance.random() < 0.3 else 1))
        return f"call(function() return cmsgpack.pack({arguments}) end)"

    def unpack(self):
        if self.chance.random() < 0.02:
            return f"call(cmsgpack.unpack, {self.pick(['5', 'nil', '{}', self.data() + ', 1', 'true', '1.5, 2'])})"
        return f"call(function() return cmsgpack.unpack({self.data()}) end)"

    def some(self):
        places = ["0", "0", "1", "2", "3", "5", "10", "-1", "-5", "100", "1.5", "'1'", "nil", "'x'", "2147483648", "-2147483649", "{}", "nan"]
        if self.chance.random() < 0.5:
            arguments = [self.data()] + [self.pick(places) for _ in range(self.pick([0, 1, 1, 1, 2]))]
            return f"call(function() return cmsgpack.unpack_one({', '.join(arguments)}) end)"
        arguments = [self.data()] + [self.pick(places) for _ in range(self.pick([0, 1, 1, 2, 2, 3]))]
        if self.chance.random() < 0.02:
            arguments = arguments[1:]
        return f"call(function() return cmsgpack.unpack_limit({', '.join(arguments)}) end)"

    def there_and_back(self):
        return f"call(function() local a = cmsgpack.pack({self.value()}, {self.value()}) return a, cmsgpack.unpack(a) end)"


# ---- struct -----------------------------------------------------------------------------------


class Struct(Source):
    def format(self, careful):
        text = ""
        for _ in range(self.pick([0, 1, 2, 3, 4, 6, 10])):
            option = self.pick("bBhHlLTiIfdsxc<>! bBhHlLiIs")
            if option in "iI":
                option += self.pick(["", "", "1", "2", "3", "4", "5", "7", "8", "9", "16", "31", "32", "0"])
            elif option == "!":
                option += self.pick(["", "1", "2", "4", "8", "16"])
            elif option == "c":
                option += self.pick(["", "0", "1", "2", "3", "5"])
            if not careful and self.chance.random() < 0.1:
                option += self.pick(["33", "100", "2147483647", "2147483648", "99999999999", "z", "\\255", "\\000", "3", "!3", "!0", "c0", "i0", "c100", "?",
                                     "!1073741824", "!2147483647", "a", "=", "Z", "-", "\\n"])
            text += option
        return f'"{text}"'

    def arguments(self):
        return [self.number() if self.chance.random() < 0.6 else self.text() if self.chance.random() < 0.7 else self.scalar()
                for _ in range(self.pick([0, 1, 2, 3, 4, 6, 10, 12]))]

    def matching(self, text):
        """Arguments that the format wants."""
        found, i = [], 0
        while i < len(text):
            option, number = text[i], ""
            i += 1
            while option in "iI!c" and i < len(text) and text[i].isdigit():
                number += text[i]
                i += 1
            if option in "bBhHlLTiIfd":
                found.append(self.number())
            elif option in "cs":
                found.append(self.text() if self.chance.random() < 0.1 else literal(self.bytes().ljust(int(number or 1), b"p")))
        return found

    def pack(self):
        form = self.format(True)
        arguments = [form] + self.matching(form[1:-1])
        if self.chance.random() < 0.25:
            arguments = [self.format(False)] + self.arguments()
        return f"call(function() return struct.pack({', '.join(arguments)}) end)"

    def unpack(self):
        data = self.damaged(bytes(self.chance.choice([0, 0, 1, 2, 3, 255, 128, 127, self.chance.randrange(256)]) for _ in range(self.pick([0, 3, 8, 20, 60, 120]))))
        arguments = [self.format(self.chance.random() < 0.7), literal(data)]
        if self.chance.random() < 0.3:
            arguments.append(self.pick(["1", "2", "3", "5", "0", "-1", "-2", "-100", "1000", "1.5", "'2'", "nil", "'x'", "2147483648", "nan"]))
        return f"call(function() return struct.unpack({', '.join(arguments)}) end)"

    def there_and_back(self):
        form = self.format(True)
        return (f"call(function() local a = struct.pack({', '.join([form] + self.matching(form[1:-1]))}) return struct.unpack({form}, a) end)")

    def size(self):
        return f"call(function() return struct.size({self.format(self.chance.random() < 0.6)}) end)"

    def wrong(self):
        name = self.pick(["pack", "unpack", "size"])
        return f"call(struct.{name}, {self.pick(['5', 'nil', '{}', 'true', chr(34) * 2, 'nil, nil', chr(34) + 'i' + chr(34), chr(34) + 's' + chr(34)])})"


# ---- bit --------------------------------------------------------------------------------------


class Bit(Source):
    def operand(self):
        return self.number() if self.chance.random() < 0.9 else self.pick(["nil", "'1'", "'x'", "'0x10'", "{}", "true", "''", "' 7 '"])

    def bits(self):
        name = self.pick(["tobit", "bnot", "bswap", "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror"])
        usual = 1 if name in ("tobit", "bnot", "bswap") else 2
        count = usual if self.chance.random() < 0.8 else self.pick([0, 1, 2, 3, 5])
        arguments = [self.operand() for _ in range(count)]
        if usual == 2 and name[0] in "lra" and count > 1 and self.chance.random() < 0.5:
            arguments[1] = str(self.chance.randint(-40, 70))
        return f"call(function() return bit.{name}({', '.join(arguments)}) end)"

    def hex(self):
        arguments = [self.operand()] + self.pick([[], [str(self.chance.randint(-12, 12))], [self.pick(["nil", "'4'", "1.5", "-2147483647", "2147483647", "{}"])]])
        return f"call(function() return bit.tohex({', '.join(arguments)}) end)"


# ---- what chance does not come upon -------------------------------------------------------------

FIXED = [
    # Limits of nesting.
    *[f"call(function() return cjson.encode({function}({depth}, 1)) end)" for function in ("nest", "nestmap") for depth in (1, 999, 1000, 1001, 2000)],
    *[f"call(function() return #cjson.encode(cjson.decode(string.rep('{text}', {depth}) .. '{middle}' .. string.rep('{end}', {depth}))) end)"
      for text, middle, end in (("[", "", "]"), ('{"a":', "1", "}"), ('[{"a":', "1", "}]")) for depth in (1, 499, 500, 501, 999, 1000, 1001, 3000)],
    *["cjson.encode_max_depth(3900) cjson.decode_max_depth(3900) "
      f"call(function() return #cjson.encode(nest({depth}, 1)) end) call(function() return #cjson.encode(nestmap({depth}, 1)) end) "
      f"call(function() return cjson.decode(string.rep('[', {depth})) end) call(function() return cjson.decode(string.rep('{{\"k\":', {depth})) end)"
      for depth in (1001, 3899, 3900, 3901)],
    "call(function() local t = {} t[1] = t return cjson.encode(t) end)", "call(function() local t = {} t.t = t return cjson.encode(t) end)",
    *[f"call(function() return cmsgpack.pack({function}({depth}, 1)) end)" for function in ("nest", "nestmap") for depth in (15, 16, 17, 18, 100)],
    "call(function() local t = {} t[1] = t return cmsgpack.pack(t) end)",
    *[f"call(function() return (select('#', cmsgpack.unpack(string.rep('\\{byte}', {depth})))) end)"
      for byte in (145, 129, 1) for depth in (10, 1000, 3900, 3990, 3995, 3996, 3997, 3998, 3999, 4000, 4001, 4002, 5000, 7900, 7990,
                                              *range(7992, 8003), 9000)],
    # Many values, and those at the edges of lengths.
    *[f"call(function() local t = many({count}, function(i) return i end) local a, b = cjson.encode(t), cmsgpack.pack(t) "
      "return #a, #b, string.sub(b, 1, 9), #cjson.decode(a), #cmsgpack.unpack(b) end)" for count in (15, 16, 17, 65535, 65536, 70000)],
    *[f"call(function() local t = {{}} for i = 1, {count} do t['k' .. i] = i end local b = cmsgpack.pack(t) return #b, string.sub(b, 1, 9), "
      "#cjson.encode(t) end)" for count in (15, 16, 17, 65535, 65536)],
    *[f"call(function() local s = string.rep('x', {length}) local b = cmsgpack.pack(s) return #b, string.sub(b, 1, 9), #cmsgpack.unpack(b), "
      "#cjson.encode(s), #cjson.decode('\"' .. s .. '\"') end)" for length in (31, 32, 255, 256, 65535, 65536, 1000000)],
    *[f"call(function() return #cmsgpack.pack(unpack(many({count}, function() return 1 end))) end)" for count in (100, 3990, *range(3996, 4004), 7900)],
    *[f"call(function() return (select('#', struct.unpack(string.rep('b', {count}), string.rep('x', {count})))) end)"
      for count in (100, 7900, *range(7990, 8003))],
    *[f"call(function() return #struct.pack(string.rep('b', {count}), unpack(many({count}, function(i) return i end))) end)" for count in (100, 7000, 7900)],
    *[f"call(function() return #struct.pack('s', string.rep('x', {count})) end)" for count in (8191, 8192, 100000)],
    "call(function() return bit.bor(unpack(many(7000, function(i) return i end))) end)",
    # Sparse arrays.
    *[f"call(function() return cjson.encode({{[{key}] = 1}}) end)" for key in (1, 2, 9, 10, 11, 20, 2147483647, 2147483648, "1e10", "1e308")],
    *[f"call(function() local t = {{}} for i = 1, {count} do t[i * {step}] = i end return #cjson.encode(t) end)"
      for count in (5, 6, 20) for step in (1, 2, 3)],
    "call(function() return cjson.encode({[1] = 1, [2^31] = 2}) end)", "call(function() return cjson.encode({[2^33] = 1, [2^31] = 2, [5] = 3}) end)",
    "cjson.encode_sparse_array(true) call(function() return cjson.encode({[100] = 1, [7] = 2}) end)",
    "cjson.encode_sparse_array(false, 0) call(function() return cjson.encode({[100] = 1, [7] = 2}) end)",
    "cjson.encode_sparse_array(true, 1, 0) call(function() return cjson.encode({1, nil, 3}), cjson.encode({1, 2}), cjson.encode({[2] = 2}) end)",
    # Every byte, and pairs of surrogates at their ends.
    "call(function() return cjson.encode(table.concat(many(256, function(i) return string.char(i - 1) end))) end)",
    "call(function() local t = {} for i = 1, 255 do t[i] = select(2, pcall(cjson.decode, string.char(i))) end return t end)",
    "call(function() local t = {} for i = 1, 255 do t[i] = select(2, pcall(cjson.decode, '\"\\\\' .. string.char(i) .. '\"')) end return t end)",
    "call(function() local t = {} for i = 0, 255 do t[i] = {pcall(cmsgpack.unpack, string.char(i) .. string.rep('\\001', 12))} end return t end)",
    "call(function() local t = {} for i = 0, 255 do t[i] = {pcall(cmsgpack.unpack, string.char(i))} end return t end)",
    "call(function() local t = {} for i = 1, 255 do t[i] = {pcall(struct.unpack, string.char(i), string.rep('\\200', 12))} end return t end)",
    "call(function() local t = {} for i = 1, 255 do t[i] = {pcall(struct.size, string.char(i))} end return t end)",
    "call(function() local t = {} for i = 1, 255 do t[i] = {pcall(struct.pack, string.char(i), 5)} end return t end)",
    "call(function() local t = {} for i = 1, 255 do t[i] = {pcall(struct.pack, string.char(i), 'text')} end return t end)",
    *[f"call(function() return cjson.decode('\"\\\\u{high:04x}\\\\u{low:04x}\"') end)"
      for high in (0xd7ff, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0xe000) for low in (0x41, 0xdbff, 0xdc00, 0xdfff, 0xe000)],
    *["call(function() return cjson.decode(" + literal(text) + ") end)" for text in (
        b"[1\x00]", b"\x00", b"\x00\x00", b"1\x00", b"12\x00x", b'"a\x00b"', b'"\\\x00"', b'{"a":1,"a":2}', b"\xef\xbb\xbf1", b"", b" ", b"[" * 1001,
        b"[1,]", b"[,1]", b"{,}", b'{"a"}', b'{"a":}', b'{"a":1,}', b"{1:2}", b"[1 2]", b"[}", b"{]", b"1 2", b"]", b"}", b",", b":", b'{"a":1]', b"[1}",
        b'"' + b"\\n" * 300 + b'"', b'"' + b"\\n" * 300, b'{"' + b"\\u20ac" * 200 + b'":1}', b'["' + b"x\\u20ac" * 200 + b'", "' + b"\\\\" * 400 + b'"]')],
    # Errors name the function only where they know its name.
    *[f"call({name}) call(function() return {name}() end) call({name}, {{}}, {{}}, {{}}, {{}}) call(function() return {name}({{}}, {{}}, {{}}, {{}}) end)"
      for name in [f"cjson.{name}" for name in ("encode", "decode", "encode_sparse_array", "encode_max_depth", "decode_max_depth",
                                                 "encode_number_precision", "encode_keep_buffer", "encode_invalid_numbers", "decode_invalid_numbers")]
      + [f"cmsgpack.{name}" for name in ("pack", "unpack", "unpack_one", "unpack_limit")] + [f"struct.{name}" for name in ("pack", "unpack", "size")]
      + [f"bit.{name}" for name in ("tobit", "tohex", "bnot", "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror", "bswap")]],
    "call(function() return cmsgpack.unpack('\\129\\192\\001') end)", "call(function() return cmsgpack.unpack('\\129\\202\\127\\192\\000\\000\\001') end)",
    "call(function() return cmsgpack.unpack('\\221\\255\\255\\255\\255') end)", "call(function() return cmsgpack.unpack('\\219\\255\\255\\255\\255') end)",
    "call(function() return cmsgpack.unpack('\\223\\255\\255\\255\\255\\001\\001') end)",
    "call(function() return cmsgpack.unpack_limit('\\001\\002\\003', 0) end)", "call(function() return cmsgpack.unpack_limit('\\001\\002\\003', 0, 1) end)",
    "call(function() return cmsgpack.unpack_one('\\001', 1) end)", "call(function() return cmsgpack.unpack_one('', 0) end)",
    "call(function() return struct.unpack('!4i', 'abcdabcd', 2) end)", "call(function() return struct.unpack('', 'abc', 100) end)",
    "call(function() return struct.unpack('', 'abc', -5) end)", "call(function() return struct.unpack('bc0', '\\003abcd') end)",
    "call(function() return struct.unpack('bc0', '\\255abcd') end)", "call(function() return struct.unpack('sc0', '2\\000abcd') end)",
    "call(function() return struct.unpack('fc0', struct.pack('f', -0.5) .. 'abcd') end)", "call(function() return struct.unpack('dc0', struct.pack('d', 1e300) .. 'abcd') end)",
    "call(function() return struct.unpack('dc0', struct.pack('d', 0/0) .. 'abcd') end)", "call(function() return struct.unpack('c0', 'abcd') end)",
    # The settings outlast a script.
    "call(cjson.encode_number_precision, 3)", "call(cjson.encode, 1/3)",
    # The libraries themselves.
    *[f"call(function() local t = {{}} for k, v in pairs({name}) do if k ~= '_COPYRIGHT' then t[#t + 1] = k .. '=' .. type(v) .. (type(v) == 'string' and v or '') "
      "end end table.sort(t) return t end)" for name in ("cjson", "cmsgpack", "struct", "bit", "cjson.new()")],
    "call(function() return cjson.null == nil, type(cjson.null), tostring(cjson.null) == tostring(cjson.decode('null')) end)",
]


# ---- comparing --------------------------------------------------------------------------------


class Comparison:
    def __init__(self, pair):
        self.pair, self.found, self.shapes = pair, [], set()

    def calls(self, calls):
        """Differences in what these calls give, in one script."""
        script = PRELUDE + " ".join(calls) + EPILOGUE
        our, their = self.pair.call("EVAL", script, 0)
        if our.raw == their.raw:
            return
        if our.kind != "$" or their.kind != "$":
            self.note(" ".join(calls), our.raw, their.raw)
            return
        ours, theirs = our.value.split(b"\n"), their.value.split(b"\n")
        if len(ours) != len(theirs) or len(ours) != len(calls):
            self.note(" ".join(calls), our.value, their.value)
            return
        for text, mine, yours in zip(calls, ours, theirs):
            if mine != yours:
                self.note(text, mine, yours)

    def note(self, text, ours, theirs):
        """Each kind of difference once."""
        shape = (text[:32], ours[:12], theirs[:12])
        if shape not in self.shapes:
            self.shapes.add(shape)
            place = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
            around = slice(max(place - 40, 0), place + 160)
            self.found.append(f"{shorten(text)}: from byte {place}: pgfirst {ours[around]!r}, Redis {theirs[around]!r}")

    def random(self, make, scripts):
        """make: chooses a call."""
        for _ in range(scripts):
            self.calls([make() for _ in range(CALLS)] + ([RESET] if make.__self__.__class__ is Json else []))
        return self.found

    def fixed(self, calls):
        for text in calls:
            self.calls([text])
            self.calls([RESET])
        # Across scripts, without setting anything back.
        for text in ("call(cjson.encode_number_precision, 3)", "call(cjson.encode, 1/3)", RESET, "call(cjson.encode, 1/3)"):
            self.calls([text])
        return self.found


def main():
    parser = argparse.ArgumentParser(description="compare the libraries of scripts")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--scripts", type=int, default=300, help="for each kind of call")
    parser.add_argument("--test", default="", help="only tests whose names contain this")
    parser.add_argument("ours")
    parser.add_argument("theirs")
    options = parser.parse_args()
    ours, theirs = load(options.ours), load(options.theirs)
    report = Report(options.test)
    print(f"# seed {options.seed}")

    pair = Pair(ours, theirs, False)
    report.result("lualibs: limits and edges", Comparison(pair).fixed(FIXED))
    for kind, names in [(Json, ["encode", "decode", "there_and_back", "with_settings", "own_settings"]),
                        (Msgpack, ["pack", "unpack", "some", "there_and_back"]),
                        (Struct, ["pack", "unpack", "there_and_back", "size", "wrong"]), (Bit, ["bits", "hex"])]:
        for number, name in enumerate(names):
            # Not one source for all: a test that is run alone gets the same calls.
            source = kind(random.Random(f"{options.seed} {kind.__name__} {number}"))
            label = f"lualibs: {kind.__name__.lower()} {name.replace('_', ' ')}"
            if options.test in label:
                report.result(label, Comparison(pair).random(getattr(source, name), options.scripts))
    pair.close()
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
