//! Proxy re-encryption from the outside: who can open what.
#![cfg(feature = "umbral")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_crypto::{
    Digest, Entropy, EntropyError, SeededEntropy,
    key_tree::{IntervalId, NodeSeed, StreamSecret, TreeNode},
    pre::{
        Capsule, CapsuleFragment, KeyFragment, NodeGrant, Parties, PreError, PreSecretKey, ProxyReEncryption,
        Threshold, Umbral, Verified, verify_fragment_bytes,
    },
};

struct World {
    secret: StreamSecret,
    stream: Digest,
    receiving: PreSecretKey,
    entropy: SeededEntropy,
}

impl World {
    fn new() -> Self {
        let mut entropy = SeededEntropy::new(&[4; 32]);
        Self {
            secret: StreamSecret::from_bytes([7; 32]),
            stream: Digest::content(b"stream"),
            receiving: Umbral.generate_key(&mut entropy).unwrap(),
            entropy,
        }
    }

    fn capsule(&mut self, node: TreeNode) -> Capsule {
        let delegating = Umbral.delegating_key(&self.secret, node).unwrap();
        let key = Umbral.public_key(&delegating).unwrap();
        Umbral.encapsulate(&key, &self.stream, &self.secret.seed(node).unwrap(), &mut self.entropy).unwrap()
    }

    fn parties(&self, node: TreeNode) -> Parties {
        let public = |secret: &PreSecretKey| Umbral.public_key(secret).unwrap();
        Parties {
            delegating: public(&Umbral.delegating_key(&self.secret, node).unwrap()),
            receiving: public(&self.receiving),
            verifying: public(&Umbral.granting_key(&self.secret).unwrap()),
        }
    }

    fn grant(&mut self, node: TreeNode, needed: u8, shares: u8) -> Vec<Verified<Umbral, KeyFragment>> {
        let parties = self.parties(node);
        let delegating = Umbral.delegating_key(&self.secret, node).unwrap();
        let granting = Umbral.granting_key(&self.secret).unwrap();
        let threshold = Threshold::new(needed, shares).unwrap();
        let made = Umbral.grant(&delegating, &granting, &parties.receiving, threshold, &mut self.entropy).unwrap();
        made.into_iter().map(|fragment| Umbral.verify_key_fragment(fragment, &parties).unwrap()).collect()
    }
}

fn node(index: u32) -> TreeNode {
    TreeNode::new(20, index).unwrap()
}

fn reencrypt(
    capsule: &Capsule,
    keys: &[Verified<Umbral, KeyFragment>],
    parties: &Parties,
) -> Vec<Verified<Umbral, CapsuleFragment>> {
    let each = |key| {
        let made = Umbral.reencrypt(capsule, key).unwrap();
        Umbral.verify_capsule_fragment(made, capsule, parties).unwrap()
    };
    keys.iter().map(each).collect()
}

#[test]
fn any_t_of_n_open_and_fewer_do_not() {
    let mut world = World::new();
    let (capsule, parties) = (world.capsule(node(3)), world.parties(node(3)));
    let expected = *world.secret.seed(node(3)).unwrap().expose();
    for (needed, shares) in [(1, 1), (2, 3), (3, 5)] {
        let keys = world.grant(node(3), needed, shares);
        let needed = usize::from(needed);
        let fragments = reencrypt(&capsule, &keys, &parties);
        let open = |some: &[_]| Umbral.open(&world.receiving, &parties.delegating, &capsule, some);
        for start in 0..=fragments.len() - needed {
            let seed = open(&fragments[start..start + needed]).unwrap();
            assert_eq!((seed.expose(), seed.node()), (&expected, node(3)));
        }
        assert_eq!(*open(&fragments).unwrap().expose(), expected);
        let too_few = if needed == 1 { PreError::Fragments } else { PreError::Sealed };
        assert_eq!(open(&fragments[..needed - 1]).unwrap_err(), too_few);
    }
}

