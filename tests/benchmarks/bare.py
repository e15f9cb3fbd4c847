"""The baseline: a bare aiohttp handler that reads JSON and answers JSON, with nothing behind it."""

import sys

from aiohttp import web


async def handle(request: web.Request) -> web.Response:
    asked = await request.json()
    return web.json_response(
        {"object": "charge", "status": "succeeded", "amount": asked["amount"], "currency": asked["currency"]}, status=201
    )


def main() -> None:
    app = web.Application()
    app.router.add_post("/v1/charges", handle)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
