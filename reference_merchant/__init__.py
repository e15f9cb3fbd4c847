"""A small shop that takes payments through a gateway and gets it right: read it, copy it, break it.

The path of a payment: `routes` hears the click, `checkout` stores an attempt with its idempotency key and
only then calls through `gateway_client`, `outcomes` applies what is learned (from the answer, a webhook or
`reconcile`) in one transaction, and `fulfilment` hands over the goods exactly once. `decisions` holds every
choice a bug could get wrong.

The shop knows its gateway by URL alone.
"""
