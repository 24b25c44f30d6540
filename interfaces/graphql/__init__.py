"""The GraphQL API: schema.graphql of the design, served."""
