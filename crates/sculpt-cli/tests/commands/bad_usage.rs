use crate::*;

const MASK: &str = "mask --model resnet8 --method random --out m";

#[test]
fn densities() {
    let folder = Folder::new();
    for (density, says) in [
        ("0", "density 0 is not in (0, 1]"),
        ("1.5", "density 1.5 is not in (0, 1]"),
        ("-0.5", "density -0.5 is not in (0, 1]"),
        ("NaN", "density NaN is not in (0, 1]"),
        ("inf", "density inf is not in (0, 1]"),
        ("20%", "density \"20%\" is not a number in (0, 1]"),
    ] {
        refused(
            &folder,
            &format!("{MASK} --density {density}"),
            2,
            &[says, "--density"],
        );
    }
    refused(
        &folder,
        &format!("{MASK} --density 1e-9"),
        1,
        &["density 0.000000001 keeps none of"],
    );
    assert!(!folder.join("m").exists());
}

#[test]
fn unknown_words_come_with_the_allowed_ones() {
    let folder = Folder::new();
    let random = format!("{MASK} --density 0.5");
    let scores = sculpt_scores::Criterion::ALL.map(|criterion| criterion.word());
    let best = "mask --model resnet8 --out m --density 0.5 --method best";
    refused(
        &folder,
        best,
        2,
        &[
            "--method",
            &format!("[possible values: random, magnitude, {}]", scores.join(", ")),
        ],
    );
    refused(
        &folder,
        &format!("{random} --allocation er"),
        2,
        &["uniform, erk, balanced"],
    );
    refused(
        &folder,
        &format!("{random} --rule loose"),
        2,
        &["exact, turboprune"],
    );
    refused(&folder, &format!("{random} --iterations 0"), 2, &["--iterations"]);
    let of = |model: &str| format!("mask --method random --density 0.5 --out m --model {model}");
    refused(
        &folder,
        &of("vgg19"),
        2,
        &["model \"vgg19\" is unknown; known are resnet20"],
    );
    refused(&folder, &of("resnet20 --width 0"), 2, &["width 0"]);
    refused(&folder, &of("resnet20 --classes 0"), 2, &["classes 0"]);
    refused(&folder, &of("resnet18 --shortcut identity"), 2, &["--shortcut"]);
    refused(
        &folder,
        &of("resnet20 --shortcut none"),
        2,
        &["projection, identity"],
    );
    refused(&folder, "bench signs", 2, &["'signs'"]);
    refused(
        &folder,
        "bench train --model resnet20 --precision f16",
        2,
        &["f32, bf16"],
    );
    refused(&folder, "data get imagenet", 2, &["cifar10, cifar100"]);
}

#[test]
fn combinations() {
    let folder = Folder::new();
    let words = "mask --model resnet8 --method magnitude --density 0.5 --out m";
    refused(&folder, words, 2, &["--method magnitude needs --weights"]);
    refused(&folder, "verify . --classes 10", 2, &["--model"]);
    refused(&folder, "verify", 2, &["PATH"]);
    refused(
        &folder,
        "eval --model resnet8 --weights w --probe p --device gpu",
        2,
        &["\"gpu\"", "cpu, cuda:0"],
    );
}

/// A result that stdout does not take is no success; what stderr does not take ends nothing.
#[test]
fn streams_that_are_full() {
    let folder = Folder::new();
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for line in ["--help", "list", "schedule --help"] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_sculpt"))
            .args(line.split(' '))
            .current_dir(folder.path())
            .stdout(full())
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}: {said}");
        assert!(said.contains("could not be written to stdout"), "{line}: {said}");
    }
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_sculpt"))
        .arg("ls")
        .current_dir(folder.path())
        .stderr(full())
        .status()
        .unwrap();
    assert_eq!(
        status.code(),
        Some(0),
        "ls has a note for stderr, and goes on without it"
    );
}

/// A result never takes the place of what it was made from, by whatever path it is named.
#[test]
fn inputs_are_not_written_over() {
    let folder = Folder::new();
    write_tiny(&folder.join("w"));
    write_probe(&folder.join("p"), 4);
    std::os::unix::fs::symlink(folder.join("p"), folder.join("link")).unwrap();
    let before = ["w", "p"].map(|file| std::fs::read(folder.join(file)).unwrap());
    for (line, of) in [
        (
            format!("mask {TINY} --weights w --method magnitude --density .5 --out w"),
            "--weights w",
        ),
        (
            format!("mask {TINY} --weights w --probe p --method snip --density .5 --out ./p"),
            "--probe p",
        ),
        (
            format!("eval {TINY} --weights w --probe p --out link"),
            "--probe p",
        ),
        (
            format!("hessian {TINY} --weights w --probe p --density-out w"),
            "--weights w",
        ),
        ("noise --labels p --rate .2 --out p".to_owned(), "--labels p"),
    ] {
        refused(&folder, &line, 2, &["is the file of", of]);
    }
    let after = ["w", "p"].map(|file| std::fs::read(folder.join(file)).unwrap());
    assert!(before == after);
}

/// `cargo xtask --help` builds nothing, and so knows our commands as text only.
#[test]
fn xtask_lists_every_command() {
    let folder = Folder::new();
    let help = ok(&folder, "--help");
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let of_sculpt: std::collections::BTreeSet<&str> = list
        .lines()
        .map_while(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "help")
        .collect();
    let flags = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../xtask/src/flags.rs");
    let usage = std::fs::read_to_string(flags).unwrap();
    let (_, list) = usage.split_once("are in place:\n\n").unwrap();
    let listed: std::collections::BTreeSet<&str> = list
        .lines()
        .take_while(|line| !line.is_empty())
        .flat_map(|line| line.split_whitespace().skip(1))
        .collect();
    assert_eq!(listed, of_sculpt);
}
