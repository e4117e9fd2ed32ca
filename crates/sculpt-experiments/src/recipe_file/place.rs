//! TOML whose tables, fields and values know where they stand, so that an error can say it.

use crate::ExperimentError;
use serde_json::{Map, Number, Value};
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A recipe's text.
pub(super) struct Text<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

/// A table, in the text's order.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// The bytes of it, or of its header.
    pub(super) at: Range<usize>,
    pub(super) fields: Vec<Field>,
}

/// A field of a table.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) at: Range<usize>,
    pub(super) value: Value,
    /// The tables that the value is an array of, if it is one.
    pub(super) tables: Vec<Table>,
}

impl Text<'_> {
    /// An error that begins with line and column.
    pub(super) fn error(&self, at: &Range<usize>, detail: &str) -> ExperimentError {
        let before = self.text.get(..at.start).unwrap_or(self.text);
        let line = 1 + before.matches('\n').count();
        let column = 1 + before.rsplit('\n').next().map_or(0, |line| line.chars().count());
        ExperimentError::BadFile {
            path: self.path.to_owned(),
            detail: format!("line {line}, column {column}: {detail}"),
        }
    }

    /// The whole text as a table.
    pub(super) fn table(&self) -> Result<Table, ExperimentError> {
        let document = DeTable::parse(self.text)
            // toml's messages are several lines with the place drawn; one sentence is enough here.
            .map_err(|e| self.error(&e.span().unwrap_or(0..0), e.message()))?;
        self.read(document.span(), document.get_ref())
    }

    fn read(&self, at: Range<usize>, table: &DeTable<'_>) -> Result<Table, ExperimentError> {
        let mut fields = Vec::new();
        for (name, value) in table {
            let tables = match value.get_ref() {
                DeValue::Array(items) => items
                    .iter()
                    .filter_map(|item| Some((item.span(), item.get_ref().as_table()?)))
                    .map(|(at, table)| self.read(at, table))
                    .collect::<Result<_, _>>()?,
                _ => Vec::new(),
            };
            fields.push(Field {
                name: name.get_ref().to_string(),
                at: name.span(),
                value: self.value(value)?,
                tables,
            });
        }
        fields.sort_by_key(|field| field.at.start);
        Ok(Table { at, fields })
    }

    fn value(&self, value: &Spanned<DeValue<'_>>) -> Result<Value, ExperimentError> {
        let bad = |detail: &str| self.error(&value.span(), detail);
        Ok(match value.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Integer(digits) => {
                let number = i64::from_str_radix(digits.as_str(), digits.radix());
                Value::from(number.map_err(|_| bad("a number of more than 64 bits"))?)
            }
            DeValue::Float(digits) => {
                let number = digits.as_str().parse().ok().and_then(Number::from_f64);
                Value::Number(
                    number.ok_or_else(|| bad(&format!("{} is not a finite number", digits.as_str())))?,
                )
            }
            DeValue::Boolean(flag) => Value::Bool(*flag),
            DeValue::Datetime(_) => return Err(bad("a recipe has no dates")),
            DeValue::Array(items) => {
                let items: Result<_, _> = items.iter().map(|item| self.value(item)).collect();
                Value::Array(items?)
            }
            DeValue::Table(table) => {
                let mut fields = Map::new();
                for (name, value) in table {
                    fields.insert(name.get_ref().to_string(), self.value(value)?);
                }
                Value::Object(fields)
            }
        })
    }
}

impl Table {
    /// The field of this name.
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Where an error about a field stands: at the field, or at the table where that has none.
    pub(super) fn place(&self, field: Option<&str>) -> Range<usize> {
        let field = field.and_then(|name| self.field(name));
        field.map_or(self.at.clone(), |field| field.at.clone())
    }
}
