"""Start and stop the attempts of a run, collect what they report, and end processes of an earlier driver's attempts."""
