//! The chain as the place where vouchers of uploads go.

use cpchain_crypto::Digest;
use cpchain_storage::{Voucher, VoucherSink};

use super::{ChainClient, ChainClientError, chain::VoucherModule};

impl VoucherSink for ChainClient {
    type Error = ChainClientError;

    async fn submit(&self, voucher: &Voucher) -> Result<(), ChainClientError> {
        let key = VoucherModule::key(&voucher.body().stream, voucher.body().upload);
        if self.view().get(VoucherModule::KIND, &key).as_ref() == Some(voucher.bytes()) {
            return Ok(());
        }
        self.execute(VoucherModule::KIND, voucher.bytes().clone()).await.map(drop)
    }

    async fn latest(&self, stream: Digest) -> Result<Option<Voucher>, ChainClientError> {
        // The module stores nothing that does not decode.
        Ok(self.view().get(VoucherModule::KIND, stream.as_bytes()).and_then(|bytes| Voucher::decode(bytes).ok()))
    }
}
