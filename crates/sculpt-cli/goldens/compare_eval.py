#!/usr/bin/env python3
"""Compares `sculpt eval` with torchvision on random weights, for every model.

    python3 -m pip install torch==2.11.0 torchvision==0.26.0 numpy safetensors
    python3 compare_eval.py [path of the sculpt binary]

Saves randomly initialised weights (BatchNorm statistics and scales drawn too) and a probe as safetensors, lets
`sculpt eval` compute logits, loss and accuracy, and compares: norm of the difference over norm at most 1e-4.
Prints one line a case and exits with 1 if one fails. Networks come from sculpt-models/goldens/make_logits.py:
ResNet-18 and -50 are torchvision's own classes, the CIFAR family is written there in plain nn.Module.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "sculpt-models" / "goldens"))
from make_logits import build  # noqa: E402

TOLERANCE = 1e-4

# model, classes, width, shortcut, height, width of the images, images, type of the weights' file
CASES = [
    ("resnet20", 10, 16, None, 32, 32, 600, torch.float32),
    ("resnet20", 10, 16, "identity", 32, 32, 64, torch.float32),
    ("resnet20", 100, 16, "projection", 32, 32, 64, torch.float64),
    ("resnet20", 3, 7, None, 20, 28, 16, torch.float32),
    ("resnet20", 2, 1, None, 1, 1, 5, torch.float32),
    ("resnet8", 10, 8, None, 16, 16, 64, torch.float32),
    ("resnet8", 7, 5, "identity", 19, 23, 16, torch.float32),
    ("resnet8", 1, 16, None, 33, 31, 4, torch.float32),
    ("resnet56", 10, 4, None, 32, 32, 8, torch.float32),
    ("resnet18-cifar", 10, 64, None, 32, 32, 32, torch.float32),
    ("resnet18-cifar", 100, 8, None, 32, 32, 32, torch.bfloat16),
    ("resnet18-cifar", 5, 12, None, 17, 40, 8, torch.float32),
    ("resnet50-cifar", 100, 64, None, 32, 32, 8, torch.float32),
    ("resnet50-cifar", 10, 4, None, 24, 24, 16, torch.float16),
    ("resnet18", 1000, 64, None, 224, 224, 50, torch.float32),
    ("resnet18", 20, 8, None, 64, 96, 16, torch.float32),
    ("resnet18", 1000, 64, None, 33, 33, 8, torch.float32),
    ("resnet50", 1000, 64, None, 224, 224, 8, torch.float32),
    ("resnet50", 13, 16, None, 97, 65, 8, torch.float32),
]


def randomise(model):
    """PyTorch's own initialisation, but BatchNorm as after training: nothing is 0 or 1."""
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif name.endswith(("running_mean", "bias")):
                tensor.normal_(0, 0.1)
            elif tensor.dim() == 1:
                tensor.uniform_(0.5, 1.0)


def compare(binary, folder, case):
    name, classes, width, shortcut, height, wide, n, dtype = case
    model = build(name, classes, width, shortcut)
    randomise(model)
    state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in model.state_dict().items()}
    save_file({k: v.contiguous() for k, v in state.items()}, folder / "weights.safetensors")
    # What the file holds, in f32: rounding to bf16 is the file's, not ours.
    model.load_state_dict({k: v.to(torch.float32) if v.is_floating_point() else v for k, v in state.items()})
    images, labels = torch.randn(n, 3, height, wide), torch.randint(classes, (n,))
    save_file({"images": images, "labels": labels}, folder / "probe.safetensors")
    model.eval()
    with torch.no_grad():
        expected = torch.cat([model(part) for part in images.split(64)])
        loss = F.cross_entropy(expected, labels).item()
    words = ["eval", "--model", name, "--classes", classes, "--width", width, "--json"]
    words += ["--weights", folder / "weights.safetensors", "--probe", folder / "probe.safetensors"]
    words += ["--out", folder / "logits.safetensors"] + (["--shortcut", shortcut] if shortcut else [])
    done = subprocess.run([binary, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        return f"exit {done.returncode}: {done.stderr.strip()}", False
    report = json.loads(done.stdout)
    tensors = load_file(folder / "logits.safetensors")
    logits = tensors["logits"]
    if list(tensors) != ["logits"] or logits.dtype != torch.float32 or logits.shape != expected.shape:
        return f"wrong tensors: { {k: (v.dtype, tuple(v.shape)) for k, v in tensors.items()} }", False
    error = ((logits - expected).double().norm() / expected.double().norm()).item()
    loss_error = abs(report["loss"] - loss) / max(loss, 1e-12)
    n_correct = (expected.argmax(1) == labels).sum().item()
    # Two equal logits may fall either way.
    right = abs(report["accuracy"] * n - n_correct) < 1.5 and report["n"] == n
    fine = error <= TOLERANCE and (loss_error <= TOLERANCE or loss < 1e-6) and right
    return f"logits {error:.1e}, loss {loss_error:.1e}, accuracy {report['accuracy']:.3f} of {n}", fine


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else str(HERE.parents[2] / "target" / "release" / "sculpt")
    torch.manual_seed(1)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            text, fine = compare(binary, Path(folder), case)
            failed += not fine
            name, classes, width, shortcut, height, wide, n, dtype = case
            what = f"{name} width {width} classes {classes} {height}x{wide} {shortcut or ''} {str(dtype)[6:]}"
            print(f"{'ok  ' if fine else 'FAIL'} {what}: {text}", flush=True)
    print(f"{len(CASES) - failed} of {len(CASES)} within {TOLERANCE:g}")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
