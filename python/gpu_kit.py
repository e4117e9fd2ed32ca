"""What a machine with a GPU, without Rust and without network, is asked: is it seen, does it agree with the CPU, how fast is it; then it trains.

    python3 run.py --out FOLDER [--device cuda|cpu] [--only STEPS] [--seconds 570] [--data DIR] [--unpack COMMAND] [--train "WORDS"]

It lies in the folder that `cargo xtask gpu-kit` made, with the binary `sculpt`, its library of CUDA graphs, the scripts of tests/peers and
PyHessian, and needs a Python that has torch 2.11.0 (with CUDA), whose libraries the binary uses, and for the ResNet-18 of `speed` torchvision. Steps, each timed, each tried whatever became
of those before; --only names some of them, with commas between:

 1. `card`: what nvidia-smi, torch and sculpt see.
 2. `graphs`: 20 steps launched as CUDA graphs and one by one: the same losses, within a tolerance (TOLERANCES in this file), and how fast. Where graphs fail,
    all later steps go without.
 3. `parity`: the same on the CPU and on the card, with tolerances (TOLERANCES): losses of 20 steps, a mask by SNIP, evaluation, the largest
    eigenvalue, the losses of the line between two states.
 4. `speed`: `sculpt bench train` beside PyTorch plain, channels last, torch.compile and its mode reduce-overhead: ResNet-20 and ResNet-18
    for CIFAR, bfloat16 and f32; how many times as fast as reduce-overhead, beside the goal of 1.3.
 5. `hessian`: the largest eigenvalue beside PyHessian, whole processes.
 6. `epochs`: whole epochs of ResNet-20 in bfloat16 and batches of 512, of 50,000 images with crops and mirrorings, as graphs and one by
    one: the same losses, within a tolerance (TOLERANCES in this file), and seconds an epoch beside the goal of 0.25 on an H100 or H200. Where they are not, later steps go without graphs.
 7. `sharing`: 1, 2, 4 and 8 processes at such epochs at once on the one card, by turns and under NVIDIA's multi-process service (MPS): epochs a
    second beside the goal of 10. With --device cpu, where all this only shows that it runs, a tiny network of noise stands for it.
 8. `train`, where --train says what: `sculpt reproduce WORDS` until --seconds have passed since the start, a clean stop, and the published
    form of what there is. The word DATA in WORDS stands for --data. Without --jobs in WORDS as many as `sharing` found best, under MPS if
    that was best.

--unpack is run before the first step that needs --data (`hessian`, `train`), in the kit's folder; a relative --data is then a folder in it,
and without --unpack one of where this is called.

Where a call may take ten minutes, name the steps of each: `--only card,graphs,parity,epochs`, then `--only speed`, and so on. Called again
with the same --out it goes on beside what it made; kit.json then has the steps of all calls. A later call of `train` goes on with
the training; on another machine, or where the folder beside --out is gone, with the published.*.tar.xz of before that lie in the kit's folder.
`cargo xtask bench report --from kit.json` puts what `speed`, `hessian`, `epochs` and `sharing` found into reports/benchmarks.md.

Writes into --out at most 8 files of at most 16 MiB, 64 MiB together: kit.json (what each step found and how long it took), kit.log (what was said; of much
the beginning and the end), and the published suite as published.N.tar.xz, each of which unpacks by itself, one over the other; a file larger than an archive in pieces, which
`cat FILE.DIGEST.piece-*` joins, DIGEST being the first of its SHA-256: unpacked in a checkout's data/published, `cargo xtask verify` and `figure N --suite NAME` take it. Archives that still lie in --out stay there, and count. What does not fit stays behind: kit.json says how much, and a later
call of `train`, after what is there was taken away, brings what no call has brought.
"""

import argparse
import array
import contextlib
import fcntl
import json
import math
import os
import random
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gpu_kit_archives as archives
from machine import end_with_parent, machine, today

try:
    import torch
except ImportError:
    torch = None

