"""Getting a paper: from its id to files on disk, politely, resumably, in a cache, without trusting what comes."""
