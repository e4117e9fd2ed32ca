#!/usr/bin/env python3
"""Golden of tests/training.rs: six steps of torch.optim.SGD (torch 2.11.0) on a masked linear layer.

    python3 sgd.py
"""
import torch
import torch.nn.functional as F

images = torch.tensor([[1.0, 2.0], [-1.0, 0.5], [0.0, -1.0], [2.0, 1.0]])
labels = torch.tensor([0, 1, 1, 0])
weight = torch.nn.Parameter(torch.tensor([[0.5, -0.25], [0.0, 0.75]]))
bias = torch.nn.Parameter(torch.tensor([0.1, -0.1]))
mask = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
optimiser = torch.optim.SGD([weight, bias], lr=0.5, momentum=0.9, weight_decay=0.01)
for _ in range(6):
    optimiser.zero_grad()
    F.cross_entropy(F.linear(images, weight, bias), labels).backward()
    weight.grad *= mask
    optimiser.step()
print(weight.flatten().tolist() + bias.tolist())