#[test]
fn the_owner_opens_its_own_capsule_with_that_nodes_key_alone() {
    let mut world = World::new();
    let capsule = world.capsule(node(3));
    let seed = Umbral.open_original(&Umbral.delegating_key(&world.secret, node(3)).unwrap(), &capsule).unwrap();
    let interval = IntervalId(3 << 12);
    assert_eq!(seed.interval_key(interval), Some(world.secret.interval_key(interval)));
    let other = Umbral.delegating_key(&world.secret, node(4)).unwrap();
    assert_eq!(Umbral.open_original(&other, &capsule).unwrap_err(), PreError::Sealed);
}

#[test]
fn another_receiver_opens_nothing() {
    let mut world = World::new();
    let (capsule, parties) = (world.capsule(node(3)), world.parties(node(3)));
    let fragments = reencrypt(&capsule, &world.grant(node(3), 2, 2), &parties);
    let thief = Umbral.generate_key(&mut world.entropy).unwrap();
    let open = |some: &[_]| Umbral.open(&thief, &parties.delegating, &capsule, some).unwrap_err();
    assert_eq!(open(&fragments), PreError::OtherCapsule);
    // Nor do they verify as if they were for him.
    let as_thief = Parties { receiving: Umbral.public_key(&thief).unwrap(), ..parties.clone() };
    for fragment in fragments {
        let refused = Umbral.verify_capsule_fragment(fragment.into_inner(), &capsule, &as_thief).unwrap_err();
        assert_eq!(refused, PreError::CapsuleFragment);
    }
}

#[test]
fn a_fragment_of_another_capsule_is_refused() {
    let mut world = World::new();
    let (capsule, parties) = (world.capsule(node(3)), world.parties(node(3)));
    let (second, foreign) = (world.capsule(node(3)), world.capsule(node(4)));
    let key = world.grant(node(3), 1, 1).remove(0);
    let fragment = Umbral.reencrypt(&capsule, &key).unwrap();
    // Not for another capsule of the node, not for another node, not made with the key fragment of another node.
    for wrong in [&second, &foreign] {
        let refused = Umbral.verify_capsule_fragment(fragment.clone(), wrong, &parties).unwrap_err();
        assert_eq!(refused, PreError::CapsuleFragment);
    }
    let crossed = Umbral.reencrypt(&foreign, &key).unwrap();
    let refused = Umbral.verify_capsule_fragment(crossed, &foreign, &world.parties(node(4))).unwrap_err();
    assert_eq!(refused, PreError::CapsuleFragment);
    // A verified one remembers what it is for.
    let verified = Umbral.verify_capsule_fragment(fragment, &capsule, &parties).unwrap();
    let refused = Umbral.open(&world.receiving, &parties.delegating, &second, &[verified]).unwrap_err();
    assert_eq!(refused, PreError::OtherCapsule);
}

#[test]
fn fragments_open_the_granted_node_and_nothing_else() {
    let mut world = World::new();
    let (parent, child) = (TreeNode::new(19, 4).unwrap(), TreeNode::new(21, 16).unwrap());
    let keys = world.grant(node(8), 2, 3);
    for other in [parent, node(9), child] {
        let foreign = world.capsule(other);
        // For the other node's keys the fragments do not verify; for the granted ones they do, and open nothing.
        let (parties, others) = (world.parties(node(8)), world.parties(other));
        let made = Umbral.reencrypt(&foreign, &keys[0]).unwrap();
        assert_eq!(Umbral.verify_capsule_fragment(made, &foreign, &others).unwrap_err(), PreError::CapsuleFragment);
        let crossed = reencrypt(&foreign, &keys, &parties);
        let opened = Umbral.open(&world.receiving, &parties.delegating, &foreign, &crossed);
        assert_eq!(opened.unwrap_err(), PreError::Sealed);
    }
    let (capsule, parties) = (world.capsule(node(8)), world.parties(node(8)));
    let fragments = reencrypt(&capsule, &keys, &parties);
    let seed = Umbral.open(&world.receiving, &parties.delegating, &capsule, &fragments).unwrap();
    assert!(seed.descend(child).is_some());
    assert!(seed.descend(node(9)).is_none() && seed.descend(parent).is_none());
}

