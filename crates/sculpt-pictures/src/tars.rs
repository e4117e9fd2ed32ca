//! The files that ImageNet's owners give out, read where they are: a tar of a tar a class, a tar of validation pictures, and
//! the development kit that has their labels.

use crate::classes::{MOST_CLASSES, is_wnid};
use crate::error::refused;
use crate::folder::MOST_BYTES;
use crate::names::Names;
use crate::section::{Section, open_file, read_at};
use crate::{Classes, Part, PictureError, Pictures, devkit};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use tar::EntryType;

const TRAIN: &str = "ILSVRC2012_img_train.tar";
const VAL: &str = "ILSVRC2012_img_val.tar";
const DEVKIT: &str = "ILSVRC2012_devkit_t12.tar.gz";

/// Pictures inside a tar file.
#[derive(Debug)]
pub(crate) struct Tars {
    path: PathBuf,
    file: File,
    part: Part,
    classes: Classes,
    names: Names,
    /// Where each picture begins in the file, and its bytes.
    places: Vec<(u64, u32)>,
}

/// A file in an archive: its name, where it begins in the archive's file, its bytes.
struct Entry {
    name: String,
    start: u64,
    n: u64,
}

impl Tars {
    pub(crate) fn are_in(folder: &Path) -> bool {
        Part::ALL.iter().any(|part| Self::path(folder, *part).is_file())
    }

    pub(crate) fn path(folder: &Path, part: Part) -> PathBuf {
        folder.join(match part {
            Part::Train => TRAIN,
            Part::Val => VAL,
        })
    }

    /// The files that there are of them.
    pub(crate) fn paths(folder: &Path) -> impl Iterator<Item = PathBuf> {
        let all = [TRAIN, VAL, DEVKIT].map(|name| folder.join(name));
        all.into_iter().filter(|path| path.is_file())
    }

    /// Walks through the headers once; of the pictures nothing is read.
    pub(crate) fn open(folder: &Path, part: Part) -> Result<Self, PictureError> {
        let path = Self::path(folder, part);
        let file = open_file(&path)?;
        let (classes, by_class) = match part {
            Part::Train => {
                let tars = class_tars(&file, &path)?;
                let classes = classes_of(&tars);
                let mut by_class = BTreeMap::new();
                for (class, tar) in tars {
                    let entries = entries(&file, &path, tar.start, tar.n)?;
                    by_class.insert(class, entries.into_iter().map(flat).collect());
                }
                (classes, by_class)
            }
            Part::Val => validation(folder, &file, &path)?,
        };
        Self::new(path, file, part, classes, by_class)
    }

    fn new(
        path: PathBuf,
        file: File,
        part: Part,
        classes: Classes,
        mut by_class: BTreeMap<String, Vec<Entry>>,
    ) -> Result<Self, PictureError> {
        if classes.names().len() > MOST_CLASSES {
            return Err(PictureError::layout(path, "it has more than 65,535 classes"));
        }
        let (mut names, mut places) = (Names::new(), Vec::new());
        for class in classes.names() {
            let mut entries = by_class.remove(class).unwrap_or_default();
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            if let Some(twice) = entries.windows(2).find(|pair| pair[0].name == pair[1].name) {
                let problem = format!("{} of class {class} is in it twice", twice[0].name);
                return Err(PictureError::layout(&path, problem));
            }
            if entries.is_empty() && part == Part::Train {
                return Err(PictureError::layout(
                    path,
                    format!("its class {class} has no pictures"),
                ));
            }
            names.add_class(entries.iter().map(|entry| entry.name.as_str()))?;
            for entry in entries {
                let n = u32::try_from(entry.n)
                    .ok()
                    .filter(|n| u64::from(*n) <= MOST_BYTES);
                let n = n.ok_or_else(|| {
                    let problem = format!("{} has {} bytes, and no picture is as long", entry.name, entry.n);
                    PictureError::layout(&path, problem)
                })?;
                places.push((entry.start, n));
            }
        }
        if places.is_empty() {
            return Err(PictureError::layout(path, "it has no pictures"));
        }
        Ok(Self {
            path,
            file,
            part,
            classes,
            names,
            places,
        })
    }
}

/// An archive may have its files in folders.
fn flat(mut entry: Entry) -> Entry {
    if let Some((_, name)) = entry.name.rsplit_once('/') {
        entry.name = name.to_owned();
    }
    entry
}

/// The archives in the training archive, with their classes.
fn class_tars(file: &File, path: &Path) -> Result<Vec<(String, Entry)>, PictureError> {
    let length = file.metadata().map_err(refused(path, "read"))?.len();
    let mut tars = Vec::new();
    for entry in entries(file, path, 0, length)? {
        let entry = flat(entry);
        let class = entry.name.strip_suffix(".tar").filter(|class| is_wnid(class));
        let Some(class) = class else {
            let problem = format!("{} is no archive of a class, such as n01440764.tar", entry.name);
            return Err(PictureError::layout(path, problem));
        };
        tars.push((class.to_owned(), entry));
    }
    let mut classes: Vec<&str> = tars.iter().map(|(class, _)| class.as_str()).collect();
    classes.sort_unstable();
    if let Some(twice) = classes.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(PictureError::layout(
            path,
            format!("{}.tar is in it twice", twice[0]),
        ));
    }
    Ok(tars)
}

