#!/usr/bin/env python3
"""Known answers for the equivalence and one-sided tests, and for bootstrap intervals.

    python3 goldens/stats.py          (made with Python 3.11.7, NumPy 2.4.6, SciPy 1.17.1)

TOST is two calls of scipy.stats.ttest_1samp. Power is that of scipy.stats.nct, of TOST a quadrature. The bootstrap draws its indices from the specification of
sculpt-random in plain Python, stream number = resample, and takes numpy's percentiles (linear interpolation).
"""
import pathlib
import platform
import runpy

import numpy
import scipy
from scipy import integrate, stats

RANDOM = runpy.run_path(str(pathlib.Path(__file__).parents[2] / "sculpt-random" / "goldens.py"))
A = [91.2, 90.7, 91.9, 91.4, 90.9]
B = [91.0, 90.9, 91.5, 91.3, 90.6]
VALUES = [3.0, 1.0, 4.0, 1.5, 9.0, 2.5, 6.0, 5.0]
SEED, RESAMPLES, LEVEL = 42, 400, 0.95


def tost(name, a, b, margin, alpha):
    d = numpy.subtract(a, b)
    lower = stats.ttest_1samp(d, -margin, alternative="greater")
    upper = stats.ttest_1samp(d, margin, alternative="less")
    low, high = stats.ttest_1samp(d, 0.0).confidence_interval(1 - 2 * alpha)
    print(name, "t", lower.statistic, upper.statistic, "p", lower.pvalue, upper.pvalue, "interval", low, high)


def bootstrap(name, statistic):
    estimates = []
    for resample in range(RESAMPLES):
        stream = RANDOM["words"](SEED, b"resample", resample)
        drawn = [VALUES[RANDOM["below"](stream, len(VALUES))] for _ in VALUES]
        estimates.append(statistic(drawn))
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    print(name, statistic(VALUES), *numpy.quantile(estimates, tails).tolist())


def power_beyond(distance, n, alpha=0.05):
    return stats.nct.sf(stats.t.ppf(1 - alpha, n - 1), n - 1, distance * n**0.5)


def power_within(mean, margin, n, alpha=0.05):
    nu, k = n - 1, n**0.5
    c = stats.t.ppf(1 - alpha, nu) / nu**0.5

    def density(x):
        pass_both = stats.norm.cdf((margin - mean) * k - c * x) - stats.norm.cdf(c * x - (mean + margin) * k)
        return stats.chi.pdf(x, nu) * pass_both

    return integrate.quad(density, 0, min(margin * k / c, nu**0.5 + 12), epsabs=1e-12, epsrel=1e-12, limit=200)[0]


def main():
    print("Python", platform.python_version(), "NumPy", numpy.__version__, "SciPy", scipy.__version__)
    tost("TOST 0.5", A, B, 0.5, 0.05)
    tost("TOST 0.2", A, B, 0.2, 0.05)
    greater = stats.ttest_rel(A, B, alternative="greater")
    print("greater", greater.statistic, greater.pvalue)
    print("less   ", stats.ttest_rel(B, A, alternative="greater").pvalue)
    for distance, n in [(1.0, 3), (2.5, 3), (1.0, 8), (0.3, 50), (-1.0, 3)]:
        print("power beyond", distance, n, float(power_beyond(distance, n)))
    for mean, margin, n in [(0.0, 1.0, 3), (0.0, 3.0, 3), (0.5, 3.0, 3), (0.2, 1.0, 20)]:
        print("power within", mean, margin, n, float(power_within(mean, margin, n)))
    bootstrap("mean", lambda values: float(numpy.mean(values)))
    bootstrap("median", lambda values: float(numpy.median(values)))


if __name__ == "__main__":
    main()