#[test]
fn fragments_of_two_grants_do_not_mix() {
    let mut world = World::new();
    let (capsule, parties) = (world.capsule(node(3)), world.parties(node(3)));
    let one = reencrypt(&capsule, &world.grant(node(3), 2, 2), &parties).remove(0);
    let two = reencrypt(&capsule, &world.grant(node(3), 2, 2), &parties).remove(1);
    let open = |some: &[_]| Umbral.open(&world.receiving, &parties.delegating, &capsule, some).unwrap_err();
    assert_eq!(open(&[one.clone(), two]), PreError::Sealed);
    assert_eq!(open(&[one.clone(), one]), PreError::Fragments);
}

#[test]
fn a_judge_repeats_the_opening() {
    let mut world = World::new();
    let (capsule, parties) = (world.capsule(node(3)), world.parties(node(3)));
    // The seller sold 2 of 2 and made shares of 3 of 3: every fragment verifies, and two do not open.
    let keys = world.grant(node(3), 3, 3);
    let revealed = PreSecretKey::from_bytes(world.receiving.expose()).unwrap();
    let [delegating, receiving, verifying] =
        [&parties.delegating, &parties.receiving, &parties.verifying].map(|key| key.as_bytes());
    let mut verified = Vec::new();
    for key in &keys[..2] {
        let posted = Umbral.reencrypt(&capsule, key).unwrap().as_bytes().to_vec();
        verify_fragment_bytes(capsule.as_bytes(), &posted, delegating, receiving, verifying).unwrap();
        let swapped = verify_fragment_bytes(capsule.as_bytes(), &posted, receiving, delegating, verifying);
        assert_eq!(swapped, Err(PreError::CapsuleFragment));
        let fragment = CapsuleFragment::from_bytes(&posted).unwrap();
        verified.push(Umbral.verify_capsule_fragment(fragment, &capsule, &parties).unwrap());
    }
    let judged = Umbral.open(&revealed, &parties.delegating, &capsule, &verified);
    assert_eq!(judged.unwrap_err(), PreError::Sealed);
}

#[test]
fn a_relabelled_capsule_does_not_open() {
    let mut world = World::new();
    let capsule = world.capsule(node(3));
    let delegating = Umbral.delegating_key(&world.secret, node(3)).unwrap();
    // Byte 2 is in the stream's id, byte 35 in the node's index.
    for at in [2, 35] {
        let mut bytes = capsule.as_bytes().to_vec();
        bytes[at] ^= 1;
        let relabelled = Capsule::from_bytes(&bytes).unwrap();
        assert_eq!(Umbral.open_original(&delegating, &relabelled).unwrap_err(), PreError::Label);
    }
}

#[test]
fn the_root_is_refused() {
    let mut world = World::new();
    let root = TreeNode::new(0, 0).unwrap();
    assert_eq!(Umbral.delegating_key(&world.secret, root).unwrap_err(), PreError::Root);
    let key = world.parties(node(1)).delegating;
    assert!(world.secret.seed(root).is_none());
    let seed = NodeSeed::from_bytes(root, [1; 32]);
    let refused = Umbral.encapsulate(&key, &world.stream, &seed, &mut world.entropy).unwrap_err();
    assert_eq!(refused, PreError::Root);
}

#[test]
fn false_grants_are_seen_by_the_proxy() {
    let mut world = World::new();
    let (parties, fragment) = (world.parties(node(3)), world.grant(node(3), 1, 1).remove(0));
    assert!(fragment.is_for(&parties));
    let refused = Umbral.verify_key_fragment(fragment.get().clone(), &world.parties(node(4))).unwrap_err();
    assert_eq!(refused, PreError::KeyFragment);
    // A changed byte anywhere: id, share, precursor, commitment, signature.
    for at in [2, 40, 70, 105, 150] {
        let mut bytes = fragment.get().expose().to_vec();
        bytes[at] ^= 1;
        let changed = KeyFragment::from_bytes(&bytes).unwrap();
        assert!(Umbral.verify_key_fragment(changed, &parties).is_err(), "byte {at}");
    }
}

#[test]
fn re_encryption_is_repeatable() {
    let mut world = World::new();
    let (capsule, key) = (world.capsule(node(3)), world.grant(node(3), 1, 1).remove(0));
    assert_eq!(Umbral.reencrypt(&capsule, &key).unwrap(), Umbral.reencrypt(&capsule, &key).unwrap());
}

