#!/usr/bin/env python3
"""Known answers for label noise, from the specification of sculpt-random in plain Python, and the exact
probabilities of the derangements of a small set of labels.

    python3 goldens/label_noise.py
"""
import collections
import fractions
import functools
import itertools
import pathlib
import runpy

RANDOM = runpy.run_path(str(pathlib.Path(__file__).parents[2] / "sculpt-random" / "goldens.py"))
below = RANDOM["below"]


def choose(stream, k, n):
    items = list(range(n))
    for i in range(k):
        j = i + below(stream, n - i)
        items[i], items[j] = items[j], items[i]
    return sorted(items[:k])


def shuffled(stream, items):
    items = list(items)
    for i in range(len(items) - 1, 0, -1):
        j = below(stream, i + 1)
        items[i], items[j] = items[j], items[i]
    return items


def deranged(stream, labels):
    new = shuffled(stream, labels)
    for i in shuffled(stream, [i for i in range(len(labels)) if new[i] == labels[i]]):
        if new[i] != labels[i]:
            continue
        while True:
            j = below(stream, len(labels))
            if labels[j] != labels[i] and new[j] != labels[i]:
                break
        new[i], new[j] = new[j], new[i]
    return new


RULES = {
    "PERMUTE": lambda stream, chosen: shuffled(stream, chosen),
    "DERANGE": deranged,
    "UNIFORM": lambda stream, chosen: [below(stream, 4) for _ in chosen],
}


def probabilities(labels):
    """Of each result of `deranged`: all first orders, all orders of repair, all partners."""
    n = len(labels)

    @functools.cache
    def repaired(new, todo):
        todo = tuple(i for i in todo if new[i] == labels[i])
        result = collections.Counter()
        if not todo:
            result[new] = fractions.Fraction(1)
        for i in todo:
            partners = [j for j in range(n) if labels[j] != labels[i] and new[j] != labels[i]]
            for j in partners:
                swapped = list(new)
                swapped[i], swapped[j] = swapped[j], swapped[i]
                for end, p in repaired(tuple(swapped), tuple(k for k in todo if k != i)).items():
                    result[end] += p / (len(todo) * len(partners))
        return result

    orders = collections.Counter(itertools.permutations(labels))
    result = collections.Counter()
    for order, count in orders.items():
        for end, p in repaired(order, tuple(range(n))).items():
            result[end] += p * count / fractions.Fraction(orders.total())
    return result


def main():
    labels = [i % 4 for i in range(12)]
    for name, rule in RULES.items():
        stream = RANDOM["words"](42, b"labels--", 0)
        places = choose(stream, 6, len(labels))
        noisy = list(labels)
        for i, label in zip(places, rule(stream, [labels[i] for i in places])):
            noisy[i] = label
        print(name, noisy)
    for text in ("0123", "001122", "001223"):
        p = probabilities(tuple(text))
        distance = sum(abs(x - fractions.Fraction(1, len(p))) for x in p.values()) / 2
        low, high = float(min(p.values())), float(max(p.values()))
        print(text, len(p), "derangements", f"{low:.4f} {high:.4f}, total variation {float(distance):.3f}")


if __name__ == "__main__":
    main()
