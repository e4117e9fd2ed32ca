//! JPEG files in and out, through `jpeg.c`: the one module of this crate that may be `unsafe`, and why it is sound.
//!
//! - A [`Jpeg`] owns what `sculpt_jpeg_new` made, hands it to one call at a time (`&mut self`) and frees it once. It has no
//!   thread of its own and nothing shared, so it may go to another thread.
//! - The library keeps a pointer to the bytes from the header to the picture. [`Open`] holds both borrows, so neither can go
//!   or change in between; [`Jpeg::open`] starts anew, whatever was left half done.
//! - Buffers are made as long as `jpeg.c` fills them, from sizes that were checked: a rectangle outside of the picture panics
//!   before anything is called.
//! - No error leaves C but as a status: see the head of `jpeg.c`.
#![expect(unsafe_code, reason = "libjpeg is written in C; reviewed, see above")]

use crate::Region;
// Its static library holds what `jpeg.c` calls.
use mozjpeg_sys as _;
use std::ffi::{CStr, c_char, c_int, c_uint};
use std::ptr::NonNull;

/// Bytes of a message of libjpeg's, `JMSG_LENGTH_MAX`.
const MESSAGE_BYTES: usize = 200;

const DONE: c_int = 1;
const CUT: c_int = 2;

#[repr(C)]
struct Raw {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn sculpt_jpeg_is_fast() -> c_int;
    fn sculpt_jpeg_new() -> *mut Raw;
    fn sculpt_jpeg_free(jpeg: *mut Raw);
    fn sculpt_jpeg_message(jpeg: *const Raw) -> *const c_char;
    fn sculpt_jpeg_header(jpeg: *mut Raw, bytes: *const u8, n: usize, facts: *mut usize) -> c_int;
    fn sculpt_jpeg_decode(
        jpeg: *mut Raw,
        left: c_uint,
        top: c_uint,
        width: c_uint,
        height: c_uint,
        out: *mut u8,
    ) -> c_int;
    fn sculpt_jpeg_encode(
        pixels: *const u8,
        width: c_uint,
        height: c_uint,
        quality: c_int,
        out: *mut u8,
        n: *mut usize,
        message: *mut c_char,
    ) -> c_int;
}

/// Whether the decoder's half in assembler was built, which is about half again as fast.
pub(crate) fn is_fast() -> bool {
    // SAFETY: it takes nothing and answers from the processor's features.
    unsafe { sculpt_jpeg_is_fast() != 0 }
}

/// Why libjpeg gave up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The file ends before the picture does.
    Cut,
    /// In the library's words.
    Because(String),
}

/// A decoder, to be used again and again.
#[derive(Debug)]
pub(crate) struct Jpeg(NonNull<Raw>);

// SAFETY: nothing in it belongs to a thread.
unsafe impl Send for Jpeg {}

impl Jpeg {
    pub(crate) fn new() -> Self {
        // SAFETY: it takes nothing; what it returns is ours.
        let raw = unsafe { sculpt_jpeg_new() };
        Self(NonNull::new(raw).expect("a few kilobytes can be had"))
    }

    /// Reads all that stands before the picture's data.
    pub(crate) fn open<'a>(&'a mut self, bytes: &'a [u8]) -> Result<Open<'a>, Refused> {
        let mut facts = [0usize; 4];
        // SAFETY: `facts` has the four places that are filled; the bytes stay borrowed as long as what is returned.
        let status =
            unsafe { sculpt_jpeg_header(self.0.as_ptr(), bytes.as_ptr(), bytes.len(), facts.as_mut_ptr()) };
        self.checked(status)?;
        let [width, height, components, n_read] = facts;
        let side = |n: usize| u32::try_from(n).expect("a side has 16 bits");
        Ok(Open {
            width: side(width),
            height: side(height),
            components,
            data: &bytes[n_read..],
            jpeg: self,
        })
    }

    fn checked(&self, status: c_int) -> Result<(), Refused> {
        match status {
            DONE => Ok(()),
            CUT => Err(Refused::Cut),
            _ => {
                // SAFETY: the message lies in the decoder, ends with a 0, and is copied before the next call.
                let message = unsafe { CStr::from_ptr(sculpt_jpeg_message(self.0.as_ptr())) };
                Err(Refused::Because(message.to_string_lossy().into_owned()))
            }
        }
    }
}

impl Drop for Jpeg {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nobody has it afterwards.
        unsafe { sculpt_jpeg_free(self.0.as_ptr()) }
    }
}

/// A file whose header was read.
pub(crate) struct Open<'a> {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) components: usize,
    /// What comes after the header.
    data: &'a [u8],
    jpeg: &'a mut Jpeg,
}

impl Open<'_> {
    /// Fills `out` with the pixels inside `region`, row by row: red, green, blue; or, of four components, cyan, magenta,
    /// yellow, black, as they stand.
    ///
    /// # Panics
    /// When the region is empty or not inside the picture.
    pub(crate) fn decode(self, region: Region, out: &mut Vec<u8>) -> Result<(), Refused> {
        region.assert_inside(self.width, self.height);
        // Without its end a file was cut, whether or not the region is all there.
        if !has_end(self.data) {
            return Err(Refused::Cut);
        }
        let pixel = if self.components == 4 { 4 } else { 3 };
        out.clear();
        out.resize(region.area() * pixel, 0);
        // SAFETY: `out` has the 3 or 4 bytes a pixel that are written: libjpeg makes CMYK of four components and RGB of
        // others. The bytes of the header are still borrowed.
        let status = unsafe {
            sculpt_jpeg_decode(
                self.jpeg.0.as_ptr(),
                region.left,
                region.top,
                region.width,
                region.height,
                out.as_mut_ptr(),
            )
        };
        self.jpeg.checked(status)
    }
}

/// Whether there is an end-of-image marker. In the data of a scan these two bytes cannot stand for anything else.
fn has_end(data: &[u8]) -> bool {
    data.windows(2).rev().any(|pair| pair == [0xff, 0xd9])
}

/// The pixels (3 bytes each) as baseline JPEG, put into `out`.
///
/// # Panics
/// When the pixels are not `width · height`, or none.
pub(crate) fn encode(
    pixels: &[u8],
    width: u32,
    height: u32,
    quality: u8,
    out: &mut Vec<u8>,
) -> Result<(), Refused> {
    let area = width as usize * height as usize;
    assert!(
        area > 0 && pixels.len() == 3 * area,
        "{} bytes are no picture of {width} x {height}",
        pixels.len()
    );
    // Noise at quality 100 takes less than 2 bytes a sample; with blocks that stick out, small pictures take more.
    let mut n = 2 * 3 * (width as usize + 16) * (height as usize + 16) + 2048;
    out.clear();
    out.resize(n, 0);
    let mut message: [c_char; MESSAGE_BYTES] = [0; MESSAGE_BYTES];
    // SAFETY: `pixels` has the rows that are read, `out` the `n` bytes that may be written, `message` its 200.
    let status = unsafe {
        sculpt_jpeg_encode(
            pixels.as_ptr(),
            width,
            height,
            c_int::from(quality),
            out.as_mut_ptr(),
            &raw mut n,
            message.as_mut_ptr(),
        )
    };
    if status == DONE {
        out.truncate(n);
        return Ok(());
    }
    let text = message
        .iter()
        .take_while(|c| **c != 0)
        .map(|c| c.cast_unsigned() as char)
        .collect();
    Err(Refused::Because(text))
}
