"""How any long job is priced, cut, spread and shown."""
