//! One stream to a proxy, from the caller's side.

use std::{io, ops::Range, time::Duration};

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey, Signer};
use futures::{AsyncReadExt as _, AsyncWriteExt as _, io::BufReader};

use super::ClientError;
use crate::{
    records::{Receipt, WitnessedReceipt},
    signed::Signed,
    transport::{ByteStream, Transport},
    wire::{
        Acknowledge, Call, FrameError, Get, Refusal, Reply, Request, SignedRecord, VERSION, read_exactly, read_message,
        reply, request, write_message,
    },
};

const PIECE: usize = 64 * 1024;

pub(super) struct Link {
    pub(super) peer: PublicKey,
    stream: BufReader<Box<dyn ByteStream>>,
    stall: Duration,
}

impl Link {
    pub(super) async fn open(transport: &dyn Transport, address: &str, stall: Duration) -> Result<Self, ClientError> {
        let channel = transport.open(address).await?;
        Ok(Self { peer: channel.peer, stream: BufReader::with_capacity(PIECE, channel.stream), stall })
    }

    /// Sends a request and reads the reply.
    pub(super) async fn ask(&mut self, body: request::Body) -> Result<reply::Body, ClientError> {
        self.send(&Request { version: VERSION, body: Some(body) }).await?;
        self.reply(self.stall).await
    }

    pub(super) async fn send(&mut self, message: &impl prost::Message) -> Result<(), ClientError> {
        Ok(in_time(self.stall, write_message(self.stream.get_mut(), message)).await?)
    }

    async fn reply(&mut self, limit: Duration) -> Result<reply::Body, ClientError> {
        let reply: Reply = in_time(limit, read_message(&mut self.stream)).await?;
        match reply.body {
            Some(reply::Body::Refused(refused)) => Err(Refusal::from_wire(refused).into()),
            Some(body) => Ok(body),
            None => Err(ClientError::Unexpected),
        }
    }

    pub(super) async fn read_message<M: prost::Message + Default>(&mut self) -> Result<M, ClientError> {
        Ok(in_time(self.stall, read_message(&mut self.stream)).await?)
    }

    /// Fills `buffer`, which stays as it was if nothing is asked for.
    pub(super) async fn read(&mut self, buffer: &mut [u8]) -> Result<(), ClientError> {
        Ok(in_time(self.stall, async { Ok(self.stream.read_exact(buffer).await?) }).await?)
    }

    /// Asks for a range; the size of the object, as the proxy claims. The parts of the range follow.
    pub(super) async fn get(
        &mut self,
        root: Digest,
        start: u64,
        end: Option<u64>,
        grant: Bytes,
    ) -> Result<u64, ClientError> {
        let get = Get { root: Bytes::copy_from_slice(&root.0), start, end, grant };
        match self.ask(request::Body::Get(get)).await? {
            reply::Body::Opened(opened) => Ok(opened.size),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Takes and acknowledges the receipt that follows a range. The data is complete and proven: a receipt that does not
    /// hold is left, not an error.
    pub(super) async fn take_receipt(
        mut self,
        signer: &dyn Signer,
        root: Digest,
        range: Range<u64>,
    ) -> Option<WitnessedReceipt> {
        let receipt = Signed::<Receipt>::from_message(self.read_message::<SignedRecord>().await.ok()?).ok()?;
        let fits = receipt.proxy == self.peer && receipt.root == root && receipt.range == range;
        let witnessed = WitnessedReceipt::acknowledge(receipt, signer).ok().filter(|_| fits)?;
        let signature = Bytes::copy_from_slice(&witnessed.acknowledgement().0);
        self.send(&Acknowledge { signature }).await.ok()?;
        self.close().await;
        Some(witnessed)
    }

    pub(super) async fn close(&mut self) {
        let _ = in_time(self.stall, async { Ok(self.stream.get_mut().close().await?) }).await;
    }

    pub(super) async fn call(
        &mut self,
        service: &str,
        request: Bytes,
        limit: Duration,
        most: usize,
    ) -> Result<Bytes, ClientError> {
        let call = Call { service: service.to_owned(), len: request.len() as u64 };
        let reply::Body::Ready(_) = self.ask(request::Body::Call(call)).await? else {
            return Err(ClientError::Unexpected);
        };
        self.write(&request).await?;
        let reply::Body::Answer(answer) = self.reply(limit).await? else { return Err(ClientError::Unexpected) };
        let too_large = ClientError::TooLarge { found: answer.len, most: most as u64 };
        let len = usize::try_from(answer.len).ok().filter(|len| *len <= most).ok_or(too_large)?;
        Ok(in_time(limit, async { Ok(read_exactly(&mut self.stream, len).await?) }).await?)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        for piece in bytes.chunks(PIECE) {
            in_time(self.stall, async { Ok(self.stream.get_mut().write_all(piece).await?) }).await?;
        }
        Ok(in_time(self.stall, async { Ok(self.stream.get_mut().flush().await?) }).await?)
    }
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T, FrameError>>) -> Result<T, FrameError> {
    tokio::time::timeout(limit, work).await.map_err(|_| FrameError::Io(io::ErrorKind::TimedOut.into()))?
}
