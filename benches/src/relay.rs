//! `lab relay`: relaying as an evolutionary game. Gateways on a random graph send messages over two others; each relays or does not, pays for
//! it, and now and then takes over the strategy of a neighbour that fared better. What was relayed, for whom and for what credit is read
//! from signed receipts, as gateways read it.
//!
//! Whole numbers alone, and one seed: the same seed gives the same run.

use std::{collections::BTreeMap, error::Error, path::PathBuf};

use clap::Args;
use cpchain_consensus::{
    ChainId, Height,
    dpor::generator::Generator,
    relay::{Dag, Envelope, Order, Receipt, RelayError},
};
use cpchain_crypto::{Digest, Domain, PublicKey, Signer, SigningKey};

use crate::{Effort, Figure, plot::shares};

/// What a message is worth to its origin, and what relaying it costs each relay.
const BENEFIT: i64 = 100;
const COST: i64 = 10;
const MESSAGES: usize = 2;
/// Neighbours that each gateway looks for; it has about twice as many.
const LINKS: usize = 4;
/// In a thousand: how often a gateway compares itself with a neighbour in a round, and how often it tries something else.
const COMPARES: u64 = 200;
const MUTATES: u64 = 2;
/// The largest difference of two rounds' payoffs that an imitator reckons with.
const SPAN: i64 = 400;
const KEYS: Domain = Domain::new("cpchain/benches/relay-keys/v1");

/// The game.
#[derive(Debug, Clone, Args)]
pub struct Relaying {
    /// Gateways.
    #[arg(long, default_value_t = 120)]
    gateways: usize,
    /// Rounds.
    #[arg(long, default_value_t = 150)]
    rounds: usize,
    /// All that is random comes from this number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the shares of relaying gateways go, as an SVG.
    #[arg(long)]
    svg: Option<PathBuf>,
}

/// One form of the game.
#[derive(Debug, Clone, Copy)]
struct Form {
    name: &'static str,
    /// What each of the two relays gets.
    credit: u64,
    /// Whether those who relay do so for origins alone that receipts show to relay themselves.
    looks: bool,
}

const FORMS: [Form; 4] = [
    Form { name: "no credit", credit: 0, looks: false },
    Form { name: "credit half the cost", credit: 5, looks: false },
    Form { name: "credit one and a half times the cost", credit: 15, looks: false },
    Form { name: "no credit, receipts decide for whom", credit: 0, looks: true },
];

/// Plays each form of the game.
///
/// # Errors
/// A file that cannot be written.
pub fn relay(game: &Relaying, effort: Effort, progress: impl Fn(String)) -> Result<Vec<Figure>, Box<dyn Error>> {
    let game = match effort {
        Effort::Quick => Relaying { gateways: game.gateways.min(40), rounds: game.rounds.min(20), ..game.clone() },
        Effort::Full => game.clone(),
    };
    let (mut figures, mut lines) = (Vec::new(), Vec::new());
    for form in FORMS {
        progress(form.name.to_owned());
        let rounds = play(&game, form)?;
        let params = format!("n={} rounds={} form=\"{}\"", game.gateways, game.rounds, form.name);
        // The last tenth of the rounds: where the game has come to.
        let tail = rounds.get(rounds.len() - (rounds.len() / 10).max(1)..).unwrap_or_default();
        let mean = |of: fn(&Round) -> f64| tail.iter().map(of).sum::<f64>() / tail.len().max(1) as f64;
        figures.push(Figure::count("relay::relaying", params.clone(), "% of gateways", 100.0 * mean(|r| r.relaying)));
        figures.push(Figure::count("relay::delivered", params, "% of messages", 100.0 * mean(|r| r.delivered)));
        lines.push((form.name, rounds.iter().map(|round| round.relaying).collect::<Vec<_>>()));
    }
    if let Some(path) = &game.svg {
        let title = format!(
            "Gateways that relay, of {} on a random graph (relaying costs {COST}, a message is worth {BENEFIT})",
            game.gateways
        );
        std::fs::write(path, shares(&title, "round", &lines))?;
    }
    Ok(figures)
}

