"""Writes the generated files of the bindings, a module for each language."""
