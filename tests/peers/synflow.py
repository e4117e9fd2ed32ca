#!/usr/bin/env python3
"""SynFlow on ResNet-50 (224 × 224, float64) written plainly in PyTorch, timed beside ours (torch 2.11.0).

    python3 tests/peers/synflow.py cargo bench -p sculpt-scores -- synflow

Five iterations instead of a hundred, from density 1 to 0.1 all the same, as in scores.rs. The words behind the script
are the command that times ours; it runs between runs of this loop, since other work on the machine disturbs both.
"""
import re
import statistics
import sys
import time

import torch
import torchvision

from training import printed

N_ITERATIONS, DENSITY = 5, 0.1


def synflow(net, density, iterations):
    """Ganguli-lab's loop: linearise, score, threshold by the k-th smallest, mask."""
    weights = [p for p in net.parameters() if p.dim() > 1]
    with torch.no_grad():
        for p in net.parameters():
            p.abs_()
    masks = [torch.ones_like(w) for w in weights]
    n = sum(w.numel() for w in weights)
    ones = torch.ones(1, 3, 224, 224, dtype=torch.float64)
    for t in range(1, iterations + 1):
        net.zero_grad()
        net(ones).sum().backward()
        with torch.no_grad():
            scores = [(w.grad * w).abs() for w in weights]
            n_removed = n - round(density ** (t / iterations) * n)
            threshold = torch.kthvalue(torch.cat([s.flatten() for s in scores]), n_removed).values
            for weight, mask, score in zip(weights, masks, scores):
                mask.copy_(score > threshold)
                weight.mul_(mask)
    return masks


def seconds():
    net = torchvision.models.resnet50().double().eval()
    start = time.perf_counter()
    masks = synflow(net, DENSITY, N_ITERATIONS)
    elapsed = time.perf_counter() - start
    assert abs(sum(m.sum().item() for m in masks) / 25_502_912 - DENSITY) < 1e-3
    return elapsed


def ours(command):
    """The median that criterion prints: `time: [low median high]`."""
    text = printed(command)
    value, unit = re.search(r"time:\s+\[\S+ \S+ (\S+) (s|ms) ", text).groups()
    return float(value) / (1 if unit == "s" else 1000)


def main():
    command = sys.argv[1:]
    theirs = [seconds() for _ in range(2)]
    if command:
        own = ours(command)
        print(f"ours, {N_ITERATIONS} iterations: {own:.2f} s")
        theirs += [seconds() for _ in range(2)]
    median = statistics.median(theirs)
    print(f"torch {torch.__version__}, {N_ITERATIONS} iterations: {median:.2f} s (of {', '.join(f'{s:.2f}' for s in theirs)})")
    if command:
        print(f"ratio: {median / own:.2f}")


if __name__ == "__main__":
    main()
