#!/usr/bin/env python3
"""Derives the frames `contrasts` and `claims` anew, row by row, from the frames of the artefacts.

    pip install pandas scipy            (made with pandas 3.1.1, SciPy 1.17.1)
    python3 crates/sculpt-claims/goldens/verdicts.py reports/published/demo
    cargo xtask claims --suite demo --json >claims.json
    python3 crates/sculpt-claims/goldens/verdicts.py reports/published/demo claims.json
    python3 crates/sculpt-claims/goldens/verdicts.py reports/SUITE - data/published/SUITE/predictions.safetensors

It shares nothing with the Rust code but the rules of the crate's README and the columns of the frames. A contrast's seeds
come from the rows that it names (artefact, panel, method, cycle, densities, set, BatchNorm, pairs); its test, interval,
power and verdicts from its values; a claim from its contrasts. Densities and pairs are checked against what the frame has.
With the predictions of a suite of one test set, what the test images add too: of each image the same mean of differences as of
the accuracies, then Student's t over images.
"""
import json
import math
import pathlib
import sys
import types

import numpy
import pandas
from scipy import integrate, stats

ALPHA, POWER, FEWEST, ROUNDING = 0.05, 0.8, 3, 1e-9
TESTED = ("supported", "contradicted", "undecided")
NEAR = {"points": 1e-9, "nats": 1e-5, "log ratio": 1e-3}
checked = 0


def same(what, found, expected, tolerance=1e-6):
    """Equal, both missing, or numbers within a relative tolerance."""
    global checked
    checked += 1
    missing = [x is None or (isinstance(x, float) and math.isnan(x)) for x in (found, expected)]
    if any(missing):
        assert all(missing), f"{what}: {found} is not {expected}"
    elif isinstance(found, str) or isinstance(expected, str):
        assert found == expected, f"{what}: {found!r} is not {expected!r}"
    else:
        limit = tolerance * max(1e-3, abs(expected))
        assert abs(found - expected) <= limit, f"{what}: {found} is not {expected}"


def near(what, found, expected, unit):
    """Within what two measurements of the same checkpoints may differ by: losses are sums in f32, accuracies counts."""
    global checked
    checked += 1
    assert abs(found - expected) <= NEAR[unit], f"{what}: {found} is not {expected}"


def numbers(text):
    return [float(word) for word in str(text).split()] if isinstance(text, str) else ([] if pandas.isna(text) else [text])


class Frames:
    """The frames of a report folder, read once."""

    def __init__(self, folder):
        self.folder, self.read = folder, {}

    def __getitem__(self, artefact):
        if artefact not in self.read:
            path = self.folder / (artefact.replace(" ", "-") + ".csv")
            self.read[artefact] = pandas.read_csv(path) if path.exists() else None
        return self.read[artefact]


def accuracies(frame, panel, method, cycle):
    """Percent by (seed, density): after the first cycle, the last one of each density, or a number of it."""
    rows = frame[frame.method == method]
    rows = rows[rows.panel == panel]
    if cycle == "first":
        rows = rows[rows.cycle == 1]
    elif cycle == "last":
        rows = rows[rows.cycle == rows.groupby("density_target").cycle.transform("max")]
    else:
        rows = rows[rows.cycle == int(cycle)]
    return rows.set_index(["seed", "density_target"]).accuracy * 100


def levels(a, b, densities):
    """Each density of `a` less `b` dense, by seed."""
    own = dense(b)
    return {d: (a.xs(d, level="density_target") - own).dropna().sort_index() for d in densities}


def dense(values):
    return values.xs(1.0, level="density_target") if len(values) else pandas.Series(dtype=float)


