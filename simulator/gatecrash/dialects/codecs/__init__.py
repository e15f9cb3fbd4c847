"""Codecs: bodies that are no JSON → nested values, for the dialects that speak them."""
