"""PayPal's scheme: the SDK says what is signed, and other implementations of RSA and X.509 verify it.

The SDK's own `verify` pins PayPal's certificate authority, and calls a function that pyOpenSSL has dropped.
"""

import json
import shutil
import subprocess
from base64 import b64decode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from paypalrestsdk.notifications import WebhookEvent

from gatecrash.webhooks.signing.paypal import Transmission, headers, mint, verify

SENT = Transmission("t-1", "2026-01-31T12:00:00Z", "WH-1", '{"event_type":"PAYMENT.CAPTURE.COMPLETED","note":"42 €"}'.encode())
URL = "http://127.0.0.1:8404/cert.pem"


def test_what_is_signed_is_what_the_sdk_expects_and_its_certificate_verifies_it() -> None:
    credentials = mint(b"seed")
    made = headers(credentials, URL, SENT)
    expected = WebhookEvent._get_expected_sig(
        made["PAYPAL-TRANSMISSION-ID"], made["PAYPAL-TRANSMISSION-TIME"], SENT.webhook_id, SENT.body.decode()
    )
    key = x509.load_pem_x509_certificate(credentials.certificate).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048
    key.verify(b64decode(made["PAYPAL-TRANSMISSION-SIG"]), expected.encode(), padding.PKCS1v15(), hashes.SHA256())
    assert (made["PAYPAL-CERT-URL"], made["PAYPAL-AUTH-ALGO"]) == (URL, "SHA256withRSA")


def test_the_same_seed_gives_the_same_certificate_and_signature() -> None:
    first = mint(b"seed")
    mint.cache_clear()
    again = mint(b"seed")
    assert again.certificate == first.certificate
    assert headers(again, URL, SENT) == headers(first, URL, SENT)
    assert mint(b"other").certificate != first.certificate


def test_the_postback_tells_a_true_transmission_from_any_other() -> None:
    credentials, other = mint(b"seed"), mint(b"other")
    signature = headers(credentials, URL, SENT)["PAYPAL-TRANSMISSION-SIG"]
    assert verify(credentials.certificate, SENT, signature)
    assert not verify(other.certificate, SENT, signature)
    assert not verify(credentials.certificate, SENT._replace(webhook_id="WH-2"), signature)
    assert not verify(credentials.certificate, SENT._replace(body=SENT.body + b" "), signature)
    assert not verify(credentials.certificate, SENT, "not base64!")


_NODE = """
const {X509Certificate, verify} = require('crypto');
const {certificate, signature, signed} = JSON.parse(require('fs').readFileSync(0));
const held = new X509Certificate(certificate);
const accepted = verify('RSA-SHA256', Buffer.from(signed), held.publicKey, Buffer.from(signature, 'base64'));
console.log(held.verify(held.publicKey) && accepted);
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_node_verifies_certificate_and_signature_too() -> None:
    credentials = mint(b"seed")
    given = {
        "certificate": credentials.certificate.decode(),
        "signature": headers(credentials, URL, SENT)["PAYPAL-TRANSMISSION-SIG"],
        "signed": SENT.signed().decode(),
    }
    done = subprocess.run(["node", "-e", _NODE], input=json.dumps(given), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "true"
