#!/usr/bin/env python3
"""Files of torch.save for the tests of sculpt-checkpoints (made with torch 2.11.0, Python 3.11).

    python3 -m pip install torch==2.11.0 numpy
    python3 make_torch_files.py torch

One network in all of them: conv1 [2, 1, 1, 3] without bias, bn1 of 2 channels, fc [3, 2] with bias. Its parameters count up
in eighths in that order, running means are -0.5 and 0.25, running variances 1.5 and 2, so that every type of numbers holds
them exactly. The test repeats the numbers.
"""
import io
import os
import pickle
import sys
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils import prune

warnings.filterwarnings("ignore")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, (1, 3), bias=False)
        self.bn1 = nn.BatchNorm2d(2)
        self.fc = nn.Linear(2, 3)

    def forward(self, x):
        return self.fc(self.bn1(self.conv1(x)).mean((2, 3)))


def net():
    made, next_value = Net(), 1
    with torch.no_grad():
        for parameter in made.parameters():
            n = parameter.numel()
            parameter.copy_(torch.arange(next_value, next_value + n).reshape(parameter.shape) / 8)
            next_value += n
        made.bn1.running_mean.copy_(torch.tensor([-0.5, 0.25]))
        made.bn1.running_var.copy_(torch.tensor([1.5, 2.0]))
    return made


def trained(prefix):
    """A state_dict under a prefix, and that of an optimiser with momenta."""
    made = net()
    kept = OrderedDict((prefix + name, tensor.clone()) for name, tensor in made.state_dict().items())
    optimizer = torch.optim.SGD(made.parameters(), lr=0.1, momentum=0.9)
    made(torch.ones(2, 1, 1, 5)).sum().backward()
    optimizer.step()
    return kept, optimizer.state_dict()


def views():
    """One storage for all of fc, strides that are not row-major, and every type of real numbers."""
    state = net().state_dict()
    shared = torch.cat([torch.tensor([9.0]), state["fc.weight"].t().flatten(), state["fc.bias"]])
    state["fc.weight"] = shared[1:7].view(2, 3).t()
    state["fc.bias"] = shared[7:]
    state["conv1.weight"] = state["conv1.weight"].double().to(memory_format=torch.channels_last)
    state["bn1.weight"] = state["bn1.weight"].half()
    state["bn1.bias"] = state["bn1.bias"].bfloat16()
    return state


def pruned():
    made = net()
    prune.custom_from_mask(made.conv1, "weight", torch.tensor([1.0, 0, 1, 1, 0, 1]).reshape(2, 1, 1, 3))
    prune.custom_from_mask(made.fc, "weight", torch.tensor([0.0, 1, 0, 0, 1, 0]).reshape(3, 2))
    return made.state_dict()


def rewritten(data, change):
    """A zip file with one entry more or another."""
    old, new = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(new, "w", zipfile.ZIP_STORED) as archive:
        for entry in old.infolist():
            name, content, how = entry.filename, old.read(entry), zipfile.ZIP_STORED
            name, content, how = change(name, content, how)
            archive.writestr(zipfile.ZipInfo(name), content, how)
    return new.getvalue()


def big_endian(name, content, how):
    return name, b"big" if name.endswith("byteorder") else content, how


def compressed(name, content, how):
    return name, content, zipfile.ZIP_DEFLATED if "/data/" in name else how


def with_pickle(pickled):
    def change(name, content, how):
        return (name, pickled, zipfile.ZIP_DEFLATED) if name.endswith("data.pkl") else (name, content, how)
    return change


class Runs:
    """Its pickle asks for a file to be made."""

    def __reduce__(self):
        return os.system, ("touch sculpt-ran-a-pickle",)


def saved(value, **how):
    to = io.BytesIO()
    torch.save(value, to, **how)
    return to.getvalue()


