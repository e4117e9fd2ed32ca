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

/// Images on the CPU that nobody else changes.
#[derive(Debug)]
pub(super) struct Images<T> {
    /// `[n, height, width, channels]`, contiguous.
    rows: Tensor,
    kind: PhantomData<T>,
}

impl<T: OfLibtorch> Images<T> {
    /// Of `[n, channels, height, width]` with whatever strides, which is given away: copied where the channel is not the last in memory.
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

    /// `[n, channels, height, width]`, the same memory.
    pub(super) fn tensor(&self) -> Tensor {
        self.rows.permute([0, 3, 1, 2])
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
        // as `self`. Other tensors of its memory are views of `Images::tensor`, which are read.
        unsafe { slice::from_raw_parts(self.rows.data_ptr().cast::<T>(), n) }
    }

    #[expect(unsafe_code, reason = "libtorch's memory as a slice")]
    pub(super) fn rows_mut(&mut self) -> &mut [T] {
        let n = self.rows.numel();
        if n == 0 {
            return &mut [];
        }
        // SAFETY: as above; and whoever has `self` for itself alone has its memory: the tensor was given away to it, or made for it, and
        // views of it do not outlive the call of libtorch that they are made for.
        unsafe { slice::from_raw_parts_mut(self.rows.data_ptr().cast::<T>(), n) }
    }
}
