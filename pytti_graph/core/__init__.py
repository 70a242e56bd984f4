"""Wire types, the node decorator, formulas, errors and plugins; no torch."""
