#!/usr/bin/env python3
"""Training speed side by side: plain PyTorch, PyTorch with channels_last and bfloat16 autocast, and sculpt.

    python3 -m pip install torch==2.11.0 torchvision==0.26.0 numpy safetensors
    python3 compare_train.py [--binary target/release/sculpt] [--threads N] [--rounds 3] [--steps 6] [--batch 512]

ResNet-20, CIFAR-shaped noise resident in memory, 90 % of the weights masked. A step is forward, cross-entropy,
backward, SGD with momentum 0.9 and weight decay 1e-4. The contestants take turns in every round, so that a busy
machine slows all of them; each does two steps to warm up and reports the median of the others. The table holds
the median over rounds, and the ratio of each round's pair, median too. Prints one JSON object.

plain     PyTorch modules in float32 that multiply weight by mask in every forward, as mask libraries do
autocast  the same modules in channels_last under torch.autocast(bfloat16)
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "sculpt-models" / "goldens"))
from make_logits import build  # noqa: E402

WARM_UP = 2


class MaskedConv(nn.Conv2d):
    def forward(self, x):
        return self._conv_forward(x, self.weight * self.mask, self.bias)


class MaskedLinear(nn.Linear):
    def forward(self, x):
        return F.linear(x, self.weight * self.mask, self.bias)


def masked(model, density):
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.__class__ = MaskedConv if isinstance(module, nn.Conv2d) else MaskedLinear
            module.register_buffer("mask", (torch.rand_like(module.weight) < density).float())
    return model


class Torch:
    """One PyTorch contestant: its network and optimiser live through all rounds."""

    def __init__(self, args, autocast):
        torch.manual_seed(1)
        self.autocast = autocast
        self.model = masked(build("resnet20", 10, 16, None), 0.1)
        self.images = torch.randn(args.batch, 3, 32, 32)
        self.labels = torch.randint(10, (args.batch,))
        if autocast:
            self.model = self.model.to(memory_format=torch.channels_last)
            self.images = self.images.contiguous(memory_format=torch.channels_last)
        self.optimiser = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
        self.model.train()

    def step(self):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.autocast):
            loss = F.cross_entropy(self.model(self.images), self.labels)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.item()

    def images_per_second(self, args):
        seconds = []
        for step in range(WARM_UP + args.steps):
            start = time.perf_counter()
            self.step()
            seconds.append(time.perf_counter() - start)
        return args.batch / statistics.median(seconds[WARM_UP:])


class Sculpt:
    def __init__(self, args, precision):
        words = ["--model", "resnet20", "--batch", args.batch, "--steps", args.steps, "--precision", precision]
        self.command = [args.binary, "bench", "train", *words, "--threads", args.threads, "--json"]

    def images_per_second(self, args):
        # PyTorch's own settings in the environment would differ from this process's.
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "MKL_", "KMP_"))}
        done = subprocess.run([str(w) for w in self.command], capture_output=True, text=True, env=environment)
        if done.returncode:
            sys.exit(done.stderr)
        return json.loads(done.stdout)["images_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=str(HERE.parents[2] / "target" / "release" / "sculpt"))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch", type=int, default=512)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    contestants = {
        "plain": Torch(args, autocast=False),
        "autocast": Torch(args, autocast=True),
        "sculpt_f32": Sculpt(args, "f32"),
        "sculpt_bf16": Sculpt(args, "bf16"),
    }
    rounds = {name: [] for name in contestants}
    for number in range(args.rounds):
        for name, contestant in contestants.items():
            rounds[name].append(contestant.images_per_second(args))
            print(f"round {number + 1} {name}: {rounds[name][-1]:.1f} images/s", file=sys.stderr, flush=True)

    def ratio(a, b):
        return round(statistics.median(x / y for x, y in zip(rounds[a], rounds[b])), 3)

    json.dump(
        {
            "torch": torch.__version__,
            "threads": args.threads,
            "batch": args.batch,
            "load_average": os.getloadavg()[0],
            "images_per_second": {name: round(statistics.median(v), 1) for name, v in rounds.items()},
            "ratios": {
                "f32 / plain": ratio("sculpt_f32", "plain"),
                "bf16 / plain": ratio("sculpt_bf16", "plain"),
                "bf16 / autocast": ratio("sculpt_bf16", "autocast"),
                "f32 / autocast": ratio("sculpt_f32", "autocast"),
            },
            "rounds": {name: [round(x, 1) for x in v] for name, v in rounds.items()},
        },
        sys.stdout,
        indent=1,
    )
    print()


if __name__ == "__main__":
    main()
