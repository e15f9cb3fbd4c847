"""How the gateway speaks. A dialect is a folder behind an entry point of group `gatecrash.dialects`."""
