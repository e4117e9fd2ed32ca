"""Pictures a second: `sculpt bench load` beside torchvision's DataLoader, alternating, on one machine in one run.

    python imagenet_loading.py SCULPT DIR [--pack PACK ...] [--ffcv] [--workers 2] [--batch 64] [--epochs 3] [--rounds 3]

SCULPT is the binary, DIR has train/CLASS/, each PACK is one that `sculpt data pack imagenet DIR PACK` made. Run with
torchvision 0.26.0 and torch 2.11.0. torchvision's side is its ImageFolder and DataLoader with `workers` processes, in two
forms: Pillow with the usual transforms, and its fastest, decode_jpeg with v2 transforms on bytes. All make batches of
bytes [b, 3, 224, 224]; normalising is the same work for everybody and is left out. DataLoader workers are kept from
epoch to epoch (persistent_workers), and its first epoch, in which they start, is not timed; nor is the first of ours.

--ffcv adds the work that FFCV's usual ImageNet recipe does a picture, without its overhead: JPEG of quality 90 whose longer
side is 500 pixels at most, in memory, decoded whole by libjpeg-turbo (simplejpeg 1.9) and cropped and resized by OpenCV
(INTER_AREA), in `workers` processes that hand nothing back. FFCV itself does not install here.
"""

import argparse
import io
import json
import multiprocessing
import random
import statistics
import time
from pathlib import Path

import torch
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.io import ImageReadMode, decode_image, read_file
from torchvision.transforms import v2

from training import printed


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


def as_ffcv_writes(path):
    from PIL import Image

    picture = Image.open(path).convert("RGB")
    ratio = min(1, 500 / max(picture.size))
    picture = picture.resize([round(n * ratio) for n in picture.size], Image.Resampling.BOX)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()


def as_ffcv_reads(files, epochs, seed):
    """Seconds of so many epochs over these pictures."""
    import cv2
    import simplejpeg

    cv2.setNumThreads(1)
    random.seed(seed)
    begun = time.perf_counter()
    for _ in range(epochs):
        for file in files:
            whole = simplejpeg.decode_jpeg(file)
            top, left, height, width = transforms.RandomResizedCrop.get_params(
                torch.empty(3, *whole.shape[:2]), (0.08, 1.0), (3 / 4, 4 / 3)
            )
            crop = whole[top : top + height, left : left + width]
            square = cv2.resize(crop, (224, 224), interpolation=cv2.INTER_AREA)
            if random.random() < 0.5:
                square = cv2.flip(square, 1)
    return time.perf_counter() - begun


def ffcv_speed(files, args):
    with multiprocessing.Pool(args.workers) as pool:
        parts = [files[i :: args.workers] for i in range(args.workers)]
        pool.starmap(as_ffcv_reads, [(part, 1, i) for i, part in enumerate(parts)])
        seconds = pool.starmap(as_ffcv_reads, [(part, args.epochs, i) for i, part in enumerate(parts)])
    return len(files) * args.epochs / max(seconds)


def sculpt_speed(path, args):
    words = [args.sculpt, "bench", "load", "--data", f"imagenet:{path}", "--batch", str(args.batch)]
    words += ["--epochs", str(args.epochs), "--decoders", str(args.workers), "--json"]
    report = json.loads(printed(words))
    return report["images_per_second"], report["peak_bytes"], report["decodes_fast"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sculpt")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pack", type=Path, nargs="*", default=[])
    parser.add_argument("--ffcv", action="store_true")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    train = args.folder / "train"
    theirs = {"torchvision, Pillow": usual(train), "torchvision, decode_jpeg and v2": fastest(train)}
    ours = [args.folder, *args.pack]
    in_ffcv = [as_ffcv_writes(path) for path, _ in theirs["torchvision, Pillow"].samples] if args.ffcv else []
    speeds, peaks = {}, {}
    for _ in range(args.rounds):
        for name, dataset in theirs.items():
            speeds.setdefault(name, []).append(torchvision_speed(dataset, args))
        if in_ffcv:
            speeds.setdefault("FFCV's work, long side 500", []).append(ffcv_speed(in_ffcv, args))
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
