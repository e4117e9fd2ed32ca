//! A recipe of a user's own as a suite: trained, drawn, compared, published, fetched, and drawn again.

use crate::*;
use sculpt_store::canonical::sha256_hex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Two masks at two densities, three cycles and three seeds; and two rounds of learning-rate rewinding.
pub(crate) const RECIPE: &str = r#"
like = "demo/a"
seeds = [1, 2, 3]
threads = 1
defaults = { model = { name = "resnet8", classes = 10, width = 2 }, epochs = 1, data = { train_images = 128 } }

[[node]]
name = "init"
kind = "init"
[[node]]
name = "mask"
kind = "prune"
from = "init"
criterion = ["random", "magnitude"]
density = [0.5, 0.2]
[[node]]
name = "cyclic"
kind = "train"
from = "mask"
cycles = 2
[[node]]
name = "dense"
kind = "train"
from = "init"
[[node]]
name = "lrr"
kind = "repeat"
from = "dense"
density = [0.5, 0.2]
steps = [{ kind = "prune", criterion = "magnitude" }, { kind = "train" }]
"#;

/// A frame as its CSV has it: each row by column.
fn frame(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows = reader.records().map(|record| {
        let record = record.unwrap();
        header
            .iter()
            .cloned()
            .zip(record.iter().map(str::to_owned))
            .collect()
    });
    rows.collect()
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column]
        .parse()
        .unwrap_or_else(|_| panic!("{column} of {row:?}"))
}

/// What training recorded of every state of the recipe, by its name: right, of so many.
pub(crate) fn trained(folder: &Folder) -> BTreeMap<String, (u64, u64)> {
    fs::write(folder.join("mine.toml"), RECIPE).unwrap();
    let said = json(folder, "run mine.toml --jobs 2");
    assert_eq!(said["suite"], "mine");
    let nodes = said["nodes"].as_array().unwrap().iter();
    let scores = nodes.filter_map(|node| {
        let test = node["test"].as_object()?;
        let count = |key: &str| test[key].as_u64().unwrap();
        Some((
            node["name"].as_str().unwrap().to_owned(),
            (count("n_correct"), count("n")),
        ))
    });
    scores.collect()
}

pub(crate) fn drawn(folder: &Folder, words: &str, stem: &str) -> Vec<BTreeMap<String, String>> {
    let said = json(folder, &format!("draw {words} --suite mine --as {stem}"));
    let rows = frame(&folder.join(&format!("reports/mine/{stem}.csv")));
    assert_eq!(said["rows"], rows.len());
    for file in said["files"].as_array().unwrap() {
        assert!(folder.join(file.as_str().unwrap()).is_file(), "{file}");
    }
    rows
}

