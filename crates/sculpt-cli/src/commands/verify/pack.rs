//! A pack of pictures: its index, every shard against it, and the index against the records.

use super::findings::{Findings, PlaceKind};
use sculpt_pictures::Pack;
use sculpt_store::digest::Mismatch;
use sculpt_store::paths;
use std::path::Path;

pub(super) fn verify(path: &Path, findings: &mut Findings) {
    findings.checked += 1;
    let index = paths::pack_index(path);
    let pack = match Pack::open(path) {
        Ok(pack) => pack,
        Err(error) => return findings.say(&index, PlaceKind::Description, error.to_string()),
    };
    let mut all_right = true;
    for (shard, digest) in pack.shards() {
        findings.checked += 1;
        let Err(mismatch) = digest.check(&shard) else {
            continue;
        };
        let kind = match &mismatch {
            Mismatch::Bytes { .. } => PlaceKind::Size,
            Mismatch::Sha256 { .. } => PlaceKind::Checksum,
            Mismatch::File(_) if !shard.exists() => PlaceKind::MissingFile,
            Mismatch::File(_) => PlaceKind::Unreadable,
        };
        all_right = false;
        findings.say(&shard, kind, mismatch.to_string());
    }
    // What the index says of records that are damaged is known to be of others.
    if all_right && let Err(error) = pack.check() {
        findings.say(&index, PlaceKind::Description, error.to_string());
    }
}
