"""Systems: each a short composition of the shared parts, with the same verbs."""
