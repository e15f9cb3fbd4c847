"""Client tokens and nonces: how a card or bank account comes in without the merchant ever holding it."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from gatecrash.core.banks import BANK_NAME, TEST_ACCOUNTS, TEST_ROUTING_NUMBER
from gatecrash.core.cards import TEST_CARDS, brand_of, expired, luhn_valid
from gatecrash.core.clock import HOUR, rfc3339
from gatecrash.core.errors import Refused
from gatecrash.core.records import ClientToken, Nonce
from gatecrash.core.transaction import Context

CLIENT_TOKEN_LIFE = 1 * HOUR
NONCE_LIFE = 3 * HOUR
_CLIENT_TOKEN_PREFIX = "ctok_test_"  # noqa: S105 - a prefix, not a secret


class CreateClientToken(Struct, forbid_unknown_fields=True):
    pass


class Card(Struct, forbid_unknown_fields=True):
    """A card as the browser sends it. The CVC is looked at and forgotten."""

    number: Annotated[str, Meta(min_length=1, max_length=40)]
    exp_month: Annotated[int, Meta(ge=1, le=12)]
    exp_year: Annotated[int, Meta(ge=2000, le=2099)]
    cvc: Annotated[str, Meta(pattern="^[0-9]{3,4}$")]
    holder_name: Annotated[str, Meta(max_length=255)] | None = None


class BankAccount(Struct, forbid_unknown_fields=True):
    """A bank account as the browser sends it."""

    routing_number: Annotated[str, Meta(pattern="^[0-9]{9}$")]
    account_number: Annotated[str, Meta(min_length=1, max_length=40)]
    holder_name: Annotated[str, Meta(max_length=255)] | None = None


class CreateToken(Struct, forbid_unknown_fields=True):
    """A card or a bank account."""

    card: Card | None = None
    bank_account: BankAccount | None = None


def check_token(params: CreateToken) -> None:
    if (params.card is None) == (params.bank_account is None):
        given = "neither card nor bank_account was sent" if params.card is None else "both card and bank_account were sent"
        raise Refused("parameter_missing" if params.card is None else "parameter_invalid", f"{given}; send one of them.", "card")


def create_client_token(ctx: Context, params: CreateClientToken) -> ClientToken:
    # the token names its sandbox, so that whoever presents it needs no other key
    token_id = f"{_CLIENT_TOKEN_PREFIX}{ctx.sandbox}_{ctx.ids.new('t')[2:]}"
    token = ClientToken(id=token_id, created_at=ctx.now, expires_at=ctx.now + CLIENT_TOKEN_LIFE)
    ctx.tx.insert(token)
    return token


def sandbox_of_client_token(token: str) -> str | None:
    """The sandbox a client token belongs to, or None if it is none."""
    name, found, _ = token.removeprefix(_CLIENT_TOKEN_PREFIX).rpartition("_")
    return name if found and token.startswith(_CLIENT_TOKEN_PREFIX) else None


def use_client_token(ctx: Context, token_id: str) -> None:
    """Use a client token up; refused if it is unknown, used or expired."""
    token = ctx.tx.get(ClientToken, token_id)
    if token is None:
        raise Refused(
            "client_token_invalid",
            "this client token is unknown in its sandbox; ask your server for a new one.",
        )
    if token.used:
        raise Refused(
            "client_token_invalid",
            "this client token was used already; it is good for one card. Ask for a new one.",
        )
    if token.expires_at <= ctx.now:
        raise Refused(
            "client_token_invalid",
            f"this client token expired at {rfc3339(token.expires_at)}; ask for a new one.",
        )
    token.used = True
    ctx.tx.update(token, "used")


def create_token(ctx: Context, params: CreateToken) -> Nonce:
    """Card or bank account → nonce. The number rests sealed; nothing of it remains but its last four digits."""
    card = account = None
    if params.card is not None:
        number, card = _card(ctx, params.card)
    else:
        assert params.bank_account is not None, "one or the other"
        number, account = _bank_account(params.bank_account)
    nonce_id = ctx.ids.new("nonce")
    nonce = Nonce(
        id=nonce_id, card=card, bank_account=account, sealed_number=ctx.vault.seal(number, nonce_id), created_at=ctx.now,
        expires_at=ctx.now + NONCE_LIFE,
    )  # fmt: skip
    ctx.tx.insert(nonce)
    return nonce


def _card(ctx: Context, card: Card) -> tuple[str, dict[str, Any]]:
    """The number, and what may be shown of the card."""
    number = card.number.replace(" ", "").replace("-", "")
    _check_number(number)
    shown = {"brand": brand_of(number), "last4": number[-4:], "exp_month": card.exp_month, "exp_year": card.exp_year}
    if expired(shown, ctx.now):
        today = rfc3339(ctx.now)
        raise Refused(
            "card_expired",
            f"the card expired in {card.exp_month:02d}/{card.exp_year}; in this sandbox it is {today[5:7]}/{today[:4]}.",
            "card.exp_year",
        )
    return number, shown


def _bank_account(account: BankAccount) -> tuple[str, dict[str, Any]]:
    """The number, and what may be shown of the account. Only published test accounts come in."""
    number = account.account_number.replace(" ", "").replace("-", "")
    if account.routing_number != TEST_ROUTING_NUMBER or number not in TEST_ACCOUNTS:
        # what was given is never repeated: it may be somebody's account
        param = "bank_account." + ("account_number" if account.routing_number == TEST_ROUTING_NUMBER else "routing_number")
        raise Refused(
            "bank_account_not_a_test_account",
            f"{param} could be that of a real bank account and was not kept; use routing number {TEST_ROUTING_NUMBER} with a "
            "test account number: docs/test-cards.md lists them.",
            param,
        )
    return number, {"bank_name": BANK_NAME, "routing_number": TEST_ROUTING_NUMBER, "last4": number[-4:]}


def _check_number(number: str) -> None:
    # what was given is never repeated: it may be somebody's card
    if not (number.isascii() and number.isdigit() and 12 <= len(number) <= 19):
        raise Refused(
            "card_number_invalid",
            f"card.number was {len(number)} characters that are not all digits, or not 12 to 19 of them; "
            "expected a test card, such as 4242 four times over.",
            "card.number",
        )
    if not luhn_valid(number):
        raise Refused(
            "card_number_invalid",
            f"card.number (ending in {number[-2:]}) fails the Luhn check; expected a test card, such as 4242 four times over.",
            "card.number",
        )
    if number not in TEST_CARDS:
        raise Refused(
            "card_not_a_test_card",
            f"card.number ({brand_of(number)}, ending in {number[-2:]}) could be a real card and was not kept; "
            "use a published test card, such as 4242 four times over.",
            "card.number",
        )


def take_nonce(ctx: Context, nonce_id: str, used_by: str) -> tuple[Nonce, str]:
    """Consume a nonce for a charge or payment method; returns it with the number it stood for."""
    nonce = ctx.tx.get(Nonce, nonce_id)
    if nonce is None:
        raise Refused(
            "nonce_unknown",
            f"no nonce {nonce_id[:60]!r} in this sandbox; create one with POST /v1/tokens.",
            "payment_nonce",
        )
    if nonce.used_by is not None:
        raise Refused(
            "nonce_used",
            f"nonce {nonce_id!r} was used by {nonce.used_by}; to retry that request repeat its Idempotency-Key, "
            "for another attempt collect the card again.",
            "payment_nonce",
        )
    if nonce.expires_at <= ctx.now:
        raise Refused(
            "nonce_expired",
            f"nonce {nonce_id!r} expired at {rfc3339(nonce.expires_at)}; collect the card again.",
            "payment_nonce",
        )
    nonce.used_by = used_by
    ctx.tx.update(nonce, "used_by")
    return nonce, ctx.vault.open(nonce.sealed_number, nonce.id)
