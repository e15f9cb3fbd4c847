"""Requests that arrive at one moment: each is sent but for its last byte, and the last bytes go out together."""

import asyncio
from collections.abc import AsyncIterator


class Together:
    """`count` requests, told apart by whatever hashable their senders call them."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._there: set[object] = set()
        self._all_there = asyncio.Event()

    async def body(self, whole: bytes, request: object) -> AsyncIterator[bytes]:
        """The body of a request, as aiohttp asks for it. An empty one cannot be held back."""
        if len(whole) > 1:
            yield whole[:-1]
        self.there(request)
        await self._all_there.wait()
        if whole:
            yield whole[-1:]

    def there(self, request: object) -> None:
        """It waits for nothing but the others; or it has failed, and they must not wait for it."""
        self._there.add(request)
        if len(self._there) >= self._count:
            self._all_there.set()
