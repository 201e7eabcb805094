"""The evidence of one event as one signed zip file, and the check of such a file. Format: docs/evidence.md.

Pure: bytes and paths in, bytes and findings out; no asyncio, no web, no database.
"""
