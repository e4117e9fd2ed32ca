use crate::Rule;
use thiserror::Error;

/// Why labels cannot be corrupted as asked.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum LabelNoiseError {
    /// Nothing to corrupt.
    #[error("there are no labels")]
    NoLabels,
    /// A label that no class has.
    #[error("label {label} of example {index} is not in 0..{n_classes}")]
    Label {
        /// Place of the first such label.
        index: usize,
        /// The label.
        label: i64,
        /// Number of classes.
        n_classes: u64,
    },
    /// Labels that cannot all change class and keep the balance of the classes.
    #[error(
        "class {class} has {count} of the {n_chosen} chosen labels, more than half: they cannot all change class"
    )]
    NoDerangement {
        /// The class.
        class: i64,
        /// Number of chosen labels of this class.
        count: usize,
        /// Number of chosen labels.
        n_chosen: usize,
    },
    /// A rate outside [0, 1].
    #[error("rate {value} is not in [0, 1]")]
    Rate {
        /// The number.
        value: f64,
    },
    /// Text that is not a number.
    #[error("rate {given:?} is not a number in [0, 1]")]
    NotANumber {
        /// The text.
        given: String,
    },
    /// A name that no rule has.
    #[error("rule {given:?} is not one of {}", Rule::ALL.map(Rule::name).join(", "))]
    UnknownRule {
        /// The name.
        given: String,
    },
}
