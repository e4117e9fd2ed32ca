#!/usr/bin/env python3
"""Known answers for random masks, from the specification of sculpt-random in plain Python.

    python3 goldens.py

The layout of the README: conv1 of 108 weights, fc of 40. Density 0.25: round(0.25 * 148) = 37 survivors.
ERK: sums of dimensions 4 + 3 + 3 + 3 = 13 and 10 + 4 = 14, so C = 37/27, 17.81 and 19.19 survivors: 18, 19.
TurboPrune's: 13 and 15, C = 37/28, probabilities C * 13/108 and C * 15/40.
Stream number: the tensor's place among the prunable ones.
"""
import hashlib
import pathlib
import runpy

RANDOM = runpy.run_path(str(pathlib.Path(__file__).parents[1] / "sculpt-random" / "goldens.py"))
SIZES = (108, 40)
SEED = 42


def exact(stream, kept, n):
    items = list(range(n))
    for i in range(kept):
        j = i + RANDOM["below"](stream, n - i)
        items[i], items[j] = items[j], items[i]
    return [int(i in items[:kept]) for i in range(n)]


def bernoulli(stream, p, n):
    return [int(RANDOM["uniform"](stream) < p) for _ in range(n)]


def sha256(bits):
    bits = bits + [0] * (-len(bits) % 8)
    packed = (sum(bit << i for i, bit in enumerate(bits[j : j + 8])) for j in range(0, len(bits), 8))
    return hashlib.sha256(bytes(packed)).hexdigest()


def main():
    c = 37 / 28
    rules = {"EXACT": (exact, (18, 19)), "TURBOPRUNE": (bernoulli, (c * 13 / 108, c * 15 / 40))}
    for name, (draw, parameters) in rules.items():
        bits = []
        for place, (n, parameter) in enumerate(zip(SIZES, parameters)):
            bits += draw(RANDOM["words"](SEED, b"mask----", place), parameter, n)
        print(name, sum(bits), sha256(bits))


if __name__ == "__main__":
    main()