def of_accuracies(row, frame):
    a = accuracies(frame, row.panel, row.method, row.cycle)
    b = accuracies(frame, row.panel, row.versus, row.versus_cycle)
    own, other = numbers(row.densities), numbers(row.versus_densities)
    if row.over in ("best", "versus-best"):
        sign = 1 if row.over == "best" else -1
        one, all_of = (a, own) if row.over == "best" else (b, other)
        assert set(all_of) == {d for d in one.index.get_level_values("density_target") if d < 1}, row.contrast
        found = {d: sign * v for d, v in levels(one, b if row.over == "best" else a, all_of).items()}
        # The level shown has the largest mean of what is best; of equals the densest.
        means = {d: round(sign * v.mean(), 9) for d, v in found.items()}
        shown = max(found, key=lambda d: (means[d], d))
        row.shown = shown
        # The others are judged with it.
        row.levels.extend(v.to_numpy() for v in found.values())
        return found[shown]
    difference = (a - b).dropna().reset_index(name="value")

    def mean(densities):
        return difference[difference.density_target.isin(densities)].groupby("seed").value.mean()

    sparse = set(difference.density_target) - {1.0}
    high = {d for d in sparse if d <= 0.2}
    if row.over == "growth":
        assert (set(own), set(other)) == (high, sparse - high), row.contrast
        return mean(own) - mean(other)
    for words, expected in [("all sparsities", sparse), ("high sparsities", high), ("low sparsities", sparse - high)]:
        if row.contrast.endswith(words):
            assert set(own) == expected, row.contrast
    return mean(own)


