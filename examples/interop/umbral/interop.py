"""Umbral between two programs: the Python package `umbral-pre` and the Rust example `umbral_bytes`, over hex lines.

The package takes capsules, key fragments and capsule fragments as MessagePack arrays of byte strings; the crate gives and takes the
same values one after another. The conversions are the few lines under "Bytes".
"""

import os
import subprocess
import sys

import umbral_pre as umbral

KEY_LABEL = b"cpchain/crypto/pre/umbral-key/v1"
STREAM, NODE, NODE_SEED = b"\x09" * 32, bytes([20, 5, 0, 0, 0]), bytes(range(32))


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


# Bytes


def split(data, *widths):
    parts, at = [], 0
    for width in widths:
        parts.append(data[at : at + width])
        at += width
    if at != len(data) or any(len(part) != width for part, width in zip(parts, widths)):
        raise ValueError(f"{len(data)} bytes, not {sum(widths)}")
    return parts


def pack(*fields):
    """A MessagePack array of byte strings, flags, and what is packed already (a list of one)."""
    out = bytes([0x90 + len(fields)])
    for field in fields:
        if isinstance(field, list):
            out += field[0]
        elif isinstance(field, bool):
            out += b"\xc3" if field else b"\xc2"
        else:
            out += bytes([0xC4, len(field)]) + field
    return out


def capsule_in(data):
    return umbral.Capsule.from_bytes(pack(*split(data, 33, 33, 32)))


# The parameter point stands in every key fragment of the package; the crate puts it back by itself.
def parameter_point():
    secret = umbral.SecretKey.random()
    fragment = umbral.generate_kfrags(secret, secret.public_key(), umbral.Signer(secret), 1, 1, True, True)[0]
    return bytes(fragment)[4:37]


def key_fragment_in(data, parameter):
    """Ours to theirs: the one signature is over both keys, so it is that for the proxy and that for the receiver."""
    ident, share, precursor, commitment, signature = split(data, 32, 32, 33, 33, 64)
    proof = pack(commitment, signature, signature, True, True)
    return umbral.KeyFrag.from_bytes(pack([pack(parameter)], ident, share, precursor, [proof]))


def key_fragment_out(fragment):
    """Theirs, signed over both keys, to ours: without parameter point, signature for the proxy, flags."""
    data = bytes(fragment)
    widths = (1, 1, 2, 33, 2, 32, 2, 32, 2, 33, 1, 2, 33, 2, 64, 2, 64, 2)
    parts = split(data, *widths)
    ident, share, precursor, commitment, signature = (parts[i] for i in (5, 7, 9, 12, 16))
    if parts[17] != b"\xc3\xc3":
        raise ValueError("the fragment must be signed over both keys")
    return ident + share + precursor + commitment + signature


def capsule_fragment_in(data):
    fields = split(data, 33, 33, 32, 33, 33, 33, 33, 33, 32, 64)
    return umbral.CapsuleFrag.from_bytes(pack(*fields[:4], [pack(*fields[4:])]))


def derive(seed):
    return umbral.SecretKeyFactory.from_secure_randomness(seed).make_key(KEY_LABEL)


# The two ways


def refused(action):
    try:
        action()
    except Exception:  # Each side has its own type of error.
        return
    sys.exit("bytes that were changed have passed")


def main(program):
    ours, parameter = Ours(program), parameter_point()
    seeds = {name: os.urandom(32) for name in ("owner", "granter", "buyer")}
    keys = {name: derive(seed) for name, seed in seeds.items()}
    public = {name: key.public_key() for name, key in keys.items()}
    points = {name: key.to_compressed_bytes() for name, key in public.items()}
    for name, seed in seeds.items():
        assert ours.ask("public", seed) == [points[name]], "a key differs"
    (plaintext,) = ours.ask("plaintext", STREAM, NODE, NODE_SEED)
    assert plaintext[:32] == NODE_SEED
    place = (STREAM, NODE)

    # 1. The crate seals and grants; the package re-encrypts, verifies and opens.
    (sealed,) = ours.ask("encapsulate", points["owner"], *place, NODE_SEED)
    capsule, ciphertext = capsule_in(sealed[:98]), sealed[98:]
    assert umbral.decrypt_original(keys["owner"], capsule, ciphertext) == plaintext
    granted = ours.ask("grant", seeds["owner"], seeds["granter"], points["buyer"])
    checked = [
        key_fragment_in(data, parameter).verify(public["granter"], public["owner"], public["buyer"]) for data in granted
    ]
    theirs = [umbral.reencrypt(capsule, fragment) for fragment in checked]
    opened = umbral.decrypt_reencrypted(keys["buyer"], public["owner"], capsule, theirs[:2], ciphertext)
    assert opened == plaintext, "the package opens something else"

    # 2. The same key fragments: the crate re-encrypts, the package verifies and opens, mixed with its own.
    keys_and_place = (points["owner"], points["buyer"], points["granter"], *place)
    (made,) = ours.ask("reencrypt", *keys_and_place, sealed, granted[2])
    verified = capsule_fragment_in(made).verify(capsule, public["granter"], public["owner"], public["buyer"])
    mixed = [theirs[0], verified]
    assert umbral.decrypt_reencrypted(keys["buyer"], public["owner"], capsule, mixed, ciphertext) == plaintext

    # 3. The package seals and grants; the crate opens, re-encrypts and verifies.
    capsule, ciphertext = umbral.encrypt(public["owner"], plaintext)
    sealed = capsule.to_bytes_simple() + bytes(ciphertext)
    assert ours.ask("open_original", seeds["owner"], *place, sealed) == [NODE_SEED]
    signer = umbral.Signer(keys["granter"])
    fragments = umbral.generate_kfrags(keys["owner"], public["buyer"], signer, 2, 3, True, True)
    posted = [ours.ask("reencrypt", *keys_and_place, sealed, key_fragment_out(fragment))[0] for fragment in fragments]
    buyer = (seeds["buyer"], points["owner"], points["granter"], *place, sealed)
    assert ours.ask("open", *buyer, *posted[:2]) == [NODE_SEED]
    own = [umbral.reencrypt(capsule, fragment).to_bytes_simple() for fragment in fragments]
    assert ours.ask("open", *buyer, posted[0], own[1]) == [NODE_SEED]
    for data in posted:
        capsule_fragment_in(data).verify(capsule, public["granter"], public["owner"], public["buyer"])

    # 4. Neither takes what was changed, or too little.
    changed = bytearray(posted[0])
    changed[-1] ^= 1
    refused(lambda: ours.ask("open", *buyer, changed, own[1]))
    refused(lambda: capsule_fragment_in(bytes(changed)).verify(capsule, public["granter"], public["owner"], public["buyer"]))
    refused(lambda: ours.ask("open", *buyer, posted[0]))
    changed = bytearray(granted[0])
    changed[40] ^= 1
    refused(lambda: ours.ask("reencrypt", *keys_and_place, sealed, changed))
    refused(
        lambda: key_fragment_in(bytes(changed), parameter).verify(public["granter"], public["owner"], public["buyer"])
    )
    ours.close()
    print("umbral-pre and cpchain-crypto open, re-encrypt and verify each other's bytes")


if __name__ == "__main__":
    main(sys.argv[1])
