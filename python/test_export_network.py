#!/usr/bin/env python3
"""What `export_network.py` refuses, by name, and what it says of what it changes: `python3 -m unittest test_export_network`, with
PyTorch 2.11."""
import json
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils import prune

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from export_network import Refused, export  # noqa: E402

IMAGES = torch.zeros(1, 3, 8, 8)


class Wrapped(nn.Module):
    """A linear layer, and what a test does with its input."""

    def __init__(self, function, **parts):
        super().__init__()
        self.head = nn.Linear(192, 4)
        self.function = function
        for name, part in parts.items():
            self.register_buffer(name, part) if isinstance(part, torch.Tensor) else setattr(self, name, part)

    def forward(self, x):
        return self.function(self, x)


class Refusals(unittest.TestCase):
    def refuses(self, module, *says, images=IMAGES):
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaises(Refused) as caught:
                export(module, images, Path(folder) / "net.pt")
            self.assertFalse(list(Path(folder).iterdir()), "nothing is written")
        for part in says:
            self.assertIn(part, str(caught.exception))

    def test_control_flow_by_values(self):
        branch = Wrapped(lambda self, x: self.head(x.flatten(1) if x.mean() > 0 else -x.flatten(1)))
        self.refuses(nn.Sequential(branch), "0: aten::_local_scalar_dense", "values")

    def test_random_numbers(self):
        self.refuses(Wrapped(lambda self, x: self.head((x + torch.rand_like(x)).flatten(1))), "random numbers")

    def test_a_size_of_batch_that_is_built_in(self):
        self.refuses(Wrapped(lambda self, x: self.head(x.reshape(int(x.shape[0]), 192))), "recorded with 2 images", "fails with 1")

    def test_no_second_derivative(self):
        def grid(self, x):
            where = torch.tanh(self.head(x.flatten(1)))[:, None, None, :2].expand(-1, 8, 8, -1)
            return self.head(nn.functional.grid_sample(x, where, align_corners=False).flatten(1))

        self.refuses(Wrapped(grid), "second derivatives", "grid_sampler")

    def test_an_answer_that_depends_on_the_number_of_images(self):
        self.refuses(Wrapped(lambda self, x: self.head(x.flatten(1)) * int(x.shape[0])), "differs", "number of images")

    def test_one_precision(self):
        def single(self, x):
            return self.head(x.flatten(1)) @ torch.ones(4, 4, dtype=torch.float32)

        self.refuses(Wrapped(single), "itself fails on images of 3 x 8 x 8", "same dtype")

    def test_tensors(self):
        shared = nn.Linear(192, 192)
        self.refuses(nn.Sequential(nn.Flatten(), shared, nn.Linear(192, 192), shared), "3.weight", "1.weight")
        scaled = Wrapped(lambda self, x: self.head(x.flatten(1)) * self.scale, scale=torch.ones(4))
        self.refuses(scaled, "scale", "persistent=False")
        pruned = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
        prune.random_unstructured(pruned[1], "weight", 0.5)
        self.refuses(pruned, "1.weight_mask", "prune.remove")
        self.refuses(nn.Sequential(nn.Flatten(), nn.LazyLinear(4)), "1.weight", "no shape yet")
        self.refuses(nn.Flatten(), "no parameters")
        averaging = nn.Sequential(nn.BatchNorm2d(3, momentum=None), nn.Flatten(), nn.Linear(192, 4))
        self.refuses(averaging, "0 averages", "momentum")

    def test_answers_and_examples(self):
        self.refuses(nn.Conv2d(3, 4, 1), "not logits")
        self.refuses(Wrapped(lambda self, x: {"out": self.head(x.flatten(1))}), "dict")
        self.refuses(nn.Linear(192, 4), "images", images=torch.zeros(1, 192))
        self.refuses("resnet18", "str")


class Exports(unittest.TestCase):
    def exported(self, module, images=IMAGES):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "net.pt"
            described = export(module, images, path)
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
                inside = json.loads(archive.read(next(name for name in names if name.endswith("/extra/sculpt.json"))))
                text = b"".join(archive.read(name) for name in names)
            notes = described.pop("notes")
            self.assertEqual(described, inside)
            return described, notes, text, path.name

    def test_the_module_is_as_it_was(self):
        module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.3), nn.Flatten(), nn.Linear(144, 4))
        before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        described, notes, _, _ = self.exported(module)
        self.assertTrue(module.training and module[2].p == 0.3)
        for name, tensor in module.state_dict().items():
            self.assertTrue(torch.equal(tensor, before[name]) and tensor.dtype == before[name].dtype, name)
        self.assertEqual(notes, ["2: dropout at rate 0, not 0.3"])
        self.assertEqual(described["normalised"], 36)
        self.assertEqual([entry.get("positions") for entry in described["params"]], [36, None, None, None, 1, None])

    def test_dropout_by_the_function_is_none(self):
        dropping = Wrapped(lambda self, x: self.head(nn.functional.dropout(x, 0.5, self.training).flatten(1)))
        self.exported(dropping)

    def test_nothing_of_this_machine_is_in_it(self):
        module = Wrapped(lambda self, x: self.head(x.flatten(1)))
        _, _, text, _ = self.exported(module)
        self.assertNotIn(str(HERE).encode(), text)
        self.assertNotIn(b"test_export_network", text)

    def test_attention_has_a_formula(self):
        class Attending(nn.Module):
            def __init__(self, causal):
                super().__init__()
                self.attend, self.head, self.causal = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 4), causal

            def forward(self, x):
                x = x.flatten(1, 2)
                if self.causal:
                    x = nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)
                return self.head(self.attend(x, x, x, need_weights=False)[0].mean(1))

        for causal in (False, True):
            described, _, text, _ = self.exported(Attending(causal))
            self.assertNotIn(b"scaled_dot_product", text)
            kinds = {entry["name"]: entry["kind"] for entry in described["params"]}
            self.assertEqual(kinds["attend.in_proj_weight"], "linear")

    def test_the_command_line(self):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "mine.py").write_text(
                "from torch import nn\n\n\ndef net(classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(192, classes))\n"
            )
            line = [sys.executable, str(HERE / "export_network.py"), "mine.py:net", "--image", "3", "8", "8", "--out", "n.pt"]
            done = subprocess.run([*line, "--arguments", '{"classes": 4}'], cwd=folder, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("772 parameters (768 prunable), 4 classes", done.stdout)
            failed = subprocess.run([*line, "--arguments", '{"classes": 0}'], cwd=folder, capture_output=True, text=True)
            self.assertEqual(failed.returncode, 1)
            self.assertIn("mine.py:net: ", failed.stderr)


if __name__ == "__main__":
    unittest.main()
