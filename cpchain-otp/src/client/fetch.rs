//! Fetching a range: drives a [`Transfer`] over one or several proxies.

use std::{fmt, ops::Range};

use bytes::{Bytes, BytesMut};
use cpchain_crypto::{Digest, PublicKey};

use super::{Client, ClientError, StripedFetch, exchange::Link};
use crate::{
    records::{Grant, WitnessedReceipt},
    signed::Signed,
    stripes::StripesConfig,
    transfer::{Fault, Input, Step, Transfer},
};

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No proxy is left that could serve the rest; everything before `offset` was delivered and holds.
    #[error("no proxy is left at offset {offset}: {}", list(faults))]
    NoSource {
        /// The next byte.
        offset: u64,
        /// Each proxy and what is wrong with it.
        faults: Vec<(PublicKey, Fault)>,
    },
    /// [`Fetch::bytes`] was given a limit, and the range is longer.
    #[error("the range has more than {0} bytes")]
    TooLarge(usize),
}

fn list(faults: &[(PublicKey, Fault)]) -> String {
    faults.iter().map(|(key, fault)| format!("{key:?} {fault}")).collect::<Vec<_>>().join("; ")
}

/// A range of an object on its way from one or several proxies.
///
/// When a proxy breaks off, the next one goes on at the verified offset; none is asked for a byte that was delivered.
pub struct Fetch {
    root: Digest,
    range: Range<u64>,
    grant: Option<Signed<Grant>>,
    clients: Vec<Client>,
    transfer: Option<Transfer>,
    link: Option<Link>,
    receipt: Option<WitnessedReceipt>,
    finished: bool,
}

impl Fetch {
    pub(super) fn new(client: Client, root: Digest) -> Self {
        Self {
            root,
            range: 0..u64::MAX,
            grant: None,
            clients: vec![client],
            transfer: None,
            link: None,
            receipt: None,
            finished: false,
        }
    }

    /// Only these bytes; what lies behind the end of the object is left out. `u64::MAX` as end: to the end.
    pub fn range(mut self, range: Range<u64>) -> Self {
        self.range = range;
        self
    }

    /// Shows this grant.
    pub fn grant(mut self, grant: Signed<Grant>) -> Self {
        self.grant = Some(grant);
        self
    }

    /// Another proxy to ask when the ones before cannot go on.
    pub fn or(mut self, client: &Client) -> Self {
        self.clients.push(client.clone());
        self
    }

    /// Asks all its proxies at once, each for as much as it is fast, in place of one after the other.
    pub fn striped(self, config: StripesConfig) -> StripedFetch {
        StripedFetch::new(self.root, self.range, self.grant.as_ref(), self.clients, config)
    }

    /// The size of the object, once proven: after a fetch that reached the end.
    pub fn size(&self) -> Option<u64> {
        self.transfer.as_ref().and_then(Transfer::size)
    }

    /// The next byte that will be delivered.
    pub fn offset(&self) -> u64 {
        self.transfer.as_ref().map_or(self.range.start, Transfer::offset)
    }

    /// The receipt of the proxy that served last, acknowledged by this client; after the end.
    pub fn receipt(&self) -> Option<&WitnessedReceipt> {
        self.receipt.as_ref()
    }

    /// Proxies that could not serve, and why: [`Fault::Lied`] is worth remembering.
    pub fn faults(&self) -> Vec<(PublicKey, Fault)> {
        let faults = self.transfer.iter().flat_map(Transfer::faults);
        faults.filter_map(|(i, fault)| Some((self.clients.get(i)?.proxy().key, fault.clone()))).collect()
    }

    /// The next verified bytes, at most 16 KiB; `None` at the end.
    ///
    /// # Errors
    /// [`FetchError::NoSource`]. What was delivered before holds.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        if self.finished {
            return Ok(None);
        }
        let mut transfer = match self.transfer.take() {
            Some(transfer) => transfer,
            None => {
                let end = (self.range.end != u64::MAX).then_some(self.range.end.max(self.range.start));
                Transfer::new(self.root, self.range.start, end, self.clients.len())
            }
        };
        let result = self.drive(&mut transfer).await;
        let offset = transfer.offset();
        self.transfer = Some(transfer);
        result.map_err(|()| FetchError::NoSource { offset, faults: self.faults() })
    }

    async fn drive(&mut self, transfer: &mut Transfer) -> Result<Option<Bytes>, ()> {
        let mut step = transfer.step(Input::Next);
        let mut buffer = BytesMut::new();
        loop {
            step = match step {
                Step::Open { source, start, end, failures } => match self.open(source, start, end, failures).await {
                    Ok(size) => transfer.step(Input::Opened { size }),
                    Err(ClientError::Refused(refusal)) => transfer.step(Input::Refused(refusal)),
                    Err(error) => transfer.step(Input::Broken(error.to_string())),
                },
                Step::Read { len } => {
                    buffer.resize(len, 0);
                    let read = match &mut self.link {
                        Some(link) => link.read(&mut buffer).await.map_err(|error| error.to_string()),
                        None => Err("not connected".to_owned()),
                    };
                    match read {
                        Ok(()) => transfer.step(Input::Bytes(&buffer)),
                        Err(reason) => {
                            self.link = None;
                            transfer.step(Input::Broken(reason))
                        }
                    }
                }
                Step::Deliver { part, .. } => return Ok(Some(buffer.freeze().slice(part))),
                Step::Done { source, range } => {
                    self.finished = true;
                    self.receipt = self.take_receipt(source, range).await;
                    return Ok(None);
                }
                Step::Failed => return Err(()),
            }
        }
    }

    async fn open(&mut self, source: usize, start: u64, end: Option<u64>, failures: u32) -> Result<u64, ClientError> {
        self.link = None;
        let client = self.clients.get(source).ok_or(ClientError::Unexpected)?;
        if failures > 0 {
            tokio::time::sleep(client.config.pause.saturating_mul(1 << failures.min(8))).await;
        }
        let mut link = client.link().await?;
        let grant = self.grant.as_ref().map(Signed::to_bytes).unwrap_or_default();
        let size = link.get(self.root, start, end, grant).await?;
        self.link = Some(link);
        Ok(size)
    }

    async fn take_receipt(&mut self, source: usize, range: Range<u64>) -> Option<WitnessedReceipt> {
        let client = self.clients.get(source)?;
        self.link.take()?.take_receipt(client.signer.as_ref(), self.root, range).await
    }

    /// The whole range in memory.
    ///
    /// # Errors
    /// [`FetchError::TooLarge`] above `limit`, and as for [`next`](Self::next).
    pub async fn bytes(&mut self, limit: usize) -> Result<Bytes, FetchError> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.next().await? {
            if piece.len() > limit.saturating_sub(whole.len()) {
                return Err(FetchError::TooLarge(limit));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch").field("root", &self.root).field("offset", &self.offset()).finish_non_exhaustive()
    }
}
