"""A receiver of webhooks that costs little: it counts them and says yes. `GET /` tells how many, in how long, and starts over."""

import asyncio
import sys
import time

from aiohttp import web


class Counter:
    def __init__(self) -> None:
        self.times: list[float] = []

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            seen, self.times = self.times, []
            return web.json_response({"count": len(seen), "seconds": seen[-1] - seen[0] if seen else 0.0})
        if request.method == "POST":
            await request.read()
            self.times.append(time.perf_counter())
        return web.json_response({"count": len(self.times)})


async def main() -> None:
    runner = web.ServerRunner(web.Server(Counter(), access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1])).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
