//! Readings from an MQTT broker, 3.1.1 or 5, over `rumqttc`.
//!
//! It subscribes with QoS 1 in a session that the broker keeps, and acknowledges a message only when its reading is durable
//! ([`Source::durable`]), so what was not acknowledged comes again: after a crash of this process, of the broker (one that persists
//! its sessions), or of the network. A connection that breaks is made anew, ever slower, up to every half minute.
//!
//! A message that comes again has the time that its sender gave it, so the gateway knows it ([`MqttPayload::Json`]). Opaque payloads are
//! stamped as they arrive: one that comes again is stored again.
//!
//! Memory is bounded: at most [`MqttOptions::ahead`] messages wait (MQTT 5 tells the broker so; with 3.1.1 the connection is not read
//! from meanwhile), each of at most [`MqttOptions::max_message`] bytes. The connection is not encrypted: put a TLS tunnel before a broker
//! that is not on this machine.
//!
//! Tests, against mosquitto: `tests/mqtt.rs`.

mod link;
mod session;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;

use self::session::{Message, Shared};
use super::{
    json,
    source::{Event, Sample, Source, SourceError},
    time::TimestampUnit,
};
use crate::table::Reading;

/// Version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MqttVersion {
    /// MQTT 3.1.1.
    #[default]
    V3,
    /// MQTT 5.
    V5,
}

/// What the messages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MqttPayload {
    /// An object as in [`JsonSource`](super::JsonSource); without a member `sensor`, the topic is the sensor.
    Json(TimestampUnit),
    /// Opaque bytes; the topic is the sensor, the time that of the arrival.
    Opaque,
}

/// Where and what to subscribe.
#[derive(Clone, PartialEq, Eq)]
pub struct MqttOptions {
    /// Name or address of the broker.
    pub host: String,
    /// Its port, mostly 1883.
    pub port: u16,
    /// Name of the session, unique at the broker and the same after a restart.
    pub client_id: String,
    /// Topic filters, `site/+/roof` or `site/#`.
    pub topics: Vec<String>,
    /// User name and password.
    pub credentials: Option<(String, String)>,
    /// Version of the protocol.
    pub version: MqttVersion,
    /// What the messages are.
    pub payload: MqttPayload,
    /// Messages that may wait here.
    pub ahead: u16,
    /// Bytes of the longest message; a longer one ends the connection, or is not sent by a broker of MQTT 5.
    pub max_message: u32,
}

/// Without the password.
impl std::fmt::Debug for MqttOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port, client_id, topics, version, payload, .. } = self;
        write!(f, "MqttOptions({host}:{port} {version:?} as {client_id}, {topics:?}, {payload:?})")
    }
}

impl MqttOptions {
    /// JSON messages of these topics over MQTT 3.1.1.
    pub fn new<T: Into<String>>(
        host: impl Into<String>,
        client_id: impl Into<String>,
        topics: impl IntoIterator<Item = T>,
    ) -> Self {
        Self {
            host: host.into(),
            port: 1883,
            client_id: client_id.into(),
            topics: topics.into_iter().map(Into::into).collect(),
            credentials: None,
            version: MqttVersion::V3,
            payload: MqttPayload::Json(TimestampUnit::Milliseconds),
            ahead: 256,
            max_message: 1 << 20,
        }
    }
}

/// A subscriber as a [`Source`]. It never ends by itself.
#[derive(Debug)]
pub struct MqttSource {
    options: MqttOptions,
    messages: Receiver<Message>,
    shared: Arc<Shared>,
    /// The number of the last message that was given.
    given: u64,
    columns: Arc<[String]>,
    last_ms: u64,
}

impl MqttSource {
    /// Begins to connect, on a thread of its own; readings come when there is a connection.
    ///
    /// # Errors
    /// [`SourceError`] if the client id is empty, there is no topic, nothing may wait, or the thread does not start.
    pub fn new(options: MqttOptions) -> Result<Self, SourceError> {
        if options.client_id.is_empty() || options.topics.is_empty() || options.ahead == 0 {
            return Err("an MQTT subscriber needs a client id, a topic and room for a message".into());
        }
        let (sender, messages) = sync_channel(usize::from(options.ahead));
        let shared = Arc::new(Shared::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (of_thread, told) = (options.clone(), shared.clone());
        std::thread::Builder::new().name("mqtt".to_owned()).spawn(move || {
            runtime.block_on(async {
                match of_thread.version {
                    MqttVersion::V3 => session::run(link::v3(&of_thread), &of_thread, &told, &sender).await,
                    MqttVersion::V5 => session::run(link::v5(&of_thread), &of_thread, &told, &sender).await,
                }
            });
        })?;
        Ok(Self { options, messages, shared, given: 0, columns: [].into(), last_ms: 0 })
    }

    fn read(&mut self, topic: &str, payload: Bytes) -> Result<Sample, String> {
        match self.options.payload {
            MqttPayload::Json(unit) => json::parse(&payload, Some(topic), unit, &mut self.columns),
            MqttPayload::Opaque => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                self.last_ms = (now.as_millis() as u64).max(self.last_ms.saturating_add(1));
                Ok(Sample::new(topic, Vec::<String>::new(), Reading::opaque(self.last_ms, payload)))
            }
        }
    }
}

impl Source for MqttSource {
    fn next(&mut self, wait: Duration) -> Result<Event, SourceError> {
        let message = match self.messages.recv_timeout(wait) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => return Ok(Event::Idle),
            Err(RecvTimeoutError::Disconnected) => return Err("the thread of the MQTT client is gone".into()),
        };
        self.given = message.number;
        Ok(match self.read(&message.topic, message.payload) {
            Ok(sample) => Event::Sample(sample),
            Err(why) => Event::Malformed(why),
        })
    }

    fn durable(&mut self) -> Result<(), SourceError> {
        self.shared.durable(self.given);
        Ok(())
    }
}

impl Drop for MqttSource {
    fn drop(&mut self) {
        self.shared.close();
    }
}

type Unacknowledged = VecDeque<(u64, link::Receipt)>;
