"""The harness: plays failure stories against a merchant and judges the finished run.

``story`` is what should happen, ``world`` where it happens, ``run`` plays it, ``history`` is what remains,
``oracles`` judge that. Nothing here reaches into the gateway: the harness speaks HTTP, as a merchant does.
"""
