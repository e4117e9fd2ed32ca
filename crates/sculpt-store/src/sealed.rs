//! JSON files that carry their own SHA-256, so that no byte of them changes unnoticed.
//!
//! The text is the value's object with one more key, `sha256`: the SHA-256 of the canonical JSON without it. Keys are
//! sorted, so that a value has one text, and a text that is not this one is a damaged one. Files of older versions
//! have no such key and are read as they are.

use crate::canonical::{canonical_text, sha256_hex};
use crate::number_check::NumberCheck;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

/// The key of the hash.
const KEY: &str = "sha256";

/// Why a value cannot be sealed, or a text is not what was sealed.
#[derive(Debug, Error)]
pub enum SealError {
    /// Not JSON of the expected shape, or a value without JSON.
    #[error("{detail}")]
    Shape {
        /// What is wrong.
        detail: String,
    },
    /// Another hash than the text's own, or spaces that nobody wrote.
    #[error("its content is not the one that it has the SHA-256 of: a byte of it was changed")]
    Changed,
}

/// The text of a value, which must be an object without a key `sha256`.
///
/// # Errors
/// A value that has no canonical JSON or is no object.
pub fn seal<T: Serialize>(value: &T) -> Result<String, SealError> {
    let shape = |detail: String| SealError::Shape { detail };
    let value = serde_json::to_value(value).map_err(|e| shape(e.to_string()))?;
    value.serialize(NumberCheck).map_err(|e| shape(e.to_string()))?;
    let canonical = canonical_text(&value).map_err(|e| shape(e.to_string()))?;
    let Value::Object(mut object) = value else {
        return Err(shape("only objects can be sealed".to_owned()));
    };
    object.insert(KEY.to_owned(), sha256_hex(canonical.as_bytes()).into());
    text(&object)
}

/// The value of a text, and whether it was sealed: a text of an older version has no seal.
///
/// # Errors
/// A text of another shape, or one of which a byte was changed.
pub fn open<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, bool), SealError> {
    let shape = |e: serde_json::Error| SealError::Shape {
        detail: e.to_string(),
    };
    let value: Value = serde_json::from_slice(bytes).map_err(shape)?;
    let Value::Object(mut object) = value else {
        return Ok((serde_json::from_value(value).map_err(shape)?, false));
    };
    if !object.contains_key(KEY) {
        let value = serde_json::from_value(Value::Object(object)).map_err(shape)?;
        return Ok((value, false));
    }
    let written = text(&object)?;
    let stated = object.remove(KEY);
    let rest = Value::Object(object);
    rest.serialize(NumberCheck).map_err(|_| SealError::Changed)?;
    let canonical = canonical_text(&rest).map_err(|_| SealError::Changed)?;
    let computed = Value::from(sha256_hex(canonical.as_bytes()));
    if stated != Some(computed) || written.as_bytes() != bytes {
        return Err(SealError::Changed);
    }
    Ok((serde_json::from_value(rest).map_err(shape)?, true))
}

fn text(object: &serde_json::Map<String, Value>) -> Result<String, SealError> {
    let mut text = serde_json::to_string_pretty(object).map_err(|e| SealError::Shape {
        detail: e.to_string(),
    })?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        name: String,
        rates: BTreeMap<String, f64>,
    }

    fn example() -> Example {
        let rates = [("b", 0.1), ("a", 1e-7), ("é", 3.0)];
        Example {
            name: "one \\ \"two\"".to_owned(),
            rates: rates.map(|(k, v)| (k.to_owned(), v)).into(),
        }
    }

    #[test]
    fn values_come_back() {
        let text = seal(&example()).unwrap();
        assert_eq!(open::<Example>(text.as_bytes()).unwrap(), (example(), true));
        let plain = serde_json::to_vec(&example()).unwrap();
        assert_eq!(open::<Example>(&plain).unwrap(), (example(), false));
        assert!(seal(&[1]).is_err());
    }

    proptest! {
        #[test]
        fn no_byte_changes_unnoticed(place in 0usize..1000, change in 1u8..=255) {
            let mut bytes = seal(&example()).unwrap().into_bytes();
            let place = place % bytes.len();
            bytes[place] ^= change;
            prop_assert!(open::<Example>(&bytes).is_err());
        }
    }
}
