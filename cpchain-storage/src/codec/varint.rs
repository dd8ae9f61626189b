//! Small whole numbers: seven bits a byte, lowest first, the top bit says that more follow (LEB128).

use super::CodecError;

pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn take(rest: &mut &[u8]) -> Result<u64, CodecError> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first().ok_or_else(|| CodecError::corrupt("it ends too early"))?;
        *rest = tail;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            break;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(CodecError::corrupt("a number is too large"))
}

/// Bytes with their length before them.
#[cfg(feature = "pco")]
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(any(feature = "pco", test))]
pub(super) fn take_bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], CodecError> {
    let length = usize::try_from(take(rest)?).map_err(CodecError::corrupt)?;
    let (head, tail) = rest.split_at_checked(length).ok_or_else(|| CodecError::corrupt("it ends too early"))?;
    *rest = tail;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_round_trips_and_overflow_is_refused() {
        for number in (0..64).flat_map(|shift| [(1u64 << shift) - 1, 1 << shift]).chain([u64::MAX]) {
            let mut bytes = Vec::new();
            put(&mut bytes, number);
            let mut rest = bytes.as_slice();
            assert_eq!(take(&mut rest).unwrap(), number);
            assert!(rest.is_empty());
            assert!(take(&mut &bytes[..bytes.len() - 1]).is_err());
        }
        assert!(take(&mut &[0xff; 11][..]).is_err());
        assert!(take(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2][..]).is_err());
        assert!(take_bytes(&mut &[9, 1, 2][..]).is_err());
    }
}
