use thiserror::Error;

/// Why a layout cannot be built.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LayoutError {
    /// Two tensors under one name.
    #[error("tensor {name} stands twice in the layout")]
    NameTwice {
        /// The name.
        name: String,
    },
    /// A tensor without elements, or with more than fit the address space.
    #[error("tensor {name} has shape {shape:?}, which no memory can hold or which is empty")]
    BadShape {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
}
