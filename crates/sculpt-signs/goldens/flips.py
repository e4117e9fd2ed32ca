#!/usr/bin/env python3
"""Known answers for sign flips, from the specification of sculpt-random in plain Python.

    python3 goldens/flips.py

10 prunable weights, of which number 1 is pruned: 9 survivors. Stream (42, "signs---", 0).
"""
import pathlib
import runpy

RANDOM = runpy.run_path(str(pathlib.Path(__file__).parents[2] / "sculpt-random" / "goldens.py"))
SURVIVORS = [0, 2, 3, 4, 5, 6, 7, 8, 9]


def main():
    for name, k in (("FIFTH", 2), ("HALF", 5)):
        stream = RANDOM["words"](42, b"signs---", 0)
        items = list(range(len(SURVIVORS)))
        for i in range(k):
            j = i + RANDOM["below"](stream, len(items) - i)
            items[i], items[j] = items[j], items[i]
        print(name, sorted(SURVIVORS[i] for i in items[:k]))


if __name__ == "__main__":
    main()
