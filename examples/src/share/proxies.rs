//! The proxies: OTP nodes that serve ciphertext, and agents that re-encrypt what an order on the chain grants.

use std::{path::Path, sync::Arc};

use cpchain_consensus::ledger::{Amount, Cursor};
use cpchain_crypto::{
    PublicKey,
    pre::{Capsule, Parties, PrePublicKey, ProxyReEncryption, Umbral},
};
use cpchain_market::escrow::{Command, Event, Order, ProxyGrant, State};
use cpchain_otp::{NodeConfig, NodeHandle, NodeParts, ProxyNode, backend::OpendalBackend};
use tokio::task::JoinHandle;

use super::{
    actors::Actors,
    chain::ChainNode,
    error::{During, ShareError},
    hosts::Hosts,
};
use crate::adapters::{
    ChainClient, ChainRegistry, DhtObjects, UmbralJudge,
    chain::{EscrowModule, EscrowNotice, StakeCommand, read_order},
    granted_fragments, open_bundle, prove_bundle,
};

/// What each proxy has at stake.
const STAKE: Amount = Amount::cpc(10_000);

/// A proxy: its OTP node and the agent that watches the chain for it.
pub(crate) struct Proxy {
    /// The OTP node.
    pub(crate) node: NodeHandle,
    agent: JoinHandle<()>,
}

impl Proxy {
    /// Starts proxy number `index`, following the chain at `chain`.
    pub(crate) async fn start(
        index: usize,
        actors: &Actors,
        hosts: &Hosts,
        chain: &ChainNode,
        dir: &Path,
    ) -> Result<Self, ShareError> {
        let seed = actors.secret("proxy", index);
        let client = ChainClient::new(actors.key("proxy", index), chain.node.clone(), chain.view.clone());
        let registry = Arc::new(ChainRegistry(chain.view.clone()));
        let storage = hosts.client(&actors.secret("proxy storage client", index)).await?;
        let objects = DhtObjects::new(storage, chain.view.clone());
        let dir = dir.join(format!("proxy-{index}"));
        std::fs::create_dir_all(&dir).during("making a proxy's folder")?;
        let backend = Arc::new(OpendalBackend::file_system(&dir).during("opening a proxy's folder")?);
        let parts = NodeParts::new(backend, registry.clone(), registry).source(Arc::new(objects));
        let node = ProxyNode::start(NodeConfig::default(), &seed, parts).await.during("starting a proxy")?;
        let payload = StakeCommand::Deposit(STAKE).to_payload();
        client.execute(EscrowModule::<UmbralJudge>::KIND, payload).await.during("staking for a proxy")?;
        let agent = tokio::spawn(watch(client));
        Ok(Self { node, agent })
    }

    /// Its key.
    pub(crate) fn key(&self) -> PublicKey {
        self.node.key()
    }

    /// Stops node and agent.
    pub(crate) async fn stop(self) {
        self.agent.abort();
        self.node.stop().await;
    }
}

/// Answers each grant to this proxy with a bundle of capsule fragments, or with the proof that the grant is bad.
async fn watch(client: ChainClient) {
    let mut cursor = Cursor::default();
    loop {
        let page = client.until(|view| {
            let page = view.events(Some(EscrowModule::<UmbralJudge>::KIND), cursor, 100).ok()?;
            (page.next != cursor).then_some(page)
        });
        let Some(page) = page.await else { continue };
        cursor = page.next;
        for notice in page.events.iter().filter_map(|event| EscrowNotice::from_bytes(&event.data)) {
            let Some(Command::Event { event: Event::Grant { proxies, .. }, .. }) = &notice.command else { continue };
            let Some(order) = read_order(client.view(), &notice.order) else { continue };
            let Some(place) = order.slots().iter().position(|slot| slot.proxy() == client.public_key()) else {
                continue;
            };
            let Some(grant) = proxies.get(place).cloned() else { continue };
            let (key, granted) = (client.key().clone(), order.clone());
            let work = tokio::task::spawn_blocking(move || answer(&granted, &grant, &key));
            let Ok(event) = work.await else { continue };
            let command = Command::Event { order: order.id(), event };
            if let Err(error) =
                client.execute(EscrowModule::<UmbralJudge>::KIND, EscrowModule::<UmbralJudge>::payload(&command)).await
            {
                // The others may have delivered already; then there is nothing left to do.
                let state = read_order(client.view(), &order.id()).map(|order| order.state());
                if state == Some(State::Granted) {
                    tracing::warn!(%error, "a proxy's answer was refused");
                }
            }
        }
    }
}

fn answer(order: &Order, grant: &ProxyGrant, key: &cpchain_crypto::SigningKey) -> Event {
    reencrypt(order, grant, key).unwrap_or_else(|| Event::BadGrant {
        sealed: grant.sealed.clone(),
        proof: prove_bundle(key, &granted_fragments(order, grant), &grant.sealed)
            .map(|opening| opening.to_bytes().to_vec())
            .unwrap_or_default(),
    })
}

/// One capsule fragment for each granted node; `None` if a key fragment is not what the grant says.
fn reencrypt(order: &Order, grant: &ProxyGrant, key: &cpchain_crypto::SigningKey) -> Option<Event> {
    let fragments = open_bundle(key, &granted_fragments(order, grant), &grant.sealed).ok()?;
    let made = order.nodes().iter().zip(fragments).zip(&grant.fragment_ids).map(|((node, fragment), id)| {
        let keys = order.keys_of(node);
        let parties = Parties {
            delegating: PrePublicKey::from_bytes(keys.delegating).ok()?,
            receiving: PrePublicKey::from_bytes(keys.receiving).ok()?,
            verifying: PrePublicKey::from_bytes(keys.verifying).ok()?,
        };
        if fragment.id() != id.0 {
            return None;
        }
        let fragment = Umbral.verify_key_fragment(fragment, &parties).ok()?;
        let capsule = Capsule::from_bytes(&node.capsule).ok()?;
        Some(Umbral.reencrypt(&capsule, &fragment).ok()?.as_bytes().to_vec())
    });
    made.collect::<Option<Vec<_>>>().map(Event::Fragments)
}
