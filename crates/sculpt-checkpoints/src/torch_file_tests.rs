//! Files of PyTorch's own, made by `goldens/make_torch_files.py`, and files of ours that PyTorch reads.

use crate::{DIALECTS, Dialect, Form, read_tensors};
use crate::{FaultKind, MaskForm, Weights, read_mask, read_weights_and_form, verify, write_state_dict_as};
use sculpt_layout::Layout;
use sculpt_masks::Mask;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("goldens/torch")
        .join(name)
}

/// The script's network.
fn layout() -> Layout {
    Layout::builder()
        .conv("conv1", [2, 1, 1, 3])
        .batch_norm("bn1", 2)
        .linear("fc", 3, 2)
        .build()
        .unwrap()
}

/// An eighth, two eighths, …: 6 weights of conv1, 4 parameters of bn1, 6 weights and 3 biases of fc.
fn theta() -> Vec<f32> {
    (1..=19).map(|i| i as f32 / 8.0).collect()
}

const BUFFERS: [f32; 4] = [-0.5, 0.25, 1.5, 2.0];

#[track_caller]
fn read(name: &str) -> (Weights, Form) {
    let (weights, form) = read_weights_and_form(&golden(name), &layout()).unwrap();
    assert_eq!(verify::file(&golden(name), Some(&layout())), []);
    assert_eq!(verify::file(&golden(name), None), []);
    (weights, form.unwrap())
}

#[track_caller]
fn check(name: &str, prefix: &str, ignored: &[(&str, usize)]) {
    let (weights, form) = read(name);
    assert_eq!((weights.theta, weights.mask), (theta(), None));
    assert_eq!(weights.buffers, BUFFERS);
    assert_eq!((form.dialect, form.prefix.as_str()), (&DIALECTS[0], prefix));
    assert_eq!(form.ignored_kinds().into_iter().collect::<Vec<_>>(), ignored);
}

#[test]
fn every_form_of_torch_save_is_read() {
    let counter = &[("num_batches_tracked", 1)];
    check("zip.pth", "", counter);
    check("legacy.pth", "", counter);
    check("whole.pt", "", counter);
    check("data_parallel.pt", "module.", counter);
    check("views.pth", "", counter);
}

/// Of the optimiser there are five momenta, of the exponential average seven tensors and a counter.
#[test]
fn dictionaries_around_weights_are_found() {
    let (counter, momenta) = (("num_batches_tracked", 1), ("optimizer", 5));
    check(
        "nested.th",
        "state_dict.module.",
        &[("best_acc1", 1), counter, momenta],
    );
    check(
        "ema.bin",
        "model.",
        &[("model_ema", 7), ("num_batches_tracked", 2), momenta],
    );
    check(
        "lightning.ckpt",
        "state_dict.model._orig_mod.",
        &[("callbacks", 1), counter, ("optimizer_states", 5)],
    );
}

/// Kept are weights 1, 3, 4, 6 of conv1 and 2, 5 of fc.
fn mask() -> Mask {
    let bits = [1, 0, 1, 1, 0, 1, 0, 1, 0, 0, 1, 0];
    Mask::from_bools(bits.map(|bit| bit == 1).to_vec())
}

#[test]
fn pruned_weights_and_masks_are_read() {
    let cases = [
        (
            "pruned.pth",
            MaskForm::TorchPrune,
            "torchvision's names, with masks of torch.nn.utils.prune",
        ),
        (
            "with_masks.pth",
            MaskForm::Dictionary,
            "torchvision's names under \"state_dict.module\", with masks",
        ),
    ];
    let mut expected = theta();
    mask().apply(&layout(), &mut expected);
    for (name, masks, text) in cases {
        let (weights, form) = read(name);
        assert_eq!((form.masks, form.to_string().as_str()), (Some(masks), text));
        assert_eq!((weights.theta, weights.mask), (expected.clone(), Some(mask())));
    }
    // As a mask alone, and a dictionary of masks under the weights' names.
    for name in ["pruned.pth", "mask.pth"] {
        assert_eq!(read_mask(&golden(name), &layout()).unwrap(), mask());
    }
    assert_eq!(verify::file(&golden("mask.pth"), Some(&layout())), []);
    let error = read_mask(&golden("zip.pth"), &layout()).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "there is no mask for tensor conv1.weight; a mask is needed for every prunable tensor"
        ),
        "{error}"
    );
}

