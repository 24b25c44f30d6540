"""How one reaches it: GraphQL, HTTP and the command line."""
