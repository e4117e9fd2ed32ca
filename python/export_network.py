#!/usr/bin/env python3
"""A PyTorch network as a function of one flat vector of parameters, in a file that `sculpt --network` takes.

    python3 export_network.py torchvision.models:mobilenet_v3_small --arguments '{"num_classes": 10}' \\
        --image 3 32 32 --out net.pt
    python3 export_network.py my_networks.py:Net --image 3 32 32 --out net.pt

or, from Python, with an image or several of the size that the network is to take:

    from export_network import export
    export(module, torch.zeros(1, 3, 32, 32), "net.pt")

Needs PyTorch alone (made with 2.11). The file is TorchScript with three methods `(theta, buffers, images) -> (logits, buffers)`:
`evaluate`, `learn` (training mode) and `calibrate` (training mode, BatchNorm's momentum 1). It holds no weights; names, shapes and kinds
of the tensors lie beside the code, in `extra/sculpt.json`. Equal networks make equal files.

What is written otherwise than in the module, because libtorch has no second derivative or no fixed answer for it:
- attention (`scaled_dot_product_attention`, `nn.MultiheadAttention`) as softmax(q kᵀ / √d) v;
- hardsigmoid as relu6(x + 3) / 6, hardswish as x · relu6(x + 3) / 6;
- dropout and stochastic depth at rate 0: what random numbers a network draws is nobody's to repeat;
- 1 × 1 convolutions with a stride as a slice and a convolution without one, whose backward pass is right in libtorch 2.11.

Refused, by name: control flow that depends on values, random numbers, shapes that depend on the batch, double precision or second
derivatives that fail, tensors shared under two names, and persistent buffers that are not running statistics.
"""
import argparse
import contextlib
import copy
import importlib
import importlib.util
import io
import json
import math
import re
import sys
import warnings
import zipfile
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

FORMAT = 1
METHODS = ("evaluate", "learn", "calibrate")
DESCRIPTION = "sculpt.json"


class Refused(ValueError):
    """The network cannot be exported; the text says what of it, and where."""


def export(module, example, path, title=None):
    """Writes `module` as a function of its flat parameters to `path`, for images of the size of `example` [n, c, h, w].

    Returns the description that the file holds, with `notes` of what is written otherwise than in the module.
    """
    if not (isinstance(example, torch.Tensor) and example.dim() == 4 and example.is_floating_point() and example.numel()):
        raise Refused("the example is to be images, a floating point tensor [n, channels, height, width]")
    given = prepared(module)
    network, notes = without_chance(given)
    tensors = Tensors(network)
    image = list(example.shape[1:])
    # Any values do; a fixed stream, so that equal networks make equal files.
    stream = torch.Generator().manual_seed(1)

    def images(n):
        return torch.randn(n, *image, generator=stream, dtype=torch.float64)

    seen = watch(network, tensors, images(2))
    program = trace(network, tensors, images(2))
    classes = compare(program, given, network, tensors, images)
    differentiate(program, tensors, images(2))
    description = {
        "format": FORMAT,
        "title": title or type(module).__name__,
        "classes": classes,
        "image": image,
        "params": tensors.describe_params(seen.positions(tensors)),
        "buffers": tensors.describe_buffers(),
        "activations": seen.n_outputs // seen.n_images,
        "normalised": seen.normalised,
    }
    write(program, description, path)
    return {**description, "notes": notes + seen.notes}


