"""Signing schemes, one small file each: secrets and bytes in, what goes on the wire out. Tests hold each to a public verifier."""