HERE = Path(__file__).resolve().parent
STEPS = ["card", "graphs", "parity", "speed", "hessian", "epochs", "sharing", "train"]
# Of a log that becomes too long, what is kept: its beginning and its end.
HEAD, TAIL = 1 << 20, 2 << 20
# On an H100 or H200: seconds of an epoch alone, epochs a second of several processes, and how many times as fast as PyTorch's fastest form.
GOALS = {"seconds an epoch": 0.25, "epochs a second": 10.0, "times reduce-overhead": 1.3}
# What may differ, and by how much; see `parity`. Relative, but for accuracies, masks and barriers.
TOLERANCES = {
    "losses with and without graphs": 1e-3,
    "losses of epochs with and without graphs": 0.02,
    "loss of step 1": 1e-4,
    "losses of 20 steps": 0.05,
    "evaluation loss": 1e-4,
    "evaluation accuracy": 0.01,
    "mask overlap": 0.995,
    "largest eigenvalue": 2e-3,
    "losses of the line between two states": 1e-3,
}

# Rows and columns of the probe's images: those of RECIPE's pictures may be others.
SIDE = 8

# A dense network, SNIP's mask, and a cycle of each, on pictures that the binary makes.
RECIPE = """
like = "demo/a"
seeds = [1]
[[node]]
name = "dense"
kind = "init"
[[node]]
name = "trained"
kind = "train"
from = "dense"
cycles = 2
"""


