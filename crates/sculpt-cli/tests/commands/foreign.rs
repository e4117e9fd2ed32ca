use crate::*;
use sculpt_checkpoints::{Dialect, TensorData, write_state_dict_as, write_tensors};
use sculpt_layout::BufferKind;
use std::path::Path;

/// The folder of the small inputs that once failed.
fn case(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/cases");
    folder.join(name).display().to_string()
}

#[track_caller]
fn check(flags: &str, weights: &str, loss: f64, n_correct: u32, says: &str) {
    let folder = Folder::new();
    let (weights, probe) = (case(weights), case("probe.safetensors"));
    let line = format!("eval {flags} --weights {weights} --probe {probe}");
    let report = json(&folder, &line);
    assert!((report["loss"].as_f64().unwrap() - loss).abs() < 1e-5, "{report}");
    assert_eq!(report["accuracy"].as_f64().unwrap(), f64::from(n_correct) / 8.0);
    let said = text(&sculpt(&folder, &line).stderr);
    assert_eq!(said, format!("{weights}: read as {says}\n"));
    let said = text(&sculpt(&folder, &format!("verify {flags} {weights}")).stderr);
    assert!(said.contains(&format!("{weights}: read as {says}\n")), "{said}");
}

/// Right losses by PyTorch in f64.
#[test]
fn losses_of_other_peoples_files() {
    check(
        "--model resnet8 --width 2 --shortcut identity",
        "identity.safetensors",
        2.311136,
        0,
        "torchvision's names",
    );
    check(
        "--model resnet18-cifar --width 2 --classes 10",
        "kuangliu.safetensors",
        4.245294,
        1,
        "kuangliu's and akamaster's names",
    );
    check(
        "--model resnet8 --width 2",
        "torch-prune.safetensors",
        2.367363,
        1,
        "torchvision's names, with masks of torch.nn.utils.prune",
    );
}

#[test]
fn flags_that_a_file_fits_are_named() {
    let folder = Folder::new();
    let check = |flags: &str, weights: &str, code: i32, says: &[&str]| {
        let line = format!(
            "eval {flags} --weights {} --probe {}",
            case(weights),
            case("probe.safetensors")
        );
        refused(&folder, &line, code, says);
    };
    check(
        "--model resnet8 --width 2",
        "identity.safetensors",
        1,
        &[
            "of which layer2.0.downsample.0.weight, ",
            " and 7 more are missing, while nothing is left over",
            "the file fits --model resnet8 --width 2 --classes 10 --shortcut identity",
        ],
    );
    // Another depth, and another stem: the names are those of both, the shapes are not.
    let kuangliu = "the file fits --model resnet18-cifar --width 2 --classes 10";
    check("--model resnet20", "kuangliu.safetensors", 1, &[kuangliu]);
    check(
        "--model resnet18 --width 2 --classes 10",
        "kuangliu.safetensors",
        1,
        &[
            "conv1.weight has shape [2, 3, 3, 3], expected [2, 3, 7, 7]",
            kuangliu,
        ],
    );
    check(
        "",
        "kuangliu.safetensors",
        2,
        &[
            "--model M is needed",
            "it fits --model resnet18-cifar --width 2 --classes 10",
        ],
    );
    let said = sculpt(&folder, &format!("verify {}", case("kuangliu.safetensors")));
    assert!(said.status.success());
    assert!(text(&said.stderr).contains("fits --model resnet18-cifar"));
}

/// Every dialect, in a file of `torch.save` and in safetensors, gives the logits of the same numbers under our names.
#[test]
fn every_dialect_gives_the_same_logits() {
    let folder = Folder::new();
    let (state, _) = write_tiny(&folder.join("w"));
    write_probe(&folder.join("p"), 5);
    let of = |file: &str| ok(&folder, &format!("eval {TINY} --weights {file} --probe p --json"));
    let expected = of("w");
    let layout = tiny().layout();
    for word in Dialect::all_words() {
        for end in ["pth", "safetensors"] {
            let (file, dialect) = (format!("{word}.{end}"), Dialect::named(word).unwrap());
            write_state_dict_as(
                &folder.join(&file),
                &layout,
                &state.theta,
                &state.buffers,
                dialect,
            )
            .unwrap();
            assert_eq!(of(&file), expected);
        }
    }
    // What is said is of the file, whatever it is called.
    std::fs::rename(folder.join("kuangliu.pth"), folder.join("k.safetensors")).unwrap();
    assert_eq!(of("k.safetensors"), expected);
    let said = sculpt(
        &folder,
        &format!("eval {TINY} --weights k.safetensors --probe p --verbose"),
    );
    assert_eq!(
        text(&said.stderr),
        "k.safetensors: read as kuangliu's and akamaster's names\nk.safetensors: not read: num_batches_tracked (9)\n"
    );
}

/// A mask is taken from weights that carry one, and labels may be of any integer type.
#[test]
fn masks_and_labels_of_others() {
    let folder = Folder::new();
    let pruned = case("torch-prune.safetensors");
    let line = format!("signs --model resnet8 --width 2 --a {pruned} --b {pruned}");
    let own = json(&folder, &line);
    assert_eq!(own, json(&folder, &format!("{line} --mask {pruned}")));
    write_tiny(&folder.join("w"));
    write_probe(&folder.join("p"), 4);
    let images = (0..4 * 90).map(|i| ((i * 37 % 101) as f32 - 50.0) / 25.0);
    let tensors = [
        ("images", TensorData::F32(vec![4, 3, 6, 5], images.collect())),
        ("labels", TensorData::U8(vec![4], vec![0, 1, 2, 0])),
    ];
    write_tensors(&folder.join("q"), &tensors, None).unwrap();
    let of = |probe: &str| {
        ok(
            &folder,
            &format!("eval {TINY} --weights w --probe {probe} --json"),
        )
    };
    assert_eq!(of("p"), of("q"));
}

#[test]
fn a_negative_variance_is_named() {
    let folder = Folder::new();
    let (state, _) = write_tiny(&folder.join("w"));
    let layout = tiny().layout();
    let path = folder.join("s");
    write_state_dict_as(
        &path,
        &layout,
        &state.theta,
        &state.buffers,
        Dialect::named("timm").unwrap(),
    )
    .unwrap();
    // A fresh network's variances are 1; the last numbers of the file are buffers, in the layout's order.
    let mut bytes = std::fs::read(&path).unwrap();
    let last = layout.buffers().last().unwrap();
    assert_eq!(last.kind(), BufferKind::RunningVar);
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&(-1e-3f32).to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    write_probe(&folder.join("p"), 2);
    let says = [last.name(), "holds -0.001 at index 7, a variance is not negative"];
    for line in [
        format!("eval {TINY} --weights s --probe p"),
        format!("mask {TINY} --weights s --method synflow --density 0.5 --out m"),
    ] {
        refused(&folder, &line, 1, &says);
    }
    let found = sculpt(&folder, "verify s");
    assert_eq!(found.status.code(), Some(1));
    assert!(text(&found.stdout).contains(says[1]));
}
