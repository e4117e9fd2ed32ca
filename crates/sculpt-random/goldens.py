#!/usr/bin/env python3
"""Known answers for sculpt-random: ChaCha with 8 rounds (Bernstein 2008), written from its specification.

    python3 goldens.py

Key: seed (u64, little endian), purpose tag (8 bytes), 16 zero bytes. Words 12, 13: the block counter;
words 14, 15: the stream number. Needs nothing but Python; printed normals go through the C library's log,
sin and cos, which agree with Rust's libm at these arguments.
"""
import math
import struct


def rotl(x, n):
    return ((x << n) | (x >> (32 - n))) & 0xFFFFFFFF


def block(key, counter, stream, rounds=8):
    state = list(struct.unpack("<4I", b"expand 32-byte k")) + list(struct.unpack("<8I", key))
    state += [counter & 0xFFFFFFFF, counter >> 32, stream & 0xFFFFFFFF, stream >> 32]
    work = state[:]

    def quarter(a, b, c, d):
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            work[x] = (work[x] + work[y]) & 0xFFFFFFFF
            work[z] = rotl(work[z] ^ work[x], n)

    for _ in range(rounds // 2):
        for i in range(4):
            quarter(i, i + 4, i + 8, i + 12)
        for i in range(4):
            quarter(i, (i + 1) % 4 + 4, (i + 2) % 4 + 8, (i + 3) % 4 + 12)
    return [(a + b) & 0xFFFFFFFF for a, b in zip(work, state)]


def words(seed, tag, index):
    key = struct.pack("<Q", seed) + tag + bytes(16)
    counter = 0
    while True:
        w = block(key, counter, index)
        for i in range(0, 16, 2):
            yield w[i] | (w[i + 1] << 32)
        counter += 1


def below(stream, n):
    while True:
        product = next(stream) * n
        if product % 2**64 >= 2**64 % n:
            return product >> 64


def uniform(stream):
    return (next(stream) >> 11) / 2**53


def main():
    new = lambda: words(42, b"test----", 3)
    s = new()
    print("GOLDEN_WORDS", [hex(next(s)) for _ in range(3)])
    s, order = new(), list(range(8))
    for i in range(7, 0, -1):
        j = below(s, i + 1)
        order[i], order[j] = order[j], order[i]
    print("GOLDEN_PERMUTATION", order)
    s, normals = new(), []
    for _ in range(2):
        radius = math.sqrt(-2.0 * math.log(1.0 - uniform(s)))
        angle = 2 * math.pi * uniform(s)
        normals += [radius * math.cos(angle), radius * math.sin(angle)]
    print("GOLDEN_NORMALS", normals)


if __name__ == "__main__":
    main()
