#!/usr/bin/env python3
"""Goldens for sculpt-scores from PyTorch and torchvision (made with torch 2.11.0, torchvision 0.26.0).

    python3 -m pip install torch==2.11.0 torchvision==0.26.0
    python3 make_scores.py > scores.json

Written from the definitions (plain modules, torch.autograd, float64), not from our code. Weights and images follow
the formula of sculpt-models/goldens/make_logits.py, which the test repeats, so that only results are committed.

Everything is float64: in float32 a few activations fall on the other side of a ReLU, which moves GraSP's products by
more than rounding. A kept set is committed as the SHA-256 of its packed bits, with the bits of the `undecided`
weights set to 0: those whose score lies within 1e-9 of the threshold, relative to it, so that another order of sums
may decide them the other way.
"""
import hashlib
import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "sculpt-models" / "goldens"))
from make_logits import build, fill, value  # noqa: E402

TEMPERATURE, BLOCK, DAMPING = 200.0, 50, 1e-5
BAND = 1e-9


class Case:
    """A network in evaluation mode, its prunable weights, a probe, and the weights pruned already."""

    def __init__(self, model, classes, width, size, n_images, masked):
        self.net = build(model, classes, width, "projection")
        fill(self.net)
        self.weights = [p for p in self.net.parameters() if p.dim() > 1]
        self.net.double().eval()
        n = sum(w.numel() for w in self.weights)
        kept = torch.arange(n) % 3 != 1 if masked else torch.ones(n, dtype=torch.bool)
        self.kept = kept.split([w.numel() for w in self.weights])
        with torch.no_grad():
            for w, m in zip(self.weights, self.kept):
                w[~m.view_as(w)] = 0.0
        pixels = value(n_images * 3 * size * size, 9999).astype(np.float32)
        self.images = torch.from_numpy(pixels).reshape(n_images, 3, size, size).double()
        self.labels = torch.arange(n_images) * 3 % classes
        self.size = size

    def flat(self, tensors):
        return torch.cat([t.detach().flatten() for t in tensors])

    def theta(self):
        return self.flat(self.weights)

    def masked(self, gradients):
        return [g * m.view_as(g) for g, m in zip(gradients, self.kept)]


def magnitude(case):
    return case.theta().abs()


def snip(case):
    loss = F.cross_entropy(case.net(case.images), case.labels)
    return case.flat([(g * w).abs() for g, w in zip(torch.autograd.grad(loss, case.weights), case.weights)])


def grasp(case):
    loss = F.cross_entropy(case.net(case.images) / TEMPERATURE, case.labels)
    gradients = torch.autograd.grad(loss, case.weights, create_graph=True)
    direction = case.masked([g.detach() for g in gradients])
    slope = sum((d * g).sum() for d, g in zip(direction, gradients))
    products = torch.autograd.grad(slope, case.weights)
    # The reference scores the negative of this, and removes the largest.
    return case.flat([h * w for h, w in zip(products, case.weights)])


def example_gradients(case):
    for i in range(len(case.labels)):
        loss = F.cross_entropy(case.net(case.images[i : i + 1]), case.labels[i : i + 1])
        yield case.masked(torch.autograd.grad(loss, case.weights))


def fisher(case):
    mean = sum(case.flat(g).square() for g in example_gradients(case)) / len(case.labels)
    return 0.5 * case.theta().square() * mean


def wood_fisher(case):
    examples = [[g.flatten() for g in gradients] for gradients in example_gradients(case)]
    inverse = []
    for place, weights in enumerate(case.weights):
        rows = torch.stack([gradients[place] for gradients in examples])
        for start in range(0, weights.numel(), BLOCK):
            block = rows[:, start : start + BLOCK]
            matrix = DAMPING * torch.eye(block.shape[1], dtype=torch.float64) + block.T @ block / len(rows)
            inverse.append(torch.linalg.inv(matrix).diagonal())
    return case.theta().square() / (2 * torch.cat(inverse))


