//! A dictionary of tensors as `torch.save` writes one: a zip file of a pickle and the numbers.

use crate::CheckpointError;
use crate::parts::{self, Data, Part, refused};
use sculpt_store::atomic;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// What the names of such files end in.
const ENDS: [&str; 5] = ["pt", "pth", "th", "ckpt", "bin"];

/// The folder of all entries; PyTorch takes any.
const FOLDER: &str = "archive";

/// Where numbers begin, as in PyTorch's own files: a multiple of this many bytes.
const ALIGNMENT: u16 = 64;

/// Whether a file of this name is expected to be one of `torch.save`.
pub(crate) fn is_torch_name(path: &Path) -> bool {
    let end = path.extension().and_then(|end| end.to_str());
    end.is_some_and(|end| ENDS.contains(&end))
}

/// Equal tensors make equal bytes.
pub(crate) fn write(path: &Path, parts: &[Part]) -> Result<(), CheckpointError> {
    parts::check(parts).map_err(refused(path))?;
    Ok(atomic::write_with(path, |file| {
        emit(parts, file).map_err(io::Error::from)
    })?)
}

fn emit(parts: &[Part], file: &mut File) -> zip::result::ZipResult<()> {
    let mut archive = ZipWriter::new(file);
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .with_alignment(ALIGNMENT);
    let mut entry = |name: &str, n_bytes: usize, fill: &dyn Fn(&mut dyn Write) -> io::Result<()>| {
        let options = options.large_file(n_bytes as u64 >= u64::from(u32::MAX));
        archive.start_file(format!("{FOLDER}/{name}"), options)?;
        Ok::<_, zip::result::ZipError>(fill(&mut archive)?)
    };
    let text = |text: &'static str| move |to: &mut dyn Write| to.write_all(text.as_bytes());
    let pickle = pickle(parts);
    entry("data.pkl", pickle.len(), &|to| to.write_all(&pickle))?;
    entry(".format_version", 1, &text("1"))?;
    entry("byteorder", 6, &text("little"))?;
    for (i, part) in parts.iter().enumerate() {
        let n_bytes = part.data.n_bytes();
        entry(&format!("data/{i}"), n_bytes, &|to| part.data.write_to(to))?;
    }
    entry("version", 2, &text("3\n"))?;
    archive.finish()?;
    Ok(())
}

/// `OrderedDict` of the tensors, each the whole of a storage of its own, in protocol 2 and without a memo.
fn pickle(parts: &[Part]) -> Vec<u8> {
    const ORDERED_DICT: &[u8] = b"ccollections\nOrderedDict\n)R";
    let mut to = b"\x80\x02".to_vec();
    to.extend(ORDERED_DICT);
    to.push(b'(');
    for (i, part) in parts.iter().enumerate() {
        text(&mut to, &part.name);
        to.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut to, "storage");
        to.extend(b"ctorch\n");
        to.extend(storage(&part.data).as_bytes());
        to.push(b'\n');
        text(&mut to, &i.to_string());
        text(&mut to, "cpu");
        number(&mut to, part.data.len());
        to.extend(b"tQ");
        // Where in the storage it begins, its shape and its strides.
        number(&mut to, 0);
        numbers(&mut to, &part.shape);
        let strides: Vec<usize> = (1..=part.shape.len())
            .map(|axis| part.shape[axis..].iter().product())
            .collect();
        numbers(&mut to, &strides);
        // No gradient, and no hooks.
        to.push(0x89);
        to.extend(ORDERED_DICT);
        to.extend(b"tR");
    }
    to.extend(b"u.");
    to
}

/// The type of PyTorch's that holds such numbers.
fn storage(data: &Data) -> &'static str {
    match data {
        Data::F32(_) => "FloatStorage",
        Data::F64(_) => "DoubleStorage",
        Data::I64(_) => "LongStorage",
        Data::U8(_) | Data::OwnU8(_) => "ByteStorage",
    }
}

fn text(to: &mut Vec<u8>, text: &str) {
    to.push(b'X');
    to.extend((text.len() as u32).to_le_bytes());
    to.extend(text.as_bytes());
}

fn numbers(to: &mut Vec<u8>, values: &[usize]) {
    to.push(b'(');
    values.iter().for_each(|&value| number(to, value));
    to.push(b't');
}

/// In four bytes where they suffice, else in nine, the last of which is the sign.
fn number(to: &mut Vec<u8>, value: usize) {
    match i32::try_from(value) {
        Ok(small) => {
            to.push(b'J');
            to.extend(small.to_le_bytes());
        }
        Err(_) => {
            to.extend([0x8a, 9]);
            to.extend((value as u64).to_le_bytes());
            to.push(0);
        }
    }
}
