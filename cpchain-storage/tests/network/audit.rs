//! Audits of what real nodes have signed for.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cpchain_storage::{
    ErasureParams,
    audit::{AuditConfig, AuditLedger, Auditor, Proof, Question, Verdict},
};

use crate::{
    hostile::{Bad, Vice},
    net::{Net, bytes, key, lease},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn honest_nodes_prove_and_others_are_caught() {
    let vices = [Vice::Lies, Vice::Stalls, Vice::Forgets];
    let net = Net::with(6, |n, store| match vices.get(usize::from(n)) {
        Some(vice) => Arc::new(Bad(*vice, store)),
        None => store,
    })
    .await;
    let client = net.client(1).await;
    let params = ErasureParams::new(2, 6).unwrap();
    let stored = client.put_object(&key(1), bytes(1, 1_500_000), params, lease()).await.unwrap();
    net.nodes[5].stop().await;
    let deadline = Duration::from_millis(1500);
    let auditor = Auditor::new(net.light(2).await, AuditConfig { deadline, ..AuditConfig::default() });
    let questions: Vec<Question> = stored.receipts.iter().map(Question::from).collect();
    let mut ledger = AuditLedger::default();
    for epoch in 1..=2u8 {
        let randomness = [epoch; 32];
        let begin = Instant::now();
        let verdicts = auditor.audit(&randomness, &questions).await;
        assert!(begin.elapsed() < Duration::from_secs(6), "the silent held up the others: {:?}", begin.elapsed());
        for ((question, receipt), verdict) in questions.iter().zip(&stored.receipts).zip(&verdicts) {
            let node = net.nodes.iter().position(|node| node.id() == question.holder).unwrap();
            let expected = match (node, verdict) {
                (0, Verdict::Wrong) | (1 | 5, Verdict::Silent(_)) | (2, Verdict::Missing) => true,
                (3 | 4, Verdict::Proved(slice)) => {
                    let proof = Proof { receipt: receipt.clone(), slice: slice.clone() };
                    Proof::decode(proof.to_bytes()).unwrap().verify(&randomness).is_ok()
                }
                _ => false,
            };
            assert!(expected, "node {node}: {verdict:?}");
            ledger.record(u64::from(epoch), question, verdict.is_proved());
        }
        if epoch == 1 {
            assert_eq!(ledger.lost().count(), 0);
        }
    }
    let good = [net.nodes[3].id(), net.nodes[4].id()];
    let bad = questions.iter().filter(|question| !good.contains(&question.holder)).count();
    assert_eq!((bad, ledger.lost().count()), (8, 8));
    assert!(ledger.lost().all(|(holder, _)| !good.contains(&holder)));
    assert!(auditor.audit(&[3; 32], &[]).await.is_empty());
}
