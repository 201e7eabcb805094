"""Fakes made of real faces, by pasting and by autoencoders."""
