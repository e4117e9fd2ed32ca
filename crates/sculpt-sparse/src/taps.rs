use std::ops::Range;

/// A weight, and where it finds what it is multiplied with, from the first one on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tap {
    pub(crate) offset: u32,
    pub(crate) value: f32,
}

/// Taps, channel by channel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taps {
    pub(crate) taps: Vec<Tap>,
    /// Where those of each channel end.
    pub(crate) ends: Vec<usize>,
}

/// Bytes that a pass over the pixels works with at once beside them: less than the second cache has.
const AT_ONCE: usize = 256 << 10;

impl Taps {
    /// Of some channels, which taps each has.
    #[inline(always)]
    pub(crate) fn of(&self, channels: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        channels.map(|channel| {
            let start = channel.checked_sub(1).map_or(0, |before| self.ends[before]);
            (channel, start..self.ends[channel])
        })
    }

    /// All channels, in parts that are worked with at once, of so many bytes for each tap.
    pub(crate) fn parts(&self, bytes: usize) -> Vec<Range<usize>> {
        let most = AT_ONCE / bytes;
        let mut parts: Vec<Range<usize>> = Vec::new();
        let mut first = 0;
        for (channel, taps) in self.of(0..self.ends.len()) {
            match parts.last_mut() {
                Some(part) if taps.end - first <= most => part.end = channel + 1,
                _ => {
                    first = taps.start;
                    parts.push(channel..channel + 1);
                }
            }
        }
        parts
    }
}
