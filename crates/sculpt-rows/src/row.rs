use serde::Serialize;
use serde::de::DeserializeOwned;

/// One observation of a frame: a flat struct, whose fields are the columns.
pub trait Row: Clone + Serialize + DeserializeOwned + 'static {
    /// Its fields, in their order.
    const COLUMNS: &'static [Column<Self>];

    /// Their names.
    fn names() -> Vec<&'static str> {
        Self::COLUMNS.iter().map(|column| column.name).collect()
    }
}

/// A field of a row.
pub struct Column<R: 'static> {
    /// Its name.
    pub name: &'static str,
    /// By how much a recomputed value may differ from the published one.
    pub tolerance: Tolerance<R>,
}

/// By how much a recomputed value may differ from the published one. The functions take the recomputed row and the
/// published one.
pub enum Tolerance<R: 'static> {
    /// Not at all.
    Equal,
    /// In the value's own unit.
    Within(fn(&R, &R) -> f64),
    /// In its natural logarithm; 0 is near to 0 alone.
    LogWithin(fn(&R, &R) -> f64),
    /// In each number of a list apart by blanks.
    ListWithin(fn(&R, &R) -> f64),
}

/// Declares a struct of columns: each field with its meaning, its type and, after `within`, `log_within` or `list_within`, its tolerance.
macro_rules! row {
    ($(#[$doc:meta])+ $vis:vis struct $name:ident { $($(#[$field_doc:meta])+ $field:ident: $type:ty $([$kind:ident $tolerance:expr])?,)+ }) => {
        $(#[$doc])+
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        $vis struct $name {
            $($(#[$field_doc])+ $vis $field: $type,)+
        }

        impl crate::Row for $name {
            const COLUMNS: &'static [crate::Column<Self>] = &[$(crate::Column {
                name: stringify!($field),
                tolerance: crate::row::tolerance!($($kind $tolerance)?),
            }),+];
        }
    };
}

macro_rules! tolerance {
    () => {
        crate::Tolerance::Equal
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

pub(crate) use {row, tolerance};
