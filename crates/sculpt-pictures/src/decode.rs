//! Pictures by their content, whatever they are called.

use crate::jpeg::{Jpeg, Refused};
use crate::{DecodeError, Region, png, raw};

/// Most pixels of a picture: what Pillow refuses as a "decompression bomb", twice its `MAX_IMAGE_PIXELS`. The largest of
/// ImageNet has a third of it.
pub const MOST_PIXELS: u64 = 178_956_970;

/// Decodes pictures one after the other; what it allocates for one serves the next.
///
/// Pixels are those that Pillow's `Image.open(file).convert("RGB")` gives, which is what torchvision's `ImageFolder` reads:
/// grey and palettes become colours, CMYK and YCCK too, transparency goes, EXIF's orientation is ignored.
#[derive(Debug)]
pub struct Decoder {
    jpeg: Jpeg,
    most_pixels: u64,
    cmyk: Vec<u8>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(MOST_PIXELS)
    }
}

/// Columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// What a picture's bytes hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Jpeg,
    Png,
    Raw,
}

impl Form {
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes {
            [] => Err(DecodeError::Empty),
            [0xff, 0xd8, ..] => Ok(Self::Jpeg),
            [0x89, b'P', b'N', b'G', ..] => Ok(Self::Png),
            _ if bytes.starts_with(raw::MAGIC) => Ok(Self::Raw),
            _ => Err(DecodeError::Form {
                first: bytes[..bytes.len().min(4)].to_vec(),
            }),
        }
    }
}

impl Decoder {
    /// A decoder that refuses pictures of more than `most_pixels`, before it allocates anything for them.
    pub fn new(most_pixels: u64) -> Self {
        Self {
            jpeg: Jpeg::new(),
            most_pixels,
            cmyk: Vec::new(),
        }
    }

    /// The pixels of one picture inside the region that `choose` makes of its size: red, green, blue, row by row, in `out`.
    /// Of a JPEG, what lies outside is not decoded; that a file ends too early is an error whatever the region.
    ///
    /// # Errors
    /// What is no picture, or one of more pixels than this decoder's most.
    ///
    /// # Panics
    /// When the region is empty or not inside the picture.
    pub fn decode(
        &mut self,
        bytes: &[u8],
        choose: impl FnOnce(Size) -> Region,
        out: &mut Vec<u8>,
    ) -> Result<Region, DecodeError> {
        match Form::of(bytes)? {
            Form::Jpeg => self.decode_jpeg(bytes, choose, out),
            Form::Png => png::decode(bytes, self.most_pixels, choose, out),
            Form::Raw => raw::decode(bytes, choose, out),
        }
    }

    fn decode_jpeg(
        &mut self,
        bytes: &[u8],
        choose: impl FnOnce(Size) -> Region,
        out: &mut Vec<u8>,
    ) -> Result<Region, DecodeError> {
        let open = self.jpeg.open(bytes).map_err(of_jpeg)?;
        let size = Size {
            width: open.width,
            height: open.height,
        };
        size.check(self.most_pixels)?;
        let region = choose(size);
        if open.components == 4 {
            open.decode(region, &mut self.cmyk).map_err(of_jpeg)?;
            rgb_of_cmyk(&self.cmyk, out);
        } else {
            open.decode(region, out).map_err(of_jpeg)?;
        }
        Ok(region)
    }

    /// Whether the bytes are a JPEG of red, green and blue or of grey, which everybody reads as it is.
    pub(crate) fn is_plain_jpeg(&mut self, bytes: &[u8]) -> bool {
        Form::of(bytes) == Ok(Form::Jpeg) && self.jpeg.open(bytes).is_ok_and(|open| open.components != 4)
    }
}

impl Size {
    pub(crate) fn check(self, most: u64) -> Result<(), DecodeError> {
        let Self { width, height } = self;
        if u64::from(width) * u64::from(height) > most {
            return Err(DecodeError::TooLarge { width, height, most });
        }
        Ok(())
    }
}

fn of_jpeg(refused: Refused) -> DecodeError {
    match refused {
        Refused::Cut => DecodeError::Cut,
        Refused::Because(detail) => DecodeError::Damaged { form: "JPEG", detail },
    }
}

/// Ink takes light away: what black leaves, less the colour's share of it, rounded as Pillow rounds. As Adobe's programs write
/// it, whether or not they say so, 255 stands for no ink.
fn rgb_of_cmyk(cmyk: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend(cmyk.chunks_exact(4).flat_map(|ink| {
        let light = u32::from(ink[3]);
        [ink[0], ink[1], ink[2]].map(|colour| {
            let product = u32::from(255 - colour) * light + 128;
            (light - (product + (product >> 8)) / 256) as u8
        })
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No ink is white, all black is black; half of cyan (128) under a light of 255 − 51 = 204 takes 128 · 204 / 255 = 102.4.
    #[test]
    fn ink_takes_light_away() {
        let check = |ink: [u8; 4], rgb: [u8; 3]| {
            let mut out = Vec::new();
            rgb_of_cmyk(&ink.map(|i| 255 - i), &mut out);
            assert_eq!(out, rgb);
        };
        check([0, 0, 0, 0], [255; 3]);
        check([9, 99, 255, 255], [0; 3]);
        check([128, 0, 255, 51], [102, 204, 0]);
    }

    #[test]
    fn forms_are_told_by_content() {
        let mut decoder = Decoder::default();
        let mut refused = |bytes: &[u8]| {
            let decoded = decoder.decode(
                bytes,
                |size| Region::whole(size.width, size.height),
                &mut Vec::new(),
            );
            decoded.unwrap_err().to_string()
        };
        assert_eq!(refused(b""), "it is empty");
        assert_eq!(
            refused(b"GIF89a"),
            "it is neither JPEG nor PNG (it begins with 47 49 46 38)"
        );
        assert_eq!(refused(&[0xff, 0xd8]), "it ends before the picture does");
        assert!(
            refused(b"\xff\xd8\xff\xc0\x00\x05\x08\x00\x01\x00\x01\x00\xff\xd9")
                .starts_with("it cannot be decoded as JPEG: ")
        );
        assert!(refused(b"\x89PNG\r\n\x1a\n????????????").starts_with("it cannot be decoded as PNG: "));
    }
}
