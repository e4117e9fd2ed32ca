use crate::{Row, RowError, decode, encode};

/// A tidy frame: named columns of one type each, one observation a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    columns: Vec<&'static str>,
    cells: Vec<Vec<Cell>>,
}

/// One value. A column holds one kind of it, or [`Cell::Missing`].
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A word.
    Text(String),
    /// A count.
    Count(u32),
    /// A number.
    Number(f64),
    /// A truth value.
    Flag(bool),
    /// Nothing known.
    Missing,
}

impl Frame {
    /// The frame of these rows.
    ///
    /// # Panics
    /// When a row is no flat struct of words, `u32`, `f64` and truth values.
    pub fn of<R: Row>(rows: &[R]) -> Self {
        let cells = |row: &R| {
            row.serialize(encode::OfRow)
                .expect("a row is a flat struct of words, counts, numbers and flags")
        };
        Self {
            columns: R::names(),
            cells: rows.iter().map(cells).collect(),
        }
    }

    /// A frame of columns, as a file holds them.
    ///
    /// # Panics
    /// When a row has not one cell a column.
    pub fn from_cells(columns: Vec<&'static str>, cells: Vec<Vec<Cell>>) -> Self {
        let whole = cells.iter().all(|row| row.len() == columns.len());
        assert!(whole, "a row has one cell a column");
        Self { columns, cells }
    }

    /// Its rows.
    ///
    /// # Errors
    /// Other columns than the kind's, or a cell of another type.
    pub fn rows<R: Row>(&self) -> Result<Vec<R>, RowError> {
        if self.columns != R::names() {
            return Err(RowError::Columns {
                found: self.columns.iter().map(|column| (*column).to_owned()).collect(),
                wanted: R::names(),
            });
        }
        let row = |(row, cells): (usize, &Vec<Cell>)| {
            decode::row(&self.columns, cells).map_err(|error| RowError::Cell {
                row,
                detail: error.to_string(),
            })
        };
        self.cells.iter().enumerate().map(row).collect()
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Names of the columns.
    pub fn columns(&self) -> &[&'static str] {
        &self.columns
    }

    /// All cells, row by row.
    pub fn cells(&self) -> &[Vec<Cell>] {
        &self.cells
    }

    /// The cells of a column, from the top; of one that is not there none.
    pub fn column(&self, name: &str) -> impl Iterator<Item = &Cell> {
        let place = self.columns.iter().position(|column| *column == name);
        let cells = place.map(|place| self.cells.iter().map(move |row| &row[place]));
        cells.into_iter().flatten()
    }

    /// The rows as objects, by column; what is missing or no finite number is null.
    pub fn to_json(&self) -> Vec<serde_json::Map<String, serde_json::Value>> {
        let object = |row: &Vec<Cell>| {
            let names = self.columns.iter().map(|name| (*name).to_owned());
            names.zip(row.iter().map(Cell::to_json)).collect()
        };
        self.cells.iter().map(object).collect()
    }
}

impl Cell {
    /// A number or a count.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Cell::Number(number) => Some(*number),
            Cell::Count(count) => Some(f64::from(*count)),
            Cell::Text(_) | Cell::Flag(_) | Cell::Missing => None,
        }
    }

    fn to_json(&self) -> serde_json::Value {
        match self {
            Cell::Text(text) => text.as_str().into(),
            Cell::Count(count) => (*count).into(),
            // Null where it is not finite.
            Cell::Number(number) => (*number).into(),
            Cell::Flag(flag) => (*flag).into(),
            Cell::Missing => serde_json::Value::Null,
        }
    }
}

impl std::fmt::Display for Cell {
    /// Shortest text that reads back as the same value; empty when missing.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cell::Text(text) => f.write_str(text),
            Cell::Count(count) => write!(f, "{count}"),
            Cell::Number(number) => write!(f, "{number}"),
            Cell::Flag(flag) => write!(f, "{flag}"),
            Cell::Missing => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub(super) enum Word {
        OfTwo,
    }

    crate::row::row! {
        /// One field of each type.
        pub(super) struct Example {
            /// Text.
            text: String,
            /// A word of a list.
            word: Option<Word>,
            /// Count.
            count: Option<u32>,
            /// Number.
            number: Option<f64>,
            /// Flag.
            flag: bool,
        }
    }

    fn rows() -> [Example; 2] {
        [
            Example {
                text: "a, \"b\"".to_owned(),
                word: Some(Word::OfTwo),
                count: Some(7),
                number: Some(f64::INFINITY),
                flag: true,
            },
            Example {
                text: String::new(),
                word: None,
                count: None,
                number: None,
                flag: false,
            },
        ]
    }

    #[test]
    fn rows_come_back() {
        let frame = Frame::of(&rows());
        assert_eq!(frame.columns(), ["text", "word", "count", "number", "flag"]);
        assert_eq!(
            frame.cells()[0][1..3],
            [Cell::Text("of-two".to_owned()), Cell::Count(7)]
        );
        assert_eq!(frame.rows::<Example>().unwrap(), rows());
        let words: Vec<_> = frame.column("word").map(Cell::to_string).collect();
        assert_eq!(words, ["of-two", ""]);
        assert_eq!(frame.column("other").count(), 0);
        assert!(Frame::of::<Example>(&[]).rows::<Example>().unwrap().is_empty());
    }

    /// A column of whole numbers may be one of counts, and one without values has no type.
    #[test]
    fn wrong_cells_are_named() {
        let frame = |place: usize, cell: Cell| {
            let good = Frame::of(&rows());
            let mut cells = good.cells().to_vec();
            cells[1][place] = cell;
            Frame::from_cells(good.columns().to_vec(), cells).rows::<Example>()
        };
        assert_eq!(frame(3, Cell::Count(2)).unwrap()[1].number, Some(2.0));
        let error = |place, cell| frame(place, cell).unwrap_err().to_string();
        assert_eq!(
            error(2, Cell::Number(0.5)),
            "row 1 of the frame: column \"count\": invalid type: floating point `0.5`, expected u32"
        );
        assert!(error(1, Cell::Text("of-three".to_owned())).contains("\"word\": unknown variant `of-three`"));
        assert!(error(0, Cell::Missing).contains("\"text\": invalid type: unit value"));
        let other = Frame::from_cells(vec!["text"], Vec::new()).rows::<Example>();
        assert!(matches!(other, Err(RowError::Columns { found, .. }) if found == ["text"]));
    }

    #[test]
    fn json_has_a_value_or_null_for_each_column() {
        let expected = serde_json::json!([
            { "text": "a, \"b\"", "word": "of-two", "count": 7, "number": null, "flag": true },
            { "text": "", "word": null, "count": null, "number": null, "flag": false },
        ]);
        assert_eq!(serde_json::json!(Frame::of(&rows()).to_json()), expected);
    }
}