def prepared(module):
    """A copy on the CPU in double precision, which nothing that is done here reaches back from."""
    if not isinstance(module, nn.Module):
        raise Refused(f"{type(module).__name__} is no torch.nn.Module")
    for name, _ in module.named_buffers():
        if name.endswith("_mask") and name.removesuffix("_mask") + "_orig" in dict(module.named_parameters()):
            raise Refused(f"{name} is a mask of torch.nn.utils.prune: make it permanent with prune.remove")
    try:
        network = copy.deepcopy(module).to("cpu")
    except RuntimeError as error:
        raise Refused(f"the module cannot be copied: {last_line(error)}") from error
    for name, tensor in network.state_dict(keep_vars=True).items():
        if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
            raise Refused(f"{name} has no shape yet: run the network once before it is exported")
        if tensor.is_complex() or tensor.is_quantized:
            raise Refused(f"{name} is of {tensor.dtype}, not of real numbers")
    network = network.double()
    network.requires_grad_(True)
    for name, child in network.named_modules():
        if isinstance(child, nn.modules.batchnorm._NormBase):
            if child.track_running_stats and child.momentum is None:
                raise Refused(f"{name} averages its statistics over all batches (momentum=None): give it a momentum")
            # The count is for momentum=None alone, and no number of a network's answer.
            child.num_batches_tracked = None
    return network


def without_chance(given):
    """A copy that draws no random numbers, and what was done to it."""
    network, notes = copy.deepcopy(given), []
    for name, child in network.named_modules():
        if isinstance(child, nn.modules.dropout._DropoutNd):
            rate, child.p = child.p, 0.0
        elif isinstance(child, nn.MultiheadAttention):
            rate, child.dropout = child.dropout, 0.0
        elif type(child).__name__ == "StochasticDepth":
            rate, child.p = child.p, 0.0
        elif type(child).__name__ == "DropPath":
            rate, child.drop_prob = child.drop_prob, 0.0
        else:
            continue
        if rate:
            notes.append(f"{name}: dropout at rate 0, not {rate:g}")
    return network, notes


class Tensors:
    """The parameters and running statistics of a network, each as slices of one flat vector, in `state_dict` order."""

    def __init__(self, network):
        self.params, self.buffers, self.constants = [], [], []
        persistent, known = set(network.state_dict()), {}
        for prefix, module in network.named_modules(remove_duplicate=False):
            for local, tensor in module.named_parameters(recurse=False, remove_duplicate=False):
                name = f"{prefix}.{local}" if prefix else local
                twin = known.setdefault(id(tensor), name)
                if twin != name:
                    raise Refused(f"{name} is the tensor that {twin} is: one vector of parameters has it once")
                if tensor.numel() == 0:
                    raise Refused(f"{name} has no elements")
                self.params.append((name, kind(module, local, tensor), tensor.detach()))
            for local, tensor in module.named_buffers(recurse=False, remove_duplicate=False):
                name = f"{prefix}.{local}" if prefix else local
                statistic = isinstance(module, nn.modules.batchnorm._NormBase) and local in ("running_mean", "running_var")
                if statistic:
                    self.buffers.append((name, local.replace("_", "-"), tensor))
                elif name in persistent:
                    raise Refused(
                        f"{name} is a buffer of the state_dict that is no running statistic: register a constant with "
                        f"persistent=False"
                    )
                else:
                    self.constants.append((name, tensor))
        if not self.params:
            raise Refused("the network has no parameters")
        # As numbers: asked for while the network is recorded, they would be recorded too, the tensors with them.
        self.sizes = [tensor.numel() for _, _, tensor in self.params]
        self.shapes = [tuple(tensor.shape) for _, _, tensor in self.params]
        sizes = [tensor.numel() for _, _, tensor in self.buffers]
        self.places = [(sum(sizes[:i]), size) for i, size in enumerate(sizes)]

    def flat(self, which):
        """Values of the parameters or the buffers, one behind the other."""
        return torch.cat([tensor.flatten() for _, _, tensor in which] or [torch.zeros(0, dtype=torch.float64)])

    def named(self, theta, buffers):
        """Views of both vectors, and the constants, under the names that the module has for them."""
        slices = theta.split(self.sizes)
        named = {name: part.view(shape) for (name, _, _), part, shape in zip(self.params, slices, self.shapes)}
        for (name, _, _), (start, size) in zip(self.buffers, self.places):
            named[name] = buffers.narrow(0, start, size)
        for name, tensor in self.constants:
            # In the precision of the parameters, whichever it is.
            named[name] = tensor.type_as(theta) if tensor.is_floating_point() else tensor
        return named

    def describe_params(self, positions):
        described = []
        for name, what, tensor in self.params:
            entry = {"name": name, "kind": what, "shape": list(tensor.shape)}
            if what in ("conv", "linear"):
                entry["positions"] = positions[name]
            if what == "other":
                # What no layer has a rule for is drawn like the values that it has here.
                mean, deviation = tensor.mean().item(), tensor.std(correction=0).item()
                if bool((tensor == tensor.flatten()[0]).all()):
                    mean, deviation = tensor.flatten()[0].item(), 0.0
                if not (math.isfinite(mean) and math.isfinite(deviation)):
                    raise Refused(f"{name} holds numbers that are not finite")
                entry["draw"] = {"mean": mean, "deviation": deviation}
            described.append(entry)
        return described

    def describe_buffers(self):
        return [{"name": name, "kind": what, "n": tensor.numel()} for name, what, tensor in self.buffers]


