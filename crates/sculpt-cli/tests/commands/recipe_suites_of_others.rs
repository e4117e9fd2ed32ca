//! Suites of recipes whose masks or descriptions come from elsewhere.

use crate::recipe_suites::{RECIPE, drawn, trained};
use crate::*;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Masks of the user's own, a file a seed, beside chance's: they stand at the densities that were asked for.
#[test]
fn loaded_masks_stand_beside_others() {
    let folder = Folder::new();
    let grid = |nodes: &str| RECIPE.split("[[node]]").next().unwrap().to_owned() + nodes;
    let init = "[[node]]\nname = \"init\"\nkind = \"init\"\n";
    fs::write(folder.join("init.toml"), grid(init)).unwrap();
    let said = json(&folder, "run init.toml");
    for (seed, node) in (1..).zip(said["nodes"].as_array().unwrap()) {
        let id = node["id"].as_str().unwrap();
        for (density, name) in [("0.5", "50"), ("0.2", "20")] {
            ok(
                &folder,
                &format!(
                    "mask --weights {id} --method magnitude --density {density} --out mask-{name}-{seed}.safetensors"
                ),
            );
        }
    }
    let nodes = "
[[node]]
name = \"mine\"
kind = \"load-mask\"
file = [\"mask-50-{seed}.safetensors\", \"mask-20-{seed}.safetensors\"]
[[node]]
name = \"start\"
kind = \"combine\"
mask_from = \"mine\"
weights_from = \"init\"
[[node]]
name = \"own\"
kind = \"train\"
from = \"start\"
[[node]]
name = \"mask\"
kind = \"prune\"
from = \"init\"
criterion = \"magnitude\"
density = [0.5, 0.2]
[[node]]
name = \"theirs\"
kind = \"train\"
from = \"mask\"
";
    fs::write(folder.join("mine.toml"), grid(&format!("{init}{nodes}"))).unwrap();
    ok(&folder, "run mine.toml");
    let rows = drawn(&folder, "accuracy", "accuracy");
    assert_eq!(rows.len(), 2 * 2 * 3);
    let rows = drawn(&folder, "accuracy --only density=0.2", "sparse");
    assert_eq!(rows.len(), 2 * 3, "loaded masks have a density too");
    // The same mask over the same weights: the same states, whoever made the mask.
    let said = json(&folder, "compare own theirs --suite mine");
    let found = said["comparisons"].as_array().unwrap();
    assert_eq!(found.len(), 3);
    assert!(
        found.iter().all(|row| row["effect"] == 0.0 && row["n"] == 3),
        "{found:?}"
    );
    ok(&folder, "publish --suite mine");

    // What it has states of is called as in the store.
    let listed = [json(&folder, "ls mine"), json(&folder, "ls")];
    assert_eq!(listed[0]["suite"], "mine");
    let [published, here] = listed.map(|listed| -> Vec<_> {
        let nodes = listed["nodes"].as_array().unwrap().clone();
        let said = |node: Value| ["id", "names", "kind", "status", "density"].map(|what| node[what].clone());
        nodes.into_iter().map(said).collect()
    });
    assert!(!published.is_empty());
    for node in &published {
        assert!(here.contains(node), "{node:?} of {here:?}");
    }
    refused(
        &folder,
        "ls nobodys",
        1,
        &["neither in data/published nor in", "sculpt list"],
    );

    let again = json(&folder, "verify data/published/mine --retrain 6");
    assert_eq!(again["violations"].as_array().unwrap().len(), 0, "{again}");
}

/// Differences that are no seeds are told, and a suite of a stranger leads nowhere else.
#[test]
fn nothing_is_averaged_or_written_elsewhere() {
    let folder = Folder::new();
    trained(&folder);
    let line = "draw accuracy --suite mine --nodes cyclic --by density --x cycles";
    refused(&folder, line, 1, &["nothing is averaged over but seeds"]);
    refused(
        &folder,
        "draw accuracy --suite mine --nodes cyclic,lrr --only criterion=random",
        1,
        &["no state of lrr has criterion"],
    );
    let path = folder.join("runs/suites/mine.json");
    let text = fs::read_to_string(&path).unwrap();
    let whole: Value = serde_json::from_str(&text).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut suite = whole.clone();
        suite.as_object_mut().unwrap().remove("sha256");
        change(&mut suite);
        fs::write(&path, suite.to_string()).unwrap();
    };
    changed(&|suite| suite["name"] = "../../elsewhere".into());
    refused(&folder, "publish --suite mine", 1, &["no plain name"]);
    changed(&|suite| suite["name"] = "other".into());
    refused(
        &folder,
        "draw accuracy --suite mine",
        1,
        &["is of suite \"other\""],
    );
    let drawing = serde_json::json!({ "../x": { "view": "accuracy", "selection": {} } });
    changed(&|suite| suite["drawings"] = drawing.clone());
    refused(&folder, "publish --suite mine", 1, &["no plain name"]);
    changed(&|suite| suite["recipe"]["threads"] = 0.into());
    refused(&folder, "draw accuracy --suite mine", 1, &["has 0 threads"]);
    changed(&|suite| suite["recipe"]["states"][0]["cycle"] = 7.into());
    refused(
        &folder,
        "draw accuracy --suite mine",
        1,
        &["which no recipe names so"],
    );
    // What is published of a preset is not replaced by a recipe of that name.
    fs::write(&path, &text).unwrap();
    let published = folder.join("data/published/mine");
    fs::create_dir_all(&published).unwrap();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/published/demo/suite.json");
    fs::copy(demo, published.join("suite.json")).unwrap();
    refused(
        &folder,
        "publish --suite mine",
        1,
        &["is not replaced by a recipe's"],
    );
    refused(&folder, "run mine.toml --suite mine", 2, &["suite of a preset"]);
    assert!(published.join("suite.json").is_file());
}
