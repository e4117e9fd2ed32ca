//! Files that pretend to be of `python/export_network.py`.

use crate::golden;
use sculpt_models::{Mode, ModelSpec, Network, Precision};
use serde_json::{Value, json};
use std::fs;
use std::io::{Cursor, Read, Write};
use tch::{Device, Kind, Tensor};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

/// The MLP's file, each entry as `change` has it: others, or none.
fn changed(change: impl Fn(&str, Vec<u8>) -> Option<Vec<u8>>) -> Vec<u8> {
    let content = fs::read(golden("mlp")).unwrap();
    let mut archive = ZipArchive::new(Cursor::new(content)).unwrap();
    let mut written = ZipWriter::new(Cursor::new(Vec::new()));
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if let Some(bytes) = change(&name, bytes) {
            written
                .start_file(name.as_str(), SimpleFileOptions::default())
                .unwrap();
            written.write_all(&bytes).unwrap();
        }
    }
    written.finish().unwrap().into_inner()
}

/// The MLP's file with another description.
fn described(change: impl Fn(&mut Value)) -> Vec<u8> {
    changed(|name, bytes| {
        if !name.ends_with("sculpt.json") {
            return Some(bytes);
        }
        let mut description = serde_json::from_slice(&bytes).unwrap();
        change(&mut description);
        Some(serde_json::to_vec(&description).unwrap())
    })
}

fn read(content: &[u8]) -> Result<ModelSpec, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.pt");
    fs::write(&path, content).unwrap();
    ModelSpec::exported(&path).map_err(|error| {
        let text = error.to_string();
        assert!(text.starts_with(&path.display().to_string()), "{text}");
        text
    })
}

/// The file is not read, and the reason says so.
#[track_caller]
fn refused(content: &[u8], says: &str) {
    let error = read(content).unwrap_err();
    assert!(error.contains(says), "{error}: no {says:?}");
}

/// The file is read, and its program found out.
#[track_caller]
fn found_out(content: &[u8], says: &str) {
    let error = read(content)
        .unwrap()
        .network(Precision::F32)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains(says), "{error}: no {says:?}");
}

#[test]
fn what_is_no_export_is_refused() {
    refused(b"", "is no network of python/export_network.py");
    refused(b"PK\x03\x04 and then nothing", "is no network");
    let whole = fs::read(golden("mlp")).unwrap();
    refused(&whole[..whole.len() / 2], "is no network");
    let without =
        |ending: &'static str| changed(move |name, bytes| (!name.ends_with(ending)).then_some(bytes));
    refused(&without("sculpt.json"), "it has no entry");
    let folder = tempfile::tempdir().unwrap();
    let error = ModelSpec::exported(folder.path()).unwrap_err().to_string();
    assert!(error.contains("it is no file"), "{error}");
    let error = ModelSpec::exported(&folder.path().join("none")).unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
    found_out(&without("data.pkl"), "fails to load");
}

