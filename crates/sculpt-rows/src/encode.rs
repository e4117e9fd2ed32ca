//! From a flat struct to cells: the only serde serializer that a frame needs.

use crate::Cell;
use serde::ser::{Error as _, Impossible, SerializeStruct, Serializer};
use serde::{Serialize, de};

/// Cells of a row, in the order of its fields.
pub(crate) struct Cells(Vec<Cell>);

/// What is said of anything that is no flat struct of words, counts, numbers and flags.
type Error = de::value::Error;

/// Takes the struct.
pub(crate) struct OfRow;

/// Takes one field.
struct OfField;

impl SerializeStruct for Cells {
    type Ok = Vec<Cell>;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Error> {
        self.0.push(value.serialize(OfField)?);
        Ok(())
    }

    fn end(self) -> Result<Vec<Cell>, Error> {
        Ok(self.0)
    }
}

/// The many types of serde that no cell has.
macro_rules! refused {
    ($($method:ident($($type:ty),*);)*) => {
        $(fn $method(self $(, _: $type)*) -> Result<Self::Ok, Error> {
            Err(Error::custom(concat!(stringify!($method), " has no place in a frame")))
        })*
    };
}

macro_rules! no_compounds {
    () => {
        type SerializeSeq = Impossible<Self::Ok, Error>;
        type SerializeTuple = Impossible<Self::Ok, Error>;
        type SerializeTupleStruct = Impossible<Self::Ok, Error>;
        type SerializeTupleVariant = Impossible<Self::Ok, Error>;
        type SerializeMap = Impossible<Self::Ok, Error>;
        type SerializeStructVariant = Impossible<Self::Ok, Error>;

        fn serialize_newtype_struct<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            value: &T,
        ) -> Result<Self::Ok, Error> {
            value.serialize(self)
        }

        fn serialize_newtype_variant<T: Serialize + ?Sized>(
            self,
            name: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> Result<Self::Ok, Error> {
            Err(refusal(name))
        }

        fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Error> {
            Err(refusal("a sequence"))
        }

        fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
            Err(refusal("a tuple"))
        }

        fn serialize_tuple_struct(
            self,
            name: &'static str,
            _: usize,
        ) -> Result<Self::SerializeTupleStruct, Error> {
            Err(refusal(name))
        }

        fn serialize_tuple_variant(
            self,
            name: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeTupleVariant, Error> {
            Err(refusal(name))
        }

        fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
            Err(refusal("a map"))
        }

        fn serialize_struct_variant(
            self,
            name: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeStructVariant, Error> {
            Err(refusal(name))
        }
    };
}

fn refusal(what: &str) -> Error {
    Error::custom(format!("{what} has no place in a frame"))
}

impl Serializer for OfRow {
    type Ok = Vec<Cell>;
    type Error = Error;
    type SerializeStruct = Cells;

    fn serialize_struct(self, _: &'static str, n_fields: usize) -> Result<Cells, Error> {
        Ok(Cells(Vec::with_capacity(n_fields)))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Self::Ok, Error> {
        value.serialize(self)
    }

    no_compounds!();
    refused! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }
}

impl Serializer for OfField {
    type Ok = Cell;
    type Error = Error;
    type SerializeStruct = Impossible<Cell, Error>;

    fn serialize_bool(self, value: bool) -> Result<Cell, Error> {
        Ok(Cell::Flag(value))
    }

    fn serialize_u32(self, value: u32) -> Result<Cell, Error> {
        Ok(Cell::Count(value))
    }

    fn serialize_f64(self, value: f64) -> Result<Cell, Error> {
        Ok(Cell::Number(value))
    }

    fn serialize_str(self, value: &str) -> Result<Cell, Error> {
        Ok(Cell::Text(value.to_owned()))
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Cell, Error> {
        Ok(Cell::Text(variant.to_owned()))
    }

    fn serialize_none(self) -> Result<Cell, Error> {
        Ok(Cell::Missing)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Cell, Error> {
        value.serialize(self)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Self::SerializeStruct, Error> {
        Err(refusal(name))
    }

    no_compounds!();
    refused! {
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_char(char);
        serialize_bytes(&[u8]);
        serialize_unit();
        serialize_unit_struct(&'static str);
    }
}
