"""A Hessian's largest eigenvalue, trace or spectral density: `sculpt hessian` beside PyHessian, whole processes, alternating, on one machine in
one run.

    python hessian.py SCULPT [--what eigenvalue|trace|density] [--weights FILE.pth [--name S]] [--network untrained|minute|weights] [--data DIR] [--images 512] [--rounds 3] [--threads 2] [--device cpu|cuda]

SCULPT is the binary. Run with torch 2.11.0 and PyHessian 0.1 (pip install pyhessian). Both get the same ResNet-20 and the same images as
files, and both are timed from the start of their process to its end. The networks: untrained; trained for a minute; and --weights, where it
is given, a state_dict as `sculpt export --torch` writes it (trained_resnet20.toml names a published one), called --name. All of them, or the
--network. Images are CIFAR-10's of DIR/cifar-10-batches-bin, or noise.

- eigenvalue: PyHessian's eigenvalues(maxIter=100, tol=1e-3), power iteration until the value changes by less than 1e-3; ours, Lanczos until
  the residual is below 1 % (--tolerance 0.01), which has to leave the value within 1e-3 of a third run's, ours until 1e-4, not timed.
- trace: ours is exact (the largest eigenvalue before it). PyHessian's is Hutchinson's: how many samples a standard error of 1 % takes is what the
  spread of 30 of them says (to about 13 %, and their number to 26 %).
- density: 100 Lanczos steps each, of ours a search for eigenvalues far out, which starts follow, PyHessian's of one start. How many starts a
  standard error of tr H^2 of 1 % takes is what the spread of single ones says: ours of 30, PyHessian's of |Hz|^2 of 30 of its own vectors and
  products, neither timed.

Of those two a result costs what a process costs once (its start, what products share, our search and eigenvalue) and so many samples or
starts, one at least, as its accuracy takes: extrapolated from what both take in each round.

Prints one JSON object for each network: seconds of each round, by who took them, as results an hour.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from machine import end_with_parent, machine, today
from training import ResNet20, in_f32, printed, started

WHATS = {
    "eigenvalue": "Largest Hessian eigenvalue",
    "trace": "Trace of the Hessian, standard error of at most 1 %",
    "density": "Spectral density of the Hessian, standard error of tr H² 1 %",
}
SPREAD_OF = 30
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def pictures(folder, n):
    if folder is None:
        torch.manual_seed(2)
        return torch.randn(n, 3, 32, 32), torch.randint(0, 10, (n,))
    records = torch.frombuffer(bytearray((Path(folder) / "cifar-10-batches-bin/data_batch_1.bin").read_bytes()), dtype=torch.uint8)
    records = records.view(-1, 3073)[:n]
    images = records[:, 1:].reshape(-1, 3, 32, 32) / 255.0
    return (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1), records[:, 0].long()


def trained(args):
    """What the network of --weights is called."""
    name = args.name or f"of {Path(args.weights).stem}"
    if not args.data:
        return name
    model = ResNet20()
    model.load_state_dict(tensors(args.weights))
    model.eval()
    images, labels = pictures(args.data, 10_000)
    with torch.no_grad():
        right = sum((model(x).argmax(1) == y).sum().item() for x, y in zip(images.split(500), labels.split(500)))
    return f"{name} (right on {100 * right / len(labels):.0f} % of {len(labels):,} training images)"


def train(model, images, labels, seconds):
    sgd = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=1e-4)
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        for chunk in torch.randperm(len(labels)).split(128):
            sgd.zero_grad()
            F.cross_entropy(model(images[chunk]), labels[chunk]).backward()
            sgd.step()


def tensors(path):
    if str(path).endswith(".safetensors"):
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path)


def eig(matrix, eigenvectors):
    """torch.eig, which PyHessian 0.1 calls and torch has no more: real and imaginary parts in two columns; of a symmetric matrix, real."""
    values, vectors = torch.linalg.eigh(matrix)
    return torch.stack([values, torch.zeros_like(values)], 1), vectors


def result(command):
    """What a process says, and the seconds from its start to its end."""
    begun = time.perf_counter()
    said = printed(command)
    return json.loads(said), time.perf_counter() - begun


def pyhessian(what, weights, probe, threads, device):
    """What the peer's process does."""
    from pyhessian import hessian

    torch.set_num_threads(threads)
    torch.eig = eig
    model, data = ResNet20(), torch.load(probe)
    model.load_state_dict(tensors(weights))
    model.to(device).eval()
    # It moves the data itself.
    of = hessian(model, torch.nn.CrossEntropyLoss(), data=(data["images"], data["labels"]), cuda=device == "cuda")
    if what == "eigenvalue":
        found = {"eigenvalue": of.eigenvalues(maxIter=100, tol=1e-3)[0][0]}
    elif what == "trace":
        begun = time.perf_counter()
        # It divides the change by the mean, which may be negative: every tolerance but this then ends it.
        samples = of.trace(maxIter=SPREAD_OF, tol=float("-inf"))
        assert len(samples) == SPREAD_OF
        seconds = time.perf_counter() - begun
        spread = torch.tensor(samples, dtype=torch.float64).std().item()
        found = {"spread": spread, "seconds": seconds / len(samples), "sampling": seconds}
    else:
        begun = time.perf_counter()
        nodes, _ = of.density(iter=100, n_v=1)
        seconds = time.perf_counter() - begun
        spread = relative_spread(of)
        found = {"eigenvalue": float(max(nodes[0])), "spread": spread, "seconds": seconds, "sampling": time.perf_counter() - begun}
    print(json.dumps(found))


