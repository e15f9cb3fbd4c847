"""What tests share: a gateway over a real socket, a client, the core over a real transaction, the real process."""
