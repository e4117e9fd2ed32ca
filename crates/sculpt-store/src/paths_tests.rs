use super::*;

#[test]
fn names_are_the_contract() {
    let node = node_folder(Path::new("runs"), "abcd");
    assert_eq!(node, Path::new("runs/ab/abcd"));
    assert_eq!(
        checkpoint_at(&node, 8),
        Path::new("runs/ab/abcd/checkpoint-8.safetensors")
    );
    assert_eq!(
        progress_state(&node),
        Path::new("runs/ab/abcd/progress/state.safetensors")
    );
    assert_eq!(
        suite(Path::new("runs"), "demo"),
        Path::new("runs/suites/demo.json")
    );
    assert_eq!(
        measure(Path::new("runs"), "0f1e"),
        Path::new("runs/measures/0f/0f1e.json")
    );
    assert_eq!(
        published_checkpoint(&published_suite(Path::new("data"), "demo"), "abcd", 32),
        Path::new("data/published/demo/checkpoints/abcd-32.safetensors")
    );
    let fetched = fetched_suite(Path::new("data"), "demo");
    assert_eq!(suite_partial(&fetched), Path::new("data/fetched/.demo.partial"));
    assert_eq!(old_folder(&fetched), Path::new("data/fetched/.demo.old"));
    assert_eq!(partial(Path::new("d/x.tar.gz")), Path::new("d/x.tar.gz.partial"));
    let reports = report_folder(Path::new("reports"), "demo");
    assert_eq!(
        report(&reports, "figure-5", ReportFile::Provenance),
        Path::new("reports/demo/figure-5.json")
    );
    let lock = benchmarks_lock(Path::new("reports"));
    assert_eq!(lock, Path::new("reports/.benchmarks.md.lock"));
}

#[test]
fn epochs_of_file_names() {
    assert_eq!(checkpoint_epoch("checkpoint-120.safetensors"), Some(120));
    for name in [
        "checkpoint.safetensors",
        "checkpoint-.safetensors",
        "checkpoint-012.safetensors",
        "checkpoint-+1.safetensors",
        ".checkpoint-1.safetensors.7.tmp",
    ] {
        assert_eq!(checkpoint_epoch(name), None, "{name}");
    }
}

#[test]
fn only_names_of_ours_are_temporary() {
    assert!(is_temporary(".metrics.parquet.123-4.tmp"));
    for name in [
        "metrics.parquet",
        "a.1-2.tmp",
        ".notes.tmp",
        ".a.1-.tmp",
        ".a.1-b.tmp",
    ] {
        assert!(!is_temporary(name), "{name}");
    }
}

#[test]
fn names_stay_inside_their_folder() {
    assert!(is_plain_name("demo") && is_plain_name("demo+seeds=1,2"));
    for name in ["", ".", "..", "a/b", "a\\b", ".hidden", "nul\0"] {
        assert!(!is_plain_name(name), "{name:?}");
    }
    assert!(is_sha256(&"0f".repeat(32)));
    assert!(!is_sha256(&"0F".repeat(32)) && !is_sha256("../"));
}
