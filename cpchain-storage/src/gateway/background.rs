//! A source that blocks, on a thread of its own.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    time::Duration,
};

use super::source::{Event, Source, SourceError};

/// Runs a source that blocks for long (standard input, a serial line) on a thread, so that what came is made durable while
/// nothing more comes. At most `ahead` events wait; then the source waits.
///
/// `durable` is not passed on: for sources that can give nothing again anyway.
#[derive(Debug)]
pub struct Background {
    events: Receiver<Result<Event, SourceError>>,
}

impl Background {
    /// Starts the thread. It ends with its source, or at the first event after this is dropped.
    pub fn new(source: impl Source + 'static, ahead: usize) -> Self {
        let (sender, events) = sync_channel(ahead);
        std::thread::spawn(move || pump(source, &sender));
        Self { events }
    }
}

fn pump(mut source: impl Source, sender: &SyncSender<Result<Event, SourceError>>) {
    loop {
        let event = source.next(Duration::from_secs(1));
        let is_last = matches!(event, Ok(Event::End) | Err(_));
        if sender.send(event).is_err() || is_last {
            return;
        }
    }
}

impl Source for Background {
    fn next(&mut self, wait: Duration) -> Result<Event, SourceError> {
        match self.events.recv_timeout(wait) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => Ok(Event::Idle),
            Err(RecvTimeoutError::Disconnected) => Ok(Event::End),
        }
    }
}
