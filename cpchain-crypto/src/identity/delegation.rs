//! Gateways that act for devices which cannot hold a DID (white paper 2.5.1 and 3.1.4).
//!
//! A sensor without the power to hash and sign sends its readings to a gateway, which seals, signs and uploads them (2.5.1).
//! To everybody else it must be plain that the gateway may. So the device's owner, the *controller*, signs a [`Delegation`]:
//! this gateway speaks for these devices, on these streams, in this time. A device is named by its [`DeviceId`]; the gateway
//! signs each message with [`sign_for`], which binds device and stream. A gateway that owns its sensors is its own controller.
//!
//! Rules and the tests that hold them (`tests/identity_delegation.rs`):
//! - A gateway's signature counts for a named device, a named stream and a time in the validity alone
//!   (`a_gateway_acts_within_its_delegation_alone`).
//! - It counts for one domain, message, device, stream and gateway (`a_signature_moves_to_nothing_else`).
//! - Delegations of one controller to one gateway are numbered. A [`Withdrawal`] ends all up to a number, from a time on;
//!   what was signed before that time stays good (`a_withdrawal_ends_delegations_up_to_its_number`).
//!
//! Times are milliseconds since 1970-01-01 UTC, and come from the verifier (a block's time, or its own receipt), never from
//! the gateway.

use crate::{
    hash::{Digest, Domain},
    sign::{Signature, SignatureError, Signer},
};

#[cfg(feature = "alloc")]
use super::layout::{HEADER_LEN, Writer, header};
pub use super::withdrawal::{SignedWithdrawal, WITHDRAWAL_LEN, Withdrawal, WithdrawalError};
use super::{
    did::Did,
    layout::{Kind, Reader, RecordError},
    speaker::Speaker,
};

/// Most devices that one delegation names.
pub const MAX_DEVICES: usize = 255;
/// Most streams that one delegation names.
pub const MAX_STREAMS: usize = 255;

const DEVICE: Domain = Domain::new("cpchain/crypto/identity/device-id/v1");
const DELEGATES: Domain = Domain::new("cpchain/crypto/identity/delegation/v1");
const ACTS: Domain = Domain::new("cpchain/crypto/identity/gateway-act/v1");
const ALL_STREAMS: u8 = 1;

/// Why a gateway's act or record does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DelegationError {
    /// It is of another controller or gateway than the one that it is judged for.
    #[error("the record is of another controller or gateway")]
    WrongParty,
    /// A signature is wrong.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Before the delegation begins, or when it has ended.
    #[error("the delegation does not hold at this time")]
    NotInForce,
    /// The controller withdrew it.
    #[error("the delegation was withdrawn")]
    Withdrawn,
    /// It does not name this device.
    #[error("the delegation does not name this device")]
    WrongDevice,
    /// It does not name this stream.
    #[error("the delegation does not name this stream")]
    WrongStream,
    /// The terms break their bounds: no device, too many, out of order, or a time that ends before it begins.
    #[error(
        "the terms name 1 to 255 devices, at most 255 streams, both sorted and none twice, and end after they begin"
    )]
    Terms,
}

/// A device by a digest of its local name, such as a serial number or a bus address.
///
/// A guessed name can be confirmed from the digest; put a random part into the name if it must stay unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub Digest);

impl DeviceId {
    /// The device that its controller calls `local_name`. The same name under another controller is another device.
    pub fn new(controller: &Did, local_name: &[u8]) -> Self {
        Self(Digest::of(DEVICE, &[&controller.public_key().0, local_name]))
    }
}

/// The streams that a gateway may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Every stream of the named devices.
    AllStreams,
    /// These, in ascending order, none twice. An empty list allows nothing.
    Streams(&'a [Digest]),
}

/// What a controller grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DelegationTerms<'a> {
    /// Who owns the devices.
    pub controller: Did,
    /// Who speaks for them.
    pub gateway: Did,
    /// The number of this delegation among those of this controller to this gateway.
    pub sequence: u64,
    /// When it begins.
    pub from_ms: u64,
    /// When it has ended: the first millisecond at which it does not hold.
    pub until_ms: u64,
    /// For which devices, in ascending order (`sort` them), none twice.
    pub devices: &'a [DeviceId],
    /// For which of their streams.
    pub scope: Scope<'a>,
}

/// Bytes before the lists.
#[cfg(feature = "alloc")]
const FIXED: usize = HEADER_LEN + 88;

