"""Where live video comes from: one module per way in, all behind `base.Source`."""