#[test]
fn descriptions_are_checked() {
    refused(&described(|d| d["format"] = json!(2)), "is of format 2");
    refused(
        &described(|d| d["classes"] = json!(0)),
        "its number of classes is 0",
    );
    refused(&described(|d| d["classes"] = json!(1.5)), "is no network");
    refused(&described(|d| d["more"] = json!(1)), "unknown field `more`");
    refused(
        &described(|d| d["image"] = json!([3, 1_000_000, 1_000_000])),
        "its image",
    );
    refused(&described(|d| d["title"] = json!("a\nb")), "its title");
    refused(
        &described(|d| d["params"] = json!([])),
        "its number of parameters is 0",
    );
    let of_first = |key: &'static str, value: Value| described(move |d| d["params"][0][key] = value.clone());
    refused(&of_first("name", json!("1.bias")), "tensor 1.bias stands twice");
    refused(&of_first("shape", json!([24, 0])), "[24, 0]");
    refused(
        &of_first("shape", json!([24, 768, 1])),
        "the shape of 1.weight is [24, 768, 1]",
    );
    refused(
        &of_first("shape", json!([4_294_967_296u64, 4_294_967_296u64])),
        "its number of parameters is 18446744073709551615",
    );
    refused(&of_first("positions", json!(1u64 << 60)), "positions of 1.weight");
    let statistics = |n: u64| {
        let of = move |name: &str| json!({ "name": name, "kind": "running-mean", "n": n });
        described(move |d| d["buffers"] = json!([of("a"), of("b")]))
    };
    refused(
        &statistics(1 << 26),
        "its number of running statistics is 134217728",
    );
    for n in [0, 9, 1u64 << 41] {
        let counted = described(move |d| d["activations"] = json!(n));
        refused(&counted, &format!("its number of activations is {n}"));
    }
    for n in [0, 1u64 << 41] {
        let counted = described(move |d| d["normalised"] = json!(n));
        refused(&counted, &format!("of one image is {n}"));
    }
    refused(
        &of_first("draw", json!({ "mean": 0, "deviation": 1 })),
        "draw of 1.weight",
    );
    refused(&of_first("kind", json!("bias")), "positions of 1.weight");
}

/// Where the description is well formed and the program does something else.
#[test]
fn programs_are_tried() {
    found_out(
        &described(|d| d["classes"] = json!(9)),
        "a tensor [1, 10] of Float where [1, 9]",
    );
    found_out(
        &described(|d| d["image"] = json!([3, 16, 15])),
        "fails to evaluate",
    );
    let statistic = json!([{ "name": "running_mean", "kind": "running-mean", "n": 4 }]);
    // It hands back what it is given.
    assert!(
        read(&described(|d| d["buffers"] = statistic.clone()))
            .unwrap()
            .network(Precision::F32)
            .is_ok()
    );
    found_out(&code("def evaluate", "def estimate"), "fails to evaluate");
    found_out(&code("torch.relu(", "torch.nothing("), "fails to load");
}

/// The MLP's file with another program.
fn code(from: &'static str, to: &'static str) -> Vec<u8> {
    changed(move |name, bytes| {
        if !name.contains("/code/") {
            return Some(bytes);
        }
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(from), "{text}");
        Some(text.replace(from, to).into_bytes())
    })
}

/// Before anything runs, and before anything of the sizes described is made: 2^32 parameters would be 16 GiB.
#[test]
fn descriptions_are_held_against_the_program() {
    let shaped = |shape: Value| described(move |d| d["params"][0]["shape"] = shape.clone());
    refused(
        &shaped(json!([24, 769])),
        "takes its vector of parameters as [18432, 24, 384, 16, 160, 10], where [18456, 24,",
    );
    refused(
        &shaped(json!([65_536, 65_535])),
        "takes its vector of parameters as",
    );
    refused(
        &shaped(json!([768, 24])),
        "takes 1.weight as [24, 768], where [768, 24]",
    );
    refused(
        &described(|d| {
            d["params"].as_array_mut().unwrap().pop();
        }),
        "takes its vector of parameters as",
    );
    refused(
        &code("torch.split_with_sizes(theta", "torch.split_with_sizes(images"),
        "as [], where",
    );
}

/// In no order of the letters, nor behind the directory that one reader of archives reads.
#[test]
fn entries_stand_once() {
    let twice = changed(|name, bytes| {
        let twin = name.ends_with("byteorder");
        Some(if twin { b"{}".to_vec() } else { bytes })
    });
    assert!(read(&twice).is_ok());
    for (entry, twin, says) in [
        ("byteorder", "extra/SCULPT.json", "has two entries"),
        ("byteorder", "code/__torch__/Sculpt.py", "has two entries"),
        // Zip readers that go by names keep one of these.
        ("byteorder", "extra/sculpt.json", "two entries"),
    ] {
        let renamed = named_otherwise(&twice, entry, twin);
        refused(&renamed, says);
    }
    let mut longer = twice;
    longer.push(0);
    refused(&longer, "stands behind its directory");
}

