#!/usr/bin/env python3
"""Goldens for sculpt-hessian from PyTorch in float64 (made with torch 2.11.0, numpy 2.4.6, scipy 1.17.1).

    python3 -m pip install torch==2.11.0 numpy==2.4.6 scipy==1.17.1
    python3 make_spectra.py

Writes tiny.json, resnet8.json and resnet20.json beside itself. Weights, images and labels follow a formula (`value`) that the
tests repeat. tiny: a network of two convolutions with BatchNorm and a linear layer, 365 parameters; its Hessian
and its Gauss-Newton matrix are formed densely. resnet8: of width 4, the diagonal of its Hessian, a product a
coordinate. resnet20: 272,474 parameters, 16 images; the three largest
eigenvalues by scipy's Lanczos (ARPACK). Each with and without a mask. Plain nn.Module in evaluation mode; nothing
is folded here.
"""
import json
import pathlib

import numpy as np
import scipy
import scipy.sparse.linalg
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

torch.set_default_dtype(torch.float64)
torch.set_num_threads(2)


def value(n, salt):
    """n numbers in [-1, 1): a multiplicative hash of the index, exact in float64."""
    i = np.arange(n, dtype=np.uint64)
    h = (i * np.uint64(2654435761) + np.uint64(salt) * np.uint64(40503)) & np.uint64(0xFFFFFFFF)
    h = (h ^ (h >> np.uint64(15))) * np.uint64(2246822519) & np.uint64(0xFFFFFFFF)
    h = h ^ (h >> np.uint64(13))
    return h.astype(np.float64) / 2147483648.0 - 1.0


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6)
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.fc(x.mean((2, 3)))


