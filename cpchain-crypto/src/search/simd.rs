//! Which vector instructions the loops of the engines use: asked of the processor once, in one place.
//!
//! An engine has its loops in modules `scalar` (the reference), `avx2`, `avx512` and `neon`. [`call!`] takes the one that a [`Kernel`] stands for, and
//! hands it the kind's proof: a value that exists only where the processor said that it has the instructions
//! (`a_kernel_is_made_by_detection_alone`). That all kinds compute the same is for each engine to test.
//!
//! | kind | instructions |
//! | --- | --- |
//! | `scalar` | none |
//! | `avx2` | AVX2, FMA |
//! | `avx512` | AVX-512 F, BW, DQ and VNNI: processors since 2019. Older ones with AVX-512 take `avx2` |
//! | `neon` | NEON, which every 64-bit Arm processor has |

use alloc::vec::Vec;

/// Code for one kind of processor. Which ones there are is asked of the processor; decoded results are the same by all.
///
/// ```
/// use cpchain_crypto::search::Kernel;
/// println!("answers are computed by {}", Kernel::best().name());
/// assert!(Kernel::available().contains(&Kernel::best()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar(Scalar),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
}

/// The reference: plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scalar;

/// A proof that this processor has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Avx2(());

/// A proof that this processor has AVX-512 F, BW, DQ and VNNI.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Avx512(());

/// A proof that this processor has NEON.
#[cfg(target_arch = "aarch64")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Neon(());

impl Kernel {
    /// Plain Rust, which every processor runs.
    pub(super) const SCALAR: Self = Self(Kind::Scalar(Scalar));

    /// What this processor can run, the slowest first.
    pub fn available() -> Vec<Self> {
        Self::detect().collect()
    }

    /// The fastest of them.
    pub fn best() -> Self {
        Self::detect().last().unwrap_or(Self::SCALAR)
    }

    /// Its name: `scalar`, `avx2`, `avx512` or `neon`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar(_) => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => "neon",
        }
    }

    /// The kind, with its proof.
    pub(super) const fn kind(self) -> Kind {
        self.0
    }

    #[cfg(target_arch = "x86_64")]
    fn detect() -> impl Iterator<Item = Self> {
        use std::arch::is_x86_feature_detected as has;
        let avx2 = has!("avx2") && has!("fma");
        let avx512 = avx2 && has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vnni");
        let vectors = [avx2.then_some(Kind::Avx2(Avx2(()))), avx512.then_some(Kind::Avx512(Avx512(())))];
        [Self::SCALAR].into_iter().chain(vectors.into_iter().flatten().map(Self))
    }

    #[cfg(target_arch = "aarch64")]
    fn detect() -> impl Iterator<Item = Self> {
        let neon = std::arch::is_aarch64_feature_detected!("neon").then_some(Self(Kind::Neon(Neon(()))));
        [Self::SCALAR].into_iter().chain(neon)
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn detect() -> impl Iterator<Item = Self> {
        [Self::SCALAR].into_iter()
    }
}

/// `call!(kernel, work(a, b))` is `avx512::work(proof, a, b)`, or that of the module `scalar`, `avx2` or `neon` that is in scope.
///
/// A module's functions may need the features of its kind, and no others.
macro_rules! call {
    ($kernel:expr, $work:ident($($argument:expr),* $(,)?)) => {
        match $kernel.kind() {
            $crate::search::simd::Kind::Scalar(proof) => scalar::$work(proof, $($argument),*),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the proof exists only where the features of the module's functions were detected.
            $crate::search::simd::Kind::Avx2(proof) => unsafe { avx2::$work(proof, $($argument),*) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            $crate::search::simd::Kind::Avx512(proof) => unsafe { avx512::$work(proof, $($argument),*) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            $crate::search::simd::Kind::Neon(proof) => unsafe { neon::$work(proof, $($argument),*) },
        }
    };
}
pub(super) use call;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_made_by_detection_alone() {
        let available = Kernel::available();
        assert_eq!(available.first(), Some(&Kernel::SCALAR));
        assert_eq!(available.last(), Some(&Kernel::best()));
        let names: Vec<_> = available.iter().map(|kernel| kernel.name()).collect();
        #[cfg(target_arch = "x86_64")]
        for (name, flag) in [("avx2", "avx2"), ("avx512", "avx512_vnni")] {
            // As Linux sees the processor.
            let Ok(info) = std::fs::read_to_string("/proc/cpuinfo") else { return };
            assert_eq!(names.contains(&name), info.split_whitespace().any(|word| word == flag), "{name}");
        }
        #[cfg(target_arch = "aarch64")]
        assert_eq!(names, ["scalar", "neon"]);
    }
}
