"""Inference: what we believe about ``x`` once ``y`` is seen; one method per file."""
