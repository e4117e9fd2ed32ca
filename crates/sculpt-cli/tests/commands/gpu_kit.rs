//! The folder that is carried to a machine with a GPU.

use std::collections::BTreeSet;
use std::path::Path;
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

/// No GPU is here, so that the library of CUDA graphs cannot be loaded: that libtorch has what it needs can be seen all the same.
#[test]
fn the_kit_is_whole_and_its_library_fits_libtorch() {
    let folder = tempfile::tempdir().unwrap();
    let kit = folder.path().join("kit");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let made = Command::new(env!("CARGO"))
        .args(["xtask", "gpu-kit"])
        .arg(&kit)
        // The program under test: another would be built over it, while other tests run it.
        .args(["--binary", env!("CARGO_BIN_EXE_sculpt")])
        .current_dir(&root)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    if said.contains("pip could not install") {
        eprintln!("skipped: no network, from which CUDA's headers and PyHessian come");
        return;
    }
    assert!(made.status.success(), "{said}");
    for file in [
        "sculpt",
        "libsculpt_graphs.so",
        "run.py",
        "training.py",
        "hessian.py",
        "pyhessian/hessian.py",
    ] {
        assert!(kit.join(file).is_file(), "{file}");
    }
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
    for function in ["new", "begin", "end", "replay", "free"] {
        assert!(of_kit.contains(&format!("sculpt_graph_{function}")), "{function}");
    }
}
