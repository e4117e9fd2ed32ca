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
