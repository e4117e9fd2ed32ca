use crate::MaskError;

/// Eight bits a byte, the first in the lowest place, 0 behind the last: the bytes of `….mask_bits` in
/// checkpoints.
pub fn pack_bits(bits: &[bool]) -> Vec<u8> {
    bits.chunks(8)
        .map(|chunk| {
            chunk
                .iter()
                .rev()
                .fold(0, |byte, &bit| (byte << 1) | u8::from(bit))
        })
        .collect()
}

/// The `n` bits of [`pack_bits`].
///
/// # Errors
/// Another number of bytes than `⌈n/8⌉`, or ones behind the last bit.
pub fn unpack_bits(packed: &[u8], n: usize) -> Result<Vec<bool>, MaskError> {
    if packed.len() != n.div_ceil(8) {
        return Err(MaskError::PackedLength {
            n,
            expected: n.div_ceil(8),
            found: packed.len(),
        });
    }
    if let Some(&last_byte) = packed.last()
        && !n.is_multiple_of(8)
        && last_byte >> (n % 8) != 0
    {
        return Err(MaskError::PackedPadding { n, last_byte });
    }
    let mut bits = Vec::with_capacity(packed.len() * 8);
    for byte in packed {
        bits.extend([0, 1, 2, 3, 4, 5, 6, 7].map(|i| byte >> i & 1 == 1));
    }
    bits.truncate(n);
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 1 0 1 1 0 0 0 0 | 0 1: 1 + 4 + 8 = 13, and 2.
    #[test]
    fn lowest_bit_first() {
        let bits = [1, 0, 1, 1, 0, 0, 0, 0, 0, 1].map(|bit| bit == 1);
        assert_eq!(pack_bits(&bits), [13, 2]);
        assert_eq!(unpack_bits(&[13, 2], 10), Ok(bits.to_vec()));
    }

    #[test]
    fn refusals() {
        assert_eq!(
            unpack_bits(&[13], 10).unwrap_err().to_string(),
            "a mask of 10 bits takes 2 bytes, not 1"
        );
        assert!(unpack_bits(&[13, 2, 0], 10).is_err());
        assert_eq!(
            unpack_bits(&[13, 6], 10).unwrap_err().to_string(),
            "the last byte 0b00000110 of a mask of 10 bits has ones behind its last bit"
        );
        assert_eq!(unpack_bits(&[], 0), Ok(vec![]));
        assert!(unpack_bits(&[0], 0).is_err());
    }

    proptest! {
        #[test]
        fn round_trip(bits in proptest::collection::vec(any::<bool>(), 0..100)) {
            prop_assert_eq!(unpack_bits(&pack_bits(&bits), bits.len()), Ok(bits));
        }
    }
}
