//! Canonical JSON (RFC 8785) and SHA-256: what ids and content hashes are made of.

use crate::FileError;
use crate::number_check::NumberCheck;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use thiserror::Error;

/// Why a value has no canonical JSON.
#[derive(Debug, Error)]
pub enum CanonicalError {
    /// What JSON cannot express, such as keys that are no strings.
    #[error("the value has no canonical JSON: {source}")]
    Json {
        /// What the JSON writer said.
        source: serde_json::Error,
    },
    /// NaN or infinity; JSON writers put `null` for them.
    #[error("the number {value} has no JSON")]
    NotFinite {
        /// The number.
        value: f64,
    },
    /// JSON numbers are doubles: a larger integer would silently become its neighbour.
    #[error("the integer {value} has no canonical JSON, only those up to 2^53 - 1 do")]
    Integer {
        /// The integer.
        value: i128,
    },
}

/// The one JSON text of `value`: keys sorted, no spaces, shortest round-trip numbers. Of a key that a map has twice the last counts.
///
/// # Errors
/// NaN, infinity, integers that a double cannot tell apart, and what JSON cannot express.
pub fn to_canonical_json<T: Serialize>(value: &T) -> Result<String, CanonicalError> {
    value.serialize(NumberCheck)?;
    let value = serde_json::to_value(value).map_err(|source| CanonicalError::Json { source })?;
    canonical_text(&value)
}

/// The same of a value whose numbers a double can hold.
///
/// # Errors
/// A number that is none, which only builds of `serde_json` with arbitrary precision have.
pub(crate) fn canonical_text(value: &Value) -> Result<String, CanonicalError> {
    let mut text = Vec::with_capacity(512);
    write(value, &mut text).map_err(|source| CanonicalError::Json { source })?;
    Ok(String::from_utf8(text).expect("JSON is written as UTF-8"))
}

/// Grids of ten thousand nodes are hashed before anything is done: a writer that keeps every object's members aside to sort
/// their texts took most of that time.
fn write(value: &Value, out: &mut Vec<u8>) -> serde_json::Result<()> {
    match value {
        Value::Number(number) => {
            let none = || <serde_json::Error as serde::ser::Error>::custom(format!("{number} is no double"));
            let number = number.as_f64().ok_or_else(none)?;
            out.extend_from_slice(ryu_js::Buffer::new().format_finite(number).as_bytes());
        }
        Value::Null | Value::Bool(_) | Value::String(_) => serde_json::to_writer(out, value)?,
        Value::Array(values) => {
            out.push(b'[');
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write(value, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            // RFC 8785 sorts by UTF-16 units, which other orders differ from beyond the first 65,536 characters. Maps are
            // sorted by bytes, but where somebody's build keeps the order of insertion.
            let in_order = |a: &str, b: &str| a.encode_utf16().le(b.encode_utf16());
            if !members.is_sorted_by(|a, b| in_order(a.0, b.0)) {
                members.sort_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16()));
            }
            out.push(b'{');
            for (i, (key, value)) in members.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, key)?;
                out.push(b':');
                write(value, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file's content in lower-case hexadecimal, and its length in bytes.
///
/// # Errors
/// A file that cannot be read.
pub fn sha256_file(path: &Path) -> Result<(String, u64), FileError> {
    let failed = |refused| FileError {
        path: path.to_owned(),
        doing: "read",
        refused,
    };
    // Before opening: to open a pipe would wait for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file",
        )));
    }
    let mut file = File::open(path).map_err(failed)?;
    let (mut hash, mut n_bytes, mut chunk) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        let n = file.read(&mut chunk).map_err(failed)?;
        if n == 0 {
            return Ok((hex(&hash.finalize()), n_bytes));
        }
        hash.update(&chunk[..n]);
        n_bytes += n as u64;
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-(1i64 << 53) + 1..1 << 53).prop_map(Value::from),
            (any::<f64>().prop_filter("finite", |number| number.is_finite())).prop_map(Value::from),
            any::<f32>()
                .prop_filter("finite", |number| number.is_finite())
                .prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..8)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Byte for byte what the crate of RFC 8785 writes.
        #[test]
        fn as_another_writes_it(value in any_value()) {
            let theirs = serde_json_canonicalizer::to_string(&value).unwrap();
            prop_assert_eq!(canonical_text(&value).unwrap(), theirs);
        }
    }

    /// U+FB33 comes after U+1F600 by UTF-16, and before it by bytes.
    #[test]
    fn keys_are_sorted_by_units() {
        let value = json!({"\u{fb33}": 1, "\u{1f600}": 2, "\r": 3, "\u{80}": 4});
        let expected = "{\"\\r\":3,\"\u{80}\":4,\"\u{1f600}\":2,\"\u{fb33}\":1}";
        assert_eq!(to_canonical_json(&value).unwrap(), expected);
    }

    /// Keys by UTF-16 unit, numbers as ECMAScript prints them: 1e21 has an exponent, 1e20 none.
    #[test]
    fn sorted_and_shortest() {
        let value = json!({"b": 1.0, "a": [0.1, 1e21, 1e20, -0.0], "é": null, "A": "\u{7}/\""});
        assert_eq!(
            to_canonical_json(&value).unwrap(),
            r#"{"A":"\u0007/\"","a":[0.1,1e+21,100000000000000000000,0],"b":1,"é":null}"#
        );
    }

    #[test]
    fn what_a_double_cannot_hold_is_refused() {
        #[derive(Serialize)]
        enum Nested {
            Rate { value: Option<f32> },
        }
        for bad in [f64::NAN, f64::INFINITY] {
            let error = to_canonical_json(&(bad, 1)).unwrap_err();
            assert_eq!(error.to_string(), format!("the number {bad} has no JSON"));
            assert!(to_canonical_json(&std::collections::BTreeMap::from([("k", [bad])])).is_err());
        }
        let nested = |value| to_canonical_json(&[Nested::Rate { value }]);
        assert!(nested(Some(f32::NAN)).is_err());
        assert_eq!(nested(None).unwrap(), r#"[{"Rate":{"value":null}}]"#);
        let error = to_canonical_json(&json!({"seed": u64::MAX})).unwrap_err();
        assert!(error.to_string().contains("18446744073709551615"), "{error}");
        assert!(to_canonical_json(&i64::MIN).is_err());
        assert_eq!(
            to_canonical_json(&((1u64 << 53) - 1)).unwrap(),
            "9007199254740991"
        );
    }

    /// "abc" is the first example of FIPS 180-4.
    #[test]
    fn known_hash() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex(b"abc"), abc);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(sha256_file(&path).unwrap(), (abc.to_owned(), 3));
    }
}
