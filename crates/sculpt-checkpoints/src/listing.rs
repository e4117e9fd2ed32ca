use crate::archive;
use crate::names::Names;
use crate::{CheckpointError, foreign, published};
use sculpt_layout::Layout;
use std::collections::BTreeMap;
use std::path::Path;

/// Names and shapes of a file's tensors, to find out what network it is of.
#[derive(Clone, Debug)]
pub struct Listing {
    shapes: BTreeMap<String, Vec<usize>>,
    is_torch: bool,
}

impl Listing {
    /// Reads names and shapes, and no number.
    ///
    /// # Errors
    /// A file that is none of tensors, or broken.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        archive::read(path, |archive, _| {
            let shapes = archive
                .entries()
                .map(|entry| (entry.name.clone(), entry.shape.clone()));
            Ok(Some(Self {
                shapes: shapes.collect(),
                is_torch: archive.is_torch(),
            }))
        })
    }

    /// What the file calls its tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.shapes.keys().map(String::as_str)
    }

    /// Whether tensors are called as those of a network are; of a published checkpoint all survivors are one.
    pub fn has_names(&self) -> bool {
        !published::PARTS
            .iter()
            .all(|part| self.shapes.contains_key(*part))
    }

    /// The shape of each tensor of `θ`, in the layout's order, if all names of the file are the layout's in one dialect.
    pub fn shapes(&self, layout: &Layout) -> Option<Vec<&[usize]>> {
        let (names, misfit) = Names::of(self.shapes.keys().map(String::as_str), self.is_torch, layout);
        if misfit.is_some() {
            return None;
        }
        let shape = |ours| self.shapes.get(names.of_tensor(ours)).map(Vec::as_slice);
        layout.params().iter().map(|param| shape(param.name())).collect()
    }

    /// Whether names and shapes are those of the layout.
    pub fn fits(&self, layout: &Layout) -> bool {
        self.shapes(layout).is_some_and(|shapes| {
            let mut pairs = shapes.iter().zip(layout.params());
            pairs.all(|(shape, param)| foreign::shapes(param).iter().any(|expected| shape == expected))
        })
    }
}
