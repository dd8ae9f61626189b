//! Public values are taken apart once: the points of a key or a capsule are decompressed at their first use, and kept; so is the
//! public key of a secret.
//!
//! Secrets are not kept: their parsed form would not be wiped.

#[cfg(feature = "umbral")]
pub(super) use with_umbral::*;
#[cfg(not(feature = "umbral"))]
pub(super) use without_schemes::*;

#[cfg(feature = "umbral")]
mod with_umbral {
    use alloc::boxed::Box;

    use once_cell::race::OnceBox;

    pub(in super::super) type PublicKey = umbral_pre::PublicKey;
    pub(in super::super) type Kem = umbral_pre::Capsule;
    pub(in super::super) type Fragment = umbral_pre::CapsuleFrag;

    /// The parsed form of some bytes, once it was asked for.
    pub(in super::super) struct Parsed<T>(OnceBox<T>);

    impl<T> Parsed<T> {
        /// The parsed form; `parse` runs if it is not there. An error is not kept.
        pub(in super::super) fn get<E>(&self, parse: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
            self.0.get_or_try_init(|| parse().map(Box::new))
        }

        /// The parsed form is known: the bytes were written from it.
        pub(in super::super) fn keep(&self, value: T) {
            self.0.get_or_init(|| Box::new(value));
        }
    }

    impl<T> Default for Parsed<T> {
        fn default() -> Self {
            Self(OnceBox::new())
        }
    }

    impl<T: Clone> Clone for Parsed<T> {
        fn clone(&self) -> Self {
            Self(self.0.get().map_or_else(OnceBox::new, |value| OnceBox::with_value(Box::new(value.clone()))))
        }
    }
}

#[cfg(not(feature = "umbral"))]
mod without_schemes {
    use core::marker::PhantomData;

    pub(in super::super) type PublicKey = ();
    pub(in super::super) type Kem = ();
    pub(in super::super) type Fragment = ();

    /// Without a scheme nothing is parsed.
    #[derive(Clone, Default)]
    pub(in super::super) struct Parsed<T>(PhantomData<T>);
}