#[test]
fn a_recipe_is_drawn_by_its_names() {
    let folder = Folder::new();
    let scores = trained(&folder);
    let names = |rows: &[BTreeMap<String, String>]| {
        let mut names: Vec<_> = rows.iter().map(|row| row["curve"].clone()).collect();
        names.dedup();
        names
    };

    // The accuracies that training recorded, at the densities, under the names.
    let rows = drawn(&folder, "accuracy --nodes cyclic", "accuracy");
    assert_eq!(rows.len(), 2 * 2 * 3);
    for row in &rows {
        let (right, n) = scores[&row["state"]];
        assert_eq!(
            (number(row, "n_correct"), number(row, "n_images")),
            (right as f64, n as f64)
        );
        assert_eq!(number(row, "accuracy"), right as f64 / n as f64);
        assert_eq!(number(row, "x"), number(row, "density_target"));
        let title = format!(
            "cyclic[criterion={},density={},seed={}]",
            row["curve"], row["density_target"], row["seed"]
        );
        assert_eq!(row["state"], title);
    }
    // All that trains: what tells curves apart is the name first.
    let rows = drawn(&folder, "accuracy --by method", "all");
    let curves = ["cyclic, magnitude", "cyclic, random", "dense", "lrr"];
    let mut found = names(&rows);
    found.sort();
    found.dedup();
    assert_eq!(found, curves);
    assert_eq!(rows.len(), 12 + 3 + 6);

    // Cycle by cycle, at one density.
    let rows = drawn(
        &folder,
        "accuracy --nodes cyclic --x cycles --only density=0.2",
        "cycles",
    );
    assert_eq!(rows.len(), 2 * 2 * 3);
    assert!(rows.iter().all(|row| number(row, "x") == number(row, "cycle")));
    assert!(
        rows.iter()
            .all(|row| number(row, "epochs") == number(row, "cycle"))
    );

    // Lines between cycles, and between levels that come from each other.
    let rows = drawn(
        &folder,
        "interpolation --nodes cyclic --only criterion=random",
        "lines",
    );
    assert_eq!(
        rows.len(),
        2 * 3 * 2 * 2 * 11,
        "densities, seeds, rules, sets, points"
    );
    assert_eq!(
        rows[0]["state_from"],
        "cyclic[criterion=random,density=0.5,seed=1].1"
    );
    let rows = drawn(&folder, "interpolation --nodes lrr", "levels");
    assert_eq!(rows.len(), 3 * 2 * 2 * 11);
    assert_eq!(rows[0]["state"], "lrr[density=0.2,seed=1]");

    let rows = drawn(&folder, "eigenvalue --nodes lrr", "eigenvalue");
    assert_eq!(rows.len(), 6);
    assert!(
        rows.iter()
            .all(|row| number(row, "residual") <= number(row, "eigenvalue").abs())
    );

    // Two trained states of different masks differ; the weights at initialisation have signs too.
    let rows = drawn(&folder, "signs --nodes cyclic --against lrr", "signs");
    assert_eq!(rows.len(), 12);
    for row in &rows {
        let share = 1.0 - number(row, "n_flips") / number(row, "n_signs");
        assert!(
            (number(row, "overlap") - share).abs() < 1e-12 && (0.5..=1.0).contains(&share),
            "{row:?}"
        );
        let against = format!("lrr[density={},seed={}]", row["density_target"], row["seed"]);
        assert_eq!(row["against"], against);
    }
    let rows = drawn(&folder, "signs --nodes lrr --against init", "from-init");
    assert_eq!(rows.len(), 6);

    // LRR comes from the dense cycle: its second level is three epochs.
    let rows = drawn(&folder, "cost --nodes lrr,cyclic", "cost");
    let epochs = |state: &str| {
        let row = rows.iter().find(|row| row["state"] == state).unwrap();
        (
            number(row, "epochs_total"),
            number(row, "flops_sparse_ideal") / number(row, "flops_dense"),
        )
    };
    assert_eq!(epochs("lrr[density=0.2,seed=2]").0, 3.0);
    let random = |density: &str| epochs(&format!("cyclic[criterion=random,density={density},seed=2]"));
    let ((cyclic, sparser), (_, denser)) = (random("0.2"), random("0.5"));
    assert!(
        cyclic == 2.0 && sparser < denser && denser < 1.0,
        "{sparser} {denser}"
    );

    let page = fs::read_to_string(folder.join("reports/mine/index.html")).unwrap();
    for stem in [
        "accuracy",
        "all",
        "cost",
        "cycles",
        "eigenvalue",
        "lines",
        "signs",
    ] {
        assert!(page.contains(&format!("<section id=\"{stem}\">")), "{stem}");
    }
}

#[test]
fn curves_are_compared_seed_by_seed() {
    let folder = Folder::new();
    let scores = trained(&folder);
    let said = json(&folder, "compare random magnitude --nodes cyclic --suite mine");
    let rows = said["comparisons"].as_array().unwrap();
    assert_eq!(rows.len(), 3, "two densities and both");
    for row in rows.iter().filter(|row| !row["x"].is_null()) {
        let of = |criterion: &str, seed: u32| {
            let (right, n) =
                scores[&format!("cyclic[criterion={criterion},density={},seed={seed}]", row["x"])];
            100.0 * right as f64 / n as f64
        };
        let differences = [1, 2, 3].map(|seed| of("random", seed) - of("magnitude", seed));
        let mean = differences.iter().sum::<f64>() / 3.0;
        assert!((row["effect"].as_f64().unwrap() - mean).abs() < 1e-9, "{row}");
        assert_eq!(row["n"], 3);
        assert_eq!(row["test"], "above");
    }
    let within = json(
        &folder,
        "compare random magnitude --nodes cyclic --suite mine --margin 90 --only density=0.5 --as alike",
    );
    assert_eq!(
        within["comparisons"][0]["verdict"], "supported",
        "90 points are all that there is"
    );
    assert_eq!(within["comparisons"][0]["bound"], 90.0);
    assert!(folder.join("reports/mine/alike.parquet").is_file());

    // A table in the place of a picture leaves nothing of it, nor a picture of a table.
    let there = |ending: &str| folder.join(&format!("reports/mine/alike.{ending}")).is_file();
    drawn(&folder, "accuracy --nodes cyclic", "alike");
    assert!(there("png") && there("summary.csv") && there("csv"));
    ok(
        &folder,
        "compare random magnitude --nodes cyclic --suite mine --as alike",
    );
    assert!(
        !["svg", "png", "pdf", "summary.csv", "summary.parquet"]
            .into_iter()
            .any(there)
    );
    assert!(there("csv"));
}

