//! Artefacts that need no checkpoints, and all of a suite.

use crate::fetch::write_suite;
use crate::*;
use sculpt_experiments::Overrides;
use std::fs;

/// `tiny`, whose checkpoints no artefact shows.
fn example() -> Folder {
    let folder = Folder::new();
    write_suite(&folder.join("data/published/tiny"), Overrides::default());
    folder
}

#[test]
fn a_table_is_shown_and_written() {
    let folder = example();
    let text = ok(&folder, "table 1 --suite tiny");
    let lines: Vec<&str> = text.lines().collect();
    let files = lines
        .iter()
        .position(|line| line.starts_with("reports/tiny/table-1."));
    let files = files.expect("the files follow the table");
    // Columns begin where those of the header do.
    let rows: Vec<&str> = lines[..files].to_vec();
    let second = rows[0]
        .find("  ")
        .map(|end| rows[0].len() - rows[0][end..].trim_start().len());
    let second = second.expect("more than one column");
    assert!(rows.len() > 2, "{text}");
    for row in &rows {
        let gap: Vec<char> = row.chars().skip(second - 2).take(2).collect();
        assert!(gap.is_empty() || gap == [' ', ' '], "{row}");
    }
    assert!(
        lines.last().is_some_and(|line| line.ends_with("index.html")),
        "{text}"
    );
    let said = json(&folder, "table 1 2 --suite tiny");
    assert_eq!(said["artefacts"].as_array().map(Vec::len), Some(2));
    assert_eq!(said["artefacts"][0]["table"][0]["quantity"], "data set");
    refused(&folder, "table 9 --suite tiny", 2, &["table 9 is not available"]);
    refused(&folder, "table --suite tiny", 2, &["<N>"]);
    refused(
        &folder,
        "figure 5 --suite tiny",
        1,
        &["figure 5", "missing from suite \"tiny\""],
    );
    assert!(ok(&folder, "differences --suite tiny").contains("reports/tiny/differences.csv"));
}

#[test]
fn all_leaves_out_what_the_suite_has_not_and_checks_what_is_published() {
    let folder = example();
    let nothing = "all --suite tiny --check";
    refused(
        &folder,
        nothing,
        1,
        &["reports/published/tiny", "no frame", "sculpt publish"],
    );
    let output = sculpt(&folder, "all --suite tiny --json");
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{told}");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let names: Vec<_> = said["artefacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["artefact"])
        .collect();
    assert!(names.contains(&&"table 1".into()), "{said}");
    assert!(
        said["left_out"].as_array().unwrap().contains(&"figure 5".into()),
        "{said}"
    );
    assert_eq!(said["page"], "reports/tiny/index.html");
    assert!(
        told.contains("figure 5    left out: ") && told.contains("table 1  "),
        "{told}"
    );

    let (reports, published) = (folder.join("reports/tiny"), folder.join("reports/published/tiny"));
    fs::create_dir_all(&published).unwrap();
    fs::copy(reports.join("table-1.parquet"), published.join("table-1.parquet")).unwrap();
    let equal = ok(&folder, nothing);
    assert!(
        equal.starts_with("table 1 of suite tiny: ") && equal.lines().count() == 1,
        "{equal}"
    );
    // Other numbers in the preset are other numbers in its table.
    let overrides = Overrides {
        cycle_epochs: Some(5),
        ..Overrides::default()
    };
    write_suite(&folder.join("data/published/tiny"), overrides);
    let output = sculpt(&folder, nothing);
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        said.starts_with("table 1 row ") && said.contains("computed "),
        "{said}"
    );
    assert!(told.contains("error: 1 of 1 frames differ"), "{told}");
}
