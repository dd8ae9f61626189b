"""Umbral between two implementations that share no code: pyUmbral (Python; the arithmetic is OpenSSL's, the cipher libsodium's) and
the Rust example `umbral_bytes`, over hex lines.

pyUmbral 0.3.0 is its last release, and older than the form of the scheme that the crate computes. Three things differ: two rules
that `current_rules` brings up to date, and the layout of a key fragment. Everything else is the same bytes.

The test vectors in pyUmbral's repository are not run. Its package leaves them out, and they are of the older rules: their capsule
hashes by the older one, their key fragments commit to the older generator, and the proofs of their capsule fragments are of an older
form still, which pyUmbral 0.3.0 does not verify either.
"""

import os
import subprocess
import sys

import umbral
from umbral.curve import CURVE
from umbral.curve_point import CurvePoint
from umbral.curve_scalar import CurveScalar
from umbral.params import PARAMETERS

from parameter import PARAMETER_POINT

KEY_LABEL = b"cpchain/crypto/pre/umbral-key/v1"
STREAM, NODE, NODE_SEED = b"\x09" * 32, bytes([20, 5, 0, 0, 0]), bytes(range(32))


def current_rules():
    """What the scheme has changed since pyUmbral 0.3.0."""

    # A hash becomes a scalar that is never zero: 1 + (hash mod n - 1). It was hash mod n.
    def from_digest(digest):
        return CurveScalar.from_int(1 + int.from_bytes(digest.finalize(), "big") % (CURVE.order - 1))

    CurveScalar.from_digest = from_digest
    # The second generator comes from RFC 9380. It came from trying one hash after another.
    PARAMETERS.u = CurvePoint.from_bytes(PARAMETER_POINT)


class Ours:
    """The crate at the other end of a pipe."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command, *arguments):
        print(command, *(bytes(argument).hex() for argument in arguments), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline().split()
        if not answer or answer[0] == "error":
            raise ValueError(" ".join(answer[1:]) or "no answer")
        return [bytes.fromhex(word) for word in answer]

    def close(self):
        self.process.stdin.close()
        if self.process.wait(timeout=10) != 0:
            sys.exit("the Rust side failed")


def key_fragment_in(data):
    """Ours to theirs: the one signature is over both keys, so it is that for the proxy and that for the receiver."""
    return umbral.KeyFrag.from_bytes(data + data[-64:] + b"\1\1")


def key_fragment_out(fragment):
    """Theirs, signed over both keys, to ours: without the signature for the proxy and the two flags."""
    data = bytes(fragment)
    if data[-2:] != b"\1\1":
        raise ValueError("the fragment must be signed over both keys")
    return data[:130] + data[194:258]


def derive(seed):
    return umbral.SecretKeyFactory.from_secure_randomness(seed).make_key(KEY_LABEL)


def refused(action):
    try:
        action()
    except (ValueError, umbral.VerificationError):
        return
    sys.exit("bytes that were changed have passed")


def same(left, right, what):
    if left != right:
        sys.exit(f"{what} differs")


def main(program):
    current_rules()
    ours = Ours(program)
    seeds = {name: os.urandom(32) for name in ("owner", "granter", "buyer")}
    keys = {name: derive(seed) for name, seed in seeds.items()}
    public = {name: key.public_key() for name, key in keys.items()}
    points = {name: bytes(key) for name, key in public.items()}
    for name, seed in seeds.items():
        same(ours.ask("public", seed), [points[name]], "a key")
    (plaintext,) = ours.ask("plaintext", STREAM, NODE, NODE_SEED)
    same(plaintext[:32], NODE_SEED, "the plaintext")
    place = (STREAM, NODE)
    keys_and_place = (points["owner"], points["buyer"], points["granter"], *place)

    def check_key_fragment(data):
        return key_fragment_in(data).verify(public["granter"], public["owner"], public["buyer"])

    def check_capsule_fragment(data, capsule):
        parties = (public["granter"], public["owner"], public["buyer"])
        return umbral.CapsuleFrag.from_bytes(data).verify(capsule, *parties)

    def open_theirs(capsule, ciphertext, fragments):
        return umbral.decrypt_reencrypted(keys["buyer"], public["owner"], capsule, fragments, ciphertext)

    # 1. The crate seals and grants; pyUmbral opens as the owner, re-encrypts, and opens as the buyer.
    (sealed,) = ours.ask("encapsulate", points["owner"], *place, NODE_SEED)
    capsule, ciphertext = umbral.Capsule.from_bytes(sealed[:98]), sealed[98:]
    same(umbral.decrypt_original(keys["owner"], capsule, ciphertext), plaintext, "what the owner opens")
    granted = ours.ask("grant", seeds["owner"], seeds["granter"], points["buyer"])
    theirs = [umbral.reencrypt(capsule, check_key_fragment(data)) for data in granted]
    same(open_theirs(capsule, ciphertext, theirs[:2]), plaintext, "what the buyer opens")

    # 2. The same key fragments: the crate re-encrypts, pyUmbral verifies and opens, mixed with its own.
    (made,) = ours.ask("reencrypt", *keys_and_place, sealed, granted[2])
    mixed = [theirs[0], check_capsule_fragment(made, capsule)]
    same(open_theirs(capsule, ciphertext, mixed), plaintext, "what the buyer opens of both")

    # 3. pyUmbral seals and grants; the crate opens, verifies, re-encrypts, and opens fragments of both.
    capsule, ciphertext = umbral.encrypt(public["owner"], plaintext)
    sealed = bytes(capsule) + ciphertext
    same(ours.ask("open_original", seeds["owner"], *place, sealed), [NODE_SEED], "what our owner opens")
    signer = umbral.Signer(keys["granter"])
    fragments = umbral.generate_kfrags(keys["owner"], public["buyer"], signer, 2, 3)
    posted = [ours.ask("reencrypt", *keys_and_place, sealed, key_fragment_out(fragment))[0] for fragment in fragments]
    buyer = (seeds["buyer"], points["owner"], points["granter"], *place, sealed)
    same(ours.ask("open", *buyer, *posted[:2]), [NODE_SEED], "what our buyer opens")
    own = [bytes(umbral.reencrypt(capsule, fragment)) for fragment in fragments]
    same(ours.ask("open", *buyer, posted[0], own[1]), [NODE_SEED], "what our buyer opens of both")
    for data in posted:
        check_capsule_fragment(data, capsule)

    # 4. Neither takes what was changed, or too little.
    changed = posted[0][:-1] + bytes([posted[0][-1] ^ 1])
    refused(lambda: ours.ask("open", *buyer, changed, own[1]))
    refused(lambda: check_capsule_fragment(changed, capsule))
    refused(lambda: ours.ask("open", *buyer, posted[0]))
    changed = bytes([granted[0][0] ^ 1]) + granted[0][1:]
    refused(lambda: ours.ask("reencrypt", *keys_and_place, sealed, changed))
    refused(lambda: check_key_fragment(changed))
    ours.close()
    print("pyUmbral and cpchain-crypto open, re-encrypt and verify each other's bytes")


if __name__ == "__main__":
    main(sys.argv[1])
