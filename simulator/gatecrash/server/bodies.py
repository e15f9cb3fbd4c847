"""The body of a request: read whole, within a size and a time, and decompressed."""

import asyncio
import zlib

from aiohttp import web

from gatecrash.core.errors import Refused
from gatecrash.server.http import HttpServer, too_slow

BODY_MAX = 1024 * 1024
# Content-Encoding → the window bits that tell zlib its format (RFC 9110 §8.4.1)
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_RAW_DEFLATE = -15
_ACCEPTED = "gzip, deflate"


async def read(request: web.BaseRequest, server: HttpServer) -> bytes:
    """The body as it was before it was compressed. Raises Refused, and ConnectionError when the client leaves meanwhile."""
    encoding = _encoding(request)
    raw = await _read_whole(request, server)
    return raw if encoding is None else _decompressed(raw, encoding)


def _encoding(request: web.BaseRequest) -> str | None:
    """How the body is compressed; None if it is not."""
    given = ", ".join(request.headers.getall("Content-Encoding", ()))
    encodings = [name for one in given.split(",") if (name := one.strip().lower()) not in ("", "identity")]
    if not encodings:
        return None
    if len(encodings) > 1 or encodings[0] not in _WINDOW_BITS:
        raise Refused(
            "content_encoding_unsupported",
            f"Content-Encoding was {given[:100]!r}; expected gzip, deflate or none. Send the body compressed by one of those, or "
            "as it is.",
            "Content-Encoding",
            accept_encoding=_ACCEPTED,
        )
    return encodings[0]


async def _read_whole(request: web.BaseRequest, server: HttpServer) -> bytes:
    if request.content_length is not None and request.content_length > BODY_MAX:
        raise _too_large()
    if request.headers.get("Expect", "").lower() == "100-continue":
        # RFC 9110 §10.1.1: the client waits for this before it sends the body
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    try:
        if request.content.is_eof():  # all of it is here
            return await request.read()
        with server.receiving(request, request.content_length or BODY_MAX):
            async with asyncio.timeout(server.request_s):
                return await request.read()
    except TimeoutError:
        raise too_slow(server.request_s) from None
    except web.HTTPRequestEntityTooLarge:
        raise _too_large() from None
    except (web.RequestPayloadError, ValueError) as error:
        raise Refused("body_incomplete", f"the body could not be read: {str(error)[:100]}; send it whole.") from error


def _decompressed(raw: bytes, encoding: str) -> bytes:
    bits = _WINDOW_BITS[encoding]
    if encoding == "deflate" and raw[:1] and raw[0] & 0x0F != 8:
        bits = _RAW_DEFLATE  # RFC 9110 §8.4.1.2: some clients send no zlib header
    unpacker = zlib.decompressobj(bits)
    try:
        body = unpacker.decompress(raw, BODY_MAX + 1)
    except zlib.error as error:
        raise _damaged(encoding, str(error)) from error
    if len(body) > BODY_MAX:
        raise _too_large()
    if not unpacker.eof:
        raise _damaged(encoding, "its end is missing")
    if unpacker.unused_data:
        raise _damaged(encoding, "more follows after its end")
    return body


def _damaged(encoding: str, why: str) -> Refused:
    return Refused(
        "body_malformed",
        f"Content-Encoding was {encoding}, and the body is none: {why[:100]}. Send it undamaged, or uncompressed.",
    )


def _too_large() -> Refused:
    return Refused("body_too_large", f"the body is larger than {BODY_MAX} bytes; send less.")
