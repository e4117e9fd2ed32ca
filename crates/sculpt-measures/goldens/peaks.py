#!/usr/bin/env python3
"""Derives table 5 anew from figure 2's frame, which has the states, and a suite's predictions, which have what they say of each test image.

    pip install pandas safetensors numpy
    python3 crates/sculpt-measures/goldens/peaks.py reports/SUITE data/published/SUITE/predictions.safetensors

It shares nothing with the Rust code but the columns of the frames and the names of the tensors.
"""
import pathlib
import sys

import pandas
from safetensors.numpy import load_file

# Panel of figure 2 that has the states: dense, at about 67 % sparsity, at about 90 %.
STATES = {"dense-cyclic": ["a"], "random-cyclic": ["c", "d"]}


def main():
    reports, predictions = pathlib.Path(sys.argv[1]), load_file(sys.argv[2])
    table = pandas.read_csv(reports / "table-5.csv")
    figure = pandas.read_csv(reports / "figure-2.csv")
    (labels,) = [tensor for name, tensor in predictions.items() if name.startswith("labels/")]
    n = 0
    for (method, density), own in table.groupby(["method", "density_target"]):
        places = figure[(figure.method == method) & (figure.density_target == density) & figure.panel.isin(STATES[method])]
        panel = places.groupby("panel").cycle.nunique().idxmax()
        states = places[places.panel == panel]
        right = {(s.seed, s.cycle): predictions[f"predicted/{s.node}/{s.epoch}"] == labels for s in states.itertuples()}
        cycles = sorted({cycle for _, cycle in right})
        means = [sum(own[::2].sum() for (_, c), own in right.items() if c == cycle) for cycle in cycles]
        best = cycles[means.index(max(means))]
        assert set(own.seed) == {seed for seed, _ in right}, (method, density)
        for row in own.itertuples():
            at_peak, at_end = right[row.seed, best], right[row.seed, cycles[-1]]
            odd = len(labels) // 2
            expected = (cycles[-1], best, at_peak[::2].sum(), at_peak[1::2].sum(), at_end[1::2].sum(), odd)
            found = (row.cycles, row.peak_cycle, row.n_correct_chosen_on, row.peak_n_correct, row.last_n_correct, row.n_images)
            assert found == expected, (method, density, row.seed, found, expected)
            assert abs(row.peak_accuracy - at_peak[1::2].mean()) < 1e-12 and abs(row.last_accuracy - at_end[1::2].mean()) < 1e-12
            n += len(found) + 2
    print(f"{len(table)} rows of table 5 derived anew: {n} values agree")


if __name__ == "__main__":
    main()
