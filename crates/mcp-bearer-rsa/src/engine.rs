//! Runs the kernel. All unsafe code is here: the calls of functions that need a processor with
//! IFMA.

use crate::kernel;
use crate::limbs::Limbs;
use crate::modulus::Modulus;
use crate::product_certificate::Factor;

/// Proof that this processor has AVX-512 with IFMA. Only [`Ifma::detect`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ifma(());

impl Ifma {
    /// Asks the processor and the operating system.
    #[must_use]
    pub fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512ifma")
            && std::is_x86_feature_detected!("bmi2")
        {
            return Some(Self(()));
        }
        None
    }
}

/// What runs the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// The processor's own instructions.
    Ifma(Ifma),
    /// Plain Rust that computes the same as the instructions: for tests on any processor, hundreds
    /// of times slower.
    Emulated,
    /// The emulation with faults that a test requests.
    #[cfg(test)]
    Faulty,
}

impl Engine {
    /// The processor's instructions, if it has them.
    ///
    /// ```
    /// match mcp_bearer_rsa::Engine::detect() {
    ///     Some(engine) => println!("RSA signatures are verified by {engine:?}"),
    ///     None => println!("no AVX-512 with IFMA: the RSA kernel is not used"),
    /// }
    /// ```
    #[must_use]
    pub fn detect() -> Option<Self> {
        Ifma::detect().map(Self::Ifma)
    }

    /// Montgomery products, each certified: `a * b`, then as many squarings, then by `a` again if
    /// `ends_with_a`. `None` if a certificate did not hold.
    ///
    /// Each product is that of the two numbers over R, modulo n, and below 2n when both are below
    /// 2^(bits + 1). That `a` is the caller's number, and still is after the last product, is not
    /// certified: `a` is mutable, so that tests can change it between products.
    #[expect(
        unsafe_code,
        reason = "functions with target features are safe to call where the processor has them"
    )]
    pub(crate) fn chain<const V: usize>(
        self,
        modulus: &Modulus<V>,
        a: &mut Limbs<V>,
        b: &Factor<V>,
        squarings: u32,
        ends_with_a: bool,
    ) -> Option<Limbs<V>> {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Ifma` exists only where the processor has the features that the function
            // is compiled for.
            Self::Ifma(Ifma(())) => unsafe {
                kernel::ifma::chain(modulus, a, b, squarings, ends_with_a)
            },
            #[cfg(not(target_arch = "x86_64"))]
            Self::Ifma(Ifma(())) => kernel::emulated::chain(modulus, a, b, squarings, ends_with_a),
            Self::Emulated => kernel::emulated::chain(modulus, a, b, squarings, ends_with_a),
            #[cfg(test)]
            Self::Faulty => kernel::faulty::chain(modulus, a, b, squarings, ends_with_a),
        }
    }

    /// The sum of limbs times weights, below 2^109.
    #[expect(
        unsafe_code,
        reason = "functions with target features are safe to call where the processor has them"
    )]
    pub(crate) fn weigh<const V: usize>(self, weights: &Limbs<V>, number: &Limbs<V>) -> u128 {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Ifma` exists only where the processor has the features that the function
            // is compiled for.
            Self::Ifma(Ifma(())) => unsafe { kernel::ifma::weigh(weights, number) },
            #[cfg(not(target_arch = "x86_64"))]
            Self::Ifma(Ifma(())) => kernel::emulated::weigh(weights, number),
            Self::Emulated => kernel::emulated::weigh(weights, number),
            #[cfg(test)]
            Self::Faulty => kernel::faulty::weigh(weights, number),
        }
    }

    /// Columns as limbs, with as many carries as needed.
    #[cfg(test)]
    #[expect(
        unsafe_code,
        reason = "functions with target features are safe to call where the processor has them"
    )]
    pub(crate) fn carried<const V: usize>(self, columns: &Limbs<V>) -> Limbs<V> {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Ifma` exists only where the processor has the features that the function
            // is compiled for.
            Self::Ifma(Ifma(())) => unsafe { kernel::ifma::carried(columns) },
            #[cfg(not(target_arch = "x86_64"))]
            Self::Ifma(Ifma(())) => kernel::emulated::carried(columns),
            Self::Emulated => kernel::emulated::carried(columns),
            Self::Faulty => kernel::faulty::carried(columns),
        }
    }
}
