//! The verdicts on the paper's claims: a word and a sign for each, never colour alone.

use super::html::Text;
use super::table::Table;

/// Column of the verdicts, in the frame of the claims.
pub(super) const VERDICT: &str = "verdict";

/// Columns of that frame, as a reader wants them; others follow.
pub(super) const COLUMNS: [&str; 10] = [
    "number",
    VERDICT,
    "claim",
    "effect",
    "low",
    "high",
    "n",
    "paper",
    "place",
    "artefacts",
];

/// What was found about a claim, as the frame words it.
const SUPPORTED: &str = "supported";
const NOT_SUPPORTED: &str = "not supported";
const NOT_ENOUGH: &str = "not enough runs";

/// A verdict with its sign.
pub(super) fn verdict(text: &str) -> String {
    let word = text.trim().to_ascii_lowercase().replace(['-', '_'], " ");
    let (class, sign) = match word.as_str() {
        SUPPORTED => ("yes", "✓"),
        NOT_SUPPORTED => ("no", "✗"),
        NOT_ENOUGH => ("open", "○"),
        "" => return String::new(),
        // A verdict that this page does not know is shown as it is worded.
        _ => ("open", "?"),
    };
    format!(
        "<span class=\"verdict {class}\"><span aria-hidden=\"true\">{sign}</span> {}</span>",
        Text(&word)
    )
}

/// `2 supported, 1 not supported`, in the order of the verdicts; empty without the column.
pub(super) fn summary(table: &Table) -> String {
    let Some(column) = table.columns.iter().find(|c| c.name == VERDICT) else {
        return String::new();
    };
    let words = column.cells.iter().map(|cell| verdict(cell)).collect::<Vec<_>>();
    let counted = [SUPPORTED, NOT_SUPPORTED, NOT_ENOUGH].map(|word| {
        let sought = verdict(word);
        let n = words.iter().filter(|w| **w == sought).count();
        format!("{n} {word}")
    });
    format!("<p>{}.</p>\n", counted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn verdicts_have_a_word_and_a_sign() {
        assert_eq!(
            verdict("not-supported"),
            "<span class=\"verdict no\"><span aria-hidden=\"true\">✗</span> not supported</span>"
        );
        assert!(verdict("Supported").contains("✓</span> supported"));
        assert!(verdict("not_enough_runs").contains("○</span> not enough runs"));
        assert!(verdict("<b>").contains("?</span> &lt;b&gt;"));
        assert_eq!(verdict(""), "");
    }

    #[test]
    fn verdicts_are_counted() {
        let read = |text: &str| Table::read(text, Path::new("claims.csv")).unwrap();
        assert_eq!(
            summary(&read("verdict\nsupported\nnot enough runs\nsupported\n")),
            "<p>2 supported, 0 not supported, 1 not enough runs.</p>\n"
        );
        assert_eq!(summary(&read("claim\nx\n")), "");
    }

    #[test]
    fn known_columns_come_first_and_others_stay() {
        let table = Table::read("own,n,claim\na,3,b\n", Path::new("claims.csv")).unwrap();
        let names: Vec<_> = table
            .with_first(&COLUMNS)
            .columns
            .into_iter()
            .map(|c| c.name)
            .collect();
        assert_eq!(names, ["claim", "n", "own"]);
    }
}
