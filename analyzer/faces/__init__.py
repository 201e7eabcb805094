"""From pictures to crops: detect, track, cut out, judge the quality."""
