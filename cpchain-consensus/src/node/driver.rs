//! The one task of a node. It carries out the core's outputs in order: the log first, then what relies on it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey, Signer};
use futures::FutureExt as _;
use tokio::{
    sync::{broadcast, mpsc, watch},
    time::{Instant, MissedTickBehavior},
};

use super::{
    config::{NodeConfig, NodeError, SubmitError},
    counters::Counting,
    handle::{NodeHandle, Request, Status},
    pace::Pace,
    serving::Serving,
};
use crate::{
    application::Application,
    ids::Height,
    lbft::{Committee, FinalEntry, Input, Kind, Lbft, Message, Output, SignatureCache},
    network::{Network, Offence, Received, Topic, Verdict},
    storage::{self, Storage, StorageError},
};

/// Inputs that share one sync of the log, and their bytes.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 4 << 20;
const REQUESTS: usize = 1024;
/// Final blocks that are held for subscribers; who is further behind reads from the log.
const SUBSCRIBERS: usize = 16;
const REMEMBERED_SIGNATURES: usize = 16 << 10;

/// Starts nodes.
pub struct Node;

impl Node {
    /// Starts a node on the current tokio runtime: reads the log, lets the application catch up with it, and joins.
    ///
    /// # Errors
    /// [`NodeError`] for settings that cannot work, or a log that cannot be read.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(
        config: NodeConfig,
        key: Arc<dyn Signer>,
        mut application: Box<dyn Application>,
        storage: Box<dyn Storage>,
        mut network: Box<dyn Network>,
    ) -> Result<NodeHandle, NodeError> {
        let core_config = config.core()?;
        let restored = storage.restore()?;
        let tip = restored.tip.as_ref().map_or(Height::GENESIS, |entry| entry.block.height);
        let mut state = Digest::ZERO;
        while application.last_height() < tip {
            let height = application.last_height().next();
            let entry = storage.final_entry(height)?.ok_or(NodeError::Gap(height))?;
            state = application.finalised(&entry.block);
            if application.last_height() < height {
                return Err(NodeError::Config("the application does not count the heights that it executes"));
            }
        }
        let role = core_config.committee.role(&key.public_key());
        let me = key.public_key();
        let cache = Arc::new(SignatureCache::new(REMEMBERED_SIGNATURES));
        let (core, outputs) = Lbft::new(core_config, key, cache, restored);
        let status = Status {
            role,
            term: core.committee().term(),
            height: core.height(),
            final_height: core.final_height(),
            state,
            impeached: 0,
            evidence: None,
            fault: None,
            ended: None,
        };
        let (status, watched) = watch::channel(status);
        let (requests, orders) = mpsc::channel(REQUESTS);
        let (finals, _) = broadcast::channel(SUBSCRIBERS);
        let counting: Arc<Counting> = Arc::default();
        network.members(&members(core.committee()));
        let (committee, committees) = watch::channel(Arc::new(core.committee().clone()));
        let handle = NodeHandle {
            requests,
            status: watched,
            finals: finals.clone(),
            counting: counting.clone(),
            committee: committees,
            key: me,
        };
        let driver = Driver {
            pace: Pace::new(config.block_interval, config.idle_block_interval),
            proposes: core.committee().proposers().contains(&me),
            config,
            core,
            application,
            storage: Some(storage),
            network,
            status,
            finals,
            counting,
            committee,
            timer: None,
            serving: Serving::default(),
        };
        tokio::spawn(driver.run(orders, outputs));
        Ok(handle)
    }
}

struct Driver {
    config: NodeConfig,
    proposes: bool,
    core: Lbft,
    application: Box<dyn Application>,
    /// Away only while a blocking thread syncs it.
    storage: Option<Box<dyn Storage>>,
    network: Box<dyn Network>,
    status: watch::Sender<Status>,
    finals: broadcast::Sender<Arc<FinalEntry>>,
    counting: Arc<Counting>,
    committee: watch::Sender<Arc<Committee>>,
    timer: Option<(Height, Instant)>,
    pace: Pace,
    serving: Serving,
}

/// Who must be heard whatever happens.
fn members(committee: &Committee) -> Vec<PublicKey> {
    committee.validators().iter().chain(committee.proposers()).copied().collect()
}

/// What woke the driver.
enum Wake {
    Request(Option<Request>),
    Received(Option<Received>),
    Retry,
    Timer,
    Propose,
    Serve,
}

