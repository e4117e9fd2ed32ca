//! The folder that is carried to a machine with a GPU.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The symbols that `nm` lists for a library: those it has, or those it lacks.
fn symbols(library: &Path, which: &str) -> BTreeSet<String> {
    let listed = Command::new("nm")
        .args(["-D", which])
        .arg(library)
        .output()
        .unwrap();
    assert!(
        listed.status.success(),
        "{}",
        String::from_utf8_lossy(&listed.stderr)
    );
    let text = String::from_utf8(listed.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.split_whitespace().last());
    names
        .map(|name| name.split('@').next().unwrap().to_owned())
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The kit, made with these words more: how that ended, and what was said. None without a network.
fn made(kit: &Path, words: &[&str]) -> Option<(bool, String)> {
    let made = Command::new(env!("CARGO"))
        .args(["xtask", "gpu-kit"])
        .arg(kit)
        .args(words)
        // The program under test: another would be built over it, while other tests run it.
        .args(["--binary", env!("CARGO_BIN_EXE_sculpt")])
        .current_dir(root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    if said.contains("pip could not install") {
        return None;
    }
    Some((made.status.success(), said))
}

/// All that run.py asks PyTorch for where nothing of PyTorch's own is timed: its version, and where its libraries are.
fn stand_in_for_torch(folder: &Path) {
    let torch = folder.join("torch");
    std::fs::create_dir_all(&torch).unwrap();
    let words = "__version__ = '2.11.0'\nclass cuda:\n    is_available = staticmethod(lambda: False)\n";
    std::fs::write(torch.join("__init__.py"), words).unwrap();
    let libraries = std::env::var_os("LIBTORCH").map_or(root().join(".libtorch/torch"), PathBuf::from);
    std::os::unix::fs::symlink(libraries.join("lib"), torch.join("lib")).unwrap();
}

/// Steps that need no PyTorch, from first to last: graphs are none here, what is compared is equal, epochs are timed alone and side by
/// side, and what was trained until the time was over is packed, within the limits of what comes back from such a machine.
fn the_kit_runs(kit: &Path, folder: &Path) {
    stand_in_for_torch(folder);
    let out = folder.join("results");
    let run = |words: &[&str]| run(kit, folder, &out, words);
    let (good, report, said) = run(&["--only", "card,graphs,parity,epochs,sharing"]);
    assert!(good, "{said}");
    let found = |step: &str| &report["steps"][step]["found"];
    assert_eq!(found("graphs")["launched"], "one by one");
    assert_eq!(found("parity")["all good"], true, "{report}");
    assert_eq!(found("epochs")["losses off by"], 0.0);
    assert!(found("epochs")["seconds an epoch"].as_f64().unwrap() > 0.0);
    assert!(
        found("sharing")["by turns"]["2"].as_f64().unwrap() > 0.0,
        "{report}"
    );

    let kit_json = out.join("kit.json");
    let tables = sculpt(&["bench", "report", "--json", "--from", kit_json.to_str().unwrap()]);
    let tables: Value = serde_json::from_slice(&tables).unwrap();
    let what: Vec<_> = tables["comparisons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["what"].as_str().unwrap())
        .collect();
    assert!(
        what.len() == 2 && what.iter().all(|what| what.starts_with("Epochs of ResNet-8")),
        "{what:?}"
    );

    let words = "figure 10 --preset demo --suite kit --cycles 1 --cycle-epochs 1 --densities 0.1 --seeds 1 --train-images 256";
    let (good, report, said) = run(&["--only", "train", "--train", words]);
    assert!(good, "{said}");
    let found = &report["steps"]["train"]["found"];
    assert_eq!(found["ended"], "ended by itself with 0", "{report}");
    assert_eq!(found["files that no call has brought"], 0, "{report}");
    assert!(report["steps"]["parity"].is_object(), "the steps of both calls");
    let files: Vec<_> = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(files.len() <= 8, "{files:?}");
    for file in &files {
        assert!(file.metadata().unwrap().len() <= 16 << 20, "{}", file.display());
    }
    let back = folder.join("back");
    std::fs::create_dir(&back).unwrap();
    let unpacked = Command::new("tar")
        .arg("-xJf")
        .arg(out.join("published.0.tar.xz"))
        .current_dir(&back)
        .status();
    assert!(unpacked.unwrap().success());
    sculpt(&["verify", back.join("kit").to_str().unwrap()]);
}

/// The kit's script, with a stand-in for torch in `folder`: whether it found all good, kit.json, and what it said.
fn run(kit: &Path, folder: &Path, out: &Path, words: &[&str]) -> (bool, Value, String) {
    let ran = Command::new("python3")
        .arg(kit.join("run.py"))
        .args(["--device", "cpu", "--out"])
        .arg(out)
        .args(words)
        .env("PYTHONPATH", folder)
        .output()
        .unwrap();
    let report = std::fs::read(out.join("kit.json")).unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    (
        ran.status.success(),
        serde_json::from_slice(&report).unwrap(),
        said,
    )
}

/// Training for which there is no time left is stopped, and what there is brought; a machine that has nothing but that goes on from it.
fn the_clock_stops_and_another_machine_goes_on(kit: &Path, folder: &Path) {
    let words = "figure 10 --preset demo --suite=long --cycles 30 --cycle-epochs 2 --densities 0.1 --seeds 1 --train-images 256";
    // The nodes that a machine has finished states of, of its own making.
    let made = |machine: &str| -> BTreeSet<String> {
        let runs = folder.join(machine).join("suite-runs");
        let listed = sculpt(&["ls", "--json", "--runs", runs.to_str().unwrap()]);
        let listed: Value = serde_json::from_slice(&listed).unwrap();
        let nodes = listed["nodes"].as_array().unwrap().iter();
        let done = nodes.filter(|node| node["states"] != serde_json::json!([]));
        done.map(|node| node["id"].as_str().unwrap().to_owned()).collect()
    };
    let (here, there) = (folder.join("here"), folder.join("there"));
    let (good, report, said) = run(
        kit,
        folder,
        &here,
        &["--only", "train", "--seconds", "9", "--train", words],
    );
    assert!(good, "{said}");
    assert_eq!(
        report["steps"]["train"]["found"]["ended"], "stopped for want of time",
        "{report}"
    );
    for entry in std::fs::read_dir(&here).unwrap() {
        let archive = entry.unwrap();
        if archive.file_name().to_string_lossy().starts_with("published.") {
            std::fs::copy(archive.path(), kit.join(archive.file_name())).unwrap();
        }
    }
    let (good, report, said) = run(kit, folder, &there, &["--only", "train", "--train", words]);
    assert!(good && said.contains("taken up: published.0.tar.xz"), "{said}");
    assert_eq!(
        report["steps"]["train"]["found"]["ended"], "ended by itself with 0",
        "{report}"
    );
    assert!(there.join("published.1.tar.xz").is_file(), "numbers go on");
    let (before, after) = (made("here.work"), made("there.work"));
    assert!(
        before.len() > 4 && before.is_disjoint(&after),
        "{before:?}, {after:?}"
    );
    assert_eq!(before.len() + after.len(), 69, "what `plan` counts");
    sculpt(&[
        "verify",
        folder.join("there.work/data/published/long").to_str().unwrap(),
    ]);
}

/// What the program under test prints, where it succeeds.
fn sculpt(words: &[&str]) -> Vec<u8> {
    let ran = Command::new(env!("CARGO_BIN_EXE_sculpt"))
        .args(words)
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
    ran.stdout
}

/// What has no place stays, until what was packed is taken away; files larger than an archive come in pieces; a log keeps its ends.
#[test]
fn what_comes_back_keeps_within_limits() {
    let folder = tempfile::tempdir().unwrap();
    stand_in_for_torch(folder.path());
    let script = r#"
import sys
sys.path.insert(0, sys.argv[1])
import gpu_kit, gpu_kit_archives
class Args:
    out, device, seconds, only, data, unpack = sys.argv[2], "cpu", 1, None, None, None
kit = gpu_kit.Kit(Args)
for letter in "abcd":
    kit.log.write(letter * (4 << 20))
kit.shorten_log()
kit.say("more")
content = (kit.out / "kit.log").read_text()
end = chr(10)
assert len(content) < 4 << 20 and content.startswith("a" * (1 << 20) + end + "...") and content.endswith("dmore" + end), content[-20:]
assert "b" * 1000 not in content and content.count("d") >= (2 << 20) - 10

# Archives of 300 kB, two at a time: of ten files of 100 kB and one of 500 kB, which is three pieces.
import random, subprocess
gpu_kit_archives.PART, gpu_kit_archives.PARTS = 300 << 10, 2
suite, back = kit.work / "suite", kit.out.parent / "back"
for folder in (suite / "deep", back):
    folder.mkdir(parents=True)
for i in range(10):
    (suite / "deep" / f"{i}").write_bytes(random.randbytes(100 << 10))
(suite / "large").write_bytes(random.randbytes(500 << 10))
def taken_away():
    for archive in sorted(kit.out.glob("published.*")):
        assert archive.stat().st_size <= gpu_kit_archives.PART, archive
        subprocess.run(["tar", "-xJf", archive], cwd=back, check=True)
        archive.unlink()
counts = []
for call in range(6):
    found = gpu_kit_archives.pack(suite, kit.out, kit.out, kit.work / "brought.json")
    # A call after which nothing is taken away brings nothing more, and loses nothing.
    before = sorted(kit.out.glob("published.*"))
    if len(before) == gpu_kit_archives.PARTS:
        assert gpu_kit_archives.pack(suite, kit.out, kit.out, kit.work / "brought.json")["new archives"] == 0 and sorted(kit.out.glob("published.*")) == before
    taken_away()
    counts.append((found["new archives"], found["files that no call has brought"]))
    if call == 3:
        (suite / "deep" / "3").write_bytes(b"another")
assert counts[0] == (2, 7) and counts[3] == (2, 0) and counts[4] == (1, 0) and counts[5] == (0, 0), counts
pieces = sorted((back / "suite").glob("large.*.piece-*"))
assert b"".join(piece.read_bytes() for piece in pieces) == (suite / "large").read_bytes()
for i in range(10):
    assert (back / "suite/deep" / f"{i}").read_bytes() == (suite / "deep" / f"{i}").read_bytes(), i
"#;
    python(script, folder.path());
}

/// A script that has the kit's modules' folder as its first word and a folder of its own as its second, and must end well.
fn python(script: &str, folder: &Path) {
    let ran = Command::new("python3")
        .args(["-B", "-c", script])
        .arg(root().join("python"))
        .arg(folder.join("out"))
        .env(
            "PYTHONPATH",
            std::env::join_paths([folder, &root().join("tests/peers")]).unwrap(),
        )
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// What several calls on several machines bring is one suite: complete or refused, the newest of each file, and nothing twice.
#[test]
fn archives_are_taken_up_by_another_machine() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
import sys
sys.path.insert(0, sys.argv[1])
import json, pathlib, random, shutil
import gpu_kit_archives as archives
archives.PART, archives.PARTS = 300 << 10, 2
home = pathlib.Path(sys.argv[2])
class Machine:
    def __init__(self, name):
        self.out, self.kit, self.data = (home / name / part for part in ("out", "kit", "data"))
        for part in (self.out, self.kit, self.data):
            part.mkdir(parents=True)
        self.record, self.published = home / name / "brought.json", self.data / "published"
    def pack(self):
        return archives.pack(self.published / "suite", self.out, self.kit, self.record)
    def take_up(self, *others):
        for other in others:
            for path in other.glob("*"):
                shutil.copy(path, self.kit)
        archives.take_up(archives.numbered(self.kit, self.out), self.published, self.record)
def refused(work):
    try:
        work()
    except RuntimeError as error:
        return str(error)
    raise AssertionError("not refused")
def content(machine):
    files = (machine.published / "suite").rglob("*")
    return {str(path.relative_to(machine.published)): path.read_bytes() for path in files if path.is_file()}

# Seven checkpoints of 100 kB, one of 500 kB, and what says so: more than one call brings.
first = Machine("first")
suite = first.published / "suite"
(suite / "checkpoints").mkdir(parents=True)
for i in range(8):
    (suite / "checkpoints" / f"{i}.safetensors").write_bytes(random.randbytes(500 << 10 if i == 7 else 100 << 10))
(suite / "metrics.parquet").write_bytes(random.randbytes(400 << 10))
manifest = {"checkpoints": [{"file": f"checkpoints/{i}.safetensors"} for i in range(8)], "files": {"metrics.parquet": {}}}
(suite / "manifest.json").write_text(json.dumps(manifest))
brought = home / "brought"
brought.mkdir()
def take_away(machine):
    for path in machine.out.glob("*"):
        shutil.move(path, brought)
assert first.pack()["files that no call has brought"] > 2
take_away(first)
said = refused(lambda: Machine("too early").take_up(brought))
assert "lack" in said and "suite/manifest.json" in said, said
while first.pack()["new archives"]:
    take_away(first)
second = Machine("second")
second.take_up(brought)
assert content(second) == content(first)
assert second.pack()["new archives"] == 0, "all of it was brought"

# One more checkpoint, and a file that grew: three pieces in the place of two.
(second.published / "suite/checkpoints/8.safetensors").write_bytes(random.randbytes(100 << 10))
(second.published / "suite/metrics.parquet").write_bytes(random.randbytes(600 << 10))
while second.pack()["new archives"]:
    take_away(second)
third = Machine("third")
third.take_up(brought)
assert content(third) == content(second)
# What was known of them is lost, and archives lie there: they stay.
lying = sorted(brought.glob("*"))
third.record.unlink()
shutil.copy(lying[0], third.out)
before = (third.out / lying[0].name).read_bytes()
assert third.pack()["new archives"] == 1 and (third.out / lying[0].name).read_bytes() == before

# Names that are none of ours, a stump, and a hole.
(brought / "published.x.tar.xz").write_bytes(b"")
(brought / "published.0 (1).tar.xz").write_bytes(b"")
shutil.copy(lying[1], home)
lying[1].write_bytes(lying[1].read_bytes()[:1000])
stump = Machine("stump")
said = refused(lambda: stump.take_up(brought))
assert lying[1].name in said and "cannot be unpacked" in said and not stump.published.exists(), said
lying[1].unlink()
said = refused(lambda: Machine("hole").take_up(brought))
assert "lack" in said, said
"#;
    python(script, folder.path());
}

/// No GPU is here, so that the library of CUDA graphs cannot be loaded: that libtorch has what it needs can be seen all the same.
#[test]
fn the_kit_is_whole_and_runs_and_its_library_fits_libtorch() {
    let folder = tempfile::tempdir().unwrap();
    let kit = folder.path().join("kit");
    let root = root();
    let large = folder.path().join("large");
    std::fs::File::create(&large).unwrap().set_len(65 << 20).unwrap();
    let Some((good, said)) = made(&kit, &["--with", large.to_str().unwrap()]) else {
        eprintln!("skipped: no network, from which CUDA's headers and PyHessian come");
        return;
    };
    assert!(
        !good && said.contains("carry what --with names by itself"),
        "{said}"
    );
    assert!(!kit.exists(), "nothing is left of what is too large");
    let (good, said) = made(&kit, &[]).expect("a network is there");
    assert!(good, "{said}");
    for file in [
        "sculpt",
        "libsculpt_graphs.so",
        "run.py",
        "training.py",
        "hessian.py",
        "machine.py",
        "gpu_kit_archives.py",
        "pyhessian/hessian.py",
    ] {
        assert!(kit.join(file).is_file(), "{file}");
    }
    the_kit_runs(&kit, folder.path());
    the_clock_stops_and_another_machine_goes_on(&kit, folder.path());
    let needed = symbols(&kit.join("libsculpt_graphs.so"), "--undefined-only");
    let is_torchs = |name: &&String| {
        name.starts_with("_ZN2at") || name.starts_with("_ZN3c10") || name.starts_with("_ZNK3c10")
    };
    let needed: BTreeSet<&String> = needed.iter().filter(is_torchs).collect();
    assert!(needed.iter().any(|name| name.contains("CUDAGraph")), "{needed:?}");
    let libtorch = root.join(".libtorch/torch/lib");
    if !libtorch.join("libtorch_cuda.so").exists() {
        eprintln!("skipped: this libtorch has no CUDA half to compare with");
        return;
    }
    let had: BTreeSet<String> = [
        "libtorch_cuda.so",
        "libc10_cuda.so",
        "libtorch_cpu.so",
        "libc10.so",
    ]
    .iter()
    .flat_map(|name| symbols(&libtorch.join(name), "--defined-only"))
    .collect();
    let lacking: Vec<_> = needed
        .iter()
        .filter(|name| !had.contains(name.as_str()))
        .collect();
    assert!(lacking.is_empty(), "{lacking:?}");
    let of_kit = symbols(&kit.join("libsculpt_graphs.so"), "--defined-only");
    for function in [
        "graph_new",
        "graph_begin",
        "graph_end",
        "graph_replay",
        "graph_free",
        "give_back",
    ] {
        assert!(of_kit.contains(&format!("sculpt_{function}")), "{function}");
    }
}
