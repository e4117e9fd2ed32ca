use crate::*;
use sculpt_checkpoints::{read_mask, read_weights, write_state_dict};
use sculpt_models::ModelSpec;
use sculpt_scores::Criterion;

/// round(0.1 · 270,896) = 27,090 of ResNet-20, 22 tensors in state_dict order.
#[test]
fn random_masks_are_exact() {
    let folder = Folder::new();
    let layout = ModelSpec::named("resnet20", 10, None, None).unwrap().layout();
    for allocation in ["uniform", "erk", "balanced"] {
        let words =
            format!("mask --model resnet20 --method random --density 0.1 --allocation {allocation} --out m");
        let report = json(&folder, &words);
        assert_eq!(
            (&report["n_prunable"], &report["n_kept"]),
            (&270_896.into(), &27_090.into())
        );
        assert_eq!(report["density_target"], 0.1);
        assert_eq!(report["density"], 27_090.0 / 270_896.0);
        assert_eq!(report["collapsed"], serde_json::json!([]));
        let mask = read_mask(&folder.join("m"), &layout).unwrap();
        assert_eq!(report["sha256"], sha256_by_hand(&mask));
        let layers = report["layers"].as_array().unwrap();
        let names: Vec<&str> = layers.iter().map(|l| l["name"].as_str().unwrap()).collect();
        assert_eq!(names, layout.prunable().map(|p| p.name()).collect::<Vec<_>>());
        for (layer, param) in layers.iter().zip(layout.prunable()) {
            let kept = mask
                .slice(param.prunable_range().unwrap())
                .iter()
                .filter(|&&kept| kept)
                .count();
            assert_eq!((&layer["n"], &layer["kept"]), (&param.len().into(), &kept.into()));
        }
    }
}

/// Balanced, exact and seed 1 are what is used when nothing is said.
#[test]
fn defaults() {
    let folder = Folder::new();
    let sha256 = |flags: &str| {
        json(
            &folder,
            &format!("mask {TINY} --method random --density 0.3 --out m {flags}"),
        )["sha256"]
            .clone()
    };
    let plain = sha256("");
    assert_eq!(plain, sha256("--allocation balanced --rule exact --seed 1"));
    for flags in ["--allocation erk", "--rule turboprune", "--seed 2"] {
        assert_ne!(plain, sha256(flags), "{flags}");
    }
}

/// The file of 0.5 has its own mask; 0.2 of all stays within it, and nothing is larger outside.
#[test]
fn magnitude_keeps_the_largest_of_what_is_left() {
    let folder = Folder::new();
    let (state, _) = write_tiny(&folder.join("w"));
    let layout = tiny().layout();
    let report = json(
        &folder,
        &format!("mask {TINY} --weights w --method magnitude --density 0.2 --out m"),
    );
    let mask = read_mask(&folder.join("m"), &layout).unwrap();
    assert_eq!(
        report["n_kept"],
        (0.2 * layout.n_prunable() as f64).round() as usize
    );
    assert!(mask.is_subset_of(&state.mask));
    let (mut least_kept, mut most_pruned) = (f32::INFINITY, 0f32);
    for param in layout.prunable() {
        let bits = mask.slice(param.prunable_range().unwrap());
        for (weight, &kept) in state.theta[param.range()].iter().zip(bits) {
            if kept {
                least_kept = least_kept.min(weight.abs());
            } else {
                most_pruned = most_pruned.max(weight.abs());
            }
        }
    }
    assert!(least_kept >= most_pruned);
    let says = ["--density 0.9", "w", "not pruned already"];
    refused(
        &folder,
        &format!("mask {TINY} --weights w --method magnitude --density 0.9 --out n"),
        1,
        &says,
    );
    assert!(!folder.join("n").exists());
}