/// An archive with an entry more, of another's content.
fn named_otherwise(content: &[u8], entry: &str, name: &str) -> Vec<u8> {
    // As long a name, which is put in its place afterwards: the writer refuses to have one twice.
    let stand_in = "x".repeat(name.len());
    let mut archive = ZipArchive::new(Cursor::new(content)).unwrap();
    let names: Vec<String> = archive
        .file_names()
        .map(|name| name.unwrap().into_owned())
        .collect();
    let root = names[0].split('/').next().unwrap();
    let mut bytes = Vec::new();
    archive
        .by_name(names.iter().find(|name| name.ends_with(entry)).unwrap())
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    let mut longer = ZipWriter::new_append(Cursor::new(content.to_vec())).unwrap();
    longer
        .start_file(format!("{root}/{stand_in}"), SimpleFileOptions::default())
        .unwrap();
    longer.write_all(&bytes).unwrap();
    let mut content = longer.finish().unwrap().into_inner();
    let places: Vec<usize> = (0..=content.len() - name.len())
        .filter(|&i| content[i..].starts_with(stand_in.as_bytes()))
        .collect();
    assert_eq!(places.len(), 2, "in front of the entry, and in the directory");
    for place in places {
        content[place..place + name.len()].copy_from_slice(name.as_bytes());
    }
    content
}

/// What a stranger's program may not do: seen in its text, or in its answers.
#[test]
fn programs_that_do_more_are_refused() {
    refused(&code("torch.relu(", "torch.from_file("), "reads or writes files");
    refused(&code("torch.relu(", "torch.rand_like("), "draws random numbers");
    refused(
        &code("torch.relu(", "torch.set_(theta, "),
        "changes what it is given",
    );
    let line = |line: &'static str| {
        code(
            "    return (_15, _0)",
            Box::leak(format!("{line}\n    return (_15, _0)").into_boxed_str()),
        )
    };
    refused(&line("    while True:\n      _16 = 1"), "loops");
    refused(&line("    print(\"here\")"), "prints");
    refused(
        &line("    ops.prim.RaiseException(\"no image of mine\")"),
        "a failure of its own",
    );
    refused(&line("    # nothing"), "could hide");
    found_out(
        &line("    _x = torch.add_(theta, 1)"),
        "changes its parameters in evaluate",
    );
    found_out(
        &line("    _x = torch.zero_(images)"),
        "changes its images in evaluate",
    );
    found_out(
        &line("    _x = torch.fill_(buffers, 2)"),
        "changes its running statistics in evaluate",
    );
    // What time it is.
    found_out(
        &code(
            "torch.relu(input)",
            "torch.add(torch.relu(input), torch.remainder(ops.prim.TimePoint(), 1000003))",
        ),
        "in two ways",
    );
}

/// A program whose trial went well, and that fails on what a run gives it, is named, and no bug of ours.
#[test]
fn what_fails_later_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.pt");
    // It takes one or two images.
    let picky = code(
        "torch.relu(input)",
        "torch.sub(torch.relu(input), torch.sum(torch.narrow(torch.zeros([2]), 0, 0, torch.size(images, 0))))",
    );
    fs::write(&path, picky).unwrap();
    let network = ModelSpec::exported(&path)
        .unwrap()
        .network(Precision::F32)
        .unwrap();
    let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
    let (theta, images) = (zeros(&[19_026]), zeros(&[3, 3, 16, 16]));
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let forward = || network.forward(&theta, &zeros(&[0]), &images, Mode::Eval);
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(forward));
    std::panic::set_hook(hook);
    let error = panic
        .unwrap_err()
        .downcast::<sculpt_models::ModelError>()
        .unwrap()
        .to_string();
    assert!(
        error.contains("network Sequential of SHA-256") && error.contains("fails to evaluate"),
        "{error}"
    );
}
