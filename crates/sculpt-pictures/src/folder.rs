//! A folder a class.

use crate::classes::MOST_CLASSES;
use crate::error::refused;
use crate::names::Names;
use crate::{Classes, Part, PictureError, Pictures};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Pictures in `train/CLASS/` or `val/CLASS/`.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    part: Part,
    classes: Classes,
    names: Names,
}

/// No picture's file is longer.
pub(crate) const MOST_BYTES: u64 = 1 << 30;

/// Ends of the names of pictures that are read, whatever their content is.
const READ: [&str; 3] = ["jpeg", "jpg", "png"];
/// What torchvision would read beside them. To pass over them in silence would make it another set.
const OTHERS: [&str; 6] = ["ppm", "bmp", "pgm", "tif", "tiff", "webp"];

impl Folder {
    /// Labels are places among the sorted folders of `train/`, for both parts; where there is no `train/`, of `val/`. A folder
    /// without pictures among those that labels are places in is refused, as by torchvision: it would shift labels, and the
    /// digest of the pictures would not tell.
    pub(crate) fn open(root: &Path, part: Part) -> Result<Self, PictureError> {
        let folder = root.join(part.word());
        let of_classes = Part::ALL
            .map(|part| root.join(part.word()))
            .into_iter()
            .find(|folder| folder.is_dir());
        let of_classes = of_classes.unwrap_or_else(|| folder.clone());
        let class_names = folders_in(&of_classes)?;
        if class_names.len() > MOST_CLASSES {
            let problem = format!("it has {} classes of at most {MOST_CLASSES}", class_names.len());
            return Err(PictureError::layout(folder, problem));
        }
        let classes = Classes::new(class_names);
        let mut here = folders_in(&folder)?;
        here.sort();
        if let Some(name) = here.iter().find(|name| classes.label(name).is_none()) {
            let problem = "it is no class: train/ has no such folder";
            return Err(PictureError::layout(folder.join(name), problem));
        }
        if folder != of_classes {
            refuse_some_empty(&of_classes, classes.names())?;
        }
        let mut names = Names::new();
        for class in classes.names() {
            if here.binary_search(class).is_err() {
                names.add_class([])?;
                continue;
            }
            let files = pictures_in(&folder.join(class))?;
            if files.is_empty() && folder == of_classes {
                return Err(without_pictures(&folder.join(class)));
            }
            names.add_class(files.iter().map(String::as_str))?;
        }
        if names.len() == 0 {
            return Err(PictureError::layout(
                folder,
                "it has no pictures in folders of classes",
            ));
        }
        Ok(Self {
            root: root.to_owned(),
            part,
            classes,
            names,
        })
    }
}

impl Folder {
    fn path(&self, i: usize) -> PathBuf {
        self.root.join(self.names.path(i, self.part, &self.classes))
    }
}

/// Length of a picture's file.
fn n_bytes_of(path: &Path) -> Result<u64, PictureError> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(_) if fs::read_link(path).is_ok_and(|_| !path.exists()) => {
            return Err(PictureError::layout(
                path,
                "it is a link to nothing: remove it, or mend what it leads to",
            ));
        }
        Err(error) => return Err(refused(path, "read")(error)),
    };
    if !found.is_file() || found.len() > MOST_BYTES {
        let problem = format!("it is no file of at most {MOST_BYTES} bytes, which all pictures are");
        return Err(PictureError::layout(path, problem));
    }
    Ok(found.len())
}

impl Pictures for Folder {
    fn len(&self) -> usize {
        self.names.len()
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
        n_bytes_of(&self.path(i))
    }

    fn read(&self, i: usize, bytes: &mut Vec<u8>) -> Result<(), PictureError> {
        let path = self.path(i);
        // Before opening: to open a pipe would wait for its writer.
        n_bytes_of(&path)?;
        bytes.clear();
        let read = File::open(&path).and_then(|file| file.take(MOST_BYTES).read_to_end(bytes));
        read.map_err(refused(&path, "read"))?;
        Ok(())
    }
}

/// Names of the folders in a folder.
fn folders_in(folder: &Path) -> Result<Vec<String>, PictureError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(refused(folder, "list"))? {
        let entry = entry.map_err(refused(folder, "list"))?;
        let kind = entry.file_type().map_err(refused(folder, "list"))?;
        // A link may lead to a folder.
        if kind.is_dir() || (kind.is_symlink() && entry.path().is_dir()) {
            names.push(text_of(&entry)?);
        }
    }
    Ok(names)
}

fn without_pictures(folder: &Path) -> PictureError {
    let problem = "this class has no pictures, and would shift the labels of others: remove its folder";
    PictureError::layout(folder, problem)
}

/// Folders that labels are places in, and whose own pictures nobody asks for, may have been emptied, all of them. An empty one among
/// others is none of a class, and would shift labels.
fn refuse_some_empty(folder: &Path, classes: &[String]) -> Result<(), PictureError> {
    let is_picture = |entry: std::io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| is_one_of(&entry.file_name().to_string_lossy(), &READ))
    };
    let (mut has_some, mut empty) = (false, None);
    for class in classes {
        let class = folder.join(class);
        // The first picture that is listed tells.
        let mut entries = fs::read_dir(&class).map_err(refused(&class, "list"))?;
        if entries.any(is_picture) {
            has_some = true;
        } else {
            empty.get_or_insert(class);
        }
    }
    match empty {
        Some(class) if has_some => Err(without_pictures(&class)),
        _ => Ok(()),
    }
}

/// Whether a name has one of these endings.
fn is_one_of(name: &str, endings: &[&str]) -> bool {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    endings.contains(&end.to_ascii_lowercase().as_str())
}

/// Names of the pictures in a class's folder, sorted.
fn pictures_in(folder: &Path) -> Result<Vec<String>, PictureError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(refused(folder, "list"))? {
        let entry = entry.map_err(refused(folder, "list"))?;
        let kind = entry.file_type().map_err(refused(folder, "list"))?;
        if kind.is_dir() {
            return Err(PictureError::layout(
                entry.path(),
                "it is a folder in a class's folder",
            ));
        }
        let name = text_of(&entry)?;
        if is_one_of(&name, &OTHERS) {
            let problem = "pictures of this form are not read, only JPEG and PNG";
            return Err(PictureError::layout(entry.path(), problem));
        }
        if is_one_of(&name, &READ) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn text_of(entry: &fs::DirEntry) -> Result<String, PictureError> {
    let name = entry.file_name().into_string();
    name.map_err(|_| PictureError::layout(entry.path(), "its name is no text"))
}
