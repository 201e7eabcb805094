"""HTTP: routes, limits, errors, security headers."""
