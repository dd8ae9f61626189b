use std::ops::Range;

use bytes::Bytes;
use cpchain_crypto::{Digest, Domain, PublicKey, Signature, Signer};
use prost::Message as _;

use super::{bytes, digest, key, optional_digest};
use crate::{
    signed::{Record, RecordError, Signed},
    wire,
};

const ACKNOWLEDGE: Domain = Domain::new("cpchain/otp/acknowledge/v1");

/// A proxy's word that it served a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Who served.
    pub proxy: PublicKey,
    /// Whom.
    pub caller: PublicKey,
    /// Which object.
    pub root: Digest,
    /// Which bytes of it; cut to the size of the object.
    pub range: Range<u64>,
    /// Id of the grant that allowed it; none for public objects and for the owner.
    pub grant: Option<Digest>,
    /// When, ms since 1970 UTC.
    pub at_ms: u64,
}

impl Record for Receipt {
    const DOMAIN: Domain = Domain::new("cpchain/otp/receipt/v1");
    const MAX_LEN: usize = 256;

    fn signer(&self) -> PublicKey {
        self.proxy
    }

    fn to_body(&self) -> Vec<u8> {
        wire::Receipt {
            proxy: bytes(self.proxy.0),
            caller: bytes(self.caller.0),
            root: bytes(self.root),
            start: self.range.start,
            end: self.range.end,
            grant: self.grant.map(bytes).unwrap_or_default(),
            at_ms: self.at_ms,
        }
        .encode_to_vec()
    }

    fn from_body(body: &[u8]) -> Result<Self, RecordError> {
        let read = wire::Receipt::decode(body).map_err(|_| RecordError::Malformed("not a receipt"))?;
        if read.start > read.end {
            return Err(RecordError::Malformed("a range runs backwards"));
        }
        Ok(Self {
            proxy: key(&read.proxy)?,
            caller: key(&read.caller)?,
            root: digest(&read.root)?,
            range: read.start..read.end,
            grant: optional_digest(&read.grant)?,
            at_ms: read.at_ms,
        })
    }
}

/// A receipt that the caller has acknowledged: proof of service that neither side can make alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessedReceipt {
    receipt: Signed<Receipt>,
    acknowledgement: Signature,
}

impl WitnessedReceipt {
    /// The caller's part: signs that the range arrived and was verified.
    ///
    /// # Errors
    /// [`RecordError::WrongSigner`] if the receipt names another caller.
    pub fn acknowledge(receipt: Signed<Receipt>, caller: &dyn Signer) -> Result<Self, RecordError> {
        if receipt.caller != caller.public_key() {
            return Err(RecordError::WrongSigner);
        }
        let acknowledgement = caller.sign(ACKNOWLEDGE, receipt.body());
        Ok(Self { receipt, acknowledgement })
    }

    /// The proxy's part: takes the acknowledgement if it holds.
    ///
    /// # Errors
    /// [`RecordError::Signature`] if the named caller did not make it.
    pub fn verify(receipt: Signed<Receipt>, acknowledgement: Signature) -> Result<Self, RecordError> {
        receipt.caller.verify(ACKNOWLEDGE, receipt.body(), &acknowledgement)?;
        Ok(Self { receipt, acknowledgement })
    }

    /// What was served.
    pub fn receipt(&self) -> &Signed<Receipt> {
        &self.receipt
    }

    /// The caller's signature.
    pub fn acknowledgement(&self) -> &Signature {
        &self.acknowledgement
    }

    /// The bytes to store or to show.
    pub fn to_bytes(&self) -> Bytes {
        let acknowledgement = bytes(self.acknowledgement.0);
        wire::WitnessedReceipt { receipt: self.receipt.to_bytes(), acknowledgement }.encode_to_vec().into()
    }

    /// Reads and verifies both signatures.
    ///
    /// # Errors
    /// [`RecordError`], as for [`Signed::from_bytes`].
    pub fn from_bytes(raw: &[u8]) -> Result<Self, RecordError> {
        if raw.len() > 1024 {
            return Err(RecordError::TooLong { found: raw.len(), most: 1024 });
        }
        let read =
            wire::WitnessedReceipt::decode(raw).map_err(|_| RecordError::Malformed("not a witnessed receipt"))?;
        let signature =
            Signature::from_slice(&read.acknowledgement).ok_or(RecordError::Malformed("signature length"))?;
        Self::verify(Signed::from_bytes(&read.receipt)?, signature)
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::SigningKey;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_sides_sign() {
        let (proxy, caller) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
        let receipt = Receipt {
            proxy: proxy.public_key(),
            caller: caller.public_key(),
            root: Digest::content(b"x"),
            range: 0..1,
            grant: None,
            at_ms: 5,
        };
        let receipt = Signed::sign(receipt, &proxy).unwrap();
        assert_eq!(WitnessedReceipt::acknowledge(receipt.clone(), &proxy), Err(RecordError::WrongSigner));
        let witnessed = WitnessedReceipt::acknowledge(receipt.clone(), &caller).unwrap();
        assert_eq!(WitnessedReceipt::from_bytes(&witnessed.to_bytes()).unwrap(), witnessed);
        let forged = proxy.sign(ACKNOWLEDGE, receipt.body());
        assert!(WitnessedReceipt::verify(receipt, forged).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = WitnessedReceipt::from_bytes(&bytes);
        }
    }
}