#[track_caller]
fn refused(name: &str, kind: FaultKind, says: &[&str]) {
    let path = golden(name);
    let error = read_weights_and_form(&path, &layout()).unwrap_err().to_string();
    assert!(error.starts_with(&path.display().to_string()), "{error}");
    for part in says {
        assert!(error.contains(part), "{error}: no {part:?}");
    }
    let found = verify::file(&path, None);
    assert_eq!(
        found.iter().map(|v| v.kind).collect::<Vec<_>>(),
        [kind],
        "{found:?}"
    );
}

#[test]
fn what_is_refused_says_how_to_save_it_again() {
    use FaultKind::{Torch, TorchKind};
    refused(
        "quantised.pth",
        TorchKind,
        &["quantised tensors", "v.dequantize()"],
    );
    refused("sparse.pth", TorchKind, &["sparse tensors", "v.to_dense()"]);
    refused("float8.pth", TorchKind, &["float8 tensors", "v.float()"]);
    refused("complex.pth", TorchKind, &["complex numbers", "v.is_complex()"]);
    refused("tensor.pth", TorchKind, &["torch.Tensor", "model.state_dict()"]);
    refused(
        "script.pt",
        TorchKind,
        &["TorchScript", "torch.jit.load(FILE).state_dict()"],
    );
    refused(
        "big_endian.pth",
        TorchKind,
        &["big-endian", "little-endian machine"],
    );
    refused(
        "compressed.pth",
        Torch,
        &["entry archive/data/0", "compressed", "torch.save"],
    );
}

