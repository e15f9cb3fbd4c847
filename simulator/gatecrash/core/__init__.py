"""What a gateway is: money, cards, payments, refunds, idempotency, events, ledger, vault.

Synchronous, transactional, deterministic: no HTTP, no SQL, and no clock or randomness of its own.
"""
