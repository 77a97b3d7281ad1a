"""Evidence packs: everything behind one prediction, in a zip that recomputes itself."""
