"""Training steps a second: `sculpt bench train` beside PyTorch, alternating, on one machine in one run.

    python training.py SCULPT [--model resnet20] [--width 16] [--batch 512] [--precision f32] [--density 0.1] [--threads 2]
        [--device cpu] [--steps 4] [--rounds 3]

SCULPT is the binary. Run with torch 2.11.0 and, for ResNet-18, torchvision 0.26.0. Everybody takes the same step: forward, cross entropy, backward, the
gradient times a 0/1 mask of the given density, SGD with momentum 0.9 and weight decay 1e-4, on one resident batch of noise, augmentation
left out. PyTorch's side is its usual forms: plain; channels last (with bfloat16: under autocast); the same through torch.compile (on a GPU
also with mode="reduce-overhead"). Its foreach SGD is used. f32 is f32 on a GPU too: without TF32, which this product does not use. Compiling is not timed, nor are the first two steps of each round.

Prints one JSON object: images a second of each round, by who made them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

from machine import end_with_parent, machine, today

try:
    import torchvision
except ImportError:
    torchvision = None


class Block(nn.Module):
    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out)
        self.conv2, self.bn2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out)
        self.downsample = nn.Sequential()
        if stride != 1 or n_in != n_out:
            self.downsample = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.downsample(x))


class ResNet20(nn.Module):
    """In torchvision's names, which the binary reads."""

    def __init__(self, width=16, classes=10):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        n_in = width
        for stage in range(3):
            blocks = []
            for block in range(3):
                blocks.append(Block(n_in, width << stage, 2 if stage and not block else 1))
                n_in = width << stage
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(n_in, classes)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean((2, 3)))


def resnet18_cifar():
    if torchvision is None:
        sys.exit(f"{sys.executable} has no torchvision, whose ResNet-18 it is")
    model = torchvision.models.resnet18(num_classes=10)
    model.conv1, model.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    return model


MODELS = {"resnet20": ResNet20, "resnet18-cifar": resnet18_cifar}


class Peer:
    """A network, and its step in one of PyTorch's usual forms."""

    def __init__(self, args, channels_last, compiled):
        torch.manual_seed(1)
        format = torch.channels_last if channels_last else torch.contiguous_format
        self.device, self.bf16 = torch.device(args.device), args.precision == "bf16" and channels_last
        self.model = MODELS[args.model](**args.sizes).to(self.device, memory_format=format)
        self.images = torch.randn(args.batch, 3, 32, 32, device=self.device).contiguous(memory_format=format)
        self.labels = torch.randint(0, 10, (args.batch,), device=self.device)
        self.masked = [p for p in self.model.parameters() if p.dim() > 1]
        self.masks = [(torch.rand_like(p) < args.density).to(p.dtype) for p in self.masked]
        with torch.no_grad():
            torch._foreach_mul_(self.masked, self.masks)
        self.sgd = torch.optim.SGD(self.model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4, foreach=True)
        self.forward = torch.compile(self.model, **compiled) if compiled is not None else self.model

    def step(self):
        self.sgd.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            loss = F.cross_entropy(self.forward(self.images), self.labels)
        loss.backward()
        torch._foreach_mul_([p.grad for p in self.masked], self.masks)
        self.sgd.step()

    def speed(self, steps):
        seconds = []
        for step in range(steps + 2):
            begun = time.perf_counter()
            self.step()
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - begun)
        return len(self.labels) / statistics.median(seconds[2:])


def started(sculpt):
    """How the binary is started: with the libraries that whoever began this has for it, and keeps from Python, whose own are the peer's."""
    libraries = os.environ.get("SCULPT_LIBRARIES")
    return ["env", f"LD_LIBRARY_PATH={libraries}", sculpt] if libraries else [sculpt]


def printed(command):
    """What a process prints; where it fails, what it says of that."""
    command = [*map(str, command)]
    made = subprocess.run(command, capture_output=True, text=True, preexec_fn=end_with_parent)
    if made.returncode:
        sys.exit(f"{made.stderr}`{' '.join(command)}` ended with {made.returncode}")
    return made.stdout


def in_f32():
    """Of f32, all of it: on a GPU PyTorch would round what convolutions multiply to TF32, which this product does not."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


def versions():
    return f"torch {torch.__version__}" + (f", torchvision {torchvision.__version__}" if torchvision else "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sculpt")
    parser.add_argument("--model", default="resnet20", choices=MODELS)
    parser.add_argument("--width", type=int, help="of resnet20's first stage; 16 where it is left out")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--precision", default="f32", choices=["f32", "bf16"])
    parser.add_argument("--density", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", help="some of those below; all where none is named")
    args = parser.parse_args()
    end_with_parent()
    torch.set_num_threads(args.threads)
    in_f32()
    args.sizes = {} if args.width is None else {"width": args.width}

    fast = "channels last, bf16 autocast" if args.precision == "bf16" else "channels last"
    forms = {"PyTorch": (False, None), f"PyTorch, {fast}": (True, None), f"torch.compile, {fast}": (True, {})}
    if args.device != "cpu":
        forms[f"torch.compile, reduce-overhead, {fast}"] = (True, {"mode": "reduce-overhead"})
    if args.peers:
        forms = {name: form for name, form in forms.items() if any(peer in name for peer in args.peers)}
    peers = {}
    for name, form in forms.items():
        print(f"{name}: getting ready", file=sys.stderr, flush=True)
        peers[name] = Peer(args, *form)
        peers[name].speed(1)

    device = "cuda:0" if args.device == "cuda" else args.device
    command = [*started(args.sculpt), "bench", "train", "--json", "--steps", str(args.steps), "--batch", str(args.batch)]
    command += ["--model", args.model, "--classes", "10", "--precision", args.precision, "--density", str(args.density)]
    command += ["--threads", str(args.threads), "--device", device]
    command += [word for name, size in args.sizes.items() for word in (f"--{name}", str(size))]
    speeds = {"sculpt": []} | {name: [] for name in peers}
    for round in range(args.rounds):
        report = json.loads(printed(command))
        speeds["sculpt"].append(report["images_per_second"])
        for name, peer in peers.items():
            speeds[name].append(peer.speed(args.steps))
        line = ", ".join(f"{name} {values[-1]:.0f}" for name, values in speeds.items())
        print(f"round {round + 1} of {args.rounds}: {line} images/s", file=sys.stderr, flush=True)
    model = args.model if args.width is None else f"{args.model} of width {args.width}"
    what = f"Training {model}, batch {args.batch}, {args.precision}, density {args.density:g}, {args.threads} threads"
    if args.device != "cpu":
        what += f", {torch.cuda.get_device_name()}"
    print(json.dumps({
        "what": what,
        "unit": "images/s",
        "speeds": speeds,
        "ours": f"{report['kernels']} ({report['why']})",
        "versions": versions(),
        "machine": machine(),
        "date": today(),
    }))


if __name__ == "__main__":
    main()
