#!/usr/bin/env python3
"""FORMAT.md of tufold-delta once more, written from its text alone: the container, and the codecs that need no library.

    python3 tests/interop/delta.py BASE DELTA RESULT [BASE DELTA RESULT]...

Applies each DELTA to BASE (`-` for none), and fails unless RESULT comes out.
"""

import bisect
import re
import sys
import zlib

from protocol import Damaged, take, take_number
from strings import StringModel

WORD = (1 << 32) - 1
LONG = (1 << 64) - 1


# Container


def blake3(data):
    """The first 32 bytes of BLAKE3, as its paper has it."""
    start = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19]
    order = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
    chunk_start, chunk_end, parent, root = 1, 2, 4, 8

    def compress(value, block, counter, length, flags):
        v = value + start[:4] + [counter & WORD, counter >> 32, length, flags]

        def mix(a, b, c, d, x, y):
            for word, first, second in ((x, 16, 12), (y, 8, 7)):
                v[a] = v[a] + v[b] + word & WORD
                v[d] = (v[d] ^ v[a]) >> first | (v[d] ^ v[a]) << 32 - first & WORD
                v[c] = v[c] + v[d] & WORD
                v[b] = (v[b] ^ v[c]) >> second | (v[b] ^ v[c]) << 32 - second & WORD

        for _ in range(7):
            for i in range(4):
                mix(i, i + 4, i + 8, i + 12, block[2 * i], block[2 * i + 1])
            for i in range(4):
                mix(i, (i + 1) % 4 + 4, (i + 2) % 4 + 8, (i + 3) % 4 + 12, block[2 * i + 8], block[2 * i + 9])
            block = [block[i] for i in order]
        return [v[i] ^ v[i + 8] for i in range(8)]

    def words(piece):
        piece = piece.ljust(64, b"\0")
        return [int.from_bytes(piece[i : i + 4], "little") for i in range(0, 64, 4)]

    def chunk(number, flags):
        piece, value = data[number * 1024 : (number + 1) * 1024], start
        last = max(len(piece) - 1, 0) // 64
        for i in range(last + 1):
            block = piece[64 * i : 64 * i + 64]
            ends = (chunk_start if i == 0 else 0) | (chunk_end | flags if i == last else 0)
            value = compress(value, words(block), number, len(block), ends)
        return value

    def tree(first, count, flags):
        if count == 1:
            return chunk(first, flags)
        left = 1 << (count - 1).bit_length() - 1
        return compress(start, tree(first, left, 0) + tree(first + left, count - left, 0), 0, 64, parent | flags)

    value = tree(0, max(-(-len(data) // 1024), 1), root)
    return b"".join(word.to_bytes(4, "little") for word in value)


def fingerprint(document):
    return None if document is None else (len(document), blake3(document)[:3])


def take_growth(data):
    number = take_number(data)
    return number >> 1 if number % 2 == 0 else -(number + 1 >> 1)


def apply(prediction, delta):
    data = bytearray(delta)
    if take(data, 2) != b"TF":
        raise Damaged("not a delta")
    form, _kind = take(data, 2)
    if form >> 4 != 0xD:
        raise Damaged("format version")
    length = take_number(data)
    needed = (length - 1, take(data, 3)) if length else None
    growth = take_growth(data)
    result = ((needed[0] if needed else 0) + growth, take(data, 3))
    if take_number(data) != len(data) or result[0] < 0:
        raise Damaged("length")
    if needed != fingerprint(prediction):
        raise Damaged("another prediction")
    decode = {1: columnar, 7: gzip}.get(form & 15)
    if decode is None:
        raise Damaged("codec")
    found = decode(prediction, bytes(data), result[0])
    if fingerprint(found) != result:
        raise Damaged("another result")
    return found


def gzip(_prediction, payload, length):
    decoder = zlib.decompressobj(wbits=31)
    found = decoder.decompress(payload, length + 1)
    if not decoder.eof or decoder.unused_data:
        raise Damaged("gzip")
    return found


# Range coder


class Reader:
    def __init__(self, stream):
        self.stream, self.at, self.code, self.range = stream, 8, int.from_bytes(stream[:8].ljust(8, b"\0"), "big"), LONG

    def decide(self, zeros, ones):
        split = self.range // (zeros + ones) * zeros
        bit = int(self.code >= split)
        if bit:
            self.code -= split
            self.range -= split
        else:
            self.range = split
        self.fill()
        return bit

    def plain(self, count):
        self.range >>= count
        value = min(self.code // self.range, (1 << count) - 1)
        self.code -= value * self.range
        self.fill()
        return value

    def fill(self):
        while self.range < 1 << 32:
            word = int.from_bytes(self.stream[self.at : self.at + 4].ljust(4, b"\0"), "big")
            self.at += 4
            self.code = (self.code << 32 | word) & LONG
            self.range = self.range << 32 & LONG


class Odds:
    def __init__(self, zeros=1, ones=1):
        self.counts = [zeros, ones]

    def decide(self, reader):
        bit = reader.decide(*self.counts)
        self.counts[bit] += 2
        if sum(self.counts) >= 1 << 30:
            self.counts = [count // 2 + 1 for count in self.counts]
        return bit


class Places(dict):
    """Odds for each of many places, made when they are first asked for."""

    def __init__(self, zeros=1, ones=1):
        self.start = zeros, ones

    def __missing__(self, place):
        return self.setdefault(place, Odds(*self.start))


# JSON as bytes

STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.S)
SCALAR = re.compile(rb"[A-Za-z0-9.+-]+(?=[,}\]]|\Z)")
NUMBER = re.compile(rb"[0-9-][A-Za-z0-9.+-]*")


def string_end(text, at):
    found = STRING.match(text, at)
    if not found:
        raise Damaged("string")
    return found.end()


def value_end(text, at):
    depth = 0
    while at < len(text):
        byte = text[at : at + 1]
        if byte == b'"':
            at = string_end(text, at)
        elif byte in b"{[":
            depth, at = depth + 1, at + 1
        elif byte in b"}]" and depth:
            depth, at = depth - 1, at + 1
        elif depth == 0:
            found = SCALAR.match(text, at)
            if not found:
                break
            at = found.end()
        else:
            at += 1
            continue
        if depth == 0:
            return at
    raise Damaged("value")


def entries(text, at):
    """Of the object or array at `at`: a list of (key, start of the value, its end), and its own end."""
    close = {b"{": b"}", b"[": b"]"}.get(text[at : at + 1])
    if close is None:
        raise Damaged("neither object nor array")
    found, at = [], at + 1
    while text[at : at + 1] != close:
        if found:
            if text[at : at + 1] != b",":
                raise Damaged("comma")
            at += 1
        key = b""
        if close == b"}":
            end = string_end(text, at)
            key = text[at + 1 : end - 1]
            if text[end : end + 1] != b":":
                raise Damaged("colon")
            at = end + 1
        end = value_end(text, at)
        found.append((key, at, end))
        at = end
    return found, at + 1


def leaves(value):
    """A list of (start, end, whether it is a string), quotes left out."""
    found, at = [], 0
    while at < len(value):
        if value[at : at + 1] == b'"':
            end = string_end(value, at)
            if value[end : end + 1] != b":":
                found.append((at + 1, end - 1, True))
            at = end
            continue
        number = NUMBER.match(value, at)
        if number:
            found.append((at, number.end(), False))
        at = number.end() if number else at + 1
    return found


# Forms of leaves

DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
TIME = re.compile(rb"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z")


def is_leap(year):
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_before(year):
    """Days from 1 January of the year 0 to that of this year."""
    return year * 365 + (year + 3) // 4 - (year + 99) // 100 + (year + 399) // 400


def month_days(year):
    return [days + (is_leap(year) and month == 1) for month, days in enumerate(DAYS)]


def parse_time(text):
    found = TIME.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second = map(int, found.groups())
    if not 1 <= month <= 12 or not 1 <= day <= month_days(year)[month - 1]:
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    days = days_before(year) + sum(month_days(year)[: month - 1]) + day - 1 - days_before(1970)
    return days * 86400 + hour * 3600 + minute * 60 + second


def write_time(seconds):
    days, second = divmod(seconds, 86400)
    days += days_before(1970)
    if not 0 <= days < days_before(10000):
        raise Damaged("time")
    year = bisect.bisect_right(range(10001), days, key=days_before) - 1
    days -= days_before(year)
    month = 0
    while days >= month_days(year)[month]:
        days -= month_days(year)[month]
        month += 1
    clock = second // 3600, second // 60 % 60, second % 60
    return b"%04d-%02d-%02dT%02d:%02d:%02dZ" % (year, month + 1, days + 1, *clock)


def form(text, is_string):
    if not is_string:
        return "integer" if re.fullmatch(rb"0|-?[1-9][0-9]{0,17}", text) else "text"
    if len(text) >= 8 and len(text) % 2 == 0 and re.fullmatch(rb"[0-9a-f]+", text):
        return "hex"
    return "text" if parse_time(text) is None else "time"


def size(text, end):
    digits = re.search(rb"(\d{0,18})\D{0,8}\Z", text[max(end - 26, 0) : end])[1]
    value = int(digits or b"0")
    length = value.bit_length()
    return 2 * length + (length >= 2 and value >> length - 2 & 1)


# Numbers


def bits_below(value):
    """The bits behind the leading one."""
    return [bit == "1" for bit in bin(value)[3:]]


class Told:
    """Says what it is told to say: for learning."""

    def __init__(self, bits):
        self.bits = iter(bits)

    def decide(self, _zeros, _ones):
        return int(next(self.bits))

    def plain(self, count):
        value = 0
        for _ in range(count):
            value = value << 1 | next(self.bits)
        return value


class Magnitude:
    def __init__(self):
        self.lengths = Places()
        self.lengths.update({1: Odds(31, 1), 2: Odds(7, 1)})
        self.trees = {}

    def length(self, reader):
        node = 1
        for _ in range(7):
            node = 2 * node + self.lengths[node].decide(reader)
        return min(node & 127, 64)

    @staticmethod
    def bits_of(value):
        """What `read` would be told for this value."""
        return bits_below(value.bit_length() | 128) + bits_below(value)

    def read(self, reader, models):
        length = self.length(reader)
        if length < 2:
            return length
        if length not in self.trees and models.trees > 0:
            models.trees -= 1
            self.trees[length] = Places(6, 6)
        left, node = length - 1, 1
        if length in self.trees:
            while left and node < 1 << min(length - 1, 10):
                node = 2 * node + self.trees[length][node].decide(reader)
                left -= 1
        value = node
        while left:
            count = min(left, 32)
            value = value << count | reader.plain(count)
            left -= count
        return value


def wrapped(value):
    return (value + (1 << 63) & LONG) - (1 << 63)


class Column:
    def __init__(self, reader):
        self.from_zero, self.ignored = reader.decide(3, 1), reader.decide(3, 1)
        self.common, self.votes, self.hit, self.negative = 1, 0, Odds(), Odds(3, 1)
        self.magnitude = Magnitude()

    def learn(self, models, template, value):
        step = value - (0 if self.from_zero else template)
        bits = [] if self.ignored else [step == self.common]
        if bits != [True]:
            bits += self.magnitude.bits_of(abs(step)) + ([step < 0] if step else [])
        assert self.read(Told(bits), models, template) == value

    def read(self, reader, models, template):
        origin = 0 if self.from_zero else template
        if not self.ignored and self.hit.decide(reader):
            self.votes += 1
            return wrapped(origin + self.common)
        step = self.magnitude.read(reader, models)
        step = wrapped(-step if step and self.negative.decide(reader) else step)
        if not self.ignored:
            self.votes = max(self.votes - 1, 0)
            if not self.votes:
                self.common = step
        return wrapped(origin + step)


# Strings


def number_in(text):
    runs = [(len(run[0]), run.start()) for run in re.finditer(rb"[0-9a-f]+", text)]
    if not runs or max(runs)[0] >= 16:
        return None
    length, start = max(runs)
    return start, start + length


def raised(text, by):
    """`text` with the number in it raised, or None."""
    place = number_in(text)
    if place is None:
        return None
    start, end = place
    number = int(text[start:end], 16) + by
    if number >= 1 << 4 * (end - start):
        return None
    return text[:start] + b"%0*x" % (end - start, number) + text[end:]


def stride_between(low, text):
    place = number_in(low)
    if place is None or len(low) != len(text):
        return None
    start, end = place
    if not re.fullmatch(rb"[0-9a-f]+", text[start:end]):
        return None
    by = int(text[start:end], 16) - int(low[start:end], 16)
    return by if by > 0 and raised(low, by) == text else None


def symbols_of(text):
    """None if there are none: the text holds a byte 0 or 1."""
    if text is None:
        return b""
    if b"\0" in text or b"\1" in text:
        return None
    return re.sub(rb"(?:[0-9a-f]{2}){8,127}", lambda run: bytes([1, len(run[0]) // 2]), text)


# The walk

SAME, CHANGE, INSERT, REMOVE = range(4)
KEYS = None


class Leaf:
    def __init__(self):
        self.regular, self.next, self.raw, self.length = Odds(1, 7), Odds(3, 1), Odds(31, 1), Magnitude()
        self.stride, self.columns = 1, {}


class Class:
    def __init__(self):
        self.last, self.mask = SAME, None
        self.repeat, self.record, self.differs, self.mixed = Odds(1, 3), Odds(1, 7), Places(1, 3), Odds(7, 1)
        self.merge, self.array, self.uniform = Odds(), Odds(7, 1), Odds()
        self.other, self.change, self.insert, self.more = Places(), Places(), Places(), Places()
        self.leaves = {}

    def leaf(self, number):
        return self.leaves.setdefault(number, Leaf())


def columnar(prediction, payload, length):
    if not payload:
        if prediction is None:
            raise Damaged("nothing from nothing")
        return prediction
    data = bytearray(payload)
    flags = take(data, 1)[0]
    if flags >> 4 > 5:
        raise Damaged("room")
    raw = bytearray(take(data, take_number(data))) if flags & 8 else bytearray()
    walk = Walk(prediction, flags, raw, bytes(data), 64 * len(payload) + length // 16 + 65536)
    if prediction is None:
        result = walk.value(0, None, None, 0)
    else:
        result = walk.value(0, prediction, 0, 0)
        if value_end(prediction, 0) != len(prediction):
            raise Damaged("prediction")
    if raw:
        raise Damaged("raw bytes are left over")
    return result


class Walk:
    def __init__(self, prediction, flags, raw, stream, work):
        self.base, self.flags, self.raw, self.reader, self.work = prediction, flags, raw, Reader(stream), work
        self.classes, self.numbers, self.trees = [Class()], {}, 4096
        self.strings = StringModel(flags >> 4)

    def child(self, parent, new, key):
        name = (parent, new, key)
        if name not in self.numbers:
            if len(self.classes) > 1024:
                return 1024
            self.numbers[name] = len(self.classes)
            self.classes.append(Class())
        return self.numbers[name]

    def spend(self, work):
        self.work -= work
        if self.work < 0:
            raise Damaged("work")

    def value(self, number, template, old_at, depth):
        """The new value; `old_at` is where the template is in the prediction, or None if the value is only like it."""
        here = self.classes[number]
        if template is not None:
            mask = mixed = None
            if here.mask is not None and here.repeat.decide(self.reader):
                mask, mixed = here.mask, False
            elif here.record.decide(self.reader):
                count = len(leaves(template))
                if count > 16:
                    raise Damaged("leaves")
                mask = here.mask = sum(here.differs[i].decide(self.reader) << i for i in range(count))
                mixed = here.mixed.decide(self.reader)
            if mask is not None:
                return self.record(number, template, mask, mixed)
        if not here.merge.decide(self.reader):
            return self.string(number, 16, template, None)
        if depth >= 32:
            raise Damaged("depth")
        if old_at is not None:
            return self.merge(number, old_at, depth)
        return self.build(number, depth)

    def record(self, number, template, mask, mixed):
        out, copied = b"", 0
        for i, (start, end, is_string) in enumerate(leaves(template)[:16]):
            if mask >> i & 1:
                leaf = self.leaf(number, i, template[start:end], is_string, mixed)
                out, copied = out + template[copied:start] + leaf, end
        return out + template[copied:]

    def leaf(self, number, i, text, is_string, mixed):
        model, kind = self.classes[number].leaf(i), form(text, is_string)
        if kind == "text" or mixed and not model.regular.decide(self.reader):
            return self.string(number, i, text, None)
        if kind == "hex":
            return take(self.raw, len(text) // 2).hex().encode()
        column = self.column_of(number, i, kind)
        if kind == "time":
            return write_time(column.read(self.reader, self, parse_time(text)))
        found = column.read(self.reader, self, int(text))
        if abs(found) >= 10**18:
            raise Damaged("integer")
        return b"%d" % found

    def build(self, number, depth):
        is_array = self.classes[number].array.decide(self.reader)
        return self.along(number, [], b"[]" if is_array else b"{}", False, depth)

    def merge(self, number, at, depth):
        old, end = entries(self.base, at)
        return self.along(number, old, self.base[at : at + 1] + self.base[end - 1 : end], True, depth)

    def along(self, number, old, brackets, has_old, depth):
        here = self.classes[number]
        uniform = here.uniform.decide(self.reader)
        out, passed, window = [], None, [0, False] if has_old and uniform else None

        def new(i):
            nonlocal passed
            key = b""
            if brackets == b"{}":
                if window:
                    self.learn(number, [(key, self.base[start:end]) for key, start, end in old], i, window)
                key = self.string(number, KEYS, passed and passed[0], old[i][0] if i < len(old) else None)
            like = passed[1] if uniform and passed else None
            if like is not None and (len(like) > 4096 or len(leaves(like)) > 16):
                like = None
            value = self.value(self.child(number, True, None if uniform else key), like, None, depth + 1)
            passed = (key, value)
            out.append(passed)

        for i, (key, start, end) in enumerate(old):
            old_value = self.base[start:end]
            measure = size(self.base, end) if uniform and self.flags & 2 else 0
            while (event := self.event(here, measure)) == INSERT:
                new(i)
            if event == SAME:
                out.append((key, old_value))
            elif event == CHANGE:
                child = self.child(number, False, None if uniform else key)
                out.append((key, self.value(child, old_value, start, depth + 1)))
            passed = (key, old_value)
        while here.more[here.last == INSERT].decide(self.reader):
            here.last = INSERT
            self.spend(1)
            new(len(old))
        here.last = SAME
        if brackets == b"{}":
            return b"{" + b",".join(b'"' + key + b'":' + value for key, value in out) + b"}"
        return b"[" + b",".join(value for _, value in out) + b"]"

    def event(self, here, measure):
        last = here.last
        if not here.other[last if self.flags & 1 else 0, measure].decide(self.reader):
            here.last = SAME
        elif here.change[last].decide(self.reader):
            here.last = CHANGE
        elif here.insert[last].decide(self.reader):
            here.last = INSERT
            self.spend(1)
        else:
            here.last = REMOVE
        return here.last

    def string(self, number, i, low, high):
        model = self.classes[number].leaf(i)
        follows = raised(low, model.stride) if low is not None else None
        if follows is not None and model.next.decide(self.reader):
            return follows
        if model.raw.decide(self.reader):
            text = take(self.raw, model.length.read(self.reader, self))
        else:
            text = self.modelled(number, i, low, high)
        if low is not None:
            model.stride = stride_between(low, text) or model.stride
        return text

    def modelled(self, number, i, low, high):
        around = [None if text and len(text) > 4096 else symbols_of(text) for text in (low, high)]
        ordered = i is KEYS and not self.flags & 4 and None not in around
        low_symbols, high_symbols = (symbols or b"" for symbols in around)
        bounds = (low_symbols if ordered else None, high_symbols if ordered and high is not None else None)
        found = self.strings.read(self.reader, self.column(number, i), low_symbols, high_symbols, bounds, self.work)
        self.spend(len(found) + 1)
        symbols, text = iter(found), bytearray()
        for symbol in symbols:
            text += take(self.raw, next(symbols)).hex().encode() if symbol == 1 else bytes([symbol])
        return bytes(text)

    @staticmethod
    def column(number, i):
        return number << 5 | (31 if i is KEYS else i)

    def learn(self, number, old, i, window):
        start, end = max(i - 2, 0), min(i + 2, len(old))
        if not window[1]:
            window[1], room, grows = True, 1024 << min(self.flags >> 4, 2), True
            while grows:
                grows = False
                if start > 0 and len(old[start - 1][0]) <= room:
                    start, room, grows = start - 1, room - len(old[start - 1][0]), True
                if end < len(old) and len(old[end][0]) <= room:
                    end, room, grows = end + 1, room - len(old[end][0]), True
        start, end = max(start, window[0]), max(end, window[0])
        window[0] = end
        child, low = self.child(number, True, None), b""
        for key, _ in old[start:end]:
            symbols = symbols_of(key)
            if symbols is None:
                continue
            self.strings.learn(self.column(number, KEYS), low, symbols)
            self.spend(len(symbols) + 1)
            low = symbols
        for before, after in zip(old[max(start - 1, 0) : end], old[max(start, 1) : end]):
            self.learn_numbers(child, before[1], after[1])

    def learn_numbers(self, number, before, after):
        pairs = list(zip(leaves(before), leaves(after)))
        if len(pairs) > 16 or skeleton(before) != skeleton(after):
            return
        for i, ((start, end, is_string), (new_start, new_end, _)) in enumerate(pairs):
            old, new = before[start:end], after[new_start:new_end]
            kind = form(old, is_string)
            if old == new or kind not in ("integer", "time") or form(new, is_string) != kind:
                continue
            parse = int if kind == "integer" else parse_time
            self.column_of(number, i, kind).learn(self, parse(old), parse(new))

    def column_of(self, number, i, kind):
        model = self.classes[number].leaf(i)
        if kind not in model.columns:
            model.columns[kind] = Column(self.reader)
        return model.columns[kind]


def skeleton(value):
    """All but the leaves, and of which kind they are."""
    parts, at = [], 0
    for start, end, is_string in leaves(value):
        parts += [value[at:start], is_string]
        at = end
    return parts + [value[at:]]


def main(paths):
    for base, delta, result in zip(*[iter(paths)] * 3, strict=True):
        base, delta, result = (None if path == "-" else open(path, "rb").read() for path in (base, delta, result))
        assert apply(base, delta) == result, paths
    print(f"{len(paths) // 3} deltas")


if __name__ == "__main__":
    main(sys.argv[1:])