#[cfg(feature = "alloc")]
impl DelegationTerms<'_> {
    /// Signs as the controller. Layout: header (number of devices, number of streams, 1 for all streams), controller, gateway,
    /// sequence, from, until, devices, streams, signature.
    ///
    /// # Errors
    /// [`DelegationError::Terms`].
    pub fn sign(&self, controller: &dyn Signer) -> Result<alloc::vec::Vec<u8>, DelegationError> {
        let (streams, all) = match self.scope {
            Scope::AllStreams => (&[][..], ALL_STREAMS),
            Scope::Streams(streams) => (streams, 0),
        };
        let (Ok(devices), Ok(count)) = (u8::try_from(self.devices.len()), u8::try_from(streams.len())) else {
            return Err(DelegationError::Terms);
        };
        let ascending = self.devices.is_sorted_by(|a, b| a < b) && streams.is_sorted_by(|a, b| a < b);
        if devices == 0 || !ascending || self.from_ms >= self.until_ms {
            return Err(DelegationError::Terms);
        }
        let fixed: [u8; FIXED] = Writer::new()
            .put(&header(Kind::Delegation, [devices, count, all]))
            .put(&self.controller.public_key().0)
            .put(&self.gateway.public_key().0)
            .put(&self.sequence.to_le_bytes())
            .put(&self.from_ms.to_le_bytes())
            .put(&self.until_ms.to_le_bytes())
            .finish();
        let mut out = fixed.to_vec();
        self.devices.iter().for_each(|device| out.extend_from_slice(&device.0.0));
        streams.iter().for_each(|stream| out.extend_from_slice(&stream.0));
        let signature = controller.sign(DELEGATES, &out);
        out.extend_from_slice(&signature.0);
        Ok(out)
    }
}

/// A delegation over borrowed bytes: in its bounds, not yet judged. Needs no heap.
///
/// ```
/// # #[cfg(feature = "alloc")] {
/// use cpchain_crypto::{Did, Digest, Domain, Signer, SigningKey, identity::{Speaker, delegation::*}};
/// const READING: Domain = Domain::new("example/reading/v1");
/// let (owner, gateway) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
/// let (owner_did, gateway_did) = (Did::from(owner.public_key()), Did::from(gateway.public_key()));
/// let (sensor, stream) = (DeviceId::new(&owner_did, b"modbus 17"), Digest::content(b"temperature"));
/// let terms = DelegationTerms {
///     controller: owner_did, gateway: gateway_did, sequence: 1, from_ms: 1000, until_ms: 2000,
///     devices: &[sensor], scope: Scope::Streams(&[stream]),
/// };
/// let bytes = terms.sign(&owner)?;
/// // The gateway signs for the sensor; anybody checks that it may.
/// let act = Act { device: sensor, stream };
/// let signature = sign_for(&gateway, &gateway_did, &act, READING, b"21.5 C");
/// let delegation = Delegation::parse(&bytes)?;
/// let parties = Parties { controller: owner_did.into(), gateway: gateway_did.into(), withdrawals: &[] };
/// delegation.verify(&parties, &act, 1500, READING, b"21.5 C", &signature)?;
/// assert_eq!(delegation.verify(&parties, &act, 2000, READING, b"21.5 C", &signature), Err(DelegationError::NotInForce));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delegation<'a> {
    signed: &'a [u8],
    controller: Did,
    gateway: Did,
    sequence: u64,
    from_ms: u64,
    until_ms: u64,
    devices: &'a [[u8; 32]],
    /// `None` for all.
    streams: Option<&'a [[u8; 32]]>,
    signature: Signature,
}

/// One thing that a gateway says: for which device, on which stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    /// The device that it speaks for.
    pub device: DeviceId,
    /// The stream that it writes.
    pub stream: Digest,
}

/// Whom a delegation is judged for. The controller by the key that speaks for it at the time judged: a rotation ends what its
/// old key granted, so grant again, and withdraw again, after it. The gateway by the key that spoke when it acted.
#[derive(Debug, Clone, Copy)]
pub struct Parties<'a> {
    /// The owner whom the verifier takes the devices to belong to.
    pub controller: Speaker,
    /// The gateway that acted.
    pub gateway: Speaker,
    /// The withdrawals that the verifier knows; those of other parties do not matter.
    pub withdrawals: &'a [SignedWithdrawal],
}

