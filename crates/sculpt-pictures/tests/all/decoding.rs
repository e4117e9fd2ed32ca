//! Against Pillow and torchvision: `tests/goldens/make.py` made the pictures and the answers.

use crate::common::{golden, goldens};
use sculpt_pictures::{DecodeError, Decoder, Region, Seed, Size, Transform, Transformer};
use std::fs;

fn expected() -> serde_json::Value {
    serde_json::from_slice(&golden("expected.json")).unwrap()
}

fn whole(size: Size) -> Region {
    Region::whole(size.width, size.height)
}

fn pixels_of(value: &serde_json::Value) -> Vec<u8> {
    let pixels = value["pixels"].as_array().unwrap();
    pixels.iter().map(|byte| byte.as_u64().unwrap() as u8).collect()
}

/// Names of all pictures whose pixels are beside them.
fn names() -> Vec<String> {
    let entries = fs::read_dir(goldens()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter_map(|name| name.strip_suffix(".rgb").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() > 10, "{names:?}");
    names
}

/// Largest and mean absolute difference.
fn differences(a: &[u8], b: &[u8]) -> (u8, f64) {
    assert_eq!(a.len(), b.len());
    let all = || a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    let mean = all().map(f64::from).sum::<f64>() / a.len() as f64;
    (all().max().unwrap(), mean)
}

/// Pillow has libjpeg-turbo inside, and so has mozjpeg: the same pixels.
#[test]
fn pictures_are_those_that_pillow_reads() {
    let (mut decoder, mut out) = (Decoder::default(), Vec::new());
    for name in names() {
        decoder
            .decode(&golden(&name), whole, &mut out)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let (most, mean) = differences(&out, &golden(&format!("{name}.rgb")));
        assert_eq!((most, mean), (0, 0.0), "{name}");
    }
}

/// What is decoded of a crop alone is what the whole picture has there, at every offset from a block's edge.
#[test]
fn a_crop_is_a_part_of_the_whole() {
    let (mut decoder, mut all, mut part) = (Decoder::default(), Vec::new(), Vec::new());
    for name in names() {
        let bytes = golden(&name);
        let size = decoder.decode(&bytes, whole, &mut all).unwrap();
        assert_eq!((size.width, size.height), (75, 51));
        let mut check = |left: u32, top: u32, width: u32, height: u32| {
            let region = Region {
                left,
                top,
                width,
                height,
            };
            decoder.decode(&bytes, |_| region, &mut part).unwrap();
            for y in 0..height as usize {
                let row = 3 * ((y + top as usize) * 75 + left as usize);
                let n = 3 * width as usize;
                let same = part[y * n..(y + 1) * n] == all[row..row + n];
                assert!(same, "{name}: row {y} of {region:?}");
            }
        };
        for left in 0..75 {
            for width in [1, 2, 7, 16, 33].into_iter().filter(|width| left + width <= 75) {
                check(left, left % 51, width, 1 + (51 - left % 51 - 1) / 2);
            }
        }
        for top in 0..51 {
            check(5, top, 60, 51 - top);
            check(0, top, 75, 1);
        }
    }
}

/// Cut at every tenth, and near the end.
#[test]
fn what_was_cut_is_read_where_others_read_it() {
    let (mut decoder, mut out, mut n) = (Decoder::default(), Vec::new(), 0);
    for (name, rows) in expected()["cuts"].as_object().unwrap() {
        let bytes = golden(name);
        let corner = Region::whole(4, 4);
        for row in rows.as_array().unwrap() {
            let length = row["bytes"].as_u64().unwrap() as usize;
            let others_read = row["pillow"].as_bool().unwrap() || row["torchvision"].as_bool().unwrap();
            for region in [None, Some(corner)] {
                let choose = |size| region.unwrap_or_else(|| whole(size));
                let decoded = decoder.decode(&bytes[..length], choose, &mut out);
                assert_eq!(
                    decoded.is_ok(),
                    others_read,
                    "{name} to {length}, {region:?}: {decoded:?}"
                );
                if let Err(error) = decoded {
                    assert_eq!(error, DecodeError::Cut, "{name} to {length}");
                }
                n += 1;
            }
        }
    }
    assert!(n > 150, "{n}");
}

/// A header may promise any size: it is refused before anything is allocated.
#[test]
fn large_pictures_are_refused() {
    for (name, places) in [("baseline-420.jpg", None), ("png.JPEG", Some(16))] {
        let mut bytes = golden(name);
        let error = Decoder::new(75 * 51 - 1)
            .decode(&bytes, whole, &mut Vec::new())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "it has 75 x 51 pixels, more than 3824",
            "{name}"
        );
        Decoder::new(75 * 51)
            .decode(&bytes, whole, &mut Vec::new())
            .unwrap();
        // Rows and columns of a JPEG stand 5 bytes behind its start-of-frame marker; those of a PNG have a checksum.
        if places.is_none() {
            let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
            bytes[frame + 5..frame + 9].fill(0xfe);
            let error = Decoder::default()
                .decode(&bytes, whole, &mut Vec::new())
                .unwrap_err();
            assert!(
                matches!(error, DecodeError::TooLarge { width: 0xfefe, .. }),
                "{error}"
            );
        }
    }
}

/// Damage in the middle: an error or other pixels, and the same again.
#[test]
fn damaged_bytes_end_in_an_answer() {
    let (mut decoder, mut out) = (Decoder::default(), Vec::new());
    let mut random = sculpt_random::Stream::new(Seed(7), sculpt_random::Purpose::TEST, 0);
    // As many in all as 20 minutes take.
    let n = if std::env::var_os("RUN_SLOW_TESTS").is_some() {
        60_000
    } else {
        60
    };
    for name in names() {
        let bytes = golden(&name);
        for _ in 0..n {
            let mut damaged = bytes.clone();
            for _ in 0..=random.below(4) {
                let place = random.below(damaged.len() as u64) as usize;
                damaged[place] = random.below(256) as u8;
            }
            let mut once = |out: &mut Vec<u8>| decoder.decode(&damaged, whole, out).map(|_| out.clone());
            let first = once(&mut out);
            assert!(once(&mut out) == first, "{name}");
        }
        // And the decoder is as good as new.
        decoder.decode(&bytes, whole, &mut out).unwrap();
        assert!(out == golden(&format!("{name}.rgb")), "{name}");
    }
}

/// The middle of the resized picture; the tolerance is two steps of 255 for any pixel, a quarter of one on average.
#[test]
fn evaluation_sees_what_torchvision_does() {
    let mut transformer = Transformer::default();
    for row in expected()["centres"].as_array().unwrap() {
        let word = |name: &str| row[name].as_u64().unwrap() as u32;
        let transform = Transform::CentreCrop {
            shorter: word("shorter"),
            side: word("side"),
        };
        let mut out = vec![0; transform.n_bytes()];
        let name = row["name"].as_str().unwrap();
        transformer
            .apply(&transform, &golden(name), 0, 0, &mut out)
            .unwrap();
        let (most, mean) = differences(&out, &pixels_of(row));
        println!("{name}: {most} {mean}");
        assert!(most <= 2 && mean <= 0.25, "{name}: {most} {mean}");
    }
}
