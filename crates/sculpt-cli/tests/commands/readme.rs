//! Every command that the README shows, as it stands there, one after the other in one folder. A line that says
//! `(not run by the tests: why)` is left out; every other line of its blocks is a command of ours and succeeds.

use crate::help::text;
use sculpt_checkpoints::{TensorData, write_state_dict, write_tensors};
use sculpt_models::{InitRule, ModelSpec, initialise};
use sculpt_random::Seed;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const NOT_RUN: &str = "(not run by the tests: ";

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The lines of the shell blocks of a text, with what is said of each.
fn commands(text: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for block in text.split("```sh\n").skip(1) {
        let (block, _) = block.split_once("```").expect("a block ends");
        for line in block.lines().filter(|line| !line.trim().is_empty()) {
            let (command, said) = line
                .split_once("  #")
                .or(line.split_once(" #"))
                .unwrap_or((line, ""));
            found.push((command.trim().to_owned(), !said.contains(NOT_RUN)));
        }
    }
    found
}

/// Words as a shell reads them, with double quotes only.
fn words(command: &str) -> Vec<String> {
    let pieces = command.split('"').enumerate().flat_map(|(i, piece)| {
        if i % 2 == 1 {
            vec![piece.to_owned()]
        } else {
            piece.split_whitespace().map(str::to_owned).collect()
        }
    });
    pieces.collect()
}

/// What the README takes for granted: a checkout, weights, a probe, and real pictures in the official layout.
fn place(root: &Path) {
    for shared in ["crates", "data/published", "reports/published"] {
        fs::create_dir_all(root.join(shared).parent().unwrap()).unwrap();
        symlink(checkout().join(shared), root.join(shared)).unwrap();
    }
    let layout = ModelSpec::named("resnet20", 10, None, None).unwrap().layout();
    let files = ["w.safetensors", "a.safetensors", "b.safetensors", "theirs.pth"];
    for (file, seed) in files.into_iter().zip(1..) {
        let (theta, buffers) = initialise(&layout, InitRule::KaimingNormalFanIn, Seed(seed));
        write_state_dict(&root.join(file), &layout, &theta, &buffers).unwrap();
    }
    let n = 16;
    let images = (0..n * 3 * 32 * 32).map(|i| ((i * 37 % 101) as f32 - 50.0) / 25.0);
    let tensors = [
        ("images", TensorData::F32(vec![n, 3, 32, 32], images.collect())),
        (
            "labels",
            TensorData::I64(vec![n], (0..n as i64).map(|i| i % 10).collect()),
        ),
    ];
    // What a file is, its content says.
    for file in ["p.safetensors", "p.pt"] {
        write_tensors(&root.join(file), &tensors, None).unwrap();
    }
    let network = checkout().join("crates/sculpt-models/goldens/networks/vit.pt");
    fs::copy(&network, root.join("net.pt")).unwrap();
    let model = ModelSpec::exported(&network).unwrap();
    let (theta, buffers) = model.initialise(InitRule::KaimingNormalFanIn, Seed(1));
    write_state_dict(&root.join("mine.pth"), &model.layout(), &theta, &buffers).unwrap();
    let images = (0..n * 3 * 16 * 16).map(|i| ((i * 37 % 101) as f32 - 50.0) / 25.0);
    let labels = (0..n as i64).map(|i| i % 10).collect();
    let tensors = [
        ("images", TensorData::F32(vec![n, 3, 16, 16], images.collect())),
        ("labels", TensorData::I64(vec![n], labels)),
    ];
    write_tensors(&root.join("mine-p.pt"), &tensors, None).unwrap();
    let folder = root.join("data/cifar10/cifar-10-batches-bin");
    fs::create_dir_all(&folder).unwrap();
    for (i, file) in [
        "data_batch_1",
        "data_batch_2",
        "data_batch_3",
        "data_batch_4",
        "data_batch_5",
        "test_batch",
    ]
    .into_iter()
    .enumerate()
    {
        let record = |r: usize| {
            let pixels = (0..3072).map(move |p| ((r * 31 + p * (7 + r % 10) + i) % 251) as u8);
            std::iter::once((r % 10) as u8).chain(pixels)
        };
        let bytes: Vec<u8> = (0..120).flat_map(record).collect();
        fs::write(folder.join(format!("{file}.bin")), bytes).unwrap();
    }
}

#[test]
fn every_command_of_the_readme_runs() {
    let root = tempfile::tempdir().unwrap();
    place(root.path());
    let n_run = run_commands(root.path(), "README.md");
    assert!(n_run > 20, "the README shows more than {n_run} commands");
}

/// The first recipe of the page, its networks and its training smaller, is what the page's commands are about.
#[test]
fn every_command_of_the_recipes_page_runs() {
    let root = tempfile::tempdir().unwrap();
    let page = fs::read_to_string(checkout().join("RECIPES.md")).unwrap();
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (recipe, _) = rest.split_once("```").unwrap();
    let small = "defaults = { epochs = 1, model = { name = \"resnet8\", classes = 10, width = 2 }, data = { train_images = 256 } }";
    let recipe = recipe.replace("seeds =", &format!("{small}\nseeds ="));
    fs::write(root.path().join("mine.toml"), recipe).unwrap();
    let n_run = run_commands(root.path(), "RECIPES.md");
    assert!(n_run > 8, "the page shows more than {n_run} commands");
}

/// Runs what a page of the checkout shows, and says how many commands that were.
fn run_commands(root: &Path, page: &str) -> usize {
    let page = fs::read_to_string(checkout().join(page)).unwrap();
    let mut n_run = 0;
    for (command, runs) in commands(&page) {
        let words = words(&command);
        let ours = words.first().is_some_and(|w| w == "cargo") && words.get(1).is_some_and(|w| w == "xtask");
        assert!(
            ours || !runs,
            "{command:?} is no command of ours, and does not say that it is not run"
        );
        if !runs {
            continue;
        }
        let output = Command::new(env!("CARGO_BIN_EXE_sculpt"))
            .args(&words[2..])
            .env("SCULPT_ROOT", root)
            .current_dir(root)
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {}", text(&output.stderr));
        n_run += 1;
    }
    n_run
}

/// The READMEs of the crates show Rust, which their doctests or tests compile, and no commands that nobody runs.
#[test]
fn readmes_of_crates_show_no_other_commands() {
    for entry in fs::read_dir(checkout().join("crates")).unwrap() {
        let path = entry.unwrap().path().join("README.md");
        let shown = commands(&fs::read_to_string(&path).unwrap());
        assert!(
            shown.iter().all(|(_, runs)| !runs),
            "{}: {shown:?}",
            path.display()
        );
    }
}
