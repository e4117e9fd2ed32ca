use super::Pack;
use super::begin::{begin, write_sealed};
use super::index::{Begun, Codec, FORMAT, Index, LeftOut, PackParameters, ShardEntry, digest_of};
use super::listing::Listing;
use super::make::{self, Made, Maker};
use super::shard::{HEADER, MOST_SHARD_BYTES, NO_LABEL, RECORD_HEADER, ROW, Row, Shard, header};
use crate::error::refused;
use crate::source::parts;
use crate::{Lying, Part, PictureDigest, PictureError, Pictures, open};
use rayon::ThreadPool;
use rayon::prelude::*;
use sculpt_store::canonical::hex;
use sculpt_store::digest::Digest;
use sculpt_store::{Lock, atomic, paths};
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// How a pack is made.
#[derive(Clone, Copy, Debug)]
pub struct Packing {
    /// What it will hold.
    pub parameters: PackParameters,
    /// Threads that decode and encode; at least 1. They change no byte.
    pub workers: usize,
    /// How many pictures that nobody can read may be left out.
    pub most_left_out: usize,
    /// A shard is closed before it has more bytes than this ([`SHARD_BYTES`] usually, 2 GiB at most), so that a kill costs no more
    /// than this much work. A picture that is longer by itself has one for itself.
    pub shard_bytes: u64,
}

/// How far a pack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackingProgress {
    /// Pictures that are done with.
    pub done: usize,
    /// All of them.
    pub n: usize,
    /// Of those done, the ones that an earlier run had packed.
    pub found: usize,
    /// Bytes of records until now.
    pub bytes: u64,
}

/// The usual most bytes of a shard.
pub const SHARD_BYTES: u64 = 1 << 28;

/// Pictures a thread that are in memory at once.
const CHUNK: usize = 32;

/// Packs the pictures in `source` into the folder `out`, or goes on where it was stopped or killed. The bytes are the same,
/// whatever was interrupted and however many threads there are. `progress` is called every few pictures, and may stop it.
///
/// # Errors
/// A folder that holds another pack, or one that was begun otherwise; more unreadable pictures than may be left out; what the
/// file system refuses.
pub fn pack(
    source: &Path,
    out: &Path,
    packing: Packing,
    progress: &mut dyn FnMut(&PackingProgress) -> ControlFlow<()>,
) -> Result<Pack, PictureError> {
    let packing = Packing {
        parameters: packing.parameters.canonical(),
        ..packing
    };
    let lying = Lying::of(source)?;
    if lying == Lying::Packed {
        return Err(PictureError::pack(
            source,
            "it is a pack already: pack what it was made of",
        ));
    }
    refuse_inside(source, out)?;
    let mut halves = Vec::new();
    for part in parts(source, lying) {
        halves.push((part, open(source, part)?));
    }
    let classes = halves[0].1.classes().names().to_vec();
    let Listing { names, listing } = Listing::of(&halves)?;
    let begun = Begun {
        parameters: packing.parameters,
        names,
    };
    atomic::create_folder(out)?;
    let _lock = Lock::exclusive(&paths::lock(out))?;
    let n = halves.iter().map(|(_, pictures)| pictures.len()).sum();
    if begin(out, &begun, &listing, n, progress)? {
        return Pack::open(out);
    }
    atomic::tidy(out)?;
    let pool = make::pool(packing.workers)?;
    let mut packer = Packer {
        out,
        packing,
        pool,
        progress,
        so_far: PackingProgress {
            done: 0,
            n,
            found: 0,
            bytes: 0,
        },
        digest: PictureDigest::new(),
        is_whole: true,
        left_out: Vec::new(),
    };
    let mut entries = [Vec::new(), Vec::new()];
    for (part, pictures) in &halves {
        entries[*part as usize] = packer.half(*part, pictures)?;
    }
    let Packer {
        digest,
        is_whole,
        left_out,
        ..
    } = packer;
    let source = digest.finish();
    let [train, val] = entries;
    let index = Index {
        format: FORMAT,
        parameters: packing.parameters,
        classes,
        digest: digest_of(&source, packing.parameters, is_whole),
        source,
        listing,
        train,
        val,
        left_out,
    };
    write_sealed(&paths::pack_index(out), &index)?;
    let marker = paths::pack_begun(out);
    fs::remove_file(&marker).map_err(refused(&marker, "remove"))?;
    Pack::open(out)
}