def synflow(case, density, iterations, linear):
    """The scores of the last iteration; what is pruned on the way has 0."""
    net, n = case.net, sum(w.numel() for w in case.weights)
    alive = torch.cat(list(case.kept))
    first = alive.sum().item() / n
    with torch.no_grad():
        for p in net.parameters():
            p.abs_()
        for name, buffer in net.named_buffers():
            if name.endswith("running_mean"):
                buffer.zero_()
            elif name.endswith("running_var"):
                buffer.fill_(1.0)
    ones = torch.ones(1, 3, case.size, case.size, dtype=torch.float64)
    for t in range(1, iterations + 1):
        flow = net(ones).sum()
        gradients = torch.autograd.grad(flow, case.weights)
        scores = case.flat([(g * w).abs() for g, w in zip(gradients, case.weights)]) * alive
        if t < iterations:
            d = first - (first - density) * t / iterations if linear else first * (density / first) ** (t / iterations)
            alive = kept(scores, int(d * n + 0.5), alive)
            with torch.no_grad():
                for w, m in zip(case.weights, alive.split([w.numel() for w in case.weights])):
                    w[~m.view_as(w)] = 0.0
    return scores


def kept(scores, n_kept, candidates):
    """By definition: the highest scores, of equal ones the first."""
    scores = torch.where(candidates, scores, -torch.inf)
    order = torch.sort(scores, descending=True, stable=True).indices[:n_kept]
    mask = torch.zeros(len(scores), dtype=torch.bool)
    mask[order] = True
    return mask


def digest(mask):
    return hashlib.sha256(np.packbits(mask.numpy(), bitorder="little").tobytes()).hexdigest()


def the_set(case, scores, density):
    candidates = torch.cat(list(case.kept))
    n_kept = int(density * len(scores) + 0.5)
    mask = kept(scores, n_kept, candidates)
    threshold = scores[mask].min()
    undecided = ((scores - threshold).abs() <= BAND * threshold.abs()) & candidates
    places = undecided.nonzero().flatten().tolist()
    assert len(places) < 10, "the weight at the threshold, and perhaps another"
    layers = [m.sum().item() for m in mask.split([w.numel() for w in case.weights])]
    return {
        "density": density, "n_kept": n_kept, "threshold": threshold.item(), "layers": layers,
        "undecided": places, "sha256": digest(mask & ~undecided),
    }  # fmt: skip


METHODS = {"magnitude": magnitude, "snip": snip, "grasp": grasp, "fisher": fisher, "wood-fisher": wood_fisher}
CASES = [
    ("resnet20", 10, 16, 32, 24, False),
    ("resnet20", 10, 16, 32, 24, True),
    ("resnet18", 20, 16, 64, 16, False),
]
DENSITIES = [0.2, 0.05]


def main():
    torch.set_num_threads(1)
    cases = []
    for arguments in CASES:
        model, classes, width, size, n_images, masked = arguments
        methods = {}
        for name, method in METHODS.items():
            case = Case(*arguments)
            scores = method(case)
            methods[name] = {
                "sample": scores[torch.arange(200) * 99_991 % len(scores)].tolist(),
                "sets": [the_set(case, scores, density) for density in DENSITIES],
            }
        for name, density, iterations, linear in [("synflow", 0.05, 100, False), ("synflow-linear", 0.2, 10, True)]:
            case = Case(*arguments)
            scores = synflow(case, density, iterations, linear)
            methods[name] = {"iterations": iterations, "sample": [], "sets": [the_set(case, scores, density)]}
        cases.append({
            "model": model, "classes": classes, "width": width, "size": size, "images": n_images, "masked": masked,
            "methods": methods,
        })  # fmt: skip
        print(model, masked, file=sys.stderr, flush=True)
    json.dump({"torch": torch.__version__, "cases": cases}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
