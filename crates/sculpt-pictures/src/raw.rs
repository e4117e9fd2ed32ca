//! Pixels as they are, the form of packs with `--codec raw`: 8 bytes `SCULPT3B`, columns and rows as u32 (little-endian), then
//! red, green, blue of each pixel, row by row.

use crate::{DecodeError, Region, Size};

pub(crate) const MAGIC: &[u8; 8] = b"SCULPT3B";

/// Bytes before the first pixel.
const HEADER: usize = 16;

pub(crate) fn encode(pixels: &[u8], size: Size, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&size.width.to_le_bytes());
    out.extend_from_slice(&size.height.to_le_bytes());
    out.extend_from_slice(pixels);
}

pub(crate) fn decode(
    bytes: &[u8],
    choose: impl FnOnce(Size) -> Region,
    out: &mut Vec<u8>,
) -> Result<Region, DecodeError> {
    let header: &[u8; HEADER] = bytes.first_chunk().ok_or(DecodeError::Cut)?;
    let word = |i: usize| u32::from_le_bytes([header[i], header[i + 1], header[i + 2], header[i + 3]]);
    let size = Size {
        width: word(8),
        height: word(12),
    };
    let pixels = &bytes[HEADER..];
    let expected = 3 * u128::from(size.width) * u128::from(size.height);
    if expected == 0 || pixels.len() as u128 != expected {
        let detail = format!(
            "{} bytes are not {} x {} pixels",
            pixels.len(),
            size.width,
            size.height
        );
        return Err(DecodeError::Damaged {
            form: "pixels",
            detail,
        });
    }
    let region = choose(size);
    cut_out(pixels, size, region, out);
    Ok(region)
}

/// The pixels (3 bytes each) of a picture that lie inside a region.
pub(crate) fn cut_out(pixels: &[u8], size: Size, region: Region, out: &mut Vec<u8>) {
    out.clear();
    rows_of(pixels, size, region).for_each(|row| out.extend_from_slice(row));
}

/// The same, row by row.
pub(crate) fn rows_of(pixels: &[u8], size: Size, region: Region) -> impl Iterator<Item = &[u8]> {
    region.assert_inside(size.width, size.height);
    let (row, first) = (3 * size.width as usize, 3 * region.left as usize);
    let rows = pixels
        .chunks_exact(row)
        .skip(region.top as usize)
        .take(region.height as usize);
    rows.map(move |line| &line[first..first + 3 * region.width as usize])
}