/// A pack among the pictures would be one of them, or hide them.
fn refuse_inside(source: &Path, out: &Path) -> Result<(), PictureError> {
    let whole = |path: &Path| path.canonicalize().map_err(refused(path, "find"));
    let source = whole(source)?;
    let there = out.ancestors().find(|path| path.exists());
    let there = whole(there.unwrap_or(Path::new(".")))?;
    if there.starts_with(&source) {
        let problem = format!(
            "it is inside {}, whose pictures are packed: give another folder",
            source.display()
        );
        return Err(PictureError::pack(out, problem));
    }
    Ok(())
}

struct Packer<'a> {
    out: &'a Path,
    packing: Packing,
    pool: ThreadPool,
    progress: &'a mut dyn FnMut(&PackingProgress) -> ControlFlow<()>,
    so_far: PackingProgress,
    digest: PictureDigest,
    /// Whether all files are kept byte by byte, and none is left out.
    is_whole: bool,
    left_out: Vec<LeftOut>,
}

/// What was made and does not stand in a shard yet, and which picture comes next.
struct Queue<'a> {
    pictures: &'a Arc<dyn Pictures>,
    next: usize,
    made: VecDeque<Made>,
}

impl Packer<'_> {
    /// All shards of one half.
    fn half(&mut self, part: Part, pictures: &Arc<dyn Pictures>) -> Result<Vec<ShardEntry>, PictureError> {
        let mut entries = Vec::new();
        let mut queue = Queue {
            pictures,
            next: 0,
            made: VecDeque::new(),
        };
        let mut path = paths::pack_shard(self.out, part.word(), 0);
        while path.is_file() {
            // One that is damaged is made again, and those behind it.
            let Ok(shard) = Shard::open(&path, pictures.classes().names().len()) else {
                break;
            };
            if !self.adopt(&shard, &mut queue)? {
                break;
            }
            entries.push(ShardEntry {
                records: shard.rows().len() as u32,
                table_crc32: shard.table_crc(),
                file: Digest::of_file(&path)?,
            });
            path = paths::pack_shard(self.out, part.word(), entries.len());
        }
        while queue.next < pictures.len() || !queue.made.is_empty() {
            let path = paths::pack_shard(self.out, part.word(), entries.len());
            let mut failed = None;
            let (mut records, mut table_crc32) = (0, 0);
            let written = atomic::write_with(&path, |file| {
                let filled = self.fill(file, &mut queue, &mut failed);
                filled.map(|found| (records, table_crc32) = found)
            });
            if let Some(error) = failed {
                return Err(error);
            }
            written?;
            let file = Digest::of_file(&path)?;
            entries.push(ShardEntry {
                records,
                table_crc32,
                file,
            });
        }
        Ok(entries)
    }

    /// Takes a shard of an earlier run in; `false` where a record of it is damaged, or not of the pictures that come next.
    fn adopt(&mut self, shard: &Shard, queue: &mut Queue<'_>) -> Result<bool, PictureError> {
        let (mut bytes, mut found) = (Vec::new(), Vec::new());
        for (i, row) in shard.rows().iter().enumerate() {
            let place = queue.next + i;
            if place >= queue.pictures.len() || shard.read(i, &mut bytes).is_err() {
                return Ok(false);
            }
            let record = shard.take_apart(i, &bytes)?;
            let has_label = row.label == NO_LABEL || row.label == queue.pictures.label(place);
            let is_of = record.name == queue.pictures.name(place)?
                && record.source_bytes == queue.pictures.n_bytes(place)?;
            if !is_of || !has_label {
                return Ok(false);
            }
            let payload = record.payload;
            let is_whole = payload.len() as u64 == record.source_bytes
                && Sha256::digest(payload).as_slice() == record.source_sha256;
            let is_raw = payload.starts_with(crate::raw::MAGIC);
            // A shard does not say how it was made: what it holds does.
            let is_other = is_raw != (self.packing.parameters.codec == Codec::Raw);
            if row.label != NO_LABEL && is_other && !is_whole {
                return Ok(false);
            }
            let because = (row.label == NO_LABEL).then(|| String::from_utf8_lossy(payload).into_owned());
            let sha256 = hex(record.source_sha256);
            found.push((
                record.name.to_owned(),
                record.source_bytes,
                sha256,
                is_whole,
                because,
            ));
        }
        for (name, n_bytes, sha256, is_whole, because) in found {
            self.take_in(name, n_bytes, &sha256, is_whole, because)?;
        }
        queue.next += shard.rows().len();
        self.so_far.done += shard.rows().len();
        self.so_far.found += shard.rows().len();
        self.so_far.bytes += shard.rows().iter().map(|row| u64::from(row.bytes)).sum::<u64>();
        self.report()?;
        Ok(true)
    }

    fn take_in(
        &mut self,
        name: String,
        n_bytes: u64,
        sha256: &str,
        is_whole: bool,
        because: Option<String>,
    ) -> Result<(), PictureError> {
        self.digest.add(&name, n_bytes, sha256)?;
        match because {
            None => self.is_whole &= is_whole,
            Some(because) => {
                // Who reads the files has it in its place.
                self.is_whole = false;
                self.left_out.push(LeftOut { name, because });
                let most = self.packing.most_left_out;
                if self.left_out.len() > most {
                    let line = |left: &LeftOut| format!("{}: {}", left.name, left.because);
                    let names = self.left_out.iter().map(line).collect();
                    return Err(PictureError::TooManyUnreadable { names, most });
                }
            }
        }
        Ok(())
    }

    fn report(&mut self) -> Result<(), PictureError> {
        match (self.progress)(&self.so_far) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(PictureError::Stopped),
        }
    }

    /// Writes one shard; returns its number of records and its table's CRC-32. An error of ours goes into `failed`.
    fn fill(
        &mut self,
        file: &mut File,
        queue: &mut Queue<'_>,
        failed: &mut Option<PictureError>,
    ) -> io::Result<(u32, u32)> {
        let mut ours = |error: PictureError| {
            *failed = Some(error);
            io::Error::other("see the error beside this one")
        };
        let most = self.packing.shard_bytes.min(MOST_SHARD_BYTES);
        file.write_all(&[0; HEADER])?;
        let (mut end, mut table, mut n) = (HEADER as u64, Vec::new(), 0);
        loop {
            if queue.made.is_empty() {
                let made = self.make(queue).map_err(&mut ours)?;
                queue.made = made;
            }
            let Some(made) = queue.made.pop_front() else { break };
            let bytes = made.record.len() as u64;
            if n > 0 && end + bytes + (table.len() + ROW) as u64 > most {
                queue.made.push_front(made);
                break;
            }
            file.write_all(&made.record)?;
            let row = Row {
                offset: end,
                bytes: made.record.len() as u32,
                crc: crc32fast::hash(&made.record),
                label: made.label,
                name_bytes: made.name.len() as u16,
            };
            table.extend_from_slice(&row.to_bytes());
            end += bytes;
            n += 1;
            let payload = &made.record[RECORD_HEADER + made.name.len()..];
            let because = (made.label == NO_LABEL).then(|| String::from_utf8_lossy(payload).into_owned());
            let sha256 = hex(&made.source_sha256);
            self.take_in(made.name, made.source_bytes, &sha256, made.is_whole, because)
                .map_err(&mut ours)?;
            self.so_far.done += 1;
            self.so_far.bytes += bytes;
        }
        file.write_all(&table)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&header(n, end, &table))?;
        Ok((n, crc32fast::hash(&table)))
    }

    /// Records of the next pictures, in their order.
    fn make(&mut self, queue: &mut Queue<'_>) -> Result<VecDeque<Made>, PictureError> {
        self.report()?;
        let end = queue
            .pictures
            .len()
            .min(queue.next + CHUNK * self.pool.current_num_threads());
        let (pictures, parameters, next) = (queue.pictures, self.packing.parameters, queue.next);
        let make = |maker: &mut Maker, i: usize| maker.make(&**pictures, i, parameters);
        let made: Result<Vec<Made>, PictureError> = self.pool.install(|| {
            let places = (next..end).into_par_iter();
            places.map_init(Maker::default, make).collect()
        });
        queue.next = end;
        Ok(made?.into())
    }
}