impl<'a> Delegation<'a> {
    /// Reads what `DelegationTerms::sign` (feature `alloc`) wrote.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let ([devices, streams, all], mut fields) = Reader::open(bytes, Kind::Delegation)?;
        let (controller, gateway) = (fields.did()?, fields.did()?);
        let (sequence, from_ms, until_ms) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let devices = fields.slice(usize::from(devices) * 32)?.as_chunks().0;
        let streams = fields.slice(usize::from(streams) * 32)?.as_chunks().0;
        let signature = fields.signature()?;
        fields.end()?;
        let signed = bytes.get(..bytes.len().saturating_sub(64)).ok_or(RecordError::Length)?;
        let ascending = |list: &[[u8; 32]]| list.is_sorted_by(|a, b| a < b);
        if devices.is_empty() || !ascending(devices) {
            return Err(RecordError::Field("devices"));
        }
        if !ascending(streams) {
            return Err(RecordError::Field("streams"));
        }
        if from_ms >= until_ms {
            return Err(RecordError::Field("until"));
        }
        let streams = match (all, streams) {
            (ALL_STREAMS, []) => None,
            (0, streams) => Some(streams),
            _ => return Err(RecordError::Format),
        };
        Ok(Self { signed, controller, gateway, sequence, from_ms, until_ms, devices, streams, signature })
    }

    /// Who granted it.
    pub const fn controller(&self) -> Did {
        self.controller
    }

    /// To whom.
    pub const fn gateway(&self) -> Did {
        self.gateway
    }

    /// Its number among those of this controller to this gateway.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// When it begins, and the first millisecond at which it does not hold.
    pub const fn validity(&self) -> (u64, u64) {
        (self.from_ms, self.until_ms)
    }

    /// For which devices.
    pub fn devices(&self) -> impl Iterator<Item = DeviceId> + '_ {
        self.devices.iter().map(|id| DeviceId(Digest(*id)))
    }

    /// For which streams; `None` for all.
    pub fn streams(&self) -> Option<impl Iterator<Item = Digest> + '_> {
        self.streams.map(|streams| streams.iter().map(|id| Digest(*id)))
    }

    /// Did this controller grant it, with the key that speaks for it now? Says nothing about time, devices and streams.
    ///
    /// # Errors
    /// [`DelegationError::WrongParty`], [`DelegationError::Signature`].
    pub fn verify_grant(&self, controller: &Speaker) -> Result<(), DelegationError> {
        if controller.identity() != self.controller {
            return Err(DelegationError::WrongParty);
        }
        Ok(controller.verify(DELEGATES, self.signed, &self.signature)?)
    }

    /// May the gateway do this at the time `at_ms`?
    ///
    /// # Errors
    /// [`DelegationError`].
    pub fn authorises(&self, parties: &Parties<'_>, act: &Act, at_ms: u64) -> Result<(), DelegationError> {
        if parties.gateway.identity() != self.gateway {
            return Err(DelegationError::WrongParty);
        }
        self.verify_grant(&parties.controller)?;
        if !(self.from_ms..self.until_ms).contains(&at_ms) {
            return Err(DelegationError::NotInForce);
        }
        let ends = |withdrawal: &SignedWithdrawal| withdrawal.statement().ends(self, at_ms);
        if parties.withdrawals.iter().any(ends) {
            return Err(DelegationError::Withdrawn);
        }
        self.devices.binary_search(&act.device.0.0).map_err(|_| DelegationError::WrongDevice)?;
        if let Some(streams) = self.streams {
            streams.binary_search(&act.stream.0).map_err(|_| DelegationError::WrongStream)?;
        }
        Ok(())
    }

    /// Was `message` signed by the gateway for this device and stream, and might it do so at `at_ms`?
    ///
    /// # Errors
    /// [`DelegationError`].
    pub fn verify(
        &self,
        parties: &Parties<'_>,
        act: &Act,
        at_ms: u64,
        domain: Domain,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), DelegationError> {
        self.authorises(parties, act, at_ms)?;
        let digest = act_digest(&self.gateway, act, domain, message);
        Ok(parties.gateway.verify(ACTS, digest.as_bytes(), signature)?)
    }
}

/// The gateway `identity` signs `message` under `domain` for a device, on a stream.
pub fn sign_for(signer: &dyn Signer, identity: &Did, act: &Act, domain: Domain, message: &[u8]) -> Signature {
    signer.sign(ACTS, act_digest(identity, act, domain, message).as_bytes())
}

fn act_digest(gateway: &Did, act: &Act, domain: Domain, message: &[u8]) -> Digest {
    let (device, stream) = (act.device.0, act.stream);
    Digest::of(ACTS, &[&gateway.public_key().0, &device.0, &stream.0, domain.as_str().as_bytes(), message])
}
