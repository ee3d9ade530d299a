"""Tables: from column specifications and cells to a grid."""
