use crate::*;
use sculpt_checkpoints::{
    Meta, TensorData, read_mask, read_tensors, read_weights, write_checkpoint, write_published,
    write_state_dict, write_tensors,
};
use sculpt_models::ModelSpec;

/// Loss and accuracy follow from the logits that `--out` writes, by the definition: mean of
/// log Σ exp(z) − z[label].
#[test]
fn loss_and_accuracy_are_those_of_the_logits() {
    let folder = Folder::new();
    write_tiny(&folder.join("w"));
    write_probe(&folder.join("p"), 7);
    let report = json(
        &folder,
        &format!("eval {TINY} --weights w --probe p --out logits"),
    );
    let keys: Vec<_> = report.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["accuracy", "loss", "n"]);
    let mut file = read_tensors(&folder.join("logits")).unwrap();
    let (shape, logits) = file.take_f32("logits").unwrap();
    file.finish().unwrap();
    assert_eq!(shape, [7, 3]);
    let (mut loss, mut right) = (0.0, 0);
    for (i, row) in logits.chunks(3).enumerate() {
        let row: Vec<f64> = row.iter().map(|&z| f64::from(z)).collect();
        loss += row.iter().map(|z| z.exp()).sum::<f64>().ln() - row[i % 3];
        right += i32::from(row.iter().all(|z| *z <= row[i % 3]));
    }
    assert!(
        (report["loss"].as_f64().unwrap() - loss / 7.0).abs() < 1e-6,
        "{report}"
    );
    assert_eq!(report["accuracy"].as_f64().unwrap(), f64::from(right) / 7.0);
    assert_eq!(report["n"], 7);
    let line = ok(&folder, &format!("eval {TINY} --weights w --probe p"));
    assert!(line.starts_with("loss ") && line.ends_with(" of 7)\n"), "{line}");
}

/// Tensors of the same names may be of a network that computes something else: whoever evaluates them as another is told.
#[test]
fn weights_of_another_network_are_told() {
    let folder = Folder::new();
    let (state, _) = write_tiny(&folder.join("own"));
    let other = ModelSpec::exported(&crate::network::goldens().join("mlp.pt")).unwrap();
    let described = serde_json::to_value(&other).unwrap();
    let meta = Meta::new(None, described, Some(0.5), 0, &state.mask);
    write_checkpoint(&folder.join("other"), &tiny().layout(), &state, &meta).unwrap();
    write_probe(&folder.join("p"), 7);
    let run = |weights: &str| {
        let output = sculpt(&folder, &format!("eval {TINY} --weights {weights} --probe p"));
        assert!(output.status.success());
        (text(&output.stdout), text(&output.stderr))
    };
    let (own, other_said) = (run("own"), run("other"));
    assert_eq!((own.0, own.1.as_str()), (other_said.0, ""));
    let said = format!(
        "other: its metadata say that it is of --network FILE ({other}, SHA-256 {}); read as {TINY}, whose tensors have the same names and shapes\n",
        other.network_sha256().unwrap()
    );
    assert_eq!(other_said.1, said);
}

/// What a mask prunes is as if it were 0 in the file.
#[test]
fn weights_are_evaluated_under_a_mask() {
    let folder = Folder::new();
    write_tiny(&folder.join("w"));
    write_probe(&folder.join("p"), 7);
    ok(
        &folder,
        &format!("mask {TINY} --weights w --method magnitude --density 0.1 --out m"),
    );
    let run = |line: &str| json(&folder, &format!("eval {TINY} --probe p {line}"));
    let (whole, masked) = (run("--weights w"), run("--weights w --mask m"));
    assert_ne!(whole["loss"], masked["loss"]);
    let layout = tiny().layout();
    let mut weights = read_weights(&folder.join("w"), &layout).unwrap();
    read_mask(&folder.join("m"), &layout)
        .unwrap()
        .apply(&layout, &mut weights.theta);
    write_state_dict(&folder.join("zeros"), &layout, &weights.theta, &weights.buffers).unwrap();
    assert_eq!(run("--weights zeros"), masked);
    let line = format!("eval {TINY} --weights w --probe p --mask m --out m");
    refused(&folder, &line, 2, &["--mask m"]);
}