fn classes_of(tars: &[(String, Entry)]) -> Classes {
    Classes::new(tars.iter().map(|(class, _)| class.clone()).collect())
}

/// Classes and pictures of the validation archive, whose labels are in the development kit.
fn validation(
    folder: &Path,
    file: &File,
    path: &Path,
) -> Result<(Classes, BTreeMap<String, Vec<Entry>>), PictureError> {
    let kit = devkit::read(&folder.join(DEVKIT))?;
    let classes = Classes::new(kit.class_names());
    let train = folder.join(TRAIN);
    if train.is_file() && classes_of(&class_tars(&open_file(&train)?, &train)?) != classes {
        return Err(PictureError::layout(
            train,
            "its classes are not those of the development kit",
        ));
    }
    let length = file.metadata().map_err(refused(path, "read"))?.len();
    let mut by_class: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for entry in entries(file, path, 0, length)? {
        let entry = flat(entry);
        let class = number(&entry.name).and_then(|number| kit.class_of(number));
        let Some(class) = class else {
            let problem = format!("{} has no label in the development kit", entry.name);
            return Err(PictureError::layout(path, problem));
        };
        by_class.entry(class.to_owned()).or_default().push(entry);
    }
    Ok((classes, by_class))
}

/// 7 of `ILSVRC2012_val_00000007.JPEG`.
fn number(name: &str) -> Option<usize> {
    let digits = name.strip_prefix("ILSVRC2012_val_")?.strip_suffix(".JPEG")?;
    digits.parse().ok()
}

/// The regular files in an archive that stands at this place of a file. Folders may stand beside them; anything else, and an
/// archive that does not end as one does, would be another set of pictures than its owner's.
fn entries(file: &File, path: &Path, start: u64, n: u64) -> Result<Vec<Entry>, PictureError> {
    let damaged = |error: std::io::Error| {
        PictureError::layout(path, format!("it cannot be read as a tar archive: {error}"))
    };
    let mut archive = tar::Archive::new(Section::new(file, start, n));
    let (mut found, mut end) = (Vec::new(), 0);
    for entry in archive.entries_with_seek().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let name = String::from_utf8(entry.path_bytes().into_owned());
        let name = name.map_err(|_| PictureError::layout(path, "a name in it is no text"))?;
        end = entry.raw_file_position().saturating_add(entry.size());
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {}
            EntryType::Directory | EntryType::XGlobalHeader => continue,
            other => {
                let kind = char::from(other.as_byte());
                let problem = format!("{name} in it is neither a plain file nor a folder (type {kind:?})");
                return Err(PictureError::layout(path, problem));
            }
        }
        let (at, size) = (entry.raw_file_position(), entry.size());
        if at.checked_add(size).is_none_or(|end| end > n) {
            let problem = format!("{name} goes beyond its end: the archive was cut");
            return Err(PictureError::layout(path, problem));
        }
        found.push(Entry {
            name,
            start: start + at,
            n: size,
        });
    }
    check_end(file, path, start, end, n)?;
    Ok(found)
}

/// Bytes of a block of a tar archive.
const BLOCK: u64 = 512;

/// Behind the last file of an archive come blocks of zeros, at least one: else it was cut between two files, or a header in it
/// was lost.
fn check_end(file: &File, path: &Path, start: u64, end: u64, n: u64) -> Result<(), PictureError> {
    // All that archivers write of them, and more.
    const MOST: u64 = 1 << 16;
    let end = end.next_multiple_of(BLOCK);
    let rest = n.saturating_sub(end).min(MOST);
    let mut bytes = Vec::new();
    read_at(file, start + end.min(n), rest as usize, &mut bytes).map_err(refused(path, "read"))?;
    if rest < BLOCK {
        let problem = "an archive in it, or itself, has no end: it was cut";
        return Err(PictureError::layout(path, problem));
    }
    if bytes.iter().any(|byte| *byte != 0) {
        let problem = format!(
            "behind byte {} is neither a file's header nor its end",
            start + end
        );
        return Err(PictureError::layout(path, problem));
    }
    Ok(())
}

impl Pictures for Tars {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn classes(&self) -> &Classes {
        &self.classes
    }

    fn label(&self, i: usize) -> u16 {
        self.names.label(i)
    }

    fn name(&self, i: usize) -> Result<String, PictureError> {
        Ok(self.names.path(i, self.part, &self.classes))
    }

    fn n_bytes(&self, i: usize) -> Result<u64, PictureError> {
        Ok(u64::from(self.places[i].1))
    }

    fn read(&self, i: usize, bytes: &mut Vec<u8>) -> Result<(), PictureError> {
        let (start, n) = self.places[i];
        read_at(&self.file, start, n as usize, bytes).map_err(refused(&self.path, "read"))
    }
}
