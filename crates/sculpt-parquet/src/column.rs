use std::sync::Arc;

/// The values of a column, `None` where one is missing.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// UTF-8. Equal texts of one file share their memory.
    Text(Vec<Option<Arc<str>>>),
    /// Whole numbers from 0 to 2³² − 1.
    Count(Vec<Option<u32>>),
    /// 64-bit floating point.
    Number(Vec<Option<f64>>),
    /// Yes or no.
    Flag(Vec<Option<bool>>),
}

impl Column {
    /// A column of texts.
    pub fn text<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        Self::Text(values.into_iter().map(|value| value.map(Arc::from)).collect())
    }

    /// How many values, missing ones included.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(values) => values.len(),
            Self::Count(values) => values.len(),
            Self::Number(values) => values.len(),
            Self::Flag(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What its values are, in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Count(_) => "counts",
            Self::Number(_) => "numbers",
            Self::Flag(_) => "flags",
        }
    }
}