def of_lines(row, frame):
    rows = frame[(frame.method == row.method) & (frame.set == row.set) & (frame.batch_norm == row.batch_norm)]
    pairs = sorted({(int(f), int(t)) for f, t in zip(rows["from"], rows["to"])})
    if row.contrast.startswith("late"):
        pairs = pairs[len(pairs) // 2 :]
    assert " ".join(f"{f}-{t}" for f, t in pairs) == row.pairs, row.contrast
    chords, halves = {}, {}
    for seed, lines in rows.groupby("seed"):
        both = []
        for f, t in pairs:
            line = lines[(lines["from"] == f) & (lines["to"] == t)].sort_values("alpha")
            first, last = line.loss.iloc[0], line.loss.iloc[-1]
            straight = (1 - line.alpha) * first + line.alpha * last
            both.append(((line.loss - straight).max(), line.loss.max() - (first + last) / 2))
        chords[seed], halves[seed] = numpy.mean(both, axis=0)
    near(row.contrast, float(numpy.mean(list(halves.values()))), row.mean_of_ends, row.unit)
    return pandas.Series(chords)


def of_eigenvalues(row, frame):
    def last(method):
        rows = frame[(frame.method == method) & frame.eigenvalue.notna()].sort_values("to")
        return numpy.log(rows.groupby("seed").eigenvalue.last())

    return last(row.method) - last(row.versus)


def of_signs(row, frame):
    column = "overlap" if row.quantity == "sign-overlap" else "accuracy"
    rows = frame.set_index("seed")
    return 100 * (rows[rows.method == row.method][column] - rows[rows.method == row.versus][column])


class Predictions:
    """100 where a state gets an image right, else 0, by (node, epoch)."""

    def __init__(self, path):
        file = pathlib.Path(path).read_bytes()
        end = 8 + int.from_bytes(file[:8], "little")
        tensors = {}
        for name, told in json.loads(file[8:end]).items():
            if name == "__metadata__":
                continue
            assert told["dtype"] == "U8", name
            start, stop = (end + offset for offset in told["data_offsets"])
            kind = "<u2" if len(told["shape"]) == 2 else "u1"
            tensors[name] = numpy.frombuffer(file[start:stop], kind)
        (labels,) = (classes for name, classes in tensors.items() if name.startswith("labels/"))
        self.right = {}
        for name, classes in tensors.items():
            if name.startswith("predicted/"):
                node, epoch = name.removeprefix("predicted/").split("/")
                self.right[node, int(epoch)] = 100.0 * (classes == labels)

    def of(self, frame, panel, method, cycle):
        """As `accuracies`, but a list of numbers, one an image, in the place of each accuracy."""
        percent = accuracies(frame.assign(accuracy=range(len(frame))), panel, method, cycle) / 100
        rows = frame.iloc[percent.round().astype(int)]
        return {key: self.right.get((row.node, row.epoch)) for key, row in zip(percent.index, rows.itertuples())}


def of_images(row, frame, predictions):
    """What each image adds to the effect; none where it is not known of every state."""
    a = predictions.of(frame, row.panel, row.method, row.cycle)
    b = predictions.of(frame, row.panel, row.versus, row.versus_cycle)
    own, other = numbers(row.densities), numbers(row.versus_densities)
    unknown = []

    def less(x, y):
        unknown.extend(v for v in (x, y) if v is None)
        return 0 if x is None or y is None else x - y

    def mean(seed, densities):
        both = [d for d in densities if (seed, d) in a and (seed, d) in b]
        return numpy.mean([less(a[seed, d], b[seed, d]) for d in both], axis=0)

    def of_seed(seed):
        if row.over == "best":
            return less(a[seed, row.shown], b[seed, 1.0])
        if row.over == "versus-best":
            return less(a[seed, 1.0], b[seed, row.shown])
        return mean(seed, own) - mean(seed, other) if row.over == "growth" else mean(seed, own)

    points = numpy.mean([of_seed(int(seed)) for seed in numbers(row.seeds)], axis=0)
    return None if unknown else points


def of_table_images(row, frame, predictions):
    """The same of a table that has one density, a row a method and seed."""

    def of(method, seed):
        (state,) = frame[(frame.method == method) & (frame.seed == seed)].itertuples()
        return predictions.right.get((state.node, state.epoch))

    pairs = [(of(row.method, int(seed)), of(row.versus, int(seed))) for seed in numbers(row.seeds)]
    if any(one is None for pair in pairs for one in pair):
        return None
    return numpy.mean([a - b for a, b in pairs], axis=0)


def check_images(name, row, frame, predictions):
    of = of_images if row.artefact.startswith("figure") else of_table_images
    points = of(row, frame, predictions) if row.quantity == "accuracy" else None
    if points is None:
        for column in ("image_se", "image_low", "image_high", "n_images"):
            same(f"{name} {column}", None, getattr(row, column))
        return
    n = len(points)
    near(name + " images' mean", points.mean(), row.effect, row.unit)
    se = points.std(ddof=1) / math.sqrt(n)
    alpha = ALPHA / len(row.levels) if row.over == "best" else ALPHA
    half = stats.t.ppf(1 - alpha, n - 1) * se
    for column, expected in [("se", se), ("low", row.effect - half), ("high", row.effect + half)]:
        same(f"{name} image_{column}", expected, getattr(row, "image_" + column))
    same(name + " n_images", float(n), float(row.n_images))


def count(row, frame):
    if row.quantity == "epochs":
        rows = frame[(frame.panel == row.panel) & (frame.density == float(row.densities))].set_index("method")
        return rows.epochs[row.versus] - 2 * rows.epochs[row.method]
    rows = frame[(frame.panel == row.panel) & (frame.method == row.method) & (frame.density_target < 1)]
    return 100 * (1 - (rows.sparse_ideal_bytes / rows.dense_bytes).max())


def sides(values, test, bound):
    """p of the rule and of its opposite; without spread the sign decides."""
    mean = numpy.mean(values)
    beyond = {"above": mean - bound, "below": bound - mean, "within": bound - abs(mean)}[test]
    if numpy.std(values, ddof=1) <= ROUNDING:
        return (0.0 if beyond > ROUNDING else 1.0), (0.0 if beyond < -ROUNDING else 1.0)

    def p(against, side):
        return float(stats.ttest_1samp(values, against, alternative=side).pvalue)

    return {
        "above": lambda: (p(bound, "greater"), p(bound, "less")),
        "below": lambda: (p(bound, "less"), p(bound, "greater")),
        "within": lambda: (
            max(p(-bound, "greater"), p(bound, "less")),
            min(p(-bound, "less"), p(bound, "greater")),
        ),
    }[test]()


def verdict(values, row, bound):
    """(verdict, p) of the README's first table."""
    if len(values) < FEWEST:
        return ("not enough runs" if len(values) else "absent"), None
    holds, opposite = sides(values, row.test, bound)
    if row.levels:
        every = [sides(level, row.test, bound) for level in row.levels if len(level) >= FEWEST]
        if row.over == "best":
            holds, opposite = min(1.0, len(row.levels) * holds), max(o for _, o in every)
        else:
            holds, opposite = max(h for h, _ in every), min(1.0, len(row.levels) * opposite)
    found = "supported" if holds < ALPHA else "contradicted" if opposite < ALPHA else "undecided"
    return found, (None if numpy.std(values, ddof=1) <= ROUNDING else holds)


def power(test, mean, bound, s, n, alpha):
    """Of a true mean (within), or of a distance from the bound."""
    t, nu, k = stats.t.ppf(1 - alpha, n - 1), n - 1, math.sqrt(n) / s
    if test != "within":
        return float(stats.nct.sf(t, nu, abs(mean) * k)) if mean else alpha
    c = t / math.sqrt(nu)

    def density(x):
        both = stats.norm.cdf((bound - mean) * k - c * x) - stats.norm.cdf(c * x - (mean + bound) * k)
        return stats.chi.pdf(x, nu) * both

    low = max(0.0, math.sqrt(nu) - 9)
    high = min(bound * k / c, math.sqrt(nu) + 9)
    return integrate.quad(density, low, high, epsabs=1e-11, limit=200)[0] if high > low else 0.0


def check_power(name, row, values, s, alpha):
    """The numbers told have the power that is said, and one seed fewer has not."""
    n, mean = len(values), float(numpy.mean(values))
    reach = power(row.test, 0.0 if row.test == "within" else row.smallest_effect, row.smallest_effect, s, n, alpha)
    same(name + " smallest effect", reach, POWER, 1e-5)
    if pandas.isna(row.n_to_decide):
        return
    assert row.verdict == "undecided", name
    if row.test == "within" and abs(mean) < row.bound:
        of = lambda n: power("within", mean, row.bound, s, n, alpha)
    else:
        distance = abs(mean) - row.bound if row.test == "within" else mean - row.bound
        of = lambda n: power("above", distance, 0.0, s, n, alpha)
    n = int(row.n_to_decide)
    assert of(n) >= POWER - 1e-5 and of(n - 1) < POWER + 1e-5, f"{name}: {n} seeds have {of(n - 1)}, {of(n)}"


def contrast(row, frames, predictions):
    row = types.SimpleNamespace(**row.to_dict(), levels=[])
    name = f"claim {row.claim}, {row.part}, {row.replicate}"
    frame = frames[row.artefact]
    if row.test == "counted":
        # Epochs are counted from the preset: a suite may have them without the table's frame.
        if row.verdict != "absent" and frame is not None:
            same(name, float(count(row, frame)), row.effect)
        for column in ("p", "low", "high", "n"):
            same(f"{name} {column}", None, getattr(row, column))
        return
    values = pandas.Series(dtype=float)
    if frame is not None and row.verdict != "absent":
        of = {"chord": of_lines, "log-eigenvalue": of_eigenvalues, "sign-overlap": of_signs}.get(row.quantity)
        of = of or (of_signs if row.artefact.startswith("table") else of_accuracies)
        values = of(row, frame).dropna().sort_index()
    told = dict(zip(numbers(row.seeds), numbers(row.values)))
    assert [int(s) for s in told] == [int(s) for s in values.index], f"{name}: {list(told)} {list(values.index)}"
    for seed, value in values.items():
        near(f"{name} seed {seed}", value, told[seed], row.unit)
    same(name + " n", float(len(values)), float(row.n))
    # What follows is derived from the values as they are told: to the last digit, whatever measured the figures' frames.
    values = numpy.array([told[seed] for seed in values.index])
    found, p = verdict(values, row, row.bound)
    same(name + " verdict", found, row.verdict)
    same(name + " p", p, row.p, 1e-4)
    for factor, column in [(0.5, "verdict_half_margin"), (2.0, "verdict_twice_margin")]:
        scaled = verdict(values, row, factor * row.bound)[0] if row.bound else None
        same(f"{name} {column}", scaled, getattr(row, column))
    if len(values) == 0:
        return
    same(name + " effect", float(numpy.mean(values)), row.effect)
    if predictions is not None:
        check_images(name, row, frame, predictions)
    if len(values) > 1:
        s = float(numpy.std(values, ddof=1))
        # One of several levels is enough: each is tested at a share of the error rate.
        alpha = ALPHA / len(row.levels) if row.over == "best" else ALPHA
        half = stats.t.ppf(1 - alpha, len(values) - 1) * s / math.sqrt(len(values))
        same(name + " low", row.effect - half, row.low)
        same(name + " high", row.effect + half, row.high)
        same(name + " level", 1 - 2 * alpha, row.level)
        if found in TESTED and s > ROUNDING:
            check_power(name, row, values, s, alpha)


def part(verdicts):
    tested = [v for v in verdicts if v in TESTED]
    if not tested:
        return next((v for v in ("by construction", "not enough runs") if v in verdicts), "absent")
    if set(tested) == {"supported"}:
        return "supported"
    return "contradicted" if "contradicted" in tested and "supported" not in tested else "undecided"


def whole(contrasts, column):
    verdicts = contrasts[column].where(contrasts[column].notna(), contrasts.verdict)
    parts = [part(list(own)) for _, own in verdicts.groupby(contrasts.part, sort=False)]
    if set(parts) == {"supported"}:
        return "supported"
    if "supported" in parts:
        return "partly"
    return next((v for v in ("contradicted", "undecided", "by construction") if v in parts), "not enough runs")


def largest_p(contrasts):
    """Without spread the sign decides: 1 where it fails, and no p where it holds."""
    tested = contrasts[contrasts.verdict.isin(TESTED)]
    p = [row.p if pandas.notna(row.p) else (None if row.verdict == "supported" else 1.0) for row in tested.itertuples()]
    return max((x for x in p if x is not None), default=None)


def holm(p):
    order = sorted(p, key=p.get)
    adjusted, largest = {}, 0.0
    for rank, name in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p[name]))
        adjusted[name] = largest
    return adjusted


