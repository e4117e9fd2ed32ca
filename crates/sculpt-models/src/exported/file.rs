//! The file: an archive with the program's code, and the description beside it. Looked through before libtorch sees any of it.

use super::NetworkFault;
use super::description::Description;
use sculpt_store::paths::NETWORK_DESCRIPTION;
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

/// What libtorch's interpreter has that reaches beyond tensors, as code without spaces and comments says it.
const TOUCHES_FILES: [&str; 4] = ["from_file", ".save(", ".load(", "ops.image"];

/// The first of these that a piece of code says, however it is spaced out.
fn touches_files(code: &str) -> Option<&'static str> {
    let said: String = code
        .lines()
        .map(|line| line.split_once('#').map_or(line, |(before, _)| before))
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace() && *c != '\\')
        .collect();
    // A string may hold a # that begins no comment.
    let all: String = code
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '\\')
        .collect();
    TOUCHES_FILES
        .into_iter()
        .find(|word| said.contains(word) || all.contains(word))
}

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

/// What the file says of its network; fails where the program is none of `export_network.py`'s.
pub(super) fn description(content: &[u8]) -> Result<Description, NetworkFault> {
    let strange = |reason: String| NetworkFault::NotExported { reason };
    let mut archive = ZipArchive::new(Cursor::new(content)).map_err(|e| strange(e.to_string()))?;
    let (mut described, mut unpacked) = (None, 0u64);
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).map_err(|e| strange(e.to_string()))?;
        let name = entry.name().map_err(|e| strange(e.to_string()))?.into_owned();
        let size = entry.size();
        unpacked = unpacked.saturating_add(size);
        too_large("entries", unpacked, MAX_UNPACKED)?;
        let is_description = name.ends_with(NETWORK_DESCRIPTION);
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
            described = Some(bytes);
        } else if name.contains("/code/") {
            let code = String::from_utf8_lossy(&bytes);
            if let Some(word) = touches_files(&code) {
                return Err(NetworkFault::TouchesFiles { word });
            }
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
    serde_json::from_value(value).map_err(|e| strange(e.to_string()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_however_they_are_spaced() {
        for code in [
            "_z = torch.from_file(\"x\", True)",
            "_z = torch.from_file (\"x\", True)",
            "_z = torch. \\\n  from_file # (\n (\"x\")",
            "a = \"#\"; _z = torch.save (x, \"y\")",
            "_z = ops . image.decode(x)",
        ] {
            assert!(touches_files(code).is_some(), "{code}");
        }
        assert_eq!(touches_files("return torch.relu(x) # load (it)"), None);
    }
}
