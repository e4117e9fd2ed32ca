//! PNG, which some files called .JPEG are.

use crate::{DecodeError, Region, Size, raw};
use png::{BitDepth, ColorType, DecodingError, Limits, Transformations};

pub(crate) fn decode(
    bytes: &[u8],
    most_pixels: u64,
    choose: impl FnOnce(Size) -> Region,
    out: &mut Vec<u8>,
) -> Result<Region, DecodeError> {
    // What it allocates on the way is rows, and text that nobody asked for.
    let mut decoder = png::Decoder::new_with_limits(bytes, Limits { bytes: 1 << 26 });
    decoder.set_ignore_text_chunk(true);
    let header = decoder.read_header_info().map_err(refused)?;
    let is_deep_grey = (header.color_type, header.bit_depth) == (ColorType::Grayscale, BitDepth::Sixteen);
    decoder.set_transformations(match is_deep_grey {
        true => Transformations::IDENTITY,
        false => Transformations::normalize_to_color8(),
    });
    let mut reader = decoder.read_info().map_err(refused)?;
    let size = Size {
        width: reader.info().width,
        height: reader.info().height,
    };
    size.check(most_pixels)?;
    let mut samples = vec![0; reader.output_buffer_size()];
    let frame = reader.next_frame(&mut samples).map_err(refused)?;
    samples.truncate(frame.buffer_size());
    let pixels: Vec<u8> = match frame.color_type {
        // Pillow keeps these alone as 16-bit numbers, and cuts them off at 255 where it makes them RGB.
        ColorType::Grayscale if is_deep_grey => {
            let samples = samples.as_chunks::<2>().0.iter();
            let grey = samples.map(|sample| u16::from_be_bytes(*sample).min(255) as u8);
            grey.flat_map(|grey| [grey; 3]).collect()
        }
        ColorType::Rgb => samples,
        ColorType::Rgba => samples.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect(),
        ColorType::Grayscale => samples.iter().flat_map(|grey| [*grey; 3]).collect(),
        ColorType::GrayscaleAlpha => samples.chunks_exact(2).flat_map(|p| [p[0]; 3]).collect(),
        ColorType::Indexed => unreachable!("palettes were asked to be expanded"),
    };
    let region = choose(size);
    raw::cut_out(&pixels, size, region, out);
    Ok(region)
}

fn refused(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            DecodeError::Cut
        }
        other => DecodeError::Damaged {
            form: "PNG",
            detail: other.to_string(),
        },
    }
}
