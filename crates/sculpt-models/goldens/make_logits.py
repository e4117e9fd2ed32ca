#!/usr/bin/env python3
"""Goldens for sculpt-models from PyTorch and torchvision (made with torch 2.11.0, torchvision 0.26.0).

    python3 -m pip install torch==2.11.0 torchvision==0.26.0
    python3 make_logits.py > logits.json

Weights and images follow a formula (see `value`) that the test repeats, so that only results are committed.
ResNet-18 and -50 are torchvision's own classes, and so are VGG-16's features; the CIFAR family is written here in plain nn.Module, with
the shortcuts of open_lth (projection) and of He et al.'s option A (identity).
"""
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck


def value(n, salt):
    """n numbers in [-1, 1): a multiplicative hash of the index, exact in float64."""
    i = np.arange(n, dtype=np.uint64)
    h = (i * np.uint64(2654435761) + np.uint64(salt) * np.uint64(40503)) & np.uint64(0xFFFFFFFF)
    h = (h ^ (h >> np.uint64(15))) * np.uint64(2246822519) & np.uint64(0xFFFFFFFF)
    h = h ^ (h >> np.uint64(13))
    return h.astype(np.float64) / 2147483648.0 - 1.0


class Wide(torchvision.models.ResNet):
    """torchvision's ResNet with another base width and, for CIFAR, another stem."""

    def __init__(self, block, layers, classes, width, cifar):
        nn.Module.__init__(self)
        self._norm_layer, self.inplanes, self.dilation = nn.BatchNorm2d, width, 1
        self.groups, self.base_width = 1, 64
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False) if cifar else nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1, self.relu = nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if cifar else nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._make_layer(block, width, layers[0])
        self.layer2 = self._make_layer(block, 2 * width, layers[1], stride=2)
        self.layer3 = self._make_layer(block, 4 * width, layers[2], stride=2)
        self.layer4 = self._make_layer(block, 8 * width, layers[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(8 * width * block.expansion, classes)


class Block(nn.Module):
    def __init__(self, n_in, n_out, stride, identity):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out)
        self.conv2, self.bn2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out)
        self.downsample, self.pad = None, 0
        if stride != 1 or n_in != n_out:
            if identity:
                self.pad = n_out - n_in
            else:
                self.downsample = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.downsample is not None:
            x = self.downsample(x)
        elif self.pad:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad // 2, self.pad - self.pad // 2))
        return F.relu(y + x)


class Cifar(nn.Module):
    def __init__(self, depth, classes, width, identity):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        n_in = width
        for stage in range(3):
            blocks = []
            for block in range((depth - 2) // 6):
                blocks.append(Block(n_in, width << stage, 2 if stage and not block else 1, identity))
                n_in = width << stage
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(n_in, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


class Vgg(nn.Module):
    """torchvision's vgg16_bn up to its features, with another base width; then one linear layer on their mean."""

    def __init__(self, classes, width):
        super().__init__()
        d = torchvision.models.vgg.cfgs["D"]
        cfg = [n if n == "M" else n * width // 64 for n in d]
        self.features = torchvision.models.vgg.make_layers(cfg, batch_norm=True)
        self.classifier = nn.Linear(8 * width, classes)

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


def build(name, classes, width, shortcut):
    if name == "resnet18" and width == 64:
        return torchvision.models.resnet18(num_classes=classes)
    if name == "resnet50" and width == 64:
        return torchvision.models.resnet50(num_classes=classes)
    if name == "vgg16":
        return Vgg(classes, width)
    if name.startswith(("resnet18", "resnet50")):
        kind, layers = (BasicBlock, [2, 2, 2, 2]) if "18" in name else (Bottleneck, [3, 4, 6, 3])
        return Wide(kind, layers, classes, width, name.endswith("-cifar"))
    return Cifar(int(name[6:]), classes, width, shortcut == "identity")


def fill(model):
    """Weights of every tensor by formula; salts are places in the state_dict, counters left out."""
    names = []
    with torch.no_grad():
        tensors = [(k, v) for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")]
        for salt, (name, tensor) in enumerate(tensors):
            names.append(name)
            v = value(tensor.numel(), salt + 1)
            if tensor.dim() > 1:
                v = v * np.sqrt(3.0 / (tensor.numel() // tensor.shape[0]))
            elif name.endswith("running_var"):
                v = 1.0 + 0.5 * v
            elif name.endswith(".weight"):
                v = 1.0 + 0.25 * v
            else:
                v = 0.25 * v
            tensor.copy_(torch.from_numpy(v.astype(np.float32)).reshape(tensor.shape))
    return names


def multiply_accumulates(model, images):
    """Of each convolution and linear layer on one image, in the order of the state_dict."""
    counts = {}

    def count(name):
        def hook(module, _, output):
            positions = output.shape[2] * output.shape[3] if output.dim() == 4 else 1
            counts[name] = module.weight.numel() * positions

        return hook

    layers = [(k, m) for k, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    hooks = [m.register_forward_hook(count(k)) for k, m in layers]
    with torch.no_grad():
        model(images[:1])
    for hook in hooks:
        hook.remove()
    return [counts[k] for k, _ in layers]


CASES = [
    ("resnet20", 10, 16, "projection", 32, 32),
    ("resnet20", 10, 16, "identity", 32, 32),
    ("resnet8", 7, 8, "projection", 16, 16),
    ("resnet8", 10, 5, "identity", 19, 23),
    ("resnet14", 3, 12, "projection", 28, 20),
    ("resnet18-cifar", 100, 8, None, 32, 32),
    ("resnet50-cifar", 100, 4, None, 32, 32),
    ("resnet50-cifar", 10, 16, None, 17, 40),
    ("resnet18", 20, 8, None, 32, 32),
    ("resnet18", 1000, 64, None, 64, 64),
    ("resnet50", 1000, 64, None, 64, 96),
    ("vgg16", 10, 64, None, 64, 64),
    ("vgg16", 7, 4, None, 70, 107),
    ("vgg16", 100, 6, None, 64, 96),
]


def main():
    torch.set_num_threads(2)
    cases = []
    for name, classes, width, shortcut, height, wide in CASES:
        model = build(name, classes, width, shortcut)
        names = fill(model)
        n = 4
        images = torch.from_numpy(value(n * 3 * height * wide, 9999).astype(np.float32)).reshape(n, 3, height, wide)
        labels = torch.arange(n) * 3 % classes
        model.eval()
        macs = multiply_accumulates(model, images)
        with torch.no_grad():
            logits = model(images)
        model.train()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters()]).double()
        running = torch.cat([b.flatten() for k, b in model.named_buffers() if "num_batches" not in k]).double()
        cases.append(
            {
                "model": name, "classes": classes, "width": width, "shortcut": shortcut,
                "height": height, "image_width": wide, "images": n,
                "n_params": sum(p.numel() for p in model.parameters()),
                "names": names,
                "multiply_accumulates": macs,
                "logits": [round(v, 6) for v in logits[:, :12].flatten().tolist()],
                "logits_norm": logits.double().norm().item(),
                "train_loss": loss.item(),
                "gradient_norm": gradient.norm().item(),
                "gradient_first": gradient[:8].tolist(),
                "gradient_last": gradient[-8:].tolist(),
                "running_norm": running.norm().item(),
            }
        )
        print(name, width, logits.abs().max().item(), loss.item(), file=sys.stderr)
    json.dump({"torch": torch.__version__, "torchvision": torchvision.__version__, "cases": cases}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
