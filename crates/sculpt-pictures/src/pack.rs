//! Packs: pictures in few large files, at the size that training reads.
//!
//! A pack is a folder. `pack.json` is its index: sealed JSON (see `sculpt_store::sealed`) with parameters, classes, digests,
//! shards (of each its records, its table's CRC-32, its bytes and its SHA-256) and what was left out; it is written last, so a
//! folder without it is half made. Beside it lie the shards,
//! `train-00000.shard`, `val-00000.shard` and so on, in the order of the pictures, each at most 2 GiB and usually a little
//! under 256 MiB. All numbers are little-endian; CRC-32 is that of PNG and zip.
//!
//! | shard, from byte | bytes | is |
//! | --- | --- | --- |
//! | 0 | 8 | `SCULPTSH` |
//! | 8 | 4 | version, 1 |
//! | 12 | 4 | number of records, n |
//! | 16 | 8 | where the table begins, t |
//! | 24 | 4 | CRC-32 of the table |
//! | 28 | 4 | CRC-32 of bytes 0 to 27 |
//! | 32 | t − 32 | records, one behind the other |
//! | t | 20 · n | table, to the end of the file |
//!
//! | row of the table, from byte | bytes | is |
//! | --- | --- | --- |
//! | 0 | 8 | where its record begins |
//! | 8 | 4 | bytes of the record |
//! | 12 | 4 | CRC-32 of the record |
//! | 16 | 2 | label; 65535: it was left out, and is no picture of the pack |
//! | 18 | 2 | bytes of the name, m |
//!
//! | record, from byte | bytes | is |
//! | --- | --- | --- |
//! | 0 | 32 | SHA-256 of the file that it was made of |
//! | 32 | 8 | bytes of that file |
//! | 40 | m | name from the root of the set, UTF-8 |
//! | 40 + m | the rest | the picture: JPEG; or `SCULPT3B`, columns and rows (4 bytes each), then red, green, blue of each pixel, row by row; of one that was left out, why, UTF-8 |

mod begin;
mod check;
mod index;
mod listing;
mod make;
mod read;
mod shard;
mod write;

pub use index::{Codec, LeftOut, PackParameters, Quality, ShortSide};
pub use make::make_and_forget;
pub use read::{Pack, PackPart};
pub use write::{Packing, PackingProgress, SHARD_BYTES, pack};
