"""The worlds a story can happen in, behind one interface: ``real`` uses processes and sockets."""
