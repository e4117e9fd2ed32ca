#!/usr/bin/env python3
"""Exported networks, and what PyTorch says of them (made with torch 2.11.0, torchvision 0.26.0).

    python3 -m pip install torch==2.11.0 torchvision==0.26.0 numpy
    python3 make_networks.py FOLDER

writes NAME.pt and NAME.json for each of `networks.py`. Losses, scores, products and curves are of the modules themselves, in float64,
not of what was exported. Two formulas of libtorch's own are written out where it has no second derivative of them: attention
(`SDPBackend.MATH`) and hardswish. The Hessian's largest eigenvalues come from differences of gradients, which need none.

Weights and images follow a formula (`value`, `filled`) that the tests repeat, so that only results are committed. A kept set is
committed as packed bits, with those of the weights near the threshold, whose place float32 may change.
"""
import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[3] / "python"))
sys.path.insert(0, str(HERE.parent))
from export_network import export  # noqa: E402
from make_logits import value  # noqa: E402
from networks import NETWORKS  # noqa: E402

N, SIDE, DENSITY, TEMPERATURE, ITERATIONS = 24, 16, 0.3, 200.0, 100
BAND = 1e-3
POINTS = 5


def filled(described, salt):
    """Values of every tensor by formula, rounded to float32: tensor number i, buffers behind parameters, has salt `salt` + i."""
    state = {}
    for i, entry in enumerate(described["params"] + described["buffers"]):
        shape = entry.get("shape", [entry.get("n")])
        v = value(int(np.prod(shape)), salt + i)
        fan_in = int(np.prod(shape[1:]))
        scale, shift = {
            "conv": (np.sqrt(6.0 / fan_in), 0.0),
            "linear": (np.sqrt(6.0 / fan_in), 0.0),
            "norm-scale": (0.25, 1.0),
            "running-var": (0.25, 1.0),
        }.get(entry["kind"], (0.25, 0.0))
        state[entry["name"]] = torch.from_numpy((shift + scale * v).astype(np.float32)).double().reshape(shape)
    return state


def filling(module, state):
    missing, extra = module.load_state_dict(state, strict=False)
    beside = {name for name, _ in module.named_parameters(remove_duplicate=False)} - dict(module.named_parameters()).keys()
    beside |= {name for name, buffer in module.named_buffers() if not buffer.is_floating_point()}
    assert not extra and set(missing) <= beside, (missing, extra)
    return module


def probe():
    pixels = value(N * 3 * SIDE * SIDE, 9001).reshape(N, 3, SIDE, SIDE)
    colour = value(N * 3, 9002).reshape(N, 3, 1, 1)
    return torch.from_numpy((pixels + 2.0 * colour).astype(np.float32)).double(), torch.arange(N) % 10


class Hardswish(nn.Module):
    def __init__(self, inplace):
        super().__init__()
        self.inplace = inplace

    def forward(self, x):
        return x.copy_(x.clone() * F.relu6(x.clone() + 3.0) / 6.0) if self.inplace else x * F.relu6(x + 3.0) / 6.0


class Hardsigmoid(nn.Module):
    def forward(self, x):
        return F.relu6(x + 3.0) / 6.0


def twice_differentiable(module):
    for child in list(module.modules()):
        for name, part in child.named_children():
            if isinstance(part, nn.Hardswish):
                setattr(child, name, Hardswish(part.inplace))
            elif isinstance(part, nn.Hardsigmoid):
                setattr(child, name, Hardsigmoid())
    return module


class Weights:
    """The prunable weights of a module, and sums over them."""

    def __init__(self, module, described):
        params = dict(module.named_parameters())
        self.tensors = [params[entry["name"]] for entry in described["params"] if "positions" in entry]
        self.sizes = [tensor.numel() for tensor in self.tensors]

    def flat(self, tensors):
        return torch.cat([tensor.detach().flatten() for tensor in tensors])

    def times(self, gradients):
        return self.flat(gradients) * self.flat(self.tensors)


def gradients(loss, tensors, **words):
    found = torch.autograd.grad(loss, tensors, allow_unused=True, **words)
    return [torch.zeros_like(t) if g is None else g for g, t in zip(found, tensors)]


def scores(module, described, x, y):
    weights = Weights(module, described)
    loss = F.cross_entropy(module(x), y)
    found = {"magnitude": weights.flat(weights.tensors).abs()}
    found["snip"] = weights.times(gradients(loss, weights.tensors)).abs()
    tempered = gradients(F.cross_entropy(module(x) / TEMPERATURE, y), weights.tensors, create_graph=True)
    slope = sum((g.detach() * g).sum() for g in tempered)
    found["grasp"] = weights.times(gradients(slope, weights.tensors))
    squares = 0.0
    for i in range(len(y)):
        squares += weights.flat(gradients(F.cross_entropy(module(x[i : i + 1]), y[i : i + 1]), weights.tensors)).square()
    found["fisher"] = 0.5 * weights.flat(weights.tensors).square() * squares / len(y)
    return {name: (s, torch.ones(len(s), dtype=torch.bool)) for name, s in found.items()}


def synflow(module, described):
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.abs_()
        for name, tensor in module.named_buffers():
            if name.endswith("running_mean"):
                tensor.zero_()
            elif name.endswith("running_var"):
                tensor.fill_(1.0)
    weights = Weights(module, described)
    n = sum(weights.sizes)
    alive = torch.ones(n, dtype=torch.bool)
    ones = torch.ones(1, 3, SIDE, SIDE, dtype=torch.float64)
    for t in range(1, ITERATIONS + 1):
        found = weights.times(gradients(module(ones).sum(), weights.tensors)).abs()
        if t < ITERATIONS:
            alive = kept(found, int(DENSITY ** (t / ITERATIONS) * n + 0.5), alive)
            with torch.no_grad():
                for tensor, bits in zip(weights.tensors, alive.split(weights.sizes)):
                    tensor[~bits.view_as(tensor)] = 0.0
    return found, alive