def kind(module, local, tensor):
    """What a parameter is for: decides whether a mask may touch it, and how it is drawn."""
    normalises = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
    if isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)):
        weight = "linear" if isinstance(module, nn.Linear) else "conv"
        return {"weight": weight, "bias": "bias"}.get(local, "other")
    if isinstance(module, nn.MultiheadAttention):
        weights = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
        return "linear" if local in weights else "bias" if local == "in_proj_bias" else "other"
    if isinstance(module, normalises):
        return {"weight": "norm-scale", "bias": "norm-shift"}.get(local, "other")
    return "other"


class Mathematical(TorchFunctionMode):
    """Functions by their formulas, where libtorch's own have no second derivative or no fixed answer."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        return FORMULAS.get(function, function)(*args, **(kwargs or {}))


def attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
        value = value.repeat_interleave(query.shape[-3] // value.shape[-3], -3)
    scores = query @ key.transpose(-2, -1) * (1.0 / math.sqrt(int(query.shape[-1])) if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(int(query.shape[-2]), int(key.shape[-2]), dtype=torch.bool).tril()
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return scores.softmax(-1) @ value


def heads(*args, need_weights=True, **kwargs):
    # With weights asked for, PyTorch computes them by the formula; it then has no kernel of its own to call.
    out, weights = F.multi_head_attention_forward(*args, need_weights=True, **kwargs)
    return out, (weights if need_weights else None)


def hard_sigmoid(x, inplace=False):
    return F.relu6(x + 3.0) / 6.0


def hard_swish(x, inplace=False):
    return x * hard_sigmoid(x)


def convolution(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    strides = (stride, stride) if isinstance(stride, int) else tuple(stride) * (2 // len(stride))
    if tuple(weight.shape[2:]) == (1, 1) and max(strides) > 1 and padding in (0, (0, 0), [0, 0], (0,), "valid"):
        input, stride = input[:, :, :: strides[0], :: strides[1]], 1
    return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)


def as_it_is(x, *args, **kwargs):
    return x


FORMULAS = {
    F.scaled_dot_product_attention: attention,
    F.multi_head_attention_forward: heads,
    F.hardsigmoid: hard_sigmoid,
    torch._C._nn.hardsigmoid: hard_sigmoid,
    F.hardswish: hard_swish,
    torch._C._nn.hardswish: hard_swish,
    torch.conv2d: convolution,
    **{
        function: as_it_is
        for function in (
            *(F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout),
            *(torch.dropout, torch.feature_dropout, torch.alpha_dropout, torch.feature_alpha_dropout),
        )
    },
}


class Flat(nn.Module):
    """The network as a function of its vectors, in the three modes."""

    # How the file calls its type, whether this one was run or imported.
    __module__ = "sculpt"

    def __init__(self, network, tensors):
        super().__init__()
        # In a closure: a submodule's parameters would be saved with the code.
        self.run = lambda mode, theta, buffers, images: run(network, tensors, mode, theta, buffers, images)

    def evaluate(self, theta, buffers, images):
        return self.run("evaluate", theta, buffers, images)

    def learn(self, theta, buffers, images):
        return self.run("learn", theta, buffers, images)

    def calibrate(self, theta, buffers, images):
        return self.run("calibrate", theta, buffers, images)


def run(network, tensors, mode, theta, buffers, images):
    """Logits and the running statistics after them."""
    network.train(mode != "evaluate")
    momenta = {}
    if mode == "calibrate":
        momenta = {child: child.momentum for child in network.modules() if isinstance(child, nn.modules.batchnorm._NormBase)}
    # A caller's statistics stay: the new ones are an answer.
    buffers = buffers.clone()
    try:
        for child in momenta:
            child.momentum = 1.0
        with Mathematical():
            with swapped(network, tensors.named(theta, buffers)):
                logits = network(images)
    finally:
        for child, momentum in momenta.items():
            child.momentum = momentum
    return logits, buffers


@contextlib.contextmanager
def swapped(network, named):
    """The network with other tensors in its modules, as `torch.func.functional_call` has it, which cannot be recorded."""
    places = []
    try:
        for name, tensor in named.items():
            prefix, _, local = name.rpartition(".")
            module = network.get_submodule(prefix)
            held = module._parameters if local in module._parameters else module._buffers
            places.append((held, local, held[local]))
            held[local] = tensor
        yield
    finally:
        for held, local, tensor in places:
            held[local] = tensor


class Watch(TorchDispatchMode):
    """Looks at every operation: refuses what a recording cannot repeat, and counts what each weight is used for."""

    def __init__(self, tensors, n_images):
        super().__init__()
        self.n_images, self.inside, self.notes, self.normalised = n_images, [], [], None
        self.macs, self.n_outputs = {}, 0
        self.weights = {}
        self.tensors = tensors

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        where = f"{self.inside[-1] or 'the network'}: aten::{name}" if self.inside else f"aten::{name}"
        if torch.Tag.data_dependent_output in function.tags:
            raise Refused(f"{where} makes what follows depend on the values of a tensor, not on its shape alone")
        if torch.Tag.nondeterministic_seeded in function.tags:
            raise Refused(f"{where} draws random numbers")
        out = function(*args, **(kwargs or {}))
        # Views of what is there keep nothing.
        held = {storage(value) for arg in args for value in (arg if isinstance(arg, (tuple, list)) else [arg])}
        for result in out if isinstance(out, (tuple, list)) else [out]:
            if storage(result) not in held | {None}:
                self.n_outputs += result.numel()
        if name in ("convolution", "mm", "addmm", "bmm"):
            self.count(name, args, out)
        if name in ("native_batch_norm", "_native_batch_norm_legit") and args[5]:
            area = args[0].numel() // (args[0].shape[0] * args[0].shape[1])
            # A batch that was folded into other dimensions has its images' values in one.
            area = area * args[0].shape[0] // self.n_images
            self.normalised = area if self.normalised is None else min(area, self.normalised)
        return out

    def enter(self, name):
        self.inside.append(name)

    def leave(self):
        # What a hook returned would stand in for the module's answer.
        self.inside.pop()

    def count(self, name, args, out):
        """Multiply-accumulates of each parameter; sums over its images."""
        if name == "convolution":
            input, weight, transposed = args[0], args[1], args[6]
            macs = (input if transposed else out).numel() * weight[0].numel()
            operands = [weight]
        else:
            left, right = args[1:3] if name == "addmm" else args[:2]
            macs = left.numel() * right.shape[-1]
            operands = [left, right]
        for operand in operands:
            owner = self.weights.get(storage(operand))
            if owner is not None:
                self.macs[owner] = self.macs.get(owner, 0) + macs

    def positions(self, tensors):
        """How often one image uses each weight, of those that convolutions and linear layers have."""
        positions = {}
        for name, what, tensor in tensors.params:
            if what in ("conv", "linear"):
                positions[name] = self.macs.get(name, 0) // (tensor.numel() * self.n_images)
                if positions[name] == 0:
                    self.notes.append(f"{name}: no convolution or linear layer uses it")
        return positions


def storage(value):
    """Where a tensor's numbers lie, which its views share."""
    return value.untyped_storage().data_ptr() if isinstance(value, torch.Tensor) else None


