use crate::*;
use std::process::Command;

#[test]
fn training_steps_are_timed() {
    let folder = Folder::new();
    for precision in ["f32", "bf16"] {
        let words =
            format!("bench train {TINY} --batch 8 --steps 3 --size 8 --precision {precision} --density 0.5");
        let report = json(&folder, &words);
        assert_eq!(report["n_parameters"], tiny().layout().n_params());
        assert_eq!(
            (&report["threads"], report["seconds"].as_array().unwrap().len()),
            (&1.into(), 3)
        );
        let (speed, median) = (
            report["images_per_second"].as_f64().unwrap(),
            report["median_seconds"].as_f64().unwrap(),
        );
        assert!((speed * median - 8.0).abs() < 1e-9);
        // Uniform labels of 3 classes: about log 3 = 1.1 at first.
        let (first, last) = (
            report["loss_first"].as_f64().unwrap(),
            report["loss_last"].as_f64().unwrap(),
        );
        assert!(
            (0.3..4.0).contains(&first) && last.is_finite() && first != last,
            "{report}"
        );
    }
}

/// Steps of 8, 8 and 4 images; every epoch has its loss, and all but the first their time.
#[test]
fn epochs_are_timed() {
    let folder = Folder::new();
    let words = format!("bench epoch {TINY} --batch 8 --images 20 --epochs 2 --size 8 --density 0.5");
    let report = json(&folder, &words);
    let numbers = |what: &str| {
        let all = report[what].as_array().unwrap().iter();
        all.map(|x| x.as_f64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(
        (&report["images"], &report["steps_per_epoch"]),
        (&20.into(), &3.into())
    );
    assert_eq!(report["launched"], "one by one");
    let (seconds, losses) = (numbers("seconds"), numbers("losses"));
    assert_eq!((seconds.len(), losses.len()), (2, 3));
    assert!(losses.iter().all(|loss| (0.3..4.0).contains(loss)), "{losses:?}");
    let [speed, median] = ["images_per_second", "median_seconds"].map(|what| report[what].as_f64().unwrap());
    assert!((speed * median - 20.0).abs() < 1e-9 && median == (seconds[0] + seconds[1]) / 2.0);
    assert_eq!(json(&folder, &words)["losses"], report["losses"]);
    refused(
        &folder,
        &format!("bench epoch {TINY} --images 0"),
        2,
        &["--images"],
    );
    // Of 5 images in batches of 2 one is left over, which this network makes one value a channel of at last.
    let one_left = "bench epoch --model resnet8 --size 4 --batch 2 --images 5";
    refused(&folder, one_left, 2, &["one is left over", "BatchNorm"]);
    let too_many = format!("bench epoch {TINY} --images 10000000 --size 64");
    refused(&folder, &too_many, 2, &["--images", "122.88 GB", "4.29 GB"]);
}

#[test]
fn masks_are_timed() {
    let report = json(&Folder::new(), "bench mask --n 10001 --density 0.1 --rounds 2");
    assert_eq!(report["kept"], 1000);
    assert!(report["scores_per_second"].as_f64().unwrap() > 0.0);
}

#[test]
fn evaluations_and_products_are_timed() {
    let folder = Folder::new();
    for (words, images) in [("eval --batch 8", 8), ("hessian --images 12", 12)] {
        let report = json(
            &folder,
            &format!("bench {words} {TINY} --size 8 --density 0.5 --rounds 3"),
        );
        assert_eq!(report["images"], images, "{report}");
        assert_eq!(report["seconds"].as_array().unwrap().len(), 3);
        let of = |what: &str| report[what].as_f64().unwrap();
        assert!(
            (of("images_per_second") * of("median_seconds") - f64::from(images)).abs() < 1e-9,
            "{report}"
        );
    }
    refused(&folder, &format!("bench eval {TINY} --size 0"), 2, &["--size"]);
}

/// A published ResNet-20 of ten classes.
const RESNET20: &str = "bf3f1a91edb1";

/// A script that stands for tests/peers/training.py: this product at 300, another at 100.
const PEER: &str = r#"
import json, sys
assert sys.argv[1].endswith("sculpt"), sys.argv
words = dict(zip(sys.argv[2::2], sys.argv[3::2]))
rounds = int(words["--rounds"])
print(json.dumps({
    "what": f"Training at {words['--density']}", "unit": "images/s", "ours": "by hand", "versions": "none",
    "machine": words["--threads"] + " threads", "date": "2026-01-02",
    "speeds": {"sculpt": [300.0] * rounds, "another": [100.0] * rounds},
}))
"#;

/// The same of tests/peers/hessian.py, of the images and weights that it is given.
const HESSIAN_PEER: &str = r#"
import json, sys
words = dict(zip(sys.argv[2::2], sys.argv[3::2]))
assert "--weights" not in words or open(words["--weights"], "rb").read(2) == b"PK", words
if words["--what"] != "eigenvalue" or words["--network"] != ("weights" if "--weights" in words else "minute"):
    print("[]")
else:
    print(json.dumps([{
        "what": f"Of {words.get('--data')} at {words.get('--name')}", "unit": "results an hour", "ours": "by hand", "versions": "none",
        "machine": "one", "date": "2026-01-02", "speeds": {"sculpt": [2.0], "PyHessian": [1.0]},
    }]))
"#;

#[test]
fn others_run_beside_it() {
    let folder = Folder::new();
    let report = |words: &str| {
        Command::new(env!("CARGO_BIN_EXE_sculpt"))
            .args(["bench", "report", "--rounds", "2", "--threads", "1"])
            .args(words.split_whitespace())
            .env("SCULPT_ROOT", folder.path())
            .output()
            .unwrap()
    };
    let nothing = report("");
    assert_eq!(nothing.status.code(), Some(1));
    assert!(
        text(&nothing.stderr).contains("tests/peers"),
        "{}",
        text(&nothing.stderr)
    );
    std::fs::create_dir_all(folder.join("tests/peers")).unwrap();
    std::fs::write(folder.join("tests/peers/training.py"), PEER).unwrap();
    std::fs::write(folder.join("tests/peers/hessian.py"), HESSIAN_PEER).unwrap();
    let made = report("--only 0.02");
    assert!(made.status.success(), "{}", text(&made.stderr));
    let page = || std::fs::read_to_string(folder.join("reports/benchmarks.md")).unwrap();
    let first = page();
    assert!(
        first.contains("## Training at 0.02: 1 threads\n\n2026-01-02, 2 rounds; none."),
        "{first}"
    );
    assert!(
        first.contains("| another | 100 (100 to 100) | 3.00 × (3.00 to 3.00) |"),
        "{first}"
    );
    assert_eq!(first.matches("\n## ").count(), 1);
    let (pictures, weights) = (folder.join("pictures"), folder.join("w.pth"));
    std::fs::create_dir_all(pictures.join("cifar-10-batches-bin")).unwrap();
    std::fs::write(pictures.join("cifar-10-batches-bin/data_batch_1.bin"), "").unwrap();
    let words = format!(
        "--only hessian.py --data {} --weights {}",
        pictures.display(),
        weights.display()
    );
    let missing = text(&report(&words).stderr);
    assert!(
        missing.contains("--weights: ") && missing.contains("w.pth: there is no such file"),
        "{missing}"
    );
    std::fs::write(&weights, "").unwrap();
    let refused = report(&words);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains("w.pth"),
        "{}",
        text(&refused.stderr)
    );
    assert_eq!(page(), first);
    let made = Command::new(env!("CARGO_BIN_EXE_sculpt"))
        .args(["export", "--torch", weights.to_str().unwrap(), RESNET20])
        .env("SCULPT_ROOT", concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert!(report(&words).status.success());
    let title = format!("## Of {} at of w: one\n", pictures.display());
    assert!(
        page().starts_with(&first) && page().contains(&title),
        "{}",
        page()
    );
    // As many tables as comparisons of different words, and the one of before.
    let before = page();
    let all: serde_json::Value = serde_json::from_slice(&report("--json").stdout).unwrap();
    let all = all["comparisons"].as_array().unwrap();
    assert!(all.len() >= 4);
    assert_eq!(page(), before, "JSON writes nothing");
    assert!(report("").status.success());
    let titles: std::collections::BTreeSet<_> = all.iter().map(|one| one["what"].to_string()).collect();
    assert_eq!(page().matches("\n## ").count(), titles.len() + 1);

    // A script's fault is no number, and no bug of this product.
    for (speeds, says) in [
        ("{}", "no speeds of \"sculpt\""),
        ("{'sculpt': []}", "or none"),
        (
            "{'sculpt': [1.0, 2.0], 'another': [1.0]}",
            "not as many rounds of \"another\"",
        ),
        ("{'sculpt': [1.0, 0.0]}", "not above zero"),
    ] {
        let script = PEER.replace(
            "{\"sculpt\": [300.0] * rounds, \"another\": [100.0] * rounds}",
            speeds,
        );
        assert_ne!(script, PEER);
        std::fs::write(folder.join("tests/peers/training.py"), script).unwrap();
        let before = page();
        let said = text(&report("--only 0.02").stderr);
        assert!(
            said.contains("printed no comparison: ") && said.contains(says),
            "{said}"
        );
        assert_eq!(page(), before);
    }
    std::fs::write(folder.join("tests/peers/training.py"), PEER).unwrap();
    // A comparison's own words begin with hyphens.
    let listed = text(&report("--only --network=none").stderr);
    assert!(listed.contains("; hessian.py --what trace"), "{listed}");
    for words in ["--device cuda:1", "--device gpu", "--data nowhere"] {
        assert_eq!(report(words).status.code(), Some(2), "{words}");
    }

    // What was measured before another failed stays.
    std::fs::remove_file(folder.join("reports/benchmarks.md")).unwrap();
    std::fs::write(folder.join("tests/peers/hessian.py"), "import no_such_module").unwrap();
    assert_eq!(report("").status.code(), Some(1));
    assert!(page().contains("## Training at 0.02: 1 threads\n"), "{}", page());

    std::fs::write(folder.join("tests/peers/training.py"), "import no_such_module").unwrap();
    let before = page();
    let failed = report("--only 0.02");
    assert_eq!(page(), before);
    let said = text(&failed.stderr);
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        said.contains("needs torch 2.11.0") && said.contains("--python"),
        "{said}"
    );
    assert!(
        text(&report("--only nothing").stderr)
            .contains("they are: training.py --precision f32 --density 0.1; ")
    );
}