/// Density 0.01 of the tiny network leaves some tensors nothing: said, and no error.
#[test]
fn layer_collapse_is_a_warning() {
    let folder = Folder::new();
    write_tiny(&folder.join("w"));
    let words = format!("mask {TINY} --weights w --method magnitude --density 0.01 --out m --json");
    let output = sculpt(&folder, &words);
    assert!(output.status.success());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let collapsed: Vec<&str> = report["collapsed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_str().unwrap())
        .collect();
    let empty = |l: &&serde_json::Value| l["kept"] == 0;
    assert!(!collapsed.is_empty());
    assert_eq!(
        collapsed.len(),
        report["layers"].as_array().unwrap().iter().filter(empty).count()
    );
    let said = text(&output.stderr);
    assert_eq!(
        said,
        format!("warning: nothing is left of {}\n", collapsed.join(", "))
    );
}

#[test]
fn unused_flags_are_warned_of() {
    let folder = Folder::new();
    write_tiny(&folder.join("w"));
    let said = |words: &str| {
        let output = sculpt(&folder, &format!("mask {TINY} --density 0.3 --out m {words}"));
        assert!(output.status.success());
        text(&output.stderr)
    };
    let random = said("--method random --iterations 3 --probe p --weights w");
    assert_eq!(
        random,
        "warning: --method random does not use --probe\nwarning: --method random does not use --iterations\n\
         warning: a random mask takes no heed of the mask that w carries\n"
    );
    let magnitude = said("--method magnitude --weights w --allocation erk --rule exact --seed 1");
    assert_eq!(
        magnitude
            .matches("warning: --method magnitude does not use ")
            .count(),
        3
    );
    assert!(said("--method random --allocation erk").is_empty());
}

/// The weights that come with a random mask are not needed, but must fit.
#[test]
fn weights_of_random_masks_are_read() {
    let folder = Folder::new();
    write_tiny(&folder.join("w"));
    let words = "--weights w --method random --density 0.5 --out m";
    refused(
        &folder,
        &format!("mask --model resnet8 --width 2 {words}"),
        1,
        &["--classes 3"],
    );
    assert!(read_weights(&folder.join("w"), &tiny().layout()).is_ok() && !folder.join("m").exists());
}

/// Every method keeps exactly round(0.2 · N) of what the file of 0.5 has, the same each time; and the methods differ.
#[test]
fn scores_respect_the_mask() {
    let folder = Folder::new();
    let (state, _) = write_tiny(&folder.join("w"));
    write_probe(&folder.join("p"), 9);
    let layout = tiny().layout();
    let mut found = std::collections::BTreeSet::new();
    for method in Criterion::ALL.map(|criterion| criterion.word()) {
        // Synflow's, and nothing to the others.
        let words = format!(
            "mask {TINY} --weights w --probe p --density 0.2 --out m --iterations 5 --method {method}"
        );
        let report = json(&folder, &words);
        let n_kept = (0.2 * layout.n_prunable() as f64).round() as usize;
        assert_eq!(report["n_kept"], n_kept, "{method}");
        let mask = read_mask(&folder.join("m"), &layout).unwrap();
        assert!(mask.is_subset_of(&state.mask), "{method}");
        assert_eq!(json(&folder, &words)["sha256"], report["sha256"], "{method}");
        found.insert(report["sha256"].to_string());
        let too_many = words.replace("--density 0.2 --out m", "--density 0.9 --out n");
        refused(
            &folder,
            &too_many,
            1,
            &["--density 0.9", "w", "not pruned already"],
        );
    }
    assert_eq!(found.len(), Criterion::ALL.len());
    assert!(!folder.join("n").exists());
}

#[test]
fn scores_need_weights_and_most_a_probe() {
    let folder = Folder::new();
    write_tiny(&folder.join("w"));
    write_probe(&folder.join("p"), 3);
    for criterion in Criterion::ALL.iter().filter(|known| known.needs_probe()) {
        let method = criterion.word();
        let words = format!("mask {TINY} --method {method} --density 0.2 --out m");
        refused(
            &folder,
            &format!("{words} --weights w"),
            2,
            &[method, "--probe FILE"],
        );
        refused(
            &folder,
            &format!("{words} --probe p"),
            2,
            &[method, "--weights FILE"],
        );
        refused(
            &folder,
            &format!("{words} --weights w --probe w"),
            1,
            &["tensor images is missing"],
        );
    }
    let synflow = format!("mask {TINY} --weights w --method synflow --density 0.2 --out m");
    // 32 × 32 without a probe; the harness's variant is another mask, and iterates nothing.
    let own = json(&folder, &format!("{synflow} --iterations 3"));
    let harness = sculpt(
        &folder,
        &format!("{synflow} --iterations 3 --rule turboprune --json"),
    );
    assert_eq!(
        text(&harness.stderr).lines().next(),
        Some("warning: --method synflow does not use --iterations")
    );
    let harness: serde_json::Value = serde_json::from_slice(&harness.stdout).unwrap();
    assert_ne!(own["sha256"], harness["sha256"]);
    assert_eq!(own["n_kept"], harness["n_kept"]);
    refused(
        &folder,
        &format!("{synflow} --iterations 0"),
        2,
        &["--iterations"],
    );
    refused(
        &folder,
        "mask --method best --density 0.1 --model resnet20 --out m",
        2,
        &["wood-fisher"],
    );
    assert!(folder.join("m").exists());
}

/// All weights 0: every |weight|, and with it SNIP's every score, is the same. Half of them, and of the others half are kept.
#[test]
fn equal_scores_are_counted() {
    let folder = Folder::new();
    let (state, _) = write_tiny(&folder.join("w"));
    let layout = tiny().layout();
    let mut theta = state.theta.clone();
    for param in layout.prunable() {
        theta[param.range()].fill(0.0);
    }
    write_state_dict(&folder.join("zero"), &layout, &theta, &state.buffers).unwrap();
    write_probe(&folder.join("p"), 4);
    let n = layout.n_prunable();
    let kept = (n as f64 * 0.3).round();
    for method in ["magnitude", "snip", "fisher"] {
        let line = format!("mask {TINY} --weights zero --probe p --method {method} --density 0.3 --out m");
        let said = text(&sculpt(&folder, &line).stderr);
        let expected = format!(
            "warning: {n} of {n} scores are equal at the threshold; the first {kept} of them in the order of the layers are \
             kept: the mask says nothing of the weights\n"
        );
        assert!(said.contains(&expected), "{said}");
    }
    // As a state_dict the pruned half are zeros like others.
    write_state_dict(&folder.join("half"), &layout, &state.theta, &state.buffers).unwrap();
    let line = format!("mask {TINY} --weights half --method magnitude --density 0.75 --out m");
    let said = text(&sculpt(&folder, &line).stderr);
    let n_zero = n - state.mask.n_kept();
    assert!(
        said.contains(&format!("{n_zero} of {n} scores are equal at the threshold")),
        "{said}"
    );
    assert!(!said.contains("warning"));
}
