"""One thin file per DVC stage: compose the pack's configuration, call the library, write the outputs."""
