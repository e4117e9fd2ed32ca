//! One function, compiled for the vectors of several processors; the best that this one has is chosen as it runs.
//!
//! The crate's one module with `unsafe`: a function compiled for instructions that the processor may not have can only be
//! called where somebody looked. Here is where.

/// Which instructions this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// 32 registers of 16 f32, fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 16 registers of 8 f32, fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What every processor of the kind has.
    Any,
}

impl Level {
    pub(crate) fn of_this_processor() -> Self {
        // The macros remember what they found.
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("fma")
            {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self::Avx2;
            }
        }
        Self::Any
    }
}

/// Whether this processor multiplies and adds in one instruction. One that does not still computes the same bits, by a
/// library function for each product: far too slow to train with.
pub fn is_fast_here() -> bool {
    cfg!(target_arch = "aarch64") || Level::of_this_processor() != Level::Any
}

/// Defines a function of one body. In it `TILE` is how many [`Lanes`](crate::Lanes) a loop should hold in registers.
///
/// The bits do not depend on the processor: products are `mul_add`, rounded once, everywhere, and sums are taken in the order
/// of the body, which must not depend on `TILE`.
macro_rules! for_this_processor {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $output:ty)? $body:block) => {
        $(#[$attribute])*
        $visibility fn $name($($argument: $type),*) $(-> $output)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments, reason = "the outer function says why")]
            fn body<const TILE: usize>($($argument: $type),*) $(-> $output)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                #[allow(clippy::too_many_arguments, reason = "the outer function says why")]
                fn avx512($($argument: $type),*) $(-> $output)? {
                    body::<8>($($argument),*)
                }

                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments, reason = "the outer function says why")]
                fn avx2($($argument: $type),*) $(-> $output)? {
                    body::<4>($($argument),*)
                }

                #[expect(unsafe_code, reason = "the processor was asked for the instructions")]
                match $crate::dispatch::Level::of_this_processor() {
                    // SAFETY: the processor has all features that the function is compiled for.
                    $crate::dispatch::Level::Avx512 => return unsafe { avx512($($argument),*) },
                    // SAFETY: likewise.
                    $crate::dispatch::Level::Avx2 => return unsafe { avx2($($argument),*) },
                    $crate::dispatch::Level::Any => {}
                }
            }
            body::<4>($($argument),*)
        }
    };
}
pub(crate) use for_this_processor;
