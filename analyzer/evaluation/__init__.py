"""What weights are worth: files of a manifest through the serving code, figures with intervals, reports."""
