"""The attempts of a run that is driven: started, heard, ended, and what a driver that died left of them."""