def watch(network, tensors, images):
    """One forward pass in training mode and one in evaluation mode, watched; counts are of the latter."""
    seen = None
    for mode in ("learn", "evaluate"):
        normalised = seen.normalised if seen else None
        seen = Watch(tensors, len(images))
        seen.normalised = normalised
        own = {name: tensor.clone() for name, _, tensor in tensors.params}
        seen.weights = {storage(tensor): name for name, tensor in own.items()}
        named = {**tensors.named(tensors.flat(tensors.params), tensors.flat(tensors.buffers)), **own}
        hooks = []
        for name, child in network.named_modules():
            hooks.append(child.register_forward_pre_hook(lambda *_, name=name: seen.enter(name)))
            hooks.append(child.register_forward_hook(lambda *_: seen.leave()))
        network.train(mode == "learn")
        try:
            with torch.no_grad(), Mathematical(), swapped(network, named), seen:
                logits = network(images)
        except Refused:
            raise
        except Exception as error:
            shape = " x ".join(str(n) for n in images.shape[1:])
            raise Refused(f"the module itself fails on images of {shape} in double precision: {last_line(error)}") from error
        finally:
            for hook in hooks:
                hook.remove()
        if not (isinstance(logits, torch.Tensor) and logits.dim() == 2 and len(logits) == len(images)):
            found = list(logits.shape) if isinstance(logits, torch.Tensor) else f"a {type(logits).__name__}"
            raise Refused(f"the network makes {found} of {len(images)} images, not logits [{len(images)}, classes]")
    return seen


