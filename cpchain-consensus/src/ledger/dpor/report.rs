//! What modules tell of accounts, for the dimensions PR and DC of reputation.

use super::super::{
    module::{Context, ModuleError},
    transaction::AccountId,
};

/// What an account did with data, as one module counts it. A module that keeps these is named to
/// [`Settings::with_reporter`](super::Settings::with_reporter); the reports of several add up.
///
/// It stands in the module's own space under [`key`](Self::key): 1 for a registered proxy or 0; then, 8 bytes big-endian each, trades
/// witnessed, vouchers published, sales settled. Other values count as nothing.
///
/// ```
/// use cpchain_consensus::{
///     Application, FinalBlock, Height,
///     ledger::{Call, Context, Genesis, Ledger, Module, ModuleError, Amount, TransactionDraft, Nonce, dpor::Report},
/// };
/// use cpchain_crypto::{Digest, Signer, SigningKey};
///
/// /// Each of its transactions is a voucher.
/// struct Vouchers;
///
/// impl Module for Vouchers {
///     fn kind(&self) -> &'static str {
///         "vouchers"
///     }
///     fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
///         Report::change(context, &call.sender(), |report| report.vouchers += 1)
///     }
/// }
/// # let key = SigningKey::from_seed(&[1; 32]);
/// # let genesis = Genesis::new().account(key.public_key(), Amount::cpc(1));
/// # let chain = genesis.chain_id("example");
/// # let mut ledger = Ledger::builder(chain, genesis).module(Vouchers).build()?;
/// # let draft = TransactionDraft {
/// #     chain, nonce: Nonce(0), expires: Height(9), kind: "vouchers".into(), payload: "".into(),
/// # };
/// # ledger.submit(draft.sign(&key)?.bytes().clone())?;
/// # let payload = ledger.propose(Height(1), &[], 1 << 20);
/// # let (digest, parent, proposer) = (Digest::content(&payload), Digest::ZERO, key.public_key());
/// # ledger.finalised(&FinalBlock { height: Height(1), digest, parent, proposer, impeached: false, payload });
/// let value = ledger.view().get("vouchers", &Report::key(&key.public_key())).unwrap();
/// assert_eq!(Report::from_value(&value), Some(Report { vouchers: 1, ..Report::default() }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Whether it is registered as a proxy.
    pub is_proxy: bool,
    /// Trades that it witnessed, as a proxy, to a good end.
    pub trades: u64,
    /// Vouchers of its data that were published.
    pub vouchers: u64,
    /// Sales of its data that were settled.
    pub sales: u64,
}

impl Report {
    /// The key of an account's report in the space of a module.
    pub fn key(account: &AccountId) -> Vec<u8> {
        [b"rpt:".as_slice(), &account.0].concat()
    }

    /// The bytes of the value.
    pub fn to_value(self) -> Vec<u8> {
        let numbers = [self.trades, self.vouchers, self.sales].into_iter().flat_map(u64::to_be_bytes);
        [u8::from(self.is_proxy)].into_iter().chain(numbers).collect()
    }

    /// Reads a value; `None` for other bytes.
    pub fn from_value(value: &[u8]) -> Option<Self> {
        let ([proxy], numbers) = value.split_first_chunk::<1>()?;
        let (&[trades, vouchers, sales], []) = numbers.as_chunks::<8>() else { return None };
        let is_proxy = match proxy {
            0 => false,
            1 => true,
            _ => return None,
        };
        let number = u64::from_be_bytes;
        Some(Self { is_proxy, trades: number(trades), vouchers: number(vouchers), sales: number(sales) })
    }

    /// What the running module says of an account.
    pub fn of(context: &Context<'_>, account: &AccountId) -> Self {
        context.get(&Self::key(account)).and_then(|value| Self::from_value(&value)).unwrap_or_default()
    }

    /// Changes what the running module says of an account.
    ///
    /// # Errors
    /// Those of [`Context::put`].
    pub fn change(
        context: &mut Context<'_>,
        account: &AccountId,
        change: impl FnOnce(&mut Self),
    ) -> Result<(), ModuleError> {
        let mut report = Self::of(context, account);
        change(&mut report);
        context.put(&Self::key(account), report.to_value())
    }
}
