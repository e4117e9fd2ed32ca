#!/usr/bin/env python3
"""The largest Hessian eigenvalue side by side: PyHessian, and `sculpt hessian`.

    python3 -m pip install torch==2.11.0 torchvision==0.26.0 pyhessian==0.1 numpy safetensors
    python3 compare_pyhessian.py --weights FILE --images FILE [--binary target/release/sculpt] [--threads 2]
                                 [--n 512] [--rounds 1]

A ResNet-20 (trained_resnet20.toml makes one) and the first n images of a CIFAR-10 binary file (data_batch_1.bin,
test_batch.bin). `--weights` is a state_dict as `sculpt export --torch` writes it, or the file of a dense checkpoint
in data/published/*/checkpoints. The contestants take turns in every round, so that a busy machine slows both.
PyHessian: `eigenvalues(maxIter=100, tol=1e-3)`, timed with the gradient's graph, which its constructor builds; its
tolerance is on the change between two steps. sculpt: `seconds` of its JSON, loss, derivatives and Lanczos to a
residual of 1e-3 of the eigenvalue. Both run in the shell's environment. glibc's allocator makes PyHessian a fifth to
a third faster with MALLOC_MMAP_MAX_=0 and MALLOC_TRIM_THRESHOLD_=68719476736; sculpt's blocks are too small to gain.
Prints one JSON object.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "sculpt-models" / "goldens"))
from make_logits import build  # noqa: E402


def network(weights):
    """A ResNet-20 in evaluation mode, from a state_dict or from a published dense checkpoint."""
    model = build("resnet20", 10, 16, "projection").eval()
    tensors = load_file(weights)
    running = {name: b for name, b in model.named_buffers() if not name.endswith("num_batches_tracked")}
    if "values" in tensors:
        published, tensors = tensors, {}
        for part, named in (("values", dict(model.named_parameters())), ("buffers", running)):
            sizes = [t.numel() for t in named.values()]
            if sum(sizes) != published[part].numel():
                sys.exit(f"{weights}: {published[part].numel()} {part} where a dense ResNet-20 has {sum(sizes)}")
            pieces = published[part].split(sizes)
            tensors |= {name: piece.reshape(t.shape) for piece, (name, t) in zip(pieces, named.items())}
    missing, extra = model.load_state_dict(tensors, strict=False)
    if extra or any(not name.endswith("num_batches_tracked") for name in missing):
        sys.exit(f"{weights} is no ResNet-20 of 10 classes: missing {missing}, extra {extra}")
    return model


def probe(path, n):
    """Images as training saw them but for the augmentation, and labels."""
    raw = np.fromfile(path, dtype=np.uint8).reshape(-1, 3073)[:n]
    pixels = torch.from_numpy(raw[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32)) / 255
    mean = torch.tensor([0.4914, 0.4822, 0.4465]).view(1, 3, 1, 1)
    std = torch.tensor([0.2470, 0.2435, 0.2616]).view(1, 3, 1, 1)
    return (pixels - mean) / std, torch.from_numpy(raw[:, 0].astype(np.int64))


def by_pyhessian(model, images, labels):
    from pyhessian import hessian

    module = sys.modules[hessian.__module__]
    product, counted = module.hessian_vector_product, []

    def count(*args):
        counted.append(None)
        return product(*args)

    model.zero_grad(set_to_none=True)
    module.hessian_vector_product = count
    start = time.perf_counter()
    with warnings.catch_warnings():
        # It warns of the reference cycle that its backward(create_graph=True) leaves.
        warnings.simplefilter("ignore")
        values, _ = hessian(model, torch.nn.CrossEntropyLoss(), data=(images, labels), cuda=False).eigenvalues(
            maxIter=100, tol=1e-3
        )
    seconds = time.perf_counter() - start
    module.hessian_vector_product = product
    return {"eigenvalue": values[0], "products": len(counted), "seconds": seconds}


def by_sculpt(args, weights, probe_file):
    command = [args.binary, "hessian", "--model", "resnet20", "--classes", "10", "--weights", weights]
    command += ["--probe", probe_file, "--top", "1", "--threads", str(args.threads), "--json"]
    answer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return {
        "eigenvalue": answer["eigenvalues"][0],
        "residual": answer["residuals"][0],
        "products": answer["matvecs"],
        "seconds": answer["seconds"],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--binary", default="target/release/sculpt")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--n", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    model = network(args.weights)
    images, labels = probe(args.images, args.n)
    with torch.no_grad():
        logits = model(images)
        loss = F.cross_entropy(logits, labels).item()
        accuracy = (logits.argmax(1) == labels).float().mean().item()
    with tempfile.TemporaryDirectory() as folder:
        weights, probe_file = f"{folder}/weights.safetensors", f"{folder}/probe.safetensors"
        state = {k: v.contiguous() for k, v in model.state_dict().items() if "num_batches" not in k}
        save_file(state, weights)
        save_file({"images": images.contiguous(), "labels": labels}, probe_file)
        rounds = [(by_pyhessian(model, images, labels), by_sculpt(args, weights, probe_file)) for _ in range(args.rounds)]
    ratio = statistics.median(theirs["seconds"] / ours["seconds"] for theirs, ours in rounds)
    report = {
        "images": args.n,
        "threads": args.threads,
        "loss": loss,
        "accuracy": accuracy,
        "pyhessian": [theirs for theirs, _ in rounds],
        "sculpt": [ours for _, ours in rounds],
        "speed_ratio": ratio,
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
