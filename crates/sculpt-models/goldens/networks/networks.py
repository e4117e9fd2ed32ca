"""Networks that `make_networks.py` exports: two of torchvision and three of plain PyTorch, each for ten classes of the demo's
images, 3 x 16 x 16."""
import torch
import torchvision
from torch import nn


def mobilenet():
    """Hardswish, squeeze and excitation, BatchNorm."""
    return torchvision.models.mobilenet_v3_small(width_mult=0.25, num_classes=10)


def vit():
    """Attention, LayerNorm, GELU, a token and an embedding; dropout, which is exported at rate 0."""
    return torchvision.models.VisionTransformer(
        image_size=16, patch_size=4, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=10, dropout=0.1
    )


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(768, 24), nn.Tanh(), nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 10))


class Norms(nn.Module):
    """GroupNorm, LayerNorm, a strided 1 x 1 convolution, a gate of its own, and a constant that no state_dict has."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.down = nn.Conv2d(8, 16, 1, stride=2, bias=False)
        self.gate = nn.Parameter(torch.full((16, 1, 1), 0.5))
        self.last = nn.LayerNorm(16)
        self.head = nn.Linear(16, 10)
        self.register_buffer("window", torch.hann_window(8)[:, None] + torch.ones(8), persistent=False)

    def forward(self, x):
        x = nn.functional.silu(self.norm(self.stem(x)))
        x = nn.functional.avg_pool2d(self.down(x), 1) * self.gate.sigmoid() * self.window
        return self.head(self.last(x.mean((2, 3))))


class Odd(nn.Module):
    """A tensor under two names, a constant of integers, one that forward makes, sums by einsum, interpolation, and an activation that
    is written in place of what is used once more."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.act = nn.Hardswish(inplace=True)
        self.up = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.down = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.down.weight = self.up.weight
        self.mix = nn.Parameter(torch.eye(8) + 0.1)
        self.register_buffer("order", torch.arange(8).flip(0))
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = self.norm(self.stem(x))
        x = self.act(x) + x
        y = nn.functional.interpolate(self.up(x), scale_factor=0.5, mode="bilinear", align_corners=False)
        y = nn.functional.interpolate(self.down(torch.tanh(y)), size=x.shape[2:], mode="nearest")
        x = torch.einsum("nchw,cd->ndhw", x + y, self.mix)[:, self.order]
        x = x + torch.linspace(-1, 1, x.shape[-1], dtype=x.dtype, device=x.device)
        return self.head(torch.relu(x).mean((2, 3)))


NETWORKS = {"mobilenet": mobilenet, "vit": vit, "mlp": mlp, "norms": Norms, "odd": Odd}
