//! `otp:` URIs: where data is, in words that cannot lie.
//!
//! ```text
//! otp:1/<owner>/<object>[/<from>..<to>][?via=<proxy id>][&at=<hint>]
//! ```
//! - *owner*: a `did:key` or a registered name; *object*: a BLAKE3 root (64 hex digits) or a name of the owner's.
//! - *from..to*: encryption intervals, end exclusive, not empty.
//! - *via*: the id of a proxy; *at*: an address to try. Hints are never trusted, roots are.
//!
//! There is one way to write a URI: what parses prints the same (test `what_parses_prints_the_same`). A URI has at most
//! [`MAX_URI`] bytes; names have at most 63, so that none looks like a root.

use std::{fmt, ops::Range, str::FromStr};

use cpchain_crypto::{Did, Digest};

use crate::records::ProxyId;

/// The longest URI, in bytes.
pub const MAX_URI: usize = 1024;
const MAX_HINT: usize = 256;
const MAX_NAME: usize = 63;

/// Why a text is not an `otp:` URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// Longer than [`MAX_URI`].
    #[error("longer than {MAX_URI} bytes")]
    TooLong,
    /// Another scheme or version.
    #[error("it must start with `otp:1/`")]
    Scheme,
    /// The owner is neither a `did:key` nor a name.
    #[error("the owner must be a did:key or a registered name")]
    Owner,
    /// The object is neither a root nor a name.
    #[error("the object must be a root of 64 hex digits or a name")]
    Object,
    /// The intervals are not `<from>..<to>` with from < to.
    #[error("the intervals must be `<from>..<to>`, from below to")]
    Intervals,
    /// An unknown, repeated or misplaced parameter, or a wrong value.
    #[error("the parameters must be `via=<proxy id>` and `at=<hint>`, in this order")]
    Parameter,
    /// Readable, but not the one way to write it.
    #[error("not in canonical form")]
    NotCanonical,
}

/// Who owns the data.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    /// By key: resolves to itself.
    Did(Did),
    /// By a name that the [`Registry`](crate::access::Registry) knows.
    Name(String),
}

/// What is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// An object by its BLAKE3 root.
    Root(Digest),
    /// What a [`Registration`](crate::records::Registration) of the owner binds to this name.
    Name(String),
}

/// A parsed `otp:` URI.
///
/// ```
/// use cpchain_otp::uri::OtpUri;
/// let text = "otp:1/did:key:z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd/weather/0..24?at=/ip4/127.0.0.1/tcp/4001";
/// let uri: OtpUri = text.parse()?;
/// assert_eq!(uri.intervals, Some(0..24));
/// assert_eq!(uri.to_string(), text);
/// # Ok::<(), cpchain_otp::uri::UriError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OtpUri {
    /// Who owns the data.
    pub owner: Owner,
    /// What is meant.
    pub target: Target,
    /// Encryption intervals of it; none: all.
    pub intervals: Option<Range<u32>>,
    /// A proxy that may have it.
    pub via: Option<ProxyId>,
    /// An address that may lead to it, at most 256 bytes.
    pub at: Option<String>,
}

/// 1 to 63 of `a-z`, `0-9`, `-`, `.`, starting with a letter or digit.
pub fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let first = text.bytes().next();
    text.len() <= MAX_NAME && text.bytes().all(inner) && first.is_some_and(|byte| byte.is_ascii_alphanumeric())
}

impl FromStr for OtpUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        if text.len() > MAX_URI {
            return Err(UriError::TooLong);
        }
        let rest = text.strip_prefix("otp:1/").ok_or(UriError::Scheme)?;
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let mut segments = path.split('/');
        let owner = parse_owner(segments.next().unwrap_or_default())?;
        let target = parse_target(segments.next().ok_or(UriError::Object)?)?;
        let intervals = segments.next().map(parse_intervals).transpose()?;
        if segments.next().is_some() {
            return Err(UriError::Intervals);
        }
        let mut uri = Self { owner, target, intervals, via: None, at: None };
        for parameter in query.iter().flat_map(|query| query.split('&')) {
            match parameter.split_once('=') {
                Some(("via", id)) if uri.via.is_none() => {
                    uri.via = Some(ProxyId(parse_hex(id).ok_or(UriError::Parameter)?));
                }
                Some(("at", hint)) if uri.at.is_none() => uri.at = Some(unescape(hint).ok_or(UriError::Parameter)?),
                _ => return Err(UriError::Parameter),
            }
        }
        if uri.to_string() == text { Ok(uri) } else { Err(UriError::NotCanonical) }
    }
}

fn parse_owner(text: &str) -> Result<Owner, UriError> {
    if text.starts_with("did:") {
        text.parse().map(Owner::Did).map_err(|_| UriError::Owner)
    } else if is_name(text) {
        Ok(Owner::Name(text.to_owned()))
    } else {
        Err(UriError::Owner)
    }
}

fn parse_target(text: &str) -> Result<Target, UriError> {
    if let Some(root) = parse_hex(text) {
        Ok(Target::Root(root))
    } else if is_name(text) {
        Ok(Target::Name(text.to_owned()))
    } else {
        Err(UriError::Object)
    }
}

