//! Memory that threads decode into and a device reads from, so that nothing is copied in between; the one module of this
//! crate that may be `unsafe`, and why it is sound.
//!
//! A tensor's memory is seen as bytes, by [`Staging::as_mut`] alone. The tensor is one-dimensional, of bytes, on the host, and
//! its storage belongs to nobody else: it is made here, no view of it leaves this module, and what [`Staging::to_float`]
//! returns has memory of its own. A copy to a device may still be running when `to_float` returns; whoever would write over
//! what it reads waits for it first.
#![expect(unsafe_code, reason = "libtorch's memory as a slice; reviewed, see above")]

use std::cell::Cell;
use tch::{Cuda, Device, Kind, TchError, Tensor};

/// Bytes on the host on their way to a device: page-locked where that is a GPU, which then reads them by itself.
#[derive(Debug)]
pub(crate) struct Staging {
    /// u8 `[n]`.
    bytes: Tensor,
    device: Device,
    /// Whether the device may still be reading.
    in_flight: Cell<bool>,
}

impl Staging {
    /// `n` bytes, all 0.
    pub(crate) fn new(n: usize, device: Device) -> Result<Self, TchError> {
        let bytes = Tensor::f_zeros([n as i64], (Kind::Uint8, Device::Cpu))?;
        let bytes = match device {
            Device::Cuda(_) => bytes.f_pin_memory(device)?,
            _ => bytes,
        };
        Ok(Self {
            bytes,
            device,
            in_flight: Cell::new(false),
        })
    }

    /// The first bytes as numbers from 0 to 255, on the device, of this size. To a GPU they are copied as bytes while the
    /// host goes on.
    pub(crate) fn to_float(&self, size: &[i64]) -> Result<Tensor, TchError> {
        let bytes = self.bytes.f_narrow(0, 0, size.iter().product())?;
        if let Device::Cuda(_) = self.device {
            self.in_flight.set(true);
            let there = bytes.f_to_device_(self.device, Kind::Uint8, true, true)?;
            return there.f_view(size)?.f_to_kind(Kind::Float);
        }
        bytes
            .f_view(size)?
            .f_to_device(self.device)?
            .f_to_kind(Kind::Float)
    }
}

/// The tensor on the device; to a GPU it is copied while the host goes on.
pub(crate) fn to_device(tensor: &Tensor, device: Device) -> Result<Tensor, TchError> {
    match device {
        // libtorch keeps page-locked memory until the copy has ended, whoever lets go of it before.
        Device::Cuda(_) => tensor
            .f_pin_memory(device)?
            .f_to_device_(device, tensor.kind(), true, true),
        _ => tensor.f_to_device(device),
    }
}

impl AsMut<[u8]> for Staging {
    fn as_mut(&mut self) -> &mut [u8] {
        if let (Device::Cuda(i), true) = (self.device, self.in_flight.take()) {
            Cuda::synchronize(i as i64);
        }
        let n = self.bytes.numel();
        let start = self.bytes.data_ptr().cast::<u8>();
        if n == 0 {
            return &mut [];
        }
        // SAFETY: `start` is where the `n` initialised bytes of a contiguous tensor of bytes on the host begin; they live as
        // long as `self`, which is borrowed, and nothing else refers to them (see above).
        unsafe { std::slice::from_raw_parts_mut(start, n) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_the_device_has() {
        let mut staging = Staging::new(6, Device::Cpu).unwrap();
        assert_eq!(staging.as_mut(), [0; 6]);
        staging.as_mut().copy_from_slice(&[1, 2, 3, 4, 255, 6]);
        let images = staging.to_float(&[2, 2]).unwrap();
        assert_eq!((images.size(), images.kind()), (vec![2, 2], Kind::Float));
        // What is written later is not seen by those who were handed what was there before.
        staging.as_mut().fill(9);
        assert_eq!(
            Vec::<f32>::try_from(images.view(-1)).unwrap(),
            [1.0, 2.0, 3.0, 4.0]
        );
        let images = staging.to_float(&[5]).unwrap();
        assert_eq!(Vec::<f32>::try_from(images).unwrap(), [9.0; 5]);
        assert!(staging.to_float(&[7]).is_err());
    }

    #[test]
    fn none_is_fine() {
        let mut staging = Staging::new(0, Device::Cpu).unwrap();
        assert!(staging.as_mut().is_empty());
        assert_eq!(staging.to_float(&[0, 3]).unwrap().size(), [0, 3]);
    }
}