def kept(found, n_kept, candidates):
    """The highest scores, of equal ones the first."""
    order = torch.sort(torch.where(candidates, found, -torch.inf), descending=True, stable=True).indices[:n_kept]
    bits = torch.zeros(len(found), dtype=torch.bool)
    bits[order] = True
    return bits


def packed(bits):
    return np.packbits(bits.numpy(), bitorder="little").tobytes().hex()


def mask(found, candidates):
    n_kept = int(DENSITY * len(found) + 0.5)
    bits = kept(found, n_kept, candidates)
    threshold = found[bits].min()
    size = max(threshold.abs(), found[candidates].abs().median())
    undecided = ((found - threshold).abs() <= BAND * size) & candidates
    return {"n_kept": n_kept, "n_undecided": int(undecided.sum()), "kept": packed(bits), "undecided": packed(undecided)}


def largest(module, x, y, n_steps):
    """Lanczos with full reorthogonalisation on central differences of the gradient."""
    params = list(module.parameters())
    start = torch.cat([p.detach().flatten() for p in params])

    def gradient(theta):
        with torch.no_grad():
            for p, part in zip(params, theta.split([p.numel() for p in params])):
                p.copy_(part.view_as(p))
        loss = F.cross_entropy(module(x), y)
        return torch.cat([g.flatten() for g in gradients(loss, params)])

    def product(v):
        # So small that hardly any ReLU changes sides.
        step = 1e-8 / v.abs().max()
        return (gradient(start + step * v) - gradient(start - step * v)) / (2 * step)

    v = torch.from_numpy(value(len(start), 7))
    basis, alphas, betas = [v / v.norm()], [], []
    for _ in range(n_steps):
        w = product(basis[-1])
        alphas.append((w @ basis[-1]).item())
        for _ in range(2):
            for b in basis:
                w -= (w @ b) * b
        betas.append(w.norm().item())
        basis.append(w / w.norm())
    values, vectors = np.linalg.eigh(np.diag(alphas) + np.diag(betas[:-1], 1) + np.diag(betas[:-1], -1))
    residuals = np.abs(betas[-1] * vectors[-1])[::-1][:3]
    assert (residuals < 1e-4 * values[-1]).all(), residuals
    product(v)
    return [float(value) for value in values[::-1][:3]]


def recalibrate(module, x):
    norms = [child for child in module.modules() if isinstance(child, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    module.train()
    for child in module.modules():
        if isinstance(child, nn.Dropout):
            child.eval()
    module(x)
    module.eval()


def curves(make, a, b, x, y):
    found = {}
    for rule in ("interpolate", "recalibrate", "endpoint"):
        losses, errors = [], []
        for alpha in np.linspace(0.0, 1.0, POINTS):
            point = {name: (1.0 - alpha) * a[name] + alpha * b[name] for name in a}
            if rule == "endpoint":
                point.update({name: (a if alpha <= 0.5 else b)[name] for name in a if "running" in name})
            module = filling(make().double(), point).eval()
            with torch.no_grad():
                if rule == "recalibrate":
                    recalibrate(module, x)
                logits = module(x)
            losses.append(F.cross_entropy(logits, y).item())
            errors.append((logits.argmax(1) != y).double().mean().item())
        found[rule] = {"loss": losses, "error": errors}
    return found


def main():
    torch.set_num_threads(1)
    folder = pathlib.Path(sys.argv[1])
    x, y = probe()
    for name, make in NETWORKS.items():
        torch.manual_seed(0)
        module = make()
        described = export(module, torch.zeros(1, 3, SIDE, SIDE), folder / f"{name}.pt")
        names = [entry["name"] for entry in described["params"] + described["buffers"]]
        beside = described.get("beside", [])
        state_dict = [key for key in module.state_dict() if not key.endswith("num_batches_tracked") and key not in beside]
        assert sorted(names) == sorted(state_dict) and [n for n in state_dict if n in names[: len(described["params"])]] == names[
            : len(described["params"])
        ], "the names and the order of the state_dict"
        a, b = filled(described, 1), filled(described, 2001)

        def fresh():
            return filling(make().double(), a).eval()

        logits = fresh()(x)
        with sdpa_kernel(SDPBackend.MATH):
            found = scores(twice_differentiable(fresh()), described, x, y)
            found["synflow"] = synflow(fresh(), described)
            eigenvalues = largest(fresh(), x, y, 60)
        golden = {
            "torch": torch.__version__,
            "names": names,
            "loss": F.cross_entropy(logits, y).item(),
            "accuracy": (logits.argmax(1) == y).double().mean().item(),
            "logits": [round(v, 9) for v in logits[:3].flatten().tolist()],
            "masks": {method: mask(*values) for method, values in found.items()},
            "eigenvalues": eigenvalues,
            "curves": curves(make, a, b, x, y),
        }
        (folder / f"{name}.json").write_text(json.dumps(golden, indent=1) + "\n")
        undecided = {method: (m["n_undecided"], m["n_kept"]) for method, m in golden["masks"].items()}
        print(name, golden["loss"], golden["accuracy"], eigenvalues, undecided, file=sys.stderr)


if __name__ == "__main__":
    main()