/// What one round came to.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Round {
    /// The share of gateways that relay.
    relaying: f64,
    /// The share of messages that came through.
    delivered: f64,
}

struct Network {
    chain: ChainId,
    keys: Vec<SigningKey>,
    places: BTreeMap<PublicKey, usize>,
    neighbours: Vec<Vec<usize>>,
    relays: Vec<bool>,
    /// Messages that receipts show to be relayed by each gateway, of late.
    seen: Vec<u64>,
    draw: Generator,
    number: u64,
}

impl Network {
    fn new(game: &Relaying, form: Form) -> Self {
        let seed = |what: &str, index: usize| {
            let name = if what == "form" { form.name } else { "" };
            Digest::of(KEYS, &[what.as_bytes(), name.as_bytes(), &game.seed.to_be_bytes(), &index.to_be_bytes()]).0
        };
        let count = game.gateways.max(4);
        let keys: Vec<_> = (0..count).map(|index| SigningKey::from_seed(&seed("key", index))).collect();
        let places = keys.iter().enumerate().map(|(index, key)| (key.public_key(), index)).collect();
        // The same graph and the same beginning for all forms.
        let mut draw = Generator::new(&seed("graph", 0));
        let mut neighbours = vec![Vec::new(); count];
        for index in 0..count {
            // A ring holds all together.
            let ring = std::iter::once((index + 1) % count);
            let more: Vec<_> = (1..LINKS).map(|_| draw.below(count as u64) as usize).collect();
            for other in ring.chain(more).filter(|other| *other != index) {
                for (from, to) in [(index, other), (other, index)] {
                    if let Some(list) = neighbours.get_mut(from).filter(|list: &&mut Vec<usize>| !list.contains(&to)) {
                        list.push(to);
                    }
                }
            }
        }
        let relays: Vec<_> = (0..count).map(|_| draw.below(2) == 0).collect();
        let seen = relays.iter().map(|relays| if *relays { 8 } else { 0 }).collect();
        let chain = ChainId::new("relay game", &game.seed.to_be_bytes());
        Self { chain, keys, places, neighbours, relays, seen, draw: Generator::new(&seed("form", 0)), number: 0 }
    }

    fn neighbour(&mut self, of: usize) -> Option<usize> {
        let list = self.neighbours.get(of)?;
        list.get(self.draw.below(list.len() as u64) as usize).copied()
    }

    fn relays(&self, index: usize) -> bool {
        self.relays.get(index).copied().unwrap_or_default()
    }

    /// Whether this gateway relays a message of that origin.
    fn takes(&self, relay: usize, origin: usize, form: Form) -> bool {
        self.relays(relay) && (!form.looks || self.seen.get(origin).is_some_and(|seen| *seen > 0))
    }

    /// Origin, two relays, destination, all different: a random walk.
    fn walk(&mut self, origin: usize) -> Option<[usize; 4]> {
        let first = self.neighbour(origin)?;
        let second = self.neighbour(first)?;
        let last = self.neighbour(second)?;
        let way = [origin, first, second, last];
        let distinct = way.iter().enumerate().all(|(at, one)| !way.iter().skip(at + 1).any(|other| other == one));
        distinct.then_some(way)
    }

