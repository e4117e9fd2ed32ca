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
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm
from torch.utils.checkpoint import checkpoint

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from export_network import Refused, export, made  # noqa: E402

IMAGES = torch.zeros(1, 3, 8, 8)


class Wrapped(nn.Module):
    """A linear layer, and what a test does with its input."""

    def __init__(self, function, **parts):
        super().__init__()
        self.head = nn.Linear(192, 4)
        self.function = function
        for name, part in parts.items():
            is_constant = isinstance(part, torch.Tensor) and not isinstance(part, nn.Parameter)
            self.register_buffer(name, part) if is_constant else setattr(self, name, part)

    def forward(self, x):
        return self.function(self, x)


class Sign(torch.autograd.Function):
    """A sign whose derivative is a straight line's."""

    @staticmethod
    def forward(_, x):
        return x.sign()

    @staticmethod
    def backward(_, gradient):
        return gradient


@torch.jit.script
def doubled_thrice(x):
    for _ in range(3):
        x = x * 2
    return x


class Refusals(unittest.TestCase):
    def refuses(self, module, *says, images=IMAGES):
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaises(Refused) as caught:
                export(module, images, Path(folder) / "net.pt")
            self.assertFalse(list(Path(folder).iterdir()), "nothing is written")
        for part in says:
            self.assertIn(part, str(caught.exception))

    def test_what_makes_no_module(self):
        for network, arguments, says in (
            ("torch.nn:Linaer", "{}", "there is no 'Linaer' in torch.nn"),
            ("torch.nn:Linear", '{"in_features": 3}', "out_features"),
            ("torch.nn:Linear", "[", "nothing can be made of --arguments '[': JSONDecodeError"),
            ("torch.nn:Linear", '{"in_features": -3, "out_features": 2}', "RuntimeError: "),
            ("torch:__version__", "{}", "neither a module nor what makes one"),
            ("no_such_module:X", "{}", "no_such_module cannot be imported: ModuleNotFoundError"),
            ("no_such_file.py:X", "{}", "no_such_file.py cannot be imported: FileNotFoundError"),
        ):
            with self.assertRaises(Refused) as caught:
                made(network, arguments)
            self.assertIn(says, str(caught.exception))
            self.assertNotIn("\n", str(caught.exception))

    def test_control_flow_by_values(self):
        branch = Wrapped(lambda self, x: self.head(x.flatten(1) if x.mean() > 0 else -x.flatten(1)))
        self.refuses(nn.Sequential(branch), "0: __bool__", "values", "test_export_network.py, line")

    def test_values_that_python_takes(self):
        for name, taken in (
            ("tolist", lambda x: sum(x.flatten().tolist())),
            ("numpy", lambda x: float(x.numpy().sum())),
            ("item", lambda x: x.mean().item()),
            ("__int__", lambda x: int(x.sum())),
            ("__float__", lambda x: float(x.sum())),
        ):
            self.refuses(Wrapped(lambda self, x, taken=taken: self.head(x.flatten(1)) * taken(x)), name, "values", ", line")
        hidden = Wrapped(lambda self, x: self.head(x.flatten(1)).data * self.head(x.flatten(1)))
        self.refuses(hidden, "logits are not the module's for other images", "x.data")
        baked = Wrapped(lambda self, x: F.linear(x.flatten(1), self.head.weight.data))
        self.refuses(baked, "logits are not the module's at other parameters", "weight.data")

    def test_gradients_that_are_held_back(self):
        def half(self, x):
            with torch.no_grad():
                other = self.head(x.flatten(1))
            return other + self.head(x.flatten(1))

        self.refuses(Wrapped(half), "gradient is not the module's", "torch.no_grad at test_export_network.py, line")

    def test_derivatives_in_python(self):
        self.refuses(Wrapped(lambda self, x: Sign.apply(self.head(x.flatten(1)))), "Sign is a torch.autograd.Function", ", line")
        again = Wrapped(lambda self, x: checkpoint(self.head, x.flatten(1), use_reentrant=True))
        self.refuses(again, "torch.utils.checkpoint", "switch that off")

    def test_numbers_of_images_that_python_takes(self):
        def each(self, x):
            return torch.stack([self.head(x[i].flatten()) for i in range(x.shape[0])])

        self.refuses(Wrapped(each), "the number of images out of a shape at test_export_network.py, line")
        # Whatever the sizes that it is tried with.
        for many in (lambda x: len(x) > 1000, lambda x: x.shape[0] > 1000, lambda x: x.size(0) * 2 > 1000):
            branch = Wrapped(lambda self, x, many=many: self.head(x.flatten(1)) * (2 if many(x) else 1))
            self.refuses(branch, "the number of images out of a shape", ", line")
        iterated = Wrapped(lambda self, x: torch.stack([self.head(image.flatten()) for image in x]))
        self.refuses(iterated, "fails for 1 images")

    def test_parameters_that_change_or_stand_still(self):
        frozen = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
        frozen[1].bias.requires_grad_(False)
        self.refuses(frozen, "1.bias is frozen", "requires_grad_(True)", "persistent=False")

        def clamped(self, x):
            self.head.weight.data.clamp_(-0.01, 0.01)
            return self.head(x.flatten(1))

        self.refuses(Wrapped(clamped), "changes its parameter head.weight")
        unknown = [nn.Parameter(torch.ones(4))]
        self.refuses(Wrapped(lambda self, x: self.head(x.flatten(1)) * unknown[0]), "not registered", "ParameterList")

    def test_programs_that_sculpt_refuses(self):
        self.refuses(Wrapped(lambda self, x: self.head(doubled_thrice(x).flatten(1))), "TorchScript that loops")
        self.refuses(torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(192, 4))), "is TorchScript already")

    def test_random_numbers(self):
        self.refuses(Wrapped(lambda self, x: self.head((x + torch.rand_like(x)).flatten(1))), "random numbers")

    def test_a_size_of_batch_that_is_built_in(self):
        self.refuses(Wrapped(lambda self, x: self.head(x.reshape(int(x.shape[0]), 192))), "number of images out of a shape", ", line")

    def test_no_second_derivative(self):
        def grid(self, x):
            where = torch.tanh(self.head(x.flatten(1)))[:, None, None, :2].expand(-1, 8, 8, -1)
            return self.head(nn.functional.grid_sample(x, where, align_corners=False).flatten(1))

        self.refuses(Wrapped(grid), "second derivatives", "grid_sampler")

    def test_an_answer_that_depends_on_the_number_of_images(self):
        # A size without a tensor's trace, which only other numbers of images tell.
        hidden = Wrapped(lambda self, x: self.head(x.flatten(1)) * len(x.unbind(0)))
        self.refuses(hidden, "logits are not the module's for 1 images", "number of images")

    def test_one_precision(self):
        def single(self, x):
            return self.head(x.flatten(1)) @ torch.ones(4, 4, dtype=torch.float32)

        self.refuses(Wrapped(single), "itself fails on 2 images of 3 x 8 x 8", ", line", "of one precision")

    def test_tensors(self):
        scaled = Wrapped(lambda self, x: self.head(x.flatten(1)) * self.scale, scale=torch.ones(4))
        self.refuses(scaled, "scale", "persistent=False")
        self.refuses(nn.Sequential(nn.Flatten(), spectral_norm(nn.Linear(192, 4))), "1.weight_u", "remove_spectral_norm")
        moving = nn.Sequential(nn.Flatten(), parametrizations.spectral_norm(nn.Linear(192, 4)))
        self.refuses(moving, "spectral_norm", "remove_parametrizations")
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

    def test_a_tensor_under_two_names_is_one(self):
        class Tied(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b, self.head = nn.Linear(192, 192), nn.Linear(192, 192), nn.Linear(192, 4)
                self.b.weight = self.a.weight

            def forward(self, x):
                return self.head(torch.tanh(self.b(torch.tanh(self.a(x.flatten(1))))))

        described, _, _, _ = self.exported(Tied())
        self.assertEqual(described["beside"], ["b.weight"])
        self.assertEqual([entry["name"] for entry in described["params"]], ["a.weight", "a.bias", "b.bias", "head.weight", "head.bias"])
        # An image uses it twice.
        self.assertEqual(described["params"][0]["positions"], 2)
        shared = nn.Linear(192, 192)
        described, _, _, _ = self.exported(nn.Sequential(nn.Flatten(), shared, nn.Tanh(), shared, nn.Linear(192, 4)))
        self.assertEqual(described["beside"], ["3.bias", "3.weight"])

    def test_integers_are_constants(self):
        order = torch.arange(192).flip(0)
        described, _, _, _ = self.exported(Wrapped(lambda self, x: self.head(x.flatten(1)[:, self.order]), order=order))
        self.assertEqual((described["beside"], described["buffers"]), (["order"], []))

    def test_what_it_makes_follows_the_parameters(self):
        def positions(self, x):
            return self.head((x + torch.linspace(0, 1, 8, dtype=x.dtype, device=x.device)).flatten(1))

        _, _, text, _ = self.exported(Wrapped(positions))
        self.assertIn(b"prim.dtype(theta)", text)
        self.assertIn(b"prim.device(theta)", text)
        self.assertNotIn(b'torch.device("cpu")', text)

    def test_what_is_written_in_place(self):
        def twice(self, x):
            y = self.head(x.mul_(2.0).flatten(1))
            return F.hardswish(y, inplace=True) + y

        self.exported(Wrapped(twice))

    def test_assertions_are_for_their_author(self):
        def asserted(self, x):
            n, channels, height, width = x.shape
            assert n > 0 and channels == 3
            return self.head(x.reshape(n, channels * height * width))

        self.exported(Wrapped(asserted))

    def test_who_may_look_at_nothing_sees_nothing(self):
        def blind(self, x):
            x = x.flatten(1, 2)
            hidden = torch.arange(24)[:, None] > torch.arange(24)[None]
            return self.head(F.scaled_dot_product_attention(x, x, x, attn_mask=hidden).flatten(1))

        self.exported(Wrapped(blind))

    def test_notes(self):
        frozen = nn.Sequential(nn.Flatten(), nn.Linear(192, 4)).requires_grad_(False)
        self.assertIn("all parameters are frozen", self.exported(frozen)[1][0])
        made = nn.Sequential(nn.Flatten(), parametrizations.weight_norm(nn.Linear(192, 4)))
        notes = " ".join(self.exported(made)[1])
        self.assertIn("no weight can be pruned", notes)
        self.assertIn("1.weight: its weight is made of other parameters", notes)

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
