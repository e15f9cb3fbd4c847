"""PayPal's scheme: an RSA signature of each transmission, under a certificate that the receiver fetches.

Source: PayPal-Python-SDK, paypalrestsdk/notifications.py. What is signed is `id|time|webhook id|CRC-32 of the body, in decimal`.
The certificate is minted here, from a seed, so that the same seed gives the same bytes. There is no secret to rotate.
"""

import binascii
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gatecrash.webhooks.signing.primes import seeded_primes

ALGORITHM = "SHA256withRSA"
_EXPONENT = 65537


class Credentials(NamedTuple):
    """`certificate` is PEM, and what the receiver verifies with."""

    key: rsa.RSAPrivateKey
    certificate: bytes


class Transmission(NamedTuple):
    """One attempt. `time` is RFC 3339; `webhook_id` names the endpoint, and the receiver knows it beforehand."""

    id: str
    time: str
    webhook_id: str
    body: bytes

    def signed(self) -> bytes:
        return f"{self.id}|{self.time}|{self.webhook_id}|{binascii.crc32(self.body)}".encode()


@lru_cache(maxsize=64)
def mint(seed: bytes) -> Credentials:
    """An RSA key and its self-signed certificate. Takes a fraction of a second, once a seed."""
    p, q = seeded_primes(seed, _EXPONENT)
    d = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(_EXPONENT, p * q)
    key = rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), public
    ).private_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Gatecrash, no payment service")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2099, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return Credentials(key, certificate.public_bytes(serialization.Encoding.PEM))


def headers(credentials: Credentials, cert_url: str, sent: Transmission) -> dict[str, str]:
    """What goes with the body."""
    signature = credentials.key.sign(sent.signed(), padding.PKCS1v15(), hashes.SHA256())
    return {
        "PAYPAL-TRANSMISSION-ID": sent.id,
        "PAYPAL-TRANSMISSION-TIME": sent.time,
        "PAYPAL-TRANSMISSION-SIG": b64encode(signature).decode(),
        "PAYPAL-CERT-URL": cert_url,
        "PAYPAL-AUTH-ALGO": ALGORITHM,
    }


def verify(certificate: bytes, sent: Transmission, signature: str) -> bool:
    """What `verify-webhook-signature` answers."""
    key = x509.load_pem_x509_certificate(certificate).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        key.verify(b64decode(signature, validate=True), sent.signed(), padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True