const FAR: Duration = Duration::from_secs(3600);

impl Driver {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>, outputs: Vec<Output>) {
        let mut stop = None;
        let mut ended = self.perform(outputs).await.err();
        let mut retry = tokio::time::interval(self.config.retry_interval);
        retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut handles_gone = false;
        while ended.is_none() {
            let far = Instant::now() + FAR;
            let timer = self.timer.map_or(far, |(_, at)| at);
            let propose = self.pace.wake_at().unwrap_or(far);
            let wake = tokio::select! {
                request = requests.recv(), if !handles_gone => Wake::Request(request),
                received = self.network.next() => Wake::Received(received),
                _ = retry.tick() => Wake::Retry,
                () = tokio::time::sleep_until(timer) => Wake::Timer,
                () = tokio::time::sleep_until(propose) => Wake::Propose,
                () = std::future::ready(()), if !self.serving.is_empty() => Wake::Serve,
            };
            let outcome = match wake {
                Wake::Request(None) => {
                    handles_gone = true;
                    Ok(())
                }
                Wake::Request(Some(Request::Stop { answer })) => {
                    stop = Some(answer);
                    Err(NodeError::Stopped)
                }
                Wake::Request(Some(request)) => self.answer(request),
                Wake::Received(Some(received)) => self.receive(received).await,
                Wake::Received(None) => Err(NodeError::Stopped),
                Wake::Retry => {
                    self.serving.renew();
                    self.step(Input::Retry).await
                }
                Wake::Serve => self.serve(),
                Wake::Timer => match self.timer.take() {
                    Some((height, _)) => {
                        self.counting.timeout();
                        self.step(Input::Timeout { height }).await
                    }
                    None => Ok(()),
                },
                Wake::Propose => match self.pace.due(Instant::now()) {
                    Some(height) => self.step(Input::Propose { height }).await,
                    None => Ok(()),
                },
            };
            ended = outcome.err();
        }
        self.end(ended.unwrap_or(NodeError::Stopped)).await;
        drop(requests);
        if let Some(answer) = stop {
            let _ = answer.send(());
        }
    }

    async fn end(mut self, cause: NodeError) {
        if cause != NodeError::Stopped {
            tracing::error!(%cause, "the node ends");
        }
        self.network.stop().await;
        let Self { status, storage, application, .. } = self;
        drop(storage);
        drop(application);
        status.send_modify(|status| status.ended = Some(cause));
    }

    /// Takes in a message and those that are already here behind it, so that they share one sync.
    async fn receive(&mut self, first: Received) -> Result<(), NodeError> {
        let (mut outputs, mut bytes) = (Vec::new(), 0_usize);
        let mut next = Some(first);
        for _ in 0..BATCH {
            let Some(received) = next.take().or_else(|| self.network.next().now_or_never().flatten()) else { break };
            bytes = bytes.saturating_add(received.len());
            self.take(received, &mut outputs);
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        self.perform(outputs).await
    }

    fn take(&mut self, received: Received, outputs: &mut Vec<Output>) {
        match received {
            Received::Direct { from, bytes } => {
                self.message(from, bytes, outputs);
            }
            Received::Gossip { from, topic: Topic::Validate, bytes, receipt } => {
                let verdict = self.validate(from, bytes, outputs);
                self.network.judge(receipt, verdict);
            }
            Received::Gossip { topic: Topic::Transactions, bytes, receipt, .. } => {
                // Proposers judge transactions; the others pass them on, within the size that they would take themselves.
                let fits = bytes.len() <= self.config.max_transaction;
                let taken = fits && (!self.proposes || self.application.submit(bytes).is_ok());
                if taken && self.proposes {
                    self.pace.work(Instant::now());
                }
                self.network.judge(receipt, if taken { Verdict::Accept } else { Verdict::Ignore });
            }
        }
    }

    /// Gossip about finality: a C-certificate, or the proof of a hand-over, that was news here travels on, one that was not
    /// ends here, and anything else is its sender's fault.
    fn validate(&mut self, from: PublicKey, bytes: Bytes, outputs: &mut Vec<Output>) -> Verdict {
        let fits = |message: &Message| match message {
            Message::Certificate(certificate) => matches!(certificate.kind, Kind::Commit | Kind::Handover),
            _ => false,
        };
        if !Message::decode(bytes.clone()).is_ok_and(|message| fits(&message)) {
            self.counting.malformed();
            self.network.report(&from, Offence::Malformed);
            return Verdict::Reject;
        }
        let (before, covered) = (outputs.len(), self.core.covered());
        let good = self.message(from, bytes, outputs);
        // A large committee leaves it to a few to publish; all pass on what was published.
        let published = outputs.iter().skip(before).any(|output| matches!(output, Output::Gossip(_)));
        let is_news = published || self.core.covered() > covered;
        match (good, is_news) {
            (false, _) => Verdict::Reject,
            (true, true) => Verdict::Accept,
            (true, false) => Verdict::Ignore,
        }
    }

    /// Whether nothing was wrong with it.
    fn message(&mut self, from: PublicKey, bytes: Bytes, outputs: &mut Vec<Output>) -> bool {
        match Message::decode(bytes) {
            Ok(message) => {
                self.counting.received(&message);
                let more = self.core.step(Input::Message { from, message });
                let blamed = more.iter().any(|output| matches!(output, Output::Blame { .. }));
                outputs.extend(more);
                !blamed
            }
            Err(error) => {
                tracing::debug!(%from, %error, "a message was dropped");
                self.counting.malformed();
                self.network.report(&from, Offence::Malformed);
                false
            }
        }
    }

    async fn step(&mut self, input: Input) -> Result<(), NodeError> {
        let outputs = self.core.step(input);
        self.perform(outputs).await
    }

    /// Carries out outputs, and those of the answers that they ask for, until nothing is left.
    async fn perform(&mut self, mut outputs: Vec<Output>) -> Result<(), NodeError> {
        while !outputs.is_empty() {
            let (mut records, mut sync, mut rest) = (Vec::new(), false, Vec::with_capacity(outputs.len()));
            for output in outputs {
                match output {
                    Output::Persist { records: more, sync: needed } => {
                        records.extend(more);
                        sync |= needed;
                    }
                    other => rest.push(other),
                }
            }
            if !records.is_empty() {
                self.append(records, sync).await?;
            }
            outputs = Vec::new();
            for output in rest {
                if let Some(input) = self.carry_out(output)? {
                    outputs.extend(self.core.step(input));
                }
            }
        }
        let (height, fault, term) = (self.core.height(), self.core.fault(), self.core.committee().term());
        if self.status.borrow().term != term {
            let role = self.core.role();
            self.proposes = self.core.committee().proposers().contains(self.core.key());
            self.status.send_modify(|status| (status.term, status.role) = (term, role));
            self.network.members(&members(self.core.committee()));
            self.committee.send_replace(Arc::new(self.core.committee().clone()));
        }
        let entered = self.status.send_if_modified(|status| {
            let changed = status.height != height || status.fault != fault;
            (status.height, status.fault) = (height, fault);
            changed
        });
        if entered {
            tracing::trace!(%height, "entered");
        }
        Ok(())
    }

    async fn append(&mut self, records: Vec<crate::lbft::Record>, sync: bool) -> Result<(), NodeError> {
        let lost = || NodeError::Storage(StorageError::Io("the storage panicked in an earlier write".into()));
        let mut storage = self.storage.take().ok_or_else(lost)?;
        if !sync {
            let outcome = storage.append(&records, false);
            self.storage = Some(storage);
            return Ok(outcome?);
        }
        // A sync takes milliseconds; the runtime's threads have other work.
        let write = move || {
            let outcome = storage.append(&records, true);
            (storage, outcome)
        };
        let (storage, outcome) = tokio::task::spawn_blocking(write).await.map_err(|_| lost())?;
        self.storage = Some(storage);
        Ok(outcome?)
    }

    fn carry_out(&mut self, output: Output) -> Result<Option<Input>, NodeError> {
        self.counting.carried_out(&output);
        match output {
            // Already in the log.
            Output::Persist { .. } => {}
            Output::Send { to, message } => {
                let bytes = message.encode();
                for key in &to {
                    self.network.send(key, bytes.clone());
                }
            }
            Output::Gossip(message) => self.network.gossip(Topic::Validate, message.encode()),
            Output::StartTimer { height, after } => self.timer = Some((height, Instant::now() + after)),
            Output::Verify { height, digest, ancestors, payload } => {
                if height <= self.application.last_height() {
                    return Ok(Some(Input::Verified { digest, verdict: Ok(()) }));
                }
                let ancestors = self.unexecuted(ancestors);
                let verdict = self.application.verify(height, &ancestors, &payload);
                if let Err(reason) = &verdict {
                    tracing::warn!(%height, %reason, "illicit block");
                }
                return Ok(Some(Input::Verified { digest, verdict }));
            }
            Output::MayPropose { height } => self.pace.may_propose(height, Instant::now()),
            Output::BuildPayload { height, ancestors, room } => {
                let behind = height <= self.application.last_height();
                let ancestors = self.unexecuted(ancestors);
                let payload = if behind { Bytes::new() } else { self.application.propose(height, &ancestors, room) };
                let seal = self.pace.seal(height, payload.is_empty(), Instant::now());
                return Ok(seal.then_some(Input::Payload { height, payload }));
            }
            Output::Finalised(entry) => self.finalise(entry),
            Output::TermEnded(ended) => {
                tracing::info!(term = %ended.term(), "the term ended");
                return Ok(Some(Input::NextTerm(self.application.next_committee(&ended))));
            }
            Output::Serve { to, pull } => {
                if !self.serving.put(to, pull) {
                    tracing::debug!(peer = %to, "a pull was dropped: its sender has had its share");
                }
            }
            Output::Evidence(evidence) => {
                tracing::warn!(key = %evidence.key, height = %evidence.first.0.height, "proof of misbehaviour");
                self.status.send_modify(|status| status.evidence = Some(evidence));
            }
            Output::Blame { peer, reason } => {
                tracing::debug!(%peer, reason, "a neighbour sent what is wrong");
                self.network.report(&peer, Offence::Blamed);
            }
            // The status follows below.
            Output::Fault(fault) => tracing::error!(%fault, "this node stops voting"),
            Output::Entered { height } => self.pace.entered(height, Instant::now()),
        }
        Ok(None)
    }

    /// An application with a disk of its own may be ahead of a log that lost its last, unsynced batch: what it executed
    /// was final, and is not shown to it again.
    fn unexecuted(&self, ancestors: Vec<(Height, Bytes)>) -> Vec<Bytes> {
        let done = self.application.last_height();
        ancestors.into_iter().filter(|(height, _)| *height > done).map(|(_, payload)| payload).collect()
    }

    fn finalise(&mut self, entry: FinalEntry) {
        let state =
            (self.application.last_height() < entry.block.height).then(|| self.application.finalised(&entry.block));
        self.status.send_modify(|status| {
            status.final_height = entry.block.height;
            status.state = state.unwrap_or(status.state);
            status.impeached += u64::from(entry.block.impeached);
        });
        // Nobody listening is fine.
        let _ = self.finals.send(Arc::new(entry));
    }

    /// Answers one pull.
    fn serve(&mut self) -> Result<(), NodeError> {
        let Some((to, pull)) = self.serving.next() else { return Ok(()) };
        // An answer is up to some MiB of reads: not for who would not get it.
        if !self.network.reaches(&to) {
            return Ok(());
        }
        let Some(storage) = &self.storage else { return Ok(()) };
        let mut sent = 0_usize;
        for message in storage::answer(&**storage, &pull)? {
            let bytes = message.encode();
            sent = sent.saturating_add(bytes.len());
            self.network.send(&to, bytes);
        }
        self.serving.spend(to, sent);
        Ok(())
    }

    fn answer(&mut self, request: Request) -> Result<(), NodeError> {
        match request {
            Request::Submit { transaction, answer } => {
                let outcome = self.submit(transaction);
                let _ = answer.send(outcome);
            }
            Request::Spread { transaction } => {
                self.pace.work(Instant::now());
                self.network.gossip(Topic::Transactions, transaction);
            }
            Request::Entry { height, answer } => {
                let Some(storage) = &self.storage else { return Ok(()) };
                let entry = storage.final_entry(height);
                let failure = entry.as_ref().err().cloned();
                let _ = answer.send(entry.map_err(NodeError::from));
                if let Some(error) = failure {
                    return Err(error.into());
                }
            }
            Request::Application(question) => question(&mut *self.application),
            Request::Stop { .. } => return Err(NodeError::Stopped),
        }
        Ok(())
    }

    fn submit(&mut self, transaction: Bytes) -> Result<(), SubmitError> {
        if transaction.len() > self.config.max_transaction {
            return Err(SubmitError::TooLong(transaction.len()));
        }
        self.application.submit(transaction.clone())?;
        self.pace.work(Instant::now());
        self.network.gossip(Topic::Transactions, transaction);
        Ok(())
    }
}
