"""Standard Webhooks: the public library verifies `v1`; a second implementation of ed25519 verifies `v1a`."""

import base64
import json
import shutil
import subprocess
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from gatecrash.webhooks.signing import standard

SECRETS = ["whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2)]
PRIVATE = ["whsk_" + base64.b64encode(bytes([n]) * 32).decode() for n in (3, 4)]
BODY = '{"type":"charge.succeeded","note":"42 €"}'.encode()
ID = "evt_1"


def now() -> str:
    return str(int(datetime.now(UTC).timestamp()))


def headers(secrets: list[str], at: str, body: bytes = BODY) -> dict[str, str]:
    return {"webhook-id": ID, "webhook-timestamp": at, "webhook-signature": standard.signatures(secrets, ID, at, body)}


def test_the_signature_is_that_of_the_specification() -> None:
    # the example of the Standard Webhooks reference libraries
    signed = standard.signatures(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}'
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", SECRETS)
def test_while_two_secrets_overlap_the_public_library_accepts_either(secret: str) -> None:
    assert Webhook(secret).verify(BODY, headers(SECRETS, now())) == json.loads(BODY)


def test_the_public_library_refuses_another_secret_and_another_body() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRETS[1]).verify(BODY, headers(SECRETS[:1], now()))
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRETS[0]).verify(BODY + b" ", headers(SECRETS, now()))


def verified_by(public: str, signature: str, signed: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_"))).verify(
            base64.b64decode(signature.removeprefix("v1a,")), signed
        )
    except InvalidSignature:
        return False
    return True


def test_with_a_private_key_the_public_one_verifies_and_no_other() -> None:
    made = standard.signatures(PRIVATE, ID, "1700000000", BODY).split(" ")
    signed = f"{ID}.1700000000.".encode() + BODY
    publics = [standard.public_key(secret) or "" for secret in PRIVATE]
    assert [[verified_by(public, one, signed) for one in made] for public in publics] == [[True, False], [False, True]]
    assert not verified_by(publics[0], made[0], signed + b" ")
    assert standard.public_key(SECRETS[0]) is None


def test_the_private_key_follows_the_test_vector_of_rfc_8032() -> None:
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert standard.public_key("whsk_" + base64.b64encode(seed).decode()) == "whpk_" + base64.b64encode(public).decode()


_NODE = """
const {createPublicKey, verify} = require('crypto');
const {key, signature, signed} = JSON.parse(require('fs').readFileSync(0));
const raw = Buffer.from(key.slice(5), 'base64');
const publicKey = createPublicKey({key: {kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url')}, format: 'jwk'});
console.log(verify(null, Buffer.from(signed, 'base64'), publicKey, Buffer.from(signature.slice(4), 'base64')));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize(("more", "said"), [(b"", "true"), (b"!", "false")])
def test_node_verifies_it_too(more: bytes, said: str) -> None:
    given = {
        "key": standard.public_key(PRIVATE[0]),
        "signature": standard.signatures(PRIVATE[:1], ID, "1700000000", BODY),
        "signed": base64.b64encode(f"{ID}.1700000000.".encode() + BODY + more).decode(),
    }
    done = subprocess.run(["node", "-e", _NODE], input=json.dumps(given), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == said
