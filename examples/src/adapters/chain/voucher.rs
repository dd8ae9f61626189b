//! Vouchers of uploads on the chain (white paper 2.2.1: the hash on the chain proves the data).

use cpchain_consensus::ledger::{Call, Context, Module, ModuleError, dpor::Report};
use cpchain_crypto::Digest;
use cpchain_storage::Voucher;

use super::refuse;

/// Takes signed vouchers, each the successor of the stream's last one.
///
/// State: `stream ‖ upload (8 bytes, big endian)` → voucher, `stream` → the last voucher, and the [`Report`] of each owner, for its
/// reputation: a voucher counts for the owner that signed it, whoever pays.
pub struct VoucherModule;

impl VoucherModule {
    /// The kind of its transactions.
    pub const KIND: &'static str = "voucher";

    /// The state key of an upload's voucher.
    pub fn key(stream: &Digest, upload: u64) -> Vec<u8> {
        [stream.as_bytes().as_slice(), &upload.to_be_bytes()].concat()
    }
}

impl Module for VoucherModule {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn check(&self, payload: &bytes::Bytes) -> Result<(), ModuleError> {
        Voucher::decode(payload.clone()).map(drop).map_err(refuse)
    }

    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        let voucher = Voucher::decode(call.payload().clone()).map_err(refuse)?;
        let stream = voucher.body().stream;
        let last = context.get(stream.as_bytes()).map(Voucher::decode).transpose().map_err(refuse)?;
        voucher.follows(last.as_ref()).map_err(refuse)?;
        context.put(stream.as_bytes(), voucher.bytes())?;
        context.put(&Self::key(&stream, voucher.body().upload), voucher.bytes())?;
        let owner = voucher.body().owner.public_key();
        Report::change(context, &owner, |report| report.vouchers = report.vouchers.saturating_add(1))?;
        context.emit(voucher.bytes().clone())
    }
}
