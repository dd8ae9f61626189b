//! Physical values as 16-bit numbers.

use super::{Predicate, SearchError};

/// 2⁵⁰ steps: beyond every reach, exact in an `f64`.
const BEYOND: f64 = (1u64 << 50) as f64;

/// Maps physical values to `u16`, keeping their order: `steps = round(value × scale)`, stored as `steps − offset`.
///
/// ```
/// use cpchain_crypto::search::FixedPoint;
/// // Tenths of a degree from −50.0 °C: reaches to 6503.5 °C.
/// let celsius = FixedPoint::new(10, -500)?;
/// assert_eq!(celsius.encode(-3.4)?, 466);
/// assert_eq!(celsius.decode(466), -3.4);
/// assert!(celsius.encode(-50.1).is_err());
/// # Ok::<(), cpchain_crypto::search::SearchError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedPoint {
    scale: u32,
    offset: i64,
}

impl FixedPoint {
    /// `scale` steps a unit (10: tenths); `offset` is the smallest value, in steps.
    ///
    /// # Errors
    /// [`SearchError::Value`] for a scale of zero, or an offset beyond ±2⁴⁰.
    pub const fn new(scale: u32, offset: i64) -> Result<Self, SearchError> {
        if scale == 0 || offset.unsigned_abs() > 1 << 40 {
            return Err(SearchError::Value);
        }
        Ok(Self { scale, offset })
    }

    /// The number of a physical value, rounded to the nearest step.
    ///
    /// # Errors
    /// [`SearchError::Value`] for a value out of reach, or one that is no number.
    pub fn encode(&self, value: f64) -> Result<u16, SearchError> {
        self.encode_steps(self.steps(value)?)
    }

    /// The number of a value that is already in steps (tenths, hundredths, …).
    ///
    /// # Errors
    /// [`SearchError::Value`] for a value out of reach.
    pub fn encode_steps(&self, steps: i64) -> Result<u16, SearchError> {
        let shifted = steps.checked_sub(self.offset).ok_or(SearchError::Value)?;
        u16::try_from(shifted).map_err(|_| SearchError::Value)
    }

    /// The physical value of a number.
    pub fn decode(&self, number: u16) -> f64 {
        (i64::from(number) + self.offset) as f64 / f64::from(self.scale)
    }

    /// "From `low` to `high`", both included. Bounds are rounded as values are, so that a stored value always lies
    /// within bounds equal to it; bounds beyond reach mean the end of the reach.
    ///
    /// # Errors
    /// [`SearchError::Value`] for a bound that is no number, or a range that holds no representable value.
    pub fn between(&self, low: f64, high: f64) -> Result<Predicate, SearchError> {
        let top = self.offset + i64::from(u16::MAX);
        let (low, high) = (self.steps(low)?.max(self.offset), self.steps(high)?.min(top));
        if low > high {
            return Err(SearchError::Value);
        }
        Ok(Predicate::Between { low: self.encode_steps(low)?, high: self.encode_steps(high)? })
    }

    /// Rounds half away from zero (`f64::round` needs the standard library).
    fn steps(&self, value: f64) -> Result<i64, SearchError> {
        let scaled = value * f64::from(self.scale);
        if scaled.is_nan() {
            return Err(SearchError::Value);
        }
        // The cast cuts towards zero and saturates; the clamp keeps later arithmetic far from the ends.
        let scaled = scaled.clamp(-BEYOND, BEYOND);
        let half = if scaled < 0.0 { -0.5 } else { 0.5 };
        Ok((scaled + half) as i64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ends_and_errors() {
        let celsius = FixedPoint::new(10, -500).unwrap();
        assert_eq!(celsius.encode(-50.0), Ok(0));
        assert_eq!(celsius.encode(6503.5), Ok(u16::MAX));
        for wrong in [-50.06, 6503.56, f64::NAN, f64::INFINITY, f64::MIN] {
            assert_eq!(celsius.encode(wrong), Err(SearchError::Value), "{wrong}");
        }
        assert_eq!(FixedPoint::new(0, 0), Err(SearchError::Value));
        assert_eq!(FixedPoint::new(1, i64::MIN), Err(SearchError::Value));
        assert_eq!(celsius.encode_steps(i64::MIN), Err(SearchError::Value));
        let all = Predicate::Between { low: 0, high: u16::MAX };
        assert_eq!(celsius.between(f64::NEG_INFINITY, f64::INFINITY), Ok(all));
        assert_eq!(celsius.between(3.0, 2.0), Err(SearchError::Value));
        assert_eq!(celsius.between(f64::NAN, 2.0), Err(SearchError::Value));
    }

    proptest! {
        #[test]
        fn order_is_kept_and_values_come_back(a in -500i64..65_035, b in -500i64..65_035) {
            let celsius = FixedPoint::new(10, -500).unwrap();
            let [x, y] = [a, b].map(|tenths| celsius.encode(tenths as f64 / 10.0).unwrap());
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(celsius.encode(celsius.decode(x)), Ok(x));
            prop_assert_eq!(celsius.encode_steps(a), Ok(x));
            if a <= b {
                let range = celsius.between(a as f64 / 10.0, b as f64 / 10.0).unwrap();
                prop_assert!(range.matches(x) && range.matches(y));
            }
        }
    }
}
