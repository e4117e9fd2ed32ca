use std::ops::Range;

/// The weights of `N` channels that read the same, and where they find it, from the first one on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tap<const N: usize> {
    pub(crate) offset: u32,
    pub(crate) values: [f32; N],
}

/// Taps, group by group of `N` channels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taps<const N: usize> {
    pub(crate) taps: Vec<Tap<N>>,
    /// Where those of each group end.
    pub(crate) ends: Vec<usize>,
}

/// The taps of a layer, by how many channels share them.
#[derive(Clone, Debug)]
pub(crate) enum Grouped {
    /// Of each channel those that are kept.
    Ones(Taps<1>),
    /// All, pruned ones as zeros: what is read is read for four channels at once.
    Fours(Taps<4>),
}

impl Grouped {
    /// Of so many channels, of which each has `offsets`: `value(channel, number of the offset)` is none where it is pruned. In fours where
    /// that is wanted and possible.
    pub(crate) fn new(
        n_channels: usize,
        offsets: &[u32],
        in_fours: bool,
        value: impl Fn(usize, usize) -> Option<f32>,
    ) -> Self {
        if in_fours && n_channels.is_multiple_of(4) {
            return Self::Fours(Taps::new(n_channels / 4, offsets, |four, number| {
                Some([0, 1, 2, 3].map(|channel| value(4 * four + channel, number).unwrap_or(0.0)))
            }));
        }
        Self::Ones(Taps::new(n_channels, offsets, |channel, number| {
            value(channel, number).map(|value| [value])
        }))
    }
}

/// Bytes that a pass over the pixels works with at once beside them: less than the second cache has.
const AT_ONCE: usize = 256 << 10;

impl<const N: usize> Taps<N> {
    fn new(n_groups: usize, offsets: &[u32], values: impl Fn(usize, usize) -> Option<[f32; N]>) -> Self {
        let mut all = Self::default();
        for group in 0..n_groups {
            let taps = offsets.iter().enumerate().filter_map(|(number, &offset)| {
                let values = values(group, number)?;
                Some(Tap { offset, values })
            });
            all.taps.extend(taps);
            all.ends.push(all.taps.len());
        }
        all
    }

    /// Of some groups of `N` channels, which taps each has.
    #[inline(always)]
    pub(crate) fn of(&self, groups: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        groups.map(|group| {
            let start = group.checked_sub(1).map_or(0, |before| self.ends[before]);
            (group, start..self.ends[group])
        })
    }

    /// All groups, in parts that are worked with at once, of so many bytes for each tap.
    pub(crate) fn parts(&self, bytes: usize) -> Vec<Range<usize>> {
        let most = AT_ONCE / bytes;
        let mut parts: Vec<Range<usize>> = Vec::new();
        let mut first = 0;
        for (group, taps) in self.of(0..self.ends.len()) {
            match parts.last_mut() {
                Some(part) if taps.end - first <= most => part.end = group + 1,
                _ => {
                    first = taps.start;
                    parts.push(group..group + 1);
                }
            }
        }
        parts
    }
}
