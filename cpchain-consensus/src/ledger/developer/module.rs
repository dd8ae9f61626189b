//! The module: takes registrations, deposits, leases and users. Its quotas are charged where fees are.

use bytes::Bytes;

use super::{
    super::{
        amount::Amount,
        module::{Call, Context, Module, ModuleError},
        transaction::AccountId,
    },
    Resources,
    call::DeveloperCall,
    quota::{day_key, day_of, sponsor_key, used, user_key},
    record::{Lease, LeaseId, MAX_LEASES, Sponsor},
};
use crate::ids::Height;

const COUNT: &[u8] = b"n";

/// The module. [`LedgerBuilder::developers`](crate::ledger::LedgerBuilder::developers) adds it.
#[derive(Debug, Clone, Copy)]
pub struct Developers {
    resources: Resources,
    day: u64,
}

pub(super) fn lease_key(lease: LeaseId) -> Vec<u8> {
    [b"l".as_slice(), &lease.0.to_be_bytes()].concat()
}

fn vault(developer: &AccountId) -> Vec<u8> {
    [b"h".as_slice(), &developer.0].concat()
}

fn refuse(reason: &str) -> ModuleError {
    ModuleError::refused(reason)
}

fn read(payload: &[u8]) -> Result<DeveloperCall, ModuleError> {
    DeveloperCall::decode(payload).ok_or_else(|| refuse("malformed call"))
}

fn sponsor(context: &Context<'_>, developer: &AccountId) -> Option<Sponsor> {
    Sponsor::from_slice(&context.get(&sponsor_key(developer))?)
}

fn own(context: &Context<'_>, developer: &AccountId) -> Result<Sponsor, ModuleError> {
    sponsor(context, developer).ok_or_else(|| refuse("no application is registered: register it first"))
}

fn save(context: &mut Context<'_>, developer: &AccountId, sponsor: &Sponsor) -> Result<(), ModuleError> {
    context.put(&sponsor_key(developer), sponsor.to_bytes())
}

fn lease(context: &Context<'_>, id: LeaseId) -> Result<Lease, ModuleError> {
    let found = context.get(&lease_key(id)).and_then(|value| Lease::from_slice(&value));
    found.ok_or_else(|| refuse("there is no such lease"))
}

impl Module for Developers {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn check(&self, payload: &Bytes) -> Result<(), ModuleError> {
        read(payload).map(drop)
    }

    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        let account = call.sender();
        match read(call.payload())? {
            DeveloperCall::Register { share, is_open, kinds } => {
                let before = sponsor(context, &account).unwrap_or_default();
                save(context, &account, &Sponsor { share, is_open, kinds, ..before })
            }
            DeveloperCall::Hold(amount) => {
                let mut sponsor = own(context, &account)?;
                context.hold(call, &vault(&account), amount)?;
                sponsor.held = sponsor.held.checked_add(amount).ok_or_else(|| refuse("too much"))?;
                save(context, &account, &sponsor)
            }
            DeveloperCall::Withdraw(amount) => self.withdraw(context, &account, amount),
            DeveloperCall::Lease { developer, amount, price, until } => {
                let new = Lease { owner: account, developer, amount, price, until, is_accepted: false };
                self.offer(context, call, new)
            }
            DeveloperCall::Accept(id) => self.accept(context, call, id),
            DeveloperCall::Reclaim(id) => {
                let lease = lease(context, id)?;
                if lease.owner != account {
                    return Err(refuse("the lease is another's"));
                }
                if lease.is_accepted && context.height() <= lease.until {
                    return Err(ModuleError::refused(format!("leased up to height {}", lease.until)));
                }
                context.release(&lease_key(id), &account, lease.amount)?;
                context.remove(&lease_key(id));
                Ok(())
            }
            DeveloperCall::Join(developer) => {
                if !sponsor(context, &developer).is_some_and(|sponsor| sponsor.is_open) {
                    return Err(refuse("no open application: its developer enrols its users"));
                }
                enter(context, &account, &developer)
            }
            DeveloperCall::Leave => {
                context.remove(&user_key(&account));
                Ok(())
            }
            DeveloperCall::Enrol(user) => {
                own(context, &account)?;
                if context.get(&user_key(&user)).is_some() {
                    return Err(refuse("the account is a user of an application: it leaves that one first"));
                }
                enter(context, &user, &account)
            }
            DeveloperCall::Expel(user) => {
                let key = user_key(&user);
                if !context.get(&key).is_some_and(|entry| entry.starts_with(&account.0)) {
                    return Err(refuse("no user of this application"));
                }
                context.remove(&key);
                Ok(())
            }
        }
    }
}

