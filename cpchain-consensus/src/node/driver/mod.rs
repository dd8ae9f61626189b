//! The one task of a node. It carries out the core's outputs in order: the log first, then what relies on it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey, Signer};
use tokio::{
    sync::{broadcast, mpsc, watch},
    time::{Instant, MissedTickBehavior},
};

mod effects;
mod receive;

use super::{
    config::{NodeConfig, NodeError, SubmitError},
    counters::Counting,
    handle::{NodeHandle, Request, Status},
    pace::Pace,
    serving::Serving,
};
use crate::{
    application::{Application, InvalidPayload},
    ids::Height,
    lbft::{Committee, FinalEntry, Input, Lbft, Output, SignatureCache},
    network::{Network, Received, Topic},
    storage::{self, Storage},
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
            current(&*application)?;
            state = application.finalised(&entry.block);
            if application.last_height() < height {
                return Err(NodeError::Config("the application does not count the heights that it executes"));
            }
        }
        current(&*application)?;
        let role = core_config.committee.role(&key.public_key());
        let me = key.public_key();
        let cache = Arc::new(SignatureCache::new(REMEMBERED_SIGNATURES));
        let (core, outputs) = Lbft::new(core_config, key, cache, restored);
        let status = Status {
            role,
            term: core.committee().term(),
            height: core.height(),
            final_height: core.final_height(),
            catching_up: core.is_catching_up(),
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

/// Whether the next block may be executed by this software.
fn current(application: &dyn Application) -> Result<(), NodeError> {
    application.outdated().map_or(Ok(()), |outdated| Err(outdated.into()))
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

    async fn step(&mut self, input: Input) -> Result<(), NodeError> {
        let outputs = self.core.step(input);
        self.perform(outputs).await
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
            Request::Serve { transactions, answer } => {
                let _ = answer.send(self.submit_here(transactions));
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
    fn submit_here(&mut self, transactions: Vec<Bytes>) -> Vec<Result<(), SubmitError>> {
        let most = self.config.max_transaction;
        let lengths: Vec<_> = transactions.iter().map(Bytes::len).collect();
        let fitting = transactions.into_iter().filter(|transaction| transaction.len() <= most).collect();
        let mut answers = self.application.submit_all(fitting).into_iter();
        let taken = |length: usize| match length <= most {
            // An application that leaves an answer out has not taken it.
            true => {
                answers.next().unwrap_or_else(|| Err(InvalidPayload("not taken".into()))).map_err(SubmitError::from)
            }
            false => Err(SubmitError::TooLong(length)),
        };
        let answers: Vec<_> = lengths.into_iter().map(taken).collect();
        if answers.iter().any(Result::is_ok) {
            self.pace.work(Instant::now());
        }
        answers
    }
}
