"""Routes, a module a prefix: they declare and delegate."""
