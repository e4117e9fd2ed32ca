#!/usr/bin/env python3
"""Goldens for sculpt-connectivity from PyTorch in float64 (made with torch 2.11.0, torchvision 0.26.0).

    python3 -m pip install torch==2.11.0 torchvision==0.26.0
    python3 make_curves.py > curves.json

Loss and error at 11 points between two ResNet-20 of width 8, under each BatchNorm rule. Weights and images follow
a formula (see `tensors` and `images`) that the test repeats; so only labels and results are committed. The network
is the plain nn.Module of sculpt-models/goldens; recalibration is PyTorch's own: BatchNorm with momentum=None.
"""
import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "sculpt-models" / "goldens"))
from make_logits import build, value  # noqa: E402

SIZE, BATCH, POINTS, CLASSES = 16, 24, 11, 10


def tensors(model, salt):
    """A state_dict by formula, rounded to float32: tensor number i (counters left out) has salt `salt` + i."""
    state = {}
    names = [name for name in model.state_dict() if not name.endswith("num_batches_tracked")]
    for i, name in enumerate(names):
        tensor = model.state_dict()[name]
        v = value(tensor.numel(), salt + i)
        if tensor.dim() > 1:
            v = v * np.sqrt(3.0 / (tensor.numel() // tensor.shape[0]))
        elif name.endswith("running_var"):
            v = 1.0 + 0.5 * v
        elif name.endswith(".weight"):
            v = 1.0 + 0.25 * v
        else:
            v = 0.25 * v
        state[name] = torch.from_numpy(v.astype(np.float32)).double().reshape(tensor.shape)
    return names, state


def images(n, salt):
    """Noise, and a colour of its own for each image: value(…, salt) + 2 value(…, salt + 1), rounded to float32."""
    noise = value(n * 3 * SIZE * SIZE, salt).reshape(n, 3, SIZE, SIZE)
    colour = value(n * 3, salt + 1).reshape(n, 3, 1, 1)
    return torch.from_numpy((noise + 2.0 * colour).astype(np.float32)).double()


def recalibrate(model, x):
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    model.train()
    for batch in x.split(BATCH):
        model(batch)
    model.eval()


def main():
    torch.set_num_threads(2)
    model = build("resnet20", CLASSES, 8, "projection").double()
    names, a = tensors(model, 1)
    _, b = tensors(model, 2001)
    x, calibration = images(64, 9001), images(56, 9003)
    model.eval()
    with torch.no_grad():
        # Images 0, 2, … are labelled by end a, the others by end b.
        labels = torch.empty(64, dtype=torch.int64)
        for first, state in enumerate([a, b]):
            model.load_state_dict(state, strict=False)
            labels[first::2] = model(x).argmax(1)[first::2]
        curves = {}
        for rule in ["interpolate", "recalibrate", "endpoint"]:
            alphas, losses, errors = np.linspace(0.0, 1.0, POINTS), [], []
            for alpha in alphas:
                point = {k: (1.0 - alpha) * a[k] + alpha * b[k] for k in names}
                if rule == "endpoint":
                    point.update({k: (a if alpha <= 0.5 else b)[k] for k in names if "running" in k})
                model.load_state_dict(point, strict=False)
                if rule == "recalibrate":
                    recalibrate(model, calibration)
                logits = model(x)
                losses.append(F.cross_entropy(logits, labels).item())
                errors.append((logits.argmax(1) != labels).double().mean().item())
                top = logits.topk(2, dim=1).values
                assert (top[:, 0] - top[:, 1]).min() > 1e-4, "an error must not hang on rounding"
            ends = {"loss": losses, "error": errors}
            straight = {k: [(1 - t) * v[0] + t * v[-1] for t in alphas] for k, v in ends.items()}
            curves[rule] = {
                "loss": losses,
                "error": errors,
                **{f"barrier_{k}": max(v) - (v[0] + v[-1]) / 2 for k, v in ends.items()},
                **{f"chord_{k}": max(y - s for y, s in zip(v, straight[k])) for k, v in ends.items()},
            }
            print(rule, [round(v, 3) for v in losses], errors, file=sys.stderr)
    json.dump(
        {"torch": torch.__version__, "names": names, "labels": labels.tolist(), "curves": curves},
        sys.stdout,
        indent=1,
    )


if __name__ == "__main__":
    main()
