//! Pictures of a user: packed, timed, evaluated.

use crate::*;
use sculpt_checkpoints::{TensorData, read_tensors, write_tensors};
use sculpt_pictures::{Part, Transform, Transformer, open};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The pictures that sculpt-pictures tests its decoder with.
pub(crate) fn golden(name: &str) -> Vec<u8> {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sculpt-pictures/tests/goldens");
    fs::read(goldens.join(name)).unwrap()
}

/// `n` training pictures of three classes, and seven for validation.
pub(crate) fn write_pictures(folder: &Folder, n: usize) -> PathBuf {
    let files = [
        "large.jpg",
        "cmyk.jpg",
        "png.JPEG",
        "grey.jpg",
        "progressive-420.jpg",
    ];
    let root = folder.join("imagenet");
    for (part, n) in [("train", n), ("val", 7)] {
        for i in 0..n {
            let class = ["n02100735", "n02110185", "n02119789"][i % 3];
            let path = root.join(format!("{part}/{class}/{i}.JPEG"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, golden(files[i % 5])).unwrap();
        }
    }
    root
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (
            entry.file_name().into_string().unwrap(),
            fs::read(entry.path()).unwrap(),
        )
    };
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(file).collect();
    files.sort();
    files
}

#[test]
fn pictures_are_packed_and_timed() {
    let folder = Folder::new();
    write_pictures(&folder, 20);
    let made = json(&folder, "data pack imagenet imagenet pack --side 64 --quality 80");
    assert_eq!(
        (&made["pictures"], &made["left_out"]),
        (&27.into(), &serde_json::json!([]))
    );
    assert_ne!(made["digest"], made["source_digest"]);
    // It is there: nothing is done again.
    let again = json(&folder, "data pack imagenet imagenet pack --side 64 --quality 80");
    assert_eq!(
        (&again["digest"], &again["bytes"]),
        (&made["digest"], &made["bytes"])
    );
    refused(
        &folder,
        "data pack imagenet imagenet pack --side 65",
        1,
        &["another folder"],
    );
    for (data, source) in [("imagenet", "folders"), ("pack", "pack")] {
        let report = json(
            &folder,
            &format!("bench load --data imagenet:{data} --batch 8 --epochs 2 --decoders 2"),
        );
        assert_eq!(
            (&report["source"], &report["pictures"], &report["workers"]),
            (&source.into(), &20.into(), &2.into())
        );
        let seconds: Vec<f64> = serde_json::from_value(report["seconds"].clone()).unwrap();
        let speed = 40.0 / seconds.iter().sum::<f64>();
        assert!(
            (report["images_per_second"].as_f64().unwrap() / speed - 1.0).abs() < 1e-9,
            "{report}"
        );
        assert_eq!(report["classes"], "3 classes with names of ImageNet's kind");
    }
    let report = json(
        &folder,
        "bench pack --data imagenet:imagenet --side 64 --rounds 2",
    );
    let number = |name: &str| report[name].as_f64().unwrap();
    let of_limit = number("pictures_per_second") / number("limit_per_second");
    assert!((number("of_limit") - of_limit).abs() < 1e-9, "{report}");
    assert_eq!(
        (&report["pictures"], report["seconds"].as_array().unwrap().len()),
        (&27.into(), 2)
    );
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 2, "the pictures and the pack");
}

#[test]
fn unreadable_pictures_are_named_and_may_be_left_out() {
    let folder = Folder::new();
    let root = write_pictures(&folder, 6);
    fs::write(
        root.join("train/n02100735/cut.JPEG"),
        &golden("large.jpg")[..5000],
    )
    .unwrap();
    let says = ["train/n02100735/cut.JPEG: it ends before the picture does"];
    refused(&folder, "data pack imagenet imagenet pack", 1, &says);
    refused(&folder, "bench load --data imagenet:imagenet --batch 4", 1, &says);
    let made = json(&folder, "data pack imagenet imagenet pack --leave-out 1");
    assert_eq!(
        (&made["pictures"], &made["left_out"]),
        (&13.into(), &serde_json::json!(says))
    );
    let report = json(
        &folder,
        "bench load --data imagenet:imagenet --batch 4 --leave-out 1",
    );
    assert_eq!(report["left_out"], serde_json::json!(says));
    // A pack has only what can be read.
    let report = json(&folder, "bench load --data imagenet:pack --batch 4");
    assert_eq!(report["pictures"], 6);
}

