------------------------------- MODULE Lbft -------------------------------
(* The safety rules of LBFT 2.0, votes alone.                              *)
(*                                                                         *)
(* No current height, no timer, no messages: an honest validator may cast  *)
(* any vote that the rules let it cast, at any time and in any order, as   *)
(* soon as a certificate that the vote relies on can exist. That covers    *)
(* every order of delivery, every loss, every jump over heights and every  *)
(* restart from a durable log of votes. Byzantine validators have voted    *)
(* for everything, always. Proposers are Byzantine too: at the first       *)
(* height there are two blocks, above it one on every parent.              *)
(*                                                                         *)
(* A block is a sequence of names, its chain from genesis: <<"1a", "2">>   *)
(* stands on 1a, <<"2">> stands on genesis and skips height 1.             *)
EXTENDS Naturals, FiniteSets

CONSTANTS
    Honest,        \* validators that keep the rules
    Byzantine,     \* how many do not
    Quorum,        \* n - f: votes in a P- or C-certificate
    ImpeachQuorum, \* votes in an impeach certificate; the rule is Quorum
    Exclusion      \* COMMIT and IMPEACH PREPARE exclude each other; the rule is TRUE

VARIABLES prepared, committed, impeached

vars == <<prepared, committed, impeached>>

(* Two heights: forks of every broken rule need no more.                   *)
Blocks == {<<"1a">>, <<"1b">>, <<"2">>, <<"1a", "2">>, <<"1b", "2">>}
Height(b) == IF b \in {<<"1a">>, <<"1b">>} THEN 1 ELSE 2
Parent(b) == IF b = <<"1a", "2">> THEN <<"1a">> ELSE <<"1b">>
OnGenesis(b) == b \in {<<"1a">>, <<"1b">>, <<"2">>}

Init ==
    /\ prepared = [v \in Honest |-> {}]
    /\ committed = [v \in Honest |-> {}]
    /\ impeached = [v \in Honest |-> {}]

(* Certificates that can exist: votes of the honest, and all Byzantine.    *)
Certified(b) == Cardinality({v \in Honest : b \in prepared[v]}) + Byzantine >= Quorum
Final(b) == Cardinality({v \in Honest : b \in committed[v]}) + Byzantine >= Quorum
Impeached(h) == Cardinality({v \in Honest : h \in impeached[v]}) + Byzantine >= ImpeachQuorum

(* The parent is certified and every skipped height is impeached.          *)
Justified(b) ==
    IF OnGenesis(b) THEN (Height(b) = 2 => Impeached(1)) ELSE Certified(Parent(b))

Prepare(v, b) ==
    /\ \A o \in prepared[v] : Height(o) # Height(b)
    /\ Justified(b)
    /\ prepared' = [prepared EXCEPT ![v] = @ \cup {b}]
    /\ UNCHANGED <<committed, impeached>>

Commit(v, b) ==
    /\ \A o \in committed[v] : Height(o) # Height(b)
    /\ Certified(b)
    /\ Exclusion => Height(b) \notin impeached[v]
    /\ committed' = [committed EXCEPT ![v] = @ \cup {b}]
    /\ UNCHANGED <<prepared, impeached>>

(* At the last height nothing is left to impeach for.                      *)
Impeach(v) ==
    /\ 1 \notin impeached[v]
    /\ Exclusion => (\A o \in committed[v] : Height(o) # 1)
    /\ impeached' = [impeached EXCEPT ![v] = @ \cup {1}]
    /\ UNCHANGED <<prepared, committed>>

(* COMMITs at the last height only follow certificates there: a certified  *)
(* block of height 2 counts as one that can become final.                  *)
Next == \E v \in Honest :
    \/ \E b \in Blocks : Prepare(v, b)
    \/ \E b \in {<<"1a">>, <<"1b">>} : Commit(v, b)
    \/ Impeach(v)

Spec == Init /\ [][Next]_vars

(* Never two P-certificates at a height.                                   *)
OneCertificate == \A a \in Blocks : \A b \in Blocks :
    (Height(a) = Height(b) /\ Certified(a) /\ Certified(b)) => a = b

(* Never a C-certificate and an impeach certificate at a height.           *)
FinalOrImpeached == \A b \in {<<"1a">>, <<"1b">>} : ~(Final(b) /\ Impeached(1))

(* No fork: a certified block of height 2 stands on the final block of 1.  *)
NoFork == \A a \in {<<"1a">>, <<"1b">>} : \A b \in {<<"2">>, <<"1a", "2">>, <<"1b", "2">>} :
    (Final(a) /\ Certified(b)) => (~OnGenesis(b) /\ Parent(b) = a)
===========================================================================