def files():
    legacy = {"_use_new_zipfile_serialization": False}
    plain = net().state_dict()
    yield "zip.pth", saved(plain)
    yield "legacy.pth", saved(plain, **legacy)
    yield "whole.pt", saved(net())
    yield "data_parallel.pt", saved(nn.DataParallel(net()))
    state, optimizer = trained("module.")
    yield "nested.th", saved({"epoch": 3, "arch": "net", "state_dict": state, "best_acc1": torch.tensor(91.5),
                              "optimizer": optimizer})
    state, optimizer = trained("")
    yield "ema.bin", saved({"model": state, "optimizer": optimizer, "model_ema": {"module." + k: 2 * v for k, v in state.items()},
                            "args": {"lr": 0.1}}, **legacy)
    state, optimizer = trained("model._orig_mod.")
    yield "lightning.ckpt", saved({"epoch": 1, "global_step": 2, "pytorch-lightning_version": "2.5", "state_dict": state,
                                   "loops": {"fit": {"n": 1}}, "callbacks": {"best": {"score": torch.tensor(0.5)}},
                                   "optimizer_states": [optimizer], "lr_schedulers": []})
    yield "views.pth", saved(views())
    yield "pruned.pth", saved(pruned())
    yield "mask.pth", saved({"conv1.weight": torch.tensor([1, 0, 1, 1, 0, 1]).reshape(2, 1, 1, 3).bool(),
                             "fc.weight": torch.tensor([0, 1, 0, 0, 1, 0]).reshape(3, 2).bool()})
    masks = {"module.conv1.weight": torch.tensor([1.0, 0, 1, 1, 0, 1]).reshape(2, 1, 1, 3),
             "module.fc.weight": torch.tensor([0.0, 1, 0, 0, 1, 0]).reshape(3, 2)}
    yield "with_masks.pth", saved({"state_dict": trained("module.")[0], "mask": masks})
    # What is refused.
    quantised = torch.quantize_per_tensor(plain["fc.weight"], 0.1, 0, torch.qint8)
    yield "quantised.pth", saved({"fc.weight": quantised})
    yield "sparse.pth", saved({"fc.weight": plain["fc.weight"].to_sparse()})
    yield "float8.pth", saved({"fc.weight": plain["fc.weight"].to(torch.float8_e4m3fn)})
    yield "complex.pth", saved({"fc.weight": plain["fc.weight"].to(torch.complex64)})
    yield "tensor.pth", saved(plain["fc.weight"])
    yield "old_module.pt", saved(net(), **legacy)
    script = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.ReLU()), script)
    yield "script.pt", script.getvalue()
    program = io.BytesIO()
    torch.export.save(torch.export.export(nn.ReLU(), (torch.ones(1),)), program)
    yield "program.pt2", program.getvalue()
    yield "big_endian.pth", rewritten(saved({"a": torch.ones(1)}), big_endian)
    yield "compressed.pth", rewritten(saved({"a": torch.zeros(1000)}), compressed)
    # What means harm.
    yield "runs.pth", saved({"fc.weight": plain["fc.weight"], "runs": Runs()})
    # 4 TB and 1 GB of one number.
    yield "bomb.pth", saved({"a": torch.ones(1).expand(1 << 40)})
    yield "repeats.pth", saved({"a": torch.ones(1).expand(1 << 28)})
    # Nine million empty lists, and as many nested ones.
    yield "lists.pth", rewritten(saved({}), with_pickle(b"\x80\x02(" + 9_000_000 * b"]" + b"l."))
    yield "deep.pth", rewritten(saved({}), with_pickle(b"\x80\x02" + 100_000 * b"(" + 100_000 * b"l" + b"."))
    # Each list holds the one before twice.
    doubling = b"\x80\x02]q\x00" + b"".join(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(60)) + b"."
    yield "doubling.pth", rewritten(saved({}), with_pickle(doubling))
    yield "plain.pkl", pickle.dumps({"a": 1}, 2)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for name, content in files():
        (folder / name).write_bytes(content)