#[test]
fn a_killed_pack_is_refused_and_goes_on() {
    let folder = Folder::new();
    write_pictures(&folder, 1500);
    let words = [
        "data", "pack", "imagenet", "imagenet", "pack", "--side", "200", "--codec", "raw",
    ];
    let begin = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sculpt"));
        command
            .args(words)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let mut child = begin();
    let begun = Instant::now();
    while !folder.join("pack/packing.json").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        !folder.join("pack/pack.json").exists(),
        "it was killed in the middle"
    );
    for command in ["bench load --data imagenet:pack", "data pack imagenet pack other"] {
        refused(&folder, command, 1, &["half made"]);
    }
    let output = sculpt(&folder, "verify pack");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stdout).contains("half made"),
        "{}",
        text(&output.stdout)
    );
    assert!(begin().wait().unwrap().success());
    ok(
        &folder,
        "data pack imagenet imagenet whole --side 200 --codec raw",
    );
    assert!(files(&folder.join("pack")) == files(&folder.join("whole")));
    let found = json(&folder, "verify pack");
    assert_eq!(
        (&found["checked"], &found["violations"]),
        (&3.into(), &serde_json::json!([]))
    );
    let shard = folder.join("pack/train-00000.shard");
    let mut bytes = fs::read(&shard).unwrap();
    bytes[1000] ^= 1;
    fs::write(&shard, bytes).unwrap();
    fs::remove_file(folder.join("pack/val-00000.shard")).unwrap();
    let output = sculpt(&folder, "verify pack --json");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let kinds: Vec<_> = found["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["kind"].clone())
        .collect();
    assert_eq!(kinds, ["checksum", "missing-file"]);
}

/// Logits are those of a probe with the same pixels, normalised by hand; top 5 of 3 classes is all of them.
#[test]
fn weights_are_evaluated_on_pictures() {
    let folder = Folder::new();
    let root = write_pictures(&folder, 3);
    write_tiny(&folder.join("w"));
    let report = json(
        &folder,
        &format!("eval {TINY} --weights w --data imagenet:imagenet --out a"),
    );
    let keys: Vec<_> = report.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["accuracy", "loss", "n", "top5"]);
    assert_eq!((&report["n"], &report["top5"]), (&7.into(), &1.0.into()));

    let val = open(&root, Part::Val).unwrap();
    let transform = Transform::CentreCrop {
        shorter: 256,
        side: 224,
    };
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for i in 0..val.len() {
        let (mut bytes, mut square) = (Vec::new(), vec![0; transform.n_bytes()]);
        val.read(i, &mut bytes).unwrap();
        Transformer::default()
            .apply(&transform, &bytes, 0, 0, &mut square)
            .unwrap();
        for (c, (mean, std)) in [(0.485f32, 0.229f32), (0.456, 0.224), (0.406, 0.225)]
            .into_iter()
            .enumerate()
        {
            images.extend(
                square
                    .chunks(3)
                    .map(|pixel| (f32::from(pixel[c]) / 255.0 - mean) / std),
            );
        }
        labels.push(i64::from(val.label(i)));
    }
    let tensors = [
        ("images", TensorData::F32(vec![7, 3, 224, 224], images)),
        ("labels", TensorData::I64(vec![7], labels)),
    ];
    write_tensors(&folder.join("p"), &tensors, None).unwrap();
    let by_probe = json(&folder, &format!("eval {TINY} --weights w --probe p --out b"));
    for key in ["loss", "accuracy"] {
        let of = |report: &serde_json::Value| report[key].as_f64().unwrap();
        assert!((of(&report) - of(&by_probe)).abs() < 1e-5, "{report} {by_probe}");
    }
    let logits = |name: &str| {
        read_tensors(&folder.join(name))
            .unwrap()
            .take_f32("logits")
            .unwrap()
    };
    let ((shape, from_pictures), (_, from_probe)) = (logits("a"), logits("b"));
    assert_eq!(shape, [7, 3]);
    assert!(
        from_pictures
            .iter()
            .zip(from_probe)
            .all(|(a, b)| (a - b).abs() < 1e-4)
    );
    // `data probe` writes the same one.
    let said = ok(&folder, "data probe imagenet --data imagenet:imagenet --out q");
    assert_eq!(
        said,
        "q: 7 images of 3 x 224 x 224, of the test images of pictures of your own\n"
    );
    let images = |name: &str| {
        read_tensors(&folder.join(name))
            .unwrap()
            .take_f32("images")
            .unwrap()
            .1
    };
    let apart = images("p")
        .into_iter()
        .zip(images("q"))
        .map(|(a, b)| (a - b).abs());
    assert!(apart.fold(0.0, f32::max) < 1e-6);
    refused(
        &folder,
        "data probe imagenet --data imagenet:imagenet --out imagenet/val/n.jpeg",
        2,
        &["lies among the pictures of imagenet"],
    );

    let some = json(
        &folder,
        &format!("eval {TINY} --weights w --data imagenet:imagenet --limit 3"),
    );
    assert_eq!(some["n"], 3);
}

