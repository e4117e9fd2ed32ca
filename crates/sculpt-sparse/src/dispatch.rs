//! One function, compiled for the vectors of several processors; the best that this one has is chosen as it runs.
//!
//! One of the crate's two modules with `unsafe`: a function compiled for instructions that the processor may not have can only be
//! called where somebody looked. Here is where.

/// Which instructions this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// What every processor of the kind has.
    Any,
    /// 16 registers of 8 f32, fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 32 registers of 16 f32, fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    pub(crate) fn of_this_processor() -> Self {
        #[cfg(test)]
        return Self::found().min(tests::AT_MOST.get().unwrap_or(Self::found()));
        #[cfg(not(test))]
        Self::found()
    }

    fn found() -> Self {
        // The macros remember what they found.
        #[cfg(target_arch = "x86_64")]
        {
            let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if has_avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
            {
                return Self::Avx512;
            }
            if has_avx2 {
                return Self::Avx2;
            }
        }
        Self::Any
    }
}

/// Whether sixteen sums and what they are made of stay in this processor's registers: with AVX-512.
pub fn has_many_registers() -> bool {
    #[cfg(target_arch = "x86_64")]
    return Level::of_this_processor() == Level::Avx512;
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Whether this processor multiplies and adds in one instruction. One that does not still computes the same bits, by a
/// library function for each product: far too slow to train with.
pub fn is_fast_here() -> bool {
    cfg!(target_arch = "aarch64") || Level::of_this_processor() != Level::Any
}

/// Defines a function of one body. In it `TILE` is how many [`Lanes`](crate::Lanes) a loop should hold in registers, and the name in
/// brackets, where there is one, the [`Registers`]; it may be generic over types.
///
/// The bits do not depend on the processor: products are `mul_add`, rounded once, everywhere, and sums are taken in the order
/// of the body, which must not depend on `TILE`.
macro_rules! for_this_processor {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $output:ty)? $body:block) => {
        $crate::dispatch::for_this_processor! {
            $(#[$attribute])* $visibility fn $name[_registers]($($argument: $type),*) $(-> $output)? $body
        }
    };
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident<$($number:ident: $bound:path),+>($($argument:ident: $type:ty),* $(,)?) $(-> $output:ty)? $body:block) => {
        $crate::dispatch::for_this_processor! {
            $(#[$attribute])* $visibility fn $name[_registers <$($number: $bound),+>]($($argument: $type),*) $(-> $output)? $body
        }
    };
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident[$registers:ident $(<$($number:ident: $bound:path),+>)?]($($argument:ident: $type:ty),* $(,)?) $(-> $output:ty)? $body:block) => {
        $(#[$attribute])*
        $visibility fn $name$(<$($number: $bound),+>)?($($argument: $type),*) $(-> $output)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments, reason = "the outer function says why")]
            fn body<const TILE: usize, $($($number: $bound),+)?>($registers: impl $crate::registers::Registers, $($argument: $type),*) $(-> $output)? $body

            #[cfg(target_arch = "x86_64")]
            {
                use $crate::dispatch::Level;
                use $crate::registers::{Avx2, Avx512};

                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                #[allow(clippy::too_many_arguments, reason = "the outer function says why")]
                fn avx512$(<$($number: $bound),+>)?(registers: Avx512, $($argument: $type),*) $(-> $output)? {
                    body::<16, $($($number),+)?>(registers, $($argument),*)
                }

                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments, reason = "the outer function says why")]
                fn avx2$(<$($number: $bound),+>)?(registers: Avx2, $($argument: $type),*) $(-> $output)? {
                    body::<4, $($($number),+)?>(registers, $($argument),*)
                }

                #[expect(unsafe_code, reason = "the processor was asked for the instructions")]
                match Level::of_this_processor() {
                    // SAFETY: the processor has all features that the function is compiled for.
                    Level::Avx512 => return unsafe { avx512$(::<$($number),+>)?(Avx512::of_this_processor(), $($argument),*) },
                    // SAFETY: likewise.
                    Level::Avx2 => return unsafe { avx2$(::<$($number),+>)?(Avx2::of_this_processor(), $($argument),*) },
                    Level::Any => {}
                }
            }
            body::<4, $($($number),+)?>($crate::registers::Plain, $($argument),*)
        }
    };
}
pub(crate) use for_this_processor;

#[cfg(test)]
#[path = "dispatch_tests.rs"]
pub(crate) mod tests;
