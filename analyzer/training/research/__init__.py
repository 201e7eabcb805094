"""Tools to look at the material: contact sheets, and a probe for shortcuts."""
