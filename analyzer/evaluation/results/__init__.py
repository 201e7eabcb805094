"""What became of the files: scores, figures of sets of files, everything that was found."""
