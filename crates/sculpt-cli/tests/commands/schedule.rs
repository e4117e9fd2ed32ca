use crate::*;

#[track_caller]
fn check(flags: &str, rows: &[&str]) {
    let folder = Folder::new();
    let report = json(&folder, &format!("schedule {flags} --out F.csv"));
    let csv = std::fs::read_to_string(folder.join("F.csv")).unwrap();
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("step,epoch,cycle,lr"));
    assert_eq!(lines.collect::<Vec<_>>(), rows);
    assert_eq!(report["rows"], rows.len());
    let last: f64 = rows[rows.len() - 1].rsplit(',').next().unwrap().parse().unwrap();
    assert_eq!(report["lr_last"], last);
    assert!(csv.ends_with('\n'));
}

/// Two cycles of two epochs of two steps: w = 1, then ×0.01 from floor(260/150) = 1.
#[test]
fn cycles_begin_again() {
    check(
        "--kind step-warmup --epochs 2 --steps-per-epoch 2 --cycles 2",
        &[
            "0,0,0,0.1",
            "1,0,0,0.1",
            "2,1,0,0.001",
            "3,1,0,0.001",
            "4,0,1,0.1",
            "5,0,1,0.1",
            "6,1,1,0.001",
            "7,1,1,0.001",
        ],
    );
}

/// T = 10: 0.1·lr at step 0, lr at round(0.1·10) = 1, then (10 − t)/9.
#[test]
fn one_cycle_by_step() {
    check(
        "--kind one-cycle --epochs 2 --steps-per-epoch 5 --lr 9",
        &[
            "0,0,0,0.9",
            "1,0,0,9",
            "2,0,0,8",
            "3,0,0,7",
            "4,0,0,6",
            "5,1,0,5",
            "6,1,0,4",
            "7,1,0,3",
            "8,1,0,2",
            "9,1,0,1",
        ],
    );
}

/// 0.1 and 1e-7 in their shortest decimal forms.
#[test]
fn numbers_are_the_shortest() {
    check(
        "--kind constant --epochs 1 --steps-per-epoch 1 --lr 1e-7",
        &["0,0,0,0.0000001"],
    );
    check("--kind constant --epochs 1 --steps-per-epoch 1", &["0,0,0,0.1"]);
}

/// 150 epochs of the paper: rate of each epoch at the ends of its parts.
#[test]
fn the_papers_schedule() {
    let folder = Folder::new();
    let line = ok(
        &folder,
        "schedule --kind step-warmup --epochs 150 --steps-per-epoch 98 --out sub/F.csv",
    );
    assert_eq!(
        line,
        "sub/F.csv: 14700 steps of step-warmup, rates up to 0.1, 0.001 at the end\n"
    );
    let csv = std::fs::read_to_string(folder.join("sub/F.csv")).unwrap();
    let row = |step: usize| csv.lines().nth(step + 1).unwrap().to_owned();
    assert_eq!(row(0), "0,0,0,0.01");
    assert_eq!(row(97), "97,0,0,0.01");
    assert_eq!(row(9 * 98), "882,9,0,0.1");
    assert_eq!(row(70 * 98 - 1), "6859,69,0,0.1");
    assert_eq!(row(70 * 98), "6860,70,0,0.01");
    assert_eq!(row(130 * 98), "12740,130,0,0.001");
    assert_eq!(csv.lines().count(), 1 + 14_700);
}

#[test]
fn bad_values() {
    let folder = Folder::new();
    let check = |flags: &str, says: &[&str]| {
        refused(&folder, &format!("schedule {flags} --out F.csv"), 2, says);
        assert!(!folder.join("F.csv").exists());
    };
    check(
        "--kind step --epochs 1 --steps-per-epoch 1",
        &["step-warmup", "trapezoidal", "--kind"],
    );
    check("--kind cosine --epochs 0 --steps-per-epoch 1", &["--epochs"]);
    check(
        "--kind cosine --epochs 1 --steps-per-epoch 0",
        &["--steps-per-epoch"],
    );
    check(
        "--kind cosine --epochs 1 --steps-per-epoch 1 --cycles 0",
        &["--cycles"],
    );
    for lr in ["0", "NaN", "inf"] {
        check(
            &format!("--kind cosine --epochs 1 --steps-per-epoch 1 --lr {lr}"),
            &["learning rate", "--lr"],
        );
    }
    check(
        "--kind cosine --epochs 4000000000 --steps-per-epoch 2",
        &["--steps-per-epoch"],
    );
    let plain = "schedule --kind cosine --epochs 1 --steps-per-epoch 1 --out";
    refused(&folder, &format!("{plain} ."), 1, &["it is a folder"]);
}
