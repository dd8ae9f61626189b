----------------------------- MODULE Boundary -----------------------------
(* The boundary between two terms, votes alone, by counting voters.        *)
(*                                                                         *)
(* The old term ends with height L = 1. If that passes with nothing final, *)
(* the old validators go on with a closing height 2 of their own term: an  *)
(* empty block on a parent that is justified as always, which has no place *)
(* in the chain. The new term starts with a C-certificate of the old       *)
(* validators for a block of height L or above, on the last block of       *)
(* height L or below that it makes final.                                  *)
(*                                                                         *)
(* Under the rules (Lbft.tla) a vote at a height depends on the other      *)
(* votes of its caster at that height alone, so it is enough to count.     *)
EXTENDS Naturals

CONSTANTS
    HonestCount, Byzantine, Quorum,
    Closing,   \* there is a closing height; the rule is TRUE
    AnyFinal   \* mutant: the new term starts on any final block, genesis too

VARIABLES prepares, commits, impeaches

vars == <<prepares, commits, impeaches>>

First == {"1a", "1b"}
Closings == {"on G", "on 1a", "on 1b"}
Blocks == First \cup Closings
Heights == {1, 2}

At(h) == IF h = 1 THEN First ELSE Closings
\* What a block makes final: closing blocks have no place in the chain.
OnChain(b) ==
    IF b = "on 1a" THEN "1a" ELSE IF b = "on 1b" THEN "1b" ELSE IF b = "on G" THEN "G" ELSE b

Cast(h) ==
    IF h = 1 THEN prepares["1a"] + prepares["1b"]
    ELSE prepares["on G"] + prepares["on 1a"] + prepares["on 1b"]

Init ==
    /\ prepares = [b \in Blocks |-> 0]
    /\ commits = [h \in Heights |-> 0]
    /\ impeaches = [h \in Heights |-> 0]

Certified(b) == prepares[b] + Byzantine >= Quorum
CertifiedAt(h) == \E b \in At(h) : Certified(b)
Impeached(h) == impeaches[h] + Byzantine >= Quorum
\* One block of a height is certified, so COMMITs need not name theirs.
Final(b) == \E h \in Heights : b \in At(h) /\ Certified(b) /\ commits[h] + Byzantine >= Quorum

Justified(b) ==
    IF b \in First THEN TRUE
    ELSE IF b = "on G" THEN Impeached(1) ELSE Certified(OnChain(b))

Open(h) == h = 1 \/ Closing

Prepare(h, b) ==
    /\ Open(h) /\ Justified(b) /\ Cast(h) < HonestCount
    /\ prepares' = [prepares EXCEPT ![b] = @ + 1]
    /\ UNCHANGED <<commits, impeaches>>

Commit(h) ==
    /\ CertifiedAt(h) /\ commits[h] + impeaches[h] < HonestCount
    /\ commits' = [commits EXCEPT ![h] = @ + 1]
    /\ UNCHANGED <<prepares, impeaches>>

Impeach(h) ==
    /\ Open(h) /\ commits[h] + impeaches[h] < HonestCount
    /\ impeaches' = [impeaches EXCEPT ![h] = @ + 1]
    /\ UNCHANGED <<prepares, commits>>

Next == \E h \in Heights :
    \/ \E b \in At(h) : Prepare(h, b)
    \/ Commit(h)
    \/ Impeach(h)

Spec == Init /\ [][Next]_vars

\* The new validators may begin on this block.
Starts(base) == (AnyFinal /\ base = "G") \/ \E b \in Blocks : Final(b) /\ OnChain(b) = base

\* The two sets never finalise different blocks: there is one block to begin on.
OneBase == \A a \in {"G", "1a", "1b"} : \A b \in {"G", "1a", "1b"} :
    (Starts(a) /\ Starts(b)) => a = b

\* Every honest validator has left the height for ever.
Spent(h) == commits[h] + impeaches[h] = HonestCount

\* The old term never ends with nothing final and no height to go on with. This needs the closing heights.
NeverStuck == (Spent(1) /\ ~Closing) => commits[1] >= Quorum

\* A closing height always has a block to vote for.
CanClose == (Spent(1) /\ Closing) => \E b \in Closings : Justified(b)
===========================================================================