#[test]
fn a_recipe_is_published_and_fetched() {
    let folder = Folder::new();
    trained(&folder);
    drawn(&folder, "accuracy --nodes cyclic", "accuracy");
    drawn(&folder, "signs --nodes lrr --against init", "signs");
    drawn(&folder, "signs --nodes lrr --against init", "again");
    ok(&folder, "publish --suite mine");
    assert!(ok(&folder, "draw --check --suite mine").contains("signs: 6 rows equal"));
    let of_view = ok(&folder, "draw signs --check --suite mine");
    let line = "draw --check --suite mine --x density --only density=0.1";
    refused(&folder, line, 2, &["--check takes no --x, --only"]);
    assert!(
        of_view.contains("signs: 6 rows") && of_view.contains("again: 6 rows"),
        "{of_view}"
    );
    assert!(!of_view.contains("accuracy"), "{of_view}");
    let verified = json(&folder, "verify data/published/mine runs");
    assert_eq!(verified["violations"].as_array().unwrap().len(), 0, "{verified}");
    let listed = json(&folder, "list");
    let recipe = &listed["recipes"][0];
    assert_eq!(
        (&recipe["suite"], &recipe["available"]),
        (&Value::from("mine"), &recipe["trained"])
    );

    // Somebody who has none of it fetches it, and reads the same numbers.
    let other = Folder::new();
    ok(
        &other,
        &format!(
            "fetch --suite mine --from {}",
            folder.join("data/published/mine").display()
        ),
    );
    ok(&other, "draw accuracy --nodes cyclic --suite mine");
    let rows = |folder: &Folder| frame(&folder.join("reports/mine/accuracy.csv"));
    assert_eq!(rows(&other), rows(&folder));

    // What each state says of each test image came along, and is held against what training recorded.
    let path = other.join("data/fetched/mine/predictions.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    assert_eq!(
        bytes,
        fs::read(folder.join("data/published/mine/predictions.safetensors")).unwrap()
    );
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;

    // Every state is what is said of it, image by image; three images of one that are said to be of another class, in lists that go with
    // it, are found.
    let evaluated = json(&other, "verify data/fetched/mine --evaluate");
    assert_eq!(
        evaluated["violations"].as_array().unwrap().len(),
        0,
        "{evaluated}"
    );
    assert!(
        evaluated["notes"].to_string().contains("image by image"),
        "{evaluated}"
    );
    let index: Value = serde_json::from_slice(&bytes[8..header]).unwrap();
    let mut tensors = index.as_object().unwrap().iter();
    let (_, one) = tensors.find(|(name, _)| name.starts_with("predicted/")).unwrap();
    let start = header + one["data_offsets"][0].as_u64().unwrap() as usize;
    let mut forged = bytes.clone();
    for class in &mut forged[start..start + 3] {
        *class = u8::from(*class == 0);
    }
    fs::write(&path, &forged).unwrap();
    let list = other.join("data/fetched/mine/manifest.json");
    let sealed = fs::read(&list).unwrap();
    let mut manifest: Value = serde_json::from_slice(&sealed).unwrap();
    manifest["files"]["predictions.safetensors"]["sha256"] = sha256_hex(&forged).into();
    let text = manifest.to_string();
    let hash = other.join("data/fetched/mine/manifest.sha256");
    let sealed_hash = fs::read(&hash).unwrap();
    fs::write(&list, &text).unwrap();
    fs::write(&hash, format!("{}\n", sha256_hex(text.as_bytes()))).unwrap();
    let output = sculpt(&other, "verify data/fetched/mine --evaluate --json");
    assert_eq!(output.status.code(), Some(1));
    let evaluated: Value = serde_json::from_slice(&output.stdout).unwrap();
    let violations = evaluated["violations"].as_array().unwrap().iter();
    let found: Vec<_> = violations.filter(|one| one["kind"] == "evaluated").collect();
    assert_eq!(found.len(), 1, "{evaluated}");
    assert!(
        found[0]["detail"].as_str().unwrap().starts_with("gives 3 of "),
        "{evaluated}"
    );
    fs::write(&list, sealed).unwrap();
    fs::write(&hash, sealed_hash).unwrap();

    // All of class 0, as the labels then say: no image is wrong.
    bytes[header..].fill(0);
    fs::write(&path, bytes).unwrap();
    let output = sculpt(&other, "verify data/fetched/mine --json");
    assert_eq!(output.status.code(), Some(1));
    let verified: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |kind: &str| {
        let all = verified["violations"].as_array().unwrap().iter();
        all.filter(|violation| violation["kind"] == kind).count()
    };
    assert_eq!(of("checksum"), 1, "{verified}");
    assert!(
        of("metrics") > 1 && verified.to_string().contains("images right, training recorded"),
        "{verified}"
    );

    // Every node has its name, and is garbage to nobody.
    let nodes = json(&folder, "ls");
    let nodes = nodes["nodes"].as_array().unwrap();
    let named = |title: &str| nodes.iter().find(|node| node["names"][0] == title);
    let node = named("mine: cyclic[criterion=random,density=0.5,seed=1]").unwrap();
    let id = node["id"].as_str().unwrap();
    assert!(
        ok(&folder, &format!("show {id}"))
            .contains("called mine: cyclic[criterion=random,density=0.5,seed=1]")
    );
    assert_eq!(json(&folder, "gc")["nodes"].as_array().unwrap().len(), 0);

    let said = ok(&folder, &format!("show {id} --plot"));
    assert!(said.contains(&format!("reports/.nodes/{id}.svg")), "{said}");
    let picture = fs::read_to_string(folder.join(&format!("reports/.nodes/{id}.svg"))).unwrap();
    assert!(picture.contains("mine: cyclic["), "{picture}");
}