class Kit:
    def __init__(self, args):
        self.args, self.begun = args, time.monotonic()
        self.out = Path(args.out).resolve()
        self.work = self.out.parent / (self.out.name + ".work")
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            self.log = open(self.out / "kit.log", "a", encoding="utf-8")
            self.work.mkdir(exist_ok=True)
            self.lock = open(self.work / "lock", "w")
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"--out: another run.py is at work in {self.out}")
        except OSError as error:
            sys.exit(f"--out: {error}")
        self.report = {"device": args.device, "torch": torch.__version__, "steps": self.before()}
        libraries = str(Path(torch.__file__).parent / "lib")
        own = {"LD_LIBRARY_PATH": libraries, "SCULPT_ROOT": str(self.work), "PYTHONPATH": str(HERE)}
        self.environment = os.environ | own
        if any("error" in self.found(step) or self.found(step).get("good") is False for step in ("graphs", "epochs")):
            self.environment["SCULPT_CUDA_GRAPHS"] = "0"
        self.device = "cuda:0" if args.device == "cuda" else args.device
        self.data = args.data and str(((HERE if args.unpack else Path.cwd()) / args.data).resolve())
        self.unpacked = False

    def before(self):
        """The steps of earlier calls, also where --out is emptied between two."""
        path = self.work / "kit.json"
        try:
            known = json.loads(path.read_text())
            device, steps = known["device"], known["steps"]
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError) as error:
            print(f"{path} is damaged and left out: {error}", file=sys.stderr)
            return {}
        if device != self.args.device:
            sys.exit(f"--out: {self.out} has what was found on {device}: another folder is needed for {self.args.device}")
        return steps

    def unpack(self):
        """Makes the data, once a call; where that fails the step does that needs them."""
        if self.args.unpack and not self.unpacked:
            self.call(["sh", "-c", f"cd {shlex.quote(str(HERE))} && {self.args.unpack}"])
            self.unpacked = True

    def say(self, text):
        for stream in (self.log, sys.stderr):
            print(text, file=stream, flush=True)

    def found(self, step):
        return self.report["steps"].get(step, {}).get("found", {})

    def left(self):
        return self.args.seconds - (time.monotonic() - self.begun)

    def call(self, command, limit=None, environment=None):
        """Standard output of a command that succeeds."""
        self.say("$ " + shlex.join(map(str, command)))
        made = subprocess.run(
            list(map(str, command)),
            cwd=self.work,
            env=environment or self.environment,
            capture_output=True,
            text=True,
            timeout=limit,
            preexec_fn=end_with_parent,
        )
        self.log.write(made.stdout[-20000:] + made.stderr[-20000:])
        self.log.flush()
        if made.returncode != 0:
            raise RuntimeError(f"{command[0]} ended with {made.returncode}: {made.stderr.strip()[-600:]}")
        return made.stdout

    def sculpt(self, words, device=None, **environment):
        command = [HERE / "sculpt", *shlex.split(words), "--device", device or self.device]
        text = self.call(command, limit=max(60, self.left() / 2), environment=self.environment | environment)
        return json.loads(text) if "--json" in words else text

    def step(self, name, work):
        if name not in self.args.only:
            return
        begun = time.monotonic()
        self.say(f"== {name}")
        try:
            found = work()
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {error}"}
        self.report["steps"][name] = {"seconds": round(time.monotonic() - begun, 2), "found": found}
        for folder in (self.out, self.work):
            archives.write(folder / "kit.json", json.dumps(self.report, indent=1))
        if "error" in found:
            self.say(f"{name}: {found['error']}")
        self.say(f"{name}: {in_short(found)}{time.monotonic() - begun:.1f} s, {self.left():.0f} s left")
        self.shorten_log()

    def shorten_log(self):
        path = self.out / "kit.log"
        self.log.flush()
        if path.stat().st_size > HEAD + TAIL:
            content = path.read_bytes()
            path.write_bytes(whole(content[:HEAD]) + b"\n... here much was said that is left out ...\n" + whole(content[-TAIL:]))

    def card(self):
        found = {"torch sees": torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"}
        try:
            found["nvidia-smi"] = self.call(["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv"])
        except (OSError, RuntimeError) as error:
            found["nvidia-smi"] = str(error)
        found["sculpt"] = self.sculpt("bench train --model resnet20 --batch 64 --steps 2 --json")
        return found

    def graphs(self):
        words = "bench train --model resnet20 --batch 512 --steps 18 --density 0.1 --precision bf16 --json"
        if self.args.device != "cuda":
            words = "bench train --model resnet8 --batch 8 --steps 18 --density 0.1 --json"
        # What an earlier call found is tried again, and what the caller asks for stays.
        self.environment.pop("SCULPT_CUDA_GRAPHS", None)
        self.environment |= {name: os.environ[name] for name in ["SCULPT_CUDA_GRAPHS"] if name in os.environ}
        alone, graphs, found = self.beside_one_by_one("graphs", "losses with and without graphs", words, words)
        return found | {"images/s one by one": alone["images_per_second"], "images/s": graphs["images_per_second"]}

    def beside_one_by_one(self, step, tolerance, words_alone, words):
        """What is found without graphs and with them, and how far losses differ; where that is too far, what follows goes without."""
        good, without = False, self.environment.get("SCULPT_CUDA_GRAPHS") == "0"
        try:
            # What two runs differ by that are asked for the same in the same way, such as sums in another order.
            alone, again = (self.sculpt(words_alone, SCULPT_CUDA_GRAPHS="0") for _ in range(2))
            graphs = self.sculpt(words)
            off = lambda one: max(abs(a / b - 1) for a, b in zip(one["losses"], alone["losses"]))
            most = max(TOLERANCES[tolerance], min(0.1, 4 * off(again)))
            launched = graphs["launched"]
            good = off(graphs) <= most and (launched == "graph" or without or self.args.device != "cuda")
            if good and without and self.args.device == "cuda":
                # Nothing was compared: what an earlier call found stays.
                good = self.found(step).get("good")
            found = {"launched": launched, "losses off by": off(graphs), "two runs one by one off by": off(again), "tolerance": most, "good": good}
            return alone, graphs, found
        finally:
            if not good and not without:
                self.say("graphs: NOT GOOD; what follows goes without")
                self.environment["SCULPT_CUDA_GRAPHS"] = "0"

    def parity(self):
        found = {}

        def compare(name, here, there, relative=True, at_least=False):
            off = abs(here - there) / (abs(there) if relative and there else 1.0)
            good = here >= TOLERANCES[name] if at_least else off <= TOLERANCES[name]
            limit = "at least" if at_least else "tolerance"
            found[name] = {"here": here, "CPU": there, "off": off, limit: TOLERANCES[name], "good": bool(good)}
            self.say(f"{name}: {here:.6g}, CPU {there:.6g}, off by {off:.1e} ({limit} {TOLERANCES[name]:g}): {'good' if good else 'NOT GOOD'}")

        words = "bench train --model resnet20 --batch 128 --steps 18 --density 0.1 --json"
        here, there = (self.sculpt(words, device)["losses"] for device in (self.device, "cpu"))
        compare("loss of step 1", here[0], there[0])
        compare("losses of 20 steps", *furthest(here, there))

        (self.work / "kit.toml").write_text(RECIPE)
        self.sculpt("run kit.toml --runs runs", "cpu")
        named = self.states()
        write_probe(self.work / "probe.safetensors", 256, SIDE)
        of = f"--weights {named['trained']} --probe probe.safetensors --runs runs"
        here, there = (self.sculpt(f"eval {of} --json", device) for device in (self.device, "cpu"))
        compare("evaluation loss", here["loss"], there["loss"])
        compare("evaluation accuracy", here["accuracy"], there["accuracy"], relative=False)
        here, there = (self.sculpt(f"hessian {of} --json", device) for device in (self.device, "cpu"))
        compare("largest eigenvalue", here["eigenvalues"][0], there["eigenvalues"][0])
        masks = []
        for device in (self.device, "cpu"):
            out = f"mask-{device.replace(':', '-')}.safetensors"
            self.sculpt(f"mask {of} --method snip --density 0.1 --out {out}", device)
            masks.append(kept(self.work / out))
        compare("mask overlap", len(masks[0] & masks[1]) / len(masks[0] | masks[1]), 1.0, at_least=True)
        of = f"--a {named['dense']} --b {named['trained']} --probe probe.safetensors --points 5 --runs runs"
        here, there = (self.sculpt(f"connect {of} --bn recalibrate --json", device)["loss"] for device in (self.device, "cpu"))
        compare("losses of the line between two states", *furthest(here, there))
        found["all good"] = all(one["good"] for one in found.values())
        return found

    def states(self):
        """The last state of each node of the recipe, by the node's name."""
        nodes = json.loads(self.call([HERE / "sculpt", "recipe", "show", "kit.toml", "--json"]))["nodes"]
        states = {}
        for node in nodes:
            state = node["state"]
            name = next(name for name in ("dense", "trained") if node["name"].startswith(name))
            states[name] = state if isinstance(state, str) else f"{state['id']}@{state['epoch']}"
        return states

    def speed(self):
        found, beside = [], []
        models = [("resnet20", 512, precision) for precision in ("bf16", "f32")] + [("resnet18-cifar", 512, "bf16")]
        for model, batch, precision in models:
            command = [sys.executable, HERE / "training.py", HERE / "sculpt", "--model", model, "--precision", precision]
            command += ["--device", self.args.device, "--batch", str(batch if self.args.device == "cuda" else 32)]
            command += ["--steps", "30" if self.args.device == "cuda" else "2", "--rounds", "3" if self.args.device == "cuda" else "1"]
            try:
                one = json.loads(self.call(command, limit=max(60, self.left() / 2)))
                found.append(one)
            except Exception as error:
                found.append({"what": f"{model} {precision}", "error": f"{type(error).__name__}: {error}"})
                continue
            for name, theirs in one["speeds"].items():
                if "reduce-overhead" in name:
                    times = statistics.median(own / its for own, its in zip(one["speeds"]["sculpt"], theirs))
                    self.say(f"{one['what']}: {times:.2f} times {name}, goal {GOALS['times reduce-overhead']}")
                    beside.append({"what": one["what"], "times reduce-overhead": times, "goal": GOALS["times reduce-overhead"]})
            if self.args.device != "cuda":
                break
        return {"comparisons": found, "goals": beside}

    def hessian(self):
        on_card = self.args.device == "cuda"
        command = [sys.executable, HERE / "hessian.py", HERE / "sculpt", "--device", self.args.device]
        command += ["--images", "512" if on_card else "8", "--rounds", "3" if on_card else "1", "--seconds", "60" if on_card else "1"]
        if self.data:
            self.unpack()
            command += ["--data", self.data]
        return {"comparisons": json.loads(self.call(command, limit=max(60, self.left() / 2)))}

    def epoch_words(self, epochs):
        if self.args.device == "cuda":
            return f"bench epoch --model resnet20 --batch 512 --images 50000 --epochs {epochs} --density 0.1 --precision bf16 --threads 1 --json"
        return f"bench epoch --model resnet8 --width 4 --batch 64 --images 1000 --size 8 --epochs {epochs} --density 0.1 --threads 1 --json"

    def epochs(self):
        alone, graphs, found = self.beside_one_by_one("epochs", "losses of epochs with and without graphs", self.epoch_words(2), self.epoch_words(5))
        launched = "as graphs" if graphs["launched"] == "graph" else "one by one"
        how = f"{graphs['kernels']}, operations launched {launched}"
        return found | {
            "seconds an epoch one by one": alone["median_seconds"],
            "seconds an epoch": graphs["median_seconds"],
            "seconds of each": graphs["seconds"],
            **self.goal("seconds an epoch"),
            "comparisons": [self.alone(graphs, "", [1 / seconds for seconds in graphs["seconds"]], how)],
        }

    def goal(self, of):
        return {"goal": GOALS[of]} if self.args.device == "cuda" else {}

    def alone(self, report, together, speeds, how):
        """What `bench epoch` found, in the form of a comparison, with nobody."""
        where = torch.cuda.get_device_name() if self.args.device == "cuda" else "cpu, 1 thread"
        of = f"{report['model']}, {report['images']:,} images with crops and mirrorings, batch {report['batch']}, {report['precision']}, density 0.1"
        return {
            "what": f"Epochs of {of}{together}, {where}",
            "unit": "epochs/s",
            "speeds": {"sculpt": speeds},
            "ours": how,
            "versions": f"torch {torch.__version__}",
            "machine": machine(),
            "date": today(),
        }

    def sharing(self):
        """Epochs a second of so many processes together, while all of them are at work."""
        on_card = self.args.device == "cuda"
        # So many that they are at work together whatever one needs longer to start.
        words = self.epoch_words(40 if on_card else 100)
        command = [str(HERE / "sculpt"), *shlex.split(words), "--device", self.device]
        reports = []

        def together(n):
            started = {"cwd": self.work, "env": self.environment, "stdout": subprocess.PIPE, "stderr": self.log, "preexec_fn": end_with_parent}
            running = [subprocess.Popen(command, **started) for _ in range(n)]
            try:
                said = [one.communicate(timeout=max(60, self.left() / 2))[0] for one in running]
            finally:
                for one in running:
                    one.kill()
            if any(one.returncode != 0 for one in running):
                raise RuntimeError(f"of {n} processes some failed: see kit.log")
            reports[:] = [json.loads(text) for text in said]
            spans = [(one["ended"] - sum(one["seconds"]), one["ended"]) for one in reports]
            begin, end = max(begun for begun, _ in spans), min(ended for _, ended in spans)
            if end - begin < (3 if on_card else 0.05):
                raise RuntimeError(f"{n} processes were at work together for {end - begin:.1f} s alone")
            epochs = 0.0
            for one, (at, _) in zip(reports, spans):
                for seconds in one["seconds"]:
                    # Of those at the ends, the part within.
                    epochs += max(0.0, min(at + seconds, end) - max(at, begin)) / seconds
                    at += seconds
            return epochs / (end - begin)

        found = {"by turns": {}, "MPS": {}, "failed": {}}

        def measure(way):
            for n in (1, 2, 4, 8) if on_card else (1, 2):
                try:
                    found[way][n] = together(n)
                except Exception as error:
                    found["failed"][f"{n} processes, {way}"] = f"{type(error).__name__}: {error}"

        measure("by turns")
        try:
            with self.mps():
                measure("MPS")
        except Exception as error:
            found["MPS is not to be had"] = f"{type(error).__name__}: {error}"
        ways = [(speed, way, n) for way in ("by turns", "MPS") for n, speed in found[way].items()]
        if not ways:
            raise RuntimeError(f"no number of processes could be measured: {found}")
        best = max(ways)
        together = f", {best[2]} processes together ({best[1]})" if best[2] > 1 else ", by one process"
        comparison = self.alone(reports[0], together, [best[0]], reports[0]["kernels"])
        best = {"way": best[1], "processes": best[2], "epochs a second": best[0], **self.goal("epochs a second")}
        return found | {"best": best, "comparisons": [comparison]}

    @contextlib.contextmanager
    def mps(self):
        """NVIDIA's multi-process service, with folders of its own, for the programs started meanwhile."""
        folder = Path(tempfile.mkdtemp(prefix="mps-"))
        own = {"CUDA_MPS_PIPE_DIRECTORY": str(folder), "CUDA_MPS_LOG_DIRECTORY": str(folder)}
        before = self.environment
        environment = before | own
        # Programs count the cards that their service is shown, from 0 on.
        shown = before.get("CUDA_VISIBLE_DEVICES", "").split(",")
        counted = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, range(len(shown))))} if all(word.strip().isdigit() for word in shown) else {}
        control = ["nvidia-cuda-mps-control"]
        # A daemon keeps what it is given to write to.
        to_log = {"env": environment, "stdout": self.log, "stderr": self.log, "timeout": 60}
        try:
            subprocess.run([*control, "-d"], check=True, **to_log)
            self.environment = environment | counted
            yield
        finally:
            self.environment = before
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run(control, input=b"quit\n", check=False, **to_log)
            shutil.rmtree(folder, ignore_errors=True)

    def train(self):
        best = self.found("sharing").get("best", {})
        with self.mps() if best.get("way") == "MPS" else contextlib.nullcontext():
            return self.reproduce(best.get("processes"))

    def reproduce(self, jobs):
        self.unpack()
        # Of `--flag=value` two words, as of `--flag value`.
        words = [part for word in shlex.split(self.args.train) for part in (word.split("=", 1) if word.startswith("--") else [word])]
        if "DATA" in words and not self.data:
            raise RuntimeError("DATA in --train stands for --data, which is not there")
        words = [self.data if word == "DATA" else word for word in words]
        if "--jobs" not in words and jobs is not None:
            words += ["--jobs", str(jobs)]
        suite = dict(zip(words, words[1:])).get("--suite")
        if suite is None:
            raise RuntimeError("--train names its suite: --suite NAME")
        self.take_up()
        published = self.work / "data" / "published" / suite
        command = [str(HERE / "sculpt"), "reproduce", *words, "--runs", "suite-runs", "--device", self.device]
        self.say("$ " + shlex.join(command))
        # To stop, to look at the test images of every state, and to pack.
        keep = min(max(60, self.left() / 4), self.left() / 2)
        # Of its own file: what is said in hours is no part of what comes back, its end is.
        said_in_training = self.work / "training.log"
        found = {}
        with open(said_in_training, "wb") as log:
            training = subprocess.Popen(
                command, cwd=self.work, env=self.environment, stdout=log, stderr=log, preexec_fn=end_with_parent, start_new_session=True
            )
            try:
                code = training.wait(timeout=max(1, self.left() - keep))
                ended = f"ended by itself with {code}"
                if code != 0:
                    words_of = said_in_training.read_bytes().decode(errors="replace").strip().splitlines()
                    found["error"] = f"sculpt reproduce ended with {code}: {words_of[-1] if words_of else 'nothing was said'}"
            except (subprocess.TimeoutExpired, KeyboardInterrupt) as why:
                training.send_signal(signal.SIGINT)
                try:
                    training.wait(timeout=max(30, self.left() - 30))
                    ended = "stopped by a signal" if isinstance(why, KeyboardInterrupt) else "stopped for want of time"
                except subprocess.TimeoutExpired:
                    ended = "killed, since it did not stop in time"
            finally:
                training.kill()
                training.wait()
        self.log.write(said_in_training.read_bytes()[-(1 << 20) :].decode(errors="replace"))
        flags = ("--data", "--data-name", "--leave-out")
        of_data = [word for i, word in enumerate(words) if word in flags or words[i - 1] in flags]
        publish = [HERE / "sculpt", "publish", "--suite", suite, "--unfinished", "--runs", "suite-runs", "--device", self.device, *of_data]
        found = {"ended": ended} | found
        try:
            found["published"] = self.call(publish).strip()[-600:]
            found |= archives.pack(published, self.out, HERE, self.work / "brought.json")
        except RuntimeError as error:
            found["error"] = "; ".join([*([found["error"]] if "error" in found else []), str(error)])
        return found

    def take_up(self):
        """Published states of before, from archives that lie in the kit's folder or in --out, are not trained anew."""
        record, published = self.work / "brought.json", self.work / "data" / "published"
        lying = archives.numbered(HERE, self.out)
        if record.exists() or published.exists() or not lying:
            return
        archives.take_up(lying, published, record)
        self.say(f"taken up: {', '.join(path.name for _, path in lying)}")


