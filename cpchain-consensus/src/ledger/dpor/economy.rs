//! The economy pool: deposits earn a share of a bonus, season by season ([`crate::dpor::season`]).
//!
//! # Rules, and the tests that hold them (`tests/ledger_economy.rs`)
//! - Deposits and withdrawals only while raising; nothing at all while locked (`each_phase_allows_its_own`).
//! - What a vote counts stays until the vote ends (`tests/ledger_governance.rs`: `a_deposit_that_votes_stays`).
//! - Who has at least [`EconomySettings::minimum`] when raising ends has a share of the season's bonus; who has less earns nothing
//!   (`interest_is_a_share_of_the_bonus`).
//! - The total changes by what is put in and taken out, and by nothing else, so a deposit counts once however often its owner comes
//!   back; the original added the whole balance again (`deposits_count_once`).
//! - Interest is taken by its owner while settling. What nobody took is assigned: from the next raising on it is paid with the owner's next
//!   step, or when anybody asks (`what_nobody_took_is_assigned`).
//! - The bonus comes from a vault that genesis or anybody fills; it is never made, and an empty vault pays nothing
//!   (`an_empty_vault_pays_nothing`). What rounding leaves stays in the season's vault.
//! - No step walks over depositors: a step of an account costs one look for each season since its last one.
//! - Money is conserved and ledgers agree, whatever is sent (`random_seasons_conserve_money`).
//!
//! | in the module's space | value |
//! | --- | --- |
//! | `a`, account | deposit (16), the first season that is not paid yet (8) |
//! | `t` | the sum of all deposits that earn (16) |
//! | `s`, season | that sum when raising ended (16), the season's bonus (16) |
//! | vault `d`, account | the deposit |
//! | vault `bonus` | what coming seasons are paid from |
//! | vault `s`, season | what is left of the season's bonus |
//!
//! Numbers are big-endian.

use bytes::Bytes;
use cpchain_crypto::PublicKey;

use super::super::{
    amount::Amount,
    genesis::Genesis,
    governance::locked_until,
    module::{Call, Context, Module, ModuleError},
    transaction::AccountId,
    view::LedgerView,
};
use crate::dpor::season::{Phase, Schedule, Season, share};

const VERSION: u8 = 1;
const BONUS: &[u8] = b"bonus";
const TOTAL: &[u8] = b"t";
/// From genesis: the phases (8 each), the minimum (16), the bonus (16).
const SETTINGS: &[u8] = b"settings";
/// Seasons that one step pays at most: 15 years of them.
const MAX_SEASONS: u64 = 60;

/// What a chain agrees on about its economy pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EconomySettings {
    /// The phases of a season.
    pub schedule: Schedule,
    /// The least deposit that earns.
    pub minimum: Amount,
    /// What a season pays, as long as it is there.
    pub bonus: Amount,
}

impl Default for EconomySettings {
    /// Seasons of 90 days, 20,000 CPC, 1,250,000 CPC.
    fn default() -> Self {
        Self { schedule: Schedule::default(), minimum: Amount::cpc(20_000), bonus: Amount::cpc(1_250_000) }
    }
}

impl EconomySettings {
    /// A genesis with these settings, whose id commits to them, and with money for bonuses.
    #[must_use]
    pub fn found(&self, genesis: Genesis, money: Amount) -> Genesis {
        let mut settings: Vec<u8> = self.schedule.phases().into_iter().flat_map(u64::to_be_bytes).collect();
        settings.extend_from_slice(&self.minimum.to_bytes());
        settings.extend_from_slice(&self.bonus.to_bytes());
        genesis.vault(Economy::KIND, BONUS, money).entry(Economy::KIND, SETTINGS, settings)
    }
}

/// Payload of the kind [`Economy::KIND`]: version 1, the number of the call, and its amount (16 bytes) or account (32).
///
/// ```
/// use cpchain_consensus::ledger::{Amount, dpor::economy::EconomyCall};
/// let call = EconomyCall::Deposit(Amount::cpc(20_000));
/// assert_eq!(EconomyCall::decode(&call.encode()), Some(call));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EconomyCall {
    /// 1: puts money in. While raising.
    Deposit(Amount),
    /// 2: takes money out. While raising.
    Withdraw(Amount),
    /// 3: takes the interest of this season, and of those before that were not paid. While settling.
    Claim,
    /// 4: has an account paid what it did not take. While raising; anybody may ask.
    Assign(AccountId),
    /// 5: gives money for bonuses.
    Fund(Amount),
}

impl EconomyCall {
    /// The payload of a transaction.
    pub fn encode(&self) -> Bytes {
        let with = |number: u8, rest: &[u8]| [&[VERSION, number], rest].concat().into();
        match self {
            Self::Deposit(amount) => with(1, &amount.to_bytes()),
            Self::Withdraw(amount) => with(2, &amount.to_bytes()),
            Self::Claim => with(3, &[]),
            Self::Assign(account) => with(4, &account.0),
            Self::Fund(amount) => with(5, &amount.to_bytes()),
        }
    }

