//! The two versions of the protocol behind one face.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use rumqttc::{self as v3api, v5 as v5api};

use super::MqttOptions;

const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a broker keeps the session of a client that is away.
const SESSION_SECONDS: u32 = u32::MAX;
/// Requests that wait for the connection.
const REQUESTS: usize = 64;

/// What a connection gives.
pub(super) enum Incoming {
    Connected,
    Message { topic: String, payload: Bytes, receipt: Receipt },
    Other,
}

/// What is acknowledged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Receipt {
    packet: u16,
    is_wanted: bool,
}

/// Asks for things; false if there is no room to ask now.
pub(super) trait Requests {
    fn subscribe(&self, topics: &[String]) -> bool;
    fn acknowledge(&self, receipt: Receipt) -> bool;
}

/// Keeps the connection going while it is polled, and makes it anew.
pub(super) trait Connection {
    fn poll(&mut self) -> impl Future<Output = Result<Incoming, String>>;
}

pub(super) fn v3(options: &MqttOptions) -> (impl Requests, impl Connection) {
    let mut connect = v3api::MqttOptions::new(options.client_id.as_str(), options.host.as_str(), options.port);
    connect.set_keep_alive(KEEP_ALIVE).set_clean_session(false).set_manual_acks(true);
    connect.set_max_packet_size(options.max_message as usize, 1 << 16);
    if let Some((user, password)) = &options.credentials {
        connect.set_credentials(user, password);
    }
    v3api::AsyncClient::new(connect, REQUESTS)
}

pub(super) fn v5(options: &MqttOptions) -> (impl Requests, impl Connection) {
    let mut connect = v5api::MqttOptions::new(options.client_id.as_str(), options.host.as_str(), options.port);
    connect.set_keep_alive(KEEP_ALIVE).set_clean_start(false).set_manual_acks(true);
    connect.set_session_expiry_interval(Some(SESSION_SECONDS)).set_receive_maximum(Some(options.ahead));
    connect.set_max_packet_size(Some(options.max_message));
    if let Some((user, password)) = &options.credentials {
        connect.set_credentials(user, password);
    }
    v5api::AsyncClient::new(connect, REQUESTS)
}

impl Requests for v3api::AsyncClient {
    fn subscribe(&self, topics: &[String]) -> bool {
        let filter = |topic: &String| v3api::SubscribeFilter::new(topic.clone(), v3api::QoS::AtLeastOnce);
        self.try_subscribe_many(topics.iter().map(filter)).is_ok()
    }

    fn acknowledge(&self, receipt: Receipt) -> bool {
        let mut message = v3api::Publish::new("", v3api::QoS::AtLeastOnce, Vec::new());
        message.pkid = receipt.packet;
        !receipt.is_wanted || self.try_ack(&message).is_ok()
    }
}

impl Requests for v5api::AsyncClient {
    fn subscribe(&self, topics: &[String]) -> bool {
        let filter =
            |topic: &String| v5api::mqttbytes::v5::Filter::new(topic.clone(), v5api::mqttbytes::QoS::AtLeastOnce);
        self.try_subscribe_many(topics.iter().map(filter)).is_ok()
    }

    fn acknowledge(&self, receipt: Receipt) -> bool {
        let qos = v5api::mqttbytes::QoS::AtLeastOnce;
        let mut message = v5api::mqttbytes::v5::Publish::new("", qos, Bytes::new(), None);
        message.pkid = receipt.packet;
        !receipt.is_wanted || self.try_ack(&message).is_ok()
    }
}

impl Connection for v3api::EventLoop {
    async fn poll(&mut self) -> Result<Incoming, String> {
        use v3api::{Event, Packet};
        Ok(match v3api::EventLoop::poll(self).await.map_err(|error| error.to_string())? {
            Event::Incoming(Packet::ConnAck(_)) => Incoming::Connected,
            Event::Incoming(Packet::Publish(message)) => Incoming::Message {
                topic: message.topic,
                payload: message.payload,
                receipt: Receipt { packet: message.pkid, is_wanted: message.qos == v3api::QoS::AtLeastOnce },
            },
            _ => Incoming::Other,
        })
    }
}

impl Connection for v5api::EventLoop {
    async fn poll(&mut self) -> Result<Incoming, String> {
        use v5api::{Event, mqttbytes::v5::Packet};
        Ok(match v5api::EventLoop::poll(self).await.map_err(|error| error.to_string())? {
            Event::Incoming(Packet::ConnAck(_)) => Incoming::Connected,
            Event::Incoming(Packet::Publish(message)) => Incoming::Message {
                topic: String::from_utf8_lossy(&message.topic).into_owned(),
                payload: message.payload,
                receipt: Receipt { packet: message.pkid, is_wanted: message.qos == v5api::mqttbytes::QoS::AtLeastOnce },
            },
            _ => Incoming::Other,
        })
    }
}
