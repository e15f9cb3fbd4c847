"""Looking at rules."""

from typing import Any

from tests.support.client import Client


async def armed(client: Client, rule_id: str) -> dict[str, Any]:
    """A rule as it is now."""
    return dict((await client.get(f"/_gatecrash/faults/{rule_id}")).expect(200).json)
