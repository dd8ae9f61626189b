//! Values that are short decimals, as whole numbers of their last digit.
//!
//! 16.4 is not a sum of few powers of two, but 164 / 10 gives its very bits. A column is written so if all but an eighth of its
//! values come back bit for bit; the others (missing ones, −0.0) stand beside it as they are.
//!
//! Layout: exponent of ten `u8`; period as LEB128 (0: none, see [`season`]); number of exceptions as LEB128 and, if there are any,
//! their places (`u32`) and their bits (`u64`), each through `pco` with its length before it; width of the whole numbers
//! `u8` (2, 4 or 8 bytes); then these through `pco`.

use pco::DeltaSpec;

use super::{CodecError, numbers, pco::OURS, season, varint};

const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
/// Beyond it, whole numbers have gaps as floats.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;
/// Numbers that a linear prediction looks back at, and the shortest column in which it pays.
const CONVOLUTION: (usize, usize) = (16, 1024);

/// The column, or `None` if its values are no short decimals.
pub(super) fn encode(values: &[f64]) -> Result<Option<Vec<u8>>, CodecError> {
    let Some((exponent, wholes, exceptions)) = split(values) else { return Ok(None) };
    let mut best = [plain(&wholes, 0, DeltaSpec::Auto)?].to_vec();
    if wholes.len() >= CONVOLUTION.1 {
        best.push(plain(&wholes, 0, DeltaSpec::TryConv1(CONVOLUTION.0))?);
    }
    if let Some(lag) = season::find(&wholes) {
        best.push(plain(&season::difference(&wholes, lag), lag, DeltaSpec::Auto)?);
    }
    let Some((lag, packed)) = best.into_iter().min_by_key(|(_, packed)| packed.len()) else { return Ok(None) };
    let mut out = vec![OURS, exponent];
    varint::put(&mut out, lag as u64);
    varint::put(&mut out, exceptions.len() as u64);
    if !exceptions.is_empty() {
        let (places, bits): (Vec<u32>, Vec<u64>) = exceptions.into_iter().unzip();
        varint::put_bytes(&mut out, &numbers::compress(&places, DeltaSpec::Auto)?);
        varint::put_bytes(&mut out, &numbers::compress(&bits, DeltaSpec::Auto)?);
    }
    out.extend(packed);
    Ok(Some(out))
}

/// The column of these bytes, without their first.
pub(super) fn decode(bytes: &[u8], rows: usize) -> Result<Vec<f64>, CodecError> {
    let wrong = || CodecError::corrupt("these are no decimals");
    let (&exponent, mut rest) = bytes.split_first().ok_or_else(wrong)?;
    let power = *POWERS.get(usize::from(exponent)).ok_or_else(wrong)?;
    let lag = usize::try_from(varint::take(&mut rest)?).map_err(CodecError::corrupt)?;
    let count = usize::try_from(varint::take(&mut rest)?).map_err(CodecError::corrupt)?;
    if lag > rows || count > rows {
        return Err(wrong());
    }
    let mut exceptions = (Vec::new(), Vec::new());
    if count > 0 {
        exceptions.0 = numbers::decompress::<u32>(varint::take_bytes(&mut rest)?, count)?;
        exceptions.1 = numbers::decompress::<u64>(varint::take_bytes(&mut rest)?, count)?;
    }
    let (width, packed) = rest.split_first().ok_or_else(wrong)?;
    let wholes: Vec<i64> = match width {
        2 => numbers::decompress::<i16>(packed, rows)?.into_iter().map(i64::from).collect(),
        4 => numbers::decompress::<i32>(packed, rows)?.into_iter().map(i64::from).collect(),
        8 => numbers::decompress(packed, rows)?,
        _ => return Err(wrong()),
    };
    let wholes = if lag == 0 { wholes } else { season::restore(wholes, lag) };
    let mut values: Vec<f64> = wholes.into_iter().map(|whole| whole as f64 / power).collect();
    for (place, bits) in exceptions.0.into_iter().zip(exceptions.1) {
        *values.get_mut(place as usize).ok_or_else(wrong)? = f64::from_bits(bits);
    }
    Ok(values)
}

/// Period, and width and `pco` of these numbers.
fn plain(numbers: &[i64], lag: usize, delta: DeltaSpec) -> Result<(usize, Vec<u8>), CodecError> {
    let narrow = |limit: i64| numbers.iter().all(|number| (-limit..limit).contains(number));
    let (width, packed) = if narrow(1 << 15) {
        (2, numbers::compress(&numbers.iter().map(|number| *number as i16).collect::<Vec<_>>(), delta)?)
    } else if narrow(1 << 31) {
        (4, numbers::compress(&numbers.iter().map(|number| *number as i32).collect::<Vec<_>>(), delta)?)
    } else {
        (8, numbers::compress(numbers, delta)?)
    };
    Ok((lag, [&[width], packed.as_slice()].concat()))
}

type Exceptions = Vec<(u32, u64)>;

/// The least exponent with which all but an eighth of the values are whole.
fn split(values: &[f64]) -> Option<(u8, Vec<i64>, Exceptions)> {
    let allowed = values.len() / 8;
    let probe = (values.len() / 64).max(1);
    (0u8..).zip(POWERS).find_map(|(exponent, power)| {
        let odd = values.iter().step_by(probe).filter(|value| whole(**value, power).is_none()).count();
        if odd > values.len().div_ceil(probe) / 4 {
            return None;
        }
        let (mut wholes, mut exceptions) = (Vec::with_capacity(values.len()), Exceptions::new());
        for (place, value) in (0u32..).zip(values) {
            match whole(*value, power) {
                Some(whole) => wholes.push(whole),
                None if exceptions.len() == allowed => return None,
                None => {
                    exceptions.push((place, value.to_bits()));
                    wholes.push(wholes.last().copied().unwrap_or(0));
                }
            }
        }
        Some((exponent, wholes, exceptions))
    })
}

fn whole(value: f64, power: f64) -> Option<i64> {
    let whole = (value * power).round();
    let is_exact = whole.abs() <= MAX_WHOLE && (whole as i64 as f64 / power).to_bits() == value.to_bits();
    is_exact.then_some(whole as i64)
}
