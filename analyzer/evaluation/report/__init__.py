"""What was found as text, HTML, plots and the figures of the card."""