#[test]
fn what_makes_no_picture_is_said() {
    let folder = Folder::new();
    trained(&folder);
    for (line, says) in [
        (
            "draw accuracy --suite mine --nodes cyclics",
            "there are cyclic, dense, lrr",
        ),
        (
            "draw accuracy --suite mine --only density=0.3",
            "nothing has density \"0.3\"; there are 0.2, 0.5",
        ),
        (
            "draw accuracy --suite mine --only lr=0.3",
            "the grid has no axis \"lr\"; there are criterion, density, seed",
        ),
        (
            "draw accuracy --suite mine --nodes cyclic --x criterion",
            "take criterion for --by",
        ),
        (
            "draw accuracy --suite mine --nodes cyclic --by name",
            "stand at one place of one curve",
        ),
        (
            "draw interpolation --suite mine --nodes dense",
            "no curve has two states that follow each other",
        ),
        (
            "draw signs --suite mine --against nobody",
            "has no node \"nobody\"",
        ),
        ("draw accuracy --suite nobody", "is neither in"),
        (
            "compare a b --suite mine --nodes cyclic",
            "there are: random; magnitude",
        ),
        (
            "figure 5 --suite mine",
            "`sculpt draw VIEW --suite mine` shows it",
        ),
        ("draw --check --suite mine", "accuracy.parquet"),
    ] {
        refused(&folder, line, 1, &[says]);
    }
    for (line, says) in [
        ("draw accuracy --suite mine --only density", "is no AXIS=VALUE"),
        ("draw accuracy --suite mine --as ../x", "is no plain name"),
        (
            "draw accuracy --suite mine --against lrr",
            "--against is of `draw signs`",
        ),
        (
            "draw fun --suite mine",
            "is none of accuracy, interpolation, eigenvalue, signs, cost",
        ),
        ("draw signs --suite mine", "name it with --against"),
        ("compare a a --suite mine", "is compared with itself"),
        ("compare a b --suite mine --margin 0", "is not in (0, 100] points"),
        ("publish --suite mine --default", "is a recipe's"),
        ("run mine.toml --suite ../x", "is no plain name"),
    ] {
        refused(&folder, line, 2, &[says]);
    }
}
