#!/usr/bin/env python3
"""Compares `sculpt eval` of files of torch.save, in every dialect, whole and nested, with PyTorch.

    python3 -m pip install torch==2.11.0 torchvision==0.26.0 timm==1.0.31 numpy safetensors
    python3 compare_torch_files.py [path of the sculpt binary]

Each case is a network with random weights (BatchNorm statistics drawn too), saved under a dialect's names and in some
wrapping; loss and logits must agree to 1e-5. Then a published state is exported in every dialect and both forms, and must
come back bit for bit through torch.load(weights_only=True) and safetensors. Names are written here a second time, as
rules for whole state_dicts; torchvision's and timm's come from their own classes. Exits with 1 if one fails.
"""
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch.nn.utils import prune

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE.parents[1] / "sculpt-models" / "goldens"))
from compare_eval import randomise  # noqa: E402
from make_logits import build  # noqa: E402

TOLERANCE = 1e-5
BLOCKS = {"resnet20": 3, "resnet8": 1}


def kuangliu(name, model):
    return re.sub(r"^fc\.", "linear.", name.replace("downsample", "shortcut"))


def open_lth(name, model):
    if model == "vgg16":
        convs = [0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40]
        layers = [0, 1, 3, 4, 6, 7, 8, 10, 11, 12, 14, 15, 16]
        kind, place, rest = (name.split(".", 2) + [""])[:3]
        if kind == "classifier":
            return f"fc.{place}"
        place = int(place)
        if place in convs:
            return f"layers.{layers[convs.index(place)]}.conv.{rest}"
        return f"layers.{layers[convs.index(place - 1)]}.bn.{rest}"
    name = re.sub(r"^conv1", "conv", re.sub(r"^bn1", "bn", name)).replace("downsample", "shortcut")
    return re.sub(r"^layer(\d)\.(\d)", lambda m: f"blocks.{BLOCKS[model] * (int(m[1]) - 1) + int(m[2])}", name)


def weiaicunzai(name, model):
    name = re.sub(r"^bn1", "conv1.1", re.sub(r"^conv1", "conv1.0", name)).replace("downsample", "shortcut")
    name = re.sub(r"^layer(\d)\.(\d)\.", lambda m: f"conv{int(m[1]) + 1}_x.{m[2]}.", name)
    name = re.sub(r"\.conv(\d)\.", lambda m: f".residual_function.{3 * (int(m[1]) - 1)}.", name)
    return re.sub(r"\.bn(\d)\.", lambda m: f".residual_function.{3 * (int(m[1]) - 1) + 1}.", name)


def same(name, model):
    return name


def flat(state, model):
    return state


def lightning(state, model):
    """With an optimiser's state, and counters of thop beside the weights."""
    kept = {f"model.{k}": v for k, v in state.items()}
    kept["total_ops"], kept["total_params"] = torch.zeros(1).double(), torch.zeros(1).double()
    return {"epoch": 3, "state_dict": kept, "optimizer_states": [stepped(model)], "hyper_parameters": {"lr": 0.1}}


def stepped(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0, momentum=0.9)
    sum((p * p).sum() for p in model.parameters()).backward()
    optimizer.step()
    return optimizer.state_dict()


def trained(state, model):
    return {"net": {f"module._orig_mod.{k}": v for k, v in state.items()}, "acc": 91.0, "optimizer": stepped(model)}


def model_state_dict(state, model):
    return {"model_state_dict": {f"backbone.{k}": v for k, v in state.items()}, "extra": torch.ones(3)}


def swa(state, model):
    kept = {f"module.encoder.{k}": v for k, v in state.items()}
    return {**kept, "n_averaged": torch.tensor(7), "module.normalize.mean": torch.zeros(3), "module.normalize.std": torch.ones(3)}


LEGACY = {"_use_new_zipfile_serialization": False}

# model, classes, width, shortcut, side, dialect's words, names, wrapping, how it is saved
CASES = [
    ("resnet20", 10, 16, None, 32, "torchvision", same, flat, {}),
    ("resnet20", 10, 16, "identity", 32, "akamaster", kuangliu, flat, {}),
    ("resnet20", 10, 16, "identity", 32, "akamaster", kuangliu, trained, LEGACY),
    ("resnet20", 10, 16, None, 32, "open_lth", open_lth, flat, {}),
    ("resnet8", 10, 8, None, 32, "open_lth", open_lth, lightning, {}),
    ("resnet18-cifar", 10, 64, None, 32, "kuangliu", kuangliu, flat, {}),
    ("resnet18-cifar", 10, 16, None, 32, "kuangliu", kuangliu, trained, {}),
    ("resnet50-cifar", 100, 16, None, 32, "weiaicunzai", weiaicunzai, swa, {}),
    ("resnet18-cifar", 100, 64, None, 32, "weiaicunzai", weiaicunzai, model_state_dict, LEGACY),
    ("resnet18", 1000, 64, None, 64, "torchvision", same, lightning, {}),
    ("resnet50", 1000, 64, None, 64, "torchvision", same, flat, LEGACY),
    ("vgg16", 10, 64, None, 32, "torchvision", same, trained, {}),
    ("vgg16", 10, 16, None, 32, "open_lth", open_lth, swa, {}),
    ("resnet18", 1000, 64, None, 64, "timm", None, flat, {}),
    ("resnet50", 1000, 64, None, 64, "timm", None, trained, {}),
]


