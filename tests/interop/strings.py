"""The string model of FORMAT.md, written from its text alone."""

from protocol import Damaged

WORD = (1 << 32) - 1
RUN = 1
CONTEXTS, GUESSES = 9, 4
LIMIT = 2047


def signed(value):
    value &= WORD
    return value - (1 << 32) if value >> 31 else value


def tables():
    """The logistic function of x / 256 for x from -2047 to 2047, of 65,536, and its inverse by steps of 16."""
    squash, power = [0] * 4095, 1 << 62
    for x in range(LIMIT + 1):
        up = min((1 << 62) * 65536 // ((1 << 62) + power), 65536 - 12)
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


class Mixer:
    def __init__(self):
        self.sets = {}

    def set(self, number):
        if number not in self.sets:
            self.sets[number] = [[65536 * 22 // 100] * (CONTEXTS + GUESSES + 1), 900]
        return self.sets[number]

    def position(self, number, inputs):
        total = sum(x * (weight >> 4) for x, weight in zip(inputs, self.set(number)[0]))
        return max(-LIMIT, min(signed(total) >> 12, LIMIT))

    def learn(self, number, inputs, probability, bit):
        weights, rate = self.set(number)
        error = ((65535 if bit else 0) - probability) * rate >> 10
        self.sets[number][1] = max(rate - (rate >> 6), 140)
        for i, x in enumerate(inputs):
            weights[i] = signed(weights[i] + (x * error + 2048 >> 12))


def first_meaning(counts):
    zeros, ones = counts >> 4, counts & 15
    return Chance(min(65536 * (5 * ones + 2) // (5 * (zeros + ones) + 4), 65535), 6)


def first_match(index):
    right = 65536 - 65536 // ((index // 2) % 32 + 3)
    return Chance(right if index % 2 else 65536 - right, 4)


def first_refined(index):
    return Chance(squash((index % 33 - 16) * 128), 60)


class Learned(dict):
    def __init__(self, first):
        self.first = first

    def __missing__(self, key):
        return self.setdefault(key, self.first(key))


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

    def hint(self):
        guess = self.guess()
        return 256 if guess is None else guess[0] | min(guess[1], 3) << 9

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


class Training:
    """Writes nothing: what comes is known."""

    def __init__(self, symbols):
        self.bits = (symbol >> shift & 1 for symbol in symbols for shift in range(7, -1, -1))


class StringModel:
    def __init__(self, room):
        self.bits = 8 + room
        self.buckets = {}
        self.meanings, self.matches = Learned(lambda key: first_meaning(key[1])), Learned(first_match)
        self.beyond_ascii, self.refined = Chance(400, 40), Learned(first_refined)
        self.by_match, self.by_place = Mixer(), Mixer()
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
        match_set, node = state.match_set(guesses), 1
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
            meanings = [self.meanings[i, buckets[i][place]] for i in range(CONTEXTS)]
            inputs = [stretch(meaning.get()) for meaning in meanings]
            used = []
            for i, guess in enumerate(guesses):
                inputs.append(0)
                if guess is None or (guess[0] | 256) >> shift + 1 != node:
                    continue
                match = self.matches[(i << 6 | guess[1]) << 1 | guess[0] >> shift & 1]
                used.append(match)
                inputs[-1] = stretch(match.get())
            inputs.append(256)
            place_set = node & 255
            by_match, by_place = self.by_match.position(match_set, inputs), self.by_place.position(place_set, inputs)
            mixed = by_match + by_place >> 1
            refined = self.refined[place_set * 33 + (mixed + 2048 + 64 >> 7)]
            ones = max(8, min(squash(mixed) * 3 + refined.get() >> 2, 65528))
            bit = decide(wanted_bit, 65536 - ones, ones)
            node = 2 * node + bit
            self.by_match.learn(match_set, inputs, squash(by_match), bit)
            self.by_place.learn(place_set, inputs, squash(by_place), bit)
            for chance in [refined, *meanings, *used]:
                chance.learn(bit)
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
            hash_ = 0
            for byte in found[-4:]:
                hash_ = (hash_ + byte + 1) * 0x2F0B4A27 & WORD
            if state.past is None and hash_ >> 18 in self.seen_at:
                state.past = (self.seen_at[hash_ >> 18], 0)
            self.seen_at[hash_ >> 18] = len(self.past)


class State:
    """Where one string stands."""

    def __init__(self, column, low, high, bounds):
        self.column, self.low, self.high = column, Follower(low), Follower(high)
        self.found, self.tight = bytearray(), list(bounds)
        self.past, self.echo = None, None
        self.word_start = self.last_word = self.words = self.word_hash = 0

    def bounds(self):
        """The least and the greatest symbol that keep the string between its neighbours."""
        at = len(self.found)
        low, high = ((bound[at] if at < len(bound) else 0) if bound is not None else None for bound in self.tight)
        return 0 if low is None else low, 255 if high is None else high

    def hashes(self):
        orders, hash_ = [0], 0
        for order in range(1, 7):
            symbol = self.found[-order] if order <= len(self.found) else 256 + self.column
            hash_ = (hash_ + symbol + 1) * 0x2F0B4A27 & WORD
            hash_ ^= hash_ >> 13
            orders.append(hash_)
        in_word, words = len(self.found) - self.word_start, min(self.words, 15)
        digit = bool(self.found) and 48 <= self.found[-1] <= 57
        contexts = [
            self.column << 8 | words,
            orders[1] ^ self.column * 0x10000193,
            orders[2],
            orders[3],
            orders[4],
            orders[6],
            self.word_hash ^ words * 0x01000193,
            words << 16 | min(in_word, 40) << 8 | digit,
            self.low.hint() << 16 | self.high.hint(),
        ]
        return [(x ^ (i + 1) * 0x6C078965) * 0x9E3779B1 & WORD for i, x in enumerate(contexts)]

    def guesses(self, past):
        low, high = self.low.guess(), self.high.guess()
        same = 32 if low and high and low[0] == high[0] else 0
        at_past = self.past is not None and self.past[0] < len(past)
        return [
            low and (low[0], low[1] | same),
            high and (high[0], high[1] | same),
            (past[self.past[0]], min(self.past[1], 31)) if at_past else None,
            None if self.echo is None else (self.found[self.echo], min(self.echo - self.last_word, 31)),
        ]

    @staticmethod
    def match_set(guesses):
        def level(guess):
            return 0 if guess is None else sum((guess[1] & 31) >= bound for bound in (0, 3, 12))

        return level(guesses[0]) << 3 | level(guesses[2]) << 1 | (guesses[3] is not None)

    def advance(self, symbol):
        low, high = self.bounds()
        self.tight = [
            None if symbol == RUN or symbol != bound else text for bound, text in zip((low, high), self.tight)
        ]
        self.found.append(symbol)
        self.low.advance(symbol)
        self.high.advance(symbol)
        if is_alphanumeric(symbol) or symbol >= 0x80:
            self.word_hash = (self.word_hash + symbol) * 0x2F0B4A27 & WORD
            if self.echo is not None:
                self.echo = self.echo + 1 if self.found[self.echo] == symbol else None
        else:
            self.words, self.word_hash = self.words + 1, 0
            self.last_word, self.word_start = self.word_start, len(self.found)
            self.echo = self.last_word if len(self.found) > self.last_word + 1 else None
