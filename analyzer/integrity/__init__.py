"""Video that cannot be judged: black, frozen, looped, duplicated and damaged frames, scene cuts."""
