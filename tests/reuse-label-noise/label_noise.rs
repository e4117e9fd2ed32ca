//! Noise on labels read from a CSV file: `sculpt-label-noise` alone, without a data set of ours or libtorch.

#![expect(clippy::unwrap_used, reason = "tests")]

use sculpt_label_noise::{Noise, Rate, Rule, Seed, corrupt};

const CLEAN: &str = "\
image,label
a.png,0
b.png,1
c.png,2
d.png,0
e.png,1
f.png,2
";

/// The columns `image` and `label`.
fn read(text: &str) -> (Vec<String>, Vec<i64>) {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader.deserialize::<(String, i64)>();
    rows.map(|row| row.unwrap()).unzip()
}

fn write(images: &[String], labels: &[i64]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["image", "label"]).unwrap();
    for row in images.iter().zip(labels) {
        writer.serialize(row).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

fn corrupted(labels: &[i64], rate: f64) -> Noise {
    corrupt(labels, Rate::new(rate).unwrap(), Rule::Derange, None, Seed(1)).unwrap()
}

/// round(0.6 · 6) = 4 labels change, and the file still holds two of each class.
#[test]
fn from_csv_and_back() {
    let (images, labels) = read(CLEAN);
    let noise = corrupted(&labels, 0.6);
    assert_eq!((noise.n_changed, noise.rate_realised), (4, 4.0 / 6.0));

    let text = write(&images, &noise.labels);
    let n_lines_changed = text.lines().zip(CLEAN.lines()).filter(|(a, b)| a != b).count();
    assert_eq!(n_lines_changed, 4);
    let (same_images, mut noisy) = read(&text);
    assert_eq!((same_images, &noisy), (images, &noise.labels));
    noisy.sort();
    assert_eq!(noisy, [0, 0, 1, 1, 2, 2]);
}

#[test]
fn no_noise_is_the_same_file() {
    let (images, labels) = read(CLEAN);
    assert_eq!(write(&images, &corrupted(&labels, 0.0).labels), CLEAN);
}