def main():
    frames = Frames(pathlib.Path(sys.argv[1]))
    predictions = Predictions(sys.argv[3]) if len(sys.argv) > 3 else None
    if len(sys.argv) > 2 and sys.argv[2] != "-":
        said = json.load(open(sys.argv[2]))["artefacts"]
        tables = {own["artefact"]: pandas.DataFrame(own["table"]) for own in said}
        contrasts, claims = tables["contrasts"], tables["claims"]
        contrasts["panel"] = contrasts.panel.replace("", numpy.nan)
    else:
        contrasts, claims = frames["contrasts"], frames["claims"]
    for _, row in contrasts.iterrows():
        contrast(row, frames, predictions)
    p = {}
    for row in claims.itertuples():
        own = contrasts[contrasts.claim == row.number]
        name = f"claim {row.number}"
        assert len(own), name
        same(name, whole(own, "verdict"), row.verdict)
        has_margin = own.margin.notna().any()
        for column in ("verdict_half_margin", "verdict_twice_margin"):
            same(f"{name} {column}", whole(own, column) if has_margin else None, getattr(row, column))
        tested = row.verdict in TESTED or row.verdict == "partly"
        found = largest_p(own) if tested else None
        same(name + " p", found, row.p)
        if tested:
            p[row.number] = found or 0.0
    for number, adjusted in holm(p).items():
        row = claims[claims.number == number].iloc[0]
        same(f"claim {number} Holm", adjusted if pandas.notna(row.p) else None, row.p_holm)
    print(f"{len(contrasts)} contrasts and {len(claims)} claims derived anew: {checked} values agree")
    print(claims.verdict.value_counts().to_string())


if __name__ == "__main__":
    main()
