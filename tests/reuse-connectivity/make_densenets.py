#!/usr/bin/env python3
"""Two torchvision state_dicts and the curves between them (made with torch 2.11.0, torchvision 0.26.0).

    python3 -m pip install torch==2.11.0 torchvision==0.26.0 safetensors==0.8.0
    python3 make_densenets.py

Trains torchvision's own DenseNet, made small, twice from different seeds, and writes the state_dicts as they are
(a.safetensors, b.safetensors), the images and labels (images.safetensors) and loss and error at 7 points between
the two, computed in float64, under the BatchNorm rules that interpolate and recalibrate (curves.safetensors).
"""
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn
from torchvision.models.densenet import DenseNet

HERE = pathlib.Path(__file__).parent
CLASSES, BATCH, POINTS = 4, 20, 7


def densenet():
    return DenseNet(growth_rate=4, block_config=(2, 2), num_init_features=8, bn_size=2, num_classes=CLASSES)


def examples():
    """48 noisy images of 16 × 16: a class is a pattern of 4 × 4 blocks."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.rand(CLASSES, 3, 4, 4, generator=generator)
    labels = torch.arange(48) % CLASSES
    blocks = patterns[labels].repeat_interleave(4, 2).repeat_interleave(4, 3)
    noise = torch.rand(48, 3, 16, 16, generator=generator)
    return ((0.5 * blocks + 0.5 * noise) * 255).to(torch.uint8), labels


def normalised(pixels):
    return pixels.double() / 127.5 - 1.0


def trained(seed, images, labels):
    torch.manual_seed(seed)
    model = densenet()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    model.train()
    for _ in range(30):
        optimiser.zero_grad()
        F.cross_entropy(model(images.float()), labels).backward()
        optimiser.step()
    return model.state_dict()


def recalibrate(model, images):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    model.train()
    for batch in images.split(BATCH):
        model(batch)
    model.eval()


def main():
    torch.set_num_threads(1)
    pixels, labels = examples()
    images = normalised(pixels)
    a, b = [trained(seed, images, labels) for seed in (1, 2)]
    curves = {}
    with torch.no_grad():
        for rule in ["interpolate", "recalibrate"]:
            losses, errors = [], []
            for alpha in torch.linspace(0, 1, POINTS, dtype=torch.float64).tolist():
                model = densenet().double()
                point = {k: (1 - alpha) * a[k].double() + alpha * b[k].double() for k in a if "batches" not in k}
                model.load_state_dict(point, strict=False)
                model.eval()
                if rule == "recalibrate":
                    recalibrate(model, images)
                logits = model(images)
                losses.append(F.cross_entropy(logits, labels))
                errors.append((logits.argmax(1) != labels).double().mean())
                top = logits.topk(2, dim=1).values
                assert (top[:, 0] - top[:, 1]).min() > 1e-4, "an error must not hang on rounding"
            curves[f"{rule}.loss"], curves[f"{rule}.error"] = torch.stack(losses), torch.stack(errors)
            print(rule, [round(v.item(), 3) for v in losses], [round(v.item(), 3) for v in errors])
    for name, tensors in [("a", a), ("b", b), ("images", {"pixels": pixels, "labels": labels}), ("curves", curves)]:
        save_file(tensors, HERE / f"{name}.safetensors")


if __name__ == "__main__":
    main()