fn enter(context: &mut Context<'_>, user: &AccountId, developer: &AccountId) -> Result<(), ModuleError> {
    let key = user_key(user);
    if context.get(&key).is_some_and(|entry| entry.starts_with(&developer.0)) {
        return Err(refuse("a user of this application already"));
    }
    context.put(&key, developer.0)
}

impl Developers {
    /// The kind of its transactions, and the name of its space.
    pub const KIND: &str = "developer";

    pub(in crate::ledger) const fn new(resources: Resources, day: u64) -> Self {
        Self { resources, day: if day == 0 { 1 } else { day } }
    }

    /// What was used today stays until tomorrow: elsewhere it would count again.
    fn withdraw(&self, context: &mut Context<'_>, account: &AccountId, amount: Amount) -> Result<(), ModuleError> {
        let mut sponsor = own(context, account)?;
        context.release(&vault(account), account, amount)?;
        sponsor.held = sponsor.held.checked_sub(amount).ok_or_else(|| refuse("more than is held"))?;
        let height = context.height();
        let today = context.get(&day_key(account)).and_then(|value| used(&value, day_of(height, self.day)));
        if sponsor.quota(self.resources.each, height) < today.unwrap_or(0) {
            return Err(refuse("the application used it today: withdraw it tomorrow"));
        }
        save(context, account, &sponsor)
    }

    fn offer(&self, context: &mut Context<'_>, call: &Call<'_>, lease: Lease) -> Result<(), ModuleError> {
        if lease.until < context.height() || !lease.until.0.is_multiple_of(self.day) {
            return Err(ModuleError::refused(format!("a lease ends with a day, at a multiple of {}", self.day)));
        }
        if lease.amount == Amount::ZERO {
            return Err(refuse("a lease of nothing"));
        }
        let count = context.get(COUNT).and_then(|value| value.as_ref().try_into().ok()).map_or(0, u64::from_be_bytes);
        let id = LeaseId(count);
        context.put(COUNT, count.saturating_add(1).to_be_bytes())?;
        context.hold(call, &lease_key(id), lease.amount)?;
        context.put(&lease_key(id), lease.to_bytes())?;
        context.emit(id.0.to_be_bytes().to_vec())
    }

    fn accept(&self, context: &mut Context<'_>, call: &Call<'_>, id: LeaseId) -> Result<(), ModuleError> {
        let mut found = lease(context, id)?;
        let (account, height) = (call.sender(), context.height());
        if found.developer != account || found.is_accepted || found.until < height {
            return Err(refuse("no lease that this account can accept now"));
        }
        let mut sponsor = own(context, &account)?;
        sponsor.leases.retain(|(until, _): &(Height, Amount)| *until >= height);
        if sponsor.leases.len() >= MAX_LEASES {
            return Err(ModuleError::refused(format!("an application has at most {MAX_LEASES} leases at a time")));
        }
        context.transfer(call, &found.owner, found.price)?;
        sponsor.leases.push((found.until, found.amount));
        save(context, &account, &sponsor)?;
        found.is_accepted = true;
        context.put(&lease_key(id), found.to_bytes())
    }
}