/// 1,201 images go through in three batches; each image's logits are those that it has alone in a probe of 1.
#[test]
fn many_images_are_evaluated_in_parts() {
    let folder = Folder::new();
    write_tiny(&folder.join("w"));
    write_probe(&folder.join("many"), 1201);
    write_probe(&folder.join("one"), 1);
    let many = json(&folder, &format!("eval {TINY} --weights w --probe many --out a"));
    json(&folder, &format!("eval {TINY} --weights w --probe one --out b"));
    let logits = |name: &str| {
        read_tensors(&folder.join(name))
            .unwrap()
            .take_f32("logits")
            .unwrap()
    };
    let ((shape, many_logits), (_, one)) = (logits("a"), logits("b"));
    assert_eq!((shape, many["n"].as_u64()), (vec![1201, 3], Some(1201)));
    for (a, b) in many_logits.iter().zip(one) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
}

/// A state_dict of the same numbers gives the same answer, to the bit.
#[test]
fn weights_of_other_programs() {
    let folder = Folder::new();
    let (state, _) = write_tiny(&folder.join("w"));
    write_state_dict(&folder.join("s"), &tiny().layout(), &state.theta, &state.buffers).unwrap();
    write_probe(&folder.join("p"), 4);
    let of = |file: &str| ok(&folder, &format!("eval {TINY} --weights {file} --probe p --json"));
    assert_eq!(of("w"), of("s"));
}

/// It says of which network it is, and shows no names: as many weights are not the same weights.
#[test]
fn a_published_checkpoint_is_of_its_network_alone() {
    let folder = Folder::new();
    let (state, mut meta) = write_tiny(&folder.join("w"));
    write_probe(&folder.join("p"), 4);
    let mut publish = |model: serde_json::Value| {
        meta.model = model;
        write_published(&folder.join("f"), &tiny().layout(), &state, &meta).unwrap();
    };
    let eval = |file: &str| format!("eval {TINY} --weights {file} --probe p --json");
    let mask = format!("hessian {TINY} --weights w --probe p --mask f");
    publish(serde_json::to_value(tiny()).unwrap());
    assert_eq!(ok(&folder, &eval("f")), ok(&folder, &eval("w")));
    publish(serde_json::to_value(ModelSpec::named("resnet8", 3, Some(4), None).unwrap()).unwrap());
    for words in [eval("f"), mask] {
        refused(
            &folder,
            &words,
            1,
            &["f: is a published checkpoint of ", ", not of "],
        );
    }
    publish(serde_json::json!("somebody's own"));
    refused(&folder, &eval("f"), 1, &["f: model: "]);
}

/// Raw bytes are no input of a network; that is no error, for who knows whose network this is.
#[test]
fn images_that_nobody_normalised_are_warned_of() {
    let folder = Folder::new();
    write_tiny(&folder.join("w"));
    let warns = |largest: f32| {
        let images = TensorData::F32(vec![1, 3, 6, 5], vec![largest; 90]);
        let labels = TensorData::I64(vec![1], vec![0]);
        write_tensors(&folder.join("p"), &[("images", images), ("labels", labels)], None).unwrap();
        let output = sculpt(&folder, &format!("eval {TINY} --weights w --probe p"));
        assert!(output.status.success());
        text(&output.stderr).contains("warning: p: images go up to")
    };
    assert!(warns(255.0) && warns(-255.0));
    assert!(!warns(3.5));
}