/// What people hand over in the place of weights.
#[test]
fn what_is_no_file_of_weights_is_called_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.pth");
    let whole = std::fs::read(golden("zip.pth")).unwrap();
    let network = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../sculpt-models/goldens/networks/mlp.pt"
    );
    let network = std::fs::read(network).unwrap();
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 1\n";
    for (content, says) in [
        (&whole[..whole.len() - 40], "it is cut off, or damaged"),
        (
            &network[..],
            "export_network.py made, and holds no weights: --network takes it",
        ),
        (&lfs[..], "`git lfs pull` fetches that"),
        (b"version history of a project", "it begins as a text does"),
        (
            "Überschrift, die ein Zeichen am Ende zerschnitten hat: ä".as_bytes(),
            "it begins as a text does",
        ),
        (&[0xff; 20][..], "announces a header"),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = read_weights_and_form(&path, &layout()).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

/// The reader would take it for a tar archive, whose pickles nobody has measured.
#[test]
fn a_pickle_that_is_a_tar_archive_too_is_refused() {
    let mut bytes = b"\x80\x02.".repeat(5);
    bytes.resize(257, 0);
    bytes.extend(b"ustar\x0000");
    bytes.resize(1024, 0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("both.pth");
    std::fs::write(&path, bytes).unwrap();
    let error = read_weights_and_form(&path, &layout()).unwrap_err().to_string();
    assert!(error.contains("it is a tar archive"), "{error}");
}

#[test]
fn hostile_files_cost_little() {
    use FaultKind::Torch;
    refused("bomb.pth", Torch, &["1099511627776"]);
    refused("repeats.pth", Torch, &["1073741824 bytes", "v.clone()"]);
    refused("lists.pth", Torch, &["pickle is longer than 8388608 bytes"]);
    refused("deep.pth", Torch, &["nesting exceeds"]);
    refused("doubling.pth", Torch, &["memo bomb"]);
    // Nothing in a pickle is done: the tensor beside the call is found, and no file was made.
    let before = std::env::current_dir().unwrap().join("sculpt-ran-a-pickle");
    let error = read_weights_and_form(&golden("runs.pth"), &layout()).unwrap_err();
    assert!(error.to_string().contains("fit no dialect"), "{error}");
    assert!(!before.exists());
    assert_eq!(verify::file(&golden("runs.pth"), None), []);
    refused(
        "plain.pkl",
        FaultKind::MissingTensor,
        &["holds no tensor, where this network has bn1.bias"],
    );
}

/// A damaged number, and every beginning of a file, is an error or, in a pickle of which the rest does not matter, no panic.
#[test]
fn damage_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged");
    for name in ["zip.pth", "legacy.pth"] {
        let whole = std::fs::read(golden(name)).unwrap();
        for n in (0..whole.len()).step_by(31) {
            std::fs::write(&path, &whole[..n]).unwrap();
            assert!(
                read_weights_and_form(&path, &layout()).is_err(),
                "{n} bytes of {name}"
            );
        }
        for i in (0..whole.len()).step_by(13) {
            let mut damaged = whole.clone();
            damaged[i] ^= 0x41;
            std::fs::write(&path, &damaged).unwrap();
            let _ = read_weights_and_form(&path, &layout());
            let _ = verify::file(&path, None);
        }
    }
    // 1.5 stands in the numbers of bn1.running_var alone.
    let mut damaged = std::fs::read(golden("zip.pth")).unwrap();
    let bytes = 1.5f32.to_le_bytes();
    let all: Vec<_> = (0..damaged.len() - 8)
        .filter(|&i| damaged[i..i + 4] == bytes && damaged[i + 4..i + 8] == 2.0f32.to_le_bytes())
        .collect();
    damaged[all[0] + 2] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    let error = read_weights_and_form(&path, &layout()).unwrap_err().to_string();
    assert!(error.contains("tensor bn1.running_var cannot be read"), "{error}");
    assert_eq!(
        verify::file(&path, None)
            .iter()
            .map(|v| v.kind)
            .collect::<Vec<_>>(),
        [FaultKind::Torch]
    );
}

/// In every dialect and both forms; a file is named by its end, and equal states make equal bytes.
#[test]
fn what_is_written_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    for word in Dialect::all_words() {
        let dialect = Dialect::named(word).unwrap();
        for end in ["pth", "pt", "th", "ckpt", "bin", "safetensors"] {
            let path = folder.path().join(format!("{word}.{end}"));
            write_state_dict_as(&path, &layout(), &theta(), &BUFFERS, dialect).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(bytes.starts_with(b"PK"), end != "safetensors");
            let (weights, form) = read_weights_and_form(&path, &layout()).unwrap();
            assert_eq!((weights.theta, weights.mask), (theta(), None));
            assert_eq!(weights.buffers, BUFFERS);
            assert_eq!(form.unwrap().dialect, dialect);
            write_state_dict_as(&path, &layout(), &theta(), &BUFFERS, dialect).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
    }
    let mut bad = BUFFERS;
    bad[2] = -1e-6;
    let path = folder.path().join("negative.pth");
    let error = write_state_dict_as(&path, &layout(), &theta(), &bad, &DIALECTS[0]).unwrap_err();
    assert!(
        error.to_string().ends_with(
            "tensor bn1.running_var holds -1e-6 at index 0, a variance is not negative (1 such values)"
        ),
        "{error}"
    );
    assert!(!path.exists());
}

/// A probe may be a file of `torch.save` too.
#[test]
fn any_tensors_are_read() {
    let mut tensors = read_tensors(&golden("mask.pth")).unwrap();
    assert_eq!(
        tensors.take_integers("fc.weight").unwrap(),
        (vec![3, 2], vec![0, 1, 0, 0, 1, 0])
    );
}
