"""The storefront: card fields in the gateway's frame, and nothing else from elsewhere."""

from typing import Any

import pytest


@pytest.mark.asyncio
async def test_the_page_frames_the_gateway_and_has_no_field_for_a_card(shop: Any, gateway: Any) -> None:
    async with shop.http.get(shop.url + "/") as response:
        page = await response.text()
        policy = response.headers["Content-Security-Policy"]

    assert f'data-gateway-url="{gateway.url}"' in page
    assert f"frame-src {gateway.url};" in policy
    assert 'src="/storefront.js"' in page  # which brings the gateway's iframe
    assert "Kettle" in page
    assert "$42.00" in page
    for word in ("cvc", "card-number", "cc-number", "expiry"):
        assert word not in page.lower()


@pytest.mark.asyncio
async def test_the_script_listens_to_the_gateway_only_and_speaks_to_it_only(shop: Any) -> None:
    async with shop.http.get(shop.url + "/storefront.js") as response:
        assert response.content_type == "text/javascript"
        script = await response.text()

    assert "event.origin !== gatewayOrigin" in script
    assert '"submit" }, gatewayOrigin)' in script
    assert "/hosted/card-fields?" in script
    assert "parent_origin" in script


@pytest.mark.asyncio
async def test_a_client_token_is_fetched_for_the_browser_and_not_cached(shop: Any) -> None:
    async with shop.http.get(shop.url + "/client-token") as response:
        assert (await response.json())["client_token"] == "ct_1"
        assert response.headers["Cache-Control"] == "no-store"
