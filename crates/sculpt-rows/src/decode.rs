//! From cells to a flat struct.

use crate::Cell;
use serde::de::value::{Error, MapDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

/// The struct whose fields are these columns.
pub(crate) fn row<R: DeserializeOwned>(columns: &[&'static str], cells: &[Cell]) -> Result<R, Error> {
    let fields = columns.iter().zip(cells);
    let named = fields.map(|(column, cell)| (*column, Field { column, cell }));
    R::deserialize(MapDeserializer::new(named))
}

/// A cell of a named column.
#[derive(Clone, Copy)]
struct Field<'a> {
    column: &'static str,
    cell: &'a Cell,
}

impl Field<'_> {
    /// Says where it was.
    fn here<T>(self, outcome: Result<T, Error>) -> Result<T, Error> {
        outcome.map_err(|error| Error::custom(format!("column {:?}: {error}", self.column)))
    }
}

impl<'a> IntoDeserializer<'a, Error> for Field<'a> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Field<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.here(match self.cell {
            Cell::Text(text) => visitor.visit_str(text),
            Cell::Count(count) => visitor.visit_u32(*count),
            Cell::Number(number) => visitor.visit_f64(*number),
            Cell::Flag(flag) => visitor.visit_bool(*flag),
            Cell::Missing => visitor.visit_unit(),
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.cell {
            Cell::Missing => visitor.visit_none(),
            Cell::Text(_) | Cell::Count(_) | Cell::Number(_) | Cell::Flag(_) => visitor.visit_some(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.cell {
            Cell::Text(text) => {
                let word: serde::de::value::StrDeserializer<'_, Error> = text.as_str().into_deserializer();
                self.here(word.deserialize_enum(name, variants, visitor))
            }
            Cell::Count(_) | Cell::Number(_) | Cell::Flag(_) | Cell::Missing => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
