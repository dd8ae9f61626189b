//! What transactions cost: nothing for a number of them a day, and a fee for those above it, or above a rate (white paper 5.1).
//!
//! # Rules, and the tests that hold them (`tests/ledger_fees.rs`)
//! - Days and windows are counted in heights and begin at height 1 for everybody. What was free does not add up over days
//!   (`a_day_has_its_free_transactions`, `a_burst_pays`).
//! - A transaction above either number pays the fee before it runs, also if it fails then. Who cannot pay is refused: nothing remains
//!   but the receipt, and the nonce is not used up (`who_cannot_pay_is_refused`).
//! - Fees of a block go to its proposer at its end (`the_proposer_has_the_fees`); no money is made or lost
//!   (`random_histories_with_fees_conserve_money`).
//! - What the sender's application pays for is free, and does not count ([`developer`](super::developer)).
//! - What cannot be paid is not proposed again and again (`what_cannot_be_paid_is_not_proposed`).
//!
//! | in the space `fees` | value |
//! | --- | --- |
//! | `u`, account | day (8), transactions in it (4), window (8), transactions in it (4), big-endian |
//! | vault `block` | what was paid in the block under execution |

use bytes::Bytes;

use super::{
    amount::Amount,
    genesis::Genesis,
    module::{Call, Context, Module, ModuleError},
    state::{Overlay, Read},
    transaction::AccountId,
};
use crate::Height;

const VAULT: &[u8] = b"block";

/// What a chain charges; equal on all its nodes.
///
/// ```
/// use cpchain_consensus::ledger::{Amount, Fees, Genesis, Ledger};
/// let fees = Fees { fee: Amount::cpc(1), ..Fees::default() };
/// let genesis = fees.found(Genesis::new());
/// let ledger = Ledger::builder(genesis.chain_id("example"), genesis).fees(fees).build()?;
/// # Ok::<(), cpchain_consensus::ledger::GenesisError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fees {
    /// Free transactions of an account a day.
    pub free: u32,
    /// Heights of a day; 0 counts as 1.
    pub day: u64,
    /// Free transactions of an account in a window.
    pub rate: u32,
    /// Heights of a window; 0 counts as 1.
    pub window: u64,
    /// What each transaction above these costs.
    pub fee: Amount,
}

impl Default for Fees {
    /// 100 transactions in 8,640 heights, 10 of them in 6 heights, then 0.01 CPC each.
    fn default() -> Self {
        Self { free: 100, day: 8_640, rate: 10, window: 6, fee: Amount(10u128.pow(16)) }
    }
}

/// What an account has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Usage {
    day: u64,
    in_day: u32,
    window: u64,
    in_window: u32,
}

impl Usage {
    fn from_slice(bytes: &[u8]) -> Option<Self> {
        let (day, rest) = bytes.split_first_chunk()?;
        let (in_day, rest) = rest.split_first_chunk()?;
        let (window, rest) = rest.split_first_chunk()?;
        Some(Self {
            day: u64::from_be_bytes(*day),
            in_day: u32::from_be_bytes(*in_day),
            window: u64::from_be_bytes(*window),
            in_window: u32::from_be_bytes(rest.try_into().ok()?),
        })
    }

    fn to_bytes(self) -> Bytes {
        let (day, window) = (self.day.to_be_bytes(), self.window.to_be_bytes());
        [day.as_slice(), &self.in_day.to_be_bytes(), &window, &self.in_window.to_be_bytes()].concat().into()
    }
}

fn key(account: &AccountId) -> Vec<u8> {
    [b"u".as_slice(), &account.0].concat()
}

impl Fees {
    /// The space and the vault of the fees.
    pub const KIND: &str = "fees";

    /// A genesis whose id commits to these fees.
    #[must_use]
    pub fn found(&self, genesis: Genesis) -> Genesis {
        let numbers = [self.free.into(), self.day, self.rate.into(), self.window];
        let mut settings: Vec<u8> = numbers.into_iter().flat_map(u64::to_be_bytes).collect();
        settings.extend_from_slice(&self.fee.to_bytes());
        genesis.entry(Self::KIND, b"settings", settings)
    }

    /// What an account has used at a height, before its next transaction.
    fn usage(&self, state: &impl Read, account: &AccountId, height: Height) -> Usage {
        let place = height.0.saturating_sub(1);
        let (day, window) = (place / self.day.max(1), place / self.window.max(1));
        let known = state.get(Self::KIND, &key(account)).and_then(|value| Usage::from_slice(&value));
        let known = known.unwrap_or_default();
        Usage {
            day,
            in_day: if known.day == day { known.in_day } else { 0 },
            window,
            in_window: if known.window == window { known.in_window } else { 0 },
        }
    }

    /// What the next transaction of an account costs at a height.
    pub(crate) fn due(&self, state: &impl Read, account: &AccountId, height: Height) -> Amount {
        let used = self.usage(state, account, height);
        if used.in_day < self.free && used.in_window < self.rate { Amount::ZERO } else { self.fee }
    }

    /// Counts a transaction and takes its fee; `None` if the account cannot pay. The account exists.
    pub(crate) fn charge(&self, overlay: &mut Overlay<'_>, account: &AccountId, height: Height) -> Option<()> {
        let (due, used) = (self.due(overlay, account, height), self.usage(overlay, account, height));
        let found = overlay.account(account)?;
        let balance = found.balance.checked_sub(due)?;
        if due != Amount::ZERO {
            let held = overlay.vault(Self::KIND, VAULT).checked_add(due)?;
            overlay.set_account(account, super::state::Account { balance, ..found });
            overlay.set_vault(Self::KIND, VAULT, held);
        }
        let used = Usage { in_day: used.in_day.saturating_add(1), in_window: used.in_window.saturating_add(1), ..used };
        overlay.set(Self::KIND, &key(account), Some(used.to_bytes()));
        Some(())
    }
}

/// Gives the proposer what a block brought.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FeePayer;

impl Module for FeePayer {
    fn kind(&self) -> &'static str {
        Fees::KIND
    }

    fn execute(&self, _: &mut Context<'_>, _: &Call<'_>) -> Result<(), ModuleError> {
        Err(ModuleError::refused("fees are charged, not sent"))
    }

    fn end_of_block(&self, context: &mut Context<'_>) -> Result<(), ModuleError> {
        let (all, proposer) = (context.held(VAULT), context.proposer());
        context.release(VAULT, &proposer, all)
    }
}
