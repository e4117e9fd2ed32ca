"""Pictures a second: `sculpt bench load` beside torchvision's DataLoader, alternating, on one machine in one run.

    python imagenet_loading.py SCULPT DIR [--pack PACK ...] [--workers 2] [--batch 64] [--epochs 3] [--rounds 3]

SCULPT is the binary, DIR has train/CLASS/, each PACK is one that `sculpt data pack imagenet DIR PACK` made. Run with
torchvision 0.26.0 and torch 2.11.0. torchvision's side is its ImageFolder and DataLoader with `workers` processes, in two
forms: Pillow with the usual transforms, and its fastest, decode_jpeg with v2 transforms on bytes. All make batches of
bytes [b, 3, 224, 224]; normalising is the same work for everybody and is left out. DataLoader workers are kept from
epoch to epoch (persistent_workers), and its first epoch, in which they start, is not timed; nor is the first of ours.
"""

import argparse
import json
import statistics
import subprocess
import time
from pathlib import Path

import torch
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.io import ImageReadMode, decode_image, read_file
from torchvision.transforms import v2


def usual(folder):
    steps = [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), transforms.PILToTensor()]
    return ImageFolder(folder, transforms.Compose(steps))


def fastest(folder):
    steps = [v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip()]
    return ImageFolder(folder, v2.Compose(steps), loader=lambda path: decode_image(read_file(path), ImageReadMode.RGB))


def torchvision_speed(dataset, args):
    loader = torch.utils.data.DataLoader(
        dataset, args.batch, shuffle=True, num_workers=args.workers, persistent_workers=True
    )
    seconds, n = 0.0, 0
    for epoch in range(args.epochs + 1):
        begun = time.perf_counter()
        count = sum(len(labels) for _, labels in loader)
        if epoch > 0:
            seconds += time.perf_counter() - begun
            n += count
    return n / seconds


def sculpt_speed(path, args):
    words = [args.sculpt, "bench", "load", "--data", f"imagenet:{path}", "--batch", str(args.batch)]
    words += ["--epochs", str(args.epochs), "--decoders", str(args.workers), "--json"]
    out = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    report = json.loads(out)
    return report["images_per_second"], report["peak_bytes"], report["decodes_fast"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sculpt")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pack", type=Path, nargs="*", default=[])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    train = args.folder / "train"
    theirs = {"torchvision, Pillow": usual(train), "torchvision, decode_jpeg and v2": fastest(train)}
    ours = [args.folder, *args.pack]
    speeds, peaks = {}, {}
    for _ in range(args.rounds):
        for name, dataset in theirs.items():
            speeds.setdefault(name, []).append(torchvision_speed(dataset, args))
        for path in ours:
            speed, peak, is_fast = sculpt_speed(path, args)
            name = f"sculpt, {path.name}" + ("" if is_fast else " (without nasm)")
            speeds.setdefault(name, []).append(speed)
            peaks[name] = max(peak or 0, peaks.get(name, 0))
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    best = medians["torchvision, decode_jpeg and v2"]
    usual_speed = medians["torchvision, Pillow"]
    for name, values in speeds.items():
        rounds = " ".join(f"{value:.0f}" for value in values)
        ratio = f"{medians[name] / best:.2f} x v2, {medians[name] / usual_speed:.2f} x Pillow"
        peak = f", peak {peaks[name] / 2**20:.0f} MiB" if name in peaks else ""
        print(f"{name}: {medians[name]:.0f} images/s ({rounds}), {ratio}{peak}")


if __name__ == "__main__":
    main()