def relative_spread(of):
    """Standard deviation over mean of what single starts of signs say of tr H^2: |Hz|^2, as the second moment of their quadratures is."""
    from pyhessian.utils import hessian_vector_product

    estimates = []
    for _ in range(SPREAD_OF):
        z = [torch.randint_like(p, high=2) * 2 - 1 for p in of.params]
        estimates.append(sum((h.double() ** 2).sum().item() for h in hessian_vector_product(of.gradsH, of.params, z)))
    estimates = torch.tensor(estimates, dtype=torch.float64)
    return (estimates.std() / estimates.mean()).item()


def needed(spread):
    """Samples or starts of such a spread, relative to what they estimate, that a standard error of 1 % takes; one at least."""
    return max(1, (spread / 0.01) ** 2)


def run_ours(what, own, common, folder):
    """What it found, and the seconds that a result takes."""
    if what != "density":
        return result([*own, *(["--trace"] if what == "trace" else []), *common])
    density = ["--density-out", folder / "density.csv", "--search", 100]
    # Two steps are exact to degree 3.
    told = result([*own, *density, "--steps", 2, "--starts", SPREAD_OF, *common])[0]["density"]
    spread = told["second_moment_standard_error"] * SPREAD_OF**0.5 / told["second_moment"]
    _, seconds_of_one = result([*own, *density, "--steps", 100, "--starts", 1, *common])
    found, seconds = result([*own, *density, "--steps", 100, "--starts", 5, *common])
    start = max(0, seconds - seconds_of_one) / 4
    return {**found, "spread": spread, "starts": needed(spread)}, seconds_of_one + (needed(spread) - 1) * start


def run_theirs(what, peer, common, trace):
    """The same of PyHessian; `trace` is what its samples' spread is relative to."""
    found, seconds = result([*peer, what, *common])
    if what == "eigenvalue":
        return found, seconds
    n = needed(found["spread"] / (abs(trace) if what == "trace" else 1))
    return {**found, "starts": n}, seconds - found["sampling"] + n * found["seconds"]