def trace(network, tensors, images):
    """The three methods as recorded from one batch, read back from their file so that what is checked is what is written."""
    inputs = (tensors.flat(tensors.params), tensors.flat(tensors.buffers), images)
    with warnings.catch_warnings(), torch.no_grad():
        # That sizes become constants is checked by other batches, and that values do, by `Watch`.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace_module(
            Flat(network, tensors), {method: inputs for method in METHODS}, check_trace=False
        )
    file = io.BytesIO()
    torch.jit.save(traced, file)
    file.seek(0)
    return Program(file.getvalue())


class Program:
    """A written network."""

    def __init__(self, content):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self.content, self.module = content, torch.jit.load(io.BytesIO(content))

    def __call__(self, method, theta, buffers, images):
        # As Sculpt does: the optimiser's derivatives have no derivatives.
        with torch.jit.optimized_execution(False):
            return getattr(self.module, method)(theta, buffers, images)


def compare(program, given, network, tensors, images):
    """Holds the program against the module, on other batches than were recorded; returns the number of classes."""
    theta, buffers = tensors.flat(tensors.params), tensors.flat(tensors.buffers)
    classes = None
    with torch.no_grad():
        for n in (1, 2, 3):
            x = images(n)
            logits = given.eval()(x)
            classes = logits.shape[1]
            near("evaluation", n, call(program, "evaluate", theta, buffers, x)[0], logits)
        for n in (2, 3):
            x = images(n)
            for method in ("learn", "calibrate"):
                # Eagerly, with the running statistics where the module has them.
                expected, after = run(network, tensors, method, theta, buffers, x)
                found, moved = call(program, method, theta, buffers, x)
                near("training", n, found, expected)
                near("the running statistics", n, moved, after)
    return classes


def call(program, method, theta, buffers, images):
    try:
        return program(method, theta, buffers, images)
    except RuntimeError as error:
        raise Refused(
            f"recorded with 2 images, the network fails with {len(images)} in {method}: {last_line(error)}"
        ) from error


def near(what, n, found, expected):
    bound = 1e-9 * (1.0 + (expected.abs().max().item() if expected.numel() else 0.0))
    if found.shape != expected.shape or not bool(((found - expected).abs() <= bound).all()):
        raise Refused(
            f"recorded with 2 images, the network's {what} differs from the module's with {n}: something in it depends on the "
            f"number of images or on their values"
        )


