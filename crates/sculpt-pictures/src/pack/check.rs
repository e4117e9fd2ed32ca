use super::Pack;
use super::index::{Codec, LeftOut, digest_of};
use super::shard::{NO_LABEL, Shard};
use crate::{Part, PictureDigest, PictureError};
use sculpt_store::canonical::hex;
use sculpt_store::paths;
use sha2::{Digest as _, Sha256};

impl Pack {
    /// Reads every record, and finds the index to say what they say: the digest of what was packed, that of what is trained
    /// on, and what was left out; and every record to lie in the folder of its class.
    ///
    /// # Errors
    /// The first thing that differs; what the operating system refuses.
    pub fn check(&self) -> Result<(), PictureError> {
        let index = &self.index;
        let wrong = |problem: String| PictureError::pack(paths::pack_index(&self.folder), problem);
        let (mut digest, mut is_whole, mut left_out) = (PictureDigest::new(), true, Vec::new());
        for part in Part::ALL {
            for number in 0..index.shards(part).len() {
                let path = paths::pack_shard(&self.folder, part.word(), number);
                let shard = Shard::open(&path, index.classes.len())?;
                let mut bytes = Vec::new();
                for (i, row) in shard.rows().iter().enumerate() {
                    shard.read(i, &mut bytes)?;
                    let record = shard.take_apart(i, &bytes)?;
                    digest.add(record.name, record.source_bytes, &hex(record.source_sha256))?;
                    if row.label == NO_LABEL {
                        left_out.push(LeftOut {
                            name: record.name.to_owned(),
                            because: String::from_utf8_lossy(record.payload).into_owned(),
                        });
                        continue;
                    }
                    let is_kept = record.payload.len() as u64 == record.source_bytes
                        && Sha256::digest(record.payload).as_slice() == record.source_sha256;
                    is_whole &= is_kept;
                    let is_raw = record.payload.starts_with(crate::raw::MAGIC);
                    if !is_kept && is_raw != (index.parameters.codec == Codec::Raw) {
                        let problem =
                            format!("record {i}, {}, has another form than the pack says", record.name);
                        return Err(PictureError::pack(path, problem));
                    }
                    let class = &index.classes[usize::from(row.label)];
                    if !record.name.starts_with(&format!("{}/{class}/", part.word())) {
                        let problem = format!("record {i}, {}, has the label of {class}", record.name);
                        return Err(PictureError::pack(path, problem));
                    }
                }
            }
        }
        let source = digest.finish();
        if source != index.source {
            let problem = format!(
                "its records are of files with digest {source}, and it says {}",
                index.source
            );
            return Err(wrong(problem));
        }
        if left_out != index.left_out {
            return Err(wrong("its records left out others than it says".to_owned()));
        }
        let trained_on = digest_of(&source, index.parameters, is_whole && left_out.is_empty());
        if trained_on != index.digest {
            let problem = format!(
                "its records have digest {trained_on}, and it says {}",
                index.digest
            );
            return Err(wrong(problem));
        }
        Ok(())
    }
}