class Block(nn.Module):
    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out)
        self.conv2, self.bn2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out)
        self.downsample = None
        if stride != 1 or n_in != n_out:
            self.downsample = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, blocks, width, classes):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        n_in = width
        for stage in range(3):
            n_out = width << stage
            first = Block(n_in, n_out, 2 if stage else 1)
            others = [Block(n_out, n_out, 1) for _ in range(blocks - 1)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(first, *others))
            n_in = n_out
        self.fc = nn.Linear(4 * width, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


def fill(model):
    """By formula, rounded to float32 so that both precisions start from the same numbers. Salts are places among
    the parameters, and 1000 + places among the running statistics."""
    with torch.no_grad():
        for salt, (name, p) in enumerate(model.named_parameters()):
            v = value(p.numel(), salt + 1)
            if p.dim() > 1:
                v = v * np.sqrt(3.0 / (p.numel() // p.shape[0]))
            elif "bn" in name and name.endswith("weight") or "downsample.1.weight" in name:
                v = 1.0 + 0.25 * v
            else:
                v = 0.25 * v
            p.copy_(torch.from_numpy(v.astype(np.float32).astype(np.float64)).reshape(p.shape))
        running = [(k, b) for k, b in model.named_buffers() if "num_batches" not in k]
        for place, (name, b) in enumerate(running):
            v = value(b.numel(), 1000 + place)
            v = 1.0 + 0.5 * v if name.endswith("running_var") else 0.25 * v
            b.copy_(torch.from_numpy(v.astype(np.float32).astype(np.float64)))


class Loss:
    """Mean cross-entropy as a function of the flat parameter vector, and its derivatives along free coordinates."""

    def __init__(self, model, images, labels, masked):
        self.model, self.images, self.labels = model.eval(), images, labels
        named = list(model.named_parameters())
        # A prunable weight goes where its number in value(n, 777) is negative.
        prunable = sum(p.numel() for _, p in named if p.dim() > 1)
        kept = torch.from_numpy(value(prunable, 777) >= 0) if masked else torch.ones(prunable, dtype=torch.bool)
        free, at = [], 0
        for _, p in named:
            if p.dim() > 1:
                free.append(kept[at : at + p.numel()])
                at += p.numel()
            else:
                free.append(torch.ones(p.numel(), dtype=torch.bool))
        self.free = torch.cat(free)
        self.theta = torch.cat([p.detach().flatten() for _, p in named]) * self.free
        self.shapes = [(name, p.shape) for name, p in named]

    def logits(self, theta):
        parts = theta.split([int(np.prod(s)) for _, s in self.shapes])
        parameters = {name: part.reshape(s) for part, (name, s) in zip(parts, self.shapes)}
        return functional_call(self.model, parameters, (self.images,))

    def graph(self):
        """theta, and the gradient as a function of it."""
        theta = self.theta.clone().requires_grad_()
        loss = F.cross_entropy(self.logits(theta), self.labels)
        (gradient,) = torch.autograd.grad(loss, theta, create_graph=True)
        return loss.item(), theta, gradient

    def product(self, theta, gradient, v):
        (hv,) = torch.autograd.grad((gradient * (v * self.free)).sum(), theta, retain_graph=True)
        return hv * self.free

    def gauss_newton(self):
        """Dense over all coordinates; pruned rows and columns are 0."""
        jacobian = torch.func.jacrev(self.logits)(self.theta) * self.free
        p = self.logits(self.theta).softmax(1).detach()
        a = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
        return torch.einsum("nki,nkl,nlj->ij", jacobian, a, jacobian) / len(p)


def probe(n, size, classes):
    images = torch.from_numpy(value(n * 3 * size * size, 9999).astype(np.float32).astype(np.float64))
    return images.reshape(n, 3, size, size), torch.arange(n) * 3 % classes


def at_formula(model, size_of_probe, masked):
    """The loss as a function, its value, and theta with the gradient."""
    fill(model)
    loss = Loss(model, *probe(*size_of_probe), masked)
    return loss, *loss.graph()


def tiny(masked):
    loss, at, theta, gradient = at_formula(Tiny(), (11, 8, 3), masked)
    n = len(theta)
    hessian = torch.stack([loss.product(theta, gradient, e) for e in torch.eye(n)]).numpy()
    assert np.abs(hessian - hessian.T).max() < 1e-13
    free = loss.free.numpy()
    v = torch.from_numpy(value(n, 555))
    gauss_newton = loss.gauss_newton()
    return {
        "masked": masked,
        "n_params": n,
        "n_free": int(free.sum()),
        "loss": at,
        "gradient": (gradient.detach() * loss.free).tolist(),
        "product": loss.product(theta, gradient, v).tolist(),
        "gauss_newton_product": (gauss_newton @ (v * loss.free)).tolist(),
        "trace": float(np.trace(hessian)),
        "eigenvalues": np.linalg.eigvalsh(hessian[np.ix_(free, free)])[::-1].tolist(),
    }


def resnet8(masked):
    loss, at, theta, gradient = at_formula(ResNet(1, 4, 5), (7, 8, 5), masked)
    n = len(theta)
    diagonal = np.zeros(n)
    unit = torch.zeros(n)
    for j in range(n):
        unit.zero_()[j] = 1.0
        diagonal[j] = loss.product(theta, gradient, unit)[j]
    print("resnet8", masked, n, diagonal.sum(), flush=True)
    return {
        "masked": masked,
        "n_params": n,
        "loss": at,
        "trace": float(diagonal.sum()),
        "diagonal_norm": float(np.linalg.norm(diagonal)),
        "every_97th": diagonal[::97].tolist(),
    }


def resnet20(masked):
    loss, at, theta, gradient = at_formula(ResNet(3, 16, 10), (16, 32, 10), masked)
    n = len(theta)
    count = 0

    def product(v):
        nonlocal count
        count += 1
        return loss.product(theta, gradient, torch.from_numpy(v.reshape(-1).copy())).numpy()

    start = value(n, 555) * loss.free.numpy()
    operator = scipy.sparse.linalg.LinearOperator((n, n), matvec=product, dtype=np.float64)
    values, vectors = scipy.sparse.linalg.eigsh(operator, k=3, which="LA", v0=start, tol=1e-9, ncv=24)
    order = np.argsort(values)[::-1]
    residuals = [float(np.linalg.norm(product(vectors[:, i]) - values[i] * vectors[:, i])) for i in order]
    print("resnet20", masked, values[order], residuals, count, flush=True)
    return {
        "masked": masked,
        "n_params": n,
        "n_free": int(loss.free.sum()),
        "loss": at,
        "gradient_norm": float((gradient.detach() * loss.free).norm()),
        "product_norm": float(np.linalg.norm(product(start))),
        "eigenvalues": values[order].tolist(),
        "residuals": residuals,
    }


def main():
    folder = pathlib.Path(__file__).parent
    versions = {"torch": torch.__version__, "numpy": np.__version__, "scipy": scipy.__version__}
    for name, case in (("tiny", tiny), ("resnet8", resnet8), ("resnet20", resnet20)):
        goldens = {**versions, "cases": [case(False), case(True)]}
        (folder / f"{name}.json").write_text(json.dumps(goldens, indent=1) + "\n")


if __name__ == "__main__":
    main()