def differentiate(program, tensors, images):
    """A Hessian-vector product in each precision, as the criteria and the spectra need."""
    for dtype in (torch.float64, torch.float32):  # what SynFlow computes in, and all others
        theta = tensors.flat(tensors.params).to(dtype).requires_grad_(True)
        buffers = tensors.flat(tensors.buffers).to(dtype)
        try:
            logits, _ = program("evaluate", theta, buffers, images.to(dtype))
            if logits.dtype != dtype:
                raise Refused(f"something in the network is of {logits.dtype}, whatever its parameters are of")
            loss = F.cross_entropy(logits, torch.zeros(len(images), dtype=torch.int64))
            (gradient,) = torch.autograd.grad(loss, theta, create_graph=True)
            torch.autograd.grad(gradient.square().sum(), theta)
        except RuntimeError as error:
            raise Refused(f"no second derivatives in {dtype}: {last_line(error)}") from error


def last_line(error):
    """What libtorch says, less where in the program it says it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else "no reason given")


def write(program, description, path):
    """The program without the names of files and lines that it was recorded from, and the description beside it."""
    text = json.dumps(description, sort_keys=True, separators=(",", ":"), allow_nan=False)
    with zipfile.ZipFile(io.BytesIO(program.content)) as recorded:
        # The identity that PyTorch gives to a file is of the names of others, too.
        without = (".debug_pkl", ".data/serialization_id")
        entries = [(name, recorded.read(name)) for name in recorded.namelist() if not name.endswith(without)]
    # A process that exports more than one network tells their types apart by a number, in paths and in text.
    entries = [
        (re.sub(r"/___torch_mangle_\d+\.py$", ".py", name), re.sub(rb"\.___torch_mangle_\d+", b"", content))
        for name, content in entries
    ]
    root = entries[0][0].split("/")[0]
    entries.append((f"{root}/extra/{DESCRIPTION}", text.encode()))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries:
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    Program(file.getvalue())
    Path(path).write_bytes(file.getvalue())


def find(text):
    """What `package.module:name` or `file.py:name` names."""
    where, separator, name = text.rpartition(":")
    if not separator:
        raise Refused(f"{text!r} is no MODULE:NAME or FILE.py:NAME")
    if where.endswith(".py"):
        spec = importlib.util.spec_from_file_location(Path(where).stem, where)
        found = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = found
        spec.loader.exec_module(found)
    else:
        found = importlib.import_module(where)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], epilog="See the head of this file for what is rewritten and what refused."
    )
    parser.add_argument("network", help="what makes the module: PACKAGE.MODULE:NAME or FILE.py:NAME")
    parser.add_argument("--arguments", default="{}", metavar="JSON", help="its keyword arguments, a JSON object")
    parser.add_argument("--image", required=True, nargs=3, type=int, metavar=("C", "H", "W"), help="size of an image")
    parser.add_argument("--title", help="what pictures and messages call it [default: the class's name]")
    parser.add_argument("--out", required=True, metavar="FILE", help="where to write")
    words = parser.parse_args()
    torch.manual_seed(0)
    try:
        module = find(words.network)
        if not isinstance(module, nn.Module):
            module = module(**json.loads(words.arguments))
        described = export(module, torch.zeros(1, *words.image), words.out, words.title)
    except Refused as error:
        sys.exit(f"{words.network}: {error}")
    for note in described["notes"]:
        print(f"note: {note}", file=sys.stderr)
    n = sum(math.prod(param["shape"]) for param in described["params"])
    prunable = sum(math.prod(param["shape"]) for param in described["params"] if "positions" in param)
    channels, height, width = described["image"]
    print(
        f"{words.out}: {described['title']}, {n} parameters ({prunable} prunable), {described['classes']} classes, "
        f"images of {channels} x {height} x {width}"
    )


if __name__ == "__main__":
    main()
