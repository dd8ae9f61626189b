//! The decisions, over facts that are at hand: no I/O.

use std::ops::Range;

use cpchain_crypto::{Digest, PublicKey, key_tree::TreeNode};

use crate::{
    records::{Grant, GrantError, GrantKind, GrantUse, Label, ProxyId, Revocations, StreamHead},
    signed::Signed,
    wire::{Refusal, RefusalCode},
};

/// Who asks whom, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene {
    pub(crate) caller: PublicKey,
    pub(crate) proxy: ProxyId,
    pub(crate) now_ms: u64,
    pub(crate) height: u64,
}

impl From<GrantError> for Refusal {
    fn from(error: GrantError) -> Self {
        let code = match error {
            GrantError::Expired => RefusalCode::Expired,
            GrantError::Revoked => RefusalCode::Revoked,
            _ => RefusalCode::NoGrant,
        };
        Self::new(code, error.to_string())
    }
}

/// Rules 1 to 3. `revocations` is the newest list of the label's owner.
pub(crate) fn may_read(
    scene: &Scene,
    label: Option<&Signed<Label>>,
    grant: Option<&Signed<Grant>>,
    revocations: Option<&Signed<Revocations>>,
) -> Result<(), Refusal> {
    let no_grant = |detail| Refusal::new(RefusalCode::NoGrant, detail);
    let label = label.ok_or_else(|| no_grant("no owner has labelled this object"))?;
    if label.public || label.owner == scene.caller {
        return Ok(());
    }
    let grant = grant.ok_or_else(|| no_grant("the object is not public: show a read grant"))?;
    Ok(grant.covers(&scene.reads(label.owner, label.stream, label.intervals.clone()), revocations)?)
}

/// Rule 4. Also for intervals before the grant's: their objects need it, the chain of heads does not.
pub(crate) fn may_follow(
    scene: &Scene,
    head: &Signed<StreamHead>,
    grant: Option<&Signed<Grant>>,
    revocations: Option<&Signed<Revocations>>,
) -> Result<(), Refusal> {
    if head.public || head.owner == scene.caller {
        return Ok(());
    }
    let no_grant = || Refusal::new(RefusalCode::NoGrant, "the stream is not public: show a read grant");
    let grant = grant.ok_or_else(no_grant)?;
    let from = head.intervals.start.max(grant.intervals.start);
    let intervals = from..head.intervals.end.max(from);
    Ok(grant.covers(&scene.reads(head.owner, head.stream, intervals), revocations)?)
}

impl Scene {
    /// Reading these intervals, in this scene.
    fn reads(&self, owner: PublicKey, stream: Digest, intervals: Range<u32>) -> GrantUse {
        GrantUse {
            caller: self.caller,
            proxy: self.proxy,
            kind: GrantKind::Read,
            owner,
            stream,
            intervals,
            now_ms: self.now_ms,
            height: self.height,
        }
    }
}