/// The five largest of more classes than five: counted from the logits.
#[test]
fn top_5_is_counted() {
    let folder = Folder::new();
    write_pictures(&folder, 3);
    let model = "--model resnet8 --width 2 --classes 9";
    let layout = sculpt_models::ModelSpec::named("resnet8", 9, Some(2), None)
        .unwrap()
        .layout();
    let (theta, buffers) = sculpt_models::initialise(
        &layout,
        sculpt_models::InitRule::KaimingNormalFanIn,
        sculpt_random::Seed(4),
    );
    sculpt_checkpoints::write_state_dict(&folder.join("w"), &layout, &theta, &buffers).unwrap();
    let report = json(
        &folder,
        &format!("eval {model} --weights w --data imagenet:imagenet --out a"),
    );
    let (_, logits) = read_tensors(&folder.join("a"))
        .unwrap()
        .take_f32("logits")
        .unwrap();
    let val = open(&folder.join("imagenet"), Part::Val).unwrap();
    let rank = |(i, row): (usize, &[f32])| {
        let own = row[usize::from(val.label(i))];
        row.iter().filter(|logit| **logit > own).count()
    };
    let ranks: Vec<usize> = logits.chunks(9).enumerate().map(rank).collect();
    let fraction = |below: usize| ranks.iter().filter(|rank| **rank < below).count() as f64 / 7.0;
    assert_eq!(report["top5"].as_f64().unwrap(), fraction(5));
    assert_eq!(report["accuracy"].as_f64().unwrap(), fraction(1));
}

#[test]
fn words_that_name_no_pictures_are_refused() {
    let folder = Folder::new();
    write_pictures(&folder, 3);
    write_tiny(&folder.join("w"));
    write_probe(&folder.join("p"), 1);
    let eval = |words: &str| format!("eval {TINY} --weights w {words}");
    refused(
        &folder,
        &eval("--data imagenet"),
        2,
        &["names no pictures", "imagenet:DIR"],
    );
    refused(&folder, &eval(""), 2, &["--probe"]);
    refused(
        &folder,
        &eval("--probe p --data imagenet:imagenet"),
        2,
        &["cannot be used with"],
    );
    refused(&folder, &eval("--probe p --limit 3"), 2, &["--data"]);
    refused(
        &folder,
        &eval("--data imagenet:no"),
        1,
        &["no: there is no such folder"],
    );
    let two = "eval --model resnet8 --width 2 --classes 2 --weights w --data imagenet:imagenet";
    refused(&folder, two, 1, &["3"]);
    refused(
        &folder,
        "data pack imagenet imagenet pack --quality 101",
        2,
        &["1 to 100"],
    );
    refused(
        &folder,
        "data pack imagenet imagenet pack --side 3",
        2,
        &["16 to 4096, or full"],
    );
    refused(
        &folder,
        "bench load --data imagenet:imagenet --decoders 0",
        2,
        &["1 to 256"],
    );
}