def in_short(found):
    """A step's numbers and words, but for long ones."""
    flat = {**found, **found.get("best", {})}
    number = lambda value: f"{value:.4g}" if isinstance(value, float) else value
    short = {name: number(value) for name, value in flat.items() if isinstance(value, (int, float, str)) and len(str(value)) < 60}
    return "".join(f"{name}: {value}; " for name, value in short.items() if name != "error")


def furthest(here, there):
    """The pair that is furthest apart."""
    return max(zip(here, there, strict=True), key=lambda pair: abs(pair[0] / pair[1] - 1))


def time_limit(word):
    seconds = float(word)
    if not 1 <= seconds <= 1e6:
        raise argparse.ArgumentTypeError(f"{word} is not within 1 and 1,000,000 seconds")
    return seconds


def named_steps(words):
    names = [word.strip() for word in words.split(",") if word.strip()]
    unknown = [name for name in names if name not in STEPS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown) or 'nothing'} is no step; they are {', '.join(STEPS)}")
    return names


def whole(text):
    """Bytes of UTF-8 without a letter that was cut."""
    return text.decode(errors="ignore").encode()


def write_probe(path, n, side):
    """Images of normal noise and labels of ten classes, as safetensors: PyTorch's own form may be another in each release."""
    random.seed(1)
    images = array.array("f", (random.gauss(0.0, 1.0) for _ in range(n * 3 * side * side))).tobytes()
    labels = array.array("q", (random.randrange(10) for _ in range(n))).tobytes()
    header = {
        "images": {"dtype": "F32", "shape": [n, 3, side, side], "data_offsets": [0, len(images)]},
        "labels": {"dtype": "I64", "shape": [n], "data_offsets": [len(images), len(images) + len(labels)]},
    }
    words = json.dumps(header).encode()
    words += b" " * (-len(words) % 8)
    path.write_bytes(len(words).to_bytes(8, "little") + words + images + labels)


