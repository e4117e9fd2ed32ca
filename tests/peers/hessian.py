"""The largest eigenvalue of a Hessian: `sculpt hessian` beside PyHessian, whole processes, alternating, on one machine in one run.

    python hessian.py SCULPT [--weights FILE.pth] [--data DIR] [--images 512] [--rounds 3] [--threads 2] [--device cpu|cuda]

SCULPT is the binary. Run with torch 2.11.0 and PyHessian 0.1 (pip install pyhessian). Both get the same ResNet-20 and the same images as
files, and both are timed from the start of their process to its end: PyHessian's eigenvalues(maxIter=100, tol=1e-3), power iteration to a
change of 1e-3; ours, Lanczos to a residual of 1e-3 of the eigenvalue. The networks: untrained; trained for a minute; and --weights, where it
is given, a state_dict as `sculpt export --torch` writes it (trained_resnet20.toml makes one). Images are CIFAR-10's of DIR/cifar-10-batches-bin, or noise.

Prints one JSON object for each network: seconds of each round, by who took them, as eigenvalues an hour.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from training import ResNet20, machine, today

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def pictures(folder, n):
    if folder is None:
        torch.manual_seed(2)
        return torch.randn(n, 3, 32, 32), torch.randint(0, 10, (n,))
    records = torch.frombuffer(bytearray((Path(folder) / "cifar-10-batches-bin/data_batch_1.bin").read_bytes()), dtype=torch.uint8)
    records = records.view(-1, 3073)[:n]
    images = records[:, 1:].reshape(-1, 3, 32, 32) / 255.0
    return (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1), records[:, 0].long()


def train(model, images, labels, seconds):
    sgd = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=1e-4)
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        for chunk in torch.randperm(len(labels)).split(128):
            sgd.zero_grad()
            F.cross_entropy(model(images[chunk]), labels[chunk]).backward()
            sgd.step()


def tensors(path):
    if str(path).endswith(".safetensors"):
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path)


def pyhessian(weights, probe, threads, device):
    """What the peer's process does."""
    from pyhessian import hessian

    torch.set_num_threads(threads)
    model, data = ResNet20(), torch.load(probe)
    model.load_state_dict(tensors(weights))
    model.to(device).eval()
    # It moves the data itself.
    of = hessian(model, torch.nn.CrossEntropyLoss(), data=(data["images"], data["labels"]), cuda=device == "cuda")
    values, _ = of.eigenvalues(maxIter=100, tol=1e-3)
    print(json.dumps(values[0]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sculpt")
    parser.add_argument("--weights")
    parser.add_argument("--data")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60, help="for which one of the networks is trained")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--as-peer", nargs=2)
    args = parser.parse_args()
    if args.as_peer:
        return pyhessian(*args.as_peer, args.threads, args.device)

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        images, labels = pictures(args.data, max(args.images, 2000))
        torch.manual_seed(1)
        model = ResNet20()
        torch.save(model.state_dict(), folder / "untrained.pth")
        print(f"training for {args.seconds:g} seconds", file=sys.stderr, flush=True)
        train(model, images, labels, args.seconds)
        torch.save(model.state_dict(), folder / "of a minute.pth")
        probe = folder / "probe.pth"
        torch.save({"images": images[: args.images].clone(), "labels": labels[: args.images].clone()}, probe)
        networks = {name: folder / f"{name}.pth" for name in ("untrained", "of a minute")}
        if args.weights:
            networks["given"] = Path(args.weights)
        all = []
        for name, weights in networks.items():
            speeds, found = {"sculpt": [], "PyHessian": []}, {}
            for round in range(args.rounds):
                own = [args.sculpt, "hessian", "--model", "resnet20", "--weights", weights, "--probe", probe, "--json"]
                own += ["--device", "cuda:0" if args.device == "cuda" else args.device]
                peer = [sys.executable, __file__, args.sculpt, "--as-peer", weights, probe, "--device", args.device]
                for who, command in (("sculpt", own), ("PyHessian", peer)):
                    begun = time.perf_counter()
                    made = subprocess.run([*map(str, command), "--threads", str(args.threads)], check=True, capture_output=True, text=True)
                    speeds[who].append(3600 / (time.perf_counter() - begun))
                    found[who] = json.loads(made.stdout)
                print(f"{name}, round {round + 1} of {args.rounds}: " + ", ".join(f"{who} {3600 / v[-1]:.1f} s" for who, v in speeds.items()), file=sys.stderr, flush=True)
            ours, theirs = found["sculpt"]["eigenvalues"][0], found["PyHessian"]
            all.append({
                "what": f"Largest Hessian eigenvalue, ResNet-20 {name}, {args.images} images, {args.threads} threads, {args.device}, whole process",
                "unit": "eigenvalues an hour",
                "speeds": speeds,
                "ours": f"libtorch's; {ours:.4f} with a residual of {found['sculpt']['residuals'][0]:.1e} after {found['sculpt']['matvecs']} products, PyHessian's {theirs:.4f}",
                "versions": f"torch {torch.__version__}, PyHessian 0.1",
                "machine": machine(),
                "date": today(),
            })
    print(json.dumps(all))


if __name__ == "__main__":
    main()
