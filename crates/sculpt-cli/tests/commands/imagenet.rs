//! Panels of pictures: planned, trained, stopped, measured and drawn.

use crate::pictures::{golden, write_pictures};
use crate::*;
use std::fs;

/// Figure 13 is of pictures alone: two random masks of a ResNet-18, one cycle each. From the folder, again from a pack of the
/// files as they are, and drawn once more from the states that are there.
#[test]
fn a_figure_of_pictures_is_trained_and_measured() {
    let folder = Folder::new();
    let root = write_pictures(&folder, 6);
    // What would be encoded anew in a pack is other data.
    for (i, name) in [(1, "large.jpg"), (2, "grey.jpg")] {
        for part in ["train", "val"] {
            let class = ["n02100735", "n02110185", "n02119789"][i % 3];
            fs::write(root.join(format!("{part}/{class}/{i}.JPEG")), golden(name)).unwrap();
        }
    }
    let cut =
        "--preset short --classes 3 --train-images 4 --batch 4 --cycles 1 --cycle-epochs 1 --densities 0.1";
    let line = format!("figure 13 {cut} --data imagenet:imagenet");
    let plan = json(&folder, &format!("plan {line} --no-bench"));
    assert_eq!(plan["panels"][0]["data"], "ImageNet, 6 pictures of 3 classes");
    assert_eq!(plan["panels"][0]["blocked"], serde_json::Value::Null);
    let name = plan["suite"].as_str().unwrap().to_owned();
    assert_eq!(
        name,
        "short-imagenet-6-pictures-of-3-classes-train-images=4-cycle-epochs=1-cycles=1-densities=0.1-batch=4-classes=3"
    );
    let made = json(&folder, &format!("reproduce {line} --decoders 2"));
    let report = fs::read_to_string(folder.join(&format!("reports/{name}/figure-13.csv"))).unwrap();
    assert_eq!(made["artefacts"].as_array().unwrap().len(), 1, "{made}");
    assert!(report.lines().count() > 2, "{report}");
}

/// A recipe of two cycles: accuracies are measured and those recorded, lines and curvatures are of what is decoded for them. A
/// picture that ends too early ends training, by name, or is left out.
#[test]
fn a_recipe_of_pictures_is_measured() {
    let folder = Folder::new();
    let root = write_pictures(&folder, 9);
    let recipe = r#"
like = "short/c"
threads = 1
defaults = { model = { name = "resnet18", classes = 3, width = 2 }, data = { classes = 3 }, precision = "f32", batch = 4, epochs = 1 }
[[node]]
name = "dense"
kind = "init"
[[node]]
name = "cyclic"
kind = "train"
from = "dense"
cycles = 2
"#;
    fs::write(folder.join("mine.toml"), recipe).unwrap();
    json(&folder, "run mine.toml --data imagenet:imagenet");
    let accuracies = || {
        let text = fs::read_to_string(folder.join("reports/mine/accuracy.csv")).unwrap();
        let column = |line: &str, name: &str| {
            let header = text.lines().next().unwrap();
            let place = header.split(',').position(|other| other == name).unwrap();
            line.split(',').nth(place).unwrap().to_owned()
        };
        let lines = text.lines().skip(1);
        let of_line = |line: &str| (column(line, "n_correct"), column(line, "n_images"));
        lines.map(of_line).collect::<Vec<_>>()
    };
    json(&folder, "draw accuracy --suite mine");
    let recorded = accuracies();
    json(&folder, "draw accuracy --suite mine --data imagenet:imagenet");
    assert_eq!(accuracies(), recorded);
    assert_eq!(
        recorded.iter().map(|(_, n)| n.as_str()).collect::<Vec<_>>(),
        ["7", "7"]
    );
    for view in ["interpolation", "eigenvalue"] {
        refused(&folder, &format!("draw {view} --suite mine"), 1, &["--data"]);
        json(
            &folder,
            &format!("draw {view} --suite mine --data imagenet:imagenet"),
        );
        let text = fs::read_to_string(folder.join(&format!("reports/mine/{view}.csv"))).unwrap();
        assert!(text.lines().count() >= 3, "{text}");
    }
    ok(&folder, "publish --suite mine --data imagenet:imagenet");
    let verify = sculpt(
        &folder,
        "verify data/published/mine --retrain 3 --data imagenet:imagenet",
    );
    let said = text(&verify.stderr);
    assert_eq!(verify.status.code(), Some(0), "{said}");
    assert_eq!(said.matches("came out with the same bytes").count(), 2, "{said}");

    let cut = root.join("train/n02100735/0.JPEG");
    fs::write(cut, &golden("large.jpg")[..5000]).unwrap();
    let run = "run mine.toml --suite cut --data imagenet:imagenet";
    let said = "train/n02100735/0.JPEG: it ends before the picture does";
    refused(&folder, run, 1, &[said]);
    // Whoever looks later is told, until the node is tried again.
    let status = json(&folder, "status --suite cut");
    let failed = &status["suites"][0]["failed"];
    assert_eq!(failed.as_array().unwrap().len(), 1, "{status}");
    assert!(failed[0]["why"].as_str().unwrap().contains(said), "{status}");
    ok(&folder, "verify runs");
    let output = sculpt(&folder, &format!("{run} --leave-out 1"));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains(&format!("left out: {said}")));
    // It stands with every state that rests on it, and beside what is drawn of them.
    let names = |value: &serde_json::Value| value["left_out"] == serde_json::json!([said]);
    json(
        &folder,
        "draw accuracy --suite cut --data imagenet:imagenet --leave-out 1",
    );
    let drawn = fs::read(folder.join("reports/cut/accuracy.json")).unwrap();
    let drawn: serde_json::Value = serde_json::from_slice(&drawn).unwrap();
    assert!(names(&drawn), "{drawn}");
    let shown = json(&folder, &format!("show {}", drawn["nodes"][0].as_str().unwrap()));
    assert!(names(&shown), "{shown}");
    ok(
        &folder,
        "publish --suite cut --data imagenet:imagenet --leave-out 1",
    );
    let manifest = fs::read(folder.join("data/published/cut/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let trained = |entry: &&serde_json::Value| entry["description"]["kind"] == "train";
    let mut trained = manifest["checkpoints"].as_array().unwrap().iter().filter(trained);
    assert!(trained.clone().count() > 0 && trained.all(names), "{manifest}");
}

/// One folder of each kind, and a choice of classes only where there are some.
#[test]
fn what_names_no_pictures_is_refused() {
    let folder = Folder::new();
    write_pictures(&folder, 6);
    let plan = "plan figure 13 --no-bench --preset short";
    for (line, code, words) in [
        ("--data imagenet:imagenet", 2, "give a smaller one"),
        ("--classes 2", 2, "--data imagenet:DIR"),
        ("--data imagenet:imagenet --data imagenet:imagenet", 2, "twice"),
        ("--data imagenet:none", 1, "there is no such folder"),
        (
            "--data imagenet:imagenet --batch 2 --train-images 7",
            2,
            "no more training images",
        ),
        (
            "--data imagenet:imagenet --batch 2 --classes 4",
            2,
            "classes is 4, not in 1..=3",
        ),
        ("--data imagenet", 2, "write imagenet:imagenet"),
    ] {
        refused(&folder, &format!("{plan} {line}"), code, &[words]);
    }
}
