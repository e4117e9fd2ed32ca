//! The recipes of the checkout: they stand for what they say on real pictures, and run, in little, on the demo's.

use crate::*;
use std::fs;

fn recipes() -> Vec<(String, String)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../sculpt-experiments/ablations");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut all: Vec<_> = files
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    all.sort();
    all
}

/// The commands that the head of a recipe names, behind `cargo xtask`, without its data.
fn commands(text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("#     cargo xtask "));
    lines.map(|line| line.replace(" --data DIR", "")).collect()
}

#[test]
fn recipes_of_the_checkout_run_as_they_say() {
    let all = recipes();
    let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["coupled-norm", "mask-counts", "precision", "shortcut", "warm-up"]
    );
    let folder = Folder::new();
    let place = "crates/sculpt-experiments/ablations";
    fs::create_dir_all(folder.join(place)).unwrap();
    for (name, text) in all {
        let file = format!("{place}/{name}.toml");
        fs::write(folder.join(&file), &text).unwrap();
        // Four cycles of five epochs, behind a warm-up of one where a mask is coupled with its weights, of three seeds.
        let planned = ok(&folder, &format!("recipe show {file}"));
        let epochs = if name == "coupled-norm" { 21 } else { 20 };
        let end = format!("after {epochs} epochs");
        assert!(planned.contains("seed=3]") && planned.contains(&end), "{planned}");
        let little = text
            .replace("quarter/a", "demo/a")
            .replace(
                "seeds = [1, 2, 3]",
                "defaults = { epochs = 1, data = { train_images = 128 } }",
            )
            .replace("cycles = 4", "cycles = 2")
            .replace(r#"name = "resnet20""#, r#"name = "resnet8", width = 4"#);
        fs::write(folder.join(&file), little).unwrap();
        let commands = commands(&text);
        assert_eq!(commands.len(), 3, "{name}: {commands:?}");
        for command in commands {
            ok(&folder, &command);
        }
    }
}