    /// One message: the cost of who relayed, and whether it came through. Receipts go into the graph.
    fn send(&mut self, way: [usize; 4], form: Form, dag: &mut Dag, payoffs: &mut [i64]) -> Result<bool, RelayError> {
        let [origin, first, second, last] = way;
        let keys = [origin, first, second, last].map(|index| self.keys.get(index).cloned());
        let [Some(sender), Some(one), Some(two), Some(receiver)] = keys else { return Ok(false) };
        self.number += 1;
        let order = Order {
            chain: self.chain,
            destination: receiver.public_key(),
            number: self.number,
            expires: Height(u64::MAX),
            reward: u128::from(2 * form.credit),
            content: Digest::ZERO,
        };
        let envelope = Envelope::seal(&sender, order);
        let mut pay = |index: usize, amount: i64| {
            if let Some(payoff) = payoffs.get_mut(index) {
                *payoff += amount;
            }
        };
        if !self.takes(first, origin, form) {
            return Ok(false);
        }
        let taken = Receipt::sign(&envelope, &one, sender.public_key(), None, &[])?;
        dag.insert(taken.clone())?;
        pay(first, -COST);
        if !self.takes(second, origin, form) {
            return Ok(false);
        }
        let on = Receipt::sign(&envelope, &two, one.public_key(), Some(&taken), &[])?;
        dag.insert(on.clone())?;
        pay(second, -COST);
        dag.insert(Receipt::sign(&envelope, &receiver, two.public_key(), Some(&on), &[])?)?;
        dag.witness(envelope)?;
        pay(origin, BENEFIT - 2 * form.credit as i64);
        Ok(true)
    }

    fn round(&mut self, form: Form) -> Result<Round, RelayError> {
        let count = self.keys.len();
        let (mut dag, mut payoffs) = (Dag::new(self.chain), vec![0_i64; count]);
        let (mut sent, mut delivered) = (0_u32, 0_u32);
        for origin in 0..count {
            for _ in 0..MESSAGES {
                let Some(way) = self.walk(origin) else { continue };
                sent += 1;
                delivered += u32::from(self.send(way, form, &mut dag, &mut payoffs)?);
            }
        }
        // What the receipts say: credit, and who relayed. It fades, so that who stops is seen to have stopped.
        for (relay, credit) in dag.credits() {
            let Some(index) = self.places.get(&relay) else { continue };
            if let Some(payoff) = payoffs.get_mut(*index) {
                *payoff += i64::try_from(credit).unwrap_or(i64::MAX);
            }
            if let Some(seen) = self.seen.get_mut(*index) {
                *seen += 8;
            }
        }
        self.seen.iter_mut().for_each(|seen| *seen = *seen * 3 / 4);
        let relaying = self.relays.iter().filter(|relays| **relays).count();
        self.imitate(&payoffs);
        Ok(Round { relaying: relaying as f64 / count as f64, delivered: f64::from(delivered) / f64::from(sent.max(1)) })
    }

    /// Proportional imitation, which is the replicator dynamics of a large well-mixed population.
    fn imitate(&mut self, payoffs: &[i64]) {
        let mut next = self.relays.clone();
        for index in 0..next.len() {
            let mutates = self.draw.below(1_000) < MUTATES;
            let compares = self.draw.below(1_000) < COMPARES;
            let Some(other) = self.neighbour(index) else { continue };
            let lot = self.draw.below(SPAN as u64) as i64;
            let payoff = |of: usize| payoffs.get(of).copied().unwrap_or_default();
            let Some(place) = next.get_mut(index) else { continue };
            if compares && lot < payoff(other) - payoff(index) {
                *place = self.relays.get(other).copied().unwrap_or_default();
            }
            if mutates {
                *place = !*place;
            }
        }
        self.relays = next;
    }
}

fn play(game: &Relaying, form: Form) -> Result<Vec<Round>, RelayError> {
    let mut network = Network::new(game, form);
    (0..game.rounds.max(1)).map(|_| network.round(form)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn game(seed: u64) -> Relaying {
        Relaying { gateways: 30, rounds: 12, seed, svg: None }
    }

    #[test]
    fn one_seed_is_one_run() {
        for form in FORMS {
            let [first, again, other] = [1, 1, 2].map(|seed| play(&game(seed), form).unwrap());
            assert_eq!(first, again);
            assert_ne!(first, other, "{}", form.name);
        }
    }
}