#[test]
fn thresholds_have_bounds() {
    for (needed, shares) in [(0, 1), (2, 1), (1, 65), (0, 0)] {
        assert_eq!(Threshold::new(needed, shares), Err(PreError::Threshold));
    }
    assert!(Threshold::new(64, 64).is_ok());
}

#[test]
fn a_failing_source_makes_nothing() {
    struct Dry;
    impl Entropy for Dry {
        fn fill(&mut self, _: &mut [u8]) -> Result<(), EntropyError> {
            Err(EntropyError)
        }
    }
    assert_eq!(Umbral.generate_key(&mut Dry).unwrap_err(), PreError::Entropy(EntropyError));
    let world = World::new();
    let (key, seed) = (world.parties(node(1)).delegating, world.secret.seed(node(1)).unwrap());
    let made = Umbral.encapsulate(&key, &world.stream, &seed, &mut Dry);
    assert_eq!(made.unwrap_err(), PreError::Entropy(EntropyError));
}

#[test]
fn secrets_are_not_printed() {
    let mut world = World::new();
    let key = world.grant(node(1), 1, 1).remove(0);
    assert_eq!(format!("{:?} {:?}", world.receiving, key.get()), "PreSecretKey(..) KeyFragment(..)");
}

#[test]
fn a_capsule_fragment_names_its_key_fragment() {
    let mut world = World::new();
    let (capsule, parties) = (world.capsule(node(1)), world.parties(node(1)));
    let keys = world.grant(node(1), 2, 3);
    for (key, made) in keys.iter().zip(reencrypt(&capsule, &keys, &parties)) {
        assert_eq!(key.get().id(), made.get().key_fragment_id());
    }
    assert_ne!(keys[0].get().id(), keys[1].get().id());
}

#[test]
fn a_year_is_granted_in_few_bytes() {
    let mut world = World::new();
    let receiving = Umbral.public_key(&world.receiving).unwrap();
    let threshold = Threshold::new(2, 3).unwrap();
    let granted =
        Umbral.grant_range(&world.secret, &world.stream, 5..8765, &receiving, threshold, &mut world.entropy).unwrap();
    let public: usize =
        granted.nodes.iter().map(|node| node.delegating.as_bytes().len() + node.capsule.as_bytes().len()).sum();
    assert!(granted.nodes.len() <= 26 && public <= 26 * 276);
    assert_eq!(granted.proxies.len(), 3);
    for bundle in &granted.proxies {
        assert_eq!(bundle.iter().map(|key| key.expose().len()).sum::<usize>(), granted.nodes.len() * 196);
    }
    // Each proxy finds its fragments good, and two of them open the last node.
    let last = granted.nodes.len() - 1;
    let NodeGrant { node, delegating, capsule } = &granted.nodes[last];
    let parties = Parties { delegating: delegating.clone(), receiving, verifying: granted.verifying.clone() };
    let keys: Vec<_> = granted.proxies[1..]
        .iter()
        .map(|bundle| Umbral.verify_key_fragment(bundle[last].clone(), &parties).unwrap())
        .collect();
    let seed = Umbral.open(&world.receiving, delegating, capsule, &reencrypt(capsule, &keys, &parties)).unwrap();
    assert_eq!((seed.node(), seed.expose()), (*node, world.secret.seed(*node).unwrap().expose()));
}

#[test]
fn a_range_of_nothing_is_refused_and_the_last_interval_is_granted() {
    let mut world = World::new();
    let receiving = Umbral.public_key(&world.receiving).unwrap();
    let one = Threshold::new(1, 1).unwrap();
    let empty = Umbral.grant_range(&world.secret, &world.stream, 4..4, &receiving, one, &mut world.entropy);
    assert_eq!(empty.err(), Some(PreError::EmptyRange));
    let last = Umbral.grant_range(&world.secret, &world.stream, u32::MAX.., &receiving, one, &mut world.entropy);
    assert_eq!(last.unwrap().nodes[0].node, TreeNode::leaf(IntervalId(u32::MAX)));
    // The whole tree is granted as its two halves, never as its root.
    let all = Umbral.grant_range(&world.secret, &world.stream, .., &receiving, one, &mut world.entropy).unwrap();
    assert_eq!(all.nodes.iter().map(|node| node.node.depth()).collect::<Vec<_>>(), [1, 1]);
}
