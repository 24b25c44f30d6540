"""The front: gate, doors, protocol, server."""
