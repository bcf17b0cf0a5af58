"""Pages of the site's reference, each made from the code that it describes."""
