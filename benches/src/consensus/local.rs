//! All nodes of a run in this process, over channels or loopback sockets.

use std::{error::Error, path::Path, sync::Arc, time::Duration, time::Instant};

use cpchain_consensus::{
    lbft::Committee,
    ledger::Verdicts,
    network::{Libp2pConfig, Libp2pNetwork, Network},
};
use cpchain_crypto::{PublicKey, Signer as _};

use super::{
    links::memory,
    load::{Source, chain},
    member::{Member, Report},
    plan::{Plan, Transport, Verify, key},
};
use crate::measure::ProcessClock;

/// How long the nodes may take to find each other, and to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Good signatures that the nodes of a process remember together: what is under way, many times over.
const VERDICTS: usize = 1 << 20;

/// What came of a run: a report of each node, and the processor's time of all.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) reports: Vec<Report>,
    pub(crate) processor: f64,
}

/// The clients' transactions, by member.
pub(crate) type Sources = Vec<Option<Arc<Source>>>;

/// Prepares what all runs of a plan send.
pub(crate) fn sources(plan: &Plan) -> Result<Sources, Box<dyn Error + Send + Sync>> {
    (0..plan.members())
        .map(|member| {
            let sends = plan.roles(member).proposes && plan.is_honest(member);
            sends.then(|| Source::prepare(plan, member).map(Arc::new)).transpose().map_err(Into::into)
        })
        .collect()
}

/// Runs it once.
pub(crate) fn run(plan: &Arc<Plan>, sources: &Sources) -> Result<Outcome, Box<dyn Error + Send + Sync>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let outcome = runtime.block_on(async {
        let limit = plan.whole() + 2 * PATIENCE;
        tokio::time::timeout(limit, all(plan, sources, folder.path())).await.map_err(|_| "the run did not end")?
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    outcome
}

async fn all(plan: &Arc<Plan>, sources: &Sources, folder: &Path) -> Result<Outcome, Box<dyn Error + Send + Sync>> {
    let keys: Vec<PublicKey> = (0..plan.members()).map(|member| key(member).public_key()).collect();
    let links: Vec<Box<dyn Network>> = match plan.transport {
        Transport::Memory => memory(&keys).into_iter().map(|links| -> Box<dyn Network> { Box::new(links) }).collect(),
        Transport::Sockets | Transport::Processes => sockets(&plan.committee(chain(plan))?, plan.members()).await?,
    };
    let mut members = Vec::new();
    let verdicts = (plan.verify == Verify::Once).then(|| Verdicts::new(VERDICTS));
    for (number, (links, source)) in links.into_iter().zip(sources).enumerate() {
        members.push(Member::start(plan, number, links, folder, source.clone(), verdicts.clone())?);
    }
    for member in &members {
        tokio::time::timeout(PATIENCE, member.ready()).await.map_err(|_| "the nodes do not find each other")??;
    }
    let go = Instant::now() + Duration::from_millis(20);
    let running: Vec<_> = members.iter().map(|member| member.run(go)).collect();
    tokio::time::sleep_until((go + plan.warm_up).into()).await;
    let clock = ProcessClock::now();
    tokio::time::sleep_until((go + plan.whole()).into()).await;
    let processor = clock.elapsed_nanos() / 1e9;
    let mut reports = Vec::new();
    for running in running {
        reports.push(running.await?);
    }
    for member in members {
        let _ = tokio::time::timeout(PATIENCE, member.stop()).await;
    }
    Ok(Outcome { reports, processor })
}

/// Links between all members over loopback.
async fn sockets(committee: &Committee, members: usize) -> Result<Vec<Box<dyn Network>>, Box<dyn Error + Send + Sync>> {
    let mut links = Vec::new();
    for member in 0..members {
        let listen = "/ip4/127.0.0.1/tcp/0".parse()?;
        links.push(Libp2pNetwork::start(&key(member), Libp2pConfig::new(committee.chain(), listen)).await?);
    }
    let addresses: Vec<_> = links.iter().map(|links| links.address().clone()).collect();
    for (number, links) in links.iter_mut().enumerate() {
        meet(links, number, &addresses)?;
    }
    Ok(links.into_iter().map(|links| -> Box<dyn Network> { Box::new(links) }).collect())
}

/// Each pair has one link: the lower number dials.
pub(crate) fn meet(
    links: &mut Libp2pNetwork,
    number: usize,
    addresses: &[cpchain_consensus::network::Multiaddr],
) -> Result<(), cpchain_consensus::network::NetworkError> {
    for (other, address) in addresses.iter().enumerate() {
        let peer = key(other).public_key();
        match other.cmp(&number) {
            std::cmp::Ordering::Less => links.expect_peer(peer)?,
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => links.add_peer(peer, address.clone())?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::{
        faults::Fault,
        plan::{Disk, Load, small},
        summary::Summary,
    };

    fn summary(plan: Plan) -> Summary {
        let plan = Arc::new(plan);
        let outcome = run(&plan, &sources(&plan).unwrap()).unwrap();
        Summary::of(&plan, &outcome)
    }

    #[test]
    fn what_is_offered_is_committed_and_measured() {
        let summary = summary(small());
        let wanted = 500.0 * 0.9;
        assert!(summary.offered > wanted * 0.9, "{}", summary.offered);
        assert!(summary.committed > wanted * 0.5 && !summary.latency.is_empty(), "{}", summary.committed);
        assert!(summary.processor > 0.0 && summary.traffic["proposals"].1 > 0 && summary.stages["log"] > 0.0);
        assert!(!summary.agreement.is_empty() && summary.refused == 0 && !summary.ran_out);
    }

    #[test]
    fn transfers_are_executed_over_sockets_with_a_log_on_disk() {
        let (transport, disk, load) = (Transport::Sockets, Disk::Redb, Load::Transfers);
        for verify in [Verify::Each, Verify::Once] {
            let summary =
                summary(Plan { transport, disk, load, verify, rate: super::super::Rate::Offered(100.0), ..small() });
            assert!(summary.committed > 0.0 && summary.refused == 0, "{verify:?}: {}", summary.committed);
            assert!(summary.stages["executing"] > 0.0);
        }
    }

    #[test]
    fn a_proposer_that_shows_two_blocks_is_impeached_and_the_load_goes_on() {
        let duration = Duration::from_millis(2_400);
        let faults = vec![Fault::Equivocate(1)];
        let summary = summary(Plan { faults, duration, timeout: Duration::from_millis(200), ..small() });
        assert!(summary.impeached > 0 && summary.committed > 0.0, "{}", summary.impeached);
    }
}
