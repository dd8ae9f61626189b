"""The second generator of Umbral, computed anew: hash_to_curve of RFC 9380 for secp256k1 (suite
secp256k1_XMD:SHA-256_SSWU_RO_), of the message "POINT_U" under the tag "PARAMETERS".

That nobody knows its logarithm to the first generator is what the proofs of re-encryption rest on, so it is derived here and
not copied. Plain integers, not constant in time: there is no secret.
"""

from hashlib import sha256

P = 2**256 - 2**32 - 977
# The curve y² = x³ + A·x + B that the map goes to first, and its non-square Z (RFC 9380, 8.7).
A = 0x3F8731ABDD661ADCA08A5558F0F5D272E953D363CB6F0E5D405447C01A444533
B, Z = 1771, -11
# The isogeny from there to secp256k1: numerators and denominators of x and y, constant terms first (RFC 9380, E.1).
X_NUM = (
    0x8E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38DAAAAA8C7,
    0x07D3D4C80BC321D5B9F315CEA7FD44C5D595D2FC0BF63B92DFFF1044F17C6581,
    0x534C328D23F234E6E2A413DECA25CAECE4506144037C40314ECBD0B53D9DD262,
    0x8E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38DAAAAA88C,
)
X_DEN = (
    0xD35771193D94918A9CA34CCBB7B640DD86CD409542F8487D9FE6B745781EB49B,
    0xEDADC6F64383DC1DF7C4B2D51B54225406D36B641F5E41BBC52A56612A8C6D14,
    1,
)
Y_NUM = (
    0x4BDA12F684BDA12F684BDA12F684BDA12F684BDA12F684BDA12F684B8E38E23C,
    0xC75E0C32D5CB7C0FA9D0A54B12A0A6D5647AB046D686DA6FDFFC90FC201D71A3,
    0x29A6194691F91A73715209EF6512E576722830A201BE2018A765E85A9ECEE931,
    0x2F684BDA12F684BDA12F684BDA12F684BDA12F684BDA12F684BDA12F38E38D84,
)
Y_DEN = (
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFF93B,
    0x7A06534BB8BDB49FD5E9E6632722C2989467C1BFC8E8D978DFB425D2685C2573,
    0x6484AA716545CA2CF3A70C3FA8FE337E0A3D21162F0D6299A7BF8192BFD2A76F,
    1,
)


def expand(message, tag, length):
    """expand_message_xmd, RFC 9380, 5.3.1."""
    tag += bytes([len(tag)])
    first = sha256(bytes(64) + message + length.to_bytes(2, "big") + b"\0" + tag).digest()
    out, block = b"", bytes(32)
    while len(out) < length:
        mixed = bytes(a ^ b for a, b in zip(first, block))
        block = sha256(mixed + bytes([len(out) // 32 + 1]) + tag).digest()
        out += block
    return out[:length]


def inverse(value):
    return pow(value, -1, P)


def evaluate(terms, x):
    return sum(term * pow(x, power, P) for power, term in enumerate(terms)) % P


def map_to_curve(u):
    """The simplified SWU map, RFC 9380, 6.6.2, and the isogeny, 6.6.3."""
    slope = (Z * Z * pow(u, 4, P) + Z * u * u) % P
    x = -B * inverse(A) * (1 + inverse(slope)) % P if slope else B * inverse(Z * A) % P
    square = (x**3 + A * x + B) % P
    y = pow(square, (P + 1) // 4, P)
    if y * y % P != square:
        x = Z * u * u * x % P
        y = pow(x**3 + A * x + B, (P + 1) // 4, P)
    if y % 2 != u % 2:
        y = P - y
    return (
        evaluate(X_NUM, x) * inverse(evaluate(X_DEN, x)) % P,
        y * evaluate(Y_NUM, x) * inverse(evaluate(Y_DEN, x)) % P,
    )


def hash_to_curve(message, tag):
    """The point, compressed."""
    uniform = expand(message, tag, 96)
    (x1, y1), (x2, y2) = (map_to_curve(int.from_bytes(part, "big") % P) for part in (uniform[:48], uniform[48:]))
    slope = (y2 - y1) * inverse(x2 - x1) % P
    x = (slope * slope - x1 - x2) % P
    y = (slope * (x1 - x) - y1) % P
    return bytes([2 + y % 2]) + x.to_bytes(32, "big")


PARAMETER_POINT = hash_to_curve(b"POINT_U", b"PARAMETERS")
