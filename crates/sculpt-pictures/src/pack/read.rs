use super::index::{Index, LeftOut, PackParameters};
use super::shard::{NO_LABEL, Shard};
use crate::error::refused;
use crate::{Classes, Part, PictureError, Pictures};
use sculpt_store::digest::Digest;
use sculpt_store::paths;
use std::path::{Path, PathBuf};

/// A pack that is whole.
#[derive(Debug)]
pub struct Pack {
    pub(super) folder: PathBuf,
    pub(super) index: Index,
}

impl Pack {
    /// Reads the index.
    ///
    /// # Errors
    /// A folder that is no pack, or a half-made one; a damaged index, or one of another version.
    pub fn open(folder: &Path) -> Result<Self, PictureError> {
        let index = Index::read(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            index,
        })
    }

    /// How it was packed.
    pub fn parameters(&self) -> PackParameters {
        self.index.parameters
    }

    /// Digest of what is trained on: that of the files (see [`PictureDigest`](crate::PictureDigest)) where all of them are
    /// kept byte by byte and none is left out, else the SHA-256 of the canonical JSON
    /// `{"pack": parameters, "source": the files' digest}`.
    pub fn digest(&self) -> &str {
        &self.index.digest
    }

    /// [`PictureDigest`](crate::PictureDigest) of the files that it was made of.
    pub fn source_digest(&self) -> &str {
        &self.index.source
    }

    /// What nobody could read of the files.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.index.left_out
    }

    /// One half of its pictures. Tables are read and checked, and no record is.
    ///
    /// # Errors
    /// A half that it does not have; shards that are damaged, or others than the index records.
    pub fn part(&self, part: Part) -> Result<PackPart, PictureError> {
        let entries = self.index.shards(part);
        if entries.is_empty() {
            let problem = format!("this pack has no {}", part.word());
            return Err(PictureError::pack(&self.folder, problem));
        }
        let classes = Classes::new(self.index.classes.clone());
        if classes.names() != self.index.classes {
            return Err(PictureError::pack(&self.folder, "its classes are not sorted"));
        }
        let (mut shards, mut places) = (Vec::new(), Vec::new());
        for (number, entry) in entries.iter().enumerate() {
            let path = paths::pack_shard(&self.folder, part.word(), number);
            let length = path.metadata().map_err(refused(&path, "open"))?.len();
            if length != entry.file.bytes {
                let problem = format!(
                    "it has {length} bytes, and the index records {}",
                    entry.file.bytes
                );
                return Err(PictureError::pack(path, problem));
            }
            let shard = Shard::open(&path, classes.names().len())?;
            let found = shard.rows().len();
            if found != entry.records as usize {
                let problem = format!("it has {found} records, and the index records {}", entry.records);
                return Err(PictureError::pack(path, problem));
            }
            if shard.table_crc() != entry.table_crc32 {
                let problem = "it is another shard than the index records: of another pack, or made again";
                return Err(PictureError::pack(path, problem));
            }
            let pictures = shard
                .rows()
                .iter()
                .enumerate()
                .filter(|(_, row)| row.label != NO_LABEL);
            places.extend(pictures.map(|(i, _)| (number as u32, i as u32)));
            shards.push(shard);
        }
        let of_part = format!("{}/", part.word());
        let left_out = self.index.left_out.iter();
        let left_out = left_out.filter(|left| left.name.starts_with(&of_part));
        Ok(PackPart {
            left_out: left_out
                .map(|left| format!("{}: {}", left.name, left.because))
                .collect(),
            classes,
            shards,
            places,
        })
    }

    /// Its shards, and what the index records of each: `Digest::check` reads one and tells whether it is that.
    pub fn shards(&self) -> impl Iterator<Item = (PathBuf, &Digest)> {
        Part::ALL.into_iter().flat_map(move |part| {
            let entries = self.index.shards(part).iter().enumerate();
            entries.map(move |(number, entry)| {
                let path = paths::pack_shard(&self.folder, part.word(), number);
                (path, &entry.file)
            })
        })
    }

    /// Pictures in both halves.
    ///
    /// # Errors
    /// More left out than there are records.
    pub fn n_pictures(&self) -> Result<usize, PictureError> {
        let all = self.index.train.iter().chain(&self.index.val);
        let records: usize = all.map(|entry| entry.records as usize).sum();
        let n = records.checked_sub(self.index.left_out.len());
        n.ok_or_else(|| PictureError::pack(&self.folder, "it has fewer records than were left out"))
    }

    /// Bytes of its shards.
    pub fn n_bytes(&self) -> u64 {
        let all = self.index.train.iter().chain(&self.index.val);
        all.map(|entry| entry.file.bytes).sum()
    }
}

/// One half of a pack's pictures. Each record's checksum is checked when the record is first read.
#[derive(Debug)]
pub struct PackPart {
    classes: Classes,
    shards: Vec<Shard>,
    /// Shard and record of each picture.
    places: Vec<(u32, u32)>,
    left_out: Vec<String>,
}

impl PackPart {
    fn place(&self, i: usize) -> (&Shard, usize) {
        let (shard, record) = self.places[i];
        (&self.shards[shard as usize], record as usize)
    }
}

impl Pictures for PackPart {
    fn left_out(&self) -> Vec<String> {
        self.left_out.clone()
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    fn classes(&self) -> &Classes {
        &self.classes
    }

    fn label(&self, i: usize) -> u16 {
        let (shard, record) = self.place(i);
        shard.rows()[record].label
    }

    fn name(&self, i: usize) -> Result<String, PictureError> {
        let (shard, record) = self.place(i);
        let mut bytes = Vec::new();
        shard.read(record, &mut bytes)?;
        Ok(shard.take_apart(record, &bytes)?.name.to_owned())
    }

    fn n_bytes(&self, i: usize) -> Result<u64, PictureError> {
        let (shard, record) = self.place(i);
        Ok(shard.rows()[record].picture_bytes())
    }

    fn read(&self, i: usize, bytes: &mut Vec<u8>) -> Result<(), PictureError> {
        let (shard, record) = self.place(i);
        shard.picture(record, bytes)
    }
}
