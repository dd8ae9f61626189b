//! One vehicle: asks, waits for its slot, drives, leaves, and believes nothing that fewer than `f + 1` gateways say.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use cpchain_consensus::{ChainId, node::NodeHandle};
use cpchain_crypto::{PublicKey, Signer as _, SigningKey};
use futures::future::join_all;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{
    application::Notice,
    crossing::Movement,
    message::{Message, Say},
    rule::Event,
};

/// How often a vehicle with a place says that it is there.
const RENEW: Duration = Duration::from_millis(100);
/// After so long without an answer it says the same again, under a new number.
const AGAIN: Duration = Duration::from_millis(250);
/// A vehicle that waits so long for anything gives up: the run has failed.
const GIVE_UP: Duration = Duration::from_secs(60);

/// Where a gateway says that the vehicle stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Away,
    Placed,
    Open,
    Inside,
}

/// What became of the wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Reached,
    /// The slot was lost while it waited.
    Lost,
    /// No answer for [`AGAIN`].
    Nothing,
    /// It lost the thread of what gateways say, or waited for [`GIVE_UP`].
    Failed,
}

/// The vehicle.
pub(super) struct Vehicle {
    pub(super) chain: ChainId,
    pub(super) key: SigningKey,
    /// The gateways in reach, more than can lie.
    pub(super) gateways: Vec<NodeHandle>,
    pub(super) radio: Receiver<Notice>,
    /// `f + 1`.
    pub(super) witnesses: usize,
    number: u64,
    me: PublicKey,
    said: BTreeMap<PublicKey, (Stage, u64)>,
}

/// What a vehicle has to tell at the end.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    /// From each request to its final grant, in milliseconds.
    pub(super) grants: Vec<f64>,
    /// Drives through the crossing.
    pub(super) crossings: u64,
    /// Requests that had no end.
    pub(super) failed: u64,
}

impl Vehicle {
    pub(super) fn new(
        chain: ChainId,
        key: SigningKey,
        gateways: Vec<NodeHandle>,
        radio: Receiver<Notice>,
        witnesses: usize,
    ) -> Self {
        let me = key.public_key();
        Self { chain, key, gateways, radio, witnesses, number: 0, me, said: BTreeMap::new() }
    }

    /// Drives through once for each way. With `falls_silent` it stops speaking once the last way is granted.
    pub(super) async fn drive(mut self, ways: Vec<Movement>, inside: Duration, falls_silent: bool) -> Log {
        let mut log = Log::default();
        let last = ways.len().saturating_sub(1);
        for (index, way) in ways.into_iter().enumerate() {
            let start = Instant::now();
            let first = self.number + 1;
            if !self.until(Say::Ask(way), Stage::Placed, first, start).await {
                log.failed += 1;
                continue;
            }
            log.grants.push(start.elapsed().as_secs_f64() * 1e3);
            if falls_silent && index == last {
                return log;
            }
            if self.cross(inside, first).await {
                log.crossings += 1;
            } else {
                log.failed += 1;
            }
        }
        log
    }

    /// From the grant to the other side.
    async fn cross(&mut self, inside: Duration, first: u64) -> bool {
        let start = Instant::now();
        if !self.until(Say::Renew, Stage::Open, first, start).await
            || !self.until(Say::Enter, Stage::Inside, first, start).await
        {
            return false;
        }
        tokio::time::sleep(inside).await;
        self.until(Say::Leave, Stage::Away, first, start).await
    }

    /// Says it, again and again, until enough gateways say that the stage is reached. `first` is the number of the request: what was
    /// decided on older ones does not count.
    async fn until(&mut self, say: Say, stage: Stage, first: u64, start: Instant) -> bool {
        // Nothing to say while the slot is not open, but that it waits.
        let pause = if say == Say::Renew { RENEW } else { AGAIN };
        if say != Say::Renew {
            self.say(say).await;
        }
        loop {
            match self.listen(stage, first, pause, start).await {
                Heard::Reached => return true,
                Heard::Nothing => self.say(say).await,
                Heard::Lost | Heard::Failed => return false,
            }
        }
    }

    async fn listen(&mut self, stage: Stage, first: u64, pause: Duration, start: Instant) -> Heard {
        let until = tokio::time::Instant::now() + pause;
        loop {
            let count = |wanted: &dyn Fn(Stage, u64) -> bool| {
                self.said.values().filter(|(stage, number)| wanted(*stage, *number)).count()
            };
            let reached = match stage {
                Stage::Away => count(&|stage, number| stage == Stage::Away && number >= first),
                wanted => count(&|stage, number| stage >= wanted && number >= first),
            };
            if reached >= self.witnesses {
                return Heard::Reached;
            }
            if stage > Stage::Placed
                && count(&|stage, number| stage == Stage::Away && number >= first) >= self.witnesses
            {
                return Heard::Lost;
            }
            match tokio::time::timeout_at(until, self.radio.recv()).await {
                Err(_) if start.elapsed() > GIVE_UP => return Heard::Failed,
                Err(_) => return Heard::Nothing,
                Ok(Err(RecvError::Lagged(_) | RecvError::Closed)) => return Heard::Failed,
                Ok(Ok(notice)) => self.take(&notice),
            }
        }
    }

    fn take(&mut self, notice: &Notice) {
        for (_, event) in notice.events.iter().filter(|(vehicle, _)| *vehicle == self.me) {
            let (stage, number) = self.said.entry(notice.gateway).or_insert((Stage::Away, 0));
            match event {
                Event::Granted { number: asked, .. } => (*stage, *number) = (Stage::Placed, *asked),
                Event::Full => {}
                Event::Opened => *stage = Stage::Open,
                Event::Entered => *stage = Stage::Inside,
                Event::Left | Event::Lost => *stage = Stage::Away,
            }
        }
    }

    async fn say(&mut self, say: Say) {
        self.number += 1;
        let message = Message::sign(self.chain, &self.key, self.number, say);
        // A gateway that is gone or refuses is why there are several.
        join_all(self.gateways.iter().map(|gateway| gateway.submit(message.bytes().clone()))).await;
    }
}
