//! The named set of parameters, with what it is estimated to withstand.

/// The lattice of a scan.
///
/// | set | N | q | error | secret | estimated security |
/// | --- | --- | --- | --- | --- | --- |
/// | [`Glwe2048`](Self::Glwe2048) | 2048 | 2⁶⁴ | TUniform(20) | TUniform(3) | 2¹³¹ |
///
/// **Security** is the core-SVP hardness of the primal attack with the secret's part scaled to the error's size, as the
/// keyword search counts it; `tests/search_parameters.rs` computes it anew (`the_scan_is_estimated`). The usual set of `tfhe` with N = 2048,
/// TUniform(17) and a secret of bits, is at 2¹⁰⁹ by this count, which leaves out the polynomial factors that other counts have.
///
/// **Failure**: that a coefficient of an honest answer is refused, or read wrong, is less likely than [`failure_log2`](Self::failure_log2) says, whatever the
/// table contains (`the_scan_fails_this_rarely`); the rounding of the transform is measured with the noise (`noise_margin`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Parameters {
    /// The only set so far.
    Glwe2048 = 1,
}

impl Parameters {
    /// log₂ of the work that breaking a query is estimated to take.
    pub const fn security_bits(self) -> u32 {
        131
    }

    /// A coefficient of an honest answer is refused with a probability below 2 to the power of this.
    pub const fn failure_log2(self) -> i32 {
        -228
    }
}
