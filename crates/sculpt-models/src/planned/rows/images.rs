//! Images whose channel is the last in memory, as rows `[pixels of all images, channels]` of numbers.
//!
//! `unsafe` stands here: libtorch's memory as slices, which its bindings have no safe way to.

use sculpt_sparse::{Bf16, Number};
use std::marker::PhantomData;
use std::slice;
use tch::{Device, Kind, Tensor};

/// A number that libtorch has a kind of.
pub(super) trait OfLibtorch: Number {
    const KIND: Kind;
}

impl OfLibtorch for f32 {
    const KIND: Kind = Kind::Float;
}

impl OfLibtorch for Bf16 {
    const KIND: Kind = Kind::BFloat16;
}

/// Images on the CPU. What [`Images::of`] was given may be somebody's who must leave it as it is; what it is changed through is its own.
#[derive(Debug)]
pub(super) struct Images<T> {
    /// `[n, height, width, channels]`, contiguous.
    rows: Tensor,
    kind: PhantomData<T>,
}

impl<T: OfLibtorch> Images<T> {
    /// Of `[n, channels, height, width]` with whatever strides: copied where the channel is not the last in memory, else the same memory.
    pub(super) fn of(images: Tensor) -> Self {
        let rows = images.permute([0, 2, 3, 1]).contiguous();
        assert!(
            rows.kind() == T::KIND && rows.device() == Device::Cpu && rows.is_contiguous(),
            "images of {:?} on the CPU",
            T::KIND
        );
        Self {
            rows,
            kind: PhantomData,
        }
    }

    /// Of the same size, of whatever numbers.
    pub(super) fn like(&self) -> Self {
        Self {
            rows: self.rows.empty_like(),
            kind: PhantomData,
        }
    }

    /// `[n, channels, height, width]`, the same memory, to be read.
    pub(super) fn tensor(&self) -> Tensor {
        self.rows.permute([0, 3, 1, 2])
    }

    /// The same, to be changed: images that were made here.
    pub(super) fn tensor_mut(&mut self) -> Tensor {
        self.rows.permute([0, 3, 1, 2])
    }

    /// # Panics
    /// When there are not as many images, of the same size.
    pub(super) fn assert_like(&self, other: &Self) {
        assert_eq!(self.rows.size(), other.rows.size(), "images that go together");
    }

    pub(super) fn channels(&self) -> usize {
        self.rows.size()[3] as usize
    }

    #[expect(unsafe_code, reason = "libtorch's memory as a slice")]
    pub(super) fn rows(&self) -> &[T] {
        let n = self.rows.numel();
        if n == 0 {
            return &[];
        }
        // SAFETY: the tensor is contiguous, on the CPU, of `n` numbers of this kind, which have no bits that mean nothing, and stays as long
        // as `self`. While the slice is borrowed, so is `self`: nobody has a `tensor_mut` or `rows_mut` meanwhile, but for views of the former, which do
        // not outlive the statements that they are made for. Of images that were handed in, slices are never taken but to read.
        unsafe { slice::from_raw_parts(self.rows.data_ptr().cast::<T>(), n) }
    }

    #[expect(unsafe_code, reason = "libtorch's memory as a slice")]
    pub(super) fn rows_mut(&mut self) -> &mut [T] {
        let n = self.rows.numel();
        if n == 0 {
            return &mut [];
        }
        // SAFETY: as above; and these are images that were made here (`like`, or by an operation of libtorch), so that whoever has `self` for itself alone
        // has their memory: other views of it do not outlive the statements that they are made for.
        unsafe { slice::from_raw_parts_mut(self.rows.data_ptr().cast::<T>(), n) }
    }
}
