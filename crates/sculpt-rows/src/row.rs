use serde::Serialize;
use serde::de::DeserializeOwned;

/// One observation of a frame: a flat struct, whose fields are the columns.
pub trait Row: Clone + Serialize + DeserializeOwned + 'static {
    /// Its fields, in their order.
    const COLUMNS: &'static [Column<Self>];

    /// What each says, as it stands beside a frame.
    fn meanings() -> Vec<Meaning> {
        let columns = Self::COLUMNS.iter();
        let meaning = |column: &Column<Self>| Meaning {
            name: column.name,
            unit: column.unit,
            meaning: column.meaning,
        };
        columns.map(meaning).collect()
    }

    /// Their names.
    fn names() -> Vec<&'static str> {
        Self::COLUMNS.iter().map(|column| column.name).collect()
    }
}

/// What a column says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Meaning {
    /// Its name.
    pub name: &'static str,
    /// What it is measured in; none of words, and of numbers without a unit.
    pub unit: Option<&'static str>,
    /// What it says.
    pub meaning: &'static str,
}

/// A field of a row.
pub struct Column<R: 'static> {
    /// Its name.
    pub name: &'static str,
    /// What it is measured in; none of words, and of numbers without a unit.
    pub unit: Option<&'static str>,
    /// What it says.
    pub meaning: &'static str,
    /// By how much a recomputed value may differ from the published one.
    pub tolerance: Tolerance<R>,
}

/// By how much a recomputed value may differ from the published one. The functions take the recomputed row and the
/// published one.
pub enum Tolerance<R: 'static> {
    /// By anything: it says where the row comes from, and is no part of what was found.
    Any,
    /// Not at all.
    Equal,
    /// In the value's own unit.
    Within(fn(&R, &R) -> f64),
    /// In its natural logarithm; 0 is near to 0 alone.
    LogWithin(fn(&R, &R) -> f64),
    /// In each number of a list apart by blanks.
    ListWithin(fn(&R, &R) -> f64),
}

/// Declares a struct of columns: each field with its meaning, its type, its unit after `as`, and, its tolerance: `any`, or one
/// after `within`, `log_within` or `list_within`.
macro_rules! row {
    ($(#[$doc:meta])+ $vis:vis struct $name:ident { $($(#[doc = $meaning:literal])+ $field:ident: $type:ty $(as $unit:literal)? $([$kind:ident $($tolerance:expr)?])?,)+ }) => {
        $(#[$doc])+
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        $vis struct $name {
            $($(#[doc = $meaning])+ $vis $field: $type,)+
        }

        impl crate::Row for $name {
            const COLUMNS: &'static [crate::Column<Self>] = &[$(crate::Column {
                name: stringify!($field),
                unit: crate::row::unit!($($unit)?),
                meaning: concat!($($meaning),+).trim_ascii(),
                tolerance: crate::row::tolerance!($($kind $($tolerance)?)?),
            }),+];
        }
    };
}

macro_rules! unit {
    () => {
        None
    };
    ($unit:literal) => {
        Some($unit)
    };
}

macro_rules! tolerance {
    () => {
        crate::Tolerance::Equal
    };
    (any) => {
        crate::Tolerance::Any
    };
    (within $tolerance:expr) => {
        crate::Tolerance::Within($tolerance)
    };
    (log_within $tolerance:expr) => {
        crate::Tolerance::LogWithin($tolerance)
    };
    (list_within $tolerance:expr) => {
        crate::Tolerance::ListWithin($tolerance)
    };
}

pub(crate) use {row, tolerance, unit};
