//! The rule: from the messages of final blocks, in their order, to slots. Every gateway, and every vehicle that follows the chain, comes
//! to the same.
//!
//! A slot is a set of movements that do not conflict. Slots are driven one after the other: the lowest with a vehicle in it is open, and
//! the next one opens when all of its vehicles have left it. There is no clock: patience is counted in heights.
//!
//! # Rules, and the tests that hold them
//! - Two movements that conflict never stand in one slot, and at most one slot is open (`no_two_conflicting_movements_share_a_slot`).
//! - Who asks gets the first slot above the open one that takes it, at once and for good, or hears that all are full
//!   (`a_request_gets_the_first_slot_that_takes_it`).
//! - A vehicle that says nothing for [`Rule::patience`] heights loses its slot, unless it has begun to drive
//!   (`a_silent_vehicle_loses_its_slot`); then `f + 1` gateways must see that it is gone (`a_silent_vehicle_in_the_crossing_keeps_it_shut`).
//! - A message counts once, in the order of its speaker's numbers; strangers say nothing (`replays_and_strangers_change_nothing`).

use std::collections::{BTreeMap, BTreeSet};

use cpchain_consensus::Height;
use cpchain_crypto::{Digest, Domain, PublicKey};

use super::{
    crossing::Movement,
    message::{Message, Say},
};

/// Slots that may be given out above the open one.
const MAX_SLOTS: u64 = 64;
const STATE: Domain = Domain::new("cpchain/examples/right-of-way-state/v1");

/// Who takes part, and how patient the crossing is; the id of the chain commits to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The vehicles that may ask.
    pub vehicles: BTreeSet<PublicKey>,
    /// The gateways that see the crossing.
    pub gateways: BTreeSet<PublicKey>,
    /// Heights without a word after which a slot is lost.
    pub patience: u64,
}

impl Rule {
    /// The bytes to which the id of the chain commits.
    pub fn to_bytes(&self) -> Vec<u8> {
        let keys = |keys: &BTreeSet<PublicKey>| keys.iter().flat_map(|key| key.0).collect::<Vec<_>>();
        let count = (self.vehicles.len() as u64).to_be_bytes();
        [&count, &keys(&self.vehicles)[..], &keys(&self.gateways), &self.patience.to_be_bytes()].concat()
    }

    /// Gateways that must say the same before one honest one has said it.
    pub fn witnesses(&self) -> usize {
        self.gateways.len().saturating_sub(1) / 3 + 1
    }
}

/// Something that the rule decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The request of this number has a place in this slot.
    Granted {
        /// The slot.
        slot: u64,
        /// What it may drive there.
        movement: Movement,
        /// The number of the request.
        number: u64,
    },
    /// All slots that may be given out are taken.
    Full,
    /// Its slot is the open one now.
    Opened,
    /// It drives.
    Entered,
    /// It is through, or gave its place back.
    Left,
    /// It was silent and has no place any more.
    Lost,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    movement: Movement,
    heard: Height,
    inside: bool,
    cleared_by: BTreeSet<PublicKey>,
}

/// The crossing as the final blocks have left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Junction {
    rule: Rule,
    /// Slots with somebody in them; the first is open.
    slots: BTreeMap<u64, BTreeMap<PublicKey, Place>>,
    /// Where each vehicle has its place.
    places: BTreeMap<PublicKey, u64>,
    /// The last slot that was opened.
    opened: u64,
    numbers: BTreeMap<PublicKey, u64>,
}

impl Junction {
    /// An empty crossing.
    pub fn new(rule: Rule) -> Self {
        let (slots, places, numbers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { rule, slots, places, opened: 0, numbers }
    }

    /// The rule.
    pub const fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Who may drive now.
    pub fn holders(&self) -> impl Iterator<Item = (PublicKey, Movement)> + '_ {
        let open = self.slots.get(&self.opened);
        open.into_iter().flatten().map(|(vehicle, place)| (*vehicle, place.movement))
    }

    /// Whether a message could still change something: its speaker takes part, and said nothing later.
    pub fn expects(&self, message: &Message) -> bool {
        let known = match message.say {
            Say::Clear(_) => self.rule.gateways.contains(&message.speaker),
            _ => self.rule.vehicles.contains(&message.speaker),
        };
        known && self.numbers.get(&message.speaker).is_none_or(|last| message.number > *last)
    }

