//! Walks through a value and stops at numbers that JSON would change: its writers put `null` for NaN, and the
//! canonical form rounds integers to doubles.

use crate::canonical::CanonicalError;
use serde::Serialize;
use serde::ser::{self, Serializer};
use std::fmt::Display;

/// A serialiser that writes nothing.
pub(crate) struct NumberCheck;

type Checked = Result<(), CanonicalError>;

impl ser::Error for CanonicalError {
    fn custom<T: Display>(message: T) -> Self {
        CanonicalError::Json {
            source: ser::Error::custom(message),
        }
    }
}

fn float(value: f64) -> Checked {
    if value.is_finite() {
        Ok(())
    } else {
        Err(CanonicalError::NotFinite { value })
    }
}

fn integer(value: i128) -> Checked {
    if value.unsigned_abs() < 1 << 53 {
        Ok(())
    } else {
        Err(CanonicalError::Integer { value })
    }
}

/// Methods of values that hold no other value.
macro_rules! leaves {
    ($($method:ident($($argument:ident: $type:ty),*) $check:expr;)*) => {
        $(fn $method(self, $($argument: $type),*) -> Checked { $check })*
    };
}

/// Methods of values that hold one.
macro_rules! wrappers {
    ($($method:ident($($type:ty),*);)*) => {
        $(fn $method<T: Serialize + ?Sized>(self, $(_: $type,)* value: &T) -> Checked {
            value.serialize(self)
        })*
    };
}

/// Methods of values that hold several.
macro_rules! compounds {
    ($($method:ident($($type:ty),*) -> $compound:ident;)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<Self::$compound, CanonicalError> { Ok(self) })*
    };
}

impl Serializer for NumberCheck {
    type Ok = ();
    type Error = CanonicalError;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    leaves! {
        serialize_bool(_v: bool) Ok(());
        serialize_i8(_v: i8) Ok(());
        serialize_i16(_v: i16) Ok(());
        serialize_i32(_v: i32) Ok(());
        serialize_i64(v: i64) integer(v.into());
        serialize_i128(v: i128) integer(v);
        serialize_u8(_v: u8) Ok(());
        serialize_u16(_v: u16) Ok(());
        serialize_u32(_v: u32) Ok(());
        serialize_u64(v: u64) integer(v.into());
        serialize_u128(v: u128) integer(i128::try_from(v).unwrap_or(i128::MAX));
        serialize_f32(v: f32) float(v.into());
        serialize_f64(v: f64) float(v);
        serialize_char(_v: char) Ok(());
        serialize_str(_v: &str) Ok(());
        serialize_bytes(_v: &[u8]) Ok(());
        serialize_none() Ok(());
        serialize_unit() Ok(());
        serialize_unit_struct(_name: &'static str) Ok(());
        serialize_unit_variant(_name: &'static str, _index: u32, _variant: &'static str) Ok(());
    }
    wrappers! {
        serialize_some();
        serialize_newtype_struct(&'static str);
        serialize_newtype_variant(&'static str, u32, &'static str);
    }
    compounds! {
        serialize_seq(Option<usize>) -> SerializeSeq;
        serialize_tuple(usize) -> SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant;
        serialize_map(Option<usize>) -> SerializeMap;
        serialize_struct(&'static str, usize) -> SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant;
    }
}

/// The traits of compound values: each part is walked through.
macro_rules! parts {
    ($($compound:ident: $method:ident($($key:ty)?);)*) => {
        $(impl ser::$compound for NumberCheck {
            type Ok = ();
            type Error = CanonicalError;

            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $key,)? value: &T) -> Checked {
                value.serialize(NumberCheck)
            }

            fn end(self) -> Checked {
                Ok(())
            }
        })*
    };
}

parts! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeStruct: serialize_field(&'static str);
    SerializeStructVariant: serialize_field(&'static str);
}

impl ser::SerializeMap for NumberCheck {
    type Ok = ();
    type Error = CanonicalError;

    /// Keys become strings, which hold every integer.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Checked {
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Checked {
        value.serialize(NumberCheck)
    }

    fn end(self) -> Checked {
        Ok(())
    }
}