def sculpt(binary, *words):
    return subprocess.run([binary, *map(str, words)], capture_output=True, text=True, cwd=ROOT)


def evaluate(binary, folder, model, flags, file):
    """The largest of the differences between PyTorch's loss and logits and sculpt's, and what sculpt said."""
    images, labels = torch.randn(16, 3, flags["side"], flags["side"]), torch.randint(flags["classes"], (16,))
    torch.save({"images": images, "labels": labels.to(torch.int32)}, folder / "probe.pt")
    model.eval()
    with torch.no_grad():
        expected = model(images)
        loss = F.cross_entropy(expected, labels).item()
    words = ["eval", "--model", flags["model"], "--classes", flags["classes"], "--width", flags["width"], "--json"]
    words += ["--weights", file, "--probe", folder / "probe.pt", "--out", folder / "logits.safetensors", "--verbose"]
    words += ["--shortcut", flags["shortcut"]] if flags["shortcut"] else []
    done = sculpt(binary, *words)
    if done.returncode:
        return float("inf"), done.stderr.strip()
    logits = load_file(folder / "logits.safetensors")["logits"]
    off = ((logits - expected).double().norm() / expected.double().norm()).item()
    return max(off, abs(json.loads(done.stdout)["loss"] - loss)), done.stderr.strip()


def compare(binary, folder, case):
    name, classes, width, shortcut, side, word, rename, wrap, how = case
    timms = timm.create_model(name, num_classes=classes) if word == "timm" else None
    model = timms or build(name, classes, width, shortcut)
    randomise(model)
    state = {(rename or same)(k, name): v for k, v in model.state_dict().items()}
    file = folder / "weights.pth"
    torch.save(wrap(state, model), file, **how)
    flags = {"model": name, "classes": classes, "width": width, "shortcut": shortcut, "side": side}
    return evaluate(binary, folder, model, flags, file)


def whole(binary, folder):
    """A module saved whole, pruned by torch.nn.utils.prune, inside DataParallel."""
    model = build("resnet20", 10, 16, None)
    randomise(model)
    for module in list(model.modules())[::2]:
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            prune.random_unstructured(module, "weight", 0.7)
    torch.save(torch.nn.DataParallel(model), folder / "whole.pth")
    flags = {"model": "resnet20", "classes": 10, "width": 16, "shortcut": None, "side": 32}
    return evaluate(binary, folder, model, flags, folder / "whole.pth")


def exported(binary, folder, word):
    """A published state in a dialect's names, as both kinds of files."""
    node = json.loads((ROOT / "data/published/demo/manifest.json").read_text())[0]["id"]
    states = {}
    for end, load in [("pth", lambda f: torch.load(f, weights_only=True)), ("safetensors", load_file)]:
        file = folder / f"out.{end}"
        done = sculpt(binary, "export", node, "--torch", file, "--as", word)
        if done.returncode:
            return float("inf"), done.stderr.strip()
        states[end] = load(file)
    a, b = states["pth"], states["safetensors"]
    equal = a.keys() == b.keys() and all(torch.equal(a[k], b[k]) and a[k].dtype == b[k].dtype for k in a)
    return (0.0 if equal else float("inf")), f"{len(a)} tensors, the last {list(a)[-1]}"


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "target" / "release" / "sculpt")
    torch.manual_seed(1)
    failed, total = 0, 0

    def report(what, result):
        nonlocal failed, total
        off, said = result
        failed, total = failed + (off > TOLERANCE), total + 1
        said = said.replace("\n", "; ")
        print(f"{'ok  ' if off <= TOLERANCE else 'FAIL'} {what}: {off:.1e}; {said}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for case in CASES:
            name, classes, width, shortcut, side, word, _, wrap, how = case
            report(f"{name} {word} {wrap.__name__}{' legacy' if how else ''}", compare(binary, folder, case))
        report("whole module", whole(binary, folder))
        for word in ["torchvision", "timm", "akamaster", "kuangliu", "open_lth", "weiaicunzai"]:
            report(f"export as {word}", exported(binary, folder, word))
    print(f"{total - failed} of {total} within {TOLERANCE:g}")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
