//! Many short names, each with its label, in little memory: a million take what their letters take and four bytes each.

use crate::{Classes, Part, PictureError};

/// File names, sorted by class and name.
#[derive(Debug)]
pub(crate) struct Names {
    text: String,
    /// Where each name ends in the text.
    ends: Vec<u32>,
    /// How many names there are up to the end of each class.
    class_ends: Vec<u32>,
}

impl Names {
    pub(crate) fn new() -> Self {
        Self {
            text: String::new(),
            ends: Vec::new(),
            class_ends: Vec::new(),
        }
    }

    /// The names of the next class, in their order.
    pub(crate) fn add_class<'a>(
        &mut self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), PictureError> {
        let length = |n: usize| {
            u32::try_from(n)
                .map_err(|_| PictureError::layout("", "the names of its files have more than 4 GiB"))
        };
        for name in names {
            self.text.push_str(name);
            self.ends.push(length(self.text.len())?);
        }
        self.class_ends.push(length(self.ends.len())?);
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn label(&self, i: usize) -> u16 {
        assert!(i < self.len(), "picture {i} of {}", self.len());
        self.class_ends.partition_point(|end| *end as usize <= i) as u16
    }

    pub(crate) fn name(&self, i: usize) -> &str {
        let start = if i == 0 { 0 } else { self.ends[i - 1] as usize };
        &self.text[start..self.ends[i] as usize]
    }

    /// From the root of the set.
    pub(crate) fn path(&self, i: usize, part: Part, classes: &Classes) -> String {
        let class = &classes.names()[usize::from(self.label(i))];
        format!("{}/{class}/{}", part.word(), self.name(i))
    }
}
