#!/usr/bin/env python3
"""Writes convolution.pt, by which Rust calls aten::convolution_backward (see src/resnet/convolution.rs).

    python3 -m pip install torch==2.11.0
    python3 make_convolution.py

Only the code is kept of what torch.jit.save writes, no paths and no dates, so that the same bytes come out again.
"""
import io
import zipfile
from pathlib import Path
from typing import List, Tuple

import torch
from torch import Tensor


class Convolution(torch.nn.Module):
    @torch.jit.export
    def backward(
        self, g: Tensor, input: Tensor, weight: Tensor, stride: int, padding: int, wanted: List[bool]
    ) -> Tuple[Tensor, Tensor, Tensor]:
        return torch.ops.aten.convolution_backward(
            g,
            input,
            weight,
            [weight.size(0)],
            [stride, stride],
            [padding, padding],
            [1, 1],
            False,
            [0, 0],
            1,
            wanted,
        )


def main():
    saved = io.BytesIO()
    torch.jit.save(torch.jit.script(Convolution()), saved)
    with zipfile.ZipFile(saved) as whole, zipfile.ZipFile(Path(__file__).with_name("convolution.pt"), "w") as kept:
        for name in sorted(whole.namelist()):
            if not name.endswith((".debug_pkl", "serialization_id")):
                entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                kept.writestr(entry, whole.read(name))


if __name__ == "__main__":
    main()
