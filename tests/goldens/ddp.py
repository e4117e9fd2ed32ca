#!/usr/bin/env python3
"""Golden of tests/ranks.rs: four steps of a small network under torch.nn.parallel.DistributedDataParallel on two processes, whose
BatchNorm sees the images of its own process, and of the same network in one process that has the whole batch (torch 2.11.0, CPU,
where torch.nn.SyncBatchNorm does not run: the whole batch is what it computes).

    python3 ddp.py > ddp.json
"""
import json
import os

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

STEPS, BATCH = 4, 8


def network():
    net = torch.nn.Sequential()
    net.add_module("conv", torch.nn.Conv2d(2, 4, 3, padding=1, bias=False))
    net.add_module("bn", torch.nn.BatchNorm2d(4))
    net.add_module("relu", torch.nn.ReLU())
    net.add_module("pool", torch.nn.AdaptiveAvgPool2d(1))
    net.add_module("flatten", torch.nn.Flatten())
    net.add_module("fc", torch.nn.Linear(4, 3))
    with torch.no_grad():
        at = 0
        for parameter in net.parameters():
            n = parameter.numel()
            parameter.copy_((torch.arange(at, at + n, dtype=torch.float64).sin() * 0.5).float().view_as(parameter))
            at += n
    return net


def batch(step):
    n = BATCH * 2 * 5 * 5
    # The later images are the larger ones: those of the second process are unlike those of the first.
    images = (torch.arange(n, dtype=torch.float64) * 0.37 + step).sin() * (1 + torch.arange(n) // 50)
    labels = (torch.arange(BATCH) * 7 + step) % 3
    return images.float().view(BATCH, 2, 5, 5), labels


def train(net, places):
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-2)
    for step in range(STEPS):
        images, labels = batch(step)
        optimiser.zero_grad()
        F.cross_entropy(net(images[places]), labels[places]).backward()
        optimiser.step()


def numbers(net):
    theta = torch.cat([parameter.detach().flatten() for parameter in net.parameters()])
    return {"theta": theta.tolist(), "buffers": torch.cat([net.bn.running_mean, net.bn.running_var]).tolist()}


def process(rank, results):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29631")
    dist.init_process_group("gloo", rank=rank, world_size=2)
    net = network()
    train(DistributedDataParallel(net), slice(rank * BATCH // 2, (rank + 1) * BATCH // 2))
    if rank == 0:
        results["ddp"] = numbers(net)
    dist.barrier()
    dist.destroy_process_group()


def main():
    results = torch.multiprocessing.Manager().dict()
    spawn(process, args=(results,), nprocs=2)
    net = network()
    train(net, slice(0, BATCH))
    print(json.dumps({"ddp": results["ddp"], "whole": numbers(net)}, indent=1))


if __name__ == "__main__":
    main()