fn parse_intervals(text: &str) -> Result<Range<u32>, UriError> {
    let (from, to) = text.split_once("..").ok_or(UriError::Intervals)?;
    let number = |text: &str| text.parse::<u32>().map_err(|_| UriError::Intervals);
    let range = number(from)?..number(to)?;
    if range.is_empty() { Err(UriError::Intervals) } else { Ok(range) }
}

fn parse_hex(text: &str) -> Option<Digest> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut out = [0; 32];
    for (to, [high, low]) in out.iter_mut().zip(pairs) {
        *to = digit(*high)? << 4 | digit(*low)?;
    }
    Some(Digest(out))
}

/// Bytes that stand for themselves in a hint; all others are percent-encoded with capital digits.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/' | b':')
}

fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(if byte == b'%' {
            let mut digit = || (bytes.next()? as char).to_digit(16);
            u8::try_from(digit()? << 4 | digit()?).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(out).ok().filter(|hint| !hint.is_empty() && hint.len() <= MAX_HINT)
}

impl fmt::Display for OtpUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.owner {
            Owner::Did(did) => write!(f, "otp:1/{did}/")?,
            Owner::Name(name) => write!(f, "otp:1/{name}/")?,
        }
        match &self.target {
            Target::Root(root) => write!(f, "{root}")?,
            Target::Name(name) => f.write_str(name)?,
        }
        if let Some(range) = &self.intervals {
            write!(f, "/{}..{}", range.start, range.end)?;
        }
        if let Some(via) = &self.via {
            write!(f, "?via={via}")?;
        }
        if let Some(at) = &self.at {
            f.write_str(if self.via.is_some() { "&at=" } else { "?at=" })?;
            for byte in at.bytes() {
                if is_plain(byte) { write!(f, "{}", byte as char)? } else { write!(f, "%{byte:02X}")? }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::PublicKey;
    use proptest::prelude::*;

    use super::*;

    fn name() -> impl Strategy<Value = String> {
        "[a-z0-9][a-z0-9.-]{0,62}"
    }

    fn uris() -> impl Strategy<Value = OtpUri> {
        let owner =
            prop_oneof![any::<[u8; 32]>().prop_map(|k| Owner::Did(PublicKey(k).into())), name().prop_map(Owner::Name)];
        let target =
            prop_oneof![any::<[u8; 32]>().prop_map(|d| Target::Root(Digest(d))), name().prop_map(Target::Name)];
        let intervals = prop::option::of(
            (any::<u32>(), 1u32..).prop_map(|(from, len)| from.min(u32::MAX - 1)..from.saturating_add(len)),
        );
        let via = prop::option::of(any::<[u8; 32]>().prop_map(|d| ProxyId(Digest(d))));
        let at = prop::option::of("[ -~é漢]{1,60}");
        (owner, target, intervals, via, at).prop_map(|(owner, target, intervals, via, at)| OtpUri {
            owner,
            target,
            intervals,
            via,
            at,
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_parses(uri in uris()) {
            prop_assert_eq!(uri.to_string().parse::<OtpUri>(), Ok(uri));
        }

        #[test]
        fn what_parses_prints_the_same(uri in uris(), at in any::<prop::sample::Index>(), with in "[ -~é]") {
            let mut text = uri.to_string();
            let at = at.index(text.len());
            text.replace_range(at..=at, &with);
            if let Ok(read) = text.parse::<OtpUri>() {
                prop_assert_eq!(read.to_string(), text);
            }
        }

        #[test]
        fn any_text_never_panics(text in any::<String>()) {
            let _ = text.parse::<OtpUri>();
            let _ = format!("otp:1/{text}").parse::<OtpUri>();
        }
    }

    #[test]
    fn each_part_has_its_error() {
        let root = "0".repeat(64);
        let long = format!("otp:1/{}", "a".repeat(MAX_URI));
        for (text, error) in [
            (long.as_str(), UriError::TooLong),
            ("otp:2/a/b", UriError::Scheme),
            ("http://a/b", UriError::Scheme),
            ("otp:1/did:web:x/b", UriError::Owner),
            ("otp:1//b", UriError::Owner),
            ("otp:1/a", UriError::Object),
            ("otp:1/a/B", UriError::Object),
            ("otp:1/a/b/5", UriError::Intervals),
            ("otp:1/a/b/5..5", UriError::Intervals),
            ("otp:1/a/b/1..2/3", UriError::Intervals),
            ("otp:1/a/b/01..2", UriError::NotCanonical),
            ("otp:1/a/b?", UriError::Parameter),
            ("otp:1/a/b?at=", UriError::Parameter),
            ("otp:1/a/b?via=00", UriError::Parameter),
            ("otp:1/a/b?at=x&at=y", UriError::Parameter),
            ("otp:1/a/b?at=%zz", UriError::Parameter),
            ("otp:1/a/b?at=%41", UriError::NotCanonical),
            (&format!("otp:1/a/b?at=x&via={root}"), UriError::NotCanonical),
        ] {
            assert_eq!(text.parse::<OtpUri>(), Err(error), "{text}");
        }
    }
}