    /// Reads a payload; `None` for anything else.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        match payload.split_first_chunk()? {
            ([VERSION, 1], amount) => Amount::from_slice(amount).map(Self::Deposit),
            ([VERSION, 2], amount) => Amount::from_slice(amount).map(Self::Withdraw),
            ([VERSION, 3], []) => Some(Self::Claim),
            ([VERSION, 4], account) => PublicKey::from_slice(account).map(Self::Assign),
            ([VERSION, 5], amount) => Amount::from_slice(amount).map(Self::Fund),
            _ => None,
        }
    }
}

/// The module.
#[derive(Debug, Clone, Copy)]
pub struct Economy(EconomySettings);

/// What an account has in the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EconomyDeposit {
    /// Its deposit.
    pub amount: Amount,
    /// The first season whose interest is not paid yet.
    pub unpaid: Season,
}

impl EconomyDeposit {
    fn from_slice(bytes: &[u8]) -> Option<Self> {
        let (amount, unpaid) = bytes.split_at_checked(16)?;
        let unpaid = Season(u64::from_be_bytes(unpaid.try_into().ok()?));
        Some(Self { amount: Amount::from_slice(amount)?, unpaid })
    }
}

fn deposit_key(account: &AccountId) -> Vec<u8> {
    [b"a".as_slice(), &account.0].concat()
}

fn vault(account: &AccountId) -> Vec<u8> {
    [b"d".as_slice(), &account.0].concat()
}

/// The key and the vault of a season.
fn season_key(season: Season) -> Vec<u8> {
    [b"s".as_slice(), &season.0.to_be_bytes()].concat()
}

fn refuse(reason: &str) -> ModuleError {
    ModuleError::refused(reason)
}

impl Module for Economy {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn check(&self, payload: &Bytes) -> Result<(), ModuleError> {
        EconomyCall::decode(payload).map(drop).ok_or_else(|| refuse("malformed call"))
    }

    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        let (season, phase) = self.0.schedule.at(context.height());
        let asked = EconomyCall::decode(call.payload()).ok_or_else(|| refuse("malformed call"))?;
        match (asked, phase) {
            (EconomyCall::Fund(amount), _) => context.hold(call, BONUS, amount),
            (EconomyCall::Deposit(amount), Phase::Raising) => self.deposit(context, call, season, amount),
            (EconomyCall::Withdraw(amount), Phase::Raising) => self.withdraw(context, call, season, amount),
            (EconomyCall::Assign(account), Phase::Raising) => self.pay(context, &account, season).map(drop),
            (EconomyCall::Claim, Phase::Settling) => {
                self.pay(context, &call.sender(), Season(season.0.saturating_add(1))).map(drop)
            }
            (EconomyCall::Claim, _) => Err(refuse("interest is taken while a season settles")),
            _ => Err(refuse("only while raising: wait for the next season")),
        }
    }

    /// When raising ends: what everyone's share is of, and the bonus in a vault of its own.
    fn end_of_block(&self, context: &mut Context<'_>) -> Result<(), ModuleError> {
        if !self.0.schedule.closes(context.height()) {
            return Ok(());
        }
        let (season, _) = self.0.schedule.at(context.height());
        let total = total(context);
        if total == Amount::ZERO {
            return Ok(());
        }
        let bonus = self.0.bonus.min(context.held(BONUS));
        let key = season_key(season);
        context.shift(BONUS, &key, bonus)?;
        context.put(&key, [total.to_bytes(), bonus.to_bytes()].concat())
    }
}

impl Economy {
    /// The kind of its transactions, and the name of its space.
    pub const KIND: &str = "economy";

    /// The module with these settings; they are those of the genesis that [`EconomySettings::found`] made.
    pub const fn new(settings: EconomySettings) -> Self {
        Self(settings)
    }

    fn deposit(
        &self,
        context: &mut Context<'_>,
        call: &Call<'_>,
        season: Season,
        amount: Amount,
    ) -> Result<(), ModuleError> {
        let account = call.sender();
        let before = match read(context, &account) {
            Some(_) => self.settle(context, &account, season)?,
            None => Amount::ZERO,
        };
        context.hold(call, &vault(&account), amount)?;
        let after = before.checked_add(amount).ok_or_else(|| refuse("too much"))?;
        self.change(context, &account, season, before, after)
    }

    fn withdraw(
        &self,
        context: &mut Context<'_>,
        call: &Call<'_>,
        season: Season,
        amount: Amount,
    ) -> Result<(), ModuleError> {
        let account = call.sender();
        if let Some(last) = locked_until(|kind, key| context.read(kind, key), &account)
            && last >= context.height()
        {
            return Err(ModuleError::refused(format!(
                "the deposit stays up to height {last}, because a vote counts it"
            )));
        }
        let before = self.settle(context, &account, season)?;
        context.release(&vault(&account), &account, amount)?;
        let after = before.checked_sub(amount).ok_or_else(|| refuse("more than the deposit"))?;
        self.change(context, &account, season, before, after)
    }