def kept(path):
    """Places of the weights that a mask file keeps: (tensor, index). Tensors are bytes of 0 and 1, or bits, as the header says."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    places = set()
    for name, tensor in header.items():
        if name != "__metadata__":
            start, end = tensor["data_offsets"]
            size = (end - start) // max(1, math.prod(tensor["shape"]))
            values = data[start:end]
            places |= {(name, i // size) for i, byte in enumerate(values) if byte}
    return places


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder that the results go into")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--only", type=named_steps, default=STEPS, help="steps to take, with commas between; all where none is named")
    parser.add_argument("--seconds", type=time_limit, default=570.0, help="after which training is stopped, from the start of this call; other steps share them (default 570: less than a call of ten minutes)")
    parser.add_argument("--data", help="folder that the word DATA in --train stands for")
    parser.add_argument("--unpack", help="command, run in the kit's folder, that makes the data")
    parser.add_argument("--train", help="words for `sculpt reproduce`, --suite among them")
    args = parser.parse_args()
    if torch is None:
        sys.exit(f"{sys.executable} has no torch: run this with a Python that has torch 2.11.0, with CUDA, whose libraries sculpt uses")
    if args.only is not STEPS and "train" in args.only and not args.train:
        parser.error("--only train: --train says what")
    # Whoever ends this by it wants what there is.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    kit = Kit(args)
    try:
        for name in STEPS:
            if name != "train" or args.train:
                kit.step(name, getattr(kit, name))
    except KeyboardInterrupt:
        kit.say("ended by a signal, in the middle of a step")
        sys.exit(1)
    steps = kit.report["steps"]
    failed = lambda found: "error" in found or any("error" in one for one in found.get("comparisons", []))
    bad = [name for name, step in steps.items() if failed(step["found"])]
    bad += [name for name, word in (("graphs", "good"), ("parity", "all good"), ("epochs", "good")) if kit.found(name).get(word) is False]
    kit.say(f"done: {kit.out / 'kit.json'}" + (f"; NOT GOOD: {', '.join(bad)}" if bad else ""))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
