//! The thread of a subscriber: connect, hand messages over, acknowledge what is durable.

use std::{
    pin::pin,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{SyncSender, TrySendError},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::Notify, time::sleep};

use super::{
    MqttOptions, Unacknowledged,
    link::{Connection, Incoming, Requests},
};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How soon a hand-over is tried again when too many messages wait.
const FULL_PAUSE: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(super) struct Message {
    pub(super) number: u64,
    pub(super) topic: String,
    pub(super) payload: Bytes,
}

/// What the thread is told.
#[derive(Debug, Default)]
pub(super) struct Shared {
    durable: AtomicU64,
    is_closed: AtomicBool,
    changed: Notify,
}

impl Shared {
    pub(super) fn durable(&self, number: u64) {
        self.durable.store(number, Ordering::Release);
        self.changed.notify_one();
    }

    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }
}

/// Runs until the source is dropped.
pub(super) async fn run(
    (requests, mut connection): (impl Requests, impl Connection),
    options: &MqttOptions,
    shared: &Shared,
    messages: &SyncSender<Message>,
) {
    let mut waiting = Unacknowledged::new();
    let (mut number, mut pause, mut must_subscribe) = (0, FIRST_PAUSE, false);
    while !shared.is_closed() {
        let polled = {
            let mut poll = pin!(connection.poll());
            loop {
                must_subscribe = must_subscribe && !requests.subscribe(&options.topics);
                acknowledge(&mut waiting, &requests, shared);
                tokio::select! {
                    polled = &mut poll => break polled,
                    () = shared.changed.notified() => {}
                }
                if shared.is_closed() {
                    return;
                }
            }
        };
        match polled {
            Ok(Incoming::Connected) => {
                // Whatever was not acknowledged on the old connection comes again on this one.
                waiting.clear();
                must_subscribe = true;
                pause = FIRST_PAUSE;
            }
            Ok(Incoming::Message { topic, payload, receipt }) => {
                number += 1;
                waiting.push_back((number, receipt));
                let mut message = Message { number, topic, payload };
                while let Err(error) = messages.try_send(message) {
                    message = match error {
                        TrySendError::Full(message) if !shared.is_closed() => message,
                        _ => return,
                    };
                    acknowledge(&mut waiting, &requests, shared);
                    sleep(FULL_PAUSE).await;
                }
            }
            Ok(Incoming::Other) => {}
            Err(error) => {
                tracing::warn!(host = %options.host, %error, "no connection to the broker, trying again");
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Acknowledges in the order of arrival, as the protocol wants, what is durable and finds room.
fn acknowledge(waiting: &mut Unacknowledged, requests: &impl Requests, shared: &Shared) {
    let durable = shared.durable.load(Ordering::Acquire);
    while let Some((number, receipt)) = waiting.front()
        && *number <= durable
        && requests.acknowledge(*receipt)
    {
        waiting.pop_front();
    }
}