/// Rule 5, for the capsule of one key tree node.
pub(crate) fn may_reencrypt(
    scene: &Scene,
    grant: &Signed<Grant>,
    node: TreeNode,
    revocations: Option<&Signed<Revocations>>,
    paid: bool,
) -> Result<(), Refusal> {
    grant.holds(scene.proxy, GrantKind::Reencrypt, scene.now_ms, scene.height, revocations)?;
    let (first, last) = node.intervals();
    if first.0 < grant.intervals.start || last.0 >= grant.intervals.end {
        return Err(GrantError::Intervals.into());
    }
    if grant.order.is_none() || !paid {
        return Err(Refusal::new(RefusalCode::Unpaid, "the order of this grant is not paid"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::{Signer as _, SigningKey, key_tree::IntervalId};

    use super::*;

    struct World {
        owner: SigningKey,
        scene: Scene,
    }

    fn world() -> World {
        let [owner, caller, proxy] = [1, 2, 3].map(|seed| SigningKey::from_seed(&[seed; 32]));
        let scene = Scene { caller: caller.public_key(), proxy: proxy.public_key().into(), now_ms: 10, height: 10 };
        World { owner, scene }
    }

    impl World {
        fn label(&self, public: bool) -> Signed<Label> {
            let owner = self.owner.public_key();
            let label = Label { owner, root: Digest::ZERO, stream: Digest([1; 32]), intervals: 0..8, public };
            Signed::sign(label, &self.owner).unwrap()
        }

        fn grant(&self, kind: GrantKind, order: Option<Digest>) -> Signed<Grant> {
            let grant = Grant {
                owner: self.owner.public_key(),
                grantee: self.scene.caller,
                stream: Digest([1; 32]),
                intervals: 0..8,
                proxies: [self.scene.proxy].into(),
                kind,
                expires_ms: Some(20),
                expires_height: None,
                order,
                nonce: 0,
            };
            Signed::sign(grant, &self.owner).unwrap()
        }
    }

    fn code(result: Result<(), Refusal>) -> Option<RefusalCode> {
        result.err().map(|refusal| refusal.code)
    }

    #[test]
    fn unlabelled_objects_are_served_to_nobody() {
        let world = world();
        let grant = world.grant(GrantKind::Read, None);
        assert_eq!(code(may_read(&world.scene, None, Some(&grant), None)), Some(RefusalCode::NoGrant));
    }

    #[test]
    fn public_objects_are_for_all_and_own_objects_for_the_owner() {
        let world = world();
        assert_eq!(code(may_read(&world.scene, Some(&world.label(true)), None, None)), None);
        assert_eq!(code(may_read(&world.scene, Some(&world.label(false)), None, None)), Some(RefusalCode::NoGrant));
        let own = Scene { caller: world.owner.public_key(), ..world.scene };
        assert_eq!(code(may_read(&own, Some(&world.label(false)), None, None)), None);
    }

    #[test]
    fn others_need_a_grant_that_covers() {
        let world = world();
        let (label, grant) = (world.label(false), world.grant(GrantKind::Read, None));
        assert_eq!(code(may_read(&world.scene, Some(&label), Some(&grant), None)), None);
        let late = Scene { now_ms: 20, ..world.scene };
        assert_eq!(code(may_read(&late, Some(&label), Some(&grant), None)), Some(RefusalCode::Expired));
        let list = Revocations { owner: world.owner.public_key(), sequence: 0, grants: [grant.id()].into() };
        let list = Signed::sign(list, &world.owner).unwrap();
        assert_eq!(code(may_read(&world.scene, Some(&label), Some(&grant), Some(&list))), Some(RefusalCode::Revoked));
    }

    #[test]
    fn heads_are_told_to_the_owner_and_under_a_grant() {
        let world = world();
        let head = |intervals, public| {
            let owner = world.owner.public_key();
            let head = StreamHead::after(None, owner, Digest([1; 32]), Digest::ZERO, intervals);
            Signed::sign(StreamHead { public, ..head }, &world.owner).unwrap()
        };
        let grant = world.grant(GrantKind::Read, None);
        let own = Scene { caller: world.owner.public_key(), ..world.scene };
        assert_eq!(code(may_follow(&world.scene, &head(0..1, true), None, None)), None);
        assert_eq!(code(may_follow(&own, &head(0..1, false), None, None)), None);
        assert_eq!(code(may_follow(&world.scene, &head(0..1, false), None, None)), Some(RefusalCode::NoGrant));
        assert_eq!(code(may_follow(&world.scene, &head(7..8, false), Some(&grant), None)), None);
        assert_eq!(code(may_follow(&world.scene, &head(7..9, false), Some(&grant), None)), Some(RefusalCode::NoGrant));
        assert_eq!(code(may_follow(&world.scene, &head(8..9, false), Some(&grant), None)), Some(RefusalCode::NoGrant));
        let late = Scene { now_ms: 20, ..world.scene };
        assert_eq!(code(may_follow(&late, &head(0..1, false), Some(&grant), None)), Some(RefusalCode::Expired));
    }

    #[test]
    fn fragments_need_a_paid_order_and_a_node_inside_the_grant() {
        let world = world();
        let inside = TreeNode::leaf(IntervalId(7));
        let paid = world.grant(GrantKind::Reencrypt, Some(Digest([9; 32])));
        let check = |grant: &Signed<Grant>, node, paid| code(may_reencrypt(&world.scene, grant, node, None, paid));
        assert_eq!(check(&paid, inside, true), None);
        assert_eq!(check(&paid, inside, false), Some(RefusalCode::Unpaid));
        assert_eq!(check(&world.grant(GrantKind::Reencrypt, None), inside, true), Some(RefusalCode::Unpaid));
        assert_eq!(
            check(&world.grant(GrantKind::Read, Some(Digest([9; 32]))), inside, true),
            Some(RefusalCode::NoGrant)
        );
        assert_eq!(check(&paid, TreeNode::leaf(IntervalId(8)), true), Some(RefusalCode::NoGrant));
        assert_eq!(check(&paid, TreeNode::new(0, 0).unwrap(), true), Some(RefusalCode::NoGrant));
    }
}
