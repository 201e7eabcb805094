"""Takes video in (webcams, cameras, files, uploads) and pushes verdicts out."""