#[test]
fn probes_are_checked() {
    let folder = Folder::new();
    write_tiny(&folder.join("w"));
    let f32s = |shape: &[usize]| TensorData::F32(shape.to_vec(), vec![0.5; shape.iter().product()]);
    let i64s = |values: &[i64]| TensorData::I64(vec![values.len()], values.to_vec());
    let check = |tensors: &[(&str, TensorData)], says: &[&str]| {
        write_tensors(&folder.join("p"), tensors, None).unwrap();
        refused(
            &folder,
            &format!("eval {TINY} --weights w --probe p --out logits"),
            1,
            says,
        );
        assert!(!folder.join("logits").exists());
    };
    let images = || ("images", f32s(&[2, 3, 4, 4]));
    check(&[images()], &["p: tensor labels is missing"]);
    check(&[("labels", i64s(&[0, 1]))], &["p: tensor images is missing"]);
    check(
        &[images(), ("labels", f32s(&[2]))],
        &["tensor labels has type F32, expected an integer type"],
    );
    check(
        &[images(), ("labels", i64s(&[0, 1])), ("extra", f32s(&[1]))],
        &["tensor extra does not belong"],
    );
    check(
        &[images(), ("labels", i64s(&[0, 3]))],
        &["labels holds 3 at index 1", "classes are 0 to 2", "--classes"],
    );
    check(
        &[images(), ("labels", i64s(&[-1, 0]))],
        &["labels holds -1 at index 0"],
    );
    check(
        &[images(), ("labels", i64s(&[0]))],
        &["labels has shape [1], expected [2]"],
    );
    check(
        &[("images", f32s(&[2, 1, 4, 4])), ("labels", i64s(&[0, 1]))],
        &["expected [n, 3, height, width]"],
    );
    check(
        &[("images", f32s(&[0, 3, 4, 4])), ("labels", i64s(&[]))],
        &["at least one image"],
    );
    check(
        &[("images", f32s(&[2, 3, 4, 0])), ("labels", i64s(&[0, 1]))],
        &["one pixel"],
    );
}

#[test]
fn weights_are_checked() {
    let folder = Folder::new();
    write_tiny(&folder.join("w"));
    write_probe(&folder.join("p"), 2);
    let check = |flags: &str, file: &str, says: &[&str]| {
        refused(
            &folder,
            &format!("eval {flags} --weights {file} --probe p"),
            1,
            says,
        );
    };
    check(TINY, "nowhere", &["nowhere", "there is no such file"]);
    std::fs::write(folder.join("empty"), []).unwrap();
    check(TINY, "empty", &["empty: is empty"]);
    std::fs::write(folder.join("pickle"), [0x80, 2, 0x8a, 0, 0, 0, 0, 0, 0]).unwrap();
    check(TINY, "pickle", &["pickle: cannot be read as a PyTorch file"]);
    let whole = std::fs::read(folder.join("w")).unwrap();
    std::fs::write(folder.join("short"), &whole[..whole.len() - 5]).unwrap();
    check(TINY, "short", &["short: is cut off"]);
    check(TINY, ".", &["."]);
    check(
        "--model resnet8 --width 2 --classes 10",
        "w",
        &[
            "fc.weight",
            "the file is of --model resnet8 --width 2 --classes 3",
        ],
    );
    let (state, _) = write_tiny(&folder.join("w"));
    write_state_dict(&folder.join("s"), &tiny().layout(), &state.theta, &state.buffers).unwrap();
    check(
        "--model resnet8 --width 2",
        "s",
        &["fc.weight has shape [3, 8], expected [10, 8]", "--classes 3"],
    );
    check("--model resnet8 --classes 3", "s", &["conv1.weight", "--width 2"]);
    check(
        "--model resnet14 --width 2 --classes 3",
        "s",
        &[
            "s: its tensors fit no dialect",
            "layer1.1.bn1.bias, ",
            "are missing, while nothing is left over",
            "the file fits --model resnet8 --width 2 --classes 3",
        ],
    );
    let mut bytes = std::fs::read(folder.join("s")).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(folder.join("nan"), bytes).unwrap();
    check(TINY, "nan", &["nan: tensor ", "holds NaN at index"]);
}

/// Finite weights whose logits are not.
#[test]
fn overflow_is_an_error_and_not_null() {
    let folder = Folder::new();
    let (mut state, _) = write_tiny(&folder.join("w"));
    let layout = tiny().layout();
    for value in &mut state.theta[layout.param("fc.weight").unwrap().range()] {
        *value = 3e38;
    }
    for value in &mut state.theta[layout.param("bn1.weight").unwrap().range()] {
        *value = 1e20;
    }
    write_state_dict(&folder.join("s"), &layout, &state.theta, &state.buffers).unwrap();
    write_probe(&folder.join("p"), 2);
    refused(
        &folder,
        &format!("eval {TINY} --weights s --probe p --json"),
        1,
        &["not finite", "image 0 of p"],
    );
}