def said(what, ours, theirs):
    """What both found, in words."""
    if what == "eigenvalue":
        return (
            f"{ours['eigenvalues'][0]:.4f} with a residual of {ours['residuals'][0]:.1e} after {ours['matvecs']} products, off by {ours['off']:.0e} of it; "
            f"PyHessian's {theirs['eigenvalue']:.4f}, off by {theirs['off']:.0e}"
        )
    if what == "trace":
        return f"{ours['trace']:.3f}, exact; PyHessian takes {theirs['starts']:,.0f} samples of {theirs['seconds']:.2f} s, extrapolated"
    return (
        f"{ours['density']['n_known']} eigenvalues known, then tr H² takes {ours['starts']:,.0f} starts (of spread {100 * ours['spread']:.2g} %), "
        f"PyHessian's {theirs['starts']:,.0f} of {theirs['seconds']:.0f} s ({100 * theirs['spread']:.2g} %), extrapolated; "
        f"largest {ours['eigenvalues'][0]:.4f}, PyHessian's {theirs['eigenvalue']:.4f}"
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sculpt")
    parser.add_argument("--what", choices=WHATS, default="eigenvalue")
    parser.add_argument("--weights")
    parser.add_argument("--network", choices=["untrained", "minute", "weights"], help="only this [default: all]")
    parser.add_argument("--name", help="what the network of --weights is called [default: of, and its file's name]")
    parser.add_argument("--data")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60, help="for which one of the networks is trained")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=1, help="of a peer's vectors")
    parser.add_argument("--as-peer", nargs=2)
    args = parser.parse_args()
    end_with_parent()
    in_f32()
    if args.as_peer:
        torch.manual_seed(args.seed)
        return pyhessian(args.what, *args.as_peer, args.threads, args.device)

    card = torch.cuda.get_device_name() if args.device == "cuda" else None
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        images, labels = pictures(args.data, max(args.images, 2000))
        torch.manual_seed(1)
        model = ResNet20()
        torch.save(model.state_dict(), folder / "untrained.pth")
        if args.network in (None, "minute"):
            print(f"training for {args.seconds:g} seconds", file=sys.stderr, flush=True)
            train(model, images, labels, args.seconds)
            torch.save(model.state_dict(), folder / "of a minute.pth")
        probe = folder / "probe.pth"
        torch.save({"images": images[: args.images].clone(), "labels": labels[: args.images].clone()}, probe)
        names = {"untrained": "untrained", "minute": "of a minute"}
        networks = {name: folder / f"{name}.pth" for which, name in names.items() if args.network in (None, which)}
        if args.weights and args.network in (None, "weights"):
            networks[trained(args)] = Path(args.weights)
        all = []
        for name, weights in networks.items():
            speeds, found = {"sculpt": [], "PyHessian": []}, {}
            for round in range(args.rounds):
                own = [*started(args.sculpt), "hessian", "--model", "resnet20", "--weights", weights, "--probe", probe, "--json"]
                own += ["--device", "cuda:0" if args.device == "cuda" else args.device]
                tolerance = ["--tolerance", 0.01] if args.what == "eigenvalue" else ["--values-only"]
                peer = [sys.executable, __file__, args.sculpt, "--as-peer", weights, probe, "--device", args.device, "--what"]
                common = ["--threads", args.threads, "--seed", round + 1]
                if args.what == "eigenvalue" and round == 0:
                    exact = result([*own, "--tolerance", 1e-4, *common])[0]["eigenvalues"][0]
                own += tolerance
                found["sculpt"], took = run_ours(args.what, own, common, folder)
                if args.what == "eigenvalue":
                    found["sculpt"]["off"] = abs(found["sculpt"]["eigenvalues"][0] / exact - 1)
                    assert found["sculpt"]["off"] < 1e-3, (found, exact)
                found["PyHessian"], its = run_theirs(args.what, peer, common, found["sculpt"].get("trace"))
                if args.what == "eigenvalue":
                    found["PyHessian"]["off"] = abs(found["PyHessian"]["eigenvalue"] / exact - 1)
                took = {"sculpt": took, "PyHessian": its}
                for who, seconds in took.items():
                    speeds[who].append(3600 / seconds)
                print(f"{name}, round {round + 1} of {args.rounds}: " + ", ".join(f"{who} {t:.1f} s" for who, t in took.items()), file=sys.stderr, flush=True)
            all.append({
                "what": f"{WHATS[args.what]}, ResNet-20 {name}, {args.images} images of {'CIFAR-10' if args.data else 'noise'}, {args.threads} threads, {card or 'cpu'}, whole process",
                "unit": "results an hour",
                "speeds": speeds,
                "ours": "its own or libtorch's, as its table has it; " + said(args.what, found["sculpt"], found["PyHessian"]),
                "versions": f"torch {torch.__version__}, PyHessian 0.1",
                "machine": machine(),
                "date": today(),
            })
    print(json.dumps(all))


if __name__ == "__main__":
    main()
