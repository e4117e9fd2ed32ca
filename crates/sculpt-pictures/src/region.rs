use crate::Size;

/// A rectangle of a picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Region {
    /// All of a picture of this size.
    pub fn whole(width: u32, height: u32) -> Self {
        Self {
            left: 0,
            top: 0,
            width,
            height,
        }
    }

    /// Pixels in it.
    pub fn area(self) -> usize {
        self.width as usize * self.height as usize
    }

    /// Its columns and rows.
    pub fn size(self) -> Size {
        Size {
            width: self.width,
            height: self.height,
        }
    }

    /// # Panics
    /// When it is empty, or sticks out of a picture of this size.
    pub(crate) fn assert_inside(self, width: u32, height: u32) {
        let ends =
            |start: u32, n: u32, side: u32| n > 0 && start.checked_add(n).is_some_and(|end| end <= side);
        assert!(
            ends(self.left, self.width, width) && ends(self.top, self.height, height),
            "{self:?} does not lie in a picture of {width} x {height}"
        );
    }
}
