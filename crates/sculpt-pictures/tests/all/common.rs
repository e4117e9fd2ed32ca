//! Folders of pictures for tests: the goldens again and again, under names of ImageNet's kind.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens")
}

pub(crate) fn golden(name: &str) -> Vec<u8> {
    fs::read(goldens().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(crate) const CLASSES: [&str; 3] = ["n02100735", "n02110185", "n02119789"];

const FILES: [&str; 7] = [
    "baseline-420.jpg",
    "cmyk.jpg",
    "png.JPEG",
    "large.jpg",
    "progressive-422.jpg",
    "grey.jpg",
    "baseline-444.jpg",
];

/// Class, name and content of `n` pictures of one half.
pub(crate) fn pictures(part: &str, n: usize) -> Vec<(String, String, Vec<u8>)> {
    let mut all: Vec<_> = (0..n)
        .map(|i| {
            let class = CLASSES[i % 3];
            let name = match part {
                "val" => format!("ILSVRC2012_val_{:08}.JPEG", i + 1),
                _ => format!("{class}_{i}.JPEG"),
            };
            (class.to_owned(), name, golden(FILES[i % FILES.len()]))
        })
        .collect();
    all.sort();
    all
}

/// A folder with `n` training pictures and four for validation.
pub(crate) fn folder(root: &Path, n: usize) {
    for (part, n) in [("train", n), ("val", 4)] {
        for (class, name, bytes) in pictures(part, n) {
            let path = root.join(part).join(class).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
}

/// The same in the files that ImageNet's owners give out; `val`'s labels are in the golden development kit.
pub(crate) fn tars(root: &Path, n: usize) {
    let add = |tar: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes).unwrap();
    };
    let mut outer = tar::Builder::new(Vec::new());
    // As they stand in the genuine file: in no order.
    for class in CLASSES.iter().rev() {
        let mut inner = tar::Builder::new(Vec::new());
        for (_, name, bytes) in pictures("train", n).iter().rev().filter(|(of, ..)| of == class) {
            add(&mut inner, name, bytes);
        }
        add(&mut outer, &format!("{class}.tar"), &inner.into_inner().unwrap());
    }
    fs::create_dir_all(root).unwrap();
    fs::write(root.join("ILSVRC2012_img_train.tar"), outer.into_inner().unwrap()).unwrap();
    let mut val = tar::Builder::new(Vec::new());
    for (_, name, bytes) in pictures("val", 4) {
        add(&mut val, &name, &bytes);
    }
    fs::write(root.join("ILSVRC2012_img_val.tar"), val.into_inner().unwrap()).unwrap();
    fs::copy(
        goldens().join("devkit.tar.gz"),
        root.join("ILSVRC2012_devkit_t12.tar.gz"),
    )
    .unwrap();
}
