//! The Prometheus page, in the text format 0.0.4.

use std::fmt::Write as _;

use cpchain_consensus::{ledger::LedgerView, network::NetworkControl, node::NodeHandle};

use crate::outbox::Outbox;

/// What the node counts now.
pub fn page(node: &NodeHandle, network: &NetworkControl, view: &LedgerView, outbox: &Outbox) -> String {
    let (status, counters, links) = (node.status(), node.counters(), network.stats());
    let lag = status.height.0.saturating_sub(status.final_height.0.saturating_add(1));
    let mut page = String::new();
    let mut line = |kind: &str, name: &str, help: &str, value: u64| {
        // Writing to a string does not fail.
        let _ = writeln!(page, "# HELP cpchain_{name} {help}\n# TYPE cpchain_{name} {kind}\ncpchain_{name} {value}");
    };
    line("gauge", "height", "The height that the node is at.", status.height.0);
    line("gauge", "final_height", "The last final height.", status.final_height.0);
    line("gauge", "final_lag", "Heights that were left and are not final yet.", lag);
    line("gauge", "fault", "1 if the node has stopped voting.", u64::from(status.fault.is_some()));
    line("gauge", "pool_transactions", "Transactions in the pool.", view.waiting() as u64);
    line("gauge", "outbox_transactions", "Accepted transactions that are not final yet.", outbox.len() as u64);
    line("gauge", "peers", "Peers that are connected.", links.connected as u64);
    line("gauge", "peers_banned", "Peers that are banned now.", links.banned as u64);
    line("gauge", "peers_incompatible", "Peers that speak another version.", links.incompatible as u64);
    line("gauge", "white_list", "1 while only members are heard.", u64::from(links.white_list));
    line("gauge", "queue_messages", "Messages that wait to be verified.", links.queued as u64);
    line("gauge", "queue_bytes", "Bytes that wait to be verified.", links.queued_bytes as u64);
    line("counter", "received_bytes_total", "Bytes of messages that arrived.", links.received_bytes);
    line("counter", "dropped_total", "Messages that were over a limit.", links.dropped);
    line("counter", "votes_sent_total", "Votes that left, to each receiver once.", counters.votes_sent);
    line("counter", "votes_received_total", "Votes that arrived.", counters.votes_received);
    line("counter", "certificates_received_total", "Certificates that arrived.", counters.certificates_received);
    line("counter", "proposals_received_total", "Proposals that arrived.", counters.proposals_received);
    line("counter", "pulls_served_total", "Requests for blocks that were answered.", counters.pulls_served);
    line("counter", "impeachments_total", "Heights that became final as impeached.", status.impeached);
    line("counter", "timeouts_total", "Timers that ran out.", counters.timeouts);
    line("counter", "evidence_total", "Proofs of misbehaviour.", counters.evidence);
    line("counter", "blamed_total", "Messages that no honest node sends.", counters.blamed);
    line("counter", "malformed_total", "Messages that could not be read, or gossip that is none.", counters.malformed);
    page
}
