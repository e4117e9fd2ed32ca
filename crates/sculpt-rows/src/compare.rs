use crate::{Cell, Frame, Row, Tolerance};
use serde::Serialize;

/// A place where a recomputed frame differs from a published one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The row, from 0.
    pub row: usize,
    /// The column.
    pub column: String,
    /// What was computed.
    pub computed: String,
    /// What is published.
    pub published: String,
}

/// Where recomputed rows differ from published ones by more than their fields allow. Words, flags, and what is missing
/// on one side, must be equal.
pub fn compare<R: Row>(computed: &[R], published: &[R]) -> Vec<Difference> {
    let columns = R::names();
    if computed.len() != published.len() {
        let rows = |rows: &[R]| format!("{} rows of {}", rows.len(), columns.join(", "));
        return vec![Difference {
            row: computed.len().min(published.len()),
            column: "all".to_owned(),
            computed: rows(computed),
            published: rows(published),
        }];
    }
    let cells = [Frame::of(computed), Frame::of(published)];
    let mut differences = Vec::new();
    for (row, (a, b)) in computed.iter().zip(published).enumerate() {
        let pairs = cells[0].cells()[row].iter().zip(&cells[1].cells()[row]);
        for (column, (computed, published)) in R::COLUMNS.iter().zip(pairs) {
            if !column.tolerance.allows((a, computed), (b, published)) {
                differences.push(Difference {
                    row,
                    column: column.name.to_owned(),
                    computed: computed.to_string(),
                    published: published.to_string(),
                });
            }
        }
    }
    differences
}

impl<R> Tolerance<R> {
    fn allows(&self, (a, computed): (&R, &Cell), (b, published): (&R, &Cell)) -> bool {
        if computed == published || matches!(self, Tolerance::Any) {
            return true;
        }
        if let (Tolerance::ListWithin(most), Cell::Text(x), Cell::Text(y)) = (self, computed, published) {
            return numbers(x).zip(numbers(y)).is_some_and(|(x, y)| {
                x.len() == y.len() && x.iter().zip(&y).all(|(x, y)| (x - y).abs() <= most(a, b))
            });
        }
        let Some((x, y)) = computed.as_f64().zip(published.as_f64()) else {
            return false;
        };
        match self {
            Tolerance::Any | Tolerance::Equal | Tolerance::ListWithin(_) => false,
            Tolerance::Within(most) => (x - y).abs() <= most(a, b),
            Tolerance::LogWithin(most) => (x.ln() - y.ln()).abs() <= most(a, b),
        }
    }
}

/// `0.5 -1 2`; none where a word is no number.
fn numbers(text: &str) -> Option<Vec<f64>> {
    text.split_whitespace().map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::row::row! {
        /// One of each kind.
        pub(super) struct Example {
            /// A word.
            word: String,
            /// A count.
            count: u32 [within |_, _| 2.0],
            /// Half of what either row's `count` is.
            number: Option<f64> [within |a, b| 0.25 * f64::from(a.count + b.count)],
            /// A probability.
            p: Option<f64> [log_within |_, _| 0.1],
            /// Numbers.
            values: String [list_within |_, _| 0.1],
            /// Where it comes from.
            origin: bool [any],
        }
    }

    fn example() -> Example {
        Example {
            word: "a".to_owned(),
            count: 4,
            number: Some(10.0),
            p: Some(1e-9),
            values: "1 -2".to_owned(),
            origin: false,
        }
    }

    #[track_caller]
    fn check(other: Example, columns: &[&str]) {
        for (a, b) in [(example(), other.clone()), (other, example())] {
            let found: Vec<_> = compare(&[a], &[b]).into_iter().map(|d| d.column).collect();
            assert_eq!(found, columns);
        }
    }

    #[test]
    fn each_field_has_its_own_tolerance() {
        check(example(), &[]);
        let word = "b".to_owned();
        check(Example { word, ..example() }, &["word"]);
        let origin = true;
        check(Example { origin, ..example() }, &[]);
        check(
            Example {
                count: 6,
                ..example()
            },
            &[],
        );
        check(
            Example {
                count: 7,
                ..example()
            },
            &["count"],
        );
        // (4 + 4) / 4 = 2.
        let number = |number| Example { number, ..example() };
        check(number(Some(12.0)), &[]);
        check(number(Some(12.1)), &["number"]);
        check(number(Some(f64::NAN)), &["number"]);
        check(number(None), &["number"]);
    }

    /// 1e-9 and 1.05e-9 are 0.049 apart in their logarithms, 1.2e-9 0.18, however small; nothing is near to 0.
    #[test]
    fn probabilities_are_compared_by_their_logarithms() {
        let p = |p| Example {
            p: Some(p),
            ..example()
        };
        check(p(1.05e-9), &[]);
        check(p(1.2e-9), &["p"]);
        check(p(0.0), &["p"]);
        assert!(compare(&[p(0.0)], &[p(0.0)]).is_empty());
        check(Example { p: None, ..example() }, &["p"]);
    }

    #[test]
    fn lists_are_compared_number_by_number() {
        let values = |values: &str| Example {
            values: values.to_owned(),
            ..example()
        };
        check(values("1.05 -2.05"), &[]);
        for other in ["1.05 -2.2", "1", "1 -2 3", "1 b", ""] {
            check(values(other), &["values"]);
        }
    }

    #[test]
    fn more_rows_are_one_difference() {
        let found = compare(&[example(), example()], &[example()]);
        assert_eq!(
            (found.len(), found[0].row, found[0].column.as_str()),
            (1, 1, "all")
        );
        assert_eq!(
            found[0].published,
            "1 rows of word, count, number, p, values, origin"
        );
    }
}