    /// Sets a deposit, whose seasons before this one are paid, and the total with it.
    fn change(
        &self,
        context: &mut Context<'_>,
        account: &AccountId,
        season: Season,
        before: Amount,
        after: Amount,
    ) -> Result<(), ModuleError> {
        let earning = |amount: Amount| if amount < self.0.minimum { Amount::ZERO } else { amount };
        let rest = total(context).checked_sub(earning(before));
        let sum = rest.and_then(|rest| rest.checked_add(earning(after))).ok_or_else(|| refuse("the total is wrong"))?;
        context.put(TOTAL, sum.to_bytes())?;
        if after == Amount::ZERO {
            context.remove(&deposit_key(account));
            return Ok(());
        }
        write(context, account, EconomyDeposit { amount: after, unpaid: season })
    }

    /// Pays an account the interest of the seasons before `until`, at most [`MAX_SEASONS`] of them.
    fn pay(
        &self,
        context: &mut Context<'_>,
        account: &AccountId,
        until: Season,
    ) -> Result<EconomyDeposit, ModuleError> {
        let mut deposit = read(context, account).ok_or_else(|| refuse("no deposit"))?;
        let end = until.0.min(deposit.unpaid.0.saturating_add(MAX_SEASONS));
        while deposit.unpaid.0 < end {
            let key = season_key(deposit.unpaid);
            deposit.unpaid.0 += 1;
            let Some((total, bonus)) = context.get(&key).and_then(|value| read_season(&value)) else { continue };
            if deposit.amount >= self.0.minimum {
                let interest = Amount(share(bonus.0, deposit.amount.0, total.0));
                context.release(&key, account, interest)?;
            }
        }
        write(context, account, deposit)?;
        Ok(deposit)
    }

    /// [`pay`](Self::pay), so that the deposit may change: the seasons before this one are of the old one.
    fn settle(&self, context: &mut Context<'_>, account: &AccountId, season: Season) -> Result<Amount, ModuleError> {
        let deposit = self.pay(context, account, season)?;
        if deposit.unpaid < season {
            return Err(refuse("many seasons are unpaid: have them assigned first"));
        }
        Ok(deposit.amount)
    }
}

fn read_season(value: &[u8]) -> Option<(Amount, Amount)> {
    let (total, bonus) = value.split_at_checked(16)?;
    Some((Amount::from_slice(total)?, Amount::from_slice(bonus)?))
}

fn total(context: &Context<'_>) -> Amount {
    context.get(TOTAL).and_then(|value| Amount::from_slice(&value)).unwrap_or_default()
}

fn read(context: &Context<'_>, account: &AccountId) -> Option<EconomyDeposit> {
    EconomyDeposit::from_slice(&context.get(&deposit_key(account))?)
}

fn write(context: &mut Context<'_>, account: &AccountId, deposit: EconomyDeposit) -> Result<(), ModuleError> {
    let value = [deposit.amount.to_bytes().as_slice(), &deposit.unpaid.0.to_be_bytes()].concat();
    context.put(&deposit_key(account), value)
}

/// The deposit of an account, if it earns: then the account is an economy node.
pub(in crate::ledger) fn earning(get: impl Fn(&str, &[u8]) -> Option<Bytes>, account: &AccountId) -> Option<Amount> {
    let minimum = Amount::from_slice(get(Economy::KIND, SETTINGS)?.get(24..40)?)?;
    let deposit = EconomyDeposit::from_slice(&get(Economy::KIND, &deposit_key(account))?)?;
    (deposit.amount >= minimum).then_some(deposit.amount)
}

/// The sum of all deposits that earn.
pub(in crate::ledger) fn all_earning(get: impl Fn(&str, &[u8]) -> Option<Bytes>) -> Amount {
    get(Economy::KIND, TOTAL).and_then(|value| Amount::from_slice(&value)).unwrap_or_default()
}

/// Reads an economy pool from any task.
#[derive(Debug, Clone)]
pub struct EconomyView {
    ledger: LedgerView,
    settings: EconomySettings,
}

impl EconomyView {
    /// The pool of a ledger with these settings.
    pub const fn new(ledger: LedgerView, settings: EconomySettings) -> Self {
        Self { ledger, settings }
    }

    /// The season and the phase of the next block.
    pub fn phase(&self) -> (Season, Phase) {
        self.settings.schedule.at(self.ledger.height().next())
    }

    /// What an account has in the pool.
    pub fn deposit(&self, account: &AccountId) -> Option<EconomyDeposit> {
        EconomyDeposit::from_slice(&self.ledger.get(Economy::KIND, &deposit_key(account))?)
    }

    /// The sum of all deposits that earn.
    pub fn total(&self) -> Amount {
        self.ledger.get(Economy::KIND, TOTAL).and_then(|value| Amount::from_slice(&value)).unwrap_or_default()
    }

    /// The sum that earned in a season, and its bonus; `None` before raising ended, or if nobody earned.
    pub fn season(&self, season: Season) -> Option<(Amount, Amount)> {
        read_season(&self.ledger.get(Economy::KIND, &season_key(season))?)
    }

    /// What there is for bonuses of coming seasons.
    pub fn fund(&self) -> Amount {
        self.ledger.held(Economy::KIND, BONUS)
    }
}
