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

A tensor under two names is one slice of the vector, used twice; buffers of integers are constants. State dicts have both.

Refused, by name and with the line where it can be told: Python that depends on values or on the number of images, random numbers,
double precision or second derivatives that fail, a torch.autograd.Function, parameters of which some are frozen, and buffers of a
state_dict that are neither running statistics nor integers. Then the program is held against the module: logits, running statistics,
gradients and Hessian products, on several numbers of images, at other parameters, in training and in evaluation mode.
"""
import argparse
import collections
import contextlib
import copy
import importlib
import importlib.util
import io
import json
import linecache
import math
import os
import re
import sys
import traceback
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
    module = unwrapped(module)
    given, notes = prepared(module)
    network, without = without_chance(given)
    tensors = Tensors(network)
    image = list(example.shape[1:])
    # Any values do; a fixed stream, so that equal networks make equal files.
    stream = torch.Generator().manual_seed(1)

    def images(n):
        return torch.randn(n, *image, generator=stream, dtype=torch.float64)

    seen = watch(network, tensors, images(2))
    reference = Reference(network, tensors)
    # What a formula does not write in its argument's place matters to few, and costs all.
    for in_place in (False, True):
        flat = Flat(network, tensors, in_place, seen.writes_images)
        program = trace(flat, tensors, images)
        try:
            classes = compare(program, reference, tensors, images, seen)
            break
        except Refused:
            if in_place or not seen.formulas_in_place:
                raise
    differentiate(program, tensors, images(2))
    params = tensors.describe_params(seen.positions(tensors))
    description = {
        "format": FORMAT,
        "title": title or type(module).__name__,
        "classes": classes,
        "image": image,
        "params": params,
        "buffers": tensors.describe_buffers(),
        "activations": max(seen.n_outputs // seen.n_images, classes),
        "normalised": seen.normalised,
    }
    beside = tensors.beside()
    if beside:
        description["beside"] = beside
    write(program, description, path)
    notes = notes + without + seen.notes
    if not any("positions" in entry for entry in params):
        notes.append("no weight can be pruned: no convolution or linear layer has a weight that is a parameter of its own")
    for name in tensors.parametrised:
        notes.append(f"{name}: its weight is made of other parameters, which no mask prunes (remove_parametrizations makes it one)")
    return {**description, "notes": notes}


def unwrapped(module):
    """The module itself, where torch.compile or a wrapper for several devices stands around it."""
    while True:
        if isinstance(module, torch.jit.ScriptModule):
            raise Refused("the module is TorchScript already, which knows no other tensors than its own: export the nn.Module")
        if not isinstance(module, nn.Module):
            raise Refused(f"{type(module).__name__} is no torch.nn.Module")
        inside = getattr(module, "_orig_mod", None) if type(module).__name__ == "OptimizedModule" else None
        if isinstance(module, nn.DataParallel):
            inside = module.module
        if inside is None:
            return module
        module = inside


def prepared(module):
    """A copy on the CPU in double precision, which nothing that is done here reaches back from, and notes."""
    notes = []
    for name, _ in module.named_buffers():
        if name.endswith("_mask") and name.removesuffix("_mask") + "_orig" in dict(module.named_parameters()):
            raise Refused(f"{name} is a mask of torch.nn.utils.prune: make it permanent with prune.remove")
    try:
        network = copy.deepcopy(module).to("cpu")
    except RuntimeError as error:
        if "weight_norm" in str(error):
            raise Refused(
                "a weight is made by torch.nn.utils.weight_norm: take it off with remove_weight_norm, or use that of parametrizations"
            ) from error
        raise Refused(f"the module cannot be copied: {last_line(error)}") from error
    for name, tensor in network.state_dict(keep_vars=True).items():
        if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
            raise Refused(f"{name} has no shape yet: run the network once before it is exported")
        if tensor.is_complex() or tensor.is_quantized:
            raise Refused(f"{name} is of {tensor.dtype}, not of real numbers")
    frozen = [name for name, tensor in network.named_parameters() if not tensor.requires_grad]
    if len(frozen) < len(list(network.parameters())) and frozen:
        raise Refused(
            f"{frozen[0]} is frozen (requires_grad is False), as {len(frozen)} of the parameters are: here all of a vector of parameters "
            f"is trained; thaw them with requires_grad_(True), or make them buffers with persistent=False, which are constants"
        )
    if frozen:
        notes.append("all parameters are frozen (requires_grad is False): exported as if none was")
    network = network.double()
    network.requires_grad_(True)
    for name, child in network.named_modules():
        if isinstance(child, nn.modules.batchnorm._NormBase):
            if child.track_running_stats and child.momentum is None:
                raise Refused(f"{name} averages its statistics over all batches (momentum=None): give it a momentum")
            # The count is for momentum=None alone, and no number of a network's answer.
            child.num_batches_tracked = None
    return network, notes


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
        self.params, self.buffers, self.constants, self.twins, self.parametrised = [], [], [], [], []
        persistent, known = set(network.state_dict()), {}
        self.persistent = persistent
        for prefix, module in network.named_modules(remove_duplicate=False):
            if isinstance(module, nn.utils.parametrize.ParametrizationList):
                self.parametrised.append(prefix.replace(".parametrizations", ""))
            for local, tensor in module.named_parameters(recurse=False, remove_duplicate=False):
                name = f"{prefix}.{local}" if prefix else local
                twin = known.setdefault(id(tensor), name)
                if twin != name:
                    self.twins.append((name, twin))
                    continue
                if tensor.numel() == 0:
                    raise Refused(f"{name} has no elements")
                if local.endswith("_g") and f"{local[:-2]}_v" in module._parameters:
                    self.parametrised.append(name.removesuffix("_g"))
                self.params.append((name, kind(module, local, tensor), tensor.detach()))
            for local, tensor in module.named_buffers(recurse=False, remove_duplicate=False):
                name = f"{prefix}.{local}" if prefix else local
                twin = known.setdefault(id(tensor), name)
                if twin != name:
                    self.twins.append((name, twin))
                    continue
                statistic = isinstance(module, nn.modules.batchnorm._NormBase) and local in ("running_mean", "running_var")
                if statistic:
                    self.buffers.append((name, local.replace("_", "-"), tensor))
                elif "spectral" in type(module).__name__.lower() or f"{local.removesuffix('_u')}_orig" in module._parameters:
                    raise Refused(
                        f"{name} is of spectral_norm, which moves it in every step of a training, and Sculpt moves running statistics "
                        f"alone: take it off (torch.nn.utils.remove_spectral_norm, or parametrize.remove_parametrizations)"
                    )
                elif name in persistent and tensor.is_floating_point():
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
        for name, twin in self.twins:
            named[name] = named[twin]
        return named

    def beside(self):
        """What a state_dict has that the vectors have not: second names, and constants."""
        names = {name for name, _ in self.twins + self.constants}
        return sorted(names & self.persistent)

    def others(self, stream):
        """Parameters and statistics that are near these, and none of them."""
        theta, buffers = self.flat(self.params), self.flat(self.buffers)
        noise = torch.randn(len(theta), generator=stream, dtype=torch.float64)
        theta = theta * (1.0 + 0.1 * noise) + 0.01 * noise.flip(0)
        # Positive ones stay so.
        return theta, buffers * (1.0 + torch.rand(len(buffers), generator=stream, dtype=torch.float64)) + 0.01

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

    def __init__(self, in_place=True):
        super().__init__()
        self.in_place, self.wrote_in_place = in_place, False

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        formula = FORMULAS.get(function)
        if formula is None:
            return function(*args, **kwargs)
        by_word = function in BY_WORD and (kwargs.get("inplace") or args[1:2] == (True,))
        if by_word or function in ALWAYS:
            self.wrote_in_place = True
            if self.in_place:
                return args[0].copy_(formula(args[0].clone()))
        return formula(*args, **kwargs)


class WithoutChance(TorchFunctionMode):
    """The module's own functions, but for those that draw random numbers."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        return CHANCE.get(function, function)(*args, **(kwargs or {}))


def attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
        value = value.repeat_interleave(query.shape[-3] // value.shape[-3], -3)
    scores = query @ key.transpose(-2, -1) * (1.0 / math.sqrt(int(query.shape[-1])) if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(int(query.shape[-2]), int(key.shape[-2]), dtype=torch.bool).tril()
    if attn_mask is None:
        return scores.softmax(-1) @ value
    scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    # Who may look at nothing sees nothing.
    blind = (scores == -math.inf).all(-1, keepdim=True)
    return scores.masked_fill(blind, 0.0).softmax(-1).masked_fill(blind, 0.0) @ value


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


CHANCE = {
    function: as_it_is
    for function in (
        *(F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout),
        *(torch.dropout, torch.feature_dropout, torch.alpha_dropout, torch.feature_alpha_dropout),
    )
}

# Those that may write in place of their argument, by a word or always.
BY_WORD = {F.hardsigmoid: hard_sigmoid, F.hardswish: hard_swish}
ALWAYS = {torch._C._nn.hardsigmoid_: hard_sigmoid, torch._C._nn.hardswish_: hard_swish}

FORMULAS = {
    F.scaled_dot_product_attention: attention,
    F.multi_head_attention_forward: heads,
    torch._C._nn.hardsigmoid: hard_sigmoid,
    torch._C._nn.hardswish: hard_swish,
    torch.conv2d: convolution,
    **BY_WORD,
    **ALWAYS,
    **CHANCE,
}


class Flat(nn.Module):
    """The network as a function of its vectors, in the three modes."""

    # How the file calls its type, whether this one was run or imported.
    __module__ = "sculpt"

    def __init__(self, network, tensors, in_place, copies_images):
        super().__init__()

        # In a closure: a submodule's parameters would be saved with the code.
        def answer(mode, theta, buffers, images):
            # What a caller gives stays: the new statistics are an answer.
            buffers, images = buffers.clone(), images.clone() if copies_images else images
            with training(network, mode), Mathematical(in_place), swapped(network, tensors.named(theta, buffers)):
                return network(images), buffers

        self.run = answer

    def evaluate(self, theta, buffers, images):
        return self.run("evaluate", theta, buffers, images)

    def learn(self, theta, buffers, images):
        return self.run("learn", theta, buffers, images)

    def calibrate(self, theta, buffers, images):
        return self.run("calibrate", theta, buffers, images)


@contextlib.contextmanager
def training(network, mode):
    """The network in one of the three modes."""
    network.train(mode != "evaluate")
    momenta = {}
    if mode == "calibrate":
        momenta = {child: child.momentum for child in network.modules() if isinstance(child, nn.modules.batchnorm._NormBase)}
    try:
        for child in momenta:
            child.momentum = 1.0
        yield
    finally:
        for child, momentum in momenta.items():
            child.momentum = momentum


@contextlib.contextmanager
def swapped(network, named):
    """The network with other tensors in its modules, as `torch.func.functional_call` has it, which cannot be recorded."""
    places, modules = [], dict(network.named_modules(remove_duplicate=False))
    try:
        for name, tensor in named.items():
            prefix, _, local = name.rpartition(".")
            module = modules[prefix]
            held = module._parameters if local in module._parameters else module._buffers
            places.append((held, local, held[local]))
            held[local] = tensor
        yield
    finally:
        # A tensor under two names is put back as it was before the first.
        for held, local, tensor in reversed(places):
            held[local] = tensor


class Watch(TorchDispatchMode):
    """Looks at every operation: refuses what a recording cannot repeat, and counts what each weight is used for."""

    def __init__(self, tensors, n_images):
        super().__init__()
        self.n_images, self.inside, self.notes, self.normalised = n_images, [], [], None
        self.macs, self.n_outputs = {}, 0
        self.weights = {}
        self.tensors = tensors
        self.writes_images = self.formulas_in_place = False
        self.without_gradient = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        where = f"{self.inside[-1] or 'the network'}: aten::{name}" if self.inside else f"aten::{name}"
        if torch.Tag.data_dependent_output in function.tags:
            raise Refused(f"{where} makes what follows depend on the values of a tensor, not on its shape alone{at_line()}")
        if torch.Tag.nondeterministic_seeded in function.tags:
            raise Refused(f"{where} draws random numbers{at_line()}")
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

    def module(self):
        """Which one is running, to begin a sentence with."""
        return f"{self.inside[-1]}: " if self.inside and self.inside[-1] else ""

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
    before = None
    for mode in ("learn", "evaluate"):
        seen = Watch(tensors, len(images))
        if before is not None:
            seen.normalised, seen.writes_images = before.normalised, before.writes_images
            seen.formulas_in_place, seen.without_gradient = before.formulas_in_place, before.without_gradient
        before = seen
        own = {name: tensor.clone() for name, _, tensor in tensors.params}
        seen.weights = {storage(tensor): name for name, tensor in own.items()}
        named = {**tensors.named(tensors.flat(tensors.params), tensors.flat(tensors.buffers)), **own}
        named.update({name: named[twin] for name, twin in tensors.twins})
        hooks = []
        for name, child in network.named_modules():
            hooks.append(child.register_forward_pre_hook(lambda *_, name=name: seen.enter(name)))
            hooks.append(child.register_forward_hook(lambda *_: seen.leave()))
        formulas, given = Mathematical(in_place=False), images.clone()
        try:
            with attended(seen), torch.no_grad(), training(network, mode), formulas, swapped(network, named), seen:
                logits = network(given)
        except Refused:
            raise
        except Exception as error:
            raise Refused(failing(error, images, "in double precision")) from error
        finally:
            for hook in hooks:
                hook.remove()
        if not (isinstance(logits, torch.Tensor) and logits.dim() == 2 and len(logits) == len(images)):
            found = list(logits.shape) if isinstance(logits, torch.Tensor) else f"a {type(logits).__name__}"
            raise Refused(f"the network makes {found} of {len(images)} images, not logits [{len(images)}, classes]")
        seen.formulas_in_place |= formulas.wrote_in_place
        seen.writes_images |= not torch.equal(given, images)
        for name, _, tensor in tensors.params:
            if not torch.equal(own[name], tensor):
                raise Refused(f"the network changes its parameter {name} in its forward pass, which is the optimiser's alone")
    return seen


OF_ONE_PRECISION = (
    "; something in it is of one precision, whatever its parameters are of: Sculpt computes in float32 and in float64, so let tensors "
    "that forward makes, and casts in it, have the dtype of its input"
)


def failing(error, images, how):
    """What the module itself fails with."""
    shape = " x ".join(str(n) for n in images.shape[1:])
    text = f"the module itself fails on {len(images)} images of {shape} {how}{at_line(error)}: {last_line(error)}"
    if re.search(r"dtype|Double|double|Float|Half|scalar type", str(error)):
        text += OF_ONE_PRECISION
    return text


# Python's ways from a tensor to something that no recording follows.
CONVERSIONS = ("__bool__", "__int__", "__index__", "__float__", "__complex__", "item", "tolist", "numpy", "__array__")


@contextlib.contextmanager
def attended(seen):
    """Refuses, with the line, what Python takes out of a tensor, and functions whose derivatives are Python's."""

    def conversion(name):
        def converted(tensor, *_, **__):
            raise Refused(
                f"{seen.module()}{name} makes what follows depend on the values of a tensor, not on its shape alone{at_line()}"
            )

        return converted

    def applied(cls, *_, **__):
        if cls.__module__ == "torch.utils.checkpoint":
            raise Refused(f"{seen.module()}activations are recomputed by torch.utils.checkpoint{at_line()}: switch that off to export")
        raise Refused(
            f"{seen.module()}{cls.__name__} is a torch.autograd.Function, whose derivative is Python, and no recording has that{at_line()}"
            f": write it with tensor operations"
        )

    def entered(self, *args, **kwargs):
        line = at_line()
        if line and line not in seen.without_gradient:
            seen.without_gradient.append(line)
        return enter(self, *args, **kwargs)

    enter = torch.no_grad.__enter__
    changes = [(torch.Tensor, name, conversion(name)) for name in CONVERSIONS]
    changes += [(torch.autograd.Function, "apply", classmethod(applied)), (torch.no_grad, "__enter__", entered)]
    with patched(changes):
        yield


@contextlib.contextmanager
def patched(changes):
    """Attributes of classes as they are said here, for a while."""
    kept = []
    try:
        for owner, name, value in changes:
            kept.append((owner, name, owner.__dict__.get(name)))
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in reversed(kept):
            delattr(owner, name) if value is None else setattr(owner, name, value)


def at_line(error=None):
    """Where in somebody's own files this is, or an error was raised: " at net.py, line 3"."""
    frames = []
    if error is None:
        frame = sys._getframe(1)
        # Beyond `watch` stands whoever exports.
        while frame is not None and frame.f_code is not watch.__code__:
            frames.append((frame.f_code.co_filename, frame.f_lineno))
            frame = frame.f_back
    else:
        traceback = error.__traceback__
        while traceback is not None:
            frames.insert(0, (traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
            traceback = traceback.tb_next
    own = next(((file, line) for file, line in frames if is_own(file)), None)
    return f" at {os.path.basename(own[0])}, line {own[1]}" if own else ""


def is_own(file):
    """Whether a file is of the network's author: not PyTorch's, Python's or this one."""
    installed = "site-packages" in file or "dist-packages" in file
    of_python = file.startswith(os.path.dirname(os.__file__) + os.sep) and not installed
    of_torch = file.startswith(os.path.dirname(torch.__file__) + os.sep)
    return not (file.startswith("<") or file == __file__ or of_python or of_torch)


def trace(flat, tensors, images):
    """The three methods as recorded from one batch, read back from their file so that what is checked is what is written."""
    taken = []
    for n in (3, 2):
        inputs = (tensors.flat(tensors.params), tensors.flat(tensors.buffers), images(n))
        sizes = []
        with warnings.catch_warnings(), torch.no_grad(), sizes_noted(sizes):
            # What Python takes of sizes is looked at here, of values by `Watch`.
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                traced = torch.jit.trace_module(flat, {method: inputs for method in METHODS}, check_trace=False)
                for method in METHODS:
                    follow_theta(traced._c._get_method(method).graph)
                file = io.BytesIO()
                torch.jit.save(traced, file)
            except Refused:
                raise
            except Exception as error:
                why = last_line(error)
                if "Tensor that requires grad as a constant" in str(error):
                    why = "it uses a parameter that is not registered with its module, as one in a list is (nn.ParameterList is for that)"
                raise Refused(f"the network cannot be recorded{at_line(error)}: {why}") from error
        taken.append(sizes)
    for (place, of_three), (_, of_two) in zip(*taken):
        if of_three != of_two:
            raise Refused(
                f"Python takes the number of images out of a shape{place}, and a recording keeps the one that it was made with: use "
                f"sizes as they come from x.shape, as in x.view(x.shape[0], -1), and no int(), len(), range() or if on them"
            )
    file.seek(0)
    return Program(file.getvalue())


def follow_theta(graph):
    """Tensors that the network makes, in the precision and on the device of the parameters, and not those of the recording."""
    theta = next(value for value in graph.inputs() if value.debugName().split(".")[0] == "theta")
    first = next(graph.nodes())
    made = {}

    def of_theta(what, kind):
        if what not in made:
            node = graph.create(f"prim::{what}", [theta], 1)
            node.insertBefore(first)
            node.output().setType(kind)
            made[what] = node.output()
        return made[what]

    for node in list(graph.nodes()):
        if not node.kind().startswith("aten::"):
            continue
        for i, argument in enumerate(torch._C.parse_schema(node.schema()).arguments):
            given = node.inputsAt(i)
            if given.node().kind() != "prim::Constant" or given.type().kind() == "NoneType":
                continue
            if argument.name == "dtype" and given.toIValue() == DOUBLE:
                node.replaceInput(i, of_theta("dtype", given.type()))
            elif argument.name == "device":
                node.replaceInput(i, of_theta("device", given.type()))


# How TorchScript counts torch.float64, in which a network is recorded.
DOUBLE = 7


@contextlib.contextmanager
def sizes_noted(noted):
    """Notes whatever Python takes out of a tensor while a network is recorded: the line, and the sizes that it comes from."""

    def noting(name):
        own = getattr(torch.Tensor, name)

        def taken(tensor, *args, **kwargs):
            if torch.jit.is_tracing():
                caller = sys._getframe(1)
                file, line = caller.f_code.co_filename, caller.f_lineno
                # An assertion is for its author; PyTorch's own questions are checked by batches of other sizes.
                is_assertion = linecache.getline(file, line).lstrip().startswith(("assert", "torch._assert"))
                if is_own(file) and not is_assertion:
                    value = torch._C._get_value_trace(tensor)
                    noted.append((f" at {os.path.basename(file)}, line {line}", sizes_behind(value)))
            return own(tensor, *args, **kwargs)

        return taken

    with patched([(torch.Tensor, name, noting(name)) for name in (*CONVERSIONS, "__len__")]):
        yield


def sizes_behind(value):
    """The sizes that a recorded number was computed from."""
    sizes, seen, open_ = [], set(), [value]
    while open_:
        value = open_.pop()
        if value.debugName() in seen:
            continue
        seen.add(value.debugName())
        node = value.node()
        if node.kind() in ("aten::size", "aten::numel"):
            of = node.inputsAt(0).type().sizes()
            dim = node.inputsAt(1).toIValue() if node.inputsSize() > 1 else None
            sizes.append(of if dim is None else of[dim])
        else:
            open_.extend(node.inputs())
    return sizes


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


class Reference:
    """The module itself, by its own functions and with values in its own tensors."""

    def __init__(self, network, tensors):
        self.network, self.tensors = copy.deepcopy(network), tensors
        params = dict(self.network.named_parameters(remove_duplicate=False))
        buffers = dict(self.network.named_buffers(remove_duplicate=False))
        self.params = [params[name] for name, _, _ in tensors.params]
        self.buffers = [buffers[name] for name, _, _ in tensors.buffers]

    def __call__(self, method, theta, buffers, images, order):
        """Logits, the running statistics after them, and of the loss so many derivatives: gradient, Hessian product."""
        with torch.no_grad():
            for held, values in ((self.params, theta), (self.buffers, buffers)):
                for tensor, part in zip(held, values.split([tensor.numel() for tensor in held])):
                    tensor.copy_(part.view_as(tensor))
        try:
            with training(self.network, method), WithoutChance(), torch.set_grad_enabled(order > 0):
                logits = self.network(images.clone())
        except Exception as error:
            raise Refused(failing(error, images, f"in {WORDS[method]}")) from error
        after = torch.cat([tensor.detach().flatten() for tensor in self.buffers] or [torch.zeros(0, dtype=torch.float64)])
        return Answer(logits.detach(), after.clone(), derivatives(logits, self.params, order))


Answer = collections.namedtuple("Answer", ["logits", "after", "derivatives"])

WORDS = {"evaluate": "evaluation mode", "learn": "training mode", "calibrate": "training mode, BatchNorm's momentum 1"}


def derivatives(logits, tensors, order):
    """The gradient of a loss, and its Hessian times a vector, as many as are asked for; fewer where PyTorch has fewer."""
    value, found = F.cross_entropy(logits, torch.arange(len(logits)) % logits.shape[1]), []
    for left in reversed(range(order)):
        if not value.requires_grad:
            found.append(torch.zeros(sum(tensor.numel() for tensor in tensors), dtype=torch.float64))
            continue
        try:
            parts = torch.autograd.grad(value, tensors, create_graph=left > 0, allow_unused=True)
        except RuntimeError:
            if found:
                break
            raise
        gradient = torch.cat([(torch.zeros_like(t) if g is None else g).flatten() for t, g in zip(tensors, parts)])
        found.append(gradient.detach())
        value = (gradient * gradient.detach().sign()).sum()
    return found


DERIVATIVES = (("gradient", 1e-7), ("second derivative", 1e-6))


def compare(program, reference, tensors, images, seen):
    """Holds the program against the module, at other values and on other batches than were recorded; returns the number of classes."""
    own = tensors.flat(tensors.params), tensors.flat(tensors.buffers)
    others = tensors.others(torch.Generator().manual_seed(2))
    of_values = "something in it depends on values, and a recording keeps those that it was made with (x.data, or Python's random numbers)"
    of_number = "something in it depends on the number of images"
    baked = "something in it is computed from them outside of forward, or taken out of them there (weight.data)"
    # Derivatives are held against the module's where that costs least.
    cases = [("evaluate", own, images(2), 1, "for other images", of_values)]
    cases += [("evaluate", own, images(n), 0, f"for {n} images", of_number) for n in (1, 3, 7)]
    cases += [("evaluate", own, 100.0 * images(3), 0, "for images a hundred times as bright", of_values)]
    cases += [("evaluate", others, images(3), 2, "at other parameters", baked)]
    for method, order in (("learn", 2), ("calibrate", 0)):
        cases += [(method, others, images(3), order, "for 3 images", of_number)]
        cases += [(method, others, images(n), 0, f"for {n} images", of_number) for n in (2, 7, 1)]
    for method, (theta, buffers), x, order, where, why in cases:
        try:
            expected = reference(method, theta, buffers, x, order)
        except Refused:
            # BatchNorm has no statistics of one value.
            if len(x) > 1:
                raise
            continue
        mode = WORDS[method]
        given = theta.clone().requires_grad_(order > 0), buffers.clone(), x.clone()
        try:
            logits, after = program(method, *given)
        except RuntimeError as error:
            raise Refused(f"recorded with 2 images, the network fails {where}, in {mode}: {last_line(error)}") from error
        if not (torch.equal(given[2], x) and torch.equal(given[1], buffers)):
            raise Refused(f"the network writes into what it is given, in {mode}")
        near(f"logits are not the module's {where}, in {mode}", logits.detach(), expected.logits, why, 1e-9)
        near(f"running statistics are not the module's {where}, in {mode}", after, expected.after, why, 1e-9)
        lines = "".join(f" (torch.no_grad{line})" for line in seen.without_gradient)
        why = f"something in its forward pass holds gradients back, or makes its own, and no recording knows of it{lines}"
        found = derivatives(logits, [given[0]], len(expected.derivatives))
        for found, expected, (what, tolerance) in zip(found, expected.derivatives, DERIVATIVES):
            near(f"{what} is not the module's {where}, in {mode}", found, expected, why, tolerance)
    return logits.shape[1]


def near(what, found, expected, why, tolerance):
    if found.shape == expected.shape:
        nowhere = ~expected.isfinite()
        if bool((~found.isfinite() & ~nowhere).any()):
            why = "it has numbers that are not finite where the module has some, as of an attention mask that hides everything"
        # Where the module has none, the program has none.
        apart = (found - expected).masked_fill(nowhere & ~found.isfinite(), 0.0).abs()
        size = expected.masked_fill(nowhere, 0.0).abs().max().item() if expected.numel() else 0.0
        if bool((apart <= tolerance * (1.0 + size)).all()):
            return
    raise Refused(f"recorded with 2 images, the program's {what}: {why}")


def differentiate(program, tensors, images):
    """A Hessian-vector product in each precision, as the criteria and the spectra need."""
    for dtype in (torch.float64, torch.float32):  # what SynFlow computes in, and all others
        theta = tensors.flat(tensors.params).to(dtype).requires_grad_(True)
        buffers = tensors.flat(tensors.buffers).to(dtype)
        try:
            logits, _ = program("evaluate", theta, buffers, images.to(dtype))
        except RuntimeError as error:
            raise Refused(f"in {dtype} the network fails: {last_line(error)}{OF_ONE_PRECISION}") from error
        try:
            if logits.dtype != dtype:
                raise Refused(f"the network answers in {logits.dtype} where its parameters are of {dtype}{OF_ONE_PRECISION}")
            loss = F.cross_entropy(logits, torch.zeros(len(images), dtype=torch.int64))
            (gradient,) = torch.autograd.grad(loss, theta, create_graph=True)
            torch.autograd.grad(gradient.square().sum(), theta)
        except RuntimeError as error:
            raise Refused(f"no second derivatives in {dtype}: {last_line(error)}") from error


def last_line(error):
    """What libtorch says, less where in the program it says it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else "no reason given")


# What Sculpt refuses in a program, as its text says it; a recording has none of it, a function of torch.jit.script may.
FORBIDDEN = (
    (rb"\b(while|for)\b", "loops"),
    (rb"\b(raise|assert|RaiseException)\b", "raises an exception"),
    (rb"\bprint\b", "prints"),
    (rb"#|\\", "has a text with # or a backslash in it"),
    (rb"\.\s*(rand|randn|randint|randperm|bernoulli|normal|uniform_?|\w*dropout_?)\s*\(", "draws random numbers"),
)


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
    for name, content in entries:
        if "/code/" in name:
            for word, what in FORBIDDEN:
                if re.search(word, content):
                    raise Refused(
                        f"the network calls a function of TorchScript that {what}, and Sculpt runs no program that does: write it in Python"
                    )
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
    try:
        if where.endswith(".py"):
            spec = importlib.util.spec_from_file_location(Path(where).stem, where)
            found = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = found
            spec.loader.exec_module(found)
        else:
            found = importlib.import_module(where)
    except Exception as error:
        raise Refused(f"{where} cannot be imported: {in_a_line(error)}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise Refused(f"there is no {part!r} in {getattr(found, '__name__', where)}")
        found = getattr(found, part)
    return found


def made(network, arguments):
    """The module that `network` names, or makes of `arguments`, a JSON object."""
    module = find(network)
    if isinstance(module, nn.Module):
        return module
    if not callable(module):
        raise Refused(f"it is of {type(module).__name__}, neither a module nor what makes one")
    try:
        return module(**json.loads(arguments))
    except Exception as error:
        raise Refused(f"nothing can be made of --arguments {arguments!r}: {in_a_line(error)}") from error


def in_a_line(error):
    """What an error says first, its kind, and where it came from."""
    said = (str(error).strip().splitlines() or [""])[0]
    places = traceback.extract_tb(error.__traceback__)
    own = [place for place in places if Path(place.filename).name != Path(__file__).name]
    where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {said}{where}"


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
        described = export(made(words.network, words.arguments), torch.zeros(1, *words.image), words.out, words.title)
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
