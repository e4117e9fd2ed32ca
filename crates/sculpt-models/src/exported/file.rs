//! The file: an archive with the program's code, and the description beside it. Looked through before libtorch sees any of it.

use super::description::Description;
use super::{NetworkFault, code};
use sculpt_store::paths::NETWORK_DESCRIPTION;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use zip::ZipArchive;

/// The version of the description that is read.
const FORMAT: u32 = 1;

/// Bytes of a file, of all that is packed in it, and of its description: there are no weights in it.
const MAX_FILE: u64 = 256 << 20;
const MAX_UNPACKED: u64 = 1 << 30;
const MAX_DESCRIPTION: u64 = 32 << 20;

/// The content of a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, NetworkFault> {
    let unreadable = |error: std::io::Error| NetworkFault::Unreadable {
        reason: error.to_string(),
    };
    // Before opening: to open a pipe would wait for its writer.
    let found = std::fs::metadata(path).map_err(unreadable)?;
    if !found.is_file() {
        return Err(NetworkFault::Unreadable {
            reason: "it is no file".to_owned(),
        });
    }
    too_large("a file", found.len(), MAX_FILE)?;
    let mut content = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE)
        .read_to_end(&mut content)
        .map_err(unreadable)?;
    Ok(content)
}

/// What the file says of its network, and its program's text; fails where the program is none of `export_network.py`'s.
pub(super) fn open(content: &[u8]) -> Result<(Description, String), NetworkFault> {
    let strange = |reason: String| NetworkFault::NotExported { reason };
    let mut archive = ZipArchive::new(Cursor::new(content)).map_err(|e| strange(e.to_string()))?;
    check_directory(content, archive.len()).map_err(|reason| strange(reason.to_owned()))?;
    let (mut described, mut program, mut unpacked) = (None, String::new(), 0u64);
    let mut names = BTreeSet::new();
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).map_err(|e| strange(e.to_string()))?;
        let name = entry.name().map_err(|e| strange(e.to_string()))?.into_owned();
        // libtorch finds an entry whatever the case of its letters.
        let folded = name.to_lowercase();
        if !names.insert(folded.clone()) {
            return Err(strange(format!("it has two entries {name}")));
        }
        let size = entry.size();
        unpacked = unpacked.saturating_add(size);
        too_large("entries", unpacked, MAX_UNPACKED)?;
        let is_description = folded.ends_with(NETWORK_DESCRIPTION);
        if is_description {
            too_large("a description", size, MAX_DESCRIPTION)?;
        }
        let mut bytes = Vec::new();
        // An entry may hold more than it says.
        let read = entry.by_ref().take(size + 1).read_to_end(&mut bytes);
        if read.map_err(|e| strange(format!("{name}: {e}")))? as u64 != size {
            return Err(strange(format!(
                "{name} has other than the {size} bytes that it says"
            )));
        }
        if is_description {
            if described.replace(bytes).is_some() {
                return Err(strange(format!("it has two entries …{NETWORK_DESCRIPTION}")));
            }
        } else if folded.contains("/code/") {
            let text = String::from_utf8(bytes).map_err(|e| strange(format!("{name}: {e}")))?;
            code::check(&text)?;
            program.push_str(&text);
        }
    }
    let bytes = described.ok_or_else(|| strange(format!("it has no entry …{NETWORK_DESCRIPTION}")))?;
    let mut value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| strange(e.to_string()))?;
    let format = value.as_object_mut().and_then(|fields| fields.remove("format"));
    match format.as_ref().and_then(serde_json::Value::as_u64) {
        Some(format) if format == u64::from(FORMAT) => {}
        Some(_) | None => {
            return Err(NetworkFault::Format {
                found: format.map_or("none".to_owned(), |format| format.to_string()),
                read: FORMAT,
            });
        }
    }
    let description = serde_json::from_value(value).map_err(|e| strange(e.to_string()))?;
    Ok((description, program))
}

/// Whether the archive has one directory, at its end, of this many entries: one in which whoever reads it finds the same.
fn check_directory(content: &[u8], n_entries: usize) -> Result<(), &'static str> {
    const END: usize = 22;
    let end = content.len().checked_sub(END).map(|start| &content[start..]);
    let number = |at: usize, n: usize| {
        let bytes = end.iter().flat_map(|end| &end[at..at + n]).rev();
        bytes.fold(0usize, |number, &byte| number << 8 | usize::from(byte))
    };
    if end.is_none_or(|end| !end.starts_with(b"PK\x05\x06")) {
        return Err("something stands behind its directory");
    }
    if number(12, 4).checked_add(number(16, 4)) != Some(content.len() - END) {
        return Err("its directory is not where it says");
    }
    // A reader that knows entries by their names keeps one of each.
    if number(10, 2) != n_entries || number(8, 2) != n_entries {
        return Err("it has two entries of one name");
    }
    Ok(())
}

fn too_large(what: &str, bytes: u64, max: u64) -> Result<(), NetworkFault> {
    if bytes <= max {
        return Ok(());
    }
    Err(NetworkFault::TooLarge {
        what: what.to_owned(),
        bytes,
        max,
    })
}
