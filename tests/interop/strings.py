"""The string model of FORMAT.md, written from its text alone."""

from protocol import Damaged

WORD = (1 << 32) - 1
RUN = 1
CONTEXTS, GUESSES = 6, 3
LIMIT = 2047


def tables():
    """The logistic function of x / 256 for x from -2047 to 2047, of 65,536, and its inverse by steps of 16."""
    squash, power = [0] * 4095, 1 << 62
    for x in range(LIMIT + 1):
        up = min((65536 << 62) // ((1 << 62) + power), 65524)
        squash[LIMIT + x], squash[LIMIT - x] = up, 65536 - up
        power = power * 4593706758521714574 >> 62
    stretch, at = [], 0
    for i in range(4096):
        while at < 4094 and squash[at] < 16 * i + 8:
            at += 1
        stretch.append(at - LIMIT)
    return squash, stretch


SQUASH, STRETCH = tables()


def squash(position):
    return SQUASH[max(-LIMIT, min(position, LIMIT)) + LIMIT]


def stretch(probability):
    return STRETCH[min(probability >> 4, 4095)]


class Chance:
    def __init__(self, ones, seen):
        self.ones, self.seen = ones << 6, seen

    def get(self):
        return self.ones >> 6

    def learn(self, bit):
        target = (1 << 22) - 1 if bit else 0
        self.ones += (target - self.ones) * (131072 // (2 * self.seen + 3)) >> 16
        self.seen = min(self.seen + 1, 255)


class Weights:
    def __init__(self):
        self.weights, self.rate = [4096] * (CONTEXTS + GUESSES + 1), 1500

    def position(self, inputs):
        total = sum(x * weight for x, weight in zip(inputs, self.weights))
        return max(-LIMIT, min(total >> 14, LIMIT))

    def learn(self, inputs, probability, bit):
        error = ((65535 if bit else 0) - probability) * self.rate >> 11
        self.rate = max(self.rate - (self.rate >> 7), 200)
        moved = [weight + (x * error + 4096 >> 13) for x, weight in zip(inputs, self.weights)]
        self.weights = [max(-32768, min(weight, 32767)) for weight in moved]


def first_match(index):
    right = 65536 - 65536 // ((index >> 1) % 32 + 3)
    return Chance(right if index % 2 else 65536 - right, 4)


class Learned(dict):
    """What is learned of each key, made when it is first asked for."""

    def __init__(self, first):
        self.first = first

    def __missing__(self, key):
        return self.setdefault(key, self.first(key))


def meaning(counts):
    zeros, ones = counts >> 4, counts & 15
    return stretch(65536 * (10 * ones + 3) // (10 * (zeros + ones) + 6))


def counted(counts, bit):
    zeros, ones = counts >> 4, counts & 15
    up, halved = (lambda n: min(n + 1, 15)), (lambda n: n // 2 + 1 if n > 2 else n)
    zeros, ones = (halved(zeros), up(ones)) if bit else (up(zeros), halved(ones))
    return zeros << 4 | ones


def is_alphanumeric(symbol):
    return bytes([symbol]).isalnum()


class Follower:
    """Follows a neighbour word by word."""

    def __init__(self, text):
        self.text, self.at, self.trust = text, 0, 8

    def guess(self):
        if not self.text or self.at > len(self.text):
            return None
        return (self.text[self.at] if self.at < len(self.text) else 0), self.trust

    def advance(self, symbol):
        rest = self.text[self.at :]
        if rest[:1] == bytes([symbol]):
            self.at, self.trust = self.at + 1, min(self.trust + 1, 31)
            return
        self.trust = 0
        if is_alphanumeric(symbol):
            if rest and is_alphanumeric(rest[0]):
                self.at += 1
        elif symbol in rest:
            self.at += rest.index(symbol) + 1


class StringModel:
    def __init__(self, room):
        self.bits, self.buckets = 10 + room, {}
        self.matches, self.weights = Learned(first_match), Learned(lambda _: Weights())
        self.beyond_ascii = Chance(400, 40)
        self.past, self.seen_at = bytearray(), {}

    def read(self, reader, column, low, high, bounds, limit):
        return self.string(lambda _, zeros, ones: reader.decide(zeros, ones), column, low, high, bounds, b"", limit)

    def learn(self, column, low, symbols):
        self.string(lambda bit, _zeros, _ones: bit, column, low, b"", (None, None), symbols, len(symbols))

    def string(self, decide, column, low, high, bounds, wanted, limit):
        state = State(column, low, high, bounds)
        while True:
            at = len(state.found)
            symbol = self.symbol(decide, state, wanted[at] if at < len(wanted) else 0)
            if symbol == 0:
                self.past.append(0)
                return bytes(state.found)
            if at == limit:
                raise Damaged("work")
            state.advance(symbol)
            self.remember(state)

    def symbol(self, decide, state, wanted):
        hashes, guesses = state.hashes(), state.guesses(self.past)
        floor, ceiling = state.bounds()
        trust_set, node = state.trust_set(guesses), 1
        for shift in range(7, -1, -1):
            if shift in (7, 3):
                buckets = [self.bucket(i, hash_, node) for i, hash_ in enumerate(hashes)]
            wanted_bit = wanted >> shift & 1
            if shift == 7:
                ones = max(8, min(self.beyond_ascii.get(), 65528))
                bit = decide(wanted_bit, 65536 - ones, ones)
                self.beyond_ascii.learn(bit)
                node = 2 | bit
                continue
            middle = ((2 * node + 1) << shift) - 256
            if middle - 1 < floor or middle > ceiling:
                node = 2 * node + (middle - 1 < floor)
                continue
            depth = 3 - (shift & 3)
            place = 1 << depth | node & (1 << depth) - 1
            inputs = [meaning(bucket[place]) for bucket in buckets]
            used = []
            for i, guess in enumerate(guesses):
                inputs.append(0)
                if guess is None or (guess[0] | 256) >> shift + 1 != node:
                    continue
                match = self.matches[(i << 6 | guess[1]) << 1 | guess[0] >> shift & 1]
                used.append(match)
                inputs[-1] = stretch(match.get())
            inputs.append(256)
            weights = self.weights[trust_set, node & 127]
            probability = squash(weights.position(inputs))
            ones = max(8, min(probability, 65528))
            bit = decide(wanted_bit, 65536 - ones, ones)
            node = 2 * node + bit
            weights.learn(inputs, probability, bit)
            for match in used:
                match.learn(bit)
            for bucket in buckets:
                bucket[place] = counted(bucket[place], bit)
        return node & 255

    def bucket(self, i, hash_, node):
        hash_ = (hash_ ^ node * 0x9E3779B1 & WORD) * 0x85EBCA6B & WORD
        place, check = (i, hash_ >> 32 - self.bits), hash_ & 255
        if self.buckets.setdefault(place, bytearray(16))[0] != check:
            self.buckets[place] = bytearray([check]) + bytearray(15)
        return self.buckets[place]

    def remember(self, state):
        found, symbol = state.found, state.found[-1]
        if state.past is not None:
            at, length = state.past
            held = at < len(self.past) and self.past[at] == symbol
            state.past = (at + 1, length + 1) if held else None
        self.past.append(symbol)
        if len(found) >= 4:
            place = state.last() * 0x9E3779B1 >> 18 & 0x3FFF
            if state.past is None and place in self.seen_at:
                state.past = (self.seen_at[place], 0)
            self.seen_at[place] = len(self.past)


class State:
    """Where one string stands."""

    def __init__(self, column, low, high, bounds):
        self.column, self.low, self.high = column, Follower(low), Follower(high)
        self.found, self.tight = bytearray(), list(bounds)
        self.past, self.echo = None, Follower(b"")
        self.word_start = self.part_start = self.words = 0

    def bounds(self):
        """The least and the greatest symbol that keep the string between its neighbours."""
        at = len(self.found)
        low, high = ((bound[at] if at < len(bound) else 0) if bound is not None else None for bound in self.tight)
        return 0 if low is None else low, 255 if high is None else high

    def last(self):
        """The last four symbols as a number."""
        return int.from_bytes(self.found[-4:], "big")

    def hashes(self):
        in_word, words, last = min(len(self.found) - self.word_start, 40), min(self.words, 15), self.last()
        contexts = [
            self.column << 8 | words,
            self.column << 8 | last & 0xFF,
            last & 0xFFFF,
            last & 0xFFFFFF,
            last,
            words << 16 | in_word << 8 | (48 <= last & 0xFF <= 57),
        ]
        return [(x ^ i * 0x6C078965 & WORD) * 0x9E3779B1 & WORD for i, x in enumerate(contexts, 1)]

    def guesses(self, past):
        low, high, echo = self.low.guess(), self.high.guess(), self.echo.guess()
        same = 32 if low and high and low[0] == high[0] else 0
        at_past = self.past is not None and self.past[0] < len(past)
        return [
            low and (low[0], low[1] | same),
            (past[self.past[0]], min(self.past[1], 31)) if at_past else None,
            None if echo is None or echo[0] == 0 else echo,
        ]

    @staticmethod
    def trust_set(guesses):
        return 0 if guesses[0] is None else sum((guesses[0][1] & 31) >= bound for bound in (0, 3, 12))

    def advance(self, symbol):
        low, high = self.bounds()
        self.tight = [
            None if symbol == RUN or symbol != bound else text for bound, text in zip((low, high), self.tight)
        ]
        self.found.append(symbol)
        self.low.advance(symbol)
        self.high.advance(symbol)
        if symbol == ord("/"):
            part = self.found[self.part_start : -1]
            self.part_start = len(self.found)
            self.echo = Follower(bytes(part) if len(part) <= 256 else b"")
        else:
            self.echo.advance(symbol)
        if not is_alphanumeric(symbol) and symbol < 0x80:
            self.words += 1
            self.word_start = len(self.found)
