//! Canonical JSON (RFC 8785) and SHA-256: what ids and content hashes are made of.

use crate::FileError;
use crate::number_check::NumberCheck;
use serde::Serialize;
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

/// The one JSON text of `value`: keys sorted, no spaces, shortest round-trip numbers.
///
/// # Errors
/// NaN, infinity, integers that a double cannot tell apart, and what JSON cannot express.
pub fn to_canonical_json<T: Serialize>(value: &T) -> Result<String, CanonicalError> {
    value.serialize(NumberCheck)?;
    serde_json_canonicalizer::to_string(value).map_err(|source| CanonicalError::Json { source })
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
    use serde_json::json;

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
