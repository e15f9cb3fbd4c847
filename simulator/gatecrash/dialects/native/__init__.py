"""Gatecrash's own dialect: JSON, RFC 9457 problems, the IETF idempotency draft, Standard Webhooks."""

from gatecrash.dialects.native.dialect import NativeDialect

dialect = NativeDialect()