    /// Executes a final height: its messages, then what silence has cost, then the next slot.
    pub fn apply(&mut self, height: Height, messages: &[Message]) -> Vec<(PublicKey, Event)> {
        let mut events = Vec::new();
        for message in messages.iter() {
            if self.expects(message) {
                self.numbers.insert(message.speaker, message.number);
                self.hear(height, message, &mut events);
            }
        }
        self.drop_silent(height, &mut events);
        self.open_next(&mut events);
        events
    }

    fn hear(&mut self, height: Height, message: &Message, events: &mut Vec<(PublicKey, Event)>) {
        let speaker = message.speaker;
        if let Say::Ask(movement) = message.say {
            if !self.places.contains_key(&speaker) {
                let event = self.grant(height, speaker, movement, message.number);
                events.push((speaker, event));
            }
            return;
        }
        let vehicle = if let Say::Clear(vehicle) = message.say { vehicle } else { speaker };
        let Some(slot) = self.places.get(&vehicle).copied() else { return };
        let (open, witnesses) = (slot == self.opened, self.rule.witnesses());
        let Some(place) = self.slots.get_mut(&slot).and_then(|slot| slot.get_mut(&vehicle)) else { return };
        match message.say {
            Say::Ask(_) => {}
            Say::Renew => place.heard = height,
            Say::Enter => {
                place.heard = height;
                if open && !place.inside {
                    place.inside = true;
                    events.push((vehicle, Event::Entered));
                }
            }
            Say::Leave => {
                self.vacate(&vehicle);
                events.push((vehicle, Event::Left));
            }
            Say::Clear(_) => {
                if place.inside && height.0.saturating_sub(place.heard.0) > self.rule.patience {
                    place.cleared_by.insert(speaker);
                    if place.cleared_by.len() >= witnesses {
                        self.vacate(&vehicle);
                        events.push((vehicle, Event::Lost));
                    }
                }
            }
        }
    }

    fn grant(&mut self, height: Height, vehicle: PublicKey, movement: Movement, number: u64) -> Event {
        let first = self.opened.saturating_add(1);
        let takes = |slot: &u64| {
            let taken = self.slots.get(slot).into_iter().flat_map(BTreeMap::values);
            taken.into_iter().all(|place| !place.movement.conflicts(movement))
        };
        let Some(slot) = (first..first.saturating_add(MAX_SLOTS)).find(takes) else { return Event::Full };
        let place = Place { movement, heard: height, inside: false, cleared_by: BTreeSet::new() };
        self.slots.entry(slot).or_default().insert(vehicle, place);
        self.places.insert(vehicle, slot);
        Event::Granted { slot, movement, number }
    }

    fn drop_silent(&mut self, height: Height, events: &mut Vec<(PublicKey, Event)>) {
        let silent = |place: &Place| !place.inside && height.0.saturating_sub(place.heard.0) > self.rule.patience;
        let places = self.slots.values().flatten();
        let lost: Vec<_> = places.filter(|(_, place)| silent(place)).map(|(vehicle, _)| *vehicle).collect();
        for vehicle in lost {
            self.vacate(&vehicle);
            events.push((vehicle, Event::Lost));
        }
    }

    fn open_next(&mut self, events: &mut Vec<(PublicKey, Event)>) {
        if self.slots.contains_key(&self.opened) {
            return;
        }
        if let Some((slot, vehicles)) = self.slots.first_key_value() {
            self.opened = *slot;
            events.extend(vehicles.keys().map(|vehicle| (*vehicle, Event::Opened)));
        }
    }

    fn vacate(&mut self, vehicle: &PublicKey) {
        let Some(slot) = self.places.remove(vehicle) else { return };
        if let Some(vehicles) = self.slots.get_mut(&slot) {
            vehicles.remove(vehicle);
            if vehicles.is_empty() {
                self.slots.remove(&slot);
            }
        }
    }

    /// Commits to all of it.
    pub fn digest(&self) -> Digest {
        let mut bytes = self.opened.to_be_bytes().to_vec();
        for (slot, vehicles) in &self.slots {
            for (vehicle, place) in vehicles {
                bytes.extend(slot.to_be_bytes());
                bytes.extend(vehicle.0);
                bytes.extend(place.heard.0.to_be_bytes());
                bytes.extend([place.movement.to_byte(), u8::from(place.inside), place.cleared_by.len() as u8]);
                bytes.extend(place.cleared_by.iter().flat_map(|gateway| gateway.0));
            }
        }
        let numbers: Vec<u8> =
            self.numbers.iter().flat_map(|(key, number)| [&key.0[..], &number.to_be_bytes()].concat()).collect();
        Digest::of(STATE, &[&bytes, &numbers])
    }
}

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
