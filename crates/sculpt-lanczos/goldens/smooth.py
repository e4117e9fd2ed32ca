"""The numbers in the test `smooth_as_density_plot` of src/density.rs.

The formula of PyHessian's density_plot.py, written anew with numpy 2.4.6 and scipy 1.17.1:
grid from the mean smallest node - 0.01 to the mean largest + 0.01, mean over runs of the weighted Gaussians of
variance relative_variance * max(1, length), divided by sum * spacing.
"""

import numpy as np
from scipy.stats import norm

nodes = np.array([[-1.0, 0.5, 2.0], [-1.25, 0.25, 2.25]])
weights = np.array([[0.25, 0.5, 0.25], [0.125, 0.625, 0.25]])
n_points, relative_variance = 6, 0.05

grid = np.linspace(nodes[:, 0].mean() - 0.01, nodes[:, -1].mean() + 0.01, n_points)
deviation = np.sqrt(relative_variance * max(1.0, grid[-1] - grid[0]))
curves = (weights[:, :, None] * norm.pdf(grid, nodes[:, :, None], deviation)).sum(axis=1)
curve = curves.mean(axis=0)
curve /= curve.sum() * (grid[1] - grid[0])

print("grid", grid.tolist())
print("curve", curve.tolist())
